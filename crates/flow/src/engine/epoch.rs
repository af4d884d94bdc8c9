//! What an epoch does to a stratum of rules.
//!
//! First what goes ([`deletion`](super::deletion)), then what comes. Rules are fired: for rows of one of their goals
//! all rows of their heads are gathered, some thousand at a time, and then put to their *purpose*. So no table is
//! changed while it is searched.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::level::Level;
use super::plan::{Planner, Seed, atom};
use super::relation::View;
use super::row::{Batch, Id};
use super::rows::Rows;
use super::rule::{Goal, Host, RelationId};
use super::search::{ANY_LEVEL, Gathered, Search, Sight};
use super::strata::Stratum;
use super::{Cause, Engine, Exceeded, Limits};

/// How many rows are gathered before they are put to use.
const GATHERED: usize = 4096;

/// An epoch in progress.
pub(crate) struct Epoch {
    pub(crate) limits: Limits,
    pub(crate) touched: u64,
    /// What the rows that came are taken to hold, in bytes.
    pub(crate) held: u64,
    /// The rows that came to each relation in this round.
    pub(crate) next: Vec<Batch>,
    /// The rows that may have lost what they stood on.
    pub(crate) suspects: BTreeMap<(Level, RelationId), Rows>,
}

/// What the rows that a rule gives are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// They come.
    Come,
    /// They are asked whether they stay.
    Suspect,
    /// They are given a level.
    Grade,
}

/// A recursion, or one relation without.
pub(crate) struct Own<'a> {
    pub(crate) relations: &'a [RelationId],
    pub(crate) rules: &'a [usize],
    pub(crate) recursive: bool,
}

impl Own<'_> {
    /// The relations whose rows count as the recursion's own.
    pub(crate) fn own(&self) -> &[RelationId] {
        if self.recursive { self.relations } else { &[] }
    }
}

impl Epoch {
    pub(crate) fn new(limits: Limits, widths: &[usize]) -> Self {
        let next = widths.iter().map(|width| Batch::new(*width)).collect();
        Epoch { limits, touched: 0, held: 0, next, suspects: BTreeMap::new() }
    }

    /// How many more rows may be looked at.
    pub(crate) fn fuel(&self) -> u64 {
        self.limits.rows.saturating_sub(self.touched)
    }

    /// Takes the rows of a round.
    fn take(&mut self, relations: &[RelationId]) -> Vec<(RelationId, Batch)> {
        let take = |relation: &RelationId| {
            let next = &mut self.next[*relation];
            let width = next.width();
            (*relation, std::mem::replace(next, Batch::new(width)))
        };
        relations.iter().map(take).filter(|(_, rows)| !rows.is_empty()).collect()
    }
}

/// What a row is taken to hold, in bytes.
pub(crate) fn row_bytes(row: &[Id]) -> u64 {
    16 + 4 * u64::try_from(row.len()).unwrap_or(u64::MAX / 8)
}

impl<H: Host> Engine<H> {
    /// Counts rows that were looked at, and sees whether the epoch may go on.
    pub(crate) fn charge(
        &self,
        epoch: &mut Epoch,
        rows: u64,
        relation: RelationId,
        rule: Option<usize>,
    ) -> Result<(), Exceeded> {
        epoch.touched = epoch.touched.saturating_add(rows);
        let cause = if epoch.touched > epoch.limits.rows {
            Cause::Rows
        } else if epoch.held.saturating_add(self.host.held()) > epoch.limits.bytes {
            Cause::Bytes
        } else if !self.host.is_wanted() {
            Cause::Unwanted
        } else {
            return Ok(());
        };
        Err(Exceeded { cause, relation, rule })
    }

    pub(crate) fn stratum(&mut self, epoch: &mut Epoch, stratum: &Stratum) -> Result<(), Exceeded> {
        match stratum {
            Stratum::Fold(fold) => self.fold(epoch, *fold),
            Stratum::Rules { relations, rules, recursive } => {
                let own = Own { relations, rules, recursive: *recursive };
                if self.started {
                    self.retract(epoch, &own)?;
                    self.extend(epoch, &own)?;
                } else {
                    self.begin(epoch, &own)?;
                }
                self.settle(epoch, &own, Purpose::Come)
            }
        }
    }

