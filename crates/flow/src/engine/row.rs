//! Ids, and batches of rows of ids.

/// A number that stands for a value. Two ids are equal if and only if their values are; their order means nothing.
pub type Id = u32;

/// The number that no value has.
pub const NONE: Id = Id::MAX;

/// A position in a row, or the number of a variable of a rule.
pub type Place = usize;

/// Mixes the ids of a row into one number, of which the upper bits are good.
#[inline]
pub(crate) fn hash(row: &[Id]) -> u64 {
    let mut hash = 0x51_7c_c1_b7_27_22_0a_95_u64;
    for id in row {
        hash = (hash ^ u64::from(*id)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 29;
    }
    hash.wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

/// Rows of one width, one after the other. A row may come more than once.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    width: usize,
    len: usize,
    cells: Vec<Id>,
}

impl Batch {
    /// An empty batch for rows of a width.
    pub fn new(width: usize) -> Self {
        Batch { width, len: 0, cells: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If it has another width.
    #[inline]
    pub fn push(&mut self, row: &[Id]) {
        assert_eq!(row.len(), self.width, "a batch has rows of one width");
        self.cells.extend_from_slice(row);
        self.len += 1;
    }

    /// Adds a row, id by id; there must be as many as the width.
    #[inline]
    pub(crate) fn push_ids(&mut self, ids: impl Iterator<Item = Id>) {
        self.cells.extend(ids);
        self.len += 1;
        debug_assert_eq!(self.cells.len(), self.len * self.width, "a batch has rows of one width");
    }

    /// The row at a place.
    #[inline]
    pub fn row(&self, place: usize) -> &[Id] {
        &self.cells[place * self.width..(place + 1) * self.width]
    }

    /// The rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = &[Id]> {
        (0..self.len).map(|place| self.row(place))
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The ids in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Keeps only the rows that pass.
    pub(crate) fn retain(&mut self, keep: impl Fn(&[Id]) -> bool) {
        let kept = self.rows().filter(|row| keep(row));
        let mut batch = Batch::new(self.width);
        kept.for_each(|row| batch.push(row));
        *self = batch;
    }

    /// Takes all rows out and keeps the room.
    pub fn clear(&mut self) {
        self.cells.clear();
        self.len = 0;
    }
}
