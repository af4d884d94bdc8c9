//! Functions and aggregates that an application registers: programs use them by name, and their types are checked.
use std::collections::BTreeMap;

use expect_test::expect;
use motet_algebra::{Budget, Changes, ColumnType, Law, Naive, Registry, Runtime};
use motet_fact::{Kind, Value};
use motet_logic::{Catalog, Source, compile};

const INT: ColumnType = ColumnType::Kind(Kind::Int);
const TEXT: ColumnType = ColumnType::Kind(Kind::Text);

fn catalog() -> Catalog {
    let mut registry = Registry::default();
    let initial = |values: &[Value]| Some(Value::text(values[0].as_text()?.chars().next()?.to_string()));
    registry.add_function("initial", &[TEXT], TEXT, initial).unwrap();
    registry.add_function("answer", &[], INT, |_| Some(Value::Int(42))).unwrap();
    let product = |values: &[Value]| {
        values.iter().try_fold(1_i64, |product, value| product.checked_mul(value.as_int()?)).map(Value::Int)
    };
    registry.add_aggregate("product", INT, INT, Law::None, product).unwrap();
    let mut catalog = Catalog::default();
    catalog.register(&registry);
    catalog
}

fn rows(text: &str, output: &str) -> Vec<String> {
    let compiled = compile(&Source::new("test", text), &catalog(), &BTreeMap::new())
        .unwrap_or_else(|problems| panic!("{problems}"));
    let mut naive = Naive::new(compiled.program).unwrap();
    naive.step(&Changes::new(), Budget::default()).unwrap();
    naive.output(output).map(|row| format!("{row:?}")).collect()
}

#[test]
fn registered_functions_and_aggregates_are_used_by_name() {
    let facts = r#"
        box(of: "plum", side: 2). box(of: "plum", side: 3). box(of: "fig", side: 3). box(of: "", side: 3).
        huge(n: 9223372036854775807). huge(n: 2).
        output r.
    "#;
    let run = |rule: &str| rows(&format!("{facts} {rule}"), "r");
    assert_eq!(run("r(i: initial(T)) :- box(of: T)."), [r#"["f"]"#, r#"["p"]"#], "the empty text has none");
    assert_eq!(run("r(n: N) :- N == answer()."), ["[42]"]);
    assert_eq!(run("r(n: N) :- N := product S : box(side: S)."), ["[54]"], "once for each row");
    assert_eq!(
        run("r(of: T, n: N) :- box(of: T), N := product S : box(of: T, side: S), N > 3."),
        [r#"["plum", 6]"#]
    );
    assert!(run("r(n: N) :- N := product S : huge(n: S).").is_empty(), "an overflow has no value");
    assert!(
        run("r(n: N) :- N := product S : box(of: \"kiwi\", side: S).").is_empty(),
        "nothing has no product"
    );
}

#[test]
fn mistakes_are_explained() {
    let text = r#"
box(of: "plum", side: 2).
relation r(x: int).
r(x: initial(2)).
r(x: inital("a")).
r(x: initial("a", "b")).
r(x: initial("a")).
r(x: N) :- N := prodct S : box(side: S).
r(x: N) :- N := product T : box(of: T).
r(x: N) :- N := product : box().
"#;
    let problems = compile(&Source::new("test", text), &catalog(), &BTreeMap::new()).unwrap_err();
    expect![[r#"
        error[L042]: `initial` has no value for int
         --> test:4:6
          |
        4 | r(x: initial(2)).
          |      ^^^^^^^^^^

        warning[L072]: this has no value, so the clause derives nothing
         --> test:4:6
          |
        4 | r(x: initial(2)).
          |      ^^^^^^^^^^ overflow, division by zero, or the wrong kind

        error[L023]: there is no function `inital`
         --> test:5:6
          |
        5 | r(x: inital("a")).
          |      ^^^^^^
          = did you mean `initial`?

        error[L034]: `initial` wants 1 argument and gets 2
         --> test:6:6
          |
        6 | r(x: initial("a", "b")).
          |      ^^^^^^^^^^^^^^^^^
          = write initial(a)

        error[L040]: `r.x` is int and this is text
         --> test:7:6
          |
        7 | r(x: initial("a")).
          |      ^^^^^^^^^^^^
          = wanted is an int: write digits, from -9223372036854775808 to 9223372036854775807

        error[L025]: there is no aggregate `prodct`
         --> test:8:17
          |
        8 | r(x: N) :- N := prodct S : box(side: S).
          |                 ^^^^^^
          = did you mean `product`?

        error[L042]: `product` of text
         --> test:9:12
          |
        9 | r(x: N) :- N := product T : box(of: T).
          |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^

        error[L010]: `product` of what?
          --> test:10:17
           |
        10 | r(x: N) :- N := product : box().
           |                 ^^^^^^^
           = name a variable of the atom, as in S := product X : price(amount: X)
    "#]]
    .assert_eq(&problems.to_string());
}
