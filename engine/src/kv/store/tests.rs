//! The store against a model of it.

use std::collections::BTreeMap;

use super::*;
use crate::random::SplitMix64;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn filled() -> Store {
    let mut store = Store::default();
    for key in ["b", "a/2", "a/1", "a", "\u{ff}"] {
        let value = format!("value of {key}");
        assert_eq!(store.put(key.as_bytes(), value.as_bytes()), None);
    }
    store
}

fn keys<'a>(store: &'a Store, prefix: &'a [u8]) -> Vec<&'a [u8]> {
    store.prefix(prefix).map(|(key, _)| key).collect()
}

#[test]
fn the_last_value_put_is_the_one_got() {
    let mut store = filled();
    assert_eq!(store.put(b"a", b"new").unwrap(), "value of a");
    assert_eq!(store.get(b"a").unwrap(), b"new");
    assert_eq!(store.len(), 5);
}

#[test]
fn a_deleted_key_is_gone_from_points_and_scans() {
    let mut store = filled();
    assert_eq!(store.delete(b"a/1").unwrap(), "value of a/1");
    assert_eq!(store.delete(b"a/1"), None);
    assert!(!store.exists(b"a/1"));
    assert_eq!(keys(&store, b"a"), [&b"a"[..], b"a/2"]);
}

#[test]
fn a_scan_gives_its_prefix_in_order_and_nothing_else() {
    let store = filled();
    assert_eq!(keys(&store, b"a/"), [b"a/1", b"a/2"]);
    assert_eq!(keys(&store, b"c"), [b""; 0]);
    assert_eq!(keys(&store, b"").len(), 5);
    assert_eq!(keys(&store, "\u{ff}".as_bytes()), ["\u{ff}".as_bytes()]);
}

#[test]
fn a_store_has_one_frozen_view_at_a_time() {
    let mut store = filled();
    let frozen = store.freeze().unwrap();
    assert_eq!(store.freeze().unwrap_err(), StillFrozen);
    drop(frozen);
    assert_eq!(store.freeze().unwrap().len(), 5);
}

/// A store equals its model whatever is done to it while it is frozen, while what gathered is
/// carried over, and afterwards; and a frozen view stays what it was.
#[test]
fn changes_beside_a_frozen_view_count_and_the_view_stands_still() {
    let (mut store, mut model) = (Store::default(), Model::new());
    let mut view: Option<(Frozen, Model)> = None;
    let mut random = SplitMix64::new(7);
    let (mut beside, mut carrying) = (0, 0);
    for step in 0..6000_u64 {
        let key = random.below(97).to_be_bytes();
        let value = step.to_le_bytes();
        let before = model.get(&key[..]).cloned();
        let answer = if random.below(16) < 6 {
            model.remove(&key[..]);
            store.delete(&key)
        } else {
            model.insert(key.to_vec(), value.to_vec());
            store.put(&key, &value)
        };
        assert_eq!(answer.map(Vec::from), before, "step {step}");
        match step % 500 {
            100 => view = Some((store.freeze().unwrap(), model.clone())),
            400 => view = None,
            _ => {}
        }
        match (&store.base, store.overlay.is_empty()) {
            (Base::Frozen(_), false) => beside += 1,
            (Base::Ours(_), false) => carrying += 1,
            _ => {}
        }
        assert_eq!(store.len(), model.len(), "step {step}");
        let pairs = model.iter().map(|(key, value)| (&key[..], &value[..]));
        assert!(store.prefix(b"").eq(pairs), "step {step}");
        assert_eq!(store.get(&key), model.get(&key[..]).map(|value| &value[..]));
        if let Some((frozen, model)) = &view {
            let pairs = model.iter().map(|(key, value)| (&key[..], &value[..]));
            let found = frozen.iter().map(|pair| (pair.key(), pair.value()));
            assert!(found.eq(pairs), "step {step}: the view has moved");
        }
    }
    assert!(beside > 1000 && carrying > 100, "{beside}, {carrying}");
    assert!(matches!(store.base, Base::Ours(_)) && store.overlay.is_empty());
}
