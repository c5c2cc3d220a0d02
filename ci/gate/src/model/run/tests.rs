use super::*;
use crate::model::environment::tests::environment;

fn run() -> Run {
    let functions = serde_json::from_str(
        r#"{"rows":[{"name":"f","file":"src/lib.rs","instructions":10}],"other":0}"#,
    )
    .unwrap();
    Run::whole(
        environment(),
        vec![Measurement {
            calls: CallGraph::default(),
            id: "a/b/c".parse().unwrap(),
            metrics: [(Metric::Instructions, 10)].into(),
            functions,
            lines: vec![],
            noise: 0,
            metric_noise: std::collections::BTreeMap::new(),
        }],
    )
}

/// Both ways of reading agree.
fn reread(run: &Run) -> Result<Run, RunError> {
    let text = run.to_json();
    let reread = Run::from_json("run.json", &text);
    assert_eq!(
        Run::from_lines(text.as_bytes()).as_ref(),
        reread.as_ref().ok()
    );
    reread
}

#[test]
fn one_benchmark_a_line() {
    let mut two = run();
    two.benchmarks.push(two.benchmarks[0].clone());
    two.benchmarks[1].id = "a/b/d".parse().unwrap();
    let none = Run {
        benchmarks: vec![],
        ..run()
    };
    for (run, lines) in [(none, 2), (run(), 3), (two, 4)] {
        let text = run.to_json();
        assert_eq!(text.lines().count(), lines, "{text}");
        assert_eq!(reread(&run).unwrap(), run);
    }
}

#[test]
fn what_is_not_written_in_lines_is_left_to_the_other_reader() {
    let text = run().to_json();
    let in_one_line = text.replace('\n', "");
    assert_eq!(Run::from_json("run.json", &in_one_line).unwrap(), run());
    let more = format!("{text}{{}}");
    assert!(Run::from_json("run.json", &more).is_err());
    for text in [
        &in_one_line,
        &more,
        "",
        "{\"benchmarks\":[\n",
        &text[..text.len() - 4],
    ] {
        assert_eq!(Run::from_lines(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn a_run_survives_writing_and_reading() {
    assert_eq!(reread(&run()).unwrap(), run());
}

#[test]
fn a_run_that_nobody_measured_is_refused() {
    let refused = |change: fn(&mut Run)| {
        let mut run = run();
        change(&mut run);
        reread(&run).unwrap_err().to_string()
    };
    let newer = refused(|run| run.format = 3);
    assert_eq!(
        newer,
        "cannot read run `run.json`: it has format 3, this icgate reads 2"
    );
    let twice = refused(|run| run.benchmarks.push(run.benchmarks[0].clone()));
    assert!(twice.contains("`a/b/c` appears twice"), "{twice}");
    let sum = refused(|run| {
        run.benchmarks[0].metrics.insert(Metric::Instructions, 11);
    });
    assert!(sum.contains("do not add up"), "{sum}");
    let large = refused(|run| {
        run.benchmarks[0]
            .metrics
            .insert(Metric::DataReads, COUNT_MAX + 1);
    });
    assert!(large.contains("beyond 2^53"), "{large}");
    let disorder = refused(|run| {
        run.benchmarks.push(run.benchmarks[0].clone());
        run.benchmarks[1].id = "a/b/b".parse().unwrap();
    });
    assert!(
        disorder.contains("`a/b/b` stands out of order"),
        "{disorder}"
    );
    let cut = Run::from_json("run.json", "{\"format\": 1,")
        .unwrap_err()
        .to_string();
    assert!(cut.contains("`run.json` (line 1, column 13"), "{cut}");
}

fn shard() -> Run {
    let part = Part {
        shard: "2/3".parse().unwrap(),
        listed: ["a/b/a", "a/b/c"].map(|id| id.parse().unwrap()).to_vec(),
        whole: true,
        accepted: "0f".repeat(32),
        ci: Some(CiRun { run: 7, attempt: 1 }),
    };
    Run {
        complete: false,
        part: Some(part),
        ..run()
    }
}

#[test]
fn a_shard_survives_writing_and_reading() {
    let mut shard = shard();
    assert_eq!(reread(&shard).unwrap(), shard);
    shard.part.as_mut().unwrap().ci = None;
    shard.benchmarks.clear();
    assert_eq!(reread(&shard).unwrap(), shard);
}

#[test]
fn a_shard_that_contradicts_itself_is_refused() {
    #[track_caller]
    fn refused(change: impl FnOnce(&mut Part), what: &str) {
        let mut shard = shard();
        change(shard.part.as_mut().unwrap());
        let message = reread(&shard).unwrap_err().to_string();
        assert!(message.contains(what), "{message}\nexpected: {what}");
    }
    refused(|part| part.listed.truncate(1), "`a/b/c` is not among those");
    refused(|part| part.listed.reverse(), "`a/b/a` stands out of order");
    refused(
        |part| part.listed[0] = part.listed[1].clone(),
        "`a/b/c` appears twice",
    );
    refused(
        |part| part.accepted = "0F".repeat(32),
        "`accepted` is no digest",
    );
    refused(
        |part| part.accepted = String::new(),
        "`accepted` is no digest",
    );
    refused(
        |part| part.ci = Some(CiRun { run: 0, attempt: 1 }),
        "no run of CI",
    );
    refused(
        |part| part.ci = Some(CiRun { run: 1, attempt: 0 }),
        "no run of CI",
    );
    let mut complete = shard();
    complete.complete = true;
    assert!(
        reread(&complete)
            .unwrap_err()
            .to_string()
            .contains("never complete")
    );
    let text = serde_json::to_string(&shard()).unwrap();
    for (from, to, what) in [
        ("\"2/3\"", "\"4/3\"", "shard 4/3 does not exist"),
        ("\"whole\"", "\"hole\"", "unknown field `hole`"),
        (
            "\"attempt\":1",
            "\"attempt\":1,\"x\":1",
            "unknown field `x`",
        ),
    ] {
        let text = text.replace(from, to);
        let message = Run::from_json("run.json", &text).unwrap_err().to_string();
        assert!(message.contains(what), "{message}");
    }
}
