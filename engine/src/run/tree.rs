//! The spans of a run as a tree.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{RunId, SpanId};
use super::error::RunError;
use super::row::Span;
use super::runs::Runs;

/// A span and its place in the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct TreeSpan {
    /// How many spans it is within.
    pub depth: usize,
    /// The span.
    pub span: Span,
}

/// The spans depth first: each after its parent, and those of one parent in the order in which they
/// started.
///
/// # Errors
/// [`RunError::MissingParent`] and [`RunError::SpanCycle`] where the spans are no tree. The spans of a
/// run always are; others may come from anywhere.
pub fn tree(run: RunId, spans: impl IntoIterator<Item = Span>) -> Result<Vec<TreeSpan>, RunError> {
    let mut children: BTreeMap<Option<SpanId>, Vec<Span>> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for span in spans {
        ids.insert(span.id);
        children.entry(span.parent).or_default().push(span);
    }
    for (parent, children) in &mut children {
        if let Some(parent) = *parent
            && !ids.contains(&parent)
        {
            let name = children.first().map_or(String::new(), |it| it.name.clone());
            return Err(RunError::MissingParent { run, parent, name });
        }
        // The last one is taken first.
        children.sort_by_key(|span| std::cmp::Reverse((span.started_step, span.id)));
    }
    let mut tree = Vec::with_capacity(ids.len());
    // No recursion: a trace may be as deep as it is long.
    let mut within = vec![children.remove(&None).unwrap_or_default()];
    while let Some(siblings) = within.last_mut() {
        let Some(span) = siblings.pop() else {
            within.pop();
            continue;
        };
        let below = children.remove(&Some(span.id)).unwrap_or_default();
        tree.push(TreeSpan {
            depth: within.len() - 1,
            span,
        });
        within.push(below);
    }
    // What no root leads to is in a cycle.
    match children.into_values().flatten().next() {
        Some(span) => Err(RunError::SpanCycle { run, span: span.id }),
        None => Ok(tree),
    }
}

impl Runs {
    /// The trace of a run; see [`tree`].
    ///
    /// # Errors
    /// [`RunError::UnknownRun`]; [`RunError::Row`] where it cannot be read.
    pub fn trace(&self, run: RunId) -> Result<Vec<TreeSpan>, RunError> {
        tree(run, self.spans(run)?)
    }
}
