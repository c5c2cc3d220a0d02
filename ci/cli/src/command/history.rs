//! `icgate history`: how accepted counts moved, from git.

use icgate_core::model::environment::platform as platform_of;
use icgate_core::model::exit_code::ExitCode;
use icgate_core::model::note::Note;
use icgate_core::render::history::{HistoryView, as_csv, json, markdown, text};
use icgate_core::render::html::render_history;

use crate::args::{HistoryFormat, Project as ProjectArguments};
use crate::cargo::Project;
use crate::environment::toolchain;
use crate::error::{CliError, GitError, MeasureError};
use crate::git::Repository;
use crate::git::history::{self, Budget};
use crate::io::output;
use crate::io::store;
use crate::measure::patterns as patterns_of;

pub(crate) fn history(
    selection: &ProjectArguments,
    patterns: &[String],
    since: Option<&str>,
    format: HistoryFormat,
) -> Result<u8, CliError> {
    let project = Project::open(selection)?;
    let directory = project.baselines();
    let policy = store::read_policy(&directory)?;
    let repository = Repository::find(project.root())?.filter(|it| it.holds(&directory));
    let repository = repository.ok_or_else(|| GitError::NoBaselines {
        path: directory.clone(),
    })?;
    let platform = platform_of(&toolchain(project.root())?.target);
    let read = history::read(&repository, &directory, &platform, since, Budget::WHOLE)?;
    let select = patterns_of(patterns)?;
    let has_any = read.history.trends().next().is_some();
    let mut view = HistoryView::new(
        &read.history,
        |id| select.as_ref().is_none_or(|it| it.is_match(id.as_str())),
        since.map(str::to_owned),
        policy.drift(),
    );
    view.commits = read.commits;
    view.warnings = read.warnings;
    if view.rows.is_empty() && has_any {
        let patterns = patterns.join(" ");
        return Err(MeasureError::NoMatch { patterns }.into());
    }
    if view.rows.is_empty() {
        view.warnings
            .push(Note::new("no baseline of {} was found", &[&platform]));
    }
    output::print(&match format {
        HistoryFormat::Text => text(&view),
        HistoryFormat::Json => json(&view),
        HistoryFormat::Csv => as_csv(&view),
        HistoryFormat::Markdown => markdown(&view),
        HistoryFormat::Html => render_history(&view),
    });
    Ok(if view.exceeded() > 0 {
        ExitCode::Regression.code()
    } else {
        ExitCode::Pass.code()
    })
}
