//! An idle stream costs less than 1 KiB of heap, and no open file: 100,000 of them are counted.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use engine::stream::{NewMessage, Settings, Streams, StreamsView};
use engine::wal::{self, Mode};
use engine::{Engine, Options};
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const STREAMS: usize = 100_000;

fn open(dir: &std::path::Path) -> Streams {
    let view = StreamsView::new();
    let mode = Mode::Buffered {
        interval: Duration::from_mins(1),
        max_bytes: u64::MAX,
    };
    let options = Options {
        log: wal::Options {
            mode,
            ..wal::Options::default()
        },
        background: false,
        views: vec![view.as_view()],
        ..Options::default()
    };
    let (engine, _) = Engine::open(dir, options).unwrap();
    Streams::open(&engine, &view).unwrap()
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn an_idle_stream_costs_less_than_a_kibibyte_and_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let before = HEAP.current_usage();
    let streams = open(dir.path());
    let (empty, files) = (HEAP.current_usage(), open_files());
    for number in 0..STREAMS {
        let name = format!("stream-{number}");
        streams.create_topic(&name, 1, Settings::default()).unwrap();
        let mut producer = streams.producer(&name).unwrap();
        let message = NewMessage::new(b"the only message of this stream");
        producer.publish(&message).unwrap();
    }
    streams.maintain().unwrap();
    let each = (HEAP.current_usage() - empty) / STREAMS;
    println!("an idle stream with a message: {each} bytes of heap");
    assert!(each < 1024, "{each} bytes");
    assert_eq!(open_files(), files);
    // The same after a restart from a checkpoint.
    streams.engine().checkpoint().unwrap();
    streams.engine().close().unwrap();
    drop(streams);
    let streams = open(dir.path());
    assert_eq!(streams.topics().len(), STREAMS);
    let each = (HEAP.current_usage() - before) / STREAMS;
    println!("after a restart: {each} bytes of heap");
    assert!(each < 1024, "{each} bytes");
}
