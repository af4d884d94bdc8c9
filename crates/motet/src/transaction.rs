//! What becomes true together: facts about one or more items, in one signed entry.
//!
//! A transaction is filled in without touching the party, and committed at once: then registers find the heads they
//! overwrite, facts get their causes, the entry its place in the feed, and the whole goes down the pipeline like any
//! other entry.

use motet_fact::{Attribute, Cid, Entity, Fact, PublicKey, Value};
use motet_item::{Genesis, ItemId, ListEdit};

use crate::text::TextChange;
use crate::{Error, Party};

/// One thing that a transaction does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A fact as it is.
    State { item: ItemId, fact: Fact },
    /// A new value of a register; its causes are found at commit.
    Set { item: ItemId, entity: Entity, attribute: Attribute, value: Value },
    /// Something else that happens to a property.
    Property { item: ItemId, property: Attribute, operation: Operation },
    /// A text changes.
    Text { item: ItemId, changes: Vec<TextChange> },
    /// A list changes.
    List { item: ItemId, edits: Vec<ListEdit> },
    /// A new item comes under its parent.
    Hang { child: ItemId, parent: ItemId },
    /// An item moves.
    Move { child: ItemId, parent: ItemId, stand: Stand },
}

/// What happens to a property.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Remove,
    Add(Value),
    Take(Value),
    Increment(i64),
}

/// Where an item comes to stand among the children of its parent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stand {
    /// After all others.
    #[default]
    Last,
    /// Before all others.
    First,
    /// Right before this one.
    Before(ItemId),
    /// Right after this one.
    After(ItemId),
}

/// Where a transaction stands in the party's history.
#[derive(Clone, Debug, Default)]
pub(crate) enum After {
    /// After everything this replica knows.
    #[default]
    Heads,
    /// After these entries (and the feed's last) alone: for imports of history that happened elsewhere.
    These(Vec<Cid>),
    /// After everything this replica knows, and these entries, which may not count.
    HeadsAnd(Vec<Cid>),
}

/// The name of a written entry, to wait for and to point at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The feed it is on.
    pub feed: PublicKey,
    /// Its seq.
    pub seq: u64,
    /// The entry.
    pub entry: Cid,
}

/// Changes that become true together. Nothing happens before [`Transaction::commit`].
#[must_use = "a transaction does nothing until it is committed"]
pub struct Transaction {
    pub(crate) party: Party,
    pub(crate) steps: Vec<Step>,
    pub(crate) feed: Option<PublicKey>,
    pub(crate) after: After,
    /// Places in the same [`Party::commit_all`] whose entries this one comes after, too.
    pub(crate) earlier: Vec<usize>,
    pub(crate) written_at: Option<i64>,
}

impl Transaction {
    pub(crate) fn new(party: Party) -> Self {
        Transaction {
            party,
            steps: Vec::new(),
            feed: None,
            after: After::Heads,
            earlier: Vec::new(),
            written_at: None,
        }
    }

    /// Writes to this feed, whose key this database has, and not to the device's own.
    pub fn on_feed(mut self, feed: PublicKey) -> Self {
        self.feed = Some(feed);
        self
    }

    /// Places the entry after these entries and the feed's last, and not after everything this replica knows.
    pub fn after(mut self, entries: Vec<Cid>) -> Self {
        self.after = After::These(entries);
        self
    }

    /// Places the entry after the entries of these transactions as well: they stand earlier, counted from 0, in the
    /// same [`Party::commit_all`], so that their ids can't be known yet.
    pub fn after_earlier(mut self, places: Vec<usize>) -> Self {
        self.earlier = places;
        self
    }

    /// States another time of writing (seconds since 1970; informative).
    pub fn written_at(mut self, seconds: i64) -> Self {
        self.written_at = Some(seconds);
        self
    }

