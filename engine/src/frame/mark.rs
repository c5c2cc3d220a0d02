//! The payloads that the log writes for itself: how far it is durable, where it ends, and which
//! records are one transaction.

use super::{Kind, Record, VERSION};
use crate::fields::{u32_at, u64_at};

/// The payload bytes of a [`SyncMark`].
pub const MARK_PAYLOAD_BYTES: usize = 16;

/// The payload bytes of a [`SegmentEnd`].
pub(crate) const END_PAYLOAD_BYTES: usize = 24;

/// "Everything before `offset` in this segment survives power loss": written with the frames
/// that follow a successful sync. Damage *before* a later mark's offset is corruption, not a torn tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncMark {
    /// Bytes of this segment's file that were durable.
    pub offset: u64,
    /// Records of the log that were durable.
    pub lsn: u64,
}

impl SyncMark {
    /// The payload.
    #[must_use]
    pub fn encode(self) -> [u8; MARK_PAYLOAD_BYTES] {
        let mut payload = [0; MARK_PAYLOAD_BYTES];
        payload[..8].copy_from_slice(&self.offset.to_le_bytes());
        payload[8..].copy_from_slice(&self.lsn.to_le_bytes());
        payload
    }

    /// Reads a payload; `None` where it is not 16 bytes long.
    #[must_use]
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let payload: &[u8; MARK_PAYLOAD_BYTES] = payload.try_into().ok()?;
        Some(Self {
            offset: u64_at(payload, 0),
            lsn: u64_at(payload, 8),
        })
    }

    /// The frame around `payload`.
    #[must_use]
    pub fn record(payload: &[u8; MARK_PAYLOAD_BYTES]) -> Record<'_> {
        Record {
            kind: Kind::SYNC_MARK,
            version: VERSION,
            payload,
        }
    }
}

/// The last frame of a sealed segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentEnd {
    /// How many records the segment holds.
    pub records: u64,
    /// The LSN after its last record, which is the next segment's first.
    pub end_lsn: u64,
    /// The chain over the log's frames up to here.
    pub chain: u32,
    /// The least epoch of the next segment; higher than this one's where recovery sealed it.
    pub next_epoch: u32,
}

impl SegmentEnd {
    /// The payload.
    #[must_use]
    pub fn encode(self) -> [u8; END_PAYLOAD_BYTES] {
        let mut payload = [0; END_PAYLOAD_BYTES];
        payload[..8].copy_from_slice(&self.records.to_le_bytes());
        payload[8..16].copy_from_slice(&self.end_lsn.to_le_bytes());
        payload[16..20].copy_from_slice(&self.chain.to_le_bytes());
        payload[20..].copy_from_slice(&self.next_epoch.to_le_bytes());
        payload
    }

    /// Reads a payload; `None` where it is not 24 bytes long.
    #[must_use]
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let payload: &[u8; END_PAYLOAD_BYTES] = payload.try_into().ok()?;
        Some(Self {
            records: u64_at(payload, 0),
            end_lsn: u64_at(payload, 8),
            chain: u32_at(payload, 16),
            next_epoch: u32_at(payload, 20),
        })
    }

    /// The frame around `payload`.
    #[must_use]
    pub fn record(payload: &[u8; END_PAYLOAD_BYTES]) -> Record<'_> {
        Record {
            kind: Kind::SEGMENT_END,
            version: VERSION,
            payload,
        }
    }
}

/// The payload bytes of a [`TxBegin`].
const BEGIN_PAYLOAD_BYTES: usize = 8;

/// The payload bytes of a [`TxCommit`].
const COMMIT_PAYLOAD_BYTES: usize = 12;

/// The records up to the commit are one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxBegin {
    /// How many records it has.
    pub records: u64,
}

impl TxBegin {
    /// The payload.
    #[must_use]
    pub fn encode(self) -> [u8; BEGIN_PAYLOAD_BYTES] {
        self.records.to_le_bytes()
    }

    /// Reads a payload; `None` where it is not 8 bytes long.
    #[must_use]
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let payload: &[u8; BEGIN_PAYLOAD_BYTES] = payload.try_into().ok()?;
        Some(Self {
            records: u64::from_le_bytes(*payload),
        })
    }

    /// The frame around `payload`.
    #[must_use]
    pub fn record(payload: &[u8; BEGIN_PAYLOAD_BYTES]) -> Record<'_> {
        Record {
            kind: Kind::TX_BEGIN,
            version: VERSION,
            payload,
        }
    }
}

/// The transaction is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxCommit {
    /// How many records it has.
    pub records: u64,
    /// The chain over the segment's frames up to the last one of the transaction.
    pub chain: u32,
}

impl TxCommit {
    /// The payload.
    #[must_use]
    pub fn encode(self) -> [u8; COMMIT_PAYLOAD_BYTES] {
        let mut payload = [0; COMMIT_PAYLOAD_BYTES];
        payload[..8].copy_from_slice(&self.records.to_le_bytes());
        payload[8..].copy_from_slice(&self.chain.to_le_bytes());
        payload
    }

    /// Reads a payload; `None` where it is not 12 bytes long.
    #[must_use]
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let payload: &[u8; COMMIT_PAYLOAD_BYTES] = payload.try_into().ok()?;
        Some(Self {
            records: u64_at(payload, 0),
            chain: u32_at(payload, 8),
        })
    }

    /// The frame around `payload`.
    #[must_use]
    pub fn record(payload: &[u8; COMMIT_PAYLOAD_BYTES]) -> Record<'_> {
        Record {
            kind: Kind::TX_COMMIT,
            version: VERSION,
            payload,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_back_as_written() {
        let mark = SyncMark {
            offset: 7 << 40,
            lsn: 9,
        };
        assert_eq!(SyncMark::decode(&mark.encode()), Some(mark));
        let end = SegmentEnd {
            records: 1,
            end_lsn: 2 << 33,
            chain: 0xfeed,
            next_epoch: 3,
        };
        assert_eq!(SegmentEnd::decode(&end.encode()), Some(end));
        let begin = TxBegin { records: 5 };
        assert_eq!(TxBegin::decode(&begin.encode()), Some(begin));
        let commit = TxCommit {
            records: 5,
            chain: 77,
        };
        assert_eq!(TxCommit::decode(&commit.encode()), Some(commit));
    }

    #[test]
    fn payloads_of_another_length_are_refused() {
        assert_eq!(SyncMark::decode(&[0; 15]), None);
        assert_eq!(SyncMark::decode(&[0; 17]), None);
        assert_eq!(SegmentEnd::decode(&[0; 16]), None);
        assert_eq!(TxBegin::decode(&[0; 12]), None);
        assert_eq!(TxCommit::decode(&[0; 8]), None);
    }
}
