//! `icgate update`: writes what was measured into the baselines. What `make update-baseline` runs.
//!
//! A worsening beyond the limit needs a reason, which stays in the baseline beside the count.
//! New and changed benchmarks are measured again in disturbed environments and with their code elsewhere:
//! the differences are their noise. Nothing is written unless everything could be measured.

use camino::Utf8PathBuf;
use icgate_core::compare::noise::Noise;
use icgate_core::compare::{Facts, compare};
use icgate_core::judge::EMPTY_INSTRUCTIONS_MAX;
use icgate_core::model::baseline::{Accepted, Baseline, Baselines, Removed};
use icgate_core::model::bench_id::BenchId;
use icgate_core::model::environment::platform;
use icgate_core::model::metric::{Metric, Metrics, fetch_cycles};
use icgate_core::model::policy::Limit;
use icgate_core::model::run::{Measurement, Run};

use super::failures::print_failures;
use crate::args::{Against, Measuring, OutputDirectory, Project as Selection};
use crate::cargo::Project;
use crate::environment::toolchain;
use crate::error::{CliError, StoreError, UpdateError};
use crate::io::output;
use crate::io::store;
use crate::measure::{Disturbance, Session};
use crate::verdict::JudgeContext;
use crate::verdict::runs::{LoadedRun, read_runs};

/// How often what has moved is measured again, each time in another environment and layout.
const DISTURBED_ROUNDS: u32 = 2;

pub(crate) fn update(
    selection: &Selection,
    measuring: &Measuring,
    against: &Against,
    output: &OutputDirectory,
    reason: Option<&str>,
) -> Result<u8, CliError> {
    let project = Project::open(selection)?;
    let toolchain = toolchain(project.root())?;
    let platform = platform(&toolchain.target);
    let bench = JudgeContext::open(&project, against, &platform)?;
    let directory = project.output_directory(output);
    store::prepare(&directory)?;
    store::prepare(&project.baselines())?;
    let session = Session::open(&project, &toolchain, measuring)?;
    let measured = session.measure(&bench.committed)?;
    output::write_run(&directory, &measured.run)?;
    if print_failures(&measured.failures).is_some() {
        return Err(UpdateError::Incomplete.into());
    }
    let command = bench.policy.commands().update.clone();
    let update = Update::new(&bench, &measured.run, reason, command)?;
    let select = |id: &BenchId| {
        let measured = measured.run.benchmark(id);
        measured.is_none_or(|measured| update.has_moved(measured))
    };
    let mut disturbed = Vec::new();
    for round in 1..=DISTURBED_ROUNDS {
        let disturbance = Disturbance::of_round(round).with_code_moved(round);
        let again = session.measure_disturbed(&bench.committed, &select, disturbance)?;
        if print_failures(&again.failures).is_some() {
            return Err(UpdateError::Incomplete.into());
        }
        disturbed.push(again.run);
    }
    let mut suites = suites(&measured.run, &bench, |measured| {
        let again = disturbed
            .iter()
            .filter_map(|run| run.benchmark(&measured.id));
        update.entry(measured, &again.collect::<Vec<_>>())
    })?;
    update.keep_removals(&mut suites)?;
    update.keep_unmoved(&mut suites);
    let written = write(&project, &platform, &bench, &suites, measured.run.complete)?;
    say(&written);
    Ok(0)
}

/// The same with numbers that somebody else measured, such as CI. They are read with as little faith
/// as those of a pull request; the gate measures once more what is written.
pub(crate) fn update_from(
    runs: &[Utf8PathBuf],
    selection: &Selection,
    against: &Against,
    reason: Option<&str>,
) -> Result<u8, CliError> {
    let project = Project::open(selection)?;
    let LoadedRun { run, warnings, .. } =
        read_runs(runs, None).map_err(|it| UpdateError::From {
            why: it.why,
            fix: it.fix,
        })?;
    for warning in warnings {
        output::warn(warning);
    }
    let platform = run.environment.platform();
    let bench = JudgeContext::open(&project, against, &platform)?;
    store::prepare(&project.baselines())?;
    if !run.failed.is_empty() || run.benchmarks.is_empty() {
        return Err(UpdateError::Incomplete.into());
    }
    let paths: Vec<&str> = runs.iter().map(|it| it.as_str()).collect();
    let command = format!(
        "icgate update --from {} --reason \"…\"",
        paths.join(" --from ")
    );
    let update = Update::new(&bench, &run, reason, command)?;
    let mut suites = suites(&run, &bench, |measured| update.entry(measured, &[]))?;
    update.keep_removals(&mut suites)?;
    update.keep_unmoved(&mut suites);
    say(&write(&project, &platform, &bench, &suites, run.complete)?);
    Ok(0)
}

