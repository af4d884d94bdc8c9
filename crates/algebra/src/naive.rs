//! The evaluator that defines the semantics (Q13).
//!
//! In each epoch it computes the whole program from nothing, statement by statement, with sets of rows as they stand in
//! the definitions of the operators, and then reports what differs from the last time. It interns nothing, keeps no
//! index and no trace from one epoch to the next, and has no planner: it is written to be read, and every other runtime
//! is tested against it.
//!
//! There are three concessions to speed. Joins look matching rows up in a tree instead of trying all pairs; a
//! selection over a join tests each pair before it is kept, since a product may be large; and loops are *semi-naive*:
//! after the first round a body is not computed from all rows but only from what the last round added, operator by
//! operator ([`Evaluation::gained`]). That gives the same fixed point, because loop bodies are monotone and every
//! operator distributes over union in each of its inputs; [`Naive::plain`] does without it, and the tests compare the
//! two.

mod cost;
mod measure;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use motet_fact::codec;

use crate::runtime::{Changes, Row, Runtime, RuntimeError, Undefined};
use crate::schema::position;
use crate::{Budget, Column, Expression, Formula, Program, RelationName, SchemaError, Site, Statement};
use cost::Cost;
use table::{Table, pick};

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
    fn evaluate(&self, stored: Contents, cost: Cost) -> Result<(Contents, Vec<Undefined>), RuntimeError> {
        let mut evaluation = Evaluation::new(&self.program, stored, cost);
        evaluation.semi_naive = self.semi_naive;
        for statement in &self.program.statements {
            evaluation.run(statement)?;
        }
        let counts = evaluation.undefined.into_iter();
        let undefined = counts.map(|((site, term, _), rows)| (site, term, rows.len()));
        Ok((evaluation.contents, Undefined::sum(undefined)))
    }
}

impl Runtime for Naive {
    fn step(&mut self, inputs: &Changes, budget: Budget) -> Result<Changes, RuntimeError> {
        let mut stored = self.stored.clone();
        let mut cost = Cost::new(budget);
        for (name, rows) in inputs {
            apply_changes(&self.program, &mut stored, name, rows)?;
            let mut come = rows.iter().filter(|(_, weight)| *weight > 0);
            come.try_for_each(|(row, _)| cost.keep(row, &Site::of(name)))?;
        }
        let (mut outputs, undefined) = self.evaluate(stored.clone(), cost)?;
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

/// An epoch in progress.
struct Evaluation<'a> {
    program: &'a Program,
    semi_naive: bool,
    contents: Contents,
    /// What the last round of the loop being run added to the relations it assigns.
    added: Contents,
    cost: Cost,
    /// What is being computed, for messages.
    site: Site,
    /// The rows without a value, by what was computed, by what has none, and by the place of the operator in memory,
    /// which tells it from others of that text.
    undefined: BTreeMap<(Site, Arc<str>, usize), BTreeSet<Row>>,
}

/// [`Program::check_deductive`] has bound every column of every expression before.
const CHECKED: &str = "the program was checked when the runtime was made";

impl<'a> Evaluation<'a> {
    /// Nothing is computed yet.
    fn new(program: &'a Program, stored: Contents, cost: Cost) -> Self {
        let empty = program.relations.keys().map(|name| (name.clone(), Rows::default()));
        let contents = empty.chain(stored).collect();
        let (added, undefined) = Default::default();
        Evaluation { program, semi_naive: true, contents, added, cost, site: Site::of(&"".into()), undefined }
    }
}

impl Evaluation<'_> {
    fn run(&mut self, statement: &Statement) -> Result<(), RuntimeError> {
        match statement {
            Statement::Assign { relation, expression, rule } => {
                self.begin(Site::new(relation, rule))?;
                let table = self.rows_of(expression)?;
                self.assign(relation, &table).map(drop)
            }
            Statement::Loop { body, .. } => self.run_loop(body),
            Statement::Next { .. } => unreachable!("{CHECKED}"),
        }
    }

    fn begin(&mut self, site: Site) -> Result<(), RuntimeError> {
        self.site = site;
        self.cost.begin();
        self.cost.check_wanted(&self.site)
    }

