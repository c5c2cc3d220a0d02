use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use proptest::prelude::*;

use super::path::SourceFile;
use super::*;
use crate::profile::callgrind;

/// Stacks by address; each frame is `function|file|line`, innermost first.
#[derive(Debug, Clone, Default)]
struct Stacks(BTreeMap<u64, Vec<Frame>>);

impl Stacks {
    fn with(mut self, address: u64, frames: &[&str]) -> Self {
        let text = |part: Option<&str>| part.filter(|part| !part.is_empty()).map(str::to_owned);
        let frames = frames.iter().map(|frame| {
            let mut parts = frame.split('|');
            Frame {
                function: text(parts.next()),
                file: text(parts.next()),
                line: parts.next().map(|line| line.parse().unwrap()),
            }
        });
        self.0.insert(address, frames.collect());
        self
    }
}

impl InlineStacks for Stacks {
    fn frames(&self, object: &str, address: u64) -> Vec<Frame> {
        assert_eq!(object, "exe");
        self.0.get(&address).cloned().unwrap_or_default()
    }
}

fn source(text: &str, stacks: &Stacks) -> SourceProfile {
    let profile = callgrind::parse(text.as_bytes()).unwrap();
    source_functions(&profile, stacks, &SourceRoots::new("/workspace/"))
}

/// `name [file] instructions, calls, ← caller: lines` of each row.
fn rows(profile: &SourceProfile) -> Vec<String> {
    let show = |row: &SourceFunction| {
        let FunctionCost {
            name,
            file,
            instructions,
            calls,
            caller,
            ..
        } = &row.cost;
        let mut text = format!("{name} [{file}] {instructions}");
        if let Some(calls) = calls {
            write!(text, " {calls}×").unwrap();
        }
        if let Some(caller) = caller {
            write!(text, " ← {caller}").unwrap();
        }
        for LineCost {
            file,
            line,
            instructions,
        } in &row.lines
        {
            write!(text, " {file}:{line}={instructions}").unwrap();
        }
        text
    };
    profile.functions.iter().map(show).collect()
}

const HEAD: &str = "positions: instr line\nevents: Ir\nob=exe\n";

#[test]
fn an_instruction_belongs_to_its_innermost_frame_in_the_workspace() {
    let text = format!("{HEAD}fl=/rustc/1/vec.rs\nfn=encode\n0x10 1 5\n0x20 1 7\n0x30 1 1\n");
    let stacks = Stacks::default()
        .with(
            0x10,
            &[
                "push|/rustc/1/vec.rs|9",
                "put|/workspace/a.rs|3",
                "encode|/workspace/b.rs|8",
            ],
        )
        .with(
            0x20,
            &["push|/rustc/1/vec.rs|9", "encode|/workspace/b.rs|8"],
        )
        .with(0x30, &["encode|/workspace/b.rs|9"]);
    let profile = source(&text, &stacks);
    let expected = [
        "encode [b.rs] 8 0× b.rs:8=7 b.rs:9=1",
        "put [a.rs] 5 a.rs:3=5",
    ];
    assert_eq!(rows(&profile), expected);
    assert_eq!(profile.table().total(), Some(13));
    assert_eq!(profile.table().other(), 0);
    let symbol = SymbolCost {
        name: "encode".to_owned(),
        instructions: 13,
        calls: 0,
    };
    assert_eq!(profile.symbols, [symbol]);
}

#[test]
fn a_library_function_is_named_with_the_workspace_caller_it_mostly_ran_for() {
    // encode ─90→ memcpy; encode ─10→ grow ─200→ realloc ─200→ memcpy; main ─80→ memcpy
    let text = format!(
        "{HEAD}fl=???\nfn=encode\n0x10 0 1\ncfn=memcpy\ncalls=1 0\n0x10 0 90\n\
         cfn=grow\ncalls=2 0\n0x11 0 210\nfn=grow\n0x20 0 10\ncfn=realloc\ncalls=3 0\n0x20 0 200\n\
         fn=realloc\n0x30 0 5\ncfn=memcpy\ncalls=4 0\n0x30 0 200\n\
         fn=main\n0x40 0 6\ncfn=memcpy\ncalls=5 0\n0x40 0 80\n\
         fn=memcpy\n0x50 0 370\n"
    );
    let stacks = Stacks::default()
        .with(0x10, &["encode|/workspace/b.rs|8"])
        .with(
            0x11,
            &[
                "Vec::push|/rustc/abc/library/vec.rs|1",
                "encode|/workspace/b.rs|9",
            ],
        )
        .with(0x20, &["grow|/rustc/abc/library/vec.rs|7"])
        .with(0x40, &["main|/workspace/m.rs|4"])
        .with(0x50, &["memcpy"]);
    let expected = [
        "memcpy [] 370 10× ← encode b.rs:9=210",
        "grow [rust/library/vec.rs] 10 2× ← encode b.rs:9=210",
        "main [m.rs] 6 0× m.rs:4=6",
        "realloc [] 5 3× ← encode b.rs:9=210",
        "encode [b.rs] 1 0× b.rs:8=1",
    ];
    assert_eq!(rows(&source(&text, &stacks)), expected);
}

