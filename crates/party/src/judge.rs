//! Judging one entry by its causal past alone (H8).
//!
//! Only what is in the entry's past is asked: whether the statements it rests on are there, and whether, of the acts
//! that are there, one that takes effect *among those* threatens or ends them. So the answer is the same for everybody
//! and never changes, whatever else arrives.
//!
//! An entry has an *author*: the admission of its feed, the stint of the device that rests on, and the member's stint
//! that rests on. A feed's first entry names its admission among its causes. A control feed may also bring itself in:
//! then its first entry names the stint of its device or member among its causes, and holds the admission, which the
//! device has signed. So a member whose role changed, or who was admitted again, begins new feeds without anybody's
//! help, and the holder of the recovery needs nobody at all. A device that was removed cannot do that.
//!
//! A credential may rest on those before it in its own body, but its author may not: nobody makes themselves an admin
//! on the way.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use motet_fact::{Cid, PublicKey};
use motet_feed::{Entry, EntryKind, Graph};

use crate::authority::Authority;
use crate::certificate::{Claim, verify_device};
use crate::credential::CredentialId;
use crate::statement::{Admission, Place, SplitCuts, Statement, of_genesis};
use crate::threat::Author;
use crate::{ControlBody, Credential, Cuts, Genesis, Reason, Role, Subject};

/// One entry before the authority.
pub(crate) struct Judge<'a> {
    authority: &'a Authority,
    graph: &'a Graph,
    entry: &'a Entry,
    /// The heads of the control entries in its past.
    past: Vec<Cid>,
    /// What it states.
    own: Vec<Statement>,
    /// The acts in its past that take effect among themselves.
    effective: OnceCell<BTreeSet<usize>>,
}

/// What the author of an entry is.
struct Standing {
    author: Author,
    member: PublicKey,
    role: Role,
    /// Whether the feed brings itself in.
    by_itself: bool,
    /// Whether it is the party's recovery.
    recovers: bool,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(authority: &'a Authority, graph: &'a Graph, entry: &'a Entry) -> Self {
        let header = entry.header();
        let past = match header.kind {
            EntryKind::Control => header.causes.clone(),
            EntryKind::Data => graph.obeyed(&header.causes),
        };
        Judge { authority, graph, entry, past, own: Vec::new(), effective: OnceCell::new() }
    }

    // Data entries.

    pub(crate) fn data(&self) -> Result<(), Reason> {
        let header = self.entry.header();
        self.placed()?;
        if header.kind != EntryKind::Data {
            return Err(Reason::NotData);
        }
        let is_data = |place: &Place| {
            matches!(self.authority.statement(*place), Statement::Feed { kind: EntryKind::Data, .. })
        };
        let named = |place: &Place| match header.seq {
            0 => header.causes.contains(&self.authority.id_at(*place)),
            _ => self.is_past(*place),
        };
        let admissions = self.authority.feed_places(&header.feed).iter().copied();
        let mut admissions: Vec<Place> = admissions.filter(|it| is_data(it) && named(it)).collect();
        admissions.sort_by_key(|place| self.authority.rank(*place));
        // Nothing cuts an entry before itself, so whatever closes its feed in its past cuts this one.
        let mut outcomes = admissions.into_iter().map(|place| {
            let by = self.first_effective(self.authority.dangers(place));
            by.map_or(Ok(()), |by| Err(Reason::Withdrawn { by }))
        });
        let first = outcomes.next().unwrap_or(Err(Reason::NotAdmitted(header.kind.name())));
        first.or_else(|reason| outcomes.find(Result::is_ok).unwrap_or(Err(reason)))
    }

    // Control entries.

    /// What the entry acts under, and what it states.
    pub(crate) fn control(mut self, body: &ControlBody) -> Result<(Option<Place>, Vec<Statement>), Reason> {
        let header = self.entry.header();
        self.placed()?;
        if header.kind != EntryKind::Control {
            return Err(Reason::NotControl);
        }
        body.credentials.iter().enumerate().try_for_each(|(number, it)| self.certified(number, it))?;
        if let Some(genesis) = self.founds(body) {
            return Ok((None, of_genesis(genesis, self.authority.records())));
        }
        for (number, credential) in body.credentials.iter().enumerate() {
            let statement = self.resolve(number, credential)?;
            self.own.push(statement);
        }
        let standing = self.standing(body)?;
        for number in 0..self.own.len() {
            self.permit(&standing, number)?;
        }
        Ok((Some(standing.author.feed), self.own))
    }

