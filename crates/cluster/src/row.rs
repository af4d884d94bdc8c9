//! Rows as differential dataflow sees them: a few numbers in a row, and nothing else.
//!
//! A dataflow is built for one row type, chosen by the widest row that any of its operators makes. A row of a packed
//! width is an array without a heap: copying it copies a few words, and comparing it follows no pointer. What a narrow
//! relation does not use is zero. Each width is compiled apart, and that is most of the build, so there are two: four
//! columns hold most programs, and rows of any width carry a length each.

use std::fmt::Debug;
use std::hash::Hash;

use smallvec::SmallVec;

use motet_algebra::dictionary::Id;

/// A row that can be sorted, hashed and copied quickly.
pub(crate) trait PackedRow: Ord + Hash + Clone + Debug + 'static {
    /// A row of some width, from its columns.
    ///
    /// # Panics
    /// If there are more columns than this type holds: the plan chose the wrong type.
    fn collect(columns: impl Iterator<Item = Id>) -> Self;

    /// The column at a position. A position past the width is the plan's mistake and gives anything or panics.
    fn at(&self, position: usize) -> Id;
}

/// The widest row of the narrow type.
pub(crate) const NARROW: usize = 4;

/// A row of up to [`NARROW`] columns.
pub(crate) type NarrowRow = [Id; NARROW];
/// The widest row of the wide type that has no heap.
pub(crate) const WIDE: usize = 16;
/// A row of any width.
pub(crate) type WideRow = SmallVec<[Id; WIDE]>;

impl<const N: usize> PackedRow for [Id; N] {
    fn collect(columns: impl Iterator<Item = Id>) -> Self {
        let mut row = [0; N];
        for (place, id) in columns.enumerate() {
            assert!(place < N, "a plan that needs more than {N} columns was built for {N}");
            row[place] = id;
        }
        row
    }

    fn at(&self, position: usize) -> Id {
        self[position]
    }
}

impl PackedRow for WideRow {
    fn collect(columns: impl Iterator<Item = Id>) -> Self {
        columns.collect()
    }

    fn at(&self, position: usize) -> Id {
        self[position]
    }
}

/// A row of the columns at some positions of another.
pub(crate) fn pick<W: PackedRow>(row: &W, positions: &[usize]) -> W {
    W::collect(positions.iter().map(|position| row.at(*position)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick_reorders<W: PackedRow>() {
        let row = W::collect([7, 8, 9].into_iter());
        assert_eq!(pick(&row, &[2, 0]), W::collect([9, 7].into_iter()));
        assert_eq!(pick(&row, &[]), W::collect([].into_iter()));
        assert_ne!(pick(&row, &[1]), pick(&row, &[2]));
    }

    #[test]
    fn every_width_picks_alike() {
        pick_reorders::<NarrowRow>();
        pick_reorders::<WideRow>();
    }
}
