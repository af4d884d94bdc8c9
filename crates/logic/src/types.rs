//! The types of variables and of undeclared columns.
//!
//! A variable has the type of the columns it stands in; a column that nobody declared has the types of what the heads
//! put into it, or `any` if they differ. The two depend on each other through recursion, so they are found by repeating
//! both until nothing changes: types of columns only ever widen, from not known over one kind to `any`, so that ends.
//! A variable that stands in a column whose type is not known yet has none either, so that the order of rules and of
//! the conditions of a body decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{Aggregate, ColumnType, Comparison, Function, RelationName, Term, UserFunction};
use motet_fact::Kind;

use crate::ast::Measure;
use crate::diagnostic::Span;
use crate::relations::{Known, Relations};
use crate::rule::{GoalKind, Rule, Scan, Variable};

/// The type of a term as far as it is known.
pub(crate) type Type = Option<ColumnType>;

/// A variable in columns of two kinds.
#[derive(Clone, Debug)]
pub(crate) struct Conflict {
    pub(crate) variable: Variable,
    pub(crate) first: ColumnType,
    pub(crate) second: ColumnType,
    pub(crate) span: Span,
}

/// The types of a rule's variables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Typing {
    pub(crate) types: BTreeMap<Variable, ColumnType>,
    pub(crate) conflicts: Vec<Conflict>,
    /// Variables in a column whose type is not known yet.
    open: BTreeSet<Variable>,
}

/// Finds the types of all columns that nobody declared.
pub(crate) fn infer(rules: &[Rule], relations: &mut Relations) {
    loop {
        let mut changed = false;
        for rule in rules {
            let typing = Typing::of(rule, relations);
            changed |= widen(rule, &typing, relations);
        }
        if !changed {
            break;
        }
    }
    for known in relations.known.values_mut().filter(|known| !known.declared) {
        // Nothing ever comes into such a column but what is there already.
        known
            .columns
            .iter_mut()
            .for_each(|(_, column_type)| *column_type = column_type.or(Some(ColumnType::Any)));
    }
}

/// Lets the columns of the head take what the rule puts into them.
fn widen(rule: &Rule, typing: &Typing, relations: &mut Relations) -> bool {
    let Some(known) = relations.known.get_mut(&rule.head).filter(|known| !known.declared) else {
        return false;
    };
    let mut changed = false;
    for head in &rule.terms {
        let found = typing.term(&head.term).unwrap_or(Some(ColumnType::Any));
        let column = known.columns.iter_mut().find(|(name, _)| *name == head.column);
        if let (Some((_, column_type)), Some(found)) = (column, found) {
            let wider = match *column_type {
                None => found,
                Some(old) if old == found => old,
                Some(_) => ColumnType::Any,
            };
            changed |= *column_type != Some(wider);
            *column_type = Some(wider);
        }
    }
    changed
}

impl Typing {
    /// The types of a rule's variables, given what is known of the relations.
    pub(crate) fn of(rule: &Rule, relations: &Relations) -> Self {
        let mut typing = Typing::default();
        for goal in &rule.goals {
            match &goal.kind {
                GoalKind::Scan(scan) => typing.meet_scan(scan, relations),
                GoalKind::Aggregate { measure: Measure::Rank, over: Some(over), scan, .. } => {
                    typing.meet_ranked(over, scan, relations);
                }
                GoalKind::Aggregate { .. } | GoalKind::Not(_) | GoalKind::Compare(..) => {}
            }
        }
        typing.types.retain(|variable, _| !typing.open.contains(variable));
        typing.bind_results(rule, relations);
        for goal in &rule.goals {
            if let GoalKind::Not(scan) | GoalKind::Aggregate { scan, .. } = &goal.kind {
                typing.compare_scan(scan, relations);
            }
        }
        typing
    }

    fn meet_scan(&mut self, scan: &Scan, relations: &Relations) {
        let known = relations.get(&scan.relation);
        for (column, variable, span) in &scan.variables {
            self.stand(variable, known, column, *span);
        }
        if let Some((variable, span)) = &scan.cid {
            self.meet(variable, ColumnType::Kind(Kind::Link), *span);
        }
    }

    /// What is ranked leaves its atom, with the type of its column.
    fn meet_ranked(&mut self, ranked: &Variable, scan: &Scan, relations: &Relations) {
        let known = relations.get(&scan.relation);
        for (column, variable, span) in scan.variables.iter().filter(|(_, variable, _)| variable == ranked) {
            self.stand(variable, known, column, *span);
        }
    }

    /// A variable in a column of a relation, if that is known.
    fn stand(&mut self, variable: &Variable, known: Option<&Known>, column: &str, span: Span) {
        match known.map(|known| known.column_type(column)) {
            Some(Some(column_type)) => self.meet(variable, column_type, span),
            Some(None) => drop(self.open.insert(variable.clone())),
            None => {}
        }
    }

