//! The records of a transaction, in as few frames as they fit.

use super::error::CommitError;
use super::log::Prepared;
use crate::frame::{self, Batch, BatchItems, PAYLOAD_BYTES_MAX, Record};
use crate::wal::AppendError;

/// Records on their way to the log: a batch as long as they fit one.
#[derive(Default)]
pub(super) struct Builder {
    batch: Batch,
    /// All of them, once they do not.
    transaction: Option<frame::Transaction>,
}

impl Builder {
    /// Adds a record.
    pub(super) fn push(&mut self, record: Record<'_>) -> Result<(), CommitError> {
        if self.transaction.is_none() && self.batch.push(record) {
            return Ok(());
        }
        let batch = &self.batch;
        let transaction = self.transaction.get_or_insert_with(|| {
            let mut transaction = frame::Transaction::default();
            let gathered = BatchItems::new(batch.record().payload);
            for record in gathered.into_iter().flatten().flatten() {
                // What fits a batch fits a frame.
                let _ = transaction.push(record);
            }
            transaction
        });
        if transaction.push(record) {
            return Ok(());
        }
        let (size, max) = (record.payload.len(), PAYLOAD_BYTES_MAX);
        Err(AppendError::TooLarge { size, max }.into())
    }

    /// All of them, as they go to the log.
    pub(super) fn finish(self) -> Prepared {
        match self.transaction {
            Some(transaction) => Prepared::Transaction(transaction),
            None => Prepared::Batch(self.batch),
        }
    }
}
