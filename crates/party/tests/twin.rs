//! The authority against a plain reading of the rules, which keeps nothing, indexes nothing and starts over each time.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{PEOPLE, Said, control_key, data_key, device, history, identity, orders, party, steps};
use motet_fact::{Cid, PublicKey};
use motet_feed::{EntryKind, Graph, Linkage};
use motet_party::{Authority, Credential, Effect, InvitationId, Role};
use proptest::prelude::*;

/// A statement and the entry that makes it.
type Statement = (Cid, Credential);

/// What the rules say of a set of entries that is closed under causes.
#[derive(Default)]
struct Reading {
    authorised: BTreeSet<Cid>,
    counted: Vec<Statement>,
}

/// A genesis says four things at once.
fn spelled_out(credential: &Credential) -> Vec<Credential> {
    let Credential::Genesis(genesis) = credential else { return vec![credential.clone()] };
    let (member, device) = (genesis.founder, genesis.device);
    let feed = |feed, kind, certificate| Credential::Feed { member, device, feed, kind, certificate };
    vec![
        Credential::Member { member, role: Role::Admin, name: genesis.name.clone(), invitation: None },
        Credential::Device { member, device, certificate: genesis.device_certificate },
        feed(genesis.control_feed, EntryKind::Control, genesis.control_certificate),
        feed(genesis.data_feed, EntryKind::Data, genesis.data_certificate),
    ]
}

/// Whether on some statements (those of the past, and with `own` those before in the body) a feed may say another.
fn may_say(feed: &PublicKey, past: &[Credential], own: &[Credential], credential: &Credential) -> bool {
    let all: Vec<&Credential> = past.iter().chain(own).collect();
    let role_in = |statements: &[&Credential], who: &PublicKey| {
        let role = |statement: &&Credential| match statement {
            Credential::Member { member, role, .. } if member == who => Some(*role),
            _ => None,
        };
        statements.iter().filter_map(role).max()
    };
    let speaks_for = |who: &PublicKey| {
        past.iter().any(|statement| {
            matches!(statement, Credential::Feed { member, feed: f, kind: EntryKind::Control, .. } if f == feed && member == who)
        })
    };
    let past: Vec<&Credential> = past.iter().collect();
    let admin =
        (0..PEOPLE).map(identity).any(|who| speaks_for(&who) && role_in(&past, &who) == Some(Role::Admin));
    match credential {
        Credential::Genesis(_) => false,
        Credential::Invitation { .. }
        | Credential::PersonalInvitation { .. }
        | Credential::Revocation { .. } => admin,
        Credential::Member { invitation: None, .. } => admin,
        Credential::Member { role, invitation: Some(by), .. } => {
            let offers = |statement: &&&Credential| matches!(statement, Credential::Invitation { id, role: most, .. } if id == by && role <= most);
            admin && all.iter().any(|statement| offers(&statement))
        }
        Credential::Device { member, .. } => (admin || speaks_for(member)) && role_in(&all, member).is_some(),
        Credential::Feed { member, device: of, kind, .. } => {
            let known = all.iter().any(|statement| {
                matches!(statement, Credential::Device { member: m, device: d, .. } if m == member && d == of)
            });
            let least = if *kind == EntryKind::Data { Role::Writer } else { Role::Reader };
            (admin || speaks_for(member)) && known && role_in(&all, member) >= Some(least)
        }
    }
}

/// Certificates of the random histories hold unless they are forged.
fn certified(credential: &Credential) -> bool {
    !matches!(credential, Credential::Device { certificate, .. } if *certificate == common::forged())
}

fn founds(said: &Said) -> bool {
    let header = said.entry.header();
    let first = header.seq == 0 && header.causes.is_empty() && header.kind == EntryKind::Control;
    first
        && matches!(said.body.as_slice(), [Credential::Genesis(genesis)] if genesis.control_feed == header.feed)
}

/// The statements of entries in the past of one, by a search that follows causes.
fn past_statements(said: &Said, by_id: &BTreeMap<Cid, &Said>, from: &[Statement]) -> Vec<Credential> {
    let mut past: BTreeSet<Cid> = BTreeSet::new();
    let mut stack = said.entry.header().causes.clone();
    while let Some(id) = stack.pop() {
        if past.insert(id) {
            stack.extend(by_id[&id].entry.header().causes.clone());
        }
    }
    from.iter().filter(|(id, _)| past.contains(id)).map(|(_, statement)| statement.clone()).collect()
}

