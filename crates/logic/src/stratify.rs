//! Strata: relations that depend on each other are computed together, and after all they depend on (PL-13, PL-14).
//!
//! A relation depends on those its rules read. A group of relations that all depend on each other (a strongly connected
//! component, by Tarjan's algorithm) is one stratum; Tarjan's order is dependencies first. Negation, aggregation and
//! `C :=` need the relation they read to be complete, so such a dependency inside a stratum has no meaning, and the
//! program is refused with the cycle named (PL-12, PL-13). What a head of the next epoch reads is complete by then, and
//! counts for no cycle (PL-8).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use motet_algebra::RelationName;

use crate::diagnostic::{Report, Span};
use crate::relations::Relations;
use crate::rule::{GoalKind, Rule};

/// Relations that are computed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Component {
    pub(crate) relations: BTreeSet<RelationName>,
    pub(crate) recursive: bool,
}

/// How a rule reads a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reading {
    /// More rows give more results.
    Plain,
    /// Its rows' CIDs are read.
    Cid,
    /// Negated or aggregated: more rows may give fewer results.
    Strict,
}

/// One relation reading another.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) from: RelationName,
    pub(crate) to: RelationName,
    pub(crate) reading: Reading,
    /// Whether it is read for the next epoch.
    pub(crate) next: bool,
    /// `!` or the aggregate's name, for messages.
    word: String,
    pub(crate) span: Span,
}

/// Every dependency.
pub(crate) fn edges(rules: &[Rule]) -> Vec<Edge> {
    rules.iter().flat_map(edges_of).collect()
}

fn edges_of(rule: &Rule) -> impl Iterator<Item = Edge> + '_ {
    rule.goals.iter().filter_map(|goal| {
        let scan = goal.scan()?;
        let (reading, word) = match &goal.kind {
            GoalKind::Not(_) => (Reading::Strict, "!"),
            GoalKind::Aggregate { measure, .. } => (Reading::Strict, measure.name()),
            _ if scan.cid.is_some() => (Reading::Cid, "the CID of"),
            _ => (Reading::Plain, ""),
        };
        let (from, to) = (rule.head.clone(), scan.relation.clone());
        Some(Edge { from, to, reading, next: rule.next, word: word.into(), span: goal.span })
    })
}

/// The strata, dependencies first. Cycles that have no meaning are reported.
pub(crate) fn stratify(edges: &[Edge], relations: &Relations, report: &mut Report) -> Vec<Component> {
    let edges: Vec<&Edge> = edges.iter().filter(|edge| !edge.next).collect();
    let mut graph: BTreeMap<&RelationName, BTreeSet<&RelationName>> = BTreeMap::new();
    for name in relations.known.keys() {
        graph.entry(name).or_default();
    }
    for edge in &edges {
        graph.entry(&edge.from).or_default().insert(&edge.to);
        graph.entry(&edge.to).or_default();
    }
    let components = components(&graph);
    let mut told = BTreeSet::new();
    for edge in edges.iter().filter(|edge| edge.reading != Reading::Plain) {
        let together = |component: &&Component| {
            component.relations.contains(&edge.from) && component.relations.contains(&edge.to)
        };
        if let Some(component) = components.iter().find(together) {
            let way = path(&edge.to, &edge.from, component, &edges);
            // One cycle may be found from several of its places.
            let members: BTreeSet<_> = way.iter().chain([&edge.to]).cloned().collect();
            if told.insert(members) {
                report_cycle(edge, &way, report);
            }
        }
    }
    components
}

