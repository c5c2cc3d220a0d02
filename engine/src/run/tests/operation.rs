//! Operations on runs that follow from a seed or a strategy, and how they are done.

use proptest::prelude::*;

use crate::engine::{CommitError, Keyspace, Transaction};
use crate::random::SplitMix64;
use crate::run::{
    Attribute, Attributes, NewRun, NewSpan, Outcome, RunError, RunId, RunWriter, Runs, SpanId,
};

/// A change of one run.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    Append(u8, u8),
    Put(u8, u8),
    Delete(u8),
    Set(u8, u8),
    /// The version that is expected.
    Cas(u8, u8, u8),
    Transition(u8, u8, u8),
    /// The parent, and the number that it is to have; 0 is none of both.
    Start(u8, u8),
    Finish(u8, u8),
    Tag(u8),
    Untag(u8),
    Note(u8, Option<u8>),
    End(u8),
}

/// What is done at once.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operation {
    /// A run with so many tags.
    Begin(u8),
    /// Changes of runs by their places, in one transaction, and of the keyspace beside them. Given up
    /// at its end where it says so.
    Together(Vec<(u8, Change)>, bool),
    /// Time goes on.
    Wait(u8),
}

impl Change {
    pub(super) fn random(random: &mut SplitMix64) -> Self {
        let kind = random.below(17);
        let mut below = |bound: u64| random.below(bound).to_le_bytes()[0];
        match kind {
            0..=2 => Self::Append(below(3), below(200)),
            3 | 4 => Self::Put(below(4), below(200)),
            5 => Self::Delete(below(4)),
            6 => Self::Set(below(3), below(4)),
            7 | 8 => Self::Cas(below(3), below(4), below(4)),
            9 => Self::Transition(below(3), below(4), below(4)),
            10..=12 => Self::Start(below(5), below(8).saturating_sub(4)),
            13 => Self::Finish(1 + below(5), below(2)),
            14 if below(2) == 0 => Self::Untag(below(3)),
            14 => Self::Tag(below(3)),
            15 if below(2) == 0 => Self::Note(below(2), None),
            15 => Self::Note(below(2), Some(below(9))),
            _ if below(3) == 0 => Self::End(below(3)),
            _ => Self::Append(0, 0),
        }
    }
}

impl Operation {
    pub(super) fn random(random: &mut SplitMix64) -> Self {
        match random.below(10) {
            0 | 1 => Self::Begin(random.below(3).to_le_bytes()[0]),
            2 => Self::Wait(random.below(100).to_le_bytes()[0]),
            _ => {
                let run = |random: &mut SplitMix64| random.below(3).to_le_bytes()[0];
                let changes = (0..=random.below(4)).map(|_| (run(random), Change::random(random)));
                let changes = changes.collect();
                Self::Together(changes, random.below(12) == 0)
            }
        }
    }
}

/// Histories of up to `len` operations.
pub(super) fn histories(len: usize) -> impl Strategy<Value = Vec<Operation>> {
    // Shrunk by its length: a history of a seed is the beginning of a longer one.
    (any::<u64>(), 1..=len).prop_map(|(seed, len)| history(seed, len))
}

/// The history of a seed. It begins with a run.
pub(super) fn history(seed: u64, len: usize) -> Vec<Operation> {
    let mut random = SplitMix64::new(seed);
    let first = std::iter::once(Operation::Begin(1));
    first
        .chain((0..len).map(|_| Operation::random(&mut random)))
        .collect()
}

pub(super) const KINDS: [&str; 3] = ["tool.call", "thought", "späße"];

pub(super) fn key(number: u8) -> Vec<u8> {
    // One is a prefix of others, one is no text.
    [&b"k"[..], b"ka", b"kb", b"\xff\0"][usize::from(number)].to_vec()
}

pub(super) fn cell(number: u8) -> &'static str {
    ["plan", "plan/b", "ü"][usize::from(number)]
}

pub(super) fn tag(number: u8) -> &'static str {
    ["night", "n", "nightly"][usize::from(number)]
}

pub(super) fn bytes(number: u8) -> Vec<u8> {
    vec![number; usize::from(number % 7)]
}

