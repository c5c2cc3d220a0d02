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

/// `command` with another file system at `place`, where the machine allows that.
fn with_mount(command: &Command, place: &Path, options: &str) -> Option<Answer> {
    let mount = format!("mount -t tmpfs -o {options} none '{}'", place.display());
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

/// Whether another file system at /tmp would hide what a check needs.
fn something_needed_is_in_tmp() -> bool {
    let needed = [
        env!("CARGO_MANIFEST_DIR"),
        env!("CARGO_TARGET_TMPDIR"),
        env!("CARGO_BIN_EXE_icgate"),
    ];
    let homes = ["CARGO_HOME", "RUSTUP_HOME", "HOME"].map(std::env::var_os);
    let mut paths = needed.into_iter().map(PathBuf::from);
    let mut homes = homes.into_iter().flatten().map(PathBuf::from);
    paths.any(|it| it.starts_with("/tmp")) || homes.any(|it| it.starts_with("/tmp"))
}

#[test]
fn a_disk_that_fills_up_is_named() {
    let sample = Sample::with_baselines();
    let output = sample.path().join("out");
    fs::create_dir(&output).unwrap();
    if let Some(answer) = with_mount(&sample.command("measure", "steady"), &output, "size=4k") {
        answer.says(
            2,
            &[
                "cannot write",
                "out/run.json",
                "No space left on device",
                "fix: free space",
            ],
        );
    }
    // The measurement environment's own: everything else has to lie elsewhere.
    if something_needed_is_in_tmp() {
        println!("skipped: the project or its build lies in /tmp");
        return;
    }
    let elsewhere = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("small-disk");
    fs::create_dir_all(elsewhere.join(PLATFORM)).unwrap();
    let steady = format!("{PLATFORM}/steady.json");
    fs::copy(accepted().join(&steady), elsewhere.join(&steady)).unwrap();
    let check = check_elsewhere(&elsewhere);
    if let Some(answer) = with_mount(&check, Path::new("/tmp"), "size=3000k") {
        answer.says(
            3,
            &[
                "/tmp/icgate.000000/probe/probe",
                "No space left on device",
                "fix: free space in /tmp",
            ],
        );
    }
}

/// A check of `steady` whose files lie in `elsewhere` and not in /tmp.
fn check_elsewhere(elsewhere: &Path) -> Command {
    let mut check = crate::sample::icgate();
    check.args([
        "check",
        "--no-cache",
        "--bench",
        "steady",
        "--manifest-path",
    ]);
    check.arg(crate::sample::manifest());
    check.arg("--baselines").arg(elsewhere);
    check.arg("--output").arg(elsewhere.join("out"));
    check
}

#[test]
fn tmp_without_exec_is_refused_before_building() {
    if something_needed_is_in_tmp() {
        println!("skipped: the project or its build lies in /tmp");
        return;
    }
    let elsewhere = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("noexec");
    // A target directory without a build: had cargo been started, it would be there.
    let target = elsewhere.join("target");
    let mut check = check_elsewhere(&elsewhere);
    check.env("CARGO_TARGET_DIR", &target);
    if let Some(answer) = with_mount(&check, Path::new("/tmp"), "noexec") {
        answer.says(
            3,
            &[
                "`/tmp` is mounted noexec",
                "fix: mount -o remount,exec /tmp",
            ],
        );
        assert!(!target.exists());
    }
}
