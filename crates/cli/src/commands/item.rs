//! `motet item`: make, change, move, delete, take back, rescue; what shows items is in [`show`].

use std::io::Write as _;

use motet::fact::{Attribute, PublicKey, Value};
use motet::item::{ItemId, Log, Path, Reference};
use motet::{Party, Stand, Transaction, Undone};

use crate::args::{Format, Global, ItemCommand, StandArgs};
use crate::context;
use crate::failure::Failure;
use crate::output;

mod show;

/// Runs one of the item commands.
pub(crate) fn run(global: &Global, command: ItemCommand) -> Result<(), Failure> {
    let party = context::open_party(global)?;
    let item = |text: &str| context::item(&party, text);
    match command {
        ItemCommand::New { model, kind, parent, set } => {
            print_id(global, new(&party, &model, kind.as_deref(), parent.as_deref(), &set)?)
        }
        ItemCommand::Set { item: of, set } => {
            let set = properties(&set)?;
            change(global, &party, &of, |transaction, item| {
                set.into_iter().for_each(|(name, value)| transaction.set(item, name, value));
            })
        }
        ItemCommand::Unset { item: of, names } => {
            let names = each(&names, property)?;
            change(global, &party, &of, |transaction, item| {
                names.into_iter().for_each(|name| transaction.remove(item, name));
            })
        }
        ItemCommand::Add { item: of, values } => {
            let values = properties(&values)?;
            change(global, &party, &of, |transaction, item| {
                values.into_iter().for_each(|(name, value)| transaction.add(item, name, value));
            })
        }
        ItemCommand::Remove { item: of, values } => {
            let values = properties(&values)?;
            change(global, &party, &of, |transaction, item| {
                values.into_iter().for_each(|(name, value)| transaction.take(item, name, value));
            })
        }
        ItemCommand::Increment { item: of, counts } => {
            let counts = each(&counts, count)?;
            change(global, &party, &of, |transaction, item| {
                counts.into_iter().for_each(|(name, by)| transaction.increment(item, name, by));
            })
        }
        ItemCommand::Link { item: of, name, to, also } => {
            let (name, to) = (property(&name)?, reference(&party, &to)?);
            let say = if also { Transaction::add } else { Transaction::set };
            change(global, &party, &of, |transaction, item| say(transaction, item, name, to))
        }
        ItemCommand::Links { item: of } => show::links(global, &party, item(&of)?),
        ItemCommand::Say { item: of, line } => say(global, &party, item(&of)?, &line),
        ItemCommand::Get { item: of, as_of } => show::get(global, &party, &of, as_of.as_deref()),
        ItemCommand::List { kind, deleted } => show::list(global, &party, kind.as_deref(), deleted),
        ItemCommand::Tree { item: of, deleted } => show::tree(global, &party, item(&of)?, deleted),
        ItemCommand::Move { item: of, parent, stand } => {
            let (moved, parent) = (item(&of)?, item(&parent)?);
            party.place_item(moved, parent, place(&party, &stand)?)?;
            print_id(global, moved)
        }
        ItemCommand::Delete { item: of, children } => {
            told(global, item(&of)?, |gone| party.delete_item(gone, children.into()))
        }
        ItemCommand::Restore { item: of, along } => {
            told(global, item(&of)?, |back| party.restore_item(back, along))
        }
        ItemCommand::Purge { item: of, children } => {
            told(global, item(&of)?, |gone| party.purge_item(gone, children.into()))
        }
        ItemCommand::History { item: of } => show::history(global, &party, item(&of)?),
        ItemCommand::Undo { item: of } => took_back(global, party.undo(item(&of)?)?, "taken back"),
        ItemCommand::Redo { item: of } => took_back(global, party.redo(item(&of)?)?, "said again"),
        ItemCommand::Remodel { item: of, model } => print_id(global, party.remodel_item(item(&of)?, &model)?),
        ItemCommand::Rescue { item: of } => {
            rescue(global, &party.rescue(of.map(|of| item(&of)).transpose()?)?)
        }
    }
}

fn new(
    party: &Party,
    model: &str,
    kind: Option<&str>,
    parent: Option<&str>,
    set: &[String],
) -> Result<ItemId, Failure> {
    let parent = parent.map(|parent| context::item(party, parent)).transpose()?;
    let mut transaction = party.transaction();
    let new = transaction.create_item(model, kind, parent)?;
    for (name, value) in properties(set)? {
        transaction.set(new, name, value);
    }
    transaction.commit()?;
    Ok(new)
}

/// What each of some words says.
fn each<T>(words: &[String], read: fn(&str) -> Result<T, Failure>) -> Result<Vec<T>, Failure> {
    words.iter().map(|word| read(word)).collect()
}

