//! Instructions of the frame codec. Wiring only.

#![expect(
    missing_docs,
    reason = "the harness's macros generate undocumented items"
)]

use benches::frame::{
    BatchEncode, Encode, Marks, Scan, Spread, Wreck, batch_check, batch_read_setup, batch_setup,
    damaged_check, damaged_setup, encode_check, encode_setup, mark_check, mark_setup, scan_check,
    scan_setup, transaction_check, transaction_setup,
};
use benches::heap::levelled;
use iai_callgrind::{library_benchmark, library_benchmark_group, main};

#[library_benchmark(teardown = encode_check)]
#[bench::b64(levelled(|| encode_setup(64)))]
#[bench::b256(levelled(|| encode_setup(256)))]
#[bench::kib1(levelled(|| encode_setup(1 << 10)))]
#[bench::kib64(levelled(|| encode_setup(64 << 10)))]
fn encode(input: Encode) -> Encode {
    benches::frame::encode(input)
}

#[library_benchmark(teardown = batch_check)]
#[bench::n10(levelled(|| batch_setup(10)))]
#[bench::n100(levelled(|| batch_setup(100)))]
#[bench::n500(levelled(|| batch_setup(500)))]
fn batch_encode(input: BatchEncode) -> BatchEncode {
    benches::frame::batch_encode(input)
}

#[library_benchmark(teardown = scan_check)]
#[bench::n100(levelled(|| batch_read_setup(100)))]
fn batch_read(input: Scan) -> Scan {
    benches::frame::batch_read(input)
}

#[library_benchmark(teardown = transaction_check)]
#[bench::n1000(levelled(transaction_setup))]
fn transaction_encode(input: Spread) -> Spread {
    benches::frame::transaction_encode(input)
}

#[library_benchmark(teardown = mark_check)]
#[bench::n1000(levelled(mark_setup))]
fn mark(input: Marks) -> Marks {
    benches::frame::marks(input)
}

#[library_benchmark(teardown = scan_check)]
#[bench::b64(levelled(|| scan_setup(64)))]
#[bench::kib1(levelled(|| scan_setup(1 << 10)))]
#[bench::kib64(levelled(|| scan_setup(64 << 10)))]
fn scan(input: Scan) -> Scan {
    benches::frame::scan(input)
}

#[library_benchmark(teardown = damaged_check)]
#[bench::damaged(levelled(damaged_setup))]
fn search(input: Wreck) -> Wreck {
    benches::frame::look_everywhere(input)
}

library_benchmark_group!(
    name = frame;
    benchmarks = encode, batch_encode, batch_read, transaction_encode, mark, scan, search
);
main!(library_benchmark_groups = frame);
