//! Progress: a bar on a terminal, a line for every tenth elsewhere.

use std::io::IsTerminal as _;
use std::sync::Mutex;

use crate::io::output;
use icgate_core::model::bench_id::BenchId;
use indicatif::{ProgressBar, ProgressStyle};

/// Says how far a measurement has come, on standard error.
#[derive(Debug)]
pub(crate) enum Progress {
    Bar(ProgressBar),
    Lines { total: usize, done: Mutex<usize> },
}

impl Progress {
    /// Progress over `total` benchmarks.
    pub(crate) fn new(total: usize) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines {
                total,
                done: Mutex::new(0),
            };
        }
        let bar = ProgressBar::new(total as u64);
        let style =
            ProgressStyle::with_template("measuring {bar:24} {pos}/{len}, {eta} left  {wide_msg}");
        bar.set_style(style.expect("the template is well-formed"));
        Self::Bar(bar)
    }

    /// A benchmark begins.
    pub(crate) fn begin(&self, id: &BenchId) {
        if let Self::Bar(bar) = self {
            bar.set_message(id.to_string());
        }
    }

    /// A benchmark has ended.
    pub(crate) fn end(&self) {
        match self {
            Self::Bar(bar) => bar.inc(1),
            Self::Lines { total, done } => {
                let mut done = done.lock().expect("no thread panics while it holds this");
                let tenth = |count: usize| count * 10 / total;
                *done += 1;
                if tenth(*done) > tenth(*done - 1) {
                    output::complain(format_args!("icgate: measured {done} of {total}"));
                }
            }
        }
    }

    /// Nothing is left to do.
    pub(crate) fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
