//! Random histories: whatever the order of arrival, everybody who has the same entries has the same party.
//!
//! Each case is a story from a seed: a few people who join one after another, write over one another, fork
//! each other's feeds, remove one another and take one another back, edit texts and lists, move items into each other,
//! delete and purge them, take back what they said, meet in any order with entries lost, doubled and shuffled, close
//! and open their databases, and have views open meanwhile on all runtimes. In the end all have everything, and then
//! must hold: the state hash of each is that of all, and of a fold from scratch; each view holds what a fresh one on
//! the evaluator that defines the semantics holds, and its changes add up to that; the facts are the ones a stupid
//! reader finds in the entries that count, and the tree is the replay of its moves; and what somebody had on the way
//! is there again as of then.
//!
//! `MOTET_CASES` says how many stories there are, `MOTET_CASE` replays one.

mod strife;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::bound::assert_twins;
use crate::common::{Peer, assert_sound, everything, fetch, linked, rows, scatter, send};
use motet::authority::Role;
use motet::fact::{Cid, Digest, Entity, Fact, PublicKey, Value};
use motet::item::{BaseRelation, Facts, ItemId, List, ListEdit, Log, Object, PartBody, Reference, Text};
use motet::model::LIBRARY;
use motet::{AsOf, Database, Error, Limits, ModelBlock, Parameters, RuntimeKind, Stand, Transaction, View};
use motet_algebra::{Budget, Changes};
use motet_feed::{Entry, EntryKind};
use motet_store::Table;
use motet_store::testing::Chance;
use motet_sync::Replica as _;

const QUERIES: [&str; 10] = [
    r#"output all.
       all(e: E, a: A, v: V, c: C) :- C := fact(entity: E, attribute: A, value: V)."#,
    r#"output title. output conflict.
       title(of: E, is: T) :- attr(entity: E, attribute: "title", value: T).
       conflict(of: E, n: N) :- attr(entity: E, attribute: "title"),
                                N := count : candidate(entity: E, attribute: "title"), N > 1."#,
    r#"output below.
       below(up: P, down: I) :- item(id: I, parent: P).
       below(up: P, down: I) :- item(id: X, parent: P), below(up: X, down: I)."#,
    r#"output latest.
       latest(e: E, c: C) :- C := fact(entity: E), !cause(parent: C)."#,
    r#"output who. output owns. output stands.
       who(id: M, name: N, role: R, since: S, until: U) :-
           member(id: M, role: R, name: N, since: S, until: U).
       owns(d: D, m: M) :- device(id: D, member: M).
       stands(c: C, d: D) :- entry(cid: C, depth: D, counted: true)."#,
    r#"output tallest. output gone.
       tallest(h: H) :- H := max X : height(height: X).
       gone(i: I, m: M) :- item(id: I, model: M, deleted: true)."#,
    r#"output hangs.
       hangs(i: I, p: P) :- item(id: I, parent: P)."#,
    r#"output stands. output points. output counts.
       stands(l: L, i: I, k: K) :- element(list: L, item: I, order_key: K).
       points(f: F, a: A, t: T) :- refers(from: F, attribute: A, to: T).
       counts(i: I, a: A, v: V) :- attr(entity: I, attribute: A, value: V)."#,
    // What does not count is not everywhere, so this is not the same everywhere.
    r#"output lane. output other.
       lane(f: F, n: N, forked: K) :- feed(id: F, length: N, forked: K).
       other(c: C) :- entry(cid: C, counted: false)."#,
    r#"output reads.
       reads(i: I, t: T) :- attr(entity: I, attribute: "text", value: T)."#,
];
/// The query whose answer depends on what has not been counted here.
const LOCAL: usize = 8;

type Sums = BTreeMap<String, BTreeMap<Vec<Value>, i64>>;

/// A view, and the sum of the changes it told.
struct Watched {
    peer: usize,
    query: usize,
    view: View,
    sums: Sums,
}

impl Watched {
    fn open(database: &Database, party: &PublicKey, peer: usize, query: usize, runtime: RuntimeKind) -> Self {
        let view = view(database, party, query, runtime);
        let mut sums = Sums::new();
        for (output, rows) in view.contents() {
            sums.insert(output.to_string(), rows.iter().map(|row| (row.clone(), 1)).collect());
        }
        Watched { peer, query, view, sums }
    }

