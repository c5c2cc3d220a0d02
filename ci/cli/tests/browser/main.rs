//! The page as its readers meet it: in a real Chromium, without a head.
//!
//! `.ci/setup browser` installs one. Where there is none, these tests say so and do nothing.
//! Pictures are left in `target/tmp/`, to be looked at.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod chromium;
mod contrast;
mod pages;

use std::io::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use chromium::Chromium;
use pages::{Names, PLAIN, comment, judged, trends};

/// A browser, or a line that says that there is none.
fn browser() -> Option<Chromium> {
    let Some(program) = chromium::find() else {
        // Not by `eprintln!`, which a test runner keeps to itself.
        let _ = std::io::stderr().write_all(b"skipped: no chromium on PATH; `.ci/setup browser`\n");
        return None;
    };
    Some(Chromium::start(&program))
}

/// A file that stays after the test.
fn output(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn written(name: &str, page: &str) -> PathBuf {
    let path = output(name);
    std::fs::write(&path, page).unwrap();
    path
}

/// What the page complained about, and what it asked of the network.
fn complaints(browser: &mut Chromium) -> Vec<Value> {
    browser.eval("0");
    let is_complaint = |it: &&Value| match it["method"].as_str() {
        Some("Runtime.exceptionThrown" | "Log.entryAdded" | "Page.javascriptDialogOpening") => true,
        Some("Network.requestWillBeSent") => {
            let url = it["params"]["request"]["url"].as_str().unwrap();
            !url.starts_with(&format!("file://{}/", env!("CARGO_TARGET_TMPDIR")))
        }
        _ => false,
    };
    browser
        .events
        .iter()
        .filter(is_complaint)
        .cloned()
        .collect()
}

/// The text of a column of the benchmarks that are shown.
fn column(browser: &mut Chromium, class: &str) -> Vec<String> {
    let rows = browser.eval(&format!(
        "[...document.querySelectorAll('#table > tbody:not([hidden]) > .summary > .{class}')]
            .map((it) => it.textContent)"
    ));
    serde_json::from_value(rows).unwrap()
}

fn count(text: &str) -> u64 {
    text.replace(',', "").parse().unwrap()
}

#[test]
fn a_reader_finds_sorts_and_opens_benchmarks_by_keyboard() {
    let Some(mut browser) = browser() else { return };
    browser.look(1_300, 900, 1.0, "light");
    browser.open(&written("page.html", &judged(60, PLAIN).1));
    assert_eq!(complaints(&mut browser), [Value::Null; 0]);

    // The worst is open already; the others open with Enter.
    let is_open = "[...document.querySelectorAll('tr.detail')].filter((it) => !it.hidden).length";
    assert_eq!(browser.eval(is_open), 1);
    browser.eval("document.querySelectorAll('button.open')[1].focus()");
    browser.press("Enter");
    assert_eq!(browser.eval(is_open), 2);
    let expanded = "document.querySelectorAll('button.open')[1].getAttribute('aria-expanded')";
    assert_eq!(browser.eval(expanded), "true");
    browser.press("Enter");
    assert_eq!(browser.eval(is_open), 1);

    // Sorting, both ways, with the details still under their benchmark.
    let attention = column(&mut browser, "id");
    for (presses, direction) in [(1, "ascending"), (2, "descending")] {
        browser.eval("document.querySelector('thead .head button').focus()");
        browser.press("Enter");
        let heads: Vec<u64> = column(&mut browser, "head")
            .iter()
            .map(|it| count(it))
            .collect();
        let mut sorted = heads.clone();
        sorted.sort_unstable();
        if presses == 2 {
            sorted.reverse();
        }
        assert_eq!(heads, sorted);
        let said = "document.querySelector('thead .head').getAttribute('aria-sort')";
        assert_eq!(browser.eval(said), direction);
    }
    let together = "[...document.querySelectorAll('#table > tbody')].every((it) =>
        it.rows[0].querySelector('button').getAttribute('aria-controls') === it.rows[1].id)";
    assert_eq!(browser.eval(together), true);
    browser.eval("document.querySelector('thead .verdict button').click()");
    assert_eq!(column(&mut browser, "id"), attention);

    // Search: `/` goes there, Escape clears.
    browser.eval("document.activeElement.blur()");
    browser.press("/");
    assert_eq!(browser.eval("document.activeElement.id"), "search");
    browser.call(
        "Input.insertText",
        &json!({"text": "Subject_0007 regressed"}),
    );
    assert_eq!(column(&mut browser, "id"), ["suite/subject_0007/case"]);
    let shown = "document.getElementById('shown').textContent";
    assert_eq!(browser.eval(shown), "1 of 60 benchmarks");
    browser.press("Escape");
    assert_eq!(column(&mut browser, "id").len(), 60);
    browser.eval(
        "document.getElementById('verdict').value = 'improved';
         document.getElementById('verdict').dispatchEvent(new Event('change'))",
    );
    assert_eq!(column(&mut browser, "id").len(), 3);
}

