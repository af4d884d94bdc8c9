//! Time: rows for the next epoch, and events (PL-5 … PL-10, RA-X3).
//!
//! Runtimes know one epoch at a time. A [`Clocked`] runtime makes time out of that: it takes the program apart into one
//! without time, which any runtime can run, and a memory of one epoch beside it.
//!
//! | in the program | in the program without time |
//! |---|---|
//! | `R@next := E` | an output `R@next := E`, and a hidden input `R@held` with `R := R@held` |
//! | an event | an input |
//!
//! What `R@next` holds at the end of an epoch is what `R@held` holds in the next. A runtime reports *changes* of
//! `R@next`, and these are exactly the changes of `R@held` one epoch later: they are kept, and fed back as they are, so
//! that an epoch costs what changes, however much is carried on. The rows of an event are kept to be taken away again.
//!
//! Another epoch is due (Q11) if something waits to be fed back, or an event held. Whoever drives the runtime decides
//! whether to run it, and how many at most ([`tick_is_due`](crate::tick_is_due)). What is carried on is a function of
//! the epochs that were run, and no later epoch revises it. It is in memory only; but an epoch can be run again from
//! its inputs and the rows that the epoch before gave it. Whoever wants to go on in another process keeps these
//! ([`Runtime::due`], [`Clocked::resume`]); or, if the runtime has checkpoints, the blocks of one. Behind those of the
//! runtime it has the rows of the last epoch's events and what is due.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::Value;

use crate::checkpoint::{Blocks, Reader, Writer, stamp};
use crate::{
    Budget, Changes, ColumnType, Expression, Program, Relation, RelationName, Row, Runtime, RuntimeError,
    SchemaError, Statement, Undefined,
};

const CONTEXT: &str = "motet clocked checkpoint";

/// A program with time, on a runtime without.
#[derive(Clone, Debug)]
pub struct Clocked<R> {
    runtime: R,
    delays: Vec<Delay>,
    /// The rows of each event in the last epoch.
    events: BTreeMap<RelationName, BTreeSet<Row>>,
    /// The changes of the hidden inputs that the next epoch begins with.
    due: Changes,
    /// The rows of the hidden inputs that the first epoch is to begin with, if it is one that was run before.
    given: Changes,
}

/// A relation that is given rows for the next epoch.
#[derive(Clone, Debug)]
struct Delay {
    relation: RelationName,
    /// The output with the rows of the next epoch.
    next: RelationName,
    /// The hidden input with the rows that the last epoch gave.
    held: RelationName,
}

impl<R: Runtime> Clocked<R> {
    /// Makes the runtime; `start` is given the program without time. A program without time is handed on as it is.
    ///
    /// # Errors
    /// [`SchemaError`] if the program is not sound ([`Program::check`]), and whatever `start` gives.
    pub fn new<E: From<SchemaError>>(
        program: Program,
        start: impl FnOnce(Program) -> Result<R, E>,
    ) -> Result<Self, E> {
        program.check()?;
        let events = program.relations.iter().filter(|(_, relation)| relation.event);
        let events = events.map(|(name, _)| (name.clone(), BTreeSet::new())).collect();
        let (program, delays) = without_time(program);
        Ok(Clocked { runtime: start(program)?, delays, events, due: Changes::new(), given: Changes::new() })
    }

    /// Makes a runtime that goes on where another one of the program was. Its first epoch must be the last one of the
    /// other: with all inputs as they were then, all events that it had, and `given`, the rows that it was given by the
    /// epoch before it. What follows is what would have followed.
    ///
    /// # Errors
    /// As [`Clocked::new`].
    pub fn resume<E: From<SchemaError>>(
        program: Program,
        start: impl FnOnce(Program) -> Result<R, E>,
        given: &BTreeMap<RelationName, BTreeSet<Row>>,
    ) -> Result<Self, E> {
        let mut clocked = Clocked::new(program, start)?;
        let rows = |delay: &Delay| Some((delay.held.clone(), given.get(&delay.relation)?));
        let all = |rows: &BTreeSet<Row>| rows.iter().map(|row| (row.clone(), 1)).collect();
        clocked.given =
            clocked.delays.iter().filter_map(rows).map(|(held, rows)| (held, all(rows))).collect();
        clocked.due = clocked.given.clone();
        Ok(clocked)
    }

