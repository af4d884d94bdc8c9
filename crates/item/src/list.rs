//! The model List: elements that have places and values.
//!
//! An element is an entity of its own. It has a *value*, a register ([`crate::register`]); an element whose every
//! value is withdrawn is not shown. It may have further attributes, registers too. Where it stands is a register too,
//! of *placements*: each makes a *slot* in a [`crate::sequence`], and the element is shown in the slot of the greatest
//! (height, CID) among the placements that none replaces (H18). So two who move one element at once move it to one
//! place. A removal replaces the placements that it cites and makes no slot; who moves an element that another removes
//! keeps it.
//!
//! | fact | says |
//! |---|---|
//! | (element, `list/after`, link to a placement) | the element's slot hangs to the right of that one's |
//! | (element, `list/after`, the list's id) | it hangs to the right of the beginning |
//! | (element, `list/before`, link to a placement) | it hangs to the left |
//! | (element, `list/remove`, true) | the placements that it cites are replaced |
//! | (element, `value`, any) | the element's value |
//!
//! A placement cites the one it hangs at, and the placements of its element that it replaces. A fact of another form
//! has no meaning. A placement that is withdrawn stays as a slot that shows nothing (H16), so what hangs at it stays.
//!
//! Queries read `element(list, item, order_key)`: the elements, and bytes that sort as they stand ([`key`]).

mod edit;
mod key;

use std::any::Any;
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, HashMap};

use motet_fact::{Attribute, Cid, Digest, Entity, Fact, FactError, Value};

pub use edit::ListEdit;
use key::Way;

use crate::register::{Name, Statement};
use crate::sequence::{Letters, Origin, Sequence, Side, Veil, hash};
use crate::{
    BaseRelation, Change, ItemId, Kept, Model, ObjectState, Registers, SnapshotError, State, Told, kept,
};

/// The attribute of placements to the right.
pub const AFTER: &str = "list/after";
/// The attribute of placements to the left.
pub const BEFORE: &str = "list/before";
/// The attribute of removals.
pub const REMOVE: &str = "list/remove";
/// The attribute of an element's value.
pub const VALUE: &str = "value";

/// The attribute of the register of an element's place.
const PLACE: &str = "list/place";

/// Elements in an order that many make at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct List;

impl List {
    /// What genesis entries call it.
    pub const NAME: &'static str = "list";
}

impl Model for List {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn begin(&self, item: ItemId) -> Option<Box<dyn State>> {
        Some(Box::new(ListState::new(item)))
    }

    fn restore(&self, item: ItemId, snapshot: &[u8]) -> Result<Box<dyn State>, SnapshotError> {
        Ok(Box::new(kept::restore(self, ListState::new(item), snapshot)?))
    }

    fn has_properties(&self) -> bool {
        true
    }

    fn keeps_withdrawn(&self, attribute: &Attribute) -> bool {
        matches!(attribute.as_text(), Some(AFTER | BEFORE))
    }

    fn rows_are_of_its_entities(&self) -> bool {
        true
    }
}

/// The state of a list.
#[derive(Clone)]
pub struct ListState {
    item: ItemId,
    /// All registers of elements but their places.
    values: ObjectState,
    /// By element: its placements and removals.
    places: Registers,
    /// A slot is an element of the sequence: by number.
    slots: Vec<Slot>,
    numbers: HashMap<Cid, u32>,
    sequence: Sequence,
    /// The slot that each element is shown in.
    shown: BTreeMap<Entity, u32>,
    letters: Slots,
}

/// A placement that is well formed.
#[derive(Clone)]
struct Slot {
    placement: Cid,
    height: u64,
    element: Entity,
    way: Way,
}

/// An element of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// The entity that it is.
    pub entity: Entity,
    /// Its value: of several that were given to it at once, the winner.
    pub value: Value,
}

