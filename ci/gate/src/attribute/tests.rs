use proptest::prelude::*;

use super::*;
use crate::attribute::reach::BuildInputs;
use crate::model::call_graph::tests::graph;
use crate::model::functions::LineCost;
use crate::model::metric::Metric;
use crate::model::run::FunctionLines;

pub(super) const FILE: &str = "src/f.rs";

fn row(name: &str, instructions: u64, calls: Option<u64>) -> FunctionCost {
    FunctionCost {
        metrics: crate::model::functions::FunctionMetrics::default(),
        name: name.into(),
        file: FILE.into(),
        instructions,
        calls,
        caller: None,
    }
}

pub(super) fn table(rows: &[(&str, u64, Option<u64>)], other: u64) -> FunctionTable {
    let rows = rows
        .iter()
        .map(|(name, count, calls)| row(name, *count, *calls))
        .collect();
    FunctionTable::new(rows, other)
}

pub(super) fn measured(functions: FunctionTable) -> Measurement {
    Measurement {
        metric_noise: std::collections::BTreeMap::new(),
        id: "a/b/c".parse().unwrap(),
        metrics: [(Metric::Instructions, functions.total().unwrap())].into(),
        functions,
        noise: 0,
        lines: Vec::new(),
        calls: CallGraph::default(),
    }
}

/// A measurement of functions with their lines, and who calls whom.
pub(super) fn with_lines(
    functions: FunctionTable,
    lines: &[(&str, &[(u32, u64)])],
    sites: &[(&str, &str, u32, u64)],
) -> Measurement {
    let of = |(name, lines): &(&str, &[(u32, u64)])| FunctionLines {
        name: (*name).into(),
        file: FILE.into(),
        lines: lines
            .iter()
            .map(|(line, instructions)| LineCost {
                file: FILE.into(),
                line: *line,
                instructions: *instructions,
            })
            .collect(),
    };
    Measurement {
        lines: lines.iter().map(of).collect(),
        calls: graph(FILE, sites),
        ..measured(functions)
    }
}

/// The functions, with `f` at lines 1 to 9, `g` at 11 to 19 and a constant at 21.
const SOURCE: &str = "\
#[inline]
fn f() {
    // 3
    // 4
    // 5
    // 6
    // 7
    // 8
}

#[inline]
fn g() {
    // 13
    // 14
    // 15
    // 16
    // 17
    // 18
}

const N: usize = 1;
";

pub(super) fn diff(hunks: &str) -> ChangedLines {
    let mut changed = ChangedLines::from_unified_diff(&format!("+++ b/{FILE}\n{hunks}"));
    changed.read_source(FILE, SOURCE);
    changed
}

/// The line of the first culprit, and whether the diff touches it.
fn first_line(
    base: &FunctionTable,
    head: &Measurement,
    base_run: Option<&Measurement>,
    hunks: &str,
) -> (Option<u32>, bool) {
    let attribution = attribute(base, head, base_run);
    let culprits = culprits(&attribution, head, base_run, &diff(hunks), 3);
    (culprits[0].line, culprits[0].in_diff)
}

#[test]
fn each_kind_of_change_is_told_apart() {
    let base = table(
        &[
            ("calls", 1_000, Some(10)),
            ("body", 1_000, Some(10)),
            ("inlined", 1_000, None),
            ("gone", 1_000, Some(1)),
            ("same", 1_000, Some(1)),
            ("outlined", 1_000, None),
            ("swallowed", 1_000, Some(8)),
        ],
        7,
    );
    let mut head = measured(table(
        &[
            ("calls", 1_500, Some(15)),
            ("body", 1_400, Some(10)),
            ("inlined", 1_300, None),
            ("same", 1_000, Some(1)),
            ("outlined", 1_250, Some(9)),
            ("swallowed", 1_100, None),
        ],
        0,
    ));
    let mut rows = head.functions.rows().to_vec();
    rows.push(FunctionCost {
        file: "src/elsewhere.rs".into(),
        ..row("new", 1_200, Some(1))
    });
    head.functions = FunctionTable::new(rows, 0);
    let attribution = attribute(&base, &head, None);
    let seen: Vec<_> = attribution
        .functions
        .iter()
        .map(|change| (change.name.as_str(), change.difference(), change.kind))
        .collect();
    assert_eq!(
        seen,
        [
            ("new", 1_200, Kind::Appeared),
            ("gone", -1_000, Kind::Vanished),
            ("calls", 500, Kind::Calls),
            ("body", 400, Kind::PerCall),
            ("inlined", 300, Kind::Inlined),
            ("outlined", 250, Kind::Moved),
            ("swallowed", 100, Kind::Moved),
        ]
    );
    let inlining: Vec<_> = attribution.functions[5..]
        .iter()
        .map(|it| it.inlining)
        .collect();
    assert_eq!(
        inlining,
        [Some(Inlining::Lost(9)), Some(Inlining::Gained(8))]
    );
    assert_eq!(attribution.other, -7);
}

