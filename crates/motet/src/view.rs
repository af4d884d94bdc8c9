//! A query kept right.
//!
//! A [`View`] reads a [`circuit`](crate::circuit), its own or one that it shares. The pipeline puts each batch's net
//! changes of the base relations into the circuit's queue; whoever owns the view asks it for the next epoch with
//! [`View::poll`] or [`View::wait`], in its own thread, and gets the changes of the query's outputs. So nothing below
//! the skins needs a thread, and a slow reader slows nobody.
//!
//! An output with a limit is a window on its rows (Q21): the view's changes are those of the rows that are shown, so
//! one that comes into the first ten is told together with the one that leaves them. What it tells of an output with an
//! order is told in that order.
//!
//! A batch is one epoch. If the query has rows for the next epoch (`@next`) or events, epochs without input follow it
//! until nothing changes any more (Q11), and only then the next batch. What such a query carries on is a function of
//! the epochs that this view has seen: another one, opened later, begins anew. One that is *kept*
//! ([`Party::keep_view`](crate::Party::keep_view)) goes on where it was when the database is opened again.
//!
//! A view that goes over its budget is *stopped* at its last good epoch. It loses nothing by that: when it is resumed,
//! it takes up what was too much for it, and what has come since (Q17).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use motet_algebra::{Budget, Changes, RelationName, Row, RuntimeError, Undefined};
use motet_logic::{Compiled, Window};

use crate::Error;
use crate::circuit::{Circuit, Contents, Inbox, apply};
use crate::circuits::{Origin, alone};
use crate::kept::Keeper;

/// A query kept right: its contents now, and the changes as entries arrive.
pub struct View {
    compiled: Compiled,
    origin: Origin,
    circuit: Rc<RefCell<Circuit>>,
    inbox: Rc<Inbox>,
    contents: Rc<Contents>,
    /// What is shown of the outputs that have an order or a limit.
    windows: BTreeMap<RelationName, Window>,
    epoch: u64,
    budget: Budget,
    stopped: Option<RuntimeError>,
    /// Whether what the inbox says next is all there is, and not what changes.
    anew: bool,
    keeper: Option<Keeper>,
}

impl View {
    /// A view that has read nothing yet.
    pub(crate) fn reading(
        compiled: Compiled,
        circuit: Rc<RefCell<Circuit>>,
        inbox: Rc<Inbox>,
        origin: Origin,
        budget: Budget,
    ) -> Self {
        let outputs = compiled.program.relations.iter().filter(|(_, relation)| relation.output);
        let contents = Rc::new(outputs.map(|(name, _)| (name.clone(), BTreeSet::new())).collect());
        let windowed = compiled.outputs.iter().filter(|one| one.limit.is_some() || !one.order.is_empty());
        let windows = windowed.map(|output| (output.name.clone(), Window::new(output))).collect();
        inbox.note(&contents);
        let (epoch, stopped, anew, keeper) = (0, None, false, None);
        View { compiled, origin, circuit, inbox, contents, windows, epoch, budget, stopped, anew, keeper }
    }

    /// Takes in what its outputs hold already: its first epoch, or the last of an earlier process.
    pub(crate) fn begin_with(&mut self, contents: Contents) {
        let all = |rows: BTreeSet<Row>| rows.into_iter().map(|row| (row, 1)).collect();
        let _told = self.take(contents.into_iter().map(|(relation, rows)| (relation, all(rows))).collect());
    }

    pub(crate) fn circuit(&self) -> &Rc<RefCell<Circuit>> {
        &self.circuit
    }

    /// Has what it takes in saved from now on, after so many epochs.
    pub(crate) fn keep(&mut self, keeper: Keeper, epoch: u64) {
        (self.keeper, self.epoch) = (Some(keeper), epoch);
    }

    /// The changes of the next epoch: one that follows from the last, or else the next batch that has arrived; none if
    /// there is neither. They may be empty: a batch that touched the query's inputs need not touch its outputs.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the budget ran out, or the query does not come to rest, and at each call from then on:
    /// the view is stopped at its last good epoch, until it is resumed. Of a view that is kept also [`Error::Store`].
    pub fn poll(&mut self) -> Result<Option<Changes>, Error> {
        self.next(None)
    }

    /// The same, waiting up to a time for a batch.
    ///
    /// # Errors
    /// As [`View::poll`].
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<Changes>, Error> {
        self.next(Some(Instant::now() + timeout))
    }

    /// Takes in everything that has arrived, and all that follows from it.
    ///
    /// # Errors
    /// As [`View::poll`].
    pub fn catch_up(&mut self) -> Result<(), Error> {
        while self.poll()?.is_some() {}
        Ok(())
    }

    /// Lets the view go on, on this budget: with what it was stopped at, and what has arrived since. What it tells next
    /// leads from what it held when it stopped to what it holds then; nothing is lost, and nothing is told twice.
    pub fn resume(&mut self, budget: Budget) {
        self.budget = budget;
        if self.stopped.take().is_some() {
            self.circuit.borrow_mut().rest_anew();
        }
    }

