//! How the conditions of a body hold: one after the other, each when it can be tried.
//!
//! This is the stupid way to evaluate a rule, variable bindings one at a time. It is right for a single row, which
//! binds most variables from the start. Rows are found by an index over the columns that are bound, made when it is
//! first needed. What an aggregate gives is asked of the evaluator that defines it, over the rows of the group.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::rc::Rc;

use motet_algebra::{
    Budget, Changes, Column, ColumnType, Expression, Naive, Program, Relation, RelationName, Row, Runtime,
    Statement, Term,
};
use motet_fact::{Value, codec};

use super::{Account, Bindings};
use crate::binding;
use crate::lower;
use crate::rule::{Goal, GoalKind, Rule, Scan, Variable, term_variables};

/// What a condition found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A row that matches an atom.
    Row(Row),
    /// No row, as a negation wants.
    Nothing,
    /// A comparison holds.
    Holds,
    /// An aggregate of so many rows.
    Group(usize),
}

/// A way in which a body holds: what each condition found, by its place, and what the variables stand for.
#[derive(Clone, Debug, Default)]
pub(super) struct Way {
    pub(super) bindings: Bindings,
    pub(super) found: Vec<(usize, Found)>,
}

/// Whether a row may be used.
pub(super) type Allowed<'s> = &'s dyn Fn(&RelationName, &Row) -> bool;

/// The rows of a relation by what they hold in some places.
type Index<'s> = BTreeMap<Row, Vec<&'s Row>>;

/// The indexes made so far, by relation and places.
type Indexes<'s> = BTreeMap<(RelationName, Vec<usize>), Rc<Index<'s>>>;

/// A rule whose conditions are tried.
pub(super) struct Search<'s> {
    account: &'s Account<'s>,
    pub(super) rule: &'s Rule,
    pub(super) bindable: BTreeSet<Variable>,
    allowed: Allowed<'s>,
    indexes: RefCell<Indexes<'s>>,
    /// How many rows were looked at.
    pub(super) looked_at: Cell<usize>,
}

/// The value of a term; nothing if it is undefined.
pub(super) fn evaluate(term: &Term, bindings: &Bindings) -> Option<Value> {
    let columns: Vec<Column> = term_variables(term).into_iter().collect();
    let values = columns.iter().map(|column| bindings.get(column).cloned()).collect::<Option<Row>>()?;
    term.bind(&columns).ok()?.evaluate(&|place| values[place].clone())
}

impl Account<'_> {
    pub(super) fn search<'s>(&'s self, rule: &'s Rule, allowed: Allowed<'s>) -> Search<'s> {
        let bindable = binding::bindable(rule);
        Search {
            account: self,
            rule,
            bindable,
            allowed,
            indexes: RefCell::default(),
            looked_at: Cell::new(0),
        }
    }
}

impl<'s> Search<'s> {
    /// Calls `visit` for every way in which the body holds, until it breaks.
    pub(super) fn all(
        &self,
        begin: Bindings,
        visit: &mut dyn FnMut(&Way) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut way = Way { bindings: begin, found: Vec::new() };
        self.rest((0..self.rule.goals.len()).collect(), &mut way, visit)
    }

    /// The same when one condition has found a row already.
    pub(super) fn all_with(
        &self,
        goal: usize,
        row: &Row,
        visit: &mut dyn FnMut(&Way) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let GoalKind::Scan(scan) = &self.rule.goals[goal].kind else { return ControlFlow::Continue(()) };
        let Some(bindings) = self.matched(scan, row, &Bindings::new()) else {
            return ControlFlow::Continue(());
        };
        let mut way = Way { bindings, found: vec![(goal, Found::Row(row.clone()))] };
        self.rest((0..self.rule.goals.len()).filter(|other| *other != goal).collect(), &mut way, visit)
    }

    fn rest(
        &self,
        waiting: Vec<usize>,
        way: &mut Way,
        visit: &mut dyn FnMut(&Way) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Some(goal) = self.next(&waiting, &way.bindings) else { return visit(way) };
        let rest: Vec<usize> = waiting.into_iter().filter(|other| *other != goal).collect();
        for (bindings, found) in self.ways(&self.rule.goals[goal], &way.bindings) {
            let before = std::mem::replace(&mut way.bindings, bindings);
            way.found.push((goal, found));
            let ended = self.rest(rest.clone(), way, visit);
            way.found.pop();
            way.bindings = before;
            ended?;
        }
        ControlFlow::Continue(())
    }

