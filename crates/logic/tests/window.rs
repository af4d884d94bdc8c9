//! What is shown of an output, kept right, is what arranging all its rows gives each time.

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::Row;
use motet_fact::Value;
use motet_logic::{Catalog, Interface, Source, Window, compile};
use proptest::prelude::*;

fn output(shown: &str) -> Interface {
    let program = format!("relation R(a: any, b: int). input R. output R {shown}.");
    let compiled = compile(&Source::new("program", program), &Catalog::default(), &BTreeMap::new());
    compiled.unwrap().outputs.remove(0)
}

/// Few rows, so that they come and go again; ints and floats that compare as equal among them.
fn row() -> impl Strategy<Value = Row> {
    let numbers = [Value::Int(1), Value::float(1.0).unwrap(), Value::Int(2), "x".into()];
    (prop::sample::select(numbers.to_vec()), 0_i64..4).prop_map(|(a, b)| vec![a, b.into()])
}

fn shows() -> impl Strategy<Value = String> {
    const ORDERS: [&str; 5] =
        ["", "order by b", "order by b desc, a", "order by a desc", "order by a, b desc"];
    const LIMITS: [&str; 5] = ["", "limit 0", "limit 1", "limit 3", "limit 100"];
    (prop::sample::select(&ORDERS), prop::sample::select(&LIMITS))
        .prop_map(|(order, limit)| format!("{order} {limit}"))
}

proptest! {
    #[test]
    fn a_window_is_its_rows_arranged(
        shown in shows(),
        epochs in prop::collection::vec(prop::collection::btree_set(row(), 0..8), 1..12),
    ) {
        let output = output(&shown);
        let mut window = Window::new(&output);
        let mut rows: BTreeSet<Row> = BTreeSet::new();
        let mut told: Vec<Row> = Vec::new();
        for toggled in epochs {
            // Each row that is there goes, each that is not comes.
            let changes: Vec<(Row, i64)> =
                toggled.iter().map(|row| (row.clone(), if rows.contains(row) { -1 } else { 1 })).collect();
            rows = rows.symmetric_difference(&toggled).cloned().collect();
            let changes = window.step(&changes);
            let arranged = output.arrange(rows.iter().cloned().collect());
            prop_assert_eq!(window.rows().cloned().collect::<Vec<_>>(), arranged.clone());
            // The changes are net, in order, and lead from what was told before to what is shown.
            let keys: BTreeSet<&Row> = changes.iter().map(|(row, _)| row).collect();
            prop_assert_eq!(keys.len(), changes.len());
            let unlimited = Interface { limit: None, ..output.clone() };
            let in_order = unlimited.arrange(changes.iter().map(|(row, _)| row.clone()).collect());
            prop_assert_eq!(in_order, changes.iter().map(|(row, _)| row.clone()).collect::<Vec<_>>());
            for (row, weight) in changes {
                prop_assert_eq!(told.contains(&row), weight == -1);
                if weight > 0 { told.push(row) } else { told.retain(|one| *one != row) }
            }
            prop_assert_eq!(output.arrange(told.clone()), arranged);
        }
    }
}
