//! Baselines and policy: what is wrong with them is said, and none is ever lost.

use crate::sample::Sample;

/// Checks what a damaged baseline gets, and that it is left as it is.
fn refused(from: &str, to: &str, messages: &[&str]) {
    let sample = Sample::with_baselines();
    sample.edit(from, to);
    let before = std::fs::read(sample.steady()).unwrap();
    for verb in ["check", "update"] {
        let answer = sample.run(verb, "steady", &[]);
        answer
            .says(2, &["baselines/x86_64-linux-gnu/steady.json`", "fix: "])
            .says(2, messages);
    }
    assert_eq!(std::fs::read(sample.steady()).unwrap(), before);
}

#[test]
fn a_damaged_baseline_is_refused_and_left_alone() {
    refused(
        "\"format\": 2",
        "\"format\": 3",
        &["it has format 3", "newer"],
    );
    refused("\"format\": 2", "\"format\": 1 oops", &["line 2"]);
    refused("\"instructions\":", "\"instructions\":-", &["expected u64"]);
    refused(
        "\"instructions\":",
        "\"instructions\":99999999999999999",
        &["u64"],
    );
    refused(
        "\"data_reads\":",
        "\"heap_bytes\":9007199254740992,\"data_reads\":",
        &["has heap_bytes 9007199254740992, over the largest count"],
    );
    refused(
        "n1000\",",
        "n100\",",
        &["`steady/checksum/n100` appears twice"],
    );
    refused(
        "\"suite\": \"steady\"",
        "\"suite\": \"other\"",
        &["does not belong to suite `other`"],
    );
}

#[test]
fn a_baseline_cut_short_is_refused_and_left_alone() {
    let sample = Sample::with_baselines();
    let text = std::fs::read_to_string(sample.steady()).unwrap();
    std::fs::write(sample.steady(), &text[..text.len() / 2]).unwrap();
    sample
        .check("steady")
        .says(2, &["cannot read baseline", "(line ", "EOF while parsing"]);
    assert_eq!(
        std::fs::read_to_string(sample.steady()).unwrap(),
        text[..text.len() / 2]
    );
    std::fs::write(sample.steady(), "<<<<<<< ours\n").unwrap();
    sample.check("steady").says(
        2,
        &["(line 1, column 1: expected value)", "make update-baseline"],
    );
}

#[test]
fn a_benchmark_without_baseline_is_unlisted_and_update_lists_it() {
    let sample = Sample::new();
    sample.check("steady").says(
        5,
        &[
            "new steady/checksum/n100",
            "its baseline is not recorded yet",
            "icgate update",
        ],
    );
    sample
        .run("update", "steady", &[])
        .says(0, &["written ", "steady.json"]);
    sample
        .check("steady")
        .says(0, &["judged 3 of 3: 3 unchanged"]);
    sample
        .run("update", "steady", &[])
        .says(0, &["baselines are already up to date"]);
}

#[test]
fn a_bad_policy_is_refused_with_the_line() {
    let sample = Sample::with_baselines();
    let check = |policy: &str, messages: &[&str]| {
        sample
            .policy(policy)
            .check("steady")
            .says(2, messages)
            .says(2, &["policy.toml`", "fix: "]);
    };
    check(
        "format = 2\n[default]\nlimt = \"1%\"",
        &["unknown field `limt`", "line 3"],
    );
    check(
        "format = 2\n[default]\nlimit = \"1\"",
        &["`1` in `default.limit` is not a limit", "\"0.5%\""],
    );
    check("format = 2\n[default]\nlimit = \"101%\"", &["`101%`"]);
    check("format = 9", &["format 9"]);
    check("format = ", &["line 1"]);
}

#[test]
fn a_policy_for_what_was_not_measured_is_not_warned_of() {
    let sample = Sample::with_baselines();
    sample.policy("format = 2\n[[rule]]\nbenchmarks = \"gone/**\"\nlimit = \"2%\"");
    // Only a complete run can tell: a rule may be for what was not measured.
    let part = sample.check("steady");
    part.says(0, &["judged 3 of 3"]);
    assert!(!part.stdout.contains("matches no benchmark"), "{part:?}");
}