#[test]
fn cycles_among_library_functions_end() {
    let text = format!(
        "{HEAD}fl=a\nfn=p\n0x1 0 1\ncfn=q\ncalls=1 0\n0x1 0 90\ncfn=p\ncalls=1 0\n0x1 0 95\n\
         fn=q\n0x2 0 1\ncfn=p\ncalls=1 0\n0x2 0 80\n\
         fn=w\n0x3 0 1\ncfn=q\ncalls=1 0\n0x3 0 5\nfn=lonely\n0x4 0 1\n"
    );
    let stacks = Stacks::default().with(0x3, &["w|/workspace/w.rs|3"]);
    let expected = [
        "lonely [a] 1 0×",
        "p [a] 1 1× ← w w.rs:3=5",
        "q [a] 1 1× ← w w.rs:3=5",
        "w [w.rs] 1 0× w.rs:3=1",
    ];
    assert_eq!(rows(&source(&text, &stacks)), expected);
}

#[test]
fn equally_expensive_callers_are_told_apart_by_name() {
    let call = |name: &str, address: u8| {
        format!("fn={name}\n0x{address} 0 1\ncfn=memcpy\ncalls=1 0\n0x{address} 0 5\n")
    };
    let stacks = Stacks::default()
        .with(1, &["a|/workspace/a.rs|1"])
        .with(2, &["b|/workspace/b.rs|2"]);
    for calls in [call("a", 1) + &call("b", 2), call("b", 2) + &call("a", 1)] {
        let text = format!("{HEAD}fl=x\n{calls}fn=memcpy\n0x9 0 10\n");
        assert_eq!(
            rows(&source(&text, &stacks))[0],
            "memcpy [x] 10 2× ← a a.rs:1=5"
        );
    }
}

#[test]
fn without_addresses_the_profile_itself_says_where() {
    let text = "events: Ir\nob=exe\nfl=/workspace/b.rs\nfn=encode::h0123456789abcdef\n3 5\n\
                fi=/rustc/1/vec.rs\n9 7\ncfi=???\ncfn=memcpy\ncalls=2 0\n9 4\nfe=/workspace/b.rs\n\
                cfi=???\ncfn=memcpy\ncalls=2 0\n6 3\nfl=???\nfn=memcpy\n0 7\n";
    let expected = [
        "encode [b.rs] 12 0× b.rs:3=5",
        "memcpy [] 7 4× ← encode b.rs:6=3",
    ];
    assert_eq!(rows(&source(text, &Stacks::default())), expected);
}

#[test]
fn an_instruction_without_a_frame_in_the_workspace_stays_with_its_workspace_symbol() {
    let text = format!("{HEAD}fl=x\nfn=encode\n0x10 0 5\n0x20 0 1\n0x30 0 1\n");
    let stacks = Stacks::default()
        .with(0x10, &["encode|/rustc/1/iter.rs|5"])
        .with(0x20, &["encode|/workspace/b.rs|8"])
        .with(0x30, &["encode"]);
    assert_eq!(
        rows(&source(&text, &stacks)),
        ["encode [b.rs] 7 0× b.rs:8=1"]
    );
}

#[test]
fn a_standard_function_with_a_line_of_the_workspace_is_no_function_of_it() {
    let text = format!("{HEAD}fl=x\nfn=encode\n0x10 0 5\nfn=core::f\n0x20 0 1\n");
    let stacks = Stacks::default()
        .with(
            0x10,
            &[
                "core::hint::black_box|/workspace/b.rs|4",
                "encode|/workspace/b.rs|8",
            ],
        )
        .with(0x20, &["core::f::<u8>|/workspace/b.rs|4"]);
    let expected = ["encode [b.rs] 5 0× b.rs:8=5", "core::f [x] 1 0×"];
    assert_eq!(rows(&source(&text, &stacks)), expected);
}

