//! What one writer says, step by step, makes of a property what a map in memory would be; whether each step is folded
//! at once, or many are drafted before.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Attribute, Cid, Codec, Entity, Fact, PublicKey, Value};
use motet_feed::Position;
use motet_item::{Assertion, Draft, Genesis, Item, Past, Path, Properties, Property, Registry};
use proptest::prelude::*;

struct Line;

impl Past for Line {
    fn reaches(&self, _descendant: &Cid, _ancestor: &Cid) -> bool {
        true
    }
}

fn key(byte: u8) -> PublicKey {
    PublicKey::from_bytes(&[byte; 32]).unwrap()
}

struct Writer {
    item: Item,
    written: u64,
    drawn: u64,
}

impl Writer {
    fn new() -> Self {
        let genesis = Genesis { nonce: [3; 16], model: "object".to_owned(), version: 1, kind: None };
        let id = genesis.id(&key(9), &key(1));
        let mut writer = Writer { item: Item::new(key(9), id, &Registry::builtin()), written: 0, drawn: 0 };
        writer.write(&genesis.facts(id).unwrap());
        writer
    }

    fn write(&mut self, facts: &[Fact]) {
        self.written += 1;
        let id = Cid::of(Codec::Raw, &self.written.to_le_bytes());
        let entry = Position { depth: self.written, feed: key(1), id };
        let assertion = |fact| Assertion { fact, entry, counted: true };
        self.item.assert(&facts.iter().map(assertion).collect::<Vec<_>>(), &Line);
        assert_eq!(self.item.voids().count(), 0);
    }

    fn entry(&self) -> Cid {
        Cid::of(Codec::Raw, &self.written.to_le_bytes())
    }

    fn draft(&mut self, draft: &mut Draft, step: &Step) -> Vec<Fact> {
        let Writer { item, drawn, .. } = self;
        let mut fresh = || {
            *drawn += 1;
            Entity::new(drawn.to_le_bytes().as_slice()).unwrap()
        };
        let property = |path: &str| Attribute::from(path);
        match step {
            Step::Set(path, value) => {
                draft.set(item, &item.id().entity(), &property(path), value.clone()).unwrap()
            }
            Step::Remove(path) => draft.remove(item, &property(path)).unwrap(),
            Step::Add(path, value) => draft.add(item, &property(path), value.clone(), &mut fresh).unwrap(),
            Step::Take(path, value) => draft.take(item, &property(path), value).unwrap(),
            Step::Increment(path, by) => draft.increment(item, &property(path), *by, &mut fresh).unwrap(),
        }
    }

