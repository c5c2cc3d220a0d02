//! A message ⇄ bytes. Pure: no clock, no file, and reading allocates nothing.
//!
//! ```text
//! │ body_len u32 with flags │ key_len u16 │ headers_len u16 │ time_us u64? │ key │ headers │ body │
//! ```
//!
//! Publishing copies a message once, into the record. On the way out a [`Message`] is a slice of the
//! record: key, headers and body are parts of that slice, and nothing is copied.

use bytes::Bytes;

use crate::wal::Lsn;

/// The longest key, and the longest encoding of all headers together, in bytes.
pub const KEY_BYTES_MAX: usize = u16::MAX as usize;

/// The largest body, in bytes. Topics have a cap of their own, which is at most this.
pub const BODY_BYTES_MAX: usize = 15 << 20;

/// The bytes before a message's own time, or its key.
const HEAD: usize = 8;
/// The bytes of a message's own time.
const TIME: usize = 8;

/// The message has a time of its own.
const HAS_TIME: u32 = 1 << 31;
/// The message has no body: of its key, nothing is left.
const NO_BODY: u32 = 1 << 30;
/// The message has a key.
const HAS_KEY: u32 = 1 << 29;
const FLAGS: u32 = HAS_TIME | NO_BODY | HAS_KEY;

/// A message to be published. It borrows: publishing copies it once, into the log's record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NewMessage<'a> {
    key: Option<&'a [u8]>,
    headers: &'a [(&'a str, &'a [u8])],
    time_us: Option<u64>,
    body: Option<&'a [u8]>,
}

/// Why a message cannot be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadMessage {
    /// A key above the cap.
    #[error("its key has {0} bytes; keys have at most {KEY_BYTES_MAX}")]
    Key(usize),
    /// Headers above the cap.
    #[error("its headers take {0} bytes; together they have at most {KEY_BYTES_MAX}")]
    Headers(usize),
    /// A header's name above the cap.
    #[error("a header's name has {0} bytes; names have at most 255")]
    HeaderName(usize),
    /// A body above the topic's cap.
    #[error("its body has {size} bytes, and the topic takes at most {max}")]
    Body {
        /// How many it has.
        size: usize,
        /// How many it may have.
        max: usize,
    },
}

impl<'a> NewMessage<'a> {
    /// A message with a body alone.
    #[must_use]
    pub const fn new(body: &'a [u8]) -> Self {
        Self {
            key: None,
            headers: &[],
            time_us: None,
            body: Some(body),
        }
    }

    /// A message that says that nothing is left of `key`: compaction forgets the key.
    #[must_use]
    pub const fn tombstone(key: &'a [u8]) -> Self {
        Self {
            key: Some(key),
            headers: &[],
            time_us: None,
            body: None,
        }
    }

    /// The same with a key, which chooses the partition and is what compaction keeps the last one of.
    #[must_use]
    pub const fn key(mut self, key: &'a [u8]) -> Self {
        self.key = Some(key);
        self
    }

    /// The same with headers: names and values, in this order.
    #[must_use]
    pub const fn headers(mut self, headers: &'a [(&'a str, &'a [u8])]) -> Self {
        self.headers = headers;
        self
    }

    /// The same with a time of the publisher's, in microseconds since the Unix epoch. Without one it is
    /// the time at which the log took it.
    #[must_use]
    pub const fn at(mut self, time_us: u64) -> Self {
        self.time_us = Some(time_us);
        self
    }

    /// Its key, which chooses the partition.
    #[must_use]
    pub const fn key_bytes(&self) -> Option<&'a [u8]> {
        self.key
    }

    /// How many bytes it takes in a record.
    #[must_use]
    pub fn size(&self) -> usize {
        HEAD + self.time_us.map_or(0, |_| TIME)
            + self.key.map_or(0, <[u8]>::len)
            + self.headers_size()
            + self.body.map_or(0, <[u8]>::len)
    }

    fn headers_size(&self) -> usize {
        let sizes = self.headers.iter();
        sizes
            .map(|(name, value)| 3 + name.len() + value.len())
            .sum()
    }

    /// Whether it can be encoded, and its body is within `body_bytes_max`.
    pub(super) fn check(&self, body_bytes_max: usize) -> Result<(), BadMessage> {
        let key = self.key.map_or(0, <[u8]>::len);
        if key > KEY_BYTES_MAX {
            return Err(BadMessage::Key(key));
        }
        let size = self.body.map_or(0, <[u8]>::len);
        let max = body_bytes_max.min(BODY_BYTES_MAX);
        if size > max {
            return Err(BadMessage::Body { size, max });
        }
        if self.headers.is_empty() {
            return Ok(());
        }
        let headers = self.headers_size();
        if headers > KEY_BYTES_MAX {
            return Err(BadMessage::Headers(headers));
        }
        let longest = self.headers.iter().map(|(name, _)| name.len()).max();
        match longest.unwrap_or(0) {
            name if name > usize::from(u8::MAX) => Err(BadMessage::HeaderName(name)),
            _ => Ok(()),
        }
    }

    /// Appends the message, which was [checked](Self::check), to a record.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let mut flagged = u32::try_from(len(self.body)).unwrap_or(0) & !FLAGS;
        flagged |= self.time_us.map_or(0, |_| HAS_TIME);
        flagged |= self.key.map_or(0, |_| HAS_KEY);
        flagged |= self.body.map_or(NO_BODY, |_| 0);
        let key_len = u16::try_from(len(self.key)).unwrap_or(0);
        let headers_len = u16::try_from(self.headers_size()).unwrap_or(0);
        let head = u64::from(flagged) | u64::from(key_len) << 32 | u64::from(headers_len) << 48;
        out.extend_from_slice(&head.to_le_bytes());
        if let Some(time_us) = self.time_us {
            out.extend_from_slice(&time_us.to_le_bytes());
        }
        out.extend_from_slice(self.key.unwrap_or_default());
        for (name, value) in self.headers {
            out.push(u8::try_from(name.len()).unwrap_or(0));
            out.extend_from_slice(&u16::try_from(value.len()).unwrap_or(0).to_le_bytes());
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(value);
        }
        out.extend_from_slice(self.body.unwrap_or_default());
    }
}

