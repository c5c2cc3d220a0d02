//! Connections to the server: how a command is sent, and when it is sent again.
//!
//! | what happens | a read | a write |
//! |---|---|---|
//! | no connection can be made | error: unreachable | error: unreachable |
//! | the connection breaks | sent once more, on a new one | sent once more, under the same token |
//! | it breaks again | error: unreachable | error: outcome unknown |
//! | no answer in time | error: time-out | error: outcome unknown |
//! | several writes in one round trip, and it breaks | – | error for each that has no answer |

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use redis::{
    Client, Cmd, Connection, ConnectionAddr, ConnectionLike, ErrorKind, IntoConnectionInfo,
    RedisError, ServerErrorKind, Value, io::tcp::TcpSettings,
};

use super::faults::{Faults, Sent};
use super::scripts;
use crate::kv::error::KvError;

/// How many connections that nobody uses are kept.
const IDLE: usize = 64;

/// The server, and connections to it.
#[derive(Debug)]
pub(super) struct Link {
    client: Client,
    idle: Mutex<Idle>,
    connections: AtomicU64,
    /// Tells this handle's tokens from those of all others.
    handle: u64,
    pub(super) faults: Faults,
}

#[derive(Debug, Default)]
struct Idle {
    connections: Vec<Line>,
    closed: bool,
}

/// A connection, and what it has sent.
struct Line {
    connection: Connection,
    number: u64,
    writes: u64,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// The name of a write. A connection has one write in flight, so the answer to its last one is all that
/// has to be kept.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) writer: String,
    pub(super) number: String,
}

impl Token {
    /// That of a write that is sent once: nothing has to be kept for it.
    pub(super) fn none() -> Self {
        Self {
            writer: String::new(),
            number: String::new(),
        }
    }
}

/// A number that nobody can guess the next one of.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

impl Link {
    pub(super) fn open(url: &str, timeout: Duration) -> Result<Self, KvError> {
        // Whatever is wrong with it, an error may not show the password in it.
        let unnamed = Faults {
            place: "redis:".to_owned(),
            timeout,
        };
        let refused = |error| unnamed.of(error, Sent::Nothing);
        let info = url.into_connection_info().map_err(refused)?;
        let place = match info.addr() {
            ConnectionAddr::Unix(path) => format!("redis+unix://{}", path.display()),
            addr => format!("redis://{addr}/{}", info.redis_settings().db()),
        };
        // Small commands would wait for each other otherwise.
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        Ok(Self {
            client: Client::open(info).map_err(refused)?,
            idle: Mutex::default(),
            connections: AtomicU64::new(0),
            handle: random(),
            faults: Faults { place, timeout },
        })
    }

    pub(super) fn close(&self) {
        let mut idle = self.idle.lock();
        idle.closed = true;
        idle.connections.clear();
    }

    /// A connection that is idle, or a new one.
    fn take(&self) -> Result<Line, KvError> {
        let mut idle = self.idle.lock();
        if idle.closed {
            return Err(self.faults.closed());
        }
        if let Some(line) = idle.connections.pop() {
            return Ok(line);
        }
        drop(idle);
        let connect = || -> Result<Connection, RedisError> {
            let timeout = self.faults.timeout;
            let mut connection = self.client.get_connection_with_timeout(timeout)?;
            connection.set_read_timeout(Some(timeout))?;
            connection.set_write_timeout(Some(timeout))?;
            load(&mut connection)?;
            Ok(connection)
        };
        let connection = connect().map_err(|error| self.unreachable(error))?;
        Ok(Line {
            connection,
            number: self.connections.fetch_add(1, Ordering::Relaxed),
            writes: 0,
        })
    }

    /// No connection could be made, so nothing was sent.
    fn unreachable(&self, error: RedisError) -> KvError {
        if error.kind() == ErrorKind::AuthenticationFailed {
            return KvError::Refused {
                place: self.faults.place.clone(),
                cause: Box::new(error),
            };
        }
        match self.faults.of(error, Sent::Nothing) {
            KvError::Timeout { place, waited } => KvError::Unreachable {
                place,
                cause: format!("no answer within {} ms", waited.as_millis()).into(),
            },
            other => other,
        }
    }

    fn give_back(&self, line: Line) {
        let mut idle = self.idle.lock();
        if !idle.closed && idle.connections.len() < IDLE {
            idle.connections.push(line);
        }
    }

    /// One connection broke: the others are as old, and may have broken with the server.
    fn forget_idle(&self) {
        self.idle.lock().connections.clear();
    }

    /// Sends what can be sent twice.
    pub(super) fn read_one(&self, command: &Cmd) -> Result<Value, KvError> {
        let mut answers = self.read_many(std::slice::from_ref(command))?;
        let answer = answers.pop().unwrap_or(Value::Nil).extract_error();
        answer.map_err(|error| self.faults.of(error, Sent::Nothing))
    }

    /// Sends several that can be sent twice in one round trip, and answers as the server did.
    pub(super) fn read_many(&self, commands: &[Cmd]) -> Result<Vec<Value>, KvError> {
        let packed: Vec<u8> = commands.iter().flat_map(Cmd::get_packed_command).collect();
        let mut again = true;
        loop {
            let mut line = self.take()?;
            let mut answers = Vec::with_capacity(commands.len());
            match exchange(&mut line.connection, &packed, commands.len(), &mut answers) {
                Ok(()) if again && answers.iter().any(is_no_script) => {
                    let loaded = load(&mut line.connection);
                    loaded.map_err(|error| self.faults.of(error, Sent::Nothing))?;
                }
                Ok(()) => {
                    self.give_back(line);
                    return Ok(answers);
                }
                Err(error) if again && error.is_connection_dropped() => self.forget_idle(),
                Err(error) => return Err(self.faults.of(error, Sent::Nothing)),
            }
            again = false;
        }
    }

