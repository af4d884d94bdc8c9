//! Members, devices, feeds and invitations, to be read.
//!
//! All of it is derived from the authorised statements. A member or device may have several stints, one after the
//! other or at once. Of the summary under a key the stints that count and are open are asked; if there are none, those
//! that count; if there are none, all, and the result says that it does not count. The first in order H6 gives the
//! name, the owner and since when; the role is the greatest.

use std::collections::BTreeMap;

use motet_fact::{Cid, Digest, PublicKey, Signature};
use motet_feed::{EntryKind, Graph};

use crate::authority::Authority;
use crate::statement::{Admission, Place, Statement};
use crate::{CredentialId, Genesis, InvitationId, Role, Subject};

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
    /// The entry that ended its stint, if none is open.
    pub until: Option<Cid>,
    /// Whether the admission counts.
    pub counted: bool,
}

/// One period of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stint {
    /// The credential that begins it: what its devices rest on.
    pub id: CredentialId,
    /// The identity.
    pub member: PublicKey,
    /// What it may do in it.
    pub role: Role,
    /// What it is called.
    pub name: String,
    /// Whether it is the party's recovery, which is nobody.
    pub recovery: bool,
    /// The entry that ended it.
    pub until: Option<Cid>,
    /// Whether it counts.
    pub counted: bool,
}

/// A device that was admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Whose it is.
    pub member: PublicKey,
    /// The credential that admits it: what its feeds rest on.
    pub id: CredentialId,
    /// The entry that admits it.
    pub since: Cid,
    /// The entry that ended its stint or its member's, if none is open.
    pub until: Option<Cid>,
    /// By the member's identity.
    pub certificate: Signature,
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
    /// The credential that admits it: what its entries act under.
    pub id: CredentialId,
    /// The entry that admits it.
    pub since: Cid,
    /// The entry that closed it.
    pub until: Option<Cid>,
    /// Whether the admission counts.
    pub counted: bool,
}

/// An invitation that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// The credential that issues it.
    pub id: CredentialId,
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
    /// The entry that revoked it.
    pub revoked: Option<Cid>,
    /// Whether it was issued by somebody who counts.
    pub counted: bool,
}

impl Authority {
    /// Who was admitted, by identity. The recovery is nobody.
    pub fn members(&self, graph: &Graph) -> BTreeMap<PublicKey, Member> {
        let members = self.members.iter().filter_map(|(key, places)| {
            let places: Vec<Place> = places.iter().copied().filter(|place| !self.recovers(*place)).collect();
            Some((*key, self.member(&places, graph)?))
        });
        members.collect()
    }

    fn member(&self, places: &[Place], graph: &Graph) -> Option<Member> {
        let chosen = self.chosen(places, graph);
        let first = *chosen.first()?;
        let Statement::Member { name, admission, .. } = self.statement(first) else { return None };
        let invitation = match admission {
            Admission::Invitation(place) => self.invitation_at(*place),
            _ => None,
        };
        Some(Member {
            role: chosen.iter().filter_map(|place| self.role_at(*place)).max()?,
            name: name.clone(),
            invitation,
            since: self.id_at(first),
            until: self.until(first, graph),
            counted: self.is_counted(first),
        })
    }

    /// Every stint of every member, by identity, then in order H6.
    pub fn stints(&self, graph: &Graph) -> Vec<Stint> {
        let stint = |place: Place| {
            let Statement::Member { member, role, name, .. } = self.statement(place) else {
                unreachable!("an index lists statements of its own kind");
            };
            Stint {
                id: self.name_of(place),
                member: *member,
                role: *role,
                name: name.clone(),
                recovery: self.recovers(place),
                until: self.until(place, graph),
                counted: self.is_counted(place),
            }
        };
        self.members.values().flat_map(|places| self.sorted(places.clone())).map(stint).collect()
    }