    fn poll(&mut self) -> bool {
        let changes = self.view.poll().unwrap();
        changes.map(|changes| self.add(changes)).is_some()
    }

    fn add(&mut self, changes: Changes) {
        for (output, rows) in changes {
            let sums = self.sums.entry(output.to_string()).or_default();
            for (row, weight) in rows {
                let sum = sums.entry(row.clone()).or_default();
                *sum += weight;
                assert!([0, 1].contains(sum), "{output} {row:?} is there {sum} times");
                if *sum == 0 {
                    sums.remove(&row);
                }
            }
        }
    }

    fn check(&mut self, reference: &View) {
        while self.poll() {}
        assert_eq!(self.view.contents(), reference.contents(), "query {}", self.query);
        for (output, rows) in self.view.contents() {
            let sums: BTreeSet<&Vec<Value>> = self.sums[&output.to_string()].keys().collect();
            assert_eq!(sums, rows.iter().collect(), "the changes of {output} add up");
        }
    }
}

fn view(database: &Database, party: &PublicKey, query: usize, runtime: RuntimeKind) -> View {
    let party = database.party(party).unwrap();
    party.watch_on("story", QUERIES[query], &Parameters::new(), runtime, Budget::default()).unwrap()
}

struct Story {
    chance: Chance,
    party: PublicKey,
    peers: Vec<Peer>,
    /// How many of them have been admitted.
    joined: usize,
    /// For each peer the feeds it may write to besides its own.
    lent: Vec<Vec<PublicKey>>,
    /// For each peer the feed it last wrote to.
    wrote: Vec<Option<PublicKey>>,
    items: Vec<ItemId>,
    watched: Vec<Watched>,
    /// What somebody had, and its hash.
    moments: Vec<(AsOf, Digest)>,
    /// How many edits of texts and lists were tried.
    edits: usize,
    /// Whether views may run on the cluster.
    cluster: bool,
}

impl Story {
    fn begin(seed: u64) -> Self {
        let mut chance = Chance(seed);
        let count = 3 + chance.below(3);
        let mut peers: Vec<Peer> =
            (0..count).map(|n| Peer::new(&format!("peer {n}"), seed * 100 + n)).collect();
        for (peer, number) in peers.iter_mut().zip(seed..).filter(|(_, number)| number % 3 > 0) {
            // Some make checkpoints all the time, and keep hardly anything in memory.
            let (facts_in_memory, checkpoint_entries) = (number as usize % 50, 1 + number as u32 % 7);
            let (parts_unsaved, parts_whole) = (1 + number as usize % 4, number as usize % 5);
            let usual = Limits::default();
            peer.set_limits(Limits {
                facts_in_memory,
                checkpoint_entries,
                parts_unsaved,
                parts_whole,
                ..usual
            });
        }
        let party = peers[0].database.create_party("Story").unwrap().key();
        for (name, program) in LIBRARY {
            // Items of these are registers, sets and counters, whatever is said of them.
            if ["last-writer", "set", "counter"].contains(&name) {
                peers[0].party(&party).publish_model(name, &ModelBlock::new(program)).unwrap();
            }
        }
        let (lent, wrote) = (vec![Vec::new(); peers.len()], vec![None; peers.len()]);
        let items = vec![ItemId::root(&party)];
        let cluster = chance.below(4) == 0;
        Story {
            chance,
            party,
            peers,
            joined: 1,
            lent,
            wrote,
            items,
            watched: Vec::new(),
            moments: Vec::new(),
            edits: 0,
            cluster,
        }
    }

    fn pick(&mut self, bound: usize) -> usize {
        self.chance.below(bound as u64) as usize
    }

    fn someone(&mut self) -> usize {
        self.pick(self.joined)
    }

    fn step(&mut self) {
        match self.pick(30) {
            0..=8 => self.write(),
            22..=24 => self.take_back(),
            25 => self.look_back(),
            9..=13 => self.meet(),
            14 => self.restart(),
            15 => self.lend(),
            16 | 17 => self.watch(),
            18 if self.pick(2) == 0 => {
                let peer = self.someone();
                assert_twins(&self.peers[peer].party(&self.party), 2, &mut self.chance);
            }
            18 => self.join(0),
            26..=29 => self.strive(),
            19 => {
                let inviter = self.someone();
                self.join(inviter);
            }
            _ => self.poll(),
        }
    }

