//! One verb each; here they are told apart, and what goes wrong is printed.

mod ab;
mod bisect;
mod build;
mod check;
mod compare;
mod confirm;
mod doctor;
mod exit_code;
mod explain;
mod failures;
mod history;
mod init;
mod list;
mod measure;
mod merge;
mod migrate;
mod prove;
#[cfg(feature = "github")]
mod publish;
mod report;
mod second_proof;
mod selftest;
mod update;
mod verify;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::args::{Cli, Command};
use crate::error::CliError;
use crate::process;

/// Reads the command line and does what it says.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    process::install();
    let code = run(&cli.command);
    ExitCode::from(code.unwrap_or_else(|error| {
        failures::print_error(&error);
        error.exit_code().code()
    }))
}

/// Calls the verb of a command; a verb returns its exit code.
fn run(command: &Command) -> Result<u8, CliError> {
    match command {
        Command::Check {
            project,
            measuring,
            stored,
            sharding,
            against,
            output,
            fail_on,
        } => {
            let measuring = (measuring, stored);
            check::check(project, measuring, sharding, against, (output, *fail_on))
        }
        Command::Build {
            project,
            against,
            output,
        } => build::build(project, against, output),
        Command::Measure {
            project,
            measuring,
            sharding,
            output,
            harness_output,
        } => measure::measure(project, measuring, sharding, output, *harness_output),
        Command::Compare {
            run,
            scope,
            project,
            against,
            output,
        } => compare::compare(run, scope, project, against, output),
        Command::Merge {
            runs,
            scope,
            project,
            against,
            output,
            measured,
            fail_on,
        } => merge::merge(runs, scope, project, against, output, (measured, *fail_on)),
        #[cfg(feature = "github")]
        Command::Publish { publishing } => publish::publish(publishing),
        #[cfg(not(feature = "github"))]
        Command::Publish { .. } => Err(CliError::NoPublish),
        Command::Update {
            project,
            measuring,
            against,
            output,
            from,
            reason,
        } => match from.as_slice() {
            [] => update::update(project, measuring, against, output, reason.as_deref()),
            runs => update::update_from(runs, project, against, reason.as_deref()),
        },
        Command::Ab {
            revision,
            project,
            measuring,
            output,
        } => ab::ab(revision, project, measuring, output),
        Command::Selftest {
            project,
            injections,
            write,
        } => selftest::selftest(project, injections.as_deref(), write.as_deref()),
        Command::Verify {
            project,
            measuring,
            rounds,
        } => verify::verify(project, measuring, *rounds),
        Command::Report {
            run,
            project,
            against,
            output,
        } => report::report(run.as_deref(), project, against, output),
        Command::History {
            project,
            patterns,
            since,
            format,
        } => history::history(project, patterns, since.as_deref(), *format),
        Command::List { project, patterns } => list::list(project, patterns),
        Command::Explain {
            project,
            against,
            explaining,
        } => explain::explain(project, against, explaining),
        Command::Prove(proving) => prove::prove_run(proving),
        Command::Bisect { project, asked } => bisect::bisect(project, asked),
        Command::Doctor { project } => doctor::doctor(project),
        Command::Migrate { project } => migrate::migrate(project),
        Command::Init { project, action } => init::init(project, action.as_deref()),
        Command::Completions { shell } => {
            print_completions(*shell);
            Ok(0)
        }
    }
}

/// `icgate completions`: what a shell reads to complete icgate's command line.
fn print_completions(shell: clap_complete::Shell) {
    let mut command = Cli::command();
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, "icgate", &mut text);
    // Whoever closes the pipe has read enough.
    let _ = std::io::stdout().write_all(&text);
}
