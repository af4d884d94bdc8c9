//! The evaluator that defines the semantics (Q13).
//!
//! In each epoch it computes the whole program from nothing, statement by statement, with sets of rows as they stand in
//! the definitions of the operators, and then reports what differs from the last time. It interns nothing, keeps no
//! index and no trace from one epoch to the next, and has no planner: it is written to be read, and every other runtime
//! is tested against it.
//!
//! There are three concessions to speed. Joins look matching rows up in a tree instead of trying all pairs; a selection
//! over a join tests each pair before it is kept, since a product may be large; and loops are *semi-naive*: after the first round a body is not computed from all rows but only from what the last round added,
//! operator by operator ([`Evaluation::gained`]). That gives the same fixed point, because loop bodies are monotone and
//! every operator distributes over union in each of its inputs; [`Naive::plain`] does without it, and the tests compare
//! the two.

mod measure;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use motet_fact::{Value, codec};

use crate::aggregate::{dense_ranks, row_order};
use crate::moves::fold_moves;
use crate::runtime::{Budget, Changes, Row, Runtime, RuntimeError, Undefined};
use crate::schema::position;
use crate::{Aggregate, Column, Expression, Formula, Program, RelationName, SchemaError, Statement};

pub use measure::{MeasureError, measure};

/// A set of rows, cheap to hand on.
type Rows = Arc<BTreeSet<Row>>;
/// The rows of every relation.
type Contents = BTreeMap<RelationName, Rows>;

/// A program, kept running by computing everything anew in each epoch.
#[derive(Clone, Debug)]
pub struct Naive {
    program: Program,
    /// What came from outside.
    stored: Contents,
    /// The outputs as last reported.
    reported: Contents,
    /// What had no value in the last epoch.
    undefined: Vec<Undefined>,
    /// Whether loops compute from what the last round added only.
    semi_naive: bool,
}

impl Naive {
    /// Makes the runtime; nothing is computed yet.
    ///
    /// # Errors
    /// [`SchemaError`] if the program is not sound ([`Program::check_deductive`]).
    pub fn new(program: Program) -> Result<Self, SchemaError> {
        program.check_deductive()?;
        Ok(Naive {
            program,
            stored: Contents::new(),
            reported: Contents::new(),
            undefined: Vec::new(),
            semi_naive: true,
        })
    }

    /// The same without any shortcut: each round of a loop computes everything. Slow on loops of many rounds.
    ///
    /// # Errors
    /// As [`Naive::new`].
    pub fn plain(program: Program) -> Result<Self, SchemaError> {
        Ok(Naive { semi_naive: false, ..Naive::new(program)? })
    }

    /// The rows of an output relation after the last epoch, in its declared column order.
    pub fn output(&self, name: &str) -> impl Iterator<Item = &Row> {
        self.reported.get(name).into_iter().flat_map(|rows| rows.iter())
    }
}

impl Naive {
    /// The contents of every relation, given what came from outside.
    fn evaluate(&self, stored: Contents, budget: Budget) -> Result<(Contents, Vec<Undefined>), RuntimeError> {
        let mut evaluation = Evaluation {
            program: &self.program,
            semi_naive: self.semi_naive,
            contents: stored,
            added: Contents::new(),
            budget,
            derived: 0,
            current: "".into(),
            undefined: BTreeMap::new(),
        };
        for name in self.program.relations.keys() {
            evaluation.contents.entry(name.clone()).or_default();
        }
        for statement in &self.program.statements {
            evaluation.run(statement)?;
        }
        let counts = evaluation.undefined.into_iter();
        let undefined = counts.map(|((relation, term, _), rows)| (relation, term, rows.len()));
        Ok((evaluation.contents, Undefined::sum(undefined)))
    }
}

