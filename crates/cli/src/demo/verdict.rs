//! Whether it all came out right: the peers against each other, and against an oracle.
//!
//! The oracle is one replica in memory that is given every entry any peer has, in the order H6, and asked once, from
//! scratch: nothing waits, nothing arrives late, nothing is incremental. Small histories are asked on the runtime that
//! defines what a query means.

use std::collections::BTreeMap;
use std::path::PathBuf;

use motet::{Database, Party, RuntimeKind};
use motet_algebra::Budget;
use motet_feed::Position;
use motet_sync::Bundle;

use crate::console::rows_digest;
use crate::demo::stage::{Asked, Stage, all_entries, entry_of, load};
use crate::failure::Failure;

/// Histories of fewer commits are asked on the naive runtime.
const NAIVE_BELOW: u64 = 400;
/// Entries that the oracle takes in at once.
const CHUNK: usize = 500;

/// What is so.
pub(crate) struct Oracle {
    pub(crate) hash: String,
    pub(crate) entries: usize,
    /// The digest of the answer to each question.
    pub(crate) digests: Vec<String>,
    pub(crate) runtime: RuntimeKind,
}

impl Oracle {
    /// Asks one replica that has it all.
    pub(crate) fn ask(stage: &Stage, directories: &[PathBuf]) -> Result<Self, Failure> {
        let entries = union(stage, directories)?;
        let party = replica(stage, entries)?;
        if party.waiting() > 0 {
            return Err(Failure::Faults(format!(
                "{} entries wait for entries that nobody has",
                party.waiting()
            )));
        }
        let naive = stage.overview.commits < NAIVE_BELOW;
        let runtime = if naive { RuntimeKind::Naive } else { RuntimeKind::Cluster };
        let digest = |asked: &Asked| digest(&party, asked, runtime);
        let digests = stage.questions.iter().map(digest).collect::<Result<_, _>>()?;
        Ok(Oracle { hash: party.state_hash()?.to_string(), entries: party.entries(), digests, runtime })
    }
}

/// Every entry that any peer has, in the order H6.
fn union(stage: &Stage, directories: &[PathBuf]) -> Result<BTreeMap<Position, Bundle>, Failure> {
    let mut entries = BTreeMap::new();
    let mut known = std::collections::BTreeSet::new();
    for directory in directories {
        let database = Database::open(directory)?;
        let party = database.party(&stage.party)?;
        for id in all_entries(&party) {
            if known.insert(id) {
                let bundle = load(&party, &id)?;
                entries.insert(entry_of(&bundle)?.position(), bundle);
            }
        }
    }
    Ok(entries)
}

fn replica(stage: &Stage, entries: BTreeMap<Position, Bundle>) -> Result<Party, Failure> {
    let database = Database::in_memory("oracle")?;
    // It is nobody in the party: it only reads what it is given.
    let party = database.follow(&stage.party)?;
    let mut entries = entries.into_values().peekable();
    while entries.peek().is_some() {
        let some = entries.by_ref().take(CHUNK).collect();
        for answer in database.deliver(&stage.party, some)? {
            answer.map_err(|why| Failure::Faults(format!("a peer holds an entry that is no good: {why}")))?;
        }
    }
    Ok(party)
}

fn digest(party: &Party, asked: &Asked, runtime: RuntimeKind) -> Result<String, Failure> {
    let question = asked.question;
    let view =
        party.watch_on(question.name, question.program, &asked.parameters, runtime, Budget::default())?;
    Ok(rows_digest(view.rows(question.output)).to_string())
}

/// Everything in a list is the same.
pub(crate) fn all_equal<T: PartialEq>(things: &[T]) -> bool {
    things.windows(2).all(|pair| pair[0] == pair[1])
}
