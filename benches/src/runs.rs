//! Workloads of runs: events, cells, spans, replay, differences, recovery of an orphan.
//!
//! Without a log where the log is not the matter, and over files in memory where it is.

use engine::engine::{Engine, Options};
use engine::run::{NewRun, NewSpan, Orphans, Outcome, Point, RunId, Runs, Status};
use engine::vfs::Memory;
use engine::wal::{self, Mode};

use crate::data::Random;
use crate::suite::suite;

/// How many operations a run performs.
const OPERATIONS: usize = 1000;
/// How many cells there are.
const CELLS: usize = 10;

suite!(runs {
    event_append: append(Work) {
        memory: work_setup(false) => append_check,
        logged: work_setup(true) => append_check,
    }
    event_append_batch: append_batches(Work) {
        n10: work_setup(true) => append_check,
    }
    event_scan: scan_events(Work) {
        n1000: events_setup() => scan_check,
    }
    event_at_time: seek_events(Work) {
        n1000: events_setup() => scan_check,
    }
    cell_cas: compare_and_set(Work) {
        memory: work_setup(false) => cell_check,
        logged: work_setup(true) => cell_check,
    }
    cell_history: read_histories(Work) {
        n100: cells_setup() => scan_check,
    }
    span: trace(Work) {
        memory: work_setup(false) => span_check,
    }
    span_tree: read_tree(Work) {
        n500: spans_setup() => tree_check,
    }
    lifecycle: begin_and_end(Work) {
        n100: work_setup(false) => lifecycle_check,
    }
    agent: agent_step(Work) {
        n100: work_setup(true) => agent_check,
    }
    replay: replay(Work) {
        events1000: events_setup() => scan_check,
        keys1000: keys_setup() => scan_check,
    }
    diff: diff(Work) {
        half1000: two_setup() => diff_check,
        same1000: same_setup() => same_check,
    }
    diff_past: diff_past(Work) {
        half1000: two_setup() => diff_check,
    }
    orphan: find_orphans(Crashed) {
        n100: crashed_setup() => orphans_check,
    }
});

/// Runs to work on, and what was found.
pub struct Work {
    runs: Runs,
    run: RunId,
    other: RunId,
    bodies: Vec<Vec<u8>>,
    found: usize,
}

fn options() -> Options {
    Options {
        log: wal::Options {
            mode: Mode::Strict,
            segment_bytes: 4 << 20,
            threads: 1,
            ..wal::Options::default()
        },
        background: false,
        ..Options::default()
    }
}

fn logged(vfs: &Memory) -> Engine {
    let opened = Engine::open_with(vfs.clone(), "db", options());
    opened.expect("files in memory open").0
}

/// A run that has just begun, and a thousand bodies of 100 bytes.
#[must_use]
pub fn work_setup(is_logged: bool) -> Work {
    let vfs = Memory::default();
    let engine = if is_logged {
        logged(&vfs)
    } else {
        Engine::in_memory_with(vfs)
    };
    let (runs, _) = Runs::open(&engine, Orphans::Mark).expect("an empty engine has no orphans");
    let begin = |name| runs.begin(&NewRun::named(name)).expect("it begins");
    let (run, other) = (begin("agent"), begin("other"));
    let mut random = Random::new(5);
    Work {
        run,
        other,
        runs,
        bodies: (0..OPERATIONS).map(|_| random.bytes(100)).collect(),
        found: 0,
    }
}

/// Appends each body.
#[must_use]
pub fn append(mut input: Work) -> Work {
    for body in &input.bodies {
        let appended = input.runs.append(input.run, "tool.call", body);
        input.found += usize::from(appended.is_ok());
    }
    input
}

/// Appends ten bodies a transaction.
#[must_use]
pub fn append_batches(mut input: Work) -> Work {
    for bodies in input.bodies.chunks(10) {
        let appended = input.runs.write(input.run, |it| {
            bodies
                .iter()
                .try_for_each(|body| it.append("tool.call", body).map(drop))
        });
        input.found += bodies.len() * usize::from(appended.is_ok());
    }
    input
}

/// All events must be there, in order.
pub fn append_check(output: Work) {
    assert_eq!(output.found, OPERATIONS);
    let events = output
        .runs
        .events(output.run, ..)
        .expect("the run is there");
    let mut count = 0;
    for (event, body) in events.zip(&output.bodies) {
        let event = event.expect("it can be read");
        assert_eq!(event.event().expect("it can be read").body, body);
        count += 1;
    }
    assert_eq!(count, OPERATIONS);
}

