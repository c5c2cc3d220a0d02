//! The other shim: stands where a harness's runner looks for `cargo`, where executables were built by
//! another job. Runners ask for the workspace's metadata; what that job was told is handed over, and no
//! cargo runs.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::io::output;
use crate::paths::parent;

/// The name under which this part is called.
pub(crate) const NAME: &str = "cargo";

/// The answer's place in the directory of a measurement environment.
pub(crate) const ANSWER: &str = "stored/metadata.json";

/// Acts as `cargo metadata`. `program` is the path under which the shim was called:
/// `<environment>/plan/<suite>/bin/cargo`.
pub(crate) fn main(program: &Path) -> ExitCode {
    let environment: PathBuf = program.ancestors().skip(4).take(1).collect();
    let is_metadata = std::env::args_os()
        .nth(1)
        .is_some_and(|it| it == "metadata");
    let answer = std::fs::read(environment.join(ANSWER));
    match answer {
        Ok(answer) if is_metadata => match std::io::stdout().write_all(&answer) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        _ => {
            let program = parent(program).display();
            output::complain(format_args!(
                "icgate: nothing is built here; `cargo` in {program} only knows `cargo metadata`"
            ));
            ExitCode::FAILURE
        }
    }
}
