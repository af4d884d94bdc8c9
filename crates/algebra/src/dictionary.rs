//! A dictionary: values to numbers of 32 bits and back (Q14).
//!
//! Joins and sets ask only whether two values are identical, and a comparison of two numbers is the cheapest way to
//! ask. An int from 0 to 2³¹ - 1 is its own number, so counters and small keys take no room; every other value is
//! given the next free number from 2³¹ on the first time it is seen. So numbers that are used together tend to be
//! close to each other, and sets of them dense. The greatest number of 32 bits is never given out. Numbers carry no
//! order: what compares by size decodes first. A dictionary lives as long as the rows that use it, and one dictionary
//! may serve every circuit of an open database. Its numbers never leave their process. They are taken back only from
//! an epoch that was refused, whose rows nobody has (Q17): else whoever is refused again and again would fill the
//! memory all the same.
//!
//! A checkpoint of rows has the values with it that they use, and no others ([`Used`]): a dictionary of these values
//! alone, in their order. The rows are saved with the numbers of that one.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use motet_fact::Value;

use crate::budget::held_bytes;
use crate::checkpoint::{Reader, Writer};

/// The number that stands for a value. Numbers of one [`Dictionary`] are equal if and only if their values are.
pub type Id = u32;

/// A dictionary that several circuits of one thread share.
pub type SharedDictionary = Rc<RefCell<Dictionary>>;

/// The number of the first value that is not its own.
const FIRST: Id = 1 << 31;
/// What an entry costs, without what a text or bytes hold.
const ENTRY: u64 = 96;

/// Values and their numbers.
#[derive(Debug, Default)]
pub struct Dictionary {
    /// Keyed hashing: the values are other people's, who could choose them to collide.
    ids: HashMap<Value, Id>,
    values: Vec<Value>,
    bytes: u64,
}

impl Dictionary {
    /// An empty dictionary.
    pub fn new() -> Self {
        Dictionary::default()
    }

    /// An empty dictionary, ready to be shared.
    pub fn shared() -> SharedDictionary {
        Rc::new(RefCell::new(Dictionary::new()))
    }

    /// The number of a value, new if the value is.
    ///
    /// # Panics
    /// When 2³¹ - 1 values that are not small ints are in use: by then they take some hundred gigabytes.
    pub fn intern(&mut self, value: &Value) -> Id {
        if let Some(id) = self.find(value) {
            return id;
        }
        let id = Id::try_from(self.values.len()).ok().filter(|place| *place < FIRST - 1);
        let id = id.expect("a dictionary holds less than 2^31 values") | FIRST;
        self.values.push(value.clone());
        self.ids.insert(value.clone(), id);
        self.bytes = self.bytes.saturating_add(bytes(value));
        id
    }

    /// What the values are taken to hold, in bytes ([`crate::Budget`]).
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes back the numbers of all values but the first so many. Nobody may have any of them.
    pub fn truncate(&mut self, length: usize) {
        for value in self.values.drain(length.min(self.values.len())..) {
            self.ids.remove(&value);
            self.bytes = self.bytes.saturating_sub(bytes(&value));
        }
    }

    /// The number of a value, if it has one.
    pub fn find(&self, value: &Value) -> Option<Id> {
        small(value).or_else(|| self.ids.get(value).copied())
    }

    /// The value that a number of this dictionary stands for.
    ///
    /// # Panics
    /// For a number that this dictionary never gave out.
    pub fn value(&self, id: Id) -> Value {
        if let Some(int) = small_int(id) {
            return Value::Int(i64::from(int));
        }
        let value = place(id).and_then(|place| self.values.get(place));
        value.expect("a number is decoded by the dictionary that gave it out").clone()
    }

    /// Whether a number stands for a value, in a dictionary of so many.
    #[inline]
    pub fn is_among(id: Id, values: usize) -> bool {
        place(id).is_none_or(|place| place < values)
    }

    /// No value is used so far.
    pub fn none_used(&self) -> Used {
        Used { count: 0, numbers: vec![0; self.values.len()] }
    }

    /// Saves the values that are used, and gives each its number among them.
    pub fn save(&self, used: &mut Used, writer: &mut Writer<'_>) {
        writer.length(used.count);
        let all = used.numbers.iter_mut().zip(&self.values).filter(|(number, _)| **number != 0);
        for ((number, value), next) in all.zip(FIRST..) {
            writer.value(value);
            *number = next;
        }
    }

    /// Restores a dictionary of the values that were saved; nothing if that is not what was written.
    pub fn restore(reader: &mut Reader<'_>) -> Option<Self> {
        let mut dictionary = Dictionary::new();
        for place in 0..reader.length()? {
            let value = reader.value()?;
            if dictionary.len() != place || dictionary.find(&value).is_some() || place >= FIRST as usize - 1 {
                return None;
            }
            dictionary.intern(&value);
        }
        Some(dictionary)
    }

