//! A benchmark id, `suite/subject/case`: the one name a benchmark has everywhere.
//!
//! The same id stands in both harnesses, in baselines, policy and reports. It is parsed once, here,
//! so that no later stage has to ask whether a name is safe to sort, print or use as a key.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model::escape::is_invisible;

/// Longest id in bytes. Long enough for any real module path, short enough for a table row.
pub const ID_BYTES_MAX: usize = 250;

/// `suite/subject/case`, or `suite/subject` for a benchmark that has a single case.
///
/// Promises: two or three segments, none empty, only visible characters and no `\`, at most
/// [`ID_BYTES_MAX`] bytes. Ids order by their text, so every report lists them alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BenchId(String);

/// Why a text is not a benchmark id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BenchIdError {
    /// Not two or three segments.
    #[error("benchmark id `{id}` has {segments} segments, expected `suite/subject/case`")]
    Segments {
        /// What was read.
        id: String,
        /// How many segments it has.
        segments: usize,
    },
    /// A segment between two slashes is empty.
    #[error("benchmark id `{id}` has an empty segment")]
    Empty {
        /// What was read.
        id: String,
    },
    /// A character that cannot stand in a table cell or a file name.
    #[error("benchmark id `{id}` contains {character:?}, which is not allowed")]
    Character {
        /// What was read, with the character escaped.
        id: String,
        /// The first such character.
        character: char,
    },
    /// Over [`ID_BYTES_MAX`].
    #[error("benchmark id of {bytes} bytes is longer than the {ID_BYTES_MAX} allowed")]
    Long {
        /// Its length.
        bytes: usize,
    },
}

impl BenchId {
    /// The id made of what an iai-callgrind or gungraun harness calls a benchmark.
    ///
    /// A group that merely repeats the bench target's or the function's name adds nothing for a
    /// reader and is left out; any other group stays, before the function, so that two groups of
    /// one target may use the same function. A target may be called `package.target`.
    ///
    /// # Errors
    ///
    /// When one of the names has a character that [`BenchId`] does not allow.
    pub fn from_harness(
        target: &str,
        group: &str,
        function: &str,
        case: Option<&str>,
    ) -> Result<Self, BenchIdError> {
        let name = target.rsplit_once('.').map_or(target, |(_, name)| name);
        let subject = if group == name || group == function {
            function.to_owned()
        } else {
            format!("{group}.{function}")
        };
        match case {
            Some(case) => format!("{target}/{subject}/{case}").parse(),
            None => format!("{target}/{subject}").parse(),
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The scripts of its letters, if there are several whose letters look alike: then it may look
    /// like another id and be none.
    #[must_use]
    pub fn mixed_scripts(&self) -> Option<String> {
        let scripts: BTreeSet<&str> = self.0.chars().filter_map(script).collect();
        let scripts: Vec<&str> = scripts.into_iter().collect();
        (scripts.len() > 1).then(|| scripts.join(" and "))
    }

    /// The first segment: the bench target, and the name of the baseline file.
    #[must_use]
    pub fn suite(&self) -> &str {
        self.0
            .split_once('/')
            .map_or(self.0.as_str(), |(suite, _)| suite)
    }
}

impl FromStr for BenchId {
    type Err = BenchIdError;

    fn from_str(id: &str) -> Result<Self, Self::Err> {
        if id.len() > ID_BYTES_MAX {
            return Err(BenchIdError::Long { bytes: id.len() });
        }
        if let Some(character) = id.chars().find(|c| !is_visible(*c)) {
            return Err(BenchIdError::Character {
                id: id.escape_debug().to_string(),
                character,
            });
        }
        let segments = id.split('/').count();
        if !(2..=3).contains(&segments) {
            return Err(BenchIdError::Segments {
                id: id.to_owned(),
                segments,
            });
        }
        if id.split('/').any(str::is_empty) {
            return Err(BenchIdError::Empty { id: id.to_owned() });
        }
        Ok(Self(id.to_owned()))
    }
}

/// Letters and digits of any script, and ASCII punctuation but the backslash. Leaves out every
/// control, space and direction mark: they could make one id look like another.
fn is_visible(character: char) -> bool {
    let is_letter = character.is_alphanumeric() && !is_invisible(character);
    is_letter || (character.is_ascii_punctuation() && character != '\\')
}

/// Scripts with letters that look like those of another one.
fn script(letter: char) -> Option<&'static str> {
    Some(match letter {
        'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => "Latin",
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => "Greek",
        '\u{400}'..='\u{52f}' | '\u{1c80}'..='\u{1c8f}' | '\u{a640}'..='\u{a69f}' => "Cyrillic",
        '\u{530}'..='\u{58f}' => "Armenian",
        '\u{13a0}'..='\u{13ff}' | '\u{ab70}'..='\u{abbf}' => "Cherokee",
        '\u{ff21}'..='\u{ff5a}' => "fullwidth Latin",
        _ => return None,
    })
}

impl TryFrom<String> for BenchId {
    type Error = BenchIdError;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        id.parse()
    }
}

