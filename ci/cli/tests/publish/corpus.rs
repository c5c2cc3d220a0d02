//! Artifacts that tried to pass, one folder each, and what must come of them:
//!
//! ```text
//! attacks/<name>/shard-N/run.json   what the measuring jobs left
//!                suite.json         head's baselines, if it edits them
//!                expect.json        the check run's conclusion, what is said somewhere, and what neither
//!                                   the log nor summary and comment may hold
//! ```
//!
//! Base knows `suite/f/a` with 10,000 instructions and `suite/f/b` with 20,000. The next attack is a
//! folder, and no code.

use std::path::Path;

use crate::scene::{Scene, baseline};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    conclusion: String,
    says: Vec<String>,
    never_logged: Vec<String>,
    never_posted: Vec<String>,
}

/// What is wrong with the outcome of an attack.
fn wrong(folder: &Path) -> Option<String> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name));
    let expected: Expected = serde_json::from_str(&read("expect.json").unwrap()).unwrap();
    let scene = Scene::new();
    let mut shards = Vec::new();
    while let Ok(run) = read(&format!("shard-{}/run.json", shards.len() + 1)) {
        shards.push(run);
    }
    assert!(!shards.is_empty(), "{}", folder.display());
    scene.shards(&shards);
    scene.edited(read("suite.json").unwrap_or_else(|_| baseline(10_000, 20_000, None)));
    let answer = scene.publish();
    let conclusions = scene.conclusions();
    let logged = answer.stdout + &answer.stderr;
    let posted = answer.summary + &scene.comments().concat();
    let both = format!("{logged}\n{posted}");
    if answer.code != 0 || conclusions != [expected.conclusion.as_str()] {
        return Some(format!("{conclusions:?} in {both}"));
    }
    let lacks = |text: &&String| !both.contains(*text);
    if let Some(text) = expected.says.iter().find(lacks) {
        return Some(format!("{text:?} is not said in {both}"));
    }
    for (never, text) in [
        (&expected.never_logged, &logged),
        (&expected.never_posted, &posted),
    ] {
        if let Some(said) = never.iter().find(|it| text.contains(*it)) {
            return Some(format!("{said:?} is said in {text}"));
        }
    }
    None
}

#[test]
fn no_attack_of_the_corpus_passes() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/publish/attacks");
    let mut folders: Vec<_> = std::fs::read_dir(corpus)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    folders.sort();
    assert!(folders.len() >= 20);
    let wrong: Vec<String> = folders
        .iter()
        .filter_map(|it| Some(format!("{}: {}", it.display(), wrong(it)?)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
