//! Ctrl-C in the middle: nothing half-written, no process left, the cursor shown.

use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::sample::Sample;

/// The processes whose command line has `word`.
fn processes_with(word: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let Ok(path) = entry.map(|entry| entry.path()) else {
            continue;
        };
        let Some(pid) = path.file_name().and_then(|it| it.to_str()?.parse().ok()) else {
            continue;
        };
        let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(word) {
            found.push(pid);
        }
    }
    found
}

#[test]
fn an_interruption_leaves_nothing_behind() {
    let sample = Sample::with_baselines();
    let before = std::fs::read(sample.steady()).unwrap();
    let mut command = sample.command("update", "endless");
    let mut icgate = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The one benchmark never ends, so once it runs, icgate is in the middle for sure.
    let deadline = Instant::now() + Duration::from_mins(5);
    while processes_with("bin/endless").is_empty() {
        assert!(
            icgate.try_wait().unwrap().is_none(),
            "icgate ended by itself"
        );
        assert!(Instant::now() < deadline, "the benchmark never started");
        std::thread::yield_now();
    }
    kill(
        Pid::from_raw(icgate.id().try_into().unwrap()),
        Signal::SIGINT,
    )
    .unwrap();
    let status = icgate.wait().unwrap();
    let mut said = String::new();
    icgate
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(
        !said.contains('\x1b'),
        "a pipe gets no control characters: {said:?}"
    );
    assert!(
        said.contains("icgate: interrupted; no file is half-written"),
        "{said:?}"
    );
    assert_eq!(std::fs::read(sample.steady()).unwrap(), before);
    assert!(!sample.path().join("out/run.json").exists());
    while !processes_with("bin/endless").is_empty() {
        assert!(Instant::now() < deadline, "the benchmark goes on");
        std::thread::yield_now();
    }
}
