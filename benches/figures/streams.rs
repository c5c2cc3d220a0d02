//! Streams: rates and latencies of one process, by mode and size.
//!
//! Messages have 64 bytes, batches 100 of them. Files are used again, as those of a log that has run for
//! a while; "written" means that the system has the bytes, and says nothing of the disk.

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use engine::stream::{
    Action, From, GroupOptions, Limits, NewMessage, ReplayOptions, Retention, Rule, Settings, Step,
    Streams, StreamsView,
};
use engine::wal::{self, Mode};
use engine::{Engine, Options};

type Done = Result<(), Box<dyn Error>>;

const BODY: [u8; 64] = [7; 64];
const BATCH: usize = 100;
/// 3 million messages, 216 MB.
const BATCHES: usize = 30_000;
const SINGLES: usize = 100_000;
const ROUNDS: usize = 5;

fn open(dir: &Path, mode: Mode) -> Result<Streams, Box<dyn Error>> {
    let view = StreamsView::new();
    let options = Options {
        log: wal::Options {
            mode,
            spares: 8,
            ..wal::Options::default()
        },
        background: false,
        checkpoint_bytes: None,
        views: vec![view.as_view()],
        ..Options::default()
    };
    let (engine, _) = Engine::open(dir, options)?;
    Ok(Streams::open(&engine, &view)?)
}

fn buffered() -> Mode {
    Mode::Buffered {
        interval: Duration::from_millis(100),
        max_bytes: u64::MAX,
    }
}

fn nanos(time: Duration, count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a rate to print")]
    let count = count as f64;
    time.as_secs_f64() * 1e9 / count
}

fn rate(name: &str, time: Duration, count: usize) {
    let each = nanos(time, count);
    println!("streams: {name}: {each:.1} ns each, {:.2} M/s", 1e3 / each);
}

/// Lets go of everything, so that the files are used again.
fn recycle(streams: &Streams) -> Done {
    streams.maintain()?;
    for number in 0..2_u8 {
        streams
            .engine()
            .keyspace("default")?
            .put(b"key", &[number])?;
        streams.engine().checkpoint()?;
    }
    Ok(())
}

/// Prints all of it.
pub(crate) fn print(dir: &Path) -> Done {
    let streams = open(&dir.join("streams"), buffered())?;
    let retention = Retention {
        messages: Some(1),
        ..Retention::default()
    };
    let settings = Settings {
        retention,
        ..Settings::default()
    };
    streams.create_topic("t", 2, settings)?;
    publishing(&streams)?;
    polling(&streams)?;
    latency(&streams)?;
    rules(&streams)?;
    transactions(&streams)?;
    two_partitions(&streams)?;
    strict(dir)
}

fn publish(streams: &Streams, partition: u32, batches: usize) -> Result<Duration, Box<dyn Error>> {
    let mut producer = streams.producer("t")?;
    let messages = [NewMessage::new(&BODY); BATCH];
    let begun = Instant::now();
    for _ in 0..batches {
        producer.publish_to(partition, &messages)?;
    }
    Ok(begun.elapsed())
}

fn publishing(streams: &Streams) -> Done {
    let new = publish(streams, 0, BATCHES)?;
    rate(
        "publish, batches of 100, accepted and written, new files",
        new,
        BATCHES * BATCH,
    );
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        recycle(streams)?;
        best = best.min(publish(streams, 0, BATCHES)?);
    }
    rate(
        "publish, batches of 100, accepted and written, files used again",
        best,
        BATCHES * BATCH,
    );
    let begun = Instant::now();
    streams.engine().durable()?;
    println!(
        "streams: making the rest durable took {:?}",
        begun.elapsed()
    );
    let mut producer = streams.producer("t")?;
    let begun = Instant::now();
    for _ in 0..SINGLES {
        producer.publish_to(0, &[NewMessage::new(&BODY)])?;
    }
    rate("publish, one by one, Buffered", begun.elapsed(), SINGLES);
    Ok(())
}

