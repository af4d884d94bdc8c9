//! `motet inc` as a program on the other side of two pipes meets it: transactions in, net changes out (Q12).
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Output, Stdio};

use crate::common::{Bench, RUNTIMES, code, stderr, stdout};
use motet_algebra::{Budget, Changes, Naive, Row, Runtime as _};
use motet_fact::Value;
use motet_logic::{Catalog, Source};
use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::{Value as Json, json};

/// Recursion, an aggregate, a relation without columns, and an input that rules extend.
const CLOSURE: &str = "\
relation Edge(x: int, y: int).
relation Reach(x: int, y: int).
relation Loops().
relation Size(pairs: int).
relation Seen(x: int).
input Edge. input Seen. output Reach. output Loops. output Size. output Seen.
Reach(x: X, y: Y) :- Edge(x: X, y: Y).
Reach(x: X, y: Z) :- Reach(x: X, y: Y), Edge(x: Y, y: Z).
Loops() :- Reach(x: X, y: X).
Size(pairs: N) :- N := count : Reach().
Seen(x: X) :- Edge(x: X).
";

/// Every kind of value, as it came.
const KINDS: &str = "\
relation R(i: int, f: float, t: text, b: bool, y: bytes, l: link, a: any).
relation P().
input R. output R. input P. output P.
";

/// The other side of the pipes.
trait Inc {
    fn session(&self, arguments: &[&str]) -> Command;

    /// Everything in at once.
    fn inc(&self, arguments: &[&str], input: impl AsRef<[u8]>) -> Output;

    /// The lines that answer some lines; nothing may go wrong.
    fn answers(&self, arguments: &[&str], input: &str) -> Vec<String> {
        let output = self.inc(arguments, input);
        assert_eq!((code(&output), stderr(&output)), (0, ""));
        stdout(&output).lines().map(str::to_owned).collect()
    }
}