    /// A negated or aggregated atom narrows nothing: where no row matches, its variables have values that do not fit.
    fn compare_scan(&mut self, scan: &Scan, relations: &Relations) {
        let known = relations.get(&scan.relation);
        for (column, variable, span) in &scan.variables {
            if let Some(second) = known.and_then(|known| known.column_type(column)) {
                let first = *self.types.entry(variable.clone()).or_insert(second);
                if first != second && ![first, second].contains(&ColumnType::Any) {
                    self.conflicts.push(Conflict { variable: variable.clone(), first, second, span: *span });
                }
            }
        }
    }

    fn meet(&mut self, variable: &Variable, other: ColumnType, span: Span) {
        let known = self.types.entry(variable.clone()).or_insert(other);
        match (*known, other) {
            (ColumnType::Any, _) => *known = other,
            (first, second) if second == ColumnType::Any || first == second => {}
            (first, second) => {
                self.conflicts.push(Conflict { variable: variable.clone(), first, second, span });
            }
        }
    }

    /// The types of what is bound by an aggregate or `variable == term`, which may depend on each other in any order.
    /// A kind is narrower than `any`, so that this ends.
    fn bind_results(&mut self, rule: &Rule, relations: &Relations) {
        let stand: BTreeSet<Variable> = self.types.keys().chain(&self.open).cloned().collect();
        loop {
            let found = rule.goals.iter().flat_map(|goal| self.results(&goal.kind, relations));
            let found: Vec<_> = found.filter(|(variable, _)| !stand.contains(variable)).collect();
            let mut changed = false;
            for (variable, column_type) in found {
                let known = self.types.get(&variable);
                if known.is_none() || (known == Some(&ColumnType::Any) && column_type != ColumnType::Any) {
                    self.types.insert(variable, column_type);
                    changed = true;
                }
            }
            if !changed {
                return;
            }
        }
    }

    /// What a goal says of the type of a variable that it may bind.
    fn results(&self, goal: &GoalKind, relations: &Relations) -> Vec<(Variable, ColumnType)> {
        let equal = |one: &Term, other: &Term| match one {
            Term::Column(variable) => Some((variable.clone(), self.term(other).unwrap_or(None)?)),
            _ => None,
        };
        match goal {
            GoalKind::Aggregate { result, measure, over, to, scan, .. } => {
                let found = self.aggregate(measure, to.as_ref().or(over.as_ref()), scan, relations);
                found.map(|found| (result.clone(), found)).into_iter().collect()
            }
            GoalKind::Compare(Comparison::Equal, left, right) => {
                equal(left, right).into_iter().chain(equal(right, left)).collect()
            }
            _ => vec![],
        }
    }

    /// The type of an aggregate's result, which it finds in the values of `over`.
    pub(crate) fn aggregate(
        &self,
        measure: &Measure,
        over: Option<&Variable>,
        scan: &Scan,
        relations: &Relations,
    ) -> Type {
        match measure {
            Measure::Of(Aggregate::Count) | Measure::Rank => return Some(ColumnType::Kind(Kind::Int)),
            Measure::Of(Aggregate::Mean) => return Some(ColumnType::Kind(Kind::Float)),
            Measure::Of(Aggregate::User(aggregate)) => return Some(aggregate.result()),
            Measure::Of(_) | Measure::FoldMoves => {}
        }
        self.aggregated(over, scan, relations)
    }

    /// The type of the column that is aggregated.
    pub(crate) fn aggregated(&self, over: Option<&Variable>, scan: &Scan, relations: &Relations) -> Type {
        let (column, ..) = scan.variables.iter().find(|(_, variable, _)| Some(variable) == over)?;
        relations.get(&scan.relation)?.column_type(column)
    }

    /// The type of a term; an error if it has no value whatever its variables are.
    pub(crate) fn term(&self, term: &Term) -> Result<Type, KindError> {
        match term {
            Term::Column(variable) => Ok(self.types.get(variable).copied()),
            Term::Constant(value) => Ok(Some(ColumnType::Kind(value.kind()))),
            Term::Apply(function, terms) => {
                let types = terms.iter().map(|term| self.term(term)).collect::<Result<Vec<_>, _>>()?;
                let kinds: Vec<_> = types.iter().map(|known| kind_of(*known)).collect();
                let unknown = types.contains(&None);
                match result_kind(function, &kinds) {
                    Ok(Some(kind)) => Ok(Some(ColumnType::Kind(kind))),
                    Ok(None) => Ok(if unknown { None } else { Some(ColumnType::Any) }),
                    Err(Undefined) => Err(KindError { function: function.clone(), kinds }),
                }
            }
        }
    }
}

