//! What a writer says, so that a property becomes what it is to be.
//!
//! A new value cites the heads it replaces; an element is added once and removed by citing who added it; what becomes a
//! map is no value any more. Such facts depend on what the item is when they are written, and that includes what the
//! same writer has said a moment before: a [`Draft`] remembers, over an item, what was said and is not folded yet. It
//! never asks for more of the item than what lies at, above and below one property.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Attribute, Cid, Entity, Fact, FactError, MAX_CAUSES, Value};

use crate::object::removal;
use crate::register::Name;
use crate::{Item, label, path};

/// What was said about an item and is not folded yet.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    heads: BTreeMap<Name, Heads>,
    /// Facts that add an element.
    added: BTreeMap<(Attribute, Value), Vec<Cid>>,
    /// Facts that added one, and were removed.
    taken: BTreeSet<Cid>,
    /// Properties that were counted without having a value.
    counted: BTreeSet<Attribute>,
}

/// The heads of a register, the winner first and removals last.
#[derive(Clone, Debug, Default)]
struct Heads {
    cids: Vec<Cid>,
    /// What the winner states, if there is one.
    value: Option<Value>,
}

/// Gives entities that nobody has used (H14).
pub type Fresh<'a> = dyn FnMut() -> Entity + 'a;

impl Draft {
    /// The facts that set a register. Of a property they also remove what it was before, if it was no value, the maps
    /// that it lies in if those were something else, and what lies in it.
    ///
    /// # Errors
    /// [`FactError`] if the attribute or the value is too long.
    pub fn set(
        &mut self,
        item: &Item,
        entity: &Entity,
        attribute: &Attribute,
        value: Value,
    ) -> Result<Vec<Fact>, FactError> {
        let name = (entity.clone(), attribute.clone());
        let mut facts = Vec::new();
        if is_property(item, &name) {
            facts.extend(self.make_room(item, attribute)?);
            if !self.adds(item, attribute, None).is_empty() {
                facts.extend(self.remove_one(item, attribute)?);
            }
        }
        let mut causes = self.heads(item, &name).cids;
        causes.truncate(MAX_CAUSES); // winners first: the new value wins over the others as well
        let fact = Fact::new(entity.clone(), attribute.clone(), value.clone(), causes)?;
        self.heads.insert(name, Heads { cids: vec![fact.cid()], value: Some(value) });
        self.counted.remove(attribute);
        facts.push(fact);
        Ok(facts)
    }

    /// The facts that remove a property and what lies in it; none if there is nothing.
    ///
    /// # Errors
    /// [`FactError`] if the attribute is too long.
    pub fn remove(&mut self, item: &Item, property: &Attribute) -> Result<Vec<Fact>, FactError> {
        let mut facts = self.remove_one(item, property)?;
        for inner in self.inside(item, property) {
            facts.extend(self.remove_one(item, &inner)?);
        }
        Ok(facts)
    }

    /// The facts that add a value to the set that a property is; none if it is in there. What the property was before
    /// is removed, if it was no set.
    ///
    /// # Errors
    /// [`FactError`] if the property or the value is too long.
    pub fn add(
        &mut self,
        item: &Item,
        property: &Attribute,
        value: Value,
        fresh: &mut Fresh<'_>,
    ) -> Result<Vec<Fact>, FactError> {
        let mut facts = self.make_room(item, property)?;
        let is_set = !self.adds(item, property, None).is_empty();
        if !is_set && self.is_there(item, property) {
            facts.extend(self.remove_one(item, property)?);
        }
        if self.adds(item, property, Some(&value)).is_empty() {
            let attribute = format!("{}{}", label::ADD, property.as_text().unwrap_or_default());
            let fact = Fact::new(fresh(), attribute.into(), value.clone(), Vec::new())?;
            self.added.entry((property.clone(), value)).or_default().push(fact.cid());
            facts.push(fact);
        }
        Ok(facts)
    }

    /// The facts that remove a value from the set that a property is; none if it isn't in there.
    ///
    /// # Errors
    /// [`FactError`] if the property is too long.
    pub fn take(&mut self, item: &Item, property: &Attribute, value: &Value) -> Result<Vec<Fact>, FactError> {
        let adds = self.adds(item, property, Some(value));
        let name = (item.id().entity(), property.clone());
        let mut facts = Vec::new();
        for adds in adds.chunks(MAX_CAUSES - 1) {
            let mut heads = self.heads(item, &name);
            // After the removals before it; a value that somebody set concurrently stays.
            let after = if heads.value.is_none() { heads.cids.pop() } else { None };
            let fact = removal(&name.0, property, adds.iter().copied().chain(after).collect())?;
            heads.cids.push(fact.cid());
            self.heads.insert(name.clone(), heads);
            facts.push(fact);
        }
        self.taken.extend(&adds);
        self.added.remove(&(property.clone(), value.clone()));
        Ok(facts)
    }

