//! An engine from what its directory holds: the newest good snapshot, and the log above it.
//!
//! ```text
//! lock, verify the log ──► newest snapshot of this log ──► keyspaces, views' saved states
//!                                                  └─► log above it ──► keyspaces and views
//!              log from its beginning, for views that hold it ──► those views
//! ```
//!
//! It is the same each time: nothing of it depends on the clock, and recovering twice gives what
//! recovering once gave.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::catalog::{self, DEFAULT, DEFAULT_KEYSPACE, KeyspaceType, SYSTEM};
use super::error::OpenError;
use super::log::Door;
use super::sequencer::{Sequencer, Space, State};
use super::view::{Applied, View};
use super::{Options, change};
use crate::frame::Kind;
use crate::injected_bug::{Bug, injected};
use crate::map::{HashSeed, Hashing, Item, Map};
use crate::snapshot::{self, BadSnapshot, Loaded, Meta, Newest, ROWS, Rows};
use crate::vfs::{IoError, Vfs};
use crate::wal::{Entry, Fit, Floor, Lsn, Policy, Recovered, Wal, set_file_aside};

/// What recovery found and did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Recovery {
    /// What the log says about itself: segments, damage that was cut or set aside.
    pub log: Recovered,
    /// The snapshot that it began with.
    pub snapshot: Option<Meta>,
    /// Keys that came from the snapshot.
    pub snapshot_keys: u64,
    /// Records that were replayed above the snapshot.
    pub replayed: u64,
    /// Newer snapshots that could not be believed.
    pub passed_over: Vec<(PathBuf, BadSnapshot)>,
    /// Newer snapshots that are good and not of this log's history, and why. They were renamed to
    /// the names given here.
    pub set_aside: Vec<(PathBuf, Fit)>,
    /// How long it took, by the clock of the door.
    pub took: Duration,
}

/// What a directory gave.
pub(super) struct Opened<V: Vfs> {
    pub door: Door<V>,
    pub sequencer: Sequencer,
    pub recovery: Recovery,
}

/// Whether a log has the history of which a snapshot is.
pub(super) fn is_held<V: Vfs>(wal: &Wal<V>, meta: &Meta) -> bool {
    matches!(wal.fit(meta.lsn, &meta.origin), Ok(Fit::Held))
}

/// An error where two views cannot be told apart.
pub(super) fn check_views(views: &[Arc<dyn View>]) -> Result<(), OpenError> {
    for (number, one) in views.iter().enumerate() {
        for other in &views[..number] {
            let (kinds, others) = (one.kinds(), other.kinds());
            let is_apart = kinds.end() < others.start() || others.end() < kinds.start();
            if one.name() == other.name() || !is_apart {
                return Err(OpenError::ViewsClash {
                    one: other.name().to_owned(),
                    other: one.name().to_owned(),
                });
            }
        }
    }
    Ok(())
}

/// An engine's state before its first record.
pub(super) fn empty(views: Vec<Arc<dyn View>>, seed: HashSeed) -> Sequencer {
    let mut sequencer = Sequencer {
        log: None,
        state: State::Open,
        next: 0,
        by_id: BTreeMap::new(),
        by_name: BTreeMap::new(),
        views,
        holders: BTreeMap::new(),
    };
    let hashing = Hashing::new(seed);
    for (id, name) in [(SYSTEM, ""), (DEFAULT, DEFAULT_KEYSPACE)] {
        let map = Map::new(hashing.clone());
        add(
            &mut sequencer,
            Space::new(id, name, KeyspaceType::Values, map),
        );
    }
    sequencer
}

fn add(sequencer: &mut Sequencer, space: Arc<Space>) {
    space
        .is_committed
        .store(true, std::sync::atomic::Ordering::Release);
    if space.id != SYSTEM {
        sequencer
            .by_name
            .insert(space.name.clone(), Arc::clone(&space));
    }
    sequencer.by_id.insert(space.id, space);
}

