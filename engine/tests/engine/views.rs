//! Views beside the keyspaces: told of their records once, in order, and again at recovery.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

use engine::engine::{Applied, CheckpointError, CommitError, OpenError, Refused, View};
use engine::frame::Kind;
use engine::vfs::Sim;
use engine::wal::{Lsn, Mode};
use engine::{Engine, Options};

use super::options;

/// Adds up what it is told, and notes the LSNs.
struct Sum {
    name: &'static str,
    kind: Kind,
    saves: bool,
    state: Mutex<(u64, Vec<u64>)>,
}

impl Sum {
    fn new(name: &'static str, kind: u8, saves: bool) -> Arc<Self> {
        Arc::new(Self {
            name,
            kind: Kind(kind),
            saves,
            state: Mutex::default(),
        })
    }

    fn sum(&self) -> u64 {
        self.state.lock().unwrap().0
    }

    fn lsns(&self) -> Vec<u64> {
        self.state.lock().unwrap().1.clone()
    }
}

impl View for Sum {
    fn name(&self) -> &str {
        self.name
    }

    fn kinds(&self) -> RangeInclusive<Kind> {
        self.kind..=self.kind
    }

    fn apply(&self, record: Applied<'_>) -> Result<(), Refused> {
        let [number] = record.payload else {
            return Err(Refused("one byte was expected".into()));
        };
        assert!(*number != 99, "a bug in a view");
        let mut state = self.state.lock().unwrap();
        state.0 += u64::from(*number);
        state.1.push(record.lsn.0);
        Ok(())
    }

    fn save(&self) -> Option<Vec<u8>> {
        self.saves.then(|| self.sum().to_le_bytes().to_vec())
    }

    fn restore(&self, saved: &[u8]) -> Result<(), Refused> {
        let sum = saved
            .try_into()
            .map_err(|_| Refused("eight bytes were expected".into()))?;
        self.state.lock().unwrap().0 = u64::from_le_bytes(sum);
        Ok(())
    }
}

fn with(views: &[&Arc<Sum>]) -> Options {
    let views = views.iter().map(|view| Arc::clone(*view) as Arc<dyn View>);
    Options {
        views: views.collect(),
        ..options(Mode::Strict)
    }
}

#[test]
fn a_view_is_told_of_its_records_with_the_transaction_and_after_a_crash() {
    let sim = Sim::default();
    let [saving, holding] = [("saving", 0x20, true), ("holding", 0x28, false)]
        .map(|(name, kind, saves)| Sum::new(name, kind, saves));
    let (engine, _) = Engine::open_with(sim.clone(), "db", with(&[&saving, &holding])).unwrap();
    let tea = engine.keyspace("tea").unwrap();
    let add = |number: u8| {
        engine.transaction(|tx| {
            tx.record(Kind(0x20), 1, &[number])?;
            tx.put(&tea, &[number], b"")?;
            tx.record(Kind(0x28), 1, &[number])?;
            tx.hold("holding", Lsn(0))
        })
    };
    for number in 1..=5 {
        let done = add(number).unwrap();
        assert_eq!(done.end.0 - done.first.0, 4);
    }
    engine.checkpoint().unwrap();
    for number in 6..=10 {
        add(number).unwrap();
    }
    assert_eq!((saving.sum(), holding.sum()), (55, 55));
    let refused = engine.transaction(|tx| {
        tx.record(Kind(0x20), 1, &[1])?;
        Err::<(), _>(CommitError::abort("no"))
    });
    assert!(refused.is_err() && saving.sum() == 55);

    let [again, held] = [("saving", 0x20, true), ("holding", 0x28, false)]
        .map(|(name, kind, saves)| Sum::new(name, kind, saves));
    let (engine, recovery) = Engine::open_with(sim.crash(0), "db", with(&[&again, &held])).unwrap();
    assert!(recovery.snapshot.is_some());
    assert_eq!((again.sum(), held.sum()), (55, 55));
    assert_eq!(held.lsns(), holding.lsns());
    assert_eq!(
        again.lsns(),
        saving.lsns()[5..],
        "only what came after the snapshot"
    );
    assert_eq!(engine.stats().holders["holding"], Lsn(0));
}