    /// In the first epoch everything comes, so each rule is searched once, and not for each of its goals.
    fn begin(&mut self, epoch: &mut Epoch, own: &Own) -> Result<(), Exceeded> {
        for rule in own.rules {
            self.whole(epoch, own, *rule, View::New, Purpose::Come)?;
        }
        Ok(())
    }

    /// Fires a rule for all there is, unless it needs rows of its own recursion, which come round by round.
    pub(crate) fn whole(
        &mut self,
        epoch: &mut Epoch,
        own: &Own,
        rule: usize,
        view: View,
        purpose: Purpose,
    ) -> Result<(), Exceeded> {
        let definition = Rc::clone(&self.definition);
        let atoms = || definition.rules[rule].goals.iter().filter_map(atom);
        if self.is_idle(rule) || atoms().any(|atom| own.own().contains(&atom.relation)) {
            return Ok(());
        }
        let best = Planner { rule: &definition.rules[rule], relations: &mut self.relations, own: own.own() };
        let seed = best.best_seed();
        let Seed::Goal(goal) = seed else {
            let mut once = Batch::new(0);
            once.push(&[]);
            return self.fire(epoch, own, (rule, seed), &once, view, purpose);
        };
        let relation = atom(&definition.rules[rule].goals[goal]).expect("rows are of atoms").relation;
        let mut from = Some(0);
        while let Some(place) = from {
            let mut rows = Batch::new(definition.widths[relation]);
            from = self.relations[relation].table.chunk(place, GATHERED, &mut rows);
            let hidden = self.relations[relation].hidden(view);
            if !hidden.is_empty() {
                rows.retain(|row| !hidden.contains(row));
            }
            self.fire(epoch, own, (rule, seed), &rows, view, purpose)?;
        }
        Ok(())
    }

    /// What comes for what changed below.
    fn extend(&mut self, epoch: &mut Epoch, own: &Own) -> Result<(), Exceeded> {
        self.fire_for_changes(epoch, own, View::New, Purpose::Come)
    }

    /// Fires the rules for the rows that make heads come, or go, of the relations below.
    pub(crate) fn fire_for_changes(
        &mut self,
        epoch: &mut Epoch,
        own: &Own,
        view: View,
        purpose: Purpose,
    ) -> Result<(), Exceeded> {
        let definition = Rc::clone(&self.definition);
        for rule in own.rules {
            for (place, goal) in definition.rules[*rule].goals.iter().enumerate() {
                let Some(atom) = atom(goal).filter(|atom| !own.own().contains(&atom.relation)) else {
                    continue;
                };
                let of = &self.relations[atom.relation];
                let rows = match (goal, view) {
                    (Goal::Has(_), View::New) | (Goal::Not(_), View::Old) => &of.come,
                    _ => &of.gone,
                };
                if !rows.is_empty() {
                    let rows = rows.batch();
                    self.fire(epoch, own, (*rule, Seed::Goal(place)), &rows, view, purpose)?;
                }
            }
        }
        Ok(())
    }

    /// Goes on with what came, round by round, until nothing comes.
    pub(crate) fn settle(&mut self, epoch: &mut Epoch, own: &Own, purpose: Purpose) -> Result<(), Exceeded> {
        let view = if purpose == Purpose::Come { View::New } else { View::Old };
        let mut rounds = 0;
        loop {
            let delta = epoch.take(own.relations);
            let Some((relation, _)) = delta.first() else { return Ok(()) };
            if !own.recursive {
                return Ok(());
            }
            rounds += 1;
            if rounds > epoch.limits.rounds {
                let of = |rule: &&usize| {
                    let rule = &self.definition.rules[**rule];
                    let mut atoms = rule.goals.iter().filter_map(atom);
                    rule.relation == *relation && atoms.any(|atom| own.own().contains(&atom.relation))
                };
                let rule = own.rules.iter().find(of).copied();
                return Err(Exceeded { cause: Cause::Rounds, relation: *relation, rule });
            }
            for (relation, rows) in &delta {
                self.fire_for(epoch, own, *relation, rows, view, purpose)?;
            }
        }
    }

