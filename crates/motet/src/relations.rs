//! The base relations that queries read (Q5), their control columns (Q6), and their net changes.
//!
//! `fact`, `cause`, `height`, `attr`, `candidate`, `element`, `refers` and `item` come from the folded items;
//! `member`, `device`, `feed` and `entry` from the party's control state and graph. The first kind is kept
//! incrementally by the items themselves. The second is small but for `entry`, so it is made anew and compared where a
//! view wants it; of `entry` it is known which rows changed.
//!
//! `member` has a row for each stint that counts, over or not: `until` is the entry that ended it, or `false`. `device`
//! and `feed` have those that were admitted and count, over or not, so that what they wrote has an author.
//!
//! Inside the facade a row of a base relation is as wide as it can be: with its CID, with the entry that states it, and
//! beside it the item. A view reads it by the columns that its query names ([`Wanted`]), and then several rows may be
//! one.

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{ColumnType, Pattern, RelationName, Row};
use motet_fact::{Cid, Kind, PublicKey, Value};
use motet_item::ItemId;
use motet_logic::{Catalog, Compiled, Interface};
use motet_party::{Device, Feed, Stint};

use crate::state::PartyState;

/// The base relations that are not of items.
pub(crate) const SYSTEM: [&str; 4] = ["member", "device", "feed", ENTRY];
/// Those of them that are small.
pub(crate) const SMALL: [&str; 3] = ["member", "device", "feed"];
/// The one that is not.
pub(crate) const ENTRY: &str = "entry";

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

/// A control column: where a row comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// The key of the party.
    Party,
    /// The id of the item that holds the fact.
    Item,
    /// The CID of an entry that counts and states the fact; of an entry, its own.
    Source,
}

impl Control {
    const ALL: [(Control, &'static str, ColumnType); 3] = [
        (Control::Party, "$party", BYTES),
        (Control::Item, "$item", BYTES),
        (Control::Source, "$source", LINK),
    ];

    fn is_of(self, relation: &str) -> bool {
        match self {
            Control::Party => true,
            Control::Item => ["fact", "cause"].contains(&relation),
            Control::Source => ["fact", "cause", "entry"].contains(&relation),
        }
    }

    fn named(column: &str) -> Option<Control> {
        Self::ALL.into_iter().find(|(_, name, _)| *name == column).map(|(control, ..)| control)
    }
}

/// What queries may read.
pub fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    for (name, columns, has_cid) in DECLARATIONS {
        let controls = Control::ALL.iter().filter(|(control, ..)| control.is_of(name));
        let controls: Vec<_> = controls.map(|(_, column, kind)| (*column, *kind)).collect();
        catalog.add(name, columns, has_cid).add_controls(name, &controls);
        // Winners, heads and standing are what negation and aggregation over the facts would give.
        if !["fact", "cause", "height"].contains(&name) {
            catalog.mark_convergent(name);
        }
    }
    catalog
}

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
    let key = |key: &PublicKey| Value::bytes(key.as_bytes().as_slice());
    let (authority, graph) = (&state.authority, &state.graph);
    match relation {
        "member" => {
            let row = |stint: Stint| {
                let since = stint.id.entry.expect("a stint begins in an entry");
                let until = stint.until.map_or(Value::Bool(false), Value::Link);
                vec![
                    key(&stint.member),
                    stint.role.name().into(),
                    stint.name.as_str().into(),
                    Value::Link(since),
                    until,
                ]
            };
            let stints = authority.stints(graph).into_iter();
            stints.filter(|stint| stint.counted && !stint.recovery).map(row).collect()
        }
        "device" => {
            let row = |(id, device): (&PublicKey, &Device)| vec![key(id), key(&device.member)];
            authority.devices(graph).iter().filter(|(_, device)| device.counted).map(row).collect()
        }
        "feed" => {
            let lengths: BTreeMap<_, _> =
                graph.feeds().map(|(feed, _, length, forked)| (feed, (length, forked))).collect();
            let row = |(id, feed): (&PublicKey, &Feed)| {
                let (length, forked) = lengths.get(id).copied().unwrap_or_default();
                let length = i64::try_from(length).expect("a feed is shorter than 2^63");
                vec![key(id), key(&feed.device), feed.kind.name().into(), Value::Int(length), forked.into()]
            };
            authority.feeds(graph).iter().filter(|(_, feed)| feed.counted).map(row).collect()
        }
        _ => graph.ids().map(|id| entry_row(state, &id, state.is_folded_as_counted(&id))).collect(),
    }
}

pub(crate) fn entry_row(state: &PartyState, id: &Cid, counted: bool) -> Vec<Value> {
    let position = state.graph.position(id).expect("it is linked");
    let int = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    vec![
        Value::Link(*id),
        Value::bytes(position.feed.as_bytes().as_slice()),
        int(state.graph.seq(id).expect("it is linked")),
        int(position.depth),
        counted.into(),
    ]
}

/// Adds the changes of `entry`: entries that were linked, and others that were folded anew.
pub(crate) fn entry_changes(state: &PartyState, linked: &[Cid], changed: &[Cid], changes: &mut PartyChanges) {
    let row = |id: &Cid, counted, weight| (None, entry_row(state, id, counted), weight);
    let all = changes.entry(ENTRY).or_default();
    all.extend(linked.iter().map(|id| row(id, state.is_folded_as_counted(id), 1)));
    for id in changed {
        let counted = state.is_folded_as_counted(id);
        all.extend([row(id, !counted, -1), row(id, counted, 1)]);
    }
}

