//! A store in an SQLite database: one file that several programs can use.
//!
//! ```text
//! writes ──► one connection, BEGIN IMMEDIATE … COMMIT ──► write-ahead log ─┐
//! reads  ──► a connection per thread that reads at once ◄──────────────────┴─► database file
//! ```
//!
//! The file is in WAL mode: readers do not wait for the writer, and each reads one moment. A commit
//! with `synchronous=full` survives power loss; with `normal` it does after the next `flush` or
//! checkpoint, and always survives a killed process. In memory (`sqlite::memory:`) one connection
//! serves all.
//!
//! | table | holds |
//! |---|---|
//! | `kv` | key, value, version, expiry in milliseconds or NULL |
//! | `kv_counter` | the version given out last: one row |

mod connections;
mod faults;
mod rows;
mod schema;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use self::connections::{Reader, Readers, connect};
use self::faults::Faults;
use self::rows::{GET, blob, delete, entry, live_version, next_version, put, unsigned};
use super::batch::{Batch, Outcome, Write};
use super::clock::{Clock, SystemClock};
use super::contract::KeyValueStore;
use super::entry::{Entry, Page, Stats, Version};
use super::error::KvError;
use super::limits::{PAGE_BYTES_MAX, check_batch, check_key, check_keys, check_pair, page_entries};
use super::ttl::expiry;

/// What a commit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// Until the system has the write: it survives a killed process.
    #[default]
    Normal,
    /// Until the disk has it: it survives power loss.
    Full,
}

/// How a database is opened.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// What a commit waits for.
    pub synchronous: Synchronous,
    /// How long a call waits for another program that holds the database locked.
    pub busy: Duration,
    /// Whether the database is opened for reading alone. It has to exist.
    pub read_only: bool,
    /// How large the database file may become, in bytes; as large as it needs, where there is none.
    pub bytes_max: Option<u64>,
    /// By which clock values expire.
    pub clock: Arc<dyn Clock>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            synchronous: Synchronous::default(),
            busy: Duration::from_secs(5),
            read_only: false,
            bytes_max: None,
            clock: Arc::new(SystemClock),
        }
    }
}

/// A store in an SQLite database.
#[derive(Debug)]
pub struct SqliteStore {
    /// `None` once it is closed.
    writer: Mutex<Option<Connection>>,
    /// `None` where the database is in memory, which has one connection.
    readers: Option<Readers>,
    options: SqliteOptions,
    faults: Faults,
}

impl SqliteStore {
    /// Opens the database in a file, which is created where there is none.
    ///
    /// # Errors
    /// [`KvError::NotAStore`] where the file is no SQLite database, or that of another program;
    /// [`KvError::Busy`], [`KvError::ReadOnly`], [`KvError::Corrupt`], [`KvError::Refused`].
    pub fn open(path: &Path, options: SqliteOptions) -> Result<Self, KvError> {
        if path == Path::new(":memory:") {
            return Self::in_memory(options);
        }
        let faults = Faults::new(&path.display().to_string(), options.busy);
        if path.as_os_str().is_empty() {
            // To SQLite, this is a file of its own that it removes at the end.
            return Err(faults.not_a_store("its path is empty".to_owned()));
        }
        let writer = connect(path, &options, options.read_only).map_err(|it| faults.of(it))?;
        Self::over(writer, Some(Readers::of(path)), options, faults)
    }

    /// A database in memory, gone with the store.
    ///
    /// # Errors
    /// [`KvError::Refused`], where SQLite has no memory.
    pub fn in_memory(options: SqliteOptions) -> Result<Self, KvError> {
        let faults = Faults::new(":memory:", options.busy);
        let writer = Connection::open_in_memory().map_err(|it| faults.of(it))?;
        Self::over(writer, None, options, faults)
    }

    fn over(
        mut writer: Connection,
        readers: Option<Readers>,
        options: SqliteOptions,
        faults: Faults,
    ) -> Result<Self, KvError> {
        schema::prepare(&mut writer, &options, readers.is_some(), &faults)?;
        Ok(Self {
            writer: Mutex::new(Some(writer)),
            readers,
            options,
            faults,
        })
    }

    fn now_ms(&self) -> i64 {
        i64::try_from(self.options.clock.now_ms()).unwrap_or(i64::MAX)
    }

