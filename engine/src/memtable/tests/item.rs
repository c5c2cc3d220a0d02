//! The record of these tests: with a unique index, one of few keys, and one of several keys each.

use std::cell::Cell;

use super::super::{BadRecord, Index, IndexKeys, Record};

pub(super) const BY_EMAIL: usize = 0;
pub(super) const BY_COLOR: usize = 1;
pub(super) const BY_TAG: usize = 2;

/// How many ids, e-mail addresses, colours and tags there are.
pub(super) const IDS: u8 = 12;
pub(super) const EMAILS: u8 = 8;
pub(super) const COLORS: u8 = 3;
pub(super) const TAGS: u8 = 4;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::memtable) struct Item {
    pub(super) id: u8,
    pub(super) email: Option<u8>,
    pub(super) color: u8,
    pub(super) tags: Vec<u8>,
}

/// Which function of the next record panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Panics {
    Key,
    IndexKeys,
    /// After it added some keys.
    IndexKeysLate,
    Encode,
    Decode,
}

thread_local! {
    static PANICS: Cell<Option<Panics>> = const { Cell::new(None) };
}

/// Lets a function of the records panic while `test` runs.
pub(super) fn panicking<T>(panics: Panics, test: impl FnOnce() -> T) -> T {
    PANICS.set(Some(panics));
    let result = test();
    PANICS.set(None);
    result
}

fn maybe(panics: Panics) {
    assert!(PANICS.get() != Some(panics), "as told: {panics:?}");
}

pub(super) fn email(number: u8) -> String {
    format!("{number}@example.com")
}

impl Item {
    pub(in crate::memtable) fn new(id: u8) -> Self {
        Self {
            id,
            email: None,
            color: 0,
            tags: Vec::new(),
        }
    }
}

impl Record for Item {
    type Key = u8;
    const INDEXES: &'static [Index] = &[
        Index::unique("email"),
        Index::new("color"),
        Index::new("tag"),
    ];

    fn key(&self) -> u8 {
        maybe(Panics::Key);
        self.id
    }

    fn index_keys(&self, keys: &mut IndexKeys) {
        maybe(Panics::IndexKeys);
        if let Some(number) = self.email {
            keys.add(BY_EMAIL, &email(number));
        }
        keys.add(BY_COLOR, &self.color);
        // Further ones only make it large.
        for tag in self.tags.iter().take(usize::from(TAGS)) {
            keys.add(BY_TAG, tag);
        }
        maybe(Panics::IndexKeysLate);
    }

    fn encode(&self, out: &mut Vec<u8>) {
        maybe(Panics::Encode);
        out.extend_from_slice(&[self.id, self.email.unwrap_or(u8::MAX), self.color]);
        out.extend_from_slice(&self.tags);
    }

    fn decode(bytes: &[u8]) -> Result<Self, BadRecord> {
        maybe(Panics::Decode);
        let [id, email, color, tags @ ..] = bytes else {
            return Err(BadRecord("fewer than three bytes"));
        };
        Ok(Self {
            id: *id,
            email: Some(*email).filter(|email| *email != u8::MAX),
            color: *color,
            tags: tags.to_vec(),
        })
    }

    fn heap_bytes(&self) -> usize {
        self.tags.len()
    }
}
