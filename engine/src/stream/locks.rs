//! The locks and the condition that streams need, of whatever kind the engine's door gives, so that a
//! model checker can stand in.

use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::time::Duration;

use crate::vfs::{Monitor, Vfs};

/// How many locks the partitions share.
const STRIPES: usize = 64;

/// A lock of whatever kind.
trait Lock: Send + Sync {
    fn with(&self, work: &mut dyn FnMut());
}

struct MonitorLock<M>(M);

impl<M: Monitor<()>> Lock for MonitorLock<M> {
    fn with(&self, work: &mut dyn FnMut()) {
        let _locked = self.0.lock();
        work();
    }
}

/// A condition that grows, of whatever kind.
trait Condition: Send + Sync {
    fn value(&self) -> u64;
    fn raise(&self);
    fn wait(&self, seen: u64, timeout: Duration) -> u64;
}

struct MonitorCondition<M>(M);

impl<M: Monitor<u64>> Condition for MonitorCondition<M> {
    fn value(&self) -> u64 {
        *self.0.lock()
    }

    fn raise(&self) {
        *self.0.lock() += 1;
        self.0.notify_all();
    }

    fn wait(&self, seen: u64, timeout: Duration) -> u64 {
        let value = self.0.lock();
        if *value != seen {
            return *value;
        }
        *self.0.wait_for(value, timeout)
    }
}

/// Locks for partitions and groups, and what consumers wait for.
pub(super) struct Locks {
    stripes: Vec<Box<dyn Lock>>,
    groups: Box<dyn Lock>,
    topics: Box<dyn Lock>,
    upkeep: Box<dyn Lock>,
    news: Box<dyn Condition>,
    waiting: AtomicUsize,
}

impl Locks {
    /// Those that a door gives.
    pub(super) fn of<V: Vfs>() -> Self {
        let lock = || Box::new(MonitorLock(V::Monitor::new(()))) as Box<dyn Lock>;
        Self {
            stripes: (0..STRIPES).map(|_| lock()).collect(),
            groups: lock(),
            topics: lock(),
            upkeep: lock(),
            news: Box::new(MonitorCondition(V::Monitor::new(0_u64))),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Runs `work` while nobody else publishes to the partition.
    pub(super) fn partition<T>(&self, number: u32, work: impl FnOnce() -> T) -> T {
        run(&*self.stripes[number as usize % STRIPES], work)
    }

    /// Runs `work` while nobody else publishes to any of the partitions.
    pub(super) fn partitions<T>(&self, numbers: &[u32], work: impl FnOnce() -> T) -> T {
        let mut stripes: Vec<_> = numbers.iter().map(|it| *it as usize % STRIPES).collect();
        // In one order for everybody, so that nobody waits in a circle.
        stripes.sort_unstable();
        stripes.dedup();
        let mut work = Some(work);
        let mut result = None;
        self.nested(&stripes, &mut || result = work.take().map(|work| work()));
        result.expect("a lock lets its caller in")
    }

    fn nested(&self, stripes: &[usize], work: &mut dyn FnMut()) {
        match stripes.split_first() {
            None => work(),
            Some((first, rest)) => self.stripes[*first].with(&mut || self.nested(rest, work)),
        }
    }

    /// Runs `work` while nobody else changes a group's members.
    pub(super) fn groups<T>(&self, work: impl FnOnce() -> T) -> T {
        run(&*self.groups, work)
    }

    /// Runs `work` while nobody else changes topics, producers' names or rules.
    pub(super) fn topics<T>(&self, work: impl FnOnce() -> T) -> T {
        run(&*self.topics, work)
    }

    /// Runs `work` while nobody else trims or copies.
    pub(super) fn upkeep<T>(&self, work: impl FnOnce() -> T) -> T {
        run(&*self.upkeep, work)
    }

    /// Says that there may be new messages.
    pub(super) fn announce(&self) {
        // Either this sees who waits, or who waits sees the messages.
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.news.raise();
        }
    }

    /// Waits for news, and no longer than `timeout`.
    pub(super) fn pause(&self, timeout: Duration) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _registered = Registered(&self.waiting);
        self.news.wait(self.news.value(), timeout);
    }

    /// Calls `poll` until it answers, for as long as `timeout` after the last news; `left` says how
    /// much of the time is left.
    pub(super) fn wait<T, E>(
        &self,
        mut poll: impl FnMut() -> Result<Option<T>, E>,
        left: impl Fn() -> Duration,
    ) -> Result<Option<T>, E> {
        if let Some(found) = poll()? {
            return Ok(Some(found));
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _registered = Registered(&self.waiting);
        loop {
            let seen = self.news.value();
            fence(Ordering::SeqCst);
            if let Some(found) = poll()? {
                return Ok(Some(found));
            }
            let left = left();
            // Where nothing happened, the time is over, whatever the clock says.
            if left.is_zero() || self.news.wait(seen, left) == seen {
                return poll();
            }
        }
    }
}

/// Counts a waiter as long as it lives.
struct Registered<'a>(&'a AtomicUsize);

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn run<T>(lock: &dyn Lock, work: impl FnOnce() -> T) -> T {
    let mut work = Some(work);
    let mut result = None;
    lock.with(&mut || result = work.take().map(|work| work()));
    result.expect("a lock lets its caller in")
}
