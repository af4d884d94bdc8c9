//! The operator table of PomoFlow: every worked example of §2.9 as the requirements correct it, and the law of each
//! incremental form against its plain one.

use motet_flow::operator::*;
use motet_flow::{Time, Timestamp, Trace, Weight, ZSet};
use proptest::prelude::*;

fn zset<T: Ord + Clone>(elements: &[(T, Weight)]) -> ZSet<T> {
    elements.iter().cloned().collect()
}

fn trace<K: Ord + Clone, V: Ord + Clone>(changes: &[(K, V, (u64, u64), Weight)]) -> Trace<K, V> {
    let mut trace = Trace::default();
    for (key, value, (epoch, iteration), weight) in changes {
        trace.append([((key.clone(), value.clone()), *weight)], Time::new(*epoch, *iteration));
    }
    trace
}

/// §2.9.1
#[test]
fn aggregate_counts_each_key() {
    let input = zset(&[((1, "foo"), 1), ((1, "bar"), 1), ((2, "baz"), 1)]);
    let count = |_: &i32, values: &[(&str, Weight)]| Some(values.len());
    assert_eq!(aggregate(count, &input), zset(&[((1, 2), 1), ((2, 1), 1)]));
}

/// §2.9.2 (PF-27)
#[test]
fn consolidate_sums_over_times() {
    let at = (0, 0);
    let trace = trace(&[
        (0, 0, at, 1),
        (0, 0, at, -1),
        (0, 1, at, 1),
        (0, 1, at, 1),
        (1, 2, at, 2),
        (1, 3, at, 1),
        (1, 3, at, -1),
        (1, 4, at, -1),
        (2, 2, at, 1),
        (2, 4, at, 1),
    ]);
    let expected = zset(&[((0, 1), 2), ((1, 2), 2), ((1, 4), -1), ((2, 2), 1), ((2, 4), 1)]);
    assert_eq!(consolidate(&trace), expected);
}

/// §2.9.3
#[test]
fn distinct_keeps_what_is_positive() {
    let input = zset(&[(0, 1), (1, 2), (2, -1), (3, 0)]);
    assert_eq!(distinct(&input), zset(&[(0, 1), (1, 1)]));
}

/// §2.9.4
#[test]
fn filter_keeps_what_the_predicate_holds_for() {
    let input = zset(&[(0, 1), (1, 2), (2, -3)]);
    assert_eq!(filter(|x| *x >= 1, &input), zset(&[(1, 2), (2, -3)]));
}

/// §2.9.5
#[test]
fn index_with_gives_each_element_its_key() {
    let input = zset(&[((0, 1, 1), 1), ((1, 2, 1), 1), ((1, 3, 2), -1)]);
    let expected = zset(&[((0, (0, 1, 1)), 1), ((1, (1, 2, 1)), 1), ((1, (1, 3, 2)), -1)]);
    assert_eq!(index_with(|(source, ..)| *source, &input), expected);
}

/// §2.9.6
#[test]
fn inspect_shows_and_passes_on() {
    let input = zset(&[(0, 1), (1, 1)]);
    let mut seen = None;
    assert_eq!(inspect(|shown| seen = Some(shown.clone()), &input), input);
    assert_eq!(seen, Some(input));
}

/// §2.9.7 has the example of filter (PF-23); this is what its text says.
#[test]
fn map_changes_elements_and_adds_up_what_falls_together() {
    let input = zset(&[(-1, 1), (1, 2), (2, -3)]);
    assert_eq!(map(|x: &i32| x.abs(), &input), zset(&[(1, 3), (2, -3)]));
}

/// §2.9.8
#[test]
fn negate_flips_every_weight() {
    let input = zset(&[(0, 1), (1, -1), (2, -2)]);
    assert_eq!(negate(&input), zset(&[(0, -1), (1, 1), (2, 2)]));
}

/// §2.9.9, §2.9.10
#[test]
fn delays_give_the_input_of_the_tick_before() {
    let (one, two) = (zset(&[(1, 1)]), zset(&[(2, 1)]));
    let mut delay = Delay::default();
    assert_eq!(
        [delay.tick(one.clone()), delay.tick(two), delay.tick(ZSet::default())][..2],
        [ZSet::default(), one]
    );
    let mut traces: Delay<Trace<u8>> = Delay::default();
    assert!(traces.tick(trace(&[(1, (), (0, 0), 1)])).is_empty());
    assert_eq!(traces.tick(Trace::default()).contents(), zset(&[((1, ()), 1)]));
}

