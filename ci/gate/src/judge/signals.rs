//! Signals: the facts of a benchmark, reduced to what the decision table asks.

use super::{TABLE, VACUOUS_INSTRUCTIONS_MAX, Verdict};
use crate::compare::Facts;
use crate::model::baseline::Accepted;
use crate::model::metric::{Metric, Metrics};
use crate::model::policy::Limit;

/// What the table asks about the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measured {
    Absent,
    Vacuous,
    Counted,
}

/// What the table asks about the baselines of base and of head's tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    Nowhere,
    BaseOnly,
    CommittedOnly,
    Same,
    Edited,
}

/// How the measurement moved against base (against the committed baseline where base has none).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Movement {
    Still,
    WorseWithin,
    WorseBeyond,
    BetterWithin,
    BetterBeyond,
}

/// The facts of one benchmark and metric, reduced to what the table asks.
#[expect(
    clippy::struct_excessive_bools,
    reason = "the columns of a decision table"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signals {
    pub(super) measured: Measured,
    pub(super) listed: Listed,
    pub(super) comparable: bool,
    pub(super) rerecorded: bool,
    pub(super) noisy: bool,
    /// What head's tree says again, if anything, is what was measured.
    pub(super) true_baseline: bool,
    pub(super) reasoned: bool,
    pub(super) movement: Movement,
    /// Further from base's baseline than the limit, but not from base itself.
    pub(super) drifted: bool,
}

impl Signals {
    pub(super) fn new(facts: &Facts<'_>, metric: Metric, limit: Limit) -> Self {
        let standing = Standing::of(facts, metric);
        let (base, committed) = (standing.base, standing.committed);
        let head = facts
            .measured
            .map(|it| it.metrics.get(&metric).copied().unwrap_or(0));
        let vacuous = facts
            .measured
            .is_some_and(|it| it.instructions() <= VACUOUS_INSTRUCTIONS_MAX);
        let listed = match (base, committed) {
            (None, None) => Listed::Nowhere,
            (Some(_), None) => Listed::BaseOnly,
            (None, Some(_)) => Listed::CommittedOnly,
            (Some(base), Some(committed)) if base == committed => Listed::Same,
            (Some(_), Some(_)) => Listed::Edited,
        };
        let moved_from =
            |count: Option<u64>| movement(count.unwrap_or(0), head.unwrap_or(0), limit);
        let whole = moved_from(base.or(committed));
        // Where head's tree says nothing new, its author answers for what was not on base already;
        // and a gain is there to be banked only if the baseline has it too.
        let own = match standing.base_run {
            Some(_) if listed == Listed::Same => match moved_from(standing.base_run) {
                Movement::BetterBeyond if whole != Movement::BetterBeyond => Movement::BetterWithin,
                own => own,
            },
            _ => whole,
        };
        Self {
            measured: match head {
                None => Measured::Absent,
                Some(_) if vacuous => Measured::Vacuous,
                Some(_) => Measured::Counted,
            },
            listed,
            comparable: standing.comparable,
            rerecorded: standing.rerecorded,
            noisy: facts.committed.is_some_and(|accepted| {
                let count = accepted.instructions();
                limit.is_exceeded(count, count.saturating_add(facts.noise()))
            }),
            true_baseline: standing.true_baseline,
            reasoned: gives_new_reason(facts),
            movement: own,
            drifted: whole.is_beyond() && !own.is_beyond(),
        }
    }

    pub(super) fn verdict(self) -> Verdict {
        let row = TABLE.iter().find(|row| (row.when)(self));
        row.expect("the table has a row for every combination, as its test shows")
            .verdict
    }

    /// Head's tree has a baseline for it.
    pub(super) fn is_listed(self) -> bool {
        matches!(
            self.listed,
            Listed::CommittedOnly | Listed::Same | Listed::Edited
        )
    }

    /// Measured, listed in head's tree, and judgeable against it.
    pub(super) fn sound(self) -> bool {
        self.measured == Measured::Counted && self.is_listed() && self.comparable && !self.noisy
    }

    /// Head's tree says something new, and it is what was measured.
    pub(super) fn proven(self) -> bool {
        self.sound() && self.listed == Listed::Edited && self.true_baseline
    }

