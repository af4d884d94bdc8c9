//! Which rows a program can see: on random programs, what it cannot see makes no difference to the outputs.

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{
    Aggregate, Budget, Changes, ColumnType, Comparison, Expression, Formula, Naive, Pattern, Program,
    Relation, Runtime, Statement, Term,
};
use motet_fact::{Kind, Value};
use proptest::prelude::*;

fn read(name: &str) -> Expression {
    Expression::Relation { name: name.into(), cid: None }
}

fn rename(input: Expression, pairs: &[(&str, &str)]) -> Expression {
    let pairs = pairs.iter().map(|(old, new)| ((*old).into(), (*new).into())).collect();
    Expression::Rename { input: input.into(), pairs }
}

fn project(input: Expression, columns: &[&str]) -> Expression {
    Expression::Project { input: input.into(), columns: columns.iter().map(|name| (*name).into()).collect() }
}

fn is(column: &str, value: i64) -> Formula {
    Formula::Compare(Comparison::Equal, Term::Column(column.into()), Term::Constant(Value::Int(value)))
}

fn rows(rows: &[(i64, i64)]) -> Expression {
    let rows = rows.iter().map(|(x, y)| vec![Value::Int(*x), Value::Int(*y)]).collect();
    Expression::Constant { columns: vec!["x".into(), "y".into()], rows }
}

fn pair(left: Expression, right: Expression, pick: &str) -> Expression {
    let (left, right) = (Box::new(left), Box::new(right));
    match pick {
        "join" => Expression::Join(left, right),
        "semijoin" => Expression::SemiJoin(left, right),
        "antijoin" => Expression::AntiJoin(left, right),
        _ => Expression::Difference(left, right),
    }
}

/// `x` of the one and `y` of the other, where the inner two are the same.
fn compose(left: Expression, right: Expression, equijoin: bool) -> Expression {
    let left = rename(left, &[("y", "m")]);
    let joined = if equijoin {
        let right = rename(right, &[("x", "n")]);
        Expression::EquiJoin { left: left.into(), right: right.into(), pairs: vec![("m".into(), "n".into())] }
    } else {
        pair(left, rename(right, &[("x", "m")]), "join")
    };
    project(joined, &["x", "y"])
}

fn grouped(input: Expression, fold: bool) -> Expression {
    let (keys, by, result) = (vec!["x".into()], vec!["y".into()], "n".into());
    let grouped = if fold {
        let aggregate = Aggregate::Count;
        Expression::GroupBy { input: input.into(), keys, aggregate, over: None, by: Vec::new(), result }
    } else {
        Expression::Rank { input: input.into(), keys, by, result }
    };
    rename(project(grouped, &["x", "n"]), &[("n", "y")])
}

/// Expressions over columns x and y.
fn expression() -> impl Strategy<Value = Expression> {
    let constant = prop::collection::vec((0..3i64, 0..3i64), 0..3).prop_map(|all| rows(&all));
    let leaf = prop_oneof![3 => Just(read("a")), 2 => Just(read("b")), 1 => Just(read("d")), 1 => constant];
    leaf.prop_recursive(5, 20, 2, |inner| {
        let two = || (inner.clone(), inner.clone());
        let column = prop_oneof![Just("x"), Just("y")];
        let equal = (column, 0..3i64).prop_map(|(column, value)| is(column, value));
        let formula = equal.prop_recursive(2, 4, 2, |one| {
            prop_oneof![
                prop::collection::vec(one.clone(), 0..3).prop_map(Formula::And),
                prop::collection::vec(one.clone(), 0..3).prop_map(Formula::Or),
                one.prop_map(|one| Formula::Not(one.into())),
            ]
        });
        let pick = prop_oneof![Just("join"), Just("semijoin"), Just("antijoin"), Just("difference")];
        prop_oneof![
            4 => (inner.clone(), formula)
                .prop_map(|(input, formula)| Expression::Select { input: input.into(), formula }),
            1 => inner.clone().prop_map(|one| rename(one, &[("x", "y"), ("y", "x")])),
            1 => (inner.clone(), 0..3i64).prop_map(|(one, value)| {
                let (column, term) = ("y".into(), Term::Constant(Value::Int(value)));
                Expression::Extend { input: project(one, &["x"]).into(), column, term }
            }),
            1 => inner.clone().prop_map(|one| {
                let (column, term) = ("y".into(), Term::Column("x".into()));
                Expression::Extend { input: project(one, &["x"]).into(), column, term }
            }),
            2 => (two(), pick).prop_map(|((left, right), pick)| pair(left, right, pick)),
            1 => two().prop_map(|(left, right)| pair(left, project(right, &["y"]), "semijoin")),
            1 => two().prop_map(|(left, right)| pair(left, project(right, &["x"]), "antijoin")),
            2 => (two(), any::<bool>()).prop_map(|((left, right), equi)| compose(left, right, equi)),
            1 => two().prop_map(|(left, right)| Expression::Union(vec![left, right])),
            1 => (inner, any::<bool>()).prop_map(|(one, fold)| grouped(one, fold)),
        ]
    })
}

