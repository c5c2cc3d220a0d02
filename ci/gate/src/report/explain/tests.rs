use super::*;
use crate::model::call_graph::tests::graph;
use crate::model::metric::Metric;
use crate::model::run::FunctionLines;

const FILE: &str = "engine/src/frame.rs";

const SOURCE: &str = "\
/// Encodes.
pub fn encode(payload: &[u8], out: &mut Vec<u8>) {
    let head = head(payload.len());
    out.extend_from_slice(&head);
    let copy = payload.to_vec();
    out.extend_from_slice(&copy);
    out.extend_from_slice(&checksum(payload).to_le_bytes());
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = 0;
    for byte in bytes { sum = step(sum, *byte) } // a line that is rather long, so long that it has to end before its end
    sum
}
";

/// A benchmark that clones what it only encoded.
pub(crate) struct Sample {
    base: Measurement,
    head: Measurement,
    changed: ChangedLines,
}

fn measurement(
    rows: &[(&str, u64, Option<u64>, Option<&str>)],
    lines: &[(&str, u32, u64)],
) -> Measurement {
    let rows = rows
        .iter()
        .map(|(name, instructions, calls, caller)| FunctionCost {
            name: (*name).into(),
            file: FILE.into(),
            instructions: *instructions,
            calls: *calls,
            caller: caller.map(Interned::from),
            metrics: crate::model::functions::FunctionMetrics::default(),
        });
    let functions = FunctionTable::new(rows.collect(), 0);
    let names: std::collections::BTreeSet<&str> = lines.iter().map(|(name, ..)| *name).collect();
    let of = |name: &str| FunctionLines {
        name: name.into(),
        file: FILE.into(),
        lines: lines
            .iter()
            .filter(|(it, ..)| *it == name)
            .map(|(_, line, instructions)| LineCost {
                file: FILE.into(),
                line: *line,
                instructions: *instructions,
            })
            .collect(),
    };
    Measurement {
        metric_noise: BTreeMap::new(),
        id: "frame/encode/b64".parse().unwrap(),
        metrics: [(Metric::Instructions, functions.total().unwrap())].into(),
        functions,
        noise: 0,
        lines: names.into_iter().map(of).collect(),
        calls: graph(
            FILE,
            &[
                ("benches::encode", "engine::frame::encode", 3, 300_000),
                (
                    "engine::frame::encode",
                    "engine::frame::checksum",
                    7,
                    100_000,
                ),
                ("engine::frame::encode", "malloc", 5, 60_000),
            ],
        ),
    }
}

impl Sample {
    pub(crate) fn new() -> Self {
        let base = measurement(
            &[
                ("engine::frame::encode", 120_000, Some(1_000), None),
                ("engine::frame::checksum", 100_000, None, None),
                ("benches::encode", 9_000, Some(1), None),
                ("engine::frame::trace", 1_000, Some(10), None),
            ],
            &[
                ("engine::frame::encode", 3, 20_000),
                ("engine::frame::encode", 4, 100_000),
                ("engine::frame::checksum", 9, 100_000),
            ],
        );
        let head = measurement(
            &[
                ("engine::frame::encode", 140_000, Some(1_000), None),
                ("engine::frame::checksum", 100_000, None, None),
                ("malloc", 60_000, Some(1_000), Some("engine::frame::encode")),
                ("benches::encode", 9_000, Some(1), None),
                ("start", 10, None, None),
            ],
            &[
                ("engine::frame::encode", 3, 20_000),
                ("engine::frame::encode", 4, 100_000),
                ("engine::frame::encode", 5, 10_000),
                ("engine::frame::encode", 6, 10_000),
                ("engine::frame::checksum", 12, 100_000),
                ("malloc", 5, 60_000),
            ],
        );
        let diff = format!("+++ b/{FILE}\n@@ -5,0 +5,2 @@\n+let\n+out\n");
        let mut changed = ChangedLines::from_unified_diff(&diff);
        changed.read_source(FILE, SOURCE);
        Self {
            base,
            head,
            changed,
        }
    }