impl State for ListState {
    fn step(&mut self, batch: &[Told<'_>]) -> Vec<Change> {
        let (mut changes, mut values, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for told in batch {
            let name = told.attribute.as_text();
            if !matches!(name, Some(AFTER | BEFORE | REMOVE)) {
                values.push(told.clone());
            } else if (name == Some(REMOVE) || self.take_slot(told, &mut changes)) && told.weight != 0 {
                places.push(told);
            }
        }
        self.places.step(places.iter().map(|told| Statement {
            name: place_of(told.entity),
            value: Some(told.value).filter(|_| told.attribute.as_text() != Some(REMOVE)),
            ..Statement::of(told)
        }));
        changes.extend(self.values.step(&values));
        let valued = values.iter().filter(|told| told.attribute.as_text() == Some(VALUE));
        let touched: BTreeSet<&Entity> = places.into_iter().chain(valued).map(|told| told.entity).collect();
        touched.into_iter().for_each(|element| self.settle(element, &mut changes));
        changes
    }

    fn rows(&self, visit: &mut dyn FnMut(BaseRelation, Vec<Value>)) {
        self.values.rows(visit);
        self.shown.values().for_each(|&slot| visit(BaseRelation::Element, self.row(slot)));
    }

    fn digest(&self) -> Digest {
        let order = self.sequence.hash(&self.letters).to_le_bytes();
        let len = self.sequence.visible().to_le_bytes();
        Digest::derive("motet list state v1", &[&self.values.digest().0, &order, &len])
    }

    fn snapshot(&self) -> Vec<u8> {
        kept::write(self.values.kept().chain(self.kept()).collect())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn undo(&self, said: &[Cid], fresh: &mut dyn FnMut() -> Entity) -> Option<Result<Vec<Fact>, FactError>> {
        Some(self.take_back(said, fresh))
    }

    fn heads(&self, entity: &Entity, attribute: &Attribute) -> Vec<Cid> {
        self.values.heads(entity, attribute)
    }

    fn candidates(&self, entity: &Entity, attribute: &Attribute) -> Vec<(Cid, Value)> {
        self.values.candidates(entity, attribute)
    }

    fn attributes(&self, entity: &Entity) -> BTreeMap<Attribute, Value> {
        self.values.attributes(entity)
    }
}

impl ListState {
    /// The list of which nothing is known.
    pub fn new(item: ItemId) -> Self {
        ListState {
            item,
            values: ObjectState::new(item),
            places: Registers::default(),
            slots: Vec::new(),
            numbers: HashMap::new(),
            sequence: Sequence::default(),
            shown: BTreeMap::new(),
            letters: Slots(vec![0]),
        }
    }

    // Reading.

    /// How many elements it has.
    pub fn len(&self) -> usize {
        self.sequence.visible() as usize
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at an index, if the list goes that far.
    pub fn get(&self, index: usize) -> Option<Element> {
        (index < self.len()).then(|| self.element_in(self.sequence.at(index as u32)))
    }

    /// All elements, as they stand.
    pub fn elements(&self) -> Vec<Element> {
        let mut elements = Vec::with_capacity(self.len());
        self.sequence.runs(0, self.sequence.visible(), |start, len| {
            elements.extend((start..start + len).map(|slot| self.element_in(slot)));
        });
        elements
    }

    /// Where an element stands, if it is in the list.
    pub fn index_of(&self, element: &Entity) -> Option<usize> {
        Some(self.sequence.position(*self.shown.get(element)?).0 as usize)
    }

    /// The order key of an element, if it is in the list.
    pub fn order_key(&self, element: &Entity) -> Option<Vec<u8>> {
        Some(self.slots[*self.shown.get(element)? as usize].way.key())
    }

    fn element_in(&self, slot: u32) -> Element {
        let entity = self.slots[slot as usize].element.clone();
        let value = self.value(&entity).expect("an element that is shown has a value");
        Element { entity, value }
    }

    fn value(&self, element: &Entity) -> Option<Value> {
        self.values.candidates(element, &VALUE.into()).pop().map(|(_, value)| value)
    }

    fn row(&self, slot: u32) -> Vec<Value> {
        let Slot { element, way, .. } = &self.slots[slot as usize];
        vec![self.item.into(), element.clone().into(), Value::bytes(way.key())]
    }

    // Telling.

    /// Sees to it that a placement has a slot. A placement of another form has none.
    fn take_slot(&mut self, told: &Told<'_>, changes: &mut Vec<Change>) -> bool {
        if self.numbers.contains_key(&told.cid) {
            return true;
        }
        let Some(origin) = self.origin(told) else { return false };
        let number = self.sequence.len();
        let (placement, height, element) = (told.cid, told.height, told.entity.clone());
        let letter = Digest::derive("motet list element v1", &[element.as_bytes()]);
        self.letters.push(letter);
        self.slots.push(Slot { placement, height, element, way: Way::start() });
        self.numbers.insert(told.cid, number);
        let slots = &self.slots;
        self.sequence.insert(origin, 1, 1, |side, one, other| order(slots, side, one, other));
        self.find_ways(origin, number, changes);
        true
    }

    fn origin(&self, told: &Told<'_>) -> Option<Origin> {
        let side = if told.attribute.as_text() == Some(AFTER) { Side::Right } else { Side::Left };
        match told.value {
            Value::Link(parent) if told.written.contains(parent) => {
                Some(Origin { parent: Some(*self.numbers.get(parent)?), side })
            }
            Value::Bytes(list) if list.as_ref() == self.item.0 && side == Side::Right => {
                Some(Origin::BEGINNING)
            }
            _ => None,
        }
    }

    /// The ways to a new slot, and to all that lie below its origin if two meet there for the first time.
    fn find_ways(&mut self, origin: Origin, new: u32, changes: &mut Vec<Change>) {
        let siblings: Vec<u32> = self.sequence.children(origin).collect();
        let mut lost = match siblings.len() {
            2 => siblings,
            _ => vec![new],
        };
        while let Some(slot) = lost.pop() {
            let is_shown = self.shown.get(&self.slots[slot as usize].element) == Some(&slot);
            let before = is_shown.then(|| self.row(slot));
            self.slots[slot as usize].way = self.way(slot);
            if let Some(before) = before {
                changes.push(Change::new(BaseRelation::Element, before, -1));
                changes.push(Change::new(BaseRelation::Element, self.row(slot), 1));
            }
            for side in [Side::Left, Side::Right] {
                lost.extend(self.sequence.children(Origin { parent: Some(slot), side }));
            }
        }
    }

    fn way(&self, slot: u32) -> Way {
        let origin = self.sequence.origin_of(slot);
        let above = origin.parent.map_or_else(Way::start, |parent| self.slots[parent as usize].way.clone());
        let Slot { placement, height, .. } = &self.slots[slot as usize];
        match self.sequence.children(origin).nth(1) {
            None => above.step(origin.side),
            Some(_) => above.step_to(origin.side, *height, placement),
        }
    }

    /// The placements, and the removals that count.
    fn kept(&self) -> impl Iterator<Item = Kept> + '_ {
        let counted: HashMap<Cid, &[Cid]> = self.places.facts().map(|fact| (fact.cid, fact.causes)).collect();
        let placements = (0..self.sequence.len()).map(move |number| {
            let Slot { placement, height, element, .. } = &self.slots[number as usize];
            let Origin { parent, side } = self.sequence.origin_of(number);
            let parent = parent.map(|parent| self.slots[parent as usize].placement);
            let causes = counted.get(placement);
            Kept {
                cid: *placement,
                entity: element.clone(),
                attribute: if side == Side::Right { AFTER } else { BEFORE }.into(),
                value: parent.map_or(self.item.into(), Value::Link),
                causes: causes.map(|causes| causes.to_vec()).unwrap_or_default(),
                written: parent.into_iter().collect(),
                height: *height,
                counted: causes.is_some(),
                place: None,
            }
        });
        let removals = self.places.facts().filter(|fact| fact.value.is_none()).map(|fact| Kept {
            cid: fact.cid,
            entity: fact.name.0.clone(),
            attribute: REMOVE.into(),
            value: true.into(),
            causes: fact.causes.to_vec(),
            written: Vec::new(),
            height: fact.height,
            counted: true,
            place: None,
        });
        placements.chain(removals)
    }

    /// Shows an element where it belongs now.
    fn settle(&mut self, element: &Entity, changes: &mut Vec<Change>) {
        let winner = self.places.winner(&place_of(element)).map(|(cid, _)| self.numbers[&cid]);
        let now = winner.filter(|_| self.value(element).is_some());
        let before = self.shown.get(element).copied();
        if now == before {
            return;
        }
        if let Some(slot) = before {
            self.shown.remove(element);
            self.sequence.veil(slot, slot + 1, Veil::Lay);
            changes.push(Change::new(BaseRelation::Element, self.row(slot), -1));
        }
        if let Some(slot) = now {
            self.shown.insert(element.clone(), slot);
            self.sequence.veil(slot, slot + 1, Veil::Lift);
            changes.push(Change::new(BaseRelation::Element, self.row(slot), 1));
        }
    }
}

/// The register of an element's place.
fn place_of(element: &Entity) -> Name {
    (element.clone(), PLACE.into())
}

/// How two slots stand that have one origin: the newest nearest to the parent.
fn order(slots: &[Slot], side: Side, one: u32, other: u32) -> Ordering {
    let rank = |slot: u32| (slots[slot as usize].height, slots[slot as usize].placement);
    match side {
        Side::Left => rank(one).cmp(&rank(other)),
        Side::Right => Reverse(rank(one)).cmp(&Reverse(rank(other))),
    }
}

/// The hashes of the first slots, by how many.
#[derive(Clone)]
struct Slots(Vec<u64>);

impl Slots {
    fn push(&mut self, letter: Digest) {
        let (letter, _) = letter.0.split_first_chunk::<8>().expect("a digest has 32 bytes");
        let before = self.0.last().expect("of no slots at all there is a hash");
        self.0.push(hash::push(*before, u64::from_le_bytes(*letter)));
    }
}

impl Letters for Slots {
    fn beginning(&self, count: u32) -> u64 {
        self.0[count as usize]
    }
}
