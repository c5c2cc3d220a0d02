//! A memtable that flushes to a store: memory, engine, SQLite, Redis.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use engine::kv::engine::EngineStore;
use engine::kv::{BATCH_ITEMS_MAX, KeyValueStore, MemoryStore, PAGE_ENTRIES_MAX, StorePersister};
use engine::memtable::{
    BadRecord, Index, IndexKeys, Memtable, Options, Persister, Record, WriteError,
};
use engine::random::SplitMix64;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Cup {
    number: i32,
    tea: String,
    tags: Vec<u8>,
}

const BY_TEA: usize = 0;
const BY_TAG: usize = 1;

impl Record for Cup {
    type Key = i32;
    const INDEXES: &'static [Index] = &[Index::new("tea"), Index::new("tag")];

    fn key(&self) -> i32 {
        self.number
    }

    fn index_keys(&self, keys: &mut IndexKeys) {
        keys.add(BY_TEA, &self.tea);
        for tag in &self.tags {
            keys.add(BY_TAG, tag);
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.number.to_le_bytes());
        out.push(u8::try_from(self.tags.len()).unwrap());
        out.extend_from_slice(&self.tags);
        out.extend_from_slice(self.tea.as_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, BadRecord> {
        let (number, rest) = bytes.split_first_chunk().ok_or(BadRecord("too short"))?;
        let (tags, rest) = rest.split_first().ok_or(BadRecord("too short"))?;
        let (tags, tea) = rest
            .split_at_checked(usize::from(*tags))
            .ok_or(BadRecord("too short"))?;
        Ok(Self {
            number: i32::from_le_bytes(*number),
            tea: String::from_utf8(tea.to_vec()).map_err(|_| BadRecord("not UTF-8"))?,
            tags: tags.to_vec(),
        })
    }
}

fn cup(number: i32, tea: &str, tags: &[u8]) -> Cup {
    Cup {
        number,
        tea: tea.to_owned(),
        tags: tags.to_vec(),
    }
}

fn all(persister: &StorePersister) -> Vec<Cup> {
    persister.scan(None, usize::MAX).unwrap()
}

const PATIENT: Duration = Duration::from_mins(1);

/// A table that is flushed again and again must leave in the store what a map has.
fn flushes_to(store: &Arc<dyn KeyValueStore>) {
    let persister = StorePersister::new(Arc::clone(store), "cups");
    let other = StorePersister::new(Arc::clone(store), "cup");
    let options = Options {
        is_background: false,
        batch_records: 7,
        ..Options::default()
    };
    let table = Memtable::in_memory(persister.clone(), options).unwrap();
    let mut model = BTreeMap::new();
    let mut random = SplitMix64::new(17);
    let teas = ["sencha", "assam", "", "sencha/2"];
    for round in 0..6 {
        for _ in 0..40 {
            let number = i32::try_from(random.below(60)).unwrap() - 30;
            if random.below(4) == 0 {
                table.delete(&number).unwrap();
                model.remove(&number);
            } else {
                let tea = teas[usize::try_from(random.below(4)).unwrap()];
                let tags = [(); 3].map(|()| u8::try_from(random.below(3)).unwrap());
                let tags = &tags[..usize::try_from(random.below(4)).unwrap()];
                table.put(cup(number, tea, tags)).unwrap();
                model.insert(number, cup(number, tea, tags));
            }
        }
        table.flush(PATIENT).unwrap();
        let expected: Vec<_> = model.values().cloned().collect();
        assert_eq!(all(&persister), expected, "round {round}");
        for tea in teas {
            let found = sorted(persister.get_by_index(BY_TEA, tea.as_bytes()).unwrap());
            let expected = model.values().filter(|cup| cup.tea == tea).cloned();
            assert_eq!(found, expected.collect::<Vec<_>>());
        }
        for tag in 0..3 {
            let found = sorted(persister.get_by_index(BY_TAG, &[tag]).unwrap());
            let expected = model.values().filter(|cup| cup.tags.contains(&tag));
            assert_eq!(found, expected.cloned().collect::<Vec<_>>());
        }
        // A read of the table goes to the store, since nothing is in memory.
        for number in -30..30 {
            let found = table.get(&number).unwrap();
            assert_eq!(found.as_deref(), model.get(&number));
        }
    }
    let records = u64::try_from(model.len()).unwrap();
    let entries: usize = model
        .values()
        .map(|cup| {
            let mut keys = IndexKeys::default();
            cup.index_keys(&mut keys);
            keys.iter().len()
        })
        .sum();
    let keys = store.stats().unwrap().keys;
    assert_eq!(keys, records + entries as u64, "no entry is left behind");
    assert!(all(&other).is_empty());
    table.close(PATIENT).unwrap();
}

fn sorted(mut cups: Vec<Cup>) -> Vec<Cup> {
    cups.sort_by_key(|cup| cup.number);
    cups
}

#[test]
fn removed_records_leave_no_entry_and_those_that_stay_lose_none() {
    let store: Arc<dyn KeyValueStore> = Arc::new(MemoryStore::default());
    let persister = StorePersister::new(Arc::clone(&store), "cups");
    let table = Memtable::in_memory(persister.clone(), Options::default()).unwrap();
    table.put(cup(1, "sencha", &[1])).unwrap();
    table.put(cup(2, "sencha", &[2])).unwrap();
    table.close(PATIENT).unwrap();
    // The second key is none that it has.
    Persister::<Cup>::remove(&persister, &[1, 3]).unwrap();
    let left = vec![cup(2, "sencha", &[2])];
    assert_eq!(all(&persister), left);
    let found: Vec<Cup> = persister.get_by_index(BY_TEA, b"sencha").unwrap();
    assert_eq!(found, left);
    let none: Vec<Cup> = persister.get_by_index(BY_TAG, &[1]).unwrap();
    assert!(none.is_empty());
    assert_eq!(
        store.stats().unwrap().keys,
        3,
        "a record and its two entries"
    );
}

#[test]
fn flush_is_written_in_as_few_batches_as_it_fits() {
    // A record and its tea are two items.
    let most = i32::try_from(BATCH_ITEMS_MAX / 2).unwrap();
    for (cups, batches) in [(10, 1), (most, 1), (most + 1, 2)] {
        let engine = Engine::in_memory();
        let store: Arc<dyn KeyValueStore> = Arc::new(EngineStore::of(&engine, "cups").unwrap());
        let persister = StorePersister::new(store, "cups");
        let options = Options {
            is_background: false,
            batch_records: usize::MAX,
            ..Options::default()
        };
        let table = Memtable::in_memory(persister.clone(), options).unwrap();
        for number in 0..cups {
            table.put(cup(number, "sencha", &[])).unwrap();
        }
        let before = engine.stats().commits;
        table.flush(PATIENT).unwrap();
        assert_eq!(engine.stats().commits - before, batches, "{cups} cups");
        assert_eq!(all(&persister).len(), usize::try_from(cups).unwrap());
    }
}

#[test]
fn scan_over_several_pages_keeps_to_its_limit() {
    let store: Arc<dyn KeyValueStore> = Arc::new(MemoryStore::default());
    let persister = StorePersister::new(store, "cups");
    let table = Memtable::in_memory(persister.clone(), Options::default()).unwrap();
    let cups = i32::try_from(PAGE_ENTRIES_MAX).unwrap() * 2 + 10;
    for number in 0..cups {
        table.put(cup(number, "", &[])).unwrap();
    }
    table.close(PATIENT).unwrap();
    for limit in [1, PAGE_ENTRIES_MAX, PAGE_ENTRIES_MAX + 5] {
        let some: Vec<Cup> = persister.scan(Some(&2), limit).unwrap();
        assert_eq!((some.len(), some[0].number), (limit, 3));
    }
}

#[test]
fn table_flushes_to_memory() {
    let store: Arc<dyn KeyValueStore> = Arc::new(MemoryStore::default());
    flushes_to(&store);
}

#[test]
fn table_flushes_to_a_keyspace_of_the_engine() {
    let store = EngineStore::of(&Engine::in_memory(), "cups").unwrap();
    let store: Arc<dyn KeyValueStore> = Arc::new(store);
    flushes_to(&store);
}

#[cfg(feature = "sqlite")]
#[test]
fn table_flushes_to_sqlite() {
    flushes_to(&engine::kv::open("sqlite::memory:").unwrap().into());
}

#[cfg(feature = "redis")]
#[test]
fn table_flushes_to_redis() {
    match crate::redis_server::Server::start(&[]) {
        Ok(server) => flushes_to(&engine::kv::open(&server.url).unwrap().into()),
        Err(reason) => crate::redis::skipped("table_flushes_to_redis", &reason),
    }
}

#[test]
fn record_that_no_store_takes_is_refused_and_the_rest_is_flushed() {
    let store: Arc<dyn KeyValueStore> = Arc::new(MemoryStore::default());
    let persister = StorePersister::new(Arc::clone(&store), "cups");
    let options = Options {
        is_background: false,
        ..Options::default()
    };
    let table = Memtable::in_memory(persister.clone(), options).unwrap();
    table.put(cup(1, "sencha", &[])).unwrap();
    // No store takes so long a key: with this record no flush would ever succeed.
    let refused = table.put(cup(1, &"x".repeat(5000), &[]));
    assert!(matches!(refused, Err(WriteError::Unpersistable(_))));
    table.put(cup(2, "assam", &[])).unwrap();
    table.flush(PATIENT).unwrap();
    assert_eq!(all(&persister).len(), 2);
    assert_eq!(table.get(&1).unwrap().unwrap().tea, "sencha");
    // A store that fails loses nothing that the table has.
    table.put(cup(3, "oolong", &[])).unwrap();
    store.close().unwrap();
    assert!(table.flush(Duration::from_millis(50)).is_err());
    assert_eq!(table.get(&3).unwrap().unwrap().tea, "oolong");
}

#[test]
fn large_flush_is_split_and_every_record_is_whole() {
    let store: Arc<dyn KeyValueStore> = Arc::new(MemoryStore::default());
    let persister = StorePersister::new(Arc::clone(&store), "cups");
    let options = Options {
        is_background: false,
        batch_records: 100_000,
        ..Options::default()
    };
    let table = Memtable::in_memory(persister.clone(), options).unwrap();
    for number in 0..12_000 {
        table.put(cup(number, "assam", &[1, 2])).unwrap();
    }
    table.flush(PATIENT).unwrap();
    assert_eq!(store.stats().unwrap().keys, 12_000 * 4);
    assert_eq!(
        persister
            .scan(Some(&11_989), 100)
            .map(|it: Vec<Cup>| it.len())
            .unwrap(),
        10
    );
    let found: Vec<Cup> = persister.get_by_index(BY_TAG, &[2]).unwrap();
    assert_eq!(found.len(), 12_000);
    for number in 0..12_000 {
        table.delete(&number).unwrap();
    }
    table.flush(PATIENT).unwrap();
    assert_eq!(store.stats().unwrap().keys, 0);
    table.close(PATIENT).unwrap();
}

#[test]
fn bytes_that_are_no_record_are_an_error() {
    let store: Arc<dyn KeyValueStore> = Arc::new(MemoryStore::default());
    let persister = StorePersister::new(Arc::clone(&store), "cups");
    let table = Memtable::in_memory(persister.clone(), Options::default()).unwrap();
    table.put(cup(5, "assam", &[1])).unwrap();
    table.flush(PATIENT).unwrap();
    let (key, entry) = store.list(b"\x04cupsr", None, 1).unwrap().entries.remove(0);
    for len in 0..entry.value.len() - 6 {
        store.put(&key, &entry.value[..len]).unwrap();
        let found: Result<Option<Cup>, _> = persister.get(&5);
        assert!(found.is_err(), "{len} bytes of it");
    }
    store.put(&key, &[0xff; 40]).unwrap();
    let error = Persister::<Cup>::get(&persister, &5).unwrap_err();
    assert!(error.to_string().contains("cups"), "{error}");
}
