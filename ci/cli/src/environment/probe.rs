//! Builds and runs the probe (`probe/probe.rs`), and reads what it shows.
//!
//! It is also what decides how benchmarks are linked: statically where that works, since Valgrind
//! then starts in a third of the time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use icgate_core::model::note::Note;
use icgate_core::model::policy::Switches;
use icgate_core::profile::callgrind;
use serde::{Deserialize, Serialize};

use super::directory::EnvironmentDirectory;
use super::pins::{Pins, SEED_VARIABLE, TIME_ZONE};
use super::stack::{self, StackOffset};
use super::toolchain::Toolchain;
use super::valgrind::{CACHES, CALLGRIND_OPTIONS, TUNABLES, Valgrind};
use crate::error::EnvironmentError;
use crate::{paths, process};

const SOURCE: &str = include_str!("../../probe/probe.rs");

/// Of what it prints where it fails, this much is shown.
const OUTPUT_BYTES_MAX: u64 = 4_000;

/// How benchmarks are linked with the C library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Linkage {
    Static,
    Dynamic,
}

impl Linkage {
    /// What is tried, in this order. Heap tools cannot replace the allocator of an executable that is
    /// linked statically.
    pub(crate) const fn of(switches: Switches) -> &'static [Self] {
        if switches.heap_tools {
            &[Self::Dynamic]
        } else {
            &[Self::Static, Self::Dynamic]
        }
    }
}

/// What the probe showed.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    pub(crate) linkage: Linkage,
    /// The CPU as programs under Valgrind see it.
    pub(crate) cpu: String,
    /// Variants of memory functions in use, sorted.
    pub(crate) memory_functions: Vec<String>,
    /// Whether the tunables have taken effect: as a canary, by what they do and not by what was set.
    pub(crate) tunables_hold: bool,
    /// Variants of memory functions that the tunables rule out and that are in use all the same.
    pub(crate) unpinned_functions: Vec<String>,
    /// Whether the pins are linked in.
    pub(crate) is_pinned: bool,
    /// What they told it in the machine's place.
    pub(crate) machine: String,
    /// Where its stack began.
    pub(crate) stack: StackOffset,
    /// The C library's file, where it is linked dynamically.
    pub(crate) libc: Option<PathBuf>,
}

/// A probe that was compiled.
#[derive(Debug)]
pub(crate) struct ProbeExecutable {
    pub(crate) path: PathBuf,
    /// How it could be linked, and so how benchmarks are.
    pub(crate) linkage: Linkage,
    /// Whether the pins are linked in.
    pub(crate) is_pinned: bool,
}

/// Builds the probe in the first of `linkages` that works, or finds the one that this compiler
/// built before in `cache`.
pub(crate) fn build_probe(
    toolchain: &Toolchain,
    cache: &Path,
    linkages: &[Linkage],
    pins: Option<&Pins>,
) -> Result<ProbeExecutable, EnvironmentError> {
    let libc = toolchain.static_libc.as_ref().map(|it| &it.digest);
    let made_of = format!(
        "{SOURCE}\0{}\0{}\0{libc:?}\0{:?}",
        toolchain.rustc,
        toolchain.target,
        pins.map(Pins::placeholder),
    );
    let key = blake3::hash(made_of.as_bytes());
    let directory = cache.join(&key.to_hex()[..16]);
    let failed = |what: String| EnvironmentError::ProbeBuild { what };
    std::fs::create_dir_all(&directory).map_err(|error| failed(error.to_string()))?;
    let source = directory.join("probe.rs");
    crate::io::store::write(&source, SOURCE).map_err(|error| failed(error.to_string()))?;
    let mut what = String::new();
    for &linkage in linkages {
        let path = directory.join(match linkage {
            Linkage::Static => "probe-static",
            Linkage::Dynamic => "probe-dynamic",
        });
        if path.exists() {
            return Ok(ProbeExecutable {
                path,
                linkage,
                is_pinned: pins.is_some(),
            });
        }
        // Compiled under another name and renamed: a half-written executable is never found.
        let unfinished = path.with_extension(std::process::id().to_string());
        let mut command = Command::new("rustc");
        command
            .current_dir(&toolchain.directory)
            .args(["--edition=2024", "-Copt-level=2"]);
        command.arg(format!("--target={}", toolchain.target));
        if linkage == Linkage::Static {
            command.arg("-Ctarget-feature=+crt-static");
        }
        if let Some(pins) = pins {
            command.arg(format!("-Clink-arg={}", pins.object.display()));
        }
        command.arg("-o").arg(&unfinished).arg(&source);
        let output = process::output(&mut command).map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            std::fs::rename(&unfinished, &path).map_err(|error| failed(error.to_string()))?;
            return Ok(ProbeExecutable {
                path,
                linkage,
                is_pinned: pins.is_some(),
            });
        }
        String::from_utf8_lossy(&output.stderr)
            .trim()
            .clone_into(&mut what);
    }
    Err(failed(what))
}

