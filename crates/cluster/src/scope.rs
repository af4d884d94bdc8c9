//! The operators of one stage: nodes of a plan to operators of differential dataflow.
//!
//! A stage is an iterative scope, whether it loops or not, so that every operator is compiled for one kind of time: the
//! pair of an epoch and a round. What enters the scope is there from round 0.
//!
//! Collections carry weights, relations are sets. Operators whose result may have duplicates (a projection that loses
//! columns, a union) leave them in; sets are made again only where it matters: before a relation, a negation, an
//! aggregate of rows. So that no weight leaves 64 bits, each collection has a *degree*: 0 is a set, and for n > 0 all
//! weights together are at most rowsⁿ. Row-wise operators and unions do not raise it. A join does, so a join makes its
//! inputs sets where the result would have more than two: a billion rows squared stay below 2⁶³.
//!
//! Indexes of whole relations are made once for each key and shared in the scope. One worker runs everything, so
//! nothing is exchanged: [`arrange_index`] and [`arrange_keys`] are the only places that would change for several.
//!
//! Every operator works for a rule, and what it costs is counted ([`Task`]). When the epoch is stopped for that, the
//! operators make no more rows, and what they are given makes no more sense: they don't look at it.

use std::collections::BTreeMap;
use std::rc::Rc;

use differential_dataflow::VecCollection;
use differential_dataflow::batcher::merge::vec::VecMerger;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::trace::implementations::{
    ContainerChunker, KeyBuilder, KeySpine, ValBuilder, ValSpine,
};
use motet_algebra::aggregate::{dense_ranks, row_order};
use motet_algebra::dictionary::Id;
use motet_algebra::moves::fold_moves;
use motet_algebra::{Aggregate, RelationName, Row, Site};
use motet_fact::Value;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::operator::empty;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::scope::Iterative;
use timely::order::Product;

use crate::batcher::MeteredBatcher;
use crate::each::{Dropped, apply, lengthen};
use crate::plan::{Keyed, Node, Origin, Step};
use crate::row::{PackedRow, pick};
use crate::task::{Shared, Task};
use crate::undefined::Ledger;

/// The epoch of a change: how many steps were run before it since the dataflow was built.
pub(crate) type Epoch = u32;
/// The round of a loop.
pub(crate) type Round = u32;
/// When a change happens: in an epoch, in a round.
pub(crate) type Moment = Product<Epoch, Round>;

/// A collection of rows in a stage.
pub(crate) type Rows<'s, W> = VecCollection<'s, Moment, W, i64>;
type Index<'s, W> = Arranged<'s, TraceAgent<ValSpine<W, W, Moment, i64>>>;
type Keys<'s, W> = Arranged<'s, TraceAgent<KeySpine<W, Moment, i64>>>;

/// The highest degree that the inputs of a join may have together.
const MAX_DEGREE: u32 = 1;
/// No limit on a degree.
const ANY_DEGREE: u32 = u32::MAX;

/// A collection, and what is known of its weights: degree 0 is a set.
pub(crate) struct Flow<'s, W: PackedRow> {
    pub(crate) rows: Rows<'s, W>,
    pub(crate) degree: u32,
}

/// A stage that is being built.
pub(crate) struct Stage<'s, W: PackedRow> {
    /// Where the operators go.
    pub(crate) scope: Iterative<'s, Epoch, Round>,
    /// One row without columns, there from the first epoch on.
    pub(crate) unit: Rows<'s, W>,
    /// The relations so far. One that is not here is empty.
    pub(crate) relations: BTreeMap<RelationName, Rows<'s, W>>,
    /// What operators are made for.
    task: Task,
    shared: Shared,
    ledger: Rc<Ledger<W>>,
    indexes: BTreeMap<(RelationName, Vec<usize>), Index<'s, W>>,
    keys: BTreeMap<(RelationName, Vec<usize>), Keys<'s, W>>,
}

