//! Runs as JSON lines: a run is written out, and read back as a new one.
//!
//! ```text
//! {"run":{"format":1,"name":"agent","status":"open","steps":3}}
//! {"step":1,"time_us":1700000000000000,"began":{"name":"agent"}}
//! {"step":2,"time_us":1700000000000005,"event":{"seq":0,"kind":"thought","body":"go"}}
//! {"step":3,"time_us":1700000000000009,"put":{"key_hex":"00ff","value":"sencha"}}
//! ```
//!
//! Bytes that are text are text; others are hexadecimal digits under a name that ends in `_hex`.
//! Attributes are JSON's own texts, numbers and truths, and `{"hex":"00ff"}` for bytes; a number with a
//! point or an exponent is a float, any other an integer.

use std::io::Write;

use serde_json::{Map, Value, json};

use super::attribute::{Attribute, Attributes};
use super::change::{Change, Event, Outcome, RunId, SpanId};
use super::error::RunError;
use super::read::RunInfo;
use super::replay::{Step, Steps};
use super::row::Status;
use super::runs::Runs;

/// The version of the lines.
pub(super) const FORMAT: u64 = 1;

/// Why a run was not written out.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It could not be read.
    #[error(transparent)]
    Run(#[from] RunError),
    /// It could not be written.
    #[error("the run cannot be written out")]
    Io(#[from] std::io::Error),
}

impl Runs {
    /// Writes a run as it is now: a line about the run, then one for each step.
    ///
    /// # Errors
    /// [`ExportError`]; what was written until then is no whole run, and is not read back.
    pub fn export(&self, run: RunId, out: &mut impl Write) -> Result<(), ExportError> {
        let view = self.engine.view();
        let info = self.info_in(&view, run)?;
        writeln!(out, "{}", about(&info))?;
        for step in Steps::new(self, &view, run)? {
            writeln!(out, "{}", line(&step?)?)?;
        }
        Ok(())
    }
}

fn about(info: &RunInfo) -> Value {
    json!({"run": {
        "format": FORMAT,
        "name": info.name,
        "status": info.status.name(),
        "steps": info.steps,
    }})
}

/// Bytes under a name, as text where they are text.
fn put_bytes(fields: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => fields.insert(name.into(), text.into()),
        Err(_) => fields.insert(format!("{name}_hex"), hex(bytes).into()),
    };
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|it| DIGITS[usize::from(it)]);
    bytes.iter().flat_map(digits).collect()
}

fn attribute(value: &Attribute) -> Value {
    match value {
        Attribute::Text(text) => text.as_str().into(),
        Attribute::Integer(number) => (*number).into(),
        Attribute::Float(number) => (*number).into(),
        Attribute::Bool(it) => (*it).into(),
        Attribute::Bytes(bytes) => json!({"hex": hex(bytes)}),
    }
}

fn put_attributes(fields: &mut Map<String, Value>, attributes: &Attributes) {
    if !attributes.is_empty() {
        let value = |(name, value): (&String, &Attribute)| (name.clone(), attribute(value));
        let all: Map<_, _> = attributes.iter().map(value).collect();
        fields.insert("attributes".into(), all.into());
    }
}

/// A step as a line.
///
/// # Errors
/// [`RunError::Row`] where the step cannot be read.
pub fn line(step: &Step) -> Result<Value, RunError> {
    let mut fields = Map::new();
    let name = match step.change()? {
        Change::Began { name } => {
            fields.insert("name".into(), name.into());
            "began"
        }
        Change::Resumed => "resumed",
        Change::Orphaned => "orphaned",
        Change::Ended { outcome, note } => {
            fields.insert("outcome".into(), outcome.name().into());
            fields.insert("note".into(), note.into());
            "ended"
        }
        Change::Tagged { tag, is_set } => {
            fields.insert("tag".into(), tag.into());
            fields.insert("is_set".into(), is_set.into());
            "tagged"
        }
        Change::Noted { name, value } => {
            fields.insert("name".into(), name.into());
            if let Some(value) = value {
                fields.insert("value".into(), attribute(&value));
            }
            "noted"
        }
        Change::Event(Event {
            seq,
            kind,
            attributes,
            body,
        }) => {
            fields.insert("seq".into(), seq.into());
            fields.insert("kind".into(), kind.into());
            put_attributes(&mut fields, &attributes);
            put_bytes(&mut fields, "body", body);
            "event"
        }
        Change::Put { key, value } => {
            put_bytes(&mut fields, "key", key);
            put_bytes(&mut fields, "value", value);
            "put"
        }
        Change::Deleted { key } => {
            put_bytes(&mut fields, "key", key);
            "deleted"
        }
        Change::Cell {
            name,
            version,
            value,
            ..
        } => {
            fields.insert("name".into(), name.into());
            fields.insert("version".into(), version.into());
            put_bytes(&mut fields, "value", value);
            "cell"
        }
        Change::SpanStarted {
            span,
            parent,
            name,
            attributes,
        } => {
            fields.insert("span".into(), span.0.into());
            if let Some(parent) = parent {
                fields.insert("parent".into(), parent.0.into());
            }
            fields.insert("name".into(), name.into());
            put_attributes(&mut fields, &attributes);
            "span_started"
        }
        Change::SpanEnded {
            span,
            outcome,
            attributes,
        } => {
            fields.insert("span".into(), span.0.into());
            fields.insert("outcome".into(), outcome.name().into());
            put_attributes(&mut fields, &attributes);
            "span_ended"
        }
    };
    let mut line = Map::new();
    line.insert("step".into(), step.number.into());
    line.insert("time_us".into(), step.time_us.into());
    line.insert(name.into(), fields.into());
    Ok(line.into())
}

