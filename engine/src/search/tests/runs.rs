//! What runs have: found by name, attribute, event, cell, key and span, within a run and over all.

use crate::engine::Engine;
use crate::run::{NewRun, NewSpan, Orphans, Outcome, RunId, Runs};
use crate::search::{Query, Search};

fn total(search: &Search, query: &str, run: Option<RunId>) -> usize {
    let query = Query::parse(query).unwrap();
    let query = match run {
        Some(run) => query.run(run),
        None => query,
    };
    let found = search.search(&query).unwrap();
    let is_of = |hit: &crate::search::Hit| run.is_none_or(|run| hit.run() == Some(run));
    assert!(found.hits.iter().all(is_of), "{found:?}");
    found.total
}

fn two_runs() -> (Runs, RunId, RunId) {
    let engine = Engine::in_memory();
    let (runs, _) = Runs::open(&engine, Orphans::Mark).unwrap();
    let new = NewRun::named("nightly crawl")
        .tag("urgent")
        .metadata("model", "large");
    let one = runs.begin(&new).unwrap();
    let other = runs.begin(&NewRun::named("nightly")).unwrap();
    (runs, one, other)
}

#[test]
fn all_that_a_run_has_is_found_once_it_is_written() {
    let (runs, one, other) = two_runs();
    let search = Search::over_runs(&runs).unwrap();
    runs.append(one, "tool.call", b"the search timed out")
        .unwrap();
    runs.append(other, "tool.result", b"nothing \xff found")
        .unwrap();
    runs.set_cell(one, "state", b"waiting for input").unwrap();
    runs.put(one, b"notes/plan", b"read the manual").unwrap();
    let span = NewSpan::named("fetch page")
        .attribute("url", "example org")
        .attribute("tries", 17_i64);
    let span = runs.start_span(one, &span).unwrap();
    for (query, both, first) in [
        ("nightly", 2, 1),
        ("name:crawl urgent large", 1, 1),
        ("name:tool", 2, 1),
        ("\"timed out\"", 1, 1),
        ("found", 1, 0),
        ("key:state wait*", 1, 1),
        ("key:plan manual", 1, 1),
        ("name:\"fetch page\" attribute:\"url example\"", 1, 1),
        ("attribute:17", 1, 1),
        ("value:urgent", 0, 0),
        // Attributes are texts of their own.
        ("\"org tries\"", 0, 0),
        ("\"17 url\"", 0, 0),
    ] {
        assert_eq!(total(&search, query, None), both, "{query}");
        assert_eq!(total(&search, query, Some(one)), first, "{query} in one");
    }
    // The newest value alone.
    runs.set_cell(one, "state", b"done").unwrap();
    assert_eq!(total(&search, "key:state", None), 1);
    assert_eq!(total(&search, "waiting", None), 0);
    runs.end_span(one, span, Outcome::Failed).unwrap();
    assert_eq!(total(&search, "fetch", None), 1);
    runs.end(one, Outcome::Failed, "the disk was full").unwrap();
    assert_eq!(total(&search, "\"disk was full\"", Some(one)), 1);
    let rebuilt = Search::over_runs(&runs).unwrap();
    assert_eq!(rebuilt.stats().documents, search.stats().documents);
    // Two runs, two events, a cell, a key, a span; no journal, no tags' rows.
    assert_eq!(rebuilt.stats().documents, 7);
}

#[test]
fn a_run_that_is_deleted_is_not_found_and_neither_is_half_of_it() {
    let (runs, one, other) = two_runs();
    let search = Search::over_runs(&runs).unwrap();
    for number in 0..50 {
        runs.append(one, "tool.call", format!("call {number}").as_bytes())
            .unwrap();
    }
    runs.end(one, Outcome::Succeeded, "").unwrap();
    assert_eq!(total(&search, "call", Some(one)), 50);
    std::thread::scope(|scope| {
        let deleting = scope.spawn(|| runs.remove(one).unwrap());
        while !deleting.is_finished() {
            let seen = total(&search, "value:call", None);
            assert!(seen == 50 || seen == 0, "{seen} of 50 events are found");
        }
    });
    assert_eq!(total(&search, "call", None), 0);
    assert_eq!(total(&search, "crawl", None), 0);
    assert_eq!(total(&search, "nightly", Some(other)), 1);
}
