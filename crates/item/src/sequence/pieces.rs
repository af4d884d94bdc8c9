//! Several changes of a sequence, made one after the other, as one change of what was there before.
//!
//! A writer says where things go as of the changes already made; what is written hangs at elements that were there
//! before. The sequence is kept as pieces: runs of what was there, and what is new. What was new and is removed
//! again leaves no trace.

use std::mem;
use std::ops::Range;

/// A piece.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece<T> {
    Old(Range<usize>),
    New(Vec<T>),
}

impl<T> Piece<T> {
    fn len(&self) -> usize {
        match self {
            Piece::Old(range) => range.len(),
            Piece::New(new) => new.len(),
        }
    }
}

/// Something that was taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Taken<T> {
    /// What was at this position before the first change.
    Old(usize),
    New(T),
}

/// A change of what was there before: at a position, so much goes and this comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change<T> {
    pub(crate) at: usize,
    pub(crate) removed: usize,
    pub(crate) inserted: Vec<T>,
}

/// A sequence that is being changed.
#[derive(Clone, Debug)]
pub(crate) struct Pieces<T> {
    pieces: Vec<Piece<T>>,
    len: usize,
    old_len: usize,
}

impl<T> Pieces<T> {
    /// A sequence of this length, unchanged.
    pub(crate) fn new(len: usize) -> Self {
        let pieces = if len == 0 { Vec::new() } else { vec![Piece::Old(0..len)] };
        Pieces { pieces, len, old_len: len }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Puts something in at a position that is at most the length.
    pub(crate) fn insert(&mut self, position: usize, new: impl IntoIterator<Item = T>) {
        let at = self.cut(position);
        let new: Vec<T> = new.into_iter().collect();
        self.len += new.len();
        match at.checked_sub(1).map(|before| &mut self.pieces[before]) {
            Some(Piece::New(before)) => before.extend(new),
            _ if new.is_empty() => {}
            _ => self.pieces.insert(at, Piece::New(new)),
        }
    }

    /// Takes out what is in a range that is not past the end.
    pub(crate) fn remove(&mut self, range: Range<usize>) -> Vec<Taken<T>> {
        self.len -= range.len();
        let (from, to) = (self.cut(range.start), self.cut(range.end));
        let taken = self.pieces.drain(from..to).flat_map(|piece| match piece {
            Piece::Old(range) => range.map(Taken::Old).collect::<Vec<_>>(),
            Piece::New(new) => new.into_iter().map(Taken::New).collect(),
        });
        taken.collect()
    }

    /// What is at a position before the end: old, from its first position, or new.
    pub(crate) fn at(&mut self, mut position: usize) -> Taken<&mut T> {
        for piece in &mut self.pieces {
            let len = piece.len();
            if position >= len {
                position -= len;
                continue;
            }
            return match piece {
                Piece::Old(range) => Taken::Old(range.start + position),
                Piece::New(new) => Taken::New(&mut new[position]),
            };
        }
        panic!("a position is before its end")
    }

    /// What it comes to, by position.
    pub(crate) fn changes(self) -> Vec<Change<T>> {
        let (mut changes, mut end, mut pending) = (Vec::new(), 0, Vec::new());
        let rest = Piece::Old(self.old_len..self.old_len);
        for piece in self.pieces.into_iter().chain([rest]) {
            match piece {
                Piece::New(new) => pending.extend(new),
                Piece::Old(range) => {
                    let (removed, inserted) = (range.start - end, mem::take(&mut pending));
                    if removed > 0 || !inserted.is_empty() {
                        changes.push(Change { at: end, removed, inserted });
                    }
                    end = range.end;
                }
            }
        }
        changes
    }

    /// Sees to it that a piece begins at a position, and gives its index.
    fn cut(&mut self, mut position: usize) -> usize {
        for at in 0..self.pieces.len() {
            if position == 0 {
                return at;
            }
            let len = self.pieces[at].len();
            if position < len {
                let rest = match &mut self.pieces[at] {
                    Piece::Old(range) => {
                        let middle = range.start + position;
                        Piece::Old(middle..mem::replace(&mut range.end, middle))
                    }
                    Piece::New(new) => Piece::New(new.split_off(position)),
                };
                self.pieces.insert(at + 1, rest);
                return at + 1;
            }
            position -= len;
        }
        assert_eq!(position, 0, "a position is at most its length");
        self.pieces.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn changes_one_after_the_other_are_changes_of_what_was_there(
            len in 0..12_usize,
            edits in prop::collection::vec((0..40_usize, 0..5_usize, 0..4_u16), 0..12),
        ) {
            let old: Vec<u16> = (0..len as u16).collect();
            let (mut now, mut pieces, mut next) = (old.clone(), Pieces::new(len), 100);
            for (position, removed, inserted) in edits {
                let position = position % (now.len() + 1);
                let range = position..(position + removed).min(now.len());
                let new: Vec<u16> = (next..next + inserted).collect();
                next += inserted;
                let taken = pieces.remove(range.clone());
                let number = |taken: Taken<u16>| match taken {
                    Taken::Old(at) => old[at],
                    Taken::New(new) => new,
                };
                let gone: Vec<u16> = now.splice(range, new.iter().copied()).collect();
                prop_assert_eq!(taken.into_iter().map(number).collect::<Vec<_>>(), gone);
                pieces.insert(position, new);
                prop_assert_eq!(pieces.len(), now.len());
                for (at, &expected) in now.iter().enumerate() {
                    let found = match pieces.at(at) {
                        Taken::Old(at) => old[at],
                        Taken::New(new) => *new,
                    };
                    prop_assert_eq!(found, expected);
                }
            }
            let mut rebuilt = old;
            let changes = pieces.changes();
            prop_assert!(changes.is_sorted_by(|one, next| one.at + one.removed < next.at));
            for Change { at, removed, inserted } in changes.into_iter().rev() {
                rebuilt.splice(at..at + removed, inserted);
            }
            prop_assert_eq!(rebuilt, now);
        }
    }
}
