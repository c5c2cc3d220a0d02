//! One benchmark of a report: what was decided, by which counts, and where its change comes from.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cause_metric;
use super::history::Trend;
use super::proven::RowProof;
use crate::attribute::diff::ChangedLines;
use crate::attribute::reach::Reach;
use crate::attribute::{Attribution, Culprit, Origin, attribute, culprits, reach as reach_of};
use crate::compare::Facts;
use crate::judge::{BaselineState, Judgement, Movement, Outcome, Verdict};
use crate::model::bench_id::BenchId;
use crate::model::metric::{Metric, Metrics};
use crate::model::policy::{Limit, PartsPerMillion, Policy, share_of};

/// At most this many culprits are named for a benchmark.
const CULPRITS_MAX: usize = 3;

/// One benchmark of a report.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Which benchmark.
    pub id: BenchId,
    /// What was decided, in one word.
    pub verdict: Verdict,
    /// How the count moved; `None` if there is no count that it can be compared with.
    pub movement: Option<Movement>,
    /// What became of the baseline, or what is wrong with it.
    pub baseline: BaselineState,
    /// What that means for the gate.
    pub outcome: Outcome,
    /// The metric that decided it.
    pub metric: Metric,
    /// Its count in base, else in the committed baseline.
    pub base: Option<u64>,
    /// Its count in the committed baseline of head's tree, where that differs from base's.
    pub committed: Option<u64>,
    /// Its measured count.
    pub head: Option<u64>,
    /// The change from base to head in parts per million, rounded away from zero; `None` without
    /// one of them, or from zero.
    pub change: Option<i64>,
    /// The count of base's own code, where that was measured in the run's measurement environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_run: Option<BaseRunChange>,
    /// The limit that applied, in parts per million.
    pub limit: u64,
    /// Smaller changes than this pass in any case.
    pub limit_min_change: u64,
    /// What it is called now, or was called in base, where its counts show that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_name: Option<BenchId>,
    /// Whether it passes only because so small a change does: its share exceeds the limit.
    #[serde(skip_serializing_if = "is_false")]
    pub passed_by_min_change: bool,
    /// How far the metric moves when nothing changed.
    pub noise: u64,
    /// Why a worsening was accepted.
    pub reason: Option<String>,
    /// All other metrics, base and head.
    pub metrics: BTreeMap<Metric, (Option<u64>, Option<u64>)>,
    /// What the causes are told by: the metric that decided, or what it is made of, or instructions
    /// where no function's share of it is known.
    pub cause_metric: Metric,
    /// Where the change of that comes from.
    pub attribution: Attribution,
    /// The functions that explain most of it, with the line to look at.
    pub culprits: Vec<Culprit>,
    /// Whether the diff can have moved it; `None` where it is not known what was changed.
    pub reach: Option<Reach>,
    /// What kind of thing moved it, if anything did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What was proven of it by building head without pieces of the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<RowProof>,
    /// How its accepted count moved, as far as git was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trend: Option<Trend>,
}

/// Base's own code beside its baseline and beside head, in the metric that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BaseRunChange {
    /// What it counts in the run's measurement environment.
    pub count: u64,
    /// How far base has left its baseline, in parts per million: what was on base already, or, if
    /// the baseline is of another measurement environment, what the toolchain does.
    pub before: Option<i64>,
    /// How far head has left base.
    pub own: Option<i64>,
    /// Whether base's baseline is of another measurement environment.
    pub other_environment: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
const fn is_false(it: &bool) -> bool {
    !*it
}

impl Row {
    /// Whether someone has to do something about it.
    #[must_use]
    pub fn fails(&self) -> bool {
        self.outcome != Outcome::Pass
    }

    /// Whether its count is another than base's.
    #[must_use]
    pub fn has_moved(&self) -> bool {
        let counts = self.base.zip(self.head);
        counts.is_some_and(|(base, head)| base != head)
    }

    /// Whether it costs more than base does, and the new baseline accepts that.
    #[must_use]
    pub fn is_accepted_cost(&self) -> bool {
        self.baseline == BaselineState::Accepted && self.change.is_none_or(|change| change > 0)
    }

    /// The limit as a share.
    #[must_use]
    pub const fn limit_share(&self) -> PartsPerMillion {
        PartsPerMillion(self.limit)
    }
}

