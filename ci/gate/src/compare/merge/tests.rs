use proptest::prelude::*;

use super::*;
use crate::model::baseline::tests::measured;
use crate::model::environment::tests::environment;
use crate::model::run::{Measurement, RUN_FORMAT};
use crate::model::shard::select;

fn measurement(id: &BenchId, instructions: u64) -> Measurement {
    measured(id.as_str(), instructions)
}

/// What one machine measures.
fn whole(suite: &[(BenchId, u64)]) -> Run {
    Run {
        format: RUN_FORMAT,
        crates: Vec::new(),
        commit: Some("1a2b3c4".to_owned()),
        complete: true,
        part: None,
        environment: environment(),
        failed: Vec::new(),
        benchmarks: suite
            .iter()
            .map(|(id, count)| measurement(id, *count))
            .collect(),
    }
}

/// What several machines measure, each by itself.
fn shards(suite: &[(BenchId, u64)], of: u32) -> Vec<(String, Run)> {
    let count = |id: &BenchId| {
        let at = suite.binary_search_by(|(it, _)| it.cmp(id)).ok();
        at.map(|at| suite[at].1)
    };
    let listed: Vec<BenchId> = suite.iter().map(|(id, _)| id.clone()).collect();
    let shard = |shard: Shard| {
        let ids = select(&listed, count, shard);
        let part = Part {
            shard,
            listed: listed.clone(),
            whole: true,
            accepted: "0".repeat(64),
            ci: Some(CiRun { run: 7, attempt: 1 }),
        };
        let run = Run {
            complete: false,
            part: Some(part),
            failed: Vec::new(),
            benchmarks: ids
                .into_iter()
                .map(|id| measurement(id, count(id).unwrap()))
                .collect(),
            ..whole(&[])
        };
        (format!("{}.json", shard.number()), run)
    };
    Shard::new(1, of).unwrap().all().map(shard).collect()
}

fn suite() -> Vec<(BenchId, u64)> {
    ["s/a", "s/b", "s/c", "s/d", "s/e", "s/f"]
        .map(|id| (id.parse().unwrap(), 1_000))
        .to_vec()
}

fn part(run: &mut (String, Run)) -> &mut Part {
    run.1.part.as_mut().unwrap()
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Vec<(String, Run)>)) -> MergeError {
    let mut runs = shards(&suite(), 3);
    change(&mut runs);
    merge(runs).unwrap_err()
}

/// Asserts that a change of the second shard is refused, naming the files and `what`.
#[track_caller]
fn mixed(change: impl FnOnce(&mut (String, Run)), what: &str) {
    let error = refused(|runs| change(&mut runs[1]));
    assert!(!error.is_incomplete());
    let message = error.to_string();
    assert_eq!(
        message,
        format!("`1.json` and `2.json` cannot be merged: {what}")
    );
}

#[test]
fn what_differs_is_never_merged() {
    mixed(
        |it| it.1.commit = None,
        "one is of commit 1a2b3c4, the other of none",
    );
    mixed(
        |it| {
            it.1.environment.cpu = "another".to_owned();
            it.1.environment.rustc = "1.94.0".to_owned();
        },
        &format!(
            "their measurement environments differ: rustc is `{}` and `1.94.0`; cpu is `{}` and `another`",
            environment().rustc,
            environment().cpu
        ),
    );
    mixed(
        |it| part(it).accepted = "1".repeat(64),
        "they were divided by different baselines or policies",
    );
    mixed(
        |it| part(it).shard = Shard::new(2, 4).unwrap(),
        "one is of 3 shards, the other of 4",
    );
    mixed(
        |it| part(it).ci = Some(CiRun { run: 8, attempt: 1 }),
        "one is of CI run 7, the other of 8",
    );
    mixed(
        |it| part(it).ci = None,
        "one is of CI run 7, the other of none",
    );
    mixed(
        |it| {
            part(it).listed.remove(0);
            part(it).listed.push("s/z".parse().unwrap());
        },
        "only one of them lists `s/a`, `s/z`",
    );
    mixed(
        |it| part(it).whole = false,
        "only one of them is of all benchmarks of the project",
    );
}

