//! For modules that order their changes themselves and use the engine as their log: a record is
//! appended now and waited for later, so that no lock of theirs is held while a disk syncs.

use super::Engine;
use super::error::CommitError;
use crate::frame::Record;
use crate::wal::Lsn;

impl Engine {
    /// Appends a record whose view applies it itself, and answers with the LSN after it. The view is
    /// told of it at recovery only.
    pub(crate) fn append_record(&self, record: Record<'_>) -> Result<Lsn, CommitError> {
        self.inner
            .shared
            .sequence(|sequencer| sequencer.append(record))
    }

    /// Does what the mode promises of a commit for the records below `end`.
    pub(crate) fn promise(&self, end: Lsn) -> Result<(), CommitError> {
        self.inner.shared.promise(end)
    }

    /// The LSN of the next record.
    pub(crate) fn next_lsn(&self) -> Lsn {
        self.inner.shared.sequence(|sequencer| Lsn(sequencer.next))
    }
}
