//! A store on a Redis server, which many programs can use.
//!
//! ```text
//! {namespace}:id        which store this is: a random name, made when the store was empty
//! {namespace}:seq       the version given out last
//! {namespace}:done:…    the answer to the last write of a connection, for a minute
//! {namespace}:d:key     version u64 BE │ expiry in ms u64 BE, 0 for none │ value
//! ```
//!
//! The braces are part of the names: in a cluster, all names of a store are in one slot.
//!
//! Invariants:
//!
//! 1. A batch is one script, which reads everything that it needs before it writes: it cannot stop
//!    half way. The server runs one script at a time.
//! 2. Every call looks at id and version too. A server that lost its data, or went back to an older
//!    copy, has another id or a smaller version, and the call says so instead of answering from it.
//! 3. A write whose answer is lost is sent once more under the same token, and is not applied twice:
//!    the script keeps token and answer. A read is sent once more as it is.
//! 4. A connection that timed out is never used again: a late answer would be taken for the next one.
//!
//! The server is told to forget a value at its moment where the store's clock is the system's. The
//! moment is also kept with the value and compared with the store's clock, whichever comes first.

mod faults;
mod link;
mod scan;
mod scripts;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use redis::{Cmd, Value, cmd};

use self::link::Link;
use self::scan::Names;
use super::batch::{Batch, Outcome};
use super::clock::{Clock, SystemClock};
use super::contract::KeyValueStore;
use super::entry::{Entry, Page, Stats, Version};
use super::error::KvError;
use super::limits::{PAGE_BYTES_MAX, check_batch, check_key, check_keys, page_entries};

/// What an id begins with: the version of the layout above.
const ID_MARK: &str = "ekv1:";
/// The bytes before a value.
const HEAD: usize = 16;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// What the names of the store's keys begin with. Two namespaces are two stores.
    pub namespace: String,
    /// How long the server may be silent, when connecting and for each answer.
    pub timeout: Duration,
    /// By which clock values expire.
    pub clock: Arc<dyn Clock>,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            namespace: "kv".to_owned(),
            timeout: Duration::from_secs(5),
            clock: Arc::new(SystemClock),
        }
    }
}

/// A store on a Redis server.
#[derive(Debug)]
pub struct RedisStore {
    link: Link,
    names: Names,
    id: String,
    /// The greatest version that was seen: the server's may not be smaller.
    seen: AtomicU64,
    clock: Arc<dyn Clock>,
}

impl RedisStore {
    /// Connects to `redis://[user][:password@]host[:port][/db]`.
    ///
    /// # Errors
    /// [`KvError::Unreachable`], [`KvError::Refused`] where the server wants another password,
    /// [`KvError::NotAStore`] where this is no Redis server or the namespace is somebody else's.
    pub fn open(url: &str, options: RedisOptions) -> Result<Self, KvError> {
        let link = Link::open(url, options.timeout)?;
        let names = Names::new(&options.namespace);
        let id = Self::identify(&link, &names)?;
        let store = Self {
            link,
            names,
            id,
            seen: AtomicU64::new(0),
            clock: options.clock,
        };
        store.check_data()?;
        Ok(store)
    }

    /// The store's id, which is made where there is none.
    fn identify(link: &Link, names: &Names) -> Result<String, KvError> {
        let get = cmd("GET").arg(&names.id).to_owned();
        let mut answer = link.read_one(&get)?;
        if answer == Value::Nil {
            let id = format!("{ID_MARK}{:016x}{:016x}", link::random(), link::random());
            let set = cmd("SET").arg(&names.id).arg(id).arg("NX").to_owned();
            link.read_one(&set)?;
            // Another program may have been first.
            answer = link.read_one(&get)?;
        }
        let id: String = link.faults.parse(answer)?;
        if id.starts_with(ID_MARK) {
            Ok(id)
        } else {
            let detail = format!("`{}` is `{id}`, and not an id", names.id);
            Err(link.faults.not_a_store(detail))
        }
    }

