//! Commands that know nothing of where the tests run: not of CI's variables, of the repository of a git
//! hook, of the user's git configuration, or of the colours that somebody likes.

use std::process::Command;

/// Variables whose names begin so are CI's, or those of a git that runs a hook.
const PREFIXES: [&str; 5] = ["GITHUB_", "RUNNER_", "ACTIONS_", "GIT_", "CARGO_TERM_"];

/// Others that change what is printed or built.
const NAMES: [&str; 7] = [
    "CI",
    "NO_COLOR",
    "FORCE_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
];

/// Takes all that from the environment of `command`.
pub(crate) fn isolate(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if PREFIXES.iter().any(|it| text.starts_with(it)) || NAMES.contains(&&*text) {
            command.env_remove(name);
        }
    }
    // A user may sign commits, rewrite addresses or have hooks. In a container the files may be
    // somebody else's.
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
}
