//! Control columns: `fact(entity: E, $item: I)` (Q6).
//!
//! They say where a row of a base relation comes from: from which party, which item, which entry. They are no part of
//! the tuple. A relation is read without them, and two rows that only they tell apart are one row, before anything is
//! counted or summed. Where an atom names some of them, it reads another relation: one with these columns, whose rows
//! they tell apart. Such a *variant* is called after what it is, `fact($item)`, and is a base relation like any other.

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{Column, RelationName};

use crate::Catalog;
use crate::ast::{Atom, LiteralKind, Module, Name};
use crate::catalog::Base;
use crate::diagnostic::{Report, Span, most_like};

/// What the names of control columns begin with.
pub(crate) const SIGN: char = '$';

/// Whether a column is a control column by its name.
pub(crate) fn is_control(column: &str) -> bool {
    column.starts_with(SIGN)
}

/// The base relations that a program may read: those of the catalog, and the variants that its atoms ask for. The
/// atoms are made to name them.
pub(crate) fn resolve(
    module: &mut Module,
    catalog: &Catalog,
    report: &mut Report,
) -> BTreeMap<RelationName, Base> {
    let mut bases = catalog.relations.clone();
    for literal in module.clauses.iter_mut().flat_map(|clause| &mut clause.body) {
        let span = literal.span;
        let (atom, cid) = match &mut literal.kind {
            LiteralKind::Atom { atom, cid } => (atom, cid.as_ref()),
            LiteralKind::Not(atom) | LiteralKind::Aggregate { atom, .. } => (atom, None),
            LiteralKind::Compare(..) => continue,
        };
        let Some(variant) = catalog.relations.get(&atom.relation.text).and_then(|base| variant(atom, base))
        else {
            continue;
        };
        if let (Some(_), false) = (cid, variant.has_cid) {
            refuse_cid(&atom.relation.text, span, report);
        }
        atom.relation.text = name(&atom.relation.text, &variant);
        bases.insert(atom.relation.text.clone(), variant);
    }
    bases
}

/// The variant of a base relation that an atom reads; nothing if it names no control column, or one that is not there.
fn variant(atom: &Atom, base: &Base) -> Option<Base> {
    let named: BTreeSet<&Column> =
        atom.arguments.iter().map(|(column, _)| &column.text).filter(|column| is_control(column)).collect();
    let kept: Vec<_> = base.controls.iter().filter(|(column, _)| named.contains(column)).cloned().collect();
    let all = kept.len() == named.len() && !named.is_empty();
    all.then(|| {
        let columns = base.columns.iter().cloned().chain(kept.iter().cloned()).collect();
        Base { columns, controls: kept, variant: true, ..base.clone() }
    })
}

fn name(base: &RelationName, variant: &Base) -> RelationName {
    let columns: Vec<&str> = variant.controls.iter().map(|(column, _)| &**column).collect();
    format!("{base}({})", columns.join(", ")).into()
}

/// The base relation that a variant, or itself, is of, by name.
pub(crate) fn base_of(name: &str) -> &str {
    name.split_once("($").map_or(name, |(base, _)| base)
}

fn refuse_cid(relation: &str, span: Span, report: &mut Report) {
    report
        .error("L039", span, format!("the CID of a row of `{relation}` leaves control columns out"))
        .label("asks for both")
        .remedy("write two atoms: one with `C :=` before it, one with the control columns");
}

/// Reports a control column that a relation does not have; it has these.
pub(crate) fn refuse<'a>(
    column: &Name,
    relation: &str,
    has: impl IntoIterator<Item = &'a Column>,
    report: &mut Report,
) {
    let plain = |name: &'a Column| name.trim_start_matches(SIGN);
    let known: Vec<&str> = has.into_iter().map(plain).collect();
    let message = format!("`{relation}` has no control column `{}`", column.text);
    let named = column.text.trim_start_matches(SIGN);
    let item = report.error("L037", column.span, message);
    if known.is_empty() {
        item.remedy("control columns are of base relations: name it in an atom of one");
    } else if most_like(named, known.iter().copied()).is_some() {
        item.suggest_with("$", named, known);
    } else {
        item.remedy(format!("it has ${}", known.join(", $")));
    }
}

/// Reports a control column in a head, and makes it a plain one.
pub(crate) fn refuse_in_head(column: &mut Name, report: &mut Report) {
    let plain = column.text.trim_start_matches(SIGN).to_owned();
    report
        .error("L037", column.span, format!("a head has no control columns, and names `{}`", column.text))
        .replace(&plain);
    column.text = plain.into();
}
