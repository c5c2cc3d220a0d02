//! From a profile to costs by *source function*: the table that baselines keep.
//!
//! An optimiser inlines one way today and another way tomorrow, so what the machine calls a
//! function is no stable row. What the source calls a function is:
//!
//! ```text
//! an instruction's inline stack          its row
//!   Vec::push      rust/library/…
//!   encode         engine/src/frame.rs   ← the innermost frame in the workspace
//!   append         engine/src/wal.rs
//!
//!   memcpy         (no frame in the        memcpy, on behalf of `encode`: the first workspace
//!                   workspace)             function above it, along the dearest calls
//! ```
//!
//! Invariants:
//!
//! 1. Every instruction is counted in exactly one row: the rows add up to the profile's costs.
//! 2. A row is known by name and file, and no two rows share both.
//! 3. Equal profiles give equal tables, in equal order.
//!
//! Who calls whom is kept in the words of the source as well ([`CallGraph`]): a function that was
//! inlined is called from the line of the next workspace frame around it, as if it had been called.
//!
//! Numbers of calls are callgrind's, with its flaw: where costs are collected only inside the
//! benchmark, the same call executed outside (in a setup, say) is counted as well.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroU64;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::calls::{CallGraph, CallSite, Calls};
use crate::function_name::normalise;
use crate::functions::{FunctionCost, FunctionTable};
use crate::interned::Interned;
use crate::parse::{FileId, ObjectId, Profile, SymbolId};

/// One level of an inline stack.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// The function, mangled or not.
    pub function: Option<String>,
    /// The file that the code was written in.
    pub file: Option<String>,
    /// The line in it.
    pub line: Option<u32>,
}

/// Knows which functions were inlined where. Debug information does.
pub trait InlineStacks {
    /// The inline stack of the instruction at `address` of `object`, innermost frame first; the
    /// last frame is the function that the machine executes. Empty when nothing is known.
    fn frames(&self, object: &str, address: u64) -> Vec<Frame>;
}

/// Where the workspace's sources are in debug information.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRoots {
    /// The workspace's root, after `--remap-path-prefix`: `/workspace`.
    pub workspace: String,
    /// Folders in it, relative to its root, whose files nobody wrote: `target`.
    pub generated: Vec<String>,
}

/// What the source functions of a benchmark cost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceProfile {
    /// Source functions, dearest first; ties by name, then file.
    pub functions: Vec<SourceFunction>,
    /// The machine's functions, dearest first; ties by name.
    pub symbols: Vec<SymbolCost>,
    /// Who calls whom, from which lines of the workspace.
    pub calls: CallGraph,
}

/// A row: a function of the workspace, or a library function that was not inlined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFunction {
    /// Its cost.
    pub cost: FunctionCost,
    /// Lines in the workspace, dearest first; ties by file, then line.
    ///
    /// Of a workspace function: its own lines, with the library code inlined into them. Of a
    /// library function: the lines of its workspace caller that call it or lead to it, weighed
    /// by what those calls cost in all.
    pub lines: Vec<LineCost>,
}

/// What one line of the workspace cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineCost {
    /// Path relative to the workspace's root.
    pub file: Interned,
    /// Line, counted from 1.
    pub line: u32,
    /// Instructions.
    pub instructions: u64,
}

/// What one function of the machine cost, in itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolCost {
    /// Normalised name.
    pub name: String,
    /// Instructions executed in it, and in what was inlined into it.
    pub instructions: u64,
    /// How often it was called.
    pub calls: u64,
}

impl SourceRoots {
    /// The workspace at `workspace`, with its build directory `target`.
    #[must_use]
    pub fn new(workspace: impl Into<String>) -> Self {
        Self {
            workspace: workspace.into(),
            generated: vec!["target".to_owned()],
        }
    }

    /// What `path` is to a reader of a report.
    fn classify(&self, path: &str) -> SourceFile {
        let path = clean(path);
        if let Some(library) = library_file(&path) {
            return SourceFile::Library(library.into());
        }
        let relative = path
            .strip_prefix(self.workspace.trim_end_matches('/'))
            .and_then(|path| path.strip_prefix('/'));
        match relative {
            Some(relative)
                if self
                    .generated
                    .iter()
                    .any(|folder| is_within(relative, folder)) =>
            {
                SourceFile::Library(relative.into())
            }
            Some(relative) => SourceFile::Workspace(relative.into()),
            None => SourceFile::Library(path.into()),
        }
    }
}

