//! The measurement environment's fingerprint: everything outside the source that can move a count.
//!
//! Two runs may be compared only if their fingerprints are equal. When they are not, the
//! difference is named field by field, because "the environment changed" helps nobody.

use serde::{Deserialize, Serialize};

/// What surrounded a measurement, one field a cause.
///
/// Every field is text for people: equal text means the same cause, and nothing is read out of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Target triple of the benchmarks.
    pub target: String,
    /// Compiler, with its commit and LLVM.
    pub rustc: String,
    /// Valgrind's version.
    pub valgrind: String,
    /// C library: how it is linked, its version, and a digest of its code.
    pub libc: String,
    /// The CPU that Valgrind shows to the program, which is not the host's.
    pub cpu: String,
    /// The variants of `memcpy` and its kin that the C library chose, as seen in a profile.
    pub memory_functions: String,
    /// `GLIBC_TUNABLES` in the measurement environment.
    pub tunables: String,
    /// What the program is told of the machine: processors, random numbers, names, time zone, control
    /// groups. Empty in files of format 1, which the history still reads.
    #[serde(default)]
    pub machine: String,
    /// Geometry of the simulated caches.
    pub caches: String,
    /// What the build was told beyond the project's own profile.
    pub build: String,
    /// Harness and its version.
    pub harness: String,
}

/// A field in which two measurement environments differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EnvironmentDifference {
    /// The field's name, as in JSON.
    pub field: &'static str,
    /// Its value in base.
    pub base: String,
    /// Its value in head.
    pub head: String,
}

impl Environment {
    /// An environment such as icgate records. Tests and examples start from it, and change the field
    /// that they are about.
    #[must_use]
    pub fn example() -> Self {
        Self {
            target: "x86_64-unknown-linux-gnu".to_owned(),
            rustc: "1.95.0 (59807616e), LLVM 22.1".to_owned(),
            valgrind: "3.19.0".to_owned(),
            libc: "static, GLIBC 2.36, 0123456789abcdef".to_owned(),
            cpu: "GenuineIntel 6-60-3, features 0123456789abcdef".to_owned(),
            memory_functions: "__memcpy_sse2_unaligned".to_owned(),
            tunables: "glibc.malloc.arena_max=1".to_owned(),
            machine: "processors 1, random 0123456789abcdef, no control group".to_owned(),
            caches: "I1=32768,8,64 D1=32768,8,64 LL=8388608,16,64".to_owned(),
            build: "crt-static".to_owned(),
            harness: "iai-callgrind 0.16.1".to_owned(),
        }
    }

    /// Every field with its name, in the order in which they are written.
    #[must_use]
    pub fn fields(&self) -> [(&'static str, &str); 11] {
        let Self {
            target,
            rustc,
            valgrind,
            libc,
            cpu,
            memory_functions,
            tunables,
            machine,
            caches,
            build,
            harness,
        } = self;
        [
            ("target", target),
            ("rustc", rustc),
            ("valgrind", valgrind),
            ("libc", libc),
            ("cpu", cpu),
            ("memory_functions", memory_functions),
            ("tunables", tunables),
            ("machine", machine),
            ("caches", caches),
            ("build", build),
            ("harness", harness),
        ]
    }

    /// The fields in which `self` (base) and `head` differ; none if they are comparable.
    #[must_use]
    pub fn differences(&self, head: &Self) -> Vec<EnvironmentDifference> {
        self.fields()
            .into_iter()
            .zip(head.fields())
            .filter(|((_, base), (_, head))| base != head)
            .map(|((field, base), (_, head))| EnvironmentDifference {
                field,
                base: base.to_owned(),
                head: head.to_owned(),
            })
            .collect()
    }

    /// Whether the two are one as far as the machine goes. How a tree is built and which harness it
    /// uses is its own doing, and may differ between a tree and its base.
    #[must_use]
    pub fn surrounds_like(&self, other: &Self) -> bool {
        let of_the_tree = |field: &str| matches!(field, "build" | "harness");
        let mut differences = self.differences(other).into_iter();
        differences.all(|it| of_the_tree(it.field))
    }

    /// Whether the target is a word that a target triple can be: it becomes the name of a folder.
    #[must_use]
    pub fn has_plain_target(&self) -> bool {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        !self.target.is_empty() && !self.target.starts_with('.') && self.target.bytes().all(plain)
    }

    /// Baselines are kept per platform, such as `x86_64-linux-gnu`: the target without its vendor.
    #[must_use]
    pub fn platform(&self) -> String {
        platform(&self.target)
    }
}

/// The platform of a target triple: `x86_64-unknown-linux-gnu` → `x86_64-linux-gnu`.
#[must_use]
pub fn platform(target: &str) -> String {
    let parts: Vec<&str> = target.split('-').collect();
    match parts.as_slice() {
        [arch, _vendor, rest @ ..] if rest.len() >= 2 => format!("{arch}-{}", rest.join("-")),
        _ => target.to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The same for tests of other modules.
    pub(crate) fn environment() -> Environment {
        Environment::example()
    }

    #[test]
    fn each_field_is_a_cause_of_its_own() {
        let json = serde_json::to_value(environment()).unwrap();
        let names: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
        let mut fields: Vec<_> = environment()
            .fields()
            .map(|(name, _)| name.to_owned())
            .into();
        fields.sort_unstable();
        assert_eq!(names, fields, "every field takes part in the comparison");

        for name in names {
            let mut other = json.clone();
            other[&name] = "other".into();
            let other: Environment = serde_json::from_value(other).unwrap();
            let differences = environment().differences(&other);
            assert_eq!(differences.len(), 1);
            assert_eq!(
                (differences[0].field, &*differences[0].head),
                (&*name, "other")
            );
        }
        assert_eq!(environment().differences(&environment()), []);
    }

    #[test]
    fn a_target_names_a_folder_and_no_path() {
        let plain = |target: &str| {
            let target = target.to_owned();
            Environment {
                target,
                ..environment()
            }
            .has_plain_target()
        };
        for good in [
            "x86_64-unknown-linux-gnu",
            "wasm32-wasip1",
            "thumbv7em-none-eabi",
        ] {
            assert!(plain(good), "{good}");
        }
        for bad in ["", ".", "..", "../../x", "/etc", "a/b", "a\\b", "a\nb", "ä"] {
            assert!(!plain(bad), "{bad}");
        }
    }

    #[test]
    fn a_platform_is_a_target_without_its_vendor() {
        assert_eq!(platform("x86_64-unknown-linux-gnu"), "x86_64-linux-gnu");
        assert_eq!(platform("aarch64-apple-darwin"), "aarch64-apple-darwin");
        assert_eq!(platform("wasm32-wasip1"), "wasm32-wasip1");
    }
}
