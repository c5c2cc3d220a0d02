//! Valgrind, and what every run of it is told.

use std::path::PathBuf;

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
    :glibc.cpu.x86_rep_stosb_threshold=0x800\
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
