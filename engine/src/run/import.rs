//! A run is read back from JSON lines, as a new one.
//!
//! Its steps are done again, through the same checks as any: a span without its parent or an event
//! after the end is refused here too. They come some at a time, so that a run may be longer than a
//! transaction. Until the last one is done nobody sees the run, and a crash in between leaves none.

use std::io::{BufRead, Read as _};

use super::change::{RunId, SpanId};
use super::error::RunError;
use super::json::{self, ReadChange};
use super::row::{Head, Status};
use super::runs::Runs;
use super::span::NewSpan;
use super::writer::RunWriter;
use crate::engine::CommitError;

/// How many steps are done by one transaction.
const STEPS: usize = 256;

/// How many bytes of lines are done by one transaction, at least.
const BYTES: usize = 1 << 20;

/// The longest line, in bytes: a step as long as one may be, each byte of it escaped.
pub const LINE_BYTES_MAX: usize = 96 << 20;

/// Why a run was not read back. Nothing of it is there.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A line is not what it should be.
    #[error("line {number}: {reason}; nothing was imported")]
    Line {
        /// Its number, from 1 on.
        number: u64,
        /// What is wrong.
        reason: String,
    },
    /// A line asks for a step that the run cannot make.
    #[error("line {number} cannot be done; nothing was imported")]
    Step {
        /// Its number, from 1 on.
        number: u64,
        /// Why not.
        source: RunError,
    },
    /// There are fewer lines than the first one says.
    #[error("the run ends after step {found} of {steps}; export it again")]
    CutShort {
        /// How many steps there should be.
        steps: u64,
        /// How many there are.
        found: u64,
    },
    /// The lines could not be read.
    #[error("the lines cannot be read")]
    Io(#[from] std::io::Error),
    /// The run could not be written.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// A line and its number.
struct Line {
    number: u64,
    bytes: Vec<u8>,
}

impl Line {
    fn bad(&self, reason: String) -> ImportError {
        let number = self.number;
        ImportError::Line { number, reason }
    }
}

/// The lines of a reader, none longer than [`LINE_BYTES_MAX`].
struct Lines<R> {
    input: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<Option<Line>, ImportError> {
        let mut bytes = Vec::new();
        let max = LINE_BYTES_MAX as u64;
        let len = (&mut self.input)
            .take(max + 1)
            .read_until(b'\n', &mut bytes)?;
        self.number += 1;
        let number = self.number;
        if len > LINE_BYTES_MAX {
            let reason = format!("it has more than {LINE_BYTES_MAX} bytes");
            return Err(ImportError::Line { number, reason });
        }
        Ok((len > 0).then_some(Line { number, bytes }))
    }
}

/// How far an import has come.
struct Progress {
    run: RunId,
    /// What the steps so far have made of the run.
    status: Option<Status>,
    steps: u64,
    time_us: u64,
}

impl Runs {
    /// Reads a run that [`export`](Self::export) wrote, and answers with its new number.
    ///
    /// # Errors
    /// [`ImportError`]; nothing of the run is there.
    pub fn import(&self, input: impl BufRead) -> Result<RunId, ImportError> {
        let mut lines = Lines { input, number: 0 };
        let Some(first) = lines.next()? else {
            let reason = "there is no line about the run".into();
            return Err(ImportError::Line { number: 1, reason });
        };
        let (steps, status) = json::read_about(&first.bytes).map_err(|it| first.bad(it))?;
        let run = self.engine.retry(1000, |tx| {
            Ok(self.create(tx, Status::Importing, |_| Ok(()))?)
        });
        let mut progress = Progress {
            run: run.map_err(RunError::from)?.value,
            status: None,
            steps: 0,
            time_us: 0,
        };
        let imported = self
            .import_steps(&mut lines, &mut progress)
            .and_then(|()| self.finish(&progress, steps, status, &first));
        if let Err(error) = imported {
            // Where that fails too, the next opening does it.
            let _ = self.purge(progress.run);
            return Err(error);
        }
        Ok(progress.run)
    }

    fn import_steps(
        &self,
        lines: &mut Lines<impl BufRead>,
        progress: &mut Progress,
    ) -> Result<(), ImportError> {
        loop {
            let (mut chunk, mut bytes) = (Vec::new(), 0);
            while chunk.len() < STEPS && bytes < BYTES {
                let Some(line) = lines.next()? else { break };
                if line.bytes.trim_ascii().is_empty() {
                    continue;
                }
                let read = json::read(&line.bytes).map_err(|it| line.bad(it))?;
                bytes += line.bytes.len();
                let number = line.number;
                chunk.push((
                    Line {
                        number,
                        bytes: Vec::new(),
                    },
                    read,
                ));
            }
            if chunk.is_empty() {
                return Ok(());
            }
            self.import_chunk(progress, &chunk)?;
        }
    }

    /// Does some steps, in one transaction.
    fn import_chunk(
        &self,
        progress: &mut Progress,
        chunk: &[(Line, (u64, u64, ReadChange))],
    ) -> Result<(), ImportError> {
        let mut failed = None;
        let done = self.engine.transaction(|tx| {
            let head = self.head_within(tx, progress.run)?;
            let mut writer = RunWriter::new(self, tx, progress.run, head);
            for (line, (step, time_us, change)) in chunk {
                let done = progress
                    .check(line, *step, *time_us, change)
                    .and_then(|()| {
                        writer.set_time(*time_us);
                        progress.make(&mut writer, line, change)
                    });
                if let Err(error) = done {
                    failed = Some(error);
                    return Err(CommitError::abort("a line cannot be done"));
                }
            }
            writer.save()?;
            Ok(())
        });
        match (failed, done) {
            (Some(error), _) => Err(error),
            (None, Err(error)) => Err(RunError::from(error).into()),
            (None, Ok(_)) => Ok(()),
        }
    }

    /// Shows the run.
    fn finish(
        &self,
        progress: &Progress,
        steps: u64,
        status: Status,
        first: &Line,
    ) -> Result<(), ImportError> {
        let found = progress.steps;
        if found < steps {
            return Err(ImportError::CutShort { steps, found });
        }
        if found > steps || progress.status != Some(status) {
            let is = progress.status.map_or("not begun", Status::name);
            let reason = format!(
                "it says {steps} steps, {status}; the lines below it make {found} steps, {is}"
            );
            return Err(first.bad(reason));
        }
        let done = self.engine.transaction(|tx| {
            let head = Head {
                status,
                ..self.head_within(tx, progress.run)?
            };
            let mut writer = RunWriter::new(self, tx, progress.run, head);
            writer.set_unfinished(status == Status::Open)?;
            writer.save_head()?;
            Ok(())
        });
        done.map_err(RunError::from)?;
        Ok(())
    }
}

impl Progress {
    /// An error where a line cannot come next.
    fn check(
        &mut self,
        line: &Line,
        step: u64,
        time_us: u64,
        change: &ReadChange,
    ) -> Result<(), ImportError> {
        if step != self.steps + 1 {
            let expected = self.steps + 1;
            return Err(line.bad(format!("it is step {step}, and not {expected}")));
        }
        if time_us < self.time_us {
            return Err(line.bad("its time is before that of the step before".into()));
        }
        let run = self.run;
        let after = match (self.status, change) {
            (None, ReadChange::Began(_)) | (Some(Status::Orphaned), ReadChange::Resumed) => {
                Ok(Status::Open)
            }
            (None, _) | (_, ReadChange::Began(_)) => {
                let reason = "a run begins with its first step, and only with that";
                return Err(line.bad(reason.into()));
            }
            (Some(Status::Ended(outcome)), _) => Err(RunError::Ended { run, outcome }),
            (_, ReadChange::Resumed) => Err(RunError::NotOrphaned { run }),
            (_, ReadChange::Ended(outcome, _)) => Ok(Status::Ended(*outcome)),
            (Some(Status::Orphaned), _) => Err(RunError::Orphaned { run }),
            (_, ReadChange::Orphaned) => Ok(Status::Orphaned),
            (Some(status), _) => Ok(status),
        };
        let number = line.number;
        self.status = Some(after.map_err(|source| ImportError::Step { number, source })?);
        self.time_us = time_us;
        Ok(())
    }

    /// Does a step, which has to be a step.
    fn make(
        &mut self,
        writer: &mut RunWriter<'_, '_>,
        line: &Line,
        change: &ReadChange,
    ) -> Result<(), ImportError> {
        let number = line.number;
        let expected = match change {
            ReadChange::Event(seq, ..) => *seq,
            ReadChange::Cell(_, version, _) => *version,
            ReadChange::SpanStarted(span, ..) => span.0,
            _ => 0,
        };
        let made = make(writer, change).map_err(|source| ImportError::Step { number, source })?;
        if made != expected {
            return Err(line.bad(format!("its number is {expected}, and not {made}")));
        }
        if writer.steps() != self.steps + 1 {
            return Err(line.bad("it changes nothing".into()));
        }
        self.steps += 1;
        Ok(())
    }
}

/// Does a change; answers with the number that it got, where it gets one.
fn make(writer: &mut RunWriter<'_, '_>, change: &ReadChange) -> Result<u64, RunError> {
    match change {
        ReadChange::Began(name) => writer.began(name)?,
        ReadChange::Resumed => writer.go_on()?,
        ReadChange::Orphaned => writer.orphan()?,
        ReadChange::Ended(outcome, note) => writer.end(*outcome, note)?,
        ReadChange::Tagged(tag, true) => writer.tag(tag)?,
        ReadChange::Tagged(tag, false) => writer.untag(tag)?,
        ReadChange::Noted(name, value) => writer.note(name, value.as_ref())?,
        ReadChange::Event(_, kind, attributes, body) => {
            return writer.append_with(kind, body, attributes);
        }
        ReadChange::Put(key, value) => writer.put(key, value)?,
        ReadChange::Deleted(key) => drop(writer.delete(key)?),
        ReadChange::Cell(name, _, value) => return writer.set_cell(name, value),
        ReadChange::SpanStarted(span, parent, name, attributes) => {
            let new = NewSpan {
                name: name.clone(),
                parent: *parent,
                id: Some(*span),
                attributes: attributes.clone(),
            };
            let SpanId(span) = writer.start_span(&new)?;
            return Ok(span);
        }
        ReadChange::SpanEnded(span, outcome, attributes) => {
            writer.end_span(*span, *outcome, attributes)?;
        }
    }
    Ok(0)
}