    fn write(&mut self) {
        let peer = self.someone();
        let mut transaction = self.peers[peer].party(&self.party).transaction();
        if !self.lent[peer].is_empty() && self.pick(2) == 0 {
            let feed = self.pick(self.lent[peer].len());
            transaction = transaction.on_feed(self.lent[peer][feed]);
        }
        let mut made = Vec::new();
        let outcome = (0..1 + self.pick(3)).try_for_each(|_| self.fill(peer, &mut transaction, &mut made));
        match outcome.and_then(|()| transaction.commit()) {
            Ok(receipt) => {
                self.items.extend(made);
                self.wrote[peer] = Some(receipt.feed);
            }
            // Readers, newcomers who have not heard of their admission, lent feeds that were forked.
            Err(Error::NotAllowed { .. } | Error::OwnFeedWaits { .. } | Error::WouldCycle { .. }) => {}
            // Of several edits of one sequence the later ones may go past the end that the earlier ones left.
            Err(Error::Edit(_)) => {}
            Err(error) => panic!("a write failed: {error}"),
        }
    }

    fn fill(&mut self, peer: usize, into: &mut Transaction, made: &mut Vec<ItemId>) -> Result<(), Error> {
        let item = self.some_item();
        match self.pick(18) {
            0 | 1 => {
                let published = self.peers[peer].party(&self.party).published_models().unwrap();
                let mut models =
                    vec![Object::NAME, Object::NAME, Facts::NAME, Log::NAME, Text::NAME, List::NAME];
                let here = published.iter().filter(|(_, model)| model.is_here);
                models.extend(here.map(|(name, _)| name.as_str()));
                let model = models[self.pick(models.len())];
                let kind = [None, Some("note")][self.pick(2)];
                made.push(into.create_item(model, kind, Some(item))?);
            }
            2..=3 => {
                let attribute = ["title", "done", "done.by"][self.pick(3)];
                into.set(item, attribute, self.value());
            }
            4..=6 => {
                let parent = self.some_item();
                into.place(item, parent, [Stand::Last, Stand::First][self.pick(2)]);
            }
            7 => match self.pick(8) {
                0 => into.purge(item),
                number if number % 2 == 0 => into.delete(item),
                _ => into.restore(item),
            },
            8 => into.remove(item, ["title", "done"][self.pick(2)]),
            9 => into.add(item, "tags", self.value()),
            10 => into.take(item, "tags", self.value()),
            11 => into.increment(item, "count", self.pick(5) as i64 - 2),
            12 => {
                into.append(item, [("line".into(), self.value())])?;
            }
            13..=16 => self.edit(peer, into),
            _ => {
                let fact = self.fact(peer, item);
                into.state(item, fact);
            }
        }
        Ok(())
    }

    /// A change of a text or a list that the peer knows, if there is one.
    fn edit(&mut self, peer: usize, into: &mut Transaction) {
        let party = self.peers[peer].party(&self.party);
        let len = |item: &ItemId| {
            let text = party.text(*item).and_then(|text| text.read(|text| text.len()));
            text.ok().map(|len| (*item, true, len)).or_else(|| {
                let list = party.list(*item).and_then(|list| list.len());
                list.ok().map(|len| (*item, false, len))
            })
        };
        let known: Vec<(ItemId, bool, usize)> = self.items.iter().filter_map(len).collect();
        if known.is_empty() {
            return;
        }
        self.edits += 1;
        let (item, is_text, len) = known[self.pick(known.len())];
        let from = self.pick(len + 1);
        let to = from + self.pick(len + 1 - from);
        if is_text {
            let insert = ["", "a", "bc", "ü🎵", "seven b"][self.pick(5)];
            into.text(item).replace(from..to.min(from + 3), insert);
        } else {
            let value = self.value();
            into.list(item).edit(match self.pick(5) {
                0 if from < len => ListEdit::Move { from, to: to.min(len - 1) },
                1 if from < len => ListEdit::Set { at: from, value },
                2 => ListEdit::Remove(from..to.min(from + 2)),
                3 => ListEdit::Push(vec![value]),
                _ => ListEdit::Insert { at: from, values: vec![value; 1 + len % 2] },
            });
        }
    }