/// Adds the changes of a system relation since views last saw it.
pub(crate) fn system_changes(state: &mut PartyState, relation: &'static str, changes: &mut PartyChanges) {
    let now = system_rows(state, relation);
    let before = state.system.0.remove(relation).unwrap_or_default();
    let all = changes.entry(relation).or_default();
    all.extend(before.difference(&now).map(|gone| (None, gone.clone(), -1)));
    all.extend(now.difference(&before).map(|new| (None, new.clone(), 1)));
    state.system.remember(relation, now);
}

/// Changes of the base relations of a party: rows as wide as they can be, with the item they are of.
pub(crate) type PartyChanges = BTreeMap<&'static str, Vec<(Option<ItemId>, Row, i64)>>;

/// A base relation as a query reads it: with some control columns.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// The relation of the query.
    pub(crate) relation: RelationName,
    /// The base relation.
    pub(crate) base: &'static str,
    /// How many columns are the tuple's.
    width: usize,
    has_cid: bool,
    controls: Vec<Control>,
    /// Of `attr`: the attributes that the program names, so that what models say on demand is said of them.
    asked: BTreeSet<Value>,
    /// Of relations of items: what the rows agree with that the program can see; nothing if it can see all. The places
    /// are those of a row as wide as it can be.
    pub(crate) seen: Option<Vec<Pattern>>,
}

/// What items say on demand; rows of `attr` for who asked.
const ON_DEMAND: &str = "attr on demand";

impl Wanted {
    /// What a program reads.
    pub(crate) fn all_of(compiled: &Compiled) -> Vec<Self> {
        let mut texts = BTreeSet::new();
        compiled.program.each_value(&mut |value| {
            if value.as_text().is_some() {
                texts.insert(value.clone());
            }
        });
        let wanted = |base| {
            let wanted = Wanted::of(base);
            let asked = if wanted.base == "attr" { texts.clone() } else { BTreeSet::new() };
            let seen = wanted.widen(compiled.demanded.seen(&wanted.relation));
            Wanted { asked, seen, ..wanted }
        };
        compiled.bases.iter().map(wanted).collect()
    }

    /// The attributes that it names.
    pub(crate) fn asked(&self) -> &BTreeSet<Value> {
        &self.asked
    }

    /// The relations that its rows come from.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &'static str> {
        let on_demand = (!self.asked.is_empty()).then_some(ON_DEMAND);
        std::iter::once(self.base).chain(on_demand)
    }

    /// Whether a row of one of those is among them.
    pub(crate) fn takes(&self, source: &str, row: &[Value]) -> bool {
        let is_source = source == self.base || (source == ON_DEMAND && self.asked.contains(&row[1]));
        is_source && self.seen.as_ref().is_none_or(|seen| seen.iter().any(|pattern| pattern.takes(row)))
    }

    /// Patterns of rows of the query as patterns of the rows that they are made of. What control columns hold is passed
    /// over.
    fn widen(&self, seen: Option<Vec<Pattern>>) -> Option<Vec<Pattern>> {
        if !is_of_items(self.base) {
            return None;
        }
        let cid = self.width + self.controls.len();
        let place = |place: usize| match place {
            place if place < self.width => Some(place),
            place if place == cid && self.has_cid => Some(self.width),
            _ => None,
        };
        let widen = |Pattern(places): Pattern| {
            let places = places.into_iter().filter_map(|(at, values)| Some((place(at)?, values)));
            let wide = Pattern(places.collect());
            (!wide.0.is_empty()).then_some(wide)
        };
        seen?.into_iter().map(widen).collect()
    }

    fn of(interface: &Interface) -> Self {
        let declared = DECLARATIONS.iter().find(|(name, ..)| *name == interface.base());
        let (base, columns, _) = declared.expect("queries are compiled against these relations");
        let controls = interface.columns[columns.len()..].iter().filter_map(|(name, _)| Control::named(name));
        Wanted {
            relation: interface.name.clone(),
            base,
            width: columns.len(),
            has_cid: interface.has_cid,
            controls: controls.collect(),
            asked: BTreeSet::new(),
            seen: None,
        }
    }

    /// A row of a party as the query reads it: the tuple, the control columns, the CID.
    pub(crate) fn row(&self, party: &PublicKey, item: Option<ItemId>, wide: &[Value]) -> Row {
        let (tuple, rest) = wide.split_at(self.width);
        let (cid, rest) = if self.has_cid { rest.split_at(1) } else { rest.split_at(0) };
        let control = |control: &Control| match control {
            Control::Party => Value::bytes(party.as_bytes().as_slice()),
            Control::Item => item.expect("facts and causes are of items").into(),
            Control::Source => rest.first().unwrap_or(&tuple[0]).clone(),
        };
        tuple.iter().cloned().chain(self.controls.iter().map(control)).chain(cid.iter().cloned()).collect()
    }
}

/// Net changes of base relations, as a query reads them: rows with weights that are not zero.
#[derive(Debug, Default)]
pub(crate) struct Net(BTreeMap<RelationName, BTreeMap<Row, i64>>);

impl Net {
    pub(crate) fn add(&mut self, relation: &RelationName, row: Row, weight: i64) {
        *self.0.entry(relation.clone()).or_default().entry(row).or_default() += weight;
    }

    pub(crate) fn into_changes(self) -> BaseChanges {
        let keep = |rows: BTreeMap<Row, i64>| rows.into_iter().filter(|(_, weight)| *weight != 0).collect();
        let changes = self.0.into_iter().map(|(relation, rows)| (relation, keep(rows)));
        changes.filter(|(_, rows): &(_, Vec<_>)| !rows.is_empty()).collect()
    }
}

/// Net changes of base relations, in value order. A row may come from several places, so weights may be over one.
pub(crate) type BaseChanges = BTreeMap<RelationName, Vec<(Row, i64)>>;
