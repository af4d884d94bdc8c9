//! Which relations there are, and which columns they have.
//!
//! A relation is known from the catalog, from a declaration, or from the heads of the rules that define it; its columns
//! then have types that are found out later ([`crate::types`]). An input that nobody declares has the columns the
//! program names, as text: types are never guessed from data (Q4).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use motet_algebra::{Column, ColumnType, RelationName};
use motet_fact::Kind;

use crate::ast::{Atom, Declaration, DeclarationKind, LiteralKind, Module, Name};
use crate::catalog::Base;
use crate::diagnostic::Report;
use crate::parser::FORBID;
use crate::{Direction, item_types};

/// What is known of a relation.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// The columns in declared order; no type as long as none is known.
    pub(crate) columns: Vec<(Column, Option<ColumnType>)>,
    /// Whether the types stand in a declaration, or are being found out.
    pub(crate) declared: bool,
    /// The base relation's properties, if it is one.
    pub(crate) base: Option<BaseTraits>,
    /// The control columns that an atom may name.
    pub(crate) controls: Vec<Column>,
    pub(crate) input: bool,
    /// Whether the rows that come from outside hold for one epoch.
    pub(crate) event: bool,
    pub(crate) output: bool,
    /// How an output is shown.
    pub(crate) order: Vec<(Column, Direction)>,
    pub(crate) limit: Option<usize>,
    /// Whether it holds what breaks a `forbid` rule.
    pub(crate) forbidden: bool,
    /// Whether a rule or a fact has it in its head.
    pub(crate) defined: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct BaseTraits {
    pub(crate) has_cid: bool,
    pub(crate) monotone: bool,
    /// Whether it is a variant with control columns.
    pub(crate) variant: bool,
}

impl Known {
    fn new(columns: Vec<(Column, Option<ColumnType>)>, declared: bool) -> Self {
        Known {
            columns,
            declared,
            base: None,
            controls: Vec::new(),
            input: false,
            event: false,
            output: false,
            order: Vec::new(),
            limit: None,
            forbidden: false,
            defined: false,
        }
    }

    /// An input with these columns.
    pub(crate) fn given(columns: Vec<(Column, Option<ColumnType>)>) -> Self {
        Known { input: true, ..Known::new(columns, true) }
    }

    /// A derived relation over some columns of another.
    pub(crate) fn derived(other: &Known, columns: &BTreeSet<Column>) -> Self {
        let kept = other.columns.iter().filter(|(column, _)| columns.contains(column));
        let mut columns: Vec<_> = kept.cloned().collect();
        columns.sort_by(|left, right| left.0.cmp(&right.0));
        Known { defined: true, ..Known::new(columns, true) }
    }

    pub(crate) fn column_type(&self, column: &str) -> Option<ColumnType> {
        self.columns.iter().find(|(name, _)| &**name == column).and_then(|(_, column_type)| *column_type)
    }

    pub(crate) fn has_column(&self, column: &str) -> bool {
        self.columns.iter().any(|(name, _)| &**name == column)
    }

    pub(crate) fn column_names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| &**name)
    }

    /// The columns with their types; what was never found out holds anything.
    pub(crate) fn typed_columns(&self) -> Vec<(Column, ColumnType)> {
        let or_any = |column_type: Option<ColumnType>| column_type.unwrap_or(ColumnType::Any);
        self.columns.iter().map(|(name, column_type)| (name.clone(), or_any(*column_type))).collect()
    }
}

/// All relations of a program.
#[derive(Clone, Debug, Default)]
pub(crate) struct Relations {
    pub(crate) known: BTreeMap<RelationName, Known>,
    /// The input that gives the parameters their values, in a lifted program.
    pub(crate) parameters: Option<RelationName>,
    /// Names in text that could not be read: what they are is not known.
    unread: BTreeSet<Arc<str>>,
}