    /// Somebody takes back what they said last of an item, or says it again.
    fn take_back(&mut self) {
        let (peer, item, redo) = (self.someone(), self.some_item(), self.pick(3) == 0);
        let party = self.peers[peer].party(&self.party);
        match if redo { party.redo(item) } else { party.undo(item) } {
            Ok(_) => {}
            Err(
                Error::NotAllowed { .. }
                | Error::OwnFeedWaits { .. }
                | Error::NoSuchItem { .. }
                | Error::CannotUndo { .. },
            ) => {}
            Err(error) => panic!("taking back failed: {error}"),
        }
    }

    /// What a peer has now is remembered, and looked back at in the end.
    fn look_back(&mut self) {
        let peer = self.someone();
        if !self.peers[peer].database.blocks_lacking(&self.party).is_empty() {
            return; // it knows nothing of the state of some items
        }
        if self.lacks_cut_points(peer) {
            return; // it does not know yet what counts of what it has
        }
        let heads = self.peers[peer].database.heads(&self.party);
        let at = AsOf::Heads([heads.control, heads.data].concat());
        let hash = self.peers[peer].party(&self.party).state_hash().unwrap();
        self.moments.push((at, hash));
    }

    /// Whether a peer may have yet to get what a cut names: it asks for entries that none of those that wait waits for,
    /// or one of those may be named.
    fn lacks_cut_points(&self, peer: usize) -> bool {
        let party = self.peers[peer].party(&self.party);
        let waiting = party.status().waiting;
        let is_cut = party.feeds().values().any(|feed| feed.until.is_some());
        let causes: BTreeSet<Cid> = waiting.iter().flat_map(|(_, missing)| missing).copied().collect();
        let mut wanted = self.peers[peer].database.wanted(&self.party).into_iter();
        !waiting.is_empty() && is_cut || wanted.any(|id| !causes.contains(&id))
    }

    fn some_item(&mut self) -> ItemId {
        let number = self.pick(self.items.len());
        self.items[number]
    }

    fn value(&mut self) -> Value {
        let number = self.pick(4) as i64;
        match self.pick(5) {
            4 => Reference::here(self.some_item()).into(),
            0 => Value::Int(number),
            1 => Value::float(number as f64).unwrap(),
            2 => (number == 0).into(),
            _ => format!("text {number}").into(),
        }
    }

    /// A fact after some facts of the item that the peer knows; often one that somebody else states as well.
    fn fact(&mut self, peer: usize, item: ItemId) -> Fact {
        let mut known = Vec::new();
        let collect = |relation, row: Vec<Value>| {
            if relation == BaseRelation::Fact {
                known.extend(row[3].as_link());
            }
        };
        let party = self.peers[peer].party(&self.party);
        let mut collect = collect;
        let _ = party.item(item, |item| item.rows(&mut collect)); // an item that isn't here has no facts here
        let causes = known.into_iter().filter(|_| self.chance.below(3) == 0).take(3).collect();
        let entity = [item.entity(), Entity::from([1; 16])][self.pick(2)].clone();
        let value = self.value();
        Fact::new(entity, ["title", "said"][self.pick(2)].into(), value, causes).unwrap()
    }

    /// Some of what one has reaches another.
    fn meet(&mut self) {
        let (from, to) = (self.someone(), self.someone());
        let mut load = everything(&self.peers[from].database, &self.party);
        if self.pick(2) == 0 {
            load.retain(|_| self.chance.below(3) > 0);
        }
        scatter(load, &self.peers[to].database, &self.party, &mut self.chance);
        fetch(&self.peers[from].database, &self.peers[to].database, &self.party);
    }

    fn restart(&mut self) {
        let peer = self.someone();
        self.watched.retain(|watched| watched.peer != peer);
        self.peers[peer].reopen();
    }

    fn lend(&mut self) {
        let (from, to) = (self.someone(), self.someone());
        if let Some(feed) = self.wrote[from]
            && from != to
        {
            let party = self.peers[from].party(&self.party);
            party.hand_over_feed(&feed, &self.peers[to].database).unwrap();
            self.lent[to].push(feed);
            let (from, to) = (&self.peers[from].database, &self.peers[to].database);
            send(from, to, &self.party);
            fetch(from, to, &self.party);
            // Both write to it before they hear of each other.
            for database in [from, to] {
                let mut transaction = database.party(&self.party).unwrap().transaction().on_feed(feed);
                transaction.set(self.items[0], "title", database.profile().name.as_str());
                let outcome = transaction.commit();
                assert!(matches!(
                    outcome,
                    Ok(_) | Err(Error::NotAllowed { .. } | Error::OwnFeedWaits { .. })
                ));
            }
        }
    }

