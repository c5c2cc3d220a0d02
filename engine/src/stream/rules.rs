//! Who may do what with which topics.
//!
//! ```text
//! rule  allow  principal `billing-*`  publish, consume  topics `orders.*`
//! handle: (version of the rules, what is allowed) ──► one load and one comparison per call
//! ```
//!
//! Rules are off until they are turned on; from then on nothing is allowed that no rule allows, and a
//! rule that denies is stronger than any that allows. The handle that opened the streams is the
//! operator's, and is never asked. Every other one is made by
//! [`Streams::act_as`](super::Streams::act_as), and is asked on each call.
//!
//! A handle keeps what was decided, with the version of the rules by which it was. A change of the
//! rules raises the version before it returns, so that the next call of every handle decides again.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::error::StreamError;
use crate::injected_bug::{Bug, injected};

/// What is done with a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Action {
    /// Publish messages.
    Publish = 1,
    /// Read messages, and commit offsets.
    Consume = 2,
    /// Create, change, trim and delete it.
    Admin = 4,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Publish, Self::Consume, Self::Admin];
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Publish => "publish to",
            Self::Consume => "consume",
            Self::Admin => "administer",
        })
    }
}

/// What one rule says. In both patterns `*` stands for any characters, also none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Who.
    pub principals: String,
    /// With which topics.
    pub topics: String,
    /// What.
    pub actions: Vec<Action>,
    /// Whether they may not.
    pub is_denial: bool,
}

impl Rule {
    /// A rule that allows.
    #[must_use]
    pub fn allow(principals: &str, topics: &str, actions: &[Action]) -> Self {
        Self {
            principals: principals.to_owned(),
            topics: topics.to_owned(),
            actions: actions.to_vec(),
            is_denial: false,
        }
    }

    /// A rule that denies, whatever others allow.
    #[must_use]
    pub fn deny(principals: &str, topics: &str, actions: &[Action]) -> Self {
        Self {
            is_denial: true,
            ..Self::allow(principals, topics, actions)
        }
    }

    fn bits(&self) -> u8 {
        self.actions
            .iter()
            .fold(0, |bits, action| bits | *action as u8)
    }

    fn covers(&self, principal: &str, topic: &str) -> bool {
        matches(&self.principals, principal) && matches(&self.topics, topic)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let principals_len = u32::try_from(self.principals.len()).unwrap_or(u32::MAX);
        let head = [u8::from(self.is_denial), self.bits()];
        let principals = self.principals.as_bytes();
        [
            &head,
            &principals_len.to_le_bytes()[..],
            principals,
            self.topics.as_bytes(),
        ]
        .concat()
    }

    pub(super) fn read(value: &[u8]) -> Option<Self> {
        let (head, rest) = value.split_first_chunk::<6>()?;
        let len = u32::from_le_bytes([head[2], head[3], head[4], head[5]]) as usize;
        let (principals, topics) = rest.split_at_checked(len)?;
        let text = |bytes: &[u8]| Some(std::str::from_utf8(bytes).ok()?.to_owned());
        let has = |action: &Action| head[1] & *action as u8 != 0;
        (head[0] <= 1 && head[1] < 8).then_some(())?;
        Some(Self {
            principals: text(principals)?,
            topics: text(topics)?,
            actions: Action::ALL.into_iter().filter(has).collect(),
            is_denial: head[0] == 1,
        })
    }
}

/// Whether `text` is what a pattern describes, in which `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// The rules as they are now.
#[derive(Debug, Default)]
pub(super) struct Rules {
    set: RwLock<Set>,
    /// Raised after each change; begins at 1, so that 0 is decided by none.
    version: AtomicU64,
}

#[derive(Debug, Default, Clone)]
struct Set {
    is_on: bool,
    rules: Vec<(String, Rule)>,
}

/// What a handle was told it may do with a topic, and by which version of the rules.
#[derive(Debug, Default)]
pub(super) struct Decided(AtomicU64);

