//! Rules as data: what an engine is told to keep up.
//!
//! A relation is a set of rows of one width. It is a *base* relation, whose rows come from outside; or what its *rules*
//! give, which are conjunctions of [`Goal`]s over other relations and maybe itself; or one of the results of a *fold*,
//! which looks at whole groups of rows. Names, values and the meaning of tests belong to a [`Host`].

use super::row::{Batch, Id, Place};

/// The number of a relation.
pub type RelationId = usize;

/// What stands at a position of an atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    /// A variable, by its number.
    Var(Place),
    /// This id.
    Is(Id),
    /// Anything.
    Any,
}

/// A pattern for rows of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Atom {
    /// Which relation.
    pub relation: RelationId,
    /// What stands at each position.
    pub args: Vec<Arg>,
}

/// A part of a rule's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// There is a row like that.
    Has(Atom),
    /// There is no row like that. Its variables stand in other goals too.
    Not(Atom),
    /// A test of the host holds.
    Test {
        /// Which test.
        test: usize,
        /// Of what.
        args: Vec<Arg>,
    },
    /// A function of the host has a value, and it is this.
    Make {
        /// Which function.
        function: usize,
        /// Of what.
        args: Vec<Arg>,
        /// The value: a variable, or the id that it must be.
        into: Arg,
    },
}

/// If all goals hold, there is a row in the relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The relation.
    pub relation: RelationId,
    /// The row: variables that goals bind, and ids.
    pub row: Vec<Arg>,
    /// The body.
    pub goals: Vec<Goal>,
    /// How many variables there are.
    pub variables: usize,
}

/// One of the relations that a fold gives rows of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The relation.
    pub relation: RelationId,
    /// Where its rows hold the columns of the key, in their order.
    pub keys: Vec<Place>,
}

/// What is computed of the rows of each group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// Of which rows.
    pub input: RelationId,
    /// The positions that make the groups, ascending.
    pub keys: Vec<Place>,
    /// What the host is asked for.
    pub fold: usize,
    /// What it gives.
    pub outputs: Vec<Output>,
}

/// What a program is, as an engine sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// The width of each relation.
    pub widths: Vec<usize>,
    /// The rules. A relation that is assigned by a rule or given by a fold takes no rows from outside.
    pub rules: Vec<Rule>,
    /// The folds.
    pub folds: Vec<Fold>,
}

/// What the ids mean. All of it is pure: the same ids always give the same.
pub trait Host {
    /// Whether a test holds.
    fn test(&self, test: usize, args: &[Id]) -> bool;
    /// The value of a function, if it has one.
    fn make(&self, function: usize, args: &[Id]) -> Option<Id>;
    /// Folds the rows of a group, of which there is at least one, and gives rows of the outputs, by their place in
    /// [`Fold::outputs`].
    fn fold(&self, fold: usize, group: &Batch, give: &mut dyn FnMut(usize, &[Id]));
    /// What it has come to hold in this epoch for ids that it made, in bytes.
    fn held(&self) -> u64 {
        0
    }
    /// Whether the epoch that runs is still wanted. Asked often.
    fn is_wanted(&self) -> bool {
        true
    }
}
