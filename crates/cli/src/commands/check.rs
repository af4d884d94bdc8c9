//! `motet check`: compiles a program, evaluates nothing, and says all that is wrong with it.
//!
//! With `--fix` it makes the changes that need nobody's choice, and checks again: what could not be read before may
//! have problems of its own. With `--json` each problem is an object on a line, for editors.

use std::io::{self, Write as _};
use std::path::Path;

use motet::Parameters;
use motet_logic::{Catalog, Compiled, Diagnostic, Diagnostics, Edit, Severity, Source, Span};
use serde_json::{Value as Json, json};

use crate::args::CheckArgs;
use crate::context;
use crate::failure::Failure;
use crate::modules;
use crate::output;

use super::run::{expected, told, warn};

/// How often a program is checked again after a change. Each round reads what the last one made readable.
const ROUNDS: usize = 20;

/// Checks the program in a file. Success is said in one line, and a line for each output; or how it is
/// computed.
pub(crate) fn check(args: &CheckArgs) -> Result<(), Failure> {
    let text =
        std::fs::read_to_string(&args.program).map_err(|error| Failure::reading(&args.program, &error))?;
    let source = Source::new(args.program.display().to_string(), text);
    let catalog = if args.query { motet::relations::catalog() } else { Catalog::default() };
    let beside = args.program.parent().unwrap_or(Path::new(""));
    let mut check = Check {
        catalog: modules::add(catalog, beside, &source)?,
        source,
        parameters: context::parameters(&args.param)?,
        explain: args.explain,
    };
    if args.fix {
        check.fix(&args.program, args.dry_run)?;
    }
    if args.json { check.print_json() } else { check.print() }
}

/// A program being checked.
struct Check {
    source: Source,
    catalog: Catalog,
    parameters: Parameters,
    explain: bool,
}

impl Check {
    fn compile(&self) -> Result<Compiled, Diagnostics> {
        motet_logic::compile(&self.source, &self.catalog, &self.parameters)
    }

    fn problems(&self) -> Diagnostics {
        self.compile().map_or_else(|problems| problems, |compiled| compiled.warnings)
    }

    fn print(&self) -> Result<(), Failure> {
        let compiled = self.compile().map_err(|problems| told(&self.source, &self.parameters, &problems))?;
        warn(&compiled)?;
        let mut out = io::stdout().lock();
        let warnings = count(compiled.warnings.iter().count(), "warning");
        writeln!(out, "{}: no errors, {warnings}", self.source.name)?;
        if self.explain { Ok(write!(out, "{}", expected(&compiled))?) } else { describe(&mut out, &compiled) }
    }

    fn print_json(&self) -> Result<(), Failure> {
        let problems = self.problems();
        let mut out = io::stdout().lock();
        problems.iter().try_for_each(|item| writeln!(out, "{}", to_json(&problems, item)))?;
        let failed = problems.iter().any(|item| item.severity == Severity::Error);
        // All has been said.
        if failed { Err(Failure::Diagnosed(String::new())) } else { Ok(()) }
    }

    /// Makes the changes, says each, and writes the file unless it is to be left alone.
    fn fix(&mut self, path: &Path, dry_run: bool) -> Result<(), Failure> {
        let mut err = io::stderr().lock();
        let mut made = 0;
        for _ in 0..ROUNDS {
            let problems = self.problems();
            let edits = problems.certain_edits();
            if edits.is_empty() {
                break;
            }
            made += edits.len();
            for (item, edit) in &edits {
                let (line, column) = self.source.place(edit.span.start);
                writeln!(err, "{}:{line}:{column}: {}: {edit}", self.source.name, item.code)?;
                if dry_run {
                    write!(err, "{}", difference(&self.source, edit))?;
                }
            }
            self.source = self.source.edited(edits.into_iter().map(|(_, edit)| edit));
        }
        if made > 0 && !dry_run {
            replace_file(path, &self.source.text)?;
        }
        let what = if dry_run { "to make" } else { "made" };
        Ok(writeln!(err, "{}: {} {what}", self.source.name, count(made, "change"))?)
    }
}

/// How many characters are shown before what an edit changes, and after it.
const AROUND: (usize, usize) = (40, 80);

/// The lines that an edit touches, before and after. Of long lines that is what is around the change.
fn difference(source: &Source, edit: &Edit) -> String {
    let start = source.text[..edit.span.start].rfind('\n').map_or(0, |at| at + 1);
    let end = source.text[edit.span.end..].find('\n').map_or(source.text.len(), |at| edit.span.end + at);
    let (head, tail) = (&source.text[start..edit.span.start], &source.text[edit.span.end..end]);
    let head = match head.char_indices().nth_back(AROUND.0) {
        Some((at, letter)) => format!("… {}", &head[at + letter.len_utf8()..]),
        None => head.to_owned(),
    };
    let tail = match tail.char_indices().nth(AROUND.1) {
        Some((at, _)) => format!("{}…", &tail[..at]),
        None => tail.to_owned(),
    };
    let before = format!("{head}{}{tail}", source.excerpt(edit.span));
    let after = format!("{head}{}{tail}", edit.replacement);
    let marked = |sign: char, text: &str| -> String {
        text.lines().map(|line| format!("{sign} {}\n", line.trim_end())).collect()
    };
    marked('-', &before) + &marked('+', &after)
}

/// The file is either the old one or the new one, whatever happens.
fn replace_file(path: &Path, text: &str) -> Result<(), Failure> {
    let aside = path.with_added_extension("part");
    std::fs::write(&aside, text)
        .and_then(|()| std::fs::rename(&aside, path))
        .map_err(|error| Failure::writing(path, &error))
}

fn to_json(problems: &Diagnostics, item: &Diagnostic) -> Json {
    let severity = match item.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let edit = |edit: &Edit| {
        let span = span_json(problems, edit.span);
        json!({"label": edit.label, "replacement": edit.replacement, "span": span})
    };
    json!({
        "code": item.code,
        "severity": severity,
        "message": item.message,
        "label": item.label,
        "file": problems.locate(item.span).0.name,
        "span": span_json(problems, item.span),
        "remedy": item.remedy,
        "edits": item.edits.iter().map(edit).collect::<Vec<_>>(),
    })
}

/// Lines and columns from 1, columns in characters; `byte` from 0.
fn span_json(problems: &Diagnostics, span: Span) -> Json {
    let (source, span) = problems.locate(span);
    let place = |byte: usize| {
        let (line, column) = source.place(byte);
        json!({"line": line, "column": column, "byte": byte})
    };
    json!({"start": place(span.start), "end": place(span.end)})
}

fn describe(out: &mut dyn io::Write, compiled: &Compiled) -> Result<(), Failure> {
    let outputs = compiled.outputs.iter().map(|output| {
        let columns: Vec<&str> = output.columns.iter().map(|(name, _)| &**name).collect();
        let class = compiled.classes[&output.name].to_string();
        vec![format!("{}({})", output.name, columns.join(", ")), class]
    });
    if compiled.outputs.is_empty() {
        return Ok(());
    }
    output::print_text(out, crate::args::Format::Table, &["output", "meaning"], outputs)
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
