//! Random stratified programs, with random streams of changes of their inputs.
//!
//! A program has a few inputs and several strata; each relation of a stratum has a few rules over what lies below, and
//! in recursive strata over the stratum's own relations. Rules use everything the language has: omitted columns,
//! constants and terms in atoms and heads, repeated variables, `_`, negation, aggregates, comparisons, bindings,
//! nullary relations, CIDs. The maker knows the type of each variable, so that what it makes compiles. Values come from
//! small domains and variables are shared more often than not, so that most results have rows; recursive rules compute
//! only within a finite domain, so that they end.

use std::collections::BTreeSet;

use motet_algebra::ColumnType;
use motet_fact::{Cid, Codec, Kind, Value};

use crate::dice::Dice;
use crate::program::{Aggregate, Atom, Case, Change, Condition, Contents, Relation, Rule, Term};

/// Which part of the language a program may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// What clingo means the same by: small ints and text, order among ints only.
    Plain,
    /// All of it.
    Full,
}

const INT: ColumnType = ColumnType::Kind(Kind::Int);
const FLOAT: ColumnType = ColumnType::Kind(Kind::Float);
const TEXT: ColumnType = ColumnType::Kind(Kind::Text);
const BOOL: ColumnType = ColumnType::Kind(Kind::Bool);
const LINK: ColumnType = ColumnType::Kind(Kind::Link);

/// The case with a number.
pub(crate) fn case(seed: u64, profile: Profile) -> Case {
    let case = Case { relations: vec![], rules: vec![], stream: vec![] };
    let mut maker = Maker { dice: Dice::new(seed), profile, case };
    maker.inputs();
    for stratum in 0..=maker.dice.below(5) {
        maker.stratum(stratum);
    }
    maker.stream();
    maker.case
}

struct Maker {
    dice: Dice,
    profile: Profile,
    case: Case,
}

impl Maker {
    fn inputs(&mut self) {
        for name in ["a", "b", "C", "d"].into_iter().take(2 + self.dice.below(3)) {
            let mut relation = self.relation(name.to_owned());
            relation.input = true;
            relation.output = self.dice.percent(10);
            relation.declared = true;
            self.case.relations.push(relation);
        }
    }

    fn relation(&mut self, name: String) -> Relation {
        let width = self.dice.pick(&[0, 1, 1, 2, 2, 2, 2, 3, 3]);
        let names =
            self.dice.pick(&[["x", "y", "z"], ["y", "x", "z"], ["from", "to", "by"], ["z", "x", "y2"]]);
        let columns: Vec<_> =
            names[..width].iter().map(|name| ((*name).to_owned(), self.column_type())).collect();
        let any = columns.iter().any(|(_, of)| *of == ColumnType::Any);
        let declared = any || self.dice.percent(60);
        Relation { name, columns, declared, input: false, output: self.dice.percent(85) }
    }

    fn column_type(&mut self) -> ColumnType {
        let others = [Kind::Bool, Kind::Bytes, Kind::Link, Kind::Text].map(ColumnType::Kind);
        match (self.profile, self.dice.below(20)) {
            (Profile::Plain, 0..=12) | (Profile::Full, 0..=7) => INT,
            (Profile::Plain, 13..=16) => TEXT,
            (Profile::Full, 8..=11) => FLOAT,
            (Profile::Full, 12..=14) => self.dice.pick(&others),
            _ => ColumnType::Any,
        }
    }

    /// A value of a type; those that tend to meet are the likely ones.
    fn value(&mut self, of: ColumnType) -> Value {
        let rare = self.dice.percent(8) && self.profile == Profile::Full;
        match of {
            ColumnType::Any => {
                let plain = [INT, INT, INT, TEXT];
                let full = [INT, INT, INT, TEXT, FLOAT, FLOAT, BOOL, LINK, ColumnType::Kind(Kind::Bytes)];
                let of = self.dice.pick(if self.profile == Profile::Plain { &plain[..] } else { &full[..] });
                self.value(of)
            }
            INT if rare => {
                Value::Int(self.dice.pick(&[i64::MAX, i64::MIN, i64::MAX - 1, (1 << 53) + 1, -(1 << 62)]))
            }
            INT => Value::Int(self.dice.pick(&[0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, -1])),
            FLOAT if rare => {
                let large = [1e300, f64::MAX, -f64::MAX, 1e-300, 5e-324, 9_007_199_254_740_992.0, 9.3e18];
                Value::float(self.dice.pick(&large)).expect("these are finite")
            }
            FLOAT => {
                Value::float(self.dice.pick(&[0.0, 1.0, 2.0, 0.5, 0.1, -1.5])).expect("these are finite")
            }
            TEXT => Value::from(self.dice.pick(&["a", "a", "b", "c", "", "Ab\"é"])),
            BOOL => Value::Bool(self.dice.percent(50)),
            ColumnType::Kind(Kind::Bytes) => Value::bytes(self.dice.pick(&[&b""[..], b"a", b"a\0"]).to_vec()),
            LINK => Value::Link(Cid::of(Codec::Raw, self.dice.pick(&[b"1", b"2"]))),
        }
    }

