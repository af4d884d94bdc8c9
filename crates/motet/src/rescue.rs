//! Saying again what was withdrawn (H26).
//!
//! What a user wrote may cease to count: a removal that did not know of it, a stint that is over. The facts are still
//! here, and a user who has a stint now may assert them in it. Each withdrawn entry becomes one new entry, which comes
//! after it: so the facts stay the same facts with the same causes, and the withdrawn entry is kept by everybody as
//! something that a counted one cites (H5).
//!
//! An item that was made in a withdrawn entry cannot be made again under its name, for that belongs to the feed (H15).
//! It becomes a new item: its facts are stated about that, and so are the rescued facts of others that point to it.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Cid, Fact, PublicKey, Value};
use motet_feed::{EntryKind, Position};
use motet_item::{ItemId, NONCE_BYTES, PartBody, Reference, label};
use motet_store::Batch;

use crate::state::{load_entry, load_parts};
use crate::tables::{RESCUED, under_party};
use crate::transaction::{After, Transaction};
use crate::{Error, Party};

/// How many entries are rescued in one commit.
const AT_ONCE: usize = 64;

/// What was rescued.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rescue {
    /// Withdrawn entries that were said again.
    pub entries: u64,
    /// Facts in them that count again.
    pub facts: u64,
    /// Items that became new items, and which.
    pub items: BTreeMap<ItemId, ItemId>,
}

/// Which names stand for which from now on.
struct Renaming {
    party: PublicKey,
    items: BTreeMap<ItemId, ItemId>,
    nonces: BTreeMap<ItemId, [u8; NONCE_BYTES]>,
    facts: BTreeMap<Cid, Cid>,
}

impl Renaming {
    fn item(&self, item: ItemId) -> ItemId {
        self.items.get(&item).copied().unwrap_or(item)
    }

    /// A value that may point to an item: a reference, an id, or of a move the new parent, with a key after it.
    fn value(&self, value: &Value, is_move: bool) -> Value {
        let here = |reference: &Reference| reference.party.is_none_or(|party| party == self.party);
        if let Some(reference) = Reference::of(value).filter(here) {
            return Reference { item: self.item(reference.item), ..reference }.into();
        }
        let (id, key) = match value.as_bytes() {
            Some(bytes) if is_move && bytes.len() > 32 => bytes.split_at(32),
            Some(bytes) => (bytes, &[][..]),
            None => return value.clone(),
        };
        match <[u8; 32]>::try_from(id).map(ItemId) {
            Ok(item) if self.items.contains_key(&item) => Value::bytes([&self.item(item).0, key].concat()),
            _ => value.clone(),
        }
    }

    fn fact(&mut self, fact: &Fact) -> Result<Fact, Error> {
        let named = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).ok().map(ItemId);
        let about = named(fact.entity().as_bytes()).filter(|item| self.items.contains_key(item));
        let nonce = about.and_then(|item| self.nonces.get(&item));
        let value = match (fact.value(), nonce) {
            (_, Some(nonce)) if fact.attribute().as_text() == Some(label::GENESIS) => {
                Value::bytes(nonce.as_slice())
            }
            (Value::Link(cid), _) => Value::Link(self.facts.get(cid).copied().unwrap_or(*cid)),
            (value, _) => self.value(value, fact.attribute().as_text() == Some(label::PARENT)),
        };
        let entity = about.map_or_else(|| fact.entity().clone(), |item| self.item(item).entity());
        let causes = fact.causes().iter().map(|cause| self.facts.get(cause).copied().unwrap_or(*cause));
        let new = Fact::new(entity, fact.attribute().clone(), value, causes.collect())?;
        if new.cid() != fact.cid() {
            self.facts.insert(fact.cid(), new.cid());
        }
        Ok(new)
    }
}

/// A withdrawn entry: where, and what it says about which item.
struct Withdrawn {
    position: Position,
    said: Vec<(ItemId, Vec<Fact>)>,
}

