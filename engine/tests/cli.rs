//! The command-line tool: what it prints, and its exit codes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::Permissions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a call printed, and its exit code.
struct Call {
    out: String,
    err: String,
    code: i32,
}

fn call_with(dir: &Path, arguments: &[&str], input: &str) -> Call {
    let mut child = Command::new(env!("CARGO_BIN_EXE_engine"))
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    Call {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap(),
    }
}

fn call(dir: &Path, arguments: &[&str]) -> Call {
    call_with(dir, arguments, "")
}

/// Calls that must succeed; gives what the last one printed.
fn calls(dir: &Path, all: &[&[&str]]) -> String {
    let mut out = String::new();
    for arguments in all {
        let done = call(dir, arguments);
        assert_eq!(done.code, 0, "{arguments:?}: {}", done.err);
        out = done.out;
    }
    out
}

#[test]
fn what_was_put_is_got_and_scanned() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let puts: [&[&str]; 4] = [
        &["put", "db", "tea/green", "sencha"],
        &["put", "db", "tea/black", "assam"],
        &["put", "db", "cup", "blue"],
        &["put", "db", "cup", "red", "--keyspace", "other"],
    ];
    calls(dir, &puts);
    assert_eq!(calls(dir, &[&["get", "db", "cup"]]), "blue\n");
    assert_eq!(
        calls(dir, &[&["get", "db", "cup", "--keyspace", "other"]]),
        "red\n"
    );
    let tea = "tea/black\tassam\ntea/green\tsencha\n";
    assert_eq!(calls(dir, &[&["scan", "db", "--prefix", "tea/"]]), tea);
    let last = calls(dir, &[&["scan", "db", "--reverse", "--limit", "1"]]);
    assert_eq!(last, "tea/green\tsencha\n");
    assert_eq!(call(dir, &["delete", "db", "cup"]).code, 0);
    assert_eq!(call(dir, &["delete", "db", "cup"]).code, 1);
    let gone = call(dir, &["get", "db", "cup"]);
    assert_eq!(
        (gone.code, gone.out.as_str(), gone.err.as_str()),
        (1, "", "")
    );
    let stats = calls(dir, &[&["stats", "db"]]);
    let expected = "keyspace default: 2 keys (values)\nkeyspace other: 1 keys (values)\n";
    assert!(stats.starts_with(expected), "{stats}");
}

#[test]
fn a_value_with_a_time_to_live_of_nothing_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    calls(dir.path(), &[&["put", "db", "k", "v", "--ttl-ms", "0"]]);
    assert_eq!(call(dir.path(), &["get", "db", "k"]).code, 1);
    calls(
        dir.path(),
        &[&["put", "db", "k", "v", "--ttl-ms", "1000000"]],
    );
    assert_eq!(call(dir.path(), &["get", "db", "k"]).code, 0);
}

#[test]
fn a_dump_is_loaded_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let lines = concat!(
        "{\"key\":\"k\",\"keyspace\":\"default\",\"value\":\"v\"}\n",
        "{\"expires_us\":9000000000000000000,\"key\":\"k\",\"keyspace\":\"other\",\"value_hex\":\"00ff\"}\n",
        "{\"key_hex\":\"ff\",\"keyspace\":\"other\",\"value\":\"\"}\n",
    );
    let loaded = call_with(dir, &["load", "db"], lines);
    assert_eq!(
        (loaded.code, loaded.out.as_str()),
        (0, "put 3 pairs\n"),
        "{}",
        loaded.err
    );
    let dumped = calls(dir, &[&["dump", "db"]]);
    assert_eq!(dumped, lines);
    let again = call_with(dir, &["load", "copy"], &dumped);
    assert_eq!(again.code, 0, "{}", again.err);
    assert_eq!(calls(dir, &[&["dump", "copy"]]), lines);
}