/// A message as it was read: a slice of the log's record.
///
/// Holding one holds the segment, or the buffer, that it is a slice of; keep a copy of the body where
/// it is kept for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its place in its partition.
    pub offset: u64,
    /// The record that holds it.
    pub lsn: Lsn,
    /// Its publisher's time, or else the time at which the log took it: microseconds since the Unix
    /// epoch.
    pub time_us: u64,
    bytes: Bytes,
    key: u16,
    headers: u16,
    /// Where the key begins.
    at: u8,
    has_key: bool,
    has_body: bool,
}

impl Message {
    /// Its key.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        self.has_key
            .then(|| &self.bytes[usize::from(self.at)..self.headers_at()])
    }

    /// Its body; `None` of a tombstone.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        self.has_body.then(|| &self.bytes[self.body_at()..])
    }

    /// Its body, without a copy.
    #[must_use]
    pub fn body_bytes(&self) -> Option<Bytes> {
        self.has_body.then(|| self.bytes.slice(self.body_at()..))
    }

    /// Its headers, in the order in which they were published.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        Headers {
            rest: &self.bytes[self.headers_at()..self.body_at()],
        }
    }

    /// How many bytes it takes in the log.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the message to a record of another time.
    pub(super) fn encode_with_time(&self, out: &mut Vec<u8>) {
        let at = usize::from(self.at);
        let (head, rest) = (&self.bytes[..HEAD], &self.bytes[at..]);
        out.extend_from_slice(head);
        // The flags are in the highest byte of the first field.
        let flags = out.len() - HEAD + 3;
        out[flags] |= HAS_TIME.to_le_bytes()[3];
        out.extend_from_slice(&self.time_us.to_le_bytes());
        out.extend_from_slice(rest);
    }

    fn headers_at(&self) -> usize {
        usize::from(self.at) + usize::from(self.key)
    }

    fn body_at(&self) -> usize {
        self.headers_at() + usize::from(self.headers)
    }
}

/// The headers of a message.
#[derive(Debug, Clone)]
pub struct Headers<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (head, rest) = self.rest.split_first_chunk::<3>()?;
        let value_len = usize::from(u16::from_le_bytes([head[1], head[2]]));
        let (name, rest) = rest.split_at_checked(usize::from(head[0]))?;
        let (value, rest) = rest.split_at_checked(value_len)?;
        self.rest = rest;
        Some((std::str::from_utf8(name).ok()?, value))
    }
}

/// The lengths of the message at the beginning of some bytes.
#[derive(Debug, Clone, Copy)]
struct Shape {
    flags: u32,
    key: u16,
    headers: u16,
    at: usize,
    size: usize,
}

impl Shape {
    fn of(bytes: &[u8]) -> Option<Self> {
        let head = u64::from_le_bytes(*bytes.first_chunk::<HEAD>()?);
        let [b0, b1, b2, b3, k0, k1, h0, h1] = head.to_le_bytes();
        let flagged = u32::from_le_bytes([b0, b1, b2, b3]);
        let (key, headers) = (u16::from_le_bytes([k0, k1]), u16::from_le_bytes([h0, h1]));
        let body = (flagged & !FLAGS) as usize;
        let flags = flagged & FLAGS;
        let at = if flags & HAS_TIME == 0 {
            HEAD
        } else {
            HEAD + TIME
        };
        let size = at + usize::from(key) + usize::from(headers) + body;
        let is_odd = (flags & NO_BODY != 0 && body != 0) || (flags & HAS_KEY == 0 && key != 0);
        (size <= bytes.len() && !is_odd).then_some(Self {
            flags,
            key,
            headers,
            at,
            size,
        })
    }
}

