//! Models as rules against what they must equal: the programs that come with Motet against native models and direct
//! readings, and one circuit for several items against a run of the evaluator that defines the semantics for each.
//! Histories are random, with entries that cease to count and count again.

#[path = "../../item/tests/common/mod.rs"]
mod item_histories;

use std::collections::{BTreeMap, BTreeSet};

use item_histories::{
    FactSpec, Reading, Row, Run, Say, arrival, assertions, beginning_with, build, key, ordinary, party,
    rows_of, snapshots_read_back, specs, steps,
};
use motet::algebra::moves::fold_moves;
use motet::algebra::{Budget, Changes, Naive, Runtime as _};
use motet::fact::{Attribute, Cid, Entity, Value};
use motet::item::{
    BaseRelation, Item, ItemId, Model, Reference, Registry, SnapshotError, State, Told, label,
};
use motet::model::LIBRARY;
use motet::{ModelBlock, RulesState, RulesStatus};
use motet_logic::{Source, compile_model_of};
use proptest::prelude::*;
use proptest::test_runner::Config;

/// A model under another name, so that one history is of two models.
#[derive(Clone)]
struct Named<M>(M, &'static str);

impl<M: Model> Model for Named<M> {
    fn name(&self) -> &str {
        self.1
    }
    fn version(&self) -> u32 {
        1
    }
    fn begin(&self, item: ItemId) -> Option<Box<dyn State>> {
        self.0.begin(item)
    }
    fn restore(&self, item: ItemId, snapshot: &[u8]) -> Result<Box<dyn State>, SnapshotError> {
        self.0.restore(item, snapshot)
    }
}

fn program(name: &str) -> &'static str {
    LIBRARY.iter().find(|(known, _)| *known == name).unwrap().1
}

fn rules(program: &str) -> Named<impl Model + Clone + use<>> {
    Named(ModelBlock::new(program).model(Budget::default()), "object")
}

// What is said.

const PROPERTIES: [&str; 3] = ["a", "b", "b.c"];

fn born(spec: &FactSpec, id: ItemId) -> Option<(Entity, Attribute, Value)> {
    match spec.shape {
        1 => {
            let nonce = (7..10).find(|nonce| ItemId::derive(&party(), &key(0), &[*nonce; 16]) == id).unwrap();
            Some((id.entity(), label::GENESIS.into(), Value::bytes([nonce; 16].as_slice())))
        }
        2 => Some((id.entity(), label::MODEL.into(), "object".into())),
        _ => None,
    }
}

fn fresh(spec: &FactSpec) -> Entity {
    Entity::from([spec.entity % 8; 16])
}

fn property(spec: &FactSpec) -> &'static str {
    PROPERTIES[spec.name as usize % 3]
}

fn said(spec: &FactSpec) -> Value {
    match spec.value % 7 {
        0 => Reference::here(ItemId([spec.value; 32])).into(),
        1 => i64::MAX.into(),
        2 => "text".into(),
        other => Value::Int(i64::from(other) - 4),
    }
}

fn removed(spec: &FactSpec) -> Value {
    match spec.value % 16 {
        0 => true.into(),
        1 => label::TYPE.into(),
        _ => property(spec).into(),
    }
}

fn say_registers(spec: &FactSpec, id: ItemId) -> (Entity, Attribute, Value) {
    let entity = [id.entity(), id.entity(), Entity::from([1; 16])][spec.entity as usize % 3].clone();
    born(spec, id).unwrap_or_else(|| match spec.shape {
        3..=6 => (entity, label::REMOVE.into(), removed(spec)),
        7 => (entity, "motet/other".into(), said(spec)),
        _ => (entity, property(spec).into(), said(spec)),
    })
}

fn say_sets(spec: &FactSpec, id: ItemId) -> (Entity, Attribute, Value) {
    let entity = [id.entity(), id.entity(), Entity::from([1; 16])][spec.entity as usize % 3].clone();
    born(spec, id).unwrap_or_else(|| match spec.shape {
        3..=8 => (entity, label::REMOVE.into(), removed(spec)),
        9 => (fresh(spec), "motet/add/motet/x".into(), said(spec)),
        _ => (fresh(spec), format!("{}{}", label::ADD, property(spec)).into(), said(spec)),
    })
}

