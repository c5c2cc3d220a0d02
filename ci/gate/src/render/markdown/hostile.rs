//! Names that want to be markup, through a real renderer of GitHub-flavoured Markdown.
//!
//! What a renderer sees as text may become a mention, a reference or a link on GitHub; what it sees
//! as code may not. So the promise is: of all that comes from outside, nothing is seen outside of
//! code.

use std::collections::BTreeSet;

use comrak::nodes::{AstNode, NodeValue};
use comrak::{Arena, Options, parse_document};
use proptest::prelude::*;

use super::*;
use crate::model::environment::EnvironmentDifference;
use crate::model::note::Note;
use crate::model::run::Failed;
use crate::report::history::tests::sample as sample_history;
use crate::report::proven::{CauseProof, ProvenPart, RowProof};
use crate::report::tests::sample;

/// The mark by which a hostile text is known again.
const MARK: &str = "ZQ";

/// Texts that would be something else than text, if they were let.
const CORPUS: [&str; 32] = [
    "ZQ @octocat ZQ",
    "ZQ #1 ZQ",
    "ZQ GH-1 owner/repo#1 ZQ",
    "ZQ 0123456789abcdef0123456789abcdef01234567 ZQ",
    "ZQ https://evil.example/ ZQ",
    "ZQ www.evil.example ZQ",
    "ZQ a@evil.example ZQ",
    "ZQ [click](https://evil.example) ZQ",
    "ZQ ![i](https://evil.example/x.png) ZQ",
    "ZQ <img src=x onerror=alert(1)> ZQ",
    "ZQ <script>alert(1)</script> ZQ",
    "ZQ </details></sub> ZQ",
    "ZQ <!-- icgate:v1 key=x --> ZQ",
    "ZQ `code` @octocat ZQ",
    "ZQ ``two`` @octocat ZQ",
    "` ZQ @octocat ZQ `",
    "ZQ ` | ` ZQ @octocat",
    "ZQ | ZQ | @octocat |",
    "ZQ \\| ZQ \\` @octocat",
    "ZQ \\",
    "ZQ\n\n# heading ZQ",
    "ZQ\r\n> quote ZQ",
    "ZQ\n```\nfence ZQ",
    "ZQ **bold** _it_ ~~no~~ ZQ",
    "ZQ $x$ $$y$$ ZQ",
    "ZQ [^1] [ref] :smile: ZQ",
    "- [ ] ZQ task",
    "ZQ &lt;b&gt; &amp; &#64;octocat ZQ",
    "ZQ \u{202e}desrever\u{202c} \u{200b} ZQ",
    "ZQ \0 \u{1b}[2J ZQ",
    "ZQ \u{2028}@octocat ZQ",
    "  ZQ  ",
];

/// The corpus, and runs of backticks of every length: a renderer knows fences up to some length
/// (cmark-gfm and comrak: 80), and what stands between longer ones is markup.
fn corpus() -> Vec<String> {
    let mut corpus: Vec<String> = CORPUS.map(str::to_owned).into();
    for count in 1..=200 {
        let ticks = "`".repeat(count);
        corpus.push(format!("ZQ {ticks} @octocat ![i](//e) {ticks}"));
        corpus.push(format!(
            "{}ZQ @octocat #1 <img src=x>{ticks}",
            &ticks[..count / 2]
        ));
        corpus.push(format!("ZQ {ticks} | @octocat\n# [x](//e) {ticks}"));
    }
    corpus
}

/// A report that says `text` wherever it can.
fn report_saying(text: &str) -> Report {
    let mut report = sample();
    assert!(report.main_cause.is_some());
    report.remember(&sample_history());
    report.base = text.to_owned();
    report.warn(Note::new("{}", &[&text]));
    report.failed.push(Failed {
        id: "a/b/c".parse().unwrap(),
        why: text.to_owned(),
    });
    report.environment_differences.push(EnvironmentDifference {
        field: "rustc",
        base: text.to_owned(),
        head: text.to_owned(),
    });
    for field in [
        &mut report.environment.rustc,
        &mut report.environment.valgrind,
        &mut report.environment.libc,
        &mut report.environment.target,
    ] {
        text.clone_into(field);
    }
    text.clone_into(&mut report.commands.check);
    text.clone_into(&mut report.commands.update);
    if let Some(cause) = &mut report.main_cause {
        cause.name = text.into();
        cause.file = text.into();
        cause.caller = Some(text.into());
    }
    for row in &mut report.rows {
        row.reason = Some(text.to_owned());
        row.proof = Some(RowProof {
            cause: CauseProof::Disproven,
            parts: vec![ProvenPart {
                file: text.into(),
                line: 1,
                with: 1,
                adds: 1,
                left: 0,
            }],
            interaction: Some(1),
        });
        for culprit in &mut row.culprits {
            culprit.name = text.into();
            culprit.file = text.into();
            culprit.caller = Some(text.into());
        }
        for function in &mut row.attribution.functions {
            function.name = text.into();
            function.file = text.into();
            function.caller = Some(text.into());
            function.moved_with = Some(text.into());
            function.moved = 1;
        }
    }
    report
}

