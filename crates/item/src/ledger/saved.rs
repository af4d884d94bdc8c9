//! A ledger written down and read again (H27).
//!
//! What was asserted, and by which entries, is decided once and never changes, but for whether the entries count; the
//! rest is derived from it. So an item is restored without reading a part, hashing a fact or asking for the past of an
//! entry. Only the device that wrote it reads it again; what does not fit together is refused all the same, and the
//! item is folded.

use std::collections::BTreeMap;

use motet_fact::order::{read_key, write_key};
use motet_fact::{Attribute, Cid, Entity, PublicKey, Value};
use motet_feed::Position;
use prost::Message as _;

use super::{EntryNode, Interner, Ledger, NOWHERE, Node, Touched, number};
use crate::proto;

const VERSION: u32 = 1;

impl Ledger {
    /// Its bytes.
    pub(crate) fn save(&self) -> Vec<u8> {
        let mut feeds: BTreeMap<PublicKey, u32> = BTreeMap::new();
        for entry in &self.entries {
            let next = number(feeds.len());
            feeds.entry(entry.position.feed).or_insert(next);
        }
        let mut by_number: Vec<(&PublicKey, &u32)> = feeds.iter().collect();
        by_number.sort_by_key(|(_, number)| **number);
        let entry = |entry: &EntryNode| proto::SavedEntry {
            depth: entry.position.depth,
            feed: feeds[&entry.position.feed],
            id: entry.position.id.as_bytes().to_vec(),
            counted: entry.counted,
        };
        let void = |((entry, fact), cause): (&(Position, Cid), &Cid)| proto::SavedVoid {
            entry: self.entry_index[&entry.id],
            fact: fact.as_bytes().to_vec(),
            cause: cause.as_bytes().to_vec(),
        };
        let saved = proto::SavedItem {
            version: VERSION,
            feeds: by_number.into_iter().map(|(feed, _)| feed.as_bytes().to_vec()).collect(),
            entries: self.entries.iter().map(entry).collect(),
            entities: self.entities.things.iter().map(|entity| entity.as_bytes().to_vec()).collect(),
            attributes: self.attributes.things.iter().map(|attribute| key(attribute.value())).collect(),
            facts: self.nodes.iter().map(save_node).collect(),
            voids: self.voids.iter().map(void).collect(),
        };
        saved.encode_to_vec()
    }

    /// What [`Ledger::save`] wrote, with everything in it touched; `None` if it is anything else.
    pub(crate) fn restore(bytes: &[u8]) -> Option<(Self, Touched)> {
        let saved = proto::SavedItem::decode(bytes).ok().filter(|saved| saved.version == VERSION)?;
        let mut ledger = Ledger::default();
        let feeds = saved.feeds.iter().map(|feed| PublicKey::from_bytes(feed).ok());
        let feeds = feeds.collect::<Option<Vec<PublicKey>>>()?;
        for entry in saved.entries {
            let id = Cid::from_bytes(&entry.id).ok()?;
            let position = Position { depth: entry.depth, feed: *feeds.get(entry.feed as usize)?, id };
            let known = ledger.entry_index.insert(id, number(ledger.entries.len()));
            ledger.entries.push(EntryNode { position, counted: entry.counted, nodes: Vec::new() });
            known.is_none().then_some(())?;
        }
        let entities = saved.entities.iter().map(|entity| Entity::new(entity.as_slice()).ok());
        ledger.entities = Interner::of(entities.collect::<Option<_>>()?);
        let attributes = saved.attributes.iter().map(|attribute| Attribute::new(value(attribute)?).ok());
        ledger.attributes = Interner::of(attributes.collect::<Option<_>>()?);
        let mut stated: Vec<Vec<(u32, u32)>> = vec![Vec::new(); ledger.entries.len()];
        for fact in saved.facts {
            ledger.restore_node(&fact, &mut stated)?;
        }
        for (entry, mut nodes) in ledger.entries.iter_mut().zip(stated) {
            nodes.sort_unstable();
            nodes.iter().zip(0..).all(|((index, _), place)| *index == place).then_some(())?;
            entry.nodes = nodes.into_iter().map(|(_, node)| node).collect();
        }
        for void in saved.voids {
            let entry = ledger.entries.get(void.entry as usize)?.position;
            let (fact, cause) = (Cid::from_bytes(&void.fact).ok()?, Cid::from_bytes(&void.cause).ok()?);
            ledger.voids.insert((entry, fact), cause);
        }
        let mut touched = Touched::default();
        for (node, entry) in ledger.asserting() {
            touched.touch(node, NOWHERE, entry, false);
        }
        Some((ledger, touched))
    }

    fn restore_node(&mut self, fact: &proto::SavedFact, stated: &mut [Vec<(u32, u32)>]) -> Option<()> {
        let node = number(self.nodes.len());
        let cid = Cid::from_bytes(&fact.cid).ok()?;
        let heights = fact.causes.iter().map(|cause| Some(self.nodes.get(*cause as usize)?.height));
        let tallest = heights.collect::<Option<Vec<u32>>>()?.into_iter().max();
        let (pairs, rest) = fact.assertions.as_chunks::<2>();
        let known = (fact.entity as usize) < self.entities.things.len()
            && (fact.attribute as usize) < self.attributes.things.len()
            && rest.is_empty()
            && !pairs.is_empty()
            && pairs.iter().all(|[entry, _]| (*entry as usize) < self.entries.len());
        let by_position = |[entry, _]: &[u32; 2]| self.position(*entry);
        (known && pairs.is_sorted_by_key(by_position)).then_some(())?;
        for [entry, index] in pairs {
            stated[*entry as usize].push((*index, node));
        }
        for &cause in &fact.causes {
            self.children.entry(cause).or_default().push(node);
        }
        self.nodes.push(Node {
            cid,
            entity: fact.entity,
            attribute: fact.attribute,
            value: value(&fact.value)?,
            height: 1 + tallest.unwrap_or(0),
            place: NOWHERE,
            causes: fact.causes.clone().into(),
            entries: pairs.iter().map(|[entry, index]| (*entry, *index)).collect(),
        });
        self.node_index.insert(cid, node).is_none().then_some(())
    }

    /// Every fact with each entry that validly asserts it, causes first.
    pub(crate) fn asserting(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let of_node = |(node, saved): (u32, &Node)| {
            saved.entries.iter().map(move |(entry, _)| (node, *entry)).collect()
        };
        (0..).zip(&self.nodes).flat_map(move |pair| -> Vec<(u32, u32)> { of_node(pair) })
    }
}

fn save_node(node: &Node) -> proto::SavedFact {
    proto::SavedFact {
        cid: node.cid.as_bytes().to_vec(),
        entity: node.entity,
        attribute: node.attribute,
        value: key(&node.value),
        causes: node.causes.to_vec(),
        assertions: node.entries.iter().flat_map(|(entry, index)| [*entry, *index]).collect(),
    }
}

fn key(value: &Value) -> Vec<u8> {
    let mut key = Vec::new();
    write_key(value, &mut key);
    key
}

fn value(mut key: &[u8]) -> Option<Value> {
    read_key(&mut key).filter(|_| key.is_empty())
}
