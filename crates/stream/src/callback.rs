//! Functions as sources and sinks.

use motet_algebra::RelationName;

use crate::{Acknowledgement, Delivery, Poll, Sink, Source, StreamError};

/// A source that asks a function for each batch.
pub struct SourceFn<F> {
    relations: Vec<RelationName>,
    function: F,
}

/// A source that asks a function, given the epoch, for each batch.
pub fn source_fn<F>(relations: impl IntoIterator<Item = RelationName>, function: F) -> SourceFn<F>
where
    F: FnMut(u64) -> Result<Poll, StreamError>,
{
    SourceFn { relations: relations.into_iter().collect(), function }
}

impl<F: FnMut(u64) -> Result<Poll, StreamError>> Source for SourceFn<F> {
    fn relations(&self) -> Vec<RelationName> {
        self.relations.clone()
    }

    fn poll(&mut self, epoch: u64) -> Result<Poll, StreamError> {
        (self.function)(epoch)
    }
}

/// A sink that calls a function with each delivery of changes.
pub struct SinkFn<F>(F);

/// A sink that calls a function with each delivery of changes. When it returns, the delivery is acknowledged.
pub fn sink_fn<F: FnMut(&Delivery<'_>) -> Result<(), StreamError>>(function: F) -> SinkFn<F> {
    SinkFn(function)
}

impl<F: FnMut(&Delivery<'_>) -> Result<(), StreamError>> Sink for SinkFn<F> {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<Acknowledgement, StreamError> {
        (self.0)(delivery).map(|()| Acknowledgement::Complete)
    }
}
