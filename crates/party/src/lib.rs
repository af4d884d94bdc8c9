//! Who may write: members, devices, feeds and invitations, as a function of the control entries.
//!
//! A *party* is a key, and the control entries that start with the *genesis* it signed. A control entry carries
//! *credentials*: a stint of a member or a device begins or ends, a feed is a device's, an invitation is open or
//! revoked, a feed is forked. Three questions are asked of an entry and never mixed (H7 to H9): whether it is *linked*
//! is the crate `feed`'s; whether it is *authorised* depends on its own causal past alone and is answered once, the
//! same by everybody; whether it *counts* depends on all the control entries there are and may change both ways.
//!
//! What removals do to one another, and to what rests on them, is H11: see `conflict` and `threat`. Everything here
//! is in memory and pure. No rule reads a clock (H12): a time limit is kept by the device that redeems an invitation,
//! before it signs. Not yet here, with a number waiting in `proto/party.proto`: epochs (H22).
//!
//! | module | noun |
//! |---|---|
//! | [`credential`] | what a control entry can say |
//! | [`genesis`], [`certificate`], [`fork`] | the birth of a party, signatures in credentials, the proof of a fork |
//! | [`body`], `wire` | the bytes of a control entry's body |
//! | `judge` | whether an entry is authorised |
//! | [`authority`] | taking in control entries and counting what they state |
//! | `statement` | a credential as the authority keeps it |
//! | `threat`, `conflict` | what takes what away, and which of it takes effect |
//! | [`state`] | members, devices, feeds and invitations, to be read |
//! | [`refusal`], [`loss`] | why an entry is refused, or does not count |
//! | [`invitation`] | the code a person passes on |
//! | [`papers`] | what a device shows to be admitted |
//! | [`greeting`] | what a newcomer and the device that admits it say to each other |

pub mod authority;
pub mod body;
pub mod certificate;
mod conflict;
pub mod credential;
pub mod fork;
pub mod genesis;
pub mod greeting;
pub mod invitation;
mod judge;
pub mod loss;
pub mod papers;
pub mod refusal;
pub mod state;
mod statement;
mod threat;
mod wire;

mod proto {
    #![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
    include!(concat!(env!("OUT_DIR"), "/motet.party.rs"));

    pub mod greeting {
        include!(concat!(env!("OUT_DIR"), "/motet.greeting.rs"));
    }
}

pub use authority::{Authority, Effect};
pub use body::{BodyError, ControlBody, decode_body, encode_body};
pub use certificate::{FeedCertificate, certify_device, certify_feed, verify_device};
pub use credential::{Credential, CredentialId, Cuts, InvitationId, MAX_NAME_BYTES, Role, Subject};
pub use fork::{ForkError, ForkProof};
pub use genesis::{Founding, Genesis};
pub use greeting::{Denial, Greeting, Offer, Request, Welcome};
pub use invitation::{CodeError, Handle, InvitationCode, InvitationLink, InvitationWords};
pub use loss::{Deed, Loss};
pub use papers::Papers;
pub use refusal::{Reason, Refusal};
pub use state::{Device, Feed, Invitation, Member, OpenStint, Stint};