impl From<BenchId> for String {
    fn from(id: BenchId) -> Self {
        id.0
    }
}

impl fmt::Display for BenchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invisible_letter_is_refused() {
        // The fillers of Hangul are letters to Unicode.
        for letter in [
            '\u{115f}', '\u{1160}', '\u{3164}', '\u{ffa0}', '\u{200b}', '\u{ad}',
        ] {
            let id = format!("a/b{letter}/c");
            let refused = id.parse::<BenchId>();
            assert!(
                matches!(refused, Err(BenchIdError::Character { .. })),
                "{id:?}"
            );
        }
    }

    #[test]
    fn an_id_of_two_scripts_is_flagged() {
        let mixed = |id: &str| id.parse::<BenchId>().unwrap().mixed_scripts();
        assert_eq!(mixed("w\u{430}l/x").as_deref(), Some("Cyrillic and Latin"));
        assert_eq!(mixed("wal/Grüße_1"), None);
        assert_eq!(mixed("\u{43f}\u{430}/\u{43f}1"), None);
        assert_eq!(mixed("測試/漢"), None);
    }

    #[test]
    fn a_group_that_repeats_the_target_or_the_function_is_left_out() {
        let id = |group, case| BenchId::from_harness("wal", group, "append", case).unwrap();
        assert_eq!(id("wal", Some("n100")).as_str(), "wal/append/n100");
        assert_eq!(id("append", Some("n100")).as_str(), "wal/append/n100");
        assert_eq!(id("slow", Some("n100")).as_str(), "wal/slow.append/n100");
        assert_eq!(id("wal", None).as_str(), "wal/append");
        assert_eq!(id("wal", None).suite(), "wal");
        let qualified = BenchId::from_harness("engine.wal", "wal", "append", None).unwrap();
        assert_eq!(qualified.as_str(), "engine.wal/append");
    }

    #[test]
    fn hostile_and_malformed_ids_are_refused() {
        let refused = |id: &str| id.parse::<BenchId>().unwrap_err();
        assert!(matches!(
            refused("wal"),
            BenchIdError::Segments { segments: 1, .. }
        ));
        assert!(matches!(
            refused("a/b/c/d"),
            BenchIdError::Segments { segments: 4, .. }
        ));
        assert!(matches!(refused("a//c"), BenchIdError::Empty { .. }));
        assert!(matches!(refused(""), BenchIdError::Segments { .. }));
        for character in ['\n', ' ', '\u{202e}', '\u{200b}', '\\', '\0', '\u{1b}'] {
            let id = format!("a/b{character}/c");
            assert!(
                matches!(refused(&id), BenchIdError::Character { .. }),
                "{id:?}"
            );
        }
        assert!(matches!(
            refused(&format!("a/{}", "b".repeat(250))),
            BenchIdError::Long { .. }
        ));
        assert!(format!("a/{}", "b".repeat(248)).parse::<BenchId>().is_ok());
    }
}
