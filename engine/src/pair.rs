//! A key and its value, one after the other in the same bytes.
//!
//! ```text
//! log       │ … │ key_len │ key value │ crc │          a put's payload, mapped
//! snapshot  │ … │ key value │ key value │ …            mapped
//! store     │ key value │                              its own, or a slice of either
//! ```
//!
//! Log, snapshot and store keep a pair in the same form, so that it goes from one to the other as
//! a slice, and what reads its key has its value at hand. What a store takes from the log it copies:
//! a slice would keep its segment, and with it all later ones, from ever being released.

use bytes::{Buf, Bytes};

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pair {
    bytes: Bytes,
    key_len: u32,
}

impl Pair {
    /// Copies a key and a value.
    ///
    /// # Panics
    /// Where the key is longer than 4 GiB.
    #[must_use]
    pub fn new(key: &[u8], value: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(key.len() + value.len());
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
        let key_len = u32::try_from(key.len()).expect("a key is below 4 GiB");
        Self {
            bytes: bytes.into(),
            key_len,
        }
    }

    /// A copy in memory of its own: what the bytes were a slice of is let go.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self {
            bytes: Bytes::copy_from_slice(&self.bytes),
            key_len: self.key_len,
        }
    }

    /// A key without a value.
    #[must_use]
    pub(crate) fn key_alone(key: Bytes) -> Self {
        let key_len = u32::try_from(key.len()).expect("a key is below 4 GiB");
        Self {
            bytes: key,
            key_len,
        }
    }

    /// Takes the first `key_len` bytes as the key and the rest as the value; `None` where there
    /// are fewer.
    #[must_use]
    pub fn split(bytes: Bytes, key_len: u32) -> Option<Self> {
        (key_len as usize <= bytes.len()).then_some(Self { bytes, key_len })
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.bytes[..self.key_len as usize]
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.bytes[self.key_len as usize..]
    }

    /// The value alone, sharing the pair's bytes.
    #[must_use]
    pub fn into_value(mut self) -> Bytes {
        self.bytes.advance(self.key_len as usize);
        self.bytes
    }

    /// Key and value, one after the other.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_has_the_key_and_the_value_it_was_made_of() {
        for (key, value) in [("key", "value"), ("", "value"), ("key", ""), ("", "")] {
            let (key, value) = (key.as_bytes(), value.as_bytes());
            let pair = Pair::new(key, value);
            assert_eq!((pair.key(), pair.value()), (key, value));
            assert_eq!(pair.as_bytes(), [key, value].concat());
            assert_eq!(pair.into_value(), value);
        }
    }

    #[test]
    fn a_key_longer_than_the_bytes_is_refused() {
        let bytes = Bytes::from_static(b"abc");
        assert!(Pair::split(bytes.clone(), 4).is_none());
        assert_eq!(Pair::split(bytes, 3), Some(Pair::new(b"abc", b"")));
    }
}
