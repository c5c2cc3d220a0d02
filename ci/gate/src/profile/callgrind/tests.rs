use std::num::NonZeroU64;

use proptest::prelude::*;

use super::tokens::number;
use super::*;
use super::{Call, Cost};

const COMPRESSED: &[u8] = include_bytes!("../../../tests/fixtures/callgrind/compressed.out");
const PLAIN: &[u8] = include_bytes!("../../../tests/fixtures/callgrind/plain.out");
const LINES: &[u8] = include_bytes!("../../../tests/fixtures/callgrind/lines.out");

fn profile(text: &str) -> Profile {
    parse(text.as_bytes()).unwrap()
}

fn refused(text: &str) -> String {
    parse(text.as_bytes()).unwrap_err().to_string()
}

/// `object|function|address|file|line instructions` of each cost.
fn costs(profile: &Profile) -> Vec<String> {
    let show = |cost: Cost| {
        let symbol = profile.symbol(cost.symbol);
        format!(
            "{}|{}|{:x}|{}|{} {}",
            profile.object(symbol.object),
            symbol.function,
            cost.address.map_or(0, NonZeroU64::get),
            profile.file(cost.file),
            cost.line,
            cost.instructions
        )
    };
    profile.costs().map(show).collect()
}

/// `caller → object|callee count instructions` of each call.
fn calls(profile: &Profile) -> Vec<String> {
    let show = |call: &Call| {
        let callee = profile.symbol(call.callee);
        format!(
            "{} → {}|{} {}× {}",
            profile.symbol(call.caller).function,
            profile.object(callee.object),
            callee.function,
            call.count,
            call.instructions
        )
    };
    profile.calls().iter().map(show).collect()
}

#[test]
fn a_real_profile_reads_alike_compressed_and_plain() {
    let compressed = parse(COMPRESSED).unwrap();
    assert_eq!(compressed, parse(PLAIN).unwrap());
    assert_eq!(compressed.instructions(), Ok(789));
    assert_eq!(compressed.totals(), [789, 180, 96, 22, 1, 2, 22, 0, 2]);
    assert_eq!(compressed.total("Dw"), Some(96));
    assert_eq!(compressed.basic_blocks(), Some((0, 24103)));
    let command = "/environment/frame --iai-run frame 0 0 frame::frame::encode";
    assert_eq!(compressed.command(), Some(command));
    let calls = calls(&compressed);
    let memcpy = "x::enc::Enc::encode → /environment/frame|__memcpy_avx_unaligned_erms 4× 40";
    assert!(calls.iter().any(|call| call == memcpy), "{calls:#?}");
}

#[test]
fn the_same_program_without_addresses_costs_the_same() {
    let lines = parse(LINES).unwrap();
    assert_eq!(lines.instructions(), Ok(789));
    assert!(lines.costs().all(|cost| cost.address.is_none()));
}

#[test]
fn the_example_of_the_manual() {
    let text = "# callgrind format\nevents: Ir\n\nfl=(1) file1.c\nfn=(1) main\n16 20\ncfn=(2) func1\n\
                calls=1 50\n16 400\ncfi=(2) file2.c\ncfn=(3) func2\ncalls=3 20\n16 400\n\n\
                fn=(2)\n51 100\ncfi=(2)\ncfn=(3)\ncalls=2 20\n51 300\n\nfl=(2)\nfn=(3)\n20 700\n";
    let profile = profile(text);
    let expected = [
        "|func1|0|file1.c|51 100",
        "|func2|0|file2.c|20 700",
        "|main|0|file1.c|16 20",
    ];
    assert_eq!(costs(&profile), expected);
    let expected = [
        "func1 → |func2 2× 300",
        "main → |func1 1× 400",
        "main → |func2 3× 400",
    ];
    assert_eq!(calls(&profile), expected);
    assert_eq!(profile.instructions(), Ok(820));
}

