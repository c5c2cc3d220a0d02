//! One case: what is injected, what has to be said of it, and what was said.

use std::fmt;
use std::fs;
use std::path::Path;

use globset::Glob;
use icgate_core::attribute::diff::ChangedLines;
use icgate_core::model::injection::{Edit, Injection};
use serde::Deserialize;
use serde_json::Value;

use crate::Failure;
use crate::checkout::{Checkout, text};

/// An injection with what has to be said of it; the name is its file's.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) prepare: Vec<Edit>,
    edits: Vec<Edit>,
    expect: Expect,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    /// The benchmarks that are measured.
    measured: Vec<String>,
    /// Those of them that get the verdict; all others are unchanged or within their limits.
    benchmarks: Vec<String>,
    /// `regressed`, `improved` or `unchanged`.
    verdict: String,
    /// How many benchmarks have to be measured for it, where what base measured is at hand. Where this
    /// is not said, all are.
    measured_again: Option<usize>,
    /// What the first culprit has to be.
    cause: Option<Cause>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cause {
    /// The function of the workspace that is at fault.
    function: String,
    /// Where the cost arises in a library that it calls: in one of these.
    #[serde(default)]
    through: Vec<String>,
    /// Any of these: whether the optimiser inlines a function is not always the injection's matter.
    kind: Vec<String>,
    reach: String,
}

/// What was said of a case.
#[derive(Debug)]
pub(crate) struct Finding {
    name: String,
    /// Benchmarks with another verdict than expected.
    wrong: Vec<String>,
    /// What was said of each benchmark that has a cause to be named.
    causes: Option<Vec<Said>>,
}

/// What was said of one benchmark.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is counted by itself")]
struct Said {
    id: String,
    change: i64,
    what: String,
    function_right: bool,
    kind_right: bool,
    reach_right: bool,
    in_edit: bool,
    has_line: bool,
}

impl Case {
    /// All cases, by name.
    pub(crate) fn read_all() -> Result<Vec<Self>, Failure> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../injections");
        let mut cases = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let text = fs::read_to_string(&path)?;
            let injection = Injection::from_toml(&path.display().to_string(), &text)?;
            let Some(expect) = injection.expect else {
                continue;
            };
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let expect = expect.try_into();
            cases.push(Self {
                expect: expect.map_err(|error| format!("{name}: {error}"))?,
                name: name.into_owned(),
                prepare: injection.prepare,
                edits: injection.edit,
            });
        }
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(cases)
    }

    /// The patterns of the benchmarks that are measured.
    pub(crate) fn selection(&self) -> impl Iterator<Item = String> {
        self.expect.measured.iter().cloned()
    }

    /// Injects it, and reads what icgate says.
    pub(crate) fn judge(&self, checkout: &Checkout) -> Result<Finding, Failure> {
        let suites: std::collections::BTreeSet<_> = self
            .expect
            .measured
            .iter()
            .filter_map(|pattern| pattern.split('/').next())
            .collect();
        let (report, diff, said) = checkout.with(&self.edits, || {
            let mut arguments: Vec<String> = ["check", "--format", "json", "--base", "HEAD"]
                .map(String::from)
                .into();
            match self.expect.measured_again {
                Some(_) => arguments.extend(checkout.cache()),
                None => arguments.push("--no-cache".to_owned()),
            }
            for suite in suites {
                arguments.extend(["--bench".to_owned(), suite.to_owned()]);
            }
            arguments.extend(self.selection());
            let answer = checkout.icgate(&arguments)?;
            let report: Value = serde_json::from_slice(&answer.stdout)
                .map_err(|_| format!("{}: {}", self.name, text(&answer.stderr)))?;
            Ok((report, checkout.diff()?, text(&answer.stderr)))
        })?;
        let mut finding = self.read(&report, &ChangedLines::from_unified_diff(&diff))?;
        if let Some(expected) = self.expect.measured_again {
            let judged = report["rows"].as_array().map_or(0, Vec::len);
            let measured = judged - recalled(&said).min(judged);
            if measured != expected {
                let wrong = format!("{measured} benchmarks were measured instead of {expected}");
                finding.wrong.push(wrong);
            }
        }
        Ok(finding)
    }

    fn read(&self, report: &Value, injected: &ChangedLines) -> Result<Finding, Failure> {
        let mut wrong = Vec::new();
        let mut causes = Vec::new();
        let mut expected = Vec::new();
        for pattern in &self.expect.benchmarks {
            expected.push((pattern, Glob::new(pattern)?.compile_matcher(), false));
        }
        for row in report["rows"].as_array().into_iter().flatten() {
            let (id, verdict) = (word(&row["id"]), word(&row["verdict"]));
            if verdict == "benchmark_missing" {
                continue;
            }
            let mut is_expected = false;
            for (_, pattern, found) in &mut expected {
                if pattern.is_match(&id) {
                    (is_expected, *found) = (true, true);
                }
            }
            let is_right = if is_expected {
                verdict == self.expect.verdict
            } else {
                matches!(verdict.as_str(), "unchanged" | "within_limit")
            };
            if !is_right {
                wrong.push(format!("{id} is {verdict}"));
            }
            if let Some(cause) = self.expect.cause.as_ref().filter(|_| is_expected) {
                causes.push(Said::of(row, cause, injected));
            }
        }
        for (pattern, _, found) in expected {
            if !found {
                wrong.push(format!("{pattern} matches no benchmark"));
            }
        }
        Ok(Finding {
            name: self.name.clone(),
            wrong,
            causes: self.expect.cause.is_some().then_some(causes),
        })
    }
}

