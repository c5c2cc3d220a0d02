//! Workloads of streams: publishing, polling, groups, transactions, upkeep, replay, opening.
//!
//! Over files in memory, in Buffered without a thread, so that counts depend on the work alone.

mod groups;
mod reads;
mod upkeep;
mod writes;

use std::path::Path;
use std::time::Duration;

use engine::engine::{Engine, Options};
use engine::stream::{NewMessage, Settings, Streams, StreamsView};
use engine::vfs::Memory;
use engine::wal::{self, Mode};

pub use groups::*;
pub use reads::*;
pub use upkeep::*;
pub use writes::*;

use crate::suite::suite;

/// How many messages a run handles.
const MESSAGES: usize = 1000;
/// The bytes of a body.
const BODY: [u8; 64] = [7; 64];

suite!(streams {
    publish: publish(Writes) {
        single: writes_setup(1) => writes_check,
        batch10: writes_setup(10) => writes_check,
        batch100: writes_setup(100) => writes_check,
        batch1000: writes_setup(1000) => writes_check,
        idempotent: idempotent_setup() => writes_check,
        ruled: ruled_setup() => writes_check,
    }
    publish_keyed: publish_keyed(Writes) {
        partitions8: keyed_setup() => keyed_check,
    }
    poll: poll(Reads) {
        recent: reads_setup(true, 100) => reads_check,
        logged: reads_setup(false, 100) => reads_check,
        single: reads_setup(false, 1) => reads_check,
        interleaved: interleaved_setup() => reads_check,
    }
    publish_poll: publish_poll(Writes) {
        single: writes_setup(1) => writes_check,
    }
    seek: seek(Reads) {
        time: reads_setup(false, 1) => seek_check,
    }
    authorise: authorise(Writes) {
        known: ruled_setup() => authorise_check,
    }
    group_commit: group_commit(Groups) {
        n100: groups_setup(1) => groups_check,
    }
    rebalance: rebalance(Groups) {
        members16: groups_setup(64) => rebalance_check,
    }
    transaction: transaction(Groups) {
        n100: groups_setup(1) => transaction_check,
    }
    lag: lag(Groups) {
        partitions64: groups_setup(64) => lag_check,
    }
    trim: maintain(Upkeep) {
        count: upkeep_setup(Some(10), false) => trim_check,
    }
    compact: maintain(Upkeep) {
        keys10: upkeep_setup(None, true) => compact_check,
    }
    replay: replay(Replays) {
        n1000: replay_setup() => replay_check,
    }
    checkpoint: checkpoint(Opening) {
        topics1000: opening_setup() => opening_check,
    }
    open: open_again(Opening) {
        topics1000: saved_setup() => opening_check,
        records1000: replayed_setup() => opening_check,
    }
});

fn open(memory: &Memory) -> Streams {
    let view = StreamsView::new();
    let mode = Mode::Buffered {
        interval: Duration::from_mins(1),
        max_bytes: u64::MAX,
    };
    let log = wal::Options {
        mode,
        threads: 1,
        ..wal::Options::default()
    };
    let options = Options {
        log,
        background: false,
        views: vec![view.as_view()],
        ..Options::default()
    };
    let opened = Engine::open_with(memory.clone(), Path::new("db"), options);
    let (engine, _) = opened.expect("memory fails nobody");
    Streams::open_with::<Memory>(&engine, &view).expect("it has the view")
}

fn with_topic(partitions: u32, settings: Settings) -> Streams {
    let streams = open(&Memory::default());
    streams
        .create_topic("t", partitions, settings)
        .expect("it is new");
    streams
}

fn filled(partitions: u32, batch: usize) -> Streams {
    let streams = with_topic(partitions, Settings::default());
    let mut producer = streams.producer("t").expect("it is there");
    let messages = vec![NewMessage::new(&BODY); batch];
    for number in 0..MESSAGES / batch {
        for partition in 0..partitions {
            let published = producer.publish_to(partition, &messages);
            assert_eq!(
                published.expect("memory fails nobody").offset,
                (number * batch) as u64
            );
        }
    }
    streams
}
