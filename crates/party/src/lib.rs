//! Who may write: members, devices, feeds and invitations, as a function of the control entries.
//!
//! A *party* is a key, and the control entries that start with the *genesis* it signed. A control entry carries
//! *credentials*: this identity is a member in that role, this device is that member's, this feed is that device's,
//! this invitation is open. Three questions are asked of an entry and never mixed (H7 to H9): whether it is *linked*
//! is the crate `feed`'s; whether it is *authorised* depends on its own causal past alone and is answered once, the
//! same by everybody; whether it *counts* depends on all the control entries there are and may change both ways.
//!
//! Everything here is in memory and pure. No rule reads a clock (H12): a time limit is kept by the device that
//! redeems an invitation, before it signs. Not yet here, with a number waiting in `proto/party.proto`: removal, change
//! of role, recovery and fork proofs (H5, H10, H11), and epochs (H22).
//!
//! | module | noun |
//! |---|---|
//! | [`credential`] | what a control entry can say, and the certificates in it |
//! | [`body`] | the bytes of a control entry's body |
//! | [`authority`] | judging control entries and counting what they grant |
//! | [`state`] | members, devices, feeds and invitations, to be read |
//! | [`refusal`] | why an entry is refused |
//! | [`invitation`] | the code a person passes on |
//! | [`papers`] | what a device shows to be admitted |
//! | [`greeting`] | what a newcomer and the device that admits it say to each other |

pub mod authority;
pub mod body;
pub mod credential;
pub mod greeting;
pub mod invitation;
pub mod papers;
pub mod refusal;
mod rule;
pub mod state;

mod proto {
    #![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
    include!(concat!(env!("OUT_DIR"), "/motet.party.rs"));

    pub mod greeting {
        include!(concat!(env!("OUT_DIR"), "/motet.greeting.rs"));
    }
}

pub use authority::{Authority, Effect};
pub use body::{BodyError, ControlBody, decode_body, encode_body};
pub use credential::{
    Credential, FeedCertificate, Founding, Genesis, InvitationId, MAX_NAME_BYTES, Role, certify_device,
    certify_feed, verify_device,
};
pub use greeting::{Denial, Greeting, Offer, Request, Welcome};
pub use invitation::{CodeError, Handle, InvitationCode, InvitationLink, InvitationWords};
pub use papers::Papers;
pub use refusal::{Reason, Refusal};
pub use state::{Device, Feed, Invitation, Member};
