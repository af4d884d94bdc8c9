//! Programs to text: what [`super::parse`] reads back as the same program.
//!
//! An expression stands on one line if the line has room for it; else each of its inputs has a line of its own, further
//! in. Names that are no plain words, or words of the language, stand in backticks. Nothing is made simpler on the way,
//! so that every program has a text of its own, also one that is not sound: `and(f)` is a conjunction of one formula.

use std::fmt::{self, Display, Formatter, Write};

use super::lexer::{is_name_part, is_name_start};
use super::words::{RESERVED, comparison_sign, function_word};
use crate::{
    Aggregate, Column, ColumnType, Expression, Formula, Function, Program, Relation, Row, Statement, Term,
};

/// How long lines get, where that can be helped.
const LINE: usize = 90;

impl Display for ColumnType {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            ColumnType::Kind(kind) => f.write_str(kind.name()),
            ColumnType::Any => f.write_str("any"),
        }
    }
}

impl Display for Aggregate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The columns with their types, and where the rows come from and go to: `(x: int) input output`.
impl Display for Relation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        list(f, "()", &self.columns, |f, (column, kind)| {
            write_name(f, column)?;
            write!(f, ": {kind}")
        })?;
        f.write_str(if self.input { " input" } else { "" })?;
        f.write_str(if self.event { " event" } else { "" })?;
        f.write_str(if self.output { " output" } else { "" })
    }
}

impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.write_relations(f)?;
        self.write_statements(f)
    }
}

impl Program {
    pub(super) fn write_relations(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (name, relation) in &self.relations {
            f.write_str("relation ")?;
            write_name(f, name)?;
            writeln!(f, "{relation};")?;
        }
        Ok(())
    }

    pub(super) fn write_statements(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.statements.iter().try_for_each(|statement| write!(f, "{statement}"))
    }
}

/// Ends with `;` and a line end.
impl Display for Statement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_statement(f, self, 0)
    }
}

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        flat(f, self)
    }
}

impl Display for Formula {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_formula(f, self)
    }
}

impl Display for Term {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_term(f, self, Strength::Sum)
    }
}

fn write_statement(f: &mut dyn Write, statement: &Statement, depth: usize) -> fmt::Result {
    indent(f, depth)?;
    match statement {
        Statement::Assign { relation, expression, .. } | Statement::Next { relation, expression, .. } => {
            let sign = if matches!(statement, Statement::Next { .. }) { "@next :- " } else { " :- " };
            write_name(f, relation)?;
            f.write_str(sign)?;
            let used = 2 * depth + relation.chars().count() + sign.len() + 1;
            write_expression(f, expression, depth, used)?;
        }
        Statement::Loop { body, exports } => {
            f.write_str("while change do\n")?;
            for statement in body {
                write_statement(f, statement, depth + 1)?;
            }
            indent(f, depth)?;
            f.write_str("end exports ")?;
            names(f, exports)?;
        }
    }
    f.write_str(";\n")
}

/// An expression on a line of which some is used; on several lines if it does not fit.
fn write_expression(f: &mut dyn Write, expression: &Expression, depth: usize, used: usize) -> fmt::Result {
    let mut line = Line { text: String::new(), room: LINE.saturating_sub(used) };
    if flat(&mut line, expression).is_ok() {
        return f.write_str(&line.text);
    }
    let parameters = write_operator(f, expression)?;
    if let Expression::Constant { rows, .. } = expression {
        return lines(f, parameters, rows, depth, |f, row| write_row(f, row));
    }
    let inputs = expression.inputs();
    if inputs.is_empty() {
        return Ok(());
    }
    lines(f, parameters, &inputs, depth, |f, input| write_expression(f, input, depth + 1, 2 * depth + 3))
}

/// Arguments of an operator, each on a line of its own.
fn lines<T>(
    f: &mut dyn Write,
    parameters: bool,
    items: &[T],
    depth: usize,
    mut write: impl FnMut(&mut dyn Write, &T) -> fmt::Result,
) -> fmt::Result {
    f.write_str(if parameters { ",\n" } else { "\n" })?;
    for (index, item) in items.iter().enumerate() {
        f.write_str(if index > 0 { ",\n" } else { "" })?;
        indent(f, depth + 1)?;
        write(f, item)?;
    }
    f.write_str("\n")?;
    indent(f, depth)?;
    f.write_str(")")
}

/// A line that takes no more than there is room for.
struct Line {
    text: String,
    room: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.room = self.room.checked_sub(text.chars().count()).ok_or(fmt::Error)?;
        self.text.push_str(text);
        Ok(())
    }
}

