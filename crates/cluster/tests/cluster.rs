//! What the incremental runtimes promise, one promise at a time.
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use motet_algebra::{
    Aggregate, Budget, Changes, Column, ColumnType, Comparison, Dictionary, Expression, Formula, Function,
    Program, Relation, Row, Runtime, RuntimeError, SharedDictionary, Site, Statement, Term, Unknown,
    optimise,
};
use motet_cluster::Cluster;
use motet_fact::{Kind, Value};
use motet_native::Native;

fn read(name: &str) -> Expression {
    Expression::Relation { name: name.into(), cid: None }
}

fn rename(input: Expression, pairs: &[(&str, &str)]) -> Expression {
    let pairs = pairs.iter().map(|(old, new)| (Column::from(*old), Column::from(*new))).collect();
    Expression::Rename { input: input.into(), pairs }
}

fn project(input: Expression, columns: &[&str]) -> Expression {
    Expression::Project {
        input: input.into(),
        columns: columns.iter().map(|name| Column::from(*name)).collect(),
    }
}

fn join(left: Expression, right: Expression) -> Expression {
    Expression::Join(left.into(), right.into())
}

fn compare(input: Expression, comparison: Comparison, column: &str, value: impl Into<Value>) -> Expression {
    let formula = Formula::Compare(comparison, Term::Column(column.into()), Term::Constant(value.into()));
    Expression::Select { input: input.into(), formula }
}

fn assign(name: &str, expression: Expression) -> Statement {
    Statement::assign(name, expression)
}

fn repeat(body: Vec<Statement>) -> Statement {
    Statement::Loop { body, exports: Vec::new() }
}

/// The runtimes side by side: what one says the other says too.
struct Both {
    cluster: Cluster,
    native: Native,
}

impl Both {
    fn new(program: Program) -> Self {
        Both::with_dictionary(program, &Dictionary::shared())
    }

    fn with_dictionary(program: Program, dictionary: &SharedDictionary) -> Self {
        Both {
            cluster: Cluster::with_dictionary(program.clone(), Rc::clone(dictionary)).unwrap(),
            native: Native::with_dictionary(program, Rc::clone(dictionary)).unwrap(),
        }
    }

    fn step(&mut self, inputs: &Changes, budget: Budget) -> Result<Changes, RuntimeError> {
        let said = self.cluster.step(inputs, budget.clone());
        assert_eq!(self.native.step(inputs, budget), said, "native says something else");
        said
    }

    fn rows_held(&self, input: &str) -> usize {
        let held = self.cluster.rows_held(input);
        assert_eq!(self.native.rows_held(input), held, "native holds others");
        held
    }
}

/// A program over int columns; a name that begins with `<` is an input, one with `>` an output.
fn program(relations: &[(&str, &[&str])], statements: Vec<Statement>) -> Program {
    let mut program = Program { relations: BTreeMap::new(), statements };
    for (name, columns) in relations {
        let column = |name: &&str| (Column::from(*name), ColumnType::Kind(Kind::Int));
        let columns = columns.iter().map(column).collect();
        let (input, output) = (name.starts_with('<'), name.starts_with('>'));
        let name = name.trim_start_matches(['<', '>']);
        program.relations.insert(name.into(), Relation { columns, input, event: false, output });
    }
    program
}

fn row(values: &[i64]) -> Row {
    values.iter().map(|value| Value::Int(*value)).collect()
}

/// Changes of one relation.
fn of<const N: usize>(name: &str, rows: &[([i64; N], i64)]) -> Changes {
    let mut rows: Vec<(Row, i64)> = rows.iter().map(|(values, weight)| (row(values), *weight)).collect();
    rows.sort_unstable();
    BTreeMap::from([(name.into(), rows)])
}

fn step(both: &mut Both, changes: &Changes) -> Changes {
    both.step(changes, Budget::default()).unwrap()
}

/// `>path(x, y)` is the transitive closure of `<edge(x, y)`.
fn closure() -> Program {
    let further = join(rename(read("path"), &[("y", "via")]), rename(read("edge"), &[("x", "via")]));
    let body = vec![assign("path", read("edge")), assign("path", project(further, &["x", "y"]))];
    program(&[("<edge", &["x", "y"]), (">path", &["x", "y"])], vec![repeat(body)])
}

