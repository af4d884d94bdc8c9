//! Demand: rules that derive only what is asked for (Q16, known as magic sets).
//!
//! `Q(y: Y) :- Reach(x: 1, y: Y).` asks for the rows of `Reach` from 1, and the rules of `Reach` would derive those
//! from everywhere. So a relation gets *demanded columns*, those that every use of it gives a value, and a *demand*: a
//! relation over these columns, with the values that are given. Each of its rules then has the demand as a further
//! goal; and each use adds to the demand, by a rule that asks the goals before it.
//!
//! ```text
//! demand~Reach(x: 1).
//! demand~Reach(x: Y) :- demand~Reach(x: X), Edge(x: X, y: Y).      % from the recursive use
//! Reach(x: X, y: Z) :- demand~Reach(x: X), Edge(x: X, y: Y), Reach(x: Y, y: Z).
//! ```
//!
//! A demand begins with a constant or a parameter (whose values are rows in a lifted program): that a variable is
//! bound by an atom which is itself read whole saves nothing. What is negated, aggregated or asked for its CID must be
//! complete, and so must be all that it depends on; outputs are complete too. These are left as they are. So no new
//! cycle goes through a negation: what is complete never reads a demand. Demands in which there are constants only are
//! settled at once ([`constants`]).

mod constants;

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{Column, Comparison, RelationName, Term};

use crate::binding;
use crate::relations::{Known, Relations};
use crate::rule::{Goal, GoalKind, HeadTerm, Rule, Scan, Variable};
use crate::stratify::{Edge, Reading};

/// Rules and relations of the same meaning for the outputs, in which relations hold only what is demanded of them;
/// nothing if no demand can be made. Of the rules only those of `needed` relations are looked at.
pub(crate) fn rewrite(
    rules: &[Rule],
    relations: &Relations,
    edges: &[Edge],
    needed: &BTreeSet<RelationName>,
) -> Option<(Vec<Rule>, Relations)> {
    let complete = complete(rules, relations, edges);
    let rules: Vec<&Rule> = rules.iter().filter(|rule| needed.contains(&rule.head)).collect();
    let given = relations.parameters.as_ref();
    let demanded = demanded(&rules, &complete, given);
    if demanded.is_empty() {
        return None;
    }
    let names: BTreeMap<_, _> = demanded.keys().map(|name| (name, free_name(name, relations))).collect();
    let demand = Demand { columns: &demanded, names: &names, given };
    let mut relations = relations.clone();
    for (name, columns) in &demanded {
        let known = Known::derived(&relations.known[name], columns);
        relations.known.insert(names[name].clone(), known);
    }
    let rewritten = rules.iter().flat_map(|rule| demand.rule(rule)).collect();
    Some((constants::settle(rewritten, &names.values().collect()), relations))
}

/// The relations that hold all their rows: outputs, whatever more rows of which could take rows away, and what is not
/// derived but stored or stated.
fn complete(rules: &[Rule], relations: &Relations, edges: &[Edge]) -> BTreeSet<RelationName> {
    let mut complete: BTreeSet<RelationName> = BTreeSet::new();
    let strict = edges.iter().filter(|edge| edge.reading != Reading::Plain);
    let mut waiting: Vec<&RelationName> = strict.map(|edge| &edge.to).collect();
    while let Some(name) = waiting.pop() {
        if complete.insert(name.clone()) {
            waiting.extend(edges.iter().filter(|edge| edge.from == *name).map(|edge| &edge.to));
        }
    }
    let derived: BTreeSet<_> =
        rules.iter().filter(|rule| !rule.goals.is_empty()).map(|rule| &rule.head).collect();
    let shown = |known: &Known| known.output || known.forbidden;
    let whole = relations.known.iter().filter(|(name, known)| shown(known) || !derived.contains(name));
    complete.extend(whole.map(|(name, _)| name.clone()));
    complete
}

/// A name for the demand on a relation.
fn free_name(name: &RelationName, relations: &Relations) -> RelationName {
    let mut demand = format!("demand~{name}");
    while relations.known.contains_key(demand.as_str()) {
        demand.insert(0, '~');
    }
    demand.into()
}

