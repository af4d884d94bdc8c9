//! Judging control entries, and counting what they grant.
//!
//! *Authorised* (H8) is judged once, when an entry is linked, on its causal past alone; an entry with one credential
//! that is not authorised is refused whole, for ever.
//!
//! *Counted* (H9) is a function of the set of control entries, made by folding the authorised ones in order H6: a
//! credential counts if it rests on credentials that count, and if it redeems an invitation, is the first to do so
//! (H12). All it depends on is then its causal past and, for a redemption, the other redemptions of that invitation.
//! This gives the fast path: a new entry is in nobody's past yet, so it changes what counts elsewhere only if it takes
//! an invitation from a redemption that sorts after it. Only then is everything folded again.
//!
//! The search for grants goes by index (who, which device, which feed, which invitation), and asks the graph only about
//! the few entries found there.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Cid, PublicKey};
use motet_feed::{Entry, EntryKind, Graph, Position};

use crate::credential::{verify_device, verify_feed};
use crate::rule::{Grant, View};
use crate::{Credential, Genesis, InvitationId, Reason, Refusal};

/// Where a grant stands: the record and the number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    record: usize,
    number: usize,
}

#[derive(Clone, Debug)]
struct Record {
    position: Position,
    causes: Vec<Cid>,
    genesis: Option<Box<Genesis>>,
    grants: Vec<Grant>,
    counted: Vec<bool>,
}

/// What changed when a control entry was taken in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// Feeds that did not count and now do.
    pub counted: BTreeSet<PublicKey>,
    /// Feeds that counted and now don't.
    pub uncounted: BTreeSet<PublicKey>,
    /// Whether members, devices or invitations that count may have changed.
    pub membership: bool,
}

/// Who may write in one party.
#[derive(Clone, Debug)]
pub struct Authority {
    party: PublicKey,
    records: Vec<Record>,
    numbers: BTreeMap<Cid, usize>,
    order: BTreeMap<Position, usize>,
    refused: BTreeSet<Cid>,
    pub(crate) members: BTreeMap<PublicKey, Vec<Place>>,
    pub(crate) devices: BTreeMap<PublicKey, Vec<Place>>,
    pub(crate) feeds: BTreeMap<PublicKey, Vec<Place>>,
    pub(crate) invitations: BTreeMap<InvitationId, Vec<Place>>,
    pub(crate) revocations: BTreeMap<InvitationId, Vec<Place>>,
    /// Member grants by the invitation they redeem.
    pub(crate) redemptions: BTreeMap<InvitationId, Vec<Place>>,
}

impl Authority {
    /// A party of which no control entry is here yet.
    pub fn new(party: PublicKey) -> Self {
        Authority {
            party,
            records: Vec::new(),
            numbers: BTreeMap::new(),
            order: BTreeMap::new(),
            refused: BTreeSet::new(),
            members: BTreeMap::new(),
            devices: BTreeMap::new(),
            feeds: BTreeMap::new(),
            invitations: BTreeMap::new(),
            revocations: BTreeMap::new(),
            redemptions: BTreeMap::new(),
        }
    }

    /// The party's key.
    pub fn party(&self) -> PublicKey {
        self.party
    }

    /// Whether any entry may stand where it stands: its feed was granted with its kind by an authorised cause, or the
    /// entry before it is authorised. For a control entry this is half of the matter; see [`Authority::judge_control`].
    ///
    /// All causes must be linked, and refused ones named by [`Authority::refuse`]. Asks nothing but the entry's causal
    /// past.
    ///
    /// # Errors
    /// [`Refusal`]: the entry is refused for ever.
    pub fn judge(&self, entry: &Entry, graph: &Graph) -> Result<(), Refusal> {
        if self.numbers.contains_key(&entry.id()) {
            return Ok(());
        }
        self.placed(entry, graph).map_err(|reason| refusal(entry, reason))
    }

    /// Whether a control entry is authorised (H8). All its causes must be linked and the control entries among its
    /// past admitted or refused; itself it may be linked or not.
    ///
    /// # Errors
    /// [`Refusal`]: the entry is refused for ever.
    pub fn judge_control(&self, entry: &Entry, body: &[Credential], graph: &Graph) -> Result<(), Refusal> {
        self.judge(entry, graph)
            .or_else(|refusal| self.founds(entry, body).then_some(()).ok_or(refusal))
            .and_then(|()| self.permitted(entry, body, graph).map_err(|reason| refusal(entry, reason)))
    }

    /// Judges a control entry and takes it in. An entry that is in already has no effect; one that is not authorised is
    /// remembered as refused.
    ///
    /// # Errors
    /// [`Refusal`]: the entry is refused for ever.
    pub fn admit(&mut self, entry: &Entry, body: &[Credential], graph: &Graph) -> Result<Effect, Refusal> {
        if self.numbers.contains_key(&entry.id()) {
            return Ok(Effect::default());
        }
        if let Err(refusal) = self.judge_control(entry, body, graph) {
            self.refuse(entry.id());
            return Err(refusal);
        }
        let number = self.record(entry, body);
        Ok(self.count(number, graph))
    }

