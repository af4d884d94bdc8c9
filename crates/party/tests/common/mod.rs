//! A small world: a party, five identities with a device and feeds each, and control histories over them.
//!
//! A person has as many pairs of feeds as stints, told apart by a *round*. A [`Step`] is a wish for one more entry;
//! what can't be had of it is left out, so that any list of steps makes a history, and a shorter list a shorter one.

#![allow(dead_code, reason = "each test uses a part")]

pub(crate) mod reading;
pub(crate) mod world;

use std::collections::BTreeSet;
use std::fmt;

use motet_fact::{Cid, PublicKey, SecretKey, Signature};
use motet_feed::{Draft, Entry, EntryKind, PartRef, Tag};
use motet_party::{
    ControlBody, Credential, CredentialId, Cuts, ForkProof, Founding, Genesis, InvitationId, Role, Subject,
    certify_device, certify_feed, encode_body,
};
use proptest::prelude::*;
use proptest::sample::Index;

pub(crate) const PEOPLE: usize = 5;
/// Who holds the recovery: a person like the others, who is no member.
pub(crate) const RECOVERY: usize = 5;
const ROUNDS: usize = 6;
const INVITATIONS: u8 = 2;

fn secret(kind: u8, person: usize, round: usize) -> SecretKey {
    let mut seed = [kind; 32];
    (seed[1], seed[2]) = (person as u8, round as u8);
    SecretKey::from_bytes(seed)
}

pub(crate) fn party_key() -> SecretKey {
    secret(1, 0, 0)
}
pub(crate) fn party() -> PublicKey {
    party_key().public()
}
pub(crate) fn identity_key(person: usize) -> SecretKey {
    secret(2, person, 0)
}
pub(crate) fn identity(person: usize) -> PublicKey {
    identity_key(person).public()
}
pub(crate) fn device_key(person: usize) -> SecretKey {
    secret(3, person, 0)
}
pub(crate) fn device(person: usize) -> PublicKey {
    device_key(person).public()
}
pub(crate) fn control_key_in(person: usize, round: usize) -> SecretKey {
    secret(4, person, round)
}
pub(crate) fn control_key(person: usize) -> SecretKey {
    control_key_in(person, 0)
}
pub(crate) fn data_key_in(person: usize, round: usize) -> SecretKey {
    secret(5, person, round)
}
pub(crate) fn data_key(person: usize) -> SecretKey {
    data_key_in(person, 0)
}
pub(crate) fn invitation(number: u8) -> InvitationId {
    InvitationId([number; 16])
}

/// An entry and, if it is a control entry, what it says.
#[derive(Clone)]
pub(crate) struct Said {
    pub(crate) entry: Entry,
    pub(crate) body: ControlBody,
}

impl Said {
    pub(crate) fn id(&self) -> Cid {
        self.entry.id()
    }

    pub(crate) fn feed(&self) -> PublicKey {
        self.entry.header().feed
    }

    pub(crate) fn is_control(&self) -> bool {
        self.entry.header().kind == EntryKind::Control
    }

    /// The name of one of its credentials.
    pub(crate) fn named(&self, number: u32) -> CredentialId {
        CredentialId::of(self.id(), number)
    }
}

/// Short, for whoever looks for what went wrong.
impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = self.entry.header();
        let causes: Vec<String> = header.causes.iter().map(short).collect();
        write!(f, "{} by {} after {causes:?}", short(&self.id()), label(&header.feed))?;
        write!(f, " under {}:", self.body.under.map_or("nothing".to_owned(), |named| name(&named)))?;
        self.body.credentials.iter().try_for_each(|it| write!(f, " {}", told(it)))
    }
}

fn short(id: &Cid) -> String {
    id.to_string()[53..].to_owned()
}

fn name(named: &CredentialId) -> String {
    format!("{}#{}", named.entry.as_ref().map_or("here".to_owned(), short), named.number)
}

fn label(key: &PublicKey) -> String {
    let people = 0..=RECOVERY;
    let rounds = || people.clone().flat_map(|person| (0..ROUNDS).map(move |round| (person, round)));
    let known = people.clone().map(|person| (identity(person), format!("p{person}")));
    let known = known.chain(people.clone().map(|person| (device(person), format!("d{person}"))));
    let known = known.chain(rounds().map(|(p, r)| (control_key_in(p, r).public(), format!("c{p}.{r}"))));
    let mut known = known.chain(rounds().map(|(p, r)| (data_key_in(p, r).public(), format!("w{p}.{r}"))));
    known.find(|(known, _)| known == key).map_or(key.short(), |(_, label)| label)
}

