//! Plans: how to find all rows that a rule gives for one row of one of its goals.
//!
//! A change comes to a rule by one of its goals, the *seed*, and the others are searched in an order in which each is
//! looked up by what is known by then. So a rule of n goals has n plans for changes; it has one that starts from what
//! is cheapest, for the first epoch; and one that starts from a row of its head, which asks whether the rule supports
//! the row. Plans are made when they are first needed, by the sizes that relations have by then.

use std::collections::BTreeSet;

use super::relation::Relation;
use super::row::{Id, Place};
use super::rule::{Arg, Atom, Goal, RelationId, Rule};
use super::table::{Access, Table};

/// The number of a register: those of the variables come first, then constants.
pub(crate) type Register = usize;

/// Where a plan starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seed {
    /// With a row for one of the goals: one that comes or goes.
    Goal(usize),
    /// With a row of the head.
    Head,
    /// With nothing, for rules without rows to start from.
    Nothing,
}

/// What to do with a column of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Out {
    /// Nothing.
    Skip,
    /// Put it into a register.
    Bind(Register),
    /// Compare it with a register.
    Check(Register),
}

/// Looks rows up.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    pub(crate) relation: RelationId,
    pub(crate) access: Access,
    /// The registers with the key of the access.
    pub(crate) key: Vec<Register>,
    /// For each column of the row. The columns of the key are skipped.
    pub(crate) outs: Vec<Out>,
    /// Whether the relation belongs to the rule's own recursion.
    pub(crate) own: bool,
    /// Whether one row is as good as all.
    pub(crate) once: bool,
}

/// One of the rows of two that meet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side {
    pub(crate) relation: RelationId,
    /// [`Access::Forward`] or [`Access::Backward`].
    pub(crate) access: Access,
    pub(crate) key: Register,
    pub(crate) own: bool,
}

/// One step of a search.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Scan(Scan),
    /// A scan of a table of two columns that binds one by the other.
    Follow {
        side: Side,
        value: Register,
        once: bool,
    },
    /// What two rows of two columns have in common, of which the other columns are known. The shorter set is gone
    /// through, and the other asked.
    Meet {
        sides: [Side; 2],
        value: Register,
        once: bool,
    },
    Absent {
        relation: RelationId,
        access: Access,
        key: Vec<Register>,
    },
    Test {
        test: usize,
        args: Vec<Register>,
    },
    /// If `check`, the register holds what the value must be.
    Make {
        function: usize,
        args: Vec<Register>,
        into: Register,
        check: bool,
    },
}

/// The steps from a seed to the rows of the head.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: Vec<Out>,
    /// The relation of the seed, if it is one of the rule's own recursion.
    pub(crate) own_seed: Option<RelationId>,
    pub(crate) steps: Vec<Step>,
    pub(crate) head: Vec<Register>,
    /// What is in the registers at first: the constants.
    pub(crate) registers: Vec<Id>,
}

/// Makes plans of one rule.
pub(crate) struct Planner<'a> {
    pub(crate) rule: &'a Rule,
    pub(crate) relations: &'a mut [Relation],
    /// The relations of the rule's own recursion.
    pub(crate) own: &'a [RelationId],
}

