//! Circuits: nodes, the streams between them, and the clock.
//!
//! A circuit is an acyclic graph of nodes. A tick evaluates each node once, in an order in which every node comes after
//! those it reads; the order of building is such an order, since a stream must exist before it can be read. A stream is
//! a cell that holds what its node put out in this tick (PF-10).
//!
//! The kinds of nodes are those of the specification (§2.8): *sources* take changes in from outside, *sinks* give them
//! to a callback, *operators* compute; a *child* is a subcircuit, ticked until it has come to its fixed point (PF-9,
//! PF-13); an *import* brings a parent's stream in, at the first iteration; a *feedback* gives at each iteration what
//! its input was at the one before, so the graph has no cycle (PF-14). A subcircuit has no subcircuits of its own
//! (PF-29).
//!
//! A step is one epoch. It runs on [`Fuel`]; if that runs out, every node goes back to what it was before the epoch.

mod build;
mod node;
mod stateful;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

pub use build::{Child, Feedback};
pub use node::{Kind, Label};

use crate::time::Time;
use crate::zset::ZSet;
use node::Node;

/// The id of a node: the place of each node that holds it among its siblings, outermost first, and then its own
/// (PF-12).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(Vec<usize>);

impl NodeId {
    /// The place among its siblings.
    pub fn local(&self) -> usize {
        *self.0.last().expect("a node's id has at least its own place")
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path: Vec<String> = self.0.iter().map(usize::to_string).collect();
        f.write_str(&path.join("."))
    }
}

/// The output of a node: what other nodes read.
#[derive(Debug)]
pub struct Stream<D> {
    node: NodeId,
    cell: Rc<RefCell<D>>,
}

impl<D> Clone for Stream<D> {
    fn clone(&self) -> Self {
        Stream { node: self.node.clone(), cell: self.cell.clone() }
    }
}

impl<D> Stream<D> {
    /// The node whose output it is (PF-11).
    pub fn node(&self) -> &NodeId {
        &self.node
    }
}

/// The way in of a source.
#[derive(Clone, Debug)]
pub struct Input<T> {
    waiting: Rc<RefCell<Vec<(T, crate::Weight)>>>,
}

impl<T: Ord + Clone> Input<T> {
    /// Adds to what the source puts out at the next step.
    pub fn push(&self, changes: impl IntoIterator<Item = (T, crate::Weight)>) {
        self.waiting.borrow_mut().extend(changes);
    }

    fn take(&self) -> ZSet<T> {
        std::mem::take(&mut *self.waiting.borrow_mut()).into_iter().collect()
    }
}

/// What a step may cost. Counted, never timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fuel {
    /// How many elements the nodes may put out together.
    pub elements: u64,
    /// How many iterations each subcircuit may take.
    pub iterations: u64,
}

impl Fuel {
    /// As much as there is.
    pub const UNLIMITED: Fuel = Fuel { elements: u64::MAX, iterations: u64::MAX };
}

/// Why a step was stopped. The circuit is as it was before the step, and what was pushed into its sources is gone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the circuit ran out of {what} at node {node} ({name}); allow it more, or make it do less")]
pub struct Stopped {
    /// `elements` or `iterations`.
    pub what: &'static str,
    /// Where.
    pub node: NodeId,
    /// The node's name.
    pub name: String,
}

/// A graph of nodes with a clock.
#[derive(Default)]
pub struct Circuit {
    path: Vec<usize>,
    nodes: Vec<Box<dyn Node>>,
    epoch: u64,
}

impl fmt::Debug for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuit").field("epoch", &self.epoch).field("nodes", &self.nodes.len()).finish()
    }
}

impl Circuit {
    /// A circuit without nodes, before its first epoch.
    pub fn new() -> Self {
        Circuit::default()
    }

    /// The epoch that the next step runs.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Runs one epoch: what was pushed into the sources goes through, and the sinks see what comes of it.
    ///
    /// # Errors
    /// [`Stopped`]; the circuit is then as before, but for what the sinks may have seen.
    pub fn step(&mut self, mut fuel: Fuel) -> Result<u64, Stopped> {
        self.clock_start();
        let done = self.tick(Time::new(self.epoch, 0), &mut fuel);
        if let Err(stopped) = done {
            self.nodes.iter_mut().for_each(|node| node.roll_back());
            return Err(stopped);
        }
        self.nodes.iter_mut().for_each(|node| node.clock_stop());
        self.epoch += 1;
        Ok(self.epoch - 1)
    }

    /// Every node once.
    fn tick(&mut self, time: Time, fuel: &mut Fuel) -> Result<(), Stopped> {
        for node in &mut self.nodes {
            let elements = node.evaluate(time, fuel)? as u64;
            fuel.elements =
                fuel.elements.checked_sub(elements).ok_or_else(|| node.label().stop("elements"))?;
        }
        Ok(())
    }

    fn clock_start(&mut self) {
        let epoch = self.epoch;
        self.nodes.iter_mut().for_each(|node| node.clock_start(epoch));
    }

    fn is_settled(&self) -> bool {
        self.nodes.iter().all(|node| node.is_settled())
    }

    /// What the nodes are, in the order they are evaluated in; a subcircuit's after the child node that holds it.
    pub fn labels(&self) -> Vec<Label> {
        self.nodes.iter().flat_map(|node| std::iter::once(node.label().clone()).chain(node.inner())).collect()
    }
}

/// One line for each node: its id, its kind and name, and what it reads.
impl fmt::Display for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.labels().iter().try_for_each(|label| writeln!(f, "{label}"))
    }
}
