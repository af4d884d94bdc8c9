//! What clauses derive: stratum by stratum, each repeated until nothing new comes, one tuple at a time.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Value, codec};

use super::number::{self, Looked};
use super::reader::{Aggregate, Atom, Clause, Condition, Program, Term};
use super::types::Types;

/// A row: the value of each column.
pub(super) type Row = BTreeMap<String, Value>;

/// What relations hold.
pub(super) type Relations = BTreeMap<String, BTreeSet<Row>>;

type Bindings = BTreeMap<String, Value>;

/// It took more than the steps allowed.
#[derive(Debug)]
pub(super) struct TooLong;

/// What the program states of its inputs: they hold it from the first epoch on, or in the first if it is an event.
pub(super) fn stated(program: &Program) -> Result<Relations, TooLong> {
    let world =
        World { program, types: Types::of(program), relations: Relations::new(), steps: &Cell::new(0) };
    let mut all = Relations::new();
    for clause in program.clauses.iter().filter(|clause| states(program, clause)) {
        all.entry(clause.head.relation.clone()).or_default().extend(world.derived(clause)?);
    }
    Ok(all)
}

/// Whether a clause is a fact of an input.
fn states(program: &Program, clause: &Clause) -> bool {
    let name = &clause.head.relation;
    clause.body.is_empty() && (program.inputs.contains(name) || program.events.contains(name))
}

/// What all relations hold in an epoch that has these rows from outside and from the epoch before, and what its
/// inductive clauses give to the next one. Takes steps off.
pub(super) fn evaluate(
    program: &Program,
    rows: Relations,
    steps: &Cell<u64>,
) -> Result<(Relations, Relations), TooLong> {
    let needed = needed(program);
    let needed = program.clauses.iter().filter(|clause| needed.contains(&*clause.head.relation));
    let (inductive, deductive): (Vec<&Clause>, Vec<&Clause>) =
        needed.filter(|clause| !states(program, clause)).partition(|clause| clause.next);
    let mut world = World { program, types: Types::of(program), relations: rows, steps };
    for stratum in strata(&deductive) {
        let mut more = true;
        while more {
            more = false;
            for clause in deductive.iter().filter(|clause| stratum.contains(&clause.head.relation)) {
                let rows = world.derived(clause)?;
                let relation = world.relations.entry(clause.head.relation.clone()).or_default();
                let before = relation.len();
                relation.extend(rows);
                more |= relation.len() > before;
            }
        }
    }
    let mut next = Relations::new();
    for clause in inductive {
        next.entry(clause.head.relation.clone()).or_default().extend(world.derived(clause)?);
    }
    next.retain(|_, rows| !rows.is_empty());
    Ok((world.relations, next))
}

/// The outputs and all they depend on, in this epoch or by the one before; everything if there is no output.
fn needed(program: &Program) -> BTreeSet<&str> {
    let mut needed: BTreeSet<&str> = program.outputs.iter().map(String::as_str).collect();
    if needed.is_empty() {
        needed = program.clauses.iter().map(|clause| &*clause.head.relation).collect();
    }
    loop {
        let before = needed.len();
        for clause in &program.clauses {
            if needed.contains(&*clause.head.relation) {
                needed.extend(clause.body.iter().filter_map(atom).map(|atom| &*atom.relation));
            }
        }
        if needed.len() == before {
            return needed;
        }
    }
}

fn atom(condition: &Condition) -> Option<&Atom> {
    match condition {
        Condition::Atom(atom) | Condition::Named(_, atom) | Condition::Not(atom) => Some(atom),
        Condition::Aggregate(aggregate) => Some(&aggregate.atom),
        Condition::Compare(..) => None,
    }
}

/// Relations that depend on each other within an epoch, each such set after those that it depends on.
fn strata(clauses: &[&Clause]) -> Vec<BTreeSet<String>> {
    let mut below: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for clause in clauses {
        let needs = clause.body.iter().filter_map(atom).map(|atom| atom.relation.as_str());
        below.entry(&clause.head.relation).or_default().extend(needs);
    }
    for (name, needs) in &mut below {
        needs.insert(name);
    }
    let before = below.clone();
    for _ in 0..before.len() {
        for needs in below.values_mut() {
            let further: Vec<&str> =
                needs.iter().filter_map(|one| before.get(one)).flatten().copied().collect();
            needs.extend(further);
        }
    }
    let with = |name: &&str| -> BTreeSet<String> {
        let mutual = |other: &&&str| below[*name].contains(**other) && below[**other].contains(*name);
        below.keys().filter(mutual).map(|one| (*one).to_owned()).collect()
    };
    // Whoever needs more stands later: what one needs it needs with all that this needs.
    let mut strata: Vec<(usize, BTreeSet<String>)> =
        below.keys().map(|name| (below[name].len(), with(name))).collect();
    strata.sort();
    strata.dedup();
    strata.into_iter().map(|(_, stratum)| stratum).collect()
}

