//! `motet check`: compiles a program, evaluates nothing, and says all that is wrong with it.

use std::io::{self, Write as _};
use std::path::Path;

use motet_logic::Compiled;

use crate::context;
use crate::failure::Failure;
use crate::output;

use super::run::{compile_file, expected, warn};

/// Checks the program in a file. Success is said in one line, and a line for each output; or how it is computed.
pub(crate) fn check(program: &Path, params: &[String], explain: bool) -> Result<(), Failure> {
    let compiled = compile_file(program, &context::parameters(params)?)?;
    warn(&compiled)?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{}: no errors, {}",
        program.display(),
        count(compiled.warnings.iter().count(), "warning")
    )?;
    if explain { Ok(write!(out, "{}", expected(&compiled))?) } else { describe(&mut out, &compiled) }
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
