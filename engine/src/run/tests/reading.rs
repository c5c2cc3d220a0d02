//! Scans by sequence and by time, histories, differences, threads.

use proptest::prelude::*;

use super::check::World;
use crate::engine::Engine;
use crate::run::{NewRun, Orphans, Outcome, Point, RunId, Runs};
use crate::vfs::Vfs;

/// A run with an event for each pause, in microseconds, before it.
fn ticking(pauses: &[u8]) -> (World, RunId, Vec<u64>) {
    let world = World::in_memory();
    let run = world.runs.begin(&NewRun::named("clock")).unwrap();
    let mut times = Vec::new();
    for pause in pauses {
        world.sim.advance(u64::from(*pause));
        world.runs.append(run, "tick", &[*pause]).unwrap();
        times.push(world.sim.now_us());
    }
    (world, run, times)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn events_of_a_range_are_those_that_a_walk_over_all_finds(
        pauses in prop::collection::vec(0_u8..3, 0..20),
        first in 0_u64..30,
        len in 0_u64..30,
    ) {
        let (world, run, times) = ticking(&pauses);
        let seqs = |events: crate::run::Events| -> Vec<u64> {
            events.map(|it| it.unwrap().seq).collect()
        };
        let found = seqs(world.runs.events(run, first..first + len).unwrap());
        let all = 0..times.len() as u64;
        let expected: Vec<_> = all.clone().filter(|it| (first..first + len).contains(it)).collect();
        prop_assert_eq!(found, expected);

        let begin = times.first().copied().unwrap_or(0) + first;
        for range in [begin.saturating_sub(10)..begin + len, begin..begin + len] {
            let found = seqs(world.runs.events_at(run, range.clone()).unwrap());
            let is_in = |it: &u64| range.contains(&times[usize::try_from(*it).unwrap()]);
            let expected: Vec<_> = all.clone().filter(is_in).collect();
            prop_assert_eq!(found, expected);
        }
        let mut turned = seqs(world.runs.events_at(run, ..).unwrap());
        prop_assert_eq!(turned.len(), times.len());
        turned.reverse();
        let back: Vec<_> = world.runs.events(run, ..).unwrap().rev().map(|it| it.unwrap().seq).collect();
        prop_assert_eq!(turned, back);
    }
}

#[test]
#[expect(clippy::reversed_empty_ranges, reason = "the empty range is the case")]
fn ranges_without_numbers_have_no_events() {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    let (world, run, _) = ticking(&[1, 1, 1]);
    let count = |range| world.runs.events(run, range).unwrap().count();
    assert_eq!(count((Included(2), Excluded(2))), 0);
    assert_eq!(count((Excluded(u64::MAX), Unbounded)), 0);
    assert_eq!(count((Unbounded, Excluded(0))), 0);
    assert_eq!(count((Excluded(0), Included(u64::MAX))), 2);
    assert_eq!(world.runs.events_at(run, 5..2).unwrap().count(), 0);
    assert_eq!(world.runs.events(run, 5..2).unwrap().count(), 0);
}

#[test]
fn history_of_a_cell_has_every_value_newest_first() {
    let (world, run, _) = ticking(&[]);
    let runs = &world.runs;
    for value in ["a", "b", "c"] {
        runs.set_cell(run, "plan", value.as_bytes()).unwrap();
        runs.set_cell(run, "other", b"x").unwrap();
        world.sim.advance(7);
    }
    let history: Vec<_> = runs
        .cell_history(run, "plan")
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let values: Vec<_> = history
        .iter()
        .map(|it| (it.version, &it.value[..]))
        .collect();
    assert_eq!(values, [(3, &b"c"[..]), (2, b"b"), (1, b"a")]);
    assert_eq!(history[0].time_us - history[2].time_us, 14);
    assert_eq!(runs.cell_history(run, "never").unwrap().count(), 0);
}

#[test]
fn threads_that_append_to_one_run_leave_no_gap() {
    let (runs, _) = Runs::open(&Engine::in_memory(), Orphans::Mark).unwrap();
    let run = runs.begin(&NewRun::named("busy")).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let runs = &runs;
            scope.spawn(move || {
                for number in 0..50_u8 {
                    runs.append(run, "tick", &[thread, number]).unwrap();
                    let count = |it: Option<crate::run::Cell>| it.map_or(0, |it| it.value()[0]);
                    runs.write(run, |it| {
                        let count = count(it.cell("count")?);
                        it.set_cell("count", &[count + 1])
                    })
                    .unwrap();
                }
            });
        }
    });
    let state = runs.state_at(run, Point::End).unwrap();
    assert_eq!((state.steps, state.events.len()), (401, 200));
    assert_eq!(state.cells["count"].value[..], [200]);
    // Each thread's own events are in its order.
    for thread in 0..4 {
        let of = |it: &&crate::run::StoredEvent| it.event().unwrap().body[0] == thread;
        let own = state.events.iter().filter(of);
        let numbers: Vec<_> = own.map(|it| it.event().unwrap().body[1]).collect();
        assert!(numbers.iter().copied().eq(0..50));
    }
}

#[test]
fn replay_stands_while_the_run_goes_on() {
    let (world, run, _) = ticking(&[1, 1]);
    let mut replay = world.runs.replay(run).unwrap();
    replay.step().unwrap();
    world.runs.append(run, "late", b"").unwrap();
    world.runs.end(run, Outcome::Succeeded, "").unwrap();
    replay.forward_to(Point::End).unwrap();
    assert_eq!((replay.steps(), replay.state().events.len()), (3, 2));
    assert!(replay.step().unwrap().is_none());
    assert!(replay.step().unwrap().is_none(), "and so it stays");
}

#[test]
fn differences_are_printed_as_a_diff() {
    let (world, a, _) = ticking(&[1]);
    let runs = &world.runs;
    let b = runs.begin(&NewRun::named("other")).unwrap();
    runs.put(a, b"model", b"small").unwrap();
    runs.put(b, b"model", b"large").unwrap();
    runs.append(b, "tool.call", b"\xff").unwrap();
    runs.set_cell(b, "plan", b"go").unwrap();
    let span = crate::run::NewSpan::named("search").attribute("hits", 3);
    runs.start_span(a, &span).unwrap();
    assert_eq!(
        runs.diff(a, b).unwrap().to_string(),
        "--- run 1, end\n+++ run 2, end\n@@ keys\n-\"model\" = \"small\"\n+\"model\" = \"large\"\n\
         @@ events\n-0 tick \"\\u{1}\"\n+0 tool.call b\"\\xff\"\n@@ cells\n\
         +\"plan\" = \"go\" (version 1)\n@@ spans\n-1 \"search\", not ended {\"hits\": 3}\n"
    );
    assert_eq!(runs.diff(a, a).unwrap().to_string(), "");
}