    /// Makes a runtime that goes on where one of the same program was that was saved ([`Runtime::save`]); `restore` is
    /// given the program without time. Nothing if that is not what the blocks are.
    pub fn restore(
        program: Program,
        restore: impl FnOnce(Program, &mut Blocks<'_>) -> Option<R>,
        blocks: &mut Blocks<'_>,
    ) -> Option<Self> {
        let widths = program.relations.iter().map(|(name, one)| (name.clone(), one.columns.len())).collect();
        let mut last = Vec::new();
        let mut noted = || {
            let block = blocks()?;
            last = stamp(&block).to_vec();
            Some(block)
        };
        let start = |program| restore(program, &mut noted).ok_or(NotRestored);
        let mut clocked = Clocked::new(program, start).ok()?;
        if clocked.is_timed() {
            let mut reader = Reader::new(CONTEXT, blocks);
            reader.expect(&last)?;
            clocked.read_memory(&mut reader, &widths)?;
            reader.finish()?;
        }
        Some(clocked)
    }

    fn is_timed(&self) -> bool {
        !self.delays.is_empty() || !self.events.is_empty()
    }

    /// Writes what is remembered from one epoch to the next, under the names that tell what the program was.
    fn write_memory(&self, writer: &mut Writer<'_>) {
        writer.length(self.events.len());
        for (event, rows) in &self.events {
            writer.bytes(event.as_bytes());
            writer.length(rows.len());
            rows.iter().flatten().for_each(|value| writer.value(value));
        }
        writer.length(self.delays.len());
        for Delay { relation, held, .. } in &self.delays {
            writer.bytes(relation.as_bytes());
            let due = self.due.get(held).map_or(&[][..], Vec::as_slice);
            writer.length(due.len());
            for (row, weight) in due {
                writer.number(u64::from(*weight > 0));
                row.iter().for_each(|value| writer.value(value));
            }
        }
    }

    fn read_memory(&mut self, reader: &mut Reader<'_>, widths: &BTreeMap<RelationName, usize>) -> Option<()> {
        (reader.length()? == self.events.len()).then_some(())?;
        for (event, rows) in &mut self.events {
            (reader.bytes()? == event.as_bytes()).then_some(())?;
            let width = *widths.get(event)?;
            for _ in 0..reader.length()? {
                rows.insert(read_row(reader, width)?).then_some(())?;
            }
        }
        (reader.length()? == self.delays.len()).then_some(())?;
        for Delay { relation, held, .. } in &self.delays {
            (reader.bytes()? == relation.as_bytes()).then_some(())?;
            let width = *widths.get(relation)?;
            let mut due: Vec<(Row, i64)> = Vec::new();
            for _ in 0..reader.length()? {
                let weight = match reader.number()? {
                    0 => -1,
                    1 => 1,
                    _ => return None,
                };
                let row = read_row(reader, width)?;
                due.last().is_none_or(|(before, _)| *before < row).then_some(())?;
                due.push((row, weight));
            }
            if !due.is_empty() {
                self.due.insert(held.clone(), due);
            }
        }
        Some(())
    }

    /// The runtime of the program without time.
    pub fn runtime(&self) -> &R {
        &self.runtime
    }

    /// What the runtime is fed: the inputs, with events that end, and what the last epoch gave this one.
    fn feed(&self, inputs: &Changes, events: &BTreeMap<RelationName, BTreeSet<Row>>) -> Changes {
        let mut all = inputs.clone();
        for (name, now) in events {
            let before = &self.events[name];
            let gone = before.difference(now).map(|row| (row.clone(), -1));
            let come = now.difference(before).map(|row| (row.clone(), 1));
            let mut changes: Vec<_> = gone.chain(come).collect();
            changes.sort_unstable();
            all.insert(name.clone(), changes);
        }
        all.extend(self.due.clone());
        all
    }

    /// The rows of each event that the inputs give.
    fn events_in(&self, inputs: &Changes) -> Result<BTreeMap<RelationName, BTreeSet<Row>>, RuntimeError> {
        let given = |name: &RelationName| inputs.get(name).map_or(&[][..], Vec::as_slice);
        self.events.keys().map(|name| Ok((name.clone(), event_rows(name, given(name))?))).collect()
    }

    fn refuse_hidden(&self, inputs: &Changes) -> Result<(), RuntimeError> {
        match self.delays.iter().find(|delay| inputs.contains_key(&delay.held)) {
            Some(delay) => Err(RuntimeError::NotAnInput(delay.held.clone())),
            None => Ok(()),
        }
    }

    /// Takes the changes of the hidden outputs out: they are due in the next epoch.
    fn take_due(&self, outputs: &mut Changes) -> Changes {
        let changes = |delay: &Delay| Some((delay.held.clone(), outputs.remove(&delay.next)?));
        self.delays.iter().filter_map(changes).collect()
    }
}

impl<R: Runtime> Runtime for Clocked<R> {
    fn step(&mut self, inputs: &Changes, budget: Budget) -> Result<Changes, RuntimeError> {
        if !self.is_timed() {
            return self.runtime.step(inputs, budget);
        }
        self.refuse_hidden(inputs)?;
        let events = self.events_in(inputs)?;
        let mut outputs = self.runtime.step(&self.feed(inputs, &events), budget)?;
        self.due = self.take_due(&mut outputs);
        for (held, rows) in std::mem::take(&mut self.given) {
            // The first epoch told all rows of the next, and not what it changes of those it was given.
            let due = self.due.entry(held).or_default();
            *due = less(due, &rows);
        }
        self.due.retain(|_, changes| !changes.is_empty());
        self.events = events;
        Ok(outputs)
    }

    fn undefined(&self) -> Vec<Undefined> {
        self.runtime.undefined()
    }

