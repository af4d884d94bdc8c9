//! `motet run`, `check`, `cid` and `decode` as a person meets them: files in, files and exit codes out.
use crate::common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Output, Stdio};

use crate::common::{Bench, RUNTIMES, code, stderr, stdout};
use motet_fact::{Entity, Fact};

const CLOSURE: &str = "\
relation Edge(x: int, y: int).
relation Reach(x: int, y: int).
relation Loops().
relation Size(pairs: int).
input Edge. output Reach. output Loops. output Size.
Reach(x: X, y: Y) :- Edge(x: X, y: Y).
Reach(x: X, y: Z) :- Reach(x: X, y: Y), Edge(x: Y, y: Z).
Loops() :- Reach(x: X, y: X).
Size(pairs: N) :- N := count : Reach(x: _, y: _).
";

/// Outputs that are files.
trait Files {
    fn run_to_files(&self, more: &[&str]) -> Output;
    fn written(&self, name: &str) -> String;
}

impl Files for Bench {
    fn run_to_files(&self, more: &[&str]) -> Output {
        self.motet(&[&["run", "program.pomo", "--facts", "facts", "--out", "out"], more].concat())
    }

    fn written(&self, name: &str) -> String {
        std::fs::read_to_string(self.path("out").join(name)).unwrap()
    }
}

#[test]
fn outputs_are_files_in_value_order_on_both_runtimes() {
    let bench = Bench::new(CLOSURE, &[("Edge.csv", "y,x\n2,10\n10,2\n10,2\n3,10\n")]);
    for runtime in RUNTIMES {
        let output = bench.run_to_files(&["--runtime", runtime]);
        assert_eq!((code(&output), stderr(&output), stdout(&output)), (0, "", ""));
        assert_eq!(bench.written("Reach.csv"), "x,y\n2,2\n2,3\n2,10\n10,2\n10,3\n10,10\n");
        assert_eq!(bench.written("Loops.csv"), "\n()\n");
        assert_eq!(bench.written("Size.csv"), "pairs\n6\n");
        std::fs::remove_dir_all(bench.path("out")).unwrap();
    }
}

#[test]
fn what_does_not_hold_is_an_empty_file() {
    let bench = Bench::new(CLOSURE, &[("Edge.csv", "x,y\n")]);
    assert_eq!(code(&bench.run_to_files(&[])), 0);
    assert_eq!(bench.written("Reach.csv"), "x,y\n");
    assert_eq!(bench.written("Loops.csv"), "\n");
    assert_eq!(bench.written("Size.csv"), "pairs\n0\n");
}

#[test]
fn every_error_of_a_program_is_shown_and_nothing_is_written() {
    let program = "relation P(x: int).\noutput P.\nP(x: Y) :- Q(x: X).\nP(x: \"a\").\n";
    let bench = Bench::new(program, &[]);
    let output = bench.run_to_files(&[]);
    assert_eq!(code(&output), 1);
    let said = stderr(&output);
    assert!(said.starts_with("error[L"), "{said}");
    assert!(said.contains("program.pomo:3:") && said.contains("program.pomo:4:"), "{said}");
    assert!(!bench.path("out").exists());
}

#[test]
fn a_bad_cell_names_file_line_and_column_and_nothing_is_written() {
    let bench = Bench::new(CLOSURE, &[("Edge.csv", "x,y\n1,2\n1,two\n")]);
    let output = bench.run_to_files(&[]);
    assert_eq!(code(&output), 1);
    let said = stderr(&output).replace('\\', "/");
    assert!(said.starts_with("error: facts/Edge.csv:3: column `y`: `two` is not an int"), "{said}");
    assert!(!bench.path("out").exists());
}

