//! Programs of the plain profile in the language of clingo, an answer set solver of other people's.
//!
//! A stratified program has one answer set, which is its perfect model. Columns become places; a column that is left
//! out becomes `_`, or in an aggregate a variable, so that distinct full rows are counted (Q9). `arg_max`, `arg_min`
//! and `rank` have no counterpart and become rules of their own: candidates, those that are beaten, places.
//!
//! With `MOTET_CLINGO=DIR` the test writes for each case `N.lp`, the program with what its inputs hold in the end, and
//! `N.rows`, what our runtimes say its outputs hold after all epochs; `ask_clingo.py` runs clingo and compares.

use std::fmt::Write as _;

use motet_algebra::ColumnType;
use motet_fact::{Kind, Value};

use crate::common::replay::Contents;
use crate::generate::{self, Profile};
use crate::program::{Aggregate, Atom, Case, Condition, Rule, Term};
use crate::streams::{Outcome, Seen, run};

/// Ints of this size and more are left to the other oracles: clingo computes with 32 bits, and does not say so.
const TOO_BIG: i64 = 1 << 20;

/// The program, with the rows of its inputs, and what is to be shown.
fn program(case: &Case, inputs: &Contents) -> String {
    let mut text = String::new();
    for (name, rows) in inputs {
        for row in rows {
            writeln!(text, "{}.", applied(&predicate(name), &row.iter().map(value).collect::<Vec<_>>()))
                .unwrap();
        }
    }
    // What the program states of an input is stored, and has come and gone with the inputs' rows.
    let stated = |rule: &Rule| rule.body.is_empty() && case.relation(&rule.head.relation).input;
    for (number, rule) in case.rules.iter().enumerate().filter(|(_, rule)| !stated(rule)) {
        text += &Translator { case, rule, number, auxiliary: String::new() }.rule();
    }
    for output in case.relations.iter().filter(|one| one.output) {
        writeln!(text, "#show {}/{}.", predicate(&output.name), output.columns.len()).unwrap();
    }
    text
}

/// The atoms of what the outputs hold.
fn atoms(results: &Contents) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (name, rows) in results {
        let row = |row: &Vec<Value>| applied(&predicate(name), &row.iter().map(value).collect::<Vec<_>>());
        lines.extend(rows.iter().map(row));
    }
    lines.sort();
    lines.join("\n") + "\n"
}

fn predicate(relation: &str) -> String {
    format!("p{relation}")
}

fn variable(name: &str) -> String {
    format!("V{name}")
}

fn applied(name: &str, arguments: &[String]) -> String {
    if arguments.is_empty() { name.to_owned() } else { format!("{name}({})", arguments.join(",")) }
}

fn value(value: &Value) -> String {
    match value {
        Value::Int(_) | Value::Text(_) => value.to_string(),
        other => unreachable!("plain programs have no {other}"),
    }
}

fn term(term: &Term) -> String {
    match term {
        Term::Variable(name) => variable(name),
        Term::Anything => "_".to_owned(),
        Term::Constant(constant) => value(constant),
        Term::Apply("abs", of) => format!("|{}|", self::term(&of[0])),
        Term::Apply("%", of) => format!("({} \\ {})", self::term(&of[0]), self::term(&of[1])),
        Term::Apply("-", of) if of.len() == 1 => format!("(-{})", self::term(&of[0])),
        Term::Apply(operator, of) => format!("({} {operator} {})", self::term(&of[0]), self::term(&of[1])),
    }
}

/// One after the other, as a tuple that compares like one.
fn tuple(parts: &[String]) -> String {
    format!("({},)", parts.join(","))
}

/// Translates one rule.
struct Translator<'a> {
    case: &'a Case,
    rule: &'a Rule,
    number: usize,
    /// Rules that the rule needs.
    auxiliary: String,
}

