//! The engine: rules kept up under changes, over rows of ids.
//!
//! An [`Engine`] is told once what to keep up ([`Definition`]), and then takes epochs: rows of base relations that come
//! and go. What else comes and goes follows, stratum by stratum. It does what circuits of the incremental operators
//! would do, on rows packed into sets of ids, with rules in place of operators and sets in place of weights:
//!
//! * **Insertion** is semi-naive. A new row comes to a rule by one of its goals, and the others are searched in an
//!   order made for that goal ([`plan`]). In the first epoch nothing is there before, so each rule is searched once,
//!   and nothing is kept but the rows.
//! * **Deletion** asks, of each row that a lost row helped to derive, whether a rule still supports it. In a recursion
//!   only support from a lower *level* counts ([`level`]), so that rows don't hold each other up in a circle; what
//!   falls though there was support from above is derived anew. Levels are made when they are first needed.
//! * **Folds** (aggregates, ranks) look at the groups that changed, and compare what they give with what they gave.
//!
//! An epoch is staged: rows that come are noted, rows that go stay until it is committed. One that runs over its limits
//! is taken back without a trace (Q17). [`Engine::touched`] counts the rows that were looked at (Q19). A [`Cap`] says
//! how many rows relations may have, and is no matter of cost: it is met or not, however an epoch is computed (H20).
//!
//! | module | noun |
//! |---|---|
//! | [`row`] | ids, batches of rows |
//! | `set`, `rows`, `keys`, `arrangement`, `table` | where rows lie, from the inside out |
//! | [`rule`] | relations, rules, folds and the host that knows what they mean |
//! | `strata`, `plan`, `search` | the order of relations, of goals, and the steps |
//! | `relation`, `level` | a relation in an epoch |
//! | `epoch`, `deletion`, `folding` | what an epoch does |
//! | `recheck` | what debug builds check after it |
//! | `saved` | an engine as numbers, and back |

mod arrangement;
mod deletion;
mod epoch;
mod folding;
mod keys;
mod level;
mod plan;
mod recheck;
mod relation;
pub mod row;
mod rows;
pub mod rule;
mod saved;
mod search;
mod set;
mod strata;
mod table;

use std::sync::Arc;

use epoch::{Epoch, row_bytes};
use plan::{Plan, Planner, Seed};
use relation::Relation;
use row::{Batch, Id};
use rows::Rows;
use rule::{Definition, Goal, Host, RelationId};
use search::Room;
use strata::{Stratum, strata};

/// What an epoch may cost. Counted, never timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many rows may be looked at.
    pub rows: u64,
    /// How many rounds a recursion may take.
    pub rounds: u64,
    /// How many bytes the rows that come may take, with what the host holds for them; both are estimates.
    pub bytes: u64,
}

impl Limits {
    /// As much as there is.
    pub const NONE: Limits = Limits { rows: u64::MAX, rounds: u64::MAX, bytes: u64::MAX };
}

/// Why an epoch goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Too many rows were looked at.
    Rows,
    /// A recursion took too many rounds.
    Rounds,
    /// What came takes too many bytes.
    Bytes,
    /// The host wants it no more ([`Host::is_wanted`](rule::Host::is_wanted)).
    Unwanted,
    /// The relations of this cap, by its place, have more rows than it lets them have.
    Capped(usize),
}

/// How many rows some relations may have, all together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cap {
    /// The relations. They are computed together, or one after the other, and no other cap names them.
    pub relations: Vec<RelationId>,
    /// The most rows.
    pub rows: usize,
}

/// Why an epoch goes no further, and where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Why.
    pub cause: Cause,
    /// The relation that was being computed.
    pub relation: RelationId,
    /// The rule of it, if it was one.
    pub rule: Option<usize>,
}

/// The rows that come and go of one relation.
#[derive(Clone, Debug)]
pub struct Change {
    /// The relation.
    pub relation: RelationId,
    /// Rows that are not there. Each once.
    pub come: Batch,
    /// Rows that are there. Each once.
    pub gone: Batch,
}