#[test]
fn missing_inputs_have_a_remedy() {
    let bench = Bench::new(CLOSURE, &[]);
    let output = bench.run_to_files(&[]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("help: the file begins with the line `x,y`"), "{}", stderr(&output));
    let output = bench.motet(&["run", "program.pomo"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("help: --facts DIR"), "{}", stderr(&output));
    let output = bench.motet(&["run", "other.pomo"]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("cannot read other.pomo"), "{}", stderr(&output));
}

#[test]
fn without_a_directory_outputs_are_printed() {
    let program =
        "relation P(x: int, n: text). output P. P(x: 1, n: \"a,b\"). P(x: -2, n: \"\"). P(x: $x, n: $n).";
    let bench = Bench::new(program, &[]);
    let print = |format| {
        let output = bench.motet(&["run", "program.pomo", "--format", format, "-P", "x=7", "-P", "n=\"c\""]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        stdout(&output).to_owned()
    };
    assert_eq!(print("csv"), "x,n\n-2,\n1,\"a,b\"\n7,c\n");
    assert_eq!(print("json"), "{\"x\":-2,\"n\":\"\"}\n{\"x\":1,\"n\":\"a,b\"}\n{\"x\":7,\"n\":\"c\"}\n");
    let table = print("table");
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines, [vec!["x", "n"], vec!["-2"], vec!["1", "a,b"], vec!["7", "c"]]);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let program = "relation P(x: int). output P. input P.";
    let rows: String = (0..200_000).map(|row| format!("{row}\n")).collect();
    let bench = Bench::new(program, &[("P.csv", &format!("x\n{rows}"))]);
    let mut child = bench
        .command(&["run", "program.pomo", "--facts", "facts", "--format", "csv"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), stderr(&output)), (0, ""));
}

#[test]
fn inputs_and_outputs_are_files_of_several_forms() {
    let bench = Bench::new(CLOSURE, &[]);
    std::fs::write(bench.path("edges.jsonl"), "{\"y\": 2, \"x\": 1}\n\n[{\"x\": 2, \"y\": 3}, 1]\n").unwrap();
    let output = bench.motet(
        &[
            &["run", "program.pomo", "--source", "Edge=edges.jsonl"][..],
            &["--out", "out", "--sink", "Reach=other/reach.jsonl"],
        ]
        .concat(),
    );
    assert_eq!((code(&output), stderr(&output), stdout(&output)), (0, "", ""));
    let reach = std::fs::read_to_string(bench.path("other/reach.jsonl")).unwrap();
    assert_eq!(reach, "{\"x\":1,\"y\":2}\n{\"x\":1,\"y\":3}\n{\"x\":2,\"y\":3}\n");
    assert_eq!(bench.written("Size.csv"), "pairs\n3\n");
    assert!(!bench.path("out/Reach.csv").exists());
}

#[test]
fn flags_that_make_no_sense_say_why() {
    let bench = Bench::new(CLOSURE, &[("Edge.csv", "x,y\n")]);
    for (flags, want) in [
        (&["--source", "Edge"][..], "--source Edge: write REL=FILE"),
        (&["--source", "Edge=e.txt"], "--source Edge=e.txt: a file is .csv, .jsonl or .car"),
        (&["--source", "Edge=a.csv", "--source", "Edge=b.csv"], "this relation is given twice"),
        (
            &["--source", "Reach=r.csv"],
            "`Reach` is not an input of this program: `input Reach.` makes it one",
        ),
        (&["--sink", "Edge=e.csv"], "`Edge` is not an output of this program: `output Edge.` makes it one"),
        (&["--sink", "Reach=-"], "help: add --follow"),
        (&["--source", "Edge=e.car"], "a CAR file is a source of `fact`"),
    ] {
        let output = bench.motet(&[&["run", "program.pomo", "--facts", "facts"], flags].concat());
        assert_eq!(code(&output), 2, "{}", stderr(&output));
        assert!(stderr(&output).contains(want), "{}", stderr(&output));
    }
}

