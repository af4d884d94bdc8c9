//! Models that are data: published, used, queried; over their limits, wrong, and too costly; and what the page about
//! them says.

use crate::common::{Peer, assert_sound, fetch, send};
use motet::algebra::Budget;
use motet::authority::Role;
use motet::fact::{Cid, Fact, PublicKey, Value};
use motet::item::ItemId;
use motet::model::LIBRARY;
use motet::{
    AsOf, Database, Error, Limits, ModelBlock, ModelLimits, Parameters, Party, RulesState, RulesStatus,
    RuntimeKind,
};
use motet_sync::Replica as _;
use proptest::prelude::*;

fn home() -> (Database, Party) {
    let database = Database::in_memory("Ada").unwrap();
    let party = database.create_party("Home").unwrap();
    (database, party)
}

fn two() -> (Peer, Peer, Party, Party) {
    let (ada, ben) = (Peer::new("Ada", 1), Peer::new("Ben", 2));
    let party = ada.database.create_party("Home").unwrap();
    let other = ada.admit(&party.key(), &ben, Role::Writer).unwrap();
    send(&ada.database, &ben.database, &party.key());
    (ada, ben, party, other)
}

fn publish(party: &Party, name: &str, program: &str) -> Cid {
    party.publish_model(name, &ModelBlock::new(program)).unwrap()
}

fn make(party: &Party, model: &str) -> ItemId {
    party.create_item(model, None, None).unwrap()
}

fn status(party: &Party, item: ItemId) -> Option<RulesStatus> {
    party.item(item, |item| item.state::<RulesState>().map(|state| state.status().clone())).unwrap()
}

fn rows(party: &Party, item: ItemId, output: &str) -> Vec<Vec<Value>> {
    let read = |state: &RulesState| state.rows_of(output).cloned().collect();
    party.item(item, |item| item.state::<RulesState>().map(read).unwrap()).unwrap()
}

const TOTAL: &str = r#"
    output total. output attr.
    total(is: T) :- T := sum V : fact(attribute: "amount", value: V).
    attr(entity: $item, attribute: "total", value: T) :- total(is: T)."#;

fn state_amount(party: &Party, item: ItemId, entity: u8, amount: impl Into<Value>) {
    let entity = motet::fact::Entity::from([entity; 16]);
    let mut transaction = party.transaction();
    transaction.state(item, Fact::new(entity, "amount".into(), amount, Vec::new()).unwrap());
    transaction.commit().unwrap();
}

/// H20, EC-33: a published model makes items, whose state is in queries, in the hash, as of then, and after a restart.
#[test]
fn a_published_model_has_items_in_queries_hashes_and_the_past() {
    let (mut ada, _ben, party, _other) = two();
    let block = publish(&party, "account", TOTAL);
    let account = make(&party, "account");
    let query = r#"output t. t(of: E, is: T) :- attr(entity: E, attribute: "total", value: T)."#;
    let mut view =
        party.watch_on("t", query, &Parameters::new(), RuntimeKind::Naive, Budget::default()).unwrap();
    assert_eq!(view.rows("t").count(), 0, "an item of which nothing is said has no state");
    state_amount(&party, account, 1, 5);
    let before = ada.database.heads(&party.key());
    state_amount(&party, account, 2, 7);
    view.catch_up().unwrap();
    assert_eq!(view.rows("t").collect::<Vec<_>>(), [&vec![Value::from(account), 12.into()]]);
    assert_eq!(rows(&party, account, "total"), [[Value::from(12)]]);
    let moment = party.as_of(&AsOf::Heads([before.control, before.data].concat())).unwrap();
    let then =
        |item: &motet::item::Item| item.state::<RulesState>().unwrap().rows_of("total").next().cloned();
    assert_eq!(moment.item(account, then).unwrap(), Some(vec![5.into()]));
    assert_eq!(status(&party, account), Some(RulesStatus::Computed));
    assert_sound(&party);
    let hash = party.state_hash().unwrap();
    let key = party.key();
    ada.reopen();
    let party = ada.party(&key);
    assert_eq!(party.state_hash().unwrap(), hash);
    assert_eq!(rows(&party, account, "total"), [[Value::from(12)]]);
    let published = &party.published_models().unwrap()["account"];
    assert_eq!((published.block, published.is_here), (block, true));
    // Another program under the name changes nothing of items that are there.
    publish(&party, "account", "output none. none() :- !fact(attribute: 1).");
    assert_eq!(rows(&party, account, "total"), [[Value::from(12)]]);
    assert!(party.item(make(&party, "account"), |item| item.is_alive()).unwrap());
    let by_cid = make(&party, &block.to_string());
    state_amount(&party, by_cid, 3, 1);
    assert_eq!(rows(&party, by_cid, "total"), [[Value::from(1)]]);
}

