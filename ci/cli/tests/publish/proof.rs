//! What a proof that came with a run adds to comment and annotations; and what a forged one cannot.

use serde_json::{Value, json};

use crate::scene::{Answer, Scene, shards};

/// A proof of the red benchmark, as the run's own job leaves it: the piece at `file:line` taken out.
fn proof(file: &str, line: u32, without: u64) -> Value {
    json!({"format": 1, "proofs": [{
        "id": "suite/f/a", "metric": "instructions", "base": 10_000, "head": 12_000,
        "tried": [{"places": [{"file": file, "line": line}], "without": without}],
        "untested": 0, "builds": 1,
    }]})
}

/// Publishes a red run with what came as its proof.
fn published(proof: &str) -> (Scene, Answer) {
    let scene = Scene::new();
    scene.shards(&shards(12_000, 20_000));
    let folder = scene.path("proof/gate-proof");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("proof.json"), proof).unwrap();
    let mut command = scene.command();
    command.arg("--proof").arg(scene.path("proof"));
    let answer = scene.run(&mut command);
    (scene, answer)
}

fn message(scene: &Scene) -> String {
    let world = scene.fake.world();
    let annotation = &world.check_runs[0].annotations[0];
    annotation["message"].as_str().unwrap().to_owned()
}

#[test]
fn proven_cause_is_told_in_comment_and_annotation() {
    let (scene, answer) = published(&proof("src/lib.rs", 2, 10_000).to_string());
    answer.says(0, &["icgate: fail", "regression, proven"]);
    let said = "proven: built without this piece of the change, it is what base counts";
    assert!(message(&scene).contains(said), "{}", message(&scene));
    let comment = &scene.comments()[0];
    assert!(comment.contains(said), "{comment}");
    assert!(comment.contains("the largest part of the regression, proven"));
}

#[test]
fn cause_that_stays_without_its_hunk_is_told_to_be_none() {
    let (scene, _) = published(&proof("src/lib.rs", 2, 12_000).to_string());
    let comment = &scene.comments()[0];
    assert!(comment.contains("proven not to be the cause"), "{comment}");
    assert!(comment.contains("### ❌"), "the verdict stays");
    assert_eq!(scene.conclusions(), ["failure"]);
}

#[test]
fn forged_proof_is_a_label_at_most() {
    let (plain, _) = published("");
    let unproven = plain.comments()[0].clone();
    let mut other_head = proof("src/lib.rs", 2, 10_000);
    other_head["proofs"][0]["head"] = 11_000.into();
    let mut green = proof("src/lib.rs", 2, 10_000);
    green["proofs"][0]["id"] = "suite/f/b".into();
    let hostile = "x`@everyone <img src=x>\n::error::x";
    for forged in [
        other_head,
        // Green benchmarks, other files, other lines and texts of its own say nothing.
        green,
        proof("src/other.rs", 2, 10_000),
        proof("src/lib.rs", 3_000, 10_000),
        proof(hostile, 2, 10_000),
    ] {
        let (scene, answer) = published(&forged.to_string());
        answer.says(0, &["icgate: fail: 1 of 2 benchmarks"]);
        assert_eq!(scene.conclusions(), ["failure"], "{forged}");
        let comment = scene.comments()[0].clone();
        assert!(!comment.contains("proven") && !comment.contains("@everyone"));
        // But for the warning about the empty file, it is as without a proof.
        let table = |text: &str| {
            let (_, rows) = text.split_once("| benchmark |").unwrap();
            rows.split("<sub>").next().unwrap().to_owned()
        };
        assert_eq!(table(&comment), table(&unproven), "{forged}");
    }
}

#[test]
fn what_is_no_proof_is_left_aside_and_said() {
    let good = proof("src/lib.rs", 2, 10_000);
    let with = |key: &str, value: Value| {
        let mut proof = good.clone();
        proof["proofs"][0][key] = value;
        proof.to_string()
    };
    let long = "x".repeat(70_000);
    for (hostile, words) in [
        (with("verdict", "pass".into()), "unknown field"),
        (with("builds", json!(-1)), "a number that is no count"),
        (
            with("head", 99_999_999_999_999_999_u64.into()),
            "a count beyond",
        ),
        (
            proof(&long, 2, 10_000).to_string(),
            "a text in it has more than",
        ),
        ("[".repeat(99), "deep"),
        ("x".repeat(2 << 20), "has more than"),
        ("{\"format\":9,\"proofs\":[]}".to_owned(), "it has format 9"),
    ] {
        let (scene, answer) = published(&hostile);
        answer.says(
            0,
            &[
                "icgate: fail: 1 of 2",
                "what came as a proof is left aside",
                words,
            ],
        );
        assert_eq!(scene.conclusions(), ["failure"], "{words}");
        assert!(!scene.comments()[0].contains(&long));
    }
}

#[test]
fn proof_behind_a_link_is_not_read() {
    let scene = Scene::new();
    scene.shards(&shards(12_000, 20_000));
    std::fs::create_dir_all(scene.path("proof")).unwrap();
    let secret = scene.path("secret.json");
    std::fs::write(&secret, proof("src/lib.rs", 2, 10_000).to_string()).unwrap();
    std::os::unix::fs::symlink(&secret, scene.path("proof/proof.json")).unwrap();
    let mut command = scene.command();
    command.arg("--proof").arg(scene.path("proof"));
    scene.run(&mut command).says(0, &["icgate: fail"]);
    assert!(!scene.comments()[0].contains("proven"));
}