/// What is wrong with a line, in words.
pub(super) type Bad = String;

/// The fields of an object; what is asked for is taken out of it.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn of(value: Value, what: &str) -> Result<Self, Bad> {
        match value {
            Value::Object(fields) => Ok(Self(fields)),
            other => Err(format!("{what} is {other} instead of an object")),
        }
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    pub(super) fn number(&mut self, name: &str) -> Result<u64, Bad> {
        let value = self.take(name);
        let number = value.as_ref().and_then(Value::as_u64);
        number.ok_or_else(|| format!("`{name}` is no whole number"))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<String, Bad> {
        match self.take(name) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(format!("`{name}` is no text")),
        }
    }

    pub(super) fn bytes(&mut self, name: &str) -> Result<Vec<u8>, Bad> {
        let name_hex = format!("{name}_hex");
        match (self.take(name), self.take(&name_hex)) {
            (Some(Value::String(text)), None) => Ok(text.into_bytes()),
            (None, Some(Value::String(digits))) => unhex(&digits, &name_hex),
            (Some(_), Some(_)) => Err(format!("`{name}` is there twice")),
            _ => Err(format!("`{name}` is missing, or no text")),
        }
    }

    pub(super) fn outcome(&mut self) -> Result<Outcome, Bad> {
        let name = self.text("outcome")?;
        Outcome::of_name(&name).ok_or_else(|| format!("`{name}` is no outcome"))
    }

    fn attribute(&mut self, name: &str) -> Result<Attribute, Bad> {
        let value = self.take(name).unwrap_or_default();
        read_attribute(name, value)
    }

    pub(super) fn attributes(&mut self) -> Result<Attributes, Bad> {
        let Some(value) = self.take("attributes") else {
            return Ok(Attributes::new());
        };
        let fields = Self::of(value, "`attributes`")?.0.into_iter();
        fields
            .map(|(name, value)| Ok((name.clone(), read_attribute(&name, value)?)))
            .collect()
    }

    /// An error where something is left that nobody asked for.
    pub(super) fn end(self) -> Result<(), Bad> {
        match self.0.keys().next() {
            Some(name) => Err(format!("`{name}` is unknown")),
            None => Ok(()),
        }
    }

    /// The name and the fields of the only one that is left.
    pub(super) fn only(mut self) -> Result<(String, Self), Bad> {
        let names: Vec<_> = self.0.keys().cloned().collect();
        let [name] = &names[..] else {
            let names = names.join("`, `");
            return Err(format!("it should do one thing, and does `{names}`"));
        };
        let value = self.take(name).unwrap_or_default();
        Ok((name.clone(), Self::of(value, &format!("`{name}`"))?))
    }
}

fn read_attribute(name: &str, value: Value) -> Result<Attribute, Bad> {
    let bad = || format!("the attribute `{name}` has no type that it can have");
    Ok(match value {
        Value::String(text) => Attribute::Text(text),
        Value::Bool(it) => Attribute::Bool(it),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => Attribute::Integer(number),
            // Above the integers of 64 bits, a number would silently become another one.
            (None, Some(_)) if number.is_u64() => return Err(bad()),
            (None, Some(number)) => Attribute::Float(number),
            (None, None) => return Err(bad()),
        },
        Value::Object(fields) => {
            let mut fields = Fields(fields);
            let digits = fields.text("hex")?;
            fields.end()?;
            Attribute::Bytes(unhex(&digits, name)?)
        }
        Value::Null | Value::Array(_) => return Err(bad()),
    })
}

