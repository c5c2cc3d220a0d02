//! Errors on standard error: what went wrong, why, and what to do.

use std::collections::BTreeSet;

use icgate_core::model::exit_code::ExitCode;

use crate::error::{CliError, fix};
use crate::io::output;
use crate::measure::Failure;

/// Prints an error with its causes and its remedy.
pub(super) fn print_error(error: &CliError) {
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
    if let Some(fix) = fix(error) {
        output::complain(format_args!("fix: {fix}"));
    }
}

/// Prints what could not be measured, and gives the exit code for it.
pub(super) fn print_failures(failures: &[Failure]) -> Option<u8> {
    for Failure { id, error } in failures {
        output::complain(format_args!("icgate: cannot measure `{id}`: {error}"));
    }
    print_remedies(failures);
    (!failures.is_empty()).then_some(ExitCode::NotMeasured.code())
}

/// Prints what to do about benchmarks that could not be measured, each remedy once.
pub(super) fn print_remedies(failures: &[Failure]) {
    let remedies: BTreeSet<String> = failures
        .iter()
        .filter_map(|failure| fix(&failure.error))
        .collect();
    for fix in remedies {
        output::complain(format_args!("fix: {fix}"));
    }
}
