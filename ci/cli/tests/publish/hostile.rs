//! Numbers, names and files that a pull request made up.

use crate::scene::{Scene, shards};

#[test]
fn a_baseline_that_cannot_be_read_is_no_verdict() {
    let scene = Scene::new();
    scene.shards(&shards(12_000, 20_000));
    scene.edited("{\"format\":1,\"format\":1}".to_owned());
    scene.publish().says(0, &["no verdict"]);
    assert_eq!(scene.conclusions(), ["failure"]);
}

#[test]
fn a_missing_shard_is_named_and_red() {
    let scene = Scene::new();
    scene.shards(&shards(10_000, 20_000)[..1]);
    let answer = scene.publish();
    answer.says(0, &["icgate: no verdict: shard 2/2 is missing"]);
    assert!(answer.outputs.contains("incomplete=true"));
    assert_eq!(scene.conclusions(), ["failure"]);
    assert!(scene.comments()[0].contains("shard 2/2 is missing"));
    let none = Scene::new();
    none.publish()
        .says(0, &["icgate: no verdict: no shard was given"]);
    assert_eq!(none.conclusions(), ["failure"]);
}

#[test]
fn an_artifact_may_bring_one_plain_file_and_nothing_else() {
    let scene = Scene::new();
    let [one, two] = shards(10_000, 20_000);
    scene.shards(&[one]);
    let artifacts = scene.path("artifacts");
    let secret = scene.path("secret.json");
    std::fs::write(&secret, &two).unwrap();
    // A link to a file, a link to a folder, other names, a deeper folder: none of them is read.
    let linked = artifacts.join("linked");
    std::fs::create_dir_all(&linked).unwrap();
    std::os::unix::fs::symlink(&secret, linked.join("run.json")).unwrap();
    let outside = scene.path("outside");
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::write(outside.join("run.json"), &two).unwrap();
    std::os::unix::fs::symlink(&outside, artifacts.join("folder")).unwrap();
    std::fs::create_dir_all(artifacts.join("deep/er")).unwrap();
    std::fs::write(artifacts.join("deep/er/run.json"), &two).unwrap();
    std::fs::write(artifacts.join("deep/report.json"), &two).unwrap();
    std::fs::write(artifacts.join("deep/run.json.exe"), &two).unwrap();
    scene.publish().says(0, &["shard 2/2 is missing"]);
    // The same bytes as a plain file are.
    std::fs::write(artifacts.join("deep/run.json"), &two).unwrap();
    scene.publish().says(0, &["icgate: pass"]);
}

#[test]
fn hostile_numbers_are_refused_without_being_repeated() {
    let [one, two] = shards(12_000, 20_000);
    let long = "x".repeat(20_000_000);
    for (hostile, words) in [
        (
            two.replacen("\"f\"", &format!("\"{long}\""), 1),
            "a text in it has more than",
        ),
        (
            two.replace("20000", "99999999999999999999"),
            "a count beyond",
        ),
        (two.replace("20000", "2e4"), "a number that is no count"),
        (
            two.replace("\"complete\":false", "\"complete\":false,\"complete\":true"),
            "duplicate",
        ),
        (
            two.replace(
                "\"benchmarks\":[",
                &format!("\"benchmarks\":[{}", "[".repeat(9_999)),
            ),
            "deep",
        ),
        (
            two.replace("\"run\":7", "\"run\":8"),
            "is of another run of CI",
        ),
        (
            two.replace("\"format\":2", "\"format\":2,\"verdict\":\"pass\""),
            "unknown field",
        ),
        ("::error::x @everyone <img>".to_owned(), "cannot read run"),
    ] {
        let scene = Scene::new();
        scene.shards(&[one.clone(), hostile]);
        let answer = scene.publish();
        answer.says(0, &["icgate: no verdict", words]);
        assert!(answer.stdout.len() < 2_000, "{}", answer.stdout.len());
        assert_eq!(scene.conclusions(), ["failure"], "{words}");
        assert!(scene.comments()[0].len() < 2_000);
    }
}

#[test]
fn names_with_commands_in_them_are_printed_and_not_obeyed() {
    let scene = Scene::new();
    let hostile = "x\\n::set-output name=a::b ##[add-mask]c ::stop-commands::d @everyone <img>|";
    scene.shards(
        &shards(12_000, 20_000).map(|text| text.replace("\"f\"", &format!("\"{hostile}\""))),
    );
    let answer = scene.publish();
    answer.says(0, &["icgate: fail"]);
    let (_, rest) = answer.stdout.split_once("::stop-commands::").unwrap();
    let (end, rest) = rest.split_once('\n').unwrap();
    let (_, after) = rest.split_once(&format!("\n::{end}::\n")).unwrap();
    for line in after.lines() {
        let ours = ["::error ", "::notice ", "check run: ", "comment: "];
        assert!(ours.iter().any(|start| line.starts_with(start)), "{line}");
    }
    assert!(
        scene.comments()[0].contains("@everyone <img>\\|"),
        "in a code span"
    );
}
