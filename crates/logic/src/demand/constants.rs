//! Demands of constants alone, settled when the program is compiled.
//!
//! `Q() :- Path(kind: 1, …).` demands `Path` for the kind 1, whatever the rows are, and what the rules for that kind
//! demand of others by constants follows too. A rule whose demand is so needs no goal for it, and one whose demand
//! nobody can make derives nothing that is asked for. In a program of states, say, in which each rule is for one state,
//! all demands are of this kind, and the goals for them would only cost: what is demanded depends on what the goals
//! before it find, so they would be part of every loop. So it is not waited for what these goals find.

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{Column, RelationName, Term};
use motet_fact::Value;

use crate::rule::{Goal, GoalKind, Rule, Scan};

/// A demand without variables.
type Ground = (RelationName, BTreeMap<Column, Value>);

/// The rules with those demands settled that depend on no row.
pub(super) fn settle(rules: Vec<Rule>, demands: &BTreeSet<&RelationName>) -> Vec<Rule> {
    let own = |rule: &Rule| own(rule, demands);
    let known = known(&rules, demands);
    let is_known = |rule: &Rule| head(rule).is_some_and(|head| known.contains(&head));
    // Demands that rows decide on.
    let open: BTreeSet<RelationName> = rules
        .iter()
        .filter(|rule| demands.contains(&rule.head) && !is_known(rule))
        .map(|rule| rule.head.clone())
        .collect();
    let mut told = BTreeSet::new();
    let settled = rules.into_iter().filter_map(|mut rule| {
        if demands.contains(&rule.head) && is_known(&rule) {
            rule.goals.clear();
            return told.insert(head(&rule)).then_some(rule);
        }
        match own(&rule) {
            Own::Ground(demand) if known.contains(&demand) => {
                rule.goals.remove(0);
                Some(rule)
            }
            Own::Ground((demand, _)) if !open.contains(&demand) => None,
            Own::Ground(_) | Own::Open | Own::None => Some(rule),
        }
    });
    settled.collect()
}

/// The goal by which a rule waits for its own demand, which is its first.
enum Own {
    None,
    Ground(Ground),
    Open,
}

fn own(rule: &Rule, demands: &BTreeSet<&RelationName>) -> Own {
    match rule.goals.first() {
        Some(Goal { kind: GoalKind::Scan(scan), .. }) if demands.contains(&scan.relation) => {
            ground(scan).map_or(Own::Open, Own::Ground)
        }
        _ => Own::None,
    }
}

fn ground(scan: &Scan) -> Option<Ground> {
    let constants = scan.constants.iter().map(|(column, value, _)| (column.clone(), value.clone()));
    scan.variables.is_empty().then(|| (scan.relation.clone(), constants.collect()))
}

/// The head of a rule, if it has no variables.
fn head(rule: &Rule) -> Option<Ground> {
    let constant = |term: &Term| if let Term::Constant(value) = term { Some(value.clone()) } else { None };
    let columns = rule.terms.iter().map(|head| Some((head.column.clone(), constant(&head.term)?)));
    Some((rule.head.clone(), columns.collect::<Option<_>>()?))
}

/// All demands that follow from others of this kind, or from nothing.
fn known(rules: &[Rule], demands: &BTreeSet<&RelationName>) -> BTreeSet<Ground> {
    let made = || rules.iter().filter(|rule| demands.contains(&rule.head));
    let mut known = BTreeSet::new();
    loop {
        let follows = |rule: &&Rule| match own(rule, demands) {
            Own::None => true,
            Own::Ground(demand) => known.contains(&demand),
            Own::Open => false,
        };
        let more: BTreeSet<Ground> = made().filter(follows).filter_map(head).collect();
        if more.len() == known.len() {
            return known;
        }
        known = more;
    }
}