/// The row of a benchmark.
pub(super) fn row(judgement: &Judgement<'_>, policy: &Policy, changed: &ChangedLines) -> Row {
    let Judgement {
        facts,
        verdict,
        metric,
        limit,
    } = judgement;
    let accepted = facts.base.or(facts.committed);
    let count = |metrics: Option<&Metrics>| metrics.and_then(|it| it.get(metric).copied());
    let in_baseline = count(accepted.map(|it| &it.metrics));
    let base = match facts.base_run_as_baseline() {
        Some(measured) => count(Some(&measured.metrics)),
        None => in_baseline,
    };
    let committed =
        count(facts.committed.map(|it| &it.metrics)).filter(|count| base != Some(*count));
    let head = count(facts.measured.map(|it| &it.metrics));
    let base_run = count(facts.base_run.map(|it| &it.metrics)).map(|measured| BaseRunChange {
        count: measured,
        before: in_baseline.and_then(|base| change(base, measured)),
        own: head.and_then(|head| change(measured, head)),
        other_environment: facts.base_run_as_baseline().is_some(),
    });
    // Counts of two environments have no difference that a cause could be named for.
    let is_comparable = !matches!(
        verdict.baseline,
        BaselineState::NotComparable | BaselineState::Rebaselined
    );
    let (cause_metric, attribution, culprits) = if is_comparable {
        causes(facts, *metric, changed)
    } else {
        (*metric, Attribution::default(), Vec::new())
    };
    let reach = facts.measured.filter(|_| base != head && is_comparable);
    let reach = reach.and_then(|measured| reach_of(measured, changed));
    let metrics = Metric::ALL
        .into_iter()
        .map(|metric| {
            let of = |metrics: Option<&Metrics>| metrics.and_then(|it| it.get(&metric).copied());
            // What base's own code counts here, where it was measured, is nearer than its baseline.
            let measured = facts.base_run.map(|it| &it.metrics);
            let base = of(measured.or_else(|| accepted.map(|it| &it.metrics)));
            (metric, (base, of(facts.measured.map(|it| &it.metrics))))
        })
        .filter(|(_, (base, head))| base.is_some() || head.is_some())
        .collect();
    Row {
        id: facts.id.clone(),
        verdict: *verdict,
        movement: verdict.movement,
        baseline: verdict.baseline,
        outcome: verdict.outcome(policy.improvement()),
        metric: *metric,
        base,
        committed,
        head,
        change: base
            .zip(head)
            .filter(|_| is_comparable)
            .and_then(|(base, head)| change(base, head)),
        base_run,
        limit: limit.share.0,
        limit_min_change: limit.min_change,
        other_name: facts.former.cloned(),
        passed_by_min_change: verdict.movement == Some(Movement::WithinLimit)
            && base.zip(head).is_some_and(|(base, head)| {
                let share_alone = Limit {
                    min_change: 0,
                    ..*limit
                };
                limit.min_change > 0 && head > base && share_alone.is_exceeded(base, head)
            }),
        noise: facts.noise_of(*metric),
        reason: match facts.measured {
            None => facts.removal.map(str::to_owned),
            Some(_) => facts.committed.and_then(|it| it.reason.clone()),
        },
        metrics,
        cause_metric,
        attribution,
        origin: origin(
            &culprits,
            base != head && is_comparable,
            facts.measured.is_some(),
        ),
        culprits,
        reach,
        proof: None,
        trend: None,
    }
}

/// Where a row's change comes from: what that is told by, the functions that moved, and those to look at.
fn causes(
    facts: &Facts<'_>,
    metric: Metric,
    changed: &ChangedLines,
) -> (Metric, Attribution, Vec<Culprit>) {
    let accepted = facts.base.or(facts.committed);
    // Base's own code, where it was measured, tells what this change did.
    let functions = match facts.base_run {
        Some(measured) => Some(&measured.functions),
        None => accepted.map(|it| &it.functions),
    };
    let cause_metric = cause_metric::of(facts, metric);
    let measured = facts
        .measured
        .map(|it| cause_metric::project(it, cause_metric));
    let measured = measured.as_deref();
    let base_measured = facts
        .base_run
        .map(|it| cause_metric::project(it, cause_metric));
    let functions = functions.map(|functions| {
        let metrics = facts
            .base_run
            .map_or_else(|| accepted.map(|it| &it.metrics), |it| Some(&it.metrics));
        let total = metrics.and_then(|it| it.get(&cause_metric).copied());
        functions.of_metric(cause_metric, total.unwrap_or(0))
    });
    let attribution = match (&functions, measured) {
        (Some(functions), Some(measured)) => {
            attribute(functions, measured, base_measured.as_deref())
        }
        _ => Attribution::default(),
    };
    let culprits = measured.map_or_else(Vec::new, |measured| {
        culprits(
            &attribution,
            measured,
            base_measured.as_deref(),
            changed,
            CULPRITS_MAX,
        )
    });
    (cause_metric, attribution, culprits)
}

/// What kind of thing moved a row: as its first culprit says. Where no function executes more or less,
/// and a count moved all the same, it is by where code and data lie.
fn origin(culprits: &[Culprit], has_moved: bool, is_measured: bool) -> Option<Origin> {
    let said = culprits.first().map(|it| it.origin);
    said.or(Some(Origin::Layout))
        .filter(|_| has_moved && is_measured)
}

/// The change in parts per million, rounded away from zero so that no change ever reads as none.
pub(crate) fn change(base: u64, head: u64) -> Option<i64> {
    share_of(i128::from(head) - i128::from(base), base)
}
