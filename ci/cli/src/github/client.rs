//! One request at a time, repeated by the core's table, with octocrab as transport.

use std::cell::Cell;
use std::error::Error;
use std::future::Future;
use std::time::{Duration, SystemTime};

use http::header::{ACCEPT, HeaderMap, LINK, LOCATION, RETRY_AFTER};
use http::{Method, Uri};
use http_body_util::{BodyExt as _, Limited};
use icgate_core::publish::pull_request::Triggering;
use icgate_core::publish::retry::{Answer, Repeat, Step, step};
use octocrab::Octocrab;
use serde_json::Value;

use crate::error::GithubError;

/// The most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 32 << 20;
/// The most characters of GitHub's own words in a message.
const WORDS_MAX: usize = 300;
/// GitHub asks for a second between writes.
const BETWEEN_WRITES: Duration = Duration::from_secs(1);

/// Where time comes from, so that tests do not have to spend it.
pub(crate) trait Clock {
    /// Lets time pass.
    fn sleep(&self, pause: Duration);
    /// Seconds since 1970.
    fn now(&self) -> u64;
}

/// The machine's clock.
#[derive(Debug)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn sleep(&self, pause: Duration) {
        std::thread::sleep(pause);
    }

    fn now(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs())
    }
}

/// Where GitHub's interfaces are, and how long one request may take.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    rest: Uri,
    /// All of the other interface's address but its last part.
    graphql: Uri,
    timeout: Duration,
}

impl Endpoint {
    /// That of `GITHUB_API_URL`, which GitHub sets to its own address on github.com and on an
    /// Enterprise Server alike.
    pub(crate) fn from_environment() -> Result<Self, GithubError> {
        let api = variable("GITHUB_API_URL").unwrap_or("https://api.github.com".to_owned());
        Self::new(&api, Duration::from_secs(30))
    }

    pub(crate) fn new(api: &str, timeout: Duration) -> Result<Self, GithubError> {
        let api = api.trim_end_matches('/');
        let address = |text: &str| {
            let uri: Option<Uri> = text.parse().ok();
            let uri = uri.filter(|it| it.host().is_some() && it.query().is_none());
            uri.filter(|it| matches!(it.scheme_str(), Some("https" | "http")))
                .ok_or_else(|| GithubError::Address {
                    name: "GITHUB_API_URL",
                    value: text.to_owned(),
                })
        };
        // `https://host/api/v3` has the other interface at `https://host/api/graphql`.
        let graphql = api.strip_suffix("/v3").unwrap_or(api);
        Ok(Self {
            rest: address(api)?,
            graphql: address(graphql)?,
            timeout,
        })
    }
}

/// The path of something in the repository of the pull request's base.
pub(super) fn repository_path(triggering: &Triggering, rest: &str) -> String {
    format!("/repos/{}{rest}", triggering.base.as_str())
}

pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Talks to GitHub. Has no `Debug`: it holds the token.
pub(crate) struct Client {
    rest: Octocrab,
    graphql: Octocrab,
    endpoint: Endpoint,
    runtime: tokio::runtime::Runtime,
    clock: Box<dyn Clock>,
    waited: Cell<Duration>,
    has_written: Cell<bool>,
}

/// What to ask.
#[derive(Debug, Clone)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    /// Below the interface's address, with the query.
    pub(crate) path: &'a str,
    pub(crate) body: Option<&'a Value>,
    /// The form of the answer, where it is not JSON.
    pub(crate) accept: Option<&'static str>,
    pub(crate) repeat: Repeat,
}

impl<'a> Request<'a> {
    pub(crate) const fn get(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            body: None,
            accept: None,
            repeat: Repeat::Freely,
        }
    }

    pub(crate) const fn write(
        method: Method,
        path: &'a str,
        body: &'a Value,
        repeat: Repeat,
    ) -> Self {
        Self {
            method,
            path,
            body: Some(body),
            accept: None,
            repeat,
        }
    }

    /// As messages show it; without the query, which may hold a branch's name.
    fn name(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{} {path}", self.method)
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Whether there is a further page.
    pub(crate) has_next: bool,
    pub(crate) text: String,
}

/// A reply that is not yet known to be one.
struct Raw {
    status: u16,
    headers: HeaderMap,
    text: String,
}

enum Failed {
    NotSent(String),
    Lost(String),
}

