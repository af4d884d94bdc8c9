//! Parties are independent: what keeps one busy keeps no other waiting, and all of them can be written to at once.

use std::sync::mpsc::channel;
use std::time::Duration;

use crate::common::{Peer, assert_sound, everything, send};
use motet::authority::Role;
use motet::{Parameters, Party};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_busy_party_keeps_no_other_waiting() {
    let ada = Peer::new("Ada", 1);
    let [busy, free] = ["Busy", "Free"].map(|name| ada.database.create_party(name).unwrap());
    let (begun, begins) = channel();
    let (done, ends) = channel::<()>();
    std::thread::scope(|scope| {
        let busy = &busy;
        scope.spawn(move || {
            let read = busy.item(busy.root(), |_| {
                begun.send(()).unwrap();
                ends.recv_timeout(LONG)
            });
            read.unwrap().expect("the other party is done while this one is busy");
        });
        begins.recv_timeout(LONG).unwrap();
        free.set(free.root(), "title", "written").unwrap();
        let query = "output t. t(is: T) :- attr(attribute: \"title\", value: T).";
        let view = free.watch(query, &Parameters::new()).unwrap();
        assert_eq!(view.rows("t").count(), 1);
        assert!(free.state_hash().is_ok());
        done.send(()).unwrap();
    });
}

#[test]
fn parties_written_to_and_read_at_once_are_as_if_one_after_the_other() {
    let (ada, ben) = (Peer::new("Ada", 1), Peer::new("Ben", 2));
    let parties: Vec<_> = (0..4).map(|n| ada.database.create_party(&format!("Party {n}")).unwrap()).collect();
    for party in &parties {
        ada.admit(&party.key(), &ben, Role::Writer).unwrap();
        send(&ada.database, &ben.database, &party.key());
    }
    std::thread::scope(|scope| {
        for party in &parties {
            let bens = ben.party(&party.key());
            let write = |party: &Party, what: &str, n: i64| party.set(party.root(), what, n).map(|_| ());
            scope.spawn(move || (0..50).for_each(|n| write(party, "here", n).unwrap()));
            scope.spawn(move || (0..50).for_each(|n| write(&bens, "there", n).unwrap()));
            scope.spawn(move || (0..20).for_each(|_| assert!(party.state_hash().is_ok())));
        }
    });
    for party in &parties {
        let key = party.key();
        ben.database.deliver(&key, everything(&ada.database, &key)).unwrap();
        ada.database.deliver(&key, everything(&ben.database, &key)).unwrap();
        assert_eq!(party.state_hash().unwrap(), ben.party(&key).state_hash().unwrap());
        assert_eq!(ben.party(&key).waiting(), 0);
        assert_sound(party);
    }
}