fn is_authorised(
    said: &Said,
    by_id: &BTreeMap<Cid, &Said>,
    granted: &[Statement],
    reading: &Reading,
) -> bool {
    if founds(said) {
        return true;
    }
    let header = said.entry.header();
    let backlink = header.causes.iter().find(|cause| by_id[*cause].entry.header().feed == header.feed);
    let placed = match backlink {
        Some(backlink) => reading.authorised.contains(backlink),
        None => granted.iter().any(|(id, statement)| {
            let grants = matches!(statement, Credential::Feed { feed, kind, .. } if *feed == header.feed && *kind == header.kind);
            grants && header.causes.contains(id)
        }),
    };
    let past = past_statements(said, by_id, granted);
    let permitted = |number: usize| {
        let (own, credential) = (&said.body[..number], &said.body[number]);
        certified(credential) && may_say(&header.feed, &past, own, credential)
    };
    placed && (0..said.body.len()).all(permitted)
}

fn read(set: &[&Said]) -> Reading {
    let by_id: BTreeMap<Cid, &Said> = set.iter().map(|said| (said.id(), *said)).collect();
    let mut in_order = set.to_vec();
    in_order.sort_by_key(|said| said.entry.position());
    let (mut reading, mut granted) = (Reading::default(), Vec::new());
    for said in &in_order {
        if is_authorised(said, &by_id, &granted, &reading) {
            reading.authorised.insert(said.id());
            let statements = said.body.iter().flat_map(spelled_out);
            granted.extend(statements.map(|statement| (said.id(), statement)));
        }
    }
    let mut used: BTreeSet<InvitationId> = BTreeSet::new();
    for said in in_order.into_iter().filter(|said| reading.authorised.contains(&said.id())) {
        let past = past_statements(said, &by_id, &reading.counted);
        let mut own = Vec::new();
        for credential in said.body.iter().flat_map(spelled_out) {
            let by = match &credential {
                Credential::Member { invitation, .. } => *invitation,
                _ => None,
            };
            let free = by.is_none_or(|by| !used.contains(&by));
            if founds(said) || (free && may_say(&said.entry.header().feed, &past, &own, &credential)) {
                used.extend(by);
                own.push(credential.clone());
                reading.counted.push((said.id(), credential));
            }
        }
    }
    reading
}

/// One arrival after the other, as the facade does it.
struct Replica {
    graph: Graph,
    authority: Authority,
    flips: BTreeSet<PublicKey>,
}

impl Replica {
    fn new() -> Self {
        Replica { graph: Graph::default(), authority: Authority::new(party()), flips: BTreeSet::new() }
    }

    /// Whether it is authorised.
    fn take(&mut self, said: &Said) -> bool {
        assert_eq!(self.graph.linkage(&said.entry), Linkage::Ready);
        assert_eq!(self.graph.check(&said.entry), Ok(()));
        let result = match said.entry.header().kind {
            EntryKind::Control => self.authority.admit(&said.entry, &said.body, &self.graph),
            EntryKind::Data => self.authority.judge(&said.entry, &self.graph).map(|()| Effect::default()),
        };
        self.graph.link(&said.entry, result.is_ok());
        match &result {
            Ok(effect) => self.follow(effect),
            Err(_) => self.authority.refuse(said.id()),
        }
        result.is_ok()
    }

    fn follow(&mut self, effect: &Effect) {
        assert!(effect.counted.is_disjoint(&self.flips), "what newly counts did not count");
        assert!(effect.uncounted.is_subset(&self.flips), "what no longer counts counted");
        self.flips = &(&self.flips | &effect.counted) - &effect.uncounted;
    }
}

fn feeds() -> impl Iterator<Item = PublicKey> {
    (0..PEOPLE).flat_map(|person| [control_key(person).public(), data_key(person).public()])
}

