//! Rules that a party saves reach all its members, and their queries use them (Q21).

use crate::common::{Peer, send};
use motet::authority::Role;
use motet::{Error, Parameters, Party};

const TITLES: &str = "output Title. Title(of: E, is: T) :- attr(entity: E, attribute: \"title\", value: T).";
const ASK: &str = "use titles. output Title.";

fn titles(party: &Party) -> Result<usize, Error> {
    Ok(party.watch(ASK, &Parameters::new())?.rows("Title").count())
}

/// What the query's mistake says.
fn mistake(answer: Result<usize, Error>) -> String {
    match answer {
        Err(Error::Query(diagnostics)) => diagnostics.to_string(),
        other => panic!("the query is wrong, and gives {other:?}"),
    }
}

#[test]
fn saved_rules_reach_every_member() {
    let (ada, mut bob) = (Peer::new("Ada", 1), Peer::new("Bob", 2));
    let home = ada.database.create_party("Home").unwrap();
    ada.admit(&home.key(), &bob, Role::Writer).unwrap();
    home.create_item("object", Some("note"), None).unwrap();
    home.save_rules("titles", TITLES).unwrap();
    home.set(motet::item::ItemId::root(&home.key()), "title", "Home").unwrap();
    assert_eq!(titles(&home).unwrap(), 1);
    send(&ada.database, &bob.database, &home.key());
    bob.reopen();
    let bobs = bob.party(&home.key());
    assert_eq!(bobs.rules().unwrap()["titles"], TITLES);
    assert_eq!(titles(&bobs).unwrap(), 1);
    bobs.save_rules("titles", &TITLES.replace("\"title\"", "\"name\"")).unwrap();
    send(&bob.database, &ada.database, &home.key());
    assert_eq!(titles(&home).unwrap(), 0, "of those that cite each other the later is there");
}

#[test]
fn rules_saved_at_once_have_one_winner() {
    let (ada, bob) = (Peer::new("Ada", 1), Peer::new("Bob", 2));
    let home = ada.database.create_party("Home").unwrap();
    ada.admit(&home.key(), &bob, Role::Writer).unwrap();
    send(&ada.database, &bob.database, &home.key());
    let bobs = bob.party(&home.key());
    home.save_rules("titles", TITLES).unwrap();
    bobs.save_rules("titles", "P(x: 1).").unwrap();
    send(&ada.database, &bob.database, &home.key());
    send(&bob.database, &ada.database, &home.key());
    assert_eq!(home.rules().unwrap(), bobs.rules().unwrap());
    assert_eq!(home.rules().unwrap().len(), 1);
}

#[test]
fn a_live_view_keeps_the_rules_it_was_compiled_with() {
    let ada = Peer::new("Ada", 1);
    let home = ada.database.create_party("Home").unwrap();
    home.save_rules("titles", TITLES).unwrap();
    let mut view = home.watch(ASK, &Parameters::new()).unwrap();
    home.remove_rules("titles").unwrap();
    home.set(motet::item::ItemId::root(&home.key()), "title", "Home").unwrap();
    view.catch_up().unwrap();
    assert_eq!(view.rows("Title").count(), 1);
    assert!(mistake(titles(&home)).contains("L027"));
    assert!(home.rules().unwrap().is_empty());
    home.save_rules("titles", TITLES).unwrap();
    assert_eq!(titles(&home).unwrap(), 1, "they can be saved again");
}

#[test]
fn mistakes_with_saved_rules_have_names() {
    let ada = Peer::new("Ada", 1);
    let home = ada.database.create_party("Home").unwrap();
    for name in ["", "a/b", "a b", "`"] {
        assert!(matches!(home.save_rules(name, TITLES), Err(Error::RulesName(_))));
    }
    assert!(matches!(home.save_rules("titles", "P(x: "), Err(Error::Query(_))));
    assert!(matches!(home.remove_rules("titles"), Err(Error::NoSuchRules(_))));
    home.save_rules("titles", "Title(is: T) :- attr(valu: T).").unwrap();
    let text = mistake(titles(&home));
    assert!(text.contains("--> rules titles:1:22") && text.contains("did you mean `value`?"), "{text}");
    assert_eq!(ada.database.parties().len(), 1);
}