#[test]
fn lines_that_come_later_are_followed_and_changes_come_out() {
    let bench = Bench::new(CLOSURE, &[]);
    let mut child = bench
        .command(&["run", "program.pomo", "--follow", "--source", "Edge=-", "--sink", "Reach=-"])
        .args(["--sink", "Size=size.csv"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    writeln!(input, "{{\"x\": 1, \"y\": 2}}").unwrap();
    let first = next();
    assert!(first.starts_with("[{\"x\":1,\"y\":2},1,"), "{first}");
    writeln!(input, "{{\"x\": 1}}").unwrap();
    writeln!(input, "[{{\"x\": 1, \"y\": 2}}, -1]").unwrap();
    let second = next();
    assert!(second.starts_with("[{\"x\":1,\"y\":2},-1,"), "{second}");
    drop(input);
    assert!(lines.next().is_none());
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(stderr(&output), "error: standard input:2: column `y` is missing\n");
    assert_eq!(std::fs::read_to_string(bench.path("size.csv")).unwrap(), "pairs\n0\n");
}

#[test]
fn check_says_what_each_output_means_and_explain_how_it_is_computed() {
    let bench = Bench::new(CLOSURE, &[]);
    let output = bench.motet(&["check", "program.pomo"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let said = stdout(&output);
    assert!(said.starts_with("program.pomo: no errors, 0 warnings\n"), "{said}");
    let line = |start: &str| said.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
    assert!(line("Reach(x, y)").ends_with("monotone"), "{said}");
    assert!(line("Size(pairs)").ends_with("convergent"), "{said}");
    let output = bench.motet(&["run", "program.pomo", "--explain"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let said = stdout(&output);
    assert!(said.contains("Reach"), "{said}");
    assert!(said.contains("estimated\n") && !said.contains("actual"), "there are no rows yet: {said}");
    let output = bench.motet(&["check", "program.pomo", "--explain"]);
    assert!(stdout(&output).contains("estimated\n"), "{}", stdout(&output));
    std::fs::write(bench.path("facts").join("Edge.csv"), "x,y\n1,2\n2,3\n").unwrap();
    let output = bench.motet(&["run", "program.pomo", "--facts", "facts", "--explain"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let said = stdout(&output);
    assert!(said.contains("estimated  actual\n"), "{said}");
}

#[test]
fn check_finds_a_cycle_through_negation() {
    let bench = Bench::new("output P. relation P(x: int). P(x: 1) :- !P(x: 1).", &[]);
    let output = bench.motet(&["check", "program.pomo"]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("error[L"), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
}

#[test]
fn blocks_have_names_and_say_what_they_are() {
    let bench = Bench::new("", &[]);
    let fact = Fact::new(Entity::from([7; 16]), "title".into(), "Milk", Vec::new()).unwrap();
    std::fs::write(bench.path("fact"), fact.encode()).unwrap();
    std::fs::write(bench.path("text"), "hello").unwrap();
    assert_eq!(stdout(&bench.motet(&["cid", "fact"])).trim(), fact.cid().to_string());
    let raw = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq";
    assert_eq!(stdout(&bench.motet(&["cid", "text"])).trim(), raw);
    let said = bench.motet(&["decode", "fact", "--format", "json"]);
    assert!(stdout(&said).contains(r#""attribute":"title","value":"Milk""#), "{}", stdout(&said));
    let refused = bench.motet(&["decode", "text"]);
    assert_eq!(code(&refused), 1);
    assert!(stderr(&refused).contains("5 bytes are nothing that has a name here"), "{}", stderr(&refused));
}

#[test]
fn rules_beside_the_program_are_used() {
    let bench = Bench::new("use graph.\noutput Reach. Edge(x: 1, y: 2). Edge(x: 2, y: 3).", &[]);
    let graph = "use edges. Reach(x: X, y: Y) :- Link(x: X, y: Y).
        Reach(x: X, y: Z) :- Link(x: X, y: Y), Reach(x: Y, y: Z).";
    std::fs::write(bench.path("graph.pomo"), graph).unwrap();
    std::fs::write(bench.path("edges.pl"), "Link(x: X, y: Y) :- Edge(x: X, y: Y).").unwrap();
    assert!(bench.run_to_files(&[]).status.success());
    assert_eq!(bench.written("Reach.csv"), "x,y\n1,2\n1,3\n2,3\n");
    std::fs::write(bench.path("edges.pl"), "Link(x: X, y: Y) :- Edge(x: X, z: Y).").unwrap();
    let output = bench.run_to_files(&[]);
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("edges.pl:1:32"), "{said}");
}

#[test]
fn a_row_is_explained_and_a_missing_one_too() {
    let bench = Bench::new(CLOSURE, &[("Edge.csv", "x,y\n1,2\n2,3\n")]);
    for runtime in RUNTIMES {
        let ask = |question: &str, row: &str| {
            bench.motet(&["run", "program.pomo", "--facts", "facts", "--runtime", runtime, question, row])
        };
        let said = ask("--why", "Reach(1, 3)");
        assert_eq!(code(&said), 0, "{}", stderr(&said));
        assert_eq!(
            stdout(&said),
            "Reach(x: 1, y: 3)   line 7: Reach(x: X, y: Z) :- Reach(x: X, y: Y), Edge(x: Y, y: Z).\n  \
             Reach(x: 1, y: 2)   line 6: Reach(x: X, y: Y) :- Edge(x: X, y: Y).\n    \
             Edge(x: 1, y: 2)   stored\n  Edge(x: 2, y: 3)   stored\n"
        );
        let said = ask("--why-not", "Reach(x: 3, y: 1)");
        assert_eq!(code(&said), 0, "{}", stderr(&said));
        assert!(stdout(&said).contains("Edge(x: 3, y: 1)   fails: no row matches\n"), "{}", stdout(&said));
        let said = ask("--why", "Reach(3, 1)");
        assert!(stderr(&said).contains("help: --why-not"), "{}", stderr(&said));
        assert_eq!(code(&ask("--why", "Raech(3, 1)")), 1);
    }
}

#[test]
fn what_has_no_value_is_a_warning_after_the_result() {
    let program = "\
relation Part(x: int).
input Part. output Share.
Share(x: X, y: Y) :- Part(x: X), Y == 12 / X.
";
    let bench = Bench::new(program, &[("Part.csv", "x\n0\n3\n")]);
    for runtime in RUNTIMES {
        let output = bench.motet(&[
            "run",
            "program.pomo",
            "--facts",
            "facts",
            "--runtime",
            runtime,
            "--format",
            "csv",
        ]);
        assert_eq!((code(&output), stdout(&output)), (0, "x,y\n3,4\n"));
        let warning = "warning: `Share`, rule at program.pomo:3:1 \
            (Share(x: X, y: Y) :- Part(x: X), Y == 12 / X.): 1 row has no value for 12 / X\n";
        // A plan may call the column by another name than the rule does.
        assert_eq!(stderr(&output).replace("12 / x", "12 / X"), warning, "{runtime}");
    }
}

#[test]
fn a_run_over_its_limits_writes_nothing_and_names_the_rule() {
    let bench = Bench::new(CLOSURE, &[("Edge.csv", "x,y\n1,2\n2,3\n3,4\n4,1\n")]);
    for runtime in RUNTIMES {
        for (flag, limit, what) in [
            ("--max-rows", "7", "7 rows"),
            ("--max-rounds", "1", "1 iterations"),
            ("--max-memory", "300", "300 bytes"),
        ] {
            let output = bench.run_to_files(&["--runtime", runtime, flag, limit]);
            assert_eq!(code(&output), 1, "{runtime} {flag}");
            let told = stderr(&output);
            let begin = format!("error: the budget of {what} ran out while computing `");
            assert!(told.starts_with(&begin), "{runtime}: {told}");
            let named = told.contains(", rule at program.pomo:") || told.contains("`Edge`");
            assert!(named && !bench.path("out").exists(), "{runtime}: {told}");
        }
    }
}

#[test]
fn a_query_has_limits_too_and_shows_the_rule_of_each_plan() {
    let directory = tempfile::tempdir().unwrap();
    let motet = |arguments: &[&str]| common::command(directory.path(), arguments).output().unwrap();
    for arguments in [&["init"][..], &["party", "new", "home"], &["item", "new", "n=0"]] {
        assert_eq!(code(&motet(arguments)), 0);
    }
    let query = "output up. up(n: N) :- attr(attribute: \"n\", value: N). up(n: M) :- up(n: N), M == N + 1.";
    for runtime in RUNTIMES {
        for limit in [["--max-rounds", "50"], ["--max-rows", "300"], ["--max-memory", "20K"]] {
            let output = motet(&[&["query", query, "--runtime", runtime], &limit[..]].concat());
            let told = stderr(&output);
            assert_eq!((code(&output), stdout(&output)), (1, ""), "{runtime}");
            let named =
                "ran out while computing `up`, rule at query:1:56 (up(n: M) :- up(n: N), M == N + 1.)";
            assert!(told.contains(named), "{runtime} {limit:?}: {told}");
        }
    }
    let explained = motet(&["query", query, "--explain", "--max-rounds", "50"]);
    assert_eq!(code(&explained), 1);
    let bounded = query.replace("M == N + 1", "M == N + 1, N < 5");
    let explained = motet(&["query", &bounded, "--explain"]);
    assert!(stdout(&explained).contains("up := (query:1:56)"), "{}", stdout(&explained));
}
