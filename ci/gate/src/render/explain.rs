//! An explanation for a terminal, of 80 columns if it has to be.
//!
//! ```text
//! kv/get/hit: 138,176 instructions, +30,000 (+27.72 %) against 1a2b3c4
//!
//!  instructions    share        change  function
//!        79,078   57.2 %       +10,000  engine::map::Map::with
//! ```
//!
//! Names that are too long lose their outer modules; lines of source their end, and what all of an
//! excerpt are indented by. A wider terminal shows more of both.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use crate::model::escape::escaped;
use crate::render::messages;
use crate::render::number::{grouped, percent, signed};
use crate::render::text::Colour;
use crate::render::truncate::{self, cut, tail};
use crate::report::change;
use crate::report::explain::{Call, Closely, Explanation, Function, Line};

/// How a terminal shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether there are colours.
    pub colour: Colour,
    /// How many columns there are.
    pub width: usize,
}

impl Look {
    /// With fewer columns nothing would be left of the names.
    const WIDTH_MIN: usize = 60;
    /// Lines that are longer are hard to read.
    const WIDTH_MAX: usize = 140;

    fn width(self) -> usize {
        self.width.clamp(Self::WIDTH_MIN, Self::WIDTH_MAX)
    }
}

/// At most this many functions are listed.
const ROWS_MAX: usize = 15;
/// A function below one part in this many is not listed, unless it moved.
const SHARE: u64 = 1_000;

const BOLD: &str = "1";
const FAINT: &str = "2";
const WORSE: &str = "31";
const BETTER: &str = "32";
const PLACE: &str = "4";

/// The explanation as lines of text, ending in a line break.
#[must_use]
pub fn render(explanation: &Explanation, look: Look) -> String {
    let mut text = String::new();
    head(&mut text, explanation, look.colour);
    table(&mut text, explanation, look);
    for closely in &explanation.closely {
        text.push('\n');
        look_closely(&mut text, closely, look);
    }
    text
}

/// The explanation for programs.
#[must_use]
pub fn json(explanation: &Explanation) -> String {
    super::json(explanation)
}

fn head(text: &mut String, explanation: &Explanation, colour: Colour) {
    let id = colour.paint(BOLD, &escaped(explanation.id.as_str()));
    let head = explanation.instructions;
    let _ = write!(text, "{id}: {} instructions", grouped(head));
    if let Some((base, said)) = &explanation.base {
        let said = escaped(said);
        let difference = i128::from(head) - i128::from(*base);
        match change(*base, head) {
            Some(0) => {
                let _ = write!(text, "\nas many as in {said}");
            }
            share => {
                let share = share.map_or_else(String::new, |it| format!(" ({})", percent(it)));
                let moved = moved(
                    difference,
                    &format!("{}{share}", signed(difference)),
                    colour,
                );
                let _ = write!(text, ", {moved}\nagainst {said}");
            }
        }
    }
    text.push('\n');
    if let Some(reach) = explanation.reach {
        let _ = writeln!(text, "{}", messages::reach(reach));
    }
}

fn table(text: &mut String, explanation: &Explanation, look: Look) {
    let colour = look.colour;
    let has_base = explanation.base.is_some();
    let title = if has_base { "        change" } else { "" };
    let _ = writeln!(
        text,
        "\n{}",
        colour.paint(FAINT, &format!(" instructions    share{title}  function"))
    );
    let total = explanation.instructions.max(1);
    let is_listed = |function: &&Function| {
        function.difference() != 0 || function.cost.instructions >= total / SHARE
    };
    let listed: Vec<&Function> = explanation.functions.iter().filter(is_listed).collect();
    let moved_first = |function: &&&Function| function.difference() != 0;
    let shown = |function: &&Function, place: usize| place < ROWS_MAX || moved_first(&function);
    let mut rest = explanation.functions.len();
    for (place, function) in listed.iter().enumerate() {
        if !shown(function, place) || place >= 2 * ROWS_MAX {
            continue;
        }
        rest -= 1;
        let cost = &function.cost;
        let share = format!("{} %", tenths(cost.instructions, total));
        let _ = write!(text, " {:>12}  {share:>7}", grouped(cost.instructions));
        if has_base {
            text.push_str(&change_column(function.difference(), 14, colour));
        }
        let used = if has_base { 38 } else { 24 };
        let name = truncate::function(&cost.name, cost.caller.as_deref(), look.width() - used);
        let _ = writeln!(text, "  {name}");
    }
    if rest > 0 {
        let _ = writeln!(
            text,
            " {}",
            colour.paint(
                FAINT,
                &format!("and {} more", messages::plural(rest, "function"))
            )
        );
    }
}

