//! Why a row is there, and why another is not (Q21).
//!
//! An [`Account`] has a compiled program and the final contents of all its relations, and explains them without
//! evaluating the program again. [`Account::why`] gives one derivation of a row: the rule, the rows its body found, and
//! so on down to stored rows. In recursion a row might be explained by itself; so each row of a recursive stratum has a
//! *stage*, the round of evaluation in which it comes first (`stages`), and is derived from rows of earlier stages
//! only. That makes every derivation finite and well-founded. [`Account::why_not`] says for each rule how far it gets
//! (`failure`). Both ask `search` how the conditions of a body hold.
//!
//! A row that is used twice is derived once: a derivation is a graph without cycles, in which every row stands before
//! those it is derived from.

mod failure;
mod pattern;
mod search;
mod show;
mod stages;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use motet_algebra::{Column, RelationName, Row};
use motet_fact::Value;

pub use self::failure::Attempt;
pub use self::pattern::Pattern;
use self::search::{Found, Way};
use self::stages::Stages;
use crate::rule::{Rule, Variable};
use crate::{Compiled, Interface};

/// The rows of relations.
pub type Contents = BTreeMap<RelationName, BTreeSet<Row>>;

/// The values of a rule's variables.
pub type Bindings = BTreeMap<Variable, Value>;

/// A derivation: the first node is what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derivation {
    /// Each row once, before those it is derived from.
    pub nodes: Vec<Node>,
}

/// A row and why it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The relation.
    pub relation: RelationName,
    /// Its columns.
    pub columns: Vec<Column>,
    /// The row.
    pub row: Row,
    /// Why it is there.
    pub reason: Reason,
    /// Of a stored row: where it comes from, if that is known ([`Account::origins`]).
    pub origin: Option<String>,
}

/// Why a row is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It came from outside.
    Stored,
    /// A rule derives it.
    Rule {
        /// The line that the rule begins in.
        line: usize,
        /// The rule as it is written, on one line.
        text: String,
        /// What its variables stand for.
        bindings: Bindings,
        /// What its conditions found, in their order.
        premises: Vec<Premise>,
    },
}

/// What a condition found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Premise {
    /// A row: the place of its node in the derivation.
    Row(usize),
    /// That no row matches: the condition with its values.
    Absent(String),
    /// That a comparison holds: it with its values.
    Compared(String),
    /// The aggregate of some rows.
    Aggregated {
        /// The condition with its values.
        condition: String,
        /// Of how many rows.
        rows: usize,
    },
}

impl Compiled {
    /// The program with every relation an output: what a runtime has to run for an [`Account`].
    pub fn observed(&self) -> Compiled {
        let mut program = self.program.clone();
        program.relations.values_mut().for_each(|relation| relation.output = true);
        Compiled { demanded: program.clone(), program, ..self.clone() }
    }
}

/// Says where a stored row of a relation comes from, in a few words.
pub type Origins<'a> = dyn Fn(&Interface, &Row) -> Option<String> + 'a;

/// A program and all that holds.
pub struct Account<'a> {
    compiled: &'a Compiled,
    contents: &'a Contents,
    stored: &'a Contents,
    stages: Stages,
    origins: Option<&'a Origins<'a>>,
}

impl<'a> Account<'a> {
    /// Takes the contents of all relations, as [`Compiled::observed`] computes them, and the rows among them that came
    /// from outside.
    pub fn new(compiled: &'a Compiled, contents: &'a Contents, stored: &'a Contents) -> Self {
        Account { compiled, contents, stored, stages: Stages::default(), origins: None }
    }

    /// Lets derivations say of rows of base relations where they come from.
    #[must_use]
    pub fn origins(mut self, origins: &'a Origins<'a>) -> Self {
        self.origins = Some(origins);
        self
    }

    /// A derivation of the least row that matches; nothing if none does.
    ///
    /// # Panics
    /// If the contents are not those of the program, or if that is a plan, which has no rules to explain a row by.
    pub fn why(&mut self, pattern: &Pattern) -> Option<Derivation> {
        let row = self.rows(&pattern.relation).find(|row| pattern.fits(row))?.clone();
        let mut wanted = vec![(pattern.relation.clone(), row)];
        let mut places: BTreeMap<(RelationName, Row), usize> = BTreeMap::new();
        places.insert(wanted[0].clone(), 0);
        let mut nodes = Vec::new();
        while let Some((relation, row)) = wanted.get(nodes.len()).cloned() {
            let mut place = |relation: &RelationName, row: &Row| {
                let key = (relation.clone(), row.clone());
                *places.entry(key.clone()).or_insert_with(|| {
                    wanted.push(key);
                    wanted.len() - 1
                })
            };
            let reason = self.reason(&relation, &row, &mut place);
            let columns = self.compiled.program.relations[&relation].names().cloned().collect();
            let base = self.compiled.bases.iter().find(|base| base.name == relation);
            let origin = base.and_then(|base| self.origins.and_then(|origins| origins(base, &row)));
            nodes.push(Node { relation, columns, row, reason, origin });
        }
        Some(Derivation { nodes })
    }

