//! How large things may be. The same for all backends, so that a program that works on one works on
//! the others.

use super::batch::{Batch, Write};
use super::error::KvError;
use super::ttl::expiry;

/// The longest key.
pub const KEY_BYTES_MAX: usize = 4 << 10;
/// The longest value.
pub const VALUE_BYTES_MAX: usize = 8 << 20;
/// The most conditions and writes in a batch.
pub const BATCH_ITEMS_MAX: usize = 10_000;
/// The most bytes of keys and values in a batch.
pub const BATCH_BYTES_MAX: usize = 16 << 20;
/// The most entries on a page.
pub const PAGE_ENTRIES_MAX: usize = 10_000;
/// A page ends with the entry that takes it past so many bytes.
pub const PAGE_BYTES_MAX: usize = 16 << 20;

/// Whether a key can be one.
///
/// # Errors
/// [`KvError::EmptyKey`], [`KvError::KeyTooLarge`].
pub fn check_key(key: &[u8]) -> Result<(), KvError> {
    match key.len() {
        0 => Err(KvError::EmptyKey),
        bytes if bytes > KEY_BYTES_MAX => Err(KvError::KeyTooLarge { bytes }),
        _ => Ok(()),
    }
}

/// Whether a key and its value can be stored.
///
/// # Errors
/// [`KvError::EmptyKey`], [`KvError::KeyTooLarge`], [`KvError::ValueTooLarge`].
pub fn check_pair(key: &[u8], value: &[u8]) -> Result<(), KvError> {
    check_key(key)?;
    let bytes = value.len();
    if bytes > VALUE_BYTES_MAX {
        return Err(KvError::ValueTooLarge { bytes });
    }
    Ok(())
}

/// Whether keys can be read together.
///
/// # Errors
/// As for each key, and [`KvError::BatchTooLarge`].
pub fn check_keys(keys: &[&[u8]]) -> Result<(), KvError> {
    keys.iter().try_for_each(|key| check_key(key))?;
    if keys.len() > BATCH_ITEMS_MAX {
        return Err(KvError::BatchTooLarge {
            items: keys.len(),
            bytes: keys.iter().map(|key| key.len()).sum(),
        });
    }
    Ok(())
}

/// Whether a batch and all that is in it can be written.
///
/// # Errors
/// As for its keys, values and times to live, and [`KvError::BatchTooLarge`].
pub fn check_batch(batch: &Batch) -> Result<(), KvError> {
    let (conditions, writes) = (batch.conditions(), batch.writes());
    let items = conditions.len() + writes.len();
    for (key, _) in conditions {
        check_key(key)?;
    }
    for write in writes {
        match write {
            Write::Put { key, value, ttl } => {
                check_pair(key, value)?;
                ttl.map_or(Ok(0), |ttl| expiry(0, ttl))?;
            }
            Write::Delete { key } => check_key(key)?,
        }
    }
    let bytes = batch.bytes();
    if items > BATCH_ITEMS_MAX || bytes > BATCH_BYTES_MAX {
        return Err(KvError::BatchTooLarge { items, bytes });
    }
    Ok(())
}

/// How many entries a page has when `asked` were asked for.
#[must_use]
pub fn page_entries(asked: usize) -> usize {
    asked.clamp(1, PAGE_ENTRIES_MAX)
}
