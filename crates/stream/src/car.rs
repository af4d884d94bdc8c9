//! Facts, and other blocks, in a CAR file (version 1), which any IPLD tool opens.
//!
//! ```text
//! varint length, header: dag-cbor {"roots": [CID], "version": 1}
//! varint length, CID, block
//! …
//! ```
//!
//! A fact is a block: its canonical bytes under its own CID. Before the facts stands an *index*: a list of links to
//! them in blocks of at most [`LINKS`], those in lists again, and so on up to one block, which is the root. So every
//! fact is reached from the root; and a file of which a part is missing is noticed, which its framing would not do.
//!
//! Reading trusts nothing: each block must be the one its CID names, and either a fact in its canonical form or such a
//! list; the roots, and what a list links to, must be there. Facts may cite facts that are not. A file that others
//! wrote needs no index.
//!
//! As a source the file feeds `fact(entity, attribute, value)`, with the fact's CID where the relation carries one, and
//! `cause(cid, parent)`, of these two what the program reads.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::PathBuf;

use motet_algebra::{ColumnType, Program, RelationName, Row};
use motet_fact::{Attribute, Cid, Codec, Entity, Fact, Kind, MAX_FACT_BYTES, Value};
use motet_logic::{Catalog, Interface};
use serde::{Deserialize, Serialize};

use crate::file::{self, ChangeLists, FileSource, Records};
use crate::{Acknowledgement, Delivery, Mode, Sink, StreamError};

/// The most links in a block of the index: with its 41 bytes each it is no larger than the largest fact.
pub const LINKS: usize = 4096;
/// The longest header that is read, in bytes: ours has one root.
const MAX_HEADER_BYTES: u64 = 1 << 20;
/// The longest section of a file of facts, in bytes.
const MAX_FACT_SECTION_BYTES: u64 = (Cid::LENGTH + MAX_FACT_BYTES) as u64;
/// The longest section of another file, in bytes.
const MAX_SECTION_BYTES: u64 = 2 << 20;

#[derive(Serialize, Deserialize)]
struct Header {
    #[serde(default)]
    roots: Vec<cid::Cid>,
    version: u64,
}

/// Writes facts, in the order given, but for those that stand there again.
///
/// # Errors
/// What the writer says.
pub fn write(out: &mut dyn Write, facts: &[Fact]) -> io::Result<()> {
    let mut seen = BTreeSet::new();
    let facts: Vec<(Cid, &Fact)> =
        facts.iter().map(|fact| (fact.cid(), fact)).filter(|(cid, _)| seen.insert(*cid)).collect();
    write_index(out, facts.iter().map(|(cid, _)| *cid).collect())?;
    facts.iter().try_for_each(|(cid, fact)| write_framed(out, &[cid.as_bytes(), &fact.encode()]))
}

/// Writes blocks of any kind, in the order given; `load` is asked for the bytes of each, one after the other.
///
/// # Errors
/// What the writer says, or `load`.
pub fn write_blocks<E: From<io::Error>>(
    out: &mut dyn Write,
    blocks: &[Cid],
    load: &mut dyn FnMut(&Cid) -> Result<Vec<u8>, E>,
) -> Result<(), E> {
    write_index(out, blocks.to_vec())?;
    blocks.iter().try_for_each(|cid| Ok(write_framed(out, &[cid.as_bytes(), &load(cid)?])?))
}

/// The header, and the index of what follows.
fn write_index(out: &mut dyn Write, links: Vec<Cid>) -> io::Result<()> {
    let index = index(links);
    let (root, _) = index.first().expect("an index has a root");
    write_framed(out, &[&encode(&Header { roots: vec![foreign(root)], version: 1 })])?;
    index.iter().try_for_each(|(cid, block)| write_framed(out, &[cid.as_bytes(), block]))
}

