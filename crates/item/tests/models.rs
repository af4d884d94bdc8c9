//! The Log, the tree, and any fold, each against a stupid reading of the same facts: all that count, sorted, and read
//! from the first to the last.

use crate::common;

use std::collections::{BTreeMap, BTreeSet};

use crate::common::{
    FactSpec, Reading, Row, Run, Say, arrival, assertions, beginning_with, build, ordinary, party, rows_of,
    saved_and_restored, snapshots_read_back, specs, steps,
};
use motet_fact::{Attribute, Entity, Value};
use motet_item::{
    BaseRelation, Fold, Folding, Item, ItemId, Kept, Log, LogState, Model, Registry, Tree, TreeState, label,
};
use proptest::prelude::*;

/// The rows that a model's state publishes, read from the facts in order.
type Twin = fn(&Reading<'_>) -> BTreeSet<Row>;

fn facts_in_order(reading: &Reading<'_>) -> Vec<(motet_item::Place, Entity, Attribute, Value)> {
    let facts = reading.in_order().into_iter();
    facts
        .map(|(place, _, fact)| {
            (place, fact.entity().clone(), fact.attribute().clone(), fact.value().clone())
        })
        .collect()
}

// Lines.

fn say_lines(spec: &FactSpec, id: ItemId) -> (Entity, Attribute, Value) {
    let entity = Entity::from([spec.entity % 5; 16]);
    let name = ["line", "by"][spec.name as usize % 2];
    match spec.shape {
        1 => (id.entity(), label::GENESIS.into(), Value::bytes([7; 16].as_slice())),
        2 => (id.entity(), label::MODEL.into(), Log::NAME.into()),
        3 => (id.entity(), "title".into(), Value::Int(spec.value.into())),
        _ => (entity, name.into(), Value::Int(i64::from(spec.value % 3))),
    }
}

fn lines(reading: &Reading<'_>) -> BTreeSet<Row> {
    let own = reading.history.id.entity();
    let mut rows = BTreeSet::new();
    let mut begun: BTreeMap<Entity, motet_item::Place> = BTreeMap::new();
    let mut said = BTreeSet::new();
    for (place, entity, attribute, value) in facts_in_order(reading) {
        if entity == own {
            continue;
        }
        let first = *begun.entry(entity.clone()).or_insert(place);
        if first == place {
            let key = Value::bytes(place.key().as_slice());
            rows.insert((BaseRelation::Element, vec![own.clone().into(), entity.clone().into(), key]));
        }
        if first.entry == place.entry && said.insert((entity.clone(), attribute.clone())) {
            rows.insert((BaseRelation::Attr, vec![entity.into(), attribute.into(), value]));
        }
    }
    rows
}

// Moves.

fn say_moves(spec: &FactSpec, _tree: ItemId) -> (Entity, Attribute, Value) {
    let item = |number: u8| match number % 9 {
        0 => ItemId::root(&party()),
        1 if spec.shape == 1 => ItemId::tree(&party()),
        number => ItemId([number; 32]),
    };
    let (child, parent) = (item(spec.entity), item(spec.name));
    let key: &[u8] = [&[][..], &[], &[5], &[5, 7], &[0x80, 1], &[9, 0]][spec.value as usize % 6];
    let attribute = if spec.shape == 2 { "said" } else { label::PARENT };
    let value = match spec.shape {
        3 => Value::bytes([1, 2, 3].as_slice()),
        _ => Value::bytes([parent.0.as_slice(), key].concat()),
    };
    (child.entity(), attribute.into(), value)
}

/// The moves that a tree takes, in order: child, parent, key.
fn moves(reading: &Reading<'_>) -> Vec<(ItemId, ItemId, Vec<u8>)> {
    let (root, tree) = (ItemId::root(&party()), ItemId::tree(&party()));
    let mut moves = Vec::new();
    for (place, entity, attribute, value) in facts_in_order(reading) {
        let bytes = value.as_bytes().unwrap().to_vec();
        if attribute.as_text() != Some(label::PARENT) || bytes.len() < 32 {
            continue;
        }
        let (child, parent) = (ItemId::from_value(&entity.into()).unwrap(), bytes[..32].try_into().unwrap());
        let (parent, mut key) = (ItemId(parent), bytes[32..].to_vec());
        if child == root || child == tree || parent == tree || key.last() == Some(&0) {
            continue;
        }
        if key.is_empty() {
            key = [&[0x80][..], &place.key(), &[0x80]].concat();
        }
        moves.push((child, parent, key));
    }
    moves
}

fn seats(reading: &Reading<'_>) -> BTreeMap<ItemId, (ItemId, Vec<u8>)> {
    let mut seats: BTreeMap<ItemId, (ItemId, Vec<u8>)> = BTreeMap::new();
    for (child, parent, key) in moves(reading) {
        let mut above = Some(parent);
        while let Some(next) = above.filter(|next| *next != child) {
            above = seats.get(&next).map(|(parent, _)| *parent);
        }
        if above.is_none() {
            seats.insert(child, (parent, key));
        }
    }
    seats
}

fn elements(reading: &Reading<'_>) -> BTreeSet<Row> {
    let row = |(child, (parent, key)): (ItemId, (ItemId, Vec<u8>))| {
        (BaseRelation::Element, vec![parent.into(), child.into(), Value::bytes(key)])
    };
    seats(reading).into_iter().map(row).collect()
}

// Any fold: each fact says an int, and counts if it is at least twice as much and more as the last that counted.

struct Climb {
    item: ItemId,
    last: i64,
    steps: Vec<(Entity, i64)>,
}

impl Fold for Climb {
    const NAME: &'static str = "climb";
    const VERSION: u32 = 3;

    fn begin(item: ItemId) -> Self {
        Climb { item, last: 0, steps: Vec::new() }
    }

    fn take(&mut self, fact: &Kept) {
        let next = fact.value.as_int().unwrap_or(0);
        if next / 2 > self.last {
            self.last = next;
            self.steps.push((fact.entity.clone(), next));
        }
    }

    fn rows(&self, visit: &mut dyn FnMut(BaseRelation, Vec<Value>)) {
        visit(BaseRelation::Attr, vec![self.item.into(), "top".into(), self.last.into()]);
        for (entity, step) in &self.steps {
            visit(BaseRelation::Attr, vec![entity.clone().into(), "step".into(), (*step).into()]);
        }
    }
}

fn say_steps(spec: &FactSpec, id: ItemId) -> (Entity, Attribute, Value) {
    match spec.shape {
        1 => (id.entity(), label::GENESIS.into(), Value::bytes([7; 16].as_slice())),
        2 => (id.entity(), label::MODEL.into(), Climb::NAME.into()),
        3 => (id.entity(), label::VERSION.into(), Value::Int(3)),
        _ => (Entity::from([spec.entity % 5; 16]), "to".into(), Value::Int((spec.value % 40).into())),
    }
}

fn climb(reading: &Reading<'_>) -> BTreeSet<Row> {
    let mut rows = BTreeSet::new();
    let mut last = 0;
    let facts = facts_in_order(reading).into_iter();
    let facts: Vec<_> = facts.filter(|(_, _, attribute, _)| !label::is_reserved(attribute)).collect();
    for (_, entity, _, value) in &facts {
        let next = value.as_int().unwrap_or(0);
        if next / 2 > last {
            last = next;
            rows.insert((BaseRelation::Attr, vec![entity.clone().into(), "step".into(), next.into()]));
        }
    }
    if !facts.is_empty() {
        rows.insert((BaseRelation::Attr, vec![reading.history.id.into(), "top".into(), last.into()]));
    }
    rows
}

// The comparison.

fn registry() -> Registry {
    Registry::builtin().with(Folding::<Climb>::default())
}

/// The rows that the model's state publishes; of properties beside it none are looked at.
fn of_the_model(rows: &BTreeSet<Row>, own: ItemId) -> BTreeSet<Row> {
    let is = |(relation, row): &&Row| {
        let title = row[0] == own.into() && row[1] == "title".into();
        matches!(relation, BaseRelation::Attr | BaseRelation::Element | BaseRelation::Refers) && !title
    };
    rows.iter().filter(is).cloned().collect()
}

#[derive(Clone, Debug)]
struct Case {
    specs: Vec<common::EntrySpec>,
    choices: Vec<u8>,
    other_choices: Vec<u8>,
    steps: Vec<common::Step>,
}

fn cases(shapes: u8) -> impl Strategy<Value = Case> {
    let choices = || prop::collection::vec(any::<u8>(), 1..16);
    (specs(shapes), choices(), choices(), steps()).prop_map(|(specs, choices, other_choices, steps)| Case {
        specs,
        choices,
        other_choices,
        steps,
    })
}

fn compare(case: &Case, id: ItemId, say: Say, twin: Twin, model: &dyn Model, look: fn(&Run<'_>)) {
    let history = build(&case.specs, id, say);
    let order = arrival(&history, &case.choices);
    let mut run = Run::new(&history, Item::new(history.party, history.id, &registry()));
    let check = |run: &Run<'_>| {
        let reading = run.reading();
        let is_one = run.item.is_alive() && run.item.model() == Some(model.name());
        let mut expected = if is_one { twin(&reading) } else { BTreeSet::new() };
        assert_eq!(of_the_model(&run.rows, id), expected, "the changes add up to what the twin reads");
        expected.extend(reading.fact_rows());
        let rows = rows_of(&run.item);
        assert!(rows.is_superset(&expected), "the rows are what the twin reads");
        assert_eq!(rows, run.rows);
        look(run);
    };
    run.tell(&order, &case.steps, &mut |run, index| {
        check(run);
        if index % 3 == 1 {
            run.item = saved_and_restored(&run.item, run.history.party, &registry());
            check(run);
        }
    });
    let mut scratch = Item::new(history.party, history.id, &registry());
    scratch.assert(&assertions(&history, &arrival(&history, &case.other_choices), &run.counted), &history);
    assert_eq!(rows_of(&scratch), run.rows);
    assert_eq!(scratch.state_hash(), run.item.state_hash());
    assert_eq!(scratch.snapshot(), run.item.snapshot());
    if scratch.properties().is_none() {
        snapshots_read_back(&scratch, model);
    }
    run.recount(0);
    check(&run);
    let nothing = Item::new(history.party, history.id, &registry());
    assert_eq!(run.item.state_hash(), nothing.state_hash(), "what is withdrawn leaves no trace");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(700))]

    #[test]
    fn a_log_has_each_line_once_in_the_one_order(case in cases(16)) {
        let case = Case { specs: beginning_with(case.specs, &[1, 2]), ..case };
        compare(&case, ordinary(), say_lines, lines, &Log, |run| {
            if let Some(log) = run.item.state::<LogState>() {
                let reading = run.reading();
                let entities = log.lines().map(|line| line.entity).collect::<Vec<_>>();
                let mut expected = Vec::new();
                for (_, entity, ..) in facts_in_order(&reading) {
                    if entity != run.item.id().entity() && !expected.contains(&entity) {
                        expected.push(entity);
                    }
                }
                assert_eq!(entities, expected);
            }
        });
    }

    #[test]
    fn a_tree_is_the_replay_of_its_moves(case in cases(16)) {
        compare(&case, ItemId::tree(&party()), say_moves, elements, &Tree::of(party()), |run| {
            let reading = run.reading();
            let tree = run.item.state::<TreeState>().unwrap();
            // The replay that rules use, and that knows of parents only.
            let moved = moves(&reading).into_iter().map(|(child, parent, _)| (child, parent));
            let replayed = motet_algebra_moves(moved);
            for number in 0..9_u8 {
                let item = if number == 0 { ItemId::root(&party()) } else { ItemId([number; 32]) };
                assert_eq!(tree.parent(item), replayed.get(&item).copied());
                assert!(!tree.above(item).any(|above| above == item), "no cycle");
                let mut children: Vec<(Vec<u8>, ItemId)> = seats(&reading).into_iter()
                    .filter(|(_, (parent, _))| *parent == item)
                    .map(|(child, (_, key))| (key, child)).collect();
                children.sort();
                let children = children.iter().map(|(_, child)| *child);
                assert!(tree.children(item).eq(children), "children in their order");
                assert!(tree.below(item).iter().all(|below| tree.is_at_or_below(*below, item)));
            }
        });
    }

    #[test]
    fn any_fold_is_rebuilt_where_the_past_changes(case in cases(16)) {
        let case = Case { specs: beginning_with(case.specs, &[1, 2, 3]), ..case };
        compare(&case, ordinary(), say_steps, climb, &Folding::<Climb>::default(), |_| {});
    }
}

