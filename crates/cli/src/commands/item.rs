//! `motet item`: make, set, get, list, move, rescue.

use std::io::Write as _;

use motet::Party;
use motet::fact::{Attribute, Cid, Value};
use motet::item::ItemId;

use crate::args::{Format, Global, ItemCommand};
use crate::context;
use crate::failure::Failure;
use crate::output;

/// Runs one of the item commands.
pub(crate) fn run(global: &Global, command: ItemCommand) -> Result<(), Failure> {
    let party = context::open_party(global)?;
    match command {
        ItemCommand::New { model, kind, parent, set } => {
            let parent = parent.map(|parent| context::item(&party, &parent)).transpose()?;
            let mut transaction = party.transaction();
            let item = transaction.create_item(&model, kind.as_deref(), parent)?;
            for (name, value) in context::assignments(&set)? {
                transaction.set(item, name, value);
            }
            transaction.commit()?;
            print_id(global, item)
        }
        ItemCommand::Set { item, set } => {
            let item = context::item(&party, &item)?;
            let mut transaction = party.transaction();
            for (name, value) in context::assignments(&set)? {
                transaction.set(item, name, value);
            }
            transaction.commit()?;
            print_id(global, item)
        }
        ItemCommand::Get { item } => get(global, &party, context::item(&party, &item)?),
        ItemCommand::List { kind } => list(global, &party, kind.as_deref()),
        ItemCommand::Move { item, parent } => {
            let (item, parent) = (context::item(&party, &item)?, context::item(&party, &parent)?);
            party.move_item(item, parent)?;
            print_id(global, item)
        }
        ItemCommand::Rescue { item } => {
            let item = item.map(|item| context::item(&party, &item)).transpose()?;
            rescue(global, &party.rescue(item)?)
        }
    }
}

fn print_id(global: &Global, item: ItemId) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match global.format {
        Format::Table => Ok(writeln!(out, "{}", context::bare(&item))?),
        format => output::print_fields(&mut out, format, &[("item", context::bare(&item).into())]),
    }
}

fn rescue(global: &Global, rescue: &motet::Rescue) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let fields =
        [("entries", rescue.entries.to_string().into()), ("facts", rescue.facts.to_string().into())];
    output::print_fields(&mut out, global.format, &fields)?;
    if global.format == Format::Table {
        for (old, new) in &rescue.items {
            writeln!(out, "item {} is {} now", context::bare(old), context::bare(new))?;
        }
    }
    Ok(())
}

/// A register with all its candidates; the last is the winner.
type Shown = (Attribute, Vec<(Cid, Value)>);

fn get(global: &Global, party: &Party, id: ItemId) -> Result<(), Failure> {
    let summary = party.item_summary(id)?;
    let registers: Vec<Shown> = party.item(id, |item| {
        let entity = id.entity();
        let names = item.attributes(&entity).into_keys();
        names.map(|name| (name.clone(), item.candidates(&entity, &name))).collect()
    })?;
    let mut out = std::io::stdout().lock();
    if global.format == Format::Table {
        let parent = summary.parent.map_or("none".to_owned(), |parent| context::bare(&parent));
        let (model, kind) = (summary.model.unwrap_or_default(), summary.kind.unwrap_or_default());
        writeln!(out, "item    {}\nmodel   {model}\ntype    {kind}\nparent  {parent}\n", context::bare(&id))?;
    }
    let rows = registers.into_iter().flat_map(|(name, candidates)| {
        let last = candidates.len() - 1;
        candidates.into_iter().enumerate().rev().map(move |(place, (cid, value))| {
            let standing = if place == last { "value" } else { "also said" };
            [plain(name.value()), value.to_string(), standing.to_owned(), cid.to_string()]
        })
    });
    output::print_text(&mut out, global.format, &["property", "value", "standing", "fact"], rows)
}

fn plain(value: &Value) -> String {
    value.as_text().map_or_else(|| value.to_string(), str::to_owned)
}

fn list(global: &Global, party: &Party, kind: Option<&str>) -> Result<(), Failure> {
    let items = party.items()?.into_iter().filter(|item| kind.is_none() || item.kind.as_deref() == kind);
    let row = |item: motet::party::ItemSummary| {
        let parent = item.parent.map_or(String::new(), |parent| context::bare(&parent)[..12].to_owned());
        [context::bare(&item.id), item.kind.unwrap_or_default(), item.model.unwrap_or_default(), parent]
    };
    let mut out = std::io::stdout().lock();
    output::print_text(&mut out, global.format, &["item", "type", "model", "parent"], items.map(row))
}
