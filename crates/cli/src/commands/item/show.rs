//! Showing items: one, all, the tree, links, history.

use std::io::Write;

use motet::fact::{Attribute, Cid, Fact, Value};
use motet::item::{Item, ItemId, Line, LogState, Properties, Property, Reference};
use motet::party::ItemSummary;
use motet::{Moment, Party};

use crate::args::{DeletedArg, Format, Global};
use crate::failure::Failure;
use crate::{context, date, output};

/// One thing that an item says: its name, what it is, how it stands, and the fact that says so.
type Shown = [String; 4];

/// Shows an item, as it is or as it was.
pub(super) fn get(global: &Global, party: &Party, item: &str, as_of: Option<&str>) -> Result<(), Failure> {
    let id = context::item(party, item)?;
    let moment: Option<Moment> =
        as_of.map(date::as_of).transpose()?.map(|at| party.as_of(&at)).transpose()?;
    let (head, rows, parent) = match &moment {
        None => {
            let (head, rows) = party.item(id, |item| (head(item), rows(item)))?;
            (head, rows, party.tree(|tree| tree.parent(id))?)
        }
        Some(moment) => {
            let (head, rows) = moment.item(id, |item| (head(item), rows(item)))?;
            (head, rows, moment.tree(|tree| tree.parent(id))?)
        }
    };
    let mut out = std::io::stdout().lock();
    if global.format == Format::Table {
        let parent = parent.map_or("none".to_owned(), |parent| context::bare(&parent));
        writeln!(out, "item    {}\n{head}\nparent  {parent}\n", context::bare(&id))?;
    }
    output::print_text(&mut out, global.format, &["property", "value", "standing", "fact"], rows)
}

fn head(item: &Item) -> String {
    let (model, kind) = (item.model().unwrap_or("none"), item.kind());
    let standing = match (item.is_purged(), item.is_deleted(), item.is_alive()) {
        (true, ..) => " (gone for good)",
        (_, true, _) => " (deleted)",
        (.., false) => " (not known here)",
        _ => "",
    };
    let mut head = format!("model   {model}{standing}\ntype    {}", kind.as_deref().unwrap_or_default());
    if let Some(successor) = item.successor() {
        head += &format!("\ngoes on as {}", context::bare(&successor));
    }
    head
}

fn rows(item: &Item) -> Vec<Shown> {
    let mut shown = Vec::new();
    if let Some(properties) = item.properties() {
        put_properties(item, "", &properties.properties(), &mut shown);
        // Names that are no paths.
        let entity = item.id().entity();
        let others =
            item.attributes(&entity).into_iter().filter(|(name, _)| motet::item::Path::of(name).is_none());
        others.for_each(|(name, value)| put_value(item, &name, &value, &mut shown));
    }
    if let Some(log) = item.state::<LogState>() {
        shown.extend(log.lines().enumerate().map(|(number, line)| of_line(number, &line)));
    }
    shown
}

fn put_properties(item: &Item, front: &str, properties: &Properties, shown: &mut Vec<Shown>) {
    for (name, property) in properties {
        let escaped = name.replace('\\', "\\\\").replace('.', "\\.");
        let path = if front.is_empty() { escaped } else { format!("{front}.{escaped}") };
        match property {
            Property::Map(inner) => put_properties(item, &path, inner, shown),
            Property::Set(elements) => {
                let row = |value| [path.clone(), literal(value), "element".to_owned(), String::new()];
                shown.extend(elements.iter().map(row));
            }
            Property::Value(value) => put_value(item, &path.as_str().into(), value, shown),
        }
    }
}

/// A value, and what others said of the property that did not win.
fn put_value(item: &Item, name: &Attribute, value: &Value, shown: &mut Vec<Shown>) {
    let mut candidates = item.candidates(&item.id().entity(), name);
    let fact = candidates.pop().map(|(cid, _)| cid.to_string()).unwrap_or_default();
    shown.push([plain(name.value()), literal(value), "value".to_owned(), fact]);
    let also = |(cid, value): (Cid, Value)| {
        [plain(name.value()), literal(&value), "also said".to_owned(), cid.to_string()]
    };
    shown.extend(candidates.into_iter().rev().map(also));
}

fn of_line(number: usize, line: &Line) -> Shown {
    let says = line.says.iter();
    let says: Vec<String> = match line.says.len() {
        1 => says.map(|(_, value)| literal(value)).collect(),
        _ => says.map(|(name, value)| format!("{}={}", plain(name.value()), literal(value))).collect(),
    };
    [format!("line {}", number + 1), says.join(" "), "said".to_owned(), line.entity.to_string()]
}

/// A reference as what it points at, other values as literals.
fn literal(value: &Value) -> String {
    match Reference::of(value) {
        Some(Reference { party: None, item }) => format!("-> {}", context::bare(&item)),
        Some(reference) => format!("-> {reference}"),
        None => value.to_string(),
    }
}

fn plain(value: &Value) -> String {
    value.as_text().map_or_else(|| value.to_string(), str::to_owned)
}

