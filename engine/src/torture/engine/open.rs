//! An engine with two views, small enough for a script to meet every seam.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::model::{HOLDING, NAMES, SAVED};
use crate::engine::{Applied, Engine, HashSeed, Keyspace, Options, Refused, View};
use crate::frame::Kind;
use crate::torture::model::dir;
use crate::vfs::Sim;
use crate::wal::{self, Mode};

/// A view that adds up its records.
pub(super) struct Sum {
    pub name: &'static str,
    pub kind: Kind,
    pub saves: bool,
    pub total: AtomicU64,
}

impl View for Sum {
    fn name(&self) -> &str {
        self.name
    }

    fn kinds(&self) -> RangeInclusive<Kind> {
        self.kind..=self.kind
    }

    fn apply(&self, record: Applied<'_>) -> Result<(), Refused> {
        let number = record.payload.first().copied().map_or(0, u64::from);
        self.total.fetch_add(number, Ordering::Relaxed);
        Ok(())
    }

    fn save(&self) -> Option<Vec<u8>> {
        let sum = self.total.load(Ordering::Relaxed);
        self.saves.then(|| sum.to_le_bytes().to_vec())
    }

    fn restore(&self, saved: &[u8]) -> Result<(), Refused> {
        let sum = saved
            .try_into()
            .map_err(|_| Refused("eight bytes".into()))?;
        self.total.store(u64::from_le_bytes(sum), Ordering::Relaxed);
        Ok(())
    }
}

/// An engine and its views.
pub(super) struct Opened {
    pub engine: Engine,
    pub views: [Arc<Sum>; 2],
    pub spaces: BTreeMap<usize, Keyspace>,
}

/// Opens what a disk holds, in the mode of a seed.
pub(super) fn open(sim: &Sim, seed: u64) -> Result<Opened, String> {
    let view = |name, kind, saves| {
        let total = AtomicU64::new(0);
        Arc::new(Sum {
            name,
            kind,
            saves,
            total,
        })
    };
    let views = [view("saved", SAVED, true), view("holding", HOLDING, false)];
    let buffered = Mode::Buffered {
        interval: Duration::ZERO,
        max_bytes: 700,
    };
    let options = Options {
        log: wal::Options {
            mode: if seed.is_multiple_of(2) {
                Mode::Strict
            } else {
                buffered
            },
            segment_bytes: 4096,
            buffer_bytes: 400,
            threads: 1,
            ..wal::Options::default()
        },
        checkpoint_bytes: Some(1500),
        checkpoint_interval: None,
        background: false,
        skip_views: false,
        hash_seed: HashSeed::default(),
        views: views
            .iter()
            .map(|view| Arc::clone(view) as Arc<dyn View>)
            .collect(),
    };
    let opened = Engine::open_with(sim.clone(), dir(), options);
    let (engine, _) = opened.map_err(|error| format!("the engine does not open: {error}"))?;
    let mut spaces = BTreeMap::new();
    for (number, name) in NAMES.iter().enumerate() {
        if engine.keyspace_type(name).is_some() {
            let space = engine.keyspace(name).map_err(|error| error.to_string())?;
            spaces.insert(number, space);
        }
    }
    Ok(Opened {
        engine,
        views,
        spaces,
    })
}
