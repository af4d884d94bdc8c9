//! Invitations: good once, for a while, and for whom they are meant; resumed wherever they broke; and what guessers,
//! liars and crashes make of them: nothing.

use std::sync::Arc;

use crate::common::{Peer, Remembering, assert_sound, converse, seal_key, talk_all};
use motet::authority::greeting::OfferKind;
use motet::authority::invitation::ATTEMPTS;
use motet::authority::{Denial, Greeting, Handle, InvitationCode, InvitationLink, InvitationWords, Role};
use motet::fact::{PublicKey, SecretKey};
use motet::{Database, Doorkeeper, Error, Guest, InvitationState, Linking, Next};
use motet_store::MemoryStore;
use motet_store::testing::Chance;
use proptest::prelude::*;

const BINDING: [u8; 32] = [4; 32];

fn denied(outcome: Result<(), Error>) -> Denial {
    match outcome.unwrap_err() {
        Error::Denied(denial) => denial,
        error => panic!("{error}"),
    }
}

fn meet(guest: &Peer, code: &InvitationCode, host: &Peer) -> Result<(), Error> {
    guest.database.join(code).meet(&host.database)
}

fn states(peer: &Peer, party: &PublicKey) -> Vec<InvitationState> {
    peer.party(party).invitations().unwrap().into_iter().map(|info| info.state).collect()
}

fn founded() -> (Peer, PublicKey) {
    let ada = Peer::new("Ada", 1);
    let party = ada.database.create_party("Home").unwrap().key();
    (ada, party)
}

/// EC-26, EC-43: by a link and by words.
#[test]
fn an_invitation_is_good_once_for_a_while_and_here() {
    let (mut ada, party) = founded();
    let (ben, cleo, dan) = (Peer::new("Ben", 2), Peer::new("Cleo", 3), Peer::new("Dan", 4));
    let link = ada.party(&party).invite(Role::Writer, i64::MAX, Vec::new()).unwrap();
    let words = ada.party(&party).invite_by_words(Role::Reader, i64::MAX).unwrap();
    let (link_code, words_code) = (InvitationCode::Link(link.clone()), InvitationCode::Words(words));

    assert_eq!(denied(meet(&ben, &link_code, &dan)), Denial::Unknown, "another device knows nothing of it");
    assert_eq!(denied(meet(&ben, &words_code, &dan)), Denial::Unknown);
    let wrong = InvitationLink { secret: [1; 16], ..link.clone() };
    let wrong = denied(meet(&ben, &InvitationCode::Link(wrong), &ada));
    assert_eq!(wrong, Denial::WrongCode { left: ATTEMPTS - 1 });
    let other = InvitationWords::new(words.nameplate, [9; 6]);
    let wrong = denied(meet(&ben, &InvitationCode::Words(other), &ada));
    assert_eq!(wrong, Denial::WrongCode { left: ATTEMPTS - 1 });
    assert_eq!(ada.party(&party).members().len(), 1, "nobody got in");

    meet(&ben, &link_code, &ada).unwrap();
    ada.reopen();
    meet(&cleo, &words_code, &ada).unwrap();
    assert_eq!(denied(meet(&dan, &link_code, &ada)), Denial::Used);
    ada.reopen();
    assert_eq!(denied(meet(&dan, &words_code, &ada)), Denial::Used);
    let roles: Vec<Role> = [&ben, &cleo]
        .map(|peer| ada.party(&party).members()[&peer.database.profile().identity].role)
        .to_vec();
    assert_eq!(roles, [Role::Writer, Role::Reader]);
    assert_eq!(states(&ada, &party), [InvitationState::Used; 2]);

    let late = InvitationCode::Words(ada.party(&party).invite_by_words(Role::Writer, 5).unwrap());
    assert_eq!(denied(meet(&dan, &late, &ada)), Denial::Expired);
    // A name on both sides, and what is written arrives.
    talk_all(&[&ada.database, &ben.database, &cleo.database]);
    for peer in [&ada, &ben, &cleo] {
        let names: Vec<String> =
            peer.party(&party).members().into_values().map(|member| member.name).collect();
        assert!(["Ada", "Ben", "Cleo"].iter().all(|name| names.contains(&(*name).to_owned())), "{names:?}");
        assert_sound(&peer.party(&party));
    }
}

