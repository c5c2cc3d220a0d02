//! What goes wrong on the way, once or for good.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use github_fake::{Fault, Kind, World};
use icgate_core::publish::comment::Content;
use icgate_core::publish::pull_request::Repository;

use super::super::client::{Client, Endpoint};
use super::super::{PostTarget, Publisher};
use super::{BOT, COMMENTS, PATIENT, PULL, Recorded, Scene, TOKEN, body, comment, marker};
use crate::error::GithubError;

fn limited(status: u16, after: Option<&str>, message: &str) -> Kind {
    let header = after.map(|after| ("retry-after".to_owned(), after.to_owned()));
    Kind::Status {
        status,
        headers: header.into_iter().collect(),
        message: message.to_owned(),
    }
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
            "no response to",
            "run the publishing job again",
        ),
        (
            Kind::status(409),
            "no response to",
            "run the publishing job again",
        ),
        (
            Kind::Reset { done: false },
            "no response to",
            "run the publishing job again",
        ),
    ] {
        let scene = Scene::new(&[Fault::always("POST", COMMENTS, kind.clone())]);
        let error = scene.post(7).unwrap_err();
        assert!(error.to_string().contains(words), "{kind:?}: {error}");
        assert!(
            crate::error::fix(&error).unwrap_or_default().contains(fix),
            "{kind:?}: {:?}",
            crate::error::fix(&error)
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
    // The near end of a connection has a port that nobody listens on, and nobody else can take.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let nobody = format!("http://{}", taken.local_addr().unwrap());
    let endpoint = Endpoint::new(&nobody, PATIENT).unwrap();
    let clock = Recorded::default();
    let client = Client::new(endpoint, TOKEN, Box::new(clock.clone())).unwrap();
    let publisher = Publisher {
        client: &client,
        repository: &Repository::new("owner/engine").unwrap(),
        author: BOT,
    };
    let content = Content::Banner("> …".to_owned());
    let error = publisher
        .post(PostTarget::PullRequest(PULL), &marker(7), &content)
        .unwrap_err();
    assert!(
        error.to_string().contains("could not be reached"),
        "{error}"
    );
    assert_eq!(clock.0.lock().unwrap().len(), 3);
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
    assert!(error.contains("redirects to another host"), "{error}");
    let scene = Scene::new(&[Fault::always("GET", COMMENTS, moved(COMMENTS))]);
    assert!(scene.post(7).is_err(), "not in circles");
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
