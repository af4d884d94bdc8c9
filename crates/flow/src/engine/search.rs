//! The search: runs the steps of a plan for one seed after the other.
//!
//! One row at a time goes through the steps, in registers; nothing is allocated for a row. A search sees the relations
//! as they were before the epoch or as they will be after it ([`View`]), and it may be *graded*: then rows of the
//! rule's own recursion count only if they have a level, below a limit if there is one, and what is found has a level
//! above theirs.

use std::ops::Range;

use super::Cause;
use super::level::Level;
use super::plan::{Out, Plan, Register, Scan, Side, Step};
use super::relation::{Relation, View};
use super::row::{Batch, Id, NONE};
use super::rows::Rows;
use super::rule::{Host, RelationId};
use super::table::{Access, Key};

/// So many rows are gathered, and then put to use.
pub(crate) const GATHERED: usize = 4096;

/// So many rows are looked at between two looks at what else limits a search.
const PACE: u64 = 1 << 12;

/// What a search may spend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fuel {
    /// How many rows may be looked at.
    pub(crate) rows: u64,
    /// How many bytes may be held.
    pub(crate) bytes: u64,
}

/// What takes the rows that are found.
pub(crate) trait Sink {
    /// Takes a row, given as registers; gives whether that is enough.
    fn take(&mut self, registers: &[Id], row: &[Register], level: Level) -> bool;

    /// What it holds.
    fn bytes(&self) -> u64 {
        0
    }
}

/// What a search sees.
#[derive(Clone, Copy)]
pub(crate) struct Sight<'a> {
    pub(crate) relations: &'a [Relation],
    pub(crate) host: &'a dyn Host,
    pub(crate) view: View,
    /// Whether levels count.
    pub(crate) graded: bool,
    /// Own rows of this level or above are not seen. [`NONE`] is above all.
    pub(crate) below: Level,
    /// Whether what is found must have no higher level than any of its derivations: where one own row is as good as all
    /// others, the others may be lower.
    pub(crate) least: bool,
}

/// A plan in progress.
pub(crate) struct Search<'a, S> {
    plan: &'a Plan,
    sight: Sight<'a>,
    pub(crate) sink: S,
    /// The seeds whose steps are being taken.
    run: Option<(&'a Batch, Range<usize>)>,
    registers: Vec<Id>,
    /// Above those of the own rows used so far.
    level: Level,
    /// The rows looked at.
    pub(crate) touched: u64,
    fuel: Fuel,
    /// When so many rows were looked at it is time to look whether the search may go on.
    pause: u64,
    /// Why it was stopped, unless by the sink.
    pub(crate) over: Option<Cause>,
    /// Whether a row was not seen for its level alone.
    pub(crate) missed: bool,
}

impl<'a, S: Sink> Search<'a, S> {
    pub(crate) fn new(plan: &'a Plan, sight: Sight<'a>, sink: S, fuel: Fuel) -> Self {
        let registers = plan.registers.clone();
        let pause = fuel.rows.min(PACE);
        Search {
            plan,
            sight,
            sink,
            run: None,
            registers,
            level: 0,
            touched: 0,
            fuel,
            pause,
            over: None,
            missed: false,
        }
    }

    /// Sees whether the search has to stop here: one seed may lead to more than there is room for.
    #[cold]
    fn is_over(&mut self) -> bool {
        self.over = if self.touched > self.fuel.rows {
            Some(Cause::Rows)
        } else if self.sink.bytes().saturating_add(self.sight.host.held()) > self.fuel.bytes {
            Some(Cause::Bytes)
        } else if !self.sight.host.is_wanted() {
            Some(Cause::Unwanted)
        } else {
            self.pause = self.fuel.rows.min(self.touched + PACE);
            None
        };
        self.over.is_some()
    }

    /// Searches from one seed; gives whether the search was stopped.
    #[inline]
    pub(crate) fn run(&mut self, seed: &[Id]) -> bool {
        self.touched += 1;
        self.level = 0;
        if let Some(own) = self.plan.own_seed
            && self.sight.graded
        {
            match self.sight.relations[own].level(seed) {
                Some(level) => self.level = level + 1,
                None => return false,
            }
        }
        let plan = self.plan;
        self.matches(&plan.seed, seed) && self.step(0)
    }

    /// Searches from the seed at a place, and from those after it that have its steps in common; gives the place to go
    /// on from.
    #[inline]
    pub(crate) fn run_from(&mut self, seeds: &'a Batch, from: usize) -> usize {
        let plan = self.plan;
        let mut to = from + 1;
        if !plan.varying.is_empty() {
            let first = seeds.row(from);
            let alike =
                |row: &[Id]| (0..row.len()).all(|column| row[column] == first[column] || plan.varies(column));
            while to < seeds.len() && alike(seeds.row(to)) {
                to += 1;
            }
        }
        if to == from + 1 {
            self.run(seeds.row(from));
            return to;
        }
        self.touched += (to - from) as u64;
        self.level = 0;
        self.run = Some((seeds, from..to));
        if self.matches(&plan.seed, seeds.row(from)) {
            self.step(0);
        }
        self.run = None;
        to
    }

