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

use std::collections::HashMap;
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

    /// Adds the costs of `other`, such as of another thread of the same process.
    ///
    /// # Errors
    ///
    /// If the two count different events, or a sum leaves 64 bits. `self` is unchanged then.
    pub fn merge(&mut self, other: &Self) -> Result<(), ProfileError> {
        if other.events.is_empty() {
            return Ok(());
        }
        if self.events.is_empty() {
            self.clone_from(other);
            return Ok(());
        }
        if self.events != other.events {
            return Err(ProfileError::Events {
                events: self.events.join(" "),
                added: other.events.join(" "),
            });
        }
        let totals: Option<Vec<u64>> = self
            .totals
            .iter()
            .zip(&other.totals)
            .map(|(a, b)| a.checked_add(*b))
            .collect();
        let totals = totals.ok_or(ProfileError::Merge)?;
        let parts = [&*self, other];
        checked_sum(
            parts
                .iter()
                .flat_map(|part| part.costs())
                .map(|cost| cost.instructions),
        )?;
        checked_sum(
            parts
                .iter()
                .flat_map(|part| part.misses())
                .map(|miss| miss.count),
        )?;
        checked_sum(
            parts
                .iter()
                .flat_map(|part| &part.calls)
                .map(|call| call.instructions),
        )?;
        checked_sum(
            parts
                .iter()
                .flat_map(|part| &part.calls)
                .map(|call| call.count),
        )?;

        self.totals = totals;
        self.basic_blocks = union(self.basic_blocks, other.basic_blocks);
        self.add(other);
        Ok(())
    }

    /// Appends the tables of `other` under this profile's ids, and restores the order.
    fn add(&mut self, other: &Self) {
        let objects = intern_all(&mut self.objects, &other.objects);
        let files = intern_all(&mut self.files, &other.files);
        let mut known: HashMap<(ObjectId, String), SymbolId> = self
            .symbols()
            .map(|(id, symbol)| ((symbol.object, symbol.function.clone()), id))
            .collect();
        let object = |id: ObjectId| ObjectId(objects[id.0 as usize]);
        let file = |id: FileId| FileId(files[id.0 as usize]);
        let mut symbols = Vec::with_capacity(other.symbols.len());
        for symbol in &other.symbols {
            let key = (object(symbol.object), symbol.function.clone());
            let id = *known.entry(key).or_insert_with_key(|(object, function)| {
                let file = file(symbol.file);
                self.symbols.push(Symbol {
                    object: *object,
                    function: function.clone(),
                    file,
                });
                self.costs.push(Vec::new());
                self.misses.push(Vec::new());
                SymbolId(index(self.symbols.len() - 1))
            });
            let known = &mut self.symbols[id.index()].file;
            if self.files[file(symbol.file).0 as usize] < self.files[known.0 as usize] {
                *known = file(symbol.file);
            }
            symbols.push(id);
        }
        let symbol = |id: SymbolId| symbols[id.0 as usize];
        for (costs, symbol) in other.costs.iter().zip(&symbols) {
            let costs = costs.iter().map(|cost| SelfCost {
                file: file(cost.file),
                ..*cost
            });
            self.costs[symbol.index()].extend(costs);
        }
        for (misses, symbol) in other.misses.iter().zip(&symbols) {
            let misses = misses.iter().map(|miss| SelfMiss {
                file: file(miss.file),
                ..*miss
            });
            self.misses[symbol.index()].extend(misses);
        }
        self.calls.extend(other.calls.iter().map(|call| Call {
            caller: symbol(call.caller),
            callee: symbol(call.callee),
            file: file(call.file),
            ..*call
        }));
        self.settle();
    }

    /// Sorts symbols by object and function, and their costs with them. For each former index the
    /// new id.
    fn sort_symbols(&mut self) -> Vec<SymbolId> {
        let mut sorted: Vec<_> = std::mem::take(&mut self.symbols)
            .into_iter()
            .zip(
                std::mem::take(&mut self.costs)
                    .into_iter()
                    .zip(std::mem::take(&mut self.misses)),
            )
            .enumerate()
            .collect();
        sorted.sort_by(|(_, (a, _)), (_, (b, _))| {
            (a.object, &a.function).cmp(&(b.object, &b.function))
        });
        let mut ids = vec![SymbolId(u32::MAX); sorted.len()];
        for (id, (former, (symbol, (costs, misses)))) in (0..).zip(sorted) {
            ids[former] = SymbolId(id);
            self.symbols.push(symbol);
            self.costs.push(costs);
            self.misses.push(misses);
        }
        ids
    }

    /// Establishes the invariants 1 and 2: renumbers everything by name, sorts, and sums what
    /// stands twice.
    pub(super) fn settle(&mut self) {
        let mut used = vec![false; self.objects.len()];
        for symbol in &self.symbols {
            used[symbol.object.0 as usize] = true;
        }
        let objects = sort_used(&mut self.objects, &used);
        let mut used = vec![false; self.files.len()];
        let of_costs = self.costs.iter().flatten().map(|cost| cost.file);
        let of_calls = self.calls.iter().map(|call| call.file);
        let of_symbols = self.symbols.iter().map(|symbol| symbol.file);
        for file in of_costs.chain(of_calls).chain(of_symbols) {
            used[file.0 as usize] = true;
        }
        let files = sort_used(&mut self.files, &used);
        for symbol in &mut self.symbols {
            symbol.object = ObjectId(objects[symbol.object.0 as usize]);
            symbol.file = FileId(files[symbol.file.0 as usize]);
        }
        let symbols = self.sort_symbols();

        let key = |cost: &SelfCost| (cost.address, cost.file, cost.line);
        for costs in &mut self.costs {
            for cost in &mut *costs {
                cost.file = FileId(files[cost.file.0 as usize]);
            }
            costs.sort_by_key(key);
            costs.dedup_by(|cost, kept| {
                let same = key(cost) == key(kept);
                if same {
                    kept.instructions += cost.instructions;
                }
                same
            });
        }
        let key = |miss: &SelfMiss| (miss.address, miss.file, miss.line, miss.event);
        for misses in &mut self.misses {
            for miss in &mut *misses {
                miss.file = FileId(files[miss.file.0 as usize]);
            }
            misses.sort_by_key(key);
            misses.dedup_by(|miss, kept| {
                let same = key(miss) == key(kept);
                if same {
                    kept.count += miss.count;
                }
                same
            });
        }
        for call in &mut self.calls {
            call.file = FileId(files[call.file.0 as usize]);
            call.caller = symbols[call.caller.index()];
            call.callee = symbols[call.callee.index()];
        }
        let key = |call: &Call| (call.caller, call.address, call.file, call.line, call.callee);
        self.calls.sort_unstable_by_key(key);
        self.calls.dedup_by(|call, kept| {
            let same = key(call) == key(kept);
            if same {
                kept.count += call.count;
                kept.instructions += call.instructions;
            }
            same
        });
    }
}

