//! Publishing against a stand-in for GitHub that fails in every way we could think of. What holds
//! in each: no second comment, no lost verdict, and no more waiting than the cap.

mod checks;
mod comments;
mod faults;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use github_fake::{Comment, Fake, Fault, Kind, World};
use icgate_core::model::run::CiRun;
use icgate_core::publish::check_run::{CheckRun, Place, unjudged};
use icgate_core::publish::comment::Content;
use icgate_core::publish::marker::{Key, Marker, Sha, State};
use icgate_core::publish::pull_request::Repository;
use icgate_core::publish::retry::WAIT_MAX;

use super::client::{Client, Clock, Endpoint};
use crate::error::GithubError;

use super::{PostTarget, Published, Publisher};

const BOT: &str = "github-actions[bot]";
const TOKEN: &str = "ghs_not-to-be-seen";
const PULL: u64 = 12;
const COMMENTS: &str = "/issues/12/comments";

/// Longer than a busy machine takes to answer.
const PATIENT: Duration = Duration::from_mins(2);

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
        let hangs = |fault: &Fault| matches!(fault.kind, Kind::Hang { .. });
        // Whoever never answers costs this time; an answer of a busy machine has to come in time.
        let timeout = if world.faults.iter().any(hangs) {
            Duration::from_secs(1)
        } else {
            PATIENT
        };
        let fake = Fake::start(world);
        let clock = Recorded::default();
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
            .post(PostTarget::PullRequest(PULL), &marker, &content)
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
