//! `icgate merge`: puts the shards of a run together and judges it as `check` would have.

use camino::Utf8PathBuf;
use icgate_core::compare::merge::merge as merge_shards;
use icgate_core::model::exit_code::ExitCode;
use icgate_core::model::note::Note;
use icgate_core::model::run::Run;
use icgate_core::publish::body;

use super::exit_code::exit_code;
use crate::args::{Against, FailOn, Format, Output, Project as Selection, Scope};
use crate::cargo::Project;
use crate::error::{CliError, fix};
use crate::io::output;
use crate::io::store;
use crate::verdict::JudgeContext;
use crate::verdict::runs::{BroughtBase, LoadedRun, Unjudged, read_runs};

/// The run of base that came with the shards.
enum Base<'a> {
    /// By artifacts of CI.
    Claimed(Box<BroughtBase>),
    /// Beside one's own runs.
    Beside(&'a [Utf8PathBuf]),
}

pub(crate) fn merge(
    paths: &[Utf8PathBuf],
    scope: &Scope,
    selection: &Selection,
    against: &Against,
    output: &Output,
    (measured, fail_on): (&str, FailOn),
) -> Result<u8, CliError> {
    let project = Project::open(selection)?;
    let code = match paths {
        // What CI's artifacts hold; nothing of it is believed.
        [folder] if !folder.is_file() => match read_runs(paths, None) {
            Ok(LoadedRun {
                run,
                base,
                warnings,
            }) => {
                let brought = (run, Base::Claimed(Box::new(base)), warnings);
                judge(&project, brought, (scope, against), (output, fail_on))?
            }
            Err(unjudged) => without_verdict(&unjudged, output.format)?,
        },
        _ => {
            let shards: Result<Vec<(String, Run)>, CliError> = paths
                .iter()
                .map(|path| Ok((path.to_string(), store::read_run(path)?)))
                .collect();
            let merged = merge_shards(shards?)?;
            let merged = (merged.run, Base::Beside(paths), merged.warnings);
            judge(&project, merged, (scope, against), (output, fail_on))?
        }
    };
    if measured != "success" && code != ExitCode::NotMeasured.code() {
        let jobs = Unjudged {
            why: format!("a measuring job ended with {measured:?}, not with \"success\""),
            fix: "open its log in the Actions tab, and re-run it".to_owned(),
        };
        return without_verdict(&jobs, output.format);
    }
    Ok(code)
}

fn judge(
    project: &Project,
    (mut run, base, mut warnings): (Run, Base<'_>, Vec<Note>),
    (scope, against): (&Scope, &Against),
    (output, fail_on): (&Output, FailOn),
) -> Result<u8, CliError> {
    let mut bench = JudgeContext::open(project, against, &run.environment.platform())?;
    bench.recall_base(None, &run);
    warnings.extend(match base {
        Base::Claimed(base) => bench.take_claimed_base(*base, &run),
        Base::Beside(paths) => bench.take_base_beside(paths, &run)?,
    });
    match bench.require(scope, &mut run) {
        Ok(warning) => warnings.extend(warning),
        Err(error) => {
            let unjudged = Unjudged {
                why: error.to_string(),
                fix: fix(&error).unwrap_or_default(),
            };
            return without_verdict(&unjudged, output.format);
        }
    }
    let report = bench.report(&run, &warnings);
    let directory = project.output_directory(&output.directory);
    output::write_run(&directory, &run)?;
    output::write_base(&directory, bench.base_run())?;
    let page = bench.page(&report, &run);
    output::finish(&directory, &report, &page, output)?;
    Ok(exit_code(&report, fail_on))
}

/// Says that there is nothing to judge, and what to do.
fn without_verdict(unjudged: &Unjudged, format: Format) -> Result<u8, CliError> {
    let Unjudged { why, fix } = unjudged;
    let text = format!("icgate: no verdict: {why}\nfix: {fix}\n");
    if format == Format::Github {
        output::guarded(&text);
        output::summary(&body::without_verdict(why, fix))?;
        output::set("verdict", "not_measured")?;
        output::set("incomplete", "true")?;
    } else {
        output::complain(text.trim_end());
    }
    Ok(ExitCode::NotMeasured.code())
}
