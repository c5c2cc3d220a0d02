//! A Redis server for the tests: that of `REDIS_URL`, or Debian's on a free port of this machine.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The server's other address, in its own directory.
const SOCKET: &str = "socket";

/// How often it is looked whether a server is there, and for how long at the most.
const PAUSE: Duration = Duration::from_millis(10);
const PATIENT: Duration = Duration::from_mins(5);

/// A server, which ends with its last user.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) port: u16,
    child: Option<Child>,
    dir: Option<TempDir>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Server {
    /// A server of our own, with further options, and without persistence unless they say so.
    pub(crate) fn start(options: &[&str]) -> Result<Self, String> {
        let begun = Instant::now();
        loop {
            let dir = TempDir::new().map_err(|error| error.to_string())?;
            let port = free_port().map_err(|error| error.to_string())?;
            let mut server = Self {
                url: format!("redis://127.0.0.1:{port}"),
                port,
                child: None,
                dir: Some(dir),
            };
            if server.try_spawn(options, begun)? {
                return Ok(server);
            }
        }
    }

    /// Starts the process again, on the same port and in the same directory as before.
    pub(crate) fn spawn(&mut self, options: &[&str]) -> Result<(), String> {
        let begun = Instant::now();
        while !self.try_spawn(options, begun)? {
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Starts the process, and waits until it answers. Says no where it has ended by itself, since
    /// somebody else has taken the port meanwhile.
    fn try_spawn(&mut self, options: &[&str], begun: Instant) -> Result<bool, String> {
        let dir = self.dir.as_ref().expect("the server is our own");
        // The server makes this once it has its port: whoever answers there from then on is it, and
        // not a server of another test.
        let socket = dir.path().join(SOCKET);
        let _ = std::fs::remove_file(&socket);
        let mut child = Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
            .args(["--unixsocket", SOCKET])
            .args(options)
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| {
                format!("redis-server: {error}; fix: .ci/setup stores, or set REDIS_URL")
            })?;
        while !socket.exists() {
            let ended = child.try_wait().map_err(|error| error.to_string())?;
            if let Some(status) = ended {
                return late(begun, &format!("it ended with {status}")).map(|()| false);
            }
            std::thread::sleep(PAUSE);
        }
        self.child = Some(child);
        loop {
            let client = redis::Client::open(self.url.as_str()).map_err(|it| it.to_string())?;
            let answer = client
                .get_connection_with_timeout(Duration::from_secs(1))
                .and_then(|mut connection| redis::cmd("PING").query::<()>(&mut connection));
            match answer {
                Ok(()) => return Ok(true),
                // It asks for a password, so it is there.
                Err(error) if !error.is_io_error() && error.code() != Some("LOADING") => {
                    return Ok(true);
                }
                Err(error) => late(begun, &error.to_string())?,
            }
        }
    }

    /// Ends the process as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends a command past the store.
    pub(crate) fn run(&self, command: &[&str]) -> redis::RedisResult<redis::Value> {
        let client = redis::Client::open(self.url.as_str())?;
        let mut cmd = redis::cmd(command[0]);
        for part in &command[1..] {
            cmd.arg(part);
        }
        cmd.query(&mut client.get_connection()?)
    }
}

/// A port that nobody listens on, for the moment.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Waits a moment, unless there was patience enough.
fn late(begun: Instant, reason: &str) -> Result<(), String> {
    if begun.elapsed() > PATIENT {
        return Err(format!("redis-server does not start: {reason}"));
    }
    std::thread::sleep(PAUSE);
    Ok(())
}

/// The server that tests share, or why there is none.
pub(crate) fn server() -> Result<Arc<Server>, String> {
    static SHARED: OnceLock<Mutex<Weak<Server>>> = OnceLock::new();
    if let Ok(url) = std::env::var("REDIS_URL") {
        return Ok(Arc::new(Server {
            url,
            port: 0,
            child: None,
            dir: None,
        }));
    }
    let mut shared = SHARED.get_or_init(Mutex::default).lock().unwrap();
    if let Some(server) = shared.upgrade() {
        return Ok(server);
    }
    let server = Arc::new(Server::start(&[])?);
    *shared = Arc::downgrade(&server);
    Ok(server)
}
