//! Output: the report's files, and what is printed.

use std::io::Write as _;
use std::path::Path;

use icgate_core::judge::{Outcome, Verdict};
use icgate_core::model::escape;
use icgate_core::model::run::Run;
use icgate_core::render::explain::Look;
use icgate_core::render::text::{Colour, Verbosity};
use icgate_core::render::{csv, github, html, junit, markdown, sarif, text};
use icgate_core::report::Report;
use icgate_core::report::detail::Details;

use crate::args::{Format, Output};
use crate::error::StoreError;
use crate::io::store;

/// The file of what was measured.
pub(crate) const RUN_FILE: &str = "run.json";

/// The file beside it: base's own code, measured in the same measurement environment.
pub(crate) const BASE_FILE: &str = "base.json";

/// The file of what was proven of it.
pub(crate) const PROOF_FILE: &str = "proof.json";

/// Writes `run.json`.
pub(crate) fn write_run(directory: &Path, run: &Run) -> Result<(), StoreError> {
    store::write(&directory.join(RUN_FILE), &run.to_json()).map(drop)
}

/// Writes `base.json`, so that whoever judges the run later does so beside the same base; without a
/// run of base, none is left there.
pub(crate) fn write_base(directory: &Path, base: Option<&Run>) -> Result<(), StoreError> {
    let path = directory.join(BASE_FILE);
    match base {
        Some(base) => store::write(&path, &base.to_json()).map(drop),
        None => remove(&path),
    }
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(StoreError::Write {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

/// The file of the page.
pub(crate) const PAGE: &str = "report.html";

/// Writes `report.json` and `report.md`.
pub(crate) fn write_report(directory: &Path, report: &Report) -> Result<(), StoreError> {
    store::write(&directory.join("report.json"), &json(report))?;
    store::write(&directory.join("report.md"), &markdown::render(report)).map(drop)
}

/// Removes what an earlier run has left: should this one fail, nobody may take that for its own.
pub(crate) fn remove_earlier(directory: &Path) -> Result<(), StoreError> {
    let files = [
        RUN_FILE,
        BASE_FILE,
        PROOF_FILE,
        "report.json",
        "report.md",
        PAGE,
    ];
    files
        .iter()
        .try_for_each(|file| remove(&directory.join(file)))
}

/// Writes the report and its page, and prints it.
pub(crate) fn finish(
    directory: &Path,
    report: &Report,
    page: &str,
    output: &Output,
) -> Result<(), StoreError> {
    write_report(directory, report)?;
    store::write(&directory.join(PAGE), page)?;
    match output.format {
        Format::Html => print(page),
        Format::Text if output.verbose => {
            print(&text::render(report, colour(), Verbosity::Verbose));
        }
        format => print_report(report, format)?,
    }
    Ok(())
}

/// Prints the report; for GitHub also appends it to the job's summary, where there is one.
pub(crate) fn print_report(report: &Report, format: Format) -> Result<(), StoreError> {
    match format {
        Format::Text => print(&text::render(report, colour(), Verbosity::Normal)),
        Format::Json => print(&json(report)),
        Format::Html => print(&html::render(report, &Details::default())),
        Format::Csv => print(&csv::render(report)),
        Format::Junit => print(&junit::render(report)),
        Format::Sarif => print(&sarif::render(report)),
        Format::Markdown => print(&markdown::render(report)),
        Format::Github => {
            guarded(&text::render(report, Colour::None, Verbosity::Normal));
            print(&github::render(report));
            summary(&markdown::render(report))?;
            set("verdict", report.outcome.word())?;
            let count = |verdict| report.count(verdict).to_string();
            set("regressions", &count(Verdict::REGRESSED))?;
            set("improvements", &count(Verdict::IMPROVED))?;
            set(
                "incomplete",
                &(report.outcome == Outcome::NotMeasured).to_string(),
            )?;
        }
    }
    Ok(())
}

fn json(report: &Report) -> String {
    serde_json::to_string_pretty(report).expect("a report always serialises") + "\n"
}

/// Prints a line, or several. Names in them may come from outside, so none is obeyed.
pub(crate) fn say(text: impl std::fmt::Display) {
    print(&format!("{}\n", escape::lines(&text.to_string())));
}

/// Prints to standard error: the one way for errors, warnings and progress. What they quote may
/// come from outside, so no line of it is obeyed by a terminal or by a runner.
pub(crate) fn complain(text: impl std::fmt::Display) {
    let text = format!("{}\n", escape::lines(&text.to_string()));
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Says on standard error what the reader should know.
pub(crate) fn warn(warning: impl std::fmt::Display) {
    complain(format_args!("icgate: warning: {warning}"));
}

/// Prints a text that must not be obeyed. A runner takes a line of its log for a command wherever
/// it begins with `::` or holds `##[`, and names come from pull requests; between a stop with a
/// word that nobody can foresee and that word again, it takes none.
pub(crate) fn guarded(text: &str) {
    use std::hash::{BuildHasher as _, RandomState};
    let word = || RandomState::new().hash_one(text.len());
    let word = format!("icgate-{:016x}{:016x}", word(), word());
    let text = escape::lines(text);
    print(&format!("::stop-commands::{word}\n{text}\n::{word}::\n"));
}

/// Appends to the job's summary, where there is one.
pub(crate) fn summary(text: &str) -> Result<(), StoreError> {
    match std::env::var_os("GITHUB_STEP_SUMMARY").filter(|it| !it.is_empty()) {
        Some(path) => append(Path::new(&path), text),
        None => Ok(()),
    }
}

/// Sets an output of the step, where there is one. A value of more than one line would set others.
pub(crate) fn set(name: &str, value: &str) -> Result<(), StoreError> {
    let line = value.lines().next().unwrap_or_default();
    match std::env::var_os("GITHUB_OUTPUT").filter(|it| !it.is_empty()) {
        Some(path) => append(Path::new(&path), &format!("{name}={line}\n")),
        None => Ok(()),
    }
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
pub(crate) fn colour() -> Colour {
    match anstream::AutoStream::choice(&std::io::stdout()) {
        anstream::ColorChoice::Never => Colour::None,
        _ => Colour::Ansi,
    }
}

/// Colours, and as many columns as the terminal has; elsewhere as many as any has.
pub(crate) fn look() -> Look {
    /// What every terminal has.
    const COLUMNS: usize = 80;
    // Where standard output is no terminal, it has no size.
    let size = terminal_size::terminal_size_of(std::io::stdout());
    Look {
        colour: colour(),
        width: size.map_or(COLUMNS, |(width, _)| usize::from(width.0)),
    }
}
