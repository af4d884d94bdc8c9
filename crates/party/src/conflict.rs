//! Which of the acts that threaten one another take effect (H11).
//!
//! The relation *threatens* among acts is a graph. Its strongly connected components are taken upstream first. What a
//! counted act threatens is dropped; of a component of which something was dropped the components are taken anew; what
//! is left of a component takes effect as a whole, so that mutual and cyclic removals all do. Dropping only ever takes
//! from what comes later, and two components neither of which is upstream of the other have nothing to do with each
//! other, so the outcome does not depend on which is taken first.

use std::collections::{BTreeMap, BTreeSet};

/// The acts that take effect among these. `threatened_by` gives what an act threatens; others and itself are passed
/// over.
pub(crate) fn settle<'a>(
    acts: Vec<usize>,
    threatened_by: &impl Fn(usize) -> &'a BTreeSet<usize>,
) -> BTreeSet<usize> {
    let (mut effective, mut dropped) = (BTreeSet::new(), BTreeSet::<usize>::new());
    let mut groups = vec![Group { acts, is_component: false }];
    while let Some(Group { acts, is_component }) = groups.pop() {
        let before = acts.len();
        let left: Vec<usize> = acts.into_iter().filter(|act| !dropped.contains(act)).collect();
        if is_component && left.len() == before {
            let component: BTreeSet<usize> = left.into_iter().collect();
            let threatened = component.iter().flat_map(|&act| threatened_by(act));
            dropped.extend(threatened.filter(|act| !component.contains(act)));
            effective.extend(component);
        } else {
            let components = components(&left, threatened_by);
            groups.extend(components.into_iter().map(|acts| Group { acts, is_component: true }));
        }
    }
    effective
}

struct Group {
    acts: Vec<usize>,
    /// Whether it is one of the components of what was left when they were last taken.
    is_component: bool,
}

#[derive(Clone, Copy)]
struct Visit {
    /// When it was come upon.
    index: usize,
    /// The earliest act of its component that is known to be reachable from it.
    low: usize,
    /// Whether its component is not complete yet.
    open: bool,
}

/// The strongly connected components, each before those upstream of it. (Tarjan's algorithm, with a stack of its own:
/// a chain of removals may be long.)
fn components<'a>(acts: &[usize], threatened_by: &impl Fn(usize) -> &'a BTreeSet<usize>) -> Vec<Vec<usize>> {
    let among: BTreeSet<usize> = acts.iter().copied().collect();
    let (mut visits, mut open, mut components) = (BTreeMap::<usize, Visit>::new(), Vec::new(), Vec::new());
    for &start in acts {
        if visits.contains_key(&start) {
            continue;
        }
        let mut path = vec![(start, enter(start, &mut visits, &mut open, threatened_by))];
        while let Some((act, targets)) = path.last_mut() {
            let act = *act;
            if let Some(&target) = targets.find(|target| among.contains(target)) {
                match visits.get(&target).copied() {
                    None => path.push((target, enter(target, &mut visits, &mut open, threatened_by))),
                    Some(Visit { index, open: true, .. }) => lower(&mut visits, act, index),
                    Some(_) => {}
                }
                continue;
            }
            path.pop();
            let Visit { index, low, .. } = visits[&act];
            if let Some((parent, _)) = path.last() {
                lower(&mut visits, *parent, low);
            }
            if low == index {
                let at = open.iter().rposition(|&member| member == act).expect("it is open until here");
                let component = open.split_off(at);
                for member in &component {
                    visits.get_mut(member).expect("it was visited").open = false;
                }
                components.push(component);
            }
        }
    }
    components
}

fn enter<'a>(
    act: usize,
    visits: &mut BTreeMap<usize, Visit>,
    open: &mut Vec<usize>,
    threatened_by: &impl Fn(usize) -> &'a BTreeSet<usize>,
) -> std::collections::btree_set::Iter<'a, usize> {
    let index = visits.len();
    visits.insert(act, Visit { index, low: index, open: true });
    open.push(act);
    threatened_by(act).iter()
}

fn lower(visits: &mut BTreeMap<usize, Visit>, act: usize, to: usize) {
    let visit = visits.get_mut(&act).expect("it is on the path");
    visit.low = visit.low.min(to);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(edges: &[(usize, usize)], count: usize) -> Vec<usize> {
        let mut targets = vec![BTreeSet::new(); count];
        for &(from, to) in edges {
            targets[from].insert(to);
        }
        settle((0..count).collect(), &|act| &targets[act]).into_iter().collect()
    }

    #[test]
    fn upstream_comes_first_and_a_cycle_takes_effect_as_a_whole() {
        assert_eq!(settled(&[], 3), [0, 1, 2]);
        assert_eq!(settled(&[(0, 1), (1, 2)], 3), [0, 2], "what is dropped drops nothing");
        assert_eq!(settled(&[(2, 1), (1, 0)], 3), [0, 2]);
        assert_eq!(settled(&[(0, 1), (1, 0)], 2), [0, 1]);
        assert_eq!(settled(&[(0, 1), (1, 2), (2, 0), (2, 3)], 4), [0, 1, 2]);
        assert_eq!(settled(&[(0, 0)], 1), [0], "it undermines itself, and takes effect");
    }

    #[test]
    fn of_a_cycle_that_was_broken_the_components_are_taken_anew() {
        // 0 drops 1 out of the cycle 1 → 2 → 3 → 1; of what is left 2 is upstream of 3.
        assert_eq!(settled(&[(0, 1), (1, 2), (2, 3), (3, 1)], 4), [0, 2]);
        // 0 drops 1 out of two cycles that meet in it; each loses its cycle.
        let edges = [(0, 1), (1, 2), (2, 1), (1, 3), (3, 1)];
        assert_eq!(settled(&edges, 4), [0, 2, 3]);
    }

    #[test]
    fn a_long_chain_needs_no_deep_stack() {
        let edges: Vec<(usize, usize)> = (1..100_000).map(|act| (act - 1, act)).collect();
        assert_eq!(settled(&edges, 100_000), (0..100_000).step_by(2).collect::<Vec<_>>());
    }
}
