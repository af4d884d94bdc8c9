//! `motet run --print-ra` and `--ra`: a program and its plan give the same files. `MOTET_SUITE` names a directory of
//! further programs, each `NAME/program.pomo` with its inputs in `NAME/facts`.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const RUNTIMES: [&str; 3] = ["naive", "native", "cluster"];

const PROGRAM: &str = "\
relation Edge(x: int, y: int).
relation Size(x: int, n: int).
input Edge. output Reach. output `Not reached`. output Size. output Mean.
Edge(x: 3, y: 1).
Reach(x: X, y: Y) :- Edge(x: X, y: Y).
Reach(x: X, y: Z) :- Reach(x: X, y: Y), Edge(x: Y, y: Z).
`Not reached`(x: X, y: Y) :- Edge(x: X), Edge(y: Y), !Reach(x: X, y: Y), X * 2 - 1 != Y.
Size(x: X, n: N) :- Edge(x: X), N := count : Reach(x: X).
Mean(m: M, c: C) :- M := mean N : Size(n: N), C := Size(x: 1).
";

fn motet(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_motet")).args(arguments).output().unwrap()
}

/// Runs a program or a plan, and gives the files that it writes.
fn files(program: &Path, facts: &Path, flags: &[&str]) -> BTreeMap<String, String> {
    let out = tempfile::tempdir().unwrap();
    let mut arguments =
        vec![Path::new("run"), program, Path::new("--facts"), facts, Path::new("--out"), out.path()];
    arguments.extend(flags.iter().map(Path::new));
    let output = motet(&arguments);
    assert!(output.status.success(), "{}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    let entries = std::fs::read_dir(out.path()).unwrap().map(|entry| entry.unwrap());
    let named = |entry: std::fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap())
    };
    entries.map(named).collect()
}

fn check(program: &Path, facts: &Path) {
    let printed = motet(&[Path::new("run"), program, Path::new("--print-ra")]);
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let directory = tempfile::tempdir().unwrap();
    let plan = directory.path().join("plan.ra");
    std::fs::write(&plan, &printed.stdout).unwrap();
    let wanted = files(program, facts, &[]);
    for runtime in RUNTIMES {
        let found = files(&plan, facts, &["--ra", "--runtime", runtime]);
        assert_eq!(found, wanted, "{} on {runtime}", program.display());
    }
    let again = motet(&[Path::new("run"), &plan, Path::new("--ra"), Path::new("--print-ra")]);
    assert_eq!(again.stdout, printed.stdout, "{}", program.display());
}

#[test]
fn a_program_and_its_plan_give_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program.pomo");
    std::fs::write(&program, PROGRAM).unwrap();
    std::fs::write(directory.path().join("Edge.csv"), "x,y\n1,2\n2,3\n4,4\n").unwrap();
    check(&program, directory.path());
    for directory in suite() {
        check(&directory.join("program.pomo"), &directory.join("facts"));
    }
}

fn suite() -> Vec<PathBuf> {
    let Ok(suite) = std::env::var("MOTET_SUITE") else { return Vec::new() };
    let entries = std::fs::read_dir(suite).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.join("program.pomo").exists()).collect()
}

#[test]
fn a_plan_that_is_wrong_is_told_with_its_places() {
    let directory = tempfile::tempdir().unwrap();
    let plan = directory.path().join("plan.ra");
    std::fs::write(&plan, "relation r(x: int) output;\nr :- projction([x], r);\n").unwrap();
    let output = motet(&[Path::new("run"), &plan, Path::new("--ra")]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("R011") && told.contains(":2:6") && told.contains("did you mean `projection`?"),
        "{told}"
    );
}

const PLAN: &str = "\
relation edge(x: int, y: int) input;
relation path(x: int, y: int) output;
source edge from csv \"edges.csv\";
source edge from lines \"in/more.jsonl\";
path :- edge;
while change do
  path :- projection([x, y], natural_join(rename([y: m], path), rename([x: m], edge)));
end exports [path];
sink path to csv \"path.csv\";
sink path to lines \"path.jsonl\";
";

/// A directory with a plan and what it reads.
fn plan_directory(plan: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    std::fs::create_dir(directory.path().join("in")).unwrap();
    write("plan.ra", plan);
    write("edges.csv", "x,y\n1,2\n");
    write("in/more.jsonl", "{\"x\": 2, \"y\": 3}\n{\"x\": 1, \"y\": 2}\n");
    directory
}

