//! A program for all values of its parameters says of each what the program for that one says (Q16).
use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{Budget, Changes, Naive, Program, RelationName, Row, Runtime};
use motet_fact::{Kind, Value};
use motet_logic::{Catalog, Compiled, Parameterised, Source, compile, compile_parameterised};
use proptest::prelude::*;

const EDGE: &str = "relation Edge(x: int, y: int). input Edge. ";

/// Programs over edges and the ints `$a` and `$b`: the parameters in every place where a term may stand.
const PROGRAMS: [&str; 14] = [
    "output From. From(y: Y) :- Edge(x: $a, y: Y).",
    "output Far. output Near.
     Reach(x: X, y: Y) :- Edge(x: X, y: Y).
     Reach(x: X, y: Z) :- Edge(x: X, y: Y), Reach(x: Y, y: Z).
     Near(y: Y) :- Edge(x: $a, y: Y).
     Far(y: Y) :- Reach(x: $a, y: Y), !Near(y: Y), Y != $b.",
    "output N. N(n: N) :- N := count : Edge(x: $a).",
    "output Between. Between(x: X, n: N) :- Edge(x: X), X >= $a, N := count : Edge(x: X, y: $b).",
    "output Sum. Own(v: V) :- Edge(x: $a, y: V). Sum(s: S) :- S := sum V : Own(v: V).",
    "output Best. Own(k: K, v: V) :- Edge(x: K, y: V), K != $a.
     Best(v: V) :- V := arg_max X by K : Own(k: K, v: X).",
    "output All. output Own. All(x: X) :- Edge(x: X). Own(x: X) :- All(x: X), X == $a.",
    "output Is. Is(a: $a, sum: $a + $b). Is(a: 0, sum: 0).",
    "output Loop.
     Loop(x: $a). Loop(x: Y) :- Loop(x: X), Edge(x: X, y: Y), Y != $b.",
    "output Not. Not(x: X) :- Edge(x: X), !Edge(x: X, y: $a + 1), !Edge(x: $b, y: X).",
    "output Place. Place(x: X, r: R) :- Edge(x: $a), R := rank X by Y : Edge(x: X, y: Y).",
    "forbid :- Edge(x: X, y: Y), X == $a, Y > $b.",
    "output Pair. output Lone. One(x: X) :- Edge(x: X, y: $a). Two(y: Y) :- Edge(x: $b, y: Y).
     Pair(x: X, y: Y) :- One(x: X), Two(y: Y). Lone(x: X) :- One(x: X).",
    "output Div. Div(q: Q) :- Edge(x: X), Q == X / $a.",
];

fn source(program: &str) -> Source {
    Source::new("lift", format!("{EDGE}{program}"))
}

fn alone(program: &str, a: i64, b: i64) -> Compiled {
    let parameters = BTreeMap::from([("a".to_owned(), Value::Int(a)), ("b".to_owned(), Value::Int(b))]);
    compile(&source(program), &Catalog::default(), &parameters).unwrap_or_else(|errors| panic!("{errors}"))
}

fn together(program: &str) -> Option<Parameterised> {
    let kinds = BTreeMap::from([("a".to_owned(), Kind::Int), ("b".to_owned(), Kind::Int)]);
    let compiled = compile_parameterised(&source(program), &Catalog::default(), &kinds);
    compiled.unwrap_or_else(|errors| panic!("{errors}"))
}

type Contents = BTreeMap<RelationName, BTreeSet<Row>>;

/// A program at work, with what its outputs hold.
struct Working {
    runtime: Naive,
    contents: Contents,
}

impl Working {
    fn new(program: &Program) -> Self {
        let contents = program.relations.iter().filter(|(_, relation)| relation.output);
        let contents = contents.map(|(name, _)| (name.clone(), BTreeSet::new())).collect();
        Working { runtime: Naive::new(program.clone()).unwrap(), contents }
    }

    fn step(&mut self, changes: &Changes) {
        for (name, rows) in self.runtime.step(changes, Budget::default()).unwrap() {
            let contents = self.contents.get_mut(&name).unwrap();
            for (row, weight) in rows {
                assert!(if weight > 0 { contents.insert(row) } else { contents.remove(&row) });
            }
        }
    }
}

