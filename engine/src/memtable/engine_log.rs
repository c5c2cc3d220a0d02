//! The engine as the log of its tables.
//!
//! ```text
//! Engine ──┬── log: changes of table "users", of "orders", of keyspaces, …
//!          └── holder "memtable/users": the first record that the table may still need
//! ```
//!
//! A table's changes are records of the engine's log, and are appended while the key is locked. No
//! checkpoint lets go of a record that the table may still need: it holds the log under its name.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::log::{ChangeLog, LAST, LogError, PUT};
use crate::engine::{Applied, Engine, Refused, View};
use crate::frame::{Kind, Record};
use crate::wal::{Entry, Lsn, Mode};

/// Lets an engine accept the records of tables. It has to be among the
/// [`views`](crate::engine::Options::views) of every engine whose log has records of tables.
#[must_use]
pub fn view() -> Arc<dyn View> {
    Arc::new(Tables)
}

/// Says which records are tables'. A table reads its own when it is opened.
struct Tables;

impl View for Tables {
    fn name(&self) -> &'static str {
        "memtable"
    }

    fn kinds(&self) -> RangeInclusive<Kind> {
        PUT..=LAST
    }

    fn apply(&self, _: Applied<'_>) -> Result<(), Refused> {
        Ok(())
    }
}

fn holder(name: &str) -> String {
    format!("memtable/{name}")
}

impl ChangeLog for Engine {
    fn append(&self, record: Record<'_>) -> Result<Lsn, LogError> {
        self.append_record(record).map_err(LogError::new)
    }

    fn commit(&self, end: Lsn) -> Result<(), LogError> {
        self.promise(end).map_err(LogError::new)
    }

    // What an engine in memory keeps is as safe as it will ever be.
    fn wait_durable(&self, end: Lsn) -> Result<(), LogError> {
        match self.mode() {
            Mode::InMemory => Ok(()),
            Mode::Buffered { .. } | Mode::Strict => self.wait_durable(end).map_err(LogError::new),
        }
    }

    fn end(&self) -> Lsn {
        self.next_lsn()
    }

    fn engine(&self) -> Option<&Engine> {
        Some(self)
    }

    fn replay(&self, name: &str, visit: &mut dyn FnMut(Entry) -> bool) -> Result<(), LogError> {
        let stats = self.stats();
        let held = stats.holders.get(&holder(name)).copied();
        let from = held.unwrap_or(stats.first).max(stats.first);
        for entry in self.records_from(from).map_err(LogError::new)? {
            if !visit(entry.map_err(LogError::new)?) {
                break;
            }
        }
        Ok(())
    }

    fn hold(&self, name: &str, lsn: Lsn) -> Result<(), LogError> {
        let held = self.transaction(|tx| tx.hold(&holder(name), lsn));
        held.map(drop).map_err(LogError::new)
    }
}
