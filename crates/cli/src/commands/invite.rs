//! `motet invite`, `motet invitation` and `motet join`.

use std::io::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::{SystemTime, UNIX_EPOCH};

use motet::authority::InvitationCode;
use motet::fact::PublicKey;
use motet::{Database, InvitationInfo};
use motet_node::JoinError;

use crate::args::{Format, Global, InvitationCommand, InviteArgs, PassingArgs};
use crate::commands::{contact, serve};
use crate::failure::Failure;
use crate::{context, output, quantity};

/// A code, and what to do with it.
pub(crate) struct Passed {
    pub(crate) code: InvitationCode,
    pub(crate) then: &'static str,
}

/// Invites one person, and prints the code.
pub(crate) fn invite(global: &Global, args: &InviteArgs) -> Result<(), Failure> {
    let (role, until) = (context::role(&args.role)?, until(&args.passing.expires)?);
    let party = context::open_party(global)?;
    let database = party.database();
    if let Some(invitee) = &args.to {
        let invitee = contact::find(database, invitee)?;
        let id = party.invite_identity(&invitee, role, until)?;
        let fields = [("invitation", id.to_string().into()), ("invitee", invitee.to_string().into())];
        output::print_fields(&mut std::io::stdout().lock(), global.format, &fields)?;
        let _told = writeln!(
            std::io::stderr(),
            "No code is needed: `motet join --address HOST:PORT` there, where any admin of the party serves."
        );
        return serve_if(database, &args.passing);
    }
    let code = if args.passing.words {
        InvitationCode::Words(party.invite_by_words(role, until)?)
    } else {
        InvitationCode::Link(party.invite(role, until, args.passing.address.clone())?)
    };
    let then = "`motet init`, then `motet join CODE`";
    pass_on(global, database, &Passed { code, then }, &args.passing)
}

/// Prints a code, and serves if that is wished, so that it can be used at once.
pub(crate) fn pass_on(
    global: &Global,
    database: &Database,
    passed: &Passed,
    args: &PassingArgs,
) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match global.format {
        Format::Table => writeln!(out, "{}", passed.code)?,
        format => output::print_fields(&mut out, format, &[("code", passed.code.to_string().into())])?,
    }
    out.flush()?;
    drop(out);
    let mut err = std::io::stderr().lock();
    let _told = writeln!(err, "The code works once, for {}: {}.", args.expires, passed.then);
    if args.words {
        let _told = writeln!(err, "Say where this device is as well: --address HOST:PORT.");
    }
    if !args.serve {
        let _told = writeln!(err, "Keep `motet serve` running here until it is used (or give --serve).");
    }
    drop(err);
    serve_if(database, args)
}

fn serve_if(database: &Database, args: &PassingArgs) -> Result<(), Failure> {
    if !args.serve {
        return Ok(());
    }
    serve::serve_database(database, listening(&args.address)?, &[])
}

/// The end of a time from now on, in seconds since 1970.
pub(crate) fn until(time: &str) -> Result<i64, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Ok(i64::try_from(now.saturating_add(seconds(time)?)).unwrap_or(i64::MAX))
}

/// The first address, as one to listen at.
fn listening(addresses: &[String]) -> Result<SocketAddr, Failure> {
    let address = addresses.first().map(String::as_str).unwrap_or_default();
    let mut sockets =
        address.to_socket_addrs().map_err(|error| Failure::Usage(format!("`{address}`: {error}")))?;
    sockets.next().ok_or_else(|| Failure::Usage(format!("`{address}` is no address of this machine")))
}

/// Reads `90s`, `30m`, `12h`, `7d`.
pub(crate) fn seconds(text: &str) -> Result<u64, Failure> {
    let wrong = || Failure::Usage(format!("`{text}` is no time")).help("for example 30m, 12h or 7d");
    quantity::duration(text).map(|time| time.as_secs()).ok_or_else(wrong)
}

