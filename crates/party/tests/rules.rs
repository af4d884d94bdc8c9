//! Each rule by an example, and each refusal by its name.

mod common;

use std::collections::BTreeSet;

use common::{
    Said, admission, control_key, data_key, device, forged, found, genesis_of, has_device, has_feed,
    identity, identity_key, invitation, member, party, party_key, say,
};
use motet_fact::SecretKey;
use motet_feed::{Entry, EntryKind, Graph};
use motet_party::{
    Authority, Credential, Effect, Founding, Genesis, Reason, Role, certify_device, certify_feed,
};

struct World {
    graph: Graph,
    authority: Authority,
}

impl World {
    fn new() -> Self {
        World { graph: Graph::default(), authority: Authority::new(party()) }
    }

    fn take(&mut self, said: &Said) -> Result<Effect, Reason> {
        assert_eq!(self.graph.check(&said.entry), Ok(()));
        let result = self.authority.admit(&said.entry, &said.body, &self.graph);
        self.graph.link(&said.entry, result.is_ok());
        result.map_err(|refusal| {
            assert_eq!((refusal.id, refusal.feed), (said.id(), said.entry.header().feed));
            assert!(refusal.to_string().contains(&said.id().to_string()));
            *refusal.reason
        })
    }

    /// The next entry of the founder.
    fn say(&mut self, last: &Said, body: Vec<Credential>) -> (Said, Result<Effect, Reason>) {
        let said = control(0, &[last], body);
        let result = self.take(&said);
        (said, result)
    }
}

fn control(person: usize, causes: &[&Said], body: Vec<Credential>) -> Said {
    say(&control_key(person), EntryKind::Control, causes, body)
}

fn data(person: usize, causes: &[&Said]) -> Said {
    say(&data_key(person), EntryKind::Data, causes, Vec::new())
}

fn founded() -> (World, Said) {
    let (mut world, genesis) = (World::new(), found());
    let effect = world.take(&genesis).unwrap_or_else(|reason| unreachable!("{reason}"));
    let feeds = BTreeSet::from([control_key(0).public(), data_key(0).public()]);
    assert_eq!(effect, Effect { counted: feeds, uncounted: BTreeSet::new(), membership: true });
    (world, genesis)
}

#[test]
fn a_party_begins_with_its_genesis() {
    let (world, genesis) = founded();
    let authority = &world.authority;
    assert_eq!(authority.party_name(), Some("choir"));
    assert_eq!(authority.genesis().map(|(id, _)| id), Some(genesis.id()));
    assert_eq!(authority.role_of_device(&device(0)), Some(Role::Admin));
    assert_eq!(authority.member_of_feed(&data_key(0).public()), Some(identity(0)));
    assert_eq!(authority.device_of_feed(&data_key(0).public()), Some(device(0)));
    assert_eq!(authority.members()[&identity(0)].name, "Ada");
    assert_ne!(authority.state_hash(), Authority::new(party()).state_hash());
}

#[test]
fn an_entry_taken_twice_has_no_effect() {
    let (mut world, genesis) = founded();
    let hash = world.authority.state_hash();
    let again = world.authority.admit(&genesis.entry, &genesis.body, &world.graph);
    assert_eq!(again, Ok(Effect::default()));
    assert_eq!(world.authority.state_hash(), hash);
}

#[test]
fn nobody_but_the_party_key_founds_a_party() {
    let sign = |party: &SecretKey, data_feed: &SecretKey| {
        Genesis::sign(&Founding {
            party,
            founder: identity(0),
            device: &common::device_key(0),
            device_certificate: certify_device(&identity_key(0), &device(0)),
            control_feed: &control_key(0),
            data_feed,
            name: "Eve",
            party_name: "choir",
        })
    };
    let stranger = sign(&data_key(3), &data_key(0));
    let mut renamed = sign(&party_key(), &data_key(0));
    renamed.party_name = "quire".to_owned();
    let mut certified_by_another = sign(&party_key(), &data_key(0));
    certified_by_another.data_certificate.feed = forged();
    for genesis in [stranger, renamed, certified_by_another] {
        let said = control(0, &[], vec![Credential::Genesis(Box::new(genesis))]);
        assert!(matches!(World::new().take(&said), Err(Reason::Certificate { number: 0, .. })));
    }
}