#[test]
fn what_is_missing_is_named() {
    let one = refused(|runs| drop(runs.remove(1)));
    assert_eq!(one.to_string(), "shard 2/3 is missing");
    assert!(one.is_incomplete() && fix(&one).contains("--shard 2/3"));
    let two = refused(|runs| runs.truncate(1));
    assert_eq!(two.to_string(), "shards 2/3, 3/3 are missing");
    let lost = refused(|runs| drop(runs[2].1.benchmarks.pop()));
    assert_eq!(lost.to_string(), "no shard has measured `s/f`");
    assert!(lost.is_incomplete());
    let none = refused(|runs| runs.iter_mut().for_each(|(_, run)| run.benchmarks.clear()));
    assert!(
        none.to_string()
            .starts_with("no shard has measured `s/a`, `s/b`")
    );
    assert_eq!(refused(Vec::clear), MergeError::Nothing);
}

#[test]
fn nothing_is_counted_twice() {
    let twice = refused(|runs| {
        let again = ("again.json".to_owned(), runs[1].1.clone());
        runs.push(again);
    });
    let message = "shard 2/3 is there twice: `2.json` and `again.json`";
    assert_eq!(twice.to_string(), message);
    let duplicate = refused(|runs| {
        let again = runs[0].1.benchmarks[0].clone();
        runs[2].1.benchmarks.push(again);
    });
    let message = "benchmark `s/a` was measured twice, in `1.json` and `3.json`";
    assert_eq!(duplicate.to_string(), message);
    let whole = refused(|runs| runs[0].1.part = None);
    assert_eq!(whole.to_string(), "run `1.json` is not a shard");
    assert!(fix(&whole).contains("icgate compare 1.json"));
}

#[test]
fn of_several_attempts_the_last_counts() {
    let mut runs = shards(&suite(), 3);
    // The first attempt lost a benchmark on a machine of another kind.
    let mut last = runs[1].clone();
    last.0 = "last.json".to_owned();
    part(&mut last).ci = Some(CiRun { run: 7, attempt: 2 });
    runs[1].1.benchmarks.clear();
    runs[1].1.environment.cpu = "another".to_owned();
    runs.insert(0, last);
    let merged = merge(runs).unwrap();
    assert_eq!(merged.run, whole(&suite()));
    let warnings: Vec<String> = merged.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["shard 2/3 was measured more than once: attempt 2 counts, attempt 1 does not"]
    );
}

#[test]
fn a_benchmark_that_failed_is_named_and_the_others_are_kept() {
    let mut runs = shards(&suite(), 3);
    let lost = runs[1].1.benchmarks.remove(0).id;
    runs[1].1.failed.push(Failed {
        id: lost.clone(),
        why: "it panicked".to_owned(),
    });
    let run = merge(runs).unwrap().run;
    assert_eq!(run.benchmarks.len(), suite().len() - 1);
    assert!(!run.complete);
    let failed: Vec<_> = run
        .failed
        .iter()
        .map(|it| (&it.id, it.why.as_str()))
        .collect();
    assert_eq!(failed, [(&lost, "it panicked")]);
}

#[test]
fn shards_without_a_commit_are_merged_with_a_word() {
    let mut runs = shards(&suite(), 2);
    for (_, run) in &mut runs {
        run.commit = None;
    }
    let merged = merge(runs).unwrap();
    assert!(
        merged.warnings[0].to_string().contains("name no commit"),
        "{merged:?}"
    );
}

#[test]
fn a_long_list_is_cut() {
    let ids: Vec<BenchId> = (0..12)
        .map(|n| format!("s/{n:02}").parse().unwrap())
        .collect();
    assert!(
        names(&ids).ends_with("`s/09` and 2 more"),
        "{}",
        names(&ids)
    );
}

proptest! {
    #[test]
    fn a_merged_run_is_what_one_machine_measures(
        suite in prop::collection::btree_map("[a-c]/[a-z]{1,3}", 10..1_000_000_u64, 0..60),
        of in 1..12_u32,
        turn in any::<prop::sample::Index>(),
    ) {
        let suite: Vec<(BenchId, u64)> =
            suite.into_iter().map(|(id, count)| (id.parse().unwrap(), count)).collect();
        let mut runs = shards(&suite, of);
        runs.rotate_left(turn.index(of as usize));
        // By way of the file, as machines hand them over.
        let handed = runs.into_iter().map(|(name, run)| {
            let run = Run::from_json(&name, &run.to_json()).unwrap();
            (name, run)
        });
        let merged = merge(handed.collect()).unwrap();
        prop_assert_eq!(merged.run.to_json(), whole(&suite).to_json());
        prop_assert!(merged.warnings.is_empty());
    }
}

fn fix(error: &dyn Diagnostic) -> String {
    error.help().map(|it| it.to_string()).unwrap_or_default()
}
