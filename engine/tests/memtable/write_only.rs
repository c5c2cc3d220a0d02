//! A persister that is never read.

use std::time::Duration;

use engine::memtable::{
    BadRecord, Index, IndexKeys, Memtable, PersistError, Persister, Record, RecordRef,
};

use super::options;

/// Whoever has an address of their own.
struct Customer {
    id: u32,
    email: String,
}

impl Record for Customer {
    type Key = u32;
    const INDEXES: &'static [Index] = &[Index::unique("email")];

    fn key(&self) -> u32 {
        self.id
    }

    fn index_keys(&self, keys: &mut IndexKeys) {
        keys.add(0, &self.email);
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.email.as_bytes());
    }

    fn decode(_: &[u8]) -> Result<Self, BadRecord> {
        Err(BadRecord("never read"))
    }
}

/// Takes everything and says that it cannot be read; whoever reads it all the same gets an error.
struct WriteOnly;

impl Persister<Customer> for WriteOnly {
    fn persist(&self, _: &[RecordRef<Customer>]) -> Result<(), PersistError> {
        Ok(())
    }

    fn remove(&self, _: &[u32]) -> Result<(), PersistError> {
        Ok(())
    }

    fn get(&self, _: &u32) -> Result<Option<Customer>, PersistError> {
        Err(PersistError::new("was read by key"))
    }

    fn get_by_index(&self, _: usize, _: &[u8]) -> Result<Vec<Customer>, PersistError> {
        Err(PersistError::new("was read by index"))
    }

    fn scan(&self, _: Option<&u32>, _: usize) -> Result<Vec<Customer>, PersistError> {
        Err(PersistError::new("was scanned"))
    }

    fn is_write_only(&self) -> bool {
        true
    }
}

#[test]
fn write_only_persister_is_never_read() {
    let table = Memtable::in_memory(WriteOnly, options()).unwrap();
    let customer = |id: u32, email: &str| Customer {
        id,
        email: email.to_owned(),
    };
    assert_eq!(
        customer(1, "").heap_bytes(),
        0,
        "what a record says of itself by default"
    );
    for round in 0..2 {
        // In the second round all of it was flushed, and is gone from sight.
        table.insert(customer(1, "ada@example.com")).unwrap();
        table.put(customer(1, "emmy@example.com")).unwrap();
        table.put(customer(2, "ada@example.com")).unwrap();
        assert!(table.insert(customer(3, "ada@example.com")).is_err());
        // Older generations are asked in place of the persister.
        table.rotate();
        assert!(table.insert(customer(3, "ada@example.com")).is_err());
        table.update(customer(2, "grace@example.com")).unwrap();
        table.insert(customer(3, "ada@example.com")).unwrap();
        assert_eq!(table.get(&1).unwrap().unwrap().email, "emmy@example.com");
        assert!(table.get(&4).unwrap().is_none());
        let found = table.get_unique(0, "ada@example.com").unwrap();
        assert_eq!(found.unwrap().id, 3);
        table.delete(&1).unwrap();
        let left = table.scan().map(|record| record.unwrap().id);
        assert_eq!(left.collect::<Vec<_>>(), [2, 3], "round {round}");
        table.flush(Duration::MAX).unwrap();
        assert!(table.get(&2).unwrap().is_none());
    }
}
