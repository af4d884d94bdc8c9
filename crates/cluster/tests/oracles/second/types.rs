//! The types of columns that nobody declared: what all their heads put there, repeated until nothing new is known.

use std::collections::BTreeMap;

use super::reader::{Aggregate, Atom, Clause, Condition, Program, Term};

/// The word of a type; nothing if it is not known yet.
type Type = Option<String>;

/// The types of all columns of the program, by relation and column.
pub(super) struct Types<'a> {
    program: &'a Program,
    found: BTreeMap<(String, String), String>,
}

fn word(text: &str) -> Type {
    Some(text.to_owned())
}

/// What fits both: the kind, if one of them is `any`; not known if one is not.
fn both(left: Type, right: Type) -> Type {
    let (left, right) = (left?, right?);
    Some(if left == "any" { right } else { left })
}

impl<'a> Types<'a> {
    pub(super) fn of(program: &'a Program) -> Self {
        let mut types = Types { program, found: BTreeMap::new() };
        loop {
            let before = types.found.clone();
            program.clauses.iter().for_each(|clause| types.widen(clause));
            if types.found == before {
                return types;
            }
        }
    }

    /// The type of a column.
    pub(super) fn column(&self, relation: &str, column: &str) -> Type {
        if let Some(columns) = self.program.declared.get(relation) {
            return columns.iter().find(|(name, _)| name == column).map(|(_, of)| of.clone());
        }
        if self.program.inputs.contains(relation) {
            return word("text");
        }
        self.found.get(&(relation.to_owned(), column.to_owned())).cloned()
    }

    fn widen(&mut self, clause: &Clause) {
        let head = &clause.head;
        if self.program.declared.contains_key(&head.relation) {
            return;
        }
        for (column, term) in &head.arguments {
            if let Some(of) = self.term(term, clause, 0) {
                let known = self.found.entry((head.relation.clone(), column.clone())).or_insert(of.clone());
                if *known != of {
                    *known = "any".to_owned();
                }
            }
        }
    }

    fn term(&self, term: &Term, clause: &Clause, depth: usize) -> Type {
        match term {
            Term::Anything => None,
            Term::Value(value) => word(value.kind().name()),
            Term::Variable(name) => self.variable(name, clause, depth),
            Term::Apply(function, of) => {
                let mut of = of.iter().map(|one| self.term(one, clause, depth));
                match function.as_str() {
                    "+" | "-" | "*" | "/" | "%" | "abs" | "floor" | "ceil" | "round" => {
                        of.reduce(kind_of_either).flatten()
                    }
                    "pow" => of.next().flatten(),
                    "min2" | "max2" => {
                        let (left, right) = (of.next()??, of.next()??);
                        word(if left == right { &left } else { "any" })
                    }
                    "float" | "sqrt" => word("float"),
                    "int" | "length" | "parts" | "index_of" | "time" => word("int"),
                    "bit_and" | "bit_or" | "bit_xor" => word("int"),
                    "contains" | "starts_with" => word("bool"),
                    "slice" => of.next().flatten(),
                    _ => word("text"),
                }
            }
        }
    }

    /// The type of a variable: that of all columns it stands in, or else that of what it is said to be.
    fn variable(&self, name: &str, clause: &Clause, depth: usize) -> Type {
        let atoms = clause.body.iter().filter_map(matched);
        let columns = atoms.flat_map(|atom| {
            let of_name = |(_, term): &&(String, Term)| matches!(term, Term::Variable(one) if one == name);
            let column = |(column, _): &(String, Term)| self.column(&atom.relation, column);
            atom.arguments.iter().filter(of_name).map(column).collect::<Vec<_>>()
        });
        let named = clause.body.iter().filter_map(|condition| match condition {
            Condition::Named(one, _) if one == name => Some(word("link")),
            _ => None,
        });
        let ranked = clause.body.iter().filter_map(|condition| match condition {
            Condition::Aggregate(one) if one.function == "rank" && one.over.as_deref() == Some(name) => {
                Some(self.aggregated(one.over.as_ref(), &one.atom))
            }
            _ => None,
        });
        if let Some(of) = columns.chain(named).chain(ranked).reduce(both) {
            return of;
        }
        if depth > clause.body.len() {
            return None;
        }
        let said = clause.body.iter().filter_map(|condition| self.said(name, condition, clause, depth + 1));
        said.reduce(|left, right| if left == "any" { right } else { left })
    }

    /// What a condition that is no atom says of a variable.
    fn said(&self, name: &str, condition: &Condition, clause: &Clause, depth: usize) -> Type {
        let is_name = |term: &Term| matches!(term, Term::Variable(one) if one == name);
        match condition {
            Condition::Compare(operator, left, right) if operator == "==" => {
                let of = |one, other| if is_name(one) { self.term(other, clause, depth) } else { None };
                let (left, right) = (of(left, right), of(right, left));
                if left.is_some() && right.is_some() { both(left, right) } else { left.or(right) }
            }
            Condition::Aggregate(Aggregate { result, function, over, to, atom, .. }) if result == name => {
                match function.as_str() {
                    "count" | "rank" => word("int"),
                    "mean" => word("float"),
                    _ => self.aggregated(to.as_ref().or(over.as_ref()), atom),
                }
            }
            _ => None,
        }
    }

    fn aggregated(&self, over: Option<&String>, atom: &Atom) -> Type {
        let is_over =
            |(_, term): &&(String, Term)| matches!(term, Term::Variable(name) if Some(name) == over);
        let (column, _) = atom.arguments.iter().find(is_over)?;
        self.column(&atom.relation, column)
    }
}

/// Arithmetic mixes no kinds: that of one operand is that of the result.
fn kind_of_either(left: Type, right: Type) -> Type {
    let is_kind = |of: &Type| of.as_ref().is_some_and(|of| of != "any");
    if is_kind(&left) {
        left
    } else if is_kind(&right) {
        right
    } else {
        both(left, right)
    }
}

/// The atom that a condition matches rows of.
fn matched(condition: &Condition) -> Option<&Atom> {
    match condition {
        Condition::Atom(atom) | Condition::Named(_, atom) => Some(atom),
        Condition::Not(_) | Condition::Compare(..) | Condition::Aggregate(_) => None,
    }
}
