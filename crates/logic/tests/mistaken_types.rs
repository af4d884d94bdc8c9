//! What people are told about their mistakes with types of items.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use motet_algebra::ColumnType;
use motet_fact::Value;
use motet_logic::{Catalog, Source, compile};

fn check(text: &str, catalog: &Catalog, expected: &Expect) {
    let parameters = BTreeMap::from([("who".to_owned(), Value::text("x"))]);
    let problems = match compile(&Source::new("test", text), catalog, &parameters) {
        Ok(compiled) => compiled.warnings,
        Err(problems) => problems,
    };
    expected.assert_eq(&problems.to_string());
}

#[test]
fn types_of_items() {
    let mut catalog = Catalog::default();
    let any = ColumnType::Any;
    catalog.add("item", &[("id", any), ("type", any), ("deleted", any)], false);
    catalog.add("attr", &[("entity", any), ("attribute", any), ("value", any)], false);
    check(
        "Reach(x: X) :- Reahc(x: X).
type::Task(id: X) :- Reach(x: X).
p(c: C) :- C := Task(title: \"a\").
q(x: X) :- Reach(x: X ?? 1).
r(x: X) :- Task(id: X ?? 0x00, title: _, title: _).
s(x: X) :- Task(id: X), !Task(id: X, title: Y).
u(x: X) :- Task(id: X, title: T ?? $none).
",
        &catalog,
        &expect![[r#"
            warning[L075]: no relation is called `Reahc`, so it is taken for a type
             --> test:1:16
              |
            1 | Reach(x: X) :- Reahc(x: X).
              |                ^^^^^
              = did you mean `Reach`? If not, write `type::Reahc`

            error[L033]: `Task` is a type: no rule may define it
             --> test:2:1
              |
            2 | type::Task(id: X) :- Reach(x: X).
              | ^^^^^^^^^^^^^^^^^
              = leave `type::` out, or write items

            error[L036]: `Task` is a type, and has no CID
             --> test:3:12
              |
            3 | p(c: C) :- C := Task(title: "a").
              |            ^
              = ask for the CID of one of its facts: C := fact(entity: E)

            error[L035]: `??` is for types, and `Reach` is a relation, whose columns all have values
             --> test:4:26
              |
            4 | q(x: X) :- Reach(x: X ?? 1).
              |                          ^
              = if the type is meant, write type::Reach(…)

            error[L035]: every item has an id
             --> test:5:26
              |
            5 | r(x: X) :- Task(id: X ?? 0x00, title: _, title: _).
              |                          ^^^^
              = leave the default out

            error[L031]: the column `title` is named twice
             --> test:5:42
              |
            5 | r(x: X) :- Task(id: X ?? 0x00, title: _, title: _).
              |                                          ^^^^^
              = to say two things of a column, use a variable and ==

            error[L051]: nothing binds `Y`
             --> test:6:45
              |
            6 | s(x: X) :- Task(id: X), !Task(id: X, title: Y).
              |                                             ^ a negation binds no variable
              = leave the column out, or write `_`, to say that no value does

            warning[L070]: `T` is used only once
             --> test:7:31
              |
            7 | u(x: X) :- Task(id: X, title: T ?? $none).
              |                               ^
              = leave the column out, or write `_` or `_T`

            error[L024]: there is no parameter `$none`
             --> test:7:36
              |
            7 | u(x: X) :- Task(id: X, title: T ?? $none).
              |                                    ^^^^^
              = there are: who
        "#]],
    );
    check(
        "t(x: X) :- Task(id: X ?? X).",
        &catalog,
        &expect![[r#"
        error[L010]: a default is a value or a parameter
         --> test:1:26
          |
        1 | t(x: X) :- Task(id: X ?? X).
          |                          ^
          = write it so: title: T ?? ""
    "#]],
    );
    check(
        "p(x: X) :- Task(id: X). q(x: X) :- type::Task(id: X).",
        &Catalog::default(),
        &expect![[r#"
            error[L020]: there is no type `Task`: there are no items here
             --> test:1:42
              |
            1 | p(x: X) :- Task(id: X). q(x: X) :- type::Task(id: X).
              |                                          ^^^^
              = types are for queries of a party: motet query
        "#]],
    );
}
