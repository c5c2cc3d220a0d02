//! The sandbox: measured code runs as another user, without network, and can gain no rights.
//!
//! What it protects is what icgate itself writes, `run.json` before all. What is counted it cannot
//! protect: the benches of a tree decide that, and share a user.
//!
//! | measured code could | here |
//! |---|---|
//! | write what icgate writes, or signal it | another user, whose folders are its output alone |
//! | gain rights by a setuid program | `no_new_privs` |
//! | ask or tell somebody | a network namespace of its own, where the system allows it |
//! | read a token | its environment is what the harness declares |

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};

use crate::error::EnvironmentError;

/// The user and group of measured code: `nobody`.
const NOBODY: u32 = 65_534;

/// Proof that this process has given up what its children must not have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sandbox {
    /// Whether children have no network.
    pub(crate) is_offline: bool,
}

impl Sandbox {
    /// Gives up the network and the way to more rights, for this thread and all that it starts from
    /// now on. To be called before any other thread is started.
    pub(crate) fn enter() -> Result<Self, EnvironmentError> {
        if !nix::unistd::geteuid().is_root() {
            return Err(EnvironmentError::NotRoot);
        }
        nix::sys::prctl::set_no_new_privs().map_err(|error| EnvironmentError::Sandbox {
            what: error.to_string(),
        })?;
        Ok(Self {
            is_offline: unshare(CloneFlags::CLONE_NEWNET).is_ok(),
        })
    }

    /// Lets `command` run as the sandbox's user. It belongs to no other group.
    pub(crate) fn confine(command: &mut Command) {
        command.uid(NOBODY).gid(NOBODY);
    }

    /// Lets the sandbox's user write in a folder. Whatever this process opens there from now on may be
    /// a link or a pipe.
    pub(crate) fn hand_over(directory: &Path) -> io::Result<()> {
        std::os::unix::fs::chown(directory, Some(NOBODY), Some(NOBODY))
    }
}
