//! The code a person passes on.
//!
//! A code comes in two forms. *Words* are to be read aloud: a small number, the *nameplate*, that says which of the
//! issuer's invitations is meant, and three words out of 2,048. Where the issuer is to be found is said beside it. A
//! *link* is to be sent: one line of base32 that names the party, the invitation, a secret of 128 bits, the device that
//! issued it and where to find that device.
//!
//! Either holds a secret: who uses it first may enter. So it is good once, for a while, and only at the device that
//! issued it (H12), which learns from the exchange in [`crate::greeting`] that the newcomer has it, without the secret
//! being sent. Three words are 33 bits, too few to withstand somebody who can try them out alone: in that exchange each
//! try is an answer of the issuer, and it gives [`ATTEMPTS`].
//!
//! Layout of a link: version (1 byte: 1), party (32), invitation (16), secret (16), issuer (32), number of addresses
//! (1), each address after its length (1 byte); at last a checksum of 4 bytes over all that. Case, blanks and dashes
//! don't matter, so a code can be broken over lines or read aloud.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use motet_fact::phrase::{WORDS, word, word_number};
use motet_fact::{Digest, PublicKey};

use crate::InvitationId;

const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;
/// How many words a code has behind its nameplate.
pub const CODE_WORDS: usize = 3;
/// How often an issuer answers somebody who may have a code: each answer is one guess.
pub const ATTEMPTS: u32 = 5;
/// What a link has at least, in characters: no words are as long.
const MIN_LINK_CHARACTERS: usize = 150;
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
    /// It is neither a link nor words.
    #[error("a code is a number and {CODE_WORDS} words, such as `7-canyon-ladder-ocean`, or one long line")]
    NotACode,
    /// A word that is not on the list.
    #[error("word {place} of the code is not on the list of words: is it misspelt?")]
    UnknownWord {
        /// Which one, from 1.
        place: usize,
    },
}

/// A code, in either form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvitationCode {
    /// One long line.
    Link(InvitationLink),
    /// A number and three words.
    Words(InvitationWords),
}

/// How a newcomer names the invitation it means, before it has shown that it has the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handle {
    /// By its id.
    Invitation(InvitationId),
    /// By the number of the issuer's.
    Nameplate(u16),
}

impl InvitationCode {
    /// How it names its invitation.
    pub fn handle(&self) -> Handle {
        match self {
            InvitationCode::Link(link) => Handle::Invitation(link.invitation),
            InvitationCode::Words(words) => Handle::Nameplate(words.nameplate),
        }
    }

    /// What both sides put into their exchange.
    pub fn password(&self) -> Vec<u8> {
        match self {
            InvitationCode::Link(link) => link.secret.to_vec(),
            InvitationCode::Words(words) => words.password(),
        }
    }
}

/// Case, blanks and line breaks don't matter; of words the first four letters are enough.
impl FromStr for InvitationCode {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        if text.trim().len() >= MIN_LINK_CHARACTERS {
            return text.parse().map(InvitationCode::Link);
        }
        text.parse().map(InvitationCode::Words)
    }
}

impl fmt::Display for InvitationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvitationCode::Link(link) => link.fmt(f),
            InvitationCode::Words(words) => words.fmt(f),
        }
    }
}

/// The short form.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct InvitationWords {
    /// Which of the issuer's invitations. Not a secret.
    pub nameplate: u16,
    words: [u16; CODE_WORDS],
}

impl InvitationWords {
    /// Words out of entropy, of which six bytes are used.
    pub fn new(nameplate: u16, entropy: [u8; 2 * CODE_WORDS]) -> Self {
        let pairs = entropy.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair) % WORDS);
        let mut words = [0; CODE_WORDS];
        words.iter_mut().zip(pairs).for_each(|(word, number)| *word = number);
        InvitationWords { nameplate, words }
    }

    /// What both sides put into their exchange.
    pub fn password(&self) -> Vec<u8> {
        self.words.map(word).join("-").into_bytes()
    }
}

impl fmt::Display for InvitationWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.nameplate, self.words.map(word).join("-"))
    }
}

impl fmt::Debug for InvitationWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InvitationWords({}, words not shown)", self.nameplate)
    }
}

impl FromStr for InvitationWords {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let text = text.to_lowercase();
        let mut pieces =
            text.split(|c: char| c.is_whitespace() || c == '-').filter(|piece| !piece.is_empty());
        let nameplate = pieces.next().and_then(|piece| piece.parse().ok()).ok_or(CodeError::NotACode)?;
        let pieces: Vec<&str> = pieces.collect();
        if pieces.len() != CODE_WORDS {
            return Err(CodeError::NotACode);
        }
        let mut words = [0; CODE_WORDS];
        for (place, piece) in pieces.into_iter().enumerate() {
            words[place] = word_number(piece).ok_or(CodeError::UnknownWord { place: place + 1 })?;
        }
        Ok(InvitationWords { nameplate, words })
    }
}

/// The long form.
#[derive(Clone, PartialEq, Eq)]
pub struct InvitationLink {
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

impl InvitationLink {
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
        let code = InvitationLink {
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

impl fmt::Display for InvitationLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.bytes();
        bytes.extend_from_slice(&checksum(&bytes));
        f.write_str(&BASE32_NOPAD.encode(&bytes).to_lowercase())
    }
}

impl FromStr for InvitationLink {
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
            Some((&VERSION, rest)) => InvitationLink::read(rest).ok_or(CodeError::Mistyped),
            Some((&version, _)) => Err(CodeError::UnknownVersion(version)),
            None => Err(CodeError::Mistyped),
        }
    }
}

impl fmt::Debug for InvitationLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InvitationLink({} to party {}, secret not shown)", self.invitation, self.party.short())
    }
}
