//! `motet device`: the owner's devices.

use motet::Database;
use motet::OwnDevice;
use motet::authority::InvitationCode;
use motet::fact::PublicKey;

use crate::args::{DeviceCommand, Global};
use crate::commands::admin;
use crate::commands::invite::{self, Passed};
use crate::failure::Failure;
use crate::{context, output};

/// Runs one of the device commands.
pub(crate) fn run(global: &Global, command: DeviceCommand) -> Result<(), Failure> {
    let database = context::open(global)?;
    match command {
        DeviceCommand::List => list(global, &database),
        DeviceCommand::Name { device, name } => Ok(database.name_device(&find(&database, &device)?, &name)?),
        DeviceCommand::Remove { device, cut } => {
            let mut out = std::io::stdout().lock();
            admin::remove_device(global, &database, &device, &cut, &mut out)
        }
        DeviceCommand::Link(passing) => {
            let until = invite::until(&passing.expires)?;
            let code = if passing.words {
                InvitationCode::Words(database.link_device_by_words(until)?)
            } else {
                InvitationCode::Link(database.link_device(until, passing.address.clone())?)
            };
            let then = "`motet init --link CODE` on the new device";
            invite::pass_on(global, &database, &Passed { code, then }, &passing)
        }
    }
}

fn list(global: &Global, database: &Database) -> Result<(), Failure> {
    let own = database.profile().device;
    let row = |(key, device): (PublicKey, OwnDevice)| {
        let standing = match (device.counted, key == own) {
            (true, true) => "this device",
            (true, false) => "linked",
            (false, true) => "this device, removed",
            (false, false) => "removed",
        };
        [key.to_string(), device.name, standing.to_owned()]
    };
    let mut out = std::io::stdout().lock();
    let rows = database.own_devices()?.into_iter().map(row);
    output::print_text(&mut out, global.format, &["device", "name", "standing"], rows)
}

/// The device whose key begins with a text, or that has it as its name.
fn find(database: &Database, wanted: &str) -> Result<PublicKey, Failure> {
    match fitting(database, wanted)?.as_slice() {
        [(only, _)] => Ok(*only),
        [] => Err(Failure::Failed(format!("no device of yours is called `{wanted}`"))
            .help("`motet device list` shows them")),
        _ => Err(Failure::Failed(format!("several devices fit `{wanted}`")).help("give more of the key")),
    }
}

/// The owner's devices whose keys begin with a text, or that have it as their name.
pub(crate) fn fitting(database: &Database, wanted: &str) -> Result<Vec<(PublicKey, OwnDevice)>, Failure> {
    let fits =
        |(key, device): &(PublicKey, OwnDevice)| key.to_string().starts_with(wanted) || device.name == wanted;
    Ok(database.own_devices()?.into_iter().filter(fits).collect())
}
