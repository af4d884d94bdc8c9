//! What is said over a channel: a byte for the kind, then the content.

use crate::ChannelError;

/// One message over a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Envelope {
    /// 0: "I am here." The caller's first word, and what keeps a quiet wire alive.
    Ping,
    /// 1: a message of `motet-sync`.
    Sync(Vec<u8>),
    /// 2: a newcomer's request under an invitation.
    Redeem(Vec<u8>),
    /// 3: the answer to it.
    Redeemed(Vec<u8>),
    /// 4: the refusal of it, in words.
    Refused(String),
}

impl Envelope {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (kind, content): (u8, &[u8]) = match self {
            Envelope::Ping => (0, &[]),
            Envelope::Sync(message) => (1, message),
            Envelope::Redeem(request) => (2, request),
            Envelope::Redeemed(answer) => (3, answer),
            Envelope::Refused(reason) => (4, reason.as_bytes()),
        };
        [&[kind], content].concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, ChannelError> {
        let unknown = || ChannelError::Malformed("a message of an unknown kind came".to_owned());
        let (kind, content) = bytes.split_first().ok_or_else(unknown)?;
        match kind {
            0 => Ok(Envelope::Ping),
            1 => Ok(Envelope::Sync(content.to_vec())),
            2 => Ok(Envelope::Redeem(content.to_vec())),
            3 => Ok(Envelope::Redeemed(content.to_vec())),
            4 => Ok(Envelope::Refused(String::from_utf8_lossy(content).into_owned())),
            _ => Err(unknown()),
        }
    }
}
