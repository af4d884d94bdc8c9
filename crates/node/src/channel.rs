//! An authenticated, encrypted connection between two devices.
//!
//! 1. **Noise** `XX_25519_ChaChaPoly_BLAKE2s` over length-framed messages, with a static key made for this connection
//!    alone: Noise gives secrecy, not identity.
//! 2. **Hello**: each side sends, under that cover, its version, its device key, and the device key's signature
//!    ([`Domain::Channel`]) over its role and the handshake hash. The hash is of this connection only, so a signature
//!    can't be played again; the role keeps one from being sent back to its maker. A listener learns who calls before
//!    it does anything for the caller, and nobody on the way learns either.
//! 3. **Messages** of up to 4 MiB, each in one or more frames.
//!
//! ```text
//! frame       length (2 bytes, big-endian), then as many bytes of ciphertext
//! plaintext   1 byte: 0 = the message goes on, 1 = this was its end; then a piece of the message
//! hello       version (1 byte), device key (32), signature (64), as one message
//! ```
//!
//! A handshake must be over in ten seconds. Afterwards a wire on which nothing comes for the time of silence counts as
//! dead: both ends send something more often than that. The handshake hash is also the *channel binding*: whatever is
//! signed together with it means nothing on another connection.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use motet_fact::{Domain, PublicKey, SecretKey, Signature};
use snow::{Builder, HandshakeState, StatelessTransportState};

/// The version of everything said over a channel.
pub const VERSION: u8 = 1;
/// The longest message, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024 + 1024;
/// How long a handshake may take.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

const PATTERN: &str = "Noise_XX_25519_ChaChaPoly_BLAKE2s";
const PROLOGUE: &[u8] = b"motet/channel/1";
const MAX_FRAME: usize = 65_535;
const TAG: usize = 16;
const MAX_PIECE: usize = MAX_FRAME - TAG - 1;
const WRITE_TIME: Duration = Duration::from_secs(30);

/// Why a channel could not be made, or is at its end. Dialling again helps in the cases of [`ChannelError::Io`],
/// [`ChannelError::Silent`] and [`ChannelError::Closed`].
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The socket failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// The socket's words.
        source: io::Error,
    },
    /// Nothing came for too long.
    #[error("nothing came from the peer for {0:?}: the link is dead")]
    Silent(Duration),
    /// The peer closed the connection.
    #[error("the peer closed the connection")]
    Closed,
    /// Too long a message.
    #[error("the peer sent a message of more than {MAX_MESSAGE_BYTES} bytes")]
    TooLong,
    /// What came is not what this protocol says, or was changed on the way.
    #[error("{0}: is there a Motet node at the other end?")]
    Malformed(String),
    /// The other side speaks another version.
    #[error("the peer speaks version {theirs} of the channel, this program {VERSION}: update the older one")]
    Version {
        /// Its version.
        theirs: u8,
    },
    /// The peer does not hold the device key it claims, or somebody sits between.
    #[error("the peer's signature over this connection does not hold: it is not device {0:?}")]
    BadSignature(PublicKey),
    /// Another device answered.
    #[error("device {got} answered, not {want}: the address may have changed hands")]
    UnexpectedDevice {
        /// Who was called.
        want: PublicKey,
        /// Who answered.
        got: PublicKey,
    },
}

#[derive(Clone, Copy)]
enum Role {
    Caller,
    Listener,
}

impl Role {
    fn other(self) -> Self {
        match self {
            Role::Caller => Role::Listener,
            Role::Listener => Role::Caller,
        }
    }

    fn signed(self, binding: &[u8; 32]) -> Vec<u8> {
        let role: &[u8] = match self {
            Role::Caller => b"caller",
            Role::Listener => b"listener",
        };
        [role, &[0], binding].concat()
    }
}

/// An authenticated, encrypted connection.
pub struct Channel {
    peer: PublicKey,
    binding: [u8; 32],
    sender: Sender,
    receiver: Receiver,
}

/// The sending half.
pub struct Sender {
    stream: TcpStream,
    noise: Arc<StatelessTransportState>,
    nonce: u64,
}

/// The receiving half.
pub struct Receiver {
    stream: TcpStream,
    noise: Arc<StatelessTransportState>,
    nonce: u64,
    silence: Option<Duration>,
    deadline: Option<Instant>,
}

impl Channel {
    /// The caller's side of the handshake.
    ///
    /// # Errors
    /// [`ChannelError`]; the stream is to be dropped.
    pub fn connect(stream: TcpStream, device: &SecretKey) -> Result<Self, ChannelError> {
        Self::open(stream, device, Role::Caller)
    }

