//! `motet text` and `motet list` as a person uses them.
use crate::common::{Home, rows};

fn new(home: &Home, model: &str) -> String {
    home.ok(&["item", "new", "--model", model, "title=Things"]).trim().to_owned()
}

#[test]
fn a_text_is_written_edited_as_a_file_and_undone() {
    let home = Home::new();
    let text = new(&home, "text");
    home.ok(&["text", "append", &text, "one three\n"]);
    home.ok(&["text", "insert", &text, "4", "two "]);
    assert_eq!(home.ok(&["text", "show", &text]), "one two three\n");
    home.ok(&["text", "delete", &text, "0", "4"]);
    assert_eq!(home.ok(&["text", "show", &text]), "two three\n");
    home.ok(&["item", "undo", &text]);
    assert_eq!(home.ok(&["text", "show", &text]), "one two three\n");
    let file = home.path().join("text.txt");
    std::fs::write(&file, "one, two and three\n").unwrap();
    home.ok(&["text", "edit", &text, "--file", file.to_str().unwrap()]);
    assert_eq!(home.ok(&["text", "show", &text]), "one, two and three\n");
    assert_eq!(home.ask(r#"output b. b(is: B) :- attr(attribute: "text", value: B)."#).len(), 1);
    let (code, said) = home.fails(&["text", "insert", &text, "99", "x"]);
    assert!(code == 1 && said.contains("positions 99 to 99 are not all in 0 to 19"), "{said}");
    std::fs::write(&file, [b'a', 0xff]).unwrap();
    let (code, said) = home.fails(&["text", "edit", &text, "--file", file.to_str().unwrap()]);
    assert!(code == 1 && said.contains("is not UTF-8 text: byte 1"), "{said}");
}

#[test]
fn a_list_is_pushed_to_moved_in_and_shown() {
    let home = Home::new();
    let list = new(&home, "list");
    let values = || -> Vec<String> {
        let csv = home.ok(&["list", "show", &list, "--format", "csv"]);
        rows(&csv).iter().map(|row| row.split(',').nth(1).unwrap().replace('"', "")).collect()
    };
    home.ok(&["list", "push", &list, "milk", "3", "true"]);
    home.ok(&["list", "insert", &list, "1", "bread"]);
    assert_eq!(values(), ["milk", "bread", "3", "true"]);
    home.ok(&["list", "move", &list, "3", "0"]);
    home.ok(&["list", "set", &list, "2", "rye bread"]);
    home.ok(&["list", "remove", &list, "3"]);
    assert_eq!(values(), ["true", "milk", "rye bread"]);
    home.ok(&["item", "undo", &list]);
    assert_eq!(values(), ["true", "milk", "rye bread", "3"]);
    let (code, said) = home.fails(&["list", "move", &list, "0", "4"]);
    assert!(code == 1 && said.contains("positions 4 to 5 are not all in 0 to 4"), "{said}");
    let (code, said) = home.fails(&["text", "show", &list]);
    assert!(code == 1 && said.contains("has the model `list`, and is no `text`"), "{said}");
}
