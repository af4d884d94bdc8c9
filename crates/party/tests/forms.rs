//! Bodies, invitation codes and papers: round trips, and hostile bytes.

use std::collections::BTreeSet;

use crate::common::{
    admission, body, control_key, data_key, device, device_key, forged, found, genesis_of, identity,
    invitation, party, removal, say,
};
use motet_fact::Digest;
use motet_feed::EntryKind;
use motet_party::{
    BodyError, CodeError, ControlBody, Credential, CredentialId, Cuts, ForkProof, Handle, InvitationCode,
    InvitationLink, InvitationWords, Papers, Role, Subject, decode_body, encode_body,
};
use proptest::prelude::*;

fn all_credentials() -> Vec<Credential> {
    let genesis = found();
    let write = |causes: &[_]| say(&data_key(0), EntryKind::Data, causes, body(None, Vec::new()));
    let (one, other) = (write(&[&genesis]), write(&[]));
    let last = BTreeSet::from([one.id(), other.id()]);
    let cuts = Cuts::from([(data_key(0).public(), last.clone()), (control_key(0).public(), BTreeSet::new())]);
    let mut all = vec![genesis_of(0)];
    all.extend(admission(1, Role::Admin, Some(genesis.named(3))));
    all.extend(admission(2, Role::Reader, None));
    all.push(Credential::Invitation { id: invitation(7), role: Role::Writer, expires: -1 });
    all.push(Credential::PersonalInvitation {
        id: invitation(8),
        role: Role::Reader,
        invitee: identity(3),
        expires: i64::MAX,
    });
    all.push(removal(1, cuts.clone()));
    let subject = Subject::Device { member: identity(1), device: device(1) };
    all.push(Credential::Removal { subject, cuts: Cuts::new() });
    all.push(Credential::RoleChange {
        member: identity(2),
        role: Role::Writer,
        name: "Béla".to_owned(),
        cuts,
    });
    all.push(Credential::Revocation { invitation: CredentialId::here(9) });
    all.push(Credential::ForkProof(Box::new(ForkProof::of(one.entry, other.entry, last))));
    all
}

fn all_said() -> ControlBody {
    ControlBody { written_at: 1, under: Some(found().named(2)), credentials: all_credentials() }
}

fn code() -> InvitationLink {
    InvitationLink {
        party: party(),
        invitation: invitation(3),
        secret: [5; 16],
        issuer_device: device(0),
        addresses: vec!["192.0.2.1:7000".to_owned(), "wss://hub.example/motet".to_owned()],
    }
}

#[test]
fn bodies_read_back() {
    let credentials = all_credentials();
    for written_at in [0, i64::MIN, i64::MAX] {
        for under in [None, Some(CredentialId::here(3)), Some(found().named(2))] {
            let body = ControlBody { written_at, under, credentials: credentials.clone() };
            assert_eq!(decode_body(&encode_body(&body)), Ok(body));
        }
    }
    assert_eq!(decode_body(&[]).map(|body| body.credentials), Ok(Vec::new()));
}

/// Lists that stand for sets ascend strictly: what one replica reads, all do.
#[test]
fn cuts_are_sets() {
    let twice = |number: u8, bytes: &[u8]| {
        let field = [&[number << 3 | 2, bytes.len() as u8], bytes].concat();
        [field.as_slice(), &field].concat()
    };
    let key = [&[1 << 3 | 2, 32], identity(0).as_bytes().as_slice()].concat();
    let cut = twice(3, &key);
    let id = found().id();
    let last = twice(2, id.as_bytes());
    let ids = [&[3 << 3 | 2, (key.len() + last.len()) as u8], key.as_slice(), &last].concat();
    for cuts in [cut, ids] {
        let removal = [key.as_slice(), &cuts].concat();
        let read = decode_body(&credential_numbered(6, &removal)).expect_err("a fault");
        assert!(matches!(read, BodyError::Field { number: 0, what } if what.contains("ascending")), "{read}");
    }
}

/// A body with one credential of a number, with these bytes.
fn credential_numbered(number: u8, bytes: &[u8]) -> Vec<u8> {
    let framed = |number: u8, bytes: &[u8]| {
        let length = [(bytes.len() & 0x7f | 0x80) as u8, (bytes.len() >> 7) as u8];
        [&[number << 3 | 2], length.as_slice(), bytes].concat()
    };
    framed(2, &framed(number, bytes))
}

#[test]
fn what_is_later_is_held_and_what_is_wrong_is_refused() {
    for number in [10, 12, 15] {
        let read = decode_body(&credential_numbered(number, &[]));
        assert_eq!(read, Err(BodyError::UnknownCredential { number: 0 }));
        assert!(read.is_err_and(|error| error.is_later()));
    }
    let known = vec![Credential::Invitation { id: invitation(1), role: Role::Reader, expires: 0 }];
    let known = encode_body(&ControlBody { written_at: 0, under: None, credentials: known });
    let both = [known.as_slice(), &credential_numbered(12, &[])].concat();
    assert_eq!(decode_body(&both), Err(BodyError::UnknownCredential { number: 1 }));
    let id_then = |role: u8| [&[1 << 3 | 2, 16], [1; 16].as_slice(), &[2 << 3, role]].concat();
    assert!(decode_body(&credential_numbered(5, &id_then(3))).is_ok());
    let later_role = decode_body(&credential_numbered(5, &id_then(4)));
    assert_eq!(later_role, Err(BodyError::UnknownCredential { number: 0 }));
    let no_role = decode_body(&credential_numbered(5, &id_then(0))).expect_err("a fault");
    assert!(matches!(no_role, BodyError::Field { number: 0, .. }) && !no_role.is_later());
    let no_key = decode_body(&credential_numbered(2, &[])).expect_err("a fault");
    assert!(matches!(no_key, BodyError::Field { number: 0, .. }));
    assert!(matches!(decode_body(&[0xff]), Err(BodyError::Malformed(_))));
}

