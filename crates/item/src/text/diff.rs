//! The edits that make one text of another.
//!
//! Lines first, then the words of lines that differ, then what a word's two forms begin and end with in common. So what
//! a person left alone is left alone, and no letter is kept because it happens to occur in both.

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::TextEdit;

/// Past so many words in a hunk, the hunk is replaced as a whole: looking for what is common takes their square.
const MAX_WORDS: usize = 4096;

impl TextEdit {
    /// The edits that make `new` of `old`. The last place comes first, so that each leaves the places of the others.
    pub fn between(old: &str, new: &str) -> Vec<TextEdit> {
        let (old_lines, new_lines) = (split(old, is_end_of_line), split(new, is_end_of_line));
        let mut edits = Vec::new();
        for (old, new, position) in hunks(&old_lines, &new_lines, 0) {
            let (old_words, new_words) = (split(&old, is_end_of_word), split(&new, is_end_of_word));
            if old_words.len() + new_words.len() > MAX_WORDS {
                edits.extend(replace(&old, &new, position));
                continue;
            }
            for (old, new, position) in hunks(&old_words, &new_words, position) {
                edits.extend(replace(&old, &new, position));
            }
        }
        edits.reverse();
        edits
    }
}

/// What differs: the old text, the new, and the position of the old.
fn hunks(old: &[&str], new: &[&str], position: usize) -> Vec<(String, String, usize)> {
    let mut hunks: Vec<(String, String, usize)> = Vec::new();
    let (mut position, mut apart) = (position, true);
    for operation in capture_diff_slices(Algorithm::Myers, old, new) {
        let old = old[operation.old_range()].concat();
        let characters = old.chars().count();
        if matches!(operation, DiffOp::Equal { .. }) {
            apart = true;
        } else {
            let new = new[operation.new_range()].concat();
            match hunks.last_mut().filter(|_| !apart) {
                Some(hunk) => {
                    hunk.0 += &old;
                    hunk.1 += &new;
                }
                None => hunks.push((old, new, position)),
            }
            apart = false;
        }
        position += characters;
    }
    hunks
}

/// One edit, without what both texts begin and end with.
fn replace(old: &str, new: &str, position: usize) -> Option<TextEdit> {
    let (old, new): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
    let common = |(one, other): &(&char, &char)| one == other;
    let start = old.iter().zip(&new).take_while(common).count();
    let (old, new) = (&old[start..], &new[start..]);
    let end = old.iter().rev().zip(new.iter().rev()).take_while(common).count();
    let (old, new) = (&old[..old.len() - end], &new[..new.len() - end]);
    let position = position + start;
    let edit = TextEdit { range: position..position + old.len(), insert: new.iter().collect() };
    (!edit.range.is_empty() || !edit.insert.is_empty()).then_some(edit)
}

fn split(text: &str, ends: fn(char, char) -> bool) -> Vec<&str> {
    let (mut pieces, mut start) = (Vec::new(), 0);
    for ((_, before), (at, after)) in text.char_indices().zip(text.char_indices().skip(1)) {
        if ends(before, after) {
            pieces.push(&text[start..at]);
            start = at;
        }
    }
    if start < text.len() {
        pieces.push(&text[start..]);
    }
    pieces
}

fn is_end_of_line(before: char, _: char) -> bool {
    before == '\n'
}

/// A word is letters and digits, or white space, or one other character.
fn is_end_of_word(before: char, after: char) -> bool {
    let class = |character: char| match character {
        _ if character.is_alphanumeric() || character == '_' => 0,
        _ if character.is_whitespace() => 1,
        _ => 2,
    };
    class(before) != class(after) || class(before) == 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn apply(old: &str, edits: &[TextEdit]) -> String {
        let mut text: Vec<char> = old.chars().collect();
        for edit in edits {
            text.splice(edit.range.clone(), edit.insert.chars());
        }
        text.into_iter().collect()
    }

    #[test]
    fn what_was_left_alone_is_left_alone() {
        let edit = |range, insert: &str| TextEdit { range, insert: insert.to_owned() };
        let between = TextEdit::between;
        assert_eq!(between("the colour red\nand blue\n", "the color red\nand blue\n"), [edit(8..9, "")]);
        assert_eq!(between("a b c", "a x c"), [edit(2..3, "x")]);
        assert_eq!(between("a\nb\nc\n", "a\nc\nd\n"), [edit(6..6, "d\n"), edit(2..4, "")]);
        assert_eq!(between("", "a"), [edit(0..0, "a")]);
        assert_eq!(between("äö", ""), [edit(0..2, "")]);
        assert_eq!(between("same", "same"), []);
    }

    proptest! {
        #[test]
        fn edits_between_two_texts_make_one_of_the_other(old in "[ab ä\n]{0,30}", new in "[ab ä\n]{0,30}") {
            prop_assert_eq!(apply(&old, &TextEdit::between(&old, &new)), new);
        }
    }
}
