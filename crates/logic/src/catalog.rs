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
    /// The control columns that an atom may name.
    pub(crate) controls: Vec<(Column, ColumnType)>,
    /// Whether an atom has named them, and they are among the columns.
    pub(crate) variant: bool,
}

impl Catalog {
    /// Adds a relation with its columns, and whether its rows carry the CID of a fact (the last column of its stored
    /// rows is then `$cid`, which is not among `columns`). It is taken to grow only, unless
    /// [`Catalog::mark_convergent`] says otherwise. Adding a name again replaces it.
    pub fn add(&mut self, name: &str, columns: &[(&str, ColumnType)], has_cid: bool) -> &mut Self {
        let (columns, controls) = (named(columns), Vec::new());
        self.relations
            .insert(name.into(), Base { columns, has_cid, monotone: true, controls, variant: false });
        self
    }

    /// Lets atoms of a relation name control columns (Q6), which begin with `$`: where its rows come from. What is read
    /// then is a relation of its own, see [`Interface::base`](crate::Interface::base).
    ///
    /// # Panics
    /// If no such relation was added.
    pub fn add_controls(&mut self, name: &str, controls: &[(&str, ColumnType)]) -> &mut Self {
        let base = self.relations.get_mut(name).expect("the relation was added before its control columns");
        base.controls.extend(named(controls));
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

    /// The rules that are saved under a name.
    pub fn module(&self, name: &str) -> Option<&Source> {
        self.modules.get(name)
    }

    /// Whether rules are saved under a name.
    pub fn has_module(&self, name: &str) -> bool {
        self.modules.contains_key(name)
    }
}

fn named(columns: &[(&str, ColumnType)]) -> Vec<(Column, ColumnType)> {
    columns.iter().map(|(name, column_type)| (Column::from(*name), *column_type)).collect()
}
