//! Whatever is wrong has an error of its own, and nothing of it happens.

use super::check::World;
use crate::engine::{CommitError, Engine, KeyspaceType};
use crate::run::{
    Attribute, Attributes, NAME_BYTES_MAX, NewRun, NewSpan, Orphans, Outcome, Point,
    RUN_KEY_BYTES_MAX, RunError, RunId, RunWriter, Runs, STEP_BYTES_MAX, Span, SpanEnd, SpanId,
    Status, tree,
};

fn begun() -> (Runs, RunId) {
    let (runs, _) = Runs::open(&Engine::in_memory(), Orphans::Mark).unwrap();
    let run = runs.begin(&NewRun::named("agent")).unwrap();
    (runs, run)
}

/// Does something that has to fail, and checks that the run is as it was.
fn refused(
    runs: &Runs,
    run: RunId,
    change: impl FnMut(&mut RunWriter<'_, '_>) -> Result<(), RunError>,
) -> RunError {
    let before = (runs.info(run).unwrap(), runs.content(run).unwrap());
    let error = runs.write(run, change).unwrap_err();
    let after = (runs.info(run).unwrap(), runs.content(run).unwrap());
    assert_eq!(before, after, "{error} changed the run");
    error
}

/// A change, alone or with what it needs.
type Plain = fn(&mut RunWriter<'_, '_>) -> Result<(), RunError>;
type Boxed<'a> = Box<dyn Fn(&mut RunWriter<'_, '_>) -> Result<(), RunError> + 'a>;

const UNKNOWN: RunId = RunId(77);

#[test]
fn unknown_run_is_an_error_of_every_operation() {
    let (runs, _) = begun();
    let outcome = Outcome::Succeeded;
    let errors = [
        runs.append(UNKNOWN, "a", b"").map(drop),
        runs.put(UNKNOWN, b"a", b""),
        runs.delete(UNKNOWN, b"a").map(drop),
        runs.set_cell(UNKNOWN, "a", b"").map(drop),
        runs.compare_and_set(UNKNOWN, "a", 0, b"").map(drop),
        runs.start_span(UNKNOWN, &NewSpan::named("a")).map(drop),
        runs.end_span(UNKNOWN, SpanId(1), outcome),
        runs.end(UNKNOWN, outcome, ""),
        runs.resume(UNKNOWN),
        runs.remove(UNKNOWN),
        runs.info(UNKNOWN).map(drop),
        runs.get(UNKNOWN, b"a").map(drop),
        runs.keys(UNKNOWN, b"a").map(drop),
        runs.cell(UNKNOWN, "a").map(drop),
        runs.cells(UNKNOWN).map(drop),
        runs.cell_history(UNKNOWN, "a").map(drop),
        runs.event(UNKNOWN, 0).map(drop),
        runs.events(UNKNOWN, ..).map(drop),
        runs.events_at(UNKNOWN, ..).map(drop),
        runs.span(UNKNOWN, SpanId(1)).map(drop),
        runs.spans(UNKNOWN).map(drop),
        runs.trace(UNKNOWN).map(drop),
        runs.replay(UNKNOWN).map(drop),
        runs.steps(UNKNOWN).map(drop),
        runs.diff(UNKNOWN, UNKNOWN).map(drop),
        runs.content(UNKNOWN).map(drop),
    ];
    for (number, error) in errors.into_iter().enumerate() {
        let error = error.unwrap_err();
        let is_unknown = matches!(error, RunError::UnknownRun { run: UNKNOWN });
        assert!(is_unknown, "operation {number} answers {error:?}");
    }
}

#[test]
fn ended_run_takes_no_change_and_ends_once() {
    let (runs, run) = begun();
    let span = runs.start_span(run, &NewSpan::named("open")).unwrap();
    runs.put(run, b"k", b"v").unwrap();
    runs.end(run, Outcome::Failed, "no more money").unwrap();
    let outcome = Outcome::Succeeded;
    let changes: [Plain; 9] = [
        |it| it.append("a", b"").map(drop),
        |it| it.put(b"k", b"w"),
        |it| it.delete(b"k").map(drop),
        |it| it.set_cell("c", b"").map(drop),
        |it| it.transition("c", b"", b"").map(drop),
        |it| it.start_span(&NewSpan::named("a")).map(drop),
        |it| it.tag("t"),
        |it| it.note("n", Some(&Attribute::Bool(true))),
        |it| it.end(Outcome::Succeeded, ""),
    ];
    for change in changes {
        let error = refused(&runs, run, change);
        let is_ended = matches!(
            error,
            RunError::Ended {
                outcome: Outcome::Failed,
                ..
            }
        );
        assert!(is_ended, "{error:?}");
    }
    let error = runs.end_span(run, span, outcome).unwrap_err();
    assert!(matches!(error, RunError::Ended { .. }));
    assert_eq!(
        error.to_string(),
        "run 1 has ended (failed); begin another one"
    );
}

