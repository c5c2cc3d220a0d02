//! Runs as JSON lines: what is written out comes back, and whatever is wrong is an error.

use proptest::prelude::*;

use super::check::World;
use super::operation::histories;
use super::properties::lived;
use crate::run::{
    Attribute, ImportError, NewRun, NewSpan, Outcome, Point, RunError, RunId, Runs, Status,
};

fn exported(runs: &Runs, run: RunId) -> String {
    let mut lines = Vec::new();
    runs.export(run, &mut lines).unwrap();
    String::from_utf8(lines).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn imported_run_is_the_exported_one_at_every_step(history in histories(16)) {
        let (world, model) = lived(&history).map_err(TestCaseError::fail)?;
        for (number, run) in (1..).zip(&model.runs) {
            let lines = exported(&world.runs, RunId(number));
            let copy = World::in_memory();
            // It is later there than it ever was here, and that is no time of the run.
            copy.sim.advance(1_000_000);
            // Another run is there before, so that its number is another.
            copy.runs.begin(&NewRun::named("first")).unwrap();
            let imported = copy.runs.import(lines.as_bytes()).unwrap();
            prop_assert_eq!(&exported(&copy.runs, imported), &lines);
            for step in 0..=run.times_us.len() as u64 {
                let at = |runs: &Runs, run| {
                    super::model::State::of(&runs.state_at(run, Point::Step(step)).unwrap())
                };
                prop_assert_eq!(at(&copy.runs, imported), at(&world.runs, RunId(number)));
            }
            prop_assert_eq!(copy.runs.content(imported).unwrap(), world.runs.content(RunId(number)).unwrap());
        }
    }

    #[test]
    fn lines_with_any_byte_changed_are_refused_or_a_run(at in any::<usize>(), byte in any::<u8>()) {
        let (world, run) = rich();
        let mut lines = exported(&world.runs, run).into_bytes();
        let at = at % lines.len();
        lines[at] = byte;
        if let Ok(imported) = world.runs.import(&lines[..]) {
            world.runs.replay(imported).unwrap().forward_to(Point::End).unwrap();
        } else {
            prop_assert_eq!(world.runs.list().unwrap().len(), 1);
        }
    }
}

/// A run that has everything.
fn rich() -> (World, RunId) {
    let world = World::in_memory();
    let new = NewRun::named("agent").tag("night").metadata("share", 0.1);
    let runs = &world.runs;
    let run = runs.begin(&new).unwrap();
    runs.append(run, "thought", "grün".as_bytes()).unwrap();
    runs.append(run, "raw", b"\xff\0").unwrap();
    runs.put(run, b"\xfe", b"value").unwrap();
    runs.put(run, b"k", b"v").unwrap();
    runs.delete(run, b"k").unwrap();
    runs.set_cell(run, "plan", b"go").unwrap();
    let root = runs
        .start_span(run, &NewSpan::named("root").attribute("n", i64::MIN))
        .unwrap();
    runs.start_span(run, &NewSpan::named("child").within(root))
        .unwrap();
    runs.end_span(run, root, Outcome::Succeeded).unwrap();
    runs.write(run, |it| {
        it.note("raw", Some(&Attribute::Bytes(vec![0xff])))
    })
    .unwrap();
    runs.write(run, |it| it.untag("night")).unwrap();
    runs.end(run, Outcome::Failed, "done").unwrap();
    (world, run)
}

#[test]
fn exported_lines_are_the_documented_ones() {
    let (world, run) = rich();
    assert_eq!(
        exported(&world.runs, run),
        r#"{"run":{"format":1,"name":"agent","status":"failed","steps":15}}
{"began":{"name":"agent"},"step":1,"time_us":0}
{"step":2,"tagged":{"is_set":true,"tag":"night"},"time_us":0}
{"noted":{"name":"share","value":0.1},"step":3,"time_us":0}
{"event":{"body":"grün","kind":"thought","seq":0},"step":4,"time_us":0}
{"event":{"body_hex":"ff00","kind":"raw","seq":1},"step":5,"time_us":0}
{"put":{"key_hex":"fe","value":"value"},"step":6,"time_us":0}
{"put":{"key":"k","value":"v"},"step":7,"time_us":0}
{"deleted":{"key":"k"},"step":8,"time_us":0}
{"cell":{"name":"plan","value":"go","version":1},"step":9,"time_us":0}
{"span_started":{"attributes":{"n":-9223372036854775808},"name":"root","span":1},"step":10,"time_us":0}
{"span_started":{"name":"child","parent":1,"span":2},"step":11,"time_us":0}
{"span_ended":{"outcome":"succeeded","span":1},"step":12,"time_us":0}
{"noted":{"name":"raw","value":{"hex":"ff"}},"step":13,"time_us":0}
{"step":14,"tagged":{"is_set":false,"tag":"night"},"time_us":0}
{"ended":{"note":"done","outcome":"failed"},"step":15,"time_us":0}
"#
    );
}

