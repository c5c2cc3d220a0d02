//! When a table in memory begins another generation, and what its persister is given.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod batches;
mod flushes;
mod generations;
mod write_only;

use std::time::Duration;

use engine::memtable::{
    BadRecord, Batch, Index, IndexKeys, Options, PersistError, Persister, Record, RecordRef,
};

/// A page of a book; it has its bytes on the heap.
struct Page {
    number: u32,
    text: Vec<u8>,
}

impl Record for Page {
    type Key = u32;
    const INDEXES: &'static [Index] = &[];

    fn key(&self) -> u32 {
        self.number
    }

    fn index_keys(&self, _: &mut IndexKeys) {}

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.text);
    }

    fn decode(bytes: &[u8]) -> Result<Self, BadRecord> {
        let (number, text) = bytes.split_first_chunk().ok_or(BadRecord("too short"))?;
        let (number, text) = (u32::from_le_bytes(*number), text.to_vec());
        Ok(Self { number, text })
    }

    fn heap_bytes(&self) -> usize {
        self.text.len()
    }
}

fn page(number: u32, bytes: usize) -> Page {
    let text = vec![7; bytes];
    Page { number, text }
}

/// One part, nobody flushes by itself, and only the thresholds begin a generation.
fn options() -> Options {
    Options {
        threshold_records: usize::MAX,
        threshold_bytes: usize::MAX,
        flush_interval: Duration::MAX,
        is_background: false,
        shards: 1,
        ..Options::default()
    }
}

/// A persister that is told batches, and has nothing to read.
struct Given<F>(F);

impl<F> Persister<Page> for Given<F>
where
    F: Fn(&Batch<Page>) -> Result<(), PersistError> + Send + Sync + 'static,
{
    fn apply(&self, batch: &Batch<Page>) -> Result<(), PersistError> {
        self.0(batch)
    }

    fn persist(&self, _: &[RecordRef<Page>]) -> Result<(), PersistError> {
        unreachable!("batches are applied")
    }

    fn remove(&self, _: &[u32]) -> Result<(), PersistError> {
        unreachable!("batches are applied")
    }

    fn get(&self, _: &u32) -> Result<Option<Page>, PersistError> {
        Ok(None)
    }

    fn get_by_index(&self, _: usize, _: &[u8]) -> Result<Vec<Page>, PersistError> {
        Ok(Vec::new())
    }

    fn scan(&self, _: Option<&u32>, _: usize) -> Result<Vec<Page>, PersistError> {
        Ok(Vec::new())
    }
}
