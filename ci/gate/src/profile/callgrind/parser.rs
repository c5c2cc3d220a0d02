//! The reader's state, and the lines that bear costs.

use std::collections::HashMap;
use std::num::NonZeroU64;

use foldhash::fast::RandomState;
use memchr::memchr;

use super::names::Names;
use super::profile::{
    Call, FileId, MISSES, ObjectId, Profile, ProfileError, SelfCost, SelfMiss, Symbol, SymbolId,
    index,
};
use super::tokens::{next_word, number, syntax, take_number};

/// What the lines so far have set.
pub(super) struct Parser {
    /// The line at hand, counted from 1.
    pub(super) line: u64,
    bytes: u64,

    objects: Names,
    files: Names,
    functions: Names,
    symbols: HashMap<SymbolKey, SymbolId, RandomState>,

    object: u32,
    file: u32,
    function: Option<Function>,
    symbol: Option<SymbolId>,
    /// The symbol's costs since it was named. Handed over together, they take no more memory than
    /// they need; memory that is touched for the first time is a good part of what reading costs.
    costs: Vec<SelfCost>,
    misses: Vec<SelfMiss>,
    callee: Callee,
    /// The call whose inclusive cost the next line states.
    call: Option<(SymbolKey, u32, u64)>,

    pub(super) columns: Columns,
    /// The last address (or 0), basic block and source line.
    position: [u64; 3],
    pub(super) part: Part,
    /// Sums over everything, so that no later sum over some of it can overflow.
    instructions: u64,
    call_count: u64,
    call_instructions: u64,
    miss_count: u64,

    pub(super) instructions_column: usize,
    /// Which of the misses that are kept by place a column counts, by the column.
    pub(super) miss_columns: Vec<Option<u8>>,
    pub(super) profile: Profile,
    /// Callee and its file of each of the profile's calls, until all symbols are known.
    callees: Vec<(SymbolKey, u32)>,
}

/// Object and function, as indices of names.
type SymbolKey = (u32, u32);

#[derive(Clone, Copy)]
struct Function {
    name: u32,
    file: u32,
}

#[derive(Clone, Copy, Default)]
struct Callee {
    object: Option<u32>,
    file: Option<u32>,
    function: Option<u32>,
}

/// Which positions start a cost line.
#[derive(Clone, Copy)]
pub(super) struct Columns(pub(super) [bool; 3]);

pub(super) const INSTR: usize = 0;
pub(super) const BB: usize = 1;
pub(super) const LINE: usize = 2;

/// Sums of the part at hand.
#[derive(Default)]
pub(super) struct Part {
    pub(super) begun: bool,
    pub(super) totals: Option<Vec<u64>>,
    pub(super) summary: Option<Vec<u64>>,
    pub(super) self_costs: Vec<u64>,
}

impl Default for Columns {
    fn default() -> Self {
        Self([false, false, true])
    }
}

impl Parser {
    pub(super) fn new() -> Self {
        let mut objects = Names::default();
        let mut files = Names::default();
        let unnamed = objects.intern(b"");
        files.intern(b"");
        Self {
            line: 0,
            bytes: 0,
            objects,
            files,
            functions: Names::default(),
            symbols: HashMap::default(),
            object: unnamed,
            file: unnamed,
            function: None,
            symbol: None,
            costs: Vec::new(),
            misses: Vec::new(),
            callee: Callee::default(),
            call: None,
            columns: Columns::default(),
            position: [0; 3],
            part: Part::default(),
            instructions: 0,
            call_count: 0,
            call_instructions: 0,
            miss_count: 0,
            instructions_column: 0,
            miss_columns: Vec::new(),
            profile: Profile::default(),
            callees: Vec::new(),
        }
    }

    /// Reads lines. `text` starts with one, and ends with one or with the profile.
    pub(super) fn lines(&mut self, text: &[u8]) -> Result<(), ProfileError> {
        self.bytes += text.len() as u64;
        if self.bytes > u64::from(u32::MAX) {
            return Err(self.range("the size of the text"));
        }
        let mut rest = text;
        while let Some(first) = rest.first() {
            self.line += 1;
            rest = match first {
                b'0'..=b'9' | b'+' | b'-' | b'*' => self.cost_line(rest)?,
                _ => {
                    let length = memchr(b'\n', rest).unwrap_or(rest.len());
                    self.other_line(&rest[..length])?;
                    rest.get(length + 1..).unwrap_or_default()
                }
            };
        }
        Ok(())
    }

