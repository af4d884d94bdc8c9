//! `motet snapshot save` and `motet snapshot load`: all of a party in one file.
//!
//! The file is a CAR: its root leads through an index to each block, so a file that is cut or changed is found out. The
//! first block says which party it is, how many entries there are and what they come to (the state hash, H21). Then
//! come the entries, causes first: the signed header of each, then its parts; then the programs of models. Whoever
//! loads it checks all of it, for the entries go down the same corridor as those of a peer, and what they come to is
//! compared with what was said. A party's file is for its members: nothing in it is encrypted, and who is no member has
//! nothing to load it into.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use motet::{Database, Party};
use motet_fact::{Cid, Codec, PublicKey, Value};
use motet_feed::Entry;
use motet_stream::car;
use motet_sync::{Bundle, Replica as _};
use serde::{Deserialize, Serialize};

use crate::args::{Global, SnapshotCommand};
use crate::failure::Failure;
use crate::{context, output, progress};

/// What the first block begins with.
const KIND: &str = "motet party snapshot";
const VERSION: u32 = 1;
/// How many entries are taken in at once.
const BATCH: usize = 500;

/// The first block.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    kind: String,
    version: u32,
    #[serde(with = "serde_bytes")]
    party: Vec<u8>,
    name: String,
    entries: u64,
    /// The state hash of a replica that has these entries and no others.
    #[serde(with = "serde_bytes")]
    state: Vec<u8>,
}

/// Saves or loads.
pub(crate) fn run(global: &Global, command: &SnapshotCommand) -> Result<(), Failure> {
    match command {
        SnapshotCommand::Save { file } => save(global, file),
        SnapshotCommand::Load { file } => load(global, file),
    }
}

fn save(global: &Global, file: &Path) -> Result<(), Failure> {
    let database = context::open(global)?;
    let party = context::party(global, &database)?;
    let contents = Contents::of(&database, &party)?;
    let bar = progress::bar(global, contents.blocks.len() as u64, "blocks");
    let write = |out: &mut dyn Write| {
        let mut at = 0;
        car::write_blocks(out, &contents.cids(), &mut |_| {
            bar.inc(1);
            at += 1;
            contents.load(&database, &party, at - 1)
        })?;
        Ok::<_, Failure>(out.flush()?)
    };
    if file.to_str() == Some("-") {
        return write(&mut BufWriter::new(io::stdout().lock()));
    }
    let out = File::create(file).map_err(|error| Failure::writing(file, &error))?;
    write(&mut BufWriter::new(out))?;
    bar.finish_and_clear();
    let fields = [
        ("file", Value::text(file.display().to_string())),
        ("party", Value::text(party.name())),
        ("entries", int(contents.entries)),
        ("blocks", int(contents.blocks.len())),
    ];
    output::print_fields(&mut io::stdout().lock(), global.format, &fields)
}

/// What is in a file, in its order.
struct Contents {
    entries: usize,
    blocks: Vec<(Cid, Source)>,
}

/// Where the bytes of a block are.
enum Source {
    /// Here.
    Bytes(Vec<u8>),
    /// The signed header of an entry.
    Entry(Cid),
    /// One of an entry's parts.
    Part(Cid, usize),
}

impl Contents {
    fn of(database: &Database, party: &Party) -> Result<Self, Failure> {
        let key = party.key();
        let heads = database.heads(&key);
        let ids = database.difference(&key, &[heads.control, heads.data].concat(), &[], false);
        let mut blocks = Vec::new();
        for id in &ids {
            let Bundle { entry, parts } = bundle(database, &key, id)?;
            blocks.push((Cid::of(Codec::Raw, &entry), Source::Entry(*id)));
            let part =
                |(number, part): (usize, &Vec<u8>)| (Cid::of(Codec::Raw, part), Source::Part(*id, number));
            blocks.extend(parts.iter().enumerate().map(part));
        }
        for model in party.published_models()?.into_values().filter(|model| model.is_here) {
            let block =
                database.block(&key, &model.block).map_err(|error| Failure::Failed(error.to_string()))?;
            blocks.extend(block.map(|block| (model.block, Source::Bytes(block))));
        }
        let head = Head {
            kind: KIND.to_owned(),
            version: VERSION,
            party: key.as_bytes().to_vec(),
            name: party.name(),
            entries: ids.len() as u64,
            state: party.as_of(&motet::AsOf::Heads(ids.clone()))?.state_hash()?.0.to_vec(),
        };
        let head = serde_ipld_dagcbor::to_vec(&head).expect("names and numbers have an encoding");
        blocks.insert(0, (Cid::of(Codec::DagCbor, &head), Source::Bytes(head)));
        Ok(Contents { entries: ids.len(), blocks })
    }

    fn cids(&self) -> Vec<Cid> {
        self.blocks.iter().map(|(cid, _)| *cid).collect()
    }

    fn load(&self, database: &Database, party: &Party, at: usize) -> Result<Vec<u8>, Failure> {
        Ok(match &self.blocks[at].1 {
            Source::Bytes(bytes) => bytes.clone(),
            Source::Entry(id) => bundle(database, &party.key(), id)?.entry,
            Source::Part(id, number) => bundle(database, &party.key(), id)?.parts.swap_remove(*number),
        })
    }
}

