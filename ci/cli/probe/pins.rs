//! What a machine tells a program, pinned: an object file that icgate links into every bench
//! executable, in the place of the C library's functions.
//!
//! | a program asks | and is told |
//! |---|---|
//! | `getrandom`, `getentropy` | the same bytes each time, from each call's own beginning |
//! | `/dev/urandom`, `/dev/random` by `open` | a file of the same bytes, from its beginning |
//! | `sched_getaffinity` | one processor |
//! | `sysconf` for processors and memory | one processor, 4 GiB, all of it free |
//! | for a control group (`/proc/self/cgroup`, `/sys/fs/cgroup`) | there is none |
//! | `gethostname`, the node's name of `uname` | `icgate` |
//! | `getpid` | a number that no process can have; `kill` knows whom it means |
//! | `clock_gettime`, `gettimeofday`, where policy has `clock = "counter"` | a microsecond more each time |
//!
//! Without this a hash map counts differently in each run, and `available_parallelism` differently
//! in a container, on a desktop and on GitHub, though executable and environment are equal. One
//! processor, because what runs in one thread has one order. The time zone needs no function: the
//! environment has `TZ`.
//!
//! The random bytes are others with another seed, by which `icgate verify` finds out what depends on
//! them. It comes by an environment variable, which counts under Valgrind only: executables are started
//! without it as well, by harnesses and by hand.
//!
//! Only the functions above: every other call reaches the C library and the kernel. So does what the
//! library asks for itself (`fopen`, `get_nprocs`, the memory's size in `qsort`, random bits in
//! `mkstemp`), since it calls its own functions by other names, and a system call that is made by
//! number: a static library's `syscall` admits no other of its name. Nothing here may panic or call the
//! standard library, since the file is linked as a bare object.

use std::arch::asm;
use std::ffi::{CStr, c_char, c_int, c_long, c_uint};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU64, Ordering};

/// The error of a file that does not exist, and of a name that is longer than the place for it.
const ENOENT: c_int = 2;
const ENAMETOOLONG: c_int = 36;
/// What a system call returns from here on is an error's number, negative.
const ERRORS: c_long = -4095;
/// The current directory, as a directory's descriptor.
const AT_FDCWD: c_long = -100;
/// Where the kernel tells of control groups.
const CONTROL_GROUPS: [&CStr; 2] = [c"/sys/fs/cgroup", c"/proc/self/cgroup"];
/// Where it gives random bytes.
const RANDOM_FILES: [&CStr; 2] = [c"/dev/urandom", c"/dev/random"];

/// What `sysconf` is asked for: processors in all and running, pages in all and free.
const PROCESSORS: [c_int; 2] = [83, 84];
const PAGES: [c_int; 2] = [85, 86];
/// 4 GiB in pages of 4 KiB.
const MEMORY_PAGES: c_long = 1 << 20;

/// The machine's name, and its domain's, which nobody has given it.
const HOST: &CStr = c"icgate";
const DOMAIN: &CStr = c"(none)";
/// How long each field of `uname`'s answer is, and the fields that are replaced.
const NAME_BYTES: usize = 65;
const NODE_FIELD: usize = 1;
const DOMAIN_FIELD: usize = 5;

/// The process's id. Linux gives out none beyond 4194303, so that a signal or a question to this one
/// can reach no other process.
const PROCESS: c_int = 4_194_304;

/// Numbers of system calls.
#[cfg(target_arch = "x86_64")]
mod call {
    pub const PWRITE: i64 = 18;
    pub const GETPID: i64 = 39;
    pub const KILL: i64 = 62;
    pub const UNAME: i64 = 63;
    pub const FTRUNCATE: i64 = 77;
    pub const OPENAT: i64 = 257;
    pub const MEMFD_CREATE: i64 = 319;
}

/// Numbers of system calls.
#[cfg(target_arch = "aarch64")]
mod call {
    pub const FTRUNCATE: i64 = 46;
    pub const OPENAT: i64 = 56;
    pub const PWRITE: i64 = 68;
    pub const KILL: i64 = 129;
    pub const UNAME: i64 = 160;
    pub const GETPID: i64 = 172;
    pub const MEMFD_CREATE: i64 = 279;
}

unsafe extern "C" {
    fn __errno_location() -> *mut c_int;
    fn __sysconf(name: c_int) -> c_long;
}

