//! Ed25519 keys and domain-separated signatures.
//!
//! Whatever is signed is signed *for a purpose*: the purpose's name and a zero byte stand before the bytes, so that a
//! signature made for one purpose means nothing for another. Verification is `verify_strict` and nothing else: batch
//! and cofactored verification accept other signatures, and replicas that differ in what they accept split (H2).

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use zeroize::Zeroize as _;

/// What a signature is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// The header of a feed entry.
    Entry,
    /// The birth certificate of a party, by the party's key.
    PartyGenesis,
    /// An identity's word that a device is its own.
    DeviceCertificate,
    /// A feed's word that it belongs to a device.
    FeedCertificate,
    /// A device's word that a feed is its own.
    FeedOfDevice,
    /// A device's word that it holds one end of an encrypted channel.
    Channel,
}

impl Domain {
    const fn name(self) -> &'static str {
        match self {
            Domain::Entry => "motet/entry/1",
            Domain::PartyGenesis => "motet/party-genesis/1",
            Domain::DeviceCertificate => "motet/device-certificate/1",
            Domain::FeedCertificate => "motet/feed-certificate/1",
            Domain::FeedOfDevice => "motet/feed-of-device/1",
            Domain::Channel => "motet/channel/1",
        }
    }

    fn frame(self, message: &[u8]) -> Vec<u8> {
        [self.name().as_bytes(), &[0], message].concat()
    }
}

/// Why bytes are not a key, or a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not 32 bytes (64 hexadecimal digits) that are a point of the curve.
    #[error("not an Ed25519 public key (32 bytes, as 64 hexadecimal digits)")]
    NotAKey,
    /// Not 64 bytes.
    #[error("not an Ed25519 signature (64 bytes)")]
    NotASignature,
    /// The signature is not this key's over these bytes for this purpose.
    #[error("the signature does not hold")]
    BadSignature,
}

/// A public key: the name of a party, an identity, a device or a feed. Ordered by its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads the bytes of a key. That they are a point of the curve is checked when a signature is.
    ///
    /// # Errors
    /// [`KeyError::NotAKey`] unless there are 32.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        bytes.try_into().map(PublicKey).map_err(|_| KeyError::NotAKey)
    }

    /// Checks a signature strictly.
    ///
    /// # Errors
    /// [`KeyError`] if this is no key of the curve or the signature does not hold.
    pub fn verify(&self, domain: Domain, message: &[u8], signature: &Signature) -> Result<(), KeyError> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| KeyError::NotAKey)?;
        key.verify_strict(&domain.frame(message), &ed25519_dalek::Signature::from_bytes(&signature.0))
            .map_err(|_| KeyError::BadSignature)
    }

    /// The first eight digits, for people.
    pub fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes =
            data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| KeyError::NotAKey)?;
        Self::from_bytes(&bytes)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

/// A signature of 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// The signature's bytes.
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// Reads the bytes of a signature.
    ///
    /// # Errors
    /// [`KeyError::NotASignature`] unless there are 64.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        bytes.try_into().map(Signature).map_err(|_| KeyError::NotASignature)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// A secret key. Never printed, wiped when dropped.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// Makes a key from 32 bytes of entropy, or reads one that [`SecretKey::to_bytes`] gave.
    pub fn from_bytes(mut seed: [u8; 32]) -> Self {
        let key = SecretKey(SigningKey::from_bytes(&seed));
        seed.zeroize();
        key
    }

    /// The seed, for storing under seal.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a message for a purpose.
    pub fn sign(&self, domain: Domain, message: &[u8]) -> Signature {
        Signature(self.0.sign(&domain.frame(message)).to_bytes())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public().short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_key_message_and_purpose_only() {
        let key = SecretKey::from_bytes([7; 32]);
        let signature = key.sign(Domain::Entry, b"hello");
        assert_eq!(key.public().verify(Domain::Entry, b"hello", &signature), Ok(()));
        assert_eq!(key.public().verify(Domain::Entry, b"hullo", &signature), Err(KeyError::BadSignature));
        assert_eq!(key.public().verify(Domain::Channel, b"hello", &signature), Err(KeyError::BadSignature));
        let other = SecretKey::from_bytes([8; 32]).public();
        assert_eq!(other.verify(Domain::Entry, b"hello", &signature), Err(KeyError::BadSignature));
    }

    #[test]
    fn keys_of_small_order_are_refused() {
        let key = PublicKey::from_bytes(&[0; 32]).unwrap();
        let signature = Signature::from_bytes(&[0; 64]).unwrap();
        assert!(key.verify(Domain::Entry, b"", &signature).is_err());
    }

    #[test]
    fn public_keys_read_back_from_text() {
        let key = SecretKey::from_bytes([1; 32]).public();
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!("zz".parse::<PublicKey>(), Err(KeyError::NotAKey));
    }
}
