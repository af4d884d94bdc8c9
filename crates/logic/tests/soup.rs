//! No text makes the compiler panic, and values read back as they were written.

use std::collections::BTreeMap;

use motet_algebra::ColumnType;
use motet_fact::{Cid, Codec, Kind, Value};
use motet_logic::{Catalog, Source, compile, format_typed, parse_typed, parse_value};
use proptest::prelude::*;

/// Compiles, prints whatever comes out, and checks that spans are inside the text.
fn try_to_compile(text: &str) {
    let parameters = BTreeMap::from([("p".to_owned(), Value::Int(1))]);
    let mut catalog = Catalog::default();
    let any = ColumnType::Any;
    catalog.add("item", &[("id", any), ("type", any), ("deleted", any)], false);
    catalog.add("attr", &[("entity", any), ("attribute", any), ("value", any)], false);
    let problems = match compile(&Source::new("soup", text), &catalog, &parameters) {
        Ok(compiled) => {
            compiled.explain();
            compiled.warnings
        }
        Err(problems) => problems,
    };
    for problem in problems.iter() {
        assert!(problem.span.end <= text.len() && problem.span.start <= problem.span.end);
    }
    drop(problems.to_string());
}

const TOKENS: [&str; 72] = [
    "p",
    "q",
    "r",
    "X",
    "Y",
    "Z",
    "_",
    "(",
    "(",
    ")",
    ")",
    ",",
    ",",
    ".",
    ".",
    ":",
    ":",
    ":-",
    ":-",
    ":=",
    "!",
    "==",
    "<",
    "+",
    "-",
    "*",
    "/",
    "%",
    "count",
    "sum",
    "max",
    "mean",
    "arg_max",
    "rank",
    "by",
    "??",
    "forbid :-",
    "order by",
    "limit 3",
    "output p order by x desc.",
    "type::T(id: X, y: 1)",
    "T(y: X ?? 1)",
    "!T(id: X, y: Y ?? $p)",
    "1",
    "2",
    "1.5",
    "\"a\"",
    "0x00",
    "$p",
    "$q",
    "relation",
    "input",
    "output",
    "int",
    "text",
    "any",
    "true",
    "`a b`",
    "\n",
    "//",
    "abs",
    "concat",
    "@",
    "@next",
    "event p.",
    "=",
    "p(x: X)",
    "q(x: Y)",
    "r(x: X, y: Y)",
    "!p(x: X)",
    "N := count : p(x: X)",
    "C := q(x: X)",
];

/// A clause that may well be right.
fn clause() -> impl Strategy<Value = String> {
    let term = prop_oneof![
        "[XYZ]",
        "[XYZ]",
        "[0-3]",
        Just("_".to_owned()),
        Just("X + 1".to_owned()),
        Just("Y / X".to_owned()),
    ];
    let atom = (prop_oneof!["[pqr]"], term.clone(), term.clone())
        .prop_map(|(name, x, y)| format!("{name}(x: {x}, y: {y})"));
    let half = (prop_oneof!["[pqr]"], term).prop_map(|(name, x)| format!("{name}(x: {x})"));
    let literal = prop_oneof![
        4 => atom.clone(),
        2 => half.clone(),
        1 => half.clone().prop_map(|half| format!("!{half}")),
        1 => half.clone().prop_map(|half| format!("N := count : {half}")),
        1 => atom.clone().prop_map(|atom| format!("Z := max Y : {atom}")),
        1 => atom.clone().prop_map(|atom| format!("Z := arg_max Y by X : {atom}")),
        1 => "[XYZ]".prop_map(|x| format!("T(id: {x}, y: Y ?? 1)")),
        1 => "[XYZ]".prop_map(|x| format!("!T(id: {x}, y: _)")),
        1 => atom.clone().prop_map(|atom| format!("Z := rank Y by X : {atom}")),
        1 => half.prop_map(|half| format!("Z := {half}")),
        1 => Just("X < Y".to_owned()),
        1 => Just("Z == X + Y".to_owned()),
    ];
    (atom, prop::collection::vec(literal, 0..5)).prop_map(|(head, body)| match body.is_empty() {
        true => format!("{head}."),
        false if body.len() == 4 => format!("{head}@next :- {}.", body.join(", ")),
        false => format!("{head} :- {}.", body.join(", ")),
    })
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        prop::num::f64::NORMAL.prop_map(|number| Value::float(number).expect("normal floats are finite")),
        any::<String>().prop_map(Value::text),
        any::<Vec<u8>>().prop_map(Value::bytes),
        any::<Vec<u8>>().prop_map(|bytes| Value::Link(Cid::of(Codec::Raw, &bytes))),
    ]
}

