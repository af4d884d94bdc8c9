//! Which columns an expression has, and whether a program may be built at all.
//!
//! Columns have no order in the algebra; rows in memory do. So that every runtime lays rows out the same way, each
//! operator's columns have one order, defined here: a relation's as declared, a union's and a difference's as the
//! first's, a join's the left ones and then what the right adds, a group's its keys and then the result.
//!
//! [`Program::check`] is what a runtime calls before it builds anything. It finds the errors of whoever made the
//! program (our own compiler, mostly); what users write is checked with better words in the `logic` crate.

use std::collections::BTreeSet;

use crate::program::CID_COLUMN;
use crate::{Aggregate, Column, Expression, Program, Relation, RelationName, Statement};

/// Why a program cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A relation the program does not declare.
    #[error("the program has no relation `{0}`")]
    UnknownRelation(RelationName),
    /// A column that is not there.
    #[error("there is no column `{column}` among ({})", columns.join(", "))]
    UnknownColumn {
        /// The column.
        column: Column,
        /// Those that are there.
        columns: Vec<Column>,
    },
    /// Two columns of one name.
    #[error("two columns of the name `{0}`")]
    DuplicateColumn(Column),
    /// Two sets of columns that should be the same.
    #[error("{place} wants the columns ({}) and gets ({})", want.join(", "), got.join(", "))]
    Columns {
        /// Where.
        place: String,
        /// The columns wanted.
        want: Vec<Column>,
        /// The columns given.
        got: Vec<Column>,
    },
    /// A function with the wrong number of arguments.
    #[error("`{function}` takes {want} arguments and gets {got}")]
    Arguments {
        /// The function.
        function: String,
        /// Arguments it takes.
        want: usize,
        /// Arguments given.
        got: usize,
    },
    /// A constant row that does not have one value for each column.
    #[error("a constant row has {got} values for {want} columns")]
    ConstantWidth {
        /// Columns.
        want: usize,
        /// Values.
        got: usize,
    },
    /// Inputs of a product, a theta join or an equijoin with a column in common.
    #[error("both inputs of {operator} have the columns ({}); they should share none", columns.join(", "))]
    SharedColumns {
        /// Which of the three.
        operator: &'static str,
        /// The columns in common.
        columns: Vec<Column>,
    },
    /// A union of nothing.
    #[error("a union needs at least one input")]
    EmptyUnion,
    /// A sum, min or max of no column.
    #[error("`{0}` needs a column to range over")]
    AggregateOfNothing(String),
    /// An arg_max, arg_min, rank or fold_moves by no column, or another aggregate by some.
    #[error("`{0}` goes by columns if it is arg_max, arg_min, rank or fold_moves, and only then")]
    AggregateBy(String),
    /// `$cid` elsewhere than last, or in a relation that rules derive.
    #[error("`{0}` may have the column `$cid` only as its last, and only if its rows all come from outside")]
    ControlColumn(RelationName),
    /// A loop in a loop.
    #[error("loops are not nested")]
    NestedLoop,
    /// Rows for the next epoch in a loop.
    #[error("rows for the next epoch of `{0}` stand in a loop, and are known only after it")]
    NextInLoop(RelationName),
    /// An event that takes no rows.
    #[error("`{0}` is an event and no input, so it would never hold")]
    NoInput(RelationName),
    /// A program with events or rows for the next epoch, in a runtime that knows one epoch at a time.
    #[error("the program has events or rows for the next epoch: it runs in a `Clocked` runtime only")]
    Timed,
    /// A loop exports what it does not assign.
    #[error("a loop exports `{0}`, which it does not assign")]
    Export(RelationName),
    /// A relation is read before all that assigns it has run.
    #[error("`{reader}` reads `{relation}`, which is not complete by then")]
    Incomplete {
        /// The relation being read.
        relation: RelationName,
        /// The relation being assigned.
        reader: RelationName,
    },
    /// A loop negates or aggregates what it assigns.
    #[error("`{reader}` negates or aggregates `{relation}` inside the loop that computes it")]
    NotMonotone {
        /// The relation being negated or aggregated.
        relation: RelationName,
        /// The relation being assigned.
        reader: RelationName,
    },
    /// A statement reads a relation that a loop keeps to itself.
    #[error("`{reader}` reads `{relation}`, which its loop does not export")]
    NotExported {
        /// The relation being read.
        relation: RelationName,
        /// The relation being assigned.
        reader: RelationName,
    },
}

