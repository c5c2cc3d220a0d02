//! One case: what is injected, what has to be said of it, and what was said.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use globset::Glob;
use icgate_core::attribute::diff::ChangedLines;
use icgate_core::model::injection::{Edit, Injection};
use icgate_core::model::proof::Proofs;
use serde::Deserialize;
use serde_json::Value;

use crate::Failure;
use crate::checkout::{Checkout, text};

/// An injection with what has to be said of it; the name is its file's.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) project: Option<String>,
    pub(crate) prepare: Vec<Edit>,
    unrecorded: Vec<Edit>,
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
    /// `regressed`, `improved`, `unchanged`, or `changed` for one of the first two.
    verdict: String,
    /// How many benchmarks have to be measured for it, where what base measured is at hand. Where this
    /// is not said, all are.
    measured_again: Option<usize>,
    /// What the first culprit of each of those benchmarks has to be.
    cause: Option<Cause>,
    /// The same where there is more to say than one, or where other things than code are at fault.
    #[serde(default)]
    causes: Vec<Cause>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cause {
    /// The benchmarks that it moved; all that get the verdict if none is named.
    #[serde(default)]
    benchmarks: Vec<String>,
    /// What kind of thing was changed.
    #[serde(default = "code")]
    origin: String,
    /// The functions of the workspace that may be named.
    #[serde(default, deserialize_with = "one_or_many")]
    function: Vec<String>,
    /// Where the cost arises in a library that it calls: in one of these.
    #[serde(default)]
    through: Vec<String>,
    /// Any of these: whether the optimiser inlines a function is not always the injection's matter.
    #[serde(default)]
    kind: Vec<String>,
    reach: Option<String>,
    /// The file that has to be named, where it is not told by the function.
    file: Option<String>,
    /// What the named line has to contain, where the injection has several.
    text: Option<String>,
}

fn code() -> String {
    "code".to_owned()
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Words::deserialize(from)? {
        Words::One(word) => vec![word],
        Words::Many(words) => words,
    })
}

/// What was said of a case.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) name: String,
    /// Benchmarks with another verdict than expected.
    wrong: Vec<String>,
    /// What was said of each benchmark that has a cause to be named.
    rows: Vec<Said>,
    /// What the headline says, for each cause that has to be named.
    headline: Vec<Said>,
    /// What was proven of the first cause, where that was asked for.
    proof: Option<Proven>,
}

/// What was proven of the first cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proven {
    /// Without its piece, at least half of the change is gone.
    Yes,
    /// Without it, more than half stays.
    No,
    /// It lies in no piece that was tried.
    Unknown,
}

/// What was said of one benchmark, or in the headline.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is counted by itself")]
pub(crate) struct Said {
    id: String,
    change: i64,
    what: String,
    pub(crate) function_right: bool,
    pub(crate) kind_right: bool,
    pub(crate) reach_right: bool,
    pub(crate) line_right: bool,
    /// A line is named that the injection, which is all of the diff, does not touch.
    pub(crate) is_outside: bool,
}

/// What an injection changed.
struct Injected {
    lines: ChangedLines,
    texts: BTreeMap<String, String>,
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
                project: injection.project,
                prepare: injection.prepare,
                unrecorded: injection.unrecorded,
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

    /// Injects it, and reads what icgate says. What cannot be injected or read is a finding too.
    pub(crate) fn judge(&self, checkout: &Checkout, is_proven: bool) -> Finding {
        let found =
            checkout.moved_unrecorded(&self.unrecorded, || self.checked(checkout, is_proven));
        found.unwrap_or_else(|error| Finding {
            name: self.name.clone(),
            wrong: vec![error.to_string()],
            rows: Vec::new(),
            headline: self.causes().map(|_| Said::nothing()).collect(),
            proof: None,
        })
    }

    fn causes(&self) -> impl Iterator<Item = &Cause> {
        self.expect.cause.iter().chain(&self.expect.causes)
    }

