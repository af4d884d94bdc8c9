//! Members, devices, feeds and invitations, to be read.
//!
//! All of it is derived from the authorised grants. Several grants may speak of one thing: those that count are asked,
//! or, if none does, all of them, and the result says that it does not count. The first in order H6 gives the name, the
//! owner and since when; the role is the greatest.

use std::collections::BTreeMap;

use motet_fact::{Cid, Digest, PublicKey};
use motet_feed::EntryKind;

use crate::authority::{Authority, Place};
use crate::rule::Grant;
use crate::{Genesis, InvitationId, Role};

/// An identity that was admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The greatest role granted.
    pub role: Role,
    /// What it is called.
    pub name: String,
    /// The invitation it redeemed.
    pub invitation: Option<InvitationId>,
    /// The entry that admits it.
    pub since: Cid,
    /// Whether the admission counts.
    pub counted: bool,
}

/// A device that was admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Whose it is.
    pub member: PublicKey,
    /// The entry that admits it.
    pub since: Cid,
    /// Whether the admission counts.
    pub counted: bool,
}

/// A feed that was admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// On whose behalf it is written.
    pub member: PublicKey,
    /// The device that writes it.
    pub device: PublicKey,
    /// What it carries.
    pub kind: EntryKind,
    /// The entry that admits it.
    pub since: Cid,
    /// Whether the admission counts.
    pub counted: bool,
}

/// An invitation that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// The highest role it admits to.
    pub role: Role,
    /// Whom it admits; nobody in particular if a code is needed.
    pub invitee: Option<PublicKey>,
    /// Unix seconds, by the clock of the device that would redeem it (H12).
    pub expires: i64,
    /// The entry that issued it.
    pub since: Cid,
    /// The feed of that entry.
    pub issuer: PublicKey,
    /// The member whose admission used it up, if one counts.
    pub used_by: Option<PublicKey>,
    /// Whether somebody who counts took it back.
    pub revoked: bool,
    /// Whether it was issued by somebody who counts.
    pub counted: bool,
}

impl Authority {
    /// Who was admitted, by identity.
    pub fn members(&self) -> BTreeMap<PublicKey, Member> {
        self.read(&self.members, |places, counted| {
            let role = places.iter().filter_map(|place| self.role_at(*place)).max()?;
            let Grant::Member { name, invitation, .. } = self.grant(places[0]) else { return None };
            let (name, since) = (name.clone(), self.id_at(places[0]));
            Some(Member { role, name, invitation: *invitation, since, counted })
        })
    }

    /// What devices were admitted, by their key.
    pub fn devices(&self) -> BTreeMap<PublicKey, Device> {
        self.read(&self.devices, |places, counted| self.device(places, counted))
    }

    /// What feeds were admitted, by their key.
    pub fn feeds(&self) -> BTreeMap<PublicKey, Feed> {
        self.read(&self.feeds, |places, counted| self.feed(places, counted))
    }

    /// What invitations were issued, open or used, by their id.
    pub fn invitations(&self) -> BTreeMap<InvitationId, Invitation> {
        self.read(&self.invitations, |places, counted| self.invitation(places, counted))
    }

    /// The party's genesis and the entry it is in. If the party's key signed several, the first in order H6.
    pub fn genesis(&self) -> Option<(Cid, &Genesis)> {
        self.geneses().next()
    }

    /// What the party is called.
    pub fn party_name(&self) -> Option<&str> {
        self.genesis().map(|(_, genesis)| genesis.party_name.as_str())
    }

    /// On whose behalf a feed is written, whether it counts or not.
    pub fn member_of_feed(&self, feed: &PublicKey) -> Option<PublicKey> {
        let (places, counted) = self.chosen(self.feeds.get(feed)?);
        self.feed(&places, counted).map(|feed| feed.member)
    }

    /// The device that writes a feed, whether it counts or not.
    pub fn device_of_feed(&self, feed: &PublicKey) -> Option<PublicKey> {
        let (places, counted) = self.chosen(self.feeds.get(feed)?);
        self.feed(&places, counted).map(|feed| feed.device)
    }

