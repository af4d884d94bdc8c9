//! What an epoch costs, and which rule is to blame: on every runtime, for random programs (Q3, Q17).
//!
//! Before an epoch is run it is tried under a limit that may be too low, of rounds, rows, bytes or looks. A refusal
//! leaves no trace and names a rule that was being computed, and another runtime of the same kind refuses the same
//! epochs in the same words. What the outputs gain is the least that all runtimes count in bytes. And what has no value
//! is counted for each rule as the naive evaluator counts it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::replay::{Contents, Replay, difference};
use crate::dice::Dice;
use crate::generate::{self, Profile};
use crate::program::Case;
use crate::streams::{BUDGET, RUNTIMES, Start, compiled};
use motet_algebra::budget::{ROW_BYTES, VALUE_BYTES};
use motet_algebra::{
    Budget, Cancel, Changes, Counted, Program, Runtime, RuntimeError, Site, Statement, optimise,
};

/// A way to run a program, as often as wanted.
struct Kind {
    name: String,
    program: Program,
    start: Start,
}

/// All runtimes, for the program as it is, and then all as it is optimised for its first epoch.
fn kinds(program: &Program, demanded: &Program, first: &Changes) -> Vec<Kind> {
    let optimised = optimise(demanded, &Counted::of(demanded, first));
    let plans = [("written", program.clone()), ("optimised", optimised)];
    let of_plan = |(plan, program): (&str, Program)| {
        RUNTIMES.map(|(name, start)| Kind {
            name: format!("{name}, {plan}"),
            program: program.clone(),
            start,
        })
    };
    plans.into_iter().flat_map(of_plan).collect()
}

/// The epochs of a case: the changes of the inputs, and what they hold then.
fn epochs(case: &Case) -> Vec<(Changes, Contents)> {
    let stated = case.stated();
    let stated = std::iter::once(&stated).filter(|stated| !stated.is_empty());
    let mut contents = Contents::new();
    let epoch = |changes| {
        let mut before = contents.clone();
        case.advance(&mut before, &[]);
        case.advance(&mut contents, changes);
        (difference(&before, &contents), contents.clone())
    };
    stated.chain(&case.stream).map(|changes| &changes[..]).map(epoch).collect()
}

/// A limit that may be too low for an epoch.
#[derive(Clone, Copy, Debug)]
enum Limit {
    Rounds(u64),
    Rows(u64),
    Bytes(u64),
    /// How often it is asked before it says that the epoch is not wanted any more.
    Looks(u64),
}

impl Limit {
    fn any(dice: &mut Dice) -> Self {
        let mut less_than = |most: usize| u64::try_from(dice.below(most)).unwrap();
        let amounts = [less_than(4), less_than(60), less_than(6_000), less_than(30)];
        match dice.below(4) {
            0 => Limit::Rounds(amounts[0]),
            1 => Limit::Rows(amounts[1]),
            2 => Limit::Bytes(amounts[2]),
            _ => Limit::Looks(amounts[3]),
        }
    }

    fn budget(self) -> Budget {
        match self {
            Limit::Rounds(iterations) => Budget { iterations, ..BUDGET },
            Limit::Rows(rows) => Budget { rows, ..BUDGET },
            Limit::Bytes(memory) => Budget { memory, ..BUDGET },
            Limit::Looks(looks) => {
                let seen = AtomicU64::new(0);
                let over = move || seen.fetch_add(1, Ordering::Relaxed) >= looks;
                Budget { cancel: Cancel::when("nobody waits any longer", over), ..BUDGET }
            }
        }
    }

    /// Whether an error is what this limit gives.
    fn gives(self, error: &RuntimeError) -> bool {
        let (over, least) = match (self, error) {
            (Limit::Looks(_), RuntimeError::Cancelled { reason, .. }) => {
                return &**reason == "nobody waits any longer";
            }
            (_, RuntimeError::OverBudget { what, limit, .. }) => (*what, *limit),
            _ => return false,
        };
        match self {
            Limit::Rounds(rounds) => (over, least) == ("iterations", rounds),
            Limit::Rows(rows) => (over, least) == ("rows", rows),
            Limit::Bytes(bytes) => (over, least) == ("bytes", bytes),
            Limit::Looks(_) => false,
        }
    }
}

/// What a program computes, and whether in a loop.
fn sites(statements: &[Statement], in_loop: bool) -> Vec<(Site, bool)> {
    let of = |statement: &Statement| match statement {
        Statement::Assign { relation, rule, .. } | Statement::Next { relation, rule, .. } => {
            vec![(Site::new(relation, rule), in_loop)]
        }
        Statement::Loop { body, .. } => sites(body, true),
    };
    statements.iter().flat_map(of).collect()
}

/// Whether an error names something that the program computes, by a rule that stands in its text where it says.
fn blames(error: &RuntimeError, program: &Program, text: &str) -> bool {
    let (RuntimeError::OverBudget { site, .. } | RuntimeError::Cancelled { site, .. }) = error else {
        return false;
    };
    let rounds = matches!(error, RuntimeError::OverBudget { what: "iterations", .. });
    let Some(rule) = &site.rule else {
        return program.relations.get(&site.relation).is_some_and(|relation| relation.input) && !rounds;
    };
    let known = sites(&program.statements, false);
    let line = text.lines().nth(rule.line - 1).unwrap();
    let said = rule.text.strip_suffix('…').unwrap_or(&rule.text);
    let stands = line.chars().skip(rule.column - 1).collect::<String>().starts_with(said);
    stands && known.iter().any(|(one, in_loop)| one == site && (*in_loop || !rounds))
}