fn say(written: &[String]) {
    for path in written {
        output::say(format_args!("{path}"));
    }
    if written.is_empty() {
        output::say(format_args!("baselines are already up to date"));
    }
}

/// A metric that is judged.
struct Judged {
    metric: Metric,
    accepted: Option<u64>,
    measured: Option<u64>,
    noise: u64,
    limit: Limit,
}

impl Judged {
    /// Whether the change exceeds the limit; that of a metric that depends on the layout, beyond noise.
    fn is_exceeded(&self) -> bool {
        let (base, head) = (self.accepted.unwrap_or(0), self.measured.unwrap_or(0));
        let noise = if self.metric.depends_on_layout() {
            self.noise.min(base.abs_diff(head))
        } else {
            0
        };
        let head = if head > base {
            head - noise
        } else {
            head + noise
        };
        self.limit.is_exceeded(base, head)
    }
}

/// What entries are made from.
struct Update<'a> {
    bench: &'a JudgeContext,
    run: &'a Run,
    reason: Option<&'a str>,
    /// What to type to give a reason.
    command: String,
}

impl<'a> Update<'a> {
    /// What can be written: with a reason wherever one is needed.
    fn new(
        bench: &'a JudgeContext,
        run: &'a Run,
        reason: Option<&'a str>,
        command: String,
    ) -> Result<Self, UpdateError> {
        warn_of_empty(run);
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
        let update = Self {
            bench,
            run,
            reason,
            command,
        };
        update.check_reasons()?;
        Ok(update)
    }
}

