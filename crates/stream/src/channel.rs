//! Channels to and from other threads, and through them any async runtime (PDB-22, PDB-28).
//!
//! A message into the program is a batch, and a batch an epoch: what is sent together becomes true together. A
//! message out of it is a [`Parcel`], and the next epoch waits until that is acknowledged, by whoever holds it, in
//! its own time. Neither end of the program ever waits at a channel.
//!
//! ```
//! # use std::collections::BTreeMap;
//! # use motet_stream::{Content, Reactor, Progress, channel};
//! # use motet_algebra::{Budget, Naive};
//! let text = "relation P(x: int). relation Q(x: int). input P. output Q. Q(x: X) :- P(x: X), X > 1.";
//! let source = motet_logic::Source::new("example".to_owned(), text.to_owned());
//! let compiled = motet_logic::compile(&source, &Default::default(), &Default::default()).unwrap();
//! let runtime = Box::new(Naive::new(compiled.program.clone()).unwrap());
//! let mut reactor = Reactor::new(&compiled.program, runtime, Budget::default());
//!
//! let (batches, source) = channel::source(["P".into()]);
//! let (sink, parcels) = channel::sink();
//! reactor.attach_source("events", Box::new(source), 0).unwrap();
//! reactor.attach_sink("answers", "Q", Box::new(sink), 0).unwrap();
//!
//! // A thread of its own, or a task of an async runtime that awaits its socket between the lines.
//! let writer = std::thread::spawn(move || {
//!     for x in 1..=3_i64 {
//!         let rows = Content::Deltas(vec![(vec![x.into()], 1)]);
//!         batches.send(BTreeMap::from([("P".into(), rows)])).unwrap();
//!     }
//! });
//! let reader = std::thread::spawn(move || {
//!     let mut seen = Vec::new();
//!     for parcel in parcels {
//!         seen.extend(parcel.deltas().iter().map(|(row, weight)| (row[0].as_int().unwrap(), *weight)));
//!         parcel.acknowledge();
//!     }
//!     seen
//! });
//! reactor.run(|_, _| { std::thread::yield_now(); std::ops::ControlFlow::Continue(()) }).unwrap();
//! drop(reactor);
//! writer.join().unwrap();
//! assert_eq!(reader.join().unwrap(), [(2, 1), (3, 1)]);
//! ```

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};

use motet_algebra::{RelationName, Row};

use crate::{Acknowledgement, Batch, Delivery, Poll, Sink, Source, StreamError};

/// The end of a channel at which batches enter the program.
#[derive(Debug)]
pub struct ChannelSource {
    relations: Vec<RelationName>,
    batches: Receiver<Batch>,
}

/// A source of the batches that are sent to it, and the end where they are sent. That end may be cloned and given to
/// other threads; when all clones are gone, the source is exhausted.
pub fn source(relations: impl IntoIterator<Item = RelationName>) -> (Sender<Batch>, ChannelSource) {
    let (sender, batches) = mpsc::channel();
    (sender, ChannelSource { relations: relations.into_iter().collect(), batches })
}

impl Source for ChannelSource {
    fn relations(&self) -> Vec<RelationName> {
        self.relations.clone()
    }

    fn poll(&mut self, _epoch: u64) -> Result<Poll, StreamError> {
        Ok(match self.batches.try_recv() {
            Ok(batch) => Poll::Ready(batch),
            Err(TryRecvError::Empty) => Poll::nothing(),
            Err(TryRecvError::Disconnected) => Poll::Last(Batch::new()),
        })
    }
}

/// The end of a channel at which deliveries leave the program.
#[derive(Debug)]
pub struct ChannelSink {
    parcels: Sender<Parcel>,
    receipt: Option<Receiver<()>>,
}

/// A delivery on its way. If it is dropped without an acknowledgement, the delivery has failed.
#[derive(Debug)]
pub struct Parcel {
    /// The last epoch whose changes are in it.
    pub epoch: u64,
    /// The relation.
    pub relation: RelationName,
    deltas: BTreeMap<Row, i64>,
    receipt: Sender<()>,
}

impl Parcel {
    /// The net changes: rows that came (+1) and went (-1), in value order.
    pub fn deltas(&self) -> &BTreeMap<Row, i64> {
        &self.deltas
    }

    /// Says that the changes are where they belong, so that the next epoch may begin.
    pub fn acknowledge(self) {
        // Where the program has ended nobody waits for it.
        let _nobody = self.receipt.send(());
    }
}

/// A sink that sends the changes it is given, and the end where they arrive.
pub fn sink() -> (ChannelSink, Receiver<Parcel>) {
    let (parcels, receiver) = mpsc::channel();
    (ChannelSink { parcels, receipt: None }, receiver)
}

impl Sink for ChannelSink {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<Acknowledgement, StreamError> {
        let (receipt, receiver) = mpsc::channel();
        let (epoch, relation) = (delivery.epoch, delivery.relation.clone());
        let parcel = Parcel { epoch, relation, deltas: delivery.deltas().clone(), receipt };
        self.parcels.send(parcel).map_err(|_| StreamError::Closed)?;
        self.receipt = Some(receiver);
        Ok(Acknowledgement::Pending)
    }

    fn poll(&mut self) -> Result<Acknowledgement, StreamError> {
        let receipt = self.receipt.as_ref().expect("a delivery was begun");
        match receipt.try_recv() {
            Ok(()) => Ok(Acknowledgement::Complete),
            Err(TryRecvError::Empty) => Ok(Acknowledgement::Pending),
            Err(TryRecvError::Disconnected) => Err(StreamError::Closed),
        }
    }
}
