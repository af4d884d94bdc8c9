//! One item against its stupid twin: a reading of the rules over the set of entries, quadratic and without state, on
//! random histories with several feeds, forks, facts asserted twice, void causes, entries that cease to count and
//! count again, models that are not known at first, and any causal order of arrival.

use crate::common;

use std::collections::{BTreeMap, BTreeSet};

use crate::common::{
    FactSpec, History, Reading, Row, Run, arrival, assertions, beginning_with, build, ordinary, party,
    rows_of, saved_and_restored, snapshots_read_back, specs, steps,
};
use motet_fact::{Attribute, Cid, Entity, Fact, Value};
use motet_item::{BaseRelation, Item, ItemId, Reference, Registry, label};
use proptest::prelude::*;

// What is said.

const PROPERTIES: [&str; 3] = ["a", "b", "b.c"];

fn say(spec: &FactSpec, id: ItemId) -> (Entity, Attribute, Value) {
    let fresh = Entity::from([spec.entity % 8; 16]);
    let own = id.entity();
    let property = PROPERTIES[spec.name as usize % 3];
    let entity = [own.clone(), own.clone(), Entity::from([1; 16])][spec.entity as usize % 3].clone();
    let value = match spec.value % 6 {
        0 => Reference::here(ItemId([spec.value; 32])).into(),
        1 => i64::MAX.into(),
        other => Value::Int(i64::from(other)),
    };
    let (entity, name, value) = match spec.shape {
        1 => (own, label::GENESIS.to_owned(), Value::bytes([7 + spec.value % 2; 16].as_slice())),
        2 => (own, label::MODEL.to_owned(), ["object", "facts", "mystery"][spec.value as usize % 3].into()),
        3 => (own, label::TYPE.to_owned(), ["song", "dance", ""][spec.value as usize % 3].into()),
        4 => (own, label::VERSION.to_owned(), Value::Int(i64::from(spec.value % 8 / 7) + 1)),
        5 => (own, label::DELETED.to_owned(), Value::Bool(spec.value.is_multiple_of(2))),
        6 => (own, label::PURGED.to_owned(), Value::Bool(spec.value % 4 == 1)),
        7 | 8 => (entity, label::REMOVE.to_owned(), removed(spec, property)),
        9 | 10 => (fresh, format!("{}{property}", label::ADD), value),
        11 | 12 => (fresh, format!("{}{property}", label::INCREMENT), value),
        13 => (fresh, format!("{}motet/type", label::ADD), value),
        _ => (entity, property.to_owned(), value),
    };
    (entity, name.into(), value)
}

/// What a removal removes: mostly a property, and sometimes what can't be one.
fn removed(spec: &FactSpec, property: &str) -> Value {
    match spec.value % 16 {
        0 => true.into(),
        1 => label::TYPE.into(),
        _ => property.into(),
    }
}

const SHAPES: u8 = 22;

// The twin.

struct Twin<'a> {
    reading: &'a Reading<'a>,
    known: &'a [&'a str],
}

type Name = (Entity, Attribute);

