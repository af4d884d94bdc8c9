//! Derivations and failures as people read them.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

use motet_algebra::text::edit::as_written;
use motet_algebra::{Column, RelationName, Row, Term};
use motet_fact::Value;

use super::{Account, Attempt, Bindings, Derivation, Node, Premise, Reason};
use crate::rule::{Goal, GoalKind, Rule, Scan};

/// How deep a derivation is indented; what lies deeper stands at the margin further down.
const MAX_DEPTH: usize = 24;

/// A term with the values of its variables.
fn with_values(term: &Term, bindings: &Bindings) -> Term {
    match term {
        Term::Column(variable) => match bindings.get(variable) {
            Some(value) => Term::Constant(value.clone()),
            None if variable.starts_with('~') => Term::Column("_".into()),
            None => term.clone(),
        },
        Term::Constant(_) => term.clone(),
        Term::Apply(function, terms) => {
            Term::Apply(function.clone(), terms.iter().map(|term| with_values(term, bindings)).collect())
        }
    }
}

/// An atom with the values of its variables.
fn atom(scan: &Scan, bindings: &Bindings) -> String {
    let constants = scan.constants.iter().map(|(column, value, _)| (column, value.to_string()));
    let variables = scan.variables.iter().map(|(column, variable, _)| {
        (column, with_values(&Term::Column(variable.clone()), bindings).to_string())
    });
    let columns: Vec<_> = constants
        .chain(variables)
        .map(|(column, value)| format!("{}: {value}", as_written(column)))
        .collect();
    format!("{}({})", as_written(&scan.relation), columns.join(", "))
}

/// A condition with the values of its variables.
pub(super) fn goal(goal: &Goal, bindings: &Bindings) -> String {
    let value = |variable: &Column| with_values(&Term::Column(variable.clone()), bindings).to_string();
    match &goal.kind {
        GoalKind::Scan(scan) => match &scan.cid {
            Some((variable, _)) => format!("{} := {}", value(variable), atom(scan, bindings)),
            None => atom(scan, bindings),
        },
        GoalKind::Not(scan) => format!("!{}", atom(scan, bindings)),
        GoalKind::Compare(comparison, left, right) => {
            let (left, right) = (with_values(left, bindings), with_values(right, bindings));
            format!("{left} {} {right}", comparison.symbol())
        }
        GoalKind::Aggregate { result, measure, over, scan, .. } => {
            let over = over.iter().map(|over| format!(" {}", value(over))).collect::<String>();
            format!("{} := {}{over} : {}", value(result), measure.name(), atom(scan, bindings))
        }
    }
}

/// A head with the values of its variables.
pub(super) fn head(rule: &Rule, bindings: &Bindings) -> String {
    let column = |head: &crate::rule::HeadTerm| {
        format!("{}: {}", as_written(&head.column), with_values(&head.term, bindings))
    };
    let columns: Vec<_> = rule.terms.iter().map(column).collect();
    format!("{}({})", as_written(&rule.head), columns.join(", "))
}

fn row(relation: &str, columns: &[Column], values: &[Value]) -> String {
    let named = |(column, value): (&Column, &Value)| format!("{}: {value}", as_written(column));
    let columns: Vec<_> = columns.iter().zip(values).map(named).collect();
    format!("{}({})", as_written(relation), columns.join(", "))
}

impl Account<'_> {
    pub(super) fn shown_row(&self, relation: &RelationName, values: &Row) -> String {
        row(relation, &self.compiled.program.relations[relation].tuple_columns(), values)
    }
}

impl Display for Node {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&row(&self.relation, &self.columns, &self.row))
    }
}

/// What is to be printed next.
enum Line<'d> {
    Node(usize),
    Premise(&'d Premise),
}

/// A tree: each row with the rule that derives it, and below it what its conditions found. A row that was derived
/// further up is not derived again.
impl Display for Derivation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut shown = BTreeSet::new();
        let mut later = vec![0];
        while let Some(root) = later.pop() {
            let mut waiting = vec![(0, Line::Node(root))];
            while let Some((depth, line)) = waiting.pop() {
                if !matches!(line, Line::Premise(Premise::Row(_))) {
                    write!(f, "{}", "  ".repeat(depth))?;
                }
                match line {
                    Line::Premise(Premise::Absent(text)) => writeln!(f, "{text}   absent")?,
                    Line::Premise(Premise::Compared(text)) => writeln!(f, "{text}")?,
                    Line::Premise(Premise::Aggregated { condition, rows }) => {
                        writeln!(f, "{condition}   over {rows} {}", if *rows == 1 { "row" } else { "rows" })?;
                    }
                    Line::Premise(Premise::Row(place)) => waiting.push((depth, Line::Node(*place))),
                    Line::Node(place) => {
                        let below = self.write_node(f, place, depth, &mut shown, &mut later)?;
                        waiting.extend(below.iter().rev().map(|premise| (depth + 1, Line::Premise(premise))));
                    }
                }
            }
        }
        Ok(())
    }
}

impl Derivation {
    /// Writes a row, and gives what is to stand below it.
    fn write_node(
        &self,
        f: &mut Formatter<'_>,
        place: usize,
        depth: usize,
        shown: &mut BTreeSet<usize>,
        later: &mut Vec<usize>,
    ) -> Result<&[Premise], fmt::Error> {
        let node = &self.nodes[place];
        let Reason::Rule { line, text, premises, .. } = &node.reason else {
            match &node.origin {
                Some(origin) => writeln!(f, "{node}   stored: {origin}")?,
                None => writeln!(f, "{node}   stored")?,
            }
            return Ok(&[]);
        };
        if shown.contains(&place) {
            writeln!(f, "{node}   as above")?;
            return Ok(&[]);
        }
        if depth >= MAX_DEPTH && !premises.is_empty() {
            if !later.contains(&place) {
                later.insert(0, place);
            }
            writeln!(f, "{node}   as below")?;
            return Ok(&[]);
        }
        shown.insert(place);
        writeln!(f, "{node}   line {line}: {text}")?;
        Ok(premises)
    }
}

/// The rule, what holds, and what fails.
impl Display for Attempt {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "line {}: {}", self.line, self.text)?;
        self.reached.iter().try_for_each(|condition| writeln!(f, "  {condition}"))?;
        match &self.failed {
            Some((condition, why)) => writeln!(f, "  {condition}   fails: {why}")?,
            None => writeln!(f, "  derives it")?,
        }
        if self.cut { writeln!(f, "  (not everything was tried)") } else { Ok(()) }
    }
}
