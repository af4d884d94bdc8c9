//! One runtime at work, and the views that read what comes out of it (Q16).
//!
//! A circuit lives in one thread, and belongs to the views that read it: whichever of them wants to go on drives it by
//! an epoch, and what that changes is put into the inbox of each. So there is nobody who has to drive it, and a view
//! that is slow finds in its inbox what others made happen.
//!
//! If its program has parameters that are rows ([`Parameterised`]), views with other values read it together. Each
//! *binding* that somebody asks for is a row of one input, and each reader hears of its own binding. The binding comes
//! in when its first reader does, and goes out with its last.
//!
//! An epoch that fails, over its budget, leaves the runtime as it was; its changes are *held*, and tried again before
//! what comes later. Where an epoch is a function of the inputs, all that has come since is tried together with them.
//!
//! A row of a base relation may come from several places (the same fact stated in two items). Relations are sets, so a
//! circuit counts how often each row is there, and tells the runtime only of the first coming and the last going. Where
//! the runtime knows what is there, only rows that are there more than once need a count.
//!
//! A circuit is saved with its runtime ([`Circuit::save`]), and goes on in another process as if nothing had been.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Instant;

use motet_algebra::checkpoint::{Blocks, Reader, Writer};
use motet_algebra::{Budget, Changes, RelationName, Row, Runtime, RuntimeError, Undefined, tick_is_due};
use motet_logic::Parameterised;

use crate::queue::{Queue, Waiting};
use crate::relations::{BaseChanges, Wanted};
use crate::{Error, RuntimeKind};

/// Past this many waiting epochs an inbox is merged into one.
const INBOX_EPOCHS: usize = 64;

/// The rows of some outputs.
pub(crate) type Contents = BTreeMap<RelationName, BTreeSet<Row>>;

/// How often each row of the inputs is there.
enum Multiset {
    /// All of them. Rows are told apart by 128 bits of a hash keyed at random.
    All { keys: (RandomState, RandomState), counts: HashMap<(u64, u64), u32> },
    /// Those that are there more than once; whether others are there the runtime knows, if the program can see them.
    Repeated(Repeated),
}

type Repeated = BTreeMap<RelationName, BTreeMap<Row, u32>>;

impl Multiset {
    fn of(kind: RuntimeKind) -> Self {
        match kind {
            RuntimeKind::Native => Multiset::Repeated(BTreeMap::new()),
            RuntimeKind::Naive | RuntimeKind::Cluster => {
                Multiset::All { keys: Default::default(), counts: HashMap::new() }
            }
        }
    }

    /// Changes the count of a row; gives +1 if it came, -1 if it went, 0 if neither. `is_there` tells of a row that is
    /// not counted whether it is there; of one that the program can't see it may say no.
    fn change(
        &mut self,
        relation: &RelationName,
        row: &Row,
        weight: i64,
        is_there: impl FnOnce() -> bool,
    ) -> i64 {
        match self {
            Multiset::All { keys, counts } => {
                let key = (keys.0.hash_one((relation, row)), keys.1.hash_one((relation, row)));
                let before = i64::from(counts.get(&key).copied().unwrap_or(0));
                let after = u32::try_from(before + weight)
                    .expect("no row of a base relation goes more often than it came");
                if after == 0 {
                    counts.remove(&key)
                } else {
                    counts.insert(key, after)
                };
                i64::from(after > 0) - i64::from(before > 0)
            }
            Multiset::Repeated(counts) => {
                let known = counts.get(relation).and_then(|rows| rows.get(row)).copied();
                let before = known.map_or_else(|| i64::from(is_there()), i64::from);
                if let Ok(after @ 2..) = u32::try_from(before + weight) {
                    counts.entry(relation.clone()).or_default().insert(row.clone(), after);
                } else if known.is_some() {
                    counts.get_mut(relation).map(|rows| rows.remove(row));
                }
                i64::from(before + weight > 0) - i64::from(before > 0 || before + weight < 0)
            }
        }
    }
}

/// What waits for one reader of a circuit.
pub(crate) struct Inbox {
    /// The values of the program's parameters that it asks for.
    binding: Row,
    epochs: RefCell<VecDeque<Changes>>,
    /// What its reader has taken in: another reader may begin from that.
    contents: RefCell<Weak<Contents>>,
}

impl Inbox {
    fn push(&self, changes: Changes) {
        let mut epochs = self.epochs.borrow_mut();
        epochs.push_back(changes);
        if epochs.len() > INBOX_EPOCHS {
            let merged = epochs.drain(..).reduce(sum).expect("there are many");
            epochs.push_back(merged);
        }
    }