/// Each answer is a guess, counted before it is given; there are five, and a restart gives no more.
#[test]
fn a_code_can_be_guessed_at_five_times() {
    let (mut ada, party) = founded();
    let eve = Peer::new("Eve", 2);
    let words = ada.party(&party).invite_by_words(Role::Admin, i64::MAX).unwrap();
    for guess in 1..=ATTEMPTS {
        let wrong = InvitationCode::Words(InvitationWords::new(words.nameplate, [guess as u8; 6]));
        assert_eq!(denied(meet(&eve, &wrong, &ada)), Denial::WrongCode { left: ATTEMPTS - guess });
        ada.reopen();
    }
    assert_eq!(denied(meet(&eve, &InvitationCode::Words(words), &ada)), Denial::TooManyAttempts);
    assert_eq!(states(&ada, &party), [InvitationState::Exhausted]);
    assert_eq!(ada.party(&party).members().len(), 1);
    let next = ada.party(&party).invite_by_words(Role::Admin, i64::MAX).unwrap();
    meet(&eve, &InvitationCode::Words(next), &ada).unwrap();
}

/// A guesser that never confirms, or confirms nonsense, has used up its guess all the same.
#[test]
fn who_hangs_up_has_guessed() {
    let (ada, party) = founded();
    let words = ada.party(&party).invite_by_words(Role::Admin, i64::MAX).unwrap();
    let mallory = SecretKey::from_bytes([6; 32]).public();
    let knock = |seed: u8| {
        let (_, knock) = motet::authority::greeting::Knocking::begin(
            &InvitationCode::Words(InvitationWords::new(words.nameplate, [seed; 6])),
            [seed; 32],
        );
        knock.encode()
    };
    for guess in 0..ATTEMPTS {
        let mut door = ada.database.receive(mallory, BINDING);
        let answer = Greeting::decode(&door.hear(&knock(guess as u8))).unwrap();
        assert!(matches!(answer, Greeting::Answer { left, .. } if left == ATTEMPTS - 1 - guess));
        if guess % 2 == 0 {
            let nonsense = Greeting::Confirm { confirmation: vec![7; 32] }.encode();
            let answer = Greeting::decode(&door.hear(&nonsense)).unwrap();
            assert!(matches!(answer, Greeting::No(Denial::WrongCode { .. })));
            assert!(door.is_over());
            // A second try on the same exchange is out of turn.
            let again = Greeting::decode(&door.hear(&nonsense)).unwrap();
            assert!(matches!(again, Greeting::No(Denial::OutOfTurn(_))));
        }
    }
    let mut door = ada.database.receive(mallory, BINDING);
    let answer = Greeting::decode(&door.hear(&knock(1))).unwrap();
    assert_eq!(answer, Greeting::No(Denial::TooManyAttempts));
}

/// A guest, and how much of the talk came through before the wire broke or a side was killed.
fn break_off(
    guest: &mut Guest<'_>,
    door: &mut Doorkeeper,
    host: PublicKey,
    steps: usize,
) -> Option<Result<Next, Error>> {
    let mut said = guest.begin(host, BINDING).unwrap();
    for step in 0..steps {
        let answer = door.hear(&said);
        if step + 1 == steps {
            return None; // the answer is lost
        }
        match guest.hear(&answer) {
            Ok(Next::Say(next)) => said = next,
            end => return Some(end),
        }
    }
    None
}