    fn checked(&self, checkout: &Checkout, is_proven: bool) -> Result<Finding, Failure> {
        let suites: std::collections::BTreeSet<_> = self
            .expect
            .measured
            .iter()
            .filter_map(|pattern| pattern.split('/').next())
            .collect();
        let (report, injected, said, proof) = checkout.with(&self.edits, || {
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
            let mut texts = BTreeMap::new();
            for edit in &self.edits {
                texts.insert(edit.file.clone(), checkout.read(&edit.file)?);
            }
            let lines = ChangedLines::from_unified_diff(&checkout.diff()?);
            let is_red = report["outcome"] == "regressed";
            let proof = match is_proven && is_red {
                true => Some(proven(&report, &checkout.proofs()?, &lines)),
                false => None,
            };
            let injected = Injected { lines, texts };
            Ok((report, injected, text(&answer.stderr), proof))
        })?;
        let mut finding = self.read(&report, &injected)?;
        finding.proof = proof;
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

    fn read(&self, report: &Value, injected: &Injected) -> Result<Finding, Failure> {
        let mut finding = Finding {
            name: self.name.clone(),
            wrong: Vec::new(),
            rows: Vec::new(),
            headline: Vec::new(),
            proof: None,
        };
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
            let is_right = match self.expect.verdict.as_str() {
                _ if !is_expected => matches!(verdict.as_str(), "unchanged" | "within_limit"),
                "changed" => matches!(verdict.as_str(), "regressed" | "improved"),
                wanted => verdict == wanted,
            };
            if !is_right {
                finding.wrong.push(format!("{id} is {verdict}"));
            }
            for cause in self.causes().filter(|_| is_expected) {
                if cause.moves(&id)? {
                    finding.rows.push(Said::of_row(row, cause, injected));
                }
            }
        }
        for (pattern, _, found) in expected {
            if !found {
                finding
                    .wrong
                    .push(format!("{pattern} matches no benchmark"));
            }
        }
        let headlines = report["causes"].as_array().cloned().unwrap_or_default();
        let of_several = self.causes().count() > 1;
        // A headline names what is to be repaired: an improvement has none.
        let mut verdicts = report["rows"].as_array().into_iter().flatten();
        let is_red = verdicts.any(|row| row["verdict"] == "regressed");
        let has_headline = self.expect.verdict == "regressed" || is_red;
        for cause in self.causes().filter(|_| has_headline) {
            // Of one cause it is the first that counts; of several, each has to be there.
            let read = |headline| Said::of_headline(headline, cause, injected);
            let mut said: Vec<Said> = headlines.iter().map(read).collect();
            let right = said
                .iter()
                .position(|it| it.function_right && it.line_right)
                .filter(|at| of_several || *at == 0);
            finding.headline.push(match (right, said.is_empty()) {
                (_, true) => Said::nothing(),
                (right, false) => said.swap_remove(right.unwrap_or(0)),
            });
        }
        Ok(finding)
    }
}

