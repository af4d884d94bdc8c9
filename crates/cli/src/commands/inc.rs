//! `motet inc`: a program kept running, a transaction per line in, a line of net changes out (Q12).
//!
//! Every line of input has exactly one line of output, in order and at once, so that another program can hold a
//! conversation with this one over two pipes. Epoch 0, the rows that are there from the start, is answered before the
//! first line is read, if there are any such rows; the lines that succeed are epochs 1, 2, 3, … A line that fails
//! says why and takes no epoch. An answer also says what has no value, when that is not what it was (Q3).
//!
//! The work is in two modules: `transaction` makes a line into rows, and `session` makes rows into changes. This one
//! has the pipes. Nothing is kept when the input ends.

mod session;
mod transaction;

use std::io::{self, BufRead, Write};

use motet_algebra::{Expression, Program, Row, Site, Statement, Undefined};
use motet_logic::Compiled;
use motet_stream::json::to_json;
use serde_json::{Value as Json, json};

use crate::args::IncArgs;
use crate::commands::inc::session::{Answer, Session};
use crate::commands::run;
use crate::context;
use crate::failure::Failure;

/// Answers lines until there are no more.
pub(crate) fn run(args: &IncArgs) -> Result<(), Failure> {
    let compiled = run::compile_file(&args.program, &context::parameters(&args.param)?)?;
    run::warn(&compiled)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut session = open(args, &compiled, &mut out)?;
    converse(&mut session, &mut io::stdin().lock(), &mut out)
}

/// Brings the session to the end of epoch 0, and answers it if there is something to it.
fn open(args: &IncArgs, compiled: &Compiled, out: &mut dyn Write) -> Result<Session, Failure> {
    let runtime = run::start(compiled, args.runtime)?;
    let mut session = Session::new(compiled, runtime, &args.limits);
    if args.facts.is_some() || states_facts(compiled) {
        let rows = run::stored_rows(compiled, args.facts.as_deref())?;
        let begun = session.begin(&rows).map_err(|error| Failure::Failed(error.to_string()))?;
        answer(out, &begun)?;
    }
    Ok(session)
}

/// Whether a program has clauses without a body.
fn states_facts(compiled: &Compiled) -> bool {
    !compiled.facts.is_empty() || has_constant_rows(&compiled.program)
}

/// Whether some relation has rows that stand in the program. The compiler makes an assignment of their own of them;
/// constants further down are parts of rules.
fn has_constant_rows(program: &Program) -> bool {
    let is_constant =
        |one: &Statement| matches!(one, Statement::Assign { expression: Expression::Constant { .. }, .. });
    program.statements.iter().any(is_constant)
}

fn converse(session: &mut Session, lines: &mut dyn BufRead, out: &mut dyn Write) -> Result<(), Failure> {
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let unreadable = |error| Failure::Failed(format!("cannot read standard input: {error}"));
        if lines.read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            break;
        }
        match session.hear(&line) {
            Ok(heard) => answer(out, &heard)?,
            Err(refusal) => refuse(out, number, &refusal.to_string())?,
        }
    }
    Ok(())
}

fn refuse(out: &mut dyn Write, line: u64, message: &str) -> io::Result<()> {
    writeln!(out, "{}", json!({"error": {"line": line, "message": message}}))?;
    out.flush()
}

/// Writes an epoch's changes row by row, for there may be many.
fn answer(out: &mut dyn Write, answer: &Answer) -> io::Result<()> {
    write!(out, "{{\"epoch\":{},\"changes\":{{", answer.epoch)?;
    let changed = answer.changes.iter().filter(|(_, rows)| !rows.is_empty());
    for (place, (name, rows)) in changed.enumerate() {
        write!(out, "{}{}:", comma(place), json!(&**name))?;
        write_rows(out, rows)?;
    }
    write!(out, "}}")?;
    if let Some(undefined) = &answer.undefined {
        let undefined: Vec<Json> = undefined.iter().map(undefined_json).collect();
        write!(out, ",\"undefined\":{}", Json::from(undefined))?;
    }
    writeln!(out, "}}")?;
    out.flush()
}

fn undefined_json(undefined: &Undefined) -> Json {
    let Site { relation, rule } = &undefined.site;
    let mut told = json!({"relation": &**relation, "term": &*undefined.term, "rows": undefined.rows});
    if let Some(rule) = rule {
        told["rule"] = json!({"at": rule.place(), "text": &*rule.text});
    }
    told
}

fn write_rows(out: &mut dyn Write, rows: &[(Row, i64)]) -> io::Result<()> {
    debug_assert!(rows.is_sorted_by(|(a, _), (b, _)| a < b), "each row once, in value order");
    write!(out, "[")?;
    for (place, (row, weight)) in rows.iter().enumerate() {
        let row: Vec<Json> = row.iter().map(to_json).collect();
        write!(out, "{}{}", comma(place), json!([row, weight]))?;
    }
    write!(out, "]")
}

fn comma(place: usize) -> &'static str {
    if place > 0 { "," } else { "" }
}