/// A system call; what it does not take may be anything.
#[cfg(target_arch = "x86_64")]
unsafe fn system_call(number: c_long, arguments: [c_long; 6]) -> c_long {
    let result;
    // SAFETY: the kernel checks the arguments; the call clobbers rcx and r11 only.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") arguments[3],
            in("r8") arguments[4],
            in("r9") arguments[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// A system call; what it does not take may be anything.
#[cfg(target_arch = "aarch64")]
unsafe fn system_call(number: c_long, arguments: [c_long; 6]) -> c_long {
    let result;
    // SAFETY: the kernel checks the arguments; the call clobbers no other register.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") arguments[0] => result,
            in("x1") arguments[1],
            in("x2") arguments[2],
            in("x3") arguments[3],
            in("x4") arguments[4],
            in("x5") arguments[5],
            options(nostack),
        );
    }
    result
}

/// What C's function for a system call answers: an error's number goes to `errno`.
unsafe fn answer(result: c_long) -> c_long {
    if result < ERRORS || result >= 0 {
        return result;
    }
    // SAFETY: errno is this thread's.
    unsafe { __errno_location().write(-result as c_int) };
    -1
}

/// Whether Valgrind runs the program: its request is a sequence of instructions that do nothing
/// elsewhere (`valgrind.h`).
#[cfg(target_arch = "x86_64")]
fn is_under_valgrind() -> bool {
    let request = RUNNING_ON_VALGRIND;
    let answer: u64;
    // SAFETY: a processor turns rdi once around and exchanges rbx with itself.
    unsafe {
        asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            inlateout("rdi") 0_u64 => _,
            in("rax") &raw const request,
            inlateout("rdx") 0_u64 => answer,
        );
    }
    answer != 0
}

/// Whether Valgrind runs the program: its request is a sequence of instructions that do nothing
/// elsewhere (`valgrind.h`).
#[cfg(target_arch = "aarch64")]
fn is_under_valgrind() -> bool {
    let request = RUNNING_ON_VALGRIND;
    let answer: u64;
    // SAFETY: a processor turns x12 once around and moves x10 to itself.
    unsafe {
        asm!(
            "ror x12, x12, #3",
            "ror x12, x12, #13",
            "ror x12, x12, #51",
            "ror x12, x12, #61",
            "orr x10, x10, x10",
            inlateout("x12") 0_u64 => _,
            in("x4") &raw const request,
            inlateout("x3") 0_u64 => answer,
        );
    }
    answer != 0
}

/// Valgrind's number for the request, and its five arguments.
const RUNNING_ON_VALGRIND: [u64; 6] = [0x1001, 0, 0, 0, 0, 0];

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

/// What random bytes begin with. An odd number times an odd one is never zero, from which nothing
/// but zeros would follow.
static SEED: AtomicU64 = AtomicU64::new(FIRST_SEED);
const FIRST_SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// The environment variable that asks for another: a number in decimal digits.
const SEED_VARIABLE: &CStr = c"ICGATE_SEED=";

/// Takes the seed from the environment. It runs before `main`, so that no benchmark counts it.
unsafe extern "C" fn take_seed(
    _count: c_int,
    _arguments: *const *const c_char,
    variables: *const *const c_char,
) {
    if !is_under_valgrind() {
        return;
    }
    let mut at = variables;
    // SAFETY: the variables are texts that end with a zero byte, and end themselves with a null.
    unsafe {
        while !at.read().is_null() {
            if starts_with(at.read(), SEED_VARIABLE) {
                let mut digit = at.read().add(SEED_VARIABLE.to_bytes().len());
                let mut number = 0_u64;
                while (b'0'..=b'9').contains(&(digit.read() as u8)) {
                    let value = u64::from(digit.read() as u8 - b'0');
                    number = number.wrapping_mul(10).wrapping_add(value);
                    digit = digit.add(1);
                }
                let odd = number.wrapping_mul(2).wrapping_add(1);
                SEED.store(FIRST_SEED.wrapping_mul(odd), Ordering::Relaxed);
            }
            at = at.add(1);
        }
    }
}

#[used]
#[unsafe(link_section = ".init_array")]
static TAKE_SEED: unsafe extern "C" fn(c_int, *const *const c_char, *const *const c_char) = take_seed;

/// Fills a buffer with bytes that follow from `word`, and returns what the next follow from.
/// Xorshift (Marsaglia, 2003).
unsafe fn fill(mut word: u64, buffer: *mut u8, length: usize) -> u64 {
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
    word
}

/// Bytes that a program takes for random. Each call begins afresh, so that what one part of a
/// program draws does not depend on what another drew before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: c_uint) -> isize {
    // SAFETY: as the caller promises.
    unsafe { fill(SEED.load(Ordering::Relaxed), buffer, length) };
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

