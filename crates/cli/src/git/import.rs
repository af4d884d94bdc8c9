//! A git history into a party.
//!
//! The authors become members, enrolled by their mailmap name; each writes to its own feed. A commit becomes an
//! entity named by its id, with facts under `git/…`:
//!
//! | attribute | value | |
//! |---|---|---|
//! | `git/commit` | the id in hexadecimal | its causes are the same facts of its parents |
//! | `git/parent` | a link to that fact of a parent | one for each |
//! | `git/author`, `git/committer` | names | |
//! | `git/author-time`, `git/commit-time` | seconds since 1970 | |
//! | `git/subject` | text | |
//! | `git/merge` | `true` | only merges |
//! | `git/added`, `git/modified`, `git/deleted`, `git/type-changed` | a path: text if it is UTF-8, else bytes | |
//!
//! All are in one item of the Facts model and the type `git`. An entry carries the facts of consecutive commits of one
//! author, up to about a thousand facts, and comes after the entries that hold their parents and after no others: so
//! the causal graph of the feeds is the graph of the commits, and not the order in which we read them.
//!
//! A commit's `git/commit` fact is stated last. An import that was cut short therefore left no half commits, and
//! importing again adds what is new: the item is found by any of the repository's first commits.

use std::collections::{BTreeMap, BTreeSet};

use motet::item::ItemId;
use motet::{Party, Transaction};
use motet_fact::{Attribute, Cid, Entity, Fact, PublicKey, Value};

use crate::failure::Failure;
use crate::git::{Commit, CommitId, GitError};

/// The type of items that hold a repository's history.
pub(crate) const ITEM_TYPE: &str = "git";
/// The attribute whose fact stands for the commit.
pub(crate) const COMMIT: &str = "git/commit";

/// An entry is closed when it has so many facts …
const ENTRY_FACTS: usize = 1_000;
/// … or about so many bytes.
const ENTRY_BYTES: usize = 200 * 1024;
/// Entries are committed together when they have so many facts …
const BATCH_FACTS: usize = 20_000;
/// … or about so many bytes.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// The longest subject that is kept, in bytes.
const SUBJECT_BYTES: usize = 8 * 1024;

/// How far an import has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Imported {
    /// Commits that were new.
    pub(crate) commits: u64,
    /// Commits that were there before.
    pub(crate) known: u64,
    /// Facts written.
    pub(crate) facts: u64,
    /// Entries written.
    pub(crate) entries: u64,
}

/// Where a commit is: its `git/commit` fact, and the number of the entry that states it.
#[derive(Clone, Copy)]
struct Place {
    fact: Cid,
    entry: usize,
}

/// The entry that is being filled.
struct Open {
    author: String,
    written_at: i64,
    facts: Vec<Fact>,
    bytes: usize,
    commits: usize,
    /// The entries it comes after, by number.
    after: BTreeSet<usize>,
}

/// Brings commits into a party, one by one.
pub(crate) struct Importer {
    party: Party,
    item: ItemId,
    commits: BTreeMap<CommitId, Place>,
    /// The entries that were written, by number. Those of the batch come behind them.
    entries: Vec<Cid>,
    feeds: BTreeMap<String, PublicKey>,
    batch: Vec<Open>,
    open: Option<Open>,
    done: Imported,
    /// The most commits of one entry.
    commits_max: usize,
}

impl Importer {
    /// Finds the item that holds a history with one of these first commits, or makes one.
    pub(crate) fn new(party: &Party, name: &str, roots: &[CommitId]) -> Result<Self, Failure> {
        let mut importer = Importer {
            party: party.clone(),
            item: ItemId::root(&party.key()),
            commits: BTreeMap::new(),
            entries: Vec::new(),
            feeds: BTreeMap::new(),
            batch: Vec::new(),
            open: None,
            done: Imported::default(),
            commits_max: usize::MAX,
        };
        let items = party.items()?.into_iter().filter(|item| item.kind.as_deref() == Some(ITEM_TYPE));
        for item in items {
            importer.read(item.id)?;
            if roots.iter().any(|root| importer.commits.contains_key(root)) {
                return Ok(importer);
            }
        }
        importer.begin(name)?;
        Ok(importer)
    }

    /// Puts at most so many commits into an entry.
    pub(crate) fn with_commits_max(mut self, commits: usize) -> Self {
        self.commits_max = commits.max(1);
        self
    }

