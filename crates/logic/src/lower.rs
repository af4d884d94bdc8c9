//! One rule to one PomoRA expression (requirements §1.3, PL-29 … PL-35).
//!
//! A table grows condition by condition; its columns are the variables bound so far. What can be tried is tried at
//! once, cheapest first: comparisons filter the table or, as `X == term`, extend it; negations are antijoins. Then the
//! atom is joined that shares the most with the table (constants and bound variables), so that evaluation starts from
//! what is known and stays connected; an atom that binds nothing new is a semijoin. Aggregates come when no connected
//! atom is left. Columns that nobody needs any more are projected away. At the end the head's terms are computed and
//! the columns take the head's names.
//!
//! An aggregate is a `GroupBy` over the atom's full rows (PL-24) joined to the table. A count or sum of an empty group
//! is zero (PL-25), others have none: the rows of the table whose keys no row of the atom has get a zero. For that the
//! table is read twice, so it becomes a relation of its own. A rank is not one row per group but one per row, and so
//! joins on what it ranks too; and so do moves of a tree.

use std::collections::BTreeSet;

use motet_algebra::{
    Aggregate, Column, ColumnType, Comparison, Expression, Formula, Function, RelationName, Term,
};
use motet_fact::{Cid, Kind, Value};

use crate::ast::Measure;
use crate::binding;
use crate::relations::Relations;
use crate::rule::{Goal, GoalKind, HeadTerm, Rule, Scan, Variable, term_variables};
use crate::types::{Type, Typing, declared_type, kind_of, typed};

/// A relation that the compiler made on the way.
pub(crate) struct Helper {
    pub(crate) name: RelationName,
    pub(crate) columns: Vec<(Column, ColumnType)>,
    pub(crate) expression: Expression,
}

/// A rule as an expression, and the relations to be computed before it.
pub(crate) struct Lowered {
    pub(crate) expression: Expression,
    pub(crate) helpers: Vec<Helper>,
}

/// Lowers a checked rule. `helper_name` names the relations it needs on the way.
pub(crate) fn lower(rule: &Rule, relations: &Relations, helper_name: &str) -> Lowered {
    let mut body = Body {
        rule,
        relations,
        typing: Typing::of(rule, relations),
        bindable: binding::bindable(rule),
        waiting: rule.goals.iter().collect(),
        table: None,
        bound: BTreeSet::new(),
        columns: BTreeSet::new(),
        helper_name,
        helpers: Vec::new(),
        fresh: 0,
    };
    while !body.waiting.is_empty() {
        body.step();
    }
    let expression = body.head();
    Lowered { expression, helpers: body.helpers }
}

struct Body<'a> {
    rule: &'a Rule,
    relations: &'a Relations,
    typing: Typing,
    bindable: BTreeSet<Variable>,
    waiting: Vec<&'a Goal>,
    /// Nothing stands for the one row without columns.
    table: Option<Expression>,
    /// The variables bound so far; some may not be columns any more.
    bound: BTreeSet<Variable>,
    columns: BTreeSet<Variable>,
    helper_name: &'a str,
    helpers: Vec<Helper>,
    fresh: usize,
}

/// The one row without columns: what holds of nothing in particular.
pub(crate) fn unit() -> Expression {
    Expression::Constant { columns: vec![], rows: vec![vec![]] }
}

fn project(input: Expression, columns: impl IntoIterator<Item = Column>) -> Expression {
    // What is cut twice is cut once.
    let input = match input {
        Expression::Project { input, .. } => input,
        input => Box::new(input),
    };
    Expression::Project { input, columns: columns.into_iter().collect() }
}

fn rename(input: Expression, mut pairs: Vec<(Column, Column)>) -> Expression {
    // What is renamed twice is renamed once.
    let input = match input {
        Expression::Rename { input, pairs: mut before } => {
            for (_, middle) in &mut before {
                if let Some(place) = pairs.iter().position(|(old, _)| old == middle) {
                    *middle = pairs.swap_remove(place).1;
                }
            }
            pairs.append(&mut before);
            pairs.sort();
            input
        }
        input => Box::new(input),
    };
    pairs.retain(|(old, new)| old != new);
    if pairs.is_empty() { *input } else { Expression::Rename { input, pairs } }
}

