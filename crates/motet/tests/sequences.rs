//! Texts and lists between people, with real feeds and stores.
use crate::common::{Peer, assert_sound, everything, meet, scatter, send};
use motet::authority::Role;
use motet::fact::{PublicKey, Value};
use motet::item::{Bias, EditError, ItemId, Model as _, TextEdit, TextState};
use motet::{Cut, Error, Parameters};
use motet_store::testing::Chance;

/// Two people in one party.
struct Two {
    ada: Peer,
    ben: Peer,
    party: PublicKey,
}

impl Two {
    fn new(seed: u64) -> Self {
        let (ada, ben) = (Peer::new("Ada", seed), Peer::new("Ben", seed + 1));
        let party = ada.database.create_party("Home").unwrap().key();
        ada.admit(&party, &ben, Role::Writer).unwrap();
        let two = Two { ada, ben, party };
        two.meet();
        two
    }

    fn meet(&self) {
        send(&self.ada.database, &self.ben.database, &self.party);
        send(&self.ben.database, &self.ada.database, &self.party);
        let hash = |peer: &Peer| peer.party(&self.party).state_hash().unwrap();
        assert_eq!(hash(&self.ada), hash(&self.ben));
    }

    fn text(&self, peer: &Peer, item: ItemId) -> motet::Text {
        peer.party(&self.party).text(item).unwrap()
    }

    fn list(&self, peer: &Peer, item: ItemId) -> motet::List {
        peer.party(&self.party).list(item).unwrap()
    }

    fn values(&self, peer: &Peer, item: ItemId) -> Vec<Value> {
        self.list(peer, item).elements().unwrap().into_iter().map(|element| element.value).collect()
    }
}

#[test]
fn a_text_is_written_by_two_and_restored_from_its_snapshot() {
    let mut two = Two::new(1);
    let item = two.ada.party(&two.party).create_item("text", Some("note"), None).unwrap();
    two.text(&two.ada, item).insert(0, "INSERTED TEXT").unwrap();
    two.meet();
    assert_eq!(two.text(&two.ben, item).content().unwrap(), "INSERTED TEXT");
    two.text(&two.ben, item).insert(9, "FOO ").unwrap();
    two.meet();
    assert_eq!(two.text(&two.ada, item).content().unwrap(), "INSERTED FOO TEXT");
    // Both at once, in one place and in others.
    two.text(&two.ada, item).insert(9, "1 ").unwrap();
    two.text(&two.ada, item).delete(0..2).unwrap();
    two.text(&two.ben, item).insert(9, "2 ").unwrap();
    two.text(&two.ben, item).append("!").unwrap();
    two.meet();
    let content = two.text(&two.ada, item).content().unwrap();
    assert!(["SERTED 1 2 FOO TEXT!", "SERTED 2 1 FOO TEXT!"].contains(&content.as_str()), "{content}");
    let snapshot = two.ada.party(&two.party).item(item, |item| item.snapshot().unwrap()).unwrap();
    let restored = motet::item::Text.restore(item, &snapshot).unwrap();
    let restored: &TextState = restored.as_any().downcast_ref().unwrap();
    assert_eq!(restored.content(), content);
    two.ada.reopen();
    assert_eq!(two.text(&two.ada, item).content().unwrap(), content);
    assert_sound(&two.ada.party(&two.party));
}

#[test]
fn what_is_pushed_is_in_the_list_once_from_either_side() {
    for seed in 0..6 {
        let two = Two::new(10 + 2 * seed);
        let item = two.ada.party(&two.party).create_item("list", None, None).unwrap();
        two.meet();
        for round in 0..6_i64 {
            two.list(&two.ada, item).push(round).unwrap();
            two.list(&two.ben, item).push(round).unwrap();
        }
        // Everything comes to each several times and in any order.
        let mut chance = Chance(seed);
        for _ in 0..2 {
            let (of_ada, of_ben) =
                (everything(&two.ada.database, &two.party), everything(&two.ben.database, &two.party));
            scatter(of_ada, &two.ben.database, &two.party, &mut chance);
            scatter(of_ben, &two.ada.database, &two.party, &mut chance);
        }
        two.meet();
        let values = two.values(&two.ada, item);
        assert_eq!(values, two.values(&two.ben, item));
        let once: Vec<Value> = (0..6).map(Value::Int).collect();
        assert_eq!(
            values,
            [once.clone(), once].concat(),
            "each twice, for each said it, and nobody in between"
        );
    }
}