    /// The item that holds the history.
    pub(crate) fn item(&self) -> ItemId {
        self.item
    }

    /// How far it has come.
    pub(crate) fn done(&self) -> Imported {
        self.done
    }

    /// The fact that stands for a commit, if it was added.
    pub(crate) fn fact_of(&self, commit: &CommitId) -> Option<Cid> {
        self.commits.get(commit).map(|place| place.fact)
    }

    /// Learns which commits an item holds.
    fn read(&mut self, item: ItemId) -> Result<(), Failure> {
        (self.item, self.commits, self.entries) = (item, BTreeMap::new(), Vec::new());
        let (commits, entries) = (&mut self.commits, &mut self.entries);
        self.party.visit_parts(item, |entry, facts| {
            if entries.last() != Some(&entry) {
                entries.push(entry);
            }
            for fact in facts.iter().filter(|fact| fact.attribute().as_text() == Some(COMMIT)) {
                if let Some(id) = CommitId::from_bytes(fact.entity().as_bytes()) {
                    commits.insert(id, Place { fact: fact.cid(), entry: entries.len() - 1 });
                }
            }
        })?;
        Ok(())
    }

    fn begin(&mut self, name: &str) -> Result<(), Failure> {
        let mut transaction = self.party.transaction();
        self.item = transaction.create_item("facts", Some(ITEM_TYPE), None)?;
        transaction.state(self.item, fact(&self.item.entity(), "git/name", clipped(name), Vec::new())?);
        self.commits = BTreeMap::new();
        self.entries = vec![transaction.commit()?.entry];
        Ok(())
    }

    /// Adds a commit, unless it is there. Its parents were added before.
    pub(crate) fn add(&mut self, commit: &Commit) -> Result<(), Failure> {
        if self.commits.contains_key(&commit.id) {
            self.done.known += 1;
            return Ok(());
        }
        let parents = self.parents(commit)?;
        let (facts, cid) = facts_of(commit, &parents)?;
        self.make_room(commit, &facts)?;
        for fact in facts {
            if self.open.as_ref().is_some_and(Open::is_full) {
                self.close()?;
            }
            self.open_for(commit, &parents).push(fact);
        }
        self.commits
            .insert(commit.id.clone(), Place { fact: cid, entry: self.entries.len() + self.batch.len() });
        self.done.commits += 1;
        Ok(())
    }

    fn parents(&self, commit: &Commit) -> Result<Vec<Place>, Failure> {
        let place = |parent| {
            self.commits.get(parent).copied().ok_or_else(|| {
                let what =
                    format!("commit {} came before its parent {parent}: the history has a hole", commit.id);
                Failure::Failed(what).help("`git fsck` tells whether the repository is whole")
            })
        };
        commit.parents.iter().map(place).collect()
    }

    /// Closes the entry if it is another author's, or if the commit would make it too long.
    fn make_room(&mut self, commit: &Commit, facts: &[Fact]) -> Result<(), Failure> {
        let fits = |open: &Open| {
            open.author == commit.author
                && open.commits < self.commits_max
                && open.facts.len() + facts.len() <= ENTRY_FACTS
                && open.bytes + facts.iter().map(size).sum::<usize>() <= ENTRY_BYTES
        };
        if self.open.as_ref().is_some_and(|open| !fits(open)) { self.close() } else { Ok(()) }
    }

    /// The entry to write a fact of the commit to.
    fn open_for(&mut self, commit: &Commit, parents: &[Place]) -> &mut Open {
        let this = self.entries.len() + self.batch.len();
        let open = self.open.get_or_insert_with(|| Open {
            author: commit.author.clone(),
            written_at: commit.author_time,
            facts: Vec::new(),
            bytes: 0,
            commits: 0,
            after: BTreeSet::new(),
        });
        open.after.extend(parents.iter().map(|parent| parent.entry).filter(|entry| *entry != this));
        if parents.is_empty() {
            open.after.insert(0); // the entry that made the item
        }
        open
    }

    fn close(&mut self) -> Result<(), Failure> {
        self.batch.extend(self.open.take());
        let facts: usize = self.batch.iter().map(|open| open.facts.len()).sum();
        let bytes: usize = self.batch.iter().map(|open| open.bytes).sum();
        if facts >= BATCH_FACTS || bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Makes everything that was added durable.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.batch.extend(self.open.take());
        self.enrol()?;
        let batch = std::mem::take(&mut self.batch);
        self.done.facts += batch.iter().map(|open| open.facts.len() as u64).sum::<u64>();
        self.done.entries += batch.len() as u64;
        let transactions = batch.into_iter().map(|open| self.transaction(open)).collect();
        let receipts = self.party.commit_all(transactions)?;
        self.entries.extend(receipts.into_iter().map(|receipt| receipt.entry));
        Ok(())
    }

