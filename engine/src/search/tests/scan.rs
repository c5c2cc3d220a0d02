//! The reference: every document is read and tokenised for every query. No index, no order, no cache.

use std::collections::BTreeMap;

use super::super::document::Field;
use super::super::query::{Clause, Query};
use super::super::tokens::tokens;
use super::super::{Found, Hit};
use crate::engine::{Engine, Keyspace};
use crate::map::Item;

/// What a search should find: keyspace, key, value, and the bits of the score.
pub(super) type Expected = Vec<(String, Vec<u8>, Vec<u8>, u64)>;

struct Document {
    keyspace: String,
    item: Item,
    fields: Vec<(Field, Vec<(u32, String)>)>,
}

fn read(keyspace: &Keyspace, item: Item) -> Document {
    let of = |text: &[u8]| {
        let mut found = Vec::new();
        tokens(text, 0, |position, token| {
            found.push((position, token.to_owned()));
        });
        found
    };
    let fields = vec![
        (Field::Key, of(item.key())),
        (Field::Value, of(item.value())),
    ];
    let keyspace = keyspace.name().to_owned();
    Document {
        keyspace,
        item,
        fields,
    }
}

impl Document {
    fn length(&self) -> usize {
        self.fields.iter().map(|(_, tokens)| tokens.len()).sum()
    }

    /// How often it has a clause.
    fn count(&self, clause: &Clause) -> u32 {
        let mut count = 0;
        for (field, tokens) in &self.fields {
            if clause.field.is_some_and(|wanted| wanted != *field) {
                continue;
            }
            let at: BTreeMap<u32, &String> =
                tokens.iter().map(|(at, token)| (*at, token)).collect();
            for (begin, _) in tokens {
                let stands = |(offset, token): (u32, &String)| {
                    let is_last = offset as usize == clause.tokens.len() - 1;
                    at.get(&(begin + offset)).is_some_and(|it| {
                        *it == token || (clause.is_prefix && is_last && it.starts_with(token))
                    })
                };
                count += u32::from((0..).zip(&clause.tokens).all(stands));
            }
        }
        count
    }
}

/// The hits of a query by reading everything, and how many documents there are in all.
#[expect(clippy::cast_precision_loss, reason = "a test has few documents")]
pub(super) fn scan(engine: &Engine, keyspaces: &[Keyspace], query: &Query) -> (Expected, usize) {
    let view = engine.view();
    let of = |keyspace| view.scan(keyspace).map(|item| read(keyspace, item));
    let documents: Vec<_> = keyspaces.iter().flat_map(of).collect();
    let number = documents.len() as f64;
    let tokens: usize = documents.iter().map(Document::length).sum();
    let average = tokens as f64 / number;
    let mut found = Vec::new();
    for document in &documents {
        let is_there = |clause: &&Clause| document.count(clause) > 0;
        let mut wanted = query.clauses.iter().filter(|it| !it.is_excluded);
        let mut excluded = query.clauses.iter().filter(|it| it.is_excluded);
        let is_found = if query.is_any {
            wanted.any(|it| is_there(&it))
        } else {
            wanted.all(|it| is_there(&it))
        };
        let is_within = query
            .within
            .as_ref()
            .is_none_or(|it| *it == document.keyspace);
        let has_prefix = document.item.key().starts_with(&query.key_prefix);
        if !is_found || excluded.any(|it| is_there(&it)) || !is_within || !has_prefix {
            continue;
        }
        let mut score = 0.0;
        for clause in query.clauses.iter().filter(|it| !it.is_excluded) {
            let count = f64::from(document.count(clause));
            if count > 0.0 {
                let having = documents.iter().filter(|it| it.count(clause) > 0).count() as f64;
                let idf = (1.0 + (number - having + 0.5) / (having + 0.5)).ln();
                let length = document.length() as f64;
                let norm = 1.2 * (1.0 - 0.75) + 1.2 * 0.75 / average * length;
                score += idf * count * (1.2 + 1.0) / (count + norm);
            }
        }
        found.push((score, document));
    }
    let total = found.len();
    found.sort_by(|(a, of_a), (b, of_b)| {
        let newest_first = of_b.item.version().cmp(&of_a.item.version());
        b.total_cmp(a).then(newest_first)
    });
    found.truncate(query.limit);
    let expected = found.into_iter().map(|(score, document)| {
        let (key, value) = (document.item.key().to_vec(), document.item.value().to_vec());
        (document.keyspace.clone(), key, value, score.to_bits())
    });
    (expected.collect(), total)
}

/// What a search found, to be compared.
pub(super) fn listed(found: &Found) -> (Expected, usize) {
    let hit = |hit: &Hit| {
        let (key, value) = (hit.key().to_vec(), hit.value().to_vec());
        (
            hit.keyspace().name().to_owned(),
            key,
            value,
            hit.score.to_bits(),
        )
    };
    (found.hits.iter().map(hit).collect(), found.total)
}
