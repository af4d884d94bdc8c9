//! The model List against its stupid twin, a tree of slots that is built anew and walked each time: on random histories
//! of writers who know different entries, with moves of one element to several places, removals beside moves, entries
//! that are cut and counted again, and with placements that nobody in his right mind would make.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::writers::{Fresh, Replica, World, cases};
use motet_fact::{Cid, Entity, Fact, Value};
use motet_item::{BaseRelation, EditError, List, ListEdit, ListState, Model, State};
use proptest::prelude::*;

// The twin.

struct Twin {
    list: Entity,
    facts: BTreeMap<Cid, Fact>,
    counted: BTreeSet<Cid>,
    /// Where the slots hang that placements make: on what, and whether on the right.
    slots: BTreeMap<Cid, (Option<Cid>, bool)>,
}

impl Twin {
    fn read(world: &World, facts: &[(Fact, bool)]) -> Self {
        let (facts_by_cid, counted, slots) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        let mut twin = Twin { list: world.id.entity(), facts: facts_by_cid, counted, slots };
        for (fact, counted) in facts {
            let cid = fact.cid();
            twin.facts.insert(cid, fact.clone());
            if *counted {
                twin.counted.insert(cid);
            }
            let right = match fact.attribute().as_text() {
                Some("list/after") => true,
                Some("list/before") => false,
                _ => continue,
            };
            let parent = match fact.value() {
                Value::Link(parent) if fact.causes().contains(parent) && twin.slots.contains_key(parent) => {
                    Some(*parent)
                }
                Value::Bytes(bytes) if right && **bytes == world.id.0 => None,
                _ => continue,
            };
            twin.slots.insert(cid, (parent, right));
        }
        twin
    }

    fn height(&self, cid: &Cid) -> u64 {
        1 + self.facts[cid].causes().iter().map(|cause| self.height(cause)).max().unwrap_or(0)
    }

    fn spliced(&self, cid: &Cid) -> BTreeSet<Cid> {
        let causes = self.facts[cid].causes().iter();
        causes
            .flat_map(|cause| {
                if self.counted.contains(cause) { BTreeSet::from([*cause]) } else { self.spliced(cause) }
            })
            .collect()
    }

    fn of_place(&self, cid: &Cid) -> bool {
        self.slots.contains_key(cid) || self.facts[cid].attribute().as_text() == Some("list/remove")
    }

    /// The placement that each element is shown at.
    fn shown(&self) -> BTreeMap<Entity, Cid> {
        let mut shown: BTreeMap<Entity, Cid> = BTreeMap::new();
        let said: Vec<&Cid> = self.counted.iter().filter(|cid| self.of_place(cid)).collect();
        for &cid in &said {
            let element = self.facts[cid].entity();
            let replaced = said
                .iter()
                .any(|other| self.facts[other].entity() == element && self.spliced(other).contains(cid));
            if self.slots.contains_key(cid) && !replaced {
                let rank = |cid: &Cid| (self.height(cid), *cid);
                let winner = shown.entry(element.clone()).or_insert(*cid);
                if rank(cid) > rank(winner) {
                    *winner = *cid;
                }
            }
        }
        shown
    }

    /// What the list's own value is, is a property of the list.
    fn value(&self, element: &Entity) -> Option<Value> {
        if *element == self.list {
            return None;
        }
        let of = |cid: &&Cid| {
            self.facts[cid].entity() == element && self.facts[cid].attribute().as_text() == Some("value")
        };
        let said: Vec<&Cid> = self.counted.iter().filter(of).collect();
        let heads = said.iter().filter(|cid| !said.iter().any(|other| self.spliced(other).contains(cid)));
        heads.max_by_key(|cid| (self.height(cid), **cid)).map(|cid| self.facts[cid].value().clone())
    }

    fn walk(&self) -> Vec<Cid> {
        let mut order = Vec::new();
        self.below(None, true, &mut order);
        order
    }

    fn below(&self, parent: Option<Cid>, right: bool, order: &mut Vec<Cid>) {
        let mut children: Vec<(u64, Cid)> = Vec::new();
        for (cid, origin) in &self.slots {
            if *origin == (parent, right) {
                children.push((self.height(cid), *cid));
            }
        }
        children.sort();
        if right {
            children.reverse();
        }
        for (_, cid) in children {
            self.below(Some(cid), false, order);
            order.push(cid);
            self.below(Some(cid), true, order);
        }
    }

