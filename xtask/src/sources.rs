//! What source files look like: pure where they must be, short, opened by a chapter, without leftovers.
//!
//! What was over a limit when the law was made stands in `xtask/ratchet.txt`, one excess to a line: what, and
//! how much. `path` is a long file and `path::name` a long function, with its lines; `path#wide` are lines
//! that are too wide, with their number. A row may only shrink, and goes when what it names is within the
//! limit.

use std::collections::BTreeMap;

use crate::tidy::File;
use crate::{Complaint, floors, rust};

const MAX_FILE_LINES: usize = 800;
const MAX_FUNCTION_LINES: usize = 70;
const MAX_COLUMNS: usize = 110;
/// Prose is wider than code, which is indented.
const MAX_COMMENT_COLUMNS: usize = 120;
/// Where the tolerated excess stands.
pub(crate) const RATCHET: &str = "xtask/ratchet.txt";

/// What a pure crate does not name, and where it gets it from instead.
const IMPURE: [&str; 8] =
    ["fs", "net", "thread", "env", "process", "time::SystemTime", "time::Instant", "os"];

/// Leftovers. Put together here, for this file is read as well.
const LEFTOVERS: [&str; 5] = [
    concat!("to", "do!("),
    concat!("db", "g!("),
    concat!("unimple", "mented!("),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];

/// The complaints about all source files.
pub(crate) fn check(files: &[File], ratchet: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut lengths: BTreeMap<String, Excess> = BTreeMap::new();
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        let blanked = rust::blanked(&file.text);
        complaints.extend(chapter(file));
        complaints.extend(leftovers(file));
        if is_pure(&file.path) {
            complaints.extend(impurities(&file.path, &blanked));
        }
        measure(file, &blanked, &mut lengths);
    }
    complaints.extend(held(&lengths, ratchet));
    complaints.extend(forgotten(files));
    complaints
}

/// The files of tests that no program of tests names: where `tests/it.rs` is, only what it names is run.
fn forgotten(files: &[File]) -> Vec<Complaint> {
    let programs = files.iter().filter_map(|file| Some((file.path.strip_suffix("it.rs")?, file)));
    let programs = programs.filter(|(directory, _)| directory.ends_with("/tests/"));
    let of_one = |(directory, program): (&str, &File)| {
        let named = |name: &str| program.text.lines().any(|line| line == format!("mod {name};"));
        let beside = files.iter().filter_map(|file| {
            let name = file.path.strip_prefix(directory)?.strip_suffix(".rs")?;
            (name != "it" && !name.contains('/')).then_some((file, name))
        });
        let lost = beside.filter(|(_, name)| !named(name));
        let say = |(file, name): (&File, &str)| {
            Complaint::new(
                &file.path,
                1,
                format!("never run: {} lacks `mod {name};`", program.path),
                "name it",
            )
        };
        lost.map(say).collect::<Vec<_>>()
    };
    programs.flat_map(of_one).collect()
}

/// The ratchet without what is over no more, and with what shrank at its new size. Nothing is added.
pub(crate) fn tightened(files: &[File], ratchet: &str) -> String {
    let mut lengths = BTreeMap::new();
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        measure(file, &rust::blanked(&file.text), &mut lengths);
    }
    let mut rows = String::new();
    for row in ratchet.lines() {
        let (what, allowed) = row.split_once(' ').unwrap_or((row, ""));
        match (lengths.get(what), allowed.parse::<usize>()) {
            (Some(excess), Ok(allowed)) => rows += &format!("{what} {}\n", excess.size.min(allowed)),
            (None, Ok(_)) => {}
            (_, Err(_)) => rows += &format!("{row}\n"),
        }
    }
    rows
}

/// Something over a limit.
struct Excess {
    file: String,
    line: usize,
    size: usize,
    what: &'static str,
}

fn chapter(file: &File) -> Option<Complaint> {
    let remedy = "open it with `//!`: what it is, why this way, what it does not do";
    (!file.text.starts_with("//!")).then(|| Complaint::new(&file.path, 1, "the file has no chapter", remedy))
}

fn leftovers(file: &File) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        for leftover in LEFTOVERS.iter().filter(|leftover| line.contains(*leftover)) {
            let what = format!("`{leftover}` was left behind");
            complaints.push(Complaint::new(
                &file.path,
                number + 1,
                what,
                "do it, or say in words what is not done",
            ));
        }
    }
    complaints
}