/// Wherever the talk breaks, whichever side is killed: the same code goes on, no guess is lost to it twice, and one
/// member comes of it.
#[test]
fn what_broke_off_anywhere_goes_on() {
    for steps in 0..5 {
        for killed in 0..3 {
            let (mut ada, party) = founded();
            let mut ben = Peer::new("Ben", 2);
            let code =
                InvitationCode::Words(ada.party(&party).invite_by_words(Role::Writer, i64::MAX).unwrap());
            let host = ada.database.profile().device;
            for _ in 0..7 {
                let mut door = ada.database.receive(ben.database.profile().device, BINDING);
                break_off(&mut ben.database.join(&code), &mut door, host, steps);
                if killed == 1 {
                    ada.reopen();
                }
                if killed == 2 {
                    ben.reopen();
                }
            }
            let outcome = meet(&ben, &code, &ada);
            let story = format!("after {steps} steps, side {killed} killed");
            match steps {
                // Seven knocks without a confirmation are two too many.
                1 => assert_eq!(denied(outcome), Denial::TooManyAttempts, "{story}"),
                _ => outcome.unwrap_or_else(|error| panic!("{story}: {error}")),
            }
            let members = if steps == 1 { 1 } else { 2 };
            assert_eq!(ada.party(&party).members().len(), members, "{story}");
            converse(&ada.database, &ben.database);
            if steps != 1 {
                assert_eq!(ben.party(&party).own_role(), Some(Role::Writer), "{story}");
                assert!(matches!(meet(&Peer::new("Cleo", 5), &code, &ada), Err(Error::Denied(Denial::Used))));
            }
        }
    }
}

/// The same for a device that is being linked: it has no database yet, only its keys.
#[test]
fn a_linking_that_broke_off_anywhere_goes_on() {
    for steps in 0..4 {
        let (ada, _) = founded();
        let words = ada.database.link_device_by_words(i64::MAX).unwrap();
        let code = InvitationCode::Words(words);
        let store = Arc::new(MemoryStore::new());
        let begin = || {
            let world = Arc::new(Remembering::new(2));
            Linking::begin_on(store.clone(), seal_key(), "phone", world).unwrap()
        };
        let first = begin();
        let device = first.device_key().public();
        let mut door = ada.database.receive(device, BINDING);
        break_off(&mut first.join(&code), &mut door, ada.database.profile().device, steps);
        drop(first);
        let second = begin();
        assert_eq!(second.device_key().public(), device, "it goes on with its keys");
        second.join(&code).meet(&ada.database).unwrap();
        let phone = second.finish().unwrap();
        assert_eq!(ada.database.own_devices().unwrap().len(), 2);
        for _ in 0..3 {
            converse(&ada.database, &phone);
        }
        assert_eq!(phone.parties().len(), 1, "after {steps} steps");
    }
}

/// EC-27, EC-44: no code, and not even the device that invited: any admin's, which knows who comes.
#[test]
fn a_contact_is_invited_by_its_identity() {
    let (ada, party) = founded();
    let (ben, cleo, eve) = (Peer::new("Ben", 2), Peer::new("Cleo", 3), Peer::new("Eve", 4));
    ada.admit(&party, &ben, Role::Admin).unwrap();
    converse(&ada.database, &ben.database);
    let id =
        ada.party(&party).invite_identity(&cleo.database.profile().identity, Role::Writer, i64::MAX).unwrap();
    let claim = |guest: &Peer, host: &Peer| guest.database.claim().meet(&host.database);
    assert_eq!(denied(claim(&cleo, &ben)), Denial::NothingForYou, "Ben has not heard of it");
    converse(&ada.database, &ben.database);
    assert_eq!(ben.party(&party).invitations().unwrap().iter().filter(|it| it.id == id).count(), 1);
    assert_eq!(denied(claim(&eve, &ben)), Denial::NothingForYou, "it is for Cleo");
    claim(&cleo, &ben).unwrap();
    claim(&cleo, &ben).unwrap(); // again: nothing is written twice
    let state =
        ben.party(&party).invitations().unwrap().into_iter().find(|info| info.id == id).unwrap().state;
    assert_eq!(state, InvitationState::Used);
    talk_all(&[&ada.database, &ben.database, &cleo.database]);
    assert_eq!(cleo.party(&party).own_role(), Some(Role::Writer));
    let member = ada.party(&party).members()[&cleo.database.profile().identity].clone();
    assert_eq!((member.name.as_str(), member.role), ("Cleo", Role::Writer));
    assert_eq!(cleo.database.contacts().unwrap().len(), 2);
    let again = ada.party(&party).invite_identity(&cleo.database.profile().identity, Role::Admin, i64::MAX);
    assert!(matches!(again, Err(Error::Invitation(_))), "a member is not invited");
    assert_sound(&cleo.party(&party));
}

