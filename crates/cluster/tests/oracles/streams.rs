//! Incremental is from scratch: each epoch's changes, on each runtime, are the difference of two naive results.
//!
//! In a program with time an epoch's result is that of its replay: what is stored, the events of the epoch, and what
//! the last epoch gave, put into a new evaluator. After the stream, or after each of its epochs, the ticks run that
//! are due.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};

use motet_algebra::checkpoint::Blocks;
use motet_algebra::text::load;
use motet_algebra::{
    Budget, Cancel, Changes, Clocked, Counted, Naive, Program, Registry, Runtime, SchemaError, optimise,
};
use motet_cluster::Cluster;
use motet_logic::{Catalog, Compiled, Interface, Source, compile};
use motet_native::Native;

use crate::common::again::Again;
use crate::common::replay::{Contents, Replay, difference};
use crate::generate::{self, Profile};
use crate::program::{Case, Change};
use crate::shrink::shrink;

/// Starts a program.
pub(crate) type Start = fn(Program) -> Box<dyn Runtime>;

/// The runtimes, each with how a program is started on it. A further one is a further line.
pub(crate) const RUNTIMES: [(&str, Start); 3] = [
    ("naive", |program| Box::new(Naive::new(program).expect(SOUND))),
    ("native", |program| Box::new(Native::new(program).expect(SOUND))),
    ("cluster", |program| Box::new(Cluster::new(program).expect(SOUND))),
];

const SOUND: &str = "compiled programs are sound, and the optimiser keeps them so";

/// What an epoch of a case costs at most; a few cases cost more, and are left out.
pub(crate) const BUDGET: Budget =
    Budget { iterations: 1_000, rows: 30_000, memory: u64::MAX, ticks: 100, cancel: Cancel::NEVER };

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
    pub(crate) epochs: Vec<Epoch>,
    /// The columns of each output, in the order of its rows' values.
    pub(crate) columns: BTreeMap<String, Vec<String>>,
    /// Whether there is a plan of its own for what the outputs demand.
    demanded: bool,
    /// Changes of outputs in all epochs: rows that came, rows that went.
    pub(crate) came: usize,
    pub(crate) went: usize,
}

/// An epoch of a case.
pub(crate) struct Epoch {
    /// What the inputs hold in it, events as well.
    pub(crate) inputs: Contents,
    /// What the outputs hold.
    pub(crate) outputs: Contents,
    /// Whether another one is due.
    pub(crate) due: bool,
}

pub(crate) fn compiled(text: &str) -> Result<Compiled, String> {
    let source = Source::new("case", text);
    compile(&source, &Catalog::default(), &BTreeMap::new()).map_err(|problems| problems.to_string())
}

/// Runs a case on every runtime.
pub(crate) fn run(case: &Case) -> Outcome {
    if !case.is_whole() {
        return Outcome::Refused("a relation is missing".to_owned());
    }
    let compiled = match compiled(&case.to_string()) {
        Ok(compiled) => compiled,
        Err(problems) => return Outcome::Refused(problems),
    };
    if compiled.facts != stated(case) {
        return Outcome::Differs(format!("the program states {:?}", compiled.facts));
    }
    for program in [&compiled.program, &compiled.demanded] {
        if let Err(what) = reads_back(program) {
            return Outcome::Differs(what);
        }
    }
    // What breaks an invariant of its own is made small as well.
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
        let mut running = Running::new(case, &compiled);
        running.whole_stream().map(|()| running.seen)
    }));
    match outcome {
        Ok(Ok(seen)) => Outcome::Agreed(seen),
        Ok(Err(outcome)) => outcome,
        Err(_) => Outcome::Differs("a runtime panics".to_owned()),
    }
}

/// The facts of inputs.
fn stated(case: &Case) -> Contents {
    let mut stated = Contents::new();
    case.advance(&mut stated, &case.stated());
    stated
}

/// A plan's text is the plan.
fn reads_back(program: &Program) -> Result<(), String> {
    let text = program.to_string();
    let read =
        load(&Source::new("plan", &text), &Registry::default()).map_err(|problems| problems.to_string())?;
    if read == *program { Ok(()) } else { Err(format!("the plan reads back as another:\n{text}\n{read}")) }
}

/// A case that runs.
struct Running<'a> {
    case: &'a Case,
    runtimes: Vec<(String, Box<dyn Runtime>)>,
    replay: Replay,
    /// What the inputs hold.
    inputs: Contents,
    /// What the outputs hold.
    outputs: Contents,
    seen: Seen,
}

impl<'a> Running<'a> {
    fn new(case: &'a Case, compiled: &Compiled) -> Self {
        let columns = |one: &Interface| one.columns.iter().map(|(name, _)| name.to_string()).collect();
        let columns = compiled.outputs.iter().map(|one| (one.name.to_string(), columns(one))).collect();
        Running {
            case,
            runtimes: runtimes(compiled, case),
            replay: Replay::new(&compiled.program),
            inputs: Contents::new(),
            outputs: Contents::new(),
            seen: Seen { columns, demanded: compiled.demanded != compiled.program, ..Seen::default() },
        }
    }

    /// What the program states of its inputs is an epoch of its own, the first.
    fn whole_stream(&mut self) -> Result<(), Outcome> {
        let stated = self.case.stated();
        let stated = std::iter::once(&stated).filter(|stated| !stated.is_empty());
        let mut epochs = stated.chain(&self.case.stream).peekable();
        while let Some(changes) = epochs.next() {
            let mut due = self.epoch(changes)?;
            let rests = self.case.rests || epochs.peek().is_none();
            for _ in 0..BUDGET.ticks {
                if rests && due {
                    due = self.epoch(&[])?;
                }
            }
            if rests && due {
                return Err(Outcome::Differs("it does not come to rest".to_owned()));
            }
        }
        Ok(())
    }

