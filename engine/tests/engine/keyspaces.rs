//! One key at a time, scans, expiry, and what is refused.

use engine::engine::{CommitError, HashSeed, KEY_BYTES_MAX, KeyspaceType, VALUE_BYTES_MAX};
use engine::vfs::{Sim, Vfs};
use engine::wal::{Lsn, Mode};
use engine::{Engine, Options};

use super::{keys, open, options, pairs};

#[test]
fn a_key_has_the_value_that_it_was_given_last() {
    let engine = Engine::in_memory();
    let tea = engine.keyspace("tea").unwrap();
    assert!(tea.get(b"green").is_none());
    let first = tea.put(b"green", b"sencha").unwrap();
    assert_eq!(tea.get(b"green").unwrap(), b"sencha");
    assert!(tea.contains(b"green") && !tea.is_empty());
    let second = tea.put(b"green", b"gyokuro").unwrap();
    assert!(first < second);
    assert_eq!(tea.version(b"green"), Some(second));
    assert_eq!(tea.get_with(b"green", <[u8]>::len), Some(7));
    tea.delete(b"green").unwrap();
    assert!(!tea.contains(b"green") && tea.is_empty());
}

#[test]
fn keyspaces_know_nothing_of_each_other() {
    let engine = Engine::in_memory();
    let [one, other] = ["one", "other"].map(|name| engine.keyspace(name).unwrap());
    one.put(b"key", b"1").unwrap();
    assert!(other.get(b"key").is_none() && other.scan().next().is_none());
    assert_eq!(engine.stats().keyspaces["one"].keys, 1);
    assert_eq!(engine.stats().keyspaces["other"].keys, 0);
}

#[test]
fn scans_go_both_ways_and_see_no_later_write() {
    let engine = Engine::in_memory();
    let tea = engine.keyspace("tea").unwrap();
    for key in ["b", "d", "a", "c", "cc"] {
        tea.put(key.as_bytes(), key.as_bytes()).unwrap();
    }
    let mut scan = tea.scan();
    tea.put(b"bb", b"late").unwrap();
    tea.delete(b"c").unwrap();
    assert_eq!(scan.next().unwrap().key(), b"a");
    assert_eq!(scan.next_back().unwrap().key(), b"d");
    assert_eq!(keys(scan), ["b", "c", "cc"]);
    assert_eq!(keys(tea.scan()), ["a", "b", "bb", "cc", "d"]);
    assert_eq!(keys(tea.scan().rev()), ["d", "cc", "bb", "b", "a"]);
    assert_eq!(keys(tea.prefix(b"b")), ["b", "bb"]);
    assert_eq!(keys(tea.range("b".."cc")), ["b", "bb"]);
    assert_eq!(keys(tea.range("b"..="cc").rev()), ["cc", "bb", "b"]);
    assert!(keys(tea.range("d".."a")).is_empty());
}

#[test]
fn scans_between_writes_keep_the_generations_few() {
    let engine = Engine::in_memory();
    let tea = engine.keyspace("tea").unwrap();
    for number in 0..200_u32 {
        // Each scan ends a generation.
        tea.put(&number.to_be_bytes(), b"").unwrap();
        assert_eq!(tea.scan().count(), number as usize + 1);
        let generations = engine.stats().keyspaces["tea"].generations;
        assert!(generations < 8, "{generations} after {number}");
    }
}

#[test]
fn a_generation_is_merged_once_it_has_a_quarter_of_the_one_before() {
    for (newer, generations) in [(4, 2), (5, 1)] {
        let engine = Engine::in_memory();
        let tea = engine.keyspace("tea").unwrap();
        for (round, count) in [(0_u8, 20), (1, newer)] {
            for number in 0..count {
                tea.put(&[round, number], b"").unwrap();
            }
            drop(engine.view());
        }
        engine.maintain().unwrap();
        let stats = engine.stats().keyspaces["tea"];
        assert_eq!(stats.generations, generations, "{newer} after 20");
        assert_eq!(keys(tea.scan()).len(), 20 + usize::from(newer));
    }
}

