//! Taking in control entries, and counting what they state.
//!
//! *Authorised* (H8) is judged once, when an entry is linked, on its causal past alone; an entry with one credential
//! that is not authorised is refused whole, for ever.
//!
//! *Counted* (H9) is a function of the set of control entries. Which acts take effect is settled by H11
//! (`conflict`); a statement counts if no act that takes effect threatens it; an entry counts if what it acts
//! under does, and no act that takes effect cuts it. Since each names what it rests on, there is nothing else to it: of
//! the redemptions of an invitation the first in order H6 counts because it threatens the others.
//!
//! A new entry is in nobody's past yet, so what it changes is found by going down from what it takes away, and most
//! entries take away nothing. The acts are settled anew only if a new one threatens another.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Cid, PublicKey};
use motet_feed::{Entry, Graph, Position};

use crate::conflict::settle;
use crate::judge::Judge;
use crate::statement::{Place, Statement};
use crate::{ControlBody, Credential, CredentialId, Genesis, InvitationId, Reason, Refusal, Subject};

/// An authorised control entry.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) position: Position,
    pub(crate) causes: Vec<Cid>,
    /// The admission of its feed; none for a genesis.
    pub(crate) under: Option<Place>,
    pub(crate) genesis: Option<Box<Genesis>>,
    pub(crate) statements: Vec<Statement>,
    /// Which of the statements count.
    pub(crate) counted: Vec<bool>,
}

/// A statement that takes something away.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    pub(crate) place: Place,
    /// The acts that it threatens.
    targets: BTreeSet<usize>,
    pub(crate) effective: bool,
}

/// What endangers the entries of a feed.
#[derive(Clone, Debug, Default)]
struct Dangers {
    /// The acts that threaten its admission.
    threats: BTreeSet<usize>,
    /// The acts that close it.
    closers: BTreeSet<usize>,
}

/// What changed when a control entry was taken in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// Feeds of which other entries may count than before.
    pub feeds: BTreeSet<PublicKey>,
    /// Whether members, devices or invitations that count may have changed.
    pub membership: bool,
}

/// Who may write in one party.
#[derive(Clone, Debug)]
pub struct Authority {
    party: PublicKey,
    records: Vec<Record>,
    numbers: BTreeMap<Cid, usize>,
    order: BTreeMap<Position, usize>,
    refused: BTreeMap<Cid, Box<Reason>>,
    pub(crate) members: BTreeMap<PublicKey, Vec<Place>>,
    pub(crate) devices: BTreeMap<PublicKey, Vec<Place>>,
    pub(crate) feeds: BTreeMap<PublicKey, Vec<Place>>,
    pub(crate) invitations: BTreeMap<InvitationId, Vec<Place>>,
    /// Admissions by the invitation they redeem.
    redemptions: BTreeMap<Place, Vec<Place>>,
    /// Statements by the one they rest on.
    resting: BTreeMap<Place, Vec<Place>>,
    /// Control entries by the admission they act under.
    written: BTreeMap<Place, Vec<usize>>,
    acts: Vec<Act>,
    act_numbers: BTreeMap<Place, usize>,
    endings: BTreeMap<Subject, Vec<usize>>,
    forks: BTreeMap<PublicKey, Vec<usize>>,
    revocations: BTreeMap<Place, Vec<usize>>,
    /// Of the admissions of feeds that are in any: asked for every entry of data.
    dangers: BTreeMap<Place, Dangers>,
    /// The feeds that are cut at an entry which was not here yet, or is none of control.
    cut_points: BTreeMap<Cid, BTreeSet<PublicKey>>,
}