const ABOUT: &str = r#"{"run":{"format":1,"name":"a","status":"open","steps":2}}"#;
const BEGAN: &str = r#"{"step":1,"time_us":5,"began":{"name":"a"}}"#;

#[test]
fn bad_lines_say_which_one_and_what_is_wrong() {
    let step = |rest: &str| format!("{ABOUT}\n{BEGAN}\n{{\"step\":2,\"time_us\":5,{rest}}}\n");
    let cases = [
        (String::new(), "line 1: there is no line about the run"),
        ("[]".into(), "line 1: the line is [] instead of an object"),
        (
            ABOUT.replace(":1,", ":2,"),
            "line 1: `format` is 2; this engine reads 1",
        ),
        (ABOUT.replace("open", "odd"), "line 1: `odd` is no status"),
        (
            ABOUT.replace("\"name\":\"a\",", ""),
            "line 1: `name` is no text",
        ),
        (format!("{ABOUT}\n{{"), "line 2: EOF while parsing"),
        (
            format!("{ABOUT}\n{BEGAN}\n{BEGAN}"),
            "line 3: it is step 1, and not 2",
        ),
        (
            step(r#""began":{"name":"b"}"#),
            "line 3: a run begins with its first step",
        ),
        (step(r#""flown":{}"#), "line 3: `flown` is no change"),
        (
            step(r#""resumed":{},"orphaned":{}"#),
            "line 3: it should do one thing",
        ),
        (step(r#""resumed":{"far":1}"#), "line 3: `far` is unknown"),
        (
            step(r#""put":{"key":"a","key_hex":"61","value":""}"#),
            "line 3: `key` is there twice",
        ),
        (
            step(r#""put":{"key_hex":"6","value":""}"#),
            "line 3: `key_hex` has something else",
        ),
        (
            step(r#""put":{"key_hex":"+6","value":""}"#),
            "line 3: `key_hex` has something else",
        ),
        (step(r#""put":{"value":""}"#), "line 3: `key` is missing"),
        (
            step(r#""deleted":{"key":"a"}"#),
            "line 3: it changes nothing",
        ),
        (
            step(r#""cell":{"name":"c","version":4,"value":""}"#),
            "line 3: its number is 4, and not 1",
        ),
        (
            step(r#""event":{"seq":1,"kind":"k","body":""}"#),
            "line 3: its number is 1, and not 0",
        ),
        (
            step(r#""noted":{"name":"n","value":[1]}"#),
            "line 3: the attribute `value` has no type",
        ),
        (
            step(r#""noted":{"name":"n","value":18446744073709551615}"#),
            "line 3: the attribute `value` has no type",
        ),
        (
            format!("{ABOUT}\n{BEGAN}\n"),
            "the run ends after step 1 of 2",
        ),
        (
            step(r#""ended":{"outcome":"failed","note":""}"#),
            "line 1: it says 2 steps, open; the lines below it make 2 steps, failed",
        ),
        (
            step(r#""tagged":{"tag":"t"}"#),
            "line 3: `is_set` is neither",
        ),
        (
            step(r#""ended":{"outcome":"odd","note":""}"#),
            "line 3: `odd` is no outcome",
        ),
        (
            step(r#""tagged":{"tag":"t","is_set":true}"#)
                .replace("\"time_us\":5,\"tag", "\"time_us\":4,\"tag"),
            "line 3: its time is before",
        ),
    ];
    let world = World::in_memory();
    for (lines, what) in cases {
        let error = world.runs.import(lines.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(what), "{lines} answers {error}");
        assert!(world.runs.list().unwrap().is_empty(), "{lines} left a run");
        let rows = world.runs.engine().stats().keyspaces["runs.journal"].keys;
        assert_eq!(rows, 0, "{lines} left rows");
    }
}

/// A change, and whether an error is the one that it should get.
type Case = (&'static str, fn(&RunError) -> bool);

#[test]
fn steps_that_no_run_can_make_are_refused() {
    let cases: [Case; 6] = [
        (r#""span_started":{"span":1,"parent":2,"name":"a"}"#, |it| {
            matches!(it, RunError::MissingParent { .. })
        }),
        (r#""span_started":{"span":1,"parent":1,"name":"a"}"#, |it| {
            matches!(it, RunError::SpanCycle { .. })
        }),
        (r#""span_ended":{"span":1,"outcome":"failed"}"#, |it| {
            matches!(it, RunError::UnknownSpan { .. })
        }),
        (r#""resumed":{}"#, |it| {
            matches!(it, RunError::NotOrphaned { .. })
        }),
        (r#""event":{"seq":0,"kind":"","body":""}"#, |it| {
            matches!(it, RunError::Empty { .. })
        }),
        (r#""put":{"key":"","value":""}"#, |it| {
            matches!(it, RunError::Empty { .. })
        }),
    ];
    let world = World::in_memory();
    for (change, is_it) in cases {
        let lines = format!("{ABOUT}\n{BEGAN}\n{{\"step\":2,\"time_us\":5,{change}}}\n");
        match world.runs.import(lines.as_bytes()) {
            Err(ImportError::Step { number: 3, source }) => {
                assert!(is_it(&source), "{change} answers {source:?}");
            }
            other => panic!("{change} answers {other:?}"),
        }
    }
    // After its end, a run takes nothing.
    let (_, run) = rich();
    assert_eq!(run, RunId(1));
    let late = format!(
        "{}\n{BEGAN}\n{}\n{}\n",
        ABOUT.replace(":2}", ":3}"),
        r#"{"step":2,"time_us":5,"ended":{"outcome":"failed","note":""}}"#,
        r#"{"step":3,"time_us":5,"event":{"seq":0,"kind":"late","body":""}}"#,
    );
    let error = world.runs.import(late.as_bytes()).unwrap_err();
    assert!(matches!(
        error,
        ImportError::Step {
            number: 4,
            source: RunError::Ended { .. }
        }
    ));
}

#[test]
fn line_that_is_no_text_is_refused() {
    let world = World::in_memory();
    let mut lines = format!("{ABOUT}\n{BEGAN}\n").into_bytes();
    lines.extend_from_slice(b"{\"step\":2,\xff}\n");
    let error = world.runs.import(&lines[..]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 3: it is not UTF-8 from byte 10 on; nothing was imported"
    );
}

#[test]
fn run_longer_than_a_transaction_is_imported_whole_and_open() {
    let world = World::in_memory();
    let run = world.runs.begin(&NewRun::named("long")).unwrap();
    for number in 0..1500_u32 {
        world
            .runs
            .append(run, "tick", &number.to_le_bytes())
            .unwrap();
    }
    let lines = exported(&world.runs, run);
    let copy = world.runs.import(lines.as_bytes()).unwrap();
    assert_eq!(exported(&world.runs, copy), lines);
    assert_eq!(world.runs.info(copy).unwrap().status, Status::Open);
    assert_eq!(world.runs.append(copy, "tick", b"").unwrap(), 1500);
}

#[test]
fn import_interrupted_anywhere_leaves_no_run_or_all_of_it() {
    use crate::engine::{Engine, Options};
    use crate::run::Orphans;
    use crate::vfs::{Plan, Sim};
    use crate::wal::Mode;
    let world = World::in_memory();
    let run = world.runs.begin(&NewRun::named("long").tag("t")).unwrap();
    for number in 0..600_u32 {
        world
            .runs
            .append(run, "tick", &number.to_le_bytes())
            .unwrap();
    }
    let lines = exported(&world.runs, run);
    let opened = |sim: &Sim| {
        let options = Options {
            background: false,
            ..Options::in_mode(Mode::Strict)
        };
        let engine = Engine::open_with(sim.clone(), "db", options).unwrap().0;
        Runs::open(&engine, Orphans::Resume).unwrap().0
    };
    let mut halves = 0;
    for call in 1.. {
        let sim = Sim::default();
        let runs = opened(&sim);
        sim.plan(Plan::CrashAt(call));
        let imported = runs.import(lines.as_bytes());
        if !sim.has_crashed() {
            assert_eq!(imported.unwrap(), RunId(1));
            break;
        }
        let after = opened(&sim.crash(call));
        if after.list().unwrap().is_empty() {
            let stats = after.engine().stats();
            assert_eq!(stats.keyspaces["runs.events"].keys, 0);
            halves += 1;
        } else {
            assert_eq!(
                after.content(RunId(1)).unwrap(),
                world.runs.content(run).unwrap()
            );
        }
    }
    assert!(halves > 2, "only {halves} crashes left nothing");
}
