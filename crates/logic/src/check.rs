//! What must hold of a clause on its own: its variables are bound, its kinds fit.

use std::collections::BTreeSet;

use motet_algebra::{Aggregate, ColumnType, Comparison, Term};
use motet_fact::{Kind, Value};

use crate::ast::Measure;
use crate::binding;
use crate::controls;
use crate::diagnostic::{Report, Span, most_like};
use crate::relations::{Known, Relations};
use crate::rule::{Goal, GoalKind, Rule, Scan, Variable, term_variables};
use crate::types::{KindError, Typing, declared_type, kind_of};

/// Warns of relations that are read and that nothing fills, where they are read first.
pub(crate) fn check_filled(rules: &[Rule], relations: &Relations, report: &mut Report) {
    let mut seen = BTreeSet::new();
    let goals = rules.iter().flat_map(|rule| &rule.goals);
    for (scan, span) in goals.filter_map(|goal| Some((goal.scan()?, goal.span))) {
        let empty = |known: &Known| !known.defined && !known.input && known.base.is_none();
        let name = &scan.relation;
        if relations.get(name).is_some_and(empty) && seen.insert(name) {
            report
                .warning("L071", span, format!("nothing defines `{name}`, so it is empty"))
                .remedy(format!("write rules for it, or `input {name}.`"));
        }
    }
}

/// Checks one rule.
pub(crate) fn check(rule: &Rule, relations: &Relations, report: &mut Report) {
    let typing = Typing::of(rule, relations);
    let mut check = Check { rule, relations, typing, report, unbound: BTreeSet::new() };
    check.types();
    check.bindings();
    check.unused();
}

struct Check<'a> {
    rule: &'a Rule,
    relations: &'a Relations,
    typing: Typing,
    report: &'a mut Report,
    /// The variables that were reported as bound by nothing.
    unbound: BTreeSet<Variable>,
}

