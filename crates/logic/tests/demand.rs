//! Programs under demand: the same outputs from fewer rows.
//!
//! Random programs have rules that read each other in every way, constants in bodies and heads, negation and counts.
//! `MOTET_CASES` sets the number of cases.
use std::collections::BTreeMap;
use std::fmt::Write as _;

use motet_algebra::{Budget, Changes, Naive, Program, Runtime, RuntimeError};
use motet_fact::Value;
use motet_logic::{Catalog, Compiled, Source, compile};
use proptest::prelude::*;
use proptest::test_runner::Config;

fn compiled(text: &str, start: i64) -> Option<Compiled> {
    let parameters = BTreeMap::from([("start".to_owned(), Value::Int(start))]);
    compile(&Source::new("test", text), &Catalog::default(), &parameters).ok()
}

fn run(program: &Program, compiled: &Compiled, rows: u64) -> Result<Changes, RuntimeError> {
    let facts = compiled.facts.iter().map(|(name, rows)| {
        let rows = rows.iter().map(|row| (row.clone(), 1)).collect();
        (name.clone(), rows)
    });
    let budget = Budget { rows, ..Budget::default() };
    Naive::new(program.clone()).unwrap().step(&facts.collect(), budget)
}

/// Bytes to take decisions from; when they are used up, every decision is the first choice.
struct Dice<'a>(std::slice::Iter<'a, u8>);

impl Dice<'_> {
    fn below(&mut self, choices: usize) -> usize {
        usize::from(*self.0.next().unwrap_or(&0)) % choices
    }

    fn pick<'b>(&mut self, from: &[&'b str]) -> &'b str {
        from[self.below(from.len())]
    }
}

const VARIABLES: [&str; 4] = ["A", "B", "C", "D"];

/// A variable, or now and then a number.
fn argument(dice: &mut Dice) -> String {
    match dice.below(6) {
        0 => dice.below(5).to_string(),
        _ => dice.pick(&VARIABLES).to_owned(),
    }
}

fn atom(dice: &mut Dice, relations: &[&str]) -> String {
    format!("{}(x: {}, y: {})", dice.pick(relations), argument(dice), argument(dice))
}

fn rule(dice: &mut Dice, head: &str, below: &[&str]) -> String {
    let readable: Vec<&str> = ["p", "q", "r"].into_iter().chain(below.iter().copied()).collect();
    let mut body: Vec<String> = (0..=dice.below(3)).map(|_| atom(dice, &readable)).collect();
    match dice.below(6) {
        0 => body.push(format!("!{}(x: {}, y: _)", dice.pick(below), dice.pick(&VARIABLES))),
        1 => body.push(format!("N := count : {}(x: {}), N < 3", dice.pick(below), dice.pick(&VARIABLES))),
        2 => body.push(format!("{} == {}", dice.pick(&VARIABLES), argument(dice))),
        3 => body.push(format!("{} < {}", dice.pick(&VARIABLES), argument(dice))),
        _ => {}
    }
    let second = if dice.below(8) == 0 { "(A + B) % 5".to_owned() } else { argument(dice) };
    format!("{head}(x: {}, y: {second}) :- {}.\n", argument(dice), body.join(", "))
}

/// Rules for `p`, `q`, `r` over inputs and over `s`, which is complete; an output that asks `p`, and maybe negates `q`.
fn program(dice: &mut Dice) -> String {
    let mut text =
        "relation e(x: int, y: int). relation f(x: int, y: int). input e. input f. output o.\n".to_owned();
    for input in ["e", "f"] {
        for _ in 0..=dice.below(8) {
            writeln!(text, "{input}(x: {}, y: {}).", dice.below(5), dice.below(5)).unwrap();
        }
    }
    text += "s(x: A, y: B) :- e(x: B, y: A). s(x: A, y: A) :- s(x: A, y: _), f(x: A).\n";
    for head in ["p", "q", "r"] {
        for _ in 0..=dice.below(3) {
            text += &rule(dice, head, &["e", "f", "s"]);
        }
    }
    let more = ["", ", e(x: A, y: B)", ", r(x: B, y: C)", ", !q(x: A, y: _)", ", q(x: A, y: 2)"];
    text + &format!("o(a: A) :- p(x: $start, y: A), f(x: A, y: B){}.\n", dice.pick(&more))
}

