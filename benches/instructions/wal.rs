//! Instructions of the log. Wiring only.

#![expect(
    missing_docs,
    reason = "the harness's macros generate undocumented items"
)]

use benches::heap::levelled;
use benches::wal::{
    Append, Refuse, Replay, Tail, append_check, append_setup, batches_setup, flipped_setup,
    refuse_check, replay_check, replay_setup, rotate_setup, transactions_setup,
};
use iai_callgrind::{library_benchmark, library_benchmark_group, main};

#[library_benchmark(teardown = append_check)]
#[bench::b64(levelled(|| append_setup(64)))]
#[bench::kib1(levelled(|| append_setup(1 << 10)))]
fn append(input: Append) -> Append {
    benches::wal::append(input)
}

#[library_benchmark(teardown = append_check)]
#[bench::n100(levelled(batches_setup))]
fn append_batch(input: Append) -> Append {
    benches::wal::append_batch(input)
}

#[library_benchmark(teardown = append_check)]
#[bench::b64(levelled(|| append_setup(64)))]
fn commit(input: Append) -> Append {
    benches::wal::commit(input)
}

#[library_benchmark(teardown = append_check)]
#[bench::n10(levelled(transactions_setup))]
fn transaction(input: Append) -> Append {
    benches::wal::transactions(input)
}

#[library_benchmark(teardown = append_check)]
#[bench::kib4(levelled(rotate_setup))]
fn rotate(input: Append) -> Append {
    benches::wal::append(input)
}

#[library_benchmark(teardown = replay_check)]
#[bench::n1000(levelled(|| replay_setup(Tail::Clean)))]
#[bench::n1000_torn(levelled(|| replay_setup(Tail::Torn)))]
fn replay(input: Replay) -> Replay {
    benches::wal::replay(input)
}

#[library_benchmark(teardown = refuse_check)]
#[bench::n1000_flipped(levelled(flipped_setup))]
fn refuse(input: Refuse) -> Refuse {
    benches::wal::refuse(input)
}

library_benchmark_group!(
    name = wal;
    benchmarks = append, append_batch, commit, transaction, rotate, replay, refuse
);
main!(library_benchmark_groups = wal);
