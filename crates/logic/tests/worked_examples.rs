//! The worked examples of the published PomoLogic specification (v0.1.0), in its order.
//!
//! Each test says its section. The specification's slips are read as requirements §1.3 reads them: variables begin
//! with an upper-case letter (PL-2), and the missing quotes, colons and dots are there (PL-36). Its relations are
//! written as it writes them; where it gives derived tuples, they are given here.
use std::collections::{BTreeMap, BTreeSet};

use expect_test::{Expect, expect};
use motet_algebra::{Budget, Naive, Runtime};
use motet_fact::{Value, codec};
use motet_logic::{Catalog, Compiled, Diagnostics, Source, compile};

fn compiled(text: &str) -> Result<Compiled, Diagnostics> {
    compile(&Source::new("example", text), &Catalog::default(), &BTreeMap::new())
}

/// The rows of each output.
fn results(text: &str) -> BTreeMap<String, BTreeSet<Vec<Value>>> {
    let compiled = compiled(text).unwrap_or_else(|problems| panic!("{problems}"));
    let mut runtime = Naive::new(compiled.program).unwrap();
    let facts = compiled.facts.iter();
    let facts = facts.map(|(name, rows)| (name.clone(), rows.iter().map(|row| (row.clone(), 1)).collect()));
    runtime.step(&facts.collect(), Budget::default()).unwrap();
    let outputs = compiled.outputs.iter();
    outputs.map(|one| (one.name.to_string(), runtime.output(&one.name).cloned().collect())).collect()
}

/// The rows of the one output.
fn derived(text: &str) -> BTreeSet<Vec<Value>> {
    let results = results(text);
    assert_eq!(results.len(), 1, "an example has one output");
    results.into_values().next().unwrap()
}

fn rows<const WIDTH: usize>(rows: &[[Value; WIDTH]]) -> BTreeSet<Vec<Value>> {
    rows.iter().map(|row| row.to_vec()).collect()
}

fn ints<const WIDTH: usize>(all: &[[i64; WIDTH]]) -> BTreeSet<Vec<Value>> {
    all.iter().map(|row| row.iter().map(|number| Value::Int(*number)).collect()).collect()
}

fn refused(text: &str, expected: &Expect) {
    let problems = compiled(text).map(|_| ()).unwrap_err().to_string();
    let first: Vec<&str> = problems.lines().filter(|line| line.starts_with("error")).collect();
    expected.assert_eq(&first.join("\n"));
}

const POINTS: &str =
    "point(x: 3, y: 7). point(x: 0, y: 7). point(x: 3, y: 0). point(x: 0, y: 0). point(x: 3, y: 9).";

/// §1.1, Atoms: `point(x: 3, y: 7)` is a ground atom: a row of its relation.
#[test]
fn a_ground_atom_is_a_tuple() {
    assert_eq!(derived("point(x: 3, y: 7). output point."), ints(&[[3, 7]]));
}

/// §1.1, Rules: a projection, written with the columns it does not use and without them.
#[test]
fn a_rule_may_leave_out_attributes_it_does_not_use() {
    let whole = format!("{POINTS} xCoordinate(x: X) :- point(x: X, y: Y). output xCoordinate.");
    let partial = format!("{POINTS} xCoordinate(x: X) :- point(x: X). output xCoordinate.");
    assert_eq!(derived(&whole), ints(&[[0], [3]]));
    assert_eq!(derived(&partial), derived(&whole));
}

/// §1.1, Rules: two rules with one head, and constants in heads (PL-5, PL-35).
#[test]
fn a_head_may_have_several_bodies() {
    let text = format!(
        "{POINTS} zeroPoint(x: 0, y: Y) :- point(x: 0, y: Y).
         zeroPoint(x: X, y: 0) :- point(x: X, y: 0). output zeroPoint."
    );
    assert_eq!(derived(&text), ints(&[[0, 0], [0, 7], [3, 0]]));
}

/// §1.1, Rules: all variables of a head stand in a selection predicate of the body.
#[test]
fn rules_are_range_restricted() {
    refused(
        "xCoordinate(x: X, z: Z) :- point(x: X). point(x: 1).",
        &expect!["error[L050]: nothing binds `Z`"],
    );
}

/// §1.1, Predicates: the profiles with at least 1000 followers. A constraint over the result of an aggregate (PL-32).
#[test]
fn profiles_with_a_thousand_followers_are_popular() {
    let follower = |count: usize, of: &str| -> String {
        (0..count).map(|number| format!("follower(id: {number}, follows: \"{of}\"). ")).collect()
    };
    let text = format!(
        "profile(id: \"ann\"). profile(id: \"bob\"). profile(id: \"cid\"). {} {}
         popularProfile(id: X) :- profile(id: X), C := count : follower(follows: X), C >= 1000.
         output popularProfile.",
        follower(1000, "ann"),
        follower(999, "bob"),
    );
    assert_eq!(derived(&text), rows(&[["ann".into()]]));
}

/// §2.2: the selection predicate unifies a tuple's CID with a variable, and filters by one that is bound.
#[test]
fn a_selection_binds_and_filters_by_the_cid_of_a_tuple() {
    let cid = |x, y| Value::Link(codec::tuple_cid("point", [("x", &Value::Int(x)), ("y", &Value::Int(y))]));
    let bound = format!("{POINTS} named(c: C) :- C := point(x: X, y: Y), X == 3. output named.");
    assert_eq!(derived(&bound), rows(&[[cid(3, 0)], [cid(3, 7)], [cid(3, 9)]]));
    let filtered = format!(
        "{POINTS} wanted(c: C) :- C := point(x: 3, y: 9).
         found(x: X, y: Y) :- wanted(c: C), C := point(x: X, y: Y). output found."
    );
    assert_eq!(derived(&filtered), ints(&[[3, 9]]));
}

