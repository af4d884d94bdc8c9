//! Building circuits: one method for each operator, and the incremental compounds of several.

use std::rc::Rc;

use super::node::{Data, Exported, Kind, Label, Node, Plain, Subcircuit};
use super::stateful::{DelayNode, DistinctNode, FeedbackNode, JoinNode, Source, TraceNode};
use super::{Circuit, Input, NodeId, Stream};
use crate::operator::{self, Delay, DistinctTrace, JoinTrace};
use crate::time::Time;
use crate::trace::Trace;
use crate::zset::{IndexedZSet, Weight, ZSet};

/// What a stream carries must be comparable and copyable.
pub trait Element: Ord + Clone + 'static {}
impl<T: Ord + Clone + 'static> Element for T {}

/// A subcircuit while it is built: a circuit with imports, feedbacks and exports.
pub struct Child<'a> {
    circuit: &'a mut Circuit,
    exports: Vec<Box<dyn super::node::Export>>,
    inputs: Vec<NodeId>,
    outer: NodeId,
}

/// A loop that is still open: the stream is there, what feeds it is not.
pub struct Feedback<T> {
    stream: Stream<ZSet<T>>,
    input: Source<T>,
}

impl Circuit {
    fn id(&self, local: usize) -> NodeId {
        NodeId(self.path.iter().copied().chain([local]).collect())
    }

    fn label(&self, kind: Kind, name: &str, inputs: &[&NodeId]) -> Label {
        let inputs = inputs.iter().map(|id| (*id).clone()).collect();
        Label { id: self.id(self.nodes.len()), kind, name: name.to_owned(), inputs }
    }

    fn add(&mut self, node: impl Node + 'static) {
        self.nodes.push(Box::new(node));
    }

    /// A node without state.
    fn plain<D: Data>(&mut self, label: Label, compute: impl FnMut(Time) -> D + 'static) -> Stream<D> {
        let stream = Stream { node: label.id.clone(), cell: Rc::default() };
        self.add(Plain { label, compute, output: stream.cell.clone() });
        stream
    }

