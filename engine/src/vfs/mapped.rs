//! Mapping a file into memory: the one place with `unsafe`.
//!
//! A mapping is sound only while nobody changes the file. The log keeps that promise for its own
//! files: it maps sealed segments and finished snapshots, writes to neither, and never shortens a
//! file in place. A foreign process that truncates a mapped file ends this one with SIGBUS, which
//! is why the directory is locked, and stays so until the last mapping of a segment is gone.

use std::fs::File;
use std::io;

use bytes::Bytes;
use memmap2::Mmap;

/// Maps all of `file`; an empty file maps to no bytes.
pub(super) fn map(file: &File) -> io::Result<Bytes> {
    if file.metadata()?.len() == 0 {
        return Ok(Bytes::new());
    }
    #[expect(
        unsafe_code,
        reason = "mapping a file is unsafe by nature; see the module's header"
    )]
    // SAFETY: the file is a sealed segment or a finished snapshot of a directory whose lock this
    // process holds. Its bytes are never written again and its length never shrinks: an outdated
    // file is unlinked, which leaves mappings intact, or reused once no mapping of it is left. A
    // segment's mapping holds the lock, so no later log can reuse its file either.
    let mapping = unsafe { Mmap::map(file)? };
    Ok(Bytes::from_owner(mapping))
}