impl Authority {
    /// A party of which no control entry is here yet.
    pub fn new(party: PublicKey) -> Self {
        Authority {
            party,
            records: Vec::new(),
            numbers: BTreeMap::new(),
            order: BTreeMap::new(),
            refused: BTreeMap::new(),
            members: BTreeMap::new(),
            devices: BTreeMap::new(),
            feeds: BTreeMap::new(),
            invitations: BTreeMap::new(),
            redemptions: BTreeMap::new(),
            resting: BTreeMap::new(),
            written: BTreeMap::new(),
            acts: Vec::new(),
            act_numbers: BTreeMap::new(),
            endings: BTreeMap::new(),
            forks: BTreeMap::new(),
            revocations: BTreeMap::new(),
            dangers: BTreeMap::new(),
            cut_points: BTreeMap::new(),
        }
    }

    /// The party's key.
    pub fn party(&self) -> PublicKey {
        self.party
    }

    /// Whether a data entry is authorised (H8): a cause admits its feed, or the entry before it is authorised; and in
    /// its past nothing ended that admission. All causes must be linked, and refused ones named by
    /// [`Authority::refuse`]; itself it may be linked or not.
    ///
    /// # Errors
    /// [`Refusal`]: the entry is refused for ever.
    pub fn judge(&self, entry: &Entry, graph: &Graph) -> Result<(), Refusal> {
        Judge::new(self, graph, entry).data().map_err(|reason| refusal(entry, reason))
    }

    /// Whether a control entry is authorised (H8). All its causes must be linked and admitted or refused; itself it
    /// may be linked or not.
    ///
    /// # Errors
    /// [`Refusal`]: the entry is refused for ever.
    pub fn judge_control(&self, entry: &Entry, body: &ControlBody, graph: &Graph) -> Result<(), Refusal> {
        let judged = Judge::new(self, graph, entry).control(body);
        judged.map(|_| ()).map_err(|reason| refusal(entry, reason))
    }

    /// Judges a control entry and takes it in. An entry that is in already has no effect; one that is not authorised is
    /// remembered as refused.
    ///
    /// # Errors
    /// [`Refusal`]: the entry is refused for ever.
    pub fn admit(&mut self, entry: &Entry, body: &ControlBody, graph: &Graph) -> Result<Effect, Refusal> {
        if self.numbers.contains_key(&entry.id()) {
            return Ok(Effect::default());
        }
        match Judge::new(self, graph, entry).control(body) {
            Ok((under, statements)) => {
                let genesis = match body.credentials.as_slice() {
                    [Credential::Genesis(genesis)] => Some(genesis.clone()),
                    _ => None,
                };
                let (position, causes) = (entry.position(), entry.header().causes.clone());
                let counted = vec![false; statements.len()];
                let record = Record { position, causes, under, genesis, statements, counted };
                Ok(self.take(record, graph))
            }
            Err(reason) => {
                let refusal = refusal(entry, reason);
                self.refuse(&refusal);
                Err(refusal)
            }
        }
    }

    /// Remembers that an entry is refused: what follows it on its feed is, too.
    pub fn refuse(&mut self, refusal: &Refusal) {
        self.refused.insert(refusal.id, refusal.reason.clone());
    }

    /// Why an entry was refused, if it was.
    pub fn refused(&self, id: &Cid) -> Option<&Reason> {
        self.refused.get(id).map(Box::as_ref)
    }

