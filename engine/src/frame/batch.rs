//! Many records in one frame: one checksum, and replay takes all of them or none.
//!
//! ```text
//! │ count u32 │ len u32 │ type u8 │ version u8 │ payload … │ len u32 │ …
//!             └──────────────── item ────────────────────┘
//! ```
//!
//! An item looks like a frame without its checksum; `len` counts type, version and payload.

use super::{Kind, PAYLOAD_BYTES_MAX, Record, VERSION};

/// The largest body of a batch frame. CRC-32 is at its best on short messages, and one damaged
/// bit costs the whole frame, so batches stay small; what is larger goes into a transaction.
pub const BATCH_BYTES_MAX: usize = 64 << 10;

/// What an item adds to its payload.
pub(crate) const ITEM_HEAD: usize = 6;
/// The bytes before the first item.
const COUNT: usize = 4;

/// A batch being filled.
#[derive(Debug, Clone)]
pub struct Batch {
    body: Vec<u8>,
    count: u32,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            body: vec![0; COUNT],
            count: 0,
        }
    }
}

impl Batch {
    /// Adds `record`, or answers `false` and leaves the batch as it was where it would grow
    /// beyond [`BATCH_BYTES_MAX`], or where the record's type is not for callers to use.
    #[must_use]
    pub fn push(&mut self, record: Record<'_>) -> bool {
        let item = ITEM_HEAD + record.payload.len();
        if self.body.len() + item > BATCH_BYTES_MAX || !record.kind.is_known() {
            return false;
        }
        let Ok(len) = u32::try_from(item - 4) else {
            return false;
        };
        self.body.reserve(item);
        self.body.extend_from_slice(&len.to_le_bytes());
        self.body
            .extend_from_slice(&[record.kind.0, record.version]);
        self.body.extend_from_slice(record.payload);
        self.count += 1;
        self.body[..COUNT].copy_from_slice(&self.count.to_le_bytes());
        true
    }

    /// How many records it holds.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.count
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes out all records and keeps the memory.
    pub fn clear(&mut self) {
        self.body.truncate(COUNT);
        self.body.fill(0);
        self.count = 0;
    }

    /// The frame that holds the batch.
    #[must_use]
    pub fn record(&self) -> Record<'_> {
        Record {
            kind: Kind::BATCH,
            version: VERSION,
            payload: &self.body,
        }
    }
}

/// The records of a batch frame's payload, in order.
///
/// Yields `None` in place of a record that does not fit the bytes or has a type of the log's own,
/// and nothing after it.
#[derive(Debug, Clone)]
pub struct BatchItems<'a> {
    rest: &'a [u8],
    left: u32,
}

impl<'a> BatchItems<'a> {
    /// Reads the count; `None` where the payload is too short to hold that many records.
    #[must_use]
    pub fn new(payload: &'a [u8]) -> Option<Self> {
        let (count, rest) = payload.split_first_chunk::<COUNT>()?;
        let left = u32::from_le_bytes(*count);
        let fits = left as usize <= rest.len() / ITEM_HEAD;
        fits.then_some(Self { rest, left })
    }

    /// Goes on with `left` records in `rest`.
    pub(crate) fn resume(rest: &'a [u8], left: u32) -> Self {
        Self { rest, left }
    }

    /// How many records are left.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.left
    }

    /// Whether every record fits and no byte is left over.
    #[must_use]
    pub fn is_well_formed(mut self) -> bool {
        self.by_ref().all(|item| item.is_some()) && self.rest.is_empty()
    }

    /// The first record of a type that this engine does not know.
    pub(crate) fn unknown(self) -> Option<Record<'a>> {
        self.flatten().find(|record| !record.kind.is_known())
    }

    fn item(&mut self) -> Option<Record<'a>> {
        let (len, rest) = self.rest.split_first_chunk::<4>()?;
        let len = u32::from_le_bytes(*len) as usize;
        if len > PAYLOAD_BYTES_MAX {
            return None;
        }
        let (&[kind, version], _) = rest.split_first_chunk::<2>()?;
        if Kind(kind).is_reserved() {
            return None;
        }
        let item = rest.get(..len)?;
        self.rest = &rest[len..];
        Some(Record {
            kind: Kind(kind),
            version,
            payload: item.get(2..)?,
        })
    }
}

impl<'a> Iterator for BatchItems<'a> {
    type Item = Option<Record<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let item = self.item();
        if item.is_none() {
            self.left = 0;
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(payload: &[u8]) -> Record<'_> {
        Record {
            kind: Kind::KV_DELETE,
            version: 9,
            payload,
        }
    }

    fn filled() -> Batch {
        let mut batch = Batch::default();
        for payload in [&b"one"[..], b"", b"three"] {
            assert!(batch.push(record(payload)));
        }
        batch
    }

    #[test]
    fn records_come_back_in_order() {
        let batch = filled();
        let items = BatchItems::new(batch.record().payload).unwrap();
        assert_eq!((items.left(), items.clone().is_well_formed()), (3, true));
        let records: Vec<_> = items.collect();
        assert_eq!(
            records,
            [&b"one"[..], b"", b"three"].map(|payload| Some(record(payload)))
        );
    }

    #[test]
    fn a_full_batch_refuses_and_stays_as_it_was() {
        let mut batch = filled();
        let before = batch.record().payload.len();
        let room = BATCH_BYTES_MAX - before - ITEM_HEAD;
        assert!(!batch.push(record(&vec![0; room + 1])));
        assert_eq!((batch.len(), batch.record().payload.len()), (3, before));
        assert!(batch.push(record(&vec![0; room])));
    }

    #[test]
    fn a_record_of_the_logs_own_types_is_refused() {
        let mut batch = Batch::default();
        assert!(!batch.push(Record {
            kind: Kind::SYNC_MARK,
            version: 1,
            payload: b""
        }));
        assert!(batch.is_empty());
    }

    #[test]
    fn a_cleared_batch_is_like_a_new_one() {
        let mut batch = filled();
        batch.clear();
        assert!(batch.is_empty());
        assert_eq!(batch.record(), Batch::default().record());
    }

    #[test]
    fn a_count_above_what_the_bytes_can_hold_is_refused() {
        let mut payload = filled().record().payload.to_vec();
        payload[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(BatchItems::new(&payload).is_none());
        assert!(BatchItems::new(b"abc").is_none());
    }

    #[test]
    fn a_damaged_item_ends_the_batch() {
        let good = filled().record().payload.to_vec();
        for (at, byte) in [(4, 1), (4, 200), (0, 4), (0, 2), (8, 5)] {
            let mut bad = good.clone();
            bad[at] = byte;
            let items = BatchItems::new(&bad);
            assert!(
                !items.is_some_and(BatchItems::is_well_formed),
                "byte {at} = {byte}"
            );
        }
    }
}
