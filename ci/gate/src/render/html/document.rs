//! What all pages have: one style and one script of their own, a policy that allows nothing else, and a
//! table whose rows open.

use base64::Engine as _;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::model::note::{Note, Piece};
use crate::render::messages::plural;

/// What all rows and details of a page may take together. With the rest it stays below 5 MB.
pub(super) const BYTES_MAX: usize = 4_700_000;
/// Room that is kept for rows, which matter more than details.
pub(super) const ROWS_BYTES: usize = 1_500_000;

const STYLE: &str = include_str!("style.css");
/// Details are shut until they are asked for. Where nothing can ask, they are open.
const STYLE_WITHOUT_SCRIPT: &str = "tr.detail[hidden] { display: table-row !important; }";
const SCRIPT: &str = include_str!("script.js");

/// A whole page. Its main part holds a [`table`].
pub(super) fn document(title: &str, header: &Markup, main: &Markup) -> String {
    let policy = format!(
        "default-src 'none'; style-src '{}' '{}'; script-src '{}'; base-uri 'none'; \
         form-action 'none'",
        digest(STYLE),
        digest(STYLE_WITHOUT_SCRIPT),
        digest(SCRIPT)
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(STYLE)) }
                noscript { style { (PreEscaped(STYLE_WITHOUT_SCRIPT)) } }
            }
            body {
                a class="skip" href="#benchmarks" { "Skip to the benchmarks" }
                (header)
                main { (main) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// A digest as content security policies want it.
fn digest(text: &str) -> String {
    let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text));
    format!("sha256-{digest}")
}

/// A column of the table.
pub(super) struct Column {
    pub(super) name: &'static str,
    /// `text`, `number`, or nothing where there is no order.
    pub(super) sort: &'static str,
    /// The class of its cells.
    pub(super) class: &'static str,
}

/// A note as a sentence, with what came from elsewhere as code.
pub(super) fn prose(note: &Note) -> Markup {
    html! {
        @for piece in note.pieces() {
            @match piece {
                Piece::Words(words) => { (words) }
                Piece::Argument(text) => { code { (text) } }
            }
        }
    }
}

/// A row with its details behind it.
pub(super) struct Entry {
    /// The beginning of a group, and its summary row. The group stays open.
    pub(super) summary: String,
    /// The row with the details.
    pub(super) detail: String,
}

/// The rows that fit on a page.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fitted {
    pub(super) rows: Vec<String>,
    /// How many details had no room.
    pub(super) details_left_out: usize,
    /// How many rows had none.
    pub(super) rows_left_out: usize,
}

/// What fits into `bytes_max`: first details are left out, from the bottom, then whole rows.
pub(super) fn fit(entries: impl Iterator<Item = Entry>, bytes_max: usize) -> Fitted {
    let mut fitted = Fitted::default();
    let mut bytes = 0;
    for Entry { summary, detail } in entries {
        if bytes + summary.len() > bytes_max {
            fitted.rows_left_out += 1;
            continue;
        }
        let both = summary.len() + detail.len();
        if bytes + both <= bytes_max.saturating_sub(ROWS_BYTES) {
            bytes += both;
            fitted.rows.push(summary + &detail);
        } else {
            bytes += summary.len();
            fitted.details_left_out += 1;
            fitted.rows.push(summary);
        }
    }
    fitted
}

/// What a reader can look for in the table.
pub(super) struct Search<'a> {
    /// What can be typed.
    pub(super) hint: &'static str,
    /// What the words in the rows' `.word` are.
    pub(super) kind: &'static str,
    /// Those that occur.
    pub(super) words: &'a [String],
}

/// The table of benchmarks, with a search above it; `all` is where that is to be had for which there
/// was no room.
pub(super) fn table(columns: &[Column], fitted: &Fitted, search: &Search<'_>, all: &str) -> Markup {
    html! {
        section id="benchmarks" aria-labelledby="benchmarks-title" {
            h2 id="benchmarks-title" { "Benchmarks" }
            div class="controls" role="search" {
                label { "Search " input id="search" type="search" placeholder=(search.hint)
                    autocomplete="off" aria-keyshortcuts="/"; }
                label { (search.kind) " " select id="verdict" {
                    option value="" { "all" }
                    @for word in search.words { option { (word) } }
                } }
                output id="shown" aria-live="polite" { (plural(fitted.rows.len(), "benchmark")) }
            }
            div class="scroll" tabindex="0" role="region" aria-labelledby="benchmarks-title" {
                table id="table" {
                    thead { tr {
                        @for Column { name, sort, class } in columns {
                            @if sort.is_empty() {
                                th scope="col" class=(class) { (name) }
                            } @else {
                                th scope="col" class=(class) data-sort=(sort) aria-sort="none" {
                                    button type="button" { (name) }
                                }
                            }
                        }
                    } }
                    @for row in &fitted.rows { (PreEscaped(row)) }
                }
            }
            @if fitted.details_left_out > 0 {
                p class="warning" { "The details of " (plural(fitted.details_left_out, "benchmark"))
                    " were left out to keep this page small; " (all) " has all." }
            }
            @if fitted.rows_left_out > 0 {
                p class="warning" { (plural(fitted.rows_left_out, "benchmark"))
                    " more had no room here; " (all) " has all." }
            }
        }
    }
}