impl Translator<'_> {
    fn rule(mut self) -> String {
        let conditions = self.rule.body.iter().enumerate();
        let mut body: Vec<String> = conditions.map(|(at, one)| self.condition(at, one)).collect();
        body.extend(self.kinds());
        let head = self.atom(&self.rule.head);
        let so = if body.is_empty() { "" } else { " :- " };
        format!("{}{head}{so}{}.\n", self.auxiliary, body.join(", "))
    }

    /// A typed column takes values of its kind alone: in clingo's order the ints come before all texts.
    fn kinds(&self) -> Vec<String> {
        let typed =
            self.case.relation(&self.rule.head.relation).columns.iter().zip(self.columns(&self.rule.head));
        let kind = |(column, of): (&(String, ColumnType), Option<&Term>)| match (column.1, of) {
            (ColumnType::Kind(Kind::Int), Some(of @ Term::Variable(_))) => {
                Some(format!("{} < \"\"", term(of)))
            }
            (ColumnType::Kind(_), Some(of @ Term::Variable(_))) => Some(format!("{} >= \"\"", term(of))),
            _ => None,
        };
        typed.filter_map(kind).collect()
    }

    /// The terms of all columns; nothing where a column is left out.
    fn columns<'b>(&self, atom: &'b Atom) -> Vec<Option<&'b Term>> {
        let columns = self.case.relation(&atom.relation).columns.iter();
        let named = |column: &str| atom.arguments.iter().find(|(one, _)| one == column).map(|(_, term)| term);
        columns.map(|(column, _)| named(column).filter(|term| **term != Term::Anything)).collect()
    }

    fn atom(&self, atom: &Atom) -> String {
        let columns = self.columns(atom);
        let arguments: Vec<String> = columns.iter().map(|one| one.map_or("_".to_owned(), term)).collect();
        applied(&predicate(&atom.relation), &arguments)
    }

    fn condition(&mut self, at: usize, condition: &Condition) -> String {
        match condition {
            Condition::Holds { cid: None, atom } => self.atom(atom),
            Condition::Holds { cid: Some(_), .. } => unreachable!("plain programs have no CIDs"),
            Condition::Not(atom) => format!("not {}", self.atom(atom)),
            Condition::Compare("==", left, right) => format!("{} = {}", term(left), term(right)),
            Condition::Compare(operator, left, right) => format!("{} {operator} {}", term(left), term(right)),
            Condition::Aggregate(aggregate) => match aggregate.function {
                "arg_max" | "arg_min" | "rank" => self.ordered(at, aggregate),
                _ => self.folded(at, aggregate),
            },
        }
    }

    /// The terms of the atom stand outside: one without a value makes no group of nothing, but no row (Q3).
    fn folded(&self, at: usize, aggregate: &Aggregate) -> String {
        let (mut row, mut outside) = (vec![], String::new());
        for (place, one) in self.columns(&aggregate.atom).into_iter().enumerate() {
            row.push(match one {
                Some(of @ Term::Apply(..)) => {
                    write!(outside, "U{at}_{place} = {}, ", term(of)).unwrap();
                    format!("U{at}_{place}")
                }
                other => other.map_or(format!("L{place}"), term),
            });
        }
        let from = applied(&predicate(&aggregate.atom.relation), &row);
        outside + &Self::group(aggregate, &row, &from)
    }

    fn group(aggregate: &Aggregate, row: &[String], from: &str) -> String {
        let result = variable(&aggregate.result);
        let over = aggregate.over.as_deref().map(variable);
        let all = |first: &str| [&[first.to_owned()], row].concat().join(",");
        match (aggregate.function, over) {
            ("count", None) => format!("{result} = #count {{ {} : {from} }}", all("0")),
            ("count", Some(over)) => format!("{result} = #count {{ {over} : {from} }}"),
            ("sum", Some(over)) => format!("{result} = #sum {{ {} : {from} }}", all(&over)),
            ("min", Some(over)) => format!("{result} = #min {{ {over} : {from} }}, {result} != #sup"),
            ("max", Some(over)) => format!("{result} = #max {{ {over} : {from} }}, {result} != #inf"),
            (other, _) => unreachable!("plain programs have no {other}"),
        }
    }

    /// The candidates of each group, by rules of their own; and the condition that chooses among them.
    ///
    /// A candidate is (group, key, what it is); the group has a place for each term that the rest of the body knows.
    fn ordered(&mut self, at: usize, aggregate: &Aggregate) -> String {
        let name = |what: &str| format!("{what}_{}_{at}", self.number);
        let (candidate, better) = (name("candidate"), name("better"));
        let over = variable(aggregate.over.as_deref().expect("these look at a variable"));
        let keys: Vec<String> = aggregate.by.iter().map(|one| variable(one)).collect();
        let (mut row, mut group, mut outside) = (vec![], vec![], vec![]);
        for (place, one) in self.columns(&aggregate.atom).into_iter().enumerate() {
            let known = |name: &String| aggregate.keys.contains(name);
            match one {
                Some(of @ Term::Apply(..)) => {
                    row.push(format!("G{place}"));
                    group.push(format!("G{place}"));
                    outside.push(term(of));
                }
                Some(Term::Variable(name)) if known(name) => {
                    row.push(variable(name));
                    group.push(variable(name));
                    outside.push(variable(name));
                }
                other => row.push(other.map_or("_".to_owned(), term)),
            }
        }
        let from = applied(&predicate(&aggregate.atom.relation), &row);
        let (group, outside) = (tuple(&group_of(&group)), tuple(&group_of(&outside)));
        let key = tuple(&keys);
        let made = format!("{candidate}({group},{key},{over}) :- {from}.\n");
        let result = variable(&aggregate.result);
        if aggregate.function == "rank" {
            let place = format!(
                "{better}(G,K,R) :- {candidate}(G,K,_), R = #count {{ K2 : {candidate}(G,K2,_), K2 <= K }}.\n"
            );
            self.auxiliary += &(made + &place);
            return format!("{candidate}({outside},{key},{over}), {better}({outside},{key},{result})");
        }
        let than = if aggregate.function == "arg_max" { ">" } else { "<" };
        let beaten =
            format!("{better}(G,K,X) :- {candidate}(G,K,X), {candidate}(G,K2,X2), (K2,X2) {than} (K,X).\n");
        self.auxiliary += &(made + &beaten);
        format!("{candidate}({outside},{key},{result}), not {better}({outside},{key},{result})")
    }
}