fn program(first: Expression, second: Expression, demanded: &[(i64, i64)]) -> Program {
    let int = ColumnType::Kind(Kind::Int);
    let columns = vec![("x".into(), int), ("y".into(), int)];
    let relation = |input, output| Relation { columns: columns.clone(), input, event: false, output };
    let relations = [("a", true), ("b", true), ("d", false), ("p", false), ("q", false)];
    let relations = relations.map(|(name, input)| (name.into(), relation(input, name == "q"))).into();
    let mut statements: Vec<Statement> =
        demanded.iter().map(|one| Statement::assign("d", rows(&[*one]))).collect();
    statements.push(Statement::assign("p", first));
    statements.push(Statement::assign("q", pair(second, read("p"), "join")));
    Program { relations, statements }
}

type Rows = BTreeSet<(i64, i64)>;

fn outcome(program: &Program, a: &Rows, b: &Rows) -> Changes {
    let row = |(x, y): &(i64, i64)| (vec![Value::Int(*x), Value::Int(*y)], 1);
    let inputs = [("a", a), ("b", b)];
    let inputs: Changes = inputs.map(|(name, rows)| (name.into(), rows.iter().map(row).collect())).into();
    Naive::new(program.clone()).unwrap().step(&inputs, Budget::UNLIMITED).unwrap()
}

fn visible(rows: &Rows, seen: Option<&Vec<Pattern>>) -> Rows {
    let takes = |(x, y): &&(i64, i64)| {
        let row = [Value::Int(*x), Value::Int(*y)];
        seen.is_none_or(|seen| seen.iter().any(|pattern| pattern.takes(&row)))
    };
    rows.iter().filter(takes).copied().collect()
}

fn some_rows() -> impl Strategy<Value = Rows> {
    prop::collection::btree_set((0..3i64, 0..3i64), 0..9)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn what_cannot_be_seen_makes_no_difference(
        (first, second) in (expression(), expression()),
        demanded in prop::collection::vec((0..3i64, 0..3i64), 0..3),
        (a, b) in (some_rows(), some_rows()),
    ) {
        let program = program(first, second, &demanded);
        let seen = ["a", "b"].map(|name| program.seen(name));
        let (fewer_a, fewer_b) = (visible(&a, seen[0].as_ref()), visible(&b, seen[1].as_ref()));
        prop_assert_eq!(outcome(&program, &a, &b), outcome(&program, &fewer_a, &fewer_b), "{:?}", seen);
    }
}

fn seen_of_a(output: Expression) -> Option<Vec<Pattern>> {
    program(read("b"), output, &[(1, 2)]).seen("a")
}

fn at(places: &[(usize, &[i64])]) -> Option<Vec<Pattern>> {
    let values = |values: &[i64]| values.iter().map(|value| Value::Int(*value)).collect();
    let places: BTreeMap<usize, BTreeSet<Value>> =
        places.iter().map(|(place, all)| (*place, values(all))).collect();
    Some(vec![Pattern(places)])
}

#[test]
fn constants_are_found_wherever_they_stand() {
    let select = |input: Expression, formula| Expression::Select { input: input.into(), formula };
    let swapped = |input| rename(input, &[("x", "y"), ("y", "x")]);
    assert_eq!(seen_of_a(read("a")), None, "all is read");
    assert_eq!(seen_of_a(read("b")), Some(Vec::new()), "it is not read");
    assert_eq!(seen_of_a(select(swapped(read("a")), is("x", 1))), at(&[(1, &[1])]));
    let either = select(read("a"), Formula::Or(vec![is("x", 0), is("x", 2)]));
    assert_eq!(seen_of_a(either.clone()), at(&[(0, &[0, 2])]));
    let group = grouped(either, true);
    assert_eq!(seen_of_a(select(group.clone(), is("x", 0))), at(&[(0, &[0])]), "groups are read whole");
    assert_eq!(seen_of_a(select(group, is("y", 1))), at(&[(0, &[0, 2])]), "all of them");
    let demanded = pair(read("a"), project(read("d"), &["x"]), "semijoin");
    assert_eq!(seen_of_a(demanded), at(&[(0, &[1])]), "what is demanded is stated by the program");
    assert_eq!(seen_of_a(pair(read("a"), read("d"), "antijoin")), None);
    let without = pair(read("b"), select(read("a"), is("y", 2)), "antijoin");
    assert_eq!(seen_of_a(without), at(&[(1, &[2])]));
    let without = pair(select(read("b"), is("x", 1)), read("a"), "difference");
    assert_eq!(seen_of_a(without), at(&[(0, &[1])]));
    let two = Expression::Union(vec![select(read("a"), is("x", 1)), select(read("a"), is("y", 2))]);
    assert_eq!(
        seen_of_a(two),
        Some([at(&[(0, &[1])]), at(&[(1, &[2])])].into_iter().flatten().flatten().collect())
    );
    assert_eq!(program(read("a"), read("p"), &[]).seen("q"), None, "outputs are told whole");
}
