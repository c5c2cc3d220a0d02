//! What a checkpoint keeps: it comes back, and hostile bytes are refused.

use super::world::{open, publish, with_topic};
use crate::engine::View as _;
use crate::stream::{NewMessage, Settings, StreamsView};
use crate::vfs::Sim;
use crate::wal::Mode;

/// What streams with a bit of everything save.
fn saved() -> Vec<u8> {
    let sim = Sim::default();
    let streams = with_topic(&sim, Mode::Strict, 2);
    let settings = Settings {
        is_compacted: true,
        ..Settings::default()
    };
    streams
        .create_topic("gone", 3, Settings::default())
        .unwrap();
    streams.delete_topic("gone").unwrap();
    streams.create_topic("c", 1, settings).unwrap();
    let mut producer = streams.idempotent_producer("t", "p").unwrap();
    for number in 0..40 {
        producer
            .publish_to(0, &[NewMessage::new(&[number])])
            .unwrap();
    }
    publish(&mut streams.producer("c").unwrap(), &[b"kept"]).unwrap();
    streams.compact("c").unwrap();
    streams.trim("t", 0, 3).unwrap();
    let view = StreamsView {
        state: std::sync::Arc::clone(&streams.shared.state),
    };
    view.save().unwrap()
}

#[test]
fn what_is_saved_comes_back() {
    let bytes = saved();
    let view = StreamsView::new();
    view.restore(&bytes).unwrap();
    assert_eq!(view.save().unwrap(), bytes);
}

#[test]
fn every_cut_and_every_forged_number_is_refused_or_harmless() {
    let good = saved();
    for len in 0..good.len() {
        assert!(
            StreamsView::new().restore(&good[..len]).is_err(),
            "cut to {len}"
        );
    }
    let longer = [&good[..], &[0]].concat();
    assert!(StreamsView::new().restore(&longer).is_err());
    for at in 0..good.len() - 3 {
        let mut bad = good.clone();
        bad[at..at + 4].fill(0xff);
        // Whatever it says, it neither panics nor takes memory for what is not there.
        let _ = StreamsView::new().restore(&bad);
    }
}

#[test]
fn records_that_do_not_follow_from_those_before_are_refused() {
    let sim = Sim::default();
    let streams = with_topic(&sim, Mode::Strict, 1);
    publish(&mut streams.producer("t").unwrap(), &[b"one"]).unwrap();
    let engine = streams.engine().clone();
    let end = engine.stats().next;
    let records: Vec<_> = engine
        .records_from(crate::wal::Lsn(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    drop(streams);
    let view = StreamsView::new();
    for entry in records
        .iter()
        .filter(|entry| (0x20..0x28).contains(&entry.kind.0))
    {
        let apply = |payload: &[u8], version| {
            view.apply(crate::engine::Applied {
                lsn: entry.lsn,
                kind: entry.kind,
                version,
                payload,
                is_replay: true,
            })
        };
        for len in 0..entry.payload.len().min(38) {
            assert!(
                apply(&entry.payload[..len], 1).is_err(),
                "{:?} cut to {len}",
                entry.kind
            );
        }
        assert!(apply(&entry.payload, 2).is_err());
        apply(&entry.payload, 1).unwrap();
        if entry.kind.0 == 0x20 {
            assert!(
                apply(&entry.payload, 1).is_err(),
                "an offset is not given twice"
            );
        }
    }
    assert!(end.0 > 0);
    assert_eq!(open(&sim.crash(0), Mode::Strict).topics(), ["t"]);
}