    /// One or two relations with their rules.
    fn stratum(&mut self, number: usize) {
        let below = self.case.relations.len();
        for one in 0..=self.dice.below(2) {
            let mut relation = self.relation(format!("r{number}{}", ["", "b"][one]));
            relation.input = relation.declared && self.dice.percent(10);
            self.case.relations.push(relation);
        }
        let own = self.case.relations[below..].to_vec();
        let recursive = self.dice.percent(60);
        for relation in &own {
            self.rule(relation, below, &[]);
            for _ in 0..self.dice.below(3) {
                self.rule(relation, below, if recursive { &own } else { &[] });
            }
        }
    }

    fn rule(&mut self, head: &Relation, below: usize, own: &[Relation]) {
        if own.is_empty() && !head.input && self.dice.percent(4) {
            let arguments =
                head.columns.iter().map(|(name, of)| (name.clone(), Term::Constant(self.value(*of))));
            let head = Atom { relation: head.name.clone(), arguments: arguments.collect() };
            return self.case.rules.push(Rule { head, body: vec![] });
        }
        let below = self.case.relations[..below].to_vec();
        let finite = !own.is_empty();
        let mut maker = RuleMaker { maker: self, below, finite, bound: vec![], names: 0, body: vec![] };
        maker.body(own);
        let rule = maker.finish(head);
        self.case.rules.push(rule);
    }

    /// Rows come and go; a row may come in the same epoch in which it goes.
    fn stream(&mut self) {
        let inputs: Vec<Relation> = self.case.relations.iter().filter(|one| one.input).cloned().collect();
        let mut contents = Contents::new();
        for epoch in 0..2 + self.dice.below(4) {
            let mut changes = Vec::new();
            for relation in &inputs {
                let most = if epoch == 0 { 10 } else { 4 };
                for _ in 0..self.dice.below(most) + if epoch == 0 { 4 } else { 0 } {
                    let there: Vec<_> = contents.get(&relation.name).into_iter().flatten().cloned().collect();
                    let insert = epoch == 0 || there.is_empty() || self.dice.percent(45);
                    let fresh = || relation.columns.iter().map(|(_, of)| *of);
                    let row = match insert {
                        true => fresh().map(|of| self.value(of)).collect(),
                        false => self.dice.pick(&there),
                    };
                    changes.push(Change { relation: relation.name.clone(), row, insert });
                }
            }
            Case::advance(&mut contents, &changes);
            self.case.stream.push(changes);
        }
    }
}

/// Which variables an atom may use.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Positive,
    Negated,
    Aggregated,
}

/// A variable that the body binds.
#[derive(Clone)]
struct Bound {
    name: String,
    /// What its values are.
    of: ColumnType,
    /// What it is also compared with: a variable that meets two kinds is refused.
    meets: ColumnType,
}

/// Makes one rule.
struct RuleMaker<'a> {
    maker: &'a mut Maker,
    below: Vec<Relation>,
    /// Whether what it computes must stay in a finite domain.
    finite: bool,
    bound: Vec<Bound>,
    /// How many variables have got a name.
    names: usize,
    body: Vec<Condition>,
}

