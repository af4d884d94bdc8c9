//! Lowering: programs to rules.
//!
//! Joins, selections, renamings and projections become one body, whatever their order in the tree: the engine orders
//! goals for each seed anyway. A union becomes several bodies; a join of unions all pairs, unless these are too many.
//! What is grouped, and what is negated or too wide a union, becomes a *hidden* relation. A semijoin is a join whose
//! further columns nobody asks for.

use std::collections::BTreeMap;
use std::sync::Arc;

use motet_algebra::dictionary::{Dictionary, Id};
use motet_algebra::{
    Aggregate, Column, Comparison, Expression, Formula, Program, RelationName, Row, SchemaError, Site,
    Statement, Term,
};
use motet_flow::engine::rule::{Arg, Atom, Definition, Fold, Goal, Output, RelationId, Rule};

use crate::body::{Body, Union};
use crate::meaning::{self, Function, Test};

/// More bodies than that become a relation before they are joined.
const MANY_BODIES: usize = 8;
/// More constant rows than that become a relation.
const MANY_ROWS: usize = 4;

/// A program as the engine takes it.
#[derive(Default)]
pub(crate) struct Lowered {
    pub(crate) definition: Definition,
    pub(crate) tests: Vec<Test>,
    pub(crate) functions: Vec<Function>,
    pub(crate) folds: Vec<meaning::Fold>,
    /// Of each relation of the engine the relation of the program that it is, or the rule that it was made for.
    pub(crate) sites: Vec<Site>,
    /// Of each rule of the engine the rule of the program that it is, or was made for.
    pub(crate) rules: Vec<Site>,
    /// The relations of the program.
    pub(crate) relations: BTreeMap<RelationName, RelationId>,
    /// The relations that hold what comes from outside.
    pub(crate) inputs: BTreeMap<RelationName, RelationId>,
    /// Rows that stand in the program.
    pub(crate) constants: Vec<(RelationId, Vec<Vec<Id>>)>,
    /// Relations of what has no value, with its text.
    pub(crate) undefined: Vec<(RelationId, Arc<str>)>,
}

/// Makes rules of a program.
///
/// # Errors
/// [`SchemaError`] if the program cannot be built.
pub(crate) fn lower(program: &Program, dictionary: &mut Dictionary) -> Result<Lowered, SchemaError> {
    program.check_deductive()?;
    let mut lowering = Lowering {
        program,
        dictionary,
        lowered: Lowered::default(),
        hidden: Vec::new(),
        target: Site::of(&"".into()),
    };
    lowering.declare();
    for statement in &program.statements {
        lowering.statement(statement)?;
    }
    Ok(lowering.lowered)
}

struct Lowering<'a> {
    program: &'a Program,
    dictionary: &'a mut Dictionary,
    lowered: Lowered,
    /// The hidden relations, by what they hold.
    hidden: Vec<(Union, RelationId)>,
    /// The relation being assigned, and the rule that does it.
    target: Site,
}