    /// The oldest epoch that its reader has not taken in.
    pub(crate) fn pop(&self) -> Option<Changes> {
        self.epochs.borrow_mut().pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.epochs.borrow().is_empty()
    }

    /// Notes what the reader has taken in.
    pub(crate) fn note(&self, contents: &Rc<Contents>) {
        *self.contents.borrow_mut() = Rc::downgrade(contents);
    }

    /// The rows of an output when all that waits has been taken in.
    fn outcome(&self, output: &RelationName) -> BTreeSet<Row> {
        let taken = self.contents.borrow().upgrade();
        let mut rows = taken.and_then(|contents| contents.get(output).cloned()).unwrap_or_default();
        for changes in self.epochs.borrow().iter().filter_map(|changes| changes.get(output)) {
            take_in(output, &mut rows, changes);
        }
        rows
    }
}

/// Takes changes of outputs in.
///
/// # Panics
/// If a row comes that is there, or goes that is not.
pub(crate) fn apply(contents: &mut Contents, changes: &Changes) {
    for (relation, changes) in changes {
        take_in(relation, contents.entry(relation.clone()).or_default(), changes);
    }
}

fn take_in(relation: &str, rows: &mut BTreeSet<Row>, changes: &[(Row, i64)]) {
    for (row, weight) in changes {
        let changed = if *weight > 0 { rows.insert(row.clone()) } else { rows.remove(row) };
        assert!(changed, "a change of {relation} adds up with its contents");
    }
}

/// Changes one after the other as one.
pub(crate) fn sum(first: Changes, second: Changes) -> Changes {
    let mut sums: BTreeMap<RelationName, BTreeMap<Row, i64>> = BTreeMap::new();
    for (relation, rows) in first.into_iter().chain(second) {
        let sums = sums.entry(relation).or_default();
        rows.into_iter().for_each(|(row, weight)| *sums.entry(row).or_default() += weight);
    }
    let net = |rows: BTreeMap<Row, i64>| -> Vec<(Row, i64)> {
        rows.into_iter().filter(|(_, weight)| *weight != 0).collect()
    };
    let sums = sums.into_iter().map(|(relation, rows)| (relation, net(rows)));
    sums.filter(|(_, rows)| !rows.is_empty()).collect()
}

/// Changes that an epoch failed over.
struct Held {
    inputs: Changes,
    epoch: Option<u64>,
}

/// One runtime, and who reads it.
pub(crate) struct Circuit {
    program: Parameterised,
    runtime: Box<dyn Runtime>,
    queue: Arc<Queue>,
    counts: Multiset,
    /// How many rows of the inputs have come and gone.
    rows: u64,
    held: Option<Held>,
    /// The bindings that are in the input.
    bindings: BTreeSet<Row>,
    readers: Vec<Weak<Inbox>>,
    /// How many epochs without input there were since the last batch.
    ticks: u64,
    /// The last batch of the journal that is in the runtime.
    taken: Option<u64>,
}

impl Circuit {
    /// A circuit that has run no epoch. Its queue is to be registered where the rows come from, and the rows that are
    /// there already are to be given to [`Circuit::begin`]. `given` is what an earlier process was given for the epoch
    /// that is to be run again.
    pub(crate) fn new(
        program: Parameterised,
        kind: RuntimeKind,
        merges: bool,
        given: &Contents,
    ) -> Result<Self, Error> {
        let runtime =
            kind.resume(&program.compiled, given).map_err(|error| Error::Plan(error.to_string()))?;
        let wanted = Wanted::all_of(&program.compiled);
        Ok(Circuit {
            program,
            runtime,
            queue: Arc::new(Queue::new(wanted, merges)),
            counts: Multiset::of(kind),
            rows: 0,
            held: None,
            bindings: BTreeSet::new(),
            readers: Vec::new(),
            ticks: 0,
            taken: None,
        })
    }

    pub(crate) fn program(&self) -> &Parameterised {
        &self.program
    }

    pub(crate) fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    pub(crate) fn runtime(&self) -> &dyn Runtime {
        &*self.runtime
    }

    pub(crate) fn undefined(&self) -> Vec<Undefined> {
        self.runtime.undefined()
    }

    /// The last batch of the journal that is in the runtime, or did not concern it.
    pub(crate) fn taken(&self) -> Option<u64> {
        self.queue.all_taken().filter(|_| self.held.is_none()).or(self.taken)
    }

