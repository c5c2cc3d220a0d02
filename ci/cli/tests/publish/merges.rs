//! By which commits a run is judged: those that were measured, as far as GitHub bears them out.

use crate::scene::{SUITE, Scene, baseline, shards};

#[test]
fn what_head_accepts_is_read_from_github_and_must_be_true() {
    let scene = Scene::new();
    scene.shards(&shards(12_000, 20_000));
    scene.edited(baseline(12_000, 20_000, Some("checksums are verified")));
    scene.publish().says(0, &["icgate: pass"]);
    assert_eq!(scene.conclusions(), ["neutral"]);
    assert!(scene.comments()[0].contains("checksums are verified"));
    // An edit that was not measured passes nothing.
    let lying = Scene::new();
    lying.shards(&shards(12_000, 20_000));
    lying.edited(baseline(13_000, 20_000, Some("trust me")));
    lying.publish().says(0, &["baseline mismatch"]);
    assert_eq!(lying.conclusions(), ["failure"]);
}

#[test]
fn a_push_in_between_or_a_closed_pull_request_gets_no_comment() {
    let scene = Scene::new();
    scene.shards(&shards(12_000, 20_000));
    scene.fake.world().pulls[0].head_sha = "b".repeat(40);
    scene.publish().says(0, &["icgate: fail", "comment: none"]);
    assert_eq!(scene.comments(), [""; 0]);
    assert_eq!(
        scene.conclusions(),
        ["failure"],
        "at the commit that was measured"
    );
    assert_eq!(scene.fake.world().check_runs[0].head_sha, "a".repeat(40));
}

/// The shards, as of another commit.
fn shards_of(commit: &str, a: u64) -> [String; 2] {
    shards(a, 20_000).map(|text| text.replace(&"c".repeat(40), commit))
}

/// The same put together, as base's own job keeps it.
fn whole_of(commit: &str, a: u64) -> String {
    let [first, second] = shards_of(commit, a);
    let mut whole: serde_json::Value = serde_json::from_str(&first).unwrap();
    let mut second: serde_json::Value = serde_json::from_str(&second).unwrap();
    let more = second["benchmarks"].take();
    let benchmarks = whole["benchmarks"].as_array_mut().unwrap();
    benchmarks.extend(more.as_array().unwrap().iter().cloned());
    whole["complete"] = true.into();
    whole.as_object_mut().unwrap().remove("part");
    whole.to_string()
}

impl Scene {
    /// The target moves on, and GitHub makes another merge: of `d`s.
    fn target_moves_on(&self, a: u64) {
        let suite = self.path("checkout").join(SUITE);
        std::fs::write(suite, baseline(a, 20_000, None)).unwrap();
        self.git(&["commit", "--quiet", "--all", "--message=later"]);
        let tip = self.git(&["rev-parse", "HEAD"]);
        let mut world = self.fake.world();
        let head = world.pulls[0].head_sha.clone();
        world
            .commits
            .insert("d".repeat(40), vec![tip.clone(), head]);
        world.pulls[0].merge_commit_sha = Some("d".repeat(40));
        world.pulls[0].base_sha = tip;
    }

    /// What the trees of the merge and of the head hold, where they are told apart.
    fn trees(&self, merge: Option<String>, head: Option<String>) {
        let mut world = self.fake.world();
        world.files.clear();
        for (commit, text) in [("c", merge), ("a", head)] {
            if let Some(text) = text {
                world
                    .files
                    .insert(format!("{}:{SUITE}", commit.repeat(40)), text);
            }
        }
    }
}

#[test]
fn numbers_are_judged_by_the_base_that_was_measured_though_the_target_has_moved_on() {
    // What was measured equals the old baseline. By the new one it would be a regression …
    let scene = Scene::new();
    scene.shards(&shards(10_000, 20_000));
    scene.target_moves_on(8_000);
    scene.publish().says(
        0,
        &[
            "icgate: pass",
            "2 unchanged",
            "the tip of `main` when it was measured",
        ],
    );
    assert_eq!(scene.conclusions(), ["success"]);
    // … and a regression is none by a new one that is worse.
    let scene = Scene::new();
    scene.shards(&shards(12_000, 20_000));
    scene.target_moves_on(12_000);
    scene.publish().says(0, &["icgate: fail: 1 of 2"]);
    assert_eq!(scene.conclusions(), ["failure"]);
    // What head accepts is taken from the merge that was measured as well.
    let scene = Scene::new();
    scene.shards(&shards(12_000, 20_000));
    scene.target_moves_on(8_000);
    let accepted = baseline(12_000, 20_000, Some("checksums are verified"));
    scene.trees(Some(accepted.clone()), Some(accepted));
    scene.publish().says(0, &["icgate: pass", "1 accepted"]);
    assert_eq!(scene.conclusions(), ["neutral"]);
}

