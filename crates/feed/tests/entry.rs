//! The wire form of entries: round trips, a golden vector, and what hostile bytes may not do.

use crate::common::{entry, history, key, party, steps};
use expect_test::expect;
use motet_fact::{Cid, Codec, PublicKey, SecretKey};
use motet_feed::{Draft, Entry, EntryError, EntryKind, PartRef, Tag};
use proptest::prelude::*;

fn golden() -> Entry {
    let causes = [b"one".as_slice(), b"two"].map(|bytes| Cid::of(Codec::Raw, bytes));
    let mut causes = causes.to_vec();
    causes.sort_unstable();
    let draft = Draft {
        party: party(),
        feed: key(7).public(),
        seq: 300,
        kind: EntryKind::Data,
        causes,
        depth: 70_000,
        parts: vec![PartRef::to(Tag([9; 32]), b"a part"), PartRef::to(Tag([8; 32]), b"")],
        key_name: b"key".to_vec(),
    };
    Entry::sign(draft, &key(7))
}

#[test]
fn the_format_is_pinned() {
    let entry = golden();
    expect!["bafkreibdikkywrwlqe7uiiyp7ll37rjvagznpiseounkjnhh4n7q3nwy7y"].assert_eq(&entry.id().to_string());
    let digest = Cid::of(Codec::Raw, &entry.encode());
    expect!["bafkreidqril6noqa3ymb4teciph4m4atskoa2u2g2526ccm3f3velfpbmq"].assert_eq(&digest.to_string());
}

#[test]
fn each_fault_of_form_is_named() {
    let sign = |change: fn(&mut Draft)| {
        let mut draft = golden().header().clone();
        change(&mut draft);
        let made = std::panic::catch_unwind(|| Entry::sign(draft, &key(7)));
        made.expect_err("a writer never makes an entry that readers refuse")
    };
    sign(|draft| draft.causes.reverse());
    sign(|draft| draft.causes = vec![draft.causes[0]; 2]);
    sign(|draft| draft.depth = 0);
    sign(|draft| draft.causes.clear());
    sign(|draft| draft.key_name = vec![0; 65]);
    sign(|draft| draft.parts = vec![draft.parts[0]; 1025]);
    sign(|draft| draft.feed = key(8).public());
    assert!(matches!(Entry::decode(&[0xff; 10]), Err(EntryError::Malformed(_))));
    assert!(matches!(Entry::decode(&vec![0; 300_000]), Err(EntryError::TooLong(300_000))));
}

/// A signed header made by hand from protocol buffer fields: (number, varint) or (number, bytes).
fn forged(fields: &[(u64, Field)]) -> Result<Entry, EntryError> {
    let header = message(fields);
    let signature = key(7).sign(motet_fact::Domain::Entry, &header);
    let signed = message(&[(1, Field::Bytes(header)), (2, Field::Bytes(signature.as_bytes().to_vec()))]);
    Entry::decode(&signed)
}

#[derive(Clone)]
enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

fn message(fields: &[(u64, Field)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, field) in fields {
        match field {
            Field::Number(value) => {
                varint(number << 3, &mut bytes);
                varint(*value, &mut bytes);
            }
            Field::Bytes(value) => {
                varint(number << 3 | 2, &mut bytes);
                varint(value.len() as u64, &mut bytes);
                bytes.extend_from_slice(value);
            }
        }
    }
    bytes
}

fn varint(mut value: u64, bytes: &mut Vec<u8>) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[test]
fn headers_by_other_writers_are_read_or_named() {
    use Field::{Bytes, Number};
    let key_bytes = |key: PublicKey| Bytes(key.as_bytes().to_vec());
    let plain = [
        (1, Number(1)),
        (2, key_bytes(party())),
        (3, key_bytes(key(7).public())),
        (5, Number(2)),
        (7, Number(1)),
    ];
    assert!(forged(&plain).is_ok(), "the fields suffice");
    let with = |number: u64, field: Field| {
        let mut fields = plain.to_vec();
        fields.retain(|(other, _)| *other != number);
        fields.push((number, field));
        forged(&fields).expect_err("a fault")
    };
    assert!(matches!(with(1, Number(2)), EntryError::UnknownVersion { version: 2, .. }));
    assert!(matches!(with(5, Number(3)), EntryError::UnknownKind { kind: 3, .. }));
    assert!(matches!(with(3, Bytes(vec![0; 32])), EntryError::Signature { .. }));
    assert!(matches!(with(2, Bytes(vec![0; 31])), EntryError::Field { .. }));
    assert!(matches!(with(4, Number(1)), EntryError::Field { .. }), "a seq without a backlink");
    assert!(matches!(with(7, Number(2)), EntryError::Field { .. }), "a depth without causes");
    assert!(matches!(with(6, Bytes(vec![1, 2, 3])), EntryError::Field { .. }), "no CID");
    let identity_cid = vec![0x01, 0x55, 0x00, 0x01, 0x61];
    assert!(matches!(with(6, Bytes(identity_cid)), EntryError::Field { .. }), "a CID outside the profile");
    assert!(matches!(with(9, Bytes(vec![0; 65])), EntryError::Field { .. }), "a long key name");
    let part = message(&[(1, Bytes(vec![0; 31])), (2, Bytes(vec![])), (3, Number(0))]);
    assert!(matches!(with(8, Bytes(part)), EntryError::Field { .. }), "a short tag");
}

proptest! {
    #[test]
    fn entries_read_back(steps in steps(6)) {
        for entry in history(&steps) {
            let bytes = entry.encode();
            prop_assert_eq!(Entry::decode(&bytes), Ok(entry.clone()));
            prop_assert_eq!(Entry::decode_stored(&bytes), Ok(entry));
        }
    }

    #[test]
    fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Entry::decode(&bytes).is_err());
        let _ = Entry::decode_stored(&bytes);
    }

    #[test]
    fn a_changed_entry_is_the_same_or_refused(
        steps in steps(4),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for entry in history(&steps) {
            let mut bytes = entry.encode();
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            if let Ok(read) = Entry::decode(&bytes) {
                prop_assert_eq!(&read, &entry, "nobody but its writer makes another valid entry");
            }
            if let Ok(read) = Entry::decode_stored(&bytes) && read.id() == entry.id() {
                prop_assert_eq!(read.header(), entry.header(), "one id, one header");
            }
        }
    }

    #[test]
    fn a_cut_or_lengthened_entry_is_the_same_or_refused(cut in any::<prop::sample::Index>(), more: Vec<u8>) {
        let entry = golden();
        let bytes = entry.encode();
        prop_assert!(Entry::decode(&bytes[..cut.index(bytes.len())]).is_err());
        if let Ok(read) = Entry::decode(&[bytes.as_slice(), &more].concat()) {
            prop_assert_eq!(read, entry);
        }
    }
}

#[test]
fn another_feeds_signature_is_refused() {
    let (entry, other) = (entry(2, None, &[], 0), SecretKey::from_bytes([77; 32]));
    let bytes = entry.encode();
    let header = &bytes[..bytes.len() - 64];
    let signature = other.sign(motet_fact::Domain::Entry, header);
    let forged = [header, signature.as_bytes()].concat();
    assert!(matches!(Entry::decode(&forged), Err(EntryError::Signature { .. })));
    assert!(Entry::decode_stored(&forged).is_ok(), "our own store is not checked twice");
}

#[test]
fn parts_name_their_bytes() {
    let part = PartRef::to(Tag::default(), b"bytes");
    assert!(part.names(b"bytes") && !part.names(b"byte") && !part.names(b"bytez"));
}
