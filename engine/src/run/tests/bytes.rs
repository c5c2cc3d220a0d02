//! The bytes of rows, as `FORMAT.md` says them, and hostile ones.

use std::borrow::Cow;

use proptest::prelude::*;

use crate::run::attribute;
use crate::run::change::{self, Change, Event, Outcome, RunId, SpanId};
use crate::run::row::{self, About, Head, Span, SpanEnd, Status};
use crate::run::spaces;
use crate::run::{Attribute, Attributes};

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The numbers from 1 to `last`, as rows have them.
fn counted(last: u64) -> String {
    hex(&(1..=last).flat_map(u64::to_le_bytes).collect::<Vec<_>>())
}

fn journal(change: &Change<'_>) -> Vec<u8> {
    let mut row = Vec::new();
    change::put(&mut row, 0x0102, change);
    row
}

fn attributes() -> Attributes {
    Attributes::from([
        ("b".into(), Attribute::Bool(true)),
        ("f".into(), Attribute::Float(1.5)),
        ("i".into(), Attribute::Integer(-2)),
        ("t".into(), Attribute::from("é")),
        ("x".into(), Attribute::Bytes(vec![0xff])),
    ])
}

const ATTRIBUTES: &str = "05000100620401010066030000000000\
                          00f83f01006902feffffffffffffff0100740102000000c3a9010078050\
                          1000000ff";

#[test]
fn rows_of_the_journal_have_the_documented_bytes() {
    let time = "0201000000000000";
    let cases = [
        (Change::Began { name: "ab" }, format!("0101{time}02006162")),
        (Change::Resumed, format!("0102{time}")),
        (Change::Orphaned, format!("0103{time}")),
        (
            Change::Ended {
                outcome: Outcome::Failed,
                note: "no",
            },
            format!("0104{time}026e6f"),
        ),
        (
            Change::Tagged {
                tag: "t",
                is_set: true,
            },
            format!("0105{time}01010074"),
        ),
        (
            Change::Noted {
                name: "n",
                value: Some(Cow::Owned(Attribute::Integer(1))),
            },
            format!("0106{time}01006e01020100000000000000"),
        ),
        (
            Change::Noted {
                name: "n",
                value: None,
            },
            format!("0106{time}01006e00"),
        ),
        (
            Change::Put {
                key: b"k",
                value: b"vw",
            },
            format!("0107{time}010000006b7677"),
        ),
        (Change::Deleted { key: b"k" }, format!("0108{time}6b")),
        (
            Change::Cell {
                name: "c",
                previous: 3,
                version: 2,
                value: b"v",
            },
            format!("0109{time}0300000000000000010063020000000000000076"),
        ),
        (
            Change::SpanStarted {
                span: SpanId(2),
                parent: Some(SpanId(1)),
                name: "s",
                attributes: Cow::Owned(attributes()),
            },
            format!("010a{time}02000000000000000100000000000000010073{ATTRIBUTES}"),
        ),
        (
            Change::SpanEnded {
                span: SpanId(2),
                outcome: Outcome::Succeeded,
                attributes: Cow::Owned(Attributes::new()),
            },
            format!("010b{time}0200000000000000010000"),
        ),
    ];
    for (change, bytes) in cases {
        let row = journal(&change);
        assert_eq!(hex(&row), bytes, "{change:?}");
        assert_eq!(change::read(&row), Ok(change));
        assert_eq!(change::read_time(&row), Ok(0x0102));
    }
}