impl Lowering<'_> {
    /// A relation for each of the program. Of an input that is assigned too there are two.
    fn declare(&mut self) {
        for (name, relation) in &self.program.relations {
            self.target = Site::of(name);
            let width = relation.columns.len();
            let id = self.relation(width);
            self.lowered.relations.insert(name.clone(), id);
            if !relation.input {
                continue;
            }
            let mut stored = id;
            if self.program.statements.iter().any(|statement| assigns(statement, name)) {
                stored = self.relation(width);
                let body = all_of(stored, width);
                self.rule(id, &body);
            }
            self.lowered.inputs.insert(name.clone(), stored);
        }
    }

    fn relation(&mut self, width: usize) -> RelationId {
        self.lowered.definition.widths.push(width);
        self.lowered.sites.push(self.target.clone());
        self.lowered.definition.widths.len() - 1
    }

    fn rule(&mut self, relation: RelationId, body: &Body) {
        let (row, goals, variables) = (body.row.clone(), body.goals.clone(), body.variables);
        self.lowered.definition.rules.push(Rule { relation, row, goals, variables });
        self.lowered.rules.push(self.target.clone());
    }

    fn statement(&mut self, statement: &Statement) -> Result<(), SchemaError> {
        match statement {
            Statement::Assign { relation, expression, rule } => {
                self.target = Site::new(relation, rule);
                let names: Vec<Column> = self.program.relation(relation)?.names().cloned().collect();
                let given = self.expression(expression)?.cut(&names)?;
                let id = self.lowered.relations[relation];
                given.bodies.iter().for_each(|body| self.rule(id, body));
                Ok(())
            }
            Statement::Loop { body, .. } => body.iter().try_for_each(|one| self.statement(one)),
            Statement::Next { .. } => Err(SchemaError::Timed),
        }
    }

    fn expression(&mut self, expression: &Expression) -> Result<Union, SchemaError> {
        match expression {
            Expression::Relation { name, cid } => self.read(name, cid.as_ref()),
            Expression::Constant { columns, rows } => Ok(self.constant(columns, rows)),
            Expression::Select { input, formula } => {
                let input = self.expression(input)?;
                self.select(input, formula)
            }
            Expression::Project { input, columns } => self.expression(input)?.cut(columns),
            Expression::Rename { input, pairs } => {
                let mut input = self.expression(input)?;
                for column in &mut input.columns {
                    if let Some((_, new)) = pairs.iter().find(|(old, _)| old == column) {
                        *column = new.clone();
                    }
                }
                Ok(input)
            }
            Expression::Extend { input, column, term } => {
                let input = self.expression(input)?;
                self.extend(input, column, term)
            }
            Expression::Union(inputs) => {
                let (first, rest) = inputs.split_first().ok_or(SchemaError::EmptyUnion)?;
                let mut all = self.expression(first)?;
                for input in rest {
                    all.bodies.extend(self.expression(input)?.cut(&all.columns)?.bodies);
                }
                Ok(all)
            }
            Expression::Join(left, right) => {
                let (left, right) = (self.expression(left)?, self.expression(right)?);
                self.join(left, right)
            }
            Expression::Product(..) | Expression::ThetaJoin { .. } | Expression::EquiJoin { .. } => {
                self.expression(&expression.defined())
            }
            Expression::SemiJoin(left, right) => {
                let (left, right) = (self.expression(left)?, self.expression(right)?);
                let columns = left.columns.clone();
                self.join(left, right)?.cut(&columns)
            }
            Expression::Difference(left, right) | Expression::AntiJoin(left, right) => {
                let (left, right) = (self.expression(left)?, self.expression(right)?);
                self.antijoin(left, right)
            }
            Expression::GroupBy { input, keys, aggregate, over, by, result } => {
                let input = self.expression(input)?;
                let over: Vec<Column> = by.iter().chain(over).cloned().collect();
                self.group(input, keys, aggregate, &over, result)
            }
            Expression::Rank { input, keys, by, result } => {
                let input = self.expression(input)?;
                self.rank(input, keys, by, result)
            }
            Expression::FoldMoves { input, keys, node, parent, by, result } => {
                let input = self.expression(input)?;
                let ordered: Vec<Column> = by.iter().chain([node, parent]).cloned().collect();
                self.moves(input, keys, &ordered, [node, result])
            }
        }
    }

    fn read(&mut self, name: &RelationName, cid: Option<&Column>) -> Result<Union, SchemaError> {
        let relation = self.program.relation(name)?;
        let mut columns = relation.tuple_columns();
        let mut body = all_of(self.lowered.relations[name], relation.columns.len());
        match (cid, relation.carries_cid()) {
            (None, false) => {}
            (Some(cid), true) => columns.push(cid.clone()),
            (None, true) => {
                body.row.pop();
                if let Some(Goal::Has(atom)) = body.goals.first_mut() {
                    *atom.args.last_mut().expect("a relation with a CID has its column") = Arg::Any;
                }
            }
            (Some(cid), false) => {
                let function = self.function(Function::Cid(name.clone(), columns.clone()));
                let (args, into) = (body.row.clone(), body.fresh());
                body.goals.push(Goal::Make { function, args, into });
                body.row.push(into);
                columns.push(cid.clone());
            }
        }
        Ok(Union { columns, bodies: vec![body] })
    }

    fn constant(&mut self, columns: &[Column], rows: &[Row]) -> Union {
        let ids = |row: &Row| row.iter().map(|value| self.dictionary.intern(value)).collect::<Vec<Id>>();
        let mut rows: Vec<Vec<Id>> = rows.iter().map(ids).collect();
        rows.sort_unstable();
        rows.dedup();
        let columns = columns.to_vec();
        if rows.len() > MANY_ROWS {
            let relation = self.relation(columns.len());
            self.lowered.constants.push((relation, rows));
            return Union { bodies: vec![all_of(relation, columns.len())], columns };
        }
        let body = |row: Vec<Id>| Body {
            goals: Vec::new(),
            row: row.into_iter().map(Arg::Is).collect(),
            variables: 0,
        };
        Union { columns, bodies: rows.into_iter().map(body).collect() }
    }

    fn select(&mut self, mut input: Union, formula: &Formula) -> Result<Union, SchemaError> {
        let (mut equal, mut rest) = (Vec::new(), Vec::new());
        self.part(formula, &mut equal, &mut rest);
        for (one, two) in equal {
            let one = input.place(&one)?;
            let two = match two {
                Side::Column(column) => Err(input.place(&column)?),
                Side::Id(id) => Ok(id),
            };
            input.bodies.retain_mut(|body| {
                let two = two.map_or_else(|place| body.row[place], Arg::Is);
                body.unify(body.row[one], two)
            });
        }
        if rest.is_empty() {
            return Ok(input);
        }
        if rest.iter().any(may_be_undecided) {
            // One that is false decides, so they are undecided together or not at all.
            let whole = Formula::And(rest.clone());
            let used = used_columns(&input.columns, &|visit| each_formula_column(&whole, visit));
            self.note_undefined(&input, &used, Test::Undecided(whole.bind(&used)?), formula.to_string())?;
        }
        for part in &rest {
            self.condition(&mut input, part)?;
        }
        Ok(input)
    }

    /// A goal for a condition.
    fn condition(&mut self, input: &mut Union, formula: &Formula) -> Result<(), SchemaError> {
        if let Formula::Compare(comparison, left, right) = formula
            && let (Some(left), Some(right)) = (self.side(left), self.side(right))
        {
            let test = self.test(Test::Compares(*comparison));
            let places = [left, right].map(|side| match side {
                Side::Column(column) => input.place(&column).map(Err),
                Side::Id(id) => Ok(Ok(id)),
            });
            let [left, right] = places;
            let sides = [left?, right?];
            for body in &mut input.bodies {
                let args =
                    sides.iter().map(|side| side.map_or_else(|place| body.row[place], Arg::Is)).collect();
                body.goals.push(Goal::Test { test, args });
            }
            return Ok(());
        }
        let used = used_columns(&input.columns, &|visit| each_formula_column(formula, visit));
        let (places, test) = (input.places(&used)?, self.test(Test::Holds(formula.bind(&used)?)));
        for body in &mut input.bodies {
            let args = places.iter().map(|place| body.row[*place]).collect();
            body.goals.push(Goal::Test { test, args });
        }
        Ok(())
    }

    /// A term that is there without being computed.
    fn side(&mut self, term: &Term) -> Option<Side> {
        match term {
            Term::Column(column) => Some(Side::Column(column.clone())),
            Term::Constant(value) => Some(Side::Id(self.dictionary.intern(value))),
            Term::Apply(..) => None,
        }
    }

    /// Takes a formula apart: equalities that need no test, and the rest.
    fn part(&mut self, formula: &Formula, equal: &mut Vec<(Column, Side)>, rest: &mut Vec<Formula>) {
        match formula {
            Formula::True => {}
            Formula::And(all) => all.iter().for_each(|one| self.part(one, equal, rest)),
            Formula::Compare(Comparison::Equal, Term::Column(left), Term::Column(right)) => {
                equal.push((left.clone(), Side::Column(right.clone())));
            }
            Formula::Compare(Comparison::Equal, Term::Column(column), Term::Constant(value))
            | Formula::Compare(Comparison::Equal, Term::Constant(value), Term::Column(column)) => {
                equal.push((column.clone(), Side::Id(self.dictionary.intern(value))));
            }
            other => rest.push(other.clone()),
        }
    }

    fn extend(&mut self, mut input: Union, column: &Column, term: &Term) -> Result<Union, SchemaError> {
        let given = match term {
            Term::Column(same) => Some(Err(input.place(same)?)),
            Term::Constant(value) => Some(Ok(self.dictionary.intern(value))),
            Term::Apply(..) => None,
        };
        if let Some(given) = given {
            for body in &mut input.bodies {
                let arg = given.map_or_else(|place| body.row[place], Arg::Is);
                body.row.push(arg);
            }
        } else {
            let used = used_columns(&input.columns, &|visit| term.each_column(&mut |one| visit(one)));
            let bound = term.bind(&used)?;
            self.note_undefined(&input, &used, Test::Lacks(bound.clone()), term.to_string())?;
            let (places, function) = (input.places(&used)?, self.function(Function::Term(bound)));
            for body in &mut input.bodies {
                let args = places.iter().map(|place| body.row[*place]).collect();
                let into = body.fresh();
                body.goals.push(Goal::Make { function, args, into });
                body.row.push(into);
            }
        }
        input.columns.push(column.clone());
        Ok(input)
    }

    /// A relation of the rows that have no value.
    fn note_undefined(
        &mut self,
        input: &Union,
        used: &[Column],
        test: Test,
        text: String,
    ) -> Result<(), SchemaError> {
        let (relation, test) = (self.relation(input.columns.len()), self.test(test));
        let places = input.places(used)?;
        for body in &input.bodies {
            let mut body = body.clone();
            let args = places.iter().map(|place| body.row[*place]).collect();
            body.goals.push(Goal::Test { test, args });
            self.rule(relation, &body);
        }
        self.lowered.undefined.push((relation, text.into()));
        Ok(())
    }

    fn join(&mut self, left: Union, right: Union) -> Result<Union, SchemaError> {
        let (mut left, mut right) = (left, right);
        while left.bodies.len() * right.bodies.len() > MANY_BODIES {
            let wider = if left.bodies.len() > right.bodies.len() { &mut left } else { &mut right };
            *wider = self.materialise(std::mem::take(wider));
        }
        let shared = left.shared(&right);
        let (in_left, in_right) = (left.places(&shared)?, right.places(&shared)?);
        let width = left.columns.len();
        let mut bodies = Vec::new();
        for one in &left.bodies {
            for two in &right.bodies {
                let mut both = one.and(two);
                let mut pairs = in_left.iter().zip(&in_right);
                if pairs.all(|(left, right)| both.unify(both.row[width + right], both.row[*left])) {
                    bodies.push(both);
                }
            }
        }
        let all: Vec<Column> = left.columns.iter().chain(&right.columns).cloned().collect();
        let added = right.columns.iter().filter(|column| !shared.contains(column));
        let columns: Vec<Column> = left.columns.iter().chain(added).cloned().collect();
        Union { columns: all, bodies }.cut(&columns)
    }

    fn antijoin(&mut self, mut left: Union, right: Union) -> Result<Union, SchemaError> {
        let shared = left.shared(&right);
        let mut right = right.cut(&shared)?;
        if right.bodies.iter().any(|body| negated(body).is_none()) {
            right = self.materialise(right);
        }
        let places = left.places(&shared)?;
        for body in &mut left.bodies {
            let row: Vec<Arg> = places.iter().map(|place| body.row[*place]).collect();
            for atom in right.bodies.iter().filter_map(negated) {
                // What is no column is anything.
                let arg = |arg: &Arg| match arg {
                    Arg::Var(column) => row[*column],
                    other => *other,
                };
                let args = atom.args.iter().map(arg).collect();
                body.goals.push(Goal::Not(Atom { relation: atom.relation, args }));
            }
        }
        Ok(left)
    }

    /// The union as one relation, with one body that reads it.
    fn materialise(&mut self, union: Union) -> Union {
        let columns = union.columns.clone();
        let body = all_of(self.hidden(union), columns.len());
        Union { columns, bodies: vec![body] }
    }

    /// The hidden relation of a union.
    fn hidden(&mut self, mut union: Union) -> RelationId {
        let columns = std::mem::take(&mut union.columns);
        if let Some((_, relation)) = self.hidden.iter().find(|(known, _)| *known == union) {
            return *relation;
        }
        let relation = self.relation(columns.len());
        union.bodies.iter().for_each(|body| self.rule(relation, body));
        self.hidden.push((union, relation));
        relation
    }

    /// A relation with the rows of a union, and for each column the place that it has there.
    fn grouped(&mut self, union: &Union) -> (RelationId, Vec<usize>) {
        if let [body] = &union.bodies[..]
            && let Some(atom) = body.only_atom()
            && atom.args.len() == body.row.len()
        {
            let place = |arg: &Arg| {
                atom.args.iter().position(|one| one == arg).filter(|_| matches!(arg, Arg::Var(_)))
            };
            let places: Option<Vec<usize>> = body.row.iter().map(place).collect();
            let different = |places: &Vec<usize>| {
                let mut sorted = places.clone();
                sorted.sort_unstable();
                sorted.into_iter().eq(0..places.len())
            };
            if let Some(places) = places.filter(different) {
                return (atom.relation, places);
            }
        }
        (self.hidden(union.clone()), (0..union.columns.len()).collect())
    }

    fn group(
        &mut self,
        input: Union,
        keys: &[Column],
        aggregate: &Aggregate,
        over: &[Column],
        result: &Column,
    ) -> Result<Union, SchemaError> {
        let (relation, places) = self.grouped(&input);
        let at = |place: usize| places[place];
        let keys_at: Vec<usize> = input.places(keys)?.into_iter().map(at).collect();
        let over: Vec<usize> = input.places(over)?.into_iter().map(at).collect();
        let columns: Vec<Column> = keys.iter().chain([result]).cloned().collect();
        let (given, lacking) = (self.relation(columns.len()), self.relation(keys.len()));
        self.lowered.undefined.push((lacking, aggregate.to_string().into()));
        let outputs = [(given, (0..keys.len()).collect()), (lacking, (0..keys.len()).collect())];
        let fold = meaning::Fold::Group { keys: keys_at.clone(), aggregate: aggregate.clone(), over };
        self.fold(relation, &keys_at, fold, &outputs);
        Ok(Union { bodies: vec![all_of(given, columns.len())], columns })
    }

    fn rank(
        &mut self,
        input: Union,
        keys: &[Column],
        by: &[Column],
        result: &Column,
    ) -> Result<Union, SchemaError> {
        let (relation, places) = self.grouped(&input);
        let keys = input.places(keys)?;
        let keys_at: Vec<usize> = keys.iter().map(|place| places[*place]).collect();
        let by = input.places(by)?.into_iter().map(|place| places[place]).collect();
        let columns: Vec<Column> = input.columns.iter().chain([result]).cloned().collect();
        let given = self.relation(columns.len());
        self.fold(relation, &keys_at, meaning::Fold::Rank { row: places, by }, &[(given, keys)]);
        Ok(Union { bodies: vec![all_of(given, columns.len())], columns })
    }

    fn moves(
        &mut self,
        input: Union,
        keys: &[Column],
        ordered: &[Column],
        placed: [&Column; 2],
    ) -> Result<Union, SchemaError> {
        let (relation, places) = self.grouped(&input);
        let at = |place: usize| places[place];
        let keys_at: Vec<usize> = input.places(keys)?.into_iter().map(at).collect();
        let ordered = input.places(ordered)?.into_iter().map(at).collect();
        let columns: Vec<Column> = keys.iter().chain(placed).cloned().collect();
        let given = self.relation(columns.len());
        let fold = meaning::Fold::Moves { keys: keys_at.clone(), ordered };
        self.fold(relation, &keys_at, fold, &[(given, (0..keys.len()).collect())]);
        Ok(Union { bodies: vec![all_of(given, columns.len())], columns })
    }

    /// A fold with groups by some places of its input, and outputs that hold these at some places of theirs.
    fn fold(
        &mut self,
        input: RelationId,
        keys: &[usize],
        fold: meaning::Fold,
        outputs: &[(RelationId, Vec<usize>)],
    ) {
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by_key(|place| keys[*place]);
        let output = |(relation, places): &(RelationId, Vec<usize>)| Output {
            relation: *relation,
            keys: order.iter().map(|place| places[*place]).collect(),
        };
        self.lowered.definition.folds.push(Fold {
            input,
            keys: order.iter().map(|place| keys[*place]).collect(),
            fold: self.lowered.folds.len(),
            outputs: outputs.iter().map(output).collect(),
        });
        self.lowered.folds.push(fold);
    }

    fn test(&mut self, test: Test) -> usize {
        number(&mut self.lowered.tests, test)
    }

    fn function(&mut self, function: Function) -> usize {
        number(&mut self.lowered.functions, function)
    }
}

