//! What is computed more than once becomes a relation of its own.
//!
//! Two expressions are equal if they are but for the names of columns. So each gets a *shape*, a text in which columns
//! are positions and renamings are gone, and expressions of one shape are computed once: before the first statement
//! that needs them, or in the loop whose relations they read. The greatest come first, as what lies in them is then
//! shared with them. The new relation is of the rule that needs it first. What has no join, negation or group in it is
//! not worth a relation.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Column, ColumnType, Expression, Program, Provenance, Relation, RelationName, Statement};

/// Lets equal expressions share.
pub(crate) fn share(mut program: Program) -> Program {
    while let Some(shared) = greatest(&program) {
        program = extract(program, &shared);
    }
    program
}

/// A shape, and the loop whose relations it reads, by its place among the statements.
type Key = (String, Option<usize>);

/// What is found of a shape.
struct Found {
    count: usize,
    size: usize,
    /// The place of the first statement with it.
    first: usize,
    expression: Expression,
    rule: Provenance,
}

/// The greatest that is there more than once, and of equals the first.
fn greatest(program: &Program) -> Option<(Key, Found)> {
    let mut found: BTreeMap<Key, Found> = BTreeMap::new();
    for (place, statement) in program.statements.iter().enumerate() {
        let own = assigned(statement);
        for (expression, rule) in expressions(statement) {
            each(expression, &mut |part| {
                if is_worth_it(part) {
                    let (count, size, first) = (0, size(part), place);
                    let new = || Found { count, size, first, expression: part.clone(), rule: rule.clone() };
                    found.entry(key(program, part, place, &own)).or_insert_with(new).count += 1;
                }
            });
        }
    }
    let several = found.into_iter().filter(|(_, found)| found.count > 1);
    several.max_by_key(|(_, found)| (found.size, std::cmp::Reverse(found.first)))
}

fn key(program: &Program, part: &Expression, place: usize, own: &BTreeSet<RelationName>) -> Key {
    let reads_own = !own.is_empty() && reads(part).into_iter().any(|name| own.contains(name));
    (shape(program, part).0, reads_own.then_some(place))
}

/// Makes a relation of a shape and reads it wherever the shape is.
fn extract(mut program: Program, ((shape, home), found): &(Key, Found)) -> Program {
    let columns = program.columns(&found.expression).expect("the program was checked");
    let name = fresh_name(&program);
    let known = program.clone();
    for (place, statement) in program.statements.iter_mut().enumerate() {
        let own = assigned(statement);
        for expression in expressions_mut(statement) {
            replace(expression, &mut |part| {
                let same = is_worth_it(part) && key(&known, part, place, &own) == (shape.clone(), *home);
                same.then(|| {
                    read(&name, &columns, known.columns(part).expect("it is a part of a sound program"))
                })
            });
        }
    }
    let (relation, expression, rule) = (name.clone(), found.expression.clone(), found.rule.clone());
    let assign = Statement::Assign { relation, expression, rule };
    match home {
        None => program.statements.insert(found.first, assign),
        Some(place) => match &mut program.statements[*place] {
            Statement::Loop { body, .. } => body.insert(0, assign),
            Statement::Assign { .. } | Statement::Next { .. } => {
                unreachable!("only a loop reads what it assigns")
            }
        },
    }
    let columns = columns.into_iter().map(|column| (column, ColumnType::Any)).collect();
    program.relations.insert(name, Relation { columns, input: false, event: false, output: false });
    program
}

/// The shared relation under the names that a place has for its columns.
fn read(name: &RelationName, columns: &[Column], wanted: Vec<Column>) -> Expression {
    let pairs: Vec<_> = columns.iter().cloned().zip(wanted).filter(|(old, new)| old != new).collect();
    let read = Expression::Relation { name: name.clone(), cid: None };
    if pairs.is_empty() { read } else { Expression::Rename { input: Box::new(read), pairs } }
}

fn fresh_name(program: &Program) -> RelationName {
    let name = |number: usize| RelationName::from(format!("shared~{number}"));
    let unused = (1..).map(name).find(|name| !program.relations.contains_key(name));
    unused.expect("there are more numbers than relations")
}

/// The relations of a loop's own; of other statements none.
fn assigned(statement: &Statement) -> BTreeSet<RelationName> {
    match statement {
        Statement::Assign { .. } | Statement::Next { .. } => BTreeSet::new(),
        Statement::Loop { body, .. } => body
            .iter()
            .flat_map(|statement| match statement {
                Statement::Assign { relation, .. } => Some(relation.clone()),
                Statement::Loop { .. } | Statement::Next { .. } => None,
            })
            .collect(),
    }
}

fn expressions(statement: &Statement) -> Vec<(&Expression, &Provenance)> {
    match statement {
        Statement::Assign { expression, rule, .. } | Statement::Next { expression, rule, .. } => {
            vec![(expression, rule)]
        }
        Statement::Loop { body, .. } => body.iter().flat_map(expressions).collect(),
    }
}

fn expressions_mut(statement: &mut Statement) -> Vec<&mut Expression> {
    match statement {
        Statement::Assign { expression, .. } | Statement::Next { expression, .. } => vec![expression],
        Statement::Loop { body, .. } => body.iter_mut().flat_map(expressions_mut).collect(),
    }
}