impl SourceProfile {
    /// The rows as the table of a run: complete, so that nothing is `other`.
    #[must_use]
    pub fn table(&self) -> FunctionTable {
        FunctionTable::new(
            self.functions.iter().map(|row| row.cost.clone()).collect(),
            0,
        )
    }
}

/// Sums a profile's costs by source function.
///
/// Where neither an address nor a stack is known, the profile's own names, files and lines are
/// used; then what was inlined is counted with the function that it was inlined into.
///
/// This cannot fail: a [`Profile`] proves that no sum over its costs overflows.
pub fn source_functions(
    profile: &Profile,
    stacks: &impl InlineStacks,
    roots: &SourceRoots,
) -> SourceProfile {
    let mut resolver = Resolver::new(profile, stacks, roots);
    let homes = resolver.homes();
    let mut rows = Rows::default();
    let own: Vec<usize> = homes
        .iter()
        .map(|home| rows.of(&home.name, &home.file))
        .collect();

    for cost in profile.costs() {
        let place = resolver.place(cost.symbol, cost.address, cost.file, cost.line);
        let own = own[cost.symbol.index()];
        let at = rows.at(&place, own);
        let row = &mut rows.rows[at];
        row.instructions += cost.instructions;
        if let Some(line) = place.line() {
            *row.lines.entry(line).or_default() += cost.instructions;
        }
        rows.inlined(&place, own, cost.instructions);
    }
    for row in &own {
        rows.rows[*row].calls.get_or_insert(0);
    }
    for call in profile.calls() {
        let place = resolver.place(call.caller, call.address, call.file, call.line);
        let caller = rows.at(&place, own[call.caller.index()]);
        // Callgrind counts calls also while it collects no costs, and any call costs something:
        // one that cost nothing was not the benchmark's.
        let counted = (call.instructions > 0).then_some(call.count);
        let row = &mut rows.rows[own[call.callee.index()]];
        row.calls = row.calls.into_iter().chain(counted).reduce(|a, b| a + b);
        row.called(caller, place.line(), counted, call.instructions);
        rows.inlined(&place, own[call.caller.index()], call.instructions);
    }
    let calls = rows.graph();
    SourceProfile {
        functions: rows.finish(),
        symbols: symbols(profile),
        calls,
    }
}

/// A file as a row names it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum SourceFile {
    /// Relative to the workspace's root.
    Workspace(Rc<str>),
    /// Cut down to what does not depend on the machine; empty if unknown.
    Library(Rc<str>),
}

impl SourceFile {
    fn path(&self) -> &Rc<str> {
        match self {
            Self::Workspace(path) | Self::Library(path) => path,
        }
    }

    const fn is_workspace(&self) -> bool {
        matches!(self, Self::Workspace(_))
    }
}

/// File in the workspace, and line.
type Line = (Rc<str>, u32);

/// Where a symbol is at home: its row, if it is a library's.
struct Home {
    name: Rc<str>,
    file: SourceFile,
}

/// A frame of an inline stack that lies in the workspace.
struct WorkspaceFrame {
    name: Rc<str>,
    file: SourceFile,
    line: Option<u32>,
}

impl WorkspaceFrame {
    fn line(&self) -> Option<Line> {
        Some((self.file.path().clone(), self.line?))
    }
}

/// What an inline stack says about an instruction.
#[derive(Default)]
struct Place {
    /// Its frames in the workspace, innermost first.
    workspace: Vec<WorkspaceFrame>,
    /// A line without a function: what a profile itself knows.
    bare_line: Option<Line>,
    /// The function that the machine executes.
    symbol: Option<Rc<str>>,
    symbol_file: Option<SourceFile>,
}

impl Place {
    fn line(&self) -> Option<Line> {
        match self.workspace.first() {
            Some(frame) => frame.line(),
            None => self.bare_line.clone(),
        }
    }
}

/// Looks places up, each address and each name once.
struct Resolver<'p, S> {
    profile: &'p Profile,
    stacks: &'p S,
    roots: &'p SourceRoots,
    places: HashMap<(ObjectId, NonZeroU64), Option<Rc<Place>>>,
    names: HashMap<String, Rc<str>>,
    files: HashMap<String, SourceFile>,
}

impl<'p, S: InlineStacks> Resolver<'p, S> {
    fn new(profile: &'p Profile, stacks: &'p S, roots: &'p SourceRoots) -> Self {
        let (places, names, files) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self {
            profile,
            stacks,
            roots,
            places,
            names,
            files,
        }
    }