    fn reader(&self) -> Result<Reader<'_>, KvError> {
        let Some(readers) = &self.readers else {
            return Ok(Reader::Shared(self.writer.lock()));
        };
        let reader = readers.take(&self.options);
        let reader = reader.map_err(|it| self.faults.of(it))?;
        reader.ok_or_else(|| self.faults.closed())
    }

    /// Reads by `read`, outside of a transaction: each statement sees one moment.
    fn reading<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, KvError> {
        let reader = self.reader()?;
        let connection = reader.connection().ok_or_else(|| self.faults.closed())?;
        read(connection).map_err(|it| self.faults.of(it))
    }

    /// Writes by `write` in one transaction, which is undone where it fails or answers with `None`.
    fn writing<T>(
        &self,
        write: impl FnOnce(&Connection) -> Result<Step<T>, WriteError>,
    ) -> Result<T, KvError> {
        let mut guard = self.writer.lock();
        let connection = guard.as_mut().ok_or_else(|| self.faults.closed())?;
        let run = || -> Result<T, WriteError> {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            match write(&transaction)? {
                Step::Keep(answer) => {
                    transaction.commit()?;
                    Ok(answer)
                }
                Step::Undo(answer) => {
                    transaction.rollback()?;
                    Ok(answer)
                }
            }
        };
        run().map_err(|error| match error {
            WriteError::Store(error) => error,
            WriteError::Sqlite(error) => self.faults.of(error),
        })
    }

    fn put_one(&self, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<Version, KvError> {
        check_pair(key, value)?;
        self.writing(|connection| {
            let expires_ms = self.expires_ms(ttl)?;
            let version = next_version(connection)?;
            put(connection, key, value, version, expires_ms)?;
            Ok(Step::Keep(version))
        })
    }

    fn expires_ms(&self, ttl: Option<Duration>) -> Result<Option<i64>, KvError> {
        let moment = ttl.map(|ttl| expiry(self.options.clock.now_ms(), ttl));
        // `expiry` answers with no moment that is beyond a signed number.
        Ok(moment.transpose()?.and_then(|it| i64::try_from(it).ok()))
    }
}

/// What becomes of a transaction.
enum Step<T> {
    Keep(T),
    Undo(T),
}

enum WriteError {
    Store(KvError),
    Sqlite(rusqlite::Error),
}

