//! Strata: what must be complete before what.
//!
//! Relations that depend on each other are computed together, the others one after the other, each after all that it
//! reads. The groups are the strongly connected components of the graph of relations, in the order in which Tarjan's
//! algorithm (1972) finds them: what is read comes first.

use super::plan::atom;
use super::rule::{Definition, RelationId};

/// What is computed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stratum {
    /// Relations by rules.
    Rules {
        /// The relations.
        relations: Vec<RelationId>,
        /// The rules that give their rows.
        rules: Vec<usize>,
        /// Whether the relations depend on each other, or on themselves.
        recursive: bool,
    },
    /// The results of a fold.
    Fold(usize),
}

/// The strata of a definition, those that are read first.
///
/// # Panics
/// If a relation depends on itself through what is absent, or through a fold.
pub(crate) fn strata(definition: &Definition) -> Vec<Stratum> {
    let mut reads: Vec<Vec<RelationId>> = vec![Vec::new(); definition.widths.len()];
    for rule in &definition.rules {
        reads[rule.relation].extend(rule.goals.iter().filter_map(atom).map(|atom| atom.relation));
    }
    for fold in &definition.folds {
        fold.outputs.iter().for_each(|output| reads[output.relation].push(fold.input));
    }
    let mut found = Vec::new();
    for component in components(&reads) {
        let recursive = component.len() > 1 || reads[component[0]].contains(&component[0]);
        let folds = definition.folds.iter().enumerate();
        let mut folds =
            folds.filter(|(_, fold)| fold.outputs.iter().any(|one| component.contains(&one.relation)));
        if let Some((fold, _)) = folds.next() {
            assert!(!recursive, "relation {} depends on itself through a fold", component[0]);
            let stratum = Stratum::Fold(fold);
            if !found.contains(&stratum) {
                found.push(stratum);
            }
            continue;
        }
        let rules = definition.rules.iter().enumerate();
        let rules = rules.filter(|(_, rule)| component.contains(&rule.relation)).map(|(place, _)| place);
        let rules: Vec<usize> = rules.collect();
        if !rules.is_empty() {
            found.push(Stratum::Rules { relations: component, rules, recursive });
        }
    }
    found
}

/// The strongly connected components of a graph, each after those that its members read.
fn components(reads: &[Vec<RelationId>]) -> Vec<Vec<RelationId>> {
    let (numbers, stack, found) = (vec![None; reads.len()], Vec::new(), Vec::new());
    let mut search = Tarjan { reads, reached: 0, numbers, stack, found };
    (0..reads.len()).for_each(|node| search.from(node));
    search.found
}

struct Tarjan<'a> {
    reads: &'a [Vec<RelationId>],
    /// How many nodes were reached.
    reached: usize,
    /// Of nodes that were reached: the order, the lowest order that can be reached, and whether they are on the stack.
    numbers: Vec<Option<(usize, usize, bool)>>,
    stack: Vec<RelationId>,
    found: Vec<Vec<RelationId>>,
}

impl Tarjan<'_> {
    /// Without recursion: a chain of relations may be long.
    fn from(&mut self, start: RelationId) {
        let mut path: Vec<(RelationId, usize)> = Vec::new();
        if self.numbers[start].is_none() {
            path.push((start, 0));
        }
        while let Some((node, next)) = path.last_mut() {
            let node = *node;
            if *next == 0 && self.numbers[node].is_none() {
                self.numbers[node] = Some((self.reached, self.reached, true));
                self.stack.push(node);
                self.reached += 1;
            }
            if let Some(read) = self.reads[node].get(*next).copied() {
                *next += 1;
                match self.numbers[read] {
                    None => path.push((read, 0)),
                    Some((reached, _, true)) => self.lower(node, reached),
                    Some((_, _, false)) => {}
                }
                continue;
            }
            path.pop();
            let (number, low, _) = self.numbers[node].expect("it was numbered when it was reached");
            if let Some((parent, _)) = path.last() {
                self.lower(*parent, low);
            }
            if number == low {
                self.close(node);
            }
        }
    }

    fn lower(&mut self, node: RelationId, to: usize) {
        if let Some((_, low, _)) = &mut self.numbers[node] {
            *low = to.min(*low);
        }
    }

    fn close(&mut self, root: RelationId) {
        let start = self.stack.iter().position(|node| *node == root).expect("a root is on the stack");
        let mut component = self.stack.split_off(start);
        for node in &component {
            if let Some((_, _, is_on_stack)) = &mut self.numbers[*node] {
                *is_on_stack = false;
            }
        }
        component.sort_unstable();
        self.found.push(component);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_comes_first() {
        // 0 reads 1 and 3, 1 and 2 read each other, 2 reads 3, 4 reads itself.
        let found = components(&[vec![1, 3], vec![2], vec![1, 3], vec![], vec![4, 0]]);
        assert_eq!(found, [vec![3], vec![1, 2], vec![0], vec![4]]);
    }

    #[test]
    fn a_long_chain_is_no_deep_recursion() {
        let reads: Vec<Vec<RelationId>> = (0..100_000).map(|node| vec![(node + 1) % 100_000]).collect();
        assert_eq!(components(&reads).len(), 1);
    }
}
