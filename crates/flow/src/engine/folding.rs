//! Folds: what groups of rows give.
//!
//! Where the host can follow a change, what a group gives comes from what it gave before and what changed: the law is
//! that of linear aggregates, a(x + dx) = a(x) + a(dx) (Budiu and others, DBSP, 2023). Of other groups that changed
//! the rows are gathered and folded. What comes of it is compared with the rows that the outputs have for the key. So
//! a fold needs no state of its own that an epoch would have to take back: what it gave before is all it keeps.

use std::sync::Arc;

use super::epoch::{Epoch, row_bytes};
use super::relation::View;
use super::row::{Batch, Id, Place};
use super::rows::Rows;
use super::rule::{Fold, Host, Output, RelationId};
use super::table::{Access, Key, key};
use super::{Engine, Exceeded};

/// How the rows of an output are found that belong to a key.
struct Way {
    relation: RelationId,
    access: Access,
    /// For each column of the access, the place of its id in the key.
    from: Vec<Place>,
}

impl Way {
    /// The key of the access, for the key of a group.
    fn key(&self, key: &[Id]) -> Key {
        self.from.iter().map(|place| key[*place]).collect()
    }
}

/// The groups that changed, and how.
struct Groups<'a> {
    fold: &'a Fold,
    width: usize,
    keys: Rows,
    /// By the number of the key. In the first epoch there are none.
    changes: Vec<GroupChange>,
}

/// What came to a group, and went.
struct GroupChange {
    come: Batch,
    gone: Batch,
}

impl<'a> Groups<'a> {
    fn new(fold: &'a Fold, width: usize) -> Self {
        Groups { fold, width, keys: Rows::new(fold.keys.len()), changes: Vec::new() }
    }

    /// The change of the group that a row belongs to.
    fn of(&mut self, row: &[Id]) -> &mut GroupChange {
        let (number, new) = self.keys.insert(&key(row, &self.fold.keys));
        if new {
            let none = || Batch::new(self.width);
            self.changes.push(GroupChange { come: none(), gone: none() });
        }
        &mut self.changes[number as usize]
    }
}

impl<H: Host> Engine<H> {
    pub(crate) fn fold(&mut self, epoch: &mut Epoch, fold: usize) -> Result<(), Exceeded> {
        let definition = Arc::clone(&self.definition);
        let fold = &definition.folds[fold];
        let input = &mut self.relations[fold.input];
        if self.started && !input.is_changed() {
            return Ok(());
        }
        let access = input.table.access(&fold.keys);
        let mut groups = Groups::new(fold, definition.widths[fold.input]);
        if self.started {
            input.come.iter().for_each(|(_, row)| groups.of(row).come.push(row));
            input.gone.iter().for_each(|(_, row)| groups.of(row).gone.push(row));
        } else {
            input.table.each_key(access, |key| {
                groups.keys.insert(key);
            });
        }
        let ways: Vec<Way> = fold.outputs.iter().map(|output| self.way(output)).collect();
        for (number, key) in groups.keys.iter() {
            let mut given: Vec<Rows> =
                ways.iter().map(|way| Rows::new(definition.widths[way.relation])).collect();
            let followed = groups.changes.get(number as usize).and_then(|change| {
                let row = self.follow(fold, &ways[0], (access, key), change)?;
                given[0].insert(&row);
                Some(change.come.len() + change.gone.len())
            });
            let mut touched = followed.unwrap_or_else(|| self.fold_group(fold, (access, key), &mut given));
            for (way, given) in ways.iter().zip(&given) {
                touched += self.replace(way, key, given);
                epoch.held += given.iter().map(|(_, row)| row_bytes(row)).sum::<u64>();
            }
            self.charge(epoch, touched as u64, fold.outputs[0].relation, None)?;
        }
        Ok(())
    }

    /// The row of a group from the one before and the change, if the host can tell.
    fn follow(
        &self,
        fold: &Fold,
        way: &Way,
        (access, key): (Access, &[Id]),
        change: &GroupChange,
    ) -> Option<Vec<Id>> {
        let mut old: Option<Vec<Id>> = None;
        let of = &self.relations[way.relation];
        of.table.walk(way.access, &way.key(key), |row| {
            old = Some(row.to_vec());
            true
        });
        let input = &self.relations[fold.input];
        let left = input.table.walk(access, key, |row| !input.gone.contains(row));
        if left { self.host.follow(fold.fold, &old?, &change.come, &change.gone) } else { None }
    }

    /// Folds a group; gives how many rows it has.
    fn fold_group(&self, fold: &Fold, (access, key): (Access, &[Id]), given: &mut [Rows]) -> usize {
        let input = &self.relations[fold.input];
        let hidden = input.hidden(View::New);
        let mut group = Batch::new(input.table.width());
        input.table.walk(access, key, |row| {
            if !hidden.contains(row) {
                group.push(row);
            }
            false
        });
        if !group.is_empty() {
            self.host.fold(fold.fold, &group, &mut |output, row| {
                given[output].insert(row);
            });
        }
        group.len()
    }

    fn way(&mut self, output: &Output) -> Way {
        let mut from: Vec<Place> = (0..output.keys.len()).collect();
        from.sort_by_key(|place| output.keys[*place]);
        let columns: Vec<Place> = from.iter().map(|place| output.keys[*place]).collect();
        let access = self.relations[output.relation].table.access(&columns);
        Way { relation: output.relation, access, from }
    }

    /// Makes the rows that an output has for a key those that were given; gives how many were looked at.
    fn replace(&mut self, way: &Way, key: &[Id], given: &Rows) -> usize {
        let relation = &mut self.relations[way.relation];
        let key = way.key(key);
        let (mut old, mut kept) = (Batch::new(relation.table.width()), 0);
        relation.table.walk(way.access, &key, |row| {
            match given.contains(row) {
                true => kept += 1,
                false => old.push(row),
            }
            false
        });
        old.rows().for_each(|row| relation.drop_row(row));
        if given.len() > kept {
            for (_, row) in given.iter() {
                relation.put(row, 0, !self.started);
            }
        }
        old.len() + given.len()
    }
}
