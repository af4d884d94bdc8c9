//! What debug builds check after each epoch on small inputs (Q15).
//!
//! The rows of every relation are those that a new engine derives from the base relations in one epoch; and every row
//! of a recursion whose levels are known has a derivation from lower levels.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::deletion::Support;
use super::epoch::{Epoch, Own};
use super::row::{Batch, Id};
use super::rule::{Host, RelationId};
use super::strata::Stratum;
use super::{Change, Engine, Limits};

/// More rows than that are not checked.
const MOST_ROWS: usize = 400;

/// The host of the engine that is checked.
struct Lent<'a, H>(&'a H);

impl<H: Host> Host for Lent<'_, H> {
    fn test(&self, test: usize, args: &[Id]) -> bool {
        self.0.test(test, args)
    }

    fn make(&self, function: usize, args: &[Id]) -> Option<Id> {
        self.0.make(function, args)
    }

    fn fold(&self, fold: usize, group: &Batch, give: &mut dyn FnMut(usize, &[Id])) {
        self.0.fold(fold, group, give);
    }
}

impl<H: Host> Engine<H> {
    /// # Panics
    /// If the engine did something wrong.
    pub(crate) fn recheck(&mut self) {
        let rows: usize = self.relations.iter().map(|relation| relation.table.len()).sum();
        if rows > MOST_ROWS {
            return;
        }
        let mut twin = Engine::of(Rc::clone(&self.definition), Lent(&self.host));
        twin.is_twin = true;
        let base: Vec<Change> = self.base().into_iter().map(|relation| self.whole_base(relation)).collect();
        twin.step(&base, Limits::NONE).expect("there is no limit");
        for relation in 0..self.relations.len() {
            let (got, expected) = (self.listed(relation), twin.listed(relation));
            assert_eq!(got, expected, "relation {relation} is not what its rules give");
        }
        self.check_levels();
    }

    fn check_levels(&mut self) {
        let strata = Rc::clone(&self.strata);
        let mut epoch = Epoch::new(Limits::NONE, &self.definition.widths);
        for stratum in &*strata {
            let Stratum::Rules { relations, rules, recursive: true } = stratum else { continue };
            let own = Own { relations, rules, recursive: true };
            let graded = relations.iter().filter(|one| self.relations[**one].levels.is_some());
            for relation in graded.copied().collect::<Vec<_>>() {
                for row in self.listed(relation) {
                    let level = self.relations[relation].level(&row).expect("every row has a level");
                    let support = self.support(&mut epoch, &own, relation, &row, level);
                    let stands = matches!(support, Ok(Support::Below(_)));
                    assert!(stands, "{row:?} of relation {relation} does not stand on lower levels");
                }
            }
        }
    }

    /// The relations whose rows come from outside.
    fn base(&self) -> Vec<RelationId> {
        let by_rules = self.definition.rules.iter().map(|rule| rule.relation);
        let by_folds = self.definition.folds.iter().flat_map(|fold| &fold.outputs).map(|one| one.relation);
        let derived: BTreeSet<RelationId> = by_rules.chain(by_folds).collect();
        (0..self.relations.len()).filter(|relation| !derived.contains(relation)).collect()
    }

    fn whole_base(&self, relation: RelationId) -> Change {
        let width = self.definition.widths[relation];
        let mut come = Batch::new(width);
        self.rows(relation, |row| come.push(row));
        Change { relation, come, gone: Batch::new(width) }
    }

    fn listed(&self, relation: RelationId) -> BTreeSet<Vec<Id>> {
        let mut rows = BTreeSet::new();
        self.rows(relation, |row| {
            rows.insert(row.to_vec());
        });
        rows
    }
}