impl Check<'_> {
    fn types(&mut self) {
        for conflict in self.typing.conflicts.clone() {
            let (variable, first, second) = (&conflict.variable, conflict.first, conflict.second);
            let message =
                format!("`{variable}` is {first} elsewhere and {second} here, so it equals nothing");
            let item = self.report.error("L040", conflict.span, message);
            item.label(format!("a column of type {second}"));
            if is_number(first) && is_number(second) {
                item.remedy("use two variables and convert: float(X) == Y");
            } else {
                item.remedy("use two variables");
            }
        }
        for goal in &self.rule.goals {
            if let Some(scan) = goal.scan() {
                self.constants(scan);
            }
            match &goal.kind {
                GoalKind::Compare(comparison, left, right) => {
                    self.comparison(*comparison, left, right, goal.span);
                }
                GoalKind::Aggregate { measure: Measure::Of(aggregate), over, scan, .. } => {
                    let of = self.typing.aggregated(over.as_ref(), scan, self.relations);
                    if let Some(kind) = kind_of(of).filter(|kind| !takes(aggregate, *kind)) {
                        let message = format!("`{}` of {}", aggregate.name(), kind.name());
                        let item = self.report.error("L042", goal.span, message);
                        if matches!(aggregate, Aggregate::Sum | Aggregate::Mean) {
                            item.remedy("sum and mean are of numbers; count, min and max are of everything");
                        }
                    }
                }
                GoalKind::Aggregate { measure: Measure::FoldMoves, over, to, scan, .. } => {
                    self.moved(over.as_ref(), to.as_ref(), scan, goal.span);
                }
                GoalKind::Aggregate { measure: Measure::Rank, .. } | GoalKind::Scan(_) | GoalKind::Not(_) => {
                }
            }
        }
        self.head_types();
    }

    /// A node and its parent are both nodes.
    fn moved(&mut self, node: Option<&Variable>, parent: Option<&Variable>, scan: &Scan, span: Span) {
        let kind = |variable| kind_of(self.typing.aggregated(variable, scan, self.relations));
        if let (Some(node), Some(parent)) = (kind(node), kind(parent))
            && node != parent
        {
            let message = format!("`fold_moves` of {} to {}", node.name(), parent.name());
            self.report.error("L042", span, message).remedy("a node and what it is moved to are of one kind");
        }
    }

    fn constants(&mut self, scan: &Scan) {
        for (column, value, span) in &scan.constants {
            if let Some(kind) = kind_of(declared_type(self.relations, &scan.relation, column)) {
                let relation = controls::base_of(&scan.relation);
                self.constant(&format!("{relation}.{column}"), kind, value, *span);
            }
        }
    }

    /// A constant in a column of a kind.
    fn constant(&mut self, column: &str, kind: Kind, value: &Value, span: Span) {
        if value.kind() == kind {
            return;
        }
        let message = format!("`{column}` is {} and this is {}", kind.name(), value.kind().name());
        let item = self.report.error("L040", span, message);
        if let Some(instead) = converted(value, kind) {
            item.replace(&instead);
        } else if let Err(error) = crate::parse_typed("", ColumnType::Kind(kind)) {
            item.remedy(format!("wanted is {}", error.want));
        }
    }

    fn head_types(&mut self) {
        for head in &self.rule.terms {
            let known = match self.typing.term(&head.term) {
                Ok(known) => known,
                Err(error) => {
                    self.kind_error(&error, head.span);
                    continue;
                }
            };
            let declared = kind_of(declared_type(self.relations, &self.rule.head, &head.column));
            match (declared, kind_of(known), &head.term) {
                (Some(want), _, Term::Constant(value)) => {
                    self.constant(&format!("{}.{}", self.rule.head, head.column), want, value, head.span);
                }
                (Some(want), Some(got), _) if want != got => {
                    let (want, got) = (want.name(), got.name());
                    let message = format!("`{}.{}` is {want} and this is {got}", self.rule.head, head.column);
                    let item = self.report.error("L040", head.span, message);
                    if matches!((want, got), ("int", "float") | ("float", "int")) {
                        item.remedy(format!("convert it: {want}(…)"));
                        if let Term::Column(variable) = &head.term {
                            item.replace(&format!("{want}({variable})"));
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn kind_error(&mut self, error: &KindError, span: Span) {
        let names: Vec<_> = error.kinds.iter().map(|kind| kind.map_or("any", Kind::name)).collect();
        let message = format!("`{}` has no value for {}", error.function.name(), names.join(" and "));
        let item = self.report.error("L042", span, message);
        if error.kinds.contains(&Some(Kind::Int)) && error.kinds.contains(&Some(Kind::Float)) {
            item.remedy("arithmetic never mixes kinds: convert with float(X) or int(X), or write 1.0");
        } else if !error.function.name().starts_with(char::is_alphabetic) {
            item.remedy("arithmetic is of two ints or of two floats");
        }
    }

    fn comparison(&mut self, comparison: Comparison, left: &Term, right: &Term, span: Span) {
        let kinds = match (self.typing.term(left), self.typing.term(right)) {
            (Ok(left), Ok(right)) => (kind_of(left), kind_of(right)),
            (Err(error), _) | (_, Err(error)) => return self.kind_error(&error, span),
        };
        let (Some(left), Some(right)) = kinds else { return };
        let numbers = is_number(ColumnType::Kind(left)) && is_number(ColumnType::Kind(right));
        if left == right {
            return;
        }
        let (left, right) = (left.name(), right.name());
        match comparison {
            Comparison::Equal | Comparison::Unequal => {
                let outcome = if comparison == Comparison::Equal { "never" } else { "always" };
                let message = format!("{left} {} {right} {outcome} holds", comparison.symbol());
                let item = self.report.warning("L074", span, message);
                if numbers {
                    item.remedy(
                        "1 and 1.0 are different values: convert with float(X) or int(X), or write 1.0",
                    );
                } else {
                    item.remedy("compare values of one kind");
                }
            }
            _ if numbers => {}
            _ => {
                let message = format!("{left} and {right} have no order between them");
                let remedy = "compare values of one kind, or int with float";
                self.report.error("L041", span, message).remedy(remedy);
            }
        }
    }

    fn bindings(&mut self) {
        let before = self.report.count();
        let mut bindable = binding::bindable(self.rule);
        for goal in &self.rule.goals {
            self.binding(goal, &mut bindable);
        }
        for head in &self.rule.terms {
            self.unbound(&term_variables(&head.term), &bindable, head.span, "the head needs its value");
        }
        if self.report.count() > before {
            return;
        }
        for goal in binding::stuck(self.rule, &bindable) {
            self.report
                .error("L054", goal.span, "this waits for a value that depends on it")
                .remedy("bind its variables with an atom");
        }
    }

    /// Reports what is not bound, and then takes it as bound.
    fn binding(&mut self, goal: &Goal, bindable: &mut BTreeSet<Variable>) {
        match &goal.kind {
            GoalKind::Scan(_) => {}
            GoalKind::Not(scan) => {
                for (_, variable, span) in &scan.variables {
                    let written = self.rule.occurrences.get(variable).is_some_and(|(_, count)| *count == 1);
                    if bindable.contains(variable) || self.is_explained(variable, bindable) {
                        continue;
                    }
                    let item = self.report.error("L051", *span, format!("nothing binds `{variable}`"));
                    item.label("a negation binds no variable");
                    if written {
                        item.remedy("leave the column out, or write `_`, to say that no value does");
                        item.edit(*span, "_", "write `_`");
                    } else {
                        item.remedy("bind it with an atom that is not negated");
                    }
                    self.unbound.insert(variable.clone());
                    bindable.insert(variable.clone());
                }
            }
            GoalKind::Compare(_, left, right) => {
                let mut variables = term_variables(left);
                variables.extend(term_variables(right));
                self.unbound(&variables, bindable, goal.span, "its value is needed here");
                bindable.extend(variables);
            }
            GoalKind::Aggregate { result, scan, .. } => self.aggregate(goal, result, scan),
        }
    }

    /// A variable that stands for a term of an argument: what the term lacks is reported there.
    fn is_explained(&self, variable: &Variable, bindable: &BTreeSet<Variable>) -> bool {
        variable.starts_with('~') && !bindable.contains(variable)
    }

    fn unbound(
        &mut self,
        variables: &BTreeSet<Variable>,
        bindable: &BTreeSet<Variable>,
        span: Span,
        why: &str,
    ) {
        for variable in variables.difference(bindable).filter(|variable| !variable.starts_with('~')) {
            let inside = self.rule.goals.iter().any(|goal| {
                matches!(&goal.kind,
                GoalKind::Aggregate { scan, .. } if scan.all_variables().contains(variable))
            });
            let item = self.report.error("L050", span, format!("nothing binds `{variable}`"));
            item.label(why);
            self.unbound.insert(variable.clone());
            if let Some((like, place)) = misspelt(self.rule, variable, bindable) {
                item.remedy(format!("did you mean `{like}`?"));
                if let Some(place) = place {
                    item.edit(place, &*like, format!("write `{like}`"));
                }
                self.unbound.insert(like);
                continue;
            }
            item.remedy(if inside {
                "a variable of an aggregated atom does not leave it: bind it with another atom, to make groups"
            } else {
                "name it in an atom of the body that is not negated, or give it a value: X == …"
            });
        }
    }

    fn aggregate(&mut self, goal: &Goal, result: &Variable, scan: &Scan) {
        let variables: Vec<_> = scan.variables.iter().map(|(_, variable, _)| variable).collect();
        if variables.contains(&result) {
            let message = format!("`{result}` is the result and stands in the aggregated atom");
            self.report.error("L052", goal.span, message).remedy("use two variables");
        }
        for own in goal.own_variables() {
            if variables.iter().filter(|variable| ***variable == own).count() != 1 {
                let message = format!("`{own}` must stand in exactly one column of the aggregated atom");
                self.report.error("L052", goal.span, message).remedy("name it in one column of the atom");
                self.unbound.extend(variables.iter().map(|variable| (*variable).clone()).chain([own]));
            } else if goal.escaping() != Some(&own) && self.bound_without(&own, goal.span) {
                let message = format!("`{own}` is aggregated and is bound outside the aggregate too");
                let remedy = "give the aggregated variable a name of its own";
                self.report.error("L052", goal.span, message).remedy(remedy);
            }
        }
    }

    /// Whether another goal than the one at `span` binds the variable.
    fn bound_without(&self, variable: &Variable, span: Span) -> bool {
        let mut rest = self.rule.clone();
        rest.goals.retain(|goal| goal.span != span);
        binding::bindable(&rest).contains(variable)
    }

    fn unused(&mut self) {
        for (variable, (span, count)) in &self.rule.occurrences {
            let in_head = self.rule.terms.iter().any(|head| term_variables(&head.term).contains(variable));
            let told = in_head || self.unbound.contains(variable) || variable.starts_with('_');
            if *count == 1 && !told {
                let item = self.report.warning("L070", *span, format!("`{variable}` is used only once"));
                item.remedy(format!("leave the column out, or write `_` or `_{variable}`"));
                let in_column = |scan: &Scan| scan.variables.iter().any(|(_, _, place)| place == span);
                if self.rule.goals.iter().filter_map(Goal::scan).any(in_column) {
                    let marked = format!("_{variable}");
                    item.edit(*span, "_", "write `_`").edit(*span, &marked, format!("write `{marked}`"));
                }
            }
        }
    }
}

/// Whether an aggregate may have a value over a column of this kind.
fn takes(aggregate: &Aggregate, kind: Kind) -> bool {
    match aggregate {
        Aggregate::Sum | Aggregate::Mean => is_number(ColumnType::Kind(kind)),
        Aggregate::User(aggregate) => {
            [ColumnType::Any, ColumnType::Kind(kind)].contains(&aggregate.parameter())
        }
        Aggregate::Count | Aggregate::Min | Aggregate::Max | Aggregate::ArgMax | Aggregate::ArgMin => true,
    }
}

/// A variable of the rule that is bound and is written almost like one that is not; and where that one stands, if it
/// stands in one place only.
fn misspelt(
    rule: &Rule,
    variable: &Variable,
    bindable: &BTreeSet<Variable>,
) -> Option<(Variable, Option<Span>)> {
    let written = bindable.iter().filter(|one| rule.occurrences.contains_key(*one)).map(|one| &**one);
    let like = most_like(variable, written)?;
    let once = rule.occurrences.get(variable).filter(|(_, count)| *count == 1);
    Some((like.into(), once.map(|(span, _)| *span)))
}

fn is_number(column_type: ColumnType) -> bool {
    matches!(column_type, ColumnType::Kind(Kind::Int | Kind::Float))
}

/// How a constant of another kind is written.
fn converted(value: &Value, kind: Kind) -> Option<String> {
    match (value, kind) {
        (Value::Int(int), Kind::Float) => Some(format!("{int}.0")),
        (Value::Float(float), Kind::Int) if float.get().fract() == 0.0 => {
            Some(float.get().to_string()).filter(|digits| digits.parse::<i64>().is_ok())
        }
        (Value::Text(text), _) if crate::parse_typed(text, ColumnType::Kind(kind)).is_ok() => {
            Some(text.to_string())
        }
        (value, Kind::Text) if value.kind() != Kind::Link => Some(format!("\"{value}\"")),
        _ => None,
    }
}