    /// The facts that add to the number that a property is. A property that is no number is counted from nothing.
    ///
    /// # Errors
    /// [`FactError`] if the property is too long.
    pub fn increment(
        &mut self,
        item: &Item,
        property: &Attribute,
        by: i64,
        fresh: &mut Fresh<'_>,
    ) -> Result<Vec<Fact>, FactError> {
        let name = (item.id().entity(), property.clone());
        let mut facts = self.make_room(item, property)?;
        let is_number = self.is_number(item, &name);
        if !is_number && self.is_there(item, property) {
            facts.extend(self.remove_one(item, property)?);
        }
        let causes = self.heads(item, &name).cids.first().copied().into_iter().collect();
        let attribute = format!("{}{}", label::INCREMENT, property.as_text().unwrap_or_default());
        facts.push(Fact::new(fresh(), attribute.into(), by, causes)?);
        self.counted.insert(property.clone());
        Ok(facts)
    }

    /// Remembers a fact that was said as it is: it stands over what it cites.
    pub fn note(&mut self, item: &Item, fact: &Fact) {
        let name = (fact.entity().clone(), fact.attribute().clone());
        if label::is_operation(&name.1) {
            return;
        }
        let mut heads = self.heads(item, &name);
        heads.cids.retain(|head| !fact.causes().contains(head));
        heads.cids.push(fact.cid());
        heads.value = Some(fact.value().clone());
        self.heads.insert(name, heads);
    }

    // What there is.

    fn heads(&self, item: &Item, name: &Name) -> Heads {
        self.heads.get(name).cloned().unwrap_or_else(|| Heads {
            cids: item.heads(&name.0, &name.1),
            value: item.candidates(&name.0, &name.1).pop().map(|(_, value)| value),
        })
    }

    /// The facts that put elements into a set: of one value, or of all.
    fn adds(&self, item: &Item, property: &Attribute, value: Option<&Value>) -> Vec<Cid> {
        let folded = item.properties().map(|properties| properties.adds(property, value)).unwrap_or_default();
        let drafted = self
            .added
            .iter()
            .filter(|((of, what), _)| of == property && value.is_none_or(|value| what == value));
        let drafted = drafted.flat_map(|(_, adds)| adds.iter().copied());
        folded.into_iter().filter(|add| !self.taken.contains(add)).chain(drafted).collect()
    }

    fn is_there(&self, item: &Item, property: &Attribute) -> bool {
        let name = (item.id().entity(), property.clone());
        let counted = || match self.heads.get(&name) {
            Some(_) => false,
            None => item.properties().is_some_and(|properties| properties.is_counted(property)),
        };
        self.heads(item, &name).value.is_some()
            || !self.adds(item, property, None).is_empty()
            || self.counted.contains(property)
            || counted()
    }

    /// Whether a property can be counted on: its value is an int, or it has none and is no set.
    fn is_number(&self, item: &Item, name: &Name) -> bool {
        let value = self.heads(item, name).value;
        self.adds(item, &name.1, None).is_empty() && value.is_none_or(|value| value.as_int().is_some())
    }

    /// The properties that lie in a map.
    fn inside(&self, item: &Item, property: &Attribute) -> Vec<Attribute> {
        let Some(text) = property.as_text() else { return Vec::new() };
        let (front, entity) = (path::inside(text), item.id().entity());
        let lies_in = |name: &Attribute| name.as_text().is_some_and(|name| name.starts_with(&front));
        let mut inside: BTreeSet<Attribute> = BTreeSet::new();
        if let Some(properties) = item.properties() {
            inside.extend(properties.names_inside(text).map(|(_, name)| name.clone()));
        }
        let said = self.heads.keys().filter(|(of, _)| *of == entity).map(|(_, name)| name);
        let said = said.chain(self.added.keys().map(|(name, _)| name)).chain(&self.counted);
        inside.extend(said.filter(|name| lies_in(name)).cloned());
        inside.into_iter().filter(|name| self.is_there(item, name)).collect()
    }

    // What makes room.

    /// Removes what would lie across a property: what is in it, and values where it has maps above it.
    fn make_room(&mut self, item: &Item, property: &Attribute) -> Result<Vec<Fact>, FactError> {
        let above = property.as_text().into_iter().flat_map(path::above).map(Attribute::from);
        let across: Vec<Attribute> = above.chain(self.inside(item, property)).collect();
        let mut facts = Vec::new();
        for other in across {
            facts.extend(self.remove_one(item, &other)?);
        }
        Ok(facts)
    }

    fn remove_one(&mut self, item: &Item, property: &Attribute) -> Result<Vec<Fact>, FactError> {
        if !self.is_there(item, property) {
            return Ok(Vec::new());
        }
        let name = (item.id().entity(), property.clone());
        let adds = self.adds(item, property, None);
        let causes = [self.heads(item, &name).cids, adds.clone()].concat();
        let chunks = if causes.is_empty() { vec![&[][..]] } else { causes.chunks(MAX_CAUSES).collect() };
        let facts = chunks.into_iter().map(|causes| removal(&name.0, property, causes.to_vec()));
        let facts: Vec<Fact> = facts.collect::<Result<_, _>>()?;
        self.heads.insert(name, Heads { cids: facts.iter().map(Fact::cid).collect(), value: None });
        self.taken.extend(adds);
        self.added.retain(|(of, _), _| of != property);
        self.counted.remove(property);
        Ok(facts)
    }
}

fn is_property(item: &Item, name: &Name) -> bool {
    name.0 == item.id().entity() && !label::is_reserved(&name.1) && item.properties().is_some()
}
