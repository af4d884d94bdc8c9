//! `motet party members|remove|role|readmit|recover|leave|prove-fork` and `motet device remove`: who may write, and who
//! no more.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use motet::authority::{Device, Member, Role, Stint};
use motet::fact::{Cid, PublicKey, Purpose};
use motet::{Cut, Database, Party};

use crate::args::{CutArgs, Global};
use crate::commands::device;
use crate::commands::identity::ask_phrase;
use crate::commands::invite::seconds;
use crate::context;
use crate::failure::Failure;
use crate::output;

/// Lists every stint of every member.
pub(crate) fn members(global: &Global, party: &Party, out: &mut dyn Write) -> Result<(), Failure> {
    let devices = party.devices();
    let row = |stint: Stint| {
        let own =
            |device: &&Device| device.member == stint.member && device.until.is_none() && device.counted;
        let count = if stint.until.is_none() { devices.values().filter(own).count() } else { 0 };
        let until = match (stint.counted, stint.until) {
            (false, _) => "does not count".to_owned(),
            (true, None) => String::new(),
            (true, Some(entry)) => entry.to_string(),
        };
        let since = stint.id.entry.map_or_else(String::new, |entry| entry.to_string());
        [stint.member.to_string(), stint.name, stint.role.to_string(), count.to_string(), since, until]
    };
    let columns = ["member", "name", "role", "devices", "since", "until"];
    output::print_text(out, global.format, &columns, party.stints().into_iter().map(row))
}

/// Removes a member.
pub(crate) fn remove_member(
    global: &Global,
    party: &Party,
    member: &str,
    cut: &CutArgs,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let member = find_member(party, member)?;
    let shown = describe(party, &member);
    let mut question = format!("Remove {shown} from party {}, with all devices?", party.name());
    if is_last_admin(party, &member) {
        question += " It is the last admin: only the recovery of the founder brings one back.";
    }
    context::confirm(&question, cut.yes)?;
    let entry = party.remove_member(&member, &read_cut(cut)?)?;
    print_entry(global, out, &entry)
}

/// Becomes an admin again, by the recovery that follows from the phrase.
pub(crate) fn recover(global: &Global, party: &Party, out: &mut dyn Write) -> Result<(), Failure> {
    let phrase = party.database().phrase()?.map_or_else(ask_phrase, Ok)?;
    let entry = party.recover(&phrase.key(Purpose::Recovery))?;
    print_entry(global, out, &entry)
}

/// Removes oneself.
pub(crate) fn leave(database: &Database, key: &PublicKey, yes: bool) -> Result<(), Failure> {
    let title = database.title_of(key)?.unwrap_or_else(|| key.short());
    let mut question = format!("Leave party {title}? All your devices delete it.");
    if database.party(key).is_ok_and(|party| is_last_admin(&party, &database.profile().identity)) {
        question += " You are the last admin: only the recovery of the founder brings one back.";
    }
    context::confirm(&question, yes)?;
    database.leave_party(key)?;
    let waits = database.party_list()?.iter().any(|info| info.key == *key && info.here);
    if waits {
        let mut err = std::io::stderr().lock();
        let _told = writeln!(
            err,
            "It is deleted here once a device of another member has heard: let `motet serve` run."
        );
    }
    Ok(())
}

fn is_last_admin(party: &Party, member: &PublicKey) -> bool {
    let members = party.members();
    let is_admin = |member: &Member| member.counted && member.until.is_none() && member.role == Role::Admin;
    let admins: Vec<_> = members.iter().filter(|(_, member)| is_admin(member)).map(|(key, _)| key).collect();
    admins == [member]
}

/// Removes a device of the owner's from everywhere; another, or with `--party` any, from one party.
pub(crate) fn remove_device(
    global: &Global,
    database: &Database,
    device: &str,
    cut: &CutArgs,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let own = device::fitting(database, device)?;
    let ([(device, own)], None) = (own.as_slice(), &global.party) else {
        return remove_from(global, &context::party(global, database)?, device, cut, out);
    };
    let question = format!("Remove your device {} ({}) from all parties?", own.name, device.short());
    context::confirm(&question, cut.yes)?;
    let removals = database.remove_own_device(device, &read_cut(cut)?)?;
    let home = database.profile().identity;
    let row = |(party, entry): (PublicKey, Cid)| {
        let title = if party == home { "your devices".to_owned() } else { title_of(database, &party) };
        [party.to_string(), title, entry.to_string()]
    };
    output::print_text(out, global.format, &["party", "name", "entry"], removals.into_iter().map(row))
}

fn title_of(database: &Database, party: &PublicKey) -> String {
    database.party(party).map(|party| party.name()).unwrap_or_default()
}

