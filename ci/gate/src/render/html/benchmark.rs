//! One benchmark on the page: a group of two rows, its summary and its details.

use maud::{Markup, PreEscaped, html};

use super::{chart, flamegraph, split};
use crate::attribute::{Culprit, FunctionChange};
use crate::judge::{Outcome, Verdict};
use crate::model::bench_id::BenchId;
use crate::model::escape::escaped;
use crate::model::metric::Metric;
use crate::render::messages;
use crate::render::number::{grouped, percent, signed};
use crate::report::detail::{Detail, Excerpt, Grouping};
use crate::report::{Report, Row};

/// Columns of the table, which a row of details spans.
const COLUMNS: usize = 8;
/// Functions of a difference that are listed.
const FUNCTIONS_MAX: usize = 12;
/// Steps of a trend that are listed, the newest ones; of a benchmark that did not move, fewer.
const STEPS_MAX: usize = 8;
const STEPS_UNCHANGED_MAX: usize = 3;
/// A line of source is cut after this many characters.
const LINE_CHARS_MAX: usize = 160;

pub(super) fn count(count: Option<u64>) -> String {
    count.map_or_else(|| "–".to_owned(), grouped)
}

fn class(row: &Row) -> &'static str {
    match row.outcome {
        Outcome::Regressed | Outcome::NotComparable | Outcome::NotMeasured => "fail",
        Outcome::BaselineOutOfDate => "step",
        Outcome::Pass => "pass",
    }
}

/// The cell that names a benchmark and opens its details.
pub(super) fn opener(id: &BenchId, index: usize) -> Markup {
    html! {
        th scope="row" class="id" {
            button type="button" class="open" aria-expanded="false"
                aria-controls=(format!("detail-{index}")) { (id) }
        }
    }
}

/// The row with the details, shut.
pub(super) fn detail_row(index: usize, panels: &Markup) -> Markup {
    html! {
        tr class="detail" id=(format!("detail-{index}")) hidden { td colspan=(COLUMNS) {
            div class="panels" { (panels) }
        } }
    }
}

/// The summary row. The group stays open: [`details`] ends it, and so may whatever follows it.
pub(super) fn summary(report: &Report, row: &Row, index: usize) -> Markup {
    html! {
        (PreEscaped(format!("<tbody id=\"benchmark-{index}\" class=\"{}\">", class(row))))
        tr class="summary" {
            (opener(&row.id, index))
            td class="verdict" data-v=(index) { span class="word" { (messages::verdict(row)) } }
            td class="base" data-v=[row.base] { (count(row.base)) }
            td class="head" data-v=[row.head] { (count(row.head)) }
            td class="change" data-v=[row.change] {
                (row.change.map_or_else(|| "–".to_owned(), percent))
            }
            td class="limit" data-v=(row.limit) { (row.limit_share()) }
            td class="trend" {
                @if let Some(trend) = &row.trend { (chart::small(trend, row.head)) }
            }
            td class="cause" { (cause(report, row)) }
        }
    }
}

/// A function, and where to look at it.
pub(super) fn culprit(report: &Report, culprit: &Culprit) -> Markup {
    html! {
        code { (messages::function(&culprit.name, culprit.caller.as_deref())) }
        " " (place(report, culprit))
    }
}

/// `file:line`, as a link if head's commit can be seen somewhere.
fn place(report: &Report, culprit: &Culprit) -> Markup {
    let place = messages::place(culprit);
    html! {
        @match report.link(culprit) {
            Some(link) => a class="place" href=(link) rel="noreferrer" { (place) },
            None => span class="place" { (place) },
        }
    }
}

fn cause(report: &Report, row: &Row) -> Markup {
    let culprit = row.culprits.first().filter(|_| row.has_moved());
    html! {
        @if let Some(meaning) = messages::meaning(row) { div { (meaning) } }
        @if let Some(culprit) = culprit {
            div { (self::culprit(report, culprit)) }
        }
        @if let Some(proof) = messages::proof(row, str::to_owned) { div { (proof) } }
    }
}

