//! What stands in a database before it is used, and whether it is one of ours.

use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};

use super::faults::Faults;
use super::{SqliteOptions, Synchronous};
use crate::kv::error::KvError;

/// The mark of our databases in SQLite's header: "EKVS".
const APPLICATION_ID: i64 = 0x454b_5653;
/// The version of the tables.
const SCHEMA_VERSION: i64 = 1;

/// How long to wait for others that open the same database.
const PAUSE: Duration = Duration::from_millis(5);

const TABLES: &str = "
    CREATE TABLE kv (
        key BLOB NOT NULL PRIMARY KEY,
        value BLOB NOT NULL,
        version INTEGER NOT NULL,
        expires_ms INTEGER
    ) STRICT;
    CREATE INDEX kv_expiring ON kv (expires_ms) WHERE expires_ms IS NOT NULL;
    CREATE TABLE kv_counter (
        one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
        version INTEGER NOT NULL
    ) STRICT;
    INSERT INTO kv_counter VALUES (1, 0);
";

/// Makes a connection ready to write, and creates the tables in a new database. Where others do the
/// same, it is tried again: SQLite does not wait for them when it changes the journal's mode.
pub(super) fn prepare(
    connection: &mut Connection,
    options: &SqliteOptions,
    is_file: bool,
    faults: &Faults,
) -> Result<(), KvError> {
    let begun = Instant::now();
    loop {
        match try_prepare(connection, options, is_file, faults) {
            Err(KvError::Busy { .. }) if begun.elapsed() < options.busy => {
                std::thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
}

fn try_prepare(
    connection: &mut Connection,
    options: &SqliteOptions,
    is_file: bool,
    faults: &Faults,
) -> Result<(), KvError> {
    let begun = begin(connection, options, is_file).map_err(|it| faults.of(it))?;
    let detail = match begun {
        (APPLICATION_ID, SCHEMA_VERSION, _) => return Ok(()),
        (APPLICATION_ID, other, _) => {
            format!("its tables have version {other}, and this engine knows {SCHEMA_VERSION}")
        }
        (0, 0, 0) if options.read_only => "it is empty, and opened for reading alone".to_owned(),
        (0, 0, 0) => return create(connection).map_err(|it| faults.of(it)),
        _ => "it is a database of another program".to_owned(),
    };
    Err(faults.not_a_store(detail))
}

/// Sets what a connection needs; answers with the marks and how many tables there are.
fn begin(
    connection: &Connection,
    options: &SqliteOptions,
    is_file: bool,
) -> rusqlite::Result<(i64, i64, i64)> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    // Before anything is changed: this reads the header, and fails where there is none. In one
    // transaction, since somebody else may be creating the tables right now.
    let transaction = connection.unchecked_transaction()?;
    let marks = (
        number("PRAGMA application_id")?,
        number("PRAGMA user_version")?,
        number("SELECT count(*) FROM sqlite_schema")?,
    );
    transaction.commit()?;
    let is_ours = marks.0 == APPLICATION_ID || marks == (0, 0, 0);
    if !is_ours || options.read_only {
        return Ok(marks);
    }
    if is_file {
        number_or_text(connection, "PRAGMA journal_mode = WAL")?;
    }
    let level = match options.synchronous {
        Synchronous::Normal => "NORMAL",
        Synchronous::Full => "FULL",
    };
    connection.execute_batch(&format!("PRAGMA synchronous = {level}"))?;
    if let Some(bytes) = options.bytes_max {
        let pages = bytes / number("PRAGMA page_size")?.unsigned_abs().max(1);
        number_or_text(
            connection,
            &format!("PRAGMA max_page_count = {}", pages.max(1)),
        )?;
    }
    connection.set_prepared_statement_cache_capacity(32);
    Ok(marks)
}

/// Runs a statement that answers with a row that does not matter.
fn number_or_text(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.query_row(sql, [], |_| Ok(()))
}

fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    // Two programs may come at once: the second finds the tables.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let tables = "SELECT count(*) FROM sqlite_schema";
    if transaction.query_row(tables, [], |row| row.get::<_, i64>(0))? == 0 {
        transaction.execute_batch(TABLES)?;
        transaction.execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}"
        ))?;
    }
    transaction.commit()
}
