//! Why an entry does not count: by which act, whose, and how.

use std::fmt;

use motet_fact::{Cid, PublicKey};
use motet_feed::{EntryKind, Graph};

use crate::authority::Authority;
use crate::statement::{Place, Statement};
use crate::{Reason, Subject};

/// What took something away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// A member or a device was removed.
    Removal(Subject),
    /// A member's role changed.
    RoleChange(PublicKey),
    /// A feed was shown to be forked.
    ForkProof(PublicKey),
    /// An invitation was revoked.
    Revocation,
    /// An invitation was used before.
    Redemption(PublicKey),
}

/// Why an entry that is linked does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nobody authorised it (H8): for ever.
    Refused(Reason),
    /// It was withdrawn (H10, H11), as long as an act takes effect.
    Withdrawn {
        /// The entry of the act; of several the first in order H6.
        by: Cid,
        /// On whose behalf that was written.
        author: PublicKey,
        /// What it did.
        deed: Deed,
        /// Whether it hit what the entry rests on, and not the entry's own author.
        indirect: bool,
    },
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Deed::Removal(Subject::Member(member)) => write!(f, "removed member {}", member.short()),
            Deed::Removal(Subject::Device { device, .. }) => write!(f, "removed device {}", device.short()),
            Deed::RoleChange(member) => write!(f, "changed the role of member {}", member.short()),
            Deed::ForkProof(feed) => write!(f, "showed that feed {} is forked", feed.short()),
            Deed::Revocation => f.write_str("revoked the invitation"),
            Deed::Redemption(member) => write!(f, "admitted {} by the same invitation", member.short()),
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::Refused(reason) => write!(f, "it is refused: {reason}"),
            Loss::Withdrawn { by, author, deed, indirect } => {
                write!(f, "member {} {deed} in entry {by}", author.short())?;
                if *indirect { f.write_str(", and what it rests on no longer counts") } else { Ok(()) }
            }
        }
    }
}

impl Authority {
    /// Why a linked entry does not count; `None` if it does.
    pub fn loss(&self, id: &Cid, graph: &Graph) -> Option<Loss> {
        if let Some(reason) = self.refused(id) {
            return Some(Loss::Refused(reason.clone()));
        }
        if self.counts(id, graph) {
            return None;
        }
        let (direct, admission) = match self.record_of(id) {
            Some(record) => {
                let direct = self.cutters(record, graph).into_iter().collect();
                (direct, self.record(record).under)
            }
            None => self.data_loss(id, graph),
        };
        let chain = admission.map(|place| self.threats(place, graph)).unwrap_or_default();
        let told = self.first_act(direct).map(|act| (act, false));
        let (act, indirect) = told.or_else(|| Some((self.first_act(chain.into_iter().collect())?, true)))?;
        let author = self.record(act.record).under.map(|feed| self.author(feed).member);
        let author = match author.map(|member| self.statement(member)) {
            Some(Statement::Member { member, .. }) => *member,
            _ => self.party(),
        };
        Some(Loss::Withdrawn { by: self.id_at(act), author, deed: self.deed(act)?, indirect })
    }

    fn data_loss(&self, id: &Cid, graph: &Graph) -> (Vec<usize>, Option<Place>) {
        let Some(position) = graph.position(id) else { return (Vec::new(), None) };
        let is_data =
            |place: &Place| matches!(self.statement(*place), Statement::Feed { kind: EntryKind::Data, .. });
        let known = self
            .feed_places(&position.feed)
            .iter()
            .copied()
            .filter(|place| is_data(place) && self.is_known(id, *place, graph));
        let admission = known.min_by_key(|place| self.rank(*place));
        let closers = admission.map(|place| self.closers(&self.author(place), graph)).unwrap_or_default();
        let cut = closers.into_iter().filter(|act| !self.leaves(*act, &position, graph));
        (cut.collect(), admission)
    }

    fn first_act(&self, acts: Vec<usize>) -> Option<Place> {
        let places =
            acts.into_iter().map(|act| self.act(act)).filter(|act| act.effective).map(|act| act.place);
        places.min_by_key(|place| self.rank(*place))
    }

    fn deed(&self, act: Place) -> Option<Deed> {
        Some(match self.statement(act) {
            Statement::Removal { subject, .. } => Deed::Removal(*subject),
            Statement::Fork { feed, .. } => Deed::ForkProof(*feed),
            Statement::Revocation { .. } => Deed::Revocation,
            statement @ Statement::Member { member, .. } if statement.redeems().is_some() => {
                Deed::Redemption(*member)
            }
            Statement::Member { member, .. } => Deed::RoleChange(*member),
            _ => return None,
        })
    }
}