fn report_cycle(edge: &Edge, way: &[RelationName], report: &mut Report) {
    let space = if edge.word == "!" { "" } else { " " };
    let mut cycle = format!("{} → {}{space}{}", edge.from, edge.word, edge.to);
    for name in way {
        cycle.push_str(&format!(" → {name}"));
    }
    let relation = &edge.to;
    let (code, message) = if edge.reading == Reading::Cid {
        ("L061", format!("the CID of `{relation}` is used to compute `{relation}`"))
    } else {
        ("L060", format!("`{relation}` must be complete here, and depends on this very clause"))
    };
    report
        .error(code, edge.span, message)
        .label(format!("cycle: {cycle}"))
        .remedy("break the cycle: let one of these rules read a relation that is computed before");
}

/// The relations after `from` on a shortest way to `to` inside a component.
fn path(from: &RelationName, to: &RelationName, component: &Component, edges: &[&Edge]) -> Vec<RelationName> {
    let mut came_from: BTreeMap<&RelationName, &RelationName> = BTreeMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(name) = queue.pop_front().filter(|_| from != to && !came_from.contains_key(to)) {
        let next = edges.iter().filter(|edge| edge.from == *name && component.relations.contains(&edge.to));
        for edge in next {
            if edge.to != *from && !came_from.contains_key(&edge.to) {
                came_from.insert(&edge.to, name);
                queue.push_back(&edge.to);
            }
        }
    }
    let mut way = Vec::new();
    let mut at = to;
    while at != from {
        way.push(at.clone());
        at = came_from.get(at).expect("all relations of a component reach each other");
    }
    way.reverse();
    way
}

/// Tarjan's algorithm, without recursion: a chain of relations may be long.
fn components(graph: &BTreeMap<&RelationName, BTreeSet<&RelationName>>) -> Vec<Component> {
    let mut search = Search::default();
    for name in graph.keys() {
        search.visit(name, graph);
    }
    search.found
}

#[derive(Default)]
struct Search<'a> {
    /// When each relation was entered, and the earliest one on the stack that it reaches.
    order: BTreeMap<&'a RelationName, (usize, usize)>,
    stack: Vec<&'a RelationName>,
    on_stack: BTreeSet<&'a RelationName>,
    found: Vec<Component>,
}

impl<'a> Search<'a> {
    fn visit(
        &mut self,
        root: &'a RelationName,
        graph: &BTreeMap<&'a RelationName, BTreeSet<&'a RelationName>>,
    ) {
        if self.order.contains_key(root) {
            return;
        }
        self.enter(root);
        let mut frames = vec![(root, graph[root].iter())];
        while let Some((name, next)) = frames.last_mut() {
            let name = *name;
            match next.next() {
                Some(other) if !self.order.contains_key(other) => {
                    self.enter(other);
                    frames.push((other, graph[other].iter()));
                }
                Some(other) if self.on_stack.contains(other) => self.reach(name, self.order[other].0),
                Some(_) => {}
                None => {
                    frames.pop();
                    let low = self.order[name].1;
                    if let Some((parent, _)) = frames.last() {
                        self.reach(parent, low);
                    }
                    self.leave(name, graph);
                }
            }
        }
    }

    fn enter(&mut self, name: &'a RelationName) {
        let now = self.order.len();
        self.order.insert(name, (now, now));
        self.stack.push(name);
        self.on_stack.insert(name);
    }

    fn reach(&mut self, name: &'a RelationName, place: usize) {
        let entry = self.order.get_mut(name).expect("it was entered");
        entry.1 = entry.1.min(place);
    }

    /// If the relation is the first of its component, the component is what lies above it on the stack.
    fn leave(
        &mut self,
        name: &'a RelationName,
        graph: &BTreeMap<&'a RelationName, BTreeSet<&'a RelationName>>,
    ) {
        let (entered, low) = self.order[name];
        if entered != low {
            return;
        }
        let place = self.stack.iter().rposition(|one| *one == name).expect("it is on the stack");
        let members = self.stack.split_off(place);
        for member in &members {
            self.on_stack.remove(member);
        }
        let recursive = members.len() > 1 || graph[name].contains(name);
        let relations = members.into_iter().cloned().collect();
        self.found.push(Component { relations, recursive });
    }
}
