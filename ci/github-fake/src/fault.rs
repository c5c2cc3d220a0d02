//! Faults: what may go wrong between a request and its answer.

use serde::{Deserialize, Serialize};

/// Something that goes wrong with some of the requests.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The method that it happens to.
    pub method: String,
    /// What the path holds that it happens to.
    pub path: String,
    /// How many such requests go well before.
    #[serde(default)]
    pub skip: u32,
    /// How many go wrong then.
    #[serde(default = "once")]
    pub times: u32,
    /// What happens.
    pub kind: Kind,
}

fn once() -> u32 {
    1
}

/// What happens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Kind {
    /// Nothing is done, and this is the answer.
    Status {
        /// The status.
        status: u16,
        /// More headers.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// GitHub's words.
        #[serde(default)]
        message: String,
    },
    /// The connection ends without an answer.
    Reset {
        /// Whether the request was carried out before.
        done: bool,
    },
    /// The answer comes later than anybody waits.
    Hang {
        /// Whether the request was carried out before.
        done: bool,
    },
    /// Somebody else does something just before the request is carried out.
    Meanwhile(Meanwhile),
}

/// What somebody else does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Meanwhile {
    /// Deletes all comments.
    DeleteComments,
    /// Comments on a pull request.
    Comment {
        /// Which one.
        number: u64,
        /// Who.
        author: String,
        /// What.
        body: String,
    },
    /// Pushes to the head of all pull requests.
    Push {
        /// The new commit.
        sha: String,
    },
}

impl Fault {
    /// A fault of the first such request alone.
    #[must_use]
    pub fn once(method: &str, path: &str, kind: Kind) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            skip: 0,
            times: 1,
            kind,
        }
    }

    /// A fault of every such request.
    #[must_use]
    pub fn always(method: &str, path: &str, kind: Kind) -> Self {
        Self {
            times: u32::MAX,
            ..Self::once(method, path, kind)
        }
    }

    /// Whether it happens to this request; each asking counts.
    pub(crate) fn strikes(&mut self, method: &str, path: &str) -> bool {
        if self.method != method || !path.contains(&self.path) || self.times == 0 {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.times = self.times.saturating_sub(1);
        true
    }
}

impl Kind {
    /// An answer with this status and nothing else.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::Status {
            status,
            headers: Vec::new(),
            message: "so it is".to_owned(),
        }
    }
}
