//! Pairs as JSON lines: text as text, other bytes as hexadecimal digits.
//!
//! ```text
//! {"keyspace":"tea","key":"green","value":"sencha"}
//! {"keyspace":"tea","key_hex":"00ff","value":"","expires_us":1700000000000000}
//! ```

use std::error::Error;
use std::io::Write;

use engine::Engine;
use engine::engine::KeyspaceType;
use serde_json::{Map, Value};

/// A line of a dump.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub keyspace: String,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub expires_us: u64,
}

/// A line that is not a pair.
#[derive(Debug)]
pub(crate) struct BadLine {
    number: usize,
    reason: String,
}

impl std::fmt::Display for BadLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { number, reason } = self;
        write!(
            f,
            "line {number} of the input: {reason}; the lines before may have been put"
        )
    }
}

impl Error for BadLine {}

/// Writes all keyspaces of keys and values, as they are at one moment.
pub(crate) fn dump(engine: &Engine, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let view = engine.view();
    for (name, stats) in engine.stats().keyspaces {
        if stats.kind != KeyspaceType::Values {
            continue;
        }
        let space = engine.keyspace(&name)?;
        for item in view.scan(&space) {
            let mut line = Map::new();
            line.insert("keyspace".into(), name.clone().into());
            insert(&mut line, "key", item.key());
            insert(&mut line, "value", item.value());
            if item.expires_us() != 0 {
                line.insert("expires_us".into(), item.expires_us().into());
            }
            writeln!(out, "{}", Value::Object(line))?;
        }
    }
    Ok(())
}

fn insert(line: &mut Map<String, Value>, field: &str, bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        line.insert(field.into(), text.into());
        return;
    }
    let mut digits = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            digits.extend(char::from_digit(digit.into(), 16));
        }
    }
    line.insert(format!("{field}_hex"), digits.into());
}

/// Reads a line. Fields that it does not know are an error: they would be lost.
pub(crate) fn read(line: &str, number: usize) -> Result<Pair, BadLine> {
    let bad = |reason: String| BadLine { number, reason };
    let value: Value = serde_json::from_str(line).map_err(|error| bad(error.to_string()))?;
    let Value::Object(mut line) = value else {
        return Err(bad("an object was expected".into()));
    };
    let Some(Value::String(keyspace)) = line.remove("keyspace") else {
        return Err(bad("the text `keyspace` is missing".into()));
    };
    let key = take(&mut line, "key").map_err(bad)?;
    let value = take(&mut line, "value").map_err(bad)?;
    let expires_us = match line.remove("expires_us") {
        None => 0,
        Some(at) => at
            .as_u64()
            .ok_or_else(|| bad("`expires_us` is no number".into()))?,
    };
    if let Some(field) = line.keys().next() {
        return Err(bad(format!("`{field}` is unknown")));
    }
    Ok(Pair {
        keyspace,
        key,
        value,
        expires_us,
    })
}

/// Takes bytes out of a line, from the one field or from the other.
fn take(line: &mut Map<String, Value>, field: &str) -> Result<Vec<u8>, String> {
    let hex = line.remove(&format!("{field}_hex"));
    match (line.remove(field), hex) {
        (Some(Value::String(text)), None) => Ok(text.into_bytes()),
        (None, Some(Value::String(digits))) => {
            bytes(&digits).ok_or_else(|| format!("`{field}_hex` is not hexadecimal"))
        }
        _ => Err(format!(
            "exactly one of `{field}` and `{field}_hex` is needed, as text"
        )),
    }
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = digits
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16)?).ok())
        .collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(
        digits
            .chunks(2)
            .map(|pair| pair[0] * 16 + pair[1])
            .collect(),
    )
}