/// Calls `visit` for an expression and all its parts.
fn each<'a>(expression: &'a Expression, visit: &mut dyn FnMut(&'a Expression)) {
    visit(expression);
    expression.inputs().into_iter().for_each(|input| each(input, visit));
}

/// Puts something else in the place of parts, the outer ones first.
fn replace(expression: &mut Expression, by: &mut dyn FnMut(&Expression) -> Option<Expression>) {
    match by(expression) {
        Some(other) => *expression = other,
        None => expression.inputs_mut().into_iter().for_each(|input| replace(input, by)),
    }
}

fn size(expression: &Expression) -> usize {
    1 + expression.inputs().into_iter().map(size).sum::<usize>()
}

fn reads(expression: &Expression) -> BTreeSet<&RelationName> {
    let mut names = BTreeSet::new();
    each(expression, &mut |part| {
        if let Expression::Relation { name, .. } = part {
            names.insert(name);
        }
    });
    names
}

/// Whether there is work in it. A renaming is none, and has the shape of what it renames.
fn is_worth_it(expression: &Expression) -> bool {
    match expression {
        Expression::Rename { .. } | Expression::Relation { .. } | Expression::Constant { .. } => false,
        Expression::Difference(..)
        | Expression::Join(..)
        | Expression::Product(..)
        | Expression::ThetaJoin { .. }
        | Expression::EquiJoin { .. }
        | Expression::SemiJoin(..)
        | Expression::AntiJoin(..)
        | Expression::GroupBy { .. }
        | Expression::Rank { .. }
        | Expression::FoldMoves { .. } => true,
        Expression::Select { .. }
        | Expression::Project { .. }
        | Expression::Extend { .. }
        | Expression::Union(_) => expression.inputs().into_iter().any(has_work),
    }
}

fn has_work(expression: &Expression) -> bool {
    is_worth_it(expression) || expression.inputs().into_iter().any(has_work)
}

/// What an expression computes, whatever its columns are called, and its columns in the order of the positions.
fn shape(program: &Program, expression: &Expression) -> (String, Vec<Column>) {
    let inputs: Vec<_> = expression.inputs().into_iter().map(|input| shape(program, input)).collect();
    let (shapes, names): (Vec<String>, Vec<Vec<Column>>) = inputs.into_iter().unzip();
    let columns = program.operator_columns(expression, &names).expect("the program was checked");
    let operator = operator_shape(expression, &names);
    let shape = if matches!(expression, Expression::Rename { .. }) {
        shapes.concat()
    } else {
        format!("({operator} {})", shapes.join(" "))
    };
    (shape, columns)
}

/// An operator with the positions of the columns that it names, given the columns of its inputs.
fn operator_shape(expression: &Expression, inputs: &[Vec<Column>]) -> String {
    let bound = "the program was checked";
    let place = |input: &[Column], column: &Column| {
        input.iter().position(|one| one == column).expect("the program was checked")
    };
    let places = |columns: &mut dyn Iterator<Item = &Column>| {
        columns.map(|column| place(&inputs[0], column)).collect::<Vec<_>>()
    };
    let shared = || {
        let in_right =
            |(left, column): (usize, &Column)| Some((left, inputs[1].iter().position(|one| one == column)?));
        inputs[0].iter().enumerate().filter_map(in_right).collect::<Vec<_>>()
    };
    match expression {
        Expression::Relation { name, cid } => format!("relation {name:?} {}", cid.is_some()),
        Expression::Constant { columns, rows } => format!("rows {} {rows:?}", columns.len()),
        Expression::Select { formula, .. } => format!("select {:?}", formula.bind(&inputs[0]).expect(bound)),
        Expression::Project { columns, .. } => format!("project {:?}", places(&mut columns.iter())),
        Expression::Rename { .. } => String::new(),
        Expression::Extend { term, .. } => format!("extend {:?}", term.bind(&inputs[0]).expect(bound)),
        Expression::Union(_) => {
            let order =
                |input: &Vec<Column>| inputs[0].iter().map(|column| place(input, column)).collect::<Vec<_>>();
            format!("union {:?}", inputs.iter().map(order).collect::<Vec<_>>())
        }
        Expression::Difference(..) => format!("difference {:?}", shared()),
        Expression::Join(..) => format!("join {:?}", shared()),
        Expression::Product(..) | Expression::ThetaJoin { .. } | Expression::EquiJoin { .. } => {
            unreachable!("operators with a definition were replaced by it")
        }
        Expression::SemiJoin(..) => format!("semijoin {:?}", shared()),
        Expression::AntiJoin(..) => format!("antijoin {:?}", shared()),
        Expression::GroupBy { keys, aggregate, over, by, .. } => {
            let (keys, by) = (places(&mut keys.iter()), places(&mut by.iter()));
            format!("group {keys:?} {aggregate:?} {:?} {by:?}", places(&mut over.iter()))
        }
        Expression::Rank { keys, by, .. } => {
            format!("rank {:?} {:?}", places(&mut keys.iter()), places(&mut by.iter()))
        }
        Expression::FoldMoves { keys, node, parent, by, .. } => {
            let moved = places(&mut by.iter().chain([node, parent]));
            format!("fold_moves {:?} {moved:?}", places(&mut keys.iter()))
        }
    }
}
