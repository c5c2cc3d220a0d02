//! A note: a sentence of icgate's own, with what came from elsewhere kept apart.
//!
//! A branch, an id or a program's error may hold anything, markup included. A renderer that shows
//! those as code, and the words between them as prose, needs to know which is which.

use std::fmt::{self, Display, Formatter};

use serde::{Serialize, Serializer};

use super::escape::escaped;

/// Where an argument belongs in a note's words.
const PLACE: &str = "{}";

/// A sentence, and what it says it about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note(Vec<Piece>);

/// A piece of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Of icgate's own.
    Words(&'static str),
    /// From elsewhere.
    Argument(String),
}

impl Note {
    /// A sentence with a `{}` for each of the arguments.
    ///
    /// # Panics
    ///
    /// If there are more places than arguments, or fewer.
    #[must_use]
    pub fn new(words: &'static str, arguments: &[&dyn Display]) -> Self {
        Self(Vec::new()).and(words, arguments)
    }

    /// The same with more behind it.
    ///
    /// # Panics
    ///
    /// If there are more places than arguments, or fewer.
    #[must_use]
    pub fn and(mut self, words: &'static str, arguments: &[&dyn Display]) -> Self {
        assert_eq!(words.matches(PLACE).count(), arguments.len(), "{words}");
        let mut arguments = arguments.iter();
        for (at, words) in words.split(PLACE).enumerate() {
            if at > 0 {
                self.0
                    .extend(arguments.next().map(|it| Piece::Argument(it.to_string())));
            }
            self.0.push(Piece::Words(words));
        }
        self
    }

    /// The pieces, in their order.
    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// The same with control characters and invisible marks spelt out.
    pub(crate) fn escaped(&self) -> Self {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Words(words) => Piece::Words(words),
            Piece::Argument(text) => Piece::Argument(escaped(text)),
        });
        Self(pieces.collect())
    }
}

impl From<&'static str> for Note {
    fn from(words: &'static str) -> Self {
        Self::new(words, &[])
    }
}

impl Display for Note {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Words(text) => f.write_str(text),
            Piece::Argument(text) => f.write_str(text),
        })
    }
}

impl Serialize for Note {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_kept_apart_from_words() {
        let note = Note::new("{} moves by {} instructions", &[&"a{}b", &3]);
        assert_eq!(note.to_string(), "a{}b moves by 3 instructions");
        let argument = |text: &str| Piece::Argument(text.to_owned());
        let pieces = [
            Piece::Words(""),
            argument("a{}b"),
            Piece::Words(" moves by "),
            argument("3"),
            Piece::Words(" instructions"),
        ];
        assert_eq!(note.pieces(), pieces);
        assert_eq!(
            note.and(" in {}", &[&"f"]).to_string(),
            "a{}b moves by 3 instructions in f"
        );
        assert_eq!(Note::from("plain").to_string(), "plain");
    }

    #[test]
    #[should_panic(expected = "of {}")]
    fn place_without_an_argument_is_refused() {
        let _ = Note::new("{} of {}", &[&1]);
    }

    #[test]
    fn argument_is_escaped_and_words_are_not() {
        let note = Note::new("… of {}", &[&"a\nb"]).escaped();
        assert_eq!(note.to_string(), "… of a\\u{a}b");
    }
}