/// Rules kept up.
pub struct Engine<H> {
    definition: Arc<Definition>,
    host: H,
    relations: Vec<Relation>,
    strata: Arc<Vec<Stratum>>,
    /// The plans of each rule that were made so far, with their seeds.
    plans: Vec<Vec<(Seed, Arc<Plan>)>>,
    /// Whether an epoch was committed.
    started: bool,
    /// Whether an epoch waits to be committed.
    staged: bool,
    touched: u64,
    caps: Vec<Cap>,
    asked: u64,
    /// Whether this engine checks another, and is not checked itself.
    is_twin: bool,
}

impl<H: Host> Engine<H> {
    /// An engine before its first epoch.
    ///
    /// # Panics
    /// If a relation depends on itself through what is absent, or through a fold.
    pub fn new(definition: Definition, host: H) -> Self {
        Engine::of(Arc::new(definition), host)
    }

    fn of(definition: Arc<Definition>, host: H) -> Self {
        Engine {
            host,
            relations: definition.widths.iter().map(|width| Relation::new(*width)).collect(),
            strata: Arc::new(strata(&definition)),
            plans: vec![Vec::new(); definition.rules.len()],
            definition,
            started: false,
            staged: false,
            touched: 0,
            caps: Vec::new(),
            asked: 0,
            is_twin: false,
        }
    }

    /// Runs an epoch, which is then to be looked at and committed.
    ///
    /// # Errors
    /// [`Exceeded`]; the engine is then as before, but for [`Engine::touched`].
    ///
    /// # Panics
    /// If a row comes that is there, or goes that is not, or of a relation that is not a base relation.
    pub fn step(&mut self, changes: &[Change], limits: Limits) -> Result<(), Exceeded> {
        assert!(!self.staged, "an epoch is committed before the next");
        let mut epoch = Epoch::new(limits, &self.definition.widths);
        self.feed(changes);
        epoch.held = changes.iter().flat_map(|change| change.come.rows()).map(row_bytes).sum();
        let strata = Arc::clone(&self.strata);
        let begun = self.charge(&mut epoch, 0, changes.first().map_or(0, |change| change.relation), None);
        let done =
            begun.and_then(|()| strata.iter().try_for_each(|stratum| self.stratum(&mut epoch, stratum)));
        self.touched += epoch.touched;
        self.asked += epoch.asked;
        match done {
            Ok(()) => self.staged = true,
            Err(_) => self.roll_back(),
        }
        done
    }

    /// Lets relations have so many rows and no more in the epochs that follow, in place of the caps before. An epoch
    /// is refused as soon as a row is found with which there would be more, and what is found stays. In one recursion
    /// what goes is gone before anything comes; but of relations that are computed one after the other the later ones
    /// still have what they will lose. So an epoch in which rows of the relations go may be refused though few enough
    /// would be left. One in which none go is refused if and only if there would be too many.
    pub fn cap(&mut self, caps: Vec<Cap>) {
        self.caps = caps;
    }