#[test]
fn names_are_numbered_apart_for_objects_files_and_functions() {
    let text = "events: Ir\nob=(1) exe\nfl=(1) a.rs\nfn=(1) f\n1 1\nob=(1)\nfl=(1)\nfn=(1)\n2 2\n";
    assert_eq!(
        costs(&profile(text)),
        ["exe|f|0|a.rs|1 1", "exe|f|0|a.rs|2 2"]
    );
    let undefined = refused("events: Ir\nfl=(1) a.rs\nfn=(1)\n");
    assert_eq!(
        undefined,
        "line 3: function (1) is used and was never given a name"
    );
}

#[test]
fn a_name_in_parentheses_is_a_number_only_if_it_starts_with_a_digit() {
    let text = "events: Ir\nfl=???\nfn=(below main)\n0 5\n";
    assert_eq!(costs(&profile(text)), ["|(below main)|0|???|0 5"]);
    assert!(refused("events: Ir\nfn=(1 f\n").contains("line 2: expected a name"));
}

#[test]
fn inlined_files_change_the_file_and_not_the_function() {
    let text = "events: Ir\nfl=a.rs\nfn=f\n1 1\nfi=b.rs\n2 2\nfe=a.rs\n3 4\n";
    let profile = profile(text);
    assert_eq!(
        costs(&profile),
        ["|f|0|a.rs|1 1", "|f|0|a.rs|3 4", "|f|0|b.rs|2 2"]
    );
    let (_, symbol) = profile.symbols().next().unwrap();
    assert_eq!(profile.file(symbol.file), "a.rs");
}

#[test]
fn positions_are_relative_to_the_last_cost_line() {
    let text = "positions: instr line\nevents: Ir\nfl=a\nfn=f\n0x80001234 90 1\n+3 * 5\n+1 +1 6\n\
                cfn=g\ncalls=2 0x10 -80\n* * 40\n-1 -2 7\n";
    let expected = [
        "|f|80001234|a|90 1",
        "|f|80001237|a|89 7",
        "|f|80001237|a|90 5",
        "|f|80001238|a|91 6",
    ];
    assert_eq!(costs(&profile(text)), expected);
    let call = profile(text).calls()[0];
    assert_eq!(
        (call.address, call.line),
        (NonZeroU64::new(0x8000_1238), 91)
    );
}

#[test]
fn costs_of_calls_are_inclusive_and_no_self_cost() {
    let text = "events: Ir\nfl=a\nfn=f\n1 1\ncfn=g\ncalls=1 9\n1 100\nfn=g\n9 100\ntotals: 101\n";
    assert_eq!(profile(text).instructions(), Ok(101));
}

#[test]
fn a_callee_holds_for_one_call_and_defaults_to_the_current_object() {
    let text = "events: Ir\nob=exe\nfl=a\nfn=f\n1 1\ncob=lib\ncfi=b\ncfn=g\ncalls=1 9\n1 9\n\
                cfn=h\ncalls=1 9\n1 9\n";
    assert_eq!(calls(&profile(text)), ["f → exe|h 1× 9", "f → lib|g 1× 9"]);
    let text = "events: Ir\nfl=a\nfn=f\n1 1\ncfn=g\ncalls=1 9\n1 9\ncalls=1 9\n1 9\n";
    assert!(refused(text).starts_with("line 8: expected `cfn=` before `calls=`"));
    let text = "events: Ir\nfl=a\nfn=f\n1 1\ncfn=g\ncalls=1 9\nfn=g\n";
    assert!(refused(text).starts_with("line 7: expected the cost line of the call"));
    assert!(refused("events: Ir\nfn=f\ncfn=g\ncalls=1 9").contains("cost line of the call"));
}

#[test]
fn jumps_cost_nothing_and_may_name_files_and_functions() {
    let text = "events: Ir\nfl=a\nfn=f\n1 1\njfi=(7) b\njfn=(8) g\njump=3 +4\n* \njcnd=1/2 +4\n*\n\
                fl=(7)\nfn=(8)\n2 2\n";
    assert_eq!(costs(&profile(text)), ["|f|0|a|1 1", "|g|0|b|2 2"]);
}

