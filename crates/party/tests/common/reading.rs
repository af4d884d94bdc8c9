//! H7 to H12 read plainly: sets, searches and tables of all pairs, nothing kept from one question to the next.
//!
//! Shares nothing with the authority but the form of the entries.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Cid, PublicKey};
use motet_feed::{EntryKind, Graph};
use motet_party::{Authority, Credential, CredentialId, Cuts, Role, Subject};

use super::{RECOVERY, Said, forged, identity};

/// A statement: its entry, and its number there.
pub(crate) type Key = (Cid, usize);

#[derive(Clone, Debug)]
enum Plain {
    Member { who: PublicKey, role: Role, how: How },
    Device { stint: Key, who: PublicKey, device: PublicKey },
    Feed { stint: Key, who: PublicKey, device: PublicKey, feed: PublicKey, kind: EntryKind },
    Invitation { role: Role },
    Removal { whose: Subject, cuts: Cuts },
    Revocation { invitation: Key },
    Fork { feed: PublicKey, cuts: Cuts },
}

#[derive(Clone, Debug)]
enum How {
    Word,
    Recovery,
    Invitation(Key),
    Change(Cuts),
}

/// What is to be the same for everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdicts {
    pub(crate) refused: BTreeSet<Cid>,
    /// Statements that count.
    pub(crate) statements: BTreeSet<Key>,
    /// Acts that take effect.
    pub(crate) effective: BTreeSet<Key>,
    /// Entries that count.
    pub(crate) entries: BTreeSet<Cid>,
    /// What each person may do.
    pub(crate) roles: Vec<Option<Role>>,
}

/// What the authority says of these entries.
pub(crate) fn said_by(authority: &Authority, graph: &Graph, all: &[&Said]) -> Verdicts {
    let mut verdicts = Verdicts::default();
    for said in all {
        if authority.is_refused(&said.id()) {
            verdicts.refused.insert(said.id());
        }
        if authority.counts(&said.id(), graph) {
            verdicts.entries.insert(said.id());
        }
        for number in 0..6 {
            let named = CredentialId::of(said.id(), number);
            let key = (said.id(), number as usize);
            verdicts.statements.extend(authority.credential_counts(&named).then_some(key));
            verdicts.effective.extend(authority.takes_effect(&named).then_some(key));
        }
    }
    let role = |person| authority.role_of_member(&identity(person), graph);
    verdicts.roles = (0..=RECOVERY).map(role).collect();
    verdicts
}

/// What the rules say of a set of entries that is closed under causes.
pub(crate) fn read(all: &[&Said]) -> Verdicts {
    let mut reading = Reading::default();
    let mut in_order = all.to_vec();
    in_order.sort_by_key(|said| said.entry.position());
    for said in &in_order {
        reading.take(said);
    }
    let all: BTreeSet<Cid> = reading.said.keys().copied().collect();
    let effective = reading.effective(&all);
    let mut verdicts = Verdicts::default();
    for said in in_order {
        let id = said.id();
        if !reading.authorised.contains(&id) {
            verdicts.refused.insert(id);
        } else if reading.entry_counts(&id, &effective) {
            verdicts.entries.insert(id);
        }
    }
    verdicts.statements =
        reading.plain.keys().copied().filter(|key| reading.counts(*key, &effective)).collect();
    verdicts.roles = (0..=RECOVERY).map(|person| reading.role(&identity(person), &effective)).collect();
    verdicts.effective = effective.into_iter().filter(|act| reading.is_act(*act)).collect();
    verdicts
}

#[derive(Default)]
struct Reading<'a> {
    said: BTreeMap<Cid, &'a Said>,
    /// For each entry all before it.
    past: BTreeMap<Cid, BTreeSet<Cid>>,
    authorised: BTreeSet<Cid>,
    /// What authorised control entries state.
    plain: BTreeMap<Key, Plain>,
    /// What authorised control entries act under; not in it: a genesis.
    under: BTreeMap<Cid, Key>,
}

