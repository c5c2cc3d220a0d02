//! `engine search`: words in keys and values, or in what runs have, the best first.

use std::error::Error;
use std::io::Write;
use std::path::Path;

use engine::Engine;
use engine::engine::{Keyspace, KeyspaceType};
use engine::run::{RunId, Runs};
use engine::search::{Field, Hit, Query, Search};

use super::{looking, must_exist};

/// What is looked for, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Words, `"a phrase"`, `begin*`, `key:word` or `value:word`, and `-word` for what must not be there
    query: String,
    /// Only this keyspace; may be given more than once
    #[arg(long)]
    keyspace: Vec<String>,
    /// Runs, and not keyspaces of keys and values: names, events, cells, keys and spans
    #[arg(long, conflicts_with = "keyspace")]
    runs: bool,
    /// Only this run
    #[arg(long, conflicts_with = "keyspace")]
    run: Option<u64>,
    /// Only keys that begin so
    #[arg(long, default_value = "")]
    prefix: String,
    /// One of the words is enough
    #[arg(long)]
    any: bool,
    /// At most so many, up to 1000
    #[arg(long, default_value_t = 10)]
    limit: usize,
}

/// How much of a value is printed, in bytes.
const SHOWN_BYTES: usize = 120;

/// Prints score, keyspace, key and the beginning of the value of each hit. Whether there is any.
pub(crate) fn search(
    dir: &Path,
    arguments: &Arguments,
    out: &mut impl Write,
) -> Result<bool, Box<dyn Error>> {
    let mut query = Query::parse(&arguments.query)?
        .limit(arguments.limit)
        .key_prefix(arguments.prefix.as_bytes());
    if arguments.any {
        query = query.any();
    }
    let (engine, _) = Engine::open(must_exist(dir)?, looking())?;
    let search = if arguments.runs || arguments.run.is_some() {
        let Some(runs) = Runs::look(&engine)? else {
            return Ok(false);
        };
        Search::over_runs(&runs)?
    } else {
        Search::over(&engine, &keyspaces(&engine, &arguments.keyspace)?)?
    };
    if let Some(run) = arguments.run {
        query = query.run(RunId(run));
    }
    let found = search.search(&query)?;
    for hit in &found.hits {
        let keyspace = hit.keyspace().name().escape_debug();
        let text = text(hit);
        let end = text.floor_char_boundary(SHOWN_BYTES);
        let more = if end < text.len() { "…" } else { "" };
        let (place, shown) = (place(hit), &text[..end]);
        writeln!(out, "{:.3}\t{keyspace}\t{place}\t{shown}{more}", hit.score)?;
    }
    Ok(found.total > 0)
}

/// The key of a hit; of a run's row, the run and what comes after it.
fn place(hit: &Hit) -> String {
    let Some(run) = hit.run() else {
        return hit.key().escape_ascii().to_string();
    };
    match hit.keyspace().name() {
        "runs" => format!("run {run}"),
        "runs.events" | "runs.spans" => {
            let number = hit
                .key()
                .last_chunk()
                .map_or(0, |it| u64::from_be_bytes(*it));
            format!("run {run}, {number}")
        }
        _ => {
            let name = hit.key().get(8..).unwrap_or_default();
            format!("run {run}, {}", name.escape_ascii())
        }
    }
}

/// The text of a hit, on one line.
fn text(hit: &Hit) -> String {
    let texts = hit.texts().into_iter();
    let texts = texts.filter(|(field, _)| *field != Field::Key || hit.run().is_some());
    let texts = texts.map(|(_, text)| text.escape_ascii().to_string());
    texts.collect::<Vec<_>>().join(" ")
}

/// The keyspaces of these names, or all that hold keys and values.
fn keyspaces(engine: &Engine, names: &[String]) -> Result<Vec<Keyspace>, Box<dyn Error>> {
    let known = engine.stats().keyspaces;
    if let Some(name) = names.iter().find(|name| !known.contains_key(*name)) {
        let known: Vec<_> = known.into_keys().collect();
        let known = known.join("`, `");
        return Err(format!("there is no keyspace `{name}`; there are `{known}`").into());
    }
    let is_wanted = |name: &String, kind: KeyspaceType| match names {
        [] => kind == KeyspaceType::Values,
        names => names.contains(name),
    };
    let wanted = known.iter().filter(|(name, it)| is_wanted(name, it.kind));
    let open =
        |(name, it): (&String, &engine::engine::KeyspaceStats)| engine.keyspace_of(name, it.kind);
    Ok(wanted.map(open).collect::<Result<_, _>>()?)
}
