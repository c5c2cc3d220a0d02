//! Comma-separated values, as RFC 4180 has them, and safe to open in a spreadsheet.
//!
//! A field that a spreadsheet would read as a formula gets an apostrophe before it: a benchmark's
//! name or a commit's message may come from anybody.

/// A header and rows as text, ending in a line break.
pub(crate) fn separated(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = writer.write_record(header).and_then(|()| {
        rows.into_iter()
            .try_for_each(|row| writer.write_record(row.iter().map(|it| harmless(it))))
    });
    written.expect("every row has a field for each column, and memory takes all");
    let bytes = writer.into_inner().expect("memory takes all");
    String::from_utf8(bytes).expect("text was written")
}

fn harmless(text: &str) -> String {
    let is_number = text.parse::<i64>().is_ok();
    match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') if !is_number => format!("'{text}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_cannot_leave_its_place() {
        for (text, written) in [
            ("a", "a"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("a\nb", "\"a\nb\""),
            ("-12", "-12"),
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-a", "'-a"),
            ("+,", "\"'+,\""),
        ] {
            assert_eq!(
                separated(&["a", "b"], [vec![text.to_owned(), "x".to_owned()]]),
                format!("a,b\n{written},x\n")
            );
        }
    }
}
