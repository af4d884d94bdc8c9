//! The nodes with state between ticks: traces, and what lies ahead in an epoch.

use std::cell::RefCell;
use std::rc::Rc;

use super::node::{Data, Label, Node};
use super::{Fuel, Stopped};
use crate::operator::{Delay, DistinctTrace, JoinTrace, distinct_incremental, trace_append};
use crate::time::Time;
use crate::trace::Trace;
use crate::zset::{IndexedZSet, ZSet};

type Cell<D> = Rc<RefCell<D>>;

/// Puts out the trace of its input, this tick's changes included.
pub(super) struct TraceNode<K, V> {
    pub(super) label: Label,
    pub(super) input: Cell<IndexedZSet<K, V>>,
    pub(super) output: Cell<Trace<K, V>>,
    /// The trace when the epoch began.
    pub(super) saved: Trace<K, V>,
}

impl<K: Ord + Clone + 'static, V: Ord + Clone + 'static> Node for TraceNode<K, V> {
    fn label(&self) -> &Label {
        &self.label
    }

    fn clock_start(&mut self, epoch: u64) {
        let mut trace = self.output.borrow_mut();
        trace.close(epoch);
        self.saved = trace.clone();
    }

    fn evaluate(&mut self, time: Time, _: &mut Fuel) -> Result<usize, Stopped> {
        trace_append(&self.input.borrow(), &mut self.output.borrow_mut(), time);
        Ok(0)
    }

    fn clock_stop(&mut self) {
        self.saved = Trace::default();
    }

    fn roll_back(&mut self) {
        *self.output.borrow_mut() = std::mem::take(&mut self.saved);
    }
}

/// Puts out its input of the tick before.
pub(super) struct DelayNode<D> {
    pub(super) label: Label,
    pub(super) input: Cell<D>,
    pub(super) output: Cell<D>,
    pub(super) delay: Delay<D>,
    pub(super) saved: Delay<D>,
}

impl<D: Data + Clone> Node for DelayNode<D> {
    fn label(&self) -> &Label {
        &self.label
    }

    fn clock_start(&mut self, _: u64) {
        self.saved = self.delay.clone();
    }

    fn evaluate(&mut self, _: Time, _: &mut Fuel) -> Result<usize, Stopped> {
        let output = self.delay.tick(self.input.borrow().clone());
        let size = output.size();
        *self.output.borrow_mut() = output;
        Ok(size)
    }

    fn clock_stop(&mut self) {
        self.saved = Delay::default();
    }

    fn roll_back(&mut self) {
        self.delay = std::mem::take(&mut self.saved);
    }
}

/// Joins changes with a trace.
pub(super) struct JoinNode<K, V, W, O, F> {
    pub(super) label: Label,
    pub(super) changes: Cell<IndexedZSet<K, V>>,
    pub(super) trace: Cell<Trace<K, W>>,
    pub(super) function: F,
    pub(super) output: Cell<ZSet<O>>,
    pub(super) join: JoinTrace<O>,
}

impl<K, V, W, O, F> Node for JoinNode<K, V, W, O, F>
where
    K: Ord + Clone,
    V: Ord + Clone,
    W: Ord + Clone,
    O: Ord + Clone,
    F: Fn(&K, &V, &W) -> O,
{
    fn label(&self) -> &Label {
        &self.label
    }

    fn evaluate(&mut self, time: Time, _: &mut Fuel) -> Result<usize, Stopped> {
        let (changes, trace) = (self.changes.borrow(), self.trace.borrow());
        let output = self.join.tick(&self.function, &changes, &trace, time);
        let size = output.len();
        *self.output.borrow_mut() = output;
        Ok(size)
    }

    fn roll_back(&mut self) {
        self.join = JoinTrace::default();
    }

    fn is_settled(&self) -> bool {
        self.join.is_settled()
    }
}

/// The changes of a set.
pub(super) struct DistinctNode<T> {
    pub(super) label: Label,
    /// Whether it stands in a subcircuit.
    pub(super) nested: bool,
    pub(super) input: Cell<ZSet<T>>,
    pub(super) output: Cell<ZSet<T>>,
    pub(super) trace: Trace<T>,
    pub(super) saved: Trace<T>,
    pub(super) distinct: DistinctTrace<T>,
}

impl<T: Ord + Clone> Node for DistinctNode<T> {
    fn label(&self) -> &Label {
        &self.label
    }

    fn clock_start(&mut self, epoch: u64) {
        self.trace.close(epoch);
        self.saved = self.trace.clone();
    }

    fn evaluate(&mut self, time: Time, _: &mut Fuel) -> Result<usize, Stopped> {
        let input = self.input.borrow();
        let output = if self.nested {
            self.distinct.tick(&input, &self.trace, time)
        } else {
            distinct_incremental(&input, &self.trace)
        };
        self.trace.append(input.iter().map(|(element, weight)| ((element.clone(), ()), weight)), time);
        let size = output.len();
        *self.output.borrow_mut() = output;
        Ok(size)
    }

    fn clock_stop(&mut self) {
        self.saved = Trace::default();
    }

    fn roll_back(&mut self) {
        self.trace = std::mem::take(&mut self.saved);
        self.distinct = DistinctTrace::default();
    }

    fn is_settled(&self) -> bool {
        self.distinct.is_settled()
    }
}

/// Where a feedback reads: nowhere yet, or a stream.
pub(super) type Source<T> = Rc<RefCell<Option<Cell<ZSet<T>>>>>;

/// Gives what its input was at the iteration before.
pub(super) struct FeedbackNode<T> {
    pub(super) label: Label,
    /// Set when the loop is closed.
    pub(super) input: Source<T>,
    pub(super) output: Cell<ZSet<T>>,
}

impl<T: Ord + Clone> FeedbackNode<T> {
    fn read<R>(&self, read: impl FnOnce(&ZSet<T>) -> R) -> R {
        let input = self.input.borrow();
        let input = input.as_ref().expect("a feedback is closed before its circuit runs").borrow();
        read(&input)
    }
}

impl<T: Ord + Clone> Node for FeedbackNode<T> {
    fn label(&self) -> &Label {
        &self.label
    }

    fn evaluate(&mut self, time: Time, _: &mut Fuel) -> Result<usize, Stopped> {
        // Whoever feeds it comes later in the tick, so its cell still holds the iteration before.
        let output = if time.iteration == 0 { ZSet::default() } else { self.read(Clone::clone) };
        let size = output.len();
        *self.output.borrow_mut() = output;
        Ok(size)
    }

    fn is_settled(&self) -> bool {
        self.read(ZSet::is_empty)
    }
}
