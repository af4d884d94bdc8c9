//! Removals, roles, recovery, forks and what becomes of the work that no longer counts, with real feeds.

use std::collections::BTreeSet;

use crate::common::{Peer, assert_sound, converse, everything, linked, meet, send};
use motet::authority::{Deed, Denial, InvitationCode, Loss, Role, Subject};
use motet::fact::{Cid, PublicKey, Value};
use motet::item::{ItemId, Object, Reference};
use motet::{AsOf, Cut, Database, Error, InvitationState, Parameters, Party, RuntimeKind, Stand, View};
use motet_algebra::Budget;
use motet_feed::Entry;
use motet_sync::{Access, Replica as _};

/// Ada's party with some others in it, who all know of one another.
struct Home {
    party: PublicKey,
    root: ItemId,
    peers: Vec<Peer>,
}

impl Home {
    fn new(roles: &[Role]) -> Self {
        let names = ["Ada", "Ben", "Cleo", "Dan"];
        let peers: Vec<Peer> = (0..=roles.len()).map(|n| Peer::new(names[n], 10 + n as u64)).collect();
        let party = peers[0].database.create_party("Home").unwrap().key();
        for (newcomer, role) in peers[1..].iter().zip(roles) {
            peers[0].admit(&party, newcomer, *role).unwrap();
        }
        let home = Home { party, root: ItemId::root(&party), peers };
        home.meet();
        home
    }

    fn party(&self, peer: usize) -> Party {
        self.peers[peer].party(&self.party)
    }

    fn database(&self, peer: usize) -> &Database {
        &self.peers[peer].database
    }

    fn identity(&self, peer: usize) -> PublicKey {
        self.database(peer).profile().identity
    }

    fn device(&self, peer: usize) -> PublicKey {
        self.database(peer).profile().device
    }

    fn say(&self, peer: usize, what: &str) -> Cid {
        self.party(peer).set(self.root, what, self.database(peer).profile().name.as_str()).unwrap().entry
    }

    fn meet(&self) {
        let all: Vec<&Database> = self.peers.iter().map(|peer| &peer.database).collect();
        meet(&all, &self.party);
    }

    /// Everybody who is a member has the same state, kept and from scratch, and opened again.
    fn agree(&mut self, who: &[usize]) {
        let hash = self.party(who[0]).state_hash().unwrap();
        for &peer in who {
            let name = self.database(peer).profile().name.clone();
            assert_eq!(self.party(peer).state_hash().unwrap(), hash, "{name} has the common state");
            assert_sound(&self.party(peer));
            self.peers[peer].reopen();
            assert_eq!(self.party(peer).state_hash().unwrap(), hash, "{name} has it when opened again");
        }
    }

    fn properties(&self, peer: usize) -> Vec<String> {
        let read = |item: &motet::item::Item| item.attributes(&self.root.entity());
        let properties = self.party(peer).item(self.root, read).unwrap();
        properties.into_keys().filter_map(|name| Some(name.as_text()?.to_owned())).collect()
    }
}

fn not_allowed<T>(outcome: Result<T, Error>) -> String {
    match outcome {
        Err(Error::NotAllowed { why, .. }) => why,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it was allowed"),
    }
}

const WHAT: &str = "output said. output who. said(a: A) :- attr(attribute: A).
                    who(n: N, r: R, u: U) :- member(name: N, role: R, until: U).";

fn watch(home: &Home, peer: usize) -> View {
    let runtime = RuntimeKind::Naive;
    home.party(peer).watch_on("what", WHAT, &Parameters::new(), runtime, Budget::default()).unwrap()
}

fn said(view: &View) -> Vec<String> {
    view.rows("said").map(|row| row[0].as_text().unwrap().to_owned()).collect()
}

