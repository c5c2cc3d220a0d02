//! Runs in real processes that are killed: what was acknowledged is there, and no run is half.
//!
//! A test starts this very executable again, as a child that runs only [`child`]; what the child
//! is to do stands in its environment.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use engine::run::{Attributes, NewRun, NewSpan, Orphans, Outcome, Point, RunId, Runs, Status};
use engine::wal::{Lsn, Mode};
use engine::{Engine, Options};

const DIR: &str = "ENGINE_TEST_RUNS_DIR";
const KILLS: u64 = 40;

fn open(dir: &Path, orphans: Orphans) -> (Runs, Vec<RunId>) {
    let mode = Mode::Buffered {
        interval: std::time::Duration::ZERO,
        max_bytes: 20_000,
    };
    let (engine, _) = Engine::open(dir, Options::in_mode(mode)).unwrap();
    let (runs, found) = Runs::open(&engine, orphans).unwrap();
    (runs, found.iter().map(|it| it.run).collect())
}

/// What a child does; without instructions from a parent, nothing.
#[test]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let (runs, _) = open(Path::new(&dir), Orphans::Close);
    let run = runs.begin(&NewRun::named("worker")).unwrap();
    let mut out = std::io::stderr();
    for number in 0_u64.. {
        // All primitives in one transaction.
        let bytes = number.to_le_bytes();
        runs.write(run, |it| {
            it.append("tick", &bytes)?;
            it.set_cell("count", &bytes)?;
            it.put(b"count", &bytes)?;
            let span = it.start_span(&NewSpan::named("tick"))?;
            it.end_span(span, Outcome::Succeeded, &Attributes::new())
        })
        .unwrap();
        let next = runs.engine().stats().next;
        runs.engine().wait_durable(next).unwrap();
        out.write_all(&[run.0.to_le_bytes(), bytes].concat())
            .unwrap();
    }
}

/// Starts a child, kills it after so many acknowledgements, and gives its run and the last number.
fn killed(dir: &Path, acknowledgements: u64) -> (RunId, u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stderr.take().unwrap();
    let mut note = [0; 16];
    for _ in 0..acknowledgements {
        pipe.read_exact(&mut note).unwrap();
    }
    // SIGKILL on Unix.
    child.kill().unwrap();
    child.wait().unwrap();
    let mut rest = Vec::new();
    pipe.read_to_end(&mut rest).unwrap();
    if let Some(last) = rest.chunks_exact(16).last() {
        note.copy_from_slice(last);
    }
    let (run, number) = note.split_at(8);
    let number_of = |it: &[u8]| u64::from_le_bytes(it.try_into().unwrap());
    (RunId(number_of(run)), number_of(number))
}

#[test]
fn run_that_a_kill_left_open_is_found_whole() {
    let dir = tempfile::tempdir().unwrap();
    for kill in 0..KILLS {
        let (run, last) = killed(dir.path(), 1 + kill * 7 % 23);
        let (runs, found) = open(dir.path(), Orphans::Mark);
        assert_eq!(
            found,
            [run],
            "kill {kill}: only the newest run was left open"
        );
        let info = runs.info(run).unwrap();
        assert_eq!(info.status, Status::Orphaned);
        assert!(
            info.events > last,
            "kill {kill}: event {last} of {} is lost",
            info.events
        );
        // Each transaction is there with all of its parts.
        let state = runs.state_at(run, Point::End).unwrap();
        let newest = (info.events - 1).to_le_bytes();
        assert_eq!(state.events.last().unwrap().event().unwrap().body, newest);
        assert_eq!(state.cells["count"].value[..], newest);
        assert_eq!(state.cells["count"].version, info.events);
        assert_eq!(state.keys[&b"count"[..]][..], newest);
        assert!(state.spans.values().all(|it| it.end.is_some()));
        assert_eq!(state.spans.len() as u64, info.events);
        assert_eq!(
            info.steps,
            2 + 5 * info.events,
            "begun, orphaned, and five steps a tick"
        );
        let present = runs.content(run).unwrap();
        let replayed = runs.content((run, Point::Lsn(Lsn(u64::MAX)))).unwrap();
        assert_eq!(present, replayed);
        runs.end(run, Outcome::Failed, "killed").unwrap();
        runs.engine().close().unwrap();
    }
    println!("{KILLS} kills, {KILLS} orphans found");
}

#[test]
fn policies_settle_what_a_kill_left() {
    for (orphans, status) in [
        (Orphans::Resume, Status::Open),
        (Orphans::Close, Status::Ended(Outcome::Abandoned)),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (run, _) = killed(dir.path(), 3);
        let (runs, found) = open(dir.path(), orphans);
        assert_eq!(found, [run]);
        assert_eq!(runs.info(run).unwrap().status, status);
        let appended = runs.append(run, "later", b"");
        assert_eq!(appended.is_ok(), status == Status::Open);
    }
}
