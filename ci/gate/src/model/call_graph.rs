//! Who calls whom in a benchmark, in the words of its source.
//!
//! ```text
//! encode ──frame.rs:95──▶ checksum      a call of the machine: counted
//!        ──frame.rs:97──▶ head          inlined: no call is left to be counted
//! ```
//!
//! A site's instructions are what was executed from call to return. They say which way most of a
//! cost was reached, and nothing else: under recursion they overlap.

use std::cmp::Reverse;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::model::functions::exact;
use crate::model::interned::Interned;

/// Sites below one part in this many of the most expensive are left out: they lead to no row that matters.
const SHARE: u64 = 2_000;

/// At most this many sites are kept, the most expensive ones.
const SITES_MAX: usize = 400;

/// Functions, and the places from which they call each other; most expensive place first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallGraph {
    #[serde(deserialize_with = "exact")]
    functions: Vec<(Interned, Interned)>,
    #[serde(deserialize_with = "exact")]
    sites: Vec<CallSite>,
}

/// All calls of one function from one line of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallSite {
    /// Who calls: a place in the list of functions.
    pub caller: usize,
    /// Who is called: a place in the list of functions.
    pub callee: usize,
    /// File of the workspace, and line; `None` in a library.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<(Interned, u32)>,
    /// How often; `None` where the callee was inlined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// Instructions executed from call to return.
    pub instructions: u64,
}

/// A site as seen from one end: the function at the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour<'a> {
    /// The function's name.
    pub name: &'a Interned,
    /// Its file.
    pub file: &'a Interned,
    /// The site.
    pub site: &'a CallSite,
}

/// Sites as they are found, their functions by any numbers.
#[derive(Debug, Default)]
pub(crate) struct Calls(Vec<CallSite>);

impl Calls {
    pub(crate) fn push(&mut self, site: CallSite) {
        self.0.push(site);
    }

    /// The graph of the sites that matter; `name` gives the name and file of a function's number.
    pub(crate) fn finish(self, name: impl Fn(usize) -> (Interned, Interned)) -> CallGraph {
        let mut sites = self.0;
        let most_expensive = sites.iter().map(|site| site.instructions).max();
        let least = most_expensive.unwrap_or(0) / SHARE;
        sites.retain(|site| site.instructions >= least);
        let key = |site: &CallSite| {
            let ends = (name(site.caller), name(site.callee));
            (Reverse(site.instructions), ends, site.line.clone())
        };
        sites.sort_by_cached_key(key);
        sites.truncate(SITES_MAX);
        let mut numbers = HashMap::new();
        let mut functions = Vec::new();
        let mut number = |known: usize| {
            *numbers.entry(known).or_insert_with(|| {
                functions.push(name(known));
                functions.len() - 1
            })
        };
        for site in &mut sites {
            (site.caller, site.callee) = (number(site.caller), number(site.callee));
        }
        CallGraph { functions, sites }
    }
}

