//! Many threads at once on everything that is shared: sequencer, map, views, checkpoints, tables, stores.
//!
//! Each test states what has to hold whoever is faster. `make tsan` runs them under `ThreadSanitizer`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::kv::{KeyValueStore, ManualClock, MemoryStore};
use engine::memtable::{
    self, BadRecord, Index, IndexKeys, KeyspacePersister, Memtable, Record, Retry, WriteError,
};
use engine::random::SplitMix64;
use engine::vfs::Memory;
use engine::wal::{self, Mode};
use engine::{Engine, Options};

const ACCOUNTS: u64 = 16;
const EACH: u64 = 100;

fn options(mode: Mode) -> Options {
    Options {
        log: wal::Options {
            mode,
            segment_bytes: 1 << 16,
            threads: 2,
            ..wal::Options::default()
        },
        checkpoint_bytes: Some(50_000),
        views: vec![memtable::view()],
        ..Options::default()
    }
}

/// Runs `work` on three threads, each with its number, and joins each: the end of a scope alone is not
/// seen by `ThreadSanitizer`.
fn on_three_threads(work: impl Fn(u64) + Sync) {
    std::thread::scope(|scope| {
        let work = &work;
        let threads = [0, 1, 2].map(|number| scope.spawn(move || work(number)));
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

fn number(value: &[u8]) -> u64 {
    u64::from_le_bytes(value.try_into().unwrap())
}

/// Money moves between accounts beside readers, views, checkpoints and upkeep, and its sum stays.
fn transfers(engine: &Engine) {
    let bank = engine.keyspace("bank").unwrap();
    for account in 0..ACCOUNTS {
        bank.put(&account.to_be_bytes(), &EACH.to_le_bytes())
            .unwrap();
    }
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let movers: Vec<_> = (0..3)
            .map(|seed| {
                let bank = &bank;
                scope.spawn(move || {
                    let mut random = SplitMix64::new(seed);
                    for _ in 0..150 {
                        let [from, to] = [(); 2].map(|()| random.below(ACCOUNTS).to_be_bytes());
                        let moved = engine.retry(1000, |tx| {
                            let left = tx.get(bank, &from).map_or(0, |it| number(&it));
                            let Some(left) = left.checked_sub(1).filter(|_| from != to) else {
                                return Ok(());
                            };
                            let more = tx.get(bank, &to).map_or(0, |it| number(&it)) + 1;
                            tx.put(bank, &from, &left.to_le_bytes())?;
                            tx.put(bank, &to, &more.to_le_bytes())
                        });
                        moved.unwrap();
                    }
                })
            })
            .collect();
        let reader = scope.spawn(|| {
            while !is_over.load(Ordering::Acquire) {
                let view = engine.view();
                let sum: u64 = view.scan(&bank).map(|item| number(item.value())).sum();
                assert_eq!(sum, ACCOUNTS * EACH);
                let sum: u64 = bank.scan().rev().map(|item| number(item.value())).sum();
                assert_eq!(sum, ACCOUNTS * EACH);
                assert!(
                    bank.get_with(&0_u64.to_be_bytes(), |it| it.len() == 8)
                        .unwrap()
                );
            }
        });
        let keeper = scope.spawn(|| {
            while !is_over.load(Ordering::Acquire) {
                let _ = engine.checkpoint();
                engine.maintain().unwrap();
            }
        });
        for mover in movers {
            mover.join().unwrap();
        }
        is_over.store(true, Ordering::Release);
        for thread in [reader, keeper] {
            thread.join().unwrap();
        }
    });
    let sum: u64 = bank.scan().map(|item| number(item.value())).sum();
    assert_eq!(sum, ACCOUNTS * EACH);
}

#[test]
fn transfers_keep_the_sum_in_an_engine_over_a_log() {
    let (engine, _) = Engine::open_with(Memory::default(), "db", options(Mode::Strict)).unwrap();
    transfers(&engine);
}

#[test]
fn transfers_keep_the_sum_in_an_engine_in_memory() {
    transfers(&Engine::in_memory());
}

#[test]
fn values_that_expire_are_swept_beside_their_writers() {
    let engine = Engine::in_memory();
    let space = engine.keyspace("default").unwrap();
    on_three_threads(|thread| {
        let thread = thread.to_le_bytes()[0];
        for round in 0..400_u64 {
            let key = [thread, round.to_le_bytes()[0] % 16];
            let until = engine.now_us() + round % 3;
            space.put_until(&key, b"value", until).unwrap();
            if round % 16 == 0 {
                engine.maintain().unwrap();
            }
        }
        space.put(&[thread], b"stays").unwrap();
    });
    assert_eq!(space.prefix(&[]).count(), space.scan().rev().count());
    assert!((0..3_u8).all(|thread| space.get(&[thread]).unwrap() == b"stays"));
}

/// A user with an address that nobody else may have, and a group.
#[derive(Debug, Clone)]
struct User {
    id: u64,
    email: u64,
    group: u8,
}

const BY_EMAIL: usize = 0;
const BY_GROUP: usize = 1;

impl Record for User {
    type Key = u64;
    const INDEXES: &'static [Index] = &[Index::unique("email"), Index::new("group")];

    fn key(&self) -> u64 {
        self.id
    }

    fn index_keys(&self, keys: &mut IndexKeys) {
        keys.add(BY_EMAIL, &self.email);
        keys.add(BY_GROUP, &self.group);
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.to_le_bytes());
        out.extend_from_slice(&self.email.to_le_bytes());
        out.push(self.group);
    }

    fn decode(bytes: &[u8]) -> Result<Self, BadRecord> {
        let bad = BadRecord("17 bytes");
        let (id, rest) = bytes.split_first_chunk().ok_or(BadRecord("17 bytes"))?;
        let (email, rest) = rest.split_first_chunk().ok_or(BadRecord("17 bytes"))?;
        let [group] = rest else { return Err(bad) };
        Ok(Self {
            id: u64::from_le_bytes(*id),
            email: u64::from_le_bytes(*email),
            group: *group,
        })
    }
}

