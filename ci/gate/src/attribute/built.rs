//! What a change of settings did: told by what base and head were compiled from, and with which flags.
//!
//! ```text
//! Cargo.toml: opt-level – → 3     head's crates have the flags of base's   it is not at fault
//! (nothing)                       head's crates have -C target-cpu=native  the build, and no line
//! Cargo.toml: memchr 2.7 → 2.8    memchr 2.7.4 → 2.8.0                     a dependency, with its line
//! ```
//!
//! A manifest says what somebody wrote. Whether that reached the compiler, only its arguments say.

use std::collections::{BTreeMap, BTreeSet};

use super::Origin;
use super::settings::Setting;
use crate::model::crates::Crate;

/// At most so many packages are named that differ though no setting says so.
const UNSAID_MAX: usize = 3;

/// Said of what differs though the change does not say so.
const UNSAID: &str = "which no file of the change says";

/// How a package differs between base and head.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Difference<'a> {
    package: &'a str,
    /// Flags that only base has, and only head.
    flags: Option<(Vec<&'a str>, Vec<&'a str>)>,
    /// Version and features, in words.
    made_of: Option<String>,
}

/// Of `settings`, those that had an effect; and what differs without one. Where it is not known what either
/// side was compiled from, all of them may have had one.
#[must_use]
pub fn effective(settings: &[Setting], base: &[Crate], head: &[Crate]) -> Vec<Setting> {
    if base.is_empty() || head.is_empty() {
        return settings.to_vec();
    }
    let differences = differences(base, head);
    let known: BTreeSet<String> = base.iter().chain(head).map(|it| plain(&it.name)).collect();
    let has_effect = |setting: &&Setting| {
        let of_it = |package: &String| {
            let mut all = differences.iter();
            all.any(|it| plain(it.package) == plain(package))
        };
        match (&setting.package, setting.origin) {
            // The compiler itself is in the environment's fingerprint.
            _ if setting.file.contains("rust-toolchain") => true,
            (Some(package), _) if known.contains(&plain(package)) => of_it(package),
            // Under another name, or by nobody linked.
            (_, Origin::Dependency) => differences.iter().any(|it| it.made_of.is_some()),
            _ => !differences.is_empty(),
        }
    };
    let mut effective: Vec<Setting> = settings.iter().filter(has_effect).cloned().collect();
    effective.extend(unsaid(&differences, &effective));
    effective
}

/// What differs though none of `said` explains it.
fn unsaid(differences: &[Difference<'_>], said: &[Setting]) -> Vec<Setting> {
    let mut found = Vec::new();
    let setting = |origin, what: String, package: Option<&str>| Setting {
        origin,
        file: "".into(),
        line: None,
        what,
        package: package.map(str::to_owned),
    };
    let by_flags = || differences.iter().filter_map(|it| it.flags.as_ref());
    if !said.iter().any(|it| it.origin == Origin::Build)
        && let Some((before, now)) = by_flags().next()
    {
        let list = |flags: &[&str]| match flags {
            [] => "–".to_owned(),
            flags => flags.join(" "),
        };
        let crates = match by_flags().count() {
            1 => "1 crate".to_owned(),
            count => format!("{count} crates"),
        };
        let what = format!("{} → {} of {crates}, {UNSAID}", list(before), list(now));
        found.push(setting(Origin::Build, what, None));
    }
    // One dependency brings others along.
    if !said.iter().any(|it| it.origin == Origin::Dependency) {
        let made_of = differences
            .iter()
            .filter_map(|it| Some((it.package, it.made_of.as_ref()?)));
        found.extend(made_of.take(UNSAID_MAX).map(|(package, made_of)| {
            let what = format!("{package} {made_of}, {UNSAID}");
            setting(Origin::Dependency, what, Some(package))
        }));
    }
    found
}

fn differences<'a>(base: &'a [Crate], head: &'a [Crate]) -> Vec<Difference<'a>> {
    let by_name = |crates: &'a [Crate]| {
        let mut all: BTreeMap<&str, Vec<&Crate>> = BTreeMap::new();
        for it in crates {
            all.entry(it.name.as_str()).or_default().push(it);
        }
        all
    };
    let (before, now) = (by_name(base), by_name(head));
    let packages: BTreeSet<&str> = before.keys().chain(now.keys()).copied().collect();
    let none = Vec::new();
    let difference = |package: &'a str| {
        let of = |all: &BTreeMap<&str, Vec<&'a Crate>>| all.get(package).unwrap_or(&none).clone();
        let (old, new) = (of(&before), of(&now));
        let flags = |crates: &[&'a Crate]| -> BTreeSet<&'a str> {
            let all = crates.iter().flat_map(|it| &it.flags);
            all.map(String::as_str).collect()
        };
        let (old_flags, new_flags) = (flags(&old), flags(&new));
        let only = |some: &BTreeSet<&'a str>, others: &BTreeSet<&'a str>| {
            some.difference(others).copied().collect::<Vec<_>>()
        };
        let is_in_both = !old.is_empty() && !new.is_empty();
        let has_flags = is_in_both && old_flags != new_flags;
        let (old_made_of, new_made_of) = (made_of(&old), made_of(&new));
        let found = Difference {
            package,
            flags: has_flags.then(|| (only(&old_flags, &new_flags), only(&new_flags, &old_flags))),
            made_of: (old_made_of != new_made_of).then(|| format!("{old_made_of} → {new_made_of}")),
        };
        (found.flags.is_some() || found.made_of.is_some()).then_some(found)
    };
    packages.into_iter().filter_map(difference).collect()
}