    fn watch(&mut self) {
        let (peer, query) = (self.someone(), self.pick(QUERIES.len()));
        let others = [RuntimeKind::Naive, RuntimeKind::Native];
        let runtime = if self.cluster { RuntimeKind::Cluster } else { others[self.pick(2)] };
        let watched = Watched::open(&self.peers[peer].database, &self.party, peer, query, runtime);
        self.watched.push(watched);
    }

    fn poll(&mut self) {
        if !self.watched.is_empty() {
            let watched = self.pick(self.watched.len());
            self.watched[watched].poll();
        }
    }

    fn join(&mut self, inviter: usize) {
        if self.joined == self.peers.len() {
            return;
        }
        let role = [Role::Reader, Role::Writer, Role::Writer, Role::Admin][self.pick(4)];
        match self.peers[inviter].admit(&self.party, &self.peers[self.joined], role) {
            Ok(_) => self.joined += 1,
            Err(Error::NotAllowed { .. }) => {}
            Err(error) => panic!("a joining failed: {error}"),
        }
    }

    /// Everybody gets everything.
    fn gather(&mut self) {
        if self.joined < self.peers.len() {
            self.recover();
        }
        while self.joined < self.peers.len() {
            self.join(0);
        }
        self.settle();
        for peer in 1..self.peers.len() {
            fetch(&self.peers[0].database, &self.peers[peer].database, &self.party);
        }
    }

    fn check(&mut self) {
        let party = self.party;
        let (ids, hash) = {
            let first = &self.peers[0];
            (linked(&first.database, &party), first.party(&party).state_hash().unwrap())
        };
        for peer in &self.peers {
            let handle = peer.party(&party);
            let status = handle.status();
            assert_eq!(linked(&peer.database, &party), ids, "all have the same entries");
            assert!(status.waiting.is_empty(), "nothing waits: {:?}", status.waiting);
            assert_eq!(rows(&*peer.store, Table("pending")), 0, "what waits no more is no longer on disk");
            assert!(status.refused.is_empty(), "nothing is refused: {:?}", status.refused);
            assert!(status.unauthorised.is_empty(), "all was allowed: {:?}", status.unauthorised);
            assert!(status.unreadable.is_empty(), "all can be read: {:?}", status.unreadable);
            assert_eq!(
                handle.state_hash().unwrap(),
                hash,
                "{} has the common state",
                peer.database.profile().name
            );
            assert_sound(&handle);
        }
        let peer = self.pick(self.peers.len());
        assert_twins(&self.peers[peer].party(&party), 3, &mut self.chance);
        self.check_views();
        self.check_facts();
        self.check_tree();
        let last = self.peers.len() - 1;
        for (at, hash) in &self.moments {
            // What does not count is not everywhere.
            if matches!(at, AsOf::Heads(heads) if heads.iter().any(|head| !ids.contains(head))) {
                continue;
            }
            let then = self.peers[last].party(&party).as_of(at).unwrap();
            assert_eq!(then.state_hash().unwrap(), *hash, "as it was for who had that much");
        }
        self.peers[0].reopen();
        assert_eq!(self.peers[0].party(&party).state_hash().unwrap(), hash, "opened again it is the same");
    }

    fn check_views(&mut self) {
        for mut watched in std::mem::take(&mut self.watched) {
            let other =
                if watched.query == LOCAL { watched.peer } else { (watched.peer + 1) % self.peers.len() };
            let reference = view(&self.peers[other].database, &self.party, watched.query, RuntimeKind::Naive);
            watched.check(&reference);
        }
    }

    /// The entries that count.
    fn counted(&self) -> BTreeSet<Cid> {
        let stands = view(&self.peers[0].database, &self.party, 4, RuntimeKind::Naive);
        stands.rows("stands").filter_map(|row| row[0].as_link()).collect()
    }