/// Two admins who don't hear of each other let the same invitee in: it is a member once.
#[test]
fn two_admins_may_redeem_one_personal_invitation() {
    let (ada, party) = founded();
    let (ben, cleo) = (Peer::new("Ben", 2), Peer::new("Cleo", 3));
    ada.admit(&party, &ben, Role::Admin).unwrap();
    converse(&ada.database, &ben.database);
    ada.party(&party).invite_identity(&cleo.database.profile().identity, Role::Writer, i64::MAX).unwrap();
    converse(&ada.database, &ben.database);
    for host in [&ada, &ben] {
        cleo.database.claim().meet(&host.database).unwrap();
    }
    talk_all(&[&ada.database, &ben.database, &cleo.database]);
    for peer in [&ada, &ben, &cleo] {
        assert_eq!(peer.party(&party).members().len(), 3);
        assert_eq!(peer.party(&party).state_hash().unwrap(), ada.party(&party).state_hash().unwrap());
    }
    cleo.party(&party).set(cleo.party(&party).root(), "title", "Cleo was here").unwrap();
    talk_all(&[&ada.database, &ben.database, &cleo.database]);
    assert_eq!(ada.party(&party).name(), "Cleo was here");
}

#[test]
fn an_invitation_can_be_taken_back() {
    let (ada, party) = founded();
    let (ben, cleo) = (Peer::new("Ben", 2), Peer::new("Cleo", 3));
    ada.admit(&party, &ben, Role::Admin).unwrap();
    converse(&ada.database, &ben.database);
    let home = ada.party(&party);
    let words = InvitationCode::Words(home.invite_by_words(Role::Writer, i64::MAX).unwrap());
    let personal = home.invite_identity(&cleo.database.profile().identity, Role::Writer, i64::MAX).unwrap();
    let open: Vec<_> = home
        .invitations()
        .unwrap()
        .into_iter()
        .filter(|info| info.state == InvitationState::Open)
        .map(|info| info.id)
        .collect();
    assert_eq!(open.len(), 2);
    converse(&ada.database, &ben.database);
    ben.party(&party).revoke_invitation(&personal).unwrap();
    converse(&ada.database, &ben.database);
    for id in &open {
        let again = home.revoke_invitation(id);
        assert_eq!(again.is_ok(), *id != personal, "what was taken back is not taken back again");
    }
    assert_eq!(denied(cleo.database.claim().meet(&ada.database)), Denial::NothingForYou);
    assert_eq!(denied(meet(&cleo, &words, &ada)), Denial::Revoked);
    assert_eq!(states(&ada, &party).into_iter().filter(|it| *it == InvitationState::Revoked).count(), 2);
    let unknown = motet::authority::InvitationId([9; 16]);
    assert!(matches!(home.revoke_invitation(&unknown), Err(Error::Invitation(_))));

    // One that links a device is the device's own affair.
    let words = ada.database.link_device_by_words(i64::MAX).unwrap();
    let listed = ada.database.identity_party().invitations().unwrap();
    assert_eq!(listed[0].nameplate, Some(words.nameplate));
    ada.database.identity_party().revoke_invitation(&listed[0].id).unwrap();
    let linking =
        Linking::begin_on(Arc::new(MemoryStore::new()), seal_key(), "x", Arc::new(Remembering::new(9)));
    let refused = linking.unwrap().join(&InvitationCode::Words(words)).meet(&ada.database);
    assert_eq!(denied(refused), Denial::Revoked);
}

#[test]
fn a_personal_invitation_expires_by_the_clock_of_who_redeems_it() {
    let (ada, party) = founded();
    let cleo = Peer::new("Cleo", 3);
    ada.party(&party).invite_identity(&cleo.database.profile().identity, Role::Writer, 5).unwrap();
    assert_eq!(denied(cleo.database.claim().meet(&ada.database)), Denial::NothingForYou);
    assert_eq!(states(&ada, &party), [InvitationState::Expired]);
}

