//! Where rows come from: views over several parties, and the control columns (Q6).
use std::collections::{BTreeMap, BTreeSet};

use crate::common::{Peer, send};
use motet::authority::Role;
use motet::fact::{Entity, Fact, PublicKey, Value};
use motet::item::{Facts, ItemId, Object};
use motet::{Database, Error, Query, RuntimeKind, View};
use motet_store::testing::Chance;

const RUNTIMES: [RuntimeKind; 3] = RuntimeKind::ALL;

fn rows(view: &View, output: &str) -> Vec<String> {
    let text = |row: &Vec<Value>| row.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    view.rows(output).map(text).collect()
}

fn bytes(key: &PublicKey) -> Value {
    Value::bytes(key.as_bytes().as_slice())
}

#[test]
fn a_row_of_several_parties_is_one_unless_the_party_is_asked_for() {
    for runtime in RUNTIMES {
        let database = Database::in_memory("Ada").unwrap();
        let parties = ["Home", "Work"].map(|name| database.create_party(name).unwrap());
        let [home, work] = parties.each_ref().map(|party| (party, ItemId::root(&party.key())));
        for (party, root) in [home, work] {
            let mut same = party.transaction();
            same.state(root, Fact::new(Entity::from([1; 16]), "said".into(), "Milk", vec![]).unwrap());
            same.commit().unwrap();
        }
        let query = Query::new(
            r#"output said. output per. output where. output who.
               said(n: N) :- N := count : fact(attribute: "said").
               per(n: N) :- N := count : fact(attribute: "said", $party: _).
               where(v: V, p: P) :- fact(attribute: "said", value: V, $party: P).
               who(name: N) :- member(name: N)."#,
        );
        let keys = [work.0.key(), home.0.key(), work.0.key()];
        let mut view = database.watch(&keys, &query.clone().on(runtime)).unwrap();
        assert_eq!(rows(&view, "said"), ["1"]);
        assert_eq!(rows(&view, "per"), ["2"]);
        assert_eq!(rows(&view, "who"), ["\"Ada\""]);
        let mut both: Vec<String> =
            [home, work].iter().map(|(party, _)| format!("\"Milk\" {}", bytes(&party.key()))).collect();
        both.sort();
        assert_eq!(rows(&view, "where"), both);

        let mut more = work.0.transaction();
        more.state(work.1, Fact::new(Entity::from([1; 16]), "said".into(), "Eggs", vec![]).unwrap());
        more.commit().unwrap();
        let mut told = BTreeMap::new();
        while let Some(changes) = view.poll().unwrap() {
            told.extend(changes.into_iter().map(|(name, rows)| (name.to_string(), rows.len())));
        }
        assert_eq!(told, [("said".into(), 2), ("per".into(), 2), ("where".into(), 1)].into());
        assert_eq!(rows(&view, "said"), ["2"]);
        let one = database.watch(&[home.0.key()], &query.clone().on(runtime)).unwrap();
        assert_eq!((rows(&one, "said"), rows(&one, "per")), (vec!["1".to_owned()], vec!["1".to_owned()]));
    }
    let database = Database::in_memory("Ada").unwrap();
    let stranger = Database::in_memory("Ben").unwrap().create_party("Away").unwrap().key();
    let asked = database.watch(&[stranger], &Query::new("output t. t(e: E) :- item(id: E)."));
    assert!(matches!(asked, Err(Error::NoSuchParty(_))));
}

#[test]
fn saved_rules_of_several_parties_must_agree_where_they_are_used() {
    let database = Database::in_memory("Ada").unwrap();
    let parties = ["Home", "Work"].map(|name| database.create_party(name).unwrap());
    let keys = parties.each_ref().map(motet::Party::key);
    parties[0].save_rules("titles", "title(t: T) :- attr(attribute: \"title\", value: T).").unwrap();
    let query = Query::new("use titles. output title.");
    database.watch(&keys, &query).unwrap();
    parties[1].save_rules("titles", "title(t: T) :- attr(attribute: \"name\", value: T).").unwrap();
    assert!(matches!(database.watch(&keys, &query), Err(Error::RulesDiffer(name)) if name == "titles"));
    database.watch(&keys, &Query::new("output t. t(e: E) :- item(id: E).")).unwrap();
}

