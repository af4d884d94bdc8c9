//! The code a person passes on.
//!
//! One line of base32 that names the party, the invitation, its secret, the device that issued it and where to find
//! that device. The line holds a secret: who reads it first may join. So it is good once, for a while, and only at the
//! device that issued it (H12), which learns from the *proof* of a [`crate::Redemption`] that the newcomer has it,
//! without the secret being sent.
//!
//! Layout: version (1 byte: 1), party (32), invitation (16), secret (16), issuer (32), number of addresses (1), each
//! address after its length (1 byte); at last a checksum of 4 bytes over all that. Case, blanks and dashes don't
//! matter, so a code can be broken over lines or read aloud.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use motet_fact::{Digest, PublicKey};

use crate::InvitationId;

const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;
/// The longest code that is read, in characters.
const MAX_CODE_CHARACTERS: usize = 4096;

/// Why text is not an invitation code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// A character is wrong, missing or too many.
    #[error("the invitation code is mistyped or incomplete: copy the whole of it again")]
    Mistyped,
    /// From a later version.
    #[error("the invitation code has version {0}, which this program does not know: update it")]
    UnknownVersion(u8),
}

/// What an invitation code says.
#[derive(Clone, PartialEq, Eq)]
pub struct InvitationCode {
    /// The party joined.
    pub party: PublicKey,
    /// The invitation redeemed.
    pub invitation: InvitationId,
    /// What proves that one holds the code.
    pub secret: [u8; 16],
    /// The device that issued it, and alone redeems it.
    pub issuer_device: PublicKey,
    /// Where that device may be found; at most 255, of at most 255 bytes.
    pub addresses: Vec<String>,
}

impl InvitationCode {
    /// # Panics
    /// If there are more than 255 addresses or one has more than 255 bytes.
    fn bytes(&self) -> Vec<u8> {
        let length =
            |length: usize| u8::try_from(length).expect("at most 255 addresses of at most 255 bytes");
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(self.party.as_bytes());
        bytes.extend_from_slice(&self.invitation.0);
        bytes.extend_from_slice(&self.secret);
        bytes.extend_from_slice(self.issuer_device.as_bytes());
        bytes.push(length(self.addresses.len()));
        for address in &self.addresses {
            bytes.push(length(address.len()));
            bytes.extend_from_slice(address.as_bytes());
        }
        bytes
    }

    fn read(mut rest: &[u8]) -> Option<Self> {
        let code = InvitationCode {
            party: PublicKey::from_bytes(&take::<32>(&mut rest)?).ok()?,
            invitation: InvitationId(take(&mut rest)?),
            secret: take(&mut rest)?,
            issuer_device: PublicKey::from_bytes(&take::<32>(&mut rest)?).ok()?,
            addresses: addresses(&mut rest)?,
        };
        rest.is_empty().then_some(code)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk::<N>()?;
    *rest = left;
    Some(*taken)
}

fn addresses(rest: &mut &[u8]) -> Option<Vec<String>> {
    let [count] = take(rest)?;
    let mut address = || {
        let [length] = take(rest)?;
        let (text, left) = rest.split_at_checked(length.into())?;
        *rest = left;
        String::from_utf8(text.to_vec()).ok()
    };
    (0..count).map(|_| address()).collect()
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let [a, b, c, d, ..] = Digest::derive("motet invitation code checksum v1", &[bytes]).0;
    [a, b, c, d]
}

impl fmt::Display for InvitationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.bytes();
        bytes.extend_from_slice(&checksum(&bytes));
        f.write_str(&BASE32_NOPAD.encode(&bytes).to_lowercase())
    }
}

impl FromStr for InvitationCode {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        if text.len() > MAX_CODE_CHARACTERS {
            return Err(CodeError::Mistyped);
        }
        let letters: String =
            text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-').collect();
        let letters = letters.to_ascii_uppercase();
        let bytes = BASE32_NOPAD.decode(letters.as_bytes()).map_err(|_| CodeError::Mistyped)?;
        let (bytes, sum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(CodeError::Mistyped)?;
        if checksum(bytes) != *sum {
            return Err(CodeError::Mistyped);
        }
        match bytes.split_first() {
            Some((&VERSION, rest)) => InvitationCode::read(rest).ok_or(CodeError::Mistyped),
            Some((&version, _)) => Err(CodeError::UnknownVersion(version)),
            None => Err(CodeError::Mistyped),
        }
    }
}

impl fmt::Debug for InvitationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InvitationCode({} to party {}, secret not shown)", self.invitation, self.party.short())
    }
}
