//! Keyspaces of an engine: keys and values, a transaction over two keyspaces, a scan beside a
//! writer, expiry, a view of one's own, a checkpoint, and what recovery says.
//!
//! ```text
//! cargo run -p engine --example keyspace -- DIR
//! ```

use std::error::Error;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::engine::{Applied, Refused, View};
use engine::frame::Kind;
use engine::wal::Mode;
use engine::{Engine, Options};

/// Counts the visits that the log has records of.
#[derive(Default)]
struct Visits(AtomicU64);

/// The type of its records: one of a caller's.
const VISIT: Kind = Kind(0x40);

impl View for Visits {
    fn name(&self) -> &'static str {
        "visits"
    }

    fn kinds(&self) -> RangeInclusive<Kind> {
        VISIT..=VISIT
    }

    fn apply(&self, _: Applied<'_>) -> Result<(), Refused> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn save(&self) -> Option<Vec<u8>> {
        Some(self.0.load(Ordering::Relaxed).to_le_bytes().to_vec())
    }

    fn restore(&self, saved: &[u8]) -> Result<(), Refused> {
        let count = saved
            .try_into()
            .map_err(|_| Refused("eight bytes were saved".into()))?;
        self.0.store(u64::from_le_bytes(count), Ordering::Relaxed);
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).ok_or("usage: keyspace DIR")?;
    let visits = Arc::new(Visits::default());
    let options = Options {
        views: vec![Arc::clone(&visits) as Arc<dyn View>],
        ..Options::in_mode(Mode::Strict)
    };
    let (engine, recovery) = Engine::open(dir, options)?;
    println!(
        "replayed {} records in {:?}",
        recovery.replayed, recovery.took
    );

    let teas = engine.keyspace("teas")?;
    let orders = engine.keyspace("orders")?;
    teas.put(b"assam", b"4 left")?;
    teas.put(b"sencha", b"9 left")?;

    // Two keyspaces and the view: all of it or nothing.
    let order = engine.retry(10, |tx| {
        let number = tx.scan(&orders).count() + 1;
        tx.put(&orders, format!("{number:06}").as_bytes(), b"sencha")?;
        tx.put(&teas, b"sencha", b"8 left")?;
        tx.record(VISIT, 1, b"somebody ordered")?;
        Ok(number)
    })?;
    println!(
        "order {} is durable below record {}",
        order.value, order.end
    );
    println!("{} visits so far", visits.0.load(Ordering::Relaxed));

    // A scan sees the moment at which it began.
    let scan = teas.scan();
    teas.delete(b"assam")?;
    for item in scan {
        println!(
            "{} {}",
            item.key().escape_ascii(),
            item.value().escape_ascii()
        );
    }

    // Gone a second from now.
    teas.put_until(b"offer", b"genmaicha", engine.now_us() + 1_000_000)?;
    println!("an offer: {}", teas.contains(b"offer"));

    println!("saved the state below record {}", engine.checkpoint()?);
    engine.close()?;
    Ok(())
}