    /// Whether an entry is the first of a party; only then may it stand without an admission.
    fn founds<'b>(&self, body: &'b ControlBody) -> Option<&'b Genesis> {
        let header = self.entry.header();
        match (body.under, body.credentials.as_slice()) {
            (None, [Credential::Genesis(genesis)])
                if genesis.control_feed == header.feed && header.seq == 0 && header.causes.is_empty() =>
            {
                Some(genesis)
            }
            _ => None,
        }
    }

    fn certified(&self, number: usize, credential: &Credential) -> Result<(), Reason> {
        let party = &self.authority.party();
        let checked = match credential {
            Credential::Genesis(genesis) => genesis.verify(party),
            Credential::Device { member, device, certificate, .. } => {
                verify_device(member, device, certificate)
            }
            Credential::Feed { member, device, feed, kind, certificate, .. } => {
                Claim { party, member, device, feed, kind: *kind }.verify(certificate)
            }
            Credential::ForkProof(proof) => {
                return proof.verify(party).map_err(|source| Reason::Fork { number, source });
            }
            _ => Ok(()),
        };
        checked.map_err(|source| Reason::Certificate { number, source })
    }

    /// A credential with places for names: what it names is in the past, or before it in the body.
    fn resolve(&self, number: usize, credential: &Credential) -> Result<Statement, Reason> {
        let resolve = |named: &CredentialId, what, fits: &dyn Fn(&Statement) -> bool| {
            let place = self.find(named).filter(|place| fits(self.statement(*place)));
            place.ok_or(Reason::Unfounded { number, named: *named, what })
        };
        Ok(match credential {
            Credential::Genesis(_) => return Err(Reason::GenesisMisplaced),
            Credential::Member { member, role, name, invitation } => {
                let redeems = |named: &CredentialId| {
                    let fits = |it: &Statement| matches!(it, Statement::Invitation { .. });
                    resolve(named, "invitation", &fits).map(Admission::Invitation)
                };
                let admission = invitation.as_ref().map_or(Ok(Admission::Plain), redeems)?;
                Statement::Member { member: *member, role: *role, name: name.clone(), admission }
            }
            Credential::RoleChange { member, role, name, cuts } => {
                let admission = Admission::RoleChange(self.split(cuts));
                Statement::Member { member: *member, role: *role, name: name.clone(), admission }
            }
            Credential::Device { under, member, device, certificate } => {
                let fits = |it: &Statement| matches!(it, Statement::Member { member: m, .. } if m == member);
                let stint = resolve(under, "stint of that member", &fits)?;
                Statement::Device { stint, member: *member, device: *device, certificate: *certificate }
            }
            Credential::Feed { under, member, device, feed, kind, .. } => {
                let of = (member, device);
                let fits =
                    |it: &_| matches!(it, Statement::Device { member: m, device: d, .. } if (m, d) == of);
                let stint = resolve(under, "stint of that device", &fits)?;
                Statement::Feed { stint, member: *member, device: *device, feed: *feed, kind: *kind }
            }
            Credential::Invitation { id, role, expires } => {
                Statement::Invitation { id: *id, role: *role, invitee: None, expires: *expires }
            }
            Credential::PersonalInvitation { id, role, invitee, expires } => {
                Statement::Invitation { id: *id, role: *role, invitee: Some(*invitee), expires: *expires }
            }
            Credential::Removal { subject, cuts } => {
                Statement::Removal { subject: *subject, cuts: self.split(cuts) }
            }
            Credential::Revocation { invitation } => {
                let fits = |it: &Statement| matches!(it, Statement::Invitation { .. });
                Statement::Revocation { invitation: resolve(invitation, "invitation", &fits)? }
            }
            Credential::ForkProof(proof) => {
                let cuts = Cuts::from([(proof.feed(), proof.last.clone())]);
                Statement::Fork { feed: proof.feed(), cuts: self.split(&cuts) }
            }
        })
    }

    fn split(&self, cuts: &Cuts) -> SplitCuts {
        let mut split = SplitCuts::default();
        for (feed, last) in cuts {
            let (past, other) = last.iter().partition(|id| self.is_known(id));
            split.past.insert(*feed, past);
            split.other.insert(*feed, other);
        }
        split
    }

    // The author.

    /// What every entry is asked: whether its party is this one, and the entry before it stood.
    fn placed(&self) -> Result<(), Reason> {
        let header = self.entry.header();
        if header.party != self.authority.party() {
            return Err(Reason::OtherParty(header.party));
        }
        let Some(backlink) = self.backlink() else { return Ok(()) };
        if self.authority.is_refused(&backlink) {
            return Err(Reason::BacklinkRefused(backlink));
        }
        let same = self.graph.kind(&backlink) == Some(header.kind);
        if same { Ok(()) } else { Err(Reason::KindChanged(backlink)) }
    }

    fn backlink(&self) -> Option<Cid> {
        let header = self.entry.header();
        let on_feed = |cause: &&Cid| self.graph.position(cause).is_some_and(|at| at.feed == header.feed);
        header.causes.iter().find(on_feed).copied()
    }

    fn standing(&self, body: &ControlBody) -> Result<Standing, Reason> {
        let header = self.entry.header();
        let named = body.under.ok_or(Reason::NoCredential)?;
        let control = EntryKind::Control;
        let feed = (header.feed, control);
        let admits = |it: &_| matches!(it, Statement::Feed { feed: f, kind: k, .. } if (*f, *k) == feed);
        let feed = self.find(&named).filter(|place| admits(self.statement(*place)));
        let feed = feed.ok_or(Reason::NotUnder(named))?;
        let author = self.author(feed);
        let by_itself = self.is_own(feed);
        match self.backlink() {
            Some(backlink) => {
                let before = self.authority.record_of(&backlink).map(|record| self.authority.record(record));
                if before.and_then(|record| record.under.or(self.first_admission(&backlink))) != Some(feed) {
                    return Err(Reason::UnderChanged(backlink));
                }
            }
            None => {
                let named = [author.feed, author.device, author.member];
                let named = named.into_iter().find(|place| !self.is_own(*place));
                if !named.is_some_and(|place| header.causes.contains(&self.authority.id_at(place))) {
                    return Err(Reason::NotAdmitted(header.kind.name()));
                }
            }
        }
        self.stands(&author)?;
        if self.is_own(author.device) {
            self.not_removed(author.device)?;
        }
        let Statement::Member { member, role, admission, .. } = self.statement(author.member) else {
            unreachable!("a device rests on the stint of a member");
        };
        let recovers = *admission == Admission::Recovery;
        Ok(Standing { author, member: *member, role: *role, by_itself, recovers })
    }

    /// What the genesis on a feed admits it by.
    fn first_admission(&self, genesis: &Cid) -> Option<Place> {
        self.authority.record_of(genesis).map(|record| Place { record, number: 2 })
    }

    fn author(&self, feed: Place) -> Author {
        let rests_on = |place| self.statement(place).rests_on().expect("a feed rests on stints");
        let device = rests_on(feed);
        Author { feed, device, member: rests_on(device) }
    }

    /// Whether nothing in the past took the author's admission away.
    fn stands(&self, author: &Author) -> Result<(), Reason> {
        for place in [author.feed, author.device, author.member] {
            if let Some(by) = self.lost(place).or_else(|| self.ended(place, 0)) {
                return Err(Reason::Withdrawn { by });
            }
        }
        if let Statement::Feed { feed, .. } = self.statement(author.feed)
            && let Some(by) = self.first_effective(self.authority.forks(feed).iter().copied())
        {
            return Err(Reason::Withdrawn { by });
        }
        Ok(())
    }

    // The credentials.

    /// Whether an author may state this here.
    fn permit(&self, standing: &Standing, number: usize) -> Result<(), Reason> {
        match &self.own[number] {
            Statement::Invitation { .. } => need_admin(standing, number),
            Statement::Member { member, role, admission, .. } => {
                need_admin(standing, number)?;
                self.no_recovery(number, member)?;
                match admission {
                    Admission::Invitation(invitation) => self.redeemable(number, *invitation, *role),
                    Admission::RoleChange(_) => self.need_member(number, member),
                    Admission::Plain | Admission::Recovery => Ok(()),
                }
            }
            Statement::Device { stint, member, .. } => {
                need_own(standing, number, *member)?;
                self.need_open(number, *stint)?;
                let by_another = standing.member == *member && !standing.by_itself;
                if by_another || standing.recovers { Ok(()) } else { self.not_removed(self.place(number)) }
            }
            Statement::Feed { stint, member, feed, kind, .. } => {
                need_own(standing, number, *member)?;
                self.need_open(number, *stint)?;
                self.need_open(
                    number,
                    self.statement(*stint).rests_on().expect("a device rests on a stint"),
                )?;
                self.need_new(number, *feed)?;
                self.need_writer(number, *stint, *kind)
            }
            Statement::Removal { subject: Subject::Member(member), .. } => {
                need_own(standing, number, *member)?;
                self.no_recovery(number, member)?;
                self.need_member(number, member)
            }
            Statement::Removal { subject: Subject::Device { member, device }, .. } => {
                need_own(standing, number, *member)?;
                if standing.member != *member {
                    self.no_recovery(number, member)?;
                }
                self.need_device(number, *member, *device)
            }
            Statement::Revocation { .. } => need_admin(standing, number),
            Statement::Fork { feed, .. } => {
                let known = self.authority.feed_places(feed).iter().any(|place| self.is_past(*place));
                if known { Ok(()) } else { Err(Reason::UnknownFeed { number, feed: *feed }) }
            }
        }
    }

    fn redeemable(&self, number: usize, invitation: Place, given: Role) -> Result<(), Reason> {
        let Statement::Invitation { role: allowed, id, .. } = self.statement(invitation) else {
            unreachable!("it was resolved as an invitation");
        };
        if *allowed < given {
            return Err(Reason::AboveInvitation { number, invitation: *id, role: given, allowed: *allowed });
        }
        let revoked = self.authority.revocations(invitation).iter().copied();
        let own = |it: &_| matches!(it, Statement::Revocation { invitation: id } if *id == invitation);
        let here = self.own[..number].iter().any(own).then(|| self.entry.id());
        match self.lost(invitation).or_else(|| self.first_effective(revoked)).or(here) {
            Some(by) => Err(Reason::Closed { number, what: "an invitation", by }),
            None => Ok(()),
        }
    }

    /// The stint that a credential rests on was not taken away nor ended.
    fn need_open(&self, number: usize, stint: Place) -> Result<(), Reason> {
        match self.lost(stint).or_else(|| self.ended(stint, number)) {
            Some(by) => Err(Reason::Closed { number, what: "a stint", by }),
            None => Ok(()),
        }
    }

    fn need_member(&self, number: usize, member: &PublicKey) -> Result<(), Reason> {
        let known = self.authority.members.get(member).into_iter().flatten();
        let own = |it: &Statement| it.begins() == Some(Subject::Member(*member));
        let found = known.copied().any(|place| self.is_past(place)) || self.own[..number].iter().any(own);
        if found { Ok(()) } else { Err(Reason::UnknownMember { number, member: *member }) }
    }

    fn need_device(&self, number: usize, member: PublicKey, device: PublicKey) -> Result<(), Reason> {
        let wanted = Some(Subject::Device { member, device });
        let known = self.authority.devices.get(&device).into_iter().flatten().copied();
        let mut known = known.filter(|place| self.authority.statement(*place).begins() == wanted);
        let own = |it: &Statement| it.begins() == wanted;
        let found = known.any(|place| self.is_past(place)) || self.own[..number].iter().any(own);
        if found { Ok(()) } else { Err(Reason::UnknownDevice { number, device, member }) }
    }

    /// A feed is granted once (H10).
    fn need_new(&self, number: usize, feed: PublicKey) -> Result<(), Reason> {
        let known = self.authority.feed_places(&feed).iter().any(|place| self.is_past(*place));
        let own = self.own[..number].iter().any(|it| it.feed() == Some(feed));
        if known || own { Err(Reason::KnownFeed { number, feed }) } else { Ok(()) }
    }

    fn need_writer(&self, number: usize, stint: Place, kind: EntryKind) -> Result<(), Reason> {
        let member = self.statement(stint).rests_on().expect("a device rests on a stint");
        match (kind, self.statement(member)) {
            (EntryKind::Data, Statement::Member { member, role: Role::Reader, .. }) => {
                Err(Reason::ReaderWrites { number, member: *member })
            }
            (EntryKind::Data, Statement::Member { admission: Admission::Recovery, .. }) => {
                Err(Reason::Recovery { number })
            }
            _ => Ok(()),
        }
    }

    fn no_recovery(&self, number: usize, member: &PublicKey) -> Result<(), Reason> {
        let recovers = |place: &Place| {
            matches!(self.statement(*place), Statement::Member { admission: Admission::Recovery, .. })
        };
        let stints = self.authority.members.get(member).into_iter().flatten();
        if stints.copied().filter(|place| self.is_past(*place)).any(|place| recovers(&place)) {
            return Err(Reason::Recovery { number });
        }
        Ok(())
    }

    /// A device that was removed comes back only by the word of another of its member, or of the recovery.
    fn not_removed(&self, stint: Place) -> Result<(), Reason> {
        let Some(subject) = self.statement(stint).begins() else { return Ok(()) };
        match self.first_effective(self.authority.endings(&subject).iter().copied()) {
            Some(by) => Err(Reason::DeviceRemoved { number: stint.number, by }),
            None => Ok(()),
        }
    }

    // The past.

    fn is_known(&self, id: &Cid) -> bool {
        self.past.iter().any(|head| self.graph.reaches(head, id))
    }

    fn is_own(&self, place: Place) -> bool {
        place.record == self.authority.records()
    }

    fn is_past(&self, place: Place) -> bool {
        self.is_known(&self.authority.id_at(place))
    }

    fn place(&self, number: usize) -> Place {
        Place { record: self.authority.records(), number }
    }

    fn statement(&self, place: Place) -> &Statement {
        if self.is_own(place) { &self.own[place.number] } else { self.authority.statement(place) }
    }

    /// The place that a name is for: in the past, or earlier in the body.
    fn find(&self, named: &CredentialId) -> Option<Place> {
        let number = usize::try_from(named.number).ok()?;
        let Some(entry) = named.entry else {
            return (number < self.own.len()).then(|| self.place(number));
        };
        let record = self.authority.record_of(&entry)?;
        let there = number < self.authority.record(record).statements.len() && self.is_known(&entry);
        there.then_some(Place { record, number })
    }

    /// The entry that takes a statement away, by what is in the past.
    fn lost(&self, place: Place) -> Option<Cid> {
        if self.is_own(place) {
            return None;
        }
        self.first_effective(self.authority.threats(place, self.graph).into_iter())
    }

    /// The entry that ends a stint, by what is in the past and the first statements of the body.
    fn ended(&self, stint: Place, own: usize) -> Option<Cid> {
        let subject = self.statement(stint).begins()?;
        let ends = |act: &usize| {
            !self.is_own(stint) && self.authority.ends(self.authority.act(*act).place, stint, self.graph)
        };
        let acts = self.authority.endings(&subject).iter().copied().filter(ends);
        let later = if self.is_own(stint) { stint.number + 1 } else { 0 };
        let here = self.own.get(later..own).unwrap_or_default().iter().any(|it| it.ends() == Some(subject));
        self.first_effective(acts).or_else(|| here.then(|| self.entry.id()))
    }

    /// The entry of the first in order H6 of some acts that are in the past and take effect there.
    fn first_effective(&self, acts: impl Iterator<Item = usize>) -> Option<Cid> {
        let place = |act: usize| self.authority.act(act).place;
        let known: Vec<usize> = acts.filter(|act| self.is_past(place(*act))).collect();
        if known.is_empty() {
            return None;
        }
        let among = || self.authority.settle_among(|act| self.is_past(act.place));
        let effective = self.effective.get_or_init(among);
        let known = known.into_iter().filter(|act| effective.contains(act)).map(place);
        known.min_by_key(|place| self.authority.rank(*place)).map(|place| self.authority.id_at(place))
    }
}

fn need_admin(standing: &Standing, number: usize) -> Result<(), Reason> {
    if standing.role == Role::Admin { Ok(()) } else { Err(Reason::NotAdmin { number }) }
}

fn need_own(standing: &Standing, number: usize, member: PublicKey) -> Result<(), Reason> {
    let own = standing.role == Role::Admin || standing.member == member;
    if own { Ok(()) } else { Err(Reason::NotOwn { number, member }) }
}
