//! `motet party`: found, list, show; the rest is in `admin`.

use motet::Party;
use motet::authority::{Device, Feed, Member};
use motet::fact::{Cid, PublicKey};

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
            let columns = ["party", "name", "role", "members", "entries", "waiting"];
            let rows = database.parties().into_iter().map(|party| list_row(&party));
            output::print_text(&mut out, global.format, &columns, rows)
        }
        PartyCommand::Show => {
            let party = context::open_party(global)?;
            show(global, &party, &mut out)
        }
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
        PartyCommand::Leave { yes } => admin::leave(global, &context::open_party(global)?, yes, &mut out),
        PartyCommand::ProveFork { feed, yes } => {
            admin::prove_fork(global, &context::open_party(global)?, &feed, yes, &mut out)
        }
    }
}

fn list_row(party: &Party) -> [String; 6] {
    let role = party.own_role().map_or("none yet".to_owned(), |role| role.to_string());
    let members = party.members();
    let members = members.values().filter(|member| member.counted && member.until.is_none()).count();
    [
        party.key().to_string(),
        party.name(),
        role,
        members.to_string(),
        party.entries().to_string(),
        party.waiting().to_string(),
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
