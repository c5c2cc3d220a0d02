//! Streams of the engine beside servers: Redis Streams and NATS JetStream, on this machine's loopback.
//!
//! Every system stores the same messages of 64 bytes, in batches of 100 that are sent together and
//! acknowledged before the next, one producer, and then reads them all. The engine is a library and
//! the others are servers, so what the network costs is shown apart: the time of an empty round trip to
//! the same server, of which each batch needs at least one.
//!
//! What a batch survives once it is acknowledged, in turn:
//!
//! | | engine | Redis | NATS |
//! |---|---|---|---|
//! | the end of the process | Buffered, written | `appendfsync everysec` | files, synced every two minutes |
//! | power loss | Strict | `appendfsync always` | the packaged version has no such mode |
//!
//! The engine's Buffered mode acknowledges before the system has the bytes; that is a line of its own.
//!
//! Rounds alternate, and the best of each is printed, because the machine has other work. A server that
//! is not installed is left out, and said so: `.ci/setup streams` installs both.

#![expect(
    clippy::cast_precision_loss,
    reason = "counts and rates to print are far below what a float holds exactly"
)]

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use engine::stream::{From, Limits, NewMessage, Settings, Streams, StreamsView};
use engine::wal::{self, Lsn, Mode};
use engine::{Engine, Options};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const BODY: [u8; 64] = [b'x'; 64];
const BATCH: usize = 100;
/// Batches of a round that syncs nothing, and of one that does.
const BATCHES: [usize; 2] = [1000, 50];
const ROUNDS: usize = 5;
const PINGS: u32 = 500;

/// A system that keeps messages.
trait Peer {
    fn name(&self) -> &'static str;
    /// Stores so many batches, each acknowledged before the next.
    fn publish(&mut self, batches: usize) -> Result<()>;
    /// Reads so many messages from the first on.
    fn read(&mut self, messages: usize) -> Result<()>;
    /// An empty round trip; none of a library.
    fn ping(&mut self) -> Result<bool>;
    /// Forgets everything.
    fn reset(&mut self) -> Result<()>;
}

/// The engine in this process.
struct Library {
    streams: Streams,
    round: usize,
    /// Whether each batch is written before the next, and not only accepted.
    is_written: bool,
}

impl Library {
    fn start(dir: &Path, mode: Mode, is_written: bool) -> Result<Self> {
        let view = StreamsView::new();
        let options = Options {
            log: wal::Options {
                mode,
                ..wal::Options::default()
            },
            views: vec![view.as_view()],
            ..Options::default()
        };
        let (engine, _) = Engine::open(dir, options)?;
        let streams = Streams::open(&engine, &view)?;
        streams.create_topic("t0", 1, Settings::default())?;
        Ok(Self {
            streams,
            round: 0,
            is_written,
        })
    }

    fn topic(&self) -> String {
        format!("t{}", self.round)
    }
}

impl Peer for Library {
    fn name(&self) -> &'static str {
        if self.is_written {
            "engine"
        } else {
            "engine, accepted in its memory only"
        }
    }

    fn publish(&mut self, batches: usize) -> Result<()> {
        let mut producer = self.streams.producer(&self.topic())?;
        let messages = [NewMessage::new(&BODY); BATCH];
        for _ in 0..batches {
            let published = producer.publish_to(0, &messages)?;
            if self.is_written {
                let engine = self.streams.engine();
                engine.wait_written(Lsn(published.lsn.0 + 1))?;
            }
        }
        Ok(())
    }

    fn read(&mut self, messages: usize) -> Result<()> {
        let mut consumer = self.streams.consumer();
        consumer.assign(&self.topic(), 0, From::Earliest)?;
        let mut seen = 0;
        while seen < messages {
            let polled = consumer.poll(Limits::messages(1000))?;
            let polled = polled.first().ok_or("messages are missing")?;
            for message in &polled.messages {
                assert_eq!(message.body(), Some(&BODY[..]), "as it was published");
            }
            seen += polled.messages.len();
        }
        Ok(())
    }

    fn ping(&mut self) -> Result<bool> {
        Ok(false)
    }

    fn reset(&mut self) -> Result<()> {
        self.streams.delete_topic(&self.topic())?;
        self.round += 1;
        self.streams.create_topic(&self.topic(), 1, Settings::default())?;
        self.streams.maintain()?;
        Ok(())
    }
}

/// A server that is stopped when it is dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn connect(port: u16) -> Result<TcpStream> {
    for _ in 0..200 {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_secs(30)))?;
            return Ok(stream);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err("the server does not listen".into())
}

/// Redis Streams: `XADD` in a pipeline, `XRANGE` by thousands.
struct Redis {
    _server: Server,
    reader: BufReader<TcpStream>,
    writer: TcpStream,
}

