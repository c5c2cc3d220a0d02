//! The exit codes: how scripts and CI learn what happened.
//!
//! The numbers are part of the interface: `--help`, the README and the action's documentation list
//! them, and a test compares the README with this.

/// How a process of icgate ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::VariantArray)]
#[repr(u8)]
pub enum ExitCode {
    /// Nothing regressed; or the verb gives no verdict and has done its work.
    Pass = 0,
    /// A count, or its drift, exceeds the limit.
    Regression = 1,
    /// The command line, a policy, a baseline or a run cannot be used.
    Usage = 2,
    /// Something could not be measured.
    NotMeasured = 3,
    /// The baselines come from another measurement environment.
    NotComparable = 4,
    /// A baseline does not match what was measured.
    BaselineOutOfDate = 5,
    /// There is a verdict, and GitHub could not be updated.
    NotPublished = 6,
    /// Ctrl-C or SIGTERM: 128 + SIGINT, as shells report it.
    Interrupted = 130,
}

impl ExitCode {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What it means, in a line of `--help` and of the README's table.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Regression => "regression, or drift beyond its limit",
            Self::Usage => "usage or configuration",
            Self::NotMeasured => "something could not be measured",
            Self::NotComparable => "not comparable",
            Self::BaselineOutOfDate => "a baseline is out of date",
            Self::NotPublished => "could not publish to GitHub",
            Self::Interrupted => "interrupted",
        }
    }
}
