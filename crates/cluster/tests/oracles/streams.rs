//! Incremental is from scratch: each epoch's changes, on each runtime, are the difference of two naive results.

use std::collections::BTreeMap;

use motet_algebra::text::load;
use motet_algebra::{
    Budget, Cancel, Changes, Counted, Naive, Program, Registry, Runtime, RuntimeError, optimise,
};
use motet_cluster::Cluster;
use motet_logic::{Catalog, Compiled, Interface, Source, compile};
use motet_native::Native;

use crate::generate::{self, Profile};
use crate::program::{Case, Contents, difference};
use crate::shrink::shrink;

/// What a case costs at most; a few cases cost more, and are left out.
pub(crate) const BUDGET: Budget =
    Budget { iterations: 1_000, rows: 30_000, memory: u64::MAX, ticks: 0, cancel: Cancel::NEVER };

/// What came of a case.
pub(crate) enum Outcome {
    /// All agree.
    Agreed(Seen),
    /// Over the budget.
    TooLarge,
    /// The text is refused, which is a fault of the generator.
    Refused(String),
    /// Somebody said something else.
    Differs(String),
}

/// What a case showed.
#[derive(Default)]
pub(crate) struct Seen {
    /// Rows of each output after the last epoch.
    pub(crate) results: Contents,
    /// The columns of each output, in the order of its rows' values.
    pub(crate) columns: BTreeMap<String, Vec<String>>,
    /// Changes of outputs in all epochs: rows that came, rows that went.
    pub(crate) came: usize,
    pub(crate) went: usize,
}

pub(crate) fn compiled(text: &str) -> Result<Compiled, String> {
    let source = Source::new("case", text);
    compile(&source, &Catalog::default(), &BTreeMap::new()).map_err(|problems| problems.to_string())
}

/// What the outputs hold when the inputs hold this.
pub(crate) fn from_scratch(compiled: &Compiled, contents: &Contents) -> Result<Contents, RuntimeError> {
    let mut naive = Naive::new(compiled.program.clone()).expect("compiled programs are sound");
    naive.step(&difference(&Contents::new(), contents), BUDGET)?;
    let outputs = compiled.outputs.iter();
    Ok(outputs.map(|one| (one.name.to_string(), naive.output(&one.name).cloned().collect())).collect())
}

/// Runs a case on every runtime.
pub(crate) fn run(case: &Case) -> Outcome {
    let compiled = match compiled(&case.to_string()) {
        Ok(compiled) => compiled,
        Err(problems) => return Outcome::Refused(problems),
    };
    if let Err(what) = reads_back(&compiled.program) {
        return Outcome::Differs(what);
    }
    let mut runtimes = runtimes(&compiled.program, case);
    let (mut contents, mut seen) = (Contents::new(), Seen::default());
    for (number, epoch) in case.stream.iter().enumerate() {
        let inputs = Case::advance(&mut contents, epoch);
        let Ok(results) = from_scratch(&compiled, &contents) else { return Outcome::TooLarge };
        let expected = difference(&seen.results, &results);
        for (name, runtime) in &mut runtimes {
            let got = runtime.step(&inputs, Budget::default());
            if got.as_ref() != Ok(&expected) {
                return Outcome::Differs(format!("epoch {number} on {name}: {got:?}, and not {expected:?}"));
            }
        }
        seen.count(&expected);
        seen.results = results;
    }
    let columns = |one: &Interface| one.columns.iter().map(|(name, _)| name.to_string()).collect();
    seen.columns = compiled.outputs.iter().map(|one| (one.name.to_string(), columns(one))).collect();
    Outcome::Agreed(seen)
}

/// A plan's text is the plan.
fn reads_back(program: &Program) -> Result<(), String> {
    let text = program.to_string();
    let read =
        load(&Source::new("plan", &text), &Registry::default()).map_err(|problems| problems.to_string())?;
    if read == *program { Ok(()) } else { Err(format!("the plan reads back as another:\n{text}\n{read}")) }
}