/// An expression on one line.
fn flat(f: &mut dyn Write, expression: &Expression) -> fmt::Result {
    let mut first = !write_operator(f, expression)?;
    let mut comma = |f: &mut dyn Write| f.write_str(if std::mem::take(&mut first) { "" } else { ", " });
    match expression {
        Expression::Relation { .. } => return Ok(()),
        Expression::Constant { rows, .. } => rows.iter().try_for_each(|row| {
            comma(f)?;
            write_row(f, row)
        })?,
        _ => expression.inputs().into_iter().try_for_each(|input| {
            comma(f)?;
            flat(f, input)
        })?,
    }
    f.write_str(")")
}

/// An operator up to its inputs, or a relation; gives whether it has parameters.
fn write_operator(f: &mut dyn Write, expression: &Expression) -> Result<bool, fmt::Error> {
    match expression {
        Expression::Relation { name: relation, cid: None } => write_name(f, relation)?,
        Expression::Relation { name: relation, cid: Some(cid) } => {
            f.write_str("with_cid(")?;
            write_name(f, cid)?;
            f.write_str(", ")?;
            write_name(f, relation)?;
            f.write_str(")")?;
        }
        Expression::Constant { columns, .. } => parameters(f, "constant(", |f| names(f, columns))?,
        Expression::Select { formula, .. } => parameters(f, "selection(", |f| write_formula(f, formula))?,
        Expression::Project { columns, .. } => parameters(f, "projection(", |f| names(f, columns))?,
        Expression::Rename { pairs, .. } => parameters(f, "rename(", |f| write_pairs(f, pairs, ": "))?,
        Expression::Extend { column, term, .. } => parameters(f, "extend(", |f| {
            write_name(f, column)?;
            f.write_str(" := ")?;
            write_term(f, term, Strength::Sum)
        })?,
        Expression::Union(_) => return nothing(f, "union("),
        Expression::Difference(..) => return nothing(f, "difference("),
        Expression::Join(..) => return nothing(f, "natural_join("),
        Expression::Product(..) => return nothing(f, "cartesian_product("),
        Expression::ThetaJoin { formula, .. } => {
            parameters(f, "theta_join(", |f| write_formula(f, formula))?;
        }
        Expression::EquiJoin { pairs, .. } => parameters(f, "equijoin(", |f| write_pairs(f, pairs, " = "))?,
        Expression::SemiJoin(..) => return nothing(f, "semijoin("),
        Expression::AntiJoin(..) => return nothing(f, "antijoin("),
        Expression::GroupBy { keys, aggregate, over, by, result, .. } => parameters(f, "group_by(", |f| {
            names(f, keys)?;
            f.write_str(", ")?;
            write_name(f, result)?;
            write!(f, ", {aggregate}(")?;
            over.iter().try_for_each(|over| write_name(f, over))?;
            if !by.is_empty() {
                f.write_str(if over.is_some() { " by " } else { "by " })?;
                separated(f, ", ", by, |f, column| write_name(f, column))?;
            }
            f.write_str(")")
        })?,
        Expression::Rank { keys, by, result, .. } => parameters(f, "rank(", |f| {
            names(f, keys)?;
            f.write_str(", ")?;
            write_name(f, result)?;
            f.write_str(", ")?;
            names(f, by)
        })?,
        Expression::FoldMoves { keys, node, parent, by, result, .. } => parameters(f, "fold_moves(", |f| {
            names(f, keys)?;
            for column in [result, node, parent] {
                f.write_str(", ")?;
                write_name(f, column)?;
            }
            f.write_str(", ")?;
            names(f, by)
        })?,
    }
    Ok(true)
}

fn write_pairs(f: &mut dyn Write, pairs: &[(Column, Column)], between: &str) -> fmt::Result {
    list(f, "[]", pairs, |f, (left, right)| {
        write_name(f, left)?;
        f.write_str(between)?;
        write_name(f, right)
    })
}

fn parameters(
    f: &mut dyn Write,
    operator: &str,
    write: impl FnOnce(&mut dyn Write) -> fmt::Result,
) -> fmt::Result {
    f.write_str(operator)?;
    write(f)
}

/// An operator without parameters.
fn nothing(f: &mut dyn Write, operator: &str) -> Result<bool, fmt::Error> {
    f.write_str(operator).map(|()| false)
}

fn write_row(f: &mut dyn Write, row: &Row) -> fmt::Result {
    list(f, "()", row, |f, value| write_value(f, value))
}

pub(super) fn write_value(f: &mut dyn Write, value: &motet_fact::Value) -> fmt::Result {
    match value {
        motet_fact::Value::Link(cid) => write!(f, "link\"{cid}\""),
        value => write!(f, "{value}"),
    }
}