/// Sorts the used ones of `names` and drops the rest. For each former index the new one.
fn sort_used(names: &mut Vec<String>, used: &[bool]) -> Vec<u32> {
    let mut order: Vec<usize> = (0..names.len()).filter(|name| used[*name]).collect();
    order.sort_by_key(|name| &names[*name]);
    let mut ids = vec![u32::MAX; names.len()];
    let mut sorted = Vec::with_capacity(order.len());
    for (id, name) in (0..).zip(order) {
        ids[name] = id;
        sorted.push(std::mem::take(&mut names[name]));
    }
    *names = sorted;
    ids
}

/// The span that covers both.
pub(super) fn union(a: Option<(u64, u64)>, b: Option<(u64, u64)>) -> Option<(u64, u64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

fn checked_sum(mut values: impl Iterator<Item = u64>) -> Result<u64, ProfileError> {
    values
        .try_fold(0, u64::checked_add)
        .ok_or(ProfileError::Merge)
}

/// The ids under which `added` stand in `names`, after appending those that were missing.
fn intern_all(names: &mut Vec<String>, added: &[String]) -> Vec<u32> {
    let mut known: HashMap<String, u32> =
        (0..).zip(&*names).map(|(id, n)| (n.clone(), id)).collect();
    let mut ids = Vec::with_capacity(added.len());
    for name in added {
        ids.push(*known.entry(name.clone()).or_insert_with(|| {
            names.push(name.clone());
            index(names.len() - 1)
        }));
    }
    ids
}

/// The id of a table's entry. A table with more entries than an id can name would need a text of
/// many gigabytes, which [`parse`](super::parse) refuses.
pub(super) fn index(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}
