//! Groups: who reads what, what is committed, who is fenced off.

use std::time::Duration;

use super::world::{open, publish, with_topic};
use crate::stream::{From, GroupConsumer, GroupOptions, Limits, NewMessage, StreamError, Streams};
use crate::vfs::Sim;
use crate::wal::Mode;

fn options() -> GroupOptions {
    GroupOptions {
        session_timeout: Duration::from_millis(1),
        ..GroupOptions::default()
    }
}

fn join(streams: &Streams, member: &str) -> GroupConsumer {
    streams.join("g", member, &["t"], options()).unwrap()
}

fn fill(streams: &Streams, partitions: u32, each: u64) {
    let mut producer = streams.producer("t").unwrap();
    for partition in 0..partitions {
        for number in 0..each {
            let body = number.to_le_bytes();
            producer
                .publish_to(partition, &[NewMessage::new(&body)])
                .unwrap();
        }
    }
}

fn offsets(member: &mut GroupConsumer, limit: usize) -> Vec<(u32, u64)> {
    let polled = member.poll(Limits::messages(limit)).unwrap();
    let offsets = polled.iter().flat_map(|polled| {
        polled
            .messages
            .iter()
            .map(|message| (polled.partition, message.offset))
    });
    offsets.collect()
}

#[test]
fn a_group_goes_on_where_it_committed() {
    let sim = Sim::default();
    let streams = with_topic(&sim, Mode::Strict, 1);
    fill(&streams, 1, 10);
    let mut member = join(&streams, "a");
    assert_eq!(offsets(&mut member, 4).len(), 4);
    member.commit().unwrap();
    assert_eq!(offsets(&mut member, 4).len(), 4);
    // The second four were not committed.
    let streams = open(&sim.crash(0), Mode::Strict);
    assert_eq!(streams.groups(), ["g"]);
    let progress = streams.progress("g");
    assert_eq!((progress[0].committed, progress[0].lag), (4, 6));
    let mut member = join(&streams, "a");
    assert_eq!(offsets(&mut member, 1), [(0, 4)]);
}

#[test]
fn partitions_are_shared_out_and_read_from_the_committed_offset_on() {
    let sim = Sim::default();
    let streams = with_topic(&sim, Mode::Strict, 4);
    fill(&streams, 4, 5);
    let mut a = join(&streams, "a");
    assert_eq!(offsets(&mut a, 100).len(), 20);
    let mut b = join(&streams, "b");
    // What it read before the others came is nobody's yet: its commit is refused.
    let fenced = a.commit();
    assert!(
        matches!(
            fenced,
            Err(StreamError::MemberFenced {
                generation: 1,
                current: 2,
                ..
            })
        ),
        "{fenced:?}"
    );
    assert_eq!(offsets(&mut a, 100), [], "it goes on with what it keeps");
    a.commit().unwrap();
    let read = offsets(&mut b, 100);
    assert_eq!(read.len(), 10, "and the other reads what it got again");
    b.commit().unwrap();
    assert_eq!(a.positions().len() + b.positions().len(), 4);
    assert!(
        streams
            .progress("g")
            .iter()
            .all(|it| it.lag == 0 && it.member.is_some())
    );
    b.leave().unwrap();
    assert_eq!(offsets(&mut a, 100), []);
    assert_eq!(a.positions().len(), 4);
}

#[test]
fn a_member_without_a_heartbeat_is_taken_for_dead_and_fenced_off() {
    let sim = Sim::default();
    let streams = with_topic(&sim, Mode::Strict, 2);
    fill(&streams, 2, 3);
    let mut a = join(&streams, "a");
    let mut b = join(&streams, "b");
    assert_eq!(offsets(&mut a, 9).len() + offsets(&mut b, 9).len(), 6);
    sim.advance(900);
    a.heartbeat().unwrap();
    sim.advance(900);
    assert_eq!(
        offsets(&mut a, 9).len(),
        3,
        "it reads what the dead one did not commit"
    );
    a.commit().unwrap();
    for result in [
        b.commit(),
        b.heartbeat(),
        b.poll(Limits::default()).map(drop),
    ] {
        assert!(
            matches!(result, Err(StreamError::MemberFenced { current: 3, .. })),
            "{result:?}"
        );
    }
    let mut b = join(&streams, "b");
    assert_eq!(offsets(&mut b, 9), []);
    assert_eq!(b.positions().len(), 1);
}

#[test]
fn a_member_that_joins_again_fences_its_former_self_off() {
    fencing();
}

/// See the test that calls it.
pub(super) fn fencing() {
    let streams = with_topic(&Sim::default(), Mode::Strict, 1);
    fill(&streams, 1, 3);
    let mut former = join(&streams, "a");
    assert_eq!(offsets(&mut former, 2).len(), 2);
    let mut a = join(&streams, "a");
    assert_eq!(offsets(&mut a, 1), [(0, 0)]);
    a.commit().unwrap();
    assert!(matches!(
        former.commit(),
        Err(StreamError::MemberFenced { .. })
    ));
    assert_eq!(streams.progress("g")[0].committed, 1);
}

#[test]
fn a_partition_that_was_away_is_read_from_the_committed_offset_on() {
    away(&Sim::default());
}

/// A partition comes to another member and back, without its former reader noticing.
pub(super) fn away(sim: &Sim) {
    let streams = with_topic(sim, Mode::Strict, 2);
    fill(&streams, 2, 5);
    let mut b = join(&streams, "b");
    assert_eq!(offsets(&mut b, 99).len(), 10);
    let mut c = join(&streams, "c");
    let read = offsets(&mut c, 2);
    assert_eq!(read.len(), 2);
    c.commit().unwrap();
    c.leave().unwrap();
    let partition = read[0].0;
    let again: Vec<_> = (2..5).map(|offset| (partition, offset)).collect();
    assert_eq!(offsets(&mut b, 99), again);
}

#[test]
fn offsets_of_a_topic_go_with_it() {
    let streams = with_topic(&Sim::default(), Mode::Strict, 1);
    fill(&streams, 1, 3);
    let mut a = join(&streams, "a");
    offsets(&mut a, 9);
    a.commit().unwrap();
    streams.delete_topic("t").unwrap();
    streams
        .create_topic("t", 1, crate::stream::Settings::default())
        .unwrap();
    publish(&mut streams.producer("t").unwrap(), &[b"new"]).unwrap();
    let mut a = join(&streams, "a");
    assert_eq!(offsets(&mut a, 9), [(0, 0)]);
}

#[test]
fn names_without_bytes_or_with_zeros_are_refused() {
    let streams = with_topic(&Sim::default(), Mode::Strict, 1);
    for (group, member) in [
        ("", "a"),
        ("g", ""),
        ("g\0h", "a"),
        (&*"g".repeat(250), "a"),
    ] {
        let joined = streams.join(group, member, &["t"], options());
        assert!(matches!(joined, Err(StreamError::Name { .. })));
    }
    let joined = streams.join("g", "a", &["x"], options());
    assert!(matches!(joined, Err(StreamError::UnknownTopic { .. })));
    let begin = GroupOptions {
        begin: From::Latest,
        ..options()
    };
    fill(&streams, 1, 3);
    let mut late = streams.join("late", "a", &["t"], begin).unwrap();
    assert_eq!(offsets(&mut late, 9), []);
}
