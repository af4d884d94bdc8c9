//! `motet party`: found, list, show; open and close, and all that. Who is in is in `admin`.

use motet::authority::{Device, Feed, Member};
use motet::fact::{Cid, PublicKey};
use motet::{Database, Party, PartyInfo, PartyStanding};

use crate::args::{Format, Global, PartyCommand};
use crate::commands::admin;
use crate::context;
use crate::failure::Failure;
use crate::output;

/// Runs one of the party commands.
pub(crate) fn run(global: &Global, command: PartyCommand) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match command {
        PartyCommand::New { name } => {
            let party = context::open(global)?.create_party(&name)?;
            let fields = [("party", party.key().to_string().into()), ("name", name.into())];
            output::print_fields(&mut out, global.format, &fields)
        }
        PartyCommand::List => {
            let database = context::open(global)?;
            let columns = ["party", "name", "state", "role", "members", "entries", "waiting"];
            let list = database.party_list()?;
            let rows = list.iter().map(|info| list_row(info, database.party(&info.key).ok().as_ref()));
            output::print_text(&mut out, global.format, &columns, rows)
        }
        PartyCommand::Show => {
            let party = context::open_party(global)?;
            show(global, &party, &mut out)
        }
        PartyCommand::Title { title } => {
            context::open_party(global)?.set_title(&title)?;
            Ok(())
        }
        PartyCommand::Pause => Ok(context::open_party(global)?.pause()?),
        PartyCommand::Resume => Ok(context::open_party(global)?.resume()?),
        PartyCommand::Open => with_any(global, |database, key| database.open_party(key).map(|_| ())),
        PartyCommand::Close => with_any(global, Database::close_party),
        PartyCommand::Activate { everywhere } => {
            with_any(global, |database, key| database.activate_party(key, everywhere))
        }
        PartyCommand::Deactivate { everywhere } => {
            with_any(global, |database, key| database.deactivate_party(key, everywhere))
        }
        PartyCommand::Delete => with_any(global, Database::delete_party),
        PartyCommand::Members => admin::members(global, &context::open_party(global)?, &mut out),
        PartyCommand::Remove { member, cut } => {
            let party = context::open_party(global)?;
            admin::remove_member(global, &party, &member, &cut, &mut out)
        }
        PartyCommand::Role { member, role } => {
            admin::set_role(global, &context::open_party(global)?, &member, &role, &mut out)
        }
        PartyCommand::Readmit { member, role } => {
            admin::readmit(global, &context::open_party(global)?, &member, &role, &mut out)
        }
        PartyCommand::Recover => admin::recover(global, &context::open_party(global)?, &mut out),
        PartyCommand::Leave { yes } => {
            let database = context::open(global)?;
            let key = context::any_party(global, &database)?;
            admin::leave(&database, &key, yes)
        }
        PartyCommand::ProveFork { feed, yes } => {
            admin::prove_fork(global, &context::open_party(global)?, &feed, yes, &mut out)
        }
    }
}

/// Does something to a party that may be closed.
fn with_any(
    global: &Global,
    act: impl FnOnce(&Database, &PublicKey) -> Result<(), motet::Error>,
) -> Result<(), Failure> {
    let database = context::open(global)?;
    Ok(act(&database, &context::any_party(global, &database)?)?)
}

fn list_row(info: &PartyInfo, party: Option<&Party>) -> [String; 7] {
    let state = match info {
        PartyInfo { standing: PartyStanding::Left, .. } => "left",
        PartyInfo { here: false, .. } => "elsewhere",
        PartyInfo { open: true, paused: true, .. } => "paused",
        PartyInfo { open: true, .. } => "open",
        PartyInfo { everywhere: PartyStanding::Inactive, .. } => "inactive everywhere",
        PartyInfo { standing: PartyStanding::Inactive, .. } => "inactive here",
        PartyInfo { .. } => "closed",
    };
    let of = |read: &dyn Fn(&Party) -> String| party.map_or_else(String::new, read);
    let is_in = |member: &&Member| member.counted && member.until.is_none();
    let members = |party: &Party| party.members().values().filter(is_in).count();
    [
        info.key.to_string(),
        info.title.clone(),
        state.to_owned(),
        of(&|party| party.own_role().map_or("none yet".to_owned(), |role| role.to_string())),
        of(&|party| members(party).to_string()),
        of(&|party| party.entries().to_string()),
        of(&|party| party.waiting().to_string()),
    ]
}

fn show(global: &Global, party: &Party, out: &mut dyn std::io::Write) -> Result<(), Failure> {
    let standing = |counted: bool, until: Option<Cid>| match (counted, until) {
        (false, _) => "no".to_owned(),
        (true, None) => "yes".to_owned(),
        (true, Some(_)) => "until its end".to_owned(),
    };
    if global.format == Format::Table {
        writeln!(out, "Party {} ({})\n\nMembers", party.name(), party.key())?;
    }
    let member = |(id, member): (PublicKey, Member)| {
        let counts = standing(member.counted, member.until);
        [id.to_string(), member.name, member.role.to_string(), counts]
    };
    output::print_text(
        out,
        global.format,
        &["member", "name", "role", "counts"],
        party.members().into_iter().map(member),
    )?;
    if global.format != Format::Table {
        return Ok(());
    }
    let device = |(id, device): (PublicKey, Device)| {
        [id.to_string(), device.member.short(), standing(device.counted, device.until)]
    };
    writeln!(out, "\nDevices")?;
    output::print_text(
        out,
        global.format,
        &["device", "member", "counts"],
        party.devices().into_iter().map(device),
    )?;
    let feed = |(id, feed): (PublicKey, Feed)| {
        let counts = standing(feed.counted, feed.until);
        [id.to_string(), feed.device.short(), feed.kind.name().to_owned(), counts]
    };
    writeln!(out, "\nFeeds")?;
    output::print_text(
        out,
        global.format,
        &["feed", "device", "kind", "counts"],
        party.feeds().into_iter().map(feed),
    )
}