    /// Gives a row for each seed of a run, which counts as if it had been looked for alone: so a product costs what it
    /// has.
    fn take_all(&mut self, seeds: &Batch, run: Range<usize>) -> bool {
        let plan = self.plan;
        let own = plan.own_seed.filter(|_| self.sight.graded);
        for place in run {
            self.touched += 1;
            if self.touched > self.pause && self.is_over() {
                return true;
            }
            let row = seeds.row(place);
            for (column, register) in &plan.varying {
                self.registers[*register] = row[*column];
            }
            let mut level = self.level;
            if let Some(own) = own {
                match self.sight.relations[own].level(row) {
                    Some(of_seed) => level = level.max(of_seed + 1),
                    None => continue,
                }
            }
            if self.sink.take(&self.registers, &plan.head, level) {
                return true;
            }
        }
        false
    }

    #[inline]
    fn matches(&mut self, outs: &[Out], row: &[Id]) -> bool {
        outs.iter().zip(row).all(|(out, id)| match out {
            Out::Skip => true,
            Out::Bind(register) => {
                self.registers[*register] = *id;
                true
            }
            Out::Check(register) => self.registers[*register] == *id,
        })
    }

    fn step(&mut self, at: usize) -> bool {
        let plan = self.plan;
        let Some(step) = plan.steps.get(at) else {
            return match self.run.clone() {
                None => self.sink.take(&self.registers, &plan.head, self.level),
                Some((seeds, run)) => self.take_all(seeds, run),
            };
        };
        match step {
            Step::Scan(scan) => self.scan(scan, at + 1),
            Step::Follow { side, value, then, once } => self.follow((side, *value), *then, *once, at + 1),
            Step::Meet { sides, value, once } => self.meet(sides, *value, *once, at + 1),
            Step::Absent { relation, access, key } => {
                let relation = &self.sight.relations[*relation];
                let hidden = relation.hidden(self.sight.view);
                let key = self.key(key);
                let mut touched = 1;
                let found = relation.table.walk(*access, &key, |row| {
                    touched += 1;
                    !hidden.contains(row)
                });
                self.touched += touched;
                !found && self.step(at + 1)
            }
            Step::Test { test, args } => {
                let args = self.key(args);
                self.sight.host.test(*test, &args) && self.step(at + 1)
            }
            Step::Make { function, args, into, check } => {
                let args = self.key(args);
                let Some(id) = self.sight.host.make(*function, &args) else { return false };
                if self.sight.host.held() > self.fuel.bytes {
                    self.over = Some(Cause::Bytes);
                    return true;
                }
                if *check {
                    return self.registers[*into] == id && self.step(at + 1);
                }
                self.registers[*into] = id;
                self.step(at + 1)
            }
        }
    }

    #[inline]
    fn key(&self, registers: &[Register]) -> Key {
        registers.iter().map(|register| self.registers[*register]).collect()
    }

    fn scan(&mut self, scan: &Scan, next: usize) -> bool {
        let relation = &self.sight.relations[scan.relation];
        let hidden = relation.hidden(self.sight.view);
        let hides = !hidden.is_empty();
        let graded = self.counts(scan.own, scan.once);
        let before = self.level;
        let mut stopped = false;
        let key = self.key(&scan.key);
        let start = self.touched;
        relation.table.walk(scan.access, &key, |row| {
            self.touched += 1;
            if self.touched > self.pause && self.is_over() {
                stopped = true;
                return true;
            }
            if (hides && hidden.contains(row)) || !self.matches(&scan.outs, row) {
                return false;
            }
            self.level = before;
            if graded && !self.rises(relation.level(row)) {
                return false;
            }
            stopped = self.step(next);
            stopped || scan.once
        });
        // To find nothing is work too.
        self.touched += u64::from(self.touched == start);
        self.level = before;
        stopped
    }
}

