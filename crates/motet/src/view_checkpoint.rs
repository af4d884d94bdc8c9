//! Checkpoints of kept views: what a circuit holds, so that opening a view costs what happened since (Q18).
//!
//! A runtime saves itself as blocks ([`Runtime::save`](motet_algebra::Runtime::save)): the plan, the values, the rows.
//! They are put into the store between epochs, from time to time, in commits of their own; one row says that they are
//! there, and how far the view was, and is committed together with the view's progress. The blocks before go with that
//! commit. The epochs that came after a checkpoint stay in the [`journal`](crate::journal), and are run again on what
//! was restored ([`crate::replay`]).
//!
//! **A checkpoint is believed or it is none.** Without one, or with one that is damaged, of another program, of another
//! runtime, or made with other models, the view is made from the party, as it would be if there were no checkpoints.
//! A party with items of models that are rules has none, for whether such an item is computed at all may depend on how
//! its facts came (H20); nor has a program with functions of the application, which may have become others.

use motet_fact::{Digest, PublicKey};
use motet_store::{Batch, ScanRange, Store, StoreError};
use prost::Message as _;

use crate::circuit::Circuit;
use crate::proto;
use crate::state::{PartyState, visit_rows};
use crate::tables::{VIEW_BLOCKS, VIEW_CHECKPOINTS, block_key, given_prefix, under_party};
use crate::{Error, Party};

/// Blocks are committed in pieces of this size.
const COMMIT_BYTES: usize = 4 << 20;

/// What the store says of a checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ViewCheckpoint(proto::ViewCheckpoint);

impl ViewCheckpoint {
    /// The checkpoint of a view, if there is one.
    pub(crate) fn read(store: &dyn Store, party: &PublicKey, name: &str) -> Result<Option<Self>, Error> {
        let row = store.get(VIEW_CHECKPOINTS, &under_party(party, name.as_bytes()))?;
        let what = || format!("the checkpoint of the kept view `{name}`");
        let row = row.map(|row| proto::ViewCheckpoint::decode(row.as_slice()));
        Ok(row.transpose().map_err(|error| Error::unreadable(what(), error))?.map(ViewCheckpoint))
    }

    /// The epoch of the journal that it is past.
    pub(crate) fn cursor(&self) -> u64 {
        self.0.cursor
    }

    /// How many epochs the view had taken in.
    pub(crate) fn epochs(&self) -> u64 {
        self.0.epochs
    }