impl Planner<'_> {
    /// The plan from a seed.
    pub(crate) fn plan(&mut self, seed: Seed) -> Plan {
        let mut maker = Maker { registers: vec![0; self.rule.variables], bound: BTreeSet::new() };
        let (outs, own_seed) = match seed {
            Seed::Nothing => (Vec::new(), None),
            Seed::Head => (maker.outs(&self.rule.row, &[]), None),
            Seed::Goal(goal) => {
                let atom = atom(&self.rule.goals[goal]).expect("rows are of atoms");
                let own = self.own.contains(&atom.relation).then_some(atom.relation);
                (maker.outs(&atom.args, &[]), own)
            }
        };
        let (order, _) = self.order(seed);
        let mut steps: Vec<Step> = order.into_iter().map(|goal| self.step(&mut maker, goal)).collect();
        self.shorten(&mut steps);
        let head: Vec<Register> = self.rule.row.iter().map(|arg| maker.register(*arg)).collect();
        note_once(&mut steps, &head);
        Plan { seed: outs, own_seed, steps, head, registers: maker.registers }
    }

    /// The goal from which all rows of the rule are found most cheaply.
    pub(crate) fn best_seed(&self) -> Seed {
        let goals = self.rule.goals.iter().enumerate();
        let seeds =
            goals.filter(|(_, goal)| matches!(goal, Goal::Has(_))).map(|(place, _)| Seed::Goal(place));
        let cost = |seed: &Seed| self.order(*seed).1;
        seeds.min_by(|one, two| cost(one).total_cmp(&cost(two))).unwrap_or(Seed::Nothing)
    }

    /// The order of the goals from a seed, and what it is expected to cost.
    fn order(&self, seed: Seed) -> (Vec<usize>, f64) {
        let mut known: BTreeSet<Place> = BTreeSet::new();
        let mut waiting: Vec<usize> = (0..self.rule.goals.len()).collect();
        let (mut rows, mut cost) = (1.0, 0.0);
        match seed {
            Seed::Nothing => {}
            Seed::Head => known.extend(variables(&self.rule.row)),
            Seed::Goal(goal) => {
                if let Goal::Has(atom) = &self.rule.goals[goal] {
                    waiting.retain(|place| *place != goal);
                    rows = self.size(atom);
                    cost = rows;
                }
                known.extend(atom(&self.rule.goals[goal]).into_iter().flat_map(|atom| variables(&atom.args)));
            }
        }
        let mut order = Vec::new();
        while !waiting.is_empty() {
            let next = |place: &usize| self.fan_out(&self.rule.goals[*place], &known);
            let best = waiting.iter().copied().filter_map(|place| Some((place, next(&place)?)));
            let best = best.min_by(|(_, one), (_, two)| one.total_cmp(two));
            let (place, fan_out) =
                best.expect("every variable of a rule is bound by a goal that can be searched");
            let goal = &self.rule.goals[place];
            if let Goal::Has(atom) = goal {
                cost += rows + self.arranging(atom, &known);
                rows *= fan_out;
                cost += rows;
                known.extend(variables(&atom.args));
            }
            if let Goal::Make { into: Arg::Var(into), .. } = goal {
                known.insert(*into);
            }
            waiting.retain(|one| *one != place);
            order.push(place);
        }
        (order, cost)
    }

    fn size(&self, atom: &Atom) -> f64 {
        self.relations[atom.relation].table.len() as f64
    }

    /// How many ways a goal is expected to hold when these variables are known; nothing if it can't be searched yet.
    fn fan_out(&self, goal: &Goal, known: &BTreeSet<Place>) -> Option<f64> {
        let ready = |args: &[Arg]| variables(args).all(|variable| known.contains(&variable));
        match goal {
            Goal::Has(atom) => {
                Some(fan_out(&self.relations[atom.relation].table, &columns_known(atom, known)))
            }
            Goal::Not(atom) => ready(&atom.args).then_some(0.0),
            Goal::Test { args, .. } | Goal::Make { args, .. } => ready(args).then_some(-1.0),
        }
    }

    /// The cost of a way in that is not there yet.
    fn arranging(&self, atom: &Atom, known: &BTreeSet<Place>) -> f64 {
        let table = &self.relations[atom.relation].table;
        if table.distinct(&columns_known(atom, known)).is_some() { 0.0 } else { table.len() as f64 }
    }

    /// Puts a scan and the question for the row that follows it together, and takes the short way where there is one.
    fn shorten(&self, steps: &mut Vec<Step>) {
        let mut place = 1;
        while place < steps.len() {
            if let [Step::Scan(one), Step::Scan(two)] = &steps[place - 1..=place]
                && let Some((one, value)) = side_of_scan(one)
                && let Some(two) = self.side_of_question(two, value)
            {
                steps[place - 1] = Step::Meet { sides: [one, two], value, once: false };
                steps.remove(place);
            }
            place += 1;
        }
        for step in steps {
            if let Step::Scan(scan) = step
                && let Some((side, value)) = side_of_scan(scan)
            {
                *step = Step::Follow { side, value, once: false };
            }
        }
    }

    /// The question for a row of two columns, one of which is this, as a way to all rows that have the other; if there
    /// is such a way.
    fn side_of_question(&self, scan: &Scan, value: Register) -> Option<Side> {
        let [first, second] = scan.key[..] else { return None };
        let table = &self.relations[scan.relation].table;
        let (access, key, column) = match (first == value, second == value) {
            (true, false) => (Access::Backward, second, 1),
            (false, true) => (Access::Forward, first, 0),
            _ => return None,
        };
        let there = scan.access == Access::Whole && table.width() == 2 && table.distinct(&[column]).is_some();
        there.then_some(Side { relation: scan.relation, access, key, own: scan.own })
    }

    fn step(&mut self, maker: &mut Maker, goal: usize) -> Step {
        let registers =
            |maker: &mut Maker, args: &[Arg]| args.iter().map(|arg| maker.register(*arg)).collect();
        match &self.rule.goals[goal] {
            Goal::Has(atom) => {
                let columns = columns_known(atom, &maker.bound);
                let access = self.relations[atom.relation].table.access(&columns);
                let key = columns.iter().map(|column| maker.register(atom.args[*column])).collect();
                let outs = maker.outs(&atom.args, &columns);
                let own = self.own.contains(&atom.relation);
                Step::Scan(Scan { relation: atom.relation, access, key, outs, own, once: false })
            }
            Goal::Not(atom) => {
                let columns = columns_known(atom, &maker.bound);
                let access = self.relations[atom.relation].table.access(&columns);
                let key = columns.iter().map(|column| maker.register(atom.args[*column])).collect();
                Step::Absent { relation: atom.relation, access, key }
            }
            Goal::Test { test, args } => Step::Test { test: *test, args: registers(maker, args) },
            Goal::Make { function, args, into } => {
                let args = registers(maker, args);
                let check = match into {
                    Arg::Var(variable) => !maker.bound.insert(*variable),
                    Arg::Is(_) | Arg::Any => true,
                };
                Step::Make { function: *function, args, into: maker.register(*into), check }
            }
        }
    }
}

