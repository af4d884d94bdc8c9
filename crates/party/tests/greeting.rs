//! Greetings: round trips, hostile bytes, and what whoever sits on the wire can do: nothing.

use crate::common::{
    control_key, data_key, device, device_key, forged, identity, identity_key, invitation, party,
};
use motet_fact::{PublicKey, SecretKey};
use motet_party::greeting::{Answering, Channel, Knocking, OfferKind};
use motet_party::{
    Denial, Greeting, Handle, InvitationCode, InvitationWords, Offer, Papers, Request, Role, Welcome,
    certify_device,
};
use proptest::prelude::*;

fn words() -> InvitationCode {
    InvitationCode::Words(InvitationWords::new(4, [1, 2, 3, 4, 5, 6]))
}

fn other_words() -> InvitationCode {
    InvitationCode::Words(InvitationWords::new(4, [1, 2, 3, 4, 5, 7]))
}

fn channel() -> Channel {
    Channel { guest: device(2), host: device(0), binding: [9; 32] }
}

fn request() -> Request {
    Request {
        kind: OfferKind::Member,
        party: party(),
        invitation: Some(invitation(1)),
        identity: identity(2),
        name: "Béla".to_owned(),
        certificate: Some(certify_device(&identity_key(2), &device(2))),
        papers: Papers::make(&party(), &identity(2), &device_key(2), &control_key(2), &data_key(2)),
    }
}

fn offer(kind: OfferKind) -> Offer {
    Offer {
        kind,
        party: party(),
        invitation: (kind == OfferKind::Member).then(|| invitation(1)),
        role: Role::Writer,
        party_name: "choir".to_owned(),
        host: identity(0),
        host_name: "Ada".to_owned(),
    }
}

fn all() -> Vec<Greeting> {
    let denials = [
        Denial::Unknown,
        Denial::Expired,
        Denial::Revoked,
        Denial::Used,
        Denial::WrongCode { left: 3 },
        Denial::TooManyAttempts,
        Denial::NothingForYou,
        Denial::NotAllowed("a reader admits nobody".to_owned()),
        Denial::BadCertificate,
        Denial::Malformed("it is empty".to_owned()),
        Denial::OutOfTurn("a knock".to_owned()),
        Denial::NotOffered,
        Denial::Failed("the disk is full".to_owned()),
    ];
    let mut all: Vec<Greeting> = denials.into_iter().map(Greeting::No).collect();
    for handle in [Handle::Invitation(invitation(3)), Handle::Nameplate(0), Handle::Nameplate(65_535)] {
        all.push(Greeting::Knock { handle, message: vec![65; 33] });
        all.push(Greeting::Resume { handle });
    }
    let own = Request { kind: OfferKind::OwnDevice, certificate: None, invitation: None, ..request() };
    let kinds = [OfferKind::Member, OfferKind::Device, OfferKind::OwnDevice];
    let welcome = Welcome { party: party(), certificate: None, name: String::new(), recovery: None };
    let own_welcome =
        Welcome { certificate: Some(forged()), name: "Ada".to_owned(), recovery: Some(device(3)), ..welcome };
    all.extend([
        Greeting::Claim { identity: identity(2), certificate: forged() },
        Greeting::Confirm { confirmation: vec![1; 32] },
        Greeting::Request(Box::new(request())),
        Greeting::Request(Box::new(own)),
        Greeting::Answer { message: vec![66; 33], confirmation: vec![2; 32], left: 4 },
        Greeting::Offers(Vec::new()),
        Greeting::Offers(kinds.map(offer).to_vec()),
        Greeting::Welcome(own_welcome),
        Greeting::Welcome(Welcome { party: party(), certificate: None, name: String::new(), recovery: None }),
    ]);
    all
}

#[test]
fn greetings_read_back() {
    for greeting in all() {
        assert_eq!(Greeting::decode(&greeting.encode()), Ok(greeting.clone()), "{}", greeting.name());
    }
    let long = Greeting::No(Denial::Failed("é".repeat(5000)));
    let Ok(Greeting::No(Denial::Failed(words))) = Greeting::decode(&long.encode()) else {
        panic!("what is too long is cut");
    };
    assert_eq!(words, "é".repeat(512));
}

#[test]
fn what_is_no_greeting_is_malformed() {
    let offers = Greeting::Offers(vec![offer(OfferKind::Member); 65]);
    let knock = Greeting::Knock { handle: Handle::Nameplate(9), message: Vec::new() }.encode();
    assert_eq!(knock, [10, 2, 16, 9], "the nameplate's number is the last byte");
    let beyond = [10, 4, 16, 0x80, 0x80, 0x04];
    for bytes in
        [&offers.encode(), &vec![0; 70_000], &vec![0xff], &Vec::new(), &vec![10, 0], &beyond.to_vec()]
    {
        assert!(matches!(Greeting::decode(bytes), Err(Denial::Malformed(_))));
    }
}

