//! What a bisection found, for a terminal.

use std::fmt::Write as _;

use crate::compare::bisect::Found;
use crate::model::bench_id::BenchId;
use crate::model::escape::escaped;
use crate::render::number::{grouped, percent, signed};
use crate::report::change;

/// A commit that moved a benchmark.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was found.
    pub found: Found,
    /// The commit.
    pub commit: String,
    /// The first line of its message.
    pub subject: String,
    /// The last commit before it that was measured.
    pub before: String,
    /// Of a merge: its first two parents.
    pub brought: Option<Vec<String>>,
    /// Commits before it that could not be measured.
    pub walked_around: Vec<String>,
}

/// The answers as lines of text; `still` are the benchmarks that did not move.
#[must_use]
pub fn render<'a>(answers: &[Answer], still: impl Iterator<Item = &'a BenchId>) -> String {
    let mut text = String::new();
    for answer in answers {
        one(&mut text, answer);
    }
    for id in still {
        let id = escaped(id.as_str());
        let _ = writeln!(text, "{id}: as many instructions at both ends");
    }
    text
}

fn one(text: &mut String, answer: &Answer) {
    let Answer { found, commit, .. } = answer;
    let (before, now) = (found.before.1, found.at.1);
    let id = escaped(found.id.as_str());
    let share = change(before, now).map_or_else(String::new, |it| format!(", {}", percent(it)));
    let _ = writeln!(
        text,
        "{id}: {} → {} ({}{share})\n  by {} {}",
        grouped(before),
        grouped(now),
        signed(i128::from(now) - i128::from(before)),
        short(commit),
        escaped(&answer.subject),
    );
    for around in &answer.walked_around {
        let around = short(around);
        let _ = writeln!(text, "  or by {around}, which cannot be measured");
    }
    if let Some([first, second]) = answer.brought.as_deref() {
        let _ = writeln!(
            text,
            "  a merge: search what it brought with\n    icgate bisect {id} {}..{}",
            short(first),
            short(second)
        );
    }
    if found.elsewhere != 0 {
        let _ = writeln!(
            text,
            "  {} more by other commits: search up to {}, and what comes after {}",
            signed(found.elsewhere),
            short(&answer.before),
            short(commit)
        );
    }
    let _ = writeln!(
        text,
        "  why: git checkout {0} && icgate explain {id} --base {0}~1",
        short(commit)
    );
}

/// As much of a commit's name as git shows.
fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        Answer {
            found: Found {
                id: "wal/append/b64".parse().expect("an id"),
                before: (3, 1_000),
                at: (4, 1_100),
                elsewhere: 0,
            },
            commit: "a".repeat(40),
            subject: "wal: copy\u{1b}[0m".to_owned(),
            before: "b".repeat(40),
            brought: None,
            walked_around: Vec::new(),
        }
    }

    #[test]
    fn a_commit_is_named_with_what_it_did() {
        let text = render(&[answer()], std::iter::empty());
        assert!(
            text.contains("wal/append/b64: 1,000 → 1,100 (+100, +10.00 %)"),
            "{text}"
        );
        assert!(text.contains("by aaaaaaaaaaaa wal: copy"), "{text}");
        assert!(
            !text.contains('\u{1b}') && !text.contains("merge"),
            "{text}"
        );
    }

    #[test]
    fn merges_gaps_and_other_steps_are_said() {
        let answer = Answer {
            brought: Some(vec!["c".repeat(40), "d".repeat(40)]),
            walked_around: vec!["e".repeat(40)],
            found: Found {
                elsewhere: 7,
                ..answer().found
            },
            ..answer()
        };
        let text = render(&[answer], ["wal/b".parse().expect("an id")].iter());
        for said in [
            "icgate bisect wal/append/b64 cccccccccccc..dddddddddddd",
            "or by eeeeeeeeeeee, which cannot be measured",
            "+7 more by other commits",
            "wal/b: as many instructions at both ends",
        ] {
            assert!(text.contains(said), "{said} in {text}");
        }
    }
}