impl CallGraph {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sites.is_empty()
    }

    /// Whether it is one that was made here: not larger, and every site names functions of the
    /// list.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let known = |number| number < self.functions.len();
        let is_known = |site: &CallSite| known(site.caller) && known(site.callee);
        self.sites.len() <= SITES_MAX
            && self.functions.len() <= 2 * SITES_MAX
            && self.sites.iter().all(is_known)
    }

    /// The functions, by the numbers that sites name them with: name and file.
    #[must_use]
    pub fn functions(&self) -> &[(Interned, Interned)] {
        &self.functions
    }

    /// The sites, most expensive first.
    #[must_use]
    pub fn sites(&self) -> &[CallSite] {
        &self.sites
    }

    /// From where a function is called, most expensive first.
    pub fn callers(&self, name: &str, file: &str) -> impl Iterator<Item = Neighbour<'_>> {
        let callee = self.number(name, file);
        let sites = self.sites.iter();
        let sites = sites.filter(move |site| Some(site.callee) == callee);
        sites.map(|site| self.neighbour(site.caller, site))
    }

    /// What a function calls, most expensive first.
    pub fn callees(&self, name: &str, file: &str) -> impl Iterator<Item = Neighbour<'_>> {
        let caller = self.number(name, file);
        let sites = self.sites.iter();
        let sites = sites.filter(move |site| Some(site.caller) == caller);
        sites.map(|site| self.neighbour(site.callee, site))
    }

    /// All lines from which something is called.
    pub fn lines(&self) -> impl Iterator<Item = &(Interned, u32)> {
        self.sites.iter().filter_map(|site| site.line.as_ref())
    }

    /// Whether one of the two calls the other.
    #[must_use]
    pub fn are_neighbours(&self, a: (&str, &str), b: (&str, &str)) -> bool {
        let (Some(a), Some(b)) = (self.number(a.0, a.1), self.number(b.0, b.1)) else {
            return false;
        };
        let ends = |site: &CallSite| (site.caller, site.callee);
        self.sites
            .iter()
            .map(ends)
            .any(|it| it == (a, b) || it == (b, a))
    }

    fn number(&self, name: &str, file: &str) -> Option<usize> {
        self.functions
            .iter()
            .position(|it| it.0 == name && it.1 == file)
    }

    fn neighbour<'a>(&'a self, number: usize, site: &'a CallSite) -> Neighbour<'a> {
        let (name, file) = &self.functions[number];
        Neighbour { name, file, site }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A graph of `caller → callee at file:line, instructions`; every function is in `file`.
    pub(crate) fn graph(file: &str, sites: &[(&str, &str, u32, u64)]) -> CallGraph {
        let mut names: Vec<&str> = Vec::new();
        let mut calls = Calls::default();
        for (caller, callee, line, instructions) in sites {
            let mut number = |name| {
                names.iter().position(|it| *it == name).unwrap_or_else(|| {
                    names.push(name);
                    names.len() - 1
                })
            };
            calls.push(CallSite {
                caller: number(caller),
                callee: number(callee),
                line: Some((file.into(), *line)),
                calls: None,
                instructions: *instructions,
            });
        }
        calls.finish(|number| (names[number].into(), file.into()))
    }

    #[test]
    fn callers_and_callees_come_most_expensive_first() {
        let graph = graph(
            "a.rs",
            &[
                ("main", "f", 1, 10),
                ("main", "f", 2, 90),
                ("f", "g", 7, 50),
            ],
        );
        let callers: Vec<_> = graph
            .callers("f", "a.rs")
            .map(|it| (it.name.as_str(), it.site.line.clone().unwrap().1))
            .collect();
        assert_eq!(callers, [("main", 2), ("main", 1)]);
        let called: Vec<_> = graph
            .callees("f", "a.rs")
            .map(|it| it.name.as_str())
            .collect();
        assert_eq!(called, ["g"]);
        assert_eq!(graph.callers("f", "b.rs").count(), 0);
        assert!(graph.are_neighbours(("g", "a.rs"), ("f", "a.rs")));
        assert!(!graph.are_neighbours(("g", "a.rs"), ("main", "a.rs")));
    }

    #[test]
    fn what_cannot_matter_is_left_out() {
        let graph = graph(
            "a.rs",
            &[("f", "g", 1, 2 * SHARE), ("f", "h", 2, 1), ("f", "i", 3, 2)],
        );
        let callees: Vec<_> = graph
            .callees("f", "a.rs")
            .map(|it| it.name.as_str())
            .collect();
        assert_eq!(callees, ["g", "i"]);
        assert!(graph.is_whole());
    }

    #[test]
    fn a_site_without_its_functions_is_noticed() {
        let text =
            r#"{"functions":[["f","a.rs"]],"sites":[{"caller":0,"callee":1,"instructions":1}]}"#;
        let graph: CallGraph = serde_json::from_str(text).unwrap();
        assert!(!graph.is_whole());
    }

    #[test]
    fn no_graph_is_larger_than_what_is_looked_through() {
        let many = |count| -> Vec<_> { (0..count).map(|line| ("f", "g", line, 5)).collect() };
        let graph = graph("a.rs", &many(1_000));
        assert_eq!(graph.sites.len(), SITES_MAX);
        let mut larger = graph.clone();
        larger.sites.push(graph.sites[0].clone());
        assert!(graph.is_whole() && !larger.is_whole());
    }
}
