//! `motet model`: models that are data.

use std::io::Write as _;
use std::path::Path;

use motet::model::LIBRARY;
use motet::{Error, ModelBlock, Party};

use crate::args::{Format, Global, ModelCommand};
use crate::context;
use crate::failure::Failure;
use crate::output;

/// Runs one of the model commands.
pub(crate) fn run(global: &Global, command: ModelCommand) -> Result<(), Failure> {
    match command {
        ModelCommand::List => list(global, &context::open_party(global)?),
        ModelCommand::Publish { name, file, limits } => {
            let party = context::open_party(global)?;
            let program = match file {
                Some(file) => read(&file)?,
                None => shipped(&name).ok_or_else(|| no_file(&name))?.to_owned(),
            };
            let block = party.publish_model(&name, &ModelBlock { program, limits: limits.into() })?;
            let mut out = std::io::stdout().lock();
            match global.format {
                Format::Table => Ok(writeln!(out, "{block}")?),
                format => output::print_fields(&mut out, format, &[("block", block.into())]),
            }
        }
        ModelCommand::Show { name } => show(global, &context::open_party(global)?, &name),
        ModelCommand::Check { file } => check(global, &file),
    }
}

fn shipped(name: &str) -> Option<&'static str> {
    LIBRARY.iter().find(|(known, _)| *known == name).map(|(_, program)| *program)
}

fn no_file(name: &str) -> Failure {
    let known: Vec<&str> = LIBRARY.iter().map(|(name, _)| *name).collect();
    Failure::Usage(format!("no program comes with Motet for a model `{name}`"))
        .help(format!("give a file, or publish one of {}", known.join(", ")))
}

fn list(global: &Global, party: &Party) -> Result<(), Failure> {
    let built_in = party.database().model_names().into_iter();
    let built_in = built_in.map(|name| [name, "built in".to_owned(), String::new()]);
    let published = party.published_models()?.into_iter().map(|(name, model)| {
        let standing = if model.is_here { "rules" } else { "rules, not here yet" };
        [name, standing.to_owned(), model.block.to_string()]
    });
    let mut out = std::io::stdout().lock();
    output::print_text(&mut out, global.format, &["name", "model", "block"], built_in.chain(published))
}

fn show(global: &Global, party: &Party, name: &str) -> Result<(), Failure> {
    let here = party.model_block(name)?;
    let Some(block) = here.or_else(|| shipped(name).map(ModelBlock::new)) else {
        let published = party.published_models()?.contains_key(name);
        return Err(match published {
            true => Failure::Failed(format!("the block of model `{name}` is not here yet"))
                .help("`motet sync` with a peer that has it fetches it"),
            false => Failure::Failed(format!("no model is published as `{name}`"))
                .help("`motet model list` shows those that are"),
        });
    };
    let mut out = std::io::stdout().lock();
    let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX).into();
    let fields = [
        ("block", block.cid().into()),
        ("rows", number(block.limits.rows)),
        ("value_bytes", number(block.limits.value_bytes)),
    ];
    if global.format != Format::Table {
        let program = ("program", block.program.as_str().into());
        let fields: Vec<_> = fields.into_iter().chain([program]).collect();
        return output::print_fields(&mut out, global.format, &fields);
    }
    output::print_fields(&mut out, Format::Table, &fields)?;
    Ok(write!(out, "\n{}", block.program)?)
}

fn check(global: &Global, file: &Path) -> Result<(), Failure> {
    let lift = ModelBlock::new(read(file)?).compile().map_err(Error::Query)?;
    if !lift.warnings.is_empty() {
        write!(std::io::stderr().lock(), "{}", lift.warnings)?;
    }
    let published = |name: &str| motet_logic::model::PUBLISHED.iter().any(|(known, _)| *known == name);
    let outputs = lift.outputs.iter().map(|output| {
        let columns: Vec<&str> = output.columns.iter().map(|(name, _)| &**name).collect();
        let who = if published(&output.name) { "queries too" } else { "who reads the item" };
        [format!("{}({})", output.name, columns.join(", ")), who.to_owned()]
    });
    output::print_text(&mut std::io::stdout().lock(), global.format, &["output", "seen by"], outputs)
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| Failure::reading(file, &error))
}