/// The atom of a goal, if it is one.
pub(crate) fn atom(goal: &Goal) -> Option<&Atom> {
    match goal {
        Goal::Has(atom) | Goal::Not(atom) => Some(atom),
        Goal::Test { .. } | Goal::Make { .. } => None,
    }
}

fn variables(args: &[Arg]) -> impl Iterator<Item = Place> + '_ {
    args.iter().filter_map(|arg| match arg {
        Arg::Var(variable) => Some(*variable),
        Arg::Is(_) | Arg::Any => None,
    })
}

/// The columns of an atom that can be looked up by.
fn columns_known(atom: &Atom, known: &BTreeSet<Place>) -> Vec<Place> {
    let is_known = |arg: &Arg| match arg {
        Arg::Var(variable) => known.contains(variable),
        Arg::Is(_) => true,
        Arg::Any => false,
    };
    (0..atom.args.len()).filter(|column| is_known(&atom.args[*column])).collect()
}

/// How many rows of a table to expect for one key of these columns.
fn fan_out(table: &Table, columns: &[Place]) -> f64 {
    let rows = (table.len() as f64).max(1.0);
    if columns.len() == table.width() {
        return 0.5;
    }
    rows / table.estimate(columns).max(1.0)
}

/// A scan of a table of two columns that binds one by the other, and what it binds.
fn side_of_scan(scan: &Scan) -> Option<(Side, Register)> {
    let value = match (scan.access, &scan.outs[..]) {
        (Access::Forward, [Out::Skip, Out::Bind(value)])
        | (Access::Backward, [Out::Bind(value), Out::Skip]) => *value,
        _ => return None,
    };
    Some((Side { relation: scan.relation, access: scan.access, key: scan.key[0], own: scan.own }, value))
}

/// Marks the scans of which no later step uses what they bind.
fn note_once(steps: &mut [Step], head: &[Register]) {
    let mut used: BTreeSet<Register> = head.iter().copied().collect();
    for step in steps.iter_mut().rev() {
        match step {
            Step::Scan(scan) => {
                scan.once = !scan.outs.iter().any(|out| matches!(out, Out::Bind(to) if used.contains(to)));
                used.extend(&scan.key);
                used.extend(scan.outs.iter().filter_map(|out| match out {
                    Out::Check(with) => Some(*with),
                    Out::Skip | Out::Bind(_) => None,
                }));
            }
            Step::Follow { side, value, once } => {
                *once = !used.contains(value);
                used.insert(side.key);
            }
            Step::Meet { sides, value, once } => {
                *once = !used.contains(value);
                used.extend(sides.map(|side| side.key));
            }
            Step::Absent { key: args, .. } | Step::Test { args, .. } => used.extend(args.iter()),
            Step::Make { args, into, check, .. } => {
                used.extend(args.iter());
                used.extend(check.then_some(*into));
            }
        }
    }
}

/// The registers of a plan that is being made.
struct Maker {
    registers: Vec<Id>,
    bound: BTreeSet<Place>,
}

impl Maker {
    /// The register of a variable or constant.
    fn register(&mut self, arg: Arg) -> Register {
        match arg {
            Arg::Var(variable) => variable,
            Arg::Is(id) => {
                self.registers.push(id);
                self.registers.len() - 1
            }
            Arg::Any => unreachable!("nothing is known of what may be anything"),
        }
    }

    /// What to do with each column, but those that were looked up by.
    fn outs(&mut self, args: &[Arg], columns: &[Place]) -> Vec<Out> {
        let out = |(column, arg): (usize, &Arg)| match arg {
            _ if columns.contains(&column) => Out::Skip,
            Arg::Any => Out::Skip,
            Arg::Is(_) => Out::Check(self.register(*arg)),
            Arg::Var(variable) if self.bound.insert(*variable) => Out::Bind(*variable),
            Arg::Var(variable) => Out::Check(*variable),
        };
        args.iter().enumerate().map(out).collect()
    }
}