#[test]
fn a_row_below_what_baselines_keep_is_small_and_not_gone() {
    let base = table(&[("big", 1_000_000, None), ("f", 1_010, None)], 0);
    let head = measured(table(&[("big", 1_000_000, None), ("f", 900, None)], 0));
    let attribution = attribute(&base, &head, None);
    assert_eq!(attribution.functions[0].kind, Kind::Inlined);
    assert_eq!(
        (attribution.functions[0].difference(), attribution.other),
        (-110, 0)
    );
}

#[test]
fn what_moves_between_neighbours_is_no_cause() {
    let base = table(
        &[
            ("f", 9_000, Some(10)),
            ("g", 1_000, Some(10)),
            ("h", 500, None),
        ],
        0,
    );
    let functions = table(
        &[
            ("f", 4_000, Some(10)),
            ("g", 6_000, Some(10)),
            ("h", 800, None),
        ],
        0,
    );
    let head = with_lines(functions.clone(), &[], &[("f", "g", 3, 6_000)]);
    let attribution = attribute(&base, &head, None);
    let seen: Vec<_> = attribution
        .functions
        .iter()
        .map(|it| (it.name.as_str(), it.moved, it.own(), it.kind))
        .collect();
    assert_eq!(
        seen,
        [
            ("f", -5_000, 0, Kind::Moved),
            ("g", 5_000, 0, Kind::Moved),
            ("h", 0, 300, Kind::Inlined),
        ]
    );
    assert_eq!(attribution.functions[1].moved_with.as_deref(), Some("f"));
    let culprits = culprits(&attribution, &head, None, &ChangedLines::default(), 3);
    let names: Vec<_> = culprits.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["h"]);

    // Strangers do not set each other off; base's calls make neighbours too.
    let strangers = attribute(&base, &measured(functions.clone()), None);
    assert!(strangers.functions.iter().all(|it| it.moved == 0));
    let known = attribute(&base, &measured(functions), Some(&head));
    assert_eq!(known.functions[0].kind, Kind::Moved);
}

#[test]
fn a_function_answers_for_the_calls_that_it_began_to_need() {
    let base = table(&[("f", 1_000, Some(1)), ("g", 5_000, None)], 0);
    let functions = table(&[("f", 5_000, Some(1)), ("g", 5_000, Some(1_000))], 0);
    let lines: [(&str, &[(u32, u64)]); 2] = [("f", &[(5, 5_000)]), ("g", &[(13, 5_000)])];
    let head = with_lines(functions, &lines, &[("f", "g", 5, 5_000)]);
    let attribution = attribute(&base, &head, None);
    let first = |hunks| {
        let culprits = culprits(&attribution, &head, None, &diff(hunks), 3);
        assert_eq!(culprits.len(), 1);
        let it = &culprits[0];
        (it.name.to_string(), it.instructions, it.line, it.kind)
    };
    let lost = "@@ -12 +11,0 @@\n-#[inline]\n";
    assert_eq!(first(lost), ("g".to_owned(), 4_000, Some(12), Kind::Moved));
    // Unless the caller was changed, too, or the function was not.
    let both = format!("@@ -5 +5 @@\n-x\n+y\n{lost}");
    assert_eq!(
        first(&both),
        ("f".to_owned(), 4_000, Some(5), Kind::PerCall)
    );
    assert_eq!(first(""), ("f".to_owned(), 4_000, Some(5), Kind::PerCall));
}

#[test]
fn more_work_is_not_moved() {
    let base = table(&[("f", 9_000, Some(10)), ("g", 1_000, Some(10))], 0);
    let functions = table(&[("f", 4_000, Some(10)), ("g", 6_000, Some(60))], 0);
    let head = with_lines(functions, &[], &[("f", "g", 3, 6_000)]);
    let kinds: Vec<_> = attribute(&base, &head, None)
        .functions
        .iter()
        .map(|it| it.kind)
        .collect();
    assert_eq!(kinds, [Kind::PerCall, Kind::Calls]);
}

