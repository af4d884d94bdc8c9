//! Each rule by an example, and each refusal by its name.

use crate::common;

use std::collections::BTreeSet;

use crate::common::world::{World, control, data, founded, with_second};
use crate::common::{
    RECOVERY, Said, admission, admission_in, body, control_key, control_key_in, data_key, data_key_in,
    device, device_key, forged, found, genesis_of, has_device, has_feed, has_feed_in, identity, identity_key,
    invitation, invites, member, party, party_key, removal, say,
};
use motet_fact::{Cid, PublicKey, SecretKey};
use motet_feed::{Entry, EntryKind, Graph};
use motet_party::{
    Authority, Credential, CredentialId, Cuts, Deed, Effect, ForkError, ForkProof, Founding, Genesis, Loss,
    Reason, Role, Subject, certify_device, certify_feed,
};

/// Up to here a feed counts.
fn up_to(said: &[&Said]) -> Cuts {
    said.iter().map(|said| (said.feed(), BTreeSet::from([said.id()]))).collect()
}

#[test]
fn a_party_begins_with_its_genesis() {
    let (world, genesis) = founded();
    let (authority, graph) = (&world.authority, &world.graph);
    assert_eq!(authority.party_name(), Some("choir"));
    assert_eq!(authority.genesis().map(|(id, _)| id), Some(genesis.id()));
    assert_eq!(authority.role_of_device(&device(0), graph), Some(Role::Admin));
    assert_eq!(authority.member_of_feed(&data_key(0).public()), Some(identity(0)));
    assert_eq!(authority.device_of_feed(&data_key(0).public()), Some(device(0)));
    assert_eq!(authority.members(graph)[&identity(0)].name, "Ada");
    assert_eq!(authority.members(graph).len(), 1, "the recovery is nobody");
    assert!(world.counts(&genesis));
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
            device: &device_key(0),
            device_certificate: certify_device(&identity_key(0), &device(0)),
            control_feed: &control_key(0),
            data_feed,
            recovery: identity(RECOVERY),
            name: "Eve",
            party_name: "choir",
        })
    };
    let stranger = sign(&data_key(3), &data_key(0));
    let mut renamed = sign(&party_key(), &data_key(0));
    renamed.party_name = "quire".to_owned();
    let mut certified_by_another = sign(&party_key(), &data_key(0));
    certified_by_another.data_certificate.device = forged();
    let mut recovered = sign(&party_key(), &data_key(0));
    recovered.recovery = identity(4);
    for genesis in [stranger, renamed, certified_by_another, recovered] {
        let genesis = body(None, vec![Credential::Genesis(Box::new(genesis))]);
        let said = say(&control_key(0), EntryKind::Control, &[], genesis);
        assert!(matches!(World::new().take(&said), Err(Reason::Certificate { number: 0, .. })));
    }
}

#[test]
fn a_genesis_has_one_place() {
    let (mut world, genesis) = founded();
    let alone = body(None, vec![genesis_of(0)]);
    let on_anothers_feed = say(&control_key(1), EntryKind::Control, &[], alone.clone());
    assert_eq!(world.take(&on_anothers_feed), Err(Reason::GenesisMisplaced));
    let not_alone = body(None, vec![genesis_of(0), member(1, Role::Admin, None)]);
    let not_alone = say(&control_key(0), EntryKind::Control, &[], not_alone);
    assert_eq!(world.take(&not_alone), Err(Reason::GenesisMisplaced));
    let (_, later) = world.say(&genesis, vec![genesis_of(0)]);
    assert_eq!(later, Err(Reason::GenesisMisplaced));
    let as_data = say(&control_key(0), EntryKind::Data, &[], alone.clone());
    let outcome = World::new().authority.judge_control(&as_data.entry, &alone, &Graph::default());
    assert_eq!(outcome.map_err(|refusal| *refusal.reason), Err(Reason::NotControl));
}

#[test]
fn a_member_writes_once_a_cause_admits_its_feed() {
    let (mut world, genesis) = founded();
    let (admits, result) = world.say(&genesis, admission(1, Role::Writer, None));
    let feeds = BTreeSet::from([control_key(1).public(), data_key(1).public()]);
    assert_eq!(result.map(|effect| effect.feeds), Ok(feeds));
    assert_eq!(world.judge(&data(1, &[&admits])), Ok(()));
    for causes in [[].as_slice(), &[&genesis]] {
        assert_eq!(world.judge(&data(1, causes)), Err(Reason::NotAdmitted("data")));
    }
    assert_eq!(world.judge(&data(2, &[&admits])), Err(Reason::NotAdmitted("data")));
    let wrong_kind = say(&control_key(1), EntryKind::Data, &[&admits], body(None, Vec::new()));
    assert_eq!(world.judge(&wrong_kind), Err(Reason::NotAdmitted("data")));
    assert_eq!(world.judge(&genesis), Err(Reason::NotData));
}

