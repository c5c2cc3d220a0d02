//! The text that names a store: scheme, path, parameters. Pure.
//!
//! ```text
//! engine:/var/lib/app?mode=buffered&interval_ms=50
//! └────┘ └──────────┘ └───────────┘ └────────────┘
//! scheme     path           parameters, each at most once
//! ```
//!
//! `%XX` stands for a byte, in paths and parameters; the bytes must be UTF-8. `sqlite://a.db` is
//! `sqlite:a.db`. What a text is refused for is said without the text, which may hold a password.

use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::error::{Cause, KvError};

/// A store could not be opened by its URL.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The text is no URL of a store.
    #[error("cannot read the URL of a store: {reason}")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// The program was built without this kind of store.
    #[error(
        "this program was built without stores of `{scheme}:`; build it with `--features {scheme}`"
    )]
    NotBuilt {
        /// The kind.
        scheme: &'static str,
    },
    /// The environment says nothing.
    #[error("`{variable}` is not set; set it to the URL of a store, such as `memory:`")]
    NotSet {
        /// The variable.
        variable: &'static str,
    },
    /// The environment's text is no UTF-8.
    #[error("`{variable}` is not UTF-8; write other bytes as %XX")]
    NotText {
        /// The variable.
        variable: &'static str,
    },
    /// The store itself.
    #[error(transparent)]
    Store(#[from] KvError),
}

pub(super) fn refused(reason: impl Into<String>) -> OpenError {
    OpenError::Url {
        reason: reason.into(),
    }
}

/// A URL in its parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url<'a> {
    pub(super) scheme: &'a str,
    /// As it was written.
    pub(super) path: &'a str,
    /// As they were written.
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Url<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, OpenError> {
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(refused(
                "it has no scheme, such as `memory:` or `sqlite:path`",
            ));
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut parameters: Vec<(&str, &str)> = Vec::new();
        for part in query.split('&').filter(|it| !it.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if parameters.iter().any(|(other, _)| *other == name) {
                return Err(refused(format!("`{name}` is given twice")));
            }
            parameters.push((name, value));
        }
        Ok(Self {
            scheme,
            path,
            parameters,
        })
    }

    /// The path in plain text, without the slashes of an authority that is not there.
    pub(super) fn plain_path(&self) -> Result<String, OpenError> {
        let path = self.path.strip_prefix("//").unwrap_or(self.path);
        let path = decode("path", path)?;
        if path.is_empty() {
            return Err(refused(format!("`{}:` needs a path", self.scheme)));
        }
        Ok(path)
    }

    /// Takes out a parameter.
    pub(super) fn take(&mut self, name: &str) -> Result<Option<String>, OpenError> {
        let Some(at) = self.parameters.iter().position(|(it, _)| *it == name) else {
            return Ok(None);
        };
        decode(name, self.parameters.remove(at).1).map(Some)
    }

    /// Takes out a number.
    pub(super) fn take_number<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, OpenError>
    where
        T::Err: Into<Cause>,
    {
        let Some(text) = self.take(name)? else {
            return Ok(None);
        };
        let number = text.parse().map_err(|error: T::Err| {
            let error: Cause = error.into();
            refused(format!("`{name}` is no number: {error}"))
        });
        number.map(Some)
    }

    /// Takes out a duration in milliseconds, which is not zero.
    pub(super) fn take_millis(&mut self, name: &str) -> Result<Option<Duration>, OpenError> {
        match self.take_number::<u32>(name)? {
            Some(0) => Err(refused(format!("`{name}` is zero"))),
            millis => Ok(millis.map(|it| Duration::from_millis(it.into()))),
        }
    }

    /// Takes out one of several words.
    pub(super) fn take_word<T: Copy>(
        &mut self,
        name: &str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, OpenError> {
        let Some(text) = self.take(name)? else {
            return Ok(None);
        };
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(Some(*meaning));
        }
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        Err(refused(format!("`{name}` is none of {}", words.join(", "))))
    }

    /// What is left after all that is known was taken must be nothing.
    pub(super) fn finish(self, known: &str) -> Result<(), OpenError> {
        match self.parameters.first() {
            None => Ok(()),
            Some((name, _)) => Err(refused(format!(
                "`{}:` has no parameter `{name}`; it has {known}",
                self.scheme
            ))),
        }
    }

    /// The URL again, with the parameters that are left.
    #[cfg(any(feature = "redis", test))]
    pub(super) fn rest(&self) -> String {
        let parameters = self.parameters.iter();
        let parameters = parameters.map(|(name, value)| format!("{name}={value}"));
        let query = parameters.collect::<Vec<_>>().join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}:{}{mark}{query}", self.scheme, self.path)
    }
}

fn decode(name: &str, text: &str) -> Result<String, OpenError> {
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| refused(format!("`{name}` is not UTF-8")))?;
    if decoded.contains('\0') {
        return Err(refused(format!("`{name}` has a zero byte")));
    }
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(error: OpenError) -> String {
        match error {
            OpenError::Url { reason } => reason,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn url_is_read_in_parts() {
        let mut url = Url::parse("engine:/a%20b/c?mode=strict&n=5&x").unwrap();
        assert_eq!(
            (url.scheme, url.plain_path().unwrap().as_str()),
            ("engine", "/a b/c")
        );
        assert_eq!(url.take("mode").unwrap().unwrap(), "strict");
        assert_eq!(url.take("mode").unwrap(), None);
        assert_eq!(url.take_number::<u8>("n").unwrap(), Some(5));
        assert_eq!(url.rest(), "engine:/a%20b/c?x=");
        assert!(reason(url.finish("`mode`").unwrap_err()).contains("`x`"));
    }

    #[test]
    fn slashes_of_an_absent_authority_are_dropped() {
        for (text, path) in [
            ("sqlite:a.db", "a.db"),
            ("sqlite://a.db", "a.db"),
            ("sqlite:/a.db", "/a.db"),
            ("sqlite:///a.db", "/a.db"),
            ("sqlite::memory:", ":memory:"),
            ("sqlite:%E8%8C%B6.db", "茶.db"),
        ] {
            assert_eq!(
                Url::parse(text).unwrap().plain_path().unwrap(),
                path,
                "{text}"
            );
        }
    }

    #[test]
    fn text_that_is_no_url_is_refused() {
        assert!(reason(Url::parse("").unwrap_err()).contains("scheme"));
        assert!(reason(Url::parse("store.db").unwrap_err()).contains("scheme"));
        assert!(reason(Url::parse("a:b?c=1&c=2").unwrap_err()).contains("twice"));
        for text in ["a:", "a://", "a:%FF", "a:b%00c"] {
            reason(Url::parse(text).unwrap().plain_path().unwrap_err());
        }
    }

    #[test]
    fn parameters_that_are_not_what_they_should_be_are_refused() {
        let url = |query: &str| format!("a:b?p={query}");
        for query in ["", "-1", "1.5", "4294967296", "five"] {
            let text = url(query);
            let error = Url::parse(&text).unwrap().take_millis("p").unwrap_err();
            assert!(reason(error).contains("`p`"));
        }
        let text = url("0");
        let error = Url::parse(&text).unwrap().take_millis("p").unwrap_err();
        assert!(reason(error).contains("zero"));
        let text = url("STRICT");
        let words = [("strict", 1), ("buffered", 2)];
        let error = Url::parse(&text)
            .unwrap()
            .take_word("p", &words)
            .unwrap_err();
        assert!(reason(error).contains("strict, buffered"));
        let text = url("%ff");
        reason(Url::parse(&text).unwrap().take("p").unwrap_err());
    }
}
