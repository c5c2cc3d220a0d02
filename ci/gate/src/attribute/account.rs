//! Accounts: functions that are told as one.
//!
//! ```text
//! malloc, _int_malloc, free, …   +900   the allocator, for the line from which it is called more often
//! encode                         +300   alone
//! ```
//!
//! Which of its functions an allocation goes through is the allocator's own affair: it depends on what
//! was freed before.

use std::cmp::Reverse;

use super::edges::Graphs;
use super::place::{Evidence, Place};
use super::{Culprit, FunctionChange};
use crate::model::interned::Interned;

/// What the functions of the allocator are called together.
const ALLOCATOR: &str = "the allocator";

/// The functions of glibc's allocator and of Rust's, without their leading underscores.
const ALLOCATORS: [&str; 25] = [
    "alloc_perturb",
    "calloc",
    "cfree",
    "free",
    "int_free",
    "int_free_chunk",
    "int_free_create_chunk",
    "int_free_merge_chunk",
    "int_malloc",
    "int_memalign",
    "int_realloc",
    "libc_calloc",
    "libc_free",
    "libc_malloc",
    "libc_realloc",
    "malloc",
    "malloc_consolidate",
    "realloc",
    "rust_alloc",
    "rust_alloc_zeroed",
    "rust_dealloc",
    "rust_realloc",
    "sysmalloc",
    "systrim",
    "unlink_chunk",
];

/// Functions that are told as one: a function alone, or all of the allocator's.
pub(super) struct Account<'a> {
    /// The one that moved most.
    pub(super) first: &'a FunctionChange,
    pub(super) all: Vec<&'a FunctionChange>,
    /// What they contribute together.
    pub(super) instructions: i128,
}

impl Account<'_> {
    /// What to call it.
    pub(super) fn name(&self) -> Interned {
        if is_allocator(self.first) {
            ALLOCATOR.into()
        } else {
            self.first.name.clone()
        }
    }

    /// For library code: the line of the workspace from which it is called more often.
    pub(super) fn grown(&self, graphs: &Graphs<'_>) -> Option<(Interned, Interned, u32)> {
        let is_library = self.first.caller.is_some() || is_allocator(self.first);
        let keys: Vec<_> = self.all.iter().map(|it| it.key()).collect();
        is_library.then(|| graphs.grown(&keys)).flatten()
    }

    /// The place of the one that moved most, of those that the diff explains if there are any.
    pub(super) fn place(&self, evidence: &Evidence<'_>) -> Option<Place> {
        let places: Vec<Place> = self
            .all
            .iter()
            .filter_map(|it| evidence.place(it))
            .collect();
        let explained = places.iter().find(|it| it.in_diff);
        explained.or(places.first()).cloned()
    }
}

/// Puts the allocator's functions into one account: which of them an allocation costs is its own
/// affair.
pub(super) fn one_account<'a>(causes: Vec<(&'a FunctionChange, i128)>) -> Vec<Account<'a>> {
    let mut accounts: Vec<Account<'a>> = Vec::new();
    for (function, instructions) in causes {
        let is_same = |it: &&mut Account<'a>| is_allocator(function) && is_allocator(it.first);
        match accounts.iter_mut().find(is_same) {
            Some(account) => {
                account.all.push(function);
                account.instructions += instructions;
            }
            None => accounts.push(Account {
                first: function,
                all: vec![function],
                instructions,
            }),
        }
    }
    accounts.sort_by_key(|it| Reverse(it.instructions.abs()));
    accounts
}

impl Culprit {
    /// Whether it is the allocator, which somebody asks more often or for more.
    #[must_use]
    pub fn is_allocator(&self) -> bool {
        self.name == ALLOCATOR
    }

    /// Whether it is, or is an account with, the function of this name that runs for `caller`.
    #[must_use]
    pub fn names(&self, name: &str, caller: Option<&Interned>) -> bool {
        if self.name == ALLOCATOR {
            return is_allocator_name(name);
        }
        self.name == name && self.caller.as_ref() == caller
    }
}

fn is_allocator(function: &FunctionChange) -> bool {
    is_allocator_name(&function.name)
}

/// Whether a function is the allocator's: the C library's, or what Rust puts in front of it.
fn is_allocator_name(name: &str) -> bool {
    let name = name.rsplit("::").next().unwrap_or(name);
    ALLOCATORS.contains(&name.trim_start_matches('_'))
}
