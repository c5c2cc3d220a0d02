//! Rewrites baselines and policies of format 1, which has other names for the same things.
//!
//! ```text
//! <suite>.json   chamber → environment, floor → noise
//! policy.toml    floor → min_change, in [default], [[rule]] and [drift]
//! ```
//!
//! A baseline is written as this version writes one. A policy is edited in place, so comments and
//! order stay. The usual reader reads each result, so no file is replaced by one that it refuses.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::model::baseline::{Baseline, BaselineError};
use crate::model::policy::{Policy, PolicyError};

/// The baseline `text` in the current format; `None` if it has it already.
///
/// # Errors
///
/// [`BaselineError`] for anything but a baseline of format 1 or of the current one.
pub fn baseline(name: &str, text: &str) -> Result<Option<String>, BaselineError> {
    match Baseline::from_json(name, text) {
        Ok(_) => return Ok(None),
        Err(BaselineError::Former { format: 1, .. }) => {}
        Err(error) => return Err(error),
    }
    // A quote inside a JSON string is escaped, so these texts are keys wherever they are found.
    let renamed = text
        .replace("\"chamber\":", "\"environment\":")
        .replace("\"floor\":", "\"noise\":");
    let migrated = match renamed.split_once("\"format\":") {
        Some((before, after)) => {
            let rest = after.trim_start().trim_start_matches('1');
            format!("{before}\"format\":2{rest}")
        }
        None => renamed,
    };
    Ok(Some(Baseline::from_json(name, &migrated)?.to_json()))
}

/// The policy `text` in the current format; `None` if it has it already.
///
/// # Errors
///
/// [`PolicyError`] for anything but a policy of format 1 or of the current one.
pub fn policy(name: &str, text: &str) -> Result<Option<String>, PolicyError> {
    match Policy::from_toml(name, text) {
        Ok(_) => return Ok(None),
        Err(PolicyError::Format { format: 1, .. }) => {}
        Err(error) => return Err(error),
    }
    let table = DeTable::parse(text).map_err(|source| PolicyError::Shape {
        name: name.to_owned(),
        source: Box::new(source),
    })?;
    let mut edits: Vec<(Range<usize>, &str)> = Vec::new();
    for (key, value) in table.get_ref() {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("format", _) => edits.push((value.span(), "2")),
            ("default" | "drift", DeValue::Table(table)) => edits.extend(min_change(table)),
            ("rule", DeValue::Array(rules)) => {
                for rule in rules {
                    edits.extend(rule.get_ref().as_table().and_then(min_change));
                }
            }
            _ => {}
        }
    }
    // From the end, so that the positions before it stay true.
    edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut migrated = text.to_owned();
    for (span, new) in edits {
        migrated.replace_range(span, new);
    }
    Policy::from_toml(name, &migrated)?;
    Ok(Some(migrated))
}

/// Where a table has the key `floor`, with its new name.
fn min_change(table: &DeTable<'_>) -> Option<(Range<usize>, &'static str)> {
    let mut keys = table.keys();
    let key = keys.find(|key| key.get_ref().as_ref() == "floor")?;
    Some((key.span(), "min_change"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_keeps_comments_and_order() {
        let old = "# floor = 1\nformat = 1 # the first\n\n[default]\nfloor = 50   # of floor\n\
                   limit = \"2%\"\n[[rule]]\nbenchmarks = \"floor/**\"\nfloor = 7\n\
                   [[rule]]\nbenchmarks = \"b\"\n[drift]\nlimit = \"5%\"\n";
        let new = policy("policy.toml", old).unwrap().unwrap();
        let expected = old
            .replace("format = 1", "format = 2")
            .replace("\nfloor = ", "\nmin_change = ");
        assert_eq!(new, expected);
        assert_eq!(policy("policy.toml", &new).unwrap(), None);
    }

    #[test]
    fn policy_with_inline_and_dotted_keys_is_migrated() {
        let old = "drift = { limit = \"5%\", floor = 9 }\ndefault.floor = 3\nformat = 1";
        let new = policy("policy.toml", old).unwrap().unwrap();
        let expected = "drift = { limit = \"5%\", min_change = 9 }\ndefault.min_change = 3\n\
                        format = 2";
        assert_eq!(new, expected);
    }

    #[test]
    fn other_policies_are_refused_by_name() {
        for text in ["format = 3", "format = 1\nunknown = 1", "format = ", ""] {
            let error = policy("p/policy.toml", text).unwrap_err();
            assert!(error.to_string().contains("`p/policy.toml`"), "{error}");
        }
    }

    const OLD: &str = r#"{"format": 1,"suite":"floor","chamber":{"target":"\"chamber\":","rustc":"",
        "valgrind":"","libc":"","cpu":"","memory_functions":"","tunables":"","caches":"","build":"",
        "harness":""},"benchmarks":[{"id":"floor/a","metrics":{"instructions":5},"floor":3,
        "reason":"\"floor\": raised","other":5,"functions":[]}]}"#;

    #[test]
    fn baseline_keys_are_renamed_and_texts_stay() {
        let new = baseline("floor.json", OLD).unwrap().unwrap();
        let read = Baseline::from_json("floor.json", &new).unwrap();
        assert_eq!(read.environment.target, "\"chamber\":");
        assert_eq!(read.benchmarks[0].noise, 3);
        assert_eq!(
            read.benchmarks[0].reason.as_deref(),
            Some("\"floor\": raised")
        );
        assert_eq!(new, read.to_json());
        assert_eq!(baseline("floor.json", &new).unwrap(), None);
    }

    #[test]
    fn other_baselines_are_refused_by_name() {
        let newer = OLD.replace("\"format\": 1", "\"format\": 9");
        let wrong_sum = OLD.replace("\"other\":5", "\"other\":6");
        let both = OLD.replace("\"floor\":3", "\"floor\":3,\"noise\":3");
        for text in [&newer, &wrong_sum, &both, &OLD[..90], "", "[]"] {
            let error = baseline("b/floor.json", text).unwrap_err();
            assert!(error.to_string().contains("`b/floor.json`"), "{error}");
        }
    }
}
