//! A level stack: it begins at a multiple of [`PAGE`], whatever lies above it.
//!
//! ```text
//! end of the stack
//!   path, arguments, environment, ICGATE_STACK=xxxxx     texts, each with its zero byte
//!   auxiliary vector                                     longer on newer kernels
//!   pointers to the environment variables and the arguments
//!   number of arguments                                  ← a multiple of PAGE
//! ```
//!
//! `memcpy` chooses its way by how far apart source and target are within a page, so a copy
//! between stack and heap costs more or less as the stack moves. What moves it: a longer
//! environment, a longer name, one more argument; and what we do not see, such as another kernel
//! or where Valgrind is installed. The first is reckoned up, the second is measured with the
//! probe; a variable of the right length makes up for both.
//!
//! How Valgrind lays out the stack: `setup_client_stack` in its coregrind/m_initimg/initimg-linux.c.

use std::collections::BTreeMap;

/// The distance over which the alignment of a copy matters.
const PAGE: usize = 4096;
const POINTER: usize = size_of::<usize>();
/// The variable that takes up the slack.
pub(crate) const VARIABLE: &str = "ICGATE_STACK";

/// How far beyond a multiple of [`PAGE`] the stack begins for a process whose own words take a
/// multiple of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct StackOffset(usize);

impl StackOffset {
    /// From an address at which a stack began that [`fill`](Self::fill) had filled with the
    /// default offset.
    pub(crate) const fn of(address: usize) -> Self {
        Self(address % PAGE)
    }

    /// What [`VARIABLE`] has to hold for the stack to begin at a multiple of [`PAGE`].
    pub(crate) fn fill(
        self,
        path: &str,
        arguments: &[String],
        env_vars: &BTreeMap<String, String>,
    ) -> String {
        let text = |text: &str| text.len() + 1;
        // The kernel's note of which file was executed repeats the path.
        let own = text(path) + text(path) + POINTER;
        let arguments = arguments.iter().map(|it| text(it) + POINTER);
        let variables = env_vars
            .iter()
            .map(|(name, value)| text(name) + text(value) + POINTER);
        let variable = text(VARIABLE) + text("") + POINTER;
        let taken = own + arguments.sum::<usize>() + variables.sum::<usize>() + variable;
        "x".repeat((self.0 + PAGE - taken % PAGE) % PAGE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `own` words and the filling take together.
    fn taken(offset: usize, path: &str, arguments: &[&str], env_vars: &[(&str, &str)]) -> usize {
        let arguments: Vec<String> = arguments.iter().map(|&it| it.to_owned()).collect();
        let variables = env_vars
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut env_vars: BTreeMap<String, String> = variables.collect();
        let filling = StackOffset::of(offset).fill(path, &arguments, &env_vars);
        env_vars.insert(VARIABLE.to_owned(), filling);
        let words = arguments.iter().map(|it| it.len() + 1 + 8);
        let variables = env_vars
            .iter()
            .map(|(name, value)| name.len() + 1 + value.len() + 1 + 8);
        2 * (path.len() + 1) + 8 + words.sum::<usize>() + variables.sum::<usize>()
    }

    #[test]
    fn whatever_a_process_is_given_takes_whole_pages_and_the_offset() {
        let long = "y".repeat(5_000);
        for offset in [0, 16, 4_080] {
            for path in ["/a", "/tmp/icgate.000000/bin/frame"] {
                for arguments in [&[][..], &["--iai-run", "0"], &[&long]] {
                    for env_vars in [&[][..], &[("A", "")], &[("A", &*long), ("B", "b")]] {
                        let taken = taken(offset, path, arguments, env_vars);
                        assert_eq!(taken % PAGE, offset, "{path} {}", arguments.len());
                    }
                }
            }
        }
    }
}
