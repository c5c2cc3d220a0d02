//! An engine with runs beside its model, and whether they agree in everything.

use super::model::{Model, State};
use super::operation::{Operation, cell, key, kind_of, new_run, tag, together};
use crate::crash_test::{Checked, ensure};
use crate::engine::{CommitError, Engine, Keyspace};
use crate::run::{Content, Orphans, Point, RunError, RunId, Runs, Status};
use crate::vfs::{Sim, Vfs};
use crate::wal::Lsn;

/// An engine with runs.
pub(super) struct World {
    pub sim: Sim,
    pub runs: Runs,
    pub beside: Keyspace,
}

impl World {
    /// One in memory, by the simulator's clock.
    pub(super) fn in_memory() -> Self {
        let sim = Sim::default();
        let engine = Engine::in_memory_with(sim.clone());
        Self::of(sim, &engine).unwrap()
    }

    pub(super) fn of(sim: Sim, engine: &Engine) -> Result<Self, RunError> {
        let beside = engine.keyspace("default")?;
        let (runs, _) = Runs::open(engine, Orphans::Mark)?;
        Ok(Self { sim, runs, beside })
    }

    /// Does an operation on the engine alone.
    pub(super) fn apply(&self, operation: &Operation, known: usize) -> Result<(), RunError> {
        match operation {
            Operation::Begin(tags) => self.runs.begin(&new_run(*tags)).map(drop),
            Operation::Together(changes, is_given_up) => {
                let known: Vec<_> = (1..=known as u64).map(RunId).collect();
                self.runs.engine().transaction(|tx| {
                    together(&self.runs, tx, &self.beside, &known, changes)?;
                    if *is_given_up {
                        return Err(CommitError::abort("given up"));
                    }
                    Ok(())
                })?;
                Ok(())
            }
            Operation::Wait(us) => {
                self.sim.advance((*us).into());
                Ok(())
            }
        }
    }

    /// Does an operation on both, which have to answer the same.
    pub(super) fn both(&self, model: &mut Model, operation: &Operation) -> Checked {
        let known = model.runs.len();
        let expected = model.apply(operation, self.sim.now_us());
        let found = self.apply(operation, known);
        let found = found.map_err(|error| kind_of(&error));
        ensure!(
            found == expected,
            "{operation:?} answers {found:?}, not {expected:?}"
        );
        Ok(())
    }

    /// Checks that the present and every point of the past are as the model says.
    pub(super) fn check(&self, model: &Model) -> Checked {
        self.check_all(model).map_err(|error| error.to_string())?
    }

    fn check_all(&self, model: &Model) -> Result<Checked, RunError> {
        let listed = self.runs.list()?;
        if listed.len() != model.runs.len() {
            return Ok(Err(format!("{} runs are listed", listed.len())));
        }
        let count = self.beside.get(b"count").map_or(0, |it| it[0]);
        if count != model.count {
            return Ok(Err(format!("{count} transactions, not {}", model.count)));
        }
        for number in 0..3 {
            let tag = tag(number);
            let found = self.runs.tagged(tag)?;
            let has = |at: &usize| model.runs[*at].state().tags.contains(tag);
            let expected = (0..model.runs.len()).filter(has).map(|at| at as u64 + 1);
            if !found.iter().map(|it| it.id.0).eq(expected) {
                return Ok(Err(format!("the tag {tag} finds {found:?}")));
            }
        }
        for (number, run) in (1..).zip(&model.runs) {
            let id = RunId(number);
            let checked = self.check_run(id, run, &listed[run_index(number)])?;
            if checked.is_err() {
                return Ok(checked);
            }
        }
        Ok(Ok(()))
    }