/// A column, or a constant.
enum Side {
    Column(Column),
    Id(Id),
}

/// The number of a thing in a list, to which it is added if need be.
fn number<T: PartialEq>(list: &mut Vec<T>, thing: T) -> usize {
    list.iter().position(|one| *one == thing).unwrap_or_else(|| {
        list.push(thing);
        list.len() - 1
    })
}

fn assigns(statement: &Statement, name: &RelationName) -> bool {
    match statement {
        Statement::Assign { relation, .. } => relation == name,
        Statement::Loop { body, .. } => body.iter().any(|one| assigns(one, name)),
        Statement::Next { .. } => false,
    }
}

/// All rows of a relation.
fn all_of(relation: RelationId, width: usize) -> Body {
    let row: Vec<Arg> = (0..width).map(Arg::Var).collect();
    Body { goals: vec![Goal::Has(Atom { relation, args: row.clone() })], row, variables: width }
}

/// A body as an atom to be negated: one whose variables are the places of the columns. Nothing if it is no such atom.
fn negated(body: &Body) -> Option<Atom> {
    let atom = body.only_atom()?;
    let different = body
        .row
        .iter()
        .enumerate()
        .all(|(place, arg)| matches!(arg, Arg::Var(_)) && !body.row[..place].contains(arg));
    let column = |arg: &Arg| body.row.iter().position(|one| one == arg);
    let repeated = |place: usize| {
        column(&atom.args[place]).is_none() && {
            let arg = atom.args[place];
            matches!(arg, Arg::Var(_)) && atom.args.iter().filter(|one| **one == arg).count() > 1
        }
    };
    if !different || (0..atom.args.len()).any(repeated) {
        return None;
    }
    let place = |arg: &Arg| match (arg, column(arg)) {
        (_, Some(place)) => Arg::Var(place),
        (Arg::Is(id), None) => Arg::Is(*id),
        (Arg::Var(_) | Arg::Any, None) => Arg::Any,
    };
    Some(Atom { relation: atom.relation, args: atom.args.iter().map(place).collect() })
}

