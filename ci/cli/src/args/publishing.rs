//! Arguments of `icgate publish`.

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

use super::output::OutputDirectory;

/// What to publish, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct Publishing {
    /// run.json files of the run, or a folder that holds them, each in a folder of its own
    #[arg(value_name = "RUN")]
    pub(crate) runs: Vec<Utf8PathBuf>,
    /// The workspace in the trusted checkout
    #[arg(long, value_name = "DIRECTORY", default_value = ".")]
    pub(crate) workspace: Utf8PathBuf,
    /// Where its baselines are [default: baselines/ in the workspace]
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) baselines: Option<Utf8PathBuf>,
    /// A run of base that base's own job has kept: it is believed before the one that came with the numbers
    #[arg(long, value_name = "RUN")]
    pub(crate) base_run: Option<Utf8PathBuf>,
    /// What `icgate prove` has left in this folder: a label on causes, and believed for nothing else
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) proof: Option<Utf8PathBuf>,
    /// Keep one issue about counts of this checkout that newer tools move, and no comment
    #[arg(long)]
    pub(crate) newer_tools: bool,
    /// The platform that the run has to be of [default: each that base has baselines for]
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
    /// When to comment
    #[arg(long, value_enum, default_value_t = CommentWhen::OnChange)]
    pub(crate) comment: CommentWhen,
    /// The name of the check run; none if empty
    #[arg(long, value_name = "NAME", default_value = "icgate report")]
    pub(crate) check_name: String,
    /// Distinguishes several gates of one repository: [a-z0-9-]{1,32}
    #[arg(long, value_name = "KEY", default_value = "gate")]
    pub(crate) key: icgate_core::publish::marker::Key,
    /// The account that comments; of another App it is `its-name[bot]`
    #[arg(long, value_name = "LOGIN", default_value = "github-actions[bot]")]
    pub(crate) author: String,
    #[command(flatten)]
    pub(crate) output: OutputDirectory,
}

/// When a pull request gets a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CommentWhen {
    /// With every run
    Always,
    /// Once there is something to say; then it is kept up to date
    OnChange,
    /// Not at all
    Never,
}
