//! One item against its stupid twin: a reading of the rules over the set of entries, quadratic and without state, on
//! random histories with several feeds, forks, facts asserted twice, void causes, entries that cease to count and
//! count again, models that are not known at first, and any causal order of arrival.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Attribute, Cid, Codec, Entity, Fact, PublicKey, Value};
use motet_feed::Position;
use motet_item::{Assertion, BaseRelation, Change, Item, ItemId, Past, Registry, Void, label};
use proptest::prelude::*;

type Row = (BaseRelation, Vec<Value>);

// A history: entries that cite earlier ones, by index.

#[derive(Clone, Debug)]
struct EntryPlan {
    position: Position,
    past: BTreeSet<usize>,
    facts: Vec<Fact>,
}

struct History {
    party: PublicKey,
    id: ItemId,
    entries: Vec<EntryPlan>,
}

#[derive(Clone, Debug)]
struct FactSpec {
    shape: u8,
    entity: u8,
    name: u8,
    value: u8,
    causes: u8,
}

#[derive(Clone, Debug)]
struct EntrySpec {
    feed: u8,
    cites: u16,
    facts: Vec<FactSpec>,
}

fn key(byte: u8) -> PublicKey {
    PublicKey::from_bytes(&[byte; 32]).unwrap()
}

fn build(specs: &[EntrySpec], root: bool) -> History {
    let party = key(200);
    let id = if root { ItemId::root(&party) } else { ItemId::derive(&party, &key(0), &[7; 16]) };
    let mut history = History { party, id, entries: Vec::new() };
    let mut pool: Vec<Fact> = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        let cited: Vec<usize> =
            (0..index).rev().filter(|back| spec.cites >> (index - back - 1).min(15) & 1 == 1).collect();
        let mut past: BTreeSet<usize> = cited.iter().copied().collect();
        let mut depth = 1;
        for &cause in &cited {
            past.extend(history.entries[cause].past.iter().copied());
            depth = depth.max(1 + history.entries[cause].position.depth);
        }
        let name = Cid::of(Codec::Raw, &[index as u8]);
        let facts: Vec<Fact> = spec.facts.iter().map(|spec| fact(spec, id, &mut pool)).collect();
        let position = Position { depth, feed: key(spec.feed), id: name };
        history.entries.push(EntryPlan { position, past, facts });
    }
    history
}

fn fact(spec: &FactSpec, id: ItemId, pool: &mut Vec<Fact>) -> Fact {
    if spec.shape == 0 && !pool.is_empty() {
        return pool[spec.causes as usize % pool.len()].clone(); // stated again, by whoever
    }
    let entity =
        [id.entity(), Entity::from([1; 16]), Entity::from([2; 16])][spec.entity as usize % 3].clone();
    let value = Value::Int(i64::from(spec.value % 3));
    let (entity, name, value) = match spec.shape {
        1 => (id.entity(), label::GENESIS, Value::bytes([7 + spec.value % 2; 16].as_slice())),
        2 => (id.entity(), label::MODEL, ["object", "facts", "mystery"][spec.value as usize % 3].into()),
        3 => (id.entity(), label::TYPE, ["song", "dance"][spec.value as usize % 2].into()),
        4 => (id.entity(), label::PARENT, Value::bytes([spec.value; 32].as_slice())),
        5 => (id.entity(), label::DELETED, Value::Bool(spec.value.is_multiple_of(2))),
        _ => (entity, ["a", "b"][spec.name as usize % 2], value),
    };
    let recent = pool.iter().rev().take(6).enumerate();
    let mut causes: Vec<Cid> =
        recent.filter(|(back, _)| spec.causes >> back & 1 == 1).map(|(_, fact)| fact.cid()).collect();
    if spec.causes == 255 {
        causes.push(Cid::of(Codec::DagCbor, b"never written"));
    }
    let fact = Fact::new(entity, name.into(), value, causes).unwrap();
    pool.push(fact.clone());
    fact
}

impl Past for History {
    fn reaches(&self, descendant: &Cid, ancestor: &Cid) -> bool {
        let index = |id: &Cid| self.entries.iter().position(|entry| entry.position.id == *id).unwrap();
        let (descendant, ancestor) = (index(descendant), index(ancestor));
        descendant == ancestor || self.entries[descendant].past.contains(&ancestor)
    }
}

