//! Keys as bytes: in the log, in a persister, and as entries of an index.
//!
//! ```text
//! u32    big-endian                    i32   big-endian, sign bit flipped
//! str    its bytes                     bool  one byte
//! ```
//!
//! The bytes of two keys compare as the keys do, so that a persister which orders by bytes orders by
//! key. Two keys of one type have equal bytes only if they are equal.

use std::hash::Hash;

/// A value that can be looked up in an index.
pub trait IndexKey {
    /// Calls `read` with the bytes that stand for it, and answers with what that answers.
    fn with_bytes<O>(&self, read: impl FnOnce(&[u8]) -> O) -> O;
}

/// A primary key.
pub trait Key: IndexKey + Clone + Ord + Hash + Send + Sync + 'static {
    /// The key that `bytes` stand for; `None` where they stand for none.
    fn read_key(bytes: &[u8]) -> Option<Self>;
}

impl IndexKey for [u8] {
    fn with_bytes<O>(&self, read: impl FnOnce(&[u8]) -> O) -> O {
        read(self)
    }
}

impl IndexKey for str {
    fn with_bytes<O>(&self, read: impl FnOnce(&[u8]) -> O) -> O {
        read(self.as_bytes())
    }
}

impl<const N: usize> IndexKey for [u8; N] {
    fn with_bytes<O>(&self, read: impl FnOnce(&[u8]) -> O) -> O {
        read(self)
    }
}

impl IndexKey for Vec<u8> {
    fn with_bytes<O>(&self, read: impl FnOnce(&[u8]) -> O) -> O {
        read(self)
    }
}

impl IndexKey for String {
    fn with_bytes<O>(&self, read: impl FnOnce(&[u8]) -> O) -> O {
        read(self.as_bytes())
    }
}

impl IndexKey for bool {
    fn with_bytes<O>(&self, read: impl FnOnce(&[u8]) -> O) -> O {
        read(&[u8::from(*self)])
    }
}

impl<K: IndexKey + ?Sized> IndexKey for &K {
    fn with_bytes<O>(&self, read: impl FnOnce(&[u8]) -> O) -> O {
        (**self).with_bytes(read)
    }
}

impl Key for Vec<u8> {
    fn read_key(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}

impl Key for String {
    fn read_key(bytes: &[u8]) -> Option<Self> {
        String::from_utf8(bytes.to_vec()).ok()
    }
}

impl<const N: usize> Key for [u8; N] {
    fn read_key(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok()
    }
}

macro_rules! unsigned {
    ($($int:ty),+) => {$(
        impl IndexKey for $int {
            fn with_bytes<O>(&self, read: impl FnOnce(&[u8]) -> O) -> O {
                read(&self.to_be_bytes())
            }
        }

        impl Key for $int {
            fn read_key(bytes: &[u8]) -> Option<Self> {
                Some(Self::from_be_bytes(bytes.try_into().ok()?))
            }
        }
    )+};
}

macro_rules! signed {
    ($($int:ty),+) => {$(
        impl IndexKey for $int {
            fn with_bytes<O>(&self, read: impl FnOnce(&[u8]) -> O) -> O {
                read(&(self ^ <$int>::MIN).to_be_bytes())
            }
        }

        impl Key for $int {
            fn read_key(bytes: &[u8]) -> Option<Self> {
                Some(<$int>::from_be_bytes(bytes.try_into().ok()?) ^ <$int>::MIN)
            }
        }
    )+};
}

unsigned!(u8, u16, u32, u64, u128);
signed!(i8, i16, i32, i64, i128);

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(key: &(impl IndexKey + ?Sized)) -> Vec<u8> {
        key.with_bytes(<[u8]>::to_vec)
    }

    #[track_caller]
    fn ordered<K: Key + std::fmt::Debug>(keys: &[K]) {
        for pair in keys.windows(2) {
            assert!(bytes(&pair[0]) < bytes(&pair[1]), "{pair:?}");
        }
        for key in keys {
            assert_eq!(K::read_key(&bytes(key)).as_ref(), Some(key));
        }
    }

    #[test]
    fn bytes_of_keys_sort_as_the_keys_do() {
        ordered(&[i64::MIN, -256, -1, 0, 1, 255, 256, i64::MAX]);
        ordered(&[0_u32, 1, 255, 256, u32::MAX]);
        ordered(&[i8::MIN, -1, 0, i8::MAX]);
        ordered(&[String::new(), "a".into(), "aa".into(), "b".into()]);
        ordered(&[vec![], vec![0], vec![0, 0], vec![1]]);
        ordered(&[[0_u8, 1], [1, 0]]);
    }

    #[test]
    fn bytes_of_another_length_or_encoding_are_no_key() {
        assert_eq!(i64::read_key(&[0; 7]), None);
        assert_eq!(u8::read_key(&[]), None);
        assert_eq!(<[u8; 2]>::read_key(&[0; 3]), None);
        assert_eq!(String::read_key(&[0xff]), None);
    }

    #[test]
    fn a_reference_has_the_bytes_of_what_it_refers_to() {
        assert_eq!(bytes("tea"), bytes(&&String::from("tea")));
        assert_eq!((bytes(&true), bytes(&false)), (vec![1], vec![0]));
    }
}
