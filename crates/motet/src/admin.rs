//! Removing members and devices, changing roles, admitting again, recovering (H10, H11).
//!
//! What an admin decides becomes a control entry, and is judged like any other: a call fails here if this device's
//! owner may not do it now. A removal names, for each feed that it closes, up to where it counts. By default that is
//! all that is here; what arrives later does not count. For a stolen device it may be earlier.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Cid, PublicKey, SecretKey};
use motet_feed::{Entry, EntryKind};
use motet_item::PartBody;
use motet_party::{Credential, CredentialId, Cuts, ForkProof, Role, Subject, certify_device, certify_feed};
use motet_store::Batch;

use crate::database::put_record;
use crate::state::{PartyState, load_entry, load_parts};
use crate::{Error, Party};

/// Up to where the feeds count that a removal closes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cut {
    /// All that is here now.
    #[default]
    Here,
    /// Up to these entries and with them; a feed of which none is named, to all that is here.
    Last(Vec<Cid>),
    /// What was written before, in seconds since 1970 by the writer's clock. A guess at what a thief wrote: a clock can
    /// be set.
    Before(i64),
    /// Nothing.
    Nothing,
}

impl Party {
    /// Removes a member, with all its devices. Anybody may remove themselves.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] unless this device's owner is an admin, or the member.
    pub fn remove_member(&self, member: &PublicKey, cut: &Cut) -> Result<Cid, Error> {
        self.remove_member_with(member, cut, Batch::new())
    }

    /// The same. Other rows are committed with it.
    pub(crate) fn remove_member_with(
        &self,
        member: &PublicKey,
        cut: &Cut,
        extra: Batch,
    ) -> Result<Cid, Error> {
        self.remove(Subject::Member(*member), cut, extra)
    }

    /// Removes one device of a member.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] unless this device's owner is an admin, or the member; or if the device is nobody's.
    pub fn remove_device(&self, device: &PublicKey, cut: &Cut) -> Result<Cid, Error> {
        let known = self.devices().remove(device).filter(|device| device.counted);
        let member = known.ok_or_else(|| self.refuse(format!("device {device} is nobody's here")))?.member;
        self.remove(Subject::Device { member, device: *device }, cut, Batch::new())
    }

    fn remove(&self, subject: Subject, cut: &Cut, extra: Batch) -> Result<Cid, Error> {
        let cuts = self.cuts(&subject, cut)?;
        let credential = Credential::Removal { subject, cuts };
        self.decide(vec![credential], extra)
    }

    /// Writes what an admin decides. It may end what this device wrote to itself, and bring back what another ended.
    pub(crate) fn decide(&self, credentials: Vec<Credential>, extra: Batch) -> Result<Cid, Error> {
        let entry = self.write_control(&self.control_secret()?, credentials, extra)?;
        self.stand_again()?;
        Ok(entry)
    }

    /// Gives a member another role. Its devices begin new feeds by themselves when they hear of it; what they write to
    /// the old ones meanwhile does not count, and can be rescued.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] unless this device's owner is an admin and the other a member with another role.
    pub fn set_role(&self, member: &PublicKey, role: Role) -> Result<Cid, Error> {
        let now = self.with(|state| state.authority.role_of_member(member, &state.graph));
        match now {
            None => return Err(self.refuse(format!("{member} is no member now; `readmit` admits it again"))),
            Some(now) if now == role => return Err(self.refuse(format!("{member} has role {role} already"))),
            Some(_) => {}
        }
        let name = self.members().remove(member).map(|member| member.name).unwrap_or_default();
        let cuts = self.cuts(&Subject::Member(*member), &Cut::Here)?;
        let credential = Credential::RoleChange { member: *member, role, name, cuts };
        self.decide(vec![credential], Batch::new())
    }

    /// Admits a former member again: a new stint, in which its devices begin new feeds by themselves.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] unless this device's owner is an admin and the other was a member, and is none now.
    pub fn readmit(&self, member: &PublicKey, role: Role) -> Result<Cid, Error> {
        let known = self.members().remove(member);
        let former = known.ok_or_else(|| self.refuse(format!("{member} never was a member; invite it")))?;
        if former.counted && former.until.is_none() {
            return Err(self.refuse(format!("{member} is a member")));
        }
        let credential = Credential::Member { member: *member, role, name: former.name, invitation: None };
        self.decide(vec![credential], Batch::new())
    }