/// The row with the details.
pub(super) fn details(report: &Report, row: &Row, detail: Option<&Detail>, index: usize) -> Markup {
    detail_row(
        index,
        &html! {
                    (why(report, row))
                    @if let Some(detail) = detail.filter(|it| !it.stacks.is_empty()) {
                        (flame(row, detail))
                    }
                    (functions(row))
                    @for excerpt in detail.iter().flat_map(|it| &it.excerpts) {
                        (source(&report.prefix, excerpt))
                    }
                    (history(row))
                    @if let Some(detail) = detail { (spent(detail)) }
                    (metrics(row))
        },
    )
}

/// Why it moved, in whole sentences.
fn why(report: &Report, row: &Row) -> Markup {
    if !row.has_moved() {
        return html! {};
    }
    html! {
        section class="wide" {
            h3 { "Why it moved" }
            ul class="why" {
                @if let Some(meaning) = messages::meaning(row) { li { (meaning) } }
                @for culprit in &row.culprits {
                    li {
                        code { (messages::culprit(row, culprit)) }
                        @if !messages::place(culprit).is_empty() {
                            " at " span class="place" { (report.prefix) } (place(report, culprit))
                            @if culprit.in_diff { " (changed here)" }
                        }
                    }
                }
                @if let Some(reach) = row.reach { li { (messages::reach(reach)) } }
            }
        }
    }
}

fn flame(row: &Row, detail: &Detail) -> Markup {
    let Some(drawn) = flamegraph::draw(row.id.as_str(), &detail.stacks) else {
        return html! {};
    };
    let view = format!("0 {} 1000 {}", drawn.top, drawn.height);
    html! {
        section class="wide" {
            h3 { "Flamegraph of the difference" }
            p class="note" {
                "Width: instructions in head. " span class="grew" { "Red" } ": costs more by itself, "
                "without what it calls. " span class="shrank" { "Blue" } ": less. "
                @match detail.grouping {
                    Grouping::Calls => "Each frame calls those below it; inlined functions have \
                        frames, too. ",
                    Grouping::Places => "From the top: benchmark, file, function, and what ran \
                        for it. It is grouped by where code stands, not by who called it. ",
                }
                "Click a frame, or use the arrow keys and Enter, to enlarge it; Escape goes back."
            }
            div class="scroll flame" tabindex="0" role="application"
                aria-label=(format!("flamegraph of {}; the functions are listed below", row.id)) {
                svg viewBox=(view) width="1000" height=(drawn.height) data-top=(drawn.top)
                    aria-hidden="true" { (PreEscaped(drawn.frames)) }
            }
            p class="frame" aria-live="polite" {}
        }
    }
}

fn functions(row: &Row) -> Markup {
    let functions = &row.attribution.functions;
    if functions.is_empty() {
        return html! {};
    }
    let named: i128 = functions
        .iter()
        .take(FUNCTIONS_MAX)
        .map(FunctionChange::difference)
        .sum();
    let all: i128 = functions.iter().map(FunctionChange::difference).sum();
    let rest = all - named + row.attribution.other;
    html! {
        section class="wide" {
            h3 { "Functions that moved" }
            div class="scroll" tabindex="0" role="region" aria-label="functions that moved" {
                table class="functions" {
                    thead { tr {
                        th scope="col" { "function" } th scope="col" { "base" }
                        th scope="col" { "head" } th scope="col" { "difference" }
                        th scope="col" class="how" { "how" }
                    } }
                    tbody {
                        @for change in functions.iter().take(FUNCTIONS_MAX) {
                            tr {
                                th scope="row" {
                                    code { (escaped(&messages::function(&change.name, change.caller.as_deref()))) }
                                    " " span class="place" { (escaped(&change.file)) }
                                }
                                td { (grouped(change.base)) }
                                td { (grouped(change.head)) }
                                td class=(if change.difference() > 0 { "grew" } else { "shrank" }) {
                                    (signed(change.difference()))
                                }
                                td class="how" { (messages::kind(change, str::to_owned)) }
                            }
                        }
                        @if rest != 0 {
                            tr { th scope="row" { "all others" } td {} td {} td { (signed(rest)) } td {} }
                        }
                    }
                }
            }
        }
    }
}

