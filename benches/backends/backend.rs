//! The backends that are measured, each an empty store of its own.

use std::error::Error;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use engine::kv::{self, KeyValueStore};
use tempfile::TempDir;

/// A store, and how it is called in the table.
pub(crate) struct Backend {
    pub(crate) name: &'static str,
    pub(crate) store: Box<dyn KeyValueStore>,
}

/// All of them, and what has to live as long.
pub(crate) struct Backends {
    pub(crate) stores: Vec<Backend>,
    /// What could not be had, and why.
    pub(crate) skipped: Vec<String>,
    _server: Option<Server>,
    _dir: TempDir,
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn all() -> Result<Backends, Box<dyn Error>> {
    let base = std::env::var_os("BACKENDS_DIR").map_or_else(std::env::temp_dir, Into::into);
    let dir = tempfile::tempdir_in(base)?;
    let path = dir.path().display();
    let only = std::env::var("BACKENDS_ONLY").unwrap_or_default();
    let mut urls = vec![
        ("memory", "memory:".to_owned()),
        ("engine memory", "engine:?mode=memory".to_owned()),
        (
            "engine buffered",
            format!("engine:{path}/buffered?mode=buffered"),
        ),
        ("engine strict", format!("engine:{path}/strict")),
        ("sqlite normal", format!("sqlite:{path}/normal.db")),
        (
            "sqlite full",
            format!("sqlite:{path}/full.db?synchronous=full"),
        ),
    ];
    let mut skipped = Vec::new();
    let mut server = None;
    if "redis".contains(&only) {
        match redis(dir.path()) {
            Ok((url, started)) => {
                urls.push((
                    "redis",
                    format!("{url}?namespace=bench-{}", std::process::id()),
                ));
                server = started;
            }
            Err(reason) => skipped.push(format!("redis: {reason}")),
        }
    }
    let mut stores = Vec::new();
    for (name, url) in urls {
        if name.contains(&only) {
            let store = kv::open(&url)?;
            store.clear()?;
            stores.push(Backend { name, store });
        }
    }
    Ok(Backends {
        stores,
        skipped,
        _server: server,
        _dir: dir,
    })
}

/// The server of `REDIS_URL`, or one of our own.
fn redis(dir: &std::path::Path) -> Result<(String, Option<Server>), Box<dyn Error>> {
    if let Ok(url) = std::env::var("REDIS_URL") {
        return Ok((url, None));
    }
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no"])
        .current_dir(dir)
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("redis-server: {error}; fix: .ci/setup stores"))?;
    let server = Server(child);
    let url = format!("redis://127.0.0.1:{port}");
    let begun = Instant::now();
    while let Err(error) = kv::open(&url) {
        if begun.elapsed() > Duration::from_secs(20) {
            return Err(error.into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok((url, Some(server)))
}
