//! The base relations an item contributes to, and changes of them (Q5).
//!
//! Everything downstream of an item is a Z-set: a [`Change`] is a row and how many more times it holds. What one call
//! of an item gives back is *net*: no row twice, none with weight 0.

use std::collections::BTreeMap;

use motet_fact::Value;

/// A base relation that items fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BaseRelation {
    /// The facts that count.
    Fact,
    /// What comes directly after what, spliced over withdrawn facts (H16).
    Cause,
    /// The height of each fact that counts (H18).
    Height,
    /// The winner of each register.
    Attr,
    /// Every candidate of each register.
    Candidate,
    /// The items that exist.
    Item,
}

impl BaseRelation {
    /// All of them.
    pub const ALL: [BaseRelation; 6] = [
        BaseRelation::Fact,
        BaseRelation::Cause,
        BaseRelation::Height,
        BaseRelation::Attr,
        BaseRelation::Candidate,
        BaseRelation::Item,
    ];

    /// Its name in programs.
    pub fn name(self) -> &'static str {
        match self {
            BaseRelation::Fact => "fact",
            BaseRelation::Cause => "cause",
            BaseRelation::Height => "height",
            BaseRelation::Attr => "attr",
            BaseRelation::Candidate => "candidate",
            BaseRelation::Item => "item",
        }
    }

    /// Its columns, in the order of a row's values. `$cid` and `$source` are control columns, no part of the tuple
    /// (Q6): the CID that `C := fact(…)` binds; and the entry that states the fact, so that a fact has a row for each
    /// entry that counts and states it, and each of its causes too.
    ///
    /// An item without a type has `""`, one without a model or with a malformed one `""`, one without a parent empty
    /// bytes: there is no null.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            BaseRelation::Fact => &["entity", "attribute", "value", "$cid", "$source"],
            BaseRelation::Cause => &["cid", "parent", "$source"],
            BaseRelation::Height => &["cid", "height"],
            BaseRelation::Attr => &["entity", "attribute", "value"],
            BaseRelation::Candidate => &["entity", "attribute", "value", "cid"],
            BaseRelation::Item => &["id", "model", "type", "parent", "deleted"],
        }
    }
}

/// A row of a base relation that holds `weight` more times than before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The relation.
    pub relation: BaseRelation,
    /// The row: one value for each of [`BaseRelation::columns`].
    pub row: Vec<Value>,
    /// How many more times it holds; never 0.
    pub weight: i64,
}

impl Change {
    /// A change, checked for its width.
    ///
    /// # Panics
    /// If the row has not the relation's width.
    pub fn new(relation: BaseRelation, row: Vec<Value>, weight: i64) -> Self {
        assert_eq!(row.len(), relation.columns().len(), "a row of {} has its width", relation.name());
        Change { relation, row, weight }
    }
}

/// Adds up the changes of each row and leaves out what adds up to nothing. Ascending by relation and row.
pub fn consolidate(changes: Vec<Change>) -> Vec<Change> {
    let mut net: BTreeMap<(BaseRelation, Vec<Value>), i64> = BTreeMap::new();
    for change in changes {
        *net.entry((change.relation, change.row)).or_default() += change.weight;
    }
    net.into_iter()
        .filter(|(_, weight)| *weight != 0)
        .map(|((relation, row), weight)| Change { relation, row, weight })
        .collect()
}
