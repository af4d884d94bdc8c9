//! The Database: opens, writes, subscribes, replicates.
//!
//! Here the two staircases meet. The history staircase (`fact`, `store`, `feed`, `party`, `item`) remembers who said
//! what; the question staircase (`algebra`, `logic`, and a runtime) says what follows from it. This crate owns the one
//! pipeline that joins them: every entry, written here or received from a peer, goes through the same function,
//! [`pipeline`], and what it changes reaches every live [`View`] as weighted rows.
//!
//! ```
//! use motet::{Database, Parameters};
//! # fn main() -> Result<(), motet::Error> {
//! let database = Database::in_memory("Ada")?;
//! let party = database.create_party("Home")?;
//! let note = party.create_item("object", Some("note"), None)?;
//! let mut titles = party.watch(
//!     r#"output title.  title(of: E, is: T) :- attr(entity: E, attribute: "title", value: T)."#,
//!     &Parameters::new(),
//! )?;
//! party.set(note, "title", "Milk, eggs")?;
//! let changes = titles.poll()?.expect("the new title has reached the view");
//! assert_eq!(changes["title"][0].1, 1);
//! # Ok(())
//! # }
//! ```
//!
//! | module | noun |
//! |---|---|
//! | [`database`] | the parties of one identity on one device |
//! | [`party`] | the handle to one party: reads, status |
//! | `write`, `drafts` | transactions and credentials become entries |
//! | `own_feeds` | the feeds that this device writes to |
//! | [`transaction`] | what becomes true together |
//! | [`deletion`], `remodel` | items go, come back, and go on under other models |
//! | [`history`], [`moment`] | what was said, taking it back; the party as it was |
//! | [`model`] | models that are data: rules, published and fetched |
//! | [`limits`] | how much memory, how long opening takes |
//! | [`links`] | references between items, and what is at their ends |
//! | [`text`](mod@text), [`list`] | texts and lists: reading and changing them |
//! | [`pipeline`] | the one way in |
//! | [`withdrawal`] | retracting much, little by little |
//! | `checkpoint` | opening without reading the history |
//! | `roster`, `working_set` | which items there are, and which of them are in memory |
//! | `held` | entries from later versions |
//! | [`losses`], [`rescue`] | own entries that do not count, and saying them again |
//! | [`admin`] | removing, readmitting, recovering |
//! | [`query`] | what somebody asks |
//! | [`view`] | a query kept right |
//! | [`circuits`], `circuit`, `queue` | the runtimes that views share, one of them, what waits for it |
//! | [`selection`] | items chosen, by a query |
//! | [`materialise`] | answers that become part of the party |
//! | `why` | why a row is there |
//! | [`kept`], `journal` | views that outlive the process, the epochs they have yet to take in |
//! | `view_checkpoint`, `replay` | what opening such a view goes on from, and the epochs since run again |
//! | [`runtime_kind`] | which evaluator runs it |
//! | [`relations`] | the base relations that queries read |
//! | `outline` | where items hang, in their rows |
//! | `rules` | the rules that a party saves |
//! | [`identity`] | whose database this is, and who can speak for the identity |
//! | [`identity_party`] | what the devices of one owner keep together |
//! | `steward` | what a device does by itself, so that they are one |
//! | [`parties`] | open, closed, active, paused, deleted |
//! | [`invitations`] | giving out invitations, and taking them back |
//! | [`doorkeeper`], [`guest`] | the two sides of a greeting |
//! | [`linking`] | a device that is not yet anybody's |
//! | [`authors`] | members on whose behalf an import writes |
//! | [`replica`] | what a sync session asks of a database |
//! | [`verify`] | everything read again and recomputed |
//! | [`world`] | entropy and time, as arguments |

pub mod admin;
pub mod authors;
mod bound;
mod checkpoint;
mod circuit;
pub mod circuits;
pub mod database;
pub mod deletion;
pub mod doorkeeper;
mod drafts;
pub mod error;
mod fact_index;
pub mod guest;
mod held;
pub mod history;
pub mod identity;
pub mod identity_party;
pub mod invitations;
mod journal;
pub mod kept;
pub mod limits;
pub mod linking;
pub mod links;
pub mod list;
pub mod losses;
pub mod materialise;
pub mod model;
pub mod moment;
mod outline;
mod own_feeds;
pub mod parties;
pub mod party;
pub mod pipeline;
pub mod query;
mod queue;
pub mod relations;
mod remodel;
mod replay;
pub mod replica;
pub mod rescue;
mod roster;
mod rules;
pub mod runtime_kind;
pub mod selection;
mod slice;
mod state;
mod steward;
mod tables;
pub mod text;
pub mod transaction;
pub mod verify;
pub mod view;
mod view_checkpoint;
mod why;
pub mod withdrawal;
mod working_set;
pub mod world;
mod write;

mod proto {
    #![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
    include!(concat!(env!("OUT_DIR"), "/motet.profile.rs"));

    pub mod model {
        include!(concat!(env!("OUT_DIR"), "/motet.model.rs"));
    }
}

pub use admin::Cut;
pub use authors::Author;
pub use checkpoint::Opening;
pub use circuits::Circuits;
pub use database::{Database, Protection};
pub use deletion::Cascade;
pub use doorkeeper::Doorkeeper;
pub use error::Error;
pub use guest::{Guest, Next};
pub use history::{Revision, Undone};
pub use identity::Profile;
pub use identity_party::{OwnDevice, PartyStanding};
pub use invitations::{InvitationInfo, InvitationState, Passing};
pub use kept::KeptView;
pub use limits::Limits;
pub use linking::Linking;
pub use links::{Link, Standing};
pub use list::List;
pub use losses::OwnLoss;
pub use materialise::{Causes, Materialised, Snapshot};
pub use model::{ModelBlock, ModelLimits, PublishedModel, RulesState, RulesStatus};
pub use moment::{AsOf, Moment};
pub use parties::PartyInfo;
pub use party::{Party, Status};
pub use pipeline::{Outcome, Report};
pub use query::Query;
pub use rescue::Rescue;
pub use runtime_kind::RuntimeKind;
pub use selection::{Completeness, Deleted, Selected, Selection, Update};
pub use text::Text;
pub use transaction::{Receipt, Stand, Transaction};
pub use verify::Verification;
pub use view::View;
pub use world::World;

pub use motet_algebra as algebra;
pub use motet_fact as fact;
pub use motet_item as item;
pub use motet_party as authority;

/// The values of a query's parameters (`$name`), by name without the dollar sign. Typed, never spliced into text.
pub type Parameters = std::collections::BTreeMap<String, motet_fact::Value>;
