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
    /// What lies in what, in which order: children in their parents, elements in their lists.
    Element,
    /// The references that properties hold.
    Refers,
    /// What models say only to those who ask (H17): rows as those of `attr`, and there for who asked.
    OnDemand,
}

impl BaseRelation {
    /// All of them.
    pub const ALL: [BaseRelation; 9] = [
        BaseRelation::Fact,
        BaseRelation::Cause,
        BaseRelation::Height,
        BaseRelation::Attr,
        BaseRelation::Candidate,
        BaseRelation::Item,
        BaseRelation::Element,
        BaseRelation::Refers,
        BaseRelation::OnDemand,
    ];

    /// Its name in programs; of rows on demand, which are rows of `attr` there, a name that no program can say.
    pub fn name(self) -> &'static str {
        match self {
            BaseRelation::Fact => "fact",
            BaseRelation::Cause => "cause",
            BaseRelation::Height => "height",
            BaseRelation::Attr => "attr",
            BaseRelation::Candidate => "candidate",
            BaseRelation::Item => "item",
            BaseRelation::Element => "element",
            BaseRelation::Refers => "refers",
            BaseRelation::OnDemand => "attr on demand",
        }
    }

    /// Its columns, in the order of a row's values. `$cid` and `$source` are control columns, no part of the tuple
    /// (Q6): the CID that `C := fact(…)` binds; and the entry that states the fact, so that a fact has a row for each
    /// entry that counts and states it, and each of its causes too.
    ///
    /// An item without a type has `""`, one without a model or with a malformed one `""`, one without a parent empty
    /// bytes: there is no null. The order keys of one list are different bytes, and sort as its elements stand: an
    /// index would change with every insertion before it.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            BaseRelation::Fact => &["entity", "attribute", "value", "$cid", "$source"],
            BaseRelation::Cause => &["cid", "parent", "$source"],
            BaseRelation::Height => &["cid", "height"],
            BaseRelation::Attr | BaseRelation::OnDemand => &["entity", "attribute", "value"],
            BaseRelation::Candidate => &["entity", "attribute", "value", "cid"],
            BaseRelation::Item => &["id", "model", "type", "parent", "deleted"],
            BaseRelation::Element => &["list", "item", "order_key"],
            BaseRelation::Refers => &["from", "attribute", "to"],
        }
    }

    /// The attribute that one of its rows is about.
    pub(crate) fn attribute_in(self, row: &[Value]) -> Option<&Value> {
        matches!(self, BaseRelation::Attr | BaseRelation::Candidate | BaseRelation::Refers).then(|| &row[1])
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