impl Runtime for Naive {
    fn step(&mut self, inputs: &Changes, budget: Budget) -> Result<Changes, RuntimeError> {
        let mut stored = self.stored.clone();
        for (name, rows) in inputs {
            apply_changes(&self.program, &mut stored, name, rows)?;
        }
        let (mut outputs, undefined) = self.evaluate(stored.clone(), budget)?;
        outputs.retain(|name, _| self.program.relations[name].output);
        let changes = difference(&self.reported, &outputs);
        self.stored = stored;
        self.reported = outputs;
        self.undefined = undefined;
        Ok(changes)
    }

    fn undefined(&self) -> Vec<Undefined> {
        self.undefined.clone()
    }
}

fn apply_changes(
    program: &Program,
    stored: &mut Contents,
    name: &RelationName,
    changes: &[(Row, i64)],
) -> Result<(), RuntimeError> {
    check_rows(program, name, changes)?;
    let rows = Arc::make_mut(stored.entry(name.clone()).or_default());
    let mut seen = BTreeSet::new();
    for (row, weight) in changes {
        let allowed = match weight {
            1 => rows.insert(row.clone()),
            -1 => rows.remove(row),
            _ => false,
        };
        if !allowed || !seen.insert(row) {
            return Err(RuntimeError::Weight { relation: name.clone(), weight: *weight });
        }
    }
    Ok(())
}

fn check_rows(program: &Program, name: &RelationName, changes: &[(Row, i64)]) -> Result<(), RuntimeError> {
    let relation = program.relations.get(name).filter(|relation| relation.input);
    let relation = relation.ok_or_else(|| RuntimeError::NotAnInput(name.clone()))?;
    changes.iter().try_for_each(|(row, _)| relation.check_row(name, row))
}

/// What is only in the new gets +1, what is only in the old -1.
fn difference(old: &Contents, new: &Contents) -> Changes {
    let nothing = Rows::default();
    let mut changes = Changes::new();
    for (name, new_rows) in new {
        let old_rows = old.get(name).unwrap_or(&nothing);
        let gone = old_rows.difference(new_rows).map(|row| (row.clone(), -1));
        let come = new_rows.difference(old_rows).map(|row| (row.clone(), 1));
        let mut both: Vec<_> = gone.chain(come).collect();
        both.sort_unstable();
        if !both.is_empty() {
            changes.insert(name.clone(), both);
        }
    }
    changes
}

/// The rows of an expression, and the column of each place in them.
struct Table {
    columns: Vec<Column>,
    rows: Rows,
}

/// An epoch in progress.
struct Evaluation<'a> {
    program: &'a Program,
    semi_naive: bool,
    contents: Contents,
    /// What the last round of the loop being run added to the relations it assigns.
    added: Contents,
    budget: Budget,
    /// Rows derived so far.
    derived: u64,
    /// The relation being computed, for messages.
    current: RelationName,
    /// The rows without a value, by relation, by what has none, and by the place of the operator in memory, which tells
    /// it from others of that text.
    undefined: BTreeMap<(RelationName, Arc<str>, usize), BTreeSet<Row>>,
}

/// [`Program::check_deductive`] has bound every column of every expression before.
const CHECKED: &str = "the program was checked when the runtime was made";

