//! Writing to a party: transactions become entries, credentials become entries, and all go down the pipeline.
//!
//! A writer places its entry after everything it knows (or after what it is told to), at the end of its feed, and signs
//! it. That is all it does by itself: what follows is [`crate::pipeline`], the same as for entries of others.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Attribute, Cid, PublicKey, SecretKey, Value};
use motet_feed::entry::{MAX_CAUSES, MAX_PARTS};
use motet_feed::{Draft, Entry, EntryKind, MAX_BODY_BYTES, PartRef, Tag};
use motet_item::{ItemId, split};
use motet_party::{Credential, Founding, Genesis, MAX_NAME_BYTES, certify_feed, encode_body};
use motet_store::Batch;

use crate::database::put_record;
use crate::pipeline::{Arrival, Outcome, Report};
use crate::proto::PartyRecord;
use crate::registers::{Bodies, Registers};
use crate::state::PartyState;
use crate::transaction::{After, Transaction};
use crate::{Database, Error, Party, Receipt};

impl Database {
    /// Founds a party: its key signs the genesis and is thrown away; this device is its first admin's.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn create_party(&self, name: &str) -> Result<Party, Error> {
        let secret = SecretKey::from_bytes(self.world().bytes());
        let party = self.found_party(&secret, name, Batch::new())?;
        self.do_chores();
        Ok(party)
    }

    /// Founds the party of a key. One commit for all of it: a crash leaves no party without a genesis.
    pub(crate) fn found_party(
        &self,
        secret: &SecretKey,
        name: &str,
        mut batch: Batch,
    ) -> Result<Party, Error> {
        let (control, data) = (self.new_key(&mut batch), self.new_key(&mut batch));
        let profile = self.profile();
        let genesis = Genesis::sign(&Founding {
            party: secret,
            founder: profile.identity,
            device: self.device_key(),
            device_certificate: profile.certificate,
            control_feed: &control,
            data_feed: &data,
            name: clipped(&profile.name),
            party_name: clipped(name),
        });
        let record = record_of(&secret.public(), &control, &data);
        put_record(&mut batch, &record);
        let party = self.adopt(record)?;
        party.write_control(&control, &[Credential::Genesis(Box::new(genesis))], batch)?;
        Ok(party)
    }
}

/// The record of a party to which this device writes with these feeds.
pub(crate) fn record_of(party: &PublicKey, control: &SecretKey, data: &SecretKey) -> PartyRecord {
    PartyRecord {
        party: party.as_bytes().to_vec(),
        control_feed: control.public().as_bytes().to_vec(),
        data_feed: data.public().as_bytes().to_vec(),
        ..PartyRecord::default()
    }
}

