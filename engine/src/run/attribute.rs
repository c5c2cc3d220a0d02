//! What is known of a run, an event or a span beside its content: named values of a few types.

use std::collections::BTreeMap;
use std::fmt;

use super::NAME_BYTES_MAX;
use super::code::{Reader, put_bytes, put_name, utf8};
use super::error::{Malformed, RunError, check_name};

/// Named values, in the order of their names.
pub type Attributes = BTreeMap<String, Attribute>;

/// How many attributes one thing has at most.
pub const ATTRIBUTES_MAX: usize = 1024;

/// A value with its type.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// Text; the only type that is searched by words.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Any other number, never infinite nor NaN.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Attribute {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<f64> for Attribute {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<bool> for Attribute {
    fn from(it: bool) -> Self {
        Self::Bool(it)
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number:?}"),
            Self::Bool(it) => write!(f, "{it}"),
            Self::Bytes(bytes) => write!(f, "b\"{}\"", bytes.escape_ascii()),
        }
    }
}

/// An error where one of them cannot be kept.
pub(super) fn check(attributes: &Attributes) -> Result<(), RunError> {
    if attributes.len() > ATTRIBUTES_MAX {
        return Err(RunError::TooLong {
            what: "the list of attributes",
            len: attributes.len(),
            max: ATTRIBUTES_MAX,
        });
    }
    attributes
        .iter()
        .try_for_each(|(name, value)| check_one(name, value))
}

/// As [`check`], of one.
pub(super) fn check_one(name: &str, value: &Attribute) -> Result<(), RunError> {
    check_name("an attribute's name", name)?;
    match value {
        Attribute::Float(number) if !number.is_finite() => Err(RunError::NotFinite {
            name: name.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Appends a value.
pub(super) fn put(bytes: &mut Vec<u8>, value: &Attribute) {
    match value {
        Attribute::Text(text) => {
            bytes.push(1);
            put_bytes(bytes, text.as_bytes());
        }
        Attribute::Integer(number) => {
            bytes.push(2);
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        Attribute::Float(number) => {
            bytes.push(3);
            bytes.extend_from_slice(&number.to_bits().to_le_bytes());
        }
        Attribute::Bool(it) => bytes.extend_from_slice(&[4, u8::from(*it)]),
        Attribute::Bytes(content) => {
            bytes.push(5);
            put_bytes(bytes, content);
        }
    }
}

/// Reads what [`put`] wrote.
pub(super) fn read(row: &mut Reader<'_>) -> Result<Attribute, Malformed> {
    Ok(match row.u8()? {
        1 => Attribute::Text(utf8(row.bytes()?)?.to_owned()),
        2 => Attribute::Integer(row.i64()?),
        3 => Attribute::Float(f64::from_bits(row.u64()?)),
        4 => Attribute::Bool(row.u8()? != 0),
        5 => Attribute::Bytes(row.bytes()?.to_owned()),
        _ => return Err(Malformed("has an attribute of an unknown type")),
    })
}

/// Appends all of them: their number, then names and values in order.
pub(super) fn put_all(bytes: &mut Vec<u8>, attributes: &Attributes) {
    let count = u16::try_from(attributes.len()).unwrap_or(u16::MAX);
    bytes.extend_from_slice(&count.to_le_bytes());
    for (name, value) in attributes.iter().take(usize::from(count)) {
        put_name(bytes, name);
        put(bytes, value);
    }
}

/// Reads what [`put_all`] wrote.
pub(super) fn read_all(row: &mut Reader<'_>) -> Result<Attributes, Malformed> {
    let mut attributes = Attributes::new();
    for _ in 0..row.u16()? {
        let name = row.name()?;
        attributes.insert(name.to_owned(), read(row)?);
    }
    Ok(attributes)
}

const _: () = assert!(NAME_BYTES_MAX <= u16::MAX as usize && ATTRIBUTES_MAX <= u16::MAX as usize);
