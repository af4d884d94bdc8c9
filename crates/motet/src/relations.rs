//! The base relations that queries read (Q5), and their net changes.
//!
//! `fact`, `cause`, `height`, `attr`, `candidate`, `element`, `refers` and `item` come from the folded items; `member`,
//! `device`, `feed` and `entry` from the party's control state and graph. The first kind is kept incrementally by the items
//! themselves. The second is small but for `entry`, so it is made anew and compared where a view wants it.

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::ColumnType;
use motet_fact::{Kind, Value};
use motet_logic::{Catalog, Compiled};

use crate::state::PartyState;

/// The base relations that are not of items.
pub(crate) const SYSTEM: [&str; 4] = ["member", "device", "feed", "entry"];

const ANY: ColumnType = ColumnType::Any;
const BOOL: ColumnType = ColumnType::Kind(Kind::Bool);
const INT: ColumnType = ColumnType::Kind(Kind::Int);
const TEXT: ColumnType = ColumnType::Kind(Kind::Text);
const BYTES: ColumnType = ColumnType::Kind(Kind::Bytes);
const LINK: ColumnType = ColumnType::Kind(Kind::Link);

/// Name, columns, whether rows carry the CID of a fact.
type Declaration = (&'static str, &'static [(&'static str, ColumnType)], bool);

const DECLARATIONS: [Declaration; 12] = [
    ("fact", &[("entity", BYTES), ("attribute", ANY), ("value", ANY)], true),
    ("cause", &[("cid", LINK), ("parent", LINK)], false),
    ("height", &[("cid", LINK), ("height", INT)], false),
    ("attr", &[("entity", BYTES), ("attribute", ANY), ("value", ANY)], false),
    ("candidate", &[("entity", BYTES), ("attribute", ANY), ("value", ANY), ("cid", LINK)], false),
    ("element", &[("list", BYTES), ("item", BYTES), ("order_key", BYTES)], false),
    ("refers", &[("from", BYTES), ("attribute", ANY), ("to", BYTES)], false),
    ("item", &[("id", BYTES), ("model", TEXT), ("type", TEXT), ("parent", BYTES), ("deleted", BOOL)], false),
    ("member", &[("id", BYTES), ("role", TEXT), ("name", TEXT), ("since", LINK), ("until", ANY)], false),
    ("device", &[("id", BYTES), ("member", BYTES)], false),
    ("feed", &[("id", BYTES), ("device", BYTES), ("kind", TEXT), ("length", INT), ("forked", BOOL)], false),
    ("entry", &[("cid", LINK), ("feed", BYTES), ("seq", INT), ("depth", INT), ("counted", BOOL)], false),
];

/// What queries may read.
pub fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    for (name, columns, has_cid) in DECLARATIONS {
        catalog.add(name, columns, has_cid);
        // Winners, heads and standing are what negation and aggregation over the facts would give.
        if !["fact", "cause", "height"].contains(&name) {
            catalog.mark_convergent(name);
        }
    }
    catalog
}

/// What a query wants of the base relations.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    relations: BTreeSet<String>,
    /// The attributes that it names: those that are published on demand (H17) come to it.
    named: BTreeSet<Value>,
}

impl Wanted {
    pub(crate) fn of(compiled: &Compiled) -> Self {
        let relations = compiled.bases.iter().map(|base| base.name.to_string()).collect();
        Wanted { relations, named: compiled.named("attr", "attribute") }
    }

    /// Whether it reads a relation.
    pub(crate) fn contains(&self, relation: &str) -> bool {
        self.relations.contains(relation)
    }

    /// Whether it reads a relation that the items keep.
    pub(crate) fn reads_items(&self) -> bool {
        self.relations.iter().any(|name| is_of_items(name))
    }

    /// Whether it names an attribute.
    pub(crate) fn names(&self, attribute: &Value) -> bool {
        self.contains("attr") && self.named.contains(attribute)
    }

    /// The relation in which it reads a row, if it does.
    pub(crate) fn takes(&self, relation: &'static str, row: &[Value]) -> Option<&'static str> {
        if relation == ON_DEMAND {
            return self.names(&row[1]).then_some("attr");
        }
        self.contains(relation).then_some(relation)
    }
}

/// Rows of `attr` for those who name their attribute.
const ON_DEMAND: &str = "attr on demand";

/// Whether a base relation is kept by the items.
pub(crate) fn is_of_items(name: &str) -> bool {
    !SYSTEM.contains(&name) && DECLARATIONS.iter().any(|(declared, ..)| *declared == name)
}

/// The rows of the system relations as views last saw them.
#[derive(Debug, Default)]
pub(crate) struct SystemRows(BTreeMap<&'static str, BTreeSet<Vec<Value>>>);

impl SystemRows {
    pub(crate) fn remember(&mut self, relation: &'static str, rows: BTreeSet<Vec<Value>>) {
        self.0.insert(relation, rows);
    }
}

/// The rows of a system relation now.
pub(crate) fn system_rows(state: &PartyState, relation: &str) -> BTreeSet<Vec<Value>> {
    let key = |key: &motet_fact::PublicKey| Value::bytes(key.as_bytes().as_slice());
    let authority = &state.authority;
    match relation {
        "member" => {
            let row = |(id, member): (&motet_fact::PublicKey, &motet_party::Member)| {
                vec![
                    key(id),
                    member.role.name().into(),
                    member.name.as_str().into(),
                    Value::Link(member.since),
                    Value::Bool(false),
                ]
            };
            authority.members().iter().filter(|(_, member)| member.counted).map(row).collect()
        }
        "device" => {
            let row = |(id, device): (&motet_fact::PublicKey, &motet_party::Device)| {
                vec![key(id), key(&device.member)]
            };
            authority.devices().iter().filter(|(_, device)| device.counted).map(row).collect()
        }
        "feed" => {
            let lengths: BTreeMap<_, _> =
                state.graph.feeds().map(|(feed, _, length, forked)| (feed, (length, forked))).collect();
            let row = |(id, feed): (&motet_fact::PublicKey, &motet_party::Feed)| {
                let (length, forked) = lengths.get(id).copied().unwrap_or_default();
                let length = i64::try_from(length).expect("a feed is shorter than 2^63");
                vec![key(id), key(&feed.device), feed.kind.name().into(), Value::Int(length), forked.into()]
            };
            authority.feeds().iter().filter(|(_, feed)| feed.counted).map(row).collect()
        }
        _ => state.graph.ids().map(|id| entry_row(state, &id)).collect(),
    }
}

fn entry_row(state: &PartyState, id: &motet_fact::Cid) -> Vec<Value> {
    let position = state.graph.position(id).expect("it is linked");
    let int = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    vec![
        Value::Link(*id),
        Value::bytes(position.feed.as_bytes().as_slice()),
        int(state.graph.seq(id).expect("it is linked")),
        int(position.depth),
        state.counts(id, &position.feed).into(),
    ]
}

/// Adds the changes of a system relation since views last saw it.
pub(crate) fn system_changes(state: &mut PartyState, relation: &'static str, net: &mut Net) {
    let now = system_rows(state, relation);
    let before = state.system.0.remove(relation).unwrap_or_default();
    for gone in before.difference(&now) {
        net.add(relation, gone.clone(), -1);
    }
    for new in now.difference(&before) {
        net.add(relation, new.clone(), 1);
    }
    state.system.remember(relation, now);
}

/// Net changes of base relations: rows with weights that are not zero.
#[derive(Debug, Default)]
pub(crate) struct Net(BTreeMap<&'static str, BTreeMap<Vec<Value>, i64>>);

impl Net {
    pub(crate) fn add(&mut self, relation: &'static str, row: Vec<Value>, weight: i64) {
        *self.0.entry(relation).or_default().entry(row).or_default() += weight;
    }

    pub(crate) fn into_changes(self) -> BaseChanges {
        let keep =
            |rows: BTreeMap<Vec<Value>, i64>| rows.into_iter().filter(|(_, weight)| *weight != 0).collect();
        self.0.into_iter().map(|(relation, rows)| (relation, keep(rows))).collect()
    }
}

/// Net changes of base relations, in value order. A row may come from several items, so weights may be over one.
pub(crate) type BaseChanges = BTreeMap<&'static str, Vec<(Vec<Value>, i64)>>;
