//! The fingerprint: what the measurement environment cannot fix is at least named, a field per cause.

use icgate_core::model::environment::Environment;

use super::probe::{Linkage, Probe};
use super::toolchain::{CLibrary, Toolchain};
use super::valgrind::{CACHES, TUNABLES, Valgrind};

/// The fingerprint of a measurement environment. `build` are the flags beyond the project's profile.
pub(crate) fn fingerprint(
    toolchain: &Toolchain,
    valgrind: &Valgrind,
    probe: &Probe,
    build: String,
    harness: String,
) -> Environment {
    let variants = if probe.memory_functions.is_empty() {
        "not named in the profile".to_owned()
    } else {
        probe.memory_functions.join(" ")
    };
    Environment {
        target: toolchain.target.clone(),
        rustc: toolchain.rustc.clone(),
        valgrind: valgrind.version.clone(),
        libc: libc(toolchain, probe),
        cpu: probe.cpu.clone(),
        memory_functions: variants,
        tunables: if probe.tunables_hold {
            TUNABLES.to_owned()
        } else {
            format!("without effect: {TUNABLES}")
        },
        machine: probe.machine.clone(),
        caches: CACHES
            .map(|option| option.trim_start_matches('-'))
            .join(" "),
        build,
        harness,
    }
}

/// How the C library is linked, its version as it calls itself, and a digest of its file.
fn libc(toolchain: &Toolchain, probe: &Probe) -> String {
    let (linked, library) = match probe.linkage {
        Linkage::Static => ("static", toolchain.static_libc.clone()),
        Linkage::Dynamic => ("dynamic", probe.libc.as_deref().and_then(CLibrary::read)),
    };
    match library {
        Some(CLibrary { version, digest }) => format!("{linked}, {version}, {digest}"),
        None => format!("{linked}, unknown"),
    }
}
