//! The facts that a state was told of, kept: what the built in models write as their snapshot.
//!
//! Their states are functions of the facts they were told of, so those facts are the state, and what is derived from
//! them need not be stored. One order (by CID) and one encoding make the bytes canonical.

use std::collections::BTreeSet;

use motet_fact::order::{read_key, write_key};
use motet_fact::{Attribute, Cid, Entity, PublicKey, Value};
use motet_feed::Position;
use prost::Message as _;

use crate::{Model, Place, SnapshotError, State, Told, proto};

const VERSION: u32 = 1;

/// A fact that a state was told of, and its causes as they were told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The fact's name.
    pub cid: Cid,
    /// What it is about.
    pub entity: Entity,
    /// Which property it states.
    pub attribute: Attribute,
    /// What it states.
    pub value: Value,
    /// The facts that it comes directly after; ascending.
    pub causes: Vec<Cid>,
    /// Those that it was written with, as far as its model needs them; ascending.
    pub written: Vec<Cid>,
    /// H18.
    pub height: u64,
    /// Whether it counts, or is only kept.
    pub counted: bool,
    /// Where it stands, if the model looks at that.
    pub place: Option<Place>,
}

impl Kept {
    /// What is to be kept of a fact that a state is told of.
    pub fn of(told: &Told<'_>) -> Self {
        Kept {
            cid: told.cid,
            entity: told.entity.clone(),
            attribute: told.attribute.clone(),
            value: told.value.clone(),
            causes: told.causes.clone(),
            written: told.written.clone(),
            height: told.height,
            counted: true,
            place: Some(told.place),
        }
    }

    /// Tells it again. Where no place was kept, none is looked at, and any will do.
    pub fn told(&self, weight: i64) -> Told<'_> {
        let feed = PublicKey::from_bytes(&[0; 32]).expect("a key has 32 bytes");
        let nowhere = Place { entry: Position { depth: 0, feed, id: self.cid }, index: 0 };
        Told {
            cid: self.cid,
            entity: &self.entity,
            attribute: &self.attribute,
            value: &self.value,
            causes: self.causes.clone(),
            written: self.written.clone(),
            height: self.height,
            place: self.place.unwrap_or(nowhere),
            weight,
        }
    }

    fn write(&self) -> proto::KeptFact {
        let mut quad = Vec::new();
        let (entity, attribute) = (Value::from(self.entity.clone()), self.attribute.value().clone());
        [entity, attribute, self.value.clone(), self.cid.into()]
            .iter()
            .for_each(|part| write_key(part, &mut quad));
        let names = |causes: &[Cid]| causes.iter().map(|cause| cause.as_bytes().to_vec()).collect();
        let (causes, written) = (names(&self.causes), names(&self.written));
        let place = self.place.map(|place| place.key().to_vec()).unwrap_or_default();
        proto::KeptFact { quad, height: self.height, causes, place, written, withdrawn: !self.counted }
    }

    fn read(fact: &proto::KeptFact) -> Option<Self> {
        let mut quad = fact.quad.as_slice();
        let entity = Entity::new(read_key(&mut quad)?.as_bytes()?).ok()?;
        let attribute = Attribute::new(read_key(&mut quad)?).ok()?;
        let value = read_key(&mut quad)?;
        let cid = read_key(&mut quad)?.as_link()?;
        let names = |causes: &[Vec<u8>]| -> Option<Vec<Cid>> {
            let causes: Option<Vec<Cid>> = causes.iter().map(|cause| Cid::from_bytes(cause).ok()).collect();
            causes.filter(|causes| causes.is_sorted_by(|one, next| one < next))
        };
        let (causes, written) = (names(&fact.causes)?, names(&fact.written)?);
        let place = if fact.place.is_empty() { None } else { Some(Place::read(&fact.place)?) };
        let (height, counted) = (fact.height, !fact.withdrawn);
        let sound = quad.is_empty() && height > 0;
        sound.then_some(Kept { cid, entity, attribute, value, causes, written, height, counted, place })
    }
}

/// The bytes of some kept facts, canonical.
pub fn write(mut facts: Vec<Kept>) -> Vec<u8> {
    facts.sort_unstable_by_key(|fact| fact.cid);
    let facts = facts.iter().map(Kept::write).collect();
    proto::KeptFacts { version: VERSION, facts }.encode_to_vec()
}

/// Tells a new state of a model the facts that [`write`] wrote.
///
/// # Errors
/// [`SnapshotError::Malformed`] if the bytes are not what the state would write.
pub fn restore<S: State>(model: &dyn Model, mut state: S, snapshot: &[u8]) -> Result<S, SnapshotError> {
    let malformed =
        |what: &str| SnapshotError::Malformed { model: model.name().to_owned(), what: what.to_owned() };
    let kept = proto::KeptFacts::decode(snapshot).map_err(|error| malformed(&error.to_string()))?;
    if kept.version != VERSION {
        return Err(malformed("its format version is another one"));
    }
    let (mut facts, mut seen) = (Vec::new(), BTreeSet::new());
    for fact in &kept.facts {
        let fact = Kept::read(fact).ok_or_else(|| malformed("a fact in it is none"))?;
        if !seen.insert(fact.cid) {
            return Err(malformed("a fact is in it twice"));
        }
        if !fact.counted && !model.keeps_withdrawn(&fact.attribute) {
            return Err(malformed("a fact in it does not count, and is no structure"));
        }
        facts.push(fact);
    }
    facts.sort_by_key(|fact| (fact.height, fact.cid)); // a cause before what cites it
    state.step(&facts.iter().map(|fact| fact.told(fact.counted.into())).collect::<Vec<_>>());
    if state.snapshot() == snapshot { Ok(state) } else { Err(malformed("its encoding is not canonical")) }
}
