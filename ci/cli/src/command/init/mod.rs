//! `icgate init`: adopts icgate in a project that has benches.
//!
//! Writes what is missing, and never over a file that is there: policy, first baselines, a workflow.
//! Only to `.gitattributes` a line is appended, once. What goes into a Makefile is printed, because
//! nobody but its author knows where it belongs.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use icgate_core::model::environment::platform;

use super::update::update;
use crate::args::{Against, Measuring, OutputDirectory, Project as Selection};
use crate::cargo::Project;
use crate::environment::{Toolchain, toolchain};
use crate::error::{CliError, StoreError};
use crate::git;
use crate::io::output;
use crate::io::store;

const POLICY: &str = include_str!("policy.toml");
const GATE: &str = include_str!("gate.yml");
const PUBLISH: &str = include_str!("publish.yml");
/// Where the action is in icgate's repository.
const ACTION: &str = ".github/actions/icgate";
/// Stands for the action where nobody says where it is.
const ACTION_UNKNOWN: &str = "OWNER/icgate@COMMIT";

pub(crate) fn init(selection: &Selection, action: Option<&str>) -> Result<u8, CliError> {
    let project = Project::open(selection)?;
    let toolchain = toolchain(project.root())?;
    // A workflow and attributes count at the top of the repository, wherever the project lies.
    let top = git::top(project.root()).unwrap_or_else(|| project.root().to_owned());
    let baselines = std::path::absolute(project.baselines()).map_err(|source| {
        let path = project.baselines();
        StoreError::Read { path, source }
    })?;
    // The baselines first: it is measuring that can fail, and then nothing is half adopted.
    first_baselines(selection, &baselines.join(platform(&toolchain.target)))?;
    put(&baselines.join(store::POLICY_FILE), POLICY)?;
    let workflows = Workflows::new(selection, &project, &top, &toolchain, action);
    let folder = top.join(".github/workflows");
    put(&folder.join("icgate.yml"), &workflows.fill(GATE))?;
    put(&folder.join("icgate-publish.yml"), &workflows.fill(PUBLISH))?;
    if let Ok(relative) = baselines.strip_prefix(&top) {
        append(
            &top.join(".gitattributes"),
            &format!("{}/*/*.json -merge", relative.display()),
        )?;
    }
    let arguments = arguments(selection, &project, &project_directory(&top, &project));
    output::say(format_args!(
        "\nFor your Makefile, if you have one:\n\n{}",
        makefile(&arguments)
    ));
    if action.is_none() {
        output::say(format_args!(
            "In both workflows, put icgate's repository and a commit of it in place of {ACTION_UNKNOWN},"
        ));
        output::say(format_args!(
            "or let `icgate init --action owner/name@commit` do so.\n"
        ));
    }
    output::say(format_args!(
        "Commit these files. Baselines hold where they were measured: if the workflow ends"
    ));
    output::say(format_args!(
        "with exit code 4, it names what differs there."
    ));
    Ok(0)
}

/// Measures the first baselines, unless there are some.
fn first_baselines(selection: &Selection, directory: &Path) -> Result<(), CliError> {
    let mut kept: Vec<PathBuf> = std::fs::read_dir(directory)
        .map(|entries| entries.filter_map(Result::ok).map(|it| it.path()).collect())
        .unwrap_or_default();
    kept.retain(|path| store::is_suite(path));
    kept.sort();
    for path in &kept {
        output::say(format_args!("kept {}", store::display(path)));
    }
    if kept.is_empty() {
        let measuring = Measuring::default();
        let against = Against::default();
        let output = OutputDirectory { directory: None };
        update(selection, &measuring, &against, &output, None)?;
    }
    Ok(())
}

/// Writes a file that does not exist yet, and says what became of it.
fn put(path: &Path, text: &str) -> Result<(), StoreError> {
    let exists = path.symlink_metadata().is_ok();
    if !exists {
        store::write(path, text)?;
    }
    let done = if exists { "kept" } else { "written" };
    output::say(format_args!("{done} {}", store::display(path)));
    Ok(())
}