#[test]
fn moves_values_and_removals_meet() {
    let two = Two::new(30);
    let item = two.ada.party(&two.party).create_item("list", None, None).unwrap();
    let mut transaction = two.ada.party(&two.party).transaction();
    transaction.list(item).push("a").push("b").push("c").push("d");
    transaction.commit().unwrap();
    two.meet();
    two.list(&two.ada, item).move_element(0, 3).unwrap();
    two.list(&two.ben, item).move_element(0, 1).unwrap();
    two.list(&two.ben, item).set(1, "A").unwrap();
    two.list(&two.ada, item).remove(1..2).unwrap();
    two.meet();
    let values = two.values(&two.ada, item);
    let text = |words: &[&str]| words.iter().map(|word| Value::text(*word)).collect::<Vec<_>>();
    assert!([text(&["b", "d", "A"]), text(&["b", "A", "d"])].contains(&values), "{values:?}");
    let at = two.list(&two.ben, item);
    let element = at.get(0).unwrap().unwrap();
    assert_eq!(at.index_of(&element.entity).unwrap(), Some(0));
    assert_eq!(at.get(3).unwrap(), None);
}

/// Ben types, Cleo builds on it, and Ben is cut by Dora (H16): what he wrote goes, what he deleted and moved is as it
/// was, and what was built on it stays where it is; also what Cleo builds before she has heard of it, and with Eve,
/// who joins later and never saw it count. Then Dora is cut, and what Ben wrote is there again.
#[test]
fn what_a_cut_writer_wrote_goes_and_what_was_built_on_it_stays() {
    let names = ["Ada", "Ben", "Cleo", "Dora", "Eve"];
    let peers: Vec<Peer> = (40..).zip(names).map(|(seed, name)| Peer::new(name, seed)).collect();
    let [ada, ben, cleo, dora, eve] = peers.as_slice() else { unreachable!("there are five") };
    let party = ada.database.create_party("Home").unwrap().key();
    let mut transaction = ada.party(&party).transaction();
    let text = transaction.create_item("text", None, None).unwrap();
    let list = transaction.create_item("list", None, None).unwrap();
    transaction.text(text).insert(0, "<>");
    transaction.list(list).push("<").push(">");
    transaction.commit().unwrap();
    for (newcomer, role) in [(ben, Role::Writer), (cleo, Role::Writer), (dora, Role::Admin)] {
        ada.admit(&party, newcomer, role).unwrap();
    }
    meet(&[&ada.database, &ben.database, &cleo.database, &dora.database], &party);
    let of = |peer: &Peer| {
        let (text, list) = (peer.party(&party).text(text).unwrap(), peer.party(&party).list(list).unwrap());
        (text, list)
    };
    let all_have = |peers: &[&Peer], expected: (&str, &[&str])| {
        meet(&peers.iter().map(|peer| &peer.database).collect::<Vec<_>>(), &party);
        for peer in peers {
            let (text, list) = of(peer);
            assert_eq!(text.content().unwrap(), expected.0);
            let values: Vec<Value> = list.elements().unwrap().into_iter().map(|one| one.value).collect();
            assert_eq!(values, expected.1.iter().map(|word| Value::text(*word)).collect::<Vec<_>>());
            let hash = |peer: &Peer| peer.party(&party).state_hash().unwrap();
            assert_eq!(hash(peer), hash(peers[0]));
            assert_sound(&peer.party(&party));
        }
    };
    let (bens_text, bens_list) = of(ben);
    bens_text.insert(1, "Ben types.").unwrap();
    bens_text.delete(0..1).unwrap();
    bens_list.insert(1, "Ben").unwrap();
    bens_list.move_element(2, 0).unwrap();
    all_have(&[ada, ben, cleo, dora], ("Ben types.>", &[">", "<", "Ben"]));
    let (cleos_text, cleos_list) = of(cleo);
    cleos_text.insert(3, "[cleo]").unwrap();
    cleos_text.delete(0..1).unwrap();
    cleos_list.push("cleo").unwrap();
    all_have(&[ada, ben, cleo, dora], ("en[cleo] types.>", &[">", "<", "Ben", "cleo"]));

    dora.party(&party).remove_member(&ben.database.profile().identity, &Cut::Nothing).unwrap();
    cleos_text.insert(15, "!").unwrap();
    all_have(&[ada, cleo, dora], ("<[cleo]!>", &["<", "cleo", ">"]));
    ada.admit(&party, eve, Role::Writer).unwrap();
    all_have(&[ada, cleo, dora, eve], ("<[cleo]!>", &["<", "cleo", ">"]));
    of(eve).0.insert(1, "Eve").unwrap();
    all_have(&[ada, cleo, dora, eve], ("<Eve[cleo]!>", &["<", "cleo", ">"]));

    ada.party(&party).remove_member(&dora.database.profile().identity, &Cut::Nothing).unwrap();
    let content = "Eveen[cleo] types.!>";
    all_have(&[ada, cleo, eve], (content, &[">", "<", "Ben", "cleo"]));
}

