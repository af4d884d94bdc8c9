//! Sets of ids that take the form that suits them.
//!
//! What a row's last column holds for one prefix, and which rows have one key, are sets of ids: mostly tiny, sometimes
//! huge, often dense, for ids are given out in the order of arrival and neighbours arrive together. A [`Set`] holds
//! seven ids in itself, without a heap. With more it is a *window* of bits from its least to its greatest id where that
//! takes no more room than a table, and else a *table* of ids, found by hashing. (Roaring bitmaps, Lemire and others
//! 2016, choose likewise for each chunk of 2¹⁶; here a set is one chunk.)
//!
//! No order is promised, but that of one set is always the same.

use super::row::{Id, NONE};

/// How many ids need no heap.
const FEW: usize = 7;
/// A set that shrinks to so many is without a heap again.
const VERY_FEW: usize = 3;
/// How many words of bits a window may have beyond one for each id.
const SPARE_WORDS: usize = 4;
/// The smallest table.
const SMALL_TABLE: usize = 16;
/// What ids are multiplied by in a table, one after the other as it grows: what comes out of one table in its order
/// must not be in order in the next, where it would pile up at one end.
const MULTIPLIERS: [u32; 8] =
    [0x9e37_79b1, 0x85eb_ca6b, 0xc2b2_ae35, 0x27d4_eb2f, 0x1656_67b1, 0xcc9e_2d51, 0x1b87_3593, 0xd6e8_feb9];

/// A set of ids.
#[derive(Clone, Debug)]
pub(crate) struct Set(Form);

#[derive(Clone, Debug)]
enum Form {
    Few {
        len: u8,
        ids: [Id; FEW],
    },
    Table {
        len: u32,
        slots: Box<[Id]>,
    },
    /// Bit `b` of word `w` stands for the id `(first + w) * 64 + b`.
    Window {
        len: u32,
        first: u32,
        words: Box<[u64]>,
    },
}

impl Default for Set {
    fn default() -> Self {
        Set(Form::Few { len: 0, ids: [NONE; FEW] })
    }
}

fn word_of(id: Id) -> u32 {
    id >> 6
}

fn bit_of(id: Id) -> u64 {
    1 << (id & 63)
}

impl Set {
    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Form::Few { len, .. } => usize::from(*len),
            Form::Table { len, .. } | Form::Window { len, .. } => *len as usize,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn contains(&self, id: Id) -> bool {
        match &self.0 {
            Form::Few { len, ids } => ids[..usize::from(*len)].contains(&id),
            Form::Table { slots, .. } => slots[slot(slots, id)] == id,
            Form::Window { first, words, .. } => {
                let word = words.get(word_of(id).wrapping_sub(*first) as usize);
                word.is_some_and(|word| word & bit_of(id) != 0)
            }
        }
    }

    /// Adds an id; gives whether it was not there.
    #[inline]
    pub(crate) fn insert(&mut self, id: Id) -> bool {
        debug_assert_ne!(id, NONE, "no value has this number");
        match &mut self.0 {
            Form::Window { len, first, words } => {
                if let Some(word) = words.get_mut(word_of(id).wrapping_sub(*first) as usize) {
                    let new = *word & bit_of(id) == 0;
                    *word |= bit_of(id);
                    *len += u32::from(new);
                    return new;
                }
            }
            Form::Few { len, ids } => {
                let used = usize::from(*len);
                if ids[..used].contains(&id) {
                    return false;
                }
                if used < FEW {
                    ids[used] = id;
                    *len += 1;
                    return true;
                }
            }
            Form::Table { len, slots } => {
                let place = slot(slots, id);
                if slots[place] == id {
                    return false;
                }
                if (*len as usize + 1) * 4 <= slots.len() * 3 {
                    slots[place] = id;
                    *len += 1;
                    return true;
                }
            }
        }
        self.grow(id);
        true
    }

    /// Adds an id that is not there, and for which there is no room.
    #[cold]
    fn grow(&mut self, id: Id) {
        let (mut least, mut greatest) = (id, id);
        if let Form::Window { first, words, .. } = &self.0 {
            // Only the ends of a window matter, and they are known.
            least = least.min(*first << 6);
            greatest = greatest.max(((*first + words.len() as u32) << 6) - 1);
        } else {
            self.walk(|id| {
                least = least.min(id);
                greatest = greatest.max(id);
                false
            });
        }
        let len = self.len() + 1;
        let words = (word_of(greatest) - word_of(least)) as usize + 1;
        if words <= len + SPARE_WORDS {
            self.widen(id, word_of(least), words);
        } else {
            self.rehash(id, len);
        }
    }

