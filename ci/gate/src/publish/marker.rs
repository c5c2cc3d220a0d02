//! The marker: the first line of what icgate posts, by which it finds it again.
//!
//! ```text
//! <!-- icgate:v1 key=gate run=7 attempt=2 state=judged sha=0123…cdef -->
//! ```
//!
//! It counts only at the very first byte of a text, and only in a text that icgate's own account
//! wrote: a name that holds a marker, or a stranger's comment that starts with one, is nothing.
//! Markers are ordered by run and attempt, so that a late run never overwrites a newer one.

use std::fmt;
use std::str::FromStr;

use strum::{EnumString, IntoStaticStr, VariantArray};
use thiserror::Error;

use crate::model::run::CiRun;

const START: &str = "<!-- icgate:v1 ";
const END: &str = " -->";

/// The most characters of a key.
const KEY_CHARS_MAX: usize = 32;

/// Tells several gates of one repository apart: `[a-z0-9-]{1,32}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

/// Why a text is not a key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("key `{}` is not 1 to 32 of a-z, 0-9 and -", text.escape_debug())]
pub struct KeyError {
    /// What was read.
    pub text: String,
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let good = (1..=KEY_CHARS_MAX).contains(&text.len()) && text.bytes().all(plain);
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(KeyError {
                text: text.to_owned(),
            })
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A commit's hash: 40 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sha(String);

impl Sha {
    /// The hash, if `text` is one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 40 && text.bytes().all(hex)).then(|| Self(text.to_owned()))
    }

    /// All digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As people write it.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..10]
    }
}

impl fmt::Display for Sha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a run has come, in the order in which it gets there.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// Under way.
    Measuring,
    /// Ended without a result.
    Cancelled,
    /// Ended with one.
    Judged,
}

/// Which run a text tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// Which gate's.
    pub key: Key,
    /// Which run of CI.
    pub ci: CiRun,
    /// How far it was.
    pub state: State,
    /// Of which commit.
    pub sha: Sha,
}

impl Marker {
    /// The marker at the first byte of `body`, if there is one and it is whole.
    #[must_use]
    pub fn of(body: &str) -> Option<Self> {
        let line = body.lines().next()?;
        let mut words = line.strip_prefix(START)?.strip_suffix(END)?.split(' ');
        let mut value = |name: &str| words.next()?.strip_prefix(name)?.strip_prefix('=');
        let key = value("key")?.parse().ok()?;
        let ci = CiRun {
            run: value("run")?.parse().ok()?,
            attempt: value("attempt")?.parse().ok()?,
        };
        let state = value("state")?;
        let state = state.parse().ok()?;
        let sha = Sha::new(value("sha")?)?;
        (words.next().is_none() && ci.is_possible()).then_some(Self {
            key,
            ci,
            state,
            sha,
        })
    }

    /// Later runs, later attempts and later states are larger.
    #[must_use]
    pub const fn order(&self) -> (u64, u32, State) {
        (self.ci.run, self.ci.attempt, self.state)
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            ci,
            state,
            sha,
        } = self;
        let (run, attempt, state) = (ci.run, ci.attempt, <&str>::from(state));
        write!(
            f,
            "{START}key={key} run={run} attempt={attempt} state={state} sha={sha}{END}"
        )
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn marker(run: u64, attempt: u32, state: State) -> Marker {
        Marker {
            key: "gate".parse().unwrap(),
            ci: CiRun { run, attempt },
            state,
            sha: Sha::new(&"0a".repeat(20)).unwrap(),
        }
    }

    #[test]
    fn a_marker_is_found_again() {
        for &state in State::VARIANTS {
            let marker = marker(u64::from(u32::MAX) + 7, 2, state);
            assert_eq!(Marker::of(&marker.to_string()), Some(marker.clone()));
            assert_eq!(Marker::of(&format!("{marker}\r\ntext\n")), Some(marker));
        }
    }

    #[test]
    fn only_a_whole_marker_at_the_first_byte_counts() {
        let good = marker(7, 1, State::Judged).to_string();
        for bad in [
            format!(" {good}"),
            format!("\u{feff}{good}"),
            format!("text\n{good}"),
            format!("> {good}"),
            format!("`{good}`"),
            good.replace("v1", "v2"),
            good.replace("run=7", "run=+7x"),
            good.replace("run=7", "run=0"),
            good.replace("run=7", &format!("run={}", u64::MAX)),
            good.replace("attempt=1", "attempt=0"),
            good.replace("attempt=1 ", ""),
            good.replace("key=gate", "key=Gate"),
            good.replace("key=gate", &format!("key={}", "x".repeat(33))),
            good.replace("judged", "good"),
            good.replace("0a0a", "0A0A"),
            good.replace("-->", "more=1 -->"),
            good.replace(" -->", ""),
            String::new(),
        ] {
            assert_eq!(Marker::of(&bad), None, "{bad}");
        }
    }

    #[test]
    fn runs_then_attempts_then_states_are_in_order() {
        let order = |run, attempt, state| marker(run, attempt, state).order();
        assert!(order(8, 1, State::Measuring) > order(7, 9, State::Judged));
        assert!(order(7, 2, State::Measuring) > order(7, 1, State::Judged));
        assert!(order(7, 1, State::Judged) > order(7, 1, State::Cancelled));
        assert!(order(7, 1, State::Cancelled) > order(7, 1, State::Measuring));
    }
}
