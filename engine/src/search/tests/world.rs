//! An engine with two searched keyspaces on a simulated disk, and random histories of it.
//!
//! A difference is an answer and no panic, so that tests of injected bugs can insist on one.

use std::path::Path;
use std::time::Duration;

use super::scan::{listed, scan};
use crate::engine::{CommitError, Engine, Keyspace, Options};
use crate::random::SplitMix64;
use crate::search::{Query, Search};
use crate::vfs::Sim;
use crate::wal::{self, Mode};

pub(super) type Checked = Result<(), String>;

const NAMES: [&str; 2] = ["notes", "steps"];

/// Words that share beginnings, so that phrases and prefixes meet.
const WORDS: [&str; 12] = [
    "a", "ab", "abc", "b", "ba", "call", "calls", "tool", "tools", "Ü", "東京", "x_y",
];

/// Something that is done. Made of four bytes, so that both random numbers and proptest can make one,
/// and proptest can shrink it.
pub(super) type Step = [u8; 4];

pub(super) struct World {
    sim: Sim,
    pub engine: Engine,
    pub spaces: Vec<Keyspace>,
    pub search: Search,
    random: SplitMix64,
    mode: Mode,
}

fn open(sim: &Sim, mode: Mode) -> Result<(Engine, Vec<Keyspace>, Search), String> {
    let options = Options {
        log: wal::Options {
            mode,
            segment_bytes: 1 << 16,
            threads: 1,
            ..wal::Options::default()
        },
        checkpoint_bytes: None,
        checkpoint_interval: None,
        background: false,
        ..Options::default()
    };
    let opened = Engine::open_with(sim.clone(), Path::new("db"), options);
    let (engine, _) = opened.map_err(|error| error.to_string())?;
    let spaces = NAMES.iter().map(|name| engine.keyspace(name));
    let spaces: Vec<_> = spaces
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    let search = Search::over(&engine, &spaces).map_err(|error| error.to_string())?;
    Ok((engine, spaces, search))
}

fn key_of(key: u8) -> Vec<u8> {
    let word = WORDS[usize::from(key) % WORDS.len()];
    format!("run/{}/{word}", key % 24).into_bytes()
}

impl World {
    pub(super) fn new(seed: u64) -> Result<Self, String> {
        let sim = Sim::default();
        sim.advance(1000);
        let mode = match seed % 3 {
            0 => Mode::Strict,
            1 => Mode::InMemory,
            _ => Mode::Buffered {
                interval: Duration::ZERO,
                max_bytes: 700,
            },
        };
        let (engine, spaces, search) = open(&sim, mode)?;
        Ok(Self {
            sim,
            engine,
            spaces,
            search,
            random: SplitMix64::new(seed),
            mode,
        })
    }

