//! Which commits a run is judged by: those that were measured.
//!
//! ```text
//! target ──o──o──b──o──o        b: the target's tip when the gate ran; its policy and baselines judge
//!                 \
//! head ──o──o──h───m            m: GitHub's trial merge of then; its tree is what was measured
//! ```
//!
//! When the target moves on, GitHub makes another merge, but the numbers are still of the first one.
//! Which one that was, the run says itself, and may lie: a merge that a fork made up is found under
//! the base repository's name as well. So one that is not the pull request's own any more counts
//! only if its second parent is the head that was run, its first is one of the target's latest
//! commits, and each baseline in it is that of one of the two. Then it can say nothing that the two
//! do not say.

use icgate_core::model::note::Note;
use icgate_core::publish::marker::Sha;
use icgate_core::publish::pull_request::{Pull, Triggering, encoded};

use super::answers::{Commit, read};
use super::client::{Client, Request, repository_path};
use crate::error::GithubError;
use crate::error::{CiError, CliError};
use crate::git::{Base, Repository};

/// How many commits the target may have moved on by while a run was measured. As far back may a fork
/// that makes merges up choose what it is judged by.
const MOVED_MAX: usize = 50;

/// Which commits are compared.
#[derive(Debug)]
pub(super) struct Commits {
    pub(super) base: Base,
    /// The commit whose tree is head's.
    pub(super) head: String,
    /// Whether GitHub itself says that this is the pull request's tree.
    pub(super) is_vouched: bool,
}

/// Asks which commits a run was measured at.
pub(super) struct CommitFinder<'a> {
    pub(super) client: &'a Client,
    pub(super) triggering: &'a Triggering,
}

impl CommitFinder<'_> {
    pub(super) fn commits(
        &self,
        repository: &Repository,
        pull: Option<&Pull>,
        measured: Option<&str>,
        warnings: &mut Vec<Note>,
    ) -> Result<Commits, CliError> {
        let current = pull.and_then(|it| it.merge_commit_sha.as_deref());
        let Some(measured) = measured else {
            warnings.push(Note::from(
                "the numbers name no commit, so they are taken for those of the trial merge",
            ));
            return match (current, pull) {
                (Some(merge), Some(pull)) => match self.base_of(merge)? {
                    Some(base) => current_merge(repository, merge, &base, pull, warnings),
                    None => self.own_tree(repository, Some(pull), warnings),
                },
                _ => self.own_tree(repository, pull, warnings),
            };
        };
        let foreign = |why| foreign(measured, why);
        let merge = Sha::new(measured).ok_or_else(|| foreign("is no commit"))?;
        if merge == self.triggering.head_sha {
            return self.own_tree(repository, pull, warnings);
        }
        let base = self.base_of(merge.as_str())?;
        let base = base.ok_or_else(|| foreign("is no merge of the head that was run"))?;
        match pull.filter(|_| current == Some(measured)) {
            Some(pull) => current_merge(repository, measured, &base, pull, warnings),
            None => earlier_merge(repository, measured, &base, pull),
        }
    }

    /// The first parent of a merge of the head that was run.
    fn base_of(&self, merge: &str) -> Result<Option<String>, GithubError> {
        let path = format!("/commits/{}", encoded(merge));
        let path = repository_path(self.triggering, &path);
        let reply = match self.client.ask(&Request::get(&path)) {
            Err(error) if matches!(error.status(), Some(404 | 422)) => return Ok(None),
            reply => reply?,
        };
        let commit: Commit = read("the trial merge", &reply.text)?;
        let parents: Vec<String> = commit.parents.into_iter().map(|it| it.sha).collect();
        let parents: Option<[String; 2]> = parents.try_into().ok();
        let head = self.triggering.head_sha.as_str();
        let Some([base, _]) = parents.filter(|[_, second]| second == head) else {
            return Ok(None);
        };
        Ok(Sha::new(&base).map(|_| base))
    }

    /// The head's own tree, where no merge was measured.
    fn own_tree(
        &self,
        repository: &Repository,
        pull: Option<&Pull>,
        warnings: &mut Vec<Note>,
    ) -> Result<Commits, CliError> {
        let head = self.triggering.head_sha.as_str().to_owned();
        let base = match pull {
            None => default_branch(repository)?,
            Some(pull) => {
                warnings.push(Note::from(
                    "no trial merge was measured, so the head's own tree is judged",
                ));
                tip(repository, &pull.base.sha, pull, warnings)?
            }
        };
        Ok(Commits {
            base,
            head,
            is_vouched: true,
        })
    }
}

/// The pull request's merge as GitHub made it.
fn current_merge(
    repository: &Repository,
    merge: &str,
    base: &str,
    pull: &Pull,
    warnings: &mut Vec<Note>,
) -> Result<Commits, CliError> {
    Ok(Commits {
        base: tip(repository, base, pull, warnings)?,
        head: merge.to_owned(),
        is_vouched: true,
    })
}

/// A merge that GitHub made before the target moved on, or that somebody made up.
fn earlier_merge(
    repository: &Repository,
    merge: &str,
    base: &str,
    pull: Option<&Pull>,
) -> Result<Commits, CliError> {
    let foreign = |why| foreign(merge, why);
    let commit = repository.commit(base);
    let commit = commit.map_err(|_| foreign("was not made of a commit in this checkout"))?;
    let moved = repository.commits_since(&commit, &target(repository, pull));
    if moved.is_none_or(|count| count > MOVED_MAX) {
        return Err(foreign(
            "was not made of one of the target's latest commits",
        ));
    }
    let found = pull.map_or_else(
        || "the base that was measured".to_owned(),
        |pull| format!("the tip of `{}` when it was measured", pull.base.branch),
    );
    Ok(Commits {
        base: Base { commit, found },
        head: merge.to_owned(),
        is_vouched: false,
    })
}

/// The target's branch as the checkout has it. What GitHub says of a pull request may lag behind it.
fn target(repository: &Repository, pull: Option<&Pull>) -> String {
    let Some(pull) = pull else {
        return "HEAD".to_owned();
    };
    let branch = format!("refs/remotes/origin/{}", pull.base.branch);
    match repository.commit(&branch) {
        Ok(tip) => tip,
        Err(_) => pull.base.sha.clone(),
    }
}

/// Why numbers of `measured` are not judged.
pub(super) fn foreign(measured: &str, why: &'static str) -> CliError {
    let measured = measured.chars().take(40).collect();
    CiError::Foreign { measured, why }.into()
}

/// The target's tip, if the checkout has it.
fn tip(
    repository: &Repository,
    base: &str,
    pull: &Pull,
    warnings: &mut Vec<Note>,
) -> Result<Base, CliError> {
    let found = format!("the tip of `{}`", pull.base.branch);
    if let Ok(commit) = repository.commit(base) {
        return Ok(Base { commit, found });
    }
    warnings.push(Note::new(
        "the tip of {} is not in this checkout (fetch-depth: 0 brings it); judged by the default branch",
        &[&pull.base.branch],
    ));
    default_branch(repository)
}

fn default_branch(repository: &Repository) -> Result<Base, CliError> {
    Ok(Base {
        commit: repository.commit("HEAD")?,
        found: "the default branch".to_owned(),
    })
}
