//! What programs derive: each is run by the evaluator that defines the semantics, and its outputs are compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use expect_test::{Expect, expect};
use motet_algebra::{Budget, Changes, ColumnType, Naive, Runtime};
use motet_fact::{Kind, Value};
use motet_logic::{Catalog, Compiled, Monotonicity, Source, compile};

fn compiled(text: &str, catalog: &Catalog, parameters: &[(&str, Value)]) -> Compiled {
    let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    compile(&Source::new("test", text), catalog, &parameters).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Runs a compiled program on its own facts, and prints each output.
fn run(compiled: &Compiled, inputs: Changes) -> String {
    let mut runtime = Naive::new(compiled.program.clone()).expect("compiled programs are sound");
    let mut all = inputs;
    for (name, rows) in &compiled.facts {
        all.entry(name.clone()).or_default().extend(rows.iter().map(|row| (row.clone(), 1)));
    }
    runtime.step(&all, Budget::default()).expect("the inputs fit");
    let mut text = String::new();
    let broken = compiled.violations.iter().map(|violation| &violation.relation);
    for output in compiled.outputs.iter().chain(broken) {
        let rows = output.arrange(runtime.output(&output.name).cloned().collect());
        let rows: Vec<_> = rows.iter().map(|row| format!("{row:?}")).collect();
        writeln!(text, "{output}: {}", rows.join(" ")).expect("a string takes everything");
    }
    text
}

fn check(text: &str, expected: &Expect) {
    expected.assert_eq(&run(&compiled(text, &Catalog::default(), &[]), Changes::new()));
}

#[test]
fn recursion_negation_and_nullary_relations() {
    check(
        r#"
        edge(from: "a", to: "b"). edge(from: "b", to: "c"). edge(from: "c", to: "a"). edge(from: "d", to: "d").
        path(from: X, to: Y) :- edge(from: X, to: Y).
        path(from: X, to: Z) :- edge(from: X, to: Y), path(from: Y, to: Z).
        node(x: X) :- edge(from: X).  node(x: X) :- edge(to: X).
        apart(x: X, y: Y) :- node(x: X), node(x: Y), !path(from: X, to: Y), X < Y.
        cyclic() :- path(from: X, to: X).
        loose() :- node(x: X), !edge(from: X, to: _), !edge(to: X).
        lonely(x: X) :- node(x: X), !path(from: X).
        output apart. output cyclic. output loose. output lonely.
        "#,
        &expect![[r#"
            apart(x: text, y: text): ["a", "d"] ["b", "d"] ["c", "d"]
            cyclic(): []
            lonely(x: text): 
            loose(): 
        "#]],
    );
}

#[test]
fn aggregates_range_over_distinct_full_tuples() {
    // PL-24: two products of one category with the same quantity make 10. PL-25: of nothing, count and sum are zero.
    check(
        r#"
        relation stock(product: text, category: text, quantity: int).
        stock(product: "pear", category: "fruit", quantity: 5).
        stock(product: "fig", category: "fruit", quantity: 5).
        stock(product: "leek", category: "vegetable", quantity: 3).
        category(name: "fruit"). category(name: "vegetable"). category(name: "spice").
        total(category: C, quantity: T) :- category(name: C), T := sum Q : stock(category: C, quantity: Q).
        kinds(category: C, n: N) :- category(name: C), N := count : stock(category: C).
        quantities(n: N) :- N := count Q : stock(quantity: Q).
        most(category: C, q: M) :- category(name: C), M := max Q : stock(category: C, quantity: Q).
        none(n: N) :- N := count : stock(category: "spice").
        least(q: M) :- M := min Q : stock(category: "spice", quantity: Q).
        many(category: C) :- category(name: C), N := count : stock(category: C), N >= 2.
        exactly(category: C) :- category(name: C), wanted(n: N), N := count : stock(category: C).
        wanted(n: 0). wanted(n: 1).
        output total. output kinds. output quantities. output most. output none. output least. output many.
        output exactly.
        "#,
        &expect![[r#"
            exactly(category: text): ["spice"] ["vegetable"]
            kinds(category: text, n: int): ["fruit", 2] ["spice", 0] ["vegetable", 1]
            least(q: int): 
            many(category: text): ["fruit"]
            most(category: text, q: int): ["fruit", 5] ["vegetable", 3]
            none(n: int): [0]
            quantities(n: int): [2]
            total(category: text, quantity: int): ["fruit", 10] ["spice", 0] ["vegetable", 3]
        "#]],
    );
}

#[test]
fn means_best_rows_and_ranks() {
    check(
        r#"
        relation score(team: text, name: text, points: int, tries: int).
        score(team: "a", name: "ann", points: 7, tries: 2). score(team: "a", name: "bob", points: 9, tries: 3).
        score(team: "a", name: "cid", points: 9, tries: 1). score(team: "b", name: "dan", points: 2, tries: 1).
        team(name: "a"). team(name: "b"). team(name: "c").
        mean(team: T, m: M) :- team(name: T), M := mean P : score(team: T, points: P).
        all(m: M) :- M := mean P : score(points: P).
        best(team: T, name: N) :- team(name: T), N := arg_max X by P : score(team: T, name: X, points: P).
        least(name: N) :- N := arg_min X by P, C : score(name: X, points: P, tries: C).
        quick(team: T, name: N) :- team(name: T), N := arg_max X by P, C : score(team: T, name: X, points: P, tries: C).
        place(name: X, r: R) :- R := rank X by P : score(name: X, points: P).
        within(team: T, name: X, r: R) :- team(name: T), R := rank X by P, C : score(team: T, name: X, points: P, tries: C).
        of_some(name: X, r: R) :- some(name: X), R := rank X by P : score(name: X, points: P).
        some(name: "bob"). some(name: "eve").
        second(name: X) :- two(r: R), R := rank X by P : score(name: X, points: P).
        two(r: 2).
        output mean. output all. output best. output least. output quick. output place. output within.
        output of_some. output second.
        "#,
        &expect![[r#"
            all(m: float): [6.75]
            best(team: text, name: text): ["a", "cid"] ["b", "dan"]
            least(name: text): ["dan"]
            mean(team: text, m: float): ["a", 8.333333333333334] ["b", 2.0]
            of_some(name: text, r: int): ["bob", 3]
            place(name: text, r: int): ["ann", 2] ["bob", 3] ["cid", 3] ["dan", 1]
            quick(team: text, name: text): ["a", "bob"] ["b", "dan"]
            second(name: text): ["ann"]
            within(team: text, name: text, r: int): ["a", "ann", 1] ["a", "bob", 3] ["a", "cid", 2] ["b", "dan", 1]
        "#]],
    );
}

#[test]
fn outputs_have_an_order_and_a_limit() {
    check(
        r#"
        relation score(name: text, points: any).
        score(name: "ann", points: 7). score(name: "bob", points: 7.5). score(name: "cid", points: 9).
        score(name: "dan", points: 7). score(name: "eve", points: 7.0).
        best(name: N, points: P) :- score(name: N, points: P).
        first(name: N) :- score(name: N).
        last(name: N) :- score(name: N).
        none(name: N) :- score(name: N).
        output best order by points desc, name asc. output first limit 2. output last order by name desc limit 2.
        output none limit 0.
        "#,
        &expect![[r#"
            best(name: text, points: any): ["cid", 9] ["bob", 7.5] ["eve", 7.0] ["ann", 7] ["dan", 7]
            first(name: text): ["ann"] ["bob"]
            last(name: text): ["eve"] ["dan"]
            none(name: text): 
        "#]],
    );
}

#[test]
fn what_must_not_be_is_reported_beside_the_outputs() {
    let program = r#"
        p(x: 1, y: 2). p(x: 2, y: 2). p(x: 3, y: 9).
        all(x: X) :- p(x: X).
        forbid :- p(x: X, y: Y), X == Y.
        forbid :- p(x: X, y: _Y), !p(y: X), N := count : p(x: X), N > 0.
        forbid :- p(x: 4).
        output all.
        "#;
    check(
        program,
        &expect![[r#"
        all(x: int): [1] [2] [3]
        forbid~1(X: int, Y: int): [2, 2]
        forbid~2(X: int, N: int): [1, 1] [3, 1]
        forbid~3(): 
    "#]],
    );
    let compiled = compiled(program, &Catalog::default(), &[]);
    assert!(compiled.warnings.is_empty(), "{}", compiled.warnings);
    assert_eq!(compiled.violations[2].rule, "forbid :- p(x: 4).");
    assert_eq!(compiled.outputs.len(), 1, "a violation is no output");
}

#[test]
fn an_undefined_sum_is_neither_a_sum_nor_zero() {
    check(
        "
        relation big(k: int, op: int, n: int).
        big(k: 1, op: 1, n: 9223372036854775807). big(k: 1, op: 2, n: 1). big(k: 2, op: 1, n: 7).
        key(k: 1). key(k: 2). key(k: 3).
        total(k: K, n: S) :- key(k: K), S := sum N : big(k: K, n: N).
        all(n: S) :- S := sum N : big(n: N).
        floats(n: S) :- S := sum N : weight(n: N). relation weight(n: float).
        output total. output all. output floats.
        ",
        &expect![[r#"
            all(n: int): 
            floats(n: float): [0.0]
            total(k: int, n: int): [2, 7] [3, 0]
        "#]],
    );
}

#[test]
fn terms_stand_in_heads_atoms_and_conditions() {
    check(
        r#"
        n(x: 1). n(x: 2). n(x: 3). n(x: 4).
        double(x: X, y: 2 * X) :- n(x: X).
        half(x: X, y: Y) :- double(x: Y, y: X).
        next(x: X, y: Y) :- n(x: X), Y == X + 1, n(x: Y).
        after(x: X) :- n(x: X), n(x: (X - 1)).
        last(x: X) :- n(x: X), !n(x: X + 1).
        odd(x: X) :- n(x: X), X % 2 == 1.
        swapped(x: Y, y: X) :- next(x: X, y: Y).
        twice(x: X, y: X) :- n(x: X), X > 3.
        by_zero(x: 6 / (X - 2)) :- n(x: X).
        three(x: X) :- 3 == X.
        mixed(x: float(X) / 2.0, t: concat("n", T)) :- n(x: X), X <= 2, name(x: X, t: T).
        name(x: 1, t: "ONE"). name(x: 2, t: lower("TWO")).
        same(x: X) :- pair(a: X, b: X).
        pair(a: 1, b: 1). pair(a: 1, b: 2). pair(a: -3, b: -3).
        output double. output half. output next. output after. output last. output odd. output swapped.
        output twice. output by_zero. output three. output mixed. output same.
        "#,
        &expect![[r#"
            after(x: int): [2] [3] [4]
            by_zero(x: int): [-6] [3] [6]
            double(x: int, y: int): [1, 2] [2, 4] [3, 6] [4, 8]
            half(x: int, y: int): [2, 1] [4, 2] [6, 3] [8, 4]
            last(x: int): [4]
            mixed(x: float, t: text): [0.5, "nONE"] [1.0, "ntwo"]
            next(x: int, y: int): [1, 2] [2, 3] [3, 4]
            odd(x: int): [1] [3]
            same(x: int): [-3] [1]
            swapped(x: int, y: int): [2, 1] [3, 2] [4, 3]
            three(x: int): [3]
            twice(x: int, y: int): [4, 4]
        "#]],
    );
}

#[test]
fn any_columns_hold_every_kind_and_typed_heads_take_theirs_only() {
    check(
        r#"
        relation v(x: any).
        v(x: true). v(x: 1). v(x: 1.0). v(x: "t"). v(x: ""). v(x: 0x00). v(x: 0x).
        v(x: link"bafyreiahrv25vu4rsudgcyvskdfxdlv3pi6zoytzkukbfhigqwjvuaebyq").
        relation b(x: bool). b(x: X) :- v(x: X).
        relation i(x: int). i(x: X) :- v(x: X).
        relation f(x: float). f(x: X) :- v(x: X).
        relation t(x: text). t(x: X) :- v(x: X).
        relation y(x: bytes). y(x: X) :- v(x: X).
        relation l(x: link). l(x: X) :- v(x: X).
        top(x: M) :- M := max X : v(x: X).
        less(x: X) :- v(x: X), X < 1.0.
        output b. output i. output f. output t. output y. output l. output top. output less.
        "#,
        &expect![[r#"
            b(x: bool): [true]
            f(x: float): [1.0]
            i(x: int): [1]
            l(x: link): [bafyreiahrv25vu4rsudgcyvskdfxdlv3pi6zoytzkukbfhigqwjvuaebyq]
            less(x: any): [true] [1]
            t(x: text): [""] ["t"]
            top(x: any): [bafyreiahrv25vu4rsudgcyvskdfxdlv3pi6zoytzkukbfhigqwjvuaebyq]
            y(x: bytes): [0x] [0x00]
        "#]],
    );
}

#[test]
fn cids_of_derived_rows_are_the_hash_of_relation_and_columns() {
    let text = "
        p(x: 1). p(x: 2).
        q(c: C, x: X) :- C := p(x: X), X < 2.
        back(x: X) :- q(c: C), C := p(x: X).
        output q. output back.";
    let cid = motet_fact::codec::tuple_cid("p", [("x", &Value::Int(1))]);
    let expected = format!("back(x: int): [1]\nq(c: link, x: int): [{cid}, 1]\n");
    assert_eq!(run(&compiled(text, &Catalog::default(), &[]), Changes::new()), expected);
}

#[test]
fn base_relations_are_deduplicated_unless_their_cid_is_asked_for() {
    let mut catalog = Catalog::default();
    let (bytes, text) = (ColumnType::Kind(Kind::Bytes), ColumnType::Kind(Kind::Text));
    catalog.add("fact", &[("entity", bytes), ("attribute", text), ("value", ColumnType::Any)], true);
    catalog.add("attr", &[("entity", bytes)], false).mark_convergent("attr");
    let program = r#"
        total(n: S) :- S := sum V : fact(attribute: "n", value: V).
        facts(c: C) :- C := fact(attribute: "n").
        values(v: V) :- fact(value: V).
        winners(e: E) :- attr(entity: E).
        output total. output facts. output values. output winners."#;
    let compiled = compiled(program, &catalog, &[]);
    let bases: Vec<_> = compiled.bases.iter().map(|base| (&*base.name, base.has_cid)).collect();
    assert_eq!(bases, [("attr", false), ("fact", true)]);
    let classes: Vec<_> = compiled.classes.values().copied().collect();
    assert_eq!(
        classes,
        [Monotonicity::Monotone, Monotonicity::Convergent, Monotonicity::Monotone, Monotonicity::Convergent]
    );
    let row = |value: i64, cid: i64| {
        let cid = motet_fact::codec::tuple_cid("", [("n", &Value::Int(cid))]);
        (vec![Value::bytes(vec![1]), "n".into(), Value::Int(value), Value::Link(cid)], 1)
    };
    let inputs = Changes::from([("fact".into(), vec![row(5, 1), row(5, 2), row(7, 3)])]);
    let result = run(&compiled, inputs);
    assert!(result.contains("total(n: any): [12]"), "two facts of one tuple count once (Q6): {result}");
    assert_eq!(result.lines().next().map(|line| line.matches("bafy").count()), Some(3));
}

/// A few tasks: 1 has a title and is done, 2 has only a title, 3 has two titles, 4 nothing, 5 is deleted, 6 is a note.
fn tasks() -> (Catalog, Changes) {
    let (bytes, text) = (ColumnType::Kind(Kind::Bytes), ColumnType::Kind(Kind::Text));
    let mut catalog = Catalog::default();
    catalog.add("item", &[("id", bytes), ("type", text), ("deleted", ColumnType::Kind(Kind::Bool))], false);
    catalog.add(
        "attr",
        &[("entity", bytes), ("attribute", ColumnType::Any), ("value", ColumnType::Any)],
        false,
    );
    catalog.mark_convergent("item").mark_convergent("attr");
    let id = |number: u8| Value::bytes(vec![number]);
    let item = |(number, kind): (u8, &str)| (vec![id(number), kind.into(), (number == 5).into()], 1);
    let items = [(1, "Task"), (2, "Task"), (3, "Task"), (4, "Task"), (5, "Task"), (6, "Note")].map(item);
    let attr = |number: u8, name: &str, value: Value| (vec![id(number), name.into(), value], 1);
    let attrs = [
        attr(1, "done", true.into()),
        attr(1, "title", "one".into()),
        attr(2, "title", "two".into()),
        attr(3, "title", "drei".into()),
        attr(3, "title", "three".into()),
        attr(5, "title", "five".into()),
        attr(6, "title", "six".into()),
    ];
    (catalog, Changes::from([("item".into(), items.to_vec()), ("attr".into(), attrs.to_vec())]))
}

fn check_tasks(text: &str, expected: &Expect) {
    let (catalog, inputs) = tasks();
    let compiled = compiled(text, &catalog, &[("none", "-".into())]);
    assert!(compiled.warnings.is_empty(), "{}", compiled.warnings);
    let mut read = inputs;
    read.retain(|name, _| compiled.bases.iter().any(|base| base.name == *name));
    expected.assert_eq(&run(&compiled, read));
}

#[test]
fn types_are_relations_of_items_and_their_attributes() {
    check_tasks(
        r#"
        all(id: E) :- Task(id: E).
        some() :- Task().
        titles(title: T) :- Task(title: T).
        titled(id: E) :- Task(id: E, title: _).
        done(id: E) :- Task(id: E, done: true).
        both(id: E, title: T) :- Task(id: E, title: T, done: D), D == true.
        notes(title: T) :- type::Note(title: T).
        lower(title: T) :- type::`note`(title: T).
        output all. output some. output titles. output titled. output done. output both. output notes. output lower.
        "#,
        &expect![[r#"
            all(id: bytes): [0x01] [0x02] [0x03] [0x04]
            both(id: bytes, title: any): [0x01, "one"]
            done(id: bytes): [0x01]
            lower(title: any): 
            notes(title: any): ["six"]
            some(): []
            titled(id: bytes): [0x01] [0x02] [0x03]
            titles(title: any): ["drei"] ["one"] ["three"] ["two"]
        "#]],
    );
}

#[test]
fn what_an_item_lacks_has_its_default() {
    check_tasks(
        r#"
        shown(id: E, title: T, done: D) :- Task(id: E, title: T ?? $none, done: D ?? false).
        open(id: E) :- Task(id: E, done: false ?? false).
        bare(id: E) :- Task(id: E), !Task(id: E, title: _).
        undone(id: E) :- Task(id: E), !Task(id: E, done: true ?? false).
        count(n: N) :- N := count : Task(title: _).
        many(id: E, n: N) :- Task(id: E), N := count : Task(id: E, title: _).
        states(done: D, n: N) :- state(x: D), N := count : Task(done: D ?? false).
        state(x: true). state(x: false).
        output shown. output open. output bare. output undone. output count. output many. output states.
        "#,
        &expect![[r#"
            bare(id: bytes): [0x04]
            count(n: int): [4]
            many(id: bytes, n: int): [0x01, 1] [0x02, 1] [0x03, 2] [0x04, 0]
            open(id: bytes): [0x02] [0x03] [0x04]
            shown(id: bytes, title: any, done: any): [0x01, "one", true] [0x02, "two", false] [0x03, "drei", false] [0x03, "three", false] [0x04, "-", false]
            states(done: bool, n: int): [false, 3] [true, 1]
            undone(id: bytes): [0x02] [0x03] [0x04]
        "#]],
    );
}

/// A relation of the program goes before a type of its name, which has to be written `type::`.
#[test]
fn a_type_and_a_relation_may_share_a_name() {
    check_tasks(
        "
        Task(n: 1).
        all(n: N) :- Task(n: N).
        items(id: E) :- type::Task(id: E, done: _).
        output all. output items.
        ",
        &expect![[r#"
            all(n: int): [1]
            items(id: bytes): [0x01]
        "#]],
    );
}

#[test]
fn parameters_are_values_and_never_text() {
    let program = r#"
        knows(a: "x", b: "y"). knows(a: "y", b: "z"). knows(a: "\"), p(", b: "q").
        reach(b: B) :- knows(a: $who, b: B).
        reach(b: C) :- reach(b: B), knows(a: B, b: C).
        output reach."#;
    let of = |who: &str| run(&compiled(program, &Catalog::default(), &[("who", who.into())]), Changes::new());
    assert_eq!(of("x"), "reach(b: text): [\"y\"] [\"z\"]\n");
    assert_eq!(of("\"), p("), "reach(b: text): [\"q\"]\n");
}

#[test]
fn facts_of_inputs_are_handed_over_and_inputs_may_have_rules() {
    let program = "
        relation in(x: int). input in. in(x: 1). in(x: X + 1) :- in(x: X), X < 3.
        unread(x: X) :- in(x: X).
        output in.";
    let compiled = compiled(program, &Catalog::default(), &[]);
    assert_eq!(compiled.facts["in"].len(), 1);
    assert_eq!(run(&compiled, Changes::new()), "in(x: int): [1] [2] [3]\n");
    assert!(!compiled.program.relations.contains_key("unread"), "what no output needs is not computed");
}

#[test]
fn a_bound_query_does_not_compute_the_closure() {
    let chain: String = (0..300).map(|n| format!("edge(x: {n}, y: {}).\n", n + 1)).collect();
    let program = chain
        + "from(y: Y) :- edge(x: $start, y: Y).
           from(y: Y) :- from(y: X), edge(x: X, y: Y).
           output from.";
    let compiled = compiled(&program, &Catalog::default(), &[("start", Value::Int(290))]);
    let mut runtime = Naive::new(compiled.program).expect("compiled programs are sound");
    let budget = Budget { rows: 400, ..Budget::default() };
    let changes = runtime.step(&Changes::new(), budget).expect("300 facts, 10 results, 10 pairs");
    assert_eq!(changes["from"].len(), 10);
}

#[test]
fn comments_and_remainder() {
    check(
        "
        % a comment
        n(x: 7). % another
        n(x: 9). // and another
        rest(x: X % 4) :- n(x: X). // X % 4
        output rest. output `odd name`.
        `odd name`(`a column`: X) :- n(x: X), X
            > 8. % end",
        &expect![[r#"
            odd name(a column: int): [9]
            rest(x: int): [1] [3]
        "#]],
    );
}

#[test]
fn plans_can_be_read() {
    let program = "
        relation edge(x: int, y: int). input edge.
        path(x: X, y: Y) :- edge(x: X, y: Y).
        path(x: X, y: Z) :- path(x: X, y: Y), edge(x: Y, y: Z).
        from(x: X, n: N) :- path(x: X, y: 3), N := count : path(x: X).
        output from. output path.";
    expect![[r#"
        stratum 1: path, recursive
          path(x: X, y: Y) :- edge(x: X, y: Y).
          path(x: X, y: Z) :- path(x: X, y: Y), edge(x: Y, y: Z).
        stratum 2: from
          from(x: X, n: N) :- path(x: X, y: 3), N := count : path(x: X).
    "#]]
    .assert_eq(
        compiled(program, &Catalog::default(), &[]).explain().split("\nplan").next().unwrap_or_default(),
    );
    let explained = compiled(program, &Catalog::default(), &[]).explain();
    let plan = explained.split("\nplan\n").nth(1).unwrap_or_default();
    expect![[r#"
          path :- edge;
          while change do
            path :- rename([X: x, Z: y],
              projection([X, Z],
                natural_join(rename([x: X, y: Y], path), rename([x: Y, y: Z], edge))
              )
            );
          end exports [path];
          `from~2~1` :- rename([x: X], projection([x], selection(y = 3, path)));
          from :- rename([X: x, N: n],
            union(
              natural_join(
                `from~2~1`,
                rename([x: X, `~result`: N], group_by([x], `~result`, count(), path))
              ),
              extend(N := 0, antijoin(`from~2~1`, rename([x: X], projection([x], path))))
            )
          );

        outputs
          from(x: int, n: int) convergent
          path(x: int, y: int) monotone
    "#]]
    .assert_eq(plan);
}

/// Two orders of the same conditions derive the same.
#[test]
fn the_order_of_conditions_does_not_matter() {
    let facts = "p(x: 1, y: 2). p(x: 2, y: 3). p(x: 3, y: 1). q(x: 2). q(x: 3). output r.";
    let conditions =
        ["p(x: X, y: Y)", "q(x: Y)", "!q(x: X - 1)", "N := count : p(x: Y)", "Z == X + N", "Z < 9"];
    let results: BTreeMap<String, usize> = (0..conditions.len())
        .map(|turn| {
            let mut turned = conditions;
            turned.rotate_left(turn);
            let program = format!("{facts} r(x: X, z: Z) :- {}.", turned.join(", "));
            (run(&compiled(&program, &Catalog::default(), &[]), Changes::new()), turn)
        })
        .collect();
    assert_eq!(results.keys().collect::<Vec<_>>(), ["r(x: int, z: int): [1, 2] [2, 3]\n"]);
}
/// A negated atom, and an aggregate, which is 0 where no row matches, let through what does not fit their columns; the
/// head's column does not.
#[test]
fn only_atoms_that_hold_narrow_what_a_variable_may_be() {
    check(
        r#"
        relation thing(x: any). thing(x: 1). thing(x: "a"). thing(x: "b").
        relation word(x: text). word(x: "a").
        relation free(x: text). free(x: X) :- thing(x: X), !word(x: X).
        relation used(x: text, n: int). used(x: X, n: N) :- thing(x: X), N := count : word(x: X).
        all(x: X, n: N) :- thing(x: X), N := count : word(x: X), !word(x: "c").
        output free. output used. output all.
        "#,
        &expect![[r#"
            all(x: any, n: int): [1, 0] ["a", 1] ["b", 0]
            free(x: text): ["b"]
            used(x: text, n: int): ["a", 1] ["b", 0]
        "#]],
    );
}
