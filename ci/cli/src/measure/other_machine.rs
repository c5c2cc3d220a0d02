//! Another machine, as far as a thread can have one: a processor of its own, a control group that it sees
//! as the root, and a host name. What the thread starts inherits them, and so a benchmark that asks for one
//! counts differently.

use nix::sched::{CloneFlags, CpuSet, sched_getaffinity, sched_setaffinity, unshare};
use nix::unistd::{Pid, sethostname};

/// Host names of so many lengths.
const HOST_NAMES: usize = 32;

/// The calling thread.
const THIS: Pid = Pid::from_raw(0);

/// Moves the calling thread, for the rest of its life, onto the `number`-th of the processors that it may
/// use, into a control group namespace, and under another host name, which its number makes longer. What
/// the system does not allow stays as it is.
pub(super) fn enter(number: usize) {
    if let Ok(allowed) = sched_getaffinity(THIS) {
        let is_allowed = |it: &usize| allowed.is_set(*it).unwrap_or(false);
        let processors: Vec<usize> = (0..CpuSet::count()).filter(is_allowed).collect();
        let chosen = processors.get(number % processors.len().max(1));
        let mut one = CpuSet::new();
        if chosen.is_some_and(|it| one.set(*it).is_ok()) {
            let _ = sched_setaffinity(THIS, &one);
        }
    }
    let _ = unshare(CloneFlags::CLONE_NEWCGROUP);
    if unshare(CloneFlags::CLONE_NEWUTS).is_ok() {
        let _ = sethostname(format!("other-{}", "x".repeat(number % HOST_NAMES)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn processors() -> usize {
        std::thread::available_parallelism().map_or(0, usize::from)
    }

    #[test]
    fn thread_sees_one_processor_and_others_see_all() {
        let before = processors();
        for number in [0, 1, 2, 1_000] {
            let entered = std::thread::spawn(move || {
                enter(number);
                processors()
            });
            assert_eq!(entered.join().expect("it does not panic"), 1);
        }
        assert_eq!(processors(), before);
    }
}