fn polling(streams: &Streams) -> Done {
    recycle(streams)?;
    let status = streams.topic("t")?.partitions[0];
    publish(streams, 0, BATCHES)?;
    let settings = Settings::default();
    streams.change_topic("t", settings)?;
    streams.maintain()?;
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let mut consumer = streams.consumer();
        consumer.assign("t", 0, From::Offset(status.latest))?;
        let begun = Instant::now();
        let mut seen = 0;
        loop {
            let polled = consumer.poll(Limits::messages(1000))?;
            let Some(polled) = polled.first() else { break };
            seen += black_box(polled).messages.len();
        }
        assert_eq!(seen, BATCHES * BATCH, "all of them");
        best = best.min(begun.elapsed());
    }
    rate(
        "poll, 1,000 at once, warm, no copy of sealed segments",
        best,
        BATCHES * BATCH,
    );
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let options = ReplayOptions {
            from: From::Offset(status.latest),
            ..ReplayOptions::default()
        };
        let mut replay = streams.replay("t", Some(0), options)?;
        let begun = Instant::now();
        while let Step::Message(message) = replay.step()? {
            black_box(message);
        }
        best = best.min(begun.elapsed());
    }
    rate("replay at full speed, warm", best, BATCHES * BATCH);
    Ok(())
}

fn percentiles(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 1000];
    println!(
        "streams: {name}: p50 {:?}, p99 {:?}, p99.9 {:?}",
        at(500),
        at(990),
        at(999)
    );
}

fn latency(streams: &Streams) -> Done {
    let mut producer = streams.producer("t")?;
    let mut consumer = streams.consumer();
    consumer.assign("t", 0, From::Latest)?;
    let mut times = Vec::with_capacity(SINGLES);
    for _ in 0..SINGLES {
        let begun = Instant::now();
        producer.publish_to(0, &[NewMessage::new(&BODY)])?;
        let polled = consumer.poll(Limits::default())?;
        times.push(begun.elapsed());
        assert_eq!(polled.len(), 1, "it is there");
    }
    percentiles("publish to poll, one thread, Buffered", times);
    Ok(())
}

fn rules(streams: &Streams) -> Done {
    streams.set_rule("all", &Rule::allow("an*", "t*", &Action::ALL))?;
    streams.enforce_rules(true)?;
    let producer = streams.act_as("ann").producer("t")?;
    let count = 10_000_000;
    let begun = Instant::now();
    for _ in 0..count {
        assert!(black_box(&producer).is_allowed(), "a rule allows it");
    }
    rate("authorisation", begun.elapsed(), count);
    Ok(streams.enforce_rules(false)?)
}

fn transactions(streams: &Streams) -> Done {
    let space = streams.engine().keyspace("default")?;
    let mut member = streams.join("g", "m", &["t"], GroupOptions::default())?;
    member.poll(Limits::messages(1))?;
    let count = 20_000;
    let begun = Instant::now();
    for number in 0..count {
        member.poll(Limits::messages(1))?;
        streams.transaction(|tx| {
            tx.publish("t", 0, &[NewMessage::new(&BODY)])?;
            tx.publish("t", 1, &[NewMessage::new(&BODY)])?;
            tx.engine()
                .put(&space, b"count", &usize::to_le_bytes(number))?;
            tx.commit_offsets(&member)
        })?;
    }
    rate(
        "consume, transform, produce: transactions, Buffered",
        begun.elapsed(),
        count,
    );
    Ok(())
}

fn two_partitions(streams: &Streams) -> Done {
    let retention = Retention {
        messages: Some(1),
        ..Retention::default()
    };
    let settings = Settings {
        retention,
        ..Settings::default()
    };
    streams.change_topic("t", settings)?;
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        recycle(streams)?;
        let one = publish(streams, 0, BATCHES / 2)?;
        recycle(streams)?;
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let threads = [0, 1].map(|partition| {
                scope.spawn(move || publish(streams, partition, BATCHES / 2).map(drop).is_ok())
            });
            threads.map(|thread| thread.join().is_ok_and(|is_done| is_done))
        });
        ratios.push(2.0 * one.as_secs_f64() / begun.elapsed().as_secs_f64());
    }
    ratios.sort_by(f64::total_cmp);
    let (median, best) = (ratios[ROUNDS / 2], ratios[ROUNDS - 1]);
    println!("streams: two partitions on two threads: {median:.2} times one (best {best:.2})");
    Ok(())
}

fn strict(dir: &Path) -> Done {
    let streams = open(&dir.join("strict-streams"), Mode::Strict)?;
    streams.create_topic("t", 1, Settings::default())?;
    let mut producer = streams.producer("t")?;
    let messages = [NewMessage::new(&BODY); BATCH];
    let mut times = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        producer.publish_to(0, &messages)?;
        times.push(begun.elapsed());
    }
    percentiles("publish a batch of 100, Strict", times);
    Ok(())
}