#[test]
fn a_holder_keeps_the_log_and_its_release_lets_it_go() {
    let sim = Sim::default();
    let (engine, _) = Engine::open_with(sim, "db", with(&[])).unwrap();
    let tea = engine.keyspace("tea").unwrap();
    let fill = || {
        for number in 0..1000_u32 {
            tea.put(&number.to_be_bytes(), &[0; 200]).unwrap();
        }
        engine.checkpoint().unwrap();
    };
    engine
        .transaction(|tx| tx.hold("reader", Lsn(700)))
        .unwrap();
    fill();
    fill();
    fill();
    let first = engine.stats().first;
    assert!(first <= Lsn(700) && first > Lsn(0), "{first}");
    assert!(engine.records_from(Lsn(700)).unwrap().next().is_some());
    engine
        .transaction(|tx| {
            tx.release("reader");
            Ok(())
        })
        .unwrap();
    fill();
    assert!(engine.stats().first > Lsn(700));
    assert!(engine.stats().holders.is_empty());
}

#[test]
fn a_record_that_no_view_can_read_is_an_error() {
    let sim = Sim::default();
    let view = Sum::new("one", 0x20, false);
    let (engine, _) = Engine::open_with(sim.clone(), "db", with(&[&view])).unwrap();
    let refused = engine.transaction(|tx| tx.record(Kind(0x28), 1, &[1]));
    assert!(matches!(refused, Err(CommitError::NoView { kind: 0x28 })));
    engine
        .transaction(|tx| tx.record(Kind(0x20), 1, &[1]))
        .unwrap();
    let refused = Engine::open_with(sim.crash(0), "db", with(&[])).unwrap_err();
    assert!(
        matches!(refused, OpenError::Record { kind: 0x20, .. }),
        "{refused}"
    );
    // One that the view refuses stops the engine; it is in the log, and recovery says so too.
    let tea = engine.keyspace("tea").unwrap();
    let refused = engine.transaction(|tx| tx.record(Kind(0x20), 1, b"too long"));
    assert!(matches!(refused, Err(CommitError::Failed { .. })));
    assert!(matches!(
        tea.put(b"k", b"v"),
        Err(CommitError::Failed { .. })
    ));
}

#[test]
fn a_view_that_panics_stops_the_engine_and_loses_nothing() {
    let sim = Sim::default();
    let view = Sum::new("one", 0x20, false);
    let (engine, _) = Engine::open_with(sim, "db", with(&[&view])).unwrap();
    let tea = engine.keyspace("tea").unwrap();
    tea.put(b"k", b"v").unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        engine.transaction(|tx| tx.record(Kind(0x20), 1, &[99]))
    }));
    assert!(panicked.is_err());
    assert!(matches!(
        tea.put(b"k", b"w"),
        Err(CommitError::Failed { .. })
    ));
    assert_eq!(tea.get(b"k").unwrap(), b"v");
}

#[test]
fn views_that_cannot_be_told_apart_are_refused() {
    let one = Sum::new("one", 0x20, false);
    for other in [Sum::new("one", 0x21, false), Sum::new("other", 0x20, false)] {
        let refused = Engine::open_with(Sim::default(), "db", with(&[&one, &other]));
        assert!(matches!(refused, Err(OpenError::ViewsClash { .. })));
    }
}

#[test]
fn a_saved_state_without_its_view_is_refused_or_looked_past_and_never_lost() {
    let sim = Sim::default();
    let view = Sum::new("one", 0x20, true);
    let (engine, _) = Engine::open_with(sim.clone(), "db", with(&[&view])).unwrap();
    let tea = engine.keyspace("tea").unwrap();
    let both = engine.transaction(|tx| {
        tx.record(Kind(0x20), 1, &[5])?;
        tx.put(&tea, b"k", b"v")
    });
    both.unwrap();
    engine.checkpoint().unwrap();
    engine
        .transaction(|tx| tx.record(Kind(0x20), 1, &[6]))
        .unwrap();
    drop((engine, tea));
    let refused = Engine::open_with(sim.clone(), "db", with(&[])).unwrap_err();
    assert!(
        matches!(&refused, OpenError::NoView { view } if view == "one"),
        "{refused}"
    );
    let skipping = Options {
        skip_views: true,
        checkpoint_bytes: Some(0),
        ..with(&[])
    };
    let (engine, _) = Engine::open_with(sim.clone(), "db", skipping).unwrap();
    assert_eq!(engine.keyspace("tea").unwrap().get(b"k").unwrap(), b"v");
    assert!(matches!(
        engine.checkpoint(),
        Err(CheckpointError::ViewsSkipped)
    ));
    engine.keyspace("tea").unwrap().put(b"l", b"w").unwrap();
    engine.maintain().unwrap();
    drop(engine);
    let again = Sum::new("one", 0x20, true);
    let (_engine, _) = Engine::open_with(sim, "db", with(&[&again])).unwrap();
    assert_eq!(again.sum(), 11);
}