    /// Remembers that an entry is refused: what follows it on its feed is, too.
    pub fn refuse(&mut self, id: Cid) {
        self.refused.insert(id);
    }

    /// Whether an entry was refused.
    pub fn is_refused(&self, id: &Cid) -> bool {
        self.refused.contains(id)
    }

    /// Whether the entries of a feed count (H9).
    pub fn counts(&self, feed: &PublicKey) -> bool {
        self.feeds.get(feed).is_some_and(|places| places.iter().any(|place| self.is_counted(*place)))
    }

    // Judging.

    fn placed(&self, entry: &Entry, graph: &Graph) -> Result<(), Reason> {
        let header = entry.header();
        if header.party != self.party {
            return Err(Reason::OtherParty(header.party));
        }
        if header.seq == 0 {
            let granted =
                header.causes.iter().any(|cause| self.grants_feed(cause, &header.feed, header.kind));
            return if granted { Ok(()) } else { Err(Reason::NotAdmitted(header.kind.name())) };
        }
        let on_feed = |cause: &&Cid| graph.position(cause).is_some_and(|at| at.feed == header.feed);
        let backlink = *header.causes.iter().find(on_feed).expect("a linked entry has its backlink");
        if self.is_refused(&backlink) {
            return Err(Reason::BacklinkRefused(backlink));
        }
        if graph.kind(&backlink) == Some(header.kind) { Ok(()) } else { Err(Reason::KindChanged(backlink)) }
    }

    fn grants_feed(&self, granting: &Cid, wanted: &PublicKey, as_kind: EntryKind) -> bool {
        let grants = |grant: &Grant| matches!(grant, Grant::Feed { feed, kind, .. } if feed == wanted && *kind == as_kind);
        self.numbers.get(granting).is_some_and(|&number| self.records[number].grants.iter().any(grants))
    }

    /// Whether an entry looks like the first of a party; only then may it stand without an admission.
    fn founds(&self, entry: &Entry, body: &[Credential]) -> bool {
        let header = entry.header();
        let own = |genesis: &Genesis| genesis.control_feed == header.feed;
        let alone = matches!(body, [Credential::Genesis(genesis)] if own(genesis));
        alone && header.party == self.party && header.seq == 0 && header.causes.is_empty()
    }

    fn permitted(&self, entry: &Entry, body: &[Credential], graph: &Graph) -> Result<(), Reason> {
        let header = entry.header();
        if header.kind != EntryKind::Control {
            return Err(Reason::NotControl);
        }
        body.iter().enumerate().try_for_each(|(number, credential)| self.certified(number, credential))?;
        if self.founds(entry, body) {
            return Ok(());
        }
        if body.iter().any(|credential| matches!(credential, Credential::Genesis(_))) {
            return Err(Reason::GenesisMisplaced);
        }
        let grants: Vec<Grant> = body.iter().flat_map(Grant::of).collect();
        let mut view = self.view(&header.causes, graph, false);
        let author = view.author(&header.feed);
        for (number, grant) in grants.iter().enumerate() {
            view.permit(&author, number, grant)?;
            view.own.push(grant);
        }
        Ok(())
    }

    fn certified(&self, number: usize, credential: &Credential) -> Result<(), Reason> {
        let checked = match credential {
            Credential::Genesis(genesis) => genesis.verify(&self.party),
            Credential::Device { member, device, certificate } => verify_device(member, device, certificate),
            Credential::Feed { member, device, feed, kind, certificate } => {
                verify_feed(&self.party, member, device, (feed, *kind), certificate)
            }
            Credential::Member { .. }
            | Credential::Invitation { .. }
            | Credential::PersonalInvitation { .. }
            | Credential::Revocation { .. } => Ok(()),
        };
        checked.map_err(|source| Reason::Certificate { number, source })
    }

