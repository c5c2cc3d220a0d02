//! Why something could not be published: what was asked, what came back, what to do.

use thiserror::Error;

/// Why GitHub was not told, or did not answer.
#[derive(Debug, Error)]
pub(crate) enum GithubError {
    #[error("the environment variable GITHUB_TOKEN is not set")]
    NoToken,
    #[error("{name} is {value:?}, which is no address of GitHub's interface")]
    Address { name: &'static str, value: String },
    #[error("cannot prepare to talk to GitHub: {what}")]
    Setup { what: String },
    #[error("GitHub refuses {request}: {status} {message}")]
    Refused {
        request: String,
        status: u16,
        message: String,
    },
    #[error(
        "GitHub could not be reached for {request} after {tries} tries and {waited} s of waiting: {last}"
    )]
    Unavailable {
        request: String,
        tries: u32,
        waited: u64,
        last: String,
    },
    /// The write may have taken place. Whoever sent it looks, and then knows.
    #[error("nobody knows whether {request} was done: {last}")]
    Doubtful { request: String, last: String },
    #[error("cannot read GitHub's answer to {request}: {what}")]
    Answer { request: String, what: String },
    #[error(
        "the comment was written by `{found}`, not by `{expected}`, and would not be found again; it was removed"
    )]
    Author { expected: String, found: String },
    #[error("the {what} did not come to rest: it is written by somebody else at the same time")]
    Unsettled { what: &'static str },
}

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

    /// What to do about it.
    pub(crate) fn fix(&self) -> Option<String> {
        Some(match self {
            Self::NoToken => "give the step `env: GITHUB_TOKEN: ${{ github.token }}`".to_owned(),
            Self::Address { name, .. } => format!("leave {name} as GitHub sets it, or unset it"),
            Self::Setup { .. } => "install the system's certificates (ca-certificates)".to_owned(),
            Self::Refused { status: 401, .. } => {
                "the token has expired or is none: use the job's own, `${{ github.token }}`"
                    .to_owned()
            }
            Self::Refused {
                status: 403 | 404,
                request,
                ..
            } => format!("give the job `permissions:` with `{}`", permission(request)),
            Self::Refused { .. } | Self::Answer { .. } => return None,
            Self::Unavailable { .. } | Self::Doubtful { .. } | Self::Unsettled { .. } => {
                "run the publishing job again; it goes on where this one stopped".to_owned()
            }
            Self::Author { found, .. } => format!("publish with `--author '{found}'`"),
        })
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
