use std::collections::HashMap;
use std::hint::black_box;

use iai_callgrind::{library_benchmark, library_benchmark_group, main};

// The hasher is seeded at random, so where keys collide would differ from run to run.
#[library_benchmark]
fn random_state() -> u64 {
    let mut map = HashMap::new();
    for key in 0..1_000_u64 {
        map.insert(black_box(key), key);
    }
    black_box((0..1_000).filter_map(|key| map.get(&black_box(key))).sum())
}

// What is found out about processors depends on affinity and control groups.
#[library_benchmark]
fn processors() -> usize {
    let count = std::thread::available_parallelism().map_or(0, usize::from);
    (0..count * 1_000).fold(0, |sum, it| black_box(sum ^ it))
}

// So does what the C library says of them, and of memory.
#[library_benchmark]
fn configured() -> i64 {
    unsafe extern "C" {
        fn sysconf(name: i32) -> i64;
    }
    let count = unsafe { sysconf(84) * 1_000 + sysconf(85) / 1_000 };
    (0..count).fold(0, |sum, it| black_box(sum ^ it))
}

// Where nothing is linked dynamically, crates that draw numbers find no function and read a file.
#[library_benchmark]
fn random_bytes() -> u64 {
    use std::io::Read as _;

    let mut bytes = [0_u8; 2];
    let mut file = std::fs::File::open("/dev/urandom").unwrap();
    file.read_exact(&mut bytes).unwrap();
    (0..u64::from(u16::from_le_bytes(bytes))).fold(0, |sum, it| black_box(sum ^ it))
}

// What the machine is called, by both of its names.
#[library_benchmark]
fn host() -> usize {
    unsafe extern "C" {
        fn gethostname(to: *mut u8, length: usize) -> i32;
        fn uname(to: *mut [u8; 65]) -> i32;
    }
    let mut name = [0_u8; 65];
    let mut fields = [[0_u8; 65]; 6];
    unsafe {
        gethostname(name.as_mut_ptr(), name.len());
        uname(fields.as_mut_ptr());
    }
    let length = |name: &[u8]| name.iter().take_while(|it| **it != 0).count();
    let count = length(&name) * 1_000 + length(&fields[1]) * 100;
    (0..count).fold(0, |sum, it| black_box(sum ^ it))
}

// The process's id, which is another in each run.
#[library_benchmark]
fn process() -> u32 {
    let count = 1_000 + std::process::id() % 1_009;
    (0..count).fold(0, |sum, it| black_box(sum ^ it))
}

// The time of day where the machine is.
#[library_benchmark]
fn zone() -> i64 {
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
    let mut parts = Parts {
        numbers: [0; 9],
        ahead: 0,
        zone: std::ptr::null(),
    };
    unsafe {
        tzset();
        localtime_r(&1_700_000_000, &mut parts);
    }
    (0..1_000 + parts.ahead).fold(0, |sum, it| black_box(sum ^ it))
}

library_benchmark_group!(
    name = machine;
    benchmarks = random_state, random_bytes, processors, configured, host, process, zone
);
main!(library_benchmark_groups = machine);
