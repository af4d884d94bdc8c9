//! The golden vectors of requirements §3.7, and properties of the encoding and the storage order.

#![allow(clippy::unwrap_used, reason = "in a test a panic with the place is the message")]

use motet_fact::{Attribute, Cid, Codec, DecodeError, Entity, Fact, Value, order};
use proptest::prelude::*;

fn fact(entity: &[u8], attribute: Value, value: Value, causes: &[Cid]) -> Fact {
    Fact::new(Entity::new(entity).unwrap(), Attribute::new(attribute).unwrap(), value, causes.to_vec())
        .unwrap()
}

fn sky(colour: &str, causes: &[Cid]) -> Fact {
    fact(b"sky", "colour".into(), colour.into(), causes)
}

#[test]
fn golden_vectors() {
    let noon = sky("blue", &[]);
    assert_eq!(hex(&noon.encode()), "8443736b7966636f6c6f757264626c756580");
    assert_eq!(noon.cid().to_string(), "bafyreiahrv25vu4rsudgcyvskdfxdlv3pi6zoytzkukbfhigqwjvuaebyq");
    let sunset = sky("orange", &[noon.cid()]);
    assert_eq!(sunset.encode().len(), 61);
    assert_eq!(sunset.cid().to_string(), "bafyreigx73yiinobssn4rpecrjf2tj62zdkdsa5ndxefybhnepglqhdam4");
    let night = sky("black", &[sunset.cid()]);
    assert_eq!(night.encode().len(), 60);
    assert_eq!(night.cid().to_string(), "bafyreifw374xdlhuvgqtuhsb4m2ypybznv3vzkgpovhpqqb4n22ifraruy");
    for causes in [[noon.cid(), sunset.cid()], [sunset.cid(), noon.cid()]] {
        let cid = sky("grey", &causes).cid().to_string();
        assert_eq!(cid, "bafyreif32fzs3m7dowtcycxeivz6lxt6jldxpozz4ykyjz54mueobvpny4");
    }
    for (value, cid) in [
        (Value::float(1.5).unwrap(), "bafyreig4sdt5z7mfeazz6hvevjiftgjxgtdchbajiq2nk5ieag6upnsk2q"),
        (Value::Int(1), "bafyreibvz6eassvsh3ugnwtscuphhjy3dtu6ohaetllw3d3hoqo6d2wvh4"),
        (Value::float(1.0).unwrap(), "bafyreiezv4k5vsbfmebbfrhzvos3aomf2fbx4ggojimuawyf4p4oicty3a"),
    ] {
        assert_eq!(fact(&[0; 16], Value::Int(0), value, &[]).cid().to_string(), cid);
    }
}

#[test]
fn other_encodings_of_a_fact_are_refused() {
    let noon = sky("blue", &[]).cid();
    let sunset = sky("orange", &[noon]).cid();
    let (low, high) = if noon < sunset { (noon, sunset) } else { (sunset, noon) };
    let head = "8443736b7966636f6c6f757264626c7565";
    let link = |cid: Cid| format!("d82a582500{}", hex(cid.as_bytes()));
    let accepted = format!("{head}82{}{}", link(low), link(high));
    assert!(Fact::decode(&unhex(&accepted)).is_ok());
    for (refused, why) in [
        (format!("{head}82{}{}", link(high), link(low)), "unsorted causes"),
        (format!("{head}82{}{}", link(low), link(low)), "repeated causes"),
        (format!("{head}80ff"), "trailing bytes"),
        (format!("{head}9fff"), "indefinite length"),
        (format!("84580373{}", "6b7966636f6c6f757264626c756580"), "a long form of a length"),
        ("8443736b7966636f6c6f7572f680".into(), "null"),
        ("8443736b7966636f6c6f7572a080".into(), "a map"),
        ("8443736b7966636f6c6f7572f97e0080".into(), "NaN"),
        ("8443736b7966636f6c6f7572fa3fc0000080".into(), "a short float"),
        ("8443736b7966636f6c6f7572fb800000000000000080".into(), "negative zero"),
        ("8443736b7966636f6c6f75721bffffffffffffffff80".into(), "an int over 64 bits"),
        ("84187b66636f6c6f757264626c756580".into(), "an entity that is not bytes"),
        ("8443736b79f564626c756580".into(), "a bool as attribute"),
        ("8343736b7966636f6c6f757264626c7565".into(), "three fields"),
    ] {
        assert!(Fact::decode(&unhex(&refused)).is_err(), "{why} was accepted");
    }
    assert!(matches!(Fact::decode(&vec![0; 300_000]), Err(DecodeError::TooLong(300_000))));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-3_i64..3).prop_map(Value::Int),
        any::<f64>().prop_filter_map("finite", |number| Value::float(number).ok()),
        ".{0,8}".prop_map(Value::from),
        prop::collection::vec(0_u8..3, 0..6).prop_map(Value::bytes),
        any::<[u8; 4]>().prop_map(|bytes| Value::Link(Cid::of(Codec::Raw, &bytes))),
    ]
}

fn facts() -> impl Strategy<Value = Fact> {
    let attribute = values().prop_filter_map("an attribute", |value| Attribute::new(value).ok());
    let cause = any::<[u8; 2]>().prop_map(|bytes| Cid::of(Codec::DagCbor, &bytes));
    let causes = prop::collection::vec(cause, 0..4);
    let entity = prop::collection::vec(any::<u8>(), 0..=64);
    (entity, attribute, values(), causes).prop_map(|(entity, attribute, value, causes)| {
        Fact::new(Entity::new(entity).unwrap(), attribute, value, causes).unwrap()
    })
}

proptest! {
    #[test]
    fn facts_read_back(fact in facts()) {
        prop_assert_eq!(Fact::decode(&fact.encode()), Ok(fact));
    }

    #[test]
    fn what_decodes_is_canonical(fact in facts(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = fact.encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = Fact::decode(&bytes) {
            prop_assert_eq!(read.encode(), bytes);
        }
    }

    #[test]
    fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(read) = Fact::decode(&bytes) {
            prop_assert_eq!(read.encode(), bytes);
        }
    }

    #[test]
    fn keys_sort_as_values_do(one in values(), other in values()) {
        let key = |value: &Value| { let mut key = Vec::new(); order::write_key(value, &mut key); key };
        prop_assert_eq!(key(&one).cmp(&key(&other)), one.cmp(&other));
        let mut both = key(&one);
        order::write_key(&other, &mut both);
        let mut rest = both.as_slice();
        prop_assert_eq!(order::read_key(&mut rest), Some(one));
        prop_assert_eq!(order::read_key(&mut rest), Some(other));
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn reading_a_key_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut rest = bytes.as_slice();
        if let Some(value) = order::read_key(&mut rest) {
            let mut key = Vec::new();
            order::write_key(&value, &mut key);
            prop_assert_eq!(key.as_slice(), &bytes[..bytes.len() - rest.len()]);
        }
    }
}
