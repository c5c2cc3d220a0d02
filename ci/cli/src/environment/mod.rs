//! The chamber: the fixed surroundings in which every benchmark executes.
//!
//! What moves a count although no code changed, and what is done about it here:
//!
//! | cause | remedy |
//! |---|---|
//! | the executable's path: its length moves the stack | one path of fixed length: [`directory`] |
//! | the environment, likewise | exactly [`TUNABLES`] and what the harness declares |
//! | arguments, kernel and installation move the stack too | it begins at a whole page: [`stack`] |
//! | the C library picks `memcpy` by CPU | tunables that leave only SSE2; the [`probe`] proves it |
//! | malloc arenas by thread | `glibc.malloc.arena_max=1` |
//! | where the heap ends: an allocation there asks the kernel for more | a heap that is large from the start |
//! | when an allocation gets a mapping of its own, at another distance from all else | from 32 MiB on |
//! | the host's caches | a fixed geometry: [`CACHES`] |
//! | address space randomisation | switched off: [`disable_address_randomisation`] |
//! | Valgrind's configuration files | `--command-line-only=yes` |
//! | the stack's limit | `--main-stacksize` |
//! | random numbers, the number of processors, control groups | answered by an object file that is linked in: [`pins`] |
//! | compiler, Valgrind, C library, CPU model | cannot be fixed: named in the fingerprint |

mod directory;
mod fingerprint;
mod pins;
mod probe;
mod sandbox;
mod stack;

use std::path::PathBuf;

pub(crate) use directory::EnvironmentDirectory;
pub(crate) use fingerprint::{CLibrary, Toolchain, fingerprint, toolchain};
pub(crate) use pins::{Pins, build_pins};
pub(crate) use probe::{Linkage, Probe, ProbeExecutable, build_probe, run_probe};
pub(crate) use sandbox::Sandbox;
pub(crate) use stack::{StackOffset, VARIABLE as STACK_VARIABLE};

use crate::error::EnvironmentError;
use crate::paths::find_program;
use crate::process;

/// Leaves only SSE2 variants of the memory functions: they are the same on every x86-64 host,
/// whereas AVX2 is missing on some. `-AVX_Fast_Unaligned_Load` is needed besides `-AVX2`, else
/// glibc 2.36 still picks `__memcpy_avx_unaligned`. The copy thresholds would otherwise follow the
/// cache sizes that the CPU reports.
pub(crate) const TUNABLES: &str = "glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-AVX_Fast_Unaligned_Load,\
    -Prefer_No_VZEROUPPER,-ERMS,-FSRM,-AVX512F,-AVX512VL,-AVX512BW,-SSSE3,-Fast_Unaligned_Copy\
    :glibc.cpu.x86_non_temporal_threshold=0xc0000:glibc.cpu.x86_rep_movsb_threshold=0x800\
    :glibc.malloc.arena_max=1:glibc.malloc.top_pad=0x400000:glibc.malloc.mmap_threshold=0x2000000:glibc.malloc.trim_threshold=0x8000000";

/// Geometry of the simulated caches: those of iai-callgrind, so that its users see its numbers.
pub(crate) const CACHES: [&str; 3] = ["--I1=32768,8,64", "--D1=32768,8,64", "--LL=8388608,16,64"];

/// Options of every Callgrind run in the measurement environment, after the harness's own.
pub(crate) const CALLGRIND_OPTIONS: [&str; 6] = [
    "--command-line-only=yes",
    "--main-stacksize=8388608",
    "--dump-instr=yes",
    "--dump-line=yes",
    "--compress-strings=yes",
    "--compress-pos=yes",
];

/// The installed Valgrind.
#[derive(Debug, Clone)]
pub(crate) struct Valgrind {
    pub(crate) path: PathBuf,
    pub(crate) version: String,
}

impl Valgrind {
    /// Finds Valgrind on PATH and asks it for its version.
    pub(crate) fn find() -> Result<Self, EnvironmentError> {
        let path = find_program("valgrind", |_| true).ok_or(EnvironmentError::NoValgrind)?;
        let mut command = std::process::Command::new(&path);
        let output = process::output(command.arg("--version")).map_err(|error| {
            EnvironmentError::Valgrind {
                what: error.to_string(),
            }
        })?;
        let text = String::from_utf8_lossy(&output.stdout);
        match text.trim().strip_prefix("valgrind-") {
            Some(version) if output.status.success() => Ok(Self {
                path,
                version: version.to_owned(),
            }),
            _ => {
                let what = format!("`valgrind --version` printed `{}`", text.trim());
                Err(EnvironmentError::Valgrind { what })
            }
        }
    }
}

/// Switches address space randomisation off for this process's children. Some containers forbid
/// it; returns whether it worked.
pub(crate) fn disable_address_randomisation() -> bool {
    use nix::sys::personality::{self, Persona};

    personality::get()
        .and_then(|persona| personality::set(persona | Persona::ADDR_NO_RANDOMIZE))
        .is_ok()
}