    fn properties(&self) -> Properties {
        self.item.properties().unwrap().properties()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Set(&'static str, Value),
    Remove(&'static str),
    Add(&'static str, Value),
    Take(&'static str, Value),
    Increment(&'static str, i64),
}

const PATHS: [&str; 6] = ["a", "a.b", "a.b.c", "a.d", "e", r"e\.f"];

fn steps() -> impl Strategy<Value = Step> {
    let values = vec![Value::Int(1), Value::Int(2), Value::text("x"), true.into()];
    (0..12_u8, prop::sample::select(PATHS.to_vec()), prop::sample::select(values), -3..4_i64).prop_map(
        |(kind, path, value, by)| match kind {
            0..=3 => Step::Set(path, value),
            4 => Step::Remove(path),
            5..=7 => Step::Add(path, value),
            8 => Step::Take(path, value),
            _ => Step::Increment(path, by),
        },
    )
}

// The twin: maps in memory, and which of their values were counted and never set.

#[derive(Clone, Default)]
struct Memory {
    root: Properties,
    counted: BTreeSet<Vec<String>>,
}

fn names(path: &str) -> Vec<String> {
    path.parse::<Path>().unwrap().names().to_vec()
}

/// The map that a path's last name is in; what stands in the way makes room.
fn map_of<'a>(root: &'a mut Properties, names: &[String]) -> &'a mut Properties {
    names[..names.len() - 1].iter().fold(root, |map, name| {
        let inner = map.entry(name.clone()).or_insert_with(|| Property::Map(Properties::new()));
        if !matches!(inner, Property::Map(_)) {
            *inner = Property::Map(Properties::new());
        }
        match inner {
            Property::Map(inner) => inner,
            _ => unreachable!("it was made a map"),
        }
    })
}

fn find<'a>(root: &'a mut Properties, names: &[String]) -> Option<&'a mut Property> {
    let (first, rest) = names.split_first()?;
    let inner = root.get_mut(first)?;
    match (rest.is_empty(), inner) {
        (true, inner) => Some(inner),
        (false, Property::Map(inner)) => find(inner, rest),
        _ => None,
    }
}

impl Memory {
    fn perform(&mut self, step: &Step) {
        let (Step::Set(path, _)
        | Step::Remove(path)
        | Step::Add(path, _)
        | Step::Take(path, _)
        | Step::Increment(path, _)) = step;
        let (names, root) = (names(path), &mut self.root);
        let name = names.last().unwrap().clone();
        let number = |property: Option<&mut Property>| property.and_then(|it| it.as_value()?.as_int());
        let was_number = number(find(root, &names)).is_some();
        match step {
            Step::Set(_, value) => {
                map_of(root, &names).insert(name, Property::Value(value.clone()));
            }
            Step::Remove(_) => remove(root, &names),
            Step::Add(_, value) => {
                let property =
                    map_of(root, &names).entry(name).or_insert_with(|| Property::Set(BTreeSet::new()));
                if !matches!(property, Property::Set(_)) {
                    *property = Property::Set(BTreeSet::new());
                }
                if let Property::Set(elements) = property {
                    elements.insert(value.clone());
                }
            }
            Step::Take(_, value) => {
                if let Some(Property::Set(elements)) = find(root, &names) {
                    elements.remove(value);
                    if elements.is_empty() {
                        remove(root, &names);
                    }
                }
            }
            Step::Increment(_, by) => {
                let before = number(find(root, &names)).unwrap_or(0);
                map_of(root, &names).insert(name, Property::Value(Value::Int(before + by)));
                if !was_number {
                    self.counted.insert(names.clone());
                }
                if before + by == 0 && self.counted.contains(&names) {
                    remove(root, &names);
                }
            }
        }
        let root = &mut self.root;
        let is_set = matches!(step, Step::Set(..));
        self.counted
            .retain(|counted| !(is_set && *counted == names) && number(find(root, counted)).is_some());
    }
}

/// Removes a property, and the maps that are empty then.
fn remove(root: &mut Properties, names: &[String]) {
    let Some((first, rest)) = names.split_first() else { return };
    if rest.is_empty() {
        root.remove(first);
    } else if let Some(Property::Map(inner)) = root.get_mut(first) {
        remove(inner, rest);
        if inner.is_empty() {
            root.remove(first);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_writer_gets_what_a_map_in_memory_would_be(
        steps in prop::collection::vec((steps(), any::<bool>()), 1..30),
    ) {
        let mut writer = Writer::new();
        let mut memory = Memory::default();
        let (mut draft, mut drafted) = (Draft::default(), Vec::new());
        for (step, fold) in &steps {
            drafted.extend(writer.draft(&mut draft, step));
            memory.perform(step);
            if *fold {
                writer.write(&std::mem::take(&mut drafted));
                draft = Draft::default();
                prop_assert_eq!(writer.properties(), memory.root.clone(), "after {:?}", step);
            }
        }
        writer.write(&drafted);
        prop_assert_eq!(writer.properties(), memory.root.clone());
        for path in PATHS {
            let found = find(&mut memory.root, &names(path)).cloned();
            prop_assert_eq!(writer.item.properties().unwrap().get(&path.parse().unwrap()), found);
        }
    }

    /// Undoing what was just said goes back to what was before; undoing that goes forth again.
    #[test]
    fn what_was_said_last_can_be_taken_back(
        before in prop::collection::vec(steps(), 0..12),
        said in prop::collection::vec(steps(), 1..6),
    ) {
        let mut writer = Writer::new();
        let mut write = |steps: &[Step]| {
            let mut draft = Draft::default();
            let facts: Vec<Fact> = steps.iter().flat_map(|step| writer.draft(&mut draft, step)).collect();
            writer.write(&facts);
            (writer.properties(), facts.iter().map(Fact::cid).collect::<Vec<_>>())
        };
        write(&before);
        let (old, _) = write(&[]);
        let (new, facts) = write(&said);
        let (back, undone) = undo(&mut writer, &facts);
        prop_assert_eq!(back, old);
        let (forth, redone) = undo(&mut writer, &undone);
        prop_assert_eq!(forth, new);
        let (again, _) = undo(&mut writer, &redone);
        prop_assert_eq!(again, undo(&mut writer, &[]).0);
    }
}

fn undo(writer: &mut Writer, said: &[Cid]) -> (Properties, Vec<Cid>) {
    let Writer { item, drawn, .. } = &mut *writer;
    let mut fresh = || {
        *drawn += 1;
        Entity::new(drawn.to_le_bytes().as_slice()).unwrap()
    };
    let facts = item.undo(said, &mut fresh).unwrap().unwrap();
    writer.write(&facts);
    (writer.properties(), facts.iter().map(Fact::cid).collect())
}

/// People who write at once: adding wins over removing, both of two values can be read, and counts add up.
#[test]
fn what_is_written_at_once_is_all_there() {
    let mut writer = Writer::new();
    let path: Path = "tags".parse().unwrap();
    let say = |writer: &mut Writer, steps: &[Step]| -> Vec<Fact> {
        let mut draft = Draft::default();
        steps.iter().flat_map(|step| writer.draft(&mut draft, step)).collect()
    };
    let tag = || Value::text("red");
    let first =
        say(&mut writer, &[Step::Add("tags", tag()), Step::Set("n", 5.into()), Step::Set("m.x", 1.into())]);
    writer.write(&first);
    let one = say(&mut writer, &[Step::Take("tags", tag()), Step::Increment("n", 2), Step::Remove("m")]);
    let both = say(
        &mut writer,
        &[Step::Add("tags", Value::text("blue")), Step::Increment("n", 2), Step::Set("m.x", 2.into())],
    );
    writer.write(&one);
    let one_entry = writer.entry();
    writer.write(&both);
    let properties = writer.item.properties().unwrap();
    assert_eq!(properties.get(&path), Some(Property::Set(BTreeSet::from([Value::text("blue")]))));
    assert_eq!(properties.get(&"n".parse().unwrap()), Some(Property::Value(9.into())), "equal counts add up");
    assert_eq!(properties.get(&"m.x".parse().unwrap()), Some(Property::Value(2.into())), "the write stays");
    writer.item.recount(&BTreeMap::from([(one_entry, false)]));
    let properties = writer.item.properties().unwrap();
    assert_eq!(properties.get(&"n".parse().unwrap()), Some(Property::Value(7.into())));
    let all = BTreeSet::from([Value::text("blue"), tag()]);
    assert_eq!(properties.get(&path), Some(Property::Set(all)), "what was removed is there again");
}