    /// Makes an item and gives its id (H15). Its model is one that is registered, or one that is data: by the name it
    /// is published under, or the CID of its block.
    ///
    /// # Errors
    /// [`Error::NoSuchModel`] for a model that is not registered; [`Error::NotAllowed`] if there is no feed to write
    /// to.
    pub fn create_item(
        &mut self,
        model: &str,
        kind: Option<&str>,
        parent: Option<ItemId>,
    ) -> Result<ItemId, Error> {
        let (model, version) = self.party.resolve_model(model)?;
        let feed = match self.feed {
            Some(feed) => feed,
            None => self.party.data_feed()?,
        };
        self.feed = Some(feed);
        let genesis = Genesis { nonce: self.party.nonce(), model, version, kind: kind.map(str::to_owned) };
        let item = genesis.id(&self.party.key(), &feed);
        let facts = genesis.facts(item)?;
        self.steps.extend(facts.into_iter().map(|fact| Step::State { item, fact }));
        let parent = parent.unwrap_or_else(|| ItemId::root(&self.party.key()));
        self.steps.push(Step::Hang { child: item, parent });
        Ok(item)
    }

    /// Sets a property of an item, over the values this replica knows. The property of an Object is a path through
    /// maps: `address.city` ([`motet_item::Path`]).
    pub fn set(&mut self, item: ItemId, property: impl Into<Attribute>, value: impl Into<Value>) {
        self.set_about(item, item.entity(), property, value);
    }

    /// Sets a property of an entity that belongs to an item.
    pub(crate) fn set_about(
        &mut self,
        item: ItemId,
        entity: Entity,
        property: impl Into<Attribute>,
        value: impl Into<Value>,
    ) {
        self.steps.push(Step::Set { item, entity, attribute: property.into(), value: value.into() });
    }

    /// Removes a property, and what lies in it if it is a map. What somebody says of it concurrently stays.
    pub fn remove(&mut self, item: ItemId, property: impl Into<Attribute>) {
        self.operate(item, property, Operation::Remove);
    }

    /// Adds a value to the set that a property is.
    pub fn add(&mut self, item: ItemId, property: impl Into<Attribute>, value: impl Into<Value>) {
        self.operate(item, property, Operation::Add(value.into()));
    }

    /// Takes a value out of the set that a property is. Somebody who adds it concurrently wins.
    pub fn take(&mut self, item: ItemId, property: impl Into<Attribute>, value: impl Into<Value>) {
        self.operate(item, property, Operation::Take(value.into()));
    }

    /// Adds to the number that a property is. Concurrent increments add up.
    pub fn increment(&mut self, item: ItemId, property: impl Into<Attribute>, by: i64) {
        self.operate(item, property, Operation::Increment(by));
    }

    fn operate(&mut self, item: ItemId, property: impl Into<Attribute>, operation: Operation) {
        self.steps.push(Step::Property { item, property: property.into(), operation });
    }

    /// Says a line in a Log, of one value or several, and gives its name.
    ///
    /// # Errors
    /// [`Error::Fact`] if a value is too long.
    pub fn append(
        &mut self,
        log: ItemId,
        line: impl IntoIterator<Item = (Attribute, Value)>,
    ) -> Result<Entity, Error> {
        let entity = Entity::from(self.party.nonce());
        for (attribute, value) in line {
            let fact = Fact::new(entity.clone(), attribute, value, Vec::new())?;
            self.steps.push(Step::State { item: log, fact });
        }
        Ok(entity)
    }

    /// Moves an item under another, to the end of its children.
    pub fn move_to(&mut self, item: ItemId, parent: ItemId) {
        self.place(item, parent, Stand::Last);
    }

    /// Moves an item under another, to a place among its children.
    pub fn place(&mut self, item: ItemId, parent: ItemId, stand: Stand) {
        self.steps.push(Step::Move { child: item, parent, stand });
    }

    /// States a fact, and gives its CID. Its causes must be facts of the same item that this entry comes after.
    pub fn state(&mut self, item: ItemId, fact: Fact) -> Cid {
        let cid = fact.cid();
        self.steps.push(Step::State { item, fact });
        cid
    }

    /// Whether it does something to texts or lists.
    pub(crate) fn edits_sequences(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Text { .. } | Step::List { .. }))
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Signs and stores the changes as one entry. When this returns, they are durable.
    ///
    /// # Errors
    /// [`Error::TooLarge`] over 2 MiB; [`Error::NotAllowed`] without a feed to write to; [`Error::WouldCycle`] and
    /// [`Error::NoSuchSibling`] of moves; [`Error::OtherModel`] and [`Error::Edit`] of what is done to texts and lists;
    /// [`Error::Store`].
    pub fn commit(self) -> Result<Receipt, Error> {
        let party = self.party.clone();
        let mut receipts = party.commit_all(vec![self])?;
        Ok(receipts.remove(0))
    }
}