/// The demanded columns of each relation that has any: those that all its uses bind. Fewer bound columns of a head bind
/// fewer columns in the body, so this is repeated until nothing changes.
fn demanded(
    rules: &[&Rule],
    complete: &BTreeSet<RelationName>,
    given: Option<&RelationName>,
) -> BTreeMap<RelationName, BTreeSet<Column>> {
    let nothing = BTreeSet::new();
    let mut demanded: BTreeMap<RelationName, BTreeSet<Column>> = BTreeMap::new();
    loop {
        let before = demanded.clone();
        for rule in rules {
            let columns =
                if complete.contains(&rule.head) { Some(&nothing) } else { demanded.get(&rule.head) };
            // What nobody asks for is not asked for by its rules either.
            let Some(columns) = columns else { continue };
            let bound = bound_by_head(rule, columns);
            for Use { scan, columns, .. } in uses(rule, &bound, given) {
                if complete.contains(&scan.relation) {
                    continue;
                }
                let known = demanded.entry(scan.relation.clone()).or_insert_with(|| columns.clone());
                known.retain(|column| columns.contains(column));
            }
        }
        if demanded == before {
            demanded.retain(|_, columns| !columns.is_empty());
            return demanded;
        }
    }
}

/// The variables that are bound if these columns of the head are.
fn bound_by_head(rule: &Rule, columns: &BTreeSet<Column>) -> BTreeSet<Variable> {
    let bound = rule.terms.iter().filter(|head| columns.contains(&head.column));
    bound
        .filter_map(|head| match &head.term {
            Term::Column(variable) => Some(variable.clone()),
            Term::Constant(_) | Term::Apply(..) => None,
        })
        .collect()
}

/// An atom of a body with the columns that have a value by then, and the goals that gave it.
struct Use<'a> {
    scan: &'a Scan,
    columns: BTreeSet<Column>,
    before: Vec<&'a Goal>,
}

/// The positive atoms of a rule, each when the most of its columns are bound: what is known passes from one goal to
/// the next. An atom of which nothing is known passes nothing on, but for that of the parameters `given`.
fn uses<'a>(rule: &'a Rule, bound: &BTreeSet<Variable>, given: Option<&RelationName>) -> Vec<Use<'a>> {
    let mut bound = bound.clone();
    let mut uses = Vec::new();
    let is_given = |goal: &&Goal| given.is_some() && goal.scan().map(|scan| &scan.relation) == given;
    let (mut before, mut waiting): (Vec<&Goal>, Vec<&Goal>) = rule.goals.iter().partition(is_given);
    bound.extend(before.iter().flat_map(|goal| goal.variables()));
    loop {
        let ready = |goal: &&Goal| match &goal.kind {
            GoalKind::Compare(..) => {
                binding::assignment(goal, &bound).is_some() || goal.variables().is_subset(&bound)
            }
            GoalKind::Scan(_) | GoalKind::Not(_) | GoalKind::Aggregate { .. } => false,
        };
        if let Some(place) = waiting.iter().position(ready) {
            let goal = waiting.remove(place);
            bound.extend(binding::bound_by(goal, &bound));
            before.push(goal);
            continue;
        }
        let known = |(place, goal): (usize, &&'a Goal)| match &goal.kind {
            GoalKind::Scan(scan) => Some((columns_bound(scan, &bound), place, scan)),
            GoalKind::Not(_) | GoalKind::Aggregate { .. } | GoalKind::Compare(..) => None,
        };
        let scans = waiting.iter().enumerate().filter_map(known);
        let best = scans.max_by_key(|(columns, place, _)| (columns.len(), std::cmp::Reverse(*place)));
        let Some((columns, place, scan)) = best else { return uses };
        let goal = waiting.remove(place);
        let known = !columns.is_empty();
        uses.push(Use { scan, columns, before: before.clone() });
        if known {
            bound.extend(scan.all_variables());
            before.push(goal);
        }
    }
}

