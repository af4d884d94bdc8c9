//! The examples of docs/language.md are tests: each block marked `pomo` is a program with what it reads and what it
//! gives, written in comments as the page itself explains under "How to read the examples".

use crate::examples::{Example, page};

#[test]
fn every_block_of_the_page_says_what_it_is() {
    for block in page() {
        let tag = block.tag.split(' ').next().unwrap_or_default();
        let known = ["pomo", "ebnf", "sh", "text", "json"].contains(&tag);
        assert!(known, "line {}: mark the block ```pomo if it is an example", block.line);
    }
}

#[test]
fn the_examples_of_the_page_give_what_it_says() {
    let examples: Vec<Example> = Example::of(&page());
    assert!(examples.len() > 20, "only {} examples were found", examples.len());
    examples.iter().for_each(Example::hold);
}

#[test]
#[should_panic(expected = "%= R(x: 2)")]
fn an_example_that_says_too_little_fails() {
    Example::written("output R.\nR(x: 1).\nR(x: 2).\n%= R(x: 1)\n").hold();
}

#[test]
#[should_panic(expected = "epoch 0")]
fn an_example_whose_rows_never_come_fails() {
    Example::written("output R.\ninput E.\nR(x: X) :- E(x: X).\n%= R(x: \"a\")\n").hold();
}

#[test]
#[should_panic(expected = "L020")]
fn an_example_with_a_mistake_fails() {
    Example::written("output R.\nR(x: X) :- missing(x: X, y: 1).\n").hold();
}