    fn elements(&self) -> Vec<(Entity, Value)> {
        let shown = self.shown();
        let walk = self.walk();
        let at = walk.iter().filter(|cid| shown.get(self.facts[cid].entity()) == Some(cid));
        at.filter_map(|cid| {
            let element = self.facts[cid].entity();
            Some((element.clone(), self.value(element)?))
        })
        .collect()
    }
}

// Histories.

#[derive(Clone, Debug)]
enum Action {
    Edit(Vec<(u8, u8, u8)>),
    /// Makes edits, and takes them back.
    TryOut(Vec<(u8, u8, u8)>),
    Learn {
        from: u8,
        some: u8,
    },
    Repeat {
        entry: u8,
    },
    Wild {
        shape: u8,
        element: u8,
        cause: u8,
        other: u8,
    },
    Cut {
        mask: u16,
    },
}

fn edit((shape, one, other): (u8, u8, u8), len: usize) -> ListEdit {
    let value = |number: u8| Value::Int(i64::from(number));
    if len == 0 || shape % 8 < 3 {
        let values = (0..shape % 3).map(|more| value(other.wrapping_add(more))).collect();
        return ListEdit::Insert { at: one as usize % (len + 1), values };
    }
    let (one, other) = (one as usize % len, other as usize % len);
    match shape % 8 {
        3 if one == 0 => ListEdit::Push(vec![value(shape)]),
        3 | 4 => ListEdit::Move { from: one, to: other },
        5 => ListEdit::Set { at: one, value: value(shape) },
        _ => ListEdit::Remove(one..(one + shape as usize % 3).min(len)),
    }
}

/// What an edit makes of a plain list.
fn apply(now: &mut Vec<(Option<Entity>, Value)>, edit: &ListEdit) {
    match edit.clone() {
        ListEdit::Push(values) => now.extend(values.into_iter().map(|value| (None, value))),
        ListEdit::Insert { at, values } => {
            now.splice(at..at, values.into_iter().map(|value| (None, value)));
        }
        ListEdit::Move { from, to } => {
            let moved = now.remove(from);
            now.insert(to, moved);
        }
        ListEdit::Set { at, value } => now[at].1 = value,
        ListEdit::Remove(range) => drop(now.drain(range)),
    }
}

struct Run {
    world: World,
    writers: Vec<Replica>,
    fresh: Vec<Fresh>,
}

impl Run {
    fn new() -> Self {
        let world = World::new(List::NAME);
        let writers = (0..3).map(|_| Replica::new(&world)).collect();
        Run { world, writers, fresh: (0..3).map(Fresh::new).collect() }
    }

    fn state(&self, writer: usize) -> &ListState {
        self.writers[writer].item.state().unwrap()
    }

    fn act(&mut self, writer: usize, action: &Action) {
        match action {
            Action::Edit(edits) => {
                let now = self.state(writer).elements();
                let mut now: Vec<_> =
                    now.into_iter().map(|element| (Some(element.entity), element.value)).collect();
                let mut made = Vec::new();
                for &numbers in edits {
                    let edit = edit(numbers, now.len());
                    apply(&mut now, &edit);
                    made.push(edit);
                }
                self.edit(writer, &made);
                let after = self.state(writer).elements();
                assert_eq!(after.len(), now.len());
                for (element, (entity, value)) in after.iter().zip(&now) {
                    assert_eq!(element.value, *value, "what was meant is said");
                    assert!(
                        entity.as_ref().is_none_or(|entity| *entity == element.entity),
                        "who moves stays itself"
                    );
                }
            }
            Action::TryOut(edits) => {
                let before = self.state(writer).elements();
                self.act(writer, &Action::Edit(edits.clone()));
                let said: Vec<Cid> = self.world.entries.last().unwrap().facts.iter().map(Fact::cid).collect();
                let fresh = &mut self.fresh[writer];
                let state: &ListState = self.writers[writer].item.state().unwrap();
                let facts = state.undo(&said, &mut || fresh.next()).unwrap().unwrap();
                self.state_facts(writer, facts);
                assert_eq!(self.state(writer).elements(), before, "what is taken back is as it was");
            }
            Action::Learn { from, some } => {
                let from = *from as usize % self.writers.len();
                let news: BTreeSet<usize> =
                    self.writers[from].known.difference(&self.writers[writer].known).copied().collect();
                let all: BTreeSet<usize> = self.writers[writer].known.union(&news).copied().collect();
                let order = self.world.order(&all, &[*some, some / 3]);
                let news: Vec<usize> = order.into_iter().filter(|entry| news.contains(entry)).collect();
                let count = news.len().min(1 + *some as usize);
                self.writers[writer].take(&self.world, &news[..count]);
            }
            Action::Repeat { entry } => {
                let known: Vec<usize> = self.writers[writer].known.iter().copied().collect();
                let facts = self.world.entries[known[*entry as usize % known.len()]].facts.clone();
                self.state_facts(writer, facts);
            }
            Action::Wild { shape, element, cause, other } => {
                let fact = self.wild(writer, *shape, *element, *cause, *other);
                self.state_facts(writer, vec![fact]);
            }
            Action::Cut { mask } => {
                let is_cut = |entry: &usize| *entry > 0 && mask >> (entry % 16) & 1 == 1;
                self.world.cut = (0..self.world.entries.len()).filter(is_cut).collect();
                let cut = self.world.cut.clone();
                self.writers[writer].recount(&self.world, &cut);
            }
        }
        check(&self.world, &self.writers[writer]);
    }