fn told(credential: &Credential) -> String {
    let cuts = |cuts: &Cuts| {
        let cut = cuts.iter().map(|(feed, last)| {
            format!("{}:{}", label(feed), last.iter().map(short).collect::<Vec<_>>().join("+"))
        });
        cut.collect::<Vec<_>>().join(",")
    };
    match credential {
        Credential::Genesis(_) => "Genesis".to_owned(),
        Credential::Member { member, role, invitation, .. } => {
            let by = invitation.as_ref().map(|named| format!(" by {}", name(named)));
            format!("Member({} {role}{})", label(member), by.unwrap_or_default())
        }
        Credential::Device { under, device, .. } => format!("Device({} in {})", label(device), name(under)),
        Credential::Feed { under, feed, .. } => format!("Feed({} in {})", label(feed), name(under)),
        Credential::Invitation { id, role, .. } => format!("Invitation({} {role})", id.0[0]),
        Credential::PersonalInvitation { id, role, invitee, .. } => {
            format!("PersonalInvitation({} {role} for {})", id.0[0], label(invitee))
        }
        Credential::Removal { subject: Subject::Member(who), cuts: c } => {
            format!("Removal({} cut {})", label(who), cuts(c))
        }
        Credential::Removal { subject: Subject::Device { member, device }, cuts: c } => {
            format!("Removal({} of {} cut {})", label(device), label(member), cuts(c))
        }
        Credential::RoleChange { member, role, cuts: c, .. } => {
            format!("RoleChange({} {role} cut {})", label(member), cuts(c))
        }
        Credential::Revocation { invitation } => format!("Revocation({})", name(invitation)),
        Credential::ForkProof(proof) => {
            let last = Cuts::from([(proof.feed(), proof.last.clone())]);
            format!("ForkProof({} cut {})", label(&proof.feed()), cuts(&last))
        }
    }
}

pub(crate) fn body(under: Option<CredentialId>, credentials: Vec<Credential>) -> ControlBody {
    ControlBody { written_at: 0, under, credentials }
}

/// Signs an entry of a feed; its depth, and its seq from the cause that is of the same feed.
pub(crate) fn say(key: &SecretKey, kind: EntryKind, causes: &[&Said], mut body: ControlBody) -> Said {
    let headers = || causes.iter().map(|cause| cause.entry.header());
    let backlink = headers().find(|header| header.feed == key.public());
    let ids: BTreeSet<Cid> = causes.iter().map(|cause| cause.id()).collect();
    body.written_at = causes.len() as i64;
    let draft = Draft {
        party: party(),
        feed: key.public(),
        seq: backlink.map_or(0, |backlink| backlink.seq + 1),
        kind,
        causes: ids.into_iter().collect(),
        depth: 1 + headers().map(|header| header.depth).max().unwrap_or(0),
        parts: vec![PartRef::to(Tag::default(), &encode_body(&body))],
        key_name: Vec::new(),
    };
    Said { entry: Entry::sign(draft, key), body }
}

pub(crate) fn genesis_of(founder: usize) -> Credential {
    let (control_feed, data_feed) = (control_key(founder), data_key(founder));
    Credential::Genesis(Box::new(Genesis::sign(&Founding {
        party: &party_key(),
        founder: identity(founder),
        device: &device_key(founder),
        device_certificate: certify_device(&identity_key(founder), &device(founder)),
        control_feed: &control_feed,
        data_feed: &data_feed,
        recovery: identity(RECOVERY),
        name: "Ada",
        party_name: "choir",
    })))
}

pub(crate) fn found() -> Said {
    say(&control_key(0), EntryKind::Control, &[], body(None, vec![genesis_of(0)]))
}

pub(crate) fn member(person: usize, role: Role, invitation: Option<CredentialId>) -> Credential {
    Credential::Member { member: identity(person), role, name: format!("person {person}"), invitation }
}

pub(crate) fn has_device(under: CredentialId, person: usize, device: PublicKey) -> Credential {
    let certificate = certify_device(&identity_key(person), &device);
    Credential::Device { under, member: identity(person), device, certificate }
}