/// A group without places is one group.
fn group_of(places: &[String]) -> Vec<String> {
    if places.is_empty() { vec!["0".to_owned()] } else { places.to_vec() }
}

/// What the outputs hold in the end, with the values of rows in the order of the case's columns.
fn in_order(case: &Case, seen: &Seen) -> Contents {
    let mut ordered = Contents::new();
    for (name, rows) in seen.results() {
        let has = &seen.columns[&**name];
        let wanted = case.relation(name).columns.iter();
        let places: Vec<usize> =
            wanted.map(|(column, _)| has.iter().position(|one| one == column).unwrap()).collect();
        let row = |row: &Vec<Value>| places.iter().map(|place| row[*place].clone()).collect();
        ordered.insert(name.clone(), rows.iter().map(row).collect());
    }
    ordered
}

/// A case with its answer, both for clingo.
struct Solved {
    program: String,
    atoms: String,
}

/// A case, all of whose relations are outputs; nothing if it is too large.
fn solved(seed: u64) -> Option<Solved> {
    let mut case = generate::case(seed, Profile::Plain);
    case.relations.iter_mut().for_each(|relation| relation.output = true);
    let seen = match run(&case) {
        Outcome::Agreed(seen) => seen,
        Outcome::TooLarge => return None,
        Outcome::Refused(what) | Outcome::Differs(what) => panic!("seed {seed}: {what}\n{case}"),
    };
    if seen.results().values().flatten().flatten().filter_map(Value::as_int).any(|int| int.abs() >= TOO_BIG) {
        return None;
    }
    let comment: String = case.to_string().lines().map(|line| format!("% {line}\n")).collect();
    let inputs = &seen.epochs.last().expect("a case has an epoch").inputs;
    Some(Solved { program: comment + &program(&case, inputs), atoms: atoms(&in_order(&case, &seen)) })
}

/// Writes what there is to compare to a directory, if one is named.
#[test]
fn programs_can_be_given_to_clingo() {
    let directory = std::env::var_os("MOTET_CLINGO").map(std::path::PathBuf::from);
    let mut written = 0;
    for seed in crate::first_seed()..crate::first_seed() + crate::cases(10) {
        let Some(Solved { program, atoms }) = solved(seed) else { continue };
        written += 1;
        if let Some(directory) = &directory {
            std::fs::write(directory.join(format!("{seed}.lp")), program).unwrap();
            std::fs::write(directory.join(format!("{seed}.rows")), atoms).unwrap();
        }
    }
    assert!(written > 0, "some cases are small enough");
}