#[test]
fn what_follows_a_refused_entry_is_refused() {
    let (mut world, genesis) = founded();
    let refused = data(1, &[&genesis]);
    assert!(world.take(&refused).is_err());
    let next = data(1, &[&refused]);
    assert_eq!(world.judge(&next), Err(Reason::BacklinkRefused(refused.id())));
    let nothing = genesis.named(9);
    let (bad, result) = world.say(&genesis, admission(1, Role::Writer, Some(nothing)));
    assert!(result.is_err() && world.authority.is_refused(&bad.id()));
    assert_eq!(world.authority.loss(&bad.id(), &world.graph), result.err().map(Loss::Refused));
    let (_, result) = world.say(&bad, Vec::new());
    assert_eq!(result, Err(Reason::BacklinkRefused(bad.id())));
}

#[test]
fn a_feed_keeps_its_kind() {
    let (world, genesis) = founded();
    let writes = say(&control_key(0), EntryKind::Data, &[&genesis], body(None, Vec::new()));
    assert_eq!(world.judge(&writes), Err(Reason::KindChanged(genesis.id())));
}

#[test]
fn an_entry_of_another_party_is_refused() {
    let (world, genesis) = founded();
    let said = control(0, genesis.named(2), &[&genesis], Vec::new());
    let mut draft = said.entry.header().clone();
    draft.party = identity(3);
    let other = Entry::sign(draft, &control_key(0));
    let refusal = world.authority.judge_control(&other, &said.body, &world.graph);
    assert_eq!(refusal.map_err(|refusal| *refusal.reason), Err(Reason::OtherParty(identity(3))));
}

#[test]
fn a_control_entry_names_what_it_acts_under() {
    let (mut world, genesis, admits) = with_second(Role::Admin);
    let first = |under| say(&control_key(1), EntryKind::Control, &[&admits], body(under, Vec::new()));
    assert_eq!(world.take(&first(None)), Err(Reason::NoCredential));
    for wrong in [genesis.named(2), admits.named(1), admits.named(3), admits.named(9)] {
        assert_eq!(world.take(&first(Some(wrong))), Err(Reason::NotUnder(wrong)));
    }
    assert!(world.take(&first(Some(admits.named(2)))).is_ok());
}

#[test]
fn a_feed_keeps_the_admission_it_began_under() {
    let (mut world, genesis) = founded();
    let first = world.say(&genesis, admission(1, Role::Admin, None)).0;
    // Of two who did not know of each other each admits the same feed.
    let second = vec![
        member(1, Role::Reader, None),
        has_device(CredentialId::here(0), 1, device(1)),
        has_feed(CredentialId::here(1), 1, EntryKind::Control),
    ];
    let (second, result) = {
        let said =
            say(&control_key(0), EntryKind::Control, &[&genesis], body(Some(genesis.named(2)), second));
        let result = world.take(&said);
        (said, result)
    };
    assert!(result.is_ok());
    let enters = world.taken(control(1, first.named(2), &[&first, &second], Vec::new()));
    let changes = control(1, second.named(2), &[&enters], Vec::new());
    assert_eq!(world.take(&changes), Err(Reason::UnderChanged(enters.id())));
}

#[test]
fn only_admins_admit_and_invite() {
    let (mut world, genesis, admits) = with_second(Role::Writer);
    let device_3 = SecretKey::from_bytes([98; 32]).public();
    for (credential, expected) in [
        (member(2, Role::Reader, None), Some(Reason::NotAdmin { number: 0 })),
        (member(1, Role::Admin, None), Some(Reason::NotAdmin { number: 0 })),
        (invites(0, Role::Reader), Some(Reason::NotAdmin { number: 0 })),
        (removal(0, Cuts::new()), Some(Reason::NotOwn { number: 0, member: identity(0) })),
        (has_device(admits.named(0), 1, device_3), None),
        (has_device(genesis.named(0), 0, device_3), Some(Reason::NotOwn { number: 0, member: identity(0) })),
    ] {
        let said = control(1, admits.named(2), &[&admits], vec![credential]);
        assert_eq!(world.take(&said).err(), expected);
    }
}

#[test]
fn an_author_is_no_admin_by_its_own_word_in_the_same_entry() {
    let (mut world, _, admits) = with_second(Role::Writer);
    let credentials = vec![member(1, Role::Admin, None), member(2, Role::Admin, None)];
    let said = control(1, admits.named(2), &[&admits], credentials);
    assert_eq!(world.take(&said), Err(Reason::NotAdmin { number: 0 }));
}