    fn run_loop(&mut self, body: &[Statement]) -> Result<(), RuntimeError> {
        self.added.clear();
        let mut growing = None;
        for round in 0..self.cost.iterations() {
            let mut added = Contents::new();
            growing = None;
            for statement in body {
                let Statement::Assign { relation, expression, rule } = statement else {
                    unreachable!("{CHECKED}")
                };
                self.begin(Site::new(relation, rule))?;
                let all = round == 0 || !self.semi_naive;
                let table = if all { self.rows_of(expression)? } else { self.gained(expression)? };
                let new = self.assign(relation, &table)?;
                if !new.is_empty() {
                    growing.get_or_insert_with(|| self.site.clone());
                }
                Arc::make_mut(added.entry(relation.clone()).or_default()).extend(new);
            }
            if growing.is_none() {
                return Ok(());
            }
            self.added = added;
        }
        // With no rounds at all it is the first statement that could not run.
        let first = || body.iter().find_map(Statement::site);
        let site = growing.or_else(first).unwrap_or_else(|| self.site.clone());
        Err(self.cost.over_iterations(&site))
    }

    /// Adds rows to a relation, and gives those that are new.
    fn assign(&mut self, relation: &RelationName, table: &Table) -> Result<Vec<Row>, RuntimeError> {
        let declared: Vec<_> = self.program.relations[relation].names().cloned().collect();
        let rows = self.project(table, &declared)?;
        let target = Arc::make_mut(self.contents.get_mut(relation).expect("every relation has an entry"));
        let new: Vec<Row> = rows.difference(target).cloned().collect();
        target.extend(new.iter().cloned());
        self.cost.derive(new.len(), &self.site)?;
        new.iter().try_for_each(|row| self.cost.keep(row, &self.site))?;
        Ok(new)
    }

    /// The rows that an operator makes, each counted as it is made.
    fn gather(&mut self, made: impl IntoIterator<Item = Row>) -> Result<Rows, RuntimeError> {
        let mut rows = BTreeSet::new();
        for row in made {
            let bytes = cost::bytes(&row);
            if rows.insert(row) {
                self.cost.make(bytes, &self.site)?;
            }
        }
        Ok(Arc::new(rows))
    }

