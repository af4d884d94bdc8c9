//! Reading properties by their paths.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Attribute, Cid, Value};

use crate::register::Name;
use crate::{ObjectState, Path, path};

/// What a property is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Property {
    /// A value: the winner's, counted up. A reference is as it was stated: [`crate::Reference::of`] reads it.
    Value(Value),
    /// The elements of a set.
    Set(BTreeSet<Value>),
    /// Properties by name.
    Map(Properties),
}

/// Properties by name.
pub type Properties = BTreeMap<String, Property>;

impl Property {
    /// The value, if this is one.
    pub fn as_value(&self) -> Option<&Value> {
        if let Property::Value(value) = self { Some(value) } else { None }
    }
}

impl ObjectState {
    /// A property by its path. Where people concurrently made several things of it, it is a map, or else a set, or else
    /// a value.
    pub fn get(&self, path: &Path) -> Option<Property> {
        let text = path.to_string();
        let mut map = Properties::new();
        for (below, leaf) in self.inside(&text) {
            put(&mut map, &below.names()[path.names().len()..], leaf);
        }
        if map.is_empty() { self.leaf(&path.attribute()) } else { Some(Property::Map(map)) }
    }

    /// All properties that have paths for names.
    pub fn properties(&self) -> Properties {
        let mut map = Properties::new();
        let names = self.names_of(&self.item);
        let paths = names.filter_map(|(_, name)| Some((Path::of(name)?, self.leaf(name)?)));
        paths.for_each(|(path, leaf)| put(&mut map, path.names(), leaf));
        map
    }

    /// What a property is, leaving aside what lies in it.
    fn leaf(&self, name: &Attribute) -> Option<Property> {
        let set: BTreeSet<Value> = self.sets.elements_of(name).map(|(value, _)| value.clone()).collect();
        let value = || self.figure(&self.name(name)).map(Property::Value);
        if set.is_empty() { value() } else { Some(Property::Set(set)) }
    }

    fn inside(&self, path: &str) -> impl Iterator<Item = (Path, Property)> + use<'_> {
        let names = self.names_inside(path);
        names.filter_map(move |(_, name)| Some((Path::of(name)?, self.leaf(name)?)))
    }

    /// The registers of the properties that lie in a map.
    pub(crate) fn names_inside(&self, path: &str) -> impl Iterator<Item = &Name> + use<'_> {
        let front = path::inside(path);
        let names = self.registers.names_from(self.name(&Attribute::from(front.as_str())));
        names.take_while(move |(entity, name)| {
            *entity == self.item && name.as_text().is_some_and(|name| name.starts_with(&front))
        })
    }

    /// Whether a property has no value and was counted.
    pub(crate) fn is_counted(&self, name: &Attribute) -> bool {
        let removals = self.registers.removals(&self.name(name));
        self.counters.without_value(name, &removals) != 0
    }

    /// The facts that put elements into the set that a property is; of one value, or of all.
    pub(crate) fn adds(&self, name: &Attribute, value: Option<&Value>) -> Vec<Cid> {
        match value {
            Some(value) => self.sets.adds_of(&(name.clone(), value.clone())).collect(),
            None => self.sets.elements_of(name).flat_map(|(_, adds)| adds.iter().copied()).collect(),
        }
    }
}

/// Puts a leaf into nested maps; what is a map already stays one.
fn put(map: &mut Properties, names: &[String], leaf: Property) {
    let Some((first, rest)) = names.split_first() else { return };
    if rest.is_empty() {
        if !matches!(map.get(first), Some(Property::Map(_))) {
            map.insert(first.clone(), leaf);
        }
        return;
    }
    let inner = map.entry(first.clone()).or_insert_with(|| Property::Map(Properties::new()));
    if !matches!(inner, Property::Map(_)) {
        *inner = Property::Map(Properties::new());
    }
    if let Property::Map(inner) = inner {
        put(inner, rest, leaf);
    }
}