#[test]
fn a_credential_needs_what_it_names() {
    let (mut world, genesis) = founded();
    let here = CredentialId::here;
    let unfounded = |number, named, what| Reason::Unfounded { number, named, what };
    for (credentials, expected) in [
        (vec![has_device(here(0), 1, device(1))], unfounded(0, here(0), "stint of that member")),
        (
            vec![has_device(genesis.named(0), 1, device(1))],
            unfounded(0, genesis.named(0), "stint of that member"),
        ),
        (
            vec![member(1, Role::Writer, None), has_feed(here(0), 1, EntryKind::Data)],
            unfounded(1, here(0), "stint of that device"),
        ),
        (
            vec![
                member(1, Role::Reader, None),
                has_device(here(0), 1, device(1)),
                has_feed(here(1), 1, EntryKind::Data),
            ],
            Reason::ReaderWrites { number: 2, member: identity(1) },
        ),
        (vec![member(1, Role::Reader, Some(genesis.named(1)))], unfounded(0, genesis.named(1), "invitation")),
        (vec![Credential::Revocation { invitation: here(3) }], unfounded(0, here(3), "invitation")),
        (vec![removal(1, Cuts::new())], Reason::UnknownMember { number: 0, member: identity(1) }),
        (
            vec![Credential::Removal {
                subject: Subject::Device { member: identity(0), device: device(1) },
                cuts: Cuts::new(),
            }],
            Reason::UnknownDevice { number: 0, device: device(1), member: identity(0) },
        ),
    ] {
        let said = control(0, genesis.named(2), &[&genesis], credentials);
        assert_eq!(world.take(&said), Err(expected));
    }
}

#[test]
fn an_invitation_admits_to_no_more_than_it_says() {
    let (mut world, genesis) = founded();
    let id = invitation(0);
    let (open, _) = world.say(&genesis, vec![Credential::Invitation { id, role: Role::Writer, expires: 5 }]);
    assert_eq!(world.authority.invitations()[&id].expires, 5);
    assert_eq!(world.authority.invitations()[&id].id, open.named(0));
    let admin = control(0, genesis.named(2), &[&open], admission(1, Role::Admin, Some(open.named(0))));
    let above =
        Reason::AboveInvitation { number: 0, invitation: id, role: Role::Admin, allowed: Role::Writer };
    assert_eq!(world.take(&admin), Err(above));
    let reader = control(0, genesis.named(2), &[&open], admission(1, Role::Reader, Some(open.named(0))));
    assert!(world.take(&reader).is_ok());
    assert_eq!(world.authority.invitations()[&id].used_by, Some(identity(1)));
    assert_eq!(world.authority.members(&world.graph)[&identity(1)].invitation, Some(id));
}

/// Whom it is for is the host's to keep; that it is used once, everybody's.
#[test]
fn a_personal_invitation_is_one_like_any_other() {
    let (mut world, genesis) = founded();
    let (id, role) = (invitation(0), Role::Writer);
    let personal = Credential::PersonalInvitation { id, role, invitee: identity(1), expires: 5 };
    let (open, _) = world.say(&genesis, vec![personal]);
    assert_eq!(world.authority.invitations()[&id].invitee, Some(identity(1)));
    let redeem = |role| control(0, genesis.named(2), &[&open], admission(1, role, Some(open.named(0))));
    assert!(matches!(world.take(&redeem(Role::Admin)), Err(Reason::AboveInvitation { .. })));
    assert!(world.take(&redeem(Role::Writer)).is_ok());
    assert_eq!(world.authority.invitations()[&id].used_by, Some(identity(1)));
    assert_eq!(world.authority.members(&world.graph)[&identity(1)].invitation, Some(id));
}

/// A genesis authorises itself: of two by one party key both count, and neither takes anything from the other.
#[test]
fn a_party_may_be_founded_twice() {
    let (mut world, genesis) = founded();
    let again = say(&control_key(1), EntryKind::Control, &[], body(None, vec![genesis_of(1)]));
    assert!(world.take(&again).is_ok());
    for person in [0, 1] {
        let member = &world.authority.members(&world.graph)[&identity(person)];
        assert!(member.counted && member.role == Role::Admin && member.until.is_none());
    }
    assert!(world.take(&control(1, again.named(2), &[&again], admission(2, Role::Writer, None))).is_ok());
    assert!(world.take(&control(0, genesis.named(2), &[&genesis], admission(3, Role::Writer, None))).is_ok());
    assert_eq!(world.authority.members(&world.graph).len(), 4);
    let first = genesis.entry.position().min(again.entry.position());
    assert_eq!(world.authority.genesis().map(|(id, _)| id), Some(first.id));
}

