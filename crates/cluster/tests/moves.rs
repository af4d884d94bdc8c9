//! Moves of a tree: whatever moves there are, in whatever order they come and go, every node has one parent, no node is
//! above itself, and the tree is the one that a direct replay of the moves gives.
use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{
    Budget, Changes, Column, ColumnType, Expression, Naive, Program, Relation, Row, Runtime, Statement,
};
use motet_cluster::Cluster;
use motet_fact::{Kind, Value};
use motet_native::Native;
use proptest::prelude::*;

/// Moves of several trees, and the parents they leave.
fn program() -> Program {
    let relation = |columns: &[&str], input| Relation {
        columns: columns.iter().map(|name| (Column::from(*name), ColumnType::Kind(Kind::Int))).collect(),
        input,
        event: false,
        output: !input,
    };
    let fold = Expression::FoldMoves {
        input: Box::new(Expression::Relation { name: "move".into(), cid: None }),
        keys: vec!["tree".into()],
        node: "node".into(),
        parent: "to".into(),
        by: vec!["height".into(), "cid".into()],
        result: "parent".into(),
    };
    Program {
        relations: BTreeMap::from([
            ("move".into(), relation(&["tree", "node", "to", "height", "cid"], true)),
            ("placed".into(), relation(&["tree", "node", "parent"], false)),
        ]),
        statements: vec![Statement::assign("placed", fold)],
    }
}

/// A move: tree, node, new parent, height, CID.
type Move = [i64; 5];

/// The stupid twin: an operation is skipped if its node is an ancestor of its new parent in the tree's closure, which
/// is computed anew for each.
fn replay(moves: &BTreeSet<Move>) -> BTreeSet<[i64; 3]> {
    let mut ordered: Vec<Move> = moves.iter().copied().collect();
    ordered.sort_by_key(|[tree, node, to, height, cid]| (*height, *cid, *node, *to, *tree));
    let mut tree: BTreeSet<[i64; 3]> = BTreeSet::new();
    for [root, node, to, ..] in ordered {
        let mut ancestors: BTreeSet<[i64; 3]> = tree.clone();
        loop {
            let more: Vec<_> = ancestors
                .iter()
                .flat_map(|[one, x, y]| {
                    let up = tree.iter().filter(move |[other, z, _]| one == other && y == z);
                    up.map(|[_, _, top]| [*one, *x, *top])
                })
                .filter(|pair| !ancestors.contains(pair))
                .collect();
            if more.is_empty() {
                break;
            }
            ancestors.extend(more);
        }
        if node != to && !ancestors.contains(&[root, to, node]) {
            tree.retain(|[one, child, _]| (*one, *child) != (root, node));
            tree.insert([root, node, to]);
        }
    }
    tree
}

fn is_forest(placed: &BTreeSet<[i64; 3]>) -> bool {
    let parents: BTreeMap<_, _> =
        placed.iter().map(|[tree, node, to]| ((*tree, *node), (*tree, *to))).collect();
    let ends = |node: &(i64, i64)| {
        std::iter::successors(Some(*node), |at| parents.get(at).copied()).take(placed.len() + 2).count()
            <= placed.len() + 1
    };
    parents.len() == placed.len() && parents.keys().all(ends)
}

fn row(values: &[i64]) -> Row {
    values.iter().map(|value| Value::Int(*value)).collect()
}

fn apply(placed: &mut BTreeSet<[i64; 3]>, changes: &Changes) {
    for (row, weight) in changes.get("placed").into_iter().flatten() {
        let values: Vec<i64> = row.iter().map(|value| value.as_int().unwrap()).collect();
        let row = values.try_into().unwrap();
        let changed = if *weight > 0 { placed.insert(row) } else { placed.remove(&row) };
        assert!(changed, "changes are net");
    }
}

/// Few nodes and heights, so that moves collide.
fn moves() -> impl Strategy<Value = Vec<Vec<Move>>> {
    let one = [0..2_i64, 0..5_i64, 0..5_i64, 0..6_i64, 0..3_i64];
    prop::collection::vec(prop::collection::vec(one, 1..6), 1..12)
}

proptest! {
    #[test]
    fn every_history_of_moves_gives_the_forest_of_its_replay(epochs in moves()) {
        let mut cluster = Cluster::new(program()).unwrap();
        let mut native = Native::new(program()).unwrap();
        let mut naive = Naive::new(program()).unwrap();
        let (mut moves, mut placed) = (BTreeSet::new(), BTreeSet::new());
        for epoch in epochs {
            // A move that is there goes again: its entry is withdrawn.
            let mut batch = BTreeMap::new();
            for one in epoch {
                batch.entry(one).or_insert(if moves.contains(&one) { -1 } else { 1 });
            }
            for (one, weight) in &batch {
                if *weight > 0 { moves.insert(*one) } else { moves.remove(one) };
            }
            let rows = batch.into_iter().map(|(one, weight)| (row(&one), weight)).collect();
            let inputs = Changes::from([("move".into(), rows)]);
            let changes = cluster.step(&inputs, Budget::default()).unwrap();
            prop_assert_eq!(&changes, &naive.step(&inputs, Budget::default()).unwrap());
            prop_assert_eq!(&changes, &native.step(&inputs, Budget::default()).unwrap());
            apply(&mut placed, &changes);
            prop_assert_eq!(&placed, &replay(&moves));
            prop_assert!(is_forest(&placed), "{:?}", placed);
        }
    }
}