pub(super) fn attributes(number: u8) -> Attributes {
    match number % 4 {
        0 => Attributes::new(),
        1 => Attributes::from([("model".into(), Attribute::Text(format!("m{number}")))]),
        2 => Attributes::from([
            ("count".into(), Attribute::Integer(i64::from(number) - 100)),
            ("share".into(), Attribute::Float(0.1 * f64::from(number))),
        ]),
        _ => Attributes::from([
            ("model".into(), Attribute::Bool(true)),
            ("raw".into(), Attribute::Bytes(bytes(number))),
        ]),
    }
}

pub(super) fn outcome(number: u8) -> Outcome {
    Outcome::ALL[usize::from(number)]
}

pub(super) fn new_run(tags: u8) -> NewRun {
    let run = NewRun::named(&format!("agent {tags}")).metadata("depth", i64::from(tags));
    (0..tags).map(tag).fold(run, NewRun::tag)
}

pub(super) fn new_span(parent: u8, id: u8) -> NewSpan {
    let id = u64::from(id);
    NewSpan {
        name: format!("span {parent}"),
        parent: (parent > 0).then_some(SpanId(u64::from(parent))),
        id: (id > 0).then_some(SpanId(id + 2)),
        attributes: attributes(parent),
    }
}

/// An error without its particulars.
pub(super) fn kind_of(error: &RunError) -> &'static str {
    match error {
        RunError::UnknownRun { .. } => "unknown run",
        RunError::Ended { .. } => "ended",
        RunError::Orphaned { .. } => "orphaned",
        RunError::UnknownSpan { .. } => "unknown span",
        RunError::MissingParent { .. } => "missing parent",
        RunError::SpanCycle { .. } => "cycle",
        RunError::SpanNumber { .. } => "span number",
        RunError::SpanEnded { .. } => "span ended",
        RunError::CellVersion { .. } => "cell version",
        RunError::CellValue { .. } => "cell value",
        RunError::Commit(CommitError::Aborted(_)) => "given up",
        _ => "other",
    }
}

/// Does a change, without regard to what it answers.
pub(super) fn make(writer: &mut RunWriter<'_, '_>, change: &Change) -> Result<(), RunError> {
    match change {
        Change::Append(kind, body) => writer
            .append_with(KINDS[usize::from(*kind)], &bytes(*body), &attributes(*body))
            .map(drop),
        Change::Put(at, value) => writer.put(&key(*at), &bytes(*value)),
        Change::Delete(at) => writer.delete(&key(*at)).map(drop),
        Change::Set(at, value) => writer.set_cell(cell(*at), &bytes(*value)).map(drop),
        Change::Cas(at, expected, value) => writer
            .compare_and_set(cell(*at), u64::from(*expected), &bytes(*value))
            .map(drop),
        Change::Transition(at, from, to) => writer
            .transition(cell(*at), &bytes(*from), &bytes(*to))
            .map(drop),
        Change::Start(parent, id) => writer.start_span(&new_span(*parent, *id)).map(drop),
        Change::Finish(span, how) => {
            writer.end_span(SpanId(u64::from(*span)), outcome(*how), &attributes(*span))
        }
        Change::Tag(it) => writer.tag(tag(*it)),
        Change::Untag(it) => writer.untag(tag(*it)),
        Change::Note(name, value) => {
            let value = value.map(|it| Attribute::Integer(it.into()));
            writer.note(["a", "b"][usize::from(*name)], value.as_ref())
        }
        Change::End(how) => writer.end(outcome(*how), "done"),
    }
}

/// Makes changes of several runs within a transaction, and counts them in a keyspace beside.
pub(super) fn together(
    runs: &Runs,
    tx: &mut Transaction<'_>,
    beside: &Keyspace,
    known: &[RunId],
    changes: &[(u8, Change)],
) -> Result<(), CommitError> {
    for (at, change) in changes {
        // One that was never begun is unknown.
        let run = known.get(usize::from(*at)).copied();
        let run = run.unwrap_or(RunId(1000));
        runs.within(tx, run, |writer| make(writer, change))?;
    }
    let before = tx.get(beside, b"count").map_or(0, |it| it[0]);
    tx.put(beside, b"count", &[before.wrapping_add(1)])
}
