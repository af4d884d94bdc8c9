//! The text form of programs, for `--explain` and for tests.
//!
//! One operator stands on a line and its inputs stand below it, indented. It is made to be read; a parser for it is a
//! later matter.

use std::fmt::{self, Display, Formatter};

use crate::{
    Aggregate, Column, ColumnType, Expression, Formula, Function, Program, Relation, Statement, Term,
};

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
        f.write_str("(")?;
        separated(f, ", ", &self.columns, |f, (name, column_type)| write!(f, "{name}: {column_type}"))?;
        f.write_str(")")?;
        f.write_str(if self.input { " input" } else { "" })?;
        f.write_str(if self.output { " output" } else { "" })
    }
}

impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (name, relation) in &self.relations {
            writeln!(f, "relation {name}{relation}")?;
        }
        self.statements.iter().try_for_each(|statement| write!(f, "{statement}"))
    }
}

impl Display for Statement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_statement(f, self, 0)
    }
}

fn write_statement(f: &mut Formatter<'_>, statement: &Statement, depth: usize) -> fmt::Result {
    indent(f, depth)?;
    match statement {
        Statement::Assign { relation, expression } => {
            writeln!(f, "{relation} :=")?;
            write_expression(f, expression, depth + 1)
        }
        Statement::Loop { body, exports } => {
            f.write_str("loop")?;
            write_columns(f, " for ", exports)?;
            f.write_str("\n")?;
            body.iter().try_for_each(|statement| write_statement(f, statement, depth + 1))
        }
    }
}

/// A tree, one operator a line; ends with a line end.
impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_expression(f, self, 0)
    }
}

fn write_expression(f: &mut Formatter<'_>, expression: &Expression, depth: usize) -> fmt::Result {
    indent(f, depth)?;
    write_operator(f, expression)?;
    f.write_str("\n")?;
    expression.inputs().into_iter().try_for_each(|input| write_expression(f, input, depth + 1))
}

fn write_operator(f: &mut Formatter<'_>, expression: &Expression) -> fmt::Result {
    match expression {
        Expression::Relation { name, cid: None } => write!(f, "{name}"),
        Expression::Relation { name, cid: Some(cid) } => write!(f, "{name} with cid {cid}"),
        Expression::Constant { columns, rows } => {
            write_columns(f, "rows of ", columns)?;
            f.write_str(":")?;
            rows.iter().try_for_each(|row| {
                f.write_str(" (")?;
                separated(f, ", ", row, |f, value| write!(f, "{value}"))?;
                f.write_str(")")
            })
        }
        Expression::Select { formula, .. } => write!(f, "select {formula}"),
        Expression::Project { columns, .. } => write_columns(f, "project ", columns),
        Expression::Rename { pairs, .. } => {
            f.write_str("rename ")?;
            separated(f, ", ", pairs, |f, (old, new)| write!(f, "{old} to {new}"))
        }
        Expression::Extend { column, term, .. } => write!(f, "extend {column} = {term}"),
        Expression::Union(_) => f.write_str("union"),
        Expression::Difference(..) => f.write_str("difference"),
        Expression::Join(..) => f.write_str("join"),
        Expression::SemiJoin(..) => f.write_str("semijoin"),
        Expression::AntiJoin(..) => f.write_str("antijoin"),
        Expression::GroupBy { keys, aggregate, over, by, result, .. } => {
            write_columns(f, "group by ", keys)?;
            write!(f, ": {result} = {aggregate}")?;
            over.iter().try_for_each(|over| write!(f, " {over}"))?;
            if by.is_empty() { Ok(()) } else { write_columns(f, " by ", by) }
        }
        Expression::Rank { keys, by, result, .. } => {
            write_columns(f, "group by ", keys)?;
            write_columns(f, &format!(": {result} = rank by "), by)
        }
    }
}

fn write_columns(f: &mut Formatter<'_>, before: &str, columns: &[Column]) -> fmt::Result {
    f.write_str(before)?;
    if columns.is_empty() {
        return f.write_str("()");
    }
    separated(f, ", ", columns, |f, column| f.write_str(column))
}

fn indent(f: &mut Formatter<'_>, depth: usize) -> fmt::Result {
    (0..depth).try_for_each(|_| f.write_str("  "))
}

fn separated<T>(
    f: &mut Formatter<'_>,
    separator: &str,
    items: &[T],
    mut write: impl FnMut(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(separator)?;
        }
        write(f, item)?;
    }
    Ok(())
}

impl Display for Formula {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Formula::True => f.write_str("true"),
            Formula::Compare(comparison, left, right) => write!(f, "{left} {} {right}", comparison.symbol()),
            Formula::And(formulas) => write_all(f, " and ", "true", formulas),
            Formula::Or(formulas) => write_all(f, " or ", "false", formulas),
            Formula::Not(formula) => write!(f, "not ({formula})"),
        }
    }
}

fn write_all(f: &mut Formatter<'_>, word: &str, of_none: &str, formulas: &[Formula]) -> fmt::Result {
    if formulas.is_empty() {
        return f.write_str(of_none);
    }
    separated(f, word, formulas, |f, formula| match formula {
        Formula::And(_) | Formula::Or(_) => write!(f, "({formula})"),
        _ => write!(f, "{formula}"),
    })
}

impl Display for Term {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Term::Column(column) => f.write_str(column),
            Term::Constant(value) => write!(f, "{value}"),
            Term::Apply(Function::Negate, terms) if terms.len() == 1 => write!(f, "-({})", terms[0]),
            Term::Apply(function, terms) if is_operator(function) && terms.len() == 2 => {
                write!(f, "({} {} {})", terms[0], function.name(), terms[1])
            }
            Term::Apply(function, terms) => {
                write!(f, "{}(", function.name())?;
                separated(f, ", ", terms, |f, term| write!(f, "{term}"))?;
                f.write_str(")")
            }
        }
    }
}

fn is_operator(function: &Function) -> bool {
    matches!(
        function,
        Function::Add | Function::Subtract | Function::Multiply | Function::Divide | Function::Remainder
    )
}