    /// A node that applies an operator to one stream.
    fn unary<A: 'static, D: Data>(
        &mut self,
        name: &str,
        input: &Stream<A>,
        operator: impl Fn(&A) -> D + 'static,
    ) -> Stream<D> {
        let (label, cell) = (self.label(Kind::Operator, name, &[&input.node]), input.cell.clone());
        self.plain(label, move |_| operator(&cell.borrow()))
    }

    /// A node that applies an operator to two streams.
    fn binary<A: 'static, B: 'static, D: Data>(
        &mut self,
        name: &str,
        (one, two): (&Stream<A>, &Stream<B>),
        operator: impl Fn(&A, &B) -> D + 'static,
    ) -> Stream<D> {
        let label = self.label(Kind::Operator, name, &[&one.node, &two.node]);
        let cells = (one.cell.clone(), two.cell.clone());
        self.plain(label, move |_| operator(&cells.0.borrow(), &cells.1.borrow()))
    }

    /// A source: changes from outside.
    pub fn source<T: Element>(&mut self, name: &str) -> (Input<T>, Stream<ZSet<T>>) {
        let input = Input { waiting: Rc::default() };
        let (label, taken) = (self.label(Kind::Source, name, &[]), input.clone());
        (input, self.plain(label, move |_| taken.take()))
    }

    /// A sink: a callback sees each tick's changes.
    pub fn sink<T: Element>(
        &mut self,
        name: &str,
        input: &Stream<ZSet<T>>,
        mut callback: impl FnMut(Time, &ZSet<T>) + 'static,
    ) {
        let (label, cell) = (self.label(Kind::Sink, name, &[&input.node]), input.cell.clone());
        self.plain(label, move |time| callback(time, &cell.borrow()));
    }

    /// [`operator::map`].
    pub fn map<T: Element, U: Element>(
        &mut self,
        input: &Stream<ZSet<T>>,
        function: impl Fn(&T) -> U + 'static,
    ) -> Stream<ZSet<U>> {
        self.unary("map", input, move |input| operator::map(&function, input))
    }

    /// [`operator::filter`].
    pub fn filter<T: Element>(
        &mut self,
        input: &Stream<ZSet<T>>,
        predicate: impl Fn(&T) -> bool + 'static,
    ) -> Stream<ZSet<T>> {
        self.unary("filter", input, move |input| operator::filter(&predicate, input))
    }

    /// [`operator::negate`].
    pub fn negate<T: Element>(&mut self, input: &Stream<ZSet<T>>) -> Stream<ZSet<T>> {
        self.unary("negate", input, operator::negate)
    }

    /// [`operator::inspect`].
    pub fn inspect<T: Element>(
        &mut self,
        input: &Stream<ZSet<T>>,
        callback: impl Fn(&ZSet<T>) + 'static,
    ) -> Stream<ZSet<T>> {
        self.unary("inspect", input, move |input| operator::inspect(&callback, input))
    }

    /// [`operator::index_with`].
    pub fn index_with<K: Element, T: Element>(
        &mut self,
        input: &Stream<ZSet<T>>,
        key: impl Fn(&T) -> K + 'static,
    ) -> Stream<IndexedZSet<K, T>> {
        self.unary("index-with", input, move |input| operator::index_with(&key, input))
    }

    /// [`operator::plus`].
    pub fn plus<T: Element>(&mut self, one: &Stream<ZSet<T>>, two: &Stream<ZSet<T>>) -> Stream<ZSet<T>> {
        self.binary("plus", (one, two), operator::plus)
    }

    /// [`operator::minus`].
    pub fn minus<T: Element>(&mut self, one: &Stream<ZSet<T>>, two: &Stream<ZSet<T>>) -> Stream<ZSet<T>> {
        self.binary("minus", (one, two), operator::minus)
    }

    /// [`operator::join_stream`]: of this tick's changes alone.
    pub fn join_stream<K: Element, V: Element, W: Element, O: Element>(
        &mut self,
        one: &Stream<IndexedZSet<K, V>>,
        two: &Stream<IndexedZSet<K, W>>,
        function: impl Fn(&K, &V, &W) -> O + 'static,
    ) -> Stream<ZSet<O>> {
        self.binary("join-stream", (one, two), move |one, two| operator::join_stream(&function, one, two))
    }

    /// [`operator::trace_append`]: the trace of a stream, this tick's changes included.
    pub fn trace<K: Element, V: Element>(
        &mut self,
        input: &Stream<IndexedZSet<K, V>>,
    ) -> Stream<Trace<K, V>> {
        let label = self.label(Kind::Operator, "trace-append", &[&input.node]);
        let stream = Stream { node: label.id.clone(), cell: Rc::default() };
        let (input, output) = (input.cell.clone(), stream.cell.clone());
        self.add(TraceNode { label, input, output, saved: Trace::default() });
        stream
    }

    /// [`operator::consolidate`].
    pub fn consolidate<K: Element, V: Element>(
        &mut self,
        input: &Stream<Trace<K, V>>,
    ) -> Stream<IndexedZSet<K, V>> {
        self.unary("consolidate", input, operator::consolidate)
    }

    fn delayed<D: Data + Clone>(&mut self, name: &str, input: &Stream<D>) -> Stream<D> {
        let label = self.label(Kind::Operator, name, &[&input.node]);
        let stream = Stream { node: label.id.clone(), cell: Rc::default() };
        let (input, output) = (input.cell.clone(), stream.cell.clone());
        self.add(DelayNode { label, input, output, delay: Delay::default(), saved: Delay::default() });
        stream
    }

    /// [`Delay`] of changes.
    pub fn delay<T: Element>(&mut self, input: &Stream<ZSet<T>>) -> Stream<ZSet<T>> {
        self.delayed("delay", input)
    }

    /// [`Delay`] of a trace: as it was one tick ago.
    pub fn delay_trace<K: Element, V: Element>(
        &mut self,
        input: &Stream<Trace<K, V>>,
    ) -> Stream<Trace<K, V>> {
        self.delayed("delay-trace", input)
    }

    /// [`operator::join_trace`]; in a subcircuit [`JoinTrace`].
    pub fn join_trace<K: Element, V: Element, W: Element, O: Element>(
        &mut self,
        changes: &Stream<IndexedZSet<K, V>>,
        trace: &Stream<Trace<K, W>>,
        function: impl Fn(&K, &V, &W) -> O + 'static,
    ) -> Stream<ZSet<O>> {
        let label = self.label(Kind::Operator, "join-trace", &[&changes.node, &trace.node]);
        let stream = Stream { node: label.id.clone(), cell: Rc::default() };
        let (changes, trace, output) = (changes.cell.clone(), trace.cell.clone(), stream.cell.clone());
        self.add(JoinNode { label, changes, trace, function, output, join: JoinTrace::default() });
        stream
    }

    /// The changes of a join, from the changes of its inputs: a ⋈ (B + b) + A ⋈ b (PF-20).
    pub fn join<K: Element, V: Element, W: Element, O: Element>(
        &mut self,
        one: &Stream<IndexedZSet<K, V>>,
        two: &Stream<IndexedZSet<K, W>>,
        function: impl Fn(&K, &V, &W) -> O + Clone + 'static,
    ) -> Stream<ZSet<O>> {
        let (first, second) = (self.trace(one), self.trace(two));
        let before = self.delay_trace(&first);
        let left = self.join_trace(one, &second, function.clone());
        let right =
            self.join_trace(two, &before, move |key: &K, other: &W, value: &V| function(key, value, other));
        self.plus(&left, &right)
    }

    /// The changes of a set: [`operator::distinct_incremental`]; in a subcircuit [`DistinctTrace`].
    pub fn distinct<T: Element>(&mut self, input: &Stream<ZSet<T>>) -> Stream<ZSet<T>> {
        let nested = !self.path.is_empty();
        let name = if nested { "distinct-trace" } else { "distinct-incremental" };
        let label = self.label(Kind::Operator, name, &[&input.node]);
        let stream = Stream { node: label.id.clone(), cell: Rc::default() };
        let (input, output) = (input.cell.clone(), stream.cell.clone());
        let (trace, saved, distinct) = (Trace::default(), Trace::default(), DistinctTrace::default());
        self.add(DistinctNode { label, nested, input, output, trace, saved, distinct });
        stream
    }

    /// The changes of an aggregate: [`operator::aggregate_incremental`].
    ///
    /// # Panics
    /// In a subcircuit: recursion through an aggregate has no fixed point that all orders agree on.
    pub fn aggregate<K: Element, V: Element, A: Element>(
        &mut self,
        input: &Stream<IndexedZSet<K, V>>,
        function: impl Fn(&K, &[(V, Weight)]) -> Option<A> + 'static,
    ) -> Stream<IndexedZSet<K, A>> {
        assert!(self.path.is_empty(), "aggregates stand outside of subcircuits");
        let trace = self.trace(input);
        let before = self.delay_trace(&trace);
        self.binary("aggregate", (input, &before), move |changes, before| {
            operator::aggregate_incremental(&function, changes, before)
        })
    }

    /// A subcircuit that runs to its fixed point at each step. What the closure gives, exported streams, is given back.
    ///
    /// # Panics
    /// In a subcircuit: they are not nested (PF-29).
    pub fn child<R>(&mut self, name: &str, build: impl FnOnce(&mut Child<'_>) -> R) -> R {
        assert!(self.path.is_empty(), "a subcircuit has no subcircuits of its own");
        let mut label = self.label(Kind::Child, name, &[]);
        let mut circuit = Circuit { path: label.id.0.clone(), ..Circuit::default() };
        let (exports, inputs, outer) = (Vec::new(), Vec::new(), label.id.clone());
        let mut child = Child { circuit: &mut circuit, exports, inputs, outer };
        let result = build(&mut child);
        let (exports, inputs) = (child.exports, child.inputs);
        label.inputs = inputs;
        self.add(Subcircuit { label, circuit, exports });
        result
    }
}

