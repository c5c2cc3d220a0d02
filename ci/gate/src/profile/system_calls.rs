//! What a program asks of the machine, told from Valgrind's trace of its system calls.
//!
//! ```text
//! SYSCALL[7,1](257) sys_openat ( 4294967196, 0x115df0(/etc/hostname), 524288 ) --> [async] ...
//! SYSCALL[7,1](228) sys_clock_gettime( 1, 0x1fff000280 )[sync] --> Success(0x0)
//! ```
//!
//! The trace is of the whole process. What every program does before its `main` (its own maps, its
//! limits, eight random bytes for the allocator) says nothing of a benchmark, and is left out.

use std::collections::BTreeSet;

/// System calls whose answer is another on another machine or in another run, and what they ask for.
const ASKING: [(&str, &str); 14] = [
    ("clock_gettime", "the clock"),
    ("gettimeofday", "the clock"),
    ("time", "the clock"),
    ("times", "the clock"),
    ("getrusage", "the clock"),
    ("getpid", "its process id"),
    ("getppid", "its parent's process id"),
    ("uname", "the host's name or the kernel's version"),
    ("newuname", "the host's name or the kernel's version"),
    ("sysinfo", "the memory's size"),
    ("sched_getaffinity", "the processors"),
    ("getcpu", "the processors"),
    ("getuid", "the user"),
    ("statfs", "the file system"),
];

/// Files that are opened before `main`, and the one that the C library looks for by the name of the
/// pinned time zone, which no machine has.
const ORDINARY: [&str; 5] = [
    "/usr/share/zoneinfo/UTC0",
    "/proc/self/maps",
    "/proc/self/exe",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
];

/// Random bytes that the C library's allocator asks for at the start.
const ALLOCATOR_RANDOM: &str = "8, 1 )";

/// Which processors a thread may use, asked for the calling one: by its number, the C library asks before
/// `main`.
const OWN_THREAD: &str = " 0,";

/// What the traced program asked of the machine: files outside of `own` folders, and what no file
/// says. Sorted, each once.
#[must_use]
pub fn asked(trace: &str, own: &[&str]) -> Vec<String> {
    let mut asked = BTreeSet::new();
    for line in trace.lines() {
        let call = line.strip_prefix("SYSCALL[");
        let call = call.and_then(|it| it.split_once(") "));
        let Some((name, arguments)) = call.and_then(|(_, call)| call.split_once('(')) else {
            continue;
        };
        // Valgrind writes some names without it.
        let name = name.trim().trim_start_matches("sys_");
        if name == "sched_getaffinity" && !arguments.starts_with(OWN_THREAD) {
            continue;
        }
        if let Some((_, what)) = ASKING.iter().find(|(it, _)| *it == name) {
            asked.insert((*what).to_owned());
        }
        if name == "getrandom" && !arguments.contains(ALLOCATOR_RANDOM) {
            asked.insert("random numbers".to_owned());
        }
        let file = match name {
            "open" | "openat" | "openat2" | "readlink" | "readlinkat" => path(arguments),
            _ => None,
        };
        asked.extend(file.filter(|path| is_foreign(path, own)).map(str::to_owned));
    }
    asked.into_iter().collect()
}

/// The first path among a call's arguments, which the trace gives behind its address.
fn path(arguments: &str) -> Option<&str> {
    let (_, rest) = arguments.split_once('(')?;
    rest.split_once(')').map(|(path, _)| path)
}

fn is_foreign(path: &str, own: &[&str]) -> bool {
    let is_in = |folder: &&str| {
        let rest = path.strip_prefix(folder.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    // A library is the fingerprint's to tell.
    let is_library = path.contains(".so");
    path.starts_with('/') && !ORDINARY.contains(&path) && !is_library && !own.iter().any(is_in)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "\
        ==7== a line of its own\n\
        SYSCALL[7,1](318) sys_getrandom ( 0x26fd28, 8, 1 )[sync] --> Success(0x8) \n\
        SYSCALL[7,1](257) sys_openat ( 4294967196, 0x115df0(/proc/self/maps), 524288 ) --> [async]\n\
        SYSCALL[7,1](257) sys_openat ( 4294967196, 0x11(/etc/hostname), 524288 ) --> [async] ... \n\
        SYSCALL[7,1](257) sys_openat ( 4294967196, 0x12(/work/data/a.bin), 0 ) --> [async] ... \n\
        SYSCALL[7,1](257) sys_openat ( 4294967196, 0x13(fixture.txt), 0 ) --> [async] ... \n\
        SYSCALL[7,1](228) sys_clock_gettime( 1, 0x1fff000280 )[sync] --> Success(0x0) \n\
        SYSCALL[7,1](228) sys_clock_gettime( 1, 0x1fff000280 )[sync] --> Success(0x0) \n\
        SYSCALL[7,1](12) sys_brk ( 0x0 ) --> [pre-success] Success(0x4000000)\n";

    #[test]
    fn only_what_the_machine_decides_is_named() {
        assert_eq!(asked(TRACE, &["/work"]), ["/etc/hostname", "the clock"]);
        let all = ["/etc/hostname", "/work/data/a.bin", "the clock"];
        assert_eq!(asked(TRACE, &["/wor"]), all);
        assert_eq!(asked("", &[]), [""; 0]);
        let affinity = |of: &str| {
            let line = format!("SYSCALL[7,1](204) sched_getaffinity ( {of}, 128, 0x1f )[sync]");
            asked(&line, &[])
        };
        assert_eq!(affinity("0"), ["the processors"]);
        assert_eq!(affinity("21244"), [""; 0]);
        let random = "SYSCALL[7,1](318) sys_getrandom ( 0x26fd28, 32, 0 )[sync]";
        assert_eq!(asked(random, &[]), ["random numbers"]);
        assert_eq!(asked("SYSCALL[7,1](2) sys_open cut off", &[]), [""; 0]);
    }
}