/// Appends a line to a file that does not have it yet.
fn append(path: &Path, line: &str) -> Result<(), StoreError> {
    let mut text = store::read_optional(path)?.unwrap_or_default();
    if text.lines().any(|present| present.trim() == line) {
        output::say(format_args!("kept {}", store::display(path)));
        return Ok(());
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(line);
    text.push('\n');
    store::write(path, &text)?;
    output::say(format_args!(
        "written {} (added `{line}`)",
        store::display(path)
    ));
    Ok(())
}

/// The project's directory, as seen from the top of the repository; empty if it is the top.
fn project_directory(top: &Path, project: &Project) -> PathBuf {
    let root = project.root();
    root.strip_prefix(top).unwrap_or(root).to_owned()
}

/// The options by which a command finds the same benches from the top of the repository.
fn arguments(selection: &Selection, project: &Project, directory: &Path) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut option = |name: &str, value: &str| words.extend([name.to_owned(), quoted(value)]);
    if directory != Path::new("") {
        let manifest = directory.join("Cargo.toml");
        option("--manifest-path", &manifest.display().to_string());
    }
    for package in &selection.package {
        option("--package", package);
    }
    for bench in &selection.bench {
        option("--bench", bench);
    }
    for features in &selection.features {
        option("--features", features);
    }
    if selection.baselines.is_some() {
        let baselines = std::path::absolute(project.baselines()).unwrap_or_default();
        let relative = baselines.strip_prefix(project.root());
        let relative = relative.map_or(baselines.clone(), |it| directory.join(it));
        option("--baselines", &relative.display().to_string());
    }
    words.into_iter().fold(String::new(), |mut line, word| {
        line.push(' ');
        line.push_str(&word);
        line
    })
}

/// A word as the shell reads it.
fn quoted(word: &str) -> String {
    // Only a zero byte cannot be quoted, and no argument of a process has one.
    shlex::try_quote(word).map_or_else(|_| word.replace('\0', ""), Cow::into_owned)
}

/// What the workflows leave open.
struct Workflows {
    action: String,
    container: String,
    measuring_container: String,
    toolchain: String,
    arguments: String,
    workspace: String,
}

impl Workflows {
    fn new(
        selection: &Selection,
        project: &Project,
        top: &Path,
        toolchain: &Toolchain,
        action: Option<&str>,
    ) -> Self {
        let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        let directory = project_directory(top, project);
        let mut workspace = directory.display().to_string();
        if workspace.is_empty() {
            ".".clone_into(&mut workspace);
        }
        if let Some(baselines) = &selection.baselines {
            let absolute = std::path::absolute(baselines).unwrap_or_default();
            let relative = absolute.strip_prefix(top).unwrap_or(&absolute);
            workspace.push_str("\n          baselines: ");
            workspace.push_str(&relative.display().to_string());
        }
        Self {
            action: action_path(action.unwrap_or(ACTION_UNKNOWN)),
            container: container(&release),
            measuring_container: measuring_container(&release),
            toolchain: toolchain_name(project.root(), toolchain).to_owned(),
            arguments: arguments(selection, project, &directory).trim().to_owned(),
            workspace,
        }
    }

    fn fill(&self, template: &str) -> String {
        template
            .replace("{action}", &self.action)
            .replace("{container}", &self.container)
            .replace("{measuring_container}", &self.measuring_container)
            .replace("{toolchain}", &self.toolchain)
            .replace("{arguments}", &self.arguments)
            .replace("{workspace}", &self.workspace)
    }
}

/// `owner/name@commit` as a step names the action in it.
fn action_path(action: &str) -> String {
    let (repository, commit) = action.split_once('@').unwrap_or((action, "COMMIT"));
    format!("{repository}/{ACTION}@{commit}")
}

/// Debian 12, by its digest: what is behind a tag can be replaced.
const DEBIAN_12: &str =
    "debian:12@sha256:8a8cd02c5912770b4980228a54d4aff9e4f986f1eb2525d2d371dec5232cefcc";

/// The container of the jobs that build and measure, with why it is that one.
fn image_with_reason(release: &str) -> (&'static str, String) {
    match image(release) {
        Some(image) if image == "debian:12" => (
            "# The system in which the baselines were measured: its C library and Valgrind count.",
            DEBIAN_12.to_owned(),
        ),
        Some(image) => (
            "# The system in which the baselines were measured: its C library and Valgrind count.\n    \
             # Add its digest, since a tag can be replaced: docker buildx imagetools inspect IMAGE",
            image,
        ),
        None => (
            "# Let this be the system in which the baselines were measured: its C library and\n    \
             # Valgrind count.",
            DEBIAN_12.to_owned(),
        ),
    }
}

fn container(release: &str) -> String {
    let (reason, image) = image_with_reason(release);
    format!("{reason}\n    container: {image}")
}

/// The same for the job that measures.
fn measuring_container(release: &str) -> String {
    let (reason, image) = image_with_reason(release);
    format!(
        "{reason}\n    container:\n      image: {image}\n      \
         # For a network namespace of the benches' own, which has no network.\n      \
         options: --cap-add SYS_ADMIN"
    )
}

/// What rustup is to install: nothing where the project says itself, else the compiler in use.
fn toolchain_name<'a>(root: &Path, toolchain: &'a Toolchain) -> &'a str {
    let pinned = ["rust-toolchain.toml", "rust-toolchain"]
        .iter()
        .any(|name| root.join(name).exists());
    let version = toolchain.rustc.split_whitespace().next();
    match version {
        Some(version) if !pinned && !version.contains('-') => version,
        _ => "stable",
    }
}

