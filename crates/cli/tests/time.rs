//! Programs with `@next` and events on the command line: `run` ticks until they rest, `inc` ticks when it is told.
use std::process::Output;

use crate::common::{Bench, RUNTIMES, code, command, stderr, stdout};

/// One waits less after each tick.
const QUEUE: &str = "\
event come(n: int).
output queue. output served.
queue(n: N)@next :- come(n: N).
queue(n: N)@next :- queue(n: N), M := min X : queue(n: X), N > M.
served(n: M)@next :- served(n: M).
served(n: M)@next :- queue(n: M), M := min X : queue(n: X), rings().
rings() :- come().
";

fn said(output: &Output) -> (i32, &str, &str) {
    (code(output), stdout(output), stderr(output))
}

#[test]
fn run_shows_the_state_in_which_the_program_rests() {
    let kept = format!("{QUEUE}queue(n: 9)@next :- queue(n: 9).\n");
    let bench = Bench::new(&kept, &[("come.csv", "n\n3\n9\n1\n2\n")]);
    for runtime in RUNTIMES {
        let run = |more: &[&str]| {
            let arguments = [&["run", "program.pomo", "--out", "out", "--runtime", runtime], more].concat();
            assert_eq!(said(&bench.motet(&arguments)), (0, "", ""));
            std::fs::read_to_string(bench.path("out/queue.csv")).unwrap()
        };
        assert_eq!(run(&["--facts", "facts"]), "n\n9\n");
        // The file of an event may be missing, and so may all files.
        assert_eq!(run(&[]), "n\n");
    }
}

#[test]
fn run_gives_up_on_a_program_that_does_not_rest() {
    let bench = Bench::new(QUEUE, &[("come.csv", "n\n3\n1\n2\n")]);
    for runtime in RUNTIMES {
        let run = |ticks: &str| {
            let arguments =
                ["run", "program.pomo", "--facts", "facts", "--runtime", runtime, "--max-ticks", ticks];
            bench.motet(&arguments)
        };
        // One to put them into the queue, and three to empty it.
        assert_eq!(run("4").status.code(), Some(0));
        let output = run("3");
        let (code, out, error) = said(&output);
        assert_eq!((code, out), (1, ""));
        assert!(error.contains("after 3 ticks the program is not at rest: `queue` still changes"), "{error}");
    }
}

#[test]
fn inc_ticks_when_it_is_told_to() {
    let bench = Bench::new(QUEUE, &[]);
    let script = [
        (r#"{"insert": {"come": [[1], [2]]}}"#, r#"{"epoch":1,"changes":{}}"#),
        (r#"{}"#, r#"{"epoch":2,"changes":{"queue":[[[1],1],[[2],1]]}}"#),
        // What is no event any more cannot be deleted: nothing changes, but the epoch passes.
        (r#"{"delete": {"come": [[2]]}}"#, r#"{"epoch":3,"changes":{"queue":[[[1],-1]]}}"#),
        (
            r#"{"come": {}}"#,
            r#"{"error":{"line":4,"message":"a transaction has no `come`, only `insert` and `delete`"}}"#,
        ),
        (r#"{"insert": {"come": [[2]]}}"#, r#"{"epoch":4,"changes":{"queue":[[[2],-1]]}}"#),
        // The same event twice in a row is two events.
        (r#"{"insert": {"come": [[2]]}}"#, r#"{"epoch":5,"changes":{"queue":[[[2],1]]}}"#),
        (r#"{}"#, r#"{"epoch":6,"changes":{"served":[[[2],1]]}}"#),
        (r#"{}"#, r#"{"epoch":7,"changes":{"queue":[[[2],-1]]}}"#),
        (r#"{}"#, r#"{"epoch":8,"changes":{}}"#),
    ];
    let input: String = script.iter().map(|(line, _)| format!("{line}\n")).collect();
    let expected: String = script.iter().map(|(_, answer)| format!("{answer}\n")).collect();
    for runtime in RUNTIMES {
        let output = bench.motet_given(&["inc", "program.pomo", "--runtime", runtime], &input);
        assert_eq!(said(&output), (0, &*expected, ""));
    }
}

#[test]
fn one_answer_is_refused_to_a_query_about_more_than_one_epoch() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [&["init"][..], &["party", "new", "home"]] {
        assert!(command(directory.path(), arguments).output().unwrap().status.success());
    }
    let query = "output seen. seen(id: I) :- item(id: I). seen(id: I)@next :- seen(id: I).";
    let output = command(directory.path(), &["query", query]).output().unwrap();
    let (code, out, error) = said(&output);
    assert_eq!((code, out), (1, ""));
    assert!(
        error.contains("depends on events or earlier epochs")
            && error.contains("help: watch it with --watch"),
        "{error}"
    );
    let output = command(directory.path(), &["query", query, "--explain"]).output().unwrap();
    assert!(said(&output).1.contains("seen(id: bytes) local\n"));
}
