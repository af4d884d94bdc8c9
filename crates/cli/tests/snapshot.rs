//! `motet snapshot`: all of a party goes to another member in a file, is checked, and comes to the same.

use std::path::Path;

use motet::authority::{InvitationCode, Role};
use motet::{Database, Protection};
use tempfile::TempDir;

use crate::common::{Home, command, stderr, stdout};

/// Ben's home, who has joined Ada's party and heard nothing of it yet.
fn joined(ada: &Home) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let host = Database::open(&ada.path().join(".motet")).unwrap();
    let ben = Database::create(&home.path().join(".motet"), "Ben", &Protection::KeyFile).unwrap();
    let link = host.parties()[0].invite(Role::Writer, i64::MAX, Vec::new()).unwrap();
    ben.join(&InvitationCode::Link(link)).meet(&host).unwrap();
    home
}

fn ok(home: &Path, arguments: &[&str]) -> String {
    let output = command(home, arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    stdout(&output).to_owned()
}

fn fails(home: &Path, arguments: &[&str]) -> String {
    let output = command(home, arguments).output().unwrap();
    assert!(!output.status.success(), "{arguments:?}: {}", stdout(&output));
    stderr(&output).to_owned()
}

/// A party with items of several kinds, one of a model that is rules, and enough entries for several batches.
fn written() -> Home {
    let home = Home::new();
    home.ok(&["item", "new", "--type", "note", "title=Milk"]);
    home.ok(&["item", "new", "--model", "text"]);
    home.ok(&["model", "publish", "counter"]);
    home.ok(&["item", "new", "--model", "counter"]);
    let database = Database::open(&home.path().join(".motet")).unwrap();
    let party = &database.parties()[0];
    let change = |n: i64| {
        let mut transaction = party.transaction();
        transaction.set(party.root(), "count", n);
        transaction
    };
    party.commit_all((0..1200).map(change).collect()).unwrap();
    home
}

#[test]
fn a_snapshot_brings_all_of_a_party_to_another_member() {
    let ada = written();
    let ben = joined(&ada);
    assert!(ada.ok(&["snapshot", "save", "home.car"]).contains("home.car"));
    let file = ada.path().join("home.car");
    let file = file.to_str().unwrap();

    let said = ok(ben.path(), &["snapshot", "load", file, "--format", "json"]);
    assert!(said.contains("the same"), "{said}");
    let hash = |said: &str| said.split('"').find(|word| word.len() == 64).map(str::to_owned);
    let (adas, bens) = (
        ada.ok(&["status", "--hash", "--format", "json"]),
        ok(ben.path(), &["status", "--hash", "--format", "json"]),
    );
    assert_eq!(adas.lines().next().and_then(hash), bens.lines().next().and_then(hash));
    assert!(hash(&adas).is_some());
    ok(ben.path(), &["verify"]);
    let counters = "output c. c(i: I) :- item(id: I, model: M), M != \"object\", M != \"text\".";
    assert_eq!(ok(ben.path(), &["query", counters, "--format", "csv"]).lines().count(), 2);

    // Once more brings nothing, and who has more is not compared.
    assert!(ok(ben.path(), &["snapshot", "load", file]).contains("the same"));
    ok(ben.path(), &["item", "new", "title=Eggs"]);
    assert!(ok(ben.path(), &["snapshot", "load", file]).contains("there are other entries here"));
    // And back, through a pipe.
    let saved = command(ben.path(), &["snapshot", "save", "-"]).output().unwrap();
    assert!(saved.status.success());
    std::fs::write(ada.path().join("back.car"), &saved.stdout).unwrap();
    assert!(ada.ok(&["snapshot", "load", "back.car"]).contains("the same"));
}

#[test]
fn a_snapshot_that_was_changed_or_cut_is_named() {
    let ada = written();
    let ben = joined(&ada);
    ada.ok(&["snapshot", "save", "home.car"]);
    let bytes = std::fs::read(ada.path().join("home.car")).unwrap();
    let mut changed = bytes.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let at_a_block = bytes.len() - 1;
    for (bytes, want) in [
        (&changed[..], "bad.car: byte "),
        (&bytes[..at_a_block], "it is cut"),
        (&b"a letter to my aunt"[..], "bad.car"),
    ] {
        std::fs::write(ben.path().join("bad.car"), bytes).unwrap();
        let said = fails(ben.path(), &["snapshot", "load", "bad.car"]);
        assert!(said.contains(want) && !said.contains("panicked"), "{said}");
        ok(ben.path(), &["verify"]);
    }
    // What is sound of it is here, and the rest comes with a whole one.
    std::fs::write(ben.path().join("good.car"), &bytes).unwrap();
    assert!(ok(ben.path(), &["snapshot", "load", "good.car"]).contains("the same"));

    // A file of facts is none, and one of a party that one is not in is of no use.
    ada.ok(&["export", "car", "facts.car"]);
    let facts = ada.path().join("facts.car");
    assert!(
        fails(ben.path(), &["snapshot", "load", facts.to_str().unwrap()]).contains("no snapshot of a party")
    );
    let stranger = Home::new();
    std::fs::write(stranger.path().join("good.car"), &bytes).unwrap();
    let said = stranger.fails(&["snapshot", "load", "good.car"]).1;
    assert!(said.contains("“Home”") && said.contains("motet join CODE"), "{said}");
    assert!(said.contains("no such party") || said.contains("no party"), "{said}");
}
