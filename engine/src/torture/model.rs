//! What a log must still know, and the run of a script against both.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use super::script::{Operation, payload};
use crate::crash_test::{Checked, ensure};
use crate::frame::{Batch, Kind, Record, Transaction};
use crate::vfs::Sim;
use crate::wal::{AppendError, Appended, Lsn, MaintainError, Mode, Options, Policy, Wal};

pub(super) const KIND: Kind = Kind(0x40);

pub(super) fn dir() -> &'static Path {
    Path::new("log")
}

/// Small segments and buffers, so that a short script meets every seam. Of four seeds in a row,
/// each has another mode or policy: where nothing is damaged, both policies lose nothing.
pub(super) fn options(seed: u64) -> Options {
    let buffered = Mode::Buffered {
        interval: Duration::ZERO,
        max_bytes: 900,
    };
    let (mode, policy) = match seed % 4 {
        0 => (Mode::Strict, Policy::TornTail),
        1 => (buffered, Policy::PointInTime),
        2 => (Mode::Strict, Policy::PointInTime),
        _ => (buffered, Policy::TornTail),
    };
    Options {
        mode,
        policy,
        segment_bytes: 4096,
        buffer_bytes: 400,
        threads: 1,
        ..Options::default()
    }
}

/// What is known about the log's records from outside.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    /// Records whose append was called: more than these cannot be there.
    pub attempted: u64,
    /// Records that were called durable: fewer than these must not be there.
    pub durable: u64,
    /// Records below this one may have been let go.
    pub truncated: u64,
    /// Records that belong together.
    pub groups: Vec<Range<u64>>,
}

impl Model {
    /// A log of `count` records that recovery gave is one that the model allows.
    pub(super) fn check_count(&self, count: u64) -> Checked {
        let Self {
            attempted, durable, ..
        } = *self;
        ensure!(
            count >= durable,
            "{count} records are left of {durable} durable ones"
        );
        ensure!(
            count <= attempted,
            "{count} records came out of {attempted} that went in"
        );
        let cut = self
            .groups
            .iter()
            .find(|group| group.start < count && count < group.end);
        ensure!(
            cut.is_none(),
            "{cut:?} belong together, and were cut at {count}"
        );
        Ok(())
    }

    /// What recovery gave is what the log now holds, durably.
    fn settle(&mut self, count: u64) {
        self.attempted = count;
        self.durable = count;
        self.groups.retain(|group| group.end <= count);
    }
}

/// How a script ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With its last operation.
    Done,
    /// With an error of the log.
    Failed,
}

/// Runs `operations` on a log over `sim`, keeping `model` up to date.
pub(super) fn run(
    sim: &Sim,
    seed: u64,
    operations: &[Operation],
    model: &mut Model,
) -> Result<End, String> {
    let Ok((mut wal, _)) = Wal::open(sim.clone(), dir(), options(seed)) else {
        return Ok(End::Failed);
    };
    for operation in operations {
        match operation {
            Operation::Restart => drop(wal),
            Operation::Close => {
                let accepted = wal.watermarks().accepted.0;
                if wal.close().is_err() {
                    return Ok(End::Failed);
                }
                model.durable = accepted;
            }
            _ => {
                if step(&wal, *operation, model).is_err() {
                    return poisoned(&wal, model).map(|()| End::Failed);
                }
                continue;
            }
        }
        let Ok((reopened, recovered)) = Wal::open(sim.clone(), dir(), options(seed)) else {
            return Ok(End::Failed);
        };
        model.check_count(recovered.end.0)?;
        model.settle(recovered.end.0);
        wal = reopened;
    }
    Ok(End::Done)
}

fn record(payload: &[u8]) -> Record<'_> {
    Record {
        kind: KIND,
        version: 1,
        payload,
    }
}