impl Evaluation<'_> {
    fn run(&mut self, statement: &Statement) -> Result<(), RuntimeError> {
        match statement {
            Statement::Assign { relation, expression } => {
                self.current = relation.clone();
                let table = self.rows_of(expression)?;
                self.assign(relation, &table).map(drop)
            }
            Statement::Loop { body, .. } => self.run_loop(body),
            Statement::Next { .. } => unreachable!("{CHECKED}"),
        }
    }

    fn run_loop(&mut self, body: &[Statement]) -> Result<(), RuntimeError> {
        self.added.clear();
        for round in 0..self.budget.iterations {
            let mut added = Contents::new();
            for statement in body {
                let Statement::Assign { relation, expression } = statement else { unreachable!("{CHECKED}") };
                self.current = relation.clone();
                let all = round == 0 || !self.semi_naive;
                let table = if all { self.rows_of(expression)? } else { self.gained(expression)? };
                let new = self.assign(relation, &table)?;
                Arc::make_mut(added.entry(relation.clone()).or_default()).extend(new);
            }
            if added.values().all(|rows| rows.is_empty()) {
                return Ok(());
            }
            self.added = added;
        }
        Err(self.over_budget("iterations", self.budget.iterations))
    }

    /// Adds rows to a relation, and gives those that are new.
    fn assign(&mut self, relation: &RelationName, table: &Table) -> Result<Vec<Row>, RuntimeError> {
        let declared: Vec<_> = self.program.relations[relation].names().cloned().collect();
        let rows = project(table, &declared);
        let target = Arc::make_mut(self.contents.get_mut(relation).expect("every relation has an entry"));
        let new: Vec<Row> = rows.difference(target).cloned().collect();
        target.extend(new.iter().cloned());
        self.charge(new.len())?;
        Ok(new)
    }

    fn charge(&mut self, rows: usize) -> Result<(), RuntimeError> {
        self.derived = self.derived.saturating_add(u64::try_from(rows).unwrap_or(u64::MAX));
        if self.derived > self.budget.rows {
            return Err(self.over_budget("rows", self.budget.rows));
        }
        Ok(())
    }

    fn over_budget(&self, what: &'static str, limit: u64) -> RuntimeError {
        RuntimeError::OverBudget { what, limit, relation: self.current.clone() }
    }

    /// The rows of an expression.
    fn rows_of(&mut self, expression: &Expression) -> Result<Table, RuntimeError> {
        if let Expression::Select { input, formula } = expression
            && let Expression::Join(left, right) = &**input
        {
            return self.selected_join(expression, left, right, formula);
        }
        let inputs = expression.inputs().into_iter().map(|input| self.rows_of(input));
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        self.combine(expression, inputs)
    }

    /// Rows of an expression, among them all that it did not have before the last round of the loop. An input that the
    /// loop does not change gains nothing, and so neither does what [`Program::check`] lets read only such inputs: the
    /// right side of a negation, and groups.
    fn gained(&mut self, expression: &Expression) -> Result<Table, RuntimeError> {
        match expression {
            Expression::Relation { name, cid } => {
                let rows = self.added.get(name).cloned().unwrap_or_default();
                let columns = self.program.columns(expression).expect(CHECKED);
                Ok(Table { columns, rows: self.shown(name, &rows, cid.is_some()) })
            }
            Expression::Constant { .. }
            | Expression::GroupBy { .. }
            | Expression::Rank { .. }
            | Expression::FoldMoves { .. } => {
                let columns = self.program.columns(expression).expect(CHECKED);
                Ok(Table { columns, rows: Rows::default() })
            }
            Expression::Join(left, right)
            | Expression::Product(left, right)
            | Expression::ThetaJoin { left, right, .. }
            | Expression::EquiJoin { left, right, .. }
            | Expression::SemiJoin(left, right) => {
                let first = self.gained_from(expression, left, right, true)?;
                let second = self.gained_from(expression, left, right, false)?;
                let rows = first.rows.union(&second.rows).cloned().collect();
                Ok(Table { columns: first.columns, rows: Arc::new(rows) })
            }
            Expression::Difference(left, right) | Expression::AntiJoin(left, right) => {
                self.gained_from(expression, left, right, true)
            }
            Expression::Select { .. }
            | Expression::Project { .. }
            | Expression::Rename { .. }
            | Expression::Extend { .. }
            | Expression::Union(_) => {
                let inputs = expression.inputs().into_iter().map(|input| self.gained(input));
                let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
                self.combine(expression, inputs)
            }
        }
    }

    /// What an operator of two inputs gives for the gain of one of them and all of the other.
    fn gained_from(
        &mut self,
        expression: &Expression,
        left: &Expression,
        right: &Expression,
        of_left: bool,
    ) -> Result<Table, RuntimeError> {
        let (gaining, other) = if of_left { (left, right) } else { (right, left) };
        let gain = self.gained(gaining)?;
        if gain.rows.is_empty() {
            let columns = self.program.columns(expression).expect(CHECKED);
            return Ok(Table { columns, rows: Rows::default() });
        }
        let other = self.rows_of(other)?;
        self.combine(expression, if of_left { vec![gain, other] } else { vec![other, gain] })
    }

    /// What an operator makes of the rows of its inputs: its definition.
    fn combine(&mut self, expression: &Expression, inputs: Vec<Table>) -> Result<Table, RuntimeError> {
        let input_columns: Vec<_> = inputs.iter().map(|input| input.columns.clone()).collect();
        let columns = self.program.operator_columns(expression, &input_columns).expect(CHECKED);
        let rows = match (expression, inputs.as_slice()) {
            (Expression::Relation { name, cid }, []) => self.shown(name, &self.contents[name], cid.is_some()),
            (Expression::Constant { rows, .. }, []) => Arc::new(rows.iter().cloned().collect()),
            (Expression::Select { formula, .. }, [input]) => {
                let bound = formula.bind(&input.columns).expect(CHECKED);
                let mut undefined = Vec::new();
                let selected = input.rows.iter().filter(|row| {
                    let truth = bound.truth(&|place| row[place].clone());
                    undefined.extend(truth.is_none().then(|| (*row).clone()));
                    truth == Some(true)
                });
                let selected = Arc::new(selected.cloned().collect());
                self.note(expression, formula, undefined);
                selected
            }
            (Expression::Project { columns, .. }, [input]) => project(input, columns),
            (Expression::Rename { .. }, [input]) => input.rows.clone(),
            (Expression::Extend { term, .. }, [input]) => {
                let bound = term.bind(&input.columns).expect(CHECKED);
                let (mut extended, mut undefined) = (BTreeSet::new(), Vec::new());
                for row in input.rows.iter() {
                    match bound.evaluate(&|place| row[place].clone()) {
                        Some(value) => drop(extended.insert([row.as_slice(), &[value]].concat())),
                        None => undefined.push(row.clone()),
                    }
                }
                self.note(expression, term, undefined);
                Arc::new(extended)
            }
            (Expression::Union(_), inputs) => {
                let rows = inputs.iter().map(|input| project(input, &columns));
                Arc::new(rows.flat_map(|rows| rows.iter().cloned().collect::<Vec<_>>()).collect())
            }
            (Expression::Difference(..), [left, right]) => {
                let right = project(right, &columns);
                filter(left, |row| !right.contains(row))
            }
            (Expression::Join(..) | Expression::Product(..), [left, right]) => {
                self.join(left, right, &mut |_| true)?
            }
            (Expression::ThetaJoin { formula, .. }, [left, right]) => {
                self.join_where(expression, left, right, formula)?
            }
            (Expression::EquiJoin { pairs, .. }, [left, right]) => {
                let place = |column| position(&columns, column).expect(CHECKED);
                let places: Vec<_> = pairs.iter().map(|(left, right)| (place(left), place(right))).collect();
                self.join(left, right, &mut |row| {
                    places.iter().all(|(left, right)| row[*left] == row[*right])
                })?
            }
            (Expression::SemiJoin(..), [left, right]) => matching(left, right, true),
            (Expression::AntiJoin(..), [left, right]) => matching(left, right, false),
            (Expression::GroupBy { keys, aggregate, over, by, .. }, [input]) => {
                let (grouped, undefined) = group(input, keys, aggregate, by.iter().chain(over));
                self.note(expression, aggregate, undefined);
                grouped
            }
            (Expression::Rank { keys, by, .. }, [input]) => rank(input, keys, by),
            (Expression::FoldMoves { keys, node, parent, by, .. }, [input]) => {
                replay(input, keys, by.iter().chain([node, parent]))
            }
            _ => unreachable!("every operator is given as many inputs as it has"),
        };
        Ok(Table { columns, rows })
    }

    /// Rows of a relation as an expression sees them: with their CID or without.
    fn shown(&self, name: &RelationName, rows: &Rows, with_cid: bool) -> Rows {
        let relation = &self.program.relations[name];
        match (relation.carries_cid(), with_cid) {
            (true, true) | (false, false) => rows.clone(),
            (true, false) => Arc::new(rows.iter().map(|row| row[..row.len() - 1].to_vec()).collect()),
            (false, true) => {
                let columns = relation.tuple_columns();
                let cid = |row: &Row| codec::tuple_cid(name, columns.iter().map(|column| &**column).zip(row));
                Arc::new(rows.iter().map(|row| [row.as_slice(), &[cid(row).into()]].concat()).collect())
            }
        }
    }

    fn selected_join(
        &mut self,
        expression: &Expression,
        left: &Expression,
        right: &Expression,
        formula: &Formula,
    ) -> Result<Table, RuntimeError> {
        let (left, right) = (self.rows_of(left)?, self.rows_of(right)?);
        let columns = joined_columns(&left, &right);
        Ok(Table { columns, rows: self.join_where(expression, &left, &right, formula)? })
    }

    /// The pairs of a join for which a formula holds.
    fn join_where(
        &mut self,
        expression: &Expression,
        left: &Table,
        right: &Table,
        formula: &Formula,
    ) -> Result<Rows, RuntimeError> {
        let bound = formula.bind(&joined_columns(left, right)).expect(CHECKED);
        let mut undefined = Vec::new();
        let rows = self.join(left, right, &mut |row| {
            let truth = bound.truth(&|place| row[place].clone());
            undefined.extend(truth.is_none().then(|| row.clone()));
            truth == Some(true)
        })?;
        self.note(expression, formula, undefined);
        Ok(rows)
    }

    /// Notes rows of an operator for which something has no value.
    fn note(&mut self, operator: &Expression, what: &dyn ToString, rows: Vec<Row>) {
        if !rows.is_empty() {
            let key = (self.current.clone(), what.to_string().into(), std::ptr::from_ref(operator).addr());
            self.undefined.entry(key).or_default().extend(rows);
        }
    }

    /// The pairs of rows that agree on the shared columns, if they are to be kept. The smaller side is put in a tree by
    /// those columns.
    fn join(
        &mut self,
        left: &Table,
        right: &Table,
        keep: &mut dyn FnMut(&Row) -> bool,
    ) -> Result<Rows, RuntimeError> {
        let added = places_of(right, |column| !left.columns.contains(column));
        let left_is_smaller = left.rows.len() <= right.rows.len();
        let (small, large) = if left_is_smaller { (left, right) } else { (right, left) };
        let (small_key, large_key) = shared(small, large);
        let mut index: BTreeMap<Row, Vec<&Row>> = BTreeMap::new();
        for row in small.rows.iter() {
            index.entry(pick(row, &small_key)).or_default().push(row);
        }
        let mut joined = BTreeSet::new();
        for row in large.rows.iter() {
            let matches = index.get(&pick(row, &large_key)).map_or(&[][..], Vec::as_slice);
            self.charge(matches.len())?;
            for other in matches {
                let (left_row, right_row) = if left_is_smaller { (*other, row) } else { (row, *other) };
                let row = [left_row.as_slice(), &pick(right_row, &added)].concat();
                if keep(&row) {
                    joined.insert(row);
                }
            }
        }
        Ok(Arc::new(joined))
    }
}

