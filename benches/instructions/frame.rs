//! Instructions of the frame codec. Wiring only.

#![expect(
    missing_docs,
    reason = "the harness's macros generate undocumented items"
)]

use benches::frame::{
    BatchEncode, Encode, Scan, batch_check, batch_setup, encode_check, encode_setup, scan_check,
    scan_setup,
};
use benches::heap::levelled;
use iai_callgrind::{library_benchmark, library_benchmark_group, main};

#[library_benchmark(teardown = encode_check)]
#[bench::b64(levelled(|| encode_setup(64)))]
#[bench::kib1(levelled(|| encode_setup(1 << 10)))]
#[bench::kib64(levelled(|| encode_setup(64 << 10)))]
fn encode(input: Encode) -> Encode {
    benches::frame::encode(input)
}

#[library_benchmark(teardown = batch_check)]
#[bench::n100(levelled(|| batch_setup(100)))]
fn batch_encode(input: BatchEncode) -> BatchEncode {
    benches::frame::batch_encode(input)
}

#[library_benchmark(teardown = scan_check)]
#[bench::b64(levelled(|| scan_setup(64)))]
#[bench::kib1(levelled(|| scan_setup(1 << 10)))]
fn scan(input: Scan) -> Scan {
    benches::frame::scan(input)
}

library_benchmark_group!(name = frame; benchmarks = encode, batch_encode, scan);
main!(library_benchmark_groups = frame);
