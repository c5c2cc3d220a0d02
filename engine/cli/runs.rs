//! `engine runs`: runs in a list, one as a tree, replayed, compared, written out and read back.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Subcommand;
use engine::Engine;
use engine::run::{
    Listed, Orphans, Outcome, Point, Quoted, RunId, RunInfo, RunState, Runs, Side, TreeSpan,
};

use crate::{Failure, looking, must_exist};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the runs, in the order in which they began
    List {
        dir: PathBuf,
        /// Only those that have this tag
        #[arg(long)]
        tag: Option<String>,
        /// Only those of this status: open, orphaned, succeeded, failed, cancelled, abandoned
        #[arg(long)]
        status: Option<String>,
    },
    /// Print what is known of a run, and its spans as a tree
    Show { dir: PathBuf, run: u64 },
    /// Print the steps of a run up to a point, and the state at that point
    Replay {
        dir: PathBuf,
        /// A run, or a run and a step: 7 or 7@12
        point: Place,
        /// Print the state alone
        #[arg(long)]
        state: bool,
    },
    /// Print what differs between two runs or two points; exit code 1 where something does
    Diff {
        dir: PathBuf,
        /// A run, or a run and a step: 7 or 7@12
        before: Place,
        /// A run, or a run and a step
        after: Place,
    },
    /// Print a run as JSON lines
    Export { dir: PathBuf, run: u64 },
    /// Read a run that `export` printed from standard input, and print its new number
    Import { dir: PathBuf },
    /// Let a run go on that a crash left open
    Resume { dir: PathBuf, run: u64 },
    /// End a run that a crash left open
    End {
        dir: PathBuf,
        run: u64,
        /// succeeded, failed, cancelled or abandoned
        #[arg(long, default_value = "abandoned")]
        outcome: String,
        /// Why, in words
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Delete a run that is over
    Remove { dir: PathBuf, run: u64 },
}

/// A run, and a step of it or its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place(Side);

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (run, step) = text.split_once('@').unwrap_or((text, "end"));
        let number = |it: &str| {
            it.parse::<u64>()
                .map_err(|_| format!("`{it}` is no number"))
        };
        let point = match step {
            "end" => Point::End,
            step => Point::Step(number(step)?),
        };
        Ok(Self(Side::from((RunId(number(run)?), point))))
    }
}

/// Whether what was asked for is there; of a difference, whether there is none.
pub(crate) fn run(command: Command, out: &mut impl Write) -> Result<bool, Failure> {
    match command {
        Command::List { dir, tag, status } => {
            let Some(runs) = existing(&dir)? else {
                return Ok(true);
            };
            let infos = match tag {
                Some(tag) => runs.tagged(&tag)?,
                None => runs.list()?,
            };
            let is_wanted = |it: &&RunInfo| status.as_ref().is_none_or(|s| s == it.status.name());
            for info in infos.iter().filter(is_wanted) {
                writeln!(out, "{}", list_line(info))?;
            }
        }
        Command::Show { dir, run } => show(&known(&dir)?, RunId(run), out)?,
        Command::Replay {
            dir,
            point: Place(Side { run, point }),
            state,
        } => {
            let mut replay = known(&dir)?.replay(run)?;
            if let (Point::Step(step), steps) = (point, replay.steps())
                && step > steps
            {
                return Err(format!("run {run} has {steps} steps, so no step {step}").into());
            }
            let begun = replay.state().time_us;
            let mut first_us = begun;
            let is_there = |steps: u64| matches!(point, Point::Step(last) if steps >= last);
            while !is_there(replay.state().steps) {
                let Some(step) = replay.step()? else { break };
                if step.number == 1 {
                    first_us = step.time_us;
                }
                if !state {
                    let after = Seconds(step.time_us - first_us);
                    writeln!(out, "{:>6} {after} {}", step.number, step.change()?)?;
                }
            }
            print_state(replay.state(), out)?;
        }
        Command::Diff { dir, before, after } => {
            let diff = known(&dir)?.diff(before.0, after.0)?;
            write!(out, "{diff}")?;
            return Ok(diff.differences.is_empty());
        }
        Command::Export { dir, run } => known(&dir)?.export(RunId(run), out)?,
        Command::Import { dir } => {
            let runs = changing(&dir)?;
            let run = runs.import(std::io::stdin().lock())?;
            runs.engine().close()?;
            writeln!(out, "imported run {run}")?;
        }
        Command::Resume { dir, run } => {
            let runs = changing(&must_exist(&dir)?)?;
            runs.resume(RunId(run))?;
            runs.engine().close()?;
            writeln!(out, "run {run} goes on")?;
        }
        Command::End {
            dir,
            run,
            outcome,
            note,
        } => {
            let how = Outcome::of_name(&outcome);
            let how = how.ok_or_else(|| format!("`{outcome}` is no outcome; see --help"))?;
            let runs = changing(&must_exist(&dir)?)?;
            runs.end(RunId(run), how, &note)?;
            runs.engine().close()?;
            writeln!(out, "run {run} ended, {how}")?;
        }
        Command::Remove { dir, run } => {
            let runs = changing(&must_exist(&dir)?)?;
            runs.remove(RunId(run))?;
            runs.engine().close()?;
            writeln!(out, "run {run} is gone")?;
        }
    }
    Ok(true)
}