    /// What devices were admitted, by their key.
    pub fn devices(&self, graph: &Graph) -> BTreeMap<PublicKey, Device> {
        let device = |places: &Vec<Place>| self.device(&self.chosen(places, graph), graph);
        self.devices.iter().filter_map(|(key, places)| Some((*key, device(places)?))).collect()
    }

    fn device(&self, chosen: &[Place], graph: &Graph) -> Option<Device> {
        let first = *chosen.first()?;
        let Statement::Device { member, certificate, .. } = self.statement(first) else { return None };
        Some(Device {
            member: *member,
            id: self.name_of(first),
            since: self.id_at(first),
            until: self.until(first, graph),
            certificate: *certificate,
            counted: self.is_counted(first),
        })
    }

    /// What feeds were admitted, by their key.
    pub fn feeds(&self, graph: &Graph) -> BTreeMap<PublicKey, Feed> {
        self.feeds.keys().filter_map(|key| Some((*key, self.feed(key, graph)?))).collect()
    }

    /// A feed that was admitted.
    pub fn feed(&self, feed: &PublicKey, graph: &Graph) -> Option<Feed> {
        let first = *self.chosen(self.feeds.get(feed)?, graph).first()?;
        let Statement::Feed { member, device, kind, .. } = self.statement(first) else { return None };
        Some(Feed {
            member: *member,
            device: *device,
            kind: *kind,
            id: self.name_of(first),
            since: self.id_at(first),
            until: self.until(first, graph),
            counted: self.is_counted(first),
        })
    }

    /// What invitations were issued, open, used or revoked, by their id: of several the first in order H6.
    pub fn invitations(&self) -> BTreeMap<InvitationId, Invitation> {
        let first = |id: &InvitationId| self.invitations_of(id).into_iter().next();
        self.invitations.keys().filter_map(|id| Some((*id, first(id)?))).collect()
    }

    /// The invitations of an id, in order H6. An id is no secret, so that somebody may issue it again.
    pub fn invitations_of(&self, id: &InvitationId) -> Vec<Invitation> {
        let places = self.invitations.get(id).cloned().unwrap_or_default();
        self.sorted(places).into_iter().filter_map(|place| self.invitation(place)).collect()
    }

    fn invitation(&self, place: Place) -> Option<Invitation> {
        let Statement::Invitation { role, invitee, expires, .. } = self.statement(place) else { return None };
        let used = self.redemptions(place).iter().find(|redemption| self.is_counted(**redemption));
        let used_by = used.and_then(|place| match self.statement(*place) {
            Statement::Member { member, .. } => Some(*member),
            _ => None,
        });
        Some(Invitation {
            id: self.name_of(place),
            role: *role,
            invitee: *invitee,
            expires: *expires,
            since: self.id_at(place),
            issuer: self.rank(place).0.feed,
            used_by,
            revoked: self.first_of(self.revocations(place).iter().copied()),
            counted: self.is_counted(place),
        })
    }

    /// The party's genesis and the entry it is in. If the party's key signed several, the first in order H6.
    pub fn genesis(&self) -> Option<(Cid, &Genesis)> {
        self.in_order().find_map(|number| {
            let record = self.record(number);
            record.genesis.as_deref().map(|genesis| (record.position.id, genesis))
        })
    }

    /// What the party is called.
    pub fn party_name(&self) -> Option<&str> {
        self.genesis().map(|(_, genesis)| genesis.party_name.as_str())
    }

    /// On whose behalf a feed is written, whether it counts or not.
    pub fn member_of_feed(&self, feed: &PublicKey) -> Option<PublicKey> {
        self.owner_of_feed(feed).map(|(member, _)| member)
    }

    /// The device that writes a feed, whether it counts or not.
    pub fn device_of_feed(&self, feed: &PublicKey) -> Option<PublicKey> {
        self.owner_of_feed(feed).map(|(_, device)| device)
    }

    fn owner_of_feed(&self, feed: &PublicKey) -> Option<(PublicKey, PublicKey)> {
        let places = self.sorted(self.feeds.get(feed)?.clone());
        let counted = places.iter().find(|place| self.is_counted(**place));
        match self.statement(*counted.or(places.first())?) {
            Statement::Feed { member, device, .. } => Some((*member, *device)),
            _ => None,
        }
    }

