//! What can go wrong, named by what the caller can do about it.

use motet_algebra::RuntimeError;
use motet_fact::{FactError, PhraseError, PublicKey};
use motet_item::{EditError, ItemId};
use motet_logic::Diagnostics;
use motet_party::Denial;
use motet_store::StoreError;

/// Why a call to the database failed. Nothing already stored is lost by any of these.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed, is in use, or is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such party here.
    #[error("this database holds no party {0}; `motet party list` shows those it holds")]
    NoSuchParty(PublicKey),
    /// There is no database in the directory.
    #[error("there is no database in {0}; `motet init` makes one")]
    NoDatabase(String),
    /// A passphrase protects the database, and none was given.
    #[error("a passphrase protects this database: give it at the prompt or in MOTET_PASSPHRASE")]
    PassphraseNeeded,
    /// There is one already.
    #[error("there is a database in {0} already")]
    DatabaseExists(String),
    /// There is no such item.
    #[error("party {party} has no item {item}")]
    NoSuchItem {
        /// The party.
        party: PublicKey,
        /// What was asked for.
        item: String,
    },
    /// No model of that name is registered.
    #[error("no model is called `{0}`; known are: {known}", known = .1.join(", "))]
    NoSuchModel(String, Vec<String>),
    /// A name that a model can't be published under.
    #[error("a model can't be published as `{0}`: letters, digits, `_`, `-`, and no built in model's name")]
    ModelName(String),
    /// The block of a model that is not here, or is none.
    #[error("{0}")]
    ModelBlock(String),
    /// A name that rules can't be saved under.
    #[error("rules can't be saved as `{0}`: a name has letters, digits, `_` and `-` only")]
    RulesName(String),
    /// No rules are saved under that name.
    #[error("no rules are saved as `{0}`; `motet rules list` shows those that are")]
    NoSuchRules(String),
    /// Two parties of one query have different rules under one name.
    #[error(
        "the parties of this query have saved different rules as `{0}`: ask one of them, or save the same"
    )]
    RulesDiffer(String),
    /// The query has time, and one answer has no epochs before it.
    #[error("the query depends on events or earlier epochs: leave `@next` and `event` out, or keep a view")]
    Timed,
    /// A namespace that facts can't go into.
    #[error(
        "`{0}` is no namespace: words of letters, digits, `_`, `-`, `.`, with `/` between, not `motet` first"
    )]
    Namespace(String),
    /// A row that can't be a fact.
    #[error("{row} can't be a fact: {why}")]
    Row {
        /// The row.
        row: String,
        /// What is wrong with it.
        why: String,
    },
    /// A name that a view can't be kept under.
    #[error("a view can't be kept as `{0}`: a name has 1 to 200 bytes, and no control characters")]
    ViewName(String),
    /// A view is kept under that name.
    #[error("a view is kept as `{0}` already; `motet view forget` gives the name up")]
    ViewExists(String),
    /// No view is kept under that name.
    #[error("no view is kept as `{0}`; `motet view list` shows those that are")]
    NoSuchView(String),
    /// The view is open.
    #[error("the kept view `{0}` is open already: one at a time takes its epochs in")]
    ViewOpen(String),
    /// A move that would make an item its own ancestor.
    #[error("item {item} can't move under {parent}: that is the item itself, or below it")]
    WouldCycle {
        /// The item to move.
        item: String,
        /// Its would-be parent.
        parent: String,
    },
    /// An item that others hang under.
    #[error(
        "item {item} has {children} items under it: say what becomes of them, to come under the root or \
         to go along"
    )]
    HasChildren {
        /// The item.
        item: String,
        /// How many hang right under it.
        children: usize,
    },
    /// The root, or the tree.
    #[error("item {0} is the party's own and stays while the party does")]
    Indelible(String),
    /// A model that keeps what was said.
    #[error(
        "what was said about item {item} can't be taken back: its model `{model}` keeps it, or is not known \
         here"
    )]
    CannotUndo {
        /// The item.
        item: String,
        /// Its model.
        model: String,
    },
    /// An entry that is not here.
    #[error("entry {0} is not here")]
    NoSuchEntry(motet_fact::Cid),
    /// What was waited for did not come in time.
    #[error("{what} did not come in time; {missing}")]
    Late {
        /// What was waited for.
        what: String,
        /// What may still be missing.
        missing: String,
    },
    /// A place beside an item that is no child of the parent, or becomes one in the same transaction.
    #[error("item {item} is no child of {parent} yet: what comes beside it is placed after it is there")]
    NoSuchSibling {
        /// What was to be beside.
        item: String,
        /// The parent.
        parent: String,
    },
    /// An item of another model than what was asked for.
    #[error("item {item} has the model `{model}`, and is no `{wanted}`")]
    OtherModel {
        /// The item.
        item: String,
        /// Its model; empty if it has none that counts.
        model: String,
        /// The model that was asked for.
        wanted: &'static str,
    },
    /// Positions that a text or a list does not have.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// What was to be written is no fact.
    #[error(transparent)]
    Fact(#[from] FactError),
    /// The transaction is over a limit.
    #[error(
        "the transaction's body has {bytes} bytes; one entry carries at most {limit}: write it in several"
    )]
    TooLarge {
        /// Bytes of the body.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The transaction names too many of something.
    #[error("the transaction has {count} {what}; one entry takes at most {limit}: write it in several")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// This device may not write to the party.
    #[error("this device may not do that in party {party}: {why}")]
    NotAllowed {
        /// The party.
        party: PublicKey,
        /// What is missing.
        why: String,
    },
    /// Our own feed has entries that wait for others.
    #[error("feed {feed} has entries here that wait for others; sync first, then write")]
    OwnFeedWaits {
        /// The feed.
        feed: PublicKey,
    },
    /// The query has errors.
    #[error("{0}")]
    Query(Diagnostics),
    /// The query's evaluation failed.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The plan can't be built.
    #[error("the plan can't be built: {0}")]
    Plan(String),
    /// An invitation can't be made, read or redeemed.
    #[error("{0}")]
    Invitation(String),
    /// The device on the other side does not let this one in, or ours not another.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The party is closed on this device, or the handle is older than its closing.
    #[error("party {0} is closed here; `motet party open` opens it")]
    PartyClosed(PublicKey),
    /// The party is not active on this device.
    #[error("party {0} is not active here; `motet party activate` makes it so")]
    PartyInactive(PublicKey),
    /// The party takes nothing in.
    #[error("party {0} is paused here; `motet party resume` lets it go on")]
    PartyPaused(PublicKey),
    /// What may not be done to the identity party.
    #[error(
        "the identity party is always open: it is where this device keeps what its owner's devices share"
    )]
    IdentityParty,
    /// This device does not hold the recovery phrase.
    #[error(
        "this device does not hold the identity's recovery phrase; `motet identity recover` gives it to this \
         one, or do it on one that holds it"
    )]
    NotHolder,
    /// The words are no recovery phrase.
    #[error(transparent)]
    Phrase(#[from] PhraseError),
    /// The phrase is of another identity.
    #[error("that is the recovery phrase of identity {theirs}, and this database is {own}'s")]
    OtherIdentity {
        /// Whose database it is.
        own: PublicKey,
        /// Whose phrase it is.
        theirs: PublicKey,
    },
    /// The directory belongs to a device whose linking was cut short.
    #[error(
        "the device in {0} is not linked yet: run `motet init --link CODE` again, it goes on where it stopped"
    )]
    LinkingUnfinished(String),
    /// What the database keeps about itself is unreadable.
    #[error("{what} in the database is unreadable: {why}; `motet verify` tells more")]
    Unreadable {
        /// What was read.
        what: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Error {
    pub(crate) fn other_model(item: ItemId, model: Option<&str>, wanted: &'static str) -> Self {
        Error::OtherModel { item: item.to_string(), model: model.unwrap_or_default().to_owned(), wanted }
    }

    pub(crate) fn unreadable(what: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Error::Unreadable { what: what.into(), why: why.to_string() }
    }
}
