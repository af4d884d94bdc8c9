//! A small world: a party, four identities with a device and feeds each, and random control histories over them.

#![allow(dead_code, reason = "each test uses a part")]

use std::collections::BTreeSet;

use motet_fact::{Cid, PublicKey, SecretKey, Signature};
use motet_feed::{Draft, Entry, EntryKind, PartRef, Tag};
use motet_party::{
    Credential, Founding, Genesis, InvitationId, Role, certify_device, certify_feed, encode_body,
};
use proptest::prelude::*;
use proptest::sample::Index;

pub(crate) const PEOPLE: usize = 4;
const INVITATIONS: u8 = 2;

fn secret(kind: u8, number: usize) -> SecretKey {
    SecretKey::from_bytes([kind * 16 + number as u8; 32])
}

pub(crate) fn party_key() -> SecretKey {
    secret(1, 0)
}
pub(crate) fn party() -> PublicKey {
    party_key().public()
}
pub(crate) fn identity_key(person: usize) -> SecretKey {
    secret(2, person)
}
pub(crate) fn identity(person: usize) -> PublicKey {
    identity_key(person).public()
}
pub(crate) fn device_key(person: usize) -> SecretKey {
    secret(3, person)
}
pub(crate) fn device(person: usize) -> PublicKey {
    device_key(person).public()
}
pub(crate) fn control_key(person: usize) -> SecretKey {
    secret(4, person)
}
pub(crate) fn data_key(person: usize) -> SecretKey {
    secret(5, person)
}
pub(crate) fn invitation(number: u8) -> InvitationId {
    InvitationId([number; 16])
}

/// An entry and, if it is a control entry, what it says.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) entry: Entry,
    pub(crate) body: Vec<Credential>,
}

impl Said {
    pub(crate) fn id(&self) -> Cid {
        self.entry.id()
    }
}

/// Signs an entry of a feed; its depth, and its seq from the cause that is of the same feed.
pub(crate) fn say(key: &SecretKey, kind: EntryKind, causes: &[&Said], body: Vec<Credential>) -> Said {
    let headers = || causes.iter().map(|cause| cause.entry.header());
    let backlink = headers().find(|header| header.feed == key.public());
    let ids: BTreeSet<Cid> = causes.iter().map(|cause| cause.id()).collect();
    let draft = Draft {
        party: party(),
        feed: key.public(),
        seq: backlink.map_or(0, |backlink| backlink.seq + 1),
        kind,
        causes: ids.into_iter().collect(),
        depth: 1 + headers().map(|header| header.depth).max().unwrap_or(0),
        parts: vec![PartRef::to(Tag::default(), &encode_body(causes.len() as i64, &body))],
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
        name: "Ada",
        party_name: "choir",
    })))
}

pub(crate) fn found() -> Said {
    say(&control_key(0), EntryKind::Control, &[], vec![genesis_of(0)])
}

pub(crate) fn member(person: usize, role: Role, invitation: Option<InvitationId>) -> Credential {
    Credential::Member { member: identity(person), role, name: format!("person {person}"), invitation }
}

pub(crate) fn has_device(person: usize, device: PublicKey) -> Credential {
    let certificate = certify_device(&identity_key(person), &device);
    Credential::Device { member: identity(person), device, certificate }
}

pub(crate) fn has_feed(person: usize, kind: EntryKind) -> Credential {
    let key = if kind == EntryKind::Control { control_key(person) } else { data_key(person) };
    let (member, device) = (identity(person), device(person));
    let certificate = certify_feed(&key, &device_key(person), &party(), &member, kind);
    Credential::Feed { member, device, feed: key.public(), kind, certificate }
}

/// All that makes a person able to write.
pub(crate) fn admission(person: usize, role: Role, invitation: Option<InvitationId>) -> Vec<Credential> {
    let mut body = vec![
        member(person, role, invitation),
        has_device(person, device(person)),
        has_feed(person, EntryKind::Control),
    ];
    if role >= Role::Writer {
        body.push(has_feed(person, EntryKind::Data));
    }
    body
}

pub(crate) fn forged() -> Signature {
    Signature::from_bytes(&[7; 64]).unwrap_or_else(|_| unreachable!("64 bytes"))
}

/// A wish for one more entry; what can't be had of it is left out.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    author: usize,
    act: Act,
    fork: Option<Index>,
    causes: Vec<Index>,
    /// Whether the entry cites all the heads there are: such histories get further.
    informed: bool,
}

#[derive(Clone, Debug)]
enum Act {
    /// Admits wholly.
    Admit { person: usize, role: Role, invitation: Option<u8> },
    /// Some credentials, as they come.
    Say(Vec<Credential>),
    /// Founds the party (again).
    Found,
    /// A data entry, on the data feed or (a lie) the control feed.
    Write { on_control: bool },
}

fn roles() -> impl Strategy<Value = Role> {
    prop_oneof![2 => Just(Role::Admin), 1 => Just(Role::Writer), 1 => Just(Role::Reader)]
}

fn credentials() -> impl Strategy<Value = Credential> {
    let invited = prop::option::weighted(0.5, (0..INVITATIONS).prop_map(invitation));
    prop_oneof![
        3 => (0..INVITATIONS, roles()).prop_map(|(id, role)| Credential::Invitation { id: invitation(id), role, expires: 0 }),
        3 => (1..PEOPLE, roles(), invited).prop_map(|(person, role, invited)| member(person, role, invited)),
        2 => (0..PEOPLE, 0..PEOPLE).prop_map(|(person, other)| has_device(person, device(other))),
        2 => (0..PEOPLE, any::<bool>()).prop_map(|(person, data)| {
            has_feed(person, if data { EntryKind::Data } else { EntryKind::Control })
        }),
        1 => Just(Credential::Device { member: identity(1), device: device(1), certificate: forged() }),
        1 => Just(genesis_of(0)),
    ]
}