impl Party {
    /// Says again what own entries said that do not count: all of it, or what they said about one item. Entries that
    /// were rescued before are passed over, and so are facts that somebody else's entry asserts.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] if this device has no stint in which it may write data; [`Error::Store`].
    pub fn rescue(&self, only: Option<ItemId>) -> Result<Rescue, Error> {
        let feed = self.data_feed()?;
        let identity = self.database().profile().identity;
        let mut withdrawn = self.with(|state| {
            let all = state.uncounted_of(&identity).into_iter();
            let data = all.filter(|id| state.graph.kind(id) == Some(EntryKind::Data));
            data.map(|id| state.graph.position(&id).expect("it is linked")).collect::<Vec<_>>()
        });
        withdrawn.sort_unstable();
        let (rescued, mut done) = (self.rescued(), Rescue::default());
        let (items, nonces, facts) = (self.rescued_items()?, BTreeMap::new(), BTreeMap::new());
        let mut names = Renaming { party: self.key(), items, nonces, facts };
        let (mut transactions, mut batch) = (Vec::new(), Batch::new());
        for position in withdrawn {
            let withdrawn = self.load_withdrawn(position)?;
            let again = rescued.contains(&position.id);
            if !again {
                self.rename_items(&withdrawn, &feed, &mut names, &mut batch, &mut done)?;
            }
            let transaction = self.say_again(&withdrawn, only, &mut names)?;
            if again || transaction.is_empty() {
                continue;
            }
            done.entries += 1;
            done.facts += transaction.steps.len() as u64;
            if only.is_none() {
                let row = under_party(&self.key(), position.id.as_bytes());
                batch.put(RESCUED, row, feed.as_bytes().as_slice());
            }
            transactions.push(transaction);
            if transactions.len() == AT_ONCE {
                self.commit_with(std::mem::take(&mut transactions), std::mem::take(&mut batch))?;
            }
        }
        if !transactions.is_empty() {
            self.commit_with(transactions, batch)?;
        }
        Ok(done)
    }

    fn load_withdrawn(&self, position: Position) -> Result<Withdrawn, Error> {
        let store = self.database().store();
        let entry = load_entry(store, &self.key(), &position)?;
        let parts = load_parts(store, &entry)?;
        let read = entry.header().parts.iter().zip(parts).filter_map(|(reference, bytes)| {
            let body = PartBody::decode(&bytes).ok()?; // what can't be read said nothing
            Some((ItemId(reference.tag.0), body.facts))
        });
        Ok(Withdrawn { position, said: read.collect() })
    }

    /// Gives new names to the items that a withdrawn entry made and that are not there now.
    fn rename_items(
        &self,
        withdrawn: &Withdrawn,
        feed: &PublicKey,
        names: &mut Renaming,
        batch: &mut Batch,
        done: &mut Rescue,
    ) -> Result<(), Error> {
        for (item, facts) in &withdrawn.said {
            let made = |fact: &Fact| {
                fact.entity() == &item.entity() && fact.attribute().as_text() == Some(label::GENESIS)
            };
            if !facts.iter().any(made) || names.items.contains_key(item) {
                continue;
            }
            if self.item(*item, |item| item.model().is_some())? {
                continue; // another entry that counts made it, too
            }
            let nonce = self.nonce();
            let new = ItemId::derive(&self.key(), feed, &nonce);
            names.items.insert(*item, new);
            names.nonces.insert(*item, nonce);
            done.items.insert(*item, new);
            batch.put(RESCUED, under_party(&self.key(), &item.0), new.0.as_slice());
        }
        Ok(())
    }

    fn say_again(
        &self,
        withdrawn: &Withdrawn,
        only: Option<ItemId>,
        names: &mut Renaming,
    ) -> Result<Transaction, Error> {
        let mut transaction = self.transaction();
        transaction.after = After::HeadsAnd(vec![withdrawn.position.id]);
        for (item, facts) in &withdrawn.said {
            let new_item = names.item(*item);
            let mut new = Vec::new();
            for fact in facts {
                new.push(names.fact(fact)?);
            }
            if only.is_some_and(|only| only != *item && only != new_item) {
                continue;
            }
            let store = self.database().store();
            let here = self.ask(|state| state.roster.contains(store, &new_item))?;
            let counting: BTreeSet<Cid> = match here {
                true => self.item(new_item, |item| {
                    new.iter().map(Fact::cid).filter(|fact| item.counts(fact)).collect()
                })?,
                false => BTreeSet::new(),
            };
            for fact in new.into_iter().filter(|fact| !counting.contains(&fact.cid())) {
                transaction.state(new_item, fact);
            }
        }
        Ok(transaction)
    }

    /// The items that became new ones in earlier rescues.
    fn rescued_items(&self) -> Result<BTreeMap<ItemId, ItemId>, Error> {
        let mut items = BTreeMap::new();
        let prefix = under_party(&self.key(), &[]);
        crate::state::visit_rows(self.database().store(), RESCUED, &prefix, |key, value| {
            if let (Ok(old), Ok(new)) = (<[u8; 32]>::try_from(&key[32..]), <[u8; 32]>::try_from(value)) {
                items.insert(ItemId(old), ItemId(new));
            }
            Ok(())
        })?;
        Ok(items)
    }
}