#[test]
fn run_can_end_and_be_used_no_more_within_one_transaction() {
    let (runs, run) = begun();
    let error = refused(&runs, run, |it| {
        it.end(Outcome::Succeeded, "")?;
        it.append("late", b"").map(drop)
    });
    assert!(matches!(error, RunError::Ended { .. }));
    assert_eq!(runs.info(run).unwrap().status, Status::Open);
}

#[test]
fn span_needs_a_parent_that_started_and_a_number_of_its_own() {
    let (runs, run) = begun();
    let root = runs.start_span(run, &NewSpan::named("root")).unwrap();
    let start = |new: NewSpan| refused(&runs, run, move |it| it.start_span(&new).map(drop));
    let missing = start(NewSpan::named("child").within(SpanId(9)));
    assert_eq!(
        missing.to_string(),
        "run 1 has no span 9 to be the parent of `child`; start the parent first"
    );
    let cycle = start(
        NewSpan::named("snake")
            .within(SpanId(5))
            .numbered(SpanId(5)),
    );
    assert!(matches!(
        cycle,
        RunError::SpanCycle {
            span: SpanId(5),
            ..
        }
    ));
    // The number that it would get is its parent's.
    let next = start(NewSpan::named("snake").within(SpanId(root.0 + 1)));
    assert!(matches!(next, RunError::SpanCycle { .. }), "{next:?}");
    let taken = start(NewSpan::named("twin").numbered(root));
    assert!(matches!(taken, RunError::SpanNumber { .. }));
    let zero = start(NewSpan::named("none").numbered(SpanId(0)));
    assert!(matches!(zero, RunError::SpanNumber { .. }));
    // After the highest number there is none to give out, and 0 is refused again.
    let highest = NewSpan::named("last").numbered(SpanId(u64::MAX));
    runs.start_span(run, &highest).unwrap();
    let over = start(NewSpan::named("over"));
    assert!(matches!(over, RunError::SpanNumber { .. }), "{over:?}");
}

#[test]
fn span_ends_once_and_only_if_it_started() {
    let (runs, run) = begun();
    let span = runs.start_span(run, &NewSpan::named("root")).unwrap();
    runs.end_span(run, span, Outcome::Succeeded).unwrap();
    let again = runs.end_span(run, span, Outcome::Failed).unwrap_err();
    assert!(matches!(again, RunError::SpanEnded { .. }));
    let unknown = runs.end_span(run, SpanId(4), Outcome::Failed).unwrap_err();
    assert!(matches!(
        unknown,
        RunError::UnknownSpan {
            span: SpanId(4),
            ..
        }
    ));
    assert_eq!(
        runs.span(run, span).unwrap().end.unwrap().outcome,
        Outcome::Succeeded
    );
}

#[test]
fn spans_that_are_no_tree_are_refused() {
    let span = |id, parent| Span {
        id: SpanId(id),
        parent: (parent > 0).then_some(SpanId(parent)),
        name: format!("s{id}"),
        attributes: Attributes::new(),
        started_us: 0,
        started_step: id,
        end: None::<SpanEnd>,
    };
    let of = |pairs: &[(u64, u64)]| tree(RunId(1), pairs.iter().map(|(id, of)| span(*id, *of)));
    let cycle = of(&[(1, 0), (2, 3), (3, 2)]).unwrap_err();
    assert!(matches!(cycle, RunError::SpanCycle { .. }), "{cycle:?}");
    let own = of(&[(2, 2)]).unwrap_err();
    assert!(matches!(
        own,
        RunError::SpanCycle {
            span: SpanId(2),
            ..
        }
    ));
    let missing = of(&[(2, 1)]).unwrap_err();
    assert!(matches!(
        missing,
        RunError::MissingParent {
            parent: SpanId(1),
            ..
        }
    ));
    let depths: Vec<_> = of(&[(1, 0), (2, 1), (3, 2), (4, 1), (5, 0)])
        .unwrap()
        .iter()
        .map(|it| (it.span.id.0, it.depth))
        .collect();
    assert_eq!(depths, [(1, 0), (2, 1), (3, 2), (4, 1), (5, 0)]);
    // As deep as it is long: no recursion.
    let chain: Vec<_> = (1..=100_000).map(|id| (id, id - 1)).collect();
    assert_eq!(of(&chain).unwrap().last().unwrap().depth, 99_999);
    assert!(of(&[]).unwrap().is_empty());
}

