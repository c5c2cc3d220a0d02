//! What a machine tells a program, pinned: an object file that icgate links into every bench
//! executable, in the place of the C library's functions.
//!
//! | a program asks | and is told |
//! |---|---|
//! | `getrandom`, `getentropy` | the same bytes each time, from each call's own beginning |
//! | `sched_getaffinity` | one processor |
//! | `sysconf` for processors and memory | one processor, 4 GiB, all of it free |
//! | for a control group (`/proc/self/cgroup`, `/sys/fs/cgroup`) | there is none |
//! | `clock_gettime`, `gettimeofday`, where policy has `clock = "counter"` | a microsecond more each time |
//!
//! Without this a hash map counts differently in each run, and `available_parallelism` differently
//! in a container, on a desktop and on GitHub, though executable and environment are equal. One
//! processor, because what runs in one thread has one order.
//!
//! Only the functions above: every other call reaches the C library and the kernel. Nothing here may
//! panic or call the standard library, since the file is linked as a bare object.

use std::arch::asm;
use std::ffi::{CStr, c_char, c_int, c_long, c_uint};

/// The error of a file that does not exist.
const ENOENT: c_int = 2;
/// The current directory, as a directory's descriptor.
const AT_FDCWD: c_long = -100;
/// Where the kernel tells of control groups.
const CONTROL_GROUPS: [&CStr; 2] = [c"/sys/fs/cgroup", c"/proc/self/cgroup"];

/// What `sysconf` is asked for: processors in all and running, pages in all and free.
const PROCESSORS: [c_int; 2] = [83, 84];
const PAGES: [c_int; 2] = [85, 86];
/// 4 GiB in pages of 4 KiB.
const MEMORY_PAGES: c_long = 1 << 20;

unsafe extern "C" {
    fn __errno_location() -> *mut c_int;
    fn __sysconf(name: c_int) -> c_long;
}

/// The system call `openat`, which `open64` would make.
#[cfg(target_arch = "x86_64")]
unsafe fn openat(path: *const c_char, flags: c_int, mode: c_uint) -> c_long {
    let result;
    // SAFETY: the kernel checks the arguments; the call clobbers rcx and r11 only.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") 257_i64 => result,
            in("rdi") AT_FDCWD,
            in("rsi") path,
            in("rdx") c_long::from(flags),
            in("r10") c_long::from(mode),
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// The system call `openat`, which `open64` would make.
#[cfg(target_arch = "aarch64")]
unsafe fn openat(path: *const c_char, flags: c_int, mode: c_uint) -> c_long {
    let result;
    // SAFETY: the kernel checks the arguments; the call clobbers no other register.
    unsafe {
        asm!(
            "svc 0",
            in("x8") 56_i64,
            inlateout("x0") AT_FDCWD => result,
            in("x1") path,
            in("x2") c_long::from(flags),
            in("x3") c_long::from(mode),
            options(nostack),
        );
    }
    result
}

/// Whether the text at `text` starts with `prefix`.
unsafe fn starts_with(text: *const c_char, prefix: &CStr) -> bool {
    let mut at = text;
    for &byte in prefix.to_bytes() {
        // SAFETY: the text ends with a zero byte, which no byte of the prefix equals, so nothing
        // behind it is read.
        unsafe {
            if at.read() as u8 != byte {
                return false;
            }
            at = at.add(1);
        }
    }
    true
}

/// Bytes that a program takes for random. Each call begins afresh, so that what one part of a
/// program draws does not depend on what another drew before. Xorshift (Marsaglia, 2003).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: c_uint) -> isize {
    let mut word = 0x9e37_79b9_7f4a_7c15_u64;
    let mut at = 0;
    while at < length {
        if at % 8 == 0 {
            word ^= word << 13;
            word ^= word >> 7;
            word ^= word << 17;
        }
        // SAFETY: the caller's buffer has `length` bytes. Volatile, or the compiler would call
        // `memset` or `memcpy`.
        unsafe { buffer.add(at).write_volatile((word >> (at % 8 * 8)) as u8) };
        at += 1;
    }
    length as isize
}

/// The same for callers that want all or nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getentropy(buffer: *mut u8, length: usize) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { getrandom(buffer, length, 0) };
    0
}

/// One processor, the first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sched_getaffinity(_process: c_int, size: usize, mask: *mut u8) -> c_int {
    let mut at = 0;
    while at < size {
        // SAFETY: the caller's mask has `size` bytes.
        unsafe { mask.add(at).write_volatile(u8::from(at == 0)) };
        at += 1;
    }
    0
}

/// What the machine has; the C library answers for all that is its own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sysconf(name: c_int) -> c_long {
    if name == PROCESSORS[0] || name == PROCESSORS[1] {
        return 1;
    }
    if name == PAGES[0] || name == PAGES[1] {
        return MEMORY_PAGES;
    }
    // SAFETY: it takes any number.
    unsafe { __sysconf(name) }
}

/// Opens a file, unless it tells of control groups. In C, `mode` is variadic; where a caller leaves
/// it out, the kernel does not look at it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    for group in CONTROL_GROUPS {
        // SAFETY: the path is a text, and errno is this thread's.
        unsafe {
            if starts_with(path, group) {
                __errno_location().write(ENOENT);
                return -1;
            }
        }
    }
    // SAFETY: as the caller promises.
    unsafe {
        let result = openat(path, flags, mode);
        if result < 0 {
            __errno_location().write(-result as c_int);
            return -1;
        }
        result as c_int
    }
}

/// How often the clock was read, where policy makes it a counter.
#[cfg(icgate_clock)]
static READINGS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

/// The next moment: a microsecond after the one before, from a day in 2001 on.
#[cfg(icgate_clock)]
fn next_moment() -> (c_long, c_long) {
    const BEGIN: u64 = 1_000_000_000;
    let read = READINGS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    ((BEGIN + read / 1_000_000) as c_long, (read % 1_000_000) as c_long)
}

/// Any clock: a counter of its readings.
#[cfg(icgate_clock)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(_clock: c_int, time: *mut c_long) -> c_int {
    let (seconds, micros) = next_moment();
    // SAFETY: the caller's time has seconds and nanoseconds.
    unsafe {
        time.write_volatile(seconds);
        time.add(1).write_volatile(micros * 1_000);
    }
    0
}

/// The same in microseconds.
#[cfg(icgate_clock)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gettimeofday(time: *mut c_long, _zone: *mut c_int) -> c_int {
    let (seconds, micros) = next_moment();
    // SAFETY: the caller's time has seconds and microseconds.
    unsafe {
        time.write_volatile(seconds);
        time.add(1).write_volatile(micros);
    }
    0
}
