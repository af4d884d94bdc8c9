//! Models that are data (H20): rules that say what the facts of an item come to.
//!
//! A [`ModelBlock`] is such a model: a program in PomoLogic, the version of its language, and limits. Its name is its
//! CID, so it never changes, and whoever has it can check that it is the one. A member *publishes* it in a party: the
//! block is kept in the store, and a property of the root item, `model/NAME`, links to it. Whoever makes an item of the
//! model writes `rules/CID` into the genesis. A replica that lacks the block of a model that was published, or that an
//! item names which somebody looks at, asks its peers for it ([`crate::replica`]); until it comes, the item keeps its
//! facts as one of any unknown model does.
//!
//! Nothing need be trusted for that: a program can only derive rows, from the facts of its own item, and the limits of
//! the block fence in what it derives. One circuit computes all items of a model in a party: the lifted
//! program ([`motet_logic::model`]) on the native runtime, kept up as facts come and go.
//!
//! What becomes of an item:
//!
//! | status | when | in the state hash |
//! |---|---|---|
//! | computed | its rows are within the limits | the rows of the outputs |
//! | over limit | a stratum has more rows for it, or a row has a longer value: the same everywhere | that it is so |
//! | wrong | the program has errors: the same everywhere | that it is so |
//! | not computed here | it costs more than this replica spends on a change of an item | as if the model were unknown |
//!
//! | module | noun |
//! |---|---|
//! | [`block`] | the block: program, language, limits |
//! | `rules` | the model that a block is |
//! | `shared` | the circuit of all its items |
//! | [`state`] | what it makes of one item |
//! | `publish` | models in a party: published, here, lacking |

pub mod block;
mod publish;
mod rules;
mod shared;
pub mod state;

pub use block::{BlockError, ModelBlock, ModelLimits};
pub use publish::PublishedModel;
pub(crate) use publish::{Models, Programs, waits};
pub use state::{RulesState, RulesStatus};

/// Models that come with Motet as programs, each with the name of its file: to be published, and to begin from.
pub const LIBRARY: [(&str, &str); 6] = [
    ("counter", include_str!("../../models/counter.pomo")),
    ("last-writer", include_str!("../../models/last-writer.pomo")),
    ("register", include_str!("../../models/register.pomo")),
    ("sequence", include_str!("../../models/sequence.pomo")),
    ("set", include_str!("../../models/set.pomo")),
    ("tree", include_str!("../../models/tree.pomo")),
];