/// §2.9.11: the four worked outputs (PF-25), by the definition and by the form that looks only at what is due.
#[test]
fn distinct_trace_gives_the_worked_outputs() {
    let inputs = [
        ((0, 0), zset(&[(0, 1), (2, 1), (3, -1)]), zset(&[(0, 1), (2, 1)])),
        ((0, 1), zset(&[(5, 1)]), zset(&[(5, 1)])),
        ((1, 0), zset(&[(5, 1)]), zset(&[(5, 1)])),
        ((1, 1), zset(&[(0, 1), (1, 1), (2, -1), (3, 1), (4, -1)]), zset(&[(1, 1), (2, -1), (5, -1)])),
    ];
    let (mut trace, mut due) = (Trace::default(), DistinctTrace::default());
    for ((epoch, iteration), input, expected) in inputs {
        let time = Time::new(epoch, iteration);
        assert_eq!(distinct_trace(&input, &trace, time), expected, "at {time:?}");
        assert_eq!(due.tick(&input, &trace, time), expected, "at {time:?}");
        trace.append(input.into_iter().map(|(element, weight)| ((element, ()), weight)), time);
    }
}

/// §2.9.12
#[test]
fn join_stream_multiplies_weights() {
    let a = zset(&[(("a", 1), 1), (("b", 2), 2), (("c", 2), 1)]);
    let b = zset(&[(("a", 1), 1), (("b", 3), 1), (("b", 4), -1)]);
    let expected = zset(&[(("a", (1, 1)), 1), (("b", (2, 3)), 2), (("b", (2, 4)), -2)]);
    assert_eq!(join_stream(|key, one, two| (*key, (*one, *two)), &a, &b), expected);
}

/// §2.9.13 (PF-27: the example's rows are flattened)
#[test]
fn join_trace_meets_all_that_was_there() {
    let changes = zset(&[(("a", 0), 1), (("a", 0), -1), (("a", 1), 1), (("b", 2), 2), (("c", 2), 1)]);
    let at = (0, 0);
    let trace =
        trace(&[("a", 1, at, 1), ("b", -3, at, -1), ("b", 3, at, 1), ("b", 4, at, -1), ("c", 4, at, 1)]);
    let expected = zset(&[
        (("a", (1, 1)), 1),
        (("b", (2, -3)), -2),
        (("b", (2, 3)), 2),
        (("b", (2, 4)), -2),
        (("c", (2, 4)), 1),
    ]);
    assert_eq!(join_trace(|key, one, two| (*key, (*one, *two)), &changes, &trace), expected);
}

/// §2.9.14, §2.9.15
#[test]
fn minus_and_plus_drop_zeros() {
    let a = zset(&[(0, 1), (1, 1), (2, 2), (3, 1)]);
    let b = zset(&[(0, 1), (1, -1), (2, 1)]);
    assert_eq!(minus(&a, &b), zset(&[(1, 2), (2, 1), (3, 1)]));
    assert_eq!(plus(&a, &b), zset(&[(0, 2), (2, 3), (3, 1)]));
}

/// §2.9.16, §2.9.17
#[test]
fn appending_keeps_times_or_not() {
    let (mut timed, mut untimed) = (Trace::default(), Trace::default());
    for epoch in 0..2 {
        let changes = zset(&[(("a", 1), 1)]);
        trace_append(&changes, &mut timed, Time::new(epoch, 0));
        untimed_trace_append(&changes, &mut untimed);
    }
    assert_eq!((timed.len(), untimed.len()), (2, 1));
    assert_eq!(timed.contents(), untimed.contents());
}

/// §2.9.18 (PF-26)
#[test]
fn distinct_incremental_gives_the_crossings() {
    let batch = zset(&[(0, 2), (2, 1), (3, -1)]);
    let after = |changes: &[(i32, (), (u64, u64), Weight)]| distinct_incremental(&batch, &trace(changes));
    assert_eq!(after(&[(0, (), (0, 0), 1)]), zset(&[(2, 1)]));
    assert_eq!(after(&[(2, (), (1, 0), 1), (3, (), (1, 0), 1)]), zset(&[(0, 1), (3, -1)]));
    assert_eq!(after(&[(0, (), (2, 0), -1)]), zset(&[(0, 1), (2, 1)]));
}

type Pair = (u8, u8);

fn changes() -> impl Strategy<Value = ZSet<Pair>> {
    prop::collection::vec(((0u8..3, 0u8..3), -2i64..3), 0..6).prop_map(|all| all.into_iter().collect())
}

fn as_keys(set: &ZSet<Pair>) -> ZSet<(Pair, ())> {
    map(|pair| (*pair, ()), set)
}