/// The blocks of lists that lead to all these, the root first.
fn index(mut links: Vec<Cid>) -> Vec<(Cid, Vec<u8>)> {
    let mut blocks = Vec::new();
    loop {
        let list = |links: &[Cid]| {
            let block = encode(&links.iter().map(foreign).collect::<Vec<_>>());
            (Cid::of(Codec::DagCbor, &block), block)
        };
        let level: Vec<_> = match links.as_slice() {
            [] => vec![list(&[])],
            links => links.chunks(LINKS).map(list).collect(),
        };
        links = level.iter().map(|(cid, _)| *cid).collect();
        blocks.splice(0..0, level);
        if links.len() == 1 {
            return blocks;
        }
    }
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    serde_ipld_dagcbor::to_vec(value).expect("links, lists of them and small numbers have an encoding")
}

fn foreign(cid: &Cid) -> cid::Cid {
    cid::Cid::try_from(cid.as_bytes().as_slice()).expect("a Cid holds the bytes of a CID")
}

fn write_framed(out: &mut dyn Write, parts: &[&[u8]]) -> io::Result<()> {
    let mut length = parts.iter().map(|part| part.len()).sum::<usize>() as u64;
    let mut varint = Vec::new();
    while length >= 0x80 {
        varint.push(length as u8 | 0x80);
        length >>= 7;
    }
    varint.push(length as u8);
    out.write_all(&varint)?;
    parts.iter().try_for_each(|part| out.write_all(part))
}

/// The facts of a CAR file, one after the other.
pub struct Reader<R>(Blocks<R>);

impl<R: Read> Reader<R> {
    /// Reads the header. `place` names the file in messages.
    ///
    /// # Errors
    /// [`StreamError`] if it is no header of version 1.
    pub fn new(place: &str, input: R) -> Result<Self, StreamError> {
        Ok(Reader(Blocks { limit: MAX_FACT_SECTION_BYTES, ..Blocks::new(place, input)? }))
    }

    /// The next fact; nothing at the end.
    ///
    /// # Errors
    /// [`StreamError`] if a block is not what its CID names, or no fact; nothing is read after that.
    pub fn next_fact(&mut self) -> Result<Option<Fact>, StreamError> {
        let start = self.0.offset;
        let Some((cid, block)) = self.0.next_block()? else { return Ok(None) };
        let fact = match cid.codec() {
            Codec::DagCbor => Fact::decode(&block).map_err(|error| error.to_string()),
            Codec::Raw => Err("facts are dag-cbor, and this is raw".to_owned()),
        };
        fact.map(Some)
            .map_err(|what| self.0.malformed(start, format_args!("the block {cid} is no fact: {what}")))
    }
}

/// The blocks of a CAR file, one after the other, but for those of its index.
pub struct Blocks<R> {
    place: String,
    input: R,
    /// How many bytes have been read.
    offset: u64,
    /// The longest section that is read.
    limit: u64,
    read: BTreeSet<Cid>,
    /// The blocks that have to be there: the roots, and what an index links to.
    linked: BTreeSet<Cid>,
    ended: bool,
}

impl<R: Read> Blocks<R> {
    /// Reads the header. `place` names the file in messages.
    ///
    /// # Errors
    /// [`StreamError`] if it is no header of version 1.
    pub fn new(place: &str, input: R) -> Result<Self, StreamError> {
        let (read, linked, limit) = (BTreeSet::new(), BTreeSet::new(), MAX_SECTION_BYTES);
        let mut blocks =
            Blocks { place: place.to_owned(), input, offset: 0, limit, read, linked, ended: false };
        let bytes = blocks.framed(MAX_HEADER_BYTES)?;
        let bytes = bytes.ok_or_else(|| blocks.malformed(0, "it is empty: a CAR file has a header"))?;
        let header: Header = serde_ipld_dagcbor::from_slice(&bytes)
            .map_err(|error| blocks.malformed(0, format_args!("not the header of a CAR file: {error}")))?;
        match header.version {
            1 => {
                // A root outside of our profile names no block that could be here.
                let roots = header.roots.iter().filter_map(|root| Cid::from_bytes(&root.to_bytes()).ok());
                blocks.linked.extend(roots);
                Ok(blocks)
            }
            other => {
                Err(blocks.malformed(0, format_args!("this is CAR version {other}, and 1 is read here")))
            }
        }
    }