#[test]
fn a_line_that_is_no_pair_is_an_error_that_says_which() {
    let dir = tempfile::tempdir().unwrap();
    for (line, reason) in [
        ("nonsense", "expected"),
        ("[]", "an object"),
        ("{\"key\":\"k\",\"value\":\"v\"}", "`keyspace` is missing"),
        (
            "{\"keyspace\":\"a\",\"key\":\"k\"}",
            "exactly one of `value`",
        ),
        (
            "{\"keyspace\":\"a\",\"key\":\"k\",\"key_hex\":\"00\",\"value\":\"\"}",
            "exactly one of `key`",
        ),
        (
            "{\"keyspace\":\"a\",\"key_hex\":\"0\",\"value\":\"\"}",
            "not hexadecimal",
        ),
        (
            "{\"keyspace\":\"a\",\"key\":\"k\",\"value\":\"\",\"ttl\":1}",
            "`ttl` is unknown",
        ),
        (
            "{\"keyspace\":\"a\",\"key\":\"k\",\"value\":\"\",\"expires_us\":-1}",
            "is no number",
        ),
    ] {
        let input = format!("\n{line}\n");
        let refused = call_with(dir.path(), &["load", "db"], &input);
        assert_eq!(refused.code, 2, "{line}");
        assert!(
            refused.err.starts_with("error: line 2 of the input: "),
            "{}",
            refused.err
        );
        assert!(refused.err.contains(reason), "{line}: {}", refused.err);
    }
    assert_eq!(calls(dir.path(), &[&["dump", "db"]]), "");
}

#[test]
fn recovery_is_described_and_a_checkpoint_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let out = calls(dir, &[&["open", "db"]]);
    assert_eq!(
        out,
        "log: records 0 to 0 in 0 segments\nsnapshot: none\nreplayed: 0 records\n"
    );
    let puts: [&[&str]; 3] = [
        &["put", "db", "a", "1"],
        &["put", "db", "b", "2"],
        &["checkpoint", "db"],
    ];
    assert_eq!(calls(dir, &puts), "saved the state below record 2\n");
    let out = calls(dir, &[&["put", "db", "c", "3"], &["open", "db"]]);
    assert!(
        out.contains("snapshot: 2 rows below record 2\nreplayed: 1 records\n"),
        "{out}"
    );
    let inspected = call(dir, &["inspect", "db"]);
    assert_eq!(inspected.code, 0, "{}", inspected.out);
    assert!(inspected.out.contains(" frames"), "{}", inspected.out);
}

#[test]
fn damage_is_told_and_repaired_into_a_new_directory() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    calls(dir, &[&["put", "db", "a", "1"], &["put", "db", "b", "2"]]);
    let segment = dir.join("db/00000000000000000000.wal");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[80] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let inspected = call(dir, &["inspect", "db"]);
    assert_eq!(inspected.code, 1);
    assert!(inspected.out.contains("damaged"), "{}", inspected.out);
    let refused = call(dir, &["get", "db", "b"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("corrupt"), "{}", refused.err);
    let repaired = calls(dir, &[&["repair", "db", "new"]]);
    assert!(
        repaired.starts_with("saved 1 records in `new`\nlost "),
        "{repaired}"
    );
    assert_eq!(calls(dir, &[&["get", "new", "b"]]), "2\n");
}

/// Lets `other` have no more rights to what is in `dir` than to read it.
fn protect(dir: &Path, may_write: bool) {
    let mode = |mode| Permissions::from_mode(mode);
    for entry in std::fs::read_dir(dir).unwrap() {
        let file = if may_write { 0o644 } else { 0o444 };
        std::fs::set_permissions(entry.unwrap().path(), mode(file)).unwrap();
    }
    let folder = if may_write { 0o755 } else { 0o555 };
    std::fs::set_permissions(dir, mode(folder)).unwrap();
}

/// With the system's own permissions, which root does not meet: it becomes somebody else.
#[test]
fn log_that_may_only_be_read_is_inspected_and_repaired() {
    const NOBODY: u32 = 65_534;
    let top = tempfile::tempdir().unwrap();
    let dir = top.path();
    calls(dir, &[&["put", "db", "a", "1"], &["put", "db", "b", "2"]]);
    let segment = dir.join("db/00000000000000000000.wal");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[80] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    // Built where nobody else may look, perhaps. Copied by another process: a child of another test, not
    // yet at its own program, would hold what this one has open for writing, and keep it from being run.
    let program = dir.join("program");
    let mut copy = Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_engine")).arg(&program);
    assert!(copy.status().unwrap().success());
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let out = dir.join("out");
    std::fs::create_dir(&out).unwrap();
    std::fs::set_permissions(&out, Permissions::from_mode(0o777)).unwrap();
    std::fs::set_permissions(dir, Permissions::from_mode(0o755)).unwrap();
    protect(&dir.join("db"), false);
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let reader = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.args(arguments).current_dir(dir);
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.output()
    };
    let refused = match reader(&["get", "db", "b"]) {
        Err(error) if is_root && error.kind() == ErrorKind::PermissionDenied => {
            println!("SKIPPED: nobody else may enter {}", dir.display());
            return;
        }
        output => output.unwrap(),
    };
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("ermission denied"), "{said}");
    let inspected = reader(&["inspect", "db"]).unwrap();
    assert_eq!(inspected.status.code(), Some(1), "{inspected:?}");
    let repaired = reader(&["repair", "db", "out/new"]).unwrap();
    assert_eq!(repaired.status.code(), Some(0), "{repaired:?}");
    let said = String::from_utf8(repaired.stdout).unwrap();
    assert!(said.starts_with("saved 1 records in `out/new`"), "{said}");
    let got = reader(&["get", "out/new", "b"]).unwrap();
    assert_eq!(got.stdout, b"2\n", "{got:?}");
    assert_eq!(std::fs::read(&segment).unwrap(), bytes, "it was changed");
    protect(&dir.join("db"), true);
}

