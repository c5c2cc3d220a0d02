//! Whatever is done to an engine over a log, and however the power goes: what is recovered equals
//! the model after some number of changes, not fewer than were durable.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::time::Duration;

use engine::engine::{Keyspace, ReadView, Scan};
use engine::vfs::Sim;
use engine::wal::{self, Lsn, Mode};
use engine::{Engine, Options};
use proptest::prelude::*;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn pairs(scan: Scan) -> Model {
    scan.map(|item| (item.key().to_vec(), item.value().to_vec()))
        .collect()
}

#[derive(Debug, Clone)]
enum Operation {
    Put(u8, Vec<u8>),
    Delete(u8),
    /// Wait until all of it is durable.
    Durable,
    Checkpoint,
    /// Hold a view in the place of the one before.
    View,
    /// Close and open again.
    Reopen,
    /// The power goes; the seed decides what the disk keeps.
    Crash(u64),
}

fn operation() -> impl Strategy<Value = Operation> {
    let value = proptest::collection::vec(any::<u8>(), 0..300);
    prop_oneof![
        8 => (0_u8..12, value).prop_map(|(key, value)| Operation::Put(key, value)),
        3 => (0_u8..12).prop_map(Operation::Delete),
        2 => Just(Operation::Durable),
        1 => Just(Operation::Checkpoint),
        1 => Just(Operation::View),
        1 => Just(Operation::Reopen),
        1 => any::<u64>().prop_map(Operation::Crash),
    ]
}

fn mode() -> impl Strategy<Value = Mode> {
    let buffered = Mode::Buffered {
        interval: Duration::ZERO,
        max_bytes: 1500,
    };
    prop_oneof![Just(Mode::Strict), Just(buffered)]
}

/// An engine, and the model after each change.
struct Pair {
    sim: Sim,
    options: wal::Options,
    engine: Option<Engine>,
    /// A view that is held, and what it has to say for as long as it is.
    view: Option<(ReadView, Model)>,
    history: Vec<Model>,
}

impl Pair {
    fn new(mode: Mode) -> Self {
        let options = wal::Options {
            mode,
            segment_bytes: 4096,
            buffer_bytes: 700,
            threads: 1,
            ..wal::Options::default()
        };
        let history = vec![Model::default()];
        let mut pair = Self {
            sim: Sim::default(),
            options,
            engine: None,
            view: None,
            history,
        };
        pair.open(0);
        pair
    }

    /// Opens what is on the disk, and checks that it is one of the states it may be.
    fn open(&mut self, durable: u64) {
        let options = Options {
            log: self.options,
            background: false,
            ..Options::default()
        };
        let (engine, _) = Engine::open_with(self.sim.clone(), "db", options).unwrap();
        let count = engine.watermarks().unwrap().durable.0;
        let accepted = self.history.len() as u64 - 1;
        assert!(
            durable <= count && count <= accepted,
            "{durable} ≤ {count} ≤ {accepted}"
        );
        self.view = None;
        self.history.truncate(usize::try_from(count).unwrap() + 1);
        self.engine = Some(engine);
        self.check();
    }

    fn space(&self) -> Keyspace {
        let engine = self.engine.as_ref().unwrap();
        engine.keyspace("default").unwrap()
    }

    fn check(&self) {
        let space = self.space();
        let model = self.history.last().unwrap();
        assert_eq!(&pairs(space.scan()), model);
        assert_eq!(space.len(), model.len());
        if let Some((view, model)) = &self.view {
            assert_eq!(&pairs(view.scan(&space)), model, "a view has moved");
        }
    }

    fn apply(&mut self, operation: Operation) {
        let space = self.space();
        let mut model = self.history.last().unwrap().clone();
        let lsn = self.history.len() as u64 - 1;
        match operation {
            Operation::Put(key, value) => {
                assert_eq!(space.put(&[key], &value).unwrap(), Lsn(lsn));
                model.insert(vec![key], value);
                self.history.push(model);
            }
            Operation::Delete(key) => {
                assert_eq!(space.delete(&[key]).unwrap(), Lsn(lsn));
                model.remove(&vec![key]);
                self.history.push(model);
            }
            Operation::Durable => self.engine.as_ref().unwrap().durable().unwrap(),
            Operation::Checkpoint => {
                let at = self.engine.as_ref().unwrap().checkpoint().unwrap();
                assert_eq!(at, Lsn(lsn));
            }
            Operation::View => {
                let view = self.engine.as_ref().unwrap().view();
                assert_eq!(view.lsn(), Lsn(lsn));
                self.view = Some((view, model));
            }
            Operation::Reopen => {
                self.view = None;
                let engine = self.engine.take().unwrap();
                engine.close().unwrap();
                drop((engine, space));
                self.open(lsn);
            }
            Operation::Crash(seed) => {
                let durable = self.engine.as_ref().unwrap().watermarks().unwrap().durable;
                self.sim = self.sim.crash(seed);
                self.open(durable.0);
            }
        }
        self.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    #[test]
    fn a_recovered_engine_equals_the_model(
        mode in mode(),
        operations in proptest::collection::vec(operation(), 0..120),
    ) {
        let mut pair = Pair::new(mode);
        for operation in operations {
            pair.apply(operation);
        }
    }
}
