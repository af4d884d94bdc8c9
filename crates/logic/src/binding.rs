//! Which conditions bind which variables, and when a condition can be tried (PL-4, PL-16 … PL-21, Q9).
//!
//! Atoms bind the variables they name. A negation needs all of its variables bound. An aggregate needs its *keys*: the
//! variables of its atom that something else binds; its other variables are its own and do not escape, but for the one
//! that `rank` ranks or `fold_moves` moves. It binds its result. A comparison needs both sides, except that `X ==
//! term` binds `X` once the term's variables are bound. Nothing else is solved.

use std::collections::BTreeSet;

use motet_algebra::{Comparison, Term};

use crate::rule::{Goal, GoalKind, Rule, Scan, Variable, term_variables};

/// The variables that a rule's body can bind.
pub(crate) fn bindable(rule: &Rule) -> BTreeSet<Variable> {
    let mut bound = rule.assumed.clone();
    for goal in &rule.goals {
        match &goal.kind {
            GoalKind::Scan(scan) => bound.extend(scan.all_variables()),
            GoalKind::Aggregate { result, .. } => {
                bound.extend(goal.escaping().into_iter().chain([result]).cloned());
            }
            GoalKind::Not(_) | GoalKind::Compare(..) => {}
        }
    }
    loop {
        let before = bound.len();
        for goal in &rule.goals {
            if let Some((variable, _)) = assignment(goal, &bound) {
                bound.insert(variable.clone());
            }
        }
        if bound.len() == before {
            return bound;
        }
    }
}

/// If the goal binds an unbound variable to a term whose variables are bound: both.
pub(crate) fn assignment<'a>(goal: &'a Goal, bound: &BTreeSet<Variable>) -> Option<(&'a Variable, &'a Term)> {
    let GoalKind::Compare(Comparison::Equal, left, right) = &goal.kind else { return None };
    let ways = [(left, right), (right, left)];
    ways.into_iter().find_map(|(target, term)| match target {
        Term::Column(variable) if !bound.contains(variable) && term_variables(term).is_subset(bound) => {
            Some((variable, term))
        }
        _ => None,
    })
}

/// The variables of an aggregated atom that make its groups.
pub(crate) fn keys(scan: &Scan, own: &[Variable], bindable: &BTreeSet<Variable>) -> Vec<Variable> {
    let is_key = |variable: &Variable| bindable.contains(variable) && !own.contains(variable);
    scan.all_variables().into_iter().filter(is_key).collect()
}

/// Whether a goal can be tried when some variables are bound.
pub(crate) fn is_ready(goal: &Goal, bound: &BTreeSet<Variable>, bindable: &BTreeSet<Variable>) -> bool {
    match &goal.kind {
        GoalKind::Scan(_) => true,
        GoalKind::Not(_) => goal.variables().is_subset(bound),
        GoalKind::Aggregate { scan, .. } => {
            keys(scan, &goal.own_variables(), bindable).iter().all(|key| bound.contains(key))
        }
        GoalKind::Compare(..) => goal.variables().is_subset(bound) || assignment(goal, bound).is_some(),
    }
}

/// The goals that can never be tried, because they wait for each other.
pub(crate) fn stuck<'a>(rule: &'a Rule, bindable: &BTreeSet<Variable>) -> Vec<&'a Goal> {
    let mut bound = rule.assumed.clone();
    let mut waiting: Vec<&Goal> = rule.goals.iter().collect();
    while let Some(place) = waiting.iter().position(|goal| is_ready(goal, &bound, bindable)) {
        bound.extend(bound_by(waiting.remove(place), &bound));
    }
    waiting
}

/// What a goal that is ready binds.
pub(crate) fn bound_by(goal: &Goal, bound: &BTreeSet<Variable>) -> Vec<Variable> {
    match &goal.kind {
        GoalKind::Scan(scan) => scan.all_variables(),
        GoalKind::Aggregate { result, .. } => goal.escaping().into_iter().chain([result]).cloned().collect(),
        GoalKind::Compare(..) => {
            assignment(goal, bound).map(|(variable, _)| variable.clone()).into_iter().collect()
        }
        GoalKind::Not(_) => vec![],
    }
}