/// Lists invitations, or takes one back.
pub(crate) fn invitation(global: &Global, command: &InvitationCommand) -> Result<(), Failure> {
    let database = context::open(global)?;
    let party = if let InvitationCommand::List { devices: true }
    | InvitationCommand::Revoke { devices: true, .. } = command
    {
        database.identity_party()
    } else {
        context::party(global, &database)?
    };
    let invitations = party.invitations()?;
    match command {
        InvitationCommand::List { .. } => {
            let columns = ["invitation", "state", "role", "for", "expires"];
            let rows = invitations.into_iter().map(invitation_row);
            output::print_text(&mut std::io::stdout().lock(), global.format, &columns, rows)
        }
        InvitationCommand::Revoke { invitation, .. } => {
            let fits = |info: &&InvitationInfo| {
                let named = info.nameplate.is_some_and(|number| number.to_string() == *invitation);
                named || info.id.to_string().starts_with(invitation)
            };
            match invitations.iter().filter(fits).collect::<Vec<_>>().as_slice() {
                [only] => Ok(party.revoke_invitation(&only.id)?),
                [] => Err(Failure::Failed(format!("there is no invitation `{invitation}`"))
                    .help("`motet invitation list` shows them")),
                _ => Err(Failure::Failed(format!("several invitations fit `{invitation}`"))
                    .help("give more of the id")),
            }
        }
    }
}

fn invitation_row(info: InvitationInfo) -> [String; 5] {
    let whom = match (info.invitee, info.nameplate) {
        (Some(invitee), _) => invitee.to_string(),
        (None, Some(number)) => format!("whoever has the words of {number}"),
        (None, None) => "whoever has the link".to_owned(),
    };
    [info.id.to_string(), info.state.name().to_owned(), info.role.to_string(), whom, info.expires.to_string()]
}

/// Reads a code.
pub(crate) fn read_code(code: &str) -> Result<InvitationCode, Failure> {
    code.trim().parse().map_err(|error| Failure::Usage(format!("the code can't be read: {error}")))
}

/// Where a code leads, and to which device if it says so.
pub(crate) fn places(
    code: &InvitationCode,
    given: &[String],
) -> Result<(Vec<String>, Option<PublicKey>), Failure> {
    match code {
        InvitationCode::Link(link) if given.is_empty() => {
            Ok((link.addresses.clone(), Some(link.issuer_device)))
        }
        InvitationCode::Link(link) => Ok((given.to_vec(), Some(link.issuer_device))),
        InvitationCode::Words(_) if given.is_empty() => {
            Err(Failure::Usage("the words don't say where the device is that gave them out".into())
                .help("give --address HOST:PORT as well"))
        }
        InvitationCode::Words(_) => Ok((given.to_vec(), None)),
    }
}

/// Why a guest was not let in.
pub(crate) fn refused(error: JoinError) -> Failure {
    match error {
        JoinError::Guest(error) => error.into(),
        error => Failure::Failed(error.to_string()),
    }
}

/// Joins a party by a code, or whatever a device has for this identity; and fetches what is there.
pub(crate) fn join(global: &Global, code: Option<&str>, addresses: &[String]) -> Result<(), Failure> {
    let database = context::open(global)?;
    let joined = match code {
        Some(code) => {
            let code = read_code(code)?;
            let (addresses, wanted) = places(&code, addresses)?;
            motet_node::join(&addresses, wanted, database.device_key(), &mut database.join(&code))
        }
        None if addresses.is_empty() => {
            return Err(Failure::Usage("neither a code nor an address is given".into()).help(
                "without a code, --address HOST:PORT says which device may have an invitation for you",
            ));
        }
        None => motet_node::join(addresses, None, database.device_key(), &mut database.claim()),
    };
    let address = joined.map_err(refused)?;
    drop(database);
    serve::sync(global, &address, serve::PATIENCE_SECONDS)
}