#[test]
fn a_plan_says_where_its_rows_come_from_and_go_to() {
    for runtime in RUNTIMES {
        let directory = plan_directory(PLAN);
        let plan = directory.path().join("plan.ra");
        let flags = ["run", "--ra", "--runtime", runtime].map(Path::new);
        let output = motet(&[&flags[..], &[&plan]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!((output.stdout, output.stderr), (vec![], vec![]));
        let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
        assert_eq!(read("path.csv"), "x,y\n1,2\n1,3\n2,3\n");
        assert_eq!(read("path.jsonl"), "{\"x\":1,\"y\":2}\n{\"x\":1,\"y\":3}\n{\"x\":2,\"y\":3}\n");
    }
}

#[test]
fn a_plan_with_ends_is_printed_as_it_is() {
    let directory = plan_directory(PLAN);
    let output = motet(
        &["run", "--ra", "--print-ra"]
            .map(Path::new)
            .into_iter()
            .chain([&*directory.path().join("plan.ra")])
            .collect::<Vec<_>>(),
    );
    assert_eq!(String::from_utf8(output.stdout).unwrap(), PLAN);
}

/// Flags go before the plan, and a program with flags becomes a plan that has them.
#[test]
fn flags_make_ends_and_go_before_those_of_a_plan() {
    let directory = plan_directory(PLAN);
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_motet"));
        let output = command.current_dir(directory.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    std::fs::write(directory.path().join("other.csv"), "x,y\n7,8\n").unwrap();
    run(&["run", "--ra", "plan.ra", "--source", "edge=other.csv", "--sink", "path=seen.csv"]);
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!(read("seen.csv"), "x,y\n7,8\n");
    assert!(!directory.path().join("path.csv").exists());
    let program =
        "relation Edge(x: int, y: int). input Edge. output Back. Back(x: Y, y: X) :- Edge(x: X, y: Y).";
    std::fs::write(directory.path().join("back.pomo"), program).unwrap();
    let ends = ["--source", "Edge=edges.csv", "--sink", "Back=back.jsonl"];
    let plan = run(&[&["run", "back.pomo", "--print-ra"], &ends[..]].concat());
    assert!(plan.contains("source Edge from csv \"edges.csv\";\n"), "{plan}");
    assert!(plan.ends_with("sink Back to lines \"back.jsonl\";\n"), "{plan}");
    std::fs::write(directory.path().join("back.ra"), plan).unwrap();
    run(&["run", "--ra", "back.ra"]);
    assert_eq!(read("back.jsonl"), "{\"x\":2,\"y\":1}\n");
}

/// Lines in, changes out, by what the plan says alone.
#[test]
fn a_plan_may_follow_its_sources() {
    let plan = PLAN
        .replace("lines \"in/more.jsonl\";", "lines \"-\" follow;")
        .replace("lines \"path.jsonl\";", "lines \"-\" changes;");
    let directory = plan_directory(&plan);
    std::fs::write(
        directory.path().join("lines"),
        "{\"x\": 2, \"y\": 3}\nnonsense\n[{\"x\": 2, \"y\": 3}, -1]\n",
    )
    .unwrap();
    let lines = std::fs::File::open(directory.path().join("lines")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_motet"));
    let output =
        command.current_dir(directory.path()).args(["run", "--ra", "plan.ra"]).stdin(lines).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && told.contains("nonsense") | told.contains(":2"), "{told}");
    let mut rows: std::collections::BTreeMap<String, i64> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let change: serde_json::Value = serde_json::from_str(line).unwrap();
        *rows.entry(change[0].to_string()).or_default() += change[1].as_i64().unwrap();
    }
    rows.retain(|_, weight| *weight != 0);
    assert_eq!(rows, BTreeMap::from([("{\"x\":1,\"y\":2}".to_owned(), 1)]));
    assert_eq!(std::fs::read_to_string(directory.path().join("path.csv")).unwrap(), "x,y\n1,2\n");
}

#[test]
fn ends_that_do_not_fit_are_told_at_their_place() {
    let directory = plan_directory(&PLAN.replace("source edge from csv", "source path from csv"));
    let output = motet(
        &["run", "--ra"]
            .map(Path::new)
            .into_iter()
            .chain([&*directory.path().join("plan.ra")])
            .collect::<Vec<_>>(),
    );
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(1) && told.contains("R045") && told.contains("plan.ra:3:8"),
        "{told}"
    );
}