impl Child<'_> {
    /// The circuit inside, to build operators in.
    pub fn circuit(&mut self) -> &mut Circuit {
        self.circuit
    }

    /// A stream of the parent: its changes come at the first iteration.
    pub fn import<T: Element>(&mut self, outside: &Stream<ZSet<T>>) -> Stream<ZSet<T>> {
        self.inputs.push(outside.node.clone());
        let label = self.circuit.label(Kind::Import, "import", &[&outside.node]);
        let cell = outside.cell.clone();
        let first =
            move |time: Time| if time.iteration == 0 { cell.borrow().clone() } else { ZSet::default() };
        self.circuit.plain(label, first)
    }

    /// A stream that gives what [`Child::close`] will feed it, one iteration later.
    pub fn feedback<T: Element>(&mut self) -> Feedback<T> {
        let label = self.circuit.label(Kind::Feedback, "feedback", &[]);
        let stream = Stream { node: label.id.clone(), cell: Rc::default() };
        let (input, output) = (Rc::default(), stream.cell.clone());
        self.circuit.add(FeedbackNode { label, input: Rc::clone(&input), output });
        Feedback { stream, input }
    }

    /// Closes a loop.
    pub fn close<T: Element>(&mut self, feedback: Feedback<T>, input: &Stream<ZSet<T>>) {
        *feedback.input.borrow_mut() = Some(input.cell.clone());
    }

    /// A stream for the parent: the sum over the iterations of each epoch.
    pub fn export<T: Element>(&mut self, inside: &Stream<ZSet<T>>) -> Stream<ZSet<T>> {
        let stream = Stream { node: self.outer.clone(), cell: Rc::default() };
        let (inner, outer) = (inside.cell.clone(), stream.cell.clone());
        self.exports.push(Box::new(Exported { inner, sum: Vec::new(), outer }));
        stream
    }
}

impl<T> Feedback<T> {
    /// What comes round.
    pub fn stream(&self) -> Stream<ZSet<T>> {
        self.stream.clone()
    }
}
