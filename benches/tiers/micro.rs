//! Tiers 1 and 4: each operation of each primitive, in each mode. In Strict an operation is a commit
//! that is synced, so that its time is the disk's.

use std::path::Path;
use std::time::Duration;

use engine::run::{NewRun, NewSpan, Outcome, Point, RunId};
use engine::wal::Mode;

use crate::samples::{Samples, head};
use crate::world::{Done, VALUE, World, key, modes};

/// How many operations are timed: fewer where each is synced.
fn count(mode: Mode) -> usize {
    match mode {
        Mode::Strict => 400,
        _ => 20_000,
    }
}

const US: Duration = Duration::from_micros(1);

pub(crate) fn print(base: &Path) -> Done {
    head("tier 1 and 4: one operation a commit");
    for (name, mode) in modes() {
        let limit = |in_memory: u32, buffered: u32| match mode {
            Mode::InMemory => Some(US * in_memory),
            Mode::Buffered { .. } => Some(US * buffered),
            // One sync: the seed says about 2 ms.
            Mode::Strict => Some(US * 2000),
        };
        let read = |in_memory: u32, others: u32| {
            let is_memory = mode == Mode::InMemory;
            Some(US * if is_memory { in_memory } else { others })
        };
        keys(base, name, mode, &limit, &read)?;
        primitives(base, name, mode, &limit)?;
    }
    replays(base)
}

fn keys(
    base: &Path,
    name: &str,
    mode: Mode,
    limit: &dyn Fn(u32, u32) -> Option<Duration>,
    read: &dyn Fn(u32, u32) -> Option<Duration>,
) -> Done {
    let (world, count) = (World::new(base, mode)?, count(mode));
    let space = world.engine.keyspace("default")?;
    Samples::of(count, |it| {
        space.put(&key(it), &VALUE).expect("it is put");
    })
    .print("kv put", name, limit(3, 30));
    Samples::of(20_000, |it| assert!(space.contains(&key(it % count)))).print(
        "kv get",
        name,
        read(1, 2),
    );
    Samples::of(count, |it| {
        let done = world.engine.transaction(|tx| {
            let before = tx.get(&space, &key(it)).map_or(0, |it| it[0]);
            tx.put(&space, &key(it), &[before + 1; 100])
        });
        done.expect("nobody else is here");
    })
    .print("kv cas", name, limit(5, 50));
    Samples::of(count, |it| {
        space.delete(&key(it)).expect("it goes");
    })
    .print("kv delete", name, limit(3, 30));
    Ok(())
}

fn primitives(
    base: &Path,
    name: &str,
    mode: Mode,
    limit: &dyn Fn(u32, u32) -> Option<Duration>,
) -> Done {
    let (world, count) = (World::new(base, mode)?, count(mode));
    let (runs, run) = (&world.runs, world.run);
    Samples::of(count, |_| {
        runs.append(run, "tool.call", &VALUE).expect("it goes on");
    })
    .print("event append", name, limit(2, 2));
    let events = runs.info(run)?.events;
    Samples::of(2000, |it| {
        let first = it as u64 % (events - 100);
        let found = runs
            .events(run, first..first + 100)
            .expect("the run is there");
        assert_eq!(found.flatten().count(), 100);
    })
    .print("event scan of 100", name, None);
    Samples::of(2000, |it| {
        let event = runs.event(run, it as u64 % events).expect("it can be read");
        let time_us = event.expect("it is there").time_us;
        let mut at = runs.events_at(run, time_us..).expect("the run is there");
        assert!(at.next().is_some());
    })
    .print("event scan by time", name, None);
    Samples::of(count, |_| {
        runs.set_cell(run, "state", &VALUE).expect("it goes on");
    })
    .print("cell set", name, limit(5, 50));
    let mut version = 0;
    Samples::of(count, |_| {
        version = runs
            .compare_and_set(run, "cas", version, &VALUE)
            .expect("it is the version");
    })
    .print("cell cas", name, limit(5, 50));
    runs.set_cell(run, "machine", b"on")?;
    Samples::of(count, |it| {
        let (from, to) = if it % 2 == 0 {
            (b"on ", b"off")
        } else {
            (b"off", b"on ")
        };
        let (from, to) = (from.trim_ascii(), to.trim_ascii());
        // A warm-up of an odd length turns it round.
        let done = runs.write(run, |writer| {
            let found = writer.cell("machine")?.map(|it| it.value().to_vec());
            let is_on = found.as_deref() == Some(from);
            let (from, to) = if is_on { (from, to) } else { (to, from) };
            writer.transition("machine", from, to)
        });
        done.expect("it is one of both");
    })
    .print("cell transition", name, limit(5, 50));
    let mut spans = Vec::new();
    Samples::of(count, |_| {
        spans.push(
            runs.start_span(run, &NewSpan::named("step"))
                .expect("it goes on"),
        );
    })
    .print("span start", name, None);
    Samples::of(count, |it| {
        runs.end_span(run, spans[it], Outcome::Succeeded)
            .expect("it started");
    })
    .print("span end", name, None);
    let mut begun: Vec<RunId> = Vec::new();
    let new = NewRun::named("agent").tag("night");
    Samples::of(count, |_| begun.push(runs.begin(&new).expect("it begins"))).print(
        "run begin",
        name,
        None,
    );
    Samples::of(count, |it| {
        runs.end(begun[it], Outcome::Succeeded, "")
            .expect("it is open");
    })
    .print("run end", name, None);
    Ok(())
}

/// Replays and differences, which no mode changes.
fn replays(base: &Path) -> Done {
    head(
        "replay and difference (targets of the median: 1 K events 10 ms, 10 K 100 ms, diff 5 ms; aims: a tenth)",
    );
    for (events, target_us) in [(1000, 1000), (10_000, 10_000)] {
        let world = World::new(base, Mode::InMemory)?;
        let (runs, run) = (&world.runs, world.run);
        for _ in 0..events {
            runs.append(run, "tool.call", &VALUE)?;
        }
        Samples::of(40, |_| {
            let state = runs.state_at(run, Point::End).expect("it can be read");
            assert_eq!(state.events.len(), events);
        })
        .print(
            &format!("replay_run of {events}"),
            "InMemory",
            Some(US * target_us),
        );
    }
    let world = World::new(base, Mode::InMemory)?;
    let (runs, run) = (&world.runs, world.run);
    let other = runs.begin(&NewRun::named("other"))?;
    for number in 0..1000 {
        runs.put(run, &key(number), &VALUE)?;
        let value = if number % 2 == 0 {
            &VALUE[..]
        } else {
            b"other"
        };
        runs.put(other, &key(number), value)?;
    }
    for (name, other, differ) in [("half differ", other, 500), ("equal", run, 0)] {
        Samples::of(40, |_| {
            let diff = runs.diff(run, other).expect("both can be read");
            assert_eq!(diff.differences.len(), differ);
        })
        .print(&format!("diff of 1000, {name}"), "InMemory", Some(US * 500));
    }
    Ok(())
}