#[test]
fn a_cycle_does_not_keep_itself_alive() {
    let mut both = Both::new(closure());
    let all = step(&mut both, &of("edge", &[([1, 2], 1), ([2, 3], 1), ([3, 2], 1)]));
    assert_eq!(all["path"].len(), 6, "1→2, 1→3, and all pairs of 2 and 3");
    let gone = step(&mut both, &of("edge", &[([1, 2], -1)]));
    assert_eq!(gone, of("path", &[([1, 2], -1), ([1, 3], -1)]));
    let gone = step(&mut both, &of("edge", &[([3, 2], -1)]));
    assert_eq!(gone, of("path", &[([2, 2], -1), ([3, 2], -1), ([3, 3], -1)]));
    assert!(step(&mut both, &Changes::new()).is_empty());
}

#[test]
fn a_row_with_two_derivations_stays_until_both_are_gone() {
    let mut both = Both::new(closure());
    step(&mut both, &of("edge", &[([1, 2], 1), ([2, 4], 1), ([1, 3], 1), ([3, 4], 1)]));
    assert_eq!(step(&mut both, &of("edge", &[([2, 4], -1)])), of("path", &[([2, 4], -1)]));
    let gone = step(&mut both, &of("edge", &[([3, 4], -1)]));
    assert_eq!(gone, of("path", &[([1, 4], -1), ([3, 4], -1)]));
}

/// A trie under construction. Of the children that want a place under a node only the newest has it; which nodes there
/// are follows from that, by a recursion that joins with a relation that loses rows while others come.
fn trie() -> Program {
    let mut newest = read("wish");
    newest = Expression::GroupBy {
        input: newest.into(),
        keys: vec!["parent".into(), "letter".into()],
        aggregate: motet_algebra::Aggregate::Max,
        over: Some("node".into()),
        by: vec![],
        result: "node".into(),
    };
    let root =
        Expression::Constant { columns: vec!["node".into(), "depth".into()], rows: vec![row(&[0, 0])] };
    let deeper =
        Term::Apply(Function::Add, vec![Term::Column("depth".into()), Term::Constant(Value::Int(1))]);
    let below = Expression::Extend {
        input: join(rename(read("node"), &[("node", "parent")]), read("child")).into(),
        column: "next".into(),
        term: deeper,
    };
    let below = rename(project(below, &["node", "next"]), &[("next", "depth")]);
    let relations: [(&str, &[&str]); 3] = [
        ("<wish", &["parent", "letter", "node"]),
        ("child", &["parent", "letter", "node"]),
        (">node", &["node", "depth"]),
    ];
    let statements = vec![assign("child", newest), assign("node", root), repeat(vec![assign("node", below)])];
    program(&relations, statements)
}

/// Feldera's issue 5452: there, what a join inside a recursion lost was kept by the recursion, so that rows that came
/// one by one gave another result than rows that came at once.
#[test]
fn retractions_pass_through_joins_inside_recursion() {
    let wishes =
        [[0, 1, 1], [1, 1, 2], [2, 2, 3], [0, 1, 5], [5, 1, 6], [1, 2, 7], [6, 2, 8], [0, 2, 9], [5, 1, 10]];
    let at_once: Vec<_> = wishes.iter().map(|wish| (*wish, 1)).collect();
    let expected = step(&mut Both::new(trie()), &of("wish", &at_once));
    let mut both = Both::new(trie());
    let mut nodes = BTreeSet::new();
    for wish in wishes {
        for (row, weight) in step(&mut both, &of("wish", &[(wish, 1)])).remove("node").unwrap_or_default() {
            assert!(
                if weight > 0 { nodes.insert(row) } else { nodes.remove(&row) },
                "a change that changes nothing"
            );
        }
    }
    let nodes: Vec<(Row, i64)> = nodes.into_iter().map(|row| (row, 1)).collect();
    assert_eq!(nodes, expected["node"]);
    let wanted = of("node", &[([0, 0], 1), ([5, 1], 1), ([9, 1], 1), ([10, 2], 1)]);
    assert_eq!(expected, wanted);
}

#[test]
fn only_rows_that_can_be_seen_are_held() {
    let titles = |name: &str| project(compare(read("fact"), Comparison::Equal, "attribute", 7), &[name]);
    let statements = vec![assign("out", titles("entity"))];
    let relations: [(&str, &[&str]); 3] =
        [("<fact", &["entity", "attribute", "value"]), ("<unused", &["x"]), (">out", &["entity"])];
    let mut both = Both::new(program(&relations, statements));
    let mut changes = of("fact", &[([1, 7, 1], 1), ([1, 7, 2], 1), ([2, 8, 1], 1), ([3, 9, 1], 1)]);
    changes.extend(of("unused", &[([1], 1)]));
    assert_eq!(step(&mut both, &changes), of("out", &[([1], 1)]));
    assert_eq!((both.rows_held("fact"), both.rows_held("unused")), (2, 0));
    assert!(step(&mut both, &of("fact", &[([1, 7, 1], -1), ([2, 8, 1], -1)])).is_empty());
    assert_eq!(step(&mut both, &of("fact", &[([1, 7, 2], -1)])), of("out", &[([1], -1)]));
    assert_eq!(both.rows_held("fact"), 0);
}

