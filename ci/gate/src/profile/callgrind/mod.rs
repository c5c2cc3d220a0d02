//! Callgrind's output format, read in one pass.
//!
//! The format is described in the Valgrind manual under "Callgrind Format Specification"
//! (<https://valgrind.org/docs/manual/cl-format.html>). What a reader must know beyond its
//! grammar:
//!
//! - `fl=`, `fi=` and `fe=` all set the file of the cost lines that follow. Only `fn=` changes the
//!   function, and the file in force at `fn=` is the one that defines it.
//! - `cob=` and `cfi=` default to the current object and file, and hold for one call only.
//! - The cost line after `calls=` is inclusive. It is no self cost.
//! - Relative positions (`+3`, `-2`, `*`) count from the last cost line, whichever kind it was; the
//!   target of a call or jump is no cost line.
//! - `jump=` and `jcnd=` are followed by a position without costs, and `jfi=` and `jfn=` may give
//!   a name its number.
//! - A name's number holds to the end of the file, across parts.
//!
//! Deliberately absent: jumps, call targets' positions, and most other events of a line. Of those
//! only the totals are kept; what data caches miss is kept by place ([`MISSES`]).

mod header;
mod merge;
mod names;
mod parser;
pub mod profile;
mod tokens;

use std::io::{self, Read};

use memchr::memrchr;
use thiserror::Error;

use parser::Parser;
pub use profile::ProfileError;
pub use profile::{Call, Cost, FileId, MISSES, Miss, ObjectId, Profile, Symbol, SymbolId};

/// How much of a source is in memory at a time: large enough that calls for more cost nothing,
/// small enough to stay in a cache. Profiles have tens of megabytes, and pages that are touched
/// for the first time cost more than reading what they hold.
const WINDOW_BYTES: usize = 256 << 10;

/// The window grows for a longer line, up to this: names in a profile may come from a hostile build.
const LINE_BYTES_MAX: usize = 16 << 20;

/// Why a source was not read as a profile.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The source failed.
    #[error(transparent)]
    Source(#[from] io::Error),
    /// What it holds is not in the format.
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

/// Reads the output of callgrind, with one part or several.
///
/// An empty text, and one without costs, are profiles too: callgrind leaves an empty file where
/// threads have files of their own. Whether that is an error, the caller knows.
///
/// # Errors
///
/// If the text is not in the format. A text that was cut off between two lines is noticed only
/// by [`Profile::instructions`].
pub fn parse(text: &[u8]) -> Result<Profile, ProfileError> {
    let mut parser = Parser::new();
    parser.lines(text)?;
    parser.finish()
}

/// Reads what [`parse`] does from a source, of which no more than a window is in memory.
///
/// # Errors
///
/// As [`parse`], if the source fails, or if a line is longer than any that callgrind writes.
pub fn read(mut source: impl Read) -> Result<Profile, ReadError> {
    let mut parser = Parser::new();
    let mut window = vec![0; WINDOW_BYTES];
    let mut held = 0;
    loop {
        let added = match source.read(&mut window[held..]) {
            Ok(0) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            added => added?,
        };
        let former = held;
        held += added;
        if let Some(newline) = memrchr(b'\n', &window[former..held]) {
            let end = former + newline + 1;
            parser.lines(&window[..end])?;
            window.copy_within(end..held, 0);
            held -= end;
        }
        if held == window.len() {
            if held >= LINE_BYTES_MAX {
                return Err(parser.range("the length of the next line").into());
            }
            window.resize(2 * held, 0);
        }
    }
    parser.lines(&window[..held])?;
    Ok(parser.finish()?)
}

#[cfg(test)]
mod tests;
