//! A report for a terminal.

use std::fmt::Write as _;

use crate::judge::{BaselineState, Outcome, Verdict};
use crate::render::messages;
use crate::render::number::{grouped, percent};
use crate::report::{Report, Row};

/// Whether to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// ANSI escape sequences.
    Ansi,
    /// None at all.
    None,
}

impl Colour {
    pub(crate) fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Ansi => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::None => text.to_owned(),
        }
    }

    fn outcome(self, outcome: Outcome, text: &str) -> String {
        let code = match outcome {
            Outcome::Pass => "1;32",
            Outcome::BaselineOutOfDate => "1;33",
            Outcome::Regressed | Outcome::NotComparable | Outcome::NotMeasured => "1;31",
        };
        self.paint(code, text)
    }
}

/// Which benchmarks to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verbosity {
    /// Those that someone may have to look at.
    Normal,
    /// Those that moved within their limit, too.
    Verbose,
}

/// The report as lines of text, ending in a line break.
///
/// The verdict and its cause are last, where they stay in sight.
#[must_use]
pub fn render(report: &Report, colour: Colour, verbosity: Verbosity) -> String {
    let report = &report.escaped();
    let mut text = String::new();
    for (ids, why) in messages::failures(report, str::to_owned) {
        let said = why.replace('\n', "\n  | ");
        let _ = writeln!(
            text,
            "{} {ids}: {said}",
            colour.paint("31", "not measured:")
        );
    }
    for warning in &report.warnings {
        let _ = writeln!(text, "{} {warning}", colour.paint("33", "warning:"));
    }
    for difference in &report.environment_differences {
        let quoted = |name: &str| format!("`{name}`");
        let said = messages::difference(difference, quoted);
        let _ = writeln!(text, "{} {said}", colour.paint("33", "environment:"));
    }
    push_rows(&mut text, report, colour, verbosity);
    if !text.is_empty() {
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "{}: {}",
        messages::denominator(report),
        messages::counts(report)
    );
    let _ = writeln!(text, "compared with {}", report.base);
    let headline = format!("icgate: {}", messages::headline(report));
    let _ = writeln!(text, "\n{}", colour.outcome(report.outcome, &headline));
    if let Some(cause) = &report.main_cause {
        let cause = messages::main_cause(cause, str::to_owned);
        let _ = writeln!(text, "cause: {cause}");
    }
    for (purpose, command) in messages::next_steps(report) {
        let _ = writeln!(text, "{purpose}: {}", colour.paint("36", &command));
    }
    text
}

fn push_rows(text: &mut String, report: &Report, colour: Colour, verbosity: Verbosity) {
    let is_shown = |row: &&Row| match row.verdict {
        Verdict::UNCHANGED => false,
        Verdict::WITHIN_LIMIT => verbosity == Verbosity::Verbose,
        // The headline says how many, and the lines above in what the environments differ.
        _ => verbosity == Verbosity::Verbose || row.baseline != BaselineState::NotComparable,
    };
    let shown: Vec<&Row> = report.rows.iter().filter(is_shown).collect();
    let widest = |of: fn(&Row) -> usize| shown.iter().map(|row| of(row)).max().unwrap_or(0);
    let widths = (
        widest(|row| messages::verdict(row).len()),
        widest(|row| row.id.as_str().len()),
    );
    if !shown.is_empty() && !text.is_empty() {
        text.push('\n');
    }
    for row in &shown {
        push_row(text, row, widths, colour);
    }
    let within = report.count(Verdict::WITHIN_LIMIT);
    if within > 0 && verbosity == Verbosity::Normal {
        let benchmarks = messages::plural(within, "benchmark");
        let _ = writeln!(text, "{benchmarks} moved within the limit; -v lists them");
    }
}