#[test]
fn other_rows_have_the_documented_bytes() {
    let event = Event {
        seq: 4,
        kind: "k",
        attributes: Cow::Owned(Attributes::new()),
        body: b"body",
    };
    let mut row = Vec::new();
    change::put_event(&mut row, 5, 6, &event);
    assert_eq!(
        hex(&row),
        "010500000000000000060000000000000001006b0000626f6479"
    );
    assert_eq!(change::read_event(4, &row), Ok(event));
    assert_eq!(change::read_event_head(&row), Ok((5, 6)));

    let head = Head {
        status: Status::Ended(Outcome::Cancelled),
        steps: 1,
        events: 2,
        spans: 3,
        began_us: 4,
        last_us: 5,
    };
    let numbers = counted(5);
    assert_eq!(hex(&head.bytes()), format!("010203{numbers}"));
    assert_eq!(Head::read(&head.bytes()), Ok(head));

    let about = About {
        name: "n".into(),
        note: "why".into(),
        tags: ["t".to_owned()].into(),
        metadata: Attributes::new(),
    };
    assert_eq!(hex(&about.bytes()), "0101006e01000100740000776879");
    assert_eq!(About::read(&about.bytes()), Ok(about));

    let cell = row::cell(1, 2, 3, b"v");
    let numbers = counted(3);
    assert_eq!(hex(&cell), format!("01{numbers}76"));
    assert_eq!(row::read_cell(&cell), Ok([1, 2, 3]));

    let span = Span {
        id: SpanId(2),
        parent: None,
        name: "s".into(),
        attributes: Attributes::new(),
        started_us: 1,
        started_step: 2,
        end: Some(SpanEnd {
            outcome: Outcome::Succeeded,
            time_us: 3,
            step: 4,
        }),
    };
    let numbers = counted(4);
    assert_eq!(
        hex(&span.bytes()),
        format!("01{numbers}0000000000000000010100730000")
    );
    assert_eq!(Span::read(SpanId(2), &span.bytes()), Ok(span));
}

#[test]
fn keys_have_the_documented_bytes() {
    let run = RunId(0x0102);
    assert_eq!(
        hex(&spaces::catalog(spaces::HEAD, run)),
        "010000000000000102"
    );
    assert_eq!(hex(&spaces::tag("ab", run)), "04000261620000000000000102");
    assert_eq!(
        hex(&spaces::numbered(run, 7)),
        "00000000000001020000000000000007"
    );
    assert_eq!(hex(&spaces::named(run, b"ab")), "00000000000001026162");
    assert_eq!(spaces::run_of(&spaces::tag("ab", run)), Some(run));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn hostile_rows_are_errors_or_values_and_never_panic(
        mut row in prop::collection::vec(any::<u8>(), 0..80),
        kind in 0_u8..14,
    ) {
        for prefix in [&[][..], &[1], &[1, kind]] {
            row.splice(..prefix.len().min(row.len()), prefix.iter().copied());
            let _ = change::read(&row);
            let _ = change::read_event(0, &row);
            let _ = Head::read(&row);
            let _ = About::read(&row);
            let _ = row::read_cell(&row);
            let _ = Span::read(SpanId(1), &row);
            let _ = row::read_span_content(&row);
        }
    }

    #[test]
    fn attributes_come_back_as_written(
        texts in prop::collection::btree_map(".{0,8}", ".{0,20}", 0..4),
        numbers in prop::collection::btree_map("[a-z]{1,4}", any::<i64>(), 0..4),
    ) {
        let mut attributes: Attributes = texts.into_iter()
            .map(|(name, it)| (name, Attribute::Text(it)))
            .collect();
        attributes.extend(numbers.into_iter().map(|(name, it)| (name, Attribute::Integer(it))));
        let mut row = Vec::new();
        attribute::put_all(&mut row, &attributes);
        let mut rest = crate::run::code::Reader(&row);
        prop_assert_eq!(attribute::read_all(&mut rest), Ok(attributes));
        prop_assert_eq!(rest.end(), Ok(()));
    }
}

#[test]
fn row_cut_anywhere_is_an_error_where_its_end_is_known() {
    let change = Change::SpanStarted {
        span: SpanId(2),
        parent: None,
        name: "s",
        attributes: Cow::Owned(attributes()),
    };
    let row = journal(&change);
    for len in 0..row.len() {
        assert!(change::read(&row[..len]).is_err(), "cut to {len}");
    }
    let mut longer = row.clone();
    longer.push(0);
    assert!(change::read(&longer).is_err());
    let mut newer = row;
    newer[0] = 2;
    assert!(change::read(&newer).is_err());
}
