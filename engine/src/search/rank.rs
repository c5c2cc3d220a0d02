//! From clauses to the best documents.
//!
//! ```text
//! clause ──► its documents, and how often each has it      (in order)
//! all, or any, of them, but those excluded ──► candidates
//! BM25, summed over the clauses ──► the best
//! ```
//!
//! A document's score is that of Robertson and Zaragoza, *The Probabilistic Relevance Framework: BM25
//! and Beyond* (2009), with k₁ = 1.2 and b = 0.75:
//!
//! ```text
//!       Σ         idf(c) · f(c, d) · (k₁ + 1) ÷ (f(c, d) + k₁ · (1 − b + b · |d| ÷ average))
//! clauses c of d           with idf(c) = ln(1 + (N − n(c) + ½) ÷ (n(c) + ½))
//! ```
//!
//! The 1 within the logarithm, which Lucene adds too, keeps the weight of a word above 0 that most
//! documents have. A clause counts as one word, whatever it is made of: f is how often the phrase, or
//! any word with the prefix, is in the document, and n how many documents have it.
//!
//! Of equal scores the newest document is first.

use std::cmp::Ordering;

use super::document::{Field, Kind};
use super::error::SearchError;
use super::index::Index;
use super::phrase::phrase;
use super::postings::Postings;
use super::query::{Clause, Limits, Query};
use crate::map::Item;

const K1: f64 = 1.2;
const B: f64 = 0.75;

/// Above this share of all documents, matches are many: a place for every document is cheaper than
/// sorting them.
const FEW_SHARE: usize = 16;

/// A document, and how often it has what was looked for.
pub(super) type Matches = Vec<(u32, u32)>;

/// What is left of the work that a search may do.
pub(super) struct Budget {
    limits: Limits,
    spent: u64,
}

impl Budget {
    pub(super) fn spend(&mut self, postings: u64) -> Result<(), SearchError> {
        self.spent = self.spent.saturating_add(postings);
        let max = self.limits.postings;
        if self.spent > max {
            let postings = self.spent;
            return Err(SearchError::TooMuchWork { postings, max });
        }
        Ok(())
    }
}

/// The best documents and their scores, the best first, and how many there are in all.
pub(super) fn best(
    index: &Index,
    query: &Query,
    kinds: &[Kind],
    source: Option<u32>,
) -> Result<(Vec<(u32, f64)>, usize), SearchError> {
    let mut budget = Budget {
        limits: query.limits,
        spent: 0,
    };
    let (mut wanted, mut excluded) = (Vec::new(), Vec::new());
    for clause in &query.clauses {
        let matches = matches(index, clause, &mut budget)?;
        if clause.is_excluded {
            excluded.push(matches);
        } else {
            wanted.push(matches);
        }
    }
    let is_narrowed =
        !query.key_prefix.is_empty() || query.run.is_some() || !index.hidden.is_empty();
    let mut excluded: Vec<_> = excluded.iter().map(Walk::new).collect();
    let mut top = Top::new(query.limit);
    // Called with documents that rise.
    let each = |number: u32, score: f64| {
        let document = || &index.documents[number as usize];
        if excluded.iter_mut().all(|it| it.find(number).is_none())
            && source.is_none_or(|source| document().source == source)
            && (!is_narrowed || is_wanted(index, query, kinds, number))
        {
            top.offer(number, score);
        }
    };
    if query.is_any {
        score_any(index, &wanted, each);
    } else {
        score_all(index, &wanted, each);
    }
    Ok(top.finish())
}

/// The best documents so far, of equal scores the newest. The worst of those that are kept is the bar
/// for all that come.
struct Top {
    limit: usize,
    kept: Vec<(u32, f64)>,
    bar: f64,
    offered: usize,
}

fn by_rank(a: &(u32, f64), b: &(u32, f64)) -> Ordering {
    b.1.total_cmp(&a.1).then(b.0.cmp(&a.0))
}

impl Top {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            kept: Vec::new(),
            bar: 0.0,
            offered: 0,
        }
    }

    #[inline]
    fn offer(&mut self, number: u32, score: f64) {
        self.offered += 1;
        if score < self.bar || self.limit == 0 {
            return;
        }
        self.kept.push((number, score));
        if self.kept.len() > 2 * self.limit + 64 {
            let (_, worst, _) = self.kept.select_nth_unstable_by(self.limit - 1, by_rank);
            self.bar = worst.1;
            self.kept.truncate(self.limit);
        }
    }

    fn finish(mut self) -> (Vec<(u32, f64)>, usize) {
        self.kept.sort_unstable_by(by_rank);
        self.kept.truncate(self.limit);
        (self.kept, self.offered)
    }
}