    fn wild(&mut self, writer: usize, shape: u8, element: u8, cause: u8, other: u8) -> Fact {
        let known: Vec<Fact> = self
            .world
            .facts(&self.writers[writer].known, &BTreeSet::new())
            .into_iter()
            .map(|(fact, _)| fact)
            .collect();
        let pick = |at: u8| &known[at as usize % known.len()];
        let entity = if shape & 1 == 0 { pick(element).entity().clone() } else { self.fresh[writer].next() };
        let attribute = ["list/after", "list/before", "list/remove", "value"][(shape >> 1) as usize % 4];
        let value = match shape >> 3 & 3 {
            0 => Value::from(self.world.id),
            1 => Value::Int(7),
            _ => Value::Link(pick(cause).cid()),
        };
        let causes = if shape & 32 == 0 {
            vec![pick(cause).cid(), pick(other).cid()]
        } else {
            vec![pick(other).cid()]
        };
        Fact::new(entity, attribute.into(), value, causes).unwrap()
    }

    fn edit(&mut self, writer: usize, edits: &[ListEdit]) {
        let fresh = &mut self.fresh[writer];
        let state: &ListState = self.writers[writer].item.state().unwrap();
        let facts = state.facts(edits, &mut || fresh.next()).unwrap();
        self.state_facts(writer, facts);
    }

    fn state_facts(&mut self, writer: usize, facts: Vec<Fact>) {
        let past = self.writers[writer].known.clone();
        let entry = self.world.write(&past, writer as u8, facts);
        self.world.cut.remove(&entry);
        self.writers[writer].take(&self.world, &[entry]);
    }

    fn meet(&mut self) {
        for writer in 0..3 {
            let news: Vec<usize> = (0..self.world.entries.len())
                .filter(|entry| !self.writers[writer].known.contains(entry))
                .collect();
            self.writers[writer].take(&self.world, &news);
            check(&self.world, &self.writers[writer]);
        }
    }

    fn values(&self, writer: usize) -> Vec<i64> {
        self.state(writer).elements().into_iter().map(|element| element.value.as_int().unwrap()).collect()
    }
}

fn check(world: &World, replica: &Replica) {
    let twin = Twin::read(world, &world.facts(&replica.known, &replica.cut));
    let state: &ListState = replica.item.state().unwrap();
    let elements = state.elements();
    let expected = twin.elements();
    assert_eq!(elements.iter().map(|it| (it.entity.clone(), it.value.clone())).collect::<Vec<_>>(), expected);
    assert_eq!(state.len(), expected.len());
    let rows = replica.rows();
    let mut keyed: Vec<(Value, Value)> = rows
        .iter()
        .filter(|(relation, _)| *relation == BaseRelation::Element)
        .map(|(_, row)| {
            assert_eq!(row[0], world.id.into());
            (row[2].clone(), row[1].clone())
        })
        .collect();
    keyed.sort();
    assert!(keyed.windows(2).all(|two| two[0].0 != two[1].0), "no two elements have one key");
    let by_key: Vec<Value> = keyed.into_iter().map(|(_, element)| element).collect();
    assert_eq!(by_key, expected.iter().map(|(entity, _)| entity.clone().into()).collect::<Vec<Value>>());
    for (index, element) in elements.iter().enumerate() {
        assert_eq!(state.index_of(&element.entity), Some(index));
        assert_eq!(state.get(index).as_ref(), Some(element));
    }
}

