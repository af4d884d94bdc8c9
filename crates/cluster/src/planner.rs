//! The planner: programs to plans.
//!
//! It goes through every expression once, from the leaves up, and carries the columns beside each node. On the way down
//! it carries *equalities*: pairs of a column and a constant that every row of use must have, because some selection
//! above demands it. Where they reach an input they say which of its rows the program can see at all, and no others
//! enter the dataflow: a view on one attribute holds the rows of that attribute. The selection itself stays in place;
//! leaving rows out early only saves work.
//!
//! What it does not do: reorder joins or drop columns early. That the optimiser does ([`motet_algebra::optimise`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use motet_algebra::dictionary::Dictionary;
use motet_algebra::{
    Aggregate, BoundFormula, BoundTerm, Column, Comparison, Expression, Formula, Program, RelationName, Row,
    SchemaError, Statement, Term,
};
use motet_fact::Value;

use crate::plan::{Admission, Assigned, Keyed, Node, Origin, Plan, Stage, Step};

/// Makes the plan of a program.
///
/// # Errors
/// [`SchemaError`] if the program cannot be built.
pub(crate) fn plan(program: &Program, dictionary: &mut Dictionary) -> Result<Plan, SchemaError> {
    program.check_deductive()?;
    let mut planner = Planner { program, dictionary, plan: Plan::default() };
    planner.declare();
    for statement in &program.statements {
        planner.statement(statement)?;
    }
    Ok(planner.plan)
}

/// How many comparisons a normal form may have in which equalities are looked for.
const ALTERNATIVES: usize = 64;

type Equalities = Vec<(Column, Value)>;

/// A node with its columns.
struct Planned {
    node: Node,
    columns: Vec<Column>,
}

struct Planner<'a> {
    program: &'a Program,
    dictionary: &'a mut Dictionary,
    plan: Plan,
}