fn write_formula(f: &mut dyn Write, formula: &Formula) -> fmt::Result {
    match formula {
        Formula::True => f.write_str("true"),
        Formula::Compare(comparison, left, right) => {
            write_term(f, left, Strength::Sum)?;
            write!(f, " {} ", comparison_sign(*comparison))?;
            write_term(f, right, Strength::Sum)
        }
        Formula::Or(formulas) if formulas.is_empty() => f.write_str("false"),
        Formula::And(formulas) => connected(f, "and", formulas),
        Formula::Or(formulas) => connected(f, "or", formulas),
        Formula::Not(inner) => {
            f.write_str("not ")?;
            match **inner {
                Formula::True | Formula::Not(_) => write_formula(f, inner),
                _ => in_parentheses(f, inner),
            }
        }
    }
}

fn connected(f: &mut dyn Write, word: &str, formulas: &[Formula]) -> fmt::Result {
    if formulas.len() < 2 {
        f.write_str(word)?;
        return list(f, "()", formulas, |f, formula| write_formula(f, formula));
    }
    separated(f, &format!(" {word} "), formulas, |f, formula| match formula {
        Formula::And(_) | Formula::Or(_) => in_parentheses(f, formula),
        _ => write_formula(f, formula),
    })
}

fn in_parentheses(f: &mut dyn Write, formula: &Formula) -> fmt::Result {
    f.write_str("(")?;
    write_formula(f, formula)?;
    f.write_str(")")
}

/// How strongly the operators of a term bind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    Sum,
    Product,
    Factor,
}

/// A term, in parentheses if its operator binds less than its place demands.
fn write_term(f: &mut dyn Write, term: &Term, least: Strength) -> fmt::Result {
    match term {
        Term::Column(column) => write_name(f, column),
        Term::Constant(value) => write_value(f, value),
        Term::Apply(function, terms) => match (infix(function), terms.as_slice()) {
            (Some((sign, strength)), [left, right]) => {
                let open = strength < least;
                f.write_str(if open { "(" } else { "" })?;
                write_term(f, left, strength)?;
                write!(f, " {sign} ")?;
                let above = if strength == Strength::Sum { Strength::Product } else { Strength::Factor };
                write_term(f, right, above)?;
                f.write_str(if open { ")" } else { "" })
            }
            (None, [operand]) if *function == Function::Negate => {
                f.write_str("-")?;
                match operand {
                    // `-3` is a constant.
                    Term::Constant(_) => list(f, "()", terms, |f, term| write_term(f, term, Strength::Sum)),
                    operand => write_term(f, operand, Strength::Factor),
                }
            }
            _ => {
                f.write_str(function_word(function))?;
                list(f, "()", terms, |f, term| write_term(f, term, Strength::Sum))
            }
        },
    }
}

/// The sign of a function that stands between its arguments.
fn infix(function: &Function) -> Option<(&str, Strength)> {
    let strength = match function {
        Function::Add | Function::Subtract => Strength::Sum,
        Function::Multiply | Function::Divide | Function::Remainder => Strength::Product,
        _ => return None,
    };
    Some((function.name(), strength))
}

fn names(f: &mut dyn Write, all: &[Column]) -> fmt::Result {
    list(f, "[]", all, |f, one| write_name(f, one))
}

/// A name; in backticks if it would be read as something else.
pub(super) fn write_name(f: &mut dyn Write, name: &str) -> fmt::Result {
    let plain = name.starts_with(is_name_start) && name.chars().all(is_name_part);
    if plain && !RESERVED.contains(&name) {
        return f.write_str(name);
    }
    f.write_str("`")?;
    for letter in name.chars() {
        match letter {
            '`' | '\\' => write!(f, "\\{letter}")?,
            '\n' => f.write_str("\\n")?,
            letter if letter.is_control() => write!(f, "\\u{{{:x}}}", u32::from(letter))?,
            letter => f.write_char(letter)?,
        }
    }
    f.write_str("`")
}

/// Items between brackets.
fn list<T>(
    f: &mut dyn Write,
    brackets: &str,
    items: &[T],
    write: impl FnMut(&mut dyn Write, &T) -> fmt::Result,
) -> fmt::Result {
    let (open, close) = brackets.split_at(1);
    f.write_str(open)?;
    separated(f, ", ", items, write)?;
    f.write_str(close)
}

fn separated<T>(
    f: &mut dyn Write,
    separator: &str,
    items: &[T],
    mut write: impl FnMut(&mut dyn Write, &T) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        f.write_str(if index > 0 { separator } else { "" })?;
        write(f, item)?;
    }
    Ok(())
}

fn indent(f: &mut dyn Write, depth: usize) -> fmt::Result {
    (0..depth).try_for_each(|_| f.write_str("  "))
}
