//! One replica that takes in entries one by one, and the next entry of somebody.

use std::collections::BTreeSet;

use motet_feed::{EntryKind, Graph};
use motet_party::{Authority, Credential, CredentialId, Effect, Reason, Role};

use super::{Said, admission, body, control_key, data_key, found, identity, party, say};

pub(crate) struct World {
    pub(crate) graph: Graph,
    pub(crate) authority: Authority,
}

impl World {
    pub(crate) fn new() -> Self {
        World { graph: Graph::default(), authority: Authority::new(party()) }
    }

    pub(crate) fn take(&mut self, said: &Said) -> Result<Effect, Reason> {
        assert_eq!(self.graph.check(&said.entry), Ok(()));
        let result = match said.entry.header().kind {
            EntryKind::Control => self.authority.admit(&said.entry, &said.body, &self.graph),
            EntryKind::Data => self.authority.judge(&said.entry, &self.graph).map(|()| Effect::default()),
        };
        self.graph.link(&said.entry, result.is_ok());
        result.map_err(|refusal| {
            assert_eq!((refusal.id, refusal.feed), (said.id(), said.entry.header().feed));
            assert!(refusal.to_string().contains(&said.id().to_string()));
            self.authority.refuse(&refusal);
            *refusal.reason
        })
    }

    pub(crate) fn taken(&mut self, said: Said) -> Said {
        assert_eq!(self.take(&said).err(), None);
        said
    }

    pub(crate) fn judge(&self, said: &Said) -> Result<(), Reason> {
        self.authority.judge(&said.entry, &self.graph).map_err(|refusal| *refusal.reason)
    }

    /// The next entry of the founder.
    pub(crate) fn say(
        &mut self,
        last: &Said,
        credentials: Vec<Credential>,
    ) -> (Said, Result<Effect, Reason>) {
        let genesis = self.authority.genesis().map(|(id, _)| id).expect("a party has a genesis");
        let said = control(0, CredentialId::of(genesis, 2), &[last], credentials);
        let result = self.take(&said);
        (said, result)
    }

    pub(crate) fn role(&self, person: usize) -> Option<Role> {
        self.authority.role_of_member(&identity(person), &self.graph)
    }

    pub(crate) fn counts(&self, said: &Said) -> bool {
        self.authority.counts(&said.id(), &self.graph)
    }
}

pub(crate) fn control(
    person: usize,
    under: CredentialId,
    causes: &[&Said],
    credentials: Vec<Credential>,
) -> Said {
    say(&control_key(person), EntryKind::Control, causes, body(Some(under), credentials))
}

pub(crate) fn data(person: usize, causes: &[&Said]) -> Said {
    say(&data_key(person), EntryKind::Data, causes, body(None, Vec::new()))
}

pub(crate) fn founded() -> (World, Said) {
    let (mut world, genesis) = (World::new(), found());
    let effect = world.take(&genesis).unwrap_or_else(|reason| unreachable!("{reason}"));
    let feeds = BTreeSet::from([control_key(0).public(), data_key(0).public()]);
    assert_eq!(effect, Effect { feeds, membership: true });
    (world, genesis)
}

/// A party with a second member.
pub(crate) fn with_second(role: Role) -> (World, Said, Said) {
    let (mut world, genesis) = founded();
    let (admits, result) = world.say(&genesis, admission(1, role, None));
    assert!(result.is_ok());
    (world, genesis, admits)
}
