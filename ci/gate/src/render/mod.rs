//! Renderers: a report in, text out. They choose words and layout, and decide nothing.

pub mod github;
pub mod markdown;
mod number;
pub mod text;
mod words;
