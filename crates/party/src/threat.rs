//! What threatens what (H10, H11).
//!
//! An *act* takes something away: a removal, a change of role, the proof of a fork, the revocation of an invitation;
//! and where an invitation is redeemed more than once, each redemption (H12).
//!
//! An act *cuts* an entry if it ends a stint of the entry's author, or closes the entry's feed, and the entry lies
//! outside its cut. It *threatens* a statement if it cuts the entry that makes it, or that of a statement on its chain
//! of authority; or if it spends an invitation on that chain. All of that is known when the later of the two is
//! linked, and never changes. A genesis is cut by nobody, and no act cuts its own entry.
//!
//! The chain goes up through what a statement rests on and what its author acts under ([`Authority::threats`]); the
//! same steps taken downwards give all that an act threatens ([`Authority::threatened`]), without looking at the rest.

use std::collections::BTreeSet;

use motet_fact::{Cid, PublicKey};
use motet_feed::{Graph, Position};

use crate::authority::Authority;
use crate::statement::{Place, Statement};
use crate::{Cuts, Subject};

/// On whose behalf an entry is written: the admission of its feed, and the stints that rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Author {
    pub(crate) feed: Place,
    pub(crate) device: Place,
    pub(crate) member: Place,
}

impl Authority {
    /// The acts that threaten a statement.
    pub(crate) fn threats(&self, statement: Place, graph: &Graph) -> BTreeSet<usize> {
        let (mut found, mut seen, mut records) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut stack = vec![statement];
        while let Some(place) = stack.pop() {
            if !seen.insert(place) {
                continue;
            }
            found.extend(self.spenders(place, graph));
            stack.extend(self.statement(place).rests_on());
            if records.insert(place.record) {
                found.extend(self.cutters(place.record, graph));
                stack.extend(self.record(place.record).under);
            }
        }
        found
    }

    /// The statements that an act threatens.
    pub(crate) fn threatened(&self, act: Place, graph: &Graph) -> BTreeSet<Place> {
        let mut stack: Vec<Place> = self.spent(act, graph);
        let cut = self.closed(act, graph).into_iter().flat_map(|feed| self.written_under(feed));
        stack.extend(cut.filter(|record| self.cuts(act, *record, graph)).flat_map(|at| self.places(at)));
        let mut found = BTreeSet::new();
        while let Some(place) = stack.pop() {
            if found.insert(place) {
                stack.extend(self.resting_on(place));
                stack.extend(self.written_under(place).flat_map(|record| self.places(record)));
            }
        }
        found
    }

    /// The acts that cut a control entry.
    pub(crate) fn cutters(&self, record: usize, graph: &Graph) -> BTreeSet<usize> {
        let Some(under) = self.record(record).under else { return BTreeSet::new() };
        let acts = self.closers(&self.author(under), graph);
        acts.into_iter().filter(|&act| self.cuts(self.act(act).place, record, graph)).collect()
    }

    /// Whether an act that closes the feed of a control entry cuts the entry.
    fn cuts(&self, act: Place, record: usize, graph: &Graph) -> bool {
        let position = &self.record(record).position;
        let cuts = self.statement(act).cuts().map(|cuts| &cuts.past);
        act.record != record && !cuts.is_some_and(|cuts| within(cuts, &position.feed, &position.id, graph))
    }

    /// The acts that close the feed of an author: past their cuts its entries do not count.
    pub(crate) fn closers(&self, author: &Author, graph: &Graph) -> BTreeSet<usize> {
        let mut closers = BTreeSet::new();
        for stint in [author.device, author.member] {
            if let Some(subject) = self.statement(stint).begins() {
                let ends = |act: &usize| self.ends(self.act(*act).place, stint, graph);
                closers.extend(self.endings(&subject).iter().copied().filter(ends));
            }
        }
        if let Statement::Feed { feed, .. } = self.statement(author.feed) {
            closers.extend(self.forks(feed));
        }
        closers
    }

