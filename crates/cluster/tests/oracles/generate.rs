//! Random stratified programs, with random streams of changes of their inputs.
//!
//! A program has a few inputs and several strata; each relation of a stratum has a few rules over what lies below, and
//! in recursive strata over the stratum's own relations. Rules use everything the language has: omitted columns,
//! constants and terms in atoms and heads, repeated variables, `_`, negation, aggregates, comparisons, bindings,
//! nullary relations, CIDs. The maker knows the type of each variable, so that what it makes compiles. Values come from
//! small domains and variables are shared more often than not, so that most results have rows; recursive rules compute
//! only within a finite domain, so that they end.
//!
//! A program with time has events, relations that rules for the next epoch fill, and such rules for other relations too.
//! They read whatever there is, but each keeps the rows of its head or reads an instantaneous relation (PL-7).

use std::collections::BTreeSet;

use motet_algebra::ColumnType;
use motet_fact::{Cid, Codec, Kind, Value};

use crate::common::replay::Contents;
use crate::dice::Dice;
use crate::program::{Aggregate, Atom, Case, Change, Condition, Relation, Rule, Term};

/// Which part of the language a program may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// What clingo means the same by: small ints and text, order among ints only.
    Plain,
    /// All of it but time.
    Full,
    /// All of it.
    Timed,
}

const INT: ColumnType = ColumnType::Kind(Kind::Int);
const FLOAT: ColumnType = ColumnType::Kind(Kind::Float);
const TEXT: ColumnType = ColumnType::Kind(Kind::Text);
const BOOL: ColumnType = ColumnType::Kind(Kind::Bool);
const LINK: ColumnType = ColumnType::Kind(Kind::Link);

/// The case with a number.
pub(crate) fn case(seed: u64, profile: Profile) -> Case {
    let case = Case { relations: vec![], rules: vec![], stream: vec![], rests: false };
    let mut maker = Maker { dice: Dice::new(seed), profile, outputs: 85, case };
    if maker.dice.percent(25) {
        maker.outputs = 25;
    }
    maker.inputs();
    if profile == Profile::Timed {
        maker.events();
        maker.states();
    }
    for stratum in 0..=maker.dice.below(5) {
        maker.stratum(stratum);
    }
    if profile == Profile::Timed {
        maker.induction();
    }
    if !maker.case.relations.iter().any(|one| one.output) {
        maker.case.relations.last_mut().expect("a stratum has a relation").output = true;
    }
    maker.stream();
    maker.case
}

