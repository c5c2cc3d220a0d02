//! What to do after a request, as a table.
//!
//! A request that may be sent again without harm (a read, or a write that leaves the same state) is
//! repeated after a pause. A request that would do its work twice (a new comment, a new check run,
//! more annotations) is repeated only if it certainly did nothing; if nobody knows, one has to
//! *look* first. Pauses follow GitHub's documentation on rate limits, with a cap that the
//! documentation does not have: a gate may not sleep for an hour.

use std::time::Duration;

/// At most this many attempts at one request.
pub const TRIES_MAX: u32 = 4;

/// At most this long is waited in all, over all requests of a process.
pub const WAIT_MAX: Duration = Duration::from_mins(2);

/// GitHub asks for a pause of a minute where it limits without saying for how long.
const LIMITED_PAUSE: Duration = Duration::from_mins(1);

/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Whether a request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// A read, or a write that leaves the same state however often it is done.
    Freely,
    /// Each time it is done it leaves something more.
    Once,
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A whole reply.
    Status {
        /// Its status code.
        status: u16,
        /// Whether it says that there were too many requests.
        limited: bool,
        /// The pause that it asks for.
        pause: Option<Duration>,
    },
    /// No connection: nothing was sent.
    NotSent,
    /// Sent, and no reply: a connection that broke, or a time-out.
    Lost,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It was done.
    Done,
    /// It is somewhere else.
    Follow,
    /// Send it again after a pause.
    Again(Duration),
    /// Nobody knows whether it was done: look, after a pause.
    Look(Duration),
    /// It will not be done.
    GiveUp,
}

/// An answer, reduced to what the table asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Success,
    Moved,
    Limited,
    Conflict,
    Refused,
    Broken,
    NotSent,
    Lost,
}

impl Signal {
    const fn of(answer: Answer) -> Self {
        match answer {
            Answer::NotSent => Self::NotSent,
            Answer::Lost => Self::Lost,
            Answer::Status {
                status, limited, ..
            } => match status {
                200..=299 => Self::Success,
                301 | 302 | 307 | 308 => Self::Moved,
                429 => Self::Limited,
                403 if limited => Self::Limited,
                409 => Self::Conflict,
                500..=599 => Self::Broken,
                _ => Self::Refused,
            },
        }
    }
}

/// The columns of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Signals {
    signal: Signal,
    repeat: Repeat,
    /// There are tries left, and the pause fits into what may still be waited.
    affordable: bool,
}

/// What the table answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    Done,
    Follow,
    Again,
    Look,
    GiveUp,
}

/// When a row matches.
type Condition = fn(Signals) -> bool;

/// The decision table: for every combination of signals exactly one row matches.
const TABLE: [(Row, Condition); 5] = [
    (Row::Done, |s| s.signal == Signal::Success),
    (Row::Follow, |s| s.signal == Signal::Moved && s.affordable),
    // Limited or never sent: it was certainly not done.
    (Row::Again, |s| {
        s.affordable
            && match s.signal {
                Signal::Limited | Signal::NotSent => true,
                Signal::Conflict | Signal::Broken | Signal::Lost => s.repeat == Repeat::Freely,
                Signal::Success | Signal::Moved | Signal::Refused => false,
            }
    }),
    (Row::Look, |s| {
        s.affordable
            && s.repeat == Repeat::Once
            && matches!(s.signal, Signal::Conflict | Signal::Broken | Signal::Lost)
    }),
    (Row::GiveUp, |s| match s.signal {
        Signal::Success => false,
        Signal::Refused => true,
        _ => !s.affordable,
    }),
];

/// What to do after the `tries`-th attempt (counted from 1) at a request, `waited` having been
/// waited so far. `jitter` keeps several publishers from coming back together.
#[must_use]
pub fn step(
    answer: Answer,
    repeat: Repeat,
    tries: u32,
    waited: Duration,
    jitter: Duration,
) -> Step {
    let signal = Signal::of(answer);
    let pause = pause(signal, answer, tries).saturating_add(jitter);
    let signals = Signals {
        signal,
        repeat,
        affordable: tries < TRIES_MAX && waited.saturating_add(pause) <= WAIT_MAX,
    };
    match row(signals) {
        Row::Done => Step::Done,
        Row::Follow => Step::Follow,
        Row::Again => Step::Again(pause),
        Row::Look => Step::Look(pause),
        Row::GiveUp => Step::GiveUp,
    }
}

fn row(signals: Signals) -> Row {
    let found = TABLE.iter().find(|(_, when)| when(signals));
    found
        .expect("the table has a row for every combination, as its test shows")
        .0
}