#[test]
fn a_transaction_makes_and_fills_items_and_later_ones_see_it() {
    let ada = Peer::new("Ada", 90);
    let party = ada.database.create_party("Home").unwrap();
    let mut first = party.transaction();
    let note = first.create_item("text", Some("note"), None).unwrap();
    let list = first.create_item("list", None, None).unwrap();
    first.set(note, "title", "Shopping");
    first.text(note).append("milk").insert(0, "oat").assign("oat-milk, bread").delete(0..4);
    first.list(list).push(1).push(2).insert(0, 3).move_element(0, 2).set(0, 9).remove(1..2);
    let mut second = party.transaction();
    second.text(note).insert(0, "soy-");
    second.list(list).insert(1, 5).move_element(2, 0);
    let mut third = party.transaction();
    third.text(note).replace(0..3, "nut");
    third.list(list).set(0, 7);
    party.commit_all(vec![first, second, third]).unwrap();
    let content = party.text(note).unwrap().content().unwrap();
    assert_eq!(content, "nut-milk, bread");
    let values: Vec<Value> =
        party.list(list).unwrap().elements().unwrap().into_iter().map(|element| element.value).collect();
    assert_eq!(values, [7, 9, 5].map(Value::Int));
    let facts = |party: &motet::Party| {
        let mut count = 0;
        party.visit_parts(note, |_, facts| count += facts.len()).unwrap();
        count
    };
    assert_eq!(facts(&party), 8, "genesis, model, type, title; one insertion; one; one and a deletion");
    assert_sound(&party);
}

#[test]
fn mistakes_with_texts_and_lists_have_names() {
    let ada = Peer::new("Ada", 95);
    let party = ada.database.create_party("Home").unwrap();
    let object = party.create_item("object", None, None).unwrap();
    let text = party.create_item("text", None, None).unwrap();
    let wrong = party.text(object).err().unwrap();
    assert!(matches!(wrong, Error::OtherModel { .. }), "{wrong}");
    assert_eq!(wrong.to_string(), format!("item {object} has the model `object`, and is no `text`"));
    let mut transaction = party.transaction();
    transaction.list(text).push(1);
    assert!(matches!(transaction.commit(), Err(Error::OtherModel { .. })));
    assert!(matches!(party.text(ItemId([9; 32])), Err(Error::NoSuchItem { .. })));
    let handle = party.text(text).unwrap();
    handle.append("abc").unwrap();
    let outside = handle.insert(4, "x").err().unwrap();
    assert!(matches!(outside, Error::Edit(EditError::Outside { from: 4, to: 4, len: 3 })), "{outside}");
    assert!(matches!(handle.anchor(4, Bias::Left), Err(Error::Edit(EditError::Outside { .. }))));
    let mut elsewhere = party.transaction().after(Vec::new());
    elsewhere.text(text).append("x");
    assert!(matches!(elsewhere.commit(), Err(Error::NotAllowed { .. })));
    assert_eq!(handle.content().unwrap(), "abc");
}

