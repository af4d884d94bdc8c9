//! Two people, two devices each: a device linked by words, one that came back with the recovery phrase, an invitation,
//! everybody writing while nobody hears anybody, and a device that is removed while it does.
//!
//! Run with `cargo run --release -p motet --example household`. The four databases live in memory and talk by hand,
//! each giving the others what they may have and no more; over a network `motet-node` does it.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;

use motet::authority::{InvitationCode, Role};
use motet::fact::seal::SealKey;
use motet::world::SystemWorld;
use motet::{Cut, Database, Linking};
use motet_store::MemoryStore;
use motet_sync::{Limits, Session};

fn main() -> Result<(), Box<dyn Error>> {
    // Ada's laptop, and her phone: the laptop says four words, and whoever has them is hers.
    let laptop = Database::in_memory("Ada")?;
    let words = laptop.link_device_by_words(i64::MAX)?;
    println!("Ada reads to her phone: {words}");
    let (store, key) = (Arc::new(MemoryStore::new()), SealKey::from_bytes([1; 32]));
    let linking = Linking::begin_on(store, key, "phone", Arc::new(SystemWorld))?;
    linking.join(&InvitationCode::Words(words)).meet(&laptop)?;
    let phone = linking.finish()?;

    // Ben lost one of his devices, and comes back with the 24 words that he wrote down.
    let desk = Database::in_memory("Ben")?;
    let phrase = desk.phrase()?.ok_or("the first device holds the phrase")?;
    println!("Ben's phrase begins with {:?} …", phrase.words().split(' ').take(2).collect::<Vec<_>>());
    let (store, key) = (Arc::new(MemoryStore::new()), SealKey::from_bytes([2; 32]));
    let spare = Database::recover_on(store, key, "Ben", &phrase, Arc::new(SystemWorld))?;
    spare.claim().meet(&desk)?;

    // The phone founds a party; the laptop, which has it by then, invites; the recovered device joins.
    let all = [&laptop, &phone, &desk, &spare];
    let home = phone.create_party("Home")?.key();
    talk(&all)?;
    let words = laptop.party(&home)?.invite_by_words(Role::Writer, i64::MAX)?;
    spare.join(&InvitationCode::Words(words)).meet(&laptop)?;
    talk(&all)?;
    for database in all {
        let party = database.party(&home)?;
        let contacts: Vec<String> = database.contacts()?.into_values().collect();
        println!("{} has {:?}, and knows {contacts:?}", database.profile().name, party.name());
    }

    // All write at once, and hear of each other later.
    let note = laptop.party(&home)?.create_item("object", Some("note"), None)?;
    talk(&all)?;
    for (number, database) in all.iter().enumerate() {
        database.party(&home)?.set(note, format!("line {number}"), "written offline")?;
    }
    talk(&all)?;
    let hash = laptop.party(&home)?.state_hash()?;
    for database in all {
        let party = database.party(&home)?;
        assert_eq!(party.state_hash()?, hash);
        assert_eq!(party.item(note, |item| item.attributes(&note.entity()).len())?, 4);
    }
    println!("all four have the state {hash}");

    // The phone writes where nobody hears it, and is removed meanwhile. What it wrote does not count.
    laptop.party(&home)?.set(note, "line 4", "written at home")?;
    phone.party(&home)?.set(note, "line 5", "written by whoever found the phone")?;
    laptop.remove_own_device(&phone.profile().device, &Cut::Here)?;
    talk(&all)?;
    let hash = laptop.party(&home)?.state_hash()?;
    for database in [&laptop, &desk, &spare] {
        let party = database.party(&home)?;
        assert_eq!(party.state_hash()?, hash);
        assert_eq!(party.item(note, |item| item.attributes(&note.entity()).len())?, 5);
    }
    let refused = phone.party(&home)?.set(note, "line 6", "again").expect_err("it was removed");
    println!("three have the state {hash}; the phone is told: {refused}");
    Ok(())
}

/// Lets everybody talk with everybody, often enough that what one device does for another comes round.
fn talk(databases: &[&Database]) -> Result<(), Box<dyn Error>> {
    for _ in 0..4 {
        for (at, one) in databases.iter().enumerate() {
            databases[at + 1..].iter().try_for_each(|other| converse([one, other]))?;
        }
    }
    Ok(())
}

/// One connection, from its opening until neither end has anything to say.
fn converse(ends: [&Database; 2]) -> Result<(), Box<dyn Error>> {
    let mut sessions = [1, 0].map(|peer: usize| Session::new(ends[peer].profile().device, Limits::default()));
    let mut said = VecDeque::new();
    for at in [0, 1] {
        said.extend(sessions[at].open(ends[at]).into_iter().map(|message| (1 - at, message)));
    }
    while let Some((to, message)) = said.pop_front() {
        let received = sessions[to].receive(message, ends[to])?;
        let mut answers = received.send;
        for delivery in received.deliver {
            ends[to].deliver(&delivery.party, delivery.bundles)?;
            answers.extend(sessions[to].delivered(delivery.party, ends[to])?);
        }
        if said.is_empty() && answers.is_empty() {
            answers = sessions[to].changed(ends[to]);
        }
        said.extend(answers.into_iter().map(|message| (1 - to, message)));
    }
    Ok(())
}
