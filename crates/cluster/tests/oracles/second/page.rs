//! The second evaluator over the examples of the language page, from which it was written.

use super::meaning::{Relations, stated};
use super::reader::{read, row};
use super::time::Clock;

const PAGE: &str = include_str!("../../../../../docs/language.md");

/// What this evaluator has no part in: diagnostics, parameters, what is shown, types of items.
const NOT_HERE: [&str; 7] = ["%!", "%$", "forbid", "use ", "limit", "%+ item(", "$"];

/// The examples, each with the line where it begins.
fn examples() -> Vec<(usize, String)> {
    let mut examples = Vec::new();
    let mut open = None;
    for (number, line) in PAGE.lines().enumerate() {
        match (line, &mut open) {
            ("```pomo", None) => open = Some((number + 1, String::new())),
            ("```", Some(_)) => examples.extend(open.take()),
            (line, Some((_, text))) => *text += &format!("{line}\n"),
            (_, None) => {}
        }
    }
    examples.retain(|(_, text)| NOT_HERE.iter().all(|what| !text.contains(what)));
    examples
}

/// Epoch by epoch, what the example says that the outputs hold.
fn holds(line: usize, text: &str) {
    let program = read(text);
    let mut clock = Clock::new(&program, u64::MAX);
    let mut inputs = stated(&program).expect("few rows");
    for (number, epoch) in text.split("%@").enumerate() {
        let mut expected = Relations::new();
        for said in epoch.lines().map(str::trim_start) {
            let (what, rest) = said.split_at_checked(2).unwrap_or_default();
            let (name, row) = if ["%+", "%-", "%="].contains(&what) { row(rest) } else { continue };
            match what {
                "%+" => drop(inputs.entry(name).or_default().insert(row)),
                "%-" => assert!(inputs.entry(name).or_default().remove(&row), "line {line}: it is not there"),
                _ => drop(expected.entry(name).or_default().insert(row)),
            }
        }
        let mut got = clock.epoch(&inputs).expect("few rows").relations;
        got.retain(|name, rows| program.outputs.contains(name) && !rows.is_empty());
        assert_eq!(got, expected, "the example at line {line}, epoch {number}");
        program.events.iter().for_each(|event| drop(inputs.remove(event)));
    }
}

#[test]
fn examples_of_the_page_come_to_what_it_says() {
    let examples = examples();
    assert!(examples.len() > 20, "only {} examples were found", examples.len());
    examples.iter().for_each(|(line, text)| holds(*line, text));
}
