//! Some facts of an item, folded without the others.
//!
//! Which facts of an item are valid, how high they stand and what they come directly after depends on the facts above
//! them, and on nothing else (decision 4). So some facts with all above them, each in all entries that state it, make
//! an item in which they stand as they do in the whole one: a *slice*. What a model makes of the item it does not say,
//! but for the item's own row, if all facts about the item itself are in it.
//!
//! An imported file is one item with millions of facts, and a slice is how a question about one of them is answered.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Cid, Fact};
use motet_feed::Position;
use motet_item::{Assertion, Item, ItemId, Registry};
use motet_store::Store;

use crate::bound::ReadPart;
use crate::fact_index::{By, Clue};
use crate::state::PartyState;
use crate::{Error, Party};

/// Facts of an item, by where they stand: the entry, the part of it, the place in that. So causes come first.
#[derive(Debug, Default)]
pub(crate) struct Slice(BTreeMap<(Position, usize, usize), Fact>);

impl Slice {
    /// Takes facts of a part in.
    pub(crate) fn take(&mut self, part: ReadPart, is_sought: impl Fn(&Fact) -> bool) {
        let (entry, index) = (part.entry, part.index);
        let facts = part.facts.into_iter().enumerate().filter(|(_, fact)| is_sought(fact));
        self.0.extend(facts.map(|(place, fact)| ((entry, index, place), fact)));
    }

    pub(crate) fn add(&mut self, other: Slice) {
        self.0.extend(other.0);
    }

    /// Takes facts of a part in that are among some, and what they cite in the same part. Gives all that they cite.
    fn take_causes(&mut self, part: ReadPart, sought: &BTreeSet<Cid>) -> BTreeSet<Cid> {
        let mut cited = BTreeSet::new();
        for (place, fact) in part.facts.into_iter().enumerate().rev() {
            let cid = fact.cid();
            if sought.contains(&cid) || cited.contains(&cid) {
                cited.extend(fact.causes());
                self.0.insert((part.entry, part.index, place), fact);
            }
        }
        cited
    }

    fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.0.values()
    }
}

impl PartyState {
    /// Folds a slice, with all that stands above its facts. Of facts below some of `parents` that do not count, those
    /// that come after them are in it, too: in the end they come after the parents.
    pub(crate) fn fold_slice_below(
        &mut self,
        store: &dyn Store,
        id: ItemId,
        slice: &mut Slice,
        parents: &BTreeSet<Cid>,
    ) -> Result<Item, Error> {
        let mut parents = parents.clone();
        loop {
            let item = self.fold_slice(store, id, slice)?;
            let cites = |fact: &&Fact| fact.causes().iter().any(|cause| parents.contains(cause));
            let passed = slice.facts().filter(cites).map(Fact::cid).filter(|cid| !item.counts(cid));
            let passed: BTreeSet<Cid> = passed.filter(|cid| !parents.contains(cid)).collect();
            if passed.is_empty() {
                return Ok(item);
            }
            self.facts_of_item_that_say(store, id, &[Clue::cids(By::Cause, &passed)], slice)?;
            parents.extend(passed);
        }
    }

    /// Folds a slice, with all that stands above its facts.
    fn fold_slice(&mut self, store: &dyn Store, id: ItemId, slice: &mut Slice) -> Result<Item, Error> {
        let mut known: BTreeSet<Cid> = BTreeSet::new();
        let mut sought: BTreeSet<Cid> = slice.facts().flat_map(Fact::causes).copied().collect();
        while !sought.is_empty() {
            let entries = self.entries_that_say(store, &[Clue::cids(By::Fact, &sought)])?;
            let mut cited = BTreeSet::new();
            self.read_parts(store, &entries, Some(id), &mut |part| {
                cited.extend(slice.take_causes(part, &sought));
            })?;
            known.append(&mut sought);
            sought = cited.difference(&known).copied().collect();
        }
        let mut item = Item::new(self.party, id, &Registry::empty());
        let assertions = slice.0.iter().map(|(&(entry, ..), fact)| {
            let counted = self.is_told_as_counted(&entry);
            Assertion { fact, entry, counted }
        });
        let assertions: Vec<Assertion<'_>> = assertions.collect();
        item.assert(&assertions, &self.graph);
        Ok(item)
    }

    /// Puts the facts of one item that agree with some clues into its slice.
    pub(crate) fn facts_of_item_that_say(
        &mut self,
        store: &dyn Store,
        id: ItemId,
        clues: &[Clue],
        slice: &mut Slice,
    ) -> Result<(), Error> {
        let entries = self.entries_that_say(store, clues)?;
        self.read_parts(store, &entries, Some(id), &mut |part| {
            slice.take(part, |fact| clues.iter().all(|clue| clue.agrees(fact)));
        })
    }

    /// Whether there may be rows of an item that its slice knows nothing of, because a model makes them.
    pub(crate) fn is_shown_by_model(&self, slice: &Item) -> bool {
        let named = slice.model().zip(slice.version());
        let model = named.and_then(|(name, version)| self.registry.find(name, version));
        model.is_some_and(|model| model.has_properties() || model.begin(slice.id()).is_some())
    }

    /// Visits each item that has a fact, or a slice of it.
    pub(crate) fn each_item_with(
        &mut self,
        store: &dyn Store,
        fact: &Cid,
        visit: &mut dyn FnMut(&Item),
    ) -> Result<(), Error> {
        for (id, mut slice) in self.facts_that_say(store, &[Clue::cids(By::Fact, [fact])])? {
            match self.items.get(&id) {
                Some(item) => visit(item),
                None => visit(&self.fold_slice(store, id, &mut slice)?),
            }
        }
        Ok(())
    }
}

impl Party {
    /// The fact of a CID, if an entry that counts states it validly, in whatever item. Only what it rests on is read.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn fact(&self, cid: &Cid) -> Result<Option<Fact>, Error> {
        let mut found = None;
        let store = self.database().store();
        self.ask(|state| {
            state.each_item_with(store, cid, &mut |item| {
                if item.counts(cid) {
                    found = item.fact(cid);
                }
            })
        })?;
        Ok(found)
    }
}