#[test]
fn a_genesis_has_one_place() {
    let (mut world, genesis) = founded();
    let on_anothers_feed = control(1, &[], vec![genesis_of(0)]);
    assert_eq!(world.take(&on_anothers_feed), Err(Reason::NotAdmitted("control")));
    let not_alone = control(0, &[], vec![genesis_of(0), member(1, Role::Admin, None)]);
    assert_eq!(world.take(&not_alone), Err(Reason::NotAdmitted("control")));
    let (_, later) = world.say(&genesis, vec![genesis_of(0)]);
    assert_eq!(later, Err(Reason::GenesisMisplaced));
    let as_data = say(&control_key(0), EntryKind::Data, &[], vec![genesis_of(0)]);
    assert_eq!(World::new().take(&as_data), Err(Reason::NotControl));
}

#[test]
fn a_member_writes_once_a_cause_admits_its_feed() {
    let (mut world, genesis) = founded();
    let (admits, result) = world.say(&genesis, admission(1, Role::Writer, None));
    let feeds = BTreeSet::from([control_key(1).public(), data_key(1).public()]);
    assert_eq!(result.map(|effect| effect.counted), Ok(feeds));
    let judge =
        |said: &Said| world.authority.judge(&said.entry, &world.graph).map_err(|refusal| *refusal.reason);
    assert_eq!(judge(&data(1, &[&admits])), Ok(()));
    assert_eq!(judge(&data(1, &[])), Err(Reason::NotAdmitted("data")));
    assert_eq!(judge(&data(1, &[&genesis])), Err(Reason::NotAdmitted("data")));
    assert_eq!(judge(&data(2, &[&admits])), Err(Reason::NotAdmitted("data")));
    let wrong_kind = say(&control_key(1), EntryKind::Data, &[&admits], Vec::new());
    assert_eq!(judge(&wrong_kind), Err(Reason::NotAdmitted("data")));
}

#[test]
fn what_follows_a_refused_entry_is_refused() {
    let (mut world, genesis) = founded();
    let refused = data(1, &[&genesis]);
    world.graph.link(&refused.entry, false);
    world.authority.refuse(refused.id());
    let next = data(1, &[&refused]);
    let refusal = world.authority.judge(&next.entry, &world.graph).map_err(|refusal| *refusal.reason);
    assert_eq!(refusal, Err(Reason::BacklinkRefused(refused.id())));
    let (bad, result) = world.say(&genesis, admission(1, Role::Writer, Some(invitation(9))));
    assert!(result.is_err() && world.authority.is_refused(&bad.id()));
    let (_, result) = world.say(&bad, Vec::new());
    assert_eq!(result, Err(Reason::BacklinkRefused(bad.id())));
}

#[test]
fn a_feed_keeps_its_kind() {
    let (world, genesis) = founded();
    let writes = say(&control_key(0), EntryKind::Data, &[&genesis], Vec::new());
    let refusal = world.authority.judge(&writes.entry, &world.graph).map_err(|refusal| *refusal.reason);
    assert_eq!(refusal, Err(Reason::KindChanged(genesis.id())));
}

#[test]
fn an_entry_of_another_party_is_refused() {
    let (world, genesis) = founded();
    let mut draft = control(0, &[&genesis], Vec::new()).entry.header().clone();
    draft.party = identity(3);
    let other = Entry::sign(draft, &control_key(0));
    let refusal = world.authority.judge_control(&other, &[], &world.graph).map_err(|refusal| *refusal.reason);
    assert_eq!(refusal, Err(Reason::OtherParty(identity(3))));
}

#[test]
fn only_admins_admit_and_invite() {
    let (mut world, genesis) = founded();
    let (admits, _) = world.say(&genesis, admission(1, Role::Writer, None));
    let invites = vec![Credential::Invitation { id: invitation(0), role: Role::Reader, expires: 0 }];
    let own_device = vec![has_device(1, device(3))];
    let anothers_device = vec![has_device(0, device(3))];
    for (body, expected) in [
        (vec![member(2, Role::Reader, None)], Some(Reason::NotAdmin { number: 0 })),
        (vec![member(1, Role::Admin, None)], Some(Reason::NotAdmin { number: 0 })),
        (invites, Some(Reason::NotAdmin { number: 0 })),
        (own_device, None),
        (anothers_device, Some(Reason::NotOwn { number: 0, member: identity(0) })),
    ] {
        assert_eq!(world.take(&control(1, &[&admits], body)).err(), expected);
    }
}

