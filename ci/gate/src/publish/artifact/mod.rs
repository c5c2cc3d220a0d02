//! Reading a run that somebody else's code wrote.
//!
//! An artifact of a pull request is hostile until read: whoever wrote the code that was measured
//! could write this file. So before it is read as a [`Run`], with all that a run has to be, a scan
//! over its bytes refuses what no run has: too many bytes, a text too long, lists in lists, a
//! number that is no count. Names that pass are still hostile as *text*, and the renderers spell
//! them out.

use thiserror::Error;

use crate::model::metric::COUNT_MAX;
use crate::model::proof::Proofs;
use crate::model::run::{Run, RunError};

/// The most bytes of one file.
pub const BYTES_MAX: u64 = 32 << 20;
/// The most bytes of one text in it, as it is written.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// How deep lists and objects may lie in each other; a run needs 7.
const DEPTH_MAX: usize = 10;
/// The most benchmarks in one file.
const BENCHMARKS_MAX: usize = 20_000;
/// The most digits of [`COUNT_MAX`].
const DIGITS_MAX: usize = 16;

/// The most bytes of a proof.
pub const PROOF_BYTES_MAX: u64 = 1 << 20;

/// Why a file is not believed to be a run.
#[derive(Debug, Error)]
pub enum ArtifactError {
    /// It is refused before it is read.
    #[error("cannot believe `{name}`: {what}")]
    Refused {
        /// Display name of the file.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// It is not a run.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Reads a run that somebody else's code wrote; `name` is how messages call it.
///
/// # Errors
///
/// [`ArtifactError`] if it is larger, longer, deeper or anything else than a run can be.
pub fn read(name: &str, bytes: &[u8]) -> Result<Run, ArtifactError> {
    let refused = |what: String| ArtifactError::Refused {
        name: name.to_owned(),
        what,
    };
    if bytes.len() as u64 > BYTES_MAX {
        return Err(refused(format!("it has more than {BYTES_MAX} bytes")));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| refused("it is not UTF-8".to_owned()))?;
    scan(text).map_err(refused)?;
    let run = Run::from_json(name, text)?;
    let listed = run.part.as_ref().map_or(0, |part| part.listed.len());
    let most = run.benchmarks.len().max(run.failed.len()).max(listed);
    if most > BENCHMARKS_MAX {
        return Err(refused(format!(
            "it has more than {BENCHMARKS_MAX} benchmarks"
        )));
    }
    Ok(run)
}

/// Reads a proof that somebody else's code wrote.
///
/// # Errors
///
/// In words, if it is larger, longer, deeper or anything else than a proof can be.
pub fn read_proofs(bytes: &[u8]) -> Result<Proofs, String> {
    if bytes.len() as u64 > PROOF_BYTES_MAX {
        return Err(format!("it has more than {PROOF_BYTES_MAX} bytes"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    scan(text)?;
    Proofs::from_json(text)
}

/// Refuses what no run has. Whether it is JSON at all, the reader says.
fn scan(text: &str) -> Result<(), String> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let length = text_length(&bytes[at + 1..]);
                if length > TEXT_BYTES_MAX {
                    return Err(format!("a text in it has more than {TEXT_BYTES_MAX} bytes"));
                }
                at += length + 1;
            }
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(format!("its lists lie more than {DEPTH_MAX} deep"));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'-' | b'+' | b'.' => return Err("it has a number that is no count".to_owned()),
            b'0'..=b'9' => {
                let digits = bytes[at..]
                    .iter()
                    .take_while(|it| it.is_ascii_digit())
                    .count();
                check_number(&text[at..at + digits], bytes.get(at + digits))?;
                at += digits - 1;
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

fn check_number(digits: &str, next: Option<&u8>) -> Result<(), String> {
    if matches!(next, Some(b'.' | b'e' | b'E')) {
        return Err("it has a number that is no count".to_owned());
    }
    let count = (digits.len() <= DIGITS_MAX)
        .then(|| digits.parse::<u64>().ok())
        .flatten();
    if count.is_none_or(|count| count > COUNT_MAX) {
        return Err(format!("it has a count beyond {COUNT_MAX}"));
    }
    Ok(())
}

/// How many bytes a text has before its closing quotation mark (or the end of all).
fn text_length(rest: &[u8]) -> usize {
    let mut length = 0;
    while let Some(byte) = rest.get(length) {
        match byte {
            b'"' => return length,
            b'\\' => length += 2,
            _ => length += 1,
        }
    }
    rest.len()
}

#[cfg(test)]
mod mutations;
#[cfg(test)]
mod tests;