#[test]
fn tables_keep_addresses_unique_beside_flushes_and_readers() {
    let (engine, _) = Engine::open_with(Memory::default(), "db", options(Mode::Strict)).unwrap();
    let persister = KeyspacePersister::open(&engine, "users").unwrap();
    let options = memtable::Options {
        threshold_records: 20,
        flush_interval: Duration::from_millis(1),
        stall_timeout: Duration::from_mins(1),
        retry: Retry::default(),
        ..memtable::Options::default()
    };
    let users: Memtable<User> =
        Memtable::open("users", engine.clone(), persister, options).unwrap();
    on_three_threads(|thread| {
        let mut random = SplitMix64::new(thread);
        for _ in 0..150 {
            let (id, email) = (random.below(30), random.below(30));
            let user = User {
                id,
                email,
                group: (id % 3).to_le_bytes()[0],
            };
            let done = match random.below(4) {
                0 => users.delete(&id).map(drop),
                1 => users.update_with(&id, |old| User {
                    email: old.email,
                    ..user.clone()
                }),
                _ => users.put(user),
            };
            let is_expected = matches!(
                done,
                Ok(()) | Err(WriteError::NotUnique { .. } | WriteError::KeyNotFound)
            );
            assert!(is_expected, "{done:?}");
            if let Some(found) = users.get_unique(BY_EMAIL, &email).unwrap() {
                assert_eq!(found.email, email);
            }
            let group = users.get_by_index(BY_GROUP, &1_u8).unwrap();
            assert!(group.iter().all(|it| it.id % 3 == 1));
        }
    });
    users.close(Duration::from_mins(1)).unwrap();
    let mut emails = Vec::new();
    for id in 0..30 {
        emails.extend(users.get(&id).unwrap().map(|user| user.email));
    }
    let count = emails.len();
    emails.sort_unstable();
    emails.dedup();
    assert_eq!(emails.len(), count, "two users have one address");
}

