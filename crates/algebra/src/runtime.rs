//! The trait all runtimes share: a plan kept running.
//!
//! An epoch is one call of [`Runtime::step`]: the changes of the inputs go in, the plan comes to its fixed point, and
//! the *net* changes of the outputs come out, each row once, with +1 or -1. Inputs are sets: a row enters with +1 only
//! if it is absent and with -1 only if it is present; the caller sees to it, and a runtime refuses what is not so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use motet_fact::Value;

use crate::program::{Relation, RelationName};
use crate::{Budget, Site};

/// One row: the values in the order of the relation's declared columns.
pub type Row = Vec<Value>;

/// Changes of relations: rows in value order, each once, with +1 (now there) or -1 (no longer there).
pub type Changes = BTreeMap<RelationName, Vec<(Row, i64)>>;

/// Why an epoch failed. The runtime is as it was before the epoch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// A change names a relation that takes no rows from outside.
    #[error("`{0}` is not an input of this program")]
    NotAnInput(RelationName),
    /// A row with too few or too many values.
    #[error("a row of `{relation}` has {got} values; it has {want} columns")]
    Width {
        /// The relation.
        relation: RelationName,
        /// Values in the row.
        got: usize,
        /// Columns of the relation.
        want: usize,
    },
    /// A value of the wrong kind for its column.
    #[error("column `{column}` of `{relation}` does not take {value}")]
    Type {
        /// The relation.
        relation: RelationName,
        /// The column.
        column: String,
        /// The value.
        value: Value,
    },
    /// A row that is there already, or is not there to be taken away, or a weight other than +1 and -1.
    #[error("a row of `{relation}` was given weight {weight:+}, which its contents do not allow")]
    Weight {
        /// The relation.
        relation: RelationName,
        /// The weight given.
        weight: i64,
    },
    /// The budget ran out.
    #[error("the budget of {limit} {what} ran out while computing {site}")]
    OverBudget {
        /// `iterations`, `rows` or `bytes`.
        what: &'static str,
        /// The limit.
        limit: u64,
        /// What was being computed.
        site: Site,
    },
    /// Whoever asked for the epoch wants it no more ([`Cancel`](crate::Cancel)).
    #[error("{reason} while computing {site}")]
    Cancelled {
        /// Why.
        reason: Arc<str>,
        /// What was being computed.
        site: Site,
    },
    /// The program does not come to rest: a further epoch is due, and no more are allowed.
    #[error("after {ticks} ticks the program is not at rest: `{}` still changes", relations.join("`, `"))]
    Restless {
        /// The ticks that were allowed.
        ticks: u64,
        /// The relations whose rows in the next epoch are not those of this one.
        relations: Vec<RelationName>,
    },
}

impl Relation {
    /// Whether a row has a value of the right kind for each column.
    ///
    /// # Errors
    /// [`RuntimeError::Width`] or [`RuntimeError::Type`], under this name of the relation.
    pub fn check_row(&self, name: &RelationName, row: &[Value]) -> Result<(), RuntimeError> {
        let (got, want) = (row.len(), self.columns.len());
        if got != want {
            return Err(RuntimeError::Width { relation: name.clone(), got, want });
        }
        for (value, (column, column_type)) in row.iter().zip(&self.columns) {
            if !column_type.takes(value) {
                let (relation, column) = (name.clone(), column.to_string());
                return Err(RuntimeError::Type { relation, column, value: value.clone() });
            }
        }
        Ok(())
    }
}

/// Rows that derive nothing, since something of them has no value (Q3): a sum that overflows, a division by zero.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Undefined {
    /// What was being computed.
    pub site: Site,
    /// The term, condition or aggregate that has no value, as text.
    pub term: Arc<str>,
    /// How many rows, or groups, that is so for now.
    pub rows: usize,
}