// The twin.

struct Twin<'a> {
    history: &'a History,
    counted: &'a BTreeSet<usize>,
    known: &'a [&'a str],
    /// (entry, fact) that are valid.
    valid: BTreeSet<(usize, Cid)>,
    facts: BTreeMap<Cid, Fact>,
    voids: BTreeSet<Void>,
}

impl<'a> Twin<'a> {
    fn read(
        history: &'a History,
        present: &'a BTreeSet<usize>,
        counted: &'a BTreeSet<usize>,
        known: &'a [&'a str],
    ) -> Self {
        let (valid, facts, voids) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
        let mut twin = Twin { history, counted, known, valid, facts, voids };
        present.iter().for_each(|&entry| twin.read_entry(entry));
        twin
    }

    fn read_entry(&mut self, entry: usize) {
        let plan = &self.history.entries[entry];
        for fact in &plan.facts {
            let past = || plan.past.iter().chain([&entry]);
            let missing = fact
                .causes()
                .iter()
                .find(|&&cause| !past().any(|&other| self.valid.contains(&(other, cause))));
            if self.voids.iter().any(|void| (void.entry, void.fact) == (plan.position, fact.cid())) {
                continue; // an entry's first word about a fact decides
            }
            if let Some(&cause) = missing {
                self.voids.insert(Void { entry: plan.position, fact: fact.cid(), cause });
            } else {
                self.valid.insert((entry, fact.cid()));
                self.facts.insert(fact.cid(), fact.clone());
            }
        }
    }

    fn counts(&self, cid: &Cid) -> bool {
        self.counted.iter().any(|&entry| self.valid.contains(&(entry, *cid)))
    }

    fn height(&self, cid: &Cid) -> i64 {
        1 + self.facts[cid].causes().iter().map(|cause| self.height(cause)).max().unwrap_or(0)
    }

    fn spliced(&self, cid: &Cid) -> BTreeSet<Cid> {
        let causes = self.facts[cid].causes().iter();
        causes
            .flat_map(|cause| if self.counts(cause) { BTreeSet::from([*cause]) } else { self.spliced(cause) })
            .collect()
    }

    fn counting(&self) -> Vec<(Cid, &Fact)> {
        self.facts.iter().filter(|(cid, _)| self.counts(cid)).map(|(cid, fact)| (*cid, fact)).collect()
    }

    /// Rule 4.1: `mv(e, a, v, cid)`.
    fn candidates(&self) -> Vec<(Cid, &Fact)> {
        let ops = self.counting();
        let same =
            |one: &Fact, other: &Fact| (one.entity(), one.attribute()) == (other.entity(), other.attribute());
        let over = |cid: &Cid, fact: &Fact| {
            ops.iter().any(|(c, op)| same(op, fact) && self.spliced(c).contains(cid))
        };
        ops.iter().filter(|(cid, fact)| !over(cid, fact)).copied().collect()
    }

    /// Rule 4.2: `win(e, a, cid)`.
    fn winners(&self) -> BTreeMap<(Entity, Attribute), (i64, Cid)> {
        let mut winners = BTreeMap::new();
        for (cid, fact) in self.candidates() {
            let rank = (self.height(&cid), cid);
            let top = winners.entry((fact.entity().clone(), fact.attribute().clone())).or_insert(rank);
            *top = rank.max(*top);
        }
        winners
    }

    fn system(&self, name: &str) -> Option<&Value> {
        let (_, cid) = *self.winners().get(&(self.history.id.entity(), name.into()))?;
        Some(self.facts[&cid].value())
    }

    fn genesis(&self) -> Option<usize> {
        let is = |&entry: &usize| {
            let feed = self.history.entries[entry].position.feed;
            self.facts.iter().any(|(cid, fact)| {
                let nonce = fact.value().as_bytes().and_then(|bytes| bytes.try_into().ok());
                self.valid.contains(&(entry, *cid))
                    && *fact.entity() == self.history.id.entity()
                    && fact.attribute().as_text() == Some(label::GENESIS)
                    && nonce.is_some_and(|nonce| {
                        ItemId::derive(&self.history.party, &feed, &nonce) == self.history.id
                    })
            })
        };
        let counted = self.counted.iter().copied().filter(is);
        counted.min_by_key(|&entry| self.history.entries[entry].position)
    }

    fn model(&self) -> Option<String> {
        let genesis = self.genesis()?;
        let named = self.facts.iter().filter(|(cid, fact)| {
            self.valid.contains(&(genesis, **cid))
                && *fact.entity() == self.history.id.entity()
                && fact.attribute().as_text() == Some(label::MODEL)
        });
        let winner = named.max_by_key(|(cid, _)| (self.height(cid), **cid));
        Some(winner.map(|(_, fact)| fact.value().as_text().unwrap().to_owned()).unwrap_or_default())
    }

    fn rows(&self) -> BTreeSet<Row> {
        let mut rows = BTreeSet::new();
        for (cid, fact) in self.counting() {
            rows.insert((BaseRelation::Height, vec![cid.into(), self.height(&cid).into()]));
            let stating = self.counted.iter().filter(|&&entry| self.valid.contains(&(entry, cid)));
            for source in stating.map(|&entry| self.history.entries[entry].position.id) {
                let (e, a) = (fact.entity().clone().into(), fact.attribute().clone().into());
                rows.insert((
                    BaseRelation::Fact,
                    vec![e, a, fact.value().clone(), cid.into(), source.into()],
                ));
                for parent in self.spliced(&cid) {
                    rows.insert((BaseRelation::Cause, vec![cid.into(), parent.into(), source.into()]));
                }
            }
        }
        let root = self.history.id == ItemId::root(&self.history.party);
        let model = if root { Some("object".to_owned()) } else { self.model() };
        if let Some(model) = model {
            if model == "object" && self.known.contains(&"object") {
                self.object_rows(&mut rows);
            }
            rows.insert((BaseRelation::Item, if root { self.root_row() } else { self.item_row(&model) }));
        }
        rows
    }

    fn object_rows(&self, rows: &mut BTreeSet<Row>) {
        for (cid, fact) in self.candidates() {
            if !label::is_system(fact.attribute()) {
                let (e, a, v) = (fact.entity().clone(), fact.attribute().clone(), fact.value().clone());
                rows.insert((BaseRelation::Candidate, vec![e.into(), a.into(), v, cid.into()]));
            }
        }
        for ((e, a), (_, cid)) in self.winners() {
            if !label::is_system(&a) {
                rows.insert((BaseRelation::Attr, vec![e.into(), a.into(), self.facts[&cid].value().clone()]));
            }
        }
    }

    fn root_row(&self) -> Vec<Value> {
        let nothing = Value::bytes([].as_slice());
        vec![self.history.id.into(), "object".into(), "motet/party".into(), nothing, false.into()]
    }

    fn item_row(&self, model: &str) -> Vec<Value> {
        let kind = self.system(label::TYPE).cloned().unwrap_or("".into());
        let parent = self.system(label::PARENT).cloned().unwrap_or(Value::bytes([].as_slice()));
        let deleted = self.system(label::DELETED).cloned().unwrap_or(false.into());
        vec![self.history.id.into(), model.into(), kind, parent, deleted]
    }
}