fn agree(replica: &Replica, reading: &Reading) {
    let authority = &replica.authority;
    for feed in feeds() {
        let mut grants = reading.counted.iter().filter_map(|(since, statement)| match statement {
            Credential::Feed { feed: f, member, device, kind, .. } if *f == feed => {
                Some((*since, *member, *device, *kind))
            }
            _ => None,
        });
        let first = grants.next();
        assert_eq!(authority.counts(&feed), first.is_some());
        assert_eq!(replica.flips.contains(&feed), first.is_some(), "effects add up to what counts");
        let shown = authority.feeds().get(&feed).filter(|feed| feed.counted).cloned();
        assert_eq!(shown.map(|feed| (feed.since, feed.member, feed.device, feed.kind)), first);
    }
    for who in (0..PEOPLE).map(identity) {
        let statements = reading.counted.iter().filter_map(|(since, statement)| match statement {
            Credential::Member { member, role, .. } if *member == who => Some((*since, *role)),
            _ => None,
        });
        let role = statements.clone().map(|(_, role)| role).max();
        assert_eq!(authority.role_of_member(&who), role);
        let shown = authority.members().get(&who).filter(|member| member.counted).cloned();
        assert_eq!(shown.as_ref().map(|member| member.role), role);
        assert_eq!(shown.map(|member| member.since), statements.clone().map(|(since, _)| since).next());
    }
    for used in [0, 1].map(common::invitation) {
        let user = reading.counted.iter().find_map(|(_, statement)| match statement {
            Credential::Member { member, invitation, .. } if *invitation == Some(used) => Some(*member),
            _ => None,
        });
        assert_eq!(authority.invitations().get(&used).and_then(|invitation| invitation.used_by), user);
    }
    for held in (0..PEOPLE).map(device) {
        let member = reading.counted.iter().find_map(|(_, statement)| match statement {
            Credential::Device { member, device, .. } if *device == held => Some(*member),
            _ => None,
        });
        assert_eq!(authority.member_of_device(&held), member);
    }
}

/// In the order wished for, as far as causes come first.
fn causal(all: &[Said], order: &[usize]) -> Vec<Said> {
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

fn histories() -> impl Strategy<Value = (Vec<Said>, Vec<usize>, Vec<usize>)> {
    steps(14).prop_flat_map(|steps| {
        let all = history(&steps);
        let length = all.len();
        (Just(all), orders(length), orders(length))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    #[test]
    fn the_authority_is_the_plain_reading_after_every_arrival((all, order, _) in histories()) {
        let (mut replica, mut there) = (Replica::new(), Vec::new());
        for said in causal(&all, &order) {
            let authorised = replica.take(&said);
            there.push(said);
            let reading = read(&there.iter().collect::<Vec<_>>());
            prop_assert_eq!(authorised, reading.authorised.contains(&there[there.len() - 1].id()));
            agree(&replica, &reading);
        }
    }

    #[test]
    fn arrival_does_not_show((all, one, other) in histories()) {
        let [one, other] = [one, other].map(|order| {
            let mut replica = Replica::new();
            for said in causal(&all, &order) {
                replica.take(&said);
            }
            replica.authority
        });
        prop_assert_eq!(one.state_hash(), other.state_hash());
        prop_assert_eq!(one.members(), other.members());
        prop_assert_eq!(one.devices(), other.devices());
        prop_assert_eq!(one.feeds(), other.feeds());
        prop_assert_eq!(one.invitations(), other.invitations());
        prop_assert_eq!(one.genesis(), other.genesis());
        for said in &all {
            prop_assert_eq!(one.is_refused(&said.id()), other.is_refused(&said.id()));
        }
    }

    #[test]
    fn data_does_not_show((all, order, _) in histories()) {
        let (mut whole, mut control_only) = (Replica::new(), Replica::new());
        for said in causal(&all, &order) {
            whole.take(&said);
            if said.entry.header().kind == EntryKind::Control {
                control_only.take(&said);
            }
        }
        prop_assert_eq!(whole.authority.state_hash(), control_only.authority.state_hash());
    }
}

/// The random histories are worth something: they hold what the rules are about, often enough.
#[test]
fn random_histories_are_not_trivial() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut refused, mut authorised, mut lost, mut refolds, mut written) = (0, 0, 0, 0, 0);
    for _ in 0..200 {
        let (all, order, _) = histories().new_tree(&mut runner).expect("a history").current();
        let mut replica = Replica::new();
        for said in causal(&all, &order) {
            let before = replica.flips.clone();
            let ok = replica.take(&said);
            (refused, authorised) = (refused + i32::from(!ok), authorised + i32::from(ok));
            written += i32::from(ok && said.entry.header().kind == EntryKind::Data);
            refolds += i32::from(!before.is_subset(&replica.flips));
        }
        let members = replica.authority.members();
        lost += members.values().filter(|member| !member.counted).count();
    }
    assert!(refused > 200 && authorised > 400, "{refused} refused, {authorised} authorised");
    assert!(lost > 10 && refolds > 5 && written > 50, "{lost} lost, {refolds} refolds, {written} written");
}
