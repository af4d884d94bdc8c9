//! A live query with an order and a limit tells the changes of what it shows (Q21).

use crate::common::Peer;
use motet::item::ItemId;
use motet::{Parameters, Party, RuntimeKind};
use motet_algebra::{Budget, Row};
use proptest::prelude::*;

const BEST: &str = "output Best order by points desc, of limit 2.
    Best(of: E, points: P) :- attr(entity: E, attribute: \"points\", value: P).";

fn players(party: &Party, points: &[i64]) -> Vec<ItemId> {
    let player = |points: &i64| {
        let item = party.create_item("object", Some("player"), None).unwrap();
        party.set(item, "points", *points).unwrap();
        item
    };
    points.iter().map(player).collect()
}

fn line(item: ItemId, points: i64) -> Row {
    vec![item.into(), points.into()]
}

#[test]
fn who_comes_into_the_best_is_told_with_who_leaves_them() {
    let home = Peer::new("Ada", 1).database.create_party("Home").unwrap();
    let item = players(&home, &[10, 20, 30]);
    let mut view = home.watch(BEST, &Parameters::new()).unwrap();
    assert_eq!(view.shown("Best"), [&line(item[2], 30), &line(item[1], 20)]);
    home.set(item[0], "points", 25).unwrap();
    let changes = view.poll().unwrap().unwrap();
    assert_eq!(changes["Best"], [(line(item[0], 25), 1), (line(item[1], 20), -1)]);
    home.set(item[1], "points", 5).unwrap();
    assert!(view.poll().unwrap().unwrap().is_empty(), "nothing that is shown has changed");
    home.set(item[2], "points", 1).unwrap();
    let changes = view.poll().unwrap().unwrap();
    let told = [(line(item[2], 30), -1), (line(item[1], 5), 1)];
    assert_eq!(changes["Best"], told);
    assert_eq!(view.shown("Best"), [&line(item[0], 25), &line(item[1], 5)]);
    assert_eq!(view.rows("Best").count(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn what_is_told_adds_up_to_what_is_shown(
        sets in prop::collection::vec((0_usize..5, 0_i64..6), 1..25),
        kind in prop::sample::select(RuntimeKind::ALL.to_vec()),
    ) {
        let home = Peer::new("Ada", 1).database.create_party("Home").unwrap();
        let item = players(&home, &[0; 5]);
        let mut view = home.watch_on("best", BEST, &Parameters::new(), kind, Budget::default()).unwrap();
        let mut told: Vec<Row> = view.shown("Best").into_iter().cloned().collect();
        for (who, points) in sets {
            home.set(item[who], "points", points).unwrap();
            while let Some(mut changes) = view.poll().unwrap() {
                for (row, weight) in changes.remove("Best").unwrap_or_default() {
                    if weight > 0 { told.push(row) } else { told.retain(|one| *one != row) }
                }
            }
            let output = &view.compiled().outputs[0];
            let all = view.rows("Best").cloned().collect();
            prop_assert_eq!(output.arrange(told.clone()), output.arrange(all));
            prop_assert_eq!(told.len(), 2);
        }
    }
}
