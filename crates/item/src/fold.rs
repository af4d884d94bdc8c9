//! A state of any fold: facts taken in the one order, and rebuilt when the past changes (H17).
//!
//! Most models of an application are easiest said as a fold: begin with nothing, take one fact after the other in the
//! order H6 (a move in a game of chess, say, which counts if it is legal then). [`Folding`] makes a model of it. What
//! comes after all that was taken is taken; a late fact or a withdrawal folds the item from the beginning, and what is
//! published differently after it is a change.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;

use motet_fact::order::write_key;
use motet_fact::{Cid, Digest, Value};

use crate::tally::Tally;
use crate::{BaseRelation, Change, ItemId, Kept, Model, Place, SnapshotError, State, Told, kept};

/// What a model makes of an item's facts, one after the other.
pub trait Fold: Send + 'static {
    /// The name that genesis entries call the model by.
    const NAME: &'static str;
    /// The version of its rules.
    const VERSION: u32;

    /// Before any fact.
    fn begin(item: ItemId) -> Self;

    /// Takes the next fact.
    fn take(&mut self, fact: &Kept);

    /// Every row it publishes, each once: of `attr`, `candidate`, `element`, `refers`. Before any fact it has none.
    fn rows(&self, visit: &mut dyn FnMut(BaseRelation, Vec<Value>));
}

/// The model of a fold.
#[derive(Debug)]
pub struct Folding<F>(PhantomData<fn() -> F>);

impl<F> Default for Folding<F> {
    fn default() -> Self {
        Folding(PhantomData)
    }
}

impl<F: Fold> Model for Folding<F> {
    fn name(&self) -> &str {
        F::NAME
    }

    fn version(&self) -> u32 {
        F::VERSION
    }

    fn begin(&self, item: ItemId) -> Option<Box<dyn State>> {
        Some(Box::new(Folded::<F>::begin(item)))
    }

    fn restore(&self, item: ItemId, snapshot: &[u8]) -> Result<Box<dyn State>, SnapshotError> {
        Ok(Box::new(kept::restore(self, Folded::<F>::begin(item), snapshot)?))
    }
}

/// The state of a fold, with the facts that it has taken.
#[derive(Debug)]
pub struct Folded<F> {
    item: ItemId,
    facts: BTreeMap<(Place, Cid), Kept>,
    fold: F,
    published: BTreeSet<(BaseRelation, Vec<Value>)>,
    hash: Tally,
}

impl<F: Fold> Folded<F> {
    fn begin(item: ItemId) -> Self {
        let (facts, published) = (BTreeMap::new(), BTreeSet::new());
        Folded { item, facts, fold: F::begin(item), published, hash: Tally::default() }
    }

    /// The fold as it stands.
    pub fn fold(&self) -> &F {
        &self.fold
    }

    fn publish(&mut self) -> Vec<Change> {
        let mut now = BTreeSet::new();
        if !self.facts.is_empty() {
            self.fold.rows(&mut |relation, row| {
                now.insert((relation, row));
            });
        }
        let before = std::mem::replace(&mut self.published, now);
        let mut changes = Vec::new();
        for row in before.difference(&self.published) {
            self.hash.remove(&hashed(row));
            changes.push(Change::new(row.0, row.1.clone(), -1));
        }
        for row in self.published.difference(&before) {
            self.hash.insert(&hashed(row));
            changes.push(Change::new(row.0, row.1.clone(), 1));
        }
        if self.hash.wants_keeping(self.published.len()) {
            self.hash.keep(self.published.iter().map(hashed));
        }
        changes
    }
}

impl<F: Fold> State for Folded<F> {
    fn step(&mut self, batch: &[Told<'_>]) -> Vec<Change> {
        let last = self.facts.last_key_value().map(|(key, _)| *key);
        let rebuilds = batch
            .iter()
            .any(|told| told.weight < 0 || last.is_some_and(|last| (told.place, told.cid) < last));
        let mut new = BTreeSet::new();
        for told in batch {
            let key = (told.place, told.cid);
            if told.weight == 1 {
                let before = self.facts.insert(key, Kept::of(told));
                assert!(before.is_none(), "the fact {} is told once", told.cid);
                new.insert(key);
            } else {
                let before = self.facts.remove(&key);
                assert!(before.is_some(), "the fact {} was told before it is untold", told.cid);
            }
        }
        if rebuilds {
            self.fold = F::begin(self.item);
            self.facts.values().for_each(|fact| self.fold.take(fact));
        } else {
            new.iter().for_each(|key| self.fold.take(&self.facts[key]));
        }
        self.publish()
    }

    fn rows(&self, visit: &mut dyn FnMut(BaseRelation, Vec<Value>)) {
        self.published.iter().for_each(|(relation, row)| visit(*relation, row.clone()));
    }

    fn digest(&self) -> Digest {
        self.hash.digest(self.published.iter().map(hashed))
    }

    fn snapshot(&self) -> Vec<u8> {
        kept::write(self.facts.values().cloned().collect())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn hashed((relation, row): &(BaseRelation, Vec<Value>)) -> Vec<u8> {
    let mut key = relation.name().as_bytes().to_vec();
    row.iter().for_each(|value| write_key(value, &mut key));
    key
}