/// What is stated where by whom, read out of the entries of a party that count.
fn stated(party: &motet::Party, items: &[ItemId]) -> BTreeSet<String> {
    let counts: BTreeSet<_> = {
        let query = Query::new("output c. c(id: C) :- entry(cid: C, counted: true, $source: C).");
        let view = party.database().watch(&[party.key()], &query.on(RuntimeKind::Naive)).unwrap();
        view.rows("c").map(|row| row[0].as_link().unwrap()).collect()
    };
    let mut stated = BTreeSet::new();
    for item in items {
        let visit = |entry, facts: &[Fact]| {
            for fact in facts.iter().filter(|_| counts.contains(&entry)) {
                stated.insert(format!(
                    "{} {} {}",
                    Value::from(fact.cid()),
                    Value::from(*item),
                    Value::from(entry)
                ));
            }
        };
        party.visit_parts(*item, visit).unwrap();
    }
    stated
}

/// A fact has a row for each item and each entry that counts and states it, also when members come to state the same.
#[test]
fn facts_say_in_which_item_they_are_and_which_entries_state_them() {
    for (seed, runtime) in (0..8).flat_map(|seed| RUNTIMES.map(|runtime| (seed, runtime))) {
        let mut chance = Chance(seed);
        let (ada, ben) = (Peer::new("Ada", seed * 2), Peer::new("Ben", seed * 2 + 1));
        let key = ada.database.create_party("Home").unwrap().key();
        ada.admit(&key, &ben, Role::Writer).unwrap();
        send(&ada.database, &ben.database, &key);
        let items: Vec<ItemId> = [Facts::NAME, Object::NAME]
            .map(|model| ada.party(&key).create_item(model, None, None).unwrap())
            .into();
        send(&ada.database, &ben.database, &key);
        let query = Query::new(
            r#"output at. output edge. output plain.
               at(c: C, i: I, s: S) :- C := fact($item: I, $source: S).
               plain(c: C) :- C := fact().
               edge(c: C, p: P, s: S) :- cause(cid: C, parent: P, $source: S)."#,
        );
        let mut views: Vec<View> =
            [&ada, &ben].map(|peer| peer.database.watch(&[key], &query.clone().on(runtime)).unwrap()).into();
        for _ in 0..12 {
            let peer = [&ada, &ben][chance.below(2) as usize];
            let item = items[chance.below(2) as usize];
            let mut transaction = peer.party(&key).transaction();
            let cause = Fact::new(Entity::from([1; 16]), "said".into(), "first", vec![]).unwrap();
            let second =
                Fact::new(Entity::from([1; 16]), "said".into(), chance.below(2) as i64, vec![cause.cid()]);
            transaction.state(item, cause);
            transaction.state(item, second.unwrap());
            transaction.commit().unwrap();
            if chance.below(3) == 0 {
                send(&ada.database, &ben.database, &key);
                send(&ben.database, &ada.database, &key);
            }
        }
        send(&ada.database, &ben.database, &key);
        send(&ben.database, &ada.database, &key);
        let mut all = items.clone();
        all.extend([ItemId::root(&key), ItemId::tree(&key)]);
        let expected = stated(&ada.party(&key), &all);
        for view in &mut views {
            view.catch_up().unwrap();
            assert_eq!(rows(view, "at").into_iter().collect::<BTreeSet<_>>(), expected);
            let facts: BTreeSet<&str> = expected.iter().map(|row| row.split(' ').next().unwrap()).collect();
            assert_eq!(rows(view, "plain").len(), facts.len());
            for edge in view.rows("edge") {
                let stated = |row: &&Vec<Value>| row[0] == edge[0] && row[2] == edge[2];
                assert!(view.rows("at").any(|row| stated(&row)), "a cause is stated by who states the fact");
            }
        }
        assert!(expected.len() > views[0].rows("plain").count(), "something is stated more than once");
    }
}
