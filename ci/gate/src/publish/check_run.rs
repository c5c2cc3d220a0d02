//! The check run of a judged run, and what to send for it.
//!
//! ```text
//! POST   name, head, conclusion, summary, annotations 1 to 50
//! PATCH                          summary, annotations 51 to 100      (each PATCH appends)
//! ```
//!
//! The conclusion goes with the first request, so that an interruption costs annotations and never
//! the verdict. How many annotations have arrived is what GitHub says, not what was sent: after a
//! reply that got lost, the rest is sent and nothing twice.
//!
//! Limits are those of GitHub's description of its interface: 50 annotations a request, 65,535
//! characters of summary, 255 of a title, 64 KiB of a message.

use serde::Serialize;

use crate::judge::{BaselineState, Outcome};
use crate::model::escape::escaped;
use crate::model::run::CiRun;
use crate::publish::body::without_verdict;
use crate::publish::marker::{Key, Sha};
use crate::render::github::message;
use crate::render::{markdown, messages};
use crate::report::source_link::is_path;
use crate::report::{Report, Row};

/// Annotations of one request.
const BATCH: usize = 50;
/// Annotations in all: who has more than this to read, reads the report.
const ANNOTATIONS_MAX: usize = 4 * BATCH;
const TITLE_CHARS_MAX: usize = 255;
const SUMMARY_CHARS_MAX: usize = 65_535;
const MESSAGE_BYTES_MAX: usize = 8 * 1024;
const LINE_MAX: u32 = 10_000_000;

/// What a check run says at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Green.
    Success,
    /// Red.
    Failure,
    /// Grey, and passes: something got worse, and its baseline says so.
    Neutral,
}

/// The conclusion of a judged run. What is incomplete, invalid or out of date is never neutral,
/// because neutral passes.
#[must_use]
pub fn conclusion(outcome: Outcome, accepted: bool) -> Conclusion {
    match (outcome, accepted) {
        (Outcome::Pass, false) => Conclusion::Success,
        (Outcome::Pass, true) => Conclusion::Neutral,
        (
            Outcome::BaselineOutOfDate
            | Outcome::Regressed
            | Outcome::NotComparable
            | Outcome::NotMeasured,
            _,
        ) => Conclusion::Failure,
    }
}

/// A check run as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRun {
    /// Its name in the list of checks.
    pub name: String,
    /// The commit that it stands at.
    pub head_sha: Sha,
    /// By which it is found again.
    pub external_id: String,
    /// Where more is to be read.
    pub details_url: String,
    /// What it says.
    pub conclusion: Conclusion,
    title: String,
    summary: String,
    annotations: Vec<Annotation>,
}

/// A remark at a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Annotation {
    path: String,
    start_line: u32,
    end_line: u32,
    #[serde(rename = "annotation_level")]
    level: &'static str,
    title: String,
    message: String,
}

/// Where a check run belongs.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    /// Its name in the list of checks.
    pub name: &'a str,
    /// Which gate.
    pub key: &'a Key,
    /// The commit that it stands at.
    pub head_sha: &'a Sha,
    /// Which run of CI.
    pub ci: CiRun,
    /// The page of that run.
    pub url: &'a str,
}

impl Place<'_> {
    fn check_run(&self, conclusion: Conclusion, title: &str, summary: &str) -> CheckRun {
        CheckRun {
            name: self.name.to_owned(),
            head_sha: self.head_sha.clone(),
            external_id: external_id(self.key, self.ci),
            details_url: self.url.to_owned(),
            conclusion,
            title: cut(title, TITLE_CHARS_MAX),
            summary: cut(summary, SUMMARY_CHARS_MAX),
            annotations: Vec::new(),
        }
    }
}

fn external_id(key: &Key, ci: CiRun) -> String {
    format!("icgate/{key}/{}.{}", ci.run, ci.attempt)
}