/// Who comes back with its phrase, and has no other device, is let in by whoever is an admin of a party with it.
#[test]
fn a_member_who_lost_all_devices_comes_back_through_an_admin() {
    let (ada, party) = founded();
    let ben = Peer::new("Ben", 2);
    ada.admit(&party, &ben, Role::Writer).unwrap();
    converse(&ada.database, &ben.database);
    ben.party(&party).set(ben.party(&party).root(), "title", "Ben's").unwrap();
    converse(&ada.database, &ben.database);
    let phrase = ben.database.phrase().unwrap().unwrap();
    drop(ben);
    let again = Database::recover_on(
        Arc::new(MemoryStore::new()),
        seal_key(),
        "Ben",
        &phrase,
        Arc::new(Remembering::new(7)),
    )
    .unwrap();
    again.claim().meet(&ada.database).unwrap();
    for _ in 0..3 {
        converse(&ada.database, &again);
    }
    let home = again.party(&party).unwrap();
    assert_eq!((home.own_role(), home.name().as_str()), (Some(Role::Writer), "Ben's"));
    assert_eq!(home.members().len(), 2, "it is the same member");
    assert_eq!(again.party_list().unwrap().len(), 1, "and its identity party knows");
    home.set(home.root(), "title", "back").unwrap();
    converse(&ada.database, &again);
    assert_eq!(ada.party(&party).name(), "back");
}

/// What a liar says in a claim or a request.
#[test]
fn papers_of_others_open_no_door() {
    let (ada, party) = founded();
    let (cleo, mallory) = (Peer::new("Cleo", 3), Peer::new("Mallory", 4));
    ada.party(&party).invite_identity(&cleo.database.profile().identity, Role::Admin, i64::MAX).unwrap();
    let cleos = cleo.database.profile();
    let mallorys = mallory.database.profile();
    let hear =
        |door: &mut Doorkeeper, greeting: Greeting| Greeting::decode(&door.hear(&greeting.encode())).unwrap();
    let claim = Greeting::Claim { identity: cleos.identity, certificate: cleos.certificate };
    // Cleo's certificate, overheard, from Mallory's device; and Mallory's own certificate for Cleo's identity.
    let mut door = ada.database.receive(mallorys.device, BINDING);
    assert_eq!(hear(&mut door, claim.clone()), Greeting::No(Denial::BadCertificate));
    let mut door = ada.database.receive(mallorys.device, BINDING);
    let forged = Greeting::Claim { identity: cleos.identity, certificate: mallorys.certificate };
    assert_eq!(hear(&mut door, forged), Greeting::No(Denial::BadCertificate));

    // Cleo's device, but another's papers, or another's name on them, or what was not offered.
    let request = |peer: &Peer| {
        let follow = peer.database.follow(&party).unwrap();
        let mut guest = peer.database.claim();
        guest.begin(ada.database.profile().device, BINDING).unwrap();
        let mut door = ada.database.receive(peer.database.profile().device, BINDING);
        let offers = door.hear(&claim_of(peer));
        drop(follow);
        match guest.hear(&offers) {
            Ok(Next::Say(request)) => match Greeting::decode(&request).unwrap() {
                Greeting::Request(request) => *request,
                other => panic!("{}", other.name()),
            },
            other => panic!("{other:?}"),
        }
    };
    let honest = request(&cleo);
    let mut others = Vec::new();
    let mut changed = honest.clone();
    changed.identity = mallorys.identity;
    others.push((changed, Denial::BadCertificate));
    let mut changed = honest.clone();
    changed.papers.device = mallorys.device;
    others.push((changed, Denial::BadCertificate));
    let mut changed = honest.clone();
    changed.certificate = None;
    others.push((changed, Denial::BadCertificate));
    let mut changed = honest.clone();
    changed.party = ada.database.profile().identity;
    others.push((changed, Denial::NotOffered));
    let mut changed = honest.clone();
    (changed.kind, changed.invitation) = (OfferKind::OwnDevice, None);
    others.push((changed, Denial::NotOffered));
    for (lie, denial) in others {
        let mut door = ada.database.receive(cleos.device, BINDING);
        assert!(matches!(hear(&mut door, claim.clone()), Greeting::Offers(_)));
        assert_eq!(hear(&mut door, Greeting::Request(Box::new(lie))), Greeting::No(denial));
    }
    assert_eq!(ada.party(&party).members().len(), 1, "nobody got in");
    let mut door = ada.database.receive(cleos.device, BINDING);
    hear(&mut door, claim);
    assert!(matches!(hear(&mut door, Greeting::Request(Box::new(honest))), Greeting::Welcome(_)));
}