/// Visits columns, some perhaps more than once.
type Visit<'a> = dyn Fn(&mut dyn FnMut(&Column)) + 'a;

/// The columns that something visits, each once.
fn used_columns(columns: &[Column], visit_all: &Visit<'_>) -> Vec<Column> {
    let mut used = Vec::new();
    visit_all(&mut |column| {
        if columns.contains(column) && !used.contains(column) {
            used.push(column.clone());
        }
    });
    used
}

fn each_formula_column(formula: &Formula, visit: &mut dyn FnMut(&Column)) {
    match formula {
        Formula::True => {}
        Formula::Compare(_, left, right) => {
            left.each_column(&mut |column| visit(column));
            right.each_column(&mut |column| visit(column));
        }
        Formula::And(all) | Formula::Or(all) => all.iter().for_each(|one| each_formula_column(one, visit)),
        Formula::Not(one) => each_formula_column(one, visit),
    }
}

/// Whether a formula may be neither true nor false: only what is computed can be without a value.
fn may_be_undecided(formula: &Formula) -> bool {
    let computed = |term: &Term| matches!(term, Term::Apply(..));
    match formula {
        Formula::True => false,
        Formula::Compare(_, left, right) => computed(left) || computed(right),
        Formula::And(all) | Formula::Or(all) => all.iter().any(may_be_undecided),
        Formula::Not(one) => may_be_undecided(one),
    }
}
