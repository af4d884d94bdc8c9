//! Saved rules: `use name.` brings in the clauses and declarations of a module (Q21).
//!
//! A module is a program's text that was saved under a name. Each that is used comes in once, whoever uses it and
//! however often, so modules may use each other in a circle. Its outputs are its own: what a program reports, the
//! program says. The inputs, the types of columns and the `forbid` rules come along. What relations a module reads but
//! does not define is for the others to define.
//!
//! There are no name spaces. A relation that two texts define would silently be the union of what each means by it, so
//! that is an error; two texts may declare it, if they agree.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use motet_algebra::ColumnType;
use motet_algebra::text::sources::Sources;

use crate::ast::{Clause, DeclarationKind, Module, Name};
use crate::diagnostic::Report;
use crate::{Catalog, Diagnostics, Source, parser, positional};

/// A program with all that it uses, and the texts they come from.
pub(crate) fn assemble(source: &Source, catalog: &Catalog, report: &mut Report) -> (Module, Sources) {
    let mut sources = Sources::from(source);
    let mut program = parser::parse(&source.text, 0, 0, &catalog.registry, report);
    let mut wanted: VecDeque<Name> = uses(&program).cloned().collect();
    let mut seen = BTreeSet::new();
    while let Some(name) = wanted.pop_front() {
        if !seen.insert(name.text.clone()) {
            continue;
        }
        let Some(saved) = catalog.modules.get(&*name.text) else {
            unknown(&name, catalog, report);
            continue;
        };
        let forbidden = program.clauses.iter().filter(|clause| clause.forbids).count();
        let begin = sources.add(saved.clone());
        let module = parser::parse(&saved.text, begin, forbidden, &catalog.registry, report);
        wanted.extend(uses(&module).cloned());
        report_clashes(&program, &module, &saved.name, report);
        merge(&mut program, module);
    }
    positional::name_columns(&mut program, &sources, catalog, report);
    (program, sources)
}

/// Reads a text as far as that can be done without what it uses: whether it may be saved.
///
/// # Errors
/// Its characters, literals and syntax, where they are wrong.
pub fn check_syntax(source: &Source, catalog: &Catalog) -> Result<(), Diagnostics> {
    let mut report = Report::default();
    parser::parse(&source.text, 0, 0, &catalog.registry, &mut report);
    if report.has_errors() { Err(report.finish(source)) } else { Ok(()) }
}

/// The names of the rules that a text itself uses: for those who keep rules in files.
pub fn used_modules(source: &Source, catalog: &Catalog) -> Vec<String> {
    let module = parser::parse(&source.text, 0, 0, &catalog.registry, &mut Report::default());
    uses(&module).map(|name| name.text.to_string()).collect()
}

fn uses(module: &Module) -> impl Iterator<Item = &Name> {
    module.declarations.iter().filter_map(|declaration| match &declaration.kind {
        DeclarationKind::Use(name) => Some(name),
        DeclarationKind::Relation { .. }
        | DeclarationKind::Input(_)
        | DeclarationKind::Event { .. }
        | DeclarationKind::Output { .. } => None,
    })
}

fn unknown(name: &Name, catalog: &Catalog, report: &mut Report) {
    report
        .error("L027", name.span, format!("there are no saved rules `{}`", name.text))
        .label("not saved here")
        .remedy("save them first")
        .suggest(&name.text, catalog.modules.keys().map(String::as_str));
}

/// Reports the relations that a module and what was read before it both define.
fn report_clashes(program: &Module, module: &Module, module_name: &str, report: &mut Report) {
    let theirs: BTreeSet<&Arc<str>> = defined(module).map(|clause| &clause.head.relation.text).collect();
    let mut told = BTreeSet::new();
    for clause in defined(program) {
        let name = &clause.head.relation;
        if theirs.contains(&name.text) && told.insert(&name.text) {
            report
                .error("L038", name.span, format!("`{}` is defined here and in {module_name}", name.text))
                .label("defined here")
                .remedy("give one of the two another name");
        }
    }
}

/// The clauses that define a relation.
fn defined(module: &Module) -> impl Iterator<Item = &Clause> {
    module.clauses.iter().filter(|clause| !clause.forbids)
}

/// Adds what a module says, but for its outputs and what was said in the same words before.
fn merge(program: &mut Module, module: Module) {
    let mut columns = BTreeMap::new();
    let mut inputs = BTreeSet::new();
    let mut events = BTreeMap::new();
    for declaration in &program.declarations {
        match &declaration.kind {
            DeclarationKind::Relation { name, columns: said } => {
                columns.insert(name.text.clone(), words(said));
            }
            DeclarationKind::Input(name) => {
                inputs.insert(name.text.clone());
            }
            DeclarationKind::Event { name, columns: said } => {
                events.insert(name.text.clone(), said.as_deref().map(words));
            }
            DeclarationKind::Output { .. } | DeclarationKind::Use(_) => {}
        }
    }
    program.declarations.extend(module.declarations.into_iter().filter(
        |declaration| match &declaration.kind {
            DeclarationKind::Relation { name, columns: said } => {
                columns.get(&name.text) != Some(&words(said))
            }
            DeclarationKind::Input(name) => !inputs.contains(&name.text),
            DeclarationKind::Event { name, columns: said } => {
                events.get(&name.text) != Some(&said.as_deref().map(words))
            }
            DeclarationKind::Output { .. } | DeclarationKind::Use(_) => false,
        },
    ));
    program.clauses.extend(module.clauses);
    program.unread.extend(module.unread);
}

/// What a declaration says of columns.
fn words(columns: &[(Name, ColumnType)]) -> Vec<(Arc<str>, ColumnType)> {
    columns.iter().map(|(name, column_type)| (name.text.clone(), *column_type)).collect()
}