impl Rules {
    /// Changes the rules: `is_on`, and all of them, by name.
    pub(super) fn replace(&self, is_on: bool, rules: Vec<(String, Rule)>) {
        let mut set = self.set.write();
        *set = Set { is_on, rules };
        if injected(Bug::KeepDecisions) && self.version.load(Ordering::Acquire) > 0 {
            return;
        }
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Whether they are on, and all of them.
    pub(super) fn list(&self) -> (bool, Vec<(String, Rule)>) {
        let set = self.set.read();
        (set.is_on, set.rules.clone())
    }

    /// The actions that are allowed, and the version by which they are.
    fn decide(&self, principal: &str, topic: &str) -> (u64, u8) {
        let set = self.set.read();
        let version = self.version.load(Ordering::Acquire);
        if !set.is_on {
            return (version, u8::MAX);
        }
        let (mut allowed, mut denied) = (0, 0);
        for (_, rule) in set
            .rules
            .iter()
            .filter(|(_, rule)| rule.covers(principal, topic))
        {
            let bits = if rule.is_denial {
                &mut denied
            } else {
                &mut allowed
            };
            *bits |= rule.bits();
        }
        (version, allowed & !denied)
    }

    /// An error unless `principal` may do it. The operator, who is none, may do everything.
    #[inline]
    pub(super) fn check(
        &self,
        principal: Option<&Arc<str>>,
        topic: &str,
        action: Action,
        decided: &Decided,
    ) -> Result<(), StreamError> {
        let Some(principal) = principal else {
            return Ok(());
        };
        let version = self.version.load(Ordering::Acquire);
        let known = decided.0.load(Ordering::Acquire);
        let allowed = if known >> 8 == version && version != 0 {
            known.to_le_bytes()[0]
        } else {
            let (version, allowed) = self.decide(principal, topic);
            decided
                .0
                .store(version << 8 | u64::from(allowed), Ordering::Release);
            allowed
        };
        if allowed & action as u8 != 0 {
            return Ok(());
        }
        Err(StreamError::Denied {
            principal: principal.to_string(),
            action,
            topic: topic.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_what_they_describe() {
        for (pattern, text) in [
            ("*", ""),
            ("orders", "orders"),
            ("orders*", "orders"),
            ("*s", "orders"),
            ("o*r*s", "orders"),
            ("a*b*c", "a.b.b.c"),
            ("**", "x"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "x"),
            ("orders", "orders2"),
            ("orders*", "order"),
            ("a*a", "a"),
            ("a*b*c", "a.c.b"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn rules_come_back_as_they_were_saved() {
        let rule = Rule::deny("a*", "b.*", &[Action::Publish, Action::Admin]);
        assert_eq!(Rule::read(&rule.encode()), Some(rule.clone()));
        let good = rule.encode();
        for len in 0..6 + 2 {
            assert_eq!(Rule::read(&good[..len]), None, "cut to {len}");
        }
        let mut bad = good;
        bad[1] = 8;
        assert_eq!(Rule::read(&bad), None);
    }

    fn is_allowed(rules: &Rules, decided: &Decided, action: Action) -> bool {
        let principal: Arc<str> = "ann".into();
        rules
            .check(Some(&principal), "orders", action, decided)
            .is_ok()
    }

    #[test]
    fn nothing_is_allowed_that_no_rule_allows_once_they_are_on() {
        let (rules, decided) = (Rules::default(), Decided::default());
        rules.replace(false, Vec::new());
        assert!(is_allowed(&rules, &decided, Action::Admin));
        rules.replace(true, Vec::new());
        assert!(
            Action::ALL
                .iter()
                .all(|action| !is_allowed(&rules, &decided, *action))
        );
        assert!(rules.check(None, "orders", Action::Admin, &decided).is_ok());
        let allow = ("1".to_owned(), Rule::allow("a*", "*", &Action::ALL));
        rules.replace(true, vec![allow.clone()]);
        assert!(is_allowed(&rules, &decided, Action::Publish));
        let deny = (
            "2".to_owned(),
            Rule::deny("*", "orders", &[Action::Publish]),
        );
        rules.replace(true, vec![allow, deny]);
        assert!(!is_allowed(&rules, &decided, Action::Publish));
        assert!(is_allowed(&rules, &decided, Action::Consume));
    }
}