/// The least that an epoch with these changes of the outputs costs in bytes.
fn least_bytes(expected: &Changes) -> u64 {
    let gained = expected.values().flatten().filter(|(_, weight)| *weight > 0);
    gained.map(|(row, _)| ROW_BYTES + VALUE_BYTES * u64::try_from(row.len()).unwrap()).sum()
}

/// How many epochs were tried under a limit, and how many of these were refused.
#[derive(Default)]
struct Tally {
    tried: usize,
    refused: usize,
}

/// Runs a case under limits; nothing if it is too large to be run at all.
fn judge(case: &Case, dice: &mut Dice, tally: &mut Tally) -> Option<()> {
    let text = case.to_string();
    let compiled = compiled(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    let epochs = epochs(case);
    let first = epochs.first().map(|(inputs, _)| inputs.clone()).unwrap_or_default();
    for kind in kinds(&compiled.program, &compiled.demanded, &first) {
        let mut both = [(kind.start)(kind.program.clone()), (kind.start)(kind.program.clone())];
        let (mut replay, mut before) = (Replay::new(&compiled.program), Contents::new());
        for (number, (inputs, contents)) in epochs.iter().enumerate() {
            let at = || format!("epoch {number} on {}:\n{text}\n{}", kind.name, kind.program);
            let results = replay.epoch(contents, BUDGET).ok()?.outputs;
            let expected = difference(&before, &results);
            let mut tried = |limit: Limit| {
                let undefined = both[0].undefined();
                let [got, twin] = both.each_mut().map(|runtime| runtime.step(inputs, limit.budget()));
                assert_eq!(got, twin, "{limit:?}, {}", at());
                tally.tried += 1;
                if let Err(error) = &got {
                    tally.refused += 1;
                    assert!(limit.gives(error), "{limit:?} gives {error}, {}", at());
                    assert!(blames(error, &kind.program, &text), "{limit:?}: {error}, {}", at());
                    assert_eq!(both[0].undefined(), undefined, "{limit:?}, {}", at());
                }
                got
            };
            if let Some(too_low) = least_bytes(&expected).checked_sub(1) {
                assert!(tried(Limit::Bytes(too_low)).is_err(), "{too_low} bytes do, {}", at());
            }
            let got = tried(Limit::any(dice)).or_else(|_| {
                let [got, twin] = both.each_mut().map(|runtime| runtime.step(inputs, BUDGET));
                assert_eq!(got, twin, "{}", at());
                got
            });
            assert_eq!(got, Ok(expected), "{}", at());
            before = results;
        }
    }
    Some(())
}

#[test]
fn a_refusal_names_its_rule_and_leaves_no_trace() {
    let mut tally = Tally::default();
    for seed in crate::first_seed()..crate::first_seed() + crate::cases(25) {
        judge(&generate::case(seed, Profile::Full), &mut Dice::new(seed ^ 0xb0d9e7), &mut tally);
    }
    assert!(
        tally.refused * 4 > tally.tried && tally.refused < tally.tried,
        "some are refused, and some are not"
    );
}

/// A program of which every input is reported, and so looked at whole: else rows that no output can show need not be
/// looked at, and what has no value among them need not be counted.
fn open(program: &Program) -> Program {
    let mut program = program.clone();
    program.relations.values_mut().filter(|one| one.input).for_each(|one| one.output = true);
    program
}

#[test]
fn what_has_no_value_is_counted_for_each_rule() {
    let (mut rules, mut counted) = (BTreeSet::new(), 0);
    for seed in crate::first_seed()..crate::first_seed() + crate::cases(60) {
        let case = generate::case(seed, Profile::Full);
        let text = case.to_string();
        let compiled = compiled(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        let epochs = epochs(&case);
        let first = epochs.first().map(|(inputs, _)| inputs.clone()).unwrap_or_default();
        let kinds = kinds(&open(&compiled.program), &open(&compiled.demanded), &first);
        for of_plan in kinds.chunks_exact(RUNTIMES.len()) {
            let start = |kind: &Kind| (kind.start)(kind.program.clone());
            let (mut naive, mut others) =
                (start(&of_plan[0]), of_plan[1..].iter().map(start).collect::<Vec<_>>());
            for (inputs, _) in &epochs {
                let Ok(expected) = naive.step(inputs, BUDGET) else { break };
                let undefined = naive.undefined();
                for (other, kind) in others.iter_mut().zip(&of_plan[1..]) {
                    let (name, program) = (&kind.name, &kind.program);
                    assert_eq!(other.step(inputs, Budget::default()).as_ref(), Ok(&expected), "{name}");
                    assert_eq!(other.undefined(), undefined, "seed {seed} on {name}\n{text}\n{program}");
                }
                counted += undefined.len();
                for one in undefined {
                    let rule = one.site.rule.expect("what is compiled is compiled from rules");
                    assert!(
                        text.lines().nth(rule.line - 1).unwrap().contains(rule.text.trim_end_matches('…'))
                    );
                    rules.insert((seed, rule));
                }
            }
        }
    }
    assert!(rules.len() > 20 && counted > 100, "{} rules have {counted} counts", rules.len());
}