#[test]
fn views_of_what_did_not_change_add_no_generation() {
    let engine = Engine::in_memory();
    let tea = engine.keyspace("tea").unwrap();
    // Nothing comes of it: the key was never there.
    for _ in 0..3 {
        tea.delete(b"green").unwrap();
        drop(engine.view());
    }
    assert_eq!(engine.stats().keyspaces["tea"].generations, 0);
    tea.put(b"green", b"sencha").unwrap();
    for _ in 0..3 {
        drop(engine.view());
    }
    assert_eq!(engine.stats().keyspaces["tea"].generations, 1);
}

#[test]
fn a_value_is_gone_from_its_time_on_and_a_sweep_lets_go_of_it() {
    let sim = Sim::default();
    let (engine, _) = open(&sim);
    let tea = engine.keyspace("tea").unwrap();
    let now = sim.now_us();
    tea.put_until(b"cup", b"hot", now + 1000).unwrap();
    tea.put(b"pot", b"iron").unwrap();
    sim.advance(now + 999 - sim.now_us());
    assert_eq!(tea.get(b"cup").unwrap(), b"hot");
    sim.advance(1);
    assert!(tea.get(b"cup").is_none());
    assert_eq!(keys(tea.scan()), ["pot"]);
    assert_eq!(tea.len(), 2);
    engine.maintain().unwrap();
    assert_eq!((tea.len(), engine.stats().swept), (1, 1));
    assert_eq!(keys(tea.scan()), ["pot"]);
}

#[test]
fn keys_and_values_over_the_cap_are_refused_and_those_at_it_are_not() {
    let engine = Engine::in_memory();
    let tea = engine.keyspace("tea").unwrap();
    let key = vec![7; KEY_BYTES_MAX + 1];
    let value = vec![7; VALUE_BYTES_MAX + 1];
    assert!(matches!(tea.put(b"", b"v"), Err(CommitError::EmptyKey)));
    assert!(matches!(tea.delete(b""), Err(CommitError::EmptyKey)));
    let refused = tea.put(&key, b"v");
    assert!(matches!(refused, Err(CommitError::KeyTooLong { len }) if len == key.len()));
    let refused = tea.put(b"k", &value);
    assert!(matches!(refused, Err(CommitError::ValueTooLong { len }) if len == value.len()));
    tea.put(&key[1..], &value[1..]).unwrap();
    assert_eq!(tea.len(), 1);
    let refused = engine.transaction(|tx| tx.put(&tea, &key, b""));
    assert!(matches!(refused, Err(CommitError::KeyTooLong { .. })));
}

#[test]
fn a_record_larger_than_a_segment_is_refused_and_nothing_of_it_happened() {
    let (engine, _) = open(&Sim::default());
    let tea = engine.keyspace("tea").unwrap();
    let before = engine.stats().next;
    assert!(matches!(
        tea.put(b"k", &vec![1; 1 << 17]),
        Err(CommitError::Append(_))
    ));
    assert!(tea.is_empty());
    assert_eq!(engine.stats().next, before);
    tea.put(b"k", b"v").unwrap();
}

#[test]
fn a_keyspace_of_another_type_is_refused() {
    let engine = Engine::in_memory();
    engine.keyspace_of("people", KeyspaceType::Records).unwrap();
    let refused = engine.keyspace("people").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the keyspace `people` holds records, and not values"
    );
    assert_eq!(engine.keyspace_type("people"), Some(KeyspaceType::Records));
    for name in ["", &"n".repeat(256)] {
        assert!(matches!(
            engine.keyspace(name),
            Err(CommitError::KeyspaceName { .. })
        ));
    }
}