/// What cannot be published, and models that are not there.
#[test]
fn what_is_no_model_is_told() {
    let (_database, party) = home();
    let model = ModelBlock::new(TOTAL);
    for name in ["", "a b", "object", "rules/x"] {
        assert!(matches!(party.publish_model(name, &model), Err(Error::ModelName(_))), "{name}");
    }
    let wrong = ModelBlock::new("output n. n(x: X) :- member(id: X).");
    let error = party.publish_model("wrong", &wrong).unwrap_err().to_string();
    assert!(error.contains("L082") && error.contains("member"), "{error}");
    let limits = ModelLimits { rows: 0, ..ModelLimits::default() };
    let none = ModelBlock { limits, ..model.clone() };
    assert!(matches!(party.publish_model("none", &none), Err(Error::ModelBlock(_))));
    assert!(matches!(party.create_item("nothing", None, None), Err(Error::NoSuchModel(..))));
    let lacking = model.cid().to_string();
    let error = party.create_item(&lacking, None, None).unwrap_err().to_string();
    assert!(error.contains("not here yet"), "{error}");
    assert_eq!(party.model_block("nothing").unwrap(), None);
}

/// Two who write to one item at once come to one state.
#[test]
fn what_two_say_at_once_comes_to_one_state() {
    let (ada, ben, party, other) = two();
    publish(&party, "account", TOTAL);
    let account = make(&party, "account");
    send(&ada.database, &ben.database, &party.key());
    fetch(&ada.database, &ben.database, &party.key());
    state_amount(&party, account, 1, 5);
    state_amount(&other, account, 2, 7);
    send(&ada.database, &ben.database, &party.key());
    send(&ben.database, &ada.database, &party.key());
    assert_eq!(rows(&party, account, "total"), [[Value::from(12)]]);
    assert_eq!(party.state_hash().unwrap(), other.state_hash().unwrap());
}

/// Whoever lacks a program has the facts; when it comes, the items come alive, and both have the same state.
#[test]
fn a_program_is_fetched_and_its_items_come_alive() {
    let (ada, ben, party, other) = two();
    let block = publish(&party, "account", TOTAL);
    let account = make(&party, "account");
    state_amount(&party, account, 1, 5);
    send(&ada.database, &ben.database, &party.key());
    let query = r#"output t. t(is: T) :- attr(attribute: "total", value: T)."#;
    let mut view =
        other.watch_on("t", query, &Parameters::new(), RuntimeKind::Naive, Budget::default()).unwrap();
    assert_eq!(view.rows("t").count(), 0);
    assert!(!other.item(account, |item| item.is_alive()).unwrap());
    assert_eq!(ben.database.blocks_lacking(&party.key()), [block]);
    assert!(!other.published_models().unwrap()["account"].is_here);
    let before = other.state_hash().unwrap();
    assert_ne!(before, party.state_hash().unwrap(), "it says that it does not know the model");

    let bytes = ada.database.block(&party.key(), &block).unwrap().unwrap();
    for wrong in [b"other bytes".to_vec(), [bytes.as_slice(), b" "].concat(), Vec::new(), vec![0; 1 << 20]] {
        let refused = ben.database.deliver_model(&party.key(), &block, wrong);
        assert!(matches!(refused, Err(Error::ModelBlock(_))));
    }
    let unasked = ModelBlock::new("output n. n() :- fact().");
    let refused = ben.database.deliver_model(&party.key(), &unasked.cid(), unasked.encode());
    assert!(refused.unwrap_err().to_string().contains("nobody asked"));
    assert_eq!(other.state_hash().unwrap(), before);

    ben.database.deliver_model(&party.key(), &block, bytes).unwrap();
    view.catch_up().unwrap();
    assert_eq!(view.rows("t").collect::<Vec<_>>(), [&vec![Value::from(5)]]);
    assert_eq!(other.state_hash().unwrap(), party.state_hash().unwrap());
    assert_eq!(ben.database.blocks_lacking(&party.key()), []);
    assert_sound(&other);
}

