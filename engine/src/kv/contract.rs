//! The trait, and what its calls promise.

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;

use super::batch::{Batch, Expect, Outcome, Write};
use super::entry::{Entry, Page, Stats, Version};
use super::error::KvError;

/// Keys and values, wherever they are kept. Keys are 1 to 4,096 bytes, values up to 8 MiB, both any
/// bytes at all.
///
/// # Promises of every backend
///
/// - **Atomicity.** Each call that writes is applied whole or not at all, for readers and after a
///   crash. `write` checks conditions and writes in one step that nothing comes between.
/// - **Order.** Calls on one key take effect one after the other (linearizable). `list` is in the
///   order of the keys' bytes.
/// - **Visibility.** When a write has returned, every later read sees it, from any thread and any
///   other handle of the same store. `get_many` sees one moment.
/// - **Versions** rise; see [`Version`].
/// - **Expiry.** A value whose moment has come is absent for every call, whether or not it was
///   reclaimed. Reclaiming never touches a value that was put since.
/// - **Errors.** A call that fails has changed nothing, with one exception that says so:
///   [`KvError::OutcomeUnknown`]. No call panics or waits without end.
///
/// # Where the backends differ
///
/// | | memory | engine | SQLite | Redis |
/// |---|---|---|---|---|
/// | after `put`, survives a killed process | no | `strict`: yes; `buffered`: what was written out | yes | yes, the server is another one |
/// | after `put`, survives power loss | no | `strict`: yes; `buffered`: within its interval | `synchronous=full`: yes; `normal`: after `flush` | as the server is configured; its default: minutes |
/// | `flush` | nothing to do | all so far is durable | all so far is durable | nothing: ask the server's administrator |
/// | a page of `list` is | one moment | one moment | one moment | not: a key written meanwhile may be missing or new |
/// | `clear` | one moment | all or nothing; keys put meanwhile may stay | one moment | keys put meanwhile may stay |
/// | a read may be ahead of the disk | – | `strict`: by the sync of a put that has not returned | – | – |
/// | programs at once | one | one | many, one writer at a time | many |
/// | `list` of n in N keys costs | log N + n | log N + n | log N + n | N, and a round trip for each 1,000 |
/// | `stats` costs | N | N | N | N, and round trips |
/// | a server that forgot | – | – | – | [`KvError::DataLost`]; single keys that it evicts are just absent |
///
/// The trait is object-safe: a program holds a `Box<dyn KeyValueStore>` and picks the backend by a line
/// of configuration ([`open`](super::open())).
pub trait KeyValueStore: Debug + Send + Sync {
    /// What `key` has.
    ///
    /// # Errors
    /// Any [`KvError`] but those of values and batches; so for all reads.
    fn entry(&self, key: &[u8]) -> Result<Option<Entry>, KvError>;

    /// Applies a batch if all its conditions hold.
    ///
    /// # Errors
    /// Any [`KvError`]; so for all writes. Nothing was written, except perhaps with
    /// [`KvError::OutcomeUnknown`].
    fn write(&self, batch: &Batch) -> Result<Outcome, KvError>;

    /// Up to `limit` entries whose keys begin with `prefix` and are greater than `after`, in key
    /// order. The empty prefix is that of all keys. A limit of 0 counts as 1, one over 10,000 as
    /// 10,000; a page ends early with the entry that takes it past 16 MiB.
    ///
    /// Going from page to page by [`Page::next`], a key that is there all the time is seen exactly
    /// once, and one that comes or goes meanwhile at most once.
    ///
    /// # Errors
    /// As for [`entry`](Self::entry).
    fn list(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Page, KvError>;

    /// Removes every key. Versions go on from where they were.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    fn clear(&self) -> Result<(), KvError>;

    /// Reclaims values that have expired, and says how many. Backends also reclaim by and by.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    fn purge_expired(&self) -> Result<u64, KvError>;

    /// Counts keys and bytes.
    ///
    /// # Errors
    /// As for [`entry`](Self::entry).
    fn stats(&self) -> Result<Stats, KvError>;

    /// Makes what was written so far as durable as the backend can; see the table.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    fn flush(&self) -> Result<(), KvError>;

    /// Flushes and gives back files and connections. Later calls fail with [`KvError::Closed`], a
    /// second `close` does nothing. Dropping a store closes it too, and cannot report errors.
    ///
    /// # Errors
    /// As for [`flush`](Self::flush). The store is closed nevertheless.
    fn close(&self) -> Result<(), KvError>;

    /// The value of `key`.
    ///
    /// # Errors
    /// As for [`entry`](Self::entry).
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        Ok(self.entry(key)?.map(|entry| entry.value))
    }