fn variables(term: &Term, into: &mut BTreeSet<String>) {
    match term {
        Term::Variable(name) => drop(into.insert(name.clone())),
        Term::Anything | Term::Value(_) => {}
        Term::Apply(_, of) => of.iter().for_each(|one| variables(one, into)),
    }
}

fn variables_of(atom: &Atom) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    atom.arguments.iter().for_each(|(_, term)| variables(term, &mut all));
    all
}

/// Whether what an aggregate is over leaves the atom: it gives a result for each.
fn leaves(function: &str) -> bool {
    ["rank", "fold_moves"].contains(&function)
}

/// The variables that a condition can give a value to.
fn binds(condition: &Condition) -> BTreeSet<String> {
    let bare = |term: &Term| if let Term::Variable(name) = term { Some(name.clone()) } else { None };
    let of_atom = |atom: &Atom| atom.arguments.iter().filter_map(|(_, term)| bare(term)).collect::<Vec<_>>();
    match condition {
        Condition::Atom(atom) => of_atom(atom).into_iter().collect(),
        Condition::Named(name, atom) => of_atom(atom).into_iter().chain([name.clone()]).collect(),
        Condition::Compare(operator, left, right) if operator == "==" => {
            [left, right].into_iter().filter_map(bare).collect()
        }
        Condition::Aggregate(aggregate) => {
            let out = aggregate.over.clone().filter(|_| leaves(&aggregate.function));
            out.into_iter().chain([aggregate.result.clone()]).collect()
        }
        Condition::Not(_) | Condition::Compare(..) => BTreeSet::new(),
    }
}

/// The conditions of a body, with a computed column of an atom that holds as an equation of its own: what it is
/// computed from may come from anywhere.
fn spread(body: &[Condition]) -> Vec<Condition> {
    let mut all = Vec::new();
    for condition in body {
        let mut condition = condition.clone();
        if let Condition::Atom(atom) | Condition::Named(_, atom) = &mut condition {
            for (_, term) in &mut atom.arguments {
                if let Term::Apply(..) = term {
                    // No variable of the text has such a name.
                    let column = Term::Variable(format!("={}", all.len()));
                    let computed = std::mem::replace(term, column.clone());
                    all.push(Condition::Compare("==".to_owned(), column, computed));
                }
            }
        }
        all.push(condition);
    }
    all
}

/// A condition, and the variables that must have values before it can be asked.
struct Step<'a> {
    condition: &'a Condition,
    needs: BTreeSet<String>,
}

fn steps(body: &[Condition]) -> Vec<Step<'_>> {
    let needs = |at: usize, condition: &Condition| match condition {
        Condition::Not(atom) => variables_of(atom),
        Condition::Atom(_) | Condition::Named(..) => BTreeSet::new(),
        Condition::Compare(_, left, right) => {
            let mut all = BTreeSet::new();
            [left, right].into_iter().for_each(|term| variables(term, &mut all));
            all
        }
        Condition::Aggregate(Aggregate { over, to, by, atom, .. }) => {
            let others = body.iter().enumerate().filter(|(other, _)| *other != at);
            let bound: BTreeSet<String> = others.flat_map(|(_, condition)| binds(condition)).collect();
            let looked_at = |name: &String| over.iter().chain(to).chain(by).any(|one| one == name);
            variables_of(atom).into_iter().filter(|name| bound.contains(name) && !looked_at(name)).collect()
        }
    };
    body.iter().enumerate().map(|(at, condition)| Step { condition, needs: needs(at, condition) }).collect()
}

fn conditions<'a>(steps: &[&Step<'a>]) -> Vec<&'a Condition> {
    steps.iter().map(|step| step.condition).collect()
}

/// Which of two sides of `==` is a variable without a value, where the other side has one.
fn unbound<'a>(condition: &'a Condition, bindings: &Bindings) -> Option<(&'a String, &'a Term)> {
    let Condition::Compare(operator, left, right) = condition else { return None };
    let free = |term: &'a Term| match term {
        Term::Variable(name) if !bindings.contains_key(name) => Some(name),
        _ => None,
    };
    let ground = |term: &Term| {
        let mut all = BTreeSet::new();
        variables(term, &mut all);
        all.iter().all(|name| bindings.contains_key(name))
    };
    let one = |side: &'a Term, other: &'a Term| Some((free(side)?, other)).filter(|_| ground(other));
    if operator == "==" { one(left, right).or_else(|| one(right, left)) } else { None }
}