// The comparison.

fn rows_of(item: &Item) -> BTreeSet<Row> {
    let mut rows = BTreeSet::new();
    item.rows(&mut |relation, row| assert!(rows.insert((relation, row)), "a row is given once"));
    rows
}

/// Adds changes to the rows; they must be net, and leave a set.
fn apply(rows: &mut BTreeSet<Row>, changes: Vec<Change>) {
    let mut seen = BTreeSet::new();
    for Change { relation, row, weight } in changes {
        let row = (relation, row);
        assert!(seen.insert(row.clone()), "net: {row:?} comes once");
        match weight {
            1 => assert!(rows.insert(row.clone()), "{row:?} was not there before"),
            -1 => assert!(rows.remove(&row), "{row:?} was there before"),
            other => panic!("{row:?} has weight {other}"),
        }
    }
}

fn assertions<'a>(history: &'a History, entries: &[usize], counted: &BTreeSet<usize>) -> Vec<Assertion<'a>> {
    let of = |&entry: &usize| {
        let EntryPlan { position, facts, .. } = &history.entries[entry];
        let counted = counted.contains(&entry);
        facts.iter().map(move |fact| Assertion { fact, entry: *position, counted })
    };
    entries.iter().flat_map(of).collect()
}

/// A causal order that the numbers choose.
fn arrival(history: &History, choices: &[u8]) -> Vec<usize> {
    let (mut order, mut left): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..history.entries.len()).collect());
    let mut choices = choices.iter().cycle();
    while !left.is_empty() {
        let ready = |entry: &usize| history.entries[*entry].past.iter().all(|cause| order.contains(cause));
        let ready: Vec<usize> = left.iter().copied().filter(ready).collect();
        let next = ready[*choices.next().unwrap() as usize % ready.len()];
        left.retain(|&entry| entry != next);
        order.push(next);
    }
    order
}