#[test]
fn a_flamegraph_is_walked_by_keyboard() {
    let Some(mut browser) = browser() else { return };
    browser.look(1_300, 900, 1.0, "light");
    browser.open(&written("flame.html", &judged(20, PLAIN).1));
    browser.eval("document.querySelector('.flame').focus()");
    for key in ["ArrowDown", "ArrowDown", "ArrowDown"] {
        browser.press(key);
    }
    let readout = "document.querySelector('.frame').textContent";
    let said = browser.eval(readout).as_str().unwrap().to_owned();
    assert!(said.starts_with("engine::storage::segment_"), "{said}");
    browser.press("ArrowRight");
    assert_ne!(browser.eval(readout), said.as_str());
    browser.press("Enter");
    let width = "document.querySelector('.flame g.current rect').getAttribute('width')";
    assert_eq!(browser.eval(width), "100%");
    browser.press("Escape");
    let hidden = "document.querySelectorAll('.flame')[0].querySelectorAll('g[hidden]').length";
    assert_eq!(browser.eval(hidden), 0);
    assert_eq!(browser.eval(width), "100%", "the whole benchmark again");
    let fits = "[...document.querySelectorAll('.flame g')].slice(0, 60).every((it) =>
        it.querySelector('text').getComputedTextLength() <= it.querySelector('rect').getBBox().width + 1)";
    assert_eq!(browser.eval(fits), true, "no name is wider than its frame");
    let labels = "[...document.querySelectorAll('.flame')[0].querySelectorAll('text')]
        .map((it) => it.textContent).filter((it) => it.startsWith('…'))";
    let labels: Vec<String> = serde_json::from_value(browser.eval(labels)).unwrap();
    assert!(!labels.is_empty());
    for label in labels {
        let end = label.trim_start_matches('…');
        assert!(
            "append".ends_with(end) || label.ends_with("append"),
            "{label}"
        );
    }
}

/// What wants to be more than a name.
const HOSTILE: Names = Names {
    infix: "</code></script><script>window.pwned=1</script><img src=x onerror=pwned=1>\
            <svg onload=pwned=1>\"'><style>*{display:none}</style><a href=//e.example>",
};

#[test]
fn trends_have_a_page_of_the_same_kind() {
    let Some(mut browser) = browser() else { return };
    let page = written("history.html", &trends(60, PLAIN));
    for (name, width, scheme) in LOOKS {
        browser.look(width, 1_400, 1.0, scheme);
        browser.open(&page);
        assert_eq!(complaints(&mut browser), [Value::Null; 0]);
        assert_readable(&mut browser, name);
        browser.picture(&output(&format!("history-{name}.png")), width, 1_400);
    }
    browser.eval(
        "document.getElementById('verdict').value = 'over limit';
         document.getElementById('verdict').dispatchEvent(new Event('change'))",
    );
    // Every third one climbs by twenty thousand eight times.
    assert_eq!(column(&mut browser, "id").len(), 20);
    browser.eval("document.querySelector('thead .change button').click()");
    let marks = "document.querySelectorAll('.detail:not([hidden]) .step title').length";
    assert_eq!(
        browser.eval(marks),
        8,
        "the worst is open, with a mark a step"
    );

    browser.open(&written("history-hostile.html", &trends(3, HOSTILE)));
    assert_eq!(complaints(&mut browser), [Value::Null; 0]);
    assert_eq!(browser.eval("typeof window.pwned"), "undefined");
    assert_eq!(browser.eval("document.images.length"), 0);
}

#[test]
fn names_stay_text() {
    let Some(mut browser) = browser() else { return };
    let (_, page) = judged(20, HOSTILE);
    browser.look(1_300, 900, 1.0, "light");
    browser.open(&written("hostile.html", &page));
    assert_eq!(complaints(&mut browser), [Value::Null; 0]);
    assert_eq!(browser.eval("typeof window.pwned"), "undefined");
    let counts = "[document.scripts.length, document.querySelectorAll('style').length,
        document.images.length, document.querySelectorAll('[href^=\"//\"], [onload], [onerror]').length]";
    assert_eq!(browser.eval(counts), json!([1, 1, 0, 0]));
    let names = column(&mut browser, "cause");
    assert!(
        names[0].contains("<img src=x"),
        "the name is there, as text: {}",
        names[0]
    );
    // The policy stops what would have got through.
    browser.eval(
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=pwned=1>');
         document.body.append(Object.assign(document.createElement('script'), {text: 'pwned=1'}));
         new Promise((done) => setTimeout(done, 50))",
    );
    assert_eq!(browser.eval("typeof window.pwned"), "undefined");
    assert!(!complaints(&mut browser).is_empty(), "and says so");
}

