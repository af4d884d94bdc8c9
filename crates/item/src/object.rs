//! The two models without surprises: Object and Facts.
//!
//! **Object**: every (entity, attribute) of the item is a multi-value register ([`crate::register`]). Nested maps are
//! further entities of the item that values refer to. Its rules are PomoLogic 4.1 and 4.2 of the requirements.
//!
//! **Facts**: the identity. Its facts are rows of `fact` and nothing else, which is what bulk triples want; it keeps
//! no state, so a million facts cost what the facts cost.

use std::collections::BTreeMap;

use motet_fact::order::{read_key, write_key};
use motet_fact::{Attribute, Cid, Digest, Entity, PublicKey, Value};
use motet_feed::Position;
use prost::Message as _;

use crate::{BaseRelation, Change, ItemId, Model, Registers, SnapshotError, State, Told, proto};

/// The identity model.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts;

impl Facts {
    /// What genesis entries call it.
    pub const NAME: &'static str = "facts";
}

impl Model for Facts {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn begin(&self, _item: ItemId) -> Option<Box<dyn State>> {
        None
    }

    fn restore(&self, _item: ItemId, _snapshot: &[u8]) -> Result<Box<dyn State>, SnapshotError> {
        Err(SnapshotError::Stateless(Self::NAME.to_owned()))
    }
}

/// Multi-value registers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Object;

impl Object {
    /// What genesis entries call it.
    pub const NAME: &'static str = "object";
}

impl Model for Object {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn begin(&self, _item: ItemId) -> Option<Box<dyn State>> {
        Some(Box::<ObjectState>::default())
    }

    fn restore(&self, _item: ItemId, snapshot: &[u8]) -> Result<Box<dyn State>, SnapshotError> {
        let malformed = |what| SnapshotError::Malformed { model: Self::NAME.to_owned(), what };
        let held = proto::ObjectSnapshot::decode(snapshot).map_err(|error| malformed(error.to_string()))?;
        let mut state = ObjectState::default();
        state.load(&held).map_err(|what| malformed(what.to_owned()))?;
        if state.snapshot() == snapshot {
            Ok(Box::new(state))
        } else {
            Err(malformed("its encoding is not canonical".to_owned()))
        }
    }
}

#[derive(Default)]
struct ObjectState(Registers);

impl State for ObjectState {
    fn step(&mut self, batch: &[Told<'_>]) -> Vec<Change> {
        self.0.step(batch)
    }

    fn rows(&self, visit: &mut dyn FnMut(BaseRelation, Vec<Value>)) {
        self.0.rows(visit);
    }

    fn digest(&self) -> Digest {
        self.0.digest()
    }

    fn snapshot(&self) -> Vec<u8> {
        let facts = self.0.facts().map(|(entity, attribute, cid, height, value, causes)| {
            let mut quad = Vec::new();
            let (entity, attribute) = (Value::from(entity.clone()), attribute.value().clone());
            [entity, attribute, value.clone(), cid.into()].iter().for_each(|part| write_key(part, &mut quad));
            let causes = causes.iter().map(|cause| cause.as_bytes().to_vec()).collect();
            proto::RegisterFact { quad, height, causes }
        });
        proto::ObjectSnapshot { version: SNAPSHOT_VERSION, facts: facts.collect() }.encode_to_vec()
    }

    fn heads(&self, entity: &Entity, attribute: &Attribute) -> Vec<Cid> {
        self.0.heads(entity, attribute)
    }

    fn candidates(&self, entity: &Entity, attribute: &Attribute) -> Vec<(Cid, Value)> {
        self.0.candidates(entity, attribute)
    }

    fn attributes(&self, entity: &Entity) -> BTreeMap<Attribute, Value> {
        self.0.attributes(entity)
    }
}

const SNAPSHOT_VERSION: u32 = 1;

/// A fact of a snapshot, read.
struct Loaded {
    entity: Entity,
    attribute: Attribute,
    value: Value,
    cid: Cid,
    height: u64,
    causes: Vec<Cid>,
}

impl ObjectState {
    fn load(&mut self, held: &proto::ObjectSnapshot) -> Result<(), &'static str> {
        if held.version != SNAPSHOT_VERSION {
            return Err("its format version is another one");
        }
        let mut seen = std::collections::BTreeSet::new();
        for fact in &held.facts {
            let fact = Loaded::read(fact).ok_or("a fact in it is none")?;
            if !seen.insert(fact.cid) {
                return Err("a fact is in it twice");
            }
            self.0.step(&[fact.told()]);
        }
        Ok(())
    }
}

impl Loaded {
    fn read(fact: &proto::RegisterFact) -> Option<Self> {
        let mut quad = fact.quad.as_slice();
        let entity = Entity::new(read_key(&mut quad)?.as_bytes()?).ok()?;
        let attribute = Attribute::new(read_key(&mut quad)?).ok()?;
        let value = read_key(&mut quad)?;
        let cid = read_key(&mut quad)?.as_link()?;
        let causes: Vec<Cid> =
            fact.causes.iter().map(|cause| Cid::from_bytes(cause).ok()).collect::<Option<_>>()?;
        let sound = quad.is_empty() && fact.height > 0 && causes.is_sorted_by(|one, next| one < next);
        sound.then_some(Loaded { entity, attribute, value, cid, height: fact.height, causes })
    }

    /// Registers don't look at places, so any will do.
    fn told(&self) -> Told<'_> {
        let feed = PublicKey::from_bytes(&[0; 32]).expect("a key has 32 bytes");
        let place = Position { depth: 0, feed, id: self.cid };
        Told {
            cid: self.cid,
            entity: &self.entity,
            attribute: &self.attribute,
            value: &self.value,
            causes: self.causes.clone(),
            height: self.height,
            place,
            weight: 1,
        }
    }
}
