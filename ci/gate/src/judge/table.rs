//! The decision: what is known of a benchmark on the left, its verdict on the right.
//!
//! The compiler proves that every combination of signals has a row and that no row is dead. Rows are
//! read from the top, and the first that matches counts: `_` is what does not matter, or what a row
//! above has decided already.

use super::signals::{Base, Claim, Listed, Measured, Noise, Reason, Recorded, Signals};
use super::verdict::{BaselineState, Movement, Verdict};

/// The verdict for these signals.
#[rustfmt::skip]
#[expect(clippy::match_same_arms, reason = "a row of the table for each case, whatever the others say")]
pub(super) const fn decide(signals: Signals) -> Verdict {
    use Base::{OffBaseline, OnBaseline};
    use BaselineState::{
        Accepted, Added, BaselineMismatch, BenchmarkMissing, Empty, ImprovementNotRecorded, Kept,
        NoBaseline, Noisy, NotComparable, ReasonMissing, Rebaselined, Removed, StaleOnBase,
    };
    use Claim::{Differs, Matches};
    use Listed::{BaseOnly, Edited, HeadOnly, Nowhere, Same};
    use Measured::{Absent, Count, Tiny};
    use Movement::{Improved, Regressed, Unchanged, WithinLimit};
    use Noise::{AboveLimit, BelowLimit, Exceeded};
    use Reason::{Given, NotGiven};
    use Recorded::{Again, Elsewhere, Here};

    let Signals { measured, listed, recorded, noise, claim, movement, reason, base } = signals;
    let moved = Some(movement);
    let (movement, baseline) =
        match (measured, listed, recorded, noise, claim, movement, reason, base) {
    //   what is known                                                                              verdict
    //   measured listed    recorded   noise       claim    movement     reason    base             movement  baseline
        (Absent, Nowhere,   _,         _,          _,       _,           NotGiven, _          ) => (None,     ReasonMissing),
        (Absent, BaseOnly,  _,         _,          _,       _,           NotGiven, _          ) => (None,     ReasonMissing),
        (Absent, Nowhere,   _,         _,          _,       _,           Given,    _          ) => (None,     Removed),
        (Absent, BaseOnly,  _,         _,          _,       _,           Given,    _          ) => (None,     Removed),
        (Absent, _,         _,         _,          _,       _,           _,        _          ) => (None,     BenchmarkMissing),
        (Tiny,   _,         _,         _,          _,       _,           _,        _          ) => (None,     Empty),
        (Count,  Nowhere,   _,         _,          _,       _,           _,        _          ) => (None,     NoBaseline),
        (Count,  BaseOnly,  _,         _,          _,       _,           _,        _          ) => (None,     NoBaseline),
        (Count,  _,         Elsewhere, _,          _,       _,           _,        _          ) => (None,     NotComparable),
        (Count,  Same,      _,         Exceeded,   Matches, Regressed,   _,        _          ) => (moved,    Kept),
        (Count,  _,         _,         Exceeded,   _,       _,           _,        _          ) => (None,     Noisy),
        (Count,  _,         _,         AboveLimit, _,       _,           _,        _          ) => (None,     Noisy),
        (Count,  HeadOnly,  _,         BelowLimit, Differs, _,           _,        _          ) => (None,     BaselineMismatch),
        (Count,  HeadOnly,  Here,      BelowLimit, Matches, _,           _,        _          ) => (None,     Added),
        (Count,  HeadOnly,  Again,     BelowLimit, Matches, _,           _,        _          ) => (None,     Rebaselined),
        (Count,  Edited,    _,         BelowLimit, Differs, _,           _,        _          ) => (moved,    BaselineMismatch),
        (Count,  Edited,    _,         BelowLimit, Matches, Regressed,   NotGiven, _          ) => (moved,    ReasonMissing),
        (Count,  Edited,    _,         BelowLimit, Matches, Regressed,   Given,    _          ) => (moved,    Accepted),
        (Count,  Edited,    _,         BelowLimit, Matches, Unchanged,   _,        _          ) => (moved,    Accepted),
        (Count,  Edited,    _,         BelowLimit, Matches, WithinLimit, _,        _          ) => (moved,    Accepted),
        (Count,  Edited,    _,         BelowLimit, Matches, Improved,    _,        _          ) => (moved,    Accepted),
        (Count,  Same,      _,         BelowLimit, Differs, _,           _,        _          ) => (moved,    BaselineMismatch),
        (Count,  Same,      _,         BelowLimit, Matches, Regressed,   _,        _          ) => (moved,    Kept),
        (Count,  Same,      _,         BelowLimit, Matches, Improved,    _,        _          ) => (moved,    ImprovementNotRecorded),
        (Count,  Same,      _,         BelowLimit, Matches, Unchanged,   _,        OnBaseline ) => (moved,    Kept),
        (Count,  Same,      _,         BelowLimit, Matches, Unchanged,   _,        OffBaseline) => (moved,    StaleOnBase),
        (Count,  Same,      _,         BelowLimit, Matches, WithinLimit, _,        OnBaseline ) => (moved,    Kept),
        (Count,  Same,      _,         BelowLimit, Matches, WithinLimit, _,        OffBaseline) => (moved,    StaleOnBase),
    };
    Verdict { movement, baseline }
}
