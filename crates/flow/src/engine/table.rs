//! Tables: the rows of one relation, and the ways to find them.
//!
//! A *narrow* table, of one or two columns, is nothing but its arrangement from the first column to the second; so it
//! is a set, an index and a compressed store at once. Others are sets of numbered rows. Every further way in is an
//! arrangement that is made when somebody first asks for it, and kept up from then on.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::arrangement::Arrangement;
use super::keys::Keys;
use super::row::{Batch, Id, NONE, Place};
use super::rows::Rows;
use super::set::Set;

/// A few ids without a heap: a key.
pub(crate) type Key = SmallVec<[Id; 8]>;

/// About so many rows are looked at to estimate how many keys there are.
const SAMPLE: usize = 500;
/// Of the second column of two, so many ids for one of the first.
const FEW: usize = 4;

/// A relation's rows.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    width: usize,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Narrow {
        len: usize,
        /// From all columns but the last to the last.
        forward: Arrangement,
        /// From the second column to the first.
        backward: Option<Arrangement>,
    },
    Wide {
        rows: Rows,
        /// From the ids at some positions to the numbers of the rows.
        by: Vec<(Vec<Place>, Arrangement)>,
    },
}

/// How rows are found of which some columns are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing is known: all rows.
    All,
    /// Everything is known: whether the row is there.
    Whole,
    /// Of two columns the first.
    Forward,
    /// Of two columns the second.
    Backward,
    /// The columns of an arrangement.
    By(usize),
}

