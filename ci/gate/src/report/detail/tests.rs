use super::*;
use crate::report::tests::sample_parts;

/// Sources whose line 42 is `the culprit`.
pub(crate) struct Sample;

impl Sources for Sample {
    fn lines(&mut self, file: &str, first: u32, last: u32) -> Vec<String> {
        assert_eq!(file, "engine/src/frame.rs");
        let text = |number| {
            if number == 42 {
                "the culprit".to_owned()
            } else {
                String::new()
            }
        };
        (first..=last.min(44)).map(text).collect()
    }
}

/// Details of the sample report.
pub(crate) fn sample(with_run: bool) -> (Report, Details) {
    let (report, run, baselines) = sample_parts();
    let mut before = run.clone();
    before.benchmarks[0].functions = baselines
        .accepted(&before.benchmarks[0].id)
        .unwrap()
        .functions
        .clone();
    before.benchmarks[0].lines[0].lines[0].instructions = 200_000;
    let base = Base {
        run: with_run.then_some(&before),
        baselines: &baselines,
        in_head: &|file, line| Some((file.to_owned(), line)),
    };
    let details = details(&report, &run, base, &mut Sample);
    (report, details)
}

#[test]
fn stacks_add_up_in_base_and_in_head() {
    for with_run in [false, true] {
        let (report, details) = sample(with_run);
        let row = &report.rows[0];
        let stacks = &details.benchmarks[&row.id].stacks;
        let base: u64 = stacks.iter().map(|it| it.base).sum();
        let head: u64 = stacks.iter().map(|it| it.head).sum();
        assert_eq!((Some(base), Some(head)), (row.base, row.head));
    }
}

#[test]
fn lines_are_a_level_only_where_base_s_run_is_at_hand() {
    let first = |with_run| {
        let (report, details) = sample(with_run);
        details.benchmarks[&report.rows[0].id].stacks[0].clone()
    };
    let function = ["engine/src/frame.rs", "engine::frame::encode"];
    assert_eq!(first(false).frames, function);
    assert_eq!((first(false).base, first(false).head), (200_000, 206_000));
    assert_eq!(first(true).frames, [function[0], function[1], "line 42"]);
    assert_eq!((first(true).base, first(true).head), (200_000, 206_000));
}

#[test]
fn what_did_not_move_has_its_split_and_no_more() {
    let (_, details) = sample(false);
    let detail = &details.benchmarks[&"frame/encode/kib1".parse().unwrap()];
    assert_eq!(detail.split.len(), 2);
    assert_eq!(detail.split[0].instructions, 700_000);
    assert!(detail.stacks.is_empty() && detail.excerpts.is_empty());
}

#[test]
fn a_culprit_s_source_has_counts_beside_its_lines() {
    let (report, details) = sample(true);
    let excerpts = &details.benchmarks[&report.rows[0].id].excerpts;
    assert_eq!(excerpts.len(), 1);
    let numbers: Vec<u32> = excerpts[0].lines.iter().map(|it| it.number).collect();
    assert_eq!(numbers, (36..=44).collect::<Vec<_>>());
    let line = excerpts[0].lines.iter().find(|it| it.number == 42).unwrap();
    assert_eq!(line.text, "the culprit");
    // Both functions of the sample have their cost on this line.
    assert_eq!((line.base, line.head), (Some(230_000), Some(236_000)));
}

#[test]
fn culprits_near_each_other_share_an_excerpt() {
    let (report, ..) = sample_parts();
    let at = |file: &str, line| Culprit {
        file: file.into(),
        line,
        ..report.rows[0].culprits[0].clone()
    };
    let shown = |culprits: &[Culprit]| -> Vec<_> {
        let spans = spans(culprits).into_iter();
        spans
            .map(|it| (it.file.to_owned(), it.first, it.last, it.culprits))
            .collect()
    };
    let near = [at("a", Some(20)), at("a", Some(33)), at("b", Some(20))];
    let (a, b) = ("a".to_owned(), "b".to_owned());
    assert_eq!(
        shown(&near),
        [(a.clone(), 14, 39, vec![20, 33]), (b, 14, 26, vec![20])]
    );
    assert_eq!(
        shown(&[at("a", Some(34)), at("a", Some(20)), at("a", None)]),
        [(a.clone(), 28, 40, vec![34]), (a.clone(), 14, 26, vec![20])]
    );
    assert_eq!(shown(&[at("a", Some(3))]), [(a, 1, 9, vec![3])]);
}

#[test]
fn a_line_of_base_counts_where_it_is_in_head() {
    let (report, run, baselines) = sample_parts();
    let place = |to: Option<u32>| {
        let base = Base {
            run: Some(&run),
            baselines: &baselines,
            in_head: &|file, _| Some((file.to_owned(), to?)),
        };
        let details = details(&report, &run, base, &mut Sample);
        details.benchmarks[&report.rows[0].id].clone()
    };
    let at_40 = place(Some(40));
    let line = |detail: &Detail, number| {
        let lines = &detail.excerpts[0].lines;
        lines.iter().find(|it| it.number == number).unwrap().clone()
    };
    assert_eq!(
        (line(&at_40, 40).base, line(&at_40, 40).head),
        (Some(236_000), None)
    );
    assert_eq!(
        (line(&at_40, 42).base, line(&at_40, 42).head),
        (None, Some(236_000))
    );
    let gone = place(None);
    assert_eq!(line(&gone, 42).base, None);
    assert!(gone.stacks.iter().any(|it| it.frames[2] == "lines of base"));
    assert_eq!(gone.stacks.iter().map(|it| it.base).sum::<u64>(), 236_000);
}
