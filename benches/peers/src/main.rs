//! The engine's log beside others: durable commits of 256 bytes, by 1, 8 and 32 committers, on a
//! machine that is quiet and beside loops that keep all of its processors busy.
//!
//! Equal barriers: a commit returns once an `fdatasync` after it has. How many of them there were is
//! counted from outside, by strace, where it is installed. Rounds alternate, because a disk has
//! moods; each takes its median.
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

use logs::LOGS;

/// The commits of a round, all committers together.
const COMMITS: usize = 1600;
const ROUNDS: usize = 5;
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
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..committers {
            scope.spawn(|| (0..COMMITS / committers).for_each(|_| log.commit()));
        }
    });
    Ok(begun.elapsed())
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

#[expect(clippy::cast_precision_loss, reason = "a figure of three digits")]
fn per_second(time: Duration) -> f64 {
    COMMITS as f64 / time.as_secs_f64()
}

fn compare(base: &Path, busy: usize, committers: usize) -> Result<(), Box<dyn Error>> {
    let _spinning = Spinning::start(busy)?;
    let mut times = vec![Vec::new(); LOGS.len()];
    for round in 0..ROUNDS {
        for turn in 0..LOGS.len() {
            // Whoever goes first leaves the disk busy for the next.
            let log = (turn + round) % LOGS.len();
            let dir = tempfile::tempdir_in(base)?;
            times[log].push(self::round(log, dir.path(), committers)?);
        }
    }
    print!("  {committers:2} committers");
    let mut ours = None;
    for (log, times) in times.iter_mut().enumerate() {
        times.sort_unstable();
        let rate = per_second(times[ROUNDS / 2]);
        print!("  {} {rate:6.0}", LOGS[log].0);
        match ours {
            None => ours = Some(rate),
            Some(ours) => print!(" ({:4.2})", ours / rate),
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
         in brackets how many times as fast the engine is. commitlog does not sync: see the header"
    );
    for busy in [0, BUSY * processors] {
        match busy {
            0 => println!("quiet, {processors} processors"),
            loops => println!("beside {loops} busy loops"),
        }
        for committers in [1, 8, 32] {
            compare(base, busy, committers)?;
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
            println!("{}", per_second(time));
            Ok(())
        }
        ["commits"] => compare_all(&base),
        ["reads"] => reads::show(&base),
        _ => {
            compare_all(&base)?;
            count_syncs();
            reads::show(&base)
        }
    }
}