    /// Becomes a window of at least so many words from there on.
    fn widen(&mut self, id: Id, least: u32, needed: usize) {
        let is_window = matches!(self.0, Form::Window { .. });
        // A window that grows will grow again, on the same side.
        let spare = if is_window { needed / 4 } else { 0 };
        let below = match &self.0 {
            Form::Window { first, .. } if least < *first => (spare as u32).min(least),
            _ => 0,
        };
        let above = if below == 0 { spare } else { 0 };
        let first = least - below;
        let room = (word_of(NONE) - first) as usize + 1;
        let mut words = vec![0u64; (needed + below as usize + above).min(room)].into_boxed_slice();
        if let Form::Window { first: before, words: old, .. } = &self.0 {
            let start = (before - first) as usize;
            words[start..start + old.len()].copy_from_slice(old);
        } else {
            self.walk(|id| {
                words[(word_of(id) - first) as usize] |= bit_of(id);
                false
            });
        }
        words[(word_of(id) - first) as usize] |= bit_of(id);
        self.0 = Form::Window { len: self.len() as u32 + 1, first, words };
    }

    /// Becomes a table for twice as many.
    fn rehash(&mut self, id: Id, len: usize) {
        let size = (len * 2).next_power_of_two().max(SMALL_TABLE);
        let mut slots = vec![NONE; size].into_boxed_slice();
        let mut add = |id| {
            let place = slot(&slots, id);
            slots[place] = id;
            false
        };
        self.walk(&mut add);
        add(id);
        self.0 = Form::Table { len: len as u32, slots };
    }

    /// Takes an id away; gives whether it was there.
    pub(crate) fn remove(&mut self, id: Id) -> bool {
        let removed = match &mut self.0 {
            Form::Few { len, ids } => {
                let used = usize::from(*len);
                let place = ids[..used].iter().position(|one| *one == id);
                if let Some(place) = place {
                    ids[place] = ids[used - 1];
                    *len -= 1;
                }
                return place.is_some();
            }
            Form::Window { len, first, words } => {
                match words.get_mut(word_of(id).wrapping_sub(*first) as usize) {
                    Some(word) if *word & bit_of(id) != 0 => {
                        *word &= !bit_of(id);
                        *len -= 1;
                        true
                    }
                    _ => false,
                }
            }
            Form::Table { len, slots } => {
                let place = slot(slots, id);
                let there = slots[place] == id;
                if there {
                    close_gap(slots, place);
                    *len -= 1;
                }
                there
            }
        };
        if removed {
            self.shrink();
        }
        removed
    }

    fn shrink(&mut self) {
        let len = self.len();
        let roomy = match &self.0 {
            Form::Few { .. } => false,
            Form::Table { slots, .. } => slots.len() > SMALL_TABLE && len * 8 < slots.len(),
            Form::Window { words, .. } => len * 8 + SPARE_WORDS < words.len(),
        };
        if len <= VERY_FEW || roomy {
            let mut smaller = Set::default();
            self.walk(|id| {
                smaller.insert(id);
                false
            });
            *self = smaller;
        }
    }

    /// Shows each id, until one is enough; gives whether one was.
    #[inline]
    pub(crate) fn walk(&self, mut show: impl FnMut(Id) -> bool) -> bool {
        match &self.0 {
            Form::Few { len, ids } => ids[..usize::from(*len)].iter().any(|id| show(*id)),
            Form::Table { slots, .. } => slots.iter().any(|id| *id != NONE && show(*id)),
            Form::Window { first, words, .. } => {
                for (place, word) in words.iter().enumerate() {
                    let base = (first + place as u32) << 6;
                    let mut rest = *word;
                    while rest != 0 {
                        if show(base + rest.trailing_zeros()) {
                            return true;
                        }
                        rest &= rest - 1;
                    }
                }
                false
            }
        }
    }

    /// Shows each id that has its bit in these words, of which the first is that one, until one is enough; gives
    /// whether one was.
    pub(crate) fn walk_within(&self, from: u32, bits: &[u64], mut show: impl FnMut(Id) -> bool) -> bool {
        let Form::Window { first, words, .. } = &self.0 else {
            let has = |id| {
                let word = bits.get(word_of(id).wrapping_sub(from) as usize);
                word.is_some_and(|word| word & bit_of(id) != 0)
            };
            return self.walk(|id| has(id) && show(id));
        };
        let start = (*first).max(from);
        let mine = words.iter().skip((start - first) as usize);
        for (place, (one, two)) in mine.zip(bits.iter().skip((start - from) as usize)).enumerate() {
            let base = (start + place as u32) << 6;
            let mut rest = one & two;
            while rest != 0 {
                if show(base + rest.trailing_zeros()) {
                    return true;
                }
                rest &= rest - 1;
            }
        }
        false
    }