    /// The home of each symbol, by its index.
    ///
    /// All of a symbol's instructions have a say, since single ones may lack a file: a file in
    /// the workspace wins, then any that debug information names, then the profile's.
    fn homes(&mut self) -> Vec<Home> {
        let profile = self.profile;
        let mut known: HashMap<SymbolId, (Option<Rc<str>>, Option<SourceFile>)> = HashMap::new();
        let costs = profile.costs().map(|cost| (cost.symbol, cost.address));
        let calls = profile
            .calls()
            .iter()
            .map(|call| (call.caller, call.address));
        for (symbol, address) in costs.chain(calls) {
            let Some(place) = address.and_then(|address| self.stack(symbol, address)) else {
                continue;
            };
            let (name, file) = known.entry(symbol).or_default();
            if name.is_none() {
                name.clone_from(&place.symbol);
            }
            let found = place.symbol_file.as_ref();
            let is_settled = file.as_ref().is_some_and(|file| {
                file.is_workspace() || !found.is_some_and(SourceFile::is_workspace)
            });
            if !is_settled {
                *file = found.cloned();
            }
        }
        let mut homes = Vec::new();
        for (id, symbol) in profile.symbols() {
            let (name, file) = known.remove(&id).unwrap_or_default();
            homes.push(Home {
                name: name.unwrap_or_else(|| self.name(&symbol.function)),
                file: file.unwrap_or_else(|| self.file(profile.file(symbol.file))),
            });
        }
        homes
    }

    /// What is known about the place of a cost or call.
    fn place(
        &mut self,
        symbol: SymbolId,
        address: Option<NonZeroU64>,
        file: FileId,
        line: u32,
    ) -> Rc<Place> {
        if let Some(place) = address.and_then(|address| self.stack(symbol, address)) {
            return place;
        }
        let bare_line = match self.file(self.profile.file(file)) {
            SourceFile::Workspace(file) if line > 0 => Some((file, line)),
            _ => None,
        };
        Rc::new(Place {
            bare_line,
            ..Place::default()
        })
    }

    fn stack(&mut self, symbol: SymbolId, address: NonZeroU64) -> Option<Rc<Place>> {
        let profile = self.profile;
        let symbol = profile.symbol(symbol);
        if let Some(place) = self.places.get(&(symbol.object, address)) {
            return place.clone();
        }
        let frames = self
            .stacks
            .frames(profile.object(symbol.object), address.get());
        let place = (!frames.is_empty()).then(|| Rc::new(self.read(&frames, &symbol.function)));
        self.places.insert((symbol.object, address), place.clone());
        place
    }

    fn read(&mut self, frames: &[Frame], symbol: &str) -> Place {
        let mut place = Place::default();
        for frame in frames {
            let file = frame.file.as_deref().filter(|file| !file.is_empty());
            let Some(file @ SourceFile::Workspace(_)) = file.map(|file| self.file(file)) else {
                continue;
            };
            let name = self.name(frame.function.as_deref().unwrap_or(symbol));
            if is_standard(&name) {
                continue;
            }
            let line = frame.line.filter(|line| *line > 0);
            place.workspace.push(WorkspaceFrame { name, file, line });
        }
        if let Some(outermost) = frames.last() {
            place.symbol = outermost.function.as_deref().map(|name| self.name(name));
            let file = outermost.file.as_deref().filter(|file| !file.is_empty());
            let is_standard = place.symbol.as_deref().is_some_and(is_standard);
            let file = file.map(|file| self.file(file));
            place.symbol_file = file.filter(|file| !(is_standard && file.is_workspace()));
        }
        place
    }

    fn name(&mut self, symbol: &str) -> Rc<str> {
        if let Some(name) = self.names.get(symbol) {
            return name.clone();
        }
        let name: Rc<str> = normalise(symbol).into();
        self.names.insert(symbol.to_owned(), name.clone());
        name
    }

    fn file(&mut self, path: &str) -> SourceFile {
        if let Some(file) = self.files.get(path) {
            return file.clone();
        }
        let file = self.roots.classify(path);
        self.files.insert(path.to_owned(), file.clone());
        file
    }
}

/// The rows as they are summed.
#[derive(Default)]
struct Rows {
    rows: Vec<Row>,
    by_key: HashMap<(Rc<str>, Rc<str>), usize>,
}

struct Row {
    name: Rc<str>,
    file: Rc<str>,
    is_workspace: bool,
    instructions: u64,
    calls: Option<u64>,
    lines: BTreeMap<Line, u64>,
    callers: BTreeMap<usize, Edge>,
}

