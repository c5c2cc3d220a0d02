//! The action's script that looks for numbers: those that were replaced after the verdict are not read.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// Stands in for GitHub's tool: the jobs' begin, and the artifacts that are younger than `$LAST`, which is
/// what the script's filter asks for.
const GH: &str = r"#!/bin/bash
case $2 in
  */actions/runs/7/jobs*) echo 2026-02-01T00:09:00Z ;;
  */actions/runs/7/artifacts*)
    case $4 in *'.created_at > $ENV.LAST'*) ;; *) exit 1 ;; esac
    [[ $UPLOADED > $LAST ]] && echo gate-shard-1
    exit 0 ;;
  *) exit 1 ;;
esac
";

/// The shards that are left for Publish where one of them was uploaded at that time.
fn left(uploaded: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    for shard in ["gate-shard-1", "gate-shard-2"] {
        std::fs::create_dir_all(path("shards").join(shard)).unwrap();
        std::fs::write(path("shards").join(shard).join("run.json"), "{}").unwrap();
    }
    std::fs::create_dir_all(path("bin")).unwrap();
    std::fs::write(path("bin/gh"), GH).unwrap();
    std::fs::set_permissions(path("bin/gh"), PermissionsExt::from_mode(0o755)).unwrap();
    let action =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.github/actions/icgate");
    let search = format!("{}:/usr/bin:/bin", path("bin").display());
    let done = Command::new("bash")
        .arg(action.join("find.sh"))
        .env_clear()
        .env("PATH", search)
        .env("GITHUB_ACTION_PATH", &action)
        .env("GITHUB_OUTPUT", path("output"))
        .env("GITHUB_REPOSITORY", "owner/engine")
        .env("RUNNER_TEMP", directory.path())
        .env("GH_TOKEN", "t")
        .env("UPLOADED", uploaded)
        .env("ICGATE_MAIN", "main")
        .env("ICGATE_COMMAND", "publish")
        .env("ICGATE_RUN", "7")
        .env("ICGATE_INPUT", path("shards"))
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let entries = std::fs::read_dir(path("shards")).unwrap();
    let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn numbers_that_are_younger_than_the_last_job_are_not_read() {
    assert_eq!(
        left("2026-02-01T00:05:00Z"),
        ["gate-shard-1", "gate-shard-2"]
    );
    assert_eq!(left("2026-02-01T00:10:00Z"), ["gate-shard-2"]);
}
