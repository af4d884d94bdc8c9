//! Programs of models: what the facts of an item come to, said in rules (H20).
//!
//! Such a program reads `fact`, `cause` and `height` of one item, which it may call `$item`, and nothing else: no other
//! item, no relation of the party, no time, no function that an application brought along, no saved rules. So its
//! outputs are a function of the item's facts, on every machine.
//!
//! One circuit serves all items of a model. A program is *lifted* for that, as one with parameters is
//! ([`crate::lift`]): every relation, those that come from outside included, has the item as its first column; every
//! rule asks the input of items first, and carries the item through every atom, negation and group. A rule that reads
//! nothing is lifted too: what it derives counts as the item's, and goes with it.
//!
//! Four names of outputs have a meaning for queries: what an output `attr`, `candidate`, `element` or `refers` holds is
//! in the base relation of that name. They have the columns of those, and rows of other kinds are no rows.
//!
//! A text that rules make may grow without an end. Here it is cut one character after `value_bytes`: long enough to be
//! over that limit wherever it comes into a row, and no longer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use motet_algebra::{ColumnType, Function, Program, Registry, RelationName, Term};
use motet_fact::{Kind, Value};

use crate::ast::{Clause, Declaration, DeclarationKind, Literal, Module, Name};
use crate::diagnostic::{Report, Span};
use crate::lift::{self, Lifted};
use crate::program::{Model, compile_given};
use crate::relations::{Known, Relations, atom_of};
use crate::rule::{Given, Goal, GoalKind, Rule, Variable};
use crate::{Catalog, Compiled, Diagnostics, Interface, Source, controls};

/// The parameter that stands for the item.
pub const ITEM: &str = "item";
/// The most clauses of a program.
pub const MAX_CLAUSES: usize = 256;
/// The most conditions of a clause.
pub const MAX_CONDITIONS: usize = 32;

const ANY: ColumnType = ColumnType::Any;
const BYTES: ColumnType = ColumnType::Kind(Kind::Bytes);
const LINK: ColumnType = ColumnType::Kind(Kind::Link);

/// Outputs that queries read, and their columns.
pub const PUBLISHED: [(&str, &[(&str, ColumnType)]); 4] = [
    ("attr", &[("entity", BYTES), ("attribute", ANY), ("value", ANY)]),
    ("candidate", &[("entity", BYTES), ("attribute", ANY), ("value", ANY), ("cid", LINK)]),
    ("element", &[("list", BYTES), ("item", BYTES), ("order_key", ANY)]),
    ("refers", &[("from", BYTES), ("attribute", ANY), ("to", BYTES)]),
];

/// Relations of a party that are none of an item's.
const OF_THE_PARTY: [&str; 5] = ["item", "member", "device", "feed", "entry"];

/// A model's program for all items at once.
#[derive(Clone, Debug)]
pub struct Lift {
    /// What a runtime runs. Its inputs are [`Lift::items`] and those of `fact`, `cause` and `height` that it reads; the
    /// first column of every relation is the item. All relations that rules define are reported, not only outputs.
    pub program: Program,
    /// The input of items: one column.
    pub items: RelationName,
    /// The relations that are computed together, what they read first.
    pub strata: Vec<Vec<RelationName>>,
    /// The outputs, without the item.
    pub outputs: Vec<Interface>,
    /// What is likely not meant.
    pub warnings: Diagnostics,
}

/// Compiles a model's program for all items at once. Texts that its rules make are cut after so many bytes.
///
/// # Errors
/// Everything that is wrong with it.
///
/// # Panics
/// Never: a program that can't be lifted is wrong.
pub fn compile_model(source: &Source, value_bytes: usize) -> Result<Lift, Diagnostics> {
    let kinds = BTreeMap::from([(ITEM.to_owned(), Kind::Bytes)]);
    let model = Some(Model { value_bytes });
    let outcome = compile_given(source, &catalog(), Given::Kinds(&kinds), model)?;
    let (mut compiled, items, _) = outcome.expect("a model's program is lifted or wrong");
    let strata: Vec<Vec<RelationName>> =
        compiled.strata.iter().map(|stratum| stratum.relations.clone()).collect();
    for name in strata.iter().flatten() {
        compiled.program.relations.get_mut(name).expect("a stratum's relations are the program's").output =
            true;
    }
    compiled.outputs.iter_mut().for_each(|output| drop(output.columns.remove(0)));
    Ok(Lift {
        program: compiled.program,
        items: items.expect("a lifted program has its input of items"),
        strata,
        outputs: compiled.outputs,
        warnings: compiled.warnings,
    })
}

