//! `motet rules`: the rules that a party saves for the queries of its members.

use std::io::Write as _;
use std::path::Path;

use crate::args::{Global, RulesCommand};
use crate::context;
use crate::failure::Failure;
use crate::output;

/// Runs one of the rules commands.
pub(crate) fn run(global: &Global, command: RulesCommand) -> Result<(), Failure> {
    let party = context::open_party(global)?;
    match command {
        RulesCommand::Save { name, file } => {
            party.save_rules(&name, &read(&file)?)?;
            Ok(())
        }
        RulesCommand::List => {
            let lines =
                party.rules()?.into_iter().map(|(name, text)| vec![name, text.lines().count().to_string()]);
            output::print_text(&mut std::io::stdout().lock(), global.format, &["name", "lines"], lines)
        }
        RulesCommand::Show { name } => {
            let text = party.rules()?.remove(&name).ok_or(motet::Error::NoSuchRules(name))?;
            Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
        }
        RulesCommand::Remove { name } => {
            party.remove_rules(&name)?;
            Ok(())
        }
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| Failure::reading(file, &error))
}