/// A part of a program that may be at fault.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part<'a> {
    /// What is declared of a relation.
    Relation(&'a RelationName),
    /// One of the program's statements.
    Statement(usize),
}

/// Where a column stands.
pub(crate) fn position(columns: &[Column], column: &Column) -> Result<usize, SchemaError> {
    columns
        .iter()
        .position(|one| one == column)
        .ok_or_else(|| SchemaError::UnknownColumn { column: column.clone(), columns: columns.to_vec() })
}

impl Relation {
    /// The names of the columns, in declared order.
    pub fn names(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().map(|(name, _)| name)
    }

    /// Whether rows carry their CID: the last column is `$cid`.
    pub fn carries_cid(&self) -> bool {
        self.columns.last().is_some_and(|(name, _)| &**name == CID_COLUMN)
    }

    /// The columns that make up the tuple: all but `$cid`.
    pub fn tuple_columns(&self) -> Vec<Column> {
        self.names().filter(|name| &***name != CID_COLUMN).cloned().collect()
    }
}

impl Program {
    /// The relation of that name.
    ///
    /// # Errors
    /// [`SchemaError::UnknownRelation`].
    pub fn relation(&self, name: &RelationName) -> Result<&Relation, SchemaError> {
        self.relations.get(name).ok_or_else(|| SchemaError::UnknownRelation(name.clone()))
    }

    /// The columns of an expression, in the order in which every runtime lays out its rows.
    ///
    /// # Errors
    /// [`SchemaError`] if the expression, or any part of it, cannot be built.
    pub fn columns(&self, expression: &Expression) -> Result<Vec<Column>, SchemaError> {
        let inputs = expression.inputs().into_iter().map(|input| self.columns(input));
        self.operator_columns(expression, &inputs.collect::<Result<Vec<_>, _>>()?)
    }

    /// The columns of an expression whose inputs have these columns.
    ///
    /// # Errors
    /// [`SchemaError`] if the operator does not fit them.
    ///
    /// # Panics
    /// If there are not as many as [`Expression::inputs`].
    pub fn operator_columns(
        &self,
        expression: &Expression,
        inputs: &[Vec<Column>],
    ) -> Result<Vec<Column>, SchemaError> {
        match (expression, inputs) {
            (Expression::Relation { name, cid }, []) => self.relation_columns(name, cid.as_ref()),
            (Expression::Constant { columns, rows }, []) => constant_columns(columns, rows),
            (Expression::Select { formula, .. }, [input]) => {
                formula.bind(input)?;
                Ok(input.clone())
            }
            (Expression::Project { columns, .. }, [input]) => {
                columns.iter().try_for_each(|column| position(input, column).map(drop))?;
                distinct(columns.clone())
            }
            (Expression::Rename { pairs, .. }, [input]) => rename(input.clone(), pairs),
            (Expression::Extend { column, term, .. }, [input]) => {
                term.bind(input)?;
                distinct(input.iter().chain([column]).cloned().collect())
            }
            (Expression::Union(_), inputs) => union_columns(inputs),
            (Expression::Difference(..), [left, right]) => {
                same_columns("a difference", left, right)?;
                Ok(left.clone())
            }
            (Expression::Join(..), [left, right]) => {
                let added = right.iter().filter(|column| !left.contains(column));
                Ok(left.iter().chain(added).cloned().collect())
            }
            (Expression::Product(..), [left, right]) => disjoint("cartesian_product", left, right),
            (Expression::ThetaJoin { formula, .. }, [left, right]) => {
                let columns = disjoint("theta_join", left, right)?;
                formula.bind(&columns).map(|_| columns)
            }
            (Expression::EquiJoin { pairs, .. }, [left, right]) => equijoin_columns(pairs, left, right),
            (Expression::SemiJoin(..) | Expression::AntiJoin(..), [left, _]) => Ok(left.clone()),
            (Expression::GroupBy { keys, aggregate, over, by, result, .. }, [input]) => {
                if over.is_none() && *aggregate != Aggregate::Count {
                    return Err(SchemaError::AggregateOfNothing(aggregate.name().into()));
                }
                if by.is_empty() == aggregate.goes_by_columns() {
                    return Err(SchemaError::AggregateBy(aggregate.name().into()));
                }
                keys.iter().chain(over).chain(by).try_for_each(|column| position(input, column).map(drop))?;
                distinct(keys.iter().chain([result]).cloned().collect())
            }
            (Expression::Rank { keys, by, result, .. }, [input]) => {
                if by.is_empty() {
                    return Err(SchemaError::AggregateBy("rank".into()));
                }
                keys.iter().chain(by).try_for_each(|column| position(input, column).map(drop))?;
                distinct(input.iter().chain([result]).cloned().collect())
            }
            (Expression::FoldMoves { keys, node, parent, by, result, .. }, [input]) => {
                if by.is_empty() {
                    return Err(SchemaError::AggregateBy("fold_moves".into()));
                }
                let named = keys.iter().chain([node, parent]).chain(by);
                named.into_iter().try_for_each(|column| position(input, column).map(drop))?;
                distinct(keys.iter().chain([node, result]).cloned().collect())
            }
            _ => panic!("an operator was given the columns of {} inputs", inputs.len()),
        }
    }