/// Runs the exchange under a code as each side sees its channel, and says what each thinks of the other.
fn exchange(guest: (&InvitationCode, Channel), host: (&InvitationCode, Channel), seed: u8) -> (bool, bool) {
    let (knocking, knock) = Knocking::begin(guest.0, [seed; 32]);
    let Greeting::Knock { handle, message } = knock else { panic!("it knocks") };
    let (answering, answer) =
        Answering::begin(&host.1, handle, &host.0.password(), &message, 4, [seed + 1; 32]).expect("a knock");
    let Greeting::Answer { message, confirmation, left } = answer else { panic!("it answers") };
    match knocking.confirm(&guest.1, &message, &confirmation, left) {
        Ok(Greeting::Confirm { confirmation }) => (true, answering.is_confirmed(&confirmation)),
        Ok(_) => panic!("it confirms"),
        Err(denial) => {
            assert_eq!(denial, Denial::WrongCode { left: 4 });
            (false, false)
        }
    }
}

#[test]
fn two_with_one_code_on_one_channel_find_each_other() {
    assert_eq!(exchange((&words(), channel()), (&words(), channel()), 1), (true, true));
    assert_eq!(exchange((&words(), channel()), (&other_words(), channel()), 1), (false, false));
}

/// Somebody who sits between two channels has other device keys, or other bindings, on the two sides: both ends see a
/// wrong code, though all that was said under the code was passed on unchanged.
#[test]
fn nobody_sits_between() {
    let changes: [fn(&mut Channel); 3] =
        [|it| it.guest = device(3), |it| it.host = device(3), |it| it.binding = [8; 32]];
    for change in changes {
        let mut other = channel();
        change(&mut other);
        assert_eq!(exchange((&words(), channel()), (&words(), other), 1), (false, false));
    }
}

#[test]
fn a_word_overheard_is_worth_nothing_in_another_try() {
    let overheard = |seed| {
        let (knocking, knock) = Knocking::begin(&words(), [seed; 32]);
        let Greeting::Knock { handle, message } = knock else { panic!("it knocks") };
        let answer = Answering::begin(&channel(), handle, &words().password(), &message, 4, [seed + 1; 32]);
        let (answering, Greeting::Answer { message, confirmation, left }) = answer.expect("a knock") else {
            panic!("it answers")
        };
        let confirmed = knocking.confirm(&channel(), &message, &confirmation, left).expect("the right code");
        let Greeting::Confirm { confirmation: word } = confirmed else { panic!("it confirms") };
        (answering, confirmation, word)
    };
    let ((first, host_word, guest_word), (second, ..)) = (overheard(1), overheard(50));
    assert!(first.is_confirmed(&guest_word));
    assert!(!second.is_confirmed(&guest_word), "a replay");
    assert!(!first.is_confirmed(&host_word), "a reflection");
    assert!(!first.is_confirmed(&[]) && !first.is_confirmed(&[0; 32]));
    // Nor does the host's half answer another guest's knock.
    let (knocking, _) = Knocking::begin(&words(), [7; 32]);
    assert!(knocking.confirm(&channel(), &[0x42; 33], &host_word, 4).is_err());
}

#[test]
fn each_try_is_one_guess() {
    let right = (&words(), channel());
    let tried = (0..64_u8).filter(|number| {
        let guess = InvitationCode::Words(InvitationWords::new(4, [1, 2, 3, 4, 5, number.wrapping_mul(4)]));
        exchange((&guess, channel()), right, *number).1
    });
    assert_eq!(tried.count(), 0);
}

#[test]
fn a_request_is_the_devices_own() {
    assert_eq!(request().verify(&device(2)), Ok(()));
    let key = |byte| SecretKey::from_bytes([byte; 32]).public();
    let changes: [fn(&mut Request, PublicKey); 8] = [
        |it, key| it.party = key,
        |it, key| it.identity = key,
        |it, _| it.certificate = Some(forged()),
        |it, key| it.papers.device = key,
        |it, key| it.papers.control_feed = key,
        |it, key| it.papers.data_feed = key,
        |it, _| it.papers.control_certificate.device = forged(),
        |it, _| it.papers.data_certificate.feed = forged(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut changed = request();
        change(&mut changed, key(77));
        assert_eq!(changed.verify(&device(2)), Err(Denial::BadCertificate), "change {number}");
    }
    assert_eq!(request().verify(&device(3)), Err(Denial::BadCertificate), "another device's papers");
    let offered = offer(OfferKind::Member);
    assert!(request().takes(&offered));
    assert!(!request().takes(&Offer { party: key(77), ..offered.clone() }));
    assert!(!request().takes(&Offer { invitation: None, ..offered.clone() }));
    assert!(!request().takes(&Offer { kind: OfferKind::Device, ..offered }));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Greeting::decode(&bytes);
        let (knocking, knock) = Knocking::begin(&words(), [1; 32]);
        let Greeting::Knock { handle, .. } = knock else { panic!("it knocks") };
        prop_assert!(knocking.confirm(&channel(), &bytes, &bytes, 0).is_err());
        if let Ok((answering, _)) = Answering::begin(&channel(), handle, b"code", &bytes, 0, [1; 32]) {
            prop_assert!(!answering.is_confirmed(&bytes));
        }
    }

    #[test]
    fn reading_changed_bytes_never_panics(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
    ) {
        let all = all();
        let mut bytes = which.get(&all).encode();
        for (at, byte) in &changes {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        if let Ok(greeting) = Greeting::decode(&bytes) {
            prop_assert_eq!(Greeting::decode(&greeting.encode()), Ok(greeting));
        }
    }
}