/// A run of a thousand events that was scanned before.
#[must_use]
pub fn events_setup() -> Work {
    let mut input = append(work_setup(false));
    input.found = input
        .runs
        .events(input.run, ..)
        .expect("the run is there")
        .count();
    assert_eq!(input.found, OPERATIONS);
    input.found = 0;
    input
}

/// Scans all events.
#[must_use]
pub fn scan_events(mut input: Work) -> Work {
    let events = input.runs.events(input.run, ..).expect("the run is there");
    let is_good = |it: &Result<engine::run::StoredEvent, _>| {
        it.as_ref()
            .is_ok_and(|it| it.event().is_ok_and(|it| it.body.len() == 100))
    };
    input.found = events.filter(is_good).count();
    input
}

/// Looks each time up.
#[must_use]
pub fn seek_events(mut input: Work) -> Work {
    for seq in 0..OPERATIONS as u64 {
        let event = input.runs.event(input.run, seq).expect("it can be read");
        let time_us = event.map_or(0, |it| it.time_us);
        let mut at = input
            .runs
            .events_at(input.run, time_us..)
            .expect("the run is there");
        input.found += usize::from(at.next().is_some());
    }
    input
}

/// All must have been found.
pub fn scan_check(output: Work) {
    assert_eq!(output.found, OPERATIONS);
}

fn cell(number: usize) -> String {
    format!("cell/{}", number % CELLS)
}

/// Sets cells, each time from the version that it has.
#[must_use]
pub fn compare_and_set(mut input: Work) -> Work {
    for (number, body) in input.bodies.iter().enumerate() {
        let version = (number / CELLS) as u64;
        let set = input
            .runs
            .compare_and_set(input.run, &cell(number), version, body);
        input.found += usize::from(set.is_ok());
    }
    input
}

/// All cells must have been set as often.
pub fn cell_check(output: Work) {
    assert_eq!(output.found, OPERATIONS);
    for number in 0..CELLS {
        let cell = output
            .runs
            .cell(output.run, &cell(number))
            .expect("it can be read");
        assert_eq!(
            cell.expect("it was set").version,
            (OPERATIONS / CELLS) as u64
        );
    }
}

/// Ten cells of a hundred versions each.
#[must_use]
pub fn cells_setup() -> Work {
    let mut input = compare_and_set(work_setup(false));
    input.found = 0;
    input
}

/// Reads all versions of all cells.
#[must_use]
pub fn read_histories(mut input: Work) -> Work {
    for number in 0..CELLS {
        let name = cell(number);
        let history = input
            .runs
            .cell_history(input.run, &name)
            .expect("the run is there");
        input.found += history.flatten().count();
    }
    input
}

/// Starts 500 spans, each within the one before of its ten, and ends them.
#[must_use]
pub fn trace(mut input: Work) -> Work {
    let mut parent = None;
    for number in 0..OPERATIONS / 2 {
        if number % 10 == 0 {
            parent = None;
        }
        let new = NewSpan {
            parent,
            ..NewSpan::named("step")
        };
        let span = input.runs.start_span(input.run, &new).expect("it starts");
        let ended = input.runs.end_span(input.run, span, Outcome::Succeeded);
        input.found += usize::from(ended.is_ok());
        parent = Some(span);
    }
    input
}

/// All spans must have ended.
pub fn span_check(output: Work) {
    assert_eq!(output.found, OPERATIONS / 2);
    let spans = output.runs.spans(output.run).expect("the run is there");
    assert!(spans.iter().all(|it| it.end.is_some()) && spans.len() == OPERATIONS / 2);
}

/// A trace of 500 spans.
#[must_use]
pub fn spans_setup() -> Work {
    let mut input = trace(work_setup(false));
    input.found = 0;
    input
}

/// Reads the trace as a tree.
#[must_use]
pub fn read_tree(mut input: Work) -> Work {
    let tree = input.runs.trace(input.run).expect("it is a tree");
    input.found = tree.iter().filter(|it| it.depth == 9).count();
    input
}

/// Each ten spans must be within each other.
pub fn tree_check(output: Work) {
    assert_eq!(output.found, OPERATIONS / 20);
}

/// Begins and ends a hundred runs.
#[must_use]
pub fn begin_and_end(mut input: Work) -> Work {
    let new = NewRun::named("agent").tag("night").metadata("budget", 3);
    for _ in 0..OPERATIONS / 10 {
        let run = input.runs.begin(&new).expect("it begins");
        let ended = input.runs.end(run, Outcome::Succeeded, "");
        input.found += usize::from(ended.is_ok());
    }
    input
}

