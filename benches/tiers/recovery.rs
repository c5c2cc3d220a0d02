//! Tiers 3 and 4: writing the log, snapshots, recovery, orphans; batches and shared syncs.

use std::path::Path;
use std::time::{Duration, Instant};

use engine::engine::{Engine, Options};
use engine::run::{NewRun, Orphans, Runs};
use engine::wal::Mode;

use crate::samples::{Time, nanos, per_second};
use crate::world::{Done, VALUE, World, buffered, key};

fn line(name: &str, time: Duration, size: &str, target: Option<Duration>) {
    let verdict = match target {
        Some(target) if time < target => format!("below {}", Time(nanos(target))),
        Some(target) => format!("MISSED {}", Time(nanos(target))),
        None => String::new(),
    };
    println!("  {name:<38} {} {size:>24}  {verdict}", Time(nanos(time)));
}

fn took<T>(work: impl FnOnce() -> Done<T>) -> Done<(T, Duration)> {
    let begun = Instant::now();
    let value = work()?;
    Ok((value, begun.elapsed()))
}

/// The bytes of the files in a directory whose names end so.
fn bytes(dir: &Path, end: &str) -> u64 {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let ours = files.filter(|it| it.file_name().to_string_lossy().ends_with(end));
    ours.filter_map(|it| it.metadata().ok())
        .map(|it| it.len())
        .sum()
}

pub(crate) fn print(base: &Path, count: usize) -> Done {
    println!(
        "\ntier 3: {count} puts of 16 B keys and 100 B values (targets are those of a million)"
    );
    let scaled = |millis: u64| {
        let share = u64::try_from(count).unwrap_or(u64::MAX) * millis * 1000 / 1_000_000;
        Some(Duration::from_micros(share))
    };
    let world = World::new(base, buffered())?;
    let space = world.engine.keyspace("default")?;
    let ((), time) = took(|| {
        for number in 0..count {
            space.put(&key(number), &VALUE)?;
        }
        Ok(world.engine.durable()?)
    })?;
    let rate = format!("{:.0} records/s", per_second(count, time));
    line("log written and synced", time, &rate, None);
    let log = world.engine.stats().log.bytes;
    println!(
        "  {:<38} {:>9} B a record",
        "size of the log",
        log / count as u64
    );
    let dir = world.dir.clone();
    let reopen = || -> Done<Engine> {
        let options = Options {
            checkpoint_bytes: None,
            checkpoint_interval: None,
            ..Options::in_mode(buffered())
        };
        Ok(Engine::open(&dir, options)?.0)
    };
    world.engine.close()?;
    drop((space, world));
    let (engine, time) = took(reopen)?;
    let rate = format!("{:.0} records/s", per_second(count, time));
    line("recovery: log alone", time, &rate, scaled(300));
    let space = engine.keyspace("default")?;
    let (found, time) = took(|| Ok(space.scan().count()))?;
    line(
        "first scan: order built",
        time,
        &format!("{found} keys"),
        scaled(100),
    );
    let (_, time) = took(|| Ok(engine.checkpoint()?))?;
    let size = format!("{} MB on disk", bytes(&dir, "") >> 20);
    line(
        "checkpoint: snapshot written, synced",
        time,
        &size,
        scaled(100),
    );
    for number in 0..count / 10 {
        space.put(&key(number), &VALUE)?;
    }
    let (_, time) = took(|| Ok(engine.checkpoint()?))?;
    line("checkpoint that truncates the log", time, "", None);
    engine.close()?;
    drop((space, engine));
    let (engine, time) = took(reopen)?;
    line("recovery: snapshot alone", time, "", scaled(200));
    let space = engine.keyspace("default")?;
    for number in 0..count / 10 {
        space.put(&key(number), &VALUE)?;
    }
    let (runs, _) = Runs::open(&engine, Orphans::Mark)?;
    for _ in 0..1000 {
        runs.begin(&NewRun::named("left"))?;
    }
    engine.close()?;
    drop((space, engine, runs));
    let (engine, time) = took(reopen)?;
    line(
        "recovery: snapshot and a tenth of log",
        time,
        "",
        scaled(500),
    );
    let ((_, found), time) = took(|| Ok(Runs::open(&engine, Orphans::Close)?))?;
    line(
        "orphans found and closed",
        time,
        &format!("{} runs", found.len()),
        None,
    );
    drop(engine);
    durability(base)
}

fn durability(base: &Path) -> Done {
    println!("\ntier 4: what a sync costs, and sharing it");
    for batch in [1, 10, 100] {
        let world = World::new(base, Mode::Strict)?;
        let begun = Instant::now();
        let mut events = 0;
        while begun.elapsed() < Duration::from_millis(400) {
            world.runs.write(world.run, |it| {
                (0..batch).try_for_each(|_| it.append("tick", &VALUE).map(drop))
            })?;
            events += batch;
        }
        let rate = per_second(events, begun.elapsed());
        println!("  events of one run, {batch:>3} a commit       {rate:>9.0} events/s, synced");
    }
    for committers in [1, 4, 16] {
        let world = World::new(base, Mode::Strict)?;
        let runs: Result<Vec<_>, _> = (0..committers)
            .map(|_| world.runs.begin(&NewRun::named("own")))
            .collect();
        let runs = runs?;
        let before = world.engine.stats().log.syncs;
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for run in &runs {
                let world = &world;
                scope.spawn(move || {
                    for _ in 0..100 {
                        world.runs.append(*run, "tick", &VALUE).expect("it goes on");
                    }
                });
            }
        });
        let (commits, time) = (committers * 100, begun.elapsed());
        let syncs = world.engine.stats().log.syncs - before;
        println!(
            "  {committers:>2} committers, each its own run       {:>9.0} commits/s, {syncs} syncs for {commits} commits",
            per_second(commits, time)
        );
    }
    Ok(())
}