/// The columns of the left, and those that only the right has.
fn joined_columns(left: &Table, right: &Table) -> Vec<Column> {
    let added = right.columns.iter().filter(|column| !left.columns.contains(column));
    left.columns.iter().chain(added).cloned().collect()
}

/// The left rows that agree with some right row on the shared columns, or those that agree with none.
fn matching(left: &Table, right: &Table, wanted: bool) -> Rows {
    let (left_key, right_key) = shared(left, right);
    let keys: BTreeSet<Row> = right.rows.iter().map(|row| pick(row, &right_key)).collect();
    filter(left, |row| keys.contains(&pick(row, &left_key)) == wanted)
}

fn filter(table: &Table, keep: impl Fn(&Row) -> bool) -> Rows {
    Arc::new(table.rows.iter().filter(|row| keep(row)).cloned().collect())
}

fn project(table: &Table, columns: &[Column]) -> Rows {
    if table.columns == columns {
        return table.rows.clone();
    }
    let places = places(table, columns.iter());
    Arc::new(table.rows.iter().map(|row| pick(row, &places)).collect())
}

/// An aggregate over the given columns, in groups, and the keys of those where it has no value.
fn group<'a>(
    table: &Table,
    keys: &[Column],
    aggregate: &Aggregate,
    over: impl Iterator<Item = &'a Column>,
) -> (Rows, Vec<Row>) {
    let over = places(table, over);
    let (mut grouped, mut undefined) = (BTreeSet::new(), Vec::new());
    for (mut key, rows) in groups(table, keys) {
        let mut values: Vec<Row> = rows.into_iter().map(|row| pick(row, &over)).collect();
        if *aggregate == Aggregate::Count && !over.is_empty() {
            values.sort_unstable();
            values.dedup();
        }
        match aggregate.fold_rows(&mut values.into_iter()) {
            None => undefined.push(key),
            Some(value) => {
                key.push(value);
                grouped.insert(key);
            }
        }
    }
    (Arc::new(grouped), undefined)
}