    /// The member a device counts as.
    pub fn member_of_device(&self, device: &PublicKey) -> Option<PublicKey> {
        let (places, counted) = self.chosen(self.devices.get(device)?);
        self.device(&places, counted).filter(|device| device.counted).map(|device| device.member)
    }

    /// What a device may do, if it counts.
    pub fn role_of_device(&self, device: &PublicKey) -> Option<Role> {
        self.role_of_member(&self.member_of_device(device)?)
    }

    /// What a member may do, if it counts.
    pub fn role_of_member(&self, member: &PublicKey) -> Option<Role> {
        let (places, counted) = self.chosen(self.members.get(member)?);
        places.iter().filter_map(|place| self.role_at(*place)).max().filter(|_| counted)
    }

    /// A hash of what counts: the same wherever the same control entries are, however they came.
    pub fn state_hash(&self) -> Digest {
        let mut bytes = Vec::new();
        for (id, number) in self.counted_grants() {
            bytes.extend_from_slice(id.as_bytes());
            bytes.extend_from_slice(&(number as u64).to_le_bytes());
        }
        Digest::derive("motet control state v1", &[self.party().as_bytes(), &bytes])
    }

    fn read<K: Ord + Copy, V>(
        &self,
        index: &BTreeMap<K, Vec<Place>>,
        summary: impl Fn(&[Place], bool) -> Option<V>,
    ) -> BTreeMap<K, V> {
        let row = |(key, places): (&K, &Vec<Place>)| {
            let (places, counted) = self.chosen(places);
            let summary = summary(&places, counted).expect("an index lists grants of its own kind");
            (*key, summary)
        };
        index.iter().map(row).collect()
    }

    /// The grants that count, or, if none does, all; in order H6. And whether they count.
    fn chosen(&self, places: &[Place]) -> (Vec<Place>, bool) {
        let counted = places.iter().any(|place| self.is_counted(*place));
        let mut chosen: Vec<Place> =
            places.iter().filter(|place| !counted || self.is_counted(**place)).copied().collect();
        chosen.sort_by_key(|place| self.rank(*place));
        (chosen, counted)
    }

    fn role_at(&self, place: Place) -> Option<Role> {
        match self.grant(place) {
            Grant::Member { role, .. } => Some(*role),
            _ => None,
        }
    }

    fn device(&self, places: &[Place], counted: bool) -> Option<Device> {
        let Grant::Device { member, .. } = self.grant(places[0]) else { return None };
        Some(Device { member: *member, since: self.id_at(places[0]), counted })
    }

    fn feed(&self, places: &[Place], counted: bool) -> Option<Feed> {
        let Grant::Feed { member, device, kind, .. } = self.grant(places[0]) else { return None };
        let (member, device, kind) = (*member, *device, *kind);
        Some(Feed { member, device, kind, since: self.id_at(places[0]), counted })
    }

    fn invitation(&self, places: &[Place], counted: bool) -> Option<Invitation> {
        let role = |place: &Place| match self.grant(*place) {
            Grant::Invitation { role, .. } => Some(*role),
            _ => None,
        };
        let Grant::Invitation { id, invitee, expires, .. } = self.grant(places[0]) else { return None };
        let role = places.iter().filter_map(role).max()?;
        let (position, _) = self.rank(places[0]);
        let (since, issuer) = (position.id, position.feed);
        let revocations = self.revocations.get(id).map(Vec::as_slice).unwrap_or_default();
        let revoked = revocations.iter().any(|place| self.is_counted(*place));
        let (invitee, expires, used_by) = (*invitee, *expires, self.user_of(id));
        Some(Invitation { role, invitee, expires, since, issuer, used_by, revoked, counted })
    }

    fn user_of(&self, invitation: &InvitationId) -> Option<PublicKey> {
        let redemption = self.redemptions.get(invitation)?.iter().find(|place| self.is_counted(**place))?;
        match self.grant(*redemption) {
            Grant::Member { member, .. } => Some(*member),
            _ => None,
        }
    }
}