#[test]
fn looking_creates_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let looks: [&[&str]; 6] = [
        &["get", "db", "k"],
        &["scan", "db"],
        &["stats", "db"],
        &["dump", "db"],
        &["inspect", "db"],
        &["checkpoint", "db"],
    ];
    for arguments in looks {
        let refused = call(dir.path(), arguments);
        assert_eq!(refused.code, 2, "{arguments:?}");
        assert_eq!(refused.err, "error: there is no directory `db`\n");
    }
    assert!(!dir.path().join("db").exists());
    calls(dir.path(), &[&["open", "db"]]);
    let refused = call(dir.path(), &["get", "db", "k", "--keyspace", "none"]);
    assert_eq!(refused.code, 2);
    assert_eq!(
        refused.err,
        "error: there is no keyspace `none`; there are `default`\n"
    );
    assert_eq!(call(dir.path(), &["unknown"]).code, 2);
}

#[test]
fn words_of_keys_and_values_are_searched_and_the_best_come_first() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let puts: [&[&str]; 3] = [
        &["put", "db", "run/1", "the tool call timed out"],
        &["put", "db", "run/2", "timed timed"],
        &["put", "db", "run/1", "a tool", "--keyspace", "other"],
    ];
    calls(dir, &puts);
    let keys = |arguments: &[&str]| {
        let done = call(dir, &[&["search", "db"], arguments].concat());
        let key = |line: &str| {
            let fields: Vec<_> = line.split('\t').collect();
            assert!(fields[0].parse::<f64>().unwrap() > 0.0, "{line}");
            format!("{} {}", fields[1], fields[2])
        };
        (done.code, done.out.lines().map(key).collect::<Vec<_>>())
    };
    let found = |hits: &[&str]| (0, hits.iter().map(|hit| (*hit).to_owned()).collect());
    assert_eq!(keys(&["timed"]), found(&["default run/2", "default run/1"]));
    assert_eq!(keys(&["\"tool call\""]), found(&["default run/1"]));
    assert_eq!(
        keys(&["tool", "--keyspace", "other"]),
        found(&["other run/1"])
    );
    assert_eq!(
        keys(&["key:run", "--prefix", "run/2"]),
        found(&["default run/2"])
    );
    assert_eq!(keys(&["call timed", "--any", "--limit", "1"]).1.len(), 1);
    assert_eq!(keys(&["nothing"]), (1, Vec::new()));
    for (arguments, reason) in [
        (&["search", "db", "\"open"][..], "byte 0 is not closed"),
        (&["search", "db", "!"], "has no word"),
        (
            &["search", "db", "a", "--keyspace", "b"],
            "there is no keyspace `b`",
        ),
        (
            &["search", "elsewhere", "a"],
            "there is no directory `elsewhere`",
        ),
    ] {
        let refused = call(dir, arguments);
        assert_eq!(
            (refused.code, refused.out.as_str()),
            (2, ""),
            "{arguments:?}"
        );
        assert!(refused.err.contains(reason), "{}", refused.err);
    }
}