#[test]
fn calls_that_cost_nothing_were_outside_and_inlined_functions_have_none() {
    let text = format!(
        "{HEAD}fl=x\nfn=setup\n0x9 0 1\ncfn=f\ncalls=50 0\n0x9 0\n\
         fn=g\n0x8 0 7\ncfn=f\ncalls=3 0\n0x8 0 9\ncfn=f'2\ncalls=4 0\n0x8 0 3\n\
         fn=f\n0x1 0 6\n0x2 0 1\nfn=f'2\n0x1 0 4\n"
    );
    let stacks = Stacks::default()
        .with(0x1, &["f|/workspace/b.rs|1"])
        .with(0x2, &["inlined|/workspace/b.rs|0", "f|/workspace/b.rs|1"]);
    let profile = source(&text, &stacks);
    assert_eq!(rows(&profile)[0], "f [b.rs] 10 7× b.rs:1=10");
    assert!(rows(&profile).contains(&"inlined [b.rs] 1".to_owned()));
    assert_eq!(
        (profile.symbols[0].name.as_str(), profile.symbols[0].calls),
        ("f", 7)
    );
}

#[test]
fn calls_of_a_set_up_are_not_counted() {
    // Callgrind says 50 and 40 calls. The measured region has entered `f` three times and `h` once, and
    // called `f` twice in one place.
    let text = format!(
        "{HEAD}fl=x\nfn=g\n0x8 0 2\ncfn=f\ncalls=50 0x20\n0x8 0 60\n0x9 0 9\ncfn=h\ncalls=40 0x30\n0x9 0 4\n\
         fn=f\n0x20 0 3\n0x21 0 57\nfn=h\n0x30 0 1\n0x31 0 3\n"
    );
    let stacks = Stacks::default()
        .with(0x8, &["g|/workspace/g.rs|8"])
        .with(0x9, &["g|/workspace/g.rs|9"]);
    let profile = source(&text, &stacks);
    let rows = rows(&profile);
    assert!(rows[0].starts_with("f [x] 60 2×"), "{rows:?}");
    assert!(
        rows.iter().any(|it| it.starts_with("h [x] 4 1×")),
        "{rows:?}"
    );
}

#[test]
fn files_are_named_alike_on_every_machine() {
    let roots = SourceRoots::new("/workspace");
    for (path, expected) in [
        (
            "/workspace/engine/src/frame.rs",
            SourceFile::Workspace("engine/src/frame.rs".into()),
        ),
        (
            "/workspace/benches/../engine/./a.rs",
            SourceFile::Workspace("engine/a.rs".into()),
        ),
        (
            "/workspace/target/release/build/x/out/a.rs",
            SourceFile::Library("target/release/build/x/out/a.rs".into()),
        ),
        (
            "/workspace/targets/a.rs",
            SourceFile::Workspace("targets/a.rs".into()),
        ),
        ("/workspace/../a.rs", SourceFile::Library("/a.rs".into())),
        (
            "/workspaces/a.rs",
            SourceFile::Library("/workspaces/a.rs".into()),
        ),
        (
            "/rustc/59807616e1/library/core/src/cmp.rs",
            SourceFile::Library("rust/library/core/src/cmp.rs".into()),
        ),
        (
            "/home/u/.rustup/toolchains/t/lib/rustlib/src/rust/library/a.rs",
            SourceFile::Library("rust/library/a.rs".into()),
        ),
        (
            "/cargo/registry/src/index.crates.io-1949cf8c6b5b557f/serde_json-1.0.128/src/de.rs",
            SourceFile::Library("serde_json-1.0.128/src/de.rs".into()),
        ),
        (
            "/workspace/.cargo/registry/src/idx/zstd-sys-2.0.1+zstd.1.5.2/z.c",
            SourceFile::Library("zstd-sys-2.0.1+zstd.1.5.2/z.c".into()),
        ),
        (
            "/cargo/git/checkouts/tool-1a2b3c/9f8e7d6/src/lib.rs",
            SourceFile::Library("tool/src/lib.rs".into()),
        ),
        (
            "./string/../sysdeps/memmove.S",
            SourceFile::Library("sysdeps/memmove.S".into()),
        ),
        ("???", SourceFile::Library("".into())),
        ("", SourceFile::Library("".into())),
    ] {
        assert_eq!(roots.classify(path), expected, "{path}");
    }
}

fn frame() -> impl Strategy<Value = Frame> {
    let file = prop::sample::select(vec![
        "",
        "/workspace/a.rs",
        "/workspace/b.rs",
        "/rustc/1/c.rs",
    ]);
    let function = prop::option::of(prop::sample::select(vec!["f", "g", "h::{closure#1}"]));
    (function, file, prop::option::of(0..4_u32)).prop_map(|(function, file, line)| Frame {
        function: function.map(str::to_owned),
        file: Some(file.to_owned()),
        line,
    })
}