    /// The listener's side of the handshake.
    ///
    /// # Errors
    /// [`ChannelError`]; the stream is to be dropped.
    pub fn accept(stream: TcpStream, device: &SecretKey) -> Result<Self, ChannelError> {
        Self::open(stream, device, Role::Listener)
    }

    /// The peer's device key; the peer has shown that it holds it.
    pub fn peer(&self) -> PublicKey {
        self.peer
    }

    /// A name of this connection that both ends know and that no other connection has.
    pub fn binding(&self) -> &[u8; 32] {
        &self.binding
    }

    /// Insists on a device.
    ///
    /// # Errors
    /// [`ChannelError::UnexpectedDevice`] if the peer is another.
    pub fn expect_device(self, want: PublicKey) -> Result<Self, ChannelError> {
        let got = self.peer;
        if got == want { Ok(self) } else { Err(ChannelError::UnexpectedDevice { want, got }) }
    }

    /// How long nothing may come from now on; `None`: for ever.
    pub fn set_silence(&mut self, silence: Option<Duration>) {
        self.receiver.silence = silence;
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`ChannelError`]; the channel is at its end.
    pub fn send(&mut self, message: &[u8]) -> Result<(), ChannelError> {
        self.sender.send(message)
    }

    /// Waits for a message.
    ///
    /// # Errors
    /// [`ChannelError`]; the channel is at its end.
    pub fn receive(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.receiver.receive()
    }

    /// The two halves, for two threads.
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }

    fn open(stream: TcpStream, device: &SecretKey, role: Role) -> Result<Self, ChannelError> {
        let deadline = Instant::now() + HANDSHAKE_TIME;
        stream.set_nodelay(true).map_err(failed("setting up the connection"))?;
        stream.set_write_timeout(Some(WRITE_TIME)).map_err(failed("setting up the connection"))?;
        let (noise, binding) = shake_hands(&stream, role, deadline)?;
        let copy = stream.try_clone().map_err(failed("setting up the connection"))?;
        let mut sender = Sender { stream: copy, noise: noise.clone(), nonce: 0 };
        let deadline = Some(deadline);
        let mut receiver = Receiver { stream, noise, nonce: 0, silence: None, deadline };
        sender.send(&hello(device, role, &binding))?;
        let peer = check_hello(&receiver.receive()?, role.other(), &binding)?;
        receiver.deadline = None;
        Ok(Channel { peer, binding, sender, receiver })
    }
}

fn shake_hands(
    stream: &TcpStream,
    role: Role,
    deadline: Instant,
) -> Result<(Arc<StatelessTransportState>, [u8; 32]), ChannelError> {
    let mut handshake = start_noise(role).map_err(noise_failed)?;
    let mut buffer = vec![0; MAX_FRAME];
    while !handshake.is_handshake_finished() {
        if handshake.is_my_turn() {
            let length = handshake.write_message(&[], &mut buffer).map_err(noise_failed)?;
            write_frame(stream, &buffer[..length])?;
        } else {
            let frame = read_frame(stream, None, Some(deadline))?;
            handshake.read_message(&frame, &mut buffer).map_err(noise_failed)?;
        }
    }
    let binding = handshake.get_handshake_hash().try_into().expect("BLAKE2s gives 32 bytes");
    let noise = handshake.into_stateless_transport_mode().map_err(noise_failed)?;
    Ok((Arc::new(noise), binding))
}

fn start_noise(role: Role) -> Result<HandshakeState, snow::Error> {
    let pattern: snow::params::NoiseParams = PATTERN.parse()?;
    let fleeting = Builder::new(pattern.clone()).generate_keypair()?;
    let builder = Builder::new(pattern).local_private_key(&fleeting.private)?.prologue(PROLOGUE)?;
    match role {
        Role::Caller => builder.build_initiator(),
        Role::Listener => builder.build_responder(),
    }
}

fn hello(device: &SecretKey, role: Role, binding: &[u8; 32]) -> Vec<u8> {
    let signature = device.sign(Domain::Channel, &role.signed(binding));
    [&[VERSION], device.public().as_bytes().as_slice(), signature.as_bytes()].concat()
}

fn check_hello(hello: &[u8], role: Role, binding: &[u8; 32]) -> Result<PublicKey, ChannelError> {
    let malformed = || ChannelError::Malformed("the peer's hello is malformed".to_owned());
    let (&theirs, rest) = hello.split_first().ok_or_else(malformed)?;
    if theirs != VERSION {
        return Err(ChannelError::Version { theirs });
    }
    let (key, signature) = rest.split_at_checked(32).ok_or_else(malformed)?;
    let key = PublicKey::from_bytes(key).map_err(|_| malformed())?;
    let signature = Signature::from_bytes(signature).map_err(|_| malformed())?;
    key.verify(Domain::Channel, &role.signed(binding), &signature)
        .map_err(|_| ChannelError::BadSignature(key))?;
    Ok(key)
}

