//! The answers about an imported history are git's own, on every runtime.
//!
//! The repositories are made with `git fast-import`: parallel branches, merges of two and three, two roots, commits
//! that touch nothing, modes and types that change, paths that are not UTF-8, a mailmap, clocks that run backwards;
//! and this project's own. Without git there is nothing to compare with: the tests say so and pass.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "in a test a panic with the place is the message"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const RUNTIMES: [&str; 3] = ["naive", "native", "cluster"];

// ---------------------------------------------------------------- running

fn git_is_here() -> bool {
    let here = Command::new("git").arg("--version").output().is_ok_and(|output| output.status.success());
    if !here {
        eprintln!("skipped: git is not installed");
    }
    here
}

fn git_command(repository: &Path) -> Command {
    let mut command = Command::new("git");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"] {
        command.env_remove(name);
    }
    command.arg("-C").arg(repository).arg("--literal-pathspecs");
    command
}

fn git<S: AsRef<OsStr>>(repository: &Path, arguments: &[S]) -> Vec<u8> {
    let output = git_command(repository).args(arguments).output().unwrap();
    assert!(output.status.success(), "git: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn git_lines(repository: &Path, arguments: &[&str]) -> Vec<String> {
    String::from_utf8_lossy(&git(repository, arguments)).lines().map(str::to_owned).collect()
}

fn motet(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_motet"))
        .arg("--dir")
        .arg(directory)
        .args(["--quiet", "--format", "csv"])
        .args(arguments)
        .output()
        .unwrap()
}

fn motet_ok(directory: &Path, arguments: &[&str]) -> String {
    let output = motet(directory, arguments);
    assert!(output.status.success(), "motet {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A database with a party.
fn database(directory: &Path) -> PathBuf {
    let place = directory.join("database");
    motet_ok(&place, &["init"]);
    motet_ok(&place, &["party", "new", "history"]);
    place
}

fn program(name: &str) -> String {
    format!("{}/src/queries/{name}.pomo", env!("CARGO_MANIFEST_DIR"))
}

/// The rows of a query's answer, each with its fields.
fn ask(database: &Path, runtime: &str, name: &str, parameters: &[String]) -> BTreeSet<Vec<String>> {
    let file = program(name);
    let mut arguments = vec!["query", "--file", &file, "--runtime", runtime];
    parameters.iter().for_each(|parameter| arguments.extend(["--param", parameter]));
    let csv = motet_ok(database, &arguments);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// A path as a literal and as a cell of an `any` column.
fn literal(path: &[u8]) -> String {
    match std::str::from_utf8(path) {
        Ok(text) => motet_fact::Value::from(text).to_string(),
        Err(_) => motet_fact::Value::bytes(path).to_string(),
    }
}

// ---------------------------------------------------------------- comparing

/// Everything git says must be what we say.
fn compare(repository: &Path, database: &Path, commits: &[String], paths: &[Vec<u8>], author: &str) {
    for runtime in RUNTIMES {
        for commit in commits {
            let ours = ask(database, runtime, "ancestors", &[format!("commit=0x{commit}")]);
            let ours: BTreeSet<String> =
                ours.into_iter().map(|row| row[0].trim_start_matches("0x").to_owned()).collect();
            let theirs: BTreeSet<String> = git_lines(repository, &["rev-list", commit]).into_iter().collect();
            assert_eq!(ours, theirs, "the ancestors of {commit} on {runtime}");
            let count = git_lines(repository, &["rev-list", "--count", commit]).remove(0);
            assert_eq!(ours.len().to_string(), count);
            for other in commits {
                let is = git_command(repository)
                    .args(["merge-base", "--is-ancestor", other, commit])
                    .status()
                    .unwrap();
                assert_eq!(ours.contains(other), is.success(), "{other} before {commit} on {runtime}");
            }
        }
        for path in paths {
            let ours = ask(database, runtime, "first-touch", &[format!("path={}", literal(path))]);
            let ours: Vec<String> =
                ours.into_iter().map(|row| row[1].trim_start_matches("0x").to_owned()).collect();
            assert_eq!(ours, first_touch(repository, path), "{} on {runtime}", literal(path));
        }
        assert_eq!(commits_per_author(database, runtime), shortlog(repository), "on {runtime}");
        let ours =
            ask(database, runtime, "never-touched", &[format!("author={}", literal(author.as_bytes()))]);
        let ours: BTreeSet<String> = ours.into_iter().map(|row| row[0].clone()).collect();
        assert_eq!(ours, never_touched(repository, author), "{author} on {runtime}");
    }
}

/// The least (committer time, id) of those that touched the path.
fn first_touch(repository: &Path, path: &[u8]) -> Vec<String> {
    let arguments = ["log", "--full-history", "--no-merges", "--format=%ct %H", "HEAD", "--"].map(OsStr::new);
    let log = git(repository, &[&arguments[..], &[OsStr::from_bytes(path)]].concat());
    let log = String::from_utf8(log).unwrap();
    let commits = log.lines().map(|line| line.split_once(' ').unwrap());
    let first = commits.map(|(time, id)| (time.parse::<i64>().unwrap(), id.to_owned())).min();
    first.into_iter().map(|(_, id)| id).collect()
}

fn shortlog(repository: &Path) -> BTreeMap<String, String> {
    let line = |line: String| {
        let (count, name) = line.trim().split_once('\t').unwrap();
        (name.to_owned(), count.to_owned())
    };
    git_lines(repository, &["shortlog", "-sn", "HEAD"]).into_iter().map(line).collect()
}

fn commits_per_author(database: &Path, runtime: &str) -> BTreeMap<String, String> {
    let name = |cell: &String| cell.trim_matches('"').to_owned(); // a text in an `any` column is quoted
    ask(database, runtime, "commits-per-author", &[])
        .into_iter()
        .map(|row| (name(&row[0]), row[1].clone()))
        .collect()
}

fn never_touched(repository: &Path, author: &str) -> BTreeSet<String> {
    let log = ["log", "--no-merges", "--no-renames", "--name-only", "-z", "--format=%x01%aN", "HEAD"];
    let log = git(repository, &log);
    let (mut all, mut touched, mut is_author) = (BTreeSet::new(), BTreeSet::new(), false);
    for field in log.split(|byte| *byte == 0) {
        match field.strip_prefix(b"\x01") {
            Some(name) => is_author = name == author.as_bytes(),
            None => {
                let path = field.strip_prefix(b"\n").unwrap_or(field);
                if !path.is_empty() {
                    all.insert(literal(path));
                    touched.extend(is_author.then(|| literal(path)));
                }
            }
        }
    }
    all.difference(&touched).cloned().collect()
}

// ---------------------------------------------------------------- making

/// A small game with fixed dice that writes a stream for `git fast-import`.
struct Maker {
    stream: Vec<u8>,
    dice: u64,
    /// The tips of the branches, by mark.
    tips: Vec<u32>,
    commits: u32,
}

const PATHS: [&[u8]; 7] = [
    b"README",
    b"a/b/c.txt",
    b"na\xffme",
    "gr\u{fc}n/wei\u{df}".as_bytes(),
    b"quo\"te",
    b"sp ace",
    b"script",
];
const AUTHORS: [&str; 5] = ["Ada", "Ada Lovelace", "Bob", "C\u{e9}line", "Dao"];

impl Maker {
    fn throw(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % sides
    }

    fn commit(&mut self, parents: &[u32], changes: u64) -> u32 {
        self.commits += 1;
        let author = AUTHORS[self.throw(5) as usize];
        let email = author.to_lowercase().replace(' ', ".");
        let time = 1_600_000_000 + u64::from(self.commits) * 60 - self.throw(600); // clocks run backwards at times
        let (mark, committed) = (self.commits, time + self.throw(5_000)); // committing has an order of its own
        let head = format!(
            "commit refs/heads/main\nmark :{mark}\nauthor {author} <{email}@x> {time} +0200\n\
             committer {author} <{email}@x> {committed} -0500\ndata 5\nwork\n"
        );
        self.stream.extend(head.bytes());
        match parents {
            [] => self.stream.extend(b"deleteall\n"),
            [first, others @ ..] => {
                self.stream.extend(format!("from :{first}\n").bytes());
                others.iter().for_each(|other| self.stream.extend(format!("merge :{other}\n").bytes()));
            }
        }
        (0..changes).for_each(|_| self.change(mark));
        mark
    }

    fn change(&mut self, mark: u32) {
        let path = PATHS[self.throw(PATHS.len() as u64) as usize];
        let quoted: Vec<u8> = path.iter().flat_map(|byte| format!("\\{byte:03o}").into_bytes()).collect();
        let (mode, content) = match self.throw(8) {
            0 => {
                self.stream.extend([b"D \"".as_slice(), &quoted, b"\"\n"].concat());
                return;
            }
            1 => ("100755", "same".to_owned()),
            2 => ("120000", "README".to_owned()),
            3 => ("100644", "same".to_owned()),
            _ => ("100644", format!("{mark}")),
        };
        self.stream.extend([format!("M {mode} inline \"").as_bytes(), &quoted, b"\"\n"].concat());
        self.stream.extend(format!("data {}\n{content}\n", content.len()).bytes());
    }

    fn play(&mut self, rounds: u32) {
        let roots = [self.commit(&[], 3), self.commit(&[], 2)];
        self.tips.extend(roots);
        for _ in 0..rounds {
            let at = self.throw(self.tips.len() as u64) as usize;
            let tip = self.tips[at];
            match self.throw(8) {
                0 | 1 => self.tips.push(tip),
                2 | 3 if self.tips.len() > 1 => {
                    let other = self.tips.swap_remove((at + 1) % self.tips.len());
                    let third = self.tips[0];
                    let mut parents = vec![tip, other];
                    parents.extend((self.throw(3) == 0).then_some(third));
                    parents.dedup();
                    let changes = self.throw(2); // an evil merge: it changes something by itself
                    let merge = self.commit(&parents, changes);
                    let place = self.tips.iter().position(|one| *one == tip).unwrap_or(0);
                    self.tips[place] = merge;
                }
                _ => {
                    let changes = self.throw(4);
                    self.tips[at] = self.commit(&[tip], changes);
                }
            }
        }
        let tips: Vec<u32> = self.tips.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let last = self.commit(&tips, 0);
        self.stream.extend(format!("reset refs/heads/main\nfrom :{last}\n\n").bytes());
    }
}

fn make_repository(place: &Path, format: &str, stream: &[u8]) {
    std::fs::create_dir_all(place).unwrap();
    git(place, &["init", "-q", "-b", "main", &format!("--object-format={format}")]);
    fast_import(place, stream);
}

fn fast_import(place: &Path, stream: &[u8]) {
    let mut import =
        git_command(place).args(["fast-import", "--quiet", "--force"]).stdin(Stdio::piped()).spawn().unwrap();
    import.stdin.take().unwrap().write_all(stream).unwrap();
    assert!(import.wait().unwrap().success());
}

/// A repository with many merges, and its commits.
fn tangled(place: &Path, format: &str, seed: u64, rounds: u32) -> Vec<String> {
    let mut maker = Maker { stream: Vec::new(), dice: seed, tips: Vec::new(), commits: 0 };
    maker.play(rounds);
    make_repository(place, format, &maker.stream);
    std::fs::write(place.join(".mailmap"), "Ada Lovelace <ada@x>\nDao Mai <dao@x>\n").unwrap();
    git_lines(place, &["rev-list", "--topo-order", "HEAD"])
}

/// Some of a list, evenly.
fn some(all: &[String], how_many: usize) -> Vec<String> {
    all.iter().step_by((all.len() / how_many).max(1)).cloned().collect()
}

// ---------------------------------------------------------------- tests

#[test]
fn a_tangled_history_gives_gits_own_answers() {
    if !git_is_here() {
        return;
    }
    for (format, seed, rounds) in [("sha1", 1, 120), ("sha256", 2, 40)] {
        let directory = tempfile::tempdir().unwrap();
        let repository = directory.path().join("repository");
        let commits = tangled(&repository, format, seed, rounds);
        let merges = git_lines(&repository, &["rev-list", "--merges", "HEAD"]);
        assert!(merges.len() as u32 > rounds / 10, "{} merges of {} commits", merges.len(), commits.len());
        let database = database(directory.path());
        motet_ok(&database, &["import", "git", repository.to_str().unwrap()]);
        let paths: Vec<Vec<u8>> = PATHS.iter().map(|path| path.to_vec()).collect();
        compare(&repository, &database, &some(&commits, 4), &paths, "Ada Lovelace");
    }
}

#[test]
fn importing_again_adds_what_is_new() {
    if !git_is_here() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let repository = directory.path().join("repository");
    let before = tangled(&repository, "sha1", 3, 30);
    let database = database(directory.path());
    let field = |csv: &str, name: &str| {
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let place = reader.headers().unwrap().iter().position(|header| header == name).unwrap();
        reader.records().next().unwrap().unwrap()[place].to_owned()
    };
    let path = repository.to_str().unwrap();
    let first = motet_ok(&database, &["import", "git", path]);
    assert_eq!(field(&first, "new_commits"), before.len().to_string());
    let again = motet_ok(&database, &["import", "git", path]);
    assert_eq!(field(&again, "new_commits"), "0");
    assert_eq!(field(&again, "item"), field(&first, "item"));

    let more = "commit refs/heads/main\ncommitter New One <n@x> 1700000000 +0000\ndata 4\nmore\nfrom refs/heads/main^0\n\
                M 100644 inline more\ndata 1\nx\n\n";
    fast_import(&repository, more.as_bytes());
    let third = motet_ok(&database, &["import", "git", path]);
    assert_eq!(
        (field(&third, "new_commits"), field(&third, "item")),
        ("1".to_owned(), field(&first, "item"))
    );
    assert_eq!(commits_per_author(&database, "cluster"), shortlog(&repository));
    assert!(!motet_ok(&database, &["verify"]).is_empty());
}

#[test]
fn a_commit_that_touches_thousands_of_paths_is_split_and_whole() {
    const PATHS: usize = 3_000;
    if !git_is_here() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let repository = directory.path().join("wide");
    let mut stream = "commit refs/heads/main\ncommitter Ada <a@x> 1600000000 +0000\ndata 1\nx\n".to_owned();
    for path in 0..PATHS {
        stream += &format!("M 100644 inline directory/{path}/{}\ndata 1\nx\n", "long".repeat(20));
    }
    stream += "commit refs/heads/main\ncommitter Ada <a@x> 1600000001 +0000\ndata 1\ny\n";
    make_repository(&repository, "sha1", stream.as_bytes());
    let database = database(directory.path());
    motet_ok(&database, &["import", "git", repository.to_str().unwrap()]);
    let never = ask(&database, "cluster", "never-touched", &["author=\"Nobody\"".to_owned()]);
    assert_eq!(never.len(), PATHS);
    let head = git_lines(&repository, &["rev-parse", "HEAD"]).remove(0);
    assert_eq!(ask(&database, "cluster", "ancestors", &[format!("commit=0x{head}")]).len(), 2);
}

#[test]
fn this_projects_own_history_gives_gits_own_answers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if !git_is_here() {
        return;
    }
    let shallow = git_command(&root).args(["rev-parse", "--is-shallow-repository"]).output().unwrap();
    if shallow.stdout.trim_ascii() != b"false" {
        eprintln!("skipped: this is no clone with the whole history");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let database = database(directory.path());
    let head = git_lines(&root, &["rev-parse", "HEAD"]).remove(0); // somebody may commit meanwhile
    let clone = directory.path().join("clone");
    git(
        &root,
        &[OsStr::new("clone"), OsStr::new("-q"), OsStr::new("--bare"), OsStr::new("."), clone.as_os_str()],
    );
    git(&clone, &["update-ref", "--no-deref", "HEAD", &head]);
    motet_ok(&database, &["import", "git", clone.to_str().unwrap()]);
    let commits = git_lines(&clone, &["rev-list", "--topo-order", "HEAD"]);
    let paths = [b"Cargo.toml".to_vec(), b"Cargo.lock".to_vec()];
    let author = shortlog(&clone).into_keys().next().unwrap();
    compare(&clone, &database, &some(&commits, 3), &paths, &author);
}

#[test]
fn what_can_not_be_imported_is_named_with_the_remedy() {
    if !git_is_here() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let database = database(directory.path());
    let refuse = |arguments: &[&str], words: &[&str]| {
        let output = motet(&database, arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{arguments:?}");
        words.iter().for_each(|word| assert!(said.contains(word), "{word:?} in {said}"));
    };
    let nothing = directory.path().join("nothing");
    std::fs::create_dir_all(&nothing).unwrap();
    refuse(&["import", "git", nothing.to_str().unwrap()], &["is not a git repository"]);

    let empty = directory.path().join("empty");
    make_repository(&empty, "sha1", b"");
    refuse(&["import", "git", empty.to_str().unwrap()], &["has no commits yet"]);

    let whole = directory.path().join("whole");
    tangled(&whole, "sha1", 4, 10);
    refuse(
        &["import", "git", whole.to_str().unwrap(), "--revision", "nowhere"],
        &["has no commit `nowhere`"],
    );

    let url = format!("file://{}", whole.display());
    git(directory.path(), &["clone", "-q", "--depth", "2", &url, "shallow"]);
    let shallow = directory.path().join("shallow");
    refuse(&["import", "git", shallow.to_str().unwrap()], &["shallow clone", "fetch --unshallow"]);
}

#[test]
#[cfg(target_os = "linux")]
fn the_ancestors_of_a_long_line_fit_in_memory() {
    const COMMITS: u32 = 20_000;
    if !git_is_here() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let repository = directory.path().join("line");
    let mut stream = Vec::new();
    for commit in 1..=COMMITS {
        let change = format!("M 100644 inline file\ndata 5\n{commit:05}\n");
        let line = format!(
            "commit refs/heads/main\nmark :{commit}\ncommitter Ada <a@x> {} +0000\ndata 1\nx\n{change}",
            1_600_000_000 + commit
        );
        stream.extend(line.bytes());
    }
    make_repository(&repository, "sha1", &stream);
    let database = database(directory.path());
    motet_ok(&database, &["import", "git", repository.to_str().unwrap()]);
    let head = git_lines(&repository, &["rev-parse", "HEAD"]).remove(0);
    let out = std::fs::File::create(directory.path().join("out")).unwrap();
    let mut query = Command::new(env!("CARGO_BIN_EXE_motet"))
        .arg("--dir")
        .arg(&database)
        .args([
            "--format",
            "csv",
            "query",
            "--file",
            &program("ancestors"),
            "--param",
            &format!("commit=0x{head}"),
        ])
        .stdout(out)
        .spawn()
        .unwrap();
    let mut peak = 0;
    while query.try_wait().unwrap().is_none() {
        peak = peak.max(peak_kib(query.id()).unwrap_or(0));
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let answer = std::fs::read_to_string(directory.path().join("out")).unwrap();
    assert_eq!(answer.lines().count(), COMMITS as usize + 1, "a header and every commit");
    eprintln!("peak memory of the query: {} MB", peak / 1000);
    assert!(peak > 0 && peak < 200_000, "{peak} KiB");
}

#[cfg(target_os = "linux")]
fn peak_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}
