//! The exit code of a report, where some of what it may say only warns.

use icgate_core::report::Report;

use crate::args::FailOn;

/// The exit code of `report` under `fail_on`.
pub(super) const fn exit_code(report: &Report, fail_on: FailOn) -> u8 {
    match (fail_on, report.exit_code) {
        (FailOn::Error, 1 | 5) | (FailOn::NotMeasured, 1 | 4 | 5) => 0,
        (_, code) => code,
    }
}
