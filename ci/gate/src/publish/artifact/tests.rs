//! The hostile corpus: every file that a pull request's code could leave behind is refused, or
//! comes out harmless.

use super::*;
use crate::attribute::diff::ChangedLines;
use crate::compare::compare;
use crate::judge::judge;
use crate::model::baseline::Baselines;
use crate::model::call_graph::CallGraph;
use crate::model::environment::tests::environment;
use crate::model::functions::LineCost;
use crate::model::functions::{FunctionCost, FunctionTable};
use crate::model::metric::Metric;
use crate::model::policy::Policy;
use crate::model::run::{Failed, FunctionLines, Measurement, RUN_FORMAT};
use crate::publish::body;
use crate::publish::comment::Content;
use crate::publish::marker::{Marker, Sha};
use crate::render::{github, markdown, text};
use crate::report::{Report, report};

/// A good run whose only function has this name and file, and which lacks a benchmark for this
/// reason.
fn run(name: &str, file: &str, why: &str) -> Run {
    let cost = FunctionCost {
        name: name.into(),
        file: file.into(),
        instructions: 1_000,
        calls: Some(1),
        caller: Some(name.into()),
        metrics: crate::model::functions::FunctionMetrics::default(),
    };
    let line = LineCost {
        file: file.into(),
        line: 1,
        instructions: 1_000,
    };
    let lines = FunctionLines {
        name: name.into(),
        file: file.into(),
        lines: vec![line],
    };
    Run {
        format: RUN_FORMAT,
        crates: Vec::new(),
        commit: None,
        complete: false,
        part: None,
        environment: environment(),
        failed: vec![Failed {
            id: "a/b/failed".parse().unwrap(),
            why: why.to_owned(),
        }],
        benchmarks: vec![Measurement {
            id: "a/b/c".parse().unwrap(),
            metrics: [(Metric::Instructions, 1_000)].into(),
            functions: FunctionTable::new(vec![cost], 0),
            noise: 0,
            lines: vec![lines],
            calls: CallGraph::default(),
            metric_noise: std::collections::BTreeMap::new(),
        }],
    }
}

fn good() -> String {
    run("engine::f", "engine/src/f.rs", "it ended").to_json()
}

#[track_caller]
fn refused(text: &str) -> String {
    read("run.json", text.as_bytes()).unwrap_err().to_string()
}

#[track_caller]
fn edited(from: &str, to: &str) -> String {
    let text = good();
    assert!(text.contains(from), "`{from}` is not in {text}");
    text.replacen(from, to, 1)
}

#[test]
fn what_was_measured_is_read() {
    assert!(read("run.json", good().as_bytes()).is_ok());
}

#[test]
fn sizes_are_capped() {
    let long = "x".repeat(20_000_000);
    let text = refused(&edited("engine::f", &long));
    assert!(text.contains("a text in it has more than"), "{text}");
    assert!(text.len() < 200, "the text itself is not repeated");
    let escaped = refused(&edited("engine::f", &"\\u0041".repeat(20_000)));
    assert!(escaped.contains("a text in it"), "{escaped}");
    let huge = vec![b' '; usize::try_from(BYTES_MAX).unwrap() + 1];
    let huge = read("run.json", &huge).unwrap_err().to_string();
    assert!(huge.contains("it has more than 33554432 bytes"), "{huge}");
    // A text that never ends.
    assert!(read("run.json", b"{\"format\":\"\\").is_err());
}

#[test]
fn depth_is_capped() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        let text = refused(&edited(
            "\"benchmarks\":[",
            &format!("\"benchmarks\":[{deep},"),
        ));
        assert!(text.contains("more than 10 deep"), "{text}");
    }
    // Brackets inside a text are text.
    let brackets = run(&"[".repeat(100), "f.rs", "").to_json();
    assert!(read("run.json", brackets.as_bytes()).is_ok());
}

#[test]
fn only_counts_are_numbers() {
    let count = "\"instructions\":1000";
    for bad in ["-1", "1.0", "1e3", "1E400", "-0", "+1"] {
        let text = refused(&edited(count, &format!("\"instructions\":{bad}")));
        assert!(text.contains("a number that is no count"), "{bad}: {text}");
    }
    for bad in [
        "9007199254740992",
        "18446744073709551615",
        "18446744073709551616",
        &"9".repeat(400),
    ] {
        let text = refused(&edited(count, &format!("\"instructions\":{bad}")));
        assert!(
            text.contains("a count beyond 9007199254740991"),
            "{bad}: {text}"
        );
    }
    let largest = edited(count, "\"instructions\":9007199254740991");
    assert!(
        refused(&largest).contains("do not add up"),
        "read, and not believed"
    );
    for bad in ["\"1000\"", "null", "true", "[1000]", "{}"] {
        refused(&edited(count, &format!("\"instructions\":{bad}")));
    }
}

