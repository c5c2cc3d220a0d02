//! A door between store and server that loses answers, delays them, or shuts.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the door does.
#[derive(Default)]
struct State {
    open: Mutex<Vec<TcpStream>>,
    /// How many answers are passed on before any is lost.
    kept: AtomicUsize,
    /// How many answers are still to be lost, each with its connection.
    lost: AtomicUsize,
    /// How many bytes of the next answer are passed on before it is lost.
    passed: AtomicUsize,
    delay_ms: AtomicU64,
    shut: AtomicBool,
    ended: AtomicBool,
}

pub(crate) struct Proxy {
    pub(crate) url: String,
    port: u16,
    state: Arc<State>,
}

impl Proxy {
    pub(crate) fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if shared.ended.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(client) = client else { continue };
                if shared.shut.load(Ordering::SeqCst) {
                    continue;
                }
                if let Ok(server) = TcpStream::connect(("127.0.0.1", server)) {
                    join(client, server, &shared);
                }
            }
        });
        Self {
            url: format!("redis://127.0.0.1:{port}"),
            port,
            state,
        }
    }

    /// Loses the next answers, after `passed` bytes of the first of them.
    pub(crate) fn lose_answers(&self, count: usize, passed: usize) {
        self.state.passed.store(passed, Ordering::SeqCst);
        self.state.lost.store(count, Ordering::SeqCst);
    }

    /// Loses an answer after `kept` others.
    pub(crate) fn lose_answer_after(&self, kept: usize, passed: usize) {
        self.state.kept.store(kept, Ordering::SeqCst);
        self.lose_answers(1, passed);
    }

    pub(crate) fn delay(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).unwrap();
        self.state.delay_ms.store(millis, Ordering::SeqCst);
    }

    /// Breaks all connections.
    pub(crate) fn cut(&self) {
        for stream in self.state.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Breaks all connections, and further ones as soon as they are made.
    pub(crate) fn shut(&self, shut: bool) {
        self.state.shut.store(shut, Ordering::SeqCst);
        if shut {
            self.cut();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        self.cut();
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn join(client: TcpStream, server: TcpStream, state: &Arc<State>) {
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
        let stream = stream.try_clone().unwrap();
        state.open.lock().unwrap().push(stream);
    }
    let (mut from_client, mut to_server) =
        (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    let state = Arc::clone(state);
    std::thread::spawn(move || {
        let (mut server, mut client) = (server, client);
        let mut buffer = vec![0; 1 << 16];
        while let Ok(len @ 1..) = server.read(&mut buffer) {
            std::thread::sleep(Duration::from_millis(state.delay_ms.load(Ordering::SeqCst)));
            let lose = |left: usize| left.checked_sub(1);
            let order = Ordering::SeqCst;
            let is_kept = state.kept.fetch_update(order, order, lose).is_ok();
            let is_lost = !is_kept && state.lost.fetch_update(order, order, lose).is_ok();
            let passed = if is_lost {
                state.passed.swap(0, order).min(len)
            } else {
                len
            };
            if client.write_all(&buffer[..passed]).is_err() || is_lost {
                break;
            }
        }
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    });
}
