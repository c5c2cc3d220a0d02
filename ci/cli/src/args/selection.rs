//! Arguments that choose: a project, its benches, how to measure, and what to compare with.

use camino::Utf8PathBuf;
use clap::Args;
use icgate_core::model::shard::Shard;

/// Which project and which of its benches.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Project")]
pub(crate) struct Project {
    /// Path to the project's Cargo.toml
    #[arg(long, value_name = "PATH")]
    pub(crate) manifest_path: Option<Utf8PathBuf>,
    /// The workspace's folder; cargo is not called then, so only for what builds nothing
    #[arg(long, value_name = "DIRECTORY", conflicts_with_all = ["manifest_path", "package", "bench", "features"])]
    pub(crate) workspace: Option<Utf8PathBuf>,
    /// Only benches of these packages
    #[arg(long, short, value_name = "NAME")]
    pub(crate) package: Vec<String>,
    /// Only these bench targets
    #[arg(long, value_name = "NAME")]
    pub(crate) bench: Vec<String>,
    /// Features to build with, as for cargo
    #[arg(long, short = 'F', value_name = "FEATURES")]
    pub(crate) features: Vec<String>,
    /// Where the baselines are [default: baselines/ beside the workspace's Cargo.toml]
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) baselines: Option<Utf8PathBuf>,
}

/// How to measure.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Measuring")]
pub(crate) struct Measuring {
    /// Benchmarks to measure at once [default: the number of processors]
    #[arg(long, short, value_name = "N")]
    pub(crate) jobs: Option<std::num::NonZeroUsize>,
    /// Only benchmarks whose id matches one of these patterns
    #[arg(value_name = "PATTERN")]
    pub(crate) patterns: Vec<String>,
    /// Measure all again, whatever was measured before
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Where measurements are kept [default: icgate/cache in cargo's target directory]
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "no_cache")]
    pub(crate) cache: Option<Utf8PathBuf>,
}

/// Which part of the benchmarks to measure, where several machines measure together.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Measuring")]
pub(crate) struct Sharding {
    /// Only the I-th of N parts of the benchmarks; `icgate merge` puts the parts together
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
}

/// Executables that another job has built.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Measuring")]
pub(crate) struct Stored {
    /// Measure the executables that `icgate build` left in this folder, and build nothing
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) executables: Option<Utf8PathBuf>,
    /// Run the benchmarks as user `nobody`, without network where the system allows it; needs root and --executables
    #[arg(long, requires = "executables")]
    pub(crate) sandbox: bool,
}

/// What to compare with.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Base")]
pub(crate) struct Against {
    /// Commit whose policy and baselines are the reference [default: where this branch left its target]
    #[arg(long, value_name = "REVISION")]
    pub(crate) base: Option<String>,
    /// The run.json of base's own code, measured in the same environment: it separates what was there before
    #[arg(long, value_name = "RUN")]
    pub(crate) base_run: Option<Utf8PathBuf>,
}

/// What a run has to be of. A run says so itself, and it may come from a pull request.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Scope")]
pub(crate) struct Scope {
    /// The run is meant to be of a part of the benchmarks; without this, one that leaves out any
    /// that base knows is no verdict
    #[arg(long)]
    pub(crate) part: bool,
    /// The platform that it has to be of [default: each that base has baselines for]
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
}
