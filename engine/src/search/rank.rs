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
    let is_wanted = |number: u32| {
        source.is_none_or(|source| index.documents[number as usize].source == source)
            && is_wanted(index, query, kinds, number)
    };
    let is_narrowed = source.is_some()
        || !query.key_prefix.is_empty()
        || query.run.is_some()
        || !index.hidden.is_empty();
    let len: usize = wanted.iter().map(Vec::len).sum();
    if query.is_any && len > index.documents.len() / FEW_SHARE {
        let mut scored = scores_of_many(index, &wanted);
        for matches in &excluded {
            let mut matches = Walk::new(matches);
            scored.retain(|(number, _)| matches.find(*number).is_none());
        }
        if is_narrowed {
            scored.retain(|(number, _)| is_wanted(*number));
        }
        let total = scored.len();
        return Ok((first(scored.into_iter(), query.limit), total));
    }
    let mut candidates = if query.is_any {
        united(&wanted, index.documents.len())
    } else {
        shared(&wanted)
    };
    let before = candidates.len();
    for matches in &excluded {
        let mut matches = Walk::new(matches);
        candidates.retain(|number| matches.find(*number).is_none());
    }
    if is_narrowed {
        candidates.retain(|number| is_wanted(*number));
    }
    let total = candidates.len();
    let scores = scores(index, &candidates, &wanted, total == before);
    let scored = candidates.into_iter().zip(scores);
    Ok((first(scored, query.limit), total))
}

/// The best `limit` documents, of equal scores the newest. The worst of those that are kept is the bar
/// for all that come.
fn first(scored: impl Iterator<Item = (u32, f64)>, limit: usize) -> Vec<(u32, f64)> {
    let by_rank = |a: &(u32, f64), b: &(u32, f64)| b.1.total_cmp(&a.1).then(b.0.cmp(&a.0));
    let (mut kept, mut bar) = (Vec::new(), 0.0);
    if limit == 0 {
        return kept;
    }
    for (number, score) in scored {
        if score < bar {
            continue;
        }
        kept.push((number, score));
        if kept.len() > 2 * limit + 64 {
            let (_, worst, _) = kept.select_nth_unstable_by(limit - 1, by_rank);
            bar = worst.1;
            kept.truncate(limit);
        }
    }
    kept.sort_unstable_by(by_rank);
    kept.truncate(limit);
    kept
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

/// The documents that are in any of long lists, and their scores: a place for every document.
fn scores_of_many(index: &Index, wanted: &[Matches]) -> Vec<(u32, f64)> {
    let mut scores = vec![0.0; index.documents.len()];
    for matches in wanted {
        let weight = Weight::new(index, matches.len());
        for (number, count) in matches {
            scores[*number as usize] += weight.of(*number, *count);
        }
    }
    let scored = (0..).zip(scores);
    scored.filter(|(_, score)| *score > 0.0).collect()
}

/// The scores of candidates; `is_whole` says that none was taken away.
fn scores(index: &Index, candidates: &[u32], wanted: &[Matches], is_whole: bool) -> Vec<f64> {
    let mut scores = vec![0.0; candidates.len()];
    for matches in wanted {
        let weight = Weight::new(index, matches.len());
        // While none was taken away, all candidates have every clause, or every document that has one
        // is a candidate: lists of the same length are of the same documents.
        if is_whole && matches.len() == candidates.len() {
            for (score, (number, count)) in scores.iter_mut().zip(matches) {
                *score += weight.of(*number, *count);
            }
            continue;
        }
        let mut matches = Walk::new(matches);
        for (score, number) in scores.iter_mut().zip(candidates) {
            if let Some(count) = matches.find(*number) {
                *score += weight.of(*number, count);
            }
        }
    }
    scores
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

/// The documents that are in all lists.
fn shared(lists: &[Matches]) -> Vec<u32> {
    let Some(shortest) = lists.iter().min_by_key(|list| list.len()) else {
        return Vec::new();
    };
    let mut found: Vec<_> = shortest.iter().map(|(number, _)| *number).collect();
    for list in lists {
        if !std::ptr::eq(list, shortest) {
            let mut list = Walk::new(list);
            found.retain(|number| list.find(*number).is_some());
        }
    }
    found
}

/// The documents that are in any list.
fn united(lists: &[Matches], documents: usize) -> Vec<u32> {
    if let [list] = lists {
        return list.iter().map(|(number, _)| *number).collect();
    }
    let all = || lists.iter().flatten().map(|(number, _)| *number);
    sum(
        all().map(|number| (number, 1)),
        lists.iter().map(Vec::len).sum(),
        documents,
    )
    .into_iter()
    .map(|(number, _)| number)
    .collect()
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
