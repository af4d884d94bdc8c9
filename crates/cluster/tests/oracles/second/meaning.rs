//! What clauses derive: stratum by stratum, each repeated until nothing new comes, one tuple at a time.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Value, codec};

use super::number::{self, Looked};
use super::reader::{Atom, Clause, Condition, Program, Term};

/// A row: the value of each column.
pub(super) type Row = BTreeMap<String, Value>;

/// What relations hold.
pub(super) type Relations = BTreeMap<String, BTreeSet<Row>>;

type Bindings = BTreeMap<String, Value>;

/// It took more than the steps allowed.
#[derive(Debug)]
pub(super) struct TooLong;

/// What all relations hold when the inputs hold these rows.
pub(super) fn evaluate(program: &Program, stored: &Relations, steps: u64) -> Result<Relations, TooLong> {
    let mut world = World { program, relations: stored.clone(), steps };
    for stratum in strata(program) {
        let clauses: Vec<&Clause> =
            program.clauses.iter().filter(|clause| stratum.contains(&clause.head.relation)).collect();
        let mut more = true;
        while more {
            more = false;
            for clause in &clauses {
                more |= world.derive(clause)?;
            }
        }
    }
    Ok(world.relations)
}

fn atom(condition: &Condition) -> Option<&Atom> {
    match condition {
        Condition::Atom(atom) | Condition::Named(_, atom) | Condition::Not(atom) => Some(atom),
        Condition::Aggregate { atom, .. } => Some(atom),
        Condition::Compare(..) => None,
    }
}

/// Relations that depend on each other, each such set after those that it depends on.
fn strata(program: &Program) -> Vec<BTreeSet<String>> {
    let mut below: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for clause in &program.clauses {
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
        Condition::Aggregate { result, function, over, .. } => {
            let ranked = over.clone().filter(|_| function == "rank");
            ranked.into_iter().chain([result.clone()]).collect()
        }
        Condition::Not(_) | Condition::Compare(..) => BTreeSet::new(),
    }
}

/// A condition, and the variables that must have values before it can be asked.
struct Step<'a> {
    condition: &'a Condition,
    needs: BTreeSet<String>,
}

fn steps(body: &[Condition]) -> Vec<Step<'_>> {
    let needs = |at: usize, condition: &Condition| match condition {
        Condition::Not(atom) => variables_of(atom),
        Condition::Atom(atom) | Condition::Named(_, atom) => {
            let own = binds(&Condition::Atom(atom.clone()));
            variables_of(atom).difference(&own).cloned().collect()
        }
        Condition::Compare(_, left, right) => {
            let mut all = BTreeSet::new();
            [left, right].into_iter().for_each(|term| variables(term, &mut all));
            all
        }
        Condition::Aggregate { over, by, atom, .. } => {
            let others = body.iter().enumerate().filter(|(other, _)| *other != at);
            let bound: BTreeSet<String> = others.flat_map(|(_, condition)| binds(condition)).collect();
            let looked_at = |name: &String| over.as_ref() == Some(name) || by.contains(name);
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
    relations: Relations,
    steps: u64,
}

impl World<'_> {
    /// Adds what a clause derives now; whether something was new.
    fn derive(&mut self, clause: &Clause) -> Result<bool, TooLong> {
        let steps = steps(&clause.body);
        let mut found = Vec::new();
        self.solve(&steps.iter().collect::<Vec<_>>(), Bindings::new(), &mut found)?;
        let rows: Vec<Row> = found.iter().filter_map(|bindings| self.row(&clause.head, bindings)).collect();
        let relation = self.relations.entry(clause.head.relation.clone()).or_default();
        let before = relation.len();
        relation.extend(rows);
        Ok(relation.len() > before)
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
    fn solve(
        &mut self,
        steps: &[&Step],
        bindings: Bindings,
        found: &mut Vec<Bindings>,
    ) -> Result<(), TooLong> {
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
    fn ways(&mut self, condition: &Condition, bindings: &Bindings) -> Result<Vec<Bindings>, TooLong> {
        Ok(match condition {
            Condition::Atom(atom) => {
                self.matches(atom, bindings)?.into_iter().map(|(_, after)| after).collect()
            }
            Condition::Named(name, atom) => {
                let matches = self.matches(atom, bindings)?.into_iter();
                matches.filter_map(|(row, after)| unify(after, name, cid(&atom.relation, &row))).collect()
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
            Condition::Aggregate { .. } => self.aggregate(condition, bindings)?,
        })
    }

    /// The rows that match an atom, with the bindings that then hold.
    fn matches(&mut self, atom: &Atom, bindings: &Bindings) -> Result<Vec<(Row, Bindings)>, TooLong> {
        let rows = self.relations.get(&atom.relation).cloned().unwrap_or_default();
        self.steps = self.steps.checked_sub(rows.len() as u64 + 1).ok_or(TooLong)?;
        Ok(rows
            .into_iter()
            .filter_map(|row| matched(atom, &row, bindings).map(|after| (row, after)))
            .collect())
    }

    fn aggregate(&mut self, condition: &Condition, bindings: &Bindings) -> Result<Vec<Bindings>, TooLong> {
        let Condition::Aggregate { result, function, over, by, atom } = condition else { return Ok(vec![]) };
        if !defined(atom, bindings) {
            return Ok(vec![]);
        }
        let mut inside = bindings.clone();
        over.iter().for_each(|name| drop(inside.remove(name)));
        let looked = |after: &Bindings| Looked {
            over: over.as_ref().map_or(Value::Bool(true), |name| after[name].clone()),
            by: by.iter().map(|name| after[name].clone()).collect(),
        };
        let rows: Vec<Looked> = self.matches(atom, &inside)?.iter().map(|(_, after)| looked(after)).collect();
        if let ("rank", Some(over)) = (function.as_str(), over) {
            return Ok(ranks(&rows, over, result, bindings));
        }
        let zero = self.zero(atom, over.as_ref());
        let folded = number::fold(function, &rows, over.is_some(), &zero);
        Ok(folded.and_then(|value| unify(bindings.clone(), result, value)).into_iter().collect())
    }

    /// The sum of nothing: of the type of the column.
    fn zero(&self, atom: &Atom, over: Option<&String>) -> Value {
        let is_over = |term: &Term| matches!(term, Term::Variable(name) if Some(name) == over);
        let column = atom.arguments.iter().find(|(_, term)| is_over(term)).map(|(column, _)| column);
        let declared = column.and_then(|column| self.declared(&atom.relation, column));
        if declared == Some("float") { Value::float(0.0).expect("finite") } else { Value::Int(0) }
    }
}

/// Each of what is ranked with its place.
fn ranks(rows: &[Looked], over: &str, result: &str, bindings: &Bindings) -> Vec<Bindings> {
    let mut places: Vec<&[Value]> = rows.iter().map(|row| &row.by[..]).collect();
    places.sort_by(|left, right| number::order_all(left, right));
    places.dedup();
    let mut ways = BTreeSet::new();
    for row in rows {
        let place = places.iter().position(|one| *one == &row.by[..]).expect("it is one of them") + 1;
        let place = Value::Int(i64::try_from(place).expect("few rows"));
        let with = unify(bindings.clone(), over, row.over.clone());
        ways.extend(with.and_then(|bindings| unify(bindings, result, place)));
    }
    ways.into_iter().collect()
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