    /// The condition to try next: a filter if one can be tried, else the atom of which most is known.
    fn next(&self, waiting: &[usize], bindings: &Bindings) -> Option<usize> {
        let bound: BTreeSet<Variable> = bindings.keys().cloned().chain(self.rule.assumed.clone()).collect();
        let ready = |goal: &&usize| binding::is_ready(&self.rule.goals[**goal], &bound, &self.bindable);
        let rank = |goal: &usize| match &self.rule.goals[*goal].kind {
            GoalKind::Compare(..) | GoalKind::Not(_) => (0, 0),
            GoalKind::Scan(scan) => {
                let known = scan.all_variables().iter().filter(|one| bound.contains(*one)).count();
                (1, usize::MAX - known - scan.constants.len())
            }
            GoalKind::Aggregate { .. } => (2, 0),
        };
        waiting.iter().filter(ready).min_by_key(|goal| (rank(goal), **goal)).copied()
    }

    /// All ways in which a condition that can be tried holds.
    pub(super) fn ways(&self, goal: &Goal, bindings: &Bindings) -> Vec<(Bindings, Found)> {
        match &goal.kind {
            GoalKind::Scan(scan) => {
                let rows = self.candidates(scan, bindings);
                let allowed = rows.iter().filter(|row| (self.allowed)(&scan.relation, row));
                let way =
                    |row: &&'s Row| Some((self.matched(scan, row, bindings)?, Found::Row((*row).clone())));
                allowed.filter_map(way).collect()
            }
            GoalKind::Not(scan) => match self.blocking(scan, bindings) {
                Some(_) => vec![],
                None => vec![(bindings.clone(), Found::Nothing)],
            },
            GoalKind::Compare(..) => self.compared(goal, bindings).into_iter().collect(),
            GoalKind::Aggregate { .. } => self.aggregated(goal, bindings),
        }
    }