/// Runs the probe in the measurement environment.
pub(crate) fn run_probe(
    executable: &ProbeExecutable,
    valgrind: &Valgrind,
    environment: &EnvironmentDirectory,
) -> Result<Probe, EnvironmentError> {
    let failed = |what: String| EnvironmentError::ProbeRun { what };
    let directory = environment.create("probe")?;
    let copy = directory.join("probe");
    if let Err(source) = std::fs::copy(&executable.path, &copy) {
        return Err(EnvironmentError::Directory { path: copy, source });
    }
    let profile_path = directory.join("profile");
    let mut env_vars = BTreeMap::from([("GLIBC_TUNABLES".to_owned(), TUNABLES.to_owned())]);
    if executable.is_pinned {
        env_vars.insert(TIME_ZONE.0.to_owned(), TIME_ZONE.1.to_owned());
        env_vars.insert(SEED_VARIABLE.to_owned(), "000000".to_owned());
    }
    let filling = StackOffset::default().fill(&copy.to_string_lossy(), &[], &env_vars);
    env_vars.insert(stack::VARIABLE.to_owned(), filling);
    let mut command = Command::new(&valgrind.path);
    command.current_dir(&directory).env_clear().envs(&env_vars);
    command
        .arg("--tool=callgrind")
        .args(CALLGRIND_OPTIONS)
        .args(CACHES);
    command.arg(format!("--callgrind-out-file={}", profile_path.display()));
    command
        .arg(format!("--log-file={}", directory.join("log").display()))
        .arg(&copy);
    environment
        .hand_over(&directory)
        .map_err(|error| failed(error.to_string()))?;
    environment.confine(&mut command);
    let output = process::output(&mut command).map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let log = paths::read_plain(&directory.join("log"), OUTPUT_BYTES_MAX).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        return Err(failed(format!("{}\n{}", output.status, log.trim())));
    }
    let profile = paths::open_plain(&profile_path).map_err(|error| failed(error.to_string()))?;
    let profile = callgrind::read(profile).map_err(|error| failed(error.to_string()))?;
    let functions = profile
        .symbols()
        .map(|(_, symbol)| symbol.function.as_str());
    let memory_functions: BTreeSet<&str> = functions.filter(|name| is_variant(name)).collect();
    let mut objects = profile
        .symbols()
        .map(|(_, symbol)| profile.object(symbol.object));
    let printed = String::from_utf8_lossy(&output.stdout);
    Ok(Probe {
        tunables_hold: tunables_hold(&printed, &memory_functions),
        unpinned_functions: unpinned(&memory_functions),
        linkage: executable.linkage,
        is_pinned: executable.is_pinned,
        machine: machine(&printed, executable.is_pinned)
            .ok_or_else(|| failed("it did not print what the machine told it".to_owned()))?,
        cpu: cpu(&printed).ok_or_else(|| failed("it did not print the CPU".to_owned()))?,
        stack: stack_offset(&printed)
            .ok_or_else(|| failed("it did not print where its stack began".to_owned()))?,
        memory_functions: memory_functions.into_iter().map(str::to_owned).collect(),
        libc: objects.find(|object| is_libc(object)).map(PathBuf::from),
    })
}

/// A memory or string function of which the C library has several: `__memcpy_sse2_unaligned`.
fn is_variant(name: &str) -> bool {
    let name = name.trim_start_matches('_');
    let known = ["memcpy", "memmove", "memset", "memcmp", "bcmp", "strlen"];
    let variants = ["sse2", "sse4", "ssse3", "avx", "evex", "erms"];
    known.iter().any(|prefix| name.starts_with(prefix))
        && variants.iter().any(|variant| name.contains(variant))
        && !name.contains("ifunc")
}

fn is_libc(object: &str) -> bool {
    object
        .rsplit('/')
        .next()
        .is_some_and(|file| file.starts_with("libc.so") || file.starts_with("libc-"))
}

/// Large blocks lie on the heap, and no memory function has a variant that the tunables rule out.
fn tunables_hold(printed: &str, memory_functions: &BTreeSet<&str>) -> bool {
    printed.lines().any(|line| line == "heap whole") && unpinned(memory_functions).is_empty()
}