/// The container image of the system that an os-release file describes.
fn image(release: &str) -> Option<String> {
    let field = |name: &str| {
        let value = release.lines().find_map(|line| line.strip_prefix(name));
        value.map(|value| value.trim_matches('"'))
    };
    match (field("ID="), field("VERSION_ID=")) {
        (Some(id @ ("debian" | "ubuntu")), Some(version)) => Some(format!("{id}:{version}")),
        _ => None,
    }
}

fn makefile(arguments: &str) -> String {
    format!(
        "\
.PHONY: gate update-baseline
export REASON

gate: ## measure, compare with the baselines, verdict, exit code
\ticgate check{arguments}

update-baseline: ## accept what is measured: make update-baseline REASON=\"why\"
\ticgate update{arguments} $${{REASON:+--reason \"$$REASON\"}}
"
    )
}

#[cfg(test)]
mod tests {
    use icgate_core::model::policy::Policy;

    use super::*;

    #[test]
    fn the_policy_that_is_written_says_what_holds_without_it() {
        let policy = Policy::from_toml("policy.toml", POLICY).unwrap();
        let id = "a/b".parse().unwrap();
        let instructions = icgate_core::model::metric::Metric::Instructions;
        assert_eq!(policy.limit(&id, instructions), Some(Policy::DEFAULT_LIMIT));
        assert_eq!(policy.improvement(), Policy::default().improvement());
        // The examples in it are read as well once they are no comments.
        let examples = POLICY.replace("\n# [", "\n[").replace("\n# ", "\n");
        let start = examples.find("[[rule]]").unwrap();
        let examples = format!("format = 2\n{}", &examples[start..]);
        let examples = examples.replace("What reports tell people to type.", "");
        let policy = Policy::from_toml("policy.toml", &examples.replace("\n#\n", "\n")).unwrap();
        assert_eq!(policy.commands().check, "make gate");
    }

    #[test]
    fn the_workflow_runs_in_the_system_of_the_baselines() {
        let debian = "PRETTY_NAME=\"Debian\"\nVERSION_ID=\"12\"\nID=debian\n";
        assert_eq!(image(debian).as_deref(), Some("debian:12"));
        let ubuntu = "ID=ubuntu\nVERSION_ID=\"24.04\"\n";
        assert_eq!(image(ubuntu).as_deref(), Some("ubuntu:24.04"));
        assert_eq!(image("ID=arch\n"), None);
    }

    #[test]
    fn written_workflows_use_inputs_that_the_action_has() {
        let release = "ID=debian\nVERSION_ID=\"12\"\n";
        let written = Workflows {
            action: action_path(ACTION_UNKNOWN),
            container: container(release),
            measuring_container: measuring_container(release),
            toolchain: "stable".to_owned(),
            arguments: String::new(),
            workspace: ".".to_owned(),
        };
        let action = include_str!("../../../../../.github/actions/icgate/action.yml");
        for template in [GATE, PUBLISH] {
            let text = written.fill(template);
            for place in [
                "{action}",
                "{arguments}",
                "{container}",
                "{measuring_container}",
                "{toolchain}",
                "{workspace}",
            ] {
                assert!(!text.contains(place), "{place} is still there");
            }
            // What stands below a step that uses the action.
            for step in text.split("uses: OWNER/icgate").skip(1) {
                let step = step.split("      - ").next().unwrap();
                let inputs = step
                    .lines()
                    .filter_map(|line| line.strip_prefix("          "));
                let inputs = inputs.filter(|line| !line.starts_with(' '));
                for name in inputs.filter_map(|line| line.split(':').next()) {
                    assert!(action.contains(&format!("\n  {name}:\n")), "{name}");
                }
            }
        }
    }

    #[test]
    fn written_container_is_pinned_as_our_own_is() {
        let own = include_str!("../../../../../.github/workflows/gate.yml");
        assert!(own.contains(&format!("container: {DEBIAN_12}\n")));
        assert!(own.contains(&format!("image: {DEBIAN_12}\n")));
        for release in ["ID=debian\nVERSION_ID=\"12\"\n", "ID=arch\n"] {
            assert!(container(release).contains(DEBIAN_12));
            assert!(measuring_container(release).contains(DEBIAN_12));
        }
        let other = container("ID=ubuntu\nVERSION_ID=\"24.04\"\n");
        assert!(
            other.contains("container: ubuntu:24.04") && other.contains("digest"),
            "{other}"
        );
    }

    #[test]
    fn words_are_quoted_for_the_shell() {
        assert_eq!(quoted("a/Cargo.toml"), "a/Cargo.toml");
        assert_eq!(quoted("it's; rm"), "\"it's; rm\"");
        assert_eq!(quoted("$(rm)"), "'$(rm)'");
        assert_eq!(quoted(""), "''");
    }
}
