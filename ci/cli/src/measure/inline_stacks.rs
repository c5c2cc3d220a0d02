//! Inline stacks of an executable, from its DWARF debug information.
//!
//! ```text
//! address ── addr2line ──▶ Vec::push ◀ encode ◀ append      (lines and linkage names)
//!         ── symbol table ─▶ memcpy                         (where DWARF knows nothing)
//! ```
//!
//! Only the one executable is resolved: benchmarks are linked statically, and what is said of
//! other objects comes from the profile. Addresses are those of the file, as callgrind writes them.
//! Reading is lazy by unit, so that a profile of a few functions does not pay for all of them.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};

use addr2line::{Context, FrameIter};
use gimli::{EndianSlice, RunTimeEndian, Section as _, SectionId};
use icgate_core::profile::source::{Frame, InlineStacks};
use object::{Object, ObjectSection, ObjectSymbol};

use crate::error::InlineStacksError;

/// An executable, mapped. [`ExecutableStacks`] borrows from it.
#[derive(Debug)]
pub(crate) struct Executable {
    path: PathBuf,
    bytes: memmap2::Mmap,
}

/// The inline stacks of one [`Executable`].
pub(crate) struct ExecutableStacks<'b> {
    object_name: String,
    file: object::File<'b>,
    context: Context<Bytes<'b>>,
    has_debug_info: bool,
    symbols: OnceCell<Vec<ElfSymbol<'b>>>,
}

type Bytes<'b> = EndianSlice<'b, RunTimeEndian>;

struct ElfSymbol<'b> {
    start: u64,
    end: u64,
    name: &'b str,
}

impl Executable {
    /// Maps the executable at `path`, which has to be one that nobody changes: the copy in the
    /// measurement environment. Mapped rather than read, so that many large executables take no memory but for
    /// the pages that are looked at.
    ///
    /// # Errors
    ///
    /// [`InlineStacksError::Read`].
    #[expect(unsafe_code, reason = "a mapped file")]
    pub(crate) fn map(path: &Path) -> Result<Self, InlineStacksError> {
        let path = path.to_owned();
        let mapped = fs::File::open(&path).and_then(|file| {
            // SAFETY: the file lies in the measurement environment's directory, which only this process's user
            // can enter and which a lock gives to this process alone; it is written once, before.
            unsafe { memmap2::Mmap::map(&file) }
        });
        match mapped {
            Ok(bytes) => Ok(Self { path, bytes }),
            Err(source) => Err(InlineStacksError::Read { path, source }),
        }
    }

    /// Its inline stacks, for profiles that name it `object_name`.
    ///
    /// # Errors
    ///
    /// If it is no executable or its debug information is broken. One without debug information
    /// is no error: see [`ExecutableStacks::has_debug_info`].
    pub(crate) fn inline_stacks(
        &self,
        object_name: impl Into<String>,
    ) -> Result<ExecutableStacks<'_>, InlineStacksError> {
        let path = || self.path.clone();
        let file =
            object::File::parse(&*self.bytes).map_err(|source| InlineStacksError::Executable {
                path: path(),
                source: source.into(),
            })?;
        let endian = if file.is_little_endian() {
            RunTimeEndian::Little
        } else {
            RunTimeEndian::Big
        };
        let section = |id: SectionId| -> Result<Bytes<'_>, object::Error> {
            let data = match file.section_by_name(id.name()) {
                Some(section) => match section.compressed_data()? {
                    data if data.format == object::CompressionFormat::None => data.data,
                    _ => &[],
                },
                None => &[],
            };
            Ok(EndianSlice::new(data, endian))
        };
        let dwarf =
            gimli::Dwarf::load(section).map_err(|source| InlineStacksError::Executable {
                path: path(),
                source: source.into(),
            })?;
        let has_debug_info =
            !dwarf.debug_info.reader().is_empty() && !dwarf.debug_line.reader().is_empty();
        let context =
            Context::from_dwarf(dwarf).map_err(|source| InlineStacksError::DebugInfo {
                path: path(),
                source: source.into(),
            })?;
        let object_name = object_name.into();
        Ok(ExecutableStacks {
            object_name,
            file,
            context,
            has_debug_info,
            symbols: OnceCell::new(),
        })
    }
}

impl ExecutableStacks<'_> {
    /// Whether there are lines and inlined functions to be found. Without, costs can only be told
    /// by the machine's functions; `debug = "limited"` in `[profile.bench]` is the remedy, and to
    /// link without `--compress-debug-sections`.
    #[must_use]
    pub(crate) const fn has_debug_info(&self) -> bool {
        self.has_debug_info
    }

    /// Frames that DWARF knows, innermost first. What is broken counts as unknown: a report with
    /// one row named by its symbol is better than none.
    fn dwarf_frames(&self, address: u64) -> Vec<Frame> {
        let mut frames = Vec::new();
        if let Ok(mut found) = self.context.find_frames(address).skip_all_loads() {
            while let Some(frame) = next_frame(&mut found) {
                frames.push(frame);
            }
        }
        frames
    }

    /// The name of the function at `address` in the symbol table. Of several, the shortest and
    /// then the first in the alphabet, as Valgrind chooses.
    fn symbol(&self, address: u64) -> Option<&str> {
        let symbols = self.symbols.get_or_init(|| self.read_symbols());
        let after = symbols.partition_point(|symbol| symbol.start <= address);
        let symbol = &symbols[after.checked_sub(1)?];
        (address < symbol.end).then_some(symbol.name)
    }
}

