//! Locks, threads and time of a table, as an interface so that a model checker can stand in.
//!
//! [`Os`] is what ships: `parking_lot`'s locks, threads and the monotonic clock. The shuttle tests put
//! their own in its place and run the very same code.

use std::io;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::vfs::{Monitor, ParkingMonitor};

/// A lock with many readers or one writer.
pub trait SharedLock<T>: Send + Sync {
    /// Proof that the value is locked for reading.
    type Read<'a>: Deref<Target = T>
    where
        Self: 'a;
    /// Proof that the value is locked for writing.
    type Write<'a>: DerefMut<Target = T>
    where
        Self: 'a;

    /// Wraps `value`.
    fn new(value: T) -> Self;

    /// Locks for reading.
    fn read(&self) -> Self::Read<'_>;

    /// Locks for reading, unless that means waiting.
    fn try_read(&self) -> Option<Self::Read<'_>>;

    /// Locks for writing.
    fn write(&self) -> Self::Write<'_>;
}

/// Where a table gets its locks, threads and time from.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// A lock with many readers or one writer.
    type Lock<T: Send + Sync + 'static>: SharedLock<T>;
    /// A mutex with one condition.
    type Monitor<T: Send + 'static>: Monitor<T>;

    /// Starts a thread. Nobody joins it.
    ///
    /// # Errors
    /// What the system says.
    fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()>;

    /// Time since some moment; never goes back.
    fn now(&self) -> Duration;

    /// Lets others run.
    fn pause(&self);
}

/// The operating system's threads and clock.
#[derive(Debug, Clone, Copy)]
pub struct Os {
    begun: Instant,
}

impl Default for Os {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
        }
    }
}

impl Runtime for Os {
    type Lock<T: Send + Sync + 'static> = RwLock<T>;
    type Monitor<T: Send + 'static> = ParkingMonitor<T>;

    fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let builder = std::thread::Builder::new().name(name.to_owned());
        builder.spawn(work).map(drop)
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn pause(&self) {
        std::thread::yield_now();
    }
}

impl<T: Send + Sync> SharedLock<T> for RwLock<T> {
    type Read<'a>
        = RwLockReadGuard<'a, T>
    where
        Self: 'a;
    type Write<'a>
        = RwLockWriteGuard<'a, T>
    where
        Self: 'a;

    fn new(value: T) -> Self {
        Self::new(value)
    }

    fn read(&self) -> Self::Read<'_> {
        self.read()
    }

    fn try_read(&self) -> Option<Self::Read<'_>> {
        self.try_read()
    }

    fn write(&self) -> Self::Write<'_> {
        self.write()
    }
}