/// Whether a document is where the query looks, and of a run that is seen.
fn is_wanted(index: &Index, query: &Query, kinds: &[Kind], number: u32) -> bool {
    let document = &index.documents[number as usize];
    let key = document.item.as_ref().map(Item::key).unwrap_or_default();
    let run = kinds[document.source as usize].run_of(key);
    key.starts_with(&query.key_prefix)
        && query.run.is_none_or(|wanted| run == Some(wanted))
        && run.is_none_or(|run| !index.hidden.contains(&run))
}

/// What a clause adds to the score of a document.
struct Weight<'a> {
    lengths: &'a [u32],
    idf: f64,
    /// k₁ · (1 − b), and what a token of the document's length adds to it.
    base: f64,
    per_token: f64,
}

impl<'a> Weight<'a> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of documents and tokens are far below 2^53"
    )]
    fn new(index: &'a Index, having: usize) -> Self {
        let (documents, having) = (index.live as f64, having as f64);
        let average = index.tokens as f64 / documents.max(1.0);
        Self {
            lengths: &index.lengths,
            idf: (1.0 + (documents - having + 0.5) / (having + 0.5)).ln(),
            base: K1 * (1.0 - B),
            per_token: K1 * B / average,
        }
    }

    #[inline]
    fn of(&self, number: u32, count: u32) -> f64 {
        let (count, length) = (f64::from(count), f64::from(self.lengths[number as usize]));
        let norm = self.base + self.per_token * length;
        self.idf * count * (K1 + 1.0) / (count + norm)
    }
}

/// Calls `each` with the documents that have all clauses, and their scores.
fn score_all(index: &Index, wanted: &[Matches], mut each: impl FnMut(u32, f64)) {
    let lens = wanted.iter().map(Vec::len).enumerate();
    let Some((shortest, _)) = lens.min_by_key(|(_, len)| *len) else {
        return;
    };
    let weights = wanted.iter().map(|it| Weight::new(index, it.len()));
    let mut clauses: Vec<_> = wanted.iter().map(Walk::new).zip(weights).collect();
    let mut counts = vec![0; wanted.len()];
    'documents: for (number, count) in &wanted[shortest] {
        counts[shortest] = *count;
        for (at, (matches, _)) in clauses.iter_mut().enumerate() {
            if at != shortest {
                match matches.find(*number) {
                    Some(count) => counts[at] = count,
                    None => continue 'documents,
                }
            }
        }
        let scores = clauses.iter().zip(&counts);
        let score = scores.map(|((_, weight), count)| weight.of(*number, *count));
        each(*number, score.sum());
    }
}

/// Calls `each` with the documents that have any clause, and their scores.
fn score_any(index: &Index, wanted: &[Matches], mut each: impl FnMut(u32, f64)) {
    let weights = wanted.iter().map(|it| Weight::new(index, it.len()));
    let weights: Vec<_> = weights.collect();
    let clauses = || wanted.iter().zip(&weights);
    let len: usize = wanted.iter().map(Vec::len).sum();
    if len > index.documents.len() / FEW_SHARE {
        let mut scores = vec![0.0; index.documents.len()];
        for (matches, weight) in clauses() {
            for (number, count) in matches {
                scores[*number as usize] += weight.of(*number, *count);
            }
        }
        for (number, score) in (0..).zip(scores) {
            // A clause always adds something.
            if score > 0.0 {
                each(number, score);
            }
        }
        return;
    }
    let mut scored = Vec::with_capacity(len);
    for (at, (matches, weight)) in clauses().enumerate() {
        let of = |(number, count): &(u32, u32)| (*number, at, weight.of(*number, *count));
        scored.extend(matches.iter().map(of));
    }
    scored.sort_unstable_by_key(|(number, at, _)| (*number, *at));
    for of_document in scored.chunk_by(|(one, ..), (other, ..)| one == other) {
        each(
            of_document[0].0,
            of_document.iter().map(|(.., score)| *score).sum(),
        );
    }
}

