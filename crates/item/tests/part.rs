//! Parts: what is written reads back, what nobody writes is refused, and transactions are split in order.

use motet_fact::{Cid, Codec, Entity, Fact, MAX_CAUSES, MAX_TEXT_BYTES, Value};
use motet_feed::MAX_PART_BYTES;
use motet_item::{PartBody, PartError, split};
use proptest::prelude::*;

fn fact(number: u8, length: usize, causes: usize) -> Fact {
    let causes = (0..causes).map(|cause| Cid::of(Codec::DagCbor, &cause.to_le_bytes())).collect();
    Fact::new(Entity::from([number; 16]), "name".into(), Value::bytes(vec![number; length]), causes).unwrap()
}

#[test]
fn the_longest_fact_fits_a_part() {
    let causes = (0..MAX_CAUSES).map(|cause| Cid::of(Codec::DagCbor, &cause.to_le_bytes())).collect();
    let entity = Entity::new(vec![1; 64]).unwrap();
    let name = "n".repeat(MAX_TEXT_BYTES);
    let longest = Fact::new(entity, name.as_str().into(), Value::text(name.as_str()), causes).unwrap();
    let parts = split(i64::MIN, &[longest.clone(), longest]);
    assert_eq!(parts.len(), 2);
}

#[test]
fn a_refusal_names_the_fact() {
    let mut body = PartBody { written_at: 5, facts: vec![fact(1, 3, 0), fact(2, 3, 1)] }.encode();
    let last = body.len() - 1;
    body[last] ^= 1; // in the second fact's cause: another fact, as good as the first
    assert!(PartBody::decode(&body).is_ok());
    let mut broken = PartBody { written_at: 5, facts: vec![fact(1, 3, 0), fact(2, 3, 0)] }.encode();
    let last = broken.len() - 1;
    broken[last] = 0xff; // the second fact's empty array of causes
    assert!(matches!(PartBody::decode(&broken), Err(PartError::Fact { index: 1, .. })));
}

#[test]
fn later_versions_and_unknown_fields_are_told_apart() {
    let body = PartBody { written_at: 5, facts: vec![fact(1, 3, 0)] }.encode();
    assert_eq!(&body[..2], [0x08, 1], "the version comes first");
    let later = [&[0x08, 2], &body[2..]].concat();
    assert_eq!(PartBody::decode(&later), Err(PartError::UnknownVersion(2)));
    assert_eq!(PartBody::decode(&[]), Err(PartError::UnknownVersion(0)));
    let more = [body.as_slice(), &[0x78, 1]].concat();
    assert_eq!(PartBody::decode(&more), Err(PartError::NotCanonical));
    assert_eq!(PartBody::decode(&vec![0; MAX_PART_BYTES + 1]), Err(PartError::TooLong(MAX_PART_BYTES + 1)));
}

proptest! {
    #[test]
    fn parts_read_back_in_order_and_within_the_limit(
        written_at in any::<i64>(),
        shapes in prop::collection::vec((any::<u8>(), prop_oneof![0..100_usize, 0..MAX_TEXT_BYTES], 0..9_usize), 0..40),
    ) {
        let facts: Vec<Fact> = shapes.iter().map(|&(number, length, causes)| fact(number, length, causes)).collect();
        let parts = split(written_at, &facts);
        let mut read = Vec::new();
        for part in &parts {
            prop_assert!(part.len() < MAX_PART_BYTES);
            let body = PartBody::decode(part).unwrap();
            prop_assert_eq!(body.written_at, written_at);
            prop_assert!(!body.facts.is_empty());
            prop_assert_eq!(&body.encode(), part);
            read.extend(body.facts);
        }
        prop_assert_eq!(read, facts);
        let bytes: usize = parts.iter().map(Vec::len).sum();
        prop_assert!(parts.len() <= 1 + 2 * bytes / (MAX_PART_BYTES - 10_000 - MAX_TEXT_BYTES), "parts are filled");
    }

    #[test]
    fn a_reader_accepts_only_what_it_would_write(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        if let Ok(body) = PartBody::decode(&bytes) {
            prop_assert_eq!(body.encode(), bytes);
        }
        let mut near = PartBody { written_at: -3, facts: vec![fact(1, 9, 2), fact(2, 0, 0)] }.encode();
        for (at, byte) in changes {
            let at = at.index(near.len());
            near[at] = byte;
        }
        if let Ok(body) = PartBody::decode(&near) {
            prop_assert_eq!(body.encode(), near);
        }
    }
}
