//! Injected regressions: edits of a project's code with a known effect.
//!
//! ```toml
//! [[edit]]                 # a text that its file has once, and what replaces it
//! file = "src/store.rs"
//! find = "    let mut rows = Vec::new();\n"
//! replace = "{cost}\n    let mut rows = Vec::new();\n"
//!
//! [calibrate]              # `{cost}` becomes a loop; the self-test chooses how long it runs
//! benchmark = "kv/rebuild/n1000"
//! function = "store::rebuild"      # what the report has to name
//! ```
//!
//! An edit is a text to find and not a patch, because a patch is out of date with every line around
//! it. A text that is not there, or more than once, is an error that names it.
//! `[[prepare]]` holds edits that base has already; `[[unrecorded]]` those that base has and its baselines
//! do not know; `[expect]` says what a report has to say, for who checks that. `project` names
//! another project than the one at hand.

use miette::Diagnostic;
use serde::Deserialize;
use thiserror::Error;

/// What stands in an edit's replacement for a loop.
const COST: &str = "{cost}";

/// One injected regression.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Injection {
    /// The project that is edited, if not the one at hand.
    pub project: Option<String>,
    /// What base has already.
    #[serde(default)]
    pub prepare: Vec<Edit>,
    /// What base has and its baselines do not know.
    #[serde(default)]
    pub unrecorded: Vec<Edit>,
    /// What is changed against base.
    pub edit: Vec<Edit>,
    /// What a report has to say.
    pub expect: Option<toml::Table>,
    /// Where its cost is calibrated.
    pub calibrate: Option<Calibrate>,
}

/// A text of a file, and what replaces it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The file, seen from the workspace.
    pub file: String,
    find: String,
    replace: String,
}

/// How long the loop of an injection has to run.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibrate {
    /// The benchmark of which the cost is a share.
    pub benchmark: String,
    /// The function that a report has to name.
    pub function: String,
}

/// A text after an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The whole text.
    pub text: String,
    /// The line of the loop, counted from 1, if the edit has one.
    pub cost_line: Option<usize>,
}

/// Why something cannot be injected.
#[derive(Debug, Error, Diagnostic)]
pub enum InjectionError {
    /// Not an injection's file.
    #[error("cannot read injection `{name}`: {source}")]
    #[diagnostic(help("fix {name}; `icgate selftest --help` shows the format"))]
    Shape {
        /// The file.
        name: String,
        /// What is wrong, and where.
        source: Box<toml::de::Error>,
    },
    /// The code has changed since the edit was written.
    #[error("`{file}` has this text {count} times instead of once:\n{find}")]
    #[diagnostic(help("write the injection's `find` for the code that `{file}` has now"))]
    Find {
        /// The file.
        file: String,
        /// The text.
        find: String,
        /// How many times it is there.
        count: usize,
    },
}

impl Injection {
    /// Reads an injection; `name` is how messages call it.
    ///
    /// # Errors
    ///
    /// [`InjectionError::Shape`] if it is none.
    pub fn from_toml(name: &str, text: &str) -> Result<Self, InjectionError> {
        toml::from_str(text).map_err(|source| InjectionError::Shape {
            name: name.to_owned(),
            source: Box::new(source),
        })
    }
}

impl Edit {
    /// `text` after the edit; `rounds` is how often its loop, if it has one, goes round.
    ///
    /// # Errors
    ///
    /// [`InjectionError::Find`] unless the text to find is there once.
    pub fn apply(&self, text: &str, rounds: u64) -> Result<Edited, InjectionError> {
        let mut found = text.match_indices(&self.find);
        let (Some((at, _)), None) = (found.next(), found.next()) else {
            return Err(InjectionError::Find {
                file: self.file.clone(),
                find: self.find.clone(),
                count: text.matches(&self.find).count(),
            });
        };
        let cost = format!(
            "{{ let mut injected = std::hint::black_box({rounds}_u64); \
             while std::hint::black_box(injected) > 0 {{ injected -= 1; }} }}"
        );
        let (before, after) = (&text[..at], &text[at + self.find.len()..]);
        let lines = |text: &str| text.matches('\n').count();
        let offset = self.replace.find(COST);
        Ok(Edited {
            text: [before, &self.replace.replace(COST, &cost), after].concat(),
            cost_line: offset.map(|it| lines(before) + lines(&self.replace[..it]) + 1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(find: &str, replace: &str) -> Edit {
        Edit {
            file: "src/lib.rs".to_owned(),
            find: find.to_owned(),
            replace: replace.to_owned(),
        }
    }

    #[test]
    fn edit_replaces_the_text_and_says_the_line_of_its_loop() {
        let text = "fn f(\n    a: u8,\n) -> u8 {\n    a\n}\n";
        let edited = edit("    a\n", "{cost}\n    a\n").apply(text, 7).unwrap();
        assert_eq!(edited.cost_line, Some(4));
        let line = edited.text.lines().nth(3).unwrap();
        assert!(line.contains("black_box(7_u64)"), "{line}");
        assert!(edited.text.ends_with("\n    a\n}\n"));
        let plain = edit("u8 {", "u16 {").apply(text, 7).unwrap();
        assert_eq!(plain.text, text.replace("-> u8", "-> u16"));
        assert_eq!(plain.cost_line, None);
    }

    #[test]
    fn edit_finds_its_text_exactly_once() {
        for (text, count) in [("fn f() {}", "0 times"), ("fn g fn g", "2 times")] {
            let refused = edit("fn g", "").apply(text, 1).unwrap_err().to_string();
            assert!(refused.contains("`src/lib.rs` has this text"), "{refused}");
            assert!(refused.contains(count), "{refused}");
        }
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let text = "[[edit]]\nfile = \"a\"\nfind = \"b\"\nreplace = \"c\"\nonce = true\n";
        let error = Injection::from_toml("i/x.toml", text).unwrap_err();
        assert!(error.to_string().contains("`i/x.toml`"), "{error}");
        assert!(error.to_string().contains("once"), "{error}");
    }
}
