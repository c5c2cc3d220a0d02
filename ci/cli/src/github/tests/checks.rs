//! One check run with each of its annotations once.

use github_fake::{CheckRun as FakeCheck, Fault, Kind, World};
use icgate_core::model::run::CiRun;
use icgate_core::publish::check_run::{CheckRun, Place};

use super::{Scene, key, sha};

/// A check run with remarks at 120 lines.
pub(super) fn annotated(ci: CiRun) -> CheckRun {
    use icgate_core::publish::check_run::judged;
    let place = Place {
        name: "icgate report",
        key: &key(),
        head_sha: &sha(),
        ci,
        url: "https://github.com/owner/engine/actions/runs/7",
    };
    judged(&crate::verdict::tests::regressed(120), &place)
}

#[test]
fn every_annotation_arrives_once_whatever_is_lost() {
    let ci = CiRun { run: 7, attempt: 1 };
    let faults = [
        None,
        Some(("POST", Kind::Hang { done: true })),
        Some(("POST", Kind::Reset { done: false })),
        Some(("PATCH", Kind::Hang { done: true })),
        Some(("PATCH", Kind::Reset { done: true })),
        Some(("PATCH", Kind::Reset { done: false })),
        Some(("PATCH", Kind::status(502))),
    ];
    for fault in faults {
        let fault = fault.map(|(method, kind)| Fault::once(method, "/check-runs", kind));
        let scene = Scene::new(fault.as_slice());
        scene
            .publisher()
            .check_run(&mut annotated(ci), &key(), ci)
            .unwrap();
        let world = scene.fake.world().clone();
        assert_eq!(world.check_runs.len(), 1, "{fault:?}");
        let lines: Vec<_> = world.check_runs[0]
            .annotations
            .iter()
            .map(|it| it["start_line"].clone())
            .collect();
        let all: Vec<_> = (1..=120).map(serde_json::Value::from).collect();
        assert_eq!(lines, all, "{fault:?}");
        assert_eq!(world.check_runs[0].conclusion.as_deref(), Some("failure"));
        scene.assert_sound();
    }
}

#[test]
fn a_verdict_is_published_without_remarks_that_github_does_not_take() {
    let ci = CiRun { run: 7, attempt: 1 };
    let scene = Scene::new(&[Fault::once("POST", "/check-runs", Kind::status(422))]);
    scene
        .publisher()
        .check_run(&mut annotated(ci), &key(), ci)
        .unwrap();
    let world = scene.fake.world().clone();
    assert_eq!(world.check_runs[0].conclusion.as_deref(), Some("failure"));
    assert_eq!(world.check_runs[0].annotations.len(), 0);
}

#[test]
fn a_stranger_with_the_same_name_and_commit_does_not_count() {
    let scene = Scene::with(World {
        check_runs: vec![FakeCheck {
            id: 3,
            name: "icgate report".to_owned(),
            head_sha: sha().as_str().to_owned(),
            external_id: Some("icgate/other/9.1".to_owned()),
            status: "completed".to_owned(),
            conclusion: Some("success".to_owned()),
            ..FakeCheck::default()
        }],
        ..World::default()
    });
    scene.check(7).unwrap();
    assert_eq!(scene.fake.world().check_runs.len(), 2);
}
