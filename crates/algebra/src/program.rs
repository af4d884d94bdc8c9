//! Statements, and relations with their columns and types.

use std::collections::BTreeMap;
use std::sync::Arc;

use motet_fact::{Kind, Value};

use crate::expression::{Column, Expression};
use crate::rule::{Provenance, Site};

/// The name of a relation.
pub type RelationName = Arc<str>;

/// The control column of stored relations whose rows carry a CID: always the last column, of type link. It is no part
/// of the tuple (Q6): an expression sees it only where it asks for it.
pub const CID_COLUMN: &str = "$cid";

/// What a column may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// Values of one kind.
    Kind(Kind),
    /// Values of every kind.
    Any,
}

impl ColumnType {
    /// Whether a column of this type takes a value.
    pub fn takes(self, value: &Value) -> bool {
        match self {
            ColumnType::Any => true,
            ColumnType::Kind(kind) => value.kind() == kind,
        }
    }
}

/// A relation: its columns in declared order, and where its rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// The columns, in the order in which rows enter and leave a runtime.
    pub columns: Vec<(Column, ColumnType)>,
    /// Whether rows come from outside. An input may be assigned to as well (a rule may extend it): then its contents
    /// are the stored rows and the derived ones.
    pub input: bool,
    /// Whether the rows that come from outside are there for one epoch only (PL-7). Only inputs are events.
    pub event: bool,
    /// Whether its changes are reported.
    pub output: bool,
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// The relation's contents become what they were, and what the expression gives (RA-4). What several rules say of a
    /// relation is an assignment for each.
    Assign {
        /// The relation.
        relation: RelationName,
        /// Gives rows with exactly the relation's columns.
        expression: Expression,
        /// The rule that it is.
        rule: Provenance,
    },
    /// The body is repeated until none of its relations changes (RA-5). The compiler makes bodies that are monotone
    /// in the relations they assign: negation and aggregation only of relations assigned before the loop. Loops are not
    /// nested.
    Loop {
        /// Assignments.
        body: Vec<Statement>,
        /// The relations that later statements may read; the others are the loop's own.
        exports: Vec<RelationName>,
    },
    /// The rows that the expression gives in an epoch are in the relation in the next one (RA-X3), beside what else it
    /// holds then, and in no later epoch unless they are given again. It reads only what is complete, as if it stood
    /// last; nothing that is computed in its own epoch depends on it.
    Next {
        /// The relation.
        relation: RelationName,
        /// Gives rows with exactly the relation's columns.
        expression: Expression,
        /// The rule that it is.
        rule: Provenance,
    },
}

impl Statement {
    /// An assignment that is no rule that anybody wrote.
    pub fn assign(relation: impl Into<RelationName>, expression: Expression) -> Self {
        Statement::Assign { relation: relation.into(), expression, rule: Provenance::default() }
    }

    /// Rows for the next epoch by no rule that anybody wrote.
    pub fn next(relation: impl Into<RelationName>, expression: Expression) -> Self {
        Statement::Next { relation: relation.into(), expression, rule: Provenance::default() }
    }

    /// What it computes, of a loop what it computes first; nothing if that is nothing.
    pub fn site(&self) -> Option<Site> {
        match self {
            Statement::Assign { relation, rule, .. } | Statement::Next { relation, rule, .. } => {
                Some(Site::new(relation, rule))
            }
            Statement::Loop { body, .. } => body.iter().find_map(Statement::site),
        }
    }
}

/// A program: relations and statements. Statements stand in stratum order: a relation that is negated or aggregated
/// is complete before the statement that does so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// Every relation the statements name.
    pub relations: BTreeMap<RelationName, Relation>,
    /// The statements, first to last.
    pub statements: Vec<Statement>,
}

impl Program {
    /// Whether what it computes depends on earlier epochs: it has events, or rows for the next epoch. Such a program
    /// runs in a [`Clocked`](crate::Clocked) runtime.
    pub fn is_timed(&self) -> bool {
        let gives_next = |statement: &Statement| matches!(statement, Statement::Next { .. });
        self.relations.values().any(|relation| relation.event) || self.statements.iter().any(gives_next)
    }
}
