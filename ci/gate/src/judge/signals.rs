//! Signals: the facts of a benchmark, reduced to the columns of the decision table.

use std::cmp::Ordering;

use super::EMPTY_INSTRUCTIONS_MAX;
use super::verdict::Movement;
use crate::compare::Facts;
use crate::model::baseline::Accepted;
use crate::model::metric::{Metric, Metrics, fetch_cycles};
use crate::model::policy::Limit;
use crate::model::run::Measurement;

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measured {
    /// Nothing at all.
    Absent,
    /// At most [`EMPTY_INSTRUCTIONS_MAX`], which nobody has accepted.
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
        let counts = Counts::of(facts, metric, limit);
        let measured = facts.measured.and_then(|it| count(&it.metrics, metric));
        let head = measured.unwrap_or(0);
        let listed = match (counts.base, counts.committed) {
            (None, None) => Listed::Nowhere,
            (Some(_), None) if counts.is_left_out => Listed::Edited,
            (Some(_), None) => Listed::BaseOnly,
            (None, Some(_)) => Listed::HeadOnly,
            (Some(base), Some(committed)) if base == committed => Listed::Same,
            (Some(_), Some(_)) => Listed::Edited,
        };
        let from_baseline = counts.base.or(counts.committed).unwrap_or(0);
        let movement = |base, head| {
            let beyond = beyond_layout(facts, metric, base, head);
            movement(base, head, limit.is_exceeded(base, beyond))
        };
        let whole = movement(from_baseline, head);
        // Where head's tree keeps base's baseline, its author answers for what was not on base
        // already; and there is a gain to record only if the baseline has it too.
        let (from, own) = match counts.base_run {
            Some(from) if listed == Listed::Same => match movement(from, head) {
                Movement::Improved if whole != Movement::Improved => (from, Movement::WithinLimit),
                own => (from, own),
            },
            _ => (from_baseline, whole),
        };
        let is_beyond = |it| matches!(it, Movement::Improved | Movement::Regressed);
        let is_drifted = is_beyond(whole) && !is_beyond(own);
        Self {
            measured: match facts.measured.filter(|_| measured.is_some()) {
                None => Measured::Absent,
                Some(it) if is_emptied(facts, it) => Measured::Tiny,
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

/// Whether the benchmark measures nothing, and base does not say so of it already, nor head's tree of a
/// new one.
fn is_emptied(facts: &Facts<'_>, measured: &Measurement) -> bool {
    let accepted = facts.base.or(facts.committed);
    let is_empty = |count: u64| count <= EMPTY_INSTRUCTIONS_MAX;
    is_empty(measured.instructions()) && !accepted.is_some_and(|it| is_empty(it.instructions()))
}

/// How the benchmark's noise compares with its limit, and with how far head is from base.
///
/// Noise excuses nothing that exceeds it. A metric that depends on the layout is no worse a witness
/// for moving with it: [`beyond_layout`] takes that off the change.
fn noise(facts: &Facts<'_>, metric: Metric, limit: Limit, (base, head): (u64, u64)) -> Noise {
    if metric.depends_on_layout() {
        return Noise::BelowLimit;
    }
    let noise = facts.noise_of(metric);
    let is_above = facts.committed.is_some_and(|accepted| {
        let count = count(&accepted.metrics, metric).unwrap_or(0);
        limit.is_exceeded(count, count.saturating_add(noise))
    });
    let least = head.saturating_sub(noise);
    let is_exceeded = least > base && limit.is_exceeded(base, least);
    match (is_above, is_exceeded) {
        (false, _) => Noise::BelowLimit,
        (true, false) => Noise::AboveLimit,
        (true, true) => Noise::Exceeded,
    }
}

/// Head's count, nearer to `base` by what the layout of code alone does: its limit is beyond that.
fn beyond_layout(facts: &Facts<'_>, metric: Metric, base: u64, head: u64) -> u64 {
    if !metric.depends_on_layout() {
        return head;
    }
    let fetches = if metric == Metric::EstimatedCycles {
        instruction_fetches(facts)
    } else {
        0
    };
    let noise = facts.noise_of(metric).max(fetches).min(head.abs_diff(base));
    if head > base {
        head - noise
    } else {
        head + noise
    }
}

/// What instruction fetches alone do to cycles: they are not judged by themselves, and not by way of
/// cycles either.
fn instruction_fetches(facts: &Facts<'_>) -> u64 {
    let base = facts.base.or(facts.committed).map(|it| &it.metrics);
    let known = base.into_iter().chain(facts.base_run.map(|it| &it.metrics));
    let measured = facts.measured.map(|it| &it.metrics);
    let of = |known: &Metrics| measured.map_or(0, |it| fetch_cycles(known, it));
    known.map(of).max().unwrap_or(0)
}

/// What these counts say of one metric, if anything.
fn count(metrics: &Metrics, metric: Metric) -> Option<u64> {
    metrics.get(&metric).copied()
}

/// What base and head's tree count as saying of one metric.
///
/// A baseline of another measurement environment says nothing about this one. Where base was
/// measured in this environment, its count replaces base's baseline, and head's as well if that only
/// repeats base's.
struct Counts {
    base: Option<u64>,
    committed: Option<u64>,
    /// Whether head's tree has the benchmark, and says nothing of the metric.
    is_left_out: bool,
    /// Base's code, as measured in this measurement environment.
    base_run: Option<u64>,
    recorded: Recorded,
    claim: Claim,
}

impl Counts {
    fn of(facts: &Facts<'_>, metric: Metric, limit: Limit) -> Self {
        let base_run_as_baseline = facts.base_run_as_baseline();
        let repeated =
            !facts.comparable && base_run_as_baseline.is_some() && facts.committed == facts.base;
        let base = facts.base.filter(|_| !facts.rebaselined);
        let base_count = match base_run_as_baseline {
            Some(measured) => count(&measured.metrics, metric),
            None => base.and_then(|it| count(&it.metrics, metric)),
        };
        let committed = match facts.committed {
            Some(_) if repeated => base_count,
            committed => committed.and_then(|it| count(&it.metrics, metric)),
        };
        let is_left_out = facts.committed.is_some() && committed.is_none();
        Self {
            base: base_count,
            committed,
            is_left_out,
            base_run: facts.base_run.and_then(|it| count(&it.metrics, metric)),
            recorded: match facts.comparable || repeated {
                false => Recorded::Elsewhere,
                true if facts.rebaselined && base_run_as_baseline.is_none() => Recorded::Again,
                true => Recorded::Here,
            },
            claim: if repeated || says_what_was_measured(facts, base_count, metric, limit) {
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
/// A noise counts once base has it: an edit must not bring its own slack. The functions of a
/// benchmark that moves by itself differ each time. A count that depends on the layout may be off by
/// as much as passes unseen in any case: what was recorded is the change alone, and what is measured
/// is the change merged with what others did meanwhile.
fn says_what_was_measured(
    facts: &Facts<'_>,
    base_count: Option<u64>,
    metric: Metric,
    limit: Limit,
) -> bool {
    let (Some(committed), Some(measured)) = (facts.committed, facts.measured) else {
        return false;
    };
    let counts = (
        count(&committed.metrics, metric),
        count(&measured.metrics, metric),
    );
    let (Some(said), Some(found)) = counts else {
        return false;
    };
    let base = facts.base.filter(|_| !facts.rebaselined);
    let noise = base.map_or(0, |it| match metric {
        Metric::Instructions => it.noise,
        _ => count(&it.metric_noise, metric).unwrap_or(0),
    });
    let as_base = base_count == Some(said);
    let as_measured = if metric.depends_on_layout() {
        !limit.is_exceeded(said, beyond_layout(facts, metric, said, found))
    } else {
        said.abs_diff(found) <= noise
    };
    let is_noisy = base.is_some_and(|it| it.noise > 0);
    let of_base = match facts.base_run_as_baseline() {
        Some(measured) => Some(&measured.functions),
        None => base.map(|it| &it.functions),
    };
    let functions = is_noisy
        || of_base.is_some_and(|it| it.costs_like(&committed.functions))
        || measured.functions.costs_like(&committed.functions);
    (as_base || as_measured) && functions
}

fn movement(base: u64, head: u64, is_exceeded: bool) -> Movement {
    match (head.cmp(&base), is_exceeded) {
        (Ordering::Equal, _) => Movement::Unchanged,
        (_, false) => Movement::WithinLimit,
        (Ordering::Less, true) => Movement::Improved,
        (Ordering::Greater, true) => Movement::Regressed,
    }
}