impl<S: Sink> Search<'_, S> {
    /// Goes through the ids that a column has for one of the other.
    #[inline]
    fn follow(
        &mut self,
        (side, value): (&Side, Register),
        then: Option<(RelationId, Access)>,
        once: bool,
        next: usize,
    ) -> bool {
        let relation = &self.sight.relations[side.relation];
        let Some(set) = relation.table.set(side.access, self.registers[side.key]) else {
            self.touched += 1;
            return false;
        };
        let graded = self.counts(side.own, once);
        let plain = relation.hidden(self.sight.view).is_empty() && !graded;
        let before = self.level;
        let mut stopped = false;
        let relations = self.sight.relations;
        let keys = then.map(|(relation, access)| relations[relation].table.keys(access));
        let mut show = |id| {
            self.touched += 1;
            if self.touched > self.pause && self.is_over() {
                stopped = true;
                return true;
            }
            if !plain && !self.sees(side, id, graded) {
                return false;
            }
            self.registers[value] = id;
            stopped = self.step(next);
            self.level = before;
            stopped || once
        };
        match keys {
            None => set.walk(show),
            Some(keys) => keys.walk_common(set, &mut show),
        };
        stopped
    }

    /// Goes through the shorter of two sets, and asks the other.
    fn meet(&mut self, sides: &[Side; 2], value: Register, once: bool, next: usize) -> bool {
        let set = |side: &Side| {
            self.sight.relations[side.relation].table.set(side.access, self.registers[side.key])
        };
        self.touched += 1;
        let [Some(one), Some(two)] = [set(&sides[0]), set(&sides[1])] else { return false };
        let (short, long) = if one.len() <= two.len() { (one, two) } else { (two, one) };
        let graded = sides.map(|side| self.counts(side.own, once));
        let before = self.level;
        let mut stopped = false;
        short.walk(|id| {
            self.touched += 1;
            if self.touched > self.pause && self.is_over() {
                stopped = true;
                return true;
            }
            let mut both = sides.iter().zip(graded);
            if !long.contains(id) || !both.all(|(side, graded)| self.sees(side, id, graded)) {
                self.level = before;
                return false;
            }
            self.registers[value] = id;
            stopped = self.step(next);
            self.level = before;
            stopped || once
        });
        stopped
    }

    /// Whether the row of a side with this id counts. If it is one of the recursion's own the level goes above its.
    #[inline]
    fn sees(&mut self, side: &Side, id: Id, graded: bool) -> bool {
        let relation = &self.sight.relations[side.relation];
        let key = self.registers[side.key];
        let row = if side.access == Access::Forward { [key, id] } else { [id, key] };
        let hidden = relation.hidden(self.sight.view);
        if !hidden.is_empty() && hidden.contains(&row) {
            return false;
        }
        !graded || self.rises(relation.level(&row))
    }

    /// Whether the levels of rows count.
    #[inline]
    fn counts(&self, own: bool, once: bool) -> bool {
        own && self.sight.graded && !(once && self.sight.least)
    }

    /// Goes above the level of an own row, if that counts.
    #[inline]
    fn rises(&mut self, level: Option<Level>) -> bool {
        match level {
            Some(level) if level < self.sight.below => {
                self.level = self.level.max(level + 1);
                true
            }
            Some(_) => {
                self.missed = true;
                false
            }
            None => false,
        }
    }
}

/// Notes that something was found, and at which level.
#[derive(Default)]
pub(crate) struct Found(pub(crate) Option<Level>);

impl Sink for Found {
    fn take(&mut self, _: &[Id], _: &[Register], level: Level) -> bool {
        self.0 = Some(level);
        true
    }
}

/// Gathers what is found.
pub(crate) struct Gathered<'a> {
    pub(crate) rows: Batch,
    /// The level of each row; empty if levels don't count.
    pub(crate) levels: Vec<Level>,
    pub(crate) graded: bool,
    /// If the relation is under a cap: only what is new is gathered, and no more than it takes to be over.
    pub(crate) room: Option<Room<'a>>,
}

/// How many rows a relation under a cap has room for.
pub(crate) struct Room<'a> {
    /// The place of the cap.
    pub(crate) cap: usize,
    pub(crate) relation: &'a Relation,
    pub(crate) left: usize,
    /// The new rows that were found.
    pub(crate) found: Rows,
}

impl Room<'_> {
    /// Whether more was found than there is room for.
    pub(crate) fn is_over(&self) -> bool {
        self.found.len() > self.left
    }
}

impl Gathered<'_> {
    /// Whether to go on gathering.
    pub(crate) fn has_room(&self) -> bool {
        self.rows.len() < GATHERED && !self.room.as_ref().is_some_and(Room::is_over)
    }
}

impl Sink for Gathered<'_> {
    #[inline]
    fn take(&mut self, registers: &[Id], row: &[Register], level: Level) -> bool {
        let ids = row.iter().map(|register| registers[*register]);
        let mut is_enough = false;
        if let Some(room) = &mut self.room {
            let row: Key = ids.clone().collect();
            if room.relation.has(&row) || !room.found.insert(&row).1 {
                return false;
            }
            is_enough = room.is_over();
        }
        self.rows.push_ids(ids);
        if self.graded {
            self.levels.push(level);
        }
        is_enough
    }

    fn bytes(&self) -> u64 {
        (self.rows.len() * self.rows.width().max(1) * size_of::<Id>()) as u64
    }
}

/// No limit on levels.
pub(crate) const ANY_LEVEL: Level = NONE;
