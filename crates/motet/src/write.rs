//! Writing to a party: transactions become entries, credentials become entries, and all go down the pipeline.
//!
//! A writer places its entry after everything it knows (or after what it is told to), at the end of its feed, and signs
//! it. That is all it does by itself: what follows is [`crate::pipeline`], the same as for entries of others.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Attribute, Cid, Fact, PublicKey, SecretKey, Value};
use motet_feed::entry::{MAX_CAUSES, MAX_PARTS};
use motet_feed::{Draft, Entry, EntryKind, MAX_BODY_BYTES, MAX_PART_BYTES, PartRef, Tag};
use motet_item::{ItemId, split};
use motet_party::{ControlBody, Credential, CredentialId, Founding, Genesis, MAX_NAME_BYTES, encode_body};
use motet_store::{Batch, Store};

use crate::database::put_record;
use crate::drafts::{Bodies, Drafts};
use crate::own_feeds::fed;
use crate::pipeline::{Arrival, Outcome, Report};
use crate::proto::PartyRecord;
use crate::state::PartyState;
use crate::transaction::{After, Stand, Transaction};
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
            recovery: profile.recovery,
            name: clipped(&profile.name),
            party_name: clipped(name),
        });
        let record = record_of(&secret.public(), &control, &data);
        put_record(&mut batch, &record);
        let party = self.adopt(record)?;
        party.write_control(&control, vec![Credential::Genesis(Box::new(genesis))], batch)?;
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

    /// Moves an item under another, to the end of its children, in a transaction of its own.
    ///
    /// # Errors
    /// [`Error::WouldCycle`]; otherwise as [`Transaction::commit`].
    pub fn move_item(&self, item: ItemId, parent: ItemId) -> Result<Receipt, Error> {
        self.place_item(item, parent, Stand::Last)
    }

    /// Moves an item under another, to a place among its children, in a transaction of its own. Of moves made
    /// concurrently that would together make a cycle, the last in the one order (H6) is without effect.
    ///
    /// # Errors
    /// [`Error::WouldCycle`]; [`Error::NoSuchSibling`]; otherwise as [`Transaction::commit`].
    pub fn place_item(&self, item: ItemId, parent: ItemId, stand: Stand) -> Result<Receipt, Error> {
        let mut transaction = self.transaction();
        transaction.place(item, parent, stand);
        transaction.commit()
    }

    /// Commits several transactions at once: an entry each, one after the other, one durable commit for all.
    ///
    /// # Errors
    /// As [`Transaction::commit`], of the first that fails; those before it are written.
    pub fn commit_all(&self, transactions: Vec<Transaction>) -> Result<Vec<Receipt>, Error> {
        self.commit_with(transactions, Batch::new())
    }

    /// The same. Other rows are committed with them.
    pub(crate) fn commit_with(
        &self,
        transactions: Vec<Transaction>,
        extra: Batch,
    ) -> Result<Vec<Receipt>, Error> {
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
        let transactions = prepared.iter().map(|(_, transaction)| transaction);
        let mut drafts = Drafts::of(transactions, self.database().world());
        let mut receipts: Vec<Receipt> = Vec::with_capacity(prepared.len());
        let mut prepared = prepared.into_iter().peekable();
        self.ask(|state| {
            state.run(store, extra, &mut |state| {
                let Some((feed, transaction)) = prepared.next_if(|(_, next)| !next.needs_merge(state)) else {
                    return prepared.peek().map(|(feed, _)| merge(state, &keys[feed])).transpose();
                };
                if transaction.edits_sequences() && matches!(transaction.after, After::These(_)) {
                    let why = "what it does to texts and lists comes after all that is known here".to_owned();
                    return Err(Error::NotAllowed { party: state.party, why });
                }
                let written_at = transaction.written_at.unwrap_or(now);
                let bodies = drafts.facts(state, store, &feed, &transaction.steps)?;
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
                if let After::Heads = after {
                    after = After::HeadsAnd(withdrawn_under(state, store, &bodies)?);
                }
                let since = state.authority.feed(&feed, &state.graph).map(|feed| feed.since);
                let arrival = draft(state, &keys[&feed], EntryKind::Data, &after, parts, since)?;
                let header = arrival.entry.header();
                receipts.push(Receipt { feed, seq: header.seq, entry: arrival.entry.id() });
                Ok(Some(arrival))
            })
        })?;
        self.finish_withdrawals()?;
        self.database().notify();
        Ok(receipts)
    }

    /// Writes credentials to a control feed. Other rows may be committed with them.
    pub(crate) fn write_control(
        &self,
        feed: &SecretKey,
        credentials: Vec<Credential>,
        extra: Batch,
    ) -> Result<Cid, Error> {
        let admission = self.with(|state| state.authority.feed(&feed.public(), &state.graph));
        let (under, since) = admission.map(|feed| (feed.id, feed.since)).unzip();
        self.write_credentials(feed, under, since, credentials, extra)
    }

    /// Writes the first entry of a control feed that brings itself in: `under` is the admission in it, `since` the
    /// entry in which the stint begins that this rests on.
    pub(crate) fn write_first(
        &self,
        feed: &SecretKey,
        under: CredentialId,
        since: Option<Cid>,
        credentials: Vec<Credential>,
        extra: Batch,
    ) -> Result<Cid, Error> {
        self.write_credentials(feed, Some(under), since, credentials, extra)
    }

    fn write_credentials(
        &self,
        feed: &SecretKey,
        under: Option<CredentialId>,
        since: Option<Cid>,
        credentials: Vec<Credential>,
        extra: Batch,
    ) -> Result<Cid, Error> {
        let body = ControlBody { written_at: self.database().world().now(), under, credentials };
        let bytes = encode_body(&body);
        if bytes.len() > MAX_PART_BYTES {
            return Err(Error::TooLarge { bytes: bytes.len(), limit: MAX_PART_BYTES });
        }
        let mut parts = Some(vec![(Tag::default(), bytes)]);
        let mut id = None;
        let store = self.database().store();
        self.ask(|state| {
            state.run(store, extra, &mut |state| {
                let Some(parts) = parts.take() else { return Ok(None) };
                let arrival = draft(state, feed, EntryKind::Control, &After::Heads, parts, since)?;
                if let Err(refusal) = state.authority.judge_control(&arrival.entry, &body, &state.graph) {
                    return Err(Error::NotAllowed { party: state.party, why: refusal.to_string() });
                }
                id = Some(arrival.entry.id());
                Ok(Some(arrival))
            })
        })?;
        self.finish_withdrawals()?;
        self.database().notify();
        Ok(id.expect("the one entry was written"))
    }

    fn feed_secret(&self, feed: &PublicKey) -> Result<SecretKey, Error> {
        self.database().secret(feed)?.ok_or_else(|| Error::NotAllowed {
            party: self.key(),
            why: format!("this database does not have the key of feed {feed}"),
        })
    }

    pub(crate) fn nonce(&self) -> [u8; 16] {
        self.database().world().bytes()
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
        let report = self.ask(|state| {
            let mut extra = Batch::new();
            let clones = |feed: &[u8]| state.is_cloned(feed, fed(&arrivals));
            let control = clones(&state.record.control_feed) && !state.record.control_feed_retired;
            let data = clones(&state.record.data_feed) && !state.record.data_feed_retired;
            if control || data {
                state.record.control_feed_retired |= control;
                state.record.data_feed_retired |= data;
                put_record(&mut extra, &state.record);
            }
            let mut arrivals = arrivals.into_iter();
            state.run(store, extra, &mut |_| Ok(arrivals.next()))
        })?;
        self.finish_withdrawals()?;
        if report.linked() > 0 {
            self.stand_again()?;
        }
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
        matches!(self.after, After::Heads | After::HeadsAnd(_))
            && state.graph.heads().nth(MAX_HEADS).is_some()
    }
}