fn pause(signal: Signal, answer: Answer, tries: u32) -> Duration {
    let asked = match answer {
        Answer::Status { pause, .. } => pause,
        Answer::NotSent | Answer::Lost => None,
    };
    let first = match signal {
        Signal::Success | Signal::Moved | Signal::Refused => return Duration::ZERO,
        Signal::Limited => LIMITED_PAUSE,
        Signal::Conflict | Signal::Broken | Signal::NotSent | Signal::Lost => FIRST_PAUSE,
    };
    let doublings = tries.saturating_sub(1).min(16);
    asked.unwrap_or_else(|| first.saturating_mul(1 << doublings))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn status(status: u16) -> Answer {
        Answer::Status {
            status,
            limited: false,
            pause: None,
        }
    }

    #[test]
    fn exactly_one_row_matches_every_combination() {
        let signals = [
            Signal::Success,
            Signal::Moved,
            Signal::Limited,
            Signal::Conflict,
            Signal::Refused,
            Signal::Broken,
            Signal::NotSent,
            Signal::Lost,
        ];
        for signal in signals {
            for repeat in [Repeat::Freely, Repeat::Once] {
                for affordable in [false, true] {
                    let signals = Signals {
                        signal,
                        repeat,
                        affordable,
                    };
                    let rows = TABLE.iter().filter(|(_, when)| when(signals)).count();
                    assert_eq!(rows, 1, "{signals:?}");
                }
            }
        }
    }

    #[test]
    fn every_status_has_its_step_and_no_doubtful_write_is_repeated() {
        let second = Duration::from_secs(1);
        let minute = Duration::from_mins(1);
        for code in 100..=599 {
            let freely = step(status(code), Repeat::Freely, 1, NOW, NOW);
            let once = step(status(code), Repeat::Once, 1, NOW, NOW);
            let expected = match code {
                200..=299 => (Step::Done, Step::Done),
                301 | 302 | 307 | 308 => (Step::Follow, Step::Follow),
                409 | 500..=599 => (Step::Again(second), Step::Look(second)),
                429 => (Step::Again(minute), Step::Again(minute)),
                _ => (Step::GiveUp, Step::GiveUp),
            };
            assert_eq!((freely, once), expected, "{code}");
        }
        let none = |answer, repeat| step(answer, repeat, 1, NOW, NOW);
        assert_eq!(none(Answer::NotSent, Repeat::Once), Step::Again(second));
        assert_eq!(none(Answer::NotSent, Repeat::Freely), Step::Again(second));
        assert_eq!(none(Answer::Lost, Repeat::Once), Step::Look(second));
        assert_eq!(none(Answer::Lost, Repeat::Freely), Step::Again(second));
    }

    #[test]
    fn a_forbidden_request_is_repeated_only_if_it_came_too_often() {
        let forbidden = |limited, pause| Answer::Status {
            status: 403,
            limited,
            pause,
        };
        let asked = Some(Duration::from_secs(7));
        let after = |answer| step(answer, Repeat::Once, 1, NOW, NOW);
        assert_eq!(after(forbidden(false, None)), Step::GiveUp);
        assert_eq!(
            after(forbidden(true, None)),
            Step::Again(Duration::from_mins(1))
        );
        assert_eq!(
            after(forbidden(true, asked)),
            Step::Again(Duration::from_secs(7))
        );
    }

    #[test]
    fn pauses_grow_and_are_capped_in_number_and_sum() {
        let pause = |tries, waited| step(status(502), Repeat::Freely, tries, waited, NOW);
        assert_eq!(pause(1, NOW), Step::Again(Duration::from_secs(1)));
        assert_eq!(pause(2, NOW), Step::Again(Duration::from_secs(2)));
        assert_eq!(pause(3, NOW), Step::Again(Duration::from_secs(4)));
        assert_eq!(pause(TRIES_MAX, NOW), Step::GiveUp);
        let nearly = WAIT_MAX.saturating_sub(Duration::from_secs(1));
        assert_eq!(pause(1, nearly), Step::Again(Duration::from_secs(1)));
        assert_eq!(
            pause(1, nearly + Duration::from_millis(1)),
            Step::GiveUp,
            "the cap is on the sum"
        );
        let hour = Answer::Status {
            status: 429,
            limited: true,
            pause: Some(Duration::from_hours(1)),
        };
        assert_eq!(step(hour, Repeat::Freely, 1, NOW, NOW), Step::GiveUp);
    }
}
