//! Random programs under random streams of changes: every step's changes are those of the naive evaluator.
//!
//! A case is a string of random bytes. The bytes decide everything: the expressions of a program in several strata,
//! with loops, negation and aggregates of what is below; and then which rows of the inputs are there and which are
//! not, step by step. Now and then a step is first tried with a budget that may be too small, and must then leave no
//! trace. One of the runtimes is saved and restored again and again.
//! `MOTET_CASES` sets the number of cases.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use motet_algebra::naive::Naive;
use motet_algebra::{
    Aggregate, Budget, CID_COLUMN, Cancel, Changes, Column, ColumnType, Comparison, Expression, Formula,
    Function, Program, Relation, RelationName, Row, Runtime, RuntimeError, Statement, Stats, Term, optimise,
};
use motet_cluster::Cluster;
use motet_fact::{Value, codec};
use motet_native::Native;
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::common::again::Again;

/// Bytes to take decisions from; when they are used up, every decision is the first choice.
struct Dice<'a> {
    bytes: std::slice::Iter<'a, u8>,
}

impl Dice<'_> {
    fn below(&mut self, choices: usize) -> usize {
        usize::from(*self.bytes.next().unwrap_or(&0)) % choices
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

fn names(all: &[&str]) -> Vec<Column> {
    all.iter().map(|name| Column::from(*name)).collect()
}

fn value(dice: &mut Dice) -> Value {
    match dice.below(9) {
        0..=5 => Value::Int(i64::try_from(dice.below(4)).unwrap()),
        6 => Value::from("a"),
        7 => Value::float(1.0).unwrap(),
        _ => Value::Int(-1),
    }
}

/// The columns that an expression has, with the expression.
type Made = (Expression, Vec<Column>);

/// Makes expressions over the relations it may read.
struct Maker<'a, 'b> {
    dice: &'a mut Dice<'b>,
    program: &'a Program,
    /// Complete relations.
    below: &'a [RelationName],
    /// The relations of the loop, which are read only where more rows mean more results.
    own: &'a [RelationName],
}

impl Maker<'_, '_> {
    /// Something that reads only complete relations.
    fn lower(&mut self, depth: usize) -> Made {
        let mut maker = Maker { dice: self.dice, program: self.program, below: self.below, own: &[] };
        maker.expression(depth)
    }

    fn expression(&mut self, depth: usize) -> Made {
        if depth == 0 {
            return self.leaf();
        }
        match self.dice.below(16) {
            0 | 1 => self.leaf(),
            2 => self.select(depth),
            3 => self.project(depth),
            4 => self.rename(depth),
            5 => self.extend(depth),
            6 => self.union(depth),
            7 => self.difference(depth),
            8 | 9 => self.join(depth),
            10 => self.semi(depth, false),
            11 => self.semi(depth, true),
            12 => self.rank(depth),
            13 => self.fold_moves(depth),
            14 => self.pairs(depth),
            _ => self.group(depth),
        }
    }

    fn leaf(&mut self) -> Made {
        if self.dice.once_in(8) {
            return self.constant();
        }
        let own = !self.own.is_empty() && self.dice.below(2) == 0;
        let name = if own { self.dice.pick(self.own) } else { self.dice.pick(self.below) };
        let mut columns = self.program.relations[&name].tuple_columns();
        let cid = (!own && self.dice.once_in(8)).then(|| Column::from("u"));
        let cid = cid.filter(|cid| !columns.contains(cid));
        columns.extend(cid.clone());
        (Expression::Relation { name, cid }, columns)
    }

    fn constant(&mut self) -> Made {
        let columns = self.columns();
        let rows =
            (0..self.dice.below(3)).map(|_| columns.iter().map(|_| value(self.dice)).collect()).collect();
        (Expression::Constant { columns: columns.clone(), rows }, columns)
    }

    fn columns(&mut self) -> Vec<Column> {
        let choices = [&["x"][..], &["x", "y"], &["y", "z"], &["x", "z"], &["y", "x"], &["x", "y", "z"], &[]];
        names(self.dice.pick(&choices))
    }

    fn select(&mut self, depth: usize) -> Made {
        let (input, columns) = self.expression(depth - 1);
        let formula = self.formula(&columns, 2);
        (Expression::Select { input: input.into(), formula }, columns)
    }

    fn formula(&mut self, columns: &[Column], depth: usize) -> Formula {
        let choice = self.dice.below(if depth == 0 { 4 } else { 7 });
        let several = |maker: &mut Self| (0..2).map(|_| maker.formula(columns, depth - 1)).collect();
        match choice {
            0..=2 => {
                // As often equal as anything else: what is joined is equal.
                let equal = self.dice.below(7) == 0;
                let comparison = if equal { Comparison::Equal } else { self.dice.pick(&Comparison::ALL) };
                Formula::Compare(comparison, self.term(columns), self.term(columns))
            }
            3 => Formula::True,
            4 => Formula::And(several(self)),
            5 => Formula::Or(several(self)),
            _ => Formula::Not(self.formula(columns, depth - 1).into()),
        }
    }

    /// A term that gives few values, so that loops end.
    fn term(&mut self, columns: &[Column]) -> Term {
        let column = |maker: &mut Self| match columns {
            [] => Term::Constant(Value::Int(0)),
            columns => Term::Column(maker.dice.pick(columns)),
        };
        match self.dice.below(6) {
            0..=2 => column(self),
            3 => Term::Constant(value(self.dice)),
            4 => {
                let sum = Term::Apply(Function::Add, vec![column(self), Term::Constant(Value::Int(1))]);
                Term::Apply(Function::Remainder, vec![sum, Term::Constant(Value::Int(5))])
            }
            _ => Term::Apply(Function::Min2, vec![column(self), column(self)]),
        }
    }

    fn project(&mut self, depth: usize) -> Made {
        let (input, columns) = self.expression(depth - 1);
        let mut kept: Vec<Column> = columns.into_iter().filter(|_| self.dice.below(3) > 0).collect();
        if self.dice.below(2) == 0 {
            kept.reverse();
        }
        (Expression::Project { input: input.into(), columns: kept.clone() }, kept)
    }

    fn rename(&mut self, depth: usize) -> Made {
        let (input, columns) = self.expression(depth - 1);
        let mut pairs = Vec::new();
        if let [first, .., last] = &columns[..] {
            pairs.push((first.clone(), last.clone()));
            pairs.push((last.clone(), first.clone()));
        } else if let Some(free) = names(&["x", "y", "z"]).into_iter().find(|one| !columns.contains(one)) {
            pairs.extend(columns.first().map(|only| (only.clone(), free)));
        }
        let renamed = |column: &Column| {
            pairs.iter().find(|(old, _)| old == column).map_or(column.clone(), |(_, new)| new.clone())
        };
        let columns = columns.iter().map(renamed).collect();
        (Expression::Rename { input: input.into(), pairs }, columns)
    }

    fn extend(&mut self, depth: usize) -> Made {
        let (input, mut columns) = self.expression(depth - 1);
        let Some(column) = names(&["z", "w", "x"]).into_iter().find(|one| !columns.contains(one)) else {
            return (input, columns);
        };
        let term = self.term(&columns);
        columns.push(column.clone());
        (Expression::Extend { input: input.into(), column, term }, columns)
    }

    fn union(&mut self, depth: usize) -> Made {
        let (first, columns) = self.expression(depth - 1);
        let mut all = vec![first];
        for _ in 0..self.dice.below(3) {
            let made = self.expression(depth - 1);
            all.push(self.coerce(made, &columns));
        }
        (Expression::Union(all), columns)
    }

    fn difference(&mut self, depth: usize) -> Made {
        let (left, columns) = self.expression(depth - 1);
        let right = self.lower(depth - 1);
        let right = self.coerce(right, &columns);
        (Expression::Difference(left.into(), right.into()), columns)
    }

    fn join(&mut self, depth: usize) -> Made {
        let (left, mut columns) = self.expression(depth - 1);
        let (right, added) = self.expression(depth - 1);
        columns.extend(added.into_iter().filter(|one| !columns.contains(one)).collect::<Vec<_>>());
        (Expression::Join(left.into(), right.into()), columns)
    }

    /// An operator that others define, over inputs without a column in common.
    fn pairs(&mut self, depth: usize) -> Made {
        let (left, mut columns) = self.expression(depth - 1);
        let (right, theirs) = self.expression(depth - 1);
        let other = |column: &Column| Column::from(format!("other {column}"));
        let pairs = theirs.iter().map(|column| (column.clone(), other(column))).collect();
        let theirs: Vec<Column> =
            theirs.iter().map(other).filter(|column| !columns.contains(column)).collect();
        let right = self.coerce((Expression::Rename { input: right.into(), pairs }, theirs.clone()), &theirs);
        let (left, right) = (left.into(), right.into());
        let equal = |maker: &mut Self| (maker.dice.pick(&columns), maker.dice.pick(&theirs));
        let made = match self.dice.below(3) {
            0 => Expression::Product(left, right),
            1 if !columns.is_empty() && !theirs.is_empty() => {
                let pairs = (0..self.dice.below(3)).map(|_| equal(self)).collect();
                Expression::EquiJoin { left, right, pairs }
            }
            _ => {
                let all = [columns.as_slice(), &theirs].concat();
                Expression::ThetaJoin { left, right, formula: self.formula(&all, 2) }
            }
        };
        columns.extend(theirs);
        let wanted = self.columns();
        (self.coerce((made, columns), &wanted), wanted)
    }

    fn semi(&mut self, depth: usize, anti: bool) -> Made {
        let (left, columns) = self.expression(depth - 1);
        let (right, _) = if anti { self.lower(depth - 1) } else { self.expression(depth - 1) };
        let both = (left.into(), right.into());
        let made =
            if anti { Expression::AntiJoin(both.0, both.1) } else { Expression::SemiJoin(both.0, both.1) };
        (made, columns)
    }

    fn group(&mut self, depth: usize) -> Made {
        let (input, columns) = self.lower(depth - 1);
        let keys: Vec<Column> = columns.iter().filter(|_| self.dice.below(2) == 0).cloned().collect();
        let over = if columns.is_empty() { None } else { Some(self.dice.pick(&columns)) };
        let aggregate = if over.is_some() { self.dice.pick(&Aggregate::ALL) } else { Aggregate::Count };
        let over = over.filter(|_| aggregate != Aggregate::Count || self.dice.below(2) == 0);
        let by = if aggregate.goes_by_columns() { self.by(&columns) } else { vec![] };
        let free = names(&["z", "x", "y", "w", "v"]).into_iter().find(|one| !keys.contains(one));
        let result = free.expect("no expression has that many columns");
        let made: Vec<Column> = keys.iter().chain([&result]).cloned().collect();
        (Expression::GroupBy { input: input.into(), keys, aggregate, over, by, result }, made)
    }

    fn by(&mut self, columns: &[Column]) -> Vec<Column> {
        (0..=self.dice.below(2)).map(|_| self.dice.pick(columns)).collect()
    }

    fn rank(&mut self, depth: usize) -> Made {
        let (input, mut columns) = self.lower(depth - 1);
        let Some(result) = names(&["z", "w", "x"]).into_iter().find(|one| !columns.contains(one)) else {
            return (input, columns);
        };
        if columns.is_empty() {
            return (input, columns);
        }
        let keys: Vec<Column> = columns.iter().filter(|_| self.dice.below(2) == 0).cloned().collect();
        let by = self.by(&columns);
        columns.push(result.clone());
        (Expression::Rank { input: input.into(), keys, by, result }, columns)
    }

    fn fold_moves(&mut self, depth: usize) -> Made {
        let (input, columns) = self.lower(depth - 1);
        if columns.is_empty() {
            return (input, columns);
        }
        let (node, parent) = (self.dice.pick(&columns), self.dice.pick(&columns));
        let others = columns.iter().filter(|column| **column != node);
        let keys: Vec<Column> = others.filter(|_| self.dice.below(2) == 0).cloned().collect();
        let result = Column::from("w");
        if keys.contains(&result) || node == result {
            return (input, columns);
        }
        let made = keys.iter().chain([&node, &result]).cloned().collect();
        let (input, by) = (input.into(), self.by(&columns));
        (Expression::FoldMoves { input, keys, node, parent, by, result }, made)
    }

    /// The expression with just these columns: what is missing is computed.
    fn coerce(&mut self, (mut made, mut has): Made, wanted: &[Column]) -> Expression {
        for column in wanted {
            if !has.contains(column) {
                let term = self.term(&has);
                made = Expression::Extend { input: made.into(), column: column.clone(), term };
                has.push(column.clone());
            }
        }
        Expression::Project { input: made.into(), columns: wanted.to_vec() }
    }

    /// The expression with so many columns more for a while, to make rows of other widths.
    fn widened(&mut self, (mut made, has): Made, by: usize) -> Made {
        for number in 0..by {
            let column = Column::from(format!("wide{number}"));
            made = Expression::Extend { input: made.into(), column, term: self.term(&has) };
        }
        let back = Expression::Project { input: made.clone().into(), columns: has.clone() };
        (Expression::Join(made.into(), back.into()), has)
    }
}

fn relation(columns: &[Column], input: bool, output: bool) -> Relation {
    let columns = columns.iter().map(|name| (name.clone(), ColumnType::Any)).collect();
    Relation { columns, input, event: false, output }
}

fn program(dice: &mut Dice) -> Program {
    let mut program = Program::default();
    for (name, columns) in
        [("a", &["x", "y"][..]), ("b", &["y", "z"]), ("c", &["x"]), ("s", &["x", "y", CID_COLUMN])]
    {
        program.relations.insert(name.into(), relation(&names(columns), true, dice.once_in(6)));
    }
    let mut below: Vec<RelationName> = program.relations.keys().cloned().collect();
    let by = [0, 0, 0, 3, 7][dice.below(5)];
    for stratum in 0..=dice.below(4) {
        let own: Vec<RelationName> =
            (0..=dice.below(2)).map(|number| format!("r{stratum}_{number}").into()).collect();
        let recursive = dice.below(3) > 0;
        for name in &own {
            let columns = Maker { dice, program: &program, below: &below, own: &[] }.columns();
            let declared = relation(&columns, dice.once_in(4), !dice.once_in(4));
            program.relations.insert(name.clone(), declared);
        }
        let mut body = Vec::new();
        for _ in 0..=dice.below(3) {
            for name in &own {
                let readable = if recursive { &own[..] } else { &[] };
                let mut maker = Maker { dice, program: &program, below: &below, own: readable };
                let made = maker.expression(3);
                let made = maker.widened(made, by);
                let columns: Vec<Column> = program.relations[name].names().cloned().collect();
                let expression = maker.coerce(made, &columns);
                body.push(Statement::assign(name.clone(), expression));
            }
        }
        match recursive {
            true => program.statements.push(Statement::Loop { body, exports: own.clone() }),
            false => program.statements.extend(body),
        }
        below.extend(own);
    }
    program
}

/// The next changes of the inputs: rows that come are not there, rows that go are.
fn changes(
    dice: &mut Dice,
    program: &Program,
    contents: &mut BTreeMap<RelationName, BTreeSet<Row>>,
) -> Changes {
    let mut changes = Changes::new();
    for (name, relation) in program.relations.iter().filter(|(_, relation)| relation.input) {
        let mut batch = BTreeMap::new();
        let rows = contents.entry(name.clone()).or_default();
        for _ in 0..dice.below(6) {
            let row = row(dice, relation, rows);
            let weight = if rows.contains(&row) { -1 } else { 1 };
            batch.entry(row).or_insert(weight);
        }
        for (row, weight) in &batch {
            if *weight > 0 {
                rows.insert(row.clone())
            } else {
                rows.remove(row)
            };
        }
        if !batch.is_empty() {
            changes.insert(name.clone(), batch.into_iter().collect());
        }
    }
    changes
}

/// Some row, often one that is there.
fn row(dice: &mut Dice, relation: &Relation, rows: &BTreeSet<Row>) -> Row {
    if !rows.is_empty() && dice.below(3) == 0 {
        return rows.iter().nth(dice.below(rows.len())).unwrap().clone();
    }
    let mut row: Row = relation.tuple_columns().iter().map(|_| value(dice)).collect();
    if relation.carries_cid() {
        let number = value(dice);
        row.push(Value::Link(codec::tuple_cid("fact", [("n", &number)])));
    }
    row
}

/// Statistics out of the air: any plan must do.
struct Guesses(usize);

impl Guesses {
    fn of(&self, name: &str) -> Option<u64> {
        let sum = name.bytes().map(usize::from).sum::<usize>() + self.0;
        [Some(0), Some(1), Some(7), Some(1000), None][sum % 5]
    }
}

impl Stats for Guesses {
    fn rows(&self, relation: &str) -> Option<u64> {
        self.of(relation)
    }

    fn distinct(&self, relation: &str, column: &str) -> Option<u64> {
        self.of(&format!("{relation}{column}"))
    }
}

/// A budget that may be too small, in one way or another.
fn tight(dice: &mut Dice) -> Budget {
    let all = Budget { iterations: 2, rows: 20, ..Budget::default() };
    match dice.below(4) {
        0 => Budget { memory: 700, ..Budget::default() },
        1 => Budget { memory: 2_000, ..all },
        2 => {
            let looks = AtomicU64::new(0);
            let over = move || looks.fetch_add(1, Ordering::Relaxed) >= 3;
            Budget { cancel: Cancel::when("enough", over), ..Budget::default() }
        }
        _ => all,
    }
}

fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    let dice = &mut Dice { bytes: bytes.iter() };
    let program = program(dice);
    let mut naive = Naive::new(program.clone()).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let better = optimise(&program, &Guesses(dice.below(256)));
    let mut optimised = Naive::new(better.clone()).unwrap();
    let cluster = Cluster::new(if dice.below(2) == 0 { program.clone() } else { better.clone() }).unwrap();
    let plan = better.clone();
    let again = Again::new(Native::new(better.clone()).unwrap(), dice.below(256) as u64, move |blocks| {
        Native::restore(plan.clone(), blocks)
    });
    let mut runtimes: [(&str, Box<dyn Runtime>); 4] = [
        ("cluster", Box::new(cluster)),
        ("native", Box::new(Native::new(program.clone()).unwrap())),
        ("native, optimised", Box::new(Native::new(better.clone()).unwrap())),
        ("native, optimised and restored", Box::new(again)),
    ];
    let mut contents = BTreeMap::new();
    for step in 0..3 + dice.below(6) {
        let inputs = changes(dice, &program, &mut contents);
        let expected = naive.step(&inputs, Budget::default()).unwrap();
        let got = optimised.step(&inputs, Budget::default());
        prop_assert_eq!(got.as_ref(), Ok(&expected), "step {} of {} optimised to {}", step, program, better);
        let tightly = dice.once_in(5);
        for (name, runtime) in &mut runtimes {
            if tightly {
                match runtime.step(&inputs, tight(dice)) {
                    Ok(early) => {
                        prop_assert_eq!(&early, &expected, "step {} of {} on {}", step, program, name);
                        continue;
                    }
                    Err(RuntimeError::OverBudget { .. } | RuntimeError::Cancelled { .. }) => {}
                    Err(error) => prop_assert!(false, "{}", error),
                }
            }
            let got = runtime.step(&inputs, Budget::default());
            prop_assert_eq!(got.as_ref(), Ok(&expected), "step {} of {} on {}", step, program, name);
        }
        prop_assert_eq!(runtimes[3].1.undefined(), runtimes[2].1.undefined(), "step {} of {}", step, better);
    }
    Ok(())
}

fn cases() -> u32 {
    std::env::var("MOTET_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(200)
}

proptest! {
    #![proptest_config(Config { cases: cases(), failure_persistence: None, ..Config::default() })]

    #[test]
    fn every_step_is_what_the_naive_evaluator_says(bytes in prop::collection::vec(any::<u8>(), 50..600)) {
        check(&bytes)?;
    }
}
