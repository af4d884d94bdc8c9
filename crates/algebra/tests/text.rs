//! The text form: what is printed reads back, no text is too much, and what is wrong is told where it is.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use crate::common;

use motet_algebra::plan::{End, Format};
use motet_algebra::text::diagnostic::Source;
use motet_algebra::text::{load, load_plan, parse, parse_plan};
use motet_algebra::{Clocked, Naive, Plan, Program, Registry};
use proptest::prelude::*;

/// Reads a text, prints whatever comes out, and checks that spans are inside the text.
fn try_to_load(text: &str) -> Option<Program> {
    let source = Source::new("soup", text);
    let loaded = load(&source, &Registry::default());
    if let Err(problems) = &loaded {
        for problem in problems.iter() {
            assert!(problem.span.start <= problem.span.end && problem.span.end <= text.len());
        }
        assert!(!problems.is_empty());
        drop(problems.to_string());
    }
    if let Ok(plan) = parse_plan(&source, &Registry::default()) {
        let again = Source::new("again", plan.to_string());
        assert_eq!(parse_plan(&again, &Registry::default()), Ok(plan), "{}", again.text);
    }
    if let Err(problems) = load_plan(&source, &Registry::default()) {
        drop(problems.to_string());
    }
    // A sound program runs, and an unsound one never gets to a runtime.
    if let Ok(program) = parse(&source, &Registry::default()) {
        assert_eq!(program.check().is_ok(), loaded.is_ok(), "{program}");
        assert_eq!(Clocked::new(program, Naive::new).is_ok(), loaded.is_ok());
    }
    loaded.ok()
}

const PROGRAM: &str = r#"
relation edge(x: int, y: int) input;
relation path(x: int, y: int) output;
relation `odd name`(n: int, t: text, c: link) output;
source edge from csv "edges.csv";
source edge from lines "-" follow retries 3;
sink `odd name` to lines "odd \"name\".jsonl" retries 0 changes;
path :- edge;
while change do
  path :- projection([x, y], natural_join(rename([y: m], path), rename([x: m], edge)));
end exports [path];
`odd name` :- union(
  extend(t := concat("a\n", "b"), group_by([c], n, sum(x), with_cid(c, edge))),
  selection(
    not (n * 2 < -3) or t = "\u{e9}" and c !=
      link"bafkreiem4twkqzsq2aj4shbycd4yvoj2cx72vezicletlhi7dijjciqpui",
    constant([n, t, c])
  ),
  projection([n, t, c], antijoin(rank([x], n, [y], extend(t := "z", with_cid(c, path))), edge))
);
"#;

const TOKENS: [&str; 68] = [
    "relation r(x: int, y: any) input output;",
    "relation e(x: int) input event;",
    "r@next :- e;",
    "source r from csv \"a\";",
    "sink r to lines \"-\" changes retries 2;",
    "source",
    "from",
    "lines",
    "retries",
    "r :- ",
    "q",
    "r",
    "x",
    "y",
    "(",
    "(",
    ")",
    ")",
    "[",
    "]",
    "[x]",
    "[x, y]",
    ",",
    ",",
    ";",
    ";",
    ":-",
    ":=",
    ":",
    "while change do",
    "end",
    "exports [r]",
    "selection(",
    "projection([x, y],",
    "rename([x: y, y: x],",
    "extend(z := x + 1,",
    "union(",
    "difference(",
    "natural_join(",
    "semijoin(",
    "antijoin(",
    "group_by([x], y, sum(y),",
    "group_by([], n, arg_max(x by y),",
    "rank([x], n, [y],",
    "with_cid(c, r)",
    "constant([x, y], (1, 2))",
    "and",
    "or",
    "not",
    "true",
    "false",
    "=",
    "==",
    "<",
    "+",
    "-",
    "*",
    "%",
    "1",
    "9223372036854775808",
    "1.5",
    "\"a\"",
    "0x0g",
    "link\"x\"",
    "`a b`",
    "$p",
    "//",
    "\n",
];