    /// Head's tree says what base says.
    pub(super) fn untouched(self) -> bool {
        self.sound() && self.listed == Listed::Same && self.true_baseline
    }
}

/// What base and head's tree are taken to say of one metric.
///
/// A baseline of another measurement environment says nothing about this one. Where base was measured in this
/// measurement environment, what was measured stands in for it; and for head's tree as well, if that only repeats
/// what base says.
struct Standing {
    base: Option<u64>,
    committed: Option<u64>,
    /// Base's code, as measured in this measurement environment.
    base_run: Option<u64>,
    comparable: bool,
    rerecorded: bool,
    true_baseline: bool,
}

impl Standing {
    fn of(facts: &Facts<'_>, metric: Metric) -> Self {
        let count = |metrics: &Metrics| metrics.get(&metric).copied().unwrap_or(0);
        let base_run = facts.base_run.map(|it| count(&it.metrics));
        let base_run_as_baseline = facts.base_run_as_baseline();
        let repeated =
            !facts.comparable && base_run_as_baseline.is_some() && facts.committed == facts.base;
        let base = facts.base.filter(|_| !facts.rerecorded);
        let base_count = match base_run_as_baseline {
            Some(measured) => Some(count(&measured.metrics)),
            None => base.map(|it| count(&it.metrics)),
        };
        Self {
            base: base_count,
            committed: match facts.committed {
                Some(_) if repeated => base_count,
                committed => committed.map(|it| count(&it.metrics)),
            },
            base_run,
            comparable: facts.comparable || repeated,
            rerecorded: facts.rerecorded && base_run_as_baseline.is_none(),
            true_baseline: repeated || says_what_was_measured(facts, base_count, metric),
        }
    }
}

/// Whether head's tree says why, in other words than base did.
fn gives_new_reason(facts: &Facts<'_>) -> bool {
    fn reason(accepted: Option<&Accepted>) -> Option<&str> {
        let reason = accepted.and_then(|it| it.reason.as_deref());
        reason.filter(|text| !text.trim().is_empty())
    }
    let given = reason(facts.committed);
    given.is_some() && given != reason(facts.base)
}

/// Whether head's tree, where it says anything but what base says, says what was measured: the
/// count, and the functions behind it, which later causes are told from.
///
/// A noise counts once base has it, and for instructions only: an edit must not bring its own
/// slack. The functions of a benchmark that moves by itself differ each time.
fn says_what_was_measured(facts: &Facts<'_>, base_count: Option<u64>, metric: Metric) -> bool {
    let (Some(committed), Some(measured)) = (facts.committed, facts.measured) else {
        return false;
    };
    let count = |metrics: &Metrics| metrics.get(&metric).copied().unwrap_or(0);
    let base = facts.base.filter(|_| !facts.rerecorded);
    let noise = base.map_or(0, |it| {
        if metric == Metric::Instructions {
            it.noise
        } else {
            0
        }
    });
    let as_base = base_count == Some(count(&committed.metrics));
    let as_measured = count(&committed.metrics).abs_diff(count(&measured.metrics)) <= noise;
    let base_functions = match facts.base_run_as_baseline() {
        Some(measured) => Some(measured.functions.condensed()),
        None => base.map(|it| it.functions.clone()),
    };
    let functions = noise > 0
        || base_functions.as_ref() == Some(&committed.functions)
        || committed.functions == measured.functions.condensed();
    (as_base || as_measured) && functions
}

fn movement(base: u64, head: u64, limit: Limit) -> Movement {
    match (head.cmp(&base), limit.is_exceeded(base, head)) {
        (std::cmp::Ordering::Equal, _) => Movement::Still,
        (std::cmp::Ordering::Greater, false) => Movement::WorseWithin,
        (std::cmp::Ordering::Greater, true) => Movement::WorseBeyond,
        (std::cmp::Ordering::Less, false) => Movement::BetterWithin,
        (std::cmp::Ordering::Less, true) => Movement::BetterBeyond,
    }
}

impl Movement {
    /// Further than the limit allows.
    const fn is_beyond(self) -> bool {
        matches!(self, Self::WorseBeyond | Self::BetterBeyond)
    }
}
