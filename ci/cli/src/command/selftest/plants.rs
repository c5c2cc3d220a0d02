//! Plants: places in a project's code at which the self-test adds a cost.
//!
//! ```toml
//! [[plant]]
//! file = "engine/src/kv/store.rs"             the file, seen from the workspace
//! after = "pub fn rebuild("                   in the only line that has this …
//! before_body = true                          … or, if so, behind the `{` that follows it
//! benchmark = "kv/rebuild/n1000"              the benchmark that the cost is reckoned for
//! function = "engine::kv::store::Store::rebuild"   what the gate has to name
//! ```

use camino::Utf8Path;
use serde::Deserialize;

use crate::error::{CliError, SelftestError};
use crate::io::store;

/// What a project lets the self-test plant.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plants {
    #[serde(default)]
    pub(super) plant: Vec<Plant>,
}

/// One place.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plant {
    pub(super) file: String,
    after: String,
    #[serde(default)]
    before_body: bool,
    pub(super) benchmark: String,
    pub(super) function: String,
}

/// A text with a cost in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Planted {
    pub(super) text: String,
    /// The line that holds it, counted from 1.
    pub(super) line: usize,
}

impl Plants {
    pub(super) fn read(path: &Utf8Path) -> Result<Self, CliError> {
        let text = store::read(path.as_std_path())?;
        toml::from_str(&text).map_err(|error| {
            SelftestError::Plants {
                path: path.to_string(),
                what: error.to_string(),
            }
            .into()
        })
    }
}

impl Plant {
    /// `text` with a loop of `rounds` rounds, on a line of its own.
    pub(super) fn grow(&self, text: &str, rounds: u64) -> Result<Planted, SelftestError> {
        let wrong = |what: &str| SelftestError::Plant {
            file: self.file.clone(),
            after: self.after.clone(),
            what: what.to_owned(),
        };
        let mut found = text.match_indices(&self.after);
        let (at, _) = found.next().ok_or_else(|| wrong("is not there"))?;
        if found.next().is_some() {
            return Err(wrong("is there more than once"));
        }
        let from = if self.before_body {
            at + text[at..]
                .find('{')
                .ok_or_else(|| wrong("has no body behind it"))?
        } else {
            at
        };
        let end = text[from..].find('\n').map_or(text.len(), |it| from + it);
        let (before, after) = text.split_at(end);
        let cost = format!(
            "{{ let mut planted = std::hint::black_box({rounds}_u64); \
             while std::hint::black_box(planted) > 0 {{ planted -= 1; }} }}"
        );
        Ok(Planted {
            text: format!("{before}\n{cost}{after}"),
            line: before.lines().count() + 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plant(after: &str, before_body: bool) -> Plant {
        Plant {
            file: "src/lib.rs".to_owned(),
            after: after.to_owned(),
            before_body,
            benchmark: "a/b/c".to_owned(),
            function: "f".to_owned(),
        }
    }

    #[test]
    fn a_cost_stands_on_a_line_of_its_own() {
        let text = "fn f(\n    a: u8,\n) -> u8 {\n    a\n}\n";
        let grown = plant("fn f(", true).grow(text, 7).unwrap();
        assert_eq!(grown.line, 4);
        let line = grown.text.lines().nth(grown.line - 1).unwrap();
        assert!(line.contains("black_box(7_u64)"), "{line}");
        assert_eq!(grown.text.lines().count(), text.lines().count() + 1);
        assert!(grown.text.ends_with("\n    a\n}\n"));
        assert_eq!(plant("a: u8", false).grow(text, 0).unwrap().line, 3);
    }

    #[test]
    fn a_place_must_be_the_only_one() {
        let refused = |after, text| plant(after, true).grow(text, 1).unwrap_err().to_string();
        assert!(refused("fn g", "fn f() {}").contains("is not there"));
        assert!(refused("fn", "fn f() {} fn g() {}").contains("more than once"));
        assert!(refused("fn", "fn").contains("no body"));
    }
}
