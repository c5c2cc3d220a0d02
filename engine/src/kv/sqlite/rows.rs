//! What is said to the database about one row.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::kv::entry::{Entry, Version};

pub(super) fn next_version(connection: &Connection) -> rusqlite::Result<Version> {
    let mut statement = connection
        .prepare_cached("UPDATE kv_counter SET version = version + 1 RETURNING version")?;
    statement.query_row([], |row| Ok(Version(unsigned(row.get(0)?))))
}

pub(super) fn put(
    connection: &Connection,
    key: &[u8],
    value: &[u8],
    version: Version,
    expires_ms: Option<i64>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO kv (key, value, version, expires_ms) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key) \
         DO UPDATE SET value = excluded.value, version = excluded.version, \
         expires_ms = excluded.expires_ms",
    )?;
    statement.execute(params![key, value, signed(version.0), expires_ms])?;
    Ok(())
}

/// Deletes, and says whether a live value went.
pub(super) fn delete(connection: &Connection, key: &[u8], now_ms: i64) -> rusqlite::Result<bool> {
    let mut statement =
        connection.prepare_cached("DELETE FROM kv WHERE key = ?1 RETURNING expires_ms")?;
    let expires_ms: Option<Option<i64>> =
        statement.query_row([key], |row| row.get(0)).optional()?;
    Ok(expires_ms.is_some_and(|it| it.is_none_or(|it| now_ms < it)))
}

pub(super) fn live_version(
    connection: &Connection,
    key: &[u8],
    now_ms: i64,
) -> rusqlite::Result<Option<Version>> {
    let mut statement = connection.prepare_cached(
        "SELECT version FROM kv WHERE key = ?1 AND (expires_ms IS NULL OR expires_ms > ?2)",
    )?;
    let version = |row: &Row<'_>| Ok(Version(unsigned(row.get(0)?)));
    statement
        .query_row(params![key, now_ms], version)
        .optional()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

pub(super) fn blob(row: &Row<'_>, column: usize) -> rusqlite::Result<Bytes> {
    Ok(row.get::<_, Vec<u8>>(column)?.into())
}

/// An entry from the columns value, version and expiry, the first of which is given.
pub(super) fn entry(row: &Row<'_>, first: usize) -> rusqlite::Result<Entry> {
    Ok(Entry {
        value: blob(row, first)?,
        version: Version(unsigned(row.get(first + 1)?)),
        expires_ms: row.get::<_, Option<i64>>(first + 2)?.map(unsigned),
    })
}

/// The live value of a key.
pub(super) const GET: &str =
    "SELECT value FROM kv WHERE key = ?1 AND (expires_ms IS NULL OR expires_ms > ?2)";