fn say_counters(spec: &FactSpec, id: ItemId) -> (Entity, Attribute, Value) {
    born(spec, id).unwrap_or_else(|| match spec.shape {
        3..=5 => (id.entity(), label::REMOVE.into(), removed(spec)),
        6..=9 => (id.entity(), property(spec).into(), said(spec)),
        _ => (fresh(spec), format!("{}{}", label::INCREMENT, property(spec)).into(), said(spec)),
    })
}

fn say_lists(spec: &FactSpec, id: ItemId) -> (Entity, Attribute, Value) {
    born(spec, id).unwrap_or_else(|| match spec.shape {
        3..=5 => (fresh(spec), "list/delete".into(), true.into()),
        _ => (fresh(spec), "list/insert".into(), Value::Int((spec.value % 5).into())),
    })
}

fn say_moves(spec: &FactSpec, id: ItemId) -> (Entity, Attribute, Value) {
    let value =
        if spec.value.is_multiple_of(9) { 7.into() } else { Value::bytes([spec.value % 5].as_slice()) };
    let node = Entity::new([spec.entity % 5].as_slice()).unwrap();
    born(spec, id).unwrap_or_else(|| match spec.shape {
        3 => (node, "other".into(), value),
        _ => (node, "tree/parent".into(), value),
    })
}

// The comparison.

fn published(rows: &BTreeSet<Row>) -> BTreeSet<Row> {
    let is = |relation| {
        use BaseRelation::{Attr, Candidate, Element, Refers};
        [Attr, Candidate, Element, Refers].contains(relation)
    };
    rows.iter().filter(|(relation, _)| is(relation)).cloned().collect()
}

/// What a model publishes after each step.
type Expected<'a> = dyn FnMut(&Reading<'_>, usize) -> BTreeSet<Row> + 'a;

#[derive(Clone, Debug)]
struct Case {
    specs: Vec<item_histories::EntrySpec>,
    choices: Vec<u8>,
    other_choices: Vec<u8>,
    steps: Vec<item_histories::Step>,
}

fn cases() -> impl Strategy<Value = Case> {
    let choices = || prop::collection::vec(any::<u8>(), 1..16);
    (specs(20), choices(), choices(), steps()).prop_map(|(specs, choices, other_choices, steps)| Case {
        specs: beginning_with(specs, &[1, 2]),
        choices,
        other_choices,
        steps,
    })
}

fn compare(case: &Case, say: Say, program: &str, expected: &mut Expected<'_>) {
    let history = build(&case.specs, ordinary(), say);
    let order = arrival(&history, &case.choices);
    let model = rules(program);
    let registry = Registry::empty().with(model.clone());
    let mut run = Run::new(&history, Item::new(history.party, history.id, &registry));
    run.tell(&order, &case.steps, &mut |run, index| {
        let wanted = if run.item.is_alive() { expected(&run.reading(), index) } else { BTreeSet::new() };
        assert_eq!(published(&run.rows), wanted, "the changes add up to what is expected");
        assert_eq!(rows_of(&run.item), run.rows, "and to the rows");
    });
    // Another circuit, another order.
    let other = Registry::empty().with(rules(program));
    let mut scratch = Item::new(history.party, history.id, &other);
    scratch.assert(&assertions(&history, &arrival(&history, &case.other_choices), &run.counted), &history);
    assert_eq!(rows_of(&scratch), run.rows);
    assert_eq!(scratch.state_hash(), run.item.state_hash());
    assert_eq!(scratch.snapshot(), run.item.snapshot());
    snapshots_read_back(&scratch, &rules(program));
    run.recount(0);
    let nothing = Item::new(history.party, history.id, &registry);
    assert_eq!(run.item.state_hash(), nothing.state_hash(), "what is withdrawn leaves no trace");
    assert_eq!(published(&run.rows), BTreeSet::new());
}

/// Compares with the native Object.
fn compare_with_object(case: &Case, say: Say, program: &str, keep: fn(&Row) -> bool) {
    let history = build(&case.specs, ordinary(), say);
    let order = arrival(&history, &case.choices);
    let mut object = Vec::new();
    let mut run = Run::new(&history, Item::new(history.party, history.id, &Registry::builtin()));
    run.tell(&order, &case.steps, &mut |run, _| {
        if run.item.is_alive() {
            object.push(published(&run.rows).into_iter().filter(keep).collect::<BTreeSet<Row>>());
        }
    });
    let mut looked = object.into_iter();
    compare(case, say, program, &mut |_, _| looked.next().unwrap());
}