fn step(wal: &Wal<Sim>, operation: Operation, model: &mut Model) -> Result<(), ()> {
    let next = model.attempted;
    match operation {
        Operation::Append | Operation::Commit => {
            model.attempted += 1;
            let Appended { end, .. } = wal.append(record(payload(next))).map_err(drop)?;
            if operation == Operation::Commit {
                wal.commit(end).map_err(drop)?;
            }
        }
        Operation::Batch(count) => {
            let mut batch = Batch::default();
            for lsn in next..next + count {
                assert!(batch.push(record(payload(lsn))), "a small batch");
            }
            model.attempted += count;
            model.groups.push(next..next + count);
            wal.append_batch(&batch).map_err(drop)?;
        }
        Operation::Transaction(count) => {
            let mut transaction = Transaction::default();
            for lsn in next..next + count {
                assert!(transaction.push(record(payload(lsn))), "a small record");
            }
            model.attempted += count;
            model.groups.push(next..next + count);
            wal.append_transaction(&transaction).map_err(drop)?;
        }
        Operation::Truncate => {
            model.truncated = model.truncated.max(model.durable / 2);
            wal.truncate_below(Lsn(model.truncated)).map_err(drop)?;
        }
        Operation::TruncateAll => {
            model.truncated = model.durable;
            wal.truncate_below(Lsn(model.truncated)).map_err(drop)?;
        }
        Operation::Maintain => match wal.maintain() {
            // That there is no room for a spare file costs no record.
            Ok(()) | Err(MaintainError::Spare(_) | MaintainError::Verify(_)) => {}
            Err(MaintainError::Poisoned(_)) => return Err(()),
        },
        Operation::CloseClones(count) => {
            for _ in 0..count {
                wal.clone().close().map_err(drop)?;
            }
        }
        Operation::Nothing => {
            let batch = wal.append_batch(&Batch::default());
            let transaction = wal.append_transaction(&Transaction::default());
            let are_empty = (&batch, &transaction);
            assert!(matches!(
                are_empty,
                (Err(AppendError::Empty), Err(AppendError::Empty))
            ));
        }
        Operation::Write => wal.wait_written(wal.watermarks().accepted).map_err(drop)?,
        Operation::Sync => wal.sync().map_err(drop)?,
        Operation::Restart | Operation::Close => {}
    }
    model.durable = wal.watermarks().durable.0;
    Ok(())
}

/// A log that failed takes nothing more and promises nothing more.
fn poisoned(wal: &Wal<Sim>, model: &mut Model) -> Checked {
    let before = wal.watermarks().durable;
    let again = wal.append(Record {
        kind: KIND,
        version: 1,
        payload: b"too late",
    });
    ensure!(again.is_err(), "a failed log took a record");
    let outstanding = wal.watermarks().accepted > before;
    ensure!(wal.sync().is_err() == outstanding, "a failed log synced");
    ensure!(
        wal.watermarks().durable == before,
        "a failed log called more records durable"
    );
    model.durable = model.durable.max(before.0);
    Ok(())
}

/// Recovers the log on `sim`, and checks everything that the module's header lists.
pub(super) fn check(sim: &Sim, seed: u64, model: &Model) -> Checked {
    let count = recover(sim, seed, model)?;
    let mut settled = model.clone();
    settled.settle(count);
    // The power may go right after recovery …
    recover(&sim.crash(0), seed, &settled)?;
    // … or once the log has been used again.
    let (wal, _) = open(sim, seed)?;
    let used = [Operation::Append, Operation::Batch(3), Operation::Sync];
    for operation in used {
        let done = step(&wal, operation, &mut settled);
        ensure!(done.is_ok(), "the recovered log refuses {operation:?}");
    }
    recover(&sim.crash(0), seed, &settled)?;
    Ok(())
}

/// Opens the log, checks its records against the model, and counts them.
fn recover(sim: &Sim, seed: u64, model: &Model) -> Result<u64, String> {
    let (wal, recovered) = open(sim, seed)?;
    model.check_count(recovered.end.0)?;
    let (first, kept) = (recovered.first.0, model.truncated);
    ensure!(
        first <= kept,
        "the log begins at {first}, and was cut below {kept} only"
    );
    let mut count = first;
    for entry in wal.entries() {
        let entry = entry.map_err(|error| format!("unreadable after recovery: {error}"))?;
        ensure!(
            entry.lsn.0 == count,
            "record {} stands at {count}",
            entry.lsn
        );
        ensure!(
            entry.payload == payload(count),
            "record {count} has changed"
        );
        ensure!(
            entry.kind == KIND && entry.version == 1,
            "record {count} has another type"
        );
        count += 1;
    }
    ensure!(
        count == recovered.end.0,
        "{count} records of {}",
        recovered.end
    );
    ensure!(
        count - first == recovered.records,
        "{} records reported",
        recovered.records
    );
    Ok(count)
}

fn open(sim: &Sim, seed: u64) -> Result<(Wal<Sim>, crate::wal::Recovered), String> {
    let opened = Wal::open(sim.clone(), dir(), options(seed));
    opened.map_err(|error| format!("recovery fails: {error}"))
}