impl<'s, W: PackedRow> Stage<'s, W> {
    /// A stage without operators.
    pub(crate) fn new(
        scope: Iterative<'s, Epoch, Round>,
        unit: Rows<'s, W>,
        shared: Shared,
        ledger: Rc<Ledger<W>>,
    ) -> Self {
        Stage {
            scope,
            unit,
            relations: BTreeMap::new(),
            task: shared.task(vec![Site::of(&"".into())]),
            shared,
            ledger,
            indexes: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }

    /// The operators to come are made for this.
    pub(crate) fn work_for(&mut self, task: Task) {
        self.task = task;
    }

    /// The work of a relation, with its rules.
    pub(crate) fn task(&self, sites: Vec<Site>) -> Task {
        self.shared.task(sites)
    }

    /// The operators of a node.
    pub(crate) fn node(&mut self, node: &Node) -> Flow<'s, W> {
        match node {
            Node::Read(name) => self.read(name),
            Node::Rows(rows) => self.constant(rows),
            Node::Each(input, steps) => self.each(input, steps),
            Node::Union(inputs) => self.union(inputs),
            Node::Join { left, right, emit } => self.join(left, right, emit),
            Node::Semi { left, right, emit, anti } => self.semi(left, right, emit, *anti),
            Node::Group { input, keys, aggregate, over } => self.group(input, keys, aggregate, over),
            Node::Rank { input, keys, by, width } => self.rank(input, keys, by, *width),
            Node::FoldMoves { input, keys, ordered } => self.fold_moves(input, keys, ordered),
        }
    }