/// The message at the beginning of `bytes`, and how many bytes it takes; `None` where there is none.
#[inline]
pub(super) fn decode(
    bytes: &Bytes,
    at: usize,
    offset: u64,
    lsn: Lsn,
    time_us: u64,
) -> Option<(Message, usize)> {
    let rest = bytes.get(at..)?;
    let shape = Shape::of(rest)?;
    let time_us = if shape.flags & HAS_TIME == 0 {
        time_us
    } else {
        u64::from_le_bytes(*rest[HEAD..].first_chunk::<TIME>()?)
    };
    let message = Message {
        offset,
        lsn,
        time_us,
        bytes: bytes.slice(at..at + shape.size),
        key: shape.key,
        headers: shape.headers,
        at: u8::try_from(shape.at).unwrap_or(0),
        has_key: shape.flags & HAS_KEY != 0,
        has_body: shape.flags & NO_BODY == 0,
    };
    Some((message, shape.size))
}

/// How many bytes the message at the beginning of `bytes` takes.
pub(super) fn size_at(bytes: &[u8]) -> Option<usize> {
    Shape::of(bytes).map(|shape| shape.size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(message: &NewMessage<'_>) -> Bytes {
        message.check(BODY_BYTES_MAX).unwrap();
        let mut out = Vec::new();
        message.encode(&mut out);
        assert_eq!(out.len(), message.size());
        out.into()
    }

    fn back(bytes: &Bytes) -> Option<(Message, usize)> {
        decode(bytes, 0, 3, Lsn(7), 11)
    }

    #[test]
    fn a_message_comes_back_as_it_was_published() {
        let headers: [(&str, &[u8]); 2] = [("trace", b"17"), ("", b"")];
        let message = NewMessage::new(b"body").key(b"key").headers(&headers).at(5);
        let (found, size) = back(&encoded(&message)).unwrap();
        assert_eq!(size, message.size());
        assert_eq!((found.offset, found.lsn, found.time_us), (3, Lsn(7), 5));
        assert_eq!(found.key(), Some(&b"key"[..]));
        assert_eq!(found.body(), Some(&b"body"[..]));
        assert_eq!(found.headers().collect::<Vec<_>>(), headers);
    }

    #[test]
    fn nothing_and_empty_are_told_apart() {
        let (bare, _) = back(&encoded(&NewMessage::new(b""))).unwrap();
        assert_eq!(
            (bare.key(), bare.body(), bare.time_us),
            (None, Some(&b""[..]), 11)
        );
        assert_eq!(bare.headers().count(), 0);
        let (gone, _) = back(&encoded(&NewMessage::tombstone(b""))).unwrap();
        assert_eq!((gone.key(), gone.body()), (Some(&b""[..]), None));
        assert_eq!(gone.body_bytes(), None);
    }

    #[test]
    fn a_body_is_handed_out_without_a_copy() {
        let bytes = encoded(&NewMessage::new(b"some body").key(b"k"));
        let (found, size) = back(&bytes).unwrap();
        let body = found.body_bytes().unwrap();
        assert_eq!(body.as_ptr(), bytes[size - 9..].as_ptr());
    }

    #[test]
    fn a_message_in_another_record_keeps_its_time() {
        let headers: [(&str, &[u8]); 1] = [("name", b"value")];
        for message in [
            NewMessage::new(b"body").key(b"key").headers(&headers),
            NewMessage::tombstone(b"key").at(5),
        ] {
            let (found, _) = back(&encoded(&message)).unwrap();
            let mut out = Vec::new();
            found.encode_with_time(&mut out);
            let (again, _) = decode(&out.into(), 0, 3, Lsn(7), 99).unwrap();
            assert_eq!((again.time_us, again.key()), (found.time_us, found.key()));
            assert_eq!(again.body(), found.body());
            assert!(again.headers().eq(found.headers()));
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let headers: [(&str, &[u8]); 1] = [("name", b"value")];
        let good = encoded(&NewMessage::new(b"body").key(b"key").headers(&headers).at(9));
        for len in 0..good.len() {
            assert!(back(&good.slice(..len)).is_none(), "cut to {len}");
        }
    }

    #[test]
    fn a_message_above_a_cap_is_refused() {
        let long = vec![0; KEY_BYTES_MAX + 1];
        let message = NewMessage::new(b"");
        assert_eq!(message.key(&long).check(9), Err(BadMessage::Key(65536)));
        assert_eq!(message.key(&long[1..]).check(9), Ok(()));
        let body = NewMessage::new(&long[..10]);
        assert_eq!(body.check(9), Err(BadMessage::Body { size: 10, max: 9 }));
        assert_eq!(body.check(10), Ok(()));
        let name = "n".repeat(256);
        let headers: [(&str, &[u8]); 1] = [(&name, b"")];
        assert_eq!(
            message.headers(&headers).check(9),
            Err(BadMessage::HeaderName(256))
        );
        let headers: [(&str, &[u8]); 1] = [("", &long[..KEY_BYTES_MAX - 2])];
        assert_eq!(
            message.headers(&headers).check(9),
            Err(BadMessage::Headers(65536))
        );
        let headers: [(&str, &[u8]); 1] = [("", &long[..KEY_BYTES_MAX - 3])];
        assert_eq!(message.headers(&headers).check(9), Ok(()));
    }
}
