//! Names and the numbers that stand for them.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use indexmap::IndexSet;

use super::profile::{ProfileError, index};
use super::tokens::{number, syntax};

/// The names of one space, each with an index in order of appearance.
#[derive(Default)]
pub(super) struct Names {
    texts: IndexSet<Box<[u8]>, RandomState>,
    by_number: HashMap<u64, u32, RandomState>,
}

impl Names {
    /// The index of what stands behind `fn=` and the like: `name`, `(12) name` or `(12)`.
    pub(super) fn resolve(
        &mut self,
        spec: &[u8],
        line: u64,
        space: &'static str,
    ) -> Result<u32, ProfileError> {
        let spec = spec.trim_ascii();
        let [b'(', digits @ ..] = spec else {
            return Ok(self.intern(spec));
        };
        if !digits.first().is_some_and(u8::is_ascii_digit) {
            return Ok(self.intern(spec));
        }
        let Some((id, [b')', name @ ..])) = number(digits) else {
            return Err(syntax(line, "a name, or its number in parentheses", spec));
        };
        let name = name.trim_ascii_start();
        if name.is_empty() {
            let known = self.by_number.get(&id).copied();
            return known.ok_or(ProfileError::UnknownName { line, space, id });
        }
        let index = self.intern(name);
        self.by_number.insert(id, index);
        Ok(index)
    }

    pub(super) fn intern(&mut self, name: &[u8]) -> u32 {
        let known = self.texts.get_index_of(name);
        index(known.unwrap_or_else(|| self.texts.insert_full(name.into()).0))
    }

    /// The name of an index that [`resolve`](Self::resolve) gave.
    pub(super) fn bytes(&self, name: u32) -> &[u8] {
        &self.texts[name as usize]
    }

    pub(super) fn text(&self, name: u32) -> String {
        String::from_utf8_lossy(self.bytes(name)).into_owned()
    }

    pub(super) fn into_texts(self) -> Vec<String> {
        let texts = self.texts.iter();
        texts
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect()
    }
}
