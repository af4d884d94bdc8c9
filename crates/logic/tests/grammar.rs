//! The grammar of docs/language.md is the one the parser has: whatever it makes the parser reads, it reads every
//! example of the page, and it has every word and sign that the parser looks for.

use std::collections::{BTreeMap, BTreeSet};

use crate::ebnf::Grammar;
use motet_logic::{Catalog, Source, compile};
use proptest::prelude::*;

/// The blocks of the page that have a tag.
fn blocks(tag: &str) -> Vec<String> {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/language.md")).unwrap();
    let fence = format!("```{tag}");
    let mut found = Vec::new();
    for block in page.split("\n```").skip(1).step_by(2) {
        let (first, text) = block.split_once('\n').unwrap();
        if format!("```{first}").split(' ').next() == Some(&fence) {
            found.push(text.to_owned());
        }
    }
    found
}

fn grammar() -> Grammar {
    let [syntax, tokens] = blocks("ebnf").try_into().expect("the page has two blocks of grammar");
    Grammar::read(&syntax, &tokens)
}

/// The problems of a text that are of its form: not those of ranges, names and meaning.
fn malformed(text: &str) -> Vec<String> {
    let problems = match compile(&Source::new("sentence", text), &Catalog::default(), &BTreeMap::new()) {
        Ok(_) => return Vec::new(),
        Err(problems) => problems,
    };
    let of_form = |code: &str| ["L001", "L002", "L010", "L011", "L013", "L090"].contains(&code);
    problems
        .iter()
        .filter(|one| of_form(one.code))
        .map(|one| format!("{} {}", one.code, one.message))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn the_parser_reads_whatever_the_grammar_makes(choices in prop::collection::vec(any::<u16>(), 1..400)) {
        let sentence = grammar().sentence("program", choices);
        prop_assert!(malformed(&sentence).is_empty(), "{sentence}\n{:?}", malformed(&sentence));
    }
}

#[test]
fn the_grammar_reads_every_example() {
    let grammar = grammar();
    let examples = blocks("pomo");
    assert!(examples.len() > 20);
    for example in examples.iter().filter(|example| malformed(example).is_empty()) {
        assert!(grammar.reads("program", example), "the grammar does not read\n{example}");
    }
    for wrong in ["Edge(x: 1)", "Edge(1).", "Edge(x: 1) :- .", "input.", "P(x: X) :- X = 1.", "use a b."] {
        assert!(!grammar.reads("program", wrong), "the grammar reads {wrong}");
    }
}

#[test]
fn the_grammar_has_what_the_parser_looks_for() {
    let (terminals, wanted) = (grammar().terminals(), looked_for());
    assert!(wanted.len() > 20, "{wanted:?}");
    // These are looked for to say what they are not.
    let refused = ["=", "@"];
    let missing: Vec<_> = wanted
        .iter()
        .filter(|word| !terminals.contains(*word) && !refused.contains(&word.as_str()))
        .collect();
    assert!(missing.is_empty(), "not in the grammar: {missing:?}");
}

/// The words and signs that the parser's source asks for.
fn looked_for() -> BTreeSet<String> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let mut sources = std::fs::read_to_string(format!("{directory}/parser.rs")).unwrap();
    for file in std::fs::read_dir(format!("{directory}/parser")).unwrap() {
        let path = file.unwrap().path();
        // What other languages say is looked for to say that this one does not.
        if !path.ends_with("habits.rs") {
            sources += &std::fs::read_to_string(path).unwrap();
        }
    }
    let calls = [
        "is(\"",
        "is_word(\"",
        "accept(\"",
        "accept_word(\"",
        "self.expect(\"",
        "parser.expect(\"",
        "Token::Sign(\"",
    ];
    let after = |call| sources.split(call).skip(1).filter_map(|rest: &str| rest.split('"').next());
    calls.into_iter().flat_map(after).map(str::to_owned).collect()
}