    /// Prepares the first epoch: the rows that are there, and these of the program's own inputs. `epoch` is the batch
    /// of the journal after which they are there.
    pub(crate) fn begin(&mut self, rows: BaseChanges, facts: &Contents, epoch: Option<u64>) {
        let facts = facts.iter().map(|(relation, rows)| (relation.clone(), once(rows)));
        let inputs = sum(self.admit(rows), facts.collect());
        self.held = Some(Held { inputs, epoch });
        self.taken = epoch;
    }

    /// How many views read it.
    pub(crate) fn readers(&self) -> usize {
        self.readers.iter().filter(|reader| reader.strong_count() > 0).count()
    }

    /// Lets a reader in with its values for the parameters. Gives its inbox, and what its outputs hold; the epochs that
    /// bring the circuit there are run in its name.
    pub(crate) fn join(
        &mut self,
        binding: Row,
        budget: &Budget,
    ) -> Result<(Rc<Inbox>, Contents), RuntimeError> {
        while self.drive(budget, None)? {}
        let mut contents = self.heard_by_others(&binding);
        let asked = if self.bindings.contains(&binding) { Changes::new() } else { self.asked(&binding, 1) };
        if !asked.is_empty() {
            let changes = self.runtime.step(&asked, budget.clone())?;
            self.bindings.insert(binding.clone());
            apply(&mut contents, &self.part(&binding, &changes));
        }
        let inbox = Rc::new(Inbox { binding, epochs: RefCell::default(), contents: RefCell::default() });
        self.readers.push(Rc::downgrade(&inbox));
        Ok((inbox, contents))
    }

    /// What the outputs hold of a binding that somebody else reads them by already. An output need not depend on all
    /// parameters.
    fn heard_by_others(&self, binding: &Row) -> Contents {
        let others: Vec<Rc<Inbox>> = self.readers.iter().filter_map(Weak::upgrade).collect();
        let relations = self.program.compiled.program.relations.iter();
        let known = |(name, _): (&RelationName, &_)| {
            let places = self.program.bound.get(name).map_or(&[][..], Vec::as_slice);
            let same =
                |other: &&Rc<Inbox>| places.iter().all(|place| other.binding[*place] == binding[*place]);
            Some((name.clone(), others.iter().find(same)?.outcome(name)))
        };
        relations.filter(|(_, relation)| relation.output).filter_map(known).collect()
    }

    /// Lets the first reader in: what its outputs hold comes with the first epoch.
    pub(crate) fn join_first(&mut self, binding: Row) -> Rc<Inbox> {
        let asked = self.asked(&binding, 1);
        self.bindings.extend(asked.values().flatten().map(|(row, _)| row.clone()));
        let held = self.held.as_mut().expect("the first epoch is prepared");
        held.inputs = sum(std::mem::take(&mut held.inputs), asked);
        let inbox = Rc::new(Inbox { binding, epochs: RefCell::default(), contents: RefCell::default() });
        self.readers.push(Rc::downgrade(&inbox));
        inbox
    }

    /// Runs an epoch again that an earlier process ran, without a limit, and gives what the outputs hold after it.
    pub(crate) fn repeat(&mut self) -> Result<Contents, RuntimeError> {
        let held = self.held.take().expect("the epoch is prepared");
        let (mut contents, changes) = (Contents::new(), self.runtime.step(&held.inputs, Budget::UNLIMITED)?);
        apply(&mut contents, &changes);
        Ok(contents)
    }

    /// Lets a reader in that knows what the outputs of a restored circuit hold.
    pub(crate) fn join_again(&mut self) -> Rc<Inbox> {
        let inbox =
            Rc::new(Inbox { binding: Row::new(), epochs: RefCell::default(), contents: RefCell::default() });
        self.readers.push(Rc::downgrade(&inbox));
        inbox
    }

    /// How many rows of its inputs have come and gone.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Saves what another process needs to go on from here, as blocks; gives whether there is such a thing. Nothing may
    /// wait to be run.
    pub(crate) fn save(&self, put: &mut dyn FnMut(Vec<u8>)) -> bool {
        let Multiset::Repeated(counts) = &self.counts else { return false };
        if self.held.is_some() {
            return false;
        }
        // What the runtime does not save needs no counts either.
        let mut first = Vec::new();
        let mut put_first = |block| first.push(block);
        let mut writer = Writer::new(CONTEXT, &mut put_first);
        let counts = counts.iter().flat_map(|(relation, rows)| rows.iter().map(move |row| (relation, row)));
        writer.length(counts.clone().count());
        for (relation, (row, count)) in counts {
            writer.bytes(relation.as_bytes());
            writer.length(row.len());
            row.iter().for_each(|value| writer.value(value));
            writer.number(u64::from(*count));
        }
        writer.finish();
        self.runtime.save(&mut |block| {
            first.drain(..).for_each(&mut *put);
            put(block);
        })
    }

