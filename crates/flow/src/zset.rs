//! Z-sets: sets in which each element has a weight.
//!
//! A weight says how often an element was derived; a change of a set is a Z-set too, in which a negative weight takes
//! away (PF-6). Z-sets with `plus` and `negate` are an abelian group: that is why changes can be added up in any order.
//!
//! A Z-set is kept *consolidated*: a vector in strictly ascending order of its elements, without zeros. It carries no
//! time: it is what one tick put on a stream, so its time is the tick's (the specification's timeless variant). An
//! *indexed* Z-set is one of pairs of key and value, in the order of both (PF-3).

/// How often. Sums and products are checked: a weight that leaves `i64` is a broken invariant of whoever built the
/// circuit (weights are kept small by `distinct`), and panics.
pub type Weight = i64;

/// A weighted set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZSet<T>(Vec<(T, Weight)>);

/// A Z-set of pairs, ordered by key and then by value.
pub type IndexedZSet<K, V> = ZSet<(K, V)>;

impl<T> Default for ZSet<T> {
    fn default() -> Self {
        ZSet(Vec::new())
    }
}

impl<T> ZSet<T> {
    /// The elements with their weights, in ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&T, Weight)> {
        self.0.iter().map(|(element, weight)| (element, *weight))
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The elements with their weights, in ascending order.
    pub fn as_slice(&self) -> &[(T, Weight)] {
        &self.0
    }

    /// A vector that is consolidated already.
    pub(crate) fn consolidated(elements: Vec<(T, Weight)>) -> Self
    where
        T: Ord,
    {
        debug_assert!(elements.is_sorted_by(|one, two| one.0 < two.0), "a Z-set is in ascending order");
        debug_assert!(elements.iter().all(|(_, weight)| *weight != 0), "a Z-set has no zeros");
        ZSet(elements)
    }
}

impl<T: Ord> ZSet<T> {
    /// The weight of an element; 0 if it is not there.
    pub fn weight(&self, element: &T) -> Weight {
        let found = self.0.binary_search_by(|(known, _)| known.cmp(element));
        found.map_or(0, |place| self.0[place].1)
    }

    /// Each element of a set, once.
    pub fn of(elements: impl IntoIterator<Item = T>) -> Self {
        elements.into_iter().map(|element| (element, 1)).collect()
    }
}

/// A key of an indexed Z-set with its part of the set.
pub type Group<'a, K, V> = (&'a K, &'a [((K, V), Weight)]);

impl<K: Ord, V> IndexedZSet<K, V> {
    /// The keys, each with its values.
    pub fn groups(&self) -> impl Iterator<Item = Group<'_, K, V>> {
        self.0.chunk_by(|one, two| one.0.0 == two.0.0).map(|group| (&group[0].0.0, group))
    }
}

/// Consolidates: weights of equal elements are added up, and zeros dropped.
impl<T: Ord> FromIterator<(T, Weight)> for ZSet<T> {
    fn from_iter<I: IntoIterator<Item = (T, Weight)>>(elements: I) -> Self {
        let mut elements: Vec<(T, Weight)> = elements.into_iter().collect();
        elements.sort_unstable_by(|one, two| one.0.cmp(&two.0));
        elements.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = add(kept.1, next.1);
            }
            same
        });
        elements.retain(|(_, weight)| *weight != 0);
        ZSet(elements)
    }
}

impl<T> IntoIterator for ZSet<T> {
    type Item = (T, Weight);
    type IntoIter = std::vec::IntoIter<(T, Weight)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// The sum of two weights.
///
/// # Panics
/// If it leaves `i64`.
pub(crate) fn add(one: Weight, two: Weight) -> Weight {
    one.checked_add(two).expect("weights stay inside 64 bits: a circuit without `distinct` multiplied them")
}

/// The product of two weights.
///
/// # Panics
/// If it leaves `i64`.
pub(crate) fn multiply(one: Weight, two: Weight) -> Weight {
    one.checked_mul(two).expect("weights stay inside 64 bits: a circuit without `distinct` multiplied them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collecting_consolidates() {
        let set: ZSet<&str> = [("b", 1), ("a", 2), ("b", -1), ("c", 0), ("a", 1)].into_iter().collect();
        assert_eq!(set.as_slice(), [("a", 3)]);
        assert_eq!((set.weight(&"a"), set.weight(&"b")), (3, 0));
    }

    #[test]
    fn groups_are_by_key() {
        let set: IndexedZSet<u8, u8> = ZSet::of([(2, 1), (1, 2), (1, 1)]);
        let groups: Vec<_> = set.groups().map(|(key, group)| (*key, group.len())).collect();
        assert_eq!(groups, [(1, 2), (2, 1)]);
    }
}
