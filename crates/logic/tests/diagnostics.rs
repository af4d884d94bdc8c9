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

            error[L010]: wanted `,` or `)`, found `:-`
             --> test:6:8
              |
            6 | t(x: X :- edge(from: X).
              |        ^^ not expected here
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
              |      ^^^^^^ it starts here
              = end it with "; a line end in a text is written \n

            error[L010]: wanted `,` or `)`, found `p`
             --> test:2:1
              |
            2 | p(x: "a\qb").
              | ^ not expected here

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

            error[L010]: wanted a variable, a value or a term, found `)`
             --> test:6:7
              |
            6 | p(x: #).
              |       ^ not expected here

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
fn syntax() {
    check(
        "p(x: 1)
p(x: 2).
edge(X, Y) :- q(x: X).
r(x: X) :- q(x: X), X = 3.
r(x: X) :- q(x: abc).
r(x: X) :- S := sum : q(x: X).
relashun q(x: int).
relation q(x: integer).
r(x: X) :- q(x: X), y := count : q().
r(x: foo(X)) :- q(x: X).
r(x: abs(X, X)) :- q(x: X).
r(x: X) :- q(x: X)",
        &expect![[r#"
            error[L010]: wanted `.` at the end of the clause, found `p`
             --> test:1:7
              |
            1 | p(x: 1)
              |       ^ after this
              = end it with `.`

            error[L011]: an argument without the name of its column
             --> test:3:6
              |
            3 | edge(X, Y) :- q(x: X).
              |      ^
              = name the column, as in edge(from: X, to: Y); columns may be left out

            error[L013]: `=` is no comparison
             --> test:4:23
              |
            4 | r(x: X) :- q(x: X), X = 3.
              |                       ^
              = write `==`

            error[L010]: `abc` is neither a variable nor a value
             --> test:5:17
              |
            5 | r(x: X) :- q(x: abc).
              |                 ^^^
              = a text stands in quotes, "abc"; a variable begins with an upper-case letter

            error[L050]: nothing binds `X`
             --> test:6:6
              |
            6 | r(x: X) :- S := sum : q(x: X).
              |      ^ the head needs its value
              = a variable of an aggregated atom does not leave it: bind it with another atom, to make groups

            warning[L070]: `S` is used only once
             --> test:6:12
              |
            6 | r(x: X) :- S := sum : q(x: X).
              |            ^
              = leave the column out, or write `_` or `_S`

            warning[L071]: nothing defines `q`, so it is empty
             --> test:6:12
              |
            6 | r(x: X) :- S := sum : q(x: X).
              |            ^^^^^^^^^^^^^^^^^^
              = write rules for it, or `input q.`

            error[L010]: `sum` of what?
             --> test:6:17
              |
            6 | r(x: X) :- S := sum : q(x: X).
              |                 ^^^
              = name a variable of the atom, as in S := sum X : price(amount: X)

            error[L010]: `relashun` does not begin a declaration
             --> test:7:1
              |
            7 | relashun q(x: int).
              | ^^^^^^^^
              = did you mean `relation`?

            error[L022]: there is no type `integer`
             --> test:8:15
              |
            8 | relation q(x: integer).
              |               ^^^^^^^
              = there are: int, float, text, bool, bytes, link, any

            error[L010]: wanted a variable before `:=`, found `y`
             --> test:9:21
              |
            9 | r(x: X) :- q(x: X), y := count : q().
              |                     ^ not expected here
              = variables begin with an upper-case letter

            error[L023]: there is no function `foo`
              --> test:10:6
               |
            10 | r(x: foo(X)) :- q(x: X).
               |      ^^^
               = there are: float, int, abs, min2, max2, length, concat, contains, starts_with, lower

            error[L034]: `abs` wants 1 arguments and gets 2
              --> test:11:6
               |
            11 | r(x: abs(X, X)) :- q(x: X).
               |      ^^^^^^^^^

            error[L010]: wanted `.` at the end of the clause, found the end of the program
              --> test:12:18
               |
            12 | r(x: X) :- q(x: X)
               |                  ^ after this
               = end it with `.`
        "#]],
    );
}

#[test]
fn what_is_not_there_yet_says_so() {
    check(
        "p(x: X)@next :- q(x: X).
event q.
p(x: X) :- X := fold_moves Y : q(x: Y).
",
        &expect![[r#"
            error[L090]: `@next` is not there yet
             --> test:1:8
              |
            1 | p(x: X)@next :- q(x: X).
              |        ^
              = see docs/language.md for what there is

            error[L090]: `event` is not there yet
             --> test:2:1
              |
            2 | event q.
              | ^^^^^
              = see docs/language.md for what there is

            error[L090]: the aggregate `fold_moves` is not there yet
             --> test:3:17
              |
            3 | p(x: X) :- X := fold_moves Y : q(x: Y).
              |                 ^^^^^^^^^^
              = see docs/language.md for what there is
        "#]],
    );
}

#[test]
fn variables() {
    check(
        "n(x: 1).
a(x: X) :- n(x: 1).
b(x: 1) :- n(x: 1), !n(x: Y).
c(x: X) :- n(x: X), Y < X.
d(x: _) :- n(x: 1).
e(x: X, n: N) :- N := count : n(x: X).
f(n: N) :- n(x: X), N := sum X : n(x: X).
g(n: N) :- N := max N : n(x: N).
h(x: X) :- n(x: X + 1).
i(x: X) :- X == Y, Y == X.
j(x: 1) :- n(x: Unused), n(x: _Fine).
k(x: X) :- n(x: X), Z == Y + 1, !n(x: Y), !n(x: Z).
",
        &expect![[r#"
            error[L050]: nothing binds `X`
             --> test:2:6
              |
            2 | a(x: X) :- n(x: 1).
              |      ^ the head needs its value
              = name it in an atom of the body that is not negated, or give it a value: X == …

            error[L051]: nothing binds `Y`
             --> test:3:27
              |
            3 | b(x: 1) :- n(x: 1), !n(x: Y).
              |                           ^ a negation binds no variable
              = leave the column out, or write `_`, to say that no value does

            error[L050]: nothing binds `Y`
             --> test:4:21
              |
            4 | c(x: X) :- n(x: X), Y < X.
              |                     ^^^^^ its value is needed here
              = name it in an atom of the body that is not negated, or give it a value: X == …

            error[L053]: `_` stands for no value here
             --> test:5:6
              |
            5 | d(x: _) :- n(x: 1).
              |      ^
              = use a variable that the body binds

            error[L050]: nothing binds `X`
             --> test:6:6
              |
            6 | e(x: X, n: N) :- N := count : n(x: X).
              |      ^ the head needs its value
              = a variable of an aggregated atom does not leave it: bind it with another atom, to make groups

            error[L052]: `X` is aggregated and is bound outside the aggregate too
             --> test:7:21
              |
            7 | f(n: N) :- n(x: X), N := sum X : n(x: X).
              |                     ^^^^^^^^^^^^^^^^^^^^
              = give the aggregated variable a name of its own

            error[L052]: `N` is the result and stands in the aggregated atom
             --> test:8:12
              |
            8 | g(n: N) :- N := max N : n(x: N).
              |            ^^^^^^^^^^^^^^^^^^^^
              = use two variables

            error[L050]: nothing binds `X`
             --> test:9:17
              |
            9 | h(x: X) :- n(x: X + 1).
              |                 ^^^^^ its value is needed here
              = name it in an atom of the body that is not negated, or give it a value: X == …

            error[L050]: nothing binds `X`
              --> test:10:12
               |
            10 | i(x: X) :- X == Y, Y == X.
               |            ^^^^^^ its value is needed here
               = name it in an atom of the body that is not negated, or give it a value: X == …

            error[L050]: nothing binds `Y`
              --> test:10:12
               |
            10 | i(x: X) :- X == Y, Y == X.
               |            ^^^^^^ its value is needed here
               = name it in an atom of the body that is not negated, or give it a value: X == …

            warning[L070]: `Unused` is used only once
              --> test:11:17
               |
            11 | j(x: 1) :- n(x: Unused), n(x: _Fine).
               |                 ^^^^^^
               = leave the column out, or write `_` or `_Unused`

            error[L050]: nothing binds `Y`
              --> test:12:21
               |
            12 | k(x: X) :- n(x: X), Z == Y + 1, !n(x: Y), !n(x: Z).
               |                     ^^^^^^^^^^ its value is needed here
               = name it in an atom of the body that is not negated, or give it a value: X == …

            error[L050]: nothing binds `Z`
              --> test:12:21
               |
            12 | k(x: X) :- n(x: X), Z == Y + 1, !n(x: Y), !n(x: Z).
               |                     ^^^^^^^^^^ its value is needed here
               = name it in an atom of the body that is not negated, or give it a value: X == …
        "#]],
    );
}

#[test]
fn types_must_fit() {
    check(
        "relation f(x: float). relation i(x: int). relation t(x: text).
f(x: 1).
f(x: X) :- i(x: X).
a(x: X) :- i(x: X), t(x: X).
b(x: X) :- i(x: X), t(x: T), X < T.
c(x: X + Y) :- i(x: X), f(x: Y).
d(x: X) :- f(x: X), X == 1.
e(n: S) :- S := sum X : t(x: X).
g(x: X) :- t(x: X), t(x: 3), i(x: \"4\").
i(x: 1 / 0).
j(x: X) :- i(x: X), X > 0.5.
",
        &expect![[r#"
            error[L040]: `f.x` is float and this is int
             --> test:2:6
              |
            2 | f(x: 1).
              |      ^
              = write 1.0

            error[L040]: `f.x` is float and this is int
             --> test:3:6
              |
            3 | f(x: X) :- i(x: X).
              |      ^
              = convert it: float(…)

            warning[L071]: nothing defines `t`, so it is empty
             --> test:4:21
              |
            4 | a(x: X) :- i(x: X), t(x: X).
              |                     ^^^^^^^
              = write rules for it, or `input t.`

            error[L040]: `X` is int elsewhere and text here, so it equals nothing
             --> test:4:26
              |
            4 | a(x: X) :- i(x: X), t(x: X).
              |                          ^ a column of type text

            error[L041]: int and text have no order between them
             --> test:5:30
              |
            5 | b(x: X) :- i(x: X), t(x: T), X < T.
              |                              ^^^^^

            error[L042]: `+` has no value for int and float
             --> test:6:6
              |
            6 | c(x: X + Y) :- i(x: X), f(x: Y).
              |      ^^^^^
              = arithmetic never mixes kinds: convert with float(X) or int(X), or write 1.0

            warning[L074]: float == int never holds
             --> test:7:21
              |
            7 | d(x: X) :- f(x: X), X == 1.
              |                     ^^^^^^
              = 1 and 1.0 are different values: convert with float(X) or int(X), or write 1.0

            error[L042]: `sum` of text
             --> test:8:12
              |
            8 | e(n: S) :- S := sum X : t(x: X).
              |            ^^^^^^^^^^^^^^^^^^^^

            error[L040]: `t.x` is text and this is int
             --> test:9:26
              |
            9 | g(x: X) :- t(x: X), t(x: 3), i(x: "4").
              |                          ^
              = write "3"

            error[L040]: `i.x` is int and this is text
             --> test:9:35
              |
            9 | g(x: X) :- t(x: X), t(x: 3), i(x: "4").
              |                                   ^^^
              = write 4 without quotes

            warning[L072]: this has no value, so the clause derives nothing
              --> test:10:6
               |
            10 | i(x: 1 / 0).
               |      ^^^^^ overflow, division by zero, or the wrong kind
        "#]],
    );
}

#[test]
fn heads_and_declarations() {
    check(
        "relation p(x: int, y: int, x: int).
relation p(x: int).
q(x: 1, y: 2).
q(x: 1).
q(x: 1, z: 2, x: 3).
input p. input p. output nothing.
r(x: X) :- p(x: X, x: 3), X == $whom, X != $who.
",
        &expect![[r#"
            error[L031]: `p` has two columns `x`
             --> test:1:28
              |
            1 | relation p(x: int, y: int, x: int).
              |                            ^

            error[L030]: `p` is declared twice
             --> test:2:10
              |
            2 | relation p(x: int).
              |          ^
              = give this one another name

            error[L032]: the head does not say what `y` holds
             --> test:4:1
              |
            4 | q(x: 1).
              | ^^^^^^^
              = all heads of `q` name the same columns

            error[L032]: the head does not say what `y` holds
             --> test:5:1
              |
            5 | q(x: 1, z: 2, x: 3).
              | ^^^^^^^^^^^^^^^^^^^
              = all heads of `q` name the same columns

            error[L021]: `q` has no column `z`
             --> test:5:9
              |
            5 | q(x: 1, z: 2, x: 3).
              |         ^
              = there are: x, y

            error[L031]: the column `x` is named twice
             --> test:5:15
              |
            5 | q(x: 1, z: 2, x: 3).
              |               ^
              = to say two things of a column, use a variable and ==

            warning[L073]: `p` is declared an input twice
             --> test:6:16
              |
            6 | input p. input p. output nothing.
              |                ^

            error[L020]: there is no relation `nothing`
             --> test:6:26
              |
            6 | input p. input p. output nothing.
              |                          ^^^^^^^ neither declared nor derived
              = there are: p, q, r

            error[L031]: the column `x` is named twice
             --> test:7:20
              |
            7 | r(x: X) :- p(x: X, x: 3), X == $whom, X != $who.
              |                    ^
              = to say two things of a column, use a variable and ==

            error[L024]: there is no parameter `$whom`
             --> test:7:32
              |
            7 | r(x: X) :- p(x: X, x: 3), X == $whom, X != $who.
              |                                ^^^^^
              = did you mean `who`?

            warning[L074]: int != text always holds
             --> test:7:39
              |
            7 | r(x: X) :- p(x: X, x: 3), X == $whom, X != $who.
              |                                       ^^^^^^^^^
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

            error[L010]: wanted `(` after the relation `forbid`, found `.`
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
