//! Deletion: what goes when something below a stratum has changed.
//!
//! A row that loses a derivation from rows of lower levels is a *suspect*. Suspects are asked in the order of their
//! levels: does a rule still give the row, from complete relations and own rows of lower levels? If so it stays, for
//! these were asked before. If not it goes, and the rows of higher levels that it helped to derive are suspects in
//! their turn. What went though an own row of a higher level supported it is asked again when all are through, and
//! comes back, with a level above that one, if the support is still there.
//!
//! So a row is searched only where a derivation of it was really lost, nothing is counted, and a circle of rows that
//! only support each other falls. Without recursion all levels are 0, and a suspect is asked once.

use std::sync::Arc;

use super::epoch::{Epoch, Own, Purpose};
use super::level::{Level, Levels};
use super::plan::{Seed, atom};
use super::relation::View;
use super::row::{Batch, Id};
use super::rule::{Goal, Host, RelationId};
use super::search::{ANY_LEVEL, Found, Search, Sight};
use super::{Engine, Exceeded};

/// What a row stands on.
pub(crate) enum Support {
    /// Own rows below its level, or none; with the level that this derivation has.
    Below(Level),
    /// No rows below its level, but maybe others.
    Above,
    /// Nothing.
    None,
}

impl<H: Host> Engine<H> {
    /// Takes away what does not stand any more. Rows that come back are put to those of the next round.
    pub(crate) fn retract(&mut self, epoch: &mut Epoch, own: &Own) -> Result<(), Exceeded> {
        if !self.loses(own) {
            return Ok(());
        }
        if own.recursive && own.relations.iter().any(|relation| self.relations[*relation].levels.is_none()) {
            self.grade(epoch, own)?;
        }
        self.fire_for_changes(epoch, own, View::Old, Purpose::Suspect)?;
        let mut fallen: Vec<(RelationId, Batch)> = Vec::new();
        while let Some(((level, relation), suspects)) = epoch.suspects.pop_first() {
            let mut gone = Batch::new(self.definition.widths[relation]);
            let mut again = Batch::new(self.definition.widths[relation]);
            for (_, row) in suspects.iter() {
                match self.support(epoch, own, relation, row, level)? {
                    Support::Below(_) => continue,
                    Support::Above => again.push(row),
                    Support::None => {}
                }
                self.relations[relation].drop_row(row);
                gone.push(row);
            }
            if own.recursive && !gone.is_empty() {
                self.fire_for(epoch, own, relation, &gone, View::Old, Purpose::Suspect)?;
                fallen.push((relation, again));
            }
        }
        fallen.iter().try_for_each(|(relation, rows)| self.put_back(epoch, own, *relation, rows))
    }

    /// Whether something changed below the stratum that may make rows of it go.
    fn loses(&self, own: &Own) -> bool {
        let goals = own.rules.iter().flat_map(|rule| &self.definition.rules[*rule].goals);
        let mut atoms = goals.filter_map(|goal| Some((goal, atom(goal)?.relation)));
        atoms.any(|(goal, relation)| match goal {
            Goal::Not(_) => !self.relations[relation].come.is_empty(),
            _ => !self.relations[relation].gone.is_empty(),
        })
    }

    /// Puts back those of the rows that went which own rows of any level still support.
    fn put_back(
        &mut self,
        epoch: &mut Epoch,
        own: &Own,
        relation: RelationId,
        rows: &Batch,
    ) -> Result<(), Exceeded> {
        for row in rows.rows().filter(|row| !self.relations[relation].has(row)).collect::<Vec<_>>() {
            if let Support::Below(level) = self.support(epoch, own, relation, row, ANY_LEVEL)? {
                self.relations[relation].put(row, level, false);
                epoch.next[relation].push(row);
            }
        }
        Ok(())
    }

    /// What a row stands on, after the epoch as far as that is known, if own rows of a level or above don't count.
    pub(crate) fn support(
        &mut self,
        epoch: &mut Epoch,
        own: &Own,
        relation: RelationId,
        row: &[Id],
        below: Level,
    ) -> Result<Support, Exceeded> {
        epoch.asked += 1;
        let definition = Arc::clone(&self.definition);
        let rules = own.rules.iter().filter(|rule| definition.rules[**rule].relation == relation);
        self.charge(epoch, 1, relation, rules.clone().next().copied())?;
        let mut missed = false;
        for rule in rules {
            let plan = self.plan(*rule, Seed::Head, own.own());
            let graded = own.recursive;
            let (view, least) = (View::New, false);
            let sight = Sight { relations: &self.relations, host: &self.host, view, graded, below, least };
            let mut search = Search::new(&plan, sight, Found::default(), epoch.fuel());
            search.run(row);
            // The row itself was counted.
            let (touched, Found(found)) = (search.touched - 1, search.sink);
            missed |= search.missed;
            if let Some(cause) = search.over {
                return Err(Exceeded { cause, relation, rule: Some(*rule) });
            }
            self.charge(epoch, touched, relation, Some(*rule))?;
            if let Some(level) = found {
                return Ok(Support::Below(level));
            }
        }
        Ok(if missed { Support::Above } else { Support::None })
    }

    /// Gives every row of a recursion its level, as things were before the epoch.
    fn grade(&mut self, epoch: &mut Epoch, own: &Own) -> Result<(), Exceeded> {
        for relation in own.relations {
            let of = &mut self.relations[*relation];
            of.levels = Some(Levels::new(&of.table));
        }
        let graded = self.give_levels(epoch, own);
        if graded.is_err() {
            own.relations.iter().for_each(|relation| self.relations[*relation].levels = None);
        }
        graded
    }

    fn give_levels(&mut self, epoch: &mut Epoch, own: &Own) -> Result<(), Exceeded> {
        for rule in own.rules {
            self.whole(epoch, own, *rule, View::Old, Purpose::Grade)?;
        }
        self.settle(epoch, own, Purpose::Grade)
    }
}
