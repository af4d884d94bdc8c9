//! The characters of all elements, by the elements' numbers.
//!
//! They lie one after the other in one string, in the order in which they came. A mark at every 64th says where its
//! bytes begin, and what the hash of all before it is.

use crate::sequence::{Letters, hash};

/// How many characters there are from mark to mark.
const STEP: u32 = 64;

#[derive(Clone, Default)]
pub(crate) struct Buffer {
    text: String,
    marks: Vec<Mark>,
    len: u32,
    /// The hash of all characters.
    hash: u64,
}

#[derive(Clone, Copy)]
struct Mark {
    byte: usize,
    hash: u64,
}

impl Buffer {
    /// How many characters there are.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    pub(crate) fn push(&mut self, text: &str) {
        let mut byte = self.text.len();
        for character in text.chars() {
            if self.len.is_multiple_of(STEP) {
                self.marks.push(Mark { byte, hash: self.hash });
            }
            self.hash = hash::push(self.hash, letter(character));
            byte += character.len_utf8();
            self.len += 1;
        }
        self.text.push_str(text);
    }

    /// The characters of the elements `start..start + len`.
    pub(crate) fn slice(&self, start: u32, len: u32) -> &str {
        &self.text[self.byte(start)..self.byte(start + len)]
    }

    /// Where the bytes of an element begin.
    fn byte(&self, element: u32) -> usize {
        let Some((mark, next)) = self.marks_around(element) else { return self.text.len() };
        let offset = (element % STEP) as usize;
        let here = STEP.min(self.len - (element - element % STEP)) as usize;
        if next - mark.byte == here {
            return mark.byte + offset; // one byte each
        }
        let after = &self.text[mark.byte..];
        after.char_indices().nth(offset).map_or(self.text.len(), |(byte, _)| mark.byte + byte)
    }

    /// The mark at or before an element, and the byte of the next.
    fn marks_around(&self, element: u32) -> Option<(Mark, usize)> {
        let at = (element / STEP) as usize;
        let mark = self.marks.get(at)?;
        Some((*mark, self.marks.get(at + 1).map_or(self.text.len(), |mark| mark.byte)))
    }
}

impl Letters for Buffer {
    fn beginning(&self, count: u32) -> u64 {
        let Some((mark, _)) = self.marks_around(count) else { return self.hash };
        let characters = self.text[mark.byte..].chars().take((count % STEP) as usize);
        characters.fold(mark.hash, |hash, character| hash::push(hash, letter(character)))
    }
}

fn letter(character: char) -> u64 {
    u64::from(u32::from(character)) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_finds_every_character_and_its_hash() {
        let pieces = ["a".repeat(70), "ä€😀".repeat(30), String::new(), "xyz".repeat(50), "ö".repeat(100)];
        let mut buffer = Buffer::default();
        pieces.iter().for_each(|piece| buffer.push(piece));
        let all: Vec<char> = pieces.concat().chars().collect();
        let hash = |from: usize, to: usize| {
            all[from..to].iter().fold(0, |hash, character| super::hash::push(hash, letter(*character)))
        };
        for start in 0..=all.len() {
            for len in [0, 1, 5, 64, 129].into_iter().filter(|len| start + len <= all.len()) {
                let expected: String = all[start..start + len].iter().collect();
                assert_eq!(buffer.slice(start as u32, len as u32), expected);
                let run = super::hash::of_run(&buffer, start as u32, (start + len) as u32);
                assert_eq!(run, hash(start, start + len));
            }
        }
    }
}
