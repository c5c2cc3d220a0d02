//! The engine's log compared with okaywal's: durable commits of 256 bytes, by one thread and by eight.
//!
//! Equal barriers: both write to files that were allocated beforehand and call `fdatasync` before
//! a commit returns. Rounds alternate, because the speed of a disk varies; the best round of each counts.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use engine::frame::{Kind, Record};
use engine::vfs::Disk;
use engine::wal::{Options, Wal};
use okaywal::{Configuration, Entry, EntryId, LogManager, SegmentReader, WriteAheadLog};

const PAYLOAD: [u8; 256] = [7; 256];
const COMMITS: usize = 1600;
const ROUNDS: usize = 10;

/// Recovers nothing and stores nothing: only commits are measured.
#[derive(Debug)]
struct NoRecovery;

impl LogManager for NoRecovery {
    fn recover(&mut self, _entry: &mut Entry<'_>) -> std::io::Result<()> {
        Ok(())
    }

    fn checkpoint_to(
        &mut self,
        _last: EntryId,
        _entries: &mut SegmentReader,
        _wal: &WriteAheadLog,
    ) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs `commit` from several threads, and gives the time of the whole.
fn in_parallel(threads: usize, commit: impl Fn() + Sync) -> Duration {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..COMMITS / threads).for_each(|_| commit()));
        }
    });
    begun.elapsed()
}

fn ours(dir: &Path, threads: usize) -> Result<Duration, Box<dyn Error>> {
    let (wal, _) = Wal::open(Disk, dir, Options::default())?;
    let record = Record {
        kind: Kind(0x40),
        version: 1,
        payload: &PAYLOAD,
    };
    let commit = || {
        let committed = wal.append(record).map(|done| wal.commit(done.end));
        assert!(matches!(committed, Ok(Ok(()))), "the log failed");
    };
    commit();
    Ok(in_parallel(threads, commit))
}

fn okaywal(dir: &Path, threads: usize) -> Result<Duration, Box<dyn Error>> {
    // The same size of files, and no checkpoint within a round.
    let configuration = Configuration::default_for(dir)
        .preallocate_bytes(64 << 20)
        .checkpoint_after_bytes(64 << 20);
    let wal = configuration.open(NoRecovery)?;
    let commit = || {
        let committed = wal.begin_entry().and_then(|mut entry| {
            entry.write_chunk(&PAYLOAD)?;
            entry.commit()
        });
        assert!(committed.is_ok(), "the log failed");
    };
    commit();
    let time = in_parallel(threads, commit);
    wal.shutdown()?;
    Ok(time)
}

fn main() -> Result<(), Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    println!("durable commits of 256 B per second, best of {ROUNDS} alternating rounds");
    for threads in [1, 8] {
        let mut best = [Duration::MAX; 2];
        for round in 0..ROUNDS {
            let dir = temporary.path().join(format!("{threads}-{round}"));
            // The first leaves the disk busy for the second, so they take turns.
            if round % 2 == 0 {
                best[0] = best[0].min(ours(&dir.join("ours"), threads)?);
                best[1] = best[1].min(okaywal(&dir.join("okaywal"), threads)?);
            } else {
                best[1] = best[1].min(okaywal(&dir.join("okaywal"), threads)?);
                best[0] = best[0].min(ours(&dir.join("ours"), threads)?);
            }
            std::fs::remove_dir_all(dir)?;
        }
        #[expect(clippy::cast_precision_loss, reason = "a figure of three digits")]
        let [ours, theirs] = best.map(|time| COMMITS as f64 / time.as_secs_f64());
        println!(
            "  {threads} threads  engine {ours:6.0}  okaywal {theirs:6.0}  ratio {:.2}",
            ours / theirs
        );
    }
    Ok(())
}