/// All calls from one row to another, by the line that they come from.
#[derive(Default)]
struct Edge {
    instructions: u64,
    sites: BTreeMap<Option<Line>, Site>,
}

/// All calls from one line.
#[derive(Default)]
struct Site {
    /// How often the machine called; `None` where the callee was inlined.
    calls: Option<u64>,
    /// What was executed from call to return.
    instructions: u64,
}

impl Edge {
    fn lines(&self) -> BTreeMap<Line, u64> {
        let known = self
            .sites
            .iter()
            .filter_map(|(line, site)| Some((line.clone()?, site)));
        known
            .map(|(line, site)| (line, site.instructions))
            .collect()
    }
}

impl Row {
    /// Adds a call of this row. The same instructions are added to many edges, so a sum may
    /// leave 64 bits; as a weight, the largest number does.
    fn called(&mut self, caller: usize, line: Option<Line>, calls: Option<u64>, instructions: u64) {
        let edge = self.callers.entry(caller).or_default();
        edge.instructions = edge.instructions.saturating_add(instructions);
        let site = edge.sites.entry(line).or_default();
        site.instructions = site.instructions.saturating_add(instructions);
        site.calls = site.calls.into_iter().chain(calls).reduce(|a, b| a + b);
    }
}

impl Rows {
    /// The row of a function.
    fn of(&mut self, name: &Rc<str>, file: &SourceFile) -> usize {
        let key = (name.clone(), file.path().clone());
        let rows = &mut self.rows;
        let row = *self.by_key.entry(key).or_insert_with_key(|(name, file)| {
            rows.push(Row {
                name: name.clone(),
                file: file.clone(),
                is_workspace: false,
                instructions: 0,
                calls: None,
                lines: BTreeMap::new(),
                callers: BTreeMap::new(),
            });
            rows.len() - 1
        });
        self.rows[row].is_workspace |= file.is_workspace();
        row
    }

    /// The row of what executes at `place`, in a symbol whose own row is `own`.
    fn at(&mut self, place: &Place, own: usize) -> usize {
        match place.workspace.first() {
            Some(frame) => self.of(&frame.name, &frame.file),
            None => own,
        }
    }

    /// Adds what was executed at `place` to the calls that inlining has taken away: from each
    /// workspace frame to the next one inside, and from a library's symbol to the outermost.
    fn inlined(&mut self, place: &Place, own: usize, instructions: u64) {
        let Some(mut inner) = place
            .workspace
            .first()
            .map(|it| self.of(&it.name, &it.file))
        else {
            return;
        };
        for frame in &place.workspace[1..] {
            let outer = self.of(&frame.name, &frame.file);
            if outer != inner {
                self.rows[inner].called(outer, frame.line(), None, instructions);
            }
            inner = outer;
        }
        if inner != own {
            self.rows[inner].called(own, None, None, instructions);
        }
    }

    /// The workspace row on whose behalf a library row ran, and the row of the library through
    /// which it was entered.
    ///
    /// From each row the dearest caller is tried first (ties by name, then file), and the next
    /// where that leads nowhere. No row is entered twice, so cycles end.
    fn workspace_caller(&self, library: usize) -> Option<(usize, usize)> {
        let mut seen = BTreeSet::from([library]);
        let mut open = vec![(library, self.callers_dearest_last(library))];
        while let Some((row, callers)) = open.last_mut() {
            let row = *row;
            let Some(caller) = callers.pop() else {
                open.pop();
                continue;
            };
            if self.rows[caller].is_workspace {
                return Some((caller, row));
            }
            if seen.insert(caller) {
                open.push((caller, self.callers_dearest_last(caller)));
            }
        }
        None
    }

    fn callers_dearest_last(&self, row: usize) -> Vec<usize> {
        let mut callers: Vec<usize> = self.rows[row].callers.keys().copied().collect();
        callers.sort_by_key(|caller| {
            let Row { name, file, .. } = &self.rows[*caller];
            Reverse((
                Reverse(self.rows[row].callers[caller].instructions),
                name,
                file,
            ))
        });
        callers
    }

    /// Who calls whom.
    fn graph(&self) -> CallGraph {
        let mut calls = Calls::default();
        for (callee, row) in self.rows.iter().enumerate() {
            for (caller, edge) in &row.callers {
                for (line, site) in edge.sites.iter().filter(|(_, it)| it.instructions > 0) {
                    calls.push(CallSite {
                        caller: *caller,
                        callee,
                        line: line
                            .as_ref()
                            .map(|(file, line)| (file.as_ref().into(), *line)),
                        calls: site.calls,
                        instructions: site.instructions,
                    });
                }
            }
        }
        let name = |row: &Row| (row.name.as_ref().into(), row.file.as_ref().into());
        calls.finish(|index| name(&self.rows[index]))
    }