fn value(term: &Term, bindings: &Bindings) -> Option<Value> {
    match term {
        Term::Variable(name) => bindings.get(name).cloned(),
        Term::Anything => None,
        Term::Value(value) => Some(value.clone()),
        Term::Apply(function, of) => {
            let of: Option<Vec<Value>> = of.iter().map(|one| value(one, bindings)).collect();
            number::apply(function, &of?)
        }
    }
}

struct World<'a> {
    program: &'a Program,
    types: Types<'a>,
    relations: Relations,
    /// How many rows may still be looked at.
    steps: &'a Cell<u64>,
}

impl World<'_> {
    /// What a clause derives now.
    fn derived(&self, clause: &Clause) -> Result<Vec<Row>, TooLong> {
        let body = spread(&clause.body);
        let steps = steps(&body);
        let mut found = Vec::new();
        self.solve(&steps.iter().collect::<Vec<_>>(), Bindings::new(), &mut found)?;
        Ok(found.iter().filter_map(|bindings| self.row(&clause.head, bindings)).collect())
    }

    /// The row of a head; none if a term is undefined or a value is not of its column's type.
    fn row(&self, head: &Atom, bindings: &Bindings) -> Option<Row> {
        let cell = |(column, term): &(String, Term)| {
            let value = value(term, bindings)?;
            let fits = |of: &str| of == "any" || of == value.kind().name();
            self.declared(&head.relation, column).is_none_or(fits).then(|| (column.clone(), value))
        };
        head.arguments.iter().map(cell).collect()
    }

    fn declared(&self, relation: &str, column: &str) -> Option<&str> {
        let columns = self.program.declared.get(relation)?;
        columns.iter().find(|(name, _)| name == column).map(|(_, of)| of.as_str())
    }

    /// All ways in which the steps hold together.
    fn solve(&self, steps: &[&Step], bindings: Bindings, found: &mut Vec<Bindings>) -> Result<(), TooLong> {
        if steps.is_empty() {
            found.push(bindings);
            return Ok(());
        }
        let ready = |step: &&Step| {
            step.needs.iter().all(|name| bindings.contains_key(name))
                || unbound(step.condition, &bindings).is_some()
        };
        let matches = |step: &&Step| matches!(step.condition, Condition::Atom(_) | Condition::Named(..));
        let first = steps.iter().position(|step| ready(step) && !matches(step));
        let next = first
            .or_else(|| steps.iter().position(ready))
            .unwrap_or_else(|| panic!("none of {:?} can be asked", conditions(steps)));
        let mut rest = steps.to_vec();
        let step = rest.remove(next);
        for bindings in self.ways(step.condition, &bindings)? {
            self.solve(&rest, bindings, found)?;
        }
        Ok(())
    }

    /// The ways in which a condition holds.
    fn ways(&self, condition: &Condition, bindings: &Bindings) -> Result<Vec<Bindings>, TooLong> {
        Ok(match condition {
            Condition::Atom(atom) => {
                self.matches(atom, bindings)?.into_iter().map(|(_, after)| after).collect()
            }
            Condition::Named(name, atom) => {
                let matches = self.matches(atom, bindings)?.into_iter();
                matches.filter_map(|(row, after)| unify(after, name, cid(&atom.relation, row))).collect()
            }
            Condition::Not(atom) => {
                let fails = !defined(atom, bindings) || !self.matches(atom, bindings)?.is_empty();
                if fails { vec![] } else { vec![bindings.clone()] }
            }
            Condition::Compare(operator, left, right) => {
                if let Some((name, other)) = unbound(condition, bindings) {
                    let value = value(other, bindings);
                    return Ok(value
                        .and_then(|value| unify(bindings.clone(), name, value))
                        .into_iter()
                        .collect());
                }
                let both = value(left, bindings).zip(value(right, bindings));
                let holds = both.is_some_and(|(left, right)| number::holds(operator, &left, &right));
                if holds { vec![bindings.clone()] } else { vec![] }
            }
            Condition::Aggregate(aggregate) => self.aggregate(aggregate, bindings)?,
        })
    }

    /// The rows that match an atom, with the bindings that then hold.
    fn matches(&self, atom: &Atom, bindings: &Bindings) -> Result<Vec<(&Row, Bindings)>, TooLong> {
        let rows = self.relations.get(&atom.relation).into_iter().flatten();
        let count = self.relations.get(&atom.relation).map_or(0, BTreeSet::len);
        let left = self.steps.get().checked_sub(count as u64 + 1);
        self.steps.set(left.ok_or(TooLong)?);
        Ok(rows.filter_map(|row| matched(atom, row, bindings).map(|after| (row, after))).collect())
    }

    fn aggregate(&self, aggregate: &Aggregate, bindings: &Bindings) -> Result<Vec<Bindings>, TooLong> {
        let Aggregate { result, function, over, to, by, atom } = aggregate;
        if !defined(atom, bindings) {
            return Ok(vec![]);
        }
        let mut inside = bindings.clone();
        over.iter().for_each(|name| drop(inside.remove(name)));
        let looked = |after: &Bindings| Looked {
            over: over.as_ref().map_or(Value::Bool(true), |name| after[name].clone()),
            to: to.as_ref().map(|name| after[name].clone()),
            by: by.iter().map(|name| after[name].clone()).collect(),
        };
        let rows: Vec<Looked> = self.matches(atom, &inside)?.iter().map(|(_, after)| looked(after)).collect();
        let folded = match (function.as_str(), over) {
            ("rank", Some(over)) => return Ok(of_each(over, result, number::ranks(&rows), bindings)),
            ("fold_moves", Some(over)) => return Ok(of_each(over, result, number::parents(rows), bindings)),
            _ => number::fold(function, &rows, over.is_some(), &self.zero(atom, over.as_ref())),
        };
        Ok(folded.and_then(|value| unify(bindings.clone(), result, value)).into_iter().collect())
    }

    /// The sum of nothing: of the type of the column.
    fn zero(&self, atom: &Atom, over: Option<&String>) -> Value {
        let is_over = |term: &Term| matches!(term, Term::Variable(name) if Some(name) == over);
        let column = atom.arguments.iter().find(|(_, term)| is_over(term)).map(|(column, _)| column);
        let of = column.and_then(|column| self.types.column(&atom.relation, column));
        if of.as_deref() == Some("float") { Value::float(0.0).expect("finite") } else { Value::Int(0) }
    }
}

