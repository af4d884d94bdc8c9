//! Secrets at rest: XChaCha20-Poly1305 under a key that is drawn once or derived from a passphrase with Argon2id.
//!
//! A sealed secret is `nonce (24) | ciphertext and tag`. The label (what the secret is, for example `device`) is
//! authenticated with it, so that one sealed secret can't be put in the place of another.

use argon2::Argon2;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Why a secret can't be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The passphrase is wrong, or the bytes were changed.
    #[error("wrong passphrase, or the stored secret was changed")]
    WrongKey,
    /// No key could be derived from the passphrase.
    #[error("no key could be derived from the passphrase")]
    Derivation,
}

/// The key that seals secrets. Wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SealKey([u8; 32]);

impl SealKey {
    /// A key drawn at random by the caller.
    pub fn from_bytes(key: [u8; 32]) -> Self {
        SealKey(key)
    }

    /// A key from a passphrase and a stored salt (Argon2id, 19 MiB, two passes).
    ///
    /// # Errors
    /// [`SealError::Derivation`] if the passphrase is longer than Argon2 takes.
    pub fn from_passphrase(passphrase: &str, salt: &[u8; 16]) -> Result<Self, SealError> {
        let mut key = [0; 32];
        Argon2::default()
            .hash_password_into(passphrase.as_bytes(), salt, &mut key)
            .map_err(|_| SealError::Derivation)?;
        Ok(SealKey(key))
    }

    /// Seals a secret; the nonce must be fresh entropy.
    pub fn seal(&self, label: &str, nonce: [u8; 24], secret: &[u8]) -> Vec<u8> {
        let payload = Payload { msg: secret, aad: label.as_bytes() };
        let ciphertext = XChaCha20Poly1305::new(&self.0.into())
            .encrypt(&XNonce::from(nonce), payload)
            .expect("a secret in memory is far below the cipher's limit");
        [nonce.as_slice(), &ciphertext].concat()
    }

    /// Opens a sealed secret.
    ///
    /// # Errors
    /// [`SealError::WrongKey`] if the key or the label is another, or the bytes were changed.
    pub fn open(&self, label: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, ciphertext) = sealed.split_first_chunk::<24>().ok_or(SealError::WrongKey)?;
        XChaCha20Poly1305::new(&self.0.into())
            .decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad: label.as_bytes() })
            .map_err(|_| SealError::WrongKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_passphrase_and_label_open_a_secret() {
        let key = SealKey::from_passphrase("correct horse", &[1; 16]).unwrap();
        let sealed = key.seal("device", [2; 24], b"secret");
        assert_eq!(key.open("device", &sealed).unwrap(), b"secret");
        assert_eq!(key.open("feed", &sealed), Err(SealError::WrongKey));
        let other = SealKey::from_passphrase("wrong horse", &[1; 16]).unwrap();
        assert_eq!(other.open("device", &sealed), Err(SealError::WrongKey));
        assert_eq!(key.open("device", &sealed[..20]), Err(SealError::WrongKey));
    }
}
