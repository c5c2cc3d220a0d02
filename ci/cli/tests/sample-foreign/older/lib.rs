//! What a bench built with iai-callgrind does, in short.

#[cfg(not(from_config))]
compile_error!("the flags of .cargo/config.toml are lost");

use std::process::Command;

/// Runs `work` if the runner asks for it, and else calls the runner of this version.
pub fn main(version: &str, work: fn()) {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|first| first == "--iai-run") {
        return work();
    }
    let mut runner = Command::new("iai-callgrind-runner");
    runner.args([version, "--lib-bench", &arguments[0]]);
    let status = runner.status().expect("the runner is on PATH");
    std::process::exit(status.code().unwrap_or(1));
}