    /// Fires the rules for rows of one of their own relations.
    pub(crate) fn fire_for(
        &mut self,
        epoch: &mut Epoch,
        own: &Own,
        relation: RelationId,
        rows: &Batch,
        view: View,
        purpose: Purpose,
    ) -> Result<(), Exceeded> {
        let definition = Rc::clone(&self.definition);
        for rule in own.rules {
            for (place, goal) in definition.rules[*rule].goals.iter().enumerate() {
                if atom(goal).is_some_and(|atom| atom.relation == relation) {
                    self.fire(epoch, own, (*rule, Seed::Goal(place)), rows, view, purpose)?;
                }
            }
        }
        Ok(())
    }

    /// Gathers what a rule gives for rows of one of its goals, and puts it to its purpose.
    fn fire(
        &mut self,
        epoch: &mut Epoch,
        own: &Own,
        (rule, seed): (usize, Seed),
        rows: &Batch,
        view: View,
        purpose: Purpose,
    ) -> Result<(), Exceeded> {
        let plan = self.plan(rule, seed, own.own());
        let head = self.definition.rules[rule].relation;
        let graded = match purpose {
            Purpose::Come | Purpose::Suspect => own.recursive && self.relations[head].levels.is_some(),
            Purpose::Grade => true,
        };
        let mut gathered =
            Gathered { rows: Batch::new(self.definition.widths[head]), levels: Vec::new(), graded };
        let mut from = 0;
        while from < rows.len() {
            let sight =
                Sight { relations: &self.relations, host: &self.host, view, graded, below: ANY_LEVEL };
            let mut search = Search::new(&plan, sight, gathered, epoch.fuel());
            while from < rows.len() && search.sink.rows.len() < GATHERED && !search.run(rows.row(from)) {
                from += 1;
            }
            let touched = search.touched;
            gathered = search.sink;
            self.charge(epoch, touched, head, Some(rule))?;
            self.put_to_use(epoch, own, head, &gathered, purpose);
            self.charge(epoch, 0, head, Some(rule))?;
            gathered.rows.clear();
            gathered.levels.clear();
        }
        Ok(())
    }

    fn put_to_use(
        &mut self,
        epoch: &mut Epoch,
        own: &Own,
        head: RelationId,
        gathered: &Gathered,
        purpose: Purpose,
    ) {
        let relation = &mut self.relations[head];
        let levels = || gathered.levels.iter().copied().chain(std::iter::repeat(0));
        match purpose {
            Purpose::Come => {
                let next = &mut epoch.next[head];
                for (row, level) in gathered.rows.rows().zip(levels()) {
                    if !relation.put(row, level, !self.started) {
                        continue;
                    }
                    epoch.held = epoch.held.saturating_add(row_bytes(row));
                    if own.recursive {
                        next.push(row);
                    }
                }
            }
            Purpose::Suspect => {
                for (row, lost) in gathered.rows.rows().zip(levels()).filter(|(row, _)| relation.has(row)) {
                    // It never stood on a derivation from rows of its own level or above.
                    let level = relation.level(row).unwrap_or(0);
                    if lost <= level {
                        let suspects = epoch.suspects.entry((level, head));
                        suspects.or_insert_with(|| Rows::new(row.len())).insert(row);
                    }
                }
            }
            Purpose::Grade => {
                let levels_of = relation.levels.as_mut().expect("grading begins with no level for any row");
                for (row, level) in gathered.rows.rows().zip(levels()) {
                    if relation.table.contains(row) && levels_of.get(&relation.table, row).is_none() {
                        levels_of.set(&relation.table, row, level);
                        epoch.next[head].push(row);
                    }
                }
            }
        }
    }
}
