//! Pictures of a report, for the README:
//! `cargo run -p icgate --example pictures -- report.md report.html DIRECTORY`.
//!
//! The comment goes through a renderer of GitHub-flavoured Markdown first and gets a style like
//! GitHub's. Each picture is taken in light and in dark.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use comrak::{Options, markdown_to_html};

#[path = "../tests/browser/chromium.rs"]
#[expect(dead_code, reason = "the browser's tests use the rest of it")]
mod chromium;

use chromium::Chromium;

/// Widths of GitHub's comment column, and of a window.
const COMMENT_WIDTH: u32 = 1_012;
const PAGE_WIDTH: u32 = 1_240;
/// The page goes on; this much shows the verdict, a flamegraph and a source.
const PAGE_HEIGHT: u32 = 1_300;

const STYLE: &str = "
:root { color-scheme: light dark; --page: #fff; --ink: #1f2328; --line: #d1d9e0; --span: #818b981f; --row: #f6f8fa; }
@media (prefers-color-scheme: dark) { :root { --page: #0d1117; --ink: #f0f6fc; --line: #3d444d; --span: #656c7633; --row: #151b23; } }
body { margin: 0; padding: 16px; background: var(--page); color: var(--ink); font: 14px/1.5 'DejaVu Sans', sans-serif; }
h3 { font-size: 1.25em; margin: 0 0 16px; }
table { border-collapse: collapse; display: block; overflow: auto; margin-bottom: 16px; font-size: .85em; }
th, td { padding: 6px 10px; border: 1px solid var(--line); }
tr:nth-child(2n) { background: var(--row); }
code { font: 85% 'DejaVu Sans Mono', monospace; background: var(--span); padding: .2em .4em; border-radius: 6px; overflow-wrap: anywhere; }
td:first-child code { white-space: nowrap; }
sub { font-size: .75em; }
summary { margin-bottom: 8px; }
";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [comment, page, directory] = arguments.as_slice() else {
        return Err("report.md, report.html and a DIRECTORY are wanted".into());
    };
    let program = chromium::find().ok_or("there is no chromium on PATH: `.ci/setup browser`")?;
    let mut browser = Chromium::start(&program);
    let scratch = tempfile::tempdir()?;
    let rendered = scratch.path().join("comment.html");
    fs::write(&rendered, rendered_comment(&fs::read_to_string(comment)?))?;
    let page = page.canonicalize()?;
    for scheme in ["light", "dark"] {
        let mut take = |name: &str, from: &Path, width: u32, height: Option<u32>| {
            browser.look(width, 800, 1.5, scheme);
            browser.open(from);
            let whole = browser
                .eval("document.documentElement.scrollHeight")
                .as_u64();
            let whole = whole.and_then(|it| u32::try_from(it).ok()).unwrap_or(800);
            let path = directory.join(format!("{name}-{scheme}.png"));
            browser.picture(&path, width, height.map_or(whole, |most| whole.min(most)));
            println!("{}", path.display());
        };
        take("comment", &rendered, COMMENT_WIDTH, None);
        take("report", &page, PAGE_WIDTH, Some(PAGE_HEIGHT));
    }
    Ok(())
}

/// The comment as GitHub would show it.
fn rendered_comment(markdown: &str) -> String {
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.strikethrough = true;
    options.extension.autolink = true;
    // The comment's own `<details>` and `<sub>`; names cannot bring any.
    options.render.r#unsafe = true;
    let body = markdown_to_html(markdown, &options);
    format!("<!DOCTYPE html><meta charset=\"utf-8\"><style>{STYLE}</style>{body}")
}