impl Twin<'_> {
    fn id(&self) -> ItemId {
        self.reading.history.id
    }

    fn is_own(&self, fact: &Fact) -> bool {
        *fact.entity() == self.id().entity()
    }

    /// The register that a fact belongs to, and whether it is a removal.
    fn register(&self, fact: &Fact) -> Option<(Name, bool)> {
        let name = fact.attribute().as_text().unwrap();
        if name == label::REMOVE {
            let property = Attribute::new(fact.value().clone()).ok()?;
            return (!label::is_reserved(&property)).then(|| ((fact.entity().clone(), property), true));
        }
        let is_operation = name.starts_with(label::ADD) || name.starts_with(label::INCREMENT);
        (!is_operation).then(|| ((fact.entity().clone(), fact.attribute().clone()), false))
    }

    /// Rule 4.1: the heads of a register that are removals, or are not.
    fn heads(&self, removals: bool) -> Vec<(Name, Cid, &Fact)> {
        let of = |(cid, fact)| Some((self.register(fact)?, cid, fact));
        let ops: Vec<((Name, bool), Cid, &Fact)> =
            self.reading.counting().into_iter().filter_map(of).collect();
        let over = |name: &Name, cid: &Cid| {
            ops.iter().any(|((other, _), c, _)| other == name && self.reading.spliced(c).contains(cid))
        };
        let heads = ops.iter().filter(|((name, removes), cid, _)| *removes == removals && !over(name, cid));
        heads.map(|((name, _), cid, fact)| (name.clone(), *cid, *fact)).collect()
    }

    /// Rule 4.2: the winner of each register.
    fn winners(&self) -> BTreeMap<Name, (i64, Cid)> {
        let mut winners = BTreeMap::new();
        for (name, cid, _) in self.heads(false) {
            let rank = (self.reading.height(&cid), cid);
            let top = winners.entry(name).or_insert(rank);
            *top = rank.max(*top);
        }
        winners
    }

    /// Rule 4.3: the adds that no removal from the same property of the item cites.
    fn elements(&self) -> Vec<(Attribute, Value, Cid)> {
        let operations = |(cid, fact)| Some((self.register(fact)?, cid, fact));
        let removals: Vec<((Name, bool), Cid, &Fact)> =
            self.reading.counting().into_iter().filter_map(operations).collect();
        let mut elements = Vec::new();
        for (cid, fact) in self.reading.counting() {
            let Some(property) = operand(fact, label::ADD) else { continue };
            let removed = removals.iter().any(|((name, removes), other, fact)| {
                *removes
                    && self.is_own(fact)
                    && name.1 == property
                    && self.reading.spliced(other).contains(&cid)
            });
            if !removed {
                elements.push((property, fact.value().clone(), cid));
            }
        }
        elements
    }

    /// Rule 4.4, upon the heads: the value of a register, counted up.
    fn figures(&self) -> BTreeMap<Name, Value> {
        let mut increments: Vec<(Attribute, i128, BTreeSet<Cid>)> = Vec::new();
        for (cid, fact) in self.reading.counting() {
            if let (Some(property), Some(by)) = (operand(fact, label::INCREMENT), fact.value().as_int()) {
                increments.push((property, by.into(), self.reading.spliced(&cid)));
            }
        }
        let own = self.id().entity();
        let (winners, removals) = (self.winners(), self.heads(true));
        let mut figures = BTreeMap::new();
        for (name, (_, cid)) in &winners {
            let value = self.reading.facts[cid].value();
            let upon = increments.iter().filter(|(of, _, cites)| *of == name.1 && cites.contains(cid));
            let total: i128 = upon.map(|(_, by, _)| by).sum();
            match (name.0 == own, value.as_int()) {
                (true, Some(int)) => {
                    if let Ok(sum) = i64::try_from(total + i128::from(int)) {
                        figures.insert(name.clone(), Value::Int(sum));
                    }
                }
                _ => {
                    figures.insert(name.clone(), value.clone());
                }
            }
        }
        for property in PROPERTIES.map(Attribute::from) {
            let name = (own.clone(), property.clone());
            if winners.contains_key(&name) {
                continue;
            }
            let gone: Vec<Cid> =
                removals.iter().filter(|(of, ..)| *of == name).map(|(_, cid, _)| *cid).collect();
            let since = increments.iter().filter(|(of, _, cites)| {
                *of == property
                    && match cites.last() {
                        None => gone.is_empty(),
                        Some(last) => gone.contains(last),
                    }
            });
            let since: Vec<i128> = since.map(|(_, by, _)| *by).collect();
            if let (1.., Ok(sum @ (..=-1 | 1..))) = (since.len(), i64::try_from(since.iter().sum::<i128>())) {
                figures.insert(name, Value::Int(sum));
            }
        }
        figures
    }

    fn system(&self, name: &str) -> Option<&Value> {
        let (_, cid) = *self.winners().get(&(self.id().entity(), name.into()))?;
        Some(self.reading.facts[&cid].value())
    }

    fn genesis(&self) -> Option<usize> {
        let history = self.reading.history;
        let is = |&entry: &usize| {
            let feed = history.entries[entry].position.feed;
            self.reading.facts.iter().any(|(cid, fact)| {
                let nonce = fact.value().as_bytes().and_then(|bytes| bytes.try_into().ok());
                self.reading.valid.contains_key(&(entry, *cid))
                    && self.is_own(fact)
                    && fact.attribute().as_text() == Some(label::GENESIS)
                    && nonce.is_some_and(|nonce| ItemId::derive(&history.party, &feed, &nonce) == history.id)
            })
        };
        let counted = self.reading.counted.iter().copied().filter(is);
        counted.min_by_key(|&entry| history.entries[entry].position)
    }

    /// What the genesis says first: the winner among what its entry states.
    fn born(&self, genesis: usize, name: &str) -> Option<&Value> {
        let named = self.reading.facts.iter().filter(|(cid, fact)| {
            self.reading.valid.contains_key(&(genesis, **cid))
                && self.is_own(fact)
                && fact.attribute().as_text() == Some(name)
        });
        named.max_by_key(|(cid, _)| (self.reading.height(cid), **cid)).map(|(_, fact)| fact.value())
    }

    fn is_purged(&self) -> bool {
        let says = |fact: &Fact| self.is_own(fact) && fact.attribute().as_text() == Some(label::PURGED);
        self.reading.counting().iter().any(|(_, fact)| says(fact) && *fact.value() == Value::Bool(true))
    }

    /// Name and version.
    fn model(&self) -> Option<(String, i64)> {
        let genesis = self.genesis().filter(|_| !self.is_purged())?;
        let name = self.born(genesis, label::MODEL).map(|name| name.as_text().unwrap().to_owned());
        let version = self.born(genesis, label::VERSION).map_or(1, |version| version.as_int().unwrap());
        Some((name.unwrap_or_default(), version))
    }

    fn is_object(&self) -> bool {
        let root = self.id() == ItemId::root(&party());
        let model = if root { Some(("object".to_owned(), 1)) } else { self.model() };
        model == Some(("object".to_owned(), 1)) && self.known.contains(&"object")
    }

    fn rows(&self) -> BTreeSet<Row> {
        let mut rows = self.reading.fact_rows();
        let root = self.id() == ItemId::root(&party());
        if self.is_object() {
            self.object_rows(&mut rows);
        }
        if root {
            rows.insert((BaseRelation::Item, self.root_row()));
        } else if let Some((model, _)) = self.model() {
            rows.insert((BaseRelation::Item, self.item_row(&model)));
        }
        rows
    }

    fn object_rows(&self, rows: &mut BTreeSet<Row>) {
        for (name, cid, fact) in self.heads(false) {
            if !label::is_reserved(fact.attribute()) {
                let (e, a, v) = (name.0, name.1, shown(fact.value()));
                rows.insert((BaseRelation::Candidate, vec![e.into(), a.into(), v, cid.into()]));
            }
        }
        let own = || Value::from(self.id().entity());
        for (property, value, cid) in self.elements() {
            let row = vec![own(), property.clone().into(), shown(&value), cid.into()];
            rows.insert((BaseRelation::Candidate, row));
            show(own(), &property, &value, rows);
        }
        for ((e, a), value) in self.figures() {
            if !label::is_reserved(&a) {
                show(e.into(), &a, &value, rows);
            }
        }
    }

    fn root_row(&self) -> Vec<Value> {
        let nothing = Value::bytes([].as_slice());
        vec![self.id().into(), "object".into(), "motet/party".into(), nothing, false.into()]
    }

    fn item_row(&self, model: &str) -> Vec<Value> {
        let kind = self.system(label::TYPE).cloned().unwrap_or("".into());
        let deleted = self.system(label::DELETED).cloned().unwrap_or(false.into());
        vec![self.id().into(), model.into(), kind, Value::bytes([].as_slice()), deleted]
    }
}