fn command(parts: &[&[u8]], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", parts.len()).as_bytes());
    for part in parts {
        out.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
}

impl Redis {
    fn start(dir: &Path, fsync: &str) -> Result<Self> {
        let port = free_port()?;
        std::fs::create_dir_all(dir)?;
        let server = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", fsync, "--dir"])
            .arg(dir)
            .stdout(Stdio::null())
            .spawn()?;
        let server = Server(server);
        let writer = connect(port)?;
        let reader = BufReader::with_capacity(1 << 20, writer.try_clone()?);
        Ok(Self {
            _server: server,
            reader,
            writer,
        })
    }

    /// Reads a reply, and answers with how many bulk strings of a message's size it has.
    fn reply(&mut self) -> Result<usize> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        let number = line.get(1..).unwrap_or_default().trim().parse::<i64>();
        match line.as_bytes().first() {
            Some(b'+' | b':') => Ok(0),
            Some(b'$') => {
                let len = usize::try_from(number?).unwrap_or(0);
                let mut bytes = vec![0; len + 2];
                self.reader.read_exact(&mut bytes)?;
                Ok(usize::from(bytes[..len] == BODY))
            }
            Some(b'*') => (0..number?).try_fold(0, |sum, _| Ok(sum + self.reply()?)),
            _ => Err(format!("Redis says {line}").into()),
        }
    }
}

impl Peer for Redis {
    fn name(&self) -> &'static str {
        "Redis Streams"
    }

    fn publish(&mut self, batches: usize) -> Result<()> {
        let mut batch = Vec::new();
        for _ in 0..BATCH {
            command(&[b"XADD", b"t", b"*", b"b", &BODY], &mut batch);
        }
        for _ in 0..batches {
            self.writer.write_all(&batch)?;
            for _ in 0..BATCH {
                self.reply()?;
            }
        }
        Ok(())
    }

    fn read(&mut self, messages: usize) -> Result<()> {
        // `XREAD` from one identifier to the next, of which this client keeps no count: whole ranges of
        // 1,000 are as many bytes and calls.
        let mut seen = 0;
        let mut request = Vec::new();
        command(&[b"XRANGE", b"t", b"-", b"+", b"COUNT", b"1000"], &mut request);
        while seen < messages {
            self.writer.write_all(&request)?;
            let found = self.reply()?;
            if found == 0 {
                return Err("messages are missing".into());
            }
            seen += found;
        }
        Ok(())
    }

    fn ping(&mut self) -> Result<bool> {
        self.writer.write_all(b"PING\r\n")?;
        self.reply()?;
        Ok(true)
    }

    fn reset(&mut self) -> Result<()> {
        self.writer.write_all(b"FLUSHALL\r\n")?;
        self.reply()?;
        Ok(())
    }
}

/// NATS JetStream: `PUB` with a subject for the acknowledgement, and a pull consumer.
struct Nats {
    _server: Server,
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    round: usize,
}

impl Nats {
    fn start(dir: &Path) -> Result<Self> {
        let port = free_port()?;
        std::fs::create_dir_all(dir)?;
        let server = Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"])
            .arg(dir)
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let server = Server(server);
        let writer = connect(port)?;
        let reader = BufReader::with_capacity(1 << 20, writer.try_clone()?);
        let mut nats = Self {
            _server: server,
            reader,
            writer,
            round: 0,
        };
        let mut info = String::new();
        nats.reader.read_line(&mut info)?;
        nats.writer
            .write_all(b"CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB ack 1\r\n")?;
        nats.create()?;
        Ok(nats)
    }

    /// The next message for this client: how many bytes it has, and whether it is an error.
    fn message(&mut self) -> Result<(usize, String)> {
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line)? == 0 {
                return Err("NATS is gone".into());
            }
            let parts: Vec<_> = line.split_whitespace().collect();
            match parts.first().copied() {
                Some("MSG" | "HMSG") => {
                    let len: usize = parts.last().ok_or("a length")?.parse()?;
                    let mut bytes = vec![0; len + 2];
                    self.reader.read_exact(&mut bytes)?;
                    return Ok((len, String::from_utf8_lossy(&bytes[..len]).into_owned()));
                }
                Some("PING") => self.writer.write_all(b"PONG\r\n")?,
                Some("-ERR") => return Err(line.into()),
                _ => {}
            }
        }
    }

    /// Asks the server's own interface.
    fn ask(&mut self, subject: &str, json: &str) -> Result<String> {
        let len = json.len();
        write!(self.writer, "PUB {subject} ack {len}\r\n{json}\r\n")?;
        let (_, answer) = self.message()?;
        if answer.contains("\"error\"") {
            return Err(format!("NATS says {answer}").into());
        }
        Ok(answer)
    }

    fn create(&mut self) -> Result<()> {
        let stream = format!("s{}", self.round);
        let json = format!(
            "{{\"name\":\"{stream}\",\"subjects\":[\"{stream}.t\"],\"storage\":\"file\",\"retention\":\"limits\"}}"
        );
        self.ask(&format!("$JS.API.STREAM.CREATE.{stream}"), &json)?;
        Ok(())
    }
}