/// An account in one of two tables.
#[derive(Debug)]
struct Account {
    id: u64,
    balance: u64,
}

impl Record for Account {
    type Key = u64;
    const INDEXES: &'static [Index] = &[Index::new("balance")];

    fn key(&self) -> u64 {
        self.id
    }

    fn index_keys(&self, keys: &mut IndexKeys) {
        keys.add(0, &self.balance);
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.to_le_bytes());
        out.extend_from_slice(&self.balance.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, BadRecord> {
        let (id, balance) = bytes.split_at_checked(8).ok_or(BadRecord("16 bytes"))?;
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes);
        let bad = |_| BadRecord("16 bytes");
        Ok(Self {
            id: number(id).map_err(bad)?,
            balance: number(balance).map_err(bad)?,
        })
    }
}

/// Two tables in both orders and a keyspace in each transaction, beside flushes: nobody waits for ever.
#[test]
fn transactions_over_two_tables_and_a_keyspace_keep_the_sum() {
    let (engine, _) = Engine::open_with(Memory::default(), "db", options(Mode::Strict)).unwrap();
    let open = |name: &str| -> Memtable<Account> {
        let options = memtable::Options {
            threshold_records: 6,
            flush_interval: Duration::from_millis(1),
            stall_timeout: Duration::from_mins(1),
            ..memtable::Options::default()
        };
        let persister = KeyspacePersister::open(&engine, name).unwrap();
        Memtable::open(name, engine.clone(), persister, options).unwrap()
    };
    let tables = [open("checking"), open("savings")];
    let moves = engine.keyspace("moves").unwrap();
    for table in &tables {
        for id in 0..4 {
            table.insert(Account { id, balance: EACH }).unwrap();
        }
    }
    on_three_threads(|thread| {
        let mut random = SplitMix64::new(thread);
        for round in 0..60_u64 {
            let from = usize::from(random.below(2) == 1);
            let [left, right] = [(); 2].map(|()| random.below(4));
            let done = engine.retry(10_000, |tx| {
                let [source, target] = [&tables[from], &tables[1 - from]];
                let before = source.get_in(tx, &left)?.map_or(0, |it| it.balance);
                let there = target.get_in(tx, &right)?.map_or(0, |it| it.balance);
                let Some(balance) = before.checked_sub(1) else {
                    return Ok(());
                };
                source.update_in(tx, Account { id: left, balance })?;
                let balance = there + 1;
                target.update_in(tx, Account { id: right, balance })?;
                tx.put(&moves, &[thread, round].map(u64::to_be_bytes).concat(), b"")
            });
            done.unwrap();
        }
    });
    let balance = |table: &Memtable<Account>, id| table.get(&id).unwrap().unwrap().balance;
    let all = tables
        .iter()
        .flat_map(|table| (0..4).map(move |id| balance(table, id)));
    assert_eq!(all.sum::<u64>(), 2 * 4 * EACH);
    assert_eq!(moves.len(), 180);
    for table in tables {
        table.close(Duration::from_mins(1)).unwrap();
    }
}

#[test]
fn memory_store_lists_and_sweeps_beside_writers() {
    let clock = ManualClock::at(1000);
    let store = MemoryStore::new(Arc::new(clock.clone()));
    on_three_threads(|thread| {
        let thread = thread.to_le_bytes()[0];
        for round in 0..400_u64 {
            let key = [thread, round.to_le_bytes()[0]];
            let ttl = Duration::from_millis(1 + round % 5);
            store.put_with_ttl(&key, b"value", ttl).unwrap();
            if round % 8 == 0 {
                clock.advance(Duration::from_millis(1));
                store.list(&[thread], None, 100).unwrap();
                store.purge_expired().unwrap();
            }
        }
    });
    clock.advance(Duration::from_millis(10));
    store.purge_expired().unwrap();
    assert_eq!(store.stats().unwrap().keys, 0);
}
