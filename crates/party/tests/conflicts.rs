//! Conflicts of authority (H11): all subsets and all orders of arrival of a few control entries over three admins,
//! against the plain reading.
//!
//! A *script* is a list of steps that three admins make, each knowing of some of those before. Of its entries every
//! subset that is closed under causes is one state of somebody's replica, and every order of arrival a way there. They
//! are walked as a tree: after each arrival the authority must say what the plain reading says of that subset.
//! `MOTET_CASES` says how many scripts of six are made up.

use crate::common;

use std::collections::{BTreeMap, BTreeSet};

use crate::common::reading::{Verdicts, read, said_by};
use crate::common::{Act, Cut, Said, Scribe, Sight, Step, beginning, cases, identity, party};
use motet_fact::Cid;
use motet_feed::Graph;
use motet_party::{Authority, Role};
use proptest::prelude::*;
use proptest::sample::Index;

#[derive(Clone)]
struct Replica {
    graph: Graph,
    authority: Authority,
}

impl Replica {
    fn of(all: &[Said]) -> Self {
        let mut replica = Replica { graph: Graph::default(), authority: Authority::new(party()) };
        all.iter().for_each(|said| replica.take(said));
        replica
    }

    fn take(&mut self, said: &Said) {
        let outcome = self.authority.admit(&said.entry, &said.body, &self.graph);
        self.graph.link(&said.entry, outcome.is_ok());
    }
}

/// Walks every order of arrival of some entries after others; gives the verdicts on all of them.
fn walk(before: &[Said], script: &[Said]) -> Verdicts {
    let mut readings: BTreeMap<u32, (Verdicts, BTreeSet<motet_fact::Digest>)> = BTreeMap::new();
    let mut nodes = vec![(0_u32, Replica::of(before))];
    while let Some((taken, replica)) = nodes.pop() {
        let is_taken = |number: usize| taken >> number & 1 == 1;
        let there: Vec<&Said> = before
            .iter()
            .chain(script.iter().enumerate().filter(|(at, _)| is_taken(*at)).map(|(_, it)| it))
            .collect();
        let (reading, hashes) = readings.entry(taken).or_insert_with(|| (read(&there), BTreeSet::new()));
        assert_eq!(said_by(&replica.authority, &replica.graph, &there), *reading, "of {there:#?}");
        hashes.insert(replica.authority.state_hash());
        assert_eq!(hashes.len(), 1, "a subset has one state");
        let ids: BTreeSet<Cid> = there.iter().map(|said| said.id()).collect();
        for (number, said) in script.iter().enumerate().filter(|(number, _)| !is_taken(*number)) {
            if said.entry.header().causes.iter().all(|cause| ids.contains(cause)) {
                let mut next = replica.clone();
                next.take(said);
                nodes.push((taken | 1 << number, next));
            }
        }
    }
    readings.pop_last().map(|(_, (verdicts, _))| verdicts).unwrap_or_default()
}

fn step(author: usize, act: Act, sight: Sight) -> Step {
    Step { author, act, sight, fork: None, feed: None }
}

/// The entries that some steps make after others.
fn write(before: &[Said], steps: &[Step]) -> Vec<Said> {
    let mut all = before.to_vec();
    for step in steps {
        let next = Scribe { all: &all }.follow(step);
        if all.iter().all(|said| said.id() != next.id()) {
            all.push(next);
        }
    }
    all.split_off(before.len())
}

/// What an admin may do about another, `b`, and the third, `c`.
fn menu(b: usize, c: usize) -> Vec<Act> {
    let somewhere = || Cut::Somewhere(index(0));
    vec![
        Act::Remove { person: b, cut: Cut::Heads },
        Act::Remove { person: b, cut: Cut::Nothing },
        Act::Remove { person: c, cut: somewhere() },
        Act::RemoveDevice { person: c, cut: Cut::Nothing },
        Act::ChangeRole { person: b, role: Role::Reader, cut: Cut::Heads },
        Act::ChangeRole { person: b, role: Role::Admin, cut: Cut::Nothing },
        Act::Admit { person: 3, role: Role::Admin, invitation: None },
        Act::Admit { person: 3, role: Role::Admin, invitation: Some(0) },
        Act::Admit { person: b, role: Role::Admin, invitation: None },
        Act::Revoke { number: 0 },
        Act::Return { with_device: true },
    ]
}

fn index(at: usize) -> Index {
    use proptest::strategy::{Strategy as _, ValueTree as _};
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let wanted = any::<Index>().prop_filter("the one wanted", move |index| index.index(64) == at);
    wanted.new_tree(&mut runner).unwrap_or_else(|_| unreachable!("there is one in 64")).current()
}

/// One entry of each of three admins, of every kind; two are blind, and the third is, or has heard of both. Without
/// `MOTET_CASES` a share of them.
#[test]
fn every_three_acts_at_once() {
    let before = beginning();
    let share = if std::env::var("MOTET_CASES").is_ok() { 1 } else { 13 };
    let mut number = 0;
    for first in menu(1, 2) {
        for second in menu(2, 0) {
            for third in menu(0, 1) {
                for sight in [Sight::Blind, Sight::All] {
                    number += 1;
                    if number % share == 0 {
                        let blind = |author, act: &Act| step(author, act.clone(), Sight::Blind);
                        let steps = [blind(0, &first), blind(1, &second), step(2, third.clone(), sight)];
                        walk(&before, &write(&before, &steps));
                    }
                }
            }
        }
    }
}

