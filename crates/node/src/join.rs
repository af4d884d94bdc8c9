//! Redeeming an invitation: the first talk of a newcomer with the device that invited it.
//!
//! The newcomer calls the issuer's addresses in turn until one answers, sees to it that it is the issuer's device and
//! no other, and sends its request. The request is made only now, because it is bound to this connection: whoever
//! might see it can do nothing with it elsewhere. The answer is bytes to this crate; party credentials to others.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use motet_fact::{PublicKey, SecretKey};

use crate::envelope::Envelope;
use crate::{Channel, ChannelError};

const CONNECT_TIME: Duration = Duration::from_secs(5);
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// Why an invitation was not redeemed.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// No address led to the issuer's device. Try again when it is running.
    #[error("the device that invited you could not be reached: {}", list(.0))]
    Unreachable(Vec<(String, ChannelError)>),
    /// The issuer said no.
    #[error("the invitation was refused: {0}")]
    Refused(String),
    /// The connection broke before the answer came. The invitation may be used up: ask the issuer.
    #[error("the connection to the issuer broke before it answered: {0}")]
    Broken(ChannelError),
}

fn list(tried: &[(String, ChannelError)]) -> String {
    if tried.is_empty() {
        return "the invitation names no address".to_owned();
    }
    tried.iter().map(|(address, error)| format!("{address}: {error}")).collect::<Vec<_>>().join("; ")
}

/// A redeemed invitation.
pub struct Joined {
    /// What the issuer answered.
    pub answer: Vec<u8>,
    /// The address that answered, for [`crate::Node::add_peer`].
    pub address: String,
    /// The connection; it may be dropped.
    pub channel: Channel,
}

/// Redeems an invitation: calls `addresses` in turn until `issuer` answers, and sends what `request` makes of the
/// channel binding.
///
/// # Errors
/// [`JoinError`].
pub fn join(
    addresses: &[String],
    issuer: PublicKey,
    device: &SecretKey,
    request: impl FnOnce(&[u8; 32]) -> Vec<u8>,
) -> Result<Joined, JoinError> {
    let (mut channel, address) = reach(addresses, issuer, device)?;
    channel.set_silence(Some(ANSWER_TIME));
    let request = Envelope::Redeem(request(channel.binding()));
    channel.send(&request.encode()).map_err(JoinError::Broken)?;
    let answer = answer(&mut channel)?;
    Ok(Joined { answer, address, channel })
}

fn answer(channel: &mut Channel) -> Result<Vec<u8>, JoinError> {
    loop {
        let bytes = channel.receive().map_err(JoinError::Broken)?;
        match Envelope::decode(&bytes).map_err(JoinError::Broken)? {
            Envelope::Redeemed(answer) => return Ok(answer),
            Envelope::Refused(reason) => return Err(JoinError::Refused(reason)),
            Envelope::Ping | Envelope::Sync(_) | Envelope::Redeem(_) => {}
        }
    }
}

fn reach(
    addresses: &[String],
    issuer: PublicKey,
    device: &SecretKey,
) -> Result<(Channel, String), JoinError> {
    let mut tried = Vec::new();
    for address in addresses {
        match dial(address, device).and_then(|channel| channel.expect_device(issuer)) {
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