impl Relations {
    /// Collects them: these base relations, and those of the program.
    pub(crate) fn of(module: &Module, bases: &BTreeMap<RelationName, Base>, report: &mut Report) -> Self {
        let (known, unread) = (BTreeMap::new(), module.unread.clone());
        let mut relations = Relations { known, parameters: None, unread };
        for (name, base) in bases {
            let columns = base.columns.iter().map(|(name, kind)| (name.clone(), Some(*kind))).collect();
            let traits = BaseTraits { has_cid: base.has_cid, monotone: base.monotone, variant: base.variant };
            let controls = base.controls.iter().map(|(name, _)| name.clone()).collect();
            let known = Known { base: Some(traits), controls, ..Known::new(columns, true) };
            relations.known.insert(name.clone(), known);
        }
        for declaration in &module.declarations {
            if let DeclarationKind::Relation { name, columns }
            | DeclarationKind::Event { name, columns: Some(columns) } = &declaration.kind
            {
                relations.declare(name, columns, declaration, report);
            }
        }
        for clause in &module.clauses {
            relations.define(&clause.head, report);
        }
        for declaration in &module.declarations {
            match &declaration.kind {
                DeclarationKind::Relation { .. } | DeclarationKind::Use(_) => {}
                DeclarationKind::Input(name) => relations.mark_input(name, declaration, module, report),
                DeclarationKind::Event { name, .. } => {
                    relations.mark_event(name, declaration, module, report);
                }
                DeclarationKind::Output { name, order, limit } => {
                    relations.mark_output(name, declaration, report);
                    relations.show(name, order, *limit, report);
                }
            }
        }
        relations
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Known> {
        self.known.get(name)
    }

    fn declare(
        &mut self,
        name: &Name,
        columns: &[(Name, ColumnType)],
        declaration: &Declaration,
        report: &mut Report,
    ) {
        if let Some(known) = self.known.get(&name.text) {
            let what = if known.base.is_some() { "is a base relation" } else { "is declared twice" };
            let item = report.error("L030", name.span, format!("`{}` {what}", name.text));
            let before = known.columns.iter().map(|(column, column_type)| (column, *column_type));
            if before.eq(columns.iter().map(|(column, column_type)| (&column.text, Some(*column_type)))) {
                item.remedy("leave this declaration out").edit(
                    declaration.span,
                    "",
                    "remove this declaration",
                );
            } else {
                item.remedy("give this one another name");
            }
            return;
        }
        let mut seen = BTreeSet::new();
        for (column, _) in columns {
            if !seen.insert(&column.text) {
                let message = format!("`{}` has two columns `{}`", name.text, column.text);
                report.error("L031", column.span, message).remedy("give each column a name of its own");
            }
        }
        let columns = columns.iter().map(|(column, kind)| (column.text.clone(), Some(*kind))).collect();
        self.known.insert(name.text.clone(), Known::new(columns, true));
    }

    fn define(&mut self, head: &Atom, report: &mut Report) {
        let name = &head.relation;
        let columns = || head.arguments.iter().map(|(column, _)| (column.text.clone(), None)).collect();
        let known = self.known.entry(name.text.clone()).or_insert_with(|| Known::new(columns(), false));
        known.defined = true;
        if known.base.is_some() {
            report
                .error(
                    "L033",
                    name.span,
                    format!("`{}` is a base relation: no rule may define it", name.text),
                )
                .remedy("give the derived relation another name");
        }
    }

    fn mark_input(&mut self, name: &Name, declaration: &Declaration, module: &Module, report: &mut Report) {
        let known = self
            .known
            .entry(name.text.clone())
            .or_insert_with(|| Known::new(columns_named(&name.text, module), true));
        if known.base.is_some() {
            let message = format!("`{}` is a base relation: it is filled by the database", name.text);
            report.error("L033", name.span, message).remedy("leave the declaration out").edit(
                declaration.span,
                "",
                "remove this declaration",
            );
        }
        if std::mem::replace(&mut known.input, true) && !known.event {
            twice(name, "an input", declaration, report);
        }
        if !known.declared {
            known.declared = true;
            known.columns.iter_mut().for_each(|(_, kind)| *kind = Some(ColumnType::Kind(Kind::Text)));
        }
    }

    /// An event is an input; `input` may be said beside it.
    fn mark_event(&mut self, name: &Name, declaration: &Declaration, module: &Module, report: &mut Report) {
        let known = self.known.get(&name.text);
        if known.is_some_and(|known| known.event) {
            twice(name, "an event", declaration, report);
        }
        if known.is_none_or(|known| !known.input) {
            self.mark_input(name, declaration, module, report);
        }
        let known = self.known.get_mut(&name.text).expect("what is marked an input is known");
        known.event = known.base.is_none();
    }

    fn mark_output(&mut self, name: &Name, declaration: &Declaration, report: &mut Report) {
        match self.known.get_mut(&name.text) {
            Some(known) if known.base.is_some() => {
                let message = format!("`{}` is a base relation and cannot be an output", name.text);
                report.error("L033", name.span, message).remedy("derive a relation from it and output that");
            }
            Some(known) => {
                if known.output {
                    twice(name, "an output", declaration, report);
                }
                known.output = true;
            }
            None => self.unknown(name, report),
        }
    }

    /// Notes how an output is shown.
    fn show(&mut self, name: &Name, order: &[(Name, Direction)], limit: Option<usize>, report: &mut Report) {
        let Some(known) = self.known.get_mut(&name.text) else { return };
        for (column, direction) in order {
            if known.has_column(&column.text) {
                known.order.push((column.text.clone(), *direction));
                continue;
            }
            let message = format!("`{}` has no column `{}`", name.text, column.text);
            report.error("L021", column.span, message).suggest(&column.text, known.column_names());
        }
        known.limit = limit.or(known.limit);
    }

    /// Gives the relation of a `forbid` rule its columns.
    pub(crate) fn forbid(&mut self, name: &RelationName, columns: impl Iterator<Item = Column>) {
        let known = self.known.get_mut(name).expect("every head is defined");
        known.forbidden = true;
        known.columns = columns.map(|column| (column, None)).collect();
    }

    /// The relations that stand in the program or are base relations, without those made for types.
    fn written(&self) -> impl Iterator<Item = &str> {
        let variant = |known: &Known| known.base.is_some_and(|base| base.variant);
        let written = self.known.iter().filter(move |(_, known)| !variant(known));
        written
            .map(|(name, _)| &**name)
            .filter(|name| !name.starts_with(item_types::PREFIX) && !name.starts_with(FORBID))
    }

    /// Reports a relation that nothing defines.
    pub(crate) fn unknown(&self, name: &Name, report: &mut Report) {
        if self.unread.contains(&name.text) {
            return;
        }
        report
            .error("L020", name.span, format!("there is no relation `{}`", name.text))
            .label("neither declared nor derived")
            .remedy("declare it, as in `relation edge(from: int, to: int).`, or write rules for it")
            .suggest(&name.text, self.written());
    }
}

/// Warns of a declaration that says nothing new.
fn twice(name: &Name, what: &str, declaration: &Declaration, report: &mut Report) {
    report
        .warning("L073", name.span, format!("`{}` is declared {what} twice", name.text))
        .remedy("leave one declaration out")
        .edit(declaration.span, "", "remove this declaration");
}

/// The columns that a program names of a relation, in the order in which it does.
fn columns_named(relation: &str, module: &Module) -> Vec<(Column, Option<ColumnType>)> {
    let mut columns: Vec<(Column, _)> = Vec::new();
    let literals = module.clauses.iter().flat_map(|clause| &clause.body);
    for atom in literals.filter_map(|literal| atom_of(&literal.kind)) {
        let named = atom.arguments.iter().filter(|_| &*atom.relation.text == relation);
        for (name, _) in named {
            if !columns.iter().any(|(column, _)| *column == name.text) {
                columns.push((name.text.clone(), Some(ColumnType::Kind(Kind::Text))));
            }
        }
    }
    columns
}

/// The atom of a literal, if it has one.
pub(crate) fn atom_of(literal: &LiteralKind) -> Option<&Atom> {
    match literal {
        LiteralKind::Atom { atom, .. } | LiteralKind::Not(atom) | LiteralKind::Aggregate { atom, .. } => {
            Some(atom)
        }
        LiteralKind::Compare(..) => None,
    }
}