/// The run and attempt that an external id names, if it is one of `key`'s.
fn ci_of(key: &Key, external_id: &str) -> Option<CiRun> {
    let rest = external_id.strip_prefix(&format!("icgate/{key}/"))?;
    let (run, attempt) = rest.split_once('.')?;
    let ci = CiRun {
        run: run.parse().ok()?,
        attempt: attempt.parse().ok()?,
    };
    ci.is_possible().then_some(ci)
}

/// The check run of a report.
#[must_use]
pub fn judged(report: &Report, place: &Place<'_>) -> CheckRun {
    let report = &report.escaped();
    // What was removed costs nothing any more, and is measured no more: somebody has to see it.
    let asks_for_eyes =
        |row: &Row| row.is_accepted_cost() || row.baseline == BaselineState::Removed;
    let conclusion = conclusion(report.outcome, report.rows.iter().any(asks_for_eyes));
    let title = messages::headline(report);
    let mut check = place.check_run(conclusion, &title, &markdown::render(report));
    let annotations = report.rows.iter().filter_map(|row| annotation(report, row));
    check.annotations = annotations.take(ANNOTATIONS_MAX).collect();
    check
}

/// The check run of a run that ended without numbers that can be judged; `why` may be hostile.
#[must_use]
pub fn unjudged(why: &str, fix: &str, place: &Place<'_>) -> CheckRun {
    let summary = without_verdict(why, fix);
    place.check_run(Conclusion::Failure, "no verdict", &summary)
}

/// The remark of a row that fails, where its cause has a line. The file is what the measured run
/// says, so it has to look like one of the repository's: another one would have the whole request
/// refused.
fn annotation(report: &Report, row: &Row) -> Option<Annotation> {
    let culprit = row.culprits.first().filter(|_| row.fails())?;
    let line = culprit.line.filter(|line| (1..=LINE_MAX).contains(line))?;
    let path = format!("{}{}", report.prefix, culprit.file);
    let title = escaped(&format!("{} {}", messages::verdict(row), row.id));
    is_path(&path).then(|| Annotation {
        path,
        start_line: line,
        end_line: line,
        level: if row.outcome == Outcome::Regressed {
            "failure"
        } else {
            "warning"
        },
        title: cut(&title, TITLE_CHARS_MAX),
        message: cut(&message(row), MESSAGE_BYTES_MAX / 4),
    })
}

/// At most `chars_max` characters.
fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(chars_max - 1).chain(['…']).collect(),
    }
}

#[derive(Serialize)]
struct Output<'a> {
    title: &'a str,
    summary: &'a str,
    #[serde(skip_serializing_if = "<[Annotation]>::is_empty")]
    annotations: &'a [Annotation],
}

#[derive(Serialize)]
struct Create<'a> {
    name: &'a str,
    head_sha: &'a str,
    external_id: &'a str,
    details_url: &'a str,
    status: &'static str,
    conclusion: Conclusion,
    output: Output<'a>,
}

#[derive(Serialize)]
struct Update<'a> {
    external_id: &'a str,
    details_url: &'a str,
    status: &'static str,
    conclusion: Conclusion,
    output: Output<'a>,
}

impl CheckRun {
    /// The body of the request that creates it, with the first annotations.
    #[must_use]
    pub fn create(&self) -> serde_json::Value {
        json(&Create {
            name: &self.name,
            head_sha: self.head_sha.as_str(),
            external_id: &self.external_id,
            details_url: &self.details_url,
            status: "completed",
            conclusion: self.conclusion,
            output: self.output(0),
        })
    }

    /// The body of a request that updates it, with the annotations that follow the first `from`.
    #[must_use]
    pub fn update(&self, from: usize) -> serde_json::Value {
        json(&Update {
            external_id: &self.external_id,
            details_url: &self.details_url,
            status: "completed",
            conclusion: self.conclusion,
            output: self.output(from),
        })
    }

