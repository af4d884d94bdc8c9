//! A place in a text that stays where it is while the text around it changes: for cursors, selections and comments.
//!
//! An anchor stands beside a character. If that is deleted or withdrawn, the anchor stands where it was, and if it
//! comes back, beside it again. Anchors mean the same on every replica that has the character.

use motet_fact::Cid;

use super::TextState;
use crate::varint;

/// To which side an anchor holds when something is inserted at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// To the character before it: it stays before what is inserted.
    Left,
    /// To the character behind it: it moves behind what is inserted.
    Right,
}

/// A place in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor(At);

#[derive(Clone, Debug, PartialEq, Eq)]
enum At {
    Start,
    End,
    /// Before this element of this insertion.
    Before(Cid, u32),
    Behind(Cid, u32),
}

impl TextState {
    /// An anchor at a position; nothing if that is past the end. With [`Bias::Left`] at the start, and with
    /// [`Bias::Right`] at the end, it stays there for ever.
    pub fn anchor(&self, position: usize, bias: Bias) -> Option<Anchor> {
        let at = self.check(&(position..position)).ok()?.start;
        let beside = |position| self.name(self.sequence.at(position));
        Some(Anchor(match bias {
            Bias::Left if at == 0 => At::Start,
            Bias::Right if at == self.sequence.visible() => At::End,
            Bias::Left => {
                let (insertion, offset) = beside(at - 1);
                At::Behind(insertion, offset)
            }
            Bias::Right => {
                let (insertion, offset) = beside(at);
                At::Before(insertion, offset)
            }
        }))
    }

    /// Where an anchor stands now; nothing while its character has not arrived here.
    pub fn position(&self, anchor: &Anchor) -> Option<usize> {
        let beside = |insertion, offset, behind: bool| {
            let (before, visible) = self.sequence.position(self.element(insertion, offset)?);
            Some(before as usize + usize::from(behind && visible))
        };
        match &anchor.0 {
            At::Start => Some(0),
            At::End => Some(self.len()),
            At::Before(insertion, offset) => beside(insertion, *offset, false),
            At::Behind(insertion, offset) => beside(insertion, *offset, true),
        }
    }
}

impl Anchor {
    /// Its bytes, to keep or to send.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (tag, element) = match &self.0 {
            At::Start => (0, None),
            At::End => (1, None),
            At::Before(insertion, offset) => (2, Some((insertion, *offset))),
            At::Behind(insertion, offset) => (3, Some((insertion, *offset))),
        };
        let mut bytes = vec![tag];
        if let Some((insertion, offset)) = element {
            bytes.extend(insertion.as_bytes());
            varint::write(offset, &mut bytes);
        }
        bytes
    }

    /// The anchor whose bytes these are; nothing if they are none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let at = match (tag, rest) {
            (0, []) => At::Start,
            (1, []) => At::End,
            (2 | 3, _) => {
                let (insertion, mut rest) = rest.split_at_checked(Cid::LENGTH)?;
                let insertion = Cid::from_bytes(insertion).ok()?;
                let offset = varint::read(&mut rest).filter(|_| rest.is_empty())?;
                if *tag == 2 { At::Before(insertion, offset) } else { At::Behind(insertion, offset) }
            }
            _ => return None,
        };
        Some(Anchor(at))
    }
}