    /// How many values have been stored; small ints take no room.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether no value has been stored.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// Which values of a dictionary are in use, and so saved; and the numbers that they have then.
#[derive(Clone, Debug)]
pub struct Used {
    count: usize,
    /// By place: nought for a value that is not used, and else, once it was saved, its number.
    numbers: Vec<Id>,
}

impl Used {
    /// The value of a number is used. Small ints need not be saved.
    pub fn add(&mut self, id: Id) {
        if let Some(place) = place(id) {
            self.count += usize::from(self.numbers[place] == 0);
            self.numbers[place] = FIRST;
        }
    }

    /// The number that a value that was saved has there, by the one it has here.
    pub fn number(&self, id: Id) -> Id {
        place(id).map_or(id, |place| self.numbers[place])
    }
}

/// Where the value of a number lies that is not its own.
fn place(id: Id) -> Option<usize> {
    usize::try_from(id.checked_sub(FIRST)?).ok()
}

/// What a value costs: its places in both directions, and what a text or bytes hold.
fn bytes(value: &Value) -> u64 {
    ENTRY.saturating_add(held_bytes(value))
}

/// The int that is its own number, if this is the number of one.
pub fn small_int(id: Id) -> Option<u32> {
    (id < FIRST).then_some(id)
}

fn small(value: &Value) -> Option<Id> {
    Id::try_from(value.as_int()?).ok().filter(|int| *int < FIRST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_are_identical_values() {
        let mut dictionary = Dictionary::new();
        let values = [
            Value::Int(0),
            Value::Int(1),
            Value::float(1.0).unwrap(),
            Value::Int(-1),
            Value::Int(i64::from(i32::MAX)),
            Value::Int(i64::from(i32::MAX) + 1),
            Value::Int(i64::MAX),
            Value::text("1"),
            Value::bytes(b"1".as_slice()),
            Value::Bool(true),
        ];
        let ids: Vec<Id> = values.iter().map(|value| dictionary.intern(value)).collect();
        for (value, id) in values.iter().zip(&ids) {
            assert_eq!(dictionary.value(*id), *value);
            assert_eq!(dictionary.intern(value), *id);
            assert_eq!(ids.iter().filter(|other| *other == id).count(), 1, "{value}");
        }
        assert_eq!(dictionary.len(), 7, "0, 1 and 2^31 - 1 are their own numbers");
    }

    #[test]
    fn numbers_that_are_taken_back_are_given_again() {
        let mut dictionary = Dictionary::new();
        let kept = dictionary.intern(&Value::text("kept"));
        let (length, bytes) = (dictionary.len(), dictionary.bytes());
        let gone = dictionary.intern(&Value::text("gone"));
        assert!(dictionary.bytes() > bytes + 4);
        dictionary.truncate(length);
        assert_eq!((dictionary.len(), dictionary.bytes()), (length, bytes));
        assert_eq!(dictionary.find(&Value::text("gone")), None);
        assert_eq!(dictionary.intern(&Value::text("other")), gone);
        assert_eq!((dictionary.value(kept), dictionary.value(gone)), ("kept".into(), "other".into()));
    }

    #[test]
    fn what_is_used_is_saved_and_has_the_numbers_of_its_order() {
        let mut dictionary = Dictionary::new();
        let ids: Vec<Id> = ["a", "b", "c", "d"].map(|text| dictionary.intern(&text.into())).into();
        let mut used = dictionary.none_used();
        [ids[3], ids[1], ids[3], 7].into_iter().for_each(|id| used.add(id));
        let mut blocks = Vec::new();
        let mut put = |block| blocks.push(block);
        let mut writer = Writer::new("test", &mut put);
        dictionary.save(&mut used, &mut writer);
        writer.finish();
        let mut next = blocks.into_iter();
        let mut next = || next.next();
        let restored = Dictionary::restore(&mut Reader::new("test", &mut next)).unwrap();
        assert_eq!(restored.len(), 2);
        for id in [ids[1], ids[3], 7] {
            assert_eq!(restored.value(used.number(id)), dictionary.value(id));
        }
        assert!(used.number(ids[1]) < used.number(ids[3]));
        assert!(Dictionary::is_among(used.number(ids[3]), 2) && !Dictionary::is_among(ids[2], 2));
    }

    #[test]
    fn looking_does_not_add() {
        let dictionary = Dictionary::new();
        assert_eq!(dictionary.find(&Value::text("a")), None);
        assert_eq!(dictionary.find(&Value::Int(5)), Some(5));
        assert!(dictionary.is_empty());
    }
}
