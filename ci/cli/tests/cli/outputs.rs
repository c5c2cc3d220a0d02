//! What is written and printed.

use crate::sample::{Answer, Sample, icgate, manifest};

/// A directory of the kernel's, which not even root can write to.
const UNWRITABLE: &str = "/proc/icgate";

/// Runs icgate on bench target `steady`, and expects that it sees at once where it cannot write.
fn refused(verb: &str, options: [(&str, &std::path::Path); 2]) {
    let mut command = icgate();
    command.args([verb, "--bench", "steady"]);
    command.arg("--manifest-path").arg(manifest());
    for (option, path) in options {
        command.arg(option).arg(path);
    }
    let answer = Answer::of(command.output().unwrap());
    let messages = [
        "icgate: cannot write `/proc/icgate",
        "fix: make it writable",
    ];
    answer.says(2, &messages);
    assert!(!answer.stderr.contains("measured"), "{answer:?}");
}

#[test]
fn what_cannot_be_written_is_said_before_anything_is_measured() {
    let sample = Sample::with_baselines();
    let (out, baselines) = (sample.path().join("out"), sample.baselines());
    refused(
        "check",
        [
            ("--output", UNWRITABLE.as_ref()),
            ("--baselines", &baselines),
        ],
    );
    refused(
        "update",
        [("--output", &out), ("--baselines", UNWRITABLE.as_ref())],
    );
}

#[test]
fn each_format_shows_the_same_verdict() {
    let sample = Sample::with_baselines();
    sample
        .check("steady")
        .says(0, &["icgate: pass: 3 benchmarks judged"]);
    let run = sample.path().join("out/run.json");
    let show = |format: &str, summary: Option<&std::path::Path>| {
        let mut command = icgate();
        command.arg("compare").arg(&run).args(["--format", format]);
        command
            .arg("--manifest-path")
            .arg(manifest())
            .arg("--baselines")
            .arg(sample.baselines());
        command.arg("--output").arg(sample.path().join("out"));
        if let Some(summary) = summary {
            command.env("GITHUB_STEP_SUMMARY", summary);
        }
        let answer = Answer::of(command.output().unwrap());
        assert_eq!(answer.code, 0, "{answer:?}");
        answer.stdout
    };
    assert!(show("text", None).contains("\n\nicgate: pass"));
    let markdown = show("markdown", None);
    assert!(markdown.starts_with("### ✅ icgate: pass"), "{markdown}");
    let json: serde_json::Value = serde_json::from_str(&show("json", None)).unwrap();
    assert_eq!(json["outcome"], "pass");
    assert_eq!(json["rows"].as_array().unwrap().len(), 3);
    let summary = sample.path().join("summary.md");
    std::fs::write(&summary, "before\n").unwrap();
    let github = show("github", Some(&summary));
    assert!(github.contains("::notice title=icgate::pass"), "{github}");
    assert_eq!(
        std::fs::read_to_string(&summary).unwrap(),
        format!("before\n{markdown}")
    );
    assert_eq!(
        std::fs::read_to_string(sample.path().join("out/report.md")).unwrap(),
        markdown
    );
}

#[test]
fn a_stored_run_that_is_no_run_is_refused() {
    let sample = Sample::new();
    let run = sample.path().join("run.json");
    let compare = |text: &str| {
        std::fs::write(&run, text).unwrap();
        let mut command = icgate();
        command
            .arg("compare")
            .arg(&run)
            .arg("--manifest-path")
            .arg(manifest());
        Answer::of(command.output().unwrap())
    };
    compare("{}").says(
        2,
        &[
            "cannot read run",
            "missing field `format`",
            "icgate measure",
        ],
    );
    compare("{\"format\": 99}").says(2, &["it has format 99"]);
    std::fs::remove_file(&run).unwrap();
    let mut missing = icgate();
    missing
        .arg("compare")
        .arg(&run)
        .arg("--manifest-path")
        .arg(manifest());
    Answer::of(missing.output().unwrap()).says(2, &["there is no run at `", "run.json`"]);
}

#[test]
fn list_names_every_benchmark_without_running_it() {
    let listed = Sample::new().run("list", "panics", &[]);
    listed.says(0, &[]);
    assert_eq!(listed.stdout, "panics/divide/bad\npanics/divide/fine\n");
    let listed = Sample::new().run("list", "steady", &["**/n1000"]);
    assert_eq!(listed.stdout, "steady/checksum/n1000\n");
}