/// The bindings with each of what an aggregate is over, and its result.
fn of_each(
    over: &str,
    result: &str,
    results: BTreeSet<(Value, Value)>,
    bindings: &Bindings,
) -> Vec<Bindings> {
    let with =
        |(one, value)| unify(bindings.clone(), over, one).and_then(|bindings| unify(bindings, result, value));
    results.into_iter().filter_map(with).collect()
}

/// The bindings with one more, if it does not contradict them.
fn unify(mut bindings: Bindings, name: &str, value: Value) -> Option<Bindings> {
    if *bindings.entry(name.to_owned()).or_insert_with(|| value.clone()) == value {
        Some(bindings)
    } else {
        None
    }
}

/// Whether no term of the atom fails.
fn defined(atom: &Atom, bindings: &Bindings) -> bool {
    let mut computed =
        atom.arguments.iter().map(|(_, term)| term).filter(|term| matches!(term, Term::Apply(..)));
    computed.all(|term| value(term, bindings).is_some())
}

/// The bindings under which the row matches the atom: its variables first, and then what is computed from them.
fn matched(atom: &Atom, row: &Row, bindings: &Bindings) -> Option<Bindings> {
    let contradicts = |(column, term): &(String, Term)| match term {
        Term::Variable(name) => bindings.get(name).is_some_and(|value| *value != row[column]),
        Term::Value(value) => *value != row[column],
        Term::Anything | Term::Apply(..) => false,
    };
    if atom.arguments.iter().any(contradicts) {
        return None;
    }
    let mut after = bindings.clone();
    for (column, term) in &atom.arguments {
        if let Term::Variable(name) = term {
            after = unify(after, name, row[column].clone())?;
        }
    }
    let fits = |(column, term): &(String, Term)| match term {
        Term::Variable(_) | Term::Anything => true,
        Term::Value(_) | Term::Apply(..) => value(term, &after).as_ref() == Some(&row[column]),
    };
    atom.arguments.iter().all(fits).then_some(after)
}

/// The CID of a row: of the relation's name and all columns (Q8).
fn cid(relation: &str, row: &Row) -> Value {
    Value::Link(codec::tuple_cid(relation, row.iter().map(|(column, value)| (column.as_str(), value))))
}
