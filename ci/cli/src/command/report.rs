//! `icgate report`: a stored run as a page to look at. Gives no verdict of its own: whatever the run
//! is, writing its report is a success.

use camino::{Utf8Path, Utf8PathBuf};

use icgate_core::model::note::Note;

use crate::args::{Against, Measuring, OutputDirectory, Project as Selection};
use crate::cache::Cache;
use crate::cargo::Project;
use crate::error::CliError;
use crate::io::output;
use crate::io::store;
use crate::verdict::JudgeContext;

pub(crate) fn report(
    run: Option<&Utf8Path>,
    selection: &Selection,
    against: &Against,
    output: &OutputDirectory,
) -> Result<u8, CliError> {
    let project = Project::open(selection)?;
    let directory = project.output_directory(output);
    let usual = || Utf8PathBuf::from(store::display(&directory.join("run.json")));
    let path = run.map_or_else(usual, Utf8Path::to_owned);
    let run = store::read_run(&path)?;
    let mut bench = JudgeContext::open(&project, against, &run.environment.platform())?;
    // What `check` knew of base when it judged this run, the page shows.
    bench.recall_base(None, &run);
    let warning = bench.take_base_beside(&[path], &run)?;
    let cache = project.cache(&Measuring::default()).map(Cache::new);
    bench.recall_base(cache.as_ref(), &run);
    let warnings: Vec<Note> = warning
        .into_iter()
        .chain(bench.set_aside_other_tree(&run))
        .collect();
    let report = bench.report(&run, &warnings);
    let page = bench.page(&report, &run);
    output::write_report(&directory, &report)?;
    store::write(&directory.join(output::PAGE), &page)?;
    output::say(store::display(&directory.join(output::PAGE)));
    Ok(0)
}