impl Planner<'_> {
    /// Notes the inputs and outputs. An input that is reported is seen whole.
    fn declare(&mut self) {
        for (name, relation) in &self.program.relations {
            let width = relation.columns.len();
            self.plan.width = self.plan.width.max(width);
            if relation.output {
                self.plan.outputs.insert(name.clone(), width);
            }
            if relation.input {
                let admission =
                    if relation.output { Admission::Every } else { Admission::Matching(Vec::new()) };
                self.plan.inputs.insert(name.clone(), admission);
            }
        }
    }

    fn statement(&mut self, statement: &Statement) -> Result<(), SchemaError> {
        match statement {
            Statement::Assign { relation, expression, rule } => {
                let node = self.assigned(relation, expression)?;
                self.add(false, relation, (node, rule.clone()));
            }
            Statement::Next { .. } => return Err(SchemaError::Timed),
            Statement::Loop { body, .. } => {
                self.plan.stages.push(Stage { recursive: true, targets: Vec::new() });
                for statement in body {
                    let Statement::Assign { relation, expression, rule } = statement else {
                        return Err(SchemaError::NestedLoop);
                    };
                    let node = self.assigned(relation, expression)?;
                    self.add(true, relation, (node, rule.clone()));
                }
            }
        }
        Ok(())
    }

    /// Adds an assignment to the stage being made; those outside loops share a stage with their neighbours.
    fn add(&mut self, recursive: bool, relation: &RelationName, assigned: Assigned) {
        if self.plan.stages.last().is_none_or(|stage| stage.recursive != recursive) {
            self.plan.stages.push(Stage { recursive, targets: Vec::new() });
        }
        let stage = self.plan.stages.last_mut().expect("one was pushed if there was none");
        // Outside a loop nothing reads a relation before its last assignment, so that is the place for all of them.
        match stage.targets.iter().position(|(name, _)| name == relation) {
            Some(place) => {
                let (name, mut all) = stage.targets.remove(place);
                all.push(assigned);
                stage.targets.push((name, all));
            }
            None => stage.targets.push((relation.clone(), vec![assigned])),
        }
    }

    /// An expression, with its columns in the order the relation declares.
    fn assigned(&mut self, relation: &RelationName, expression: &Expression) -> Result<Node, SchemaError> {
        let planned = self.expression(expression, Vec::new())?;
        let wanted: Vec<Column> = self.program.relation(relation)?.names().cloned().collect();
        Ok(self.reorder(planned, &wanted)?.node)
    }

    /// Plans an expression of which only rows with these equalities matter. Equalities on columns that the expression
    /// does not have are dropped where names change, and never reach an input.
    fn expression(&mut self, expression: &Expression, known: Equalities) -> Result<Planned, SchemaError> {
        let planned = match expression {
            Expression::Relation { name, cid } => self.relation(name, cid.as_ref(), &known)?,
            Expression::Constant { columns, rows } => self.constant(columns, rows),
            Expression::Select { input, formula } => self.select(input, formula, known)?,
            Expression::Project { input, columns } => {
                let known = known.into_iter().filter(|(column, _)| columns.contains(column)).collect();
                let input = self.expression(input, known)?;
                self.reorder(input, columns)?
            }
            Expression::Rename { input, pairs } => self.rename(input, pairs, known)?,
            Expression::Extend { input, column, term } => self.extend(input, column, term, known)?,
            Expression::Union(inputs) => self.union(inputs, &known)?,
            Expression::Difference(left, right) => self.semi(left, right, known, true)?,
            Expression::Join(left, right) => self.join(left, right, &known)?,
            Expression::Product(..) | Expression::ThetaJoin { .. } | Expression::EquiJoin { .. } => {
                self.expression(&expression.defined(), known)?
            }
            Expression::SemiJoin(left, right) => self.semi(left, right, known, false)?,
            Expression::AntiJoin(left, right) => self.semi(left, right, known, true)?,
            Expression::GroupBy { input, keys, aggregate, over, by, result } => {
                let input = self.group_input(input, keys, known)?;
                let ordered = [by.as_slice(), over.as_slice()].concat();
                // A column may be named several times.
                self.plan.width = self.plan.width.max(ordered.len());
                group(input, keys, aggregate, &ordered, result)?
            }
            Expression::Rank { input, keys, by, result } => {
                self.plan.width = self.plan.width.max(by.len());
                rank(self.group_input(input, keys, known)?, keys, by, result)?
            }
            Expression::FoldMoves { input, keys, node, parent, by, result } => {
                let input = self.group_input(input, keys, known)?;
                let ordered = positions(&input.columns, by.iter().chain([node, parent]))?;
                self.plan.width = self.plan.width.max(ordered.len());
                fold_moves(input, keys, ordered, [node, result])?
            }
        };
        self.plan.width = self.plan.width.max(planned.columns.len());
        Ok(planned)
    }

    fn relation(
        &mut self,
        name: &RelationName,
        cid: Option<&Column>,
        known: &Equalities,
    ) -> Result<Planned, SchemaError> {
        let relation = self.program.relation(name)?;
        let stored: Vec<Column> = relation.names().cloned().collect();
        let tuple = relation.tuple_columns();
        if let Some(admission) = self.plan.inputs.get_mut(name) {
            admission.widen(positions_known(&tuple, known));
        }
        let read = Planned { node: Node::Read(name.clone()), columns: stored };
        match (cid, relation.carries_cid()) {
            (None, false) => Ok(read),
            (None, true) => self.reorder(read, &tuple),
            (Some(cid), true) => {
                let columns = tuple.into_iter().chain([cid.clone()]).collect();
                Ok(Planned { node: read.node, columns })
            }
            (Some(cid), false) => {
                let step = Step::Cid(name.clone(), tuple.clone());
                Ok(Planned {
                    node: each(read.node, [step]),
                    columns: tuple.into_iter().chain([cid.clone()]).collect(),
                })
            }
        }
    }

    fn constant(&mut self, columns: &[Column], rows: &[Row]) -> Planned {
        let distinct: BTreeSet<&Row> = rows.iter().collect();
        let intern = |row: &Row| row.iter().map(|value| self.dictionary.intern(value)).collect();
        Planned { node: Node::Rows(distinct.into_iter().map(intern).collect()), columns: columns.to_vec() }
    }

    fn select(
        &mut self,
        input: &Expression,
        formula: &Formula,
        mut known: Equalities,
    ) -> Result<Planned, SchemaError> {
        equalities(&formula.normal_form(ALTERNATIVES), &mut known);
        let Planned { node, columns } = self.expression(input, known)?;
        let mut steps = Vec::new();
        let text: Arc<str> = formula.to_string().into();
        let mut others = Vec::new();
        self.tests(formula.bind(&columns)?, &mut steps, &mut others);
        // What has a value whatever the row is comes first, and of the others one that is false decides.
        match others.len() {
            0 => {}
            1 => steps.push(Step::Filter(others.remove(0), text)),
            _ => steps.push(Step::Filter(BoundFormula::And(others), text)),
        }
        Ok(Planned { node: each(node, steps), columns })
    }

    /// The tests of a formula: what asks only for identity compares numbers, and is taken from the others.
    fn tests(&mut self, formula: BoundFormula, steps: &mut Vec<Step>, others: &mut Vec<BoundFormula>) {
        match formula {
            BoundFormula::True => {}
            BoundFormula::And(all) => all.into_iter().for_each(|one| self.tests(one, steps, others)),
            BoundFormula::Compare(Comparison::Equal, BoundTerm::Column(left), BoundTerm::Column(right)) => {
                steps.push(Step::Same(left, right));
            }
            BoundFormula::Compare(
                Comparison::Equal,
                BoundTerm::Column(place),
                BoundTerm::Constant(value),
            )
            | BoundFormula::Compare(
                Comparison::Equal,
                BoundTerm::Constant(value),
                BoundTerm::Column(place),
            ) => {
                steps.push(Step::Is(place, self.dictionary.intern(&value)));
            }
            other => others.push(other),
        }
    }

    fn rename(
        &mut self,
        input: &Expression,
        pairs: &[(Column, Column)],
        known: Equalities,
    ) -> Result<Planned, SchemaError> {
        let news: BTreeMap<&Column, &Column> = pairs.iter().map(|(old, new)| (new, old)).collect();
        let olds: BTreeMap<&Column, &Column> = pairs.iter().map(|(old, new)| (old, new)).collect();
        let below = known.into_iter().filter_map(|(column, value)| match news.get(&column) {
            Some(old) => Some(((*old).clone(), value)),
            None => (!olds.contains_key(&column)).then_some((column, value)),
        });
        let Planned { node, columns } = self.expression(input, below.collect())?;
        let renamed = |column: Column| olds.get(&column).map_or(column.clone(), |new| (*new).clone());
        Ok(Planned { node, columns: columns.into_iter().map(renamed).collect() })
    }

    fn extend(
        &mut self,
        input: &Expression,
        column: &Column,
        term: &Term,
        known: Equalities,
    ) -> Result<Planned, SchemaError> {
        let known = known.into_iter().filter(|(known, _)| known != column).collect();
        let Planned { node, mut columns } = self.expression(input, known)?;
        let step = Step::Extend(columns.len(), term.bind(&columns)?, term.to_string().into());
        columns.push(column.clone());
        Ok(Planned { node: each(node, [step]), columns })
    }

    fn union(&mut self, inputs: &[Expression], known: &Equalities) -> Result<Planned, SchemaError> {
        let (first, rest) = inputs.split_first().ok_or(SchemaError::EmptyUnion)?;
        let Planned { node, columns } = self.expression(first, known.clone())?;
        let mut nodes = vec![node];
        for input in rest {
            let planned = self.expression(input, known.clone())?;
            nodes.push(self.reorder(planned, &columns)?.node);
        }
        Ok(Planned { node: Node::Union(nodes), columns })
    }

    fn join(
        &mut self,
        left: &Expression,
        right: &Expression,
        known: &Equalities,
    ) -> Result<Planned, SchemaError> {
        let left = self.expression(left, known.clone())?;
        let right = self.expression(right, known.clone())?;
        let shared: Vec<Column> =
            left.columns.iter().filter(|column| right.columns.contains(column)).cloned().collect();
        let added = right.columns.iter().filter(|column| !shared.contains(column)).cloned();
        let columns: Vec<Column> = left.columns.iter().cloned().chain(added).collect();
        let (left_columns, right_columns) = (left.columns.clone(), right.columns.clone());
        let (left, right) = (keyed(left, &shared)?, keyed(right, &shared)?);
        let emit = emission(&columns, &shared, (&left, &left_columns), Some((&right, &right_columns)))?;
        Ok(Planned { node: Node::Join { left, right, emit }, columns })
    }

    fn semi(
        &mut self,
        left: &Expression,
        right: &Expression,
        known: Equalities,
        anti: bool,
    ) -> Result<Planned, SchemaError> {
        let left = self.expression(left, known.clone())?;
        // A row of the right matters only if it agrees with a row of the left that matters.
        let known = known.into_iter().filter(|(column, _)| left.columns.contains(column)).collect();
        let right = self.expression(right, known)?;
        let shared: Vec<Column> =
            left.columns.iter().filter(|column| right.columns.contains(column)).cloned().collect();
        let columns = left.columns.clone();
        let (left, right) = (keyed(left, &shared)?, keyed(right, &shared)?);
        let emit = emission(&columns, &shared, (&left, &columns), None)?;
        Ok(Planned { node: Node::Semi { left, right, emit, anti }, columns })
    }

    /// The rows of the groups of use: of these every row counts, so only equalities on the key go down.
    fn group_input(
        &mut self,
        input: &Expression,
        keys: &[Column],
        known: Equalities,
    ) -> Result<Planned, SchemaError> {
        let known = known.into_iter().filter(|(column, _)| keys.contains(column)).collect();
        self.expression(input, known)
    }

    /// Cuts or reorders to these columns; free if they are what is there.
    fn reorder(&mut self, planned: Planned, wanted: &[Column]) -> Result<Planned, SchemaError> {
        if planned.columns == wanted {
            return Ok(planned);
        }
        let places = positions(&planned.columns, wanted)?;
        let node = match planned.node {
            Node::Join { left, right, emit } => {
                Node::Join { left, right, emit: places.iter().map(|place| emit[*place]).collect() }
            }
            node => {
                let lossy = wanted.len() < planned.columns.len();
                each(node, [Step::Keep { places, lossy }])
            }
        };
        Ok(Planned { node, columns: wanted.to_vec() })
    }
}