#[test]
fn what_is_published_is_consumed_by_groups_and_others() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    calls(
        dir,
        &[
            &["topic", "create", "db", "teas", "--partitions", "2"],
            &[
                "publish",
                "db",
                "teas",
                "sencha",
                "--key",
                "green",
                "--header",
                "origin=uji",
            ],
            &["checkpoint", "db"],
        ],
    );
    let lines = call_with(
        dir,
        &["publish", "db", "teas", "--partition", "0"],
        "assam\nkeemun\n",
    );
    assert_eq!(
        (lines.code, lines.out.lines().count()),
        (0, 1),
        "{}",
        lines.err
    );
    let listed = calls(dir, &[&["topic", "list", "db"]]);
    assert!(
        listed.starts_with("teas: 2 partitions, 3 messages"),
        "{listed}"
    );
    let mut all: Vec<_> = calls(dir, &[&["consume", "db", "teas"]])
        .lines()
        .map(str::to_owned)
        .collect();
    all.sort();
    assert_eq!(all.len(), 3);
    assert!(
        all.iter().any(|line| line.ends_with("\tgreen\tsencha")),
        "{all:?}"
    );
    let from = calls(
        dir,
        &[&[
            "consume",
            "db",
            "teas",
            "--partition",
            "0",
            "--from",
            "latest",
        ]],
    );
    assert_eq!(from, "");
    let in_group = ["consume", "db", "teas", "--group", "cups", "--limit", "2"];
    assert_eq!(calls(dir, &[&in_group]).lines().count(), 2);
    assert_eq!(
        calls(dir, &[&["groups", "db"]]),
        "cups: 2 partitions, lag 1\n"
    );
    assert_eq!(calls(dir, &[&in_group]).lines().count(), 1);
    let lag = calls(dir, &[&["lag", "db", "cups"]]);
    assert!(lag.lines().all(|line| line.ends_with("\t0")), "{lag}");
    assert_eq!(call(dir, &["lag", "db", "pots"]).code, 1);
    let trims: [&[&str]; 3] = [
        &["topic", "change", "db", "teas", "--retain-messages", "1"],
        &["topic", "maintain", "db"],
        &["topic", "list", "db"],
    ];
    let listed = calls(dir, &trims);
    assert!(listed.starts_with("teas: 2 partitions, "), "{listed}");
    let unknown = call(dir, &["publish", "db", "pots", "x"]);
    assert_eq!(unknown.code, 2);
    assert!(
        unknown.err.contains("there is no topic `pots`"),
        "{}",
        unknown.err
    );
    let beyond = call(
        dir,
        &["consume", "db", "teas", "--partition", "0", "--from", "99"],
    );
    assert!(beyond.err.contains("out of range"), "{}", beyond.err);
    calls(dir, &[&["topic", "delete", "db", "teas"]]);
    assert_eq!(calls(dir, &[&["topic", "list", "db"]]), "");
}

#[test]
fn what_a_run_has_is_searched_and_printed_with_its_place() {
    use engine::run::{NewRun, NewSpan, Orphans, Runs};
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let none = call(dir, &["put", "db", "call", "a pair"]);
    assert_eq!(none.code, 0);
    assert_eq!(call(dir, &["search", "db", "call", "--runs"]).code, 1);
    let (engine, _) = engine::Engine::open(dir.join("db"), engine::Options::default()).unwrap();
    let (runs, _) = Runs::open(&engine, Orphans::Mark).unwrap();
    let run = runs.begin(&NewRun::named("call center")).unwrap();
    runs.append(run, "tool.call", b"timed\nout").unwrap();
    runs.set_cell(run, "state", b"call again").unwrap();
    let span = NewSpan::named("call page").attribute("tries", 17_i64);
    let span = runs.start_span(run, &span).unwrap();
    engine.close().unwrap();
    drop((engine, runs));
    let found = |arguments: &[&str]| {
        let done = call(dir, &[&["search", "db"], arguments].concat());
        let line = |line: &str| line.split_once('\t').unwrap().1.to_owned();
        let mut lines: Vec<_> = done.out.lines().map(line).collect();
        lines.sort();
        lines
    };
    let all = [
        "runs\trun R\tcall center ".to_owned(),
        "runs.cells\trun R, state\tstate call again".to_owned(),
        "runs.events\trun R, 0\ttool.call timed\\nout".to_owned(),
        format!("runs.spans\trun R, {span}\tcall page tries 17"),
    ];
    let all = all.map(|line| line.replace('R', &run.to_string()));
    assert_eq!(found(&["call", "--runs"]), all);
    assert_eq!(found(&["call", "--run", &run.to_string()]), all);
    assert_eq!(found(&["call", "--run", "99"]), [""; 0]);
    assert_eq!(found(&["attribute:17", "--runs"]), all[3..]);
    assert_eq!(found(&["call"]), ["default\tcall\ta pair"]);
}
