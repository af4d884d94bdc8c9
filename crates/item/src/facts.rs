//! The identity model.
//!
//! Its facts are rows of `fact` and nothing else, which is what bulk triples want; it keeps no state, so a million
//! facts cost what the facts cost.

use crate::{ItemId, Model, SnapshotError, State};

/// The identity model.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts;

impl Facts {
    /// What genesis entries call it.
    pub const NAME: &'static str = "facts";
}

impl Model for Facts {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn begin(&self, _item: ItemId) -> Option<Box<dyn State>> {
        None
    }

    fn restore(&self, _item: ItemId, _snapshot: &[u8]) -> Result<Box<dyn State>, SnapshotError> {
        Err(SnapshotError::Stateless(Self::NAME.to_owned()))
    }

    fn rows_are_of_its_entities(&self) -> bool {
        true
    }
}
