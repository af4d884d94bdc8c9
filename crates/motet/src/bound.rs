//! Reading what a bound query can see, and nothing else.
//!
//! A program that names the entity, the value or the CID of the facts it reads sees a few rows of a party, and the
//! [fact index](crate::fact_index) says in which entries to look. What is read so are exactly the rows that reading
//! everything would give and the program can see.
//!
//! | rows of | are found by | in the items |
//! |---|---|---|
//! | `fact`, `height`, `cause` | what the fact says, its CID, its causes | with such facts |
//! | `attr`, `candidate`, `element`, `refers` | the entity in front | with facts about it, and the one that it is |
//! | `item` | the id | of that id |
//!
//! Rows of `element` may be the tree's, too, and a model that is not native may say anything of anything: items of
//! models that don't [promise](motet_item::Model::rows_are_of_its_entities) otherwise are always read.
//!
//! Of an item with many parts it is better to fold a [slice](crate::slice), if that will do.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Cid, Fact, Value};
use motet_feed::Position;
use motet_item::{BaseRelation, ItemId, PartBody, label};
use motet_store::{ScanRange, Store};

use crate::Error;
use crate::fact_index::{By, Clue};
use crate::relations::{self, Wanted};
use crate::slice::Slice;
use crate::state::{PartyState, RowVisitor, load_part, unreadable_part};
use crate::tables::{ITEM_PARTS, under_party};

/// What the rows have to do with that a program can see, of relations of items.
#[derive(Debug, Default)]
pub(crate) struct Sought {
    /// Facts that agree with all clues of one of these lists.
    facts: Vec<Vec<Clue>>,
    /// Facts below which others may stand.
    parents: BTreeSet<Cid>,
    /// What rows of models begin with; nothing if none are wanted.
    entities: Option<BTreeSet<Value>>,
    /// Items whose rows of `item` are wanted.
    items: BTreeSet<ItemId>,
}

impl Sought {
    /// By what the rows can be found that somebody wants; nothing if not all can be found so.
    pub(crate) fn by(wanted: &[Wanted]) -> Option<Self> {
        let mut sought = Sought::default();
        for one in wanted.iter().filter(|one| relations::is_of_items(one.base)) {
            for pattern in one.seen.as_ref()? {
                sought.add(one.base, &pattern.0)?;
            }
        }
        Some(sought)
    }

    fn add(&mut self, base: &str, places: &BTreeMap<usize, BTreeSet<Value>>) -> Option<()> {
        let clue = |(place, by): (usize, By)| Some(Clue::new(by, places.get(&place)?.iter().cloned()));
        let clues = |all: &[(usize, By)]| {
            let clues: Vec<Clue> = all.iter().copied().filter_map(clue).collect();
            (!clues.is_empty()).then_some(clues)
        };
        match base {
            "fact" => self.facts.push(clues(&[(0, By::Entity), (2, By::Value), (3, By::Fact)])?),
            "cause" => match clues(&[(0, By::Fact)]) {
                Some(clues) => self.facts.push(clues),
                None => self.parents.extend(places.get(&1)?.iter().filter_map(Value::as_link)),
            },
            "height" => self.facts.push(clues(&[(0, By::Fact)])?),
            "item" => self.items.extend(places.get(&0)?.iter().filter_map(ItemId::from_value)),
            _ => self.entities.get_or_insert_default().extend(places.get(&0)?.iter().cloned()),
        }
        Some(())
    }
}

/// A part of an entry that was read.
pub(crate) struct ReadPart {
    pub(crate) item: ItemId,
    pub(crate) entry: Position,
    /// Which part of the entry.
    pub(crate) index: usize,
    pub(crate) facts: Vec<Fact>,
}

/// What is wanted of an item.
#[derive(Default)]
struct Found {
    slice: Slice,
    /// Rows of its model, or of `item`.
    more: bool,
}

impl PartyState {
    /// The rows of some relations that have to do with what is sought; there may be others.
    pub(crate) fn bound_rows(
        &mut self,
        store: &dyn Store,
        sought: &Sought,
        sources: &BTreeSet<&'static str>,
        visit: &mut RowVisitor<'_>,
    ) -> Result<(), Error> {
        let mut found: BTreeMap<ItemId, Found> = BTreeMap::new();
        let below = [Clue::cids(By::Cause, &sought.parents)];
        for clues in sought.facts.iter().map(Vec::as_slice).chain([&below[..]]) {
            for (id, slice) in self.facts_that_say(store, clues)? {
                found.entry(id).or_default().slice.add(slice);
            }
        }
        let mut more = self.items_that_show(store, sought.entities.as_ref(), sources)?;
        for id in &sought.items {
            if self.roster.contains(store, id)? {
                more.insert(*id);
            }
        }
        more.into_iter().for_each(|id| found.entry(id).or_default().more = true);
        if sources.contains(BaseRelation::Item.name()) {
            self.tree(store)?; // it knows the parents
        }
        for (id, found) in found {
            self.rows_of_found(store, id, found, sought, sources, visit)?;
        }
        Ok(())
    }