/// Lists items.
pub(super) fn list(
    global: &Global,
    party: &Party,
    kind: Option<&str>,
    deleted: DeletedArg,
) -> Result<(), Failure> {
    let fits = |item: &ItemSummary| {
        (kind.is_none() || item.kind.as_deref() == kind)
            && deleted.shows(item.deleted)
            && item.model.is_some()
    };
    let row = |item: ItemSummary| {
        let parent = item.parent.map_or(String::new(), |parent| short(&parent));
        [context::bare(&item.id), item.kind.unwrap_or_default(), item.model.unwrap_or_default(), parent]
    };
    let items = party.items()?.into_iter().filter(fits).map(row);
    let mut out = std::io::stdout().lock();
    output::print_text(&mut out, global.format, &["item", "type", "model", "parent"], items)
}

fn short(id: &ItemId) -> String {
    context::bare(id)[..12].to_owned()
}

/// Shows what hangs under an item.
pub(super) fn tree(global: &Global, party: &Party, top: ItemId, deleted: DeletedArg) -> Result<(), Failure> {
    let below = party.tree(|tree| {
        let depth = |item: ItemId| tree.above(item).take_while(|above| *above != top).count() + 1;
        let below = tree.below(top).into_iter().map(|item| (item, depth(item)));
        std::iter::once((top, 0)).chain(below).collect::<Vec<_>>()
    })?;
    let mut rows = Vec::new();
    for (item, depth) in below {
        let Ok((title, summary)) = party.item(item, |item| (title(item), exists(item))) else { continue };
        let Some((kind, model, is_deleted)) = summary else { continue };
        if deleted.shows(is_deleted) || depth == 0 {
            let indent = if global.format == Format::Table { "  ".repeat(depth) } else { String::new() };
            let mark = if is_deleted { " (deleted)" } else { "" };
            rows.push([format!("{indent}{}", short(&item)), format!("{title}{mark}"), kind, model]);
        }
    }
    let mut out = std::io::stdout().lock();
    output::print_text(&mut out, global.format, &["item", "title", "type", "model"], rows)
}

/// Type, model, whether it is deleted; nothing if it isn't there.
fn exists(item: &Item) -> Option<(String, String, bool)> {
    let kind = item.kind().map(|kind| kind.to_string()).unwrap_or_default();
    Some((kind, item.model()?.to_owned(), item.is_deleted()))
}

/// What people call it.
fn title(item: &Item) -> String {
    let attributes = item.attributes(&item.id().entity());
    let title = ["title", "name"].into_iter().find_map(|name| attributes.get(&Attribute::from(name)));
    title.map(plain).unwrap_or_default()
}

/// Shows what an item points at, and what points at it.
pub(super) fn links(global: &Global, party: &Party, item: ItemId) -> Result<(), Failure> {
    let out = party.links(item)?.into_iter().map(|(link, standing)| {
        let way = "to".to_owned();
        [way, plain(link.property.value()), link.to.to_string(), standing.name().to_owned()]
    });
    let mut rows: Vec<Shown> = out.collect();
    for link in party.referrers(&Reference::here(item))? {
        let from = Reference::here(link.from);
        let standing = party.standing(&from)?.name().to_owned();
        rows.push(["from".to_owned(), plain(link.property.value()), from.to_string(), standing]);
    }
    let mut out = std::io::stdout().lock();
    output::print_text(&mut out, global.format, &["way", "property", "item", "standing"], rows)
}

/// Shows what was said about an item.
pub(super) fn history(global: &Global, party: &Party, item: ItemId) -> Result<(), Failure> {
    let revisions = party.history(item)?.into_iter().map(|revision| {
        let name = revision.name.or_else(|| revision.author.map(|author| author.to_string()));
        let said: Vec<String> = revision.facts.iter().map(|fact| told(item, fact)).collect();
        let standing = if revision.counted { "" } else { "does not count" };
        [
            revision.entry.id.to_string(),
            date::show(revision.written_at),
            name.unwrap_or_default(),
            said.join("; "),
            standing.to_owned(),
        ]
    });
    let columns = ["entry", "written", "by", "said", "standing"];
    let mut out = std::io::stdout().lock();
    output::print_text(&mut out, global.format, &columns, revisions)
}

/// A fact about an item, in short.
fn told(item: ItemId, fact: &Fact) -> String {
    use motet::item::label;
    let value = literal(fact.value());
    let name = plain(fact.attribute().value());
    if let Some(property) = name.strip_prefix(label::ADD) {
        return format!("{property} has {value}");
    }
    if let Some(property) = name.strip_prefix(label::INCREMENT) {
        return format!("{property} + {value}");
    }
    match name.as_str() {
        label::GENESIS => "made".to_owned(),
        label::REMOVE => format!("removes {} of {}", fact.causes().len(), plain(fact.value())),
        label::PARENT => match fact.value().as_bytes().and_then(|bytes| bytes.first_chunk::<32>()) {
            Some(parent) => format!("under {}", short(&ItemId(*parent))),
            None => "under nothing".to_owned(),
        },
        label::UNDO => format!("takes back {value}"),
        label::REDO => format!("says again what {value} took back"),
        _ => {
            let name = name.strip_prefix(label::PREFIX).unwrap_or(&name).to_owned();
            let of = if fact.entity().as_bytes() == item.0 {
                String::new()
            } else {
                format!("{}: ", fact.entity())
            };
            format!("{of}{name} = {value}")
        }
    }
}