/// How many benchmarks were not measured again, by what icgate prints.
fn recalled(said: &str) -> usize {
    let reused = |line: &str| {
        line.strip_prefix("icgate: reused ")?
            .split(' ')
            .next()?
            .parse()
            .ok()
    };
    said.lines().find_map(reused).unwrap_or(0)
}

impl Said {
    fn of(row: &Value, cause: &Cause, injected: &ChangedLines) -> Self {
        let culprit = &row["culprits"][0];
        let (name, kind) = (word(&culprit["name"]), word(&culprit["kind"]));
        let caller = culprit["caller"].as_str().map(str::to_owned);
        let file = word(&culprit["file"]);
        let line = culprit["line"]
            .as_u64()
            .and_then(|line| u32::try_from(line).ok());
        let reach = word(&row["reach"]);
        let behalf = caller
            .as_ref()
            .map_or_else(String::new, |it| format!(" for {it}"));
        Self {
            id: word(&row["id"]),
            change: row["change"].as_i64().unwrap_or(0),
            what: format!(
                "{name}{behalf}, {kind}, {reach}, {file}:{}",
                line.map_or_else(|| "–".to_owned(), |line| line.to_string())
            ),
            function_right: match caller {
                None => cause.through.is_empty() && name == cause.function,
                Some(caller) => caller == cause.function && cause.through.contains(&name),
            },
            kind_right: cause.kind.contains(&kind),
            reach_right: reach == cause.reach,
            in_edit: line.is_some_and(|line| injected.touch(&file, line).is_some()),
            has_line: line.is_some(),
        }
    }
}

/// A text of a report; empty if there is none.
fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Finding {
    fn all(&self, is_right: impl Fn(&Said) -> bool) -> bool {
        self.causes
            .as_ref()
            .is_some_and(|causes| !causes.is_empty() && causes.iter().all(is_right))
    }

    /// Whether there is a cause to be named.
    pub(crate) const fn is_caused(&self) -> bool {
        self.causes.is_some()
    }

    pub(crate) fn verdicts_right(&self) -> bool {
        self.wrong.is_empty()
    }

    pub(crate) fn function_right(&self) -> bool {
        self.all(|said| said.function_right)
    }

    pub(crate) fn kind_right(&self) -> bool {
        self.all(|said| said.kind_right)
    }

    pub(crate) fn reach_right(&self) -> bool {
        self.all(|said| said.reach_right)
    }

    pub(crate) fn line_right(&self) -> bool {
        self.all(|said| said.in_edit)
    }

    /// Whether a line is named that the injection, which is all of the diff, does not touch.
    pub(crate) fn is_outside(&self) -> bool {
        let causes = self.causes.iter().flatten();
        causes
            .filter(|said| said.has_line)
            .any(|said| !said.in_edit)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = |is_right| if is_right { "✓" } else { "✗" };
        write!(f, "{} {:<24}", mark(self.verdicts_right()), self.name)?;
        if self.is_caused() {
            let marks = [
                ("function", self.function_right()),
                ("kind", self.kind_right()),
                ("reach", self.reach_right()),
                ("line", self.line_right()),
            ];
            for (what, is_right) in marks {
                write!(f, " {} {what} ", mark(is_right))?;
            }
        }
        for wrong in &self.wrong {
            write!(f, "\n    {wrong}")?;
        }
        for said in self.causes.iter().flatten() {
            let percent = said.change.unsigned_abs();
            let sign = if said.change < 0 { '−' } else { '+' };
            let whole = percent / 10_000;
            let part = percent % 10_000 / 100;
            write!(
                f,
                "\n    {:<22} {sign}{whole}.{part:02} %  {}",
                said.id, said.what
            )?;
        }
        Ok(())
    }
}