    fn check_run(
        &self,
        id: RunId,
        run: &super::model::Run,
        info: &crate::run::RunInfo,
    ) -> Result<Checked, RunError> {
        let runs = &self.runs;
        let steps = run.times_us.len() as u64;
        let mut replay = runs.replay(id)?;
        for (state, number) in run.states.iter().zip(0..) {
            let found = State::of(replay.state());
            if found != *state || replay.state().steps != number {
                return Ok(Err(format!(
                    "run {id} after step {number} is {found:?}, not {state:?}"
                )));
            }
            if let Some(step) = replay.step()? {
                if run.times_us.get(run_index(step.number)) != Some(&step.time_us) {
                    return Ok(Err(format!("{step:?} of {steps} steps is at another time")));
                }
            } else if number != steps {
                return Ok(Err(format!("run {id} ends after step {number} of {steps}")));
            }
        }
        let state = run.state();
        let is_info = (info.id, info.steps, Some(info.status)) == (id, steps, state.status)
            && (&info.name, &info.note) == (&state.name, &state.note)
            && (&info.tags, &info.metadata) == (&state.tags, &state.metadata)
            && info.events == state.events.len() as u64
            && Some(&info.began_us) == run.times_us.first()
            && Some(&info.last_us) == run.times_us.last()
            && runs.info(id)? == *info;
        if !is_info {
            return Ok(Err(format!("{info:?} is not {state:?}")));
        }
        // The rows of the present, and what the steps make.
        let present: Content = runs.content(id)?;
        let replayed = runs.content((id, Point::Lsn(Lsn(u64::MAX))))?;
        if present != replayed {
            return Ok(Err(format!("present {present:?}, replayed {replayed:?}")));
        }
        self.check_reads(id, state)
    }

    fn check_reads(&self, id: RunId, state: &State) -> Result<Checked, RunError> {
        let runs = &self.runs;
        for number in 0..4 {
            let key = key(number);
            let found = runs.get(id, &key)?.map(|it| it.to_vec());
            if found.as_ref() != state.keys.get(&key) {
                return Ok(Err(format!("run {id} has {found:?} at {key:?}")));
            }
        }
        let keys = runs.keys(id, b"")?.map(|(key, it)| (key, it.to_vec()));
        if !keys.eq(state.keys.clone()) {
            return Ok(Err(format!("run {id} has other keys")));
        }
        for name in (0..3).map(cell) {
            let found = runs.cell(id, name)?;
            let found = found.map(|it| (it.version, it.step, it.time_us, it.value().to_vec()));
            if found.as_ref() != state.cells.get(name) {
                return Ok(Err(format!("run {id} has {found:?} in {name}")));
            }
            let history: Result<Vec<_>, _> = runs.cell_history(id, name)?.collect();
            let versions = history?.into_iter().map(|it| it.version);
            let newest = found.map_or(0, |it| it.0);
            if !versions.eq((1..=newest).rev()) {
                return Ok(Err(format!("the history of {name} has gaps")));
            }
        }
        if runs.cells(id)?.len() != state.cells.len() {
            return Ok(Err(format!("run {id} has other cells")));
        }
        if !runs.spans(id)?.iter().eq(state.spans.values()) {
            return Ok(Err(format!("run {id} has other spans")));
        }
        if runs.trace(id)?.len() != state.spans.len() {
            return Ok(Err(format!("the trace of run {id} is not whole")));
        }
        let seqs: Result<Vec<_>, _> = runs.events(id, ..)?.collect();
        let seqs = seqs?.into_iter().map(|it| (it.seq, it.step, it.time_us));
        let expected = (0..).zip(&state.events).map(|(seq, it)| (seq, it.3, it.4));
        if !seqs.eq(expected) {
            return Ok(Err(format!("run {id} has other events")));
        }
        Ok(Ok(()))
    }

    /// Which runs are open.
    pub(super) fn open_runs(model: &Model) -> impl Iterator<Item = usize> + '_ {
        let is_open = |at: &usize| model.runs[*at].state().status == Some(Status::Open);
        (0..model.runs.len()).filter(is_open)
    }
}

/// The place of a number that counts from 1 on.
fn run_index(number: u64) -> usize {
    usize::try_from(number - 1).unwrap()
}
