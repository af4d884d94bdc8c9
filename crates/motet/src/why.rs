//! Why a row of a party's query is there, or is not (Q21): down to facts by their CIDs, and the entries that state
//! them.

use std::collections::BTreeSet;

use motet_algebra::{Changes, Row};
use motet_fact::{Attribute, Cid, Entity, Value};
use motet_item::Item;
use motet_logic::Interface;
use motet_logic::why::{Account, Contents};

use crate::circuit::{apply, once};
use crate::circuits::Origin;
use crate::{Error, Party, Query};

/// How many entries are named that state a fact.
const ENTRIES_SHOWN: usize = 3;

impl Party {
    /// Computes everything that a query derives from what the party holds now, and lets `read` ask why a row of it is
    /// there, or how far the rules get towards one that is not.
    ///
    /// # Errors
    /// [`Error::Query`]; [`Error::Timed`] if the query has time, for what its rows rest on may be over;
    /// [`Error::Runtime`] over budget.
    pub fn account<T>(&self, query: &Query, read: impl FnOnce(&mut Account<'_>) -> T) -> Result<T, Error> {
        let origin = Origin::new(self.database(), &[self.key()], query.runtime)?;
        let compiled = query.compile(&self.catalog()?)?;
        if compiled.program.is_timed() {
            return Err(Error::Timed);
        }
        let stored: Contents = origin.rows(&compiled.observed())?; // of which nothing is left out
        let runtime = query.runtime.start(&compiled.observed());
        let mut runtime = runtime.map_err(|error| Error::Plan(error.to_string()))?;
        let inputs: Changes = stored.iter().map(|(name, rows)| (name.clone(), once(rows))).collect();
        let mut contents = Contents::new();
        apply(&mut contents, &runtime.step(&inputs, query.budget.clone())?);
        let origins = |base: &Interface, row: &Row| self.origin(base, row);
        Ok(read(&mut Account::new(&compiled, &contents, &stored).origins(&origins)))
    }

    /// The fact that a row of a base relation comes from, and who states it.
    fn origin(&self, base: &Interface, row: &Row) -> Option<String> {
        let cid = match base.base() {
            "fact" => row.last()?.as_link()?,
            "cause" | "height" => row.first()?.as_link()?,
            "candidate" => row.get(3)?.as_link()?,
            "attr" => self.winner(row)?,
            "member" => return Some(format!("in entry {}", row.get(3)?.as_link()?)),
            _ => return None,
        };
        let entries = self.entries_stating(&cid);
        let more = if entries.len() > ENTRIES_SHOWN { ", …" } else { "" };
        let named: Vec<String> = entries.iter().take(ENTRIES_SHOWN).map(ToString::to_string).collect();
        let word = if entries.len() == 1 { "entry" } else { "entries" };
        Some(format!("fact {cid} in {word} {}{more}", named.join(", ")))
    }

    /// The fact that is the winner of the register that a row of `attr` shows.
    fn winner(&self, row: &Row) -> Option<Cid> {
        let entity = Entity::new(row.first()?.as_bytes()?).ok()?;
        let attribute = Attribute::new(row.get(1)?.clone()).ok()?;
        let value: &Value = row.get(2)?;
        let winner = |item: &Item| {
            let (cid, won) = item.candidates(&entity, &attribute).pop()?;
            (won == *value).then_some(cid)
        };
        let (store, entities) = (self.database().store(), BTreeSet::from([row[0].clone()]));
        // What can't be read has no say in where a row comes from.
        let found = self.ask(|state| {
            for id in state.items_that_show(store, Some(&entities), &BTreeSet::new())? {
                if let Some(cid) = winner(state.load_item(store, id)?) {
                    return Ok(Some(cid));
                }
            }
            Ok::<_, Error>(None)
        });
        found.ok().flatten()
    }

    /// The entries that count and state a fact, in whatever item.
    fn entries_stating(&self, fact: &Cid) -> BTreeSet<Cid> {
        let (mut entries, store) = (BTreeSet::new(), self.database().store());
        let mut visit = |item: &Item| entries.extend(item.sources(fact));
        let _what_is_there = self.ask(|state| state.each_item_with(store, fact, &mut visit));
        entries
    }
}
