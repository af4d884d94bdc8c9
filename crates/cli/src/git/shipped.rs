//! A history that ships with the program: what a village garden's eight keepers wrote down in two years.
//!
//! It is made up anew at each call, always the same: [`commits`] plays a game with fixed dice. Each round one keeper
//! either works on the main line, opens a branch, works on a branch, or merges a branch; work adds notes, edits some
//! that are there, and now and then drops one. So there are merges, branches side by side, edits and deletions, and
//! no file to keep. The ids are hashes of a number: nothing here pretends to be a real repository's.

use std::collections::BTreeMap;

use motet_fact::Digest;

use crate::git::{Commit, CommitId, Kind, Touch};

/// How many commits it has.
pub(crate) const COMMITS: u32 = 160;
/// What it is called.
pub(crate) const NAME: &str = "a village garden's notes (made up; ships with the program)";

const KEEPERS: [&str; 8] = [
    "Amina Okafor",
    "Björn Lindqvist",
    "Chiara Moretti",
    "Dao Thị Mai",
    "Esteban Quiroga",
    "Fatou Diarra",
    "Gwen Pryce",
    "小林 花",
];
const PLACES: [&str; 6] = ["beds", "orchard", "compost", "tools", "water", "seeds"];
const THINGS: [&str; 14] = [
    "beans",
    "kale",
    "plums",
    "quince",
    "barrow",
    "spade",
    "rain-barrel",
    "well",
    "worms",
    "leaves",
    "lettuce",
    "squash",
    "garlic",
    "fence",
];
/// The first commit is of the first of March 2023.
const BEGINNING: i64 = 1_677_628_800;
const HOUR: i64 = 3600;

/// The commits, parents first.
pub(crate) fn commits() -> impl Iterator<Item = Commit> {
    let mut garden = Garden::default();
    (0..COMMITS).map(move |number| garden.round(number))
}

/// The tip of a line of work: its commit, and the notes that are there.
#[derive(Clone, Default)]
struct Tip {
    commit: Option<CommitId>,
    /// Notes, with whether they are there: one that was dropped is remembered, so that merging keeps it dropped.
    notes: BTreeMap<Vec<u8>, bool>,
}

#[derive(Default)]
struct Garden {
    main: Tip,
    branches: Vec<Tip>,
    time: i64,
    thrown: u64,
}

impl Garden {
    fn round(&mut self, number: u32) -> Commit {
        self.time += HOUR * self.throw(60) as i64 + 600;
        let keeper = KEEPERS[self.throw(8).min(self.throw(8)) as usize]; // the first ones are more diligent
        let last = number + 1 == COMMITS;
        match self.throw(10) {
            _ if last && !self.branches.is_empty() => self.merge(number, keeper),
            0 | 1 if self.branches.len() < 3 && number > 3 => {
                self.branches.push(self.main.clone());
                self.work_on_branch(number, keeper)
            }
            2 | 3 if self.branches.len() > 1 || (number > 20 && !self.branches.is_empty()) => {
                self.merge(number, keeper)
            }
            4..=6 if !self.branches.is_empty() => self.work_on_branch(number, keeper),
            _ => {
                let mut main = std::mem::take(&mut self.main);
                let commit = self.work(number, keeper, &mut main);
                self.main = main;
                commit
            }
        }
    }

    fn work_on_branch(&mut self, number: u32, keeper: &str) -> Commit {
        let at = self.throw(self.branches.len() as u64) as usize;
        let mut branch = self.branches.swap_remove(at);
        let commit = self.work(number, keeper, &mut branch);
        self.branches.push(branch);
        commit
    }

    /// Merges the oldest branches; the last commit of all merges all that are left.
    fn merge(&mut self, number: u32, keeper: &str) -> Commit {
        let merged = if number + 1 == COMMITS { self.branches.len() } else { 1 };
        let merged: Vec<Tip> = self.branches.drain(..merged).collect();
        let mut main = std::mem::take(&mut self.main);
        let parents = std::iter::once(&main).chain(&merged).filter_map(|tip| tip.commit.clone()).collect();
        for (note, there) in merged.iter().flat_map(|tip| &tip.notes) {
            main.notes.entry(note.clone()).and_modify(|kept| *kept &= there).or_insert(*there);
        }
        let commit =
            self.sign(number, keeper, parents, "bring the branch's notes home".to_owned(), Vec::new());
        main.commit = Some(commit.id.clone());
        self.main = main;
        commit
    }