    /// How many rows a relation under a cap has room for.
    fn room(&self, relation: RelationId) -> Option<Room<'_>> {
        let cap = self.caps.iter().position(|cap| cap.relations.contains(&relation))?;
        let rows: usize = self.caps[cap].relations.iter().map(|one| self.len(*one)).sum();
        let found = Rows::new(self.definition.widths[relation]);
        let left = self.caps[cap].rows.saturating_sub(rows);
        Some(Room { cap, relation: &self.relations[relation], left, found })
    }

    /// Who knows what the ids mean.
    pub fn host(&self) -> &H {
        &self.host
    }

    /// Makes the epoch final.
    pub fn commit(&mut self) {
        assert!(self.staged, "there is an epoch to commit");
        self.relations.iter_mut().for_each(Relation::commit);
        (self.staged, self.started) = (false, true);
        if cfg!(debug_assertions) && !self.is_twin {
            self.recheck();
        }
    }

    /// Takes the epoch back.
    pub fn roll_back(&mut self) {
        self.staged = false;
        match self.started {
            true => self.relations.iter_mut().for_each(Relation::roll_back),
            false => self.relations.iter_mut().for_each(Relation::clear),
        }
    }

    fn feed(&mut self, changes: &[Change]) {
        for change in changes {
            let relation = &mut self.relations[change.relation];
            for row in change.come.rows() {
                assert!(relation.put(row, 0, !self.started), "a row that comes is not there");
            }
            change.gone.rows().for_each(|row| relation.drop_row(row));
        }
    }

    /// Shows the rows of a relation that come in the epoch that waits to be committed, and those that go.
    pub fn changes(&self, relation: RelationId, mut show: impl FnMut(&[Id], bool)) {
        let of = &self.relations[relation];
        of.gone.iter().for_each(|(_, row)| show(row, false));
        match self.started {
            true => of.come.iter().for_each(|(_, row)| show(row, true)),
            false => self.rows(relation, |row| show(row, true)),
        }
    }

    /// How many rows of a relation come or go in the epoch that waits to be committed.
    pub fn changed(&self, relation: RelationId) -> usize {
        let of = &self.relations[relation];
        if self.started { of.come.len() + of.gone.len() } else { of.table.len() }
    }

    /// Shows the rows of a relation.
    pub fn rows(&self, relation: RelationId, mut show: impl FnMut(&[Id])) {
        let of = &self.relations[relation];
        of.table.walk(table::Access::All, &[], |row| {
            if !of.gone.contains(row) {
                show(row);
            }
            false
        });
    }

    /// How many rows a relation has.
    pub fn len(&self, relation: RelationId) -> usize {
        let of = &self.relations[relation];
        of.table.len() - of.gone.len()
    }

    /// Whether a relation has no rows.
    pub fn is_empty(&self, relation: RelationId) -> bool {
        self.len(relation) == 0
    }

    /// The ids in a row of a relation.
    pub fn width(&self, relation: RelationId) -> usize {
        self.definition.widths[relation]
    }

    /// How many relations there are.
    pub fn relations(&self) -> usize {
        self.relations.len()
    }

    /// Whether a relation has a row.
    pub fn contains(&self, relation: RelationId, row: &[Id]) -> bool {
        self.relations[relation].has(row)
    }

    /// How many rows were looked at, over all epochs (Q19). A lookup that finds nothing counts as one.
    pub fn touched(&self) -> u64 {
        self.touched
    }

    /// How many rows were asked for their support, over all epochs (Q19): those that might have gone, each time.
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// The bytes that a relation takes, with its arrangements and all else that is kept of it.
    pub fn heap_bytes(&self, relation: RelationId) -> usize {
        self.relations[relation].heap_bytes()
    }

    /// The plan of a rule from a seed, made if it was not made before.
    fn plan(&mut self, rule: usize, seed: Seed, own: &[RelationId]) -> Arc<Plan> {
        if let Some((_, plan)) = self.plans[rule].iter().find(|(known, _)| *known == seed) {
            return Arc::clone(plan);
        }
        let mut planner = Planner { rule: &self.definition.rules[rule], relations: &mut self.relations, own };
        let plan = Arc::new(planner.plan(seed));
        self.plans[rule].push((seed, Arc::clone(&plan)));
        plan
    }

    /// Whether a rule has a goal that no row can meet, for the relation is empty.
    fn is_idle(&self, rule: usize) -> bool {
        let empty = |goal: &Goal| match goal {
            Goal::Has(atom) => self.relations[atom.relation].table.is_empty(),
            Goal::Not(_) | Goal::Test { .. } | Goal::Make { .. } => false,
        };
        self.definition.rules[rule].goals.iter().any(empty)
    }
}
