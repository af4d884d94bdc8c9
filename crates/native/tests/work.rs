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
    native.advance(vec![("edge", come, gone)], Budget::UNLIMITED).unwrap();
    let more = i64::try_from(native.count("path")).unwrap() - i64::try_from(paths).unwrap();
    (native.touched() - touched, more)
}

#[test]
fn deletions_touch_few_rows_for_each_that_goes() {
    let edges = edges(2_000);
    let mut native = native();
    change(&mut native, &edges, true);
    // The first deletion makes the levels.
    change(&mut native, &edges[..1], false);
    change(&mut native, &edges[..1], true);
    let (mut asked, mut touched, mut gone, mut each) = (0, 0, 0, Vec::new());
    for edge in edges.chunks(50).map(|chunk| &chunk[..1]) {
        let before = native.asked();
        let (looked, less) = change(&mut native, edge, false);
        let put_in_question = native.asked() - before;
        change(&mut native, edge, true);
        let less = u64::try_from(-less).unwrap();
        asked += put_in_question;
        touched += looked;
        gone += less;
        each.extend((less > 0).then(|| put_in_question / less));
    }
    each.sort_unstable();
    let median = each[each.len() / 2];
    assert!(median <= 20, "half of the deletions ask {median} rows or more for each that goes");
    assert!(asked <= 20 * gone, "{asked} rows were asked for {gone} that went");
    assert!(touched <= 60 * gone, "{touched} rows were looked at for {gone} that went");
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

const SALES: &str = "
relation Customer(id: int, region: int).
relation Order(id: int, customer: int).
relation Product(id: int, category: int).
relation Line(id: int, order: int, product: int, quantity: int).
input Customer. input Order. input Product. input Line.
output Sales.
Sold(line: L, region: R, category: C, quantity: Q) :-
  Line(id: L, order: O, product: P, quantity: Q), Product(id: P, category: C),
  Order(id: O, customer: U), Customer(id: U, region: R).
Bought(region: R, category: C) :- Sold(region: R, category: C).
Sales(region: R, category: C, total: T) :-
  Bought(region: R, category: C), T := sum Q : Sold(region: R, category: C, quantity: Q).
";

/// The rows looked at for a line of an order that goes and comes back, among so many lines.
fn cost_of_a_line(lines: u32) -> u64 {
    let source = Source::new("sales", SALES);
    let compiled = compile(&source, &Catalog::default(), &BTreeMap::new());
    let mut native = Native::new(compiled.unwrap_or_else(|problems| panic!("{problems}")).program).unwrap();
    let (orders, customers) = (lines / 4 + 1, lines / 40 + 1);
    let line = |n: u32| [n, n * 7 % orders, n * 13 % 1000, 1 + n % 9];
    let mut tables = ["Customer", "Order", "Product", "Line"].map(|table| (table, native.batch(table)));
    (0..customers).for_each(|n| tables[0].1.push(&[n, n * 3 % 20]));
    (0..orders).for_each(|n| tables[1].1.push(&[n, n * 11 % customers]));
    (0..1000).for_each(|n| tables[2].1.push(&[n, n % 50]));
    (0..lines).for_each(|n| tables[3].1.push(&line(n)));
    let all = tables.into_iter().map(|(table, rows)| (table, rows, native.batch(table))).collect();
    native.advance(all, Budget::UNLIMITED).unwrap();
    let turn = |native: &mut Native, n: u32| {
        let mut rows = native.batch("Line");
        rows.push(&line(n));
        let (gone, come) = (rows.clone(), rows);
        let [no_rows, no_more] = [(); 2].map(|()| native.batch("Line"));
        native.advance(vec![("Line", no_rows, gone)], Budget::UNLIMITED).unwrap();
        native.advance(vec![("Line", come, no_more)], Budget::UNLIMITED).unwrap();
    };
    turn(&mut native, 0); // makes the ways in
    let before = native.touched();
    (1..=20).for_each(|n| turn(&mut native, n * 17));
    (native.touched() - before) / 40
}

/// What a join is searched by is what is rarest: a row that goes costs the same among many as among few.
#[test]
fn a_change_below_a_join_of_four_and_a_sum_costs_the_same_among_many() {
    let costs = [2_000, 20_000, 60_000].map(cost_of_a_line);
    assert!(costs.iter().all(|cost| *cost <= 40), "rows looked at for each changed fact: {costs:?}");
}
