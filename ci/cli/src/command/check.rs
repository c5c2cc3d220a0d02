//! `icgate check`: measure, compare, judge, report. What `make gate` runs.

use icgate_core::model::environment::platform;
use icgate_core::model::note::Note;
use icgate_core::model::shard::Shard;

use super::confirm::measure_again;
use super::exit_code::exit_code;
use super::failures::print_remedies;
use super::second_proof;
use crate::args::{Against, FailOn, Measuring, Output, Project as Selection, Sharding, Stored};
use crate::cache::Cache;
use crate::cargo::Project;
use crate::environment::{Sandbox, Toolchain, toolchain};
use crate::error::CliError;
use crate::io::output;
use crate::io::store;
use crate::measure::Session;
use crate::measure::stored::StoredExecutables;
use crate::verdict::{JudgeContext, PART};

/// Where the executables come from.
enum Source {
    /// They are built here.
    Build(Toolchain),
    /// Another job has built them.
    Stored {
        head: Box<StoredExecutables>,
        base: Option<Box<StoredExecutables>>,
        sandbox: Option<Sandbox>,
    },
}

pub(crate) fn check(
    selection: &Selection,
    (measuring, stored): (&Measuring, &Stored),
    sharding: &Sharding,
    against: &Against,
    (output, fail_on): (&Output, FailOn),
) -> Result<u8, CliError> {
    let project = Project::open(selection)?;
    let source = Source::of(&project, stored)?;
    // Read first: what cannot be judged is not worth measuring.
    let mut bench = JudgeContext::open(&project, against, &platform(source.target()))?;
    let directory = project.output_directory(&output.directory);
    store::prepare(&directory)?;
    output::remove_earlier(&directory)?;
    let mut session = source.open(&project, measuring)?;
    if let Some(shard) = sharding.shard {
        session.take_shard(shard, &bench.committed)?;
    }
    let mut measured = session.measure(&bench.committed)?;
    let mut warnings = std::mem::take(&mut measured.warnings);
    if !measured.run.complete && measured.failures.is_empty() {
        warnings.push(PART.into());
    }
    let cache = project.cache(measuring).map(Cache::new);
    bench.recall_base(cache.as_ref(), &measured.run);
    let mut report = bench.report(&measured.run, &warnings);
    // A shard whose own benchmarks need no base brings its part for those of the others.
    let for_others = sharding.shard.is_some() && bench.is_of_another_environment(&measured.run);
    if report.needs_base() || for_others {
        // Its baselines are of another measurement environment: only its code, measured here, can be compared with.
        let part = (measuring, sharding.shard);
        match source.measure_base(&mut bench, &project, selection, part) {
            Ok(()) => {}
            Err(error) => warnings.push(Note::new("base cannot be measured here: {}", &[&error])),
        }
        report = bench.report(&measured.run, &warnings);
    }
    if measure_again(&session, &bench, &report, &mut measured.run, &mut warnings)? {
        report = bench.report(&measured.run, &warnings);
    }
    let doubtful = second_proof::needed(&report);
    if !doubtful.is_empty() {
        let only_those = Measuring {
            patterns: doubtful
                .iter()
                .map(|id| globset::escape(id.as_str()))
                .collect(),
            ..measuring.clone()
        };
        match source.measure_base(&mut bench, &project, selection, (&only_those, None)) {
            Ok(()) => {}
            Err(error) => warnings.push(Note::new("base cannot be measured here: {}", &[&error])),
        }
        report = bench.report(&measured.run, &warnings);
        match second_proof::found(&report, &doubtful) {
            Some(found) => report.warn(found),
            None if bench.base_run().is_none() => report.warn(
                "the diff does not touch what regressed, and base was not measured here to prove \
                 that it did it"
                    .into(),
            ),
            None => {}
        }
    }
    output::write_run(&directory, &measured.run)?;
    output::write_base(&directory, bench.base_run())?;
    let page = bench.page(&report, &measured.run);
    output::finish(&directory, &report, &page, output)?;
    print_remedies(&measured.failures);
    Ok(exit_code(&report, fail_on))
}

impl Source {
    fn of(project: &Project, stored: &Stored) -> Result<Self, CliError> {
        let Some(directory) = &stored.executables else {
            return Ok(Self::Build(toolchain(project.root())?));
        };
        // Before anything is started, so that all of it is inside.
        let sandbox = stored.sandbox.then(Sandbox::enter).transpose()?;
        let head = StoredExecutables::read(directory.as_std_path())?;
        let base = head.base()?.map(Box::new);
        Ok(Self::Stored {
            head: Box::new(head),
            base,
            sandbox,
        })
    }

    fn target(&self) -> &str {
        match self {
            Self::Build(toolchain) => &toolchain.target,
            Self::Stored { head, .. } => head.target(),
        }
    }

    fn open<'a>(
        &self,
        project: &'a Project,
        measuring: &Measuring,
    ) -> Result<Session<'a>, CliError> {
        match self {
            Self::Build(toolchain) => Session::open(project, toolchain, measuring),
            Self::Stored { head, sandbox, .. } => {
                Session::open_stored(project, head, measuring, *sandbox)
            }
        }
    }

    /// Measures base beside, if there is anything to measure it with.
    fn measure_base(
        &self,
        bench: &mut JudgeContext,
        project: &Project,
        selection: &Selection,
        (measuring, shard): (&Measuring, Option<Shard>),
    ) -> Result<(), CliError> {
        match self {
            Self::Build(toolchain) => {
                bench.measure_base(project, selection, measuring, shard, toolchain)
            }
            Self::Stored {
                base: Some(base),
                sandbox,
                ..
            } => {
                let part = (measuring, shard);
                bench.measure_stored_base(project, selection, part, (base, *sandbox))
            }
            // The job that built them has seen nothing that base would have to be measured for.
            Self::Stored { base: None, .. } => Ok(()),
        }
    }
}
