//! What a program may read without saying it: base relations, the functions that an application brings along, and
//! saved rules.

use std::collections::BTreeMap;

use motet_algebra::{Column, ColumnType, Registry, RelationName};

use crate::Source;

/// The base relations, which the database itself fills (Q5); the functions and aggregates that are not built in; and
/// the modules: rules that were saved under a name, for `use name.` (Q21).
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    pub(crate) relations: BTreeMap<RelationName, Base>,
    pub(crate) registry: Registry,
    pub(crate) modules: BTreeMap<String, Source>,
}

/// A base relation.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub(crate) columns: Vec<(Column, ColumnType)>,
    pub(crate) has_cid: bool,
    pub(crate) monotone: bool,
}

impl Catalog {
    /// Adds a relation with its columns, and whether its rows carry the CID of a fact (the last column of its stored
    /// rows is then `$cid`, which is not among `columns`). It is taken to grow only, unless
    /// [`Catalog::mark_convergent`] says otherwise. Adding a name again replaces it.
    pub fn add(&mut self, name: &str, columns: &[(&str, ColumnType)], has_cid: bool) -> &mut Self {
        let columns = columns.iter().map(|(name, column_type)| (Column::from(*name), *column_type)).collect();
        self.relations.insert(name.into(), Base { columns, has_cid, monotone: true });
        self
    }

    /// Lets programs use the functions and aggregates of a registry, and no others but those that are built in (PL-22).
    pub fn register(&mut self, registry: &Registry) -> &mut Self {
        self.registry = registry.clone();
        self
    }

    /// Says that rows of a relation may go away as facts come in (`attr` holds winners only): what reads it is
    /// convergent at best.
    ///
    /// # Panics
    /// If no such relation was added.
    pub fn mark_convergent(&mut self, name: &str) -> &mut Self {
        self.relations.get_mut(name).expect("the relation was added before it is marked").monotone = false;
        self
    }

    /// Adds saved rules under a name. Their text is read when a program uses them. Adding a name again replaces it.
    pub fn add_module(&mut self, name: &str, source: Source) -> &mut Self {
        self.modules.insert(name.to_owned(), source);
        self
    }

    /// Whether rules are saved under a name.
    pub fn has_module(&self, name: &str) -> bool {
        self.modules.contains_key(name)
    }
}