#[test]
fn missing_costs_are_zero_and_too_many_are_refused() {
    let profile = profile("events: Dr Ir\nfl=a\nfn=f\n1 3\n2 4 5\n3\n");
    assert_eq!(costs(&profile), ["|f|0|a|2 5"]);
    assert_eq!(profile.totals(), [7, 5]);
    assert!(refused("events: Ir\nfn=f\n1 2 3\n").contains("no more costs than events"));
}

#[test]
fn equal_places_are_summed() {
    let text = "events: Ir\nfl=a\nfn=f\n1 1\n2 1\n1 1\ncfn=f\ncalls=1 1\n1 3\nfn=g\n1 1\nfn=f\n1 1\n\
                cfn=f\ncalls=2 1\n1 4\n";
    let profile = profile(text);
    assert_eq!(costs(&profile), ["|f|0|a|1 3", "|f|0|a|2 1", "|g|0|a|1 1"]);
    assert_eq!(calls(&profile), ["f → |f 3× 7"]);
}

#[test]
fn the_order_of_functions_means_nothing() {
    let f = "fl=b\nfn=f\n1 1\ncfi=a\ncfn=g\ncalls=1 1\n1 4\n";
    let g = "fl=a\nfn=g\n1 4\n";
    let other_f = "fl=a\nfn=f\n9 2\n";
    let one = profile(&format!("events: Ir\n{f}{g}{other_f}"));
    assert_eq!(one, profile(&format!("events: Ir\n{other_f}{g}{f}")));
    let mut merged = profile(&format!("events: Ir\n{g}{f}"));
    merged
        .merge(&profile(&format!("events: Ir\n{other_f}")))
        .unwrap();
    assert_eq!(one, merged);
}

#[test]
fn a_symbol_lies_where_its_own_lines_say_else_where_its_callers_do() {
    let call = |file: &str, callee: &str| format!("cfi={file}\ncfn={callee}\ncalls=1 1\n1 1\n");
    let calls = [call("z", "h"), call("y", "h"), call("a", "f")].concat();
    let profile = profile(&format!("events: Ir\nfl=b\nfn=f\n1 1\n{calls}"));
    let file = |name: &str| {
        let (_, symbol) = profile
            .symbols()
            .find(|(_, symbol)| symbol.function == name)
            .unwrap();
        profile.file(symbol.file)
    };
    assert_eq!((file("f"), file("h")), ("b", "y"));
}

#[test]
fn parts_add_up() {
    let text = "version: 1\npart: 1\ndesc: Timerange: Basic block 5 - 9\npositions: instr line\n\
                events: Ir\nsummary: 3\nfl=(1) a\nfn=(1) f\n0x10 1 3\ntotals: 3\n\n\
                part: 2\ndesc: Timerange: Basic block 9 - 20\npositions: line\nevents: Ir\n\
                fl=(1)\nfn=(1)\n7 4\ntotals: 4\n";
    let profile = profile(text);
    assert_eq!(profile.instructions(), Ok(7));
    assert_eq!(profile.basic_blocks(), Some((5, 20)));
    assert_eq!(costs(&profile), ["|f|0|a|7 4", "|f|10|a|1 3"]);
    let differing = "events: Ir\nfn=f\n1 1\npart: 2\nevents: Ir Dr\n";
    assert!(matches!(
        parse(differing.as_bytes()),
        Err(ProfileError::Events { .. })
    ));
}

#[test]
fn totals_come_from_totals_then_summary_then_the_sum() {
    let body = "fn=f\n1 5\n";
    assert_eq!(profile(&format!("events: Ir\n{body}")).totals(), [5]);
    assert_eq!(
        profile(&format!("events: Ir\nsummary: 6\n{body}")).totals(),
        [6]
    );
    let both = profile(&format!("events: Ir\nsummary: 6\n{body}totals: 7\n"));
    assert_eq!(both.totals(), [7]);
    assert_eq!(
        both.instructions(),
        Err(ProfileError::Total { sum: 5, total: 7 })
    );
}

