//! `motet serve` and `motet sync`: the database on the network.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use motet::Database;
use motet_node::{Node, NodeConfig, NodeEvent, PeerStatus};

use crate::args::Global;
use crate::failure::Failure;
use crate::{console, context, output, progress};

/// How long a sync may make no progress, unless the command line says otherwise.
pub(crate) const PATIENCE_SECONDS: u64 = 30;

/// Starts a node, and gives what it tells.
pub(crate) fn start(
    database: &Database,
    listen: Option<SocketAddr>,
    peers: &[String],
) -> Result<(Node, Receiver<NodeEvent>), Failure> {
    let (sender, events) = channel();
    let mut config = NodeConfig::new(sender);
    config.listen = listen;
    config.peers = peers.to_vec();
    let node = Node::start(Arc::new(database.clone()), config)
        .map_err(|error| Failure::Failed(error.to_string()))?;
    Ok((node, events))
}

/// Connects to peers, without listening.
pub(crate) fn dial(database: &Database, peers: &[String]) -> Result<(Node, Receiver<NodeEvent>), Failure> {
    start(database, None, peers)
}

/// Serves until stopped.
pub(crate) fn serve(
    global: &Global,
    listen: SocketAddr,
    peers: Vec<String>,
    with_console: bool,
) -> Result<(), Failure> {
    let database = context::open(global)?;
    if with_console {
        let (node, events) = start(&database, Some(listen), &peers)?;
        return console::run(&database, &node, &events);
    }
    serve_database(&database, listen, &peers)
}

/// Serves an open database, and tells what happens, until stopped.
pub(crate) fn serve_database(
    database: &Database,
    listen: SocketAddr,
    peers: &[String],
) -> Result<(), Failure> {
    let (node, events) = start(database, Some(listen), peers)?;
    let (stop, stopped) = channel();
    ctrlc::set_handler(move || {
        let _told = stop.send(());
    })
    .map_err(|error| Failure::Failed(format!("no signal handler: {error}")))?;
    let mut out = std::io::stdout().lock();
    let address = node.local_addr().map_or_else(String::new, |address| address.to_string());
    writeln!(
        out,
        "device {} serves {} parties on {address}",
        database.profile().device,
        database.parties().len()
    )?;
    out.flush()?;
    while stopped.recv_timeout(Duration::from_millis(100)).is_err() {
        for event in events.try_iter() {
            writeln!(out, "{}", describe(&event))?;
        }
        out.flush()?;
    }
    node.shutdown();
    Ok(())
}

/// One line about an event.
pub(crate) fn describe(event: &NodeEvent) -> String {
    match event {
        NodeEvent::Connected { device, address } => {
            format!("connected: device {} at {address}", device.short())
        }
        NodeEvent::Disconnected { device, address, reason } => {
            format!("disconnected: device {} at {address}: {reason}", device.short())
        }
        NodeEvent::Failed { address, reason } => format!("no connection with {address}: {reason}"),
        NodeEvent::Delivered { device, party, taken, refused } => {
            let mut line =
                format!("{taken} entries of party {} from device {}", party.short(), device.short());
            refused.iter().for_each(|reason| line.push_str(&format!("\n  refused: {reason}")));
            line
        }
        NodeEvent::Fault { reason } => format!("fault: {reason}"),
    }
}

/// Exchanges with one peer what either lacks.
pub(crate) fn sync(global: &Global, peer: &str, patience: u64) -> Result<(), Failure> {
    let database = context::open(global)?;
    let before = entries(&database);
    let (node, _events) = dial(&database, &[peer.to_owned()])?;
    let bar = progress::counter(global, "receiving");
    let outcome = wait_for_peer(&node, Duration::from_secs(patience), &mut |status| {
        bar.set_position(moved(status));
    });
    bar.finish_and_clear();
    let status = outcome?;
    node.shutdown();
    let (mut sent, mut received) = (0, 0);
    for party in status.progress.parties.values() {
        sent += party.sent;
        received += party.received;
    }
    let mut out = std::io::stdout().lock();
    let waiting: usize = database.parties().iter().map(motet::Party::waiting).sum();
    let int = |number: u64| motet::fact::Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let fields = [
        ("peer", peer.into()),
        ("received", int(received)),
        ("sent", int(sent)),
        ("entries before", int(before as u64)),
        ("entries now", int(entries(&database) as u64)),
        ("waiting", int(waiting as u64)),
    ];
    output::print_fields(&mut out, global.format, &fields)
}

fn entries(database: &Database) -> usize {
    database.parties().iter().map(motet::Party::entries).sum()
}

fn moved(status: &PeerStatus) -> u64 {
    status.progress.parties.values().map(|party| party.sent + party.received).sum()
}

/// Waits until the only peer has everything of ours and we of its, or nothing moves for too long.
fn wait_for_peer(
    node: &Node,
    patience: Duration,
    tell: &mut dyn FnMut(&PeerStatus),
) -> Result<PeerStatus, Failure> {
    let mut still_since = Instant::now();
    let mut last = 0;
    loop {
        std::thread::sleep(Duration::from_millis(20));
        let Some(status) = node.peers().into_iter().next() else { continue };
        tell(&status);
        let now = moved(&status);
        if now != last {
            (last, still_since) = (now, Instant::now());
        }
        let still = still_since.elapsed();
        // In sync for a moment: what the peer asks of us is asked within a round trip.
        if status.connected && status.progress.in_sync() && still > Duration::from_millis(500) {
            return Ok(status);
        }
        if still > patience {
            let why = status.last_error.unwrap_or_else(|| "it is connected, but nothing moves".into());
            let what = format!("no progress with {} for {} s: {why}", status.address, patience.as_secs());
            return Err(
                Failure::Failed(what).help("is `motet serve` running there, and are you in one party?")
            );
        }
    }
}
