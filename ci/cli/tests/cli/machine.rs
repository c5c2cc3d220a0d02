//! What the machine tells a benchmark is the same everywhere, or is shown.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::sample::{Answer, Sample};

/// The functions of the sample that each ask the machine for something.
const ASKING: [&str; 7] = [
    "random_state",
    "random_bytes",
    "processors",
    "configured",
    "host",
    "process",
    "zone",
];

/// The first and the last of the processors that this process may use, which need not be 0 and 1.
fn processors() -> BTreeSet<String> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let mut numbers = allowed.unwrap().trim().split([',', '-']);
    let first = numbers.next().unwrap();
    let last = numbers.next_back().unwrap_or(first);
    [first, last].map(str::to_owned).into()
}

/// A file of a time zone that is 1,111 seconds ahead of the world's, in the format's first version.
fn write_zone(path: &Path) {
    let mut bytes = b"TZif".to_vec();
    bytes.extend([0; 16]);
    // No leap seconds and no transitions; one kind of time, whose name has four bytes.
    for count in [0_u32, 0, 0, 0, 1, 4] {
        bytes.extend(count.to_be_bytes());
    }
    bytes.extend(1_111_i32.to_be_bytes());
    bytes.extend(b"\0\0KTM\0");
    std::fs::write(path, bytes).unwrap();
}

/// Commands that start another one in a world of its own: without any, on one processor, under another
/// host name, among other process ids, and where it is another time of day. What this system does not
/// allow is left out.
fn worlds(zone: &Path) -> Vec<Vec<String>> {
    let command = |words: &[&str]| words.iter().map(|&it| it.to_owned()).collect();
    let mut worlds: Vec<Vec<String>> = vec![command(&[]), command(&[])];
    for processor in processors() {
        worlds.push(command(&["taskset", "--cpu-list", &processor]));
    }
    let host = "hostname a-host-of-another-name && exec \"$@\"";
    worlds.push(command(&["unshare", "--uts", "sh", "-c", host, "sh"]));
    worlds.push(command(&["unshare", "--pid", "--fork", "--mount-proc"]));
    let time = "mount --bind \"$0\" /etc/localtime && exec \"$@\"";
    let zone = zone.to_str().unwrap();
    worlds.push(command(&["unshare", "--mount", "sh", "-c", time, zone]));
    worlds.retain(|world| {
        let Some((program, arguments)) = world.split_first() else {
            return true;
        };
        let mut command = Command::new(program);
        command.args(arguments).arg("true").stderr(Stdio::null());
        command.status().is_ok_and(|it| it.success())
    });
    worlds
}

/// What a command prints that is run in a world.
fn within(world: &[String], inner: &Command) -> Answer {
    let mut words = world.iter().map(AsRef::as_ref);
    let mut command = match words.next() {
        None => Command::new(inner.get_program()),
        Some(program) => {
            let program: &std::ffi::OsStr = program;
            let mut command = Command::new(program);
            command.args(words).arg(inner.get_program());
            command
        }
    };
    command.args(inner.get_args());
    if let Some(directory) = inner.get_current_dir() {
        command.current_dir(directory);
    }
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Answer::of(command.output().unwrap())
}

/// The fingerprint's field of what was measured last.
fn machine(sample: &Sample) -> String {
    let run = std::fs::read_to_string(sample.path().join("out/run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    run["environment"]["machine"].as_str().unwrap().to_owned()
}

#[test]
fn count_is_equal_in_every_world() {
    let sample = Sample::new();
    let zone = sample.path().join("zone");
    write_zone(&zone);
    let mut counts = BTreeSet::new();
    for world in worlds(&zone) {
        let answer = within(&world, &sample.command("measure", "machine"));
        let ids = ASKING.map(|name| format!("machine/{name}"));
        answer.says(0, &ids.each_ref().map(String::as_str));
        counts.insert(answer.stdout);
        assert_eq!(counts.len(), 1, "{world:?} {counts:#?}");
    }
    let told = machine(&sample);
    assert!(told.starts_with("processors 1, random "), "{told}");
    let pinned = "configured 1, memory 1048576 pages, host icgate, process 4194304, zone 0";
    assert!(told.contains(pinned), "{told}");
}

#[test]
fn what_is_not_pinned_is_named() {
    let sample = Sample::new();
    sample.policy("format = 2\n[measuring]\npins = false\n");
    sample.run("measure", "machine", &[]).says(0, &[]);
    assert_eq!(machine(&sample), "not pinned");
    let answer = sample.run("verify", "machine", &["--rounds", "2"]);
    let reads = [
        "random numbers",
        "the processors",
        "the host's name or the kernel's version",
        "its process id",
        "/etc/localtime",
        "/dev/urandom",
    ];
    answer.says(answer.code, &reads);
    // Each run has another process id, and it is no random number that moves it.
    let random = "depends on random numbers";
    assert!(!answer.stdout.contains(random), "{answer:?}");
}

#[test]
fn what_depends_on_random_numbers_is_named() {
    let sample = Sample::new();
    let answer = sample.run("verify", "machine", &["--rounds", "3"]);
    answer.says(
        answer.code,
        &["benchmarks moved in 3 measurement environments"],
    );
    // What is said of a benchmark is indented below its line.
    let after = |name: &str| {
        let (_, rest) = answer
            .stdout
            .split_once(&format!("  machine/{name}\n"))
            .expect("its line");
        let lines = rest.lines().take_while(|line| line.starts_with(' '));
        lines.collect::<String>()
    };
    for name in ASKING {
        let text = after(name);
        // Others move too: whoever looks for an environment variable passes over all before it.
        let depends = text.contains("depends on random numbers: ");
        assert_eq!(depends, name.starts_with("random"), "{name}: {text}");
    }
}
