//! The engine's log beside others: durable commits of 256 bytes, by 1, 8 and 32 committers, on a
//! machine that is quiet and beside loops that keep all of its processors busy.
//!
//! Equal barriers: a commit returns once an `fdatasync` after it has. How many of them there were is
//! counted from outside, by strace, where it is installed. All logs are open, and commit in turn in
//! short rounds, because disks and schedulers have moods; ratios are of the same round, and of
//! them the median is printed.
//!
//! `commits COMMITTERS LOOPS ROUNDS` measures one case. Where the machine has other work, run it with
//! `chrt -r 10` for a quiet machine.
//!
//! - okaywal writes to files that were allocated beforehand, as the engine does.
//! - wal-db lets its file grow, so that each sync writes the file's length too.
//! - commitlog has no sync of records: its `flush` empties a buffer and syncs an index, so its
//!   commits do not survive power loss. It is shown as what a commit costs without one.

mod logs;
mod reads;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use logs::{LOGS, Log};

/// The commits of a round, all committers together.
const COMMITS: u16 = 800;
const ROUNDS: usize = 15;
/// Beside how many loops for each processor.
const BUSY: usize = 6;

/// Loops that end with this value.
struct Spinning(Vec<Child>);

impl Spinning {
    fn start(loops: usize) -> std::io::Result<Self> {
        let this = std::env::current_exe()?;
        let spin = |_| Command::new(&this).arg("spin").spawn();
        (0..loops).map(spin).collect::<Result<_, _>>().map(Self)
    }
}

impl Drop for Spinning {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Commits from several threads, and gives the time of the whole.
fn round(log: usize, dir: &Path, committers: usize) -> Result<Duration, Box<dyn Error>> {
    let log = (LOGS[log].1)(dir)?;
    log.commit();
    Ok(commit_from(&*log, committers))
}

fn commit_from(log: &dyn Log, committers: usize) -> Duration {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..committers {
            scope.spawn(|| (0..usize::from(COMMITS) / committers).for_each(|_| log.commit()));
        }
    });
    begun.elapsed()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The syncs of a round, as strace counts them; `None` where there is no strace.
fn syncs(log: usize, committers: usize) -> Option<usize> {
    let calls = "trace=fsync,fdatasync,sync_file_range,msync";
    let output = Command::new("strace")
        .args(["-f", "-c", "-e", calls])
        .arg(std::env::current_exe().ok()?)
        .args(["round", &log.to_string(), &committers.to_string()])
        .stdout(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stderr).ok()?;
    let calls = text.lines().filter(|line| line.contains("sync"));
    let counts = calls.filter_map(|line| line.split_whitespace().nth(3)?.parse::<usize>().ok());
    Some(counts.sum())
}

/// Lets the logs commit in turn, all of them open, and prints how they compare.
fn compare(
    base: &Path,
    busy: usize,
    committers: usize,
    rounds: usize,
) -> Result<(), Box<dyn Error>> {
    let dirs: Vec<_> = LOGS
        .iter()
        .map(|_| tempfile::tempdir_in(base))
        .collect::<Result<_, _>>()?;
    let opened = LOGS
        .iter()
        .zip(&dirs)
        .map(|((_, open), dir)| open(dir.path()));
    let logs: Vec<_> = opened.collect::<Result<_, _>>()?;
    let _spinning = Spinning::start(busy)?;
    let mut times = vec![Vec::new(); LOGS.len()];
    // The first round is a warm-up: files grow, pages are touched for the first time.
    for round in 0..=rounds {
        for turn in 0..LOGS.len() {
            // Whoever goes first leaves the disk busy for the next.
            let log = (turn + round) % LOGS.len();
            let time = commit_from(&*logs[log], committers);
            if round > 0 {
                times[log].push(time.as_secs_f64());
            }
        }
    }
    print!("  {committers:2} committers");
    for (log, (name, _)) in LOGS.iter().enumerate() {
        // Of the same round, so that what the machine did meanwhile counts for both.
        let ratios = times[log]
            .iter()
            .zip(&times[0])
            .map(|(theirs, ours)| theirs / ours);
        let ratio = median(ratios.collect());
        print!(
            "  {name} {:6.0}",
            f64::from(COMMITS) / median(times[log].clone())
        );
        if log > 0 {
            print!(" ({ratio:4.2})");
        }
    }
    println!();
    Ok(())
}

/// The syncs that each log's commits take.
fn count_syncs() {
    println!("syncs of {COMMITS} commits, opening and closing included (strace)");
    for committers in [1, 8, 32] {
        print!("  {committers:2} committers");
        for (log, (name, _)) in LOGS.iter().enumerate() {
            match syncs(log, committers) {
                Some(count) => print!("  {name} {count:5}"),
                None => print!("  {name}     ?"),
            }
        }
        println!();
    }
}

fn compare_all(base: &Path) -> Result<(), Box<dyn Error>> {
    let processors = std::thread::available_parallelism()?.get();
    println!(
        "durable commits of 256 B per second, median of {ROUNDS} alternating rounds of {COMMITS};\n\
         in brackets how many times as fast the engine is in the same round. commitlog does not sync: see the header"
    );
    for busy in [0, BUSY * processors] {
        match busy {
            0 => println!("quiet, {processors} processors"),
            loops => println!("beside {loops} busy loops"),
        }
        for committers in [1, 8, 32] {
            compare(base, busy, committers, ROUNDS)?;
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let base = std::env::var_os("PEERS_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["spin"] => loop {
            std::hint::spin_loop();
        },
        ["round", log, committers] => {
            let dir = tempfile::tempdir_in(base)?;
            let time = round(log.parse()?, dir.path(), committers.parse()?)?;
            println!("{}", f64::from(COMMITS) / time.as_secs_f64());
            Ok(())
        }
        ["commits"] => compare_all(&base),
        ["commits", committers, busy, rounds] => {
            compare(&base, busy.parse()?, committers.parse()?, rounds.parse()?)
        }
        ["reads"] => reads::show(&base),
        _ => {
            compare_all(&base)?;
            count_syncs();
            reads::show(&base)
        }
    }
}
