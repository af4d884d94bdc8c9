//! Two who share a short code agree on a long key, and a third who hears or bends every word learns nothing.
//!
//! This is SPAKE2 over Ed25519 (a *password-authenticated key exchange*). A short code would be guessed in no time by
//! whoever could try it out alone; here each try needs an answer of the other side, so whoever counts the tries keeps
//! the code safe. An exchange is one try: it takes itself, so nothing can be tried twice with it.
//!
//! The key says nothing by itself about whether the other side has it too. So each side *confirms*: a keyed hash over
//! who speaks and a *transcript*, in which the caller puts all that is to be beyond doubt, such as the name of the
//! channel and both devices. Where somebody sits between, the transcripts differ.

use std::convert::Infallible;

use spake2::rand_core::{TryCryptoRng, TryRng};
use spake2::{Ed25519Group, Identity, Password, Spake2};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Digest;

/// Bytes of the one message that each side sends.
pub const MESSAGE_BYTES: usize = 33;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who was given the code.
    Guest,
    /// Who gave it out.
    Host,
}

/// The other side's message is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message of a key exchange")]
pub struct PakeError;

/// One try: a message was sent, the other side's is to come.
pub struct Exchange(Spake2<Ed25519Group>);

impl Exchange {
    /// Begins, and gives the message to send. The entropy must be fresh.
    pub fn begin(side: Side, code: &[u8], entropy: [u8; 32]) -> (Self, Vec<u8>) {
        let entropy = Entropy::new(&entropy);
        let (guest, host) = (Identity::new(b"motet guest"), Identity::new(b"motet host"));
        let code = Password::new(code);
        let (exchange, message) = match side {
            Side::Guest => Spake2::start_a_with_rng(&code, &guest, &host, entropy),
            Side::Host => Spake2::start_b_with_rng(&code, &guest, &host, entropy),
        };
        (Exchange(exchange), message)
    }

    /// Takes the other side's message, and gives the key: the same on both sides if both had the same code.
    ///
    /// # Errors
    /// [`PakeError`] if the bytes are no such message.
    pub fn finish(self, message: &[u8]) -> Result<SharedKey, PakeError> {
        let mut agreed = self.0.finish(message).map_err(|_| PakeError)?;
        let key = SharedKey(Digest::derive("motet pake key v1", &[&agreed]).0);
        agreed.zeroize();
        Ok(key)
    }
}

/// The key that came of an exchange. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SharedKey([u8; 32]);

impl SharedKey {
    /// One side's word that it has the key, over a transcript.
    pub fn confirm(&self, side: Side, transcript: &[&[u8]]) -> Digest {
        let side: &[u8] = match side {
            Side::Guest => b"guest",
            Side::Host => b"host",
        };
        let parts = [&[self.0.as_slice(), side], transcript].concat();
        Digest::derive("motet pake confirmation v1", &parts)
    }

    /// Whether that word is the other side's, in a time that does not tell where it differs.
    pub fn is_confirmed(&self, side: Side, transcript: &[&[u8]], word: &[u8]) -> bool {
        let expected = self.confirm(side, transcript);
        let differing =
            expected.0.iter().zip(word).fold(0, |differing, (one, other)| differing | (one ^ other));
        word.len() == expected.0.len() && differing == 0
    }
}

/// The entropy that was given, stretched to what the exchange draws.
struct Entropy(blake3::OutputReader);

impl Entropy {
    fn new(entropy: &[u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("motet pake entropy v1");
        hasher.update(entropy);
        Entropy(hasher.finalize_xof())
    }

    fn draw<const N: usize>(&mut self) -> [u8; N] {
        let mut drawn = [0; N];
        self.0.fill(&mut drawn);
        drawn
    }
}

impl TryRng for Entropy {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.draw()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.draw()))
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(buffer);
        Ok(())
    }
}

impl TryCryptoRng for Entropy {}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(guest: &[u8], host: &[u8], seed: u8) -> (SharedKey, SharedKey) {
        let (mine, said) = Exchange::begin(Side::Guest, guest, [seed; 32]);
        let (theirs, answered) = Exchange::begin(Side::Host, host, [seed + 100; 32]);
        assert_eq!((said.len(), answered.len()), (MESSAGE_BYTES, MESSAGE_BYTES));
        (mine.finish(&answered).unwrap(), theirs.finish(&said).unwrap())
    }

    #[test]
    fn who_has_the_same_code_has_the_same_key() {
        let (guest, host) = exchange(b"4-word-word-word", b"4-word-word-word", 1);
        let word = guest.confirm(Side::Guest, &[b"channel"]);
        assert!(host.is_confirmed(Side::Guest, &[b"channel"], &word.0));
        assert!(
            !host.is_confirmed(Side::Host, &[b"channel"], &word.0),
            "a word is not sent back to its maker"
        );
        assert!(!host.is_confirmed(Side::Guest, &[b"another"], &word.0));
        assert!(!host.is_confirmed(Side::Guest, &[b"chan", b"nel"], &word.0));
        assert!(!host.is_confirmed(Side::Guest, &[b"channel"], &word.0[..31]));
        assert!(!host.is_confirmed(Side::Guest, &[b"channel"], b""));
    }

    #[test]
    fn another_code_or_another_try_has_another_key() {
        let (guest, host) = exchange(b"4-word-word-word", b"4-word-word-wort", 1);
        assert!(!host.is_confirmed(Side::Guest, &[], &guest.confirm(Side::Guest, &[]).0));
        let (again, _) = exchange(b"4-word-word-word", b"4-word-word-word", 2);
        assert_ne!(again.0, exchange(b"4-word-word-word", b"4-word-word-word", 1).0.0);
    }

    #[test]
    fn what_is_no_message_is_refused_and_what_is_a_side_too_many() {
        for bytes in [&b""[..], &[0; 33], &[0x42; 33], &[0x42; 32], &[0x42; 34], &[0xff; 33]] {
            let (mine, said) = Exchange::begin(Side::Guest, b"code", [3; 32]);
            let refused = mine.finish(bytes).is_err();
            assert!(refused || bytes.first() == Some(&0x42), "{bytes:?}");
            let (mine, _) = Exchange::begin(Side::Guest, b"code", [3; 32]);
            assert!(mine.finish(&said).is_err(), "its own message is no answer");
        }
    }
}
