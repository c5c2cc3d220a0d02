//! The trials: what is done to the project, and what the gate has to say to it.

use std::path::PathBuf;

use icgate_core::model::baseline::{Accepted, Baseline};
use icgate_core::model::functions::FunctionTable;
use icgate_core::model::metric::Metric;
use serde_json::Value;

use super::injections::Cost;
use super::rig::{Answer, Rig};
use crate::error::{CliError, SelftestError};
use crate::io::store;

/// Rounds by which an injection's cost is measured.
const CALIBRATION: u64 = 1_000;
/// Injected changes in parts per million: half of the usual limit, and twice.
const HALF: u64 = 5_000;
const TWICE: u64 = 20_000;

/// A trial and its outcome.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) what: String,
    pub(super) expected: &'static str,
    pub(super) found: String,
    /// Whether it went as it should.
    pub(super) held: bool,
    /// Of so many that had to be stopped, how many were.
    pub(super) caught: (usize, usize),
    /// Of so many that had to pass, how many did not.
    pub(super) alarms: (usize, usize),
}

/// Trials for which the code stays as it is.
pub(super) fn without_injections(rig: &Rig<'_>) -> Result<Vec<Trial>, CliError> {
    let first = rig.measure("first")?;
    let second = rig.measure("second")?;
    let counts = counts(&first);
    let equal = counts.iter().zip(self::counts(&second));
    let equal = equal.filter(|(a, b)| **a == *b).count();
    let judged = judge(rig, "first")?;
    let unchanged = verdict(&judged, "unchanged");
    let still = Trial {
        what: "the same code, measured twice".to_owned(),
        expected: "equal counts, pass",
        found: format!(
            "{equal} of {} equal, {unchanged} unchanged, exit code {}",
            counts.len(),
            judged.code
        ),
        held: equal == counts.len() && unchanged == counts.len() && judged.code == 0,
        caught: (0, 0),
        alarms: (counts.len() - equal.min(unchanged), counts.len()),
    };
    Ok(vec![
        still,
        deleted(rig, first)?,
        padded(rig)?,
        worsened(rig)?,
    ])
}

/// A benchmark is gone, and its baseline stays.
fn deleted(rig: &Rig<'_>, mut run: Value) -> Result<Trial, CliError> {
    if let Some(benchmarks) = run["benchmarks"].as_array_mut() {
        benchmarks.pop();
    }
    let path = rig.output("deleted").join("run.json");
    store::write(&path, &run.to_string())?;
    Ok(stopped(
        "a benchmark deleted",
        "benchmark_missing",
        &judge(rig, "deleted")?,
    ))
}

/// A baseline claims more than was measured, to make room.
fn padded(rig: &Rig<'_>) -> Result<Trial, CliError> {
    edit_first(rig, |accepted| {
        let room = accepted.instructions() / 20 + 1;
        put(accepted, accepted.instructions() + room);
    })?;
    let answer = judge(rig, "first")?;
    rig.restore()?;
    Ok(stopped(
        "a baseline padded by 5 %",
        "baseline_mismatch",
        &answer,
    ))
}

/// A baseline is worse than base's, truly, and nobody says why.
fn worsened(rig: &Rig<'_>) -> Result<Trial, CliError> {
    let (path, honest) = edit_first(rig, |accepted| {
        let less = accepted.instructions() / 50 + 100;
        put(accepted, accepted.instructions().saturating_sub(less));
    })?;
    rig.commit()?;
    store::write(&path, &honest)?;
    let answer = judge(rig, "first")?;
    rig.commit()?;
    Ok(stopped(
        "a baseline worsened by 2 %, without a reason",
        "reason_missing",
        &answer,
    ))
}

