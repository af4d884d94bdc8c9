//! `motet invite` and `motet join`.

use std::io::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::{SystemTime, UNIX_EPOCH};

use motet::authority::InvitationCode;

use crate::args::{Format, Global};
use crate::commands::serve;
use crate::context;
use crate::failure::Failure;
use crate::output;
use crate::quantity;

/// Invites one person, and prints the code.
pub(crate) fn invite(
    global: &Global,
    role: &str,
    expires: &str,
    addresses: Vec<String>,
    then_serve: bool,
) -> Result<(), Failure> {
    let listen = then_serve.then(|| listening(&addresses)).transpose()?;
    let party = context::open_party(global)?;
    let role = context::role(role)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let until = i64::try_from(now.saturating_add(seconds(expires)?)).unwrap_or(i64::MAX);
    let code = party.invite(role, until, addresses)?;
    let mut out = std::io::stdout().lock();
    match global.format {
        Format::Table => writeln!(out, "{code}")?,
        format => output::print_fields(&mut out, format, &[("code", code.to_string().into())])?,
    }
    out.flush()?;
    drop(out);
    let mut err = std::io::stderr().lock();
    let _told = writeln!(err, "The code works once, for {expires}: `motet init`, then `motet join CODE`.");
    match listen {
        Some(listen) => serve::serve_database(party.database(), listen, &[]),
        None => {
            let _told =
                writeln!(err, "Keep `motet serve` running here until it is used (or invite with --serve).");
            Ok(())
        }
    }
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

/// Joins a party by a code, and fetches what is there.
pub(crate) fn join(global: &Global, code: &str, address: Option<String>) -> Result<(), Failure> {
    let code: InvitationCode =
        code.trim().parse().map_err(|error| Failure::Usage(format!("the code can't be read: {error}")))?;
    let database = context::open(global)?;
    let joining = database.begin_join(&code)?;
    let addresses = address.map_or_else(|| code.addresses.clone(), |address| vec![address]);
    let mut failure = None;
    let joined = motet_node::join(&addresses, code.issuer_device, database.device_key(), |binding| {
        joining.request(binding).unwrap_or_else(|error| {
            failure = Some(error);
            Vec::new()
        })
    });
    if let Some(error) = failure {
        return Err(error.into());
    }
    let joined = joined.map_err(|error| Failure::Failed(error.to_string()))?;
    let party = joining.finish()?;
    drop(joined.channel);
    drop(party);
    drop(database);
    serve::sync(global, &joined.address, 30)
}
