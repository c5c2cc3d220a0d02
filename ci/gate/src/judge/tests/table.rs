//! Safety over all inputs of the decision table.

use std::collections::BTreeSet;

use strum::VariantArray as _;

use crate::judge::signals::{Base, Claim, Listed, Measured, Noise, Reason, Recorded, Signals};
use crate::judge::table::decide;
use crate::judge::{BaselineState, Movement, Outcome, Shown, Verdict};
use crate::model::policy::OnImprovement;

/// Every combination of signals.
fn all_signals() -> Vec<Signals> {
    let mut all = Vec::new();
    for measured in [Measured::Absent, Measured::Tiny, Measured::Count] {
        for listed in [
            Listed::Nowhere,
            Listed::BaseOnly,
            Listed::HeadOnly,
            Listed::Same,
            Listed::Edited,
        ] {
            for recorded in [Recorded::Here, Recorded::Elsewhere, Recorded::Again] {
                for noise in [Noise::BelowLimit, Noise::AboveLimit, Noise::Exceeded] {
                    for &movement in Movement::VARIANTS {
                        for bits in 0..8_u8 {
                            let bit = |n: u8| bits & (1 << n) != 0;
                            all.push(Signals {
                                measured,
                                listed,
                                recorded,
                                noise,
                                claim: [Claim::Matches, Claim::Differs][usize::from(bit(0))],
                                movement,
                                reason: [Reason::Given, Reason::NotGiven][usize::from(bit(1))],
                                base: [Base::OnBaseline, Base::OffBaseline][usize::from(bit(2))],
                            });
                        }
                    }
                }
            }
        }
    }
    assert_eq!(all.len(), 3 * 5 * 3 * 3 * 4 * 8);
    all
}

/// The combinations that pass, under the mildest policy.
fn passing() -> impl Iterator<Item = Signals> {
    let passes = |it: &Signals| decide(*it).outcome(OnImprovement::Notice) == Outcome::Pass;
    all_signals().into_iter().filter(passes)
}

#[test]
fn every_state_can_be_reached_and_has_its_own_word() {
    let mut words = BTreeSet::new();
    for &state in BaselineState::VARIANTS {
        let reached = |it: &Signals| decide(*it).baseline == state;
        assert!(all_signals().iter().any(reached), "{state:?}");
        assert_eq!(serde_json::to_value(state).unwrap(), state.word());
        assert!(words.insert(state.word()), "{state:?}");
    }
    for &movement in Movement::VARIANTS {
        assert_eq!(serde_json::to_value(movement).unwrap(), movement.word());
        assert!(words.insert(movement.word()), "{movement:?}");
    }
    for &outcome in Outcome::VARIANTS {
        assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.word());
    }
}

#[test]
fn nothing_worse_than_its_limit_passes_without_an_accepted_reason() {
    for signals in passing().filter(|it| it.measured == Measured::Count) {
        // What base does not have cannot be worse than base.
        if signals.movement == Movement::Regressed && signals.listed != Listed::HeadOnly {
            assert_eq!(decide(signals).baseline, BaselineState::Accepted);
            assert_eq!(signals.listed, Listed::Edited, "{signals:?}");
            assert_eq!(signals.claim, Claim::Matches, "{signals:?}");
            assert_eq!(signals.reason, Reason::Given, "{signals:?}");
        }
    }
}

#[test]
fn what_was_not_measured_passes_only_as_removed_with_a_reason() {
    for signals in passing().filter(|it| it.measured != Measured::Count) {
        assert_eq!(signals.measured, Measured::Absent, "{signals:?}");
        assert!(
            matches!(signals.listed, Listed::Nowhere | Listed::BaseOnly),
            "{signals:?}"
        );
        assert_eq!(signals.reason, Reason::Given, "{signals:?}");
        assert_eq!(decide(signals).baseline, BaselineState::Removed);
    }
}

#[test]
fn what_passes_is_comparable_quiet_and_true() {
    for signals in passing().filter(|it| it.measured == Measured::Count) {
        assert_ne!(signals.recorded, Recorded::Elsewhere, "{signals:?}");
        assert_eq!(signals.noise, Noise::BelowLimit, "{signals:?}");
        assert_eq!(signals.claim, Claim::Matches, "{signals:?}");
    }
}

#[test]
fn noise_excuses_nothing_that_exceeds_it() {
    let plain_regression = |it: &Signals| {
        let quiet = Signals {
            noise: Noise::BelowLimit,
            ..*it
        };
        decide(quiet) == Verdict::REGRESSED
    };
    for signals in all_signals().into_iter().filter(plain_regression) {
        let excused = signals.noise == Noise::AboveLimit;
        assert_eq!(
            decide(signals) != Verdict::REGRESSED,
            excused,
            "{signals:?}"
        );
    }
}

#[test]
fn a_kept_baseline_is_never_decided_with_an_unrecorded_gain() {
    for signals in all_signals() {
        let verdict = decide(signals);
        if verdict.baseline == BaselineState::Kept {
            assert!(
                matches!(
                    verdict.movement,
                    Some(Movement::Unchanged | Movement::WithinLimit | Movement::Regressed)
                ),
                "{signals:?}"
            );
        }
    }
}

#[test]
fn the_most_severe_outcome_decides_the_exit_code() {
    let codes = [
        Outcome::Pass,
        Outcome::BaselineOutOfDate,
        Outcome::Regressed,
        Outcome::NotComparable,
        Outcome::NotMeasured,
    ];
    assert!(codes.is_sorted_by(|a, b| a < b));
    assert_eq!(codes.map(Outcome::exit_code), [0, 5, 1, 4, 3]);
    let improved = Verdict::IMPROVED;
    assert_eq!(improved.outcome(OnImprovement::Notice), Outcome::Pass);
    assert_eq!(
        improved.outcome(OnImprovement::Fail),
        Outcome::BaselineOutOfDate
    );
}

#[test]
fn people_are_shown_nine_words_and_no_failure_as_unchanged() {
    let mut shown = BTreeSet::new();
    for baseline in BaselineState::VARIANTS {
        let movements = Movement::VARIANTS.iter().copied().map(Some).chain([None]);
        for movement in movements {
            let verdict = Verdict {
                movement,
                baseline: *baseline,
            };
            let word = verdict.shown();
            shown.insert(word.word());
            let is_quiet = matches!(word, Shown::Unchanged | Shown::WithinLimit);
            // A reason may be missing for a metric that is judged where another one is shown.
            if is_quiet && *baseline != BaselineState::ReasonMissing {
                let outcome = verdict.outcome(OnImprovement::Notice);
                assert_eq!(outcome, Outcome::Pass, "{verdict:?} is shown as {word:?}");
            }
        }
    }
    assert_eq!(shown.len(), Shown::VARIANTS.len());
}