#[test]
fn an_invitation_is_used_once_also_within_one_entry_and_one_after_the_other() {
    let (mut world, genesis) = founded();
    let (open, _) = world.say(&genesis, vec![invites(0, Role::Admin)]);
    let by = Some(open.named(0));
    let both = vec![member(1, Role::Reader, by), member(2, Role::Reader, by)];
    let (redeems, result) = world.say(&open, both);
    assert!(result.is_ok(), "it is authorised, and half of it does not count");
    let (_, result) = world.say(&redeems, admission(3, Role::Writer, by));
    assert_eq!(result, Ok(Effect::default()));
    let members = world.authority.members(&world.graph);
    assert_eq!([1, 2, 3].map(|person| members[&identity(person)].counted), [true, false, false]);
    assert_eq!([1, 2, 3].map(|person| world.role(person)), [Some(Role::Reader), None, None]);
}

#[test]
fn a_revoked_invitation_admits_nobody_whose_admission_was_not_known() {
    let (mut world, genesis) = founded();
    let (open, _) =
        world.say(&genesis, [admission(1, Role::Admin, None), vec![invites(0, Role::Writer)]].concat());
    let invitation = open.named(4);
    let redeems =
        world.taken(control(1, open.named(2), &[&open], admission(2, Role::Writer, Some(invitation))));
    let writes = world.taken(data(2, &[&redeems]));
    assert!(world.counts(&writes));
    // The founder has not heard of it.
    let revoke = vec![Credential::Revocation { invitation }];
    let (revokes, effect) = world.say(&open, revoke.clone());
    assert!(effect.is_ok_and(|effect| effect.feeds.contains(&data_key(2).public())));
    assert!(!world.counts(&writes) && world.role(2).is_none());
    assert_eq!(world.authority.invitations()[&common::invitation(0)].revoked, Some(revokes.id()));
    let loss = world.authority.loss(&writes.id(), &world.graph);
    let (by, author) = (revokes.id(), identity(0));
    assert_eq!(loss, Some(Loss::Withdrawn { by, author, deed: Deed::Revocation, indirect: true }));
    let late = control(1, open.named(2), &[&redeems, &revokes], admission(3, Role::Writer, Some(invitation)));
    assert_eq!(world.take(&late), Err(Reason::Closed { number: 0, what: "an invitation", by: revokes.id() }));

    let (mut world, genesis) = founded();
    let (open, _) =
        world.say(&genesis, [admission(1, Role::Admin, None), vec![invites(0, Role::Writer)]].concat());
    let invitation = open.named(4);
    let redeems =
        world.taken(control(1, open.named(2), &[&open], admission(2, Role::Writer, Some(invitation))));
    world.taken(control(1, open.named(2), &[&redeems], vec![Credential::Revocation { invitation }]));
    assert_eq!(world.role(2), Some(Role::Writer), "whoever was known to be in stays");
}

#[test]
fn certificates_name_the_member_the_device_and_the_kind() {
    let (mut world, _, admits) = with_second(Role::Writer);
    let (feed, by) = (data_key(2), |signer: &SecretKey, device: &SecretKey, member: &PublicKey, kind| {
        certify_feed(signer, device, &party(), member, kind)
    });
    let (one, mine) = (identity(1), device_key(1));
    let good = by(&feed, &mine, &one, EntryKind::Data);
    let mut without_consent = good;
    without_consent.device = by(&feed, &device_key(0), &one, EntryKind::Data).device;
    for (certificate, holds) in [
        (good, true),
        (by(&feed, &mine, &identity(0), EntryKind::Data), false),
        (by(&feed, &mine, &one, EntryKind::Control), false),
        (by(&data_key(3), &mine, &one, EntryKind::Data), false),
        (without_consent, false),
    ] {
        let (under, member, device) = (admits.named(1), one, device(1));
        let credential = Credential::Feed {
            under,
            member,
            device,
            feed: feed.public(),
            kind: EntryKind::Data,
            certificate,
        };
        let result = world.take(&control(1, admits.named(2), &[&admits], vec![credential]));
        let refused = matches!(result, Err(Reason::Certificate { number: 0, .. }));
        assert_eq!((result.is_ok(), refused), (holds, !holds), "{result:?}");
    }
    let (under, member) = (admits.named(0), one);
    let forged = Credential::Device { under, member, device: device(2), certificate: forged() };
    let result = world.take(&control(1, admits.named(2), &[&admits], vec![forged]));
    assert!(matches!(result, Err(Reason::Certificate { number: 0, .. })));
}