    fn read(&self, name: &RelationName) -> Flow<'s, W> {
        let rows = self.relations.get(name).cloned();
        Flow { rows: rows.unwrap_or_else(|| VecCollection::new(empty(self.scope))), degree: 0 }
    }

    fn constant(&self, rows: &[Vec<Id>]) -> Flow<'s, W> {
        let rows: Vec<W> = rows.iter().map(|row| W::collect(row.iter().copied())).collect();
        Flow { rows: self.unit.clone().flat_map(move |_| rows.clone()), degree: 0 }
    }

    fn each(&mut self, input: &Node, steps: &[Step]) -> Flow<'s, W> {
        let Flow { rows, degree } = self.node(input);
        let lossy = steps.iter().any(|step| matches!(step, Step::Keep { lossy: true, .. }));
        let note = |step: &Step| match step {
            Step::Filter(_, term) | Step::Extend(_, _, term) => Some(self.ledger.operator(&self.task, term)),
            Step::Same(..) | Step::Is(..) | Step::Cid(..) | Step::Keep { .. } => None,
        };
        let notes: Vec<_> = steps.iter().map(note).collect();
        let (steps, task) = (steps.to_vec(), self.task.clone());
        let rows = rows.inner.flat_map(move |(row, time, change)| {
            task.work();
            if task.is_stopped() {
                return None;
            }
            let applied = apply(row, &steps, &task);
            if let Err((step, Dropped::Undefined(row))) = &applied {
                let note = notes[*step].as_ref().expect("only terms and formulas are undefined");
                note(row, change);
            }
            applied.ok().map(|row| (row, time, change))
        });
        Flow { rows: VecCollection::new(rows), degree: degree.max(u32::from(lossy)) }
    }

    /// The sum of all inputs.
    fn union(&mut self, inputs: &[Node]) -> Flow<'s, W> {
        let flows: Vec<_> = inputs.iter().map(|input| self.node(input)).collect();
        self.sum(flows)
    }

    /// The sum of some flows.
    pub(crate) fn sum(&self, flows: Vec<Flow<'s, W>>) -> Flow<'s, W> {
        let highest = flows.iter().map(|flow| flow.degree).max().unwrap_or(0);
        let degree = highest.max(u32::from(flows.len() > 1));
        let rows = differential_dataflow::collection::concatenate(
            self.scope,
            flows.into_iter().map(|flow| flow.rows),
        );
        Flow { rows, degree }
    }

    fn join(&mut self, left: &Keyed, right: &Keyed, emit: &[Origin]) -> Flow<'s, W> {
        let (left_index, left_degree) = self.index(left, MAX_DEGREE);
        let (right_index, right_degree) = self.index(right, MAX_DEGREE - left_degree);
        let lossy = emit.len() < left.key.len() + left.rest.len() + right.rest.len();
        let (emit, task) = (emit.to_vec(), self.task.clone());
        let rows = left_index.join_core(right_index, move |key: &W, left: &W, right: &W| {
            task.count_row();
            if task.is_stopped() {
                return None;
            }
            let column = |origin: &Origin| match origin {
                Origin::Key(place) => key.at(*place),
                Origin::Left(place) => left.at(*place),
                Origin::Right(place) => right.at(*place),
            };
            Some(W::collect(emit.iter().map(column)))
        });
        let degree = left_degree + right_degree;
        Flow { rows, degree: if degree > 0 || lossy { degree + 1 } else { 0 } }
    }

    fn semi(&mut self, left: &Keyed, right: &Keyed, emit: &[Origin], anti: bool) -> Flow<'s, W> {
        let (index, degree) = self.index(left, ANY_DEGREE);
        let keys = self.key_set(right);
        let emit = restore(emit);
        let again = emit.clone();
        let task = self.task.clone();
        let found = index.clone().join_core(keys, move |key: &W, rest: &W, _: &()| {
            task.count_row();
            (!task.is_stopped()).then(|| emit(key, rest))
        });
        if !anti {
            return Flow { rows: found, degree };
        }
        let all = index.as_collection(move |key, rest| again(key, rest));
        Flow { rows: all.concat(found.negate()), degree }
    }

    fn group(&mut self, input: &Node, keys: &[usize], aggregate: &Aggregate, over: &[usize]) -> Flow<'s, W> {
        let flow = self.node(input);
        // A sum, say, and a count of rows take each row once; others take each value once, and reduce sees it so.
        let note = self.ledger.operator(&self.task, &aggregate.to_string().into());
        let (aggregate, per_row) = (aggregate.clone(), aggregate.counts_rows() || over.is_empty());
        let rows = if per_row { self.set(flow) } else { flow.rows };
        let (places, width) = (keys.to_vec(), keys.len());
        let (over, compared) = (over.to_vec(), over.len());
        let pairs = rows.map(move |row| (pick(&row, &places), pick(&row, &over)));
        let task = self.task.clone();
        let reduced = self.reduce(pairs, "Group", move |input, output| {
            // The second column says whether there is a value.
            let id = fold(&aggregate, per_row, compared, input, &task);
            let columns = [id.unwrap_or(0), Id::from(id.is_some())];
            output.push((W::collect(columns.into_iter()), 1));
        });
        let groups = reduced.as_collection(|key, value| (key.clone(), value.at(0), value.at(1)));
        let rows = groups.inner.flat_map(move |((key, id, is_defined), time, change)| {
            if is_defined == 0 {
                note(&key, change);
                return None;
            }
            Some((lengthen(&key, width, id), time, change))
        });
        Flow { rows: VecCollection::new(rows), degree: 0 }
    }

    fn rank(&mut self, input: &Node, keys: &[usize], by: &[usize], width: usize) -> Flow<'s, W> {
        let places = keys.to_vec();
        let pairs = self.node(input).rows.map(move |row| (pick(&row, &places), row));
        let (by, task) = (by.to_vec(), self.task.clone());
        let reduced = self.reduce(pairs, "Rank", move |input, output| {
            let ranked = input.iter().zip(ranks(&by, input, &task));
            output.extend(ranked.map(|((row, _), rank)| (lengthen(*row, width, rank), 1)));
        });
        Flow { rows: reduced.as_collection(|_key, row| row.clone()), degree: 0 }
    }

    fn fold_moves(&mut self, input: &Node, keys: &[usize], ordered: &[usize]) -> Flow<'s, W> {
        let (places, ordered, width) = (keys.to_vec(), ordered.to_vec(), keys.len());
        let columns = ordered.len();
        let pairs = self.node(input).rows.map(move |row| (pick(&row, &places), pick(&row, &ordered)));
        let task = self.task.clone();
        let reduced = self.reduce(pairs, "FoldMoves", move |input, output| {
            let placed = fold_moves(moves_in_order(columns, input, &task));
            let pair = |(node, parent)| (W::collect([node, parent].into_iter()), 1);
            output.extend(placed.into_iter().map(pair));
        });
        let whole = move |key: &W, placed: &W| {
            let column = |place| if place < width { key.at(place) } else { placed.at(place - width) };
            W::collect((0..width + 2).map(column))
        };
        Flow { rows: reduced.as_collection(whole), degree: 0 }
    }

    /// What is made of the values of each key, with their weights.
    fn reduce(
        &self,
        pairs: VecCollection<'s, Moment, (W, W), i64>,
        name: &str,
        mut make: impl FnMut(&[(&W, i64)], &mut Vec<(W, i64)>) + 'static,
    ) -> Index<'s, W> {
        let task = self.task.clone();
        arrange_index(pairs, &self.task)
            .reduce_abelian::<_, ValBuilder<W, W, Moment, i64>, ValSpine<_, _, _, _>, _, _>(
                name,
                move |_key, input, output| {
                    task.work();
                    if !task.is_stopped() {
                        assert!(
                            input.iter().all(|(_, weight)| *weight > 0),
                            "a group holds rows that are there"
                        );
                        make(input, output);
                    }
                },
                fill(&self.task),
            )
    }

    /// A side of a join, indexed by its key, with its degree, which is at most the one given.
    fn index(&mut self, side: &Keyed, most: u32) -> (Index<'s, W>, u32) {
        let cached = cache_key(side);
        if let Some(index) = cached.as_ref().and_then(|key| self.indexes.get(key)) {
            return (index.clone(), 0);
        }
        let Flow { mut rows, mut degree } = self.node(&side.node);
        if degree > most {
            (rows, degree) = (self.distinct(rows), 0);
        }
        let (key, rest) = (side.key.clone(), side.rest.clone());
        let pairs = rows.map(move |row| (pick(&row, &key), pick(&row, &rest)));
        let index = arrange_index(pairs, &self.task);
        if let Some(key) = cached {
            self.indexes.insert(key, index.clone());
        }
        (index, degree)
    }

    /// The keys that a side has, each once.
    fn key_set(&mut self, side: &Keyed) -> Keys<'s, W> {
        let cached = cache_key(side);
        if let Some(keys) = cached.as_ref().and_then(|key| self.keys.get(key)) {
            return keys.clone();
        }
        let Flow { rows, degree } = self.node(&side.node);
        let key = side.key.clone();
        let rows = rows.map(move |row| pick(&row, &key));
        let is_set = degree == 0 && side.rest.is_empty();
        let keys = if is_set { arrange_keys(rows, &self.task) } else { distinct_keys(rows, &self.task) };
        if let Some(key) = cached {
            self.keys.insert(key, keys.clone());
        }
        keys
    }

    /// The flow as a set.
    pub(crate) fn set(&self, flow: Flow<'s, W>) -> Rows<'s, W> {
        if flow.degree == 0 { flow.rows } else { self.distinct(flow.rows) }
    }

    /// The rows of a collection, each once.
    pub(crate) fn distinct(&self, rows: Rows<'s, W>) -> Rows<'s, W> {
        distinct_keys(rows, &self.task).as_collection(|row, ()| row.clone())
    }
}

/// What an index of a whole relation is known by.
fn cache_key(side: &Keyed) -> Option<(RelationName, Vec<usize>)> {
    if let Node::Read(name) = &*side.node { Some((name.clone(), side.key.clone())) } else { None }
}

/// Puts the key and the rest of a row together again.
fn restore<W: PackedRow>(emit: &[Origin]) -> impl Fn(&W, &W) -> W + Clone + 'static {
    let emit = emit.to_vec();
    move |key, rest| {
        W::collect(emit.iter().map(|origin| match origin {
            Origin::Key(place) => key.at(*place),
            Origin::Left(place) | Origin::Right(place) => rest.at(*place),
        }))
    }
}

