//! Spans: started within others, and ended once.

use std::borrow::Cow;

use super::attribute::{Attribute, Attributes};
use super::change::{Change, Outcome, SpanId};
use super::error::{RunError, check_name};
use super::row::{Span, SpanEnd};
use super::runs::read_row;
use super::spaces;
use super::writer::{RunWriter, check_attributes};

/// A span that is to start.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NewSpan {
    /// Its name.
    pub name: String,
    /// The span within which it is; absent of a root.
    pub parent: Option<SpanId>,
    /// Its number, where it was traced elsewhere; absent where the run is to number it.
    pub id: Option<SpanId>,
    /// What is known of it.
    pub attributes: Attributes,
}

impl NewSpan {
    /// A root without attributes.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Puts it within another span.
    #[must_use]
    pub fn within(mut self, parent: SpanId) -> Self {
        self.parent = Some(parent);
        self
    }

    /// Gives it the number that it has elsewhere.
    #[must_use]
    pub fn numbered(mut self, id: SpanId) -> Self {
        self.id = Some(id);
        self
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attribute(mut self, name: &str, value: impl Into<Attribute>) -> Self {
        self.attributes.insert(name.to_owned(), value.into());
        self
    }
}

impl RunWriter<'_, '_> {
    /// A span of the run.
    ///
    /// # Errors
    /// [`RunError::UnknownSpan`]; [`RunError::Row`] where it cannot be read.
    pub fn span(&mut self, span: SpanId) -> Result<Span, RunError> {
        let run = self.run;
        let row = self
            .tx
            .get(&self.runs.spaces.spans, &spaces::span(run, span));
        let row = row.ok_or(RunError::UnknownSpan { run, span })?;
        read_row(run, spaces::SPANS, span, Span::read(span, &row))
    }

    /// Starts a span. Its parent must have started, and may have ended.
    ///
    /// # Errors
    /// [`RunError::MissingParent`], [`RunError::SpanCycle`], [`RunError::SpanNumber`]; as for
    /// [`append`](Self::append).
    pub fn start_span(&mut self, new: &NewSpan) -> Result<SpanId, RunError> {
        self.check_open()?;
        check_name("a span's name", &new.name)?;
        check_attributes(&new.attributes)?;
        let run = self.run;
        let span = new.id.unwrap_or(SpanId(self.head.spans.wrapping_add(1)));
        if new.parent == Some(span) {
            return Err(RunError::SpanCycle { run, span });
        }
        let spans = &self.runs.spaces.spans;
        if span.0 == 0 || self.tx.contains(spans, &spaces::span(run, span)) {
            return Err(RunError::SpanNumber { run, span });
        }
        if let Some(parent) = new.parent
            && !self.tx.contains(spans, &spaces::span(run, parent))
        {
            let name = new.name.clone();
            return Err(RunError::MissingParent { run, parent, name });
        }
        let started_step = self.step(&Change::SpanStarted {
            span,
            parent: new.parent,
            name: &new.name,
            attributes: Cow::Borrowed(&new.attributes),
        })?;
        self.head.spans = self.head.spans.max(span.0);
        let row = Span {
            id: span,
            parent: new.parent,
            name: new.name.clone(),
            attributes: new.attributes.clone(),
            started_us: self.head.last_us,
            started_step,
            end: None,
        };
        self.tx.put(spans, &spaces::span(run, span), &row.bytes())?;
        Ok(span)
    }

    /// Ends a span, and adds attributes to it.
    ///
    /// # Errors
    /// [`RunError::UnknownSpan`], [`RunError::SpanEnded`]; as for [`append`](Self::append).
    pub fn end_span(
        &mut self,
        span: SpanId,
        outcome: Outcome,
        attributes: &Attributes,
    ) -> Result<(), RunError> {
        self.check_open()?;
        let run = self.run;
        let mut row = self.span(span)?;
        if row.end.is_some() {
            return Err(RunError::SpanEnded { run, span });
        }
        check_attributes(attributes)?;
        row.attributes.extend(attributes.clone());
        check_attributes(&row.attributes)?;
        let step = self.step(&Change::SpanEnded {
            span,
            outcome,
            attributes: Cow::Borrowed(attributes),
        })?;
        row.end = Some(SpanEnd {
            outcome,
            time_us: self.head.last_us,
            step,
        });
        let key = spaces::span(run, span);
        Ok(self.tx.put(&self.runs.spaces.spans, &key, &row.bytes())?)
    }
}