fn six(steps: [(usize, Act, Sight); 6]) -> Verdicts {
    let before = beginning();
    let steps = steps.map(|(author, act, sight)| step(author, act, sight));
    let script = write(&before, &steps);
    assert_eq!(script.len(), 6);
    walk(&before, &script)
}

fn remove(person: usize, cut: Cut) -> Act {
    Act::Remove { person, cut }
}

#[test]
fn mutual_and_cyclic_removals_all_take_effect() {
    use Cut::{Heads, Nothing};
    use Sight::Blind;
    // Each removes the next and the one after, and none has heard of another.
    let verdicts = six([
        (0, remove(1, Heads), Blind),
        (1, remove(2, Heads), Blind),
        (2, remove(0, Heads), Blind),
        (0, remove(2, Nothing), Blind),
        (1, remove(0, Heads), Blind),
        (2, remove(1, Nothing), Blind),
    ]);
    assert_eq!(verdicts.effective.len(), 6);
    assert_eq!(verdicts.roles[..3], [None; 3]);
    assert_eq!(verdicts.roles[5], Some(Role::Admin), "the recovery is there");
}

#[test]
fn whoever_is_removed_strikes_back_in_vain() {
    use Cut::{Heads, Nothing};
    use Sight::{All, Blind};
    let second =
        |admits: usize| (1, Act::Admit { person: admits, role: Role::Admin, invitation: None }, Blind);
    let verdicts = six([
        (0, remove(1, Heads), All),
        second(3),
        (1, remove(2, Nothing), Blind),
        (3, remove(2, Heads), Blind),
        (0, remove(3, Heads), Blind),
        (2, Act::Admit { person: 4, role: Role::Writer, invitation: None }, All),
    ]);
    assert_eq!(verdicts.roles[..4], [Some(Role::Admin), None, Some(Role::Admin), None]);
    assert_eq!(verdicts.roles[4], Some(Role::Writer), "who admits knew that its own removal came to nothing");
}

#[test]
fn recovery_and_return() {
    use Cut::{Heads, Nothing};
    use Sight::{All, Blind};
    let recovery = common::RECOVERY;
    let verdicts = six([
        (1, remove(0, Nothing), Blind),
        (0, remove(1, Heads), Blind),
        (recovery, Act::Return { with_device: true }, Blind),
        (recovery, Act::Admit { person: 0, role: Role::Admin, invitation: None }, All),
        (2, remove(recovery, Nothing), All),
        (0, Act::Return { with_device: true }, All),
    ]);
    assert_eq!(verdicts.roles[0], Some(Role::Admin), "{:?} is back", identity(0));
    assert_eq!(verdicts.roles[1..3], [None, None], "what the founder granted is gone with it");
    assert_eq!(verdicts.roles[recovery], Some(Role::Admin));
}

#[test]
fn forks_and_what_proves_them() {
    use Sight::{All, Blind};
    let fork = |act, at| Step { author: 1, act, sight: Blind, fork: Some(index(at)), feed: None };
    let before = beginning();
    let admit = |person| Act::Admit { person, role: Role::Admin, invitation: None };
    let steps = [
        step(1, admit(3), Blind),
        fork(admit(4), 0),
        step(2, Act::ProveFork { person: 1, data: false, cut: Cut::Heads }, All),
        step(3, remove(0, Cut::Heads), Blind),
        step(4, remove(2, Cut::Nothing), Blind),
        step(0, Act::ProveFork { person: 1, data: false, cut: Cut::Nothing }, All),
    ];
    let script = write(&before, &steps);
    assert_eq!(script.len(), 6);
    walk(&before, &script);
}

fn scripts() -> impl Strategy<Value = Vec<Step>> {
    let admin = prop_oneof![8 => 0..3_usize, 1 => 3..5_usize];
    let sight = prop_oneof![
        3 => Just(Sight::Blind),
        2 => Just(Sight::All),
        1 => prop::collection::vec(any::<Index>(), 1..3).prop_map(Sight::Some),
    ];
    let somewhere = any::<Index>().prop_map(Cut::Somewhere);
    let cut = prop_oneof![2 => Just(Cut::Heads), 1 => Just(Cut::Nothing), 1 => somewhere];
    let role = prop_oneof![2 => Just(Role::Admin), 1 => Just(Role::Writer)];
    let act = (0..5_usize, cut, role, 0..14_u8).prop_map(|(person, cut, role, kind)| match kind {
        0..=4 => Act::Remove { person, cut },
        5 => Act::RemoveDevice { person, cut },
        6 => Act::ChangeRole { person, role, cut },
        7 | 8 => Act::Admit { person: person.max(1), role, invitation: None },
        9 | 10 => Act::Admit { person: person.max(1), role, invitation: Some(0) },
        11 => Act::ProveFork { person, data: false, cut },
        12 => Act::Revoke { number: 0 },
        _ => Act::Return { with_device: person % 2 == 0 },
    });
    let fork = prop::option::weighted(0.1, any::<Index>());
    let step = (admin, act, sight, fork).prop_map(|(author, act, sight, fork)| Step {
        author,
        act,
        sight,
        fork,
        feed: None,
    });
    prop::collection::vec(step, 6)
}

proptest! {
    #![proptest_config(cases(20))]

    #[test]
    fn any_six_entries_in_any_order(steps in scripts()) {
        let before = beginning();
        walk(&before, &write(&before, &steps));
    }
}
