//! Output: the report's files, and what is printed.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use icgate_core::render::text::Colour;
use icgate_core::render::{github, markdown, text};
use icgate_core::report::Report;
use icgate_core::run::Run;

use crate::args::Format;
use crate::error::StoreError;
use crate::store;

/// Writes `run.json`.
pub(crate) fn write_run(directory: &Path, run: &Run) -> Result<(), StoreError> {
    store::write(&directory.join("run.json"), &run.to_json()).map(drop)
}

/// Writes `report.json` and `report.md`.
pub(crate) fn write_report(directory: &Path, report: &Report) -> Result<(), StoreError> {
    store::write(&directory.join("report.json"), &json(report))?;
    store::write(&directory.join("report.md"), &markdown::render(report)).map(drop)
}

/// Prints the report; for GitHub also appends it to the job's summary, where there is one.
pub(crate) fn print_report(report: &Report, format: Format) -> Result<(), StoreError> {
    match format {
        Format::Text => print(&text::render(report, colour())),
        Format::Json => print(&json(report)),
        Format::Markdown => print(&markdown::render(report)),
        Format::Github => {
            print(&text::render(report, Colour::None));
            print(&github::render(report));
            if let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|it| !it.is_empty())
            {
                append(Path::new(&path), &markdown::render(report))?;
            }
        }
    }
    Ok(())
}

fn json(report: &Report) -> String {
    serde_json::to_string_pretty(report).expect("a report always serialises") + "\n"
}

/// Prints a line.
pub(crate) fn say(line: impl std::fmt::Display) {
    print(&format!("{line}\n"));
}

/// Says on standard error what the reader should know.
pub(crate) fn warn(warning: impl std::fmt::Display) {
    eprintln!("icgate: warning: {warning}");
}

/// A reader that closes the pipe early (`| head`) has what it wanted.
pub(crate) fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn append(path: &Path, text: &str) -> Result<(), StoreError> {
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| StoreError::Write {
            path: path.to_owned(),
            source,
        })
}

/// Colours on a terminal, unless `NO_COLOR` or `CLICOLOR=0` is set; elsewhere only if
/// `CLICOLOR_FORCE` is.
fn colour() -> Colour {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let off = variable("NO_COLOR").is_some();
    let forced = variable("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    let wanted = variable("CLICOLOR").is_none_or(|value| value != "0");
    if !off && (forced || wanted && std::io::stdout().is_terminal()) {
        Colour::Ansi
    } else {
        Colour::None
    }
}