/// The story of H10: somebody is removed while it writes offline, and comes back.
#[test]
fn an_offline_member_is_removed_while_it_writes() {
    let mut home = Home::new(&[Role::Writer, Role::Writer]);
    home.say(1, "seen");
    home.meet();
    let mut views: Vec<View> = (0..3).map(|peer| watch(&home, peer)).collect();
    // Ben goes offline and writes; Cleo happened to get the half of it.
    let unseen = home.say(1, "unseen one");
    converse(home.database(1), home.database(2));
    home.say(1, "unseen two");
    let removal = home.party(0).remove_member(&home.identity(1), &Cut::Here).unwrap();
    converse(home.database(0), home.database(2));
    for peer in [0, 2] {
        views[peer].catch_up().unwrap();
        assert_eq!(said(&views[peer]), ["seen"], "what Ada did not know of is taken back at once");
        assert_eq!(home.properties(peer), ["seen"]);
        let rows: Vec<_> = views[peer].rows("who").filter(|row| row[0] == Value::from("Ben")).collect();
        assert_eq!(rows, [&vec!["Ben".into(), "writer".into(), Value::Link(removal)]]);
    }
    assert!(home.database(2).contains(&home.party, &unseen), "Cleo keeps what does not count");

    // Ben hears of it from Ada, and of nothing else.
    let secret = home.say(0, "after");
    let Access::Notices(notices) = home.database(0).access(&home.party, &home.device(1)) else {
        panic!("Ben is told why");
    };
    assert_eq!(notices, [removal]);
    converse(home.database(0), home.database(1));
    assert!(linked(home.database(1), &home.party).contains(&removal));
    assert!(!linked(home.database(1), &home.party).contains(&secret));
    views[1].catch_up().unwrap();
    assert_eq!(said(&views[1]), ["seen"]);
    let status = home.party(1).status();
    let [loss] = status.own_uncounted.as_slice() else { panic!("{:?}", status.own_uncounted) };
    let deed = Deed::Removal(Subject::Member(home.identity(1)));
    let author = home.identity(0);
    assert_eq!(loss.loss, Loss::Withdrawn { by: removal, author, deed, indirect: false });
    assert_eq!((loss.entries, loss.rescued), (2, 0));
    let why = not_allowed(home.party(1).set(home.root, "more", true));
    assert!(why.contains(&removal.to_string()) && why.contains("membership"), "{why}");
    not_allowed(home.party(1).rescue(None));

    // It is admitted again, takes new feeds by itself, and says again what it said.
    home.party(0).readmit(&home.identity(1), Role::Writer).unwrap();
    converse(home.database(0), home.database(1));
    home.meet();
    assert_eq!(home.properties(0), ["after", "seen"], "nothing withdrawn revives by itself");
    let rescue = home.party(1).rescue(None).unwrap();
    assert_eq!((rescue.entries, rescue.facts), (2, 2));
    assert_eq!(home.party(1).rescue(None).unwrap(), motet::Rescue::default(), "once is enough");
    home.meet();
    for peer in [0, 1, 2] {
        views[peer].catch_up().unwrap();
        assert_eq!(said(&views[peer]), ["after", "seen", "unseen one", "unseen two"]);
    }
    let status = home.party(1).status();
    assert_eq!(
        status.own_uncounted.iter().map(|loss| (loss.entries, loss.rescued)).collect::<Vec<_>>(),
        [(0, 2)]
    );
    home.agree(&[0, 1, 2]);
}

#[test]
fn what_does_not_count_is_served_as_a_cause_and_not_for_its_own_sake() {
    let mut home = Home::new(&[Role::Writer, Role::Writer, Role::Writer]);
    let cited = home.say(1, "cited");
    converse(home.database(1), home.database(2));
    let citing = home.say(2, "citing");
    let tail = home.say(1, "tail");
    send(home.database(1), home.database(2), &home.party);
    assert!(linked(home.database(2), &home.party).contains(&tail));
    home.party(0).remove_member(&home.identity(1), &Cut::Here).unwrap();
    converse(home.database(0), home.database(2));
    converse(home.database(2), home.database(3));
    let here = linked(home.database(3), &home.party);
    assert!(here.contains(&cited) && here.contains(&citing) && !here.contains(&tail));
    assert_eq!(home.properties(3), ["citing"]);
    // What is written from now on does not cite it either.
    let next = home.say(2, "next");
    let bundles = everything(home.database(2), &home.party);
    let entries = bundles.iter().map(|bundle| Entry::decode(&bundle.entry).unwrap());
    let next = entries.into_iter().find(|entry| entry.id() == next).unwrap();
    assert!(!next.header().causes.contains(&tail));
    home.meet();
    home.agree(&[0, 2, 3]);
}

