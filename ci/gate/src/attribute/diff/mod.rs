//! What head changes against base, line by line: the output of `git diff`, with lines of context
//! or without.
//!
//! Only what the gate needs of the unified format (as in the manual of GNU diffutils) is read: the
//! `---` and `+++` lines, git's `rename` lines and the hunks. No text of a diff can be mistaken
//! for a header, since a hunk says how long it is.

use std::collections::{BTreeMap, BTreeSet};

use crate::attribute::built::effective;
use crate::attribute::function_spans::{Extent, FunctionSpans};
use crate::attribute::reach::BuildInputs;
use crate::attribute::settings::Setting;
use crate::model::crates::Crate;

/// The changed source files of head, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangedLines {
    files: BTreeMap<String, ChangedFile>,
    /// The names of head's files by those they had in base, where they differ.
    renamed: BTreeMap<String, String>,
    /// All changed files, whatever their kind, and what benchmarks are built from.
    whole: Option<(BTreeSet<String>, BuildInputs)>,
    /// What manifests, lock file and configuration say otherwise than in base.
    settings: Vec<Setting>,
}

/// The changes of one file, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct ChangedFile {
    hunks: Vec<Hunk>,
    /// Where its functions are, if its text was read.
    spans: Option<FunctionSpans>,
}

/// Lines of base that became lines of head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hunk {
    /// Lines that base had.
    base: Lines,
    /// Lines that head has instead.
    head: Lines,
    /// Whether anything but comments and blank lines was changed.
    pub is_code: bool,
    /// Whether nothing but attributes was removed.
    removes_attributes: bool,
    /// The first line that it gives head which is neither a comment nor blank.
    code: Option<u32>,
}

/// A place in a file: the first line and how many; of none, the line before the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lines {
    start: u32,
    count: u32,
}

/// How a line of head stands to the diff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Touch {
    /// The diff added or changed it.
    Changed,
    /// The diff removed the lines before or after it.
    Beside,
}

impl ChangedLines {
    /// Reads the output of `git diff`, with the usual prefixes or none, and with any number of
    /// lines of context.
    #[must_use]
    pub fn from_unified_diff(diff: &str) -> Self {
        let mut changed = Self::default();
        let (mut base, mut head): (Option<String>, Option<String>) = (None, None);
        let mut body = Body::default();
        for line in diff.lines() {
            if body.takes(line) {
                let read = body.read(line);
                if let (Some(head), Some(hunk)) = (&head, read) {
                    changed.push(head, hunk);
                }
            } else if let Some(path) = line.strip_prefix("rename from ") {
                base = Some(path.to_owned());
            } else if let Some(path) = line.strip_prefix("rename to ") {
                changed.rename(base.take(), path);
            } else if let Some(path) = line.strip_prefix("--- ") {
                base = file(path, "a/");
            } else if let Some(path) = line.strip_prefix("+++ ") {
                head = file(path, "b/");
                if let Some(head) = &head {
                    changed.rename(base.take(), head);
                }
            } else if let Some(header) = line.strip_prefix("@@ ") {
                body = Body::of(header).unwrap_or_default();
            }
        }
        changed
    }

    /// Adds a hunk as far as it is read; what was known of it before is replaced.
    fn push(&mut self, head: &str, hunk: Hunk) {
        let hunks = &mut self.files.entry(head.to_owned()).or_default().hunks;
        if hunks.last().is_some_and(|last| last.begins_with(&hunk)) {
            hunks.pop();
        }
        hunks.push(hunk);
    }

    /// The same as seen from the folder `prefix` (`some/folder/`, or nothing): files outside of it
    /// are left out.
    #[must_use]
    pub fn below(self, prefix: &str) -> Self {
        let below = |path: &str| path.strip_prefix(prefix).map(str::to_owned);
        Self {
            files: self
                .files
                .into_iter()
                .filter_map(|(path, file)| Some((below(&path)?, file)))
                .collect(),
            renamed: self
                .renamed
                .into_iter()
                .filter_map(|(base, head)| Some((below(&base)?, below(&head)?)))
                .collect(),
            whole: self.whole,
            settings: self.settings,
        }
    }

    fn rename(&mut self, base: Option<String>, head: &str) {
        if let Some(base) = base.filter(|base| base != head) {
            self.renamed.insert(base, head.to_owned());
        }
    }