impl Peer for Nats {
    fn name(&self) -> &'static str {
        "NATS JetStream"
    }

    fn publish(&mut self, batches: usize) -> Result<()> {
        let mut batch = Vec::new();
        for _ in 0..BATCH {
            write!(batch, "PUB s{}.t ack {}\r\n", self.round, BODY.len())?;
            batch.extend_from_slice(&BODY);
            batch.extend_from_slice(b"\r\n");
        }
        for _ in 0..batches {
            self.writer.write_all(&batch)?;
            for _ in 0..BATCH {
                let (_, answer) = self.message()?;
                if answer.contains("\"error\"") {
                    return Err(format!("NATS says {answer}").into());
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, messages: usize) -> Result<()> {
        let stream = format!("s{}", self.round);
        let json = format!(
            "{{\"stream_name\":\"{stream}\",\"config\":{{\"durable_name\":\"c\",\"ack_policy\":\"none\",\"deliver_policy\":\"all\",\"max_waiting\":512}}}}"
        );
        self.ask(&format!("$JS.API.CONSUMER.DURABLE.CREATE.{stream}.c"), &json)?;
        let mut seen = 0;
        while seen < messages {
            let batch = (messages - seen).min(1000);
            let json = format!("{{\"batch\":{batch},\"no_wait\":true}}");
            let len = json.len();
            let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.c");
            write!(self.writer, "PUB {subject} ack {len}\r\n{json}\r\n")?;
            for _ in 0..batch {
                let (len, body) = self.message()?;
                if len != BODY.len() {
                    return Err(format!("messages are missing after {seen}: {body}").into());
                }
                seen += 1;
            }
        }
        Ok(())
    }

    fn ping(&mut self) -> Result<bool> {
        self.writer.write_all(b"PING\r\n")?;
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        Ok(line.starts_with("PONG"))
    }

    fn reset(&mut self) -> Result<()> {
        let stream = format!("s{}", self.round);
        self.ask(&format!("$JS.API.STREAM.DELETE.{stream}"), "")?;
        self.round += 1;
        self.create()
    }
}

/// The best times of a peer: a message published, a message read.
fn measure(peers: &mut [Box<dyn Peer>], batches: usize) -> Result<()> {
    let messages = batches * BATCH;
    let mut best = vec![[Duration::MAX; 2]; peers.len()];
    for _ in 0..ROUNDS {
        for (peer, best) in peers.iter_mut().zip(&mut best) {
            let begun = Instant::now();
            peer.publish(batches)?;
            best[0] = best[0].min(begun.elapsed());
            let begun = Instant::now();
            peer.read(messages)?;
            best[1] = best[1].min(begun.elapsed());
            peer.reset()?;
        }
    }
    for (peer, best) in peers.iter_mut().zip(best) {
        let each = best.map(|time| time.as_secs_f64() * 1e9 / messages as f64);
        let batch = best[0].as_secs_f64() * 1e6 / batches as f64;
        let name = peer.name();
        print!(
            "{name}: publish {:.0} ns a message ({batch:.1} µs a batch of {BATCH}), read {:.0} ns",
            each[0], each[1]
        );
        let mut round_trip = Duration::MAX;
        for _ in 0..PINGS {
            let begun = Instant::now();
            if peer.ping()? {
                round_trip = round_trip.min(begun.elapsed());
            }
        }
        if round_trip == Duration::MAX {
            println!("; no network");
        } else {
            let trip = round_trip.as_secs_f64() * 1e6;
            println!("; an empty round trip {trip:.1} µs, the rest of a batch {:.1} µs", batch - trip);
        }
    }
    Ok(())
}

/// Adds a server, or says why not.
fn add(peers: &mut Vec<Box<dyn Peer>>, name: &str, started: Result<impl Peer + 'static>) {
    match started {
        Ok(peer) => peers.push(Box::new(peer)),
        Err(error) => println!("{name} is left out: {error}"),
    }
}

fn main() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let dir = temporary.path();
    println!("{BATCH} messages of {} bytes a batch; best of {ROUNDS} rounds", BODY.len());
    println!("acknowledged once it survives the end of the process:");
    let buffered = Mode::Buffered {
        interval: Duration::from_secs(1),
        max_bytes: u64::MAX,
    };
    let mut peers: Vec<Box<dyn Peer>> = vec![
        Box::new(Library::start(&dir.join("e0"), buffered, false)?),
        Box::new(Library::start(&dir.join("e1"), buffered, true)?),
    ];
    add(&mut peers, "Redis", Redis::start(&dir.join("r1"), "everysec"));
    add(&mut peers, "NATS", Nats::start(&dir.join("n1")));
    measure(&mut peers, BATCHES[0])?;
    drop(peers);
    println!("acknowledged once it survives power loss:");
    let mut peers: Vec<Box<dyn Peer>> = vec![Box::new(Library::start(&dir.join("e2"), Mode::Strict, true)?)];
    add(&mut peers, "Redis", Redis::start(&dir.join("r2"), "always"));
    measure(&mut peers, BATCHES[1])
}