fn push_row(text: &mut String, row: &Row, (words, ids): (usize, usize), colour: Colour) {
    let verdict = format!("{:<words$}", messages::verdict(row));
    let verdict = colour.outcome(row.outcome, &verdict);
    let indent = " ".repeat(words + 1);
    let _ = write!(text, "{verdict} {:<ids$}", row.id.as_str());
    if let (Some(base), Some(head)) = (row.base, row.head) {
        let _ = write!(text, "  {} → {}", grouped(base), grouped(head));
        if let Some(change) = row.change {
            let _ = write!(text, "  {}", colour.paint("1", &percent(change)));
        }
        let _ = write!(text, "  (limit {})", row.limit_share());
    }
    text.push('\n');
    if let Some(meaning) = messages::meaning(row) {
        let _ = writeln!(text, "{indent}{meaning}");
    }
    // Within the limit nobody has to look for a cause; report.json has it.
    if row.verdict != Verdict::WITHIN_LIMIT && row.has_moved() {
        for culprit in &row.culprits {
            let _ = writeln!(text, "{indent}{}", messages::culprit(row, culprit));
            let place = messages::place(culprit);
            if !place.is_empty() {
                let note = if culprit.in_diff {
                    " (changed here)"
                } else {
                    ""
                };
                let _ = writeln!(text, "{indent}at {}{note}", colour.paint("4", &place));
            }
        }
    }
    if let Some(proof) = messages::proof(row, str::to_owned) {
        let _ = writeln!(text, "{indent}{proof}");
    }
    if let Some(reach) = messages::reach_note(row) {
        let _ = writeln!(text, "{indent}{reach}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::reach::Reach;
    use crate::model::note::Note;
    use crate::model::run::Failed;
    use crate::report::tests::sample;

    fn plain(report: &Report) -> String {
        render(report, Colour::None, Verbosity::Normal)
    }

    #[test]
    fn rows_within_their_limit_are_listed_only_when_verbose() {
        let mut report = sample();
        let row = report
            .rows
            .iter_mut()
            .find(|it| it.verdict == Verdict::UNCHANGED);
        let row = row.unwrap();
        row.verdict = Verdict::WITHIN_LIMIT;
        let id = row.id.to_string();
        let text = plain(&report);
        assert!(!text.contains(&id), "{text}");
        assert!(text.contains("1 benchmark moved within the limit; -v lists them"));
        let all = render(&report, Colour::None, Verbosity::Verbose);
        let line = all.lines().find(|line| line.contains(&id));
        assert!(
            line.is_some_and(|it| it.starts_with("within limit ")),
            "{all}"
        );
    }

    #[test]
    fn the_verdict_and_its_cause_follow_the_rows() {
        let text = plain(&sample());
        let at = |part: &str| text.find(part).unwrap();
        assert!(at("not recorded yet") < at("icgate: fail"), "{text}");
        assert!(at("icgate: fail") < at("cause: "), "{text}");
    }

    #[test]
    fn a_red_report() {
        insta::assert_snapshot!(plain(&sample()));
    }

    #[test]
    fn a_diff_that_does_not_touch_a_benchmark_is_said_to() {
        let mut report = sample();
        let says = |report: &Report, reach| plain(report).contains(messages::reach(reach));
        for reach in [Reach::Touched, Reach::Reachable, Reach::Unreachable] {
            report.rows[0].reach = Some(reach);
            assert_eq!(says(&report, reach), reach != Reach::Touched);
        }
    }

    #[test]
    fn nothing_from_outside_is_obeyed() {
        let mut report = sample();
        report.warn(Note::new("{}", &[&"a\nwarning\x1b[2J"]));
        report.rows[0].culprits[0].name = "f\r::error::x".into();
        for row in &mut report.rows {
            row.reason = Some("why\n::stop-commands::x\u{202e}".to_owned());
        }
        report.failed.push(Failed {
            id: "a/b/c".parse().unwrap(),
            why: "it printed\n::error::y\x07".to_owned(),
        });
        let text = plain(&report);
        assert!(
            text.lines()
                .all(|line| !line.trim_start().starts_with("::")),
            "{text}"
        );
        assert!(
            text.chars().all(|c| c == '\n' || !c.is_control()),
            "{text:?}"
        );
        assert!(!text.contains('\u{202e}'));
    }

    #[test]
    fn colours_change_nothing_but_colour() {
        let coloured = render(&sample(), Colour::Ansi, Verbosity::Normal);
        let mut bare = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, after)) = rest.split_once("\x1b[") {
            bare.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        bare.push_str(rest);
        assert_eq!(bare, plain(&sample()));
    }
}
