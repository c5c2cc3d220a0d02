//! Ctrl-C in the middle: nothing half-written, no process left, the cursor shown.

use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::sample::Sample;

/// What the benchmark's command line has.
const WORD: &str = "bin/endless";

const PAUSE: Duration = Duration::from_millis(10);

/// How long a busy machine may take to build and to start the benchmark.
const PATIENCE: Duration = Duration::from_mins(30);

/// Whether a process is there and its command line has `word`.
fn is_running(pid: u32, word: &str) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).contains(word)
}

/// The process that started another one.
fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name, in brackets, may have spaces and brackets too.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// The processes below `ancestor` whose command line has `word`. Another run of these tests, at the same
/// time on this machine, has others.
fn descendants(ancestor: u32, word: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let name = entry.ok().map(|it| it.file_name());
        let Some(pid) = name.and_then(|it| it.to_str()?.parse().ok()) else {
            continue;
        };
        let mut above = std::iter::successors(Some(pid), |pid| parent(*pid));
        if is_running(pid, word) && above.any(|it| it == ancestor) {
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
    let deadline = Instant::now() + PATIENCE;
    let running = loop {
        let running = descendants(icgate.id(), WORD);
        if !running.is_empty() {
            break running;
        }
        assert!(
            icgate.try_wait().unwrap().is_none(),
            "icgate ended by itself"
        );
        assert!(Instant::now() < deadline, "the benchmark never started");
        std::thread::sleep(PAUSE);
    };
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
    while running.iter().any(|pid| is_running(*pid, WORD)) {
        assert!(Instant::now() < deadline, "the benchmark goes on");
        std::thread::sleep(PAUSE);
    }
}