    /// A line that names, calls or heads.
    fn other_line(&mut self, line: &[u8]) -> Result<(), ProfileError> {
        match line {
            [] | [b'#', ..] => return Ok(()),
            _ if self.call.is_some() => {
                return Err(syntax(self.line, "the cost line of the call above", line));
            }
            [b'f', b'n', b'=', name @ ..] => {
                let name = self.functions.resolve(name, self.line, "function")?;
                self.function = Some(Function {
                    name,
                    file: self.file,
                });
                self.leave_symbol();
            }
            [b'f', b'l' | b'i' | b'e', b'=', name @ ..] => {
                self.file = self.files.resolve(name, self.line, "file")?;
            }
            [b'o', b'b', b'=', name @ ..] => {
                self.object = self.objects.resolve(name, self.line, "object")?;
                self.leave_symbol();
            }
            [b'c', b'f', b'n', b'=', name @ ..] => {
                self.callee.function = Some(self.functions.resolve(name, self.line, "function")?);
            }
            [b'c', b'f', b'i' | b'l', b'=', name @ ..] => {
                self.callee.file = Some(self.files.resolve(name, self.line, "file")?);
            }
            [b'c', b'o', b'b', b'=', name @ ..] => {
                self.callee.object = Some(self.objects.resolve(name, self.line, "object")?);
            }
            [b'c', b'a', b'l', b'l', b's', b'=', call @ ..] => self.calls_line(call)?,
            [b'j', b'f', b'n', b'=', name @ ..] => {
                self.functions.resolve(name, self.line, "function")?;
            }
            [b'j', b'f', b'i' | b'l', b'=', name @ ..] => {
                self.files.resolve(name, self.line, "file")?;
            }
            [b'j', b'o', b'b', b'=', name @ ..] => {
                self.objects.resolve(name, self.line, "object")?;
            }
            [b'j', b'u', b'm', b'p', b'=', ..] | [b'j', b'c', b'n', b'd', b'=', ..] => {}
            header => self.header_line(header)?,
        }
        Ok(())
    }

    fn calls_line(&mut self, call: &[u8]) -> Result<(), ProfileError> {
        const EXPECTED: &str = "`calls=` with a count";
        let call = call.trim_ascii_start();
        let Some(count) = take_number(&mut &*call) else {
            return Err(syntax(self.line, EXPECTED, call));
        };
        let Callee {
            object,
            file,
            function,
        } = std::mem::take(&mut self.callee);
        let Some(function) = function else {
            return Err(syntax(self.line, "`cfn=` before `calls=`", call));
        };
        let callee = (object.unwrap_or(self.object), function);
        self.call_count = self.sum(self.call_count, count)?;
        self.call = Some((callee, file.unwrap_or(self.file), count));
        Ok(())
    }

