//! The recovery phrase: 24 words that are an identity.
//!
//! 32 bytes of entropy, written as BIP-39 writes them (English words, the last one holds a checksum), so that a person
//! can keep them on paper. The keys that follow from a phrase are derived from its BIP-39 seed (without a passphrase),
//! one for each [`Purpose`]; whoever has the words has the keys, and nothing else is needed.
//!
//! The same list of 2,048 words serves the short codes that people read to each other ([`word`], [`word_number`]): no
//! two words begin with the same four letters.

use std::fmt;
use std::str::FromStr;

use bip39::{Language, Mnemonic};
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

use crate::{Digest, SecretKey};

/// How many words a phrase has.
pub const PHRASE_WORDS: usize = 24;
/// How many words there are to choose from.
pub const WORDS: u16 = 2048;

/// What a key of a phrase is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The identity itself.
    Identity,
    /// The way back into a party that has lost its admins (H11).
    Recovery,
}

/// Why words are no recovery phrase.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhraseError {
    /// Too few or too many.
    #[error("a recovery phrase has {PHRASE_WORDS} words; these are {0}")]
    Length(usize),
    /// A word that is not on the list.
    #[error("word {place} of the phrase, `{word}`, is not on the list of words: is it misspelt?")]
    UnknownWord {
        /// Which one, from 1.
        place: usize,
        /// As it was given.
        word: String,
    },
    /// The words don't belong together.
    #[error(
        "the phrase's checksum is wrong: two words are swapped, or one is another that is on the list too"
    )]
    Checksum,
}

/// A recovery phrase. Wiped when dropped; its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq, ZeroizeOnDrop)]
pub struct Phrase([u8; 32]);

impl Phrase {
    /// The phrase of 32 bytes of entropy.
    pub fn from_entropy(mut entropy: [u8; 32]) -> Self {
        let phrase = Phrase(entropy);
        entropy.zeroize();
        phrase
    }

    /// The entropy, for storing under seal.
    pub fn entropy(&self) -> &[u8; 32] {
        &self.0
    }

    /// The words, with a blank between two.
    pub fn words(&self) -> Zeroizing<String> {
        Zeroizing::new(self.mnemonic().words().collect::<Vec<_>>().join(" "))
    }

    /// The key for a purpose.
    pub fn key(&self, purpose: Purpose) -> SecretKey {
        let context = match purpose {
            Purpose::Identity => "motet identity secret v1",
            Purpose::Recovery => "motet recovery secret v1",
        };
        let seed = Zeroizing::new(self.mnemonic().to_seed_normalized(""));
        SecretKey::from_bytes(Digest::derive(context, &[seed.as_slice()]).0)
    }

    fn mnemonic(&self) -> Mnemonic {
        Mnemonic::from_entropy_in(Language::English, &self.0).expect("32 bytes make 24 words")
    }
}

/// Reads the words: case and the kind of white space don't matter, and four letters of a word are enough.
impl FromStr for Phrase {
    type Err = PhraseError;

    fn from_str(text: &str) -> Result<Self, PhraseError> {
        let text = Zeroizing::new(text.to_lowercase());
        let whole = |(at, given): (usize, &str)| {
            let unknown = || PhraseError::UnknownWord { place: at + 1, word: given.to_owned() };
            word_number(given).map(word).ok_or_else(unknown)
        };
        let words: Vec<&str> = text.split_whitespace().enumerate().map(whole).collect::<Result<_, _>>()?;
        if words.len() != PHRASE_WORDS {
            return Err(PhraseError::Length(words.len()));
        }
        let joined = Zeroizing::new(words.join(" "));
        let mnemonic =
            Mnemonic::parse_in_normalized(Language::English, &joined).map_err(|_| PhraseError::Checksum)?;
        let (mut long, _) = mnemonic.to_entropy_array();
        let entropy = *long.first_chunk::<32>().expect("24 words hold 32 bytes");
        long.zeroize();
        Ok(Phrase(entropy))
    }
}

impl fmt::Debug for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phrase(…)")
    }
}

/// A word of the list.
///
/// # Panics
/// If the number is not below [`WORDS`].
pub fn word(number: u16) -> &'static str {
    Language::English.word_list()[usize::from(number)]
}

/// The place of a word on the list. Four letters are enough, for they name it.
pub fn word_number(text: &str) -> Option<u16> {
    if let Some(number) = Language::English.find_word(text) {
        return Some(number);
    }
    let mut longer = Language::English.words_by_prefix_iter(text);
    let only = longer.next().filter(|_| text.len() >= 4 && longer.next().is_none())?;
    Language::English.find_word(only)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABANDONED: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
                             abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
                             abandon abandon abandon art";

    #[test]
    fn the_words_are_those_of_the_standard() {
        let phrase = Phrase::from_entropy([0; 32]);
        assert_eq!(*phrase.words(), ABANDONED);
        // The seed of the standard's own vectors, made without a passphrase by another program.
        let seed = phrase.mnemonic().to_seed_normalized("");
        assert_eq!(data_encoding::HEXLOWER.encode(&seed[..16]), "408b285c123836004f4b8842c89324c1");
    }

    #[test]
    fn a_phrase_recovers_its_keys() {
        let phrase = Phrase::from_entropy([7; 32]);
        let read: Phrase = phrase.words().to_uppercase().replace(' ', " \n ").parse().unwrap();
        for purpose in [Purpose::Identity, Purpose::Recovery] {
            assert_eq!(read.key(purpose).public(), phrase.key(purpose).public());
        }
        let short = |word: &str| word[..word.len().min(4)].to_owned();
        let short: Vec<String> = phrase.words().split(' ').map(short).collect();
        assert!(short.join(" ").parse::<Phrase>().unwrap() == phrase);
        assert_ne!(phrase.key(Purpose::Identity).public(), phrase.key(Purpose::Recovery).public());
        assert_ne!(
            phrase.key(Purpose::Identity).public(),
            Phrase::from_entropy([8; 32]).key(Purpose::Identity).public()
        );
        assert_eq!(format!("{phrase:?}"), "Phrase(…)");
    }

    #[test]
    fn mistakes_are_named() {
        let read = |text: &str| text.parse::<Phrase>().unwrap_err();
        assert_eq!(read("abandon art"), PhraseError::Length(2));
        let misspelt = ABANDONED.replacen("abandon", "abundan", 1);
        assert_eq!(read(&misspelt), PhraseError::UnknownWord { place: 1, word: "abundan".into() });
        assert_eq!(read(&ABANDONED.replace("art", "zoo")), PhraseError::Checksum);
        assert_eq!(read(""), PhraseError::Length(0));
    }

    #[test]
    fn four_letters_name_a_word() {
        for number in 0..WORDS {
            let word = word(number);
            assert_eq!(word_number(word), Some(number));
            assert_eq!(word_number(&word[..word.len().min(4)]), Some(number), "{word}");
        }
        assert_eq!(word_number("zo"), None);
        assert_eq!(word_number("zooo"), None);
    }
}
