//! The record that the tests append.

use engine::frame::{Kind, Record};

/// A kind of the caller's.
pub(crate) const KIND: Kind = Kind(0x40);

/// A record of [`KIND`].
pub(crate) fn record(payload: &[u8]) -> Record<'_> {
    Record {
        kind: KIND,
        version: 1,
        payload,
    }
}