    /// How much it is.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes
    }

    /// Whether it was made with the models that there are.
    pub(crate) fn is_of(&self, models: &Digest) -> bool {
        self.0.models == models.0
    }

    /// Its blocks, one after the other.
    pub(crate) fn blocks<'a>(
        &self,
        store: &'a dyn Store,
        party: &'a PublicKey,
        name: &'a str,
    ) -> impl FnMut() -> Result<Option<Vec<u8>>, Error> + 'a {
        let (generation, mut numbers) = (self.0.generation, 0..self.0.blocks);
        move || {
            let Some(number) = numbers.next() else { return Ok(None) };
            Ok(store.get(VIEW_BLOCKS, &block_key(party, name, generation, Some(number)))?)
        }
    }

    /// Makes a checkpoint of a circuit that has taken in so many epochs and is past one of the journal, and adds to a
    /// batch what makes it the view's, in place of the one before. Nothing if there is none to be made now.
    pub(crate) fn make(
        party: &Party,
        name: &str,
        circuit: &Circuit,
        before: Option<&Self>,
        (cursor, epochs): (u64, u64),
        batch: &mut Batch,
    ) -> Result<Option<Self>, Error> {
        let (key, store) = (party.key(), party.database().store());
        // Models that become known change rows in no epoch: all of that must be in the circuit.
        let models = party.with(|state| {
            let models = state.models_of_views(circuit)?;
            circuit.queue().is_empty().then_some(models)
        });
        let Some(models) = models else { return Ok(None) };
        let generation = before.map_or(0, |before| before.0.generation.wrapping_add(1));
        clear(store, &block_key(&key, name, generation, None))?;
        let mut blocks = Blocks { store, batch: Batch::new(), count: 0, waiting: 0, bytes: 0, failed: None };
        let is_saved = circuit.save(&mut |block| {
            let number = blocks.count;
            blocks.put(block_key(&key, name, generation, Some(number)), block);
        });
        if !is_saved {
            return Ok(None);
        }
        blocks.finish()?;
        let (count, bytes) = (blocks.count, blocks.bytes);
        let row = proto::ViewCheckpoint {
            generation,
            blocks: count,
            bytes,
            cursor,
            epochs,
            models: models.0.to_vec(),
        };
        batch.put(VIEW_CHECKPOINTS, under_party(&key, name.as_bytes()), row.encode_to_vec());
        if let Some(ViewCheckpoint(before)) = before {
            let old = |number| block_key(&key, name, before.generation, Some(number));
            (0..before.blocks).for_each(|number| batch.delete(VIEW_BLOCKS, old(number)));
        }
        Ok(Some(ViewCheckpoint(row)))
    }

    /// Notes that it is past another epoch of the journal, for nothing that concerns it has happened since.
    pub(crate) fn pass(&mut self, party: &PublicKey, name: &str, cursor: u64, batch: &mut Batch) {
        self.0.cursor = cursor;
        batch.put(VIEW_CHECKPOINTS, under_party(party, name.as_bytes()), self.0.encode_to_vec());
    }

    /// Adds to a batch the removal of whatever there is of a view's checkpoints.
    pub(crate) fn forget(
        store: &dyn Store,
        party: &PublicKey,
        name: &str,
        batch: &mut Batch,
    ) -> Result<(), Error> {
        batch.delete(VIEW_CHECKPOINTS, under_party(party, name.as_bytes()));
        visit_rows(store, VIEW_BLOCKS, &given_prefix(party, name, None), |key, _| {
            batch.delete(VIEW_BLOCKS, key);
            Ok(())
        })
    }
}

/// Blocks on their way to the store.
struct Blocks<'a> {
    store: &'a dyn Store,
    batch: Batch,
    count: u32,
    /// The bytes in the batch.
    waiting: usize,
    bytes: u64,
    failed: Option<StoreError>,
}

impl Blocks<'_> {
    fn put(&mut self, key: Vec<u8>, block: Vec<u8>) {
        if self.failed.is_some() {
            return;
        }
        self.waiting += block.len();
        (self.count, self.bytes) = (self.count + 1, self.bytes + block.len() as u64);
        self.batch.put(VIEW_BLOCKS, key, block);
        if self.waiting >= COMMIT_BYTES {
            self.waiting = 0;
            self.failed = self.store.commit(std::mem::take(&mut self.batch)).err();
        }
    }

    fn finish(&mut self) -> Result<(), Error> {
        let last = std::mem::take(&mut self.batch);
        match self.failed.take() {
            Some(error) => Err(error.into()),
            None if last.is_empty() => Ok(()),
            None => Ok(self.store.commit(last)?),
        }
    }
}

/// Removes blocks that were put in vain, if there are any.
fn clear(store: &dyn Store, prefix: &[u8]) -> Result<(), Error> {
    let mut batch = Batch::new();
    store.scan(VIEW_BLOCKS, ScanRange::prefix(prefix), &mut |key, _| {
        batch.delete(VIEW_BLOCKS, key);
        std::ops::ControlFlow::Continue(())
    })?;
    if batch.is_empty() { Ok(()) } else { Ok(store.commit(batch)?) }
}

impl PartyState {
    /// Which models give items their meaning, for a view; nothing if what it holds can't be told from that.
    pub(crate) fn models_of_views(&self, circuit: &Circuit) -> Option<Digest> {
        if circuit.queue().reads_items() && !self.programs.rules.is_empty() {
            return None;
        }
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for model in self.registry.models() {
            parts.extend([model.name().as_bytes().to_vec(), model.version().to_le_bytes().to_vec()]);
        }
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        Some(Digest::derive("motet models of a view v1", &parts))
    }
}