    fn project(&mut self, table: &Table, columns: &[Column]) -> Result<Rows, RuntimeError> {
        if table.columns == columns { Ok(table.rows.clone()) } else { self.gather(table.project(columns)) }
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
                Ok(Table { columns, rows: self.shown(name, &rows, cid.is_some())? })
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
                let rows = self.gather(first.rows.union(&second.rows).cloned())?;
                Ok(Table { columns: first.columns, rows })
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
        self.cost.check_wanted(&self.site)?;
        let rows = match (expression, inputs.as_slice()) {
            (Expression::Relation { name, cid }, []) => {
                let rows = self.contents[name].clone();
                self.shown(name, &rows, cid.is_some())?
            }
            (Expression::Constant { rows, .. }, []) => self.gather(rows.iter().cloned())?,
            (Expression::Select { formula, .. }, [input]) => {
                let bound = formula.bind(&input.columns).expect(CHECKED);
                let mut undefined = Vec::new();
                let selected = input.rows.iter().filter(|row| {
                    let truth = bound.truth(&|place| row[place].clone());
                    undefined.extend(truth.is_none().then(|| (*row).clone()));
                    truth == Some(true)
                });
                let selected = self.gather(selected.cloned())?;
                self.note(expression, formula, undefined)?;
                selected
            }
            (Expression::Project { columns, .. }, [input]) => self.project(input, columns)?,
            (Expression::Rename { .. }, [input]) => input.rows.clone(),
            (Expression::Extend { term, .. }, [input]) => {
                let bound = term.bind(&input.columns).expect(CHECKED);
                let mut undefined = Vec::new();
                let extended = input.rows.iter().filter_map(|row| {
                    let value = bound.evaluate(&|place| row[place].clone());
                    undefined.extend(value.is_none().then(|| row.clone()));
                    Some([row.as_slice(), &[value?]].concat())
                });
                let extended = self.gather(extended)?;
                self.note(expression, term, undefined)?;
                extended
            }
            (Expression::Union(_), inputs) => self.unite(inputs, &columns)?,
            (Expression::Difference(..), [left, right]) => {
                let right = self.project(right, &columns)?;
                self.gather(left.rows.iter().filter(|row| !right.contains(*row)).cloned())?
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
            (Expression::SemiJoin(..), [left, right]) => self.gather(left.matching(right, true))?,
            (Expression::AntiJoin(..), [left, right]) => self.gather(left.matching(right, false))?,
            (Expression::GroupBy { keys, aggregate, over, by, .. }, [input]) => {
                let (grouped, undefined) = input.group(keys, aggregate, by.iter().chain(over));
                self.note(expression, aggregate, undefined)?;
                self.gather(grouped)?
            }
            (Expression::Rank { keys, by, .. }, [input]) => self.gather(input.rank(keys, by))?,
            (Expression::FoldMoves { keys, node, parent, by, .. }, [input]) => {
                self.gather(input.replay(keys, by.iter().chain([node, parent])))?
            }
            _ => unreachable!("every operator is given as many inputs as it has"),
        };
        Ok(Table { columns, rows })
    }

    fn unite(&mut self, inputs: &[Table], columns: &[Column]) -> Result<Rows, RuntimeError> {
        self.gather(inputs.iter().flat_map(|input| input.project(columns)))
    }

    /// Rows of a relation as an expression sees them: with their CID or without.
    fn shown(&mut self, name: &RelationName, rows: &Rows, with_cid: bool) -> Result<Rows, RuntimeError> {
        let relation = &self.program.relations[name];
        match (relation.carries_cid(), with_cid) {
            (true, true) | (false, false) => Ok(rows.clone()),
            (true, false) => self.gather(rows.iter().map(|row| row[..row.len() - 1].to_vec())),
            (false, true) => {
                let columns = relation.tuple_columns();
                let cid = |row: &Row| codec::tuple_cid(name, columns.iter().map(|column| &**column).zip(row));
                self.gather(rows.iter().map(|row| [row.as_slice(), &[cid(row).into()]].concat()))
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
        let columns = left.joined_columns(&right);
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
        let bound = formula.bind(&left.joined_columns(right)).expect(CHECKED);
        let mut undefined = Vec::new();
        let rows = self.join(left, right, &mut |row| {
            let truth = bound.truth(&|place| row[place].clone());
            undefined.extend(truth.is_none().then(|| row.clone()));
            truth == Some(true)
        })?;
        self.note(expression, formula, undefined)?;
        Ok(rows)
    }

    /// Notes rows of an operator for which something has no value.
    fn note(
        &mut self,
        operator: &Expression,
        what: &dyn ToString,
        rows: Vec<Row>,
    ) -> Result<(), RuntimeError> {
        if rows.is_empty() {
            return Ok(());
        }
        let key = (self.site.clone(), what.to_string().into(), std::ptr::from_ref(operator).addr());
        let noted = self.undefined.entry(key).or_default();
        for row in rows {
            if !noted.contains(&row) {
                self.cost.keep(&row, &self.site)?;
                noted.insert(row);
            }
        }
        Ok(())
    }

    /// The pairs of rows that agree on the shared columns, if they are to be kept. The smaller side is put in a tree by
    /// those columns.
    fn join(
        &mut self,
        left: &Table,
        right: &Table,
        keep: &mut dyn FnMut(&Row) -> bool,
    ) -> Result<Rows, RuntimeError> {
        let added = right.places_without(left);
        let left_is_smaller = left.rows.len() <= right.rows.len();
        let (small, large) = if left_is_smaller { (left, right) } else { (right, left) };
        let (small_key, large_key) = small.shared(large);
        let mut index: BTreeMap<Row, Vec<&Row>> = BTreeMap::new();
        for row in small.rows.iter() {
            index.entry(pick(row, &small_key)).or_default().push(row);
        }
        let mut joined = BTreeSet::new();
        for row in large.rows.iter() {
            let matches = index.get(&pick(row, &large_key)).map_or(&[][..], Vec::as_slice);
            self.cost.derive(matches.len(), &self.site)?;
            for other in matches {
                let (left_row, right_row) = if left_is_smaller { (*other, row) } else { (row, *other) };
                let row = [left_row.as_slice(), &pick(right_row, &added)].concat();
                if keep(&row) {
                    self.cost.make(cost::bytes(&row), &self.site)?;
                    joined.insert(row);
                }
            }
        }
        Ok(Arc::new(joined))
    }
}
