//! The search: runs the steps of a plan for one seed after the other.
//!
//! One row at a time goes through the steps, in registers; nothing is allocated for a row. A search sees the relations
//! as they were before the epoch or as they will be after it ([`View`]), and it may be *graded*: then rows of the
//! rule's own recursion count only if they have a level, below a limit if there is one, and what is found has a level
//! above theirs.

use super::level::Level;
use super::plan::{Out, Plan, Register, Scan, Side, Step};
use super::relation::{Relation, View};
use super::row::{Id, NONE};
use super::rule::Host;
use super::table::{Access, Key};

/// What takes the rows that are found.
pub(crate) trait Sink {
    /// Takes a row, given as registers; gives whether that is enough.
    fn take(&mut self, registers: &[Id], row: &[Register], level: Level) -> bool;
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
}

/// A plan in progress.
pub(crate) struct Search<'a, S> {
    plan: &'a Plan,
    sight: Sight<'a>,
    pub(crate) sink: S,
    registers: Vec<Id>,
    /// Above those of the own rows used so far.
    level: Level,
    /// The rows looked at.
    pub(crate) touched: u64,
    /// How many rows may be looked at.
    fuel: u64,
    /// Whether a row was not seen for its level alone.
    pub(crate) missed: bool,
}

impl<'a, S: Sink> Search<'a, S> {
    pub(crate) fn new(plan: &'a Plan, sight: Sight<'a>, sink: S, fuel: u64) -> Self {
        let registers = plan.registers.clone();
        Search { plan, sight, sink, registers, level: 0, touched: 0, fuel, missed: false }
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
            return self.sink.take(&self.registers, &plan.head, self.level);
        };
        match step {
            Step::Scan(scan) => self.scan(scan, at + 1),
            Step::Follow { side, value, once } => self.follow(side, *value, *once, at + 1),
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
        let graded = scan.own && self.sight.graded;
        let before = self.level;
        let mut stopped = false;
        let key = self.key(&scan.key);
        let start = self.touched;
        relation.table.walk(scan.access, &key, |row| {
            self.touched += 1;
            if self.touched > self.fuel {
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
            stopped || (scan.once && self.is_least(graded, before))
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
    fn follow(&mut self, side: &Side, value: Register, once: bool, next: usize) -> bool {
        let relation = &self.sight.relations[side.relation];
        let Some(set) = relation.table.set(side.access, self.registers[side.key]) else {
            self.touched += 1;
            return false;
        };
        let graded = side.own && self.sight.graded;
        let plain = relation.hidden(self.sight.view).is_empty() && !graded;
        let before = self.level;
        let mut stopped = false;
        set.walk(|id| {
            self.touched += 1;
            if self.touched > self.fuel {
                stopped = true;
                return true;
            }
            if !plain && !self.sees(side, id) {
                return false;
            }
            self.registers[value] = id;
            stopped = self.step(next);
            let enough = once && self.is_least(graded, before);
            self.level = before;
            stopped || enough
        });
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
        let graded = self.sight.graded && sides.iter().any(|side| side.own);
        let before = self.level;
        let mut stopped = false;
        short.walk(|id| {
            self.touched += 1;
            if self.touched > self.fuel {
                stopped = true;
                return true;
            }
            if !long.contains(id) || !sides.iter().all(|side| self.sees(side, id)) {
                self.level = before;
                return false;
            }
            self.registers[value] = id;
            stopped = self.step(next);
            let enough = once && self.is_least(graded, before);
            self.level = before;
            stopped || enough
        });
        stopped
    }

    /// Whether no other row of a step would give a derivation of a lower level, where one row is enough otherwise: a
    /// row that loses a derivation must be told of the lowest.
    #[inline]
    fn is_least(&self, graded: bool, before: Level) -> bool {
        !graded || self.level == before
    }

    /// Whether the row of a side with this id counts. If it is one of the recursion's own the level goes above its.
    #[inline]
    fn sees(&mut self, side: &Side, id: Id) -> bool {
        let relation = &self.sight.relations[side.relation];
        let key = self.registers[side.key];
        let row = if side.access == Access::Forward { [key, id] } else { [id, key] };
        let hidden = relation.hidden(self.sight.view);
        if !hidden.is_empty() && hidden.contains(&row) {
            return false;
        }
        !(side.own && self.sight.graded) || self.rises(relation.level(&row))
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
pub(crate) struct Gathered {
    pub(crate) rows: super::row::Batch,
    /// The level of each row; empty if levels don't count.
    pub(crate) levels: Vec<Level>,
    pub(crate) graded: bool,
}

impl Sink for Gathered {
    #[inline]
    fn take(&mut self, registers: &[Id], row: &[Register], level: Level) -> bool {
        self.rows.push_ids(row.iter().map(|register| registers[*register]));
        if self.graded {
            self.levels.push(level);
        }
        false
    }
}

/// No limit on levels.
pub(crate) const ANY_LEVEL: Level = NONE;
