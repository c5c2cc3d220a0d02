//! The measurement environment: the fixed surroundings in which every benchmark executes.
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
//! | random numbers, the number of processors, control groups, host name, process id | answered by an object file that is linked in: [`pins`] |
//! | the time zone | [`TIME_ZONE`], unless the harness declares one |
//! | compiler, Valgrind, C library, CPU model | cannot be fixed: named in the fingerprint |

mod directory;
mod fingerprint;
mod pins;
mod probe;
mod sandbox;
mod stack;
mod toolchain;
mod valgrind;

pub(crate) use directory::EnvironmentDirectory;
pub(crate) use fingerprint::fingerprint;
pub(crate) use pins::{PINS_PLACEHOLDER, Pins, SEED_VARIABLE, TIME_ZONE, build_pins};
pub(crate) use probe::{Linkage, Probe, ProbeExecutable, build_probe, run_probe};
pub(crate) use sandbox::Sandbox;
pub(crate) use stack::{StackOffset, VARIABLE as STACK_VARIABLE};
pub(crate) use toolchain::{CLibrary, Toolchain, toolchain};
pub(crate) use valgrind::{CACHES, CALLGRIND_OPTIONS, TUNABLES, Valgrind};

/// Switches address space randomisation off for this process's children. Some containers forbid
/// it; returns whether it worked.
pub(crate) fn disable_address_randomisation() -> bool {
    use nix::sys::personality::{self, Persona};

    personality::get()
        .and_then(|persona| personality::set(persona | Persona::ADDR_NO_RANDOMIZE))
        .is_ok()
}
