//! The command line: types only.

mod output;
#[cfg(feature = "github")]
mod publishing;
mod selection;

use std::fmt::Write as _;

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand};
use icgate_core::model::exit_code::ExitCode;
use strum::VariantArray as _;

pub(crate) use output::{FailOn, Format, HistoryFormat, Output, OutputDirectory, TextOrJson};
#[cfg(feature = "github")]
pub(crate) use publishing::{CommentWhen, Publishing};
pub(crate) use selection::{Against, Measuring, Project, Scope, Sharding, Stored};

/// A gate in CI that fails a pull request when a hot path executes more instructions.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = exit_codes())]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// All exit codes, as `--help` ends.
fn exit_codes() -> String {
    let mut text = "Exit codes:\n".to_owned();
    for &code in ExitCode::VARIANTS {
        let _ = writeln!(text, "  {:<4} {}", code.code(), code.meaning());
    }
    text.push_str("\nIf several apply, the most severe one counts: 3, then 4, 1 and 5.\n\n");
    text.push_str("Start with `icgate init`. Every day: `icgate check`, then `icgate explain ID`. To accept\n");
    text.push_str(
        "what was measured: `icgate update`. build, measure, merge, prove and publish are CI's.",
    );
    text
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure, compare with the baselines, report
    #[command(
        after_help = "Example:\n  icgate check --format markdown 'wal/**'\n\nExit codes: 0 pass, 1 regression, 3 not measured, 4 not comparable, 5 baseline out of date; all: icgate --help"
    )]
    Check {
        #[command(flatten)]
        project: Project,
        #[command(flatten)]
        measuring: Measuring,
        #[command(flatten)]
        stored: Stored,
        #[command(flatten)]
        sharding: Sharding,
        #[command(flatten)]
        against: Against,
        #[command(flatten)]
        output: Output,
        /// What makes the exit code other than 0
        #[arg(long, value_enum, default_value_t = FailOn::Any)]
        fail_on: FailOn,
    },
    /// Build the benches into a folder, for another job to measure; needs no baselines of its own
    #[command(
        after_help = "Example:\n  icgate build --output executables\n  icgate check --executables executables --workspace .\n\n\
        Building runs what the tree brings: build scripts, macros, compilers. Measuring what was built, in \
        another job and with --sandbox, runs the benches alone."
    )]
    Build {
        #[command(flatten)]
        project: Project,
        #[command(flatten)]
        against: Against,
        /// The folder for the executables
        #[arg(long, value_name = "DIRECTORY")]
        output: Utf8PathBuf,
    },
    /// Measure only, and write run.json
    #[command(after_help = "Example:\n  icgate measure --output /tmp/before")]
    Measure {
        #[command(flatten)]
        project: Project,
        #[command(flatten)]
        measuring: Measuring,
        #[command(flatten)]
        sharding: Sharding,
        #[command(flatten)]
        output: OutputDirectory,
        /// Print the harness's own report of all benchmarks instead of the counts
        #[arg(long, conflicts_with_all = ["patterns", "shard"])]
        harness_output: bool,
    },
    /// Compare a stored run with the baselines; needs no Valgrind
    #[command(
        after_help = "Example:\n  icgate compare target/icgate/run.json --format json\n\nExit codes: as of icgate check"
    )]
    Compare {
        /// The run to judge
        run: Utf8PathBuf,
        #[command(flatten)]
        scope: Scope,
        #[command(flatten)]
        project: Project,
        #[command(flatten)]
        against: Against,
        #[command(flatten)]
        output: Output,
    },
    /// Put the shards of a run together, compare with the baselines, report; needs no Valgrind
    #[command(
        after_help = "Example:\n  icgate merge shards/*/run.json --output target/icgate\n\nExit codes: as of icgate check"
    )]
    Merge {
        /// The run.json of every shard, or the folder with the shards' folders
        #[arg(required = true, value_name = "RUN")]
        runs: Vec<Utf8PathBuf>,
        #[command(flatten)]
        scope: Scope,
        #[command(flatten)]
        project: Project,
        #[command(flatten)]
        against: Against,
        #[command(flatten)]
        output: Output,
        /// How the measuring jobs ended, `needs.<job>.result` on GitHub: anything but success is no pass
        #[arg(long, value_name = "RESULT", default_value = "success")]
        measured: String,
        /// What makes the exit code other than 0
        #[arg(long, value_enum, default_value_t = FailOn::Any)]
        fail_on: FailOn,
    },
    /// Publish the result of a pull request to GitHub: a check run and one comment
    #[cfg(feature = "github")]
    #[command(
        after_help = "Example:\n  icgate publish \"$RUNNER_TEMP/shards\"\n\nExit code 0 says that it is \
        published, whatever the verdict; 6 that icgate could not publish to GitHub. Run it in a workflow \
        with `on: workflow_run`, in a checkout of the default branch; GITHUB_TOKEN comes from the \
        environment."
    )]
    Publish {
        #[command(flatten)]
        publishing: Publishing,
    },
    /// Publish the result of a pull request to GitHub (not in this build)
    #[cfg(not(feature = "github"))]
    #[command(disable_help_flag = true)]
    Publish {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Measure, and write what was measured into the baselines
    #[command(after_help = "Example:\n  icgate update --reason 'checksums are verified on read'")]
    Update {
        #[command(flatten)]
        project: Project,
        #[command(flatten)]
        measuring: Measuring,
        #[command(flatten)]
        against: Against,
        #[command(flatten)]
        output: OutputDirectory,
        /// Take this run, or the runs in this folder, instead of measuring: those of CI's shards
        #[arg(long, value_name = "RUN", conflicts_with_all = ["patterns", "jobs"])]
        from: Vec<Utf8PathBuf>,
        /// Why a worsening beyond the limit is accepted
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Measure this tree and another revision side by side, in the same measurement environment
    #[command(after_help = "Example:\n  icgate ab HEAD~1 'wal/**'")]
    Ab {
        /// The revision to compare with
        revision: String,
        #[command(flatten)]
        project: Project,
        #[command(flatten)]
        measuring: Measuring,
        #[command(flatten)]
        output: Output,
    },
    /// Measure each benchmark in disturbed measurement environments, and say how far it moves by itself
    #[command(after_help = "Example:\n  icgate verify --rounds 5")]
    Verify {
        #[command(flatten)]
        project: Project,
        #[command(flatten)]
        measuring: Measuring,
        /// How many disturbed environments to try
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=1000))]
        rounds: u32,
    },
    /// Write the page of a stored run, with flamegraphs of what moved; needs no Valgrind
    #[command(after_help = "Example:\n  icgate report --base-run /tmp/before/run.json")]
    Report {
        /// The run to show [default: run.json in the output directory]
        run: Option<Utf8PathBuf>,
        #[command(flatten)]
        project: Project,
        #[command(flatten)]
        against: Against,
        #[command(flatten)]
        output: OutputDirectory,
    },
    /// Show how accepted counts moved from commit to commit, from git
    #[command(
        after_help = "Examples:\n  icgate history 'wal/**'\n  icgate history --since v1.0\n\n\
        With --since and `[drift] limit` in policy.toml, exit code 1 says that a benchmark grew \
        by more than that."
    )]
    History {
        #[command(flatten)]
        project: Project,
        /// Only benchmarks whose id matches one of these patterns
        #[arg(value_name = "PATTERN")]
        patterns: Vec<String>,
        /// Only what came after this tag (or other revision), and how far that is in all
        #[arg(long, value_name = "TAG")]
        since: Option<String>,
        /// What to print
        #[arg(long, value_enum, default_value_t = HistoryFormat::Text)]
        format: HistoryFormat,
    },
    /// Check on this machine that the gate passes unchanged code and catches injected regressions
    #[command(after_help = "\
