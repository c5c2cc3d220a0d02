//! Reads runs of 32 MiB as publish does, compares, judges and renders them, and prints how long that
//! took and how much memory. What is accepted is to cost in proportion to its size.

use std::time::Instant;

use icgate_core::attribute::diff::ChangedLines;
use icgate_core::compare::compare;
use icgate_core::compare::coverage::require;
use icgate_core::judge::judge;
use icgate_core::model::baseline::{Accepted, Baseline, Baselines};
use icgate_core::model::policy::Policy;
use icgate_core::model::run::Measurement;
use icgate_core::publish::artifact::{BYTES_MAX, read};
use icgate_core::render::markdown;
use icgate_core::report::report;

const HEAD: &str = r#"{"format":2,"commit":null,"complete":true,"environment":{"target":"x86_64-unknown-linux-gnu","rustc":"1","valgrind":"3","libc":"2","cpu":"c","memory_functions":"m","tunables":"t","caches":"c","build":"b","harness":"h","machine":"m"},"benchmarks":["#;

/// A function of `lines` lines: its row, and its lines.
fn function(number: usize, lines: usize) -> (String, String) {
    let line = |it: usize| {
        let line = number + it;
        format!(r#"{{"file":"src/lib.rs","line":{line},"instructions":1}}"#)
    };
    let of: Vec<String> = (0..lines).map(line).collect();
    let named = format!(r#"{{"name":"f{number:06}","file":"src/lib.rs","#);
    (
        format!(r#"{named}"instructions":100,"calls":1}}"#),
        format!(r#"{named}"lines":[{}]}}"#, of.join(",")),
    )
}

/// A run of benchmarks of `functions` functions of `lines` lines, as large as is accepted.
fn run(functions: usize, lines: usize) -> String {
    let (rows, of): (Vec<String>, Vec<String>) =
        (0..functions).map(|it| function(it, lines)).unzip();
    let (rows, of) = (rows.join(","), of.join(","));
    let most = usize::try_from(BYTES_MAX).unwrap_or(usize::MAX) - 1_000;
    let mut text = HEAD.to_owned();
    for number in 0..20_000 {
        let one = format!(
            r#"{{"id":"a/b/{number:06}","metrics":{{"instructions":{}}},"functions":{{"rows":[{rows}],"other":0}},"lines":[{of}]}}"#,
            functions * 100
        );
        if text.len() + one.len() > most && number > 0 {
            break;
        }
        text.push_str(if number == 0 { "" } else { "," });
        text.push_str(&one);
    }
    text + "]}"
}

/// Half of what was measured, so that each benchmark regressed.
fn half(measured: &Measurement) -> Accepted {
    let mut accepted = Accepted::from_measurement(measured, 0, None);
    for count in accepted.metrics.values_mut() {
        *count /= 2;
    }
    accepted
}

fn main() {
    println!("functions  lines  MiB     read    judge   render  peak MiB");
    for (functions, lines) in [
        (1, 60),
        (40, 60),
        (9_000, 60),
        (150_000, 1),
        (1, 0),
        (1, 40_000),
    ] {
        let text = run(functions, lines);
        let mib = text.len() >> 20;
        let start = Instant::now();
        let mut head = match read("run", text.as_bytes()) {
            Ok(head) => head,
            Err(error) => {
                let took = start.elapsed().as_secs_f64();
                println!("{functions:>9} {lines:>6} {mib:>4} {took:>8.2}  {error}");
                continue;
            }
        };
        let reading = start.elapsed();
        let base = Baselines::new([Baseline::new(
            "a",
            head.environment.clone(),
            head.benchmarks.iter().map(half).collect(),
        )]);
        // A diff of as many hunks as GitHub shows.
        let hunks = (0..3_000).map(|it| format!("@@ -{0} +{0} @@\n-a\n+b\n", 2 * it + 1));
        let diff: String = hunks.collect();
        let changed =
            ChangedLines::from_unified_diff(&format!("--- a/src/lib.rs\n+++ b/src/lib.rs\n{diff}"));
        let mut beside = head.clone();
        for measured in &mut beside.benchmarks {
            for function in &mut measured.lines {
                function.lines.truncate(30);
            }
        }
        let start = Instant::now();
        require(&mut head, (&base, &base), &[]).expect("all of it is there");
        let policy = Policy::default();
        let comparison = compare(&base, &base, &head).with_base_run(&head, &beside);
        let judgements = judge(&comparison, &policy);
        let report = report(&head, &comparison, &judgements, &policy, &changed, "base");
        let judging = start.elapsed();
        let start = Instant::now();
        let _ = markdown::render(&report.escaped());
        println!(
            "{functions:>9} {lines:>6} {mib:>4} {:>8.2} {:>8.2} {:>8.2}  {:>8}",
            reading.as_secs_f64(),
            judging.as_secs_f64(),
            start.elapsed().as_secs_f64(),
            peak_mib()
        );
    }
}

/// The most memory that the process had.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
    let kib = line.and_then(|it| it.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) >> 10
}
