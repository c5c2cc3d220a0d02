//! What all who read a sealed segment share: where its records are, and its mapping.
//!
//! The mapping is made by the first reader and kept until the segment is let go, so that those
//! after it make no system call. It holds no pin of its own: readers add theirs.

use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

use bytes::Bytes;

use super::points::Points;
use crate::vfs::{Doing, IoError, Vfs};

/// What readers of a sealed segment share.
#[derive(Default)]
pub(super) struct SegmentView {
    points: Points,
    mapping: OnceLock<Bytes>,
}

impl SegmentView {
    /// Of a segment with `points`, not yet mapped.
    pub(super) fn new(points: Points) -> Self {
        Self {
            points,
            mapping: OnceLock::new(),
        }
    }

    /// Where its records are.
    pub(super) fn points(&self) -> &Points {
        &self.points
    }

    /// The whole file, which is at `path`. Whoever calls holds the segment's pin as long as it has them.
    pub(super) fn bytes<V: Vfs>(
        &self,
        vfs: &V,
        path: impl FnOnce() -> PathBuf,
    ) -> Result<Bytes, IoError> {
        if let Some(bytes) = self.mapping.get() {
            return Ok(bytes.clone());
        }
        let path = path();
        let bytes = vfs.map(&path).doing("map", &path)?;
        // Of two readers that map at the same time, both mappings are good.
        Ok(self.mapping.get_or_init(|| bytes).clone())
    }
}

impl fmt::Debug for SegmentView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentView").finish_non_exhaustive()
    }
}