#[test]
fn a_handle_of_another_engine_or_of_a_lost_transaction_is_refused() {
    let (engine, other) = (Engine::in_memory(), Engine::in_memory());
    let foreign = other.keyspace("tea").unwrap();
    let refused = engine.transaction(|tx| tx.put(&foreign, b"k", b"v"));
    assert!(matches!(refused, Err(CommitError::NoKeyspace { .. })));
    let mut lost = None;
    let aborted = engine.transaction(|tx| {
        lost = Some(tx.keyspace("lost")?);
        Err::<(), _>(CommitError::abort("changed my mind"))
    });
    assert!(matches!(aborted, Err(CommitError::Aborted(_))));
    let lost = lost.unwrap();
    assert!(matches!(
        lost.put(b"k", b"v"),
        Err(CommitError::NoKeyspace { .. })
    ));
    assert_eq!(engine.keyspace_type("lost"), None);
}

#[test]
fn versions_survive_a_checkpoint_and_a_restart() {
    let sim = Sim::default();
    let (engine, _) = open(&sim);
    let tea = engine.keyspace("tea").unwrap();
    for number in 0..50_u32 {
        tea.put(&number.to_be_bytes(), b"first").unwrap();
    }
    engine.checkpoint().unwrap();
    tea.put(&7_u32.to_be_bytes(), b"second").unwrap();
    let versions: Vec<Option<Lsn>> = (0..50_u32).map(|n| tea.version(&n.to_be_bytes())).collect();
    let before = pairs(tea.scan());
    drop((tea, engine));
    let (engine, recovery) = open(&sim.crash(0));
    assert!(recovery.snapshot.is_some());
    assert_eq!(recovery.replayed, 1);
    let tea = engine.keyspace("tea").unwrap();
    let after: Vec<_> = (0..50_u32).map(|n| tea.version(&n.to_be_bytes())).collect();
    assert_eq!(after, versions);
    assert_eq!(pairs(tea.scan()), before);
}

#[test]
fn a_view_in_memory_sees_no_write_without_the_ones_before_it() {
    let engine = Engine::in_memory();
    let tea = engine.keyspace("tea").unwrap();
    let number = |item: Option<engine::engine::Value>| {
        item.map_or(0, |it| u32::from_le_bytes(it[..].try_into().unwrap()))
    };
    std::thread::scope(|scope| {
        // Each writes its keys in turn, far apart in the order and in the shards.
        for writer in 0..2_u8 {
            let tea = &tea;
            scope.spawn(move || {
                for round in 1..3000_u32 {
                    for key in 0..4_u8 {
                        tea.put(&[writer, key], &round.to_le_bytes()).unwrap();
                    }
                }
            });
        }
        for _ in 0..300 {
            let view = engine.view();
            for writer in 0..2_u8 {
                let rounds = [0, 1, 2, 3].map(|key: u8| number(view.get(&tea, &[writer, key])));
                let is_prefix = rounds
                    .windows(2)
                    .all(|it| it[0] == it[1] || it[0] == it[1] + 1);
                assert!(is_prefix && rounds[0] - rounds[3] <= 1, "{rounds:?}");
            }
        }
    });
    assert_eq!(keys(tea.scan()).len(), 8);
}

#[test]
fn what_is_stored_does_not_depend_on_the_seed_of_the_hash() {
    let sim = Sim::default();
    let seeded = |hash_seed| Options {
        hash_seed,
        ..options(Mode::Strict)
    };
    let open = |hash_seed| Engine::open_with(sim.clone(), "db", seeded(hash_seed)).unwrap();
    let count = 500_u32;
    let (engine, _) = open(HashSeed::Random);
    let space = engine.keyspace("outside").unwrap();
    for number in 0..count {
        space.put(&number.to_be_bytes(), b"1").unwrap();
    }
    engine.checkpoint().unwrap();
    space.delete(&7_u32.to_be_bytes()).unwrap();
    engine.close().unwrap();
    drop((engine, space));
    for hash_seed in [HashSeed::Random, HashSeed::Fixed, HashSeed::Random] {
        let (engine, _) = open(hash_seed);
        let space = engine.keyspace("outside").unwrap();
        assert_eq!(space.len(), count as usize - 1, "{hash_seed:?}");
        for number in 0..count {
            let found = space.get(&number.to_be_bytes());
            assert_eq!(found.is_some(), number != 7, "{hash_seed:?}, {number}");
        }
    }
}
