//! What an engine holds, and what it did.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Engine;
use super::catalog::KeyspaceType;
use super::sequencer::Space;
use crate::wal::{self, Lsn};

/// What an engine holds, and what it did since it was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// By name: keyspaces, their keys, and the immutable generations of each.
    pub keyspaces: BTreeMap<String, KeyspaceStats>,
    /// Who holds the log, and from which LSN on.
    pub holders: BTreeMap<String, Lsn>,
    /// The LSN of the next record.
    pub next: Lsn,
    /// The first record that the log still has.
    pub first: Lsn,
    /// Records below this one survive power loss. In memory, none does.
    pub durable: Lsn,
    /// Transactions that committed with changes, single writes not counted.
    pub commits: u64,
    /// Commits that failed with a conflict.
    pub conflicts: u64,
    /// Checkpoints that were completed.
    pub checkpoints: u64,
    /// Checkpoints that failed. The engine's thread tries again, later and later.
    pub checkpoint_failures: u64,
    /// Expired keys that were let go.
    pub swept: u64,
    /// Merges of generations.
    pub merges: u64,
    /// What the log cost.
    pub log: wal::Counters,
}

/// What a keyspace holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyspaceStats {
    /// Its type.
    pub kind: KeyspaceType,
    /// Its keys, those that expired and are not swept yet included.
    pub keys: u64,
    /// Its immutable generations.
    pub generations: u64,
}

impl Engine {
    /// What the engine holds, and what it did since it was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let shared = &self.inner.shared;
        let (spaces, holders, next) = shared.sequence(|it| {
            let spaces: Vec<_> = it.by_name.values().cloned().collect();
            (spaces, it.holders.clone(), Lsn(it.next))
        });
        let stats = |space: Arc<Space>| {
            let stats = KeyspaceStats {
                kind: space.kind,
                keys: space.map.len() as u64,
                generations: space.map.runs() as u64,
            };
            (space.name.clone(), stats)
        };
        let log = shared.log();
        let counted = &shared.counted;
        Stats {
            keyspaces: spaces.into_iter().map(stats).collect(),
            holders,
            next,
            first: log.as_ref().map_or(Lsn(0), |log| log.first_lsn()),
            durable: log.as_ref().map_or(Lsn(0), |log| log.watermarks().durable),
            commits: counted.commits.load(Ordering::Relaxed),
            conflicts: counted.conflicts.load(Ordering::Relaxed),
            checkpoints: counted.checkpoints.load(Ordering::Relaxed),
            checkpoint_failures: counted.checkpoint_failures.load(Ordering::Relaxed),
            swept: counted.swept.load(Ordering::Relaxed),
            merges: counted.merges.load(Ordering::Relaxed),
            log: log.map_or_else(wal::Counters::default, |log| log.counters()),
        }
    }
}
