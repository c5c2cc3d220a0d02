//! `icgate publish`: tells GitHub what a pull request's run gave. Runs in a trusted workflow, in a
//! checkout of the default branch; of the pull request it has the numbers alone.
//!
//! ```text
//! run.json of the shards (hostile) ─→ one run ─┐
//! GitHub: trial merge, its baselines ──────────┼─→ report ─→ log ─→ check run, comment
//! the checkout: policy and baselines of base ──┘
//! ```
//!
//! The report is printed before anything is published. That something could not be published
//! changes no verdict: it has an exit code of its own.

mod announce;
mod newer_tools;

use std::path::{Path, PathBuf};

use icgate_core::model::exit_code::ExitCode;
use icgate_core::model::note::Note;
use icgate_core::model::proof::Proofs;
use icgate_core::model::run::Run;
use icgate_core::publish::body::{self, RunLink, When};
use icgate_core::publish::check_run::{self, Place};
use icgate_core::publish::comment::Content;
use icgate_core::publish::marker::{Marker, State};
use icgate_core::publish::pull_request::{Phase, Pull, Triggering};
use icgate_core::report::Report;

use super::failures::print_error;
use crate::verdict::runs::{LoadedRun, Unjudged, read_proofs, read_runs};
use announce::announce;

use crate::args::{CommentWhen, Format, Publishing};
use crate::error::{CliError, GithubError, fix};
use crate::github::{Client, Judge, PostTarget, Published, Publisher, PullRequestContext};
use crate::io::output;
use crate::io::store;

pub(crate) fn publish(arguments: &Publishing) -> Result<u8, CliError> {
    if arguments.newer_tools {
        return newer_tools::tell(arguments);
    }
    let path = crate::github::variable("GITHUB_EVENT_PATH").unwrap_or_default();
    let event = store::read(Path::new(&path))?;
    let triggering = Triggering::from_json(&event)?;
    if !triggering.of_pull_request {
        output::say("icgate: the run belongs to no pull request; nothing to publish");
        return Ok(0);
    }
    let server = crate::github::variable("GITHUB_SERVER_URL");
    let server = server.unwrap_or("https://github.com".to_owned());
    let (base, ci) = (triggering.base.as_str(), triggering.ci);
    let link = RunLink {
        sha: triggering.head_sha.clone(),
        url: format!(
            "{server}/{base}/actions/runs/{}/attempts/{}",
            ci.run, ci.attempt
        ),
    };
    let publication = Publication {
        arguments,
        triggering: &triggering,
        link,
        client: Client::from_environment(),
    };
    publication.tell()
}

/// What came of the run.
enum Finding {
    Judged(Box<Report>),
    Unjudged(Unjudged),
}

/// One call of `icgate publish`. Not being able to ask GitHub is no reason not to say what is
/// known, so the client may be missing.
pub(crate) struct Publication<'a> {
    pub(crate) arguments: &'a Publishing,
    pub(crate) triggering: &'a Triggering,
    pub(crate) link: RunLink,
    pub(crate) client: Result<Client, GithubError>,
}