/// All runtimes, and the optimised program, which is planned by what the first epoch brings.
fn runtimes(program: &Program, case: &Case) -> Vec<(&'static str, Box<dyn Runtime>)> {
    let sound = "compiled programs are sound";
    let first =
        case.stream.first().map(|epoch| Case::advance(&mut Contents::new(), epoch)).unwrap_or_default();
    let optimised = optimise(program, &Counted::of(program, &first));
    vec![
        ("naive", Box::new(Naive::new(program.clone()).expect(sound))),
        ("naive, optimised", Box::new(Naive::new(optimised.clone()).expect(sound))),
        ("cluster", Box::new(Cluster::new(program.clone()).expect(sound))),
        ("cluster, optimised", Box::new(Cluster::new(optimised.clone()).expect(sound))),
        ("native", Box::new(Native::new(program.clone()).expect(sound))),
        ("native, optimised", Box::new(Native::new(optimised).expect(sound))),
    ]
}

impl Seen {
    fn count(&mut self, changes: &Changes) {
        let weights = || changes.values().flatten().map(|(_, weight)| *weight);
        self.came += weights().filter(|weight| *weight > 0).count();
        self.went += weights().filter(|weight| *weight < 0).count();
    }
}

/// A failed case with its number, in its least form.
pub(crate) fn report(seed: u64, case: &Case, why: fn(&Case) -> Option<String>) -> String {
    let least = shrink(case, |less| why(less).is_some());
    let what = why(&least).unwrap_or_default();
    format!("seed {seed}: {what}\n{least}\n{:#?}", least.stream)
}

fn difference_of(case: &Case) -> Option<String> {
    if let Outcome::Differs(what) = run(case) { Some(what) } else { None }
}

/// What many cases showed.
#[derive(Default)]
struct Tally {
    agreed: usize,
    too_large: usize,
    outputs: usize,
    with_rows: usize,
    came: usize,
    went: usize,
    /// How many cases have so many tenths of their outputs with rows.
    tenths: BTreeMap<usize, usize>,
}

impl Tally {
    fn add(&mut self, seen: &Seen) {
        let (all, full) = (seen.results.len(), seen.results.values().filter(|rows| !rows.is_empty()).count());
        self.agreed += 1;
        self.outputs += all;
        self.with_rows += full;
        self.came += seen.came;
        self.went += seen.went;
        *self.tenths.entry(full * 10 / all.max(1)).or_default() += 1;
    }

    #[allow(clippy::print_stderr, reason = "the long run says what it saw")]
    fn print(&self) {
        eprintln!("{} programs agreed, {} were too large", self.agreed, self.too_large);
        eprintln!(
            "{} of {} outputs have rows at the end; {} rows came, {} went",
            self.with_rows, self.outputs, self.came, self.went
        );
        for (tenth, cases) in &self.tenths {
            eprintln!("{:3} % and more of the outputs have rows: {cases} programs", tenth * 10);
        }
    }
}

fn judge(profile: Profile, few: u64) {
    let mut tally = Tally::default();
    for seed in crate::first_seed()..crate::first_seed() + crate::cases(few) {
        let case = generate::case(seed, profile);
        match run(&case) {
            Outcome::Agreed(seen) => tally.add(&seen),
            Outcome::TooLarge => tally.too_large += 1,
            Outcome::Refused(problems) => panic!("seed {seed} does not compile: {problems}\n{case}"),
            Outcome::Differs(_) => panic!("{}", report(seed, &case, difference_of)),
        }
    }
    tally.print();
    assert!(tally.too_large * 10 < tally.agreed, "few cases are too large");
    assert!(tally.with_rows * 3 > tally.outputs, "most cases say something");
}

#[test]
fn plain_programs_change_by_the_difference_of_two_results() {
    judge(Profile::Plain, 30);
}

#[test]
fn programs_change_by_the_difference_of_two_results() {
    judge(Profile::Full, 50);
}