fn cases() -> u32 {
    std::env::var("MOTET_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(200)
}

proptest! {
    #![proptest_config(Config {
        cases: cases(), max_global_rejects: u32::MAX, failure_persistence: None, ..Config::default()
    })]

    #[test]
    fn outputs_are_the_same_under_demand(bytes in prop::collection::vec(any::<u8>(), 40..200)) {
        let text = program(&mut Dice(bytes.iter()));
        let compiled = compiled(&text, 1);
        prop_assume!(compiled.is_some());
        let compiled = compiled.unwrap();
        let whole = run(&compiled.program, &compiled, u64::MAX).unwrap();
        let demanded = run(&compiled.demanded, &compiled, u64::MAX).unwrap();
        prop_assert_eq!(whole, demanded, "{}\n{}", text, compiled.demanded);
    }
}

/// Forty chains of twenty nodes: from one node there are at most twenty.
fn chains(rules: &str) -> String {
    let mut text = "relation edge(x: int, y: int). input edge. output far.\n".to_owned();
    for node in (0..800).filter(|node| node % 20 != 19) {
        writeln!(text, "edge(x: {node}, y: {}).", node + 1).unwrap();
    }
    text + rules
}

#[test]
fn reachability_from_one_node_derives_what_that_node_reaches() {
    let directions = [
        "reach(x: X, y: Z) :- edge(x: X, y: Y), reach(x: Y, y: Z).",
        "reach(x: X, y: Z) :- reach(x: X, y: Y), edge(x: Y, y: Z).",
        "reach(x: X, y: Z) :- reach(x: X, y: Y), reach(x: Y, y: Z).",
    ];
    for step in directions {
        let rules =
            format!("reach(x: X, y: Y) :- edge(x: X, y: Y). {step} far(y: Y) :- reach(x: $start, y: Y).");
        let compiled = compiled(&chains(&rules), 40).unwrap();
        let demanded = run(&compiled.demanded, &compiled, 6_000).unwrap();
        assert_eq!(demanded["far"].len(), 19, "{step}");
        let whole = run(&compiled.program, &compiled, 7_500);
        assert!(matches!(whole, Err(RuntimeError::OverBudget { .. })), "40 × 190 rows and their joins");
    }
}

/// What is counted or negated must be whole, and so nothing asks it for less.
#[test]
fn what_must_be_complete_is_left_as_it_is() {
    let rules =
        "reach(x: X, y: Y) :- edge(x: X, y: Y). reach(x: X, y: Z) :- edge(x: X, y: Y), reach(x: Y, y: Z).
        far(y: Y) :- reach(x: $start, y: Y), !reach(x: Y).";
    let compiled = compiled(&chains(rules), 40).unwrap();
    assert_eq!(compiled.demanded, compiled.program);
}

/// Where each rule is for one state, the states that are asked for are known from the text: nothing waits for a demand,
/// and the rules for other states are gone.
#[test]
fn demands_of_constants_are_settled_at_once() {
    let text = "output at.
        state(s: 0, n: 0).
        state(s: 1, n: M) :- state(s: 0, n: N), M == N + 1.
        state(s: 0, n: N) :- state(s: 1, n: N), N < 9.
        state(s: 2, n: N) :- state(s: 1, n: N).
        at(n: N) :- state(s: 1, n: N).";
    let compiled = compiled(text, 0).unwrap();
    let plan = compiled.demanded.to_string();
    assert!(!plan.contains("demand~"), "{plan}");
    assert_eq!(compiled.program.to_string().matches("state :-").count(), 4);
    assert_eq!(plan.matches("state :-").count(), 3, "{plan}");
    let run = |program| run(program, &compiled, u64::MAX).unwrap();
    assert_eq!(run(&compiled.program)["at"].len(), 9);
    assert_eq!(run(&compiled.demanded), run(&compiled.program));
}

/// What rows decide on is waited for, also by rules with constants.
#[test]
fn demands_that_depend_on_rows_stay() {
    let text = "relation pick(k: int). input pick. output out. pick(k: 3).
        at(k: 1, n: 10). at(k: 2, n: 20).
        some(k: 1, n: N) :- at(k: 1, n: N).
        some(k: K, n: N) :- pick(k: K), at(n: N).
        some(k: 4, n: N) :- some(k: 3, n: N).
        out(n: N) :- pick(k: K), some(k: 1, n: N).
        out(n: N) :- some(k: 3, n: M), some(k: M, n: N).";
    let compiled = compiled(text, 0).unwrap();
    assert!(compiled.demanded.to_string().contains("demand~some"), "{}", compiled.demanded);
    let run = |program| run(program, &compiled, u64::MAX).unwrap();
    assert_eq!(run(&compiled.demanded), run(&compiled.program));
}
