//! Which part of the benchmarks a shard measures, and which run of CI it belongs to.

use std::collections::BTreeSet;

use icgate_core::model::baseline::{Accepted, Baselines};
use icgate_core::model::bench_id::BenchId;
use icgate_core::model::metric::COUNT_MAX;
use icgate_core::model::run::CiRun;
use icgate_core::model::shard::{self, Shard};

use crate::error::CiError;

/// GitHub's number of the run, the same for all jobs and attempts.
const RUN: &str = "GITHUB_RUN_ID";
/// Which attempt at it, counted from 1.
const ATTEMPT: &str = "GITHUB_RUN_ATTEMPT";

/// The benchmarks of a shard.
pub(super) fn select(listed: &[BenchId], baselines: &Baselines, shard: Shard) -> BTreeSet<BenchId> {
    let instructions = |id: &BenchId| baselines.accepted(id).map(Accepted::instructions);
    let selected = shard::select(listed, instructions, shard);
    selected.into_iter().cloned().collect()
}

/// The run of CI that this is, if it is one.
pub(super) fn ci_run() -> Result<Option<CiRun>, CiError> {
    let variable = |name| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty());
        value.map(|value| value.to_string_lossy().into_owned())
    };
    parse(variable(RUN).as_deref(), variable(ATTEMPT).as_deref())
}

fn parse(run: Option<&str>, attempt: Option<&str>) -> Result<Option<CiRun>, CiError> {
    let Some(run) = run else {
        return Ok(None);
    };
    Ok(Some(CiRun {
        run: number(RUN, run)?,
        attempt: number(ATTEMPT, attempt.unwrap_or("1"))?,
    }))
}

/// A number counted from 1, in digits alone.
fn number<T: TryFrom<u64>>(name: &'static str, text: &str) -> Result<T, CiError> {
    Some(text)
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .filter(|number| (1..=COUNT_MAX).contains(number))
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| CiError::Number {
            name,
            value: text.to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_of_ci_is_read_or_refused() {
        let ci = |run, attempt| parse(run, attempt).unwrap();
        assert_eq!(ci(None, None), None);
        assert_eq!(ci(None, Some("nonsense")), None);
        assert_eq!(ci(Some("7"), None), Some(CiRun { run: 7, attempt: 1 }));
        assert_eq!(ci(Some("7"), Some("2")), Some(CiRun { run: 7, attempt: 2 }));
        let refused = |run, attempt| parse(Some(run), Some(attempt)).unwrap_err().to_string();
        for run in [
            "0",
            "-1",
            "+1",
            "1.0",
            "x",
            "9007199254740992",
            "99999999999999999999",
        ] {
            let message = refused(run, "1");
            assert!(
                message.contains("GITHUB_RUN_ID") && message.contains(run),
                "{message}"
            );
        }
        for attempt in ["0", "x", "4294967296"] {
            assert!(
                refused("1", attempt).contains("GITHUB_RUN_ATTEMPT"),
                "{attempt}"
            );
        }
    }
}
