//! `motet run`: a PomoLogic program over files, without a database.
//!
//! The program is compiled first, then every input is read, then the outputs are computed, and only then is anything
//! written: a program or an input with an error leaves no file behind. All rows are one epoch, and a program
//! with time goes on until it is at rest (Q12). With `--follow` what comes later are further epochs, and the changes
//! of each are written when it is over.

mod plan;
mod streams;
pub(crate) mod why;

use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::thread;
use std::time::Duration;

use motet::Parameters;
use motet_algebra::{Budget, Changes, Row, Runtime, Unknown, optimise};
use motet_logic::{Catalog, Compiled, Diagnostics, Interface, Source};
use motet_stream::{Progress, Reactor, Turn, car, csv};

use crate::args::{Global, RunArgs, RuntimeArg};
use crate::commands::run::streams::Ends;
use crate::commands::run::why::Question;
use crate::context;
use crate::failure::Failure;
use crate::limits::Stopwatch;
use crate::modules;
use crate::output;
use crate::undefined::Told;

/// How long a program that follows its sources waits before it looks for more.
const REST: Duration = Duration::from_millis(50);

/// Runs a program over its files, and writes or prints its outputs.
pub(crate) fn run(args: &RunArgs, global: &Global) -> Result<(), Failure> {
    let mut ends = Ends::of_flags(args)?;
    let compiled = if args.ra {
        let (compiled, plan) = plan::read(&args.program)?;
        ends.add(&plan, beside(&args.program), args.follow);
        compiled
    } else {
        let mut catalog = Catalog::default();
        if ends.has_facts() {
            car::declare(&mut catalog);
        }
        compile_over(&catalog, &args.program, &context::parameters(&args.param)?)?
    };
    if args.print_ra {
        return Ok(write!(io::stdout().lock(), "{}", ends.plan(&compiled))?);
    }
    warn(&compiled)?;
    if args.explain {
        return Ok(write!(io::stdout().lock(), "{}", explanation(&compiled, args)?)?);
    }
    if let Some(question) = Question::of(args.why.as_deref(), args.why_not.as_deref()) {
        return question.answer(&compiled, args);
    }
    let runtime = start(&compiled, args.runtime)?;
    let (budget, stopwatch) = args.limits.budget();
    let budget = Budget { ticks: args.max_ticks, ..budget };
    let mut reactor = Reactor::new(&compiled.program, runtime, budget);
    ends.attach_sources(&mut reactor, &compiled, args)?;
    ends.attach_sinks(&mut reactor, &compiled, args)?;
    let mut told = Told::default();
    drive(&mut reactor, args.follow || ends.are_live(), &stopwatch, &mut told)?;
    if args.out.is_none() && ends.are_without_sink() {
        print_outputs(&compiled.outputs, &reactor, global)?;
    }
    told.warn(reactor.undefined());
    violations(&compiled, |relation| rows_of(&reactor, relation))
}

/// Runs epochs until nothing is left to do. The first source or sink that fails for good ends it. The limit on time is
/// for a batch and what follows from it. Where there is more to come, what has no value is told after each batch.
fn drive(reactor: &mut Reactor, follow: bool, stopwatch: &Stopwatch, told: &mut Told) -> Result<(), Failure> {
    let mut failed = None;
    let between = |reactor: &mut Reactor, turn: &Turn| {
        for fault in &turn.faults {
            let failure = Failure::from(&fault.error);
            if fault.detached {
                failed.get_or_insert(failure);
            } else {
                // Where standard error itself is closed there is nobody left to tell.
                let _told = writeln!(io::stderr().lock(), "{failure}");
            }
        }
        if failed.is_some() {
            return ControlFlow::Break(());
        }
        if follow && turn.progress == Progress::Idle {
            told.warn(reactor.undefined());
            stopwatch.reset();
            thread::park_timeout(REST);
        }
        ControlFlow::Continue(())
    };
    reactor.run(between).map_err(|error| Failure::Failed(error.to_string()))?;
    failed.map_or(Ok(()), Err)
}

/// How a program is computed: over the rows there are, if all of its inputs are given.
fn explanation(compiled: &Compiled, args: &RunArgs) -> Result<String, Failure> {
    if args.facts.is_none() && !compiled.inputs.is_empty() {
        return Ok(expected(compiled));
    }
    let rows = stored_rows(compiled, args.facts.as_deref())?;
    let (budget, _stopwatch) = args.limits.budget();
    let planned = motet_algebra::explain_over(&compiled.demanded, &rows, budget);
    let planned = planned.map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(compiled.explain_planned(&planned))
}

