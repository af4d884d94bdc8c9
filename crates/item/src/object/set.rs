//! Properties that are sets: what was added, and not removed by somebody who had seen it (requirements §4.3).
//!
//! Each adding is a fact about an entity of its own (H14), so that two people who add the same thing say two things,
//! and removing the one that somebody saw leaves the other: adding wins over removing concurrently.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Attribute, Cid, Entity, Value};

use crate::{Kept, Told};

/// An element of a property.
pub(crate) type Element = (Attribute, Value);

/// The sets of an item.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sets {
    adds: BTreeMap<Cid, Add>,
    /// How many removals from a property cite a fact.
    removals: BTreeMap<(Attribute, Cid), u32>,
    live: BTreeMap<Element, BTreeSet<Cid>>,
}

#[derive(Clone, Debug)]
struct Add {
    entity: Entity,
    element: Element,
    causes: Box<[Cid]>,
    height: u64,
}

/// What a step did: elements and whether they were there before, and adds that came (1) or went (-1).
#[derive(Debug, Default)]
pub(crate) struct Turned {
    pub(crate) elements: BTreeMap<Element, bool>,
    pub(crate) adds: BTreeMap<(Element, Cid), i64>,
}

impl Sets {
    pub(crate) fn add(&mut self, property: &Attribute, told: &Told<'_>, turned: &mut Turned) {
        let element = (property.clone(), told.value.clone());
        if told.weight == 1 {
            let causes = told.causes.as_slice().into();
            let (entity, height) = (told.entity.clone(), told.height);
            let add = Add { entity, element: element.clone(), causes, height };
            let before = self.adds.insert(told.cid, add);
            assert!(before.is_none(), "the fact {} is told once", told.cid);
            if !self.removals.contains_key(&(element.0.clone(), told.cid)) {
                self.enter(&element, told.cid, turned);
            }
        } else {
            let before = self.adds.remove(&told.cid);
            assert!(before.is_some(), "the fact {} was told before it is untold", told.cid);
            self.leave(&element, told.cid, turned);
        }
    }

    pub(crate) fn remove(&mut self, property: &Attribute, told: &Told<'_>, turned: &mut Turned) {
        for cause in &told.causes {
            let key = (property.clone(), *cause);
            let element = self.adds.get(cause).map(|add| add.element.clone());
            let element = element.filter(|(of, _)| of == property);
            if told.weight == 1 {
                *self.removals.entry(key).or_default() += 1;
                element.iter().for_each(|element| self.leave(element, *cause, turned));
            } else {
                let count =
                    self.removals.get_mut(&key).expect("what is untold was told: its causes are counted");
                *count -= 1;
                if *count == 0 {
                    self.removals.remove(&key);
                    element.iter().for_each(|element| self.enter(element, *cause, turned));
                }
            }
        }
    }

    fn enter(&mut self, element: &Element, add: Cid, turned: &mut Turned) {
        let live = self.live.entry(element.clone()).or_default();
        turned.elements.entry(element.clone()).or_insert(!live.is_empty());
        if live.insert(add) {
            *turned.adds.entry((element.clone(), add)).or_default() += 1;
        }
    }

    fn leave(&mut self, element: &Element, add: Cid, turned: &mut Turned) {
        let Some(live) = self.live.get_mut(element) else { return };
        turned.elements.entry(element.clone()).or_insert(true);
        if live.remove(&add) {
            *turned.adds.entry((element.clone(), add)).or_default() -= 1;
        }
        if live.is_empty() {
            self.live.remove(element);
        }
    }

    /// Whether something is in the set that a property is.
    pub(crate) fn contains(&self, element: &Element) -> bool {
        self.live.contains_key(element)
    }

    /// The facts that put an element into its set, ascending: what a removal of it cites.
    pub(crate) fn adds_of(&self, element: &Element) -> impl Iterator<Item = Cid> + '_ {
        self.live.get(element).into_iter().flatten().copied()
    }

    /// What is in the set that a property is, ascending, and the facts that put it there.
    pub(crate) fn elements_of<'a>(
        &'a self,
        property: &'a Attribute,
    ) -> impl Iterator<Item = (&'a Value, &'a BTreeSet<Cid>)> + 'a {
        let from = (property.clone(), Value::Bool(false)); // the least value
        let here = self.live.range(from..).take_while(move |((of, _), _)| of == property);
        here.map(|((_, value), adds)| (value, adds))
    }

    /// All elements of all properties, and the facts that put them there.
    pub(crate) fn live(&self) -> impl Iterator<Item = (&Element, &BTreeSet<Cid>)> {
        self.live.iter()
    }

    /// What an adding added, if it was told.
    pub(crate) fn element_of(&self, add: &Cid) -> Option<&Element> {
        self.adds.get(add).map(|add| &add.element)
    }

    /// Every adding, as it was told.
    pub(crate) fn facts(&self) -> impl Iterator<Item = Kept> + '_ {
        self.adds.iter().map(|(cid, add)| Kept {
            cid: *cid,
            entity: add.entity.clone(),
            attribute: super::labelled(crate::label::ADD, &add.element.0),
            value: add.element.1.clone(),
            causes: add.causes.to_vec(),
            height: add.height,
            written: Vec::new(),
            counted: true,
            place: None,
        })
    }
}