fn is_pure(path: &str) -> bool {
    floors::PURE.iter().any(|name| path.starts_with(&format!("crates/{name}/src/")))
}

/// Uses of clock, files, threads and the like before the tests of a file.
fn impurities(path: &str, blanked: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let lines = blanked.lines().enumerate().take_while(|(_, line)| line.trim() != "#[cfg(test)]");
    for (number, line) in lines {
        if let Some(name) = IMPURE.iter().find(|name| names(line, name)) {
            let what = format!("a pure crate uses `std::{name}`");
            complaints.push(Complaint::new(path, number + 1, what, "take what you need as an argument"));
        }
        if line.contains("getrandom") {
            let remedy = "take entropy as an argument";
            complaints.push(Complaint::new(path, number + 1, "a pure crate draws randomness", remedy));
        }
    }
    complaints
}

/// Whether a line names a module of the standard library, alone or in a list.
fn names(line: &str, name: &str) -> bool {
    let listed = |list: &str| list.split([',', '}']).any(|item| item.trim().starts_with(name));
    let last = name.rsplit("::").next().unwrap_or(name);
    let whole = |path: &str| {
        line.match_indices(path).any(|(at, _)| {
            !line[at + path.len()..].starts_with(|letter: char| letter.is_alphanumeric() || letter == '_')
        })
    };
    whole(&format!("std::{name}"))
        || line.split_once("std::{").is_some_and(|(_, list)| listed(list))
        || (name.starts_with("time::")
            && line.split_once("time::{").is_some_and(|(_, list)| list.contains(last)))
}

fn measure(file: &File, blanked: &str, excesses: &mut BTreeMap<String, Excess>) {
    let mut add = |key: String, line, size, what| {
        excesses.insert(key, Excess { file: file.path.clone(), line, size, what });
    };
    let lines = file.text.lines().count();
    if lines > MAX_FILE_LINES {
        add(file.path.clone(), 1, lines, "lines; a file has at most 800");
    }
    for (name, line, lines) in rust::functions(blanked) {
        if lines > MAX_FUNCTION_LINES {
            add(format!("{}::{name}", file.path), line, lines, "lines; a function has at most 70");
        }
    }
    let wide = |(_, line): &(usize, &str)| {
        let comment = line.trim_start().starts_with("//");
        line.chars().count() > if comment { MAX_COMMENT_COLUMNS } else { MAX_COLUMNS }
    };
    let mut lines = file.text.lines().enumerate().filter(wide);
    if let Some((first, _)) = lines.next() {
        add(
            format!("{}#wide", file.path),
            first + 1,
            1 + lines.count(),
            "lines over 110 columns (comments: 120), this is the first",
        );
    }
}