    fn relation_columns(
        &self,
        name: &RelationName,
        cid: Option<&Column>,
    ) -> Result<Vec<Column>, SchemaError> {
        let mut columns = self.relation(name)?.tuple_columns();
        columns.extend(cid.cloned());
        distinct(columns)
    }

    /// Whether a runtime can be built for this program.
    ///
    /// # Errors
    /// The first [`SchemaError`] there is.
    pub fn check(&self) -> Result<(), SchemaError> {
        self.check_parts().map_err(|(_, error)| error)
    }

    /// [`Program::check`], with the part of the program that the error is in.
    pub(crate) fn check_parts(&self) -> Result<(), (Part<'_>, SchemaError)> {
        for (name, relation) in &self.relations {
            self.check_relation(name, relation).map_err(|error| (Part::Relation(name), error))?;
        }
        let mut hidden = BTreeSet::new();
        for (index, statement) in self.statements.iter().enumerate() {
            self.check_statement(statement, &self.statements[index + 1..], &hidden)
                .map_err(|error| (Part::Statement(index), error))?;
            if let Statement::Loop { exports, .. } = statement {
                hidden.extend(assigned(statement).filter(|name| !exports.contains(name)).cloned());
            }
        }
        Ok(())
    }

    fn check_relation(&self, name: &RelationName, relation: &Relation) -> Result<(), SchemaError> {
        distinct(relation.names().cloned().collect())?;
        let carrying = relation.names().filter(|column| &***column == CID_COLUMN).count();
        let derived = self.assigns(&self.statements, name) || self.delays(name);
        let last = relation.carries_cid() && relation.input && !derived;
        if carrying > usize::from(last) {
            return Err(SchemaError::ControlColumn(name.clone()));
        }
        if relation.event && !relation.input {
            return Err(SchemaError::NoInput(name.clone()));
        }
        Ok(())
    }

    /// Whether a runtime that knows one epoch at a time can be built for this program.
    ///
    /// # Errors
    /// As [`Program::check`], and [`SchemaError::Timed`].
    pub fn check_deductive(&self) -> Result<(), SchemaError> {
        self.check()?;
        if self.is_timed() { Err(SchemaError::Timed) } else { Ok(()) }
    }

    fn assigns(&self, statements: &[Statement], name: &RelationName) -> bool {
        statements.iter().any(|statement| assigned(statement).any(|one| one == name))
    }

    /// Whether the relation is given rows for the next epoch.
    fn delays(&self, name: &RelationName) -> bool {
        let gives = |one: &Statement| matches!(one, Statement::Next { relation, .. } if relation == name);
        self.statements.iter().any(gives)
    }