/// Parts of a whole in per cent, with one decimal.
fn tenths(part: u64, whole: u64) -> String {
    let tenths = u128::from(part) * 1_000 / u128::from(whole);
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn look_closely(text: &mut String, closely: &Closely, look: Look) {
    let Closely { function, .. } = closely;
    let (cost, colour, width) = (&function.cost, look.colour, look.width());
    let name = truncate::function(&cost.name, cost.caller.as_deref(), width);
    let _ = writeln!(text, "{}", colour.paint(BOLD, &name));
    let plain = |text: String| (text.clone(), text);
    let mut facts = vec![plain(format!(
        "{} instructions",
        grouped(cost.instructions)
    ))];
    match (&function.change, cost.calls) {
        (Some(it), _) => {
            let difference = it.difference();
            let number = signed(difference);
            facts.push((number.clone(), moved(difference, &number, colour)));
            facts.push(plain(tail(&messages::kind(it, str::to_owned), width)));
        }
        (None, Some(1)) => facts.push(plain("one call".to_owned())),
        (None, Some(calls)) => facts.push(plain(format!("{} calls", grouped(calls)))),
        (None, None) => facts.push(plain("inlined".to_owned())),
    }
    let _ = writeln!(text, "{}", in_lines(&facts, width));
    for (what, calls) in [("called by", &closely.callers), ("calls", &closely.callees)] {
        for (place, call) in calls.iter().enumerate() {
            let what = if place == 0 { what } else { "" };
            let _ = writeln!(text, "  {}", neighbour(what, call, look));
        }
    }
    let columns = Columns::of(closely, width);
    let mut before: Option<&Line> = None;
    for line in &closely.lines {
        if before.is_none_or(|before| before.file != line.file) {
            let _ = writeln!(text, "\n{}", colour.paint(PLACE, &tail(&line.file, width)));
        } else if before.is_some_and(|before| before.line + 1 != line.line) {
            let gap = format!("{:>1$}", "⋯", columns.number + 2);
            let _ = writeln!(text, "{}", colour.paint(FAINT, &gap));
        }
        columns.push(text, line, colour);
        before = Some(line);
    }
}

/// Facts with dots between them, in lines of the terminal's width. Each is given without colours,
/// which take no columns, and as it is shown.
fn in_lines(facts: &[(String, String)], columns: usize) -> String {
    let mut text = String::new();
    let mut used = 0;
    for (plain, shown) in facts {
        let width = plain.width();
        if used > 0 && used + 3 + width > columns {
            text.push('\n');
            used = 0;
        } else if used > 0 {
            text.push_str(" · ");
            used += 3;
        }
        text.push_str(shown);
        used += width;
    }
    text
}

/// `called by  engine::encode   frame.rs:95   1,000×   206,000`.
fn neighbour(what: &str, call: &Call, look: Look) -> String {
    let colour = look.colour;
    let calls = call
        .calls
        .map_or_else(|| "inlined".to_owned(), |it| format!("{}×", grouped(it)));
    let line = call.line.as_ref().map_or_else(String::new, |(file, line)| {
        let file = file.rsplit('/').next().unwrap_or(file);
        format!("{}:{line}", escaped(file))
    });
    let numbers = format!("{calls:>10} {:>12}", grouped(call.instructions));
    let room = look.width() - 2 - 11 - numbers.width() - 2;
    let line = tail(&line, room / 2);
    let name = truncate::path(&call.name, room - line.width() - 1);
    let gap = " ".repeat(room - name.width() - line.width());
    let what = colour.paint(FAINT, &format!("{what:<11}"));
    format!("{what}{name}{gap}{}  {numbers}", colour.paint(PLACE, &line))
}

/// The columns of annotated lines, no wider than what stands in them.
struct Columns {
    number: usize,
    count: usize,
    change: usize,
    /// By how much all lines are indented.
    indent: usize,
    source: usize,
}

impl Columns {
    fn of(closely: &Closely, width: usize) -> Self {
        let widest = |of: &dyn Fn(&Line) -> usize| closely.lines.iter().map(of).max().unwrap_or(0);
        let number = widest(&|it| it.line.to_string().width());
        let count = widest(&|it| it.instructions.map_or(0, |it| grouped(it).width()));
        let moved = |it: &Line| it.change.filter(|it| *it != 0);
        let change = widest(&|it| moved(it).map_or(0, |it| signed(it).width() + 2));
        let texts = closely.lines.iter().filter_map(|it| it.text.as_deref());
        let texts = texts.map(spaced).filter(|it| !it.trim().is_empty());
        let indent = texts
            .map(|it| it.len() - it.trim_start_matches(' ').len())
            .min();
        Self {
            number,
            count,
            change,
            indent: indent.unwrap_or(0),
            source: width - (2 + number + 2 + count + change + 3),
        }
    }

    /// A line of source behind its number, its count and what it gained.
    fn push(&self, text: &mut String, line: &Line, colour: Colour) {
        let mark = if line.in_diff { "+" } else { " " };
        let count = line.instructions.map_or_else(String::new, grouped);
        let (number, wide) = (self.number, self.count);
        let _ = write!(text, "{mark} {:>number$}  {count:>wide$}", line.line);
        text.push_str(&change_column(
            line.change.unwrap_or(0),
            self.change,
            colour,
        ));
        let source = escaped(&spaced(line.text.as_deref().unwrap_or_default()));
        let source = cut(source.get(self.indent..).unwrap_or_default(), self.source);
        let painted = if line.in_diff {
            colour.paint(BOLD, &source)
        } else {
            source
        };
        let _ = writeln!(text, "{}", format!(" │ {painted}").trim_end());
    }
}

/// A line with its tabs as spaces.
fn spaced(line: &str) -> String {
    line.replace('\t', "    ")
}

/// A difference in a column; nothing for none.
fn change_column(difference: i128, width: usize, colour: Colour) -> String {
    if difference == 0 {
        return " ".repeat(width);
    }
    let number = signed(difference);
    let gap = " ".repeat(width.saturating_sub(number.width()));
    format!("{gap}{}", moved(difference, &number, colour))
}

fn moved(difference: i128, text: &str, colour: Colour) -> String {
    match difference.signum() {
        1 => colour.paint(WORSE, text),
        -1 => colour.paint(BETTER, text),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;
    use crate::report::explain::explain;
    use crate::report::explain::tests::Sample;

    const WIDTH: usize = 80;
    const PLAIN: Look = Look {
        colour: Colour::None,
        width: WIDTH,
    };
    const COLOURED: Look = Look {
        colour: Colour::Ansi,
        width: WIDTH,
    };

    fn columns(text: &str) -> usize {
        text.lines().map(UnicodeWidthStr::width).max().unwrap_or(0)
    }

    #[test]
    fn a_benchmark_that_got_worse() {
        let sample = Sample::new();
        let text = render(&explain(sample.known()), PLAIN);
        assert!(columns(&text) <= WIDTH, "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_benchmark_with_base_s_lines() {
        let sample = Sample::new();
        let known = sample.with_base_run();
        insta::assert_snapshot!(render(&explain(known), PLAIN));
    }

    #[test]
    fn a_benchmark_by_itself() {
        let sample = Sample::new();
        let mut known = sample.known();
        known.base = None;
        insta::assert_snapshot!(render(&explain(known), PLAIN));
    }

    #[test]
    fn a_wider_terminal_shows_more_and_a_narrow_one_no_less_than_can_be_read() {
        let sample = Sample::new();
        let explanation = explain(sample.known());
        let shown = |width| {
            let look = Look { width, ..PLAIN };
            columns(&render(&explanation, look))
        };
        assert_eq!(shown(0), shown(60));
        assert!(shown(60) <= 60 && shown(80) > 60 && shown(120) > 80);
        assert!(shown(1_000) <= Look::WIDTH_MAX);
    }

    #[test]
    fn long_and_hostile_names_stay_in_their_columns() {
        let mut sample = Sample::new();
        sample.rename(&format!("{}\x1b[2J\n漢字::end", "long::".repeat(30)));
        for known in [sample.known(), sample.with_base_run()] {
            let text = render(&explain(known), PLAIN);
            assert!(columns(&text) <= WIDTH, "{text}");
            assert!(text.contains("::end"), "{text}");
            assert!(
                text.chars().all(|c| c == '\n' || !c.is_control()),
                "{text:?}"
            );
        }
    }

    #[test]
    fn colours_change_nothing_but_colour() {
        let sample = Sample::new();
        let explanation = explain(sample.with_base_run());
        let coloured = render(&explanation, COLOURED);
        assert!(coloured.contains("\x1b["));
        let mut plain = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, after)) = rest.split_once("\x1b[") {
            plain.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        plain.push_str(rest);
        assert_eq!(plain, render(&explanation, PLAIN));
    }
}
