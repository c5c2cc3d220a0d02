//! A level heap: every workload is set up on the same one, whatever ran before it.
//!
//! An allocator has state. Blocks that the harness freed are on its lists and are reused; the end of
//! the heap decides how later blocks are aligned and when the kernel is asked for more. Without this
//! module, a harness that parses a longer command line changes the counts of `malloc` and `memcpy`
//! in unrelated benchmarks.
//!
//! ```text
//! before   │used│free│used│free│used│ top, short ┆
//! after    │used│kept│used│kept│used│ kept     │ top, long ┆
//!                                              └ a multiple of ALIGNMENT
//! ```
//!
//! Written for the allocator of the GNU C library (malloc/malloc.c: a list for each size of small
//! chunk, in steps of 16 bytes; larger chunks are split; `top` is what is left at the end). With
//! any other it does no harm. What it leaks is never freed: a benchmark's process is short.

use std::hint::black_box;
use std::mem;

/// Sizes of chunks and addresses of blocks are multiples of this.
const STEP: usize = 16;
/// The bytes of a chunk that are not its block.
const HEADER: usize = 8;
/// The smallest block: what fits into a chunk of two steps.
const SMALL_MIN: usize = 2 * STEP - HEADER;
/// Up to here each size of chunk has lists of its own.
const SMALL_MAX: usize = SMALL_MIN + 64 * STEP;
/// Larger than any block that a harness frees.
const LARGE: usize = 1 << 20;
/// At least a page, and a whole number of rounds through the sets of the simulated caches.
const ALIGNMENT: usize = 1 << 19;
/// The size of the blocks that grow the heap: below the measurement environment's
/// `mmap_threshold`, above which a block is mapped separately.
const GROWTH: usize = 30 << 20;

/// No harness frees more blocks of one size than this.
const FREE_MAX: usize = 64;

/// Sets a workload up on a level heap.
pub fn levelled<I>(setup: impl FnOnce() -> I) -> I {
    level();
    setup()
}

/// Allocates every freed block, moves the end of the heap to a round address, and grows `top`.
fn level() {
    let mut end = keep(LARGE);
    // Downwards: what remains of a chunk that is split goes on the list of a smaller size.
    let large = (1..=10).map(|halved| LARGE >> halved);
    let small = (SMALL_MIN..=SMALL_MAX).rev().step_by(STEP);
    for size in large.chain(small) {
        end = exhaust(size, end);
    }
    let next = keep(SMALL_MIN) + 2 * STEP;
    let short = ALIGNMENT - next % ALIGNMENT;
    keep(short + ALIGNMENT - HEADER);
    // Freed at once, from the last to the first: the one at the end is merged into `top`.
    drop([(); 4].map(|()| black_box(Vec::<u8>::with_capacity(GROWTH))));
}

/// Leaks blocks of `size` bytes until one is past `end`, and so comes from `top`.
fn exhaust(size: usize, end: usize) -> usize {
    let mut kept = (0..FREE_MAX).map(|_| keep(size));
    kept.find(|address| *address > end).unwrap_or(end)
}

/// Leaks a block, and returns its address.
fn keep(size: usize) -> usize {
    // The compiler removes allocations that are never read.
    let block = black_box(Vec::<u8>::with_capacity(size));
    let address = block.as_ptr().addr();
    mem::forget(block);
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heap_with_holes_becomes_level() {
        let mut blocks: Vec<Vec<u8>> = (0..4_000).map(Vec::with_capacity).collect();
        let mut keep_one = false;
        blocks.retain(|_| {
            keep_one = !keep_one;
            keep_one
        });
        // Another thread of the test runner may allocate in between; one undisturbed pass is enough.
        let levelled = (0..100).any(|_| {
            level();
            let next = Vec::<u8>::with_capacity(100);
            next.as_ptr().addr().is_multiple_of(ALIGNMENT)
        });
        assert!(levelled);
        drop(blocks);
    }
}
