//! Random stratified programs, with random streams of changes of their inputs.
//!
//! A program has a few inputs and several strata; each relation of a stratum has a few rules over what lies below, and
//! in recursive strata over the stratum's own relations. Rules use everything the language has: omitted columns,
//! constants and terms in atoms and heads, repeated variables, `_`, negation, aggregates, comparisons, bindings,
//! nullary relations, CIDs. The maker knows the type of each variable, so that what it makes compiles. Values come from
//! small domains and variables are shared more often than not, so that most results have rows; recursive rules compute
//! only within a finite domain, so that they end.
//!
//! A program with time has events, relations that rules for the next epoch fill, and such rules for other relations
//! too. They read whatever there is, but each keeps the rows of its head or reads an instantaneous relation (PL-7).

mod rule;
mod term;

use motet_algebra::ColumnType;
use motet_fact::{Cid, Codec, Kind, Value};

use crate::common::replay::Contents;
use crate::dice::Dice;
use crate::program::{Atom, Case, Change, Condition, Relation, Rule, Term};
use rule::RuleMaker;

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
    let mut maker = Maker { dice: Dice::new(seed), profile, few: false, case };
    maker.few = maker.dice.percent(25);
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
    /// Whether few of the relations with rules are outputs.
    few: bool,
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
            self.case.relations.push(moves.clone());
            if self.dice.percent(60) {
                self.tree(&moves);
            }
        }
    }

    /// The parent of each node that is moved, in a group of moves or of all.
    fn tree(&mut self, moves: &Relation) {
        let mut tree = self.relation("tree".to_owned());
        let of =
            |name: &str| moves.columns.iter().find(|(column, _)| column == name).expect("moves have it").1;
        tree.columns = vec![("of".to_owned(), of("node")), ("under".to_owned(), of("to"))];
        tree.declared |= of("node") == ColumnType::Any;
        let maker = RuleMaker::new(self, vec![moves.clone()], false);
        let rule = maker.tree(&tree, moves);
        self.case.relations.push(tree);
        self.case.rules.push(rule);
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
        let output = self.dice.percent(if self.few { 20 } else { 85 });
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