impl Update<'_> {
    /// What the tree accepts for a benchmark, if that was recorded in this measurement environment.
    fn known(&self, id: &BenchId) -> Option<&Accepted> {
        let suite = self.bench.committed.suite(id.suite())?;
        let known = self.bench.committed.accepted(id)?;
        (suite.environment == self.run.environment).then_some(known)
    }

    /// What base accepts for a benchmark, if that was recorded in this environment: in a new one,
    /// counts differ for reasons that are nobody's to give.
    fn base(&self, id: &BenchId) -> Option<&Accepted> {
        let suite = self.bench.base.suite(id.suite())?;
        let base = self.bench.base.accepted(id)?;
        (suite.environment == self.run.environment).then_some(base)
    }

    /// Each metric that policy judges, as accepted and as measured.
    fn judged<'a>(
        &self,
        accepted: &'a Accepted,
        measured: &'a Measurement,
    ) -> impl Iterator<Item = Judged> + use<'a, '_> {
        let policy = &self.bench.policy;
        Metric::ALL.into_iter().filter_map(move |metric| {
            let limit = policy.limit(&measured.id, metric)?;
            let count = |metrics: &Metrics| metrics.get(&metric).copied();
            Some(Judged {
                metric,
                accepted: count(&accepted.metrics),
                measured: count(&measured.metrics),
                noise: count(&accepted.metric_noise)
                    .unwrap_or(0)
                    .max(match metric {
                        Metric::EstimatedCycles => {
                            fetch_cycles(&accepted.metrics, &measured.metrics)
                        }
                        _ => 0,
                    }),
                limit,
            })
        })
    }

    /// Whether anything that is judged differs from what the tree accepts. What caches miss moves with
    /// every change of layout: there, only what is beyond limit and noise does.
    fn has_moved(&self, measured: &Measurement) -> bool {
        self.known(&measured.id).is_none_or(|known| {
            self.judged(known, measured).any(|it| {
                if it.metric.depends_on_layout() && it.accepted.is_some() == it.measured.is_some() {
                    it.is_exceeded()
                } else {
                    it.accepted != it.measured
                }
            })
        })
    }

    /// Worse than base by more than the limit, in anything that is judged and that base counts.
    fn is_worse(&self, measured: &Measurement) -> bool {
        self.base(&measured.id).is_some_and(|base| {
            let mut judged = self.judged(base, measured);
            judged.any(|it| it.accepted.is_some() && it.measured > it.accepted && it.is_exceeded())
        })
    }

    /// Puts back what the tree has of a suite in which nothing has moved: what caches miss is no reason
    /// for a line in a diff. A suite that is written is written with all that was measured.
    fn keep_unmoved(&self, suites: &mut [Baseline]) {
        for suite in suites {
            let Some(known) = self.bench.committed.suite(&suite.suite) else {
                continue;
            };
            let is_same = |new: &Accepted, known: &Accepted| {
                let measured = self.run.benchmark(&new.id);
                new.id == known.id
                    && new.reason == known.reason
                    && new.functions.costs_like(&known.functions)
                    && measured.is_none_or(|measured| !self.has_moved(measured))
            };
            let pairs = || suite.benchmarks.iter().zip(&known.benchmarks);
            if suite.environment == known.environment
                && suite.removed == known.removed
                && suite.benchmarks.len() == known.benchmarks.len()
                && pairs().all(|(new, known)| is_same(new, known))
            {
                suite.benchmarks.clone_from(&known.benchmarks);
            }
        }
    }

    /// The reason that the tree gives for what was measured, and base did not give already.
    fn given_reason(&self, measured: &Measurement) -> Option<&str> {
        let known = self
            .known(&measured.id)
            .filter(|_| !self.has_moved(measured))?;
        let reason = known
            .reason
            .as_deref()
            .filter(|reason| !reason.trim().is_empty())?;
        let old = self
            .base(&measured.id)
            .and_then(|base| base.reason.as_deref());
        (old != Some(reason)).then_some(reason)
    }

    /// Every worsening beyond the limit has a reason, or is given one.
    fn check_reasons(&self) -> Result<(), UpdateError> {
        if self.reason.is_some() {
            return Ok(());
        }
        let unexplained = |it: &&Measurement| self.is_worse(it) && self.given_reason(it).is_none();
        let ids: Vec<String> = self
            .run
            .benchmarks
            .iter()
            .filter(unexplained)
            .map(|it| format!("`{}`", it.id))
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        Err(UpdateError::NoReason {
            ids: ids.join(", "),
            command: self.command.clone(),
        })
    }

    /// Adds what was removed to the suites: what the tree says already, and, of a complete run, what base
    /// has and the project does not have any more. That takes a reason; a new name takes none, since
    /// the gate compares it with the former one.
    fn keep_removals(&self, suites: &mut Vec<Baseline>) -> Result<(), UpdateError> {
        let is_there = |id: &BenchId| self.run.benchmark(id).is_some();
        let known = self.bench.committed.suites().flat_map(|it| &it.removed);
        for removed in known.filter(|it| !is_there(&it.id)) {
            self.add_removal(suites, removed.clone());
        }
        if !self.run.complete {
            return Ok(());
        }
        let new = Baselines::new(suites.iter().cloned());
        let comparison = compare(&self.bench.base, &new, self.run);
        let is_lost = |it: &&Facts<'_>| {
            it.measured.is_none()
                && self.bench.base.accepted(it.id).is_some()
                && new.removal(it.id).is_none()
        };
        let lost = comparison.benchmarks.iter().filter(is_lost);
        let lost: Vec<BenchId> = lost.map(|it| it.id.clone()).collect();
        if lost.is_empty() {
            return Ok(());
        }
        let Some(reason) = self.reason else {
            let ids: Vec<String> = lost.iter().map(|id| format!("`{id}`")).collect();
            return Err(UpdateError::Removed {
                ids: ids.join(", "),
                command: self.command.clone(),
            });
        };
        for id in lost {
            let reason = reason.to_owned();
            self.add_removal(suites, Removed { id, reason });
        }
        Ok(())
    }

    /// Adds a removal to its suite. One that nothing of was measured is written only by a complete run.
    fn add_removal(&self, suites: &mut Vec<Baseline>, removed: Removed) {
        let name = removed.id.suite();
        let at = match suites.iter().position(|it| it.suite == name) {
            Some(at) => at,
            None if self.run.complete => {
                suites.push(Baseline {
                    suite: name.to_owned(),
                    environment: self.run.environment.clone(),
                    benchmarks: Vec::new(),
                    removed: Vec::new(),
                });
                suites.len() - 1
            }
            None => return,
        };
        let list = &mut suites[at].removed;
        if let Err(at) = list.binary_search_by(|it| it.id.cmp(&removed.id)) {
            list.insert(at, removed);
        }
    }

    /// The entry of a benchmark; `again` are its measurements in disturbed measurement environments, if
    /// it moved.
    fn entry(&self, measured: &Measurement, again: &[&Measurement]) -> Accepted {
        let known = self.known(&measured.id);
        let reason = if self.is_worse(measured) {
            self.given_reason(measured).or(self.reason)
        } else {
            known
                .filter(|_| !self.has_moved(measured))
                .and_then(|known| known.reason.as_deref())
        };
        let reason = reason.map(str::to_owned);
        let all: Vec<&Measurement> = [measured]
            .into_iter()
            .chain(again.iter().copied())
            .collect();
        let found = Noise::of(&all).filter(|_| !again.is_empty());
        // A noise that was found for other code says nothing of this.
        let known = known.filter(|_| !self.has_moved(measured));
        let (noise, metric_noise) = match (found, known) {
            (Some(found), _) => (found.instructions(), found.metrics),
            (None, Some(known)) => (known.noise, known.metric_noise.clone()),
            (None, None) => (0, Metrics::new()),
        };
        let mut entry = Accepted::from_measurement(measured, noise.max(measured.noise), reason);
        for (metric, noise) in metric_noise {
            let known = entry.metric_noise.entry(metric).or_default();
            *known = noise.max(*known);
        }
        entry
    }
}

