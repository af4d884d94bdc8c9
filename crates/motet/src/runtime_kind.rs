//! Which runtime runs a program.
//!
//! The naive evaluator is the semantics, so it takes the program as it was written. Every other takes the program that
//! derives only what is demanded, as the optimiser rewrites it for contents like those there are when it starts: to
//! plan anew is to start anew (Q18).

use motet_algebra::{Changes, Counted, Naive, Runtime, SchemaError, optimise};
use motet_cluster::Cluster;
use motet_logic::Compiled;

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
    /// A runtime for a program that begins with these rows; nothing is computed yet.
    ///
    /// # Errors
    /// [`SchemaError`] if the program cannot be built.
    pub fn start(self, compiled: &Compiled, rows: &Changes) -> Result<Box<dyn Runtime>, SchemaError> {
        let program = match self {
            RuntimeKind::Naive => return Ok(Box::new(Naive::new(compiled.program.clone())?)),
            RuntimeKind::Cluster => &compiled.demanded,
        };
        Ok(Box::new(Cluster::new(optimise(program, &Counted::of(program, rows)))?))
    }
}
