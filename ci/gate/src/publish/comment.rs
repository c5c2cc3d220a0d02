//! The one sticky post of a gate: a comment on a pull request, or an issue.
//!
//! Given all posts that are there, says what to write so that exactly one is left that tells of the
//! newest run. The oldest stays, so that readers' links and its place in the discussion do; others
//! of the same gate (two publishers that raced) are retired. What the newest post says wins over
//! what a late run has to say.

use crate::publish::marker::{Key, Marker};

/// A post that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// GitHub's number for it; later ones have larger ones.
    pub id: u64,
    /// Its name in GitHub's other interface, which can hide it.
    pub node: String,
    /// The login of who wrote it, if that account is still there.
    pub author: Option<String>,
    /// What it says.
    pub body: String,
}

/// What a run has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A text of its own.
    Text {
        /// All below the marker.
        text: String,
        /// Whether it is worth a post where there is none yet.
        create: bool,
    },
    /// A line above what the post says already; nothing where there is none.
    Banner(String),
}

/// What to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// A new post.
    Create {
        /// What it says.
        body: String,
    },
    /// Another text for a post.
    Update {
        /// Which post.
        id: u64,
        /// What it says now.
        body: String,
    },
    /// Hide a post that is one too many, and take its marker away.
    Retire {
        /// Which post.
        id: u64,
        /// Its name in GitHub's other interface.
        node: String,
        /// What it says now.
        body: String,
    },
}

/// What there is to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// What to write, in order.
    pub writes: Vec<Write>,
    /// The post that stays, if there is one already.
    pub stays: Option<u64>,
    /// Whether a newer run has posted already, so that ours is not told.
    pub overtaken: bool,
}

/// Says what to write so that `author` has one post for the marker's key, with the newest content.
#[must_use]
pub fn plan(posts: &[Post], author: &str, marker: &Marker, content: &Content) -> Plan {
    let mut ours: Vec<(&Post, Marker)> = posts
        .iter()
        .filter(|post| post.author.as_deref() == Some(author))
        .filter_map(|post| Some((post, Marker::of(&post.body)?)))
        .filter(|(_, found)| found.key == marker.key)
        .collect();
    ours.sort_by_key(|(post, _)| post.id);
    let Some(((stays, _), others)) = ours.split_first() else {
        return create(marker, content);
    };
    let newest = ours.iter().max_by_key(|(_, found)| found.order());
    let newest = newest.filter(|(_, found)| found.order() > marker.order());
    let body = match newest {
        Some((post, _)) => post.body.clone(),
        None => match content {
            Content::Text { text, .. } => format!("{marker}\n{text}"),
            Content::Banner(banner) => format!("{marker}\n{banner}\n\n{}", below(&stays.body)),
        },
    };
    let mut writes = Vec::new();
    if !same(&stays.body, &body) {
        writes.push(Write::Update { id: stays.id, body });
    }
    for (post, _) in others {
        writes.push(Write::Retire {
            id: post.id,
            node: post.node.clone(),
            body: retired(&marker.key),
        });
    }
    Plan {
        writes,
        stays: Some(stays.id),
        overtaken: newest.is_some(),
    }
}

fn create(marker: &Marker, content: &Content) -> Plan {
    let writes = match content {
        Content::Text { text, create: true } => vec![Write::Create {
            body: format!("{marker}\n{text}"),
        }],
        Content::Text { create: false, .. } | Content::Banner(_) => Vec::new(),
    };
    Plan {
        writes,
        ..Plan::default()
    }
}

/// What stands below the marker and, where there is one, the banner.
fn below(body: &str) -> &str {
    let has_banner = Marker::of(body).is_some_and(|it| it.state != super::marker::State::Judged);
    let text = body.split_once('\n').map_or("", |(_, text)| text);
    let text = match text.split_once("\n\n") {
        Some((_, text)) if has_banner => text,
        _ => text,
    };
    text.trim_end()
}

fn retired(key: &Key) -> String {
    format!("<!-- icgate:retired key={key} -->\nThe comment above tells of the newest run.")
}

