//! What a checkpoint keeps of all topics ⇄ bytes; `FORMAT.md` §6.
//!
//! Of a partition it keeps offsets, points, copies and producers: a few hundred bytes, or at most
//! some 20 KiB of a busy one, however much is retained. That is why opening does not take longer
//! the more is retained.

use super::partition::{Copied, Extent, PRODUCERS_MAX, Sent};
use super::points::{POINTS_MAX, Point, Points};
use super::record::TopicRecord;
use super::state::{Named, Registry};
use crate::wal::Lsn;

/// The version of the layout.
const VERSION: u8 = 1;

/// Appends fields.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn len(&mut self, len: usize) {
        self.u32(u32::try_from(len).unwrap_or(u32::MAX));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.len(bytes.len());
        self.0.extend_from_slice(bytes);
    }
}

/// Takes fields, as far as there are bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn u8(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn u32(&mut self) -> Option<u32> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*field))
    }

    fn u64(&mut self) -> Option<u64> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*field))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()? as usize;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A number of things, each of which takes at least `size` bytes.
    fn count(&mut self, size: usize) -> Option<usize> {
        let count = self.u32()? as usize;
        (count <= self.0.len() / size).then_some(count)
    }
}

/// Everything as a checkpoint keeps it.
pub(super) fn encode(registry: &Registry) -> Vec<u8> {
    let mut out = Writer(vec![VERSION]);
    out.u32(registry.next_topic);
    out.u64(registry.next_producer);
    out.u32(registry.next_partition);
    out.len(registry.producers.len());
    for (name, Named { id, epoch }) in &registry.producers {
        out.u64(*id);
        out.u32(u32::from(*epoch));
        out.bytes(name.as_bytes());
    }
    out.len(registry.by_id.len());
    for topic in registry
        .by_id
        .values()
        .filter_map(|name| registry.topics.get(name))
    {
        let record = TopicRecord {
            id: topic.id,
            first: topic.partitions[0].number,
            partitions: u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX),
            settings: topic.settings,
            name: topic.name.to_string(),
        };
        let mut payload = Vec::new();
        record.encode(&mut payload);
        out.bytes(&payload);
        for partition in &topic.partitions {
            encode_extent(&partition.extent.lock(), &mut out);
        }
    }
    out.0
}

fn encode_extent(extent: &Extent, out: &mut Writer) {
    for field in [
        extent.start,
        extent.next,
        extent.time_us,
        extent.bytes,
        extent.copied_until,
    ] {
        out.u64(field);
    }
    out.u64(extent.points.spacing);
    out.len(extent.points.all.len());
    for point in &extent.points.all {
        for field in [point.offset, point.lsn.0, point.time_us, point.bytes] {
            out.u64(field);
        }
    }
    out.len(extent.copies.len());
    for copied in &extent.copies {
        for field in [
            copied.base,
            copied.until,
            copied.lsn.0,
            copied.time_us,
            copied.bytes,
        ] {
            out.u64(field);
        }
    }
    out.len(extent.sent.len());
    for sent in &extent.sent {
        out.u64(sent.producer);
        out.u32(u32::from(sent.epoch));
        out.u32(sent.sequence);
        out.u32(sent.count);
        out.u64(sent.base);
        out.u64(sent.lsn.0);
    }
}

/// What a checkpoint kept; `None` where the bytes are not that.
pub(super) fn decode(bytes: &[u8]) -> Option<Registry> {
    let mut reader = Reader(bytes);
    if reader.u8()? != VERSION {
        return None;
    }
    let mut registry = Registry {
        next_topic: reader.u32()?,
        next_producer: reader.u64()?,
        ..Registry::default()
    };
    let next_partition = reader.u32()?;
    for _ in 0..reader.count(16)? {
        let named = Named {
            id: reader.u64()?,
            epoch: u16::try_from(reader.u32()?).ok()?,
        };
        let name = std::str::from_utf8(reader.bytes()?).ok()?;
        registry.producers.insert(name.to_owned(), named);
    }
    for _ in 0..reader.count(45)? {
        let record = TopicRecord::read(reader.bytes()?).ok()?;
        // Each partition takes bytes, so a topic cannot claim more than there are.
        if record.partitions as usize > reader.0.len() / 60 {
            return None;
        }
        let topic = registry.add(&record)?;
        for partition in &topic.partitions {
            *partition.extent.lock() = decode_extent(&mut reader)?;
        }
    }
    if !reader.0.is_empty() || next_partition < registry.next_partition {
        return None;
    }
    registry.next_partition = next_partition;
    Some(registry)
}

fn decode_extent(reader: &mut Reader<'_>) -> Option<Extent> {
    let mut extent = Extent {
        start: reader.u64()?,
        next: reader.u64()?,
        time_us: reader.u64()?,
        bytes: reader.u64()?,
        copied_until: reader.u64()?,
        ..Extent::default()
    };
    let spacing = reader.u64()?;
    let points = reader.count(32)?;
    if points > POINTS_MAX {
        return None;
    }
    let mut all = Vec::with_capacity(points);
    for _ in 0..points {
        all.push(Point {
            offset: reader.u64()?,
            lsn: Lsn(reader.u64()?),
            time_us: reader.u64()?,
            bytes: reader.u64()?,
        });
    }
    extent.points = Points { all, spacing };
    for _ in 0..reader.count(40)? {
        extent.copies.push(Copied {
            base: reader.u64()?,
            until: reader.u64()?,
            lsn: Lsn(reader.u64()?),
            time_us: reader.u64()?,
            bytes: reader.u64()?,
        });
    }
    let sent = reader.count(36)?;
    if sent > PRODUCERS_MAX {
        return None;
    }
    extent.sent.reserve_exact(sent);
    for _ in 0..sent {
        extent.sent.push(Sent {
            producer: reader.u64()?,
            epoch: u16::try_from(reader.u32()?).ok()?,
            sequence: reader.u32()?,
            count: reader.u32()?,
            base: reader.u64()?,
            lsn: Lsn(reader.u64()?),
        });
    }
    let is_ordered = extent.start <= extent.next
        && extent.copied_until <= extent.next
        && extent
            .points
            .all
            .is_sorted_by(|one, other| one.offset < other.offset && one.lsn < other.lsn)
        && extent
            .points
            .all
            .last()
            .is_none_or(|last| last.offset < extent.next && last.bytes <= extent.bytes)
        && extent
            .copies
            .is_sorted_by(|one, other| one.until <= other.base);
    is_ordered.then_some(extent)
}