/// What a lifted program says of one binding.
fn part(lifted: &Parameterised, contents: &Contents, binding: &Row) -> Contents {
    let own = |(name, rows): (&RelationName, &BTreeSet<Row>)| {
        let places = lifted.bound.get(name).cloned().unwrap_or_default();
        let begin: Row = places.iter().map(|place| binding[*place].clone()).collect();
        let rows = rows.iter().filter(|row| row.starts_with(&begin));
        (name.clone(), rows.map(|row| row[begin.len()..].to_vec()).collect())
    };
    contents.iter().map(own).collect()
}

/// What happens in an epoch: edges come and go, and those who ask.
#[derive(Clone, Debug)]
struct Happens {
    edges: BTreeSet<(i64, i64)>,
    asked: BTreeSet<(i64, i64)>,
}

fn happens() -> impl Strategy<Value = Happens> {
    let pairs = || prop::collection::btree_set((0..4_i64, 0..4_i64), 0..8);
    (pairs(), pairs()).prop_map(|(edges, asked)| Happens { edges, asked })
}

fn difference(before: &BTreeSet<Row>, now: &BTreeSet<Row>) -> Vec<(Row, i64)> {
    let gone = before.difference(now).map(|row| (row.clone(), -1));
    let mut changes: Vec<_> = gone.chain(now.difference(before).map(|row| (row.clone(), 1))).collect();
    changes.sort();
    changes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn a_lifted_program_is_every_program_it_was_made_of(epochs in prop::collection::vec(happens(), 1..5)) {
        for program in PROGRAMS {
            let lifted = together(program).unwrap();
            let value = |name: &String, (a, b): (i64, i64)| Value::Int(if name == "a" { a } else { b });
            let binding = |pair| lifted.parameters.iter().map(|name| value(name, pair)).collect::<Row>();
            let mut shared = [&lifted.compiled.program, &lifted.compiled.demanded].map(Working::new);
            let (mut edges, mut asked) = (BTreeSet::new(), BTreeSet::new());
            for epoch in &epochs {
                let row = |(x, y): &(i64, i64)| vec![Value::Int(*x), Value::Int(*y)];
                let now: BTreeSet<Row> = epoch.edges.iter().map(row).collect();
                let asking: BTreeSet<Row> = epoch.asked.iter().map(|pair| binding(*pair)).collect();
                let mut changes = Changes::from([("Edge".into(), difference(&edges, &now))]);
                if let Some(input) = &lifted.input {
                    changes.insert(input.clone(), difference(&asked, &asking));
                }
                shared.iter_mut().for_each(|one| one.step(&changes));
                (edges, asked) = (now, asking);
                for (a, b) in &epoch.asked {
                    let mut own = Working::new(&alone(program, *a, *b).program);
                    own.step(&Changes::from([("Edge".into(), difference(&BTreeSet::new(), &edges))]));
                    for one in &shared {
                        let said = part(&lifted, &one.contents, &binding((*a, *b)));
                        prop_assert_eq!(&said, &own.contents, "{}: $a = {}, $b = {}", program, a, b);
                    }
                }
            }
        }
    }
}

#[test]
fn what_depends_on_no_parameter_is_there_once() {
    let lifted = together(PROGRAMS[1]).unwrap();
    let bound: BTreeMap<_, _> =
        lifted.bound.iter().map(|(name, places)| (&**name, places.as_slice())).collect();
    assert_eq!(lifted.parameters, ["a", "b"]);
    assert_eq!(bound, BTreeMap::from([("Far", &[0, 1][..]), ("Near", &[0][..])]));
    let columns = |name: &str| lifted.compiled.program.relations[name].columns.len();
    assert_eq!((columns("Reach"), columns("Near"), columns("Far")), (2, 2, 3));
    assert!(
        lifted.compiled.demanded.relations.contains_key("demand~Reach"),
        "only what is asked for is derived"
    );
}

#[test]
fn programs_that_can_not_be_lifted_are_left_alone() {
    let of_stored_rows = "output R. relation E(x: int). input E. E(x: $a). R(x: X) :- E(x: X).";
    let of_cids = "output R. Own(x: X) :- Edge(x: X, y: $a). R(c: C) :- C := Own().";
    let of_time = "output R. event go(x: int). R(x: X)@next :- go(x: X), X != $a.";
    for program in [of_stored_rows, of_cids, of_time] {
        assert!(together(program).is_none(), "{program}");
        alone(program, 1, 2);
    }
    let unasked = together("output R. R(x: X) :- Edge(x: X).").unwrap();
    assert_eq!((unasked.input, unasked.parameters.len(), unasked.bound.len()), (None, 0, 0));
}
