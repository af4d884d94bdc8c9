//! `motet model`, and items of models that are data.

use crate::common::{Home, rows};

#[test]
fn a_model_is_published_shown_and_used() {
    let home = Home::new();
    let list = |home: &Home| rows(&home.ok(&["model", "list", "--format", "csv"]));
    assert!(list(&home).iter().any(|row| row.starts_with("object,built in")));
    let block = home.ok(&["model", "publish", "counter"]).trim().to_owned();
    assert!(list(&home).contains(&format!("counter,rules,{block}")));
    let shown = home.ok(&["model", "show", "counter"]);
    assert!(shown.contains(&block) && shown.contains("motet/increment/"), "{shown}");
    let item = home.ok(&["item", "new", "--model", "counter"]).trim().to_owned();
    home.ok(&["item", "increment", &item, "visits", "visits=4"]);
    let got = home.ok(&["item", "get", &item]);
    assert!(got.contains(&format!("rules/{block} (computed)")), "{got}");
    let got = rows(&home.ok(&["item", "get", &item, "--format", "csv"]));
    assert_eq!(got, ["visits,5,value,"]);
    assert_eq!(home.ask(r#"output n. n(is: N) :- attr(attribute: "visits", value: N)."#), ["5"]);
    let (code, said) = home.fails(&["model", "publish", "nothing"]);
    assert!(code == 2 && said.contains("counter"), "{said}");
    let (code, said) = home.fails(&["model", "show", "nothing"]);
    assert!(code == 1 && said.contains("no model is published"), "{said}");
}

#[test]
fn a_program_is_checked_and_limits_are_kept() {
    let home = Home::new();
    let file =
        home.file("total.pomo", "output total. total(is: T) :- T := count : fact(attribute: \"x\").\n");
    let file = file.to_str().unwrap();
    assert_eq!(
        rows(&home.ok(&["model", "check", file, "--format", "csv"])),
        ["total(is),who reads the item"]
    );
    let wrong = home.file("wrong.pomo", "output n. n(x: X) :- member(id: X).\n");
    let (_, said) = home.fails(&["model", "check", wrong.to_str().unwrap()]);
    assert!(said.contains("L082") && said.contains("of the party"), "{said}");
    let (_, said) = home.fails(&["model", "publish", "wrong", wrong.to_str().unwrap()]);
    assert!(said.contains("L082"), "{said}");
    let endless = home.file("endless.pomo", "output n. n(x: 0). n(x: X + 1) :- n(x: X).\n");
    home.ok(&["model", "publish", "endless", endless.to_str().unwrap(), "--rows", "100"]);
    let item = home.ok(&["item", "new", "--model", "endless", "a=1"]).trim().to_owned();
    let got = home.ok(&["item", "get", &item]);
    assert!(got.contains("(over limit)"), "{got}");
    home.ok(&["model", "publish", "total", file]);
    let item = home.ok(&["item", "new", "--model", "total", "x=1"]).trim().to_owned();
    let got = rows(&home.ok(&["item", "get", &item, "--format", "csv"]));
    assert_eq!(got, ["total,is: 1,row,"]);
}
