//! A Redis server that refuses, goes away, is slow, forgets, is full, or is none.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use engine::kv::redis::{RedisOptions, RedisStore};
use engine::kv::{Batch, Expect, KeyValueStore, KvError, Outcome, Version};

use crate::proxy::Proxy;
use crate::redis::skipped;
use crate::redis_server::Server;

/// Long enough to answer on a loaded machine.
const PATIENT: Duration = Duration::from_mins(5);

fn open(url: &str, timeout: Duration) -> Result<RedisStore, KvError> {
    let options = RedisOptions {
        timeout,
        ..RedisOptions::default()
    };
    RedisStore::open(url, options)
}

/// Runs a test on a server of its own, or says why not.
fn on_server(name: &str, options: &[&str], test: impl FnOnce(Server)) {
    match Server::start(options) {
        Ok(server) => test(server),
        Err(reason) => skipped(name, &reason),
    }
}

/// How many connections the server has, with the one that asks.
fn clients(server: &Server) -> usize {
    let list = server.run(&["CLIENT", "LIST"]).unwrap();
    let list: String = redis::from_redis_value(list).unwrap();
    list.lines().count()
}

fn behind_proxy(name: &str, test: impl FnOnce(&Server, &Proxy, RedisStore)) {
    on_server(name, &[], |server| {
        let proxy = Proxy::to(server.port);
        let store = open(&proxy.url, PATIENT).unwrap();
        test(&server, &proxy, store);
    });
}

#[test]
fn server_that_refuses_is_unreachable() {
    // The near end of a connection has a port that nobody listens on, and nobody else can take.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = open(&format!("redis://127.0.0.1:{port}"), PATIENT).unwrap_err();
    assert!(matches!(error, KvError::Unreachable { .. }), "{error}");
    assert!(error.is_transient());
    assert!(error.to_string().contains(&port.to_string()), "{error}");
}

#[test]
fn server_that_never_answers_is_unreachable() {
    // The system accepts connections of a listener that nobody serves.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let error = open(&url, Duration::from_millis(100)).unwrap_err();
    assert!(matches!(error, KvError::Unreachable { .. }), "{error}");
}

#[test]
fn server_that_is_no_redis_is_not_a_store() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.read(&mut [0; 1024]);
            let page = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
            let _ = client.write_all(page.repeat(8).as_bytes());
        }
    });
    let error = open(&url, PATIENT).unwrap_err();
    assert!(
        matches!(
            error,
            KvError::NotAStore { .. } | KvError::Unreachable { .. }
        ),
        "{error}"
    );
}

#[test]
fn wrong_password_is_refused_and_never_shown() {
    on_server("wrong_password", &["--requirepass", "correct"], |server| {
        let url = |user: &str| format!("redis://{user}@127.0.0.1:{}", server.port);
        for url in [
            url(":wr0ng-one"),
            url("someone:wr0ng-one"),
            server.url.clone(),
        ] {
            let error = open(&url, PATIENT).unwrap_err();
            assert!(matches!(error, KvError::Refused { .. }), "{error:?}");
            assert!(
                !format!("{error} {error:?}").contains("wr0ng-one"),
                "{error:?}"
            );
        }
        let store = open(&url(":correct"), PATIENT).unwrap();
        store.put(b"key", b"value").unwrap();
        assert!(!format!("{store:?}").contains("correct"), "{store:?}");
        store.close().unwrap();
        let error = store.get(b"key").unwrap_err();
        assert!(!error.to_string().contains("correct"), "{error}");
    });
}

#[test]
fn broken_connections_are_made_again() {
    behind_proxy("broken_connections", |_, proxy, store| {
        store.put(b"key", b"1").unwrap();
        proxy.cut();
        assert_eq!(store.get(b"key").unwrap().unwrap(), "1");
        proxy.cut();
        store.put(b"key", b"2").unwrap();
        proxy.cut();
        assert_eq!(store.list(b"", None, 9).unwrap().entries.len(), 1);
        proxy.cut();
        let outcomes = store.write_each(&[Batch::default().put(b"key", b"3")]);
        assert!(outcomes[0].is_ok(), "{outcomes:?}");
        proxy.cut();
        assert!(store.delete(b"key").unwrap());
    });
}

