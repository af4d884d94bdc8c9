//! That what is carried into the next epoch comes to rest (PL-7).
//!
//! Each rule `head@next :- body` must be of one of two kinds. Either its body has the head itself, as it stands: it
//! *keeps* rows that are there, and adds none. Or an atom of its body that is not negated is *instantaneous*: it only
//! holds for so long after an event. Without events the rules of the second kind soon give nothing, and those of the
//! first let rows only go, stratum by stratum; so the program comes to rest by itself.
//!
//! A relation is instantaneous if nothing outside of the program but events gives it rows, and each of its rules
//! reads an instantaneous relation, not negated. Rules of the same epoch may do so in a circle, for the circle gives
//! nothing from nothing; rules for the next epoch may not, for a row that goes round in it would never end.

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{RelationName, Term};

use crate::diagnostic::Report;
use crate::item_types;
use crate::relations::Relations;
use crate::rule::{GoalKind, Rule, Scan};

/// Reports the rules for the next epoch that might go on for ever.
pub(crate) fn check(rules: &[Rule], relations: &Relations, report: &mut Report) {
    if !rules.iter().any(|rule| rule.next) {
        return;
    }
    let instantaneous = instantaneous(rules, relations);
    // What is not known, or may have no rules, has been reported.
    let defined = |name: &RelationName| relations.get(name).is_some_and(|known| known.base.is_none());
    let known = |rule: &&Rule| {
        let is_type = rule.head.starts_with(item_types::PREFIX);
        !is_type && defined(&rule.head) && positive(rule).all(|scan| relations.get(&scan.relation).is_some())
    };
    for rule in rules.iter().filter(|rule| rule.next).filter(known) {
        let ends = positive(rule).any(|scan| instantaneous.contains(&scan.relation));
        if !ends && !keeps(rule) {
            report
                .error("L064", rule.span, format!("`{}` might change for ever: nothing ends this", rule.head))
                .label("neither keeps what is there, nor waits for an event")
                .remedy(format!(
                    "keep what is there, as in {0}(id: X)@next :- {0}(id: X), …, or read an event",
                    rule.head
                ));
        }
    }
}

/// The atoms of a body that are neither negated nor aggregated.
fn positive(rule: &Rule) -> impl Iterator<Item = &Scan> {
    rule.goals.iter().filter_map(|goal| match &goal.kind {
        GoalKind::Scan(scan) => Some(scan),
        GoalKind::Not(_) | GoalKind::Aggregate { .. } | GoalKind::Compare(..) => None,
    })
}

/// Whether the head stands in the body with the same values in the same columns.
fn keeps(rule: &Rule) -> bool {
    positive(rule).filter(|scan| scan.relation == rule.head).any(|scan| {
        rule.terms.iter().all(|head| match &head.term {
            Term::Column(variable) => {
                scan.variables.iter().any(|(column, one, _)| *column == head.column && one == variable)
            }
            Term::Constant(value) => {
                scan.constants.iter().any(|(column, one, _)| *column == head.column && one == value)
            }
            Term::Apply(..) => false,
        })
    })
}

/// The relations that only hold for so long after an event.
fn instantaneous<'a>(rules: &'a [Rule], relations: &'a Relations) -> BTreeSet<&'a RelationName> {
    let lasts = |name: &RelationName| {
        let known = &relations.known[name];
        known.base.is_some() || (known.input && !known.event)
    };
    let mut defining: BTreeMap<&RelationName, Vec<&Rule>> = BTreeMap::new();
    relations.known.keys().filter(|name| !lasts(name)).for_each(|name| drop(defining.insert(name, vec![])));
    for rule in rules {
        // The rows that a program states of an event are events.
        let states_event = rule.goals.is_empty() && !rule.next && relations.known[&rule.head].event;
        if let Some(its) = defining.get_mut(&rule.head).filter(|_| !states_event) {
            its.push(rule);
        }
    }
    let mut found = BTreeSet::new();
    loop {
        let more = with_same_epoch(&defining, &found);
        if more.len() == found.len() {
            return found;
        }
        found = more;
    }
}

/// The greatest set of relations of which each rule reads one of the set, or for the next epoch one of `found`.
fn with_same_epoch<'a>(
    defining: &BTreeMap<&'a RelationName, Vec<&Rule>>,
    found: &BTreeSet<&RelationName>,
) -> BTreeSet<&'a RelationName> {
    let mut set: BTreeSet<&RelationName> = defining.keys().copied().collect();
    loop {
        let reads = |rule: &&Rule| {
            let of = if rule.next || motet_algebra::mutant("circle") { found } else { &set };
            positive(rule).any(|scan| of.contains(&scan.relation))
        };
        let kept: BTreeSet<_> =
            defining.iter().filter(|(_, its)| its.iter().all(reads)).map(|(name, _)| *name).collect();
        let kept: BTreeSet<_> = kept.intersection(&set).copied().collect();
        if kept.len() == set.len() {
            return set;
        }
        set = kept;
    }
}
