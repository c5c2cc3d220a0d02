//! Callgrind's output format, read in one pass.
//!
//! The format is described in the Valgrind manual under "Callgrind Format Specification"
//! (<https://valgrind.org/docs/manual/cl-format.html>). What a reader must know beyond its
//! grammar:
//!
//! - `fl=`, `fi=` and `fe=` all set the file of the cost lines that follow. Only `fn=` changes the
//!   function, and the file in force at `fn=` is the one that defines it.
//! - `cob=` and `cfi=` default to the current object and file, and hold for one call only.
//! - The cost line after `calls=` is inclusive. It is no self cost.
//! - Relative positions (`+3`, `-2`, `*`) count from the last cost line, whichever kind it was; the
//!   target of a call or jump is no cost line.
//! - `jump=` and `jcnd=` are followed by a position without costs, and `jfi=` and `jfn=` may give
//!   a name its number.
//! - A name's number holds to the end of the file, across parts.
//!
//! Deliberately absent: jumps, call targets' positions, and the other events of a line. Of those
//! only the totals are kept.

use std::collections::HashMap;
use std::num::NonZeroU64;

use memchr::memchr;

use super::profile::{
    Call, FileId, INSTRUCTIONS, ObjectId, Profile, ProfileError, SelfCost, Symbol, SymbolId, index,
    union,
};

/// As much of an unexpected line as an error quotes.
const QUOTED_BYTES_MAX: usize = 60;

/// Reads the output of callgrind, with one part or several.
///
/// An empty text, and one without costs, are profiles too: callgrind leaves an empty file where
/// threads have files of their own. Whether that is an error, the caller knows.
///
/// # Errors
///
/// If the text is not in the format. A text that was cut off between two lines is noticed only
/// by [`Profile::instructions`].
pub fn parse(text: &[u8]) -> Result<Profile, ProfileError> {
    let mut parser = Parser::new(text);
    if u32::try_from(text.len()).is_err() {
        return Err(parser.range("the size of the text"));
    }
    while parser.at < text.len() {
        parser.line += 1;
        parser.read_line()?;
    }
    parser.finish()
}

/// The reader's state: where it is, and what the lines so far have set.
struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    line: u64,

    objects: Names<'t>,
    files: Names<'t>,
    functions: Names<'t>,
    symbols: HashMap<SymbolKey, SymbolId>,

    object: u32,
    file: u32,
    function: Option<Function>,
    symbol: Option<SymbolId>,
    callee: Callee,
    /// The call whose inclusive cost the next line states.
    call: Option<(SymbolKey, u32, u64)>,

    columns: Columns,
    /// The last address (or 0), basic block and source line.
    position: [u64; 3],
    part: Part,
    /// Sums over everything, so that no later sum over some of it can overflow.
    instructions: u64,
    call_count: u64,
    call_instructions: u64,

    instructions_column: usize,
    profile: Profile,
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
struct Columns([bool; 3]);

const INSTR: usize = 0;
const BB: usize = 1;
const LINE: usize = 2;

/// Sums of the part at hand.
#[derive(Default)]
struct Part {
    begun: bool,
    totals: Option<Vec<u64>>,
    summary: Option<Vec<u64>>,
    self_costs: Vec<u64>,
}

impl Default for Columns {
    fn default() -> Self {
        Self([false, false, true])
    }
}

impl<'t> Parser<'t> {
    fn new(text: &'t [u8]) -> Self {
        let mut objects = Names::default();
        let mut files = Names::default();
        let unnamed = objects.intern(b"");
        files.intern(b"");
        Self {
            text,
            at: 0,
            line: 0,
            objects,
            files,
            functions: Names::default(),
            symbols: HashMap::new(),
            object: unnamed,
            file: unnamed,
            function: None,
            symbol: None,
            callee: Callee::default(),
            call: None,
            columns: Columns::default(),
            position: [0; 3],
            part: Part::default(),
            instructions: 0,
            call_count: 0,
            call_instructions: 0,
            instructions_column: 0,
            profile: Profile::default(),
            callees: Vec::new(),
        }
    }

