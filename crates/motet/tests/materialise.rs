//! Answers that become part of the party: facts, and snapshots (Q10). And why a row is there (Q21).
use std::collections::BTreeSet;

use crate::common::{Peer, assert_sound, send};
use motet::authority::Role;
use motet::fact::{Cid, Entity, Fact, Value};
use motet::item::{Facts, ItemId, Object};
use motet::{Causes, Database, Error, Party, Query, RuntimeKind};
use motet_algebra::Budget;

/// Who is under whom, however far; stated as facts about the one below.
const UNDER: &str = r#"output under.
    under(entity: X, value: Y) :- fact(entity: X, attribute: "boss", value: Y).
    under(entity: X, value: Z) :- under(entity: X, value: Y), fact(entity: Y, attribute: "boss", value: Z)."#;

fn id(number: u8) -> Entity {
    Entity::from([number; 16])
}

fn boss(of: u8, is: u8) -> Fact {
    Fact::new(id(of), "boss".into(), Value::from(id(is)), vec![]).unwrap()
}

fn state(party: &Party, item: ItemId, facts: impl IntoIterator<Item = Fact>) {
    let mut transaction = party.transaction();
    for fact in facts {
        transaction.state(item, fact);
    }
    transaction.commit().unwrap();
}

/// The facts under a namespace: entity, attribute, value, causes.
fn derived(party: &Party, namespace: &str) -> Vec<(Value, String, Value, Vec<Cid>)> {
    let mut found = Vec::new();
    for item in party.items().unwrap() {
        let visit = |_: Cid, facts: &[Fact]| {
            for fact in facts {
                let attribute = fact.attribute().as_text().unwrap_or_default().to_owned();
                if attribute.starts_with(&format!("{namespace}/")) {
                    let (entity, value) = (Value::from(fact.entity().clone()), fact.value().clone());
                    found.push((entity, attribute, value, fact.causes().to_vec()));
                }
            }
        };
        party.visit_parts(item.id, visit).unwrap();
    }
    found.sort();
    found
}

#[test]
fn a_monotone_answer_becomes_facts_once() {
    for runtime in RuntimeKind::ALL {
        let (ada, ben) = (Peer::new("Ada", 1), Peer::new("Ben", 2));
        let party = ada.database.create_party("Home").unwrap();
        ada.admit(&party.key(), &ben, Role::Writer).unwrap();
        let item = party.create_item(Facts::NAME, None, None).unwrap();
        state(&party, item, [boss(1, 2), boss(2, 3), boss(3, 1)]);
        let query = Query::new(UNDER).on(runtime);
        let made = party.materialise(item, "derived", &query, Causes::None).unwrap();
        assert_eq!((made.facts.len(), made.known, made.entries.len()), (9, 0, 1));
        let facts = derived(&party, "derived");
        assert_eq!(facts.len(), 9);
        assert!(
            facts.iter().all(|(_, attribute, _, causes)| attribute == "derived/under" && causes.is_empty())
        );
        // Again it is nothing new; with one fact more it is what that adds.
        let entries = party.entries();
        let made = party.materialise(item, "derived", &query, Causes::None).unwrap();
        assert_eq!((made.facts.len(), made.known, party.entries()), (0, 9, entries));
        state(&party, item, [boss(4, 1)]);
        let made = party.materialise(item, "derived", &query, Causes::Derivation).unwrap();
        assert_eq!((made.facts.len(), made.known), (3, 9), "whatever the causes, it is stated already");
        // Somebody else states the same: nothing, for it is here already; and it means the same there.
        send(&ada.database, &ben.database, &party.key());
        let theirs = ben.party(&party.key());
        let made = theirs.materialise(item, "derived", &query, Causes::None).unwrap();
        assert_eq!((made.facts.len(), made.known), (0, 12));
        assert_eq!(party.state_hash().unwrap(), theirs.state_hash().unwrap());
        assert_sound(&party);
    }
}