#[test]
fn what_is_refused_changes_nothing() {
    let mut both = Both::new(closure());
    step(&mut both, &of("edge", &[([1, 2], 1)]));
    let mut refused = |changes: Changes| both.step(&changes, Budget::default()).unwrap_err();
    let edge = || "edge".into();
    assert_eq!(refused(of("path", &[([1, 2], 1)])), RuntimeError::NotAnInput("path".into()));
    assert_eq!(refused(of("nothing", &[([1], 1)])), RuntimeError::NotAnInput("nothing".into()));
    let width = RuntimeError::Width { relation: edge(), got: 1, want: 2 };
    assert_eq!(refused(of("edge", &[([1], 1)])), width);
    let text = BTreeMap::from([(edge(), vec![(vec![Value::Int(3), Value::from("a")], 1)])]);
    let kind = RuntimeError::Type { relation: edge(), column: "y".into(), value: Value::from("a") };
    assert_eq!(refused(text), kind);
    for (values, weight) in [([1, 2], 1), ([2, 3], -1), ([2, 3], 2), ([2, 3], 0)] {
        let error = RuntimeError::Weight { relation: edge(), weight };
        assert_eq!(refused(of("edge", &[([5, 6], 1), (values, weight)])), error);
    }
    let twice = RuntimeError::Weight { relation: edge(), weight: 1 };
    assert_eq!(refused(of("edge", &[([2, 3], 1), ([2, 3], 1)])), twice);
    assert_eq!(step(&mut both, &of("edge", &[([5, 6], 1)])), of("path", &[([5, 6], 1)]));
}

/// `>number(n)`: all numbers from those in `<seed` on, without end, unless there is a limit below.
fn counting() -> Program {
    let more = Expression::Extend {
        input: rename(read("number"), &[("n", "m")]).into(),
        column: "n".into(),
        term: Term::Apply(Function::Add, vec![Term::Column("m".into()), Term::Constant(Value::Int(1))]),
    };
    let more = compare(project(more, &["n"]), Comparison::Less, "n", 1_000);
    let body = vec![assign("number", read("seed")), assign("number", more)];
    program(&[("<seed", &["n"]), (">number", &["n"])], vec![repeat(body)])
}

#[test]
fn an_epoch_over_budget_leaves_no_trace() {
    let budget = Budget { iterations: 50, ..Budget::default() };
    let mut both = Both::new(counting());
    let over = both.step(&of("seed", &[([1], 1)]), budget.clone());
    let site = Site::of(&"number".into());
    let error = RuntimeError::OverBudget { what: "iterations", limit: 50, site };
    assert_eq!(over, Err(error.clone()));
    assert_eq!(both.rows_held("seed"), 0);
    let first = both.step(&of("seed", &[([990], 1)]), budget.clone()).unwrap();
    assert_eq!(first["number"].len(), 10);
    assert_eq!(both.step(&of("seed", &[([5], 1), ([990], -1)]), budget.clone()), Err(error));
    assert_eq!(
        both.step(&of("seed", &[([988], 1)]), budget.clone()),
        Ok(of("number", &[([988], 1), ([989], 1)]))
    );
    assert_eq!(
        both.step(&of("seed", &[([988], -1)]), budget.clone()),
        Ok(of("number", &[([988], -1), ([989], -1)]))
    );
}

#[test]
fn rows_are_counted_where_they_multiply() {
    let pairs = join(rename(read("seed"), &[("n", "a")]), rename(read("seed"), &[("n", "b")]));
    let relations: [(&str, &[&str]); 2] = [("<seed", &["n"]), (">pair", &["a", "b"])];
    let mut both = Both::new(program(&relations, vec![assign("pair", pairs)]));
    let seeds: Vec<([i64; 1], i64)> = (0..100).map(|n| ([n], 1)).collect();
    let budget = Budget { iterations: 1, rows: 5_000, ..Budget::default() };
    let over = both.step(&of("seed", &seeds), budget.clone());
    let site = Site::of(&"pair".into());
    assert_eq!(over, Err(RuntimeError::OverBudget { what: "rows", limit: 5_000, site }));
    let pairs = both.step(&of("seed", &seeds[..10]), budget.clone()).unwrap();
    assert_eq!(pairs["pair"].len(), 100);
}

