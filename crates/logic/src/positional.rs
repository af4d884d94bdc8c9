//! Arguments without names, `edge(X, Y)`: reported, one problem for each atom, and named where that can be done.
//!
//! Columns have names and no order (PDB-1), but a declaration writes them in one. Where it has as many columns as the
//! atom has arguments, it is plain what is meant: the problem then has an edit, and the clause is checked as if it had
//! been made. Else nothing is known of the clause, and no more is said of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Catalog;
use crate::ast::{Atom, Clause, DeclarationKind, LiteralKind, Module};
use crate::diagnostic::{Report, Span};
use motet_algebra::text::edit::as_written;
use motet_algebra::text::sources::Sources;

/// Names the columns of a program.
pub(crate) fn name_columns(module: &mut Module, sources: &Sources, catalog: &Catalog, report: &mut Report) {
    let mut columns: BTreeMap<Arc<str>, Vec<Arc<str>>> = BTreeMap::new();
    for (name, base) in &catalog.relations {
        columns.insert(name.clone(), base.columns.iter().map(|(column, _)| column.clone()).collect());
    }
    for declaration in &module.declarations {
        if let DeclarationKind::Relation { name, columns: declared } = &declaration.kind {
            columns
                .insert(name.text.clone(), declared.iter().map(|(column, _)| column.text.clone()).collect());
        }
    }
    let mut naming = Naming { sources, columns, report };
    let clauses = std::mem::take(&mut module.clauses);
    for mut clause in clauses {
        if naming.clause(&mut clause) {
            module.clauses.push(clause);
        } else {
            module.unread.insert(clause.head.relation.text);
        }
    }
}

struct Naming<'a> {
    sources: &'a Sources,
    /// The columns of each relation whose order is known.
    columns: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    report: &'a mut Report,
}

impl Naming<'_> {
    /// Whether all columns of the clause have names now.
    fn clause(&mut self, clause: &mut Clause) -> bool {
        let mut named = self.atom(&mut clause.head);
        for literal in &mut clause.body {
            match &mut literal.kind {
                LiteralKind::Atom { atom, .. }
                | LiteralKind::Not(atom)
                | LiteralKind::Aggregate { atom, .. } => named &= self.atom(atom),
                LiteralKind::Compare(..) => {}
            }
        }
        named
    }

    fn atom(&mut self, atom: &mut Atom) -> bool {
        let Some((first, _)) = atom.arguments.iter().find(|(column, _)| column.text.is_empty()) else {
            return true;
        };
        let none_named = atom.arguments.iter().all(|(column, _)| column.text.is_empty());
        let all = none_named && atom.defaults.is_empty();
        let (span, count) = (first.span, atom.arguments.len());
        let fitting = self.columns.get(&atom.relation.text).filter(|names| all && names.len() == count);
        let item = self.report.error("L011", span, "an argument without the name of its column");
        let Some(names) = fitting else {
            let like = self.columns.get(&atom.relation.text).map(|names| names.join(", "));
            item.remedy(match like {
                Some(names) => format!("name the columns: `{}` has {names}", atom.relation.text),
                None => "name the column, as in edge(from: X, to: Y); columns may be left out".into(),
            });
            return false;
        };
        for ((column, _), name) in atom.arguments.iter_mut().zip(names) {
            column.text = name.clone();
        }
        let (span, named) = self.named(atom);
        let remedy = format!("name the columns: {}({named})", as_written(&atom.relation.text));
        self.report.last().expect("it was just reported").remedy(remedy).edit(
            span,
            named,
            "name the columns",
        );
        true
    }

    /// Where the arguments of an atom stand, and how they are written with their names.
    fn named(&self, atom: &Atom) -> (Span, String) {
        let written = |(column, term): &(crate::ast::Name, crate::ast::Term)| {
            let value = self.sources.excerpt(term.span);
            format!("{}: {value}", as_written(&column.text))
        };
        let named: Vec<_> = atom.arguments.iter().map(written).collect();
        let spans = atom.arguments.iter().map(|(_, term)| term.span);
        let span = spans.reduce(Span::to).expect("there is an argument without a name");
        (span, named.join(", "))
    }
}