fn select(input: Expression, mut formulas: Vec<Formula>) -> Expression {
    let input = match input {
        input if formulas.is_empty() => return input,
        // One selection after another is one selection.
        Expression::Select { input, formula: Formula::And(mut before) } => {
            before.append(&mut formulas);
            formulas = before;
            input
        }
        Expression::Select { input, formula } => {
            formulas.insert(0, formula);
            input
        }
        input => Box::new(input),
    };
    let formula = if formulas.len() == 1 { formulas.remove(0) } else { Formula::And(formulas) };
    Expression::Select { input, formula }
}

fn extend(input: Expression, column: Column, term: Term) -> Expression {
    Expression::Extend { input: Box::new(input), column, term }
}

fn equal(column: &Column, term: Term) -> Formula {
    Formula::Compare(Comparison::Equal, Term::Column(column.clone()), term)
}

impl Body<'_> {
    fn take_table(&mut self) -> Expression {
        self.table.take().unwrap_or_else(unit)
    }

    fn step(&mut self) {
        let place = self.next_goal();
        let goal = self.waiting.remove(place);
        match &goal.kind {
            GoalKind::Scan(scan) => self.join_scan(scan),
            GoalKind::Not(scan) => {
                let right = self.variables_of(scan, &scan.all_variables());
                let left = self.take_table();
                self.table = Some(Expression::AntiJoin(Box::new(left), Box::new(right)));
            }
            GoalKind::Aggregate { result, measure, over, scan, .. } => {
                self.aggregate(goal, result, measure, over.as_ref(), scan);
            }
            GoalKind::Compare(comparison, left, right) => self.compare(goal, *comparison, left, right),
        }
        self.drop_unneeded();
    }

    /// Filters first, then connected atoms, then aggregates, then whatever is left.
    fn next_goal(&self) -> usize {
        let ready = |place: &usize| binding::is_ready(self.waiting[*place], &self.bound, &self.bindable);
        let all: Vec<usize> = (0..self.waiting.len()).filter(ready).collect();
        let find =
            |wanted: fn(&GoalKind) -> bool| all.iter().find(|place| wanted(&self.waiting[**place].kind));
        let filter = find(|kind| matches!(kind, GoalKind::Compare(..)))
            .or_else(|| find(|kind| matches!(kind, GoalKind::Not(_))));
        if let Some(place) = filter {
            return *place;
        }
        let scans = all.iter().filter_map(|place| match &self.waiting[*place].kind {
            GoalKind::Scan(scan) => Some((self.preference(scan), *place)),
            _ => None,
        });
        // The first of the best: the greatest preference, then the least place.
        let best = scans.min_by_key(|(preference, place)| (std::cmp::Reverse(*preference), *place));
        let aggregate = find(|kind| matches!(kind, GoalKind::Aggregate { .. })).copied();
        match (best, aggregate) {
            (Some(((connected, ..), place)), _) if connected || self.table.is_none() => place,
            (_, Some(place)) | (Some((_, place)), None) => place,
            (None, None) => unreachable!("the checks found that every goal can be tried"),
        }
    }

    /// Whether the atom shares a variable with the table, how many of its columns are known, and how few it adds.
    fn preference(&self, scan: &Scan) -> (bool, usize, std::cmp::Reverse<usize>) {
        let variables = scan.all_variables();
        let known = variables.iter().filter(|variable| self.columns.contains(*variable)).count();
        let new = variables.len() - known;
        (known > 0, scan.constants.len() + known, std::cmp::Reverse(new))
    }

    /// The variables that the head or a goal still waiting names.
    fn needed(&self) -> BTreeSet<Variable> {
        let of_head = self.rule.terms.iter().flat_map(|head| term_variables(&head.term));
        of_head.chain(self.waiting.iter().flat_map(|goal| goal.variables())).collect()
    }

    fn drop_unneeded(&mut self) {
        let filters = |goal: &Goal| matches!(goal.kind, GoalKind::Compare(..) | GoalKind::Not(_));
        let comes_next = |goal: &&Goal| filters(goal) && binding::is_ready(goal, &self.bound, &self.bindable);
        let needed = self.needed();
        // Filters that come next go first, so that they stand together.
        if self.columns.is_subset(&needed) || self.waiting.iter().any(comes_next) {
            return;
        }
        self.columns.retain(|column| needed.contains(column));
        let table = self.take_table();
        self.table = Some(project(table, self.columns.clone()));
    }

    fn join_scan(&mut self, scan: &Scan) {
        let needed = self.needed();
        let wanted = |variable: &Variable| needed.contains(variable) || self.columns.contains(variable);
        let kept: Vec<_> = scan.all_variables().into_iter().filter(wanted).collect();
        let right = Box::new(self.variables_of(scan, &kept));
        let adds = kept.iter().any(|variable| !self.columns.contains(variable));
        self.table = Some(match self.table.take() {
            None => *right,
            Some(left) if adds => Expression::Join(Box::new(left), right),
            Some(left) => Expression::SemiJoin(Box::new(left), right),
        });
        self.bound.extend(scan.all_variables());
        self.columns.extend(kept);
    }

    fn compare(&mut self, goal: &Goal, comparison: Comparison, left: &Term, right: &Term) {
        let table = self.take_table();
        if let Some((variable, term)) = binding::assignment(goal, &self.bound) {
            self.table = Some(extend(table, variable.clone(), term.clone()));
            self.bound.insert(variable.clone());
            self.columns.insert(variable.clone());
        } else {
            let formula = Formula::Compare(comparison, left.clone(), right.clone());
            self.table = Some(select(table, vec![formula]));
        }
    }

    /// The matching rows of a relation with all their columns, and the column of each variable, the CID's last.
    fn matching_rows(&self, scan: &Scan) -> (Expression, Vec<(Variable, Column)>) {
        let cid = scan.cid.as_ref().map(|(variable, _)| (variable.clone(), self.free_column(scan, "~cid")));
        let input = Expression::Relation {
            name: scan.relation.clone(),
            cid: cid.as_ref().map(|(_, column)| column.clone()),
        };
        let mut formulas: Vec<_> = scan
            .constants
            .iter()
            .map(|(column, value, _)| equal(column, Term::Constant(value.clone())))
            .collect();
        let mut places: Vec<(Variable, Column)> = Vec::new();
        let named = scan.variables.iter().map(|(column, variable, _)| (variable.clone(), column.clone()));
        for (variable, column) in named.chain(cid) {
            match places.iter().find(|(known, _)| *known == variable) {
                Some((_, first)) => formulas.push(equal(first, Term::Column(column))),
                None => places.push((variable, column)),
            }
        }
        (select(input, formulas), places)
    }

    /// A column name that the relation does not have.
    fn free_column(&self, scan: &Scan, name: &str) -> Column {
        let known = self.relations.get(&scan.relation).expect("the checks found every relation");
        let mut name = name.to_owned();
        while known.has_column(&name) {
            name.insert(0, '~');
        }
        name.into()
    }

    /// The matching rows of an atom, cut to some of its variables and named by them.
    fn variables_of(&self, scan: &Scan, kept: &[Variable]) -> Expression {
        let (rows, mut places) = self.matching_rows(scan);
        let known = self.relations.get(&scan.relation).expect("the checks found every relation");
        let width = known.columns.len() + usize::from(scan.cid.is_some());
        places.retain(|(variable, _)| kept.contains(variable));
        if places.len() == width {
            return rename(rows, places.into_iter().map(|(variable, column)| (column, variable)).collect());
        }
        named_by_variables(rows, places)
    }

    fn aggregate(
        &mut self,
        goal: &Goal,
        result: &Variable,
        measure: &Measure,
        over: Option<&Variable>,
        scan: &Scan,
    ) {
        let keys = binding::keys(scan, &goal.own_variables(), &self.bindable);
        let (rows, places) = self.matching_rows(scan);
        let column_of = |variable: &Variable| {
            let place = places.iter().find(|(known, _)| known == variable);
            place.map(|(_, column)| column.clone()).expect("a variable of the atom")
        };
        let raw = self.free_column(scan, "~result");
        let measured = measured(goal, measure, &keys, rows.clone(), &column_of, &raw);
        let is_new = self.bound.insert(result.clone());
        let target = if is_new { result.clone() } else { self.fresh_column() };
        let mut pairs: Vec<_> = keys.iter().map(|key| (column_of(key), key.clone())).collect();
        let grouped_keys =
            named_by_variables(rows, pairs.iter().map(|(old, new)| (new.clone(), old.clone())));
        pairs.extend(goal.escaping().map(|escaping| (column_of(escaping), escaping.clone())));
        pairs.push((raw, target.clone()));
        let groups = rename(measured, pairs);
        let joined = match zero(measure, self.typing.aggregated(over, scan, self.relations)) {
            None => self.join(groups),
            Some(zero) if keys.is_empty() => self.join(or_zero(unit(), groups, grouped_keys, &target, zero)),
            Some(zero) => {
                let table = self.as_relation();
                let found = Expression::Join(Box::new(table.clone()), Box::new(groups));
                or_zero(table, found, grouped_keys, &target, zero)
            }
        };
        self.table = Some(joined);
        self.bound.extend(goal.escaping().cloned());
        self.columns.extend(goal.escaping().cloned());
        self.columns.insert(target.clone());
        if !is_new {
            let table = self.take_table();
            let same = equal(result, Term::Column(target.clone()));
            self.columns.remove(&target);
            self.table = Some(project(select(table, vec![same]), self.columns.clone()));
        }
    }

    /// The table joined with more columns.
    fn join(&mut self, right: Expression) -> Expression {
        match self.table.take() {
            None => right,
            Some(left) => Expression::Join(Box::new(left), Box::new(right)),
        }
    }

    fn fresh_column(&mut self) -> Column {
        self.fresh += 1;
        format!("~~{}", self.fresh).into()
    }

    /// The table, made a relation so that it can be read twice, unless it is as simple as one.
    fn as_relation(&mut self) -> Expression {
        let expression = self.take_table();
        if is_simple(&expression) {
            return expression;
        }
        let name: RelationName = format!("{}~{}", self.helper_name, self.helpers.len() + 1).into();
        let columns = typed(self.columns.iter().cloned(), &self.typing);
        self.helpers.push(Helper { name: name.clone(), columns, expression });
        Expression::Relation { name, cid: None }
    }

    /// The head's columns from the variables.
    fn head(&mut self) -> Expression {
        let mut table = self.take_table();
        let mut pairs: Vec<(Column, Column)> = Vec::new();
        for head in &self.rule.terms {
            let from = match &head.term {
                Term::Column(variable) if !pairs.iter().any(|(used, _)| used == variable) => variable.clone(),
                term => {
                    let column = self.fresh_column();
                    table = extend(table, column.clone(), term.clone());
                    column
                }
            };
            table = select(table, self.kind_test(head, &from));
            pairs.push((from, head.column.clone()));
        }
        let used: BTreeSet<_> = pairs.iter().map(|(from, _)| from.clone()).collect();
        if !self.columns.is_subset(&used) {
            table = project(table, pairs.iter().map(|(from, _)| from.clone()));
        }
        rename(table, pairs)
    }

    /// If the head wants one kind and the term may be of any: that it is of that kind (Q3).
    fn kind_test(&self, head: &HeadTerm, column: &Column) -> Vec<Formula> {
        let wanted = kind_of(declared_type(self.relations, &self.rule.head, &head.column));
        let found = self.typing.term(&head.term).ok().and_then(kind_of);
        wanted.filter(|_| found.is_none()).map(|kind| of_kind(column, kind)).into_iter().collect()
    }
}

