//! The map alone, against a `BTreeMap`: puts, deletions, views that are held, merges.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::crash::holds;
use crate::crash_test::{Checked, ensure};
use crate::map::{Bounds, Item, Map, MapView};
use crate::random::SplitMix64;
use crate::wal::Lsn;

/// Value and version by key.
type Model = BTreeMap<Vec<u8>, (Vec<u8>, u64)>;

/// How many keys there are. Some share long prefixes, some are prefixes of others.
const KEYS: u64 = 60;

fn key(number: u64) -> Vec<u8> {
    let own = number.to_le_bytes()[0];
    match number % 4 {
        0 => vec![own],
        1 => vec![b'a', 0, own],
        2 => [&b"a beginning that all of these share "[..], &[own; 9]].concat(),
        _ => vec![0xff; usize::from(own) / 4],
    }
}

fn item(key: &[u8], value: &[u8], version: u64) -> Item {
    let key_len = u32::try_from(key.len()).unwrap_or(u32::MAX);
    Item::new(Lsn(version), 0, key_len, &[key, value].concat())
}

fn bound(random: &mut SplitMix64) -> Bound<Vec<u8>> {
    let key = key(random.below(KEYS));
    match random.below(3) {
        0 => Bound::Included(key),
        1 => Bound::Excluded(key),
        _ => Bound::Unbounded,
    }
}

fn within<'a>(
    model: &'a Model,
    (low, high): &'a Bounds,
) -> impl DoubleEndedIterator<Item = (&'a Vec<u8>, u64)> {
    let is_above = move |key: &[u8]| match low {
        Bound::Included(low) => key >= low.as_slice(),
        Bound::Excluded(low) => key > low.as_slice(),
        Bound::Unbounded => true,
    };
    let is_below = move |key: &[u8]| match high {
        Bound::Included(high) => key <= high.as_slice(),
        Bound::Excluded(high) => key < high.as_slice(),
        Bound::Unbounded => true,
    };
    let all = model
        .iter()
        .filter(move |(key, _)| is_above(key) && is_below(key));
    all.map(|(key, (_, version))| (key, *version))
}

/// Whether a view is the model that was copied when it was taken.
fn check_view(view: &MapView, model: &Model, random: &mut SplitMix64) -> Checked {
    ensure!(
        view.len() == model.len(),
        "a view of {} keys has {}",
        model.len(),
        view.len()
    );
    let bounds = (bound(random), bound(random));
    let found: Vec<_> = view
        .scan(&bounds, 0)
        .map(|it| (it.key().to_vec(), it.version().0))
        .collect();
    let expected: Vec<_> = within(model, &bounds)
        .map(|(key, version)| (key.clone(), version))
        .collect();
    ensure!(
        found == expected,
        "{bounds:?} scans as {found:?}, not {expected:?}"
    );
    // From both ends in turn.
    let (mut scan, mut expected) = (view.scan(&bounds, 0), within(model, &bounds));
    loop {
        let is_front = random.below(2) == 0;
        let pair = if is_front {
            (scan.next(), expected.next())
        } else {
            (scan.next_back(), expected.next_back())
        };
        match pair {
            (None, None) => break,
            (Some(item), Some((key, _))) if item.key() == key.as_slice() => {}
            pair => return Err(format!("a scan from both ends gives {pair:?}")),
        }
    }
    let sought = key(random.below(KEYS));
    let found = view.get(&sought).map(Item::value);
    let expected = model.get(&sought).map(|(value, _)| value.as_slice());
    ensure!(
        found == expected,
        "a view has {found:?} at {sought:?}, not {expected:?}"
    );
    Ok(())
}