    /// Sends a write, whose token `command` puts into it.
    pub(super) fn write_one(
        &self,
        command: impl FnOnce(&Token) -> Result<Cmd, KvError>,
    ) -> Result<Value, KvError> {
        let mut line = self.take()?;
        let packed = match command(&self.token(&mut line)) {
            Ok(command) => command.get_packed_command(),
            Err(error) => {
                self.give_back(line);
                return Err(error);
            }
        };
        let unknown = |cause| KvError::OutcomeUnknown {
            place: self.faults.place.clone(),
            cause,
        };
        // Whether an earlier attempt may have been applied without an answer.
        let mut lost = false;
        let mut loads = 1;
        loop {
            let mut answers = Vec::with_capacity(1);
            match exchange(&mut line.connection, &packed, 1, &mut answers) {
                Ok(()) => {}
                Err(error) if !lost && error.is_connection_dropped() => {
                    lost = true;
                    self.forget_idle();
                    line = self.take().map_err(|error| unknown(Box::new(error)))?;
                    continue;
                }
                Err(error) => return Err(self.faults.of(error, Sent::Write)),
            }
            let answer = answers.pop().unwrap_or(Value::Nil);
            if is_no_script(&answer) && loads > 0 {
                loads -= 1;
                load(&mut line.connection).map_err(|error| {
                    let sent = if lost { Sent::Write } else { Sent::Nothing };
                    self.faults.of(error, sent)
                })?;
                continue;
            }
            self.give_back(line);
            return answer.extract_error().map_err(|error| {
                if lost {
                    unknown(Box::new(error))
                } else {
                    self.faults.of(error, Sent::Nothing)
                }
            });
        }
    }

    /// Sends several writes in one round trip, and answers for each. They are sent once.
    pub(super) fn write_many(&self, commands: &[Cmd]) -> Vec<Result<Value, KvError>> {
        let mut results = Vec::with_capacity(commands.len());
        // Once more for those that met a server that had forgotten the script, which are the last.
        for reload in [false, true] {
            if results.len() == commands.len() {
                break;
            }
            match self.live_line(reload) {
                Ok(line) => self.try_write_many(line, commands, &mut results),
                Err(error) => self.not_sent(error, commands.len(), &mut results),
            }
            let forgotten =
                |it: &Result<Value, KvError>| matches!(it, Ok(answer) if is_no_script(answer));
            let Some(first) = results.iter().position(forgotten) else {
                break;
            };
            if !reload {
                results.truncate(first);
            }
        }
        let error = |answer: Value| {
            let answer = answer.extract_error();
            answer.map_err(|error| self.faults.of(error, Sent::Nothing))
        };
        results.into_iter().map(|it| it.and_then(error)).collect()
    }

    /// A connection that answers: what is sent once should not meet one that broke while it was idle.
    fn live_line(&self, reload: bool) -> Result<Line, KvError> {
        let mut line = self.take()?;
        if !line.connection.check_connection() {
            self.forget_idle();
            line = self.take()?;
        }
        if reload {
            load(&mut line.connection).map_err(|error| self.faults.of(error, Sent::Nothing))?;
        }
        Ok(line)
    }

    /// Of all writes that have no result yet, says that they were not sent.
    fn not_sent(&self, error: KvError, count: usize, results: &mut Vec<Result<Value, KvError>>) {
        let is_closed = matches!(error, KvError::Closed { .. });
        results.push(Err(error));
        results.resize_with(count, || {
            Err(if is_closed {
                self.faults.closed()
            } else {
                KvError::Unreachable {
                    place: self.faults.place.clone(),
                    cause: "no connection for the writes before it".into(),
                }
            })
        });
    }

    /// Sends the writes after those that have a result.
    fn try_write_many(
        &self,
        mut line: Line,
        commands: &[Cmd],
        results: &mut Vec<Result<Value, KvError>>,
    ) {
        let rest = &commands[results.len()..];
        let packed: Vec<u8> = rest.iter().flat_map(Cmd::get_packed_command).collect();
        let mut answers = Vec::with_capacity(rest.len());
        let exchanged = exchange(&mut line.connection, &packed, rest.len(), &mut answers);
        results.extend(answers.into_iter().map(Ok));
        match exchanged {
            Ok(()) => self.give_back(line),
            Err(error) => {
                self.forget_idle();
                results.push(Err(self.faults.of(error, Sent::Write)));
                results.resize_with(commands.len(), || {
                    Err(KvError::OutcomeUnknown {
                        place: self.faults.place.clone(),
                        cause: "an earlier write on the connection had no answer".into(),
                    })
                });
            }
        }
    }

    fn token(&self, line: &mut Line) -> Token {
        line.writes += 1;
        Token {
            writer: format!("{:016x}.{}", self.handle, line.number),
            number: line.writes.to_string(),
        }
    }
}

/// Gives the server the scripts. It forgets them when it restarts.
fn load(connection: &mut Connection) -> Result<(), RedisError> {
    scripts::WRITE.load(connection)?;
    scripts::PURGE.load(connection)?;
    Ok(())
}

fn is_no_script(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if error.kind() == Some(ServerErrorKind::NoScript))
}

/// Sends commands and takes their answers, up to the first that does not come: after that one, the
/// connection is of no use, and waiting for the others would take as long for each.
fn exchange(
    connection: &mut Connection,
    packed: &[u8],
    count: usize,
    answers: &mut Vec<Value>,
) -> Result<(), RedisError> {
    if count > 0 {
        connection.send_packed_command(packed)?;
    }
    for _ in 0..count {
        answers.push(connection.recv_response()?);
    }
    Ok(())
}
