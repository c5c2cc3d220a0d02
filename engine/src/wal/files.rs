//! The files in a log's directory: which there are, and how they are put out of the way.
//!
//! Nothing that could hold a record is ever removed here: it is renamed to `*.lost`.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::options::Options;
use super::segment::{FileKind, file_kind};
use crate::vfs::{Doing, IoError, Vfs, VfsFile};

/// The files of a log.
pub(super) struct Files {
    /// Segments in order, by the number in their names.
    pub segments: Vec<(u64, PathBuf)>,
    /// Files to begin segments in.
    pub spares: Vec<PathBuf>,
    /// A number that no spare file has.
    pub next_spare: u64,
}

/// Lists the directory. What was never finished, or is of no use, is removed.
pub(super) fn list_files<V: Vfs>(vfs: &V, dir: &Path, options: &Options) -> Result<Files, IoError> {
    let mut files = Files {
        segments: Vec::new(),
        spares: Vec::new(),
        next_spare: 0,
    };
    for name in vfs.list(dir).doing("list", dir)? {
        let path = dir.join(&name);
        match file_kind(&name) {
            FileKind::Segment(number) => {
                check_plain(vfs, &path)?;
                files.segments.push((number, path));
            }
            // Whatever else has such a name is not the log's.
            FileKind::Spare(_) | FileKind::Draft
                if !vfs.is_plain(&path).doing("look at", &path)? => {}
            FileKind::Spare(number) => {
                files.next_spare = files.next_spare.max(number.saturating_add(1));
                let file = vfs.open(&path).doing("open", &path)?;
                let whole = file.size().doing("measure", &path)? == options.segment_bytes();
                if whole && files.spares.len() < options.spares {
                    files.spares.push(path);
                } else {
                    vfs.remove(&path).doing("remove", &path)?;
                }
            }
            FileKind::Draft => vfs.remove(&path).doing("remove", &path)?,
            FileKind::Other => {}
        }
    }
    Ok(files)
}

/// A segment must be a file of its own. What a link points to may be changed, renamed or removed
/// behind the log's back; passing over it would open the log without its records.
pub(super) fn check_plain<V: Vfs>(vfs: &V, path: &Path) -> Result<(), IoError> {
    if vfs.is_plain(path).doing("look at", path)? {
        return Ok(());
    }
    let what = "it is a link or a directory, and a segment is a file; put the file itself here";
    Err(io::Error::new(io::ErrorKind::InvalidInput, what)).doing("use", path)
}

/// Renames segments out of the way, one durably after the other: the newest first where they are
/// a log's end, the oldest first where they are its beginning, so that what is left has no gap.
pub(super) fn set_aside<'a, V: Vfs>(
    vfs: &V,
    dir: &Path,
    segments: impl Iterator<Item = &'a (u64, PathBuf)>,
) -> Result<(), IoError> {
    for (_, path) in segments {
        let lost = lost_path(vfs, dir, path)?;
        vfs.rename_new(path, &lost).doing("rename", path)?;
        vfs.sync_dir(dir).doing("sync", dir)?;
    }
    Ok(())
}

/// Keeps a copy of a damaged file that is about to be replaced. A copy that is there already, from
/// an attempt that was interrupted, is enough.
pub(super) fn keep_lost<V: Vfs>(vfs: &V, dir: &Path, path: &Path) -> Result<(), IoError> {
    let bytes = load_file(vfs, path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    for other in vfs.list(dir).doing("list", dir)? {
        let other = dir.join(other);
        let is_lost = other.to_string_lossy().contains(&format!("{name}.lost"));
        if is_lost && load_file(vfs, &other)? == bytes {
            return Ok(());
        }
    }
    let draft = path.with_extension("tmp");
    let file = vfs.create(&draft).doing("create", &draft)?;
    file.write_at(&bytes, 0).doing("write", &draft)?;
    file.sync_data().doing("sync", &draft)?;
    let lost = lost_path(vfs, dir, path)?;
    vfs.rename_new(&draft, &lost).doing("rename", &draft)?;
    vfs.sync_dir(dir).doing("sync", dir)
}

/// A free name for what is set aside. A file of the same name may have been set aside before.
fn lost_path<V: Vfs>(vfs: &V, dir: &Path, path: &Path) -> Result<PathBuf, IoError> {
    let taken = vfs.list(dir).doing("list", dir)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let names = std::iter::once(format!("{name}.lost"));
    let mut names = names.chain((1..).map(|number: u64| format!("{name}.lost.{number}")));
    let free = names.find(|name| !taken.contains(name));
    Ok(dir.join(free.unwrap_or_default()))
}

/// Sets a file of another kind aside.
pub(crate) fn set_file_aside<V: Vfs>(vfs: &V, dir: &Path, path: &Path) -> Result<PathBuf, IoError> {
    let lost = lost_path(vfs, dir, path)?;
    vfs.rename_new(path, &lost).doing("rename", path)?;
    vfs.sync_dir(dir).doing("sync", dir)?;
    Ok(lost)
}

/// The whole of a file. A medium that cannot deliver it is an error, not a signal.
pub(super) fn load_file<V: Vfs>(vfs: &V, path: &Path) -> Result<Bytes, IoError> {
    vfs.load(path).doing("read", path)
}