/// Two admins redeem one invitation at the same time; the newcomer whose admission loses goes on admitting. What comes
/// first in order H6 counts, whatever arrives first.
#[test]
fn of_two_redemptions_the_first_in_order_counts_and_what_rests_on_the_other_does_not() {
    let genesis = found();
    let id = invitation(0);
    let second = [admission(1, Role::Admin, None), vec![invites(0, Role::Admin)]];
    let start = control(0, genesis.named(2), &[&genesis], second.concat());
    let by = Some(start.named(4));
    let mine = control(0, genesis.named(2), &[&start], admission(2, Role::Admin, by));
    let yours = control(1, start.named(2), &[&start], admission(3, Role::Admin, by));
    let mine_first = mine.entry.position() < yours.entry.position();
    let (winner, loser) = if mine_first { (2, 3) } else { (3, 2) };
    let lost = if mine_first { &yours } else { &mine };
    let extra = SecretKey::from_bytes([99; 32]).public();
    let next = control(loser, lost.named(2), &[lost], vec![has_device(lost.named(0), loser, extra)]);
    let writes = data(loser, &[lost]);
    let orders = [[&mine, &yours, &next, &writes], [&yours, &mine, &next, &writes]];
    let hashes = orders.map(|order| {
        let mut world = World::new();
        for said in [&genesis, &start].into_iter().chain(order) {
            assert!(world.take(said).is_ok(), "all of it is authorised");
        }
        let (authority, graph) = (&world.authority, &world.graph);
        assert_eq!((world.role(winner), world.role(loser)), (Some(Role::Admin), None));
        assert!(!world.counts(&writes) && !world.counts(&next));
        assert!(!authority.members(graph)[&identity(loser)].counted);
        assert!(!authority.devices(graph)[&extra].counted);
        assert_eq!(authority.role_of_device(&extra, graph), None);
        assert_eq!(authority.member_of_feed(&data_key(loser).public()), Some(identity(loser)));
        assert_eq!(authority.invitations()[&id].used_by, Some(identity(winner)));
        authority.state_hash()
    });
    assert_eq!(hashes[0], hashes[1]);

    let mut world = World::new();
    for said in [&genesis, &start, lost, &next] {
        assert!(world.take(said).is_ok());
    }
    assert!(world.counts(&next), "it counts while nothing sorts before it");
    let won = if mine_first { &mine } else { &yours };
    let effect = world.take(won).unwrap_or_else(|reason| unreachable!("{reason}"));
    let feeds = [winner, loser].into_iter().flat_map(|p| [control_key(p).public(), data_key(p).public()]);
    assert_eq!(effect.feeds, feeds.collect());
    assert!(!world.counts(&next));
}

#[test]
fn a_second_admission_takes_nothing_away() {
    let (mut world, _, admits) = with_second(Role::Writer);
    let (_, result) = world.say(&admits, vec![member(1, Role::Reader, None)]);
    assert!(result.is_ok());
    assert_eq!(world.role(1), Some(Role::Writer));
    assert_eq!(world.authority.members(&world.graph)[&identity(1)].since, admits.id());
}

// Removal (H10).

#[test]
fn a_removed_member_counts_up_to_the_cut() {
    let (mut world, _, admits) = with_second(Role::Writer);
    let before = world.taken(data(1, &[&admits]));
    let after = world.taken(data(1, &[&before]));
    let (removes, effect) = world.say(&admits, vec![removal(1, up_to(&[&before]))]);
    assert!(effect.is_ok_and(|effect| effect.feeds.contains(&data_key(1).public())));
    assert!(world.counts(&before) && !world.counts(&after));
    let loss = world.authority.loss(&after.id(), &world.graph).expect("it does not count");
    let (by, author, deed) = (removes.id(), identity(0), Deed::Removal(Subject::Member(identity(1))));
    assert_eq!(loss, Loss::Withdrawn { by, author, deed, indirect: false });
    assert!(loss.to_string().contains("removed member"), "{loss}");
    // What was written without knowing is kept, and does not count; with the removal in its past it is refused.
    let late = world.taken(data(1, &[&after]));
    assert!(!world.counts(&late));
    let knowing = data(1, &[&late, &removes]);
    assert_eq!(world.judge(&knowing), Err(Reason::Withdrawn { by: removes.id() }));
    let (authority, graph) = (&world.authority, &world.graph);
    let shown = &authority.members(graph)[&identity(1)];
    assert!(shown.counted && shown.until == Some(removes.id()) && world.role(1).is_none());
    assert_eq!(authority.role_of_device(&device(1), graph), None);
    assert_eq!(authority.devices(graph)[&device(1)].until, Some(removes.id()));
    assert_eq!(authority.feeds(graph)[&data_key(1).public()].until, Some(removes.id()));
    assert_eq!(authority.notices(&device(1), graph), [removes.id()]);
    assert_eq!(authority.notices(&device(3), graph), []);
}

#[test]
fn a_cut_that_is_not_here_yet_brings_what_lies_before_it_when_it_comes() {
    let (mut world, _, admits) = with_second(Role::Writer);
    let first = world.taken(data(1, &[&admits]));
    let last = data(1, &[&first]);
    let (_, result) = world.say(&admits, vec![removal(1, up_to(&[&last]))]);
    assert!(result.is_ok() && !world.counts(&first));
    assert_eq!(world.authority.feeds_cut_at(&last.id()).collect::<Vec<_>>(), [data_key(1).public()]);
    let last = world.taken(last);
    assert!(world.counts(&first) && world.counts(&last));
}