#[test]
fn an_author_is_no_admin_by_its_own_word_in_the_same_entry() {
    let (mut world, genesis) = founded();
    let (admits, _) = world.say(&genesis, admission(1, Role::Writer, None));
    let body = vec![has_device(1, device(3)), member(1, Role::Admin, None), member(2, Role::Admin, None)];
    assert_eq!(world.take(&control(1, &[&admits], body)), Err(Reason::NotAdmin { number: 1 }));
}

#[test]
fn a_credential_needs_what_it_names() {
    let (mut world, genesis) = founded();
    let (one, two) = (identity(1), device(1));
    for (body, expected) in [
        (vec![has_device(1, two)], Reason::UnknownMember { number: 0, member: one }),
        (
            vec![member(1, Role::Writer, None), has_feed(1, EntryKind::Data)],
            Reason::UnknownDevice { number: 1, device: two, member: one },
        ),
        (
            vec![has_feed(1, EntryKind::Data), member(1, Role::Writer, None), has_device(1, two)],
            Reason::UnknownDevice { number: 0, device: two, member: one },
        ),
        (
            vec![member(1, Role::Reader, None), has_device(1, two), has_feed(1, EntryKind::Data)],
            Reason::ReaderWrites { number: 2, member: one },
        ),
        (
            vec![member(1, Role::Reader, Some(invitation(0)))],
            Reason::UnknownInvitation { number: 0, invitation: invitation(0) },
        ),
    ] {
        assert_eq!(world.take(&control(0, &[&genesis], body)), Err(expected));
    }
}

#[test]
fn an_invitation_admits_to_no_more_than_it_says() {
    let (mut world, genesis) = founded();
    let id = invitation(0);
    let (invites, _) =
        world.say(&genesis, vec![Credential::Invitation { id, role: Role::Writer, expires: 5 }]);
    assert_eq!(world.authority.invitations()[&id].expires, 5);
    let admin = control(0, &[&invites], admission(1, Role::Admin, Some(id)));
    let above =
        Reason::AboveInvitation { number: 0, invitation: id, role: Role::Admin, allowed: Role::Writer };
    assert_eq!(world.take(&admin), Err(above));
    let reader = control(0, &[&invites], admission(1, Role::Reader, Some(id)));
    assert!(world.take(&reader).is_ok());
    assert_eq!(world.authority.invitations()[&id].used_by, Some(identity(1)));
}

#[test]
fn an_invitation_is_used_once_also_within_one_entry_and_one_after_the_other() {
    let (mut world, genesis) = founded();
    let id = invitation(0);
    let (invites, _) =
        world.say(&genesis, vec![Credential::Invitation { id, role: Role::Admin, expires: 0 }]);
    let both = vec![member(1, Role::Reader, Some(id)), member(2, Role::Reader, Some(id))];
    let (redeems, result) = world.say(&invites, both);
    assert!(result.is_ok(), "it is authorised, and half of it does not count");
    let (_, result) = world.say(&redeems, admission(3, Role::Writer, Some(id)));
    assert_eq!(result, Ok(Effect::default()));
    let counted = |person: usize| world.authority.members()[&identity(person)].counted;
    assert_eq!([1, 2, 3].map(counted), [true, false, false]);
    assert!(!world.authority.counts(&data_key(3).public()));
}