impl Undefined {
    /// Adds up what several operators count, in order; what is nothing is left out.
    pub fn sum(counts: impl Iterator<Item = (Site, Arc<str>, usize)>) -> Vec<Undefined> {
        let mut sums: BTreeMap<_, usize> = BTreeMap::new();
        counts.for_each(|(site, term, rows)| *sums.entry((site, term)).or_default() += rows);
        let some = sums.into_iter().filter(|(_, rows)| *rows > 0);
        some.map(|((site, term), rows)| Undefined { site, term, rows }).collect()
    }
}

impl Display for Undefined {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Undefined { site, term, rows } = self;
        let rows_have = if *rows == 1 { "row has" } else { "rows have" };
        write!(f, "{site}: {rows} {rows_have} no value for {term}")
    }
}

/// A plan kept running.
pub trait Runtime {
    /// Runs one epoch and gives the net changes of the output relations. Relations without change are left out.
    /// The first epoch also reports what the program derives from nothing.
    ///
    /// # Errors
    /// [`RuntimeError`]; the runtime is then as it was before.
    fn step(&mut self, inputs: &Changes, budget: Budget) -> Result<Changes, RuntimeError>;

    /// What derives nothing for want of a value, as of the last epoch (Q3): a warning, for it is seldom meant. Rows
    /// that a runtime need not look at for its outputs it need not count.
    fn undefined(&self) -> Vec<Undefined>;

    /// The relations that make another epoch due, even without input (Q11): those that will begin it with other rows
    /// than the last one began with, and events that held in it. In a program without time there are none.
    fn restless(&self) -> Vec<RelationName> {
        Vec::new()
    }

    /// What the next epoch is given (`@next`) that the last one was not, and the other way round, by relation. So what
    /// an epoch was given is the sum of these changes over the epochs before it.
    fn due(&self) -> Changes {
        Changes::new()
    }

    /// Whether another epoch is due.
    fn pending(&self) -> bool {
        !self.restless().is_empty()
    }

    /// Saves what another process needs to go on after the last epoch, as blocks of bytes
    /// ([`checkpoint`](crate::checkpoint)), and gives true; or puts nothing and gives false: before the first epoch,
    /// and if it is a runtime that has no checkpoints. A runtime that was restored from the blocks gives for all
    /// that follows what this one would have given.
    fn save(&self, _put: &mut dyn FnMut(Vec<u8>)) -> bool {
        false
    }

    /// Whether an input holds a row after the last epoch, if the runtime can tell. A row that the program cannot see
    /// is not held, and an event holds none.
    fn holds(&self, _input: &str, _row: &[Value]) -> Option<bool> {
        None
    }

    /// The rows of all outputs after the last epoch, if the runtime has them: one that was restored has told nobody of
    /// them.
    fn contents(&self) -> Option<BTreeMap<RelationName, BTreeSet<Row>>> {
        None
    }
}

impl<R: Runtime + ?Sized> Runtime for Box<R> {
    fn step(&mut self, inputs: &Changes, budget: Budget) -> Result<Changes, RuntimeError> {
        (**self).step(inputs, budget)
    }

    fn undefined(&self) -> Vec<Undefined> {
        (**self).undefined()
    }

    fn restless(&self) -> Vec<RelationName> {
        (**self).restless()
    }

    fn due(&self) -> Changes {
        (**self).due()
    }

    fn save(&self, put: &mut dyn FnMut(Vec<u8>)) -> bool {
        (**self).save(put)
    }

    fn holds(&self, input: &str, row: &[Value]) -> Option<bool> {
        (**self).holds(input, row)
    }

    fn contents(&self) -> Option<BTreeMap<RelationName, BTreeSet<Row>>> {
        (**self).contents()
    }
}

/// Whether one more tick, an epoch without input, is due and allowed, after so many.
///
/// # Errors
/// [`RuntimeError::Restless`] if it is due and not allowed.
pub fn tick_is_due(runtime: &dyn Runtime, ticks: u64, budget: &Budget) -> Result<bool, RuntimeError> {
    match runtime.restless() {
        relations if relations.is_empty() => Ok(false),
        _ if ticks < budget.ticks => Ok(true),
        relations => Err(RuntimeError::Restless { ticks, relations }),
    }
}
