//! Parameters as rows: one program for everybody who asks the same with other values (Q16).
//!
//! A program with parameters means another program for each *binding*, the values that its parameters are given.
//! Lifted, it is one program for a set of bindings: the rows of an input, which has a column for each parameter. A
//! relation that depends on parameters then has them as columns too, before its own, and says for each binding what it
//! holds under that. So a rule
//!
//! ```text
//! Old(who: W, n: N) :- Age(of: W, is: A), A > $age, N := count : Friend(of: W, knows: $who).
//! ```
//!
//! asks the input first, and its head says what was asked; a relation that depends on fewer parameters has fewer of
//! them. What depends on none is there once for all, and that is what sharing saves. The bindings are joined, negated
//! and grouped by like any variable that the rest of the body binds.
//!
//! It is the same only where each epoch is a function of the inputs, so not in programs with time; nor where the CID of
//! a row is asked for that now has more columns, or where a stored row has a parameter in it.

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{ColumnType, RelationName, Term};
use motet_fact::Kind;

use crate::relations::{Known, Relations};
use crate::rule::{Goal, GoalKind, HeadTerm, Rule, Scan, Variable};

/// What the variable of a parameter begins with; the parser knows no such name.
const PREFIX: &str = "~$";

/// The variable that stands for a parameter, and the column for its value.
pub(crate) fn variable(parameter: &str) -> Variable {
    format!("{PREFIX}{parameter}").into()
}

/// The parameter that a variable stands for.
pub(crate) fn parameter(variable: &str) -> &str {
    variable.trim_start_matches(PREFIX)
}

/// A lifted program's parameters.
#[derive(Default)]
pub(crate) struct Lifted {
    /// Those that the program asks for, ascending.
    pub(crate) parameters: Vec<Variable>,
    /// Those of each relation that depends on some.
    pub(crate) bound: BTreeMap<RelationName, BTreeSet<Variable>>,
}

/// Lifts resolved rules in which parameters are variables of these kinds; nothing if that is not possible.
pub(crate) fn lift(
    rules: &mut [Rule],
    relations: &mut Relations,
    kinds: &BTreeMap<String, Kind>,
) -> Option<Lifted> {
    let timed = rules.iter().any(|rule| rule.next) || relations.known.values().any(|known| known.event);
    let bound = bound(rules);
    let names_cid = |scan: &Scan| scan.cid.is_some() && bound.contains_key(&scan.relation);
    let scans = rules.iter().flat_map(|rule| &rule.goals).filter_map(Goal::scan);
    let stored = |(name, _): (&RelationName, &_)| relations.known.get(name).is_none_or(|known| known.input);
    if timed || scans.into_iter().any(names_cid) || bound.iter().any(stored) {
        return None;
    }
    let parameters: BTreeSet<Variable> = bound.values().flatten().cloned().collect();
    let kind = |parameter: &Variable| {
        let kind = kinds.get(self::parameter(parameter));
        ColumnType::Kind(*kind.expect("the resolver knows every parameter that is given"))
    };
    for (name, own) in &bound {
        let columns = own.iter().map(|parameter| (parameter.clone(), Some(kind(parameter))));
        let known = relations.known.get_mut(name).expect("every head is known");
        known.columns.splice(0..0, columns);
    }
    if !parameters.is_empty() {
        let input = free_name(relations);
        let typed = parameters.iter().map(|parameter| (parameter.clone(), Some(kind(parameter)))).collect();
        relations.known.insert(input.clone(), Known::given(typed));
        relations.parameters = Some(input.clone());
        rules.iter_mut().for_each(|rule| bind(rule, &bound, &input));
    }
    Some(Lifted { parameters: parameters.into_iter().collect(), bound })
}

/// The parameters on which each relation depends, if on any.
fn bound(rules: &[Rule]) -> BTreeMap<RelationName, BTreeSet<Variable>> {
    let mut bound: BTreeMap<RelationName, BTreeSet<Variable>> = BTreeMap::new();
    loop {
        let mut grown = false;
        for rule in rules {
            let read = rule.goals.iter().filter_map(|goal| bound.get(&goal.scan()?.relation)).flatten();
            let all: BTreeSet<Variable> = mentioned(rule).into_iter().chain(read.cloned()).collect();
            if !all.is_empty() {
                let own = bound.entry(rule.head.clone()).or_default();
                let before = own.len();
                own.extend(all);
                grown |= own.len() > before;
            }
        }
        if !grown {
            return bound;
        }
    }
}

/// The parameters that a rule itself names.
fn mentioned(rule: &Rule) -> BTreeSet<Variable> {
    let of_head = rule.terms.iter().flat_map(|head| crate::rule::term_variables(&head.term));
    let all = of_head.chain(rule.goals.iter().flat_map(Goal::variables));
    all.filter(|variable| variable.starts_with(PREFIX)).collect()
}

/// Makes a rule ask for the bindings, and say which one it speaks of.
fn bind(rule: &mut Rule, bound: &BTreeMap<RelationName, BTreeSet<Variable>>, input: &RelationName) {
    let Some(own) = bound.get(&rule.head) else { return };
    let span = rule.span;
    for goal in &mut rule.goals {
        if let GoalKind::Scan(scan) | GoalKind::Not(scan) | GoalKind::Aggregate { scan, .. } = &mut goal.kind
        {
            let parameters = bound.get(&scan.relation).into_iter().flatten();
            let column = |parameter: &Variable| (parameter.clone(), parameter.clone(), goal.span);
            scan.variables.extend(parameters.map(column));
        }
    }
    let variables = own.iter().map(|parameter| (parameter.clone(), parameter.clone(), span)).collect();
    let scan = Scan { relation: input.clone(), cid: None, constants: Vec::new(), variables };
    rule.goals.insert(0, Goal { kind: GoalKind::Scan(scan), span });
    let heads = own.iter().map(|parameter| HeadTerm {
        column: parameter.clone(),
        term: Term::Column(parameter.clone()),
        span,
    });
    rule.terms.splice(0..0, heads);
}

fn free_name(relations: &Relations) -> RelationName {
    let mut name = "parameters~".to_owned();
    while relations.known.contains_key(name.as_str()) {
        name.push('~');
    }
    name.into()
}
