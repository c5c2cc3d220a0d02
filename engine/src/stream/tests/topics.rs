//! Topics and access rules, and what is refused.

use super::world::{all, fill, open, publish, with_topic};
use crate::engine::{Engine, Options};
use crate::stream::{
    Action, From, Limits, NewMessage, Retention, Rule, Settings, StreamError, Streams, StreamsView,
};
use crate::vfs::Sim;
use crate::wal::Mode;

#[test]
fn what_is_not_there_is_an_error_that_says_what_is() {
    let streams = with_topic(&Sim::default(), Mode::Strict, 2);
    fill(&streams, 0, 5);
    streams.trim("t", 0, 2).unwrap();
    assert!(
        matches!(streams.producer("x"), Err(StreamError::UnknownTopic { topic }) if topic == "x")
    );
    assert!(matches!(
        streams.topic("x"),
        Err(StreamError::UnknownTopic { .. })
    ));
    let mut producer = streams.producer("t").unwrap();
    let found = producer.publish_to(2, &[NewMessage::new(b"")]);
    assert!(matches!(
        found,
        Err(StreamError::UnknownPartition {
            partition: 2,
            partitions: 2,
            ..
        })
    ));
    let mut consumer = streams.consumer();
    assert!(matches!(
        consumer.assign("x", 0, From::Earliest),
        Err(StreamError::UnknownTopic { .. })
    ));
    assert!(matches!(
        consumer.assign("t", 2, From::Earliest),
        Err(StreamError::UnknownPartition { .. })
    ));
    assert!(matches!(
        consumer.seek("t", 0, From::Earliest),
        Err(StreamError::NotAssigned { .. })
    ));
    for offset in [1, 6] {
        let found = consumer.assign("t", 0, From::Offset(offset));
        let is_told = matches!(
            found,
            Err(StreamError::OutOfRange { earliest: 2, latest: 5, offset: at, .. }) if at == offset
        );
        assert!(is_told, "{found:?}");
    }
    assert!(matches!(
        streams.trim("t", 0, 6),
        Err(StreamError::OutOfRange { .. })
    ));
}

#[test]
fn topics_are_made_changed_and_deleted() {
    let sim = Sim::default();
    let streams = with_topic(&sim, Mode::Strict, 3);
    let made = streams.create_topic("t", 1, Settings::default());
    assert!(matches!(made, Err(StreamError::TopicExists { .. })));
    let made = streams.create_topic("a b", 1, Settings::default());
    assert!(matches!(made, Err(StreamError::TopicName { .. })));
    let made = streams.create_topic("none", 0, Settings::default());
    assert!(matches!(made, Err(StreamError::Settings { .. })));
    let settings = Settings {
        retention: Retention {
            messages: Some(2),
            ..Retention::default()
        },
        is_compacted: true,
        body_bytes_max: 9,
    };
    fill(&streams, 0, 5);
    let mut consumer = streams.consumer();
    consumer.assign("t", 0, From::Earliest).unwrap();
    let mut producer = streams.producer("t").unwrap();
    streams.change_topic("t", settings).unwrap();
    assert_eq!(streams.topic("t").unwrap().settings, settings);
    assert_eq!(all(&streams, "t", 0).len(), 5);
    streams.create_topic("u", 1, Settings::default()).unwrap();
    streams.delete_topic("t").unwrap();
    assert_eq!(streams.topics(), ["u"]);
    let found = publish(&mut producer, &[b"late"]);
    assert!(
        matches!(found, Err(StreamError::UnknownTopic { .. })),
        "{found:?}"
    );
    let found = consumer.poll(Limits::default());
    assert!(
        matches!(found, Err(StreamError::UnknownTopic { .. })),
        "{found:?}"
    );
    // Another one of the same name starts empty.
    streams.create_topic("t", 1, Settings::default()).unwrap();
    fill(&streams, 0, 2);
    for is_saved in [false, true] {
        if is_saved {
            streams.engine().checkpoint().unwrap();
        }
        let streams = open(&sim.crash(0), Mode::Strict);
        assert_eq!(streams.topics(), ["t", "u"]);
        assert_eq!(all(&streams, "t", 0).len(), 2);
    }
}

#[test]
fn streams_need_a_log_and_their_view() {
    let view = StreamsView::new();
    let in_memory = Streams::open(&Engine::in_memory(), &view);
    assert!(matches!(in_memory, Err(StreamError::NoLog)));
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        background: false,
        ..Options::default()
    };
    let (engine, _) = Engine::open(dir.path(), options).unwrap();
    assert!(matches!(
        Streams::open(&engine, &view),
        Err(StreamError::NoView)
    ));
}

#[test]
fn rules_are_asked_on_each_call_and_their_changes_are_seen_at_once() {
    rules();
}

/// See the test that calls it.
pub(super) fn rules() {
    let sim = Sim::default();
    let operator = with_topic(&sim, Mode::Strict, 1);
    fill(&operator, 0, 3);
    let ann = operator.act_as("ann");
    let mut producer = ann.producer("t").unwrap();
    let mut consumer = ann.consumer();
    consumer.assign("t", 0, From::Earliest).unwrap();
    consumer.poll(Limits::messages(1)).unwrap();
    operator.enforce_rules(true).unwrap();
    let denied = producer.publish(&NewMessage::new(b""));
    assert!(
        matches!(
            denied,
            Err(StreamError::Denied {
                action: Action::Publish,
                ..
            })
        ),
        "{denied:?}"
    );
    assert!(matches!(
        consumer.poll(Limits::default()),
        Err(StreamError::Denied { .. })
    ));
    assert!(matches!(
        ann.create_topic("u", 1, Settings::default()),
        Err(StreamError::Denied { .. })
    ));
    assert!(matches!(
        ann.set_rule("x", &Rule::allow("*", "*", &Action::ALL)),
        Err(StreamError::Denied { .. })
    ));
    assert!(matches!(ann.maintain(), Err(StreamError::Denied { .. })));
    assert_eq!(ann.topics(), Vec::<String>::new());
    operator
        .set_rule("ann", &Rule::allow("a*", "t", &[Action::Publish]))
        .unwrap();
    producer.publish(&NewMessage::new(b"")).unwrap();
    assert!(consumer.poll(Limits::default()).is_err());
    operator
        .set_rule("all", &Rule::allow("*", "*", &[Action::Consume]))
        .unwrap();
    assert_eq!(
        consumer.poll(Limits::default()).unwrap()[0].messages.len(),
        3
    );
    operator.remove_rule("ann").unwrap();
    assert!(producer.publish(&NewMessage::new(b"")).is_err());
    // They survive.
    let again = open(&sim.crash(0), Mode::Strict);
    let (is_on, rules) = again.rules();
    assert_eq!((is_on, rules.len(), &*rules[0].0), (true, 1, "all"));
    assert!(again.act_as("ann").producer("t").is_err());
    assert!(again.producer("t").is_ok());
}
