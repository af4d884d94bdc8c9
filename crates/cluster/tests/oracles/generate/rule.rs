//! One rule: a body of atoms, conditions and aggregates, and a head of what the body binds.

use std::collections::BTreeSet;

use motet_algebra::ColumnType;

use super::term::variables;
use super::{BOOL, FLOAT, INT, LINK, Maker, Profile, TEXT};
use crate::dice::Dice;
use crate::program::{Aggregate, Atom, Condition, Relation, Rule, Term};

/// Which variables an atom may use.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Positive,
    Negated,
    Aggregated,
}

/// A variable that the body binds.
#[derive(Clone)]
pub(super) struct Bound {
    pub(super) name: String,
    /// What its values are.
    of: ColumnType,
    /// What it is also compared with: a variable that meets two kinds is refused.
    meets: ColumnType,
}

/// Makes one rule.
pub(super) struct RuleMaker<'a> {
    pub(super) maker: &'a mut Maker,
    below: Vec<Relation>,
    /// Whether what it computes must stay in a finite domain.
    pub(super) finite: bool,
    pub(super) bound: Vec<Bound>,
    /// How many variables have got a name.
    names: usize,
    body: Vec<Condition>,
}

impl<'a> RuleMaker<'a> {
    pub(super) fn new(maker: &'a mut Maker, below: Vec<Relation>, finite: bool) -> Self {
        RuleMaker { maker, below, finite, bound: vec![], names: 0, body: vec![] }
    }

    pub(super) fn dice(&mut self) -> &mut Dice {
        &mut self.maker.dice
    }

    pub(super) fn plain(&self) -> bool {
        self.maker.profile == Profile::Plain
    }

    fn name(&mut self) -> String {
        self.names += 1;
        ["X", "Y", "Z", "Who", "V1", "_u"]
            .get(self.names - 1)
            .map_or(format!("V{}", self.names), |one| (*one).to_owned())
    }

    pub(super) fn body(&mut self, own: &[Relation]) {
        if own.is_empty() && self.dice().percent(12) {
            self.aggregate();
        }
        // Most bodies have atoms; one of an aggregate need not.
        if !self.body.is_empty() && self.dice().percent(70) {
            return self.conditions(own);
        }
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
    pub(super) fn conditions(&mut self, own: &[Relation]) {
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

    pub(super) fn holds(&mut self, relation: &Relation, own: bool) {
        let atom = self.atom(relation, Use::Positive);
        let cid = (!own && !self.finite && !self.plain() && self.dice().percent(12)).then(|| self.name());
        cid.iter().for_each(|name| self.bind(name, LINK));
        self.body.push(Condition::Holds { cid, atom });
    }

    /// Nothing more, conditions, or atoms and conditions: so often each.
    pub(super) fn more(&mut self, often: &[usize; 3]) {
        match self.dice().below(often.iter().sum()) {
            one if one < often[0] => {}
            one if one < often[0] + often[1] => self.conditions(&[]),
            _ => self.body(&[]),
        }
    }

    /// The head as it stands in the body of a rule that keeps rows.
    pub(super) fn kept(&mut self, head: &Relation) -> Atom {
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
                // Demand has more to leave out where little is asked for.
                30..=50 if self.maker.few => Term::Constant(self.maker.value(*of)),
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

    pub(super) fn of_type(&self, of: ColumnType) -> Vec<String> {
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
        let Bound { name, of, meets } = self.dice().pick(&bound);
        let ordered = !self.plain() || of == INT;
        let operators = ["!=", "==", "!=", "!=", "<", "<=", "<=", ">", ">="];
        let operator = self.dice().pick(if ordered { &operators[..] } else { &operators[..4] });
        let numbers = of == INT && ["<", "<=", ">", ">="].contains(&operator) && !self.plain();
        let right = match () {
            () if of == ColumnType::Any && operator == "==" => {
                let value = self.maker.value(meets);
                self.meet(&name, ColumnType::Kind(value.kind()), Use::Negated);
                Term::Constant(value)
            }
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
            let moves = wide.iter().find(|one| one.name == "moves").filter(|_| self.dice().percent(80));
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
        let whole = function == "fold_moves" && self.dice().percent(60);
        let mut atom = match whole {
            true => Atom { relation: relation.name.clone(), arguments: vec![] },
            false => self.atom(relation, Use::Aggregated),
        };
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

    /// What is moved and where it comes to stand, by all columns of the moves there are.
    pub(super) fn tree(mut self, head: &Relation, moves: &Relation) -> Rule {
        let name = |column: &&str| moves.columns.iter().find(|(one, _)| one == column).cloned();
        let chosen: Vec<_> = ["node", "to", "at", "by"].iter().filter_map(name).collect();
        self.aggregate_over(moves, &chosen, "fold_moves");
        let Some(Condition::Aggregate(Aggregate { result, over: Some(node), .. })) = self.body.last() else {
            unreachable!("an aggregate was made, over a variable");
        };
        let terms = [node, result].map(|name| Term::Variable(name.clone()));
        let columns = head.columns.iter().map(|(column, _)| column.clone());
        let arguments = columns.zip(terms).collect();
        self.finish_with(Atom { relation: head.name.clone(), arguments })
    }

    pub(super) fn finish(mut self, head: &Relation) -> Rule {
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

    pub(super) fn finish_with(self, mut head: Atom) -> Rule {
        self.maker.dice.shuffle(&mut head.arguments);
        let mut body = self.body;
        self.maker.dice.shuffle(&mut body);
        Rule { head, next: false, body }
    }
}
