//! A table over an engine on a simulated disk, crashed at every call. The persister is a database of
//! its own and keeps what it has.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::map_persister::MapPersister;
use super::world::{Model, Operation, World, by_hand};
use crate::crash_test::{Checked, Script, crash_everywhere, ensure, fail_everywhere};
use crate::engine::{self, Engine};
use crate::memtable::{WriteError, view};
use crate::random::SplitMix64;
use crate::vfs::{Failure, Sim};
use crate::wal::{self, Lsn, Mode};

/// The state after each commit.
pub(super) type History = Vec<(Lsn, Model)>;

/// What is known when a script is over.
pub(super) struct Known {
    /// It keeps what it has.
    pub persister: MapPersister,
    pub history: History,
    /// What was durable.
    pub durable: Lsn,
}

pub(super) fn open(sim: &Sim, seed: u64) -> Result<Engine, String> {
    let buffered = Mode::Buffered {
        interval: Duration::ZERO,
        max_bytes: 700,
    };
    let log = wal::Options {
        mode: if seed.is_multiple_of(2) {
            Mode::Strict
        } else {
            buffered
        },
        segment_bytes: 4096,
        buffer_bytes: 200,
        threads: 1,
        ..wal::Options::default()
    };
    let options = engine::Options {
        log,
        checkpoint_bytes: None,
        checkpoint_interval: None,
        background: false,
        views: vec![view()],
        ..engine::Options::default()
    };
    let opened = Engine::open_with(sim.clone(), Path::new("db"), options);
    opened.map(|it| it.0).map_err(|error| error.to_string())
}

fn ends(engine: &Engine) -> (Lsn, Lsn) {
    let marks = engine.watermarks();
    marks.map_or((Lsn(0), Lsn(0)), |it| (it.accepted, it.durable))
}

fn operation(random: &mut SplitMix64) -> Operation {
    let [a, b, c, d, ..] = random.next_u64().to_le_bytes();
    Operation::of([a, b, c, d])
}

/// Works until the disk fails, and answers with what was durable by then. Now and then somebody else
/// writes to the engine, a checkpoint truncates the log, or the process restarts.
fn run(
    sim: &Sim,
    seed: u64,
    len: usize,
    persister: &MapPersister,
    history: &mut History,
) -> Result<Lsn, String> {
    let mut random = SplitMix64::new(seed);
    let mut durable = Lsn(0);
    let Ok(mut engine) = open(sim, seed) else {
        return Ok(durable);
    };
    // Whether it can be opened on a good disk is checked afterwards.
    let log = Arc::new(engine.clone());
    let Ok(mut world) = World::over_log(log, persister.clone(), by_hand()) else {
        return Ok(durable);
    };
    for _ in 0..len {
        match random.below(24) {
            0 => drop(engine.checkpoint()),
            1 => {
                let Ok(other) = engine.keyspace("other") else {
                    return Ok(durable);
                };
                let _ = other.put(b"key", &random.next_u64().to_le_bytes());
            }
            2 => {
                if engine.durable().is_err() {
                    return Ok(durable);
                }
                let model = std::mem::take(&mut world.model);
                drop((world, engine));
                let Ok(again) = open(sim, seed) else {
                    return Ok(durable);
                };
                engine = again;
                let log = Arc::new(engine.clone());
                let Ok(again) = World::over_log(log, persister.clone(), by_hand()) else {
                    return Ok(durable);
                };
                world = again;
                world.model = model;
                world.check()?;
            }
            _ => {
                let operation = operation(&mut random);
                let mut attempted = world.model.clone();
                let end = ends(&engine).0;
                let hindered = world.apply(&operation)?;
                if matches!(hindered, Some(WriteError::Log(_))) {
                    // It was refused, and may be in the log.
                    match changed(&operation, &attempted) {
                        Some((id, Some(item))) => drop(attempted.insert(id, item)),
                        Some((id, None)) => drop(attempted.remove(&id)),
                        None => {}
                    }
                    history.push((Lsn(end.0 + 1), attempted));
                    return Ok(durable);
                }
                if ends(&engine).0 > end {
                    history.push((Lsn(end.0 + 1), world.model.clone()));
                }
            }
        }
        durable = durable.max(ends(&engine).1);
    }
    Ok(durable)
}

/// What an operation makes of a key, if it is allowed.
fn changed(operation: &Operation, model: &Model) -> Option<(u8, Option<super::item::Item>)> {
    match operation {
        Operation::Put(item) | Operation::Insert(item) | Operation::Update(item) => {
            Some((item.id, Some(item.clone())))
        }
        Operation::Recolor(id, color) => {
            let mut item = model.get(id)?.clone();
            item.color = *color;
            Some((*id, Some(item)))
        }
        Operation::Delete(id) => Some((*id, None)),
        _ => None,
    }
}

/// Opens what the disk kept, and compares it with the state after the last record that it has.
fn check(disk: &Sim, seed: u64, known: &Known) -> Checked {
    let engine = open(disk, seed)?;
    let (count, durable) = (ends(&engine).0, known.durable);
    ensure!(
        count >= durable,
        "{count} records of {durable} durable ones"
    );
    let upto = known.history.iter().take_while(|(end, _)| *end <= count);
    let model = upto.last().map(|(_, model)| model.clone());
    let mut world = World::over_log(Arc::new(engine), known.persister.copy(), by_hand())?;
    world.model = model.unwrap_or_default();
    let at = |what| format!("recovered {count} records: {what}");
    world.check().map_err(at)?;
    // It can be used, and flushed.
    world.apply(&Operation::Put(super::item::Item::new(3)))?;
    world.apply(&Operation::Flush)?;
    world.check().map_err(at)
}

/// A table at work.
struct Work {
    seed: u64,
    len: usize,
}

impl Script for Work {
    type Known = Known;

    fn run(&self, sim: &Sim) -> Result<Known, String> {
        let (persister, mut history) = (MapPersister::default(), History::new());
        let durable = run(sim, self.seed, self.len, &persister, &mut history)?;
        Ok(Known {
            persister,
            history,
            durable,
        })
    }

    fn check(&self, disk: &Sim, known: &Known) -> Checked {
        let story = |what| format!("seed {}: {what}", self.seed);
        check(disk, self.seed, known).map_err(story)
    }
}

/// Crashes at every call of the engine's disk.
pub(super) fn crashed(seed: u64, len: usize, fates: &[u64]) -> Checked {
    crash_everywhere(&Work { seed, len }, 1, fates).map(drop)
}

#[test]
fn nothing_is_lost_by_a_crash_at_any_call() {
    for seed in 0..2 {
        assert_eq!(crashed(seed, 100, &[0, 1, 3]), Ok(()));
    }
}

#[test]
fn nothing_is_lost_by_a_failure_of_any_call() {
    for seed in 0..2 {
        let tried = fail_everywhere(&Work { seed, len: 60 }, 1, &[Failure::Partial], seed);
        assert_eq!(tried.map(drop), Ok(()));
    }
}
