//! Tier 5: what a key, an event, a cell and a span cost in memory, and their order.
//!
//! Measured as the growth of the process, which pages round. The allocator is the one that programs
//! have: none that counts is put in its place, since it would cost time in the other tiers.

use std::path::Path;

use engine::engine::Engine;
use engine::run::{NewSpan, RunId, Runs};
use engine::wal::Mode;

use crate::world::{Done, VALUE, World, key};

/// The bytes of the process that are in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find(|it| it.starts_with("VmRSS:"))
        .unwrap_or_default();
    let kib = line
        .split_whitespace()
        .nth(1)
        .and_then(|it| it.parse::<usize>().ok());
    kib.unwrap_or(0) << 10
}

/// Adds `count` things, has their order built, and prints what both cost.
fn measure(
    base: &Path,
    name: &str,
    content: usize,
    count: usize,
    add: impl Fn(&Engine, &Runs, RunId, usize) -> Done,
    scan: impl Fn(&Engine, &Runs, RunId) -> Done<usize>,
) -> Done<World> {
    let world = World::new(base, Mode::InMemory)?;
    let before = resident();
    for number in 0..count {
        add(&world.engine, &world.runs, world.run, number)?;
    }
    let after = resident();
    assert_eq!(scan(&world.engine, &world.runs, world.run)?, count);
    let ordered = resident();
    let each = |bytes: usize| bytes / count;
    println!(
        "  {name:<24} {content:>9} B {:>9} B {:>9} B",
        each(after.saturating_sub(before)),
        each(ordered.saturating_sub(after)),
    );
    Ok(world)
}

pub(crate) fn print(base: &Path, count: usize) -> Done {
    println!("\ntier 5: memory for each of {count}, in a process that grew");
    println!(
        "  {:<24} {:>11} {:>11} {:>11}",
        "what", "content", "kept", "order"
    );
    // What was measured is kept until the end: memory that is reused would not be seen.
    let _keep = [
        measure(
            base,
            "key of a keyspace",
            116,
            count,
            |engine, _, _, number| {
                engine.keyspace("default")?.put(&key(number), &VALUE)?;
                Ok(())
            },
            |engine, _, _| Ok(engine.keyspace("default")?.scan().count()),
        )?,
        measure(
            base,
            "event",
            109,
            count,
            |_, runs, run, _| Ok(runs.append(run, "tool.call", &VALUE).map(drop)?),
            |_, runs, run| Ok(runs.events(run, ..)?.count()),
        )?,
        measure(
            base,
            "key of a run",
            116,
            count,
            |_, runs, run, number| Ok(runs.put(run, &key(number), &VALUE)?),
            |_, runs, run| Ok(runs.keys(run, b"")?.count()),
        )?,
        measure(
            base,
            "state cell, set once",
            116,
            count,
            |_, runs, run, number| {
                let name = String::from_utf8_lossy(&key(number)).into_owned();
                Ok(runs.set_cell(run, &name, &VALUE).map(drop)?)
            },
            |_, runs, run| Ok(runs.cells(run)?.len()),
        )?,
        measure(
            base,
            "span",
            4,
            count,
            |_, runs, run, _| Ok(runs.start_span(run, &NewSpan::named("step")).map(drop)?),
            |_, runs, run| Ok(runs.spans(run)?.len()),
        )?,
    ];
    Ok(())
}