#[test]
fn the_harness_reports_what_was_measured_in_the_environment() {
    let sample = Sample::new();
    let counts = sample.run("measure", "steady", &["--jobs", "1"]);
    let count = counts
        .stdout
        .lines()
        .next()
        .unwrap()
        .rsplit(' ')
        .next()
        .unwrap()
        .to_owned();
    let replayed = sample.run("measure", "steady", &["--harness-output"]);
    replayed.says(
        0,
        &[
            "steady::steady::checksum n100",
            "Instructions:",
            "steady::steady::copy kib4",
        ],
    );
    let lines: Vec<&str> = replayed.stdout.lines().collect();
    let at = lines
        .iter()
        .position(|line| line.contains("checksum n100"))
        .unwrap();
    assert!(
        lines[at + 1].contains(&count),
        "{count} in {}",
        replayed.stdout
    );
    assert!(!replayed.stdout.contains("inf"), "{}", replayed.stdout);
}
#[test]
fn functions_callers_and_lines_are_shown() {
    let sample = Sample::with_baselines();
    let explained = sample.run("explain", "steady", &["steady/checksum/n1000"]);
    explained.says(
        0,
        &[
            "steady/checksum/n1000: ",
            "as many as in the baselines",
            "  sample::mix\n",
            "called by  sample::checksum",
            "src/lib.rs\n",
            "│     (sum.rotate_left(5) ^ u32::from(byte))",
        ],
    );
    let widest = explained
        .stdout
        .lines()
        .map(|line| line.chars().count())
        .max();
    assert!(widest <= Some(80), "{explained:#?}");
    assert!(!explained.stdout.contains('\x1b'));

    let mut forced = sample.command("explain", "steady");
    forced
        .arg("steady/checksum/n1000")
        .env("CLICOLOR_FORCE", "1");
    let coloured = String::from_utf8(forced.output().unwrap().stdout).unwrap();
    assert!(
        coloured.contains("\x1b[1msteady/checksum/n1000"),
        "{coloured}"
    );
    let plain = String::from_utf8(forced.env("NO_COLOR", "1").output().unwrap().stdout).unwrap();
    assert_eq!(plain, explained.stdout);
}

#[test]
fn a_stored_run_needs_no_measuring() {
    let sample = Sample::with_baselines();
    sample.check("steady").says(0, &["3 unchanged"]);
    let run = sample.path().join("out/run.json");
    let explain = |id: &str| {
        let mut command = sample.command("explain", "steady");
        command
            .arg(id)
            .arg("--run")
            .arg(&run)
            .args(["--format", "json"]);
        // Nothing that measuring needs.
        Answer::of(command.output().unwrap())
    };
    let explained = explain("steady/checksum/n100");
    explained.says(0, &["\"id\": \"steady/checksum/n100\"", "\"callers\": ["]);
    assert!(!explained.stderr.contains("measured"), "{explained:#?}");
    explain("steady/checksum/n1001").says(
        2,
        &[
            "there is no benchmark `steady/checksum/n1001`",
            "fix: give one id, such as `steady/checksum/n100`",
            "or `steady/checksum/n1000`",
            "all of them: icgate list",
        ],
    );
}

#[test]
fn a_function_that_is_not_there_is_named_with_some_that_are() {
    let sample = Sample::with_baselines();
    let arguments = ["steady/checksum/n100", "--function", "no_such_function"];
    sample.run("explain", "steady", &arguments).says(
        2,
        &[
            "no function of `steady/checksum/n100` has `no_such_function` in its name",
            "fix: give a part of one of its functions' names: ",
            "checksum",
        ],
    );
}

#[test]
fn an_id_that_is_nobody_s_is_refused_with_near_ones() {
    let sample = Sample::with_baselines();
    let near = sample.run("explain", "steady", &["checksum/n1000"]);
    near.says(2, &["there is no benchmark", "`steady/checksum/n1000`"]);
    let far = sample.run("explain", "steady", &["x/y/z"]);
    far.says(2, &["there is no benchmark `x/y/z`", "fix: icgate list"]);
    let odd = icgate().arg("explain").output().unwrap();
    assert_eq!(odd.status.code(), Some(2));
}
