//! Live queries with rules for the next epoch: epoch after epoch, in order, until nothing changes (Q11).
use motet::{Database, Error, Parameters, Party, RuntimeKind, View};
use motet_algebra::{Budget, RuntimeError};

/// The program's own events start it, and each tick the least is gone.
const COUNTDOWN: &str = "
    output left.
    event go(n: int).
    go(n: 1). go(n: 2). go(n: 3).
    left(n: N)@next :- go(n: N).
    left(n: N)@next :- left(n: N), M := min X : left(n: X), N > M.";

/// What was a title once.
const SEEN: &str = r#"
    output seen.
    seen(is: T) :- attr(attribute: "title", value: T).
    seen(is: T)@next :- seen(is: T)."#;

fn party() -> Party {
    Database::in_memory("Ada").unwrap().create_party("Home").unwrap()
}

fn watch(party: &Party, query: &str, runtime: RuntimeKind, ticks: u64) -> View {
    let budget = Budget { ticks, ..Budget::default() };
    party.watch_on("query", query, &Parameters::new(), runtime, budget).unwrap()
}

/// The changes of each epoch that there is to hear of, as `+1` and `-1` with the row.
fn hear(view: &mut View) -> Vec<String> {
    let mut heard = Vec::new();
    while let Some(changes) = view.poll().unwrap() {
        let rows = changes.values().flatten().map(|(row, weight)| format!("{weight:+}{}", row[0]));
        heard.push(rows.collect::<Vec<_>>().join(" "));
    }
    heard
}

#[test]
fn the_epochs_that_follow_a_batch_are_told_one_by_one() {
    for runtime in RuntimeKind::ALL {
        let mut view = watch(&party(), COUNTDOWN, runtime, 100);
        assert_eq!((view.epoch(), view.rows("left").count()), (1, 0));
        assert_eq!(hear(&mut view), ["+11 +12 +13", "-11", "-12", "-13"]);
        assert_eq!((view.epoch(), hear(&mut view)), (5, vec![]));
    }
}

#[test]
fn what_a_view_carries_on_is_what_it_has_seen() {
    for runtime in RuntimeKind::ALL {
        let party = party();
        let item = party.create_item("object", None, None).unwrap();
        let mut view = watch(&party, SEEN, runtime, 100);
        for title in ["Milk", "Eggs"] {
            party.set(item, "title", title).unwrap();
        }
        // Each batch is an epoch, and its tick comes before the next batch.
        assert_eq!(hear(&mut view), ["+1\"Milk\"", "", "+1\"Eggs\"", ""]);
        party.set(item, "title", "Milk").unwrap();
        assert_eq!(hear(&mut view), [""]);
        assert_eq!(view.rows("seen").count(), 2);
        let late = watch(&party, SEEN, runtime, 100);
        assert_eq!(late.rows("seen").count(), 1, "another view begins anew");
    }
}

#[test]
fn a_view_that_does_not_rest_in_time_stops_and_says_what_changes() {
    for runtime in RuntimeKind::ALL {
        let mut view = watch(&party(), COUNTDOWN, runtime, 2);
        assert!(view.poll().unwrap().is_some() && view.poll().unwrap().is_some());
        for _ in 0..2 {
            let Err(Error::Runtime(RuntimeError::Restless { ticks, relations })) = view.poll() else {
                panic!("a third tick was not allowed")
            };
            assert_eq!((ticks, relations), (2, vec!["left".into()]));
            assert_eq!(view.rows("left").count(), 2, "it stays at its last good epoch");
        }
    }
}