    /// Why the view is stopped, if it is.
    pub fn stopped(&self) -> Option<&RuntimeError> {
        self.stopped.as_ref()
    }

    fn next(&mut self, deadline: Option<Instant>) -> Result<Option<Changes>, Error> {
        if let Some(error) = &self.stopped {
            return Err(error.clone().into());
        }
        loop {
            if !self.inbox.is_empty() {
                self.save()?;
                let changes = self.inbox.pop().unwrap_or_default();
                return Ok(Some(self.take(changes)));
            }
            if let Some(why) = self.circuit.borrow().queue().failure() {
                return Err(Error::unreadable("what changed for this view", format!("{why}; open it again")));
            }
            let driven = self.circuit.borrow_mut().drive(&self.budget, deadline);
            match driven {
                Ok(true) => {}
                Ok(false) => {
                    self.save_progress()?;
                    return Ok(None);
                }
                Err(_) if self.circuit.borrow().readers() > 1 => self.part()?,
                Err(error) => {
                    self.stopped = Some(error.clone());
                    return Err(error.into());
                }
            }
        }
    }

    /// Leaves a circuit that others read, for one of its own over what is there now.
    fn part(&mut self) -> Result<(), Error> {
        let mut circuit = self.origin.prepare(alone(&self.compiled))?;
        self.inbox = circuit.join_first(Vec::new());
        self.inbox.note(&self.contents);
        self.circuit = Rc::new(RefCell::new(circuit));
        self.anew = true;
        Ok(())
    }

    /// Saves the epoch that waits in the inbox, before anybody hears of it.
    fn save(&mut self) -> Result<(), Error> {
        match &mut self.keeper {
            Some(keeper) => keeper.save(&self.circuit.borrow(), self.epoch + 1),
            None => Ok(()),
        }
    }

    /// Saves that batches which did not concern the view have passed.
    fn save_progress(&mut self) -> Result<(), Error> {
        match &mut self.keeper {
            Some(keeper) => keeper.save_progress(&self.circuit.borrow(), self.epoch),
            None => Ok(()),
        }
    }

    /// Takes an epoch in, and gives what it changes in what is shown.
    fn take(&mut self, changes: Changes) -> Changes {
        self.epoch += 1;
        let changes = if std::mem::take(&mut self.anew) { self.difference(&changes) } else { changes };
        apply(Rc::make_mut(&mut self.contents), &changes);
        self.inbox.note(&self.contents);
        self.show(changes)
    }

    /// What leads from the contents to these rows.
    fn difference(&self, all: &Changes) -> Changes {
        let nothing = Vec::new();
        let of_output = |(relation, before): (&RelationName, &BTreeSet<Row>)| {
            let now: BTreeSet<&Row> =
                all.get(relation).unwrap_or(&nothing).iter().map(|(row, _)| row).collect();
            let gone = before.iter().filter(|row| !now.contains(row)).map(|row| (row.clone(), -1));
            let come = now.iter().filter(|row| !before.contains(**row)).map(|row| ((*row).clone(), 1));
            let mut changes: Vec<(Row, i64)> = gone.chain(come).collect();
            changes.sort_unstable();
            (relation.clone(), changes)
        };
        self.contents.iter().map(of_output).filter(|(_, changes)| !changes.is_empty()).collect()
    }

    /// What the changes of the outputs change in what is shown of them.
    fn show(&mut self, mut changes: Changes) -> Changes {
        for (relation, rows) in &mut changes {
            if let Some(window) = self.windows.get_mut(relation) {
                *rows = window.step(rows);
            }
        }
        changes.retain(|_, rows| !rows.is_empty());
        changes
    }

    /// All rows of an output, in value order, as of the last epoch.
    pub fn rows(&self, output: &str) -> impl Iterator<Item = &Row> {
        self.contents.get(output).into_iter().flatten()
    }

    /// The rows of an output that are shown, in their order, as of the last epoch: all, unless it has a limit.
    pub fn shown(&self, output: &str) -> Vec<&Row> {
        match self.windows.get(output) {
            Some(window) => window.rows().collect(),
            None => self.rows(output).collect(),
        }
    }

    /// All outputs with all their rows, as of the last epoch.
    pub fn contents(&self) -> &BTreeMap<RelationName, BTreeSet<Row>> {
        &self.contents
    }

    /// What derives nothing for want of a value (Q3), as of the last epoch of the circuit: if it is shared, for all who
    /// read it.
    pub fn undefined(&self) -> Vec<Undefined> {
        self.circuit.borrow().undefined()
    }

    /// How many epochs the view has taken in.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The compiled query: outputs with their columns, warnings, explanation.
    pub fn compiled(&self) -> &Compiled {
        &self.compiled
    }
}