    fn check_statement(
        &self,
        statement: &Statement,
        later: &[Statement],
        hidden: &BTreeSet<RelationName>,
    ) -> Result<(), SchemaError> {
        match statement {
            Statement::Assign { relation, expression, .. } => {
                self.check_assign(relation, expression)?;
                each_read(expression, false, &mut |read, _| {
                    if read == relation || self.assigns(later, read) {
                        return Err(SchemaError::Incomplete {
                            relation: read.clone(),
                            reader: relation.clone(),
                        });
                    }
                    check_export(read, relation, hidden)
                })
            }
            Statement::Next { relation, expression, .. } => {
                self.check_assign(relation, expression)?;
                each_read(expression, false, &mut |read, _| {
                    if self.assigns(later, read) {
                        let (relation, reader) = (read.clone(), relation.clone());
                        return Err(SchemaError::Incomplete { relation, reader });
                    }
                    check_export(read, relation, hidden)
                })
            }
            Statement::Loop { body, exports } => {
                let own: BTreeSet<_> = assigned(statement).cloned().collect();
                if let Some(name) = exports.iter().find(|name| !own.contains(*name)) {
                    return Err(SchemaError::Export(name.clone()));
                }
                body.iter().try_for_each(|one| self.check_in_loop(one, &own, later, hidden))
            }
        }
    }

    fn check_in_loop(
        &self,
        statement: &Statement,
        own: &BTreeSet<RelationName>,
        later: &[Statement],
        hidden: &BTreeSet<RelationName>,
    ) -> Result<(), SchemaError> {
        let (relation, expression) = match statement {
            Statement::Assign { relation, expression, .. } => (relation, expression),
            Statement::Next { relation, .. } => return Err(SchemaError::NextInLoop(relation.clone())),
            Statement::Loop { .. } => return Err(SchemaError::NestedLoop),
        };
        self.check_assign(relation, expression)?;
        each_read(expression, false, &mut |read, strict| {
            let pair = || (read.clone(), relation.clone());
            if strict && own.contains(read) {
                let (relation, reader) = pair();
                return Err(SchemaError::NotMonotone { relation, reader });
            }
            if self.assigns(later, read) {
                let (relation, reader) = pair();
                return Err(SchemaError::Incomplete { relation, reader });
            }
            check_export(read, relation, hidden)
        })
    }

    pub(crate) fn check_assign(
        &self,
        relation: &RelationName,
        expression: &Expression,
    ) -> Result<(), SchemaError> {
        let want: Vec<_> = self.relation(relation)?.names().cloned().collect();
        same_columns(&format!("`{relation}`"), &want, &self.columns(expression)?)
    }
}

fn check_export(
    read: &RelationName,
    reader: &RelationName,
    hidden: &BTreeSet<RelationName>,
) -> Result<(), SchemaError> {
    if hidden.contains(read) {
        return Err(SchemaError::NotExported { relation: read.clone(), reader: reader.clone() });
    }
    Ok(())
}

/// The relations a statement assigns, in the epoch in which it runs.
fn assigned(statement: &Statement) -> Box<dyn Iterator<Item = &RelationName> + '_> {
    match statement {
        Statement::Assign { relation, .. } => Box::new(std::iter::once(relation)),
        Statement::Next { .. } => Box::new(std::iter::empty()),
        Statement::Loop { body, .. } => Box::new(body.iter().flat_map(assigned)),
    }
}

impl Expression {
    /// The relations that it reads, and of each whether strictly: where more rows may mean fewer results (the right of
    /// a difference or an antijoin, a group). One may be read both ways.
    pub fn reads(&self) -> BTreeSet<(&RelationName, bool)> {
        let mut reads = BTreeSet::new();
        let visited: Result<(), std::convert::Infallible> = each_read(self, false, &mut |name, strict| {
            reads.insert((name, strict));
            Ok(())
        });
        visited.map_or_else(|never| match never {}, |()| reads)
    }
}