/// Opens the log in `dir` and builds the state.
pub(super) fn open<V: Vfs>(vfs: V, dir: &Path, options: &Options) -> Result<Opened<V>, OpenError> {
    check_views(&options.views)?;
    let begun = vfs.now_us();
    let mut newest = None;
    let floor = || -> Result<Option<Floor>, IoError> {
        snapshot::remove_drafts(&vfs, dir)?;
        let Newest { loaded, .. } = snapshot::load_newest(&vfs, dir)?;
        newest = loaded;
        // Where somebody needs the log below the snapshot, damage there is damage.
        Ok(newest.as_ref().filter(|loaded| !is_held_below(loaded)).map(
            |Loaded { meta, .. }| Floor {
                lsn: meta.lsn,
                origin: meta.origin,
            },
        ))
    };
    let (wal, log) = Wal::open_above(vfs.clone(), dir, options.log, floor)?;
    let mut recovery = Recovery {
        log,
        ..Recovery::default()
    };
    let (loaded, unfit) = choose(&vfs, dir, &wal, newest, &mut recovery)?;
    let mut sequencer = empty(options.views.clone(), options.hash_seed);
    let mut restored = Vec::new();
    if let Some(loaded) = &loaded {
        restored = restore(&mut sequencer, loaded, options.skip_views, &mut recovery)?;
        recovery.snapshot = Some(loaded.meta);
    }
    let first = wal.first_lsn();
    let from = recovery.snapshot.map_or(Lsn(0), |meta| meta.lsn);
    if from < first {
        return Err(OpenError::NoSnapshot { first });
    }
    drop(loaded);
    // Views that saved nothing are told of all that is left.
    let is_whole = |view: &Arc<dyn View>| restored.iter().any(|name| name == view.name());
    let needs_all = recovery.snapshot.is_some() && !options.views.iter().all(is_whole);
    let start = if needs_all { first } else { from };
    for entry in wal.entries_from(start)? {
        let entry = entry?;
        if entry.lsn < from {
            tell(&sequencer, &entry, options.skip_views, |view| {
                !restored.iter().any(|name| name == view.name())
            })?;
        } else {
            recovery.replayed += 1;
            replay(&mut sequencer, &entry, options.skip_views)?;
        }
    }
    sequencer.next = wal.watermarks().accepted.0;
    for (path, fit) in unfit {
        recovery
            .set_aside
            .push((set_file_aside(&vfs, dir, &path)?, fit));
    }
    recovery.took = Duration::from_micros(vfs.now_us().saturating_sub(begun));
    let dir = dir.to_owned();
    Ok(Opened {
        door: Door { vfs, dir, wal },
        sequencer,
        recovery,
    })
}

/// Whether a holder named in a snapshot needs records below it.
fn is_held_below(loaded: &Loaded) -> bool {
    let Some(rows) = loaded.section(ROWS).and_then(|rows| Rows::load(rows).ok()) else {
        return false;
    };
    let mut system = rows.take_while(|row| row.keyspace == SYSTEM);
    system.any(|row| {
        let lsn = row.bytes[row.key.len()..]
            .try_into()
            .map(u64::from_le_bytes);
        row.key.starts_with(catalog::HOLDER) && lsn.is_ok_and(|lsn| lsn < loaded.meta.lsn.0)
    })
}

/// Snapshots that do not go with the log, and why.
type Unfit = Vec<(PathBuf, Fit)>;

/// The newest snapshot that goes with the log. `newest` is the newest that can be believed.
fn choose<V: Vfs>(
    vfs: &V,
    dir: &Path,
    wal: &Wal<V>,
    mut newest: Option<Loaded>,
    recovery: &mut Recovery,
) -> Result<(Option<Loaded>, Unfit), OpenError> {
    let mut unfit = Vec::new();
    for (lsn, path) in snapshot::snapshots(vfs, dir)?.into_iter().rev() {
        let known = newest.take_if(|loaded| loaded.meta.lsn == lsn);
        let loaded = match known.map_or_else(|| snapshot::load(vfs, &path, lsn), |it| Ok(Ok(it)))? {
            Ok(loaded) => loaded,
            Err(bad) => {
                recovery.passed_over.push((path, bad));
                continue;
            }
        };
        match wal.fit(lsn, &loaded.meta.origin)? {
            Fit::Held => return Ok((Some(loaded), unfit)),
            Fit::Truncated => {}
            fit => {
                refuse(wal, lsn, &path, fit)?;
                unfit.push((path, fit));
            }
        }
    }
    Ok((None, unfit))
}