    /// Adds a file that base does not have.
    pub fn add_file(&mut self, file: &str, text: &str) {
        let count = u32::try_from(text.lines().count()).unwrap_or(u32::MAX);
        let hunk = Hunk {
            base: Lines { start: 0, count: 0 },
            head: Lines { start: 1, count },
            is_code: true,
            removes_attributes: false,
            code: (1..)
                .zip(text.lines())
                .find_map(|(number, line)| is_code(line).then_some(number)),
        };
        self.push(file, hunk);
    }

    /// Says what else was changed: all files by their paths in the repository, and which of them
    /// a benchmark can be built from.
    pub fn set_paths(&mut self, paths: impl IntoIterator<Item = String>, inputs: BuildInputs) {
        self.whole = Some((paths.into_iter().collect(), inputs));
    }

    /// Says what settings of the build and of dependencies were changed.
    pub fn set_settings(&mut self, mut settings: Vec<Setting>) {
        for setting in &mut settings {
            // What was removed is pointed at where it stood.
            let hunk = self.hunks(&setting.file).first();
            setting.line = setting.line.or_else(|| hunk.map(Hunk::line));
        }
        self.settings = settings;
    }

    /// The same with those settings alone that had an effect, by what base and head were compiled from.
    #[must_use]
    pub fn compiled_from(&self, base: &[Crate], head: &[Crate]) -> Self {
        Self {
            settings: effective(&self.settings, base, head),
            ..self.clone()
        }
    }

    /// The settings that were changed.
    #[must_use]
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Those that an executable of `suite` is built with.
    pub(super) fn settings_of(&self, suite: &str) -> impl Iterator<Item = &Setting> {
        let reaches = move |it: &&Setting| {
            let inputs = self.whole.as_ref().map(|(_, inputs)| inputs);
            // What no file says is of all of them.
            it.file.is_empty()
                || inputs
                    .is_none_or(|inputs| inputs.reaches(suite, &inputs.in_repository(&it.file)))
        };
        self.settings.iter().filter(reaches)
    }

    /// Whether a file of the workspace is a benchmark's own: what it measures lies elsewhere.
    #[must_use]
    pub(super) fn is_workload(&self, file: &str) -> bool {
        let inputs = self.whole.as_ref().map(|(_, inputs)| inputs);
        inputs.is_some_and(|it| it.is_workload(&it.in_repository(file)))
    }

    /// The hunk that a line lies in or beside, by its first line.
    #[must_use]
    pub fn hunk(&self, file: &str, line: u32) -> Option<u32> {
        let mut hunks = self.hunks_at(file, line).iter();
        hunks
            .find(|hunk| hunk.touch(line).is_some())
            .map(Hunk::line)
    }

    /// The only piece of code that the change has for an executable of `suite`: its file and first line.
    /// `None` if there are more, or if anything else that it is built from was changed.
    #[must_use]
    pub(super) fn only_hunk(&self, suite: &str) -> Option<(&str, u32)> {
        let (paths, inputs) = self.whole.as_ref()?;
        let mut found = None;
        for path in paths.iter().filter(|path| inputs.reaches(suite, path)) {
            let file = inputs.in_workspace(path)?;
            let (file, changed) = self.files.get_key_value(file)?;
            for hunk in changed.hunks.iter().filter(|hunk| hunk.is_code) {
                if found.replace((file.as_str(), hunk.line())).is_some() {
                    return None;
                }
            }
        }
        found
    }

    /// Whether an executable of `suite` is built from something that was changed; `None` where it
    /// is not known what was.
    #[must_use]
    pub fn reaches(&self, suite: &str) -> Option<bool> {
        let (paths, inputs) = self.whole.as_ref()?;
        let is_comment = |path: &str| {
            let file = inputs.in_workspace(path);
            let hunks = file.map_or(&[][..], |file| self.hunks(file));
            !hunks.is_empty() && !hunks.iter().any(|hunk| hunk.is_code)
        };
        Some(
            paths
                .iter()
                .any(|path| inputs.reaches(suite, path) && !is_comment(path)),
        )
    }

