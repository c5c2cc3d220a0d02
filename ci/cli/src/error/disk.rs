//! Whether an error is that of a full disk, whose remedy is another than that of a forbidden place.

/// Whether the disk or the quota is full: making a directory writable would not help.
pub(super) fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}