fn unhex(digits: &str, name: &str) -> Result<Vec<u8>, Bad> {
    let bad = || format!("`{name}` has something else than pairs of hexadecimal digits");
    let digit = |byte: u8| char::from(byte).to_digit(16).ok_or_else(bad);
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
        return Err(bad());
    };
    let pair = |[high, low]: &[u8; 2]| {
        let byte = digit(*high)? * 16 + digit(*low)?;
        u8::try_from(byte).map_err(|_| bad())
    };
    pairs.iter().map(pair).collect()
}

/// A step that was read, with its texts of its own.
pub(super) enum ReadChange {
    Began(String),
    Resumed,
    Orphaned,
    Ended(Outcome, String),
    Tagged(String, bool),
    Noted(String, Option<Attribute>),
    Event(u64, String, Attributes, Vec<u8>),
    Put(Vec<u8>, Vec<u8>),
    Deleted(Vec<u8>),
    Cell(String, u64, Vec<u8>),
    SpanStarted(SpanId, Option<SpanId>, String, Attributes),
    SpanEnded(SpanId, Outcome, Attributes),
}

/// Reads what [`line`] wrote: the number of a step, its time, and what it did.
pub(super) fn read(line: &[u8]) -> Result<(u64, u64, ReadChange), Bad> {
    let mut step = Fields::of(parse(line)?, "the line")?;
    let (number, time_us) = (step.number("step")?, step.number("time_us")?);
    let (name, mut fields) = step.only()?;
    let change = match name.as_str() {
        "began" => ReadChange::Began(fields.text("name")?),
        "resumed" => ReadChange::Resumed,
        "orphaned" => ReadChange::Orphaned,
        "ended" => ReadChange::Ended(fields.outcome()?, fields.text("note")?),
        "tagged" => match fields.take("is_set") {
            Some(Value::Bool(is_set)) => ReadChange::Tagged(fields.text("tag")?, is_set),
            _ => return Err("`is_set` is neither true nor false".into()),
        },
        "noted" => {
            let is_set = fields.0.contains_key("value");
            let value = is_set.then(|| fields.attribute("value")).transpose()?;
            ReadChange::Noted(fields.text("name")?, value)
        }
        "event" => {
            let (seq, kind) = (fields.number("seq")?, fields.text("kind")?);
            ReadChange::Event(seq, kind, fields.attributes()?, fields.bytes("body")?)
        }
        "put" => ReadChange::Put(fields.bytes("key")?, fields.bytes("value")?),
        "deleted" => ReadChange::Deleted(fields.bytes("key")?),
        "cell" => {
            let (name, version) = (fields.text("name")?, fields.number("version")?);
            ReadChange::Cell(name, version, fields.bytes("value")?)
        }
        "span_started" => {
            let span = SpanId(fields.number("span")?);
            let has_parent = fields.0.contains_key("parent");
            let parent = has_parent.then(|| fields.number("parent")).transpose()?;
            let name = fields.text("name")?;
            ReadChange::SpanStarted(span, parent.map(SpanId), name, fields.attributes()?)
        }
        "span_ended" => {
            let span = SpanId(fields.number("span")?);
            ReadChange::SpanEnded(span, fields.outcome()?, fields.attributes()?)
        }
        other => return Err(format!("`{other}` is no change that this engine knows")),
    };
    fields.end()?;
    Ok((number, time_us, change))
}

/// What the first line says: how many steps follow, and what became of the run.
pub(super) fn read_about(line: &[u8]) -> Result<(u64, Status), Bad> {
    let mut about = Fields::of(parse(line)?, "the line")?;
    let mut run = Fields::of(about.take("run").unwrap_or_default(), "`run`")?;
    about.end()?;
    let format = run.number("format")?;
    if format != FORMAT {
        return Err(format!("`format` is {format}; this engine reads {FORMAT}"));
    }
    run.text("name")?;
    let (steps, status) = (run.number("steps")?, run.text("status")?);
    run.end()?;
    let status = match status.as_str() {
        "open" => Status::Open,
        "orphaned" => Status::Orphaned,
        other => {
            let outcome = Outcome::of_name(other);
            Status::Ended(outcome.ok_or_else(|| format!("`{other}` is no status"))?)
        }
    };
    Ok((steps, status))
}

fn parse(line: &[u8]) -> Result<Value, Bad> {
    let text = std::str::from_utf8(line)
        .map_err(|error| format!("it is not UTF-8 from byte {} on", error.valid_up_to()))?;
    serde_json::from_str(text).map_err(|error| error.to_string())
}
