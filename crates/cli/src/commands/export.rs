//! `motet export car`: the facts of a party as a CAR file.
//!
//! Written are the facts that count, of all items, and the facts that those cite, so that whoever imports the file has
//! everything that a fact needs in order to count.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use motet::Party;
use motet::item::ItemId;
use motet_fact::{Cid, Fact, Value};
use motet_item::BaseRelation;
use motet_stream::car;

use crate::args::{ExportCommand, Global};
use crate::context;
use crate::failure::Failure;
use crate::output;

/// Writes data out.
pub(crate) fn export(global: &Global, command: &ExportCommand) -> Result<(), Failure> {
    match command {
        ExportCommand::Car { file } => export_car(&context::open_party(global)?, file, global),
    }
}

fn export_car(party: &Party, file: &Path, global: &Global) -> Result<(), Failure> {
    let mut facts = Vec::new();
    for item in party.items()? {
        facts.extend(facts_of(party, item.id)?);
    }
    if file.to_str() == Some("-") {
        let mut out = BufWriter::new(io::stdout().lock());
        car::write(&mut out, &facts)?;
        return Ok(out.flush()?);
    }
    let write = || {
        let mut out = BufWriter::new(File::create(file)?);
        car::write(&mut out, &facts)?;
        out.flush()
    };
    write().map_err(|error| Failure::writing(file, &error))?;
    let count = Value::Int(i64::try_from(facts.len()).unwrap_or(i64::MAX));
    let fields = [("file", Value::text(file.display().to_string())), ("facts", count)];
    output::print_fields(&mut io::stdout().lock(), global.format, &fields)
}

/// The facts of an item that count, and those that they cite, causes first.
fn facts_of(party: &Party, item: ItemId) -> Result<Vec<Fact>, Failure> {
    let mut stated: Vec<(Cid, Fact)> = Vec::new();
    party.visit_parts(item, |_, facts| stated.extend(facts.iter().map(|fact| (fact.cid(), fact.clone()))))?;
    let mut wanted = BTreeSet::new();
    party.item(item, |item| {
        item.rows(&mut |relation, row| {
            if relation == BaseRelation::Fact {
                wanted.extend(row[3].as_link());
            }
        });
    })?;
    for (cid, fact) in stated.iter().rev() {
        if wanted.contains(cid) {
            wanted.extend(fact.causes());
        }
    }
    Ok(stated.into_iter().filter(|(cid, _)| wanted.remove(cid)).map(|(_, fact)| fact).collect())
}