/// What one key's changes become in the batch that an arrangement is built from.
type KeyedChange<W> = ((W, W), Moment, i64);

/// Puts one key's changes into such a batch, and counts them: the arrangement keeps them.
#[expect(clippy::type_complexity, reason = "it is what differential dataflow asks for")]
fn fill<W: PackedRow>(
    task: &Task,
) -> impl FnMut(&mut Vec<KeyedChange<W>>, &W, &mut Vec<(W, Moment, i64)>) + use<W> {
    let task = task.clone();
    move |batch, key, changes| {
        task.hold_updates(changes.len(), 2);
        batch.clear();
        batch.extend(changes.drain(..).map(|(value, time, weight)| ((key.clone(), value), time, weight)));
    }
}

/// The aggregate of a group: its values, each with the number of rows that have it, and each with so many columns. A
/// count of rows has one value for all, the empty row.
fn fold<W: PackedRow>(
    aggregate: &Aggregate,
    per_row: bool,
    columns: usize,
    input: &[(&W, i64)],
    task: &Task,
) -> Option<Id> {
    let times = |weight: i64| if per_row { weight } else { 1 };
    let value = if *aggregate == Aggregate::Count {
        Value::Int(input.iter().map(|(_, weight)| times(*weight)).sum())
    } else {
        let value = task.look_up(|dictionary| {
            let decoded =
                |value: &W| (0..columns).map(|place| dictionary.value(value.at(place))).collect::<Row>();
            let repeated = |(value, weight): &(&W, i64)| {
                let times = usize::try_from(times(*weight)).expect("weights are positive");
                std::iter::repeat_n(decoded(value), times)
            };
            aggregate.fold_rows(&mut input.iter().flat_map(repeated))
        });
        value?
    };
    Some(task.intern(&value))
}

