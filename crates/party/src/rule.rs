//! The rules: what a credential rests on.
//!
//! There is one set of rules, read twice. A [`View`] is what may be rested on: for *authorised* (H8) it is whatever
//! authorised entries in the entry's causal past grant; for *counted* (H9) only those of these grants that count
//! themselves. In both, a credential may also rest on those before it in its own body, but its author may not: nobody
//! makes themselves an admin on the way.
//!
//! All rules ask only whether some grant exists. So a second admission never takes anything away, the greatest role
//! granted is the role held, and what rests on two grants stands while one of them does.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Cid, PublicKey};
use motet_feed::{EntryKind, Graph};

use crate::authority::{Authority, Place};
use crate::{Credential, InvitationId, Reason, Role};

/// A credential without its certificate; a genesis is four of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    Member { member: PublicKey, role: Role, name: String, invitation: Option<InvitationId> },
    Device { member: PublicKey, device: PublicKey },
    Feed { member: PublicKey, device: PublicKey, feed: PublicKey, kind: EntryKind },
    Invitation { id: InvitationId, role: Role, invitee: Option<PublicKey>, expires: i64 },
    Revocation { invitation: InvitationId },
}

impl Grant {
    pub(crate) fn of(credential: &Credential) -> Vec<Grant> {
        vec![match credential {
            Credential::Genesis(genesis) => {
                let (member, device) = (genesis.founder, genesis.device);
                let name = genesis.name.clone();
                let feed = |feed, kind| Grant::Feed { member, device, feed, kind };
                return vec![
                    Grant::Member { member, role: Role::Admin, name, invitation: None },
                    Grant::Device { member, device },
                    feed(genesis.control_feed, EntryKind::Control),
                    feed(genesis.data_feed, EntryKind::Data),
                ];
            }
            Credential::Member { member, role, name, invitation } => {
                Grant::Member { member: *member, role: *role, name: name.clone(), invitation: *invitation }
            }
            Credential::Device { member, device, .. } => Grant::Device { member: *member, device: *device },
            Credential::Feed { member, device, feed, kind, .. } => {
                Grant::Feed { member: *member, device: *device, feed: *feed, kind: *kind }
            }
            Credential::Invitation { id, role, expires } => {
                Grant::Invitation { id: *id, role: *role, invitee: None, expires: *expires }
            }
            Credential::PersonalInvitation { id, role, invitee, expires } => {
                Grant::Invitation { id: *id, role: *role, invitee: Some(*invitee), expires: *expires }
            }
            Credential::Revocation { invitation } => Grant::Revocation { invitation: *invitation },
        }]
    }
}

/// What the credentials of one entry may rest on.
pub(crate) struct View<'a> {
    pub(crate) authority: &'a Authority,
    pub(crate) graph: &'a Graph,
    pub(crate) causes: &'a [Cid],
    pub(crate) only_counted: bool,
    /// The grants before in the same body.
    pub(crate) own: Vec<&'a Grant>,
}

/// On whose behalf an entry speaks.
#[derive(Debug, Default)]
pub(crate) struct Author {
    members: BTreeSet<PublicKey>,
    admin: bool,
}

impl<'a> View<'a> {
    /// The author of entries of a control feed, by what is in the past.
    pub(crate) fn author(&self, feed: &PublicKey) -> Author {
        let member = |grant: &Grant| match grant {
            Grant::Feed { member, kind: EntryKind::Control, .. } => Some(*member),
            _ => None,
        };
        let members: BTreeSet<_> = self.past(&self.authority.feeds, feed).filter_map(member).collect();
        let is_admin =
            |member| self.past(&self.authority.members, member).any(|g| role(g) == Some(Role::Admin));
        let admin = members.iter().any(is_admin);
        Author { members, admin }
    }

    /// Whether an author may say this here.
    pub(crate) fn permit(&self, author: &Author, number: usize, grant: &Grant) -> Result<(), Reason> {
        match grant {
            Grant::Invitation { .. } | Grant::Revocation { .. } => need_admin(author, number),
            Grant::Member { role, invitation, .. } => {
                need_admin(author, number)?;
                invitation.map_or(Ok(()), |invitation| self.redeemable(number, invitation, *role))
            }
            Grant::Device { member, .. } => {
                need_own(author, number, *member)?;
                self.role_of(member).map(|_| ()).ok_or(Reason::UnknownMember { number, member: *member })
            }
            Grant::Feed { member, device, kind, .. } => {
                need_own(author, number, *member)?;
                self.need_device(number, *member, *device)?;
                self.need_writer(number, *member, *kind)
            }
        }
    }

    fn redeemable(&self, number: usize, invitation: InvitationId, role: Role) -> Result<(), Reason> {
        let allowed = |grant: &Grant| match grant {
            Grant::Invitation { id, role, .. } if *id == invitation => Some(*role),
            _ => None,
        };
        match self.here(&self.authority.invitations, &invitation).filter_map(allowed).max() {
            None => Err(Reason::UnknownInvitation { number, invitation }),
            Some(allowed) if allowed < role => {
                Err(Reason::AboveInvitation { number, invitation, role, allowed })
            }
            Some(_) => Ok(()),
        }
    }

    fn need_device(&self, number: usize, member: PublicKey, device: PublicKey) -> Result<(), Reason> {
        let wanted = Grant::Device { member, device };
        let found = self.here(&self.authority.devices, &device).any(|grant| *grant == wanted);
        if found { Ok(()) } else { Err(Reason::UnknownDevice { number, device, member }) }
    }

    fn need_writer(&self, number: usize, member: PublicKey, kind: EntryKind) -> Result<(), Reason> {
        match (kind, self.role_of(&member)) {
            (_, None) => Err(Reason::UnknownMember { number, member }),
            (EntryKind::Data, Some(Role::Reader)) => Err(Reason::ReaderWrites { number, member }),
            _ => Ok(()),
        }
    }

    /// The greatest role granted to a member, in the past or before in the body.
    fn role_of(&self, wanted: &PublicKey) -> Option<Role> {
        let of_member = |grant: &&Grant| matches!(grant, Grant::Member { member, .. } if member == wanted);
        self.here(&self.authority.members, wanted).filter(of_member).filter_map(role).max()
    }

    /// The grants listed under a key in the past, and all those before in the body.
    fn here<K: Ord>(&self, index: &'a BTreeMap<K, Vec<Place>>, key: &K) -> impl Iterator<Item = &'a Grant> {
        self.past(index, key).chain(self.own.iter().copied())
    }

    fn past<K: Ord>(&self, index: &'a BTreeMap<K, Vec<Place>>, key: &K) -> impl Iterator<Item = &'a Grant> {
        let places = index.get(key).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter(|place| self.holds(**place)).map(|place| self.authority.grant(*place))
    }

    fn holds(&self, place: Place) -> bool {
        if self.only_counted && !self.authority.is_counted(place) {
            return false;
        }
        let granting = self.authority.id_at(place);
        self.causes.iter().any(|cause| self.graph.reaches(cause, &granting))
    }
}

fn role(grant: &Grant) -> Option<Role> {
    match grant {
        Grant::Member { role, .. } => Some(*role),
        _ => None,
    }
}

fn need_admin(author: &Author, number: usize) -> Result<(), Reason> {
    if author.admin { Ok(()) } else { Err(Reason::NotAdmin { number }) }
}

fn need_own(author: &Author, number: usize, member: PublicKey) -> Result<(), Reason> {
    let own = author.admin || author.members.contains(&member);
    if own { Ok(()) } else { Err(Reason::NotOwn { number, member }) }
}
