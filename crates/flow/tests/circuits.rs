//! Circuits that are kept running equal what is computed from scratch, retractions through recursion included.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use motet_flow::{Circuit, Fuel, Input, Stream, Weight, ZSet};
use proptest::prelude::*;

type Edge = (u8, u8);
type Seen<T> = Rc<RefCell<ZSet<T>>>;

/// A sink that adds up what it sees.
fn collect<T: Ord + Clone + 'static>(circuit: &mut Circuit, stream: &Stream<ZSet<T>>) -> Seen<T> {
    let seen: Seen<T> = Rc::default();
    let sum = Rc::clone(&seen);
    circuit.sink("collect", stream, move |_, changes| {
        let added = motet_flow::operator::plus(&sum.borrow(), changes);
        *sum.borrow_mut() = added;
    });
    seen
}

/// reach(x, y) :- edge(x, y).  reach(x, z) :- edge(x, y), reach(y, z).
fn reach(circuit: &mut Circuit, edges: &Stream<ZSet<Edge>>) -> Stream<ZSet<Edge>> {
    circuit.child("reach", |child| {
        let edges = child.import(edges);
        let reach = child.feedback::<Edge>();
        let inside = child.circuit();
        let by_target = inside.map(&edges, |(x, y)| (*y, *x));
        let step = inside.join(&by_target, &reach.stream(), |_, x, z| (*x, *z));
        let all = inside.plus(&edges, &step);
        let set = inside.distinct(&all);
        child.close(reach, &set);
        child.export(&set)
    })
}

fn closure(edges: &BTreeSet<Edge>) -> BTreeSet<Edge> {
    let mut reach = edges.clone();
    loop {
        let step = edges
            .iter()
            .flat_map(|(x, y)| reach.iter().filter(move |(from, _)| from == y).map(move |(_, z)| (*x, *z)));
        let next: BTreeSet<Edge> = reach.iter().copied().chain(step).collect();
        if next == reach {
            return reach;
        }
        reach = next;
    }
}

/// Flips the presence of edges, and gives the changes that say so.
fn flip(edges: &mut BTreeSet<Edge>, flips: &[Edge]) -> Vec<(Edge, Weight)> {
    flips
        .iter()
        .map(|edge| {
            (
                *edge,
                if edges.remove(edge) {
                    -1
                } else {
                    edges.insert(*edge);
                    1
                },
            )
        })
        .collect()
}

fn reachability() -> (Circuit, Input<Edge>, Seen<Edge>) {
    let mut circuit = Circuit::new();
    let (input, edges) = circuit.source("edges");
    let reach = reach(&mut circuit, &edges);
    let seen = collect(&mut circuit, &reach);
    (circuit, input, seen)
}

