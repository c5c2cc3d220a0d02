//! Signals: the facts of a benchmark, reduced to the columns of the decision table.

use std::cmp::Ordering;

use super::EMPTY_INSTRUCTIONS_MAX;
use super::verdict::Movement;
use crate::compare::Facts;
use crate::model::baseline::Accepted;
use crate::model::metric::{Metric, Metrics};
use crate::model::policy::Limit;

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measured {
    /// Nothing at all.
    Absent,
    /// At most [`EMPTY_INSTRUCTIONS_MAX`].
    Tiny,
    Count,
}

/// Which of base and head's tree have a baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    Nowhere,
    BaseOnly,
    HeadOnly,
    /// Both, and they say the same.
    Same,
    /// Both, and they differ.
    Edited,
}

/// Where head's baseline was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recorded {
    /// In the run's measurement environment.
    Here,
    /// In another one.
    Elsewhere,
    /// Here, while base's was recorded elsewhere and base was not measured here.
    Again,
}

/// How far the benchmark moves when nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noise {
    /// By no more than the limit.
    BelowLimit,
    /// By more than the limit.
    AboveLimit,
    /// By more than the limit; but the count is worse by more than noise and limit together.
    Exceeded,
}

/// Whether head's baseline, where it does not repeat base's, says what was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    Matches,
    Differs,
}

/// Whether head's baseline gives a reason of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Given,
    NotGiven,
}

/// Whether head is off base's baseline by more than the limit while it is not off base's own code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    OnBaseline,
    OffBaseline,
}

/// The facts of one benchmark and metric, reduced to the columns of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signals {
    pub(super) measured: Measured,
    pub(super) listed: Listed,
    pub(super) recorded: Recorded,
    pub(super) noise: Noise,
    pub(super) claim: Claim,
    /// How head moved against base (against the committed baseline where base has none).
    pub(super) movement: Movement,
    pub(super) reason: Reason,
    pub(super) base: Base,
}

impl Signals {
    pub(super) fn new(facts: &Facts<'_>, metric: Metric, limit: Limit) -> Self {
        let counts = Counts::of(facts, metric);
        let count = |metrics: &Metrics| metrics.get(&metric).copied().unwrap_or(0);
        let measured = facts.measured.map(|it| count(&it.metrics));
        let head = measured.unwrap_or(0);
        let listed = match (counts.base, counts.committed) {
            (None, None) => Listed::Nowhere,
            (Some(_), None) => Listed::BaseOnly,
            (None, Some(_)) => Listed::HeadOnly,
            (Some(base), Some(committed)) if base == committed => Listed::Same,
            (Some(_), Some(_)) => Listed::Edited,
        };
        let from_baseline = counts.base.or(counts.committed).unwrap_or(0);
        let whole = movement(from_baseline, head, limit);
        // Where head's tree keeps base's baseline, its author answers for what was not on base
        // already; and there is a gain to record only if the baseline has it too.
        let (from, own) = match counts.base_run {
            Some(from) if listed == Listed::Same => match movement(from, head, limit) {
                Movement::Improved if whole != Movement::Improved => (from, Movement::WithinLimit),
                own => (from, own),
            },
            _ => (from_baseline, whole),
        };
        let is_beyond = |it| matches!(it, Movement::Improved | Movement::Regressed);
        let is_drifted = is_beyond(whole) && !is_beyond(own);
        Self {
            measured: match facts.measured {
                None => Measured::Absent,
                Some(it) if it.instructions() <= EMPTY_INSTRUCTIONS_MAX => Measured::Tiny,
                Some(_) => Measured::Count,
            },
            listed,
            recorded: counts.recorded,
            noise: noise(facts, metric, limit, (from, head)),
            claim: counts.claim,
            movement: own,
            reason: if gives_new_reason(facts) {
                Reason::Given
            } else {
                Reason::NotGiven
            },
            base: if is_drifted {
                Base::OffBaseline
            } else {
                Base::OnBaseline
            },
        }
    }
}

/// How the benchmark's noise compares with its limit, and with how far head is from base.
///
/// Noise excuses nothing that exceeds it. It is known of instructions only, so of another metric's
/// change nothing is known to exceed it.
fn noise(facts: &Facts<'_>, metric: Metric, limit: Limit, (base, head): (u64, u64)) -> Noise {
    let is_above = facts.committed.is_some_and(|accepted| {
        let count = accepted.instructions();
        limit.is_exceeded(count, count.saturating_add(facts.noise()))
    });
    let least = head.saturating_sub(facts.noise());
    let is_exceeded =
        metric == Metric::Instructions && movement(base, least, limit) == Movement::Regressed;
    match (is_above, is_exceeded) {
        (false, _) => Noise::BelowLimit,
        (true, false) => Noise::AboveLimit,
        (true, true) => Noise::Exceeded,
    }
}

/// What base and head's tree count as saying of one metric.
///
/// A baseline of another measurement environment says nothing about this one. Where base was
/// measured in this environment, its count replaces base's baseline, and head's as well if that only
/// repeats base's.
struct Counts {
    base: Option<u64>,
    committed: Option<u64>,
    /// Base's code, as measured in this measurement environment.
    base_run: Option<u64>,
    recorded: Recorded,
    claim: Claim,
}

impl Counts {
    fn of(facts: &Facts<'_>, metric: Metric) -> Self {
        let count = |metrics: &Metrics| metrics.get(&metric).copied().unwrap_or(0);
        let base_run_as_baseline = facts.base_run_as_baseline();
        let repeated =
            !facts.comparable && base_run_as_baseline.is_some() && facts.committed == facts.base;
        let base = facts.base.filter(|_| !facts.rebaselined);
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
            base_run: facts.base_run.map(|it| count(&it.metrics)),
            recorded: match facts.comparable || repeated {
                false => Recorded::Elsewhere,
                true if facts.rebaselined && base_run_as_baseline.is_none() => Recorded::Again,
                true => Recorded::Here,
            },
            claim: if repeated || says_what_was_measured(facts, base_count, metric) {
                Claim::Matches
            } else {
                Claim::Differs
            },
        }
    }
}

/// Whether head's tree says why, in other words than base did; of what is not there, why it was
/// removed.
fn gives_new_reason(facts: &Facts<'_>) -> bool {
    fn reason(accepted: Option<&Accepted>) -> Option<&str> {
        let reason = accepted.and_then(|it| it.reason.as_deref());
        reason.filter(|text| !text.trim().is_empty())
    }
    if facts.measured.is_none() {
        return facts.removal.is_some();
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
    let base = facts.base.filter(|_| !facts.rebaselined);
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
        (Ordering::Equal, _) => Movement::Unchanged,
        (_, false) => Movement::WithinLimit,
        (Ordering::Less, true) => Movement::Improved,
        (Ordering::Greater, true) => Movement::Regressed,
    }
}
