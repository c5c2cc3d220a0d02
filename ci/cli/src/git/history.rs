//! Reads how baselines changed out of git: one `git log`, and one `git cat-file` that is read while
//! it writes.
//!
//! The first parents of head are followed: what counts is how the branch moved, and not how a pull
//! request got there. A version of a file that occurs twice is read once.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;
use std::sync::Arc;

use icgate_core::model::note::Note;
use icgate_core::report::history::{Change, Commit, History, SuiteCounts};

use crate::error::GitError;
use crate::git::Repository;
use crate::io::store;
use crate::process;

/// How much of a history is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// At most this many of the newest commits that touched baselines.
    pub(crate) commits: usize,
    /// At most this many bytes of baselines.
    pub(crate) bytes: u64,
}

impl Budget {
    /// For `icgate history`, which is asked for all of it.
    pub(crate) const WHOLE: Self = Self {
        commits: 100_000,
        bytes: 4 << 30,
    };
    /// For the trends that stand in a report beside what was measured.
    pub(crate) const REPORT: Self = Self {
        commits: 100,
        bytes: 32 << 20,
    };
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Read {
    /// The trends.
    pub(crate) history: History,
    /// How many commits touched baselines.
    pub(crate) commits: usize,
    /// What is missing from it, in words.
    pub(crate) warnings: Vec<Note>,
}

/// A version of a suite's file, by its object; none where the commit removed it.
#[derive(Debug)]
struct Version {
    commit: Commit,
    suite: String,
    object: Option<String>,
}

/// The history of the baselines in `directory` for `platform`, since `since` if that is given.
pub(crate) fn read(
    repository: &Repository,
    directory: &Path,
    platform: &str,
    since: Option<&str>,
    budget: Budget,
) -> Result<Read, GitError> {
    let mut warnings = Vec::new();
    let Some(directory) = repository.relative(directory) else {
        return Ok(Read {
            history: History::default(),
            commits: 0,
            warnings: vec!["git has no history of the baselines".into()],
        });
    };
    let folder = match directory.as_str() {
        "" => format!("{platform}/"),
        directory => format!("{directory}/{platform}/"),
    };
    let mut versions = log(repository, &folder, since, budget.commits)?;
    let mut commits: Vec<&str> = versions.iter().map(|it| &*it.commit.hash).collect();
    commits.dedup();
    let commits = commits.len();
    if let Some(since) = since {
        // Newest first, so what stood when the counting began comes last.
        versions.extend(at(repository, &folder, since)?);
    }
    let objects = contents(repository, &versions, budget.bytes)?;
    let known = |version: &Version| match &version.object {
        Some(object) => objects.contains_key(object.as_str()),
        None => true,
    };
    // What lies behind the first version that is over the budget is left out as a whole: a gap
    // would look like a step.
    let read = versions.iter().take_while(|it| known(it)).count();
    if read < versions.len() {
        warnings.push(Note::new(
            "only the newest {} of {} versions of baselines were read",
            &[&read, &versions.len()],
        ));
    }
    versions.truncate(read);
    let mut unreadable = 0;
    let changes: Vec<Change> = versions
        .into_iter()
        .rev()
        .filter_map(|version| {
            let counts = match &version.object {
                None => None,
                Some(object) => {
                    let counts = objects.get(object.as_str()).cloned().flatten();
                    let counts = counts.filter(|it| it.suite() == version.suite);
                    if counts.is_none() {
                        unreadable += 1;
                        return None;
                    }
                    counts
                }
            };
            Some(Change {
                commit: version.commit,
                suite: version.suite,
                counts,
            })
        })
        .collect();
    if unreadable > 0 {
        warnings.push(Note::new(
            "versions of baselines that cannot be read, and were left out: {}",
            &[&unreadable],
        ));
    }
    let shallow = repository.ask(&["rev-parse", "--is-shallow-repository"])?;
    if shallow.trim() == "true" {
        warnings.push(Note::from(
            "the clone is shallow, so older baselines are not here; `git fetch --unshallow` \
             (`fetch-depth: 0` for actions/checkout) brings them",
        ));
    }
    Ok(Read {
        history: History::new(&changes),
        commits,
        warnings,
    })
}

/// The versions of the files in `folder`, newest first.
fn log(
    repository: &Repository,
    folder: &str,
    since: Option<&str>,
    commits: usize,
) -> Result<Vec<Version>, GitError> {
    let range = match since {
        Some(since) => format!("{}..HEAD", repository.commit(since)?),
        None => "HEAD".to_owned(),
    };
    let most = format!("--max-count={commits}");
    let answer = repository.ask(&[
        "log",
        "--first-parent",
        "--diff-merges=first-parent",
        "--raw",
        "--no-abbrev",
        "--no-renames",
        "--no-color",
        "--no-show-signature",
        "--relative",
        "-z",
        "--format=%H%x1f%cs%x1f%s",
        &most,
        "--end-of-options",
        &range,
        "--",
        folder,
    ])?;
    versions(&answer).ok_or_else(|| GitError::Failed {
        what: "the answer of git log cannot be read".to_owned(),
    })
}

/// Reads what `git log --raw -z` wrote: a header `hash ␟ date ␟ subject`, then for each file
/// `:mode mode object object status` and its path, everything with a NUL behind it.
fn versions(answer: &str) -> Option<Vec<Version>> {
    let mut versions = Vec::new();
    let mut commit = None;
    let mut parts = answer.split('\0').map(|it| it.trim_start_matches('\n'));
    while let Some(part) = parts.next() {
        if let Some(entry) = part.strip_prefix(':') {
            let mut words = entry.split(' ');
            let object = words.nth(3)?;
            let path = Path::new(parts.next()?);
            let suite = path.file_stem()?.to_str()?.to_owned();
            if store::is_suite(path) {
                versions.push(Version {
                    commit: Commit::clone(commit.as_ref()?),
                    suite,
                    object: object
                        .bytes()
                        .any(|it| it != b'0')
                        .then(|| object.to_owned()),
                });
            }
        } else if !part.is_empty() {
            let mut fields = part.splitn(3, '\x1f');
            commit = Some(Commit {
                hash: fields.next()?.into(),
                date: fields.next()?.into(),
                subject: fields.next()?.into(),
            });
        }
    }
    Some(versions)
}

/// The files in `folder` as they stood at `since`.
fn at(repository: &Repository, folder: &str, since: &str) -> Result<Vec<Version>, GitError> {
    let hash = repository.commit(since)?;
    let described = repository.ask(&["show", "--no-patch", "--format=%cs%x1f%s", &hash])?;
    let (date, subject) = described.trim_end().split_once('\x1f').unwrap_or_default();
    let commit = Commit {
        hash: hash.as_str().into(),
        date: date.into(),
        subject: subject.into(),
    };
    let listed = repository.ask(&["ls-tree", "-z", "--full-tree", &hash, "--", folder])?;
    let versions = listed.split('\0').filter_map(|entry| {
        let (meta, path) = entry.split_once('\t')?;
        let object = meta.split(' ').nth(2)?;
        let path = Path::new(path);
        let suite = path.file_stem()?.to_str()?.to_owned();
        store::is_suite(path).then(|| Version {
            commit: commit.clone(),
            suite,
            object: Some(object.to_owned()),
        })
    });
    Ok(versions.collect())
}

/// What the versions hold, by object, until `bytes` are read; `None` for one that is no baseline.
fn contents(
    repository: &Repository,
    versions: &[Version],
    bytes: u64,
) -> Result<HashMap<String, Option<Arc<SuiteCounts>>>, GitError> {
    let start = |source| GitError::Start { source };
    let mut objects: Vec<&str> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for object in versions.iter().filter_map(|it| it.object.as_deref()) {
        if seen.insert(object) {
            objects.push(object);
        }
    }
    if objects.is_empty() {
        return Ok(HashMap::new());
    }
    // From a file: git answers before it has read everything, and a pipe would fill up.
    let list = super::committed::temporary(&objects.join("\n"))?;
    let mut command = repository.command(&["cat-file", "--batch"]);
    command.stdin(list);
    let (read, status) = process::read_stdout(&mut command, |stdout| {
        // Dropped at the end, which stops git where the budget stopped us.
        read_objects(BufReader::with_capacity(1 << 16, stdout), &objects, bytes)
    })
    .map_err(start)?;
    let failed = |what: String| GitError::Failed { what };
    let read = read.map_err(|error| failed(error.to_string()))?;
    if read.len() == objects.len() && !status.success() {
        return Err(failed(format!("cat-file ended with {status}")));
    }
    Ok(read)
}

fn read_objects(
    mut answer: impl BufRead,
    objects: &[&str],
    bytes: u64,
) -> std::io::Result<HashMap<String, Option<Arc<SuiteCounts>>>> {
    let mut read = HashMap::new();
    let mut left = bytes;
    let (mut header, mut content) = (String::new(), Vec::new());
    for object in objects {
        header.clear();
        answer.read_line(&mut header)?;
        let length = header.trim_end().rsplit_once(" blob ");
        let Some(length) = length.and_then(|it| it.1.parse::<u64>().ok()) else {
            // A version that this clone does not have (a partial one): none that is older either.
            break;
        };
        if length > left {
            break;
        }
        left -= length;
        content.clear();
        let got = answer.by_ref().take(length + 1).read_to_end(&mut content)?;
        if got as u64 != length + 1 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        content.pop();
        let counts = SuiteCounts::from_json(&content).map(Arc::new);
        read.insert((*object).to_owned(), counts);
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_log_wrote_is_taken_apart() {
        let zeros = "0".repeat(40);
        let one = "1".repeat(40);
        let answer = format!(
            "aa\x1f2026-01-02\x1fa subject: x\0\n:100644 000000 {one} {zeros} D\0b/p/y.json\0\
             bb\x1f2026-01-01\x1f\0\n:100644 100644 {zeros} {one} M\0b/p/x.json\0\
             :000000 100644 {zeros} {one} A\0b/p/notes.txt\0"
        );
        let versions = versions(&answer).unwrap();
        let seen: Vec<_> = versions
            .iter()
            .map(|it| {
                (
                    &*it.commit.hash,
                    &*it.commit.subject,
                    &*it.suite,
                    it.object.is_some(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [("aa", "a subject: x", "y", false), ("bb", "", "x", true)]
        );
        assert!(super::versions("").unwrap().is_empty());
        assert!(super::versions("aa").is_none());
        assert!(super::versions(":100644 100644\0x").is_none());
    }

    #[test]
    fn reading_stops_at_the_budget_and_at_what_is_missing() {
        let answer = "aa blob 3\nabc\nbb blob 2\nde\n";
        let read = |bytes| {
            read_objects(answer.as_bytes(), &["aa", "bb"], bytes)
                .unwrap()
                .len()
        };
        assert_eq!((read(5), read(4), read(2)), (2, 1, 0));
        let missing = "aa missing\nbb blob 2\nde\n";
        assert!(
            read_objects(missing.as_bytes(), &["aa", "bb"], 9)
                .unwrap()
                .is_empty()
        );
        assert!(read_objects("aa blob 9\nabc\n".as_bytes(), &["aa"], 9).is_err());
    }
}
