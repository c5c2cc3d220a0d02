//! Streams once around: a topic, an idempotent producer, a group that consumes, transforms and produces
//! in transactions, rules, retention, and a replay.
//!
//! ```text
//! cargo run -p engine --example streams -- DIR
//! ```

use std::error::Error;

use engine::stream::{
    Action, GroupOptions, Limits, NewMessage, ReplayOptions, Retention, Rule, Settings, Step,
    StreamError, Streams, StreamsView,
};
use engine::wal::Mode;
use engine::{Engine, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).ok_or("usage: streams DIR")?;
    let view = StreamsView::new();
    let options = Options {
        views: vec![view.as_view()],
        ..Options::in_mode(Mode::Strict)
    };
    let (engine, _) = Engine::open(dir, options)?;
    let streams = Streams::open(&engine, &view)?;

    // What is more than a day old may go.
    let settings = Settings {
        retention: Retention {
            age_us: Some(24 * 60 * 60 * 1_000_000),
            ..Retention::default()
        },
        ..Settings::default()
    };
    for topic in ["orders", "bills"] {
        match streams.create_topic(topic, 2, settings) {
            Err(StreamError::TopicExists { .. }) => {}
            made => made?,
        }
    }

    // A batch is stored once, however often it is sent.
    let mut producer = streams.idempotent_producer("orders", "shop")?;
    let partition = producer.partition_for(&NewMessage::new(b"").key(b"ann"));
    let sequence = producer.next_sequence(partition)?;
    let batch = [
        NewMessage::new(b"sencha").key(b"ann"),
        NewMessage::new(b"assam").key(b"ann"),
    ];
    producer.publish_to(partition, &batch)?;
    let again = producer.publish_again(partition, sequence, &batch)?;
    println!("sent twice, stored once: {}", again.is_duplicate);

    // Consume, transform, produce: bills, totals and offsets are one commit.
    let totals = engine.keyspace("totals")?;
    let mut member = streams.join("billing", "worker-1", &["orders"], GroupOptions::default())?;
    for polled in member.poll(Limits::default())? {
        let done = streams.transaction(|tx| {
            for message in &polled.messages {
                let key = message.key().unwrap_or_default();
                let total = tx.engine().get(&totals, key).map_or(0, |value| value[0]) + 1;
                tx.engine().put(&totals, key, &[total])?;
                tx.publish("bills", 0, &[NewMessage::new(&[total]).key(key)])?;
            }
            tx.commit_offsets(&member)
        })?;
        println!("{} bills below record {}", done.published.len(), done.end);
    }
    for progress in streams.progress("billing") {
        println!(
            "{}/{}: lag {}",
            progress.topic, progress.partition, progress.lag
        );
    }

    // Once rules are on, nobody but the operator may do what no rule allows.
    streams.set_rule(
        "readers",
        &Rule::allow("report-*", "bills", &[Action::Consume]),
    )?;
    streams.enforce_rules(true)?;
    let reports = streams.act_as("report-daily");
    println!("may publish: {}", reports.producer("bills").is_ok());
    let mut replay = reports.replay("bills", None, ReplayOptions::default())?;
    while let Step::Message(replayed) = replay.step()? {
        println!(
            "bill {}: {:?}",
            replayed.message.offset,
            replayed.message.body()
        );
    }
    streams.enforce_rules(false)?;

    // From time to time: retention, compaction, and what the log may let go of.
    println!("{:?}", streams.maintain()?);
    drop((member, replay, producer));
    Ok(engine.close()?)
}