impl<'a> Reading<'a> {
    fn take(&mut self, said: &'a Said) {
        let id = said.id();
        let mut past: BTreeSet<Cid> = said.entry.header().causes.iter().copied().collect();
        past.extend(said.entry.header().causes.iter().flat_map(|cause| self.past[cause].clone()));
        self.past.insert(id, past);
        self.said.insert(id, said);
        let authorised = match said.entry.header().kind {
            EntryKind::Control => self.control(said).is_some(),
            EntryKind::Data => self.data(said).is_some(),
        };
        if authorised {
            self.authorised.insert(id);
        } else {
            self.plain.retain(|key, _| key.0 != id);
            self.under.remove(&id);
        }
    }

    // What came before what.

    /// Whether a statement knew of another.
    fn is_later(&self, later: Key, earlier: Key) -> bool {
        match later.0 == earlier.0 {
            true => later.1 > earlier.1,
            false => self.past[&later.0].contains(&earlier.0),
        }
    }

    fn rank(&self, key: Key) -> (motet_feed::Position, usize) {
        (self.said[&key.0].entry.position(), key.1)
    }

    // Who threatens whom.

    /// The device's and the member's stint under an admission of a feed.
    fn author(&self, feed: Key) -> (Key, Key) {
        let Plain::Feed { stint: device, .. } = &self.plain[&feed] else { unreachable!("it admits a feed") };
        let Plain::Device { stint: member, .. } = &self.plain[device] else { unreachable!("of a device") };
        (*device, *member)
    }

    fn ends(&self, act: Key, stint: Key) -> bool {
        let begun = match &self.plain[&stint] {
            Plain::Member { how: How::Recovery, .. } => return false,
            Plain::Member { who, .. } => Subject::Member(*who),
            Plain::Device { who, device, .. } => Subject::Device { member: *who, device: *device },
            _ => return false,
        };
        match &self.plain[&act] {
            Plain::Removal { whose, .. } => *whose == begun && !self.is_later(stint, act),
            Plain::Member { who, how: How::Change(_), .. } => {
                Subject::Member(*who) == begun && self.is_later(act, stint)
            }
            _ => false,
        }
    }

    /// Whether an act closes what is written under an admission.
    fn closes(&self, act: Key, feed: Key) -> bool {
        let (device, member) = self.author(feed);
        let forks = match (&self.plain[&act], &self.plain[&feed]) {
            (Plain::Fork { feed: forked, .. }, Plain::Feed { feed, .. }) => forked == feed,
            _ => false,
        };
        forks || self.ends(act, device) || self.ends(act, member)
    }

    /// Whether an act cuts an entry that is written under an admission.
    fn cuts(&self, act: Key, entry: &Cid, feed: Key) -> bool {
        if act.0 == *entry || !self.closes(act, feed) {
            return false;
        }
        let (Plain::Removal { cuts, .. }
        | Plain::Fork { cuts, .. }
        | Plain::Member { how: How::Change(cuts), .. }) = &self.plain[&act]
        else {
            unreachable!("what closes has cuts")
        };
        let header = self.said[entry].entry.header();
        let known = |last: &&Cid| header.kind == EntryKind::Data || self.past[&act.0].contains(*last);
        let within =
            |last: &Cid| last == entry || self.past.get(last).is_some_and(|past| past.contains(entry));
        !cuts.get(&header.feed).into_iter().flatten().filter(known).any(within)
    }

    /// Whether an act leaves nothing of its invitation for a redemption.
    fn spends(&self, act: Key, redemption: Key) -> bool {
        let Plain::Member { how: How::Invitation(wanted), .. } = &self.plain[&redemption] else {
            return false;
        };
        match &self.plain[&act] {
            Plain::Member { how: How::Invitation(invitation), .. } => {
                invitation == wanted && self.rank(act) < self.rank(redemption)
            }
            Plain::Revocation { invitation } => invitation == wanted && !self.is_later(act, redemption),
            _ => false,
        }
    }