/// Each row with its place in its group.
fn rank(table: &Table, keys: &[Column], by: &[Column]) -> Rows {
    let by = places(table, by.iter());
    let ranked = |rows: Vec<&Row>| {
        let ranks = dense_ranks(&rows.iter().map(|row| pick(row, &by)).collect::<Vec<_>>());
        let row = |(row, rank): (&Row, i64)| [row.as_slice(), &[Value::Int(rank)]].concat();
        rows.into_iter().zip(ranks).map(row).collect::<Vec<_>>()
    };
    Arc::new(groups(table, keys).into_values().flat_map(ranked).collect())
}

/// Where the moves of each group leave its nodes. The last two columns given say what is moved under what, and all of
/// them in which order.
fn replay<'a>(table: &Table, keys: &[Column], ordered: impl Iterator<Item = &'a Column>) -> Rows {
    let places = places(table, ordered);
    let placed = |(key, rows): (Row, Vec<&Row>)| {
        let mut moves: Vec<Row> = rows.into_iter().map(|row| pick(row, &places)).collect();
        moves.sort_unstable_by(|left, right| row_order(left, right));
        let moved = |mut row: Row| row.pop().zip(row.pop()).map(|(parent, node)| (node, parent));
        let parents = fold_moves(moves.into_iter().filter_map(moved));
        parents.into_iter().map(move |(node, parent)| [key.as_slice(), &[node, parent]].concat())
    };
    Arc::new(groups(table, keys).into_iter().flat_map(placed).collect())
}