#[test]
fn facts_of_a_derivation_are_causes() {
    let database = Database::in_memory("Ada").unwrap();
    let party = database.create_party("Home").unwrap();
    let item = party.create_item(Facts::NAME, None, None).unwrap();
    let other = party.create_item(Facts::NAME, None, None).unwrap();
    state(&party, item, [boss(1, 2), boss(2, 3)]);
    state(&party, other, [boss(3, 4)]);
    party.materialise(item, "derived", &Query::new(UNDER), Causes::Derivation).unwrap();
    let cids = |facts: &[Fact]| facts.iter().map(Fact::cid).collect::<BTreeSet<_>>();
    let derived = derived(&party, "derived");
    let causes = |of: u8, is: u8| {
        let found = derived
            .iter()
            .find(|(entity, _, value, _)| (entity, value) == (&Value::from(id(of)), &Value::from(id(is))));
        found.unwrap().3.iter().copied().collect::<BTreeSet<_>>()
    };
    assert_eq!(causes(1, 2), cids(&[boss(1, 2)]));
    assert_eq!(causes(1, 3), cids(&[boss(1, 2), boss(2, 3)]));
    assert!(causes(2, 4).is_empty(), "a fact of another item can't be a cause");
    let view = database.watch(
        &[party.key()],
        &Query::new(
            r#"output v. v(c: C) :- C := fact(attribute: "derived/under"), height(cid: C, height: 2)."#,
        ),
    );
    assert_eq!(view.unwrap().rows("v").count(), 3, "they count, and stand after their causes");
}

#[test]
fn what_may_cease_to_be_true_is_refused() {
    let party = Database::in_memory("Ada").unwrap().create_party("Home").unwrap();
    let root = ItemId::root(&party.key());
    let refusal = |text: &str, causes: Causes| {
        let refused = party.materialise(root, "derived", &Query::new(text), causes);
        let Err(Error::Query(problems)) = refused else { panic!("{text}: {refused:?}") };
        problems.iter().map(|problem| problem.code).collect::<Vec<_>>()
    };
    let none = Causes::None;
    assert_eq!(
        refusal("output t. t(entity: E, value: V) :- attr(entity: E, attribute: \"t\", value: V).", none),
        ["L065"]
    );
    assert_eq!(refusal("output t. t(entity: E, value: V) :- fact(entity: E, value: V).", none), ["L066"]);
    assert_eq!(
        refusal("output t. t(of: E, value: V) :- fact(entity: E, attribute: \"t\", value: V).", none),
        ["L067"]
    );
    for namespace in ["", "motet", "motet/x", "a//b", "a b", "/a", "a/"] {
        let refused = party.materialise(root, namespace, &Query::new(UNDER), none);
        assert!(matches!(refused, Err(Error::Namespace(_))), "{namespace}");
    }
    let long = "output t. t(entity: E, attribute: A, value: 1) :-\n \
        fact(entity: E, attribute: \"a\", value: A), A == concat(A, \"\").";
    let fact = Fact::new(id(1), "a".into(), "x".repeat(60_000), vec![]).unwrap();
    state(&party, root, [fact]);
    let typed =
        long.replace("output t.", "relation t(entity: bytes, attribute: text, value: int). output t.");
    let made =
        party.materialise(root, "derived", &Query::new(typed.clone()), none).map(|made| made.facts.len());
    assert!(matches!(made, Ok(1)), "{made:?}");
    assert_eq!(party.status().unreadable.len(), 0);
}