/// Variants that the tunables rule out. SSE2's with `rep stosb` is none of them: from glibc 2.38 on
/// both of SSE2's share their body, which goes by its name; from which length on it repeats is pinned.
fn unpinned(memory_functions: &BTreeSet<&str>) -> Vec<String> {
    let ruled_out = |name: &&&str| {
        let of_sse2 = name.contains("_sse2_");
        let others = ["ssse3", "avx", "evex"].iter().any(|it| name.contains(it));
        others || name.contains("erms") && !of_sse2
    };
    memory_functions
        .iter()
        .filter(ruled_out)
        .map(|it| (*it).to_owned())
        .collect()
}

impl Probe {
    /// What of the tunables is without effect, and what to do about it; `None` where all are in force.
    pub(crate) fn unpinned(&self) -> Option<Note> {
        if self.tunables_hold {
            return None;
        }
        Some(match self.unpinned_functions.as_slice() {
            [] => "the C library does not heed GLIBC_TUNABLES: counts may differ on another CPU; \
                   measure with the GNU C library, 2.33 or newer"
                .into(),
            names => Note::new(
                "the C library uses {}, which GLIBC_TUNABLES do not switch off here: counts may \
                 differ on another CPU; the fingerprint names them",
                &[&names.join(" and ")],
            ),
        })
    }
}

/// What a program is told of the machine. Without pins that differs by machine and run, so it says
/// only that nothing is pinned.
fn machine(printed: &str, is_pinned: bool) -> Option<String> {
    if !is_pinned {
        return Some("not pinned".to_owned());
    }
    let told = printed
        .lines()
        .find_map(|line| line.strip_prefix("told "))?;
    Some(format!("{told}, no control group"))
}

fn stack_offset(printed: &str) -> Option<StackOffset> {
    let address = printed.lines().find_map(|line| line.strip_prefix("stack "));
    Some(StackOffset::of(address?.parse().ok()?))
}

/// The probe's lines as one text; the features by their digest, since nobody reads bits.
fn cpu(printed: &str) -> Option<String> {
    let line = |name: &str| printed.lines().find_map(|line| line.strip_prefix(name));
    let features = blake3::hash(line("features ")?.as_bytes()).to_hex();
    Some(format!("{}, features {}", line("cpu ")?, &features[..16]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_told_from_their_selectors() {
        for name in [
            "__memcpy_sse2_unaligned",
            "__memset_avx2_unaligned_erms",
            "__strlen_evex",
        ] {
            assert!(is_variant(name), "{name}");
        }
        for name in [
            "memcpy",
            "__new_memcpy_ifunc",
            "std::memory_sse2",
            "main",
            "memcpy_ifunc.avx2",
        ] {
            assert!(!is_variant(name), "{name}");
        }
    }

    #[test]
    fn tunables_hold_by_what_they_do() {
        let sse2 = BTreeSet::from(["__memcpy_sse2_unaligned", "__strlen_sse2"]);
        let printed = "stack 16\nheap whole\n";
        assert!(tunables_hold(printed, &sse2));
        assert!(
            tunables_hold(printed, &BTreeSet::new()),
            "a libc without variants"
        );
        assert!(!tunables_hold("stack 16\nheap split\n", &sse2));
        assert!(!tunables_hold("", &sse2));
        let shared = BTreeSet::from(["__memset_sse2_unaligned_erms", "__strlen_sse2"]);
        assert!(tunables_hold(printed, &shared), "its body is shared");
        for other in [
            "__memcpy_avx_unaligned_erms",
            "__memset_evex",
            "__memmove_ssse3",
        ] {
            let mixed = BTreeSet::from(["__strlen_sse2", other]);
            assert!(!tunables_hold(printed, &mixed), "{other}");
            assert_eq!(unpinned(&mixed), [other]);
        }
    }

    #[test]
    fn only_pins_make_the_machine_a_part_of_the_fingerprint() {
        let printed = "told processors 1, random 2d08\n";
        let pinned = machine(printed, true).unwrap();
        assert_eq!(pinned, "processors 1, random 2d08, no control group");
        let other = "told processors 8, random 77ff\n";
        assert_eq!(machine(printed, false), machine(other, false));
        assert_eq!(machine("heap whole\n", true), None);
    }

    #[test]
    fn equal_features_read_equal() {
        let first = cpu("cpu GenuineIntel 6-60-3\nfeatures 1 2\n").unwrap();
        assert!(
            first.starts_with("GenuineIntel 6-60-3, features "),
            "{first}"
        );
        assert_eq!(
            cpu("cpu GenuineIntel 6-60-3\nfeatures 1 2\n").unwrap(),
            first
        );
        assert_ne!(
            cpu("cpu GenuineIntel 6-60-3\nfeatures 1 3\n").unwrap(),
            first
        );
        assert_eq!(cpu("features 1"), None);
    }
}