/// Compiles a model's program for one item: what the lifted one is for each.
///
/// # Errors
/// As [`compile_model`].
///
/// # Panics
/// Never: nothing is lifted.
pub fn compile_model_of(source: &Source, value_bytes: usize, item: &Value) -> Result<Compiled, Diagnostics> {
    let values = BTreeMap::from([(ITEM.to_owned(), item.clone())]);
    let outcome = compile_given(source, &catalog(), Given::Values(&values), Some(Model { value_bytes }))?;
    Ok(outcome.expect("only lifting may fail").0)
}

/// What a model's program may read.
fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    catalog.add("fact", &[("entity", BYTES), ("attribute", ANY), ("value", ANY)], true);
    catalog.add("cause", &[("cid", LINK), ("parent", LINK)], false);
    catalog.add("height", &[("cid", LINK), ("height", ColumnType::Kind(Kind::Int))], false);
    catalog
}

// Of the text.

/// Reports what a model's program can't have, and declares the outputs that queries read.
pub(crate) fn shape(module: &mut Module, report: &mut Report) {
    if module.clauses.len() > MAX_CLAUSES {
        let message =
            format!("a program of {} clauses; a model has at most {MAX_CLAUSES}", module.clauses.len());
        report.error("L083", module.clauses[MAX_CLAUSES].span, message).remedy("say it in fewer");
    }
    refuse_declarations(module, report);
    let own = own(module);
    let mut told = BTreeSet::new();
    for clause in &module.clauses {
        refuse_in(clause, &own, &mut told, report);
    }
    module.unread.extend(told);
    if !module.declarations.iter().any(|one| matches!(one.kind, DeclarationKind::Output { .. })) {
        let remedy = "say which relations are the state: `output attr.`, or one of your own";
        report.error("L084", Span::default(), "a model without an output has no state").remedy(remedy);
    }
    declare_published(module, report);
}

fn refuse_declarations(module: &mut Module, report: &mut Report) {
    let mut refuse = |declaration: &Declaration, message: &str, remedy: &str| {
        report.error("L080", declaration.span, message).remedy(remedy);
    };
    for declaration in &module.declarations {
        match &declaration.kind {
            DeclarationKind::Relation { .. } => {}
            DeclarationKind::Input(_) => {
                refuse(
                    declaration,
                    "a model has no inputs but its facts",
                    "read `fact`, `cause` or `height`",
                );
            }
            DeclarationKind::Event { .. } => {
                let remedy = "say it of facts: those of an item are all there at once";
                refuse(declaration, "a model has no events: its state is a function of facts alone", remedy);
            }
            DeclarationKind::Use(_) => {
                let remedy = "put those rules into the program";
                refuse(declaration, "a model uses no saved rules: they may change, and it may not", remedy);
            }
            DeclarationKind::Output { order, limit, .. } => {
                if !order.is_empty() || limit.is_some() {
                    let remedy = "leave `order by` and `limit` to the queries that read it";
                    refuse(declaration, "the state of a model has no order and no end", remedy);
                }
            }
        }
    }
    // What was refused is not to be reported again for what it names.
    let stays = |one: &Declaration| {
        let refused = matches!(
            one.kind,
            DeclarationKind::Input(_) | DeclarationKind::Event { .. } | DeclarationKind::Use(_)
        );
        !refused
    };
    for declaration in module.declarations.iter().filter(|one| !stays(one)) {
        if let DeclarationKind::Input(name) | DeclarationKind::Event { name, .. } = &declaration.kind {
            module.unread.insert(name.text.clone());
        }
    }
    module.declarations.retain(stays);
}

/// The relations that the program declares or defines.
fn own(module: &Module) -> BTreeSet<Arc<str>> {
    let heads = module.clauses.iter().map(|clause| clause.head.relation.text.clone());
    let declared = module.declarations.iter().filter_map(|one| match &one.kind {
        DeclarationKind::Relation { name, .. } => Some(name.text.clone()),
        _ => None,
    });
    heads.chain(declared).collect()
}

