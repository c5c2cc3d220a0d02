//! Runs that nobody ended before the engine was closed.

use std::path::Path;

use crate::engine::{Engine, Options};
use crate::run::{Change, NewRun, Orphan, Orphans, Outcome, Point, RunError, RunId, Runs, Status};
use crate::vfs::Memory;
use crate::wal::Mode;

fn open(vfs: &Memory, orphans: Orphans) -> (Runs, Vec<Orphan>) {
    let options = Options {
        background: false,
        ..Options::in_mode(Mode::Strict)
    };
    let (engine, _) = Engine::open_with(vfs.clone(), Path::new("db"), options).unwrap();
    Runs::open(&engine, orphans).unwrap()
}

/// A run that is open, and one that ended, in an engine that was closed.
fn left() -> Memory {
    let vfs = Memory::default();
    let (runs, found) = open(&vfs, Orphans::Mark);
    assert!(found.is_empty());
    let open = runs.begin(&NewRun::named("open").tag("t")).unwrap();
    runs.append(open, "thought", b"on").unwrap();
    let ended = runs.begin(&NewRun::named("ended")).unwrap();
    runs.end(ended, Outcome::Succeeded, "").unwrap();
    runs.engine().close().unwrap();
    vfs
}

const OPEN: RunId = RunId(1);

#[test]
fn orphan_is_marked_once_and_waits() {
    let vfs = left();
    let (runs, found) = open(&vfs, Orphans::Mark);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].run, found[0].steps), (OPEN, 3));
    assert_eq!(runs.info(OPEN).unwrap().status, Status::Orphaned);
    assert!(matches!(
        runs.append(OPEN, "thought", b""),
        Err(RunError::Orphaned { run: OPEN })
    ));
    runs.engine().close().unwrap();
    let (runs, found) = open(&vfs, Orphans::Close);
    assert!(found.is_empty(), "it was found before: {found:?}");
    assert_eq!(runs.info(OPEN).unwrap().status, Status::Orphaned);
}

#[test]
fn marked_orphan_can_be_resumed_or_ended() {
    let vfs = left();
    let (runs, _) = open(&vfs, Orphans::Mark);
    runs.resume(OPEN).unwrap();
    assert_eq!(runs.append(OPEN, "thought", b"again").unwrap(), 1);
    assert!(matches!(
        runs.resume(OPEN),
        Err(RunError::NotOrphaned { run: OPEN })
    ));
    runs.engine().close().unwrap();
    // It was resumed, and left again.
    let (runs, found) = open(&vfs, Orphans::Mark);
    assert_eq!(found.len(), 1);
    runs.end(OPEN, Outcome::Failed, "gave up").unwrap();
    let info = runs.info(OPEN).unwrap();
    assert_eq!(info.status, Status::Ended(Outcome::Failed));
    assert_eq!(info.note, "gave up");
}

#[test]
fn policy_resumes_or_closes() {
    let (runs, found) = open(&left(), Orphans::Resume);
    assert_eq!(found.len(), 1);
    assert_eq!(runs.info(OPEN).unwrap().status, Status::Open);
    assert_eq!(runs.append(OPEN, "thought", b"again").unwrap(), 1);
    let (runs, found) = open(&left(), Orphans::Close);
    assert_eq!(found.len(), 1);
    let status = runs.info(OPEN).unwrap().status;
    assert_eq!(status, Status::Ended(Outcome::Abandoned));
    // The replay still knows when it was open.
    let before = runs.state_at(OPEN, Point::Step(3)).unwrap();
    assert_eq!(before.status, Some(Status::Open));
}

#[test]
fn second_handle_of_an_open_engine_orphans_nothing() {
    let (runs, _) = open(&Memory::default(), Orphans::Mark);
    let run = runs.begin(&NewRun::named("mine")).unwrap();
    let (_, found) = Runs::open(runs.engine(), Orphans::Close).unwrap();
    assert!(found.is_empty());
    assert_eq!(runs.info(run).unwrap().status, Status::Open);
}

#[test]
fn looking_creates_nothing_and_orphans_nothing() {
    let engine = Engine::in_memory();
    assert!(Runs::look(&engine).unwrap().is_none());
    assert_eq!(engine.stats().keyspaces.len(), 1);
    let vfs = left();
    let (engine, _) =
        Engine::open_with(vfs, Path::new("db"), Options::in_mode(Mode::Strict)).unwrap();
    let runs = Runs::look(&engine).unwrap().unwrap();
    assert_eq!(runs.info(OPEN).unwrap().status, Status::Open);
    let steps: Vec<_> = runs.steps(OPEN).unwrap().map(Result::unwrap).collect();
    assert!(matches!(
        steps[1].change().unwrap(),
        Change::Tagged {
            tag: "t",
            is_set: true
        }
    ));
    assert_eq!(steps.len(), 3);
}

#[test]
fn checkpoints_keep_orphans_and_replays() {
    let vfs = left();
    let (runs, _) = open(&vfs, Orphans::Resume);
    let before = runs.content(OPEN).unwrap();
    let lsns: Vec<_> = runs
        .steps(OPEN)
        .unwrap()
        .map(|it| it.unwrap().lsn())
        .collect();
    runs.engine().checkpoint().unwrap();
    runs.engine().checkpoint().unwrap();
    runs.engine().close().unwrap();
    let (runs, found) = open(&vfs, Orphans::Mark);
    assert_eq!(
        found.len(),
        1,
        "resumed before the checkpoint, and left again"
    );
    assert_eq!(runs.content(OPEN).unwrap(), before);
    let after: Vec<_> = runs
        .steps(OPEN)
        .unwrap()
        .map(|it| it.unwrap().lsn())
        .collect();
    assert_eq!(after[..lsns.len()], lsns, "snapshots keep the LSNs");
}

#[test]
fn deletion_interrupted_anywhere_leaves_the_run_or_nothing() {
    use crate::vfs::{Plan, Sim};
    let opened = |sim: &Sim| -> Option<Runs> {
        let options = Options {
            background: false,
            ..Options::in_mode(Mode::Strict)
        };
        let (engine, _) = Engine::open_with(sim.clone(), Path::new("db"), options).ok()?;
        Some(Runs::open(&engine, Orphans::Mark).ok()?.0)
    };
    let mut gone = 0;
    for call in 1.. {
        let sim = Sim::default();
        let runs = opened(&sim).unwrap();
        let run = runs.begin(&NewRun::named("long").tag("t")).unwrap();
        runs.write(run, |it| {
            (0..2500).try_for_each(|n: u32| it.append("tick", &n.to_le_bytes()).map(drop))
        })
        .unwrap();
        runs.end(run, Outcome::Succeeded, "").unwrap();
        let content = runs.content(run).unwrap();
        sim.plan(Plan::CrashAt(call));
        let removed = runs.remove(run);
        if !sim.has_crashed() {
            removed.unwrap();
            break;
        }
        let after = opened(&sim.crash(call)).unwrap();
        match after.content(run) {
            Ok(found) => assert_eq!(found, content, "crash at call {call}"),
            Err(RunError::UnknownRun { .. }) => {
                gone += 1;
                let stats = after.engine().stats();
                let rows = |name: &str| stats.keyspaces[name].keys;
                assert_eq!(rows("runs.events") + rows("runs.journal"), 0);
                // Only the number of the next run is left.
                assert_eq!(rows("runs"), 1);
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(gone > 0, "no crash came after the run was hidden");
}