#[test]
fn cell_changes_only_from_what_was_expected() {
    let (runs, run) = begun();
    assert_eq!(runs.compare_and_set(run, "c", 0, b"a").unwrap(), 1);
    let error = runs.compare_and_set(run, "c", 0, b"b").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the cell `c` of run 1 has version 1, and not 0; read it again and decide again"
    );
    assert_eq!(runs.compare_and_set(run, "c", 1, b"b").unwrap(), 2);
    let error = refused(&runs, run, |it| it.transition("c", b"a", b"z").map(drop));
    assert_eq!(
        error.to_string(),
        "the cell `c` of run 1 is `b`, and not `a`; read it again and decide again"
    );
    let absent = refused(&runs, run, |it| it.transition("d", b"a", b"z").map(drop));
    assert!(matches!(absent, RunError::CellValue { found: None, .. }));
}

#[test]
fn names_and_lengths_are_checked_before_anything_is_put() {
    let (runs, run) = begun();
    let long = "n".repeat(NAME_BYTES_MAX + 1);
    let changes: Vec<Boxed<'_>> = vec![
        Box::new(|it| it.append("", b"").map(drop)),
        Box::new(|it| it.append(&long, b"").map(drop)),
        Box::new(|it| it.append("big", &vec![0; STEP_BYTES_MAX / 2 + 1]).map(drop)),
        Box::new(|it| it.put(b"", b"")),
        Box::new(|it| it.put(&vec![1; RUN_KEY_BYTES_MAX + 1], b"")),
        Box::new(|it| it.put(b"k", &vec![0; STEP_BYTES_MAX + 1])),
        Box::new(|it| it.delete(b"").map(drop)),
        Box::new(|it| it.set_cell("", b"").map(drop)),
        Box::new(|it| it.set_cell(&long, b"").map(drop)),
        Box::new(|it| it.set_cell("c", &vec![0; STEP_BYTES_MAX + 1]).map(drop)),
        Box::new(|it| it.start_span(&NewSpan::named("")).map(drop)),
        Box::new(|it| it.start_span(&NewSpan::named(&long)).map(drop)),
        Box::new(|it| {
            let new = NewSpan::named("s").attribute("a", &*"x".repeat(STEP_BYTES_MAX / 4));
            it.start_span(&new).map(drop)
        }),
        Box::new(|it| {
            it.start_span(&NewSpan::named("s").attribute("a", f64::NAN))
                .map(drop)
        }),
        Box::new(|it| it.note("a", Some(&Attribute::Float(f64::INFINITY)))),
        Box::new(|it| it.note("", Some(&Attribute::Bool(true)))),
        Box::new(|it| it.tag("")),
        Box::new(|it| it.tag(&long)),
        Box::new(|it| it.end(Outcome::Failed, &"x".repeat(STEP_BYTES_MAX / 4 + 1))),
    ];
    for (number, change) in changes.iter().enumerate() {
        let error = refused(&runs, run, |it| change(it));
        let is_checked = matches!(
            error,
            RunError::Empty { .. } | RunError::TooLong { .. } | RunError::NotFinite { .. }
        );
        assert!(is_checked, "change {number} answers {error:?}");
    }
    for new in [
        NewRun::named(""),
        NewRun::named(&long),
        NewRun::named("a").tag(""),
    ] {
        runs.begin(&new).unwrap_err();
    }
    assert_eq!(runs.list().unwrap().len(), 1);
}