#[test]
fn write_whose_answer_is_lost_is_applied_once() {
    behind_proxy("write_whose_answer_is_lost", |_, proxy, store| {
        let first = store.put(b"key", b"0").unwrap();
        for (number, passed) in [(1_u64, 0), (2, 1), (3, 4)] {
            proxy.lose_answers(1, passed);
            let expect = Expect::Version(Version(first.0 + number - 1));
            let outcome = store.compare_and_swap(b"key", expect, b"value").unwrap();
            let expected = Outcome::Applied {
                version: Version(first.0 + number),
                removed: 0,
            };
            assert_eq!(
                outcome, expected,
                "applied once, and no conflict with itself"
            );
        }
        proxy.lose_answers(1, 0);
        assert!(
            store.delete(b"key").unwrap(),
            "the answer is that of the first time"
        );
    });
}

#[test]
fn write_without_any_answer_has_an_unknown_outcome() {
    behind_proxy("write_without_any_answer", |server, proxy, store| {
        store.put(b"a", b"0").unwrap();
        proxy.lose_answers(1000, 0);
        let batch = Batch::default()
            .put(b"a", b"1")
            .put(b"b", b"1")
            .delete(b"c");
        let error = store.write(&batch).unwrap_err();
        assert!(matches!(error, KvError::OutcomeUnknown { .. }), "{error}");
        assert!(!error.is_transient());
        let found = open(&server.url, PATIENT).unwrap();
        let found = found.get_many(&[b"a", b"b"]).unwrap();
        // It reached the server; what matters is that it did so whole.
        assert_eq!(found, [Some("1".into()), Some("1".into())]);
    });
}

#[test]
fn batches_sent_together_are_answered_up_to_the_break() {
    behind_proxy("batches_sent_together", |server, proxy, store| {
        store.put(b"before", b"1").unwrap();
        let batch = |number: u32| {
            let number = number.to_be_bytes();
            Batch::default()
                .put(&[b"a/", &number[..]].concat(), b"1")
                .put(&[b"b/", &number[..]].concat(), b"1")
        };
        let batches: Vec<_> = (0..500).map(batch).collect();
        // The first answer says that the connection is alive.
        proxy.lose_answer_after(1, 40);
        let outcomes = store.write_each(&batches);
        assert_eq!(outcomes.len(), 500);
        let is_unknown = |it: &Result<_, _>| matches!(it, Err(KvError::OutcomeUnknown { .. }));
        assert!(outcomes.iter().all(|it| it.is_ok() || is_unknown(it)));
        let answered = outcomes.iter().take_while(|it| it.is_ok()).count();
        assert!(answered < 500 && outcomes[answered..].iter().all(is_unknown));
        // The server may still be at what it was sent, until it knows nobody but who asks.
        store.close().unwrap();
        proxy.cut();
        while clients(server) > 1 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let direct = open(&server.url, PATIENT).unwrap();
        let count = |prefix| direct.list(prefix, None, 1000).unwrap().entries.len();
        assert_eq!(count(b"a/"), count(b"b/"), "no half batch");
        assert!(count(b"a/") >= answered);
    });
}

#[test]
fn server_that_goes_away_is_an_error_and_comes_back() {
    behind_proxy("server_that_goes_away", |_, proxy, store| {
        store.put(b"key", b"1").unwrap();
        proxy.shut(true);
        let error = store.get(b"key").unwrap_err();
        assert!(matches!(error, KvError::Unreachable { .. }), "{error}");
        let error = store.put(b"key", b"2").unwrap_err();
        assert!(
            matches!(
                error,
                KvError::Unreachable { .. } | KvError::OutcomeUnknown { .. }
            ),
            "{error}"
        );
        assert!(store.clear().is_err() && store.stats().is_err());
        let batches = [(); 3].map(|()| Batch::default().put(b"key", b"2"));
        for outcome in store.write_each(&batches) {
            let error = outcome.unwrap_err();
            assert!(matches!(error, KvError::Unreachable { .. }), "{error}");
        }
        proxy.shut(false);
        assert_eq!(store.get(b"key").unwrap().unwrap(), "1");
        store.put(b"key", b"3").unwrap();
    });
}

