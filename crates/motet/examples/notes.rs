//! Two people, one list of notes: offline writes, a conflict, a live query that is right throughout.
//!
//! Run with `cargo run --release -p motet --example notes`. The two databases live in memory and exchange what they
//! have by hand; over a network `motet-node` does it.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use motet::authority::{InvitationCode, Role};
use motet::{Database, Parameters, Party};
use motet_sync::Replica as _;

fn main() -> Result<(), motet::Error> {
    let ada = Database::in_memory("Ada")?;
    let home = ada.create_party("Home")?;
    let note = home.create_item("object", Some("note"), None)?;
    home.set(note, "title", "Milk")?;

    // Ada invites Ben, and reads the words to him.
    let words = home.invite_by_words(Role::Writer, i64::MAX)?;
    let ben = Database::in_memory("Ben")?;
    ben.join(&InvitationCode::Words(words)).meet(&ada)?;
    let bens_home = ben.party(&home.key())?;
    exchange(&home, &bens_home)?;

    let query = r#"
        output title.
        title(is: T, by_all: N) :- attr(entity: E, attribute: "title", value: T),
                                   N := count : candidate(entity: E, attribute: "title").
    "#;
    let mut titles = home.watch(query, &Parameters::new())?;
    println!("at first           {:?}", titles.rows("title").collect::<Vec<_>>());

    // Both write while they can't hear each other.
    home.set(note, "title", "Milk, eggs")?;
    bens_home.set(note, "title", "Milk, bread")?;
    exchange(&home, &bens_home)?;
    titles.catch_up()?;
    println!("after the conflict {:?}", titles.rows("title").collect::<Vec<_>>());
    assert_eq!(home.state_hash()?, bens_home.state_hash()?);

    // Whoever writes next has seen both, and settles it.
    bens_home.set(note, "title", "Milk, eggs, bread")?;
    exchange(&home, &bens_home)?;
    titles.catch_up()?;
    println!("settled            {:?}", titles.rows("title").collect::<Vec<_>>());
    assert_eq!(home.state_hash()?, bens_home.state_hash()?);
    Ok(())
}

/// Hands each side what it lacks.
fn exchange(one: &Party, other: &Party) -> Result<(), motet::Error> {
    for (from, to) in [(one, other), (other, one)] {
        let (from, to) = (from.database(), to.database());
        let heads = from.heads(&one.key());
        let wanted = [heads.control, heads.data].concat();
        let lacking = from.difference(&one.key(), &wanted, &[], false);
        let bundles = lacking.iter().filter_map(|id| from.load(&one.key(), id).ok().flatten()).collect();
        to.deliver(&one.key(), bundles)?;
    }
    Ok(())
}