#[test]
fn removal_beats_concurrent_admission_and_what_comes_after_it_is_a_new_stint() {
    let (mut world, genesis, admits) = with_second(Role::Admin);
    let (removes, _) = world.say(&admits, vec![removal(1, Cuts::new())]);
    // Whoever has not heard of the removal admits again.
    let third = world.taken(control(1, admits.named(2), &[&admits], admission(2, Role::Admin, None)));
    assert_eq!(world.role(2), None, "by somebody who was removed");
    let mut unaware = admission_in(1, Role::Writer, None, 1);
    unaware.push(member(2, Role::Admin, None));
    let fork = control(0, genesis.named(2), &[&admits], unaware);
    let fork = world.taken(fork);
    assert_eq!((world.role(1), world.role(2)), (None, Some(Role::Admin)));
    assert!(world.authority.credential_counts(&fork.named(0)), "it counts as a statement, and is at its end");
    let old_feed = vec![
        member(1, Role::Writer, None),
        has_device(CredentialId::here(0), 1, device(1)),
        has_feed(CredentialId::here(1), 1, EntryKind::Control),
    ];
    let (_, result) = world.say(&removes, old_feed);
    assert_eq!(result.err(), Some(Reason::KnownFeed { number: 2, feed: control_key(1).public() }));
    let (again, result) = {
        let said = control(0, genesis.named(2), &[&removes], admission_in(1, Role::Writer, None, 2));
        let result = world.take(&said);
        (said, result)
    };
    assert!(result.is_ok());
    assert_eq!(world.role(1), Some(Role::Writer));
    assert!(!world.counts(&third), "nothing withdrawn revives");
    let stints = world.authority.stints(&world.graph);
    let own: Vec<_> = stints.iter().filter(|stint| stint.member == identity(1)).collect();
    assert_eq!(own.len(), 3);
    assert_eq!(
        own.iter().filter(|stint| stint.until.is_none()).map(|stint| stint.id).collect::<Vec<_>>(),
        [again.named(0)]
    );
}

#[test]
fn a_change_of_role_is_a_new_stint_whose_feeds_bring_themselves_in() {
    let (mut world, _, admits) = with_second(Role::Writer);
    let writes = world.taken(data(1, &[&admits]));
    let change = Credential::RoleChange {
        member: identity(1),
        role: Role::Admin,
        name: "Béla".to_owned(),
        cuts: up_to(&[&writes]),
    };
    let (changes, result) = world.say(&admits, vec![change]);
    assert!(result.is_ok());
    assert_eq!(world.role(1), Some(Role::Admin));
    assert_eq!(
        world.authority.role_of_device(&device(1), &world.graph),
        None,
        "it is to come back by itself"
    );
    assert_eq!(world.authority.notices(&device(1), &world.graph), [changes.id()]);
    let late = world.taken(data(1, &[&writes]));
    assert!(!world.counts(&late));
    let own = world.authority.standing_of(&identity(1), &device(1), &world.graph);
    assert_eq!((own.len(), own[0].id, own[0].role, own[0].device), (1, changes.named(0), Role::Admin, None));

    let come_back = |stint| {
        vec![
            has_device(stint, 1, device(1)),
            has_feed_in(CredentialId::here(0), 1, EntryKind::Control, 1),
            has_feed_in(CredentialId::here(0), 1, EntryKind::Data, 1),
            member(2, Role::Reader, None),
        ]
    };
    let first = |under, causes: &[&Said], credentials| {
        say(&control_key_in(1, 1), EntryKind::Control, causes, body(Some(under), credentials))
    };
    let here = CredentialId::here;
    let old_stint = first(here(1), &[&changes], come_back(admits.named(0)));
    assert_eq!(
        world.take(&old_stint),
        Err(Reason::NotAdmitted("control")),
        "it names its stint among its causes"
    );
    let old_stint = first(here(1), &[&changes, &admits], come_back(admits.named(0)));
    assert_eq!(world.take(&old_stint), Err(Reason::Withdrawn { by: changes.id() }));
    let enters = world.taken(first(here(1), &[&changes], come_back(changes.named(0))));
    assert_eq!(world.role(2), Some(Role::Reader), "it acts as an admin at once");
    let data = say(&data_key_in(1, 1), EntryKind::Data, &[&enters], body(None, Vec::new()));
    let data = world.taken(data);
    assert!(world.counts(&data) && world.counts(&writes));
    assert_eq!(world.authority.role_of_device(&device(1), &world.graph), Some(Role::Admin));
}

