//! Tries what a benchmark has no business to do, and panics if it succeeds. Where to write and whom to
//! ask is said when it is compiled, since nothing reaches it by its environment.

use std::hint::black_box;
use std::net::TcpStream;
use std::process::Command;

use iai_callgrind::{library_benchmark, library_benchmark_group, main};

/// Runs before `main`, and so also where the harness starts without Valgrind, under which no program
/// gains rights.
extern "C" fn gain_rights() {
    let Some(program) = option_env!("ICGATE_TEST_SETUID") else {
        return;
    };
    let is_root = |program: &str| {
        let answer = Command::new(program).arg("-u").output();
        answer.is_ok_and(|it| it.stdout == b"0\n")
    };
    assert!(
        is_root("/usr/bin/id") || !is_root(program),
        "it became root by {program}"
    );
}

#[used]
#[unsafe(link_section = ".init_array")]
static GAIN_RIGHTS: extern "C" fn() = gain_rights;

#[library_benchmark]
fn look_around() -> u32 {
    if let Some(file) = option_env!("ICGATE_TEST_FILE") {
        assert!(std::fs::write(file, "forged").is_err(), "it wrote {file}");
        assert!(std::fs::read(file).is_err(), "it read {file}");
    }
    if let Some(server) = option_env!("ICGATE_TEST_SERVER") {
        assert!(TcpStream::connect(server).is_err(), "it reached {server}");
    }
    let secret = std::env::vars().find(|(name, _)| name.starts_with("GITHUB_"));
    assert!(secret.is_none(), "it saw {secret:?}");
    (0..black_box(100)).map(black_box).sum()
}

library_benchmark_group!(name = curious; benchmarks = look_around);
main!(library_benchmark_groups = curious);
