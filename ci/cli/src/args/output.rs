//! Arguments about what is printed and written, and what the exit code says.

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

/// Where files go.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputDirectory {
    /// Where run.json and reports are written [default: icgate/ in cargo's target directory]
    #[arg(long = "output", value_name = "DIRECTORY")]
    pub(crate) directory: Option<Utf8PathBuf>,
}

/// Where files go and what is printed.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Output {
    #[command(flatten)]
    pub(crate) directory: OutputDirectory,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// On a terminal, list benchmarks that moved within their limit, too
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

/// What to print of an explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextOrJson {
    /// For a terminal
    Text,
    /// All of it, for programs
    Json,
}

/// What to print of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HistoryFormat {
    /// For a terminal: a line and each step
    Text,
    /// All points, for programs
    Json,
    /// A row for each step
    Csv,
    /// A table for people
    Markdown,
    /// A page with a picture of each trend
    Html,
}

/// What makes the exit code other than 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Whatever is not a pass
    Any,
    /// Whatever is not a pass, except regressions and baselines out of date, which only warn
    Error,
    /// Only exit code 3: for shards that `icgate merge` judges together
    NotMeasured,
}

/// What to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For a terminal
    Text,
    /// The whole report, for programs
    Json,
    /// A pull request's comment
    Markdown,
    /// Annotations for GitHub Actions, and the job's summary
    Github,
    /// A page to look at
    Html,
    /// A row for each benchmark
    Csv,
    /// A test case for each benchmark
    Junit,
    /// Results for code scanning, SARIF 2.1.0
    Sarif,
}