    /// The next block, with its CID; nothing at the end, when all that the index links to was there.
    ///
    /// # Errors
    /// [`StreamError`] if a block is not what its CID names, or the file is cut; nothing is read after that.
    pub fn next_block(&mut self) -> Result<Option<(Cid, Vec<u8>)>, StreamError> {
        while !self.ended {
            let (start, section) = (self.offset, self.framed(self.limit)?);
            let Some(section) = section else {
                self.ended = true;
                self.check_index()?;
                break;
            };
            if let Some(block) = self.block(section).map_err(|what| self.malformed(start, what))? {
                return Ok(Some(block));
            }
        }
        Ok(None)
    }

    /// A block; nothing if it is a part of the index.
    fn block(&mut self, mut section: Vec<u8>) -> Result<Option<(Cid, Vec<u8>)>, String> {
        if section.len() < Cid::LENGTH {
            return Err(format!("the section has {} bytes, and a CID alone has more", section.len()));
        }
        let block = section.split_off(Cid::LENGTH);
        let cid = Cid::from_bytes(&section).map_err(|error| error.to_string())?;
        if !cid.names(&block) {
            return Err(format!("the block is not the one that {cid} names: it was changed on the way"));
        }
        self.read.insert(cid);
        if cid.codec() == Codec::DagCbor
            && let Some(links) = links(&block)
        {
            self.linked.extend(links);
            return Ok(None);
        }
        Ok(Some((cid, block)))
    }

    fn check_index(&self) -> Result<(), StreamError> {
        let mut missing = self.linked.difference(&self.read);
        let Some(first) = missing.next() else { return Ok(()) };
        let what =
            format!("{first} and {} others are linked to and missing: the file is cut", missing.count());
        Err(self.malformed(self.offset, what))
    }

    /// Bytes with their length before them; nothing at the end of the file.
    fn framed(&mut self, limit: u64) -> Result<Option<Vec<u8>>, StreamError> {
        let start = self.offset;
        let Some(length) = self.varint()? else { return Ok(None) };
        if length == 0 || length > limit {
            let what = format_args!("a length of {length} bytes, where 1 to {limit} are possible");
            return Err(self.malformed(start, what));
        }
        let mut bytes = Vec::new();
        let count = self.input.by_ref().take(length).read_to_end(&mut bytes);
        let count = count.map_err(|error| StreamError::Read { place: self.place.clone(), error })?;
        self.offset += count as u64;
        if count as u64 == length { Ok(Some(bytes)) } else { Err(self.cut()) }
    }

    /// An unsigned number in groups of 7 bits, the least first; nothing at the end of the file.
    fn varint(&mut self) -> Result<Option<u64>, StreamError> {
        let (start, mut number) = (self.offset, 0_u64);
        for shift in (0..63).step_by(7) {
            let mut byte = [0];
            let count = self.input.read(&mut byte);
            let count = count.map_err(|error| StreamError::Read { place: self.place.clone(), error })?;
            match count {
                0 if shift == 0 => return Ok(None),
                0 => return Err(self.cut()),
                _ => self.offset += 1,
            }
            number |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                return Ok(Some(number));
            }
        }
        Err(self.malformed(start, "a length without end"))
    }

    fn cut(&self) -> StreamError {
        self.malformed(self.offset, "the file ends in the middle of a section: it is cut")
    }

    fn malformed(&self, byte: u64, what: impl std::fmt::Display) -> StreamError {
        StreamError::malformed(format_args!("{}: byte {byte}", self.place), what)
    }
}

/// The links of a block that is a canonical list of nothing else.
fn links(block: &[u8]) -> Option<Vec<Cid>> {
    let links: Vec<cid::Cid> = serde_ipld_dagcbor::from_slice(block).ok()?;
    let links: Vec<Cid> =
        links.iter().map(|cid| Cid::from_bytes(&cid.to_bytes()).ok()).collect::<Option<_>>()?;
    (encode(&links.iter().map(foreign).collect::<Vec<_>>()) == block).then_some(links)
}