    fn due(&self) -> Changes {
        let changes = |delay: &Delay| Some((delay.relation.clone(), self.due.get(&delay.held)?.clone()));
        self.delays.iter().filter_map(changes).collect()
    }

    fn restless(&self) -> Vec<RelationName> {
        let held = |delay: &&Delay| self.due.contains_key(&delay.held);
        let delayed = self.delays.iter().filter(held).map(|delay| &delay.relation);
        let events = self.events.iter().filter(|(_, rows)| !rows.is_empty()).map(|(name, _)| name);
        delayed.chain(events).collect::<BTreeSet<_>>().into_iter().cloned().collect()
    }

    fn save(&self, put: &mut dyn FnMut(Vec<u8>)) -> bool {
        let mut last = Vec::new();
        let saved = self.runtime.save(&mut |block| {
            last = stamp(&block).to_vec();
            put(block);
        });
        if saved && self.is_timed() {
            let mut writer = Writer::new(CONTEXT, put);
            writer.raw(&last);
            self.write_memory(&mut writer);
            writer.finish();
        }
        saved
    }

    fn holds(&self, input: &str, row: &[Value]) -> Option<bool> {
        if self.events.contains_key(input) {
            return Some(false);
        }
        let hidden = self.delays.iter().any(|delay| *delay.held == *input);
        if hidden { None } else { self.runtime.holds(input, row) }
    }

    fn contents(&self) -> Option<BTreeMap<RelationName, BTreeSet<Row>>> {
        let mut contents = self.runtime.contents()?;
        self.delays.iter().for_each(|delay| drop(contents.remove(&delay.next)));
        Some(contents)
    }
}

/// The runtime of the program without time was not restored.
struct NotRestored;

impl From<SchemaError> for NotRestored {
    fn from(_: SchemaError) -> Self {
        NotRestored
    }
}

fn read_row(reader: &mut Reader<'_>, width: usize) -> Option<Row> {
    (0..width).map(|_| reader.value()).collect()
}

/// Changes without other changes, each row once.
fn less(changes: &[(Row, i64)], others: &[(Row, i64)]) -> Vec<(Row, i64)> {
    let mut net: BTreeMap<Row, i64> = changes.iter().cloned().collect();
    others.iter().for_each(|(row, weight)| *net.entry(row.clone()).or_default() -= weight);
    net.into_iter().filter(|(_, weight)| *weight != 0).collect()
}

/// The rows that an epoch is given of an event. None is there from before, so none can be taken away.
fn event_rows(name: &RelationName, given: &[(Row, i64)]) -> Result<BTreeSet<Row>, RuntimeError> {
    let mut rows = BTreeSet::new();
    for (row, weight) in given {
        if *weight != 1 || !rows.insert(row.clone()) {
            return Err(RuntimeError::Weight { relation: name.clone(), weight: *weight });
        }
    }
    Ok(rows)
}

/// The program with inputs and outputs in the place of time.
fn without_time(program: Program) -> (Program, Vec<Delay>) {
    let delays = delays(&program);
    let Program { mut relations, statements } = program;
    relations.values_mut().for_each(|relation| relation.event = false);
    for delay in &delays {
        // What a statement assigns is not tested against the types of columns, and neither is what it gives later.
        let names = relations[&delay.relation].names().map(|name| (name.clone(), ColumnType::Any));
        let next = Relation { columns: names.collect(), input: false, event: false, output: true };
        let held = Relation { input: true, output: false, ..next.clone() };
        relations.extend([(delay.next.clone(), next), (delay.held.clone(), held)]);
    }
    let held = delays.iter().map(|delay| {
        let held = Expression::Relation { name: delay.held.clone(), cid: None };
        Statement::assign(delay.relation.clone(), held)
    });
    let statements = held.chain(statements.into_iter().map(|one| at_once(one, &delays))).collect();
    (Program { relations, statements }, delays)
}

/// The relations that are given rows for the next epoch, each once, with names that the program does not have.
fn delays(program: &Program) -> Vec<Delay> {
    let target = |statement: &Statement| match statement {
        Statement::Next { relation, .. } => Some(relation.clone()),
        Statement::Assign { .. } | Statement::Loop { .. } => None,
    };
    let targets: BTreeSet<RelationName> = program.statements.iter().filter_map(target).collect();
    let fresh = |mut name: String| {
        while program.relations.contains_key(&*name) {
            name.push('~');
        }
        RelationName::from(name)
    };
    let delay = |relation: RelationName| Delay {
        next: fresh(format!("{relation}@next")),
        held: fresh(format!("{relation}@held")),
        relation,
    };
    targets.into_iter().map(delay).collect()
}

/// A statement for the next epoch as one for this.
fn at_once(statement: Statement, delays: &[Delay]) -> Statement {
    match statement {
        Statement::Next { relation, expression, rule } => {
            let delay = delays.iter().find(|delay| delay.relation == relation);
            let relation = delay.expect("every target has its delay").next.clone();
            Statement::Assign { relation, expression, rule }
        }
        Statement::Assign { .. } | Statement::Loop { .. } => statement,
    }
}