/// What the aggregate of an empty group is: a value only for count and sum, of the type of what is summed.
pub(crate) fn zero(measure: &Measure, of: Type) -> Option<Value> {
    match (measure, kind_of(of)) {
        (Measure::Of(Aggregate::Count), _) => Some(Value::Int(0)),
        (Measure::Of(Aggregate::Sum), Some(Kind::Float)) => Value::float(0.0).ok(),
        (Measure::Of(Aggregate::Sum), _) => Some(Value::Int(0)),
        _ => None,
    }
}

/// What an aggregate finds out about the rows of its atom: the keys, what is ranked or moved, and the result.
pub(crate) fn measured(
    goal: &Goal,
    measure: &Measure,
    keys: &[Variable],
    rows: Expression,
    column_of: &dyn Fn(&Variable) -> Column,
    result: &Column,
) -> Expression {
    let GoalKind::Aggregate { over, to, by, .. } = &goal.kind else {
        unreachable!("only called for aggregates")
    };
    let keys: Vec<_> = keys.iter().map(column_of).collect();
    let by = by.iter().map(column_of).collect();
    let (input, result) = (Box::new(rows), result.clone());
    match measure {
        Measure::Of(aggregate) => {
            let aggregate = aggregate.clone();
            Expression::GroupBy { input, keys, aggregate, over: over.as_ref().map(column_of), by, result }
        }
        Measure::FoldMoves => {
            let column = |variable: &Option<Variable>| {
                column_of(variable.as_ref().expect("the parser demands what is moved, and where to"))
            };
            Expression::FoldMoves { input, keys, node: column(over), parent: column(to), by, result }
        }
        Measure::Rank => {
            let kept: Vec<_> = keys.iter().cloned().chain(over.as_ref().map(column_of)).collect();
            let ranked = Expression::Rank { input, keys, by, result: result.clone() };
            project(ranked, kept.into_iter().chain([result]))
        }
    }
}