fn is_attr((relation, _): &Row) -> bool {
    matches!(relation, BaseRelation::Attr | BaseRelation::Refers)
}

/// A direct reading of a list: insertions below what they cite, the newest first.
fn list(reading: &Reading<'_>) -> BTreeSet<Row> {
    let own = Value::from(reading.history.id);
    let counting = reading.counting();
    let with = |name: &'static str| {
        let is = move |(_, fact): &&(Cid, &motet::fact::Fact)| fact.attribute().as_text() == Some(name);
        counting.iter().filter(is)
    };
    let mut children: BTreeMap<Value, Vec<(i64, Cid)>> = BTreeMap::new();
    for (cid, _) in with("list/insert") {
        let above = reading.spliced(cid).last().map_or(own.clone(), |above| Value::Link(*above));
        children.entry(above).or_default().push((reading.height(cid), *cid));
    }
    let gone: BTreeSet<Cid> = with("list/delete").flat_map(|(cid, _)| reading.spliced(cid)).collect();
    let mut order = Vec::new();
    let mut stack = vec![own.clone()];
    while let Some(next) = stack.pop() {
        if next != own {
            order.push(next.as_link().unwrap());
        }
        let mut below = children.get(&next).cloned().unwrap_or_default();
        below.sort_unstable();
        stack.extend(below.into_iter().map(|(_, cid)| Value::Link(cid)));
    }
    order.retain(|cid| !gone.contains(cid));
    let entity = |cid: &Cid| Value::from(reading.facts[cid].entity().clone());
    let mut rows = BTreeSet::new();
    let mut before = own;
    for cid in order {
        let value = reading.facts[&cid].value().clone();
        rows.insert((BaseRelation::Attr, vec![before, "next".into(), entity(&cid)]));
        rows.insert((BaseRelation::Attr, vec![entity(&cid), "value".into(), value]));
        before = entity(&cid);
    }
    rows
}

/// The moves replayed by height and CID.
fn tree(reading: &Reading<'_>) -> BTreeSet<Row> {
    let is = |(_, fact): &(Cid, &motet::fact::Fact)| fact.attribute().as_text() == Some("tree/parent");
    let mut moves: Vec<(i64, Cid, Value, Value)> = reading
        .counting()
        .into_iter()
        .filter(is)
        .map(|(cid, fact)| (reading.height(&cid), cid, fact.entity().clone().into(), fact.value().clone()))
        .collect();
    moves.sort_unstable();
    let parents = fold_moves(moves.into_iter().map(|(_, _, node, parent)| (node, parent)));
    let rows = parents.into_iter().filter(|(_, parent)| parent.as_bytes().is_some());
    rows.flat_map(|(node, parent)| {
        let attr = vec![node.clone(), "parent".into(), parent.clone()];
        [(BaseRelation::Attr, attr), (BaseRelation::Element, vec![parent, node.clone(), node])]
    })
    .collect()
}

// One circuit for several items.

const MORE: [&str; 3] = [
    "output n. output big. n(is: N) :- N := count : fact(). n(is: 0 - 1).
     big(e: E, v: V) :- fact(entity: E), V := max X : fact(entity: E, value: X), !fact(entity: E, value: 0).",
    "output reach. reach(a: A, b: B) :- cause(cid: A, parent: B).
     reach(a: A, b: C) :- reach(a: A, b: B), reach(a: B, b: C).",
    "output self. output text. self(is: $item).
     text(of: E, is: concat(text(A), text(V))) :- fact(entity: E, attribute: A, value: V).",
];

