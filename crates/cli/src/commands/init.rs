//! `motet init`: a new database, of a new identity or of one that has devices already.

use std::io::Write as _;

use motet::{Database, Linking, Protection};

use crate::args::{Global, InitArgs};
use crate::commands::{identity, invite, serve};
use crate::failure::Failure;
use crate::{context, output};

/// Makes a database and prints whose it is.
pub(crate) fn run(global: &Global, args: &InitArgs) -> Result<(), Failure> {
    match &args.link {
        Some(code) => link(global, args, code),
        None if args.recover => recover(global, args),
        None => begin(global, args),
    }
}

fn protection(args: &InitArgs) -> Result<Protection, Failure> {
    Ok(match args.passphrase {
        true => Protection::Passphrase(context::new_passphrase()?),
        false => Protection::KeyFile,
    })
}

/// A new identity. Its recovery phrase is shown this once, and can be asked for again as long as the device holds it.
fn begin(global: &Global, args: &InitArgs) -> Result<(), Failure> {
    let database = Database::create(&global.dir, &args.name, &protection(args)?)?;
    name_device(&database, args)?;
    let phrase = database.phrase()?.ok_or(motet::Error::NotHolder)?;
    print(global, &database, Some(phrase.words().as_str()))?;
    let _told = writeln!(
        std::io::stderr(),
        "Write the recovery phrase down and keep it off this device: whoever has it is you."
    );
    Ok(())
}

/// An identity whose phrase is known.
fn recover(global: &Global, args: &InitArgs) -> Result<(), Failure> {
    let phrase = identity::ask_phrase()?;
    let database = Database::recover(&global.dir, &args.name, &phrase, &protection(args)?)?;
    name_device(&database, args)?;
    print(global, &database, None)?;
    if args.address.is_empty() {
        let _told = writeln!(
            std::io::stderr(),
            "`motet join --address HOST:PORT` fetches what a device of yours, or a member, serves there."
        );
        return Ok(());
    }
    let reached = motet_node::join(&args.address, None, database.device_key(), &mut database.claim());
    let address = reached.map_err(invite::refused)?;
    drop(database);
    serve::sync(global, &address, serve::PATIENCE_SECONDS)
}

/// A device of an identity that has others; one of those gave out the code.
fn link(global: &Global, args: &InitArgs, code: &str) -> Result<(), Failure> {
    let code = invite::read_code(code)?;
    let (addresses, wanted) = invite::places(&code, &args.address)?;
    let linking = Linking::begin(
        &global.dir,
        args.device.as_deref().unwrap_or_default(),
        &protection(args)?,
        &mut context::ask_passphrase,
    )?;
    let mut guest = linking.join(&code);
    let address = motet_node::join(&addresses, wanted, linking.device_key(), &mut guest);
    let address = address.map_err(invite::refused)?;
    drop(guest);
    let database = linking.finish()?;
    print(global, &database, None)?;
    drop(database);
    serve::sync(global, &address, serve::PATIENCE_SECONDS)
}

fn name_device(database: &Database, args: &InitArgs) -> Result<(), Failure> {
    match &args.device {
        Some(name) => Ok(database.name_device(&database.profile().device, name)?),
        None => Ok(()),
    }
}

fn print(global: &Global, database: &Database, phrase: Option<&str>) -> Result<(), Failure> {
    let profile = database.profile();
    let mut out = std::io::stdout().lock();
    let mut fields = vec![
        ("directory", global.dir.display().to_string().into()),
        ("name", profile.name.as_str().into()),
        ("identity", profile.identity.to_string().into()),
        ("device", profile.device.to_string().into()),
    ];
    fields.extend(phrase.map(|words| ("recovery phrase", words.into())));
    output::print_fields(&mut out, global.format, &fields)?;
    Ok(out.flush()?)
}
