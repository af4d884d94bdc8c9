//! `motet run`: a PomoLogic program over CSV files, without a database.
//!
//! The program is compiled first, then every input is read, then the outputs are computed, and only then is anything
//! written: a program or an input with an error leaves no file behind. All rows are one epoch (Q12).

mod files;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;

use motet::Parameters;
use motet_algebra::{Budget, Changes, Naive, Program, RelationName, Row, Runtime, SchemaError};
use motet_cluster::Cluster;
use motet_logic::{Catalog, Compiled, Interface, Source};

use crate::args::{Global, RuntimeArg};
use crate::context;
use crate::failure::Failure;
use crate::output;

/// Runs a program over the CSV files in `facts`, and writes or prints its outputs.
pub(crate) fn run(
    program: &Path,
    facts: Option<&Path>,
    out: Option<&Path>,
    runtime: RuntimeArg,
    params: &[String],
    explain: bool,
    global: &Global,
) -> Result<(), Failure> {
    let compiled = compile_file(program, &context::parameters(params)?)?;
    warn(&compiled)?;
    if explain {
        return Ok(write!(io::stdout().lock(), "{}", compiled.explain())?);
    }
    if let Some(directory) = out {
        files::check_outputs(directory, &compiled.outputs)?;
    }
    let inputs = read_inputs(&compiled, facts)?;
    let mut outputs = evaluate(&compiled.program, runtime, &inputs)?;
    drop(inputs);
    for output in &compiled.outputs {
        if let Some(rows) = outputs.get_mut(&output.name) {
            *rows = output.arrange(std::mem::take(rows));
        }
    }
    match out {
        Some(directory) => write_outputs(&compiled.outputs, &outputs, directory)?,
        None => print_outputs(&compiled.outputs, &outputs, global)?,
    }
    violations(&compiled, |relation| rows_of(&outputs, relation).to_vec())
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

/// Compiles the program in a file, over no relations but its own.
pub(crate) fn compile_file(program: &Path, parameters: &Parameters) -> Result<Compiled, Failure> {
    let text = std::fs::read_to_string(program).map_err(|error| Failure::reading(program, &error))?;
    let source = Source::new(program.display().to_string(), text);
    motet_logic::compile(&source, &Catalog::default(), parameters)
        .map_err(|diagnostics| Failure::Diagnosed(diagnostics.to_string()))
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

fn read_inputs(compiled: &Compiled, facts: Option<&Path>) -> Result<Changes, Failure> {
    if let (None, Some(input)) = (facts, compiled.inputs.first()) {
        let missing = format!("the program reads `{0}` (`input {0}.`), and --facts is not given", input.name);
        return Err(Failure::Usage(missing).help("--facts DIR says where the CSV files are"));
    }
    stored_rows(compiled, facts)
}

/// The rows with which the inputs begin: those of the files, if there is a directory, and the facts that the program
/// states of its inputs.
pub(super) fn stored_rows(compiled: &Compiled, facts: Option<&Path>) -> Result<Changes, Failure> {
    let mut inputs = Changes::new();
    for input in &compiled.inputs {
        let mut rows = facts.map_or(Ok(Vec::new()), |directory| files::read(directory, input))?;
        rows.extend(compiled.facts.get(&input.name).into_iter().flatten().cloned());
        rows.sort_unstable();
        rows.dedup();
        inputs.insert(input.name.clone(), rows.into_iter().map(|row| (row, 1)).collect());
    }
    Ok(inputs)
}

/// A runtime for a program; nothing is computed yet.
pub(super) fn start(program: &Program, runtime: RuntimeArg) -> Result<Box<dyn Runtime>, Failure> {
    let unbuilt = |error: SchemaError| Failure::Failed(format!("the plan cannot be built: {error}"));
    Ok(match runtime {
        RuntimeArg::Naive => Box::new(Naive::new(program.clone()).map_err(unbuilt)?),
        RuntimeArg::Cluster => Box::new(Cluster::new(program.clone()).map_err(unbuilt)?),
    })
}

fn evaluate(
    program: &Program,
    runtime: RuntimeArg,
    inputs: &Changes,
) -> Result<BTreeMap<RelationName, Vec<Row>>, Failure> {
    let mut runtime = start(program, runtime)?;
    let changes =
        runtime.step(inputs, Budget::default()).map_err(|error| Failure::Failed(error.to_string()))?;
    let present = |(row, weight): (Row, i64)| {
        assert_eq!(weight, 1, "the first epoch only adds rows");
        row
    };
    Ok(changes.into_iter().map(|(name, rows)| (name, rows.into_iter().map(present).collect())).collect())
}

fn write_outputs(
    outputs: &[Interface],
    rows: &BTreeMap<RelationName, Vec<Row>>,
    directory: &Path,
) -> Result<(), Failure> {
    std::fs::create_dir_all(directory).map_err(|error| Failure::writing(directory, &error))?;
    outputs.iter().try_for_each(|output| files::write(directory, output, rows_of(rows, output)))
}

fn print_outputs(
    outputs: &[Interface],
    rows: &BTreeMap<RelationName, Vec<Row>>,
    global: &Global,
) -> Result<(), Failure> {
    let relations = outputs
        .iter()
        .map(|output| {
            (&*output.name, output.columns.as_slice(), rows_of(rows, output).iter().map(Vec::as_slice))
        })
        .collect();
    let mut out = io::BufWriter::new(io::stdout().lock());
    output::print_relations(&mut out, global.format, relations)?;
    Ok(out.flush()?)
}

fn rows_of<'a>(rows: &'a BTreeMap<RelationName, Vec<Row>>, output: &Interface) -> &'a [Row] {
    rows.get(&output.name).map_or(&[], Vec::as_slice)
}
