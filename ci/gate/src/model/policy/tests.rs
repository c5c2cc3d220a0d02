use super::*;

fn id(id: &str) -> BenchId {
    id.parse().unwrap()
}

fn read(text: &str) -> Result<Policy, PolicyError> {
    Policy::from_toml("baselines/policy.toml", text)
}

#[test]
fn the_default_is_one_percent_of_instructions() {
    let policy = read("format = 2").unwrap();
    let limit = policy.limit(&id("a/b/c"), Metric::Instructions).unwrap();
    assert_eq!(
        (limit.share, limit.min_change),
        (PartsPerMillion(10_000), 5)
    );
    assert_eq!(policy.limit(&id("a/b/c"), Metric::I1Misses), None);
    assert_eq!(policy.improvement(), OnImprovement::Fail);
}

#[test]
fn the_last_rule_that_matches_counts() {
    let policy = read(
        r#"
        format = 2
        [default]
        min_change = 7
        improvement = "notice"
        [[rule]]
        benchmarks = "kv/**"
        limit = "3%"
        [[rule]]
        benchmarks = "kv/get/*"
        limit = "0.5 %"
        min_change = 0
        [[rule]]
        benchmarks = "gone/**"
        metric = "i1_misses"
        [[rule]]
        benchmarks = "kv/**"
        metric = "heap_bytes"
        limit = "off"
        [[rule]]
        benchmarks = "kv/**"
        metric = "d1_read_misses"
        limit = "2%"
        "#,
    )
    .unwrap();
    let limit = |name: &str| policy.limit(&id(name), Metric::Instructions).unwrap();
    assert_eq!(limit("wal/a/b").share, PartsPerMillion(10_000));
    assert_eq!(
        limit("kv/put/b"),
        Limit {
            share: PartsPerMillion(30_000),
            min_change: 7
        }
    );
    assert_eq!(
        limit("kv/get/b"),
        Limit {
            share: PartsPerMillion(5_000),
            min_change: 0
        }
    );
    let of = |name: &str, metric| policy.limit(&id(name), metric);
    assert_eq!(of("gone/a/b", Metric::I1Misses).unwrap().min_change, 7);
    assert_eq!(of("kv/get/b", Metric::I1Misses), None);
    assert_eq!(of("kv/get/b", Metric::HeapBytes), None);
    assert_eq!(
        of("wal/a/b", Metric::HeapBytes).unwrap().share,
        PartsPerMillion(0)
    );
    // What a rule leaves open is the metric's own, not that of instructions.
    let own = Policy::default_limit(Metric::D1ReadMisses).unwrap();
    let share = PartsPerMillion(20_000);
    assert_eq!(
        of("kv/get/b", Metric::D1ReadMisses),
        Some(Limit { share, ..own })
    );
    assert_eq!(policy.improvement(), OnImprovement::Notice);
    assert_eq!(policy.unmatched(&[&id("kv/get/b")]), ["gone/**"]);
}

#[test]
fn drift_is_judged_only_where_policy_says_so() {
    assert_eq!(read("format = 2").unwrap().drift(), None);
    let policy = read("format = 2\n[drift]\nlimit = \"5%\"").unwrap();
    let limit = Limit {
        share: PartsPerMillion(50_000),
        min_change: 5,
    };
    assert_eq!(policy.drift(), Some(limit));
    let bad = read("format = 2\n[drift]\nlimit = \"5\"").unwrap_err();
    assert!(bad.to_string().contains("`5` in `drift.limit`"), "{bad}");
    assert!(read("format = 2\n[drift]").is_err());
}

#[test]
fn a_change_that_equals_the_limit_passes() {
    let limit = Limit {
        share: PartsPerMillion(10_000),
        min_change: 50,
    };
    let cases = [
        (10_000, 10_000, false),
        (10_000, 10_100, false),
        (10_000, 10_101, true),
        (10_000, 9_900, false),
        (10_000, 9_899, true),
        (1_000, 1_050, false),
        (1_000, 1_051, true),
        (0, 50, false),
        (0, 51, true),
        (51, 0, true),
        (0, 0, false),
        (u64::MAX, u64::MAX, false),
        (u64::MAX, 0, true),
    ];
    for (base, head, exceeded) in cases {
        assert_eq!(limit.is_exceeded(base, head), exceeded, "{base} → {head}");
    }
}

#[test]
fn shares_are_read_and_written_exactly() {
    for (text, parts, written) in [
        ("1%", 10_000, "1 %"),
        ("0.25 %", 2_500, "0.25 %"),
        (" 100% ", MILLION, "100 %"),
        ("0%", 0, "0 %"),
        ("0.0001%", 1, "0.0001 %"),
    ] {
        let share = parse_share(text).unwrap();
        assert_eq!(share, PartsPerMillion(parts), "{text}");
        assert_eq!(share.to_string(), written);
    }
    for text in [
        "1",
        "",
        "%",
        "-1%",
        "1e2%",
        "100.0001%",
        "0.00001%",
        "1.%",
        ".5%",
        "９%",
    ] {
        assert_eq!(parse_share(text), None, "{text}");
    }
}

#[test]
fn a_bad_policy_is_refused_with_the_place() {
    let refused = |text: &str| read(text).unwrap_err();
    let unknown = refused("format = 2\n[default]\nlimits = \"1%\"").to_string();
    assert!(
        unknown.contains("line 3") && unknown.contains("limits"),
        "{unknown}"
    );
    let limit = refused("format = 2\n[[rule]]\nbenchmarks = \"a/**\"\nlimit = \"1\"");
    assert_eq!(
        limit.to_string(),
        "policy `baselines/policy.toml`: `1` in `rule 1` is not a limit"
    );
    assert!(fix(&limit).contains("\"0.5%\""));
    assert!(matches!(
        refused("format = 3\n[default]\nlike = \"nothing known\""),
        PolicyError::Format { format: 3, .. }
    ));
    let former = refused("format = 1\n[default]\nfloor = 50");
    assert!(fix(&former).contains("icgate migrate"), "{}", fix(&former));
    let glob = refused("format = 2\n[[rule]]\nbenchmarks = \"a/[\"");
    assert!(
        glob.to_string().contains("`rule 1` has a bad pattern"),
        "{glob}"
    );
    assert!(matches!(refused(""), PolicyError::Shape { .. }));
    assert!(matches!(
        refused("format = 2\n[[rule]]\nlimit = \"1%\""),
        PolicyError::Shape { .. }
    ));
}

fn fix(error: &dyn miette::Diagnostic) -> String {
    error.help().map(|it| it.to_string()).unwrap_or_default()
}
