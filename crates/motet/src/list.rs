//! A list of a party: reading it, and changing it.
//!
//! Each change is a transaction of its own. Several that belong together go into one with
//! [`Transaction::list`](crate::Transaction::list): indexes are those of the list when it is written, after what the
//! transaction has done before.

use std::ops::Range;

use motet_fact::{Entity, Value};
use motet_item::{Element, ItemId, ListEdit, ListState};

use crate::transaction::{Step, Transaction};
use crate::{Error, Party, Receipt};

/// A handle to one list. Cheap to clone.
#[derive(Clone)]
pub struct List {
    party: Party,
    item: ItemId,
}

impl Party {
    /// A list of the party.
    ///
    /// # Errors
    /// [`Error::NoSuchItem`]; [`Error::OtherModel`] if it is no list; [`Error::Store`].
    pub fn list(&self, item: ItemId) -> Result<List, Error> {
        let list = List { party: self.clone(), item };
        list.read(|_| ())?;
        Ok(list)
    }
}

impl List {
    /// The item that it is.
    pub fn item(&self) -> ItemId {
        self.item
    }

    /// Reads its state.
    ///
    /// # Errors
    /// As [`Party::list`].
    pub fn read<T>(&self, read: impl FnOnce(&ListState) -> T) -> Result<T, Error> {
        self.party.item(self.item, |item| {
            let state = item.state::<ListState>();
            state.map(read).ok_or_else(|| Error::other_model(self.item, item.model(), motet_item::List::NAME))
        })?
    }

    /// How many elements it has.
    ///
    /// # Errors
    /// As [`Party::list`].
    pub fn len(&self) -> Result<usize, Error> {
        self.read(ListState::len)
    }

    /// Whether it has none.
    ///
    /// # Errors
    /// As [`Party::list`].
    pub fn is_empty(&self) -> Result<bool, Error> {
        self.read(ListState::is_empty)
    }

    /// All elements, as they stand.
    ///
    /// # Errors
    /// As [`Party::list`].
    pub fn elements(&self) -> Result<Vec<Element>, Error> {
        self.read(ListState::elements)
    }

    /// The element at an index, if the list goes that far.
    ///
    /// # Errors
    /// As [`Party::list`].
    pub fn get(&self, index: usize) -> Result<Option<Element>, Error> {
        self.read(|list| list.get(index))
    }

    /// Where an element stands, if it is in the list.
    ///
    /// # Errors
    /// As [`Party::list`].
    pub fn index_of(&self, element: &Entity) -> Result<Option<usize>, Error> {
        self.read(|list| list.index_of(element))
    }

    /// Puts a new element at the end.
    ///
    /// # Errors
    /// As [`Transaction::commit`].
    pub fn push(&self, value: impl Into<Value>) -> Result<Receipt, Error> {
        self.edit(ListEdit::Push(vec![value.into()]))
    }

    /// Puts a new element before the one at an index, or at the end.
    ///
    /// # Errors
    /// [`Error::Edit`] past the end; otherwise as [`Transaction::commit`].
    pub fn insert(&self, index: usize, value: impl Into<Value>) -> Result<Receipt, Error> {
        self.edit(ListEdit::Insert { at: index, values: vec![value.into()] })
    }

    /// Moves the element at an index, so that it comes to stand at another.
    ///
    /// # Errors
    /// As [`List::insert`].
    pub fn move_element(&self, from: usize, to: usize) -> Result<Receipt, Error> {
        self.edit(ListEdit::Move { from, to })
    }

    /// Gives the element at an index another value.
    ///
    /// # Errors
    /// As [`List::insert`].
    pub fn set(&self, index: usize, value: impl Into<Value>) -> Result<Receipt, Error> {
        self.edit(ListEdit::Set { at: index, value: value.into() })
    }

    /// Removes the elements at some indexes.
    ///
    /// # Errors
    /// As [`List::insert`].
    pub fn remove(&self, range: Range<usize>) -> Result<Receipt, Error> {
        self.edit(ListEdit::Remove(range))
    }

    fn edit(&self, edit: ListEdit) -> Result<Receipt, Error> {
        let mut transaction = self.party.transaction();
        transaction.list(self.item).edit(edit);
        transaction.commit()
    }
}

/// What a transaction does to one list.
pub struct ListWriter<'a> {
    transaction: &'a mut Transaction,
    item: ItemId,
}

impl Transaction {
    /// Changes a list, which may be made by this very transaction.
    pub fn list(&mut self, item: ItemId) -> ListWriter<'_> {
        ListWriter { transaction: self, item }
    }
}

impl ListWriter<'_> {
    /// Puts a new element at the end.
    pub fn push(&mut self, value: impl Into<Value>) -> &mut Self {
        self.edit(ListEdit::Push(vec![value.into()]))
    }

    /// Puts a new element before the one at an index, or at the end.
    pub fn insert(&mut self, index: usize, value: impl Into<Value>) -> &mut Self {
        self.edit(ListEdit::Insert { at: index, values: vec![value.into()] })
    }

    /// Moves the element at an index, so that it comes to stand at another.
    pub fn move_element(&mut self, from: usize, to: usize) -> &mut Self {
        self.edit(ListEdit::Move { from, to })
    }

    /// Gives the element at an index another value.
    pub fn set(&mut self, index: usize, value: impl Into<Value>) -> &mut Self {
        self.edit(ListEdit::Set { at: index, value: value.into() })
    }

    /// Removes the elements at some indexes.
    pub fn remove(&mut self, range: Range<usize>) -> &mut Self {
        self.edit(ListEdit::Remove(range))
    }

    /// Makes any change.
    pub fn edit(&mut self, edit: ListEdit) -> &mut Self {
        // What is said of one list without a break is one plan: what comes and goes again leaves no facts.
        match self.transaction.steps.last_mut() {
            Some(Step::List { item, edits }) if *item == self.item => edits.push(edit),
            _ => self.transaction.steps.push(Step::List { item: self.item, edits: vec![edit] }),
        }
        self
    }
}
