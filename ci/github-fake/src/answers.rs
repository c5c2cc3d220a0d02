//! Answers in GitHub's shapes: its own examples, with the fields that matter filled in.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::resource::{CheckRun, Comment, GateRun, Issue, Pull};

fn example(kind: &str) -> Value {
    static EXAMPLES: OnceLock<BTreeMap<String, Value>> = OnceLock::new();
    let examples = EXAMPLES.get_or_init(|| {
        serde_json::from_str(include_str!("../schemas/answers.json"))
            .expect("the examples are JSON")
    });
    examples[kind].clone()
}

pub(crate) fn comment(comment: &Comment) -> Value {
    let mut answer = example("comment");
    answer["id"] = json!(comment.id);
    answer["node_id"] = json!(format!("node{}", comment.id));
    answer["body"] = json!(comment.body);
    answer["html_url"] = json!(format!("https://github.com/comment/{}", comment.id));
    match &comment.author {
        Some(author) => answer["user"]["login"] = json!(author),
        None => answer["user"] = Value::Null,
    }
    answer
}

pub(crate) fn issue(issue: &Issue) -> Value {
    let mut answer = example("issue");
    answer["id"] = json!(issue.number);
    answer["number"] = json!(issue.number);
    answer["title"] = json!(issue.title);
    answer["body"] = json!(issue.body);
    answer["state"] = json!(issue.state);
    answer["user"]["login"] = json!(issue.author);
    answer["html_url"] = json!(format!("https://github.com/issue/{}", issue.number));
    // An issue with this field is a pull request.
    if let Some(fields) = answer.as_object_mut() {
        fields.remove("pull_request");
    }
    answer
}

pub(crate) fn check_run(run: &CheckRun) -> Value {
    let mut answer = example("check_run");
    answer["id"] = json!(run.id);
    answer["name"] = json!(run.name);
    answer["head_sha"] = json!(run.head_sha);
    answer["external_id"] = json!(run.external_id);
    answer["status"] = json!(run.status);
    answer["conclusion"] = json!(run.conclusion);
    answer["html_url"] = json!(format!("https://github.com/check/{}", run.id));
    answer["output"]["title"] = json!(run.title);
    answer["output"]["summary"] = json!(run.summary);
    answer["output"]["annotations_count"] = json!(run.annotations.len());
    answer
}

pub(crate) fn pull(pull: &Pull) -> Value {
    let mut answer = example("pull");
    answer["number"] = json!(pull.number);
    // GitHub's own example of a team lacks what its description asks for.
    answer["requested_teams"] = json!([]);
    answer["merge_commit_sha"] = json!(pull.merge_commit_sha);
    for (name, branch, sha, repository) in [
        (
            "head",
            &pull.head_branch,
            &pull.head_sha,
            &pull.head_repository,
        ),
        (
            "base",
            &pull.base_branch,
            &pull.base_sha,
            &pull.base_repository,
        ),
    ] {
        let end = &mut answer[name];
        end["ref"] = json!(branch);
        end["sha"] = json!(sha);
        end["repo"]["full_name"] = json!(repository);
    }
    answer
}

pub(crate) fn commit(sha: &str, parents: &[String]) -> Value {
    let mut answer = example("commit");
    let parent = answer["parents"][0].clone();
    let parents = parents.iter().map(|sha| {
        let mut parent = parent.clone();
        parent["sha"] = json!(sha);
        parent
    });
    answer["sha"] = json!(sha);
    answer["parents"] = parents.collect();
    answer
}

pub(crate) fn entry(path: &str, text: &str, sha: &str) -> Value {
    let mut answer = example("entry");
    answer["type"] = json!("file");
    answer["name"] = json!(path.rsplit('/').next());
    answer["path"] = json!(path);
    answer["size"] = json!(text.len());
    answer["sha"] = json!(sha);
    answer
}

pub(crate) fn blob(sha: &str, text: &str) -> Value {
    let mut answer = example("blob");
    // In lines of 60, as GitHub writes it.
    let encoded: Vec<char> = BASE64_STANDARD.encode(text).chars().collect();
    let lines: Vec<String> = encoded.chunks(60).map(|it| it.iter().collect()).collect();
    answer["content"] = json!(lines.join("\n") + "\n");
    answer["sha"] = json!(sha);
    answer["size"] = json!(text.len());
    answer
}

pub(crate) fn permission(login: &str, permission: &str) -> Value {
    let mut answer = example("permission");
    answer["permission"] = json!(permission);
    answer["role_name"] = json!(permission);
    answer["user"]["login"] = json!(login);
    // GitHub's own example of a user lacks what its description asks for.
    answer["user"]["role_name"] = json!(permission);
    answer
}

pub(crate) fn gate_run(run: &GateRun) -> Value {
    let mut answer = example("workflow_run");
    answer["id"] = json!(run.id);
    answer["head_sha"] = json!(run.head_sha);
    answer["created_at"] = json!(run.created_at);
    answer["run_started_at"] = json!(run.created_at);
    answer["event"] = json!("pull_request");
    answer["status"] = json!(run.status);
    answer
}
