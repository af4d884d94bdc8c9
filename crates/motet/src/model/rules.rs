//! The model that a block is.
//!
//! A party has a model of its own for each block, and so a circuit: the items of two parties, and those of a party as
//! it was, never meet. The program is compiled when something is first said of an item of it.

use std::sync::{Arc, Mutex, MutexGuard};

use motet_algebra::Budget;
use motet_fact::Cid;
use motet_item::{ItemId, Model, SnapshotError, State, kept};

use super::block::{self, ModelBlock};
use super::publish::SharedBudget;
use super::shared::Shared;
use super::state::RulesState;

/// A model that is data. Cheap to clone: all clones have one circuit.
#[derive(Clone)]
pub(crate) struct Rules {
    name: Arc<str>,
    circuit: Arc<Circuit>,
}

/// The circuit of a model, made when it is needed.
pub(super) struct Circuit {
    bytes: Vec<u8>,
    /// What one change of an item may cost here.
    budget: SharedBudget,
    made: Mutex<Option<Made>>,
}

/// What a block turned out to be.
pub(super) enum Made {
    /// A program that runs.
    Running(Box<Shared>),
    /// A program with errors.
    Wrong(Arc<str>),
    /// Nothing that this program knows.
    Unread(Arc<str>),
}

impl Rules {
    /// The model of a block that is here.
    pub(crate) fn new(cid: &Cid, bytes: Vec<u8>, budget: SharedBudget) -> Self {
        let name = block::model_name(cid).into();
        Rules { name, circuit: Arc::new(Circuit { bytes, budget, made: Mutex::default() }) }
    }
}

impl Circuit {
    pub(super) fn budget(&self) -> Budget {
        self.budget.lock().expect("nobody panics with the budget").clone()
    }

    /// Another circuit of the same program, with nothing in it.
    pub(super) fn another(&self) -> Circuit {
        Circuit { bytes: self.bytes.clone(), budget: self.budget.clone(), made: Mutex::default() }
    }

    /// The circuit, which nobody else uses meanwhile.
    pub(super) fn made(&self) -> MadeGuard<'_> {
        let mut made = self.made.lock().expect("nobody panics with the circuit of a model");
        made.get_or_insert_with(|| self.make());
        MadeGuard(made)
    }

    fn make(&self) -> Made {
        match ModelBlock::decode(&self.bytes) {
            Err(error) => Made::Unread(error.to_string().into()),
            Ok(block) => match Shared::new(&block) {
                Ok(shared) => Made::Running(Box::new(shared)),
                Err(wrong) => Made::Wrong(wrong.into()),
            },
        }
    }
}

/// The circuit, locked.
pub(super) struct MadeGuard<'a>(MutexGuard<'a, Option<Made>>);

impl MadeGuard<'_> {
    pub(super) fn get(&mut self) -> &mut Made {
        self.0.as_mut().expect("it was made when it was locked")
    }

    /// The circuit that something is in.
    pub(super) fn running(&mut self) -> &mut Shared {
        match self.get() {
            Made::Running(shared) => shared,
            Made::Wrong(why) | Made::Unread(why) => {
                unreachable!("an item is computed without a program: {why}")
            }
        }
    }
}

impl Model for Rules {
    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> u32 {
        1
    }

    fn begin(&self, item: ItemId) -> Option<Box<dyn State>> {
        Some(Box::new(RulesState::new(item, self.circuit.clone())))
    }

    fn restore(&self, item: ItemId, snapshot: &[u8]) -> Result<Box<dyn State>, SnapshotError> {
        let state = RulesState::new(item, self.circuit.clone());
        Ok(Box::new(kept::restore(self, state, snapshot)?))
    }
}