#[test]
fn slow_answer_is_a_timeout_and_never_taken_for_a_later_one() {
    on_server("slow_answer", &[], |server| {
        let proxy = Proxy::to(server.port);
        let patient = open(&server.url, PATIENT).unwrap();
        patient.put(b"key", b"slow").unwrap();
        patient.put(b"other", b"fast").unwrap();
        // A machine may be too busy to answer in time even without a delay.
        let store = loop {
            match open(&proxy.url, Duration::from_millis(300)) {
                Ok(store) => break store,
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
        };
        proxy.delay(Duration::from_secs(1));
        let error = store.get(b"key").unwrap_err();
        assert!(matches!(error, KvError::Timeout { .. }), "{error}");
        proxy.delay(Duration::ZERO);
        // The connections that are made from here on are fast, whatever the old one still brings.
        let patient = open(&proxy.url, PATIENT).unwrap();
        assert_eq!(patient.get(b"other").unwrap().unwrap(), "fast");
        loop {
            match store.get(b"other") {
                Ok(value) => break assert_eq!(value.unwrap(), "fast"),
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
        }
        proxy.delay(Duration::from_secs(1));
        let error = store.put(b"key", b"late").unwrap_err();
        assert!(
            matches!(
                error,
                KvError::OutcomeUnknown { .. } | KvError::Unreachable { .. }
            ),
            "{error}"
        );
        // Many at once take one time-out, and not one each.
        let batches = vec![Batch::default().put(b"key", b"late"); 2000];
        let outcomes = store.write_each(&batches);
        assert!(outcomes.iter().all(Result::is_err));
    });
}

fn lost(error: &KvError) {
    assert!(matches!(error, KvError::DataLost { .. }), "{error}");
    assert!(!error.is_transient());
}

#[test]
fn restarted_server_without_its_data_is_noticed() {
    on_server("restarted_server", &[], |mut server| {
        let store = open(&server.url, PATIENT).unwrap();
        let version = store.put(b"key", b"1").unwrap();
        server.kill();
        server.spawn(&[]).unwrap();
        lost(&store.get(b"key").unwrap_err());
        lost(&store.put(b"key", b"2").unwrap_err());
        let swap = Expect::Version(version);
        lost(&store.compare_and_swap(b"key", swap, b"2").unwrap_err());
        lost(&store.list(b"", None, 9).unwrap_err());
        lost(&store.clear().unwrap_err());
        lost(&store.stats().unwrap_err());
        // Another program goes on, and the first one still notices.
        let fresh = open(&server.url, PATIENT).unwrap();
        fresh.put(b"key", b"of another").unwrap();
        lost(&store.get(b"key").unwrap_err());
        lost(&store.put_many(&[(b"key", b"2")]).unwrap_err());
        assert_eq!(fresh.get(b"key").unwrap().unwrap(), "of another");
    });
}

#[test]
fn server_that_went_back_to_an_older_copy_is_noticed() {
    on_server("server_that_went_back", &[], |server| {
        let store = open(&server.url, PATIENT).unwrap();
        for _ in 0..5 {
            store.put(b"key", b"1").unwrap();
        }
        server.run(&["SET", "{kv}:seq", "3"]).unwrap();
        lost(&store.get(b"key").unwrap_err());
        lost(&store.put(b"key", b"2").unwrap_err());
    });
}

#[test]
fn restarted_server_with_its_data_is_gone_on_with() {
    let kept = ["--appendonly", "yes", "--appendfsync", "always"];
    on_server("restarted_server_with_its_data", &kept, |mut server| {
        let store = open(&server.url, PATIENT).unwrap();
        let version = store.put(b"key", b"1").unwrap();
        server.kill();
        server.spawn(&kept).unwrap();
        assert_eq!(store.get(b"key").unwrap().unwrap(), "1");
        let swap = Expect::Version(version);
        let outcome = store.compare_and_swap(b"key", swap, b"2").unwrap();
        assert!(matches!(outcome, Outcome::Applied { .. }));
    });
}

#[test]
fn full_server_refuses_a_batch_whole() {
    let options = ["--maxmemory", "6mb", "--maxmemory-policy", "noeviction"];
    on_server("full_server", &options, |server| {
        let store = open(&server.url, PATIENT).unwrap();
        let mut number = 0_u32;
        let error = loop {
            let number_of = number.to_be_bytes();
            let batch = Batch::default()
                .put(&[b"a/", &number_of[..]].concat(), &vec![0; 50_000])
                .put(&[b"b/", &number_of[..]].concat(), &vec![0; 50_000]);
            match store.write(&batch) {
                Ok(_) => number += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, KvError::Full { .. }), "{error}");
        let count = |prefix| store.list(prefix, None, 1000).unwrap().entries.len();
        assert_eq!(count(b"a/"), count(b"b/"), "no half batch");
        assert_eq!(count(b"a/"), number as usize);
    });
}

#[test]
fn replica_is_read_only() {
    on_server("replica", &[], |server| {
        let store = open(&server.url, PATIENT).unwrap();
        store.put(b"key", b"value").unwrap();
        server.run(&["REPLICAOF", "127.0.0.1", "1"]).unwrap();
        let error = store.put(b"key", b"another").unwrap_err();
        assert!(matches!(error, KvError::ReadOnly { .. }), "{error}");
        assert_eq!(store.get(b"key").unwrap().unwrap(), "value");
        let reader = open(&server.url, PATIENT).unwrap();
        assert!(reader.exists(b"key").unwrap());
    });
}

#[test]
fn server_that_forgot_the_scripts_is_given_them_again() {
    on_server("server_that_forgot_the_scripts", &[], |server| {
        let store = open(&server.url, PATIENT).unwrap();
        let flush = || drop(server.run(&["SCRIPT", "FLUSH"]).unwrap());
        flush();
        store.put(b"key", b"1").unwrap();
        flush();
        let batches = [(); 3].map(|()| Batch::default().put(b"key", b"2"));
        let outcomes = store.write_each(&batches);
        let applied = |it: &Result<_, _>| matches!(it, Ok(Outcome::Applied { .. }));
        assert!(outcomes.iter().all(applied), "{outcomes:?}");
        flush();
        assert_eq!(store.purge_expired().unwrap(), 0);
    });
}

#[test]
fn value_of_another_program_is_corrupt() {
    on_server("value_of_another_program", &[], |server| {
        let store = open(&server.url, PATIENT).unwrap();
        server.run(&["SET", "{kv}:d:short", "abc"]).unwrap();
        server.run(&["RPUSH", "{kv}:d:list", "abc"]).unwrap();
        let corrupt = |error| assert!(matches!(error, KvError::Corrupt { .. }), "{error}");
        corrupt(store.get(b"short").unwrap_err());
        corrupt(store.delete(b"short").unwrap_err());
        let batch = Batch::default().put(b"good", b"1").delete(b"short");
        corrupt(store.write(&batch).unwrap_err());
        let batch = Batch::default().put(b"good", b"1").delete(b"list");
        assert!(store.write(&batch).is_err());
        assert!(!store.exists(b"good").unwrap(), "no half batch");
        store.put(b"short", b"value").unwrap();
        store.put(b"list", b"value").unwrap();
        assert_eq!(store.list(b"", None, 9).unwrap().entries.len(), 2);
    });
}

#[test]
fn namespace_of_another_program_is_not_a_store() {
    on_server("namespace_of_another_program", &[], |server| {
        server.run(&["SET", "{kv}:id", "mine"]).unwrap();
        let error = open(&server.url, PATIENT).unwrap_err();
        assert!(matches!(error, KvError::NotAStore { .. }), "{error}");
    });
}

#[test]
fn server_forgets_expired_values_by_itself() {
    on_server("server_forgets", &[], |server| {
        let store = open(&server.url, PATIENT).unwrap();
        store
            .put_with_ttl(b"key", b"value", Duration::from_millis(50))
            .unwrap();
        // Nobody asks the store: the server's own count goes back to id and version.
        let begun = std::time::Instant::now();
        let is_there = || {
            let answer = server.run(&["EXISTS", "{kv}:d:key"]).unwrap();
            answer != redis::Value::Int(0)
        };
        while is_there() {
            assert!(
                begun.elapsed() < Duration::from_mins(1),
                "it stays for good"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    });
}

#[test]
fn namespaces_are_stores_of_their_own_whatever_their_names() {
    on_server("namespaces", &[], |server| {
        let names = ["a*", "ab", "a[b]", "a\\b", "a", "茶"];
        let open = |namespace: &&str| {
            let options = RedisOptions {
                namespace: (*namespace).to_owned(),
                ..RedisOptions::default()
            };
            RedisStore::open(&server.url, options).unwrap()
        };
        let stores: Vec<_> = names.iter().map(open).collect();
        for (store, name) in stores.iter().zip(names) {
            store.put(b"key", name.as_bytes()).unwrap();
        }
        for (store, name) in stores.iter().zip(names) {
            assert_eq!(store.list(b"", None, 9).unwrap().entries.len(), 1);
            assert_eq!(store.get(b"key").unwrap().unwrap(), name);
        }
        stores[0].clear().unwrap();
        assert!(stores[1..].iter().all(|it| it.exists(b"key").unwrap()));
    });
}
