//! What a runtime saves: the values that its rows use, and its rows.
//!
//! The program is not among it, for who restores one has it at hand; but what the rules were that the rows follow from.
//! A version of this crate that makes other rules of the same program must not go on with these rows.

use std::cell::RefCell;

use motet_algebra::checkpoint::{Blocks, Reader, Writer};
use motet_algebra::dictionary::Dictionary;
use motet_algebra::{Program, SchemaError};
use motet_fact::Digest;

use crate::lower::lower;
use crate::meaning::Holds;
use crate::native::{Native, OwnNative};

const CONTEXT: &str = "motet native checkpoint";

impl Native {
    /// A runtime that goes on where one of the same program was that was saved
    /// ([`Runtime::save`](motet_algebra::Runtime::save)), with a dictionary of its own. Nothing if that is not what the
    /// blocks are. Functions and aggregates of an application must be what they were; it is for the caller to know.
    pub fn restore(program: Program, blocks: &mut Blocks<'_>) -> Option<Self> {
        Native::restore_with(program, blocks, |dictionary| RefCell::new(dictionary).into())
    }
}

impl OwnNative {
    /// As [`Native::restore`], with a dictionary that nobody else will use.
    pub fn restore_alone(program: Program, blocks: &mut Blocks<'_>) -> Option<Self> {
        Native::restore_with(program, blocks, |dictionary| RefCell::new(dictionary).into())
    }
}

impl<D: Holds> Native<D> {
    /// Saves itself, after an epoch.
    pub(crate) fn save_all(&self, put: &mut dyn FnMut(Vec<u8>)) {
        let mut writer = Writer::new(CONTEXT, put);
        writer.raw(&rules(&self.program).expect("a program that runs was lowered before").0);
        let dictionary = self.dictionary().borrow();
        let mut used = dictionary.none_used();
        for relation in 0..self.engine.relations() {
            self.engine.rows(relation, |row| row.iter().for_each(|id| used.add(*id)));
        }
        dictionary.save(&mut used, &mut writer);
        self.engine.save(|id| used.number(id), |number| writer.number(number));
        writer.finish();
    }

    fn restore_with(
        program: Program,
        blocks: &mut Blocks<'_>,
        hold: impl FnOnce(Dictionary) -> D,
    ) -> Option<Self> {
        let mut reader = Reader::new(CONTEXT, blocks);
        reader.expect(&rules(&program).ok()?.0)?;
        let dictionary = Dictionary::restore(&mut reader)?;
        // What stands in the program is numbered behind that, or as it is.
        let saved = dictionary.len();
        let native = Native::over(program, hold(dictionary)).ok()?;
        let known = |id| Dictionary::is_among(id, saved);
        let native = native.restored(|engine| engine.restore(known, || reader.number()))?;
        reader.finish().map(|()| native)
    }
}

/// What tells apart the rules that this crate makes of programs. Their numbers are those of a dictionary that has
/// nothing else, so they are the same in every process.
fn rules(program: &Program) -> Result<Digest, SchemaError> {
    let lowered = lower(program, &mut Dictionary::new())?;
    let rules = (&lowered.definition, &lowered.tests, &lowered.functions, &lowered.folds);
    let text = format!("{rules:?} {:?} {:?}", lowered.constants, lowered.undefined);
    Ok(Digest::derive("motet native rules", &[text.as_bytes()]))
}