fn refuse_in(clause: &Clause, own: &BTreeSet<Arc<str>>, told: &mut BTreeSet<Arc<str>>, report: &mut Report) {
    if clause.next {
        let remedy = "leave `@next` out: an item's facts are all there at once";
        report
            .error("L080", clause.span, "a model has no time: its state is a function of facts alone")
            .remedy(remedy);
    }
    if clause.forbids {
        let remedy = "derive a relation of what must not be, and make it an output";
        report
            .error("L080", clause.span, "a model forbids nothing: it says what facts come to")
            .remedy(remedy);
    }
    if clause.body.len() > MAX_CONDITIONS {
        let message =
            format!("a body of {} conditions; in a model at most {MAX_CONDITIONS}", clause.body.len());
        report.error("L083", clause.span, message).remedy("split it with a relation in between");
    }
    for Literal { kind, .. } in &clause.body {
        let Some(atom) = atom_of(kind) else { continue };
        let name = &atom.relation;
        let foreign = OF_THE_PARTY.contains(&&*name.text)
            || PUBLISHED.iter().any(|(published, _)| *published == &*name.text);
        if (foreign && !own.contains(&name.text)) || atom.is_type {
            let message = format!("`{}` is of the party, and a model reads one item's facts", name.text);
            report.error("L082", name.span, message).remedy("read `fact`, `cause` or `height`");
            told.insert(name.text.clone());
        }
        for (column, _) in atom.arguments.iter().filter(|(column, _)| controls::is_control(&column.text)) {
            let message = format!("a model does not see where its facts are, and names `{}`", column.text);
            report
                .error("L082", column.span, message)
                .remedy("leave it out: all are of the one item, `$item`");
        }
    }
}

/// Gives the outputs that queries read the columns that these relations have there.
fn declare_published(module: &mut Module, report: &mut Report) {
    for (published, columns) in PUBLISHED {
        let output = module.declarations.iter().find_map(|one| match &one.kind {
            DeclarationKind::Output { name, .. } if &*name.text == published => Some(name.clone()),
            _ => None,
        });
        let Some(name) = output else { continue };
        let declared = module.declarations.iter().find_map(|one| match &one.kind {
            DeclarationKind::Relation { name, columns } if &*name.text == published => {
                Some((columns, one.span))
            }
            _ => None,
        });
        match declared {
            None => {
                let column = |(column, kind): &(&str, ColumnType)| {
                    (Name { text: (*column).into(), span: name.span }, *kind)
                };
                let columns = columns.iter().map(column).collect();
                let kind = DeclarationKind::Relation { name: name.clone(), columns };
                module.declarations.push(Declaration { kind, span: name.span });
            }
            Some((said, span)) => {
                let said = said.iter().map(|(column, kind)| (&*column.text, *kind));
                if !said.eq(columns.iter().copied()) {
                    let message = format!("queries know `{published}` with other columns");
                    let wanted: Vec<String> =
                        columns.iter().map(|(column, kind)| format!("{column}: {kind}")).collect();
                    let remedy = format!(
                        "declare it as {published}({}), or not at all, or call the output something else",
                        wanted.join(", ")
                    );
                    report.error("L085", span, message).remedy(remedy);
                }
            }
        }
    }
}

// Of the rules.

/// Reports rules that ask for the CID of what they derive: of a lifted row it would be another.
pub(crate) fn check(rules: &[Rule], relations: &Relations, report: &mut Report) {
    let scans = rules.iter().flat_map(|rule| &rule.goals).filter_map(|goal| Some((goal.scan()?, goal.span)));
    for (scan, span) in scans.filter(|(scan, _)| scan.cid.is_some()) {
        if relations.get(&scan.relation).is_some_and(|known| known.base.is_none()) {
            let message =
                format!("a model asks for the CIDs of facts only, and `{}` is derived", scan.relation);
            report.error("L081", span, message).remedy("name a row by its columns");
        }
    }
}

