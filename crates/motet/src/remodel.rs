//! An item goes on under another model: the old one is deleted and names its successor.
//!
//! A model that understands what an older version of it said reads those items as they are
//! ([`motet_item::Model::reads`]). Where none does, or where another model is wanted, the item is *remodelled* (ECHO:
//! tombstoned and forked): a new item says again what counts of the old one, in the same order, about itself; the old
//! one is deleted and says where it went on. What somebody writes to the old one concurrently is kept there, and can
//! be read.

use std::collections::BTreeMap;

use motet_fact::{Cid, Digest, Entity, Fact};
use motet_item::{Item, ItemId, label};

use crate::{Error, Party, Transaction};

/// How many facts one entry says again at most, and how many bytes of them.
const FACTS_PER_ENTRY: usize = 10_000;
const BYTES_PER_ENTRY: usize = 1024 * 1024;

impl Party {
    /// Makes an item that goes on under the newest version of a model in another's stead, at the same place of the
    /// tree, and deletes the other.
    ///
    /// # Errors
    /// [`Error::NoSuchItem`]; [`Error::NoSuchModel`]; [`Error::Indelible`] for the root; otherwise as
    /// [`Transaction::commit`].
    pub fn remodel_item(&self, item: ItemId, model: &str) -> Result<ItemId, Error> {
        if item == ItemId::root(&self.key()) || item == ItemId::tree(&self.key()) {
            return Err(Error::Indelible(item.to_string()));
        }
        let store = self.database().store();
        let (facts, kind, parent) = self.ask(|state| {
            state.check_exists(store, item)?;
            let parent = state.tree(store)?.parent(item);
            let folded = state.load_item(store, item)?;
            Ok::<_, Error>((payload(folded), folded.kind(), parent))
        })?;
        let mut transactions = vec![self.transaction()];
        let new = transactions[0].create_item(model, kind.as_deref(), parent)?;
        let (mut count, mut bytes) = (0, 0);
        for fact in said_again(&facts, item, new)? {
            count += 1;
            bytes += fact.encode().len();
            if count > FACTS_PER_ENTRY || bytes > BYTES_PER_ENTRY {
                transactions.push(self.transaction());
                (count, bytes) = (0, 0);
            }
            transactions.last_mut().expect("there is a first").state(new, fact);
        }
        let last: &mut Transaction = transactions.last_mut().expect("there is a first");
        last.set(item, label::SUCCESSOR, motet_fact::Value::from(new));
        last.delete(item);
        self.commit_all(transactions)?;
        Ok(new)
    }
}

/// What counts of an item, but for what the item layer reads; in the one order.
fn payload(item: &Item) -> Vec<(Cid, Fact)> {
    let mut facts: Vec<_> = item.told().filter(|told| !label::is_system(told.attribute)).collect();
    facts.sort_unstable_by_key(|told| (told.place, told.cid));
    let fact = |told: motet_item::Told<'_>| {
        let (entity, attribute, value) = (told.entity.clone(), told.attribute.clone(), told.value.clone());
        (told.cid, Fact::new(entity, attribute, value, told.causes).expect("it was a fact"))
    };
    facts.into_iter().map(fact).collect()
}

/// The same facts about another item. Entities of the old one become entities of the new one.
fn said_again(facts: &[(Cid, Fact)], old: ItemId, new: ItemId) -> Result<Vec<Fact>, Error> {
    let mut names: BTreeMap<Cid, Cid> = BTreeMap::new();
    let mut again = Vec::new();
    for (cid, fact) in facts {
        let entity = if *fact.entity() == old.entity() {
            new.entity()
        } else {
            let parts: [&[u8]; 2] = [&new.0, fact.entity().as_bytes()];
            Entity::from(Digest::derive("motet remodelled entity v1", &parts).0)
        };
        let causes = fact.causes().iter().filter_map(|cause| names.get(cause).copied()).collect();
        let fact = Fact::new(entity, fact.attribute().clone(), fact.value().clone(), causes)?;
        names.insert(*cid, fact.cid());
        again.push(fact);
    }
    Ok(again)
}