/// Adds the equalities that a formula demands of every row.
fn equalities(formula: &Formula, known: &mut Equalities) {
    match formula {
        Formula::And(all) => all.iter().for_each(|one| equalities(one, known)),
        Formula::Compare(Comparison::Equal, Term::Column(column), Term::Constant(value))
        | Formula::Compare(Comparison::Equal, Term::Constant(value), Term::Column(column)) => {
            known.push((column.clone(), value.clone()));
        }
        Formula::Or(alternatives) => {
            let each = alternatives.iter().map(|one| {
                let mut own = Equalities::new();
                equalities(one, &mut own);
                own
            });
            let common = each.reduce(|all, own| all.into_iter().filter(|one| own.contains(one)).collect());
            known.extend(common.unwrap_or_default());
        }
        Formula::True | Formula::Compare(..) | Formula::Not(_) => {}
    }
}

/// The equalities as positions, sorted, so that equal demands look equal.
fn positions_known(columns: &[Column], known: &Equalities) -> Vec<(usize, Value)> {
    let place = |column: &Column| columns.iter().position(|one| one == column);
    let set: BTreeSet<(usize, Value)> =
        known.iter().filter_map(|(column, value)| Some((place(column)?, value.clone()))).collect();
    set.into_iter().collect()
}

fn positions<'a>(
    columns: &[Column],
    wanted: impl IntoIterator<Item = &'a Column>,
) -> Result<Vec<usize>, SchemaError> {
    let place = |column: &Column| {
        columns
            .iter()
            .position(|one| one == column)
            .ok_or_else(|| SchemaError::UnknownColumn { column: column.clone(), columns: columns.to_vec() })
    };
    wanted.into_iter().map(place).collect()
}