    /// A statement, and all that it rests on.
    fn chain(&self, key: Key) -> BTreeSet<Key> {
        let mut chain = BTreeSet::from([key]);
        loop {
            let before = chain.len();
            for key in chain.clone() {
                chain.extend(self.under.get(&key.0));
                match &self.plain[&key] {
                    Plain::Device { stint, .. } | Plain::Feed { stint, .. } => {
                        chain.insert(*stint);
                    }
                    Plain::Member { how: How::Invitation(invitation), .. } => {
                        chain.insert(*invitation);
                    }
                    _ => {}
                }
            }
            if chain.len() == before {
                return chain;
            }
        }
    }

    fn threatens(&self, act: Key, key: Key) -> bool {
        self.chain(key).into_iter().any(|on_chain| {
            let under = self.under.get(&on_chain.0);
            under.is_some_and(|under| self.cuts(act, &on_chain.0, *under)) || self.spends(act, on_chain)
        })
    }

    // H11.

    fn takes_away(&self, key: Key) -> bool {
        matches!(
            &self.plain[&key],
            Plain::Removal { .. }
                | Plain::Revocation { .. }
                | Plain::Fork { .. }
                | Plain::Member { how: How::Change(_) | How::Invitation(_), .. }
        )
    }

    /// Whether somebody may care: a redemption takes away only if there is another.
    fn is_act(&self, key: Key) -> bool {
        let Plain::Member { how: How::Invitation(wanted), .. } = &self.plain[&key] else { return true };
        let same =
            |plain: &&_| matches!(plain, Plain::Member { how: How::Invitation(it), .. } if it == wanted);
        self.plain.values().filter(same).count() > 1
    }

    /// The acts of some entries that take effect among themselves.
    fn effective(&self, among: &BTreeSet<Cid>) -> BTreeSet<Key> {
        let among = |key: &Key| self.authorised.contains(&key.0) && among.contains(&key.0);
        let mut left: Vec<Key> =
            self.plain.keys().copied().filter(|key| among(key) && self.takes_away(*key)).collect();
        let mut effective: BTreeSet<Key> = BTreeSet::new();
        while !left.is_empty() {
            // Which leads to which, along threats among those left.
            let mut leads: Vec<Vec<bool>> = left
                .iter()
                .map(|one| left.iter().map(|other| self.threatens(*one, *other)).collect())
                .collect();
            for through in 0..left.len() {
                for from in 0..left.len() {
                    for to in 0..left.len() {
                        leads[from][to] |= leads[from][through] && leads[through][to];
                    }
                }
            }
            // A component that nothing outside of it leads to takes effect as a whole.
            let upstream =
                |act: &usize| (0..left.len()).all(|other| !leads[other][*act] || leads[*act][other]);
            let first =
                (0..left.len()).find(upstream).unwrap_or_else(|| unreachable!("a finite order has a least"));
            let together = |other: usize| other == first || (leads[first][other] && leads[other][first]);
            let component: Vec<Key> =
                (0..left.len()).filter(|act| together(*act)).map(|act| left[act]).collect();
            effective.extend(&component);
            left.retain(|act| {
                !component.contains(act) && !component.iter().any(|counted| self.threatens(*counted, *act))
            });
        }
        effective
    }

    // What counts.

    fn counts(&self, key: Key, effective: &BTreeSet<Key>) -> bool {
        !effective.iter().any(|act| self.threatens(*act, key))
    }

    fn is_open(&self, stint: Key, effective: &BTreeSet<Key>) -> bool {
        !effective.iter().any(|act| self.ends(*act, stint))
    }

    fn entry_counts(&self, id: &Cid, effective: &BTreeSet<Key>) -> bool {
        let stands = |feed: Key| {
            self.counts(feed, effective) && !effective.iter().any(|act| self.cuts(*act, id, feed))
        };
        let said = self.said[id];
        match said.entry.header().kind {
            EntryKind::Control => self.under.get(id).is_none_or(|under| stands(*under)),
            EntryKind::Data => {
                let known = self.admissions(&said.feed(), EntryKind::Data);
                known.into_iter().filter(|feed| self.past[id].contains(&feed.0)).any(stands)
            }
        }
    }