    /// The member a device stands for now: the one in whose open stint it has one that counts.
    pub fn member_of_device(&self, device: &PublicKey, graph: &Graph) -> Option<PublicKey> {
        let open = self.sorted(self.open(self.devices.get(device)?, graph));
        self.device(&open, graph).map(|device| device.member)
    }

    /// What a device may do now: the greatest role of the stints that it stands in.
    pub fn role_of_device(&self, device: &PublicKey, graph: &Graph) -> Option<Role> {
        let open = self.open(self.devices.get(device)?, graph).into_iter();
        let stints = open.filter_map(|place| self.statement(place).rests_on());
        stints.filter_map(|stint| self.role_at(stint)).max()
    }

    /// What a member may do now.
    pub fn role_of_member(&self, member: &PublicKey, graph: &Graph) -> Option<Role> {
        let open = self.open(self.members.get(member)?, graph);
        open.into_iter().filter_map(|place| self.role_at(place)).max()
    }

    /// How a device of a member stands: the member's open stints, greatest role first, each with what the device has
    /// in it.
    pub fn standing_of(&self, member: &PublicKey, device: &PublicKey, graph: &Graph) -> Vec<OpenStint> {
        let places = self.members.get(member).map(Vec::as_slice).unwrap_or_default();
        let devices = self.devices.get(device).map(Vec::as_slice).unwrap_or_default();
        let open = self.sorted(self.open(places, graph));
        let mut stints: Vec<OpenStint> = open
            .into_iter()
            .filter(|place| !self.recovers(*place))
            .filter_map(|place| {
                let own = self.sorted(self.open(devices, graph)).into_iter();
                let mut own = own.filter(|device| self.statement(*device).rests_on() == Some(place));
                let (role, device) = (self.role_at(place)?, own.next());
                let feeds = device.into_iter().flat_map(|device| self.open_feeds(device, graph)).collect();
                let device = device.map(|place| self.name_of(place));
                Some(OpenStint { id: self.name_of(place), role, device, feeds })
            })
            .collect();
        stints.sort_by_key(|stint| std::cmp::Reverse(stint.role));
        stints
    }

    fn open_feeds(&self, device: Place, graph: &Graph) -> Vec<PublicKey> {
        let feeds = self.open(&self.resting_on(device).collect::<Vec<_>>(), graph);
        feeds.into_iter().filter_map(|place| self.statement(place).feed()).collect()
    }

    /// The entry that removed a device by itself, while it does not stand for its member.
    pub fn removal_of_device(&self, member: &PublicKey, device: &PublicKey, graph: &Graph) -> Option<Cid> {
        let subject = Subject::Device { member: *member, device: *device };
        let stints = self.devices.get(device).map(Vec::as_slice).unwrap_or_default();
        let mut open = self.open(stints, graph).into_iter();
        if open.any(|place| self.statement(place).begins() == Some(subject)) {
            return None;
        }
        self.first_of(self.endings(&subject).iter().copied())
    }

    /// The entries that a device should hear of that does not stand for any member now, but did: those that ended its
    /// stints, and, unless it was removed by itself, those that began new ones of its member. Ascending; none for a
    /// stranger.
    pub fn notices(&self, device: &PublicKey, graph: &Graph) -> Vec<Cid> {
        let mut notices = std::collections::BTreeSet::new();
        for &place in self.devices.get(device).into_iter().flatten().filter(|place| self.is_counted(**place))
        {
            let subject = self.statement(place).begins();
            let removals = subject.map(|subject| self.endings(&subject)).unwrap_or_default().iter().copied();
            notices.extend(self.first_of(removals.clone()));
            notices.extend(self.until(place, graph));
            if self.first_of(removals).is_none()
                && let Statement::Device { member, .. } = self.statement(place)
            {
                let open = self.open(&self.members[member], graph).into_iter();
                notices.extend(open.map(|place| self.id_at(place)));
            }
        }
        notices.into_iter().collect()
    }

