//! Runs and their differences in words, for people.
//!
//! ```text
//! --- run 1, end
//! +++ run 2, end
//! @@ keys
//! -"model" = "small"
//! +"model" = "large"
//! @@ events
//! +7 tool.call "fetch" {"status": 200}
//! ```

use std::fmt;

use super::attribute::Attributes;
use super::change::Change;
use super::diff::{Fact, Place, RunDiff};

/// Bytes as text in quotes where they are text, and as escaped bytes otherwise.
pub struct Quoted<'a>(pub &'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(self.0) {
            Ok(text) => write!(f, "{text:?}"),
            Err(_) => write!(f, "b\"{}\"", self.0.escape_ascii()),
        }
    }
}

/// Attributes in braces behind a space; nothing where there are none.
pub struct Listed<'a>(pub &'a Attributes);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = " {";
        for (name, value) in self.0 {
            write!(f, "{before}{name:?}: {value}")?;
            before = ", ";
        }
        if self.0.is_empty() {
            return Ok(());
        }
        f.write_str("}")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => Quoted(key).fmt(f),
            Self::Event(seq) => seq.fmt(f),
            Self::Cell(name) => write!(f, "{name:?}"),
            Self::Span(span) => span.fmt(f),
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "= {}", Quoted(value)),
            Self::Event {
                kind,
                attributes,
                body,
            } => write!(
                f,
                "{} {}{}",
                kind.escape_debug(),
                Quoted(body),
                Listed(attributes)
            ),
            Self::Cell { version, value } => write!(f, "= {} (version {version})", Quoted(value)),
            Self::Span {
                parent,
                name,
                outcome,
                attributes,
            } => {
                write!(f, "{name:?}")?;
                if let Some(parent) = parent {
                    write!(f, " in {parent}")?;
                }
                match outcome {
                    Some(outcome) => write!(f, ", {outcome}")?,
                    None => f.write_str(", not ended")?,
                }
                Listed(attributes).fmt(f)
            }
        }
    }
}

impl Place {
    fn section(&self) -> &'static str {
        match self {
            Self::Key(_) => "keys",
            Self::Event(_) => "events",
            Self::Cell(_) => "cells",
            Self::Span(_) => "spans",
        }
    }
}

impl fmt::Display for RunDiff {
    /// Prints nothing where nothing differs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.differences.is_empty() {
            return Ok(());
        }
        writeln!(f, "--- {}", self.before)?;
        writeln!(f, "+++ {}", self.after)?;
        let mut section = "";
        for difference in &self.differences {
            let place = &difference.place;
            if place.section() != section {
                section = place.section();
                writeln!(f, "@@ {section}")?;
            }
            if let Some(before) = &difference.before {
                writeln!(f, "-{place} {before}")?;
            }
            if let Some(after) = &difference.after {
                writeln!(f, "+{place} {after}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Began { name } => write!(f, "began {name:?}"),
            Self::Resumed => f.write_str("resumed after a crash"),
            Self::Orphaned => f.write_str("orphaned by a crash"),
            Self::Ended { outcome, note: "" } => write!(f, "ended, {outcome}"),
            Self::Ended { outcome, note } => write!(f, "ended, {outcome}: {note:?}"),
            Self::Tagged { tag, is_set: true } => write!(f, "tag {tag:?}"),
            Self::Tagged { tag, is_set: false } => write!(f, "untag {tag:?}"),
            Self::Noted { name, value } => match value {
                Some(value) => write!(f, "metadata {name:?} = {value}"),
                None => write!(f, "metadata {name:?} removed"),
            },
            Self::Event(event) => {
                let (seq, kind) = (event.seq, event.kind.escape_debug());
                let (body, attributes) = (Quoted(event.body), Listed(&event.attributes));
                write!(f, "event {seq} {kind} {body}{attributes}")
            }
            Self::Put { key, value } => write!(f, "put {} = {}", Quoted(key), Quoted(value)),
            Self::Deleted { key } => write!(f, "delete {}", Quoted(key)),
            Self::Cell {
                name,
                version,
                value,
                ..
            } => write!(f, "cell {name:?} = {} (version {version})", Quoted(value)),
            Self::SpanStarted {
                span,
                parent,
                name,
                attributes,
            } => {
                write!(f, "span {span} {name:?} started")?;
                if let Some(parent) = parent {
                    write!(f, " in {parent}")?;
                }
                Listed(attributes).fmt(f)
            }
            Self::SpanEnded {
                span,
                outcome,
                attributes,
            } => write!(f, "span {span} ended, {outcome}{}", Listed(attributes)),
        }
    }
}
