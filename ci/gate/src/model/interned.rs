//! Texts that are kept once, however often they occur.
//!
//! A run of ten thousand benchmarks names the same few thousand functions and files a million
//! times. Kept as strings of their own they would take most of the memory, and most of the time to
//! read it.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that costs little to clone. Equal, ordered, hashed, shown and written as the text is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interned(Arc<str>);

type Texts = HashSet<Interned, RandomState>;

thread_local! {
    /// The texts read so far, while [`sharing`] runs.
    static READ: RefCell<Option<Texts>> = const { RefCell::new(None) };
}

/// Reads something; texts that occur in it several times are kept once.
pub(crate) fn sharing<T>(read: impl FnOnce() -> T) -> T {
    /// Ends the sharing, also when `read` panics.
    struct Sharing(Option<Texts>);
    impl Drop for Sharing {
        fn drop(&mut self) {
            READ.set(self.0.take());
        }
    }
    let _sharing = Sharing(READ.replace(Some(Texts::default())));
    read()
}

impl Interned {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn read(text: &str) -> Self {
        READ.with_borrow_mut(|read| {
            let Some(read) = read else {
                return Self(text.into());
            };
            if let Some(known) = read.get(text) {
                return known.clone();
            }
            let new = Self(text.into());
            read.insert(new.clone());
            new
        })
    }
}

impl Deref for Interned {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Interned {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Interned {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Interned {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl PartialEq<str> for Interned {
    fn eq(&self, text: &str) -> bool {
        &*self.0 == text
    }
}

impl PartialEq<&str> for Interned {
    fn eq(&self, text: &&str) -> bool {
        &*self.0 == *text
    }
}

impl fmt::Display for Interned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Interned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl Serialize for Interned {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Interned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Interned;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Interned, E> {
                Ok(Interned::read(text))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_kept_once_while_sharing() {
        let json = r#"["a", "b", "a", "\u0061"]"#;
        let read = || serde_json::from_str::<Vec<Interned>>(json).unwrap();
        let same = |texts: &[Interned]| {
            let kept_once = |other: &Interned| Arc::ptr_eq(&texts[0].0, &other.0);
            texts.iter().map(kept_once).collect::<Vec<_>>()
        };
        let shared = sharing(read);
        assert_eq!(same(&shared), [true, false, true, true]);
        assert_eq!(same(&read()), [true, false, false, false]);
        assert_eq!(shared, read());
        assert_eq!(
            serde_json::to_string(&shared).unwrap(),
            r#"["a","b","a","a"]"#
        );
    }

    #[test]
    fn an_interned_text_is_the_text() {
        let text = Interned::from("f::g");
        assert_eq!(text, "f::g");
        assert_eq!(format!("{text:>6} {text:?}"), "  f::g \"f::g\"");
        assert!(text < Interned::from("g".to_owned()));
    }
}
