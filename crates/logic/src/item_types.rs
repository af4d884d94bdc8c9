//! Types as relations (Q7): `Task(id: E, title: T)` means `item(id: E, type: "Task", deleted: false)` and
//! `attr(entity: E, attribute: "title", value: T)`.
//!
//! It is sugar, taken away before names are resolved, and only where there are relations `item` and `attr` to read. A
//! column that the atom names and the item does not have gives no row, and an attribute with several values gives
//! several. A default, `title: T ?? ""`, stands in for a value that is missing; such a column is read from a relation
//! made for it. Under `!` and in aggregates a type is one relation too, over the id and the columns that are named.
//! The control column `$party` says where the item is, and its attributes with it.
//!
//! An unknown name is taken for a type if it begins with an upper-case letter or is written `type::name`. Which types
//! there are is data, so a misspelt one cannot be told from one without items; what looks like a misspelt *relation* is
//! warned of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::Catalog;
use crate::ast::{Atom, Clause, DeclarationKind, Literal, LiteralKind, Module, Name, Term, TermKind};
use crate::controls;
use crate::diagnostic::{Report, Span, most_like};
use crate::parser::{MAX_LITERALS, too_long};
use crate::rule::named_once;
use motet_algebra::Column;
use motet_algebra::text::edit::as_written;

/// How the names of relations made for types begin.
pub(crate) const PREFIX: &str = "type::";

/// The program without types: its clauses in the same order, and then those of the relations made for types.
pub(crate) fn expand(module: &Module, catalog: &Catalog, report: &mut Report) -> Module {
    let has = |relation: &str, wanted: &[&str]| {
        let base = catalog.relations.get(relation);
        base.is_some_and(|base| wanted.iter().all(|name| base.columns.iter().any(|(one, _)| &**one == *name)))
    };
    let there = has("item", &["id", "type", "deleted"]) && has("attr", &["entity", "attribute", "value"]);
    let heads = module.clauses.iter().map(|clause| &clause.head).filter(|head| !head.is_type);
    let own =
        heads.map(|head| &head.relation.text).chain(module.declarations.iter().filter_map(|declaration| {
            match &declaration.kind {
                DeclarationKind::Relation { name, .. }
                | DeclarationKind::Input(name)
                | DeclarationKind::Event { name, .. } => Some(&name.text),
                DeclarationKind::Output { .. } | DeclarationKind::Use(_) => None,
            }
        }));
    let own: BTreeSet<Arc<str>> = own.cloned().collect();
    let mut sugar = Sugar {
        module,
        catalog,
        there,
        own,
        report,
        made: BTreeMap::new(),
        clauses: Vec::new(),
        fresh: 0,
        told: module.unread.clone(),
    };
    let mut clauses: Vec<Clause> = module.clauses.iter().map(|clause| sugar.clause(clause)).collect();
    clauses.append(&mut sugar.clauses);
    Module { declarations: module.declarations.clone(), clauses, unread: sugar.told }
}

struct Sugar<'a> {
    module: &'a Module,
    catalog: &'a Catalog,
    /// Whether there are items to have types.
    there: bool,
    /// The relations that the program itself declares or defines.
    own: BTreeSet<Arc<str>>,
    report: &'a mut Report,
    /// The relations made so far, by what they hold.
    made: BTreeMap<String, Arc<str>>,
    /// Their clauses.
    clauses: Vec<Clause>,
    fresh: usize,
    /// The names of which nothing more is to be said.
    told: BTreeSet<Arc<str>>,
}

fn name(text: &str, span: Span) -> Name {
    Name { text: text.into(), span }
}

fn term(kind: TermKind, span: Span) -> Term {
    Term { kind, span, depth: 1 }
}

fn variable(text: &str, span: Span) -> Term {
    term(TermKind::Variable(text.into()), span)
}

fn constant(value: impl Into<motet_fact::Value>, span: Span) -> Term {
    term(TermKind::Constant(value.into()), span)
}