/// A function applied to kinds it has no value for.
#[derive(Clone, Debug)]
pub(crate) struct KindError {
    pub(crate) function: Function,
    pub(crate) kinds: Vec<Option<Kind>>,
}

/// The kind of a type, if it is one.
pub(crate) fn kind_of(known: Type) -> Option<Kind> {
    match known {
        Some(ColumnType::Kind(kind)) => Some(kind),
        Some(ColumnType::Any) | None => None,
    }
}

struct Undefined;

/// The kind a function gives for arguments of known kinds; nothing if that depends.
fn result_kind(function: &Function, arguments: &[Option<Kind>]) -> Result<Option<Kind>, Undefined> {
    use Function as F;
    match (function, arguments) {
        (F::Add | F::Subtract | F::Multiply | F::Divide | F::Remainder, [left, right]) => {
            match (number(*left)?, number(*right)?) {
                (Some(left), Some(right)) if left != right => Err(Undefined),
                (left, right) => Ok(left.or(right)),
            }
        }
        (F::Negate | F::Abs, [only]) => number(*only),
        (F::ToFloat, [only]) => number(*only).map(|_| Some(Kind::Float)),
        (F::ToInt, [only]) => number(*only).map(|_| Some(Kind::Int)),
        (F::Min2 | F::Max2, [left, right]) => Ok(left.filter(|_| left == right)),
        (F::Length, [only]) => one_of(&[*only], &[Kind::Text, Kind::Bytes], Kind::Int),
        (F::Lower | F::Upper | F::Trim | F::Concat | F::Replace, texts) => {
            one_of(texts, &[Kind::Text], Kind::Text)
        }
        (F::Time | F::Parts | F::IndexOf, texts) => one_of(texts, &[Kind::Text], Kind::Int),
        (F::Text | F::Kind, _) => Ok(Some(Kind::Text)),
        (F::Iso, [only]) => one_of(&[*only], &[Kind::Int], Kind::Text),
        (F::Split, [text, separator, place]) => {
            one_of(&[*place], &[Kind::Int], Kind::Int)?;
            one_of(&[*text, *separator], &[Kind::Text], Kind::Text)
        }
        (F::Slice, [whole, from, to]) => {
            one_of(&[*from, *to], &[Kind::Int], Kind::Int)?;
            one_of(&[*whole], &[Kind::Text, Kind::Bytes], Kind::Text).map(|_| *whole)
        }
        (F::Floor | F::Ceil | F::Round, [only]) => number(*only),
        (F::Sqrt, [only]) => one_of(&[*only], &[Kind::Float], Kind::Float),
        (F::Pow, [base, exponent]) => {
            one_of(&[*exponent], &[Kind::Int], Kind::Int)?;
            number(*base)
        }
        (F::BitAnd | F::BitOr | F::BitXor, ints) => one_of(ints, &[Kind::Int], Kind::Int),
        (F::Contains | F::StartsWith, texts) => one_of(texts, &[Kind::Text], Kind::Bool),
        (F::User(function), arguments) => of_user(function, arguments),
        _ => unreachable!("the parser counts arguments"),
    }
}

fn of_user(function: &UserFunction, arguments: &[Option<Kind>]) -> Result<Option<Kind>, Undefined> {
    let takes = |(wanted, kind): (&ColumnType, &Option<Kind>)| {
        kind.is_none_or(|kind| [ColumnType::Any, ColumnType::Kind(kind)].contains(wanted))
    };
    let fits = function.parameters().iter().zip(arguments).all(takes);
    if fits { Ok(kind_of(Some(function.result()))) } else { Err(Undefined) }
}

fn number(kind: Option<Kind>) -> Result<Option<Kind>, Undefined> {
    match kind {
        None | Some(Kind::Int | Kind::Float) => Ok(kind),
        Some(_) => Err(Undefined),
    }
}

fn one_of(kinds: &[Option<Kind>], allowed: &[Kind], result: Kind) -> Result<Option<Kind>, Undefined> {
    let fits = kinds.iter().flatten().all(|kind| allowed.contains(kind));
    if fits { Ok(Some(result)) } else { Err(Undefined) }
}

/// The types of variables by relation name, for relations made on the way.
pub(crate) fn typed(
    variables: impl IntoIterator<Item = Variable>,
    typing: &Typing,
) -> Vec<(Variable, ColumnType)> {
    let of = |variable: &Variable| typing.types.get(variable).copied().unwrap_or(ColumnType::Any);
    variables.into_iter().map(|variable| (variable.clone(), of(&variable))).collect()
}

/// A relation's declared types, if it is known.
pub(crate) fn declared_type(relations: &Relations, name: &RelationName, column: &str) -> Type {
    relations.get(name).and_then(|known| known.column_type(column))
}