pub(crate) fn has_feed_in(under: CredentialId, person: usize, kind: EntryKind, round: usize) -> Credential {
    let key = match kind {
        EntryKind::Control => control_key_in(person, round),
        EntryKind::Data => data_key_in(person, round),
    };
    let (member, device) = (identity(person), device(person));
    let certificate = certify_feed(&key, &device_key(person), &party(), &member, kind);
    Credential::Feed { under, member, device, feed: key.public(), kind, certificate }
}

pub(crate) fn has_feed(under: CredentialId, person: usize, kind: EntryKind) -> Credential {
    has_feed_in(under, person, kind, 0)
}

/// All that makes a person able to write, as the first credentials of a body.
pub(crate) fn admission_in(
    person: usize,
    role: Role,
    invitation: Option<CredentialId>,
    round: usize,
) -> Vec<Credential> {
    let mut body = vec![
        member(person, role, invitation),
        has_device(CredentialId::here(0), person, device(person)),
        has_feed_in(CredentialId::here(1), person, EntryKind::Control, round),
    ];
    if role >= Role::Writer {
        body.push(has_feed_in(CredentialId::here(1), person, EntryKind::Data, round));
    }
    body
}

pub(crate) fn admission(person: usize, role: Role, invitation: Option<CredentialId>) -> Vec<Credential> {
    admission_in(person, role, invitation, 0)
}

pub(crate) fn invites(number: u8, role: Role) -> Credential {
    Credential::Invitation { id: invitation(number), role, expires: 0 }
}

pub(crate) fn removal(person: usize, cuts: Cuts) -> Credential {
    Credential::Removal { subject: Subject::Member(identity(person)), cuts }
}

pub(crate) fn forged() -> Signature {
    Signature::from_bytes(&[7; 64]).unwrap_or_else(|_| unreachable!("64 bytes"))
}

/// What an entry cites besides the one before it on its feed.
#[derive(Clone, Debug)]
pub(crate) enum Sight {
    /// Nothing more than it must.
    Blind,
    /// All heads.
    All,
    /// Some.
    Some(Vec<Index>),
}

/// Up to where a removal lets feeds count.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// The heads that its author knows.
    Heads,
    /// Nothing counts.
    Nothing,
    /// An entry of each feed.
    Somewhere(Index),
}

/// A wish for one more entry.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) author: usize,
    pub(crate) act: Act,
    pub(crate) sight: Sight,
    pub(crate) fork: Option<Index>,
    /// Of the feeds that the author has: one of them, and not the last.
    pub(crate) feed: Option<Index>,
}

#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Admits wholly, with new feeds.
    Admit {
        person: usize,
        role: Role,
        invitation: Option<u8>,
    },
    /// Admits with the feeds of an earlier stint: a mistake.
    AdmitAgain {
        person: usize,
        role: Role,
    },
    Invite {
        number: u8,
        role: Role,
    },
    Revoke {
        number: u8,
    },
    Remove {
        person: usize,
        cut: Cut,
    },
    RemoveDevice {
        person: usize,
        cut: Cut,
    },
    ChangeRole {
        person: usize,
        role: Role,
        cut: Cut,
    },
    /// Shows a fork of somebody's feed.
    ProveFork {
        person: usize,
        data: bool,
        cut: Cut,
    },
    /// Begins new feeds by itself, under the last stint it has.
    Return {
        with_device: bool,
    },
    /// Gives a device of its own a new stint.
    Device {
        person: usize,
        device: usize,
    },
    Feed {
        person: usize,
        data: bool,
    },
    Forge,
    /// Founds the party (again).
    Found,
    /// A data entry, on the data feed or (a lie) the control feed.
    Write {
        on_control: bool,
    },
    /// Acts under a credential that it has not.
    Pretend {
        person: usize,
    },
}

fn roles() -> impl Strategy<Value = Role> {
    prop_oneof![3 => Just(Role::Admin), 1 => Just(Role::Writer), 1 => Just(Role::Reader)]
}

fn cuts() -> impl Strategy<Value = Cut> {
    prop_oneof![3 => Just(Cut::Heads), 1 => Just(Cut::Nothing), 2 => any::<Index>().prop_map(Cut::Somewhere)]
}