Example:
  icgate selftest --injections ci/injections --write README.md

Each file of the folder injects a cost into the project's code:
  [[edit]]
  file = \"src/store.rs\"             # seen from the workspace
  find = \"    let n = 0;\\n\"          # text that the file has once
  replace = \"{cost}\\n    let n = 0;\\n\"
  [calibrate]
  benchmark = \"kv/rebuild/n1000\"    # the cost is a share of its instructions
  function = \"store::rebuild\"       # the report has to name it")]
    Selftest {
        #[command(flatten)]
        project: Project,
        /// A folder of injections; without it, no cost is injected
        #[arg(long, value_name = "DIRECTORY")]
        injections: Option<Utf8PathBuf>,
        /// A document that the table is written into, between its marks
        #[arg(long, value_name = "FILE")]
        write: Option<Utf8PathBuf>,
    },
    /// Show one benchmark's functions, who calls them, and their lines with counts
    #[command(
        after_help = "Example:\n  icgate explain keyspace/get/hit --function Map::with\n\n\
        Explains the last run if it is of the commit that is checked out; measures otherwise."
    )]
    Explain {
        #[command(flatten)]
        project: Project,
        #[command(flatten)]
        against: Against,
        #[command(flatten)]
        explaining: Explaining,
    },
    /// Prove the causes of a red run: build head without pieces of the change, and measure
    #[command(after_help = "Example:\n  icgate check || icgate prove\n\n\
        It writes proof.json beside the run; `icgate publish --proof` shows what it proves. It builds what \
        is checked out, so CI runs it in a job without a token, after the verdict.")]
    Prove(Proving),
    /// Find the commit that moved benchmarks
    #[command(
        after_help = "Example:\n  icgate bisect wal/append/b64 wal/range/n10 v1.0..HEAD\n\n\
        Commits are those of the first parents; one that does not build is walked around."
    )]
    Bisect {
        #[command(flatten)]
        project: Project,
        /// The benchmarks' ids, and behind them the range: a good commit, two dots, a bad one
        #[arg(value_name = "ID… GOOD..BAD", required = true, num_args = 2..)]
        asked: Vec<String>,
    },
    /// List the ids of all benchmarks
    #[command(after_help = "Example:\n  icgate list 'kv/**'")]
    List {
        #[command(flatten)]
        project: Project,
        /// Only benchmarks whose id matches one of these patterns
        #[arg(value_name = "PATTERN")]
        patterns: Vec<String>,
    },
    /// Print the measurement environment, and what the machine lacks with the command that fixes it
    #[command(after_help = "Example:\n  icgate doctor")]
    Doctor {
        #[command(flatten)]
        project: Project,
    },
    /// Adopt icgate in this project: policy, first baselines, workflows; keeps what is there
    #[command(after_help = "Example:\n  icgate init --manifest-path parser/Cargo.toml")]
    Init {
        #[command(flatten)]
        project: Project,
        /// Where icgate's action is: its repository and a commit of it. Without it, no workflow is written
        #[arg(long, value_name = "OWNER/NAME@COMMIT", value_parser = pinned_action)]
        action: Option<String>,
    },
    /// Rewrite policy and baselines of a former format
    #[command(after_help = "Example:\n  icgate migrate && git diff baselines")]
    Migrate {
        #[command(flatten)]
        project: Project,
    },
    /// Print completions for a shell
    #[command(
        after_help = "Example:\n  icgate completions bash > ~/.local/share/bash-completion/completions/icgate"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// An action as a workflow pins it: by the whole hash of a commit, since a tag can be moved.