impl Inc for Bench {
    fn session(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&[&["inc", "program.pomo"], arguments].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn inc(&self, arguments: &[&str], input: impl AsRef<[u8]>) -> Output {
        self.motet_given(&[&["inc", "program.pomo"], arguments].concat(), input)
    }
}

#[test]
fn a_conversation_is_answered_line_by_line_on_both_runtimes() {
    let script = [
        // What follows from nothing comes with the first epoch that there is.
        (r#"{}"#, r#"{"epoch":1,"changes":{"Size":[[[0],1]]}}"#),
        (
            r#"{"insert": {"Edge": [[2, 3], [1, 2], [1, 2]]}}"#,
            r#"{"epoch":2,"changes":{"Reach":[[[1,2],1],[[1,3],1],[[2,3],1]],"Seen":[[[1],1],[[2],1]],"Size":[[[0],-1],[[3],1]]}}"#,
        ),
        // What is there is inserted, what is not there is deleted: no change.
        (r#"{"insert": {"Edge": [[1, 2]]}, "delete": {"Edge": [[7, 7]]}}"#, r#"{"epoch":3,"changes":{}}"#),
        // Deleted and inserted at once: it is there.
        (r#"{"insert": {"Edge": [[1, 2]]}, "delete": {"Edge": [[1, 2]]}}"#, r#"{"epoch":4,"changes":{}}"#),
        (
            r#"{"delete": {"Seen": [[4]]}, "insert": {"Seen": [[4]]}}"#,
            r#"{"epoch":5,"changes":{"Seen":[[[4],1]]}}"#,
        ),
        // Stored and derived: deleting takes the stored row only, and then a rule holds it.
        (r#"{"insert": {"Seen": [[1]]}}"#, r#"{"epoch":6,"changes":{}}"#),
        (r#"{"delete": {"Seen": [[1], [4]]}}"#, r#"{"epoch":7,"changes":{"Seen":[[[4],-1]]}}"#),
        (r#"{"delete": {"Seen": [[1]]}}"#, r#"{"epoch":8,"changes":{}}"#),
        // A stored row outlives the rule.
        (r#"{"insert": {"Seen": [[1]]}}"#, r#"{"epoch":9,"changes":{}}"#),
        (
            r#"{"delete": {"Edge": [[1, 2]]}, "insert": {"Edge": [[3, 2]]}}"#,
            r#"{"epoch":10,"changes":{"Loops":[[[],1]],"Reach":[[[1,2],-1],[[1,3],-1],[[2,2],1],[[3,2],1],[[3,3],1]],"Seen":[[[3],1]],"Size":[[[3],-1],[[4],1]]}}"#,
        ),
        (r#"{"insert": {}, "delete": {"Edge": []}}"#, r#"{"epoch":11,"changes":{}}"#),
        (
            r#"{"delete": {"Edge": [[3, 2], [2, 3]], "Seen": [[1]]}}"#,
            r#"{"epoch":12,"changes":{"Loops":[[[],-1]],"Reach":[[[2,2],-1],[[2,3],-1],[[3,2],-1],[[3,3],-1]],"Seen":[[[1],-1],[[2],-1],[[3],-1]],"Size":[[[0],1],[[4],-1]]}}"#,
        ),
    ];
    let bench = Bench::new(CLOSURE, &[]);
    let input: String = script.iter().map(|(line, _)| format!("{line}\n")).collect();
    for runtime in RUNTIMES {
        let answers = bench.answers(&["--runtime", runtime], &input);
        for ((line, want), got) in script.iter().zip(&answers) {
            assert_eq!(want, got, "{runtime}: {line}");
        }
        assert_eq!(answers.len(), script.len());
    }
}

#[test]
fn an_answer_comes_before_the_next_line_is_written() {
    let bench = Bench::new("relation P(x: int). input P. output P. P(x: 0).", &[]);
    let mut child = bench.session(&[]).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || answers.next().unwrap().unwrap();
    assert_eq!(next(), r#"{"epoch":0,"changes":{"P":[[[0],1]]}}"#);
    for epoch in 1..5 {
        writeln!(input, "{}", json!({"insert": {"P": [[epoch]]}})).unwrap();
        assert_eq!(next(), format!(r#"{{"epoch":{epoch},"changes":{{"P":[[[{epoch}],1]]}}}}"#));
        writeln!(input, "?").unwrap();
        assert!(next().starts_with(&format!(r#"{{"error":{{"line":{},"message":"#, 2 * epoch)));
    }
    drop(input);
    assert!(answers.next().is_none());
    assert_eq!(code(&child.wait_with_output().unwrap()), 0);
}

#[test]
fn rows_from_the_start_are_epoch_0() {
    let stated = "relation P(x: int). input P. output P. P(x: $x). P(x: 2).";
    let bench = Bench::new(stated, &[("P.csv", "x\n2\n1\n1\n")]);
    for runtime in RUNTIMES {
        let ask = |more: &[&str]| {
            let arguments = [&["--runtime", runtime, "-P", "x=3"], more].concat();
            bench.answers(&arguments, "{\"delete\": {\"P\": [[3], [2], [1]]}}")
        };
        let stated = r#"{"epoch":0,"changes":{"P":[[[2],1],[[3],1]]}}"#;
        let gone = r#"{"epoch":1,"changes":{"P":[[[2],-1],[[3],-1]]}}"#;
        assert_eq!(ask(&[]), [stated, gone]);
        let both = r#"{"epoch":0,"changes":{"P":[[[1],1],[[2],1],[[3],1]]}}"#;
        let gone = r#"{"epoch":1,"changes":{"P":[[[1],-1],[[2],-1],[[3],-1]]}}"#;
        assert_eq!(ask(&["--facts", "facts"]), [both, gone]);
    }
}

#[test]
fn epoch_0_is_answered_if_there_are_facts_and_only_then() {
    let first = |program: &str, arguments: &[&str]| {
        let bench = Bench::new(program, &[("P.csv", "x\n")]);
        bench.answers(arguments, "{}\n").first().unwrap().clone()
    };
    let input = "relation P(x: int). input P. output P. ";
    let rule = "relation Q(x: int). output Q. Q(x: X) :- X == 1. ";
    assert_eq!(first(input, &[]), r#"{"epoch":1,"changes":{}}"#);
    assert_eq!(first(input, &["--facts", "facts"]), r#"{"epoch":0,"changes":{}}"#);
    assert_eq!(first(rule, &[]), r#"{"epoch":1,"changes":{"Q":[[[1],1]]}}"#);
    let stated = "relation Q(x: int). output Q. Q(x: 2). Q(x: X) :- P(x: X).";
    assert_eq!(first(&format!("{input}{stated}"), &[]), r#"{"epoch":0,"changes":{"Q":[[[2],1]]}}"#);
}

#[test]
fn a_line_that_fails_says_why_and_takes_no_epoch() {
    let lines: [(&[u8], &str); 21] = [
        (b"", "not a transaction"),
        (b"   ", "not a transaction"),
        (b"insert", "at column 1"),
        (b"{\"insert\": {\"Edge\": [[\"\xff\", 1]]}}", "unicode"),
        (br#"{"insert": {"Edge": [[1, 2]]}"#, "EOF"),
        (br#"{} {}"#, "trailing characters at column 4"),
        (br#"[]"#, "expected an object"),
        (br#"[{}, {}]"#, "expected an object"),
        (br#"null"#, "expected an object"),
        (br#"{"insert": {"Edge": {"x": 1, "y": 2}}}"#, "expected a sequence"),
        (br#"{"insert": {"Edge": [1, 2]}}"#, "expected a sequence"),
        (br#"{"upsert": {"Edge": [[5, 5]]}}"#, "a transaction has no `upsert`"),
        (br#"{"insert": {"Edge": [[5, 5]]}, "insert": {}}"#, "`insert` is given twice"),
        (br#"{"insert": {"Edge": [[5, 5]], "Edge": []}}"#, "`Edge` is given twice"),
        (
            br#"{"insert": {"edge": []}}"#,
            "`edge` is not an input of this program; its inputs are: Edge, Seen",
        ),
        (br#"{"delete": {"Reach": [[1, 2]]}}"#, "`Reach` is not an input of this program"),
        (
            br#"{"insert": {"Edge": [[5, 5], [5]]}}"#,
            "row 2 of insert.Edge: its length is 1, and the columns are (x, y)",
        ),
        (
            br#"{"delete": {"Edge": [[1, 2], [1, "2"]]}}"#,
            "row 2 of delete.Edge: column `y` takes int, and \"2\" is text",
        ),
        (br#"{"insert": {"Edge": [[5, 5], [5, 1.0]]}}"#, "takes int, and 1.0 is float"),
        (
            br#"{"insert": {"Edge": [[5, 5]], "Seen": [[9223372036854775808]]}}"#,
            "row 1 of insert.Seen: column `x`",
        ),
        (br#"{"insert": {"Edge": [[5, 5], [null, 1]]}}"#, "null"),
    ];
    let bench = Bench::new(CLOSURE, &[("Edge.csv", "x,y\n1,2\n"), ("Seen.csv", "x\n")]);
    let mut input: Vec<u8> = lines.iter().flat_map(|(line, _)| [line, &b"\n"[..]].concat()).collect();
    input.extend(br#"{"insert": {"Edge": [[2, 1]]}}"#);
    for runtime in RUNTIMES {
        let output = bench.inc(&["--runtime", runtime, "--facts", "facts"], &input);
        assert_eq!((code(&output), stderr(&output)), (0, ""));
        let answers: Vec<Json> =
            stdout(&output).lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
        for (index, (line, part)) in lines.iter().enumerate() {
            let error = &answers[index]["error"];
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(part), "{}: {message}", line.escape_ascii());
            assert_eq!(error["line"], json!(index + 1));
        }
        let want = json!({"epoch": 1, "changes": {
            "Loops": [[[], 1]], "Reach": [[[1, 1], 1], [[2, 1], 1], [[2, 2], 1]],
            "Seen": [[[2], 1]], "Size": [[[1], -1], [[4], 1]],
        }});
        assert_eq!(answers[lines.len()..], [want]);
    }
}

#[test]
fn a_transaction_over_budget_is_refused_and_the_next_is_not() {
    let input = [
        r#"{"insert": {"Edge": [[1, 2]]}}"#,
        r#"{"insert": {"Edge": [[2, 3], [3, 4], [4, 5], [5, 6], [6, 7]]}, "delete": {"Edge": [[1, 2]]}}"#,
        r#"{"insert": {"Edge": [[2, 3]]}}"#,
    ]
    .join("\n");
    let bench = Bench::new(CLOSURE, &[]);
    // Each runtime counts in its own way; these limits are for the two that count what they derive.
    for runtime in ["naive", "cluster"] {
        let limits = [
            ("--max-rows", "14", "rows"),
            ("--max-rounds", "4", "iterations"),
            ("--max-memory", if runtime == "naive" { "2000" } else { "2048" }, "bytes"),
        ];
        for (limit, number, what) in limits {
            let answers = bench.answers(&["--runtime", runtime, limit, number], &input);
            let refused: Json = serde_json::from_str(&answers[1]).unwrap();
            assert_eq!(refused["error"]["line"], 2, "{runtime}");
            let message = refused["error"]["message"].as_str().unwrap();
            let begin = format!(
                "the budget of {number} {what} ran out while computing `Reach`, rule at program.pomo:"
            );
            assert!(message.starts_with(&begin), "{runtime}: {message}");
            assert!(
                message.ends_with("(Reach(x: X, y: Z) :- Reach(x: X, y: Y), Edge(x: Y, y: Z).)"),
                "{message}"
            );
            let third = r#"{"epoch":2,"changes":{"Reach":[[[1,3],1],[[2,3],1]],"Seen":[[[2],1]],"Size":[[[1],-1],[[3],1]]}}"#;
            assert_eq!(answers[2], third, "{runtime}");
        }
    }
}

/// One text more in each round, and each twice as long as the last.
const GROWTH: &str = "\
relation Seed(text: text).
input Seed. output Grown.
Grown(text: T) :- Seed(text: T).
Grown(text: concat(T, T)) :- Grown(text: T), length(T) > 1.
";

#[test]
fn a_transaction_that_would_fill_the_memory_is_refused() {
    let input = [r#"{"insert": {"Seed": [["ab"]]}}"#, r#"{"insert": {"Seed": [["a"]]}}"#].join("\n");
    let bench = Bench::new(GROWTH, &[]);
    for runtime in RUNTIMES {
        let answers = bench.answers(&["--runtime", runtime, "--max-memory", "1M"], &input);
        let message = "the budget of 1048576 bytes ran out while computing `Grown`, rule at program.pomo:4:1 \
            (Grown(text: concat(T, T)) :- Grown(text: T), length(T) > 1.)";
        let refused: Json = serde_json::from_str(&answers[0]).unwrap();
        assert_eq!(refused, json!({"error": {"line": 1, "message": message}}), "{runtime}");
        assert_eq!(answers[1], r#"{"epoch":1,"changes":{"Grown":[[["a"],1]]}}"#, "{runtime}");
    }
}

/// It would take days. What is promised is that it ends, and names the rule; not when.
#[test]
fn a_transaction_that_takes_too_long_is_refused() {
    let program = "\
relation Go(n: int). relation Number(n: int).
input Go. output Square.
Number(n: N) :- Go(n: N).
Number(n: M) :- Number(n: N), N < 100000, M == N + 1.
Square(a: A, b: B) :- Number(n: A), Number(n: B).
";
    let bench = Bench::new(program, &[]);
    let input = [r#"{"insert": {"Go": [[0]]}}"#, r#"{"insert": {"Go": [[100000]]}}"#].join("\n");
    for runtime in RUNTIMES {
        let limits = ["--max-time", "1s", "--max-rows", "1000000000000", "--max-memory", "1T"];
        let answers = bench.answers(&[&["--runtime", runtime], &limits[..]].concat(), &input);
        let refused: Json = serde_json::from_str(&answers[0]).unwrap();
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("the time of 1s ran out while computing `"), "{message}");
        assert!(message.contains(", rule at program.pomo:"), "{message}");
        assert_eq!(answers[1], r#"{"epoch":1,"changes":{"Square":[[[100000,100000],1]]}}"#, "{runtime}");
    }
    for (flag, wrong) in [("--max-time", "300"), ("--max-time", "long"), ("--max-memory", "1X")] {
        let output = bench.inc(&[flag, wrong], "");
        assert_eq!(code(&output), 2);
        assert!(stderr(&output).contains(wrong) && stderr(&output).contains("as in"), "{}", stderr(&output));
    }
}

#[test]
fn what_has_no_value_is_told_when_it_changed() {
    let program = "\
relation Part(x: int).
input Part. output Share.
Share(x: X, y: Y) :- Part(x: X), Y == 12 / X.
";
    let script = [
        (r#"{"insert": {"Part": [[1]]}}"#, r#"{"epoch":1,"changes":{"Share":[[[1,12],1]]}}"#.to_owned()),
        (
            r#"{"insert": {"Part": [[0]]}}"#,
            format!(r#"{{"epoch":2,"changes":{{}},"undefined":[{}]}}"#, UNDEFINED),
        ),
        (r#"{"insert": {"Part": [[2]]}}"#, r#"{"epoch":3,"changes":{"Share":[[[2,6],1]]}}"#.to_owned()),
        (r#"{"insert": {"Part": [["0"]]}}"#, String::new()),
        (r#"{"delete": {"Part": [[0]]}}"#, r#"{"epoch":4,"changes":{},"undefined":[]}"#.to_owned()),
        (r#"{}"#, r#"{"epoch":5,"changes":{}}"#.to_owned()),
    ];
    let input = script.clone().map(|(line, _)| line).join("\n");
    let bench = Bench::new(program, &[]);
    for runtime in RUNTIMES {
        let answers = bench.answers(&["--runtime", runtime], &input);
        for (answer, (_, wanted)) in answers.iter().zip(&script).filter(|(_, (_, wanted))| !wanted.is_empty())
        {
            // A plan may call the column by another name than the rule does.
            assert_eq!(&answer.replace("12 / x", "12 / X"), wanted, "{runtime}");
        }
    }
}

const UNDEFINED: &str = concat!(
    r#"{"relation":"Share","term":"12 / X","rows":1,"rule":{"at":"program.pomo:3:1","#,
    r#""text":"Share(x: X, y: Y) :- Part(x: X), Y == 12 / X."}}"#
);

#[test]
fn values_come_back_as_they_went_in() {
    let link = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq";
    let row =
        |any: &str| format!(r#"[-7,1.0,"ä \"\u0000",true,{{"/":{{"bytes":"AP8"}}}},{{"/":"{link}"}},{any}]"#);
    // In value order: kinds one after the other.
    let anys =
        ["false", "-1", "2", "1e+300", r#""""#, r#"{"/":{"bytes":""}}"#, &format!(r#"{{"/":"{link}"}}"#)];
    let rows: Vec<String> = anys.iter().map(|any| row(any)).collect();
    let backwards: Vec<&str> = rows.iter().rev().map(String::as_str).collect();
    let line = format!(r#"{{"insert":{{"R":[{}],"P":[[]]}}}}"#, backwards.join(","));
    let come: Vec<String> = rows.iter().map(|row| format!("[{row},1]")).collect();
    let want = format!(r#"{{"epoch":1,"changes":{{"P":[[[],1]],"R":[{}]}}}}"#, come.join(","));
    let bench = Bench::new(KINDS, &[]);
    for runtime in RUNTIMES {
        assert_eq!(bench.answers(&["--runtime", runtime], &line), std::slice::from_ref(&want));
    }
    let refused = bench.answers(&[], &line.replace("1.0", "1"));
    assert!(refused[0].contains("column `f` takes float, and 1 is int: write 1.0"), "{refused:?}");
}

#[test]
fn only_outputs_are_reported_and_whole() {
    let program = "relation P(x: int). input P. output P order by x desc limit 1. forbid :- P(x: 1).";
    let bench = Bench::new(program, &[]);
    for runtime in RUNTIMES {
        let answers = bench.answers(&["--runtime", runtime], r#"{"insert": {"P": [[2], [1]]}}"#);
        assert_eq!(answers, [r#"{"epoch":1,"changes":{"P":[[[1],1],[[2],1]]}}"#]);
    }
}

#[test]
fn a_program_or_a_file_with_an_error_ends_it_before_the_first_line() {
    let bench = Bench::new("relation P(x: int). output P. P(x: Y) :- Q(x: X).", &[]);
    let output = bench.inc(&[], "{}\n");
    assert_eq!((code(&output), stdout(&output)), (1, ""));
    assert!(stderr(&output).starts_with("error[L"), "{}", stderr(&output));
    let bench = Bench::new(CLOSURE, &[("Edge.csv", "x,y\n1,two\n")]);
    let output = bench.inc(&["--facts", "facts"], "{}\n");
    assert_eq!((code(&output), stdout(&output)), (1, ""));
    assert!(stderr(&output).contains("Edge.csv:2: column `y`"), "{}", stderr(&output));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let bench = Bench::new(CLOSURE, &[]);
    std::fs::write(bench.path("input"), "{}\n".repeat(20_000)).unwrap();
    let input = std::fs::File::open(bench.path("input")).unwrap();
    let mut child = bench.session(&[]).stdin(input).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), stderr(&output)), (0, ""));
}

/// Programs over the inputs `A(x: int, y: int)` and `B(x: int)`, and whether they state facts.
const RULES: [(&str, bool); 5] = [
    ("relation R(x: int, y: int). output R. R(x: X, y: Y) :- A(x: X, y: Y).
     R(x: X, y: Z) :- R(x: X, y: Y), R(x: Y, y: Z).", false),
    ("relation Far(x: int). output Far. relation Near(x: int). output Near.
     Near(x: X) :- B(x: X). Near(x: Y) :- Near(x: X), A(x: X, y: Y).
     Far(x: X) :- A(x: X), !Near(x: X). Far(x: Y) :- A(y: Y), !Near(x: Y).", false),
    ("relation Out(x: int, n: int, s: int, m: int). output Out. output A.
     Out(x: X, n: N, s: S, m: M) :-
         B(x: X), N := count : A(x: X), S := sum Y : A(x: X, y: Y), M := max Y : A(x: X, y: Y).
     A(x: X, y: X) :- B(x: X).", false),
    ("relation Both(). output Both. relation One(). output One. output B.
     Both() :- A(x: X, y: Y), B(x: X), B(x: Y). One() :- B(x: 1), !Both(). B(x: X) :- A(x: X, y: 2).
     A(x: 0, y: 1). B(x: 3).", true),
    ("relation Even(x: int). output Even. relation Odd(x: int). output Odd.
     relation Left(n: int). output Left. Even(x: 0). Odd(x: Y) :- Even(x: X), A(x: X, y: Y). Even(x: Y) :- Odd(x: X), A(x: X, y: Y).
     Left(n: N) :- N := count X : Odd(x: X).", true),
];

/// Rows of inputs by relation.
type Rows = BTreeMap<&'static str, BTreeSet<Vec<i64>>>;

fn rows() -> impl Strategy<Value = Rows> {
    let a = proptest::collection::btree_set(proptest::collection::vec(0_i64..4, 2), 0..4);
    let b = proptest::collection::btree_set(proptest::collection::vec(0_i64..4, 1), 0..3);
    (a, b).prop_map(|(a, b)| {
        let given = [("A", a), ("B", b)].into_iter();
        given.filter(|(_, rows)| !rows.is_empty()).collect()
    })
}

/// A transaction, and whether it has a mistake at its end.
fn transaction() -> impl Strategy<Value = (Rows, Rows, bool)> {
    (rows(), rows(), proptest::bool::weighted(0.2))
}

fn line((insert, delete, is_bad): &(Rows, Rows, bool)) -> String {
    let mut line = json!({"insert": insert, "delete": delete});
    if *is_bad {
        line["delete"]["A"] = json!([[1, 2], [3]]);
    }
    format!("{line}\n")
}

/// What stands in the outputs, as JSON rows in value order.
type Contents = BTreeMap<String, Vec<Row>>;

/// The stupid twin: sets for the inputs, and each epoch computed from nothing by a new evaluator.
struct Twin {
    compiled: motet_logic::Compiled,
    stored: BTreeMap<String, BTreeSet<Row>>,
    before: Contents,
}

impl Twin {
    fn new(program: &str) -> Self {
        let source = Source::new("twin".to_owned(), program.to_owned());
        let compiled = motet_logic::compile(&source, &Catalog::default(), &BTreeMap::new()).unwrap();
        let stored = compiled.facts.iter().map(|(name, rows)| (name.to_string(), rows.clone())).collect();
        Twin { compiled, stored, before: Contents::new() }
    }

    fn apply(&mut self, insert: &Rows, delete: &Rows) {
        let row = |row: &Vec<i64>| row.iter().map(|int| Value::Int(*int)).collect::<Row>();
        for (name, rows) in delete {
            let stored = self.stored.entry((*name).to_owned()).or_default();
            stored.retain(|old| !rows.iter().any(|gone| row(gone) == *old));
        }
        for (name, rows) in insert {
            self.stored.entry((*name).to_owned()).or_default().extend(rows.iter().map(row));
        }
    }

    /// The changes since the last time.
    fn changes(&mut self) -> Json {
        let after = self.whole_results();
        let names: BTreeSet<&String> = after.keys().chain(self.before.keys()).collect();
        let mut changes = json!({});
        for name in names {
            let of = |contents: &Contents| -> BTreeSet<Row> {
                contents.get(name).into_iter().flatten().cloned().collect()
            };
            let (old, new) = (of(&self.before), of(&after));
            let changed: Vec<Json> = old
                .symmetric_difference(&new)
                .map(|row| json!([ints(row), if new.contains(row) { 1 } else { -1 }]))
                .collect();
            if !changed.is_empty() {
                changes[name] = json!(changed);
            }
        }
        self.before = after;
        changes
    }

    fn whole_results(&self) -> Contents {
        let whole = |rows: &BTreeSet<Row>| rows.iter().map(|row| (row.clone(), 1)).collect();
        let inputs: Changes =
            self.stored.iter().map(|(name, rows)| (name.as_str().into(), whole(rows))).collect();
        let mut naive = Naive::plain(self.compiled.program.clone()).unwrap();
        naive.step(&inputs, Budget::default()).unwrap();
        let output = |name: &str| (name.to_owned(), naive.output(name).cloned().collect());
        self.compiled.outputs.iter().map(|one| output(&one.name)).collect()
    }
}

fn ints(row: &Row) -> Vec<i64> {
    row.iter().map(|value| value.as_int().unwrap()).collect()
}

/// The answers there should be.
fn expected(program: &str, states_facts: bool, transactions: &[(Rows, Rows, bool)]) -> Vec<Json> {
    let mut twin = Twin::new(program);
    let mut answers = Vec::new();
    if states_facts {
        answers.push(json!({"epoch": 0, "changes": twin.changes()}));
    }
    let mut epoch = 0;
    for (index, (insert, delete, is_bad)) in transactions.iter().enumerate() {
        if *is_bad {
            let message = "row 2 of delete.A: its length is 1, and the columns are (x, y)";
            answers.push(json!({"error": {"line": index + 1, "message": message}}));
            continue;
        }
        epoch += 1;
        twin.apply(insert, delete);
        answers.push(json!({"epoch": epoch, "changes": twin.changes()}));
    }
    answers
}

proptest! {
    #![proptest_config(Config::with_cases(200))]

    #[test]
    fn changes_are_the_differences_of_results_computed_from_scratch(
        (rules, states_facts) in proptest::sample::select(&RULES[..]),
        runtime in proptest::sample::select(&RUNTIMES[..]),
        transactions in proptest::collection::vec(transaction(), 1..25),
    ) {
        let program = format!("relation A(x: int, y: int). relation B(x: int). input A. input B.\n{rules}");
        let input: String = transactions.iter().map(line).collect();
        let output = Bench::new(&program, &[]).inc(&["--runtime", runtime], &input);
        prop_assert_eq!(code(&output), 0);
        let answers: Vec<Json> =
            stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        prop_assert_eq!(answers, expected(&program, states_facts, &transactions));
    }
}
