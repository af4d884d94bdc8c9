//! What people are told about their mistakes.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use motet_fact::Value;
use motet_logic::{Catalog, Source, compile};

fn check(text: &str, expected: &Expect) {
    let parameters = BTreeMap::from([("who".to_owned(), Value::text("x"))]);
    let problems = match compile(&Source::new("test", text), &Catalog::default(), &parameters) {
        Ok(compiled) => compiled.warnings,
        Err(problems) => problems,
    };
    expected.assert_eq(&problems.to_string());
}

#[test]
fn every_problem_is_told_at_once_in_the_order_of_the_text() {
    check(
        "relation edge(from: int, to: int).
p(x: X) :- egde(from: X).
q(x: X, y: Y) :- edge(from: X, tow: Y).
r(x: Z) :- edge(from: X).
s(x: X) :- edge(from: X, to: \"a\").
t(x: X :- edge(from: X).
u(x: X) :- t(x: X), edge(from: X).
",
        &expect![[r#"
            error[L020]: there is no relation `egde`
             --> test:2:12
              |
            2 | p(x: X) :- egde(from: X).
              |            ^^^^ neither declared nor derived
              = did you mean `edge`?

            warning[L071]: nothing defines `edge`, so it is empty
             --> test:3:18
              |
            3 | q(x: X, y: Y) :- edge(from: X, tow: Y).
              |                  ^^^^^^^^^^^^^^^^^^^^^
              = write rules for it, or `input edge.`

            error[L021]: `edge` has no column `tow`
             --> test:3:32
              |
            3 | q(x: X, y: Y) :- edge(from: X, tow: Y).
              |                                ^^^
              = did you mean `to`?

            error[L050]: nothing binds `Z`
             --> test:4:6
              |
            4 | r(x: Z) :- edge(from: X).
              |      ^ the head needs its value
              = name it in an atom of the body that is not negated, or give it a value: X == …

            warning[L070]: `X` is used only once
             --> test:4:23
              |
            4 | r(x: Z) :- edge(from: X).
              |                       ^
              = leave the column out, or write `_` or `_X`

            error[L040]: `edge.to` is int and this is text
             --> test:5:30
              |
            5 | s(x: X) :- edge(from: X, to: "a").
              |                              ^^^
              = wanted is an int: write digits, from -9223372036854775808 to 9223372036854775807

            error[L010]: wanted `,` or `)`, found `:-`
             --> test:6:8
              |
            6 | t(x: X :- edge(from: X).
              |        ^^ not expected here
              = write `)` here
        "#]],
    );
}

#[test]
fn characters_and_literals() {
    check(
        "p(x: \"abc).\np(x: \"a\\qb\").\np(x: 0x123).\np(x: 99999999999999999999).\np(x: link\"abc\").\np(x: #).\np(x: 9223372036854775808).\n",
        &expect![[r#"
            error[L002]: a text does not end on its line
             --> test:1:6
              |
            1 | p(x: "abc).
              |      ^^^^ it starts here
              = end it with "; a line end in a text is written \n

            error[L002]: an escape that means nothing
             --> test:2:8
              |
            2 | p(x: "a\qb").
              |        ^^
              = there are \" \` \\ \n \r \t \0 and \u{hex}

            error[L004]: these are not bytes
             --> test:3:6
              |
            3 | p(x: 0x123).
              |      ^^^^^
              = write 0x and two hexadecimal digits for each byte

            error[L003]: this int does not fit 64 bits
             --> test:4:6
              |
            4 | p(x: 99999999999999999999).
              |      ^^^^^^^^^^^^^^^^^^^^
              = ints go from -9223372036854775808 to 9223372036854775807

            error[L004]: not a CID: Failed to parse multihash
             --> test:5:6
              |
            5 | p(x: link"abc").
              |      ^^^^^^^^^ not a link
              = a link is written link"bafy…", with a CIDv1 of dag-cbor or raw and sha2-256

            error[L001]: '#' means nothing here
             --> test:6:6
              |
            6 | p(x: #).
              |      ^
              = leave it out, or put the text it is part of in quotes

            error[L003]: this int does not fit 64 bits
             --> test:7:6
              |
            7 | p(x: 9223372036854775808).
              |      ^^^^^^^^^^^^^^^^^^^
              = ints go from -9223372036854775808 to 9223372036854775807
        "#]],
    );
}

#[test]
fn cycles_without_meaning_are_named() {
    check(
        "move(from: 1, to: 2).
win(x: X) :- move(from: X, to: Y), !win(x: Y).
a(x: X) :- move(from: X), b(x: X).
b(x: X) :- c(x: X).
c(x: N) :- N := count : a().
d(c: C) :- C := d().
",
        &expect![[r#"
            error[L060]: `win` must be complete here, and depends on this very clause
             --> test:2:36
              |
            2 | win(x: X) :- move(from: X, to: Y), !win(x: Y).
              |                                    ^^^^^^^^^^ cycle: win → !win
              = break the cycle: let one of these rules read a relation that is computed before

            error[L060]: `a` must be complete here, and depends on this very clause
             --> test:5:12
              |
            5 | c(x: N) :- N := count : a().
              |            ^^^^^^^^^^^^^^^^ cycle: c → count a → b → c
              = break the cycle: let one of these rules read a relation that is computed before

            error[L061]: the CID of `d` is used to compute `d`
             --> test:6:12
              |
            6 | d(c: C) :- C := d().
              |            ^^^^^^^^ cycle: d → the CID of d
              = break the cycle: let one of these rules read a relation that is computed before
        "#]],
    );
}

#[test]
fn relations_that_nothing_fills() {
    check(
        "relation p(x: int).\nq(x: X) :- p(x: X).\noutput q.",
        &expect![[r#"
        warning[L071]: nothing defines `p`, so it is empty
         --> test:2:12
          |
        2 | q(x: X) :- p(x: X).
          |            ^^^^^^^
          = write rules for it, or `input p.`
    "#]],
    );
}

#[test]
fn outputs_and_what_must_not_be() {
    check(
        "p(x: 1, size: 2).
output p order by sise desc, x limit many.
output p order x.
output p order by sise.
output p limit -1.
forbid p(x: 1).
forbid.
forbid :- p(x: X), Y > 1.
`forbid~1`(x: X) :- p(x: X).
",
        &expect![[r#"
            error[L010]: wanted a number of rows after `limit`, found `many`
             --> test:2:38
              |
            2 | output p order by sise desc, x limit many.
              |                                      ^^^^ not expected here

            error[L010]: wanted `by` after `order`, found `x`
             --> test:3:16
              |
            3 | output p order x.
              |                ^ not expected here

            error[L021]: `p` has no column `sise`
             --> test:4:19
              |
            4 | output p order by sise.
              |                   ^^^^
              = did you mean `size`?

            error[L010]: wanted a number of rows after `limit`, found `-`
             --> test:5:16
              |
            5 | output p limit -1.
              |                ^ not expected here

            error[L010]: wanted `:-` and a body after `forbid`, found `p`
             --> test:6:8
              |
            6 | forbid p(x: 1).
              |        ^ not expected here

            error[L010]: wanted `:-` and a body after `forbid`, found `.`
             --> test:7:7
              |
            7 | forbid.
              |       ^ not expected here

            error[L050]: nothing binds `Y`
             --> test:8:20
              |
            8 | forbid :- p(x: X), Y > 1.
              |                    ^^^^^ its value is needed here
              = name it in an atom of the body that is not negated, or give it a value: X == …

            error[L010]: names like `forbid~1` are made by the compiler
             --> test:9:1
              |
            9 | `forbid~1`(x: X) :- p(x: X).
              | ^^^^^^^^^^
              = take another name
        "#]],
    );
}

/// A program on one line with a mistake in the middle, and what is said of it.
fn told_of_line(before: &str, mistake: &str, after: &str) -> Vec<String> {
    let text = format!("p(x: 1). {before}q(x: X) :- {mistake}(x: X). {after}");
    let problems =
        compile(&Source::new("test", text), &Catalog::default(), &BTreeMap::new()).expect_err("it is wrong");
    problems.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn of_a_long_line_what_is_around_the_place_is_shown() {
    let fact = "p(x: \"ä €\"). ";
    for (before, after) in [(0, 0), (0, 1_000), (2, 0), (3, 1_000), (4, 1), (1_000, 0), (1_000, 1_000)] {
        let told = told_of_line(&fact.repeat(before), "mistake", &fact.repeat(after));
        let [_, place, _, line, under, ..] = told.as_slice() else { panic!("{told:?}") };
        let column = 9 + 13 * before + 12;
        assert!(place.ends_with(&format!("test:1:{column}")), "{place}");
        assert!(line.chars().count() < 140, "{line}");
        let start = under.find('^').unwrap();
        assert_eq!(under[start..].split(' ').next(), Some("^^^^^^^"), "{under}");
        let marked: String = line.chars().skip(start).take(7).collect();
        assert_eq!(marked, "mistake", "{line}\n{under}");
        let whole = 9 + 13 * (before + after) + 26 <= 120;
        assert_eq!(line.contains('…'), !whole, "{line}");
    }
}

#[test]
fn names_of_any_length_do_not_fill_the_screen() {
    let told = told_of_line("", &"m".repeat(100_000), "");
    assert!(told.iter().all(|line| line.chars().count() < 500), "{told:?}");
    assert_eq!(told[1].trim(), "--> test:1:21");
}
