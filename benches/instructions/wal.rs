//! Instructions of the log. Wiring only.

#![expect(
    missing_docs,
    reason = "the harness's macros generate undocumented items"
)]

use benches::heap::levelled;
use benches::wal::read::{
    Follow, Form, Iterate, Lookup, catch_up_setup, follow_check, follow_setup, iterate_check,
    iterate_setup, lookup_check, lookup_setup, unindexed_check, unindexed_setup,
};
use benches::wal::recovery::{
    Damage, Inspect, Recover, Refuse, Repair, Replay, Tail, batches_setup as recover_batches_setup,
    closed_setup, flipped_setup, inspect_check, inspect_setup, point_in_time_setup, recover_check,
    refuse_check, repair_check, repair_setup, replay_check, replay_setup, segments_setup,
    unclean_setup, unfinished_setup,
};
use benches::wal::{
    Append, append_check, append_setup, batches_setup, bounded_check, buffered_setup, large_setup,
    recycled_setup, rotate_setup, transactions_setup, truncate_check, truncate_setup,
    volatile_check, volatile_setup,
};
use engine::vfs::Sim;
use iai_callgrind::{library_benchmark, library_benchmark_group, main};

#[library_benchmark(teardown = append_check)]
#[bench::b64(levelled(|| append_setup(64)))]
#[bench::b256(levelled(|| append_setup(256)))]
#[bench::kib1(levelled(|| append_setup(1 << 10)))]
#[bench::kib16(levelled(large_setup))]
fn append(input: Append) -> Append {
    benches::wal::append(input)
}

#[library_benchmark(teardown = append_check)]
#[bench::n10(levelled(|| batches_setup(10)))]
#[bench::n100(levelled(|| batches_setup(100)))]
#[bench::n500(levelled(|| batches_setup(500)))]
fn append_batch(input: Append) -> Append {
    benches::wal::append_batch(input)
}

#[library_benchmark(teardown = volatile_check)]
#[bench::b64(levelled(volatile_setup))]
fn append_volatile(input: Append) -> Append {
    benches::wal::append(input)
}

#[library_benchmark]
#[bench::b64(args = (levelled(|| append_setup(64))), teardown = append_check)]
#[bench::buffered(args = (levelled(buffered_setup)), teardown = bounded_check)]
fn commit(input: Append) -> Append {
    benches::wal::commit(input)
}

#[library_benchmark(teardown = append_check)]
#[bench::n10(levelled(|| transactions_setup(10)))]
#[bench::n1000(levelled(|| transactions_setup(1000)))]
fn transaction(input: Append) -> Append {
    benches::wal::transactions(input)
}

#[library_benchmark(teardown = append_check)]
#[bench::kib4(levelled(rotate_setup))]
#[bench::recycled(levelled(recycled_setup))]
fn rotate(input: Append<Sim>) -> Append<Sim> {
    benches::wal::append(input)
}

#[library_benchmark(teardown = truncate_check)]
#[bench::n19(levelled(truncate_setup))]
fn truncate(input: Append) -> Append {
    benches::wal::truncate(input)
}

#[library_benchmark(teardown = iterate_check)]
#[bench::sealed(levelled(|| iterate_setup(Form::Sealed)))]
#[bench::batches(levelled(|| iterate_setup(Form::Batches)))]
#[bench::active(levelled(|| iterate_setup(Form::Active)))]
fn iterate(input: Iterate) -> Iterate {
    benches::wal::read::iterate(input)
}

#[library_benchmark(teardown = lookup_check)]
#[bench::indexed(levelled(|| lookup_setup(1)))]
fn read(input: Lookup) -> Lookup {
    benches::wal::read::lookup(input)
}

#[library_benchmark(teardown = lookup_check)]
#[bench::n10(levelled(|| lookup_setup(10)))]
fn range(input: Lookup) -> Lookup {
    benches::wal::read::lookup(input)
}

#[library_benchmark(teardown = unindexed_check)]
#[bench::rebuild(levelled(unindexed_setup))]
fn index(input: Lookup) -> Lookup {
    benches::wal::read::lookup(input)
}

#[library_benchmark(teardown = follow_check)]
#[bench::follow(levelled(follow_setup))]
#[bench::catch_up(levelled(catch_up_setup))]
fn tail(input: Follow) -> Follow {
    benches::wal::read::follow(input)
}

#[library_benchmark(teardown = replay_check)]
#[bench::n1000(levelled(|| replay_setup(Tail::Clean)))]
#[bench::n1000_torn(levelled(|| replay_setup(Tail::Torn)))]
fn replay(input: Replay) -> Replay {
    benches::wal::recovery::replay(input)
}

#[library_benchmark(teardown = recover_check)]
#[bench::closed(levelled(closed_setup))]
#[bench::segments(levelled(segments_setup))]
#[bench::batches(levelled(recover_batches_setup))]
#[bench::unfinished(levelled(unfinished_setup))]
#[bench::point_in_time(levelled(point_in_time_setup))]
fn recover(input: Recover) -> Recover {
    benches::wal::recovery::recover(input)
}

#[library_benchmark(teardown = refuse_check)]
#[bench::n1000_flipped(levelled(flipped_setup))]
#[bench::unclean(levelled(unclean_setup))]
fn refuse(input: Refuse) -> Refuse {
    benches::wal::recovery::refuse(input)
}

#[library_benchmark(teardown = inspect_check)]
#[bench::n1000(levelled(inspect_setup))]
fn inspect(input: Inspect) -> Inspect {
    benches::wal::recovery::look(input)
}

#[library_benchmark(teardown = repair_check)]
#[bench::intact(levelled(|| repair_setup(Damage::None)))]
#[bench::flipped(levelled(|| repair_setup(Damage::Flipped)))]
fn repair(input: Repair) -> Repair {
    benches::wal::recovery::mend(input)
}

library_benchmark_group!(
    name = wal;
    benchmarks = append, append_batch, append_volatile, commit, transaction, rotate, truncate, iterate, read, range, index, tail, replay, recover, refuse, inspect, repair
);
main!(library_benchmark_groups = wal);