    /// A hash of what counts and takes effect: the same wherever the same control entries are, however they came.
    pub fn state_hash(&self) -> Digest {
        let mut bytes = Vec::new();
        for place in self.in_order().flat_map(|record| self.places(record)) {
            let effective = self.act_at(place).is_some_and(|act| self.act(act).effective);
            if self.is_counted(place) || effective {
                bytes.extend_from_slice(self.id_at(place).as_bytes());
                bytes.extend_from_slice(&(place.number as u64).to_le_bytes());
                bytes.push(u8::from(self.is_counted(place)) | u8::from(effective) << 1);
            }
        }
        Digest::derive("motet control state v2", &[self.party().as_bytes(), &bytes])
    }

    // Choosing.

    fn chosen(&self, places: &[Place], graph: &Graph) -> Vec<Place> {
        let counted: Vec<Place> = places.iter().copied().filter(|place| self.is_counted(*place)).collect();
        let open = self.open(&counted, graph);
        let best = [open, counted].into_iter().find(|places| !places.is_empty());
        self.sorted(best.unwrap_or_else(|| places.to_vec()))
    }

    fn open(&self, places: &[Place], graph: &Graph) -> Vec<Place> {
        let open = |place: &Place| self.is_counted(*place) && self.until(*place, graph).is_none();
        places.iter().copied().filter(open).collect()
    }

    fn sorted(&self, mut places: Vec<Place>) -> Vec<Place> {
        places.sort_by_key(|place| self.rank(*place));
        places
    }

    /// The entry that ended a stint, or closed a feed.
    fn until(&self, place: Place, graph: &Graph) -> Option<Cid> {
        match self.statement(place) {
            Statement::Feed { .. } => self.first_of(self.closers(&self.author(place), graph).into_iter()),
            statement => {
                let own = statement.begins().map(|subject| self.endings(&subject)).unwrap_or_default();
                let own = own.iter().copied().filter(|act| self.ends(self.act(*act).place, place, graph));
                let member = statement.rests_on().filter(|_| matches!(statement, Statement::Device { .. }));
                self.first_of(own).or_else(|| self.until(member?, graph))
            }
        }
    }

    /// The entry of the first in order H6 of some acts that takes effect.
    fn first_of(&self, acts: impl Iterator<Item = usize>) -> Option<Cid> {
        let places = acts.map(|act| self.act(act)).filter(|act| act.effective).map(|act| act.place);
        places.min_by_key(|place| self.rank(*place)).map(|place| self.id_at(place))
    }

    fn recovers(&self, place: Place) -> bool {
        matches!(self.statement(place), Statement::Member { admission: Admission::Recovery, .. })
    }

    fn role_at(&self, place: Place) -> Option<Role> {
        match self.statement(place) {
            Statement::Member { role, .. } => Some(*role),
            _ => None,
        }
    }

    fn invitation_at(&self, place: Place) -> Option<InvitationId> {
        match self.statement(place) {
            Statement::Invitation { id, .. } => Some(*id),
            _ => None,
        }
    }

    pub(crate) fn name_of(&self, place: Place) -> CredentialId {
        CredentialId::of(self.id_at(place), u32::try_from(place.number).expect("a body has fewer statements"))
    }

    /// Whose stints an entry ends, for those that it does.
    pub fn removals_in(&self, entry: &Cid) -> Vec<Subject> {
        let record = self.record_of(entry);
        let places = record.into_iter().flat_map(|record| self.places(record));
        places.filter_map(|place| self.statement(place).ends()).collect()
    }
}

/// A stint of a member that is open, as one of its devices needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenStint {
    /// The credential that begins it.
    pub id: CredentialId,
    /// What the member may do in it.
    pub role: Role,
    /// The device's own open stint in it, if it has one.
    pub device: Option<CredentialId>,
    /// The device's open feeds in it.
    pub feeds: Vec<PublicKey>,
}