    /// Whether another epoch is due.
    fn epoch(&mut self, changes: &[Change]) -> Result<bool, Outcome> {
        let (number, mut before) = (self.seen.epochs.len(), self.inputs.clone());
        self.case.advance(&mut before, &[]);
        self.case.advance(&mut self.inputs, changes);
        let inputs = difference(&before, &self.inputs);
        let then = self.replay.epoch(&self.inputs, BUDGET).map_err(|_| Outcome::TooLarge)?;
        let expected = difference(&self.outputs, &then.outputs);
        for (name, runtime) in &mut self.runtimes {
            let got = runtime.step(&inputs, Budget::default());
            if got.as_ref() != Ok(&expected) {
                let what = format!("epoch {number} on {name}: {got:?}, and not {expected:?}");
                return Err(Outcome::Differs(what));
            }
            let (got, due) = (runtime.restless(), &then.restless);
            if got != *due {
                let what = format!("after epoch {number} {name} waits for {got:?}, and not {due:?}");
                return Err(Outcome::Differs(what));
            }
        }
        self.outputs = then.outputs;
        let due = !then.restless.is_empty();
        self.seen.count(&expected);
        self.seen.epochs.push(Epoch { inputs: self.inputs.clone(), outputs: self.outputs.clone(), due });
        Ok(due)
    }
}

/// All runtimes, each with the plan as it is written, as it is optimised for what the first epoch brings, and as it is
/// for what the outputs demand.
fn runtimes(compiled: &Compiled, case: &Case) -> Vec<(String, Box<dyn Runtime>)> {
    let mut first = stated(case);
    case.stream.first().iter().for_each(|epoch| case.advance(&mut first, epoch));
    let first = difference(&Contents::new(), &first);
    let mut plans = vec![("written", &compiled.program, false), ("optimised", &compiled.program, true)];
    if compiled.demanded != compiled.program {
        plans.extend([
            ("demanded", &compiled.demanded, false),
            ("demanded, optimised", &compiled.demanded, true),
        ]);
    }
    let mut all: Vec<(String, Box<dyn Runtime>)> = Vec::new();
    for (plan, program, optimised) in plans {
        for (runtime, start) in RUNTIMES {
            let plan_and_start = |timeless: Program| {
                let counted = Counted::of(&timeless, &first);
                Ok::<_, SchemaError>(start(if optimised { optimise(&timeless, &counted) } else { timeless }))
            };
            let runs = Clocked::new(program.clone(), plan_and_start).expect(SOUND);
            all.push((format!("{runtime}, {plan}"), Box::new(runs)));
        }
        let (planned, program, first) = (optimised, program.clone(), first.clone());
        let plan_of = move |timeless: Program| match planned {
            true => optimise(&timeless, &Counted::of(&timeless, &first)),
            false => timeless,
        };
        let plan_again = plan_of.clone();
        let runs = Clocked::new(program.clone(), |timeless| Native::new(plan_of(timeless))).expect(SOUND);
        let again = Again::new(runs, case.stream.len() as u64, move |blocks| {
            let restore = |timeless, blocks: &mut Blocks<'_>| Native::restore(plan_again(timeless), blocks);
            Clocked::restore(program.clone(), restore, blocks)
        });
        all.push((format!("native, {plan} and restored"), Box::new(again)));
    }
    all
}

impl Seen {
    /// What the outputs hold in the end.
    pub(crate) fn results(&self) -> &Contents {
        &self.epochs.last().expect("a case has an epoch").outputs
    }

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
    format!("seed {seed}: {what}\n{least}\n{:#?}, rests: {}", least.stream, least.rests)
}

fn difference_of(case: &Case) -> Option<String> {
    if let Outcome::Differs(what) = run(case) { Some(what) } else { None }
}

/// What many cases showed.
#[derive(Default)]
struct Tally {
    agreed: usize,
    too_large: usize,
    epochs: usize,
    /// The most epochs of a case.
    longest: usize,
    outputs: usize,
    with_rows: usize,
    came: usize,
    went: usize,
    /// How many cases have so many tenths of their outputs with rows in some epoch.
    tenths: BTreeMap<usize, usize>,
    /// How many cases use what.
    uses: BTreeMap<&'static str, usize>,
}

impl Tally {
    fn add(&mut self, case: &Case, seen: &Seen) {
        let ever = |name| seen.epochs.iter().any(|epoch| !epoch.outputs[name].is_empty());
        let full = seen.columns.keys().filter(|name| ever(&***name)).count();
        let all = seen.columns.len();
        self.agreed += 1;
        self.epochs += seen.epochs.len();
        self.longest = self.longest.max(seen.epochs.len());
        self.outputs += all;
        self.with_rows += full;
        self.came += seen.came;
        self.went += seen.went;
        *self.tenths.entry(full * 10 / all.max(1)).or_default() += 1;
        for what in case.uses().into_iter().chain(seen.demanded.then_some("demand")) {
            *self.uses.entry(what).or_default() += 1;
        }
    }

    #[allow(clippy::print_stderr, reason = "the long run says what it saw")]
    fn print(&self) {
        eprintln!("{} programs agreed, {} were too large", self.agreed, self.too_large);
        eprintln!("{} epochs, at most {} of a program; {:?}", self.epochs, self.longest, self.uses);
        eprintln!(
            "{} of {} outputs have rows in some epoch; {} rows came, {} went",
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
            Outcome::Agreed(seen) => tally.add(&case, &seen),
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

#[test]
fn programs_with_time_change_by_the_difference_of_two_replays() {
    judge(Profile::Timed, 50);
}