#[test]
fn whatever_is_as_long_as_it_may_be_is_kept() {
    let (runs, run) = begun();
    let long = "n".repeat(NAME_BYTES_MAX);
    let key = vec![1; RUN_KEY_BYTES_MAX];
    runs.put(run, &key, &vec![2; STEP_BYTES_MAX]).unwrap();
    runs.set_cell(run, &long, &vec![3; STEP_BYTES_MAX]).unwrap();
    let text = Attribute::Text("x".repeat(STEP_BYTES_MAX / 4 - 20));
    let attributes = Attributes::from([("a".into(), text.clone())]);
    let body = vec![4; STEP_BYTES_MAX / 2];
    runs.write(run, |it| it.append_with(&long, &body, &attributes))
        .unwrap();
    let span = runs
        .start_span(
            run,
            &NewSpan {
                attributes,
                ..NewSpan::named(&long)
            },
        )
        .unwrap();
    runs.write(run, |it| it.tag(&long)).unwrap();
    let state = runs.state_at(run, Point::End).unwrap();
    assert_eq!(state.keys[&key].len(), STEP_BYTES_MAX);
    assert_eq!(state.cells[&long].value.len(), STEP_BYTES_MAX);
    assert_eq!(state.events[0].event().unwrap().body, body);
    assert_eq!(state.spans[&span].attributes["a"], text);
    assert_eq!(runs.tagged(&long).unwrap().len(), 1);
}

#[test]
fn body_that_is_no_text_says_where_it_ends_to_be() {
    let (runs, run) = begun();
    runs.append(run, "raw", b"abc\xffdef").unwrap();
    runs.append(run, "text", "grün".as_bytes()).unwrap();
    let error = runs
        .event(run, 0)
        .unwrap()
        .unwrap()
        .text()
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "the body of event 0 of run 1 is not UTF-8 from byte 3 on; read it as bytes"
    );
    assert_eq!(runs.event(run, 1).unwrap().unwrap().text().unwrap(), "grün");
}

#[test]
fn point_after_the_end_is_an_error() {
    let (runs, run) = begun();
    runs.append(run, "a", b"").unwrap();
    let error = runs.state_at(run, Point::Step(3)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "run 1 has 2 steps, so there is no step 3"
    );
    assert!(runs.diff((run, Point::Step(3)), run).is_err());
    assert_eq!(runs.state_at(run, Point::Step(0)).unwrap().status, None);
    assert_eq!(runs.state_at(run, Point::Time(u64::MAX)).unwrap().steps, 2);
}

#[test]
fn open_run_is_not_deleted() {
    let (runs, run) = begun();
    assert!(matches!(runs.remove(run), Err(RunError::StillOpen { .. })));
    runs.end(run, Outcome::Cancelled, "").unwrap();
    runs.remove(run).unwrap();
    assert!(matches!(runs.info(run), Err(RunError::UnknownRun { .. })));
    assert!(runs.list().unwrap().is_empty());
    // Its number is not given out again.
    assert_eq!(
        runs.begin(&NewRun::named("next")).unwrap(),
        RunId(run.0 + 1)
    );
}

#[test]
fn keyspace_of_another_type_is_refused() {
    let engine = Engine::in_memory();
    engine
        .keyspace_of("runs.cells", KeyspaceType::Values)
        .unwrap();
    let error = Runs::open(&engine, Orphans::Mark).unwrap_err();
    assert!(matches!(
        error,
        RunError::Commit(CommitError::WrongType { .. })
    ));
    // None of the others was created.
    assert!(Runs::look(&engine).unwrap().is_none());
}

#[test]
fn closed_engine_refuses_changes_and_still_reads() {
    let world = World::in_memory();
    let run = world.runs.begin(&NewRun::named("a")).unwrap();
    world.runs.engine().close().unwrap();
    let error = world.runs.append(run, "a", b"").unwrap_err();
    assert!(matches!(error, RunError::Commit(CommitError::Closed)));
    assert_eq!(world.runs.info(run).unwrap().steps, 1);
}

#[test]
fn error_of_a_run_passes_through_a_transaction_as_itself() {
    let (runs, run) = begun();
    let done = runs.engine().transaction(|tx| {
        runs.within(tx, run, |it| it.append("a", b""))?;
        Ok(runs.within(tx, UNKNOWN, |it| it.append("b", b""))?)
    });
    let error = RunError::from(done.unwrap_err());
    assert!(matches!(error, RunError::UnknownRun { run: UNKNOWN }));
    assert_eq!(runs.info(run).unwrap().events, 0);
}
