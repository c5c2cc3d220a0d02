//! What criterion measured, as one table: a row for each operation, a column for each backend.

use std::error::Error;
use std::path::{Path, PathBuf};

use crate::backend::Backends;

/// What is counted: one operation takes this share of what criterion timed.
struct Row {
    name: &'static str,
    /// Criterion's path, with `{}` where the backend is named.
    path: &'static str,
    operations: f64,
    aim: &'static str,
}

const fn row(name: &'static str, path: &'static str, operations: f64, aim: &'static str) -> Row {
    Row {
        name,
        path,
        operations,
        aim,
    }
}

const ROWS: [Row; 21] = [
    row(
        "put 100 B",
        "single_operations/single_put/{}_100B",
        1.0,
        "memory 1 µs, sqlite 100 µs, redis 1 ms",
    ),
    row("put 10 KB", "single_operations/single_put/{}_10KB", 1.0, ""),
    row("put 1 MB", "single_operations/single_put/{}_1MB", 1.0, ""),
    row(
        "get 100 B",
        "single_operations/single_get/{}_100B",
        1.0,
        "memory 1 µs, sqlite 100 µs, redis 1 ms",
    ),
    row("get 10 KB", "single_operations/single_get/{}_10KB", 1.0, ""),
    row("get 1 MB", "single_operations/single_get/{}_1MB", 1.0, ""),
    row(
        "exists",
        "single_operations/single_exists/{}",
        1.0,
        "memory 1 µs",
    ),
    row(
        "delete",
        "single_operations/single_delete/{}",
        1.0,
        "memory 1 µs",
    ),
    row(
        "1,000 puts, each",
        "batch_operations/bulk_put/{}",
        1000.0,
        "memory 1 µs",
    ),
    row(
        "1,000 gets, each",
        "batch_operations/bulk_get/{}",
        1000.0,
        "memory 1 µs",
    ),
    row(
        "batch of 1,000 puts, each",
        "batch_operations/batch_put/{}",
        1000.0,
        "memory 1 µs, sqlite 100 µs",
    ),
    row(
        "batch of 1,000 gets, each",
        "batch_operations/batch_get/{}",
        1000.0,
        "memory 1 µs",
    ),
    row(
        "1,000 puts sent together, each",
        "batch_operations/pipelined_put/{}",
        1000.0,
        "redis 10 µs",
    ),
    row(
        "reads, 1 thread, each",
        "concurrent_access/concurrent_reads/{}_1",
        1000.0,
        "",
    ),
    row(
        "reads, 2 threads, each",
        "concurrent_access/concurrent_reads/{}_2",
        1000.0,
        "memory 1.8 times as many",
    ),
    row(
        "80 % reads, 2 threads, each",
        "concurrent_access/mixed_workload/{}",
        1000.0,
        "memory 2 µs",
    ),
    row("list of 10", "key_patterns/prefix_scan/{}_10", 1.0, ""),
    row("list of 100", "key_patterns/prefix_scan/{}_100", 1.0, ""),
    row(
        "list of 1,000",
        "key_patterns/prefix_scan/{}_1000",
        1.0,
        "memory 100 µs",
    ),
    row(
        "put without TTL",
        "ttl_operations/put_without_ttl/{}",
        1.0,
        "",
    ),
    row(
        "put with TTL",
        "ttl_operations/put_with_ttl/{}",
        1.0,
        "memory 1.2 puts",
    ),
];

/// Prints the table.
pub(crate) fn print(all: &Backends) -> Result<(), Box<dyn Error>> {
    let folder = criterion_folder();
    let names: Vec<_> = all.stores.iter().map(|it| it.name).collect();
    println!(
        "\n| one operation takes, in the best sample | {} | aim |",
        names.join(" | ")
    );
    println!("|---|{}---|", "---:|".repeat(names.len()));
    for row in &ROWS {
        let cells = names.iter().map(|name| {
            let time = measured(&folder, row.path, name)?;
            Ok(time.map_or_else(|| "–".to_owned(), |it| shown(it / row.operations)))
        });
        let cells: Vec<_> = cells.collect::<Result<_, Box<dyn Error>>>()?;
        println!("| {} | {} | {} |", row.name, cells.join(" | "), row.aim);
    }
    let ratio = |name: &str, over: &str, under: &str| -> Result<String, Box<dyn Error>> {
        let (over, under) = (
            measured(&folder, over, name)?,
            measured(&folder, under, name)?,
        );
        let ratio = over.zip(under).map(|(over, under)| over / under);
        Ok(ratio.map_or_else(|| "–".to_owned(), |it| format!("{it:.2}")))
    };
    let reads = "concurrent_access/concurrent_reads/{}";
    for (title, over, under, aim) in [
        (
            "reads on 2 threads, times 1",
            format!("{reads}_1"),
            format!("{reads}_2"),
            "memory ≥ 1.8",
        ),
        (
            "put with TTL, times put",
            "ttl_operations/put_with_ttl/{}".to_owned(),
            "ttl_operations/put_without_ttl/{}".to_owned(),
            "memory ≤ 1.2",
        ),
    ] {
        let cells = names.iter().map(|name| ratio(name, &over, &under));
        let cells: Vec<_> = cells.collect::<Result<_, _>>()?;
        println!("| {title} | {} | {aim} |", cells.join(" | "));
    }
    for reason in &all.skipped {
        println!("\nskipped: {reason}");
    }
    Ok(())
}

/// Where criterion keeps what it measured.
fn criterion_folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"));
    target.join("criterion")
}

/// Nanoseconds of what criterion timed, in the best of its samples: others share the machine, and none
/// of them makes it faster. `None` where it was not measured.
fn measured(folder: &Path, path: &str, backend: &str) -> Result<Option<f64>, Box<dyn Error>> {
    let path = folder
        .join(path.replace("{}", backend))
        .join("new/sample.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        return Ok(None);
    };
    let sample: serde_json::Value = serde_json::from_str(&text)?;
    let numbers = |name: &str| -> Vec<f64> {
        let list = sample[name].as_array().into_iter().flatten();
        list.filter_map(serde_json::Value::as_f64).collect()
    };
    let each = numbers("times").into_iter().zip(numbers("iters"));
    Ok(each.map(|(time, count)| time / count).reduce(f64::min))
}

/// Three digits and a unit.
fn shown(nanoseconds: f64) -> String {
    let (number, unit) = match nanoseconds {
        it if it < 1e3 => (it, "ns"),
        it if it < 1e6 => (it / 1e3, "µs"),
        it if it < 1e9 => (it / 1e6, "ms"),
        it => (it / 1e9, "s"),
    };
    let digits = if number < 10.0 {
        2
    } else {
        usize::from(number < 100.0)
    };
    format!("{number:.digits$} {unit}")
}
