//! A store by its URL: a program picks its backend by a line of configuration.
//!
//! | URL | store | parameters |
//! |---|---|---|
//! | `memory:` | in memory | |
//! | `engine:path` | in a directory of the engine | `mode` (`strict`, `buffered`, `memory`; default `strict`), `interval_ms` (of `buffered`; 100), `keyspace` (`kv`) |
//! | `sqlite:path`, `sqlite::memory:` | in an SQLite database | `synchronous` (`normal`, `full`; default `normal`), `busy_ms` (5000), `mode` (`rwc`, `ro`; default `rwc`), `bytes_max` |
//! | `redis://[user][:password@]host[:port][/db]`, `redis+unix:///path` | on a Redis server | `namespace` (`kv`), `timeout_ms` (5000), and those of the redis crate |

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::clock::{Clock, SystemClock};
use super::contract::KeyValueStore;
use super::engine::{EngineOptions, EngineStore};
use super::memory::MemoryStore;
use super::url::{OpenError, Url, refused};
use crate::engine::Options;
use crate::wal::Mode;

/// The environment variable in which a program expects the URL of its store.
pub const URL_VARIABLE: &str = "KV_URL";

/// Opens the store that a URL names; see the [module](self) for its forms.
///
/// ```
/// let store = engine::kv::open("memory:")?;
/// store.put(b"key", b"value").unwrap();
/// # Ok::<_, engine::kv::OpenError>(())
/// ```
///
/// # Errors
/// [`OpenError`]: the URL, or the store itself.
pub fn open(url: &str) -> Result<Box<dyn KeyValueStore>, OpenError> {
    open_with(url, Arc::new(SystemClock))
}

/// Opens the store whose URL is in the environment variable `KV_URL`.
///
/// # Errors
/// [`OpenError::NotSet`], [`OpenError::NotText`], and as for [`open`].
pub fn open_from_environment() -> Result<Box<dyn KeyValueStore>, OpenError> {
    open_variable(std::env::var(URL_VARIABLE))
}

fn open_variable(
    value: Result<String, std::env::VarError>,
) -> Result<Box<dyn KeyValueStore>, OpenError> {
    let variable = URL_VARIABLE;
    match value {
        Ok(url) => open(&url),
        Err(std::env::VarError::NotPresent) => Err(OpenError::NotSet { variable }),
        Err(std::env::VarError::NotUnicode(_)) => Err(OpenError::NotText { variable }),
    }
}

/// As [`open`], with another clock.
///
/// # Errors
/// As for [`open`].
pub fn open_with(url: &str, clock: Arc<dyn Clock>) -> Result<Box<dyn KeyValueStore>, OpenError> {
    let url = Url::parse(url)?;
    match url.scheme {
        "memory" => memory(url, clock),
        "engine" => engine(url, clock),
        "sqlite" => sqlite(url, clock),
        "redis" | "redis+unix" | "unix" => redis(url, clock),
        "rediss" => Err(refused(
            "connections with TLS are not built in; use a tunnel",
        )),
        _ => Err(refused(
            "its scheme is none of memory, engine, sqlite, redis, redis+unix",
        )),
    }
}

fn memory(url: Url<'_>, clock: Arc<dyn Clock>) -> Result<Box<dyn KeyValueStore>, OpenError> {
    if !url.path.trim_start_matches('/').is_empty() {
        return Err(refused("`memory:` has no path"));
    }
    url.finish("no parameters")?;
    Ok(Box::new(MemoryStore::new(clock)))
}

/// What `mode` of an engine may be.
#[derive(Clone, Copy, PartialEq)]
enum EngineMode {
    Strict,
    Buffered,
    Memory,
}

fn engine(mut url: Url<'_>, clock: Arc<dyn Clock>) -> Result<Box<dyn KeyValueStore>, OpenError> {
    let modes = [
        ("strict", EngineMode::Strict),
        ("buffered", EngineMode::Buffered),
        ("memory", EngineMode::Memory),
    ];
    let mode = url.take_word("mode", &modes)?.unwrap_or(EngineMode::Strict);
    let interval = url.take_millis("interval_ms")?;
    let keyspace = url.take("keyspace")?;
    if interval.is_some() && mode != EngineMode::Buffered {
        return Err(refused("`interval_ms` goes with `mode=buffered` only"));
    }
    let path = match mode {
        EngineMode::Memory => String::new(),
        _ => url.plain_path()?,
    };
    url.finish("`mode`, `interval_ms` and `keyspace`")?;
    let mode = match mode {
        EngineMode::Strict => Mode::Strict,
        EngineMode::Memory => Mode::InMemory,
        EngineMode::Buffered => Mode::Buffered {
            interval: interval.unwrap_or(Duration::from_millis(100)),
            max_bytes: 16 << 20,
        },
    };
    let mut options = EngineOptions {
        engine: Options::in_mode(mode),
        clock,
        ..EngineOptions::default()
    };
    if let Some(keyspace) = keyspace {
        options.keyspace = keyspace;
    }
    Ok(Box::new(EngineStore::open(Path::new(&path), options)?))
}

#[cfg(feature = "sqlite")]
fn sqlite(mut url: Url<'_>, clock: Arc<dyn Clock>) -> Result<Box<dyn KeyValueStore>, OpenError> {
    use super::sqlite::{SqliteOptions, SqliteStore, Synchronous};

    let mut options = SqliteOptions {
        clock,
        ..SqliteOptions::default()
    };
    let levels = [("normal", Synchronous::Normal), ("full", Synchronous::Full)];
    if let Some(synchronous) = url.take_word("synchronous", &levels)? {
        options.synchronous = synchronous;
    }
    if let Some(busy) = url.take_millis("busy_ms")? {
        options.busy = busy;
    }
    if let Some(read_only) = url.take_word("mode", &[("rwc", false), ("ro", true)])? {
        options.read_only = read_only;
    }
    options.bytes_max = url.take_number("bytes_max")?;
    let path = url.plain_path()?;
    url.finish("`synchronous`, `busy_ms`, `mode` and `bytes_max`")?;
    Ok(Box::new(SqliteStore::open(Path::new(&path), options)?))
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: Url<'_>, _: Arc<dyn Clock>) -> Result<Box<dyn KeyValueStore>, OpenError> {
    Err(OpenError::NotBuilt { scheme: "sqlite" })
}