    /// Every stint of every member, by identity.
    pub fn stints(&self) -> Vec<motet_party::Stint> {
        let stints = self.with(|state| state.authority.stints(&state.graph));
        stints.into_iter().filter(|stint| !stint.recovery).collect()
    }

    /// Shows that a feed was written to in two places (H5): from then on it is closed. Any member may.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] if the feed is not forked, or is closed already.
    pub fn publish_fork_proof(&self, feed: &PublicKey) -> Result<Cid, Error> {
        let closed = self.feeds().get(feed).and_then(|feed| feed.until);
        if let Some(by) = closed {
            return Err(self.refuse(format!("feed {feed} is closed: by entry {by}")));
        }
        let pair = self.with(|state| state.fork_of(feed));
        let (one, other) = pair.ok_or_else(|| self.refuse(format!("feed {feed} is not forked here")))?;
        let (one, other) = (self.load_entry(&one)?, self.load_entry(&other)?);
        let last = self.with(|state| state.counted_heads(feed)).into_iter().collect();
        let credential = Credential::ForkProof(Box::new(ForkProof::of(one, other, last)));
        self.decide(vec![credential], Batch::new())
    }

    /// Makes this device's owner an admin again by the recovery that the genesis names (H11), whatever became of all
    /// admins. Nobody can undo what it is for: it can be done again.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] if this is not the secret of the party's recovery, or its genesis is not here.
    pub fn recover(&self, recovery: &SecretKey) -> Result<Cid, Error> {
        let stint = self.with(|state| {
            let stints = state.authority.stints(&state.graph);
            stints.into_iter().find(|stint| stint.recovery && stint.member == recovery.public())
        });
        let stint = stint.ok_or_else(|| self.refuse("that is not the party's recovery".to_owned()))?;
        let database = self.database();
        let mut batch = Batch::new();
        // A device and a feed for this once: who recovers from two places at once forks nothing.
        let (device, feed) = (SecretKey::from_bytes(database.world().bytes()), database.new_key(&mut batch));
        let (control, data) = (database.new_key(&mut batch), database.new_key(&mut batch));
        let here = CredentialId::here;
        let profile = database.profile().clone();
        let credentials = vec![
            Credential::Device {
                under: stint.id,
                member: stint.member,
                device: device.public(),
                certificate: certify_device(recovery, &device.public()),
            },
            Credential::Feed {
                under: here(0),
                member: stint.member,
                device: device.public(),
                feed: feed.public(),
                kind: EntryKind::Control,
                certificate: certify_feed(&feed, &device, &self.key(), &stint.member, EntryKind::Control),
            },
            Credential::Member {
                member: profile.identity,
                role: Role::Admin,
                name: profile.name,
                invitation: None,
            },
            self.own_device(here(2)),
            self.own_feed(here(3), &control, EntryKind::Control),
            self.own_feed(here(3), &data, EntryKind::Data),
        ];
        let mut record = self.with(|state| state.record.clone());
        record.control_feed = control.public().as_bytes().to_vec();
        record.data_feed = data.public().as_bytes().to_vec();
        (record.control_feed_retired, record.data_feed_retired) = (false, false);
        put_record(&mut batch, &record);
        let entry = self.write_first(&feed, here(1), stint.id.entry, credentials, batch)?;
        self.with(|state| state.record = record);
        self.stand_again()?;
        Ok(entry)
    }

    /// Up to where the feeds of a member or device count.
    fn cuts(&self, subject: &Subject, cut: &Cut) -> Result<Cuts, Error> {
        let mine = |feed: &motet_party::Feed| match subject {
            Subject::Member(member) => feed.member == *member,
            Subject::Device { member, device } => feed.member == *member && feed.device == *device,
        };
        let feeds = self.feeds().into_iter().filter(|(_, feed)| mine(feed)).map(|(feed, _)| feed);
        let mut cuts = Cuts::new();
        for feed in feeds {
            let last = match cut {
                Cut::Nothing => BTreeSet::new(),
                Cut::Here => self.with(|state| state.counted_heads(&feed)).into_iter().collect(),
                Cut::Last(entries) => self.last_of(&feed, entries),
                Cut::Before(seconds) => self.written_before(&feed, *seconds)?,
            };
            if !last.is_empty() {
                cuts.insert(feed, last);
            }
        }
        Ok(cuts)
    }

