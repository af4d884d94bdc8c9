//! The network between the peers: a TCP proxy for each pair, which can be cut.
//!
//! The peers are connected to each other only through these proxies, so cutting is real: connections die in the
//! middle of a message, and new ones are closed at once. Each pair has one proxy, which the peer with the lower number
//! dials; it leads to wherever the other one listens now, for a peer that was killed comes back at another port.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// One proxy.
struct Proxy {
    address: SocketAddr,
    line: Arc<Line>,
}

/// What a proxy and its threads share.
#[derive(Default)]
struct Line {
    target: Mutex<Option<SocketAddr>>,
    cut: AtomicBool,
    ended: AtomicBool,
    wires: Mutex<Vec<TcpStream>>,
}

/// The proxies between all pairs of peers.
pub(crate) struct Network {
    proxies: BTreeMap<(usize, usize), Proxy>,
}

impl Network {
    /// A full mesh between so many peers.
    pub(crate) fn new(peers: usize) -> io::Result<Self> {
        let pairs = (0..peers).flat_map(|one| (one + 1..peers).map(move |other| (one, other)));
        let proxies = pairs.map(|pair| Ok((pair, Proxy::start()?))).collect::<io::Result<_>>()?;
        Ok(Network { proxies })
    }

    /// The addresses that a peer dials.
    pub(crate) fn dialled_by(&self, peer: usize) -> Vec<String> {
        let mine = self.proxies.iter().filter(|((one, _), _)| *one == peer);
        mine.map(|(_, proxy)| proxy.address.to_string()).collect()
    }

    /// Says where a peer listens now.
    pub(crate) fn listens(&self, peer: usize, address: SocketAddr) {
        for (_, proxy) in self.proxies.iter().filter(|((_, other), _)| *other == peer) {
            *proxy.line.target.lock().expect("nobody panics with the target") = Some(address);
        }
    }

    /// Cuts every line between peers that are not on one side.
    pub(crate) fn cut(&self, side: impl Fn(usize) -> bool) {
        for ((one, other), proxy) in &self.proxies {
            if side(*one) != side(*other) {
                proxy.line.cut();
            }
        }
    }

    /// Cuts every line.
    pub(crate) fn cut_all(&self) {
        for proxy in self.proxies.values() {
            proxy.line.cut();
        }
    }

    /// Mends every line.
    pub(crate) fn heal(&self) {
        self.proxies.values().for_each(|proxy| proxy.line.cut.store(false, Ordering::SeqCst));
    }
}

impl Proxy {
    fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let line = Arc::new(Line::default());
        let shared = line.clone();
        thread::Builder::new().name("proxy".to_owned()).spawn(move || shared.serve(&listener))?;
        Ok(Proxy { address, line })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.line.ended.store(true, Ordering::SeqCst);
        self.line.drop_wires();
        // The thread waits for a caller; this is one. If nobody answers, it has ended already.
        let _ = TcpStream::connect(self.address);
    }
}

impl Line {
    fn serve(self: &Arc<Self>, listener: &TcpListener) {
        for caller in listener.incoming() {
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            // A caller that can't be connected is hung up on: it will call again.
            let _ = caller.and_then(|caller| self.connect(caller));
        }
    }

    fn connect(self: &Arc<Self>, caller: TcpStream) -> io::Result<()> {
        let target = *self.target.lock().expect("nobody panics with the target");
        let Some(target) = target.filter(|_| !self.cut.load(Ordering::SeqCst)) else { return Ok(()) };
        let called = TcpStream::connect(target)?;
        caller.set_nodelay(true)?;
        called.set_nodelay(true)?;
        let mut wires = self.wires.lock().expect("nobody panics with the wires");
        wires.retain(|wire| wire.peer_addr().is_ok());
        wires.extend([caller.try_clone()?, called.try_clone()?]);
        drop(wires);
        pipe(caller.try_clone()?, called.try_clone()?)?;
        pipe(called, caller)?;
        if self.cut.load(Ordering::SeqCst) {
            self.drop_wires(); // it was cut while we connected
        }
        Ok(())
    }

    fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        self.drop_wires();
    }

    fn drop_wires(&self) {
        for wire in self.wires.lock().expect("nobody panics with the wires").drain(..) {
            // It may be dead already.
            let _ = wire.shutdown(Shutdown::Both);
        }
    }
}

/// Carries bytes one way until either end closes; then both are closed.
fn pipe(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    let carry = move || {
        // However it ends, it has ended.
        let _ = io::copy(&mut from, &mut to);
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    };
    thread::Builder::new().name("wire".to_owned()).spawn(carry).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn a_line_carries_is_cut_and_is_mended() {
        let network = Network::new(2).unwrap();
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        network.listens(1, server.local_addr().unwrap());
        let dialled = network.dialled_by(0).remove(0);
        let connect = || {
            let mut client = TcpStream::connect(&dialled).unwrap();
            client.write_all(b"hello").unwrap();
            client
        };
        let mut client = connect();
        let (mut served, _) = server.accept().unwrap();
        let mut bytes = [0; 5];
        served.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"hello");

        network.cut(|peer| peer == 0);
        assert_eq!(served.read(&mut bytes).unwrap_or(0), 0, "the wire is dead");
        assert_eq!(client.read(&mut bytes).unwrap_or(0), 0);
        let mut refused = TcpStream::connect(&dialled).unwrap();
        assert_eq!(refused.read(&mut bytes).unwrap_or(0), 0, "nobody gets through");

        network.heal();
        let _client = connect();
        server.accept().unwrap().0.read_exact(&mut bytes).unwrap();
    }
}