/// What a program says of the facts that an item's model was told, computed alone.
fn alone(program: &str, item: &Item) -> BTreeMap<String, BTreeSet<Vec<Value>>> {
    let told: Vec<Told<'_>> = item.told().filter(|told| !label::is_system(told.attribute)).collect();
    if told.is_empty() || !item.is_alive() {
        return BTreeMap::new();
    }
    let compiled = compile_model_of(&Source::new("model", program), 65_536, &item.id().into()).unwrap();
    let mut inputs = Changes::new();
    let mut add = |name: &str, row| {
        if compiled.bases.iter().any(|base| &*base.name == name) {
            inputs.entry(name.into()).or_default().push((row, 1));
        }
    };
    for Told { cid, entity, attribute, value, causes, height, .. } in told {
        let cid = Value::from(cid);
        let (entity, attribute) = (entity.clone().into(), attribute.clone().into());
        add("fact", vec![entity, attribute, value.clone(), cid.clone()]);
        add("height", vec![cid.clone(), i64::try_from(height).unwrap().into()]);
        causes.iter().for_each(|parent| add("cause", vec![cid.clone(), (*parent).into()]));
    }
    let mut naive = Naive::new(compiled.program.clone()).unwrap();
    let outputs = naive.step(&inputs, Budget::default()).unwrap().into_iter();
    outputs.map(|(name, rows)| (name.to_string(), rows.into_iter().map(|(row, _)| row).collect())).collect()
}

fn check_alone(program: &str, item: &Item) {
    let mut rows = BTreeMap::new();
    if let Some(state) = item.state::<RulesState>() {
        assert_eq!(*state.status(), RulesStatus::Computed);
        for output in state.outputs() {
            let of: BTreeSet<Vec<Value>> = state.rows_of(&output.name).cloned().collect();
            if !of.is_empty() {
                rows.insert(output.name.to_string(), of);
            }
        }
    }
    assert_eq!(rows, alone(program, item), "item {} under {program}", item.id());
}

fn config(cases: u32) -> Config {
    let cases = std::env::var("MOTET_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    Config { cases, failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(config(40))]

    #[test]
    fn registers_are_those_of_an_object(case in cases()) {
        compare_with_object(&case, say_registers, program("register"), |(relation, _)| {
            *relation == BaseRelation::Candidate
        });
        compare_with_object(&case, say_registers, program("last-writer"), is_attr);
    }

    #[test]
    fn sets_are_those_of_an_object(case in cases()) {
        compare_with_object(&case, say_sets, program("set"), |_| true);
    }

    #[test]
    fn counters_are_those_of_an_object(case in cases()) {
        compare_with_object(&case, say_counters, program("counter"), is_attr);
    }

    #[test]
    fn a_list_is_its_insertions_without_what_was_deleted(case in cases()) {
        compare(&case, say_lists, program("sequence"), &mut |reading, _| list(reading));
    }

    #[test]
    fn a_tree_is_the_replay_of_its_moves(case in cases()) {
        compare(&case, say_moves, program("tree"), &mut |reading, _| tree(reading));
    }

    /// H20: lifted = one naive run per item.
    #[test]
    fn one_circuit_serves_all_items_each_as_alone(
        chosen in 0..LIBRARY.len() + MORE.len(),
        cases in prop::collection::vec(cases(), 3),
    ) {
        const SAY: [Say; 9] = [
            say_counters, say_registers, say_registers, say_lists, say_sets, say_moves,
            say_registers, say_lists, say_counters,
        ];
        let more = || MORE[chosen - LIBRARY.len()];
        let program = LIBRARY.get(chosen).map_or_else(more, |(_, program)| program);
        let registry = Registry::empty().with(rules(program));
        let histories: Vec<_> = cases.iter().zip(7..).map(|(case, nonce)| {
            build(&case.specs, ItemId::derive(&party(), &key(0), &[nonce; 16]), SAY[chosen])
        }).collect();
        let mut runs: Vec<Run<'_>> = histories.iter().map(|history| {
            Run::new(history, Item::new(history.party, history.id, &registry))
        }).collect();
        // In turn, so that all are in the circuit together.
        let orders: Vec<Vec<usize>> =
            histories.iter().zip(&cases).map(|(history, case)| arrival(history, &case.choices)).collect();
        for round in 0..12 {
            for ((run, order), case) in runs.iter_mut().zip(&orders).zip(&cases) {
                let step = &case.steps[round % case.steps.len()];
                if let Some(entry) = order.get(round) {
                    run.arrive(&[*entry], step.counted);
                }
                if step.recount {
                    run.recount(step.counted.rotate_left(round as u32));
                }
                check_alone(program, &run.item);
            }
        }
        runs.iter().for_each(|run| check_alone(program, &run.item));
        // One that is not loaded any more leaves the others as they are.
        runs.remove(0);
        for run in &mut runs {
            run.recount(u32::MAX);
            check_alone(program, &run.item);
        }
    }
}