/// The property that an operation is of.
fn operand(fact: &Fact, label: &str) -> Option<Attribute> {
    let property = Attribute::from(fact.attribute().as_text().unwrap().strip_prefix(label)?);
    (!label::is_reserved(&property)).then_some(property)
}

fn shown(value: &Value) -> Value {
    Reference::of(value).map_or(value.clone(), |reference| reference.target())
}

fn show(entity: Value, attribute: &Attribute, value: &Value, rows: &mut BTreeSet<Row>) {
    let row = vec![entity, attribute.clone().into(), shown(value)];
    if Reference::of(value).is_some() {
        rows.insert((BaseRelation::Refers, row.clone()));
    }
    rows.insert((BaseRelation::Attr, row));
}

// The comparison.

fn facts_only() -> Registry {
    Registry::empty().with(motet_item::Facts)
}

fn check(run: &Run<'_>, known: &[&str]) {
    let reading = run.reading();
    let twin = Twin { reading: &reading, known };
    assert_eq!(run.rows, twin.rows(), "the changes add up to what the twin reads");
    assert_eq!(rows_of(&run.item), twin.rows(), "the rows are what the twin reads");
    assert_eq!(run.item.voids().collect::<BTreeSet<_>>(), reading.voids);
    assert_eq!(run.item.sizes(), (reading.counting().len(), reading.facts.len()));
    for (cid, _) in reading.counting() {
        assert_eq!(run.item.place(&cid), Some(reading.place(&cid)));
    }
    check_registers(&run.item, &twin);
}