    fn output(&self, from: usize) -> Output<'_> {
        let rest = self.annotations.get(from..).unwrap_or_default();
        Output {
            title: &self.title,
            summary: &self.summary,
            annotations: rest.get(..BATCH).unwrap_or(rest),
        }
    }

    /// The same without annotations, for when GitHub does not take them.
    pub fn drop_annotations(&mut self) {
        self.annotations.clear();
    }

    /// Whether it has any annotations.
    #[must_use]
    pub fn is_annotated(&self) -> bool {
        !self.annotations.is_empty()
    }
}

fn json(value: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(value).expect("texts and numbers always serialise")
}

/// A check run that is there, of the same name and commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// GitHub's number for it.
    pub id: u64,
    /// By which it is found again.
    pub external_id: Option<String>,
    /// What it says, if it has ended.
    pub conclusion: Option<String>,
    /// How many annotations have arrived.
    pub annotations: usize,
}

/// What to do about a check run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Create it.
    Create,
    /// Update it, with the annotations that follow the first `from`.
    Update {
        /// GitHub's number for it.
        id: u64,
        /// How many annotations have arrived.
        from: usize,
    },
    /// It says all that it is to say.
    Nothing {
        /// GitHub's number for it.
        id: u64,
    },
    /// A newer run has one already.
    Overtaken {
        /// GitHub's number for that one.
        id: u64,
    },
}