/// How a page is looked at: a name, a width and a colour scheme.
const LOOKS: [(&str, u32, &str); 3] = [
    ("light", 1_300, "light"),
    ("dark", 1_300, "dark"),
    ("narrow", 360, "light"),
];

#[track_caller]
fn assert_readable(browser: &mut Chromium, name: &str) {
    let overflow = "document.documentElement.scrollWidth - innerWidth";
    assert_eq!(
        browser.eval(overflow),
        0,
        "{name}: nothing makes the page scroll sideways"
    );
    let id = "document.querySelector('.summary .id').getBoundingClientRect().width";
    assert!(
        browser.eval(id).as_f64().unwrap() > 120.0,
        "{name}: ids can be read"
    );
    let lowest = browser.eval(contrast::LOWEST);
    let _ = writeln!(std::io::stderr(), "contrast in {name}: at least {lowest}");
    assert!(lowest["ratio"].as_f64().unwrap() >= 4.5, "{name}: {lowest}");
}

#[test]
fn the_page_can_be_read_in_light_in_dark_and_on_a_narrow_screen() {
    let Some(mut browser) = browser() else { return };
    let page = written("look.html", &judged(40, PLAIN).1);
    for (name, width, scheme) in LOOKS {
        browser.look(width, 1_400, 1.0, scheme);
        browser.open(&page);
        assert_readable(&mut browser, name);
        browser.picture(&output(&format!("report-{name}.png")), width, 1_400);
    }
}

#[test]
fn a_screen_reader_gets_names_and_a_table() {
    let Some(mut browser) = browser() else { return };
    browser.look(1_300, 900, 1.0, "light");
    browser.open(&written("tree.html", &judged(20, PLAIN).1));
    let tree = browser.call("Accessibility.getFullAXTree", &json!({}));
    let nodes = tree["nodes"].as_array().unwrap();
    let name = |node: &Value| {
        node["name"]["value"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let of = |role: &str| -> Vec<String> {
        let is = |node: &&Value| node["role"]["value"] == role && node["ignored"] != true;
        nodes.iter().filter(is).map(name).collect()
    };
    for role in [
        "button",
        "searchbox",
        "combobox",
        "region",
        "image",
        "heading",
        "application",
    ] {
        let names = of(role);
        assert!(!names.is_empty(), "there is a {role}");
        assert!(names.iter().all(|it| !it.is_empty()), "{role}: {names:?}");
    }
    assert!(of("searchbox").iter().any(|it| it.starts_with("Search")));
    assert!(of("columnheader").iter().any(|it| it == "change"));
    assert!(
        of("rowheader")
            .iter()
            .any(|it| it.contains("suite/subject_0000/case"))
    );
    assert_eq!(of("main").len(), 1);
}

#[test]
fn a_thousand_benchmarks_stay_small() {
    let (report, page) = judged(1_000, PLAIN);
    assert_eq!(report.rows.len(), 1_000);
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    let Some(mut browser) = browser() else { return };
    let path = written("thousand.html", &page);
    browser.look(1_300, 900, 1.0, "light");
    browser.open(&path);
    assert_eq!(complaints(&mut browser), [Value::Null; 0]);
    assert_eq!(column(&mut browser, "id").len(), 1_000);
    // Shown, not asserted: time is the machine's. `make report-speed` prints it.
    let times = browser.eval(
        "new Promise((done) => requestAnimationFrame(() => setTimeout(() => {
            const it = performance.getEntriesByType('navigation')[0];
            const paint = performance.getEntriesByName('first-contentful-paint')[0];
            done([paint.startTime, it.domInteractive, it.loadEventEnd].map(Math.round));
        }, 100)))",
    );
    let _ = writeln!(
        std::io::stderr(),
        "1,000 benchmarks: {} bytes, painted after {} ms, read after {} ms, all loaded after {} ms",
        page.len(),
        times[0],
        times[1],
        times[2]
    );
}

#[test]
fn a_comment_has_its_marks() {
    let comment = comment(40, PLAIN);
    assert!(comment.len() <= 60_000);
    assert!(
        comment.contains("| `suite/subject_0007/case` |"),
        "{comment}"
    );
}