    fn work(&mut self, number: u32, keeper: &str, tip: &mut Tip) -> Commit {
        let mut touches: Vec<Touch> = Vec::new();
        for _ in 0..=self.throw(3) {
            let touch = self.touch(&mut tip.notes);
            if touches.iter().all(|other| other.path != touch.path) {
                tip.notes.insert(touch.path.clone(), touch.kind != Kind::Deleted);
                touches.push(touch);
            }
        }
        let what = String::from_utf8_lossy(&touches[0].path).into_owned();
        let verb = match touches[0].kind {
            Kind::Added => "begin",
            Kind::Deleted => "clear away",
            Kind::Modified | Kind::TypeChanged => "tend",
        };
        let parents = tip.commit.iter().cloned().collect();
        let commit = self.sign(number, keeper, parents, format!("{verb} {what}"), touches);
        tip.commit = Some(commit.id.clone());
        commit
    }

    fn touch(&mut self, notes: &mut BTreeMap<Vec<u8>, bool>) -> Touch {
        let (place, thing) = (PLACES[self.throw(6) as usize], THINGS[self.throw(14) as usize]);
        let path = format!("{place}/{thing}.md").into_bytes();
        let kind = match notes.get(&path) {
            Some(true) if self.throw(8) == 0 => Kind::Deleted,
            Some(true) => Kind::Modified,
            Some(false) | None => Kind::Added,
        };
        Touch { kind, path }
    }

    fn sign(
        &mut self,
        number: u32,
        keeper: &str,
        parents: Vec<CommitId>,
        subject: String,
        touches: Vec<Touch>,
    ) -> Commit {
        let author_time = BEGINNING + self.time;
        let committer_time = author_time + self.throw(600) as i64;
        let (author, committer) = (keeper.to_owned(), keeper.to_owned());
        Commit { id: id(number), parents, author, author_time, committer, committer_time, subject, touches }
    }

    /// A number below `sides`: the same throws in the same order for everybody.
    fn throw(&mut self, sides: u64) -> u64 {
        self.thrown += 1;
        let digest = Digest::derive("motet shipped history dice v1", &[&self.thrown.to_le_bytes()]);
        let number = u64::from_le_bytes(*digest.0.first_chunk().expect("a digest has 32 bytes"));
        number % sides
    }
}

fn id(number: u32) -> CommitId {
    let digest = Digest::derive("motet shipped history commit v1", &[&number.to_le_bytes()]);
    CommitId::from_bytes(&digest.0[..20]).expect("20 bytes name a commit")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_history_is_one_with_merges_edits_and_deletions() {
        let all: Vec<Commit> = commits().collect();
        assert_eq!(all.len(), COMMITS as usize);
        assert_eq!(all, commits().collect::<Vec<_>>(), "the dice are fixed");
        let mut known = BTreeSet::new();
        for commit in &all {
            assert!(commit.parents.iter().all(|parent| known.contains(parent)), "parents come first");
            assert!(known.insert(commit.id.clone()));
        }
        assert_eq!(
            all.iter().filter(|commit| commit.parents.is_empty()).count(),
            1,
            "there is one beginning"
        );
        assert!(all.iter().filter(|commit| commit.is_merge()).count() >= 8);
        for kind in [Kind::Added, Kind::Modified, Kind::Deleted] {
            assert!(
                all.iter().flat_map(|commit| &commit.touches).any(|touch| touch.kind == kind),
                "{kind:?}"
            );
        }
        let authors: BTreeSet<&String> = all.iter().map(|commit| &commit.author).collect();
        assert_eq!(authors.len(), KEEPERS.len());
    }

    #[test]
    fn every_commit_is_in_the_past_of_the_last() {
        let all: BTreeMap<CommitId, Commit> = commits().map(|commit| (commit.id.clone(), commit)).collect();
        let mut reached = BTreeSet::new();
        let mut next = vec![id(COMMITS - 1)];
        while let Some(commit) = next.pop() {
            if reached.insert(commit.clone()) {
                next.extend(all[&commit].parents.iter().cloned());
            }
        }
        assert_eq!(reached.len(), all.len());
    }
}