    /// A command that reads id and version, and then more keys.
    fn mget<'a>(&self, keys: impl IntoIterator<Item = &'a [u8]>) -> Cmd {
        let mut command = cmd("MGET");
        command.arg(&self.names.id).arg(&self.names.seq);
        for key in keys {
            command.arg(self.names.data(key));
        }
        command
    }

    /// What the keys of an `MGET` have, if the store is still the one that was opened.
    fn read(&self, command: &Cmd) -> Result<Vec<Option<Vec<u8>>>, KvError> {
        // Before it is sent: what other threads see meanwhile may be newer than this answer.
        let seen = self.seen.load(Ordering::Acquire);
        let answer = self.link.read_one(command)?;
        let mut found: Vec<Option<Vec<u8>>> = self.link.faults.parse(answer)?;
        if found.len() < 2 {
            return Err(self.link.faults.corrupt("an answer is too short"));
        }
        let values = found.split_off(2);
        if found[0].as_deref() != Some(self.id.as_bytes()) {
            return Err(self.link.faults.data_lost("it has another id"));
        }
        let seq = match &found[1] {
            Some(text) => std::str::from_utf8(text)
                .ok()
                .and_then(|it| it.parse().ok()),
            None => Some(0),
        };
        let Some(seq) = seq else {
            return Err(self.link.faults.corrupt("its version is no number"));
        };
        self.check_seen(seen, seq)?;
        Ok(values)
    }

    fn check_seen(&self, seen: u64, seq: u64) -> Result<(), KvError> {
        if seq < seen {
            let detail = format!("its version went back from {seen} to {seq}");
            return Err(self.link.faults.data_lost(&detail));
        }
        self.seen.fetch_max(seq, Ordering::AcqRel);
        Ok(())
    }

    fn check_data(&self) -> Result<(), KvError> {
        self.read(&self.mget([])).map(drop)
    }

    /// The entry in a stored value, whether or not it has expired.
    fn decode(&self, key: &[u8], stored: Vec<u8>) -> Result<Entry, KvError> {
        let Some((version, expires_ms)) = scripts::head(&stored) else {
            let key = String::from_utf8_lossy(key);
            let detail = format!("what `{key}` has is not of this store");
            return Err(self.link.faults.corrupt(&detail));
        };
        Ok(Entry {
            value: Bytes::from(stored).slice(HEAD..),
            version,
            expires_ms,
        })
    }

    /// The entry in a stored value, if it is live.
    fn live(&self, key: &[u8], stored: Option<Vec<u8>>) -> Result<Option<Entry>, KvError> {
        let Some(stored) = stored else {
            return Ok(None);
        };
        let entry = self.decode(key, stored)?;
        let is_live = |expires_ms| self.clock.now_ms() < expires_ms;
        Ok(Some(entry).filter(|entry| entry.expires_ms.is_none_or(is_live)))
    }

    /// What the write script answered.
    fn outcome(&self, seen: u64, answer: Value) -> Result<Outcome, KvError> {
        let faults = &self.link.faults;
        let answer: Vec<i64> = faults.parse(answer)?;
        let number = |at: usize| answer.get(at).map_or(0, |it| it.unsigned_abs());
        match answer.first() {
            Some(&scripts::APPLIED) => {
                self.seen.fetch_max(number(1), Ordering::AcqRel);
                Ok(Outcome::Applied {
                    version: Version(number(1)),
                    removed: number(2),
                })
            }
            Some(&scripts::CONFLICT) => Ok(Outcome::Conflict {
                condition: usize::try_from(number(1)).unwrap_or(usize::MAX),
                actual: Some(number(2)).filter(|it| *it > 0).map(Version),
            }),
            Some(&scripts::ANOTHER_ID) => Err(faults.data_lost("it has another id")),
            Some(&scripts::WENT_BACK) => {
                let seq = number(1);
                Err(self
                    .check_seen(seen, seq)
                    .err()
                    .unwrap_or_else(|| faults.data_lost("its version went back")))
            }
            _ => Err(faults.corrupt("what one of the keys has is not of this store")),
        }
    }
}

