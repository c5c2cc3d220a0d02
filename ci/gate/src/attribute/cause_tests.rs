//! What is named as a cause: settings before code, one place before many functions, nothing before a
//! wrong name.

use super::tests::{FILE, diff, measured, table, with_lines};
use super::*;
use crate::attribute::reach::BuildInputs;
use crate::attribute::settings::between;

/// The suite of the sample is linked with the package at `src`, whose benches are in `bench`.
fn inputs() -> BuildInputs {
    let mut inputs = BuildInputs::new("");
    inputs.link("a", "src");
    inputs.link("a", "bench");
    inputs.add_workload("bench");
    inputs
}

/// The culprits of a benchmark whose functions went from `base` to `head`.
fn named(
    base: &[(&str, u64, Option<u64>)],
    head: &Measurement,
    changed: &ChangedLines,
) -> Vec<Culprit> {
    let attribution = attribute(&table(base, 0), head, None);
    culprits(&attribution, head, None, changed, 3)
}

#[test]
fn a_setting_of_the_build_is_named_before_any_function() {
    let mut changed = diff("@@ -3 +3 @@\n-x\n+y\n");
    changed.set_settings(between(
        "Cargo.toml",
        "[profile.bench]\nopt-level = 3\n",
        "[profile.bench]\nopt-level = 1\n",
    ));
    let head = measured(table(&[("f", 2_000, Some(1))], 0));
    let culprits = named(&[("f", 1_000, Some(1))], &head, &changed);
    assert_eq!(culprits.len(), 1, "no function is blamed: {culprits:?}");
    let cause = &culprits[0];
    assert_eq!(
        (cause.origin, &*cause.file, cause.line),
        (Origin::Build, "Cargo.toml", Some(2))
    );
    assert_eq!(&*cause.name, "the build: profile.bench.opt-level 3 → 1");
    assert_eq!(cause.instructions, 1_000);
}

#[test]
fn a_dependency_is_named_if_its_package_moved_and_not_beside_code_that_did() {
    let settings = between(
        "Cargo.toml",
        "[dependencies]\nmemchr = \"2.7\"\n",
        "[dependencies]\nmemchr = \"2.8\"\n",
    );
    let mut changed = diff("@@ -3 +3 @@\n-x\n+y\n");
    changed.set_settings(settings);
    let base = [("f", 1_000, Some(1)), ("memchr::find", 1_000, Some(1))];
    let by = |f, memchr| {
        let functions = table(&[("f", f, Some(1)), ("memchr::find", memchr, Some(1))], 0);
        let head = with_lines(functions, &[("f", &[(3, f)])], &[]);
        named(&base, &head, &changed).remove(0)
    };
    let dependency = by(1_000, 3_000);
    assert_eq!(
        (dependency.origin, dependency.line),
        (Origin::Dependency, Some(2))
    );
    let code = by(3_000, 1_000);
    assert_eq!(
        (code.origin, &*code.name, code.line),
        (Origin::Code, "f", Some(3))
    );
}

#[test]
fn what_the_benchmark_asks_for_more_of_is_not_at_fault() {
    let text =
        "--- a/bench/b.rs\n+++ b/bench/b.rs\n@@ -1 +1 @@\n-const N: u8 = 1;\n+const N: u8 = 2;\n";
    let mut changed = ChangedLines::from_unified_diff(text);
    changed.read_source("bench/b.rs", "const N: u8 = 2;\n");
    changed.set_paths(["bench/b.rs".to_owned()], inputs());
    let head = measured(table(&[("f", 2_000, Some(20))], 0));
    let cause = named(&[("f", 1_000, Some(10))], &head, &changed).remove(0);
    assert_eq!(
        (cause.origin, &*cause.name),
        (Origin::Workload, "the workload")
    );
    assert_eq!((&*cause.file, cause.line), ("bench/b.rs", Some(1)));
}