/// Costs injected into the code.
pub(super) fn with_injections(rig: &Rig<'_>, costs: &[Cost]) -> Result<Vec<Trial>, CliError> {
    if costs.is_empty() {
        return Ok(Vec::new());
    }
    let originals: Result<Vec<String>, CliError> =
        costs.iter().map(|cost| rig.read(cost.file())).collect();
    let originals = originals?;
    let mut injected = Injected {
        rig,
        costs,
        originals: &originals,
        lines: Vec::new(),
    };
    let wrong = |cost: &Cost, what| SelftestError::Calibrate {
        file: cost.file().to_owned(),
        benchmark: cost.calibrate.benchmark.clone(),
        what,
    };
    let at = |run: &Value, cost: &Cost| {
        let count = instructions(run, &cost.calibrate.benchmark);
        count.ok_or_else(|| wrong(cost, "is no benchmark"))
    };
    injected.set(&vec![0; costs.len()])?;
    let none = rig.measure("none")?;
    injected.set(&vec![CALIBRATION; costs.len()])?;
    let many = rig.measure("many")?;
    let base = rig.measured("first")?;
    let mut trials = Vec::new();
    for (parts, what) in [(HALF, "+0.5 %"), (TWICE, "+2 %")] {
        let mut rounds = Vec::new();
        for cost in costs {
            let (base, none, many) = (at(&base, cost)?, at(&none, cost)?, at(&many, cost)?);
            let target = base + base * parts / 1_000_000;
            let each = many.checked_sub(none).filter(|it| *it > 0);
            let each = each.ok_or_else(|| wrong(cost, "does not run what is injected"))?;
            rounds.push(target.saturating_sub(none) * CALIBRATION / each);
        }
        injected.set(&rounds)?;
        let what = format!("{what} injected into {} functions", costs.len());
        let answer = rig.icgate(&["check", "--no-cache", "--base=HEAD"], "injected")?;
        trials.push(if parts == HALF {
            passed(what, &answer)
        } else {
            named(what, &answer, &injected)
        });
    }
    rig.restore()?;
    Ok(trials)
}

/// The project with costs in it.
struct Injected<'a> {
    rig: &'a Rig<'a>,
    costs: &'a [Cost],
    originals: &'a [String],
    /// The line of each.
    lines: Vec<Option<usize>>,
}

impl Injected<'_> {
    /// Lets each cost take so many rounds.
    fn set(&mut self, rounds: &[u64]) -> Result<(), CliError> {
        self.lines.clear();
        for ((cost, original), rounds) in self.costs.iter().zip(self.originals).zip(rounds) {
            let edited = cost.inject(original, *rounds)?;
            self.rig.write(cost.file(), &edited.text)?;
            self.lines.push(edited.cost_line);
        }
        Ok(())
    }
}

/// A small cost must pass.
fn passed(what: String, answer: &Answer) -> Trial {
    let rows = rows(answer);
    let stopped = rows.iter().filter(|row| row["outcome"] != "pass").count();
    Trial {
        what,
        expected: "pass",
        found: format!("{stopped} stopped, exit code {}", answer.code),
        held: answer.code == 0 && stopped == 0,
        caught: (0, 0),
        alarms: (stopped, rows.len()),
    }
}