/// How a program would be computed over rows of which nothing is known.
pub(super) fn expected(compiled: &Compiled) -> String {
    let optimised = optimise(&compiled.demanded, &Unknown);
    compiled.explain_planned(&motet_algebra::explain(&optimised, &Unknown, None))
}

/// Fails, with each rule of what must not be and the rows that break it, if there are any.
pub(crate) fn violations(compiled: &Compiled, rows: impl Fn(&Interface) -> Vec<Row>) -> Result<(), Failure> {
    let mut broken = Vec::new();
    for violation in &compiled.violations {
        let names = || violation.relation.columns.iter().map(|(name, _)| name);
        for row in rows(&violation.relation) {
            let cells: Vec<String> =
                names().zip(&row).map(|(name, value)| format!("{name} = {value}")).collect();
            broken.push(
                format!("forbidden: {} {}", violation.rule.trim(), cells.join(", ")).trim_end().to_owned(),
            );
        }
    }
    if broken.is_empty() { Ok(()) } else { Err(Failure::Faults(broken.join("\n"))) }
}

/// Compiles the program in a file, over no relations but its own and those of the rules that it uses.
pub(crate) fn compile_file(program: &Path, parameters: &Parameters) -> Result<Compiled, Failure> {
    compile_over(&Catalog::default(), program, parameters)
}

fn compile_over(catalog: &Catalog, program: &Path, parameters: &Parameters) -> Result<Compiled, Failure> {
    let text = std::fs::read_to_string(program).map_err(|error| Failure::reading(program, &error))?;
    let source = Source::new(program.display().to_string(), text);
    let catalog = modules::add(catalog.clone(), beside(program), &source)?;
    motet_logic::compile(&source, &catalog, parameters)
        .map_err(|diagnostics| told(&source, parameters, &diagnostics))
}

/// The directory that a program is in.
fn beside(program: &Path) -> &Path {
    program.parent().unwrap_or(Path::new(""))
}

/// What is wrong with a program; and what to do if it is none but a query.
pub(super) fn told(source: &Source, parameters: &Parameters, diagnostics: &Diagnostics) -> Failure {
    let failure = Failure::Diagnosed(diagnostics.to_string());
    if motet_logic::compile(source, &motet::relations::catalog(), parameters).is_err() {
        return failure;
    }
    let name = &source.name;
    failure.help(format!("this is a query of a party: `motet query -f {name}`, `motet check --query {name}`"))
}

/// Says on standard error what is likely not meant.
pub(crate) fn warn(compiled: &Compiled) -> Result<(), Failure> {
    let mut err = io::stderr().lock();
    if !compiled.warnings.is_empty() {
        writeln!(err, "{}", compiled.warnings.to_string().trim_end())?;
    }
    if compiled.outputs.is_empty() {
        writeln!(err, "warning: the program has no `output NAME.`, so there is nothing to show")?;
    }
    Ok(())
}

/// The rows with which the inputs begin: those of the files, if there is a directory, and the facts that the program
/// states of its inputs.
pub(super) fn stored_rows(compiled: &Compiled, facts: Option<&Path>) -> Result<Changes, Failure> {
    let mut inputs = Changes::new();
    for input in &compiled.inputs {
        let read = |directory: &Path| {
            let path = streams::path_in(directory, input)?;
            if input.event && !path.exists() {
                return Ok(Vec::new());
            }
            csv::read(&path, input).map_err(|error| Failure::from(&error))
        };
        let mut rows = facts.map_or(Ok(Vec::new()), read)?;
        rows.extend(compiled.facts.get(&input.name).into_iter().flatten().cloned());
        rows.sort_unstable();
        rows.dedup();
        inputs.insert(input.name.clone(), rows.into_iter().map(|row| (row, 1)).collect());
    }
    Ok(inputs)
}

/// A runtime for a program; nothing is computed yet.
pub(super) fn start(compiled: &Compiled, runtime: RuntimeArg) -> Result<Box<dyn Runtime>, Failure> {
    let started = motet::RuntimeKind::from(runtime).start(compiled);
    started.map_err(|error| Failure::Failed(format!("the plan cannot be built: {error}")))
}

fn print_outputs(outputs: &[Interface], reactor: &Reactor, global: &Global) -> Result<(), Failure> {
    let relations = outputs
        .iter()
        .map(|output| (&*output.name, output.columns.as_slice(), output.arrange(rows_of(reactor, output))))
        .collect();
    let mut out = io::BufWriter::new(io::stdout().lock());
    output::print_relations(&mut out, global.format, relations)?;
    Ok(out.flush()?)
}

fn rows_of(reactor: &Reactor, output: &Interface) -> Vec<Row> {
    reactor.contents(&output.name).into_iter().flatten().cloned().collect()
}