/// An error where a snapshot that does not go with the log proves that records are gone.
fn refuse<V: Vfs>(wal: &Wal<V>, lsn: Lsn, path: &Path, fit: Fit) -> Result<(), OpenError> {
    let is_lenient = wal.policy() == Policy::PointInTime;
    match fit {
        Fit::TooShort if !is_lenient => Err(OpenError::LogTooShort {
            end: wal.watermarks().accepted,
            snapshot: lsn,
        }),
        Fit::AnotherLog if !is_lenient => Err(OpenError::AnotherLog {
            path: path.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Takes in a snapshot, and answers with the names of the views that got their state back.
fn restore(
    sequencer: &mut Sequencer,
    loaded: &Loaded,
    skip_views: bool,
    recovery: &mut Recovery,
) -> Result<Vec<String>, OpenError> {
    let rows = loaded.section(ROWS);
    let rows = rows.ok_or(BadSnapshot::NoSection(ROWS))?;
    let mut restored = Vec::new();
    let mut keyspace = SYSTEM;
    let mut items: Vec<Item> = Vec::new();
    for row in Rows::load(rows)? {
        if row.keyspace < keyspace {
            return Err(BadSnapshot::Section(ROWS).into());
        }
        if row.keyspace != keyspace {
            fill(sequencer, keyspace, std::mem::take(&mut items))?;
            keyspace = row.keyspace;
        }
        if keyspace == SYSTEM
            && let Some(name) = row.key.strip_prefix(catalog::VIEW)
        {
            let saved = &row.bytes[row.key.len()..];
            let name = String::from_utf8_lossy(name);
            match sequencer.views.iter().find(|view| view.name() == name) {
                Some(view) => restored.push(restore_view(&**view, saved)?),
                None if skip_views => {}
                None => {
                    let view = name.into_owned();
                    return Err(OpenError::NoView { view });
                }
            }
            continue;
        }
        if items.last().is_some_and(|last| last.key() >= row.key) {
            return Err(BadSnapshot::Section(ROWS).into());
        }
        let key_len = u32::try_from(row.key.len()).unwrap_or(u32::MAX);
        let expires_us = if injected(Bug::LoseExpiry) {
            0
        } else {
            row.expires_us
        };
        items.push(Item::new(row.version, expires_us, key_len, row.bytes));
        recovery.snapshot_keys += 1;
    }
    fill(sequencer, keyspace, items)?;
    Ok(restored)
}

/// Gives a view its state back, and answers with its name.
fn restore_view(view: &dyn View, saved: &[u8]) -> Result<String, OpenError> {
    let name = view.name().to_owned();
    match view.restore(saved) {
        Ok(()) => Ok(name),
        Err(reason) => Err(OpenError::View { view: name, reason }),
    }
}

/// Makes a keyspace of sorted items.
fn fill(sequencer: &mut Sequencer, id: u32, items: Vec<Item>) -> Result<(), OpenError> {
    if id == SYSTEM {
        for item in &items {
            sequencer.apply_system(item);
        }
    }
    let Some(old) = sequencer.by_id.get(&id) else {
        return Err(BadSnapshot::Section(ROWS).into());
    };
    let space = Space::new(
        id,
        &old.name,
        old.kind,
        Map::of_sorted(old.map.hashing(), items),
    );
    add(sequencer, space);
    Ok(())
}

/// Does what a record of the log says.
fn replay(sequencer: &mut Sequencer, entry: &Entry, skip_views: bool) -> Result<(), OpenError> {
    let Entry {
        lsn,
        kind,
        version,
        payload,
    } = entry;
    if !matches!(*kind, Kind::KV_PUT | Kind::KV_DELETE) {
        return tell(sequencer, entry, skip_views, |_| true);
    }
    let change = change::read(*lsn, *kind, *version, payload);
    let change = change.map_err(|reason| unreadable(entry, reason))?;
    let Some(space) = sequencer.by_id.get(&change.keyspace).cloned() else {
        return Err(unreadable(entry, "its keyspace was never created"));
    };
    if injected(Bug::ForgetTombstones) && change.item.is_tombstone() {
        return Ok(());
    }
    sequencer.apply(&space, change.item);
    Ok(())
}

/// Tells the view that a record is for, if it `is_meant`.
fn tell(
    sequencer: &Sequencer,
    entry: &Entry,
    skip_views: bool,
    is_meant: impl Fn(&dyn View) -> bool,
) -> Result<(), OpenError> {
    let view = sequencer
        .views
        .iter()
        .find(|view| view.kinds().contains(&entry.kind));
    let Some(view) = view else {
        // A caller's own records may lie in the same log; of the engine's own, none is passed over.
        let is_callers = entry.kind >= Kind(0x40);
        let is_change = matches!(entry.kind, Kind::KV_PUT | Kind::KV_DELETE);
        let is_ok = is_callers || is_change || skip_views;
        return if is_ok {
            Ok(())
        } else {
            Err(unreadable(entry, "no view of this engine has its type"))
        };
    };
    if !is_meant(&**view) {
        return Ok(());
    }
    let applied = Applied {
        lsn: entry.lsn,
        kind: entry.kind,
        version: entry.version,
        payload: &entry.payload,
        is_replay: true,
    };
    let told = view.apply(applied);
    told.map_err(|refused| unreadable(entry, &refused.0))
}

fn unreadable(entry: &Entry, reason: &str) -> OpenError {
    OpenError::Record {
        lsn: entry.lsn,
        kind: entry.kind.0,
        version: entry.version,
        reason: reason.to_owned(),
    }
}