fn acts() -> impl Strategy<Value = Act> {
    let invited = prop::option::weighted(0.7, 0..INVITATIONS);
    prop_oneof![
        8 => (1..PEOPLE, roles(), invited)
            .prop_map(|(person, role, invitation)| Act::Admit { person, role, invitation }),
        5 => prop::collection::vec(credentials(), 0..4).prop_map(Act::Say),
        1 => Just(Act::Found),
        3 => any::<bool>().prop_map(|on_control| Act::Write { on_control }),
    ]
}

pub(crate) fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let fork = prop::option::weighted(0.1, any::<Index>());
    let causes = prop::collection::vec(any::<Index>(), 0..3);
    let author = prop_oneof![2 => 0..2_usize, 3 => 0..PEOPLE];
    let step = (author, acts(), fork, causes, prop::bool::weighted(0.35));
    let step =
        step.prop_map(|(author, act, fork, causes, informed)| Step { author, act, fork, causes, informed });
    prop::collection::vec(prop_oneof![3 => step, 2 => races()], 1..most)
}

/// One of the two admins redeems an invitation without looking.
fn races() -> impl Strategy<Value = Step> {
    let role = prop_oneof![3 => Just(Role::Writer), 1 => Just(Role::Admin)];
    (0..2_usize, 2..PEOPLE, role, 0..INVITATIONS).prop_map(|(author, person, role, by)| {
        let act = Act::Admit { person, role, invitation: Some(by) };
        Step { author, act, fork: None, causes: Vec::new(), informed: false }
    })
}

/// A history that starts with a genesis, two open invitations and a second admin, and goes on as wished.
pub(crate) fn history(steps: &[Step]) -> Vec<Said> {
    let genesis = found();
    let open = |id, role| Credential::Invitation { id: invitation(id), role, expires: 0 };
    let invites = vec![open(0, Role::Admin), open(1, Role::Writer)];
    let invites = say(&control_key(0), EntryKind::Control, &[&genesis], invites);
    let second = say(&control_key(0), EntryKind::Control, &[&invites], admission(1, Role::Admin, None));
    let enters = say(&control_key(1), EntryKind::Control, &[&second], Vec::new());
    let mut all = vec![genesis, invites, second, enters];
    for step in steps {
        let next = follow(&all, step);
        if all.iter().all(|said| said.id() != next.id()) {
            all.push(next);
        }
    }
    all
}

fn follow(all: &[Said], step: &Step) -> Said {
    let (key, kind, body) = match &step.act {
        Act::Write { on_control: false } => (data_key(step.author), EntryKind::Data, Vec::new()),
        Act::Write { on_control: true } => (control_key(step.author), EntryKind::Data, Vec::new()),
        Act::Say(body) => (control_key(step.author), EntryKind::Control, body.clone()),
        Act::Found => (control_key(step.author), EntryKind::Control, vec![genesis_of(step.author)]),
        Act::Admit { person, role, invitation: by } => {
            let body = admission(*person, *role, by.map(invitation));
            (control_key(step.author), EntryKind::Control, body)
        }
    };
    let feed = key.public();
    // A feed keeps its kind on a branch: the graph sees to that before anybody asks this crate.
    let own: Vec<&Said> = all
        .iter()
        .filter(|said| said.entry.header().feed == feed && said.entry.header().kind == kind)
        .collect();
    let backlink = match step.fork {
        Some(_) if own.is_empty() => None,
        Some(at) => own.get(at.index(own.len() + 1)).copied(),
        None => own.last().copied(),
    };
    let cited: BTreeSet<Cid> = all.iter().flat_map(|said| said.entry.header().causes.clone()).collect();
    let heads = all.iter().filter(|said| step.informed && !cited.contains(&said.id()));
    let others = heads.chain(step.causes.iter().map(|at| at.get(all)));
    let may_cite =
        |said: &&Said| said.entry.header().feed != feed && (kind == EntryKind::Data || is_control(said));
    let mut causes: Vec<&Said> = others.filter(may_cite).chain(backlink).collect();
    if matches!(step.act, Act::Found) {
        causes.retain(|cause| cause.entry.header().feed == feed);
    }
    if backlink.is_none() {
        causes.extend(admitting(all, &feed));
    }
    say(&key, kind, &causes, body)
}

fn is_control(said: &Said) -> bool {
    said.entry.header().kind == EntryKind::Control
}

/// The last entry that grants the feed, whoever wrote it: a first entry without it has no chance.
fn admitting<'a>(all: &'a [Said], wanted: &PublicKey) -> Option<&'a Said> {
    let grants =
        |credential: &Credential| matches!(credential, Credential::Feed { feed, .. } if feed == wanted);
    let founds = |credential: &Credential| matches!(credential, Credential::Genesis(genesis) if genesis.data_feed == *wanted);
    let admits = |said: &&Said| said.body.iter().any(|credential| grants(credential) || founds(credential));
    all.iter().rev().filter(|said| said.entry.header().feed != *wanted).find(admits)
}

pub(crate) fn orders(length: usize) -> impl Strategy<Value = Vec<usize>> {
    Just((0..length).collect::<Vec<_>>()).prop_shuffle()
}