fn facts_only() -> Registry {
    Registry::empty().with(motet_item::Facts)
}

/// What happens between arrivals: which entries count from then on, as bits.
#[derive(Clone, Debug)]
struct Step {
    take: u8,
    counted: u32,
    recount: bool,
}

struct Run<'a> {
    history: &'a History,
    item: Item,
    rows: BTreeSet<Row>,
    present: BTreeSet<usize>,
    counted: BTreeSet<usize>,
    known: &'static [&'static str],
}

impl<'a> Run<'a> {
    fn new(history: &'a History) -> Self {
        let item = Item::new(history.party, history.id, &facts_only());
        let (rows, present, counted) = (rows_of(&item), BTreeSet::new(), BTreeSet::new());
        Run { history, item, rows, present, counted, known: &["facts"] }
    }

    fn arrive(&mut self, entries: &[usize], counts: u32) {
        self.present.extend(entries);
        self.counted.extend(entries.iter().filter(|&&entry| counts >> entry & 1 == 1));
        let batch = assertions(self.history, entries, &self.counted);
        let changes = self.item.assert(&batch, self.history);
        apply(&mut self.rows, changes);
        self.check();
    }

    fn recount(&mut self, counts: u32) {
        self.counted = self.present.iter().copied().filter(|entry| counts >> entry & 1 == 1).collect();
        let flags = |entry: usize| (self.history.entries[entry].position.id, self.counted.contains(&entry));
        let entries =
            (0..self.history.entries.len()).filter(|entry| self.present.contains(entry)).map(flags).collect();
        let changes = self.item.recount(&entries);
        apply(&mut self.rows, changes);
        self.check();
    }

    fn revive(&mut self) {
        self.known = &["facts", "object"];
        let changes = self.item.revive(&Registry::builtin());
        apply(&mut self.rows, changes);
        self.check();
    }

    fn check(&self) {
        let twin = Twin::read(self.history, &self.present, &self.counted, self.known);
        assert_eq!(self.rows, twin.rows(), "the changes add up to what the twin reads");
        assert_eq!(rows_of(&self.item), twin.rows(), "the rows are what the twin reads");
        assert_eq!(self.item.voids().collect::<BTreeSet<_>>(), twin.voids);
        assert_eq!(self.item.sizes(), (twin.counting().len(), twin.facts.len()));
        self.check_registers(&twin);
    }

    fn check_registers(&self, twin: &Twin<'_>) {
        for name in ["a", label::PARENT] {
            let (entity, attribute) = (self.history.id.entity(), Attribute::from(name));
            let mut heads: Vec<Cid> = twin
                .candidates()
                .iter()
                .filter(|(_, fact)| (fact.entity(), fact.attribute()) == (&entity, &attribute))
                .map(|(cid, _)| *cid)
                .collect();
            if !label::is_system(&attribute) && (self.item.model() != Some("object") || !self.item.is_alive())
            {
                heads.clear();
            }
            assert_eq!(self.item.heads(&entity, &attribute), heads, "heads of {name}");
            let winner = self.item.candidates(&entity, &attribute).last().map(|(cid, _)| *cid);
            let expected = twin.winners().get(&(entity, attribute)).map(|(_, cid)| *cid);
            assert!(heads.is_empty() || winner == expected, "winner of {name}");
        }
    }
}

fn from_scratch(history: &History, order: &[usize], counted: &BTreeSet<usize>) -> Item {
    let mut item = Item::new(history.party, history.id, &Registry::builtin());
    item.assert(&assertions(history, order, counted), history);
    item
}