    /// Reads one line and moves behind it.
    fn read_line(&mut self) -> Result<(), ProfileError> {
        if matches!(
            self.text.get(self.at),
            Some(b'0'..=b'9' | b'+' | b'-' | b'*')
        ) {
            return self.cost_line();
        }
        let rest = &self.text[self.at..];
        let length = memchr(b'\n', rest).unwrap_or(rest.len());
        self.at += length + 1;
        let line = &rest[..length];
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
                self.symbol = None;
            }
            [b'f', b'l' | b'i' | b'e', b'=', name @ ..] => {
                self.file = self.files.resolve(name, self.line, "file")?;
            }
            [b'o', b'b', b'=', name @ ..] => {
                self.object = self.objects.resolve(name, self.line, "object")?;
                self.symbol = None;
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
        let Some((count, _)) = number(call, 0).filter(|(_, end)| ends_token(call, *end)) else {
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

    /// `key: value`. Keys that say nothing about costs are passed over, as the format asks for.
    fn header_line(&mut self, line: &'t [u8]) -> Result<(), ProfileError> {
        let colon = memchr(b':', line).filter(|end| line[..*end].iter().copied().all(is_key_byte));
        let Some(colon) = colon else {
            return Err(syntax(self.line, "a cost, a position or a header", line));
        };
        let (key, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if key == b"totals" {
            let totals = self.values(value)?;
            self.part.begun = true;
            return accumulate(&mut self.part.totals, totals).ok_or_else(|| self.range("a total"));
        }
        if self.part.begun {
            self.end_part()?;
        }
        match key {
            b"version" if number(value, 0) != Some((1, value.len())) => {
                return Err(syntax(self.line, "version 1 of the format", value));
            }
            b"cmd" if self.profile.command.is_none() => {
                self.profile.command = Some(String::from_utf8_lossy(value).into_owned());
            }
            b"desc" => {
                if let Some(range) = time_range(value) {
                    self.profile.basic_blocks = union(self.profile.basic_blocks, Some(range));
                }
            }
            b"positions" => self.columns = self.positions(value)?,
            b"events" => self.events(value)?,
            b"summary" => {
                let summary = self.values(value)?;
                accumulate(&mut self.part.summary, summary)
                    .ok_or_else(|| self.range("a summary"))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn positions(&self, value: &[u8]) -> Result<Columns, ProfileError> {
        let mut columns = [false; 3];
        for name in words(value) {
            let column = match name {
                b"instr" => INSTR,
                b"bb" => BB,
                b"line" => LINE,
                _ => return Err(syntax(self.line, "`instr`, `bb` or `line`", name)),
            };
            if columns[column..].contains(&true) {
                return Err(syntax(
                    self.line,
                    "positions in the order `instr bb line`",
                    value,
                ));
            }
            columns[column] = true;
        }
        if columns == [false; 3] {
            return Err(syntax(self.line, "at least one position", value));
        }
        Ok(Columns(columns))
    }

    fn events(&mut self, value: &[u8]) -> Result<(), ProfileError> {
        let events: Vec<String> = words(value)
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect();
        let Some(column) = events.iter().position(|name| name == INSTRUCTIONS) else {
            return Err(syntax(self.line, "`Ir` among the events", value));
        };
        if self.profile.events.is_empty() {
            self.profile.totals = vec![0; events.len()];
            self.profile.events = events;
            self.instructions_column = column;
        } else if self.profile.events != events {
            let earlier = self.profile.events.join(" ");
            return Err(ProfileError::Events {
                events: earlier,
                added: events.join(" "),
            });
        }
        self.part.self_costs = vec![0; self.profile.events.len()];
        Ok(())
    }

    /// The values of a `summary:` or `totals:` line; those left out are 0.
    fn values(&self, value: &[u8]) -> Result<Vec<u64>, ProfileError> {
        let mut values = Vec::new();
        for word in words(value) {
            match number(word, 0).filter(|(_, end)| *end == word.len()) {
                Some((number, _)) if values.len() < self.profile.events.len() => {
                    values.push(number);
                }
                _ => return Err(syntax(self.line, "one number for each event", value)),
            }
        }
        values.resize(self.profile.events.len(), 0);
        Ok(values)
    }

    /// A line of positions and costs: a self cost, or the inclusive cost of a call.
    fn cost_line(&mut self) -> Result<(), ProfileError> {
        let (text, start) = (self.text, self.at);
        let events = self.part.self_costs.len();
        if events == 0 {
            return Err(syntax(
                self.line,
                "`events:` before the first cost",
                &text[start..],
            ));
        }
        self.part.begun = true;
        let mut at = start;
        for column in [INSTR, BB, LINE] {
            if self.columns.0[column] {
                at = skip_blanks(text, at);
                (self.position[column], at) = match number(text, at) {
                    Some((position, end)) if ends_token(text, end) => (position, end),
                    _ => self.relative_position(self.position[column], at)?,
                };
            }
        }
        let Ok(line) = u32::try_from(self.position[LINE]) else {
            return Err(self.range("the source line"));
        };
        let call = self.call.take();
        let mut instructions = 0;
        for column in 0.. {
            at = skip_blanks(text, at);
            if matches!(text.get(at), Some(b'\n') | None) {
                break;
            }
            let Some((cost, end)) = number(text, at).filter(|(_, end)| ends_token(text, *end))
            else {
                return Err(syntax(self.line, "a cost that is a number", &text[start..]));
            };
            if column >= events {
                return Err(syntax(
                    self.line,
                    "no more costs than events",
                    &text[start..],
                ));
            }
            if column == self.instructions_column {
                instructions = cost;
            }
            if call.is_none() {
                self.part.self_costs[column] = self.sum(self.part.self_costs[column], cost)?;
            }
            at = end;
        }
        self.at = at + 1;

        let Some(symbol) = self.symbol.or_else(|| self.current_symbol()) else {
            return Err(syntax(
                self.line,
                "`fn=` before the first cost",
                &text[start..],
            ));
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
        } else if instructions > 0 {
            let cost = SelfCost {
                address,
                file,
                line,
                instructions,
            };
            self.profile.costs[symbol.index()].push(cost);
        }
        Ok(())
    }

    /// The position that is written at `at` relative to `last`, and where it ends.
    fn relative_position(&self, last: u64, at: usize) -> Result<(u64, usize), ProfileError> {
        let text = self.text;
        let (position, end) = match (text.get(at), number(text, at + 1)) {
            (Some(b'*'), _) => (Some(last), at + 1),
            (Some(b'+'), Some((offset, end))) => (last.checked_add(offset), end),
            (Some(b'-'), Some((offset, end))) => (last.checked_sub(offset), end),
            _ => (None, at),
        };
        match position {
            Some(position) if ends_token(text, end) => Ok((position, end)),
            None if end > at => Err(self.range("a relative position")),
            _ => Err(syntax(
                self.line,
                "a position: a number, `+n`, `-n` or `*`",
                &text[at..],
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

    fn symbol_of(&mut self, (object, function): SymbolKey, file: u32) -> SymbolId {
        let Profile { symbols, costs, .. } = &mut self.profile;
        let functions = &self.functions;
        *self.symbols.entry((object, function)).or_insert_with(|| {
            symbols.push(Symbol {
                object: ObjectId(object),
                function: functions.text(function),
                file: FileId(file),
            });
            costs.push(Vec::new());
            SymbolId(index(symbols.len() - 1))
        })
    }

    /// Several functions may share a name, each with a file of its own. The symbol takes the first
    /// by name, since callgrind's order means nothing.
    fn lower_file(&mut self, symbol: SymbolId, file: u32) {
        let known = &mut self.profile.symbols[symbol.index()].file;
        if file != known.0 && self.files.texts[file as usize] < self.files.texts[known.0 as usize] {
            *known = FileId(file);
        }
    }

    /// Adds the part's totals to the profile's, and resets what a new part starts without.
    fn end_part(&mut self) -> Result<(), ProfileError> {
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
        self.symbol = None;
        self.columns = Columns::default();
        self.position = [0; 3];
        Ok(())
    }

    fn finish(mut self) -> Result<Profile, ProfileError> {
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

    fn range(&self, what: &'static str) -> ProfileError {
        ProfileError::Range {
            line: self.line,
            what,
        }
    }
}

/// The names of one space, each with an index in order of appearance.
#[derive(Default)]
struct Names<'t> {
    texts: Vec<&'t [u8]>,
    by_text: HashMap<&'t [u8], u32>,
    by_number: HashMap<u64, u32>,
}

impl<'t> Names<'t> {
    /// The index of what stands behind `fn=` and the like: `name`, `(12) name` or `(12)`.
    fn resolve(
        &mut self,
        spec: &'t [u8],
        line: u64,
        space: &'static str,
    ) -> Result<u32, ProfileError> {
        let spec = spec.trim_ascii();
        let [b'(', digits @ ..] = spec else {
            return Ok(self.intern(spec));
        };
        if !digits.first().is_some_and(u8::is_ascii_digit) {
            return Ok(self.intern(spec));
        }
        let Some((id, end)) = number(digits, 0).filter(|(_, end)| digits.get(*end) == Some(&b')'))
        else {
            return Err(syntax(line, "a name, or its number in parentheses", spec));
        };
        let name = digits[end + 1..].trim_ascii_start();
        if name.is_empty() {
            let known = self.by_number.get(&id).copied();
            return known.ok_or(ProfileError::UnknownName { line, space, id });
        }
        let index = self.intern(name);
        self.by_number.insert(id, index);
        Ok(index)
    }

    fn intern(&mut self, name: &'t [u8]) -> u32 {
        let texts = &mut self.texts;
        *self.by_text.entry(name).or_insert_with(|| {
            texts.push(name);
            index(texts.len() - 1)
        })
    }

    fn text(&self, index: u32) -> String {
        String::from_utf8_lossy(self.texts[index as usize]).into_owned()
    }

    fn into_texts(self) -> Vec<String> {
        self.texts
            .iter()
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect()
    }
}

/// The decimal or `0x` number at `start`, and where it ends; `None` also beyond 64 bits.
#[inline]
fn number(text: &[u8], start: usize) -> Option<(u64, usize)> {
    if let Some([b'0', b'x', digits @ ..]) = text.get(start..) {
        let mut value: u64 = 0;
        let mut length = 0;
        for digit in digits {
            let digit = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                b'A'..=b'F' => digit - b'A' + 10,
                _ => break,
            };
            if value >> 60 != 0 {
                return None;
            }
            value = value << 4 | u64::from(digit);
            length += 1;
        }
        return (length > 0).then_some((value, start + 2 + length));
    }
    let mut value: u64 = 0;
    let mut at = start;
    while let Some(digit) = text
        .get(at)
        .map(|byte| byte.wrapping_sub(b'0'))
        .filter(|d| *d < 10)
    {
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
        at += 1;
    }
    (at > start).then_some((value, at))
}

fn skip_blanks(text: &[u8], start: usize) -> usize {
    let mut at = start;
    while matches!(text.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    at
}

/// Whether nothing of the same word follows at `at`.
fn ends_token(text: &[u8], at: usize) -> bool {
    matches!(text.get(at), Some(b' ' | b'\t' | b'\n') | None)
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| matches!(byte, b' ' | b'\t'))
        .filter(|word| !word.is_empty())
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// `Timerange: Basic block 0 - 28227`.
fn time_range(value: &[u8]) -> Option<(u64, u64)> {
    let range = value.strip_prefix(b"Timerange: Basic block ")?;
    let (first, end) = number(range, 0)?;
    let (last, _) = number(range[end..].strip_prefix(b" - ")?, 0)?;
    Some((first, last))
}

/// Adds `values` to what was stated before, if anything was.
fn accumulate(sums: &mut Option<Vec<u64>>, values: Vec<u64>) -> Option<()> {
    let summed = match sums.take() {
        None => values,
        Some(sums) => sums
            .iter()
            .zip(&values)
            .map(|(a, b)| a.checked_add(*b))
            .collect::<Option<_>>()?,
    };
    *sums = Some(summed);
    Some(())
}

fn syntax(line: u64, expected: &'static str, found: &[u8]) -> ProfileError {
    let end = memchr(b'\n', found)
        .unwrap_or(found.len())
        .min(QUOTED_BYTES_MAX);
    let found = String::from_utf8_lossy(&found[..end])
        .escape_debug()
        .to_string();
    ProfileError::Syntax {
        line,
        expected,
        found,
    }
}

#[cfg(test)]
mod tests;