/// Whether an expression only names and cuts the columns of stored rows.
fn is_simple(expression: &Expression) -> bool {
    match expression {
        Expression::Relation { .. } | Expression::Constant { .. } => true,
        Expression::Project { input, .. } | Expression::Rename { input, .. } => is_simple(input),
        _ => false,
    }
}

/// Columns cut to those of some variables, and named by them.
fn named_by_variables(rows: Expression, places: impl IntoIterator<Item = (Variable, Column)>) -> Expression {
    let pairs: Vec<_> = places.into_iter().map(|(variable, column)| (column, variable)).collect();
    rename(project(rows, pairs.iter().map(|(column, _)| column.clone())), pairs)
}

/// What was found, and a zero for each row of the table that has no row with its keys. A group that is there but has no
/// value (a sum that overflows) gets no zero.
fn or_zero(
    table: Expression,
    found: Expression,
    keys: Expression,
    column: &Column,
    zero: Value,
) -> Expression {
    let empty = Expression::AntiJoin(Box::new(table), Box::new(keys));
    Expression::Union(vec![found, extend(empty, column.clone(), Term::Constant(zero))])
}

/// Holds for the values of one kind. There is no function that gives a value's kind; but arithmetic is defined for one
/// kind only (Q2), and kinds have a rank in the order of `<`.
fn of_kind(column: &Column, kind: Kind) -> Formula {
    let itself = || Term::Column(column.clone());
    let with = |function, value| equal(column, Term::Apply(function, vec![itself(), Term::Constant(value)]));
    let at_least = |value| Formula::Compare(Comparison::GreaterOrEqual, itself(), Term::Constant(value));
    match kind {
        Kind::Bool => Formula::Compare(Comparison::LessOrEqual, itself(), Term::Constant(Value::Bool(true))),
        Kind::Int => with(Function::Add, Value::Int(0)),
        Kind::Float => with(Function::Add, Value::float(0.0).expect("zero is finite")),
        Kind::Text => with(Function::Concat, "".into()),
        Kind::Bytes => Formula::And(vec![
            at_least(Value::bytes(vec![])),
            Formula::Not(Box::new(at_least(Value::Link(least_link())))),
        ]),
        Kind::Link => at_least(Value::Link(least_link())),
    }
}

/// The least CID in byte order: raw, with a hash of zeros.
fn least_link() -> Cid {
    let mut bytes = [0; Cid::LENGTH];
    bytes[..4].copy_from_slice(&[0x01, 0x55, 0x12, 0x20]);
    Cid::from_bytes(&bytes).expect("a CID of the profile")
}
