//! One comment, whoever else comments, deletes or publishes.

use github_fake::{Comment, Fault, Kind, Meanwhile, World};
use icgate_core::model::run::CiRun;
use icgate_core::publish::comment::Content;

use super::super::PostTarget;
use super::checks::annotated;
use super::{BOT, COMMENTS, PULL, Scene, body, comment, key, marker};

#[test]
fn a_comment_and_a_check_run_are_written_and_found_again() {
    let scene = Scene::new(&[]);
    let first = scene.post(7).unwrap();
    assert!(
        first
            .url
            .unwrap()
            .starts_with("https://github.com/comment/")
    );
    assert!(scene.check(7).unwrap().url.unwrap().contains("/check/"));
    assert_eq!(scene.ours(), [body(7)]);
    // Once more: nothing is written.
    scene.post(7).unwrap();
    scene.check(7).unwrap();
    assert_eq!(scene.asked("POST", "/"), 2);
    assert_eq!(scene.asked("PATCH", "/"), 0);
    scene.post(8).unwrap();
    assert_eq!(scene.ours(), [body(8)]);
    assert_eq!(scene.asked("POST", COMMENTS), 1);
    let world = scene.fake.world().clone();
    assert_eq!(world.check_runs[0].conclusion.as_deref(), Some("failure"));
    assert!(
        world.log[0].path.starts_with("/api/v3/repos/"),
        "an Enterprise Server's path is kept"
    );
    drop(world);
    scene.assert_sound();
}

#[test]
fn a_list_that_lags_behind_leads_to_nothing_twice() {
    let scene = Scene::with(World {
        lag: 3,
        ..World::default()
    });
    scene.post(7).unwrap();
    assert_eq!(scene.ours(), [body(7)]);
    scene.fake.world().lag = 3;
    let ci = CiRun { run: 7, attempt: 1 };
    let publisher = scene.publisher();
    publisher.check_run(&mut annotated(ci), &key(), ci).unwrap();
    let world = scene.fake.world().clone();
    assert_eq!((world.comments.len(), world.check_runs.len()), (1, 1));
    assert_eq!(world.check_runs[0].annotations.len(), 120);
    scene.assert_sound();
}

#[test]
fn a_comment_that_is_deleted_in_between_is_written_again() {
    let scene = Scene::with(World {
        comments: vec![comment(3, BOT, &body(6))],
        faults: vec![Fault::once(
            "PATCH",
            "/issues/comments/3",
            Kind::Meanwhile(Meanwhile::DeleteComments),
        )],
        ..World::default()
    });
    scene.post(7).unwrap();
    assert_eq!(scene.ours(), [body(7)]);
    scene.assert_sound();
}

#[test]
fn ours_is_found_among_a_thousand_comments_of_others() {
    let mut comments: Vec<Comment> = (1..=1_000)
        .map(|id| comment(id, "somebody", &body(99)))
        .collect();
    comments[957] = comment(958, BOT, &body(6));
    comments[3].author = None;
    let scene = Scene::with(World {
        comments,
        ..World::default()
    });
    scene.post(7).unwrap();
    assert_eq!(scene.ours(), [body(7)]);
    assert_eq!(scene.asked("POST", COMMENTS), 0);
    // Ten pages before the write, ten after it.
    assert_eq!(scene.asked("GET", COMMENTS), 20);
}

#[test]
fn a_marker_of_somebody_else_is_nothing() {
    let spoofed = comment(3, "mallory", &body(u64::from(u32::MAX)));
    let scene = Scene::with(World {
        comments: vec![spoofed.clone()],
        ..World::default()
    });
    scene.post(7).unwrap();
    assert_eq!(scene.ours(), [body(7)]);
    assert_eq!(scene.fake.world().comments[0].body, spoofed.body);
    scene.assert_sound();
}

#[test]
fn of_two_runs_that_race_the_newer_one_is_told_in_one_comment() {
    for (ours, theirs) in [(7, 8), (8, 7)] {
        let other = Meanwhile::Comment {
            number: PULL,
            author: BOT.to_owned(),
            body: body(theirs),
        };
        // The other one posts between our look and our post.
        let scene = Scene::new(&[Fault::once("POST", COMMENTS, Kind::Meanwhile(other))]);
        let published = scene.post(ours).unwrap();
        assert_eq!(published.overtaken, ours < theirs);
        assert_eq!(scene.ours(), [body(8)], "{ours} {theirs}");
        let world = scene.fake.world().clone();
        let hidden: Vec<bool> = world.comments.iter().map(|it| it.minimized).collect();
        assert_eq!(hidden, [false, true], "the second one is hidden");
        // The other one looks again as well, and finds nothing to do.
        let writes =
            |log: &[github_fake::Logged]| log.iter().filter(|it| it.method != "GET").count();
        let before = writes(&world.log);
        scene.post(theirs).unwrap();
        assert_eq!(writes(&scene.fake.world().log), before);
        scene.assert_sound();
    }
}

#[test]
fn a_late_run_overwrites_neither_comment_nor_check_run() {
    let scene = Scene::new(&[]);
    scene.post(8).unwrap();
    scene.check(8).unwrap();
    assert!(scene.post(7).unwrap().overtaken);
    assert!(scene.check(7).unwrap().overtaken);
    assert_eq!(scene.ours(), [body(8)]);
    assert_eq!(scene.fake.world().check_runs.len(), 1);
}

#[test]
fn a_comment_that_would_not_be_found_again_is_taken_back() {
    let scene = Scene::new(&[]);
    scene.fake.world().login = "other-app[bot]".to_owned();
    let error = scene.post(7).unwrap_err();
    assert!(
        error.to_string().contains("written by `other-app[bot]`"),
        "{error}"
    );
    assert_eq!(
        crate::error::fix(&error).unwrap(),
        "publish with `--author 'other-app[bot]'`"
    );
    assert_eq!(scene.fake.world().comments.len(), 0);
}

#[test]
fn one_issue_is_kept_and_closed_when_there_is_nothing_left_to_tell() {
    let scene = Scene::new(&[Fault::once("POST", "/issues", Kind::Hang { done: true })]);
    let board = PostTarget::Issues("Counts have drifted");
    let tell = |run: u64| {
        let text = format!("text of {run}");
        let content = Content::Text { text, create: true };
        scene
            .publisher()
            .post(board, &marker(run), &content)
            .unwrap()
    };
    tell(7);
    tell(8);
    let issues = scene.fake.world().issues.clone();
    assert_eq!(issues.len(), 1);
    assert_eq!(
        (issues[0].body.clone(), issues[0].state.as_str()),
        (body(8), "open")
    );
    scene.publisher().close_issue(&key(), marker(7).ci).unwrap();
    assert_eq!(scene.fake.world().issues[0].state, "open", "a newer run's");
    scene.publisher().close_issue(&key(), marker(8).ci).unwrap();
    assert_eq!(scene.fake.world().issues[0].state, "closed");
    tell(9);
    assert_eq!(scene.fake.world().issues.len(), 2);
    scene.assert_sound();
}