    fn enrol(&mut self) -> Result<(), Failure> {
        let unknown =
            self.batch.iter().map(|open| &open.author).filter(|name| !self.feeds.contains_key(*name));
        let names: Vec<String> = unknown.cloned().collect::<BTreeSet<_>>().into_iter().collect();
        let authors = self.party.enrol(&names)?;
        self.feeds.extend(names.into_iter().zip(authors.into_iter().map(|author| author.feed)));
        Ok(())
    }

    fn transaction(&self, open: Open) -> Transaction {
        let written = self.entries.len();
        let after = open.after.iter().filter(|entry| **entry < written).map(|entry| self.entries[*entry]);
        let earlier = open.after.iter().filter(|entry| **entry >= written).map(|entry| entry - written);
        let mut transaction = self
            .party
            .transaction()
            .on_feed(self.feeds[&open.author])
            .after(after.collect())
            .after_earlier(earlier.collect())
            .written_at(open.written_at);
        for fact in open.facts {
            transaction.state(self.item, fact);
        }
        transaction
    }
}

impl Open {
    fn is_full(&self) -> bool {
        self.facts.len() >= ENTRY_FACTS || self.bytes >= ENTRY_BYTES
    }

    fn push(&mut self, fact: Fact) {
        self.bytes += size(&fact);
        self.facts.push(fact);
    }
}

/// Imports commits as they come; `tell` hears after each.
pub(crate) fn import(
    mut importer: Importer,
    commits: impl Iterator<Item = Result<Commit, GitError>>,
    tell: &mut dyn FnMut(&Commit, Imported),
) -> Result<Importer, Failure> {
    for commit in commits {
        let commit = commit?;
        importer.add(&commit)?;
        tell(&commit, importer.done());
    }
    importer.flush()?;
    Ok(importer)
}

/// The facts of a commit, and the CID of the last: the one that stands for it.
fn facts_of(commit: &Commit, parents: &[Place]) -> Result<(Vec<Fact>, Cid), Failure> {
    let entity = commit.id.entity();
    let mut facts = Vec::with_capacity(8 + commit.touches.len());
    let mut say = |attribute: &'static str, value: Value| {
        facts.push(fact(&entity, attribute, value, Vec::new())?);
        Ok::<_, Failure>(())
    };
    say("git/author", clipped(&commit.author).into())?;
    say("git/committer", clipped(&commit.committer).into())?;
    say("git/author-time", commit.author_time.into())?;
    say("git/commit-time", commit.committer_time.into())?;
    say("git/subject", clipped(&commit.subject).into())?;
    for parent in parents {
        say("git/parent", parent.fact.into())?;
    }
    if commit.is_merge() {
        say("git/merge", true.into())?;
    }
    for touch in &commit.touches {
        say(touch.kind.attribute(), path_value(&touch.path))?;
    }
    let causes = parents.iter().map(|parent| parent.fact).collect();
    let last = fact(&entity, COMMIT, commit.id.to_string(), causes)?;
    let cid = last.cid();
    facts.push(last);
    Ok((facts, cid))
}

/// A path as a value: text if it is UTF-8, else bytes.
pub(crate) fn path_value(path: &[u8]) -> Value {
    std::str::from_utf8(path).map_or_else(|_| Value::bytes(path), Value::from)
}

fn fact(
    entity: &Entity,
    attribute: &str,
    value: impl Into<Value>,
    causes: Vec<Cid>,
) -> Result<Fact, Failure> {
    let attribute: Attribute = attribute.into();
    Fact::new(entity.clone(), attribute, value, causes)
        .map_err(|error| Failure::from(motet::Error::from(error)))
}

/// About how many bytes a fact takes.
fn size(fact: &Fact) -> usize {
    let value = match fact.value() {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 40,
    };
    64 + value + 42 * fact.causes().len()
}

/// The longest front of a text that a fact takes.
fn clipped(text: &str) -> &str {
    &text[..text.floor_char_boundary(SUBJECT_BYTES)]
}
