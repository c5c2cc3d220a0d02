//! Trouble while measuring: what it hit is named, and the rest goes on.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sample::{Answer, PLATFORM, Sample, accepted};

/// A `valgrind` first on PATH that does `first` for the first benchmark, and is Valgrind otherwise.
fn path_with_valgrind(sample: &Sample, first: &str) -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap();
    let real = std::env::split_paths(&path)
        .map(|it| it.join("valgrind"))
        .find(|it| it.exists())
        .unwrap();
    let programs = sample.path().join("programs");
    fs::create_dir_all(&programs).unwrap();
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in */bin/steady*) mkdir '{0}/once' 2>/dev/null && {first};; esac\n\
         exec '{1}' \"$@\"\n",
        sample.path().display(),
        real.display()
    );
    let valgrind = programs.join("valgrind");
    fs::write(&valgrind, script).unwrap();
    fs::set_permissions(&valgrind, fs::Permissions::from_mode(0o755)).unwrap();
    let paths = std::iter::once(programs).chain(std::env::split_paths(&path));
    std::env::join_paths(paths).unwrap()
}

#[test]
fn a_valgrind_that_dies_takes_one_benchmark_with_it() {
    for (first, said) in [
        ("kill -9 $$", "signal: 9 (SIGKILL)"),
        (
            "{ echo 'the impossible happened'; exit 1; }",
            "the impossible happened",
        ),
        // It ends well, and leaves nothing.
        ("exit 0", "no profile"),
    ] {
        let sample = Sample::with_baselines();
        let mut check = sample.command("check", "steady");
        check.env("PATH", path_with_valgrind(&sample, first));
        let answer = Answer::of(check.output().unwrap());
        answer.says(3, &["not measured: steady/", said, "2 unchanged"]);
    }
}

/// `command` with a file system of `kib` KiB at `place`, where the machine allows that.
fn on_a_small_disk(command: &Command, place: &Path, kib: u32) -> Option<Answer> {
    let mount = format!("mount -t tmpfs -o size={kib}k none '{}'", place.display());
    let isolated = |script: &str| {
        let mut isolated = Command::new("unshare");
        isolated.args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            script,
            "sh",
        ]);
        isolated
    };
    if !isolated(&mount)
        .status()
        .is_ok_and(|status| status.success())
    {
        println!("skipped: no file system can be mounted here");
        return None;
    }
    let mut small = isolated(&format!("{mount} && exec \"$@\""));
    small.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => small.env(name, value),
            None => small.env_remove(name),
        };
    }
    Some(Answer::of(small.output().unwrap()))
}

#[test]
fn a_disk_that_fills_up_is_named() {
    let sample = Sample::with_baselines();
    let output = sample.path().join("out");
    fs::create_dir(&output).unwrap();
    if let Some(answer) = on_a_small_disk(&sample.command("measure", "steady"), &output, 4) {
        answer.says(
            2,
            &["cannot write", "out/run.json", "No space left on device"],
        );
    }
    // The measurement environment's own: everything else has to lie elsewhere.
    if Path::new(env!("CARGO_MANIFEST_DIR")).starts_with("/tmp") {
        println!("skipped: the project itself lies in /tmp");
        return;
    }
    let elsewhere = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("small-disk");
    fs::create_dir_all(elsewhere.join(PLATFORM)).unwrap();
    let steady = format!("{PLATFORM}/steady.json");
    fs::copy(accepted().join(&steady), elsewhere.join(&steady)).unwrap();
    let mut check = crate::sample::icgate();
    check.args([
        "check",
        "--no-cache",
        "--bench",
        "steady",
        "--manifest-path",
    ]);
    check.arg(crate::sample::manifest());
    check.arg("--baselines").arg(&elsewhere);
    check.arg("--output").arg(elsewhere.join("out"));
    if let Some(answer) = on_a_small_disk(&check, Path::new("/tmp"), 3_000) {
        answer.says(
            3,
            &[
                "/tmp/icgate.000000/probe/probe",
                "No space left on device",
                "fix: make room in /tmp",
            ],
        );
    }
}
