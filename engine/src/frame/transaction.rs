//! Records that land together although they are too many for one frame.
//!
//! ```text
//! begin │ batch │ batch │ a record too large for a batch │ batch │ commit
//! ```
//!
//! Replay takes all of them or none: without an intact commit, the log ends before the begin.

use super::{Batch, Kind, PAYLOAD_BYTES_MAX, Prepared, Record, TxBegin};

/// A transaction being filled.
#[derive(Debug, Clone, Default)]
pub struct Transaction {
    parts: Vec<Part>,
    records: u64,
}

#[derive(Debug, Clone)]
enum Part {
    Batch(Batch),
    Large {
        kind: Kind,
        version: u8,
        payload: Vec<u8>,
    },
}

impl Transaction {
    /// Adds `record`, or answers `false` where its payload is larger than a frame may be, or its
    /// type is not for callers to use.
    #[must_use]
    pub fn push(&mut self, record: Record<'_>) -> bool {
        let Record {
            kind,
            version,
            payload,
        } = record;
        if payload.len() > PAYLOAD_BYTES_MAX || !kind.is_known() {
            return false;
        }
        self.records += 1;
        if let Some(Part::Batch(batch)) = self.parts.last_mut()
            && batch.push(record)
        {
            return true;
        }
        let mut batch = Batch::default();
        self.parts.push(if batch.push(record) {
            Part::Batch(batch)
        } else {
            Part::Large {
                kind,
                version,
                payload: payload.to_vec(),
            }
        });
        true
    }

    /// How many records it holds.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.records
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// What its first frame says.
    #[must_use]
    pub fn begin(&self) -> TxBegin {
        TxBegin {
            records: self.records,
        }
    }

    /// Its frames between begin and commit, each with the number of its records.
    pub fn frames(&self) -> impl Iterator<Item = (Prepared<'_>, u64)> {
        self.parts.iter().filter_map(|part| {
            let (record, records) = match part {
                Part::Batch(batch) => (batch.record(), u64::from(batch.len())),
                Part::Large {
                    kind,
                    version,
                    payload,
                } => (
                    Record {
                        kind: *kind,
                        version: *version,
                        payload,
                    },
                    1,
                ),
            };
            Some((Prepared::new(record)?, records))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::BATCH_BYTES_MAX;

    #[test]
    fn records_are_spread_over_as_many_frames_as_they_need() {
        let mut transaction = Transaction::default();
        let payload = vec![1; 1000];
        let large = vec![2; BATCH_BYTES_MAX];
        let record = |payload| Record {
            kind: Kind(0x40),
            version: 1,
            payload,
        };
        for _ in 0..70 {
            assert!(transaction.push(record(&payload)));
        }
        assert!(transaction.push(record(&large)));
        assert!(transaction.push(record(&payload)));
        let counts: Vec<_> = transaction.frames().map(|(_, records)| records).collect();
        assert_eq!(counts, [65, 5, 1, 1]);
        assert_eq!((transaction.len(), transaction.begin().records), (72, 72));
    }

    #[test]
    fn a_payload_above_the_cap_is_refused() {
        let mut transaction = Transaction::default();
        let payload = vec![0; PAYLOAD_BYTES_MAX + 1];
        assert!(!transaction.push(Record {
            kind: Kind(0x40),
            version: 1,
            payload: &payload
        }));
        assert!(transaction.is_empty());
    }

    #[test]
    fn a_record_of_the_logs_own_types_is_refused() {
        let mut transaction = Transaction::default();
        let payload = vec![0; BATCH_BYTES_MAX];
        assert!(!transaction.push(Record {
            kind: Kind::SEGMENT_END,
            version: 1,
            payload: &payload
        }));
        assert!(transaction.is_empty());
    }
}
