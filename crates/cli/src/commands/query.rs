//! `motet query`: a question, once or live; and what else can be made of it.

use std::io::Write;

use motet::{Causes, Database, Materialised, Party, Query, View};
use motet_algebra::Changes;
use motet_fact::{PublicKey, Value};
use motet_stream::json::to_json;
use std::time::Duration;

use crate::args::{Format, Global, QueryArgs, TextArgs};
use crate::commands::run::why::Question;
use crate::commands::{run, serve};
use crate::context;
use crate::date;
use crate::failure::Failure;
use crate::limits::Stopwatch;
use crate::output;
use crate::undefined::Told;

/// Takes a query's text from the command line or a file.
pub(crate) fn read(args: &TextArgs) -> Result<Query, Failure> {
    let (name, text) = match (&args.text, &args.file) {
        (Some(text), _) => ("query".to_owned(), text.clone()),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file).map_err(|error| Failure::reading(file, &error))?;
            (file.display().to_string(), text)
        }
        (None, None) => return Err(Failure::Usage("give a query, or a file with --file".into())),
    };
    Ok(Query { name, parameters: context::parameters(&args.param)?, ..Query::new(text) })
}

/// Answers a query, or does what is wanted instead.
pub(crate) fn run(global: &Global, args: &QueryArgs) -> Result<(), Failure> {
    let (budget, stopwatch) = args.limits.budget();
    let query = read(&args.text)?.on(args.runtime.into()).within(budget);
    let database = context::open(global)?;
    let parties = context::parties(global, &database)?;
    let keys: Vec<PublicKey> = parties.iter().map(Party::key).collect();
    let mut out = std::io::stdout().lock();
    let instead = &args.instead;
    if instead.explain {
        return Ok(write!(out, "{}", database.explain(&keys, &query)?)?);
    }
    let question = Question::of(instead.why.as_deref(), instead.why_not.as_deref());
    let of_one = || match parties.as_slice() {
        [party] => Ok(party),
        _ => Err(Failure::Usage("this is asked of one party: say which with --party".into())),
    };
    if let Some(question) = question {
        let said = of_one()?.account(&query, |account| question.explain(account))?;
        return Ok(write!(out, "{}", said?)?);
    }
    let materialise =
        [(&instead.materialise, Causes::None), (&instead.materialise_with_causes, Causes::Derivation)];
    for (target, causes) in materialise {
        if let Some(target) = target {
            let (item, namespace) = context::item_and_namespace(of_one()?, target)?;
            let made = of_one()?.materialise(item, namespace, &query, causes)?;
            return told(&mut out, global.format, &made);
        }
    }
    if instead.snapshot || instead.publish.is_some() {
        return snapshot(&mut out, global, of_one()?, &query, instead.publish.as_deref());
    }
    if let Some(at) = &args.as_of {
        let view = of_one()?.as_of(&date::as_of(at)?)?.query(&query)?;
        return print_answer(&mut out, global.format, &view, &mut Told::default());
    }
    answer(&mut out, global, &database, &keys, &query, args, &stopwatch)
}

/// Prints what there is to warn of, the rows, and what must not be and is.
fn print_answer(out: &mut dyn Write, format: Format, view: &View, told: &mut Told) -> Result<(), Failure> {
    warn(view, told);
    print_contents(out, format, view)?;
    violations(view)
}

fn violations(view: &View) -> Result<(), Failure> {
    run::violations(view.compiled(), |relation| view.rows(&relation.name).cloned().collect())
}

/// Prints the rows; with `--watch`, stays and prints changes.
fn answer(
    out: &mut dyn Write,
    global: &Global,
    database: &Database,
    parties: &[PublicKey],
    query: &Query,
    args: &QueryArgs,
    stopwatch: &Stopwatch,
) -> Result<(), Failure> {
    let mut view = database.watch(parties, query)?;
    if !args.watch && view.compiled().program.is_timed() {
        return Err(
            Failure::from(motet::Error::Timed).help("watch it with --watch, or keep it: `motet view keep`")
        );
    }
    let mut told = Told::default();
    if !args.watch {
        return print_answer(out, global.format, &view, &mut told);
    }
    warn(&view, &mut told);
    print_contents(out, global.format, &view)?;
    let _node = serve::dial(database, &args.peer)?;
    follow(out, global.format, &mut view, &mut told, stopwatch)?;
    violations(&view)
}

/// Says on standard error what is likely not meant.
pub(crate) fn warn(view: &View, told: &mut Told) {
    for warning in view.compiled().warnings.to_string().lines() {
        let _told = writeln!(std::io::stderr().lock(), "{warning}");
    }
    told.warn(view.undefined());
}

fn told(out: &mut dyn Write, format: Format, made: &Materialised) -> Result<(), Failure> {
    let count = |count: usize| Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
    let fields = [
        ("stated", count(made.facts.len())),
        ("known", count(made.known)),
        ("entries", count(made.entries.len())),
    ];
    output::print_fields(out, format, &fields)
}

fn snapshot(
    out: &mut dyn Write,
    global: &Global,
    party: &Party,
    query: &Query,
    publish: Option<&str>,
) -> Result<(), Failure> {
    let (snapshot, published) = match publish {
        None => (party.snapshot(query)?, None),
        Some(target) => {
            let (item, namespace) = context::item_and_namespace(party, target)?;
            let (snapshot, receipt) = party.publish_snapshot(item, namespace, query)?;
            (snapshot, Some(receipt.is_some()))
        }
    };
    let heads: Vec<String> = snapshot.heads.iter().map(ToString::to_string).collect();
    let mut fields = vec![
        ("query", Value::from(snapshot.query)),
        ("root", snapshot.root.into()),
        ("heads", heads.join(" ").into()),
        ("snapshot", snapshot.cid().into()),
    ];
    fields.extend(published.map(|published| ("published", Value::Bool(published))));
    output::print_fields(out, global.format, &fields)
}

/// Prints what the outputs show.
pub(crate) fn print_contents(out: &mut dyn Write, format: Format, view: &View) -> Result<(), Failure> {
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

/// Prints changes as they come, and does not end.
pub(crate) fn follow(
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

/// Prints the changes of an epoch.
pub(crate) fn print_changes(
    out: &mut dyn Write,
    format: Format,
    view: &View,
    changes: &Changes,
) -> Result<(), Failure> {
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
