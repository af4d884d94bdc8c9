//! Which runtime runs a program.
//!
//! The naive evaluator is the semantics, so it takes the program as it was written. Every other takes the program that
//! derives only what is demanded, as the optimiser rewrites it for contents like those there are when it starts: to
//! plan anew is to start anew (Q18).

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{
    Budget, Changes, Clocked, Counted, Naive, Program, RelationName, Row, Runtime, RuntimeError, SchemaError,
    Undefined, optimise,
};
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
    /// A runtime for a program; nothing is computed yet. It is planned for the rows of its first epoch.
    ///
    /// # Errors
    /// [`SchemaError`] if the program cannot be built.
    pub fn start(self, compiled: &Compiled) -> Result<Box<dyn Runtime>, SchemaError> {
        self.resume(compiled, &BTreeMap::new())
    }

    /// A runtime that goes on where another one of the program was, if its first epoch is the last one of that, for
    /// which it was given these rows by the epoch before ([`Clocked::resume`]).
    ///
    /// # Errors
    /// As [`RuntimeKind::start`].
    pub fn resume(
        self,
        compiled: &Compiled,
        given: &BTreeMap<RelationName, BTreeSet<Row>>,
    ) -> Result<Box<dyn Runtime>, SchemaError> {
        Ok(match self {
            RuntimeKind::Naive => Box::new(Clocked::resume(compiled.program.clone(), Naive::new, given)?),
            RuntimeKind::Cluster => {
                Box::new(Clocked::resume(compiled.demanded.clone(), Planned::new, given)?)
            }
        })
    }
}

/// A cluster that is planned in its first epoch, when it is known how much there is of everything.
struct Planned {
    program: Program,
    cluster: Option<Cluster>,
}

impl Planned {
    fn new(program: Program) -> Result<Self, SchemaError> {
        program.check_deductive()?;
        Ok(Planned { program, cluster: None })
    }
}

impl Runtime for Planned {
    fn step(&mut self, inputs: &Changes, budget: Budget) -> Result<Changes, RuntimeError> {
        if let Some(cluster) = &mut self.cluster {
            return cluster.step(inputs, budget);
        }
        let planned = optimise(&self.program, &Counted::of(&self.program, inputs));
        let cluster = Cluster::new(planned);
        let mut cluster = cluster.expect("the program was checked, and the optimiser keeps it sound");
        // A first epoch that is refused leaves no plan behind either: the next may have other rows.
        let changes = cluster.step(inputs, budget)?;
        self.cluster = Some(cluster);
        Ok(changes)
    }

    fn undefined(&self) -> Vec<Undefined> {
        self.cluster.as_ref().map(Cluster::undefined).unwrap_or_default()
    }
}
