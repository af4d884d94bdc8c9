//! An application's own functions in views: both runtimes agree, changes arrive, and what fails stops nobody.

use motet::algebra::{Budget, ColumnType, Law, Registry, Row};
use motet::fact::{Kind, Value};
use motet::{Database, Parameters, RuntimeKind, View};

const TEXT: ColumnType = ColumnType::Kind(Kind::Text);

const QUERY: &str = r#"
    output Initial.
    Initial(is: initial(T)) :- attr(attribute: "title", value: T).
    output Joined.
    Joined(is: J) :- J := joined T : attr(attribute: "title", value: T).
"#;

fn functions() -> Registry {
    let mut functions = Registry::default();
    let initial = |values: &[Value]| {
        let text = values[0].as_text().expect("the type was checked");
        Some(Value::text(text.chars().next().expect("an empty title").to_string()))
    };
    functions.add_function("initial", &[TEXT], TEXT, initial).unwrap();
    let joined = |values: &[Value]| {
        let texts: Vec<_> = values.iter().map(|value| value.as_text().unwrap()).collect();
        Some(Value::text(texts.join("+")))
    };
    functions.add_aggregate("joined", TEXT, TEXT, Law::None, joined).unwrap();
    functions
}

fn rows(view: &View, output: &str) -> Vec<Row> {
    view.rows(output).cloned().collect()
}

#[test]
fn views_follow_through_registered_functions() {
    let database = Database::in_memory("Ada").unwrap();
    database.set_functions(&functions());
    let party = database.create_party("Home").unwrap();
    let watch = |kind| party.watch_on("q", QUERY, &Parameters::new(), kind, Budget::default()).unwrap();
    let mut views = RuntimeKind::ALL.map(watch);
    let items = ["milk", "bread"].map(|title| {
        let item = party.create_item("object", Some("note"), None).unwrap();
        party.set(item, "title", title).unwrap();
        item
    });
    let mut check = |initials: &[&str], joined: &[&str]| {
        for view in &mut views {
            view.catch_up().unwrap();
            let as_rows =
                |texts: &[&str]| texts.iter().map(|text| vec![Value::text(*text)]).collect::<Vec<_>>();
            assert_eq!(rows(view, "Initial"), as_rows(initials));
            assert_eq!(rows(view, "Joined"), as_rows(joined));
        }
    };
    check(&["b", "m"], &["bread+milk"]);
    party.set(items[0], "title", "").unwrap();
    check(&["b"], &["+bread"]);
    party.set(items[0], "title", 3).unwrap();
    check(&["b"], &[]);
    party.set(items[0], "title", "oats").unwrap();
    check(&["b", "o"], &["bread+oats"]);
}

#[test]
fn a_query_finds_the_functions_that_were_set_before_it() {
    let database = Database::in_memory("Ada").unwrap();
    let party = database.create_party("Home").unwrap();
    let refused = party.watch(QUERY, &Parameters::new()).map(drop).unwrap_err();
    assert!(refused.to_string().contains("there is no function `initial`"), "{refused}");
    database.set_functions(&functions());
    assert!(party.watch(QUERY, &Parameters::new()).is_ok());
}
