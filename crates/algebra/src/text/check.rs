//! Whether a program that was read is sound, told at the place in its text.
//!
//! Each statement is checked on its own first, so that what is wrong in several of them is told at once; then the order
//! of all. What is asked is what [`Program::check`] asks of every program.

use super::diagnostic::{Diagnostics, Report, Source, Span, suggest};
use super::ends;
use super::parse::{Place, Placed, read};
use crate::plan::Plan;
use crate::schema::Part;
use crate::{Column, Expression, Program, Registry, RelationName, SchemaError, Statement};

/// Reads a plan whose program a runtime can run, and whose ends fit it.
///
/// # Errors
/// All that cannot be read; or if everything can be, what is not sound.
pub fn load_plan(source: &Source, registry: &Registry) -> Result<Plan, Diagnostics> {
    checked(source, registry, |placed, report| {
        check(placed, report);
        ends::check(placed, report);
    })
}

/// Reads a program that a runtime can run. Sources and sinks are left out, whether they fit or not.
///
/// # Errors
/// All that cannot be read; or if everything can be, what is not sound.
pub fn load(source: &Source, registry: &Registry) -> Result<Program, Diagnostics> {
    checked(source, registry, check).map(|plan| plan.program)
}

fn checked(
    source: &Source,
    registry: &Registry,
    check: impl FnOnce(&Placed, &mut Report),
) -> Result<Plan, Diagnostics> {
    let mut report = Report::default();
    let placed = read(source, registry, &mut report);
    if !report.has_errors() {
        check(&placed, &mut report);
    }
    if report.has_errors() { Err(report.finish(source)) } else { Ok(placed.plan) }
}

fn check(placed: &Placed, report: &mut Report) {
    let statements = with_places(placed);
    for (statement, place) in statements.iter().flatten() {
        if let Some((span, error)) = own_fault(&placed.plan.program, statement, place) {
            tell(&placed.plan.program, span, &error, report);
        }
    }
    if !report.has_errors()
        && let Err((part, error)) = placed.plan.program.check_parts()
    {
        let span = match part {
            Part::Relation(name) => placed.relations[name],
            Part::Statement(index) => span_of(&statements[index], &error),
        };
        tell(&placed.plan.program, span, &error, report);
    }
}

/// Each statement of the program with those inside it, the outer first.
fn with_places(placed: &Placed) -> Vec<Vec<(&Statement, &Place)>> {
    let mut places = placed.statements.iter();
    let placed_inside = |one| inside(one).into_iter().zip(places.by_ref()).collect();
    placed.plan.program.statements.iter().map(placed_inside).collect()
}

/// A statement, and those in it.
fn inside(statement: &Statement) -> Vec<&Statement> {
    match statement {
        Statement::Loop { body, .. } => {
            std::iter::once(statement).chain(body.iter().flat_map(inside)).collect()
        }
        Statement::Assign { .. } | Statement::Next { .. } => vec![statement],
    }
}

/// What is wrong with a statement whatever the others are, and at which operator.
fn own_fault(program: &Program, statement: &Statement, place: &Place) -> Option<(Span, SchemaError)> {
    match statement {
        Statement::Assign { relation, expression, .. } | Statement::Next { relation, expression, .. } => {
            let own = columns(program, expression, &mut place.operators.iter().copied()).map(drop);
            let whole = |error| (place.head, error);
            own.and_then(|()| program.check_assign(relation, expression).map_err(whole)).err()
        }
        Statement::Loop { .. } => None,
    }
}

/// The columns of an expression, or the first operator that does not fit its inputs. Spans are taken in the order in
/// which the parser made the operators.
fn columns(
    program: &Program,
    expression: &Expression,
    spans: &mut dyn Iterator<Item = Span>,
) -> Result<Vec<Column>, (Span, SchemaError)> {
    let inputs = expression.inputs().into_iter().map(|input| columns(program, input, spans));
    let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
    let span = spans.next().expect("the parser notes a place for each operator");
    program.operator_columns(expression, &inputs).map_err(|error| (span, error))
}

/// Where an error that is about the order of statements is to be shown: at the one that reads what it must not.
fn span_of(statements: &[(&Statement, &Place)], error: &SchemaError) -> Span {
    let wanted: Option<&RelationName> = match error {
        SchemaError::Incomplete { reader, .. }
        | SchemaError::NotMonotone { reader, .. }
        | SchemaError::NotExported { reader, .. }
        | SchemaError::NextInLoop(reader) => Some(reader),
        _ => None,
    };
    let reads = |statement: &Statement| match statement {
        Statement::Assign { relation, .. } | Statement::Next { relation, .. } => Some(relation) == wanted,
        Statement::Loop { .. } => false,
    };
    let found = statements.iter().find(|(statement, _)| reads(statement)).or(statements.first());
    found.map_or_else(Span::default, |(_, place)| place.head)
}

fn tell(program: &Program, span: Span, error: &SchemaError, report: &mut Report) {
    let (code, remedy) = help(program, error);
    let item = report.error(code, span, error.to_string());
    if let Some(remedy) = remedy {
        item.remedy(remedy);
    }
}

/// The code of an error, and what to do.
fn help(program: &Program, error: &SchemaError) -> (&'static str, Option<String>) {
    let names = || program.relations.keys().map(|name| &**name);
    let (code, remedy) = match error {
        SchemaError::UnknownRelation(name) => {
            let declare = format!("declare it: relation {name}(column: type);");
            return ("R030", suggest(name, names()).or(Some(declare)));
        }
        SchemaError::UnknownColumn { column, columns } => {
            return ("R031", suggest(column, columns.iter().map(|column| &**column)));
        }
        SchemaError::DuplicateColumn(_) => ("R032", "rename one of them"),
        SchemaError::Columns { .. } => {
            ("R033", "rename([old: new], …) and projection([…], …) make columns fit")
        }
        SchemaError::Arguments { .. } => return ("R034", None),
        SchemaError::ConstantWidth { .. } => ("R035", "give each row a value for each column"),
        SchemaError::SharedColumns { .. } => {
            ("R039", "rename([old: new], …) them in one input, or use a natural_join")
        }
        SchemaError::EmptyUnion => ("R036", "constant([columns]) has no rows"),
        SchemaError::AggregateOfNothing(_) => ("R037", "name the column in its parentheses"),
        SchemaError::AggregateBy(_) => {
            ("R037", "write arg_max(column by column, …), and no `by` for the others")
        }
        SchemaError::ControlColumn(_) => ("R038", "use with_cid(column, relation) for the CID of a row"),
        SchemaError::NestedLoop => ("R021", "put all assignments into one loop"),
        SchemaError::NextInLoop(_) => ("R022", "move it out of the loop, and below it"),
        SchemaError::NoInput(_) => ("R023", "write `input event`"),
        SchemaError::Timed => return ("R024", None),
        SchemaError::Export(_) => ("R041", "assign it in the loop, or leave it out of the exports"),
        SchemaError::Incomplete { .. } => ("R042", "move the statement down, or both into one loop"),
        SchemaError::NotMonotone { .. } => ("R043", "compute what is negated or aggregated before the loop"),
        SchemaError::NotExported { .. } => ("R044", "add it to the exports of its loop"),
    };
    (code, Some(remedy.to_owned()))
}
