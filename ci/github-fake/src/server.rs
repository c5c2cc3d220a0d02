//! The server: one thread, loopback only, until it is dropped.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::fault::Kind;
use crate::world::{Answer, Asked, Logged, World};

/// Longer than anybody waits who asks this server.
const HANG: Duration = Duration::from_mins(10);

/// A running fake.
#[derive(Debug)]
pub struct Fake {
    address: SocketAddr,
    world: Arc<Mutex<World>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Why there is no answer.
#[derive(Debug)]
struct NoAnswer;

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no answer, as asked for")
    }
}

impl std::error::Error for NoAnswer {}

impl Fake {
    /// Starts a fake that knows `world`, on a port of its own.
    ///
    /// # Panics
    ///
    /// If there is no port to be had.
    #[must_use]
    pub fn start(world: World) -> Self {
        Self::start_at(world, 0)
    }

    /// The same on a given port.
    ///
    /// # Panics
    ///
    /// If the port is not to be had.
    #[must_use]
    pub fn start_at(world: World, port: u16) -> Self {
        let world = Arc::new(Mutex::new(world));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime starts");
        let listener = runtime
            .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, port)))
            .expect("the port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&world);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, shared) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            world,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// What `GITHUB_API_URL` has to be.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it knows by now.
    pub fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    /// Waits until it is asked to stop, by `POST /_stop`.
    pub fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, world: Arc<Mutex<World>>) {
    let (stop, mut stopped) = tokio::sync::mpsc::channel::<()>(1);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.recv() => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        let (world, stop) = (Arc::clone(&world), stop.clone());
        let service = service_fn(move |request| serve(request, Arc::clone(&world), stop.clone()));
        let connection = hyper::server::conn::http1::Builder::new();
        tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
    }
}

async fn serve(
    request: Request<Incoming>,
    world: Arc<Mutex<World>>,
    stop: tokio::sync::mpsc::Sender<()>,
) -> Result<Response<Full<Bytes>>, NoAnswer> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| NoAnswer)?.to_bytes();
    match parts.uri.path() {
        "/_world" => {
            return Ok(plain(
                &serde_json::to_string(&*lock(&world)).unwrap_or_default(),
            ));
        }
        "/_stop" => {
            let _ = stop.send(()).await;
            return Ok(plain("stopped"));
        }
        _ => {}
    }
    let header = |name: &str| {
        let value = parts.headers.get(name).and_then(|it| it.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let asked = Asked {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: query(parts.uri.query().unwrap_or_default()),
        accept: &header("accept"),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    };
    let (answer, fate) = decide(&world, &asked, &header("authorization"));
    match fate {
        Fate::Answer => Ok(response(answer)),
        Fate::Reset => Err(NoAnswer),
        Fate::Hang => {
            tokio::time::sleep(HANG).await;
            Err(NoAnswer)
        }
    }
}

enum Fate {
    Answer,
    Reset,
    Hang,
}

fn decide(world: &Mutex<World>, asked: &Asked<'_>, authorization: &str) -> (Answer, Fate) {
    let mut world = lock(world);
    world.log.push(Logged {
        method: asked.method.to_owned(),
        path: asked.path.to_owned(),
        body: asked.body.clone(),
    });
    let allowed = world.token.is_empty() || authorization == format!("Bearer {}", world.token);
    if !allowed {
        return (Answer::refused(401, "Bad credentials"), Fate::Answer);
    }
    let fault = world.faults.iter_mut().find_map(|fault| {
        let strikes = fault.strikes(asked.method, asked.path);
        strikes.then(|| fault.kind.clone())
    });
    let none = || Answer::refused(500, "no answer");
    match fault {
        None => (world.answer(asked), Fate::Answer),
        Some(Kind::Meanwhile(what)) => {
            world.meanwhile(what);
            (world.answer(asked), Fate::Answer)
        }
        Some(Kind::Status {
            status,
            headers,
            message,
        }) => {
            let mut answer = Answer::refused(status, &message);
            answer.headers = headers;
            (answer, Fate::Answer)
        }
        Some(Kind::Reset { done }) => {
            let answer = if done { world.answer(asked) } else { none() };
            (answer, Fate::Reset)
        }
        Some(Kind::Hang { done }) => {
            let answer = if done { world.answer(asked) } else { none() };
            (answer, Fate::Hang)
        }
    }
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::builder()
        .status(answer.status)
        .header("content-type", answer.form);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response
        .body(Full::new(Bytes::from(answer.text)))
        .unwrap_or_default()
}

fn plain(text: &str) -> Response<Full<Bytes>> {
    Response::new(Full::new(Bytes::from(text.to_owned())))
}

fn query(text: &str) -> BTreeMap<String, String> {
    let pair = |pair: &str| -> Result<(String, String), Infallible> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((name.to_owned(), decoded(value)))
    };
    text.split('&').flat_map(pair).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        let escaped = more.get(..2).and_then(|it| std::str::from_utf8(it).ok());
        match escaped.and_then(|it| u8::from_str_radix(it, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &more[2..];
            }
            _ => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