/// Goes through matches in step with documents that rise.
struct Walk<'a> {
    rest: &'a [(u32, u32)],
}

impl<'a> Walk<'a> {
    fn new(matches: &'a Matches) -> Self {
        Self { rest: matches }
    }

    /// How often a document has it, which lies above all that were asked for.
    #[inline]
    fn find(&mut self, number: u32) -> Option<u32> {
        if let Some((first, count)) = self.rest.first()
            && *first == number
        {
            return Some(*count);
        }
        // A galloping search: near ones in a step, far ones in the logarithm of the distance.
        let mut step = 1;
        while step < self.rest.len() && self.rest[step].0 <= number {
            step *= 2;
        }
        let near = &self.rest[..self.rest.len().min(step)];
        let before = near.partition_point(|(one, _)| *one < number);
        self.rest = &self.rest[before..];
        let (found, count) = self.rest.first()?;
        (*found == number).then_some(*count)
    }
}

/// Matches in any order, summed by document and in order. Of many, an array of all documents is
/// filled; few are sorted.
fn sum(matches: impl Iterator<Item = (u32, u32)>, len: usize, documents: usize) -> Matches {
    if len > documents / FEW_SHARE {
        let mut counts = vec![0_u32; documents];
        for (number, count) in matches {
            let sum = &mut counts[number as usize];
            *sum = sum.saturating_add(count);
        }
        let counts = (0..).zip(counts);
        return counts.filter(|(_, count)| *count > 0).collect();
    }
    let mut sorted: Matches = matches.collect();
    sorted.sort_unstable();
    sorted.dedup_by(|(next, count), (kept, sum)| {
        let is_same = next == kept;
        if is_same {
            *sum = sum.saturating_add(*count);
        }
        is_same
    });
    sorted
}

/// The documents that have a clause, in any of its fields.
fn matches(index: &Index, clause: &Clause, budget: &mut Budget) -> Result<Matches, SearchError> {
    let fields = Field::ALL.into_iter();
    let fields = fields.filter(|field| clause.field.is_none_or(|wanted| wanted == *field));
    let mut lists: Vec<Vec<Vec<&Postings>>> = Vec::new();
    for field in fields {
        let last = clause.tokens.len() - 1;
        let of_token = |(at, token): (usize, &String)| {
            let is_prefix = clause.is_prefix && at == last;
            lists_of(index, field, token, is_prefix, budget.limits.expansions)
        };
        let found = clause.tokens.iter().enumerate().map(of_token);
        lists.push(found.collect::<Result<_, _>>()?);
    }
    if clause.tokens.len() > 1 {
        let mut all = Vec::new();
        for tokens in &lists {
            all.extend(phrase(index, tokens, budget)?);
        }
        let len = all.len();
        return Ok(sum(all.into_iter(), len, index.documents.len()));
    }
    let lists: Vec<&Postings> = lists.into_iter().flatten().flatten().collect();
    let len = lists.iter().map(|list| list.len()).sum();
    budget.spend(len as u64)?;
    let is_live = |number: u32| index.lengths[number as usize] != 0;
    let of_list = |list: &&'_ Postings| {
        let found = list.iter().map(|it| (it.document, it.count));
        let mut matches = Vec::with_capacity(list.len());
        matches.extend(found.filter(|(number, _)| is_live(*number)));
        matches
    };
    if let [list] = &lists[..] {
        return Ok(of_list(list));
    }
    let all = lists.iter().flat_map(|list| list.iter());
    let all = all.map(|it| (it.document, it.count));
    let all = all.filter(|(number, _)| is_live(*number));
    Ok(sum(all, len, index.documents.len()))
}

/// The postings of a token of a field, or of all terms that begin with it.
fn lists_of<'a>(
    index: &'a Index,
    field: Field,
    token: &str,
    is_prefix: bool,
    max: usize,
) -> Result<Vec<&'a Postings>, SearchError> {
    let mut term = Vec::new();
    field.term(token, &mut term);
    let numbers = if is_prefix {
        let found = index.dictionary.with_prefix(&term, max);
        found.ok_or_else(|| SearchError::TooManyExpansions {
            prefix: token.to_owned(),
            max,
        })?
    } else {
        index.dictionary.get(&term).into_iter().collect()
    };
    let list = |number: u32| &index.postings[number as usize];
    Ok(numbers.into_iter().map(list).collect())
}
