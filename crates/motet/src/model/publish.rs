//! Models in a party: those that are published, those that are here, and those that are lacking.
//!
//! The name of a published model is the property `model/NAME` of the party's root item, a link to the block. So it
//! syncs as any property does, and two who publish under one name at once have written to one register. The block
//! itself is no fact: it is kept in the table `models`, and asked for by whoever has the link and not the block.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use motet_algebra::Budget;
use motet_fact::{Cid, PublicKey};
use motet_item::{Item, ItemId, Registry};
use motet_store::{Batch, Store};

use super::block::{self, MAX_BLOCK_BYTES, ModelBlock};
use super::rules::Rules;
use crate::state::{self, PartyState};
use crate::tables::{MODELS, under_party};
use crate::{Database, Error, Party};

/// What the properties begin with that name published models.
const PROPERTY: &str = "model/";
/// How many blocks a party keeps. Past that none is asked for.
const MOST_BLOCKS: usize = 1000;

/// What a change of an item may cost by default: 20 million rows looked at, and 512 MiB newly held.
const BUDGET: Budget = Budget { rows: 20_000_000, memory: 512 << 20, ..Budget::UNLIMITED };

/// The models that a database knows, and what it spends on those that are data.
#[derive(Clone)]
pub(crate) struct Models {
    pub(crate) registry: Registry,
    pub(crate) budget: SharedBudget,
}

/// What a change of an item may cost, for all circuits of a database.
pub(crate) type SharedBudget = Arc<Mutex<Budget>>;

impl Models {
    pub(crate) fn of(registry: Registry) -> Self {
        Models { registry, budget: Arc::new(Mutex::new(BUDGET)) }
    }
}

/// The models that are data, of which a party has the blocks.
pub(crate) struct Programs {
    pub(crate) rules: BTreeMap<Cid, Rules>,
    /// Blocks that are not here, and are named by items which somebody looked at.
    named: BTreeSet<Cid>,
    /// Those that are named and not here, as of so many entries, loaded items and blocks.
    lacking: Option<([usize; 3], BTreeSet<Cid>)>,
}

/// A model that is published under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedModel {
    /// Its block.
    pub block: Cid,
    /// Whether the block is here. If not, peers are asked for it.
    pub is_here: bool,
}

impl Programs {
    /// Reads the blocks of a party.
    pub(crate) fn open(store: &dyn Store, party: &PublicKey, budget: &SharedBudget) -> Result<Self, Error> {
        let mut rules = BTreeMap::new();
        state::visit_rows(store, MODELS, party.as_bytes(), |key, bytes| {
            let cid = Cid::from_bytes(&key[32..]).map_err(|error| Error::unreadable("a model", error))?;
            if !cid.names(bytes) {
                return Err(Error::unreadable(format!("model {cid}"), "its block has another hash"));
            }
            rules.insert(cid, Rules::new(&cid, bytes.to_vec(), budget.clone()));
            Ok(())
        })?;
        Ok(Programs { rules, named: BTreeSet::new(), lacking: None })
    }

    /// A registry with these models too.
    pub(crate) fn add_to(&self, registry: &Registry) -> Registry {
        self.rules.values().fold(registry.clone(), |registry, rules| registry.with(rules.clone()))
    }
}

impl PartyState {
    /// The blocks that published models or items which somebody looked at name, and that are not here.
    pub(crate) fn lacking_models(&mut self, store: &dyn Store) -> Result<BTreeSet<Cid>, Error> {
        let now = [self.graph.len(), self.items.len(), self.programs.rules.len()];
        if let Some((then, lacking)) = &self.programs.lacking
            && *then == now
        {
            return Ok(lacking.clone());
        }
        let mut named: BTreeSet<Cid> = self.links(store)?;
        named.extend(self.items.iter().filter_map(|(_, item)| block::block_of(item.model()?)));
        named.extend(&self.programs.named);
        named.retain(|cid| !self.programs.rules.contains_key(cid));
        let room = MOST_BLOCKS.saturating_sub(self.programs.rules.len());
        let lacking: BTreeSet<Cid> = named.into_iter().take(room).collect();
        let now = [self.graph.len(), self.items.len(), self.programs.rules.len()];
        self.programs.lacking = Some((now, lacking.clone()));
        Ok(lacking)
    }

