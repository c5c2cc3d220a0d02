//! Publishing against a stand-in for GitHub that fails in every way we could think of. What holds
//! in each: no second comment, no lost verdict, and no more waiting than the cap.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use github_fake::{CheckRun as FakeCheck, Comment, Fake, Fault, Kind, Meanwhile, World};
use icgate_core::publish::check_run::{CheckRun, Place, unjudged};
use icgate_core::publish::marker::{Key, Marker, Sha, State};
use icgate_core::publish::pull_request::Repository;
use icgate_core::publish::retry::WAIT_MAX;
use icgate_core::publish::sticky::Content;
use icgate_core::run::CiRun;

use super::client::{Client, Clock, Endpoint};
use super::{Board, GithubError, Published, Publisher};

const BOT: &str = "github-actions[bot]";
const TOKEN: &str = "ghs_not-to-be-seen";
const PULL: u64 = 12;
const COMMENTS: &str = "/issues/12/comments";

/// Writes down how long was slept; no time passes.
#[derive(Clone, Default)]
struct Recorded(Arc<Mutex<Vec<Duration>>>);

impl Clock for Recorded {
    fn sleep(&self, pause: Duration) {
        self.0.lock().unwrap().push(pause);
    }

    fn now(&self) -> u64 {
        1_000_000
    }
}

struct Scene {
    fake: Fake,
    clock: Recorded,
    client: Client,
    repository: Repository,
}

impl Scene {
    fn new(faults: &[Fault]) -> Self {
        Self::with(World {
            faults: faults.to_vec(),
            ..World::default()
        })
    }

    fn with(world: World) -> Self {
        let world = World {
            repository: "owner/engine".to_owned(),
            login: BOT.to_owned(),
            token: TOKEN.to_owned(),
            ..world
        };
        let fake = Fake::start(world);
        let clock = Recorded::default();
        let timeout = Duration::from_millis(400);
        let endpoint = Endpoint::new(&format!("{}/api/v3", fake.url()), timeout).unwrap();
        let client = Client::new(endpoint, TOKEN, Box::new(clock.clone())).unwrap();
        Self {
            fake,
            clock,
            client,
            repository: Repository::new("owner/engine").unwrap(),
        }
    }

    fn publisher(&self) -> Publisher<'_> {
        Publisher {
            client: &self.client,
            repository: &self.repository,
            author: BOT,
        }
    }

    fn post(&self, run: u64) -> Result<Published, GithubError> {
        let content = Content::Text {
            text: format!("text of {run}"),
            create: true,
        };
        let marker = marker(run);
        self.publisher()
            .post(Board::PullRequest(PULL), &marker, &content)
    }

    fn check(&self, run: u64) -> Result<Published, GithubError> {
        let ci = CiRun { run, attempt: 1 };
        self.publisher().check_run(&mut check(ci), &key(), ci)
    }

    /// The bodies of our comments that are still shown as ours.
    fn ours(&self) -> Vec<String> {
        let world = self.fake.world();
        let ours = world
            .comments
            .iter()
            .filter(|it| it.author.as_deref() == Some(BOT) && Marker::of(&it.body).is_some());
        ours.map(|it| it.body.clone()).collect()
    }

    fn asked(&self, method: &str, path: &str) -> usize {
        let world = self.fake.world();
        let asked = world.log.iter();
        asked
            .filter(|it| it.method == method && it.path.contains(path))
            .count()
    }

    /// All that was slept, but for the seconds between writes.
    #[track_caller]
    fn assert_sound(&self) {
        assert_eq!(self.fake.world().violations, [""; 0]);
        let slept: Duration = self.clock.0.lock().unwrap().iter().sum();
        let between_writes = Duration::from_secs(self.fake.world().log.len() as u64);
        assert!(slept <= WAIT_MAX + between_writes, "{slept:?}");
    }
}

fn key() -> Key {
    "gate".parse().unwrap()
}

fn sha() -> Sha {
    Sha::new(&"0a".repeat(20)).unwrap()
}

fn marker(run: u64) -> Marker {
    Marker {
        key: key(),
        ci: CiRun { run, attempt: 1 },
        state: State::Judged,
        sha: sha(),
    }
}

fn body(run: u64) -> String {
    format!("{}\ntext of {run}", marker(run))
}

