//! A profile as a value: what each instruction of a program cost, and who called whom.
//!
//! Invariants, whatever text it came from:
//!
//! 1. Objects and files stand in the order of their names, symbols by object and name, costs by
//!    symbol, address, file and line, calls by caller, call site and callee. No key occurs twice.
//! 2. The same counts are the same value, however the text was compressed and in whatever order
//!    callgrind wrote it: it sorts functions by where they lie in its own memory.
//! 3. The sums over all costs, all call counts and all inclusive costs fit into 64 bits, so no
//!    sum over some of them can overflow.

use std::num::NonZeroU64;

use thiserror::Error;

/// The event that counts instructions.
pub(super) const INSTRUCTIONS: &str = "Ir";

/// An object (executable or shared library) of a [`Profile`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub(super) u32);

/// A source file of a [`Profile`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub(super) u32);

/// A function of an object of a [`Profile`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolId(pub(super) u32);

impl SymbolId {
    /// Its place in the order of [`Profile::symbols`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A function as the machine knows it: a name within an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Where its code lies.
    pub object: ObjectId,
    /// Its name as the profiler wrote it.
    pub function: String,
    /// The file that defines it.
    pub file: FileId,
}

/// The self cost of one instruction, or of one source line where the profile has no addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// The function that it belongs to.
    pub symbol: SymbolId,
    /// Address relative to the symbol's object; `None` in a profile without addresses.
    pub address: Option<NonZeroU64>,
    /// The file of the line; differs from the symbol's where code was inlined.
    pub file: FileId,
    /// Source line; 0 where unknown.
    pub line: u32,
    /// Instructions executed.
    pub instructions: u64,
}

/// A [`Cost`] among those of its symbol. Profiles have millions, so it is kept small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SelfCost {
    pub(super) address: Option<NonZeroU64>,
    pub(super) file: FileId,
    pub(super) line: u32,
    pub(super) instructions: u64,
}

/// What caches missed at one place, of one of [`MISSES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Miss {
    /// The function.
    pub symbol: SymbolId,
    /// Address of the instruction relative to the object.
    pub address: Option<NonZeroU64>,
    /// File that the code was written in.
    pub file: FileId,
    /// Source line; 0 where unknown.
    pub line: u32,
    /// Which of [`MISSES`], by index.
    pub event: usize,
    /// How often.
    pub count: u64,
}

/// The events, beside instructions, that are kept by place. They are few where nothing else is: most
/// instructions miss nothing.
pub const MISSES: [&str; 4] = ["D1mr", "D1mw", "DLmr", "DLmw"];

/// A [`Miss`] among those of its symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SelfMiss {
    pub(super) address: Option<NonZeroU64>,
    pub(super) file: FileId,
    pub(super) line: u32,
    pub(super) event: u8,
    pub(super) count: u64,
}

/// All calls from one call site to one function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The function that calls.
    pub caller: SymbolId,
    /// Address of the call site relative to the caller's object.
    pub address: Option<NonZeroU64>,
    /// File of the call site.
    pub file: FileId,
    /// Line of the call site; 0 where unknown.
    pub line: u32,
    /// The function that is called.
    pub callee: SymbolId,
    /// How often.
    pub count: u64,
    /// Instructions executed between call and return, callees of the callee included.
    pub instructions: u64,
}

/// What one process, or one thread of it, cost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    pub(super) command: Option<String>,
    pub(super) events: Vec<String>,
    pub(super) totals: Vec<u64>,
    pub(super) basic_blocks: Option<(u64, u64)>,
    pub(super) objects: Vec<String>,
    pub(super) files: Vec<String>,
    pub(super) symbols: Vec<Symbol>,
    /// Of each symbol. Not one list, since a name may stand for several functions of the machine
    /// (instances of a generic one), whose costs then come apart.
    pub(super) costs: Vec<Vec<SelfCost>>,
    /// Of each symbol, in the order of its costs.
    pub(super) misses: Vec<Vec<SelfMiss>>,
    pub(super) calls: Vec<Call>,
}

/// Why a text is not a profile, or two profiles do not go together.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProfileError {
    /// A line does not say what it must.
    #[error("line {line}: expected {expected}, found `{found}`")]
    Syntax {
        /// The line, counted from 1.
        line: u64,
        /// What should stand there.
        expected: &'static str,
        /// The start of what does, escaped.
        found: String,
    },
    /// `fn=(12)` without an earlier `fn=(12) name`.
    #[error("line {line}: {space} ({id}) is used and was never given a name")]
    UnknownName {
        /// The line, counted from 1.
        line: u64,
        /// `object`, `file` or `function`.
        space: &'static str,
        /// The number in parentheses.
        id: u64,
    },
    /// A number or a sum leaves the range of its type.
    #[error("line {line}: {what} is out of range")]
    Range {
        /// The line, counted from 1.
        line: u64,
        /// What is.
        what: &'static str,
    },
    /// Two parts or two profiles that count different things.
    #[error("cannot add a profile of the events `{added}` to one of `{events}`")]
    Events {
        /// Events of the first.
        events: String,
        /// Events of the second.
        added: String,
    },
    /// The sum of two profiles is no longer a number.
    #[error("the sum of the profiles is out of range")]
    Merge,
    /// The costs do not add up: the profile was cut off or its program counted something twice.
    #[error("the lines of the profile add up to {sum} instructions, its total says {total}")]
    Total {
        /// Sum of all costs.
        sum: u64,
        /// What the profile says.
        total: u64,
    },
}