/// Versions and features of a package, in words: `2.8.0 (alloc, std)`.
fn made_of(crates: &[&Crate]) -> String {
    let word = |it: &&Crate| match it.features.as_slice() {
        [] => it.version.clone(),
        features => format!("{} ({})", it.version, features.join(", ")),
    };
    let words: BTreeSet<String> = crates.iter().map(word).collect();
    let words: Vec<String> = words.into_iter().collect();
    match words.as_slice() {
        [] => "–".to_owned(),
        words => words.join(" and ").trim().to_owned(),
    }
}

fn plain(package: &str) -> String {
    package.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn krate(name: &str, version: &str, features: &[&str], flags: &[&str]) -> Crate {
        let owned = |texts: &[&str]| texts.iter().map(|it| (*it).to_owned()).collect();
        Crate {
            name: name.to_owned(),
            version: version.to_owned(),
            features: owned(features),
            flags: owned(flags),
        }
    }

    fn base() -> Vec<Crate> {
        vec![
            krate("engine", "", &[], &["-C opt-level=3"]),
            krate("mem-chr", "2.7.4", &["std"], &["-C opt-level=3"]),
        ]
    }

    fn setting(origin: Origin, what: &str, package: Option<&str>) -> Setting {
        Setting {
            origin,
            file: "Cargo.toml".into(),
            line: Some(3),
            what: what.to_owned(),
            package: package.map(str::to_owned),
        }
    }

    fn said(settings: &[Setting], head: &[Crate]) -> Vec<String> {
        let found = effective(settings, &base(), head).into_iter();
        found.map(|it| format!("{}:{}", it.file, it.what)).collect()
    }

    #[test]
    fn setting_without_effect_is_not_at_fault() {
        let opt_level = setting(Origin::Build, "profile.bench.opt-level – → 3", None);
        let dev = setting(Origin::Dependency, "rand – → 1", Some("rand"));
        let own = setting(Origin::Dependency, "mem-chr.features", Some("mem_chr"));
        assert_eq!(said(&[opt_level, dev, own], &base()), [""; 0]);
    }

    #[test]
    fn setting_that_reached_the_compiler_keeps_its_line() {
        let mut head = base();
        for it in &mut head {
            it.flags = vec!["-C opt-level=1".to_owned()];
        }
        let opt_level = setting(Origin::Build, "opt-level 3 → 1", None);
        assert_eq!(
            said(std::slice::from_ref(&opt_level), &head),
            ["Cargo.toml:opt-level 3 → 1"]
        );
        // One for a package alone has to have reached that.
        let of_other = Setting {
            package: Some("engine".to_owned()),
            ..opt_level
        };
        head[0] = base()[0].clone();
        let unsaid = said(&[of_other], &head);
        assert_eq!(
            unsaid,
            [format!(
                ":-C opt-level=3 → -C opt-level=1 of 1 crate, {UNSAID}"
            )]
        );
    }

    #[test]
    fn flags_from_elsewhere_are_the_build_without_a_line() {
        let mut head = base();
        for it in &mut head {
            it.flags.push("-C target-cpu=native".to_owned());
        }
        let unsaid = format!(":– → -C target-cpu=native of 2 crates, {UNSAID}");
        assert_eq!(said(&[], &head), [unsaid]);
    }

    #[test]
    fn version_and_features_are_a_dependency() {
        let mut head = base();
        head[1] = krate("mem-chr", "2.8.0", &[], &["-C opt-level=3"]);
        let lock = setting(Origin::Dependency, "mem-chr 2.7.4 → 2.8.0", Some("mem-chr"));
        assert_eq!(said(&[lock], &head), ["Cargo.toml:mem-chr 2.7.4 → 2.8.0"]);
        let unsaid = format!(":mem-chr 2.7.4 (std) → 2.8.0, {UNSAID}");
        assert_eq!(said(&[], &head), [unsaid]);
        head.remove(1);
        assert_eq!(
            said(&[], &head),
            [format!(":mem-chr 2.7.4 (std) → –, {UNSAID}")]
        );
    }

    #[test]
    fn without_facts_every_setting_counts() {
        let opt_level = setting(Origin::Build, "opt-level", None);
        let some = [opt_level.clone()];
        assert_eq!(effective(&some, &[], &base()), some);
        assert_eq!(effective(&some, &base(), &[]), some);
    }
}