    /// The changed source files.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Says what is in a changed file of head, so that its functions are known.
    pub fn read_source(&mut self, file: &str, text: &str) {
        if let Some(file) = self.files.get_mut(file) {
            file.spans = Some(FunctionSpans::read(text));
        }
    }

    /// Whether the diff added or changed this line of head.
    #[must_use]
    pub fn contains(&self, file: &str, line: u32) -> bool {
        self.touch(file, line) == Some(Touch::Changed)
    }

    /// How this line of head stands to the diff; `None` where the diff is elsewhere.
    #[must_use]
    pub fn touch(&self, file: &str, line: u32) -> Option<Touch> {
        let hunks = self.hunks_at(file, line).iter();
        hunks.filter_map(|hunk| hunk.touch(line)).min()
    }

    /// Whether the diff changes code at this line of head, or beside it.
    #[must_use]
    pub fn touches_code(&self, file: &str, line: u32) -> bool {
        let mut hunks = self.hunks_at(file, line).iter();
        hunks.any(|hunk| hunk.is_code && hunk.touch(line).is_some())
    }

    /// The few hunks that can have a line of head: they are in order, so those that begin last
    /// before it. A run has many lines and a diff many hunks.
    fn hunks_at(&self, file: &str, line: u32) -> &[Hunk] {
        let hunks = self.hunks(file);
        let behind = hunks.partition_point(|hunk| hunk.head.start <= line);
        &hunks[behind.saturating_sub(3)..behind]
    }

    /// Whether the diff changes any line of `file`.
    #[must_use]
    pub fn touches(&self, file: &str) -> bool {
        !self.hunks(file).is_empty()
    }

    /// Whether nothing was changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The changes of a file, in order.
    #[must_use]
    pub fn hunks(&self, file: &str) -> &[Hunk] {
        self.files.get(file).map_or(&[], |file| &file.hunks)
    }

    /// The functions of a changed file, as far as they are known.
    #[must_use]
    pub fn spans(&self, file: &str) -> Option<&FunctionSpans> {
        self.files.get(file)?.spans.as_ref()
    }

    /// Where a line of base is in head; `None` if the diff changed or removed it.
    #[must_use]
    pub fn in_head<'a>(&'a self, file: &'a str, line: u32) -> Option<(&'a str, u32)> {
        let file = self.renamed.get(file).map_or(file, String::as_str);
        let hunks = self.hunks(file);
        // They are in order: what the last one before the line shifted, all of them did.
        let before = hunks.partition_point(|hunk| hunk.base.first() <= line);
        let shift = match before.checked_sub(1).map(|at| &hunks[at]) {
            Some(hunk) if line < hunk.base.behind() => return None,
            Some(hunk) => i64::from(hunk.head.behind()) - i64::from(hunk.base.behind()),
            None => 0,
        };
        let line = u32::try_from(i64::from(line) + shift).ok()?;
        Some((file, line))
    }
}

impl Lines {
    const fn none_before(line: u32) -> Self {
        Self {
            start: line.saturating_sub(1),
            count: 0,
        }
    }

    /// The first line, or the one before which there is none.
    const fn first(self) -> u32 {
        if self.count == 0 {
            self.start.saturating_add(1)
        } else {
            self.start
        }
    }

    /// The line after the last one.
    const fn behind(self) -> u32 {
        self.first().saturating_add(self.count)
    }

    const fn add(&mut self) {
        self.start = self.first();
        self.count = self.count.saturating_add(1);
    }
}

/// The lines below a `@@` while they are read.
#[derive(Debug, Default)]
struct Body {
    /// Lines of base, and of head, that are still to come.
    base_left: u32,
    head_left: u32,
    /// The numbers of the next ones.
    base: u32,
    head: u32,
    /// What was changed since the last line of context.
    hunk: Option<Hunk>,
}

impl Body {
    /// `-start[,count] +start[,count] @@…`
    fn of(header: &str) -> Option<Self> {
        let mut words = header.split(' ');
        let mut range = |sign: char| -> Option<(u32, u32)> {
            let text = words.next()?.strip_prefix(sign)?;
            let (start, count) = text.split_once(',').unwrap_or((text, "1"));
            let (start, count): (u32, u32) = (start.parse().ok()?, count.parse().ok()?);
            // Of no lines, the one before is named.
            let next = if count == 0 {
                start.saturating_add(1)
            } else {
                start
            };
            Some((next, count))
        };
        let ((base, base_left), (head, head_left)) = (range('-')?, range('+')?);
        Some(Self {
            base_left,
            head_left,
            base,
            head,
            hunk: None,
        })
    }

