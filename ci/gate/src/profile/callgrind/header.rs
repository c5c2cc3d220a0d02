//! Lines of the form `key: value`: what is counted, where costs begin, and the parts' totals.

use memchr::memchr;

use super::merge::union;
use super::parser::{BB, Columns, INSTR, LINE, Parser};
use super::profile::{INSTRUCTIONS, MISSES, ProfileError};
use super::tokens::{accumulate, is_key_byte, number, syntax, time_range, words};

impl Parser {
    /// `key: value`. Keys that say nothing about costs are passed over, as the format asks for.
    pub(super) fn header_line(&mut self, line: &[u8]) -> Result<(), ProfileError> {
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
            b"version" if number(value) != Some((1, b"")) => {
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
            let miss = |event: &String| {
                let kept = (0..).zip(MISSES).find(|(_, name)| name == event);
                kept.map(|(index, _)| index)
            };
            self.miss_columns = events.iter().map(miss).collect();
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
            match number(word).filter(|(_, rest)| rest.is_empty()) {
                Some((number, _)) if values.len() < self.profile.events.len() => {
                    values.push(number);
                }
                _ => return Err(syntax(self.line, "one number for each event", value)),
            }
        }
        values.resize(self.profile.events.len(), 0);
        Ok(values)
    }
}