/// The same, of an item that left memory before, in a view that was open all the time.
#[test]
fn an_item_that_is_not_in_memory_comes_alive_in_views() {
    let (ada, mut ben, party, other) = two();
    let block = publish(&party, "account", TOTAL);
    let accounts = [(); 3].map(|()| make(&party, "account"));
    accounts.iter().for_each(|account| state_amount(&party, *account, 1, 5));
    send(&ada.database, &ben.database, &party.key());
    ben.set_limits(Limits { facts_in_memory: 0, ..Limits::default() });
    let query = r#"output t. t(of: E, is: T) :- attr(entity: E, attribute: "total", value: T)."#;
    let mut view = other.watch(query, &Parameters::new()).unwrap();
    accounts.iter().for_each(|account| other.item(*account, |_| ()).unwrap());
    assert!(other.loaded() < 4, "{} items are in memory", other.loaded());
    let bytes = ada.database.block(&party.key(), &block).unwrap().unwrap();
    ben.database.deliver_model(&party.key(), &block, bytes).unwrap();
    view.catch_up().unwrap();
    assert_eq!(view.rows("t").count(), 3);
    assert_eq!(other.state_hash().unwrap(), party.state_hash().unwrap());
}

/// Fact by fact an item may be computed that costs too much at once: while a view reads it, it stays.
#[test]
fn an_item_of_rules_that_a_view_reads_stays_in_memory() {
    let database = Database::in_memory("Ada").unwrap();
    let party = database.create_party("Home").unwrap();
    publish(&party, "account", TOTAL);
    database.set_limits(Limits { facts_in_memory: 0, ..Limits::default() });
    let account = make(&party, "account");
    let query = r#"output t. t(is: T) :- attr(attribute: "total", value: T)."#;
    let mut view = party.watch(query, &Parameters::new()).unwrap();
    for number in 0..200 {
        state_amount(&party, account, number, i64::from(number));
        // Something else is in memory now, and would be alone there.
        party.item(party.root(), |_| ()).unwrap();
        database.set_model_budget(&Budget { rows: 20, ..Budget::default() });
    }
    view.catch_up().unwrap();
    assert_eq!(view.rows("t").collect::<Vec<_>>(), [&vec![Value::from(200 * 199 / 2)]]);
    assert_eq!(status(&party, account), Some(RulesStatus::Computed));
}

/// An item whose model nobody published, and somebody looks at.
#[test]
fn a_program_that_an_item_names_is_asked_for_when_somebody_looks() {
    let (ada, ben, party, other) = two();
    let block = publish(&party, "account", TOTAL);
    let account = make(&party, &block.to_string());
    send(&ada.database, &ben.database, &party.key());
    // The name is another's now, and the item is of the old one.
    let mut took = party.transaction();
    took.set(ItemId::root(&party.key()), "model/account", 1);
    took.commit().unwrap();
    assert_eq!(
        other.item(account, |item| item.model().map(str::to_owned)).unwrap(),
        Some(format!("rules/{block}"))
    );
    assert_eq!(ben.database.blocks_lacking(&party.key()), [block]);
    fetch(&ada.database, &ben.database, &party.key());
    assert!(other.item(account, |item| item.is_alive()).unwrap());
}

