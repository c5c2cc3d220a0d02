//! On disk: the same puts and gets at an equal durability.
//!
//! *Buffered*: a put returns before it is durable. redb: durability `None` in a transaction of its
//! own; fjall: its journal, not synced; sled: flushed every 100 ms, as the engine. *Strict*: a put
//! returns once it is durable.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use engine::engine::Keyspace;
use engine::wal::Mode;
use engine::{Engine, Options};
use redb::{Database, Durability, ReadableDatabase, TableDefinition};

use crate::{ROUNDS, report, timed};

/// Puts of a buffered round, and of a strict one.
const BUFFERED: usize = 50_000;
const STRICT: usize = 300;

const TABLE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("pairs");

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A store with one put and one get.
trait Store {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()>;
    fn get(&self, key: &[u8]) -> Result<usize>;
}

struct Ours(Keyspace);

impl Store for Ours {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.0.put(key, value)?;
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<usize> {
        Ok(self.0.get_with(key, <[u8]>::len).unwrap_or(0))
    }
}

struct Redb(Database, bool);

impl Store for Redb {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let mut write = self.0.begin_write()?;
        let durability = if self.1 {
            Durability::Immediate
        } else {
            Durability::None
        };
        write.set_durability(durability)?;
        write.open_table(TABLE)?.insert(key, value)?;
        write.commit()?;
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<usize> {
        let read = self.0.begin_read()?;
        let found = read.open_table(TABLE)?.get(key)?;
        Ok(found.map_or(0, |value| value.value().len()))
    }
}

struct Fjall(fjall::Database, fjall::Keyspace, bool);

impl Store for Fjall {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.1.insert(key, value)?;
        if self.2 {
            self.0.persist(fjall::PersistMode::SyncData)?;
        }
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<usize> {
        Ok(self.1.get(key)?.map_or(0, |value| value.len()))
    }
}

struct Sled(sled::Db, bool);

impl Store for Sled {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.0.insert(key, value)?;
        if self.1 {
            self.0.flush()?;
        }
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<usize> {
        Ok(self.0.get(key)?.map_or(0, |value| value.len()))
    }
}

fn open(which: usize, dir: &Path, is_strict: bool) -> Result<Box<dyn Store>> {
    let buffered = Mode::Buffered {
        interval: Duration::from_millis(100),
        max_bytes: 64 << 20,
    };
    Ok(match which {
        0 => {
            let mode = if is_strict { Mode::Strict } else { buffered };
            let (engine, _) = Engine::open(dir, Options::in_mode(mode))?;
            Box::new(Ours(engine.keyspace("default")?))
        }
        1 => Box::new(Redb(Database::create(dir.join("redb"))?, is_strict)),
        2 => {
            let database = fjall::Database::builder(dir).open()?;
            let space = database.keyspace("pairs", fjall::KeyspaceCreateOptions::default)?;
            Box::new(Fjall(database, space, is_strict))
        }
        _ => {
            let config = sled::Config::default().path(dir).flush_every_ms(Some(100));
            Box::new(Sled(config.open()?, is_strict))
        }
    })
}

fn key(at: usize) -> [u8; 16] {
    let number = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut key = [b'k'; 16];
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}

pub(crate) fn compare() -> Result<()> {
    let names = ["engine", "redb", "fjall", "sled"];
    for is_strict in [false, true] {
        let count = if is_strict { STRICT } else { BUFFERED };
        let (mut puts, mut gets) = (vec![Vec::new(); 4], vec![Vec::new(); 4]);
        for round in 0..ROUNDS {
            for turn in 0..names.len() {
                let which = (turn + round) % names.len();
                let dir = tempfile::tempdir_in(std::env::current_dir()?)?;
                let store = open(which, dir.path(), is_strict)?;
                let mut done = Ok(());
                puts[which].push(timed(|| {
                    done = (0..count).try_for_each(|at| store.put(&key(at), &[7; 100]));
                }));
                done?;
                let mut found = Ok(0);
                gets[which].push(timed(|| {
                    let sizes = (0..count).map(|at| store.get(&key(at * 7919 % count)));
                    found = sizes.sum::<Result<usize>>();
                }));
                assert_eq!(found?, count * 100, "{} lost values", names[which]);
            }
        }
        let kind = if is_strict { "strict" } else { "buffered" };
        report(&format!("put, {kind}"), count, &names, puts);
        if !is_strict {
            report("get, on disk, warm", count, &names, gets);
        }
    }
    Ok(())
}
