//! Renderers: a report in, text out. They choose words and layout, and decide nothing.

pub mod bisect;
pub mod csv;
pub mod explain;
pub mod github;
pub mod history;
pub mod html;
pub mod junit;
pub mod markdown;
pub(crate) mod markup;
pub(crate) mod messages;
pub(crate) mod number;
pub mod proof;
pub mod sarif;
mod separated;
mod sparkline;
pub mod text;
mod truncate;

/// A value that is made of texts and numbers as indented JSON, ending in a line break.
pub(crate) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).expect("texts and numbers always serialise") + "\n"
}