proptest! {
    #![proptest_config(crate::testing::config())]

    /// The incremental form of a query over contents is D ∘ Q ∘ I.
    #[test]
    fn incremental_forms_are_differences_of_plain_forms(
        ticks in prop::collection::vec((changes(), changes()), 1..12),
    ) {
        let sum = |_: &u8, values: &[(u8, Weight)]| {
            Some(values.iter().map(|(value, weight)| i64::from(*value) * weight).sum::<i64>())
        };
        let pair = |key: &u8, one: &u8, two: &u8| (*key, *one, *two);
        let (mut a, mut b) = (ZSet::default(), ZSet::default());
        let (mut traced_a, mut traced_b) = (Trace::<u8, u8>::default(), Trace::<u8, u8>::default());
        let mut elements: Trace<Pair> = Trace::default();
        for (epoch, (da, db)) in ticks.into_iter().enumerate() {
            let time = Time::new(epoch as u64, 0);
            let (next_a, next_b) = (plus(&a, &da), plus(&b, &db));
            prop_assert_eq!(distinct_incremental(&da, &elements), minus(&distinct(&next_a), &distinct(&a)));
            let sums = minus(&aggregate(sum, &next_a), &aggregate(sum, &a));
            prop_assert_eq!(aggregate_incremental(sum, &da, &traced_a), sums);
            let flipped = |key: &u8, one: &u8, two: &u8| pair(key, two, one);
            let both = plus(&join_stream(pair, &da, &db), &join_trace(pair, &da, &traced_b));
            let joined = plus(&both, &join_trace(flipped, &db, &traced_a));
            prop_assert_eq!(joined, minus(&join_stream(pair, &next_a, &next_b), &join_stream(pair, &a, &b)));
            trace_append(&da, &mut traced_a, time);
            trace_append(&db, &mut traced_b, time);
            trace_append(&as_keys(&da), &mut elements, time);
            (a, b) = (next_a, next_b);
        }
    }

    /// Over all times of a grid: the corner rule, the form that looks at what is due, and D of sums by hand agree.
    #[test]
    fn distinct_trace_is_the_corner_of_distinct(
        grid in prop::collection::vec(prop::collection::vec(changes(), 3..=3), 1..5),
    ) {
        let (mut trace, mut due) = (Trace::default(), DistinctTrace::default());
        let sum_to = |epoch: Option<usize>, iteration: Option<usize>| -> ZSet<Pair> {
            let (Some(epoch), Some(iteration)) = (epoch, iteration) else { return ZSet::default() };
            let cells = grid[..=epoch].iter().flat_map(|row| &row[..=iteration]);
            distinct(&cells.fold(ZSet::default(), |sum, cell| plus(&sum, cell)))
        };
        for (e, row) in grid.iter().enumerate() {
            trace.close(e as u64);
            for (i, input) in row.iter().enumerate() {
                let time = Time::new(e as u64, i as u64);
                let (last_e, last_i) = (e.checked_sub(1), i.checked_sub(1));
                let new = minus(&sum_to(Some(e), Some(i)), &sum_to(Some(e), last_i));
                let old = minus(&sum_to(last_e, Some(i)), &sum_to(last_e, last_i));
                let expected = minus(&new, &old);
                prop_assert_eq!(distinct_trace(input, &trace, time), expected.clone());
                prop_assert_eq!(due.tick(input, &trace, time), expected);
                trace_append(&as_keys(input), &mut trace, time);
            }
            prop_assert!(due.is_settled());
        }
    }

    /// Inside a subcircuit a pair belongs to the join of the times of its two sides.
    #[test]
    fn join_trace_puts_pairs_where_their_times_meet(
        grid in prop::collection::vec(prop::collection::vec((changes(), changes()), 3..=3), 1..4),
    ) {
        let pair = |key: &u8, one: &u8, two: &u8| (*key, *one, *two);
        let (mut left, mut right) = (JoinTrace::default(), JoinTrace::default());
        let (mut a, mut b) = (Trace::default(), Trace::default());
        let mut inputs: Vec<(Time, ZSet<Pair>, ZSet<Pair>)> = Vec::new();
        for (e, row) in grid.iter().enumerate() {
            for (i, (da, db)) in row.iter().enumerate() {
                let time = Time::new(e as u64, i as u64);
                inputs.push((time, da.clone(), db.clone()));
                trace_append(db, &mut b, time);
                let first = left.tick(pair, da, &b, time);
                let second = right.tick(|key: &u8, one, two| pair(key, two, one), db, &a, time);
                trace_append(da, &mut a, time);
                let all = inputs.iter().flat_map(|one| inputs.iter().map(move |two| (one, two)));
                let meeting = all.filter(|(one, two)| one.0.join(two.0) == time);
                let pairs = meeting.map(|(one, two)| join_stream(pair, &one.1, &two.2));
                let expected = pairs.fold(ZSet::default(), |sum, pairs| plus(&sum, &pairs));
                prop_assert_eq!(plus(&first, &second), expected);
            }
            prop_assert!(left.is_settled() && right.is_settled());
        }
    }
}