proptest! {
    #[test]
    fn any_text(text in any::<String>()) {
        try_to_compile(&text);
    }

    #[test]
    fn token_soup(tokens in prop::collection::vec(prop::sample::select(&TOKENS[..]), 0..60)) {
        try_to_compile(&tokens.join(" "));
    }

    #[test]
    fn clauses_that_may_be_right(clauses in prop::collection::vec(clause(), 0..6)) {
        try_to_compile(&clauses.join("\n"));
    }

    #[test]
    fn values_read_back(value in value()) {
        prop_assert_eq!(&parse_value(&value.to_string()).unwrap(), &value);
        for column_type in [ColumnType::Any, ColumnType::Kind(value.kind())] {
            let cell = format_typed(&value, column_type);
            prop_assert_eq!(&parse_typed(&cell, column_type).unwrap(), &value);
        }
    }

    #[test]
    fn no_text_breaks_a_cell(text in any::<String>()) {
        drop(parse_value(&text));
        for kind in [Kind::Bool, Kind::Int, Kind::Float, Kind::Bytes, Kind::Link] {
            drop(parse_typed(&text, ColumnType::Kind(kind)));
        }
    }
}

#[test]
fn deep_and_long_programs_do_not_exhaust_the_stack() {
    let deep = |open: &str, close: &str| format!("p(x: {}1{}).", open.repeat(50_000), close.repeat(50_000));
    try_to_compile(&deep("(", ")"));
    try_to_compile(&deep("-", ""));
    try_to_compile(&deep("abs(", ")"));
    try_to_compile(&format!("p(x: 1{}).", " + 1".repeat(50_000)));
    try_to_compile(&format!("p(x: X) :- p(x: X){}.", ", p(x: X)".repeat(20_000)));
    let chain: String = (0..3_000).map(|n| format!("p{n}(x: X) :- p{}(x: X).\n", n + 1)).collect();
    try_to_compile(&(chain + "p3000(x: 1). output p0."));
    let long: Vec<String> = (0..150).map(|n| format!("p(x: X{n}, y: X{})", n + 1)).collect();
    try_to_compile(&format!("p(x: 1, y: 2). q(x: X0, y: X150) :- {}. output q.", long.join(", ")));
}

#[test]
fn cells_are_strict() {
    let int = ColumnType::Kind(Kind::Int);
    let float = ColumnType::Kind(Kind::Float);
    for (text, column_type) in [
        ("+1", int),
        ("1.0", int),
        (" 1", int),
        ("", int),
        ("9223372036854775808", int),
        ("1", float),
        ("inf", float),
        ("NaN", float),
        ("1e999", float),
        (".5", float),
        ("TRUE", ColumnType::Kind(Kind::Bool)),
        ("0x0", ColumnType::Kind(Kind::Bytes)),
        ("00", ColumnType::Kind(Kind::Bytes)),
        ("x", ColumnType::Any),
        ("1 ", ColumnType::Any),
        ("1 2", ColumnType::Any),
        ("\"a\"//", ColumnType::Any),
        ("X", ColumnType::Any),
    ] {
        let error = parse_typed(text, column_type).unwrap_err();
        assert_eq!(error.text, text, "the message names the cell: {error}");
    }
    assert_eq!(parse_typed("-0.0", float).unwrap(), Value::float(0.0).unwrap());
    assert_eq!(parse_typed("-9223372036854775808", int).unwrap(), Value::Int(i64::MIN));
    assert_eq!(parse_value("-9223372036854775808").unwrap(), Value::Int(i64::MIN));
    assert_eq!(parse_value("\"\\u{e9}\\n\"").unwrap(), Value::text("é\n"));
}