    /// Whether an act ends a stint. A removal ends all that do not begin after it: it beats concurrent admission. A
    /// change of role ends those that began before it.
    pub(crate) fn ends(&self, act: Place, stint: Place, graph: &Graph) -> bool {
        let (ending, beginning) = (self.statement(act), self.statement(stint));
        ending.ends().is_some()
            && ending.ends() == beginning.begins()
            && match ending {
                Statement::Removal { .. } => !self.is_after(stint, act, graph),
                _ => self.is_after(act, stint, graph),
            }
    }

    /// The feeds that an act closes.
    pub(crate) fn closed(&self, act: Place, graph: &Graph) -> Vec<Place> {
        let feed = |place: &Place| matches!(self.statement(*place), Statement::Feed { .. });
        match self.statement(act) {
            Statement::Fork { feed, .. } => self.feed_places(feed).to_vec(),
            statement => {
                let Some(subject) = statement.ends() else { return Vec::new() };
                let stints = self.stint_places(&subject).filter(|stint| self.ends(act, *stint, graph));
                let below: Vec<Place> = stints.flat_map(|stint| self.resting_on(stint)).collect();
                let devices = below.iter().flat_map(|place| self.resting_on(*place));
                below.iter().copied().chain(devices).filter(feed).collect()
            }
        }
    }

    /// The acts that leave nothing of the invitation for a redemption: earlier redemptions (of which there are acts
    /// only if there are several), and revocations that did not know of it.
    fn spenders(&self, redemption: Place, graph: &Graph) -> Vec<usize> {
        let Some(invitation) = self.statement(redemption).redeems() else { return Vec::new() };
        let earlier =
            self.redemptions(invitation).iter().filter(|other| self.rank(**other) < self.rank(redemption));
        let earlier = earlier.filter_map(|other| self.act_at(*other));
        let revocations = self.revocations(invitation).iter().copied();
        earlier
            .chain(revocations.filter(|act| !self.is_after(self.act(*act).place, redemption, graph)))
            .collect()
    }

    /// The redemptions for which an act leaves nothing.
    fn spent(&self, act: Place, graph: &Graph) -> Vec<Place> {
        let of = |invitation: Place| self.redemptions(invitation).iter().copied();
        match self.statement(act) {
            Statement::Revocation { invitation } => {
                of(*invitation).filter(|redemption| !self.is_after(act, *redemption, graph)).collect()
            }
            statement => {
                let redemptions = statement.redeems().into_iter().flat_map(of);
                redemptions.filter(|other| self.rank(act) < self.rank(*other)).collect()
            }
        }
    }

    /// Whether a statement knew of another: that is in its past, or earlier in its body.
    pub(crate) fn is_after(&self, later: Place, earlier: Place, graph: &Graph) -> bool {
        if later.record == earlier.record {
            return later.number > earlier.number;
        }
        let id = self.id_at(earlier);
        self.record(later.record).causes.iter().any(|cause| graph.reaches(cause, &id))
    }

    /// On whose behalf a feed is written.
    pub(crate) fn author(&self, feed: Place) -> Author {
        let rests_on = |place| self.statement(place).rests_on().expect("a feed rests on stints");
        let device = rests_on(feed);
        Author { feed, device, member: rests_on(device) }
    }

    /// Whether an act that closes the feed of a data entry leaves the entry.
    pub(crate) fn leaves(&self, act: usize, position: &Position, graph: &Graph) -> bool {
        let cuts = self.statement(self.act(act).place).cuts().map(|cuts| &cuts.other);
        cuts.is_some_and(|cuts| within(cuts, &position.feed, &position.id, graph))
    }

    /// Every stint of a subject.
    fn stint_places(&self, subject: &Subject) -> impl Iterator<Item = Place> + '_ {
        let subject = *subject;
        let places = match &subject {
            Subject::Member(member) => self.members.get(member),
            Subject::Device { device, .. } => self.devices.get(device),
        };
        let places = places.map(Vec::as_slice).unwrap_or_default().iter().copied();
        places.filter(move |place| self.statement(*place).begins() == Some(subject))
    }
}

fn within(cuts: &Cuts, feed: &PublicKey, id: &Cid, graph: &Graph) -> bool {
    cuts.get(feed).is_some_and(|last| last.iter().any(|last| graph.reaches(last, id)))
}
