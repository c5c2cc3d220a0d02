//! Any history: the same answers as the model, at every point of the past, and differences that
//! make one side out of the other.

use proptest::prelude::*;

use super::check::World;
use super::model::Model;
use super::operation::{Operation, histories};
use crate::run::{Point, RunId, Side};
use crate::vfs::Vfs;

/// A world after a history.
pub(super) fn lived(history: &[Operation]) -> Result<(World, Model), String> {
    let (world, mut model) = (World::in_memory(), Model::default());
    for operation in history {
        world.both(&mut model, operation)?;
    }
    Ok((world, model))
}

/// A point of a run of the model, by two numbers.
fn side(model: &Model, run: usize, step: usize) -> Side {
    let run = run % model.runs.len();
    let steps = model.runs[run].times_us.len();
    let point = match step % (steps + 2) {
        step if step > steps => Point::End,
        step => Point::Step(step as u64),
    };
    Side::from((RunId(run as u64 + 1), point))
}

/// Whether the difference of two sides makes one out of the other, and is empty where they are equal.
pub(super) fn check_diff(world: &World, a: Side, b: Side) -> Result<(), String> {
    let runs = &world.runs;
    let read = |side| runs.content(side).map_err(|error| error.to_string());
    let (before, after) = (read(a)?, read(b)?);
    let diff = runs.diff(a, b).map_err(|error| error.to_string())?;
    let is_minimal = diff.differences.iter().all(|it| it.before != it.after);
    let mut made = before.clone();
    let fits = diff.apply(&mut made);
    if fits.is_err() || made != after || !is_minimal {
        return Err(format!(
            "{diff} makes {made:?} out of {before:?}, not {after:?}"
        ));
    }
    if (before == after) != diff.differences.is_empty() {
        return Err(format!("{diff} of two sides, equal: {}", before == after));
    }
    let mut back = after;
    let fits = diff.reversed().apply(&mut back);
    if fits.is_err() || back != before {
        return Err(format!("back it makes {back:?}, not {before:?}"));
    }
    Ok(())
}

fn thousands(count: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(count)
    }
}

proptest! {
    #![proptest_config(thousands(10_000))]

    #[test]
    fn replay_of_any_prefix_is_the_state_at_that_point(history in histories(14)) {
        let (world, model) = lived(&history).map_err(TestCaseError::fail)?;
        world.check(&model).map_err(TestCaseError::fail)?;
    }
}

proptest! {
    #![proptest_config(thousands(3_000))]

    #[test]
    fn a_difference_makes_one_side_out_of_the_other(
        history in histories(16),
        sides in prop::array::uniform4(any::<usize>()),
    ) {
        let (world, model) = lived(&history).map_err(TestCaseError::fail)?;
        let [a, b] = [
            side(&model, sides[0], sides[1]),
            side(&model, sides[2], sides[3]),
        ];
        check_diff(&world, a, b).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn a_replay_reaches_each_commit_by_its_lsn_and_its_time(
        history in histories(14),
        stops in prop::collection::vec(any::<usize>(), 0..5),
    ) {
        let (world, mut model) = (World::in_memory(), Model::default());
        // After each operation: the LSN, the time, and the steps of the first run.
        let mut commits = Vec::new();
        for operation in &history {
            world.both(&mut model, operation).map_err(TestCaseError::fail)?;
            let steps = model.runs[0].times_us.len() as u64;
            commits.push((world.runs.engine().stats().next, world.sim.now_us(), steps));
        }
        let mut replay = world.runs.replay(RunId(1)).unwrap();
        let mut reached = 0;
        for stop in stops {
            let (lsn, time_us, steps) = commits[stop % commits.len()];
            let (point, steps) = match stop % 3 {
                0 => {
                    let until = commits.iter().rev().find(|it| it.1 == time_us);
                    (Point::Time(time_us), until.map_or(0, |it| it.2))
                }
                1 => (Point::Lsn(lsn), steps),
                _ => (Point::Step(steps), steps),
            };
            replay.forward_to(point).unwrap();
            reached = steps.max(reached);
            prop_assert_eq!(replay.state().steps, reached);
        }
        prop_assert_eq!(commits.last().unwrap().2, replay.steps());
    }
}
