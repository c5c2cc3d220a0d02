//! Numbers, names and files that a pull request made up.

use std::process::Command;

use crate::scene::{SUITE, Scene, baseline, shards};
use crate::surroundings::isolate;

/// One run of one benchmark, as a single machine hands it over.
fn whole(text: &str) -> String {
    let mut run: serde_json::Value = serde_json::from_str(text).unwrap();
    run.as_object_mut().unwrap().remove("part");
    run.to_string()
}

#[test]
fn an_empty_run_is_no_verdict() {
    for complete in ["false", "true"] {
        let scene = Scene::new();
        let mut run: serde_json::Value = serde_json::from_str(&whole(&shards(1, 1)[0])).unwrap();
        run["benchmarks"] = serde_json::json!([]);
        run["complete"] = complete.parse().unwrap();
        scene.shards(&[run.to_string()]);
        scene
            .publish()
            .says(0, &["no verdict: the run has measured no benchmark"]);
        assert_eq!(scene.conclusions(), ["failure"]);
    }
}

#[test]
fn a_run_that_leaves_the_regressed_benchmark_out_is_unmeasured() {
    let [_, rest] = shards(12_000, 20_000);
    let listed = r#""listed":["suite/f/a","suite/f/b"]"#;
    assert!(rest.contains(listed));
    let lone = rest
        .replace(listed, r#""listed":["suite/f/b"]"#)
        .replace("2/2", "1/1")
        .replace(r#""whole":true"#, r#""whole":false"#);
    for part in [lone, whole(&rest)] {
        let scene = Scene::new();
        scene.shards(&[part]);
        let answer = scene.publish();
        answer.says(0, &["suite/f/a", "not measured"]);
        assert!(
            answer.outputs.contains("verdict=not_measured"),
            "{answer:#?}"
        );
        assert_eq!(scene.conclusions(), ["failure"]);
        assert!(scene.comments()[0].contains("not measured: `suite/f/a`"));
    }
}

#[test]
fn a_run_of_a_platform_that_base_has_no_baselines_for_is_no_verdict() {
    let scene = Scene::new();
    scene.shards(&shards(12_000, 20_000).map(|it| it.replace("x86_64-unknown", "aarch64-unknown")));
    let said = "no verdict: the run is of aarch64-linux-gnu, and x86_64-linux-gnu is to be judged";
    scene.publish().says(0, &[said]);
    assert_eq!(scene.conclusions(), ["failure"]);
}

#[test]
fn of_two_platforms_one_is_judged_only_if_it_was_asked_for() {
    let scene = Scene::new();
    let other = SUITE.replace("x86_64", "aarch64");
    let path = scene.path("checkout").join(other);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, baseline(1_000, 2_000, None)).unwrap();
    scene.git(&["add", "."]);
    scene.git(&["commit", "--quiet", "--message=other"]);
    let tip = scene.git(&["rev-parse", "HEAD"]);
    let head = "a".repeat(40);
    scene
        .fake
        .world()
        .commits
        .insert("c".repeat(40), vec![tip, head]);
    scene.shards(&shards(10_000, 20_000));
    scene.publish().says(
        0,
        &["no verdict: the run is of x86_64-linux-gnu, and aarch64-linux-gnu and x86_64-linux-gnu"],
    );
    let mut command = scene.command();
    command.args(["--platform", "x86_64-linux-gnu"]);
    scene.run(&mut command).says(0, &["icgate: pass"]);
}

#[test]
fn a_shard_that_names_no_run_of_ci_is_refused() {
    let scene = Scene::new();
    let anonymous = |it: String| it.replace(r#","ci":{"run":7,"attempt":1}"#, "");
    let texts = shards(10_000, 20_000).map(anonymous);
    assert!(!texts[0].contains("attempt"));
    scene.shards(&texts);
    scene
        .publish()
        .says(0, &["no verdict", "is of another run of CI"]);
    assert_eq!(scene.conclusions(), ["failure"]);
}

#[test]
fn more_lines_than_are_ever_written_are_refused() {
    let scene = Scene::new();
    let [one, two] = shards(12_000, 20_000);
    let line = r#"{"file":"src/lib.rs","line":2,"instructions":20000}"#;
    assert!(two.contains(line));
    let many = vec![line; 40_000].join(",");
    scene.shards(&[one, two.replace(line, &many)]);
    scene
        .publish()
        .says(0, &["no verdict", "more lines than are ever written"]);
}

#[test]
fn messages_about_an_artifact_are_escaped_line_by_line() {
    let field = r"x\n::add-mask::y\r##[group]z\u001b[2J";
    let [one, two] = shards(12_000, 20_000);
    let hostile = two.replacen('{', &format!("{{\"{field}\":1,"), 1);
    let scene = Scene::new();
    scene.shards(&[one, hostile]);
    let answer = scene.publish();
    answer.says(0, &["no verdict", "unknown field"]);
    let checkout = scene.path("checkout");
    std::fs::create_dir_all(checkout.join("src")).unwrap();
    std::fs::write(checkout.join("src/lib.rs"), "").unwrap();
    let manifest = "[package]\nname = \"sample\"\nedition = \"2024\"\n[[bench]]\nname = \"suite\"\nharness = false\n";
    std::fs::write(checkout.join("Cargo.toml"), manifest).unwrap();
    std::fs::create_dir_all(checkout.join("benches")).unwrap();
    std::fs::write(checkout.join("benches/suite.rs"), "").unwrap();
    let by = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_icgate"));
        command.current_dir(&checkout).args(arguments);
        isolate(&mut command);
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let artifacts = scene.path("artifacts").display().to_string();
    let run = format!("{artifacts}/shard-2/run.json");
    let said = [
        answer.stdout + &answer.stderr,
        by(&["update", "--from", &artifacts]),
        by(&["merge", &run]),
        by(&["compare", &run]),
    ];
    for said in said {
        assert!(said.contains("add-mask"), "{said}");
        assert!(
            !said.contains(['\u{1b}', '\r']) && !said.contains("##["),
            "{said}"
        );
        let commands = said.lines().filter(|it| it.trim_start().starts_with("::"));
        let ours = |line: &str| line.contains("icgate-") || line.contains("stop-commands");
        assert!(commands.clone().all(ours), "{said}");
    }
}

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
        .says(0, &["icgate: no verdict: no run was found"]);
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