/// The place of each row of a group.
fn ranks<W: PackedRow>(by: &[usize], input: &[(&W, i64)], task: &Task) -> Vec<Id> {
    let rows: Vec<Row> = task.look_up(|dictionary| {
        let decoded = |row: &W| by.iter().map(|place| dictionary.value(row.at(*place))).collect();
        input.iter().map(|(row, _)| decoded(row)).collect()
    });
    dense_ranks(&rows).into_iter().map(|rank| task.intern(&Value::Int(rank))).collect()
}

/// The moves of a group: what is moved under what, which are its last two columns, in the order of all of them. Numbers
/// are equal where values are, so it is numbers that are moved.
fn moves_in_order<W: PackedRow>(columns: usize, input: &[(&W, i64)], task: &Task) -> Vec<(Id, Id)> {
    let mut moves: Vec<(Row, &W)> = task.look_up(|dictionary| {
        let decoded = |row: &W| (0..columns).map(|place| dictionary.value(row.at(place))).collect();
        input.iter().map(|(row, _)| (decoded(row), *row)).collect()
    });
    moves.sort_by(|(left, _), (right, _)| row_order(left, right));
    moves.into_iter().map(|(_, row)| (row.at(columns - 2), row.at(columns - 1))).collect()
}

type PairsBatcher<W> = MeteredBatcher<
    ContainerChunker<Vec<((W, W), Moment, i64)>>,
    VecMerger<(W, W), Moment, i64>,
    ValBuilder<W, W, Moment, i64>,
>;
type KeysBatcher<W> = MeteredBatcher<
    ContainerChunker<Vec<((W, ()), Moment, i64)>>,
    VecMerger<(W, ()), Moment, i64>,
    KeyBuilder<W, Moment, i64>,
>;

fn arrange_index<'s, W: PackedRow>(
    pairs: VecCollection<'s, Moment, (W, W), i64>,
    task: &Task,
) -> Index<'s, W> {
    let batcher = |_, _| PairsBatcher::<W>::new(task.clone(), 2);
    arrange_core::<_, _, _, ValSpine<W, W, Moment, i64>>(pairs.inner, Pipeline, "Index", batcher)
}

fn arrange_keys<'s, W: PackedRow>(rows: Rows<'s, W>, task: &Task) -> Keys<'s, W> {
    let batcher = |_, _| KeysBatcher::<W>::new(task.clone(), 1);
    let keyed = rows.map(|row| (row, ()));
    arrange_core::<_, _, _, KeySpine<W, Moment, i64>>(keyed.inner, Pipeline, "Keys", batcher)
}

/// The rows of a collection, each once, arranged.
fn distinct_keys<'s, W: PackedRow>(rows: Rows<'s, W>, task: &Task) -> Keys<'s, W> {
    let (of, kept) = (task.clone(), task.clone());
    arrange_keys(rows, task).reduce_abelian::<_, KeyBuilder<W, Moment, i64>, KeySpine<W, Moment, i64>, _, _>(
        "Distinct",
        move |row, input, output| {
            let there = input.iter().all(|(_, weight)| *weight > 0);
            assert!(there || of.is_stopped(), "{row:?} is there a negative number of times");
            output.push(((), 1));
        },
        move |batch, row, changes| {
            kept.hold_updates(changes.len(), 1);
            batch.clear();
            batch.extend(changes.drain(..).map(|(unit, time, weight)| ((row.clone(), unit), time, weight)));
        },
    )
}