    fn role(&self, member: &PublicKey, effective: &BTreeSet<Key>) -> Option<Role> {
        let roles = self.plain.iter().filter_map(|(key, plain)| match plain {
            Plain::Member { who, role, .. } if who == member => Some((*key, *role)),
            _ => None,
        });
        let stands = |key: &Key| self.counts(*key, effective) && self.is_open(*key, effective);
        roles.filter(|(key, _)| stands(key)).map(|(_, role)| role).max()
    }

    fn admissions(&self, wanted: &PublicKey, as_kind: EntryKind) -> Vec<Key> {
        let admits =
            |plain: &_| matches!(plain, Plain::Feed { feed, kind, .. } if feed == wanted && *kind == as_kind);
        self.plain.iter().filter(|(_, plain)| admits(plain)).map(|(key, _)| *key).collect()
    }

    // H8: by the past alone.

    fn backlink(&self, said: &Said) -> Option<Cid> {
        let causes = said.entry.header().causes.iter();
        causes.copied().find(|cause| self.said[cause].feed() == said.feed())
    }

    fn data(&self, said: &Said) -> Option<()> {
        let (id, header) = (said.id(), said.entry.header());
        if let Some(backlink) = self.backlink(said) {
            let same = self.said[&backlink].entry.header().kind == EntryKind::Data;
            (same && self.authorised.contains(&backlink)).then_some(())?;
        }
        let effective = self.effective(&self.past[&id]);
        let named = |feed: &Key| match header.seq {
            0 => header.causes.contains(&feed.0),
            _ => self.past[&id].contains(&feed.0),
        };
        let admissions = self.admissions(&header.feed, EntryKind::Data).into_iter().filter(named);
        let stands =
            |feed: Key| self.counts(feed, &effective) && !effective.iter().any(|act| self.closes(*act, feed));
        admissions.into_iter().any(stands).then_some(())
    }

    fn control(&mut self, said: &Said) -> Option<()> {
        let (id, header) = (said.id(), said.entry.header());
        if let [Credential::Genesis(genesis)] = said.body.credentials.as_slice()
            && said.body.under.is_none()
            && header.seq == 0
            && header.causes.is_empty()
            && genesis.control_feed == header.feed
        {
            let (who, device, stint) = (genesis.founder, genesis.device, |number| (id, number));
            let feed = |feed, kind| Plain::Feed { stint: stint(1), who, device, feed, kind };
            let recovery = Plain::Member { who: genesis.recovery, role: Role::Admin, how: How::Recovery };
            let all = [
                Plain::Member { who, role: Role::Admin, how: How::Word },
                Plain::Device { stint: stint(0), who, device },
                feed(genesis.control_feed, EntryKind::Control),
                feed(genesis.data_feed, EntryKind::Data),
                recovery,
            ];
            self.plain.extend(all.into_iter().enumerate().map(|(number, plain)| (stint(number), plain)));
            return Some(());
        }
        let backlink = self.backlink(said);
        if let Some(backlink) = backlink {
            let same = self.said[&backlink].entry.header().kind == EntryKind::Control;
            (same && self.authorised.contains(&backlink)).then_some(())?;
        }
        let effective = self.effective(&self.past[&id]);
        for (number, credential) in said.body.credentials.iter().enumerate() {
            let plain = self.plainly(id, number, credential)?;
            self.plain.insert((id, number), plain);
        }
        let under = self.find(id, &said.body.under?, said.body.credentials.len())?;
        let control = EntryKind::Control;
        let admits = matches!(
            &self.plain[&under],
            Plain::Feed { feed, kind, .. } if *feed == header.feed && *kind == control
        );
        admits.then_some(())?;
        match backlink {
            // The founder's feed was admitted by the genesis on it.
            Some(backlink) => {
                (*self.under.get(&backlink).unwrap_or(&(backlink, 2)) == under).then_some(())?;
            }
            None => {
                let (device, member) = self.author(under);
                let named = [under, device, member].into_iter().find(|key| key.0 != id)?;
                header.causes.contains(&named.0).then_some(())?;
            }
        }
        self.standing(id, under, &effective)?;
        self.under.insert(id, under);
        for number in 0..said.body.credentials.len() {
            self.permitted(id, number, under, &effective)?;
        }
        Some(())
    }

