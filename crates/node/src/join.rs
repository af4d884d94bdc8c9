//! A guest on its way in: the first talk of a newcomer with a device that may admit it.
//!
//! The newcomer calls the addresses it was told in turn until one answers, and if its code says which device gave it
//! out, sees to it that it is that one and no other. Then greetings go back and forth until the guest has what it came
//! for. What they mean is the guest's affair; here each step has a deadline, and an end with a name: whoever is killed
//! or cut off calls again with the same guest and goes on.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use motet::{Guest, Next};
use motet_fact::{PublicKey, SecretKey};

use crate::envelope::Envelope;
use crate::{Channel, ChannelError};

const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long one answer may take.
pub const ANSWER_TIME: Duration = Duration::from_secs(30);
/// How often a guest calls again because what it began is not known any more.
const CALLS: usize = 3;

/// Why a guest was not let in.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// No address led to the device. Try again when it is running.
    #[error("the device that could let you in could not be reached: {}", list(.0))]
    Unreachable(Vec<(String, ChannelError)>),
    /// One of the two says no: [`motet::Error::Denied`] says why.
    #[error(transparent)]
    Guest(#[from] motet::Error),
    /// No answer came in time. Try again: it goes on where it stopped.
    #[error("no answer came within {0:?} ({1} was waited for): try again, it goes on where it stopped")]
    TimedOut(Duration, &'static str),
    /// The connection broke. Try again: it goes on where it stopped.
    #[error("the connection broke ({1} was waited for): {0}; try again, it goes on where it stopped")]
    Broken(ChannelError, &'static str),
    /// The other side forgets what it heard.
    #[error("the device that was called does not remember what it was told: ask for a new invitation")]
    Forgetful,
}

fn list(tried: &[(String, ChannelError)]) -> String {
    if tried.is_empty() {
        return "the invitation names no address".to_owned();
    }
    tried.iter().map(|(address, error)| format!("{address}: {error}")).collect::<Vec<_>>().join("; ")
}

/// Calls `addresses` in turn until a device answers, `wanted` if that is said, and lets the guest talk with it to the
/// end. Gives the address that answered, for [`crate::Node::add_peer`].
///
/// # Errors
/// [`JoinError`].
pub fn join(
    addresses: &[String],
    wanted: Option<PublicKey>,
    device: &SecretKey,
    guest: &mut Guest<'_>,
) -> Result<String, JoinError> {
    for _ in 0..CALLS {
        let (mut channel, address) = reach(addresses, wanted, device)?;
        channel.set_silence(Some(ANSWER_TIME));
        if talk(&mut channel, guest)? {
            return Ok(address);
        }
    }
    Err(JoinError::Forgetful)
}

/// Whether the guest is done, or is to call again.
fn talk(channel: &mut Channel, guest: &mut Guest<'_>) -> Result<bool, JoinError> {
    let mut said = guest.begin(channel.peer(), *channel.binding())?;
    loop {
        let broken = |error, guest: &Guest<'_>| match error {
            ChannelError::Silent(after) => JoinError::TimedOut(after, guest.awaits()),
            error => JoinError::Broken(error, guest.awaits()),
        };
        channel.send(&Envelope::Greeting(said).encode()).map_err(|error| broken(error, guest))?;
        let answer = answer(channel).map_err(|error| broken(error, guest))?;
        match guest.hear(&answer)? {
            Next::Say(next) => said = next,
            Next::CallAgain => return Ok(false),
            Next::Done => return Ok(true),
        }
    }
}

fn answer(channel: &mut Channel) -> Result<Vec<u8>, ChannelError> {
    loop {
        match Envelope::decode(&channel.receive()?)? {
            Envelope::Greeting(greeting) => return Ok(greeting),
            Envelope::Ping | Envelope::Sync(_) => {}
        }
    }
}

fn reach(
    addresses: &[String],
    wanted: Option<PublicKey>,
    device: &SecretKey,
) -> Result<(Channel, String), JoinError> {
    let mut tried = Vec::new();
    for address in addresses {
        let channel = dial(address, device).and_then(|channel| match wanted {
            Some(wanted) => channel.expect_device(wanted),
            None => Ok(channel),
        });
        match channel {
            Ok(channel) => return Ok((channel, address.clone())),
            Err(error) => tried.push((address.clone(), error)),
        }
    }
    Err(JoinError::Unreachable(tried))
}

/// Connects to an address and shakes hands.
pub(crate) fn dial(address: &str, device: &SecretKey) -> Result<Channel, ChannelError> {
    let failed = |source| ChannelError::Io { what: "connecting", source };
    let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    for socket in address.to_socket_addrs().map_err(failed)? {
        match TcpStream::connect_timeout(&socket, CONNECT_TIME) {
            Ok(stream) => return Channel::connect(stream, device),
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}
