//! When each row of a recursive stratum comes first: the rounds of its evaluation, counted from 0.
//!
//! Round 0 has what is stored and what the rules derive without the stratum's own rows. Each later round uses at least
//! one row of the round before, in each of its places in turn, and otherwise rows that are there already.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use motet_algebra::{RelationName, Row};

use super::{Account, Bindings};
use crate::rule::{GoalKind, Rule};
use crate::stratify::Component;

/// The stages of the strata that were asked about.
#[derive(Debug, Default)]
pub(super) struct Stages {
    known: BTreeMap<RelationName, BTreeMap<Row, usize>>,
}

impl Stages {
    /// The stage of a row, if its stratum is recursive and was staged.
    pub(super) fn of(&self, relation: &RelationName, row: &Row) -> Option<usize> {
        self.known.get(relation)?.get(row).copied()
    }
}

impl Account<'_> {
    /// Finds the stages of a relation's stratum, if it is recursive and they are not known yet.
    pub(super) fn stage_rows(&mut self, relation: &RelationName) {
        let compiled = self.compiled;
        let recursive = compiled.components.iter().filter(|one| one.recursive);
        let Some(component) = recursive.into_iter().find(|one| one.relations.contains(relation)) else {
            return;
        };
        if self.stages.known.contains_key(relation) {
            return;
        }
        for name in &component.relations {
            self.stages.known.insert(name.clone(), BTreeMap::new());
        }
        let mut new = self.first_round(component);
        let mut round = 0;
        while !new.is_empty() {
            for (name, row) in &new {
                let rows = self.stages.known.get_mut(name).expect("it was just inserted");
                rows.insert(row.clone(), round);
            }
            round += 1;
            new = self.next_round(component, &new);
        }
    }

    fn own_rules<'c>(&'c self, component: &'c Component) -> impl Iterator<Item = &'c Rule> {
        self.compiled.rules.iter().filter(|rule| component.relations.contains(&rule.head))
    }

    fn first_round(&self, component: &Component) -> BTreeSet<(RelationName, Row)> {
        let stored = component.relations.iter().flat_map(|name| {
            self.stored.get(name).into_iter().flatten().map(|row| (name.clone(), row.clone()))
        });
        let mut new: BTreeSet<_> = stored.collect();
        let none = |relation: &RelationName, _: &Row| !component.relations.contains(relation);
        for rule in self.own_rules(component) {
            let _all = self.search(rule, &none).all(Bindings::new(), &mut |way| {
                new.extend(self.head_row(rule, &way.bindings).map(|row| (rule.head.clone(), row)));
                ControlFlow::Continue(())
            });
        }
        new
    }

    fn next_round(
        &self,
        component: &Component,
        last: &BTreeSet<(RelationName, Row)>,
    ) -> BTreeSet<(RelationName, Row)> {
        let mut new = BTreeSet::new();
        let there = |relation: &RelationName, row: &Row| {
            !component.relations.contains(relation) || self.stages.of(relation, row).is_some()
        };
        for rule in self.own_rules(component) {
            let search = self.search(rule, &there);
            for (place, goal) in rule.goals.iter().enumerate() {
                let GoalKind::Scan(scan) = &goal.kind else { continue };
                for (_, row) in last.iter().filter(|(name, _)| *name == scan.relation) {
                    let _all = search.all_with(place, row, &mut |way| {
                        let row = self.head_row(rule, &way.bindings);
                        let is_new = |row: &Row| self.stages.of(&rule.head, row).is_none();
                        new.extend(row.filter(is_new).map(|row| (rule.head.clone(), row)));
                        ControlFlow::Continue(())
                    });
                }
            }
        }
        new
    }
}
