//! The probe: run under Callgrind in the measurement environment, it shows what no version number tells.
//!
//! It prints where the stack begins, whether the heap is whole, what it is told of processors and
//! random numbers, and the CPU that Valgrind shows to programs (which is not the host's). It calls
//! the memory functions whose variants the C library chooses by that CPU, so that the profile names
//! the variants. It is compiled with the flags of the benchmarks and linked as they are.

use std::hint::black_box;

#[cfg(target_arch = "x86_64")]
fn print_cpu() {
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    let vendor = __cpuid(0);
    let words = [vendor.ebx, vendor.edx, vendor.ecx];
    let name: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    let signature = __cpuid(1);
    let base = |shift: u32, bits: u32| signature.eax >> shift & ((1 << bits) - 1);
    let family = base(8, 4) + if base(8, 4) == 15 { base(20, 8) } else { 0 };
    let model = base(4, 4) + (base(16, 4) << 4);
    println!("cpu {} {family}-{model}-{}", String::from_utf8_lossy(&name), base(0, 4));

    let extended = __cpuid_count(7, 0);
    let amd = __cpuid(0x8000_0001);
    println!(
        "features {:08x} {:08x} {:08x} {:08x} {:08x} {:08x} {:08x}",
        signature.ecx, signature.edx, extended.ebx, extended.ecx, extended.edx, amd.ecx, amd.edx
    );
}

#[cfg(not(target_arch = "x86_64"))]
fn print_cpu() {
    println!("cpu {} unknown", std::env::consts::ARCH);
    println!("features none");
}

/// Where the stack begins: below the pointers to environment and arguments lies their number.
fn stack() -> usize {
    unsafe extern "C" {
        static environ: *const *const u8;
    }
    // SAFETY: the C library has set it before `main`, and no other thread runs.
    let env_vars = unsafe { environ }.addr();
    env_vars - (1 + std::env::args_os().len() + 1) * size_of::<usize>()
}

/// Whether a large block lies on the heap behind a small one. By itself the C library would give it
/// a mapping of its own, elsewhere.
fn heap() -> &'static str {
    let small = black_box(Box::new(0_u8));
    let large = black_box(vec![0_u8; 1 << 20]);
    let distance = large.as_ptr().addr().wrapping_sub((&raw const *small).addr());
    if distance < 2 << 20 { "whole" } else { "split" }
}

/// What the machine says of itself, or the pins in its place.
fn told() -> String {
    unsafe extern "C" {
        fn sysconf(name: i32) -> i64;
        fn gethostname(to: *mut u8, length: usize) -> i32;
    }
    use std::hash::{BuildHasher as _, RandomState};

    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let random = RandomState::new().hash_one(0_u8);
    // SAFETY: it takes any number, and these are those of processors and of memory's pages.
    let (configured, pages) = unsafe { (sysconf(83), sysconf(85)) };
    // A clock that is a counter is a microsecond further whenever it is read; no other is, three times.
    let readings: Vec<_> = (0..4).map(|_| std::time::Instant::now()).collect();
    let is_counter = readings.windows(2).all(|it| (it[1] - it[0]).as_nanos() == 1_000);
    let clock = if is_counter { ", clock a counter" } else { "" };
    let mut name = [0; 65];
    // SAFETY: it writes no more than that, and less than all.
    let is_named = unsafe { gethostname(name.as_mut_ptr(), name.len()) } == 0;
    let host = if is_named { name.split(|byte| *byte == 0).next().unwrap_or_default() } else { b"?" };
    let host = String::from_utf8_lossy(host);
    let process = std::process::id();
    let zone = zone();
    format!(
        "processors {processors}, random {random:016x}, configured {configured}, memory {pages} pages, \
         host {host}, process {process}, zone {zone}{clock}"
    )
}

/// By how many seconds the time of day is ahead of the world's.
fn zone() -> i64 {
    /// C's parts of a moment: nine numbers from seconds to daylight saving, and the zone.
    #[repr(C)]
    struct Parts {
        numbers: [i32; 9],
        ahead: i64,
        zone: *const u8,
    }
    unsafe extern "C" {
        fn localtime_r(seconds: *const i64, parts: *mut Parts) -> *mut Parts;
        fn tzset();
    }
    let mut parts = Parts { numbers: [0; 9], ahead: 0, zone: std::ptr::null() };
    // SAFETY: both are valid for the call, and no other thread runs.
    unsafe {
        tzset();
        localtime_r(&1_700_000_000, &mut parts);
    }
    parts.ahead
}

fn main() {
    println!("stack {}", stack());
    println!("heap {}", heap());
    println!("told {}", told());
    print_cpu();
    // Sizes on both sides of every threshold at which an implementation changes its way.
    for size in [1_usize, 15, 40, 100, 300, 2_000, 70_000] {
        let source = vec![black_box(7_u8); size];
        let mut target = vec![0_u8; size];
        target.copy_from_slice(black_box(&source));
        let same = black_box(&source[..]) == black_box(&target[..]);
        target.copy_within(0..size - size / 2, size / 2);
        target.fill(black_box(3));
        assert!(same && black_box(&target).iter().all(|byte| *byte == 3));
    }
    let text = std::ffi::CString::new(vec![black_box(b'x'); 100]).expect("no byte is zero");
    assert_eq!(black_box(&text).as_bytes().len(), 100);
}
