//! Upkeep of a topic, checkpoints of many, and opening.

use engine::stream::{From, Limits, NewMessage, Retention, Settings, Streams};
use engine::vfs::Memory;

use super::{BODY, MESSAGES, open, with_topic};

/// A topic that needs upkeep.
pub struct Upkeep {
    streams: Streams,
    done: Option<engine::stream::Upkeep>,
}

/// 1,000 messages with ten keys.
#[must_use]
pub fn upkeep_setup(messages: Option<u64>, is_compacted: bool) -> Upkeep {
    let retention = Retention {
        messages,
        ..Retention::default()
    };
    let streams = with_topic(
        1,
        Settings {
            retention,
            is_compacted,
            ..Settings::default()
        },
    );
    let mut producer = streams.producer("t").expect("it is there");
    for number in 0..MESSAGES {
        let key = [u8::try_from(number % 10).unwrap_or(0)];
        let published = producer.publish(&NewMessage::new(&BODY).key(&key));
        published.expect("memory fails nobody");
    }
    Upkeep {
        streams,
        done: None,
    }
}

/// Maintains it once.
#[must_use]
pub fn maintain(mut input: Upkeep) -> Upkeep {
    input.done = input.streams.maintain().ok();
    input
}

/// Ten messages must be left.
pub fn trim_check(output: Upkeep) {
    let done = output.done.expect("memory fails nobody");
    assert_eq!(done.trimmed, MESSAGES as u64 - 10);
    left(&output.streams);
}

/// One message of each key must be left.
pub fn compact_check(output: Upkeep) {
    let done = output.done.expect("memory fails nobody");
    assert_eq!(done.compacted, MESSAGES as u64 - 10);
    left(&output.streams);
}

fn left(streams: &Streams) {
    let mut consumer = streams.consumer();
    let assigned = consumer.assign("t", 0, From::Earliest);
    assigned.expect("it is there");
    let polled = consumer.poll(Limits::default());
    assert_eq!(polled.expect("memory can be read")[0].messages.len(), 10);
}

/// A directory, and what it was opened as.
pub struct Opening {
    memory: Memory,
    streams: Option<Streams>,
    topics: usize,
}

fn many_topics() -> (Memory, Streams) {
    let memory = Memory::default();
    let streams = open(&memory);
    for number in 0..MESSAGES {
        let name = format!("t{number}");
        let made = streams.create_topic(&name, 1, Settings::default());
        made.expect("it is new");
    }
    (memory, streams)
}

/// 1,000 topics.
#[must_use]
pub fn opening_setup() -> Opening {
    let (memory, streams) = many_topics();
    Opening {
        memory,
        streams: Some(streams),
        topics: MESSAGES,
    }
}

/// 1,000 topics in a snapshot.
#[must_use]
pub fn saved_setup() -> Opening {
    let (memory, streams) = many_topics();
    streams.engine().checkpoint().expect("memory fails nobody");
    streams.engine().close().expect("memory fails nobody");
    drop(streams);
    Opening {
        memory,
        streams: None,
        topics: MESSAGES,
    }
}

/// A log with 1,000 records of messages, and no snapshot.
#[must_use]
pub fn replayed_setup() -> Opening {
    let memory = Memory::default();
    let streams = open(&memory);
    streams
        .create_topic("t", 1, Settings::default())
        .expect("it is new");
    let mut producer = streams.producer("t").expect("it is there");
    for _ in 0..MESSAGES {
        let published = producer.publish(&NewMessage::new(&BODY));
        published.expect("memory fails nobody");
    }
    streams.engine().close().expect("memory fails nobody");
    drop((streams, producer));
    Opening {
        memory,
        streams: None,
        topics: 1,
    }
}

/// Takes a checkpoint.
#[must_use]
pub fn checkpoint(input: Opening) -> Opening {
    if let Some(streams) = &input.streams {
        streams.engine().checkpoint().expect("memory fails nobody");
    }
    input
}

/// Opens the directory.
#[must_use]
pub fn open_again(mut input: Opening) -> Opening {
    input.streams = Some(open(&input.memory));
    input
}

/// All topics must be there.
pub fn opening_check(output: Opening) {
    let streams = output.streams.expect("it was opened");
    assert_eq!(streams.topics().len(), output.topics);
}
