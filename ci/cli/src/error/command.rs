//! What goes wrong in one verb alone.

use miette::Diagnostic;
use thiserror::Error;

/// Why nothing was explained.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum ExplainError {
    #[error("there is no benchmark `{id}`")]
    #[diagnostic(help("{}", explain_command(near)))]
    Unknown {
        id: String,
        /// What may have been meant.
        near: Vec<String>,
    },
    #[error("base has no benchmark `{id}`, so there is no change to be proven")]
    #[diagnostic(help("icgate explain {id}"))]
    NotInBase { id: String },
    #[error("there is no base to prove the change of `{id}` against")]
    #[diagnostic(help("name one: icgate explain {id} --prove --base REVISION"))]
    NoBase { id: String },
    #[error("no function of `{id}` has `{part}` in its name")]
    #[diagnostic(help("give a part of one of its functions' names: {}", some.join(", ")))]
    NoFunction {
        id: String,
        part: String,
        /// The most expensive ones.
        some: Vec<String>,
    },
}

/// Why no commit was sought.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum BisectError {
    #[error("`{0}` is no range of commits behind a benchmark")]
    #[diagnostic(help("icgate bisect wal/append/b64 v1.0..HEAD"))]
    Range(String),
    #[error("`{0}` has no commit")]
    #[diagnostic(help("name the good commit first: icgate bisect ID GOOD..BAD"))]
    Empty(String),
    #[error("`{0}` is no benchmark's id")]
    #[diagnostic(help("icgate list"))]
    Id(String),
    #[error("there is no benchmark `{0}` at both ends")]
    #[diagnostic(help("icgate list, at both commits"))]
    Unknown(String),
}

fn explain_command(near: &[String]) -> String {
    match near {
        [] => "icgate list".to_owned(),
        near => format!(
            "give one id, such as `{}`; all of them: icgate list",
            near.join("` or `")
        ),
    }
}

/// Why the run of CI is unknown.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum CiError {
    #[error("the environment variable {name} is {value:?}, not a number from 1 on")]
    #[diagnostic(help("leave {name} as GitHub sets it, or unset it"))]
    Number { name: &'static str, value: String },
    #[cfg(feature = "github")]
    #[error("the environment variable {name} is {value:?}, which GitHub never writes")]
    #[diagnostic(help("leave {name} as GitHub sets it"))]
    Text { name: &'static str, value: String },
    #[cfg(feature = "github")]
    #[error("the run was measured at {measured:?}, which {why}")]
    #[diagnostic(help("run the gate again; it measures the pull request's current merge"))]
    Foreign { measured: String, why: &'static str },
}

/// Why the self-test could not run.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum SelftestError {
    #[error("`{path}` has `[calibrate]`, and not exactly one `[[edit]]`")]
    #[diagnostic(help("calibrate one edit in a file"))]
    Edits { path: String },
    #[error("`{file}`: `{benchmark}` {what}")]
    #[diagnostic(help("name a benchmark in `[calibrate]` that runs the injected code"))]
    Calibrate {
        file: String,
        benchmark: String,
        what: &'static str,
    },
    #[error("the self-test cannot go on: {what}")]
    #[diagnostic(help("run the command that failed in the project itself: icgate check"))]
    Step { what: String },
    #[error("`{path}` has no place for the table")]
    #[diagnostic(help("put `{begin}` and `{end}` into {path}, each on its own line"))]
    Marks {
        path: String,
        begin: &'static str,
        end: &'static str,
    },
}

/// Why baselines were not updated.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum UpdateError {
    #[error("{ids} got worse by more than the limit, and no reason was given")]
    #[diagnostic(help("{command}"))]
    NoReason { ids: String, command: String },
    #[error("base has {ids}, which no longer exist, and no reason was given")]
    #[diagnostic(help("{command}"))]
    Removed { ids: String, command: String },
    #[error(
        "the measurement environment has changed ({fields}), and only some benchmarks were measured"
    )]
    #[diagnostic(help("update all benchmarks at once"))]
    PartOfEnvironment { fields: String },
    #[error("some benchmarks could not be measured; no baseline was changed")]
    #[diagnostic(help("fix the errors above"))]
    Incomplete,
    #[error("{why}")]
    #[diagnostic(help("{fix}"))]
    From { why: String, fix: String },
}