/// Calls `visit` for every relation an expression reads, and whether it reads it strictly: where more rows may mean
/// fewer results (the right of a difference or an antijoin, a group).
pub(crate) fn each_read<'a, E>(
    expression: &'a Expression,
    strict: bool,
    visit: &mut dyn FnMut(&'a RelationName, bool) -> Result<(), E>,
) -> Result<(), E> {
    match expression {
        Expression::Relation { name, .. } => visit(name, strict),
        Expression::Constant { .. } => Ok(()),
        Expression::Select { input, .. }
        | Expression::Project { input, .. }
        | Expression::Rename { input, .. }
        | Expression::Extend { input, .. } => each_read(input, strict, visit),
        Expression::GroupBy { input, .. }
        | Expression::Rank { input, .. }
        | Expression::FoldMoves { input, .. } => each_read(input, true, visit),
        Expression::Union(inputs) => inputs.iter().try_for_each(|input| each_read(input, strict, visit)),
        Expression::Join(left, right)
        | Expression::Product(left, right)
        | Expression::ThetaJoin { left, right, .. }
        | Expression::EquiJoin { left, right, .. }
        | Expression::SemiJoin(left, right) => {
            each_read(left, strict, visit)?;
            each_read(right, strict, visit)
        }
        Expression::Difference(left, right) | Expression::AntiJoin(left, right) => {
            each_read(left, strict, visit)?;
            each_read(right, true, visit)
        }
    }
}

/// The columns of both inputs, which share none.
fn disjoint(operator: &'static str, left: &[Column], right: &[Column]) -> Result<Vec<Column>, SchemaError> {
    let columns: Vec<_> = left.iter().filter(|column| right.contains(column)).cloned().collect();
    if columns.is_empty() {
        Ok([left, right].concat())
    } else {
        Err(SchemaError::SharedColumns { operator, columns })
    }
}

fn equijoin_columns(
    pairs: &[(Column, Column)],
    left: &[Column],
    right: &[Column],
) -> Result<Vec<Column>, SchemaError> {
    let columns = disjoint("equijoin", left, right)?;
    for (of_left, of_right) in pairs {
        position(left, of_left)?;
        position(right, of_right)?;
    }
    Ok(columns)
}

fn union_columns(inputs: &[Vec<Column>]) -> Result<Vec<Column>, SchemaError> {
    let [first, rest @ ..] = inputs else { return Err(SchemaError::EmptyUnion) };
    rest.iter().try_for_each(|input| same_columns("a union", first, input))?;
    Ok(first.clone())
}

fn constant_columns(columns: &[Column], rows: &[crate::Row]) -> Result<Vec<Column>, SchemaError> {
    match rows.iter().find(|row| row.len() != columns.len()) {
        Some(row) => Err(SchemaError::ConstantWidth { want: columns.len(), got: row.len() }),
        None => distinct(columns.to_vec()),
    }
}

/// Renames all at once: the new names may be old names of others in the list.
fn rename(mut columns: Vec<Column>, pairs: &[(Column, Column)]) -> Result<Vec<Column>, SchemaError> {
    distinct(pairs.iter().map(|(old, _)| old.clone()).collect())?;
    let places = pairs.iter().map(|(old, _)| position(&columns, old)).collect::<Result<Vec<_>, _>>()?;
    for (place, (_, new)) in places.into_iter().zip(pairs) {
        columns[place] = new.clone();
    }
    distinct(columns)
}

fn distinct(columns: Vec<Column>) -> Result<Vec<Column>, SchemaError> {
    let mut seen = BTreeSet::new();
    match columns.iter().find(|column| !seen.insert(*column)) {
        Some(column) => Err(SchemaError::DuplicateColumn(column.clone())),
        None => Ok(columns),
    }
}

fn same_columns(place: &str, want: &[Column], got: &[Column]) -> Result<(), SchemaError> {
    let sorted = |columns: &[Column]| columns.iter().cloned().collect::<BTreeSet<_>>();
    if sorted(want) == sorted(got) {
        return Ok(());
    }
    Err(SchemaError::Columns { place: place.into(), want: want.to_vec(), got: got.to_vec() })
}
