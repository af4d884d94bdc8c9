//! `motet item`: the whole life of items on the command line.
use crate::common::{Home, rows};

fn new(home: &Home, arguments: &[&str]) -> String {
    home.ok(&[&["item", "new"], arguments].concat()).trim().to_owned()
}

/// What `item get` shows: `property,value`.
fn get(home: &Home, item: &str) -> Vec<String> {
    let csv = home.ok(&["item", "get", item, "--format", "csv"]);
    let cell =
        |row: &String| row.split(',').take(2).map(|cell| cell.replace('"', "")).collect::<Vec<_>>().join(",");
    rows(&csv).iter().map(cell).collect()
}

#[test]
fn properties_are_set_added_to_counted_and_removed() {
    let home = Home::new();
    let item = new(&home, &["--type", "person", "name=Ada", "address.city=London"]);
    home.ok(&["item", "add", &item, "tags=red", "tags=blue"]);
    home.ok(&["item", "increment", &item, "visits", "visits=4"]);
    assert_eq!(get(&home, &item), ["address.city,London", "name,Ada", "tags,blue", "tags,red", "visits,5"]);
    home.ok(&["item", "remove", &item, "tags=red"]);
    home.ok(&["item", "set", &item, "address.zip=1010", "name.first=Ada"]);
    home.ok(&["item", "unset", &item, "visits"]);
    assert_eq!(get(&home, &item), ["address.city,London", "address.zip,1010", "name.first,Ada", "tags,blue"]);
    let city = home.ask(r#"output c. c(is: C) :- attr(attribute: "address.city", value: C)."#);
    assert_eq!(city, [r#""""London""""#]);
    let (code, said) = home.fails(&["item", "set", &item, "motet/type=x"]);
    assert!(code == 2 && said.contains("the database's own"), "{said}");
    let (code, said) = home.fails(&["item", "set", &item, "a..b=x"]);
    assert!(code == 2 && said.contains("empty name"), "{said}");
    let (code, said) = home.fails(&["item", "increment", &item, "n=x"]);
    assert!(code == 2 && said.contains("x is not an integer"), "{said}");
}

#[test]
fn items_hang_in_a_tree_and_go_and_come_back() {
    let home = Home::new();
    let list = new(&home, &["--type", "list", "title=To do"]);
    let first = new(&home, &["--parent", &list, "title=one"]);
    let second = new(&home, &["--parent", &list, "title=two"]);
    let titles = |deleted: &str| -> Vec<String> {
        let csv = home.ok(&["item", "tree", &list, "--deleted", deleted, "--format", "csv"]);
        rows(&csv).iter().map(|row| row.split(',').nth(1).unwrap().to_owned()).collect()
    };
    assert_eq!(titles("hide"), ["To do", "one", "two"]);
    home.ok(&["item", "move", &second, &list, "--first"]);
    assert_eq!(titles("hide"), ["To do", "two", "one"]);
    home.ok(&["item", "move", &second, &list, "--after", &first]);
    assert_eq!(titles("hide"), ["To do", "one", "two"]);
    let (code, said) = home.fails(&["item", "move", &list, &first]);
    assert!(code == 1 && said.contains("can't move under"), "{said}");
    let (code, said) = home.fails(&["item", "delete", &list]);
    assert!(code == 1 && said.contains("2 items under it") && said.contains("--children"), "{said}");
    home.ok(&["item", "delete", &list, "--children", "along"]);
    assert_eq!(titles("show"), ["To do (deleted)", "one (deleted)", "two (deleted)"]);
    assert!(rows(&home.ok(&["item", "list", "--type", "list", "--format", "csv"])).is_empty());
    home.ok(&["item", "restore", &list, "--along"]);
    assert_eq!(titles("hide"), ["To do", "one", "two"]);
    home.ok(&["item", "purge", &first]);
    assert_eq!(titles("show"), ["To do", "two"]);
    let (code, said) = home.fails(&["item", "restore", &first]);
    assert!(code == 1 && said.contains("has no item"), "{said}");
}

#[test]
fn links_logs_and_history() {
    let home = Home::new();
    let (task, person) = (new(&home, &["title=Milk"]), new(&home, &["name=Ada"]));
    home.ok(&["item", "link", &task, "for", &person]);
    let links = |item: &str| rows(&home.ok(&["item", "links", item, "--format", "csv"]));
    assert_eq!(links(&task), [format!("to,for,{person},present")]);
    assert_eq!(links(&person), [format!("from,for,{task},present")]);
    home.ok(&["item", "delete", &person]);
    assert_eq!(links(&task), [format!("to,for,{person},deleted")]);
    let elsewhere = "11".repeat(32);
    home.ok(&["item", "link", &task, "see", &format!("{elsewhere}/{elsewhere}"), "--also"]);
    assert_eq!(links(&task)[1], format!("to,see,{elsewhere}/{elsewhere},missing"));

    let log = new(&home, &["--model", "log", "title=Lunch"]);
    home.ok(&["item", "say", &log, "who is hungry?"]);
    home.ok(&["item", "say", &log, "text=I am", "at=12"]);
    assert_eq!(get(&home, &log)[1], "line 1,who is hungry?");
    let (code, said) = home.fails(&["item", "say", &task, "hello"]);
    assert!(code == 1 && said.contains("is no log"), "{said}");

    home.ok(&["item", "set", &task, "title=Eggs"]);
    let title = || get(&home, &task).into_iter().find(|row| row.starts_with("title")).unwrap();
    let history = || home.ok(&["item", "history", &task, "--format", "csv"]);
    let before = history();
    home.ok(&["item", "undo", &task]);
    assert_eq!(title(), "title,Milk");
    home.ok(&["item", "redo", &task]);
    assert_eq!(title(), "title,Eggs");
    let (code, said) = home.fails(&["item", "redo", &task]);
    assert!(code == 1 && said.contains("nothing of yours"), "{said}");
    assert_eq!(rows(&history()).len(), rows(&before).len() + 2);
    assert!(before.contains("made") && before.contains("title = ") && before.contains(",Ada,"), "{before}");

    let made = rows(&before)[0].split(',').next().unwrap().to_owned();
    let titles = |at: &str| {
        let query = r#"output t. t(is: T) :- attr(attribute: "title", value: T)."#;
        let mut titles = rows(&home.ok(&["query", query, "--as-of", at, "--format", "csv"]));
        titles.sort();
        titles
    };
    assert_eq!(titles(&made), [r#""""Milk""""#]);
    assert_eq!(titles("2100-01-01"), [r#""""Eggs""""#, r#""""Lunch""""#]);
    assert_eq!(titles("1970-01-01"), [""; 0]);
    assert!(home.ok(&["item", "get", &task, "--as-of", &made]).contains("Milk"));
    let (code, said) = home.fails(&["query", "output t. t(x: 1).", "--as-of", "yesterday"]);
    assert!(code == 2 && said.contains("neither entries nor a time"), "{said}");

    let other = home.ok(&["item", "remodel", &task, "object"]).trim().to_owned();
    assert_eq!(get(&home, &other).last().unwrap(), "title,Eggs");
    assert!(home.ok(&["item", "get", &task]).contains(&format!("goes on as {other}")));
}
