//! The record of these workloads.

use engine::memtable::{BadRecord, Index, IndexKeys, Record};

/// How many keys the index of few keys has.
pub(super) const CATEGORIES: usize = 10;

/// The place of the unique index.
pub const BY_NAME: usize = 0;
/// The place of the index of few keys.
pub const BY_CATEGORY: usize = 1;
/// The place of the index of a hundred keys.
pub const BY_VALUE: usize = 2;

/// What the tables hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The primary key.
    pub id: i64,
    /// Unique.
    pub name: String,
    /// One of ten.
    pub category: u8,
    /// One of a hundred.
    pub value: i64,
}

impl Item {
    /// The item with a number, and keys of its own in the indexes that follow from `seed`.
    #[must_use]
    pub fn new(number: usize, seed: usize) -> Self {
        let id = i64::try_from(number).unwrap_or(i64::MAX);
        Self {
            id,
            name: format!("item-{:08}", number + seed),
            category: u8::try_from((number + seed / CATEGORIES) % CATEGORIES).unwrap_or(0),
            value: i64::try_from((number + seed) % 100).unwrap_or(0),
        }
    }
}

impl Record for Item {
    type Key = i64;
    const INDEXES: &'static [Index] = &[
        Index::unique("name"),
        Index::new("category"),
        Index::new("value"),
    ];

    fn key(&self) -> i64 {
        self.id
    }

    fn index_keys(&self, keys: &mut IndexKeys) {
        keys.add(BY_NAME, &self.name);
        keys.add(BY_CATEGORY, &self.category);
        keys.add(BY_VALUE, &self.value);
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.to_le_bytes());
        out.extend_from_slice(&self.value.to_le_bytes());
        out.push(self.category);
        out.extend_from_slice(self.name.as_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, BadRecord> {
        let short = BadRecord("too short");
        let (id, rest) = bytes.split_first_chunk().ok_or(short)?;
        let (value, rest) = rest.split_first_chunk().ok_or(short)?;
        let (category, name) = rest.split_first().ok_or(short)?;
        let name = std::str::from_utf8(name).map_err(|_| BadRecord("not UTF-8"))?;
        Ok(Self {
            id: i64::from_le_bytes(*id),
            name: name.to_owned(),
            category: *category,
            value: i64::from_le_bytes(*value),
        })
    }

    fn heap_bytes(&self) -> usize {
        self.name.capacity()
    }
}