    /// Whether `line` is one of them. An empty line is one of context, cut by somebody.
    fn takes(&self, line: &str) -> bool {
        let inside = self.base_left > 0 || self.head_left > 0;
        inside && (line.is_empty() || line.starts_with(['+', '-', ' ', '\\']))
    }

    /// Goes past a line; the hunk as far as it is read, if the line changes something.
    fn read(&mut self, line: &str) -> Option<Hunk> {
        let (in_base, in_head) = match line.as_bytes().first() {
            Some(b'+') => (0, 1),
            Some(b'-') => (1, 0),
            Some(b'\\') => return None,
            _ => (1, 1),
        };
        if (in_base, in_head) == (1, 1) {
            self.hunk = None;
        } else {
            let before = || Hunk::before(self.base, self.head);
            self.hunk.get_or_insert_with(before).read(line);
        }
        self.base_left = self.base_left.saturating_sub(in_base);
        self.head_left = self.head_left.saturating_sub(in_head);
        self.base = self.base.saturating_add(in_base);
        self.head = self.head.saturating_add(in_head);
        self.hunk
    }
}

impl Hunk {
    /// Nothing changed yet, before these lines.
    const fn before(base: u32, head: u32) -> Self {
        Self {
            base: Lines::none_before(base),
            head: Lines::none_before(head),
            is_code: false,
            removes_attributes: true,
            code: None,
        }
    }

    /// Adds a line that was removed or added.
    fn read(&mut self, line: &str) {
        let is_removed = line.starts_with('-');
        if is_removed {
            self.base.add();
        } else {
            self.head.add();
        }
        let text = line.get(1..).unwrap_or_default().trim();
        let is_code = is_code(text);
        self.is_code |= is_code;
        if is_code && !is_removed {
            let last = self.head.behind().saturating_sub(1);
            self.code = self.code.or(Some(last));
        }
        if is_removed && is_code && !text.starts_with("#[") {
            self.removes_attributes = false;
        }
    }

    /// Whether `longer` is this hunk and more of it.
    fn begins_with(&self, longer: &Self) -> bool {
        self.base.first() == longer.base.first() && self.head.first() == longer.head.first()
    }

    /// How a line of head stands to it.
    #[must_use]
    pub fn touch(&self, line: u32) -> Option<Touch> {
        let Lines { start, count } = self.head;
        if count == 0 {
            let is_beside = line == start || line == start.saturating_add(1);
            return is_beside.then_some(Touch::Beside);
        }
        (start <= line && line - start < count).then_some(Touch::Changed)
    }

    /// The line to point at in a function, if the hunk changes it.
    #[must_use]
    pub fn line_in(&self, function: &Extent) -> Option<u32> {
        let Lines { start, count } = self.head;
        if count > 0 {
            let last = start.saturating_add(count - 1);
            let overlaps = start <= function.last && function.first <= last;
            let code = self.code.filter(|line| function.contains(*line));
            return overlaps.then(|| code.unwrap_or(start.max(function.first)));
        }
        // What was removed right above a function was the function's only if it is what stands
        // above functions.
        let above = start.saturating_add(1) == function.first && self.removes_attributes;
        let inside = function.first <= start && start < function.last;
        (above || inside).then(|| start.saturating_add(1))
    }

    /// The line to point at.
    #[must_use]
    pub const fn line(&self) -> u32 {
        match self.code {
            Some(line) => line,
            None if self.head.count == 0 => self.head.start.saturating_add(1),
            None => self.head.start,
        }
    }
}

/// Whether a line is more than a comment or blank.
fn is_code(line: &str) -> bool {
    let text = line.trim();
    !text.is_empty() && !text.starts_with("//") && !text.starts_with("/*")
}

/// A path of a header; `None` for the file that is not there.
fn file(path: &str, prefix: &str) -> Option<String> {
    let path = path.split('\t').next().unwrap_or(path);
    (path != "/dev/null").then(|| path.strip_prefix(prefix).unwrap_or(path).to_owned())
}

#[cfg(test)]
mod tests;
