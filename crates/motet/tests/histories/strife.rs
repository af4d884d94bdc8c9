//! Who may write changes in the middle of the story: removals with cuts of all kinds, mutual ones too, changes of role,
//! admissions anew, devices removed, forks shown, the founder's recovery, and work that is rescued.

use motet::Cut;
use motet::authority::Role;
use motet::fact::{Cid, Digest};
use motet_sync::Replica as _;

use super::{Error, Story, everything, fetch, scatter};

impl Story {
    /// Somebody does something to somebody, if it is allowed to; often neither has heard what the other did.
    pub(crate) fn strive(&mut self) {
        let (actor, other) = (self.someone(), self.someone());
        let party = self.peers[actor].party(&self.party);
        let identity = self.peers[other].database.profile().identity;
        let role = [Role::Reader, Role::Writer, Role::Writer, Role::Admin][self.pick(4)];
        let outcome = match self.pick(12) {
            0..=2 => {
                let cut = self.cut();
                party.remove_member(&identity, &cut)
            }
            3 => {
                let cut = self.cut();
                party.remove_device(&self.peers[other].database.profile().device, &cut)
            }
            4 | 5 => party.set_role(&identity, role),
            6 | 7 => party.readmit(&identity, role),
            8 => match party.status().forked.first() {
                Some(feed) => party.publish_fork_proof(feed),
                None => return,
            },
            9 => {
                let first = party.invitations().unwrap().into_iter().next();
                let outcome = first.map(|invitation| party.revoke_invitation(&invitation.id));
                let _ = outcome.transpose().inspect_err(expected);
                return;
            }
            10 => {
                let rescue = party.rescue(None);
                let _ = rescue.inspect_err(expected);
                return;
            }
            _ => {
                self.recover();
                return;
            }
        };
        let _ = outcome.inspect_err(expected);
    }

    fn cut(&mut self) -> Cut {
        match self.pick(6) {
            0..=2 => Cut::Here,
            3 => Cut::Nothing,
            4 => Cut::Before(1_700_000_000 + self.pick(60) as i64),
            _ => {
                let somebody = self.someone();
                let all = self.ids(somebody);
                let some = self.pick(all.len().max(1)); // a newcomer has none yet
                Cut::Last(all.get(some).copied().into_iter().collect())
            }
        }
    }

    fn ids(&self, peer: usize) -> Vec<Cid> {
        super::linked(&self.peers[peer].database, &self.party).into_iter().collect()
    }

    /// The founder becomes an admin again, whatever happened.
    pub(crate) fn recover(&mut self) {
        let founder = &self.peers[0];
        // A device that was removed by itself comes back by the word of the recovery as well.
        founder.party(&self.party).recover(&founder.recovery()).unwrap();
    }

    /// Everybody gets everything, and what that makes them say, and what is missing after that.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10 {
            let before = self.hashes();
            for peer in 1..self.peers.len() {
                self.hand_over(peer, 0);
            }
            for peer in 1..self.peers.len() {
                self.hand_over(0, peer);
            }
            if self.hashes() == before && before.windows(2).all(|two| two[0] == two[1]) {
                return;
            }
        }
        panic!("they don't come to rest: {:?}", self.hashes());
    }

    fn hand_over(&mut self, from: usize, to: usize) {
        let party = self.party;
        let load = everything(&self.peers[from].database, &party);
        scatter(load, &self.peers[to].database, &party, &mut self.chance);
        fetch(&self.peers[from].database, &self.peers[to].database, &party);
        // What a waiting entry waits for is asked for by name, as a session does.
        loop {
            let (from, to) = (&self.peers[from].database, &self.peers[to].database);
            let wanted = to.wanted(&party);
            let found: Vec<_> = wanted.iter().filter_map(|id| from.load(&party, id).unwrap()).collect();
            if found.is_empty() {
                return;
            }
            scatter(found, to, &party, &mut self.chance);
        }
    }

    fn hashes(&self) -> Vec<(Digest, usize)> {
        let linked = |peer: &super::Peer| super::linked(&peer.database, &self.party).len();
        let hash = |peer: &super::Peer| peer.party(&self.party).state_hash().unwrap();
        self.peers.iter().map(|peer| (hash(peer), linked(peer))).collect()
    }
}

/// What somebody may not do, or what is not so here, is an answer; anything else is not.
fn expected(error: &Error) {
    let fine = matches!(error, Error::NotAllowed { .. } | Error::OwnFeedWaits { .. } | Error::Invitation(_));
    assert!(fine, "{error}");
}
