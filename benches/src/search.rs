//! Workloads of search: indexing documents one by one and at once, and all kinds of clauses.
//!
//! Words are as frequent as in a language (the n-th has a share of 1/n), so that lists of all lengths
//! are met. There is no log: what it costs is the matter of other suites.

use engine::engine::{Engine, Keyspace};
use engine::search::{Query, Search};

use crate::data::Random;
use crate::suite::suite;

/// How many documents there are before a run.
const DOCUMENTS: usize = 1000;
/// How many words a document has.
const WORDS: usize = 20;
/// How many different words there are.
const VOCABULARY: usize = 5000;
/// How many documents a run writes.
const WRITES: usize = 200;
/// How many queries a run makes.
const QUERIES: usize = 50;

suite!(search {
    put: put(Documents) {
        new: documents_setup(Texts::New, "ascii") => put_check,
        update: documents_setup(Texts::Present, "ascii") => put_check,
        unicode: documents_setup(Texts::New, "unicode") => put_check,
    }
    delete: delete(Documents) {
        hit: documents_setup(Texts::Present, "ascii") => delete_check,
    }
    build: build(Documents) {
        n1000: documents_setup(Texts::Present, "ascii") => build_check,
    }
    query: ask(Queries) {
        word: queries_setup(&["w0 w300", "w2 w40"]) => found_check,
        one: queries_setup(&["w1", "w17", "w250"]) => found_check,
        any: queries_setup(&["any w0 w30 w400"]) => found_check,
        phrase: queries_setup(&["\"w0 w1\"", "\"w2 w0\""]) => found_check,
        prefix: queries_setup(&["w1*", "w22*"]) => found_check,
        excluded: queries_setup(&["w5 -w0"]) => found_check,
    }
});

/// Which documents a run writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texts {
    /// Under keys that there are.
    Present,
    /// Under keys that there are not.
    New,
}

/// Texts of words as frequent as in a language.
#[derive(Debug, Clone)]
pub struct Language {
    random: Random,
    /// The sum of the shares of the words up to each one, in millionths.
    shares: Vec<u64>,
}

impl Language {
    /// One of so many words.
    #[must_use]
    pub fn new(words: usize, seed: u64) -> Self {
        let mut sum = 0;
        let share = |number: usize| {
            sum += 1_000_000 / (number as u64 + 1) + 1;
            sum
        };
        Self {
            random: Random::new(seed),
            shares: (0..words).map(share).collect(),
        }
    }

    /// The number of a word.
    pub fn word(&mut self) -> usize {
        let all = self.shares.last().copied().unwrap_or(1);
        let drawn = self.random.number() % all;
        self.shares.partition_point(|share| *share <= drawn)
    }

    /// A text of so many words.
    pub fn text(&mut self, words: usize) -> String {
        let mut text = String::new();
        for _ in 0..words {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push('w');
            text.push_str(&self.word().to_string());
        }
        text
    }
}

/// A searched keyspace, and documents to write.
pub struct Documents {
    engine: Engine,
    space: Keyspace,
    search: Option<Search>,
    texts: Vec<(String, String)>,
}

/// A keyspace of 1,000 documents, and an index over it.
#[must_use]
pub fn documents_setup(texts: Texts, script: &str) -> Documents {
    let engine = Engine::in_memory();
    let space = engine.keyspace("notes").expect("it is empty");
    let mut language = Language::new(VOCABULARY, 11);
    for number in 0..DOCUMENTS {
        let (key, text) = (format!("note/{number:06}"), language.text(WORDS));
        space
            .put(key.as_bytes(), text.as_bytes())
            .expect("memory refuses nothing");
    }
    let search = Search::over(&engine, [&space]).expect("it holds the words");
    let first = if texts == Texts::New { DOCUMENTS } else { 0 };
    let document = |number: usize| {
        let mut text = language.text(WORDS);
        if script == "unicode" {
            text = text.replace('w', "ŵ");
        }
        (format!("note/{:06}", first + number), text)
    };
    Documents {
        engine,
        space,
        search: Some(search),
        texts: (0..WRITES).map(document).collect(),
    }
}

/// Puts each document.
#[must_use]
pub fn put(input: Documents) -> Documents {
    for (key, text) in &input.texts {
        let _ = input.space.put(key.as_bytes(), text.as_bytes());
    }
    input
}

fn total(output: &Documents, query: &str) -> usize {
    let search = output.search.as_ref().expect("there is an index");
    let query = Query::parse(query).expect("it is a query");
    search.search(&query).expect("it is within limits").total
}

/// The documents must be found.
pub fn put_check(output: Documents) {
    let documents = total(&output, "key:note");
    assert_eq!(documents, output.space.len());
    let (_, last) = output.texts.last().expect("there are some");
    assert!(total(&output, &format!("\"{last}\"")) >= 1);
}

/// Deletes each document.
#[must_use]
pub fn delete(input: Documents) -> Documents {
    for (key, _) in &input.texts {
        let _ = input.space.delete(key.as_bytes());
    }
    input
}

/// They must be gone.
pub fn delete_check(output: Documents) {
    assert_eq!(total(&output, "key:note"), DOCUMENTS - WRITES);
}

/// Rebuilds an index.
#[must_use]
pub fn build(mut input: Documents) -> Documents {
    input.search = Search::over(&input.engine, [&input.space]).ok();
    input
}

/// It must hold all documents.
pub fn build_check(output: Documents) {
    assert_eq!(total(&output, "key:note"), DOCUMENTS);
}

/// An index, and queries.
pub struct Queries {
    documents: Documents,
    asked: Vec<Query>,
    found: usize,
}

/// An index of 1,000 documents, and 50 queries. `any` before a query means that one clause is enough.
#[must_use]
pub fn queries_setup(texts: &[&str]) -> Queries {
    let query = |text: &&str| match text.strip_prefix("any ") {
        Some(text) => Query::parse(text).expect("it is a query").any(),
        None => Query::parse(text).expect("it is a query"),
    };
    Queries {
        documents: documents_setup(Texts::New, "ascii"),
        asked: texts.iter().cycle().take(QUERIES).map(query).collect(),
        found: 0,
    }
}

/// Makes each query.
#[must_use]
pub fn ask(mut input: Queries) -> Queries {
    let Some(search) = &input.documents.search else {
        return input;
    };
    for query in &input.asked {
        input.found += search.search(query).map_or(0, |found| found.hits.len());
    }
    input
}

/// Each must have found something.
pub fn found_check(output: Queries) {
    assert!(output.found >= QUERIES, "{} hits", output.found);
}