/// Row-wise steps on top of a node, joined with those already there.
fn each(node: Node, steps: impl IntoIterator<Item = Step>) -> Node {
    let mut steps: Vec<Step> = steps.into_iter().collect();
    match node {
        node if steps.is_empty() => node,
        Node::Each(input, mut before) => {
            before.append(&mut steps);
            Node::Each(input, before)
        }
        node => Node::Each(Box::new(node), steps),
    }
}

fn keyed(planned: Planned, shared: &[Column]) -> Result<Keyed, SchemaError> {
    let key = positions(&planned.columns, shared)?;
    let rest = (0..planned.columns.len()).filter(|place| !key.contains(place)).collect();
    Ok(Keyed { node: Box::new(planned.node), key, rest })
}

/// Where a join finds each column of its result: in the key, else on the left, else on the right.
fn emission(
    columns: &[Column],
    shared: &[Column],
    left: (&Keyed, &[Column]),
    right: Option<(&Keyed, &[Column])>,
) -> Result<Vec<Origin>, SchemaError> {
    let in_rest = |(side, names): (&Keyed, &[Column]), column: &Column| {
        side.rest.iter().position(|place| names[*place] == *column)
    };
    let origin = |column: &Column| {
        let key = || shared.iter().position(|one| one == column).map(Origin::Key);
        let left = || in_rest(left, column).map(Origin::Left);
        let right = || right.and_then(|right| in_rest(right, column)).map(Origin::Right);
        key().or_else(left).or_else(right)
    };
    let missing =
        |column: &Column| SchemaError::UnknownColumn { column: column.clone(), columns: shared.to_vec() };
    columns.iter().map(|column| origin(column).ok_or_else(|| missing(column))).collect()
}

fn group(
    input: Planned,
    keys: &[Column],
    aggregate: &Aggregate,
    over: &[Column],
    result: &Column,
) -> Result<Planned, SchemaError> {
    let over = positions(&input.columns, over)?;
    let (keys_at, aggregate) = (positions(&input.columns, keys)?, aggregate.clone());
    let node = Node::Group { keys: keys_at, input: Box::new(input.node), aggregate, over };
    Ok(Planned { node, columns: keys.iter().chain([result]).cloned().collect() })
}

