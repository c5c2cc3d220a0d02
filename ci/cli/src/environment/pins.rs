//! Compiles the pins (`probe/pins.rs`): what the machine would tell a program, made the same
//! everywhere by an object file in every bench executable.
//!
//! ```text
//! rustflags   -Clink-arg=icgate-pins-<digest>      the same text in every checkout
//! wrapper     -Clink-arg=<cache>/<key>/pins.o      what the linker is given
//! ```
//!
//! Cargo mixes all flags into the names of what it builds, so a path there would make executables
//! of one commit differ. The digest is there so that other pins make another build.

use std::path::{Path, PathBuf};
use std::process::Command;

use icgate_core::model::policy::{Clock, Switches};

use super::toolchain::Toolchain;
use crate::error::EnvironmentError;
use crate::io::store;
use crate::process;

/// What the compiler's flags say in the place of the pins' object file; a digest follows.
pub(crate) const PINS_PLACEHOLDER: &str = "-Clink-arg=icgate-pins-";

/// The environment variable by which the pins take another seed for random numbers.
pub(crate) const SEED_VARIABLE: &str = "ICGATE_SEED";

/// The time zone of a benchmark whose harness declares none. It has no file on any machine, and so is
/// never read from one.
pub(crate) const TIME_ZONE: (&str, &str) = ("TZ", "UTC0");

const SOURCE: &str = include_str!("../../probe/pins.rs");

/// Architectures for which the pins are written.
const ARCHITECTURES: [&str; 2] = ["x86_64-", "aarch64-"];

/// The compiled pins.
#[derive(Debug, Clone)]
pub(crate) struct Pins {
    /// The object file.
    pub(crate) object: PathBuf,
    digest: String,
}

impl Pins {
    /// The compiler's flag, as cargo sees it.
    pub(crate) fn placeholder(&self) -> String {
        format!("{PINS_PLACEHOLDER}{}", self.digest)
    }
}

/// Compiles the pins, or finds what this compiler made of them before in `cache`. `None` where they
/// are not written for the target, or policy switches them off.
///
/// # Errors
///
/// [`EnvironmentError::ProbeBuild`] if the compiler refuses them.
pub(crate) fn build_pins(
    toolchain: &Toolchain,
    cache: &Path,
    switches: Switches,
) -> Result<Option<Pins>, EnvironmentError> {
    let is_known = |start: &str| toolchain.target.starts_with(start);
    if !switches.pins
        || !ARCHITECTURES.iter().any(|it| is_known(it))
        || !toolchain.target.contains("-linux-gnu")
    {
        return Ok(None);
    }
    let mut made_of = format!("{SOURCE}\0{}\0{}", toolchain.rustc, toolchain.target);
    let is_counter = switches.clock == Clock::Counter;
    if is_counter {
        made_of.push_str("\0clock");
    }
    let digest = blake3::hash(made_of.as_bytes()).to_hex()[..16].to_owned();
    let failed = |what: String| EnvironmentError::ProbeBuild { what };
    let directory = cache.join(format!("pins-{digest}"));
    std::fs::create_dir_all(&directory).map_err(|error| failed(error.to_string()))?;
    let object = directory.join("pins.o");
    if !object.exists() {
        let source = directory.join("pins.rs");
        store::write(&source, SOURCE).map_err(|error| failed(error.to_string()))?;
        // Compiled under another name and renamed: a half-written object is never found.
        let unfinished = object.with_extension(std::process::id().to_string());
        let mut command = Command::new("rustc");
        command.current_dir(&toolchain.directory).args([
            "--edition=2024",
            "--crate-name=pins",
            "--crate-type=lib",
            "--emit=obj",
            "-Copt-level=2",
            "-Ccodegen-units=1",
            "-Cpanic=abort",
        ]);
        command.args(["--check-cfg", "cfg(icgate_clock)"]);
        if is_counter {
            command.args(["--cfg", "icgate_clock"]);
        }
        command.arg(format!("--target={}", toolchain.target));
        command.arg("-o").arg(&unfinished).arg(&source);
        let output = process::output(&mut command).map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(failed(text.trim().to_owned()));
        }
        std::fs::rename(&unfinished, &object).map_err(|error| failed(error.to_string()))?;
    }
    Ok(Some(Pins { object, digest }))
}
