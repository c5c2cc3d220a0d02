//! A table of typed records over an engine: indexes, update in place, a transaction with a keyspace, and
//! the flush to a keyspace behind it.
//!
//! ```text
//! cargo run -p engine --example memtable -- DIR
//! ```
//!
//! The second run finds what the first one wrote.

use std::error::Error;
use std::time::Duration;

use engine::memtable::{
    self, BadRecord, Index, IndexKeys, KeyspacePersister, Memtable, Record, WriteError,
};
use engine::wal::Mode;
use engine::{Engine, Options};

/// A customer of a tea shop.
#[derive(Debug, Clone)]
struct Customer {
    id: u64,
    email: String,
    city: String,
}

/// Nobody else has the address.
const BY_EMAIL: usize = 0;
/// Many live in one city.
const BY_CITY: usize = 1;

impl Record for Customer {
    type Key = u64;
    const INDEXES: &'static [Index] = &[Index::unique("email"), Index::new("city")];

    fn key(&self) -> u64 {
        self.id
    }

    fn index_keys(&self, keys: &mut IndexKeys) {
        keys.add(BY_EMAIL, &self.email);
        keys.add(BY_CITY, &self.city);
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.to_le_bytes());
        out.extend_from_slice(format!("{}\n{}", self.email, self.city).as_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, BadRecord> {
        let bad = BadRecord("a number, an address, a line break and a city");
        let Some((id, text)) = bytes.split_first_chunk() else {
            return Err(bad);
        };
        let text = std::str::from_utf8(text).ok();
        let (email, city) = text.and_then(|text| text.split_once('\n')).ok_or(bad)?;
        Ok(Self {
            id: u64::from_le_bytes(*id),
            email: email.to_owned(),
            city: city.to_owned(),
        })
    }
}

fn customer(id: u64, name: &str, city: &str) -> Customer {
    Customer {
        id,
        email: format!("{name}@example.com"),
        city: city.to_owned(),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).ok_or("usage: memtable DIR")?;
    let options = Options {
        // The log has records of tables, so whoever opens it has to know them.
        views: vec![memtable::view()],
        ..Options::in_mode(Mode::Strict)
    };
    let (engine, _) = Engine::open(dir, options)?;
    let persister = KeyspacePersister::open(&engine, "customers")?;
    let customers: Memtable<Customer> = Memtable::open(
        "customers",
        engine.clone(),
        persister,
        memtable::Options::default(),
    )?;
    let found = customers.scan().count();
    println!("{found} customers from earlier runs");

    customers.put(customer(1, "ada", "London"))?;
    customers.put(customer(2, "emmy", "Erlangen"))?;
    customers.put(customer(3, "mary", "London"))?;
    match customers.insert(customer(4, "ada", "Paris")) {
        Err(WriteError::NotUnique { index }) => println!("the {index} is taken"),
        other => println!("unexpected: {other:?}"),
    }

    // Index keys follow the record.
    customers.update_with(&3, |mary| Customer {
        city: "Bath".to_owned(),
        ..mary.clone()
    })?;
    let emmy = customers.get_unique(BY_EMAIL, "emmy@example.com")?;
    println!("emmy lives in {}", emmy.ok_or("emmy is gone")?.city);
    println!(
        "in London: {}",
        customers.get_by_index(BY_CITY, "London")?.len()
    );

    // The customer's record and the order are there together, or neither is.
    let orders = engine.keyspace("orders")?;
    engine.retry(10, |tx| {
        let ada = customers.get_in(tx, &1)?;
        let city = ada.map_or_else(String::new, |ada| ada.city.clone());
        tx.put(
            &orders,
            b"2026/0001",
            format!("sencha to {city}").as_bytes(),
        )?;
        customers.delete_in(tx, &2)?;
        Ok(())
    })?;
    let order = orders.get(b"2026/0001").ok_or("the order is gone")?;
    println!("order: {}", order.escape_ascii());

    // What was written is the keyspace's once this returns; without it, a thread sees to that.
    customers.flush(Duration::from_secs(10))?;
    println!("{:?}", customers.status());
    customers.close(Duration::from_secs(10))?;
    engine.close()?;
    Ok(())
}