    /// A row that makes a negation fail.
    pub(super) fn blocking(&self, scan: &Scan, bindings: &Bindings) -> Option<&'s Row> {
        self.candidates(scan, bindings).into_iter().find(|row| self.matched(scan, row, bindings).is_some())
    }

    fn compared(&self, goal: &Goal, bindings: &Bindings) -> Option<(Bindings, Found)> {
        let GoalKind::Compare(comparison, left, right) = &goal.kind else { return None };
        let bound = bindings.keys().cloned().collect();
        let mut bindings = bindings.clone();
        if let Some((variable, term)) = binding::assignment(goal, &bound) {
            let value = evaluate(term, &bindings)?;
            bindings.insert(variable.clone(), value);
            return Some((bindings, Found::Holds));
        }
        let (left, right) = (evaluate(left, &bindings)?, evaluate(right, &bindings)?);
        comparison.holds(&left, &right).then_some((bindings, Found::Holds))
    }

    /// The bindings with those of a row, if it matches an atom.
    fn matched(&self, scan: &Scan, row: &Row, bindings: &Bindings) -> Option<Bindings> {
        let columns = self.columns(&scan.relation);
        let at = |name: &Column| columns.iter().position(|column| column == name).map(|place| &row[place]);
        scan.constants.iter().all(|(column, value, _)| at(column) == Some(value)).then_some(())?;
        let mut bindings = bindings.clone();
        let mut bind = |variable: &Variable, value: Value| {
            let known = bindings.entry(variable.clone()).or_insert_with(|| value.clone());
            (*known == value).then_some(())
        };
        for (column, variable, _) in &scan.variables {
            bind(variable, at(column)?.clone())?;
        }
        if let Some((variable, _)) = &scan.cid {
            bind(variable, self.cid(&scan.relation, row))?;
        }
        Some(bindings)
    }

    fn relation(&self, name: &RelationName) -> &'s Relation {
        &self.account.compiled.program.relations[name]
    }

    fn columns(&self, name: &RelationName) -> Vec<Column> {
        self.relation(name).tuple_columns()
    }

    fn cid(&self, name: &RelationName, row: &Row) -> Value {
        match row.last() {
            Some(cid) if self.relation(name).carries_cid() => cid.clone(),
            _ => {
                let columns = self.columns(name);
                codec::tuple_cid(name, columns.iter().map(|column| &**column).zip(row)).into()
            }
        }
    }

    /// The rows that hold what is known of an atom, by an index.
    fn candidates(&self, scan: &Scan, bindings: &Bindings) -> Vec<&'s Row> {
        let columns = self.columns(&scan.relation);
        let mut known: BTreeMap<usize, Value> = BTreeMap::new();
        let constants = scan.constants.iter().map(|(column, value, _)| (column, Some(value)));
        let variables = scan.variables.iter().map(|(column, variable, _)| (column, bindings.get(variable)));
        for (column, value) in constants.chain(variables) {
            let place = columns.iter().position(|one| one == column);
            known.extend(place.zip(value.cloned()));
        }
        let places: Vec<usize> = known.keys().copied().collect();
        let key: Row = known.into_values().collect();
        let found = self.index(&scan.relation, places).get(&key).cloned().unwrap_or_default();
        self.looked_at.set(self.looked_at.get() + found.len() + 1);
        found
    }

    fn index(&self, relation: &RelationName, places: Vec<usize>) -> Rc<Index<'s>> {
        let mut indexes = self.indexes.borrow_mut();
        let index = indexes.entry((relation.clone(), places.clone())).or_insert_with(|| {
            let mut index = Index::new();
            for row in self.account.rows(relation) {
                let key = places.iter().map(|place| row[*place].clone()).collect();
                index.entry(key).or_default().push(row);
            }
            index.into()
        });
        index.clone()
    }

    /// What an aggregate gives, as bindings of its result and of what it ranks.
    fn aggregated(&self, goal: &Goal, bindings: &Bindings) -> Vec<(Bindings, Found)> {
        let GoalKind::Aggregate { result, measure, over, scan, .. } = &goal.kind else { return vec![] };
        let keys = binding::keys(scan, &goal.own_variables(), &self.bindable);
        let group: Bindings =
            keys.iter().filter_map(|key| Some((key.clone(), bindings.get(key)?.clone()))).collect();
        let rows = self.group(scan, &group);
        let results = match (rows.is_empty(), over) {
            (true, over) => {
                let column = scan.variables.iter().find(|(_, variable, _)| Some(variable) == over.as_ref());
                let types = &self.relation(&scan.relation).columns;
                let of = column.and_then(|(column, ..)| types.iter().find(|(name, _)| name == column));
                let zero = lower::zero(measure, of.map(|(_, column_type)| *column_type));
                zero.map(|zero| (None, zero)).into_iter().collect()
            }
            (false, _) => self.measured(goal, &keys, scan, &rows),
        };
        let way = |(ranked, value): (Option<Value>, Value)| {
            let mut bindings = bindings.clone();
            let pairs = goal.escaping().cloned().zip(ranked).into_iter().chain([(result.clone(), value)]);
            for (variable, value) in pairs {
                let known = bindings.entry(variable).or_insert_with(|| value.clone());
                (*known == value).then_some(())?;
            }
            Some((bindings, Found::Group(rows.len())))
        };
        results.into_iter().filter_map(way).collect()
    }

    /// The rows of an atom's group, without their CIDs.
    fn group(&self, scan: &Scan, key: &Bindings) -> BTreeSet<Row> {
        let width = self.columns(&scan.relation).len();
        let rows = self.candidates(scan, key).into_iter();
        rows.filter(|row| self.matched(scan, row, key).is_some()).map(|row| row[..width].to_vec()).collect()
    }

    /// What is measured of a group's rows: for each what is ranked, if something is, and the result.
    fn measured(
        &self,
        goal: &Goal,
        keys: &[Variable],
        scan: &Scan,
        rows: &BTreeSet<Row>,
    ) -> Vec<(Option<Value>, Value)> {
        let GoalKind::Aggregate { measure, .. } = &goal.kind else { return vec![] };
        let columns = self.columns(&scan.relation);
        let column_of = |variable: &Variable| {
            let place = scan.variables.iter().find(|(_, known, _)| known == variable);
            place.map(|(column, ..)| column.clone()).expect("a variable of the atom")
        };
        let (mut result, name) = (String::from("~result"), RelationName::from("result"));
        while columns.iter().any(|column| **column == *result) {
            result.insert(0, '~');
        }
        let result = Column::from(result);
        let input = Expression::Constant { columns, rows: rows.iter().cloned().collect() };
        let expression = lower::measured(goal, measure, keys, input, &column_of, &result);
        let mut program = Program::default();
        let given = program.columns(&expression).expect("the compiler makes sound expressions");
        let relation = Relation {
            columns: given.iter().map(|column| (column.clone(), ColumnType::Any)).collect(),
            event: false,
            input: false,
            output: true,
        };
        program.relations.insert(name.clone(), relation);
        program.statements.push(Statement::assign(name.clone(), expression));
        let mut runtime = Naive::new(program).expect("the compiler makes sound expressions");
        let _changes =
            runtime.step(&Changes::new(), Budget::UNLIMITED).expect("there are no inputs and no limits");
        let place = |column: &Column| given.iter().position(|one| one == column);
        let ranked = goal.escaping().map(column_of).and_then(|column| place(&column));
        let result = place(&result).expect("the result is a column");
        let pair = |row: &Row| (ranked.map(|place| row[place].clone()), row[result].clone());
        runtime.output(&name).map(pair).collect()
    }
}
