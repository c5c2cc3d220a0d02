//! What a pull request is judged by, where nothing that it brought may be believed: base's policy
//! and baselines from the trusted checkout, and what head's tree accepts as GitHub shows it. No
//! object of the pull request comes into the checkout, and none of its code is run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use icgate_core::attribute::diff::ChangedLines;
use icgate_core::attribute::proof::hunks::Pieces;
use icgate_core::attribute::settings::{Setting, between, is_settings};
use icgate_core::model::baseline::{Baseline, Baselines};
use icgate_core::model::note::Note;
use icgate_core::publish::pull_request::{Pull, Triggering, encoded};
use serde::Deserialize;

use super::answers::{Entry, read};
use super::client::{Client, Request, repository_path};
use super::commits::{CommitFinder, Commits, foreign};
use crate::error::GithubError;
use crate::error::{CliError, GitError};
use crate::git::{self, Base, Repository};
use crate::io::store;
use crate::verdict::JudgeContext;

/// The most bytes of a baseline file, and the most of them.
const SUITE_BYTES_MAX: u64 = 8 << 20;
const SUITES_MAX: usize = 1_000;

/// The surroundings in which a run is judged.
pub(crate) struct PullRequestContext<'a> {
    pub(crate) client: &'a Client,
    pub(crate) triggering: &'a Triggering,
    /// The trusted checkout's workspace, and its baselines.
    pub(crate) root: &'a Path,
    pub(crate) baselines: PathBuf,
}

/// What a run is judged by.
pub(crate) struct Judge {
    pub(crate) bench: JudgeContext,
    /// Base's commit.
    pub(crate) base_commit: String,
    /// What a reader should know about it.
    pub(crate) warnings: Vec<Note>,
}

impl PullRequestContext<'_> {
    /// The pull request of the run, if one is open with this head.
    pub(crate) fn pull(&self, measured: Option<&str>) -> Result<Option<Pull>, GithubError> {
        let Some(path) = self.triggering.pulls_path() else {
            return Ok(None);
        };
        let mut pulls: Vec<Pull> = Vec::new();
        for text in self.client.pages(&path, 10)? {
            pulls.extend(read::<Vec<Pull>>("the pull requests", &text)?);
        }
        Ok(self.triggering.choose(&pulls, measured).cloned())
    }

    /// All that the run is judged by.
    pub(crate) fn bench(
        &self,
        platform: &str,
        pull: Option<&Pull>,
        measured: Option<&str>,
    ) -> Result<Judge, CliError> {
        let mut warnings = Vec::new();
        let repository = repository(self.root, &self.baselines)?;
        let finder = CommitFinder {
            client: self.client,
            triggering: self.triggering,
        };
        let commits = finder.commits(&repository, pull, measured, &mut warnings)?;
        let own = store::read_baselines(&self.baselines, platform)?;
        let base = repository.baselines(&commits.base, &self.baselines, platform, &own)?;
        let committed = self.committed(&repository, &commits, platform, &base)?;
        let prefix = repository.prefix(self.root);
        let changed = pull.map_or_else(ChangedLines::default, |pull| {
            self.changed(pull, &prefix, (&repository, &commits.base))
        });
        let policy = match repository.policy(&commits.base, &self.baselines)? {
            Some(policy) => policy,
            None => store::read_policy(&self.baselines)?,
        };
        let found = format!("{} ({})", git::short(&commits.base), commits.base.found);
        let mut bench = JudgeContext::of_pull_request(
            &repository,
            (&self.baselines, platform),
            policy,
            (base, committed),
            changed,
            found,
            prefix,
        );
        bench.platforms = repository.platforms(&commits.base, &self.baselines)?;
        Ok(Judge {
            bench,
            base_commit: commits.base.commit,
            warnings,
        })
    }

    /// The same with nothing but the checkout, for when GitHub does not answer.
    pub(crate) fn bench_of_checkout(
        root: &Path,
        baselines: &Path,
        platform: &str,
    ) -> Result<JudgeContext, CliError> {
        let repository = repository(root, baselines)?;
        let own = store::read_baselines(baselines, platform)?;
        let mut bench = JudgeContext::of_pull_request(
            &repository,
            (baselines, platform),
            store::read_policy(baselines)?,
            (own.clone(), own),
            ChangedLines::default(),
            "the baselines of the checkout".to_owned(),
            repository.prefix(root),
        );
        bench.platforms = store::platforms(baselines);
        Ok(bench)
    }

    /// What head's tree accepts. Only files that differ from base's are asked for.
    fn committed(
        &self,
        repository: &Repository,
        commits: &Commits,
        platform: &str,
        base: &Baselines,
    ) -> Result<Baselines, CliError> {
        let Some(folder) = repository.folder(&self.baselines.join(platform)) else {
            return Ok(Baselines::default());
        };
        let known: BTreeMap<String, String> = repository.blob_names(&commits.base, &folder)?;
        let entries = self.entries(&folder, &commits.head)?;
        if !commits.is_vouched {
            let own = self.entries(&folder, self.triggering.head_sha.as_str())?;
            if !is_merged_from(&entries, &known, &own) {
                let why = "has baselines that neither of its parents has";
                return Err(foreign(&commits.head, why));
            }
        }
        let mut suites: Vec<Arc<Baseline>> = Vec::new();
        for entry in entries {
            let path = Path::new(&entry.name);
            let suite = path
                .file_stem()
                .and_then(|it| it.to_str())
                .unwrap_or_default();
            let unchanged = known.get(&entry.name) == Some(&entry.sha);
            suites.push(match base.share(suite).filter(|_| unchanged) {
                Some(known) => known,
                None => Arc::new(store::parse_baseline(path, &self.blob(&entry)?)?),
            });
        }
        Ok(Baselines::shared(suites))
    }

    fn entries(&self, folder: &str, commit: &str) -> Result<Vec<Entry>, GithubError> {
        let parts: Vec<String> = folder.split('/').map(encoded).collect();
        let path = self.path(&format!("/contents/{}?ref={commit}", parts.join("/")));
        let reply = match self.client.ask(&Request::get(&path)) {
            Err(error) if error.status() == Some(404) => return Ok(Vec::new()),
            reply => reply?,
        };
        let mut entries: Vec<Entry> = read("the baselines' folder", &reply.text)?;
        let refused = |what: String| GithubError::Answer {
            request: "the baselines' folder".to_owned(),
            what,
        };
        entries.retain(|it| store::is_suite(Path::new(&it.name)));
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        if entries.len() > SUITES_MAX {
            return Err(refused(format!("it holds more than {SUITES_MAX} suites")));
        }
        match entries
            .iter()
            .find(|it| it.kind != "file" || it.size > SUITE_BYTES_MAX)
        {
            Some(it) => Err(refused(format!(
                "{:?} is no file, or too large a one",
                it.name
            ))),
            None => Ok(entries),
        }
    }

    fn blob(&self, entry: &Entry) -> Result<String, GithubError> {
        #[derive(Deserialize)]
        struct Blob {
            content: String,
            encoding: String,
        }
        let path = self.path(&format!("/git/blobs/{}", encoded(&entry.sha)));
        let reply = self.client.ask(&Request::get(&path))?;
        let blob: Blob = read("a baseline", &reply.text)?;
        let refused = |what: &str| GithubError::Answer {
            request: "a baseline".to_owned(),
            what: what.to_owned(),
        };
        if blob.encoding != "base64" {
            return Err(refused("it is not in base64"));
        }
        let plain: String = blob.content.split_ascii_whitespace().collect();
        let bytes = BASE64_STANDARD
            .decode(plain)
            .map_err(|_| refused("it is not in base64"))?;
        String::from_utf8(bytes).map_err(|_| refused("it is not UTF-8"))
    }

    /// The lines that the pull request changes. They are an ornament: GitHub refuses to show a very
    /// large diff, and the verdict stands without.
    fn changed(
        &self,
        pull: &Pull,
        prefix: &str,
        (repository, base): (&Repository, &Base),
    ) -> ChangedLines {
        let path = self.path(&format!("/pulls/{}", pull.number));
        let request = Request {
            accept: Some("application/vnd.github.diff"),
            ..Request::get(&path)
        };
        let reply = self.client.ask(&request);
        reply.map_or_else(
            |_| ChangedLines::default(),
            |reply| {
                let mut changed = ChangedLines::from_unified_diff(&reply.text).below(prefix);
                changed.set_settings(settings(&reply.text, prefix, (repository, base)));
                changed
            },
        )
    }

    fn path(&self, rest: &str) -> String {
        repository_path(self.triggering, rest)
    }
}

