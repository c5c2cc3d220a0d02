//! Why a text is not a policy, and what to write instead.

use miette::Diagnostic;
use thiserror::Error;

use super::POLICY_FORMAT;

const KEYS: &str = "the keys are: format, default.{limit, min_change, improvement}, \
    rule.{benchmarks, metric, limit, min_change}, drift.{limit, min_change}, \
    measuring.{pins, heap_tools, clock}, proof.minutes, commands.{check, update, explain}";

/// The remedy for another format.
const fn for_format(format: u32) -> &'static str {
    if format < POLICY_FORMAT {
        crate::model::MIGRATE
    } else {
        "use the icgate that it was written for, or a newer one"
    }
}

/// Why a text is not a policy.
#[derive(Debug, Error, Diagnostic)]
pub enum PolicyError {
    /// Not TOML, an unknown key, or a value of the wrong kind.
    #[error("cannot read policy `{name}`: {}", source.to_string().trim_end())]
    #[diagnostic(help("{KEYS}"))]
    Shape {
        /// Display name of the text.
        name: String,
        /// What is wrong and where, with the line itself.
        source: Box<toml::de::Error>,
    },
    /// Another version's.
    #[error(
        "cannot read policy `{name}`: it has format {format}, this icgate reads {POLICY_FORMAT}"
    )]
    #[diagnostic(help("{}", for_format(*format)))]
    Format {
        /// Display name of the text.
        name: String,
        /// The format it claims.
        format: u32,
    },
    /// A limit that is not a share between 0 % and 100 %.
    #[error("policy `{name}`: `{text}` in `{place}` is not a limit")]
    #[diagnostic(help(
        "write a share from \"0%\" to \"100%\" with up to four decimals, such as \"1%\" or \
                 \"0.5%\"; in a rule for another metric than instructions also \"off\""
    ))]
    Limit {
        /// Display name of the text.
        name: String,
        /// Which table of it.
        place: String,
        /// What stands there.
        text: String,
    },
    /// A pattern that is not a glob.
    #[error("policy `{name}`: `{place}` has a bad pattern: {source}")]
    #[diagnostic(help("write a glob, such as \"kv/**\""))]
    Pattern {
        /// Display name of the text.
        name: String,
        /// Which rule.
        place: String,
        /// What is wrong with it.
        source: globset::Error,
    },
}