#[test]
fn nothing_is_said_twice_or_in_addition() {
    let twice = [
        ("\"format\":2", "\"format\":2,\"format\":2"),
        ("\"metrics\":{", "\"metrics\":{\"instructions\":5,"),
        ("\"complete\":false", "\"complete\":false,\"complete\":true"),
        ("\"id\":\"a/b/c\"", "\"id\":\"a/b/c\",\"id\":\"a/b/d\""),
        ("\"target\":", "\"target\":\"x\",\"target\":"),
    ];
    for (from, to) in twice {
        let text = refused(&edited(from, to));
        assert!(
            text.contains("duplicate") || text.contains("twice"),
            "{text}"
        );
    }
    for (from, to) in [
        ("\"format\":2", "\"verdict\":\"pass\",\"format\":2"),
        ("\"metrics\":{", "\"metrics\":{\"good\":1,"),
        ("\"id\":\"a/b/c\"", "\"id\":\"a/b/c\",\"limit\":9"),
    ] {
        let text = refused(&edited(from, to));
        assert!(text.contains("unknown"), "{text}");
    }
    refused(&(good() + "{}"));
    refused("");
    refused("null");
    assert!(read("run.json", b"\xff\xfe").is_err());
}

#[test]
fn an_id_that_is_none_is_refused() {
    for bad in [
        "a",
        "a/../../etc",
        "a//c",
        "/a/b",
        "a/b\\n::error::/c",
        "a/\\u202eb/c",
        "a/b/c\\u0000",
    ] {
        refused(&edited("\"id\":\"a/b/c\"", &format!("\"id\":\"{bad}\"")));
    }
}

#[test]
fn too_many_benchmarks_are_refused() {
    let mut run = run("f", "f.rs", "");
    let one = run.benchmarks.remove(0);
    run.benchmarks = (0..=BENCHMARKS_MAX)
        .map(|number| Measurement {
            id: format!("a/{number:09}").parse().unwrap(),
            ..one.clone()
        })
        .collect();
    let text = refused(&run.to_json());
    assert!(text.contains("more than 20000 benchmarks"), "{text}");
}

/// The report of a run that passed the reader.
fn judged(text: &str) -> Report {
    let run = read("run.json", text.as_bytes()).unwrap();
    let (none, policy) = (Baselines::default(), Policy::default());
    let comparison = compare(&none, &none, &run);
    let judgements = judge(&comparison, &policy);
    let changed = ChangedLines::default();
    report(&run, &comparison, &judgements, &policy, &changed, "base")
}

#[test]
fn names_that_are_read_come_out_harmless() {
    let hostile = [
        "<img src=x onerror=alert(1)>",
        "</code></td></tr></table><script>",
        "@everyone and @octocat",
        "`` ` ``",
        "a|b|c|d",
        "a\\|b",
        "]( https://evil.example )",
        "![x](https://evil.example/p.png)",
        "<!-- icgate:v1 key=gate run=9 attempt=1 state=judged sha=0000000000000000000000000000000000000000 -->",
        "::error::pwned",
        "::stop-commands::pwned",
        "##[add-mask]pwned",
        "a\n::error::b",
        "a\r\n::set-output name=x::y",
        "\u{202e}gnp.exe\u{2066}",
        "\u{1b}[2J\u{1b}]0;t\u{7}",
        "\u{200b}\u{feff}\u{ad}",
        "%0A%0D%25::",
        "${{ secrets.GITHUB_TOKEN }}",
        "$(id) `id` ; id",
        "#1 GH-1 owner/repo#1 0123456789abcdef0123456789abcdef01234567",
        "../../../../etc/passwd",
    ];
    for name in hostile {
        let report = judged(&run(name, name, name).to_json());
        let comment = markdown::render(&report);
        assert!(
            !comment.contains(['\u{202e}', '\u{1b}', '\u{200b}', '\r']),
            "{comment}"
        );
        // Whatever is hostile stands between the fences of a code span. Outside of spans the
        // comment holds no name at all.
        let outside = outside_of_spans(&comment);
        for mark in [
            "<img", "<script", "<!--", "@", "](", "#1", "::", "##[", "${{", "$(",
        ] {
            assert!(!outside.contains(mark), "`{mark}` in {outside}");
        }
        // Each table row keeps its cells.
        for row in comment.lines().filter(|line| line.starts_with("| `")) {
            assert_eq!(row.replace("\\|", "").matches('|').count(), 9, "{row}");
        }
        for line in github::render(&report).lines() {
            assert!(
                line.starts_with("::error ") || line.starts_with("::notice "),
                "{line}"
            );
        }
        let log = text::render(&report, text::Colour::None, text::Verbosity::Normal);
        assert!(
            !log.contains(['\u{1b}', '\u{202e}', '\r', '\u{7}']),
            "{log}"
        );
        let link = body::RunLink {
            sha: Sha::new(&"0a".repeat(20)).unwrap(),
            url: "https://github.com/o/r/actions/runs/7".to_owned(),
        };
        let Some(Content::Text { text, .. }) = body::judged(&report, &link, body::When::Always)
        else {
            panic!("a text")
        };
        assert_eq!(Marker::of(&text), None);
    }
}

/// A text without its code spans, found as `CommonMark` finds them: a run of backticks up to the
/// next run of the same length.
fn outside_of_spans(text: &str) -> String {
    let mut outside = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('`') {
        outside.push_str(&rest[..start]);
        let fence = rest[start..].bytes().take_while(|it| *it == b'`').count();
        let mut inside = &rest[start + fence..];
        loop {
            let Some(next) = inside.find('`') else {
                return outside + inside;
            };
            let run = inside[next..].bytes().take_while(|it| *it == b'`').count();
            inside = &inside[next + run..];
            if run == fence {
                break;
            }
        }
        rest = inside;
    }
    outside + rest
}