#[test]
fn codes_read_back() {
    let text = code().to_string();
    assert_eq!(text.parse(), Ok(code()));
    assert!(text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{text}");
    let broken: String =
        text.to_uppercase().as_bytes().chunks(5).map(|five| String::from_utf8_lossy(five) + "-\n").collect();
    assert_eq!(broken.parse(), Ok(code()));
    assert!(!format!("{:?}", code()).contains("5, 5"), "a secret is not printed");
    let bare = InvitationLink { addresses: Vec::new(), ..code() };
    assert_eq!(bare.to_string().parse(), Ok(bare));
}

#[test]
fn words_read_back() {
    let words = InvitationWords::new(7, [0, 0, 1, 0, 255, 7]);
    assert_eq!(words.to_string(), "7-abandon-ability-zoo");
    for text in ["7-abandon-ability-zoo", " 7 ABANDON\nability  zoo ", "7-aban-abil-zoo"] {
        assert_eq!(text.parse(), Ok(InvitationCode::Words(words)), "{text}");
    }
    let code = InvitationCode::Words(words);
    assert_eq!((code.handle(), code.password()), (Handle::Nameplate(7), b"abandon-ability-zoo".to_vec()));
    assert!(!format!("{code:?}").contains("zoo"), "a secret is not printed");
    let read = |text: &str| text.parse::<InvitationCode>().expect_err("not a code");
    for text in [
        "",
        "7",
        "7-abandon-ability",
        "7-abandon-ability-zoo-zoo",
        "abandon-ability-zoo",
        "70000-zoo-zoo-zoo",
    ] {
        assert_eq!(read(text), CodeError::NotACode, "{text}");
    }
    assert_eq!(read("7-abandon-abilty-zoo"), CodeError::UnknownWord { place: 2 });
    let link = InvitationLink { addresses: Vec::new(), ..self::code() };
    assert_eq!(link.to_string().parse(), Ok(InvitationCode::Link(link)));
}

#[test]
fn a_wrong_letter_is_noticed_wherever_it_is() {
    let text = code().to_string();
    for at in 0..text.len() {
        let other = if &text[at..=at] == "a" { "b" } else { "a" };
        let wrong = [&text[..at], other, &text[at + 1..]].concat();
        assert_eq!(wrong.parse::<InvitationLink>(), Err(CodeError::Mistyped));
        assert_eq!(text[..at].parse::<InvitationLink>(), Err(CodeError::Mistyped));
    }
    assert_eq!("a".repeat(5000).parse::<InvitationLink>(), Err(CodeError::Mistyped));
}

#[test]
fn a_later_code_is_told_from_a_mistyped_one() {
    let bytes = [2, 1, 2, 3];
    let sum = Digest::derive("motet invitation code checksum v1", &[&bytes]);
    let text = base32(&[bytes.as_slice(), &sum.0[..4]].concat());
    assert_eq!(text.parse::<InvitationLink>(), Err(CodeError::UnknownVersion(2)));
    let cut = [1, 1, 2, 3];
    let sum = Digest::derive("motet invitation code checksum v1", &[&cut]);
    let text = base32(&[cut.as_slice(), &sum.0[..4]].concat());
    assert_eq!(text.parse::<InvitationLink>(), Err(CodeError::Mistyped));
}

fn base32(bytes: &[u8]) -> String {
    let bits: Vec<bool> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect();
    let letter = |five: &[bool]| {
        let number =
            (0..5).fold(0, |sum, bit| sum * 2 + usize::from(five.get(bit).copied().unwrap_or(false)));
        char::from(b"abcdefghijklmnopqrstuvwxyz234567"[number])
    };
    bits.chunks(5).map(letter).collect()
}

#[test]
fn a_reader_is_given_no_data_feed() {
    let data_feeds = |role| {
        let is_data =
            |credential: &Credential| matches!(credential, Credential::Feed { kind: EntryKind::Data, .. });
        let papers = Papers::make(&party(), &identity(2), &device_key(2), &control_key(2), &data_key(2));
        let credentials = papers.credentials(found().named(0), identity(2), forged(), role, 1);
        credentials.iter().filter(|credential| is_data(credential)).count()
    };
    assert_eq!([Role::Reader, Role::Writer, Role::Admin].map(data_feeds), [0, 1, 1]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,60}") {
        let _ = decode_body(&bytes);
        let _ = text.parse::<InvitationWords>();
        prop_assert!(text.parse::<InvitationCode>().is_err());
        prop_assert!(base32(&bytes).parse::<InvitationCode>().is_err());
        let sum = Digest::derive("motet invitation code checksum v1", &[&bytes]);
        if let Ok(code) = base32(&[bytes.as_slice(), &sum.0[..4]].concat()).parse::<InvitationLink>() {
            prop_assert_eq!(code.to_string().parse(), Ok(code));
        }
    }

    #[test]
    fn reading_changed_bytes_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
    ) {
        let mut bytes = encode_body(&all_said());
        for (at, byte) in &changes {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        if let Ok(body) = decode_body(&bytes) {
            prop_assert_eq!(decode_body(&encode_body(&body)), Ok(body));
        }
    }
}