#[test]
fn a_regression_is_red_and_named_by_function_and_line() {
    let sample = Sample::with_baselines();
    // The baseline claims that the inlined helper cost a tenth: what is measured is worse.
    let text = std::fs::read_to_string(sample.steady()).unwrap();
    let row = text
        .lines()
        .find(|line| line.contains("\"name\":\"sample::mix\""))
        .unwrap();
    let count = |line: &str| -> u64 {
        let rest = line.split("\"instructions\":").nth(1).unwrap();
        rest.split([',', '}']).next().unwrap().parse().unwrap()
    };
    let id = "\"id\":\"steady/checksum/n100\"";
    let head = text.lines().find(|line| line.contains(id)).unwrap();
    let (total, cost) = (count(head), count(row));
    let less = cost / 10;
    sample.edit(row, &row.replace(&format!(":{cost}"), &format!(":{less}")));
    let claimed = total - (cost - less);
    sample.edit(
        head,
        &head.replacen(&format!(":{total}"), &format!(":{claimed}"), 1),
    );

    let check = sample.check("steady");
    check.says(
        1,
        &[
            "regressed steady/checksum/n100",
            "in sample::mix (inlined)",
            "at src/lib.rs:12",
        ],
    );
    check.says(
        1,
        &[
            "judged 3 of 3: 1 regressed, 2 unchanged",
            "icgate update --reason",
        ],
    );
    let refused = sample.run("update", "steady", &[]);
    refused.says(
        2,
        &[
            "`steady/checksum/n100` got worse by more than the limit",
            "--reason",
        ],
    );
    assert!(
        std::fs::read_to_string(sample.steady())
            .unwrap()
            .contains(&format!(":{claimed}"))
    );
    let accepted = sample.run(
        "update",
        "steady",
        &["--reason", "a \"better\" mix\nof bits"],
    );
    accepted.says(0, &["written "]);
    sample.check("steady").says(0, &["3 unchanged"]);
    let text = std::fs::read_to_string(sample.steady()).unwrap();
    assert!(
        text.contains(r#""reason":"a \"better\" mix\nof bits""#),
        "{text}"
    );
}

#[test]
fn an_improvement_must_be_recorded() {
    let sample = Sample::with_baselines();
    sample.edit("\"other\":0", "\"other\":100000");
    let text = std::fs::read_to_string(sample.steady()).unwrap();
    let rest = text.split("\"instructions\":").nth(1).unwrap();
    let total: u64 = rest.split(',').next().unwrap().parse().unwrap();
    sample.edit(
        &format!("\"instructions\":{total},"),
        &format!("\"instructions\":{},", total + 100_000),
    );
    sample.check("steady").says(
        5,
        &["improved ", "better by more than the limit: record it"],
    );
    sample.policy("format = 2\n[default]\nimprovement = \"notice\"");
    sample.check("steady").says(0, &["improved "]);
    sample
        .policy("format = 2")
        .run("update", "steady", &[])
        .says(0, &["written "]);
    sample.check("steady").says(0, &["3 unchanged"]);
}

#[test]
fn another_environment_is_not_comparable_and_named() {
    let sample = Sample::with_baselines();
    sample.edit("\"valgrind\": \"", "\"valgrind\": \"0.");
    let check = sample.check("steady");
    check.says(
        4,
        &[
            "not comparable: 3 of 3",
            "environment: valgrind: baselines `0.",
            "3 not comparable",
        ],
    );
    let part = sample.run("update", "steady", &["steady/copy/kib4"]);
    part.says(
        2,
        &[
            "the measurement environment has changed (valgrind)",
            "update all benchmarks at once",
        ],
    );
    sample.run("update", "steady", &[]).says(0, &["written "]);
    sample.check("steady").says(0, &["3 unchanged"]);
}

#[test]
fn a_run_of_a_part_is_judged_as_a_part() {
    let sample = Sample::with_baselines();
    let part = sample.run("check", "steady", &["steady/copy/kib4"]);
    part.says(0, &["judged 1 of 3: 1 unchanged"]);
}