/// Says what to do, given the check runs of that name that are there.
#[must_use]
pub fn plan(existing: &[Existing], check: &CheckRun, key: &Key, ci: CiRun) -> Step {
    let order = |it: &Existing| {
        let ci = ci_of(key, it.external_id.as_deref()?)?;
        Some((ci.run, ci.attempt))
    };
    let newest = existing
        .iter()
        .filter_map(|it| Some((order(it)?, it)))
        // Of two for the same run, the first is the one that all of its publishers go on with.
        .max_by_key(|(order, it)| (*order, std::cmp::Reverse(it.id)));
    let ours = (ci.run, ci.attempt);
    match newest {
        None => Step::Create,
        Some((order, _)) if order < ours => Step::Create,
        Some((order, it)) if order > ours => Step::Overtaken { id: it.id },
        Some((_, it)) => {
            let conclusion = serde_json::to_value(check.conclusion).ok();
            let says = it.conclusion.as_deref() == conclusion.as_ref().and_then(|it| it.as_str());
            if says && it.annotations >= check.annotations.len() {
                Step::Nothing { id: it.id }
            } else {
                Step::Update {
                    id: it.id,
                    from: it.annotations,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::sample;

    const CI: CiRun = CiRun { run: 7, attempt: 2 };

    fn key() -> Key {
        "gate".parse().unwrap()
    }

    fn with_place<T>(use_it: impl FnOnce(&Place<'_>) -> T) -> T {
        use_it(&Place {
            name: "icgate",
            key: &key(),
            head_sha: &Sha::new(&"0a".repeat(20)).unwrap(),
            ci: CI,
            url: "https://github.com/o/r/actions/runs/7",
        })
    }

    fn check(rows: usize) -> CheckRun {
        let mut report = sample();
        report.rows = vec![report.rows[0].clone(); rows];
        with_place(|place| judged(&report, place))
    }

    fn annotations(body: &serde_json::Value) -> usize {
        body["output"]["annotations"].as_array().map_or(0, Vec::len)
    }

    #[test]
    fn nothing_but_a_pass_passes() {
        for outcome in [
            Outcome::Pass,
            Outcome::BaselineOutOfDate,
            Outcome::Regressed,
            Outcome::NotComparable,
            Outcome::NotMeasured,
        ] {
            for accepted in [false, true] {
                let expected = match (outcome, accepted) {
                    (Outcome::Pass, false) => Conclusion::Success,
                    (Outcome::Pass, true) => Conclusion::Neutral,
                    _ => Conclusion::Failure,
                };
                assert_eq!(conclusion(outcome, accepted), expected);
            }
        }
    }

    #[test]
    fn annotations_go_out_fifty_at_a_time_and_none_twice() {
        let annotated = check(120);
        assert_eq!(annotations(&annotated.create()), 50);
        for (from, count) in [(0, 50), (50, 50), (100, 20), (120, 0), (7, 50), (500, 0)] {
            assert_eq!(annotations(&annotated.update(from)), count, "{from}");
        }
        assert_eq!(annotated.create()["conclusion"], "failure");
        assert_eq!(annotations(&check(1_000).update(150)), 50);
        assert_eq!(annotations(&check(1_000).update(200)), 0);
    }

    #[test]
    fn an_annotation_stands_at_the_line_that_grew() {
        let body = check(1).create();
        let annotation = &body["output"]["annotations"][0];
        assert_eq!(annotation["path"], "engine/src/frame.rs");
        assert_eq!(annotation["start_line"], 42);
        assert_eq!(annotation["end_line"], 42);
        assert_eq!(annotation["annotation_level"], "failure");
        assert_eq!(annotation["title"], "regressed frame/encode/b64");
    }

    #[test]
    fn a_file_that_cannot_be_the_repositorys_is_not_annotated() {
        for bad in [
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "a\\b",
            "a\nb",
            "",
            "c:x",
        ] {
            assert!(!is_path(bad), "{bad}");
            let mut report = sample();
            report.rows.truncate(1);
            report.rows[0].culprits[0].file = bad.into();
            let check = with_place(|place| judged(&report, place));
            assert!(!check.is_annotated(), "{bad}");
        }
        let mut report = sample();
        report.rows.truncate(1);
        report.rows[0].culprits[0].line = Some(u32::MAX);
        assert!(!with_place(|place| judged(&report, place)).is_annotated());
        assert!(!is_path(&"x".repeat(1_001)));
        assert!(is_path("engine/src/frame.rs"));
    }

    #[test]
    fn texts_are_cut_to_githubs_limits() {
        assert_eq!(cut("äbc", 3), "äbc");
        assert_eq!(cut("äbcd", 3), "äb…");
        let check = with_place(|place| unjudged(&"x".repeat(200_000), "fix", place));
        let summary = check.create()["output"]["summary"]
            .as_str()
            .unwrap()
            .chars()
            .count();
        assert!(summary < SUMMARY_CHARS_MAX, "{summary}");
        assert_eq!(check.conclusion, Conclusion::Failure);
    }

    #[test]
    fn a_check_run_is_created_completed_or_left_to_a_newer_run() {
        let check = check(120);
        let at = |id, external: &str, conclusion: Option<&str>, annotations| Existing {
            id,
            external_id: Some(external.to_owned()),
            conclusion: conclusion.map(str::to_owned),
            annotations,
        };
        let failed = Some("failure");
        let plan = |existing: &[Existing]| plan(existing, &check, &key(), CI);
        assert_eq!(plan(&[]), Step::Create);
        // An attempt before, another gate, somebody else's.
        let older = [
            at(1, "icgate/gate/7.1", failed, 120),
            at(2, "icgate/other/9.1", failed, 120),
            at(3, "icgate/gate/x", failed, 120),
            Existing {
                external_id: None,
                ..at(4, "", failed, 0)
            },
        ];
        assert_eq!(plan(&older), Step::Create);
        let update = |id, from| Step::Update { id, from };
        assert_eq!(plan(&[at(5, "icgate/gate/7.2", failed, 50)]), update(5, 50));
        assert_eq!(plan(&[at(5, "icgate/gate/7.2", None, 120)]), update(5, 120));
        let nothing = Step::Nothing { id: 5 };
        assert_eq!(plan(&[at(5, "icgate/gate/7.2", failed, 120)]), nothing);
        let twice = [
            at(5, "icgate/gate/7.2", failed, 120),
            at(6, "icgate/gate/7.2", failed, 50),
        ];
        assert_eq!(plan(&twice), nothing);
        let newer = [at(8, "icgate/gate/8.1", Some("success"), 0)];
        assert_eq!(plan(&newer), Step::Overtaken { id: 8 });
    }
}
