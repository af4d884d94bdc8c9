//! Rules that a party saves, for `use name.` in the queries of all its members (Q21).
//!
//! They are data like any other, and sync as such: the rules `name` are the property `rules/name` of the party's root
//! item, a text. So two members who save under one name at once have written to one register, of which all replicas see
//! the same winner. Rules that were removed are a register that holds `false`.
//!
//! Whoever may write may save rules. A query is compiled with what is saved at that moment, and keeps it.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::Value;
use motet_logic::{Catalog, Source, check_syntax, used_modules};

use crate::circuits::Origin;
use crate::{Error, Party, Query, Receipt, relations};

/// What the properties begin with that hold saved rules.
const PREFIX: &str = "rules/";

impl Party {
    /// Saves rules under a name, over those that have it.
    ///
    /// # Errors
    /// [`Error::RulesName`]; [`Error::Query`] if the text can't be read; otherwise as [`crate::Transaction::commit`].
    pub fn save_rules(&self, name: &str, text: &str) -> Result<Receipt, Error> {
        let fits = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || !name.chars().all(fits) {
            return Err(Error::RulesName(name.to_owned()));
        }
        check_syntax(&source(name, text), &self.catalog()?).map_err(Error::Query)?;
        self.set(self.root(), property(name), text)
    }

    /// Removes saved rules.
    ///
    /// # Errors
    /// [`Error::NoSuchRules`]; otherwise as [`crate::Transaction::commit`].
    pub fn remove_rules(&self, name: &str) -> Result<Receipt, Error> {
        if !self.rules()?.contains_key(name) {
            return Err(Error::NoSuchRules(name.to_owned()));
        }
        self.set(self.root(), property(name), Value::Bool(false))
    }

    /// The texts of the saved rules by name.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn rules(&self) -> Result<BTreeMap<String, String>, Error> {
        let root = self.root();
        let properties = self.item(root, |item| item.attributes(&root.entity()))?;
        let saved = properties.iter().filter_map(|(attribute, value)| {
            let name = attribute.as_text()?.strip_prefix(PREFIX)?;
            Some((name.to_owned(), value.as_text()?.to_owned()))
        });
        Ok(saved.collect())
    }

    /// What queries of this party may read: the base relations, the database's own functions, and the saved rules.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn catalog(&self) -> Result<Catalog, Error> {
        let mut catalog = relations::catalog();
        catalog.register(&self.database().functions());
        for (name, text) in self.rules()? {
            catalog.add_module(&name, source(&name, &text));
        }
        Ok(catalog)
    }
}

/// What a query of some parties may read: of saved rules those of all of them.
///
/// # Errors
/// [`Error::RulesDiffer`] if the query uses rules that two of them have saved in different words; [`Error::Store`].
pub(crate) fn catalog_of(origin: &Origin, query: &Query) -> Result<Catalog, Error> {
    let mut catalog = relations::catalog();
    catalog.register(&origin.database.functions());
    let mut differ = BTreeSet::new();
    for party in &origin.parties {
        for (name, text) in party.rules()? {
            match catalog.module(&name) {
                Some(before) if before.text != text => {
                    differ.insert(name);
                }
                Some(_) => {}
                None => {
                    catalog.add_module(&name, source(&name, &text));
                }
            }
        }
    }
    match used(&query.source(), &catalog).into_keys().find(|name| differ.contains(name)) {
        Some(name) => Err(Error::RulesDiffer(name)),
        None => Ok(catalog),
    }
}

/// The saved rules that a text uses, and those that they use.
pub(crate) fn used(source: &Source, catalog: &Catalog) -> BTreeMap<String, Source> {
    let mut used = BTreeMap::new();
    let mut waiting = used_modules(source, catalog);
    while let Some(name) = waiting.pop() {
        if let Some(saved) = catalog.module(&name).filter(|_| !used.contains_key(&name)) {
            waiting.extend(used_modules(saved, catalog));
            used.insert(name, saved.clone());
        }
    }
    used
}

fn property(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// What messages call them.
pub(crate) fn source(name: &str, text: &str) -> Source {
    Source::new(format!("rules {name}"), text)
}