#[test]
fn a_device_is_removed_by_another_of_its_member_and_comes_back_by_no_other_word() {
    let (mut world, genesis, admits) = with_second(Role::Admin);
    let (thief, stolen) = (device(1), identity(1));
    let other = SecretKey::from_bytes([97; 32]);
    let feed = |seed: u8| SecretKey::from_bytes([seed; 32]);
    let has = |under, device: &SecretKey, key: &SecretKey| Credential::Feed {
        under,
        member: stolen,
        device: device.public(),
        feed: key.public(),
        kind: EntryKind::Control,
        certificate: certify_feed(key, device, &party(), &stolen, EntryKind::Control),
    };
    let second =
        vec![has_device(admits.named(0), 1, other.public()), has(CredentialId::here(0), &other, &feed(90))];
    let linked = world.taken(control(1, admits.named(2), &[&admits], second));
    let writes = world.taken(data(1, &[&admits, &linked]));
    let remove = Credential::Removal {
        subject: Subject::Device { member: stolen, device: thief },
        cuts: up_to(&[&linked]),
    };
    let by_other = |causes: &[&Said], credentials| {
        say(&feed(90), EntryKind::Control, causes, body(Some(linked.named(1)), credentials))
    };
    let removes = world.taken(by_other(&[&linked], vec![remove]));
    assert!(!world.counts(&writes), "none of its data feed was left");
    assert_eq!(world.role(1), Some(Role::Admin), "the member stays");
    assert_eq!(world.authority.role_of_device(&thief, &world.graph), None);
    assert_eq!(world.authority.role_of_device(&other.public(), &world.graph), Some(Role::Admin));
    // The thief brings itself in: in vain if it knows, and if it claims not to know.
    let itself = |causes: &[&Said], seed: u8| {
        let credentials = vec![
            has_device(admits.named(0), 1, thief),
            has(CredentialId::here(0), &device_key(1), &feed(seed)),
        ];
        say(&feed(seed), EntryKind::Control, causes, body(Some(CredentialId::here(1)), credentials))
    };
    let knowing = world.take(&itself(&[&admits, &removes], 91));
    assert_eq!(knowing, Err(Reason::DeviceRemoved { number: 0, by: removes.id() }));
    let unknowing = world.taken(itself(&[&admits], 92));
    assert!(!world.counts(&unknowing));
    assert_eq!(world.authority.role_of_device(&thief, &world.graph), None);
    // Nor does another admin, who may have been told a tale.
    let tale = vec![has_device(admits.named(0), 1, thief)];
    let tale = control(0, genesis.named(2), &[&admits, &removes], tale);
    assert_eq!(world.take(&tale), Err(Reason::DeviceRemoved { number: 0, by: removes.id() }));
    world.taken(by_other(&[&removes], vec![has_device(admits.named(0), 1, thief)]));
    assert_eq!(world.authority.role_of_device(&thief, &world.graph), Some(Role::Admin));
}

#[test]
fn whoever_is_nobody_ends_nothing() {
    let (mut world, genesis, admits) = with_second(Role::Reader);
    let by_reader = |credential| control(1, admits.named(2), &[&admits], vec![credential]);
    let device = Credential::Removal {
        subject: Subject::Device { member: identity(0), device: device(0) },
        cuts: Cuts::new(),
    };
    for credential in [removal(0, Cuts::new()), device] {
        let not_own = Reason::NotOwn { number: 0, member: identity(0) };
        assert_eq!(world.take(&by_reader(credential)), Err(not_own));
    }
    let change = Credential::RoleChange {
        member: identity(1),
        role: Role::Admin,
        name: String::new(),
        cuts: Cuts::new(),
    };
    assert_eq!(world.take(&by_reader(change)), Err(Reason::NotAdmin { number: 0 }));
    let leaves = world.taken(by_reader(removal(1, Cuts::new())));
    assert!(world.counts(&leaves) && world.role(1).is_none(), "anybody may leave");
    assert_eq!(world.role(0), Some(Role::Admin));
    let _ = genesis;
}

// Recovery (H11).

