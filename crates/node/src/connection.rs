//! One connection while it lasts: a thread that hears, a thread that speaks, and the session between them.
//!
//! Whatever the session wants said is put in the outbox while the session is locked, so the peer hears it in the order
//! in which the session said it. The outbox has no fixed length, because a hearing thread that had to wait for a
//! speaking one could wait for ever when both ends do; a peer that lets it grow past a bound that no honest one
//! reaches is not reading, and is dropped.

use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use motet_fact::PublicKey;
use motet_sync::{BlockDelivery, Delivery, Limits, Message, Progress, ProtocolError, Session};

use crate::channel::{Receiver, Sender};
use crate::envelope::Envelope;
use crate::{Channel, ChannelError, Host, NodeEvent};

const MAX_QUEUED_BYTES: usize = 64 * 1024 * 1024;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    #[error("there is another connection to this device, or this node is being shut down")]
    NotKept,
    #[error("that address leads back to this device itself")]
    Myself,
    #[error("the peer does not read what it is sent")]
    NotReading,
    #[error("the peer goes on greeting, and gets nowhere")]
    TooManyGreetings,
}

/// What a connection needs of its node.
pub(crate) struct Surroundings<'a> {
    pub(crate) host: &'a dyn Host,
    pub(crate) events: &'a mpsc::Sender<NodeEvent>,
    /// To be called when entries were taken.
    pub(crate) changed: &'a dyn Fn(),
}

pub(crate) struct Connection {
    pub(crate) device: PublicKey,
    pub(crate) address: String,
    /// Whether this end dialled.
    pub(crate) dialled: bool,
    session: Mutex<Session>,
    outbox: mpsc::Sender<Vec<u8>>,
    queued: Arc<AtomicUsize>,
    socket: TcpStream,
}

/// The halves of a connection that its two threads own.
pub(crate) struct Ends {
    receiver: Receiver,
    sender: Sender,
    outbox: mpsc::Receiver<Vec<u8>>,
    pause: Duration,
}

impl Connection {
    /// Nothing is said before [`Connection::run`].
    pub(crate) fn new(
        mut channel: Channel,
        address: String,
        dialled: bool,
        limits: Limits,
        silence: Duration,
    ) -> Result<(Arc<Self>, Ends), ChannelError> {
        channel.set_silence(Some(silence));
        let device = channel.peer();
        let (sender, receiver) = channel.split();
        let (outbox, to_send) = mpsc::channel();
        let connection = Connection {
            device,
            address,
            dialled,
            session: Mutex::new(Session::new(device, limits)),
            outbox,
            queued: Arc::default(),
            socket: sender.handle()?,
        };
        Ok((Arc::new(connection), Ends { receiver, sender, outbox: to_send, pause: silence / 3 }))
    }

    /// Talks until the end.
    pub(crate) fn run(&self, ends: Ends, first: Option<Vec<u8>>, around: &Surroundings) -> End {
        let Ends { receiver, sender, outbox, pause } = ends;
        let queued = self.queued.clone();
        let speaking = std::thread::Builder::new().name("motet-speak".to_owned());
        let spoken = speaking.spawn(move || speak(sender, &outbox, &queued, pause));
        let end = match spoken {
            Ok(_) => self.hear(receiver, first, around).unwrap_or_else(|end| end),
            Err(source) => ChannelError::Io { what: "starting a thread", source }.into(),
        };
        self.close();
        end
    }

    /// Tells the peer what changed.
    pub(crate) fn changed(&self, host: &dyn Host) {
        let mut session = self.session();
        let messages = session.changed(host);
        if self.say(&messages).is_err() {
            self.close();
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.session().progress()
    }

    pub(crate) fn close(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(
        &self,
        mut receiver: Receiver,
        first: Option<Vec<u8>>,
        around: &Surroundings,
    ) -> Result<End, End> {
        self.put(Envelope::Ping)?;
        {
            let mut session = self.session();
            self.say(&session.open(around.host))?;
        }
        let mut next = first;
        loop {
            let bytes = match next.take() {
                Some(bytes) => bytes,
                None => receiver.receive()?,
            };
            match Envelope::decode(&bytes)? {
                Envelope::Sync(message) => self.take(&message, around)?,
                // Greetings come before all else, on a connection of their own.
                Envelope::Ping | Envelope::Greeting(_) => {}
            }
        }
    }

    fn take(&self, message: &[u8], around: &Surroundings) -> Result<(), End> {
        let Some(message) = Message::decode(message)? else { return Ok(()) };
        let received = {
            let mut session = self.session();
            let received = session.receive(message, around.host)?;
            self.say(&received.send)?;
            received
        };
        for fault in received.faults {
            let _ = around.events.send(NodeEvent::Fault { reason: fault.to_string() });
        }
        for block in received.blocks {
            self.deliver_block(block, around)?;
        }
        received.deliver.into_iter().try_for_each(|delivery| self.deliver(delivery, around))
    }

    fn deliver_block(&self, block: BlockDelivery, around: &Surroundings) -> Result<(), End> {
        let BlockDelivery { party, id, bytes } = block;
        if let Err(reason) = around.host.deliver_block(&party, &id, bytes) {
            let _ = around.events.send(NodeEvent::Fault { reason });
        }
        {
            let mut session = self.session();
            let messages = session.changed(around.host);
            self.say(&messages)?;
        }
        (around.changed)();
        Ok(())
    }

    fn deliver(&self, delivery: Delivery, around: &Surroundings) -> Result<(), End> {
        let (device, party) = (self.device, delivery.party);
        let answers = around.host.deliver(&device, &party, delivery.bundles);
        let taken = answers.iter().filter(|answer| answer.is_ok()).count();
        let refused = answers.into_iter().filter_map(Result::err).collect();
        let _ = around.events.send(NodeEvent::Delivered { device, party, taken, refused });
        {
            let mut session = self.session();
            let messages = session.delivered(party, around.host)?;
            self.say(&messages)?;
        }
        (around.changed)();
        Ok(())
    }

    /// Puts messages in the outbox; the session must be locked.
    fn say(&self, messages: &[Message]) -> Result<(), End> {
        messages.iter().try_for_each(|message| self.put(Envelope::Sync(message.encode())))
    }

    fn put(&self, envelope: Envelope) -> Result<(), End> {
        let bytes = envelope.encode();
        let queued = self.queued.fetch_add(bytes.len(), Ordering::Relaxed);
        if queued > MAX_QUEUED_BYTES {
            return Err(End::NotReading);
        }
        self.outbox.send(bytes).map_err(|_| End::Channel(ChannelError::Closed))
    }
}

fn speak(mut sender: Sender, outbox: &mpsc::Receiver<Vec<u8>>, queued: &AtomicUsize, pause: Duration) {
    loop {
        let said = match outbox.recv_timeout(pause) {
            Ok(bytes) => {
                queued.fetch_sub(bytes.len(), Ordering::Relaxed);
                sender.send(&bytes)
            }
            Err(RecvTimeoutError::Timeout) => sender.send(&Envelope::Ping.encode()),
            Err(RecvTimeoutError::Disconnected) => break,
        };
        if said.is_err() {
            break;
        }
    }
    sender.close();
}
