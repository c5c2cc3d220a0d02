//! Tier 6: agents. A run as it is, a long one, and bursts of many.

use std::path::Path;
use std::time::Instant;

use engine::run::{Attributes, NewRun, NewSpan, Orphans, Outcome, Point, RunError, RunId, Runs};

use crate::samples::{Samples, Time, head, nanos, per_second};
use crate::world::{Done, VALUE, World, modes};

/// One step of an agent: it thinks, calls a tool, notes what it learnt.
fn step(runs: &Runs, run: RunId, number: usize) -> Result<(), RunError> {
    let span = runs.start_span(run, &NewSpan::named("tool").attribute("tokens", 250))?;
    runs.append(run, "thought", &VALUE)?;
    runs.write(run, |it| {
        it.append("tool.call", &VALUE)?;
        it.set_cell("plan", &VALUE)?;
        it.put(&number.to_be_bytes(), &VALUE)?;
        it.end_span(span, Outcome::Succeeded, &Attributes::new())
    })?;
    Ok(())
}

/// The changes of a step.
const CHANGES: usize = 6;

pub(crate) fn print(base: &Path, long: usize) -> Done {
    head("tier 6: scenarios");
    for (name, mode) in modes() {
        let world = World::new(base, mode)?;
        let runs = &world.runs;
        let count = if name == "Strict" { 10 } else { 200 };
        Samples::of(count, |_| {
            let run = runs
                .begin(&NewRun::named("agent").tag("night"))
                .expect("it begins");
            for number in 0..20 {
                step(runs, run, number).expect("it goes on");
            }
            runs.end(run, Outcome::Succeeded, "").expect("it is open");
        })
        .print("agent run of 20 steps", name, None);
        let changes = if name == "Strict" { long / 100 } else { long };
        let run = runs.begin(&NewRun::named("long"))?;
        let begun = Instant::now();
        for number in 0..changes / CHANGES {
            step(runs, run, number)?;
        }
        let time = begun.elapsed();
        let replayed = Instant::now();
        let state = runs.state_at(run, Point::End)?;
        println!(
            "  long run, {name}: {} changes at {:.0}/s; replayed in {}",
            state.steps,
            per_second(changes, time),
            Time(nanos(replayed.elapsed())),
        );
        let bursts = if name == "Strict" { 10 } else { 100 };
        Samples::of(bursts, |_| {
            let done = runs.write(run, |it| {
                (0..500).try_for_each(|_| it.append("burst", &VALUE).map(drop))
            });
            done.expect("it goes on");
        })
        .print("burst of 500, one commit", name, None);
        let singles = if name == "Strict" { 3 } else { 100 };
        Samples::of(singles, |_| {
            for _ in 0..100 {
                runs.append(run, "burst", &VALUE).expect("it goes on");
            }
        })
        .print("burst of 100, each alone", name, None);
        world.engine.close()?;
    }
    agents_beside_each_other(base)
}

/// Two threads, each with agents of its own.
fn agents_beside_each_other(base: &Path) -> Done {
    for (name, mode) in modes().into_iter().take(2) {
        let world = World::new(base, mode)?;
        let (runs, begun) = (&world.runs, Instant::now());
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let run = runs.begin(&NewRun::named("agent")).expect("it begins");
                        for number in 0..20 {
                            step(runs, run, number).expect("it goes on");
                        }
                        runs.end(run, Outcome::Succeeded, "").expect("it is open");
                    }
                });
            }
        });
        let rate = per_second(100, begun.elapsed());
        let (_, found) = Runs::open(&world.engine, Orphans::Mark)?;
        assert!(found.is_empty(), "nobody left a run");
        println!("  agents on 2 threads, {name}: {rate:.0} runs/s of 20 steps");
    }
    Ok(())
}
