//! The database is a host, and its doorkeeper a door.

use std::sync::mpsc::Receiver;

use motet::{Database, Doorkeeper};
use motet_fact::{Cid, PublicKey, SecretKey};
use motet_sync::Bundle;

use crate::Host;
use crate::host::Door;

impl Host for Database {
    fn device_key(&self) -> SecretKey {
        Database::device_key(self).clone()
    }

    fn deliver(&self, from: &PublicKey, party: &PublicKey, bundles: Vec<Bundle>) -> Vec<Result<(), String>> {
        let count = bundles.len();
        self.deliver_from(Some(*from), party, bundles)
            .unwrap_or_else(|error| vec![Err(error.to_string()); count])
    }

    fn deliver_block(&self, party: &PublicKey, id: &Cid, bytes: Vec<u8>) -> Result<(), String> {
        self.deliver_model(party, id, bytes).map_err(|error| error.to_string())
    }

    fn subscribe_heads(&self) -> Receiver<()> {
        self.listen()
    }

    fn receive(&self, guest: PublicKey, channel_binding: &[u8; 32]) -> Box<dyn Door> {
        Box::new(Database::receive(self, guest, *channel_binding))
    }
}

impl Door for Doorkeeper {
    fn hear(&mut self, greeting: &[u8]) -> Vec<u8> {
        Doorkeeper::hear(self, greeting)
    }

    fn is_over(&self) -> bool {
        Doorkeeper::is_over(self)
    }
}
