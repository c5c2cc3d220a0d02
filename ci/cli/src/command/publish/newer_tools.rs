//! `icgate publish --newer-tools`: keeps one issue about counts that moved though nobody touched the
//! code, because a compiler, a Valgrind or a machine did; closes it when none do.

use icgate_core::model::run::CiRun;
use icgate_core::publish::body::{RunLink, without_verdict};
use icgate_core::publish::comment::Content;
use icgate_core::publish::marker::{Marker, Sha, State};
use icgate_core::publish::newer_tools::issue as issue_of;
use icgate_core::publish::pull_request::Repository;

use super::announce::announce;
use crate::args::Publishing;
use crate::error::{CiError, CliError};
use crate::github::{Client, PostTarget, Publisher, variable};
use crate::io::output;
use crate::io::store;
use crate::verdict::runs::{LoadedRun, read_runs};

const TITLE: &str = "Newer tools move instruction counts";

pub(super) fn tell(arguments: &Publishing) -> Result<u8, CliError> {
    let ci = CiRun {
        run: number("GITHUB_RUN_ID")?,
        attempt: u32::try_from(number("GITHUB_RUN_ATTEMPT")?).unwrap_or(u32::MAX),
    };
    let text = |name: &'static str| variable(name).unwrap_or_default();
    let wrong = |name: &'static str| CiError::Text {
        name,
        value: text(name),
    };
    let repository = Repository::new(&text("GITHUB_REPOSITORY"));
    let repository = repository.ok_or_else(|| wrong("GITHUB_REPOSITORY"))?;
    let sha = Sha::new(&text("GITHUB_SHA")).ok_or_else(|| wrong("GITHUB_SHA"))?;
    let server = variable("GITHUB_SERVER_URL").unwrap_or("https://github.com".to_owned());
    let link = RunLink {
        sha: sha.clone(),
        url: format!("{server}/{}/actions/runs/{}", repository.as_str(), ci.run),
    };
    let found = match read_runs(&arguments.runs, Some(ci)) {
        Ok(LoadedRun { run, warnings, .. }) => {
            for warning in warnings {
                output::warn(warning);
            }
            let root = arguments.workspace.as_std_path();
            let baselines = arguments.baselines.as_ref();
            let baselines = baselines.map_or_else(|| root.join("baselines"), Into::into);
            let accepted = store::read_baselines(&baselines, &run.environment.platform())?;
            issue_of(&accepted, &run, &store::read_policy(&baselines)?)
        }
        Err(it) => Some(without_verdict(&it.why, &it.fix)),
    };
    let found = found.map(|text| format!("{text}\n{}", link.line()));
    output::guarded(
        found
            .as_deref()
            .unwrap_or("icgate: no count has left its limit"),
    );
    output::summary(found.as_deref().unwrap_or_default())?;
    let client = Client::from_environment()?;
    let publisher = Publisher {
        client: &client,
        repository: &repository,
        author: &arguments.author,
    };
    let issue = match found {
        Some(text) => {
            let marker = Marker {
                key: arguments.key.clone(),
                ci,
                state: State::Judged,
                sha,
            };
            let content = Content::Text { text, create: true };
            publisher.post(PostTarget::Issues(TITLE), &marker, &content)?
        }
        None => publisher.close_issue(&arguments.key, ci)?,
    };
    announce("issue", issue);
    Ok(0)
}

fn number(name: &'static str) -> Result<u64, CiError> {
    let value = variable(name).unwrap_or_default();
    let number = value.parse().ok().filter(|number| *number > 0);
    number.ok_or(CiError::Number { name, value })
}