#[test]
fn a_role_that_changes_is_a_new_stint_with_feeds_of_its_own() {
    let mut home = Home::new(&[Role::Writer, Role::Reader]);
    home.say(1, "as writer");
    home.meet();
    let feed_before = home.party(1).set(home.root, "more", 1).unwrap().feed;
    home.meet();
    home.party(0).set_role(&home.identity(1), Role::Admin).unwrap();
    home.party(0).set_role(&home.identity(2), Role::Writer).unwrap();
    not_allowed(home.party(0).set_role(&home.identity(1), Role::Admin));
    let late = home.say(1, "too late");
    home.meet();
    assert_eq!(home.party(1).own_role(), Some(Role::Admin));
    let feed = home.party(1).set(home.root, "as admin", 1).unwrap().feed;
    assert_ne!(feed, feed_before);
    home.say(2, "no longer a reader");
    home.meet();
    assert_eq!(home.properties(0), ["as admin", "as writer", "more", "no longer a reader"]);
    assert!(
        !home.properties(1).contains(&"too late".to_owned()),
        "{late} was not seen by who changed the role"
    );
    home.party(1).rescue(None).unwrap();
    // A new admin acts as one; and an admin may step down.
    home.party(1).set_role(&home.identity(2), Role::Reader).unwrap();
    home.party(1).set_role(&home.identity(1), Role::Writer).unwrap();
    home.meet();
    not_allowed(home.party(2).set(home.root, "again a reader", 1));
    assert!(not_allowed(home.party(1).invite(Role::Reader, i64::MAX, Vec::new())).contains("admin"));
    home.say(1, "as writer again");
    home.meet();
    let stints = home.party(0).stints();
    let bens: Vec<_> = stints.iter().filter(|stint| stint.member == home.identity(1)).collect();
    assert_eq!(
        bens.iter().map(|stint| stint.role).collect::<Vec<_>>(),
        [Role::Writer, Role::Admin, Role::Writer]
    );
    assert_eq!(bens.iter().filter(|stint| stint.until.is_none()).count(), 1);
    assert!(home.properties(2).contains(&"too late".to_owned()));
    home.agree(&[0, 1, 2]);
}

#[test]
fn who_is_removed_by_whom_it_removes_is_out_with_it_until_the_founder_recovers() {
    let mut home = Home::new(&[Role::Admin, Role::Writer]);
    home.party(0).remove_member(&home.identity(1), &Cut::Here).unwrap();
    home.party(1).remove_member(&home.identity(0), &Cut::Here).unwrap();
    home.say(2, "meanwhile");
    for (one, other) in [(0, 1), (2, 0), (2, 1)] {
        send(home.database(one), home.database(other), &home.party);
        send(home.database(other), home.database(one), &home.party);
    }
    for peer in [0, 1, 2] {
        let members = home.party(peer).members();
        let open = |peer: usize| members[&home.identity(peer)].until.is_none();
        assert_eq!([0, 1, 2].map(open), [false, false, true]);
    }
    not_allowed(home.party(0).invite(Role::Reader, i64::MAX, Vec::new()));
    let stranger = motet::fact::SecretKey::from_bytes([9; 32]);
    not_allowed(home.party(0).recover(&stranger));
    home.party(0).recover(&home.peers[0].recovery()).unwrap();
    assert_eq!(home.party(0).own_role(), Some(Role::Admin));
    // Ada has nobody who takes her for a member, but for what she says herself.
    home.meet();
    home.party(0).readmit(&home.identity(1), Role::Writer).unwrap();
    home.say(0, "back");
    home.meet();
    home.say(1, "back too");
    home.meet();
    for peer in [0, 1, 2] {
        assert_eq!(home.properties(peer), ["back", "back too", "meanwhile"]);
    }
    home.agree(&[0, 1, 2]);
}

#[test]
fn a_stolen_device_counts_up_to_the_theft() {
    let mut home = Home::new(&[Role::Writer, Role::Writer]);
    let write = |what: &str, at: i64| {
        let party = home.party(1);
        let mut transaction = party.transaction().written_at(at);
        transaction.set(home.root, what, true);
        transaction.commit().unwrap().entry
    };
    write("mine", 1_000);
    let last = write("mine too", 2_000);
    write("the thief's", 3_000);
    home.meet();
    let elsewhere = not_allowed(home.party(2).remove_device(&home.device(1), &Cut::Here));
    assert!(elsewhere.contains("admin"), "{elsewhere}");
    home.party(0).remove_device(&home.device(1), &Cut::Before(2_500)).unwrap();
    home.meet();
    assert_eq!(home.properties(0), ["mine", "mine too"]);
    assert!(home.party(0).members()[&home.identity(1)].until.is_none(), "Ben is a member still");
    assert_eq!(home.party(0).devices()[&home.device(1)].until.map(|_| ()), Some(()));
    let why = not_allowed(home.party(1).set(home.root, "more", 1));
    assert!(why.contains("removed this device"), "{why}");
    // Another cut, by a second removal, leaves what both leave.
    home.party(0).remove_device(&home.device(1), &Cut::Last(vec![last])).unwrap();
    home.party(0).remove_device(&home.device(1), &Cut::Nothing).unwrap();
    home.meet();
    assert_eq!(home.properties(2), Vec::<String>::new());
    home.agree(&[0, 2]);
}

