//! A plan: a program whose columns have become positions and whose constants have become numbers.
//!
//! Names are gone: every [`Node`] makes rows of a fixed width, and knows at which positions its inputs hold what it
//! needs. A renaming costs nothing, since it only changed names; a projection above a join became the join's choice of
//! what to emit; neighbouring row-wise operators became one list of [`Step`]s. [`crate::planner`] makes plans,
//! [`crate::build`] turns them into operators.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use motet_algebra::dictionary::Id;
use motet_algebra::{Aggregate, BoundFormula, BoundTerm, Column, Provenance, RelationName};
use motet_fact::Value;

use crate::row::{NARROW, WIDE};

/// A whole program.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// The parts, each complete before the next begins.
    pub(crate) stages: Vec<Stage>,
    /// What the inputs must let through.
    pub(crate) inputs: BTreeMap<RelationName, Admission>,
    /// The relations whose changes are reported, with their widths.
    pub(crate) outputs: BTreeMap<RelationName, usize>,
    /// The columns of the widest row that any operator makes.
    pub(crate) width: usize,
}

impl Plan {
    /// What a row of the row type that is chosen for the plan is taken to cost (Q17): as many numbers as it has places.
    pub(crate) fn row_bytes(&self) -> u64 {
        let (places, fixed) = if self.width <= NARROW { (NARROW, 0) } else { (self.width.max(WIDE), 16) };
        fixed + 4 * u64::try_from(places).unwrap_or(u64::MAX / 8)
    }
}

/// Statements that one scope of the dataflow computes.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    /// Whether the assignments are repeated until nothing changes.
    pub(crate) recursive: bool,
    /// Relations, in the order of their first assignment, each with all that is assigned to it.
    pub(crate) targets: Vec<(RelationName, Vec<Assigned>)>,
}

/// What is assigned to a relation, and by which rule.
pub(crate) type Assigned = (Node, Provenance);

impl Stage {
    /// The relations that the stage uses from before it, among them those it adds to.
    pub(crate) fn reads(&self) -> BTreeSet<&RelationName> {
        let mut names: BTreeSet<&RelationName> = self.targets.iter().map(|(name, _)| name).collect();
        let assigned = self.targets.iter().flat_map(|(_, assigned)| assigned);
        assigned.for_each(|(node, _)| node.reads(&mut names));
        names
    }
}

/// Which rows of an input the program can ever see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// All of them.
    Every,
    /// Those that agree with one of these lists of positions and constants. No list at all: the input is not used.
    Matching(Vec<Vec<(usize, Value)>>),
}

impl Admission {
    /// Whether a row gets in.
    pub(crate) fn admits(&self, row: &[Value]) -> bool {
        match self {
            Admission::Every => true,
            Admission::Matching(lists) => {
                lists.iter().any(|list| list.iter().all(|(position, value)| row[*position] == *value))
            }
        }
    }

    /// Lets in the rows of one more use.
    pub(crate) fn widen(&mut self, list: Vec<(usize, Value)>) {
        match self {
            Admission::Every => {}
            _ if list.is_empty() => *self = Admission::Every,
            Admission::Matching(lists) if lists.contains(&list) => {}
            Admission::Matching(lists) => lists.push(list),
        }
    }
}

/// An operator with its inputs.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// The rows of a relation.
    Read(RelationName),
    /// Rows that stand in the program, each once.
    Rows(Vec<Vec<Id>>),
    /// Each row on its own.
    Each(Box<Node>, Vec<Step>),
    /// The rows of all of these. Never empty.
    Union(Vec<Node>),
    /// Pairs of rows that agree on the key.
    Join {
        /// One side.
        left: Keyed,
        /// The other.
        right: Keyed,
        /// The columns of the result.
        emit: Vec<Origin>,
    },
    /// The rows of the left that have (or, if `anti`, have not) a row on the right with their key.
    Semi {
        /// Gives the rows.
        left: Keyed,
        /// Is only asked; its key may have duplicates.
        right: Keyed,
        /// Where the left's columns are found again.
        emit: Vec<Origin>,
        /// Whether it is those that have not.
        anti: bool,
    },
    /// One row per key: the key, and an aggregate over what each row has in `over`.
    Group {
        /// The rows, and what makes the groups.
        input: Box<Node>,
        /// The positions of the key.
        keys: Vec<usize>,
        /// What is computed.
        aggregate: Aggregate,
        /// Over which column, after those that rows are compared by; nothing for a count of rows.
        over: Vec<usize>,
    },
    /// Each row with its place in its group.
    Rank {
        /// The rows.
        input: Box<Node>,
        /// The positions of the key.
        keys: Vec<usize>,
        /// The positions that rows are compared by.
        by: Vec<usize>,
        /// The width of the rows.
        width: usize,
    },
    /// The key and two columns more: a node, and the parent that the moves of the group leave it with.
    FoldMoves {
        /// The moves.
        input: Box<Node>,
        /// The positions of the key.
        keys: Vec<usize>,
        /// The positions that order the moves, and then those of the node and of the parent.
        ordered: Vec<usize>,
    },
}

impl Node {
    fn reads<'a>(&'a self, names: &mut BTreeSet<&'a RelationName>) {
        match self {
            Node::Read(name) => {
                names.insert(name);
            }
            Node::Rows(_) => {}
            Node::Each(input, _)
            | Node::Group { input, .. }
            | Node::Rank { input, .. }
            | Node::FoldMoves { input, .. } => input.reads(names),
            Node::Union(inputs) => inputs.iter().for_each(|input| input.reads(names)),
            Node::Join { left, right, .. } | Node::Semi { left, right, .. } => {
                left.node.reads(names);
                right.node.reads(names);
            }
        }
    }
}

/// A node arranged by a key: an index from the key to the rest.
#[derive(Clone, Debug)]
pub(crate) struct Keyed {
    /// Gives the rows.
    pub(crate) node: Box<Node>,
    /// The positions of the key.
    pub(crate) key: Vec<usize>,
    /// The positions of all else, ascending.
    pub(crate) rest: Vec<usize>,
}

/// Where a column of a join's result comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A position of the key.
    Key(usize),
    /// A position of the left's rest.
    Left(usize),
    /// A position of the right's rest.
    Right(usize),
}

/// What is done to a row.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The row goes on if two positions hold the same.
    Same(usize, usize),
    /// The row goes on if a position holds this value.
    Is(usize, Id),
    /// The row goes on if a formula, which has this text, holds.
    Filter(BoundFormula, Arc<str>),
    /// The row of this width is lengthened by a term, which has this text, or dropped where that is undefined.
    Extend(usize, BoundTerm, Arc<str>),
    /// The row is lengthened by the CID of the tuple it is in this relation, with these columns (requirements §3.6).
    Cid(RelationName, Vec<Column>),
    /// The row becomes what it has at these positions.
    Keep {
        /// The positions.
        places: Vec<usize>,
        /// Whether some are left out, so that two rows may become one.
        lossy: bool,
    },
}
