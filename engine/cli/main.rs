//! `engine`: looks into an engine's directory, and changes it, by hand.
//!
//! Exit codes: 0 it is done, 1 the key is not there, the log is damaged or two runs differ, 2 it could
//! not be done.
//! Whatever only looks takes no checkpoint, so it never changes what is saved; opening still repairs
//! the torn end that a crash leaves, as every opening does. `inspect` and `repair` do not open the
//! directory at all.

mod lines;
mod runs;
mod search;
mod streams;

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use engine::engine::{CommitError, Keyspace, Recovery};
use engine::stream::StreamsView;
use engine::vfs::Disk;
use engine::wal::{Options as LogOptions, SegmentReport, inspect, repair};
use engine::{Engine, Options};

use streams::StreamCommand;

type Failure = Box<dyn Error>;

/// How many lines are loaded by one transaction.
const LOADED: usize = 1000;

/// Look into the directory of an engine, and change it
#[derive(Debug, Parser)]
#[command(name = "engine", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Open the directory, creating it where there is none, and say what recovery did
    Open { dir: PathBuf },
    /// Print the value of a key; exit code 1 where it is not there
    Get {
        dir: PathBuf,
        key: String,
        #[arg(long, default_value = "default")]
        keyspace: String,
    },
    /// Give a key a value, durably
    Put {
        dir: PathBuf,
        key: String,
        value: String,
        #[arg(long, default_value = "default")]
        keyspace: String,
        /// After how many milliseconds it is gone
        #[arg(long)]
        ttl_ms: Option<u64>,
    },
    /// Take a key away, durably; exit code 1 where it is not there
    Delete {
        dir: PathBuf,
        key: String,
        #[arg(long, default_value = "default")]
        keyspace: String,
    },
    /// Print pairs in key order, a key and a value a line
    Scan {
        dir: PathBuf,
        #[arg(long, default_value = "default")]
        keyspace: String,
        /// Only keys that begin so
        #[arg(long, default_value = "")]
        prefix: String,
        /// From the last key to the first
        #[arg(long)]
        reverse: bool,
        /// At most so many
        #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
        limit: usize,
    },
    /// Find words in keys and values, the best first; exit code 1 where there are none
    Search {
        dir: PathBuf,
        #[command(flatten)]
        arguments: search::Arguments,
    },
    /// Print what the engine holds
    Stats { dir: PathBuf },
    /// Describe the segments of the log without opening it; exit code 1 where one is damaged
    Inspect { dir: PathBuf },
    /// Save what is intact of a damaged log in a new directory
    Repair {
        dir: PathBuf,
        /// [default: DIR.repaired]
        new_dir: Option<PathBuf>,
    },
    /// Save a snapshot, and let go of the log below the older of two
    Checkpoint { dir: PathBuf },
    #[command(flatten)]
    Streams(StreamCommand),
    /// Print all keyspaces of keys and values as JSON lines
    Dump { dir: PathBuf },
    /// Put what `dump` printed, from standard input
    Load { dir: PathBuf },
    /// Runs of agents: list, show, replay, diff, export, import
    #[command(subcommand)]
    Runs(runs::Command),
}

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let mut out = std::io::stdout().lock();
    match run(command, &mut out).and_then(|is_done| {
        out.flush()?;
        Ok(is_done)
    }) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        // Whoever reads the output may have seen enough.
        Err(failure) if is_broken_pipe(&*failure) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            let mut cause = failure.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::from(2)
        }
    }
}

