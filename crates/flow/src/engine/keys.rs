//! Keys, numbered.
//!
//! What is kept for each key lies in an array, by the number of the key. A key of one column is found in a *window*, an
//! array from the least key to the greatest, as long as keys are dense; other keys by hashing. A key keeps its number
//! until it is removed, and then the next new key has it.

use super::row::{Id, NONE};
use super::rows::Rows;

/// A window may be so many times longer than there are keys.
const SPARSE: usize = 8;
/// A window so short is never too long.
const SHORT: usize = 256;

/// Keys of so many columns, with numbers.
#[derive(Clone, Debug)]
pub(crate) enum Keys {
    /// The one key without columns.
    One,
    /// Keys of one column: the number of the key `first + n` at n, [`NONE`] where there is none.
    Window { first: Id, numbers: Vec<u32>, free: Vec<u32>, len: usize },
    /// By hashing.
    Hashed(Rows),
}

impl Keys {
    pub(crate) fn new(columns: usize) -> Self {
        match columns {
            0 => Keys::One,
            1 => Keys::Window { first: 0, numbers: Vec::new(), free: Vec::new(), len: 0 },
            _ => Keys::Hashed(Rows::new(columns)),
        }
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Keys::One => 1,
            Keys::Window { len, .. } => *len,
            Keys::Hashed(rows) => rows.len(),
        }
    }

    /// The number of a key, if it is there.
    #[inline]
    pub(crate) fn find(&self, key: &[Id]) -> Option<u32> {
        match self {
            Keys::One => Some(0),
            Keys::Window { first, numbers, .. } => {
                let number = numbers.get(key[0].wrapping_sub(*first) as usize).copied();
                number.filter(|number| *number != NONE)
            }
            Keys::Hashed(rows) => rows.find(key),
        }
    }

    /// The number of a key, which is added if it is not there.
    #[inline]
    pub(crate) fn number(&mut self, key: &[Id]) -> u32 {
        match self {
            Keys::One => 0,
            Keys::Window { first, numbers, .. } => {
                match numbers.get(key[0].wrapping_sub(*first) as usize).copied() {
                    Some(number) if number != NONE => number,
                    _ => self.add(key[0]),
                }
            }
            Keys::Hashed(rows) => rows.insert(key).0,
        }
    }

    /// Adds a key to a window, which may have to become longer, or be given up.
    #[cold]
    fn add(&mut self, key: Id) -> u32 {
        let Keys::Window { first, numbers, free, len } = self else {
            unreachable!("only windows have to grow");
        };
        if numbers.is_empty() {
            *first = key;
        }
        let least = key.min(*first);
        let end = (*first as usize + numbers.len()).max(key as usize + 1);
        let length = end - least as usize;
        if length > SHORT.max((*len + 1) * SPARSE) {
            let there = numbers.iter().enumerate().filter(|(_, number)| **number != NONE);
            let there = there.map(|(place, number)| (*number, *first + place as u32));
            let mut rows = Rows::numbered(there, *len + free.len());
            let number = rows.insert(&[key]).0;
            *self = Keys::Hashed(rows);
            return number;
        }
        if least < *first {
            numbers.splice(0..0, std::iter::repeat_n(NONE, (*first - least) as usize));
            *first = least;
        }
        if length > numbers.len() {
            numbers.resize(length, NONE);
        }
        let number = free.pop().unwrap_or(*len as u32);
        numbers[(key - *first) as usize] = number;
        *len += 1;
        number
    }

    /// Takes a key away.
    pub(crate) fn remove(&mut self, key: &[Id]) {
        match self {
            Keys::One => {}
            Keys::Window { first, numbers, free, len } => {
                let number = std::mem::replace(&mut numbers[(key[0] - *first) as usize], NONE);
                free.push(number);
                *len -= 1;
            }
            Keys::Hashed(rows) => {
                rows.remove(key);
            }
        }
    }

    /// Shows each key with its number, from a place on, until one is enough; gives the place to go on from, and at the
    /// end nothing.
    pub(crate) fn walk(&self, from: u32, mut show: impl FnMut(&[Id], u32) -> bool) -> Option<u32> {
        let end = match self {
            Keys::One => 1,
            Keys::Window { numbers, .. } => numbers.len() as u32,
            Keys::Hashed(rows) => rows.numbers(),
        };
        for place in from..end {
            let enough = match self {
                Keys::One => show(&[], 0),
                Keys::Window { first, numbers, .. } => {
                    let number = numbers[place as usize];
                    number != NONE && show(&[first + place], number)
                }
                Keys::Hashed(rows) => rows.has(place) && show(rows.row(place), place),
            };
            if enough {
                return Some(place + 1);
            }
        }
        None
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Keys::One => 0,
            Keys::Window { numbers, free, .. } => (numbers.capacity() + free.capacity()) * size_of::<u32>(),
            Keys::Hashed(rows) => rows.heap_bytes(),
        }
    }
}