    /// An item was folded: if its model is a block that is not here, it is one to ask for.
    pub(crate) fn note_model(&mut self, item: &Item) {
        let block = item.model().and_then(block::block_of);
        let lacking = block.filter(|block| !self.programs.rules.contains_key(block));
        if self.programs.named.len() < MOST_BLOCKS
            && let Some(block) = lacking
            && self.programs.named.insert(block)
        {
            self.programs.lacking = None;
        }
    }

    /// All blocks that were ever published and whose publishing counts.
    fn links(&mut self, store: &dyn Store) -> Result<BTreeSet<Cid>, Error> {
        let root = self.load_item(store, ItemId::root(&self.party))?;
        let links = root.told().filter_map(|told| {
            told.attribute.as_text()?.strip_prefix(PROPERTY)?;
            told.value.as_link()
        });
        Ok(links.collect())
    }

    /// Takes a block in: items of it come alive.
    fn take_model(&mut self, store: &dyn Store, cid: Cid, bytes: Vec<u8>) -> Result<(), Error> {
        if self.programs.rules.contains_key(&cid) {
            return Ok(());
        }
        let mut batch = Batch::new();
        batch.put(MODELS, under_party(&self.party, cid.as_bytes()), bytes.clone());
        store.commit(batch)?;
        self.programs.rules.insert(cid, Rules::new(&cid, bytes, self.models.budget.clone()));
        self.revive(store, &self.models.clone());
        Ok(())
    }
}

impl Database {
    /// The names of the models that are registered, ascending.
    pub fn model_names(&self) -> Vec<String> {
        self.models().registry.names().map(str::to_owned).collect()
    }

    /// What this database spends on one change of an item whose model is data, from now on. It decides nothing that
    /// replicas must agree on: an item that costs more has the status `not computed here`. `ticks` are not looked at.
    ///
    /// # Panics
    /// If a thread panicked while it did the same.
    pub fn set_model_budget(&self, budget: &Budget) {
        *self.models().budget.lock().expect("nobody panics with the budget") = budget.clone();
    }

    /// Takes in the block of a model that a peer sent, if it is one that is asked for and the bytes are the named ones.
    ///
    /// # Errors
    /// [`Error::NoSuchParty`]; [`Error::ModelBlock`] if it is not; [`Error::Store`].
    pub fn deliver_model(&self, party: &PublicKey, cid: &Cid, bytes: Vec<u8>) -> Result<(), Error> {
        let party = self.party(party)?;
        if bytes.len() > MAX_BLOCK_BYTES || !cid.names(&bytes) {
            return Err(Error::ModelBlock(format!("what came for model {cid} is not its block")));
        }
        let store = self.store();
        party.with(|state| {
            if !state.lacking_models(store)?.contains(cid) {
                return Err(Error::ModelBlock(format!("nobody asked for model {cid}")));
            }
            state.take_model(store, *cid, bytes)
        })?;
        self.notify();
        Ok(())
    }
}

