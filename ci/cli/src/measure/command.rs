//! A benchmark's command under Valgrind, in the measurement environment or in a disturbed one.

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;

use icgate_core::model::environment::Environment;

use crate::environment::{
    SEED_VARIABLE, STACK_VARIABLE, StackOffset, TIME_ZONE, TUNABLES, Valgrind,
};
use crate::measure::record::Planned;

/// How a measurement environment differs from the ordinary one, to see what moves when nothing should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Disturbance {
    /// Bytes of environment beyond the ordinary.
    env_vars: usize,
    /// Characters of path beyond the ordinary.
    pub(super) path: usize,
    /// Bytes of one more argument, which the harness passes over: it lies on the heap before all
    /// that the benchmark allocates.
    argument: usize,
    /// Bytes by which code is further on in the executable.
    pub(super) code: u64,
    /// Whether it runs on one processor alone, ever another, and in a control group namespace of its own.
    pub(super) machine: Option<usize>,
    /// The seed of its random numbers; 0 is the ordinary one.
    seed: u32,
}

impl Disturbance {
    /// The ordinary measurement environment.
    pub(crate) const NONE: Self = Self {
        env_vars: 0,
        path: 0,
        argument: 0,
        code: 0,
        machine: None,
        seed: 0,
    };
    /// A larger environment, a longer path and a fuller heap, of sizes that no alignment divides; and
    /// another processor, control group and host name. (What is drawn at random is another each time by
    /// itself, unless it is pinned.)
    pub(crate) const USUAL: Self = Self {
        env_vars: 3_001,
        path: 29,
        argument: 1_777,
        code: 0,
        machine: Some(1),
        seed: 0,
    };

    /// Another measurement environment for each round: first the ordinary one, then the usual disturbance, then
    /// ever other sizes.
    pub(crate) const fn of_round(round: u32) -> Self {
        let round = round as usize;
        match round {
            0 => Self::NONE,
            1 => Self::USUAL,
            // Multiples of primes, so that no two rounds are alike in any of the three.
            _ => Self {
                env_vars: round * 977 % 5_003,
                path: 2 + round * 13 % 61,
                argument: 1 + round * 599 % 4_001,
                code: 0,
                machine: Some(round),
                seed: 0,
            },
        }
    }
}

impl Disturbance {
    /// The same with code elsewhere: ever another share of a page, in steps that functions are
    /// aligned to.
    pub(crate) const fn with_code_moved(self, round: u32) -> Self {
        let code = round as u64 * 1_232 % 4_096;
        Self { code, ..self }
    }

    /// The same with other random numbers, where they are pinned. A count that they move is still the
    /// same in every ordinary run, so this is for showing what depends on them, and no part of a noise
    /// that a baseline keeps.
    pub(crate) const fn with_seed(self, seed: u32) -> Self {
        Self { seed, ..self }
    }

    /// The fingerprint of `environment` so disturbed: another seed makes it another.
    pub(super) fn fingerprint(self, environment: &Environment) -> Environment {
        let mut environment = environment.clone();
        if self.seed > 0 {
            let _ = write!(environment.machine, ", seed {}", self.seed);
        }
        environment
    }
}

/// How to execute.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExecOptions {
    /// Commands at once.
    pub(crate) jobs: NonZeroUsize,
    /// What is different from the ordinary measurement environment.
    pub(crate) disturbance: Disturbance,
    /// Where stacks would begin here if nothing were done about it.
    pub(crate) stack: StackOffset,
    /// Whether what the machine tells a program is pinned.
    pub(crate) is_pinned: bool,
    /// Whether Valgrind's output is kept for a replay.
    pub(crate) keep: bool,
}

/// A benchmark under Valgrind with these options, in the measurement environment.
pub(super) fn command(
    planned: &Planned,
    path: &Path,
    valgrind: &Valgrind,
    options: &[String],
    how: ExecOptions,
) -> Command {
    let disturbance = how.disturbance;
    let mut command = Command::new(&valgrind.path);
    command.current_dir(&planned.directory).env_clear();
    let mut env_vars = planned.env_vars.clone();
    // The measurement environment's tunables come last: the fingerprint says that they are in force.
    env_vars.insert("GLIBC_TUNABLES".to_owned(), TUNABLES.to_owned());
    if how.is_pinned {
        let (name, zone) = TIME_ZONE;
        let declared = env_vars.entry(name.to_owned());
        declared.or_insert_with(|| zone.to_owned());
        // Over whatever a harness declares, and of one length, so that no other seed moves anything else.
        env_vars.insert(SEED_VARIABLE.to_owned(), format!("{:06}", disturbance.seed));
    }
    if disturbance.env_vars > 0 {
        let value = "x".repeat(disturbance.env_vars);
        env_vars.insert("ICGATE_DISTURBANCE".to_owned(), value);
    }
    let mut arguments = planned.arguments.clone();
    if disturbance.argument > 0 {
        arguments.push("x".repeat(disturbance.argument));
    }
    let filling = how
        .stack
        .fill(&path.to_string_lossy(), &arguments, &env_vars);
    env_vars.insert(STACK_VARIABLE.to_owned(), filling);
    command.envs(env_vars);
    command.args(options).arg(path).args(arguments);
    command
}
