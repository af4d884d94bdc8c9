//! `motet init`: a new database.

use std::io::Write as _;

use motet::{Database, Protection};

use crate::args::Global;
use crate::context;
use crate::failure::Failure;
use crate::output;

/// Makes a database and prints whose it is.
pub(crate) fn run(global: &Global, name: &str, passphrase: bool) -> Result<(), Failure> {
    let protection = match passphrase {
        true => Protection::Passphrase(context::new_passphrase()?),
        false => Protection::KeyFile,
    };
    let database = Database::create(&global.dir, name, &protection)?;
    let profile = database.profile();
    let mut out = std::io::stdout().lock();
    let fields = [
        ("directory", global.dir.display().to_string().into()),
        ("name", profile.name.as_str().into()),
        ("identity", profile.identity.to_string().into()),
        ("device", profile.device.to_string().into()),
    ];
    output::print_fields(&mut out, global.format, &fields)?;
    Ok(out.flush()?)
}