impl Profile {
    /// The command that was profiled, with its arguments.
    #[must_use]
    pub fn command(&self) -> Option<&str> {
        self.command.as_deref()
    }

    /// What was counted, in the profiler's words (`Ir`, `Dr`, …); empty for an empty text.
    #[must_use]
    pub fn events(&self) -> &[String] {
        &self.events
    }

    /// The total of each of [`events`](Self::events).
    #[must_use]
    pub fn totals(&self) -> &[u64] {
        &self.totals
    }

    /// The total of one event.
    #[must_use]
    pub fn total(&self, event: &str) -> Option<u64> {
        let index = self.events.iter().position(|name| name == event)?;
        self.totals.get(index).copied()
    }

    /// First and last basic block of the time in which costs were collected.
    #[must_use]
    pub const fn basic_blocks(&self) -> Option<(u64, u64)> {
        self.basic_blocks
    }

    /// Self costs; see invariant 1 for their order.
    pub fn costs(&self) -> impl Iterator<Item = Cost> {
        (0..)
            .map(SymbolId)
            .zip(&self.costs)
            .flat_map(|(symbol, costs)| {
                costs.iter().map(move |cost| {
                    let SelfCost {
                        address,
                        file,
                        line,
                        instructions,
                    } = *cost;
                    Cost {
                        symbol,
                        address,
                        file,
                        line,
                        instructions,
                    }
                })
            })
    }

    /// How often a call was made in the measured region: as often as the instruction that makes it was
    /// executed there. Callgrind's own number has the calls of the set-up as well, and of an instruction that
    /// calls several functions only that tells them apart; so the smaller of the two counts.
    #[must_use]
    pub fn executed_calls(&self, call: &Call) -> u64 {
        let costs = self.costs.get(call.caller.index()).map_or(&[][..], |it| it);
        let Some(address) = call.address else {
            return call.count;
        };
        // Of a symbol, costs come in the order of addresses.
        let from = costs.partition_point(|it| it.address < Some(address));
        let here = costs[from..]
            .iter()
            .take_while(|it| it.address == Some(address));
        match here.map(|it| it.instructions).sum() {
            // What makes it lies outside: the harness calls the measured function.
            0 => call.count,
            executed => call.count.min(executed),
        }
    }

    /// What caches missed, by place.
    pub fn misses(&self) -> impl Iterator<Item = Miss> {
        (0..)
            .map(SymbolId)
            .zip(&self.misses)
            .flat_map(|(symbol, misses)| {
                misses.iter().map(move |miss| Miss {
                    symbol,
                    address: miss.address,
                    file: miss.file,
                    line: miss.line,
                    event: usize::from(miss.event),
                    count: miss.count,
                })
            })
    }

    /// Calls; see invariant 1 for their order.
    #[must_use]
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// All symbols, each with its id.
    pub fn symbols(&self) -> impl Iterator<Item = (SymbolId, &Symbol)> {
        (0..).map(SymbolId).zip(&self.symbols)
    }

    /// The symbol of an id of this profile.
    ///
    /// # Panics
    ///
    /// If the id is another profile's.
    #[must_use]
    pub fn symbol(&self, id: SymbolId) -> &Symbol {
        &self.symbols[id.0 as usize]
    }

    /// The path of an object of this profile; empty where the profiler named none.
    ///
    /// # Panics
    ///
    /// If the id is another profile's.
    #[must_use]
    pub fn object(&self, id: ObjectId) -> &str {
        &self.objects[id.0 as usize]
    }

    /// The path of a file of this profile; `???` or empty where the profiler knew none.
    ///
    /// # Panics
    ///
    /// If the id is another profile's.
    #[must_use]
    pub fn file(&self, id: FileId) -> &str {
        &self.files[id.0 as usize]
    }

    /// Instructions executed, proven by the costs: they add up to the profile's own total.
    ///
    /// 0 for a profile without costs. Whether that is an error, the caller knows.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Total`] if they do not add up.
    pub fn instructions(&self) -> Result<u64, ProfileError> {
        let sum = self.costs().map(|cost| cost.instructions).sum();
        let total = self.total(INSTRUCTIONS).unwrap_or(0);
        if sum == total {
            Ok(sum)
        } else {
            Err(ProfileError::Total { sum, total })
        }
    }
}

/// The id of a table's entry. A table with more entries than an id can name would need a text of
/// many gigabytes, which [`parse`](super::parse) refuses.
pub(super) fn index(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}