fn check(ci: CiRun) -> CheckRun {
    let place = Place {
        name: "icgate report",
        key: &key(),
        head_sha: &sha(),
        ci,
        url: "https://github.com/owner/engine/actions/runs/7",
    };
    unjudged("why", "fix", &place)
}

fn comment(id: u64, author: &str, body: &str) -> Comment {
    Comment {
        id,
        number: PULL,
        author: Some(author.to_owned()),
        body: body.to_owned(),
        minimized: false,
    }
}

fn limited(status: u16, after: Option<&str>, message: &str) -> Kind {
    let header = after.map(|after| ("retry-after".to_owned(), after.to_owned()));
    Kind::Status {
        status,
        headers: header.into_iter().collect(),
        message: message.to_owned(),
    }
}

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

/// Every fault, at reading and at writing: in the end there is one comment and one check run, or
/// an error that says why not, and never two.
#[test]
fn no_fault_leaves_two_comments_or_loses_a_verdict() {
    let passing = [
        limited(403, Some("7"), "You have exceeded a secondary rate limit"),
        limited(403, None, "You have exceeded a secondary rate limit"),
        limited(429, Some("3"), "too many"),
        limited(429, None, "too many"),
        Kind::status(409),
        Kind::status(500),
        Kind::status(502),
        Kind::Reset { done: false },
        Kind::Reset { done: true },
        Kind::Hang { done: false },
        Kind::Hang { done: true },
    ];
    for kind in passing {
        for (method, path) in [
            ("GET", COMMENTS),
            ("POST", COMMENTS),
            ("GET", "/check-runs"),
            ("POST", "/check-runs"),
        ] {
            let scene = Scene::new(&[Fault::once(method, path, kind.clone())]);
            scene
                .post(7)
                .unwrap_or_else(|error| panic!("{method} {path} {kind:?}: {error}"));
            scene
                .check(7)
                .unwrap_or_else(|error| panic!("{method} {path} {kind:?}: {error}"));
            assert_eq!(scene.ours(), [body(7)], "{method} {path} {kind:?}");
            let checks = scene.fake.world().check_runs.len();
            assert_eq!(checks, 1, "{method} {path} {kind:?}");
            scene.assert_sound();
        }
        let scene = Scene::with(World {
            comments: vec![comment(3, BOT, &body(6))],
            faults: vec![Fault::once("PATCH", "/issues/comments/3", kind.clone())],
            ..World::default()
        });
        scene
            .post(7)
            .unwrap_or_else(|error| panic!("PATCH {kind:?}: {error}"));
        assert_eq!(scene.ours(), [body(7)], "PATCH {kind:?}");
        scene.assert_sound();
    }
}

#[test]
fn what_lasts_is_given_up_with_its_words_and_in_bounded_time() {
    for (kind, words, fix) in [
        (Kind::status(401), "401", "the token has expired"),
        (
            limited(403, None, "Resource not accessible by integration"),
            "403 Resource not accessible by integration",
            "`permissions:` with `pull-requests: write`",
        ),
        (
            Kind::status(404),
            "404",
            "`permissions:` with `pull-requests: write`",
        ),
        (Kind::status(422), "422", ""),
        (
            limited(429, Some("3600"), "too many"),
            "after 1 tries",
            "run the publishing job again",
        ),
        (
            limited(429, None, "too many"),
            "after 2 tries",
            "run the publishing job again",
        ),
        (
            Kind::status(500),
            "nobody knows whether",
            "run the publishing job again",
        ),
        (
            Kind::status(409),
            "nobody knows whether",
            "run the publishing job again",
        ),
        (
            Kind::Reset { done: false },
            "nobody knows whether",
            "run the publishing job again",
        ),
    ] {
        let scene = Scene::new(&[Fault::always("POST", COMMENTS, kind.clone())]);
        let error = scene.post(7).unwrap_err();
        assert!(error.to_string().contains(words), "{kind:?}: {error}");
        assert!(
            error.fix().unwrap_or_default().contains(fix),
            "{kind:?}: {:?}",
            error.fix()
        );
        assert!(!format!("{error} {error:?}").contains(TOKEN));
        assert_eq!(scene.ours(), [""; 0]);
        assert!(scene.asked("POST", COMMENTS) <= 6, "{kind:?}");
        scene.assert_sound();
        // The other half is told all the same.
        scene.check(7).unwrap();
    }
    let scene = Scene::new(&[Fault::always("GET", COMMENTS, Kind::status(502))]);
    let error = scene.post(7).unwrap_err().to_string();
    assert!(
        error.contains("after 4 tries and 7 s") || error.contains("after 4 tries and 8 s"),
        "{error}"
    );
    assert_eq!(scene.asked("GET", COMMENTS), 4);
}