/// Adds the relations that a CAR file feeds to those that a program may read.
pub fn declare(catalog: &mut Catalog) {
    let (bytes, link) = (ColumnType::Kind(Kind::Bytes), ColumnType::Kind(Kind::Link));
    let fact = [("entity", bytes), ("attribute", ColumnType::Any), ("value", ColumnType::Any)];
    catalog.add("fact", &fact, true).add("cause", &[("cid", link), ("parent", link)], false);
}

/// A CAR file as the source of a program: one batch, its facts.
///
/// It feeds the inputs `fact` and `cause` of the program, those of them that there are.
pub fn source(path: impl Into<PathBuf>, program: &Program) -> FileSource {
    let path = path.into();
    let input = |name: &str| program.relations.get_key_value(name).filter(|(_, relation)| relation.input);
    let fact = input("fact").map(|(name, relation)| (name.clone(), relation.carries_cid()));
    let cause = input("cause").map(|(name, _)| name.clone());
    let relations = fact.iter().map(|(name, _)| name.clone()).chain(cause.clone()).collect();
    let open = move || {
        let file = File::open(&path).map_err(|error| file::unreadable(&path, error))?;
        let reader = Reader::new(&path.display().to_string(), BufReader::with_capacity(1 << 16, file))?;
        Ok(Box::new(FactRecords { reader, fact: fact.clone(), cause: cause.clone() }) as Box<dyn Records>)
    };
    FileSource::new(relations, Box::new(open))
}

struct FactRecords<R> {
    reader: Reader<R>,
    /// The relation of facts, and whether it carries their CIDs.
    fact: Option<(RelationName, bool)>,
    cause: Option<RelationName>,
}

impl<R: Read> Records for FactRecords<R> {
    fn next(&mut self, changes: &mut ChangeLists) -> Result<bool, StreamError> {
        let Some(fact) = self.reader.next_fact()? else { return Ok(false) };
        let cid = Value::Link(fact.cid());
        if let Some((name, carries_cid)) = &self.fact {
            let mut row = vec![
                Value::from(fact.entity().clone()),
                Value::from(fact.attribute().clone()),
                fact.value().clone(),
            ];
            row.extend(carries_cid.then(|| cid.clone()));
            changes.entry(name.clone()).or_default().push((row, 1));
        }
        if let Some(name) = &self.cause {
            let rows = fact.causes().iter().map(|parent| (vec![cid.clone(), Value::Link(*parent)], 1));
            changes.entry(name.clone()).or_default().extend(rows);
        }
        Ok(true)
    }
}

/// A CAR file as the sink of an output with the columns `entity`, `attribute` and `value`: each row is a fact without
/// causes, and the file is written anew whenever they changed.
#[derive(Debug)]
pub struct CarFile {
    path: PathBuf,
    /// Where in a row entity, attribute and value stand.
    places: [usize; 3],
}

impl CarFile {
    /// The file of an output. It is not touched before the first delivery.
    ///
    /// # Errors
    /// [`StreamError::Malformed`] if the output does not have these three columns.
    pub fn new(path: impl Into<PathBuf>, relation: &Interface) -> Result<Self, StreamError> {
        let place = |wanted: &str| relation.columns.iter().position(|(name, _)| **name == *wanted);
        let places = [place("entity"), place("attribute"), place("value")];
        match places {
            [Some(entity), Some(attribute), Some(value)] if relation.columns.len() == 3 => {
                Ok(CarFile { path: path.into(), places: [entity, attribute, value] })
            }
            _ => {
                let place = format_args!("the relation `{}`", relation.name);
                let what = "a CAR file has facts, and its columns are not entity, attribute and value";
                Err(StreamError::malformed(place, what))
            }
        }
    }