    /// What committed baselines tell.
    pub(crate) fn known(&self) -> Known<'_> {
        Known {
            head: &self.head,
            base: Some((
                &self.base.functions,
                "1a2b3c4 (where this branch left `main`)",
            )),
            base_run: None,
            changed: &self.changed,
            asked: None,
            source: &|file| (file == FILE).then(|| SOURCE.to_owned()),
        }
    }

    /// What base's own run tells besides.
    pub(crate) fn with_base_run(&self) -> Known<'_> {
        Known {
            base_run: Some(&self.base),
            ..self.known()
        }
    }

    /// Calls the most expensive function something else.
    pub(crate) fn rename(&mut self, name: &str) {
        let mut rows = self.head.functions.rows().to_vec();
        let old = rows[0].name.clone();
        rows[0].name = name.into();
        self.head.functions = FunctionTable::new(rows, 0);
        for lines in self.head.lines.iter_mut().filter(|it| it.name == old) {
            lines.name = name.into();
        }
        self.head.calls = graph(
            FILE,
            &[(name, name, 3, 5), ("benches::encode", name, 3, 300_000)],
        );
    }
}

#[test]
fn all_functions_and_what_left_them_add_up_to_the_change() {
    let sample = Sample::new();
    let explanation = explain(sample.known());
    let sum: i128 = explanation.functions.iter().map(Function::difference).sum();
    let (base, _) = explanation.base.unwrap();
    assert_eq!(
        sum + explanation.other,
        i128::from(explanation.instructions) - i128::from(base)
    );
    let gone = explanation.functions.last().unwrap();
    assert_eq!(gone.cost.name, "engine::frame::trace");
    assert_eq!((gone.cost.instructions, gone.difference()), (0, -1_000));
}

#[test]
fn culprits_are_looked_at_closely() {
    let sample = Sample::new();
    let names = |known: Known<'_>| -> Vec<String> {
        let explanation = explain(known);
        let names = explanation.closely.iter();
        names.map(|it| it.function.cost.name.to_string()).collect()
    };
    assert_eq!(names(sample.known()), ["engine::frame::encode", "malloc"]);
    let mut alone = sample.known();
    alone.base = None;
    assert_eq!(
        names(alone),
        [
            "engine::frame::encode",
            "engine::frame::checksum",
            "benches::encode"
        ]
    );
    let mut asked = sample.known();
    asked.asked = Some("check");
    assert_eq!(names(asked), ["engine::frame::checksum"]);
}

#[test]
fn lines_tell_what_they_gained_where_base_s_are_known() {
    let sample = Sample::new();
    let changes = |known: Known<'_>| -> Vec<(u32, Option<i128>, bool)> {
        let explanation = explain(known);
        let lines = explanation.closely[0].lines.iter();
        let counted = lines.filter(|line| line.instructions.is_some());
        counted
            .map(|line| (line.line, line.change, line.in_diff))
            .collect()
    };
    assert_eq!(
        changes(sample.with_base_run()),
        [
            (3, Some(0), false),
            (4, Some(0), false),
            (5, Some(10_000), true),
            (6, Some(10_000), true),
        ]
    );
    assert!(
        changes(sample.known())
            .iter()
            .all(|(_, change, _)| change.is_none())
    );
}

#[test]
fn names_that_somebody_may_have_meant() {
    let known = [
        "kv/get/hit",
        "kv/get/miss",
        "wal/append/b64",
        "frame/scan/b64",
    ];
    let near = |asked| nearest(asked, known.into_iter());
    assert_eq!(near("kv/get/hits"), ["kv/get/hit", "kv/get/miss"]);
    assert_eq!(near("append"), ["wal/append/b64"]);
    assert_eq!(near("b64"), ["frame/scan/b64", "wal/append/b64"]);
    assert_eq!(near("xyzzy"), [""; 0]);
    assert_eq!(near(""), [""; 0]);
}
