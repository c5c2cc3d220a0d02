//! Why something could not be published: what was asked, what came back, what to do.

use miette::Diagnostic;
use thiserror::Error;

/// Why GitHub could not be updated, or did not answer.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum GithubError {
    #[error("the environment variable GITHUB_TOKEN is not set")]
    #[diagnostic(help("give the step `env: GITHUB_TOKEN: ${{{{ github.token }}}}`"))]
    NoToken,
    #[error("{name} is {value:?}, which is not the address of GitHub's API")]
    #[diagnostic(help("leave {name} as GitHub sets it, or unset it"))]
    Address { name: &'static str, value: String },
    #[error("cannot set up the connection to GitHub: {what}")]
    #[diagnostic(help("install the system's certificates (ca-certificates)"))]
    Setup { what: String },
    #[error("GitHub refuses {request}: {status} {message}")]
    #[diagnostic(help("{}", for_status(*status, request)))]
    Refused {
        request: String,
        status: u16,
        message: String,
    },
    #[error(
        "GitHub could not be reached for {request} after {tries} tries and {waited} s of waiting: {last}"
    )]
    #[diagnostic(help("{AGAIN}"))]
    Unavailable {
        request: String,
        tries: u32,
        waited: u64,
        last: String,
    },
    /// The write may have taken place. Whoever sent it looks, and then knows.
    #[error("no response to {request}; it may have succeeded: {last}")]
    #[diagnostic(help("{AGAIN}"))]
    Doubtful { request: String, last: String },
    #[error("cannot read GitHub's answer to {request}: {what}")]
    #[diagnostic(help("check https://www.githubstatus.com, and run the publishing job again"))]
    Answer { request: String, what: String },
    #[error(
        "the comment was written by `{found}`, not by `{expected}`, and would not be found again; it was removed"
    )]
    #[diagnostic(help("publish with `--author '{found}'`"))]
    Author { expected: String, found: String },
    #[error("the {what} kept changing while being updated")]
    #[diagnostic(help("{AGAIN}"))]
    Unsettled { what: &'static str },
}

const AGAIN: &str = "run the publishing job again; it goes on where this one stopped";

impl GithubError {
    /// The status that GitHub refused with.
    pub(crate) const fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether a write may have taken place or not.
    pub(crate) const fn is_doubtful(&self) -> bool {
        matches!(self, Self::Doubtful { .. })
    }
}

/// What to do about a refusal.
fn for_status(status: u16, request: &str) -> String {
    match status {
        401 => "the token has expired or is not one: use the job's own, `${{ github.token }}`"
            .to_owned(),
        403 | 404 => format!("give the job `permissions:` with `{}`", permission(request)),
        _ => "run the publishing job again; if GitHub refuses again, report it as a bug".to_owned(),
    }
}

/// The permission that a request takes.
fn permission(request: &str) -> &'static str {
    let writes = !request.starts_with("GET ");
    if request.contains("/check-runs") {
        "checks: write"
    } else if request.contains("/issues/") && writes {
        "pull-requests: write"
    } else if request.contains("/pulls") || request.contains("/issues/") {
        "pull-requests: read"
    } else if request.contains("/issues") {
        "issues: write"
    } else {
        "contents: read"
    }
}
