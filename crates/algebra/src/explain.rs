//! Programs as trees for people: in which order things are joined, how many rows are expected, and how many there are.
//!
//! One operator stands on a line, and its inputs stand below it, further in. A renaming stands behind what it renames.
//! An assignment says which rule it computes.
//! This is no text to be read back.

use crate::naive::{MeasureError, measure};
use crate::optimiser::Estimator;
use crate::{Budget, Changes, Column, Counted, Expression, Program, Statement, Stats, optimise};

/// What the optimiser makes of a program for these rows of its inputs, with the rows of each operator over them. Those
/// of a program with time are not counted: they depend on the epochs before.
///
/// # Errors
/// [`MeasureError`] if they can't be counted.
pub fn explain_over(program: &Program, inputs: &Changes, budget: Budget) -> Result<String, MeasureError> {
    program.check()?;
    let stats = Counted::of(program, inputs);
    let optimised = optimise(program, &stats);
    if program.is_timed() {
        return Ok(explain(&optimised, &stats, None));
    }
    let actual = measure(&optimised, inputs, budget)?;
    Ok(explain(&optimised, &stats, Some(&actual)))
}

/// The statements of a program as trees with two columns: the rows that are expected of each operator, by the
/// statistics, and those that [`crate::naive::measure`] counted, if they are given.
///
/// # Panics
/// If the program is not sound, or the counts are of another.
pub fn explain(program: &Program, stats: &dyn Stats, actual: Option<&[Vec<u64>]>) -> String {
    let mut explanation = Explanation {
        estimator: Estimator::new(program, stats),
        lines: Vec::new(),
        actual: actual.map(|counts| counts.iter()),
    };
    program.statements.iter().for_each(|statement| explanation.statement(statement, 0));
    table(&explanation.lines)
}

/// A line of the tree.
#[derive(Default)]
struct Line {
    text: String,
    estimated: String,
    actual: String,
}

struct Explanation<'a> {
    estimator: Estimator<'a>,
    lines: Vec<Line>,
    /// The counts of the assignments to come.
    actual: Option<std::slice::Iter<'a, Vec<u64>>>,
}

impl Explanation<'_> {
    fn statement(&mut self, statement: &Statement, depth: usize) {
        match statement {
            Statement::Assign { relation, expression, rule }
            | Statement::Next { relation, expression, rule } => {
                let next = if matches!(statement, Statement::Next { .. }) { "@next" } else { "" };
                let from = rule.rule().map(|rule| format!(" ({})", rule.place())).unwrap_or_default();
                self.title(format!("{relation}{next} :={from}"), depth);
                let counts = self.actual.as_mut().map(|all| all.next().expect("a list for each assignment"));
                let mut counts = counts.map(|counts| counts.iter().copied());
                self.expression(expression, depth + 1, &mut counts);
                if depth == 0 {
                    self.estimator.run(statement);
                }
            }
            Statement::Loop { body, exports } => {
                self.title(format!("loop for {}", exports.join(", ")), depth);
                self.estimator.run(statement);
                body.iter().for_each(|one| self.statement(one, depth + 1));
            }
        }
    }

    fn title(&mut self, text: String, depth: usize) {
        self.lines.push(Line { text: format!("{}{text}", "  ".repeat(depth)), ..Line::default() });
    }

    fn expression(
        &mut self,
        expression: &Expression,
        depth: usize,
        counts: &mut Option<impl Iterator<Item = u64>>,
    ) {
        let mut next = || counts.as_mut().map(|counts| counts.next().expect("a count for each operator"));
        let mut actual = next();
        let mut shown = expression;
        let mut renamed = String::new();
        while let Expression::Rename { input, pairs } = shown {
            let pairs: Vec<_> = pairs.iter().map(|(old, new)| format!("{old} as {new}")).collect();
            renamed = format!(" ({}){renamed}", pairs.join(", "));
            (shown, actual) = (input, next());
        }
        let text = format!("{}{}{renamed}", "  ".repeat(depth), operator(shown));
        let estimated = thousands(rounded(self.estimator.expression(expression).rows));
        self.lines.push(Line { text, estimated, actual: actual.map(thousands).unwrap_or_default() });
        shown.inputs().into_iter().for_each(|input| self.expression(input, depth + 1, counts));
    }
}

/// An operator without its inputs.
fn operator(expression: &Expression) -> String {
    match expression {
        Expression::Relation { name, cid: None } => name.to_string(),
        Expression::Relation { name, cid: Some(cid) } => format!("{name} with cid {cid}"),
        Expression::Constant { columns, .. } => format!("rows of {}", list(columns)),
        Expression::Select { formula, .. } => format!("select {formula}"),
        Expression::Project { columns, .. } => format!("project {}", list(columns)),
        Expression::Rename { .. } => unreachable!("it stands behind what it renames"),
        Expression::Extend { column, term, .. } => format!("extend {column} = {term}"),
        Expression::Union(_) => "union".to_owned(),
        Expression::Difference(..) => "difference".to_owned(),
        Expression::Product(..) => "product".to_owned(),
        Expression::ThetaJoin { formula, .. } => format!("theta join {formula}"),
        Expression::EquiJoin { pairs, .. } => {
            let pairs: Vec<_> = pairs.iter().map(|(left, right)| format!("{left} == {right}")).collect();
            format!("equijoin {}", pairs.join(", "))
        }
        Expression::Join(..) => "join".to_owned(),
        Expression::SemiJoin(..) => "semijoin".to_owned(),
        Expression::AntiJoin(..) => "antijoin".to_owned(),
        Expression::GroupBy { keys, aggregate, over, by, result, .. } => {
            let over = over.iter().map(|over| format!(" {over}")).collect::<String>();
            let by = if by.is_empty() { String::new() } else { format!(" by {}", list(by)) };
            format!("group by {}: {result} = {aggregate}{over}{by}", list(keys))
        }
        Expression::Rank { keys, by, result, .. } => {
            format!("group by {}: {result} = rank by {}", list(keys), list(by))
        }
        Expression::FoldMoves { keys, node, parent, by, result, .. } => {
            format!("group by {}: {result} = fold_moves {node}, {parent} by {}", list(keys), list(by))
        }
    }
}

fn list(columns: &[Column]) -> String {
    if columns.is_empty() { "()".to_owned() } else { columns.join(", ") }
}

/// An estimate as a whole number. One that is not nothing is at least one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "never negative, and it saturates"
)]
fn rounded(rows: f64) -> u64 {
    if rows > 0.0 { (rows.round() as u64).max(1) } else { 0 }
}

/// A number with its digits in groups of three.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The lines, with the numbers in columns on the right.
fn table(lines: &[Line]) -> String {
    let heads = Line { text: String::new(), estimated: "estimated".to_owned(), actual: "actual".to_owned() };
    let counted = lines.iter().any(|line| !line.actual.is_empty());
    let all = || std::iter::once(&heads).chain(lines);
    let width = |of: fn(&Line) -> &str| all().map(|line| of(line).chars().count()).max().unwrap_or(0);
    let (text, estimated, actual) =
        (width(|line| &line.text), width(|line| &line.estimated), width(|line| &line.actual));
    let mut shown = String::new();
    for line in all() {
        let mut row = format!("{:text$}  {:>estimated$}", line.text, line.estimated);
        if counted {
            row += &format!("  {:>actual$}", line.actual);
        }
        shown += row.trim_end();
        shown.push('\n');
    }
    shown
}
