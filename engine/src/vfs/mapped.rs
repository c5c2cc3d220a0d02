//! Mapping a file into memory: the one place with `unsafe`.
//!
//! A mapping is sound only while nobody changes the file. The log keeps that promise for its own
//! files: it maps sealed segments and finished snapshots, writes to neither, and never shortens a
//! file in place. A foreign process that truncates a mapped file ends this one with SIGBUS, which
//! is why the directory is locked, and stays so until the last mapping of a segment is gone.
//!
//! A medium that cannot deliver a page ends a process with SIGBUS too, where the page is touched.
//! What is verified as a whole is therefore read in by the system first, which answers with an error
//! ([`load`]). What is left: a page that was verified, was evicted, and cannot be read a second time.
//! Installing a signal handler is not a library's to do; a supervisor starts the process again, and
//! opening the log then names the file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use memmap2::Mmap;

/// How much is read at once where the system cannot read a mapping in.
const READ_BYTES: usize = 1 << 20;

/// Maps all of `file`; an empty file maps to no bytes.
pub(super) fn map(file: &File) -> io::Result<Bytes> {
    Ok(mapping(file)?.map_or_else(Bytes::new, Bytes::from_owner))
}

/// Maps all of `file` once the system has read all of it.
pub(super) fn load(file: &File) -> io::Result<Bytes> {
    let Some(mapping) = mapping(file)? else {
        return Ok(Bytes::new());
    };
    read_in(&mapping, file)?;
    Ok(Bytes::from_owner(mapping))
}

fn mapping(file: &File) -> io::Result<Option<Mmap>> {
    if file.metadata()?.len() == 0 {
        return Ok(None);
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
    Ok(Some(mapping))
}

/// Has the system read all pages of a mapping, so that one it cannot read is an error.
#[cfg(not(target_os = "linux"))]
fn read_in(_mapping: &Mmap, file: &File) -> io::Result<()> {
    read_through(file)
}

/// Has the system read all pages of a mapping, so that one it cannot read is an error.
#[cfg(target_os = "linux")]
fn read_in(mapping: &Mmap, file: &File) -> io::Result<()> {
    match mapping.advise(memmap2::Advice::PopulateRead) {
        Ok(()) => Ok(()),
        // Before Linux 5.14.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => read_through(file),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("the medium does not deliver all of it: {error}"),
        )),
    }
}

fn read_through(file: &File) -> io::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    let mut at = 0;
    loop {
        match file.read_at(&mut buffer, at)? {
            0 => return Ok(()),
            read => at += read as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_that_cannot_be_read_is_an_error_and_no_signal() {
        let file = tempfile::tempfile().expect("a file");
        file.write_all_at(&[7; 8192], 0).expect("it is written");
        let bytes = load(&file).expect("it is whole");
        assert_eq!(bytes, [7; 8192][..]);
        let mapping = mapping(&file).expect("it is mapped").expect("not empty");
        file.set_len(4096).expect("it is shortened");
        // To touch the second page would end the process.
        assert!(read_in(&mapping, &file).is_err());
    }
}