/// Names the benchmarks that measure nothing. They are recorded like the others: whoever has 36 of them
/// and wrote one that is empty wants a gate for 35.
fn warn_of_empty(run: &Run) {
    let is_empty = |it: &&Measurement| it.instructions() <= EMPTY_INSTRUCTIONS_MAX;
    for measured in run.benchmarks.iter().filter(is_empty) {
        output::warn(format_args!(
            "{} executes {} instructions, no more than an empty function: what it was meant to \
             measure was optimized away (use `std::hint::black_box`)",
            measured.id,
            measured.instructions()
        ));
    }
}

/// The new baselines of all suites that were measured.
fn suites(
    run: &Run,
    bench: &JudgeContext,
    accept: impl Fn(&Measurement) -> Accepted,
) -> Result<Vec<Baseline>, UpdateError> {
    let mut suites: Vec<Baseline> = Vec::new();
    for measured in &run.benchmarks {
        let suite = measured.id.suite();
        if suites.last().is_none_or(|last| last.suite != suite) {
            suites.push(Baseline {
                suite: suite.to_owned(),
                environment: run.environment.clone(),
                benchmarks: Vec::new(),
                removed: Vec::new(),
            });
        }
        if let Some(last) = suites.last_mut() {
            last.benchmarks.push(accept(measured));
        }
    }
    if !run.complete {
        for suite in &mut suites {
            keep_unmeasured(suite, bench)?;
        }
    }
    Ok(suites)
}

/// Where only a part of a suite was measured, the rest stays as it was; that takes its measurement environment.
fn keep_unmeasured(suite: &mut Baseline, bench: &JudgeContext) -> Result<(), UpdateError> {
    let Some(old) = bench.committed.suite(&suite.suite) else {
        return Ok(());
    };
    let measured = |id: &BenchId| {
        suite
            .benchmarks
            .binary_search_by(|it| it.id.cmp(id))
            .is_ok()
    };
    let unmeasured = old.benchmarks.iter().filter(|it| !measured(&it.id));
    let kept: Vec<Accepted> = unmeasured.cloned().collect();
    let differences = old.environment.differences(&suite.environment);
    if !kept.is_empty() && !differences.is_empty() {
        let fields: Vec<_> = differences
            .iter()
            .map(|difference| difference.field)
            .collect();
        return Err(UpdateError::PartOfEnvironment {
            fields: fields.join(", "),
        });
    }
    suite.benchmarks.extend(kept);
    suite.benchmarks.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(())
}

