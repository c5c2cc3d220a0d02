//! Instructions of the store. Wiring only.

#![expect(
    missing_docs,
    reason = "the harness's macros generate undocumented items"
)]

use benches::heap::levelled;
use benches::kv::log::{
    Beside, Changes, Durable, Logged, Rebuild, beside_check, beside_setup, carried_setup,
    changes_setup, checkpoint_check, checkpoint_setup, encode_check, encoded_setup, logged_check,
    logged_setup, overwrites_setup, read_check, rebuild_check, rebuild_setup, recover_check,
    recover_setup, replay_setup,
};
use benches::kv::{
    Keys, Points, Scan, delete_check, get_check, mixed_check, nothing_check, nothing_setup,
    one_key_check, one_key_setup, points_setup, put_check, scan_check, scan_setup,
};
use iai_callgrind::{library_benchmark, library_benchmark_group, main};

#[library_benchmark]
#[bench::new(args = (levelled(|| points_setup(Keys::New))), teardown = put_check)]
#[bench::update(args = (levelled(|| points_setup(Keys::Present))), teardown = put_check)]
#[bench::one_key(args = (levelled(one_key_setup)), teardown = one_key_check)]
fn put(input: Points) -> Points {
    benches::kv::put(input)
}

#[library_benchmark(teardown = get_check)]
#[bench::hit(levelled(|| points_setup(Keys::Present)))]
#[bench::miss(levelled(|| points_setup(Keys::New)))]
fn get(input: Points) -> Points {
    benches::kv::get(input)
}

#[library_benchmark]
#[bench::hit(args = (levelled(|| points_setup(Keys::Present))), teardown = delete_check)]
#[bench::miss(args = (levelled(|| points_setup(Keys::New))), teardown = get_check)]
fn delete(input: Points) -> Points {
    benches::kv::delete(input)
}

#[library_benchmark(teardown = get_check)]
#[bench::hit(levelled(|| points_setup(Keys::Present)))]
#[bench::miss(levelled(|| points_setup(Keys::New)))]
fn exists(input: Points) -> Points {
    benches::kv::exists(input)
}

#[library_benchmark(teardown = mixed_check)]
#[bench::read80(levelled(|| points_setup(Keys::Present)))]
fn mixed(input: Points) -> Points {
    benches::kv::mixed(input)
}

#[library_benchmark]
#[bench::n10(args = (levelled(|| scan_setup(10))), teardown = scan_check)]
#[bench::n100(args = (levelled(|| scan_setup(100))), teardown = scan_check)]
#[bench::n1000(args = (levelled(|| scan_setup(1000))), teardown = scan_check)]
#[bench::nothing(args = (levelled(nothing_setup)), teardown = nothing_check)]
fn prefix_scan(input: Scan) -> Scan {
    benches::kv::prefix_scan(input)
}

#[library_benchmark(teardown = encode_check)]
#[bench::n1000(levelled(changes_setup))]
fn change_encode(input: Changes) -> Changes {
    benches::kv::log::encode_changes(input)
}

#[library_benchmark(teardown = read_check)]
#[bench::n1000(levelled(encoded_setup))]
fn change_read(input: Changes) -> Changes {
    benches::kv::log::read_changes(input)
}

#[library_benchmark(teardown = logged_check)]
#[bench::n1000(levelled(logged_setup))]
fn logged_put(input: Logged) -> Logged {
    benches::kv::log::logged_puts(input)
}

#[library_benchmark(teardown = rebuild_check)]
#[bench::n1000(levelled(rebuild_setup))]
#[bench::overwrites(levelled(overwrites_setup))]
fn rebuild(input: Rebuild) -> Rebuild {
    benches::kv::log::rebuild(input)
}

#[library_benchmark(teardown = rebuild_check)]
#[bench::n1000(levelled(replay_setup))]
fn replay(input: Rebuild) -> Rebuild {
    benches::kv::log::replay(input)
}

#[library_benchmark(teardown = checkpoint_check)]
#[bench::n1000(levelled(checkpoint_setup))]
fn checkpoint(input: Durable) -> Durable {
    benches::kv::log::take_checkpoint(input)
}

#[library_benchmark(teardown = recover_check)]
#[bench::snapshot_and_log(levelled(recover_setup))]
fn recover(input: Durable) -> Durable {
    benches::kv::log::recover_all(input)
}

#[library_benchmark(teardown = beside_check)]
#[bench::frozen(levelled(beside_setup))]
#[bench::carried(levelled(carried_setup))]
fn put_beside(input: Beside) -> Beside {
    benches::kv::log::put_beside(input)
}

library_benchmark_group!(
    name = kv;
    benchmarks = put, get, delete, exists, mixed, prefix_scan, change_encode, change_read, logged_put, rebuild, replay, checkpoint, put_beside, recover
);
main!(library_benchmark_groups = kv);