    fn finish(self) -> Vec<SourceFunction> {
        let mut functions = Vec::new();
        for (index, row) in self
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.instructions > 0)
        {
            let behalf = if row.is_workspace {
                None
            } else {
                self.workspace_caller(index)
            };
            let lines = match behalf {
                Some((caller, entered)) => self.rows[entered].callers[&caller].lines(),
                None => row.lines.clone(),
            };
            functions.push(SourceFunction {
                cost: FunctionCost {
                    name: row.name.as_ref().into(),
                    file: row.file.as_ref().into(),
                    instructions: row.instructions,
                    calls: row.calls,
                    caller: behalf.map(|(caller, _)| self.rows[caller].name.as_ref().into()),
                },
                lines: dearest_first(&lines),
            });
        }
        functions.sort_by(|a, b| {
            let key = |row: &SourceFunction| Reverse(row.cost.instructions);
            (key(a), &a.cost.name, &a.cost.file).cmp(&(key(b), &b.cost.name, &b.cost.file))
        });
        functions
    }
}

fn dearest_first(lines: &BTreeMap<Line, u64>) -> Vec<LineCost> {
    let mut lines: Vec<LineCost> = lines
        .iter()
        .map(|((file, line), instructions)| LineCost {
            file: file.as_ref().into(),
            line: *line,
            instructions: *instructions,
        })
        .collect();
    lines.sort_by_key(|line| Reverse(line.instructions));
    lines
}

fn symbols(profile: &Profile) -> Vec<SymbolCost> {
    let names: Vec<String> = profile
        .symbols()
        .map(|(_, symbol)| normalise(&symbol.function))
        .collect();
    let mut sums: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for cost in profile.costs() {
        sums.entry(&names[cost.symbol.index()]).or_default().0 += cost.instructions;
    }
    for call in profile.calls().iter().filter(|call| call.instructions > 0) {
        sums.entry(&names[call.callee.index()]).or_default().1 += call.count;
    }
    let mut symbols: Vec<SymbolCost> = sums
        .into_iter()
        .filter(|(_, (instructions, _))| *instructions > 0)
        .map(|(name, (instructions, calls))| SymbolCost {
            name: name.to_owned(),
            instructions,
            calls,
        })
        .collect();
    symbols.sort_by_key(|symbol| Reverse(symbol.instructions));
    symbols
}

/// `path` without `.` and `..`, and without what stands for an unknown file.
fn clean(path: &str) -> String {
    if path == "???" {
        return String::new();
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// The part of a library's path that is the same on every machine.
fn library_file(path: &str) -> Option<String> {
    if let Some((_, file)) = path
        .strip_prefix("/rustc/")
        .and_then(|rest| rest.split_once('/'))
    {
        return Some(format!("rust/{file}"));
    }
    if let Some((_, file)) = path.split_once("/lib/rustlib/src/rust/") {
        return Some(format!("rust/{file}"));
    }
    if let Some((_, mut file)) = path.split_once("/registry/") {
        loop {
            let (package, rest) = file.split_once('/')?;
            if is_package(package) {
                return Some(file.to_owned());
            }
            file = rest;
        }
    }
    if let Some((_, checkout)) = path.split_once("/git/checkouts/") {
        let (repository, rest) = checkout.split_once('/')?;
        let (_revision, file) = rest.split_once('/')?;
        let name = repository
            .rsplit_once('-')
            .map_or(repository, |(name, _hash)| name);
        return Some(format!("{name}/{file}"));
    }
    None
}

/// Whether this is a crate's name and version: `serde_json-1.0.128`.
fn is_package(folder: &str) -> bool {
    let mut dashes = folder.match_indices('-');
    dashes.any(|(at, _)| {
        let mut numbers = folder[at + 1..].split('.');
        let mut is_number = || {
            numbers
                .next()
                .is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
        };
        at > 0 && is_number() && is_number() && is_number()
    })
}

/// Whether a function is the standard library's, whatever file its frame names. What an optimiser
/// makes of several functions may carry the line of one and the name of another.
fn is_standard(name: &str) -> bool {
    ["core::", "alloc::", "std::"]
        .iter()
        .any(|root| name.starts_with(root))
}

fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder.trim_end_matches('/'))
        .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests;
