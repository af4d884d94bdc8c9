//! The connections of a device.
//!
//! | thread | does |
//! |---|---|
//! | accept | takes callers in, each into a thread of its own, 64 at most |
//! | dial, one per address | connects, lets the connection run, waits, connects again |
//! | hear and speak, two per connection | see `connection` |
//! | watch | waits for the database's signals |
//! | tell | tells all sessions that something changed |
//!
//! A caller is a stranger until its handshake is over, and does not count as a connection to its device until it has
//! said something (see `registry`). A connection that breaks, lies or panics ends alone.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use motet_fact::PublicKey;

use crate::connection::{Connection, End, Surroundings};
use crate::envelope::Envelope;
use crate::join::dial;
use crate::registry::Registry;
use crate::{Channel, Host, NodeConfig, NodeEvent, PeerStatus};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often waiting threads look whether the node is being shut down.
const GLANCE: Duration = Duration::from_millis(25);
/// How much one guest may say: a code, and as many requests as there are offers at most.
const MAX_GREETINGS: usize = 100;
const SHUTDOWN_TIME: Duration = Duration::from_secs(5);

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Somebody listens there already.
    #[error("port {} is in use on {}: stop the program that listens there, choose another port, or port 0 for any", .0.port(), .0.ip())]
    AddressInUse(SocketAddr),
    /// Listening failed.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// No more threads.
    #[error("can't start a thread: {0}")]
    Thread(io::Error),
}

enum Wake {
    Changed,
    Stop,
}

#[derive(Clone, Debug, Default)]
struct Dialled {
    device: Option<PublicKey>,
    last_error: Option<String>,
}

struct Shared {
    host: Arc<dyn Host>,
    own: PublicKey,
    config: NodeConfig,
    registry: Mutex<Registry>,
    dialled: Mutex<BTreeMap<String, Dialled>>,
    wake: mpsc::Sender<Wake>,
    stop: AtomicBool,
}

/// The connections of a device. Dropping it shuts it down.
pub struct Node {
    shared: Arc<Shared>,
    local_addr: Option<SocketAddr>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Node {
    /// Listens and dials as configured, until [`Node::shutdown`].
    ///
    /// # Errors
    /// [`NodeError`] if it can't listen or has no threads.
    pub fn start(host: Arc<dyn Host>, config: NodeConfig) -> Result<Self, NodeError> {
        let listener = config.listen.map(listen).transpose()?;
        let local_addr = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let (wake, woken) = mpsc::channel();
        let signals = host.subscribe_heads();
        let peers = config.peers.clone();
        let shared = Arc::new(Shared {
            own: host.device_key().public(),
            host,
            config,
            registry: Mutex::default(),
            dialled: Mutex::default(),
            wake,
            stop: AtomicBool::new(false),
        });
        let node = Node { shared, local_addr, threads: Mutex::default() };
        node.spawn("motet-watch", move |shared| watch(&shared, &signals))?;
        node.spawn("motet-tell", move |shared| tell(&shared, &woken))?;
        if let Some(listener) = listener {
            node.spawn("motet-accept", move |shared| accept(&shared, &listener))?;
        }
        peers.into_iter().try_for_each(|address| node.add_peer(address))?;
        Ok(node)
    }

    /// Where it listens.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local_addr
    }

    /// Dials an address (`host:port`) from now on. Does nothing if it is dialled already.
    ///
    /// # Errors
    /// [`NodeError::Thread`].
    pub fn add_peer(&self, address: String) -> Result<(), NodeError> {
        let mut dialled = lock(&self.shared.dialled);
        if dialled.contains_key(&address) {
            return Ok(());
        }
        dialled.insert(address.clone(), Dialled::default());
        drop(dialled);
        let shared = self.shared.clone();
        let dial = thread::Builder::new().name("motet-dial".to_owned());
        // Not waited for at the end: it may be deep in a name look-up.
        dial.spawn(move || keep_dialling(&shared, &address)).map_err(NodeError::Thread)?;
        Ok(())
    }

