//! Which runtime runs a program.
//!
//! The naive evaluator is the semantics, so it takes the program as it was written. Every other takes the program that
//! the optimiser makes of it, for contents like those there are when it starts: to plan anew is to start anew (Q18).

use motet_algebra::{Naive, Program, Runtime, SchemaError, Stats, optimise};
use motet_cluster::Cluster;

/// Which evaluator runs a query. They always agree (Q13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuntimeKind {
    /// The evaluator that defines the semantics: computes everything anew each time.
    Naive,
    /// Differential dataflow: incremental.
    #[default]
    Cluster,
}

impl RuntimeKind {
    /// A runtime for a program over contents like those that the statistics tell of; nothing is computed yet.
    ///
    /// # Errors
    /// [`SchemaError`] if the program cannot be built.
    pub fn start(self, program: &Program, stats: &dyn Stats) -> Result<Box<dyn Runtime>, SchemaError> {
        Ok(match self {
            RuntimeKind::Naive => Box::new(Naive::new(program.clone())?),
            RuntimeKind::Cluster => Box::new(Cluster::new(optimise(program, stats))?),
        })
    }
}