/// The runs of a directory, to look at; `None` where there never were any.
fn existing(dir: &Path) -> Result<Option<Runs>, Failure> {
    let (engine, _) = Engine::open(must_exist(dir)?, looking())?;
    Ok(Runs::look(&engine)?)
}

/// The runs of a directory, of which one is asked for.
fn known(dir: &Path) -> Result<Runs, Failure> {
    let found = existing(dir)?;
    found.ok_or_else(|| format!("there are no runs in `{}`", dir.display()).into())
}

/// The runs of a directory, to be changed: whoever had them open is gone.
fn changing(dir: &Path) -> Result<Runs, Failure> {
    let (engine, _) = Engine::open(dir, looking())?;
    Ok(Runs::open(&engine, Orphans::Mark)?.0)
}

/// Microseconds, as seconds with a sign.
struct Seconds(u64);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "+{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

fn list_line(info: &RunInfo) -> String {
    let tags: Vec<_> = info
        .tags
        .iter()
        .map(|tag| tag.escape_debug().to_string())
        .collect();
    let mut line = format!(
        "{:>6}  {:<9}  {:>7} steps  {:>7} events  {}  {:?}",
        info.id.0,
        info.status.name(),
        info.steps,
        info.events,
        Seconds(info.last_us - info.began_us),
        info.name,
    );
    if !tags.is_empty() {
        line.push_str("  ");
        line.push_str(&tags.join(", "));
    }
    line
}

fn show(runs: &Runs, run: RunId, out: &mut impl Write) -> Result<(), Failure> {
    let info = runs.info(run)?;
    writeln!(out, "run {run} {:?}: {}", info.name, info.status)?;
    if !info.note.is_empty() {
        writeln!(out, "note: {:?}", info.note)?;
    }
    writeln!(
        out,
        "began: {} us, last step {} s later",
        info.began_us,
        Seconds(info.last_us - info.began_us)
    )?;
    writeln!(out, "steps: {}, of them {} events", info.steps, info.events)?;
    for tag in &info.tags {
        writeln!(out, "tag: {tag:?}")?;
    }
    for (name, value) in &info.metadata {
        writeln!(out, "metadata: {name:?} = {value}")?;
    }
    for (name, cell) in runs.cells(run)? {
        let (version, value) = (cell.version, Quoted(cell.value()));
        writeln!(out, "cell: {name:?} = {value} (version {version})")?;
    }
    writeln!(out, "keys: {}", runs.keys(run, b"")?.count())?;
    let spans = runs.trace(run)?;
    for (place, node) in spans.iter().enumerate() {
        writeln!(
            out,
            "{}",
            tree_line(node, &spans[place + 1..], info.began_us)
        )?;
    }
    Ok(())
}

/// A span in its tree: branches that go on below it are drawn through.
fn tree_line(node: &TreeSpan, below: &[TreeSpan], began_us: u64) -> String {
    let mut line = String::new();
    // Whether a later span is at this depth, before one that is above it.
    let goes_on = |depth: usize| {
        let mut later = below.iter().map(|it| it.depth);
        later.find(|it| *it <= depth) == Some(depth)
    };
    for depth in 0..node.depth {
        line.push_str(if goes_on(depth) { "│  " } else { "   " });
    }
    line.push_str(if goes_on(node.depth) {
        "├─ "
    } else {
        "└─ "
    });
    let span = &node.span;
    let started = Seconds(span.started_us.saturating_sub(began_us));
    let title = format!("{} {:?} {started}", span.id, span.name);
    line.push_str(&title);
    match span.end {
        Some(end) => {
            let lasted = Seconds(end.time_us.saturating_sub(span.started_us));
            let end = format!(" {lasted} {}", end.outcome);
            line.push_str(&end);
        }
        None => line.push_str(" not ended"),
    }
    line.push_str(&Listed(&span.attributes).to_string());
    line
}

/// Everything at one point.
fn print_state(state: &RunState, out: &mut impl Write) -> Result<(), Failure> {
    let status = state.status.map_or("not begun", |it| it.name());
    let (steps, events) = (state.steps, state.events.len());
    writeln!(out, "after step {steps}: {status}, {events} events")?;
    for (key, value) in &state.keys {
        writeln!(out, "key: {} = {}", Quoted(key), Quoted(value))?;
    }
    for (name, cell) in &state.cells {
        let (version, value) = (cell.version, Quoted(&cell.value));
        writeln!(out, "cell: {name:?} = {value} (version {version})")?;
    }
    for span in state.spans.values().filter(|it| it.end.is_none()) {
        writeln!(out, "within: span {} {:?}", span.id, span.name)?;
    }
    Ok(())
}