#[test]
fn a_merge_that_somebody_made_up_is_judged_by_nothing() {
    let refused = |words: &str, prepare: &dyn Fn(&Scene)| {
        let scene = Scene::new();
        scene.shards(&shards(10_000, 20_000));
        prepare(&scene);
        scene
            .publish()
            .says(0, &["icgate: no verdict", words, "run the gate again"]);
        assert_eq!(scene.conclusions(), ["failure"], "{words}");
    };
    let parents = |scene: &Scene, first: &str, second: &str| {
        let parents = vec![first.to_owned(), second.to_owned()];
        scene.fake.world().commits.insert("c".repeat(40), parents);
    };
    let head = "a".repeat(40);
    refused("is no merge of the head", &|scene| {
        parents(scene, &scene.base, &"e".repeat(40));
    });
    refused("is no merge of the head", &|scene| {
        parents(scene, "--output=x", &head);
    });
    refused("is no merge of the head", &|scene| {
        let parents = vec![scene.base.clone(), head.clone(), head.clone()];
        scene.fake.world().commits.insert("c".repeat(40), parents);
    });
    refused("is no merge of the head", &|scene| {
        scene.fake.world().commits.clear();
    });
    refused("is no commit", &|scene| {
        scene.shards(&shards_of("--output=x", 10_000));
    });
    refused("not made of a commit in this checkout", &|scene| {
        scene.target_moves_on(8_000);
        parents(scene, &"e".repeat(40), &head);
    });
    // A commit that was pushed for nothing but its lax baselines.
    let latest = "not made of one of the target's latest commits";
    refused(latest, &|scene| {
        scene.target_moves_on(8_000);
        scene.git(&["checkout", "--quiet", "--orphan", "lax"]);
        scene.git(&["commit", "--quiet", "--message=lax"]);
        let lax = scene.git(&["rev-parse", "HEAD"]);
        scene.git(&["checkout", "--quiet", "main"]);
        parents(scene, &lax, &head);
    });
    // One of the target's own, long before its baselines were tightened.
    refused(latest, &|scene| {
        for _ in 0..51 {
            scene.git(&["commit", "--quiet", "--allow-empty", "--message=on"]);
        }
        scene.target_moves_on(8_000);
    });
    let accepted = || Some(baseline(10_000, 20_000, Some("trust me")));
    let plain = || Some(baseline(10_000, 20_000, None));
    let added = "has baselines that neither of its parents has";
    refused(added, &|scene| {
        scene.target_moves_on(8_000);
        scene.trees(accepted(), plain());
    });
    refused(added, &|scene| {
        scene.target_moves_on(8_000);
        scene.trees(None, plain());
    });
    refused(added, &|scene| {
        scene.target_moves_on(8_000);
        scene.trees(plain(), plain());
        let other = SUITE.replace("suite.json", "other.json");
        let path = format!("{}:{other}", "c".repeat(40));
        scene.fake.world().files.insert(path, "{}".to_owned());
    });
}

#[test]
fn without_a_merge_the_tree_of_head_is_judged_and_that_is_said() {
    // A workflow that checks out the head itself.
    let scene = Scene::new();
    scene.shards(&shards_of(&"a".repeat(40), 10_000));
    scene
        .publish()
        .says(0, &["icgate: pass", "no trial merge was measured"]);
    // Sources that were of no commit.
    let none = |scene: &Scene| {
        let unnamed = shards(10_000, 20_000);
        let from = format!("\"commit\":\"{}\"", "c".repeat(40));
        scene.shards(&unnamed.map(|text| text.replace(&from, "\"commit\":null")));
    };
    let scene = Scene::new();
    none(&scene);
    scene
        .publish()
        .says(0, &["icgate: pass", "the numbers name no commit"]);
    let scene = Scene::new();
    none(&scene);
    scene.fake.world().pulls[0].merge_commit_sha = None;
    let said = ["the numbers name no commit", "no trial merge was measured"];
    scene.publish().says(0, &said);
    // A base that is not in the checkout, where GitHub itself bears the merge out.
    let scene = Scene::new();
    scene.shards(&shards(10_000, 20_000));
    let parents = vec!["d".repeat(40), "a".repeat(40)];
    scene.fake.world().commits.insert("c".repeat(40), parents);
    scene.publish().says(0, &["is not in this checkout"]);
}

#[test]
fn author_answers_for_what_the_change_adds_to_base() {
    let scene = || {
        let scene = Scene::new();
        scene.shards(&shards(10_150, 20_000));
        scene
    };
    // Base had left its baseline already, as base's own job has kept it.
    let kept = |count: u64, change: &dyn Fn(String) -> String| {
        let scene = scene();
        let folder = scene.path("kept");
        std::fs::create_dir_all(&folder).unwrap();
        let whole = whole_of(&scene.base, count);
        std::fs::write(folder.join("run.json"), change(whole)).unwrap();
        let mut command = scene.command();
        scene.run(command.arg("--base-run").arg(folder.join("run.json")))
    };
    kept(10_100, &|text| text).says(
        0,
        &[
            "base itself has left its baseline",
            "already on base +1.00 %",
        ],
    );
    kept(10_000, &|text| text).says(0, &["1 regressed"]);
    let other = |text: String| text.replacen("\"commit\":\"", "\"commit\":\"0", 1);
    let said = ["1 regressed", "of another commit, so it is left aside"];
    kept(10_100, &other).says(0, &said);
}

#[test]
fn claimed_run_of_base_excuses_nothing() {
    let with = |a: u64, change: &dyn Fn(String) -> String| {
        let scene = Scene::new();
        scene.shards(&shards(10_150, 20_000));
        for (index, text) in shards_of(&scene.base, a).into_iter().enumerate() {
            let path = scene.path(&format!("artifacts/shard-{}/base.json", index + 1));
            std::fs::write(path, change(text)).unwrap();
        }
        scene.publish()
    };
    // What came with the numbers says that base was as expensive.
    with(10_150, &|text| text).says(0, &["1 regressed"]);
    let hostile = |text: String| text.replace("10100", "99999999999999999999");
    with(10_100, &hostile).says(0, &["no verdict", "(base.json)", "a count beyond"]);
}