    /// A circuit that goes on where one of the same program was that was saved, past an epoch of the journal; and what
    /// its outputs hold. Nothing if that is not what the blocks are.
    pub(crate) fn restore(
        program: Parameterised,
        kind: RuntimeKind,
        blocks: &mut dyn FnMut() -> Result<Option<Vec<u8>>, Error>,
        epoch: u64,
    ) -> Result<Option<(Self, Contents)>, Error> {
        let mut failed = None;
        let counts = read_counts(&mut || {
            blocks().unwrap_or_else(|error| {
                failed = Some(error);
                None
            })
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let Some(counts) = counts else { return Ok(None) };
        let Some(runtime) = kind.restore(&program.compiled, blocks)? else { return Ok(None) };
        let Some(contents) = runtime.contents() else { return Ok(None) };
        let wanted = Wanted::all_of(&program.compiled);
        let circuit = Circuit {
            queue: Arc::new(Queue::new(wanted, !program.compiled.program.is_timed())),
            program,
            runtime,
            counts: Multiset::Repeated(counts),
            rows: 0,
            held: None,
            bindings: BTreeSet::new(),
            readers: Vec::new(),
            ticks: 0,
            taken: Some(epoch),
        };
        Ok(Some((circuit, contents)))
    }

    /// Runs epochs again, without a limit, that an earlier process ran after it was saved, and takes what they change
    /// into what the outputs hold: so many epochs, if the program has time, and else over all batches.
    pub(crate) fn run_again(
        &mut self,
        batches: impl Iterator<Item = Waiting>,
        epochs: u64,
        contents: &mut Contents,
    ) -> Result<(), RuntimeError> {
        let is_timed = self.program.compiled.program.is_timed();
        let (mut batches, mut run) = (batches.filter(|batch| !batch.changes.is_empty()), 0);
        while !is_timed || run < epochs {
            let inputs = if tick_is_due(&self.runtime, self.ticks, &Budget::UNLIMITED)? {
                self.ticks += 1;
                Changes::new()
            } else if let Some(Waiting { changes, epoch }) = batches.next() {
                (self.ticks, self.taken) = (0, epoch.or(self.taken));
                self.admit(changes)
            } else {
                break;
            };
            apply(contents, &self.runtime.step(&inputs, Budget::UNLIMITED)?);
            run += 1;
        }
        Ok(())
    }

    /// The change of the input that says who asks.
    fn asked(&self, binding: &Row, weight: i64) -> Changes {
        let input = self.program.input.iter();
        input.map(|input| (input.clone(), vec![(binding.clone(), weight)])).collect()
    }

    /// Gives up on what failed for want of time to rest, or else begins to count anew.
    pub(crate) fn rest_anew(&mut self) {
        self.ticks = 0;
    }

    /// Runs the next epoch, if there is one before the deadline: the one that is held, one that follows from the last,
    /// or one over the next batch.
    pub(crate) fn drive(&mut self, budget: &Budget, deadline: Option<Instant>) -> Result<bool, RuntimeError> {
        self.forget_bindings()?;
        if self.held.is_none() && tick_is_due(&self.runtime, self.ticks, budget)? {
            let changes = self.runtime.step(&Changes::new(), budget.clone())?;
            self.ticks += 1;
            self.tell(&changes);
            return Ok(true);
        }
        if !self.take_batch(deadline) {
            return Ok(false);
        }
        let held = self.held.take().expect("a batch was taken");
        match self.runtime.step(&held.inputs, budget.clone()) {
            Ok(changes) => {
                (self.ticks, self.taken) = (0, held.epoch.or(self.taken));
                self.tell(&changes);
                Ok(true)
            }
            Err(error) => {
                self.held = Some(held);
                Err(error)
            }
        }
    }

    /// Sees to it that something is held to be run, if there is anything.
    fn take_batch(&mut self, deadline: Option<Instant>) -> bool {
        let more = match self.held {
            None => self.queue.pop(deadline),
            // What is a function of the inputs may take all of them at once.
            Some(_) if !self.program.compiled.program.is_timed() => self.queue.pop_all(),
            Some(_) => None,
        };
        if let Some(Waiting { changes, epoch }) = more {
            let more = self.admit(changes);
            let (before, known) =
                self.held.take().map_or_else(Default::default, |held| (held.inputs, held.epoch));
            self.held = Some(Held { inputs: sum(before, more), epoch: epoch.or(known) });
        }
        self.held.is_some()
    }

    /// The changes of the inputs as sets.
    fn admit(&mut self, batch: BaseChanges) -> Changes {
        let mut inputs = Changes::new();
        let (runtime, held) = (&self.runtime, self.held.as_ref());
        for (relation, rows) in batch {
            let waiting = held.and_then(|held| held.inputs.get(&relation)).map_or(&[][..], Vec::as_slice);
            let is_there = |row: &Row| match waiting.binary_search_by(|(other, _)| other.cmp(row)) {
                Ok(place) => waiting[place].1 > 0,
                Err(_) => runtime.holds(&relation, row).unwrap_or(false),
            };
            let counts = &mut self.counts;
            let change = |(row, weight): (Row, i64)| {
                let weight = counts.change(&relation, &row, weight, || is_there(&row));
                (weight != 0).then_some((row, weight))
            };
            let rows: Vec<_> = rows.into_iter().filter_map(change).collect();
            self.rows += rows.len() as u64;
            if !rows.is_empty() {
                inputs.insert(relation, rows);
            }
        }
        inputs
    }

    /// Takes bindings out that nobody asks for any more. What they leave nobody hears of; and it was within somebody's
    /// budget when it came.
    fn forget_bindings(&mut self) -> Result<(), RuntimeError> {
        if self.program.input.is_none() {
            return Ok(());
        }
        let asked: BTreeSet<Row> =
            self.readers.iter().filter_map(Weak::upgrade).map(|reader| reader.binding.clone()).collect();
        let gone: Vec<Row> = self.bindings.difference(&asked).cloned().collect();
        for binding in gone {
            let _nobody_hears = self.runtime.step(&self.asked(&binding, -1), Budget::UNLIMITED)?;
            self.bindings.remove(&binding);
        }
        Ok(())
    }

    /// Tells every reader what an epoch changes of what it reads.
    fn tell(&mut self, changes: &Changes) {
        self.readers.retain(|reader| reader.strong_count() > 0);
        let readers: Vec<Rc<Inbox>> = self.readers.iter().filter_map(Weak::upgrade).collect();
        if let ([only], true) = (readers.as_slice(), self.program.bound.is_empty()) {
            return only.push(changes.clone());
        }
        let mut parts: BTreeMap<&Row, Changes> = BTreeMap::new();
        for reader in &readers {
            let part = parts.entry(&reader.binding).or_insert_with(|| self.part(&reader.binding, changes));
            reader.push(part.clone());
        }
    }

    /// What changes of outputs say to the readers of a binding.
    fn part(&self, binding: &Row, changes: &Changes) -> Changes {
        let of_output = |(relation, rows): (&RelationName, &Vec<(Row, i64)>)| {
            let Some(places) = self.program.bound.get(relation) else {
                return (relation.clone(), rows.clone());
            };
            let own: Row = places.iter().map(|place| binding[*place].clone()).collect();
            // Rows are in order, and begin with the binding.
            let from = rows.partition_point(|(row, _)| row[..own.len()] < own[..]);
            let rows = rows[from..].iter().take_while(|(row, _)| row.starts_with(&own));
            (relation.clone(), rows.map(|(row, weight)| (row[own.len()..].to_vec(), *weight)).collect())
        };
        changes.iter().map(of_output).filter(|(_, rows)| !rows.is_empty()).collect()
    }
}

const CONTEXT: &str = "motet circuit checkpoint";

/// The rows that are there more than once, as a circuit saved them.
fn read_counts(blocks: &mut Blocks<'_>) -> Option<Repeated> {
    let mut reader = Reader::new(CONTEXT, blocks);
    let mut counts = Repeated::new();
    for _ in 0..reader.length()? {
        let relation = RelationName::from(reader.text()?);
        let width = reader.length()?;
        let row = (0..width).map(|_| reader.value()).collect::<Option<Row>>()?;
        counts.entry(relation).or_default().insert(row, u32::try_from(reader.number()?).ok()?);
    }
    reader.finish()?;
    Some(counts)
}

/// Rows that come.
pub(crate) fn once(rows: &BTreeSet<Row>) -> Vec<(Row, i64)> {
    rows.iter().map(|row| (row.clone(), 1)).collect()
}