impl KeyValueStore for RedisStore {
    fn entry(&self, key: &[u8]) -> Result<Option<Entry>, KvError> {
        check_key(key)?;
        let mut found = self.read(&self.mget([key]))?;
        self.live(key, found.pop().flatten())
    }

    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>, KvError> {
        check_keys(keys)?;
        let found = self.read(&self.mget(keys.iter().copied()))?;
        let value =
            |(key, stored): (&&[u8], _)| Ok(self.live(key, stored)?.map(|entry| entry.value));
        keys.iter().zip(found).map(value).collect()
    }

    fn write(&self, batch: &Batch) -> Result<Outcome, KvError> {
        check_batch(batch)?;
        let seen = self.seen.load(Ordering::Acquire);
        let now_ms = self.clock.now_ms();
        let script = scripts::Call {
            names: &self.names,
            id: &self.id,
            seen,
            now_ms,
            server_expires: self.clock.is_shared(),
        };
        let answer = self.link.write_one(|token| script.write(batch, token))?;
        self.outcome(seen, answer)
    }

    fn write_each(&self, batches: &[Batch]) -> Vec<Result<Outcome, KvError>> {
        let seen = self.seen.load(Ordering::Acquire);
        let now_ms = self.clock.now_ms();
        let script = scripts::Call {
            names: &self.names,
            id: &self.id,
            seen,
            now_ms,
            server_expires: self.clock.is_shared(),
        };
        let mut outcomes = Vec::with_capacity(batches.len());
        let mut rest = batches;
        while !rest.is_empty() {
            // What is refused here is not sent; what goes out in one round trip stays small.
            let (mut calls, mut bytes, mut refused) = (Vec::new(), 0, None);
            for batch in rest {
                let call = script
                    .check(batch)
                    .and_then(|()| script.write(batch, &link::Token::none()));
                match call {
                    Ok(call) => calls.push(call),
                    Err(error) => {
                        refused = Some(error);
                        break;
                    }
                }
                bytes += batch.bytes();
                if bytes > PAGE_BYTES_MAX {
                    break;
                }
            }
            rest = &rest[calls.len()..];
            let answers = self.link.write_many(&calls);
            outcomes.extend(answers.into_iter().map(|it| self.outcome(seen, it?)));
            if let Some(error) = refused {
                outcomes.push(Err(error));
                rest = &rest[1..];
            }
        }
        outcomes
    }