/// §2.2: the products of each category, where the CID of a category's tuple is its key. A category without products is
/// there, with a count of 0 (PL-25).
#[test]
fn the_cid_of_a_category_is_the_foreign_key_of_its_products() {
    let text = "
        category(name: \"fruit\"). category(name: \"spice\").
        product(name: N, category: C) :- stocked(name: N, kind: K), C := category(name: K).
        stocked(name: \"pear\", kind: \"fruit\"). stocked(name: \"fig\", kind: \"fruit\").
        categoryCount(category: Category, count: Count) :-
            Category := category(), Count := count : product(category: Category).
        output categoryCount.";
    let cid = |name: &str| Value::Link(codec::tuple_cid("category", [("name", &Value::from(name))]));
    let expected = rows(&[[cid("fruit"), 2.into()], [cid("spice"), 0.into()]]);
    assert_eq!(derived(text), expected);
}

/// §2.3: strata are ordered by what they depend on, and a program with a negative edge in a cycle has none.
#[test]
fn a_program_whose_negation_is_part_of_a_cycle_is_refused() {
    refused(
        "p(x: X) :- q(x: X), !r(x: X). r(x: X) :- q(x: X), !p(x: X). q(x: 1).",
        &expect!["error[L060]: `r` must be complete here, and depends on this very clause"],
    );
}

/// §2.5.2: what one likes and the other does not dislike. (The text says that neither dislikes it; the rule and the
/// derived tuples ask the second only, PL-36.)
#[test]
fn meals_are_suggested_that_the_other_does_not_dislike() {
    let text = r#"
        person(name: "Quinn"). person(name: "Brooke").
        likes(name: "Quinn", food: "Ramen").
        likes(name: "Brooke", food: "Vegan"). likes(name: "Brooke", food: "Schnitzel").
        dislikes(name: "Quinn", food: "Vegan"). dislikes(name: "Brooke", food: "Mushrooms").
        suggestedMeal(person1: PersonA, person2: PersonB, meal: Food) :-
          person(name: PersonA), person(name: PersonB), PersonA != PersonB,
          likes(name: PersonA, food: Food), !dislikes(name: PersonB, food: Food).
        output suggestedMeal."#;
    let meal = |a: &str, b: &str, food: &str| [a.into(), b.into(), food.into()];
    let expected = rows(&[meal("Quinn", "Brooke", "Ramen"), meal("Brooke", "Quinn", "Schnitzel")]);
    assert_eq!(derived(text), expected);
}

const PRODUCTS: &str = r#"
    product(name: "pear", category: "fruit", quantity: 5).
    product(name: "fig", category: "fruit", quantity: 5).
    product(name: "leek", category: "vegetable", quantity: 3).
"#;

/// §2.5.3: the sum over all products: equal quantities of two products both count (PL-24).
#[test]
fn the_total_stock() {
    let text = format!(
        "{PRODUCTS} totalStock(total: Total) :-
            Total := sum Quantity : product(category: Category, quantity: Quantity).
         output totalStock."
    );
    assert_eq!(derived(&text), ints(&[[13]]));
}

/// §2.5.3: the parameter of an aggregate is bound nowhere else (PL-20).
#[test]
fn the_parameter_of_an_aggregate_is_otherwise_unbound() {
    refused(
        &format!(
            "{PRODUCTS} totalStock(total: Total) :-
                product(name: Name, category: Category, quantity: Quantity),
                Total := sum Quantity : product(quantity: Quantity)."
        ),
        &expect!["error[L052]: `Quantity` is aggregated and is bound outside the aggregate too"],
    );
}

/// §2.5.3: the total of each category: what the body binds are the grouping attributes.
#[test]
fn the_total_stock_of_each_category() {
    let text = format!(
        "{PRODUCTS} totalStock(category: Category, total: Total) :-
            product(category: Category),
            Total := sum Quantity : product(category: Category, quantity: Quantity).
         output totalStock."
    );
    let expected = rows(&[["fruit".into(), 10.into()], ["vegetable".into(), 3.into()]]);
    assert_eq!(derived(&text), expected);
}

/// §2.5.3: what an aggregated atom binds first is seen by nothing else (PL-21).
#[test]
fn variables_of_an_aggregated_atom_do_not_escape() {
    refused(
        &format!(
            "{PRODUCTS} totalStock(category: Category, total: Total) :-
                Total := sum Quantity : product(category: Category, quantity: Quantity)."
        ),
        &expect!["error[L050]: nothing binds `Category`"],
    );
}

/// §2.5.4: the points of a grid on and above its diagonal.
#[test]
fn points_on_and_above_the_diagonal() {
    let grid: String = (0..9).map(|at| format!("point(x: {}, y: {}). ", at / 3, at % 3)).collect();
    let text = format!("{grid} diagonal(x: X, y: Y) :- point(x: X, y: Y), X <= Y. output diagonal.");
    assert_eq!(derived(&text), ints(&[[0, 0], [0, 1], [0, 2], [1, 1], [1, 2], [2, 2]]));
}

/// §3.1.3: `x <= 5`; and `x <= y, y = 5`, a conjunction of two constraints.
#[test]
fn constraints_are_a_conjunction() {
    let numbers: String = (3..8).map(|number| format!("n(x: {number}, y: {}). ", number % 2 + 5)).collect();
    let text = format!(
        "{numbers} one(x: X) :- n(x: X), X <= 5. two(x: X) :- n(x: X, y: Y), X <= Y, Y == 5.
         output one. output two."
    );
    let results = results(&text);
    assert_eq!(results["one"], ints(&[[3], [4], [5]]));
    assert_eq!(results["two"], ints(&[[4]]));
}
