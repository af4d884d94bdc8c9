//! The least of a case that still fails: conditions, rules, relations, arguments and changes go, while it does.

use crate::program::{Atom, Case, Condition};

/// Takes away what can go. `fails` must be false for what does not compile.
pub(crate) fn shrink(case: &Case, fails: impl Fn(&Case) -> bool) -> Case {
    let mut least = case.clone();
    while let Some(less) = smaller(&least).into_iter().find(&fails) {
        least = less;
    }
    least
}

/// The cases that are a little smaller, the much smaller ones first.
fn smaller(case: &Case) -> Vec<Case> {
    let mut all = Vec::new();
    let mut offer = |change: &dyn Fn(&mut Case)| {
        let mut less = case.clone();
        change(&mut less);
        all.push(less);
    };
    for at in 0..case.rules.len() {
        offer(&|less| drop(less.rules.remove(at)));
    }
    for at in 0..case.stream.len() {
        offer(&|less| drop(less.stream.remove(at)));
    }
    for at in 0..case.relations.len() {
        offer(&|less| drop(less.relations.remove(at)));
        offer(&|less| less.relations[at].output = false);
    }
    for (at, rule) in case.rules.iter().enumerate() {
        for condition in 0..rule.body.len() {
            offer(&|less| drop(less.rules[at].body.remove(condition)));
            for argument in 0..atom(&rule.body[condition]).map_or(0, |one| one.arguments.len()) {
                offer(&|less| {
                    let atom = atom_mut(&mut less.rules[at].body[condition]);
                    drop(atom.arguments.remove(argument));
                });
            }
        }
    }
    for (at, epoch) in case.stream.iter().enumerate() {
        for change in 0..epoch.len() {
            offer(&|less| drop(less.stream[at].remove(change)));
        }
    }
    offer(&|less| less.rests = false);
    // What was so already is no smaller.
    all.retain(|less| less != case);
    all
}

fn atom(condition: &Condition) -> Option<&Atom> {
    match condition {
        Condition::Holds { atom, .. } | Condition::Not(atom) => Some(atom),
        Condition::Aggregate(aggregate) => Some(&aggregate.atom),
        Condition::Compare(..) => None,
    }
}

fn atom_mut(condition: &mut Condition) -> &mut Atom {
    match condition {
        Condition::Holds { atom, .. } | Condition::Not(atom) => atom,
        Condition::Aggregate(aggregate) => &mut aggregate.atom,
        Condition::Compare(..) => unreachable!("a comparison has no atom"),
    }
}