/// All of them must be listed as ended.
pub fn lifecycle_check(output: Work) {
    let runs = output.runs.tagged("night").expect("they can be read");
    let ended = Status::Ended(Outcome::Succeeded);
    assert_eq!(
        runs.iter().filter(|it| it.status == ended).count(),
        OPERATIONS / 10
    );
}

/// A hundred steps of an agent, each a transaction with an event, a cell, a key and a span.
#[must_use]
pub fn agent_step(mut input: Work) -> Work {
    for (number, body) in input.bodies.iter().step_by(10).enumerate() {
        let key = number.to_be_bytes();
        let done = input.runs.write(input.run, |it| {
            let span = it.start_span(&NewSpan::named("step").attribute("tokens", 12))?;
            it.append("tool.call", body)?;
            it.set_cell("plan", body)?;
            it.put(&key, body)?;
            it.end_span(span, Outcome::Succeeded, &engine::run::Attributes::new())
        });
        input.found += usize::from(done.is_ok());
    }
    input
}

/// Each step must have done five things.
pub fn agent_check(output: Work) {
    assert_eq!(output.found, OPERATIONS / 10);
    let info = output.runs.info(output.run).expect("the run is there");
    assert_eq!(info.steps, 1 + 5 * output.found as u64);
}

/// A run of a thousand keys.
#[must_use]
pub fn keys_setup() -> Work {
    let mut input = work_setup(false);
    put_all(&input, input.run);
    input.found = 0;
    input
}

fn put_all(input: &Work, run: RunId) {
    for (number, body) in input.bodies.iter().enumerate() {
        let key = number.to_be_bytes();
        input
            .runs
            .put(run, &key, body)
            .expect("memory refuses nothing");
    }
}

/// Replays the run to its end.
#[must_use]
pub fn replay(mut input: Work) -> Work {
    let state = input
        .runs
        .state_at(input.run, Point::End)
        .expect("it can be read");
    input.found = state.events.len() + state.keys.len();
    input
}

/// Two runs of a thousand keys, of which every second has another value.
#[must_use]
pub fn two_setup() -> Work {
    let input = same_setup();
    for number in (0..OPERATIONS).step_by(2) {
        let key = number.to_be_bytes();
        input
            .runs
            .put(input.other, &key, b"other")
            .expect("memory refuses nothing");
    }
    input
}

/// Two runs of the same thousand keys.
#[must_use]
pub fn same_setup() -> Work {
    let input = keys_setup();
    put_all(&input, input.other);
    input
}

/// Compares both.
#[must_use]
pub fn diff(mut input: Work) -> Work {
    let diff = input
        .runs
        .diff(input.run, input.other)
        .expect("they can be read");
    input.found = diff.differences.len();
    input
}

/// Compares a point of one with the end of the other: the one is replayed.
#[must_use]
pub fn diff_past(mut input: Work) -> Work {
    let point = Point::Step(1 + OPERATIONS as u64);
    let end = input
        .runs
        .info(input.other)
        .expect("the run is there")
        .steps;
    let sides = ((input.other, point), (input.other, Point::Step(end)));
    let diff = input.runs.diff(sides.0, sides.1).expect("they can be read");
    input.found = diff.differences.len();
    input
}

/// Half of the keys must differ.
pub fn diff_check(output: Work) {
    assert_eq!(output.found, OPERATIONS / 2);
}

/// Nothing may differ.
pub fn same_check(output: Work) {
    assert_eq!(output.found, 0);
}

/// A directory in which a crash left runs open, and how many of them were found.
pub struct Crashed {
    vfs: Memory,
    found: usize,
}

/// A hundred runs that nobody ended.
#[must_use]
pub fn crashed_setup() -> Crashed {
    let vfs = Memory::default();
    let engine = logged(&vfs);
    let (runs, _) = Runs::open(&engine, Orphans::Mark).expect("an empty engine has no orphans");
    for _ in 0..OPERATIONS / 10 {
        runs.begin(&NewRun::named("agent")).expect("it begins");
    }
    engine.close().expect("files in memory close");
    Crashed { vfs, found: 0 }
}

/// Opens the engine and finds them.
#[must_use]
pub fn find_orphans(mut input: Crashed) -> Crashed {
    let opened = Runs::open(&logged(&input.vfs), Orphans::Close);
    input.found = opened.expect("they can be read").1.len();
    input
}

/// All must have been found.
pub fn orphans_check(output: Crashed) {
    assert_eq!(output.found, OPERATIONS / 10);
}
