//! `icgate doctor`: what this machine lacks, with the command that fixes it, and the measurement environment.

use std::path::Path;
use std::process::Command;

use miette::Diagnostic;

use crate::args::Project as Selection;
use crate::cargo::Project;
use crate::environment::{
    EnvironmentDirectory, Linkage, Probe, Valgrind, build_pins, build_probe,
    disable_address_randomisation, fingerprint, run_probe, toolchain,
};
use crate::error::{CliError, fix};
use crate::harness;
use crate::io::{output, store};
use crate::measure::machine_reads;
use crate::process;

/// A thing that measuring needs: what was found, or what to do.
struct Finding {
    what: &'static str,
    found: Result<String, String>,
    /// Whether measuring is impossible without it.
    needed: bool,
}

pub(crate) fn doctor(selection: &Selection) -> Result<u8, CliError> {
    let project = Project::open(selection);
    let here = Path::new(".");
    let directory = project.as_ref().map_or(here, |project| project.root());
    let toolchain = toolchain(directory);
    let valgrind = Valgrind::find();
    let environment = EnvironmentDirectory::take();
    let output = project
        .as_ref()
        .map_or_else(|_| std::env::temp_dir(), Project::output);
    let policy = project
        .as_ref()
        .ok()
        .map(|it| store::read_policy(&it.baselines()));
    let switches = policy.and_then(Result::ok).unwrap_or_default().measuring();
    let probed = match (&toolchain, &valgrind, &environment) {
        (Ok(toolchain), Ok(valgrind), Ok(environment)) => Some(
            build_pins(toolchain, &output.join("probe"), switches)
                .and_then(|pins| {
                    let cache = output.join("probe");
                    build_probe(toolchain, &cache, Linkage::of(switches), pins.as_ref())
                })
                .and_then(|probe| run_probe(&probe, valgrind, environment)),
        ),
        _ => None,
    };
    let findings = [
        needed("project", &project, |it| it.root().display().to_string()),
        needed("rustc", &toolchain, |it| it.rustc.clone()),
        needed("valgrind", &valgrind, |it| it.version.clone()),
        needed("environment", &environment, |it| {
            it.path().display().to_string()
        }),
        program("cc", &["--version"], "apt-get install gcc", true),
        program("git", &["--version"], "apt-get install git", false),
        Finding {
            what: "fixed addresses",
            found: if disable_address_randomisation() {
                Ok("address space randomisation is off for what icgate starts".to_owned())
            } else {
                Err(
                    "allow the personality system call (docker: --security-opt seccomp=…)"
                        .to_owned(),
                )
            },
            needed: false,
        },
        match &probed {
            Some(probed) => needed("probe", probed, |it| linkage(it.linkage).to_owned()),
            None => Finding {
                what: "probe",
                found: Err("first fix what is above".to_owned()),
                needed: true,
            },
        },
    ];
    let canary = probed.as_ref().and_then(|it| it.as_ref().ok());
    let findings = findings.into_iter().chain(canary.map(tunables));
    let mut lacking = Vec::new();
    for Finding {
        what,
        found,
        needed,
    } in findings
    {
        match found {
            Ok(found) => output::say(format_args!("ok       {what:<16} {found}")),
            Err(fix) => {
                output::say(format_args!(
                    "{}  {what:<16} {fix}",
                    if needed { "missing" } else { "warning" }
                ));
                lacking.extend(needed.then_some(what));
            }
        }
    }
    if let (Ok(toolchain), Ok(valgrind), Some(Ok(probed)), Ok(project)) =
        (&toolchain, &valgrind, &probed, &project)
    {
        let build = project.build_description(probed.linkage);
        let harness = harness::embedded();
        output::say(format_args!("\nenvironment"));
        for (name, value) in fingerprint(toolchain, valgrind, probed, build, harness).fields() {
            output::say(format_args!("  {name:<16} {value}"));
        }
    }
    if let Ok(project) = &project {
        say_machine_reads(&project.output());
    }
    if lacking.is_empty() {
        Ok(0)
    } else {
        Err(CliError::Doctor(lacking.join(", ")))
    }
}

/// What benchmarks read of the machine, as far as any was traced.
fn say_machine_reads(directory: &Path) {
    let Some(reads) = machine_reads::known(directory) else {
        output::say("\nwhat benchmarks read of the machine is not known yet: icgate verify");
        return;
    };
    let reading = reads.values().filter(|it| !it.is_empty()).count();
    let of = reads.len();
    output::say(format_args!(
        "\n{reading} of {of} benchmarks that were traced read something of the machine"
    ));
    for (id, asked) in reads.iter().filter(|(_, it)| !it.is_empty()) {
        output::say(format_args!(
            "  {id}  reads {} of the machine",
            asked.join(", ")
        ));
    }
}

/// Whether the canary lives: what the tunables ask for is what the probe did.
fn tunables(probe: &Probe) -> Finding {
    Finding {
        what: "tunables",
        found: match probe.unpinned() {
            None => Ok("in force: one variant of each memory function, one heap".to_owned()),
            Some(what) => Err(what.to_string()),
        },
        needed: false,
    }
}

/// A finding of something that has its own error.
fn needed<T, E: Diagnostic + 'static>(
    what: &'static str,
    found: &Result<T, E>,
    show: impl FnOnce(&T) -> String,
) -> Finding {
    let found = found.as_ref().map(show).map_err(|error| {
        let fix = fix(error).map_or_else(String::new, |fix| format!("; fix: {fix}"));
        format!("{error}{fix}")
    });
    Finding {
        what,
        found,
        needed: true,
    }
}

fn program(name: &'static str, arguments: &[&str], fix: &str, needed: bool) -> Finding {
    let output = process::output(Command::new(name).args(arguments));
    let found = match output {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            Ok(text.lines().next().unwrap_or_default().to_owned())
        }
        _ => Err(fix.to_owned()),
    };
    Finding {
        what: name,
        found,
        needed,
    }
}

const fn linkage(linkage: Linkage) -> &'static str {
    match linkage {
        Linkage::Static => "benches are linked statically",
        Linkage::Dynamic => {
            "benches are linked dynamically: a static C library would make valgrind start faster"
        }
    }
}