fn acts() -> impl Strategy<Value = Act> {
    let invited = prop::option::weighted(0.6, 0..INVITATIONS);
    let removal = || (0..PEOPLE, cuts());
    prop_oneof![
        8 => (1..PEOPLE, roles(), invited)
            .prop_map(|(person, role, invitation)| Act::Admit { person, role, invitation }),
        1 => (1..PEOPLE, roles()).prop_map(|(person, role)| Act::AdmitAgain { person, role }),
        2 => (0..INVITATIONS, roles()).prop_map(|(number, role)| Act::Invite { number, role }),
        2 => (0..INVITATIONS).prop_map(|number| Act::Revoke { number }),
        10 => removal().prop_map(|(person, cut)| Act::Remove { person, cut }),
        4 => removal().prop_map(|(person, cut)| Act::RemoveDevice { person, cut }),
        4 => (removal(), roles()).prop_map(|((person, cut), role)| Act::ChangeRole { person, role, cut }),
        4 => (removal(), any::<bool>()).prop_map(|((person, cut), data)| Act::ProveFork { person, data, cut }),
        4 => any::<bool>().prop_map(|with_device| Act::Return { with_device }),
        2 => (0..PEOPLE, 0..PEOPLE).prop_map(|(person, device)| Act::Device { person, device }),
        2 => (0..PEOPLE, any::<bool>()).prop_map(|(person, data)| Act::Feed { person, data }),
        1 => Just(Act::Forge),
        1 => Just(Act::Found),
        4 => prop::bool::weighted(0.1).prop_map(|on_control| Act::Write { on_control }),
        1 => (0..PEOPLE).prop_map(|person| Act::Pretend { person }),
    ]
}

pub(crate) fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let fork = prop::option::weighted(0.12, any::<Index>());
    let sight = prop_oneof![
        2 => Just(Sight::Blind),
        3 => Just(Sight::All),
        3 => prop::collection::vec(any::<Index>(), 1..4).prop_map(Sight::Some),
    ];
    let author = prop_oneof![6 => 0..3_usize, 2 => 0..PEOPLE, 1 => Just(RECOVERY)];
    let feed = prop::option::weighted(0.15, any::<Index>());
    let step = (author, acts(), sight, fork, feed);
    let step = step.prop_map(|(author, act, sight, fork, feed)| Step { author, act, sight, fork, feed });
    prop::collection::vec(prop_oneof![4 => step, 1 => races()], 1..most)
}

/// One of the admins redeems an invitation without looking.
fn races() -> impl Strategy<Value = Step> {
    (0..3_usize, 3..PEOPLE, roles(), 0..INVITATIONS).prop_map(|(author, person, role, number)| {
        let act = Act::Admit { person, role, invitation: Some(number) };
        Step { author, act, sight: Sight::Blind, fork: None, feed: None }
    })
}

/// Three admins and two open invitations.
pub(crate) fn beginning() -> Vec<Said> {
    let genesis = found();
    let own = Some(genesis.named(2));
    let first = |causes: &[&Said], body: ControlBody| say(&control_key(0), EntryKind::Control, causes, body);
    let open = first(&[&genesis], body(own, vec![invites(0, Role::Admin), invites(1, Role::Writer)]));
    let second = first(&[&open], body(own, admission(1, Role::Admin, None)));
    let third = first(&[&second], body(own, admission(2, Role::Admin, None)));
    let enter = |person, admitted: &Said| {
        let body = body(Some(admitted.named(2)), Vec::new());
        say(&control_key(person), EntryKind::Control, &[admitted, &third], body)
    };
    let enters = [enter(1, &second), enter(2, &third)];
    [vec![genesis, open, second, third], enters.to_vec()].concat()
}

/// A history that begins with three admins and goes on as wished.
pub(crate) fn history(steps: &[Step]) -> Vec<Said> {
    let mut all = beginning();
    for step in steps {
        let next = Scribe { all: &all }.follow(step);
        if all.iter().all(|said| said.id() != next.id()) {
            all.push(next);
        }
    }
    all
}

/// Makes an entry of a wish, by what was said before.
pub(crate) struct Scribe<'a> {
    pub(crate) all: &'a [Said],
}

