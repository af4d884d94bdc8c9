//! Why a row is not there: how far each rule gets.
//!
//! The conditions are tried in the order in which they are written, each as soon as its variables are bound. The
//! longest beginning that holds in some way is shown with its values, and the condition after it, with what it looked
//! for.

use motet_algebra::RelationName;

use super::search::Search;
use super::{Account, Bindings, Pattern, head_bindings_of, search, show};
use crate::binding;
use crate::rule::{GoalKind, Rule};

/// How many rows are looked at for one rule; then the best beginning so far is shown.
const MAX_LOOKED_AT: usize = 1_000_000;

/// How far a rule gets towards a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The line that the rule begins in.
    pub line: usize,
    /// The rule as it is written, on one line.
    pub text: String,
    /// The conditions that hold together, with their values, in the order in which they were tried.
    pub reached: Vec<String>,
    /// What fails then, and why; nothing if the rule derives a row that matches.
    pub failed: Option<(String, String)>,
    /// What the variables stand for where it fails.
    pub bindings: Bindings,
    /// Whether the search was ended before everything was tried.
    pub cut: bool,
}

impl Account<'_> {
    /// For each rule of the relation how far it gets towards a row that matches.
    pub fn why_not(&self, pattern: &Pattern) -> Vec<Attempt> {
        self.rules(&pattern.relation).map(|rule| self.attempt(rule, pattern)).collect()
    }

    /// Whether a relation's rows come from outside, as far as it has no rules.
    pub fn takes_rows(&self, relation: &RelationName) -> bool {
        self.compiled.program.relations.get(relation).is_some_and(|relation| relation.input)
    }

    fn attempt(&self, rule: &Rule, pattern: &Pattern) -> Attempt {
        let (line, text) = self.written(rule);
        let mut best =
            Attempt { line, text, reached: vec![], failed: None, bindings: Bindings::new(), cut: false };
        let values: Vec<_> = pattern.values.iter().map(Option::as_ref).collect();
        let Some(begin) = head_bindings_of(rule, &values) else {
            best.failed = Some((show::head(rule, &Bindings::new()), "its head gives other rows".to_owned()));
            return best;
        };
        let any = |_: &RelationName, _: &motet_algebra::Row| true;
        let search = self.search(rule, &any);
        let mut climb = Climb { account: self, search, pattern, best: &mut best, deepest: None };
        climb.step((0..rule.goals.len()).collect(), &begin, &mut Vec::new());
        best
    }
}

/// A search for the longest beginning.
struct Climb<'c, 's> {
    account: &'c Account<'s>,
    search: Search<'c>,
    pattern: &'c Pattern,
    best: &'c mut Attempt,
    deepest: Option<usize>,
}

impl Climb<'_, '_> {
    /// Tries the conditions that wait, in their order; true when there is nothing more to find out.
    fn step(&mut self, waiting: Vec<usize>, bindings: &Bindings, reached: &mut Vec<usize>) -> bool {
        if self.search.looked_at.get() > MAX_LOOKED_AT {
            self.best.cut = true;
            return true;
        }
        let rule = self.search.rule;
        let bound = bindings.keys().cloned().chain(rule.assumed.clone()).collect();
        let ready = |goal: &&usize| binding::is_ready(&rule.goals[**goal], &bound, &self.search.bindable);
        let Some(goal) = waiting.iter().find(ready).copied() else { return self.head(bindings, reached) };
        let ways = self.search.ways(&rule.goals[goal], bindings);
        if ways.is_empty() {
            if self.is_farther(reached) {
                let failed = (show::goal(&rule.goals[goal], bindings), self.reason(goal, bindings));
                self.note(bindings, reached, failed);
            }
            return false;
        }
        let rest: Vec<usize> = waiting.into_iter().filter(|other| *other != goal).collect();
        reached.push(goal);
        let done = ways.into_iter().any(|(bindings, _)| self.step(rest.clone(), &bindings, reached));
        reached.pop();
        done
    }

    /// All conditions hold: what the head gives.
    fn head(&mut self, bindings: &Bindings, reached: &[usize]) -> bool {
        let rule = self.search.rule;
        let row = self.account.head_row(rule, bindings);
        if row.is_some_and(|row| self.pattern.fits(&row)) {
            self.deepest = Some(usize::MAX);
            self.best.reached = self.shown(reached, bindings);
            self.best.bindings = bindings.clone();
            self.best.failed = None;
            return true;
        }
        if self.is_farther(reached) {
            let undefined = rule.terms.iter().any(|head| search::evaluate(&head.term, bindings).is_none());
            let why = if undefined { "the head has no value" } else { "the head gives another row" };
            self.note(bindings, reached, (show::head(rule, bindings), why.to_owned()));
        }
        false
    }

    fn shown(&self, reached: &[usize], bindings: &Bindings) -> Vec<String> {
        reached.iter().map(|goal| show::goal(&self.search.rule.goals[*goal], bindings)).collect()
    }

    /// Whether no beginning was longer.
    fn is_farther(&self, reached: &[usize]) -> bool {
        self.deepest.is_none_or(|deepest| deepest < reached.len())
    }

    /// Remembers where it fails.
    fn note(&mut self, bindings: &Bindings, reached: &[usize], failed: (String, String)) {
        self.deepest = Some(reached.len());
        self.best.reached = self.shown(reached, bindings);
        self.best.bindings = bindings.clone();
        self.best.failed = Some(failed);
    }

    /// Why a condition fails.
    fn reason(&self, goal: usize, bindings: &Bindings) -> String {
        match &self.search.rule.goals[goal].kind {
            GoalKind::Scan(_) => "no row matches".to_owned(),
            GoalKind::Not(scan) => match self.search.blocking(scan, bindings) {
                Some(row) => format!("there is {}", self.account.shown_row(&scan.relation, row)),
                None => "it holds".to_owned(),
            },
            GoalKind::Compare(_, left, right) => {
                let defined = |term| search::evaluate(term, bindings).is_some();
                let both = defined(left) && defined(right);
                if both { "does not hold" } else { "has no value" }.to_owned()
            }
            GoalKind::Aggregate { .. } => {
                let mut free = bindings.clone();
                let goal = &self.search.rule.goals[goal];
                goal.results().for_each(|result| drop(free.remove(result)));
                match self.search.ways(goal, &free).first() {
                    Some((given, _)) => format!("it gives {}", show::goal(goal, given)),
                    None => "it has no value".to_owned(),
                }
            }
        }
    }
}