/// An entry that says nothing and comes after as many heads as it may.
fn merge(state: &PartyState, key: &SecretKey) -> Result<Arrival, Error> {
    let heads = state.graph.heads().take(MAX_HEADS).collect();
    let since = state.authority.feed(&key.public(), &state.graph).map(|feed| feed.since);
    draft(state, key, EntryKind::Data, &After::These(heads), Vec::new(), since)
}

/// Builds and signs the next entry of a feed. `since` is the entry that admits the feed: the first on it cites that.
fn draft(
    state: &PartyState,
    key: &SecretKey,
    kind: EntryKind,
    after: &After,
    parts: Vec<(Tag, Vec<u8>)>,
    since: Option<Cid>,
) -> Result<Arrival, Error> {
    let (party, feed) = (state.party, key.public());
    if state.pending.waiting_of(&feed) > 0 {
        return Err(Error::OwnFeedWaits { feed });
    }
    let heads = state.graph.heads_of_feed(&feed);
    let mut causes: BTreeSet<Cid> = match (after, kind) {
        (After::Heads, EntryKind::Control) => state.graph.control_heads().take(MAX_HEADS).collect(),
        (After::Heads, EntryKind::Data) => state.graph.heads().collect(),
        (After::HeadsAnd(entries), _) => state.graph.heads().chain(entries.iter().copied()).collect(),
        (After::These(entries), _) => entries.iter().copied().collect(),
    };
    // Of its own feed an entry cites the last, which is after all others.
    causes.retain(|cause| state.graph.position(cause).is_none_or(|position| position.feed != feed));
    let seq = match heads.as_slice() {
        [] => {
            causes.extend(since);
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
    Ok(Arrival { entry, parts: parts.into_iter().map(|(_, bytes)| bytes).collect(), peer: None })
}

/// Entries that do not count, but state what these facts are built on: a text keeps what was withdrawn as structure
/// (H16). Who reads the facts needs those, and gets them where they are cited.
fn withdrawn_under(state: &mut PartyState, store: &dyn Store, bodies: &Bodies) -> Result<Vec<Cid>, Error> {
    let said: BTreeSet<Cid> = bodies.iter().flat_map(|(_, facts)| facts).map(Fact::cid).collect();
    let mut entries = BTreeSet::new();
    for (item, facts) in bodies {
        let causes: BTreeSet<&Cid> = facts.iter().flat_map(Fact::causes).collect();
        let causes: Vec<&Cid> = causes.into_iter().filter(|cause| !said.contains(*cause)).collect();
        if causes.is_empty() {
            continue;
        }
        let item = state.load_item(store, *item)?;
        let withdrawn = causes.into_iter().filter(|cause| !item.counts(cause));
        entries.extend(withdrawn.filter_map(|cause| item.asserted_by(cause)));
    }
    let heard = |id: &Cid| state.graph.heads().any(|head| head == *id || state.graph.reaches(&head, id));
    Ok(entries.into_iter().filter(|id| !heard(id)).collect())
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