#[test]
fn the_recovery_is_ended_by_nobody_and_admits_again() {
    let (mut world, genesis, admits) = with_second(Role::Admin);
    let (removes, _) = world.say(&admits, vec![removal(1, Cuts::new())]);
    let blind = world.taken(control(1, admits.named(2), &[&admits], vec![removal(0, Cuts::new())]));
    assert_eq!((world.role(0), world.role(1)), (None, None), "they removed each other");
    assert!([&removes, &blind].iter().all(|said| world.authority.takes_effect(&said.named(0))));
    let recovery = genesis.named(4);
    let feed = control_key_in(RECOVERY, 0);
    let first = |credentials: Vec<Credential>| {
        let own = vec![
            has_device(recovery, RECOVERY, device(RECOVERY)),
            has_feed(CredentialId::here(0), RECOVERY, EntryKind::Control),
        ];
        let body = body(Some(CredentialId::here(1)), [own, credentials].concat());
        say(&feed, EntryKind::Control, &[&genesis, &removes, &blind], body)
    };
    let writes = first(vec![has_feed(CredentialId::here(0), RECOVERY, EntryKind::Data)]);
    assert_eq!(world.take(&writes), Err(Reason::Recovery { number: 2 }));
    let recovers =
        world.taken(first(admission_in(0, Role::Admin, None, 1).into_iter().map(later_by_two).collect()));
    assert_eq!((world.role(0), world.role(1)), (Some(Role::Admin), None));
    for credential in [
        removal(RECOVERY, Cuts::new()),
        Credential::RoleChange {
            member: identity(RECOVERY),
            role: Role::Reader,
            name: String::new(),
            cuts: Cuts::new(),
        },
        Credential::Removal {
            subject: Subject::Device { member: identity(RECOVERY), device: device(RECOVERY) },
            cuts: Cuts::new(),
        },
        member(RECOVERY, Role::Reader, None),
    ] {
        let under = recovers.named(4);
        let said =
            say(&control_key_in(0, 1), EntryKind::Control, &[&recovers], body(Some(under), vec![credential]));
        assert_eq!(world.take(&said), Err(Reason::Recovery { number: 0 }));
    }
}

/// The same credential two places further down in a body.
fn later_by_two(credential: Credential) -> Credential {
    let shift =
        |id: CredentialId| CredentialId { number: id.number + 2 * u32::from(id.entry.is_none()), ..id };
    match credential {
        Credential::Device { under, member, device, certificate } => {
            Credential::Device { under: shift(under), member, device, certificate }
        }
        Credential::Feed { under, member, device, feed, kind, certificate } => {
            Credential::Feed { under: shift(under), member, device, feed, kind, certificate }
        }
        other => other,
    }
}

// Forks (H5).

#[test]
fn a_proven_fork_closes_its_feed_at_the_heads_of_whoever_proves_it() {
    let (mut world, _, admits) = with_second(Role::Writer);
    let (reader, _) = world.say(&admits, admission(2, Role::Reader, None));
    let first = world.taken(data(1, &[&admits]));
    let one = world.taken(data(1, &[&first]));
    let other = world.taken(data(1, &[&first, &reader]));
    let unseen = world.taken(data(1, &[&one]));
    assert!([&first, &one, &other, &unseen].iter().all(|said| world.counts(said)), "both branches count");
    let prove = |one: &Entry, other: &Entry, last: &[Cid]| {
        let proof = ForkProof::of(one.clone(), other.clone(), last.iter().copied().collect());
        let proof = Credential::ForkProof(Box::new(proof));
        control(2, reader.named(2), &[&reader], vec![proof])
    };
    for pair in [(&one.entry, &one.entry), (&first.entry, &one.entry)] {
        let said = prove(pair.0, pair.1, &[]);
        assert_eq!(world.take(&said), Err(Reason::Fork { number: 0, source: ForkError::NotAFork }));
    }
    let mut bytes = one.entry.encode();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    let forged = Entry::decode_stored(&bytes).unwrap_or_else(|_| unreachable!("its form is good"));
    let result = world.take(&prove(&forged, &other.entry, &[]));
    assert_eq!(result, Err(Reason::Fork { number: 0, source: ForkError::BadSignature(one.id()) }));
    let proves = world.taken(prove(&one.entry, &other.entry, &[one.id(), other.id()]));
    assert!([&first, &one, &other].iter().all(|said| world.counts(said)) && !world.counts(&unseen));
    let knowing = data(1, &[&one, &proves]);
    assert_eq!(world.judge(&knowing), Err(Reason::Withdrawn { by: proves.id() }));
    assert_eq!(world.role(1), Some(Role::Writer), "the member stays, and takes a new feed");
}

// What a backdated removal can do (H11).

#[test]
fn a_backdated_removal_hits_its_own_removers_at_most() {
    let (mut world, genesis, admits) = with_second(Role::Admin);
    let (third, _) = world.say(&admits, admission(2, Role::Admin, None));
    let (removes, _) = world.say(&third, vec![removal(1, Cuts::new())]);
    let strikes =
        |person| control(1, admits.named(2), &[&admits, &third], vec![removal(person, Cuts::new())]);
    let bystander = world.taken(strikes(2));
    assert!(!world.authority.takes_effect(&bystander.named(0)));
    assert_eq!(world.role(2), Some(Role::Admin), "who did not remove it is not hit");
    let remover = world.taken(control(1, admits.named(2), &[&bystander], vec![removal(0, Cuts::new())]));
    assert!([&remover, &removes].iter().all(|said| world.authority.takes_effect(&said.named(0))));
    assert_eq!((world.role(0), world.role(1)), (None, None));
    let _ = genesis;
}