impl From<KvError> for WriteError {
    fn from(error: KvError) -> Self {
        Self::Store(error)
    }
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl KeyValueStore for SqliteStore {
    fn entry(&self, key: &[u8]) -> Result<Option<Entry>, KvError> {
        check_key(key)?;
        let now_ms = self.now_ms();
        self.reading(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT value, version, expires_ms FROM kv \
                 WHERE key = ?1 AND (expires_ms IS NULL OR expires_ms > ?2)",
            )?;
            statement
                .query_row(params![key, now_ms], |row| entry(row, 0))
                .optional()
        })
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        check_key(key)?;
        let now_ms = self.now_ms();
        self.reading(|connection| {
            let mut statement = connection.prepare_cached(GET)?;
            statement
                .query_row(params![key, now_ms], |row| blob(row, 0))
                .optional()
        })
    }

    fn exists(&self, key: &[u8]) -> Result<bool, KvError> {
        check_key(key)?;
        let now_ms = self.now_ms();
        self.reading(|connection| Ok(live_version(connection, key, now_ms)?.is_some()))
    }

    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>, KvError> {
        check_keys(keys)?;
        let now_ms = self.now_ms();
        self.reading(|connection| {
            // All statements of a transaction see the moment of its first.
            let transaction = connection.unchecked_transaction()?;
            let mut statement = transaction.prepare_cached(GET)?;
            let get = |key: &&[u8]| {
                statement
                    .query_row(params![key, now_ms], |row| blob(row, 0))
                    .optional()
            };
            keys.iter().map(get).collect()
        })
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<Version, KvError> {
        self.put_one(key, value, None)
    }

    fn put_with_ttl(&self, key: &[u8], value: &[u8], ttl: Duration) -> Result<Version, KvError> {
        self.put_one(key, value, Some(ttl))
    }

    fn delete(&self, key: &[u8]) -> Result<bool, KvError> {
        check_key(key)?;
        self.writing(|connection| Ok(Step::Keep(delete(connection, key, self.now_ms())?)))
    }

    fn write(&self, batch: &Batch) -> Result<Outcome, KvError> {
        check_batch(batch)?;
        self.writing(|connection| {
            let now_ms = self.now_ms();
            for (condition, (key, expect)) in batch.conditions().iter().enumerate() {
                let actual = live_version(connection, key, now_ms)?;
                if !expect.holds(actual) {
                    return Ok(Step::Undo(Outcome::Conflict { condition, actual }));
                }
            }
            let version = next_version(connection)?;
            let mut removed = 0;
            for write in batch.writes() {
                match write {
                    Write::Put { key, value, ttl } => {
                        put(connection, key, value, version, self.expires_ms(*ttl)?)?;
                    }
                    Write::Delete { key } => {
                        removed += u64::from(delete(connection, key, now_ms)?);
                    }
                }
            }
            Ok(Step::Keep(Outcome::Applied { version, removed }))
        })
    }

    fn list(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Page, KvError> {
        let limit = page_entries(limit);
        let now_ms = self.now_ms();
        let from = after.filter(|after| *after >= prefix);
        self.reading(|connection| {
            let mut statement = connection.prepare_cached(if from.is_some() {
                "SELECT key, value, version, expires_ms FROM kv WHERE key > ?1 \
                 AND (expires_ms IS NULL OR expires_ms > ?2) ORDER BY key"
            } else {
                "SELECT key, value, version, expires_ms FROM kv WHERE key >= ?1 \
                 AND (expires_ms IS NULL OR expires_ms > ?2) ORDER BY key"
            })?;
            let mut rows = statement.query(params![from.unwrap_or(prefix), now_ms])?;
            let mut page = Page::default();
            let mut bytes = 0;
            while let Some(row) = rows.next()? {
                // Borrowed: a row that is beyond the page is not copied.
                let key = row.get_ref(0)?.as_blob()?;
                if !key.starts_with(prefix) {
                    break;
                }
                if page.entries.len() == limit || bytes > PAGE_BYTES_MAX {
                    page.next = page.entries.last().map(|(key, _)| key.clone());
                    break;
                }
                let key = Bytes::copy_from_slice(key);
                let entry = entry(row, 1)?;
                bytes += key.len() + entry.value.len();
                page.entries.push((key, entry));
            }
            Ok(page)
        })
    }

    fn clear(&self) -> Result<(), KvError> {
        self.writing(|connection| {
            connection.execute("DELETE FROM kv", [])?;
            Ok(Step::Keep(()))
        })
    }

    fn purge_expired(&self) -> Result<u64, KvError> {
        self.writing(|connection| {
            let now_ms = self.now_ms();
            let count = connection
                .prepare_cached("DELETE FROM kv WHERE expires_ms <= ?1")?
                .execute([now_ms])?;
            Ok(Step::Keep(count as u64))
        })
    }

    fn stats(&self) -> Result<Stats, KvError> {
        let now_ms = self.now_ms();
        self.reading(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT count(*) FILTER (WHERE live), \
                 coalesce(sum(bytes) FILTER (WHERE live), 0), count(*) FILTER (WHERE NOT live) \
                 FROM (SELECT length(key) + length(value) AS bytes, \
                 (expires_ms IS NULL OR expires_ms > ?1) AS live FROM kv)",
            )?;
            statement.query_row([now_ms], |row| {
                Ok(Stats {
                    keys: unsigned(row.get(0)?),
                    bytes: unsigned(row.get(1)?),
                    expired: unsigned(row.get(2)?),
                })
            })
        })
    }

    fn flush(&self) -> Result<(), KvError> {
        let guard = self.writer.lock();
        let connection = guard.as_ref().ok_or_else(|| self.faults.closed())?;
        self.checkpoint(connection).map_err(|it| self.faults.of(it))
    }

    fn close(&self) -> Result<(), KvError> {
        let Some(connection) = self.writer.lock().take() else {
            return Ok(());
        };
        if let Some(readers) = &self.readers {
            readers.close();
        }
        let flushed = self.checkpoint(&connection);
        let closed = connection.close().map_err(|(_, error)| error);
        flushed.and(closed).map_err(|it| self.faults.of(it))
    }
}

impl SqliteStore {
    /// Moves what is in the write-ahead log to the database, which syncs both. Where a reader keeps
    /// it from going on, the log itself has been synced.
    fn checkpoint(&self, connection: &Connection) -> rusqlite::Result<()> {
        if self.readers.is_none() || self.options.read_only {
            return Ok(());
        }
        let mut statement = connection.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?;
        statement.query_row([], |_| Ok(()))
    }
}
