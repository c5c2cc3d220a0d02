//! Baselines from what CI measured.

use std::process::Command;

use crate::scene::{SUITE, Scene, baseline, shards};
use crate::surroundings::isolate;

#[test]
fn baselines_are_updated_from_what_ci_measured() {
    let scene = Scene::new();
    scene.shards(&shards(12_000, 20_000));
    let checkout = scene.path("checkout");
    std::fs::create_dir_all(checkout.join("src")).unwrap();
    std::fs::write(checkout.join("src/lib.rs"), "").unwrap();
    let manifest = "[package]\nname = \"sample\"\nedition = \"2024\"\n[[bench]]\nname = \"suite\"\nharness = false\n";
    std::fs::write(checkout.join("Cargo.toml"), manifest).unwrap();
    std::fs::create_dir_all(checkout.join("benches")).unwrap();
    std::fs::write(checkout.join("benches/suite.rs"), "").unwrap();
    let update = |reason: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_icgate"));
        isolate(command.current_dir(&checkout));
        command
            .arg("update")
            .arg("--from")
            .arg(scene.path("artifacts"))
            .args(reason);
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let read = || std::fs::read_to_string(checkout.join(SUITE)).unwrap();
    let (code, said) = update(&[]);
    assert!(
        code == Some(2) && said.contains("`suite/f/a` got worse"),
        "{said}"
    );
    assert_eq!(read(), baseline(10_000, 20_000, None), "nothing is written");
    let (code, said) = update(&["--reason", "checksums are verified"]);
    assert!(code == Some(0) && said.contains("written"), "{said}");
    assert_eq!(
        read(),
        baseline(12_000, 20_000, Some("checksums are verified"))
    );
    // Hostile or lacking numbers write nothing.
    scene.shards(&[shards(13_000, 20_000)[0].clone(), "{}".to_owned()]);
    let (code, said) = update(&["--reason", "x"]);
    assert!(
        code == Some(2) && said.contains("cannot read run"),
        "{said}"
    );
    std::fs::remove_dir_all(scene.path("artifacts/shard-2")).unwrap();
    let (code, said) = update(&["--reason", "x"]);
    assert!(
        code == Some(2) && said.contains("shard 2/2 is missing"),
        "{said}"
    );
    assert_eq!(
        read(),
        baseline(12_000, 20_000, Some("checksums are verified"))
    );
}
