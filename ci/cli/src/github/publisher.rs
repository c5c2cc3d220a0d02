//! Publishing: look, plan, write one thing, and look again until there is nothing left to do.
//!
//! Nothing is remembered of what was sent. A reply that was lost, a comment that somebody deleted in
//! between, a second publisher: the next look shows what is there, and the core plans from that.

use http::Method;
use icgate_core::publish::check_run::{self, CheckRun, Existing};
use icgate_core::publish::marker::{Key, Marker};
use icgate_core::publish::pull_request::{Repository, encoded};
use icgate_core::publish::retry::Repeat;
use icgate_core::publish::sticky::{self, Content, Plan, Post, Write};
use icgate_core::run::CiRun;
use serde_json::{Value, json};

use super::answers::{self, CheckRuns, Comment, Issue, read};
use super::client::{Client, Request};
use super::error::GithubError;

/// How often one looks and writes before one gives up: enough for a deleted comment, a lost reply
/// and another publisher one after another.
const ROUNDS_MAX: u32 = 6;
/// Pages of a hundred comments.
const PAGES_MAX: u32 = 100;

/// Where a post is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Board {
    /// Among the comments of this pull request.
    PullRequest(u64),
    /// Among the repository's open issues; the title is for a new one.
    Issues(&'static str),
}

/// What became of something that was to be published.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Published {
    /// Where it is to be seen, if it is.
    pub(crate) url: Option<String>,
    /// Whether a newer run has published already.
    pub(crate) overtaken: bool,
}

/// Publishes into one repository.
pub(crate) struct Publisher<'a> {
    pub(crate) client: &'a Client,
    pub(crate) repository: &'a Repository,
    /// The account whose posts are ours.
    pub(crate) author: &'a str,
}