struct Maker {
    dice: Dice,
    profile: Profile,
    /// How many in a hundred of the relations with rules are outputs.
    outputs: usize,
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
        if self.profile != Profile::Plain && self.dice.percent(35) {
            let moves = self.moves();
            self.case.relations.push(moves);
        }
    }

    /// An input of moves in a tree.
    fn moves(&mut self) -> Relation {
        let node = self.dice.pick(&[INT, INT, TEXT, ColumnType::Any]);
        let column = |name: &str, of| (name.to_owned(), of);
        let mut columns = vec![column("node", node), column("to", node), column("at", INT)];
        let third = self.column_type();
        columns.extend(self.dice.percent(50).then(|| column("by", third)));
        self.dice.shuffle(&mut columns);
        let output = self.dice.percent(10);
        Relation { name: "moves".to_owned(), columns, declared: true, input: true, event: false, output }
    }

    fn events(&mut self) {
        for name in ["e", "E"].into_iter().take(1 + self.dice.below(2)) {
            let mut relation = self.relation(name.to_owned());
            (relation.input, relation.event, relation.declared) = (true, true, true);
            self.case.relations.push(relation);
        }
    }

    /// Relations that begin empty, and are filled by rules for the next epoch.
    fn states(&mut self) {
        for number in 0..1 + self.dice.below(3) {
            let mut relation = self.relation(format!("s{number}"));
            relation.input = relation.declared && self.dice.percent(10);
            self.case.relations.push(relation);
        }
    }

    fn relation(&mut self, name: String) -> Relation {
        let width = self.dice.pick(&[0, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 4]);
        let names = [
            ["x", "y", "z", "u"],
            ["y", "x", "z", "next"],
            ["from", "to", "by", "event"],
            ["z", "x", "y2", "y"],
        ];
        let names = self.dice.pick(&names);
        let columns: Vec<_> =
            names[..width].iter().map(|name| ((*name).to_owned(), self.column_type())).collect();
        let any = columns.iter().any(|(_, of)| *of == ColumnType::Any);
        let declared = any || self.dice.percent(60);
        let output = self.dice.percent(self.outputs);
        Relation { name, columns, declared, input: false, event: false, output }
    }

    fn column_type(&mut self) -> ColumnType {
        let others = [Kind::Bool, Kind::Bytes, Kind::Link, Kind::Text].map(ColumnType::Kind);
        match (self.profile, self.dice.below(20)) {
            (Profile::Plain, 0..=12) | (_, 0..=7) => INT,
            (Profile::Plain, 13..=16) => TEXT,
            (Profile::Full | Profile::Timed, 8..=11) => FLOAT,
            (Profile::Full | Profile::Timed, 12..=14) => self.dice.pick(&others),
            _ => ColumnType::Any,
        }
    }

    /// A value of a type; those that tend to meet are the likely ones.
    fn value(&mut self, of: ColumnType) -> Value {
        let rare = self.dice.percent(8) && self.profile != Profile::Plain;
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
            TEXT if rare => {
                Value::from(self.dice.pick(&["1971-03-01T24:00:00Z", "1600-02-29T23:30:00.5-01:00"]))
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
        if own.is_empty() && self.dice.percent(4) {
            return self.fact(head);
        }
        let below = self.case.relations[..below].to_vec();
        let mut maker = RuleMaker::new(self, below, !own.is_empty());
        maker.body(own);
        let rule = maker.finish(head);
        self.case.rules.push(rule);
    }

    fn fact(&mut self, head: &Relation) {
        let arguments = head.columns.iter().map(|(name, of)| (name.clone(), Term::Constant(self.value(*of))));
        let head = Atom { relation: head.name.clone(), arguments: arguments.collect() };
        self.case.rules.push(Rule { head, next: false, body: vec![] });
    }

    /// Rules for the next epoch: of those relations that have no others, and of some that have. The event `e` has no
    /// rules, so that it ends whatever reads it.
    fn induction(&mut self) {
        let all = self.case.relations.clone();
        for relation in &all {
            let state = relation.name.starts_with('s');
            let often = match (state, relation.event, relation.input) {
                (true, ..) => 1 + self.dice.below(3),
                (_, true, _) => usize::from(relation.name != "e" && self.dice.percent(20)),
                (_, _, true) => usize::from(self.dice.percent(15)),
                (..) => usize::from(self.dice.percent(30)),
            };
            for _ in 0..often {
                self.inductive_rule(relation, &all);
            }
            if relation.event && self.dice.percent(10) {
                self.fact(relation);
            }
        }
        // Rules over what is stored: the event ends nothing then.
        let rules = |one: &&Relation| one.event && one.name == "E" && self.dice.percent(15);
        if let Some(event) = all.iter().find(rules) {
            let derived = |one: &Relation| {
                self.case.rules.iter().any(|rule| !rule.next && rule.head.relation == one.name)
            };
            let stored: Vec<_> = all.iter().filter(|one| !one.event && !derived(one)).cloned().collect();
            let mut maker = RuleMaker::new(self, stored, false);
            maker.body(&[]);
            let rule = maker.finish(event);
            self.case.rules.push(rule);
        }
        self.come_to_rest();
    }

    fn inductive_rule(&mut self, head: &Relation, all: &[Relation]) {
        let instantaneous = self.case.instantaneous();
        let waits: Vec<_> = all.iter().filter(|one| instantaneous.contains(&one.name)).cloned().collect();
        let keeps = self.dice.percent(45);
        let mut maker = RuleMaker::new(self, all.to_vec(), false);
        let mut rule = if keeps {
            let kept = maker.kept(head);
            maker.more(&[2, 1, 1]);
            maker.finish_with(kept)
        } else {
            let one = maker.dice().pick(&waits);
            maker.holds(&one, false);
            maker.more(&[1, 1, 1]);
            maker.finish(head)
        };
        rule.next = true;
        self.case.rules.push(rule);
    }

    /// A rule may have made a relation lasting that others waited for: those wait for an event then.
    fn come_to_rest(&mut self) {
        while let Some(at) = self.case.restless() {
            let atom = Atom { relation: "e".to_owned(), arguments: vec![] };
            self.case.rules[at].body.push(Condition::Holds { cid: None, atom });
        }
    }

    /// Rows come and go; a row may come in the same epoch in which it goes. Events only come. In some epochs of a
    /// program with time nothing happens.
    fn stream(&mut self) {
        let timed = self.profile == Profile::Timed;
        let inputs: Vec<Relation> = self.case.relations.iter().filter(|one| one.input).cloned().collect();
        let mut contents = Contents::new();
        self.case.advance(&mut contents, &self.case.stated());
        for epoch in 0..2 + self.dice.below(4) + usize::from(timed) {
            let mut changes = Vec::new();
            let quiet = timed && epoch > 0 && self.dice.percent(20);
            for relation in inputs.iter().filter(|_| !quiet) {
                for _ in 0..self.how_many(relation, epoch == 0) {
                    changes.push(self.change(relation, &contents, epoch == 0));
                }
            }
            self.case.advance(&mut contents, &changes);
            self.case.stream.push(changes);
        }
        self.case.rests = timed && self.dice.percent(50);
    }

    /// How many rows of an input change in an epoch.
    fn how_many(&mut self, relation: &Relation, first: bool) -> usize {
        match (relation.event, first) {
            (true, _) => self.dice.pick(&[0, 0, 1, 1, 2, 4]),
            (false, true) => 4 + self.dice.below(10),
            (false, false) => self.dice.below(4),
        }
    }

    fn change(&mut self, relation: &Relation, contents: &Contents, first: bool) -> Change {
        let there: Vec<_> = contents.get(&*relation.name).into_iter().flatten().cloned().collect();
        let insert = relation.event || first || there.is_empty() || self.dice.percent(45);
        let row = match insert {
            true => relation.columns.iter().map(|(_, of)| self.value(*of)).collect(),
            false => self.dice.pick(&there),
        };
        Change { relation: relation.name.clone(), row, insert }
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

impl<'a> RuleMaker<'a> {
    fn new(maker: &'a mut Maker, below: Vec<Relation>, finite: bool) -> Self {
        RuleMaker { maker, below, finite, bound: vec![], names: 0, body: vec![] }
    }

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
        self.conditions(own);
    }

    /// Conditions beside atoms that hold.
    fn conditions(&mut self, own: &[Relation]) {
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

    /// Nothing more, conditions, or atoms and conditions: so often each.
    fn more(&mut self, often: &[usize; 3]) {
        match self.dice().below(often.iter().sum()) {
            one if one < often[0] => {}
            one if one < often[0] + often[1] => self.conditions(&[]),
            _ => self.body(&[]),
        }
    }

    /// The head as it stands in the body of a rule that keeps rows.
    fn kept(&mut self, head: &Relation) -> Atom {
        let mut arguments = Vec::new();
        for (column, of) in &head.columns {
            let term = if self.dice().percent(12) {
                Term::Constant(self.maker.value(*of))
            } else {
                let name = self.name();
                self.bind(&name, *of);
                Term::Variable(name)
            };
            arguments.push((column.clone(), term));
        }
        let atom = Atom { relation: head.name.clone(), arguments };
        self.body.push(Condition::Holds { cid: None, atom: atom.clone() });
        atom
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
        let choices = if self.plain() { 7 } else { 15 };
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
            10 => Term::Apply("int", vec![self.simple(FLOAT)]),
            11 => {
                let function = self.dice().pick(&["bit_and", "bit_or", "bit_xor"]);
                Term::Apply(function, vec![operand(self), operand(self)])
            }
            12 => Term::Apply("pow", vec![self.simple(INT), small(self)]),
            13 => {
                let function = self.dice().pick(&["index_of", "parts"]);
                Term::Apply(function, vec![self.simple(TEXT), self.simple(TEXT)])
            }
            _ => Term::Apply("time", vec![self.text_term()]),
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
            FLOAT => match self.dice().below(5) {
                0 => Term::Apply("float", vec![self.simple(INT)]),
                1 => {
                    let function = self.dice().pick(&["floor", "ceil", "round", "sqrt", "abs"]);
                    Term::Apply(function, vec![self.simple(FLOAT)])
                }
                2 => Term::Apply("/", vec![self.simple(FLOAT), self.simple(FLOAT)]),
                _ => {
                    let operator = self.dice().pick(&["+", "-", "*", "%", "min2", "max2"]);
                    Term::Apply(operator, vec![self.simple(FLOAT), self.simple(FLOAT)])
                }
            },
            TEXT if !plain => self.text_term(),
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

    fn text_term(&mut self) -> Term {
        let place = |maker: &mut Self| Term::Constant(Value::Int(maker.dice().pick(&[0, 1, 2, -1, -2, 5])));
        match self.dice().below(8) {
            0 | 1 => Term::Apply("concat", vec![self.simple(TEXT), self.simple(TEXT)]),
            2 => {
                let function = self.dice().pick(&["lower", "upper", "trim"]);
                Term::Apply(function, vec![self.simple(TEXT)])
            }
            3 => Term::Apply("split", vec![self.simple(TEXT), self.simple(TEXT), place(self)]),
            4 => Term::Apply("slice", vec![self.simple(TEXT), place(self), place(self)]),
            5 => Term::Apply("replace", vec![self.simple(TEXT), self.simple(TEXT), self.simple(TEXT)]),
            6 => Term::Apply("iso", vec![self.simple(INT)]),
            _ => {
                let function = self.dice().pick(&["text", "kind"]);
                let of = self.dice().pick(&[INT, FLOAT, BOOL, LINK, ColumnType::Any]);
                Term::Apply(function, vec![self.simple(of)])
            }
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
        let wide: Vec<Relation> = self.below.iter().filter(|one| one.columns.len() >= 3).cloned().collect();
        if !self.plain() && !wide.is_empty() && self.dice().percent(25) {
            let moves = wide.iter().find(|one| one.name == "moves").filter(|_| self.dice().percent(70));
            let relation = moves.cloned().unwrap_or_else(|| self.dice().pick(&wide));
            return self.fold_moves(&relation);
        }
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
        let chosen = self.dice().several(&columns, wanted.min(columns.len()));
        self.aggregate_over(&relation, &chosen, function);
    }

    /// Most often of nodes that can meet, in the order of ints.
    fn fold_moves(&mut self, relation: &Relation) {
        let wanted = 3 + self.dice().below(relation.columns.len() - 2);
        let mut chosen = self.dice().several(&relation.columns, wanted);
        if relation.name == "moves" && self.dice().percent(80) {
            let place = |(column, _): &(String, ColumnType)| {
                ["node", "to", "at", "by"].iter().position(|one| one == column)
            };
            chosen = self.dice().several(&relation.columns, relation.columns.len());
            chosen.sort_by_key(place);
        }
        let (node, to) = (chosen[0].1, chosen[1].1);
        if node == to || node == ColumnType::Any || to == ColumnType::Any {
            self.aggregate_over(relation, &chosen, "fold_moves");
        }
    }

    /// The atom with new variables in the columns that the function looks at.
    fn aggregate_over(
        &mut self,
        relation: &Relation,
        chosen: &[(String, ColumnType)],
        function: &'static str,
    ) {
        let leaves = ["rank", "fold_moves"].contains(&function);
        let before: BTreeSet<String> = self.bound.iter().map(|one| one.name.clone()).collect();
        let mut atom = self.atom(relation, Use::Aggregated);
        let mut names = Vec::new();
        for (column, of) in chosen {
            let name = self.looked_at(*of, leaves && names.is_empty());
            atom.arguments.retain(|(one, term)| one != column && !variables(term).contains(&name));
            atom.arguments.push((column.clone(), Term::Variable(name.clone())));
            names.push(name);
        }
        let of = chosen.first().map_or(INT, |(_, of)| *of);
        let gives = match function {
            "count" | "count X" | "rank" => INT,
            "mean" => FLOAT,
            "fold_moves" => chosen[1].1,
            _ => of,
        };
        let used: BTreeSet<String> = atom.arguments.iter().flat_map(|(_, term)| variables(term)).collect();
        let result = self.result(gives, &used);
        let shared = used.intersection(&before).filter(|name| names.first() != Some(name));
        let keys = shared.cloned().collect();
        let mut names = names.into_iter();
        let over = names.next();
        if let Some(name) = over.as_ref().filter(|_| leaves) {
            self.bind(name, of);
        }
        let to = names.by_ref().take(usize::from(function == "fold_moves")).next();
        let function = function.split(' ').next().unwrap_or(function);
        let by = names.collect();
        self.body.push(Condition::Aggregate(Aggregate { result, function, over, to, by, keys, atom }));
    }

    /// A new variable for a column that an aggregate looks at; if it leaves the atom, now and then a bound one.
    fn looked_at(&mut self, of: ColumnType, leaves: bool) -> String {
        let fits = self.of_type(of);
        if leaves && !fits.is_empty() && self.dice().percent(30) {
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
        self.finish_with(Atom { relation: head.name.clone(), arguments })
    }

    fn finish_with(self, mut head: Atom) -> Rule {
        self.maker.dice.shuffle(&mut head.arguments);
        let mut body = self.body;
        self.maker.dice.shuffle(&mut body);
        Rule { head, next: false, body }
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
