//! What has no value, told to people: once, and again when it changed (Q3).

use std::io::{self, Write as _};

use motet_algebra::Undefined;

/// What has been told.
#[derive(Debug, Default)]
pub(crate) struct Told(Vec<Undefined>);

impl Told {
    /// What there is, if it is not what has been told. From now on it has.
    pub(crate) fn news(&mut self, now: Vec<Undefined>) -> Option<&[Undefined]> {
        if self.0 == now {
            return None;
        }
        self.0 = now;
        Some(&self.0)
    }

    /// Says on standard error what there is, if that is news.
    pub(crate) fn warn(&mut self, now: Vec<Undefined>) {
        let mut err = io::stderr().lock();
        for undefined in self.news(now).into_iter().flatten() {
            // Where standard error itself is closed there is nobody left to tell.
            let _told = writeln!(err, "warning: {undefined}");
        }
    }
}