/// A replica that hears of everything in another order, and of other cuts on the way.
fn hear(world: &World, choices: &[u8]) -> Replica {
    let mut replica = Replica::new(world);
    let all: BTreeSet<usize> = (0..world.entries.len()).collect();
    let order = world.order(&all, choices);
    for (step, news) in order.chunks(3).enumerate() {
        replica.take(world, news);
        replica.take(world, news);
        let choice = choices[step % choices.len()] as usize;
        if choice.is_multiple_of(3) {
            let cut = all
                .iter()
                .copied()
                .filter(|entry| (entry + choice).is_multiple_of(4) && *entry > 0)
                .collect();
            replica.recount(world, &cut);
        }
        check(world, &replica);
        reads_back(&replica);
    }
    replica.recount(world, &world.cut);
    check(world, &replica);
    replica
}

fn reads_back(replica: &Replica) {
    let snapshot = replica.item.snapshot().unwrap();
    let restored = List.restore(replica.item.id(), &snapshot).unwrap();
    assert_eq!(restored.snapshot(), snapshot);
    let state: &ListState = replica.item.state().unwrap();
    assert_eq!(restored.digest(), state.digest());
    let restored: &ListState = restored.as_any().downcast_ref().unwrap();
    assert_eq!(restored.elements(), state.elements());
    for at in (0..snapshot.len()).step_by(41) {
        let mut damaged = snapshot.clone();
        damaged[at] ^= 1 << (at % 8);
        if let Ok(other) = List.restore(replica.item.id(), &damaged) {
            assert_eq!(other.snapshot(), damaged, "what is read is what would be written");
        }
    }
}

fn action() -> impl Strategy<Value = Action> {
    let byte = any::<u8>;
    prop_oneof![
        7 => prop::collection::vec((byte(), byte(), byte()), 1..4).prop_map(Action::Edit),
        1 => prop::collection::vec((byte(), byte(), byte()), 1..4).prop_map(Action::TryOut),
        4 => (byte(), byte()).prop_map(|(from, some)| Action::Learn { from, some }),
        1 => byte().prop_map(|entry| Action::Repeat { entry }),
        2 => (byte(), byte(), byte(), byte())
            .prop_map(|(shape, element, cause, other)| Action::Wild { shape, element, cause, other }),
        1 => any::<u16>().prop_map(|mask| Action::Cut { mask }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(80)))]

    #[test]
    fn a_list_equals_its_twin_whatever_is_written_cut_and_told_when(
        history in prop::collection::vec((0..3_usize, action()), 1..25),
        choices in prop::collection::vec(any::<u8>(), 1..12),
        others in prop::collection::vec(any::<u8>(), 1..12),
    ) {
        let mut run = Run::new();
        for (writer, action) in &history {
            run.act(*writer, action);
        }
        let (one, other) = (hear(&run.world, &choices), hear(&run.world, &others));
        prop_assert_eq!(one.rows(), other.rows());
        prop_assert_eq!(one.item.state_hash(), other.item.state_hash());
        prop_assert_eq!(one.item.snapshot(), other.item.snapshot());
    }
}

// Stories.

fn numbers(values: impl IntoIterator<Item = i64>) -> Vec<Value> {
    values.into_iter().map(Value::Int).collect()
}

#[test]
fn two_moves_of_one_element_bring_it_to_one_place() {
    let mut run = Run::new();
    run.edit(0, &[ListEdit::Insert { at: 0, values: numbers([1, 2, 3, 4]) }]);
    run.meet();
    run.edit(0, &[ListEdit::Move { from: 0, to: 3 }]);
    run.edit(1, &[ListEdit::Move { from: 0, to: 1 }]);
    run.edit(2, &[ListEdit::Set { at: 0, value: Value::Int(9) }]);
    run.meet();
    let values = run.values(0);
    assert!([vec![2, 9, 3, 4], vec![2, 3, 4, 9]].contains(&values), "{values:?}");
    assert_eq!(values, run.values(1));
    assert_eq!(values, run.values(2));
}