#[test]
fn a_limit_that_says_when_it_ends_is_waited_for() {
    let headers = [
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "1000042"),
    ];
    let kind = Kind::Status {
        status: 403,
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        message: "API".to_owned(),
    };
    let scene = Scene::new(&[Fault::once("GET", COMMENTS, kind)]);
    scene.post(7).unwrap();
    let slept = scene.clock.0.lock().unwrap()[0].as_secs();
    assert_eq!(slept, 42);
}

#[test]
fn nobody_listens() {
    let endpoint = Endpoint::new("http://127.0.0.1:9", Duration::from_millis(400)).unwrap();
    let clock = Recorded::default();
    let client = Client::new(endpoint, TOKEN, Box::new(clock.clone())).unwrap();
    let publisher = Publisher {
        client: &client,
        repository: &Repository::new("owner/engine").unwrap(),
        author: BOT,
    };
    let content = Content::Banner("> …".to_owned());
    let error = publisher
        .post(Board::PullRequest(PULL), &marker(7), &content)
        .unwrap_err();
    assert!(
        error.to_string().contains("could not be reached"),
        "{error}"
    );
    assert_eq!(clock.0.lock().unwrap().len(), 3);
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
fn a_comment_that_is_deleted_in_between_is_written_anew() {
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
        error.fix().unwrap(),
        "publish with `--author 'other-app[bot]'`"
    );
    assert_eq!(scene.fake.world().comments.len(), 0);
}

#[test]
fn what_github_moved_is_followed_on_the_same_host_alone() {
    let moved = |to: &str| Kind::Status {
        status: 307,
        headers: vec![("location".to_owned(), to.to_owned())],
        message: "Moved".to_owned(),
    };
    let scene = Scene::new(&[]);
    let there = format!(
        "{}/api/v3/repos/owner/engine/issues/12/comments",
        scene.fake.url()
    );
    scene.fake.world().faults = vec![Fault::once("POST", COMMENTS, moved(&there))];
    scene.post(7).unwrap();
    assert_eq!(scene.ours(), [body(7)]);
    let scene = Scene::new(&[Fault::always(
        "POST",
        COMMENTS,
        moved("http://127.0.0.2:9/x"),
    )]);
    let error = scene.post(7).unwrap_err().to_string();
    assert!(error.contains("to where nobody may follow"), "{error}");
    let scene = Scene::new(&[Fault::always("GET", COMMENTS, moved(COMMENTS))]);
    assert!(scene.post(7).is_err(), "not in circles");
}

/// A check run with remarks at 120 lines.
fn annotated(ci: CiRun) -> CheckRun {
    use icgate_core::publish::check_run::judged;
    let place = Place {
        name: "icgate report",
        key: &key(),
        head_sha: &sha(),
        ci,
        url: "https://github.com/owner/engine/actions/runs/7",
    };
    judged(&super::super::command::judge::tests::regressed(120), &place)
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

#[test]
fn one_issue_is_kept_and_closed_when_there_is_nothing_left_to_tell() {
    let scene = Scene::new(&[Fault::once("POST", "/issues", Kind::Hang { done: true })]);
    let board = Board::Issues("Counts have drifted");
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
    scene.publisher().close_issue(&key()).unwrap();
    assert_eq!(scene.fake.world().issues[0].state, "closed");
    tell(9);
    assert_eq!(scene.fake.world().issues.len(), 2);
    scene.assert_sound();
}

#[test]
fn an_address_that_is_none_is_refused() {
    for bad in [
        "",
        "github.com",
        "ftp://github.com",
        "https://",
        "file:///etc/passwd",
        "https://h/?x",
    ] {
        let refused = Endpoint::new(bad, Duration::from_secs(1));
        assert!(matches!(refused, Err(GithubError::Address { .. })), "{bad}");
    }
}