impl Sender {
    /// Sends a message.
    ///
    /// # Errors
    /// [`ChannelError`]; the channel is at its end.
    ///
    /// # Panics
    /// If the message is over [`MAX_MESSAGE_BYTES`].
    pub fn send(&mut self, message: &[u8]) -> Result<(), ChannelError> {
        assert!(message.len() <= MAX_MESSAGE_BYTES, "a message of {} bytes was sent", message.len());
        let mut rest = message;
        loop {
            let (piece, after) = rest.split_at(rest.len().min(MAX_PIECE));
            self.send_piece(piece, after.is_empty())?;
            rest = after;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    fn send_piece(&mut self, piece: &[u8], last: bool) -> Result<(), ChannelError> {
        let plain = [&[u8::from(last)], piece].concat();
        let mut frame = vec![0; plain.len() + TAG];
        let length = self.noise.write_message(self.nonce, &plain, &mut frame).map_err(noise_failed)?;
        self.nonce += 1;
        write_frame(&self.stream, &frame[..length])
    }

    /// The socket, for closing it from elsewhere.
    ///
    /// # Errors
    /// [`ChannelError::Io`] if there are no more handles.
    pub fn handle(&self) -> Result<TcpStream, ChannelError> {
        self.stream.try_clone().map_err(failed("setting up the connection"))
    }

    /// Closes the connection for both halves.
    pub fn close(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl Receiver {
    /// Waits for a message.
    ///
    /// # Errors
    /// [`ChannelError`]; the channel is at its end.
    pub fn receive(&mut self) -> Result<Vec<u8>, ChannelError> {
        let mut message = Vec::new();
        loop {
            let piece = self.receive_piece()?;
            let Some((last, piece)) = piece.split_first() else {
                return Err(ChannelError::Malformed("an empty frame came".to_owned()));
            };
            if message.len() + piece.len() > MAX_MESSAGE_BYTES {
                return Err(ChannelError::TooLong);
            }
            message.extend_from_slice(piece);
            match last {
                0 if !piece.is_empty() => {}
                1 => return Ok(message),
                _ => return Err(ChannelError::Malformed("a frame of an unknown kind came".to_owned())),
            }
        }
    }

    fn receive_piece(&mut self) -> Result<Vec<u8>, ChannelError> {
        let frame = read_frame(&self.stream, self.silence, self.deadline)?;
        let mut plain = vec![0; frame.len()];
        let length = self.noise.read_message(self.nonce, &frame, &mut plain).map_err(noise_failed)?;
        self.nonce += 1;
        plain.truncate(length);
        Ok(plain)
    }
}

fn write_frame(mut stream: &TcpStream, frame: &[u8]) -> Result<(), ChannelError> {
    let length = u16::try_from(frame.len()).expect("a frame is at most 65,535 bytes");
    let bytes = [&length.to_be_bytes(), frame].concat();
    stream.write_all(&bytes).map_err(failed("sending to the peer"))
}

fn read_frame(
    stream: &TcpStream,
    silence: Option<Duration>,
    deadline: Option<Instant>,
) -> Result<Vec<u8>, ChannelError> {
    let mut length = [0; 2];
    fill(stream, &mut length, silence, deadline)?;
    let mut frame = vec![0; usize::from(u16::from_be_bytes(length))];
    fill(stream, &mut frame, silence, deadline)?;
    Ok(frame)
}

fn fill(
    mut stream: &TcpStream,
    mut buffer: &mut [u8],
    silence: Option<Duration>,
    deadline: Option<Instant>,
) -> Result<(), ChannelError> {
    while !buffer.is_empty() {
        let patience = match deadline {
            Some(deadline) => Some(deadline.saturating_duration_since(Instant::now())),
            None => silence,
        };
        if patience == Some(Duration::ZERO) {
            return Err(ChannelError::Silent(HANDSHAKE_TIME));
        }
        stream.set_read_timeout(patience).map_err(failed("setting up the connection"))?;
        match stream.read(buffer) {
            Ok(0) => return Err(ChannelError::Closed),
            Ok(count) => buffer = &mut buffer[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_timeout(&error) => {
                return Err(ChannelError::Silent(patience.unwrap_or_default()));
            }
            Err(source) => return Err(ChannelError::Io { what: "hearing from the peer", source }),
        }
    }
    Ok(())
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> ChannelError {
    move |source| ChannelError::Io { what, source }
}

fn noise_failed(error: snow::Error) -> ChannelError {
    ChannelError::Malformed(format!("the encryption failed ({error})"))
}