    /// The addresses that are dialled, and the devices that called.
    pub fn peers(&self) -> Vec<PeerStatus> {
        let mut connections: BTreeMap<PublicKey, Arc<Connection>> =
            lock(&self.shared.registry).all().into_iter().map(|it| (it.device, it)).collect();
        let dialled = lock(&self.shared.dialled).clone();
        let mut peers = Vec::new();
        for (address, dialled) in dialled {
            let connection = dialled.device.and_then(|device| connections.remove(&device));
            peers.push(PeerStatus {
                address,
                device: dialled.device,
                connected: connection.is_some(),
                progress: connection.map(|it| it.progress()).unwrap_or_default(),
                last_error: dialled.last_error,
            });
        }
        peers.extend(connections.into_values().map(|it| called(&it)));
        peers
    }

    /// Ends all connections. When it returns, the host is not called any more.
    pub fn shutdown(&self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        lock(&self.shared.registry).close();
        let _ = self.shared.wake.send(Wake::Stop);
        for thread in lock(&self.threads).drain(..) {
            let _ = thread.join();
        }
        let patience = Instant::now() + SHUTDOWN_TIME;
        while !lock(&self.shared.registry).is_empty() && Instant::now() < patience {
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn spawn(&self, name: &str, work: impl FnOnce(Arc<Shared>) + Send + 'static) -> Result<(), NodeError> {
        let shared = self.shared.clone();
        let thread = thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(move || work(shared)).map_err(NodeError::Thread)?;
        lock(&self.threads).push(thread);
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shutdown();
    }
}

fn called(connection: &Connection) -> PeerStatus {
    PeerStatus {
        address: connection.address.clone(),
        device: Some(connection.device),
        connected: true,
        progress: connection.progress(),
        last_error: None,
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, NodeError> {
    let fault = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => NodeError::AddressInUse(address),
        _ => NodeError::Listen { address, source },
    };
    let listener = TcpListener::bind(address).map_err(fault)?;
    listener.set_nonblocking(true).map_err(fault)?;
    Ok(listener)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch(shared: &Shared, signals: &mpsc::Receiver<()>) {
    while !shared.stopped() {
        match signals.recv_timeout(GLANCE) {
            Ok(()) => shared.changed(),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn tell(shared: &Shared, woken: &mpsc::Receiver<Wake>) {
    while let Ok(Wake::Changed) = woken.recv() {
        if woken.try_iter().any(|wake| matches!(wake, Wake::Stop)) {
            return;
        }
        let connections = lock(&shared.registry).all();
        connections.iter().for_each(|connection| connection.changed(shared.host.as_ref()));
    }
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    while !shared.stopped() {
        match listener.accept() {
            Ok((stream, address)) => take_in(shared, stream, address.to_string()),
            Err(_) => thread::sleep(GLANCE),
        }
    }
}

/// Takes a caller off the list when its thread ends, however it ends.
struct Caller(Arc<Shared>, u64);

impl Drop for Caller {
    fn drop(&mut self) {
        lock(&self.0.registry).remove_caller(self.1);
    }
}

fn take_in(shared: &Arc<Shared>, stream: TcpStream, address: String) {
    let handle = stream.set_nonblocking(false).and_then(|()| stream.try_clone());
    let Some(caller) = handle.ok().and_then(|handle| lock(&shared.registry).add_caller(handle)) else {
        shared.failed(address, "there are too many connections already".to_owned());
        return;
    };
    let caller = Caller(shared.clone(), caller);
    let hear = thread::Builder::new().name("motet-hear".to_owned());
    let _ = hear.spawn(move || {
        let shared = &caller.0;
        if let Err(end) = receive_caller(shared, stream, address.clone()) {
            shared.failed(address, end.to_string());
        }
    });
}

fn receive_caller(shared: &Arc<Shared>, stream: TcpStream, address: String) -> Result<(), End> {
    let mut channel = Channel::accept(stream, &shared.host.device_key())?;
    channel.set_silence(Some(shared.config.silence));
    let mut first = channel.receive()?;
    // Whoever has to be let in says so before it counts as connected.
    if let Envelope::Greeting(greeting) = Envelope::decode(&first)? {
        let next = greet(shared.host.as_ref(), &mut channel, greeting)?;
        let Some(next) = next else { return Ok(()) };
        first = next;
    }
    shared.run(channel, address, false, Some(first)).map(drop)
}

/// Greets a guest until it goes, or says something else: that is given back.
fn greet(host: &dyn Host, channel: &mut Channel, first: Vec<u8>) -> Result<Option<Vec<u8>>, End> {
    let mut door = host.receive(channel.peer(), channel.binding());
    let mut greeting = first;
    for _ in 0..MAX_GREETINGS {
        channel.send(&Envelope::Greeting(door.hear(&greeting)).encode())?;
        if door.is_over() {
            return Ok(None);
        }
        let Ok(next) = channel.receive() else { return Ok(None) };
        match Envelope::decode(&next)? {
            Envelope::Greeting(next) => greeting = next,
            _ => return Ok(Some(next)),
        }
    }
    Err(End::TooManyGreetings)
}

fn keep_dialling(shared: &Arc<Shared>, address: &str) {
    let mut pause = FIRST_PAUSE;
    while !shared.stopped() {
        if shared.is_connected(address) {
            thread::sleep(GLANCE);
            continue;
        }
        let end = call(shared, address);
        if matches!(end, Ok(_) | Err(End::NotKept)) {
            pause = FIRST_PAUSE;
        }
        let end = end.unwrap_or_else(|end| end);
        if matches!(end, End::Myself) {
            pause = LONGEST_PAUSE;
        }
        lock(&shared.dialled).entry(address.to_owned()).or_default().last_error = Some(end.to_string());
        shared.sleep(jittered(pause));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// `Ok`: there was a connection, and that is how it ended.
fn call(shared: &Arc<Shared>, address: &str) -> Result<End, End> {
    let called = dial(address, &shared.host.device_key()).map_err(End::from);
    let result = called.and_then(|channel| {
        let dialled = Dialled { device: Some(channel.peer()), last_error: None };
        lock(&shared.dialled).insert(address.to_owned(), dialled);
        shared.run(channel, address.to_owned(), true, None)
    });
    match &result {
        Ok(_) | Err(End::NotKept) => {}
        Err(end) => shared.failed(address.to_owned(), end.to_string()),
    }
    result
}

/// Half to one and a half of a pause, so that peers that lost each other don't meet in lockstep.
fn jittered(pause: Duration) -> Duration {
    let share = getrandom::u32().map_or(0.5, |draw| f64::from(draw) / f64::from(u32::MAX));
    pause.mul_f64(0.5 + share)
}

/// Takes a connection out of the registry when it ends, however it ends.
struct Registered<'a>(&'a Shared, Arc<Connection>);

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.1.close();
        lock(&self.0.registry).remove(&self.1);
    }
}

impl Shared {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn changed(&self) {
        let _ = self.wake.send(Wake::Changed);
    }

    fn tell(&self, event: NodeEvent) {
        let _ = self.config.events.send(event);
    }

    fn failed(&self, address: String, reason: String) {
        if !self.stopped() {
            self.tell(NodeEvent::Failed { address, reason });
        }
    }

    fn is_connected(&self, address: &str) -> bool {
        let device = lock(&self.dialled).get(address).and_then(|dialled| dialled.device);
        device.is_some_and(|device| lock(&self.registry).get(&device).is_some())
    }

    fn sleep(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while !self.stopped() && Instant::now() < until {
            thread::sleep(GLANCE.min(pause));
        }
    }

    /// Lets a connection run to its end.
    fn run(
        &self,
        channel: Channel,
        address: String,
        dialled: bool,
        first: Option<Vec<u8>>,
    ) -> Result<End, End> {
        let device = channel.peer();
        if device == self.own {
            return Err(End::Myself);
        }
        let (limits, silence) = (self.config.limits.clone(), self.config.silence);
        let (connection, ends) = Connection::new(channel, address.clone(), dialled, limits, silence)?;
        if !lock(&self.registry).add(&self.own, &connection) {
            return Err(End::NotKept);
        }
        let registered = Registered(self, connection);
        self.tell(NodeEvent::Connected { device, address: address.clone() });
        let around = Surroundings {
            host: self.host.as_ref(),
            events: &self.config.events,
            changed: &|| self.changed(),
        };
        let end = registered.1.run(ends, first, &around);
        drop(registered);
        self.tell(NodeEvent::Disconnected { device, address, reason: end.to_string() });
        Ok(end)
    }
}