impl RuleMaker<'_> {
    fn dice(&mut self) -> &mut Dice {
        &mut self.maker.dice
    }

    fn plain(&self) -> bool {
        self.maker.profile == Profile::Plain
    }

    fn name(&mut self) -> String {
        self.names += 1;
        ["X", "Y", "Z", "Who", "V1", "_u"]
            .get(self.names - 1)
            .map_or(format!("V{}", self.names), |one| (*one).to_owned())
    }

    fn body(&mut self, own: &[Relation]) {
        if !own.is_empty() {
            let relation = self.dice().pick(own);
            self.holds(&relation, true);
        }
        for _ in 0..self.dice().pick(&[1, 1, 1, 2, 2, 3]) {
            let own = !own.is_empty() && self.dice().percent(25);
            let relation = self.lower();
            self.holds(&relation, own);
        }
        if self.dice().percent(25) {
            self.equate();
        }
        if self.dice().percent(if own.is_empty() { 40 } else { 10 }) {
            self.aggregate();
        }
        if self.dice().percent(30) {
            let relation = self.lower();
            let atom = self.atom(&relation, Use::Negated);
            self.body.push(Condition::Not(atom));
        }
        if self.dice().percent(30) {
            self.compare();
        }
    }

    /// A relation below, most likely one with rules.
    fn lower(&mut self) -> Relation {
        let below = self.below.clone();
        let late = below.len().saturating_sub(3);
        if self.dice().percent(50) { self.dice().pick(&below[late..]) } else { self.dice().pick(&below) }
    }

    fn holds(&mut self, relation: &Relation, own: bool) {
        let atom = self.atom(relation, Use::Positive);
        let cid = (!own && !self.finite && !self.plain() && self.dice().percent(12)).then(|| self.name());
        cid.iter().for_each(|name| self.bind(name, LINK));
        self.body.push(Condition::Holds { cid, atom });
    }

    fn atom(&mut self, relation: &Relation, used: Use) -> Atom {
        let mut arguments = Vec::new();
        let before = self.bound.len();
        for (column, of) in &relation.columns {
            let term = match self.dice().below(100) {
                0..=17 => continue,
                18..=23 => Term::Constant(self.maker.value(*of)),
                24..=26 => Term::Anything,
                27..=29 if *of == INT => self.int_term(1),
                _ => match self.argument(*of, used, before) {
                    Some(name) => Term::Variable(name),
                    None => continue,
                },
            };
            arguments.push((column.clone(), term));
        }
        Atom { relation: relation.name.clone(), arguments }
    }

    /// A variable for a column: one that is bound, seldom by this atom itself, or where the atom can bind it a new one.
    fn argument(&mut self, of: ColumnType, used: Use, before: usize) -> Option<String> {
        let before = if self.dice().percent(12) { self.bound.len() } else { before };
        let fits = self.compatible(of, before);
        if !fits.is_empty() && (used == Use::Negated || self.dice().percent(60)) {
            let name = self.dice().pick(&fits);
            self.meet(&name, of, used);
            return Some(name);
        }
        if used == Use::Negated || (used == Use::Aggregated && self.dice().percent(70)) {
            return None;
        }
        let name = self.name();
        if used == Use::Positive {
            self.bind(&name, of);
        }
        Some(name)
    }

    /// The first bound variables, as far as a column can have their values.
    fn compatible(&self, of: ColumnType, first: usize) -> Vec<String> {
        let fits = |one: ColumnType| one == of || one == ColumnType::Any || of == ColumnType::Any;
        self.bound[..first].iter().filter(|one| fits(one.meets)).map(|one| one.name.clone()).collect()
    }

    fn of_type(&self, of: ColumnType) -> Vec<String> {
        self.bound.iter().filter(|one| one.of == of).map(|one| one.name.clone()).collect()
    }

    fn bind(&mut self, name: &str, of: ColumnType) {
        self.bound.push(Bound { name: name.to_owned(), of, meets: of });
    }

    /// A bound variable stands in a column: in a positive atom it takes the column's type.
    fn meet(&mut self, name: &str, of: ColumnType, used: Use) {
        let one = self.bound.iter_mut().find(|one| one.name == name).expect("it is bound");
        if one.meets == ColumnType::Any {
            one.meets = of;
        }
        if used == Use::Positive && one.of == ColumnType::Any {
            one.of = of;
        }
    }

    /// A bound variable of a type, or a value of it.
    fn simple(&mut self, of: ColumnType) -> Term {
        let fits = self.of_type(of);
        if fits.is_empty() || self.dice().percent(20) {
            return Term::Constant(self.maker.value(of));
        }
        Term::Variable(self.dice().pick(&fits))
    }

    /// A term of type int; in a recursive rule one with few values.
    fn int_term(&mut self, depth: usize) -> Term {
        let operand = |maker: &mut Self| match depth {
            0 | 1 => maker.simple(INT),
            _ => maker.int_term(depth - 1),
        };
        let small = |maker: &mut Self| Term::Constant(Value::Int(maker.dice().pick(&[1, 2, 3, -2, 0])));
        if self.finite {
            let sum = Term::Apply("+", vec![self.simple(INT), Term::Constant(Value::Int(1))]);
            return Term::Apply("%", vec![sum, Term::Constant(Value::Int(5))]);
        }
        let choices = if self.plain() { 7 } else { 11 };
        match self.dice().below(choices) {
            0 | 1 => Term::Apply("+", vec![operand(self), operand(self)]),
            2 => Term::Apply("-", vec![operand(self), operand(self)]),
            3 => Term::Apply("*", vec![operand(self), small(self)]),
            4 => Term::Apply("/", vec![operand(self), small(self)]),
            5 => Term::Apply("%", vec![operand(self), small(self)]),
            6 => Term::Apply("-", vec![operand(self)]),
            7 => Term::Apply("abs", vec![operand(self)]),
            8 => {
                let function = self.dice().pick(&["min2", "max2"]);
                Term::Apply(function, vec![operand(self), operand(self)])
            }
            9 => Term::Apply("length", vec![self.simple(TEXT)]),
            _ => Term::Apply("int", vec![self.simple(FLOAT)]),
        }
    }

    /// A term of a type, beyond variables and constants where there are functions for it.
    fn term(&mut self, of: ColumnType) -> Term {
        if self.finite && of != INT {
            return self.simple(of);
        }
        let plain = self.plain();
        match of {
            INT => {
                let depth = 1 + self.dice().below(2);
                self.int_term(depth)
            }
            FLOAT => match self.dice().below(4) {
                0 => Term::Apply("float", vec![self.simple(INT)]),
                1 => Term::Apply("/", vec![self.simple(FLOAT), self.simple(FLOAT)]),
                _ => {
                    let operator = self.dice().pick(&["+", "-", "*", "%", "min2", "max2"]);
                    Term::Apply(operator, vec![self.simple(FLOAT), self.simple(FLOAT)])
                }
            },
            TEXT if !plain => match self.dice().below(2) {
                0 => Term::Apply("concat", vec![self.simple(TEXT), self.simple(TEXT)]),
                _ => Term::Apply("lower", vec![self.simple(TEXT)]),
            },
            BOOL => {
                let function = self.dice().pick(&["contains", "starts_with"]);
                Term::Apply(function, vec![self.simple(TEXT), self.simple(TEXT)])
            }
            ColumnType::Any if self.bound.is_empty() => self.simple(INT),
            ColumnType::Any => {
                let all: Vec<Term> = self.bound.iter().map(|one| Term::Variable(one.name.clone())).collect();
                let one = self.dice().pick(&all);
                if plain || self.dice().percent(70) {
                    return one;
                }
                let function = self.dice().pick(&["min2", "max2"]);
                Term::Apply(function, vec![one, self.dice().pick(&all)])
            }
            TEXT | ColumnType::Kind(_) => self.simple(of),
        }
    }

    /// `V == term`, or the term first.
    fn equate(&mut self) {
        let types = if self.plain() { &[INT, INT, TEXT][..] } else { &[INT, INT, FLOAT, TEXT, BOOL][..] };
        let of = self.dice().pick(types);
        let term = self.term(of);
        let name = self.name();
        self.bind(&name, of);
        let name = Term::Variable(name);
        let sides = if self.dice().percent(70) { (name, term) } else { (term, name) };
        self.body.push(Condition::Compare("==", sides.0, sides.1));
    }

    /// A condition on what is bound; nothing if nothing is.
    fn compare(&mut self) {
        let bound = self.bound.clone();
        if bound.is_empty() {
            return;
        }
        let Bound { name, of, .. } = self.dice().pick(&bound);
        let ordered = !self.plain() || of == INT;
        let operators = ["!=", "==", "!=", "!=", "<", "<=", "<=", ">", ">="];
        let operator = self.dice().pick(if ordered { &operators[..] } else { &operators[..4] });
        let numbers = of == INT && ["<", "<=", ">", ">="].contains(&operator) && !self.plain();
        let right = match () {
            () if numbers && self.dice().percent(20) => self.simple(FLOAT),
            () if of == ColumnType::Any && self.dice().percent(50) => Term::Constant(self.maker.value(of)),
            () if of == INT && self.dice().percent(30) => self.int_term(1),
            () => self.simple(of),
        };
        self.body.push(Condition::Compare(operator, Term::Variable(name), right));
    }

    fn aggregate(&mut self) {
        let relation = self.lower();
        let functions =
            ["count", "count", "sum", "sum", "min", "max", "count X", "arg_max", "arg_min", "rank", "mean"];
        let functions = if self.plain() { &functions[..10] } else { &functions[..] };
        let function = self.dice().pick(functions);
        let takes = |of: ColumnType| match function {
            "sum" | "mean" if !self.plain() => matches!(of, INT | FLOAT | ColumnType::Any),
            "count" | "count X" => true,
            _ => of == INT || !self.plain(),
        };
        let columns: Vec<_> = relation.columns.iter().filter(|(_, of)| takes(*of)).cloned().collect();
        let wanted = match function {
            "count" => 0,
            "arg_max" | "arg_min" | "rank" => 2 + self.dice().below(2),
            _ => 1,
        };
        if columns.len() < wanted.min(2) {
            return;
        }
        self.aggregate_over(&relation, &columns, function, wanted.min(columns.len()));
    }

    /// The atom with new variables in the columns that the function looks at.
    fn aggregate_over(
        &mut self,
        relation: &Relation,
        columns: &[(String, ColumnType)],
        function: &'static str,
        wanted: usize,
    ) {
        let chosen = self.dice().several(columns, wanted);
        let before: BTreeSet<String> = self.bound.iter().map(|one| one.name.clone()).collect();
        let mut atom = self.atom(relation, Use::Aggregated);
        let mut names = Vec::new();
        for (column, of) in &chosen {
            let name = self.looked_at(*of, function == "rank" && names.is_empty());
            atom.arguments.retain(|(one, term)| one != column && !variables(term).contains(&name));
            atom.arguments.push((column.clone(), Term::Variable(name.clone())));
            names.push(name);
        }
        let of = chosen.first().map_or(INT, |(_, of)| *of);
        let gives = match function {
            "count" | "count X" | "rank" => INT,
            "mean" => FLOAT,
            _ => of,
        };
        let used: BTreeSet<String> = atom.arguments.iter().flat_map(|(_, term)| variables(term)).collect();
        let result = self.result(gives, &used);
        let shared = used.intersection(&before).filter(|name| names.first() != Some(name));
        let keys = shared.cloned().collect();
        let over = names.first().cloned();
        if let (Some(name), "rank") = (&over, function) {
            self.bind(name, of);
        }
        let function = function.split(' ').next().unwrap_or(function);
        let by = names.into_iter().skip(1).collect();
        self.body.push(Condition::Aggregate(Aggregate { result, function, over, by, keys, atom }));
    }

    /// A new variable for a column that an aggregate looks at; of what is ranked now and then a bound one.
    fn looked_at(&mut self, of: ColumnType, ranked: bool) -> String {
        let fits = self.of_type(of);
        if ranked && !fits.is_empty() && self.dice().percent(30) {
            self.dice().pick(&fits)
        } else {
            self.name()
        }
    }

    /// A new variable for a result, or now and then a bound one that must equal it.
    fn result(&mut self, of: ColumnType, used: &BTreeSet<String>) -> String {
        let mut fits = self.of_type(of);
        fits.retain(|name| !used.contains(name));
        if !fits.is_empty() && self.dice().percent(12) {
            return self.dice().pick(&fits);
        }
        let name = self.name();
        self.bind(&name, of);
        name
    }

    fn finish(mut self, head: &Relation) -> Rule {
        let plain = self.plain();
        let mut arguments = Vec::new();
        for (column, of) in &head.columns {
            let mut fits = self.of_type(*of);
            if fits.is_empty() && (*of == ColumnType::Any || (head.declared && self.dice().percent(30))) {
                fits = self.compatible(*of, self.bound.len());
            }
            let term = match self.dice().below(10) {
                0 => Term::Constant(self.maker.value(*of)),
                1 if !(plain && *of == ColumnType::Any) => self.term(*of),
                _ if fits.is_empty() => self.term(*of),
                _ => Term::Variable(self.dice().pick(&fits)),
            };
            arguments.push((column.clone(), term));
        }
        self.maker.dice.shuffle(&mut arguments);
        let mut body = self.body;
        self.maker.dice.shuffle(&mut body);
        Rule { head: Atom { relation: head.name.clone(), arguments }, body }
    }
}

/// The variables of a term.
pub(crate) fn variables(term: &Term) -> BTreeSet<String> {
    match term {
        Term::Variable(name) => BTreeSet::from([name.clone()]),
        Term::Anything | Term::Constant(_) => BTreeSet::new(),
        Term::Apply(_, of) => of.iter().flat_map(variables).collect(),
    }
}