/// What the proofs of a run say of its first cause.
fn proven(report: &Value, proofs: &Proofs, changed: &ChangedLines) -> Proven {
    let cause = &report["causes"][0];
    let at = |file: &str, line: u32| changed.hunk(file, line).map(|hunk| (file.to_owned(), hunk));
    let line = cause["line"].as_u64().and_then(|it| u32::try_from(it).ok());
    let Some(cause) = line.and_then(|line| at(&word(&cause["file"]), line)) else {
        return Proven::Unknown;
    };
    let mut found = Proven::Unknown;
    for proof in &proofs.proofs {
        let change = i128::from(proof.head) - i128::from(proof.base);
        let of_cause = proof.tried.iter().find(|it| {
            let mut places = it.places.iter();
            places.any(|place| at(&place.file, place.line).as_ref() == Some(&cause))
        });
        let Some(tried) = of_cause else { continue };
        let adds = i128::from(proof.head) - i128::from(tried.without);
        if adds.signum() != change.signum() || adds.abs() * 2 < change.abs() {
            return Proven::No;
        }
        found = Proven::Yes;
    }
    found
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

impl Cause {
    fn moves(&self, id: &str) -> Result<bool, Failure> {
        for pattern in &self.benchmarks {
            if Glob::new(pattern)?.compile_matcher().is_match(id) {
                return Ok(true);
            }
        }
        Ok(self.benchmarks.is_empty())
    }
}

impl Said {
    fn of_row(row: &Value, cause: &Cause, injected: &Injected) -> Self {
        let reach = word(&row["reach"]);
        let mut said = Self::of(&row["culprits"][0], cause, injected);
        said.id = word(&row["id"]);
        said.change = row["change"].as_i64().unwrap_or(0);
        said.reach_right = cause.reach.as_ref().is_none_or(|it| *it == reach);
        said.what = format!("{}, {reach}", said.what);
        said
    }

    fn of_headline(headline: &Value, cause: &Cause, injected: &Injected) -> Self {
        let mut said = Self::of(headline, cause, injected);
        (said.kind_right, said.reach_right) = (true, true);
        said.id = "the headline".to_owned();
        said
    }

    fn of(culprit: &Value, cause: &Cause, injected: &Injected) -> Self {
        let (name, kind, origin) = (
            word(&culprit["name"]),
            word(&culprit["kind"]),
            word(&culprit["origin"]),
        );
        let caller = culprit["caller"].as_str().map(str::to_owned);
        let file = word(&culprit["file"]);
        let line = culprit["line"]
            .as_u64()
            .and_then(|line| u32::try_from(line).ok());
        let behalf = caller
            .as_ref()
            .map_or_else(String::new, |it| format!(" for {it}"));
        let through = caller.is_some() && cause.through.contains(&name);
        let function = caller.as_ref().unwrap_or(&name);
        let is_named = cause.function.is_empty() || cause.function.contains(function);
        let is_touched = line.is_some_and(|line| injected.lines.touch(&file, line).is_some());
        let has_text = cause.text.as_ref().is_none_or(|text| {
            let line = line.and_then(|it| usize::try_from(it).ok()).unwrap_or(0);
            let here = injected.texts.get(&file);
            let here = here.and_then(|text| text.lines().nth(line.saturating_sub(1)));
            here.is_some_and(|here| here.contains(text.as_str()))
        });
        let is_file = cause.file.as_ref().is_none_or(|it| *it == file);
        Self {
            id: String::new(),
            change: 0,
            what: format!(
                "{name}{behalf}, {origin}, {kind}, {file}:{}",
                line.map_or_else(|| "–".to_owned(), |line| line.to_string())
            ),
            function_right: origin == cause.origin
                && is_named
                && (cause.through.is_empty() || through),
            kind_right: cause.kind.is_empty() || cause.kind.contains(&kind),
            reach_right: true,
            line_right: is_touched && has_text && is_file,
            is_outside: line.is_some() && !is_touched,
        }
    }

    fn nothing() -> Self {
        Self {
            id: "the headline".to_owned(),
            change: 0,
            what: "names nothing".to_owned(),
            function_right: false,
            kind_right: true,
            reach_right: true,
            line_right: false,
            is_outside: false,
        }
    }
}

/// A text of a report; empty if there is none.
fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Finding {
    /// Whether there is a cause to be named.
    pub(crate) const fn is_caused(&self) -> bool {
        !self.headline.is_empty() || !self.rows.is_empty()
    }

    /// What was proven of its first cause.
    pub(crate) const fn proof(&self) -> Option<Proven> {
        self.proof
    }

    /// Whether its headline has to name it.
    pub(crate) const fn has_headline(&self) -> bool {
        !self.headline.is_empty()
    }

    pub(crate) fn verdicts_right(&self) -> bool {
        self.wrong.is_empty()
    }

    pub(crate) fn headline(&self, is_right: fn(&Said) -> bool) -> bool {
        self.headline.iter().all(is_right)
    }

    /// What was said of each benchmark.
    pub(crate) fn rows(&self) -> &[Said] {
        &self.rows
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = |is_right| if is_right { "✓" } else { "✗" };
        write!(f, "{} {:<32}", mark(self.verdicts_right()), self.name)?;
        let count = |is_right: fn(&Said) -> bool| {
            let right = self.rows.iter().filter(|it| is_right(it)).count();
            format!("{right}/{}", self.rows.len())
        };
        if self.is_caused() {
            write!(
                f,
                " {} headline's function  {} line   rows: {} function, {} line, {} kind, {} reach",
                mark(self.headline(|it| it.function_right)),
                mark(self.headline(|it| it.line_right)),
                count(|it| it.function_right),
                count(|it| it.line_right),
                count(|it| it.kind_right),
                count(|it| it.reach_right),
            )?;
        }
        match self.proof {
            Some(Proven::Yes) => write!(f, "   proven")?,
            Some(Proven::No) => write!(f, "   proven not")?,
            Some(Proven::Unknown) => write!(f, "   not tried")?,
            None => {}
        }
        for wrong in &self.wrong {
            write!(f, "\n    {wrong}")?;
        }
        for said in self.headline.iter().chain(&self.rows) {
            let percent = said.change.unsigned_abs();
            let sign = if said.change < 0 { '−' } else { '+' };
            let whole = percent / 10_000;
            let part = percent % 10_000 / 100;
            let id = &said.id;
            write!(f, "\n    {id:<22} {sign}{whole}.{part:02} %  {}", said.what)?;
        }
        Ok(())
    }
}