/// As `motet_algebra::moves::fold_moves`, which this crate does not know.
fn motet_algebra_moves(moves: impl Iterator<Item = (ItemId, ItemId)>) -> BTreeMap<ItemId, ItemId> {
    let mut parents: BTreeMap<ItemId, ItemId> = BTreeMap::new();
    for (node, parent) in moves {
        if !std::iter::successors(Some(&parent), |node| parents.get(node)).any(|above| *above == node) {
            parents.insert(node, parent);
        }
    }
    parents
}

/// What is new in the order costs itself, and a late move those after it.
#[test]
fn a_late_move_costs_the_moves_after_it() {
    use motet_feed::Position;
    let party = party();
    let line = |number: u64| Position {
        depth: number,
        feed: common::key(1),
        id: motet_fact::Cid::of(motet_fact::Codec::Raw, &number.to_le_bytes()),
    };
    struct Line;
    impl motet_item::Past for Line {
        fn reaches(&self, _: &motet_fact::Cid, _: &motet_fact::Cid) -> bool {
            true
        }
    }
    let mut tree = Item::new(party, ItemId::tree(&party), &registry());
    let mut write = |number: u64, child: u8| {
        let fact = motet_item::move_fact(ItemId([child; 32]), ItemId::root(&party), &[], Vec::new()).unwrap();
        let assertion = motet_item::Assertion { fact: &fact, entry: line(number), counted: true };
        tree.assert(&[assertion], &Line);
        tree.state::<TreeState>().unwrap().work()
    };
    for number in 0..100 {
        assert_eq!(write(2 * number, number as u8), 1);
    }
    assert_eq!(write(101, 200), 99, "49 are undone and done again, and it is done itself");
}
