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
mod tests {
    use proptest::prelude::*;

    use super::super::Cost;
    use super::*;

    const COMPRESSED: &[u8] = include_bytes!("../../tests/fixtures/callgrind/compressed.out");
    const PLAIN: &[u8] = include_bytes!("../../tests/fixtures/callgrind/plain.out");
    const LINES: &[u8] = include_bytes!("../../tests/fixtures/callgrind/lines.out");

    fn profile(text: &str) -> Profile {
        parse(text.as_bytes()).unwrap()
    }

    fn refused(text: &str) -> String {
        parse(text.as_bytes()).unwrap_err().to_string()
    }

    /// `object|function|address|file|line instructions` of each cost.
    fn costs(profile: &Profile) -> Vec<String> {
        let show = |cost: Cost| {
            let symbol = profile.symbol(cost.symbol);
            format!(
                "{}|{}|{:x}|{}|{} {}",
                profile.object(symbol.object),
                symbol.function,
                cost.address.map_or(0, NonZeroU64::get),
                profile.file(cost.file),
                cost.line,
                cost.instructions
            )
        };
        profile.costs().map(show).collect()
    }

    /// `caller → object|callee count instructions` of each call.
    fn calls(profile: &Profile) -> Vec<String> {
        let show = |call: &Call| {
            let callee = profile.symbol(call.callee);
            format!(
                "{} → {}|{} {}× {}",
                profile.symbol(call.caller).function,
                profile.object(callee.object),
                callee.function,
                call.count,
                call.instructions
            )
        };
        profile.calls().iter().map(show).collect()
    }

    #[test]
    fn a_real_profile_reads_alike_compressed_and_plain() {
        let compressed = parse(COMPRESSED).unwrap();
        assert_eq!(compressed, parse(PLAIN).unwrap());
        assert_eq!(compressed.instructions(), Ok(789));
        assert_eq!(compressed.totals(), [789, 180, 96, 22, 1, 2, 22, 0, 2]);
        assert_eq!(compressed.total("Dw"), Some(96));
        assert_eq!(compressed.basic_blocks(), Some((0, 24103)));
        let command = "/chamber/frame --iai-run frame 0 0 frame::frame::encode";
        assert_eq!(compressed.command(), Some(command));
        let calls = calls(&compressed);
        let memcpy = "x::enc::Enc::encode → /chamber/frame|__memcpy_avx_unaligned_erms 4× 40";
        assert!(calls.iter().any(|call| call == memcpy), "{calls:#?}");
    }

    #[test]
    fn the_same_program_without_addresses_costs_the_same() {
        let lines = parse(LINES).unwrap();
        assert_eq!(lines.instructions(), Ok(789));
        assert!(lines.costs().all(|cost| cost.address.is_none()));
    }

    #[test]
    fn the_example_of_the_manual() {
        let text = "# callgrind format\nevents: Ir\n\nfl=(1) file1.c\nfn=(1) main\n16 20\ncfn=(2) func1\n\
                    calls=1 50\n16 400\ncfi=(2) file2.c\ncfn=(3) func2\ncalls=3 20\n16 400\n\n\
                    fn=(2)\n51 100\ncfi=(2)\ncfn=(3)\ncalls=2 20\n51 300\n\nfl=(2)\nfn=(3)\n20 700\n";
        let profile = profile(text);
        let expected = [
            "|func1|0|file1.c|51 100",
            "|func2|0|file2.c|20 700",
            "|main|0|file1.c|16 20",
        ];
        assert_eq!(costs(&profile), expected);
        let expected = [
            "func1 → |func2 2× 300",
            "main → |func1 1× 400",
            "main → |func2 3× 400",
        ];
        assert_eq!(calls(&profile), expected);
        assert_eq!(profile.instructions(), Ok(820));
    }

    #[test]
    fn names_are_numbered_apart_for_objects_files_and_functions() {
        let text =
            "events: Ir\nob=(1) exe\nfl=(1) a.rs\nfn=(1) f\n1 1\nob=(1)\nfl=(1)\nfn=(1)\n2 2\n";
        assert_eq!(
            costs(&profile(text)),
            ["exe|f|0|a.rs|1 1", "exe|f|0|a.rs|2 2"]
        );
        let undefined = refused("events: Ir\nfl=(1) a.rs\nfn=(1)\n");
        assert_eq!(
            undefined,
            "line 3: function (1) is used and was never given a name"
        );
    }