/// The columns of an atom that have a value.
fn columns_bound(scan: &Scan, bound: &BTreeSet<Variable>) -> BTreeSet<Column> {
    let constants = scan.constants.iter().map(|(column, ..)| column);
    let variables = scan.variables.iter().filter(|(_, variable, _)| bound.contains(variable));
    constants.chain(variables.map(|(column, ..)| column)).cloned().collect()
}

/// The demanded columns of relations, and the names of their demands.
struct Demand<'a> {
    columns: &'a BTreeMap<RelationName, BTreeSet<Column>>,
    names: &'a BTreeMap<&'a RelationName, RelationName>,
    /// The input that gives parameters their values.
    given: Option<&'a RelationName>,
}

impl Demand<'_> {
    /// What becomes of a rule: itself, under its demand, and the demands it makes.
    fn rule(&self, rule: &Rule) -> Vec<Rule> {
        // Rows that stand in the program are there already.
        let columns = self.columns.get(&rule.head).filter(|_| !rule.goals.is_empty());
        let bound = columns.map(|columns| bound_by_head(rule, columns)).unwrap_or_default();
        let own = columns.map(|columns| self.own(rule, columns)).unwrap_or_default();
        let uses = uses(rule, &bound, self.given);
        let made = uses.iter().filter_map(|one| self.made(rule, &own, one));
        let mut rules: Vec<Rule> = made.collect();
        let goals = own.iter().chain(&rule.goals).cloned().collect();
        rules.push(Rule { goals, ..rule.clone() });
        rules
    }

    /// The goals that say that a head is demanded.
    fn own(&self, rule: &Rule, columns: &BTreeSet<Column>) -> Vec<Goal> {
        let relation = self.names[&rule.head].clone();
        let mut scan = Scan { relation, cid: None, constants: Vec::new(), variables: Vec::new() };
        let mut computed = Vec::new();
        for head in rule.terms.iter().filter(|head| columns.contains(&head.column)) {
            let (column, span) = (head.column.clone(), head.span);
            match &head.term {
                Term::Column(variable) => scan.variables.push((column, variable.clone(), span)),
                Term::Constant(value) => scan.constants.push((column, value.clone(), span)),
                Term::Apply(..) => {
                    let variable = Variable::from(format!("~demanded~{column}"));
                    scan.variables.push((column, variable.clone(), span));
                    let kind =
                        GoalKind::Compare(Comparison::Equal, Term::Column(variable), head.term.clone());
                    computed.push(Goal { kind, span });
                }
            }
        }
        let scan = Goal { kind: GoalKind::Scan(scan), span: rule.span };
        std::iter::once(scan).chain(computed).collect()
    }

    /// The rule by which a use makes its demand.
    fn made(&self, rule: &Rule, own: &[Goal], one: &Use) -> Option<Rule> {
        let columns = self.columns.get(&one.scan.relation)?;
        let head = self.names[&one.scan.relation].clone();
        let constants = one.scan.constants.iter().map(|(column, value, span)| HeadTerm {
            column: column.clone(),
            term: Term::Constant(value.clone()),
            span: *span,
        });
        let variables = one.scan.variables.iter().map(|(column, variable, span)| HeadTerm {
            column: column.clone(),
            term: Term::Column(variable.clone()),
            span: *span,
        });
        let mut terms: Vec<_> =
            constants.chain(variables).filter(|head| columns.contains(&head.column)).collect();
        terms.sort_by(|left, right| left.column.cmp(&right.column));
        // Of the goals of the head's own demand only the first binds: the others compute the head.
        let goals: Vec<Goal> = own.iter().take(1).chain(one.before.iter().copied()).cloned().collect();
        if let [Goal { kind: GoalKind::Scan(scan), .. }] = &goals[..]
            && scan.relation == head
            && scan.constants.is_empty()
            && scan.variables.iter().all(|(column, variable, _)| {
                terms.iter().any(|term| term.column == *column && term.term == Term::Column(variable.clone()))
            })
        {
            // What is demanded is demanded.
            return None;
        }
        let span = rule.span;
        let (assumed, occurrences) = (BTreeSet::new(), BTreeMap::new());
        Some(Rule { head, next: false, terms, goals, span, assumed, occurrences })
    }
}