    /// The entries that were refused, ascending.
    pub fn refusals(&self) -> impl Iterator<Item = Cid> + '_ {
        self.refused.keys().copied()
    }

    /// Whether an entry was refused.
    pub fn is_refused(&self, id: &Cid) -> bool {
        self.refused.contains_key(id)
    }

    /// Whether a credential counts: nothing that takes effect withdrew it.
    pub fn credential_counts(&self, id: &CredentialId) -> bool {
        self.place_of(id).is_some_and(|place| self.is_counted(place))
    }

    /// Whether what a credential takes away is taken: a removal that others removed does nothing.
    pub fn takes_effect(&self, id: &CredentialId) -> bool {
        let act = self.place_of(id).and_then(|place| self.act_at(place));
        act.is_some_and(|act| self.acts[act].effective)
    }

    fn place_of(&self, id: &CredentialId) -> Option<Place> {
        let record = self.record_of(&id.entry?)?;
        let number = usize::try_from(id.number).ok()?;
        (number < self.record(record).statements.len()).then_some(Place { record, number })
    }

    /// Whether a linked entry counts (H9).
    pub fn counts(&self, id: &Cid, graph: &Graph) -> bool {
        match (self.numbers.get(id), graph.position(id)) {
            (Some(&record), _) => self.stands(record, graph),
            (None, Some(position)) => self.counts_data(&position, graph),
            _ => false,
        }
    }

    /// The same of a data entry that is linked, by its position.
    pub fn counts_data(&self, position: &Position, graph: &Graph) -> bool {
        !self.is_refused(&position.id) && self.data_counts(position, graph)
    }

    /// The feeds of which other entries may count once this data entry is linked: a removal names it as the last that
    /// does.
    pub fn feeds_cut_at(&self, id: &Cid) -> impl Iterator<Item = PublicKey> + '_ {
        self.cut_points.get(id).into_iter().flatten().copied()
    }

    /// The entries of data that cuts name. Whoever lacks one, since it does not count, must ask for it all the same:
    /// what lies before it may.
    pub fn cut_points(&self) -> impl Iterator<Item = Cid> + '_ {
        self.cut_points.keys().copied()
    }

    /// Whether a cut names an entry: whether it is there may change who counts.
    pub fn is_cut_point(&self, id: &Cid) -> bool {
        self.cut_points.contains_key(id)
    }

    fn stands(&self, record: usize, graph: &Graph) -> bool {
        self.record(record).under.is_none_or(|under| self.is_counted(under))
            && !self.any_effective(self.cutters(record, graph))
    }

    fn data_counts(&self, position: &Position, graph: &Graph) -> bool {
        let places = self.feed_places(&position.feed);
        let known = |place: &Place| places.len() == 1 || self.is_known(&position.id, *place, graph);
        places
            .iter()
            .any(|&place| self.is_counted(place) && known(&place) && self.is_left(place, position, graph))
    }

    /// Whether a statement is in the past of an entry.
    pub(crate) fn is_known(&self, entry: &Cid, place: Place, graph: &Graph) -> bool {
        let granting = self.id_at(place);
        graph.obeyed(&[*entry]).iter().any(|head| graph.reaches(head, &granting))
    }

    /// Whether no act that takes effect cuts a data entry of a feed.
    fn is_left(&self, feed: Place, position: &Position, graph: &Graph) -> bool {
        let closers = self.dangers.get(&feed).into_iter().flat_map(|dangers| dangers.closers.iter().copied());
        closers.filter(|act| self.acts[*act].effective).all(|act| self.leaves(act, position, graph))
    }

    fn any_effective(&self, acts: BTreeSet<usize>) -> bool {
        acts.into_iter().any(|act| self.acts[act].effective)
    }

    // Taking in.

    fn take(&mut self, record: Record, graph: &Graph) -> Effect {
        let number = self.records.len();
        self.numbers.insert(record.position.id, number);
        self.order.insert(record.position, number);
        if let Some(under) = record.under {
            self.written.entry(under).or_default().push(number);
        }
        self.records.push(record);
        let mut acts = Vec::new();
        for place in self.places(number) {
            self.index(place);
            acts.extend(self.new_acts(place));
        }
        let mut effect = Effect::default();
        self.settle_with(&acts, graph, &mut effect);
        for place in self.places(number) {
            let threats = self.threats(place, graph);
            if self.statement(place).feed().is_some() {
                let closers = self.closers(&self.author(place), graph);
                self.endanger(place, threats.iter().copied(), closers);
            }
            self.set_counted(place, !self.any_effective(threats), &mut effect);
        }
        effect
    }

    fn endanger(
        &mut self,
        feed: Place,
        threats: impl IntoIterator<Item = usize>,
        closers: impl IntoIterator<Item = usize>,
    ) {
        let (mut threats, mut closers) = (threats.into_iter().peekable(), closers.into_iter().peekable());
        if threats.peek().is_some() || closers.peek().is_some() {
            let dangers = self.dangers.entry(feed).or_default();
            dangers.threats.extend(threats);
            dangers.closers.extend(closers);
        }
    }

    fn index(&mut self, place: Place) {
        let statement = self.records[place.record].statements[place.number].clone();
        if let Some(below) = statement.rests_on() {
            self.resting.entry(below).or_default().push(place);
        }
        for (feed, last) in statement.cuts().iter().flat_map(|cuts| &cuts.other) {
            for id in last {
                self.cut_points.entry(*id).or_default().insert(*feed);
            }
        }
        if let Some(invitation) = statement.redeems() {
            self.redemptions.entry(invitation).or_default().push(place);
        }
        match statement {
            Statement::Member { member, .. } => self.members.entry(member).or_default().push(place),
            Statement::Device { device, .. } => self.devices.entry(device).or_default().push(place),
            Statement::Feed { feed, .. } => self.feeds.entry(feed).or_default().push(place),
            Statement::Invitation { id, .. } => self.invitations.entry(id).or_default().push(place),
            Statement::Removal { .. } | Statement::Revocation { .. } | Statement::Fork { .. } => {}
        }
    }

    /// The acts that a new statement is, and makes of others: two redemptions of one invitation are acts both.
    fn new_acts(&mut self, place: Place) -> Vec<usize> {
        let statement = self.statement(place).clone();
        let mut acts = Vec::new();
        if let Some(invitation) = statement.redeems() {
            let redemptions = self.redemptions[&invitation].clone();
            let contested = redemptions.len() > 1;
            let new =
                redemptions.into_iter().filter(|place| contested && !self.act_numbers.contains_key(place));
            let new: Vec<Place> = new.collect();
            acts.extend(new.into_iter().map(|place| self.new_act(place)));
        } else if statement.cuts().is_some() || matches!(statement, Statement::Revocation { .. }) {
            acts.push(self.new_act(place));
        }
        for &act in &acts {
            match &statement {
                Statement::Revocation { invitation } => {
                    self.revocations.entry(*invitation).or_default().push(act);
                }
                Statement::Fork { feed, .. } => self.forks.entry(*feed).or_default().push(act),
                statement => {
                    if let Some(subject) = statement.ends() {
                        self.endings.entry(subject).or_default().push(act);
                    }
                }
            }
        }
        acts
    }

    fn new_act(&mut self, place: Place) -> usize {
        let act = self.acts.len();
        self.acts.push(Act { place, targets: BTreeSet::new(), effective: false });
        self.act_numbers.insert(place, act);
        act
    }

    /// Settles what takes effect now that there are these acts too, and counts anew what others take away.
    fn settle_with(&mut self, new: &[usize], graph: &Graph, effect: &mut Effect) {
        let mut threatens = false;
        for &act in new {
            let threatened = self.threatened(self.acts[act].place, graph);
            let targets = threatened.iter().filter_map(|place| self.act_at(*place));
            self.acts[act].targets = targets.filter(|target| *target != act).collect();
            threatens |= !self.acts[act].targets.is_empty();
            for place in threatened {
                if self.statement(place).feed().is_some() {
                    self.endanger(place, [act], []);
                }
            }
            for feed in self.closed(self.acts[act].place, graph) {
                self.endanger(feed, [], [act]);
            }
            for other in self.threats(self.acts[act].place, graph).into_iter().filter(|other| *other != act) {
                self.acts[other].targets.insert(act);
            }
        }
        let mut changed = Vec::new();
        if threatens {
            let targets = |act: usize| &self.acts[act].targets;
            let effective = settle((0..self.acts.len()).collect(), &targets);
            changed.extend(
                (0..self.acts.len()).filter(|act| self.acts[*act].effective != effective.contains(act)),
            );
        } else {
            for &act in new {
                let mut threats = self.threats(self.acts[act].place, graph);
                threats.remove(&act);
                changed.extend((!self.any_effective(threats)).then_some(act));
            }
        }
        for &act in &changed {
            self.acts[act].effective ^= true;
        }
        for act in changed {
            self.spread(self.acts[act].place, graph, effect);
        }
    }

    /// Counts anew what an act that began or ceased to take effect takes away.
    fn spread(&mut self, act: Place, graph: &Graph, effect: &mut Effect) {
        effect.membership = true;
        for feed in self.closed(act, graph) {
            effect.feeds.extend(self.statement(feed).feed());
        }
        for place in self.threatened(act, graph) {
            let counted = !self.any_effective(self.threats(place, graph));
            self.set_counted(place, counted, effect);
        }
    }

    fn set_counted(&mut self, place: Place, counted: bool, effect: &mut Effect) {
        let record = &mut self.records[place.record];
        if std::mem::replace(&mut record.counted[place.number], counted) != counted {
            match &record.statements[place.number] {
                Statement::Feed { feed, .. } => {
                    effect.feeds.insert(*feed);
                }
                _ => effect.membership = true,
            }
        }
    }

    // Looking up.

    /// The acts that threaten the admission of a feed, or close it.
    pub(crate) fn dangers(&self, feed: Place) -> impl Iterator<Item = usize> + '_ {
        let dangers = self.dangers.get(&feed).into_iter();
        dangers.flat_map(|dangers| dangers.threats.iter().chain(&dangers.closers).copied())
    }

    pub(crate) fn records(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn record(&self, number: usize) -> &Record {
        &self.records[number]
    }

    pub(crate) fn record_of(&self, id: &Cid) -> Option<usize> {
        self.numbers.get(id).copied()
    }

    pub(crate) fn statement(&self, place: Place) -> &Statement {
        &self.records[place.record].statements[place.number]
    }

    pub(crate) fn places(&self, record: usize) -> impl Iterator<Item = Place> + use<> {
        (0..self.records[record].statements.len()).map(move |number| Place { record, number })
    }

    pub(crate) fn act(&self, act: usize) -> &Act {
        &self.acts[act]
    }

    pub(crate) fn act_at(&self, place: Place) -> Option<usize> {
        self.act_numbers.get(&place).copied()
    }

    /// The acts that take effect among those that a test lets pass.
    pub(crate) fn settle_among(&self, among: impl Fn(&Act) -> bool) -> BTreeSet<usize> {
        let acts = (0..self.acts.len()).filter(|act| among(&self.acts[*act])).collect();
        settle(acts, &|act| &self.acts[act].targets)
    }

    pub(crate) fn endings(&self, subject: &Subject) -> &[usize] {
        self.endings.get(subject).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn forks(&self, feed: &PublicKey) -> &[usize] {
        self.forks.get(feed).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn revocations(&self, invitation: Place) -> &[usize] {
        self.revocations.get(&invitation).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn redemptions(&self, invitation: Place) -> &[Place] {
        self.redemptions.get(&invitation).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn feed_places(&self, feed: &PublicKey) -> &[Place] {
        self.feeds.get(feed).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn resting_on(&self, place: Place) -> impl Iterator<Item = Place> + '_ {
        self.resting.get(&place).into_iter().flatten().copied()
    }

    pub(crate) fn written_under(&self, feed: Place) -> impl Iterator<Item = usize> + '_ {
        self.written.get(&feed).into_iter().flatten().copied()
    }

    pub(crate) fn is_counted(&self, place: Place) -> bool {
        self.records[place.record].counted[place.number]
    }

    pub(crate) fn id_at(&self, place: Place) -> Cid {
        self.records[place.record].position.id
    }

    /// Sorts as statements do: by order H6, then by number in the body.
    pub(crate) fn rank(&self, place: Place) -> (Position, usize) {
        (self.records[place.record].position, place.number)
    }

    /// The authorised entries, in order H6.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = usize> + '_ {
        self.order.values().copied()
    }
}

fn refusal(entry: &Entry, reason: Reason) -> Refusal {
    let header = entry.header();
    Refusal { id: entry.id(), feed: header.feed, seq: header.seq, reason: Box::new(reason) }
}
