//! Saved rules come in by `use` (Q21): what they bring, what they leave, and where their mistakes are shown.

use std::collections::BTreeMap;

use motet_algebra::{Budget, Changes, Naive, Row, Runtime};
use motet_logic::{Catalog, Compiled, Source, check_syntax, compile};

const GRAPH: &str = "relation Edge(x: int, y: int).
    output Reach.
    Reach(x: X, y: Y) :- Edge(x: X, y: Y).
    Reach(x: X, y: Z) :- Edge(x: X, y: Y), Reach(x: Y, y: Z).";

fn with(modules: &[(&str, &str)], program: &str) -> Result<Compiled, String> {
    let mut catalog = Catalog::default();
    for (name, text) in modules {
        catalog.add_module(name, Source::new(format!("rules {name}"), *text));
    }
    compile(&Source::new("program", program), &catalog, &BTreeMap::new()).map_err(|wrong| wrong.to_string())
}

fn rows(compiled: &Compiled) -> BTreeMap<String, Vec<Row>> {
    let mut runtime = Naive::new(compiled.program.clone()).unwrap();
    let changes = runtime.step(&Changes::new(), Budget::default()).unwrap();
    let rows = |rows: Vec<(Row, i64)>| rows.into_iter().map(|(row, _)| row).collect();
    changes.into_iter().map(|(name, changes)| (name.to_string(), rows(changes))).collect()
}

/// The messages and the places of all that is wrong.
fn wrong(modules: &[(&str, &str)], program: &str) -> String {
    with(modules, program).expect_err("it is wrong")
}

#[test]
fn saved_rules_come_in_but_for_their_outputs() {
    let program =
        "use graph. output From. Edge(x: 1, y: 2). Edge(x: 2, y: 3). From(x: Y) :- Reach(x: 1, y: Y).";
    let compiled = with(&[("graph", GRAPH)], program).unwrap();
    let names: Vec<_> = compiled.outputs.iter().map(|output| output.name.to_string()).collect();
    assert_eq!(names, ["From"]);
    assert_eq!(rows(&compiled), BTreeMap::from([("From".to_owned(), vec![vec![2.into()], vec![3.into()]])]));
}

#[test]
fn saved_rules_may_be_what_is_shown() {
    let compiled = with(&[("graph", GRAPH)], "use graph. output Reach. Edge(x: 1, y: 2).").unwrap();
    assert_eq!(rows(&compiled)["Reach"], vec![vec![1.into(), 2.into()]]);
}

#[test]
fn modules_use_each_other_in_a_circle_and_come_in_once() {
    let modules = [
        ("even", "use odd. Even(n: 0). Even(n: N) :- Odd(n: M), N == M + 1, N < 9."),
        ("odd", "use even. Odd(n: N) :- Even(n: M), N == M + 1, N < 9."),
    ];
    let compiled = with(&modules, "use even. use odd. use even. output Odd.").unwrap();
    let odd: Vec<Row> = [1, 3, 5, 7].map(|n| vec![n.into()]).into();
    assert_eq!(rows(&compiled)["Odd"], odd);
}

#[test]
fn what_is_forbidden_comes_along() {
    let modules = [("one", "forbid :- Edge(x: X, y: X)."), ("two", "forbid :- Edge(x: X), X < 0.")];
    let program = "use one. use two. forbid :- Edge(y: 7). Edge(x: -1, y: 7). Edge(x: 2, y: 2).";
    let compiled = with(&modules, program).unwrap();
    let rules: Vec<_> = compiled.violations.iter().map(|violation| violation.rule.as_str()).collect();
    let said = ["forbid :- Edge(y: 7).", "forbid :- Edge(x: X, y: X).", "forbid :- Edge(x: X), X < 0."];
    assert_eq!(rules, said);
    assert_eq!(rows(&compiled).len(), 3);
}

#[test]
fn mistakes_are_shown_in_the_text_they_are_in() {
    let modules = [("graph", "Loop(x: X) :- Edge(x: X, y: Z), Edge(x: Z,\n  y: Q), edges(x: Q).")];
    let text = wrong(&modules, "use graph.\noutput Loop.\nEdge(x: 1, y: \"\\q\").\n");
    assert!(text.contains(" --> program:3:16\n"), "{text}");
    assert!(text.contains("2 |   y: Q), edges(x: Q).\n"), "{text}");
    assert!(text.contains(" --> rules graph:2:10\n"), "{text}");
    assert!(text.contains("did you mean `Edge`?"), "{text}");
}

#[test]
fn unknown_rules_have_a_remedy() {
    let text = wrong(&[("graph", GRAPH)], "use grahp.");
    assert!(text.contains("L027") && text.contains("did you mean `graph`?"), "{text}");
    let text = wrong(&[("graph", "use tree.")], "use graph.");
    assert!(text.contains(" --> rules graph:1:5\n") && text.contains("there are: graph"), "{text}");
    assert!(wrong(&[], "use graph.").contains("save them first"));
}

#[test]
fn a_relation_is_defined_in_one_text() {
    let text = wrong(&[("graph", GRAPH)], "use graph. output Reach.\nReach(x: 1, y: 2). Reach(x: 2, y: 2).");
    assert!(text.contains("L038") && text.contains("--> program:2:1\n"), "{text}");
    assert!(text.contains("`Reach` is defined here and in rules graph"), "{text}");
    assert_eq!(text.matches("error").count(), 1, "{text}");
    let modules = [("a", "P(x: 1)."), ("b", "P(x: 2).")];
    assert!(wrong(&modules, "use a. use b. output P.").contains("--> rules a:1:1\n"));
}

#[test]
fn texts_may_declare_the_same_if_they_agree() {
    let modules = [("graph", "relation Edge(x: int, y: int). input Edge. Self(x: X) :- Edge(x: X, y: X).")];
    let program = |columns| format!("use graph. relation Edge({columns}). input Edge. output Self.");
    assert!(with(&modules, &program("x: int, y: int")).unwrap().warnings.is_empty());
    assert!(wrong(&modules, &program("x: int, y: text")).contains("L030"));
}

#[test]
fn only_what_is_used_is_read() {
    let modules = [("graph", GRAPH), ("broken", "P(x: ")];
    assert!(with(&modules, "use graph. output Reach. Edge(x: 1, y: 2).").is_ok());
    assert!(
        wrong(&modules, "use graph. use broken. output Reach. Edge(x: 1, y: 2).").contains("rules broken:1:")
    );
}

#[test]
fn what_reads_relations_of_others_may_be_saved() {
    let check = |text| check_syntax(&Source::new("rules", text), &Catalog::default());
    assert!(check("P(x: X) :- somebody_elses(x: X). use more.").is_ok());
    assert!(check("P(x: X) :- ").is_err());
}
