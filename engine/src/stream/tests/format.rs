//! Records of streams have the bytes that `FORMAT.md` shows.

use super::world::{open, publish};
use crate::stream::{NewMessage, Retention, Settings};
use crate::vfs::{Sim, Vfs};
use crate::wal::{Lsn, Mode};

/// The bytes of a golden block.
fn golden(name: &str) -> Vec<u8> {
    let text = include_str!("../../../FORMAT.md");
    let (_, block) = text.split_once(&format!("```golden {name}\n")).unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let code = block
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    let bytes = code
        .flat_map(str::split_whitespace)
        .map(|byte| u8::from_str_radix(byte, 16).unwrap());
    bytes.collect()
}

#[test]
fn records_of_streams_are_as_their_description_says() {
    let sim = Sim::default();
    let streams = open(&sim, Mode::Strict);
    // Three topics, with seven partitions, come before.
    for (name, partitions) in [("a", 2), ("b", 4), ("c", 1)] {
        streams
            .create_topic(name, partitions, Settings::default())
            .unwrap();
    }
    let settings = Settings {
        retention: Retention {
            age_us: Some(1_000_000),
            messages: Some(100),
            bytes: None,
        },
        is_compacted: true,
        ..Settings::default()
    };
    streams.create_topic("teas", 1, settings).unwrap();
    let mut producer = streams.idempotent_producer("teas", "p").unwrap();
    sim.advance(1_000_000 - sim.now_us() % 1_000_000);
    let headers: [(&str, &[u8]); 1] = [("origin", b"uji")];
    let sencha = NewMessage::new(b"sencha")
        .key(b"tea")
        .headers(&headers)
        .at(2_000_000);
    let published = producer
        .publish_to(0, &[sencha, NewMessage::tombstone(b"tea")])
        .unwrap();
    let engine = streams.engine();
    let mut record = engine
        .read(published.lsn)
        .unwrap()
        .unwrap()
        .payload
        .to_vec();
    // The clock of the simulation moves with each call.
    record[16..24].copy_from_slice(&1_000_000_u64.to_le_bytes());
    assert_eq!(record, golden("stream-messages"));
    let entries = engine.records_from(Lsn(0)).unwrap().map(Result::unwrap);
    let topics = entries.filter(|entry| entry.kind.0 == 0x21);
    assert_eq!(topics.last().unwrap().payload, golden("stream-topic"));
    publish(&mut streams.producer("a").unwrap(), &[b"x"]).unwrap();
}