fn change(
    global: &Global,
    party: &Party,
    item: &str,
    fill: impl FnOnce(&mut Transaction, ItemId),
) -> Result<(), Failure> {
    let item = context::item(party, item)?;
    let mut transaction = party.transaction();
    fill(&mut transaction, item);
    transaction.commit()?;
    print_id(global, item)
}

fn print_id(global: &Global, item: ItemId) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match global.format {
        Format::Table => Ok(writeln!(out, "{}", context::bare(&item))?),
        format => output::print_fields(&mut out, format, &[("item", context::bare(&item).into())]),
    }
}

/// The attribute of a property's path.
fn property(name: &str) -> Result<Attribute, Failure> {
    let path: Path =
        name.parse().map_err(|error: motet::item::PathError| Failure::Usage(error.to_string()))?;
    Ok(path.attribute())
}

fn properties(given: &[String]) -> Result<Vec<(Attribute, Value)>, Failure> {
    context::assignments(given)?.into_iter().map(|(name, value)| Ok((property(&name)?, value))).collect()
}

fn count(text: &str) -> Result<(Attribute, i64), Failure> {
    let (name, by) = text.split_once('=').unwrap_or((text, "1"));
    let by = by.parse().map_err(|_| Failure::Usage(format!("`{text}`: {by} is not an integer")))?;
    Ok((property(name)?, by))
}

fn reference(party: &Party, text: &str) -> Result<Reference, Failure> {
    let Some((other, item)) = text.split_once('/') else {
        return Ok(Reference::here(context::item(party, text)?));
    };
    let wrong = || {
        Failure::Usage(format!("`{text}` is not PARTY/ITEM"))
            .help("both are whole, of 64 hexadecimal digits: the other party need not be here")
    };
    let other: PublicKey = other.parse().map_err(|_| wrong())?;
    Ok(Reference::there(other, item.parse().map_err(|_| wrong())?))
}

fn place(party: &Party, stand: &StandArgs) -> Result<Stand, Failure> {
    Ok(match (&stand.before, &stand.after) {
        (Some(sibling), _) => Stand::Before(context::item(party, sibling)?),
        (_, Some(sibling)) => Stand::After(context::item(party, sibling)?),
        _ if stand.first => Stand::First,
        _ => Stand::Last,
    })
}

/// Prints the item that a change of the tree was about.
fn told<T>(
    global: &Global,
    item: ItemId,
    change: impl FnOnce(ItemId) -> Result<T, motet::Error>,
) -> Result<(), Failure> {
    match change(item) {
        Ok(_) => print_id(global, item),
        Err(error @ motet::Error::HasChildren { .. }) => {
            Err(Failure::from(error).help("--children orphan|along says what becomes of items under it"))
        }
        Err(error) => Err(error.into()),
    }
}

/// A line of one value, or of several with names.
fn say(global: &Global, party: &Party, log: ItemId, words: &[String]) -> Result<(), Failure> {
    let line: Vec<(Attribute, Value)> = match words {
        [only] if !only.contains('=') => {
            let value = context::literal(only);
            vec![(Log::LINE.into(), value)]
        }
        _ => context::assignments(words)?.into_iter().map(|(name, value)| (name.into(), value)).collect(),
    };
    if party.item(log, |item| item.model() != Some(Log::NAME))? {
        return Err(Failure::Failed(format!("item {} is no log", context::bare(&log)))
            .help("`motet item new --model log` makes one"));
    }
    let mut transaction = party.transaction();
    transaction.append(log, line)?;
    transaction.commit()?;
    print_id(global, log)
}

fn took_back(global: &Global, undone: Option<Undone>, what: &str) -> Result<(), Failure> {
    let Some(Undone { entry, receipt, facts }) = undone else {
        return Err(Failure::Failed(format!("there is nothing of yours to be {what}")));
    };
    let mut out = std::io::stdout().lock();
    match global.format {
        Format::Table if facts == 0 => {
            Ok(writeln!(out, "entry {entry}: all of it was changed since, so nothing is {what}")?)
        }
        Format::Table => Ok(writeln!(out, "entry {entry} is {what}")?),
        format => {
            let facts = i64::try_from(facts).unwrap_or(i64::MAX);
            let fields = [("entry", entry.into()), ("by", receipt.entry.into()), ("facts", facts.into())];
            output::print_fields(&mut out, format, &fields)
        }
    }
}

fn rescue(global: &Global, rescue: &motet::Rescue) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let fields = [("entries", rescue.entries.to_string().into()), ("facts", rescue.facts.to_string().into())];
    output::print_fields(&mut out, global.format, &fields)?;
    if global.format == Format::Table {
        for (old, new) in &rescue.items {
            writeln!(out, "item {} is {} now", context::bare(old), context::bare(new))?;
        }
    }
    Ok(())
}
