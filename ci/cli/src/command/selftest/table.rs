//! The self-test's table, as Markdown.

use std::fmt::Write as _;

use super::trials::Trial;
use crate::error::SelftestError;

/// Where the table stands in a document.
const BEGIN: &str = "<!-- begin of the self-test's table -->\n";
const END: &str = "<!-- end of the self-test's table -->\n";

/// The trials, and what they come to.
pub(super) fn render(trials: &[Trial]) -> String {
    let mut text = "| trial | should | did | |\n|---|---|---|---|\n".to_owned();
    for trial in trials {
        let mark = if trial.held { "✓" } else { "✗" };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {mark} |",
            trial.what, trial.expected, trial.found
        );
    }
    let sum = |of: fn(&Trial) -> usize| trials.iter().map(of).sum::<usize>();
    let (caught, to_catch) = (sum(|it| it.caught.0), sum(|it| it.caught.1));
    let (alarms, sound) = (sum(|it| it.alarms.0), sum(|it| it.alarms.1));
    let _ = writeln!(
        text,
        "\nCatch rate {} ({caught} of {to_catch}), false alarms {alarms} of {sound}.",
        share(caught, to_catch)
    );
    text
}

fn share(part: usize, whole: usize) -> String {
    match (part * 100).checked_div(whole) {
        Some(percent) => format!("{percent} %"),
        None => "unknown".to_owned(),
    }
}

/// `document` with `table` between its marks.
pub(super) fn put(name: &str, document: &str, table: &str) -> Result<String, SelftestError> {
    let parts = document.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let Some((before, after)) = parts else {
        return Err(SelftestError::Marks {
            path: name.to_owned(),
            begin: BEGIN.trim_end(),
            end: END.trim_end(),
        });
    };
    Ok(format!("{before}{BEGIN}{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(caught: (usize, usize), alarms: (usize, usize), held: bool) -> Trial {
        Trial {
            what: "what".to_owned(),
            expected: "expected",
            found: "found".to_owned(),
            held,
            caught,
            alarms,
        }
    }

    #[test]
    fn the_table_adds_up() {
        let text = render(&[trial((2, 3), (0, 5), false), trial((1, 1), (1, 2), true)]);
        assert!(text.contains("| what | expected | found | ✗ |"), "{text}");
        assert!(
            text.ends_with("Catch rate 75 % (3 of 4), false alarms 1 of 7.\n"),
            "{text}"
        );
        assert!(render(&[]).contains("Catch rate unknown (0 of 0)"));
    }

    #[test]
    fn a_document_keeps_all_but_its_table() {
        let document = format!("before\n{BEGIN}old\n{END}after\n");
        let put = |document: &str| put("README.md", document, "new\n");
        assert_eq!(
            put(&document).unwrap(),
            format!("before\n{BEGIN}new\n{END}after\n")
        );
        let refused = put("no marks").unwrap_err().to_string();
        assert!(refused.contains("README.md"), "{refused}");
    }
}
