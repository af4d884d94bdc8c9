//! `motet contact` and `motet preference`: what an owner's devices keep together.

use motet::Database;
use motet::fact::{PublicKey, Value};

use crate::args::{ContactCommand, Global, PreferenceCommand};
use crate::failure::Failure;
use crate::{context, output};

/// Runs one of the contact commands.
pub(crate) fn run(global: &Global, command: &ContactCommand) -> Result<(), Failure> {
    let database = context::open(global)?;
    match command {
        ContactCommand::List => {
            let mut out = std::io::stdout().lock();
            let rows = database.contacts()?.into_iter().map(|(key, name)| [key.to_string(), name]);
            output::print_text(&mut out, global.format, &["contact", "name"], rows)
        }
        ContactCommand::Add { identity, name } => {
            let identity: PublicKey =
                identity.parse().map_err(|error| Failure::Usage(format!("`{identity}`: {error}")))?;
            Ok(database.name_contact(&identity, name)?)
        }
        ContactCommand::Name { contact, name } => {
            Ok(database.name_contact(&find(&database, contact)?, name)?)
        }
        ContactCommand::Remove { contact } => Ok(database.remove_contact(&find(&database, contact)?)?),
    }
}

/// The contact of a name, or whose key begins with a text; a whole key need not be a contact's.
pub(crate) fn find(database: &Database, wanted: &str) -> Result<PublicKey, Failure> {
    if let Ok(key) = wanted.parse() {
        return Ok(key);
    }
    let fits =
        |(key, name): &(PublicKey, String)| key.to_string().starts_with(wanted) || name.as_str() == wanted;
    match database.contacts()?.into_iter().filter(fits).collect::<Vec<_>>().as_slice() {
        [(only, _)] => Ok(*only),
        [] => Err(Failure::Failed(format!("no contact is called `{wanted}`"))
            .help("`motet contact list` shows them; a whole identity key will do as well")),
        _ => Err(Failure::Failed(format!("several contacts fit `{wanted}`")).help("give more of the key")),
    }
}

/// Runs one of the preference commands.
pub(crate) fn preference(global: &Global, command: &PreferenceCommand) -> Result<(), Failure> {
    let database = context::open(global)?;
    match command {
        PreferenceCommand::List => {
            let (own, all) = database.preferences()?;
            let row = |place: &'static str| {
                move |(name, value): (String, Value)| [name, value.to_string(), place.to_owned()]
            };
            let rows = own.into_iter().map(row("this device")).chain(all.into_iter().map(row("all devices")));
            let mut out = std::io::stdout().lock();
            output::print_text(&mut out, global.format, &["preference", "value", "for"], rows)
        }
        PreferenceCommand::Set { set, here } => {
            for (name, value) in context::assignments(set)? {
                database.set_preference(&name, Some(value), *here)?;
            }
            Ok(())
        }
        PreferenceCommand::Unset { name, here } => Ok(database.set_preference(name, None, *here)?),
    }
}