#[test]
fn a_fork_that_is_proven_is_closed_and_its_owner_goes_on() {
    let mut home = Home::new(&[Role::Writer, Role::Reader]);
    let feed = home.party(1).set(home.root, "before", 1).unwrap().feed;
    home.meet();
    home.party(1).hand_over_feed(&feed, home.database(2)).unwrap();
    let there = home.party(2).transaction().on_feed(feed);
    let mut there = there;
    there.set(home.root, "there", 1);
    there.commit().unwrap();
    home.say(1, "here");
    home.meet();
    assert_eq!(home.party(0).status().forked, [feed]);
    assert!(not_allowed(home.party(0).publish_fork_proof(&home.identity(0))).contains("not forked"));
    let proof = home.party(2).publish_fork_proof(&feed).unwrap();
    assert!(not_allowed(home.party(2).publish_fork_proof(&feed)).contains("closed"));
    home.meet();
    assert_eq!(
        home.properties(0),
        ["before", "here", "there"],
        "both branches count as far as they were known"
    );
    assert_eq!(home.party(0).feeds()[&feed].until, Some(proof));
    let next = home.party(1).set(home.root, "after", 1).unwrap().feed;
    assert_ne!(next, feed);
    home.meet();
    home.agree(&[0, 1, 2]);
}

#[test]
fn a_revoked_invitation_lets_nobody_in() {
    let home = Home::new(&[Role::Admin]);
    let newcomer = Peer::new("Nora", 99);
    let code = home.party(0).invite(Role::Writer, i64::MAX, Vec::new()).unwrap();
    home.meet();
    home.party(1).revoke_invitation(&code.invitation).unwrap();
    let again = home.party(1).revoke_invitation(&code.invitation).unwrap_err().to_string();
    assert!(again.contains("was taken back"), "{again}");
    home.meet();
    let id = code.invitation;
    let denial = newcomer.database.join(&InvitationCode::Link(code)).meet(home.database(0));
    assert!(matches!(denial, Err(Error::Denied(Denial::Revoked))), "{denial:?}");
    let invitations = home.party(0).invitations().unwrap();
    let state = invitations.iter().find(|info| info.id == id).map(|info| info.state);
    assert_eq!(state, Some(InvitationState::Revoked));
}

/// Two admins remove somebody, each at what it knows. The longer cut names an entry that the shorter one cuts, so
/// nobody serves it for its own sake; but what lies before it counts, and whoever comes later must see that.
#[test]
fn a_cut_is_read_by_who_lacks_what_it_names() {
    let mut home = Home::new(&[Role::Writer, Role::Admin, Role::Reader]);
    home.say(1, "known");
    home.meet();
    let named = home.say(1, "not to all");
    converse(home.database(1), home.database(2));
    for admin in [0, 2] {
        home.party(admin).remove_member(&home.identity(1), &Cut::Here).unwrap();
    }
    // Dan hears of the removals from who does not tell him of the entry.
    converse(home.database(0), home.database(2));
    converse(home.database(2), home.database(3));
    for peer in [0, 2, 3] {
        assert_eq!(home.properties(peer), ["known"]);
        assert!(home.database(peer).contains(&home.party, &named));
        // As of what it has, it is what it is, though no head has that entry in its past.
        let heads = home.database(peer).heads(&home.party);
        let then = home.party(peer).as_of(&AsOf::Heads([heads.control, heads.data].concat())).unwrap();
        assert_eq!(then.state_hash().unwrap(), home.party(peer).state_hash().unwrap());
    }
    home.agree(&[0, 2, 3]);
}

