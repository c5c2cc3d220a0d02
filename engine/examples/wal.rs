//! Looks at the log in a directory, or saves what is intact of it.
//!
//! ```text
//! cargo run -p engine --example wal -- inspect DIR
//! cargo run -p engine --example wal -- verify DIR
//! cargo run -p engine --example wal -- repair DIR [NEW_DIR]
//! ```
//!
//! Nothing in DIR is ever changed. Exit codes: 0 the log is good, 1 it is damaged, 2 the command
//! could not be carried out.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use engine::vfs::Disk;
use engine::wal::{Options, SegmentReport, inspect, repair};

type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "usage: wal inspect|verify DIR, or wal repair DIR [NEW_DIR]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["inspect", dir] => look(Path::new(dir), true),
        ["verify", dir] => look(Path::new(dir), false),
        ["repair", dir] => save(Path::new(dir), &PathBuf::from(format!("{dir}.repaired"))),
        ["repair", dir, new_dir] => save(Path::new(dir), Path::new(new_dir)),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
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

/// Whether every segment is good.
fn look(dir: &Path, all: bool) -> Result<bool, Failure> {
    let segments = inspect(&Disk, dir)?;
    if segments.is_empty() {
        return Err(format!("there is no log in `{}`", dir.display()).into());
    }
    for segment in &segments {
        if all {
            describe(segment);
        }
        if let Err(error) = &segment.verdict {
            println!("damaged: {error}");
        }
    }
    let records: u64 = segments.iter().map(|segment| segment.records).sum();
    let good = segments.iter().all(|segment| segment.verdict.is_ok());
    let verdict = if good { "good" } else { "damaged" };
    println!(
        "{verdict}: {} segments, {records} intact records",
        segments.len()
    );
    Ok(good)
}

fn describe(segment: &SegmentReport) {
    println!("{}", segment.path.display());
    match &segment.header {
        Ok(header) => println!(
            "  segment {}, records from {}, salt {:08x}, begun at {} µs",
            header.number, header.base_lsn, header.salt, header.created_us
        ),
        Err(bad) => println!("  {bad}"),
    }
    let SegmentReport {
        bytes,
        frames,
        records,
        ..
    } = segment;
    println!("  {records} records in {frames} intact frames, {bytes} bytes");
    match segment.stop {
        None => println!("  sealed"),
        Some((offset, stop)) => println!("  open at byte {offset}: {stop}"),
    }
}

/// Whether everything could be kept.
fn save(dir: &Path, new_dir: &Path) -> Result<bool, Failure> {
    let report = repair(&Disk, dir, new_dir, Options::default())?;
    print!("{report}");
    let text = new_dir.join("repair-report.txt");
    std::fs::write(&text, report.to_string())?;
    println!("the new log and this report are in `{}`", new_dir.display());
    Ok(report.gaps.is_empty())
}