    /// The rows of `fact` are what the bodies of all entries that count say.
    fn check_facts(&mut self) {
        let mut said = BTreeSet::new();
        let counted = self.counted();
        for bundle in everything(&self.peers[0].database, &self.party) {
            let entry = Entry::decode(&bundle.entry).unwrap();
            if entry.header().kind == EntryKind::Data && counted.contains(&entry.id()) {
                let facts = bundle.parts.iter().flat_map(|part| PartBody::decode(part).unwrap().facts);
                said.extend(facts.map(|fact| fact.cid()));
            }
        }
        let last = self.peers.len() - 1;
        let view = view(&self.peers[last].database, &self.party, 0, RuntimeKind::Naive);
        let read: BTreeSet<Cid> = view.rows("all").filter_map(|row| row[3].as_link()).collect();
        assert_eq!(read, said);
    }
}

impl Story {
    /// The tree is what a replay of all moves that count from the beginning gives, and the rows of `item` show it.
    fn check_tree(&self) {
        let mut moves: BTreeMap<Cid, (motet_feed::Position, usize, ItemId, ItemId)> = BTreeMap::new();
        let (tree, counted) = (ItemId::tree(&self.party), self.counted());
        for bundle in everything(&self.peers[0].database, &self.party) {
            let entry = Entry::decode(&bundle.entry).unwrap();
            let parts = entry.header().parts.iter().zip(&bundle.parts);
            let facts = parts.filter(|(part, _)| ItemId(part.tag.0) == tree && counted.contains(&entry.id()));
            let facts = facts.flat_map(|(_, bytes)| PartBody::decode(bytes).unwrap().facts);
            for (index, fact) in facts.enumerate() {
                let parent = ItemId(*fact.value().as_bytes().unwrap().first_chunk().unwrap());
                let child = ItemId::from_value(&fact.entity().clone().into()).unwrap();
                let said = (entry.position(), index, child, parent);
                moves.entry(fact.cid()).and_modify(|first| *first = said.min(*first)).or_insert(said);
            }
        }
        let mut moves: Vec<_> = moves.into_values().collect();
        moves.sort_unstable();
        let root = ItemId::root(&self.party);
        let pairs = moves.into_iter().filter(|(.., child, _)| *child != root);
        let replayed = motet_algebra::moves::fold_moves(pairs.map(|(_, _, child, parent)| (child, parent)));
        for peer in &self.peers {
            let party = peer.party(&self.party);
            for item in party.items().unwrap() {
                assert_eq!(item.parent, replayed.get(&item.id).copied(), "where {} hangs", item.id);
            }
            let view = view(&peer.database, &self.party, 6, RuntimeKind::Naive);
            for row in view.rows("hangs") {
                let id = ItemId::from_value(&row[0]).unwrap();
                assert_eq!(ItemId::from_value(&row[1]), replayed.get(&id).copied());
            }
        }
    }
}

/// How much happened, so that nobody trusts a test of nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Events {
    entries: usize,
    waits: usize,
    forks: usize,
    conflicts: usize,
    views: usize,
    /// Members whose stint was ended.
    ended: usize,
    /// Entries that are somewhere and do not count.
    withdrawn: usize,
    edits: usize,
}

impl Story {
    fn uncounted(&self, peer: &Peer) -> usize {
        if peer.database.party(&self.party).is_err() {
            return 0;
        }
        view(&peer.database, &self.party, LOCAL, RuntimeKind::Naive).rows("other").count()
    }

    fn events(&self) -> Events {
        let party = self.peers[0].party(&self.party);
        let conflicts = view(&self.peers[0].database, &self.party, 1, RuntimeKind::Naive);
        Events {
            entries: party.entries(),
            waits: self.peers[..self.joined].iter().map(|peer| peer.party(&self.party).waiting()).sum(),
            forks: party.status().forked.len(),
            conflicts: conflicts.rows("conflict").count(),
            views: self.watched.len(),
            ended: party.stints().iter().filter(|stint| stint.until.is_some()).count(),
            withdrawn: self.peers.iter().map(|peer| self.uncounted(peer)).sum(),
            edits: self.edits,
        }
    }
}