#[test]
fn a_text_without_costs_is_a_profile_of_nothing() {
    assert_eq!(profile(""), Profile::default());
    let header = profile("# callgrind format\nversion: 1\nevents: Ir\ntotals: 0");
    assert_eq!(header.instructions(), Ok(0));
    assert_eq!(header.costs().count(), 0);
}

#[test]
fn what_is_no_profile_is_refused_with_its_line() {
    for (text, expected) in [
        (
            "hello\n",
            "line 1: expected a cost, a position or a header, found `hello`",
        ),
        (
            "version: 2\n",
            "line 1: expected version 1 of the format, found `2`",
        ),
        (
            "events: Cycles\n",
            "line 1: expected `Ir` among the events, found `Cycles`",
        ),
        (
            "positions: line instr\n",
            "line 1: expected positions in the order",
        ),
        (
            "positions: place\n",
            "line 1: expected `instr`, `bb` or `line`, found `place`",
        ),
        (
            "fn=f\n1 1\n",
            "line 2: expected `events:` before the first cost, found `1 1`",
        ),
        (
            "events: Ir\n1 1\n",
            "line 2: expected `fn=` before the first cost, found `1 1`",
        ),
        (
            "events: Ir\nfn=f\n1 x\n",
            "line 3: expected a cost that is a number, found `1 x`",
        ),
        (
            "events: Ir\nfn=f\n1 -1\n",
            "line 3: expected a cost that is a number",
        ),
        (
            "events: Ir\nfn=f\n1 1x\n",
            "line 3: expected a cost that is a number",
        ),
        ("events: Ir\nfn=f\n+x 1\n", "line 3: expected a position"),
        (
            "events: Ir\nfn=f\n-1 1\n",
            "line 3: a relative position is out of range",
        ),
        (
            "events: Ir\nfn=f\n4294967296 1\n",
            "line 3: the source line is out of range",
        ),
        (
            "events: Ir\nfn=f\n1 18446744073709551616\n",
            "line 3: expected a cost that is a number",
        ),
        (
            "events: Ir\nfn=f\n1 18446744073709551615\n1 1\n",
            "line 4: a sum of costs is out of range",
        ),
        (
            "events: Ir\ntotals: 1 2\n",
            "line 2: expected one number for each event",
        ),
        (
            "events: Ir\ncalls=x\n",
            "line 2: expected `calls=` with a count",
        ),
    ] {
        let error = refused(text);
        assert!(error.starts_with(expected), "{text:?}: {error}");
    }
}

#[test]
fn sums_over_parts_and_calls_are_checked() {
    let part = "events: Ir\nfn=f\n1 18446744073709551615\ntotals: 0\npart: 2\n";
    assert!(refused(&format!("{part}{part}")).contains("out of range"));
    let call = "cfn=f\ncalls=1 1\n1 18446744073709551615\n";
    assert!(refused(&format!("events: Ir\nfn=f\n{call}{call}")).contains("out of range"));
    let call = "cfn=f\ncalls=18446744073709551615 1\n1 1\n";
    assert!(refused(&format!("events: Ir\nfn=f\n{call}{call}")).contains("out of range"));
}

#[test]
fn hexadecimal_numbers_fill_64_bits_and_no_more() {
    assert_eq!(number(b"0xffffffffffffffff "), Some((u64::MAX, &b" "[..])));
    assert_eq!(number(b"0x10000000000000000"), None);
    assert_eq!(number(b"18446744073709551615"), Some((u64::MAX, &b""[..])));
    assert_eq!(number(b"18446744073709551616"), None);
    assert_eq!(number(b"0x"), None);
    assert_eq!(number(b"aF"), None);
    assert_eq!(number(b"0xaF"), Some((0xaf, &b""[..])));
}