    /// The bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Few { .. } => 0,
            Form::Table { slots, .. } => slots.len() * size_of::<Id>(),
            Form::Window { words, .. } => words.len() * size_of::<u64>(),
        }
    }
}

/// Where an id is in a table, or the free place where it would be. A table always has one.
#[inline]
fn slot(slots: &[Id], id: Id) -> usize {
    let mask = slots.len() - 1;
    let mut place = home(slots.len(), id);
    while slots[place] != id && slots[place] != NONE {
        place = (place + 1) & mask;
    }
    place
}

#[inline]
fn home(size: usize, id: Id) -> usize {
    let bits = size.trailing_zeros();
    (id.wrapping_mul(MULTIPLIERS[bits as usize % MULTIPLIERS.len()]) >> (32 - bits)) as usize
}

/// Frees a place, and moves up what was put further on because it was taken.
fn close_gap(slots: &mut [Id], mut gap: usize) {
    let mask = slots.len() - 1;
    let mut place = gap;
    loop {
        place = (place + 1) & mask;
        let id = slots[place];
        if id == NONE {
            break;
        }
        // It may move if the gap is not before its home, as seen from here.
        let wish = home(slots.len(), id);
        if (place.wrapping_sub(wish) & mask) >= (place.wrapping_sub(gap) & mask) {
            slots[gap] = id;
            gap = place;
        }
    }
    slots[gap] = NONE;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn id() -> impl Strategy<Value = Id> {
        prop_oneof![0u32..40, 0u32..2_000, 4_294_966_000..NONE, any::<u32>().prop_map(|id| id.min(NONE - 1))]
    }

    proptest! {
        #![proptest_config(crate::testing::config())]

        #[test]
        fn a_set_is_a_set(steps in prop::collection::vec((id(), 0u8..4), 0..600)) {
            let (mut set, mut twin) = (Set::default(), BTreeSet::new());
            for (id, choice) in steps {
                if choice > 0 {
                    prop_assert_eq!(set.insert(id), twin.insert(id));
                } else {
                    // Take away one that is there, if possible.
                    let id = twin.range(id..).next().copied().unwrap_or(id);
                    prop_assert_eq!(set.remove(id), twin.remove(&id));
                }
                prop_assert_eq!(set.len(), twin.len());
                prop_assert_eq!(set.contains(id), twin.contains(&id));
            }
            let mut seen = Vec::new();
            set.walk(|id| { seen.push(id); false });
            seen.sort_unstable();
            prop_assert_eq!(seen, twin.into_iter().collect::<Vec<_>>());
        }
    }

    proptest! {
        #![proptest_config(crate::testing::config())]

        #[test]
        fn what_is_within_bits_is_what_has_its_bit(
            ids in prop::collection::btree_set(id(), 0..200),
            from in 0u32..4,
            bits in prop::collection::vec(any::<u64>(), 0..20),
        ) {
            let mut set = Set::default();
            ids.iter().for_each(|id| assert!(set.insert(*id)));
            let mut seen = Vec::new();
            set.walk_within(from, &bits, |id| { seen.push(id); false });
            seen.sort_unstable();
            let has = |id: &Id| {
                let word = (id / 64).checked_sub(from).and_then(|word| bits.get(word as usize));
                word.is_some_and(|word| word >> (id % 64) & 1 == 1)
            };
            prop_assert_eq!(seen, ids.into_iter().filter(has).collect::<Vec<_>>());
        }
    }

    #[test]
    fn dense_sets_are_windows_and_sparse_ones_tables() {
        let of = |step: u32| {
            let mut set = Set::default();
            (0..1_000).for_each(|place| assert!(set.insert(7 + place * step)));
            set
        };
        assert!(matches!(of(1).0, Form::Window { .. }) && of(1).heap_bytes() < 200);
        assert!(matches!(of(1_000).0, Form::Table { .. }) && of(1_000).heap_bytes() <= 8_192);
        assert_eq!(size_of::<Set>(), 32);
    }

    #[test]
    fn what_leaves_a_table_in_its_order_does_not_pile_up_in_the_next() {
        let mut large = Set::default();
        for place in 0..100_000 {
            large.insert(place * 4_099);
        }
        let (mut small, mut probes) = (Set::default(), 0);
        large.walk(|id| {
            small.insert(id);
            if let Form::Table { slots, .. } = &small.0 {
                let place = home(slots.len(), id);
                probes += slot(slots, id).wrapping_sub(place) & (slots.len() - 1);
            }
            false
        });
        assert!(probes < 500_000, "{probes} probes for 100,000 ids");
    }
}