fn is_broken_pipe(failure: &(dyn Error + 'static)) -> bool {
    let error = failure.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Whether what was asked for is there, or good.
fn run(command: Command, out: &mut impl Write) -> Result<bool, Failure> {
    match command {
        Command::Runs(command) => return runs::run(command, out),
        Command::Open { dir } => {
            let (engine, recovery) = Engine::open(dir, looking())?;
            describe(&recovery, out)?;
            engine.close()?;
        }
        Command::Get { dir, key, keyspace } => {
            let (_engine, space) = existing(&dir, &keyspace)?;
            let Some(value) = space.get(key.as_bytes()) else {
                return Ok(false);
            };
            out.write_all(&value)?;
            writeln!(out)?;
        }
        Command::Put {
            dir,
            key,
            value,
            keyspace,
            ttl_ms,
        } => {
            let (engine, _) = Engine::open(dir, looking())?;
            let ttl_us = ttl_ms.map(|ms| ms.saturating_mul(1000));
            let expires_us = ttl_us.map_or(0, |us| engine.now_us().saturating_add(us));
            let space = engine.keyspace(&keyspace)?;
            space.put_until(key.as_bytes(), value.as_bytes(), expires_us)?;
            engine.close()?;
        }
        Command::Delete { dir, key, keyspace } => {
            let (engine, space) = existing(&dir, &keyspace)?;
            let is_there = space.contains(key.as_bytes());
            space.delete(key.as_bytes())?;
            engine.close()?;
            return Ok(is_there);
        }
        Command::Scan {
            dir,
            keyspace,
            prefix,
            reverse,
            limit,
        } => {
            let (_engine, space) = existing(&dir, &keyspace)?;
            let mut scan = space.prefix(prefix.as_bytes());
            for _ in 0..limit {
                let next = if reverse {
                    scan.next_back()
                } else {
                    scan.next()
                };
                let Some(item) = next else { break };
                let (key, value) = (item.key().escape_ascii(), item.value().escape_ascii());
                writeln!(out, "{key}\t{value}")?;
            }
        }
        Command::Search { dir, arguments } => return search::search(&dir, &arguments, out),
        Command::Stats { dir } => stats(&must_exist(&dir)?, out)?,
        Command::Inspect { dir } => return look(&dir, out),
        Command::Repair { dir, new_dir } => {
            let new_dir = new_dir.unwrap_or_else(|| {
                let mut name = dir.clone().into_os_string();
                name.push(".repaired");
                name.into()
            });
            save_what_can_be_read(&dir, &new_dir, out)?;
        }
        Command::Checkpoint { dir } => {
            must_exist(&dir)?;
            // With all that the directory knows, or not at all.
            let options = Options {
                background: false,
                views: vec![StreamsView::new().as_view()],
                ..Options::default()
            };
            let (engine, _) = Engine::open(dir, options)?;
            writeln!(out, "saved the state below record {}", engine.checkpoint()?)?;
            engine.close()?;
        }
        Command::Streams(command) => return streams::run(&command, out),
        Command::Dump { dir } => {
            let (engine, _) = Engine::open(must_exist(&dir)?, looking())?;
            lines::dump(&engine, out)?;
        }
        Command::Load { dir } => {
            let (engine, _) = Engine::open(dir, looking())?;
            let count = load(&engine)?;
            engine.close()?;
            writeln!(out, "put {count} pairs")?;
        }
    }
    Ok(true)
}

/// Repairs the log of `dir` into `new_dir`, and says what is lost.
fn save_what_can_be_read(dir: &Path, new_dir: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let report = repair(&Disk, dir, new_dir, LogOptions::default())?;
    let (records, new_dir) = (report.records, new_dir.display());
    writeln!(out, "saved {records} records in `{new_dir}`")?;
    for gap in &report.gaps {
        let path = gap.path.display();
        writeln!(
            out,
            "lost {} bytes of `{path}` at {}: {}",
            gap.bytes, gap.offset, gap.reason
        )?;
    }
    Ok(())
}

/// Opens whatever the directory holds, and saves nothing by itself.
fn looking() -> Options {
    Options {
        checkpoint_bytes: None,
        checkpoint_interval: None,
        background: false,
        skip_views: true,
        ..Options::default()
    }
}

/// The directory, where there is one: looking creates none.
fn must_exist(dir: &Path) -> Result<PathBuf, Failure> {
    if dir.is_dir() {
        return Ok(dir.to_owned());
    }
    Err(format!("there is no directory `{}`", dir.display()).into())
}

/// A keyspace that is there.
fn existing(dir: &Path, name: &str) -> Result<(Engine, Keyspace), Failure> {
    let (engine, _) = Engine::open(must_exist(dir)?, looking())?;
    let Some(kind) = engine.keyspace_type(name) else {
        let known: Vec<_> = engine.stats().keyspaces.into_keys().collect();
        let known = known.join("`, `");
        return Err(format!("there is no keyspace `{name}`; there are `{known}`").into());
    };
    let space = engine.keyspace_of(name, kind)?;
    Ok((engine, space))
}

/// What recovery did.
fn describe(recovery: &Recovery, out: &mut impl Write) -> Result<(), Failure> {
    let log = &recovery.log;
    writeln!(
        out,
        "log: records {} to {} in {} segments",
        log.first, log.end, log.segments
    )?;
    match &recovery.snapshot {
        Some(meta) => {
            let keys = recovery.snapshot_keys;
            writeln!(out, "snapshot: {keys} rows below record {}", meta.lsn)?;
        }
        None => writeln!(out, "snapshot: none")?,
    }
    writeln!(out, "replayed: {} records", recovery.replayed)?;
    if let Some(cut) = &log.cut {
        let path = cut.path.display();
        writeln!(out, "cut: `{path}` at byte {}: {}", cut.offset, cut.reason)?;
    }
    for corruption in &log.set_aside {
        writeln!(out, "set aside: {corruption}")?;
    }
    for (path, bad) in &recovery.passed_over {
        writeln!(out, "passed over: `{}`: {bad}", path.display())?;
    }
    for (path, fit) in &recovery.set_aside {
        writeln!(out, "set aside: `{}`: {fit:?}", path.display())?;
    }
    Ok(())
}

/// What the engine holds.
fn stats(dir: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let (engine, _) = Engine::open(dir, looking())?;
    let stats = engine.stats();
    for (name, keyspace) in &stats.keyspaces {
        writeln!(
            out,
            "keyspace {}: {} keys ({})",
            name.escape_debug(),
            keyspace.keys,
            keyspace.kind
        )?;
    }
    for (name, lsn) in &stats.holders {
        let name = name.escape_debug();
        writeln!(out, "holder {name}: from record {lsn} on")?;
    }
    writeln!(out, "log: records {} to {}", stats.first, stats.next)?;
    Ok(())
}

/// Whether every segment is good.
fn look(dir: &Path, out: &mut impl Write) -> Result<bool, Failure> {
    let segments = inspect(&Disk, &must_exist(dir)?)?;
    if segments.is_empty() {
        return Err(format!("there is no log in `{}`", dir.display()).into());
    }
    let mut is_good = true;
    for SegmentReport {
        path,
        frames,
        verdict,
        ..
    } in &segments
    {
        write!(out, "{}: {frames} frames", path.display())?;
        match verdict {
            Ok(()) => writeln!(out)?,
            Err(error) => {
                is_good = false;
                writeln!(out, ", damaged: {error}")?;
            }
        }
    }
    Ok(is_good)
}

/// Puts the pairs of standard input, a transaction for each thousand.
fn load(engine: &Engine) -> Result<u64, Failure> {
    let mut count = 0;
    let mut rest = BufReader::new(std::io::stdin().lock()).lines().enumerate();
    loop {
        let mut pairs = Vec::new();
        for (number, line) in rest.by_ref().take(LOADED) {
            let line = line?;
            if !line.trim().is_empty() {
                pairs.push(lines::read(&line, number + 1)?);
            }
        }
        if pairs.is_empty() {
            return Ok(count);
        }
        engine.transaction(|tx| {
            for pair in &pairs {
                let space = tx.keyspace(&pair.keyspace)?;
                tx.put_until(&space, &pair.key, &pair.value, pair.expires_us)?;
            }
            Ok::<_, CommitError>(())
        })?;
        count += pairs.len() as u64;
    }
}