impl Publication<'_> {
    pub(crate) fn tell(self) -> Result<u8, CliError> {
        match self.triggering.phase {
            Phase::NotStarted => {
                output::say("icgate: the run has not started; nothing to publish yet");
                Ok(0)
            }
            Phase::Measuring => self.tell_state(State::Measuring),
            Phase::Cancelled => self.tell_state(State::Cancelled),
            Phase::Ended => self.tell_finding(),
        }
    }

    /// Marks what an earlier run found as such.
    fn tell_state(self, state: State) -> Result<u8, CliError> {
        let client = self.client.as_ref().map_err(|_| GithubError::NoToken)?;
        let Some(content) = body::banner(state, &self.link).filter(|_| self.when() != When::Never)
        else {
            return Ok(0);
        };
        match self.trial(client).pull(None)? {
            Some(pull) => {
                let board = PostTarget::PullRequest(pull.number);
                let marker = self.marker(state);
                self.publisher(client).post(board, &marker, &content)?;
            }
            None => output::say("icgate: no open pull request has this head"),
        }
        Ok(0)
    }

    fn tell_finding(self) -> Result<u8, CliError> {
        let mut failures: Vec<GithubError> = Vec::new();
        let run = read_runs(&self.arguments.runs, Some(self.triggering.ci));
        let measured = run.as_ref().ok().and_then(|it| it.run.commit.clone());
        let pull = match &self.client {
            Ok(client) => self.trial(client).pull(measured.as_deref()),
            Err(_) => Ok(None),
        };
        let pull = pull.unwrap_or_else(|error| {
            failures.push(error);
            None
        });
        let mut finding = match run {
            Ok(numbers) => self.judge(numbers, pull.as_ref(), &mut failures),
            Err(unjudged) => Finding::Unjudged(unjudged),
        };
        if let Finding::Judged(report) = &mut finding {
            report.source = self.link.tree();
        }
        self.print(&finding)?;
        let (mut check_url, mut comment_url) = (None, None);
        match &self.client {
            Ok(client) => {
                match self.check_run(client, &finding) {
                    Ok(published) => check_url = announce("check run", published),
                    Err(error) => failures.push(error),
                }
                match self.comment(client, pull.as_ref(), &finding) {
                    Ok(published) => comment_url = announce("comment", published),
                    Err(error) => failures.push(error),
                }
            }
            Err(_) => failures.extend(self.client.err()),
        }
        output::set("check-url", &check_url.unwrap_or_default())?;
        output::set("comment-url", &comment_url.unwrap_or_default())?;
        if failures.is_empty() {
            return Ok(0);
        }
        output::complain(format_args!(
            "icgate: could not publish everything to GitHub; the verdict above is valid"
        ));
        for failure in failures {
            print_error(&failure.into());
        }
        Ok(ExitCode::NotPublished.code())
    }

    /// Judges the run; where GitHub does not say what the pull request changes, by what is at hand.
    fn judge(
        &self,
        numbers: LoadedRun,
        pull: Option<&Pull>,
        failures: &mut Vec<GithubError>,
    ) -> Finding {
        let unjudged = |error: &CliError| {
            let fix = fix(error);
            Finding::Unjudged(Unjudged {
                why: error.to_string(),
                fix: fix.unwrap_or_else(|| "see the log of the run".to_owned()),
            })
        };
        let LoadedRun {
            mut run,
            base,
            mut warnings,
        } = numbers;
        let platform = run.environment.platform();
        let Some(client) = self.client.as_ref().ok() else {
            return self
                .judge_by_checkout(run, warnings)
                .unwrap_or_else(|error| unjudged(&error));
        };
        match self
            .trial(client)
            .bench(&platform, pull, run.commit.as_deref())
        {
            Ok(Judge {
                mut bench,
                base_commit,
                warnings: more,
            }) => {
                warnings.extend(more);
                let platform = self.arguments.platform.as_ref();
                if let Err(error) = bench.require_whole(platform, &mut run) {
                    return unjudged(&error.into());
                }
                // What base's own job has kept comes first: the other came from a pull request.
                if let Some(kept) = &self.arguments.base_run {
                    match store::read_run(kept) {
                        Ok(kept) => {
                            warnings.extend(bench.attach_base_run(
                                Ok(Some(kept)),
                                &base_commit,
                                &run,
                            ));
                        }
                        Err(error) => return unjudged(&error),
                    }
                }
                warnings.extend(bench.attach_claimed_base_run(base, &base_commit, &run));
                let proofs = self.proofs(&mut warnings);
                let mut report = bench.report(&run, &warnings);
                if let Some(proofs) = proofs {
                    bench.attach_proofs(&mut report, &proofs);
                }
                Finding::Judged(Box::new(report))
            }
            Err(CliError::Github(error)) => {
                failures.push(error);
                self.judge_by_checkout(run, warnings)
                    .unwrap_or_else(|error| unjudged(&error))
            }
            Err(error) => unjudged(&error),
        }
    }

    /// What the run's own job has proven, if it left anything that can be read.
    fn proofs(&self, warnings: &mut Vec<Note>) -> Option<Proofs> {
        let directory = self.arguments.proof.as_ref()?;
        read_proofs(directory.as_std_path()).unwrap_or_else(|error| {
            warnings.push(Note::new(
                "what came as a proof is left aside: {}",
                &[&error],
            ));
            None
        })
    }

    fn judge_by_checkout(
        &self,
        mut run: Run,
        mut warnings: Vec<Note>,
    ) -> Result<Finding, CliError> {
        warnings.push(Note::from(
            "GitHub does not say what the pull request changes, so its own baselines are not known",
        ));
        let bench = PullRequestContext::bench_of_checkout(
            self.root(),
            &self.baselines(),
            &run.environment.platform(),
        )?;
        bench.require_whole(self.arguments.platform.as_ref(), &mut run)?;
        Ok(Finding::Judged(Box::new(bench.report(&run, &warnings))))
    }

    fn print(&self, finding: &Finding) -> Result<(), CliError> {
        let directory = self.arguments.output.directory.as_ref();
        let directory = directory.map_or(Path::new("target/icgate"), |it| it.as_std_path());
        match finding {
            Finding::Judged(report) => {
                output::write_report(directory, report)?;
                output::print_report(report, Format::Github)?;
            }
            Finding::Unjudged(Unjudged { why, fix }) => {
                output::guarded(&format!("icgate: no verdict: {why}\nfix: {fix}\n"));
                output::summary(&body::without_verdict(why, fix))?;
                output::set("verdict", "not_measured")?;
                output::set("incomplete", "true")?;
            }
        }
        Ok(())
    }

    fn check_run(&self, client: &Client, finding: &Finding) -> Result<Published, GithubError> {
        if self.arguments.check_name.is_empty() {
            return Ok(Published::default());
        }
        let place = Place {
            name: &self.arguments.check_name,
            key: &self.arguments.key,
            head_sha: &self.triggering.head_sha,
            ci: self.triggering.ci,
            url: &self.link.url,
        };
        let mut check = match finding {
            Finding::Judged(report) => check_run::judged(report, &place),
            Finding::Unjudged(Unjudged { why, fix }) => check_run::unjudged(why, fix, &place),
        };
        self.publisher(client)
            .check_run(&mut check, &self.arguments.key, self.triggering.ci)
    }

    fn comment(
        &self,
        client: &Client,
        pull: Option<&Pull>,
        finding: &Finding,
    ) -> Result<Published, GithubError> {
        let content: Option<Content> = match finding {
            Finding::Judged(report) => body::judged(report, &self.link, self.when()),
            Finding::Unjudged(Unjudged { why, fix }) => {
                body::unjudged(why, fix, &self.link, self.when())
            }
        };
        let (Some(content), Some(pull)) = (content, pull) else {
            return Ok(Published::default());
        };
        let board = PostTarget::PullRequest(pull.number);
        self.publisher(client)
            .post(board, &self.marker(State::Judged), &content)
    }

    fn marker(&self, state: State) -> Marker {
        Marker {
            key: self.arguments.key.clone(),
            ci: self.triggering.ci,
            state,
            sha: self.triggering.head_sha.clone(),
        }
    }

    fn publisher<'a>(&'a self, client: &'a Client) -> Publisher<'a> {
        Publisher {
            client,
            repository: &self.triggering.base,
            author: &self.arguments.author,
        }
    }

    fn trial<'a>(&'a self, client: &'a Client) -> PullRequestContext<'a> {
        PullRequestContext {
            client,
            triggering: self.triggering,
            root: self.root(),
            baselines: self.baselines(),
        }
    }

    fn root(&self) -> &Path {
        self.arguments.workspace.as_std_path()
    }

    fn baselines(&self) -> PathBuf {
        let given = self.arguments.baselines.as_ref();
        given.map_or_else(|| self.root().join("baselines"), |it| it.clone().into())
    }

    const fn when(&self) -> When {
        match self.arguments.comment {
            CommentWhen::Always => When::Always,
            CommentWhen::OnChange => When::OnChange,
            CommentWhen::Never => When::Never,
        }
    }
}