#[test]
fn a_renamed_function_is_the_same_function() {
    let base = table(&[("a::old", 5_000, Some(10))], 0);
    let head = measured(table(&[("a::new", 5_200, Some(10))], 0));
    let attribution = attribute(&base, &head, None);
    let seen: Vec<_> = attribution
        .functions
        .iter()
        .map(|it| {
            (
                it.name.as_str(),
                it.own(),
                it.kind,
                it.moved_with.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("a::new", 200, Kind::Moved, Some("a::old")),
            ("a::old", 0, Kind::Moved, Some("a::new")),
        ]
    );
}

#[test]
fn a_culprit_points_at_the_most_expensive_line_that_the_diff_touches() {
    let base = table(&[("f", 1_000, None)], 0);
    let lines: &[(u32, u64)] = &[(5, 1_000), (7, 600), (8, 400)];
    let head = with_lines(table(&[("f", 2_000, None)], 0), &[("f", lines)], &[]);
    let at = |hunks| first_line(&base, &head, None, hunks);
    assert_eq!(at("@@ -6,0 +7,2 @@\n+x\n+x\n"), (Some(7), true));
    assert_eq!(at("@@ -7,0 +8 @@\n+x\n"), (Some(8), true));
    // What was removed touches its neighbours, but less than what was added.
    assert_eq!(at("@@ -8 +7,0 @@\n-x\n"), (Some(7), true));
    assert_eq!(
        at("@@ -5 +4,0 @@\n-x\n@@ -8,0 +8 @@\n+x\n"),
        (Some(8), true)
    );
    // A line that executes nothing itself.
    assert_eq!(
        at("@@ -3 +3 @@\n-let x = 1;\n+let x = 2;\n"),
        (Some(3), true)
    );
    // A lost attribute is the function's, though nothing executes there.
    assert_eq!(at("@@ -2 +1,0 @@\n-#[inline]\n"), (Some(2), true));
    // A comment explains nothing, nor does another function.
    assert_eq!(at("@@ -3 +3 @@\n-// a\n+// b\n"), (Some(5), false));
    assert_eq!(at("@@ -14 +14 @@\n-x\n+y\n"), (Some(5), false));
    // A constant may.
    assert_eq!(
        at("@@ -21 +21 @@\n-const N: usize = 2;\n+const N: usize = 1;\n"),
        (Some(21), true)
    );
    assert_eq!(at(""), (Some(5), false));
}

#[test]
fn callers_explain_what_the_function_does_not() {
    let sites = [
        ("f", "g", 5, 800),
        ("f", "g", 7, 900),
        ("top", "f", 30, 1_700),
    ];
    let lines: [(&str, &[(u32, u64)]); 2] = [("f", &[(3, 100)]), ("g", &[(13, 1_700)])];
    let at = |base_calls, hunks| {
        let base = table(&[("f", 100, Some(1)), ("g", 800, Some(base_calls))], 0);
        let functions = table(&[("f", 100, Some(1)), ("g", 1_700, Some(20))], 0);
        let head = with_lines(functions, &lines, &sites);
        first_line(&base, &head, None, hunks)
    };
    let call = "@@ -6,0 +7 @@\n+g();\n";
    assert_eq!(at(10, call), (Some(7), true));
    assert_eq!(at(20, call), (Some(7), true));
    // A loop around the call.
    assert_eq!(at(10, "@@ -4 +4 @@\n-for 1\n+for 2\n"), (Some(4), true));
    // Two calls further out.
    assert_eq!(at(10, "@@ -30 +30 @@\n-x\n+y\n"), (Some(30), true));
    // Both were changed: more calls come from the caller, more expensive ones from the function.
    let both = "@@ -6,0 +7 @@\n+g();\n@@ -13 +13 @@\n-x\n+y\n";
    assert_eq!(at(10, both), (Some(7), true));
    assert_eq!(at(20, both), (Some(13), true));
}

#[test]
fn with_base_s_lines_the_one_that_grew_is_found() {
    let base = table(&[("f", 1_400, None)], 0);
    let before = with_lines(base.clone(), &[("f", &[(4, 1_000), (5, 400)])], &[]);
    let functions = table(&[("f", 1_900, None)], 0);
    let head = with_lines(functions, &[("f", &[(5, 1_000), (6, 900)])], &[]);
    // A comment has moved all lines down by one.
    let comment = "@@ -2,0 +3 @@\n+// x\n";
    assert_eq!(first_line(&base, &head, None, comment), (Some(5), false));
    assert_eq!(
        first_line(&base, &head, Some(&before), comment),
        (Some(6), false)
    );
}

#[test]
fn what_vanished_is_looked_for_where_it_was_called() {
    let mut old = row("library", 5_000, Some(10));
    old.caller = Some("f".into());
    let base = FunctionTable::new(vec![row("f", 1_000, Some(1)), old], 0);
    let lines: &[(u32, u64)] = &[(3, 600), (6, 400)];
    let head = with_lines(table(&[("f", 1_000, Some(1))], 0), &[("f", lines)], &[]);
    let removed = "@@ -6 +5,0 @@\n-library();\n";
    assert_eq!(first_line(&base, &head, None, removed), (Some(6), true));
    assert_eq!(first_line(&base, &head, None, ""), (Some(3), false));
}

#[test]
fn how_far_a_diff_reaches() {
    let lines: &[(u32, u64)] = &[(3, 600)];
    let head = with_lines(table(&[("f", 600, None)], 0), &[("f", lines)], &[]);
    let mut inputs = BuildInputs::new("");
    inputs.link("a", "src");
    inputs.add_package("docs");
    let of = |hunks: &str, paths: &[&str]| {
        let mut changed = diff(hunks);
        changed.set_paths(paths.iter().map(|it| (*it).to_owned()), inputs.clone());
        reach(&head, &changed)
    };
    assert_eq!(of("@@ -3 +3 @@\n-x\n+y\n", &[FILE]), Some(Reach::Touched));
    assert_eq!(of("@@ -5 +5 @@\n-x\n+y\n", &[FILE]), Some(Reach::Touched));
    assert_eq!(
        of("@@ -13 +13 @@\n-x\n+y\n", &[FILE]),
        Some(Reach::Reachable)
    );
    assert_eq!(of("", &["src/data.bin"]), Some(Reach::Reachable));
    assert_eq!(of("", &["Cargo.lock"]), Some(Reach::Reachable));
    assert_eq!(
        of("@@ -3 +3 @@\n-// x\n+// y\n", &[FILE]),
        Some(Reach::Unreachable)
    );
    assert_eq!(of("", &["docs/a.md"]), Some(Reach::Unreachable));
    assert_eq!(reach(&head, &diff("@@ -3 +3 @@\n-x\n+y\n")), None);
}

fn any_table() -> impl Strategy<Value = FunctionTable> {
    let name = prop::sample::select(vec!["a", "b", "c", "d", "e", "f", "g"]);
    let rows =
        prop::collection::btree_map(name, (0..1_000_000_u64, prop::option::of(0..9_u64)), 0..7);
    (rows, 0..1_000_u64).prop_map(|(rows, other)| {
        let rows = rows
            .into_iter()
            .map(|(name, (count, calls))| row(name, count, calls));
        FunctionTable::new(rows.collect(), other)
    })
}

fn any_calls() -> impl Strategy<Value = Vec<(&'static str, &'static str, u32, u64)>> {
    let name = || prop::sample::select(vec!["a", "b", "c", "d", "e", "f", "g"]);
    prop::collection::vec((name(), name(), 1..30_u32, 1..1_000_u64), 0..9)
}

proptest! {
    #[test]
    fn the_differences_add_up_to_the_change(
        base in any_table(),
        head in any_table(),
        calls in any_calls(),
    ) {
        let base = base.condensed();
        let change = i128::from(head.total().unwrap()) - i128::from(base.total().unwrap());
        let head = with_lines(head, &[], &calls);
        let attribution = attribute(&base, &head, None);
        prop_assert_eq!(attribution.change(), change);
        // What moved adds up to nothing, and never turns a gain into a saving.
        prop_assert_eq!(attribution.functions.iter().map(|it| it.moved).sum::<i128>(), 0);
        for it in &attribution.functions {
            prop_assert!(it.own().signum() * it.difference().signum() >= 0);
            prop_assert!(it.own().abs() <= it.difference().abs());
            prop_assert_eq!(it.moved != 0, it.moved_with.is_some());
        }
    }

    #[test]
    fn no_line_outside_of_the_diff_is_named_while_one_inside_is_known(
        base in any_table(),
        head in any_table(),
        calls in any_calls(),
        line in 1..30_u32,
    ) {
        let head = with_lines(head, &[("a", &[(3, 5), (4, 7)])], &calls);
        let attribution = attribute(&base.condensed(), &head, None);
        let changed = diff(&format!("@@ -{line} +{line} @@\n-x\n+y\n"));
        for culprit in culprits(&attribution, &head, None, &changed, 9) {
            let is_in = culprit.line.is_some_and(|line| changed.contains(FILE, line));
            prop_assert_eq!(is_in, culprit.in_diff);
            let leads = head.lines_of(&culprit.name, FILE).iter().map(|it| it.line);
            let sites = head.calls.callers(&culprit.name, FILE);
            let sites = sites.filter_map(|it| Some(it.site.line.as_ref()?.1));
            if leads.chain(sites).any(|lead| changed.contains(FILE, lead)) {
                prop_assert!(culprit.in_diff);
            }
        }
    }
}