    fn list(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Page, KvError> {
        let limit = page_entries(limit);
        let mut after = after.map(<[u8]>::to_vec);
        loop {
            // The smallest keys, and one more to know whether there is another page.
            let mut smallest = BTreeSet::new();
            self.scan(prefix, |keys| {
                for key in keys {
                    if after.as_ref().is_none_or(|after| key > *after) {
                        smallest.insert(key);
                    }
                    if smallest.len() > limit + 1 {
                        smallest.pop_last();
                    }
                }
                Ok(())
            })?;
            let mut has_more = smallest.len() > limit;
            if has_more {
                smallest.pop_last();
            }
            let mut keys: Vec<_> = smallest.into_iter().collect();
            has_more |= self.cut_to_page(&mut keys)?;
            let found = self.read(&self.mget(keys.iter().map(Vec::as_slice)))?;
            let mut page = Page::default();
            for (key, stored) in keys.iter().zip(found) {
                if let Some(entry) = self.live(key, stored)? {
                    page.entries.push((key.clone().into(), entry));
                }
            }
            if !has_more {
                return Ok(page);
            }
            if !page.entries.is_empty() {
                page.next = keys.pop().map(Bytes::from);
                return Ok(page);
            }
            // All of them have expired, and more may come.
            after = keys.pop();
        }
    }

    fn clear(&self) -> Result<(), KvError> {
        self.check_data()?;
        self.scan(b"", |keys| {
            let mut unlink = cmd("UNLINK");
            for key in &keys {
                unlink.arg(self.names.data(key));
            }
            // To remove a key twice is to remove it: it can be sent again like a read.
            self.link.read_one(&unlink).map(drop)
        })
    }

    fn purge_expired(&self) -> Result<u64, KvError> {
        self.check_data()?;
        let mut purged = 0;
        self.scan(b"", |keys| {
            let call = scripts::purge(&self.names, &keys, self.clock.now_ms());
            let count: u64 = self.link.faults.parse(self.link.read_one(&call)?)?;
            purged += count;
            Ok(())
        })?;
        Ok(purged)
    }

    fn stats(&self) -> Result<Stats, KvError> {
        self.check_data()?;
        let mut stats = Stats::default();
        // A scan may give a key twice.
        let mut counted = HashSet::new();
        self.scan(b"", |mut keys| {
            keys.retain(|key| counted.insert(key.clone()));
            let heads = keys.iter().flat_map(|key| {
                let name = self.names.data(key);
                [
                    cmd("GETRANGE").arg(&name).arg(0).arg(HEAD - 1).to_owned(),
                    cmd("STRLEN").arg(&name).to_owned(),
                ]
            });
            let answers = self.link.read_many(&heads.collect::<Vec<_>>())?;
            for (key, answer) in keys.iter().zip(answers.chunks(2)) {
                let head: Vec<u8> = self.link.faults.parse(answer[0].clone())?;
                let len: usize = self.link.faults.parse(answer[1].clone())?;
                if head.is_empty() {
                    continue;
                }
                if self.live(key, Some(head))?.is_some() {
                    stats.keys += 1;
                    stats.bytes += (key.len() + len.saturating_sub(HEAD)) as u64;
                } else {
                    stats.expired += 1;
                }
            }
            Ok(())
        })?;
        Ok(stats)
    }

    fn flush(&self) -> Result<(), KvError> {
        self.check_data()
    }

    fn close(&self) -> Result<(), KvError> {
        self.link.close();
        Ok(())
    }
}

impl RedisStore {
    /// Gives all keys with a prefix to `take`, a few hundred at a time, in no order. A key that is
    /// there all the time is given at least once.
    fn scan(
        &self,
        prefix: &[u8],
        mut take: impl FnMut(Vec<Vec<u8>>) -> Result<(), KvError>,
    ) -> Result<(), KvError> {
        let pattern = self.names.pattern(prefix);
        let mut cursor = 0_u64;
        loop {
            let mut command = cmd("SCAN");
            command
                .arg(cursor)
                .arg("MATCH")
                .arg(&pattern)
                .arg("COUNT")
                .arg(scan::COUNT);
            let answer = self.link.read_one(&command)?;
            let (next, names): (u64, Vec<Vec<u8>>) = self.link.faults.parse(answer)?;
            let keys: Vec<_> = names.iter().filter_map(|it| self.names.key(it)).collect();
            if !keys.is_empty() {
                take(keys)?;
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }

    /// Leaves as many keys as one page may have bytes, and says whether any went.
    fn cut_to_page(&self, keys: &mut Vec<Vec<u8>>) -> Result<bool, KvError> {
        let lens = keys.iter().map(|key| {
            let name = self.names.data(key);
            cmd("STRLEN").arg(name).to_owned()
        });
        let answers = self.link.read_many(&lens.collect::<Vec<_>>())?;
        let mut bytes = 0;
        for (number, answer) in answers.into_iter().enumerate() {
            if bytes > PAGE_BYTES_MAX {
                keys.truncate(number);
                return Ok(true);
            }
            let len: usize = self.link.faults.parse(answer)?;
            bytes += len + keys[number].len();
        }
        Ok(false)
    }
}