fn rank(
    Planned { node, mut columns }: Planned,
    keys: &[Column],
    by: &[Column],
    result: &Column,
) -> Result<Planned, SchemaError> {
    let (keys, by) = (positions(&columns, keys)?, positions(&columns, by)?);
    let node = Node::Rank { input: Box::new(node), keys, by, width: columns.len() };
    columns.push(result.clone());
    Ok(Planned { node, columns })
}

fn fold_moves(
    Planned { node: input, columns }: Planned,
    keys: &[Column],
    ordered: Vec<usize>,
    placed: [&Column; 2],
) -> Result<Planned, SchemaError> {
    let node = Node::FoldMoves { input: Box::new(input), keys: positions(&columns, keys)?, ordered };
    Ok(Planned { node, columns: keys.iter().chain(placed).cloned().collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_algebra::{CID_COLUMN, ColumnType, Relation};

    fn program(expression: Expression, output: bool) -> Program {
        let relation = |columns: &[&str], input, output| Relation {
            columns: columns.iter().map(|name| (Column::from(*name), ColumnType::Any)).collect(),
            input,
            event: false,
            output,
        };
        let relations = BTreeMap::from([
            (
                RelationName::from("fact"),
                relation(&["entity", "attribute", "value", CID_COLUMN], true, output),
            ),
            (RelationName::from("out"), relation(&["v"], false, true)),
        ]);
        Program { relations, statements: vec![Statement::assign("out", expression)] }
    }

    fn titles(attribute: &str) -> Expression {
        let same =
            Formula::Compare(Comparison::Equal, Term::Column("a".into()), Term::Constant(attribute.into()));
        let renamed = Expression::Rename {
            input: Box::new(Expression::Relation { name: "fact".into(), cid: None }),
            pairs: vec![("attribute".into(), "a".into()), ("value".into(), "v".into())],
        };
        Expression::Project {
            input: Box::new(Expression::Select { input: Box::new(renamed), formula: same }),
            columns: vec!["v".into()],
        }
    }

    fn admission(program: &Program) -> Admission {
        plan(program, &mut Dictionary::new()).unwrap().inputs["fact"].clone()
    }

    #[test]
    fn an_input_lets_in_what_its_uses_can_see() {
        let list = |attribute: &str| vec![(1, Value::from(attribute))];
        let two = Expression::Union(vec![titles("title"), titles("done"), titles("title")]);
        assert_eq!(
            admission(&program(two.clone(), false)),
            Admission::Matching(vec![list("title"), list("done")])
        );
        assert_eq!(admission(&program(two, true)), Admission::Every, "it is reported");
    }

    /// A row's place depends on the rows it is compared with.
    #[test]
    fn a_rank_sees_the_whole_of_its_group() {
        let ranked = |keys: &[&str]| {
            let rank = Expression::Rank {
                input: Box::new(Expression::Relation { name: "fact".into(), cid: None }),
                keys: keys.iter().map(|name| Column::from(*name)).collect(),
                by: vec!["value".into()],
                result: "v".into(),
            };
            let same = Formula::Compare(
                Comparison::Equal,
                Term::Column("attribute".into()),
                Term::Constant("title".into()),
            );
            let selected = Expression::Select { input: Box::new(rank), formula: same };
            let out = Expression::Project { input: Box::new(selected), columns: vec!["v".into()] };
            admission(&program(out, false))
        };
        assert_eq!(ranked(&[]), Admission::Every);
        assert_eq!(ranked(&["attribute"]), Admission::Matching(vec![vec![(1, "title".into())]]));
    }

    #[test]
    fn an_equality_stops_at_a_new_column_of_that_name() {
        let extended = Expression::Extend {
            input: Box::new(Expression::Project {
                input: Box::new(Expression::Relation { name: "fact".into(), cid: None }),
                columns: vec!["entity".into()],
            }),
            column: "value".into(),
            term: Term::Column("entity".into()),
        };
        let same =
            Formula::Compare(Comparison::Equal, Term::Column("value".into()), Term::Constant(1.into()));
        let selected = Expression::Select { input: Box::new(extended), formula: same };
        let out = Expression::Rename {
            input: Box::new(Expression::Project { input: Box::new(selected), columns: vec!["value".into()] }),
            pairs: vec![("value".into(), "v".into())],
        };
        assert_eq!(admission(&program(out, false)), Admission::Every);
    }
}