    /// Whether `key` has a value.
    ///
    /// # Errors
    /// As for [`entry`](Self::entry).
    fn exists(&self, key: &[u8]) -> Result<bool, KvError> {
        Ok(self.entry(key)?.is_some())
    }

    /// When the value of `key` is gone: `None` where there is no value, `Some(None)` where it stays.
    ///
    /// # Errors
    /// As for [`entry`](Self::entry).
    fn expiry(&self, key: &[u8]) -> Result<Option<Option<u64>>, KvError> {
        Ok(self.entry(key)?.map(|entry| entry.expires_ms))
    }

    /// The values of `keys` at one moment, in the order of `keys`. At most 10,000 keys.
    ///
    /// # Errors
    /// As for [`entry`](Self::entry), and [`KvError::BatchTooLarge`].
    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>, KvError>;

    /// Gives `key` a value for good: an expiry that it had goes with the value it had.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    fn put(&self, key: &[u8], value: &[u8]) -> Result<Version, KvError> {
        self.apply(&Batch::default().put(key, value))
    }

    /// Gives `key` a value that is gone after `ttl`.
    ///
    /// # Errors
    /// As for [`write`](Self::write); [`KvError::Ttl`] where `ttl` is zero or over a hundred years.
    fn put_with_ttl(&self, key: &[u8], value: &[u8], ttl: Duration) -> Result<Version, KvError> {
        self.apply(&Batch::default().put_with_ttl(key, value, ttl))
    }

    /// Removes `key`, and says whether it had a value.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    fn delete(&self, key: &[u8]) -> Result<bool, KvError> {
        let outcome = self.write(&Batch::default().delete(key))?;
        Ok(matches!(outcome, Outcome::Applied { removed, .. } if removed > 0))
    }

    /// Gives `key` a value if it is what is expected.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    fn compare_and_swap(
        &self,
        key: &[u8],
        expect: Expect,
        value: &[u8],
    ) -> Result<Outcome, KvError> {
        self.write(&Batch::default().expect(key, expect).put(key, value))
    }

    /// Gives the value of `key` a new time to live, or with `None` lets it stay. Answers whether there
    /// is one. The value keeps its bytes and gets a new version.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    fn set_ttl(&self, key: &[u8], ttl: Option<Duration>) -> Result<bool, KvError> {
        while let Some(entry) = self.entry(key)? {
            let mut batch = Batch::default().expect(key, Expect::Version(entry.version));
            batch.push(Write::Put {
                key: Bytes::copy_from_slice(key),
                value: entry.value,
                ttl,
            });
            // Whoever came between has written, so some writer always gets on.
            if let Outcome::Applied { .. } = self.write(&batch)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gives several keys their values, all at once or none.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    fn put_many(&self, pairs: &[(&[u8], &[u8])]) -> Result<Version, KvError> {
        let mut batch = Batch::default();
        for (key, value) in pairs {
            batch = batch.put(key, value);
        }
        self.apply(&batch)
    }

    /// Applies batches in their order, each whole or not at all, and answers for each. Between them
    /// anything may happen; a server gets them in one round trip. One that fails or meets a conflict
    /// does not keep the others from being applied.
    fn write_each(&self, batches: &[Batch]) -> Vec<Result<Outcome, KvError>> {
        batches.iter().map(|batch| self.write(batch)).collect()
    }

    /// Applies a batch without conditions.
    #[doc(hidden)]
    fn apply(&self, batch: &Batch) -> Result<Version, KvError> {
        match self.write(batch)? {
            Outcome::Applied { version, .. } => Ok(version),
            Outcome::Conflict { .. } => unreachable!("a batch without conditions has no conflict"),
        }
    }
}
