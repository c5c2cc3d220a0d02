//! Publishing: look, plan, write one thing, and look again until there is nothing left to do.
//!
//! Nothing is remembered of what was sent. A reply that was lost, a comment that somebody deleted in
//! between, a second publisher: the next look shows what is there, and the core plans from that.

use http::Method;
use icgate_core::model::run::CiRun;
use icgate_core::publish::check_run::{self, CheckRun, Existing};
use icgate_core::publish::comment::{self, Content, Plan, Post, Write};
use icgate_core::publish::marker::{Key, Marker};
use icgate_core::publish::pull_request::{Repository, encoded};
use icgate_core::publish::retry::Repeat;
use serde_json::{Value, json};

use super::answers::{self, CheckRuns, Comment, Issue, Seen, read};
use super::client::{Client, Request};
use crate::error::GithubError;

/// How often one looks and writes before one gives up: enough for a deleted comment, a lost reply
/// and another publisher one after another.
const ROUNDS_MAX: u32 = 6;
/// Pages of a hundred comments.
const PAGES_MAX: u32 = 100;

/// Where a post is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PostTarget {
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
        board: PostTarget,
        marker: &Marker,
        content: &Content,
    ) -> Result<Published, GithubError> {
        let mut last = GithubError::Unsettled { what: "comment" };
        let mut created: Option<Seen<Post>> = None;
        for _ in 0..ROUNDS_MAX {
            let mut there = self.posts(board)?;
            // GitHub's lists may lag behind what it has just said itself.
            if let Some(created) = &created
                && there.iter().all(|(post, _)| post.id != created.0.id)
            {
                there.push(created.clone());
            }
            let posts: Vec<Post> = there.iter().map(|(post, _)| post.clone()).collect();
            let plan = comment::plan(&posts, self.author, marker, content);
            if plan.writes.is_empty() {
                return Ok(published(&there, &plan));
            }
            for write in &plan.writes {
                match self.write(board, write) {
                    Ok(Some(post)) => created = Some(post),
                    Ok(None) => {}
                    // Gone, or nobody knows: the next look shows.
                    Err(error) if error.is_doubtful() || is_gone(&error, write) => {
                        created = created.filter(|_| error.is_doubtful());
                        last = error;
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Err(last)
    }

    fn posts(&self, board: PostTarget) -> Result<Vec<Seen<Post>>, GithubError> {
        let mut posts = Vec::new();
        match board {
            PostTarget::PullRequest(number) => {
                let path = self.path(&format!("/issues/{number}/comments?per_page=100"));
                for text in self.client.pages(&path, PAGES_MAX)? {
                    let page: Vec<Comment> = read("the comments", &text)?;
                    posts.extend(page.into_iter().map(Comment::seen));
                }
            }
            PostTarget::Issues(_) => {
                let creator = encoded(self.author);
                let path = self.path(&format!(
                    "/issues?state=open&sort=created&direction=asc&creator={creator}&per_page=100"
                ));
                for text in self.client.pages(&path, PAGES_MAX)? {
                    let page: Vec<Issue> = read("the issues", &text)?;
                    let issues = page.into_iter().filter(|it| it.pull_request.is_none());
                    posts.extend(issues.map(Issue::seen));
                }
            }
        }
        Ok(posts)
    }

    /// Writes one thing, and gives the post that is new by it.
    fn write(&self, board: PostTarget, write: &Write) -> Result<Option<Seen<Post>>, GithubError> {
        let text = self.send_write(board, write)?;
        Ok(match (board, write) {
            (_, Write::Update { .. } | Write::Retire { .. }) => None,
            (PostTarget::PullRequest(_), Write::Create { .. }) => {
                let comment: Comment = read("the new comment", &text)?;
                self.check_author(&comment)?;
                Some(comment.seen())
            }
            (PostTarget::Issues(_), Write::Create { .. }) => {
                Some(read::<Issue>("the new issue", &text)?.seen())
            }
        })
    }

    fn send_write(&self, board: PostTarget, write: &Write) -> Result<String, GithubError> {
        match (board, write) {
            (PostTarget::PullRequest(number), Write::Create { body }) => {
                let path = self.path(&format!("/issues/{number}/comments"));
                self.send(Method::POST, &path, &json!({ "body": body }), Repeat::Once)
            }
            (PostTarget::PullRequest(_), Write::Update { id, body }) => {
                let path = self.path(&format!("/issues/comments/{id}"));
                let body = json!({ "body": body });
                self.send(Method::PATCH, &path, &body, Repeat::Freely)
            }
            (PostTarget::PullRequest(_), Write::Retire { id, node, body }) => {
                // Hidden first: without its marker it would not be found again.
                self.client.hide(node);
                let path = self.path(&format!("/issues/comments/{id}"));
                let body = json!({ "body": body });
                self.send(Method::PATCH, &path, &body, Repeat::Freely)
            }
            (PostTarget::Issues(title), Write::Create { body }) => {
                let body = json!({ "title": title, "body": body });
                let path = self.path("/issues");
                self.send(Method::POST, &path, &body, Repeat::Once)
            }
            (PostTarget::Issues(_), Write::Update { id, body }) => {
                let path = self.path(&format!("/issues/{id}"));
                let body = json!({ "body": body });
                self.send(Method::PATCH, &path, &body, Repeat::Freely)
            }
            (PostTarget::Issues(_), Write::Retire { id, body, .. }) => {
                let path = self.path(&format!("/issues/{id}"));
                let body =
                    json!({ "body": body, "state": "closed", "state_reason": "not_planned" });
                self.send(Method::PATCH, &path, &body, Repeat::Freely)
            }
        }
    }

    /// A comment of an account that we do not look for would be written again each time.
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

    /// Closes the sticky issue, if there is one: there is nothing left to tell. One that a newer run
    /// opened stays.
    pub(crate) fn close_issue(&self, key: &Key, ci: CiRun) -> Result<Published, GithubError> {
        let there = self.posts(PostTarget::Issues(""))?;
        let ours = there.into_iter().filter(|(post, _)| {
            post.author.as_deref() == Some(self.author)
                && Marker::of(&post.body).is_some_and(|it| it.key == *key && it.ci <= ci)
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
        let mut known: Option<Seen<Existing>> = None;
        // Two rounds more for each further batch of annotations.
        for _ in 0..ROUNDS_MAX + 8 {
            let mut there = self.check_runs(check, &name)?;
            if let Some(known) = &known {
                bring_up_to_date(&mut there, known);
            }
            let url = |id: u64| {
                let found = there.iter().find(|(it, _)| it.id == id);
                found.and_then(|(_, url)| url.clone())
            };
            let existing: Vec<Existing> = there.iter().map(|(it, _)| it.clone()).collect();
            let step = check_run::plan(&existing, check, key, ci);
            let (from, body) = match step {
                check_run::Step::Update { from, .. } => (from, check.update(from)),
                _ => (0, check.create()),
            };
            let sent = match step {
                check_run::Step::Create => {
                    let path = self.path("/check-runs");
                    self.send(Method::POST, &path, &body, Repeat::Once)
                }
                check_run::Step::Update { id, .. } => {
                    // Annotations are appended: twice sent is twice there.
                    let path = self.path(&format!("/check-runs/{id}"));
                    self.send(Method::PATCH, &path, &body, Repeat::Once)
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
                Ok(text) => {
                    let mut seen = read::<answers::CheckRun>("the check run", &text)?.seen();
                    let sent = body["output"]["annotations"].as_array().map_or(0, Vec::len);
                    seen.0.annotations = seen.0.annotations.max(from + sent);
                    known = Some(seen);
                }
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

    fn check_runs(&self, check: &CheckRun, name: &str) -> Result<Vec<Seen<Existing>>, GithubError> {
        let path = self.path(&format!(
            "/commits/{}/check-runs?check_name={}&filter=all&per_page=100",
            check.head_sha,
            encoded(name)
        ));
        let mut found = Vec::new();
        for text in self.client.pages(&path, PAGES_MAX)? {
            let page: CheckRuns = read("the check runs", &text)?;
            let ours = page.check_runs.into_iter().filter(|it| it.is_called(name));
            found.extend(ours.map(answers::CheckRun::seen));
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

/// Puts what GitHub answered to our last write over what its list says, which may lag behind.
fn bring_up_to_date(there: &mut Vec<Seen<Existing>>, known: &Seen<Existing>) {
    match there.iter_mut().find(|(it, _)| it.id == known.0.id) {
        Some((listed, _)) => {
            let annotations = listed.annotations.max(known.0.annotations);
            *listed = known.0.clone();
            listed.annotations = annotations;
        }
        None => there.push(known.clone()),
    }
}

/// Whether what was to be changed is no longer there. A place where nothing can be created is not
/// a thing that is gone.
fn is_gone(error: &GithubError, write: &Write) -> bool {
    let changes = matches!(write, Write::Update { .. } | Write::Retire { .. });
    changes && matches!(error.status(), Some(404 | 410))
}

fn published(there: &[Seen<Post>], plan: &Plan) -> Published {
    let stays = there.iter().find(|(post, _)| Some(post.id) == plan.stays);
    Published {
        url: stays.and_then(|(_, url)| url.clone()),
        overtaken: plan.overtaken,
    }
}