/// The file of a new descriptor holds this many bytes that look random, and then zeros, so that no
/// reader comes to its end.
const RANDOM_BYTES: usize = 1 << 16;
const RANDOM_FILE_BYTES: c_long = 1 << 40;
/// Bytes that are written to it at once.
const BLOCK: usize = 1 << 10;

/// A file in memory that stands for the kernel's random bytes.
unsafe fn random_file() -> c_long {
    const CLOSE_ON_EXEC: c_long = 1;
    let mut block = MaybeUninit::<[u8; BLOCK]>::uninit();
    let start = block.as_mut_ptr().cast::<u8>();
    let mut word = SEED.load(Ordering::Relaxed);
    // SAFETY: the name ends with a zero byte, and each block is filled before it is written.
    unsafe {
        let name = c"random".as_ptr() as c_long;
        let file = answer(system_call(call::MEMFD_CREATE, [name, CLOSE_ON_EXEC, 0, 0, 0, 0]));
        let mut at = 0;
        while file >= 0 && at < RANDOM_BYTES {
            word = fill(word, start, BLOCK);
            let place = [file, start as c_long, BLOCK as c_long, at as c_long, 0, 0];
            system_call(call::PWRITE, place);
            at += BLOCK;
        }
        system_call(call::FTRUNCATE, [file, RANDOM_FILE_BYTES, 0, 0, 0, 0]);
        file
    }
}

/// Opens a file, unless it tells of control groups or is one of random bytes. In C, `mode` is variadic.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: the path is a text, and errno is this thread's.
    unsafe {
        for group in CONTROL_GROUPS {
            if starts_with(path, group) {
                __errno_location().write(ENOENT);
                return -1;
            }
        }
        for random in RANDOM_FILES {
            if starts_with(path, random) {
                return random_file() as c_int;
            }
        }
        let arguments = [AT_FDCWD, path as c_long, c_long::from(flags), c_long::from(mode), 0, 0];
        answer(system_call(call::OPENAT, arguments)) as c_int
    }
}

/// The same by its other name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { open64(path, flags, mode) }
}

/// Writes a name and zeros up to `length`.
unsafe fn write_name(name: &CStr, to: *mut c_char, length: usize) {
    let mut from = name.as_ptr();
    let mut at = 0;
    while at < length {
        // SAFETY: the caller's place has `length` bytes, and the name is read up to its zero byte.
        unsafe {
            let byte = from.read();
            to.add(at).write_volatile(byte);
            if byte != 0 {
                from = from.add(1);
            }
        }
        at += 1;
    }
}

/// The machine's name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gethostname(to: *mut c_char, length: usize) -> c_int {
    // SAFETY: the caller's place has `length` bytes, and errno is this thread's.
    unsafe {
        write_name(HOST, to, length);
        if length <= HOST.to_bytes().len() {
            __errno_location().write(ENAMETOOLONG);
            return -1;
        }
    }
    0
}

/// What the kernel says of itself, with the machine's name replaced. Its version is true: a program
/// may choose by it what it asks of the kernel.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn uname(to: *mut c_char) -> c_int {
    // SAFETY: the caller's place has six fields.
    unsafe {
        let result = answer(system_call(call::UNAME, [to as c_long, 0, 0, 0, 0, 0]));
        if result == 0 {
            write_name(HOST, to.add(NODE_FIELD * NAME_BYTES), NAME_BYTES);
            write_name(DOMAIN, to.add(DOMAIN_FIELD * NAME_BYTES), NAME_BYTES);
        }
        result as c_int
    }
}

/// The process's id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getpid() -> c_int {
    PROCESS
}

/// Sends a signal; to the id above, to the process that was told it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kill(process: c_int, signal: c_int) -> c_int {
    // SAFETY: the kernel checks the arguments.
    unsafe {
        let process = if process == PROCESS {
            system_call(call::GETPID, [0; 6])
        } else {
            c_long::from(process)
        };
        answer(system_call(call::KILL, [process, c_long::from(signal), 0, 0, 0, 0])) as c_int
    }
}

/// How often the clock was read, where policy makes it a counter.
#[cfg(icgate_clock)]
static READINGS: AtomicU64 = AtomicU64::new(0);

/// The next moment: a microsecond after the one before, from a day in 2001 on.
#[cfg(icgate_clock)]
fn next_moment() -> (c_long, c_long) {
    const BEGIN: u64 = 1_000_000_000;
    let read = READINGS.fetch_add(1, Ordering::Relaxed);
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