/// What is too much, but for what the ratchet holds; and rows of the ratchet that should have shrunk.
fn held(excesses: &BTreeMap<String, Excess>, ratchet: &str) -> Vec<Complaint> {
    let mut rows = BTreeMap::new();
    let mut complaints = Vec::new();
    for (number, row) in
        ratchet.lines().enumerate().filter(|(_, row)| !row.starts_with('#') && !row.is_empty())
    {
        match row.split_once(' ').map(|(what, size)| (what, size.parse::<usize>())) {
            Some((what, Ok(size))) => drop(rows.insert(what, (number + 1, size))),
            _ => complaints.push(Complaint::new(
                RATCHET,
                number + 1,
                "the row is no row",
                "write: what, blank, size",
            )),
        }
    }
    let loose = "run `cargo xtask tidy --tighten`";
    for (key, Excess { file, line, size, what }) in excesses {
        match rows.get(key.as_str()) {
            Some((_, allowed)) if size == allowed => {}
            Some((row, allowed)) if size < allowed => {
                complaints.push(Complaint::new(RATCHET, *row, format!("{key} is only {size} by now"), loose));
            }
            _ => complaints.push(Complaint::new(file, *line, format!("{key}: {size} {what}"), "divide it")),
        }
    }
    for (key, (row, _)) in rows.iter().filter(|(key, _)| !excesses.contains_key(**key)) {
        complaints.push(Complaint::new(RATCHET, *row, format!("{key} is within the limit, or gone"), loose));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str, ratchet: &str) -> Vec<(usize, String)> {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        check(&[file], ratchet).into_iter().map(|complaint| (complaint.line, complaint.what)).collect()
    }

    fn has(found: &[(usize, String)], line: usize, words: &str) {
        assert!(found.iter().any(|(at, what)| *at == line && what.contains(words)), "{found:?}: {words}");
    }

    #[test]
    fn a_good_file_is_good() {
        let text = "//! A chapter.\n\nuse std::fmt;\n\nfn fs() -> u8 {\n    1\n}\n";
        assert_eq!(complaints("crates/feed/src/x.rs", text, ""), []);
    }

    #[test]
    fn pure_crates_touch_nothing_outside() {
        let uses = [
            "use std::fs;",
            "use std::{fmt, env};",
            "use std::time::{Duration, Instant};",
            "std::process::exit(1)",
        ];
        for line in uses {
            let text = format!("//! A chapter.\n{line}\n");
            has(&complaints("crates/feed/src/x.rs", &text, ""), 2, "a pure crate uses");
            assert_eq!(complaints("crates/node/src/x.rs", &text, ""), []);
            assert_eq!(complaints("crates/feed/tests/x.rs", &text, ""), []);
        }
        let harmless =
            "//! A chapter, `std::fs` in it.\nuse std::fsx;\n// std::env\n#[cfg(test)]\nuse std::thread;\n";
        assert_eq!(complaints("crates/feed/src/x.rs", harmless, ""), []);
    }

    #[test]
    fn a_file_of_tests_is_named_by_the_program_of_tests() {
        let file =
            |path: &str, text: &str| File { path: path.to_owned(), text: format!("//! A chapter.\n{text}") };
        let mut files = vec![
            file("crates/x/tests/it.rs", "mod named;\nmod common;\n"),
            file("crates/x/tests/named.rs", ""),
            file("crates/x/tests/common/mod.rs", ""),
            file("crates/y/tests/alone.rs", ""),
        ];
        assert!(check(&files, "").is_empty());
        files.push(file("crates/x/tests/lost.rs", ""));
        let found: Vec<String> = check(&files, "").into_iter().map(|complaint| complaint.what).collect();
        assert_eq!(found, ["never run: crates/x/tests/it.rs lacks `mod lost;`"]);
    }

    #[test]
    fn chapters_columns_and_leftovers() {
        let text = format!("fn x() {{}}\n// {}\n// {}\n", "x".repeat(118), LEFTOVERS[3]);
        let found = complaints("crates/x/src/x.rs", &text, "");
        has(&found, 1, "no chapter");
        has(&found, 2, "1 lines over 110 columns");
        has(&found, 3, "left behind");
        assert_eq!(found.len(), 3);
        assert_eq!(complaints("crates/x/src/x.rs", &text, "crates/x/src/x.rs#wide 1").len(), 2);
        let code = format!("//! A chapter.\nconst X: &str = \"{}\";\n", "x".repeat(93));
        has(&complaints("crates/x/src/x.rs", &code, ""), 2, "1 lines over 110 columns");
        let comment = format!("//! A chapter.\n// {}\n", "x".repeat(117));
        assert_eq!(complaints("crates/x/src/x.rs", &comment, ""), []);
    }

    #[test]
    fn lengths_may_only_shrink() {
        let function = format!("//! A chapter.\nfn long() {{\n{}}}\n", "    one();\n".repeat(70));
        let path = "crates/x/src/x.rs";
        has(&complaints(path, &function, ""), 2, "72 lines; a function");
        assert_eq!(complaints(path, &function, "# held\ncrates/x/src/x.rs::long 72\n"), []);
        has(&complaints(path, &function, "crates/x/src/x.rs::long 71\n"), 2, "72 lines");
        has(&complaints(path, &function, "crates/x/src/x.rs::long 90\n"), 1, "only 72");
        has(&complaints(path, "//! Short.\n", "crates/x/src/x.rs::long 90\n"), 1, "within the limit");
        let file = format!("//! A chapter.\n{}", "\n".repeat(800));
        has(&complaints(path, &file, ""), 1, "801 lines; a file");
    }

    #[test]
    fn tightening_only_shrinks() {
        let function = format!("//! A chapter.\nfn long() {{\n{}}}\n", "    one();\n".repeat(70));
        let files = [File { path: "x.rs".to_owned(), text: function }];
        assert_eq!(tightened(&files, "# held\nx.rs::long 90\nx.rs::gone 80\n"), "# held\nx.rs::long 72\n");
        assert_eq!(tightened(&files, "x.rs::long 71\n"), "x.rs::long 71\n");
        assert_eq!(tightened(&files, ""), "");
    }
}
