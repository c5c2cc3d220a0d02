//! All that is posted, with a hostile text wherever one can come from outside, through two renderers:
//! comrak, and cmark-gfm, which GitHub's own is made from, wherever it is installed (Debian's package
//! `cmark-gfm`). Outside of code, nothing may be there that is not there with a harmless text.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use comrak::Options;
use icgate_core::attribute::diff::ChangedLines;
use icgate_core::compare::compare;
use icgate_core::judge::judge;
use icgate_core::model::baseline::{Accepted, Baseline, Baselines, Removed};
use icgate_core::model::call_graph::CallGraph;
use icgate_core::model::environment::Environment;
use icgate_core::model::functions::{FunctionCost, FunctionTable};
use icgate_core::model::metric::Metric;
use icgate_core::model::note::Note;
use icgate_core::model::policy::Policy;
use icgate_core::model::run::{CiRun, Failed, Measurement, Run};
use icgate_core::publish::body::without_verdict;
use icgate_core::publish::check_run::{self, CheckRun, Place};
use icgate_core::publish::marker::Sha;
use icgate_core::publish::newer_tools::issue;
use icgate_core::render::markdown;
use icgate_core::report::report;

use crate::scene::environment;

/// Texts that would be something else than text, if they were let; and runs of backticks of every
/// length, since a renderer knows fences up to some length only (cmark-gfm and comrak: 80).
fn corpus() -> Vec<String> {
    let texts = [
        "@octocat #1 GH-1 o/r#1 0123456789abcdef0123456789abcdef01234567",
        "https://evil.example/ www.evil.example a@evil.example",
        "[click](https://evil.example) ![i](https://evil.example/x.png)",
        "<img src=x onerror=alert(1)> </details></sub> <!-- x -->",
        "a\n\n# heading\n- list\r\n> quote",
        "a ` | ` @octocat \\| \\` \\\\| b",
        "**bold** _it_ ~~no~~ [ref] &lt;b&gt; &#64;octocat",
        "\u{202e}desrever\u{202c} \u{2028}@octocat \0\u{1b}[2J",
        "\\",
    ];
    let mut corpus: Vec<String> = texts.map(str::to_owned).into();
    for count in 1..=200 {
        let ticks = "`".repeat(count);
        corpus.push(format!("a {ticks} @octocat ![i](//e) {ticks}"));
        corpus.push(format!("{ticks} | @octocat\n# [x](//e)"));
    }
    corpus
}

fn measured(id: &str, count: u64, text: &str) -> Measurement {
    let row = FunctionCost {
        name: text.into(),
        file: text.into(),
        instructions: count,
        calls: None,
        caller: Some(text.into()),
        metrics: icgate_core::model::functions::FunctionMetrics::default(),
    };
    Measurement {
        id: id.parse().unwrap(),
        metrics: BTreeMap::from([(Metric::Instructions, count)]),
        functions: FunctionTable::new(vec![row], 0),
        noise: 0,
        metric_noise: icgate_core::model::metric::Metrics::new(),
        lines: Vec::new(),
        calls: CallGraph::default(),
    }
}