// Programs and items that are up to no good.

/// Names, programs, and the status that every replica gives an item of them.
const MALICIOUS: [(&str, &str, bool); 8] = [
    ("endless", "output n. n(x: 0). n(x: X + 1) :- n(x: X).", true),
    ("branching", "output n. n(x: 1). n(x: X * 2) :- n(x: X). n(x: X * 2 + 1) :- n(x: X).", true),
    (
        "enormous",
        "output n. d(x: 0). d(x: X + 1) :- d(x: X), X < 99.
         n(a: A, b: B, c: C, d: D, e: E) :- d(x: A), d(x: B), d(x: C), d(x: D), d(x: E).",
        true,
    ),
    ("growing", "output n. n(x: \"ab\"). n(x: concat(X, X)) :- n(x: X).", true),
    (
        "swelling",
        "output n. n(x: replace(\"aaaaaaaa\", \"a\", T)) :- m(x: T).
         m(x: \"b\"). m(x: concat(X, X)) :- m(x: X).",
        true,
    ),
    (
        "hidden",
        "output n. n(x: 1) :- fact(). d(x: 0). d(x: X + 1) :- d(x: X). n(x: X) :- d(x: X), X < 0.",
        true,
    ),
    (
        "harmless",
        "output n. d(x: 0). d(x: X + 1) :- d(x: X), X < 99. n(s: S) :- S := sum X : d(x: X).",
        false,
    ),
    ("finite", "output n. n(x: X) :- fact(value: X).", false),
];

/// H20: over its limits an item has the same status on every replica, and harms nothing else.
#[test]
fn a_malicious_program_is_fenced_by_its_limits() {
    let (ada, ben, party, other) = two();
    publish(&party, "account", TOTAL);
    let (account, note) = (make(&party, "account"), make(&party, "object"));
    let limits = ModelLimits { rows: 1000, value_bytes: 1000 };
    let mut items = Vec::new();
    for (name, program, over) in MALICIOUS {
        let model = ModelBlock { program: program.to_owned(), limits };
        party.publish_model(name, &model).unwrap();
        let item = make(&party, name);
        state_amount(&party, item, 9, 1);
        items.push((name, item, over));
    }
    // One whose program has errors: no honest program publishes it.
    let wrong = ModelBlock::new("output n. n(x: X) :- nothing(x: X).");
    let mut transaction = party.transaction();
    transaction.set(ItemId::root(&party.key()), "model/wrong", wrong.cid());
    transaction.commit().unwrap();
    for database in [&ada.database, &ben.database] {
        send(&ada.database, database, &party.key());
        fetch_or(&ada.database, database, &party.key(), &wrong);
    }
    let ill = make(&party, &wrong.cid().to_string());
    state_amount(&party, ill, 1, 1);
    state_amount(&party, account, 1, 5);
    party.set(note, "title", "Milk").unwrap();
    send(&ada.database, &ben.database, &party.key());
    for party in [&party, &other] {
        for (name, item, over) in &items {
            let expected = if *over { RulesStatus::OverLimit } else { RulesStatus::Computed };
            assert_eq!(status(party, *item), Some(expected), "{name}");
        }
        assert!(matches!(status(party, ill), Some(RulesStatus::Wrong(why)) if why.contains("nothing")));
        assert_eq!(rows(party, account, "total"), [[Value::from(5)]]);
    }
    let title = r#"output t. t(is: T) :- attr(attribute: "title", value: T)."#;
    let view = other.watch_on("t", title, &Parameters::new(), RuntimeKind::Naive, Budget::default()).unwrap();
    assert_eq!(view.rows("t").count(), 1);
    assert_eq!(party.state_hash().unwrap(), other.state_hash().unwrap());
    assert_sound(&other);
}

/// As [`fetch`], from somebody who also has a block that is nowhere.
fn fetch_or(from: &Database, to: &Database, party: &PublicKey, also: &ModelBlock) {
    for cid in to.blocks_lacking(party) {
        let block = from.block(party, &cid).unwrap().unwrap_or_else(|| also.encode());
        to.deliver_model(party, &cid, block).unwrap();
    }
}

/// One item over the limits of a model is fenced out, the others go on; and it comes back when it is not over them.
#[test]
fn an_item_over_its_limits_is_fenced_out_alone() {
    let (ada, ben, party, other) = two();
    let program = "output n. n(v: V) :- fact(attribute: \"amount\", value: V).";
    let limits = ModelLimits { rows: 3, value_bytes: 5 };
    party.publish_model("few", &ModelBlock { program: program.to_owned(), limits }).unwrap();
    let [many, long, good] = std::array::from_fn(|_| make(&party, "few"));
    send(&ada.database, &ben.database, &party.key());
    fetch(&ada.database, &ben.database, &party.key());
    for (item, values) in [(many, 3), (good, 2)] {
        (0..values).for_each(|number| state_amount(&party, item, number as u8, i64::from(number)));
    }
    state_amount(&party, long, 1, "short");
    send(&ada.database, &ben.database, &party.key());
    let statuses = |party: &Party| [many, long, good].map(|item| status(party, item).unwrap());
    use RulesStatus::{Computed, OverLimit};
    assert_eq!(statuses(&party), [Computed, Computed, Computed]);
    let within = party.state_hash().unwrap();
    // Ben, whose writing may cease to count, is what is too much.
    state_amount(&other, many, 9, 9);
    state_amount(&other, long, 9, "longer");
    send(&ben.database, &ada.database, &party.key());
    for party in [&party, &other] {
        assert_eq!(statuses(party), [OverLimit, OverLimit, Computed]);
        assert_eq!(rows(party, many, "n").len() + rows(party, long, "n").len(), 0);
        assert_eq!(rows(party, good, "n").len(), 2);
    }
    assert_eq!(party.state_hash().unwrap(), other.state_hash().unwrap());
    assert_ne!(party.state_hash().unwrap(), within);
    let heads = party.as_of(&AsOf::Time(0)).unwrap();
    assert_eq!(heads.entries(), 0);
    state_amount(&party, good, 7, 7);
    assert_eq!(statuses(&party), [OverLimit, OverLimit, Computed]);
    assert_sound(&party);
}

/// Limits of this replica: the status says so, there is no value, and the hash is that of one without the program.
#[test]
fn what_costs_too_much_is_not_computed_here() {
    let (ada, ben, party, other) = two();
    send(&ada.database, &ben.database, &party.key());
    let program = "output n. d(x: 0). d(x: X + 1) :- d(x: X), X < 60.
        n(s: S) :- S := count : p(). p(a: A, b: B) :- d(x: A), d(x: B), d(x: C), A + B == C.";
    publish(&party, "costly", program);
    let item = make(&party, "costly");
    state_amount(&party, item, 1, 1);
    send(&ada.database, &ben.database, &party.key());
    other.item(item, |_| ()).unwrap();
    let without = other.state_hash().unwrap();
    ben.database.set_model_budget(&Budget { rows: 1000, ..Budget::default() });
    fetch(&ada.database, &ben.database, &party.key());
    assert_eq!(status(&party, item), Some(RulesStatus::Computed));
    let Some(RulesStatus::NotComputed(why)) = status(&other, item) else { panic!("it is not computed") };
    assert!(why.contains("budget of 1000 rows"), "{why}");
    assert_eq!(other.state_hash().unwrap(), without);
    assert_ne!(party.state_hash().unwrap(), without);
    ben.database.set_model_budget(&Budget::default());
    state_amount(&party, item, 2, 2);
    send(&ada.database, &ben.database, &party.key());
    assert_eq!(status(&other, item), Some(RulesStatus::Computed));
    assert_eq!(party.state_hash().unwrap(), other.state_hash().unwrap());
}

/// An item of such a model is written to as any other: what a writer says cites what it saw.
#[test]
fn items_are_set_added_to_counted_and_taken_back() {
    let (_database, party) = home();
    for (name, program) in LIBRARY {
        publish(&party, name, program);
    }
    let register = make(&party, "last-writer");
    party.set(register, "title", "Milk").unwrap();
    party.set(register, "title", "Eggs").unwrap();
    let row = |item: ItemId, name: &str, value: Value| vec![Value::from(item), name.into(), value];
    assert_eq!(rows(&party, register, "attr"), [row(register, "title", "Eggs".into())]);
    party.undo(register).unwrap().unwrap();
    assert_eq!(rows(&party, register, "attr"), [row(register, "title", "Milk".into())]);
    let (set, counter) = (make(&party, "set"), make(&party, "counter"));
    let mut transaction = party.transaction();
    transaction.add(set, "tags", "red");
    transaction.add(set, "tags", "blue");
    transaction.increment(counter, "visits", 2);
    transaction.increment(counter, "visits", 3);
    transaction.commit().unwrap();
    let mut transaction = party.transaction();
    transaction.take(set, "tags", "red");
    transaction.commit().unwrap();
    assert_eq!(rows(&party, set, "attr"), [row(set, "tags", "blue".into())]);
    assert_eq!(rows(&party, counter, "attr"), [row(counter, "visits", 5.into())]);
    assert_sound(&party);
}

proptest! {
    /// Bytes from outside: they are a block in its one form, or none.
    #[test]
    fn any_bytes_are_a_block_or_none(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            (any::<u16>(), any::<u8>(), any::<u16>()).prop_map(|(at, bits, keep)| {
                let mut bytes = ModelBlock::new(TOTAL).encode();
                let length = bytes.len();
                bytes[usize::from(at) % length] ^= bits;
                bytes.truncate(length.min(usize::from(keep)));
                bytes
            }),
        ],
    ) {
        if let Ok(block) = ModelBlock::decode(&bytes) {
            prop_assert_eq!(block.encode(), bytes);
            let _may_be_wrong = block.compile();
        }
    }
}

