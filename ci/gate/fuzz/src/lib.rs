//! What each fuzz target does with its bytes. All of them panic where a promise is broken.

use std::str::from_utf8;

use icgate_core::attribute::diff::ChangedLines;
use icgate_core::compare::compare;
use icgate_core::compare::coverage::require;
use icgate_core::judge::{Outcome, judge};
use icgate_core::model::baseline::{Baseline, Baselines};
use icgate_core::model::metric::Metric;
use icgate_core::model::policy::Policy;
use icgate_core::model::run::Run;
use icgate_core::publish::artifact;
use icgate_core::report::report;

/// A target.
pub type Target = fn(&[u8]);

/// Every target by the name of its corpus.
pub const TARGETS: [(&str, Target); 5] = [
    ("run", run),
    ("baseline", baseline),
    ("policy", policy),
    ("coverage", coverage),
    ("verdict", verdict),
];

/// What base accepts, whatever a pull request brings.
const BASE: &str = include_str!("../corpus/baseline/base.json");

/// A run that has all of it, with the same counts.
const RUN: &[u8] = include_bytes!("../corpus/run/good.json");

/// Between the run and head's baseline in the bytes of [`verdict`].
const BETWEEN: u8 = 0;

/// A run that is accepted adds up, and is the same after it was written and read again.
pub fn run(data: &[u8]) {
    let Ok(run) = artifact::read("run.json", data) else {
        return;
    };
    for measured in &run.benchmarks {
        assert_eq!(measured.functions.total(), Some(measured.instructions()));
    }
    let again = Run::from_json("run.json", &run.to_json()).expect("what is written can be read");
    assert_eq!(again, run);
}

/// A baseline that is accepted is the same after it was written and read again.
pub fn baseline(data: &[u8]) {
    let Some(read) = from_utf8(data).ok().and_then(read_baseline) else {
        return;
    };
    assert_eq!(read_baseline(&read.to_json()), Some(read));
}

/// Whatever a policy says, instructions are judged.
pub fn policy(data: &[u8]) {
    let Ok(text) = from_utf8(data) else {
        return;
    };
    if let Ok(policy) = Policy::from_toml("policy.toml", text) {
        let id = "suite/f/a".parse().expect("an id");
        assert!(policy.limit(&id, Metric::Instructions).is_some());
    }
}

/// No policy lets a run pass that has fewer benchmarks than base knows. The first byte says which are
/// left out, and whether the run claims to be complete; the rest is the policy.
pub fn coverage(data: &[u8]) {
    let Some((flags, text)) = data.split_first() else {
        return;
    };
    let text = from_utf8(text).ok();
    let Some(policy) = text.and_then(|it| Policy::from_toml("policy.toml", it).ok()) else {
        return;
    };
    let base =
        Baselines::new([Baseline::from_json("base.json", BASE).expect("the corpus is good")]);
    let mut run = artifact::read("run.json", RUN).expect("the corpus is good");
    let mut bits = (0..7).map(|bit| flags & (1 << bit) != 0);
    run.complete = flags & (1 << 7) != 0;
    run.benchmarks.retain(|_| !bits.next().unwrap_or_default());
    let platforms = ["x86_64-linux-gnu".to_owned()];
    if require(&mut run, (&base, &base), &platforms).is_err() {
        return;
    }
    let comparison = compare(&base, &base, &run);
    let judged = judge(&comparison, &policy);
    let changed = ChangedLines::default();
    let outcome = report(&run, &comparison, &judged, &policy, &changed, "").outcome;
    let is_whole = base.ids().all(|id| run.benchmark(id).is_some());
    assert!(
        is_whole || outcome != Outcome::Pass,
        "passes with {} benchmarks",
        run.benchmarks.len()
    );
}

/// Nothing passes for less than base knows, nor for more than its limit without a reason.
pub fn verdict(data: &[u8]) {
    let mut halves = data.splitn(2, |byte| *byte == BETWEEN);
    let run = halves.next().unwrap_or_default();
    let Ok(mut run) = artifact::read("run.json", run) else {
        return;
    };
    let base = || Baseline::from_json("base.json", BASE).expect("the corpus is good");
    let head = halves
        .next()
        .map_or_else(|| Some(base()), |text| read_baseline(from_utf8(text).ok()?));
    let (base, head) = (Baselines::new([base()]), Baselines::new(head));
    let platforms = ["x86_64-linux-gnu".to_owned()];
    if require(&mut run, (&base, &head), &platforms).is_err() {
        return;
    }
    let comparison = compare(&base, &head, &run);
    let policy = Policy::default();
    let judged = judge(&comparison, &policy);
    let changed = ChangedLines::default();
    if report(&run, &comparison, &judged, &policy, &changed, "").outcome != Outcome::Pass {
        return;
    }
    for id in base.ids() {
        let accepted = base.accepted(id).expect("it is base's").instructions();
        let reason = head
            .accepted(id)
            .and_then(|it| it.reason.as_deref())
            .or_else(|| head.removal(id));
        let renamed = run
            .benchmarks
            .iter()
            .any(|it| base.accepted(&it.id).is_none());
        match run.benchmark(id) {
            Some(measured) => assert!(
                measured.instructions() <= accepted + accepted / 100 + 5 || reason.is_some(),
                "{id} passes with {} instead of {accepted}",
                measured.instructions()
            ),
            // It goes with a reason, or under another name.
            None => assert!(reason.is_some() || renamed, "{id} is gone, and that passes"),
        }
    }
}

fn read_baseline(text: &str) -> Option<Baseline> {
    Baseline::from_json("suite.json", text).ok()
}