fn bundle(database: &Database, party: &PublicKey, id: &Cid) -> Result<Bundle, Failure> {
    let bundle = database.load(party, id).map_err(|error| Failure::Failed(error.to_string()))?;
    bundle.ok_or_else(|| Failure::Failed(format!("entry {id} is linked, and can't be read")))
}

fn load(global: &Global, file: &Path) -> Result<(), Failure> {
    let database = context::open(global)?;
    let place = file.display().to_string();
    let input: Box<dyn Read> = match file.to_str() {
        Some("-") => Box::new(io::stdin().lock()),
        _ => Box::new(File::open(file).map_err(|error| Failure::reading(file, &error))?),
    };
    let mut blocks =
        car::Blocks::new(&place, BufReader::new(input)).map_err(|error| Failure::from(&error))?;
    let head = read_head(&place, next(&mut blocks)?)?;
    let key = PublicKey::from_bytes(&head.party).map_err(|error| malformed(&place, &error))?;
    let party = database.party(&key).map_err(|error| {
        let words = format!("{place} is of the party “{}”: {error}", head.name);
        Failure::Failed(words).help("who was invited joins first: `motet join CODE`")
    })?;
    let bar = progress::bar(global, head.entries, "entries");
    let before = party.entries();
    let (mut reading, mut read) = (Reading::default(), 0);
    while let Some((cid, bytes)) = next(&mut blocks)? {
        if read == head.entries {
            deliver(&database, &key, &mut reading.batch)?;
            // The program of a model: one that nobody here asks for is no loss.
            let _ = database.deliver_model(&key, &cid, bytes);
        } else if let Some(bundle) = reading.take(&place, bytes)? {
            reading.batch.push(bundle);
            read += 1;
            bar.set_position(read);
        }
        if reading.batch.len() == BATCH {
            deliver(&database, &key, &mut reading.batch)?;
        }
    }
    if reading.open.is_some() || read != head.entries {
        return Err(malformed(&place, &format!("it has {read} of its {} entries", head.entries)));
    }
    deliver(&database, &key, &mut reading.batch)?;
    bar.finish_and_clear();
    let compared = compare(&party, &head, &place)?;
    let fields = [
        ("party", Value::text(party.name())),
        ("entries", int(usize::try_from(head.entries).unwrap_or(usize::MAX))),
        ("new", int(party.entries() - before)),
        ("state", Value::text(compared)),
    ];
    output::print_fields(&mut io::stdout().lock(), global.format, &fields)
}

/// Whether the party is now what the file says.
fn compare(party: &Party, head: &Head, place: &str) -> Result<&'static str, Failure> {
    if party.waiting() > 0 || party.entries() as u64 != head.entries {
        return Ok("not compared: there are other entries here");
    }
    match party.state_hash()?.0.as_slice() == head.state {
        true => Ok("the same"),
        false => {
            let words = format!("{place}: its entries come to another state than it says");
            Err(Failure::Failed(words)
                .help("the entries are signed, and are here now; who saved it had others"))
        }
    }
}

/// Entries as they come, block by block.
#[derive(Default)]
struct Reading {
    /// The entry whose parts are coming, and how many it has.
    open: Option<(Bundle, usize)>,
    batch: Vec<Bundle>,
}

impl Reading {
    /// Takes the next block; gives the entry if it is whole.
    fn take(&mut self, place: &str, bytes: Vec<u8>) -> Result<Option<Bundle>, Failure> {
        let (bundle, count) = match self.open.take() {
            Some((mut bundle, count)) => {
                bundle.parts.push(bytes);
                (bundle, count)
            }
            None => {
                let entry = Entry::decode(&bytes).map_err(|error| malformed(place, &error))?;
                (Bundle { entry: bytes, parts: Vec::new() }, entry.header().parts.len())
            }
        };
        if bundle.parts.len() < count {
            self.open = Some((bundle, count));
            return Ok(None);
        }
        Ok(Some(bundle))
    }
}

fn deliver(database: &Database, party: &PublicKey, batch: &mut Vec<Bundle>) -> Result<(), Failure> {
    for answer in database.deliver(party, std::mem::take(batch))? {
        answer.map_err(Failure::Failed)?;
    }
    Ok(())
}

fn next<R: Read>(blocks: &mut car::Blocks<R>) -> Result<Option<(Cid, Vec<u8>)>, Failure> {
    blocks.next_block().map_err(|error| Failure::from(&error))
}

fn read_head(place: &str, block: Option<(Cid, Vec<u8>)>) -> Result<Head, Failure> {
    let head = block.and_then(|(_, bytes)| serde_ipld_dagcbor::from_slice::<Head>(&bytes).ok());
    match head.filter(|head| head.kind == KIND) {
        Some(head) if head.version == VERSION => Ok(head),
        Some(head) => Err(malformed(
            place,
            &format!("it is of version {}, and {VERSION} is read here: update this program", head.version),
        )),
        None => Err(malformed(place, &"it is no snapshot of a party, as `motet snapshot save` writes one")),
    }
}

fn malformed(place: &str, what: &dyn std::fmt::Display) -> Failure {
    Failure::Failed(format!("{place}: {what}"))
}

fn int(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}
