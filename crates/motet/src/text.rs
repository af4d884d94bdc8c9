//! A text of a party: reading it, and changing it.
//!
//! Each change is a transaction of its own. Several that belong together, in one text or in several items, go into one
//! with [`Transaction::text`](crate::Transaction::text). What a transaction does to a text is made into facts when it
//! is written: positions are those of the text then, after what the transaction has done before.

use std::ops::Range;

use motet_item::{Anchor, Bias, ItemId, TextEdit, TextState};

use crate::transaction::{Step, Transaction};
use crate::{Error, Party, Receipt};

/// A change of a text.
#[derive(Clone, Debug)]
pub(crate) enum TextChange {
    Edit(TextEdit),
    Append(String),
    Assign(String),
}

/// The edits that changes, one after the other, come to in a text.
pub(crate) fn edits(changes: &[TextChange], text: &TextState) -> Vec<TextEdit> {
    let (mut edits, mut len): (Vec<TextEdit>, usize) = (Vec::new(), text.len());
    for change in changes {
        let made = match change {
            TextChange::Edit(edit) => vec![edit.clone()],
            TextChange::Append(insert) => vec![TextEdit { range: len..len, insert: insert.clone() }],
            TextChange::Assign(content) => TextEdit::between(&edited(text, &edits), content),
        };
        for edit in &made {
            len = (len + edit.insert.chars().count()).saturating_sub(edit.range.len());
        }
        edits.extend(made);
    }
    edits
}

/// A text after some edits.
fn edited(text: &TextState, edits: &[TextEdit]) -> String {
    let mut content: Vec<char> = text.content().chars().collect();
    for TextEdit { range, insert } in edits {
        let end = range.end.min(content.len()); // who goes past the end is told so when the edits are made
        content.splice(range.start.min(end)..end, insert.chars());
    }
    content.into_iter().collect()
}

/// A handle to one text. Positions count Unicode scalar values. Cheap to clone.
#[derive(Clone)]
pub struct Text {
    party: Party,
    item: ItemId,
}

impl Party {
    /// A text of the party.
    ///
    /// # Errors
    /// [`Error::NoSuchItem`]; [`Error::OtherModel`] if it is no text; [`Error::Store`].
    pub fn text(&self, item: ItemId) -> Result<Text, Error> {
        let text = Text { party: self.clone(), item };
        text.read(|_| ())?;
        Ok(text)
    }
}

impl Text {
    /// The item that it is.
    pub fn item(&self) -> ItemId {
        self.item
    }

    /// Reads its state.
    ///
    /// # Errors
    /// As [`Party::text`].
    pub fn read<T>(&self, read: impl FnOnce(&TextState) -> T) -> Result<T, Error> {
        self.party.item(self.item, |item| {
            let state = item.state::<TextState>();
            state.map(read).ok_or_else(|| Error::other_model(self.item, item.model(), motet_item::Text::NAME))
        })?
    }

    /// The whole text.
    ///
    /// # Errors
    /// As [`Party::text`].
    pub fn content(&self) -> Result<String, Error> {
        self.read(TextState::content)
    }

    /// How many characters it has.
    ///
    /// # Errors
    /// As [`Party::text`].
    pub fn len(&self) -> Result<usize, Error> {
        self.read(TextState::len)
    }

    /// Whether it has none.
    ///
    /// # Errors
    /// As [`Party::text`].
    pub fn is_empty(&self) -> Result<bool, Error> {
        self.read(TextState::is_empty)
    }

    /// Inserts text before the character at a position, or at the end.
    ///
    /// # Errors
    /// [`Error::Edit`] past the end; otherwise as [`Transaction::commit`].
    pub fn insert(&self, position: usize, text: &str) -> Result<Receipt, Error> {
        self.replace(position..position, text)
    }

    /// Deletes the characters at some positions.
    ///
    /// # Errors
    /// As [`Text::insert`].
    pub fn delete(&self, range: Range<usize>) -> Result<Receipt, Error> {
        self.replace(range, "")
    }

    /// Puts text in place of the characters at some positions.
    ///
    /// # Errors
    /// As [`Text::insert`].
    pub fn replace(&self, range: Range<usize>, text: &str) -> Result<Receipt, Error> {
        self.change(TextChange::Edit(TextEdit { range, insert: text.to_owned() }))
    }

    /// Inserts text at the end.
    ///
    /// # Errors
    /// As [`Transaction::commit`].
    pub fn append(&self, text: &str) -> Result<Receipt, Error> {
        self.change(TextChange::Append(text.to_owned()))
    }

    /// Makes the text read like this, by the edits that a person would make ([`TextEdit::between`]): what others change
    /// elsewhere at the same time stays.
    ///
    /// # Errors
    /// As [`Transaction::commit`].
    pub fn assign(&self, content: &str) -> Result<Receipt, Error> {
        self.change(TextChange::Assign(content.to_owned()))
    }

    fn change(&self, change: TextChange) -> Result<Receipt, Error> {
        let mut transaction = self.party.transaction();
        transaction.text(self.item).change(change);
        transaction.commit()
    }

    /// A place that stays beside its character while the text changes.
    ///
    /// # Errors
    /// [`Error::Edit`] past the end; otherwise as [`Party::text`].
    pub fn anchor(&self, position: usize, bias: Bias) -> Result<Anchor, Error> {
        self.read(|text| {
            let outside = motet_item::EditError::Outside { from: position, to: position, len: text.len() };
            text.anchor(position, bias).ok_or(outside)
        })?
        .map_err(Error::Edit)
    }

    /// Where an anchor stands now; nothing while its character has not arrived here.
    ///
    /// # Errors
    /// As [`Party::text`].
    pub fn position(&self, anchor: &Anchor) -> Result<Option<usize>, Error> {
        self.read(|text| text.position(anchor))
    }
}

/// What a transaction does to one text.
pub struct TextWriter<'a> {
    transaction: &'a mut Transaction,
    item: ItemId,
}

impl Transaction {
    /// Changes a text, which may be made by this very transaction.
    pub fn text(&mut self, item: ItemId) -> TextWriter<'_> {
        TextWriter { transaction: self, item }
    }
}

impl TextWriter<'_> {
    /// Inserts text before the character at a position, or at the end.
    pub fn insert(&mut self, position: usize, text: &str) -> &mut Self {
        self.replace(position..position, text)
    }

    /// Deletes the characters at some positions.
    pub fn delete(&mut self, range: Range<usize>) -> &mut Self {
        self.replace(range, "")
    }

    /// Puts text in place of the characters at some positions.
    pub fn replace(&mut self, range: Range<usize>, text: &str) -> &mut Self {
        self.change(TextChange::Edit(TextEdit { range, insert: text.to_owned() }))
    }

    /// Inserts text at the end.
    pub fn append(&mut self, text: &str) -> &mut Self {
        self.change(TextChange::Append(text.to_owned()))
    }

    /// Makes the text read like this, as [`Text::assign`] does.
    pub fn assign(&mut self, content: &str) -> &mut Self {
        self.change(TextChange::Assign(content.to_owned()))
    }

    fn change(&mut self, change: TextChange) -> &mut Self {
        // What is said of one text without a break is one change: what comes and goes again leaves no facts.
        match self.transaction.steps.last_mut() {
            Some(Step::Text { item, changes }) if *item == self.item => changes.push(change),
            _ => self.transaction.steps.push(Step::Text { item: self.item, changes: vec![change] }),
        }
        self
    }
}
