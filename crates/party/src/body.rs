//! The bytes of a control entry's body: the protocol buffer `ControlBody` of `proto/party.proto`.
//!
//! A body is named by the CID of its bytes, so it needs no canonical form. What cannot be read because it is malformed
//! is refused; what cannot be read because it is from a later version of the program is held (H7). The two are told
//! apart by [`BodyError::is_later`].

use prost::Message as _;

use crate::wire::{self, Fault};
use crate::{Credential, CredentialId, proto};

/// What a control entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlBody {
    /// Unix seconds by the writer's clock. For people; no rule reads it (H3).
    pub written_at: i64,
    /// The admission of its feed, which it acts under (H11). A genesis has none.
    pub under: Option<CredentialId>,
    /// The credentials, each judged with the ones before it.
    pub credentials: Vec<Credential>,
}

/// Why bytes are not the body of a control entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Not the protocol buffer.
    #[error("not the body of a control entry: {0}")]
    Malformed(String),
    /// The name of the credential it acts under.
    #[error("the credential that the control entry acts under is malformed: {0}")]
    Under(&'static str),
    /// A field that no credential has like this.
    #[error("credential {number} of the control entry is malformed: {what}")]
    Field {
        /// Which credential, from 0.
        number: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// From a later version: the entry is to be held until this program knows it, not refused (H7).
    #[error("credential {number} of the control entry is of a kind this program does not know: update it")]
    UnknownCredential {
        /// Which credential, from 0.
        number: usize,
    },
}

impl BodyError {
    /// Whether a later version of the program could read it: hold the entry, don't refuse it.
    pub fn is_later(&self) -> bool {
        matches!(self, BodyError::UnknownCredential { .. })
    }
}

/// The bytes of a body.
pub fn encode_body(body: &ControlBody) -> Vec<u8> {
    let credential = |credential| proto::Credential { credential: Some(wire::to_wire(credential)) };
    proto::ControlBody {
        written_at: body.written_at,
        credentials: body.credentials.iter().map(credential).collect(),
        under: body.under.as_ref().map(wire::to_name),
    }
    .encode_to_vec()
}

/// Reads the bytes of a body. That certificates hold is checked when the entry is judged.
///
/// # Errors
/// [`BodyError`] saying which credential is wrong, and whether the entry is to be refused or held.
pub fn decode_body(bytes: &[u8]) -> Result<ControlBody, BodyError> {
    let body = proto::ControlBody::decode(bytes).map_err(|error| BodyError::Malformed(error.to_string()))?;
    let read = |(number, credential): (usize, proto::Credential)| {
        let known = credential.credential.ok_or(BodyError::UnknownCredential { number })?;
        wire::from_wire(known).map_err(|fault| match fault {
            Fault::Wrong(what) => BodyError::Field { number, what },
            Fault::Later => BodyError::UnknownCredential { number },
        })
    };
    let credentials = body.credentials.into_iter().enumerate().map(read).collect::<Result<_, _>>()?;
    let under = body.under.map(|name| wire::name(&name)).transpose().map_err(|fault| match fault {
        Fault::Wrong(what) => BodyError::Under(what),
        Fault::Later => BodyError::UnknownCredential { number: 0 },
    })?;
    Ok(ControlBody { written_at: body.written_at, under, credentials })
}