/// A profile of up to five functions at eight addresses that call one another.
fn profile_text() -> impl Strategy<Value = String> {
    let file = prop::sample::select(vec!["/workspace/a.rs", "/rustc/1/c.rs", "???"]);
    let line = (
        0..8_u8,
        0..4_u8,
        0..1_000_u32,
        prop::option::of((0..5_u8, 0..9_u8, 0..1_000_u32)),
    );
    let lines = prop::collection::vec(line, 0..6);
    let function = (0..5_u8, file, lines);
    (any::<bool>(), prop::collection::vec(function, 0..8)).prop_map(|(addresses, functions)| {
        let positions = if addresses { "instr line" } else { "line" };
        let mut text = format!("positions: {positions}\nevents: Ir\nob=exe\n");
        for (function, file, lines) in functions {
            writeln!(text, "fl={file}\nfn=f{function}").unwrap();
            for (address, line, cost, call) in lines {
                let position = if addresses {
                    format!("{address:#x} {line}")
                } else {
                    line.to_string()
                };
                writeln!(text, "{position} {cost}").unwrap();
                if let Some((callee, count, cost)) = call {
                    writeln!(text, "cfn=f{callee}\ncalls={count} 0\n{position} {cost}").unwrap();
                }
            }
        }
        text
    })
}

proptest! {
    #[test]
    fn rows_add_up_to_the_profile(
        text in profile_text(),
        stacks in prop::collection::btree_map(0..8_u64, prop::collection::vec(frame(), 0..4), 0..8),
    ) {
        let profile = callgrind::parse(text.as_bytes()).unwrap();
        let total = profile.instructions().unwrap();
        let source = source(&text, &Stacks(stacks));
        prop_assert_eq!(source.table().total(), Some(total));
        prop_assert_eq!(source.symbols.iter().map(|symbol| symbol.instructions).sum::<u64>(), total);

        let keys: BTreeSet<_> =
            source.functions.iter().map(|row| (&row.cost.name, &row.cost.file)).collect();
        prop_assert_eq!(keys.len(), source.functions.len());
        let costs: Vec<_> = source.functions.iter().map(|row| row.cost.clone()).collect();
        let table = source.table();
        prop_assert_eq!(table.rows(), costs);
        for row in &source.functions {
            prop_assert!(row.cost.instructions > 0);
            prop_assert!(row.lines.is_sorted_by_key(|line| Reverse(line.instructions)));
            if row.cost.caller.is_none() {
                let lines: u64 = row.lines.iter().map(|line| line.instructions).sum();
                prop_assert!(lines <= row.cost.instructions);
            }
        }
    }
}

/// `caller → callee @ file:line calls× instructions` of each site.
fn sites(profile: &SourceProfile) -> Vec<String> {
    let mut names: Vec<_> = profile.functions.iter().map(|it| it.cost.key()).collect();
    names.push(("wrap", "a.rs"));
    let mut sites = Vec::new();
    for (name, file) in names {
        for callee in profile.calls.callees(name, file) {
            let mut text = format!("{name} → {}", callee.name);
            if let Some((file, line)) = &callee.site.line {
                write!(text, " @ {file}:{line}").unwrap();
            }
            if let Some(calls) = callee.site.calls {
                write!(text, " {calls}×").unwrap();
            }
            write!(text, " {}", callee.site.instructions).unwrap();
            sites.push(text);
        }
    }
    sites
}

#[test]
fn what_is_inlined_is_called_from_the_line_of_the_frame_around_it() {
    let text = format!(
        "{HEAD}fl=/workspace/a.rs\nfn=main\n0x10 1 100\n0x20 1 7\ncfn=memcpy\ncalls=3 0x50\n0x20 1 40\nfn=memcpy\n0x50 1 40\n"
    );
    let stacks = Stacks::default()
        .with(
            0x10,
            &[
                "helper|/workspace/a.rs|3",
                "fold|/rustc/1/iter.rs|8",
                "wrap|/workspace/a.rs|20",
                "main|/workspace/a.rs|30",
            ],
        )
        .with(
            0x20,
            &[
                "helper|/workspace/a.rs|4",
                "wrap|/workspace/a.rs|21",
                "main|/workspace/a.rs|30",
            ],
        )
        .with(0x50, &["memcpy|/libc/memcpy.S|1"]);
    let profile = source(&text, &stacks);
    assert_eq!(
        sites(&profile),
        [
            "helper → memcpy @ a.rs:4 3× 40",
            "wrap → helper @ a.rs:20 100",
            "wrap → helper @ a.rs:21 47",
        ]
    );
    let outer: Vec<_> = profile
        .calls
        .callers("wrap", "a.rs")
        .map(|it| {
            (
                it.name.as_str(),
                it.site.line.clone().unwrap().1,
                it.site.instructions,
            )
        })
        .collect();
    assert_eq!(outer, [("main", 30, 147)]);
}