    fn last_of(&self, feed: &PublicKey, entries: &[Cid]) -> BTreeSet<Cid> {
        self.with(|state| {
            let on_feed = |id: &Cid| state.graph.position(id).is_some_and(|position| position.feed == *feed);
            let named: BTreeSet<Cid> = entries.iter().copied().filter(on_feed).collect();
            if named.is_empty() { state.counted_heads(feed).into_iter().collect() } else { named }
        })
    }

    /// The heads of those entries of a feed that were written before a time, and follow only such.
    fn written_before(&self, feed: &PublicKey, seconds: i64) -> Result<BTreeSet<Cid>, Error> {
        let entries = self.with(|state| state.graph.entries_of_feed(feed));
        let (mut kept, mut heads): (BTreeSet<Cid>, BTreeSet<Cid>) = (BTreeSet::new(), BTreeSet::new());
        for id in entries {
            let backlink = self.with(|state| state.graph.backlink(&id));
            let follows = backlink.is_none_or(|backlink| kept.contains(&backlink));
            if follows && self.written_at(&id)?.is_none_or(|at| at < seconds) {
                kept.insert(id);
                heads.insert(id);
                backlink.map(|backlink| heads.remove(&backlink));
            }
        }
        Ok(heads)
    }

    /// When an entry was written by its writer's clock, if it says so.
    fn written_at(&self, id: &Cid) -> Result<Option<i64>, Error> {
        let entry = self.load_entry(id)?;
        let parts = load_parts(self.database().store(), &entry)?;
        Ok(parts.first().and_then(|part| match entry.header().kind {
            EntryKind::Control => motet_party::decode_body(part).ok().map(|body| body.written_at),
            EntryKind::Data => PartBody::decode(part).ok().map(|body| body.written_at),
        }))
    }

    fn load_entry(&self, id: &Cid) -> Result<Entry, Error> {
        let position = self.with(|state| state.graph.position(id));
        let position = position.ok_or_else(|| Error::unreadable(format!("entry {id}"), "it is not here"))?;
        load_entry(self.database().store(), &self.key(), &position)
    }

    fn refuse(&self, why: String) -> Error {
        Error::NotAllowed { party: self.key(), why }
    }
}

impl PartyState {
    /// The entries of a feed that count and that none of those follows.
    pub(crate) fn counted_heads(&self, feed: &PublicKey) -> Vec<Cid> {
        let (mut heads, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut stack: Vec<Cid> = self.graph.heads_of_feed(feed).into_iter().map(|head| head.id).collect();
        while let Some(id) = stack.pop() {
            if self.counts(&id) {
                heads.insert(id);
            } else if seen.insert(id) {
                stack.extend(self.graph.backlink(&id));
            }
        }
        // Of two branches one may have been left where the other goes on.
        let passed = |id: &Cid| heads.iter().any(|later| later != id && self.graph.reaches(later, id));
        heads.iter().copied().filter(|id| !passed(id)).collect()
    }

    /// The same, kept until the feed changes: a session asks often, and the way back to them may be long.
    pub(crate) fn told_heads(&mut self, feed: &PublicKey) -> Vec<Cid> {
        if let Some(heads) = self.told_heads.get(feed) {
            return heads.clone();
        }
        let heads = self.counted_heads(feed);
        self.told_heads.insert(*feed, heads.clone());
        heads
    }

    /// Two entries of a feed that do not lie on one chain.
    fn fork_of(&self, feed: &PublicKey) -> Option<(Cid, Cid)> {
        let mut by_seq: BTreeMap<u64, Cid> = BTreeMap::new();
        self.graph.entries_of_feed(feed).into_iter().find_map(|id| {
            let seq = self.graph.seq(&id).expect("it is linked");
            by_seq.insert(seq, id).map(|other| (other, id))
        })
    }
}
