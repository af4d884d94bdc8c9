//! A model at work on one item, and the properties that the item has beside it.

use std::collections::BTreeSet;
use std::sync::Arc;

use motet_fact::{Attribute, Cid, Entity, Fact, FactError, Value};

use crate::{BaseRelation, Change, ItemId, Model, ObjectState, State, Told, consolidate, label};

/// A model that is known, at work.
pub(crate) struct Running {
    pub(crate) model: Arc<dyn Model>,
    item: Entity,
    state: Option<Box<dyn State>>,
    /// Of models that have them beside their state.
    properties: Option<ObjectState>,
    asked: BTreeSet<Attribute>,
}

impl Running {
    pub(crate) fn begin(model: Arc<dyn Model>, item: ItemId, asked: &BTreeSet<Attribute>) -> Self {
        let mut state = model.begin(item);
        if let Some(state) = &mut state {
            asked
                .iter()
                .for_each(|attribute| assert!(state.ask(attribute).is_empty(), "nothing was told yet"));
        }
        let properties = model.has_properties().then(|| ObjectState::new(item));
        Running { model, item: item.entity(), state, properties, asked: asked.clone() }
    }

    /// Whether it is to be told of facts.
    pub(crate) fn listens(&self) -> bool {
        self.state.is_some() || self.properties.is_some()
    }

    pub(crate) fn step(&mut self, batch: &[Told<'_>]) -> Vec<Change> {
        if batch.is_empty() {
            return Vec::new();
        }
        let Some(properties) = &mut self.properties else {
            let changes = self.state.as_mut().map(|state| state.step(batch)).unwrap_or_default();
            return consolidate(self.publish(changes).collect());
        };
        let is_own = |told: &Told<'_>| is_property(&*self.model, &self.item, told.entity, told.attribute);
        let (own, other): (Vec<Told<'_>>, Vec<Told<'_>>) = batch.iter().cloned().partition(is_own);
        let mut changes = properties.step(&own);
        let of_state = self.state.as_mut().map(|state| state.step(&other)).unwrap_or_default();
        changes.extend(self.publish(of_state));
        consolidate(changes)
    }

    pub(crate) fn rows(&self, visit: &mut dyn FnMut(BaseRelation, Vec<Value>)) {
        self.properties.iter().for_each(|properties| properties.rows(visit));
        if let Some(state) = &self.state {
            state.rows(&mut |relation, row| {
                if let Some(Change { relation, row, .. }) =
                    self.published(Change { relation, row, weight: 1 })
                {
                    visit(relation, row);
                }
            });
        }
    }

    pub(crate) fn ask(&mut self, attribute: &Attribute) -> Vec<Change> {
        self.asked.insert(attribute.clone());
        if self.model.publishes(attribute) {
            return Vec::new(); // everybody has those rows
        }
        let there = self.state.as_mut().map(|state| state.ask(attribute)).unwrap_or_default();
        self.publish(there).collect()
    }

    fn publish(&self, changes: Vec<Change>) -> impl Iterator<Item = Change> {
        changes.into_iter().filter_map(|change| self.published(change))
    }

    /// A change of the state as it is published: on demand, if its attribute is; nothing, if nobody asked for that.
    fn published(&self, mut change: Change) -> Option<Change> {
        let Some(attribute) = change.relation.attribute_in(&change.row) else { return Some(change) };
        let attribute = Attribute::new(attribute.clone()).ok()?;
        if !self.model.publishes(&attribute) {
            if change.relation != BaseRelation::Attr || !self.asked.contains(&attribute) {
                return None;
            }
            change.relation = BaseRelation::OnDemand;
        }
        Some(change)
    }

    /// The version of the model, and the hashes of what it keeps.
    pub(crate) fn digest(&self) -> Vec<u8> {
        let version = self.model.version().to_le_bytes();
        let state = self.state.as_ref().map(|state| state.digest().0);
        let properties = self.properties.as_ref().map(|properties| properties.digest().0);
        [&version[..], state.as_ref().map_or(&[], |it| it), properties.as_ref().map_or(&[], |it| it)].concat()
    }

    pub(crate) fn state(&self) -> Option<&dyn State> {
        self.state.as_deref()
    }

    /// What reads facts about the item's own entity.
    pub(crate) fn of_the_item(&self) -> Option<&dyn State> {
        self.properties.as_ref().map(|properties| properties as &dyn State).or(self.state())
    }

    pub(crate) fn properties(&self) -> Option<&ObjectState> {
        self.of_the_item()?.as_any().downcast_ref()
    }

    /// Whether a fact is one of the properties beside the state.
    fn is_property(&self, entity: &Entity, attribute: &Attribute) -> bool {
        self.properties.is_some() && is_property(&*self.model, &self.item, entity, attribute)
    }

    /// Takes back what some facts said, if the model can.
    pub(crate) fn undo(
        &self,
        said: &[(Cid, &Entity, &Attribute)],
        fresh: &mut dyn FnMut() -> Entity,
    ) -> Option<Result<Vec<Fact>, FactError>> {
        let cids = |own: bool| -> Vec<Cid> {
            let fits = |(_, entity, attribute): &&(Cid, &Entity, &Attribute)| {
                self.is_property(entity, attribute) == own
            };
            said.iter().filter(fits).map(|(cid, ..)| *cid).collect()
        };
        let properties = self.properties.as_ref().map(|properties| properties as &dyn State);
        let mut facts = Vec::new();
        for (said, state) in [(cids(true), properties), (cids(false), self.state())] {
            if said.is_empty() {
                continue;
            }
            match state?.undo(&said, fresh)? {
                Ok(undone) => facts.extend(undone),
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(facts))
    }
}
/// Whether a fact is one of the properties beside the state of such a model.
fn is_property(model: &dyn Model, item: &Entity, entity: &Entity, attribute: &Attribute) -> bool {
    !model.keeps_withdrawn(attribute) && (entity == item || label::is_operation(attribute))
}
