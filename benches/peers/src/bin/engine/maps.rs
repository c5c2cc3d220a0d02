//! In memory: the engine without a log beside maps.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use engine::Engine;
use engine::engine::Keyspace;
use foldhash::fast::FixedState;

use crate::{ROUNDS, report, timed, timed_alone};

/// How many keys.
const KEYS: usize = 200_000;

type Hashed = hashbrown::HashMap<Vec<u8>, Vec<u8>, FixedState>;
type Dashed = dashmap::DashMap<Vec<u8>, Vec<u8>, FixedState>;
type Papaya = papaya::HashMap<Vec<u8>, Vec<u8>, FixedState>;

/// Keys in no order: with a prefix of 18 bytes that all share, or without.
fn keys(is_shared: bool) -> Vec<Vec<u8>> {
    let number = |at: usize| (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let key = |at: usize| {
        if is_shared {
            format!("user/2026/profile/{:016x}", number(at)).into_bytes()
        } else {
            format!("{:016x}", number(at)).into_bytes()
        }
    };
    (0..KEYS).map(key).collect()
}

fn engine(keys: &[Vec<u8>]) -> Keyspace {
    let engine = Engine::in_memory();
    let space = engine.keyspace("default").expect("it is there");
    fill(&space, keys);
    space
}

fn fill(space: &Keyspace, keys: &[Vec<u8>]) {
    for key in keys {
        space.put(key, &[7; 100]).expect("memory refuses nothing");
    }
}

fn hashed(keys: &[Vec<u8>]) -> Hashed {
    let mut map = Hashed::default();
    for key in keys {
        map.insert(key.clone(), vec![7; 100]);
    }
    map
}

fn ordered(keys: &[Vec<u8>]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    keys.iter().map(|key| (key.clone(), vec![7; 100])).collect()
}

/// Runs each in turn, and gives the times of each.
fn rounds<const N: usize>(mut run: impl FnMut(usize) -> Duration) -> Vec<Vec<Duration>> {
    let mut times = vec![Vec::new(); N];
    for round in 0..ROUNDS {
        for turn in 0..N {
            let which = (turn + round) % N;
            times[which].push(run(which));
        }
    }
    times
}

pub(crate) fn compare() {
    for is_shared in [false, true] {
        let keys = keys(is_shared);
        let kind = if is_shared {
            "shared prefix"
        } else {
            "no prefix"
        };
        let names = ["engine", "hashbrown", "BTreeMap"];
        let times = rounds::<3>(|which| match which {
            0 => timed_alone(|| engine(&keys)),
            1 => timed_alone(|| hashed(&keys)),
            _ => timed_alone(|| ordered(&keys)),
        });
        report(&format!("put, new, {kind}"), KEYS, &names, times);
        let (space, map, tree) = (engine(&keys), hashed(&keys), ordered(&keys));
        // In another order than they were put.
        let sought: Vec<_> = (0..KEYS).map(|at| &keys[at * 7919 % KEYS]).collect();
        let times = rounds::<3>(|which| match which {
            0 => timed_alone(|| {
                sought
                    .iter()
                    .filter_map(|key| space.get_with(key, <[u8]>::len))
                    .sum::<usize>()
            }),
            1 => timed_alone(|| {
                sought
                    .iter()
                    .filter_map(|key| Some(map.get(*key)?.len()))
                    .sum::<usize>()
            }),
            _ => timed_alone(|| {
                sought
                    .iter()
                    .filter_map(|key| Some(tree.get(*key)?.len()))
                    .sum::<usize>()
            }),
        });
        report(&format!("get, {kind}"), KEYS, &names, times);
        let times = rounds::<2>(|which| match which {
            // Whoever scans looks at what it finds.
            0 => timed_alone(|| {
                space
                    .scan()
                    .map(|item| sum(item.key(), item.value()))
                    .sum::<usize>()
            }),
            _ => timed_alone(|| {
                tree.iter()
                    .map(|(key, value)| sum(key, value))
                    .sum::<usize>()
            }),
        });
        report(
            &format!("scan, {kind}"),
            KEYS,
            &["engine", "BTreeMap"],
            times,
        );
        let times = rounds::<3>(|which| match which {
            0 => timed_alone(|| update(&space, &sought)),
            1 => {
                let mut map = map.clone();
                timed_alone(|| {
                    sought
                        .iter()
                        .for_each(|key| *map.get_mut(*key).expect("there") = vec![8; 100])
                })
            }
            _ => {
                let mut tree = tree.clone();
                timed_alone(|| {
                    sought
                        .iter()
                        .for_each(|key| *tree.get_mut(*key).expect("there") = vec![8; 100])
                })
            }
        });
        report(&format!("put, update, {kind}"), KEYS, &names, times);
        let times = rounds::<3>(|which| match which {
            0 => {
                let space = engine(&keys);
                timed_alone(|| sought.iter().for_each(|key| drop(space.delete(key))))
            }
            1 => {
                let mut map = map.clone();
                timed_alone(|| sought.iter().for_each(|key| drop(map.remove(*key))))
            }
            _ => {
                let mut tree = tree.clone();
                timed_alone(|| sought.iter().for_each(|key| drop(tree.remove(*key))))
            }
        });
        report(&format!("delete, {kind}"), KEYS, &names, times);
    }
    mixed();
}

/// Looks at a key and a value.
fn sum(key: &[u8], value: &[u8]) -> usize {
    key.iter().chain(value).map(|byte| usize::from(*byte)).sum()
}

fn update(space: &Keyspace, keys: &[&Vec<u8>]) {
    for key in keys {
        space.put(key, &[8; 100]).expect("memory refuses nothing");
    }
}

/// Four reads for each write, by two threads at once.
fn mixed() {
    let keys = keys(false);
    let space = engine(&keys);
    let dashed = Dashed::default();
    let papaya = Papaya::default();
    for key in &keys {
        dashed.insert(key.clone(), vec![7; 100]);
        papaya.pin().insert(key.clone(), vec![7; 100]);
    }
    let locked = parking_lot_map(&keys);
    let two = |work: &(dyn Fn(usize) + Sync)| {
        timed(|| {
            std::thread::scope(|scope| {
                for thread in 0..2 {
                    scope.spawn(move || {
                        (0..KEYS).for_each(|at| work((at * 7919 + thread * 31) % KEYS))
                    });
                }
            });
        })
    };
    let times = rounds::<4>(|which| match which {
        0 => two(&|at| {
            if at % 5 == 0 {
                space
                    .put(&keys[at], &[8; 100])
                    .expect("memory refuses nothing");
            } else {
                black_box(space.get_with(&keys[at], <[u8]>::len));
            }
        }),
        1 => two(&|at| {
            if at % 5 == 0 {
                dashed.insert(keys[at].clone(), vec![8; 100]);
            } else {
                black_box(dashed.get(&keys[at]).map(|value| value.len()));
            }
        }),
        2 => two(&|at| {
            let map = papaya.pin();
            if at % 5 == 0 {
                map.insert(keys[at].clone(), vec![8; 100]);
            } else {
                black_box(map.get(&keys[at]).map(Vec::len));
            }
        }),
        _ => two(&|at| {
            if at % 5 == 0 {
                locked
                    .write()
                    .expect("no panic")
                    .insert(keys[at].clone(), vec![8; 100]);
            } else {
                black_box(
                    locked
                        .read()
                        .expect("no panic")
                        .get(&keys[at])
                        .map(Vec::len),
                );
            }
        }),
    });
    let names = ["engine", "dashmap", "papaya", "one RwLock"];
    report("80/20, two threads", 2 * KEYS, &names, times);
}

fn parking_lot_map(keys: &[Vec<u8>]) -> std::sync::RwLock<Hashed> {
    std::sync::RwLock::new(hashed(keys))
}
