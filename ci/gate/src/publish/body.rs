//! What the comment says below its marker.

use std::fmt::Write as _;

use crate::judge::{Outcome, Verdict};
use crate::model::escape::escaped;
use crate::publish::comment::Content;
use crate::publish::marker::{Sha, State};
use crate::render::markdown;
use crate::render::markup::code;
use crate::report::Report;
use crate::report::source_link::SourceTree;

/// When a pull request gets a comment. One that is there is kept up to date in any case but
/// [`Never`](Self::Never).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// With every run.
    Always,
    /// Once a run has something to say: a benchmark that moved beyond its limit, or no verdict.
    OnChange,
    /// Not at all.
    Never,
}

/// Where a reader finds the run itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunLink {
    /// The commit that the run is of, as the author pushed it.
    pub sha: Sha,
    /// The page of the run.
    pub url: String,
}

impl RunLink {
    /// The commit, for links to its lines.
    #[must_use]
    pub fn tree(&self) -> Option<SourceTree> {
        let (repository, _) = self.url.split_once("/actions/runs/")?;
        SourceTree::new(repository, self.sha.as_str())
    }

    /// As a small line of Markdown.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "<sub>{} · [the run]({})</sub>\n",
            self.sha.short(),
            self.url
        )
    }
}

/// Whether the report tells a reader anything that a green check does not.
#[must_use]
pub fn is_worth_a_comment(report: &Report) -> bool {
    let quiet = |verdict| matches!(verdict, Verdict::UNCHANGED | Verdict::WITHIN_LIMIT);
    report.outcome != Outcome::Pass || report.rows.iter().any(|row| !quiet(row.verdict))
}

/// The comment of a judged run; `None` if there is to be none.
#[must_use]
pub fn judged(report: &Report, run: &RunLink, when: When) -> Option<Content> {
    let create = match when {
        When::Never => return None,
        When::Always => true,
        When::OnChange => is_worth_a_comment(report),
    };
    let accept = accept(report, run).map_or_else(String::new, |it| format!("\n{it}"));
    let text = format!("{}{accept}\n{}", markdown::render(report), run.line());
    Some(Content::Text { text, create })
}

/// What a maintainer comments to accept what was measured, ready to copy. It names the commit, so that
/// what is accepted is what was seen.
fn accept(report: &Report, run: &RunLink) -> Option<String> {
    let can = matches!(report.outcome.exit_code(), 1 | 5);
    can.then(|| {
        let command = format!("/update-baseline {} why it is worth it", run.sha);
        format!(
            "- accept it here, as a maintainer's comment: {}\n",
            code(&command)
        )
    })
}

/// The comment of a run that ended without numbers that can be judged; `why` may be hostile.
#[must_use]
pub fn unjudged(why: &str, fix: &str, run: &RunLink, when: When) -> Option<Content> {
    (when != When::Never).then(|| Content::Text {
        text: format!("{}\n{}", without_verdict(why, fix), run.line()),
        create: true,
    })
}

/// Why there is no verdict, as Markdown.
#[must_use]
pub fn without_verdict(why: &str, fix: &str) -> String {
    let mut text = String::from("### 💥 icgate: no verdict\n\n");
    let why = escaped(why);
    let _ = writeln!(text, "{}\n\n- next: {}", code(&why), code(fix));
    text
}

/// The line above what an earlier run found, while a newer one has nothing to say yet or any more.
#[must_use]
pub fn banner(state: State, run: &RunLink) -> Option<Content> {
    let (sha, url) = (run.sha.short(), &run.url);
    let line = match state {
        State::Measuring => {
            format!("> ⏳ [measuring {sha}]({url}) … what follows is of an earlier commit.")
        }
        State::Cancelled => {
            format!(
                "> 🚫 [the run of {sha}]({url}) was cancelled; what follows is of an earlier one."
            )
        }
        State::Judged => return None,
    };
    Some(Content::Banner(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::sample;

    fn link() -> RunLink {
        RunLink {
            sha: Sha::new(&"0a".repeat(20)).unwrap(),
            url: "https://github.com/o/r/actions/runs/7".to_owned(),
        }
    }

    fn quiet() -> Report {
        let mut report = sample();
        report.rows.retain(|row| row.verdict == Verdict::UNCHANGED);
        report.outcome = Outcome::Pass;
        report
    }

    #[test]
    fn a_comment_is_created_when_asked_for() {
        let create = |report: &Report, when| match judged(report, &link(), when) {
            Some(Content::Text { create, .. }) => Some(create),
            _ => None,
        };
        for (when, red, green) in [
            (When::Always, Some(true), Some(true)),
            (When::OnChange, Some(true), Some(false)),
            (When::Never, None, None),
        ] {
            assert_eq!(create(&sample(), when), red, "{when:?}");
            assert_eq!(create(&quiet(), when), green, "{when:?}");
        }
        assert_eq!(unjudged("why", "fix", &link(), When::Never), None);
    }

    #[test]
    fn a_comment_stays_below_githubs_limit_and_links_its_run() {
        let mut report = sample();
        report.rows = vec![report.rows[0].clone(); 2_000];
        let Some(Content::Text { text, .. }) = judged(&report, &link(), When::Always) else {
            panic!("a text")
        };
        assert!(text.len() < 61_000, "{}", text.len());
        assert!(text.ends_with("[the run](https://github.com/o/r/actions/runs/7)</sub>\n"));
    }

    #[test]
    fn the_command_that_accepts_names_the_commit_that_was_measured() {
        let text = |report: &Report| match judged(report, &link(), When::Always) {
            Some(Content::Text { text, .. }) => text,
            other => panic!("{other:?}"),
        };
        let command = format!("`/update-baseline {} why", "0a".repeat(20));
        assert!(text(&sample()).contains(&command));
        assert!(!text(&quiet()).contains("/update-baseline"));
    }

    #[test]
    fn a_run_links_to_the_lines_of_its_commit() {
        let line = link().tree().unwrap().line("src/lib.rs", 7).unwrap();
        let blob = format!("https://github.com/o/r/blob/{}", "0a".repeat(20));
        assert_eq!(line, format!("{blob}/src/lib.rs#L7"));
    }

    #[test]
    fn what_went_wrong_cannot_leave_its_code_span() {
        let text = without_verdict("a`b\n@everyone <img>\u{202e}", "icgate merge");
        assert!(
            text.contains("``a`b\\u{a}@everyone <img>\\u{202e}``"),
            "{text}"
        );
    }

    #[test]
    fn only_runs_without_a_result_have_a_banner() {
        let line = |state| banner(state, &link()).map(|it| format!("{it:?}"));
        assert!(
            line(State::Measuring)
                .unwrap()
                .contains("measuring 0a0a0a0a0a")
        );
        assert!(line(State::Cancelled).unwrap().contains("cancelled"));
        assert_eq!(line(State::Judged), None);
    }
}