    /// A line of positions and costs: a self cost, or the inclusive cost of a call.
    ///
    /// `text` starts with it; what follows it is returned.
    fn cost_line<'t>(&mut self, text: &'t [u8]) -> Result<&'t [u8], ProfileError> {
        let events = self.part.self_costs.len();
        if events == 0 {
            return Err(syntax(self.line, "`events:` before the first cost", text));
        }
        self.part.begun = true;
        let mut rest = text;
        for column in [INSTR, BB, LINE] {
            if self.columns.0[column] {
                self.position[column] = self.take_position(self.position[column], &mut rest)?;
            }
        }
        let Ok(line) = u32::try_from(self.position[LINE]) else {
            return Err(self.range("the source line"));
        };
        let call = self.call.take();
        let mut instructions = 0;
        let mut misses = [0; MISSES.len()];
        for column in 0.. {
            if let [b'\n', ..] | [] = rest {
                break;
            }
            let Some(cost) = take_number(&mut rest) else {
                return Err(syntax(self.line, "a cost that is a number", text));
            };
            if column >= events {
                return Err(syntax(self.line, "no more costs than events", text));
            }
            if column == self.instructions_column {
                instructions = cost;
            }
            if call.is_none() {
                self.part.self_costs[column] = self.sum(self.part.self_costs[column], cost)?;
                if let Some(event) = self.miss_columns.get(column).copied().flatten() {
                    misses[usize::from(event)] = cost;
                }
            }
        }

        let Some(symbol) = self.symbol.or_else(|| self.current_symbol()) else {
            return Err(syntax(self.line, "`fn=` before the first cost", text));
        };
        let address = NonZeroU64::new(self.position[INSTR]);
        let file = FileId(self.file);
        if let Some((callee, callee_file, count)) = call {
            self.call_instructions = self.sum(self.call_instructions, instructions)?;
            // The callee is filled in by `finish`: a symbol's file is known from its own lines.
            let callee_unknown = symbol;
            self.callees.push((callee, callee_file));
            self.profile.calls.push(Call {
                caller: symbol,
                address,
                file,
                line,
                callee: callee_unknown,
                count,
                instructions,
            });
            return Ok(rest.get(1..).unwrap_or_default());
        }
        if instructions > 0 {
            let cost = SelfCost {
                address,
                file,
                line,
                instructions,
            };
            self.costs.push(cost);
        }
        for (event, &count) in (0..).zip(&misses).filter(|(_, count)| **count > 0) {
            self.miss_count = self.sum(self.miss_count, count)?;
            self.misses.push(SelfMiss {
                address,
                file,
                line,
                event,
                count,
            });
        }
        Ok(rest.get(1..).unwrap_or_default())
    }

    /// Takes the position that `rest` starts with: a number, or what is to be added to `last`.
    fn take_position(&self, last: u64, rest: &mut &[u8]) -> Result<u64, ProfileError> {
        let (position, behind) = match *rest {
            [b'*', behind @ ..] => (Some(last), Some(behind)),
            [b'+', offset @ ..] => match number(offset) {
                Some((offset, behind)) => (last.checked_add(offset), Some(behind)),
                None => (None, None),
            },
            [b'-', offset @ ..] => match number(offset) {
                Some((offset, behind)) => (last.checked_sub(offset), Some(behind)),
                None => (None, None),
            },
            absolute => number(absolute).unzip(),
        };
        match (position, behind.and_then(next_word)) {
            (Some(position), Some(next)) => {
                *rest = next;
                Ok(position)
            }
            (None, Some(_)) => Err(self.range("a relative position")),
            (_, None) => Err(syntax(
                self.line,
                "a position: a number, `+n`, `-n` or `*`",
                rest,
            )),
        }
    }

    /// The symbol that `ob=` and `fn=` name.
    fn current_symbol(&mut self) -> Option<SymbolId> {
        let function = self.function?;
        let symbol = self.symbol_of((self.object, function.name), function.file);
        self.lower_file(symbol, function.file);
        self.symbol = Some(symbol);
        Some(symbol)
    }

    fn leave_symbol(&mut self) {
        if let Some(symbol) = self.symbol.take() {
            self.profile.costs[symbol.index()].append(&mut self.costs);
            self.profile.misses[symbol.index()].append(&mut self.misses);
        }
    }

    fn symbol_of(&mut self, (object, function): SymbolKey, file: u32) -> SymbolId {
        let Profile {
            symbols,
            costs,
            misses,
            ..
        } = &mut self.profile;
        let functions = &self.functions;
        *self.symbols.entry((object, function)).or_insert_with(|| {
            symbols.push(Symbol {
                object: ObjectId(object),
                function: functions.text(function),
                file: FileId(file),
            });
            costs.push(Vec::new());
            misses.push(Vec::new());
            SymbolId(index(symbols.len() - 1))
        })
    }

    /// Several functions may share a name, each with a file of its own. The symbol takes the first
    /// by name, since callgrind's order means nothing.
    fn lower_file(&mut self, symbol: SymbolId, file: u32) {
        let known = &mut self.profile.symbols[symbol.index()].file;
        if file != known.0 && self.files.bytes(file) < self.files.bytes(known.0) {
            *known = FileId(file);
        }
    }

    /// Adds the part's totals to the profile's, and resets what a new part starts without.
    pub(super) fn end_part(&mut self) -> Result<(), ProfileError> {
        let part = std::mem::take(&mut self.part);
        let instructions = part
            .self_costs
            .get(self.instructions_column)
            .copied()
            .unwrap_or(0);
        self.instructions = self.sum(self.instructions, instructions)?;
        let totals = part.totals.or(part.summary).unwrap_or(part.self_costs);
        let sums = self.profile.totals.iter().zip(&totals);
        let sums = sums
            .map(|(sum, total)| self.sum(*sum, *total))
            .collect::<Result<_, _>>()?;
        if !totals.is_empty() {
            self.profile.totals = sums;
        }
        self.function = None;
        self.leave_symbol();
        self.columns = Columns::default();
        self.position = [0; 3];
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Profile, ProfileError> {
        self.line += 1;
        if self.call.is_some() {
            return Err(syntax(self.line, "the cost line of the call above", b""));
        }
        self.end_part()?;
        let defined = self.profile.symbols.len();
        for call in 0..self.callees.len() {
            let (callee, file) = self.callees[call];
            let symbol = self.symbol_of(callee, file);
            if symbol.index() >= defined {
                self.lower_file(symbol, file);
            }
            self.profile.calls[call].callee = symbol;
        }
        self.profile.objects = self.objects.into_texts();
        self.profile.files = self.files.into_texts();
        self.profile.settle();
        Ok(self.profile)
    }

    fn sum(&self, a: u64, b: u64) -> Result<u64, ProfileError> {
        a.checked_add(b).ok_or_else(|| self.range("a sum of costs"))
    }

    pub(super) fn range(&self, what: &'static str) -> ProfileError {
        ProfileError::Range {
            line: self.line,
            what,
        }
    }
}