proptest! {
    #![proptest_config(crate::testing::config())]

    #[test]
    fn reachability_equals_the_closure_after_each_epoch(
        epochs in prop::collection::vec(prop::collection::vec((0u8..6, 0u8..6), 0..5), 1..25),
    ) {
        let (mut circuit, input, seen) = reachability();
        let mut edges = BTreeSet::new();
        for flips in epochs {
            input.push(flip(&mut edges, &flips));
            circuit.step(Fuel::UNLIMITED).unwrap();
            prop_assert_eq!(&*seen.borrow(), &ZSet::of(closure(&edges)));
        }
    }

    /// Below and above the recursion: the nodes that do not reach a sink node, counted by their lowest bit.
    #[test]
    fn negation_and_aggregation_follow_recursion(
        epochs in prop::collection::vec(prop::collection::vec((0u8..5, 0u8..5), 0..4), 1..20),
    ) {
        let mut circuit = Circuit::new();
        let (input, edges) = circuit.source::<Edge>("edges");
        let reach = reach(&mut circuit, &edges);
        let ends = circuit.map(&edges, |(x, _)| *x);
        let nodes = circuit.distinct(&ends);
        let home = circuit.filter(&reach, |(_, y)| *y == 0);
        let home = circuit.map(&home, |(x, _)| *x);
        let (keyed_nodes, keyed_home) = (circuit.map(&nodes, |x| (*x, ())), circuit.map(&home, |x| (*x, ())));
        let at_home = circuit.join(&keyed_nodes, &keyed_home, |x, (), ()| *x);
        let lost = circuit.minus(&nodes, &at_home);
        let by_bit = circuit.index_with(&lost, |x| x % 2);
        let counts = circuit.aggregate(&by_bit, |_, values| Some(values.len()));
        let seen = collect(&mut circuit, &counts);
        let mut edges = BTreeSet::new();
        for flips in epochs {
            input.push(flip(&mut edges, &flips));
            circuit.step(Fuel::UNLIMITED).unwrap();
            let reach = closure(&edges);
            let starts = edges.iter().map(|(x, _)| *x);
            let lost: BTreeSet<u8> = starts.filter(|x| !reach.contains(&(*x, 0))).collect();
            let count = |bit: u8| (bit, lost.iter().filter(|x| *x % 2 == bit).count());
            let expected = ZSet::of([count(0), count(1)].into_iter().filter(|(_, count)| *count > 0));
            prop_assert_eq!(&*seen.borrow(), &expected);
        }
    }

    /// A step that is stopped at any point leaves no trace.
    #[test]
    fn a_stopped_step_changes_nothing(
        before in prop::collection::vec((0u8..6, 0u8..6), 0..8),
        failing in prop::collection::vec((0u8..6, 0u8..6), 1..8),
        elements in 0u64..60,
    ) {
        let mut circuit = Circuit::new();
        let (input, source) = circuit.source("edges");
        let by_target = circuit.map(&source, |(x, y)| (*y, *x));
        // A join outside of the recursion, on both sides of it.
        let hops = circuit.join(&by_target, &source, |_, x, z| (*x, *z));
        let hops = circuit.distinct(&hops);
        let reach = reach(&mut circuit, &hops);
        let seen = collect(&mut circuit, &reach);
        let mut edges = BTreeSet::new();
        input.push(flip(&mut edges, &before));
        circuit.step(Fuel::UNLIMITED).unwrap();
        let mut tried = edges.clone();
        input.push(flip(&mut tried, &failing));
        if circuit.step(Fuel { elements, ..Fuel::UNLIMITED }).is_ok() {
            edges = tried;
        }
        // What failed is tried again, and so meets whatever it left behind.
        for flips in [&failing[..], &[(0, 1), (1, 2)]] {
            input.push(flip(&mut edges, flips));
            circuit.step(Fuel::UNLIMITED).unwrap();
        }
        let all = edges.iter().flat_map(|one| edges.iter().map(move |two| (one, two)));
        let hops = all.filter(|(one, two)| one.1 == two.0).map(|(one, two)| (one.0, two.1)).collect();
        prop_assert_eq!(&*seen.borrow(), &ZSet::of(closure(&hops)));
    }
}

/// A cycle does not keep itself alive once nothing outside feeds it.
#[test]
fn a_cycle_falls_with_what_fed_it() {
    let (mut circuit, input, seen) = reachability();
    input.push([((0, 1), 1), ((1, 2), 1), ((2, 1), 1)]);
    circuit.step(Fuel::UNLIMITED).unwrap();
    assert_eq!(seen.borrow().len(), 6);
    input.push([((2, 1), -1)]);
    circuit.step(Fuel::UNLIMITED).unwrap();
    assert_eq!(*seen.borrow(), ZSet::of([(0, 1), (0, 2), (1, 2)]));
}

#[test]
fn a_loop_without_end_is_stopped_and_named() {
    let mut circuit = Circuit::new();
    let (input, start) = circuit.source::<u64>("start");
    let numbers = circuit.child("numbers", |child| {
        let start = child.import(&start);
        let numbers = child.feedback::<u64>();
        let inside = child.circuit();
        let next = inside.map(&numbers.stream(), |n| n + 1);
        let all = inside.plus(&start, &next);
        let set = inside.distinct(&all);
        child.close(numbers, &set);
        child.export(&set)
    });
    let seen = collect(&mut circuit, &numbers);
    input.push([(0, 1)]);
    let stopped = circuit.step(Fuel { iterations: 100, ..Fuel::UNLIMITED }).unwrap_err();
    assert_eq!(
        (stopped.what, stopped.name.as_str(), stopped.node.to_string().as_str()),
        ("iterations", "numbers", "1")
    );
    assert!(seen.borrow().is_empty());
    circuit.step(Fuel::UNLIMITED).unwrap();
    assert!(seen.borrow().is_empty());
}

/// Ids are unique paths; edges name nodes; a feedback is no edge, so the graph has no cycle (PF-11 … PF-16).
#[test]
fn nodes_have_paths_and_read_only_earlier_ones() {
    let (circuit, ..) = reachability();
    let labels = circuit.labels();
    let ids: BTreeSet<_> = labels.iter().map(|label| label.id.clone()).collect();
    assert_eq!(ids.len(), labels.len());
    assert!(labels.iter().all(|label| label.inputs.iter().all(|input| *input < label.id)));
    insta(&circuit.to_string());
}

fn insta(text: &str) {
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "0 source edges()");
    assert_eq!(lines[1], "1 child reach(0)");
    assert_eq!(lines[2], "1.0 import import(0)");
    assert_eq!(lines[3], "1.1 feedback feedback()");
    assert_eq!(lines.last(), Some(&"2 sink collect(1)"));
}
