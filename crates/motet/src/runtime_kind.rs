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
use motet_native::Native;

/// Which evaluator runs a query. They always agree (Q13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuntimeKind {
    /// The evaluator that defines the semantics: computes everything anew each time.
    Naive,
    /// PomoFlow: incremental, and made for this.
    Native,
    /// Differential dataflow: incremental, and made by others.
    #[default]
    Cluster,
}

impl RuntimeKind {
    /// All of them.
    pub const ALL: [RuntimeKind; 3] = [RuntimeKind::Naive, RuntimeKind::Native, RuntimeKind::Cluster];

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            RuntimeKind::Naive => "naive",
            RuntimeKind::Native => "native",
            RuntimeKind::Cluster => "cluster",
        }
    }

    /// The one with that name.
    pub fn named(name: &str) -> Option<Self> {
        RuntimeKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

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
        let demanded = compiled.demanded.clone();
        Ok(match self {
            RuntimeKind::Naive => Box::new(Clocked::resume(compiled.program.clone(), Naive::new, given)?),
            RuntimeKind::Native => {
                Box::new(Clocked::resume(demanded, |program| Planned::new(program, Native::new), given)?)
            }
            RuntimeKind::Cluster => {
                Box::new(Clocked::resume(demanded, |program| Planned::new(program, Cluster::new), given)?)
            }
        })
    }
}

/// Makes a runtime of a program that is sound.
type Make<R> = fn(Program) -> Result<R, SchemaError>;

/// A runtime that is planned in its first epoch, when it is known how much there is of everything.
struct Planned<R> {
    program: Program,
    make: Make<R>,
    runtime: Option<R>,
}

impl<R> Planned<R> {
    fn new(program: Program, make: Make<R>) -> Result<Self, SchemaError> {
        program.check_deductive()?;
        Ok(Planned { program, make, runtime: None })
    }
}

impl<R: Runtime> Runtime for Planned<R> {
    fn step(&mut self, inputs: &Changes, budget: Budget) -> Result<Changes, RuntimeError> {
        if let Some(runtime) = &mut self.runtime {
            return runtime.step(inputs, budget);
        }
        let planned = optimise(&self.program, &Counted::of(&self.program, inputs));
        let made = (self.make)(planned);
        let mut runtime = made.expect("the program was checked, and the optimiser keeps it sound");
        // A first epoch that is refused leaves no plan behind either: the next may have other rows.
        let changes = runtime.step(inputs, budget)?;
        self.runtime = Some(runtime);
        Ok(changes)
    }

    fn undefined(&self) -> Vec<Undefined> {
        self.runtime.as_ref().map(R::undefined).unwrap_or_default()
    }
}