fn atom(relation: &str, arguments: Vec<(&str, Term)>, span: Span) -> Atom {
    let arguments = arguments.into_iter().map(|(column, term)| (name(column, span), term)).collect();
    Atom { relation: name(relation, span), arguments, defaults: Vec::new(), is_type: false, span }
}

/// Where a column's default stands, with the `??` before it.
fn with_sign(atom: &Atom, column: &str, default: &Term) -> Span {
    let value = atom.arguments.iter().find(|(name, _)| &*name.text == column);
    let start = value.map_or(default.span.start, |(_, value)| value.span.end);
    Span { start, end: default.span.end }
}

fn positive(atom: Atom) -> Literal {
    let span = atom.span;
    Literal { kind: LiteralKind::Atom { atom, cid: None }, span }
}

impl Sugar<'_> {
    fn clause(&mut self, clause: &Clause) -> Clause {
        let mut head = clause.head.clone();
        if head.is_type {
            let message = format!("`{}` is a type: no rule may define it", head.relation.text);
            self.report.error("L033", head.span, message).remedy("leave `type::` out, or write items");
            // The relation of that name, if there is one, is another.
            head.relation.text = format!("{PREFIX}{}", head.relation.text).into();
        }
        self.refuse_defaults(&clause.head);
        let body: Vec<Literal> = clause.body.iter().flat_map(|literal| self.literal(literal)).collect();
        if body.len() > MAX_LITERALS && clause.body.len() <= MAX_LITERALS {
            too_long(body.len(), clause.span, self.report);
            return Clause { body: clause.body.clone(), ..clause.clone() };
        }
        Clause { head, body, ..clause.clone() }
    }

    fn literal(&mut self, literal: &Literal) -> Vec<Literal> {
        let Some(written) = crate::relations::atom_of(&literal.kind) else { return vec![literal.clone()] };
        if !self.is_type(written) {
            self.refuse_defaults(written);
            return vec![literal.clone()];
        }
        self.check_columns(written);
        let mut changed = literal.clone();
        match &mut changed.kind {
            LiteralKind::Atom { atom, cid } => {
                let mut literals = self.inline(atom);
                if let Some(name) = cid {
                    let message = format!("`{}` is a type, and has no CID", atom.relation.text);
                    let remedy = "ask for the CID of one of its facts: C := fact(entity: E)";
                    self.report.error("L036", name.span, message).remedy(remedy);
                    // Some CID, so that no more is said of the variable.
                    if let Some(Literal { kind: LiteralKind::Atom { cid, .. }, .. }) = literals.first_mut() {
                        *cid = Some(name.clone());
                    }
                }
                return literals;
            }
            LiteralKind::Not(atom) | LiteralKind::Aggregate { atom, .. } => {
                atom.relation.text = self.whole(atom);
                atom.is_type = false;
                atom.defaults.clear();
            }
            LiteralKind::Compare(..) => {}
        }
        vec![changed]
    }

    /// Whether an atom is over a type; what is written like one and cannot be one is reported.
    fn is_type(&mut self, atom: &Atom) -> bool {
        let (text, span) = (&atom.relation.text, atom.relation.span);
        if atom.is_type && !self.there {
            let message = format!("there is no type `{text}`: there are no items here");
            self.report.error("L020", span, message).remedy("types are for queries of a party: motet query");
            self.told.insert(text.clone());
            return false;
        }
        if atom.is_type {
            return true;
        }
        let known = self.own.contains(text) || self.catalog.relations.contains_key(text);
        let may_be = self.there && !known && !self.module.unread.contains(text);
        if !may_be || !text.starts_with(char::is_uppercase) {
            return false;
        }
        if let Some(like) = most_like(text, self.own.iter().map(|one| &**one)) {
            self.report
                .warning("L075", span, format!("no relation is called `{text}`, so it is taken for a type"))
                .remedy(format!("did you mean `{like}`? If not, write `type::{text}`"))
                .edit(span, as_written(like), format!("write `{like}`"))
                .edit(span, format!("type::{}", as_written(text)), format!("write `type::{text}`"));
        }
        true
    }

    /// Only a type's columns may be missing.
    fn refuse_defaults(&mut self, atom: &Atom) {
        for (column, default) in &atom.defaults {
            let relation = &atom.relation.text;
            let message =
                format!("`??` is for types, and `{relation}` is a relation, whose columns all have values");
            let item = self.report.error("L035", default.span, message).remedy("leave the default out");
            item.edit(with_sign(atom, column, default), "", "remove the default");
            if self.there {
                item.remedy(format!("if the type is meant, write type::{relation}(…)"));
                let place = Span { start: atom.span.start, end: atom.span.start };
                item.edit(place, "type::", format!("write type::{relation}"));
            }
        }
    }

    /// The control columns that both items and their attributes have.
    fn controls(&self) -> Vec<Column> {
        let of =
            |relation: &str| self.catalog.relations.get(relation).into_iter().flat_map(|base| &base.controls);
        of("item")
            .filter(|control| of("attr").any(|other| other == *control))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Whether a column of an atom says where the item is, and is no attribute of it.
    fn is_control(&self, column: &str) -> bool {
        controls::is_control(column) && self.controls().iter().any(|control| &**control == column)
    }

    fn check_columns(&mut self, atom: &Atom) {
        named_once(atom, self.report);
        for (column, _) in atom.arguments.iter().filter(|(column, _)| controls::is_control(&column.text)) {
            if !self.is_control(&column.text) {
                controls::refuse(column, &atom.relation.text, &self.controls(), self.report);
            }
        }
        let is_control = |(column, _): &&(Arc<str>, Term)| self.is_control(column);
        if let Some((column, default)) = atom.defaults.iter().find(is_control) {
            let place = with_sign(atom, column, default);
            let message = format!("`{column}` is never missing");
            let item = self.report.error("L035", default.span, message);
            item.remedy("leave the default out").edit(place, "", "remove the default");
        }
        if let Some((_, default)) = atom.defaults.iter().find(|(column, _)| &**column == "id") {
            let item = self.report.error("L035", default.span, "every item has an id");
            item.remedy("leave the default out").edit(
                with_sign(atom, "id", default),
                "",
                "remove the default",
            );
        }
    }

    /// An atom over a type as conditions on items and their attributes.
    fn inline(&mut self, written: &Atom) -> Vec<Literal> {
        let (kind, span) = (written.relation.text.clone(), written.span);
        let (places, named): (Vec<_>, Vec<_>) =
            written.arguments.iter().partition(|(column, _)| self.is_control(&column.text));
        let (ids, columns): (Vec<_>, Vec<_>) =
            named.into_iter().partition(|(column, _)| &*column.text == "id");
        let place: Place =
            places.into_iter().map(|(name, term)| (name.text.clone(), self.or_fresh(term))).collect();
        let given = ids.first().map(|(_, id)| id).filter(|id| !matches!(id.kind, TermKind::Wildcard));
        let id = given.cloned().unwrap_or_else(|| self.fresh(span));
        let used = given.is_some() || !columns.is_empty();
        let mut literals = vec![positive(item(&kind, used.then(|| id.clone()), &place, span))];
        for (column, value) in columns {
            let default = written.defaults.iter().find(|(name, _)| *name == column.text);
            literals.push(positive(match default {
                None => attr(&id, &column.text, Some(value.clone()), &place, span),
                Some((_, default)) => {
                    let relation = self.with_default(&kind, &column.text, default, &place, span);
                    atom(&relation, placed(vec![("id", id.clone()), ("value", value.clone())], &place), span)
                }
            }));
        }
        literals
    }

    fn fresh(&mut self, span: Span) -> Term {
        self.fresh += 1;
        variable(&format!("~item{}", self.fresh), span)
    }

    /// The term, or a variable in the place of `_`.
    fn or_fresh(&mut self, term: &Term) -> Term {
        if matches!(term.kind, TermKind::Wildcard) { self.fresh(term.span) } else { term.clone() }
    }

    /// The relation of a type's items with one attribute or its default.
    fn with_default(
        &mut self,
        kind: &str,
        column: &str,
        default: &Term,
        place: &Place,
        span: Span,
    ) -> Arc<str> {
        let by: String = place.iter().map(|(control, _)| format!(" by {control}")).collect();
        let relation: Arc<str> = format!("{PREFIX}{kind}.{column} ?? {}{by}", shown(default)).into();
        if self.made.insert(relation.to_string(), relation.clone()).is_some() {
            return relation;
        }
        let (id, value) = (variable("~id", span), variable("~value", span));
        let own = |(control, _): &(Arc<str>, Term)| (control.clone(), variable(&format!("~{control}"), span));
        let place: Place = place.iter().map(own).collect();
        let of_kind = || positive(item(kind, Some(id.clone()), &place, span));
        let mut add = |value: Term, second: Literal| {
            let head = atom(&relation, placed(vec![("id", id.clone()), ("value", value)], &place), span);
            let body = vec![of_kind(), second];
            self.clauses.push(Clause { head, body, forbids: false, next: false, span });
        };
        add(value.clone(), positive(attr(&id, column, Some(value), &place, span)));
        let missing = LiteralKind::Not(attr(&id, column, None, &place, span));
        add(default.clone(), Literal { kind: missing, span });
        relation
    }

    /// The relation of a type's items with the columns that an atom names.
    fn whole(&mut self, written: &Atom) -> Arc<str> {
        let span = written.span;
        let default = |column: &Arc<str>| written.defaults.iter().find(|(name, _)| name == column);
        let columns: BTreeSet<&Arc<str>> = written
            .arguments
            .iter()
            .map(|(column, _)| &column.text)
            .filter(|column| &***column != "id")
            .collect();
        let text = |column: &&Arc<str>| match default(column) {
            None => column.to_string(),
            Some((_, default)) => format!("{column} ?? {}", shown(default)),
        };
        let texts: Vec<_> = std::iter::once("id".to_owned()).chain(columns.iter().map(text)).collect();
        let relation: Arc<str> = format!("{PREFIX}{}({})", written.relation.text, texts.join(", ")).into();
        if self.made.insert(relation.to_string(), relation.clone()).is_some() {
            return relation;
        }
        let mut arguments = vec![("id", variable("~id", span))];
        let value = |(place, column): (usize, &&'_ Arc<str>)| (place, (**column).clone());
        let named: Vec<_> = columns.iter().enumerate().map(value).collect();
        for (place, column) in &named {
            arguments.push((column, variable(&format!("~value{place}"), span)));
        }
        let mut body = atom(&written.relation.text, arguments.clone(), span);
        body.defaults = written.defaults.clone();
        let head = atom(&relation, arguments, span);
        let body = self.inline(&body);
        self.clauses.push(Clause { head, body, forbids: false, next: false, span });
        relation
    }
}

/// Where an item is: its control columns that an atom names.
type Place = Vec<(Arc<str>, Term)>;

fn item(kind: &str, id: Option<Term>, place: &Place, span: Span) -> Atom {
    let id = id.map(|id| ("id", id)).into_iter();
    let rest = [("type", constant(kind, span)), ("deleted", constant(false, span))];
    atom("item", placed(id.chain(rest).collect(), place), span)
}

fn attr(id: &Term, attribute: &str, value: Option<Term>, place: &Place, span: Span) -> Atom {
    let first = [("entity", id.clone()), ("attribute", constant(attribute, span))];
    let arguments = first.into_iter().chain(value.map(|value| ("value", value)));
    atom("attr", placed(arguments.collect(), place), span)
}

/// Arguments, and where the item is.
fn placed<'a>(arguments: Vec<(&'a str, Term)>, place: &'a Place) -> Vec<(&'a str, Term)> {
    arguments.into_iter().chain(place.iter().map(|(control, term)| (&**control, term.clone()))).collect()
}

/// A default as it is written: a value or a parameter.
fn shown(default: &Term) -> String {
    match &default.kind {
        TermKind::Constant(value) => value.to_string(),
        TermKind::Parameter(name) => format!("${name}"),
        TermKind::Variable(_) | TermKind::Wildcard | TermKind::Apply(..) => {
            unreachable!("the parser takes only values and parameters for defaults")
        }
    }
}