proptest! {
    #[test]
    fn what_is_printed_reads_back(program in common::program()) {
        let text = program.to_string();
        let source = Source::new("printed", text);
        match parse(&source, &Registry::default()) {
            Ok(read) => prop_assert_eq!(read, program, "{}", source.text),
            Err(problems) => prop_assert!(false, "{}", problems),
        }
        try_to_load(&source.text);
    }

    #[test]
    fn ends_read_back(program in common::program(), ends in prop::collection::vec(end(), 0..4)) {
        let mut plan = Plan::from(program);
        for (end, is_source) in ends {
            if is_source { &mut plan.sources } else { &mut plan.sinks }.push(end);
        }
        let source = Source::new("printed", plan.to_string());
        match parse_plan(&source, &Registry::default()) {
            Ok(read) => prop_assert_eq!(read, plan, "{}", source.text),
            Err(problems) => prop_assert!(false, "{}", problems),
        }
    }

    #[test]
    fn any_text(text in any::<String>()) {
        try_to_load(&text);
    }

    #[test]
    fn token_soup(tokens in prop::collection::vec(prop::sample::select(&TOKENS[..]), 0..40)) {
        try_to_load(&tokens.join(" "));
    }

    /// Pieces of a good program are taken out, doubled and moved.
    #[test]
    fn mutated_texts(edits in prop::collection::vec((any::<usize>(), any::<usize>(), any::<usize>()), 1..4)) {
        let mut text: Vec<char> = PROGRAM.chars().collect();
        for (start, length, to) in edits {
            let start = start % text.len();
            let end = (start + length % 12).min(text.len());
            let piece: Vec<char> = text[start..end].to_vec();
            if to % 3 > 0 {
                text.drain(start..end);
            }
            if to % 2 > 0 {
                let place = to % (text.len() + 1);
                text.splice(place..place, piece);
            }
        }
        try_to_load(&text.into_iter().collect::<String>());
    }
}

/// A source or a sink, under names and at places of all kinds.
fn end() -> impl Strategy<Value = (End, bool)> {
    let name = prop_oneof!["source|sink|from|relation|end|edge", "[^\u{0}]{1,6}"];
    let retries = prop::option::of(any::<u32>());
    let parts = (name, prop::sample::select(&Format::ALL[..]), any::<String>(), any::<bool>(), retries);
    (parts, any::<bool>()).prop_map(|((relation, format, location, live, retries), is_source)| {
        let (relation, location) = (relation.into(), location.into());
        (End { relation, format, location, live, retries }, is_source)
    })
}

#[test]
fn relations_may_be_called_source_and_sink() {
    let text = "relation source(x: int) input;\nrelation sink(x: int) output;\n\
        source sink from csv \"a\";\nsink :- source;\nsink source to car \"b\";\n";
    let plan = parse_plan(&Source::new("test", text), &Registry::default()).unwrap();
    assert_eq!((plan.sources.len(), plan.program.statements.len(), plan.sinks.len()), (1, 1, 1));
    assert_eq!(
        plan.to_string(),
        "relation sink(x: int) output;\nrelation source(x: int) input;\n\
        source sink from csv \"a\";\nsink :- source;\nsink source to car \"b\";\n"
    );
}

/// A plan whose ends are right, in six lines.
const ENDS: &str = "relation a(x: int) input;\nrelation b(x: int) output;\nb :- a;\n\
    source a from lines \"-\" follow;\nsource a from csv \"a.csv\" retries 2;\nsink b to car \"b.car\";\n";

/// What is wrong with each of these lines, after those.
fn wrong_ends<const N: usize>(wrong: [&str; N]) -> String {
    let load = |text: &str| load_plan(&Source::new("test", text), &Registry::default());
    assert_eq!(load(ENDS).unwrap().sources.len(), 2);
    wrong.map(|wrong| load(&format!("{ENDS}{wrong}\n")).unwrap_err().to_string()).join("\n")
}