/// Lifts resolved rules: every relation has the item as its first column.
pub(crate) fn lift_items(rules: &mut [Rule], relations: &mut Relations) -> Lifted {
    let item = lift::variable(ITEM);
    let bases = relations.known.iter().filter(|(_, known)| known.base.is_some());
    let names: BTreeSet<RelationName> =
        bases.map(|(name, _)| name.clone()).chain(rules.iter().map(|rule| rule.head.clone())).collect();
    let own: BTreeSet<Variable> = [item.clone()].into();
    let bound: BTreeMap<RelationName, BTreeSet<Variable>> =
        names.into_iter().map(|name| (name, own.clone())).collect();
    for name in bound.keys() {
        let known = relations.known.get_mut(name).expect("every head and every base is known");
        known.columns.insert(0, (item.clone(), Some(BYTES)));
    }
    let input = lift::free_name(relations, "items~");
    relations.known.insert(input.clone(), Known::given(vec![(item.clone(), Some(BYTES))]));
    relations.parameters = Some(input.clone());
    rules.iter_mut().for_each(|rule| lift::bind(rule, &bound, &input));
    Lifted { parameters: vec![item], bound }
}

/// Lets the rules make no texts that are much longer than the limit.
pub(crate) fn cut_texts(rules: &mut [Rule], value_bytes: usize) {
    let functions = Cutting::new(value_bytes);
    for rule in rules {
        rule.terms.iter_mut().for_each(|head| functions.apply(&mut head.term));
        for Goal { kind, .. } in &mut rule.goals {
            if let GoalKind::Compare(_, left, right) = kind {
                functions.apply(left);
                functions.apply(right);
            }
        }
    }
}

/// The functions that make texts longer, and stop.
struct Cutting {
    concat: Function,
    replace: Function,
}

impl Cutting {
    fn new(limit: usize) -> Self {
        let text = ColumnType::Kind(Kind::Text);
        let (concat, replace) = (format!("concat_within_{limit}"), format!("replace_within_{limit}"));
        let mut registry = Registry::default();
        let added = registry.add_function(&concat, &[text, text], text, move |arguments| {
            let [left, right] = arguments else { return None };
            Some(Value::text(joined([left.as_text()?, right.as_text()?].into_iter(), limit)))
        });
        added.expect("the name is free in an empty registry");
        let added = registry.add_function(&replace, &[text, text, text], text, move |arguments| {
            let [whole, part, by] = arguments else { return None };
            let (whole, part, by) = (whole.as_text()?, part.as_text()?, by.as_text()?);
            let pieces = whole.split(part).enumerate();
            let pieces = pieces.flat_map(|(place, piece)| [if place == 0 { "" } else { by }, piece]);
            (!part.is_empty()).then(|| Value::text(joined(pieces, limit)))
        });
        added.expect("the name is free in an empty registry");
        let function = |name: &str| registry.function(name).expect("it was just added");
        Cutting { concat: function(&concat), replace: function(&replace) }
    }

    fn apply(&self, term: &mut Term) {
        let Term::Apply(function, terms) = term else { return };
        match function {
            Function::Concat => *function = self.concat.clone(),
            Function::Replace => *function = self.replace.clone(),
            _ => {}
        }
        terms.iter_mut().for_each(|term| self.apply(term));
    }
}

/// Pieces one after the other, and none after the limit is passed.
fn joined<'a>(pieces: impl Iterator<Item = &'a str>, limit: usize) -> String {
    let mut joined = String::new();
    for piece in pieces {
        let room = (limit + 1).saturating_sub(joined.len());
        if piece.len() <= room {
            joined.push_str(piece);
            continue;
        }
        let end = (room..=piece.len()).find(|end| piece.is_char_boundary(*end)).unwrap_or(piece.len());
        joined.push_str(&piece[..end]);
        break;
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_one_character_after_the_limit() {
        let of = |pieces: &[&str], limit| joined(pieces.iter().copied(), limit);
        assert_eq!(of(&["ab", "cd"], 4), "abcd");
        assert_eq!(of(&["ab", "cd"], 3), "abcd");
        assert_eq!(of(&["ab", "cd"], 2), "abc");
        assert_eq!(of(&["ab", "ÄÖ"], 2), "abÄ");
        assert_eq!(of(&["ab", "cd", "ef"], 1), "ab");
        assert_eq!(of(&["ab", "cd", "ef"], 3), "abcd", "what has passed the limit is not added to");
    }
}