impl<'a> Scribe<'a> {
    pub(crate) fn follow(&self, step: &Step) -> Said {
        let person = step.author;
        match &step.act {
            Act::Return { with_device } => self.begin_feeds(step, *with_device || person == RECOVERY),
            Act::Found => {
                say(&control_key(person), EntryKind::Control, &[], body(None, vec![genesis_of(person)]))
            }
            Act::Write { on_control } => {
                let keys = if *on_control { control_key_in } else { data_key_in };
                let (key, admitted) = self.feed_of(step, keys);
                let causes = self.causes(step, &key, EntryKind::Data, admitted.map(|(said, _)| said));
                say(&key, EntryKind::Data, &causes, body(None, Vec::new()))
            }
            act => {
                let (key, admitted) = self.feed_of(step, control_key_in);
                let causes = self.causes(step, &key, EntryKind::Control, admitted.map(|(said, _)| said));
                let under = match act {
                    Act::Pretend { person } => {
                        self.admissions(&control_key(*person).public()).last().map(|(_, named)| *named)
                    }
                    _ => admitted.map(|(_, named)| named),
                };
                let credentials = self.credentials(step, &causes);
                say(&key, EntryKind::Control, &causes, body(under, credentials))
            }
        }
    }

    /// The feed that the author writes to, and what admits it.
    fn feed_of(
        &self,
        step: &Step,
        keys: fn(usize, usize) -> SecretKey,
    ) -> (SecretKey, Option<(&'a Said, CredentialId)>) {
        let mut known: Vec<(usize, (&Said, CredentialId))> = (0..ROUNDS)
            .flat_map(|round| {
                let admissions = self.admissions(&keys(step.author, round).public());
                admissions.into_iter().map(move |admitted| (round, admitted))
            })
            .collect();
        if let Some(at) = &step.feed
            && !known.is_empty()
        {
            known.truncate(1 + at.index(known.len()));
        }
        match known.last() {
            Some((round, admitted)) => (keys(step.author, *round), Some(*admitted)),
            None => (keys(step.author, 0), None),
        }
    }

    /// The credentials that admit a feed, in the order they were said.
    fn admissions(&self, wanted: &PublicKey) -> Vec<(&'a Said, CredentialId)> {
        let fits = |it: &Credential| matches!(it, Credential::Feed { feed, .. } if feed == wanted);
        let said = self.statements(fits).into_iter();
        said.chain(self.all.iter().filter_map(|said| match said.body.credentials.as_slice() {
            [Credential::Genesis(genesis)] if genesis.control_feed == *wanted => Some((said, said.named(2))),
            [Credential::Genesis(genesis)] if genesis.data_feed == *wanted => Some((said, said.named(3))),
            _ => None,
        }))
        .collect()
    }

    fn statements(&self, fits: impl Fn(&Credential) -> bool) -> Vec<(&'a Said, CredentialId)> {
        let named = |said: &'a Said| {
            let credentials = said.body.credentials.iter().zip(0..).filter(|(it, _)| fits(it));
            credentials.map(|(_, number)| (said, said.named(number))).collect::<Vec<_>>()
        };
        self.all.iter().flat_map(named).collect()
    }

    fn stint_of(&self, person: usize) -> Option<(&'a Said, CredentialId)> {
        let wanted = identity(person);
        let founded = self.all.iter().filter_map(|said| match said.body.credentials.as_slice() {
            [Credential::Genesis(genesis)] if genesis.founder == wanted => Some((said, said.named(0))),
            [Credential::Genesis(genesis)] if genesis.recovery == wanted => Some((said, said.named(4))),
            _ => None,
        });
        let stints = self.statements(|credential| {
            matches!(credential, Credential::Member { member, .. } | Credential::RoleChange { member, .. } if *member == wanted)
        });
        founded.chain(stints).last()
    }

    fn device_of(&self, person: usize) -> Option<(&'a Said, CredentialId)> {
        let wanted = device(person);
        let founded = self.all.iter().filter_map(|said| match said.body.credentials.as_slice() {
            [Credential::Genesis(genesis)] if genesis.device == wanted => Some((said, said.named(1))),
            _ => None,
        });
        let devices = self.statements(
            |credential| matches!(credential, Credential::Device { device, .. } if *device == wanted),
        );
        founded.chain(devices).last()
    }

    /// A round of feeds that nobody has heard of.
    fn new_round(&self, person: usize) -> usize {
        let is_new = |round: &usize| self.admissions(&control_key_in(person, *round).public()).is_empty();
        (0..ROUNDS).find(is_new).unwrap_or(ROUNDS - 1)
    }