/// The longest front of a name that a credential takes.
pub(crate) fn clipped(text: &str) -> &str {
    let mut end = MAX_NAME_BYTES.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

impl Party {
    /// Begins a transaction.
    pub fn transaction(&self) -> Transaction {
        Transaction::new(self.clone())
    }

    /// Makes an item, in a transaction of its own.
    ///
    /// # Errors
    /// As [`Transaction::create_item`] and [`Transaction::commit`].
    pub fn create_item(
        &self,
        model: &str,
        kind: Option<&str>,
        parent: Option<ItemId>,
    ) -> Result<ItemId, Error> {
        let mut transaction = self.transaction();
        let item = transaction.create_item(model, kind, parent)?;
        transaction.commit()?;
        Ok(item)
    }

    /// Sets a property of an item, in a transaction of its own.
    ///
    /// # Errors
    /// As [`Transaction::commit`].
    pub fn set(
        &self,
        item: ItemId,
        attribute: impl Into<Attribute>,
        value: impl Into<Value>,
    ) -> Result<Receipt, Error> {
        let mut transaction = self.transaction();
        transaction.set(item, attribute, value);
        transaction.commit()
    }

    /// Moves an item under another, in a transaction of its own. Two moves made concurrently can still meet in a
    /// cycle.
    ///
    /// # Errors
    /// [`Error::WouldCycle`]; otherwise as [`Transaction::commit`].
    pub fn move_item(&self, item: ItemId, parent: ItemId) -> Result<Receipt, Error> {
        let mut above = Some(parent);
        let mut seen = BTreeSet::new();
        while let Some(next) = above.filter(|next| seen.insert(*next)) {
            if next == item {
                return Err(Error::WouldCycle { item: item.to_string(), parent: parent.to_string() });
            }
            above = self.item_summary(next)?.parent;
        }
        let mut transaction = self.transaction();
        transaction.move_to(item, parent);
        transaction.commit()
    }

    /// Commits several transactions at once: an entry each, one after the other, one durable commit for all.
    ///
    /// # Errors
    /// As [`Transaction::commit`], of the first that fails; those before it are written.
    pub fn commit_all(&self, transactions: Vec<Transaction>) -> Result<Vec<Receipt>, Error> {
        let mut prepared = Vec::new();
        for transaction in transactions {
            let feed = match transaction.feed {
                Some(feed) => feed,
                None => self.data_feed()?,
            };
            prepared.push((feed, transaction));
        }
        let mut keys = BTreeMap::new();
        for (feed, _) in &prepared {
            if !keys.contains_key(feed) {
                keys.insert(*feed, self.feed_secret(feed)?);
            }
        }
        let (store, now) = (self.database().store(), self.database().world().now());
        let mut registers = Registers::of(prepared.iter().map(|(_, transaction)| transaction));
        let mut receipts: Vec<Receipt> = Vec::with_capacity(prepared.len());
        let mut prepared = prepared.into_iter().peekable();
        self.with(|state| {
            state.run(store, Batch::new(), &mut |state| {
                let Some((feed, transaction)) = prepared.next_if(|(_, next)| !next.needs_merge(state)) else {
                    return prepared.peek().map(|(feed, _)| merge(state, &keys[feed])).transpose();
                };
                let written_at = transaction.written_at.unwrap_or(now);
                let bodies = registers.facts(state, store, &transaction.steps)?;
                let parts = parts_of(written_at, &bodies)?;
                let mut after = transaction.after;
                if let After::These(entries) = &mut after {
                    for place in &transaction.earlier {
                        let why = || format!("it is to come after transaction {place}, which is not earlier");
                        let receipt = receipts.get(*place);
                        let receipt =
                            receipt.ok_or_else(|| Error::NotAllowed { party: state.party, why: why() })?;
                        entries.push(receipt.entry);
                    }
                }
                let arrival = draft(state, &keys[&feed], EntryKind::Data, &after, parts)?;
                let header = arrival.entry.header();
                receipts.push(Receipt { feed, seq: header.seq, entry: arrival.entry.id() });
                Ok(Some(arrival))
            })
        })?;
        self.database().notify();
        Ok(receipts)
    }

    /// Writes credentials to a control feed. Other rows may be committed with them.
    pub(crate) fn write_control(
        &self,
        feed: &SecretKey,
        credentials: &[Credential],
        extra: Batch,
    ) -> Result<Cid, Error> {
        let now = self.database().world().now();
        let part = (Tag::default(), encode_body(now, credentials));
        let mut parts = Some(vec![part]);
        let mut id = None;
        let store = self.database().store();
        self.with(|state| {
            state.run(store, extra, &mut |state| {
                let Some(parts) = parts.take() else { return Ok(None) };
                let arrival = draft(state, feed, EntryKind::Control, &After::Heads, parts)?;
                if let Err(refusal) = state.authority.judge_control(&arrival.entry, credentials, &state.graph)
                {
                    return Err(Error::NotAllowed { party: state.party, why: refusal.to_string() });
                }
                id = Some(arrival.entry.id());
                Ok(Some(arrival))
            })
        })?;
        self.database().notify();
        Ok(id.expect("the one entry was written"))
    }

    pub(crate) fn control_secret(&self) -> Result<SecretKey, Error> {
        let feed = self.with(|state| PublicKey::from_bytes(&state.record.control_feed));
        let feed = feed.map_err(|error| Error::unreadable("the record of a party", error))?;
        self.database().own_secret(&feed)
    }

    fn feed_secret(&self, feed: &PublicKey) -> Result<SecretKey, Error> {
        self.database().secret(feed)?.ok_or_else(|| Error::NotAllowed {
            party: self.key(),
            why: format!("this database does not have the key of feed {feed}"),
        })
    }

    /// The feed this device writes data to. If a peer has shown a longer one than ours (a restored backup, a clone),
    /// a new feed is begun, so that nothing forks (H5).
    pub(crate) fn data_feed(&self) -> Result<PublicKey, Error> {
        let (feed, retired) = self
            .with(|state| (PublicKey::from_bytes(&state.record.data_feed), state.record.data_feed_retired));
        match feed {
            Ok(feed) if !retired => Ok(feed),
            Ok(_) => self.begin_data_feed(),
            Err(error) => Err(Error::unreadable("the record of a party", error)),
        }
    }

    fn begin_data_feed(&self) -> Result<PublicKey, Error> {
        let mut batch = Batch::new();
        let (feed, profile) = (self.database().new_key(&mut batch), self.database().profile().clone());
        let device = self.database().device_key();
        let certificate = certify_feed(&feed, device, &self.key(), &profile.identity, EntryKind::Data);
        let credential = Credential::Feed {
            member: profile.identity,
            device: profile.device,
            feed: feed.public(),
            kind: EntryKind::Data,
            certificate,
        };
        let mut record = self.with(|state| state.record.clone());
        record.data_feed = feed.public().as_bytes().to_vec();
        record.data_feed_retired = false;
        put_record(&mut batch, &record);
        self.write_control(&self.control_secret()?, &[credential], batch)?;
        self.with(|state| state.record = record);
        Ok(feed.public())
    }

    pub(crate) fn nonce(&self) -> [u8; 16] {
        self.database().world().bytes()
    }

    pub(crate) fn check_model(&self, model: &str) -> Result<(), Error> {
        let registry = &self.database().inner.registry;
        if registry.get(model).is_some() {
            return Ok(());
        }
        Err(Error::NoSuchModel(model.to_owned(), registry.names().map(str::to_owned).collect()))
    }

    /// Takes entries in that came from elsewhere. The same corridor that local writes walk.
    ///
    /// # Errors
    /// [`Error::Store`]. What is wrong with single entries is in the report.
    pub fn ingest(&self, arrivals: Vec<Arrival>) -> Result<Report, Error> {
        let store = self.database().store();
        if self.with(|state| state.record.paused) {
            return self.stall(arrivals);
        }
        let mut arrivals = arrivals.into_iter();
        let report = self.with(|state| {
            let mut extra = Batch::new();
            let own = state.record.data_feed.clone();
            let longer = arrivals.as_slice().iter().any(|arrival| {
                let id = arrival.entry.id();
                let header = arrival.entry.header();
                header.feed.as_bytes().as_slice() == own
                    && !state.graph.contains(&id)
                    && !state.pending.contains(&id)
            });
            if longer && !state.record.data_feed_retired {
                state.record.data_feed_retired = true;
                put_record(&mut extra, &state.record);
            }
            state.run(store, extra, &mut |_| Ok(arrivals.next()))
        })?;
        let news = |(_, outcome): &(Cid, Outcome)| !matches!(outcome, Outcome::Known | Outcome::Rejected(_));
        if report.outcomes.iter().any(news) {
            self.database().notify();
        }
        Ok(report)
    }
}

/// How many heads of a kind an entry cites at most.
const MAX_HEADS: usize = 2000;
const _: () = assert!(2 * MAX_HEADS < MAX_CAUSES, "all heads of both kinds fit an entry");

impl Transaction {
    /// Whether there are more heads than one entry may cite, so that some must be joined first.
    fn needs_merge(&self, state: &PartyState) -> bool {
        matches!(self.after, After::Heads) && state.graph.heads().nth(MAX_HEADS).is_some()
    }
}

/// An entry that says nothing and comes after as many heads as it may.
fn merge(state: &PartyState, key: &SecretKey) -> Result<Arrival, Error> {
    let heads = state.graph.heads().take(MAX_HEADS).collect();
    draft(state, key, EntryKind::Data, &After::These(heads), Vec::new())
}

/// Builds and signs the next entry of a feed.
fn draft(
    state: &PartyState,
    key: &SecretKey,
    kind: EntryKind,
    after: &After,
    parts: Vec<(Tag, Vec<u8>)>,
) -> Result<Arrival, Error> {
    let (party, feed) = (state.party, key.public());
    if state.pending.waiting_of(&feed) > 0 {
        return Err(Error::OwnFeedWaits { feed });
    }
    let heads = state.graph.heads_of_feed(&feed);
    let mut causes: BTreeSet<Cid> = match (after, kind) {
        (After::Heads, EntryKind::Control) => state.graph.control_heads().take(MAX_HEADS).collect(),
        (After::Heads, EntryKind::Data) => state.graph.heads().collect(),
        (After::These(entries), _) => entries.iter().copied().collect(),
    };
    // Of its own feed an entry cites the last, which is after all others.
    causes.retain(|cause| state.graph.position(cause).is_none_or(|position| position.feed != feed));
    let seq = match heads.as_slice() {
        [] => {
            causes.extend(state.authority.feeds().get(&feed).map(|feed| feed.since));
            causes.extend(state.graph.control_heads().take(MAX_HEADS));
            0
        }
        [head] => {
            causes.insert(head.id);
            head.seq + 1
        }
        _ => {
            let why = format!("feed {feed} is forked: its key was used in two places");
            return Err(Error::NotAllowed { party, why });
        }
    };
    if causes.len() > MAX_CAUSES {
        return Err(Error::TooMany { what: "entries to come after", count: causes.len(), limit: MAX_CAUSES });
    }
    if let Some(missing) = causes.iter().find(|cause| !state.graph.contains(cause)) {
        let why = format!("it is to come after entry {missing}, which is not here");
        return Err(Error::NotAllowed { party, why });
    }
    let depth =
        causes.iter().map(|cause| state.graph.position(cause).map_or(0, |position| position.depth)).max();
    let references = parts.iter().map(|(tag, bytes)| PartRef::to(*tag, bytes)).collect();
    let draft = Draft {
        party,
        feed,
        seq,
        kind,
        causes: causes.into_iter().collect(),
        depth: 1 + depth.unwrap_or(0),
        parts: references,
        key_name: Vec::new(),
    };
    let entry = Entry::sign(draft, key);
    if kind == EntryKind::Data
        && let Err(refusal) = state.authority.judge(&entry, &state.graph)
    {
        return Err(Error::NotAllowed { party, why: refusal.to_string() });
    }
    Ok(Arrival { entry, parts: parts.into_iter().map(|(_, bytes)| bytes).collect() })
}

fn parts_of(written_at: i64, bodies: &Bodies) -> Result<Vec<(Tag, Vec<u8>)>, Error> {
    let mut parts = Vec::new();
    for (item, facts) in bodies {
        parts.extend(split(written_at, facts).into_iter().map(|bytes| (item.tag(), bytes)));
    }
    if parts.len() > MAX_PARTS {
        return Err(Error::TooMany {
            what: "parts, one or more per item",
            count: parts.len(),
            limit: MAX_PARTS,
        });
    }
    let bytes = parts.iter().map(|(_, bytes)| bytes.len()).sum();
    if bytes > MAX_BODY_BYTES { Err(Error::TooLarge { bytes, limit: MAX_BODY_BYTES }) } else { Ok(parts) }
}