#[test]
fn queries_see_elements_in_order_and_a_text_if_they_ask_for_it() {
    let two = Two::new(100);
    let handle = two.ada.party(&two.party);
    let (note, list) =
        (handle.create_item("text", None, None).unwrap(), handle.create_item("list", None, None).unwrap());
    let query = "output shown order by k. shown(k: K, v: V) :- element(list: $list, item: E, order_key: K),
                   attr(entity: E, attribute: \"value\", value: V).
                 output body. body(v: V) :- attr(entity: $note, attribute: \"text\", value: V).";
    let parameters = Parameters::from([("list".to_owned(), list.into()), ("note".to_owned(), note.into())]);
    let mut view = handle.watch(query, &parameters).unwrap();
    let mut other = handle.watch("output all. all(a: A) :- attr(attribute: A).", &Parameters::new()).unwrap();
    handle.list(list).unwrap().push("b").unwrap();
    handle.list(list).unwrap().insert(0, "a").unwrap();
    handle.text(note).unwrap().append("one").unwrap();
    handle.set(note, "title", "Note").unwrap();
    two.meet();
    two.list(&two.ben, list).move_element(1, 0).unwrap();
    two.text(&two.ben, note).append(" two").unwrap();
    two.meet();
    view.catch_up().unwrap();
    other.catch_up().unwrap();
    let mut shown: Vec<(Value, Value)> =
        view.rows("shown").map(|row| (row[0].clone(), row[1].clone())).collect();
    shown.sort();
    assert_eq!(shown.into_iter().map(|(_, value)| value).collect::<Vec<_>>(), ["b", "a"].map(Value::text));
    assert_eq!(view.rows("body").map(|row| row[0].clone()).collect::<Vec<_>>(), [Value::text("one two")]);
    let attributes: Vec<Value> = other.rows("all").map(|row| row[0].clone()).collect();
    assert_eq!(attributes, ["title", "value"].map(Value::text), "who does not ask is not given the text");
    let later = handle.watch(query, &parameters).unwrap();
    assert_eq!(later.rows("body").count(), 1);
}

#[test]
fn a_text_edited_as_a_file_keeps_what_others_write() {
    let two = Two::new(110);
    let item = two.ada.party(&two.party).create_item("text", None, None).unwrap();
    two.text(&two.ada, item).append("# List\n\nmilk\nbread\neggs\n").unwrap();
    two.meet();
    two.text(&two.ada, item).assign("# List\n\noat milk\nbread\n").unwrap();
    let bread = two.text(&two.ben, item).content().unwrap().find("bread").unwrap();
    two.text(&two.ben, item).replace(bread..bread + 5, "rye bread").unwrap();
    two.meet();
    assert_eq!(two.text(&two.ada, item).content().unwrap(), "# List\n\noat milk\nrye bread\n");
    assert!(TextEdit::between("a", "a").is_empty());
}

/// What was withdrawn stays in a text as structure (H16), and who comes later has it only if somebody cites it.
#[test]
fn who_builds_on_what_was_withdrawn_cites_it() {
    let two = Two::new(40);
    let adas = two.ada.party(&two.party);
    let item = adas.create_item("text", None, None).unwrap();
    two.meet();
    let withdrawn = two.text(&two.ben, item).insert(0, "Ben's").unwrap();
    send(&two.ben.database, &two.ada.database, &two.party);
    adas.remove_member(&two.ben.database.profile().identity, &Cut::Nothing).unwrap();
    assert_eq!(two.text(&two.ada, item).content().unwrap(), "");
    // Where Ada writes now, Ben's elements are still between.
    two.text(&two.ada, item).insert(0, "Ada's").unwrap();

    let cleo = Peer::new("Cleo", 42);
    two.ada.admit(&two.party, &cleo, Role::Writer).unwrap();
    send(&two.ada.database, &cleo.database, &two.party);
    let cleos = cleo.party(&two.party);
    assert_eq!(cleos.waiting(), 0);
    assert!(crate::common::linked(&cleo.database, &two.party).contains(&withdrawn.entry));
    assert_eq!(two.text(&cleo, item).content().unwrap(), "Ada's");
    assert_eq!(cleos.state_hash().unwrap(), adas.state_hash().unwrap());
    assert_sound(&cleos);
}