fn source(prefix: &str, excerpt: &Excerpt) -> Markup {
    let has_base = excerpt.lines.iter().any(|line| line.base.is_some());
    let counted = |count: Option<u64>| count.filter(|it| *it > 0).map_or_else(String::new, grouped);
    html! {
        section class="wide" {
            @let lines: Vec<String> = excerpt.culprits.iter().map(u32::to_string).collect();
            h3 { "Source: " code { (escaped(prefix)) (escaped(&excerpt.file)) ":" (lines.join(", ")) } }
            div class="scroll" tabindex="0" role="region" aria-label=(format!("source of {}", escaped(&excerpt.file))) {
                table class="source" {
                    thead { tr {
                        @if has_base { th scope="col" { "base" } }
                        th scope="col" { "head" } th scope="col" { "line" }
                        th scope="col" class="text" { "source" }
                    } }
                    tbody { @for line in &excerpt.lines {
                        tr class=[excerpt.culprits.contains(&line.number).then_some("culprit")] {
                            @if has_base { td { (counted(line.base)) } }
                            td { (counted(line.head)) }
                            th scope="row" { (line.number) }
                            td class="text" { code { (cut(&line.text)) } }
                        }
                    } }
                }
            }
        }
    }
}

/// A line of source as it is shown: tabs as spaces, other marks visible, and not too long.
fn cut(line: &str) -> String {
    let line = escaped(&line.replace('\t', "    "));
    match line.char_indices().nth(LINE_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

fn history(row: &Row) -> Markup {
    let Some(trend) = &row.trend else {
        return html! {};
    };
    let mut steps: Vec<_> = trend.steps().collect();
    let most = match row.verdict {
        Verdict::UNCHANGED => STEPS_UNCHANGED_MAX,
        _ => STEPS_MAX,
    };
    let earlier = steps.len().saturating_sub(most);
    let steps = steps.split_off(earlier);
    html! {
        section {
            h3 { "Baselines so far" }
            (chart::large(trend, row.head, most))
            p class="note" { (chart::words(trend)) @if let Some(head) = row.head { "; measured: " (grouped(head)) } }
            ol class="history" {
                @for step in steps.iter().rev() {
                    li {
                        @match (step.before, step.after.instructions) {
                            (Some(before), Some(after)) => { (grouped(before)) " → " (grouped(after)) },
                            (None, Some(after)) => { (grouped(after)) },
                            (_, None) => { "removed" },
                        }
                        @if step.after.rebaselined { " (another measurement environment)" }
                        " " span class="place" {
                            (step.after.commit.date) " "
                            (step.after.commit.hash.get(..10).unwrap_or(&step.after.commit.hash))
                        }
                        " " (step.after.reason.as_ref().unwrap_or(&step.after.commit.subject))
                    }
                }
            }
            @if earlier > 0 { p class="note" { (messages::plural(earlier, "earlier step")) } }
        }
    }
}

fn spent(detail: &Detail) -> Markup {
    if detail.split.is_empty() {
        return html! {};
    }
    let total: u64 = detail.split.iter().map(|it| it.instructions).sum();
    html! {
        section {
            h3 { "Where the instructions go now" }
            (split::bar(&detail.split))
            ul class="shares" {
                @for (index, share) in detail.split.iter().enumerate() {
                    @let part = u128::from(share.instructions) * 1_000 / u128::from(total.max(1));
                    li {
                        span class=(format!("swatch {}", split::colour(index, share))) {}
                        " " (format!("{}.{}", part / 10, part % 10)) " % "
                        @match &share.name {
                            Some(name) => code { (escaped(name)) },
                            None => "everything else",
                        }
                    }
                }
            }
        }
    }
}

fn metrics(row: &Row) -> Markup {
    let is_other = |it: &Metric| *it != Metric::Instructions;
    let moved = row
        .metrics
        .iter()
        .filter(|(metric, (base, head))| is_other(metric) && base != head);
    let others: Vec<_> = moved.collect();
    if others.is_empty() {
        return html! {};
    }
    html! {
        section {
            h3 { "Other counts that moved" }
            p class="note" { "Shown, and judged only where policy says so." }
            table class="metrics" {
                thead { tr {
                    th scope="col" { "metric" } th scope="col" { "base" } th scope="col" { "head" }
                    th scope="col" { "difference" }
                } }
                tbody {
                    @for (metric, (base, head)) in others {
                        tr {
                            th scope="row" { (metric.name().replace('_', " ")) }
                            td { (count(*base)) } td { (count(*head)) }
                            td {
                                @if let (Some(base), Some(head)) = (base, head) {
                                    (signed(i128::from(*head) - i128::from(*base)))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