// The page.

/// The program of docs/models.md, its facts, and the rows that it says follow.
#[test]
fn the_example_of_the_page_gives_what_it_says() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/models.md")).unwrap();
    let (_, rest) = page.split_once("```pomo\n").unwrap();
    let (program, rest) = rest.split_once("```").unwrap();
    let (_, rest) = rest.split_once("```facts\n").unwrap();
    let (facts, rest) = rest.split_once("```").unwrap();
    let (_, rest) = rest.split_once("```rows\n").unwrap();
    let (expected, _) = rest.split_once("```").unwrap();
    let (_database, party) = home();
    publish(&party, "poll", program);
    let poll = make(&party, "poll");
    for line in facts.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, value] = words[..] else { panic!("{line}") };
        party.set(poll, name, value).unwrap();
    }
    let query = "output row. row(a: A, v: V) :- attr(entity: $item, attribute: A, value: V).";
    let parameters = Parameters::from([("item".to_owned(), Value::from(poll))]);
    let view = party.watch_on("row", query, &parameters, RuntimeKind::Naive, Budget::default()).unwrap();
    let mut got: Vec<String> =
        view.rows("row").map(|row| format!("{} {}", row[0].as_text().unwrap(), row[1])).collect();
    got.sort();
    assert_eq!(got, expected.lines().collect::<Vec<_>>());
}