fn specs() -> impl Strategy<Value = Vec<EntrySpec>> {
    let fact = (0..16_u8, any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>())
        .prop_map(|(shape, entity, name, value, causes)| FactSpec { shape, entity, name, value, causes });
    let entry = (0..3_u8, any::<u16>(), prop::collection::vec(fact, 0..5))
        .prop_map(|(feed, cites, facts)| EntrySpec { feed, cites: cites | cites >> 8, facts });
    prop::collection::vec(entry, 1..12)
}

/// Most histories begin with a genesis, and some with none or several.
fn with_genesis(mut specs: Vec<EntrySpec>, genesis: bool) -> Vec<EntrySpec> {
    if genesis {
        let fact = |shape| FactSpec { shape, entity: 0, name: 0, value: 0, causes: 0 };
        specs.insert(0, EntrySpec { feed: 0, cites: 0, facts: vec![fact(1), fact(2)] });
    }
    specs
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (1..4_u8, any::<u32>(), any::<u32>(), any::<bool>())
        .prop_map(|(take, one, other, recount)| Step { take, counted: one | other, recount });
    prop::collection::vec(step, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn an_item_equals_its_twin_whatever_arrives_when(
        specs in specs(),
        (genesis, root) in (prop::bool::weighted(0.8), prop::bool::weighted(0.1)),
        choices in prop::collection::vec(any::<u8>(), 1..16),
        other_choices in prop::collection::vec(any::<u8>(), 1..16),
        steps in steps(),
        revive_at in 0..8_usize,
    ) {
        let history = build(&with_genesis(specs, genesis), root);
        let order = arrival(&history, &choices);
        let mut run = Run::new(&history);
        let mut waiting = order.as_slice();
        for (index, step) in steps.iter().cycle().enumerate() {
            if index == revive_at {
                run.revive();
            }
            let (now, later) = waiting.split_at(waiting.len().min(step.take.into()));
            run.arrive(now, step.counted);
            waiting = later;
            if step.recount {
                run.recount(step.counted.rotate_left(index as u32));
            }
            if waiting.is_empty() && index >= revive_at {
                break;
            }
        }
        let again = run.item.assert(&assertions(&history, &order, &run.counted), &history);
        prop_assert_eq!(again, vec![], "giving it all again changes nothing");

        let scratch = from_scratch(&history, &arrival(&history, &other_choices), &run.counted);
        prop_assert_eq!(rows_of(&scratch), rows_of(&run.item));
        prop_assert_eq!(scratch.state_hash(), run.item.state_hash());
        prop_assert_eq!(scratch.facts_hash(), run.item.facts_hash());
        prop_assert_eq!(scratch.snapshot(), run.item.snapshot());
        snapshots_read_back(&scratch);

        let hash = run.item.facts_hash();
        let twin = |counted: &BTreeSet<usize>| -> BTreeSet<Cid> {
            let present = run.present.clone();
            let twin = Twin::read(&history, &present, counted, run.known);
            twin.counting().iter().map(|(cid, _)| *cid).collect()
        };
        let (some, all) = (twin(&run.counted), twin(&run.present));
        run.recount(u32::MAX);
        prop_assert_eq!(some == all, hash == run.item.facts_hash(), "the hash tells sets of facts apart");
        run.recount(0);
        let nothing = Item::new(history.party, history.id, &Registry::builtin());
        prop_assert_eq!(run.item.state_hash(), nothing.state_hash(), "what is withdrawn leaves no trace");
    }
}

fn snapshots_read_back(item: &Item) {
    let Some(snapshot) = item.snapshot() else { return };
    let registry = Registry::builtin();
    let model = registry.get("object").unwrap();
    let restored = model.restore(item.id(), &snapshot).unwrap();
    assert_eq!(restored.snapshot(), snapshot);
    for at in (0..snapshot.len()).step_by(7) {
        let mut damaged = snapshot.clone();
        damaged[at] ^= 1 << (at % 8);
        if let Ok(other) = model.restore(item.id(), &damaged) {
            assert_eq!(other.snapshot(), damaged, "what is read is what would be written");
        }
    }
    let mut rows = BTreeSet::new();
    restored.rows(&mut |relation, row| assert!(rows.insert((relation, row))));
    let published = |row: &Row| matches!(row.0, BaseRelation::Attr | BaseRelation::Candidate);
    assert_eq!(rows, rows_of(item).into_iter().filter(published).collect());
}
