//! `motet cid` and `motet decode`: what a file of bytes is called, and what it says.
//!
//! A file is tried as the strict kinds first: a fact, a feed entry, a body part; then as any dag-cbor block. No bytes
//! are two of these: a fact begins with the array byte of dag-cbor, which begins no protocol buffer, and an entry and a
//! part differ in the type of their first field.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use motet_fact::{Cid, Codec, Fact, Value, codec};
use motet_feed::{Entry, EntryError, Header};
use motet_item::PartBody;

use crate::args::{Format, Global};
use crate::failure::Failure;
use crate::output;

/// Prints the CID of a file's bytes: of the fact, if they are one, else of raw bytes.
pub(crate) fn cid(file: &Path) -> Result<(), Failure> {
    let bytes = read(file)?;
    let codec = if Fact::decode(&bytes).is_ok() { Codec::DagCbor } else { Codec::Raw };
    Ok(writeln!(io::stdout().lock(), "{}", Cid::of(codec, &bytes))?)
}

/// Prints what a file's bytes say.
pub(crate) fn decode(file: &Path, global: &Global) -> Result<(), Failure> {
    let bytes = read(file)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let said = describe(&mut out, &bytes, global.format);
    out.flush()?;
    said
}

fn describe(out: &mut dyn io::Write, bytes: &[u8], format: Format) -> Result<(), Failure> {
    let not_a_fact = match Fact::decode(bytes) {
        Ok(fact) => return output::print_fields(out, format, &fact_fields(&fact)),
        Err(error) => error,
    };
    let not_an_entry = match Entry::decode(bytes) {
        Ok(entry) => return output::print_fields(out, format, &entry_fields(&entry, "holds")),
        Err(error @ EntryError::Signature { .. }) => return describe_forgery(out, bytes, format, &error),
        Err(error) => error,
    };
    if let Ok(part) = PartBody::decode(bytes) {
        let facts = part.facts.iter().map(|fact| {
            let [cid, entity, attribute, value, _] = fact_fields(fact).map(|(_, value)| value);
            [cid, entity, attribute, value].map(|value| value.to_string())
        });
        return output::print_text(out, format, &["cid", "entity", "attribute", "value"], facts);
    }
    match codec::describe(bytes) {
        Ok(text) => Ok(writeln!(out, "{text}")?),
        Err(not_a_block) => Err(Failure::Failed(format!(
            "these {} bytes are nothing that has a name here\n  {not_a_fact}\n  {not_an_entry}\n  {not_a_block}",
            bytes.len()
        ))
        .help("want a fact, a feed entry, a body part, or another dag-cbor block")),
    }
}

/// An entry whose form is right and whose signature is not.
fn describe_forgery(
    out: &mut dyn io::Write,
    bytes: &[u8],
    format: Format,
    error: &EntryError,
) -> Result<(), Failure> {
    let entry = Entry::decode_stored(bytes).map_err(|error| Failure::Failed(error.to_string()))?;
    output::print_fields(out, format, &entry_fields(&entry, "does not hold"))?;
    Err(Failure::Faults(error.to_string()))
}

fn fact_fields(fact: &Fact) -> [(&'static str, Value); 5] {
    [
        ("cid", fact.cid().into()),
        ("entity", Value::from(fact.entity().clone())),
        ("attribute", fact.attribute().value().clone()),
        ("value", fact.value().clone()),
        ("causes", list(fact.causes())),
    ]
}

fn entry_fields(entry: &Entry, signature: &str) -> Vec<(&'static str, Value)> {
    let Header { party, feed, seq, kind, causes, depth, parts, key_name } = entry.header();
    let number = |n: u64| i64::try_from(n).map_or_else(|_| Value::text(n.to_string()), Value::Int);
    let part_texts: Vec<_> =
        parts.iter().map(|part| format!("{} ({} bytes)", part.cid, part.length)).collect();
    vec![
        ("entry", entry.id().into()),
        ("signature", signature.into()),
        ("party", party.to_string().into()),
        ("feed", feed.to_string().into()),
        ("seq", number(*seq)),
        ("kind", kind.name().into()),
        ("depth", number(*depth)),
        ("causes", list(causes)),
        ("parts", part_texts.join(" ").into()),
        ("key name", Value::bytes(key_name.as_slice())),
    ]
}

fn list(cids: &[Cid]) -> Value {
    cids.iter().map(Cid::to_string).collect::<Vec<_>>().join(" ").into()
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = match file.to_str() {
        Some("-") => io::stdin().lock().read_to_end(&mut bytes),
        _ => File::open(file).and_then(|mut file| file.read_to_end(&mut bytes)),
    };
    read.map(|_| bytes).map_err(|error| Failure::reading(file, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_fact::{Entity, PublicKey, SecretKey};
    use motet_feed::{Draft, EntryKind};

    fn said(bytes: &[u8]) -> (String, Result<(), Failure>) {
        let mut out = Vec::new();
        let result = describe(&mut out, bytes, Format::Json);
        (String::from_utf8(out).unwrap(), result)
    }

    fn fact() -> Fact {
        Fact::new(Entity::from([7; 16]), "title".into(), "Milk", Vec::new()).unwrap()
    }

    fn entry() -> Entry {
        let key = SecretKey::from_bytes([1; 32]);
        let party = PublicKey::from_bytes(&[2; 32]).unwrap();
        let (causes, parts, key_name) = (Vec::new(), Vec::new(), Vec::new());
        let kind = EntryKind::Data;
        Entry::sign(
            Draft { party, feed: key.public(), seq: 0, kind, causes, depth: 1, parts, key_name },
            &key,
        )
    }

    #[test]
    fn a_fact_says_its_parts() {
        let (text, result) = said(&fact().encode());
        assert_eq!(result, Ok(()));
        assert!(text.contains(r#""attribute":"title","value":"Milk","causes":"""#), "{text}");
        assert!(text.contains(&fact().cid().to_string()));
    }

    #[test]
    fn an_entry_says_whether_its_signature_holds() {
        let mut bytes = entry().encode();
        let (text, result) = said(&bytes);
        assert_eq!(result, Ok(()));
        assert!(text.contains(r#""signature":"holds""#), "{text}");
        *bytes.last_mut().unwrap() ^= 1;
        let (text, result) = said(&bytes);
        assert!(matches!(result, Err(Failure::Faults(_))));
        assert!(text.contains(r#""signature":"does not hold""#), "{text}");
    }

    #[test]
    fn a_part_lists_its_facts_and_other_blocks_are_described() {
        let part = PartBody { written_at: 5, facts: vec![fact()] }.encode();
        assert!(said(&part).0.contains("Milk"));
        let (text, result) = said(&[0xa1, 0x61, b'k', 0x01]);
        assert_eq!(result, Ok(()));
        assert!(text.contains('k'), "{text}");
    }

    #[test]
    fn other_bytes_are_refused_with_every_reason() {
        let (text, result) = said(b"hello");
        assert_eq!(text, "");
        let Err(Failure::Failed(message)) = result else { panic!("{result:?}") };
        assert!(message.contains("5 bytes") && message.contains("help: want a fact"), "{message}");
    }
}
