//! Credentials as the authority keeps them: without certificates, and with places for names.

use motet_fact::{PublicKey, Signature};
use motet_feed::EntryKind;

use crate::{Cuts, Genesis, InvitationId, Role, Subject};

/// Where a statement stands: the record and the number in it. Of an entry that is being judged the record is the one
/// it would get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) record: usize,
    pub(crate) number: usize,
}

/// A statement of a control entry; a genesis makes five.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    /// A stint of a member begins.
    Member { member: PublicKey, role: Role, name: String, admission: Admission },
    /// A stint of a device begins, in one of its member.
    Device { stint: Place, member: PublicKey, device: PublicKey, certificate: Signature },
    /// A feed is that of a device in a stint.
    Feed { stint: Place, member: PublicKey, device: PublicKey, feed: PublicKey, kind: EntryKind },
    /// An invitation is issued.
    Invitation { id: InvitationId, role: Role, invitee: Option<PublicKey>, expires: i64 },
    /// Stints end.
    Removal { subject: Subject, cuts: SplitCuts },
    /// An invitation ends.
    Revocation { invitation: Place },
    /// A feed is closed.
    Fork { feed: PublicKey, cuts: SplitCuts },
}

/// What a member's stint begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The word of an admin, or the genesis.
    Plain,
    /// The genesis, for its recovery.
    Recovery,
    /// The redemption of an invitation.
    Invitation(Place),
    /// The end of the stints before.
    RoleChange(SplitCuts),
}

/// Cuts, those in the past of the entry that names them apart: they alone are looked at for control entries, so that
/// what a removal threatens is known when it is linked, and never changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SplitCuts {
    pub(crate) past: Cuts,
    pub(crate) other: Cuts,
}

impl Statement {
    /// The statements on which this one rests, besides those on which its author does.
    pub(crate) fn rests_on(&self) -> Option<Place> {
        match self {
            Statement::Device { stint, .. } | Statement::Feed { stint, .. } => Some(*stint),
            Statement::Member { admission: Admission::Invitation(invitation), .. } => Some(*invitation),
            _ => None,
        }
    }

    /// The invitation that it redeems.
    pub(crate) fn redeems(&self) -> Option<Place> {
        match self {
            Statement::Member { admission: Admission::Invitation(invitation), .. } => Some(*invitation),
            _ => None,
        }
    }

    /// The feed that it admits.
    pub(crate) fn feed(&self) -> Option<PublicKey> {
        match self {
            Statement::Feed { feed, .. } => Some(*feed),
            _ => None,
        }
    }

    /// Whose stints it ends.
    pub(crate) fn ends(&self) -> Option<Subject> {
        match self {
            Statement::Removal { subject, .. } => Some(*subject),
            Statement::Member { member, admission: Admission::RoleChange(_), .. } => {
                Some(Subject::Member(*member))
            }
            _ => None,
        }
    }

    /// Up to where the feeds that it closes count.
    pub(crate) fn cuts(&self) -> Option<&SplitCuts> {
        match self {
            Statement::Removal { cuts, .. }
            | Statement::Fork { cuts, .. }
            | Statement::Member { admission: Admission::RoleChange(cuts), .. } => Some(cuts),
            _ => None,
        }
    }

    /// Whose stint it begins; nobody may end that of the recovery.
    pub(crate) fn begins(&self) -> Option<Subject> {
        match self {
            Statement::Member { member, admission, .. } if *admission != Admission::Recovery => {
                Some(Subject::Member(*member))
            }
            Statement::Device { member, device, .. } => {
                Some(Subject::Device { member: *member, device: *device })
            }
            _ => None,
        }
    }
}

/// What a genesis in a record states: see [`crate::CredentialId`] for the numbers.
pub(crate) fn of_genesis(genesis: &Genesis, record: usize) -> Vec<Statement> {
    let (member, device) = (genesis.founder, genesis.device);
    let place = |number| Place { record, number };
    let feed = |feed, kind| Statement::Feed { stint: place(1), member, device, feed, kind };
    let admin = |member, name: &str, admission| Statement::Member {
        member,
        role: Role::Admin,
        name: name.to_owned(),
        admission,
    };
    vec![
        admin(member, &genesis.name, Admission::Plain),
        Statement::Device { stint: place(0), member, device, certificate: genesis.device_certificate },
        feed(genesis.control_feed, EntryKind::Control),
        feed(genesis.data_feed, EntryKind::Data),
        admin(genesis.recovery, "recovery", Admission::Recovery),
    ]
}
