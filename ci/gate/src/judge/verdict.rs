//! Verdicts: how a count moved, what is wrong with its baseline, and what the gate does about it.
//!
//! A verdict has two halves, each a closed type. [`Movement`] compares counts; [`BaselineState`]
//! says what head's tree did with the baseline, or why the counts cannot be judged by it. Programs
//! get both. People are [`Shown`] one of nine words, and a sentence where something is wrong with
//! the baseline.

use serde::{Serialize, Serializer};
use strum::{IntoStaticStr, VariantArray};

use crate::model::exit_code::ExitCode;
use crate::model::policy::OnImprovement;

/// How the count moved against base.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Movement {
    /// The same count.
    Unchanged,
    /// Another count, by no more than the limit.
    WithinLimit,
    /// Better by more than the limit.
    Improved,
    /// Worse by more than the limit.
    Regressed,
}

/// What became of the baseline, or what is wrong with it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum BaselineState {
    /// As on base.
    Kept,
    /// Updated to what was measured, with a reason where one is needed.
    Accepted,
    /// New, with its benchmark.
    Added,
    /// Gone, with its benchmark, and with a reason.
    Removed,
    /// As on base, whose own code has left it by more than the limit; this change has not left base.
    StaleOnBase,
    /// As on base, though the count is better by more than the limit.
    ImprovementNotRecorded,
    /// Updated to a worse count, or removed, without saying why.
    ReasonMissing,
    /// Updated to something that was not measured.
    BaselineMismatch,
    /// A benchmark without a baseline.
    NoBaseline,
    /// A baseline without its benchmark.
    BenchmarkMissing,
    /// The benchmark moves by more than its limit when nothing changed.
    Noisy,
    /// The benchmark measures next to nothing.
    Empty,
    /// Recorded again in another measurement environment than base's. It says what was measured,
    /// but what the code did is not known until base is measured there too.
    Rebaselined,
    /// Recorded in another measurement environment than the run.
    NotComparable,
}

/// What is decided for one benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Verdict {
    /// How the count moved; `None` if there is no count that it can be compared with.
    pub movement: Option<Movement>,
    /// What became of the baseline.
    pub baseline: BaselineState,
}

/// What people are shown of a verdict: how the count moved, or what became of the benchmark. What is
/// wrong with a baseline is a sentence beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Shown {
    /// The same count.
    Unchanged,
    /// Another count, by no more than the limit.
    WithinLimit,
    /// Better by more than the limit.
    Improved,
    /// Worse by more than the limit.
    Regressed,
    /// Moved, and the new baseline says so.
    Accepted,
    /// Base does not have the benchmark.
    New,
    /// Head does not have the benchmark.
    Removed,
    /// Its baseline was changed to what was not measured.
    BaselineMismatch,
    /// There is no count that it could be compared with.
    NotComparable,
}

/// What the gate does, from mild to severe.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// No regression, and every baseline is up to date.
    Pass,
    /// A baseline has to be updated.
    BaselineOutOfDate,
    /// A benchmark executes more instructions than its limit allows.
    Regressed,
    /// There was nothing to compare with.
    NotComparable,
    /// Some benchmarks could not be measured.
    NotMeasured,
}

impl Outcome {
    /// The word in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// The process's exit code.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Pass => ExitCode::Pass,
            Self::Regressed => ExitCode::Regression,
            Self::NotMeasured => ExitCode::NotMeasured,
            Self::NotComparable => ExitCode::NotComparable,
            Self::BaselineOutOfDate => ExitCode::BaselineOutOfDate,
        }
        .code()
    }
}

impl Movement {
    /// The word in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.into()
    }
}

impl BaselineState {
    /// The word in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.into()
    }
}

impl Shown {
    /// The word, with blanks: `within limit`.
    #[must_use]
    pub fn word(self) -> String {
        <&str>::from(self).replace('_', " ")
    }
}

impl Verdict {
    /// The count is base's, and so is the baseline.
    pub const UNCHANGED: Self = Self::new(Movement::Unchanged, BaselineState::Kept);
    /// The count moved by no more than the limit, and the baseline is base's.
    pub const WITHIN_LIMIT: Self = Self::new(Movement::WithinLimit, BaselineState::Kept);
    /// The count is better than the baseline by more than the limit.
    pub const IMPROVED: Self = Self::new(Movement::Improved, BaselineState::ImprovementNotRecorded);
    /// The count is worse than base by more than the limit, and nobody accepted it.
    pub const REGRESSED: Self = Self::new(Movement::Regressed, BaselineState::Kept);

    /// The verdict of a count that could be compared.
    #[must_use]
    pub const fn new(movement: Movement, baseline: BaselineState) -> Self {
        Self {
            movement: Some(movement),
            baseline,
        }
    }

    /// The verdict where there is no count to compare with.
    #[must_use]
    pub const fn without_movement(baseline: BaselineState) -> Self {
        Self {
            movement: None,
            baseline,
        }
    }

    /// What people are shown.
    #[must_use]
    pub const fn shown(self) -> Shown {
        use BaselineState as State;
        match (self.baseline, self.movement) {
            (State::Accepted, _) => Shown::Accepted,
            (State::BaselineMismatch, _) => Shown::BaselineMismatch,
            (State::Added | State::NoBaseline, _) => Shown::New,
            (State::Removed | State::BenchmarkMissing, _) | (State::ReasonMissing, None) => {
                Shown::Removed
            }
            (State::Noisy | State::Empty | State::Rebaselined | State::NotComparable, _)
            | (State::Kept | State::StaleOnBase | State::ImprovementNotRecorded, None) => {
                Shown::NotComparable
            }
            (_, Some(Movement::Unchanged)) => Shown::Unchanged,
            (_, Some(Movement::WithinLimit)) => Shown::WithinLimit,
            (_, Some(Movement::Improved)) => Shown::Improved,
            (_, Some(Movement::Regressed)) => Shown::Regressed,
        }
    }

    /// The one word of programs: the movement where nothing is wrong with the baseline, else its state.
    #[must_use]
    pub fn word(self) -> &'static str {
        match (self.baseline, self.movement) {
            (BaselineState::Kept | BaselineState::ImprovementNotRecorded, Some(movement)) => {
                movement.word()
            }
            (baseline, _) => baseline.word(),
        }
    }

    /// What the verdict of one benchmark means for the gate.
    #[must_use]
    pub const fn outcome(self, on_improvement: OnImprovement) -> Outcome {
        match self.baseline {
            BaselineState::Kept => match self.movement {
                Some(Movement::Unchanged | Movement::WithinLimit) => Outcome::Pass,
                Some(Movement::Regressed) => Outcome::Regressed,
                // Never decided so; what cannot be judged does not pass.
                Some(Movement::Improved) | None => Outcome::BaselineOutOfDate,
            },
            BaselineState::Accepted
            | BaselineState::Added
            | BaselineState::Removed
            | BaselineState::StaleOnBase => Outcome::Pass,
            BaselineState::ImprovementNotRecorded => match on_improvement {
                OnImprovement::Fail => Outcome::BaselineOutOfDate,
                OnImprovement::Notice => Outcome::Pass,
            },
            BaselineState::ReasonMissing
            | BaselineState::BaselineMismatch
            | BaselineState::NoBaseline
            | BaselineState::BenchmarkMissing
            | BaselineState::Noisy
            | BaselineState::Empty => Outcome::BaselineOutOfDate,
            BaselineState::Rebaselined | BaselineState::NotComparable => Outcome::NotComparable,
        }
    }
}

impl Serialize for Verdict {
    /// As its word; a report's row has both halves beside it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}
