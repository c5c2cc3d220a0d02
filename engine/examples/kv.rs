//! One program on any store: `cargo run -p engine --features sqlite,redis --example kv -- URL…`
//!
//! Without URLs it takes that of `KV_URL`, or else runs on all stores of this machine, Redis included
//! where `REDIS_URL` names a server. It counts visitors: each visit is a compare-and-swap, each
//! visitor has a session that expires, and the report is a list by prefix.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use engine::kv::{self, Batch, Expect, KeyValueStore, OpenError, Outcome};

type Done = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kv: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Done {
    let urls: Vec<String> = std::env::args().skip(1).collect();
    if !urls.is_empty() {
        return urls.iter().try_for_each(|url| visit(&*kv::open(url)?));
    }
    match kv::open_from_environment() {
        Ok(store) => visit(&*store),
        Err(OpenError::NotSet { .. }) => on_all(),
        Err(error) => Err(error.into()),
    }
}

fn on_all() -> Done {
    let dir = tempfile::tempdir()?;
    let path = dir.path().display();
    let mut urls = vec![
        "memory:".to_owned(),
        format!("engine:{path}/engine?mode=strict"),
        format!("sqlite:{path}/store.db"),
    ];
    match std::env::var("REDIS_URL") {
        Ok(url) => urls.push(url),
        Err(_) => println!("redis: skipped, since REDIS_URL is not set"),
    }
    for url in urls {
        match kv::open(&url) {
            Ok(store) => visit(&*store)?,
            Err(error @ OpenError::NotBuilt { .. }) => println!("skipped: {error}"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The program. It does not know which store it has.
fn visit(store: &dyn KeyValueStore) -> Done {
    for visitor in ["ada", "grace", "ada"] {
        let session = format!("session/{visitor}");
        store.put_with_ttl(session.as_bytes(), b"open", Duration::from_mins(1))?;
        count(store, visitor)?;
    }
    let page = store.list(b"visits/", None, 100)?;
    let visits = page.entries.iter().map(|(key, entry)| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        format!("{} {}", text(key), text(&entry.value))
    });
    let visits: Vec<_> = visits.collect();
    let name = format!("{store:?}");
    let name = name
        .split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default();
    println!("{name}: {}", visits.join(", "));
    let mut leave = Batch::default();
    for (key, _) in &page.entries {
        leave = leave.delete(key);
    }
    store.write(&leave)?;
    store.close()?;
    Ok(())
}

/// Adds one, whoever else adds one meanwhile.
fn count(store: &dyn KeyValueStore, visitor: &str) -> Done {
    let key = format!("visits/{visitor}").into_bytes();
    loop {
        let (expect, visits) = match store.entry(&key)? {
            None => (Expect::Absent, 0),
            Some(entry) => {
                let text = std::str::from_utf8(&entry.value)?;
                (Expect::Version(entry.version), text.parse::<u64>()?)
            }
        };
        let next = (visits + 1).to_string();
        let outcome = store.compare_and_swap(&key, expect, next.as_bytes())?;
        if let Outcome::Applied { .. } = outcome {
            return Ok(());
        }
    }
}