/// What a pull request's diff says otherwise in manifests, lock file and configuration. Files that are not
/// what the diff was made of say nothing.
fn settings(diff: &str, prefix: &str, (repository, base): (&Repository, &Base)) -> Vec<Setting> {
    let pieces = Pieces::from_unified_diff(diff);
    let mut found = Vec::new();
    for path in pieces.files().into_iter().filter(|path| is_settings(path)) {
        let Some(file) = path.strip_prefix(prefix) else {
            continue;
        };
        let Ok(before) = repository.show(base, path) else {
            continue;
        };
        if let Some(now) = pieces.applied(path, before.as_deref()) {
            found.extend(between(file, before.as_deref().unwrap_or_default(), &now));
        }
    }
    found
}

/// Whether each suite of a merge is base's or head's: the same file, or none.
fn is_merged_from(merge: &[Entry], base: &BTreeMap<String, String>, head: &[Entry]) -> bool {
    let of = |entries: &[Entry], name: &str| {
        let entry = entries.iter().find(|it| it.name == name);
        entry.map(|it| it.sha.clone())
    };
    let suites = base.keys().filter(|name| store::is_suite(Path::new(name)));
    let named = merge.iter().chain(head).map(|it| &it.name);
    suites.chain(named).all(|name| {
        let merged = of(merge, name);
        merged == base.get(name).cloned() || merged == of(head, name)
    })
}

/// The checkout. Without its history nothing says what is base's.
fn repository(root: &Path, baselines: &Path) -> Result<Repository, CliError> {
    let repository = Repository::find(root)?.filter(|it| it.holds(baselines));
    let revision = "HEAD".to_owned();
    repository.ok_or_else(|| GitError::NoHistory { revision }.into())
}