fn tell(seed: u64) -> Events {
    let mut story = Story::begin(seed);
    for _ in 0..8 + story.pick(24) {
        story.step();
    }
    let before = story.events();
    story.gather();
    let after = story.events();
    let Events { forks, conflicts, ended, withdrawn, .. } = after;
    let events = Events { forks, conflicts, ended, withdrawn, ..before };
    story.check();
    events
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn all_replicas_agree_after_any_history() {
    if let Some(seed) = number("MOTET_CASE") {
        tell(seed);
        return;
    }
    let cases = number("MOTET_CASES").unwrap_or(1000);
    let told: Vec<Events> = std::thread::scope(|scope| {
        let teller =
            |first| scope.spawn(move || (first..cases).step_by(2).map(tell_or_name).collect::<Vec<_>>());
        let tellers = [teller(0), teller(1)];
        tellers.into_iter().flat_map(|teller| teller.join().unwrap()).collect()
    });
    let some = |count: fn(&Events) -> usize, words| {
        let stories = told.iter().filter(|events| count(events) > 0).count();
        assert!(told.len() < 100 || stories * 40 > told.len(), "only {stories} stories have {words}");
    };
    some(|events| events.entries.saturating_sub(8), "more than a few entries");
    some(|events| events.waits, "entries that wait");
    some(|events| events.forks, "forks");
    some(|events| events.conflicts, "conflicts");
    some(|events| events.views, "views");
    some(|events| events.ended, "stints that were ended");
    some(|events| events.withdrawn, "entries that were withdrawn");
    some(|events| events.edits, "edits of texts and lists");
}

fn tell_or_name(seed: u64) -> Events {
    catch_unwind(AssertUnwindSafe(|| tell(seed)))
        .unwrap_or_else(|_| panic!("story {seed} failed; tell it again with MOTET_CASE={seed}"))
}

/// Changes that nobody took out of a view's queue are merged, and none is lost.
#[test]
fn a_slow_reader_misses_nothing() {
    let ada = Peer::new("Ada", 1);
    let party = ada.database.create_party("Home").unwrap().key();
    for runtime in RuntimeKind::ALL {
        for query in 0..QUERIES.len() {
            let mut watched = Watched::open(&ada.database, &party, 0, query, runtime);
            for n in 0..100 {
                let item = ada.party(&party).create_item(Object::NAME, Some("note"), None).unwrap();
                ada.party(&party).set(item, "title", n).unwrap();
                ada.party(&party).set(ItemId::root(&party), "title", n).unwrap();
            }
            watched.check(&view(&ada.database, &party, query, RuntimeKind::Naive));
            assert!(watched.view.epoch() < 70, "{} epochs: the queue was merged", watched.view.epoch());
        }
    }
}

/// A feed that two databases write to forks; both branches count, and its owner goes on with a new feed.
#[test]
fn a_fork_keeps_both_branches_and_its_owner_goes_on() {
    let (ada, clone) = (Peer::new("Ada", 1), Peer::new("Ada's old laptop", 2));
    let party = ada.database.create_party("Home").unwrap();
    let key = party.key();
    ada.admit(&key, &clone, Role::Writer).unwrap();
    let feed = party.set(ItemId::root(&key), "title", "before").unwrap().feed;
    send(&ada.database, &clone.database, &key);
    party.hand_over_feed(&feed, &clone.database).unwrap();

    let mut other = clone.party(&key).transaction().on_feed(feed);
    other.set(ItemId::root(&key), "title", "there");
    other.commit().unwrap();
    party.set(ItemId::root(&key), "title", "here").unwrap();
    send(&ada.database, &clone.database, &key);
    send(&clone.database, &ada.database, &key);

    assert_eq!(party.status().forked, [feed]);
    let root = ItemId::root(&key);
    let candidates = party.item(root, |item| item.candidates(&root.entity(), &"title".into()).len()).unwrap();
    assert_eq!(candidates, 2, "both branches count");
    let mut more = clone.party(&key).transaction().on_feed(feed);
    more.set(root, "title", "more");
    let refusal = more.commit().unwrap_err().to_string();
    assert!(refusal.contains("forked") && refusal.contains(&feed.to_string()), "{refusal}");
    let fresh = party.set(root, "title", "settled").unwrap();
    assert_ne!(fresh.feed, feed, "the owner begins a new feed");
    send(&ada.database, &clone.database, &key);
    assert_eq!(party.state_hash().unwrap(), clone.party(&key).state_hash().unwrap());
    assert_sound(&clone.party(&key));
}