fn pinned_action(text: &str) -> Result<String, String> {
    let is_name = |part: &str| {
        let is_plain = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
        !part.is_empty() && part.chars().all(is_plain)
    };
    let pinned = text.split_once('@').is_some_and(|(repository, commit)| {
        let named = repository.split_once('/');
        named.is_some_and(|(owner, name)| is_name(owner) && is_name(name))
            && commit.len() == 40
            && commit.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    if pinned {
        Ok(text.to_owned())
    } else {
        Err("write owner/name@ and the 40 hex digits of a commit".to_owned())
    }
}

/// What to explain, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct Explaining {
    /// The benchmark's id
    pub(crate) id: String,
    /// Look closely at the functions whose names contain this [default: what explains the change]
    #[arg(long, value_name = "TEXT")]
    pub(crate) function: Option<String>,
    /// Explain this stored run, and measure nothing
    #[arg(long, value_name = "RUN")]
    pub(crate) run: Option<Utf8PathBuf>,
    /// Prove the cause: build base with pieces of the change taken out, and measure this benchmark
    #[arg(long, conflicts_with_all = ["run", "function"])]
    pub(crate) prove: bool,
    /// For how many seconds something may still be built for the proof
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 300,
        requires = "prove"
    )]
    pub(crate) budget: u64,
    /// What to print
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    pub(crate) format: TextOrJson,
}

/// What to prove, and for how long.
#[derive(Debug, Clone, Args)]
pub(crate) struct Proving {
    #[command(flatten)]
    pub(crate) project: Project,
    #[command(flatten)]
    pub(crate) against: Against,
    /// The run.json of every shard, or the folder with the shards' folders [default: the last run]
    #[arg(value_name = "RUN")]
    pub(crate) runs: Vec<Utf8PathBuf>,
    /// For how many seconds something may still be built [default: the policy's `[proof] minutes`]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) budget: Option<u64>,
    #[command(flatten)]
    pub(crate) output: OutputDirectory,
}
