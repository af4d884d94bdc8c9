//! What is said over a channel: a byte for the kind, then the content.

use crate::ChannelError;

/// One message over a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Envelope {
    /// 0: "I am here." The caller's first word, and what keeps a quiet wire alive.
    Ping,
    /// 1: a message of `motet-sync`.
    Sync(Vec<u8>),
    /// 2: what a guest and a host say to each other before anything else (`motet_party::greeting`).
    Greeting(Vec<u8>),
}

impl Envelope {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (kind, content): (u8, &[u8]) = match self {
            Envelope::Ping => (0, &[]),
            Envelope::Sync(message) => (1, message),
            Envelope::Greeting(greeting) => (2, greeting),
        };
        [&[kind], content].concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, ChannelError> {
        let unknown = || ChannelError::Malformed("a message of an unknown kind came".to_owned());
        let (kind, content) = bytes.split_first().ok_or_else(unknown)?;
        match kind {
            0 => Ok(Envelope::Ping),
            1 => Ok(Envelope::Sync(content.to_vec())),
            2 => Ok(Envelope::Greeting(content.to_vec())),
            _ => Err(unknown()),
        }
    }
}