    fn view<'a>(&'a self, causes: &'a [Cid], graph: &'a Graph, only_counted: bool) -> View<'a> {
        View { authority: self, graph, causes, only_counted, own: Vec::new() }
    }

    // Taking in.

    fn record(&mut self, entry: &Entry, body: &[Credential]) -> usize {
        let record = self.records.len();
        let grants: Vec<Grant> = body.iter().flat_map(Grant::of).collect();
        for (number, grant) in grants.iter().enumerate() {
            self.index(grant, Place { record, number });
        }
        let genesis = match body {
            [Credential::Genesis(genesis)] => Some(genesis.clone()),
            _ => None,
        };
        let (position, causes) = (entry.position(), entry.header().causes.clone());
        let counted = vec![false; grants.len()];
        self.records.push(Record { position, causes, genesis, grants, counted });
        self.numbers.insert(entry.id(), record);
        self.order.insert(position, record);
        record
    }

    fn index(&mut self, grant: &Grant, place: Place) {
        match grant {
            Grant::Member { member, invitation, .. } => {
                self.members.entry(*member).or_default().push(place);
                if let Some(invitation) = invitation {
                    self.redemptions.entry(*invitation).or_default().push(place);
                }
            }
            Grant::Device { device, .. } => self.devices.entry(*device).or_default().push(place),
            Grant::Feed { feed, .. } => self.feeds.entry(*feed).or_default().push(place),
            Grant::Invitation { id, .. } => self.invitations.entry(*id).or_default().push(place),
            Grant::Revocation { invitation } => {
                self.revocations.entry(*invitation).or_default().push(place);
            }
        }
    }

    // Counting.

    fn count(&mut self, number: usize, graph: &Graph) -> Effect {
        let counted = self.counted_of(number, graph);
        if self.displaces(number, &counted) {
            return self.fold_again(graph);
        }
        let record = &self.records[number];
        let feed = |grant: &Grant| match grant {
            Grant::Feed { feed, .. } => Some(*feed),
            _ => None,
        };
        let new = record.grants.iter().zip(&counted).filter(|(_, counted)| **counted).map(|(grant, _)| grant);
        let membership = new.clone().any(|grant| feed(grant).is_none());
        let counted_feeds = new.filter_map(feed).filter(|feed| !self.counts(feed)).collect();
        self.records[number].counted = counted;
        Effect { counted: counted_feeds, uncounted: BTreeSet::new(), membership }
    }

    /// Which grants of a record count, given those of the records before it in order H6.
    fn counted_of(&self, number: usize, graph: &Graph) -> Vec<bool> {
        let record = &self.records[number];
        if record.genesis.is_some() {
            return vec![true; record.grants.len()];
        }
        let mut view = self.view(&record.causes, graph, true);
        let author = view.author(&record.position.feed);
        let mut counted = Vec::new();
        for (at, grant) in record.grants.iter().enumerate() {
            let counts = view.permit(&author, at, grant).is_ok() && self.is_first(record, grant, &view.own);
            if counts {
                view.own.push(grant);
            }
            counted.push(counts);
        }
        counted
    }

    /// Whether no redemption of the same invitation counts that sorts before this one.
    fn is_first(&self, record: &Record, grant: &Grant, own: &[&Grant]) -> bool {
        let Some(invitation) = redeemed(grant) else { return true };
        let earlier =
            |place: &Place| self.is_counted(*place) && self.records[place.record].position < record.position;
        let redemptions = self.redemptions.get(&invitation).map(Vec::as_slice).unwrap_or_default();
        !redemptions.iter().any(earlier) && !own.iter().any(|grant| redeemed(grant) == Some(invitation))
    }

    /// Whether a record takes an invitation from another that counts now.
    fn displaces(&self, number: usize, counted: &[bool]) -> bool {
        let grants = self.records[number].grants.iter().zip(counted);
        let mut invitations =
            grants.filter(|(_, counted)| **counted).filter_map(|(grant, _)| redeemed(grant));
        invitations
            .any(|invitation| self.redemptions[&invitation].iter().any(|place| self.is_counted(*place)))
    }

    fn fold_again(&mut self, graph: &Graph) -> Effect {
        let before = self.counted_feeds();
        for record in &mut self.records {
            record.counted.fill(false);
        }
        let order: Vec<usize> = self.order.values().copied().collect();
        for number in order {
            self.records[number].counted = self.counted_of(number, graph);
        }
        let after = self.counted_feeds();
        let (counted, uncounted) = (&after - &before, &before - &after);
        Effect { counted, uncounted, membership: true }
    }

    fn counted_feeds(&self) -> BTreeSet<PublicKey> {
        self.feeds.keys().filter(|feed| self.counts(feed)).copied().collect()
    }

    // Looking up.

    pub(crate) fn grant(&self, place: Place) -> &Grant {
        &self.records[place.record].grants[place.number]
    }

    pub(crate) fn is_counted(&self, place: Place) -> bool {
        self.records[place.record].counted[place.number]
    }

    pub(crate) fn id_at(&self, place: Place) -> Cid {
        self.records[place.record].position.id
    }

    /// Sorts as grants do: by order H6, then by number in the body.
    pub(crate) fn rank(&self, place: Place) -> (Position, usize) {
        (self.records[place.record].position, place.number)
    }

    /// The geneses, in order H6.
    pub(crate) fn geneses(&self) -> impl Iterator<Item = (Cid, &Genesis)> {
        let genesis = |(position, &number): (&Position, &usize)| {
            self.records[number].genesis.as_deref().map(|genesis| (position.id, genesis))
        };
        self.order.iter().filter_map(genesis)
    }

    /// The grants that count, in order H6: entry and number in its body.
    pub(crate) fn counted_grants(&self) -> impl Iterator<Item = (Cid, usize)> + '_ {
        self.order.iter().flat_map(|(position, &number)| {
            let counted = self.records[number].counted.iter().enumerate();
            counted.filter(|(_, counted)| **counted).map(|(number, _)| (position.id, number))
        })
    }
}

fn redeemed(grant: &Grant) -> Option<InvitationId> {
    match grant {
        Grant::Member { invitation, .. } => *invitation,
        _ => None,
    }
}

fn refusal(entry: &Entry, reason: Reason) -> Refusal {
    let header = entry.header();
    Refusal { id: entry.id(), feed: header.feed, seq: header.seq, reason: Box::new(reason) }
}