fn check_registers(item: &Item, twin: &Twin<'_>) {
    for name in ["a", "b.c", label::TYPE] {
        let register = (item.id().entity(), Attribute::from(name));
        let of = |removals: bool| -> Vec<Cid> {
            let heads = twin.heads(removals);
            heads.iter().filter(|(of, ..)| *of == register).map(|(_, cid, _)| *cid).collect()
        };
        let mut heads = [of(false), of(true)].concat();
        let hidden = !label::is_reserved(&register.1) && !twin.is_object();
        if hidden {
            heads.clear();
        }
        let said = item.heads(&register.0, &register.1);
        assert_eq!(said.iter().collect::<BTreeSet<_>>(), heads.iter().collect(), "heads of {name}");
        let winner = item.candidates(&register.0, &register.1).last().map(|(cid, _)| *cid);
        let expected = twin.winners().get(&register).map(|(_, cid)| *cid).filter(|_| !hidden);
        assert_eq!(winner, expected, "winner of {name}");
        assert!(winner.is_none() || said.first() == winner.as_ref(), "the winner comes first");
    }
}

fn from_scratch(history: &History, order: &[usize], counted: &BTreeSet<usize>) -> Item {
    let mut item = Item::new(history.party, history.id, &Registry::builtin());
    item.assert(&assertions(history, order, counted), history);
    item
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn an_item_equals_its_twin_whatever_arrives_when(
        specs in specs(SHAPES),
        (genesis, root) in (prop::bool::weighted(0.8), prop::bool::weighted(0.1)),
        choices in prop::collection::vec(any::<u8>(), 1..16),
        other_choices in prop::collection::vec(any::<u8>(), 1..16),
        steps in steps(),
        revive_at in 0..8_usize,
    ) {
        let specs = if genesis { beginning_with(specs, &[1, 2]) } else { specs };
        let id = if root { ItemId::root(&party()) } else { ordinary() };
        let history = build(&specs, id, say);
        let order = arrival(&history, &choices);
        let mut run = Run::new(&history, Item::new(history.party, history.id, &facts_only()));
        let mut known = vec!["facts"];
        run.tell(&order, &steps, &mut |run, index| {
            check(run, &known);
            if index % 3 == 1 {
                let registry = if known.len() == 1 { facts_only() } else { Registry::builtin() };
                run.item = saved_and_restored(&run.item, run.history.party, &registry);
                check(run, &known);
            }
            if index == revive_at && known.len() == 1 {
                known.push("object");
                let changes = run.item.revive(&Registry::builtin());
                common::apply(&mut run.rows, changes);
                check(run, &known);
            }
        });
        let again = run.item.assert(&assertions(&history, &order, &run.counted), &history);
        prop_assert_eq!(again, vec![], "giving it all again changes nothing");

        let scratch = from_scratch(&history, &arrival(&history, &other_choices), &run.counted);
        prop_assert_eq!(rows_of(&scratch), rows_of(&run.item));
        prop_assert_eq!(scratch.state_hash(), run.item.state_hash());
        prop_assert_eq!(scratch.facts_hash(), run.item.facts_hash());
        prop_assert_eq!(scratch.snapshot(), run.item.snapshot());
        snapshots_read_back(&scratch, &motet_item::Object);

        let hash = run.item.facts_hash();
        let counting = |counted: &BTreeSet<usize>| -> BTreeSet<Cid> {
            let reading = Reading::of(&history, &run.present, counted);
            reading.counting().iter().map(|(cid, _)| *cid).collect()
        };
        let (some, all) = (counting(&run.counted), counting(&run.present));
        run.recount(u32::MAX);
        check(&run, &known);
        prop_assert_eq!(some == all, hash == run.item.facts_hash(), "the hash tells sets of facts apart");
        run.recount(0);
        check(&run, &known);
        let nothing = Item::new(history.party, history.id, &Registry::builtin());
        prop_assert_eq!(run.item.state_hash(), nothing.state_hash(), "what is withdrawn leaves no trace");
    }
}
