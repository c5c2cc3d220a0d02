//! Tier 2: threads that do and do not meet, and how often they conflict.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use engine::engine::Engine;
use engine::run::NewRun;

use crate::samples::per_second;
use crate::world::{Done, VALUE, World, key, modes};

/// For how long each is measured.
const TIME: Duration = Duration::from_millis(300);

/// Runs `work` on threads until the time is over; gives how often it was done.
fn threads(count: usize, work: impl Fn(usize, usize) + Sync) -> (usize, Duration) {
    let (done, begun) = (AtomicUsize::new(0), Instant::now());
    std::thread::scope(|scope| {
        for thread in 0..count {
            let (done, work) = (&done, &work);
            scope.spawn(move || {
                let mut number = 0;
                while begun.elapsed() < TIME {
                    work(thread, number);
                    number += 1;
                }
                done.fetch_add(number, Ordering::Relaxed);
            });
        }
    });
    (done.into_inner(), begun.elapsed())
}

/// Measures on 1, 2 and 4 threads.
fn measure(engine: &Engine, name: &str, mode: &str, work: impl Fn(usize, usize) + Sync) {
    print!("  {name:<34} {mode:<9}");
    for count in [1, 2, 4] {
        let before = engine.stats();
        let (done, time) = threads(count, &work);
        let after = engine.stats();
        let conflicts = after.conflicts - before.conflicts;
        let tried = after.commits - before.commits + conflicts;
        let share = conflicts as f64 / tried.max(1) as f64 * 100.0;
        print!("  {:>9.0}/s {share:>5.1} %", per_second(done, time));
    }
    println!();
}

pub(crate) fn print(base: &Path) -> Done {
    println!("\ntier 2: operations a second, and conflicts of all commits that were tried");
    println!(
        "  {:<34} {:<9}  {:>19}  {:>19}  {:>19}",
        "work", "mode", "1 thread", "2 threads", "4 threads"
    );
    for (mode, of) in modes() {
        let world = World::new(base, of)?;
        let (engine, runs) = (&world.engine, &world.runs);
        let space = engine.keyspace("default")?;
        for number in 0..1000 {
            space.put(&key(number), &VALUE)?;
        }
        measure(engine, "reads, no contention", mode, |thread, number| {
            assert!(space.contains(&key((thread * 250 + number) % 1000)));
        });
        measure(engine, "counting in one key", mode, |_, _| {
            let done = engine.retry(u32::MAX, |tx| {
                let count = tx.get(&space, b"count").map_or(0, |it| it[0]);
                tx.put(&space, b"count", &[count.wrapping_add(1)])
            });
            done.expect("it commits in the end");
        });
        measure(
            engine,
            "counting in a key of each thread",
            mode,
            |thread, _| {
                let done = engine.retry(u32::MAX, |tx| {
                    let key = key(2000 + thread);
                    let count = tx.get(&space, &key).map_or(0, |it| it[0]);
                    tx.put(&space, &key, &[count.wrapping_add(1)])
                });
                done.expect("it commits in the end");
            },
        );
        measure(engine, "10 reads to a write", mode, |thread, number| {
            let at = key((thread * 250 + number) % 1000);
            if number % 11 == 0 {
                space.put(&at, &VALUE).expect("it is put");
            } else {
                assert!(space.contains(&at));
            }
        });
        measure(engine, "events of one run", mode, |_, _| {
            runs.append(world.run, "tick", &VALUE).expect("it goes on");
        });
        let own: Result<Vec<_>, _> = (0..4).map(|_| runs.begin(&NewRun::named("own"))).collect();
        let own = own?;
        measure(
            engine,
            "events of a run of each thread",
            mode,
            |thread, _| {
                runs.append(own[thread], "tick", &VALUE)
                    .expect("it goes on");
            },
        );
        measure(engine, "one state cell", mode, |_, _| {
            runs.set_cell(world.run, "state", &VALUE)
                .expect("it goes on");
        });
    }
    Ok(())
}
