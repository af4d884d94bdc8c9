//! The database is a host.

use std::sync::mpsc::Receiver;

use motet::Database;
use motet_fact::{PublicKey, SecretKey};
use motet_sync::Bundle;

use crate::Host;

impl Host for Database {
    fn device_key(&self) -> SecretKey {
        Database::device_key(self).clone()
    }

    fn deliver(&self, from: &PublicKey, party: &PublicKey, bundles: Vec<Bundle>) -> Vec<Result<(), String>> {
        let count = bundles.len();
        self.deliver_from(Some(*from), party, bundles)
            .unwrap_or_else(|error| vec![Err(error.to_string()); count])
    }

    fn subscribe_heads(&self) -> Receiver<()> {
        self.listen()
    }

    fn redeem(&self, request: &[u8], channel_binding: &[u8; 32]) -> Result<Vec<u8>, String> {
        Database::redeem(self, request, channel_binding)
            .map(|()| Vec::new())
            .map_err(|error| error.to_string())
    }
}
