//! The logs that are compared, each behind the same call: commit 256 bytes.

use std::error::Error;
use std::path::Path;
use std::sync::Mutex;

use commitlog::{CommitLog, LogOptions};
use engine::frame::{Kind, Record};
use engine::vfs::Disk;
use engine::wal::{Options, Wal};
use okaywal::{Configuration, Entry, EntryId, LogManager, SegmentReader, WriteAheadLog};

const PAYLOAD: [u8; 256] = [7; 256];

/// A log that several threads commit to.
pub trait Log: Sync {
    /// Returns once 256 bytes are kept.
    fn commit(&self);
}

/// Opens a log in a directory.
type Open = fn(&Path) -> Result<Box<dyn Log>, Box<dyn Error>>;

/// All of them, the engine first.
pub const LOGS: [(&str, Open); 4] = [
    ("engine", |dir| {
        Ok(Box::new(Wal::open(Disk, dir, Options::default())?.0))
    }),
    ("okaywal", |dir| {
        // The same size of files, and no checkpoint within a round.
        let configuration = Configuration::default_for(dir)
            .preallocate_bytes(64 << 20)
            .checkpoint_after_bytes(64 << 20);
        Ok(Box::new(Okay(configuration.open(Forgetful)?)))
    }),
    ("wal-db", |dir| {
        Ok(Box::new(wal_db::Wal::open(dir.join("log"))?))
    }),
    ("commitlog", |dir| {
        let log = CommitLog::new(LogOptions::new(dir))?;
        Ok(Box::new(Mutex::new(log)))
    }),
];

impl Log for Wal<Disk> {
    fn commit(&self) {
        let record = Record {
            kind: Kind(0x40),
            version: 1,
            payload: &PAYLOAD,
        };
        let committed = self.append(record).map(|done| Self::commit(self, done.end));
        assert!(matches!(committed, Ok(Ok(()))), "the log failed");
    }
}

/// An open okaywal, shut down when it is dropped.
struct Okay(WriteAheadLog);

impl Log for Okay {
    fn commit(&self) {
        let committed = self.0.begin_entry().and_then(|mut entry| {
            entry.write_chunk(&PAYLOAD)?;
            entry.commit()
        });
        assert!(committed.is_ok(), "the log failed");
    }
}

impl Drop for Okay {
    fn drop(&mut self) {
        let _ = self.0.clone().shutdown();
    }
}

/// Recovers nothing and keeps nothing: only commits are measured.
#[derive(Debug)]
struct Forgetful;

impl LogManager for Forgetful {
    fn recover(&mut self, _entry: &mut Entry<'_>) -> std::io::Result<()> {
        Ok(())
    }

    fn checkpoint_to(
        &mut self,
        _last: EntryId,
        _entries: &mut SegmentReader,
        _wal: &WriteAheadLog,
    ) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log for wal_db::Wal {
    fn commit(&self) {
        let committed = self.append_and_sync(&PAYLOAD);
        assert!(committed.is_ok(), "the log failed");
    }
}

impl Log for Mutex<CommitLog> {
    fn commit(&self) {
        let mut log = match self.lock() {
            Ok(log) => log,
            Err(poisoned) => poisoned.into_inner(),
        };
        let appended = log.append_msg(PAYLOAD).is_ok();
        assert!(appended && log.flush().is_ok(), "the log failed");
    }
}