#[test]
fn circuits_share_a_dictionary() {
    let dictionary = Dictionary::shared();
    let mut first = Both::with_dictionary(closure(), &dictionary);
    let mut second = Both::with_dictionary(closure(), &dictionary);
    let changes = of("edge", &[([-1, -2], 1), ([-2, -3], 1)]);
    let expected = step(&mut first, &changes);
    assert_eq!(dictionary.borrow().len(), 3);
    assert_eq!(step(&mut second, &changes), expected);
    assert_eq!(dictionary.borrow().len(), 3, "the second met no new value");
}

#[test]
fn rows_of_any_width_are_rows() {
    for width in [0, 1, 4, 5, 8, 9, 40] {
        let names: Vec<String> = (0..width).map(|number| format!("c{number}")).collect();
        let columns: Vec<&str> = names.iter().map(String::as_str).collect();
        let relations: [(&str, &[&str]); 2] = [("<from", &columns), (">to", &columns)];
        let mut both = Both::new(program(&relations, vec![assign("to", read("from"))]));
        let values: Row = (0..width).map(Value::Int).collect();
        let changes = |name: &str, weight| Changes::from([(name.into(), vec![(values.clone(), weight)])]);
        assert_eq!(step(&mut both, &changes("from", 1)), changes("to", 1), "width {width}");
        assert_eq!(step(&mut both, &changes("from", -1)), changes("to", -1), "width {width}");
    }
}

#[test]
fn a_long_chain_is_cut_and_mended() {
    let next = join(rename(read("reach"), &[("y", "x")]), read("edge"));
    let start = Expression::Constant { columns: vec!["y".into()], rows: vec![row(&[0])] };
    let statements = vec![assign("reach", start), repeat(vec![assign("reach", project(next, &["y"]))])];
    let relations: [(&str, &[&str]); 2] = [("<edge", &["x", "y"]), (">reach", &["y"])];
    let mut both = Both::new(program(&relations, statements));
    let edges: Vec<([i64; 2], i64)> = (0..2_000).map(|from| ([from, from + 1], 1)).collect();
    assert_eq!(step(&mut both, &of("edge", &edges))["reach"].len(), 2_001);
    let expected =
        |weight| -> Vec<([i64; 1], i64)> { (1_501..=2_000).map(|node| ([node], weight)).collect() };
    assert_eq!(step(&mut both, &of("edge", &[([1_500, 1_501], -1)])), of("reach", &expected(-1)));
    assert_eq!(step(&mut both, &of("edge", &[([1_500, 1_501], 1)])), of("reach", &expected(1)));
}

/// The rows of `out` for a program over `fact(x, y)` and `other(x, y)`, and whether only so many facts were held.
fn selected(
    columns: &[&str],
    expression: Expression,
    facts: &[[i64; 2]],
    others: &[[i64; 2]],
    held: usize,
) -> Vec<Row> {
    let relations: [(&str, &[&str]); 3] =
        [("<fact", &["x", "y"]), ("<other", &["x", "y"]), (">out", columns)];
    let statements = vec![assign("out", compare(expression, Comparison::Equal, "y", 1))];
    let mut both = Both::new(program(&relations, statements));
    let rows = |rows: &[[i64; 2]]| rows.iter().map(|values| (row(values), 1)).collect();
    let changes = Changes::from([("fact".into(), rows(facts)), ("other".into(), rows(others))]);
    let out = step(&mut both, &changes).remove("out").unwrap_or_default();
    assert_eq!(both.rows_held("fact"), held);
    out.into_iter().map(|(row, _)| row).collect()
}

/// A selection above says which rows of an input matter, but only as long as a name means the same column. In each of
/// these the fact with `y` = 2 matters, although only rows with `y` = 1 are selected.
#[test]
fn no_row_that_matters_is_kept_out() {
    let swapped = rename(read("fact"), &[("x", "y"), ("y", "x")]);
    assert_eq!(selected(&["x", "y"], swapped, &[[1, 2], [2, 1]], &[], 1), [row(&[2, 1])]);

    let renamed = join(rename(read("fact"), &[("y", "v")]), read("other"));
    assert_eq!(selected(&["x", "y", "v"], renamed, &[[1, 2]], &[[1, 1]], 1), [row(&[1, 1, 2])]);

    let cut = join(project(read("fact"), &["x"]), read("other"));
    assert_eq!(selected(&["x", "y"], cut, &[[1, 2]], &[[1, 1]], 1), [row(&[1, 1])]);

    let blocked = Expression::AntiJoin(project(read("other"), &["x"]).into(), read("fact").into());
    let blocked = join(blocked, read("other"));
    assert!(selected(&["x", "y"], blocked, &[[1, 2]], &[[1, 1]], 1).is_empty());

    let counted = Expression::GroupBy {
        input: read("fact").into(),
        keys: vec!["x".into()],
        aggregate: motet_algebra::Aggregate::Count,
        over: None,
        by: vec![],
        result: "n".into(),
    };
    let counted = join(counted, read("other"));
    assert_eq!(selected(&["x", "y", "n"], counted, &[[1, 1], [1, 2]], &[[1, 1]], 2), [row(&[1, 1, 2])]);
}

