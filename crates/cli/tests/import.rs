//! `motet import csv|jsonl|car`: rows become facts that queries see, and what cannot be read is said and not guessed.
use std::path::Path;

use crate::common::Home;

/// What an import has left in a party.
trait Imported {
    /// Every fact that users see, as CSV.
    fn cells(&self) -> Vec<String>;
    /// How many facts there are.
    fn facts(&self) -> usize;
}

impl Imported for Home {
    fn cells(&self) -> Vec<String> {
        self.ask(
            "output cell. cell(name: A, is: V) :- fact(attribute: A, value: V), A != \"motet/genesis\", \
                  A != \"motet/model\", A != \"motet/parent\", A != \"motet/type\".",
        )
    }

    fn facts(&self) -> usize {
        let query = "output n. n(of: N) :- N := count : fact(entity: E, attribute: A, value: V).";
        self.ask(query)[0].parse().unwrap()
    }
}

fn name(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn columns_have_the_types_that_were_given() {
    let home = Home::new();
    let file = home.file("people.csv", "name,age,score,at\nAda,36,1.5,0x00ff\n\"B, \"\"b\"\"\",,,\n");
    let types = ["--column", "age=int", "--column", "score=float", "--column", "at=bytes"];
    let said = home.ok(&[&["import", "csv", name(&file), "--format", "json"], &types[..]].concat());
    assert!(said.contains(r#""type":"people","rows":2,"facts":5,"entries":1,"#), "{said}");
    let mut cells = home.cells();
    cells.sort();
    let want = [
        r#""""age""",36"#,
        r#""""at""",0x00ff"#,
        r#""""name""","""Ada""""#,
        r#""""name""","""B, \""b\""""""#,
        r#""""score""",1.5"#,
    ];
    assert_eq!(cells, want);
    assert_eq!(home.ok(&["item", "list", "--type", "people", "--format", "json"]).lines().count(), 1);
}

#[test]
fn json_keeps_kinds_and_leaves_null_out() {
    let home = Home::new();
    let file = home.file(
        "log.jsonl",
        "{\"a\":1,\"b\":1.0,\"c\":null,\"d\":true}\n\n{\"e\":{\"/\":{\"bytes\":\"AP8\"}}}\n",
    );
    let said = home.ok(&["import", "jsonl", name(&file), "--type", "event", "--format", "json"]);
    assert!(said.contains(r#""type":"event","rows":2,"facts":4,"#), "{said}");
    let mut cells = home.cells();
    cells.sort();
    assert_eq!(cells, [r#""""a""",1"#, r#""""b""",1.0"#, r#""""d""",true"#, r#""""e""",0x00ff"#]);
}

#[test]
fn rows_with_the_same_key_are_about_the_same_entity() {
    let home = Home::new();
    let entities = "output e. e(of: E) :- fact(entity: E, attribute: \"mail\").";
    let file = home.file("people.csv", "mail,phone\na,1\nb,2\na,3\n");
    home.ok(&["import", "csv", name(&file), "--key", "mail"]);
    let keyed = home.ask(entities);
    assert_eq!(keyed.len(), 2);
    home.ok(&["import", "csv", name(&file), "--key", "mail"]);
    assert_eq!(home.ask(entities), keyed, "another import knows them again");
    home.ok(&["import", "csv", name(&file)]);
    assert_eq!(home.ask(entities).len(), 5, "without a key every row is its own");
}

#[test]
fn a_bad_row_ends_the_import_and_what_came_before_stays() {
    let home = Home::new();
    let mut text = "n\n".to_owned();
    (0..4_500).for_each(|row| text.push_str(&format!("{row}\n")));
    text.push_str("many\n7\n");
    let file = home.file("numbers.csv", &text);
    let before = home.facts();
    let (code, said) = home.fails(&["import", "csv", name(&file), "--column", "n=int"]);
    assert_eq!(code, 1);
    assert!(said.contains("numbers.csv:4502: column `n`: `many` is not an int"), "{said}");
    assert!(said.contains("help: the first 4500 rows are imported, as item "), "{said}");
    let system = home.ask("output a. a(of: A) :- fact(attribute: A).").len() - 1;
    assert_eq!(home.facts(), before + 4_500 + system);
}

#[test]
fn what_is_wrong_at_once_imports_nothing() {
    let home = Home::new();
    let before = home.facts();
    let rows = home.file("rows.csv", "a,b\nx,1\n");
    let nested = home.file("rows.jsonl", "{\"a\":[1]}\n");
    let absent = home.path().join("absent.csv");
    for (arguments, want, says) in [
        (
            vec!["csv", name(&rows), "--column", "c=int"],
            1,
            "rows.csv:1: there is no column `c`; there are: a, b",
        ),
        (vec!["csv", name(&rows), "--key", "c"], 1, "there is no column `c`"),
        (vec!["csv", name(&rows), "--column", "a=number"], 2, "the types are int, float"),
        (vec!["csv", name(&rows), "--column", "a=int"], 1, "help: nothing was imported"),
        (vec!["jsonl", name(&rows)], 1, "rows.csv:1: not a JSON object"),
        (vec!["jsonl", name(&nested)], 1, "rows.jsonl:1: column `a`: an array has no place in a fact"),
        (vec!["jsonl", name(&nested), "--column", "a=int"], 2, "--column is for CSV"),
        (vec!["csv", name(&absent)], 1, "cannot read"),
    ] {
        let (code, said) = home.fails(&[&["import"], &arguments[..]].concat());
        assert_eq!(code, want, "{said}");
        assert!(said.contains(says), "{said}");
    }
    assert_eq!(home.facts(), before);
    assert!(home.ok(&["item", "list", "--type", "rows", "--format", "json"]).is_empty());
}

#[test]
fn many_rows_take_many_entries_and_all_arrive() {
    let home = Home::new();
    let before = home.facts();
    let mut text = String::new();
    (0..20_000).for_each(|row| {
        text.push_str(&format!("{{\"n\":{row},\"square\":{}}}\n", i64::from(row) * i64::from(row)))
    });
    let file = home.file("squares.jsonl", &text);
    let said = home.ok(&["import", "jsonl", name(&file), "--format", "json"]);
    assert!(said.contains(r#""rows":20000,"facts":40000,"entries":20,"#), "{said}");
    let system = home.ask("output a. a(of: A) :- fact(attribute: A).").len() - 2;
    assert_eq!(home.facts(), before + 40_000 + system);
    assert!(home.motet(&["verify"]).status.success());
}

#[test]
fn long_cells_fill_entries_by_bytes_and_not_by_count() {
    let home = Home::new();
    let mut text = "a,b\n".to_owned();
    let long = "x".repeat(60_000);
    (0..60).for_each(|row| text.push_str(&format!("{row},{long}{row}\n")));
    let file = home.file("long.csv", &text);
    let said = home.ok(&["import", "csv", name(&file), "--format", "json"]);
    assert!(said.contains(r#""rows":60,"facts":120,"entries":4,"#), "{said}");
    let too_long = home.file("longer.csv", &format!("a\n{}\n", "x".repeat(70_000)));
    let (code, said) = home.fails(&["import", "csv", name(&too_long)]);
    assert_eq!(code, 1);
    assert!(said.contains("longer.csv:2: column `a`: the value has 70000 bytes; at most 65536"), "{said}");
}

/// The ids of the facts that count, and what cites what.
const HISTORY: &str = "output f. f(c: C, p: \"\") :- C := fact(attribute: A, value: _), \
     A != \"motet/genesis\", A != \"motet/model\", A != \"motet/parent\", A != \"motet/type\". \
     f(c: C, p: P) :- cause(cid: C, parent: P).";

#[test]
fn facts_pass_from_party_to_party_in_a_car_file_with_their_ids() {
    let (first, second) = (Home::new(), Home::new());
    let item = first.ok(&["item", "new", "--type", "note", "title=Milk", "--format", "json"]);
    let id = item.split('"').find(|part| part.len() > 60).unwrap().trim_start_matches("0x").to_owned();
    first.ok(&["item", "set", &id, "title=Milk, eggs", "done=true"]);
    first.ok(&["item", "set", &id, "title=Eggs"]);
    first.ok(&["import", "csv", first.file("p.csv", "a,b\n1,2\n3,4\n").to_str().unwrap(), "--type", "rows"]);
    let said = first.ok(&["export", "car", "facts.car"]);
    assert!(said.contains("facts.car"), "{said}");
    let car = first.path().join("facts.car");
    second.ok(&["import", "car", car.to_str().unwrap()]);
    assert_eq!(second.ask(HISTORY), first.ask(HISTORY));
    assert_eq!(first.ask(HISTORY).len(), 8 + 2);

    // Once more: what is stated again is the same.
    second.ok(&["import", "car", car.to_str().unwrap()]);
    assert_eq!(second.ask(HISTORY), first.ask(HISTORY));

    // And as the source of a program, without a database.
    let program = first.file("now.pomo", "output f. f(c: C, p: P) :- cause(cid: C, parent: P).");
    let source = format!("fact={}", car.display());
    let ran = first.ok(&["run", program.to_str().unwrap(), "--source", &source, "--format", "csv"]);
    assert_eq!(ran.lines().count(), 1 + 2);
}

#[test]
fn a_car_file_that_was_changed_or_cut_is_refused_whole() {
    let home = Home::new();
    home.ok(&["import", "csv", home.file("p.csv", "a\n1\n2\n").to_str().unwrap(), "--type", "rows"]);
    home.ok(&["export", "car", "facts.car"]);
    let bytes = std::fs::read(home.path().join("facts.car")).unwrap();
    let before = home.facts();
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    for (bytes, want) in [
        (&changed[..], "is not the one that bafy"),
        (&bytes[..bytes.len() - 1], "in the middle of a section: it is cut"),
        (b"x,y\n1,2\n", "cut"),
    ] {
        std::fs::write(home.path().join("bad.car"), bytes).unwrap();
        let (code, said) = home.fails(&["import", "car", "bad.car"]);
        assert!(code == 1 && said.contains("bad.car: byte ") && said.contains(want), "{said}");
        assert_eq!(home.facts(), before);
    }
}
