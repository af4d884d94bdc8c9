//! What changes cost, counted in rows looked at and never in time (Q19).
//!
//! The data is that of the benchmarks, smaller: a random graph whose edges go forward inside of blocks of nodes, so
//! that its closure is large and each pair has many ways.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::Budget;
use motet_algebra::text::diagnostic::Source;
use motet_flow::engine::row::Id;
use motet_logic::{Catalog, compile};
use motet_native::Native;

const CLOSURE: &str = "
input edge.
output path.
relation edge(x: int, y: int).
path(x: X, y: Y) :- edge(x: X, y: Y).
path(x: X, y: Z) :- path(x: X, y: Y), edge(x: Y, y: Z).
";

fn native() -> Native {
    let source = Source::new("closure", CLOSURE);
    let compiled = compile(&source, &Catalog::default(), &BTreeMap::new());
    Native::new(compiled.unwrap_or_else(|problems| panic!("{problems}")).program).unwrap()
}

/// As many edges as 2.5 times the nodes, each at most 40 forward and inside of a block of 400.
fn edges(nodes: u32) -> Vec<[Id; 2]> {
    let mut state = 2u64;
    let mut below = move |most: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((state >> 33) % u64::from(most)).unwrap()
    };
    let mut edges = BTreeSet::new();
    while edges.len() < nodes as usize * 5 / 2 {
        let from = below(nodes);
        let end = (from / 400 * 400 + 399).min(from + 40);
        if from < end {
            edges.insert([from, from + 1 + below(end - from)]);
        }
    }
    edges.into_iter().collect()
}

/// Inserts or deletes edges; gives the rows looked at, and how many more paths there are.
fn change(native: &mut Native, edges: &[[Id; 2]], insert: bool) -> (u64, i64) {
    let mut rows = native.batch("edge");
    edges.iter().for_each(|edge| rows.push(edge));
    let none = native.batch("edge");
    let (touched, paths) = (native.touched(), native.count("path"));
    let (come, gone) = if insert { (rows, none) } else { (none, rows) };
    native.advance(&[("edge", come, gone)], Budget::UNLIMITED).unwrap();
    let more = i64::try_from(native.count("path")).unwrap() - i64::try_from(paths).unwrap();
    (native.touched() - touched, more)
}

#[test]
fn an_insertion_touches_what_it_derives_and_little_else() {
    let edges = edges(2_000);
    let mut native = native();
    change(&mut native, &edges, true);
    for edge in edges.chunks(50).map(|chunk| &chunk[..1]) {
        change(&mut native, edge, false);
        let (touched, come) = change(&mut native, edge, true);
        // The paths to its start are each looked at, and of what comes each with the edges from its end.
        let before = u64::from(edge[0][0] % 400) + 2;
        let most = before + 12 * u64::try_from(come).unwrap();
        assert!(touched <= most, "{touched} rows for {come} that came");
    }
}
