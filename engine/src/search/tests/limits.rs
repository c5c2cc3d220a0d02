//! What is hostile, empty, enormous, or of somebody else.

use crate::engine::Engine;
use crate::search::{HITS_MAX, Limits, Query, Search, SearchError, TOKEN_BYTES_MAX};

fn query(text: &str) -> Query {
    Query::parse(text).unwrap()
}

fn keys(search: &Search, query: &Query) -> Vec<String> {
    let found = search.search(query).unwrap();
    let key = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
    found.hits.iter().map(|hit| key(hit.key())).collect()
}

#[test]
fn a_search_over_nothing_finds_nothing() {
    let engine = Engine::in_memory();
    let search = Search::over(&engine, []).unwrap();
    assert!(search.search(&query("a")).unwrap().hits.is_empty());
    let empty = engine.keyspace("empty").unwrap();
    let search = Search::over(&engine, [&empty]).unwrap();
    assert_eq!(search.search(&query("a*")).unwrap().total, 0);
    empty.put(b"!", b"").unwrap();
    // A document without a word counts, and is never found.
    assert_eq!(search.stats().documents, 1);
    assert_eq!(search.search(&query("a*")).unwrap().total, 0);
}

#[test]
fn a_keyspace_that_is_given_twice_is_searched_once() {
    let engine = Engine::in_memory();
    let notes = engine.keyspace("notes").unwrap();
    notes.put(b"k", b"word").unwrap();
    let search = Search::over(&engine, [&notes, &notes.clone()]).unwrap();
    assert_eq!(search.search(&query("word")).unwrap().total, 1);
}

#[test]
fn two_searches_over_one_keyspace_are_both_kept_in_step() {
    let engine = Engine::in_memory();
    let notes = engine.keyspace("notes").unwrap();
    let one = Search::over(&engine, [&notes]).unwrap();
    let other = Search::over(&engine, [&notes]).unwrap();
    notes.put(b"k", b"word").unwrap();
    drop(one);
    notes.put(b"l", b"word").unwrap();
    assert_eq!(keys(&other, &query("word")), ["l", "k"]);
    drop(other);
    notes.put(b"m", b"word").unwrap();
    assert!(!notes.is_observed(), "the last search went with its handle");
}

#[test]
fn a_handle_of_another_engine_is_an_error_and_leaves_nothing_behind() {
    let (engine, other) = (Engine::in_memory(), Engine::in_memory());
    let (ours, theirs) = (engine.keyspace("k").unwrap(), other.keyspace("k").unwrap());
    for keyspaces in [[&ours, &theirs], [&theirs, &ours]] {
        let error = Search::over(&engine, keyspaces).unwrap_err();
        assert_eq!(error, SearchError::NoKeyspace { name: "k".into() });
    }
    assert!(!ours.is_observed() && !theirs.is_observed());
    let search = Search::over(&engine, [&ours]).unwrap();
    let elsewhere = search.search(&query("a").within("elsewhere"));
    let name = "elsewhere".into();
    assert_eq!(elsewhere, Err(SearchError::NotSearched { name }));
}

#[test]
fn a_prefix_of_more_words_than_the_limit_is_an_error_and_of_as_many_is_not() {
    let engine = Engine::in_memory();
    let notes = engine.keyspace("notes").unwrap();
    let search = Search::over(&engine, [&notes]).unwrap();
    for number in 0..100 {
        notes
            .put(&[number], format!("w{number}").as_bytes())
            .unwrap();
    }
    let limited = |expansions| {
        let postings = u64::MAX;
        let limits = Limits {
            expansions,
            postings,
        };
        search.search(&query("w*").limits(limits))
    };
    assert_eq!(limited(100).unwrap().total, 100);
    let (prefix, max) = ("w".into(), 99);
    assert_eq!(
        limited(99),
        Err(SearchError::TooManyExpansions { prefix, max })
    );
}

#[test]
fn a_search_of_more_postings_than_the_limit_is_an_error_and_of_as_many_is_not() {
    let engine = Engine::in_memory();
    let notes = engine.keyspace("notes").unwrap();
    for number in 0..50 {
        notes.put(&[number], b"x x y").unwrap();
    }
    let search = Search::over(&engine, [&notes]).unwrap();
    // A word costs its documents, a phrase its places.
    for (text, cost) in [
        ("x", 50),
        ("x y", 100),
        ("x*", 50),
        ("\"x y\"", 150),
        ("-x y", 100),
    ] {
        let limited = |postings| {
            let limits = Limits {
                postings,
                ..Limits::default()
            };
            search.search(&query(text).limits(limits))
        };
        assert!(limited(cost).is_ok(), "{text}");
        let (postings, max) = (cost, cost - 1);
        let refused = Err(SearchError::TooMuchWork { postings, max });
        assert_eq!(limited(cost - 1), refused, "{text}");
    }
}

#[test]
fn hits_are_capped_and_none_may_be_asked_for() {
    let engine = Engine::in_memory();
    let notes = engine.keyspace("notes").unwrap();
    for number in 0..=u16::try_from(HITS_MAX).unwrap() {
        notes.put(&number.to_be_bytes(), b"word").unwrap();
    }
    let search = Search::over(&engine, [&notes]).unwrap();
    for (limit, hits) in [(0, 0), (1, 1), (HITS_MAX, HITS_MAX), (usize::MAX, HITS_MAX)] {
        let found = search.search(&query("word").limit(limit)).unwrap();
        assert_eq!((found.hits.len(), found.total), (hits, HITS_MAX + 1));
    }
}

#[test]
fn bytes_that_are_no_text_are_no_obstacle() {
    let engine = Engine::in_memory();
    let notes = engine.keyspace("notes").unwrap();
    let search = Search::over(&engine, [&notes]).unwrap();
    notes
        .put(&[0xff; 300], b"\xf0\x9f word \xc3(\xffother")
        .unwrap();
    assert_eq!(search.search(&query("word other")).unwrap().total, 1);
    // They part words: no phrase reaches across them.
    assert_eq!(search.search(&query("\"word other\"")).unwrap().total, 0);
}

#[test]
fn an_enormous_token_is_found_by_its_beginning_and_an_enormous_document_by_its_end() {
    let engine = Engine::in_memory();
    let notes = engine.keyspace("notes").unwrap();
    let search = Search::over(&engine, [&notes]).unwrap();
    notes.put(b"token", &vec![b'x'; 1 << 20]).unwrap();
    let long = "x".repeat(TOKEN_BYTES_MAX + 1);
    assert_eq!(keys(&search, &query(&long)), ["token"]);
    let mut text = b"word ".repeat(200_000);
    text.extend_from_slice(b"the end");
    notes.put(b"document", &text).unwrap();
    assert_eq!(keys(&search, &query("\"word the end\"")), ["document"]);
    notes.delete(b"document").unwrap();
    assert_eq!(keys(&search, &query("word")), [""; 0]);
}

#[test]
fn the_rarer_word_and_the_shorter_document_rank_higher() {
    let engine = Engine::in_memory();
    let notes = engine.keyspace("notes").unwrap();
    notes
        .put(b"long", b"timeout of a call that took long")
        .unwrap();
    notes.put(b"short", b"timeout of a call").unwrap();
    notes.put(b"often", b"timeout timeout of a call").unwrap();
    notes.put(b"other", b"call of a friend").unwrap();
    let search = Search::over(&engine, [&notes]).unwrap();
    assert_eq!(keys(&search, &query("timeout")), ["often", "short", "long"]);
    assert_eq!(
        keys(&search, &query("friend timeout").any()),
        ["other", "often", "short", "long"]
    );
}
