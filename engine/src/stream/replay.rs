//! Replay: what was published, again, as fast as one likes, and on into the present.
//!
//! ```text
//! from an offset, a time, a record ──► messages ──► at full speed, so many a second, or as it was
//!                                         └── follow: then those that come
//! ```
//!
//! Time is the engine's clock, so that a paced replay is as exact in a simulation as outside.

use std::sync::Arc;
use std::time::Duration;

use super::consumer::{Consumer, From, Limits, Polled};
use super::error::StreamError;
use super::message::Message;
use super::streams::Streams;

/// How fast messages are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// As fast as they can be read.
    #[default]
    Full,
    /// At most so many a second; 0 is taken for 1.
    PerSecond(u32),
    /// With the time between them that lay between them, divided by so much; 0 is taken for 1.
    Recorded(u32),
}

/// How a replay goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayOptions {
    /// Where it begins.
    pub from: From,
    /// How fast it goes.
    pub pace: Pace,
    /// Whether it goes on with what is published meanwhile. Otherwise it ends with what was there when
    /// it began.
    pub follow: bool,
}

impl Default for ReplayOptions {
    /// Everything that is kept, at full speed.
    fn default() -> Self {
        Self {
            from: From::Earliest,
            pace: Pace::Full,
            follow: false,
        }
    }
}

/// A message of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The partition.
    pub partition: u32,
    /// The message.
    pub message: Message,
}

/// What a replay has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A message.
    Message(Replayed),
    /// A message that is not due before this time, in microseconds since the Unix epoch.
    NotBefore(u64),
    /// Nothing yet: it follows.
    Waiting,
    /// Everything was given.
    End,
}

/// Messages of a topic, again: of each partition in the order of their offsets.
#[derive(Debug)]
pub struct Replay {
    consumer: Consumer,
    options: ReplayOptions,
    /// Where each partition ended when it began, unless it follows.
    ends: Vec<(u32, u64)>,
    /// What was read and not given.
    read: std::vec::IntoIter<Polled>,
    batch: Option<(u32, std::vec::IntoIter<Message>)>,
    held: Option<Replayed>,
    /// When the first message was given, and when it was published.
    begun: Option<(u64, u64)>,
    given: u64,
}

impl Streams {
    /// Replays a topic: one of its partitions, or all of them, which then take turns.
    ///
    /// # Errors
    /// As for [`Consumer::assign`].
    pub fn replay(
        &self,
        topic: &str,
        partition: Option<u32>,
        options: ReplayOptions,
    ) -> Result<Replay, StreamError> {
        let mut consumer = self.consumer();
        match partition {
            Some(partition) => consumer.assign(topic, partition, options.from)?,
            None => consumer.assign_all(topic, options.from)?,
        }
        let status = self.topic(topic)?;
        let end = |(_, partition, _): &(Arc<str>, u32, u64)| {
            let status = status.partitions.get(*partition as usize);
            (*partition, status.map_or(0, |it| it.latest))
        };
        let ends = consumer.positions().iter().map(end).collect();
        Ok(Replay {
            consumer,
            options,
            ends,
            read: Vec::new().into_iter(),
            batch: None,
            held: None,
            begun: None,
            given: 0,
        })
    }
}

impl Replay {
    /// What there is now. It waits for nobody.
    ///
    /// # Errors
    /// As for [`Consumer::poll`].
    pub fn step(&mut self) -> Result<Step, StreamError> {
        let Some(replayed) = self.take()? else {
            let is_over = !self.options.follow && self.is_at_end();
            return Ok(if is_over { Step::End } else { Step::Waiting });
        };
        let due_us = self.due_us(replayed.message.time_us);
        if due_us > 0 && self.consumer.streams.engine().now_us() < due_us {
            self.held = Some(replayed);
            return Ok(Step::NotBefore(due_us));
        }
        self.given += 1;
        Ok(Step::Message(replayed))
    }

    /// What there is within `timeout`; see [`step`](Self::step).
    ///
    /// # Errors
    /// As for [`step`](Self::step).
    pub fn step_wait(&mut self, timeout: Duration) -> Result<Step, StreamError> {
        let shared = Arc::clone(&self.consumer.streams.shared);
        let begun_us = shared.now_us();
        let found = shared.sync.wait(
            || {
                let step = self.step()?;
                let is_found = matches!(step, Step::Message(_) | Step::End);
                if let Step::NotBefore(due_us) = step {
                    let left = Duration::from_micros(due_us.saturating_sub(shared.now_us()));
                    shared.sync.pause(left.min(timeout));
                    return match self.step()? {
                        step @ Step::Message(_) => Ok(Some(step)),
                        _ => Ok(None),
                    };
                }
                Ok::<_, StreamError>(is_found.then_some(step))
            },
            || {
                let passed = shared.now_us().saturating_sub(begun_us);
                timeout.saturating_sub(Duration::from_micros(passed))
            },
        )?;
        match found {
            Some(step) => Ok(step),
            None => self.step(),
        }
    }

    fn is_at_end(&self) -> bool {
        let positions = self.consumer.positions();
        let mut places = positions.iter().zip(&self.ends);
        places.all(|((_, _, offset), (_, end))| offset >= end)
    }

    /// The next message, whenever it is due.
    fn take(&mut self) -> Result<Option<Replayed>, StreamError> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        loop {
            if let Some((partition, messages)) = &mut self.batch {
                if let Some(message) = messages.next() {
                    let partition = *partition;
                    if self.is_within(partition, message.offset) {
                        return Ok(Some(Replayed { partition, message }));
                    }
                    continue;
                }
                self.batch = None;
            }
            if let Some(polled) = self.read.next() {
                self.batch = Some((polled.partition, polled.messages.into_iter()));
                continue;
            }
            if !self.options.follow && self.is_at_end() {
                return Ok(None);
            }
            let polled = self.consumer.poll(Limits::default())?;
            if polled.is_empty() {
                return Ok(None);
            }
            self.read = polled.into_iter();
        }
    }

    fn is_within(&self, partition: u32, offset: u64) -> bool {
        let mut ends = self.ends.iter();
        self.options.follow || ends.any(|(of, end)| *of == partition && offset < *end)
    }

    /// When the next message is due; 0 for at once.
    fn due_us(&mut self, time_us: u64) -> u64 {
        if self.options.pace == Pace::Full {
            return 0;
        }
        let now_us = self.consumer.streams.engine().now_us();
        let (begun_us, first_us) = *self.begun.get_or_insert((now_us, time_us));
        let after_us = match self.options.pace {
            Pace::Full => 0,
            Pace::PerSecond(count) => {
                self.given.saturating_mul(1_000_000) / u64::from(count.max(1))
            }
            Pace::Recorded(times) => time_us.saturating_sub(first_us) / u64::from(times.max(1)),
        };
        begun_us.saturating_add(after_us)
    }
}
