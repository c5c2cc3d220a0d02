//! Whatever is done to a store over a log, and however the power goes: what is recovered equals
//! the model after some number of changes, not fewer than were durable.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use engine::kv::{Change, Frozen, Store, checkpoint, recover};
use engine::vfs::Sim;
use engine::wal::{Lsn, Mode, Options, Wal};
use proptest::prelude::*;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Debug, Clone)]
enum Operation {
    Put(u8, Vec<u8>),
    Delete(u8),
    Commit,
    Write,
    Checkpoint,
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
        2 => Just(Operation::Commit),
        1 => Just(Operation::Write),
        1 => Just(Operation::Checkpoint),
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

/// A store over a log, and the model after each change.
struct Pair {
    sim: Sim,
    options: Options,
    wal: Option<Wal<Sim>>,
    store: Store,
    view: Option<(Frozen, Lsn)>,
    history: Vec<Model>,
}

impl Pair {
    fn new(mode: Mode) -> Self {
        let options = Options {
            mode,
            segment_bytes: 4096,
            buffer_bytes: 700,
            threads: 1,
            ..Options::default()
        };
        let history = vec![Model::default()];
        let mut pair = Self {
            sim: Sim::default(),
            options,
            wal: None,
            store: Store::default(),
            view: None,
            history,
        };
        pair.open(0);
        pair
    }

    /// Opens what is on the disk, and checks that it is one of the states it may be.
    fn open(&mut self, durable: u64) {
        let dir = Path::new("db");
        let (wal, _) = Wal::open(self.sim.clone(), dir, self.options).unwrap();
        let count = wal.watermarks().durable.0;
        let accepted = self.history.len() as u64 - 1;
        assert!(
            durable <= count && count <= accepted,
            "{durable} ≤ {count} ≤ {accepted}"
        );
        self.view = None;
        self.store = recover(&self.sim, dir, &wal).unwrap().store;
        self.history.truncate(usize::try_from(count).unwrap() + 1);
        self.check();
        self.wal = Some(wal);
    }

    fn check(&self) {
        let pairs = self
            .store
            .prefix(b"")
            .map(|(key, value)| (key.to_vec(), value.to_vec()));
        assert_eq!(&pairs.collect::<Model>(), self.history.last().unwrap());
    }

    /// Takes a checkpoint of an earlier view, if there is one, and freezes the next. So changes go
    /// beside a frozen base for as long as the operations between two checkpoints take.
    fn checkpoint(&mut self, wal: &Wal<Sim>) {
        if let Some((view, lsn)) = self.view.take() {
            checkpoint(&self.sim, Path::new("db"), wal, &view, lsn).unwrap();
        }
        let accepted = wal.watermarks().accepted;
        self.view = Some((self.store.freeze().unwrap(), accepted));
    }

    fn apply(&mut self, operation: Operation) {
        let wal = self.wal.take().unwrap();
        let marks = wal.watermarks();
        let mut model = self.history.last().unwrap().clone();
        let mut payload = Vec::new();
        match operation {
            Operation::Put(key, value) => {
                wal.append(Change::put(&mut payload, &[key], &value))
                    .unwrap();
                self.store.put(&[key], &value);
                model.insert(vec![key], value);
                self.history.push(model);
            }
            Operation::Delete(key) => {
                wal.append(Change::delete(&[key])).unwrap();
                self.store.delete(&[key]);
                model.remove(&vec![key]);
                self.history.push(model);
            }
            Operation::Commit => wal.commit(marks.accepted).unwrap(),
            Operation::Write => wal.wait_written(marks.accepted).unwrap(),
            Operation::Checkpoint => {
                self.checkpoint(&wal);
            }
            Operation::Reopen => {
                wal.close().unwrap();
                self.open(marks.accepted.0);
                return;
            }
            Operation::Crash(seed) => {
                self.sim = self.sim.crash(seed);
                self.open(marks.durable.0);
                return;
            }
        }
        self.wal = Some(wal);
        self.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    #[test]
    fn a_recovered_store_equals_the_model(
        mode in mode(),
        operations in proptest::collection::vec(operation(), 0..120),
    ) {
        let mut pair = Pair::new(mode);
        for operation in operations {
            pair.apply(operation);
        }
    }
}
