//! Runs of an agent: an event log, state cells, keys, a trace, a replay, a difference, an orphan.
//!
//! ```text
//! cargo run -p engine --example runs -- DIR
//! ```

use std::error::Error;

use engine::run::{NewRun, NewSpan, Orphans, Outcome, Point, Runs};
use engine::wal::Mode;
use engine::{Engine, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).ok_or("which directory?")?;
    let (engine, _) = Engine::open(&dir, Options::in_mode(Mode::Strict))?;
    // What an earlier call left open is closed.
    let (runs, orphans) = Runs::open(&engine, Orphans::Close)?;
    println!("{} orphans of an earlier call", orphans.len());

    let run = runs.begin(&NewRun::named("buy tea").tag("shop").metadata("budget", 20))?;
    let plan = runs.start_span(run, &NewSpan::named("plan"))?;
    runs.append(run, "thought", b"green or black?")?;
    runs.set_cell(run, "order", b"open")?;
    runs.end_span(run, plan, Outcome::Succeeded)?;

    // All in one transaction, with a keyspace that has nothing to do with the run.
    let stock = engine.keyspace("stock")?;
    engine.retry(10, |tx| {
        tx.put(&stock, b"sencha", b"2")?;
        Ok(runs.within(tx, run, |it| {
            let call = it.start_span(&NewSpan::named("shop.order").within(plan))?;
            it.append("tool.call", br#"{"tea":"sencha"}"#)?;
            it.put(b"tea", b"sencha")?;
            it.transition("order", b"open", b"placed")?;
            it.end_span(
                call,
                Outcome::Succeeded,
                &[("price".to_owned(), 7.into())].into(),
            )
        })?)
    })?;

    println!("\nstep by step:");
    let mut replay = runs.replay(run)?;
    while let Some(step) = replay.step()? {
        let order = replay.state().cells.get("order");
        let order = order.map_or("none", |it| std::str::from_utf8(&it.value).unwrap_or("?"));
        println!("{:>3} {} (order: {order})", step.number, step.change()?);
    }

    println!("\nwhat the order changed:");
    let before = (run, Point::Step(8));
    print!("{}", runs.diff(before, run)?);

    println!("\ntrace:");
    for node in runs.trace(run)? {
        println!("{:indent$}{}", "", node.span.name, indent = 2 * node.depth);
    }
    runs.end(run, Outcome::Succeeded, "tea is on its way")?;

    // Nobody ends this one: the next call finds it.
    let left = runs.begin(&NewRun::named("drink tea"))?;
    println!("\nrun {left} is left open");
    engine.close()?;
    Ok(())
}