#[test]
fn of_one_piece_nothing_has_to_be_found_out() {
    // `g` is changed, and what grows is `far`, which nothing connects with it.
    let mut changed = diff("@@ -14 +14 @@\n-x\n+y\n");
    let functions = || table(&[("far", 2_000, Some(1)), ("a::g", 10, Some(1))], 0);
    let base = [("far", 1_000, Some(1)), ("a::g", 10, Some(1))];
    changed.set_paths([FILE.to_owned()], inputs());
    let cause = named(&base, &measured(functions()), &changed).remove(0);
    assert_eq!(
        (&*cause.name, cause.line, cause.in_diff),
        ("a::g", Some(14), true)
    );
    assert_eq!(cause.origin, Origin::Code);

    // Of two pieces it could be either, and a guess is worse than none.
    let mut two = diff("@@ -14 +14 @@\n-x\n+y\n@@ -16 +16 @@\n-x\n+y\n");
    two.set_paths([FILE.to_owned()], inputs());
    let unknown = named(&base, &measured(functions()), &two).remove(0);
    assert_eq!((unknown.origin, unknown.in_diff), (Origin::Unknown, false));
}

#[test]
fn the_heaviest_place_comes_before_the_heaviest_function() {
    let base = [
        ("f", 1_000, Some(1)),
        ("g", 1_000, Some(1)),
        ("h", 1_000, Some(1)),
    ];
    let functions = table(
        &[
            ("f", 1_700, Some(1)),
            ("g", 1_500, Some(1)),
            ("h", 1_450, Some(1)),
        ],
        0,
    );
    // `h` is inlined code of the line that `g` has.
    let lines: &[(&str, &[(u32, u64)])] = &[
        ("f", &[(3, 1_700)]),
        ("g", &[(14, 1_500)]),
        ("h", &[(14, 1_450)]),
    ];
    let changed = diff("@@ -3 +3 @@\n-x\n+y\n@@ -14 +14 @@\n-x\n+y\n");
    let culprits = named(&base, &with_lines(functions, lines, &[]), &changed);
    let places: Vec<_> = culprits.iter().map(|it| (&*it.name, it.line)).collect();
    assert_eq!(places, [("g", Some(14)), ("g", Some(14)), ("f", Some(3))]);
}

#[test]
fn the_allocator_is_one_account_for_the_line_that_the_diff_touches() {
    let base = [
        ("f", 1_000, Some(1)),
        ("malloc", 100, Some(1)),
        ("free", 100, Some(1)),
    ];
    let functions = table(
        &[
            ("f", 1_000, Some(1)),
            ("malloc", 500, Some(5)),
            ("_int_free", 400, Some(5)),
            ("free", 150, Some(5)),
        ],
        0,
    );
    let sites = [("f", "malloc", 3, 500), ("g", "malloc", 14, 90)];
    let changed = diff("@@ -14 +14 @@\n-x\n+y\n");
    let culprits = named(&base, &with_lines(functions, &[], &sites), &changed);
    assert_eq!(culprits.len(), 1, "{culprits:?}");
    let cause = &culprits[0];
    assert_eq!(
        (&*cause.name, cause.caller.as_deref()),
        ("the allocator", Some("g"))
    );
    assert_eq!((cause.instructions, cause.line), (850, Some(14)));
    assert!(cause.names("_int_malloc", None) && !cause.names("f", None));
}

#[test]
fn trivial_parts_are_not_listed() {
    let base = [("f", 1_000, Some(1)), ("g", 1_000, Some(1))];
    let head = measured(table(&[("f", 9_000, Some(1)), ("g", 1_012, Some(1))], 0));
    let culprits = named(&base, &head, &ChangedLines::default());
    assert_eq!(culprits.len(), 1, "{culprits:?}");
    assert_eq!(
        culprits[0].origin,
        Origin::Code,
        "no change is known, so none is missed"
    );
}