    fn rows_of_found(
        &mut self,
        store: &dyn Store,
        id: ItemId,
        found: Found,
        sought: &Sought,
        sources: &BTreeSet<&'static str>,
        visit: &mut RowVisitor<'_>,
    ) -> Result<(), Error> {
        let shows_the_tree = found.more && id == ItemId::tree(&self.party);
        if self.items.contains(&id) || shows_the_tree || !self.is_large(store, id)? {
            self.load_item(store, id)?;
            self.rows_of(id, sources, visit);
            return Ok(());
        }
        let Found { mut slice, more } = found;
        if more {
            let own = [Clue::new(By::Entity, [id.into()])];
            self.facts_of_item_that_say(store, id, &own, &mut slice)?;
        }
        let item = self.fold_slice_below(store, id, &mut slice, &sought.parents)?;
        if more && self.is_shown_by_model(&item) {
            self.load_item(store, id)?;
            self.rows_of(id, sources, visit);
            return Ok(());
        }
        item.rows(&mut |relation, mut row| {
            if !sources.contains(relation.name()) {
                return;
            }
            match relation {
                BaseRelation::Item if more => self.put_parent(id, &mut row),
                BaseRelation::Fact | BaseRelation::Height | BaseRelation::Cause => {}
                _ => return, // of that a slice knows nothing
            }
            visit(relation.name(), Some(id), row);
        });
        Ok(())
    }

    /// The items that may show rows of their models that begin with one of some entities; none if none are wanted.
    pub(crate) fn items_that_show(
        &mut self,
        store: &dyn Store,
        entities: Option<&BTreeSet<Value>>,
        sources: &BTreeSet<&'static str>,
    ) -> Result<BTreeSet<ItemId>, Error> {
        let Some(entities) = entities else { return Ok(BTreeSet::new()) };
        let mut items = BTreeSet::new();
        for id in entities.iter().filter_map(ItemId::from_value) {
            if self.roster.contains(store, &id)? {
                items.insert(id);
            }
        }
        let clue = Clue::new(By::Entity, entities.iter().cloned());
        items.extend(self.items_with(store, &clue, &|fact| clue.agrees(fact))?);
        let others = self.registry.models().filter(|model| !model.rows_are_of_its_entities());
        let models = Clue::new(By::Value, others.map(|model| Value::text(model.name())));
        let names = |fact: &Fact| fact.attribute().as_text() == Some(label::MODEL) && models.agrees(fact);
        items.extend(self.items_with(store, &models, &names)?);
        // The tree's rows are of `element` only, and begin with parents.
        let tree = ItemId::tree(&self.party);
        match sources.contains(BaseRelation::Element.name()) {
            true => items.insert(tree),
            false => items.remove(&tree),
        };
        Ok(items)
    }

    /// The items of which there is a fact that agrees with a clue, and more.
    fn items_with(
        &mut self,
        store: &dyn Store,
        clue: &Clue,
        is_sought: &dyn Fn(&Fact) -> bool,
    ) -> Result<BTreeSet<ItemId>, Error> {
        let entries = self.entries_that_say(store, std::slice::from_ref(clue))?;
        let mut items = BTreeSet::new();
        self.read_parts(store, &entries, None, &mut |part| {
            if part.facts.iter().any(is_sought) {
                items.insert(part.item);
            }
        })?;
        Ok(items)
    }

    /// The facts that agree with all of some clues, by the items that they are of.
    pub(crate) fn facts_that_say(
        &mut self,
        store: &dyn Store,
        clues: &[Clue],
    ) -> Result<BTreeMap<ItemId, Slice>, Error> {
        let entries = self.entries_that_say(store, clues)?;
        let mut slices: BTreeMap<ItemId, Slice> = BTreeMap::new();
        let agree = |fact: &Fact| clues.iter().all(|clue| clue.agrees(fact));
        self.read_parts(store, &entries, None, &mut |part| {
            if part.facts.iter().any(agree) {
                slices.entry(part.item).or_default().take(part, agree);
            }
        })?;
        Ok(slices)
    }

    /// Reads the parts of some entries, of all items or of one. What can't be read says nothing.
    pub(crate) fn read_parts(
        &mut self,
        store: &dyn Store,
        entries: &BTreeSet<u32>,
        of: Option<ItemId>,
        visit: &mut dyn FnMut(ReadPart),
    ) -> Result<(), Error> {
        for number in entries {
            let Some((entry, _)) = self.graph.at(*number as usize) else { continue };
            if self.untold.contains(&entry.id) {
                continue;
            }
            for (index, part) in self.entry_parts(store, &entry)?.into_iter().enumerate() {
                let item = ItemId(part.tag.0);
                if of.is_some_and(|of| of != item) {
                    continue;
                }
                match PartBody::decode(&load_part(store, &part.cid)?) {
                    Ok(body) => visit(ReadPart { item, entry, index, facts: body.facts }),
                    Err(error) => {
                        let why = unreadable_part(&entry, &self.graph, &error);
                        self.unreadable.insert(part.cid, why);
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether an item has so many parts that a slice is better.
    fn is_large(&self, store: &dyn Store, id: ItemId) -> Result<bool, Error> {
        let mut parts = 0;
        let range = ScanRange::prefix(under_party(&self.party, &id.tag().0));
        store.scan(ITEM_PARTS, range, &mut |_, _| {
            parts += 1;
            if parts > self.limits.parts_whole {
                std::ops::ControlFlow::Break(())
            } else {
                std::ops::ControlFlow::Continue(())
            }
        })?;
        Ok(parts > self.limits.parts_whole)
    }
}