impl Table {
    pub(crate) fn new(width: usize) -> Self {
        let form = match width {
            1 | 2 => Form::Narrow { len: 0, forward: Arrangement::new(width - 1), backward: None },
            _ => Form::Wide { rows: Rows::new(width), by: Vec::new() },
        };
        Table { width, form }
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn len(&self) -> usize {
        match &self.form {
            Form::Narrow { len, .. } => *len,
            Form::Wide { rows, .. } => rows.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub(crate) fn contains(&self, row: &[Id]) -> bool {
        match &self.form {
            Form::Narrow { forward, .. } => {
                let (last, key) = row.split_last().expect("a narrow row has a column");
                forward.get(key).is_some_and(|set| set.contains(*last))
            }
            Form::Wide { rows, .. } => rows.contains(row),
        }
    }

    /// Adds a row; gives whether it is new.
    #[inline]
    pub(crate) fn insert(&mut self, row: &[Id]) -> bool {
        match &mut self.form {
            Form::Narrow { len, forward, backward } => {
                let (last, key) = row.split_last().expect("a narrow row has a column");
                let new = forward.insert(key, *last);
                *len += usize::from(new);
                if let Some(backward) = backward
                    && new
                {
                    backward.insert(&[*last], row[0]);
                }
                new
            }
            Form::Wide { rows, by } => {
                let (number, new) = rows.insert(row);
                if new {
                    for (columns, arrangement) in by {
                        arrangement.insert(&key(row, columns), number);
                    }
                }
                new
            }
        }
    }

    /// Adds rows one after the other, and shows those that are new. Neighbours mostly have their first column in
    /// common, and then the place for them is looked for once.
    pub(crate) fn extend(&mut self, rows: &Batch, mut show: impl FnMut(&[Id])) {
        let Form::Narrow { len, forward, backward } = &mut self.form else {
            rows.rows().filter(|row| self.insert(row)).for_each(show);
            return;
        };
        let mut rows = rows.rows().peekable();
        while let Some(row) = rows.peek() {
            let (_, key) = row.split_last().expect("a narrow row has a column");
            let group = forward.group(key);
            while let Some(row) = rows.next_if(|row| row[..row.len() - 1] == *key) {
                let last = row[row.len() - 1];
                if group.insert(last) {
                    *len += 1;
                    if let Some(backward) = backward {
                        backward.insert(&[last], row[0]);
                    }
                    show(row);
                }
            }
        }
    }

    /// Takes a row away; gives whether it was there.
    pub(crate) fn remove(&mut self, row: &[Id]) -> bool {
        match &mut self.form {
            Form::Narrow { len, forward, backward } => {
                let (last, key) = row.split_last().expect("a narrow row has a column");
                let there = forward.remove(key, *last);
                *len -= usize::from(there);
                if let Some(backward) = backward
                    && there
                {
                    backward.remove(&[*last], row[0]);
                }
                there
            }
            Form::Wide { rows, by } => {
                let number = rows.remove(row);
                if let Some(number) = number {
                    for (columns, arrangement) in by {
                        arrangement.remove(&key(row, columns), number);
                    }
                }
                number.is_some()
            }
        }
    }

    /// The way to the rows of which these columns, in ascending order, are known. It is made if it is not there.
    pub(crate) fn access(&mut self, columns: &[Place]) -> Access {
        if columns.is_empty() {
            return Access::All;
        }
        if columns.len() == self.width {
            return Access::Whole;
        }
        match &mut self.form {
            Form::Narrow { .. } if columns == [0] => Access::Forward,
            Form::Narrow { forward, backward, .. } => {
                if backward.is_none() {
                    let mut made = Arrangement::new(1);
                    forward.walk_pairs(|first, second| {
                        made.insert(&[second], first);
                        false
                    });
                    *backward = Some(made);
                }
                Access::Backward
            }
            Form::Wide { rows, by } => {
                if let Some(place) = by.iter().position(|(known, _)| known == columns) {
                    return Access::By(place);
                }
                let mut made = Arrangement::new(columns.len());
                for (number, row) in rows.iter() {
                    made.insert(&key(row, columns), number);
                }
                by.push((columns.to_vec(), made));
                Access::By(by.len() - 1)
            }
        }
    }

    /// How many different keys these columns have, if that is known without counting.
    pub(crate) fn distinct(&self, columns: &[Place]) -> Option<usize> {
        if columns.is_empty() {
            return Some(1);
        }
        if columns.len() == self.width {
            return Some(self.len());
        }
        match &self.form {
            Form::Narrow { forward, .. } if columns == [0] => Some(forward.keys()),
            Form::Narrow { backward, .. } => backward.as_ref().map(Arrangement::keys),
            Form::Wide { by, .. } => {
                by.iter().find(|(known, _)| known == columns).map(|(_, arrangement)| arrangement.keys())
            }
        }
    }

    /// About how many different keys these columns have.
    pub(crate) fn estimate(&self, columns: &[Place]) -> f64 {
        if let Some(keys) = self.distinct(columns) {
            return keys as f64;
        }
        let mut seen: BTreeMap<Key, usize> = BTreeMap::new();
        match &self.form {
            Form::Narrow { forward, .. } => {
                // What is asked for is the second column: a few ids from here and there.
                let step = (forward.keys() / SAMPLE).max(1);
                let mut from = Some(0);
                while let Some(place) = from {
                    let mut few = 0;
                    let next = forward.walk_keys(place, |_, set| {
                        set.walk(|second| {
                            *seen.entry(Key::from_slice(&[second])).or_default() += 1;
                            few += 1;
                            few == FEW
                        });
                        true
                    });
                    from = next.map(|next| next.saturating_add(u32::try_from(step - 1).unwrap_or(u32::MAX)));
                }
            }
            Form::Wide { rows, .. } => {
                let step = (rows.len() / SAMPLE).max(1);
                rows.iter()
                    .step_by(step)
                    .for_each(|(_, row)| *seen.entry(key(row, columns)).or_default() += 1);
            }
        }
        distinct_of(&seen, self.len())
    }

    /// Shows the rows with a key, until one is enough; gives whether one was.
    #[inline]
    pub(crate) fn walk(&self, access: Access, key: &[Id], mut show: impl FnMut(&[Id]) -> bool) -> bool {
        match (&self.form, access) {
            (Form::Narrow { forward, .. }, Access::Forward) => {
                forward.get(key).is_some_and(|set| set.walk(|second| show(&[key[0], second])))
            }
            (Form::Narrow { backward, .. }, Access::Backward) => {
                let backward = backward.as_ref().expect("an access is asked for before it is used");
                backward.get(key).is_some_and(|set| set.walk(|first| show(&[first, key[0]])))
            }
            (Form::Narrow { forward, .. }, Access::All) if self.width == 1 => {
                forward.get(&[]).is_some_and(|set| set.walk(|only| show(&[only])))
            }
            (Form::Narrow { forward, .. }, Access::All) => {
                forward.walk_pairs(|first, second| show(&[first, second]))
            }
            (_, Access::Whole) => self.contains(key) && show(key),
            (Form::Wide { rows, .. }, Access::All) => rows.iter().any(|(_, row)| show(row)),
            (Form::Wide { rows, by }, Access::By(place)) => {
                by[place].1.get(key).is_some_and(|set| set.walk(|number| show(rows.row(number))))
            }
            (Form::Narrow { .. }, Access::By(_))
            | (Form::Wide { .. }, Access::Forward | Access::Backward) => {
                unreachable!("an access belongs to the table that gave it")
            }
        }
    }

    /// The ids that the other column of a narrow table has for a key of one.
    #[inline]
    pub(crate) fn set(&self, access: Access, key: Id) -> Option<&Set> {
        match (&self.form, access) {
            (Form::Narrow { forward, .. }, Access::Forward) => forward.get(&[key]),
            (Form::Narrow { backward, .. }, Access::Backward) => {
                backward.as_ref().expect("an access is asked for before it is used").get(&[key])
            }
            _ => unreachable!("only narrow tables have sets of ids"),
        }
    }

    /// The keys of an access by one column.
    #[inline]
    pub(crate) fn keys(&self, access: Access) -> &Keys {
        match (&self.form, access) {
            (Form::Narrow { forward, .. }, Access::Forward) => forward.all_keys(),
            (Form::Narrow { backward, .. }, Access::Backward) => {
                backward.as_ref().expect("an access is asked for before it is used").all_keys()
            }
            (Form::Wide { by, .. }, Access::By(place)) => by[place].1.all_keys(),
            _ => unreachable!("only arrangements have keys"),
        }
    }

    /// Adds about so many rows to a batch, from a place on; gives the place to go on from, and at the end nothing.
    pub(crate) fn chunk(&self, from: u32, rows: usize, batch: &mut Batch) -> Option<u32> {
        match &self.form {
            Form::Narrow { forward, .. } => forward.walk_keys(from, |key, set| {
                set.walk(|last| {
                    batch.push_ids(key.iter().copied().chain([last]));
                    false
                });
                batch.len() >= rows
            }),
            Form::Wide { rows: all, .. } => {
                let next = all.chunk(from, rows, batch);
                (next < all.numbers()).then_some(next)
            }
        }
    }

    /// Shows all rows in the order of their ids.
    pub(crate) fn walk_in_order(&self, mut show: impl FnMut(&[Id])) {
        match &self.form {
            Form::Narrow { forward, .. } => {
                let (mut keys, mut ids) = (Vec::new(), Vec::new());
                forward.walk_keys(0, |key, _| {
                    keys.push(Key::from_slice(key));
                    false
                });
                keys.sort_unstable();
                for key in keys {
                    let set = forward.get(&key).expect("a key that is listed is there");
                    set.walk(|last| {
                        ids.push(last);
                        false
                    });
                    ids.sort_unstable();
                    let mut row = key;
                    row.push(NONE);
                    for last in ids.drain(..) {
                        row[self.width - 1] = last;
                        show(&row);
                    }
                }
            }
            Form::Wide { rows, .. } => {
                let mut numbers: Vec<u32> = rows.iter().map(|(number, _)| number).collect();
                numbers.sort_unstable_by_key(|number| rows.row(*number));
                numbers.into_iter().for_each(|number| show(rows.row(number)));
            }
        }
    }

    /// The different keys of an access.
    pub(crate) fn each_key(&self, access: Access, mut show: impl FnMut(&[Id])) {
        let arrangement = match (&self.form, access) {
            (_, Access::All) => {
                if !self.is_empty() {
                    show(&[]);
                }
                return;
            }
            (_, Access::Whole) => {
                self.walk(Access::All, &[], |row| {
                    show(row);
                    false
                });
                return;
            }
            (Form::Narrow { forward, .. }, Access::Forward) => forward,
            (Form::Narrow { backward, .. }, _) => backward.as_ref().expect("an access is asked for before"),
            (Form::Wide { by, .. }, Access::By(place)) => &by[place].1,
            (Form::Wide { .. }, _) => unreachable!("an access belongs to the table that gave it"),
        };
        arrangement.walk_keys(0, |key, _| {
            show(key);
            false
        });
    }

    /// The number of a row of a wide table.
    #[inline]
    pub(crate) fn number(&self, row: &[Id]) -> Option<u32> {
        match &self.form {
            Form::Narrow { .. } => None,
            Form::Wide { rows, .. } => rows.find(row),
        }
    }

    /// Takes all rows out. The ways to find rows stay.
    pub(crate) fn clear(&mut self) {
        match &mut self.form {
            Form::Narrow { len, forward, backward } => {
                *len = 0;
                *forward = Arrangement::new(self.width - 1);
                if let Some(backward) = backward {
                    *backward = Arrangement::new(1);
                }
            }
            Form::Wide { rows, by } => {
                *rows = Rows::new(self.width);
                by.iter_mut().for_each(|(columns, made)| *made = Arrangement::new(columns.len()));
            }
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.form {
            Form::Narrow { forward, backward, .. } => {
                forward.heap_bytes() + backward.as_ref().map_or(0, Arrangement::heap_bytes)
            }
            Form::Wide { rows, by } => {
                rows.heap_bytes() + by.iter().map(|(_, made)| made.heap_bytes()).sum::<usize>()
            }
        }
    }
}

/// The ids at some positions of a row.
#[inline]
pub(crate) fn key(row: &[Id], columns: &[Place]) -> Key {
    columns.iter().map(|column| row[*column]).collect()
}

/// How many different keys there are among so many rows, by those that a sample has, each with how often it is in it:
/// what was seen once and twice says how much was not seen (Chao, 1984).
fn distinct_of(seen: &BTreeMap<Key, usize>, rows: usize) -> f64 {
    let times = |many: usize| seen.values().filter(|times| **times == many).count() as f64;
    let (once, twice) = (times(1), times(2));
    let unseen = once * (once - 1.0).max(0.0) / (2.0 * (twice + 1.0));
    (seen.len() as f64 + unseen).min(rows as f64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(crate::testing::config())]

        #[test]
        fn a_table_finds_the_rows_that_a_scan_finds(
            width in 0usize..4,
            known in 0usize..8,
            steps in prop::collection::vec((prop::collection::vec(0u32..4, 4), 0u8..3), 0..200),
        ) {
            let (mut table, mut twin) = (Table::new(width), BTreeSet::new());
            let columns: Vec<Place> = (0..width).filter(|place| known >> place & 1 == 1).collect();
            for (place, (row, choice)) in steps.iter().enumerate() {
                let row = &row[..width];
                match choice {
                    0 => prop_assert_eq!(table.remove(row), twin.remove(row)),
                    _ => prop_assert_eq!(table.insert(row), twin.insert(row.to_vec())),
                }
                prop_assert_eq!((table.len(), table.contains(row)), (twin.len(), twin.contains(row)));
                if place % 7 == 3 {
                    let access = table.access(&columns);
                    let wanted = key(row, &columns);
                    let mut found = BTreeSet::new();
                    table.walk(access, &wanted, |row| { found.insert(row.to_vec()); false });
                    let expected: BTreeSet<_> =
                        twin.iter().filter(|row| key(row, &columns) == wanted).cloned().collect();
                    prop_assert_eq!(found, expected);
                    let (mut keys, all) = (Vec::new(), twin.iter().map(|row| key(row, &columns).to_vec()));
                    table.each_key(access, |key| keys.push(key.to_vec()));
                    keys.sort_unstable();
                    prop_assert_eq!(keys, all.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>());
                }
            }
            if width > 0 {
                let mut more = Batch::new(width);
                steps.iter().for_each(|(row, _)| more.push(&row[..width]));
                table.extend(&more, |row| assert!(twin.insert(row.to_vec()), "only new rows are shown"));
                prop_assert_eq!(table.len(), twin.len());
                prop_assert!(twin.iter().all(|row| table.contains(row)));
            }
            let (mut batch, mut from) = (Batch::new(width), Some(0));
            while let Some(place) = from {
                from = table.chunk(place, 5, &mut batch);
            }
            let mut listed: Vec<_> = batch.rows().map(<[Id]>::to_vec).collect();
            listed.sort_unstable();
            let mut in_order = Vec::new();
            table.walk_in_order(|row| in_order.push(row.to_vec()));
            prop_assert_eq!(&in_order, &listed);
            prop_assert_eq!(listed, twin.into_iter().collect::<Vec<_>>());
        }
    }
}