/// GitHub may hand a text back with other line ends, and without the last ones.
fn same(there: &str, ours: &str) -> bool {
    let plain = |text: &str| text.replace("\r\n", "\n").trim_end().to_owned();
    plain(there) == plain(ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::marker::State;
    use crate::publish::marker::tests::marker;

    const BOT: &str = "github-actions[bot]";

    fn post(id: u64, author: &str, body: &str) -> Post {
        Post {
            id,
            node: format!("node{id}"),
            author: Some(author.to_owned()),
            body: body.to_owned(),
        }
    }

    fn judged(run: u64, text: &str) -> (Marker, Content) {
        let content = Content::Text {
            text: text.to_owned(),
            create: true,
        };
        (marker(run, 1, State::Judged), content)
    }

    fn body(run: u64, text: &str) -> String {
        format!("{}\n{text}", marker(run, 1, State::Judged))
    }

    #[track_caller]
    fn writes(posts: &[Post], (marker, content): &(Marker, Content)) -> Vec<Write> {
        plan(posts, BOT, marker, content).writes
    }

    #[test]
    fn the_first_post_is_created_if_it_is_worth_one() {
        let ours = judged(7, "red");
        let body = body(7, "red");
        assert_eq!(writes(&[], &ours), [Write::Create { body }]);
        let clean = Content::Text {
            text: "green".to_owned(),
            create: false,
        };
        assert_eq!(writes(&[], &(ours.0.clone(), clean)), []);
        assert_eq!(writes(&[], &(ours.0, Content::Banner("…".to_owned()))), []);
    }

    #[test]
    fn a_post_is_ours_by_author_and_marker_at_the_first_byte() {
        let ours = judged(7, "red");
        let old = body(6, "old");
        let mut ghost = post(5, BOT, &old);
        ghost.author = None;
        let other_key = old.replace("key=gate", "key=other");
        let strangers = [
            post(1, "mallory", &old),
            post(2, "github-actions", &old),
            post(3, BOT, &format!("quoted: {old}")),
            post(4, BOT, &other_key),
            ghost,
        ];
        assert!(matches!(
            writes(&strangers, &ours)[..],
            [Write::Create { .. }]
        ));
    }

    #[test]
    fn a_newer_run_replaces_an_older_one_and_not_the_other_way_round() {
        let there = [post(3, BOT, &body(7, "seven"))];
        let update = Write::Update {
            id: 3,
            body: body(8, "eight"),
        };
        assert_eq!(writes(&there, &judged(8, "eight")), [update]);
        let (marker, content) = judged(6, "six");
        let late = plan(&there, BOT, &marker, &content);
        assert_eq!(
            (late.writes, late.stays, late.overtaken),
            (vec![], Some(3), true)
        );
    }

    #[test]
    fn an_unchanged_body_is_not_sent() {
        let there = [post(
            3,
            BOT,
            &(body(7, "a\nb").replace('\n', "\r\n") + "\n"),
        )];
        assert_eq!(writes(&there, &judged(7, "a\nb\n")), []);
    }

    #[test]
    fn the_oldest_stays_with_the_newest_content_whoever_plans() {
        let there = [
            post(9, BOT, &body(8, "eight")),
            post(3, BOT, &body(7, "seven")),
        ];
        let update = Write::Update {
            id: 3,
            body: body(8, "eight"),
        };
        for (run, text) in [(7, "seven"), (8, "eight")] {
            let found = writes(&there, &judged(run, text));
            assert_eq!(found[0], update);
            assert!(
                matches!(&found[1], Write::Retire { id: 9, node, body } if node == "node9" && Marker::of(body).is_none())
            );
            assert_eq!(found.len(), 2);
        }
    }

    #[test]
    fn a_banner_stands_above_what_was_said_and_goes_away_again() {
        let measuring = |run, text: &str| {
            let content = Content::Banner(text.to_owned());
            (marker(run, 1, State::Measuring), content)
        };
        let there = [post(3, BOT, &body(7, "### seven\n\nrows"))];
        let [Write::Update { body: first, .. }] = &writes(&there, &measuring(8, "> one"))[..]
        else {
            panic!("one update")
        };
        assert!(
            first.ends_with("-->\n> one\n\n### seven\n\nrows"),
            "{first}"
        );
        let there = [post(3, BOT, first)];
        assert_eq!(writes(&there, &measuring(8, "> one")), []);
        let [Write::Update { body: second, .. }] = &writes(&there, &measuring(9, "> two"))[..]
        else {
            panic!("one update")
        };
        assert!(
            second.ends_with("-->\n> two\n\n### seven\n\nrows"),
            "{second}"
        );
        let there = [post(3, BOT, second)];
        let judged_body = body(9, "nine");
        let update = Write::Update {
            id: 3,
            body: judged_body.clone(),
        };
        assert_eq!(writes(&there, &judged(9, "nine")), [update]);
        // Once judged, the same run measures no more.
        let there = [post(3, BOT, &judged_body)];
        assert_eq!(writes(&there, &measuring(9, "> late")), []);
    }
}
