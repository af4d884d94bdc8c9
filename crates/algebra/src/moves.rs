//! Moves of a tree, replayed (H19): each node has one parent, and no history of moves makes a cycle.
//!
//! People who move things concurrently can make a cycle of them: one moves A into B, the other B into A. Kleppmann and
//! others (*A highly-available move operation for replicated trees*, 2022) give all moves one order and replay them in
//! it, and skip those that would close a cycle. Whether a move counts depends on the moves before it, so no stratified
//! rules say it; it is an operator of its own, a fold over an ordered group.

use std::collections::BTreeMap;

/// Replays moves, each of a node under a parent, in the order given. A move is skipped if the parent is the node itself
/// or lies below it; otherwise the node leaves its parent for the new one. Gives the parent of every node that was ever
/// moved with effect: a forest, whose roots are the parents that have none.
pub fn fold_moves<N: Ord + Clone>(moves: impl IntoIterator<Item = (N, N)>) -> BTreeMap<N, N> {
    let mut parents = BTreeMap::new();
    for (node, parent) in moves {
        let skipped = if crate::mutant("cycle") { parent == node } else { is_at_or_below(&parents, &parent, &node) };
        if !skipped {
            parents.insert(node, parent);
        }
    }
    parents
}

/// Whether the way up from one node leads to another. It ends, since there are no cycles.
fn is_at_or_below<N: Ord>(parents: &BTreeMap<N, N>, node: &N, top: &N) -> bool {
    std::iter::successors(Some(node), |node| parents.get(node)).any(|node| node == top)
}
