//! The subcommands of streams: topics, publish, consume, groups, lag.
//!
//! The tool has the directory for itself while it runs, so it follows nobody.

use std::io::{BufRead as _, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use engine::Engine;
use engine::stream::{
    From, GroupConsumer, GroupOptions, Limits, NewMessage, Pace, Polled, Producer, Replay,
    ReplayOptions, Retention, Settings, Step, Streams, StreamsView,
};
use engine::wal::Lsn;

use crate::{Failure, looking, must_exist};

/// How many lines are published as one batch.
const BATCH: usize = 100;

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum StreamCommand {
    /// Create, change, list and delete topics
    #[command(subcommand)]
    Topic(TopicCommand),
    /// Publish messages to a topic, durably
    Publish(Publishing),
    /// Print the messages of a topic: partition, offset, key and body, a message a line
    Consume(Consuming),
    /// Print all consumer groups
    Groups { dir: PathBuf },
    /// Print how far a group has come: topic, partition, committed offset, lag; exit code 1 where there
    /// is no such group
    Lag { dir: PathBuf, group: String },
}

/// Whether what was asked for is there.
pub(crate) fn run(command: &StreamCommand, out: &mut impl Write) -> Result<bool, Failure> {
    match command {
        StreamCommand::Topic(command) => topic(command, out)?,
        StreamCommand::Publish(publishing) => publish(publishing, out)?,
        StreamCommand::Consume(consuming) => consume(consuming, out)?,
        StreamCommand::Groups { dir } => groups(dir, out)?,
        StreamCommand::Lag { dir, group } => return lag(dir, group, out),
    }
    Ok(true)
}

/// What is done with topics.
#[derive(Debug, Subcommand)]
pub(crate) enum TopicCommand {
    /// Print all topics: name, partitions, messages, bytes
    List { dir: PathBuf },
    /// Create a topic, and the directory where there is none
    Create {
        dir: PathBuf,
        topic: String,
        #[arg(long, default_value_t = 1)]
        partitions: u32,
        #[command(flatten)]
        kept: Kept,
    },
    /// Keep a topic otherwise: what is not said is not limited
    Change {
        dir: PathBuf,
        topic: String,
        #[command(flatten)]
        kept: Kept,
    },
    /// Delete a topic and all its messages
    Delete { dir: PathBuf, topic: String },
    /// Let go of the messages of a partition before an offset
    Trim {
        dir: PathBuf,
        topic: String,
        partition: u32,
        offset: u64,
    },
    /// Trim, compact and copy forward what is due, in all topics
    Maintain { dir: PathBuf },
}

/// What is kept of a topic.
#[derive(Debug, Args)]
pub(crate) struct Kept {
    /// Messages are kept for so many milliseconds
    #[arg(long)]
    retain_ms: Option<u64>,
    /// So many bytes are kept of each partition
    #[arg(long)]
    retain_bytes: Option<u64>,
    /// So many messages are kept of each partition
    #[arg(long)]
    retain_messages: Option<u64>,
    /// The last message of each key is kept
    #[arg(long)]
    compact: bool,
    /// The largest body
    #[arg(long, default_value_t = 1 << 20)]
    body_bytes_max: u32,
}

impl Kept {
    fn settings(&self) -> Settings {
        Settings {
            retention: Retention {
                age_us: self.retain_ms.map(|ms| ms.saturating_mul(1000)),
                bytes: self.retain_bytes,
                messages: self.retain_messages,
            },
            is_compacted: self.compact,
            body_bytes_max: self.body_bytes_max,
        }
    }
}

/// What is published.
#[derive(Debug, Args)]
pub(crate) struct Publishing {
    dir: PathBuf,
    topic: String,
    /// The body; without it, each line of standard input is one
    body: Option<String>,
    #[arg(long)]
    key: Option<String>,
    /// Instead of the key's
    #[arg(long)]
    partition: Option<u32>,
    /// A header, as NAME=VALUE
    #[arg(long = "header", value_parser = header)]
    headers: Vec<(String, String)>,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a header is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// What is consumed.
#[derive(Debug, Args)]
pub(crate) struct Consuming {
    dir: PathBuf,
    topic: String,
    #[arg(long)]
    partition: Option<u32>,
    /// earliest, latest, an offset, time:MICROSECONDS or record:LSN
    #[arg(long, default_value = "earliest", value_parser = from)]
    from: From,
    /// At most so many messages
    #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
    limit: usize,
    /// At most so many a second
    #[arg(long, conflicts_with = "group")]
    per_second: Option<u32>,
    /// As a member of this group: from its committed offsets on, which are moved on
    #[arg(long, conflicts_with = "partition")]
    group: Option<String>,
}

fn from(text: &str) -> Result<From, String> {
    let number = |text: &str| {
        text.parse::<u64>()
            .map_err(|error| format!("`{text}`: {error}"))
    };
    Ok(match text {
        "earliest" => From::Earliest,
        "latest" => From::Latest,
        _ => match text.split_once(':') {
            Some(("time", time)) => From::Time(number(time)?),
            Some(("record", lsn)) => From::Lsn(Lsn(number(lsn)?)),
            _ => From::Offset(number(text)?),
        },
    })
}

/// Opens the streams of a directory.
fn open(dir: &Path) -> Result<Streams, Failure> {
    let view = StreamsView::new();
    let mut options = looking();
    options.views.push(view.as_view());
    let (engine, _) = Engine::open(dir, options)?;
    Ok(Streams::open(&engine, &view)?)
}

fn existing(dir: &Path) -> Result<Streams, Failure> {
    open(&must_exist(dir)?)
}

/// Does what is asked for with topics.
fn topic(command: &TopicCommand, out: &mut impl Write) -> Result<(), Failure> {
    let streams = match command {
        TopicCommand::List { dir } => {
            let streams = existing(dir)?;
            for name in streams.topics() {
                let topic = streams.topic(&name)?;
                let partitions = topic.partitions.len();
                let messages: u64 = topic
                    .partitions
                    .iter()
                    .map(|it| it.latest - it.earliest)
                    .sum();
                let bytes: u64 = topic.partitions.iter().map(|it| it.bytes).sum();
                writeln!(
                    out,
                    "{name}: {partitions} partitions, {messages} messages, {bytes} bytes"
                )?;
            }
            return Ok(());
        }
        TopicCommand::Create {
            dir,
            topic,
            partitions,
            kept,
        } => {
            let streams = open(dir)?;
            streams.create_topic(topic, *partitions, kept.settings())?;
            streams
        }
        TopicCommand::Change { dir, topic, kept } => {
            let streams = existing(dir)?;
            streams.change_topic(topic, kept.settings())?;
            streams
        }
        TopicCommand::Delete { dir, topic } => {
            let streams = existing(dir)?;
            streams.delete_topic(topic)?;
            streams
        }
        TopicCommand::Trim {
            dir,
            topic,
            partition,
            offset,
        } => {
            let streams = existing(dir)?;
            streams.trim(topic, *partition, *offset)?;
            streams
        }
        TopicCommand::Maintain { dir } => {
            let streams = existing(dir)?;
            let done = streams.maintain()?;
            writeln!(
                out,
                "trimmed {}, compacted {}, copied {}; the log is needed from record {} on",
                done.trimmed, done.compacted, done.copied, done.held
            )?;
            streams
        }
    };
    Ok(streams.engine().close()?)
}

/// Publishes one message, or each line of standard input.
fn publish(publishing: &Publishing, out: &mut impl Write) -> Result<(), Failure> {
    let streams = existing(&publishing.dir)?;
    let mut producer = streams.producer(&publishing.topic)?;
    if let Some(body) = &publishing.body {
        send(&mut producer, publishing, &[body.as_bytes()], out)?;
    } else {
        let mut lines = std::io::stdin().lock().split(b'\n');
        loop {
            let bodies = lines.by_ref().take(BATCH).collect::<Result<Vec<_>, _>>()?;
            if bodies.is_empty() {
                break;
            }
            let bodies: Vec<_> = bodies.iter().map(Vec::as_slice).collect();
            send(&mut producer, publishing, &bodies, out)?;
        }
    }
    drop(producer);
    Ok(streams.engine().close()?)
}

fn send(
    producer: &mut Producer,
    publishing: &Publishing,
    bodies: &[&[u8]],
    out: &mut impl Write,
) -> Result<(), Failure> {
    let headers = publishing.headers.iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let message = |body| {
        let message = NewMessage::new(body).headers(&headers);
        match &publishing.key {
            Some(key) => message.key(key.as_bytes()),
            None => message,
        }
    };
    let messages: Vec<_> = bodies.iter().map(|body| message(body)).collect();
    let partition = match publishing.partition {
        Some(partition) => partition,
        None => producer.partition_for(&messages[0]),
    };
    let published = producer.publish_to(partition, &messages)?;
    let last = published.offset + messages.len() as u64 - 1;
    writeln!(
        out,
        "partition {partition}: offsets {} to {last}",
        published.offset
    )?;
    Ok(())
}

/// Prints messages: partition, offset, key and body, a message a line.
fn consume(consuming: &Consuming, out: &mut impl Write) -> Result<(), Failure> {
    let streams = existing(&consuming.dir)?;
    if let Some(group) = &consuming.group {
        let options = GroupOptions {
            begin: consuming.from,
            ..GroupOptions::default()
        };
        let member = streams.join(group, "engine", &[&consuming.topic], options)?;
        as_member(member, consuming.limit, out)?;
    } else {
        let options = ReplayOptions {
            from: consuming.from,
            pace: consuming.per_second.map_or(Pace::Full, Pace::PerSecond),
            follow: false,
        };
        let replay = streams.replay(&consuming.topic, consuming.partition, options)?;
        as_reader(replay, consuming.limit, out)?;
    }
    Ok(streams.engine().close()?)
}

fn as_member(mut member: GroupConsumer, limit: usize, out: &mut impl Write) -> Result<(), Failure> {
    let mut left = limit;
    loop {
        let polled = member.poll(Limits::messages(left.min(BATCH)))?;
        if polled.is_empty() {
            break;
        }
        for Polled {
            partition,
            messages,
            ..
        } in &polled
        {
            left -= messages.len();
            for message in messages {
                print(*partition, message, out)?;
            }
        }
        // What is printed is done, and nothing before.
        out.flush()?;
        member.commit()?;
    }
    Ok(member.leave()?)
}

fn as_reader(mut replay: Replay, limit: usize, out: &mut impl Write) -> Result<(), Failure> {
    let mut left = limit;
    while left > 0 {
        match replay.step_wait(std::time::Duration::from_secs(1))? {
            Step::Message(replayed) => {
                print(replayed.partition, &replayed.message, out)?;
                left -= 1;
            }
            Step::NotBefore(_) => {}
            Step::Waiting | Step::End => break,
        }
    }
    Ok(())
}

fn print(
    partition: u32,
    message: &engine::stream::Message,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let key = message.key().unwrap_or_default().escape_ascii();
    let body = message.body().unwrap_or_default().escape_ascii();
    writeln!(out, "{partition}\t{}\t{key}\t{body}", message.offset)?;
    Ok(())
}

/// Prints all groups.
fn groups(dir: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let streams = existing(dir)?;
    for group in streams.groups() {
        let progress = streams.progress(&group);
        let lag: u64 = progress.iter().map(|it| it.lag).sum();
        writeln!(out, "{group}: {} partitions, lag {lag}", progress.len())?;
    }
    Ok(())
}

/// Prints how far a group has come.
fn lag(dir: &Path, group: &str, out: &mut impl Write) -> Result<bool, Failure> {
    let streams = existing(dir)?;
    let is_known = streams.groups().iter().any(|known| known == group);
    for it in streams.progress(group) {
        writeln!(
            out,
            "{}\t{}\t{}\t{}",
            it.topic, it.partition, it.committed, it.lag
        )?;
    }
    Ok(is_known)
}