impl Client {
    /// A client that is ready to ask; the token comes from the environment alone.
    pub(crate) fn from_environment() -> Result<Self, GithubError> {
        let token = variable("GITHUB_TOKEN").ok_or(GithubError::NoToken)?;
        Self::new(Endpoint::from_environment()?, &token, Box::new(SystemClock))
    }

    pub(crate) fn new(
        endpoint: Endpoint,
        token: &str,
        clock: Box<dyn Clock>,
    ) -> Result<Self, GithubError> {
        let setup = |what: String| GithubError::Setup { what };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| setup(error.to_string()))?;
        let transport = |address: &Uri| {
            // octocrab starts a task, and needs a runtime to do so.
            let _inside = runtime.enter();
            Octocrab::builder()
                .base_uri(address.clone())
                .map_err(|error| setup(words_of(&error)))?
                .personal_token(token)
                .set_connect_timeout(Some(Duration::from_secs(10)))
                .build()
                .map_err(|error| setup(words_of(&error)))
        };
        Ok(Self {
            rest: transport(&endpoint.rest)?,
            graphql: transport(&endpoint.graphql)?,
            endpoint,
            runtime,
            clock,
            waited: Cell::new(Duration::ZERO),
            has_written: Cell::new(false),
        })
    }

    /// Asks, and asks again as long as the table says so.
    pub(crate) fn ask(&self, request: &Request<'_>) -> Result<Reply, GithubError> {
        self.keep_distance(request);
        let mut path = request.path.to_owned();
        let mut tries = 0;
        loop {
            tries += 1;
            let answered = self.send(&self.rest, request, &path);
            let (answer, last) = self.classified(&answered);
            let next = step(
                answer,
                request.repeat,
                tries,
                self.waited.get(),
                self.jitter(),
            );
            match (next, answered) {
                (Step::Done, Ok(raw)) => {
                    return Ok(Reply {
                        has_next: has_next(&raw.headers),
                        text: raw.text,
                    });
                }
                (Step::Follow, Ok(raw)) => path = self.moved_to(&raw, request)?,
                (Step::Again(pause), _) => self.wait(pause),
                (Step::Look(pause), _) => {
                    self.wait(pause);
                    let request = request.name();
                    return Err(GithubError::Doubtful { request, last });
                }
                (_, Ok(raw))
                    if (300..500).contains(&raw.status) && !matches!(raw.status, 429 | 409) =>
                {
                    return Err(GithubError::Refused {
                        request: request.name(),
                        status: raw.status,
                        message: message(&raw.text),
                    });
                }
                _ => {
                    return Err(GithubError::Unavailable {
                        request: request.name(),
                        tries,
                        waited: self.waited.get().as_secs(),
                        last,
                    });
                }
            }
        }
    }

    /// Asks for all pages of a list; `path` has a query already.
    pub(crate) fn pages(&self, path: &str, pages_max: u32) -> Result<Vec<String>, GithubError> {
        let mut texts = Vec::new();
        for page in 1..=pages_max {
            let reply = self.ask(&Request::get(&format!("{path}&page={page}")))?;
            texts.push(reply.text);
            if !reply.has_next {
                break;
            }
        }
        Ok(texts)
    }

    /// Hides a comment as outdated; only GitHub's other interface can. Whether it worked: hiding is
    /// an ornament, and nothing waits for it.
    pub(crate) fn hide(&self, node: &str) -> bool {
        let body = serde_json::json!({
            "query": "mutation($id: ID!) { minimizeComment(input: {subjectId: $id, classifier: OUTDATED}) { clientMutationId } }",
            "variables": { "id": node },
        });
        let request = Request::write(Method::POST, "/graphql", &body, Repeat::Freely);
        self.keep_distance(&request);
        self.send(&self.graphql, &request, request.path)
            .is_ok_and(|raw| raw.status == 200 && !raw.text.contains("\"errors\""))
    }

    fn send(&self, octocrab: &Octocrab, request: &Request<'_>, path: &str) -> Result<Raw, Failed> {
        let sent = async {
            let mut builder = http::Request::builder()
                .method(request.method.clone())
                .uri(path);
            if let Some(accept) = request.accept {
                builder = builder.header(ACCEPT, accept);
            }
            let request = octocrab
                .build_request(builder, request.body)
                .map_err(|error| Failed::NotSent(words_of(&error)))?;
            let response = octocrab.execute(request).await.map_err(|error| {
                if never_sent(&error) {
                    Failed::NotSent(words_of(&error))
                } else {
                    Failed::Lost(words_of(&error))
                }
            })?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let bytes = body
                .map_err(|error| Failed::Lost(error.to_string()))?
                .to_bytes();
            Ok(Raw {
                status: parts.status.as_u16(),
                headers: parts.headers,
                text: String::from_utf8_lossy(&bytes).into_owned(),
            })
        };
        self.within(sent)
    }

    fn within(&self, sent: impl Future<Output = Result<Raw, Failed>>) -> Result<Raw, Failed> {
        let limit = self.endpoint.timeout;
        self.runtime.block_on(async {
            tokio::time::timeout(limit, sent).await.unwrap_or_else(|_| {
                Err(Failed::Lost(format!(
                    "no answer within {} s",
                    limit.as_secs()
                )))
            })
        })
    }

    /// An answer as the table asks for it, and in words.
    fn classified(&self, answered: &Result<Raw, Failed>) -> (Answer, String) {
        match answered {
            Err(Failed::NotSent(what)) => (Answer::NotSent, what.clone()),
            Err(Failed::Lost(what)) => (Answer::Lost, what.clone()),
            Ok(raw) => {
                let number = |name: &str| -> Option<u64> {
                    raw.headers.get(name)?.to_str().ok()?.trim().parse().ok()
                };
                let exhausted = number("x-ratelimit-remaining") == Some(0);
                let reset = number("x-ratelimit-reset").filter(|_| exhausted);
                let until_reset = reset.map(|reset| reset.saturating_sub(self.clock.now()));
                let asked = number(RETRY_AFTER.as_str()).or(until_reset);
                let said = message(&raw.text).to_lowercase();
                let answer = Answer::Status {
                    status: raw.status,
                    limited: exhausted
                        || asked.is_some()
                        || said.contains("rate limit")
                        || said.contains("abuse detection"),
                    pause: asked.map(Duration::from_secs),
                };
                (answer, format!("{} {}", raw.status, message(&raw.text)))
            }
        }
    }

    /// Where a request goes on; never to another host, which would see what we send.
    fn moved_to(&self, raw: &Raw, request: &Request<'_>) -> Result<String, GithubError> {
        let place = raw.headers.get(LOCATION).and_then(|it| it.to_str().ok());
        let uri: Option<Uri> = place.and_then(|it| it.parse().ok());
        let here = self.endpoint.rest.authority();
        let path = uri
            .filter(|it| it.authority().is_none() || it.authority() == here)
            .and_then(|it| Some(it.path_and_query()?.as_str().to_owned()));
        let prefix = self.endpoint.rest.path().trim_end_matches('/');
        path.map(|path| {
            path.strip_prefix(prefix)
                .map_or(path.clone(), str::to_owned)
        })
        .ok_or_else(|| GithubError::Answer {
            request: request.name(),
            what: "it redirects to another host, which icgate does not follow".to_owned(),
        })
    }

    fn wait(&self, pause: Duration) {
        self.clock.sleep(pause);
        self.waited.set(self.waited.get().saturating_add(pause));
    }

    /// Keeps a second between writes. It is not among what failures may make us wait.
    fn keep_distance(&self, request: &Request<'_>) {
        if request.method != Method::GET && self.has_written.replace(true) {
            self.clock.sleep(BETWEEN_WRITES);
        }
    }

    /// Under half a second, and another one in each process.
    fn jitter(&self) -> Duration {
        use std::hash::{BuildHasher as _, RandomState};
        let random = RandomState::new().hash_one(self.waited.get());
        Duration::from_millis(random % 500)
    }
}

fn has_next(headers: &HeaderMap) -> bool {
    let links = headers.get(LINK).and_then(|it| it.to_str().ok());
    links.is_some_and(|links| links.contains("rel=\"next\""))
}

/// GitHub's own words for what is wrong, in one line.
fn message(text: &str) -> String {
    let json: Option<Value> = serde_json::from_str(text).ok();
    let said = json.as_ref().and_then(|it| it.get("message")?.as_str());
    let said = said.unwrap_or_else(|| text.lines().next().unwrap_or_default());
    let said: String = said.chars().take(WORDS_MAX).collect();
    // A runner would obey `##[…]` wherever it stands in a line.
    said.escape_debug().to_string().replace("##[", "## [")
}

/// The innermost cause in words: the outer ones say little (octocrab's own says just `GitHub`).
fn words_of(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Whether no connection was made, so that nothing can have been done.
fn never_sent(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            return error.is_connect();
        }
        cause = error.source();
    }
    false
}
