//! What a node is to the circuit that runs it, and the two simplest: a node without state, and a subcircuit.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use super::{Circuit, Fuel, NodeId, Stopped};
use crate::time::{Time, Timestamp};
use crate::trace::Trace;
use crate::zset::ZSet;

/// What sort of node (PomoFlow §2.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Computes a stream from streams.
    Operator,
    /// Holds a subcircuit.
    Child,
    /// Gives at each iteration what its input was at the one before.
    Feedback,
    /// Brings a stream of the parent in.
    Import,
    /// Takes a stream out. Has no output (PF-15).
    Sink,
    /// Brings changes in. Has no input (PF-16).
    Source,
}

/// What a node is called, and what it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Unique among all nodes.
    pub id: NodeId,
    /// What sort of node.
    pub kind: Kind,
    /// The operator's name, or the builder's.
    pub name: String,
    /// The nodes whose outputs it reads (PF-11).
    pub inputs: Vec<NodeId>,
}

impl Label {
    pub(super) fn stop(&self, what: &'static str) -> Stopped {
        Stopped { what, node: self.id.clone(), name: self.name.clone() }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inputs: Vec<String> = self.inputs.iter().map(NodeId::to_string).collect();
        let kind = format!("{:?}", self.kind).to_lowercase();
        write!(f, "{} {kind} {}({})", self.id, self.name, inputs.join(", "))
    }
}

/// What a circuit asks of its nodes.
pub(super) trait Node {
    fn label(&self) -> &Label;

    /// An epoch begins; whoever has state notes what it is (PF-7).
    fn clock_start(&mut self, _epoch: u64) {}

    /// One tick. Gives how many elements were put out.
    fn evaluate(&mut self, time: Time, fuel: &mut Fuel) -> Result<usize, Stopped>;

    /// The epoch is over (PF-7).
    fn clock_stop(&mut self) {}

    /// The epoch failed: state is what it was when the clock started.
    fn roll_back(&mut self) {}

    /// Whether a further iteration with empty inputs would put out nothing.
    fn is_settled(&self) -> bool {
        true
    }

    /// The labels of a subcircuit.
    fn inner(&self) -> Vec<Label> {
        Vec::new()
    }
}

/// What may be on a stream.
pub(super) trait Data: Default + 'static {
    /// How many elements it puts out, for the fuel.
    fn size(&self) -> usize;
}

impl<T: 'static> Data for ZSet<T> {
    fn size(&self) -> usize {
        self.len()
    }
}

/// A trace is an account of elements that were put out already.
impl<K: 'static, V: 'static, S: Timestamp> Data for Trace<K, V, S> {
    fn size(&self) -> usize {
        0
    }
}

/// For nodes without an output.
impl Data for () {
    fn size(&self) -> usize {
        0
    }
}

/// A node without state between ticks.
pub(super) struct Plain<F, D> {
    pub(super) label: Label,
    pub(super) compute: F,
    pub(super) output: Rc<RefCell<D>>,
}

impl<F: FnMut(Time) -> D, D: Data> Node for Plain<F, D> {
    fn label(&self) -> &Label {
        &self.label
    }

    fn evaluate(&mut self, time: Time, _: &mut Fuel) -> Result<usize, Stopped> {
        let output = (self.compute)(time);
        let size = output.size();
        *self.output.borrow_mut() = output;
        Ok(size)
    }
}

/// A subcircuit and its exports.
pub(super) struct Subcircuit {
    pub(super) label: Label,
    pub(super) circuit: Circuit,
    /// Each adds up one stream over the iterations.
    pub(super) exports: Vec<Box<dyn Export>>,
}

impl Node for Subcircuit {
    fn label(&self) -> &Label {
        &self.label
    }

    fn clock_start(&mut self, epoch: u64) {
        self.circuit.epoch = epoch;
        self.circuit.clock_start();
    }

    fn evaluate(&mut self, time: Time, fuel: &mut Fuel) -> Result<usize, Stopped> {
        for iteration in 0..fuel.iterations {
            self.circuit.tick(Time::new(time.epoch, iteration), fuel)?;
            self.exports.iter_mut().for_each(|export| export.add());
            if self.circuit.is_settled() {
                return Ok(self.exports.iter_mut().map(|export| export.publish()).sum());
            }
        }
        Err(self.label.stop("iterations"))
    }

    fn clock_stop(&mut self) {
        self.circuit.nodes.iter_mut().for_each(|node| node.clock_stop());
    }

    fn roll_back(&mut self) {
        self.exports.iter_mut().for_each(|export| export.forget());
        self.circuit.nodes.iter_mut().for_each(|node| node.roll_back());
    }

    fn inner(&self) -> Vec<Label> {
        self.circuit.labels()
    }
}

/// A stream of a subcircuit that its parent reads: the sum over the iterations of an epoch.
pub(super) trait Export {
    /// Takes in what the stream holds at this iteration.
    fn add(&mut self);
    /// Puts the sum out and begins anew. Gives its size.
    fn publish(&mut self) -> usize;
    /// Begins anew.
    fn forget(&mut self);
}

/// The export of one stream.
pub(super) struct Exported<T> {
    pub(super) inner: Rc<RefCell<ZSet<T>>>,
    pub(super) sum: Vec<(T, crate::Weight)>,
    pub(super) outer: Rc<RefCell<ZSet<T>>>,
}

impl<T: Ord + Clone + 'static> Export for Exported<T> {
    fn add(&mut self) {
        let inner = self.inner.borrow();
        self.sum.extend(inner.iter().map(|(element, weight)| (element.clone(), weight)));
    }

    fn publish(&mut self) -> usize {
        let sum: ZSet<T> = std::mem::take(&mut self.sum).into_iter().collect();
        let size = sum.len();
        *self.outer.borrow_mut() = sum;
        size
    }

    fn forget(&mut self) {
        self.sum.clear();
    }
}