    fn below(&mut self, bound: u64) -> usize {
        usize::try_from(self.random.below(bound)).unwrap_or(0)
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len() as u64)]
    }

    fn text(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        for _ in 0..self.below(8) {
            text.extend_from_slice(self.word().as_bytes());
            let part: [&[u8]; 6] = [b" ", b" ", b", ", b"\xff", b"\n", b""];
            text.extend_from_slice(part[self.below(6)]);
        }
        text
    }

    fn write(&mut self, key: u8, how: u8) -> Result<(), CommitError> {
        let space = self.spaces[usize::from(key) % 2].clone();
        let (key, value) = (key_of(key), self.text());
        match how % 8 {
            0 | 1 => space.delete(&key)?,
            2 => {
                let expires_us = self.engine.now_us() + u64::from(how);
                space.put_until(&key, &value, expires_us)?
            }
            _ => space.put(&key, &value)?,
        };
        Ok(())
    }

    /// Several changes at once; given up where `how` says so.
    fn transaction(&mut self, key: u8, how: u8) -> Result<(), CommitError> {
        let writes: Vec<_> = (0..how % 5)
            .map(|number| {
                let space = self.spaces[usize::from(number) % 2].clone();
                (space, key_of(key.wrapping_add(number)), self.text())
            })
            .collect();
        let done = self.engine.transaction(|tx| {
            for (space, key, value) in &writes {
                if value.is_empty() {
                    tx.delete(space, key)?;
                } else {
                    tx.put(space, key, value)?;
                }
            }
            if how > 200 {
                return Err(CommitError::abort("as planned"));
            }
            Ok(())
        });
        match done {
            Err(CommitError::Aborted(_)) | Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Does a step, and answers whether the engine was reopened.
    pub(super) fn step(&mut self, [what, key, how, more]: Step) -> Checked {
        let done = match what % 32 {
            0..=15 => self.write(key, how),
            16..=20 => self.transaction(key, how),
            21..=24 => {
                // Beside a search that is being done, so that the change is left pending.
                let search = self.search.clone();
                let reading = search.kept.read(self.engine.now_us());
                let done = self.write(key, how);
                drop(reading);
                done
            }
            25 => {
                self.sim.advance(u64::from(how % 16));
                Ok(())
            }
            26 => {
                self.sim.set_now_us(1000 + u64::from(how));
                Ok(())
            }
            27 => {
                // Sweeps what expired.
                let _ = self.engine.maintain();
                Ok(())
            }
            28 => {
                let _ = self.engine.checkpoint();
                Ok(())
            }
            29 if self.mode != Mode::InMemory => {
                self.sim = self.sim.crash(more.into());
                (self.engine, self.spaces, self.search) = open(&self.sim, self.mode)?;
                Ok(())
            }
            _ => return self.look(more),
        };
        done.map_err(|error| error.to_string())
    }

    fn query(&mut self) -> Query {
        let mut text = String::new();
        for _ in 0..=self.below(3) {
            if self.below(8) == 0 {
                text.push('-');
            }
            text.push_str(["", "", "", "", "key:", "value:"][self.below(6)]);
            if self.below(3) == 0 {
                text.push('"');
                for _ in 0..=self.below(3) {
                    text.push_str(self.word());
                    text.push(' ');
                }
                text.pop();
                text.push('"');
            } else {
                let word = self.word();
                let end = word.ceil_char_boundary(self.below(4).max(1));
                text.push_str(&word[..end]);
            }
            text.push_str(["", "", "* ", " "][self.below(4)]);
            text.push(' ');
        }
        let query = Query::parse(&text);
        let query = query.unwrap_or_else(|_| Query::parse("a*").expect("it is one"));
        let query = query.limit(self.below(12));
        let query = if self.below(3) == 0 {
            query.any()
        } else {
            query
        };
        match self.below(8) {
            0 => query.within(NAMES[self.below(2)]),
            1 => query.key_prefix(b"run/1"),
            _ => query,
        }
    }

    /// Compares what some queries find with what reading everything does.
    pub(super) fn look(&mut self, rebuilt: u8) -> Checked {
        for _ in 0..4 {
            let query = self.query();
            let found = self.search.search(&query).map_err(|it| it.to_string())?;
            let expected = scan(&self.engine, &self.spaces, &query);
            let listed = listed(&found);
            if listed != expected {
                return Err(format!(
                    "{query:?} finds {listed:?}, and a scan {expected:?}"
                ));
            }
            if rebuilt.is_multiple_of(2) {
                let rebuilt = Search::over(&self.engine, &self.spaces);
                let rebuilt = rebuilt.map_err(|it| it.to_string())?;
                let other = rebuilt.search(&query).map_err(|it| it.to_string())?;
                if other.hits != found.hits {
                    return Err(format!(
                        "{query:?} finds {:?}, and one that was built now {:?}",
                        found.hits, other.hits
                    ));
                }
                let (kept, rebuilt) = (self.search.stats(), rebuilt.stats());
                if kept.documents != rebuilt.documents {
                    return Err(format!(
                        "{kept:?} is kept in step, {rebuilt:?} was built now"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// A history of `len` random steps.
pub(super) fn harness(seed: u64, len: usize) -> Checked {
    let mut world = World::new(seed)?;
    let mut random = SplitMix64::new(seed ^ 0x5eed);
    for number in 0..len {
        let [a, b, c, d, ..] = random.next_u64().to_le_bytes();
        world
            .step([a, b, c, d])
            .map_err(|what| format!("seed {seed}, step {number}: {what}"))?;
    }
    world.look(0)
}
