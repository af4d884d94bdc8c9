//! Folds: what groups of rows give.
//!
//! Of the groups that changed the rows are gathered and folded, and what comes of it is compared with the rows that the
//! outputs have for the key. So a fold needs no state of its own that an epoch would have to take back.

use std::rc::Rc;

use super::epoch::{Epoch, row_bytes};
use super::relation::View;
use super::row::{Batch, Id, Place};
use super::rows::Rows;
use super::rule::{Host, Output, RelationId};
use super::table::{Access, Key, key};
use super::{Engine, Exceeded};

/// How the rows of an output are found that belong to a key.
struct Way {
    relation: RelationId,
    access: Access,
    /// For each column of the access, the place of its id in the key.
    from: Vec<Place>,
}

impl<H: Host> Engine<H> {
    pub(crate) fn fold(&mut self, epoch: &mut Epoch, fold: usize) -> Result<(), Exceeded> {
        let definition = Rc::clone(&self.definition);
        let fold = &definition.folds[fold];
        let input = &mut self.relations[fold.input];
        if self.started && !input.is_changed() {
            return Ok(());
        }
        let access = input.table.access(&fold.keys);
        let mut keys = Rows::new(fold.keys.len());
        if self.started {
            let changed = input.come.iter().chain(input.gone.iter());
            for (_, row) in changed {
                keys.insert(&key(row, &fold.keys));
            }
        } else {
            input.table.each_key(access, |key| {
                keys.insert(key);
            });
        }
        let ways: Vec<Way> = fold.outputs.iter().map(|output| self.way(output)).collect();
        for (_, key) in keys.iter() {
            let input = &self.relations[fold.input];
            let hidden = input.hidden(View::New);
            let mut group = Batch::new(definition.widths[fold.input]);
            input.table.walk(access, key, |row| {
                if !hidden.contains(row) {
                    group.push(row);
                }
                false
            });
            let mut given: Vec<Rows> =
                ways.iter().map(|way| Rows::new(definition.widths[way.relation])).collect();
            if !group.is_empty() {
                self.host.fold(fold.fold, &group, &mut |output, row| {
                    given[output].insert(row);
                });
            }
            let mut touched = group.len();
            for (way, given) in ways.iter().zip(&given) {
                touched += self.replace(way, key, given);
                epoch.held += given.iter().map(|(_, row)| row_bytes(row)).sum::<u64>();
            }
            self.charge(epoch, touched as u64, fold.outputs[0].relation, None)?;
        }
        Ok(())
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
        let key: Key = way.from.iter().map(|place| key[*place]).collect();
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