#[test]
fn who_moves_an_element_that_another_removes_keeps_it() {
    let mut run = Run::new();
    run.edit(0, &[ListEdit::Insert { at: 0, values: numbers([1, 2, 3]) }]);
    run.meet();
    run.edit(0, &[ListEdit::Remove(0..2)]);
    run.edit(1, &[ListEdit::Move { from: 0, to: 2 }]);
    run.edit(2, &[ListEdit::Set { at: 1, value: Value::Int(8) }]);
    run.meet();
    assert_eq!(run.values(0), [3, 1], "the moved one stays; the one that only got another value goes");
    run.edit(2, &[ListEdit::Remove(1..2)]);
    run.meet();
    assert_eq!(run.values(1), [3]);
}

#[test]
fn elements_put_in_at_one_place_do_not_interleave() {
    let mut run = Run::new();
    run.edit(0, &[ListEdit::Insert { at: 0, values: numbers([0, 100]) }]);
    run.meet();
    for at in 0..4 {
        run.edit(0, &[ListEdit::Insert { at: 1 + at, values: numbers([10 + at as i64]) }]);
        run.edit(1, &[ListEdit::Insert { at: 1, values: numbers([23 - at as i64]) }]);
    }
    run.meet();
    let values = run.values(2);
    let expected =
        [vec![0, 10, 11, 12, 13, 20, 21, 22, 23, 100], vec![0, 20, 21, 22, 23, 10, 11, 12, 13, 100]];
    assert!(expected.contains(&values), "{values:?}");
}

#[test]
fn an_insertion_changes_no_other_key_and_keys_stay_short() {
    let mut run = Run::new();
    run.edit(0, &[ListEdit::Insert { at: 0, values: numbers(0..300) }]);
    let facts = run
        .state(0)
        .facts(&[ListEdit::Insert { at: 150, values: numbers([7]) }], &mut || Entity::from([9; 16]));
    let past = run.writers[0].known.clone();
    let entry = run.world.write(&past, 0, facts.unwrap());
    let before = run.writers[0].rows();
    run.writers[0].take(&run.world, &[entry]);
    let after = run.writers[0].rows();
    let elements = |rows: &BTreeSet<(BaseRelation, Vec<Value>)>| {
        rows.iter().filter(|row| row.0 == BaseRelation::Element).count()
    };
    assert_eq!(elements(&after), elements(&before) + 1);
    assert!(before.is_subset(&after));
    for round in 0..50 {
        run.edit(0, &[ListEdit::Insert { at: 0, values: numbers([round]) }]);
        let len = run.state(0).len();
        run.edit(0, &[ListEdit::Insert { at: len, values: numbers([round]) }]);
    }
    let state = run.state(0);
    let longest =
        state.elements().iter().map(|element| state.order_key(&element.entity).unwrap().len()).max();
    assert!(longest.unwrap() <= 8, "{longest:?} bytes");
}

#[test]
fn edits_past_the_end_are_named() {
    let mut run = Run::new();
    run.edit(0, &[ListEdit::Insert { at: 0, values: numbers([1, 2]) }]);
    let state = run.state(0);
    let mut never = || unreachable!();
    for wrong in [
        ListEdit::Insert { at: 3, values: Vec::new() },
        ListEdit::Move { from: 2, to: 0 },
        ListEdit::Move { from: 0, to: 2 },
        ListEdit::Set { at: 2, value: Value::Int(1) },
        ListEdit::Remove(1..3),
    ] {
        assert!(matches!(state.facts(&[wrong], &mut never), Err(EditError::Outside { len: 2, .. })));
    }
}

#[test]
fn what_hangs_at_a_cut_element_stays() {
    let mut run = Run::new();
    run.edit(0, &[ListEdit::Insert { at: 0, values: numbers([1, 2]) }]);
    run.meet();
    run.edit(1, &[ListEdit::Insert { at: 1, values: numbers([15]) }]);
    run.edit(2, &[ListEdit::Move { from: 0, to: 1 }]);
    run.meet();
    assert_eq!(run.values(0), [15, 2, 1]);
    run.world.cut = BTreeSet::from([3]);
    let cut = run.world.cut.clone();
    for writer in 0..3 {
        run.writers[writer].recount(&run.world, &cut);
        check(&run.world, &run.writers[writer]);
    }
    assert_eq!(run.values(0), [1, 15, 2], "the move is cut: back where it was");
    run.world.cut = BTreeSet::from([1]);
    let cut = run.world.cut.clone();
    run.writers[0].recount(&run.world, &cut);
    check(&run.world, &run.writers[0]);
    assert_eq!(run.values(0), [15], "the moved one has a place, but no value any more");
}
