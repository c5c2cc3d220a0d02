//! `engine search`: words in keys and values, the best first.

use std::error::Error;
use std::io::Write;
use std::path::Path;

use engine::Engine;
use engine::engine::{Keyspace, KeyspaceType};
use engine::search::{Query, Search};

use super::{looking, must_exist};

/// What is looked for, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Words, `"a phrase"`, `begin*`, `key:word` or `value:word`, and `-word` for what must not be there
    query: String,
    /// Only this keyspace; may be given more than once
    #[arg(long)]
    keyspace: Vec<String>,
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
    let search = Search::over(&engine, &keyspaces(&engine, &arguments.keyspace)?)?;
    let found = search.search(&query)?;
    for hit in &found.hits {
        let value = hit.value();
        let shown = &value[..value.len().min(SHOWN_BYTES)];
        let more = if shown.len() < value.len() { "…" } else { "" };
        let (keyspace, key) = (
            hit.keyspace().name().escape_debug(),
            hit.key().escape_ascii(),
        );
        let value = shown.escape_ascii();
        writeln!(out, "{:.3}\t{keyspace}\t{key}\t{value}{more}", hit.score)?;
    }
    Ok(found.total > 0)
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
