//! The log and the snapshots of an engine, whatever door they go through.
//!
//! An engine is not generic over its door, so that what is built on it need not be either. One
//! indirect call per commit costs little beside the commit.

use std::path::PathBuf;

use super::error::CheckpointError;
use super::recover::is_held;
use crate::frame::{self, Batch, BatchItems, Record};
use crate::injected_bug::{Bug, injected};
use crate::map::Item;
use crate::snapshot::{self, Meta, Row, write_rows};
use crate::vfs::Vfs;
use crate::wal::{
    AppendError, Appended, Corruption, Counters, Entry, Lsn, MaintainError, Poisoned, ReadError,
    WaitError, Wal, Watermarks,
};

/// Records that go to the log together.
#[derive(Debug)]
pub(super) enum Prepared {
    /// Few of them: one frame.
    Batch(Batch),
    /// As many as a segment holds.
    Transaction(frame::Transaction),
}

/// What is saved of a view: sorted by keyspace and key.
pub(super) type Saved<'a> = Vec<(u32, &'a Item)>;

/// Records that are read from a log.
pub type Records = Box<dyn Iterator<Item = Result<Entry, ReadError>> + Send>;

/// A log with a directory; the methods are those of [`Wal`].
pub(super) trait Log: Send + Sync {
    fn append(&self, record: Record<'_>) -> Result<Appended, AppendError>;
    fn append_frame(&self, frame: &frame::Prepared<'_>) -> Result<Appended, AppendError>;
    fn append_all(&self, records: &Prepared) -> Result<Appended, AppendError>;
    fn commit(&self, end: Lsn) -> Result<(), WaitError>;
    fn wait_written(&self, end: Lsn) -> Result<(), WaitError>;
    fn wait_durable(&self, end: Lsn) -> Result<(), WaitError>;
    fn watermarks(&self) -> Watermarks;
    fn first_lsn(&self) -> Lsn;
    fn bytes_from(&self, lsn: Lsn) -> u64;
    fn read(&self, lsn: Lsn) -> Result<Option<Entry>, ReadError>;
    fn entries_from(&self, lsn: Lsn) -> Result<Records, ReadError>;
    fn counters(&self) -> Counters;
    fn maintain(&self) -> Result<(), MaintainError>;
    fn set_aside(&self) -> Vec<Corruption>;
    fn close(&self) -> Result<(), Poisoned>;

    /// Saves `rows`, which are the state after all records below `lsn`, and answers with the LSN of the
    /// older of two snapshots.
    fn save(&self, lsn: Lsn, rows: &Saved<'_>) -> Result<Lsn, CheckpointError>;

    fn truncate_below(&self, lsn: Lsn) -> Result<Lsn, Poisoned>;
}

/// A log behind a door.
pub(super) struct Door<V: Vfs> {
    pub vfs: V,
    pub dir: PathBuf,
    pub wal: Wal<V>,
}

impl<V: Vfs> Log for Door<V> {
    fn append(&self, record: Record<'_>) -> Result<Appended, AppendError> {
        self.wal.append(record)
    }

    fn append_frame(&self, frame: &frame::Prepared<'_>) -> Result<Appended, AppendError> {
        self.wal.append_frame(frame)
    }

    fn append_all(&self, records: &Prepared) -> Result<Appended, AppendError> {
        match records {
            Prepared::Batch(batch) if injected(Bug::TearTransaction) => {
                let items = BatchItems::new(batch.record().payload)
                    .into_iter()
                    .flatten()
                    .flatten();
                let mut all = items.map(|record| self.wal.append(record));
                let first = all.next().ok_or(AppendError::Empty)??;
                all.try_for_each(|appended| appended.map(drop))
                    .map(|()| first)
            }
            Prepared::Batch(batch) => self.wal.append_batch(batch),
            Prepared::Transaction(transaction) => self.wal.append_transaction(transaction),
        }
    }

    fn commit(&self, end: Lsn) -> Result<(), WaitError> {
        self.wal.commit(end)
    }

    fn wait_written(&self, end: Lsn) -> Result<(), WaitError> {
        self.wal.wait_written(end)
    }

    fn wait_durable(&self, end: Lsn) -> Result<(), WaitError> {
        self.wal.wait_durable(end)
    }

    fn watermarks(&self) -> Watermarks {
        self.wal.watermarks()
    }

    fn bytes_from(&self, lsn: Lsn) -> u64 {
        self.wal.bytes_from(lsn)
    }

    fn first_lsn(&self) -> Lsn {
        self.wal.first_lsn()
    }

    fn read(&self, lsn: Lsn) -> Result<Option<Entry>, ReadError> {
        self.wal.read(lsn)
    }

    fn entries_from(&self, lsn: Lsn) -> Result<Records, ReadError> {
        Ok(Box::new(self.wal.entries_from(lsn)?))
    }

    fn counters(&self) -> Counters {
        self.wal.counters()
    }

    fn maintain(&self) -> Result<(), MaintainError> {
        self.wal.maintain()
    }

    fn set_aside(&self) -> Vec<Corruption> {
        self.wal.set_aside()
    }

    fn close(&self) -> Result<(), Poisoned> {
        self.wal.clone().close()
    }

    fn save(&self, lsn: Lsn, rows: &Saved<'_>) -> Result<Lsn, CheckpointError> {
        let Self { vfs, dir, wal } = self;
        wal.wait_durable(lsn)?;
        wal.check_place()?;
        let meta = Meta {
            taken_us: vfs.now_us(),
            lsn,
            changes: lsn.0,
            origin: wal.origin(lsn)?,
        };
        let write = |file: &V::File| {
            let rows = rows.iter().map(|(keyspace, item)| Row {
                keyspace: *keyspace,
                version: item.version(),
                expires_us: item.expires_us(),
                key: item.key(),
                bytes: item.as_bytes(),
            });
            write_rows(file, &meta, rows)
        };
        let is_ours = |other: &Meta| is_held(wal, other);
        Ok(snapshot::save_among(vfs, dir, lsn, is_ours, write)?)
    }

    fn truncate_below(&self, lsn: Lsn) -> Result<Lsn, Poisoned> {
        self.wal.truncate_below(lsn)
    }
}