/// Runs `steps` steps on a map and on a model of it.
fn run(seed: u64, steps: u64) -> Checked {
    let mut random = SplitMix64::new(seed);
    let (mut map, mut model) = (Map::default(), Model::new());
    let mut views: Vec<(MapView, Model, u64)> = Vec::new();
    // By version: what changed, to know what must be seen as changed.
    let mut log: Vec<(u64, Vec<u8>)> = Vec::new();
    for version in 1..=steps {
        let key = key(random.below(KEYS));
        match random.below(20) {
            0..=9 => {
                let value = version.to_le_bytes();
                let had = map
                    .apply(item(&key, &value, version))
                    .map(|it| it.version().0);
                let expected = model.insert(key.clone(), (value.to_vec(), version));
                ensure!(had == expected.map(|(_, at)| at), "a put replaced {had:?}");
                log.push((version, key));
            }
            10..=14 => {
                let had = map
                    .apply(Item::tombstone(Lsn(version), &key))
                    .map(|it| it.version().0);
                let expected = model.remove(&key);
                ensure!(
                    had == expected.map(|(_, at)| at),
                    "a deletion removed {had:?}"
                );
                log.push((version, key));
            }
            15..=16 => views.push((map.view(version), model.clone(), version)),
            17 => drop(map.merge_runs()),
            18 if !views.is_empty() => {
                let number = usize::try_from(random.below(views.len() as u64)).unwrap_or(0);
                drop(views.swap_remove(number));
            }
            _ => {
                let since = 1 + random.below(version);
                let bounds = (bound(&mut random), bound(&mut random));
                // What is there and is new was changed.
                let is_new = within(&model, &bounds).any(|(_, version)| version >= since);
                let is_changed = map.has_changed(since, &bounds);
                // So was what a view has otherwise, deletions included.
                for (_, copy, since) in &views {
                    let is_equal = within(copy, &bounds).eq(within(&model, &bounds));
                    let is_changed = map.has_changed(*since, &bounds);
                    ensure!(is_changed || is_equal, "a change beside a view is not seen");
                }
                ensure!(
                    is_changed || !is_new,
                    "a change since {since} within {bounds:?} is not seen"
                );
            }
        }
        let found = map.get(&key_of(&log)).map(|it| it.value().to_vec());
        let expected = model.get(&key_of(&log)).map(|(value, _)| value.clone());
        ensure!(
            found == expected,
            "a read gives {found:?}, not {expected:?}"
        );
        ensure!(
            map.len() == model.len(),
            "{} keys of {}",
            map.len(),
            model.len()
        );
        ensure!(
            map.tail_len() <= 2 * usize::try_from(KEYS).unwrap_or(0),
            "the active generation grows"
        );
        for (view, copy, _) in &views {
            check_view(view, copy, &mut random)?;
        }
        if views.len() > 6 {
            views.remove(0);
        }
        if random.below(200) == 0 {
            // As recovery does it.
            let view = map.view(version + 1);
            let mut items = Vec::new();
            view.for_each(|item| items.push(item.clone()));
            map = Map::of_sorted(map.hashing(), items);
            views.clear();
        }
    }
    let all = (Bound::Unbounded, Bound::Unbounded);
    let end = map.view(steps + 1);
    ensure!(
        end.scan(&all, 0).count() == model.len(),
        "the last view is another"
    );
    check_view(&end, &model, &mut random)
}

/// The key that changed last.
fn key_of(log: &[(u64, Vec<u8>)]) -> Vec<u8> {
    log.last().map_or_else(|| key(0), |(_, key)| key.clone())
}

/// The harness for injected bugs: a panic is found too.
pub(super) fn harness(seed: u64) -> Checked {
    (0..20).try_for_each(|further| {
        let caught = catch_unwind(AssertUnwindSafe(|| run(seed + further * 100, 400)));
        caught.unwrap_or_else(|_| Err("a panic".into()))
    })
}

#[test]
fn a_map_and_its_views_do_what_the_model_does() {
    for seed in 0..60 {
        holds(run(seed, 600).map_err(|what| format!("seed {seed}: {what}")));
    }
}

#[test]
fn a_map_is_empty_until_it_has_a_key_and_once_it_has_none() {
    let map = Map::default();
    assert!(map.is_empty() && map.view(1).is_empty());
    drop(map.apply(item(b"k", b"v", 1)));
    assert!(!map.is_empty() && !map.view(2).is_empty());
    drop(map.apply(Item::tombstone(Lsn(2), b"k")));
    assert!(map.is_empty() && map.view(3).is_empty());
}

#[test]
fn six_runs_that_each_are_much_shorter_than_the_one_before_stay_and_a_seventh_is_merged() {
    let map = Map::default();
    let mut version = 0;
    let mut merged = Vec::new();
    for (number, len) in (0_u8..).zip([66_406, 13_281, 2656, 531, 106, 21, 4_u32]) {
        for key in 0..len {
            version += 1;
            drop(map.apply(item(
                &[&[number][..], &key.to_be_bytes()].concat(),
                b"",
                version,
            )));
        }
        drop(map.view(version + 1));
        merged.push((map.merge_runs(), map.runs()));
    }
    let kept = (1..=6).map(|runs| (false, runs));
    assert_eq!(merged, kept.chain([(true, 6)]).collect::<Vec<_>>());
}

#[test]
fn a_deletion_is_seen_as_a_change_until_it_is_forgotten_and_then_too() {
    let map = Map::default();
    drop(map.apply(item(b"k", b"v", 1)));
    let all = (Bound::Unbounded, Bound::Unbounded);
    drop(map.view(2));
    drop(map.apply(Item::tombstone(Lsn(5), b"k")));
    for _ in 0..3 {
        assert!(map.has_changed(5, &all) && !map.has_changed(6, &all));
        drop(map.view(6));
        map.merge_runs();
    }
    assert_eq!(map.runs(), 1);
}
