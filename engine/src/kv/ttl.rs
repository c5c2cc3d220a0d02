//! How long a value lives: a duration becomes the moment at which it ends.
//!
//! Moments are milliseconds since 1970, by the store's [`Clock`](super::Clock). At its moment a value is
//! gone: a value put at 100 ms for 50 ms is there at 149 and not at 150.

use std::time::Duration;

/// The longest time to live: a hundred years.
pub const TTL_MAX: Duration = Duration::from_hours(100 * 365 * 24);

/// A time to live that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TtlError {
    /// The value would be gone at once.
    #[error("a time to live of zero; delete the key instead")]
    Zero,
    /// The value would have been gone before.
    #[error("a time to live of {millis} ms is negative; delete the key instead")]
    Negative {
        /// What was asked for.
        millis: i64,
    },
    /// More than [`TTL_MAX`], or beyond the end of the clock.
    #[error("a time to live of {millis} ms is over 100 years; put the value without one")]
    TooLong {
        /// What was asked for.
        millis: u128,
    },
}

/// A time to live from a number of configuration or of a protocol, which may be negative.
///
/// # Errors
/// [`TtlError`], where it is not above zero or over [`TTL_MAX`].
pub fn ttl_from_millis(millis: i64) -> Result<Duration, TtlError> {
    let positive = u64::try_from(millis).map_err(|_| TtlError::Negative { millis })?;
    let ttl = Duration::from_millis(positive);
    expiry(0, ttl).map(|_| ttl)
}

/// The moment at which a value put at `now_ms` is gone. Parts of a millisecond are rounded up, so that
/// no value lives shorter than asked for.
///
/// # Errors
/// [`TtlError`], where `ttl` is zero or over [`TTL_MAX`].
pub fn expiry(now_ms: u64, ttl: Duration) -> Result<u64, TtlError> {
    if ttl.is_zero() {
        return Err(TtlError::Zero);
    }
    let too_long = || TtlError::TooLong {
        millis: ttl.as_millis(),
    };
    if ttl > TTL_MAX {
        return Err(too_long());
    }
    // By parts: dividing nanoseconds of 128 bits takes longer than a put.
    let millis = ttl.as_secs() * 1000 + u64::from(ttl.subsec_nanos().div_ceil(1_000_000));
    // A signed 64-bit moment is what SQLite and Redis can keep.
    let moment = now_ms.checked_add(millis).ok_or_else(too_long)?;
    i64::try_from(moment).map_err(|_| too_long())?;
    Ok(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_negative_and_overflowing_times_are_refused() {
        assert_eq!(expiry(5, Duration::ZERO), Err(TtlError::Zero));
        assert_eq!(ttl_from_millis(0), Err(TtlError::Zero));
        let negative = |millis| Err(TtlError::Negative { millis });
        assert_eq!(ttl_from_millis(-1), negative(-1));
        assert_eq!(ttl_from_millis(i64::MIN), negative(i64::MIN));
        let too_long = |result| matches!(result, Err(TtlError::TooLong { .. }));
        assert!(too_long(expiry(0, TTL_MAX + Duration::from_nanos(1))));
        assert!(too_long(expiry(0, Duration::MAX)));
        assert!(too_long(expiry(u64::MAX, Duration::from_millis(1))));
        assert!(too_long(expiry(u64::MAX / 2, Duration::from_millis(1))));
        assert!(ttl_from_millis(i64::MAX).is_err());
    }

    #[test]
    fn limit_itself_and_parts_of_a_millisecond_are_allowed() {
        assert_eq!(expiry(1, TTL_MAX), Ok(1 + 3_153_600_000_000));
        assert_eq!(expiry(1, Duration::from_nanos(1)), Ok(2));
        assert_eq!(expiry(1, Duration::from_micros(1_001)), Ok(3));
        assert_eq!(ttl_from_millis(7), Ok(Duration::from_millis(7)));
    }
}
