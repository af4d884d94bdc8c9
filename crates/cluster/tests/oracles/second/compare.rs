//! The second evaluator and the product say the same of the same texts.

use std::collections::BTreeMap;

use super::meaning::{Relations, Row, TooLong, evaluate};
use super::reader::read;
use crate::generate::{self, Profile};
use crate::program::{Case, Contents};
use crate::streams::{Outcome, Seen, report, run};

/// How many rows the evaluator may look at.
const STEPS: u64 = 3_000_000;

/// The inputs' rows with their columns' names.
fn stored(case: &Case) -> Relations {
    let mut contents = Contents::new();
    for epoch in &case.stream {
        Case::advance(&mut contents, epoch);
    }
    let named = |(name, rows): (String, _)| {
        let columns: Vec<String> =
            case.relation(&name).columns.iter().map(|(column, _)| column.clone()).collect();
        (name, with_names(&columns, rows))
    };
    contents.into_iter().map(named).collect()
}

fn with_names(
    columns: &[String],
    rows: impl IntoIterator<Item = motet_algebra::Row>,
) -> std::collections::BTreeSet<Row> {
    rows.into_iter().map(|row| columns.iter().cloned().zip(row).collect()).collect()
}

/// What the product says.
fn ours(seen: Seen) -> Relations {
    let columns = seen.columns;
    seen.results.into_iter().map(|(name, rows)| (name.clone(), with_names(&columns[&name], rows))).collect()
}

/// What differs; nothing if nothing does, or if it can't be said.
fn divergence(case: &Case) -> Option<String> {
    if let Outcome::Agreed(seen) = run(case) { differing(case, seen).ok().flatten() } else { None }
}

fn differing(case: &Case, seen: Seen) -> Result<Option<String>, TooLong> {
    let program = read(&case.to_string());
    let mut theirs = evaluate(&program, &stored(case), STEPS)?;
    let mut text = String::new();
    for (name, ours) in ours(seen) {
        let theirs = theirs.remove(&name).unwrap_or_default();
        for (whose, rows) in
            [("product", ours.difference(&theirs)), ("second evaluator", theirs.difference(&ours))]
        {
            rows.for_each(|row| text += &format!("only the {whose} has {name}{row:?}\n"));
        }
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn judge(profile: Profile, few: u64) {
    let mut came_to: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in crate::first_seed()..crate::first_seed() + crate::cases(few) {
        let case = generate::case(seed, profile);
        let Outcome::Agreed(seen) = run(&case) else { continue };
        let rows: usize = seen.results.values().map(std::collections::BTreeSet::len).sum();
        match differing(&case, seen) {
            Ok(None) => {
                *came_to.entry("programs").or_default() += 1;
                *came_to.entry("rows").or_default() += rows;
            }
            Ok(Some(_)) => panic!("{}", report(seed, &case, divergence)),
            Err(TooLong) => *came_to.entry("too long").or_default() += 1,
        }
    }
    say(&came_to);
}

#[allow(clippy::print_stderr, reason = "the long run says what it saw")]
fn say(came_to: &BTreeMap<&str, usize>) {
    eprintln!("the second evaluator agrees: {came_to:?}");
}

#[test]
fn plain_programs_mean_what_the_language_page_says() {
    judge(Profile::Plain, 20);
}

#[test]
fn programs_mean_what_the_language_page_says() {
    judge(Profile::Full, 40);
}