    #[test]
    fn a_name_in_parentheses_is_a_number_only_if_it_starts_with_a_digit() {
        let text = "events: Ir\nfl=???\nfn=(below main)\n0 5\n";
        assert_eq!(costs(&profile(text)), ["|(below main)|0|???|0 5"]);
        assert!(refused("events: Ir\nfn=(1 f\n").contains("line 2: expected a name"));
    }

    #[test]
    fn inlined_files_change_the_file_and_not_the_function() {
        let text = "events: Ir\nfl=a.rs\nfn=f\n1 1\nfi=b.rs\n2 2\nfe=a.rs\n3 4\n";
        let profile = profile(text);
        assert_eq!(
            costs(&profile),
            ["|f|0|a.rs|1 1", "|f|0|a.rs|3 4", "|f|0|b.rs|2 2"]
        );
        let (_, symbol) = profile.symbols().next().unwrap();
        assert_eq!(profile.file(symbol.file), "a.rs");
    }

    #[test]
    fn positions_are_relative_to_the_last_cost_line() {
        let text = "positions: instr line\nevents: Ir\nfl=a\nfn=f\n0x80001234 90 1\n+3 * 5\n+1 +1 6\n\
                    cfn=g\ncalls=2 0x10 -80\n* * 40\n-1 -2 7\n";
        let expected = [
            "|f|80001234|a|90 1",
            "|f|80001237|a|89 7",
            "|f|80001237|a|90 5",
            "|f|80001238|a|91 6",
        ];
        assert_eq!(costs(&profile(text)), expected);
        let call = profile(text).calls()[0];
        assert_eq!(
            (call.address, call.line),
            (NonZeroU64::new(0x8000_1238), 91)
        );
    }

    #[test]
    fn costs_of_calls_are_inclusive_and_no_self_cost() {
        let text =
            "events: Ir\nfl=a\nfn=f\n1 1\ncfn=g\ncalls=1 9\n1 100\nfn=g\n9 100\ntotals: 101\n";
        assert_eq!(profile(text).instructions(), Ok(101));
    }

    #[test]
    fn a_callee_holds_for_one_call_and_defaults_to_the_current_object() {
        let text = "events: Ir\nob=exe\nfl=a\nfn=f\n1 1\ncob=lib\ncfi=b\ncfn=g\ncalls=1 9\n1 9\n\
                    cfn=h\ncalls=1 9\n1 9\n";
        assert_eq!(calls(&profile(text)), ["f → exe|h 1× 9", "f → lib|g 1× 9"]);
        let text = "events: Ir\nfl=a\nfn=f\n1 1\ncfn=g\ncalls=1 9\n1 9\ncalls=1 9\n1 9\n";
        assert!(refused(text).starts_with("line 8: expected `cfn=` before `calls=`"));
        let text = "events: Ir\nfl=a\nfn=f\n1 1\ncfn=g\ncalls=1 9\nfn=g\n";
        assert!(refused(text).starts_with("line 7: expected the cost line of the call"));
        assert!(refused("events: Ir\nfn=f\ncfn=g\ncalls=1 9").contains("cost line of the call"));
    }

    #[test]
    fn jumps_cost_nothing_and_may_name_files_and_functions() {
        let text = "events: Ir\nfl=a\nfn=f\n1 1\njfi=(7) b\njfn=(8) g\njump=3 +4\n* \njcnd=1/2 +4\n*\n\
                    fl=(7)\nfn=(8)\n2 2\n";
        assert_eq!(costs(&profile(text)), ["|f|0|a|1 1", "|g|0|b|2 2"]);
    }

    #[test]
    fn missing_costs_are_zero_and_too_many_are_refused() {
        let profile = profile("events: Dr Ir\nfl=a\nfn=f\n1 3\n2 4 5\n3\n");
        assert_eq!(costs(&profile), ["|f|0|a|2 5"]);
        assert_eq!(profile.totals(), [7, 5]);
        assert!(refused("events: Ir\nfn=f\n1 2 3\n").contains("no more costs than events"));
    }

    #[test]
    fn equal_places_are_summed() {
        let text = "events: Ir\nfl=a\nfn=f\n1 1\n2 1\n1 1\ncfn=f\ncalls=1 1\n1 3\nfn=g\n1 1\nfn=f\n1 1\n\
                    cfn=f\ncalls=2 1\n1 4\n";
        let profile = profile(text);
        assert_eq!(costs(&profile), ["|f|0|a|1 3", "|f|0|a|2 1", "|g|0|a|1 1"]);
        assert_eq!(calls(&profile), ["f → |f 3× 7"]);
    }