#[test]
fn rules_of_one_relation_may_stand_apart() {
    let relations: [(&str, &[&str]); 5] =
        [("<a", &["x"]), ("<b", &["x"]), ("r", &["x"]), ("s", &["x"]), (">t", &["x"])];
    let statements =
        vec![assign("r", read("a")), assign("s", read("b")), assign("r", read("s")), assign("t", read("r"))];
    let mut both = Both::new(program(&relations, statements));
    let mut changes = of("a", &[([1], 1)]);
    changes.extend(of("b", &[([2], 1)]));
    assert_eq!(step(&mut both, &changes), of("t", &[([1], 1), ([2], 1)]));
}

/// `>way(x, y)` by a rule of so many atoms that all read `way`.
fn ways(atoms: usize) -> Program {
    let place = |number: usize| match number {
        0 => "x".to_owned(),
        last if last == atoms => "y".to_owned(),
        between => format!("p{between}"),
    };
    let atom = |number: usize| rename(read("way"), &[("x", &place(number)), ("y", &place(number + 1))]);
    let body = (1..atoms).fold(atom(0), |all, number| join(all, atom(number)));
    let rule = project(body, &["x", "y"]);
    let rules = vec![assign("way", read("edge")), assign("way", rule)];
    program(&[("<edge", &["x", "y"]), (">way", &["x", "y"])], vec![repeat(rules)])
}

/// A change of a relation comes to a rule by each of the rule's atoms: n ways for n atoms, and not one for each
/// set of atoms (B3). So the operators grow with the atoms, and not faster.
#[test]
fn a_recursive_rule_costs_as_many_variants_as_it_has_atoms() {
    let operators = |atoms: usize| {
        let mut cluster = Cluster::new(optimise(&ways(atoms), &Unknown)).unwrap();
        let inputs = of("edge", &[([1, 2], 1), ([2, 3], 1), ([3, 4], 1)]);
        let got = cluster.step(&inputs, Budget::default()).unwrap();
        let ways = match atoms {
            2 => 6,
            3 => 4,
            _ => 3,
        };
        assert_eq!(got["way"].len(), ways, "{atoms} atoms");
        cluster.operators()
    };
    let counts: Vec<usize> = (2..=6).map(operators).collect();
    // Two atoms more cost the same wherever they come; of two one also makes its input a set again.
    let steps: Vec<usize> = counts.windows(3).map(|three| three[2] - three[0]).collect();
    assert!(steps.windows(2).all(|pair| pair[0] == pair[1]), "{counts:?}");
}

/// The row that rows of a group are compared by may be wider than any row of the program.
#[test]
fn a_column_may_be_compared_by_more_than_once() {
    let by: Vec<Column> = vec!["k".into(); 9];
    let best = Expression::GroupBy {
        input: read("p").into(),
        keys: vec![],
        aggregate: Aggregate::ArgMax,
        over: Some("x".into()),
        by: by.clone(),
        result: "best".into(),
    };
    let rank = Expression::Rank { input: read("p").into(), keys: vec![], by, result: "place".into() };
    let relations: &[(&str, &[&str])] =
        &[("<p", &["x", "k"]), (">best", &["best"]), (">ranked", &["x", "k", "place"])];
    let program = program(relations, vec![assign("best", best), assign("ranked", rank)]);
    let mut both = Both::new(program);
    let inputs = Changes::from([("p".into(), vec![(row(&[1, 7]), 1), (row(&[2, 9]), 1)])]);
    let changes = both.step(&inputs, Budget::default()).unwrap();
    assert_eq!(changes["best"], [(row(&[2]), 1)]);
    assert_eq!(changes["ranked"], [(row(&[1, 7, 1]), 1), (row(&[2, 9, 2]), 1)]);
}