    fn fact(&self, row: &Row) -> Result<Fact, String> {
        let [entity, attribute, value] = self.places.map(|place| row[place].clone());
        let Value::Bytes(entity) = entity else { return Err(format!("the entity {entity} is not bytes")) };
        let entity = Entity::new(entity).map_err(|error| error.to_string())?;
        let attribute = Attribute::new(attribute).map_err(|error| error.to_string())?;
        Fact::new(entity, attribute, value, Vec::new()).map_err(|error| error.to_string())
    }
}

impl Sink for CarFile {
    fn mode(&self) -> Mode {
        Mode::Snapshot
    }

    fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<Acknowledgement, StreamError> {
        let facts: Result<Vec<Fact>, String> = delivery.snapshot().iter().map(|row| self.fact(row)).collect();
        let facts = facts.map_err(|what| StreamError::malformed(self.path.display(), what))?;
        file::replace(&self.path, |out| write(out, &facts))?;
        Ok(Acknowledgement::Complete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn facts(count: usize) -> Vec<Fact> {
        let mut facts: Vec<Fact> = Vec::new();
        for number in 0..count {
            let causes = facts.last().map(Fact::cid).into_iter().filter(|_| number % 3 == 0).collect();
            let value = i64::try_from(number).unwrap();
            facts.push(Fact::new(Entity::from([7; 16]), "n".into(), value, causes).unwrap());
        }
        facts
    }

    fn written(facts: &[Fact]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, facts).unwrap();
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<Fact>, String> {
        let mut reader = Reader::new("f.car", bytes).map_err(|error| error.to_string())?;
        std::iter::from_fn(|| reader.next_fact().map_err(|error| error.to_string()).transpose()).collect()
    }

    #[test]
    fn facts_read_back_with_their_ids() {
        for count in [0, 1, 2, LINKS, LINKS + 1] {
            let facts = facts(count);
            assert_eq!(read(&written(&facts)), Ok(facts), "{count}");
        }
    }

    #[test]
    fn the_format_is_pinned() {
        let bytes = written(&facts(1));
        let header =
            [&[0x3a, 0xa2, 0x65][..], b"roots", &[0x81, 0xd8, 0x2a, 0x58, 0x25, 0, 1, 0x71, 0x12, 0x20]];
        assert!(bytes.starts_with(&header.concat()));
        assert_eq!(&bytes[50..59], [&[0x67][..], b"version", &[1]].concat());
        let root = &bytes[19..51 - 1];
        assert_eq!(root.len(), 31);
    }

    #[test]
    fn a_file_that_is_cut_is_noticed_wherever_that_is() {
        let bytes = written(&facts(5));
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn a_flipped_bit_changes_nothing_or_is_noticed() {
        let facts = facts(3);
        let bytes = written(&facts);
        for place in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[place / 8] ^= 1 << (place % 8);
            if let Ok(read) = read(&changed) {
                assert_eq!(read, facts, "bit {place}");
            }
        }
    }

    #[test]
    fn what_is_no_fact_is_refused() {
        let block = encode(&"no fact");
        let mut bytes = Vec::new();
        write_framed(&mut bytes, &[&encode(&Header { roots: vec![], version: 1 })]).unwrap();
        let empty = bytes.clone();
        assert_eq!(read(&empty), Ok(vec![]));
        let cid = Cid::of(Codec::DagCbor, &block);
        write_framed(&mut bytes, &[cid.as_bytes(), &block]).unwrap();
        let error = read(&bytes).unwrap_err();
        assert!(
            error.starts_with("f.car: byte 18: the block bafy") && error.contains("is no fact"),
            "{error}"
        );
        let second = encode(&Header { roots: vec![], version: 2 });
        let mut bytes = Vec::new();
        write_framed(&mut bytes, &[&second]).unwrap();
        assert!(read(&bytes).unwrap_err().contains("CAR version 2"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(
            noise in prop::collection::vec(any::<u8>(), 0..200),
            place in 0..400_usize,
        ) {
            let _either = read(&noise);
            let mut bytes = written(&facts(3));
            let place = place.min(bytes.len());
            bytes.splice(place..place, noise);
            let _either = read(&bytes);
        }
    }
}