    fn begin_feeds(&self, step: &Step, with_device: bool) -> Said {
        let person = step.author;
        let round = self.new_round(person);
        let rests = if with_device { self.stint_of(person) } else { self.device_of(person) };
        let genesis = (&self.all[0], self.all[0].named(1));
        let (said, named) = rests.unwrap_or(genesis);
        let mut credentials = Vec::new();
        let stint = if with_device {
            credentials.push(has_device(named, person, device(person)));
            CredentialId::here(0)
        } else {
            named
        };
        let under = CredentialId::here(credentials.len() as u32);
        credentials.push(has_feed_in(stint, person, EntryKind::Control, round));
        credentials.push(has_feed_in(stint, person, EntryKind::Data, round));
        if person == RECOVERY {
            credentials.pop();
        }
        let key = control_key_in(person, round);
        let causes = self.causes(step, &key, EntryKind::Control, Some(said));
        say(&key, EntryKind::Control, &causes, body(Some(under), credentials))
    }

    fn causes(
        &self,
        step: &Step,
        key: &SecretKey,
        kind: EntryKind,
        admitted: Option<&'a Said>,
    ) -> Vec<&'a Said> {
        let feed = key.public();
        // A feed keeps its kind on a branch: the graph sees to that before anybody asks this crate.
        let own: Vec<&Said> =
            self.all.iter().filter(|said| said.feed() == feed && said.entry.header().kind == kind).collect();
        let backlink = match &step.fork {
            Some(_) if own.is_empty() => None,
            Some(at) => own.get(at.index(own.len() + 1)).copied(),
            None => own.last().copied(),
        };
        let may_cite = |said: &&Said| said.feed() != feed && (kind == EntryKind::Data || said.is_control());
        let others: Vec<&Said> = match &step.sight {
            Sight::Blind => Vec::new(),
            Sight::Some(chosen) => chosen.iter().map(|at| at.get(self.all)).collect(),
            Sight::All => {
                let cited: BTreeSet<Cid> =
                    self.all.iter().flat_map(|said| said.entry.header().causes.clone()).collect();
                self.all.iter().filter(|said| !cited.contains(&said.id())).collect()
            }
        };
        let mut causes: Vec<&Said> = others.into_iter().filter(may_cite).chain(backlink).collect();
        if backlink.is_none() {
            causes.extend(admitted.filter(|said| said.feed() != feed));
        }
        causes
    }

    /// The entries in the past of some.
    fn past(&self, causes: &[&'a Said]) -> Vec<&'a Said> {
        let mut seen: BTreeSet<Cid> = BTreeSet::new();
        let mut stack: Vec<Cid> = causes.iter().map(|said| said.id()).collect();
        while let Some(id) = stack.pop() {
            if seen.insert(id) {
                let said =
                    self.all.iter().find(|said| said.id() == id).unwrap_or_else(|| unreachable!("cited"));
                stack.extend(&said.entry.header().causes);
            }
        }
        self.all.iter().filter(|said| seen.contains(&said.id())).collect()
    }

    fn cuts(&self, person: usize, cut: Cut, causes: &[&'a Said]) -> Cuts {
        let feeds = (0..ROUNDS).flat_map(|round| [control_key_in(person, round), data_key_in(person, round)]);
        let feeds = feeds.map(|key| key.public());
        feeds.map(|feed| (feed, self.cut(&feed, cut, causes))).filter(|(_, last)| !last.is_empty()).collect()
    }

    fn cut(&self, feed: &PublicKey, cut: Cut, causes: &[&'a Said]) -> BTreeSet<Cid> {
        // A control entry does not cite data, but its author may know of it.
        let known = match cut {
            Cut::Heads => self.past(causes),
            _ => self.all.iter().collect(),
        };
        let data = self.all.iter().filter(|said| !said.is_control());
        let own: Vec<&Said> = known.into_iter().chain(data).filter(|said| said.feed() == *feed).collect();
        let cited: BTreeSet<Cid> = own.iter().flat_map(|said| said.entry.header().causes.clone()).collect();
        match cut {
            Cut::Nothing => BTreeSet::new(),
            Cut::Heads => own.iter().map(|said| said.id()).filter(|id| !cited.contains(id)).collect(),
            Cut::Somewhere(at) if !own.is_empty() => BTreeSet::from([at.get(&own).id()]),
            Cut::Somewhere(_) => BTreeSet::new(),
        }
    }

    fn credentials(&self, step: &Step, causes: &[&'a Said]) -> Vec<Credential> {
        let issued = |number: u8| {
            let named = self.statements(
                |it| matches!(it, Credential::Invitation { id, .. } if *id == invitation(number)),
            );
            named.last().map(|(_, named)| *named)
        };
        match &step.act {
            Act::Admit { person, role, invitation } => {
                admission_in(*person, *role, invitation.and_then(issued), self.new_round(*person))
            }
            Act::AdmitAgain { person, role } => admission(*person, *role, None),
            Act::Invite { number, role } => vec![invites(*number, *role)],
            Act::Revoke { number } => {
                issued(*number).map(|invitation| Credential::Revocation { invitation }).into_iter().collect()
            }
            Act::Remove { person, cut } => vec![removal(*person, self.cuts(*person, *cut, causes))],
            Act::RemoveDevice { person, cut } => vec![Credential::Removal {
                subject: Subject::Device { member: identity(*person), device: device(*person) },
                cuts: self.cuts(*person, *cut, causes),
            }],
            Act::ChangeRole { person, role, cut } => vec![Credential::RoleChange {
                member: identity(*person),
                role: *role,
                name: format!("person {person}"),
                cuts: self.cuts(*person, *cut, causes),
            }],
            Act::ProveFork { person, data, cut } => self.fork_of(*person, *data, *cut, causes),
            Act::Device { person, device: other } => {
                let stint = self.stint_of(*person).map(|(_, named)| named);
                stint.map(|stint| has_device(stint, *person, device(*other))).into_iter().collect()
            }
            Act::Feed { person, data } => {
                let kind = if *data { EntryKind::Data } else { EntryKind::Control };
                let (stint, round) = (self.device_of(*person), self.new_round(*person));
                stint.map(|(_, named)| has_feed_in(named, *person, kind, round)).into_iter().collect()
            }
            Act::Forge => {
                let stint = self.stint_of(step.author).map(|(_, named)| named);
                let forge = |under| Credential::Device {
                    under,
                    member: identity(step.author),
                    device: device(step.author),
                    certificate: forged(),
                };
                stint.map(forge).into_iter().collect()
            }
            Act::Pretend { .. } | Act::Return { .. } | Act::Found | Act::Write { .. } => Vec::new(),
        }
    }

    /// A fork of one of a person's feeds, if there is one.
    fn fork_of(&self, person: usize, data: bool, cut: Cut, causes: &[&'a Said]) -> Vec<Credential> {
        let keys = if data { data_key_in } else { control_key_in };
        for feed in (0..ROUNDS).map(|round| keys(person, round).public()) {
            let own: Vec<&Said> = self.all.iter().filter(|said| said.feed() == feed).collect();
            for (at, one) in own.iter().enumerate() {
                let seq = one.entry.header().seq;
                if let Some(other) = own[at + 1..].iter().find(|other| other.entry.header().seq == seq) {
                    let last = self.cut(&feed, cut, causes);
                    let proof = ForkProof::of(one.entry.clone(), other.entry.clone(), last);
                    return vec![Credential::ForkProof(Box::new(proof))];
                }
            }
        }
        Vec::new()
    }
}

pub(crate) fn orders(length: usize) -> impl Strategy<Value = Vec<usize>> {
    Just((0..length).collect::<Vec<_>>()).prop_shuffle()
}

/// In the order wished for, as far as causes come first.
pub(crate) fn causal(all: &[Said], order: &[usize]) -> Vec<Said> {
    let (mut there, mut arrivals): (BTreeSet<Cid>, Vec<Said>) = (BTreeSet::new(), Vec::new());
    while arrivals.len() < all.len() {
        let ready = |said: &&Said| {
            !there.contains(&said.id())
                && said.entry.header().causes.iter().all(|cause| there.contains(cause))
        };
        let next = order.iter().map(|&number| &all[number]).find(ready).expect("no cycles").clone();
        there.insert(next.id());
        arrivals.push(next);
    }
    arrivals
}

/// How many cases a test tells: `MOTET_CASES`, or a few.
pub(crate) fn cases(few: u32) -> ProptestConfig {
    let cases = std::env::var("MOTET_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(few);
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}
