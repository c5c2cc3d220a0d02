//! One verb each; here they are told apart, and what goes wrong is printed.

mod ab;
mod build;
mod check;
mod compare;
mod confirm;
mod doctor;
mod explain;
mod history;
mod init;
pub(crate) mod judge;
mod list;
mod measure;
mod merge;
mod migrate;
#[cfg(feature = "github")]
mod publish;
mod report;
mod runs;
mod selftest;
mod update;
mod verify;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use icgate_core::report::Report;

use crate::args::{Cli, Command, FailOn};
use crate::error::{CliError, MEASURING};
use crate::io::output;
use crate::measure::Failure;
use crate::process;

/// Reads the command line and does what it says.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    process::install();
    let code = match &cli.command {
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
            plants,
            write,
        } => selftest::selftest(project, plants.as_deref(), write.as_deref()),
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
        Command::Doctor { project } => doctor::doctor(project),
        Command::Migrate { project } => migrate::migrate(project),
        Command::Init { project, action } => init::init(project, action.as_deref()),
        Command::Completions { shell } => {
            print_completions(*shell);
            Ok(0)
        }
    };
    ExitCode::from(code.unwrap_or_else(|error| {
        print_error(&error);
        error.exit_code()
    }))
}

/// `icgate completions`: what a shell reads to complete icgate's command line.
fn print_completions(shell: clap_complete::Shell) {
    let mut command = Cli::command();
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, "icgate", &mut text);
    // Whoever closes the pipe has read enough.
    let _ = std::io::stdout().write_all(&text);
}

fn print_error(error: &CliError) {
    output::complain(format_args!("icgate: {error}"));
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        // Most messages quote their cause already.
        let text = source.to_string();
        if !error.to_string().contains(&text) {
            output::complain(format_args!("  because {text}"));
        }
        cause = source.source();
    }
    if let Some(fix) = error.fix() {
        output::complain(format_args!("fix: {fix}"));
    }
}

/// Prints what could not be measured, and gives the exit code for it.
fn print_failures(failures: &[Failure]) -> Option<u8> {
    for Failure { id, error } in failures {
        output::complain(format_args!("icgate: cannot measure `{id}`: {error}"));
    }
    print_remedies(failures);
    (!failures.is_empty()).then_some(MEASURING)
}

/// Prints what to do about benchmarks that could not be measured, each remedy once.
fn print_remedies(failures: &[Failure]) {
    let remedies: BTreeSet<String> = failures
        .iter()
        .filter_map(|failure| failure.error.fix())
        .collect();
    for fix in remedies {
        output::complain(format_args!("fix: {fix}"));
    }
}

/// The exit code of a report, where some of what it may say only warns.
const fn exit_code(report: &Report, fail_on: FailOn) -> u8 {
    match (fail_on, report.exit_code) {
        (FailOn::Error, 1 | 5) | (FailOn::NotMeasured, 1 | 4 | 5) => 0,
        (_, code) => code,
    }
}
