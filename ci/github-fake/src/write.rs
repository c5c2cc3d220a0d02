//! What requests that write do to the world, once their bodies are what GitHub describes.

use serde_json::{Value, json};

use crate::answers;
use crate::resource::{CheckRun, Comment, Issue};
use crate::schema::violations;
use crate::world::{Answer, Asked, World};

impl World {
    pub(crate) fn write(&mut self, asked: &Asked<'_>, parts: &[&str]) -> Answer {
        let kind = match (asked.method, parts) {
            ("POST", ["check-runs"]) => "create_check_run",
            ("PATCH", ["check-runs", _]) => "update_check_run",
            ("POST", ["issues", _, "comments"]) => "create_comment",
            ("PATCH", ["issues", "comments", _]) => "update_comment",
            ("POST", ["issues"]) => "create_issue",
            ("PATCH", ["issues", _]) => "update_issue",
            _ => return Answer::refused(404, "Not Found"),
        };
        let found = violations(kind, &asked.body);
        if !found.is_empty() {
            let message = found.join("; ");
            self.violations.extend(found);
            return Answer::refused(422, &message);
        }
        let body = &asked.body;
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        let last = parts.last().copied().unwrap_or_default();
        match kind {
            "create_check_run" => {
                let mut run = CheckRun {
                    id: self.id(),
                    name: text("name").unwrap_or_default(),
                    head_sha: text("head_sha").unwrap_or_default(),
                    ..CheckRun::default()
                };
                run.take(body);
                self.check_runs.push(run.clone());
                Answer::json(201, &answers::check_run(&run))
            }
            "update_check_run" => {
                let found = self
                    .check_runs
                    .iter_mut()
                    .find(|it| it.id.to_string() == last);
                found.map_or_else(
                    || Answer::refused(404, "Not Found"),
                    |run| {
                        run.take(body);
                        Answer::json(200, &answers::check_run(run))
                    },
                )
            }
            "create_comment" => {
                let comment = Comment {
                    id: self.id(),
                    number: parts[1].parse().unwrap_or_default(),
                    author: Some(self.login.clone()),
                    body: text("body").unwrap_or_default(),
                    minimized: false,
                };
                self.comments.push(comment.clone());
                Answer::json(201, &answers::comment(&comment))
            }
            "update_comment" => {
                let found = self
                    .comments
                    .iter_mut()
                    .find(|it| it.id.to_string() == last);
                found.map_or_else(
                    || Answer::refused(404, "Not Found"),
                    |comment| {
                        comment.body = text("body").unwrap_or_default();
                        Answer::json(200, &answers::comment(comment))
                    },
                )
            }
            "create_issue" => {
                let issue = Issue {
                    number: self.id(),
                    author: self.login.clone(),
                    title: text("title").unwrap_or_default(),
                    body: text("body").unwrap_or_default(),
                    state: "open".to_owned(),
                };
                self.issues.push(issue.clone());
                Answer::json(201, &answers::issue(&issue))
            }
            _ => {
                let found = self
                    .issues
                    .iter_mut()
                    .find(|it| it.number.to_string() == last);
                found.map_or_else(
                    || Answer::refused(404, "Not Found"),
                    |issue| {
                        issue.body = text("body").unwrap_or(std::mem::take(&mut issue.body));
                        issue.state = text("state").unwrap_or(std::mem::take(&mut issue.state));
                        Answer::json(200, &answers::issue(issue))
                    },
                )
            }
        }
    }

    pub(crate) fn graphql(&mut self, body: &Value) -> Answer {
        let query = body["query"].as_str().unwrap_or_default();
        let id = body["variables"]["id"].as_str().unwrap_or_default();
        let node = |it: &&mut Comment| format!("node{}", it.id) == id;
        let found = self.comments.iter_mut().find(node);
        if let Some(comment) = found.filter(|_| query.contains("minimizeComment")) {
            comment.minimized = true;
            let data = json!({ "data": { "minimizeComment": { "clientMutationId": null } } });
            return Answer::json(200, &data);
        }
        let errors = json!({ "errors": [{ "message": "Could not resolve to a node" }] });
        Answer::json(200, &errors)
    }
}

impl CheckRun {
    fn take(&mut self, body: &Value) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        self.external_id = text(&body["external_id"]).or(self.external_id.take());
        self.conclusion = text(&body["conclusion"]).or(self.conclusion.take());
        self.status = text(&body["status"]).unwrap_or(std::mem::take(&mut self.status));
        self.title = text(&body["output"]["title"]).unwrap_or(std::mem::take(&mut self.title));
        let summary = text(&body["output"]["summary"]);
        self.summary = summary.unwrap_or(std::mem::take(&mut self.summary));
        let more = body["output"]["annotations"].as_array();
        self.annotations.extend(more.into_iter().flatten().cloned());
    }
}
