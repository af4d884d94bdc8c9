//! `motet query`: a question, once or live.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use motet::{Parameters, Party, View};
use motet_algebra::{Budget, Changes};
use motet_stream::json::to_json;

use crate::args::{Format, Global, RuntimeArg};
use crate::commands::{run, serve};
use crate::context;
use crate::failure::Failure;
use crate::limits::{Limits, Stopwatch};
use crate::output;
use crate::undefined::Told;

/// A query's text, where it came from, and its parameters.
pub(crate) struct Query {
    name: String,
    text: String,
    parameters: Parameters,
}

impl Query {
    /// Takes the text from the command line or a file.
    pub(crate) fn read(
        text: Option<String>,
        file: Option<PathBuf>,
        parameters: &[String],
    ) -> Result<Self, Failure> {
        let (name, text) = match (text, file) {
            (Some(text), _) => ("query".to_owned(), text),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(&file).map_err(|error| Failure::reading(&file, &error))?;
                (file.display().to_string(), text)
            }
            (None, None) => return Err(Failure::Usage("give a query, or a file with --file".into())),
        };
        Ok(Query { name, text, parameters: context::parameters(parameters)? })
    }

    fn explain(&self, party: &Party, budget: Budget) -> Result<String, Failure> {
        Ok(party.explain(&self.name, &self.text, &self.parameters, budget)?)
    }

    fn watch(&self, party: &Party, runtime: RuntimeArg, budget: Budget) -> Result<View, Failure> {
        Ok(party.watch_on(&self.name, &self.text, &self.parameters, runtime.into(), budget)?)
    }
}

/// Answers the query; with `watch`, stays and prints changes.
pub(crate) fn run(
    global: &Global,
    query: &Query,
    watch: bool,
    peers: &[String],
    explain: bool,
    runtime: RuntimeArg,
    limits: &Limits,
) -> Result<(), Failure> {
    let (budget, stopwatch) = limits.budget();
    let party = context::open_party(global)?;
    let mut out = std::io::stdout().lock();
    if explain {
        return Ok(write!(out, "{}", query.explain(&party, budget)?)?);
    }
    let mut view = query.watch(&party, runtime, budget)?;
    if !watch && view.compiled().program.is_timed() {
        let refused = "the query depends on events or earlier epochs, and one answer has none before it";
        return Err(
            Failure::Failed(refused.into()).help("watch it with --watch, or ask without `@next` and `event`")
        );
    }
    for warning in view.compiled().warnings.to_string().lines() {
        let _told = writeln!(std::io::stderr().lock(), "{warning}");
    }
    let mut told = Told::default();
    told.warn(view.undefined());
    print_contents(&mut out, global.format, &view)?;
    if watch {
        let _node = serve::dial(party.database(), peers)?;
        follow(&mut out, global.format, &mut view, &mut told, &stopwatch)?;
    }
    run::violations(view.compiled(), |relation| view.rows(&relation.name).cloned().collect())
}

fn print_contents(out: &mut dyn Write, format: Format, view: &View) -> Result<(), Failure> {
    let relations = view
        .compiled()
        .outputs
        .iter()
        .map(|output| {
            let rows: Vec<_> = view.shown(&output.name).into_iter().cloned().collect();
            (output.name.as_ref(), output.columns.as_slice(), rows)
        })
        .collect();
    output::print_relations(out, format, relations)
}

fn follow(
    out: &mut dyn Write,
    format: Format,
    view: &mut View,
    told: &mut Told,
    stopwatch: &Stopwatch,
) -> Result<(), Failure> {
    loop {
        stopwatch.reset();
        if let Some(changes) = view.wait(Duration::from_secs(3600))? {
            print_changes(out, format, view, &changes)?;
            out.flush()?;
            told.warn(view.undefined());
        }
    }
}

fn print_changes(out: &mut dyn Write, format: Format, view: &View, changes: &Changes) -> Result<(), Failure> {
    for (relation, rows) in changes {
        for (row, weight) in rows {
            let cells: Vec<String> = row.iter().map(ToString::to_string).collect();
            match format {
                Format::Json => {
                    let cells: Vec<_> = row.iter().map(to_json).collect();
                    let change = serde_json::json!({"epoch": view.epoch(), "output": relation.as_ref(), "row": cells, "weight": weight});
                    writeln!(out, "{change}")?;
                }
                Format::Table | Format::Csv => writeln!(out, "{weight:+} {relation}({})", cells.join(", "))?,
            }
        }
    }
    Ok(())
}