#[test]
fn threads_of_one_process_add_up() {
    let mut merged = profile("");
    let one = profile("events: Ir\nob=exe\nfl=a\nfn=f\n1 1\n2 2\n");
    let other = profile(
        "events: Ir\nob=exe\nfl=b\nfn=g\n1 4\ncfi=a\ncfn=f\ncalls=1 1\n1 8\nfl=a\nfn=f\n2 8\n",
    );
    merged.merge(&one).unwrap();
    assert_eq!(merged, one);
    merged.merge(&other).unwrap();
    merged.merge(&profile("")).unwrap();
    assert_eq!(merged.instructions(), Ok(15));
    assert_eq!(
        costs(&merged),
        ["exe|f|0|a|1 1", "exe|f|0|a|2 10", "exe|g|0|b|1 4"]
    );
    assert_eq!(calls(&merged), ["g → exe|f 1× 8"]);

    let before = merged.clone();
    let cycles = profile("events: Ir Dr\n");
    assert!(matches!(
        merged.merge(&cycles),
        Err(ProfileError::Events { .. })
    ));
    let huge = profile("events: Ir\nfn=f\n1 18446744073709551615\n");
    assert_eq!(merged.merge(&huge), Err(ProfileError::Merge));
    assert_eq!(merged, before);
}

/// A real profile with some bytes changed, taken out, or doubled.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4), 1..12);
    (prop::sample::select(vec![COMPRESSED, PLAIN, LINES]), edits).prop_map(|(text, edits)| {
        let mut text = text.to_vec();
        for (place, byte, kind) in edits {
            let at = place.index(text.len());
            match kind {
                0 => text[at] = byte,
                1 => text[at] = b"0123456789()=+-* \n"[usize::from(byte) % 18],
                2 => drop(text.drain(at..(at + usize::from(byte)).min(text.len()))),
                _ => text.insert(at, text[at]),
            }
            text.push(b'\n');
        }
        text
    })
}

/// Gives its text a few bytes at a time, and a word of the operating system's between.
struct Trickle<'t> {
    text: &'t [u8],
    step: usize,
    interrupted: bool,
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let length = self.step.min(self.text.len()).min(buffer.len());
        let (given, rest) = self.text.split_at(length);
        buffer[..length].copy_from_slice(given);
        self.text = rest;
        Ok(length)
    }
}

fn trickle(text: &[u8], step: usize) -> Result<Profile, ReadError> {
    read(Trickle {
        text,
        step,
        interrupted: false,
    })
}

#[test]
fn a_source_reads_like_its_text_however_it_comes_in() {
    for text in [COMPRESSED, PLAIN, LINES, b"", &PLAIN[..PLAIN.len() - 1]] {
        for step in [1, 7, 4096, usize::MAX] {
            assert_eq!(trickle(text, step).unwrap(), parse(text).unwrap());
        }
    }
}

#[test]
fn a_line_may_be_longer_than_the_window() {
    let name = "n".repeat(3 * WINDOW_BYTES);
    let text = format!("events: Ir\nfn={name}\n1 5\n2 6");
    let profile = trickle(text.as_bytes(), 100_000).unwrap();
    assert_eq!(profile.symbols().next().unwrap().1.function, name);
    assert_eq!(profile.instructions(), Ok(11));
}

#[test]
fn a_line_without_end_is_refused() {
    let text = b"fn=".chain(io::repeat(b'n'));
    let error = read(text).unwrap_err().to_string();
    assert!(error.contains("the length of the next line"), "{error}");
}

#[test]
fn an_error_of_a_source_is_its_own_and_one_of_the_text_keeps_its_line() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the cable is out"))
        }
    }
    let error = read(PLAIN.chain(Broken)).unwrap_err();
    assert_eq!(error.to_string(), "the cable is out");
    let text = b"events: Ir\nfn=f\n1 5\n1 x\n";
    let error = trickle(text, 3).unwrap_err().to_string();
    assert_eq!(error, parse(text).unwrap_err().to_string());
    assert!(error.starts_with("line 4: "), "{error}");
}

proptest! {
    #[test]
    fn damaged_profiles_never_panic(text in damaged()) {
        if let Ok(profile) = parse(&text) {
            let _ = profile.instructions();
            prop_assert!(profile.costs().all(|cost| cost.instructions > 0));
            let mut twice = profile.clone();
            let _ = twice.merge(&profile);
        }
    }

    #[test]
    fn any_bytes_never_panic(text in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&text);
    }
}