    #[test]
    fn the_order_of_functions_means_nothing() {
        let f = "fl=b\nfn=f\n1 1\ncfi=a\ncfn=g\ncalls=1 1\n1 4\n";
        let g = "fl=a\nfn=g\n1 4\n";
        let other_f = "fl=a\nfn=f\n9 2\n";
        let one = profile(&format!("events: Ir\n{f}{g}{other_f}"));
        assert_eq!(one, profile(&format!("events: Ir\n{other_f}{g}{f}")));
        let mut merged = profile(&format!("events: Ir\n{g}{f}"));
        merged
            .merge(&profile(&format!("events: Ir\n{other_f}")))
            .unwrap();
        assert_eq!(one, merged);
    }

    #[test]
    fn a_symbol_lies_where_its_own_lines_say_else_where_its_callers_do() {
        let call = |file: &str, callee: &str| format!("cfi={file}\ncfn={callee}\ncalls=1 1\n1 1\n");
        let calls = [call("z", "h"), call("y", "h"), call("a", "f")].concat();
        let profile = profile(&format!("events: Ir\nfl=b\nfn=f\n1 1\n{calls}"));
        let file = |name: &str| {
            let (_, symbol) = profile
                .symbols()
                .find(|(_, symbol)| symbol.function == name)
                .unwrap();
            profile.file(symbol.file)
        };
        assert_eq!((file("f"), file("h")), ("b", "y"));
    }

    #[test]
    fn parts_add_up() {
        let text = "version: 1\npart: 1\ndesc: Timerange: Basic block 5 - 9\npositions: instr line\n\
                    events: Ir\nsummary: 3\nfl=(1) a\nfn=(1) f\n0x10 1 3\ntotals: 3\n\n\
                    part: 2\ndesc: Timerange: Basic block 9 - 20\npositions: line\nevents: Ir\n\
                    fl=(1)\nfn=(1)\n7 4\ntotals: 4\n";
        let profile = profile(text);
        assert_eq!(profile.instructions(), Ok(7));
        assert_eq!(profile.basic_blocks(), Some((5, 20)));
        assert_eq!(costs(&profile), ["|f|0|a|7 4", "|f|10|a|1 3"]);
        let differing = "events: Ir\nfn=f\n1 1\npart: 2\nevents: Ir Dr\n";
        assert!(matches!(
            parse(differing.as_bytes()),
            Err(ProfileError::Events { .. })
        ));
    }

    #[test]
    fn totals_come_from_totals_then_summary_then_the_sum() {
        let body = "fn=f\n1 5\n";
        assert_eq!(profile(&format!("events: Ir\n{body}")).totals(), [5]);
        assert_eq!(
            profile(&format!("events: Ir\nsummary: 6\n{body}")).totals(),
            [6]
        );
        let both = profile(&format!("events: Ir\nsummary: 6\n{body}totals: 7\n"));
        assert_eq!(both.totals(), [7]);
        assert_eq!(
            both.instructions(),
            Err(ProfileError::Total { sum: 5, total: 7 })
        );
    }

    #[test]
    fn a_text_without_costs_is_a_profile_of_nothing() {
        assert_eq!(profile(""), Profile::default());
        let header = profile("# callgrind format\nversion: 1\nevents: Ir\ntotals: 0");
        assert_eq!(header.instructions(), Ok(0));
        assert_eq!(header.costs().count(), 0);
    }

    #[test]
    fn what_is_no_profile_is_refused_with_its_line() {
        for (text, expected) in [
            (
                "hello\n",
                "line 1: expected a cost, a position or a header, found `hello`",
            ),
            (
                "version: 2\n",
                "line 1: expected version 1 of the format, found `2`",
            ),
            (
                "events: Cycles\n",
                "line 1: expected `Ir` among the events, found `Cycles`",
            ),
            (
                "positions: line instr\n",
                "line 1: expected positions in the order",
            ),
            (
                "positions: place\n",
                "line 1: expected `instr`, `bb` or `line`, found `place`",
            ),
            (
                "fn=f\n1 1\n",
                "line 2: expected `events:` before the first cost, found `1 1`",
            ),
            (
                "events: Ir\n1 1\n",
                "line 2: expected `fn=` before the first cost, found `1 1`",
            ),
            (
                "events: Ir\nfn=f\n1 x\n",
                "line 3: expected a cost that is a number, found `1 x`",
            ),
            (
                "events: Ir\nfn=f\n1 -1\n",
                "line 3: expected a cost that is a number",
            ),
            (
                "events: Ir\nfn=f\n1 1x\n",
                "line 3: expected a cost that is a number",
            ),
            ("events: Ir\nfn=f\n+x 1\n", "line 3: expected a position"),
            (
                "events: Ir\nfn=f\n-1 1\n",
                "line 3: a relative position is out of range",
            ),
            (
                "events: Ir\nfn=f\n4294967296 1\n",
                "line 3: the source line is out of range",
            ),
            (
                "events: Ir\nfn=f\n1 18446744073709551616\n",
                "line 3: expected a cost that is a number",
            ),
            (
                "events: Ir\nfn=f\n1 18446744073709551615\n1 1\n",
                "line 4: a sum of costs is out of range",
            ),
            (
                "events: Ir\ntotals: 1 2\n",
                "line 2: expected one number for each event",
            ),
            (
                "events: Ir\ncalls=x\n",
                "line 2: expected `calls=` with a count",
            ),
        ] {
            let error = refused(text);
            assert!(error.starts_with(expected), "{text:?}: {error}");
        }
    }