/// All that is posted, with `text` wherever it can be.
fn posted(text: &str) -> String {
    let suite = |rows: &[(&str, u64)], removed: Vec<Removed>| {
        let accepted = |&(id, count): &(&str, u64)| {
            let reason = (id == "a/x/1").then(|| text.to_owned());
            Accepted::from_measurement(&measured(id, count, text), 0, reason)
        };
        Baselines::new([Baseline {
            suite: "a".to_owned(),
            environment: environment(),
            benchmarks: rows.iter().map(accepted).collect(),
            removed,
        }])
    };
    let base = suite(
        &[("a/x/0", 5_000), ("a/x/2", 10_000), ("a/x/3", 900)],
        Vec::new(),
    );
    let removed = Removed {
        id: "a/x/3".parse().unwrap(),
        reason: text.to_owned(),
    };
    let head = suite(
        &[("a/x/0", 5_000), ("a/x/1", 20_000), ("a/x/2", 10_000)],
        vec![removed],
    );
    let mut run = Run::whole(
        environment(),
        vec![
            measured("a/x/0", 5_000, "same"),
            measured("a/x/1", 20_000, text),
            measured("a/x/2", 20_000, text),
        ],
    );
    let policy = Policy::default();
    let judged = |run: &Run| {
        let comparison = compare(&base, &head, run);
        let judgements = judge(&comparison, &policy);
        let changed = ChangedLines::default();
        let mut report = report(run, &comparison, &judgements, &policy, &changed, text);
        report.warn(Note::new("{}", &[&text]));
        report
    };
    let plain = judged(&run);
    run.failed.push(Failed {
        id: "a/x/9".parse().unwrap(),
        why: text.to_owned(),
    });
    run.environment = Environment {
        rustc: text.to_owned(),
        valgrind: text.to_owned(),
        libc: text.to_owned(),
        build: text.to_owned(),
        ..environment()
    };
    let elsewhere = judged(&run);
    let sha = Sha::new(&"0a".repeat(20)).unwrap();
    let key = "gate".parse().unwrap();
    let place = Place {
        name: "icgate",
        key: &key,
        head_sha: &sha,
        ci: CiRun { run: 7, attempt: 1 },
        url: "https://github.com/o/r/actions/runs/7",
    };
    let summary = |check: CheckRun| {
        let output = &check.create()["output"];
        let text = |field: &str| output[field].as_str().unwrap().to_owned();
        format!("{}\n\n{}", text("title"), text("summary"))
    };
    let parts = [
        markdown::render(&plain),
        markdown::render(&elsewhere),
        markdown::render(&elsewhere.escaped()),
        summary(check_run::judged(&plain, &place)),
        summary(check_run::unjudged(text, text, &place)),
        without_verdict(text, text),
        issue(&base, &run, &policy).unwrap(),
    ];
    parts.join("\n\n")
}

/// What is there outside of code in a page: in what a renderer writes, a code span's own `<` is `&lt;`.
fn outside_of_code(page: &str) -> String {
    let mut rest = page;
    let mut outside = String::new();
    while let Some((before, code)) = rest.split_once("<code>") {
        outside.push_str(before);
        rest = code.split_once("</code>").unwrap().1;
    }
    outside + rest
}

fn by_comrak(text: &str) -> String {
    let mut options = Options::default();
    options.render.r#unsafe = true;
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.autolink = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    comrak::markdown_to_html(text, &options)
}

/// `None` where it is not installed.
fn by_cmark(text: &str) -> Option<String> {
    let mut command = Command::new("cmark-gfm");
    command.arg("--unsafe");
    for extension in ["table", "strikethrough", "autolink", "tasklist"] {
        command.args(["-e", extension]);
    }
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut cmark = command.spawn().ok()?;
    let mut stdin = cmark.stdin.take().unwrap();
    let text = text.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()).unwrap());
    let page = cmark.wait_with_output().unwrap().stdout;
    writer.join().unwrap();
    Some(String::from_utf8(page).unwrap())
}

#[test]
fn comment_summary_and_check_run_have_no_markup_from_outside() {
    let harmless = posted("harmless");
    let comrak = outside_of_code(&by_comrak(&harmless));
    let cmark = by_cmark(&harmless).map(|it| outside_of_code(&it));
    if cmark.is_none() {
        println!("cmark-gfm is not installed: comrak alone was asked");
    }
    for text in corpus() {
        let posted = posted(&text);
        assert_eq!(outside_of_code(&by_comrak(&posted)), comrak, "{text:?}");
        if let Some(cmark) = &cmark {
            assert_eq!(
                outside_of_code(&by_cmark(&posted).unwrap()),
                *cmark,
                "{text:?}"
            );
        }
    }
}
