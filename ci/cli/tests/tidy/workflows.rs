//! The workflow files: what they pin, when they run, and what may not be in them.

use std::path::PathBuf;

use crate::{read, root};

#[test]
fn workflows_pin_what_they_use() {
    for entry in std::fs::read_dir(root().join(".github/workflows")).unwrap() {
        let path = entry.unwrap().path();
        let text = read(&path);
        assert!(
            text.contains("\npermissions: {}\n"),
            "{}: permissions are given per job",
            path.display()
        );
        for line in text
            .lines()
            .filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: "))
        {
            let pinned = line.split_once('@').is_some_and(|(_, rest)| {
                let hash = rest.split(' ').next().unwrap();
                hash.len() == 40 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
            });
            assert!(
                pinned || line.starts_with("./"),
                "{}: `{line}` is not pinned by hash",
                path.display()
            );
        }
    }
}

/// Texts that somebody else chooses enter a script by the environment alone: written into it, they
/// would be a part of it.
#[test]
fn no_script_of_a_workflow_holds_an_expression() {
    let mut files: Vec<PathBuf> = Vec::new();
    let inits = [
        "ci/cli/src/command/init/gate.yml",
        "ci/cli/src/command/init/publish.yml",
    ];
    files.extend(inits.map(|it| root().join(it)));
    files.push(root().join(".github/actions/icgate/action.yml"));
    for entry in std::fs::read_dir(root().join(".github/workflows")).unwrap() {
        files.push(entry.unwrap().path());
    }
    let mut scripts = 0;
    for path in files {
        let mut inside = None;
        for line in read(&path).lines() {
            let indent = line.len() - line.trim_start().len();
            if inside.is_some_and(|run| indent <= run && !line.trim().is_empty()) {
                inside = None;
            }
            let step = line.trim_start().trim_start_matches("- ");
            if step.starts_with("run:") {
                inside = Some(line.len() - step.len());
                scripts += 1;
            }
            assert!(
                inside.is_none() || !line.contains("${{"),
                "{}: `{}` puts an expression into a script",
                path.display(),
                line.trim()
            );
        }
    }
    assert!(scripts > 10, "{scripts} scripts were found");
}

#[test]
fn gate_runs_again_when_the_target_changes() {
    for path in [
        ".github/workflows/gate.yml",
        "ci/cli/src/command/init/gate.yml",
    ] {
        let text = read(&root().join(path));
        assert!(
            text.contains("types: [opened, synchronize, reopened, edited]"),
            "{path}"
        );
        // GitHub takes a job that is skipped for one that passed. Nobody requires a proof.
        let (judging, proving) = text.split_once("\n  prove:\n").unwrap();
        let conditions = judging.lines().filter(|line| line.starts_with("    if: "));
        let conditions: Vec<&str> = conditions.collect();
        assert_eq!(conditions, ["    if: ${{ always() }}"], "{path}");
        assert!(proving.contains("needs.verdict.outputs.verdict == 'regressed'"));
        // It comes after the verdict, and the verdict does not wait for it.
        assert!(proving.contains("    needs: [judge, verdict]\n"), "{path}");
        assert!(!judging.contains("prove]"), "{path}");
    }
}

#[test]
fn jobs_that_judge_restore_no_cache() {
    for path in [
        ".github/workflows/gate.yml",
        ".github/workflows/publish.yml",
        "ci/cli/src/command/init/gate.yml",
        "ci/cli/src/command/init/publish.yml",
    ] {
        let text = read(&root().join(path));
        let mut job = "";
        for line in text.lines() {
            if line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':') {
                job = line.trim();
            }
            assert!(
                !line.contains("actions/cache") || job == "build:",
                "{path}: {job} {line}"
            );
        }
    }
}
