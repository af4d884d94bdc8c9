//! Why rows are there, and why others are not.
//!
//! Random programs with recursion, negation and counting are run, and every row that there might be is asked about.
//! What is said is checked against the rules as they were made, by a checker that knows nothing of the explaining
//! code: the premises hold, the conclusion follows from them, and nothing is explained by itself.
use std::collections::{BTreeMap, BTreeSet};

use expect_test::{Expect, expect};
use motet_algebra::{Budget, Changes, Naive, Row, Runtime};
use motet_fact::Value;
use motet_logic::why::{Account, Bindings, Contents, Derivation, Premise, Reason};
use motet_logic::{Catalog, Compiled, Source, compile};
use proptest::prelude::*;

fn compiled(text: &str) -> Compiled {
    compile(&Source::new("test", text), &Catalog::default(), &BTreeMap::new())
        .unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// All that holds of a program, computed from its own facts.
fn contents(compiled: &Compiled) -> Contents {
    let program = compiled.observed().program;
    let mut runtime = Naive::new(program.clone()).unwrap();
    let rows = |rows: &BTreeSet<Row>| rows.iter().map(|row| (row.clone(), 1)).collect();
    let inputs: Changes = compiled.facts.iter().map(|(name, facts)| (name.clone(), rows(facts))).collect();
    runtime.step(&inputs, Budget::default()).unwrap();
    program.relations.keys().map(|name| (name.clone(), runtime.output(name).cloned().collect())).collect()
}

const PROGRAM: &str = "\
relation edge(from: int, to: int).
input edge. output reach. output apart. output size. output bad.
edge(from: 1, to: 2). edge(from: 2, to: 3). edge(from: 3, to: 1). edge(from: 4, to: 4).
reach(x: X, y: Y) :- edge(from: X, to: Y).
reach(x: X, y: Z) :- edge(from: X, to: Y), reach(x: Y, y: Z).
node(x: X) :- edge(from: X).
apart(x: X, y: Y) :- node(x: X), node(x: Y), X < Y,
    !reach(x: X, y: Y).
size(x: X, n: N) :- node(x: X), N := count : reach(x: X).
bad(x: X + 1) :- size(x: X, n: N), N > 2.
";

fn why(row: &str, expected: &Expect) {
    let compiled = compiled(PROGRAM);
    let contents = contents(&compiled);
    let mut account = Account::new(&compiled, &contents, &compiled.facts);
    let said = match account.pattern(row) {
        Err(problems) => problems.to_string(),
        Ok(pattern) => match account.why(&pattern) {
            Some(derivation) => derivation.to_string(),
            None => account.why_not(&pattern).iter().map(ToString::to_string).collect(),
        },
    };
    expected.assert_eq(&said);
}

#[test]
fn a_row_has_a_tree_down_to_what_is_stored() {
    why(
        "reach(1, 1)",
        &expect![[r#"
            reach(x: 1, y: 1)   line 5: reach(x: X, y: Z) :- edge(from: X, to: Y), reach(x: Y, y: Z).
              edge(from: 1, to: 2)   stored
              reach(x: 2, y: 1)   line 5: reach(x: X, y: Z) :- edge(from: X, to: Y), reach(x: Y, y: Z).
                edge(from: 2, to: 3)   stored
                reach(x: 3, y: 1)   line 4: reach(x: X, y: Y) :- edge(from: X, to: Y).
                  edge(from: 3, to: 1)   stored
        "#]],
    );
    why(
        "apart(x: 1)",
        &expect![[r#"
        apart(x: 1, y: 4)   line 7: apart(x: X, y: Y) :- node(x: X), node(x: Y), X < Y, !reach(x: X, y: Y).
          node(x: 1)   line 6: node(x: X) :- edge(from: X).
            edge(from: 1, to: 2)   stored
          node(x: 4)   line 6: node(x: X) :- edge(from: X).
            edge(from: 4, to: 4)   stored
          1 < 4
          !reach(x: 1, y: 4)   absent
    "#]],
    );
    why(
        "bad(_)",
        &expect![[r#"
        bad(x: 2)   line 10: bad(x: X + 1) :- size(x: X, n: N), N > 2.
          size(x: 1, n: 3)   line 9: size(x: X, n: N) :- node(x: X), N := count : reach(x: X).
            node(x: 1)   line 6: node(x: X) :- edge(from: X).
              edge(from: 1, to: 2)   stored
            3 := count : reach(x: 1)   over 3 rows
          3 > 2
    "#]],
    );
    why(
        "edge(from: 4, to: _)",
        &expect![[r#"
        edge(from: 4, to: 4)   stored
    "#]],
    );
}

#[test]
fn a_missing_row_is_told_how_far_each_rule_gets() {
    why(
        "reach(1, 4)",
        &expect![[r#"
        line 4: reach(x: X, y: Y) :- edge(from: X, to: Y).
          edge(from: 1, to: 4)   fails: no row matches
        line 5: reach(x: X, y: Z) :- edge(from: X, to: Y), reach(x: Y, y: Z).
          edge(from: 1, to: 2)
          reach(x: 2, y: 4)   fails: no row matches
    "#]],
    );
    why(
        "apart(1, 2)",
        &expect![[r#"
        line 7: apart(x: X, y: Y) :- node(x: X), node(x: Y), X < Y, !reach(x: X, y: Y).
          node(x: 1)
          node(x: 2)
          1 < 2
          !reach(x: 1, y: 2)   fails: there is reach(x: 1, y: 2)
    "#]],
    );
    why(
        "size(x: 1, n: 4)",
        &expect![[r#"
        line 9: size(x: X, n: N) :- node(x: X), N := count : reach(x: X).
          node(x: 1)
          4 := count : reach(x: 1)   fails: it gives 3 := count : reach(x: 1)
    "#]],
    );
    why(
        "bad(5)",
        &expect![[r#"
        line 10: bad(x: X + 1) :- size(x: X, n: N), N > 2.
          size(x: 1, n: 3)
          3 > 2
          bad(x: 1 + 1)   fails: the head gives another row
    "#]],
    );
}

#[test]
fn a_question_that_makes_no_sense_is_told_so() {
    why(
        "raech(1, 4)",
        &expect![[r#"
        error[L020]: no output depends on a relation `raech`
         --> row:1:1
          |
        1 | raech(1, 4)
          | ^^^^^
          = did you mean `reach`?
    "#]],
    );
    why(
        "reach(1, 2, 3)",
        &expect![[r#"
        error[L034]: `reach` has 2 columns
         --> row:1:13
          |
        1 | reach(1, 2, 3)
          |             ^
          = they are: x, y
    "#]],
    );
    why(
        "reach(z: 1)",
        &expect![[r#"
        error[L021]: `reach` has no column `z`
         --> row:1:7
          |
        1 | reach(z: 1)
          |       ^
          = there are: x, y
    "#]],
    );
    why(
        "reach(\"a\")",
        &expect![[r#"
        error[L040]: `reach.x` is int and this is text
         --> row:1:7
          |
        1 | reach("a")
          |       ^^^
          = write a value of kind int
    "#]],
    );
    why(
        "reach 1",
        &expect![[r#"
        error[L010]: this is no row
         --> row:1:7
          |
        1 | reach 1
          |       ^
          = write it as in Reach(x: 1, y: _), or in the order of the columns: Reach(1, _)
    "#]],
    );
}

#[test]
fn a_long_derivation_is_neither_deep_nor_cut() {
    let edges: String = (0..2_000).map(|n| format!("edge(x: {n}, y: {}).\n", n + 1)).collect();
    let rules = "reach(x: 0). reach(x: Y) :- reach(x: X), edge(x: X, y: Y). output reach.";
    let compiled = compiled(&(edges + rules));
    let contents = contents(&compiled);
    let mut account = Account::new(&compiled, &contents, &compiled.facts);
    let derivation = account.why(&account.pattern("reach(2000)").unwrap()).unwrap();
    assert_eq!(derivation.nodes.len(), 4_001);
    assert!(derivation.to_string().lines().all(|line| line.len() < 200));
}

/// A term of a rule as it was made.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Term {
    Variable(char),
    Number(i64),
    Any,
}

impl Term {
    fn value(self, bindings: &Bindings) -> Option<i64> {
        match self {
            Term::Variable(name) => match bindings.get(name.to_string().as_str())? {
                Value::Int(number) => Some(*number),
                other => panic!("{other} is no number"),
            },
            Term::Number(number) => Some(number),
            Term::Any => None,
        }
    }
}

impl std::fmt::Display for Term {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Term::Variable(name) => write!(f, "{name}"),
            Term::Number(number) => write!(f, "{number}"),
            Term::Any => f.write_str("_"),
        }
    }
}

type Atom = (char, [Term; 2]);

#[derive(Clone, Debug)]
struct Rule {
    head: Atom,
    positive: Vec<Atom>,
    negative: Vec<Atom>,
    /// `N := count : atom`
    count: Option<Atom>,
    less: Option<(Term, Term)>,
}

fn shown((relation, [x, y]): &Atom) -> String {
    format!("{relation}(x: {x}, y: {y})")
}

impl Rule {
    fn text(&self) -> String {
        let positive = self.positive.iter().map(shown);
        let negative = self.negative.iter().map(|atom| format!("!{}", shown(atom)));
        let count = self.count.iter().map(|atom| format!("N := count : {}", shown(atom)));
        let less = self.less.iter().map(|(left, right)| format!("{left} < {right}"));
        let body: Vec<_> = positive.chain(negative).chain(count).chain(less).collect();
        format!("{} :- {}.", shown(&self.head), body.join(", "))
    }
}

/// Bytes to take decisions from.
struct Dice(std::vec::IntoIter<u8>);

impl Dice {
    fn below(&mut self, choices: usize) -> usize {
        usize::from(self.0.next().unwrap_or(0)) % choices
    }

    fn term(&mut self, among: &[char]) -> Term {
        match self.below(5) {
            0 => Term::Number(i64::try_from(self.below(4)).unwrap()),
            choice => among.get(choice % among.len().max(1)).map_or(Term::Any, |name| Term::Variable(*name)),
        }
    }

    fn atom(&mut self, relations: &[char], variables: &[char]) -> Atom {
        let relation = relations[self.below(relations.len())];
        (relation, [self.term(variables), self.term(variables)])
    }

    fn rule(&mut self, head: char, own: &[char], below: &[char]) -> Rule {
        let positive: Vec<Atom> = (0..=self.below(2)).map(|_| self.atom(own, &['X', 'Y', 'Z'])).collect();
        let bound: BTreeSet<char> = positive
            .iter()
            .flat_map(|(_, terms)| terms)
            .filter_map(|term| if let Term::Variable(name) = term { Some(*name) } else { None })
            .collect();
        let bound: Vec<char> = bound.into_iter().collect();
        let some = |dice: &mut Dice| dice.below(3) == 0;
        let negative = if some(self) { vec![self.atom(below, &bound)] } else { vec![] };
        let count = some(self).then(|| self.atom(below, &bound));
        let mut heads = bound.clone();
        heads.extend(count.is_some().then_some('N'));
        let value = |dice: &mut Dice| match dice.term(&heads) {
            Term::Any => Term::Number(1),
            term => term,
        };
        let less = some(self).then(|| (value(self), value(self)));
        Rule { head: (head, [value(self), value(self)]), positive, negative, count, less }
    }
}

fn rules(dice: &mut Dice) -> Vec<Rule> {
    let levels: [(char, &[char], &[char]); 3] = [
        ('p', &['e', 'p'], &['e']),
        ('q', &['e', 'p', 'q', 'r'], &['e', 'p']),
        ('r', &['p', 'q', 'r'], &['e', 'p']),
    ];
    let mut rules = Vec::new();
    for (head, own, below) in levels {
        for _ in 0..=dice.below(3) {
            rules.push(dice.rule(head, own, below));
        }
    }
    rules
}

/// A relation's rows as pairs of numbers.
fn pairs(contents: &Contents, relation: char) -> BTreeSet<[i64; 2]> {
    let rows = contents.get(relation.to_string().as_str()).into_iter().flatten();
    let number = |value: &Value| if let Value::Int(number) = value { *number } else { panic!("no number") };
    rows.map(|row| [number(&row[0]), number(&row[1])]).collect()
}

fn matching(contents: &Contents, (relation, terms): &Atom, bindings: &Bindings) -> usize {
    let fits = |row: &[i64; 2]| {
        terms.iter().zip(row).all(|(term, value)| term.value(bindings).is_none_or(|wanted| wanted == *value))
    };
    pairs(contents, *relation).iter().filter(|row| fits(row)).count()
}

/// The stupid checker of one step.
fn check_step(rule: &Rule, contents: &Contents, derivation: &Derivation, place: usize) {
    let node = &derivation.nodes[place];
    let Reason::Rule { bindings, premises, .. } = &node.reason else { panic!("a rule was expected") };
    let row = |terms: &[Term; 2]| -> Row {
        terms.iter().map(|term| term.value(bindings).unwrap().into()).collect()
    };
    assert_eq!(row(&rule.head.1), node.row, "the conclusion follows");
    let used: Vec<usize> = premises
        .iter()
        .filter_map(|one| if let Premise::Row(place) = one { Some(*place) } else { None })
        .collect();
    assert_eq!(used.len(), rule.positive.len());
    for ((relation, terms), place) in rule.positive.iter().zip(used) {
        let premise = &derivation.nodes[place];
        assert_eq!(*premise.relation, *relation.to_string());
        let value =
            |(term, value): (&Term, &Value)| term.value(bindings).is_none_or(|one| *value == one.into());
        assert!(terms.iter().zip(&premise.row).all(value), "the premise is an instance of the atom");
        assert!(contents[&premise.relation].contains(&premise.row), "the premise holds");
    }
    assert!(rule.negative.iter().all(|atom| matching(contents, atom, bindings) == 0), "nothing denies it");
    if let Some(atom) = &rule.count {
        let count = i64::try_from(matching(contents, atom, bindings)).unwrap();
        assert_eq!(bindings["N"], count.into(), "the count is right");
    }
    assert!(rule.less.iter().all(|(left, right)| left.value(bindings) < right.value(bindings)));
}

/// Nothing is explained by itself.
fn check_founded(derivation: &Derivation) {
    let mut done: BTreeSet<usize> = BTreeSet::new();
    loop {
        let founded = |place: &usize| match &derivation.nodes[*place].reason {
            Reason::Stored => true,
            Reason::Rule { premises, .. } => {
                premises.iter().all(|one| !matches!(one, Premise::Row(place) if !done.contains(place)))
            }
        };
        let new: Vec<usize> =
            (0..derivation.nodes.len()).filter(|one| !done.contains(one)).filter(founded).collect();
        if new.is_empty() {
            break;
        }
        done.extend(new);
    }
    assert_eq!(done.len(), derivation.nodes.len(), "a row is explained by itself:\n{derivation}");
}

fn check_program(bytes: Vec<u8>) {
    let mut dice = Dice(bytes.into_iter());
    let edges: BTreeSet<[usize; 2]> = (0..dice.below(8)).map(|_| [dice.below(4), dice.below(4)]).collect();
    let rules = rules(&mut dice);
    let lines: Vec<String> = rules.iter().map(Rule::text).collect();
    let facts: String = edges.iter().map(|[x, y]| format!("e(x: {x}, y: {y}). ")).collect();
    let text = format!(
        "{}\nrelation e(x: int, y: int). input e. output e. output p. output q. output r. {facts}",
        lines.join("\n")
    );
    let compiled = compiled(&text);
    let contents = contents(&compiled);
    let mut account = Account::new(&compiled, &contents, &compiled.facts);
    for relation in ['p', 'q', 'r'] {
        let there = pairs(&contents, relation);
        for (x, y) in (0..5).flat_map(|x| (0..5).map(move |y| (x, y))) {
            let pattern = account.pattern(&format!("{relation}({x}, {y})")).unwrap();
            let attempts = account.why_not(&pattern);
            assert_eq!(attempts.len(), rules.iter().filter(|rule| rule.head.0 == relation).count());
            let derived = attempts.iter().any(|attempt| attempt.failed.is_none());
            assert_eq!(derived, there.contains(&[x, y]), "{relation}({x}, {y}) of\n{text}");
            let Some(derivation) = account.why(&pattern) else {
                assert!(!there.contains(&[x, y]));
                continue;
            };
            assert_eq!(derivation.nodes[0].row, [Value::Int(x), Value::Int(y)]);
            check_founded(&derivation);
            for (place, node) in derivation.nodes.iter().enumerate() {
                match &node.reason {
                    Reason::Stored => assert!(compiled.facts[&node.relation].contains(&node.row)),
                    Reason::Rule { line, .. } => {
                        check_step(&rules[line - 1], &contents, &derivation, place);
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("MOTET_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24)
    ))]

    #[test]
    fn every_row_is_explained_and_every_other_is_not(bytes in prop::collection::vec(any::<u8>(), 20..120)) {
        check_program(bytes);
    }
}