impl<'b> ExecutableStacks<'b> {
    fn read_symbols(&self) -> Vec<ElfSymbol<'b>> {
        let mut symbols: Vec<ElfSymbol<'b>> = self
            .file
            .symbols()
            .filter(|symbol| symbol.is_definition() && symbol.kind() == object::SymbolKind::Text)
            .filter_map(|symbol| {
                let (start, name) = (symbol.address(), symbol.name().ok()?);
                // A symbol of the assembler may have no size: it covers its first byte at least.
                let end = start.saturating_add(symbol.size().max(1));
                Some(ElfSymbol { start, end, name })
            })
            .collect();
        symbols.sort_by_key(|symbol| (symbol.start, symbol.name.len(), symbol.name));
        symbols.dedup_by_key(|symbol| symbol.start);
        symbols
    }
}

impl InlineStacks for ExecutableStacks<'_> {
    fn frames(&self, object: &str, address: u64) -> Vec<Frame> {
        // No instruction lies at the last address, and addr2line 0.27.1 would overflow on it.
        if object != self.object_name || address == u64::MAX {
            return Vec::new();
        }
        let mut frames = self.dwarf_frames(address);
        if frames
            .last()
            .is_none_or(|outermost| outermost.function.is_none())
            && let Some(symbol) = self.symbol(address)
        {
            if frames.is_empty() {
                frames.push(Frame::default());
            }
            if let Some(outermost) = frames.last_mut() {
                outermost.function = Some(symbol.to_owned());
            }
        }
        frames
    }
}

/// The next frame outwards. Its name is the linkage name where there is one: only that is
/// qualified, and it is what the symbol table has.
fn next_frame(frames: &mut FrameIter<'_, Bytes<'_>>) -> Option<Frame> {
    let frame = frames.next().ok().flatten()?;
    let function = frame.function.as_ref().and_then(|function| {
        let name = function.raw_name().ok()?;
        Some(name.into_owned())
    });
    let (file, line) = match frame.location {
        Some(location) => (location.file.map(str::to_owned), location.line),
        None => (None, None),
    };
    Some(Frame {
        function,
        file,
        line: line.filter(|line| *line > 0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF header and nothing else.
    fn bare_elf() -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        bytes[16] = 2; // an executable
        bytes[18] = 62; // x86-64
        bytes[20] = 1; // version
        bytes[52] = 64; // size of this header
        bytes
    }

    /// An executable of these bytes.
    fn holding(bytes: &[u8]) -> Executable {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        Executable::map(file.path()).unwrap()
    }

    fn own_executable() -> Executable {
        Executable::map(&std::env::current_exe().unwrap()).unwrap()
    }

    /// A function that is certainly in the test's executable.
    #[inline(never)]
    fn landmark(value: u32) -> u32 {
        std::hint::black_box(value)
    }

    #[test]
    fn a_known_function_is_found_with_its_file_and_linkage_name() {
        assert_eq!(landmark(7), 7);
        let executable = own_executable();
        let stacks = executable.inline_stacks("exe").unwrap();
        assert!(stacks.has_debug_info());
        let symbols = stacks.read_symbols();
        let symbol = symbols
            .iter()
            .find(|symbol| symbol.name.contains("tests8landmark"))
            .unwrap();

        let outermost = stacks.frames("exe", symbol.start).pop().unwrap();
        let name = icgate_core::profile::symbol_name::normalise(&outermost.function.unwrap());
        assert!(name.ends_with("inline_stacks::tests::landmark"), "{name}");
        assert!(
            outermost
                .file
                .unwrap()
                .ends_with("src/measure/inline_stacks.rs")
        );
        assert!(outermost.line.is_some());

        assert_eq!(stacks.symbol(symbol.start), Some(symbol.name));
        assert_eq!(stacks.symbol(symbol.end - 1), Some(symbol.name));
        assert_ne!(stacks.symbol(symbol.end), Some(symbol.name));
        assert_eq!(stacks.frames("libc.so.6", symbol.start), []);
        assert_eq!(stacks.frames("exe", u64::MAX), []);
    }

    #[test]
    fn an_executable_without_debug_information_says_so() {
        let executable = holding(&bare_elf());
        let stacks = executable.inline_stacks("exe").unwrap();
        assert!(!stacks.has_debug_info());
        assert_eq!(stacks.frames("exe", 16), []);
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_remedy() {
        let error = Executable::map(Path::new("/nonexistent/exe")).unwrap_err();
        assert!(matches!(error, InlineStacksError::Read { .. }));
        let text = error.to_string();
        assert!(text.contains("/nonexistent/exe"), "{text}");

        let text_file = holding(b"#!/bin/sh\n");
        let error = text_file.inline_stacks("exe").err().unwrap();
        assert!(matches!(error, InlineStacksError::Executable { .. }));
        assert!(error.to_string().contains("` is not an executable"));
    }
}
