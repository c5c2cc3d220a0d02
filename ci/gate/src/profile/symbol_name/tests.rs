use proptest::prelude::*;

use super::*;

#[test]
fn what_is_not_in_the_source_goes() {
    for (symbol, expected) in [
        (
            "_ZN1x3enc3Enc6encode17h2451ac9e87b38a93E",
            "x::enc::Enc::encode",
        ),
        (
            "_ZN1x3enc3Enc6encode17h2451ac9e87b38a93E.llvm.123456",
            "x::enc::Enc::encode",
        ),
        (
            "x::enc::Enc::encode::h2451ac9e87b38a93",
            "x::enc::Enc::encode",
        ),
        (
            "_RNvMNtCslNYArtu3iFV_5alloc5allocNtB2_6Global10alloc_impl",
            "alloc::alloc::Global::alloc_impl",
        ),
        (
            "_RNvCsfLfy6EI15iL_7___rustc11___rdl_alloc",
            "__rustc::__rdl_alloc",
        ),
        (
            "alloc[1f]::alloc[abcdef123]::dealloc",
            "alloc::alloc::dealloc",
        ),
        ("wal::encode::{{closure}}", "wal::encode::{closure}"),
        ("wal::encode::{{closure}}#3", "wal::encode::{closure}"),
        (
            "wal::encode::{closure#3}::{closure#12}",
            "wal::encode::{closure}::{closure}",
        ),
        ("wal::{impl#3}::drop", "wal::{impl}::drop"),
        ("wal::{{impl}}::drop", "wal::{impl}::drop"),
        (
            "core::ops::FnOnce::call_once{{vtable.shim}}",
            "core::ops::FnOnce::call_once{vtable.shim}",
        ),
        ("systrim.constprop.0", "systrim"),
        ("base_of_encoded_value.cold", "base_of_encoded_value"),
        ("f.isra.0.part.1.cold.7", "f"),
        ("(below main)'2", "(below main)"),
        ("fib'2'3", "fib"),
        ("memcpy@@GLIBC_2.14", "memcpy"),
        ("malloc [/usr/lib/libc.so.6]", "malloc"),
    ] {
        assert_eq!(normalise(symbol), expected, "{symbol}");
    }
}

#[test]
fn both_manglings_spell_a_generic_function_alike() {
    for (legacy, v0, expected) in [
        (
            "alloc::vec::Vec<T,A>::push",
            "<alloc::vec::Vec<u8>>::push",
            "alloc::vec::Vec::push",
        ),
        (
            "foo::bar",
            "foo::bar::<u8, alloc::alloc::Global>",
            "foo::bar",
        ),
        (
            "core::num::<impl usize>::wrapping_sub",
            "<usize>::wrapping_sub",
            "usize::wrapping_sub",
        ),
        ("core::str::<impl str>::len", "<str>::len", "str::len"),
        (
            "<alloc::vec::Vec<T,A> as alloc::vec::SpecExtend<&T,core::slice::iter::Iter<T>>>::spec_extend",
            "<alloc::vec::Vec<u8> as alloc::vec::SpecExtend<&u8, core::slice::iter::Iter<u8>>>::spec_extend",
            "<alloc::vec::Vec as alloc::vec::SpecExtend>::spec_extend",
        ),
        (
            "core::cmp::impls::<impl core::cmp::Ord for u8>::cmp",
            "<u8 as core::cmp::Ord>::cmp",
            "<u8 as core::cmp::Ord>::cmp",
        ),
        (
            "<F as core::ops::FnOnce<(A,B)>>::call",
            "<F as core::ops::FnOnce<(A, B)>>::call",
            "<F as core::ops::FnOnce>::call",
        ),
        ("<(A,B) as T>::f", "<(A, B) as T>::f", "<(A, B) as T>::f"),
    ] {
        assert_eq!(normalise(legacy), expected, "{legacy}");
        assert_eq!(normalise(v0), expected, "{v0}");
    }
}

#[test]
fn what_a_reader_needs_stays() {
    for name in [
        "__memcpy_sse2_unaligned",
        "__memcpy_avx_unaligned_erms",
        "<[T] as core::ops::Index>::index",
        "<&mut dyn core::fmt::Write as core::fmt::Write>::write_str",
        "<fn(u32) -> u8 as wal::Map>::map",
        "operator<",
        "operator->",
        "(below main)",
        "???",
        "0x0000000000107b00",
        "main",
        "<[T]>::iter",
    ] {
        assert_eq!(normalise(name), name);
    }
}

#[test]
fn what_is_dropped_keeps_its_type_in_both_manglings() {
    let expected = "core::ptr::drop_in_place::<alloc::vec::Vec>";
    for name in [
        "core::ptr::drop_in_place<alloc::vec::Vec<u8>>",
        "core::ptr::drop_in_place::<alloc::vec::Vec<u8>>",
        expected,
    ] {
        assert_eq!(normalise(name), expected, "{name}");
    }
}

#[test]
fn a_name_that_is_nothing_but_a_suffix_stays() {
    for name in [
        ".cold",
        "'2",
        "@plt",
        "::<u8>",
        "::h2451ac9e87b38a93",
        "_ZNE",
        " ",
    ] {
        assert!(!normalise(name).is_empty(), "{name}");
    }
    assert_eq!(normalise(""), "");
}

#[test]
fn hostile_nesting_is_left_alone() {
    let deep = "<".repeat(1 << 15) + &">".repeat(1 << 15);
    assert_eq!(normalise(&deep), deep);
    let long = "a::".repeat(1 << 18);
    assert_eq!(normalise(&long), long);
}

/// Pieces of which both real and broken names are made.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b::",
        "::",
        "<",
        ">",
        "::<",
        "impl ",
        " for ",
        " as ",
        "{",
        "}",
        "{{closure}}",
        "#3",
        "[",
        "]",
        "[1f]",
        "(",
        ")",
        ",",
        ", ",
        ".cold",
        ".llvm.",
        "'2",
        "@",
        "::h",
        "2451ac9e87b38a93",
        "_ZN",
        "17h2451ac9e87b38a93E",
        "3foo",
        "E",
        "_R",
        "Nv",
        "C",
        "&",
        " ",
        "->",
        "é",
        "core::",
        "T",
        "dyn ",
        "\u{0}",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn normalising_twice_changes_nothing(name in pieces()) {
        let once = normalise(&name);
        prop_assert_eq!(normalise(&once), once.clone());
        prop_assert_eq!(once.is_empty(), name.is_empty());
    }

    #[test]
    fn any_text_has_a_normal_form(name in any::<String>()) {
        let once = normalise(&name);
        prop_assert_eq!(normalise(&once), once.clone());
        prop_assert_eq!(once.is_empty(), name.is_empty());
    }
}