fn claim_of(peer: &Peer) -> Vec<u8> {
    let profile = peer.database.profile();
    Greeting::Claim { identity: profile.identity, certificate: profile.certificate }.encode()
}

/// A host that is none: what it offers to a guest comes to nothing.
#[test]
fn a_guest_believes_no_host_without_the_code() {
    let (ada, party) = founded();
    let ben = Peer::new("Ben", 2);
    let code = InvitationCode::Words(ada.party(&party).invite_by_words(Role::Writer, i64::MAX).unwrap());
    let host = ada.database.profile().device;
    let heard = |greeting: Greeting| {
        let mut guest = ben.database.join(&code);
        guest.begin(host, BINDING).unwrap();
        denied(guest.hear(&greeting.encode()).map(|_| ()))
    };
    let answer = Greeting::Answer { message: vec![0x42; 33], confirmation: vec![1; 32], left: 2 };
    assert_eq!(heard(answer), Denial::WrongCode { left: 2 });
    assert!(matches!(heard(Greeting::Offers(Vec::new())), Denial::OutOfTurn(_)));
    assert!(matches!(heard(Greeting::Resume { handle: Handle::Nameplate(1) }), Denial::OutOfTurn(_)));
    assert_eq!(heard(Greeting::No(Denial::Expired)), Denial::Expired);
    assert_eq!(ben.database.parties().len(), 0, "no party was prepared");
}

/// Somebody between two channels passes every word on unchanged: both sides see a wrong code.
#[test]
fn nobody_sits_between() {
    let (ada, party) = founded();
    let ben = Peer::new("Ben", 2);
    let eve = SecretKey::from_bytes([6; 32]).public();
    let code = InvitationCode::Words(ada.party(&party).invite_by_words(Role::Admin, i64::MAX).unwrap());
    let mut guest = ben.database.join(&code);
    let mut door = ada.database.receive(eve, [1; 32]);
    let knock = guest.begin(eve, [2; 32]).unwrap();
    let answer = door.hear(&knock);
    assert!(matches!(denied(guest.hear(&answer).map(|_| ())), Denial::WrongCode { .. }));
    assert_eq!(ada.party(&party).members().len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    /// Nonsense, real greetings out of order, and greetings with changed bytes: neither end panics, and nobody gets in.
    #[test]
    fn neither_end_panics_and_nobody_gets_in(seed in any::<u64>()) {
        let mut chance = Chance(seed);
        let (ada, party) = founded();
        let ben = Peer::new("Ben", 2);
        let words = ada.party(&party).invite_by_words(Role::Admin, i64::MAX).unwrap();
        let wrong = InvitationCode::Words(InvitationWords::new(words.nameplate, [1; 6]));
        let (_, knock) = motet::authority::greeting::Knocking::begin(&wrong, [1; 32]);
        let confirm = Greeting::Confirm { confirmation: vec![3; 32] };
        let resume = Greeting::Resume { handle: Handle::Nameplate(words.nameplate) };
        let greetings = [knock.encode(), confirm.encode(), resume.encode(), claim_of(&ben)];
        let pool = [greetings.as_slice(), &[Vec::new(), vec![0xff; 9]]].concat();
        for _ in 0..12 {
            let mut door = ada.database.receive(ben.database.profile().device, BINDING);
            for _ in 0..4 {
                let mut bytes = pool[chance.below(pool.len() as u64) as usize].clone();
                if chance.below(2) == 0 && !bytes.is_empty() {
                    let at = chance.below(bytes.len() as u64) as usize;
                    bytes[at] ^= 1 << chance.below(8);
                }
                let answer = door.hear(&bytes);
                prop_assert!(Greeting::decode(&answer).is_ok());
                let mut guest = ben.database.join(&wrong);
                guest.begin(ada.database.profile().device, BINDING).unwrap();
                let _ = guest.hear(&bytes);
                let _ = guest.hear(&answer);
            }
        }
        prop_assert_eq!(ada.party(&party).members().len(), 1);
        prop_assert_eq!(ada.database.own_devices().unwrap().len(), 1);
    }
}