#[test]
fn ends_have_a_form() {
    let told = wrong_ends([
        "source a by csv \"a\";",
        "source a from xml \"a\";",
        "source a from csv a;",
        "source a from csv \"a\" changes;",
        "source a from csv \"a\" retries -1;",
    ]);
    expect_test::expect![[r#"
        error[R010]: wanted `from` before where the source is, found `by`
         --> test:7:10
          |
        7 | source a by csv "a";
          |          ^^ not expected here

        error[R011]: there is no format `xml`
         --> test:7:15
          |
        7 | source a from xml "a";
          |               ^^^
          = there are: csv, lines, car

        error[R010]: wanted a text: the path of a file, or "-", found `a`
         --> test:7:19
          |
        7 | source a from csv a;
          |                   ^ not expected here

        error[R010]: wanted `follow`, `retries` or `;`, found `changes`
         --> test:7:23
          |
        7 | source a from csv "a" changes;
          |                       ^^^^^^^ not expected here

        error[R010]: wanted how often it may fail in a row, found `-`
         --> test:7:31
          |
        7 | source a from csv "a" retries -1;
          |                               ^ not expected here
    "#]]
    .assert_eq(&told);
}

#[test]
fn ends_fit_their_relations() {
    let told = wrong_ends([
        "source aa from csv \"a\";",
        "source b from csv \"b\";",
        "sink a to csv \"a\";",
        "source a from csv \"a\" follow;",
        "sink b to lines \"-\";",
    ]);
    expect_test::expect![[r#"
        error[R030]: the program has no relation `aa`
         --> test:7:8
          |
        7 | source aa from csv "a";
          |        ^^
          = did you mean `a`?

        error[R045]: `b` has a source and is no input
         --> test:7:8
          |
        7 | source b from csv "b";
          |        ^
          = write `input` after the columns of its declaration

        error[R045]: `a` has a sink and is no output
         --> test:7:6
          |
        7 | sink a to csv "a";
          |      ^
          = write `output` after the columns of its declaration

        error[R046]: `follow` is for lines, and this is csv
         --> test:7:1
          |
        7 | source a from csv "a" follow;
          | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          = leave it out, or write lines

        error[R046]: standard input and output are streams of lines
         --> test:7:1
          |
        7 | sink b to lines "-";
          | ^^^^^^^^^^^^^^^^^^^^
          = write lines "-" changes
    "#]]
    .assert_eq(&told);
}

#[test]
fn the_program_that_is_mutated_is_sound() {
    let program = try_to_load(PROGRAM)
        .unwrap_or_else(|| panic!("{}", load(&Source::new("p", PROGRAM), &Registry::default()).unwrap_err()));
    assert_eq!(program.statements.len(), 3);
}

#[test]
fn deep_and_long_texts_do_not_exhaust_the_stack() {
    let program =
        |expression: &str| format!("relation r(x: int) input; relation o(x: int) output; o :- {expression};");
    let nested = |open: &str, close: &str, times| format!("{}r{}", open.repeat(times), close.repeat(times));
    for times in [999, 50_000] {
        let deep = program(&nested("union(", ")", times));
        assert_eq!(try_to_load(&deep).is_some(), times < 1000);
        try_to_load(&program(&nested("difference(", "", times)));
        try_to_load(&program(&format!("selection({}x < 1{}, r)", "(".repeat(times), ")".repeat(times))));
        try_to_load(&program(&format!("selection({}x < 1, r)", "not ".repeat(times))));
        try_to_load(&program(&format!("selection({}x < 1, r)", "-".repeat(times))));
        try_to_load(&program(&format!("selection(x < 1{}, r)", " + 1".repeat(times))));
        try_to_load(&program(&format!("selection(x < 1{}, r)", " or x < 1".repeat(times))));
        try_to_load(&program(&format!("union(r{})", ", r".repeat(times))));
        try_to_load(&"while change do ".repeat(times));
    }
    try_to_load(&program(&"r; o :- ".repeat(1_000)));
}

fn problems(text: &str) -> String {
    load(&Source::new("test", text), &Registry::default()).unwrap_err().to_string()
}

#[test]
fn what_cannot_be_read_is_told_at_once() {
    let found = problems(include_str!("wrong/unreadable.ra"));
    expect_test::expect_file!["wrong/unreadable.txt"].assert_eq(&found);
}

#[test]
fn what_is_not_sound_is_told_at_its_operator() {
    let found = problems(include_str!("wrong/unsound.ra"));
    expect_test::expect_file!["wrong/unsound.txt"].assert_eq(&found);
}

#[test]
fn what_is_in_no_order_is_told_at_its_statement() {
    let declared = "relation a(x: int) input; relation p(x: int); relation q(x: int) output;\n";
    let all = [
        "q :- p;\np :- a;",
        "while change do\n  p :- a;\n  q :- antijoin(a, p);\nend exports [q];",
        "while change do\n  p :- a;\nend exports [];\nq :- p;",
        "while change do\n  p :- a;\nend exports [q];",
        "while change do\n  while change do\n    p :- a;\n  end;\nend;",
    ];
    let all: Vec<String> = all.iter().map(|text| problems(&format!("{declared}{text}"))).collect();
    expect_test::expect![[r#"
        error[R042]: `q` reads `p`, which is not complete by then
         --> test:2:1
          |
        2 | q :- p;
          | ^^^^
          = move the statement down, or both into one loop

        error[R043]: `q` negates or aggregates `p` inside the loop that computes it
         --> test:4:3
          |
        4 |   q :- antijoin(a, p);
          |   ^^^^
          = compute what is negated or aggregated before the loop

        error[R044]: `q` reads `p`, which its loop does not export
         --> test:5:1
          |
        5 | q :- p;
          | ^^^^
          = add it to the exports of its loop

        error[R041]: a loop exports `q`, which it does not assign
         --> test:2:1
          |
        2 | while change do
          | ^^^^^^^^^^^^^^^
          = assign it in the loop, or leave it out of the exports

        error[R021]: loops are not nested
         --> test:2:1
          |
        2 | while change do
          | ^^^^^^^^^^^^^^^
          = put all assignments into one loop
    "#]]
    .assert_eq(&all.join("\n"));
}
