//! The second evaluator and the product say the same of the same texts.

use std::collections::{BTreeMap, BTreeSet};

use super::meaning::{Relations, Row, TooLong, stated};
use super::reader::{Program, read};
use super::time::Clock;
use crate::common::replay::Contents;
use crate::generate::{self, Profile};
use crate::program::Case;
use crate::streams::{Outcome, Seen, report, run};

/// How many rows the evaluator may look at.
const STEPS: u64 = 3_000_000;

/// Rows with their columns' names.
fn with_names<'a>(contents: &Contents, columns: impl Fn(&str) -> Vec<&'a str>) -> Relations {
    let named = |(name, rows): (&motet_algebra::RelationName, &BTreeSet<motet_algebra::Row>)| {
        let columns = columns(name);
        let row = |row: &motet_algebra::Row| -> Row {
            columns.iter().map(|column| (*column).to_owned()).zip(row.iter().cloned()).collect()
        };
        (name.to_string(), rows.iter().map(row).collect())
    };
    contents.iter().filter(|(_, rows)| !rows.is_empty()).map(named).collect()
}

/// What differs; nothing if nothing does, or if it can't be said.
fn divergence(case: &Case) -> Option<String> {
    if let Outcome::Agreed(seen) = run(case) { differing(case, &seen).ok().flatten() } else { None }
}

/// The first epoch in which the second evaluator says something else, and what.
fn differing(case: &Case, seen: &Seen) -> Result<Option<String>, TooLong> {
    let program = read(&case.to_string());
    let mut clock = Clock::new(&program, STEPS);
    for (number, epoch) in seen.epochs.iter().enumerate() {
        let inputs = with_names(&epoch.inputs, |name| {
            case.relation(name).columns.iter().map(|(column, _)| column.as_str()).collect()
        });
        let ours = with_names(&epoch.outputs, |name| seen.columns[name].iter().map(String::as_str).collect());
        let theirs = clock.epoch(&inputs)?;
        let mut text = lines(&program, &ours, &theirs.relations);
        let stated = stated(&program)?;
        if number == 0 && !stated.is_empty() && stated != inputs {
            text += &format!("the program states {stated:?}, and not {inputs:?}\n");
        }
        if theirs.due != epoch.due {
            text +=
                &format!("another epoch is due: {} product, {} second evaluator\n", epoch.due, theirs.due);
        }
        if !text.is_empty() {
            return Ok(Some(format!("in epoch {number}\n{text}")));
        }
    }
    Ok(None)
}

/// A line for each row of an output that only one side has.
fn lines(program: &Program, ours: &Relations, theirs: &Relations) -> String {
    let (mut text, none) = (String::new(), BTreeSet::new());
    for name in &program.outputs {
        let [ours, theirs] = [ours, theirs].map(|all| all.get(name).unwrap_or(&none));
        for (whose, rows) in
            [("product", ours.difference(theirs)), ("second evaluator", theirs.difference(ours))]
        {
            rows.for_each(|row| text += &format!("only the {whose} has {name}{row:?}\n"));
        }
    }
    text
}

fn judge(profile: Profile, few: u64) {
    let mut came_to: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in crate::first_seed()..crate::first_seed() + crate::cases(few) {
        let case = generate::case(seed, profile);
        let seen = match run(&case) {
            Outcome::Agreed(seen) => seen,
            Outcome::TooLarge => continue,
            Outcome::Refused(what) | Outcome::Differs(what) => panic!("seed {seed}: {what}\n{case}"),
        };
        let outputs = seen.epochs.iter().flat_map(|epoch| epoch.outputs.values());
        match differing(&case, &seen) {
            Ok(None) => {
                *came_to.entry("programs").or_default() += 1;
                *came_to.entry("epochs").or_default() += seen.epochs.len();
                *came_to.entry("rows of all epochs").or_default() +=
                    outputs.map(BTreeSet::len).sum::<usize>();
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

#[test]
fn programs_with_time_mean_what_the_language_page_says() {
    judge(Profile::Timed, 40);
}
