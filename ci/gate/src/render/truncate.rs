//! Names and lines that have to fit into columns.
//!
//! Of a function's name the end says most, so modules are left out from the beginning; of a line of
//! source the beginning does.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::model::escape::escaped;

/// A function's name in at most `width` columns, without its outer modules if it has to be; with whom
/// a library's function ran for.
pub(crate) fn function(name: &str, caller: Option<&str>, width: usize) -> String {
    /// Between the two.
    const FOR: &str = " for ";
    let Some(caller) = caller else {
        return path(name, width);
    };
    let (name, caller) = (escaped(name), escaped(caller));
    let room = width.saturating_sub(FOR.len());
    if name.width() + caller.width() <= room {
        return format!("{name}{FOR}{caller}");
    }
    // Each has a half, and what the other leaves of its own.
    let half = room / 2;
    let of_caller = room - name.width().min(half);
    let caller = path(&caller, of_caller);
    format!("{}{FOR}{caller}", path(&name, room - caller.width()))
}

/// A path such as `engine::frame::encode` in at most `width` columns: the most of it that fits, without
/// its first segments, with the names in `<…>` cut down to their last, and without a part of the last
/// segment if that alone is too long.
pub(crate) fn path(name: &str, width: usize) -> String {
    let name = escaped(name);
    if name.width() <= width {
        return name;
    }
    let plain = plain_brackets(&name);
    let ends = |name: &str| -> Vec<String> {
        let ends = segments(name).map(|at| format!("…{}", &name[at..]));
        ends.collect()
    };
    let candidates = ends(&name).into_iter().chain(ends(&plain)).chain([plain]);
    let fitting = candidates.filter(|it| it.width() <= width);
    let most = fitting.max_by_key(|it| it.width());
    most.unwrap_or_else(|| tail(&name, width))
}

/// A name whose paths in `<…>` have lost their modules: `<File as Write>::write`.
fn plain_brackets(name: &str) -> String {
    let is_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '{' | '}' | '#');
    let mut plain = String::with_capacity(name.len());
    // Where the path that is being read began, if it is in brackets.
    let (mut depth, mut began) = (0_usize, 0);
    for character in name.chars() {
        match character {
            '<' => depth += 1,
            '>' if !plain.ends_with('-') => depth = depth.saturating_sub(1),
            _ => {}
        }
        plain.push(character);
        if !is_path(character) {
            began = plain.len();
        } else if depth > 0 && plain[began..].ends_with("::") {
            plain.truncate(began);
        }
    }
    plain
}

/// Where segments behind the first begin, outside of `<…>`.
fn segments(name: &str) -> impl Iterator<Item = usize> {
    let mut depth = 0_usize;
    let at = name
        .match_indices(['<', '>', ':'])
        .filter(move |(at, mark)| {
            match *mark {
                "<" => depth += 1,
                // `->` closes nothing.
                ">" if !name[..*at].ends_with('-') => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && *mark == ":" && name[..*at].ends_with(':')
        });
    at.map(|(at, _)| at + 1)
}

/// The end of `text`, in at most `width` columns.
pub(crate) fn tail(text: &str, width: usize) -> String {
    let text = escaped(text);
    if text.width() <= width {
        return text;
    }
    let mut kept = String::new();
    let mut used = 1;
    for character in text.chars().rev() {
        used += character.width().unwrap_or(0);
        if used > width {
            break;
        }
        kept.insert(0, character);
    }
    format!("…{kept}")
}

/// The beginning of `text`, in at most `width` columns.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 1;
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used > width {
            break;
        }
        kept.push(character);
    }
    kept + "…"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn outer_modules_are_left_out_first() {
        for (width, shown) in [
            (21, "engine::frame::encode"),
            (20, "…frame::encode"),
            (14, "…frame::encode"),
            (13, "…encode"),
            (6, "…ncode"),
            (1, "…"),
        ] {
            assert_eq!(path("engine::frame::encode", width), shown, "{width}");
        }
    }

    #[test]
    fn a_trait_in_brackets_is_one_segment() {
        let name = "engine::<a::File as engine::vfs::VfsFile>::write_at";
        assert_eq!(
            path(name, 50),
            "…<a::File as engine::vfs::VfsFile>::write_at"
        );
        assert_eq!(path(name, 43), "engine::<File as VfsFile>::write_at");
        assert_eq!(path(name, 34), "…<File as VfsFile>::write_at");
        assert_eq!(path(name, 27), "…write_at");
        assert_eq!(
            path("a::apply::<fn() -> b::C>::run", 28),
            "…apply::<fn() -> b::C>::run"
        );
    }

    #[test]
    fn of_a_library_s_function_its_name_is_kept_and_whom_it_ran_for() {
        let (name, caller) = (
            "crc32fast::baseline::update_4_to_15",
            "engine::frame::Prepared::new",
        );
        let of = |width| function(name, Some(caller), width);
        assert_eq!(
            of(80),
            "crc32fast::baseline::update_4_to_15 for engine::frame::Prepared::new"
        );
        assert_eq!(of(42), "…update_4_to_15 for …Prepared::new");
        assert_eq!(
            function("memcpy", Some(caller), 34),
            "memcpy for …frame::Prepared::new"
        );
        assert_eq!(function(name, None, 20), "…update_4_to_15");
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_its_column(
            name in "[a-z:<>漢\\-]{0,40}", caller in "[a-z:]{0,40}", width in 20..60_usize,
        ) {
            for caller in [None, Some(caller.as_str())] {
                let shown = function(&name, caller, width);
                prop_assert!(shown.width() <= width, "{shown}");
            }
        }
    }
}