/// The rows by what they hold in some columns.
fn groups<'a>(table: &'a Table, keys: &[Column]) -> BTreeMap<Row, Vec<&'a Row>> {
    let keys = places(table, keys.iter());
    let mut groups: BTreeMap<Row, Vec<&Row>> = BTreeMap::new();
    for row in table.rows.iter() {
        groups.entry(pick(row, &keys)).or_default().push(row);
    }
    groups
}

fn places<'a>(table: &Table, columns: impl Iterator<Item = &'a Column>) -> Vec<usize> {
    columns.map(|column| position(&table.columns, column).expect(CHECKED)).collect()
}

fn pick(row: &Row, places: &[usize]) -> Row {
    places.iter().map(|place| row[*place].clone()).collect()
}

fn places_of(table: &Table, wanted: impl Fn(&Column) -> bool) -> Vec<usize> {
    (0..table.columns.len()).filter(|place| wanted(&table.columns[*place])).collect()
}

/// Where the shared columns stand in each of two tables, in the order of the first.
fn shared(first: &Table, second: &Table) -> (Vec<usize>, Vec<usize>) {
    let in_first = places_of(first, |column| second.columns.contains(column));
    let in_second = in_first
        .iter()
        .map(|place| position(&second.columns, &first.columns[*place]).expect("a shared column"))
        .collect();
    (in_first, in_second)
}