#[cfg(feature = "redis")]
fn redis(mut url: Url<'_>, clock: Arc<dyn Clock>) -> Result<Box<dyn KeyValueStore>, OpenError> {
    use super::redis::{RedisOptions, RedisStore};

    let mut options = RedisOptions {
        clock,
        ..RedisOptions::default()
    };
    if let Some(namespace) = url.take("namespace")? {
        if namespace.is_empty() || namespace.contains(['{', '}']) {
            return Err(refused("`namespace` is empty or has a brace"));
        }
        options.namespace = namespace;
    }
    if let Some(timeout) = url.take_millis("timeout_ms")? {
        options.timeout = timeout;
    }
    Ok(Box::new(RedisStore::open(&url.rest(), options)?))
}

#[cfg(not(feature = "redis"))]
fn redis(_: Url<'_>, _: Arc<dyn Clock>) -> Result<Box<dyn KeyValueStore>, OpenError> {
    Err(OpenError::NotBuilt { scheme: "redis" })
}

#[cfg(test)]
mod tests {
    use std::env::VarError;

    use super::*;

    fn reason(url: &str) -> String {
        match open(url).unwrap_err() {
            OpenError::Url { reason } => reason,
            other => panic!("{url}: {other}"),
        }
    }

    #[test]
    fn environment_is_asked_for_the_url() {
        let store = open_variable(Ok("memory:".to_owned())).unwrap();
        assert!(format!("{store:?}").starts_with("MemoryStore"));
        let error = open_variable(Err(VarError::NotPresent)).unwrap_err();
        assert!(error.to_string().contains("`KV_URL` is not set"), "{error}");
        let error = open_variable(Err(VarError::NotUnicode("".into()))).unwrap_err();
        assert!(matches!(error, OpenError::NotText { .. }), "{error}");
    }

    #[test]
    fn unknown_schemes_parameters_and_words_are_refused() {
        for (url, part) in [
            ("postgres://host/db", "none of memory"),
            ("Memory:", "none of memory"),
            ("memory:path", "no path"),
            ("memory:?size=5", "`size`"),
            ("engine:", "needs a path"),
            ("engine:a?mode=fast", "strict, buffered, memory"),
            ("engine:a?interval_ms=5", "goes with"),
            ("engine:a?mode=buffered&interval_ms=0", "zero"),
            ("engine:a?sync=full", "`sync`"),
            ("engine:a?mode=memory&mode=strict", "twice"),
            ("rediss://host", "TLS"),
        ] {
            assert!(reason(url).contains(part), "{url}: {}", reason(url));
        }
    }

    #[test]
    fn engine_is_opened_in_every_mode() {
        let dir = tempfile::tempdir().unwrap();
        for (number, query) in [
            "",
            "?mode=strict",
            "?mode=buffered&interval_ms=5",
            "?mode=memory",
        ]
        .iter()
        .enumerate()
        {
            let url = format!(
                "engine:{}/{number}{query}&keyspace=a%20b",
                dir.path().display()
            );
            let url = if query.is_empty() {
                url.replace('&', "?")
            } else {
                url
            };
            let store = open(&url).unwrap();
            store.put(b"key", b"value").unwrap();
            store.close().unwrap();
        }
    }

    #[cfg(not(feature = "sqlite"))]
    #[test]
    fn store_that_is_not_built_in_names_its_feature() {
        for (url, feature) in [("sqlite:a", "sqlite"), ("redis://a", "redis")] {
            if cfg!(feature = "redis") && feature == "redis" {
                continue;
            }
            let error = open(url).unwrap_err().to_string();
            assert!(error.contains(&format!("--features {feature}")), "{error}");
        }
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn sqlite_is_opened_with_its_parameters() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a b.db");
        let url = format!("sqlite:{}", path.display()).replace(' ', "%20");
        let store = open(&format!(
            "{url}?synchronous=full&busy_ms=100&bytes_max=1000000"
        ))
        .unwrap();
        store.put(b"key", b"value").unwrap();
        store.close().unwrap();
        assert!(path.exists());
        let store = open(&format!("{url}?mode=ro")).unwrap();
        assert!(store.exists(b"key").unwrap() && store.put(b"key", b"").is_err());
        open("sqlite::memory:")
            .unwrap()
            .put(b"key", b"value")
            .unwrap();
        assert!(reason("sqlite:a.db?synchronous=off").contains("normal, full"));
        assert!(reason("sqlite:").contains("path"));
        assert!(reason("sqlite:a.db?bytes_max=-1").contains("bytes_max"));
    }

    #[cfg(feature = "redis")]
    #[test]
    fn redis_url_is_refused_without_showing_its_password() {
        assert!(reason("redis://h?namespace=").contains("namespace"));
        assert!(reason("redis://h?timeout_ms=0").contains("timeout_ms"));
        for url in [
            "redis://user:s3cret@host:port",
            "redis://user:s3cret@127.0.0.1:1/0?timeout_ms=200",
            "redis://user:s3cret@127.0.0.1:1/no-number",
            "redis://user:s3cret@[",
        ] {
            let error = open(url).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(!text.contains("s3cret"), "{text}");
        }
    }
}