    /// A credential with keys for names, if its certificate holds and what it names is there and of the right kind.
    fn plainly(&self, id: Cid, number: usize, credential: &Credential) -> Option<Plain> {
        let find = |named: &CredentialId| self.find(id, named, number);
        Some(match credential {
            Credential::Genesis(_) => return None,
            Credential::Member { member, role, invitation, .. } => {
                let how = match invitation {
                    None => How::Word,
                    Some(named) => {
                        let key = find(named)?;
                        matches!(self.plain[&key], Plain::Invitation { .. })
                            .then_some(How::Invitation(key))?
                    }
                };
                Plain::Member { who: *member, role: *role, how }
            }
            Credential::RoleChange { member, role, cuts, .. } => {
                Plain::Member { who: *member, role: *role, how: How::Change(cuts.clone()) }
            }
            Credential::Device { under, member, device, certificate } => {
                let stint = find(under)?;
                let fits = matches!(&self.plain[&stint], Plain::Member { who, .. } if who == member);
                (fits && *certificate != forged()).then_some(())?;
                Plain::Device { stint, who: *member, device: *device }
            }
            Credential::Feed { under, member, device, feed, kind, .. } => {
                let stint = find(under)?;
                let fits = matches!(
                    &self.plain[&stint],
                    Plain::Device { who, device: d, .. } if who == member && d == device
                );
                fits.then_some(())?;
                Plain::Feed { stint, who: *member, device: *device, feed: *feed, kind: *kind }
            }
            Credential::Invitation { role, .. } | Credential::PersonalInvitation { role, .. } => {
                Plain::Invitation { role: *role }
            }
            Credential::Removal { subject, cuts } => Plain::Removal { whose: *subject, cuts: cuts.clone() },
            Credential::Revocation { invitation } => {
                let invitation = find(invitation)?;
                matches!(self.plain[&invitation], Plain::Invitation { .. }).then_some(())?;
                Plain::Revocation { invitation }
            }
            Credential::ForkProof(proof) => {
                let feed = proof.feed();
                Plain::Fork { feed, cuts: Cuts::from([(feed, proof.last.clone())]) }
            }
        })
    }

    fn find(&self, id: Cid, named: &CredentialId, before: usize) -> Option<Key> {
        let key = (named.entry.unwrap_or(id), named.number as usize);
        let there = match named.entry {
            None => key.1 < before,
            Some(entry) => self.past[&id].contains(&entry),
        };
        (there && self.plain.contains_key(&key)).then_some(key)
    }

    /// Whether a stint may be rested on here: not lost nor ended in the past, nor before in the body.
    fn may_rest(&self, id: Cid, number: usize, stint: Key, effective: &BTreeSet<Key>) -> bool {
        let here = (0..number).map(|number| (id, number));
        let ended_here = here.into_iter().any(|act| self.ends(act, stint));
        let past = stint.0 == id || (self.counts(stint, effective) && self.is_open(stint, effective));
        past && !ended_here
    }

    fn standing(&self, id: Cid, under: Key, effective: &BTreeSet<Key>) -> Option<()> {
        let (device, member) = self.author(under);
        let rests = [under, device, member].into_iter().all(|key| self.may_rest(id, 0, key, effective));
        let forked = effective
            .iter()
            .any(|act| self.closes(*act, under) && matches!(self.plain[act], Plain::Fork { .. }));
        let back = device.0 == id && self.was_removed(device, effective);
        (rests && !forked && !back).then_some(())
    }