#[test]
fn certificates_name_the_member_the_device_and_the_kind() {
    let (mut world, genesis) = founded();
    let (admits, _) = world.say(&genesis, admission(1, Role::Writer, None));
    let (key, own) = (data_key(2), common::device_key(1));
    let feed = |member, device, kind, signed_kind| Credential::Feed {
        member,
        device,
        feed: key.public(),
        kind,
        certificate: certify_feed(&key, &own, &party(), &identity(1), signed_kind),
    };
    let certified = |feed: &SecretKey, by: &SecretKey| Credential::Feed {
        member: identity(1),
        device: device(1),
        feed: key.public(),
        kind: EntryKind::Data,
        certificate: certify_feed(feed, by, &party(), &identity(1), EntryKind::Data),
    };
    for (body, holds) in [
        (feed(identity(1), device(1), EntryKind::Data, EntryKind::Data), true),
        (feed(identity(0), device(1), EntryKind::Data, EntryKind::Data), false),
        (feed(identity(1), device(0), EntryKind::Data, EntryKind::Data), false),
        (feed(identity(1), device(1), EntryKind::Control, EntryKind::Data), false),
        (certified(&key, &common::device_key(0)), false),
        (certified(&data_key(3), &own), false),
        (Credential::Device { member: identity(1), device: device(2), certificate: forged() }, false),
    ] {
        let result = world.take(&control(1, &[&admits], vec![body]));
        let refused = matches!(result, Err(Reason::Certificate { number: 0, .. }));
        assert_eq!((result.is_ok(), refused), (holds, !holds), "{result:?}");
    }
}

/// Two admins redeem one invitation at the same time; the newcomer whose admission loses goes on admitting. What comes
/// first in order H6 counts, whatever arrives first.
#[test]
fn of_two_redemptions_the_first_in_order_counts_and_what_rests_on_the_other_does_not() {
    let genesis = found();
    let id = invitation(0);
    let second =
        [admission(1, Role::Admin, None), vec![Credential::Invitation { id, role: Role::Admin, expires: 0 }]];
    let start = control(0, &[&genesis], second.concat());
    let mine = control(0, &[&start], admission(2, Role::Admin, Some(id)));
    let yours = control(1, &[&start], admission(3, Role::Admin, Some(id)));
    let mine_first = mine.entry.position() < yours.entry.position();
    let (winner, loser) = if mine_first { (2, 3) } else { (3, 2) };
    let lost = if mine_first { &yours } else { &mine };
    let extra = SecretKey::from_bytes([99; 32]);
    let next = control(loser, &[lost], vec![has_device(loser, extra.public())]);
    let orders = [[&mine, &yours, &next], [&yours, &mine, &next]];
    let hashes = orders.map(|order| {
        let mut world = World::new();
        for said in [&genesis, &start].into_iter().chain(order) {
            assert!(world.take(said).is_ok(), "all of it is authorised");
        }
        let authority = &world.authority;
        assert!(authority.counts(&data_key(winner).public()) && !authority.counts(&data_key(loser).public()));
        assert!(!authority.members()[&identity(loser)].counted);
        assert!(!authority.devices()[&extra.public()].counted);
        assert_eq!(authority.role_of_device(&extra.public()), None);
        assert_eq!(authority.member_of_feed(&data_key(loser).public()), Some(identity(loser)));
        assert_eq!(authority.invitations()[&id].used_by, Some(identity(winner)));
        authority.state_hash()
    });
    assert_eq!(hashes[0], hashes[1]);

    let mut world = World::new();
    for said in [&genesis, &start, lost, &next] {
        assert!(world.take(said).is_ok());
    }
    assert!(world.authority.devices()[&extra.public()].counted, "it counts while nothing sorts before it");
    let won = if mine_first { &mine } else { &yours };
    let effect = world.take(won).unwrap_or_else(|reason| unreachable!("{reason}"));
    let feeds = |person| BTreeSet::from([control_key(person).public(), data_key(person).public()]);
    assert_eq!((effect.counted, effect.uncounted), (feeds(winner), feeds(loser)));
    assert_eq!(world.authority.state_hash(), hashes[0]);
}

#[test]
fn a_second_admission_takes_nothing_away() {
    let (mut world, genesis) = founded();
    let (admits, _) = world.say(&genesis, admission(1, Role::Writer, None));
    let (_, result) = world.say(&admits, vec![member(1, Role::Reader, None)]);
    assert!(result.is_ok());
    assert_eq!(world.authority.role_of_member(&identity(1)), Some(Role::Writer));
    assert_eq!(world.authority.members()[&identity(1)].since, admits.id());
}
