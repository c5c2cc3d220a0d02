//! Search beside writers: words, phrases, prefixes, fields, and what a transaction makes visible.
//!
//! ```text
//! cargo run -p engine --example search -- DIR "tool call*"
//! ```

use std::error::Error;

use engine::search::{Query, Search};
use engine::wal::Mode;
use engine::{Engine, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (dir, query) = arguments
        .next()
        .zip(arguments.next())
        .ok_or("usage: search DIR QUERY")?;
    // What cannot be a query is said before anything is opened.
    let query = Query::parse(&query)?;

    let (engine, _) = Engine::open(dir, Options::in_mode(Mode::Strict))?;
    let notes = engine.keyspace("notes")?;
    // The index is built of what is there, and kept in step from here on.
    let search = Search::over(&engine, [&notes])?;

    engine.transaction(|tx| {
        tx.put(&notes, b"step/1", b"the tool call timed out")?;
        tx.put(&notes, b"step/2", b"called the tool again")?;
        tx.put(&notes, b"step/3", "zurück: 東京 café".as_bytes())
    })?;
    // Both are found from the commit on, and neither before.
    let found = search.search(&query)?;
    println!("{} of {} notes", found.total, search.stats().documents);
    for hit in &found.hits {
        println!(
            "{:.3} {} {}",
            hit.score,
            hit.key().escape_ascii(),
            String::from_utf8_lossy(hit.value())
        );
    }

    // A hostile query is an error, and no load.
    let hostile = format!("\"{}", "a ".repeat(100));
    println!("{}", Query::parse(&hostile).expect_err("it is not closed"));
    engine.close()?;
    Ok(())
}
