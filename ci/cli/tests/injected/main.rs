//! The corpus of injected regressions: changes of known effect on the real engine, and what icgate says of them.
//!
//! ```text
//! ci/injections/<name>.toml   edits of the engine, and what has to be said
//! base                a copy of this repository, with every `[[prepare]]` applied, its baselines
//!                     recorded by `icgate update` and committed
//! a case              the copy with its `[[edit]]`, judged by `icgate check` against base
//! ```
//!
//! `cargo test -p icgate --test injected [NAME…]` prints a row for each case and the figures, and
//! fails if they are below what is promised: the function right in all, the line within the
//! injected change in nine of ten, no line outside of it named while one inside explains it.

mod case;
mod checkout;

use std::process::ExitCode;
use std::time::Instant;

use case::{Case, Finding};
use checkout::Checkout;

type Failure = Box<dyn std::error::Error>;

/// Of ten lines, this many have to lie within the injected change.
const LINES_IN_TEN: usize = 9;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("injected: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, Failure> {
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|it| !it.starts_with('-'))
        .collect();
    let all = Case::read_all()?;
    let selected = |case: &&Case| asked.is_empty() || asked.contains(&case.name);
    let cases: Vec<&Case> = all.iter().filter(selected).collect();
    if cases.is_empty() {
        return Err(format!("no case is called {}", asked.join(" ")).into());
    }
    let checkout = Checkout::new(&all)?;
    checkout.record(&cases)?;
    let mut findings = Vec::new();
    for case in cases {
        let started = Instant::now();
        let finding = case.judge(&checkout)?;
        println!("{finding}  ({} s)", started.elapsed().as_secs());
        findings.push(finding);
    }
    Ok(summary(&findings))
}

/// Prints the figures, and says whether they are good enough.
fn summary(findings: &[Finding]) -> bool {
    let of = |count: usize, all: usize| format!("{count} of {all}");
    let red: Vec<&Finding> = findings.iter().filter(|it| it.is_caused()).collect();
    let count = |what: &dyn Fn(&&&Finding) -> bool| red.iter().filter(what).count();
    let verdicts = findings.iter().filter(|it| it.verdicts_right()).count();
    let functions = count(&|it| it.function_right());
    let kinds = count(&|it| it.kind_right());
    let reaches = count(&|it| it.reach_right());
    let lines = count(&|it| it.line_right());
    let outside = count(&|it| it.is_outside());
    println!();
    println!("benchmark set right   {}", of(verdicts, findings.len()));
    println!("function right        {}", of(functions, red.len()));
    println!("kind right            {}", of(kinds, red.len()));
    println!("reach right           {}", of(reaches, red.len()));
    println!("line in the injection {}", of(lines, red.len()));
    println!("line outside of it    {}", of(outside, red.len()));
    let all = red.len();
    verdicts == findings.len()
        && [functions, kinds, reaches] == [all; 3]
        && lines * 10 >= all * LINES_IN_TEN
        && outside == 0
}
