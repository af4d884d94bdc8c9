//! Programs that are wrong, and what people are told about them.
//!
//! Each program of `tests/wrong` stands beside what the compiler says of it: the diagnostics as they are printed, and
//! then their edits. Programs under `tests/wrong/party` are queries of a party, those under `tests/wrong/facts` are
//! such queries whose outputs are to become facts in the namespace `derived` (with causes, if the file says so), the
//! others read no base relations; all are given the parameter `$who`. With `UPDATE_EXPECT=1` what is said now becomes
//! what is expected.
//!
//! Every edit is made, each on its own: its problem must be gone then, no new one may have come, and where it was the
//! only one nothing is wrong any more.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use motet_algebra::ColumnType;
use motet_fact::{Kind, Value};
use motet_logic::{Catalog, Diagnostic, Diagnostics, Severity, Source, compile};

/// A program of the corpus.
struct Wrong {
    path: PathBuf,
    source: Source,
    catalog: Catalog,
    /// Whether outputs are to become facts, and with causes.
    facts: Option<bool>,
}

fn corpus() -> Vec<Wrong> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wrong");
    let mut programs = Vec::new();
    let directories = [
        (root.clone(), Catalog::default()),
        (root.join("party"), base_relations()),
        (root.join("facts"), base_relations()),
    ];
    for (directory, catalog) in directories {
        let of_facts = directory.ends_with("facts");
        let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<_> =
            files.filter(|path| path.extension().is_some_and(|end| end == "pomo")).collect();
        paths.sort();
        programs.extend(paths.into_iter().map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            let source = Source::new(name, std::fs::read_to_string(&path).unwrap());
            let facts = of_facts.then(|| name.contains("causes"));
            Wrong { source, catalog: catalog.clone(), facts, path }
        }));
    }
    programs
}

/// Some of the base relations of a party, and saved rules.
fn base_relations() -> Catalog {
    let any = ColumnType::Any;
    let [bytes, text, flag, int] = [Kind::Bytes, Kind::Text, Kind::Bool, Kind::Int].map(ColumnType::Kind);
    let link = ColumnType::Kind(Kind::Link);
    let mut catalog = Catalog::default();
    catalog.add("fact", &[("entity", bytes), ("attribute", any), ("value", any)], true);
    catalog.add("height", &[("cid", link), ("height", int)], false);
    catalog.add("attr", &[("entity", bytes), ("attribute", any), ("value", any)], false);
    catalog.add("item", &[("id", bytes), ("type", text), ("deleted", flag)], false);
    catalog.add("cause", &[("cid", link), ("parent", link)], false);
    for relation in ["fact", "cause", "height", "attr", "item"] {
        catalog.add_controls(relation, &[("$party", bytes)]);
    }
    for relation in ["fact", "cause"] {
        catalog.add_controls(relation, &[("$item", bytes), ("$source", link)]);
    }
    catalog.mark_convergent("attr").mark_convergent("item");
    let saved = "height_of(cid: C, h: H) :- height(cid: C, height: H).\n";
    catalog.add_module("heights", Source::new("heights", saved));
    catalog.add_module("broken", Source::new("broken", "known(x: X) :- hieght(cid: X).\n"));
    catalog
}

fn problems(source: &Source, like: &Wrong) -> Diagnostics {
    let parameters = BTreeMap::from([("who".to_owned(), Value::text("x"))]);
    match compile(source, &like.catalog, &parameters) {
        Ok(compiled) => match like.facts.map(|with_causes| compiled.as_facts("derived", with_causes)) {
            Some(Err(problems)) => problems,
            Some(Ok(_)) | None => compiled.warnings,
        },
        Err(problems) => problems,
    }
}

fn count(problems: &Diagnostics, wanted: impl Fn(&Diagnostic) -> bool) -> usize {
    problems.iter().filter(|item| wanted(item)).count()
}

#[test]
fn what_is_said_of_each_wrong_program() {
    let programs = corpus();
    assert!(programs.len() >= 100, "there are {}", programs.len());
    for wrong in programs {
        let problems = problems(&wrong.source, &wrong);
        let mut said = problems.to_string();
        for item in problems.iter() {
            for edit in &item.edits {
                let (line, column) = wrong.source.place(edit.span.start);
                let (old, new) = (wrong.source.excerpt(edit.span), &edit.replacement);
                let code = item.code;
                writeln!(said, "\nedit of {code} at {line}:{column}: {old:?} to {new:?}, {edit}").unwrap();
            }
        }
        expect_file![wrong.path.with_extension("txt")].assert_eq(&said);
    }
}

#[test]
fn every_edit_puts_its_problem_right() {
    let mut made = 0;
    for wrong in corpus() {
        let source = &wrong.source;
        let before = problems(source, &wrong);
        for item in before.iter() {
            for edit in &item.edits {
                let edited = source.edited([edit]);
                let after = problems(&edited, &wrong);
                let same = |other: &Diagnostic| (other.code, &other.message) == (item.code, &item.message);
                let say = || format!("{}: {edit} makes\n{}\n{after}", source.name, edited.text);
                assert!(count(&after, same) < count(&before, same), "{}", say());
                let is_error = |other: &Diagnostic| other.severity == Severity::Error;
                // What could not be read before may have problems of its own.
                let read = !item.code.starts_with("L01");
                let more = count(&after, is_error) > count(&before, is_error);
                assert!(!(read && more), "a new error: {}", say());
                assert!(before.iter().count() > 1 || after.is_empty(), "not all is right: {}", say());
                made += 1;
            }
        }
    }
    assert!(made >= 60, "{made} edits were made");
}

/// The edits that need no choice can be made together, and again until there are none.
#[test]
fn edits_that_need_no_choice_come_to_an_end() {
    for wrong in corpus() {
        let (mut source, mut rounds) = (wrong.source.clone(), 0);
        loop {
            let now = problems(&source, &wrong);
            let edits = now.certain_edits();
            if edits.is_empty() {
                break;
            }
            rounds += 1;
            assert!(rounds < 10, "{}: no end to it\n{now}", source.name);
            source = source.edited(edits.into_iter().map(|(_, edit)| edit));
        }
    }
}

/// A code that no program of the corpus has is one that nobody has seen printed.
#[test]
fn every_code_is_in_the_corpus() {
    let told: BTreeSet<&str> = corpus()
        .iter()
        .flat_map(|wrong| problems(&wrong.source, wrong).iter().map(|item| item.code).collect::<Vec<_>>())
        .collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut waiting = vec![root.join("src"), root.join("../algebra/src/text/lexer.rs")];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for (at, _) in text.match_indices("\"L0") {
            let code = &text[at + 1..at + 5];
            assert!(told.contains(code), "{code} of {} has no program in tests/wrong", path.display());
        }
    }
}