    #[test]
    fn sums_over_parts_and_calls_are_checked() {
        let part = "events: Ir\nfn=f\n1 18446744073709551615\ntotals: 0\npart: 2\n";
        assert!(refused(&format!("{part}{part}")).contains("out of range"));
        let call = "cfn=f\ncalls=1 1\n1 18446744073709551615\n";
        assert!(refused(&format!("events: Ir\nfn=f\n{call}{call}")).contains("out of range"));
        let call = "cfn=f\ncalls=18446744073709551615 1\n1 1\n";
        assert!(refused(&format!("events: Ir\nfn=f\n{call}{call}")).contains("out of range"));
    }

    #[test]
    fn hexadecimal_numbers_fill_64_bits_and_no_more() {
        assert_eq!(number(b"0xffffffffffffffff ", 0), Some((u64::MAX, 18)));
        assert_eq!(number(b"0x10000000000000000", 0), None);
        assert_eq!(number(b"18446744073709551615", 0), Some((u64::MAX, 20)));
        assert_eq!(number(b"18446744073709551616", 0), None);
        assert_eq!(number(b"0x", 0), None);
        assert_eq!(number(b"aF", 0), None);
        assert_eq!(number(b"0xaF", 0), Some((0xaf, 4)));
    }

    #[test]
    fn threads_of_one_process_add_up() {
        let mut merged = profile("");
        let one = profile("events: Ir\nob=exe\nfl=a\nfn=f\n1 1\n2 2\n");
        let other = profile(
            "events: Ir\nob=exe\nfl=b\nfn=g\n1 4\ncfi=a\ncfn=f\ncalls=1 1\n1 8\nfl=a\nfn=f\n2 8\n",
        );
        merged.merge(&one).unwrap();
        assert_eq!(merged, one);
        merged.merge(&other).unwrap();
        merged.merge(&profile("")).unwrap();
        assert_eq!(merged.instructions(), Ok(15));
        assert_eq!(
            costs(&merged),
            ["exe|f|0|a|1 1", "exe|f|0|a|2 10", "exe|g|0|b|1 4"]
        );
        assert_eq!(calls(&merged), ["g → exe|f 1× 8"]);

        let before = merged.clone();
        let cycles = profile("events: Ir Dr\n");
        assert!(matches!(
            merged.merge(&cycles),
            Err(ProfileError::Events { .. })
        ));
        let huge = profile("events: Ir\nfn=f\n1 18446744073709551615\n");
        assert_eq!(merged.merge(&huge), Err(ProfileError::Merge));
        assert_eq!(merged, before);
    }

    /// A real profile with some bytes changed, taken out, or doubled.
    fn damaged() -> impl Strategy<Value = Vec<u8>> {
        let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4), 1..12);
        (prop::sample::select(vec![COMPRESSED, PLAIN, LINES]), edits).prop_map(|(text, edits)| {
            let mut text = text.to_vec();
            for (place, byte, kind) in edits {
                let at = place.index(text.len());
                match kind {
                    0 => text[at] = byte,
                    1 => text[at] = b"0123456789()=+-* \n"[usize::from(byte) % 18],
                    2 => drop(text.drain(at..(at + usize::from(byte)).min(text.len()))),
                    _ => text.insert(at, text[at]),
                }
                text.push(b'\n');
            }
            text
        })
    }

    proptest! {
        #[test]
        fn damaged_profiles_never_panic(text in damaged()) {
            if let Ok(profile) = parse(&text) {
                let _ = profile.instructions();
                prop_assert!(profile.costs().all(|cost| cost.instructions > 0));
                let mut twice = profile.clone();
                let _ = twice.merge(&profile);
            }
        }

        #[test]
        fn any_bytes_never_panic(text in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&text);
        }
    }
}