/// Writes what changed, and removes suites that are gone. Returns the paths.
fn write(
    project: &Project,
    platform: &str,
    bench: &JudgeContext,
    suites: &[Baseline],
    complete: bool,
) -> Result<Vec<String>, StoreError> {
    let directory = project.baselines();
    let mut written = Vec::new();
    for suite in suites {
        let path = store::suite_path(&directory, platform, &suite.suite);
        if store::write(&path, &suite.to_json())? {
            written.push(format!("written {}", store::display(&path)));
        }
    }
    let gone = |old: &&Baseline| complete && suites.iter().all(|new| new.suite != old.suite);
    for old in bench.committed.suites().filter(gone) {
        let path = store::suite_path(&directory, platform, &old.suite);
        std::fs::remove_file(&path).map_err(|source| StoreError::Write {
            path: path.clone(),
            source,
        })?;
        written.push(format!("removed {}", store::display(&path)));
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use icgate_core::model::environment::Environment;
    use icgate_core::model::policy::Policy;

    use super::*;

    fn environment(valgrind: &str) -> Environment {
        Environment {
            valgrind: valgrind.to_owned(),
            ..Environment::example()
        }
    }

    fn measured(instructions: u64, reads: u64) -> Measurement {
        serde_json::from_value(serde_json::json!({
            "id": "a/b/c",
            "metrics": {"instructions": instructions, "data_reads": reads},
            "functions": {"rows": [{"name": "f", "file": "f.rs", "instructions": instructions}], "other": 0},
        }))
        .unwrap()
    }

    fn baselines(accepted: Accepted, valgrind: &str) -> Baselines {
        Baselines::new([Baseline {
            suite: "a".to_owned(),
            environment: environment(valgrind),
            benchmarks: vec![accepted],
            removed: Vec::new(),
        }])
    }

    /// Base's and the tree's counts and reason, what is measured in measurement environment `3`, and the reason
    /// given → whether it moved, and the new entry or what is refused.
    fn update(
        base: (u64, u64, Option<&str>),
        committed: (u64, u64, Option<&str>),
        environments: (&str, &str),
        head: (u64, u64),
        reason: Option<&str>,
    ) -> (bool, Result<Accepted, String>) {
        let accepted = |(instructions, reads, reason): (u64, u64, Option<&str>)| {
            let reason = reason.map(str::to_owned);
            Accepted::from_measurement(&measured(instructions, reads), 0, reason)
        };
        let rule = "format = 2\n[[rule]]\nbenchmarks = \"**\"\nmetric = \"data_reads\"";
        let bench = JudgeContext::of(
            Policy::from_toml("policy.toml", rule).unwrap(),
            baselines(accepted(base), environments.0),
            baselines(accepted(committed), environments.1),
        );
        let head = measured(head.0, head.1);
        let run = Run {
            format: 2,
            commit: None,
            complete: true,
            part: None,
            environment: environment("3"),
            failed: vec![],
            benchmarks: vec![head.clone()],
        };
        let update = Update {
            bench: &bench,
            run: &run,
            reason,
            command: String::new(),
        };
        let moved = update.has_moved(&head);
        let again = moved.then_some(&head);
        let entry = update
            .check_reasons()
            .map(|()| update.entry(&head, again.as_slice()));
        if let Ok(entry) = &entry {
            // A stored run has no second look; the reason does not depend on it.
            assert_eq!(update.entry(&head, &[]).reason, entry.reason);
        }
        (moved, entry.map_err(|error| error.to_string()))
    }

    const SAME: (&str, &str) = ("3", "3");

    #[test]
    fn a_reason_is_added_to_counts_that_stand_already() {
        let tree = (9_000, 100, None);
        let (moved, refused) = update((8_000, 100, None), tree, SAME, (9_000, 100), None);
        assert!(!moved && refused.unwrap_err().contains("`a/b/c` got worse"));
        let (_, entry) = update((8_000, 100, None), tree, SAME, (9_000, 100), Some("why"));
        assert_eq!(entry.unwrap().reason.as_deref(), Some("why"));
    }

    #[test]
    fn base_s_own_reason_does_not_explain_another_worsening() {
        let (base, tree) = ((8_000, 100, Some("old")), (9_000, 100, Some("old")));
        assert!(update(base, tree, SAME, (9_000, 100), None).1.is_err());
        let tree = (9_000, 100, Some("new"));
        let entry = update(base, tree, SAME, (9_000, 100), None).1.unwrap();
        assert_eq!(entry.reason.as_deref(), Some("new"));
    }

    #[test]
    fn every_judged_metric_can_be_accepted() {
        let old = (9_000, 1_000, None);
        let (moved, refused) = update(old, old, SAME, (9_000, 2_000), None);
        assert!(moved && refused.is_err());
        let entry = update(old, old, SAME, (9_000, 2_000), Some("why"))
            .1
            .unwrap();
        assert_eq!(entry.metrics[&Metric::DataReads], 2_000);
        assert_eq!(entry.reason.as_deref(), Some("why"));
    }

    #[test]
    fn a_reason_goes_with_what_it_explained() {
        let old = (9_000, 100, Some("old"));
        let still = update(old, old, SAME, (9_000, 100), None).1.unwrap();
        assert_eq!(still.reason.as_deref(), Some("old"));
        let better = update(old, old, SAME, (8_000, 100), Some("unasked"))
            .1
            .unwrap();
        assert_eq!(better.reason, None);
    }

    #[test]
    fn a_new_environment_asks_for_no_reason_and_keeps_nothing_old() {
        let old = (8_000, 100, Some("old"));
        let (moved, entry) = update(old, old, ("2", "2"), (9_000, 100), None);
        assert!(moved);
        assert_eq!(
            entry.unwrap(),
            Accepted::from_measurement(&measured(9_000, 100), 0, None)
        );
    }
}