#[test]
fn a_snapshot_is_the_same_for_everybody_who_has_the_same() {
    let (ada, ben) = (Peer::new("Ada", 1), Peer::new("Ben", 2));
    let party = ada.database.create_party("Home").unwrap();
    ada.admit(&party.key(), &ben, Role::Writer).unwrap();
    let root = ItemId::root(&party.key());
    let note = party.create_item(Object::NAME, Some("note"), None).unwrap();
    party.set(note, "title", "Milk").unwrap();
    send(&ada.database, &ben.database, &party.key());
    let theirs = ben.party(&party.key());
    let query = Query::new(
        r#"output n. n(v: V, n: N) :- attr(attribute: $what, value: V), N := count : attr(value: V)."#,
    )
    .with("what", "title");
    let snapshot = party.snapshot(&query.clone().on(RuntimeKind::Naive)).unwrap();
    assert_eq!(snapshot, theirs.snapshot(&query.clone().on(RuntimeKind::Cluster)).unwrap());
    assert_ne!(snapshot.query, party.snapshot(&query.clone().with("what", "size")).unwrap().query);

    let (published, receipt) = party.publish_snapshot(root, "counts", &query).unwrap();
    assert!(receipt.is_some() && published == snapshot);
    let (again, receipt) = party.publish_snapshot(root, "counts", &query).unwrap();
    assert!(receipt.is_none() && again.root == snapshot.root, "the answer is what it was");
    assert_ne!(again.heads, snapshot.heads);
    party.set(note, "title", "Eggs").unwrap();
    let (other, receipt) = party.publish_snapshot(root, "counts", &query).unwrap();
    assert!(receipt.is_some() && other.root != snapshot.root);
    send(&ada.database, &ben.database, &party.key());
    let last = ben.database.watch(
        &[party.key()],
        &Query::new(
            r#"output last. last(root: R, head: H) :- attr(attribute: "counts/snapshot", value: S),
               fact(entity: E, attribute: "counts/root", value: R),
               fact(entity: E, attribute: "counts/head", value: H)."#,
        ),
    );
    let last = last.unwrap();
    let roots: BTreeSet<&Value> = last.rows("last").map(|row| &row[0]).collect();
    assert_eq!(roots, BTreeSet::from([&snapshot.root.into(), &other.root.into()]));
    let timed = Query::new("output t. t(v: V) :- attr(value: V). t(v: V)@next :- t(v: V).");
    assert!(matches!(party.snapshot(&timed), Err(Error::Timed)));
}

#[test]
fn a_row_is_explained_down_to_facts_and_entries() {
    let database = Database::in_memory("Ada").unwrap();
    let party = database.create_party("Home").unwrap();
    let note = party.create_item(Object::NAME, Some("note"), None).unwrap();
    let receipt = party.set(note, "title", "Milk").unwrap();
    let cid = party.item(note, |item| item.candidates(&note.entity(), &"title".into())[0].0).unwrap();
    let query = Query::new(
        r#"output named.
           named(id: E, is: T) :- note(id: E, title: T).
           note(id: E, title: T) :- item(id: E, type: "note"), attr(entity: E, attribute: "title", value: T).
           output stated. stated(v: V) :- fact(attribute: "title", value: V, $source: _)."#,
    );
    for runtime in RuntimeKind::ALL {
        let query = query.clone().on(runtime);
        let explain = |row: &str| {
            party
                .account(&query, |account| account.why(&account.pattern(row).unwrap()).unwrap().to_string())
                .unwrap()
        };
        let why = explain("named(is: \"Milk\")");
        let origin = format!("stored: fact {cid} in entry {}", receipt.entry);
        assert!(why.contains(&origin), "{why}");
        assert!(explain("stated(v: \"Milk\")").contains(&origin));
        let missing = party.account(&query, |account| {
            let pattern = account.pattern("named(is: \"Eggs\")").unwrap();
            account.why_not(&pattern).iter().map(ToString::to_string).collect::<String>()
        });
        assert!(missing.unwrap().contains("fails"));
    }
    let timed = Query::new("output t. t(v: V) :- attr(value: V). t(v: V)@next :- t(v: V).");
    assert!(matches!(party.account(&timed, |_| ()), Err(Error::Timed)));
    let little = query.within(Budget { rows: 1, ..Budget::default() });
    assert!(matches!(party.account(&little, |_| ()), Err(Error::Runtime(_))));
}