/// What was made in withdrawn work becomes something new, and what points to it points to that.
#[test]
fn a_rescued_item_is_a_new_one_and_what_points_to_it_follows() {
    let mut home = Home::new(&[Role::Writer]);
    let shared = home.party(0).create_item(Object::NAME, Some("list"), None).unwrap();
    home.meet();
    let party = home.party(1);
    let lost = party.create_item(Object::NAME, Some("note"), Some(shared)).unwrap();
    party.set(lost, "title", "Milk").unwrap();
    party.set(lost, "title", "Milk, eggs").unwrap();
    party.set(shared, "first", Value::from(lost)).unwrap();
    home.party(0).remove_member(&home.identity(1), &Cut::Here).unwrap();
    home.party(0).readmit(&home.identity(1), Role::Writer).unwrap();
    home.meet();
    assert!(home.party(1).item_summary(lost).unwrap().model.is_none(), "its genesis does not count");
    let rescue = home.party(1).rescue(None).unwrap();
    let new = rescue.items[&lost];
    home.meet();
    for peer in [0, 1] {
        let party = home.party(peer);
        let summary = party.item_summary(new).unwrap();
        assert_eq!((summary.kind.as_deref(), summary.parent), (Some("note"), Some(shared)));
        let title = |item: &motet::item::Item| item.candidates(&new.entity(), &"title".into());
        let titles = party.item(new, title).unwrap();
        assert_eq!(titles.len(), 1, "the second title replaces the first still");
        assert_eq!(titles[0].1.as_text(), Some("Milk, eggs"));
        let first = |item: &motet::item::Item| item.attributes(&shared.entity())[&"first".into()].clone();
        assert_eq!(party.item(shared, first).unwrap(), Value::from(new));
    }
    home.agree(&[0, 1]);
}

/// Whatever points to an item that becomes a new one: a reference, a move to a place, the insertions of a text, the
/// slots of a list.
#[test]
fn a_rescued_item_keeps_its_form() {
    let mut home = Home::new(&[Role::Writer]);
    let shared = home.party(0).create_item(Object::NAME, None, None).unwrap();
    home.meet();
    let party = home.party(1);
    let folder = party.create_item(Object::NAME, Some("folder"), Some(shared)).unwrap();
    let [text, list] = ["text", "list"].map(|model| party.create_item(model, None, Some(folder)).unwrap());
    party.place_item(list, folder, Stand::Before(text)).unwrap();
    party.set(shared, "see", Reference::here(text)).unwrap();
    party.set(shared, "also", Reference::there(home.party, list)).unwrap();
    let body = party.text(text).unwrap();
    body.append("Milk and honey").unwrap();
    body.replace(5..8, "or").unwrap();
    let elements = party.list(list).unwrap();
    for value in [1, 2, 3] {
        elements.push(value).unwrap();
    }
    elements.move_element(2, 0).unwrap();
    home.party(0).remove_member(&home.identity(1), &Cut::Here).unwrap();
    home.party(0).readmit(&home.identity(1), Role::Writer).unwrap();
    home.meet();
    let new = home.party(1).rescue(None).unwrap().items;
    home.meet();
    for peer in [0, 1] {
        let party = home.party(peer);
        let (folder, text, list) = (new[&folder], new[&text], new[&list]);
        assert_eq!(party.tree(|tree| tree.children(folder).collect::<Vec<_>>()).unwrap(), [list, text]);
        assert_eq!(party.text(text).unwrap().content().unwrap(), "Milk or honey");
        let elements = party.list(list).unwrap().elements().unwrap();
        assert_eq!(
            elements.into_iter().map(|it| it.value).collect::<Vec<_>>(),
            [3.into(), 1.into(), 2.into()]
        );
        let points = |item: &motet::item::Item| item.attributes(&shared.entity()).into_values().collect();
        let points: BTreeSet<Value> = party.item(shared, points).unwrap();
        let expected = [Reference::there(home.party, list), Reference::here(text)];
        assert_eq!(points, expected.map(Value::from).into());
    }
    home.agree(&[0, 1]);
}

/// One item, or all.
#[test]
fn a_rescue_may_be_of_one_item() {
    let home = Home::new(&[Role::Writer]);
    let items = [0, 1].map(|_| home.party(0).create_item(Object::NAME, None, None).unwrap());
    home.meet();
    for item in items {
        home.party(1).set(item, "title", "lost").unwrap();
    }
    home.party(0).remove_member(&home.identity(1), &Cut::Here).unwrap();
    home.party(0).readmit(&home.identity(1), Role::Writer).unwrap();
    home.meet();
    let title = |item: ItemId| {
        let read = |it: &motet::item::Item| it.attributes(&item.entity()).len();
        home.party(1).item(item, read).unwrap()
    };
    assert_eq!(home.party(1).rescue(Some(items[1])).unwrap().entries, 1);
    assert_eq!(items.map(title), [0, 1]);
    assert_eq!(home.party(1).rescue(None).unwrap().facts, 1, "the other one is left");
    assert_eq!(items.map(title), [1, 1]);
}