impl Party {
    /// Publishes a model under a name, over the one that has it, and gives the name of its block. Items of the model go
    /// on with it whatever becomes of the name.
    ///
    /// # Errors
    /// [`Error::ModelName`]; [`Error::Query`] with everything that is wrong with the program; [`Error::ModelBlock`] if
    /// it is too long or its limits are none; otherwise as [`crate::Transaction::commit`].
    pub fn publish_model(&self, name: &str, model: &ModelBlock) -> Result<Cid, Error> {
        let fits = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let is_known = self.database().models().registry.get(name).is_some();
        if name.is_empty() || !name.chars().all(fits) || is_known {
            return Err(Error::ModelName(name.to_owned()));
        }
        let bytes = model.encode();
        ModelBlock::decode(&bytes).map_err(|error| Error::ModelBlock(error.to_string()))?;
        model.compile().map_err(Error::Query)?;
        let (cid, store) = (model.cid(), self.database().store());
        self.with(|state| state.take_model(store, cid, bytes))?;
        self.set(ItemId::root(&self.key()), format!("{PROPERTY}{name}"), cid)?;
        Ok(cid)
    }

    /// The published models by name.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn published_models(&self) -> Result<BTreeMap<String, PublishedModel>, Error> {
        let root = ItemId::root(&self.key());
        let properties = self.item(root, |item| item.attributes(&root.entity()))?;
        let published = properties.iter().filter_map(|(attribute, value)| {
            Some((attribute.as_text()?.strip_prefix(PROPERTY)?.to_owned(), value.as_link()?))
        });
        Ok(self.with(|state| {
            let of =
                |block: Cid| PublishedModel { block, is_here: state.programs.rules.contains_key(&block) };
            published.map(|(name, block)| (name, of(block))).collect()
        }))
    }

    /// The block of a model: by the name it is published under, or by its CID. Nothing if it is not here.
    ///
    /// # Errors
    /// [`Error::ModelBlock`] if it is not one that this program reads; [`Error::Store`].
    pub fn model_block(&self, name: &str) -> Result<Option<ModelBlock>, Error> {
        let Some(cid) = self.block_named(name)? else { return Ok(None) };
        let bytes = self.database().store().get(MODELS, &under_party(&self.key(), cid.as_bytes()))?;
        let block = bytes.map(|bytes| ModelBlock::decode(&bytes)).transpose();
        block.map_err(|error| Error::ModelBlock(error.to_string()))
    }

    /// The block that a name stands for, or a CID, be it alone or as a genesis has it.
    fn block_named(&self, name: &str) -> Result<Option<Cid>, Error> {
        let cid = block::block_of(name).or_else(|| name.parse().ok());
        Ok(match cid {
            Some(cid) => Some(cid),
            None => self.published_models()?.get(name).map(|published| published.block),
        })
    }

    /// What a genesis calls the model of a name, and the version of it that new items get: a model that is registered,
    /// or one that is published and here.
    pub(crate) fn resolve_model(&self, name: &str) -> Result<(String, u32), Error> {
        let registry = self.database().models().registry;
        if let Some(model) = registry.get(name) {
            return Ok((name.to_owned(), model.version()));
        }
        let known = |published: BTreeMap<String, PublishedModel>| {
            registry.names().map(str::to_owned).chain(published.into_keys()).collect()
        };
        match self.block_named(name)? {
            Some(cid) if self.with(|state| state.programs.rules.contains_key(&cid)) => {
                Ok((block::model_name(&cid), 1))
            }
            Some(cid) => {
                Err(Error::ModelBlock(format!("model {cid} is not here yet: sync with a peer that has it")))
            }
            None => Err(Error::NoSuchModel(name.to_owned(), known(self.published_models()?))),
        }
    }

    /// The blocks of models that are asked for, as they are named here and not kept.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn lacking_models(&self) -> Result<BTreeSet<Cid>, Error> {
        let store = self.database().store();
        self.ask(|state| state.lacking_models(store))
    }

    /// The bytes of a block, for a peer.
    pub(crate) fn block_bytes(&self, cid: &Cid) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.database().store().get(MODELS, &under_party(&self.key(), cid.as_bytes()))?)
    }
}

/// Whether an item waits for its model to come from a peer.
pub(crate) fn waits(item: &motet_item::Item) -> bool {
    !item.is_alive() && item.model().is_some_and(|model| block::block_of(model).is_some())
}