fn options() -> Options<'static> {
    let mut options = Options::default();
    let extension = &mut options.extension;
    extension.table = true;
    extension.strikethrough = true;
    extension.autolink = true;
    extension.tasklist = true;
    extension.footnotes = true;
    extension.alerts = true;
    extension.math_dollars = true;
    options
}

/// What a renderer sees in a comment.
#[derive(Debug, Default)]
struct Seen {
    /// The kinds of nodes.
    kinds: BTreeSet<&'static str>,
    /// The HTML of the comment itself.
    html: BTreeSet<String>,
    /// All that is shown as text.
    text: String,
    /// All that is shown as code.
    code: String,
    /// The number of cells of each table's rows.
    tables: Vec<BTreeSet<usize>>,
}

fn seen(markdown: &str) -> Seen {
    let arena = Arena::new();
    let mut seen = Seen::default();
    collect(parse_document(&arena, markdown, &options()), &mut seen);
    seen
}

fn collect<'a>(node: &'a AstNode<'a>, seen: &mut Seen) {
    match &node.data.borrow().value {
        NodeValue::Text(text) => seen.text.push_str(text),
        NodeValue::Code(code) => seen.code.push_str(&code.literal),
        NodeValue::HtmlInline(html) => drop(seen.html.insert(html.clone())),
        NodeValue::HtmlBlock(block) => drop(seen.html.insert(block.literal.trim().to_owned())),
        NodeValue::Table(_) => {
            let cells = node.children().map(|row| row.children().count());
            seen.tables.push(cells.collect());
        }
        other => drop(seen.kinds.insert(other.xml_node_name())),
    }
    for child in node.children() {
        collect(child, seen);
    }
}

/// What a comment is made of when nobody tries anything.
fn harmless() -> Seen {
    seen(&render(&report_saying("harmless")))
}

#[test]
fn nothing_from_outside_becomes_markup() {
    let harmless = harmless();
    for text in corpus() {
        let markdown = render(&report_saying(&text));
        let seen = seen(&markdown);
        assert_eq!(seen.kinds, harmless.kinds, "{text:?} in {markdown}");
        assert_eq!(seen.html, harmless.html, "{text:?} in {markdown}");
        assert_eq!(seen.tables, harmless.tables, "{text:?} in {markdown}");
        assert_eq!(seen.text, harmless.text, "{text:?} in {markdown}");
        assert!(seen.code.contains(MARK), "{text:?} is shown");
    }
}

#[test]
fn a_comment_has_no_text_that_github_would_link() {
    let harmless = harmless();
    for sign in ["@", "http", "www.", "GH-", "#"] {
        assert!(!harmless.text.contains(sign), "{sign} in {}", harmless.text);
    }
    let kinds: Vec<&str> = harmless.kinds.iter().copied().collect();
    for linked in ["link", "image", "footnote_reference", "math"] {
        assert!(!kinds.contains(&linked), "{kinds:?}");
    }
    let tags: Vec<&str> = harmless
        .html
        .iter()
        .map(|it| it.split('>').next().unwrap())
        .collect();
    assert!(!tags.is_empty());
    for tag in tags {
        assert!(
            ["<br", "<sub", "</sub", "<details", "</details"].contains(&tag),
            "{tag}"
        );
    }
}

#[test]
fn a_benchmark_s_id_is_text_as_well() {
    for id in [
        "a/<img/src=x>",
        "a/`@octocat`",
        "a/||",
        "a/[x](y)",
        "a/#1@octocat",
        "a/&lt;b&gt;",
        "a/$x$",
        "a/';curl|sh;'",
    ] {
        let renamed = |id: &str| {
            let mut report = report_saying("harmless");
            for row in &mut report.rows {
                row.id = id.parse().unwrap();
                row.other_name = Some(id.parse().unwrap());
            }
            report.failed[0].id = id.parse().unwrap();
            seen(&render(&report))
        };
        let (seen, harmless) = (renamed(id), renamed("a/b"));
        assert_eq!(
            (seen.kinds, seen.html),
            (harmless.kinds, harmless.html),
            "{id}"
        );
        assert_eq!(
            (seen.tables, seen.text),
            (harmless.tables, harmless.text),
            "{id}"
        );
    }
}

proptest! {
    #[test]
    fn any_name_is_one_piece_of_code_in_one_cell(
        parts in prop::collection::vec(prop::sample::select(vec![
            "`", "``", "|", "\\", "<", ">", "@a", "#1", "[", "](", ")", "*", "_", "$", "&", ";",
            "\n", "\r", "\u{202e}", " ", "x", "https://e.example", "<!--", "-->", "~", ":",
        ]), 0..12),
        ticks in prop::collection::vec(1..=200_usize, 0..3),
    ) {
        let mut parts: Vec<String> = parts.into_iter().map(str::to_owned).collect();
        for (at, count) in ticks.into_iter().enumerate() {
            parts.insert((at * 5).min(parts.len()), "`".repeat(count));
        }
        let name = parts.concat();
        let markdown = format!("| a | b |\n|---|---|\n| {} | t |\n\n{}\n", code(&name), code(&name));
        let seen = seen(&markdown);
        prop_assert_eq!(&seen.text, "abt", "{}", markdown);
        prop_assert_eq!(&seen.tables, &vec![BTreeSet::from([2])], "{}", markdown);
        prop_assert!(seen.html.is_empty(), "{}", markdown);
    }
}
