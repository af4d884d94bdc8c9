//! Control columns say where a row comes from, and are no part of it unless an atom names them (Q6).
use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{Budget, Changes, ColumnType, Naive, Runtime};
use motet_fact::{Kind, Value, codec};
use motet_logic::{Catalog, Compiled, Monotonicity, Source, compile};

fn catalog() -> Catalog {
    let [bytes, text, flag, link] = [Kind::Bytes, Kind::Text, Kind::Bool, Kind::Link].map(ColumnType::Kind);
    let mut catalog = Catalog::default();
    catalog.add("fact", &[("entity", bytes), ("attribute", text), ("value", ColumnType::Any)], true);
    catalog.add_controls("fact", &[("$party", bytes), ("$item", bytes), ("$source", link)]);
    catalog.add("item", &[("id", bytes), ("type", text), ("deleted", flag)], false);
    catalog.add("attr", &[("entity", bytes), ("attribute", text), ("value", ColumnType::Any)], false);
    for relation in ["item", "attr"] {
        catalog.add_controls(relation, &[("$party", bytes)]).mark_convergent(relation);
    }
    catalog
}

fn compiled(program: &str) -> Compiled {
    let compiled = compile(&Source::new("controls", program), &catalog(), &BTreeMap::new());
    compiled.unwrap_or_else(|errors| panic!("{errors}"))
}

fn id(number: u8) -> Value {
    Value::bytes(vec![number])
}

fn cid(number: u8) -> Value {
    codec::tuple_cid("", [("n", &Value::Int(number.into()))]).into()
}

/// The rows of each output, as text.
fn run(compiled: &Compiled, inputs: &[(&str, &[&[Value]])]) -> BTreeMap<String, BTreeSet<String>> {
    let mut changes = Changes::new();
    for (name, rows) in inputs {
        let mut rows: Vec<_> = rows.iter().map(|row| (row.to_vec(), 1)).collect();
        rows.sort();
        changes.insert((*name).into(), rows);
    }
    let text = |row: &[Value]| row.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let outputs = Naive::new(compiled.program.clone()).unwrap().step(&changes, Budget::default()).unwrap();
    let rows = outputs
        .into_iter()
        .map(|(name, rows)| (name.to_string(), rows.iter().map(|(row, _)| text(row)).collect()));
    rows.collect()
}

#[test]
fn an_atom_reads_the_control_columns_that_it_names() {
    let compiled = compiled(
        r#"output all. output apart. output items. output facts.
           all(n: N) :- N := count : fact(attribute: "title").
           apart(n: N) :- N := count : fact(attribute: "title", $item: _).
           items(of: E, item: I) :- fact(entity: E, $item: I).
           facts(c: C, s: S) :- C := fact($source: S, $item: 0x07)."#,
    );
    let bases: Vec<_> = compiled.bases.iter().map(|base| (base.base(), base.to_string())).collect();
    let of_fact = |columns: &str| ("fact", format!("fact{columns}"));
    assert_eq!(
        bases,
        [
            of_fact("(entity: bytes, attribute: text, value: any)"),
            of_fact("($item)(entity: bytes, attribute: text, value: any, $item: bytes)"),
            of_fact(
                "($item, $source)(entity: bytes, attribute: text, value: any, $item: bytes, $source: link)"
            ),
        ]
    );
    let title = |more: &[Value]| [&[id(1), "title".into(), "Milk".into()], more].concat();
    let rows = run(
        &compiled,
        &[
            ("fact", &[&title(&[cid(1)])]),
            ("fact($item)", &[&title(&[id(7), cid(1)]), &title(&[id(8), cid(1)])]),
            ("fact($item, $source)", &[&title(&[id(7), cid(5), cid(1)]), &title(&[id(8), cid(6), cid(1)])]),
        ],
    );
    assert_eq!(rows["all"], ["1".into()].into(), "a row in two items is one row");
    assert_eq!(rows["apart"], ["2".into()].into());
    assert_eq!(rows["items"], ["0x01 0x07".into(), "0x01 0x08".into()].into());
    assert_eq!(rows["facts"], [format!("{} {}", cid(1), cid(5))].into(), "the CID is that of the fact");
    assert!(compiled.classes.iter().all(|(name, class)| {
        (*class == Monotonicity::Monotone) == ["items", "facts"].contains(&&**name)
    }));
}

#[test]
fn a_type_is_where_its_item_is() {
    let compiled = compiled(
        r#"output titles. output open. output per. output bare.
           titles(p: P, t: T) :- Task(id: _, $party: P, title: T).
           open(p: P, id: E) :- Task(id: E, $party: P, done: D ?? false), D == false.
           bare(p: P, id: E) :- Task(id: E, $party: P), !Task(id: E, $party: P, title: _).
           per(p: P, n: N) :- Task($party: P), N := count : Task(id: _, $party: P, done: true)."#,
    );
    let parts: Vec<_> = compiled.bases.iter().map(|base| base.name.to_string()).collect();
    assert_eq!(parts, ["attr($party)", "item($party)"], "nothing else is read");
    // Two parties, which both have item 1; only one of them knows its title, and it is done in the other.
    let task = |party: u8| [id(1), "Task".into(), false.into(), id(party)];
    let attr = |name: &str, value: Value, party: u8| [id(1), name.into(), value, id(party)];
    let rows = run(
        &compiled,
        &[
            ("item($party)", &[&task(8), &task(9)]),
            ("attr($party)", &[&attr("title", "Milk".into(), 8), &attr("done", true.into(), 9)]),
        ],
    );
    assert_eq!(rows["titles"], ["0x08 \"Milk\"".into()].into());
    assert_eq!(rows["open"], ["0x08 0x01".into()].into());
    assert_eq!(rows["bare"], ["0x09 0x01".into()].into());
    assert_eq!(rows["per"], ["0x08 0".into(), "0x09 1".into()].into());
}