/// A large cost must be stopped, in each benchmark that has it and in no other, and its cause named.
fn named(what: String, answer: &Answer, injected: &Injected<'_>) -> Trial {
    let rows = rows(answer);
    let grown_by = |row: &Value| Some(row["head"].as_i64()? - row["base"].as_i64()?);
    let beyond = |row: &&&Value| {
        row["change"].as_i64() > row["limit"].as_i64()
            && grown_by(row) > row["limit_min_change"].as_i64()
    };
    let regressed = |row: &&&Value| row["verdict"] == "regressed";
    let grown: Vec<&Value> = rows.iter().filter(beyond).copied().collect();
    let caught = grown
        .iter()
        .filter(|row| row["verdict"] == "regressed")
        .count();
    let alarms = rows.iter().filter(regressed).count() - caught;
    let mut names = 0;
    let mut lines = 0;
    for (cost, line) in injected.costs.iter().zip(&injected.lines) {
        let row = grown
            .iter()
            .find(|row| row["id"] == cost.calibrate.benchmark.as_str());
        let culprit = row.map_or(&Value::Null, |row| &row["culprits"][0]);
        names += usize::from(culprit["name"] == cost.calibrate.function.as_str());
        let is_line = line.is_some_and(|line| culprit["line"] == line);
        let here = culprit["file"] == cost.file() && is_line;
        lines += usize::from(here);
    }
    let all = injected.costs.len();
    Trial {
        what,
        expected: "fail, with function and line",
        found: format!(
            "{caught} of {} caught, {names} of {all} functions and {lines} of {all} lines \
             named, exit code {}",
            grown.len(),
            answer.code
        ),
        held: answer.code == 1
            && caught == grown.len()
            && caught >= all
            && alarms == 0
            && (names, lines) == (all, all),
        caught: (caught, grown.len()),
        alarms: (alarms, rows.len() - grown.len()),
    }
}

/// One benchmark must be stopped for want of step, and all others pass.
fn stopped(what: &str, verdict: &str, answer: &Answer) -> Trial {
    let rows = rows(answer);
    let caught = self::verdict(answer, verdict);
    let alarms = rows.iter().filter(|row| row["outcome"] != "pass").count() - caught;
    Trial {
        what: what.to_owned(),
        expected: "fail as out of date",
        found: format!(
            "{caught} {}, exit code {}",
            verdict.replace('_', " "),
            answer.code
        ),
        held: answer.code == 5 && caught == 1 && alarms == 0,
        caught: (caught, 1),
        alarms: (alarms, rows.len().saturating_sub(1)),
    }
}

/// Judges the run in `output`, by the last commit.
fn judge(rig: &Rig<'_>, output: &str) -> Result<Answer, CliError> {
    let run = rig.output(output).join("run.json");
    rig.icgate(
        &["compare", &run.display().to_string(), "--base=HEAD"],
        output,
    )
}

/// Edits the first benchmark of the first suite; returns the file, and what it held.
fn edit_first(
    rig: &Rig<'_>,
    edit: impl FnOnce(&mut Accepted),
) -> Result<(PathBuf, String), CliError> {
    let path = rig.first_suite()?;
    let honest = store::read(&path)?;
    let mut baseline = Baseline::from_json(&store::display(&path), &honest)?;
    if let Some(accepted) = baseline.benchmarks.first_mut() {
        edit(accepted);
    }
    store::write(&path, &baseline.to_json())?;
    Ok((path, honest))
}

/// Lets a baseline claim a count; its functions still add up.
fn put(accepted: &mut Accepted, instructions: u64) {
    accepted.metrics.insert(Metric::Instructions, instructions);
    accepted.functions = FunctionTable::new(Vec::new(), instructions);
}

fn rows(answer: &Answer) -> Vec<&Value> {
    answer.report["rows"]
        .as_array()
        .map_or_else(Vec::new, |rows| rows.iter().collect())
}

fn verdict(answer: &Answer, word: &str) -> usize {
    let count = answer.report["verdicts"][word].as_u64();
    usize::try_from(count.unwrap_or(0)).unwrap_or(0)
}

fn counts(run: &Value) -> Vec<(&str, &Value)> {
    let benchmarks = run["benchmarks"].as_array();
    let benchmarks = benchmarks.map_or(&[][..], Vec::as_slice);
    let counted = |it| -> Option<(&str, &Value)> {
        let it: &Value = it;
        Some((it["id"].as_str()?, &it["metrics"]["instructions"]))
    };
    benchmarks.iter().filter_map(counted).collect()
}

fn instructions(run: &Value, id: &str) -> Option<u64> {
    counts(run)
        .into_iter()
        .find(|(it, _)| *it == id)
        .and_then(|(_, count)| count.as_u64())
}