fn remove_from(
    global: &Global,
    party: &Party,
    device: &str,
    cut: &CutArgs,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let device = find_device(party, device)?;
    let owner = party.devices().remove(&device).map(|device| device.member);
    let owner = owner.map_or_else(String::new, |owner| format!(" of {}", describe(party, &owner)));
    context::confirm(&format!("Remove device {device}{owner} from party {}?", party.name()), cut.yes)?;
    let entry = party.remove_device(&device, &read_cut(cut)?)?;
    print_entry(global, out, &entry)
}

/// Gives a member another role.
pub(crate) fn set_role(
    global: &Global,
    party: &Party,
    member: &str,
    role: &str,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let entry = party.set_role(&find_member(party, member)?, context::role(role)?)?;
    print_entry(global, out, &entry)
}

/// Admits a former member again.
pub(crate) fn readmit(
    global: &Global,
    party: &Party,
    member: &str,
    role: &str,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let entry = party.readmit(&find_member(party, member)?, context::role(role)?)?;
    print_entry(global, out, &entry)
}

/// Closes a feed that was written to in two places.
pub(crate) fn prove_fork(
    global: &Global,
    party: &Party,
    feed: &str,
    yes: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let fits = |key: &PublicKey| key.to_string().starts_with(feed);
    let forked = party.status().forked.into_iter().filter(fits).collect::<Vec<_>>();
    let [feed] = forked.as_slice() else {
        return Err(Failure::Failed(format!("{} forked feeds begin with `{feed}`", forked.len()))
            .help("`motet status` names the feeds that are forked"));
    };
    let question = format!("Close feed {feed}? What arrives on it later does not count.");
    context::confirm(&question, yes)?;
    let entry = party.publish_fork_proof(feed)?;
    print_entry(global, out, &entry)
}

/// A member as people know it.
pub(crate) fn describe(party: &Party, member: &PublicKey) -> String {
    let name = party.members().remove(member).map(|member| member.name);
    name.map_or_else(|| member.short(), |name| format!("{name} ({})", member.short()))
}

fn print_entry(global: &Global, out: &mut dyn Write, entry: &Cid) -> Result<(), Failure> {
    output::print_fields(out, global.format, &[("entry", entry.to_string().into())])
}

fn read_cut(cut: &CutArgs) -> Result<Cut, Failure> {
    if cut.nothing {
        return Ok(Cut::Nothing);
    }
    if let Some(time) = &cut.stolen {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let before = now.saturating_sub(seconds(time)?);
        return Ok(Cut::Before(i64::try_from(before).unwrap_or(i64::MAX)));
    }
    let entry = |text: &String| {
        text.parse::<Cid>().map_err(|error| {
            Failure::Usage(format!("`{text}` is no entry: {error}")).help(
                "`motet query 'output e. e(c: C, f: F, n: N) :- entry(cid: C, feed: F, seq: N).'` lists \
                     entries",
            )
        })
    };
    match cut.last.as_slice() {
        [] => Ok(Cut::Here),
        last => Ok(Cut::Last(last.iter().map(entry).collect::<Result<_, _>>()?)),
    }
}

/// The member that a text names: by name, or by the beginning of its key. One who is in comes before one who was.
pub(crate) fn find_member(party: &Party, wanted: &str) -> Result<PublicKey, Failure> {
    let members = party.members();
    let fits = |key: &PublicKey, name: &str| name == wanted || key.to_string().starts_with(wanted);
    let fitting = members.iter().filter(|(key, member)| fits(key, &member.name));
    let (current, former): (Vec<_>, Vec<_>) =
        fitting.partition(|(_, member)| member.counted && member.until.is_none());
    match (current.as_slice(), former.as_slice()) {
        ([(only, _)], _) | ([], [(only, _)]) => Ok(**only),
        ([], []) => Err(Failure::Failed(format!("no member is called `{wanted}`"))
            .help("`motet party members` shows who is and was in")),
        _ => Err(Failure::Failed(format!("several members fit `{wanted}`")).help("give more of the key")),
    }
}

fn find_device(party: &Party, wanted: &str) -> Result<PublicKey, Failure> {
    let devices = party.devices();
    let fits = |key: &&PublicKey| key.to_string().starts_with(wanted);
    match devices.keys().filter(fits).collect::<Vec<_>>().as_slice() {
        [only] => Ok(**only),
        [] => Err(Failure::Failed(format!("no device's key begins with `{wanted}`"))
            .help("`motet party show` shows the devices")),
        _ => Err(Failure::Failed(format!("several devices fit `{wanted}`")).help("give more of the key")),
    }
}