    /// How many rows match.
    pub fn count(&self, pattern: &Pattern) -> usize {
        self.rows(&pattern.relation).filter(|row| pattern.fits(row)).count()
    }

    /// All rows of a relation, in value order.
    pub fn rows(&self, relation: &str) -> impl Iterator<Item = &'a Row> + use<'a> {
        self.contents.get(relation).into_iter().flatten()
    }

    fn rules(&self, head: &RelationName) -> impl Iterator<Item = &'a Rule> + use<'a> {
        let head = head.clone();
        self.compiled.rules.iter().filter(move |rule| rule.head == head)
    }

    fn is_stored(&self, relation: &RelationName, row: &Row) -> bool {
        let base = self.compiled.bases.iter().any(|base| base.name == *relation);
        base || self.stored.get(relation).is_some_and(|rows| rows.contains(row))
    }

    fn reason(
        &mut self,
        relation: &RelationName,
        row: &Row,
        place: &mut dyn FnMut(&RelationName, &Row) -> usize,
    ) -> Reason {
        if self.is_stored(relation, row) {
            return Reason::Stored;
        }
        self.stage_rows(relation);
        let found = self.rules(relation).find_map(|rule| Some((rule, self.way(rule, row)?)));
        let (rule, way) = found.expect("every row that is not stored is derived by a rule");
        let premises = way.found.iter().map(|(goal, found)| match found {
            Found::Row(row) => {
                let scan = rule.goals[*goal].scan().expect("only atoms find rows");
                Premise::Row(place(&scan.relation, row))
            }
            Found::Nothing => Premise::Absent(show::goal(&rule.goals[*goal], &way.bindings)),
            Found::Holds => Premise::Compared(show::goal(&rule.goals[*goal], &way.bindings)),
            Found::Group(rows) => {
                Premise::Aggregated { condition: show::goal(&rule.goals[*goal], &way.bindings), rows: *rows }
            }
        });
        let (line, text) = self.written(rule);
        Reason::Rule { line, text, premises: premises.collect(), bindings: way.bindings }
    }

    /// How a rule derives a row from rows of earlier stages.
    fn way(&self, rule: &Rule, row: &Row) -> Option<Way> {
        let stage = self.stages.of(&rule.head, row);
        let earlier = |relation: &RelationName, row: &Row| match (stage, self.stages.of(relation, row)) {
            (Some(stage), Some(other)) => !self.together(relation, &rule.head) || other < stage,
            _ => !self.together(relation, &rule.head),
        };
        let begin = head_bindings(rule, row)?;
        let mut way = None;
        let _ended = self.search(rule, &earlier).all(begin, &mut |one| {
            if self.head_row(rule, &one.bindings).as_ref() != Some(row) {
                return ControlFlow::Continue(());
            }
            let mut one = one.clone();
            one.found.sort_by_key(|(goal, _)| *goal);
            way = Some(one);
            ControlFlow::Break(())
        });
        way
    }

    /// Whether two relations depend on each other.
    fn together(&self, one: &RelationName, other: &RelationName) -> bool {
        let of = |name: &RelationName| {
            self.compiled.components.iter().position(|component| component.relations.contains(name))
        };
        of(one) == of(other)
    }

    /// Where a rule stands, and its text on one line.
    fn written(&self, rule: &Rule) -> (usize, String) {
        let (source, span) = self.compiled.warnings.locate(rule.span);
        let words: Vec<_> = source.excerpt(span).split_whitespace().collect();
        (source.place(span.start).0, words.join(" "))
    }

    /// What a head gives; nothing if a term has no value or one that its column does not take.
    fn head_row(&self, rule: &Rule, bindings: &Bindings) -> Option<Row> {
        let columns = &self.compiled.program.relations[&rule.head].columns;
        let value = |(head, (_, column_type)): (&crate::rule::HeadTerm, &(Column, _))| {
            let column_type: &motet_algebra::ColumnType = column_type;
            search::evaluate(&head.term, bindings).filter(|value| column_type.takes(value))
        };
        rule.terms.iter().zip(columns).map(value).collect()
    }
}

/// What the variables of a head stand for in a row; nothing if the head cannot give it.
fn head_bindings(rule: &Rule, row: &Row) -> Option<Bindings> {
    head_bindings_of(rule, &row.iter().map(Some).collect::<Vec<_>>())
}

/// The same of a row of which some columns are known.
fn head_bindings_of(rule: &Rule, values: &[Option<&Value>]) -> Option<Bindings> {
    let mut bindings = Bindings::new();
    for (head, value) in rule.terms.iter().zip(values) {
        let Some(value) = value else { continue };
        match &head.term {
            motet_algebra::Term::Column(variable) => {
                let before = bindings.insert(variable.clone(), (*value).clone());
                before.is_none_or(|before| before == **value).then_some(())?;
            }
            motet_algebra::Term::Constant(constant) => (constant == *value).then_some(())?,
            motet_algebra::Term::Apply(..) => {}
        }
    }
    Some(bindings)
}
