//! Which connections there are, at most one to each device.
//!
//! Two devices may dial each other at the same moment, and each may have several addresses. Both ends must keep the
//! *same* connection, without talking about it: of two that went opposite ways the one that the smaller device key
//! dialled is kept. Of two that the same end dialled, the dialler keeps the older and never lets the newer speak, so
//! when a listener hears a newer one speak, the dialler has lost the older (it was restarted), and the newer is kept.

use std::collections::BTreeMap;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use motet_fact::PublicKey;

use crate::connection::Connection;

/// The most connections that others may have to a node.
pub(crate) const MAX_CALLERS: usize = 64;

/// Whether of two connections with one device the new one is kept.
fn keeps_new(own: &PublicKey, peer: &PublicKey, old_dialled: bool, new_dialled: bool) -> bool {
    match (old_dialled, new_dialled) {
        (true, true) => false,
        (false, false) => true,
        (false, true) => own < peer,
        (true, false) => peer < own,
    }
}

#[derive(Default)]
pub(crate) struct Registry {
    closed: bool,
    connections: BTreeMap<PublicKey, Arc<Connection>>,
    /// The sockets of all who called, those still shaking hands among them.
    callers: BTreeMap<u64, TcpStream>,
    next_caller: u64,
}

impl Registry {
    /// Notes a caller; `None` if there is no room.
    pub(crate) fn add_caller(&mut self, stream: TcpStream) -> Option<u64> {
        if self.closed || self.callers.len() >= MAX_CALLERS {
            return None;
        }
        self.next_caller += 1;
        self.callers.insert(self.next_caller, stream);
        Some(self.next_caller)
    }

    pub(crate) fn remove_caller(&mut self, caller: u64) {
        self.callers.remove(&caller);
    }

    /// Takes a connection in, in place of an older one perhaps. Says whether it did.
    pub(crate) fn add(&mut self, own: &PublicKey, new: &Arc<Connection>) -> bool {
        let kept = match self.connections.get(&new.device) {
            _ if self.closed => false,
            Some(old) => keeps_new(own, &new.device, old.dialled, new.dialled),
            None => true,
        };
        if kept && let Some(old) = self.connections.insert(new.device, new.clone()) {
            old.close();
        }
        kept
    }

    pub(crate) fn remove(&mut self, connection: &Arc<Connection>) {
        let is_it = |now: &Arc<Connection>| Arc::ptr_eq(now, connection);
        if self.connections.get(&connection.device).is_some_and(is_it) {
            self.connections.remove(&connection.device);
        }
    }

    pub(crate) fn get(&self, device: &PublicKey) -> Option<Arc<Connection>> {
        self.connections.get(device).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Connection>> {
        self.connections.values().cloned().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.connections.is_empty() && self.callers.is_empty()
    }

    /// Closes all there are, and lets none in any more.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.connections.values().for_each(|connection| connection.close());
        for caller in self.callers.values() {
            let _ = caller.shutdown(Shutdown::Both);
        }
    }
}

#[cfg(test)]
mod tests {
    use motet_fact::SecretKey;

    use super::*;

    #[test]
    fn both_ends_keep_the_same_of_two_calls_that_crossed() {
        let keys = [SecretKey::from_bytes([1; 32]).public(), SecretKey::from_bytes([2; 32]).public()];
        // Call 0 was dialled by end 0, call 1 by end 1.
        let kept = |end: usize, first: usize| {
            let second = 1 - first;
            let new = keeps_new(&keys[end], &keys[1 - end], first == end, second == end);
            if new { second } else { first }
        };
        let smaller = usize::from(keys[1] < keys[0]);
        for (end, first) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            assert_eq!(kept(end, first), smaller);
        }
    }
}