    fn was_removed(&self, device: Key, effective: &BTreeSet<Key>) -> bool {
        let Plain::Device { who, device, .. } = &self.plain[&device] else { return false };
        let subject = Subject::Device { member: *who, device: *device };
        effective
            .iter()
            .any(|act| matches!(&self.plain[act], Plain::Removal { whose, .. } if *whose == subject))
    }

    fn permitted(&self, id: Cid, number: usize, under: Key, effective: &BTreeSet<Key>) -> Option<()> {
        let (_, member) = self.author(under);
        let Plain::Member { who: me, role, .. } = &self.plain[&member] else { return None };
        let admin = *role == Role::Admin;
        let recovers = |who: &PublicKey| {
            self.plain.iter().any(|(key, plain)| {
                matches!(plain, Plain::Member { who: w, how: How::Recovery, .. } if w == who)
                    && self.past[&id].contains(&key.0)
            })
        };
        let before = |key: &Key| if key.0 == id { key.1 < number } else { self.past[&id].contains(&key.0) };
        let knows =
            |fits: &dyn Fn(&Plain) -> bool| self.plain.iter().any(|(key, plain)| before(key) && fits(plain));
        let is_member =
            |who: &PublicKey| knows(&|plain| matches!(plain, Plain::Member { who: w, .. } if w == who));
        let may = match &self.plain[&(id, number)] {
            Plain::Invitation { .. } | Plain::Revocation { .. } => admin,
            Plain::Member { who, how: How::Word, .. } => admin && !recovers(who),
            Plain::Member { who, how: How::Change(_), .. } => admin && !recovers(who) && is_member(who),
            Plain::Member { who, role, how: How::Invitation(invitation) } => {
                let Plain::Invitation { role: most } = &self.plain[invitation] else { return None };
                let of =
                    |plain: &Plain| matches!(plain, Plain::Revocation { invitation: i } if i == invitation);
                let revokes = |key: &Key| of(&self.plain[key]);
                let revoked =
                    effective.iter().any(revokes) || (0..number).any(|number| revokes(&(id, number)));
                let counts = invitation.0 == id || self.counts(*invitation, effective);
                admin && !recovers(who) && role <= most && counts && !revoked
            }
            Plain::Member { how: How::Recovery, .. } => false,
            Plain::Device { stint, who, .. } => {
                let recovers = matches!(&self.plain[&member], Plain::Member { how: How::Recovery, .. });
                let by_another = recovers || (me == who && under.0 != id);
                let back = self.was_removed((id, number), effective);
                (admin || me == who) && self.may_rest(id, number, *stint, effective) && (by_another || !back)
            }
            Plain::Feed { stint, who, feed, kind, .. } => {
                let Plain::Device { stint: of, .. } = &self.plain[stint] else { return None };
                let Plain::Member { role, how, .. } = &self.plain[of] else { return None };
                let writes = *role >= Role::Writer && !matches!(how, How::Recovery);
                let rests = [stint, of].into_iter().all(|key| self.may_rest(id, number, *key, effective));
                let known = knows(&|plain| matches!(plain, Plain::Feed { feed: f, .. } if f == feed));
                (admin || me == who) && rests && !known && (*kind == EntryKind::Control || writes)
            }
            Plain::Removal { whose: Subject::Member(who), .. } => {
                (admin || me == who) && !recovers(who) && is_member(who)
            }
            Plain::Removal { whose: Subject::Device { member, device }, .. } => {
                let known = knows(
                    &|it| matches!(it, Plain::Device { who, device: d, .. } if who == member && d == device),
                );
                (me == member || (admin && !recovers(member))) && known
            }
            Plain::Fork { feed, .. } => self.plain.iter().any(|(key, plain)| {
                key.0 != id && before(key) && matches!(plain, Plain::Feed { feed: f, .. } if f == feed)
            }),
        };
        may.then_some(())
    }
}