impl Publisher<'_> {
    /// Brings the one sticky post up to date.
    pub(crate) fn post(
        &self,
        board: Board,
        marker: &Marker,
        content: &Content,
    ) -> Result<Published, GithubError> {
        let mut last = GithubError::Unsettled { what: "comment" };
        for _ in 0..ROUNDS_MAX {
            let there = self.posts(board)?;
            let posts: Vec<Post> = there.iter().map(|(post, _)| post.clone()).collect();
            let plan = sticky::plan(&posts, self.author, marker, content);
            if plan.writes.is_empty() {
                return Ok(published(&there, &plan));
            }
            for write in &plan.writes {
                match self.write(board, write) {
                    Ok(()) => {}
                    // Gone, or nobody knows: the next look shows.
                    Err(error) if error.is_doubtful() || is_gone(&error, write) => {
                        last = error;
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Err(last)
    }

    fn posts(&self, board: Board) -> Result<Vec<(Post, Option<String>)>, GithubError> {
        let mut posts = Vec::new();
        match board {
            Board::PullRequest(number) => {
                let path = self.path(&format!("/issues/{number}/comments?per_page=100"));
                for text in self.client.pages(&path, PAGES_MAX)? {
                    let page: Vec<Comment> = read("the comments", &text)?;
                    posts.extend(page.into_iter().map(|mut it| {
                        let url = it.html_url.take();
                        (it.post(), url)
                    }));
                }
            }
            Board::Issues(_) => {
                let creator = encoded(self.author);
                let path = self.path(&format!(
                    "/issues?state=open&sort=created&direction=asc&creator={creator}&per_page=100"
                ));
                for text in self.client.pages(&path, PAGES_MAX)? {
                    let page: Vec<Issue> = read("the issues", &text)?;
                    let issues = page.into_iter().filter(|it| it.pull_request.is_none());
                    posts.extend(issues.map(|mut it| {
                        let url = it.html_url.take();
                        (it.post(), url)
                    }));
                }
            }
        }
        Ok(posts)
    }

    fn write(&self, board: Board, write: &Write) -> Result<(), GithubError> {
        match (board, write) {
            (Board::PullRequest(number), Write::Create { body }) => {
                let path = self.path(&format!("/issues/{number}/comments"));
                let text =
                    self.send(Method::POST, &path, &json!({ "body": body }), Repeat::Once)?;
                self.check_author(&read("the new comment", &text)?)
            }
            (Board::PullRequest(_), Write::Update { id, body }) => {
                let path = self.path(&format!("/issues/comments/{id}"));
                let body = json!({ "body": body });
                self.send(Method::PATCH, &path, &body, Repeat::Freely)
                    .map(drop)
            }
            (Board::PullRequest(_), Write::Retire { id, node, body }) => {
                // Hidden first: without its marker it would not be found again.
                self.client.hide(node);
                let path = self.path(&format!("/issues/comments/{id}"));
                let body = json!({ "body": body });
                self.send(Method::PATCH, &path, &body, Repeat::Freely)
                    .map(drop)
            }
            (Board::Issues(title), Write::Create { body }) => {
                let body = json!({ "title": title, "body": body });
                let path = self.path("/issues");
                self.send(Method::POST, &path, &body, Repeat::Once)
                    .map(drop)
            }
            (Board::Issues(_), Write::Update { id, body }) => {
                let path = self.path(&format!("/issues/{id}"));
                let body = json!({ "body": body });
                self.send(Method::PATCH, &path, &body, Repeat::Freely)
                    .map(drop)
            }
            (Board::Issues(_), Write::Retire { id, body, .. }) => {
                let path = self.path(&format!("/issues/{id}"));
                let body =
                    json!({ "body": body, "state": "closed", "state_reason": "not_planned" });
                self.send(Method::PATCH, &path, &body, Repeat::Freely)
                    .map(drop)
            }
        }
    }

    /// A comment of an account that we do not look for would be written anew each time.
    fn check_author(&self, comment: &Comment) -> Result<(), GithubError> {
        let found = comment.user.as_ref().map_or("", |it| it.login.as_str());
        if found == self.author {
            return Ok(());
        }
        let path = self.path(&format!("/issues/comments/{}", comment.id));
        let request = Request {
            method: Method::DELETE,
            body: None,
            ..Request::get(&path)
        };
        self.client.ask(&request)?;
        Err(GithubError::Author {
            expected: self.author.to_owned(),
            found: found.to_owned(),
        })
    }

    /// Closes the sticky issue, if there is one: there is nothing left to tell.
    pub(crate) fn close_issue(&self, key: &Key) -> Result<Published, GithubError> {
        let there = self.posts(Board::Issues(""))?;
        let ours = there.into_iter().filter(|(post, _)| {
            post.author.as_deref() == Some(self.author)
                && Marker::of(&post.body).is_some_and(|it| it.key == *key)
        });
        let mut published = Published::default();
        for (post, url) in ours {
            let path = self.path(&format!("/issues/{}", post.id));
            let body = json!({ "state": "closed", "state_reason": "completed" });
            self.send(Method::PATCH, &path, &body, Repeat::Freely)?;
            published.url = url;
        }
        Ok(published)
    }

    /// Brings the check run up to date, with all its annotations.
    pub(crate) fn check_run(
        &self,
        check: &mut CheckRun,
        key: &Key,
        ci: CiRun,
    ) -> Result<Published, GithubError> {
        let name = check.name.clone();
        let mut last = GithubError::Unsettled { what: "check run" };
        // Two rounds more for each further batch of annotations.
        for _ in 0..ROUNDS_MAX + 8 {
            let there = self.check_runs(check, &name)?;
            let url = |id: u64| {
                let found = there.iter().find(|(it, _)| it.id == id);
                found.and_then(|(_, url)| url.clone())
            };
            let existing: Vec<Existing> = there.iter().map(|(it, _)| it.clone()).collect();
            let sent = match check_run::plan(&existing, check, key, ci) {
                check_run::Step::Create => {
                    let path = self.path("/check-runs");
                    self.send(Method::POST, &path, &check.create(), Repeat::Once)
                }
                check_run::Step::Update { id, from } => {
                    // Annotations are appended: twice sent is twice there.
                    let path = self.path(&format!("/check-runs/{id}"));
                    self.send(Method::PATCH, &path, &check.update(from), Repeat::Once)
                }
                check_run::Step::Nothing { id } => {
                    return Ok(Published {
                        url: url(id),
                        overtaken: false,
                    });
                }
                check_run::Step::Overtaken { id } => {
                    return Ok(Published {
                        url: url(id),
                        overtaken: true,
                    });
                }
            };
            match sent {
                Ok(_) => {}
                Err(error) if error.is_doubtful() => last = error,
                // Rather a verdict without remarks than remarks that GitHub does not take.
                Err(error) if error.status() == Some(422) && check.is_annotated() => {
                    check.drop_annotations();
                }
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    fn check_runs(
        &self,
        check: &CheckRun,
        name: &str,
    ) -> Result<Vec<(Existing, Option<String>)>, GithubError> {
        let path = self.path(&format!(
            "/commits/{}/check-runs?check_name={}&filter=all&per_page=100",
            check.head_sha,
            encoded(name)
        ));
        let mut found = Vec::new();
        for text in self.client.pages(&path, PAGES_MAX)? {
            let page: CheckRuns = read("the check runs", &text)?;
            let ours = page.check_runs.into_iter().filter(|it| it.is_called(name));
            found.extend(ours.map(|mut it: answers::CheckRun| {
                let url = it.html_url.take();
                (it.existing(), url)
            }));
        }
        Ok(found)
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        repeat: Repeat,
    ) -> Result<String, GithubError> {
        let request = Request::write(method, path, body, repeat);
        self.client.ask(&request).map(|reply| reply.text)
    }

    fn path(&self, rest: &str) -> String {
        format!("/repos/{}{rest}", self.repository.as_str())
    }
}

/// Whether what was to be changed is no longer there. A place where nothing can be created is not
/// a thing that is gone.
fn is_gone(error: &GithubError, write: &Write) -> bool {
    let changes = matches!(write, Write::Update { .. } | Write::Retire { .. });
    changes && matches!(error.status(), Some(404 | 410))
}

fn published(there: &[(Post, Option<String>)], plan: &Plan) -> Published {
    let stays = there.iter().find(|(post, _)| Some(post.id) == plan.stays);
    Published {
        url: stays.and_then(|(_, url)| url.clone()),
        overtaken: plan.overtaken,
    }
}
