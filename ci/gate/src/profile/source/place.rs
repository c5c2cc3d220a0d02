//! Where an instruction is at home: its inline stack, as rows see it.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::rc::Rc;

use super::path::SourceFile;
use super::{Frame, InlineStacks, SourceRoots};
use crate::profile::callgrind::{FileId, ObjectId, Profile, SymbolId};
use crate::profile::symbol_name::normalise;

/// File in the workspace, and line.
pub(super) type Line = (Rc<str>, u32);

/// Where a symbol is at home: its row, if it is a library's.
pub(super) struct Home {
    pub(super) name: Rc<str>,
    pub(super) file: SourceFile,
}

/// A frame of an inline stack that lies in the workspace.
pub(super) struct WorkspaceFrame {
    pub(super) name: Rc<str>,
    pub(super) file: SourceFile,
    pub(super) line: Option<u32>,
}

impl WorkspaceFrame {
    pub(super) fn line(&self) -> Option<Line> {
        Some((self.file.path().clone(), self.line?))
    }
}

/// What an inline stack says about an instruction.
#[derive(Default)]
pub(super) struct Place {
    /// Its frames in the workspace, innermost first.
    pub(super) workspace: Vec<WorkspaceFrame>,
    /// A line without a function: what a profile itself knows.
    bare_line: Option<Line>,
    /// The function that the machine executes.
    symbol: Option<Rc<str>>,
    symbol_file: Option<SourceFile>,
}

impl Place {
    pub(super) fn line(&self) -> Option<Line> {
        match self.workspace.first() {
            Some(frame) => frame.line(),
            None => self.bare_line.clone(),
        }
    }
}

/// Looks places up, each address and each name once.
pub(super) struct Resolver<'p, S> {
    profile: &'p Profile,
    stacks: &'p S,
    roots: &'p SourceRoots,
    places: HashMap<(ObjectId, NonZeroU64), Option<Rc<Place>>>,
    names: HashMap<String, Rc<str>>,
    files: HashMap<String, SourceFile>,
}

impl<'p, S: InlineStacks> Resolver<'p, S> {
    pub(super) fn new(profile: &'p Profile, stacks: &'p S, roots: &'p SourceRoots) -> Self {
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
    pub(super) fn homes(&mut self) -> Vec<Home> {
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
    pub(super) fn place(
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

/// Whether a function is the standard library's, whatever file its frame names. What an optimiser
/// makes of several functions may carry the line of one and the name of another.
fn is_standard(name: &str) -> bool {
    ["core::", "alloc::", "std::"]
        .iter()
        .any(|root| name.starts_with(root))
}
