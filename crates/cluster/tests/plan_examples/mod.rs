//! Examples of plans as text, with what goes in and what must come out in comments; they are run in every way there is.

use std::collections::BTreeMap;

use motet_algebra::text::diagnostic::{Diagnostics, Source};
use motet_algebra::text::{load, parse};
use motet_algebra::{
    Budget, Changes, Expression, Naive, Program, Registry, Row, Runtime, Statement, Unknown, optimise,
};
use motet_cluster::Cluster;
use motet_native::Native;

/// The name of a relation and a row of it.
type Said = (String, Row);

/// Runs an example: its outputs, or its problems, are what its comments say.
pub(crate) fn hold(name: &str, text: &str) {
    let source = Source::new(name, text);
    let program = match load(&source, &Registry::default()) {
        Ok(program) => program,
        Err(problems) => return compare_problems(text, &problems),
    };
    assert!(lines(text, "//!").next().is_none(), "{name}: it is sound");
    let printed = Source::new("printed", program.to_string());
    assert_eq!(parse(&printed, &Registry::default()).unwrap(), program, "{name}");
    let mut wanted: Vec<Said> = lines(text, "//=").map(said).collect();
    wanted.sort();
    for (way, mut runtime) in runtimes(&program) {
        let found = outputs(&mut *runtime, text);
        let shown: String = found.iter().map(|(name, row)| format!("//= {name}{row:?}\n")).collect();
        assert!(found == wanted, "{name}, {way}, gives\n{shown}");
    }
}

fn runtimes(program: &Program) -> Vec<(&'static str, Box<dyn Runtime>)> {
    let optimised = optimise(program, &Unknown);
    let naive = |program: &Program| Box::new(Naive::new(program.clone()).unwrap());
    let cluster = |program: &Program| Box::new(Cluster::new(program.clone()).unwrap());
    let native = |program: &Program| Box::new(Native::new(program.clone()).unwrap());
    vec![
        ("naive", naive(program)),
        ("naive without shortcut", Box::new(Naive::plain(program.clone()).unwrap())),
        ("naive, defined", naive(&program.defined())),
        ("naive, optimised", naive(&optimised)),
        ("cluster", cluster(program)),
        ("cluster, optimised", cluster(&optimised)),
        ("native", native(program)),
        ("native, optimised", native(&optimised)),
    ]
}

fn outputs(runtime: &mut dyn Runtime, text: &str) -> Vec<Said> {
    let mut inputs: Changes = BTreeMap::new();
    for (relation, row) in lines(text, "//+").map(said) {
        inputs.entry(relation.into()).or_default().push((row, 1));
    }
    let outputs = runtime.step(&inputs, Budget::default()).unwrap();
    let rows = |(name, rows): (_, Vec<(Row, i64)>)| {
        rows.into_iter().map(move |(row, _)| (String::from(&*std::sync::Arc::clone(&name)), row))
    };
    let mut found: Vec<Said> = outputs.into_iter().flat_map(rows).collect();
    found.sort();
    found
}

fn lines<'a>(text: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| line.trim().strip_prefix(mark)).map(str::trim)
}

/// Reads `name(value, …)`.
fn said(text: &str) -> Said {
    let (name, row) = text.split_at(text.find('(').unwrap());
    let source = Source::new(text, format!("r :- constant([], {row});"));
    let program = parse(&source, &Registry::default()).unwrap_or_else(|problems| panic!("{problems}"));
    let Statement::Assign { expression: Expression::Constant { rows, .. }, .. } = &program.statements[0]
    else {
        panic!("{text}: not a row")
    };
    (name.to_owned(), rows[0].clone())
}

fn compare_problems(text: &str, problems: &Diagnostics) {
    let found: Vec<String> = problems.iter().map(|one| format!("{} {}", one.code, one.message)).collect();
    let wanted: Vec<&str> = lines(text, "//!").collect();
    let fits = |(wanted, found): (&&str, &String)| {
        let (code, words) = wanted.split_once(' ').unwrap();
        found.starts_with(code) && found.contains(words)
    };
    let all = found.len() == wanted.len() && wanted.iter().zip(&found).all(fits);
    assert!(all, "{problems}\nwanted {wanted:?}");
}
