//! The heads of the registers that some transactions set, kept while they are written one after the other.
//!
//! A new value of a register cites the values it overwrites. Those are found when the transaction is written, not when
//! it is made; and of several transactions written at once, a later one overwrites what an earlier one set.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Attribute, Cid, Entity, Fact};
use motet_item::ItemId;
use motet_store::Store;

use crate::Error;
use crate::state::PartyState;
use crate::transaction::{Step, Transaction};

/// The facts of a transaction, by item, in the order they were stated.
pub(crate) type Bodies = Vec<(ItemId, Vec<Fact>)>;

/// The name of a register.
type Register = (ItemId, Entity, Attribute);

/// The heads of the registers that some transactions set, kept while they are written one after the other.
pub(crate) struct Registers {
    set: BTreeSet<Register>,
    heads: BTreeMap<Register, Vec<Cid>>,
}

impl Registers {
    pub(crate) fn of<'a>(transactions: impl Iterator<Item = &'a Transaction>) -> Self {
        let mut set = BTreeSet::new();
        for step in transactions.flat_map(|transaction| &transaction.steps) {
            if let Step::Set { item, entity, attribute, .. } = step {
                set.insert((*item, entity.clone(), attribute.clone()));
            }
        }
        Registers { set, heads: BTreeMap::new() }
    }

    pub(crate) fn facts(
        &mut self,
        state: &mut PartyState,
        store: &dyn Store,
        steps: &[Step],
    ) -> Result<Bodies, Error> {
        let mut bodies: Bodies = Vec::new();
        for step in steps {
            let fact = self.fact(state, store, step)?;
            match bodies.iter_mut().find(|(item, _)| *item == step.item()) {
                Some((_, facts)) => facts.push(fact),
                None => bodies.push((step.item(), vec![fact])),
            }
        }
        Ok(bodies)
    }

    fn fact(&mut self, state: &mut PartyState, store: &dyn Store, step: &Step) -> Result<Fact, Error> {
        match step {
            Step::State { item, fact } => {
                let register = (*item, fact.entity().clone(), fact.attribute().clone());
                if self.set.contains(&register) {
                    let mut heads = self.heads(state, store, &register)?;
                    heads.retain(|head| !fact.causes().contains(head));
                    heads.push(fact.cid());
                    self.heads.insert(register, heads);
                }
                Ok(fact.clone())
            }
            Step::Set { item, entity, attribute, value } => {
                let register = (*item, entity.clone(), attribute.clone());
                let heads = self.heads(state, store, &register)?;
                let fact = Fact::new(entity.clone(), attribute.clone(), value.clone(), heads)?;
                self.heads.insert(register, vec![fact.cid()]);
                Ok(fact)
            }
        }
    }

    fn heads(
        &self,
        state: &mut PartyState,
        store: &dyn Store,
        register: &Register,
    ) -> Result<Vec<Cid>, Error> {
        match self.heads.get(register) {
            Some(heads) => Ok(heads.clone()),
            None => {
                // If there are more than a fact may cite, the winners: the new value wins over the others as well.
                let candidates = state.load_item(store, register.0)?.candidates(&register.1, &register.2);
                Ok(candidates.into_iter().rev().take(motet_fact::MAX_CAUSES).map(|(cid, _)| cid).collect())
            }
        }
    }
}
