//! What becomes of a run: its name, tags and metadata, its end, and what a crash left of it.

use std::borrow::Cow;

use super::attribute::{self, Attribute};
use super::change::{Change, Outcome};
use super::error::{RunError, check_name};
use super::row::{About, Status};
use super::runs::{check_tags, read_row};
use super::spaces;
use super::writer::{RunWriter, STEP_BYTES_MAX, check_attributes, check_len};

impl RunWriter<'_, '_> {
    fn about(&mut self) -> Result<About, RunError> {
        let run = self.run;
        let key = spaces::catalog(spaces::ABOUT, run);
        let row = self.tx.get(&self.runs.spaces.catalog, &key);
        let row = row.ok_or(RunError::UnknownRun { run })?;
        read_row(run, spaces::CATALOG, "about", About::read(&row))
    }

    pub(super) fn set_about(&mut self, about: &About) -> Result<(), RunError> {
        let key = spaces::catalog(spaces::ABOUT, self.run);
        let catalog = &self.runs.spaces.catalog;
        Ok(self.tx.put(catalog, &key, &about.bytes())?)
    }

    /// Names the run: its first step.
    pub(super) fn began(&mut self, name: &str) -> Result<(), RunError> {
        check_name("a run's name", name)?;
        self.step(&Change::Began { name })?;
        let mut about = self.about()?;
        name.clone_into(&mut about.name);
        self.set_about(&about)
    }

    /// Gives the run a tag. One that it has makes no step.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub fn tag(&mut self, tag: &str) -> Result<(), RunError> {
        self.check_open()?;
        check_name("a tag", tag)?;
        let mut about = self.about()?;
        if !about.tags.insert(tag.to_owned()) {
            return Ok(());
        }
        check_tags(about.tags.len())?;
        self.step(&Change::Tagged { tag, is_set: true })?;
        self.set_about(&about)?;
        let key = spaces::tag(tag, self.run);
        Ok(self.tx.put(&self.runs.spaces.catalog, &key, &[])?)
    }

    /// Takes a tag away. One that it has not makes no step.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub fn untag(&mut self, tag: &str) -> Result<(), RunError> {
        self.check_open()?;
        let mut about = self.about()?;
        if !about.tags.remove(tag) {
            return Ok(());
        }
        self.step(&Change::Tagged { tag, is_set: false })?;
        self.set_about(&about)?;
        let key = spaces::tag(tag, self.run);
        Ok(self.tx.delete(&self.runs.spaces.catalog, &key)?)
    }

    /// Gives the run's metadata a value, or takes it away.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub fn note(&mut self, name: &str, value: Option<&Attribute>) -> Result<(), RunError> {
        self.check_open()?;
        let mut about = self.about()?;
        if let Some(value) = value {
            attribute::check_one(name, value)?;
            about.metadata.insert(name.to_owned(), value.clone());
            check_attributes(&about.metadata)?;
        } else if about.metadata.remove(name).is_none() {
            return Ok(());
        }
        let change = Change::Noted {
            name,
            value: value.map(Cow::Borrowed),
        };
        self.step(&change)?;
        self.set_about(&about)
    }

    /// Ends the run, open or orphaned.
    ///
    /// # Errors
    /// [`RunError::Ended`] where it ended before; [`RunError::TooLong`] of the note.
    pub fn end(&mut self, outcome: Outcome, note: &str) -> Result<(), RunError> {
        if self.head.status != Status::Orphaned {
            self.check_open()?;
        }
        check_len("a note", note.len(), STEP_BYTES_MAX / 4)?;
        self.step(&Change::Ended { outcome, note })?;
        let mut about = self.about()?;
        note.clone_into(&mut about.note);
        self.set_about(&about)?;
        if self.head.status != Status::Importing {
            self.head.status = Status::Ended(outcome);
            self.set_unfinished(false)?;
        }
        Ok(())
    }

    /// Lets an orphaned run go on.
    pub(super) fn resume(&mut self) -> Result<(), RunError> {
        let run = self.run;
        if self.head.status != Status::Orphaned {
            return Err(RunError::NotOrphaned { run });
        }
        self.go_on()
    }

    /// Says that somebody goes on with the run since the engine was opened.
    pub(super) fn go_on(&mut self) -> Result<(), RunError> {
        self.step(&Change::Resumed)?;
        if self.head.status != Status::Importing {
            self.head.status = Status::Open;
            self.set_unfinished(true)?;
        }
        Ok(())
    }

    /// Says that a crash left the run, and that somebody has to decide.
    pub(super) fn orphan(&mut self) -> Result<(), RunError> {
        self.step(&Change::Orphaned)?;
        if self.head.status != Status::Importing {
            self.head.status = Status::Orphaned;
            self.set_unfinished(false)?;
        }
        Ok(())
    }

    /// Notes that the run is not over, or no longer.
    pub(super) fn set_unfinished(&mut self, is_unfinished: bool) -> Result<(), RunError> {
        let key = spaces::catalog(spaces::UNFINISHED, self.run);
        let catalog = &self.runs.spaces.catalog;
        if is_unfinished {
            return Ok(self.tx.put(catalog, &key, &[])?);
        }
        Ok(self.tx.delete(catalog, &key)?)
    }
}
