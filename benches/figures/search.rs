//! Search: how long queries take over 100,000 documents, what the index weighs, and what a write pays.
//!
//! Documents have 50 words, as frequent as in a language, and a key. There is no log, so that the
//! figures are the index's.

use std::error::Error;
use std::time::{Duration, Instant};

use benches::data::Random;
use benches::search::Language;
use engine::engine::{Engine, Keyspace};
use engine::search::{Query, Search};

use crate::limits::timed;

type Done = Result<(), Box<dyn Error>>;

const DOCUMENTS: usize = 100_000;
const WORDS: usize = 50;
const VOCABULARY: usize = 50_000;
const QUERIES: usize = 2000;

/// Prints all of it.
pub(crate) fn print() -> Done {
    println!(
        "\nsearch, {DOCUMENTS} documents of {WORDS} words, {VOCABULARY} different words, no log"
    );
    let engine = Engine::in_memory();
    let notes = engine.keyspace("notes")?;
    let mut language = Language::new(VOCABULARY, 5);
    let texts: Vec<_> = (0..DOCUMENTS).map(|_| language.text(WORDS)).collect();
    let (done, alone) = timed(|| fill(&notes, &texts));
    done?;
    let (search, built) = timed(|| Search::over(&engine, [&notes]));
    let search = search?;
    println!("  rebuild, as after an opening   {built}");
    let stats = search.stats();
    let bytes = stats.postings_bytes + stats.terms_bytes + stats.documents_bytes;
    println!(
        "  memory per posting             {} B of {} M postings ({} B of lists, {} B of terms, {} B of documents)",
        per(bytes, stats.postings),
        stats.postings / 1_000_000,
        per(stats.postings_bytes, stats.postings),
        per(stats.terms_bytes, stats.postings),
        per(stats.documents_bytes, stats.postings),
    );
    println!(
        "  memory per document            {} B beside its {} B",
        per(bytes, DOCUMENTS as u64),
        per(texts.iter().map(String::len).sum(), DOCUMENTS as u64)
    );
    let (done, searched) = timed(|| fill(&notes, &texts));
    done?;
    println!("  put of all, not searched       {alone}");
    println!("  put of all again, searched     {searched}");
    println!("  queries of the ten best, {QUERIES} of each kind   (aim: p99 below 5 ms)");
    let mut all = Vec::new();
    for (name, kind) in KINDS {
        let mut times = times(&search, kind)?;
        line(name, &mut times);
        all.extend(times);
    }
    line("all kinds", &mut all);
    Ok(())
}

/// How a query is made.
type Kind = fn(&mut Language, &mut Random) -> String;

const KINDS: [(&str, Kind); 7] = [
    ("one word", |language, _| format!("w{}", language.word())),
    ("two words", |language, _| {
        format!("w{} w{}", language.word(), language.word())
    }),
    ("any of three", |language, _| {
        let mut word = || language.word();
        format!("any w{} w{} w{}", word(), word(), word())
    }),
    ("phrase of two", |language, _| {
        format!("\"w{} w{}\"", language.word(), language.word())
    }),
    ("prefix", |_, random| {
        format!("w{}*", 100 + random.below(900))
    }),
    ("the commonest word", |_, _| "w0".into()),
    ("the commonest phrase", |_, _| "\"w0 w1\"".into()),
];

/// How long queries of a kind take, words being asked for as often as they are written.
fn times(search: &Search, kind: Kind) -> Result<Vec<Duration>, Box<dyn Error>> {
    let (mut language, mut random) = (Language::new(VOCABULARY, 6), Random::new(7));
    let mut times = Vec::with_capacity(QUERIES);
    for _ in 0..QUERIES {
        let text = kind(&mut language, &mut random);
        let begun = Instant::now();
        let query = match text.strip_prefix("any ") {
            Some(text) => Query::parse(text)?.any(),
            None => Query::parse(&text)?,
        };
        let found = search.search(&query)?;
        times.push(begun.elapsed());
        assert!(found.hits.len() <= 10, "ten were asked for");
    }
    Ok(times)
}

fn line(name: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |thousandths: usize| {
        let place = times.len() * thousandths / 1000;
        times
            .get(place)
            .or(times.last())
            .copied()
            .unwrap_or_default()
    };
    println!(
        "    {name:22} p50 {:>9.1?}  p95 {:>9.1?}  p99 {:>9.1?}  p99.9 {:>9.1?}  max {:>9.1?}",
        at(500),
        at(950),
        at(990),
        at(999),
        at(1000),
    );
}

fn fill(notes: &Keyspace, texts: &[String]) -> Done {
    for (number, text) in texts.iter().enumerate() {
        notes.put(format!("note/{number:06}").as_bytes(), text.as_bytes())?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a figure of three digits")]
fn per(bytes: usize, count: u64) -> String {
    format!("{:.1}", bytes as f64 / count as f64)
}
