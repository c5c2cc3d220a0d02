//! Merging: the profiles of a program's threads and processes as one, in the one order that
//! [`Profile`] promises.

use std::collections::HashMap;

use super::profile::{
    Call, FileId, ObjectId, Profile, ProfileError, SelfCost, SelfMiss, Symbol, SymbolId, index,
};

impl Profile {
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

fn checked_sum(mut values: impl Iterator<Item = u64>) -> Result<u64, ProfileError> {
    values
        .try_fold(0, u64::checked_add)
        .ok_or(ProfileError::Merge)
}
